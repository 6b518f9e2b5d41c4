//! The stream of chunk batches.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arrow_array::{RecordBatch, StructArray};
use hybridx_core::cancel::Cancel;
use hybridx_core::ingest as core;
use hybridx_core::ingest::{Ingest, IngestOptions};
use hybridx_core::secrets::Policy;
use hybridx_core::snapshot::Outcome;
use hybridx_core::span::Span;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::error::PyArrowResult;
use pyo3_arrow::ffi::to_array_pycapsules;

use crate::errors::Result;
use crate::tools::{CancelToken, cancel_of};

/// Chunks of some whole files and what became of these files.
///
/// It speaks the Arrow C data interface: `pyarrow.record_batch(batch)` shares its memory.
#[pyclass(frozen, module = "hybridx._core")]
pub struct IngestBatch {
    chunks: RecordBatch,
    /// The files, those without chunks included.
    pub outcomes: Vec<(Arc<str>, Outcome)>,
    #[pyo3(get)]
    bytes: u64,
    spans: Vec<Span>,
}

/// Worker, step, start and end in nanoseconds, and of a file its path, bytes and chunks.
type SpanTuple<'a> = (usize, &'a str, u64, u64, Option<&'a str>, u64, u32);

#[pymethods]
impl IngestBatch {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyTuple>> {
        let field =
            arrow_schema::Field::new_struct("", self.chunks.schema().fields().clone(), false);
        let array = StructArray::from(self.chunks.clone());
        to_array_pycapsules(py, field.into(), &array, requested_schema)
    }

    /// All files of the batch.
    #[getter]
    fn paths(&self) -> Vec<&str> {
        self.outcomes.iter().map(|(path, _)| &**path).collect()
    }

    #[getter]
    fn indexed(&self) -> usize {
        self.outcomes.iter().filter(|(_, o)| matches!(o, Outcome::Indexed(_))).count()
    }

    #[getter]
    fn skipped(&self) -> Vec<&str> {
        let skipped = self.outcomes.iter().filter(|(_, o)| matches!(o, Outcome::Skipped(_)));
        skipped.map(|(path, _)| &**path).collect()
    }

    #[getter]
    fn failed(&self) -> Vec<(&str, &str, &str)> {
        self.outcomes
            .iter()
            .filter_map(|(path, outcome)| match outcome {
                Outcome::Failed(failure) => Some((&**path, &*failure.stage, &*failure.message)),
                _ => None,
            })
            .collect()
    }

    #[getter]
    fn spans(&self) -> Vec<SpanTuple<'_>> {
        self.spans.iter().map(tuple).collect()
    }

    fn __len__(&self) -> usize {
        self.chunks.num_rows()
    }
}

fn tuple(span: &Span) -> SpanTuple<'_> {
    let Span { worker, step, start, end, path, bytes, chunks } = span;
    (*worker, step.name(), *start, *end, path.as_deref(), *bytes, *chunks)
}

/// An iterator over batches; every step waits without the GIL.
#[pyclass(frozen, module = "hybridx._core")]
pub struct IngestStream {
    inner: Mutex<Option<Ingest>>,
    stop: Cancel,
    origin: Instant,
}

#[pymethods]
impl IngestStream {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> Result<Option<IngestBatch>> {
        let next = py.detach(|| {
            let mut stream = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            stream.as_mut().and_then(Iterator::next).transpose()
        })?;
        Ok(next.map(|core::IngestBatch { chunks, outcomes, bytes, spans }| IngestBatch {
            chunks,
            outcomes,
            bytes,
            spans,
        }))
    }

    /// Nanoseconds since the stream was started: the clock of the spans.
    #[getter]
    fn clock_ns(&self) -> u128 {
        self.origin.elapsed().as_nanos()
    }

    /// Stops the threads behind the stream; a thread that waits for a batch gets none.
    fn close(&self, py: Python<'_>) {
        self.stop.cancel();
        py.detach(|| self.inner.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[pyfunction]
#[pyo3(signature = (
    root, paths, *, jobs = 0, max_file_bytes = 4 << 20, batch_bytes = 1 << 20, queue = 4,
    memory_bytes = 256 << 20, redact_secrets = true, secrets_allow = Vec::new(), spans = false, cancel = None
))]
pub fn ingest(
    py: Python<'_>,
    root: PathBuf,
    paths: Vec<String>,
    jobs: usize,
    max_file_bytes: u64,
    batch_bytes: usize,
    queue: usize,
    memory_bytes: u64,
    redact_secrets: bool,
    secrets_allow: Vec<String>,
    spans: bool,
    cancel: Option<&Bound<'_, CancelToken>>,
) -> Result<IngestStream> {
    let secrets = Policy::new(redact_secrets, &secrets_allow)?;
    let options =
        IngestOptions { jobs, max_file_bytes, batch_bytes, queue, memory_bytes, secrets, spans };
    let cancel = cancel_of(cancel);
    let stream = py.detach(|| {
        let paths = paths.into_iter().map(Arc::from).collect();
        Ingest::start(root, paths, options, cancel)
    })?;
    let (stop, origin) = (stream.stopper(), stream.origin());
    Ok(IngestStream { inner: Mutex::new(Some(stream)), stop, origin })
}
