//! The core of hybridx: everything that works on bytes, files and terms, and nothing that knows Python.

pub mod analyzer;
pub mod chunk;
pub mod language;
