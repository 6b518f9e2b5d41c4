//! Snapshots and the draft of the next one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hybridx_core::snapshot::{self, Failure, Outcome};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::Result;
use crate::ingest::IngestBatch;
use crate::scan::{MerkleTree, Scan};
use crate::tools::Inventory;

/// An indexed file as Python sees it.
type FileRow = (String, u64, u32, String, Option<String>, BTreeMap<String, u32>);

/// What one generation of an index holds.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Snapshot {
    inner: Arc<snapshot::Snapshot>,
}

impl Snapshot {
    fn of(inner: snapshot::Snapshot) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

#[pymethods]
impl Snapshot {
    #[new]
    fn new() -> Self {
        Self::of(snapshot::Snapshot::default())
    }

    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> Result<Option<(Self, String)>> {
        let loaded = py.detach(|| snapshot::Snapshot::load(&path))?;
        Ok(loaded.map(|(inner, digest)| (Self::of(inner), digest.to_string())))
    }

    fn save(&self, py: Python<'_>, path: PathBuf, vector_files: &Inventory) -> Result<String> {
        Ok(py.detach(|| self.inner.save(&path, &vector_files.lock()))?.to_string())
    }

    #[getter]
    fn vector_files(&self) -> Inventory {
        Inventory::of(self.inner.vector_files().clone())
    }

    fn with_vector_files(&self, files: &Inventory) -> Self {
        Self::of(self.inner.with_vector_files(files.lock().clone()))
    }

    #[getter]
    fn tree(&self) -> MerkleTree {
        MerkleTree(self.inner.tree().clone())
    }

    fn recomputed_root(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.tree().recomputed()).to_string()
    }

    #[getter]
    fn failed(&self) -> Vec<(&str, &str, &str)> {
        let rows = self.inner.failed().iter();
        rows.map(|(path, failure)| (&**path, &*failure.stage, &*failure.message)).collect()
    }

    #[getter]
    fn skipped(&self) -> Vec<(&str, &'static str, &str)> {
        let rows = self.inner.skipped().iter();
        rows.map(|(path, skip)| (&**path, skip.reason.name(), &*skip.detail)).collect()
    }

    fn paths(&self) -> Vec<String> {
        self.inner.files().map(|(path, _)| path).collect()
    }

    fn chunk_counts(&self) -> Vec<(String, u32)> {
        self.inner.files().collect()
    }

    /// `(digest, bytes, chunks, language, decoded_as, redactions)` of an indexed file.
    fn file(&self, path: &str) -> Option<FileRow> {
        let row = self.inner.file(path)?;
        let redactions = row.redactions.iter().map(|(rule, count)| (rule.to_string(), *count));
        let redactions = redactions.collect();
        let (language, decoded_as) = (row.language.into(), row.decoded_as.map(Into::into));
        Some((row.digest.to_string(), row.bytes, row.chunks, language, decoded_as, redactions))
    }

    /// Whether both hold the same files, skipped files and failures.
    fn __eq__(&self, other: &Self) -> bool {
        self.inner.holds_same(&other.inner)
    }

    fn __hash__(&self) -> u64 {
        self.inner.tree().root().number()
    }

    fn totals(&self, py: Python<'_>) -> PyResult<Totals> {
        let totals = py.detach(|| self.inner.totals());
        let languages = PyDict::new(py);
        for (name, (files, chunks)) in &totals.languages {
            languages.set_item(&**name, (files, chunks))?;
        }
        let skipped = PyDict::new(py);
        for (reason, count) in &totals.skipped {
            skipped.set_item(reason, count)?;
        }
        let redactions = PyDict::new(py);
        for (rule, count) in &totals.redactions {
            redactions.set_item(&**rule, count)?;
        }
        Ok(Totals {
            redacted_files: totals.redacted_files,
            redactions: redactions.unbind(),
            files: totals.files,
            chunks: totals.chunks,
            bytes: totals.bytes,
            failed: totals.failed,
            languages: languages.unbind(),
            skipped: skipped.unbind(),
        })
    }

    fn __len__(&self) -> usize {
        self.inner.tree().len()
    }
}

/// Totals of a snapshot.
#[pyclass(frozen, get_all, module = "hybridx._core")]
pub struct Totals {
    files: u64,
    chunks: u64,
    bytes: u64,
    failed: u64,
    languages: Py<PyDict>,
    skipped: Py<PyDict>,
    redacted_files: u64,
    redactions: Py<PyDict>,
}

/// The next snapshot in the making.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Draft(Mutex<snapshot::Draft>);

impl Draft {
    fn lock(&self) -> MutexGuard<'_, snapshot::Draft> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Draft {
    #[new]
    fn new(current: &Snapshot) -> Self {
        Self(Mutex::new(snapshot::Draft::new(&current.inner)))
    }

    /// Takes the outcomes of a batch, except for the files named in `failed`.
    #[pyo3(signature = (batch, failed = Vec::new()))]
    fn record(&self, batch: &IngestBatch, failed: Vec<(String, String, String)>) {
        let mut draft = self.lock();
        for (path, outcome) in &batch.outcomes {
            draft.set(path.clone(), outcome.clone());
        }
        drop(draft);
        self.fail(failed);
    }

    fn skip(&self, scan: &Scan) {
        let mut draft = self.lock();
        for (path, skip) in &scan.skipped {
            draft.skip(path.clone(), skip.clone());
        }
    }

    fn fail(&self, failed: Vec<(String, String, String)>) {
        let mut draft = self.lock();
        for (path, stage, message) in failed {
            let failure = Failure { stage: stage.into(), message: message.into() };
            draft.set(path, Outcome::Failed(failure));
        }
    }

    fn remove(&self, paths: Vec<String>) {
        let mut draft = self.lock();
        for path in paths {
            draft.remove(&path);
        }
    }

    fn is_unchanged(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().is_unchanged())
    }

    fn finish(&self, py: Python<'_>) -> Snapshot {
        Snapshot::of(py.detach(|| self.lock().finish()))
    }
}
