//! Writing: delete by file, add, and the commit that is the index's one atomic point.

use std::path::Path;

use arrow_array::RecordBatch;
use tantivy::indexer::UserOperation;
use tantivy::{Index, IndexWriter, Term};

use crate::error::Result;

use super::directory::{Trouble, WriteDirectory};
use super::document::{ChunkDocument, Rows};
use super::merges::Merges;
use super::schema::{Fields, register, schema};

/// The one writer of a lexical index. Nothing it does is seen before [`Writer::commit`].
pub struct Writer {
    inner: IndexWriter<ChunkDocument>,
    fields: Fields,
    trouble: Trouble,
}

impl Writer {
    /// Opens the index in `folder` for writing, with `threads` indexing threads that share
    /// `heap_bytes`.
    pub fn open(folder: &Path, threads: usize, heap_bytes: usize) -> Result<Self> {
        let directory = WriteDirectory::open(folder)?;
        let trouble = directory.trouble();
        let explain = |error| trouble.explain(error);
        let index = Index::open_or_create(directory, schema()).map_err(explain)?;
        register(&index);
        let fields = Fields::of(&index.schema())?;
        // Tantivy refuses a thread less than this.
        let least = 15_000_000;
        let threads = threads.clamp(1, (heap_bytes / least).max(1));
        let heap = heap_bytes.max(threads * least);
        let inner = index.writer_with_num_threads(threads, heap).map_err(explain)?;
        inner.set_merge_policy(Box::new(Merges::default()));
        // A writer that died left files behind. The same work again would give some of its files
        // the same names, and Tantivy never writes over one.
        inner.garbage_collect_files().wait().map_err(explain)?;
        Ok(Self { inner, fields, trouble })
    }

    /// Deletes the chunks of the files at `paths` that were added before this call.
    pub fn delete<'a>(&self, paths: impl IntoIterator<Item = &'a str>) {
        for path in paths {
            self.inner.delete_term(Term::from_field_text(self.fields.path, path));
        }
    }

    /// Adds the chunks of a batch. The chunks of a file become neighbours in one segment.
    pub fn add(&self, batch: &RecordBatch) -> Result<()> {
        let rows = Rows::of(self.fields, batch)?;
        let mut start = 0;
        for end in 1..=batch.num_rows() {
            if end < batch.num_rows() && rows.path(end) == rows.path(start) {
                continue;
            }
            let document = |row| ChunkDocument { rows: rows.clone(), row, first: row == start };
            let documents: Vec<_> =
                (start..end).map(|row| UserOperation::Add(document(row))).collect();
            // What is handed over at once is not divided among threads.
            self.inner.run(documents).map_err(|error| self.trouble.explain(error))?;
            start = end;
        }
        Ok(())
    }

    /// Writes to files what waits in memory, so that a commit that follows has less to do. Nobody
    /// sees any of it before that.
    pub fn flush(&mut self) -> Result<()> {
        // To drop what was prepared takes nothing back: the next commit has it.
        self.inner.prepare_commit().map_err(|error| self.trouble.explain(error))?;
        Ok(())
    }

    /// Makes everything since the last commit visible and durable at once, with `payload`.
    pub fn commit(&mut self, payload: &str) -> Result<()> {
        let explain = |error| self.trouble.explain(error);
        let mut prepared = self.inner.prepare_commit().map_err(explain)?;
        prepared.set_payload(payload);
        prepared.commit().map_err(explain)?;
        Ok(())
    }

    /// Waits for merges under way and closes the index.
    pub fn close(self) -> Result<()> {
        self.inner.wait_merging_threads().map_err(|error| self.trouble.explain(error))
    }
}
