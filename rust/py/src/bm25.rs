//! The lexical store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hybridx_core::bm25::{self, Filter, Question, Searcher, Weights, Writer};
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

    fn flush(&self, py: Python<'_>) -> Result<()> {
        Ok(py.detach(|| open(self.lock().as_mut())?.flush())?)
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
pub struct Bm25Searcher(Arc<Searcher>);

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
    place: u64,
    text: String,
}

impl From<bm25::StoredChunk> for StoredChunk {
    fn from(chunk: bm25::StoredChunk) -> Self {
        Self {
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
            place: chunk.place,
            text: chunk.text,
        }
    }
}

/// What is looked for; see `_core.pyi`.
#[derive(FromPyObject)]
struct QuestionArgument {
    terms: HashMap<String, f32>,
    prefixes: HashMap<String, f32>,
    names: Vec<String>,
    phrases: Vec<String>,
    only_phrases: bool,
}

impl From<QuestionArgument> for Question {
    fn from(question: QuestionArgument) -> Self {
        // In an order of their own: sums of floats depend on it.
        let sorted = |terms: HashMap<String, f32>| BTreeMap::from_iter(terms).into_iter().collect();
        Self {
            terms: sorted(question.terms),
            prefixes: sorted(question.prefixes),
            names: question.names,
            phrases: question.phrases,
            only_phrases: question.only_phrases,
        }
    }
}

/// What each kind of evidence counts; see `_core.pyi`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct WeightsArgument {
    body: f32,
    symbol: f32,
    signature: f32,
    doc: f32,
    name: f32,
    phrase: f32,
    file: f32,
    coherence: f32,
    folders: f32,
    stem: f32,
    spread: f32,
}

impl From<WeightsArgument> for Weights {
    fn from(weights: WeightsArgument) -> Self {
        Self {
            body: weights.body,
            symbol: weights.symbol,
            signature: weights.signature,
            doc: weights.doc,
            name: weights.name,
            phrase: weights.phrase,
            file: weights.file,
            coherence: weights.coherence,
            path: weights.folders,
            stem: weights.stem,
            spread: weights.spread,
        }
    }
}

/// A file: its path, origin, body, folders, stem and coherence.
type FoundFile = (String, &'static str, f32, f32, f32, f32);

/// A candidate: its id, the number of its file, body, symbol, signature, doc, name and phrase.
type FoundChunk = (u64, usize, f32, f32, f32, f32, f32, f32);

/// What words say of a question, until it is known what else is to be ranked.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Candidates {
    searcher: Arc<Searcher>,
    found: Mutex<Option<bm25::Candidates>>,
}

#[pymethods]
impl Candidates {
    /// The candidates and what speaks for each; but once.
    #[pyo3(signature = (also = Vec::new()))]
    fn found(&self, py: Python<'_>, also: Vec<u64>) -> Result<(Vec<FoundFile>, Vec<FoundChunk>)> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        let found = found.ok_or_else(|| Error::Invalid("candidates are given once".to_owned()))?;
        let found = py.detach(|| self.searcher.found(found, &also))?;
        let of_file = |file: bm25::FoundFile| {
            (file.path, file.origin.name(), file.body, file.folders, file.stem, file.coherence)
        };
        let of_chunk = |chunk: bm25::FoundChunk| {
            let bm25::FoundChunk { id, file, body, symbol, signature, doc, name, phrase } = chunk;
            (id, file, body, symbol, signature, doc, name, phrase)
        };
        let files = found.files.into_iter().map(of_file).collect();
        Ok((files, found.chunks.into_iter().map(of_chunk).collect()))
    }
}

#[pymethods]
impl Bm25Searcher {
    #[staticmethod]
    fn open(py: Python<'_>, folder: PathBuf) -> Result<Option<Self>> {
        Ok(py.detach(|| Searcher::open(&folder))?.map(|searcher| Self(Arc::new(searcher))))
    }

    #[getter]
    fn payload(&self) -> Option<&str> {
        self.0.payload()
    }

    /// What words say of a question.
    #[pyo3(signature = (question, *, weights, pool, languages = Vec::new(), kinds = Vec::new(), paths = Vec::new(), only = None))]
    #[allow(clippy::too_many_arguments)] // keywords, each by its name
    fn candidates(
        &self,
        py: Python<'_>,
        question: QuestionArgument,
        weights: WeightsArgument,
        pool: usize,
        languages: Vec<String>,
        kinds: Vec<String>,
        paths: Vec<String>,
        only: Option<HashSet<String>>,
    ) -> Result<Candidates> {
        let filter = Filter { languages, kinds, paths, only };
        let (question, weights) = (question.into(), weights.into());
        let found = py.detach(|| self.0.candidates(&question, &weights, pool, &filter))?;
        Ok(Candidates { searcher: Arc::clone(&self.0), found: Mutex::new(Some(found)) })
    }

    fn fetch(&self, py: Python<'_>, ids: Vec<u64>) -> Result<Vec<StoredChunk>> {
        let chunks = py.detach(|| self.0.fetch(&ids))?;
        Ok(chunks.into_iter().map(StoredChunk::from).collect())
    }

    fn chunks_of(&self, py: Python<'_>, path: &str) -> Result<Vec<StoredChunk>> {
        let chunks = py.detach(|| self.0.chunks_of(path))?;
        Ok(chunks.into_iter().map(StoredChunk::from).collect())
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
