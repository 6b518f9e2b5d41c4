//! The core of hybridx: everything that works on bytes, files and terms, and nothing that knows Python.

pub mod analyzer;
pub mod batch;
pub mod bm25;
pub mod cancel;
pub mod chunk;
pub mod digest;
pub mod error;
pub mod fields;
pub mod guard;
pub mod ingest;
pub mod inventory;
pub mod language;
pub mod lease;
pub mod lock;
pub mod memory;
pub mod merkle;
pub mod path;
pub mod read;
pub mod retry;
pub mod rules;
mod schedule;
pub mod sealed;
pub mod secrets;
pub mod snapshot;
pub mod tokenize;
pub mod walk;
pub mod why;
