//! The lexical store.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hybridx_core::bm25::{self, Filter, Searcher, Writer};
use hybridx_core::error::Error;
use pyo3::prelude::*;
use pyo3_arrow::PyRecordBatch;

use crate::errors::Result;

/// The one writer of a lexical index.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Bm25Writer(Mutex<Option<Writer>>);

impl Bm25Writer {
    fn lock(&self) -> MutexGuard<'_, Option<Writer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open<T>(writer: Option<T>) -> std::result::Result<T, Error> {
    writer.ok_or_else(|| Error::Invalid("the writer is closed".to_owned()))
}

#[pymethods]
impl Bm25Writer {
    #[new]
    #[pyo3(signature = (folder, *, threads = 1, heap_bytes = 64 << 20))]
    fn new(py: Python<'_>, folder: PathBuf, threads: usize, heap_bytes: usize) -> Result<Self> {
        let writer = py.detach(|| Writer::open(&folder, threads, heap_bytes))?;
        Ok(Self(Mutex::new(Some(writer))))
    }
    fn delete(&self, py: Python<'_>, paths: Vec<String>) -> Result<()> {
        Ok(py.detach(|| {
            open(self.lock().as_ref())?.delete(paths.iter().map(String::as_str));
            Ok::<_, Error>(())
        })?)
    }

    fn add(&self, py: Python<'_>, batch: PyRecordBatch) -> Result<()> {
        let batch = batch.into_inner();
        Ok(py.detach(|| open(self.lock().as_ref())?.add(&batch))?)
    }

    fn commit(&self, py: Python<'_>, payload: &str) -> Result<()> {
        Ok(py.detach(|| open(self.lock().as_mut())?.commit(payload))?)
    }

    /// Closes the index without waiting; what was not committed is forgotten.
    fn abandon(&self, py: Python<'_>) {
        let writer = self.lock().take();
        py.detach(|| drop(writer));
    }

    /// Waits for merges and closes the index; nothing happens if it is closed already.
    fn close(&self, py: Python<'_>) -> Result<()> {
        let writer = self.lock().take();
        Ok(py.detach(|| writer.map_or(Ok(()), Writer::close))?)
    }
}

/// A view of one commit of a lexical index.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Bm25Searcher(Searcher);

/// What is stored of a chunk.
#[pyclass(frozen, get_all, module = "hybridx._core")]
pub struct StoredChunk {
    id: u64,
    path: String,
    language: String,
    origin: &'static str,
    kind: String,
    symbol: String,
    symbols: String,
    context: String,
    start_line: u32,
    end_line: u32,
    text: String,
}

#[pymethods]
impl Bm25Searcher {
    #[classattr]
    const DEFINITION_SCORE: f32 = bm25::DEFINITION_SCORE;

    #[staticmethod]
    fn open(py: Python<'_>, folder: PathBuf) -> Result<Option<Self>> {
        Ok(py.detach(|| Searcher::open(&folder))?.map(Self))
    }

    #[getter]
    fn payload(&self) -> Option<&str> {
        self.0.payload()
    }

    #[pyo3(signature = (query, limit, *, languages = Vec::new(), kinds = Vec::new(), paths = Vec::new()))]
    fn search(
        &self,
        py: Python<'_>,
        query: &str,
        limit: usize,
        languages: Vec<String>,
        kinds: Vec<String>,
        paths: Vec<String>,
    ) -> Result<Vec<(u64, f32)>> {
        let filter = Filter { languages, kinds, paths };
        Ok(py.detach(|| self.0.search(query, limit, &filter))?)
    }
    fn fetch(&self, py: Python<'_>, ids: Vec<u64>) -> Result<Vec<StoredChunk>> {
        let chunks = py.detach(|| self.0.fetch(&ids))?;
        let wrap = |chunk: bm25::StoredChunk| StoredChunk {
            id: chunk.id,
            path: chunk.path,
            language: chunk.language,
            origin: chunk.origin.name(),
            kind: chunk.kind,
            symbol: chunk.symbol,
            symbols: chunk.symbols,
            context: chunk.context,
            start_line: chunk.start_line,
            end_line: chunk.end_line,
            text: chunk.text,
        };
        Ok(chunks.into_iter().map(wrap).collect())
    }

    fn rows(&self, py: Python<'_>) -> Result<Vec<PyRecordBatch>> {
        let batches = py.detach(|| self.0.rows())?;
        Ok(batches.into_iter().map(PyRecordBatch::new).collect())
    }

    fn damaged(&self, py: Python<'_>) -> Result<Vec<(String, String)>> {
        Ok(py.detach(|| self.0.damaged())?)
    }

    fn ids(&self, py: Python<'_>) -> Result<Vec<u64>> {
        Ok(py.detach(|| self.0.ids())?)
    }

    /// Every term of every text field, those of deleted chunks included.
    fn terms(&self, py: Python<'_>) -> Result<Vec<(String, String)>> {
        Ok(py.detach(|| self.0.terms())?)
    }

    /// Every stored text, those of deleted chunks included.
    fn texts(&self, py: Python<'_>) -> Result<Vec<(String, String)>> {
        Ok(py.detach(|| self.0.texts())?)
    }

    fn __len__(&self) -> usize {
        usize::try_from(self.0.len()).unwrap_or(usize::MAX)
    }
}

#[pyfunction]
pub fn path_patterns(paths: Vec<String>) -> Result<Vec<String>> {
    Ok(Filter { paths, ..Filter::default() }.path_patterns()?)
}
