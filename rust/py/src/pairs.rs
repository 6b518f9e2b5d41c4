//! Inputs of a cross-encoder as `NumPy` arrays.

use std::path::PathBuf;

use hybridx_core::pairs;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::errors::Result;

/// Runs the tokenizer of a cross-encoder on pairs of texts.
#[pyclass(frozen, module = "hybridx._core")]
pub struct PairEncoder(pairs::PairEncoder);

/// One padded batch of pairs.
#[pyclass(frozen, get_all, module = "hybridx._core")]
pub struct PaddedPairs {
    rows: Py<PyArray1<u32>>,
    input_ids: Py<PyArray2<i64>>,
    attention_mask: Py<PyArray2<i64>>,
    token_type_ids: Py<PyArray2<i64>>,
}

#[pymethods]
impl PairEncoder {
    #[new]
    #[pyo3(signature = (path, max_length, *, padding = 0))]
    fn new(py: Python<'_>, path: PathBuf, max_length: usize, padding: u32) -> Result<Self> {
        Ok(Self(py.detach(|| pairs::PairEncoder::new(&path, max_length, padding))?))
    }

    #[pyo3(signature = (query, passages, *, budget = 4096))]
    fn encode(
        &self,
        py: Python<'_>,
        query: PyBackedStr,
        passages: Vec<PyBackedStr>,
        budget: usize,
    ) -> PyResult<Vec<PaddedPairs>> {
        let passages: Vec<&str> = passages.iter().map(|text| &**text).collect();
        let encoded = py.detach(|| self.0.encode(&query, &passages, budget));
        let wrap = |batch: pairs::PaddedPairs| {
            let shape = [batch.rows.len(), batch.width];
            let matrix = |values: Vec<i64>| -> PyResult<Py<PyArray2<i64>>> {
                Ok(values.into_pyarray(py).reshape(shape)?.unbind())
            };
            Ok(PaddedPairs {
                rows: batch.rows.into_pyarray(py).unbind(),
                input_ids: matrix(batch.ids)?,
                attention_mask: matrix(batch.mask)?,
                token_type_ids: matrix(batch.types)?,
            })
        };
        encoded.map_err(crate::errors::CoreError::from)?.into_iter().map(wrap).collect()
    }
}
