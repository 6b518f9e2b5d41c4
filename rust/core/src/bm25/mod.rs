//! The lexical store: one Tantivy document a chunk.

mod schema;
mod search;
mod writer;

pub use schema::BM25_VERSION;
pub use search::{Filter, Searcher, StoredChunk};
pub use writer::Writer;
