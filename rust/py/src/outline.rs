//! What a file defines.

use std::path::PathBuf;

use hybridx_core::outline::{self as core, Outlined};
use hybridx_core::secrets::Policy;
use pyo3::prelude::*;

use crate::errors::Result;
use crate::tools::{CancelToken, cancel_of};

/// `(symbol, kind, start_line, end_line, signature)`
type Row = (String, &'static str, u32, u32, String);

/// `(language, lines, definitions)` of a file; see `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (
    root, path, *, max_file_bytes = 4 << 20, redact_secrets = true, secrets_allow = Vec::new(),
    cancel = None
))]
pub fn outline(
    py: Python<'_>,
    root: PathBuf,
    path: &str,
    max_file_bytes: u64,
    redact_secrets: bool,
    secrets_allow: Vec<String>,
    cancel: Option<&Bound<'_, CancelToken>>,
) -> Result<(&'static str, u32, Vec<Row>)> {
    let secrets = Policy::new(redact_secrets, &secrets_allow)?;
    let cancel = cancel_of(cancel);
    let found = py.detach(|| core::outline(&root, path, max_file_bytes, &secrets, &cancel))?;
    let row = |it: Outlined| (it.symbol, it.kind.name(), it.start_line, it.end_line, it.signature);
    let definitions = found.definitions.into_iter().map(row).collect();
    Ok((found.language.name(), found.lines, definitions))
}
