//! The lexical store: one Tantivy document a chunk.

mod candidates;
mod directory;
mod document;
mod evidence;
mod files;
mod filter;
mod ids;
mod lookups;
mod merges;
mod pages;
mod postings;
mod question;
mod rest;
#[cfg(test)]
mod same;
mod schema;
mod search;
mod stored;
mod sums;
mod writer;

pub use candidates::Candidates;
pub use filter::Filter;
pub use question::{Found, FoundChunk, FoundFile, Question, Weights};
pub use schema::BM25_VERSION;
pub use search::Searcher;
pub use stored::StoredChunk;
pub use writer::Writer;
