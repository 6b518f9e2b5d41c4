//! The core of hybridx: everything that works on bytes, files and terms, and nothing that knows Python.

pub mod analyzer;
pub mod cancel;
pub mod digest;
pub mod error;
pub mod merkle;
pub mod path;
pub mod read;
pub mod sealed;
pub mod snapshot;
pub mod walk;
