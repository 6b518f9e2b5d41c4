//! The lexical store: one Tantivy document a chunk.

mod directory;
mod schema;
mod search;
mod writer;

pub use schema::BM25_VERSION;
pub use search::{DEFINITION_SCORE, Filter, Searcher, StoredChunk};
pub use writer::Writer;
