//! Small things: cancellation, the writer's lock, paths, the analyzer, versions.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hybridx_core::cancel::Cancel;
use hybridx_core::language::Language;
use hybridx_core::{
    analyzer, bm25, chunk, inventory, lease, lock, memory, origin, path, read, secrets, snapshot,
    tokenize,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::Result;

/// A flag that asks a running scan or ingest to end.
#[pyclass(frozen, module = "hybridx._core")]
#[derive(Default)]
pub struct CancelToken(pub Cancel);

#[pymethods]
impl CancelToken {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn cancel(&self) {
        self.0.cancel();
    }

    #[getter]
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// The flag behind an optional token.
pub fn cancel_of(token: Option<&Bound<'_, CancelToken>>) -> Cancel {
    token.map(|token| token.get().0.clone()).unwrap_or_default()
}

/// The writer's lock on an index.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Lock(Mutex<Option<lock::Lock>>);

#[pymethods]
impl Lock {
    #[staticmethod]
    #[pyo3(signature = (path, *, timeout = 0.0, cancel = None))]
    fn acquire(
        py: Python<'_>,
        path: PathBuf,
        timeout: f64,
        cancel: Option<&Bound<'_, CancelToken>>,
    ) -> Result<Option<Self>> {
        let timeout = Duration::try_from_secs_f64(timeout.max(0.0)).unwrap_or(Duration::MAX / 4);
        let cancel = cancel_of(cancel);
        let lock = py.detach(|| lock::Lock::acquire(&path, timeout, &cancel))?;
        Ok(lock.map(|lock| Self(Mutex::new(Some(lock)))))
    }

    #[staticmethod]
    fn holder(path: PathBuf) -> Option<(u32, u64)> {
        lock::Lock::holder(&path).map(|holder| (holder.pid, holder.since))
    }

    fn release(&self) {
        let lock = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        lock.into_iter().for_each(lock::Lock::release);
    }
}

/// A reader's lease on a file.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Lease(Mutex<Option<lease::Lease>>);

#[pymethods]
impl Lease {
    #[staticmethod]
    fn take(py: Python<'_>, path: PathBuf) -> Result<Option<Self>> {
        Ok(py.detach(|| lease::Lease::take(&path))?.map(|lease| Self(Mutex::new(Some(lease)))))
    }

    #[staticmethod]
    fn remove_unless_held(py: Python<'_>, path: PathBuf) -> Result<bool> {
        Ok(py.detach(|| lease::Lease::remove_unless_held(&path))?)
    }

    fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// The files of a folder, each with its size and digest.
#[pyclass(frozen, module = "hybridx._core")]
#[derive(Default)]
pub struct Inventory(Mutex<inventory::Inventory>);

impl Inventory {
    pub fn of(inner: inventory::Inventory) -> Self {
        Self(Mutex::new(inner))
    }

    pub fn lock(&self) -> MutexGuard<'_, inventory::Inventory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Inventory {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    #[pyo3(signature = (folder, *, rewritten = Vec::new()))]
    fn sync(&self, py: Python<'_>, folder: PathBuf, rewritten: Vec<String>) -> Result<usize> {
        Ok(py.detach(|| self.lock().sync(&folder, &rewritten))?)
    }

    /// `(inventory, digest of the snapshot)`
    #[staticmethod]
    fn load(py: Python<'_>, snapshot: PathBuf) -> Result<Option<(Self, String)>> {
        let loaded = py.detach(|| snapshot::Snapshot::load_vector_files(&snapshot))?;
        Ok(loaded.map(|(inner, digest)| (Self::of(inner), digest.to_string())))
    }

    fn damaged(&self, py: Python<'_>, folder: PathBuf) -> Vec<(String, String)> {
        py.detach(|| self.lock().damaged(&folder))
    }

    #[pyo3(signature = (folder, *, known=None))]
    fn suspect(
        &self,
        py: Python<'_>,
        folder: PathBuf,
        known: Option<&Self>,
    ) -> Vec<(String, String)> {
        // A copy, since it may be this one, which is locked.
        let known = known.map(|each| each.lock().clone()).unwrap_or_default();
        py.detach(|| self.lock().suspect(&folder, &known))
    }

    #[getter]
    fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    fn __len__(&self) -> usize {
        self.lock().len()
    }
}

#[pyfunction]
pub fn map_large_blocks() {
    memory::map_large_blocks();
}

#[pyfunction]
pub fn release_memory(py: Python<'_>) {
    py.detach(memory::release);
}

#[pyfunction]
pub fn analyze(py: Python<'_>, text: &str) -> String {
    py.detach(|| analyzer::analyze(text))
}

#[pyfunction]
pub fn redact(py: Python<'_>, path: &str, text: &str) -> (String, Vec<(u32, &'static str)>) {
    py.detach(|| {
        let redacted = secrets::redact(path, text);
        let findings = redacted.findings.iter().map(|finding| (finding.line, finding.rule));
        (redacted.text.into_owned(), findings.collect())
    })
}

#[pyfunction]
pub fn languages() -> Vec<&'static str> {
    Language::all().map(Language::name).collect()
}

/// The language called `name`, or by an alias.
#[pyfunction]
pub fn language(name: &str) -> Option<&'static str> {
    Language::from_name(name).map(Language::name)
}

#[pyfunction]
pub fn kinds() -> Vec<&'static str> {
    chunk::Kind::ALL.iter().map(|kind| kind.name()).collect()
}

#[pyfunction]
pub fn encode_path(path: &[u8]) -> String {
    path::encode(path).into_owned()
}

#[pyfunction]
pub fn decode_path<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &path::decode(text))
}

#[pyfunction]
pub fn versions(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let versions = PyDict::new(py);
    versions.set_item("read", read::READ_VERSION)?;
    versions.set_item("chunker", chunk::CHUNKER_VERSION)?;
    versions.set_item("origin", origin::ORIGIN_VERSION)?;
    versions.set_item("analyzer", analyzer::ANALYZER_VERSION)?;
    versions.set_item("embed", tokenize::ENCODER_VERSION)?;
    versions.set_item("bm25", bm25::BM25_VERSION)?;
    versions.set_item("snapshot", snapshot::SNAPSHOT_FORMAT)?;
    versions.set_item("secrets", secrets::SECRETS_VERSION)?;
    versions.set_item("secret_rules", secrets::rules_digest().number())?;
    Ok(versions)
}
