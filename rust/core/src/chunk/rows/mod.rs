//! The table of languages, by family. A new language is one row in its family's file, one sample
//! and one golden file in `tests/chunks/samples`.

mod build;
mod data;
mod documents;
mod functional;
mod managed;
mod plain;
mod scripts;
mod systems;
mod web;

use super::rules::Row;
use plain::plain;

/// [`Language::TEXT`](crate::language::Language::TEXT), then the families.
const FAMILIES: &[&[Row]] = &[
    &[plain(
        "text",
        &["plain", "plaintext", "txt"],
        &["txt", "text", "log"],
        &["LICENSE", "COPYING"],
    )],
    scripts::ROWS,
    web::ROWS,
    systems::ROWS,
    managed::ROWS,
    documents::ROWS,
    functional::ROWS,
    data::ROWS,
    build::ROWS,
    plain::ROWS,
];

/// Every language; the first is text of no known language.
pub(crate) const ROWS: &[Row] = &joined::<{ count() }>();

const fn count() -> usize {
    let (mut count, mut family) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
}

const fn joined<const N: usize>() -> [Row; N] {
    let mut rows = [Row::EMPTY; N];
    let (mut at, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut row = 0;
        while row < FAMILIES[family].len() {
            rows[at] = FAMILIES[family][row];
            (at, row) = (at + 1, row + 1);
        }
        family += 1;
    }
    rows
}
