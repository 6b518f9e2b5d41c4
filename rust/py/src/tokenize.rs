//! Model inputs as `NumPy` arrays.

use std::path::PathBuf;

use hybridx_core::tokenize;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3_arrow::PyRecordBatch;

use crate::errors::Result;

/// Turns texts into the inputs of one model.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Encoder(tokenize::Encoder);

/// Texts as tokens, not padded yet.
#[pyclass(frozen, module = "hybridx._core")]
pub struct Encoded(tokenize::Encoded);

/// One padded batch.
#[pyclass(frozen, get_all, module = "hybridx._core")]
pub struct Padded {
    rows: Py<PyArray1<u32>>,
    input_ids: Py<PyArray2<i64>>,
    attention_mask: Py<PyArray2<i64>>,
}

fn wrap(py: Python<'_>, batches: Vec<tokenize::Padded>) -> PyResult<Vec<Padded>> {
    let matrix = |values: Vec<i64>, shape: [usize; 2]| -> PyResult<Py<PyArray2<i64>>> {
        Ok(values.into_pyarray(py).reshape(shape)?.unbind())
    };
    let wrap = |batch: tokenize::Padded| {
        let shape = [batch.rows.len(), batch.width];
        Ok(Padded {
            rows: batch.rows.into_pyarray(py).unbind(),
            input_ids: matrix(batch.ids, shape)?,
            attention_mask: matrix(batch.mask, shape)?,
        })
    };
    batches.into_iter().map(wrap).collect()
}

#[pymethods]
impl Encoder {
    #[staticmethod]
    #[pyo3(signature = (path, max_length, *, buckets = 0))]
    fn terms(py: Python<'_>, path: PathBuf, max_length: usize, buckets: u32) -> Result<Self> {
        Ok(Self(py.detach(|| tokenize::Encoder::terms(&path, max_length, buckets))?))
    }

    #[staticmethod]
    #[pyo3(signature = (path, max_length, *, prefix = ""))]
    fn subwords(py: Python<'_>, path: PathBuf, max_length: usize, prefix: &str) -> Result<Self> {
        Ok(Self(py.detach(|| tokenize::Encoder::subwords(&path, max_length, prefix))?))
    }

    #[pyo3(signature = (batch, *, skip = None))]
    fn encode(
        &self,
        py: Python<'_>,
        batch: PyRecordBatch,
        skip: Option<PyReadonlyArray1<'_, bool>>,
    ) -> PyResult<Encoded> {
        let batch = batch.into_inner();
        let skip = match &skip {
            Some(skip) => skip.as_slice()?.to_vec(),
            None => Vec::new(),
        };
        let encoded = py.detach(|| self.0.encode(&batch, &skip));
        Ok(Encoded(encoded.map_err(crate::errors::CoreError::from)?))
    }

    fn encode_texts(&self, py: Python<'_>, texts: Vec<String>) -> Result<Encoded> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Ok(Encoded(py.detach(|| self.0.encode_texts(&texts))?))
    }
}

#[pymethods]
impl Encoded {
    /// Rows of the input.
    fn __len__(&self) -> usize {
        self.0.total
    }

    #[getter]
    fn tokens(&self) -> usize {
        self.0.tokens()
    }

    /// Padded batches of the rows of all `parts`.
    #[staticmethod]
    fn pad(py: Python<'_>, parts: Vec<Bound<'_, Self>>, budget: usize) -> PyResult<Vec<Padded>> {
        let parts: Vec<&tokenize::Encoded> = parts.iter().map(|part| &part.get().0).collect();
        let batches = py.detach(|| tokenize::pad(&parts, budget));
        wrap(py, batches)
    }
}
