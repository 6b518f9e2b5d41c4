//! Text to syntax tree, within bounds.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use tree_sitter::{ParseOptions, ParseState, Parser, Tree};

use super::lines::{Lines, nesting};
use super::rules::Grammar;
use crate::cancel::Cancel;

/// Text longer than this is not parsed: a tree takes ten times the memory of its text.
const MAX_PARSE: usize = 32 << 20;

/// Text whose lines are longer than this many bytes on average is minified or data. Its syntax
/// has no lines to cut at, and parsers may take minutes and gigabytes on it without reporting
/// (`a<a<a<…` in Java).
const MAX_MEAN_LINE: usize = 500;

/// Text nested deeper than this is no source. The parser releases ambiguous nesting recursively,
/// so ten times the depth overflows a thread's stack (`{ a: { a: …` in JavaScript).
const MAX_NESTING: usize = 3_000;

thread_local! {
    static PARSER: RefCell<Parser> = RefCell::new(Parser::new());
}

/// Parses within a budget of parser work, so that the outcome depends on the text alone and not
/// on the machine's speed.
pub(super) fn parse(lines: &Lines, grammar: &Grammar, cancel: &Cancel) -> Option<Tree> {
    let mut text = Cow::Borrowed(lines.text.as_bytes());
    if text.len() > MAX_PARSE
        || text.len() / lines.len() > MAX_MEAN_LINE
        || nesting(lines.text) > MAX_NESTING
    {
        return None;
    }
    if grammar.ascii && !text.is_ascii() {
        text.to_mut().iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'x');
    }
    // The parser reports every 100 operations. In 30,000 files of real source it did so at most
    // once per 28 bytes (once per 160 in the middle), and where it had met errors, in 4,500 files,
    // once per 45. Guessing around errors makes an operation many times slower.
    let mut budget = 1_000 + text.len() / 16;
    // It asks for text again after looking ahead to the end of the file, at most ten times in
    // real source. Some scanners do so for every token of a broken file: quadratic time.
    let rescans = Cell::new((1 << 20) + text.len().saturating_mul(64));
    let mut progress = |state: &ParseState| {
        budget = budget.saturating_sub(if state.has_error() { 3 } else { 1 });
        if budget == 0 || rescans.get() == 0 || cancel.is_cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let mut read = |at: usize, _| {
        let rest = text.get(at..).unwrap_or_default();
        rescans.set(rescans.get().saturating_sub(rest.len()));
        if rescans.get() == 0 { &[] } else { rest }
    };
    PARSER.with_borrow_mut(|parser| {
        parser.set_language(&grammar.language).ok()?;
        let options = ParseOptions::new().progress_callback(&mut progress);
        let tree = parser.parse_with_options(&mut read, None, Some(options));
        if tree.is_none() {
            // An abandoned parse would otherwise be resumed on the next text.
            parser.reset();
        }
        tree.filter(|_| rescans.get() > 0)
    })
}
