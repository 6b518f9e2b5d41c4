//! The lexical store: one Tantivy document a chunk.

mod directory;
mod filter;
mod merges;
mod pages;
mod schema;
mod search;
mod stored;
mod writer;

pub use filter::Filter;
pub use schema::BM25_VERSION;
pub use search::{DEFINITION_SCORE, Searcher};
pub use stored::StoredChunk;
pub use writer::Writer;
