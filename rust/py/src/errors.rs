//! Core errors become Python exceptions here and nowhere else.

use std::io::ErrorKind;

use hybridx_core::error::{Error, TantivyError};
use pyo3::PyErr;
use pyo3::exceptions::{PyOSError, PyValueError};

mod python {
    //! The exception tree is Python's; see `hybridx/errors.py`.
    pyo3::import_exception!(hybridx.errors, Cancelled);
    pyo3::import_exception!(hybridx.errors, CorruptIndexError);
    pyo3::import_exception!(hybridx.errors, IndexFormatError);
    pyo3::import_exception!(hybridx.errors, ModelError);
    pyo3::import_exception!(hybridx.errors, StoreError);
    pyo3::import_exception!(hybridx.errors, UsageError);
}

/// Carries a core error through `?` in functions that Python calls.
pub struct CoreError(Error);

impl From<Error> for CoreError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<CoreError> for PyErr {
    fn from(CoreError(error): CoreError) -> Self {
        let message = error.to_string();
        match error {
            // With number, message and file name OSError picks its own subclass.
            Error::Io { path, source } => match source.raw_os_error() {
                Some(number) => {
                    let text = source.to_string();
                    let text = text.split(" (os error").next().unwrap_or_default().to_owned();
                    PyOSError::new_err((number, text, path.into_os_string()))
                }
                None => PyOSError::new_err(message),
            },
            Error::Invalid(_) => python::UsageError::new_err(message),
            Error::Corrupt { .. } => python::CorruptIndexError::new_err(message),
            Error::Format { .. } => python::IndexFormatError::new_err(message),
            Error::Cancelled => python::Cancelled::new_err(message),
            Error::Bm25(error) if is_damage(&error) => python::CorruptIndexError::new_err(message),
            Error::Bm25(_) => python::StoreError::new_err(message),
            Error::Tokenizer(_) => python::ModelError::new_err(message),
            _ => PyValueError::new_err(message),
        }
    }
}

/// Whether the lexical store's own files are to blame.
fn is_damage(error: &TantivyError) -> bool {
    match error {
        TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::DeserializeError(_)
        | TantivyError::SchemaError(_)
        | TantivyError::OpenReadError(_) => true,
        // What a file cut short reads like.
        TantivyError::IoError(error) => {
            matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData)
        }
        _ => false,
    }
}

/// The result of every function that Python calls and the core may fail.
pub type Result<T> = std::result::Result<T, CoreError>;
