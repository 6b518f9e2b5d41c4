//! The one error of the core.
//!
//! A file that cannot be indexed is no error: it is a row in the ledger
//! ([`crate::read::Skip`]). An [`Error`] ends the operation that returns it.

use std::io;
use std::path::{Path, PathBuf};

pub use tantivy::TantivyError;

/// What can go wrong, one variant for each thing a caller may want to tell apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder or file the operation cannot do without could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// What was being read or written.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// An argument makes no sense; the message says which and why.
    #[error("{0}")]
    Invalid(String),
    /// A file of the index does not hold what its own checksum or format promises.
    #[error("{path} is damaged: {detail}", path = path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A file of the index was written by another version of hybridx.
    #[error("{path} has format {found}, this version reads {expected}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format number it carries.
        found: u32,
        /// The format number this version reads and writes.
        expected: u32,
    },
    /// The caller's cancel token was set.
    #[error("cancelled")]
    Cancelled,
    /// The lexical index failed.
    #[error("lexical index: {0}")]
    Bm25(#[from] TantivyError),
    /// The tokenizer of a model failed.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A record batch does not have the columns the operation needs.
    #[error("record batch: {0}")]
    Batch(#[from] arrow_schema::ArrowError),
}

impl Error {
    /// Wraps an I/O error with the path it happened on; made for `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}

/// The result of every fallible operation of the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;
