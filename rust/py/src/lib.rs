//! `hybridx._core`: convert, detach, wrap. All work is done by `hybridx-core`, without the GIL.

#![allow(
    missing_docs,                     // what Python sees is documented in `_core.pyi`
    clippy::needless_pass_by_value,   // arguments are extracted from Python objects
    clippy::too_many_arguments        // they are keyword arguments
)]

mod bm25;
mod errors;
mod ingest;
mod outline;
mod pairs;
mod scan;
mod snapshot;
mod tokenize;
mod tools;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::bm25::{Bm25Searcher, Bm25Writer, Candidates, StoredChunk, path_patterns};
    #[pymodule_export]
    use super::ingest::{IngestBatch, IngestStream, ingest};
    #[pymodule_export]
    use super::outline::outline;
    #[pymodule_export]
    use super::pairs::{PaddedPairs, PairEncoder};
    #[pymodule_export]
    use super::scan::{Changes, Explanation, MerkleTree, Scan, StatCache, explain, scan};
    #[pymodule_export]
    use super::snapshot::{Draft, Snapshot, Totals};
    #[pymodule_export]
    use super::tokenize::{Encoded, Encoder, Padded};
    #[pymodule_export]
    use super::tools::{
        CancelToken, Inventory, Lease, Lock, analyze, decode_path, encode_path, kinds, language,
        languages, map_large_blocks, redact, release_memory, versions,
    };
}
