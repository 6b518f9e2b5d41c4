//! A chunk as Tantivy takes it: read out of the batch that it came in, without a copy.

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray, UInt8Array, UInt32Array, UInt64Array};
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf};
use tantivy::schema::{Document, Field, Value};

use crate::batch::ChunkColumns;
use crate::error::Result;

use super::schema::Fields;

/// The chunks of a batch. Tantivy's threads index them after the batch was handed over, so the
/// columns are held here and not borrowed.
pub(super) struct Rows {
    fields: Fields,
    id: UInt64Array,
    path: StringArray,
    language: StringArray,
    origin: UInt8Array,
    kind: StringArray,
    symbol: StringArray,
    symbols: StringArray,
    start_line: UInt32Array,
    end_line: UInt32Array,
    offset: UInt64Array,
    context: StringArray,
    text: StringArray,
    terms: StringArray,
    signature: StringArray,
    doc: StringArray,
}

impl Rows {
    pub fn of(fields: Fields, batch: &RecordBatch) -> Result<Arc<Self>> {
        let columns = ChunkColumns::of(batch)?;
        Ok(Arc::new(Self {
            fields,
            id: columns.id.clone(),
            path: columns.path.clone(),
            language: columns.language.clone(),
            origin: columns.origin.clone(),
            kind: columns.kind.clone(),
            symbol: columns.symbol.clone(),
            symbols: columns.symbols.clone(),
            start_line: columns.start_line.clone(),
            end_line: columns.end_line.clone(),
            offset: columns.offset.clone(),
            context: columns.context.clone(),
            text: columns.text.clone(),
            terms: columns.terms.clone(),
            signature: columns.signature.clone(),
            doc: columns.doc.clone(),
        }))
    }

    /// The path of a chunk.
    pub fn path(&self, row: usize) -> &str {
        self.path.value(row)
    }
}

/// One of them.
pub(super) struct ChunkDocument {
    pub rows: Arc<Rows>,
    pub row: usize,
    /// Whether it is the first of its file, with which the file's path is indexed.
    pub first: bool,
}

/// What a field of a chunk holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum ChunkValue<'a> {
    Text(&'a str),
    Number(u64),
}

impl<'a> Value<'a> for ChunkValue<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = std::iter::Empty<(&'a str, Self)>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        ReferenceValue::Leaf(match self {
            Self::Text(text) => ReferenceValueLeaf::Str(text),
            Self::Number(number) => ReferenceValueLeaf::U64(*number),
        })
    }
}

impl Document for ChunkDocument {
    type Value<'a> = ChunkValue<'a>;
    type FieldsValuesIter<'a> = std::vec::IntoIter<(Field, ChunkValue<'a>)>;

    /// In the order of the schema, into which Tantivy sorts them.
    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        let Self { rows, row, first } = self;
        let (row, fields) = (*row, &rows.fields);
        let mut values = Vec::with_capacity(24);
        values.push((fields.id, ChunkValue::Number(rows.id.value(row))));
        let path = rows.path(row);
        values.push((fields.path, ChunkValue::Text(path)));
        if *first {
            values.push((fields.path_terms, ChunkValue::Text(path)));
            values.push((fields.stem_terms, ChunkValue::Text(stem(path))));
        }
        for (field, column) in [
            (fields.symbol_terms, &rows.symbol),
            (fields.signature, &rows.signature),
            (fields.doc, &rows.doc),
        ] {
            if !column.value(row).is_empty() {
                values.push((field, ChunkValue::Text(column.value(row))));
            }
        }
        for name in rows.symbols.value(row).lines().flat_map(names) {
            values.push((fields.name, ChunkValue::Text(name)));
        }
        values.extend([
            (fields.body, ChunkValue::Text(rows.terms.value(row))),
            (fields.language, ChunkValue::Text(rows.language.value(row))),
            (fields.origin, ChunkValue::Number(rows.origin.value(row).into())),
            (fields.kind, ChunkValue::Text(rows.kind.value(row))),
        ]);
        for (field, column) in [
            (fields.symbol, &rows.symbol),
            (fields.symbols, &rows.symbols),
            (fields.context, &rows.context),
        ] {
            if !column.value(row).is_empty() {
                values.push((field, ChunkValue::Text(column.value(row))));
            }
        }
        values.extend([
            (fields.start_line, ChunkValue::Number(rows.start_line.value(row).into())),
            (fields.end_line, ChunkValue::Number(rows.end_line.value(row).into())),
            (fields.offset, ChunkValue::Number(rows.offset.value(row))),
            (fields.text, ChunkValue::Text(rows.text.value(row))),
        ]);
        values.into_iter()
    }
}

/// A symbol as a whole and its last component.
fn names(symbol: &str) -> impl Iterator<Item = &str> {
    let last = symbol.rfind(['.', ':', '#']).map(|at| &symbol[at + 1..]);
    std::iter::once(symbol).chain(last.filter(|name| !name.is_empty()))
}

/// The name that says what a file is about: its own, or its folder's where its own is always the
/// same.
fn stem(path: &str) -> &str {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem =
        name.split_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem });
    let folder = folders.rsplit('/').next().unwrap_or_default();
    if matches!(stem, "__init__" | "index" | "mod") && !folder.is_empty() { folder } else { stem }
}
