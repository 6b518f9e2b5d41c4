//! What is stored of chunks: read back, and checked.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{BooleanBuilder, FixedSizeBinaryBuilder, StringBuilder, UInt64Builder};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef};
use rayon::prelude::*;
use tantivy::schema::{Field, FieldType, IndexRecordOption, Value};
use tantivy::{DocAddress, DocSet, SegmentReader, TERMINATED, TantivyDocument, Term};

use crate::batch::{ChunkRow, text_digest};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::guard;
use crate::origin::Origin;
use crate::threads;

use super::schema::Fields;
use super::search::Searcher;

/// What is stored of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredChunk {
    /// Its id.
    pub id: u64,
    /// Its file.
    pub path: String,
    /// The language's name.
    pub language: String,
    /// Where the file comes from.
    pub origin: Origin,
    /// The kind's name.
    pub kind: String,
    /// The qualified name of the innermost definition or definitions; may be empty.
    pub symbol: String,
    /// The qualified names of the definitions that begin in it, a line each.
    pub symbols: String,
    /// First line, from 1.
    pub start_line: u32,
    /// Last line, included.
    pub end_line: u32,
    /// Where it starts in the file's text, in bytes.
    pub offset: u64,
    /// Signatures of the definitions around it, a line each; may be empty.
    pub context: String,
    /// Its text.
    pub text: String,
    /// Its place in the store: of chunks of one file that have neighbouring places, the first
    /// ends where the second begins, but for empty lines.
    pub place: u64,
}

impl StoredChunk {
    fn of(id: u64, document: &TantivyDocument, fields: &Fields) -> Self {
        let text = |field: Field| {
            let value = document.get_first(field).and_then(|value| value.as_str());
            value.unwrap_or_default().to_owned()
        };
        let number =
            |field: Field| document.get_first(field).and_then(|value| value.as_u64()).unwrap_or(0);
        Self {
            id,
            path: text(fields.path),
            language: text(fields.language),
            // Another code than the one stored does not pass the check against the id.
            origin: Origin::from_code(number(fields.origin)).unwrap_or_default(),
            kind: text(fields.kind),
            symbol: text(fields.symbol),
            symbols: text(fields.symbols),
            start_line: u32::try_from(number(fields.start_line)).unwrap_or(0),
            end_line: u32::try_from(number(fields.end_line)).unwrap_or(0),
            offset: number(fields.offset),
            context: text(fields.context),
            text: text(fields.text),
            place: 0,
        }
    }

    /// The digest of what was embedded of it.
    fn text_digest(&self) -> Digest {
        text_digest(&self.context, &self.text)
    }

    /// Whether it is what was stored under its id, by the digest of what was embedded.
    fn is_sound(&self, text_digest: &Digest) -> bool {
        let row = ChunkRow {
            path: &self.path,
            language: &self.language,
            origin: self.origin,
            kind: &self.kind,
            symbol: &self.symbol,
            symbols: &self.symbols,
            start_line: self.start_line,
            end_line: self.end_line,
            offset: usize::try_from(self.offset).unwrap_or(usize::MAX),
            context: &self.context,
            text: &self.text,
            ..ChunkRow::default()
        };
        row.id(text_digest) == self.id
    }
}

/// The columns of [`Searcher::rows`].
static ROWS_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        ArrowField::new("id", DataType::UInt64, false),
        ArrowField::new("path", DataType::Utf8, false),
        ArrowField::new("text_digest", DataType::FixedSizeBinary(16), false),
        ArrowField::new("sound", DataType::Boolean, false),
    ]))
});

impl Searcher {
    /// What is stored of the chunks `ids`, in that order; ids that are not in the index are left
    /// out.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a chunk is not what its id says.
    pub fn fetch(&self, ids: &[u64]) -> Result<Vec<StoredChunk>> {
        self.guarded(|| {
            let mut chunks = Vec::with_capacity(ids.len());
            for &id in ids {
                let Some(address) = self.locate(id)? else { continue };
                let document: TantivyDocument = self.inner.doc(address)?;
                let mut chunk = StoredChunk::of(id, &document, &self.fields);
                chunk.place = u64::from(address.segment_ord) << 32 | u64::from(address.doc_id);
                if !chunk.is_sound(&chunk.text_digest()) {
                    return Err(self.corrupt(format!("chunk {id:x} is not what was stored")));
                }
                chunks.push(chunk);
            }
            Ok(chunks)
        })
    }

    /// What is stored of the chunks of the file at `path`, in their order.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub fn chunks_of(&self, path: &str) -> Result<Vec<StoredChunk>> {
        let ids = self.guarded(|| {
            let term = Term::from_field_text(self.fields.path, path);
            let mut ids = Vec::new();
            for segment in self.inner.segment_readers() {
                let inverted = segment.inverted_index(self.fields.path)?;
                let postings = inverted.read_postings(&term, IndexRecordOption::Basic);
                let Some(mut postings) = postings.map_err(Error::io("lexical index"))? else {
                    continue;
                };
                let column = segment.fast_fields().u64("id")?;
                while postings.doc() != TERMINATED {
                    if !segment.is_deleted(postings.doc()) {
                        ids.extend(column.first(postings.doc()));
                    }
                    postings.advance();
                }
            }
            Ok(ids)
        })?;
        let mut chunks = self.fetch(&ids)?;
        chunks.sort_by_key(|chunk| (chunk.start_line, chunk.offset));
        Ok(chunks)
    }

    /// The ids of all chunks, ascending.
    pub fn ids(&self) -> Result<Vec<u64>> {
        self.guarded(|| {
            let mut ids = Vec::new();
            for segment in self.inner.segment_readers() {
                let column = segment.fast_fields().u64("id")?;
                ids.extend(segment.doc_ids_alive().filter_map(|doc| column.first(doc)));
            }
            ids.sort_unstable();
            Ok(ids)
        })
    }

    /// Every chunk, in no particular order: `id`, `path`, the digest of what was embedded as the
    /// vectors have it, and whether it is what was stored under its id.
    pub fn rows(&self) -> Result<Vec<RecordBatch>> {
        self.guarded(|| {
            let segments = self.inner.segment_readers().par_iter();
            // Each by itself: a thread of the pool knows of no guard but its own.
            let rows = segments.map(|segment| self.guarded(|| self.rows_of(segment)));
            threads::side_by_side(|| rows.collect())
        })
    }

    fn rows_of(&self, segment: &SegmentReader) -> Result<RecordBatch> {
        let unreadable = Error::io("lexical index");
        // Opened only by the searches that need them: a file that is gone is missed there.
        for (field, entry) in segment.schema().fields() {
            if entry.is_indexed() {
                segment.inverted_index(field)?;
            }
            if entry.has_fieldnorms() {
                segment.get_fieldnorms_reader(field)?;
            }
        }
        let ids = segment.fast_fields().u64("id")?;
        let store = segment.get_store_reader(1).map_err(unreadable)?;
        let mut id = UInt64Builder::new();
        let mut path = StringBuilder::new();
        let mut text_digest = FixedSizeBinaryBuilder::new(16);
        let mut sound = BooleanBuilder::new();
        let documents = store.iter::<TantivyDocument>(segment.alive_bitset());
        for (doc, document) in segment.doc_ids_alive().zip(documents) {
            // One without an id cannot be what was stored, whatever its id is taken to be.
            let chunk =
                StoredChunk::of(ids.first(doc).unwrap_or_default(), &document?, &self.fields);
            let digest = chunk.text_digest();
            id.append_value(chunk.id);
            path.append_value(&chunk.path);
            text_digest.append_value(digest.short())?;
            sound.append_value(chunk.is_sound(&digest));
        }
        let columns: Vec<Arc<dyn Array>> = vec![
            Arc::new(id.finish()),
            Arc::new(path.finish()),
            Arc::new(text_digest.finish()),
            Arc::new(sound.finish()),
        ];
        Ok(RecordBatch::try_new(ROWS_SCHEMA.clone(), columns)?)
    }

    /// Every term of every text field of every segment, `(field, term)`; terms that only deleted
    /// chunks have are among them. Made for looking at what the index really holds.
    pub fn terms(&self) -> Result<Vec<(String, String)>> {
        self.guarded(|| {
            let schema = self.inner.schema();
            let mut found = BTreeSet::new();
            for segment in self.inner.segment_readers() {
                for (field, entry) in schema.fields() {
                    if !entry.is_indexed() || !matches!(entry.field_type(), FieldType::Str(_)) {
                        continue;
                    }
                    let inverted = segment.inverted_index(field)?;
                    let mut terms =
                        inverted.terms().stream().map_err(Error::io("lexical index"))?;
                    while let Some((term, _)) = terms.next() {
                        let term = String::from_utf8_lossy(term).into_owned();
                        found.insert((entry.name().to_owned(), term));
                    }
                }
            }
            Ok(found.into_iter().collect())
        })
    }

    /// Every stored text of every segment, `(field, text)`, of deleted chunks too. Made for
    /// looking at what the index really holds.
    pub fn texts(&self) -> Result<Vec<(String, String)>> {
        self.guarded(|| {
            let schema = self.inner.schema();
            let mut found = Vec::new();
            for (ord, segment) in (0_u32..).zip(self.inner.segment_readers()) {
                for doc in 0..segment.max_doc() {
                    let document: TantivyDocument = self.inner.doc(DocAddress::new(ord, doc))?;
                    for (field, value) in document.field_values() {
                        if let Some(text) = value.as_str() {
                            found.push((schema.get_field_name(field).to_owned(), text.to_owned()));
                        }
                    }
                }
            }
            Ok(found)
        })
    }

    /// The files of the last commit that do not hold what was written, with what is wrong.
    pub fn damaged(&self) -> Result<Vec<(String, String)>> {
        self.guarded(|| {
            let index = self.inner.index();
            let directory = index.directory();
            let mut files: Vec<_> = index.load_metas()?.list_segment_files().into_iter().collect();
            files.sort();
            let files = files.into_par_iter().filter_map(|file| {
                // Not every segment has every kind of file; one that it needs is missed on open.
                if !self.folder.join(&file).exists() {
                    return None;
                }
                let checked = guard::guarded(|| directory.validate_checksum(&file));
                let detail = match checked {
                    Err(panic) => panic,
                    Ok(Ok(true)) => return None,
                    Ok(Ok(false)) => "its checksum is another than when it was written".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                };
                Some((file.display().to_string(), detail))
            });
            Ok(threads::side_by_side(|| files.collect()))
        })
    }

    /// Where the chunk `id` is, if it is alive.
    pub(super) fn locate(&self, id: u64) -> Result<Option<DocAddress>> {
        let found = (0..).zip(self.places()?).find_map(|(segment, ids)| {
            let doc = ids.find(id)?;
            Some(DocAddress::new(segment, doc))
        });
        Ok(found)
    }

    /// Runs `work`; a panic in it is the answer to a damaged file.
    pub(super) fn guarded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        guarded(&self.folder, work)
    }

    fn corrupt(&self, detail: String) -> Error {
        Error::Corrupt { path: self.folder.clone(), detail }
    }
}

/// Runs `work` on the files in `folder`. Tantivy trusts what it reads: on a damaged file it may
/// panic, which is an error like any other.
pub(super) fn guarded<T>(folder: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    guard::guarded(work).unwrap_or_else(|panic| {
        let detail = format!("it cannot be read ({panic})");
        Err(Error::Corrupt { path: folder.to_owned(), detail })
    })
}
