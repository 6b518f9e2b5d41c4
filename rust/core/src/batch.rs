//! Chunks as Arrow record batches: the form in which they cross into Python and into the stores.

use std::sync::{Arc, LazyLock};

use arrow_array::builder::{
    FixedSizeBinaryBuilder, StringBuilder, UInt8Builder, UInt32Builder, UInt64Builder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch, StringArray, UInt8Array, UInt32Array, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use crate::digest::Digest;
use crate::error::Result;
use crate::origin::Origin;

/// One row: a chunk of a file.
///
/// `id` is stable for equal content at an equal place ([`ChunkRow::id`]). `text_digest` is that of
/// exactly what a model embeds ([`text_digest`]), so it is the key under which a vector may be used
/// again.
pub static CHUNK_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let required = |name: &str, kind: DataType| Field::new(name, kind, false);
    Arc::new(Schema::new(vec![
        required("id", DataType::UInt64),
        required("path", DataType::Utf8),
        required("language", DataType::Utf8),
        required("origin", DataType::UInt8),
        required("kind", DataType::Utf8),
        required("symbol", DataType::Utf8),
        required("symbols", DataType::Utf8),
        required("start_line", DataType::UInt32),
        required("end_line", DataType::UInt32),
        required("offset", DataType::UInt64),
        required("context", DataType::Utf8),
        required("text", DataType::Utf8),
        required("terms", DataType::Utf8),
        required("signature", DataType::Utf8),
        required("doc", DataType::Utf8),
        required("text_digest", DataType::FixedSizeBinary(16)),
    ]))
});

/// The digest of what is embedded of a chunk: its context, if any, and its text on the next line.
pub fn text_digest(context: &str, text: &str) -> Digest {
    if context.is_empty() {
        Digest::of(text.as_bytes())
    } else {
        Digest::of_pieces(&[context.as_bytes(), b"\n", text.as_bytes()])
    }
}

/// One chunk on its way into a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChunkRow<'a> {
    /// The file's path.
    pub path: &'a str,
    /// The language's name.
    pub language: &'a str,
    /// Where the file comes from.
    pub origin: Origin,
    /// The kind's name.
    pub kind: &'a str,
    /// The qualified name of the innermost definition or definitions; may be empty.
    pub symbol: &'a str,
    /// The qualified names of the definitions that begin in it, a line each.
    pub symbols: &'a str,
    /// First line, from 1.
    pub start_line: u32,
    /// Last line, included.
    pub end_line: u32,
    /// Where the chunk starts in the file's text, in bytes.
    pub offset: usize,
    /// Signatures of the definitions around it, a line each; may be empty.
    pub context: &'a str,
    /// The chunk's text.
    pub text: &'a str,
    /// Encoded terms of its context, then of its text.
    pub terms: &'a str,
    /// Encoded terms of the signatures of the definitions that begin in it.
    pub signature: &'a str,
    /// Encoded terms of what documents these definitions.
    pub doc: &'a str,
}

impl ChunkRow<'_> {
    /// The id of the chunk: a digest of its path, its place, its text and all else that is stored
    /// of it, so that whatever is read back can be checked against the id.
    ///
    /// Sixty-four bits keep the join of the two stores a join of integers; among ten million
    /// chunks two ids are equal with a probability of three in a million.
    pub fn id(&self, text_digest: &Digest) -> u64 {
        let mut place = [0; 17];
        place[..8].copy_from_slice(&(self.offset as u64).to_le_bytes());
        place[8..12].copy_from_slice(&self.start_line.to_le_bytes());
        place[12..16].copy_from_slice(&self.end_line.to_le_bytes());
        place[16] = self.origin.code();
        let fields: [&[u8]; 8] = [
            self.path.as_bytes(),
            &place,
            self.language.as_bytes(),
            self.kind.as_bytes(),
            self.symbol.as_bytes(),
            self.symbols.as_bytes(),
            self.context.as_bytes(),
            text_digest.as_bytes(),
        ];
        Digest::of_fields("hybridx chunk id v3", fields).number()
    }
}

/// Collects rows into a batch.
#[derive(Debug)]
pub struct BatchBuilder {
    id: UInt64Builder,
    path: StringBuilder,
    language: StringBuilder,
    origin: UInt8Builder,
    kind: StringBuilder,
    symbol: StringBuilder,
    symbols: StringBuilder,
    start_line: UInt32Builder,
    end_line: UInt32Builder,
    offset: UInt64Builder,
    context: StringBuilder,
    text: StringBuilder,
    terms: StringBuilder,
    signature: StringBuilder,
    doc: StringBuilder,
    text_digest: FixedSizeBinaryBuilder,
    rows: usize,
    bytes: usize,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self {
            id: UInt64Builder::new(),
            path: StringBuilder::new(),
            language: StringBuilder::new(),
            origin: UInt8Builder::new(),
            kind: StringBuilder::new(),
            symbol: StringBuilder::new(),
            symbols: StringBuilder::new(),
            start_line: UInt32Builder::new(),
            end_line: UInt32Builder::new(),
            offset: UInt64Builder::new(),
            context: StringBuilder::new(),
            text: StringBuilder::new(),
            terms: StringBuilder::new(),
            signature: StringBuilder::new(),
            doc: StringBuilder::new(),
            text_digest: FixedSizeBinaryBuilder::new(16),
            rows: 0,
            bytes: 0,
        }
    }
}

impl BatchBuilder {
    /// Adds a row.
    pub fn push(&mut self, row: &ChunkRow<'_>) -> Result<()> {
        let digest = text_digest(row.context, row.text);
        self.text_digest.append_value(digest.short())?;
        self.id.append_value(row.id(&digest));
        self.path.append_value(row.path);
        self.language.append_value(row.language);
        self.origin.append_value(row.origin.code());
        self.kind.append_value(row.kind);
        self.symbol.append_value(row.symbol);
        self.symbols.append_value(row.symbols);
        self.start_line.append_value(row.start_line);
        self.end_line.append_value(row.end_line);
        self.offset.append_value(row.offset as u64);
        self.context.append_value(row.context);
        self.text.append_value(row.text);
        self.terms.append_value(row.terms);
        self.signature.append_value(row.signature);
        self.doc.append_value(row.doc);
        self.rows += 1;
        let of_symbols = [row.symbol, row.symbols, row.signature, row.doc];
        let of_text = [row.path, row.context, row.text, row.terms];
        self.bytes += of_symbols.iter().chain(&of_text).map(|part| part.len()).sum::<usize>();
        Ok(())
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of paths, symbols, texts and terms so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The batch of all rows; the builder is empty afterwards.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        self.rows = 0;
        self.bytes = 0;
        let columns: Vec<Arc<dyn Array>> = vec![
            Arc::new(self.id.finish()),
            Arc::new(self.path.finish()),
            Arc::new(self.language.finish()),
            Arc::new(self.origin.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.symbol.finish()),
            Arc::new(self.symbols.finish()),
            Arc::new(self.start_line.finish()),
            Arc::new(self.end_line.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.context.finish()),
            Arc::new(self.text.finish()),
            Arc::new(self.terms.finish()),
            Arc::new(self.signature.finish()),
            Arc::new(self.doc.finish()),
            Arc::new(self.text_digest.finish()),
        ];
        Ok(RecordBatch::try_new(CHUNK_SCHEMA.clone(), columns)?)
    }
}

/// The columns of a chunk batch that the lexical index reads.
#[derive(Debug)]
pub struct ChunkColumns<'a> {
    /// Chunk ids.
    pub id: &'a UInt64Array,
    /// Paths.
    pub path: &'a StringArray,
    /// Language names.
    pub language: &'a StringArray,
    /// Origins, as [`Origin::code`] has them.
    pub origin: &'a UInt8Array,
    /// Kind names.
    pub kind: &'a StringArray,
    /// Symbols.
    pub symbol: &'a StringArray,
    /// Names of the definitions that begin in the chunks, a line each.
    pub symbols: &'a StringArray,
    /// First lines.
    pub start_line: &'a UInt32Array,
    /// Last lines.
    pub end_line: &'a UInt32Array,
    /// Where the chunks start in their files' texts.
    pub offset: &'a UInt64Array,
    /// Signatures of the definitions around the chunks.
    pub context: &'a StringArray,
    /// Texts.
    pub text: &'a StringArray,
    /// Encoded terms of contexts and texts.
    pub terms: &'a StringArray,
    /// Encoded terms of signatures.
    pub signature: &'a StringArray,
    /// Encoded terms of documentation.
    pub doc: &'a StringArray,
}

impl<'a> ChunkColumns<'a> {
    /// Finds the columns by name.
    ///
    /// # Errors
    /// [`crate::error::Error::Batch`] if one is missing or has another type.
    pub fn of(batch: &'a RecordBatch) -> Result<Self> {
        let numbers = |name: &str| {
            column(batch, name)?.as_primitive_opt::<UInt32Type>().ok_or_else(|| wrong_type(name))
        };
        let long_numbers = |name: &str| {
            column(batch, name)?.as_primitive_opt::<UInt64Type>().ok_or_else(|| wrong_type(name))
        };
        Ok(Self {
            id: long_numbers("id")?,
            path: strings(batch, "path")?,
            language: strings(batch, "language")?,
            origin: column(batch, "origin")?
                .as_primitive_opt::<UInt8Type>()
                .ok_or_else(|| wrong_type("origin"))?,
            kind: strings(batch, "kind")?,
            symbol: strings(batch, "symbol")?,
            symbols: strings(batch, "symbols")?,
            start_line: numbers("start_line")?,
            end_line: numbers("end_line")?,
            offset: long_numbers("offset")?,
            context: strings(batch, "context")?,
            text: strings(batch, "text")?,
            terms: strings(batch, "terms")?,
            signature: strings(batch, "signature")?,
            doc: strings(batch, "doc")?,
        })
    }
}

/// The string column `name` of `batch`.
pub fn strings<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, ArrowError> {
    column(batch, name)?.as_string_opt::<i32>().ok_or_else(|| wrong_type(name))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Arc<dyn Array>, ArrowError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("there is no column {name}")))
}

fn wrong_type(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column {name} has another type than the chunk schema's"))
}
