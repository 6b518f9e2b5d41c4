//! The snapshot: exactly what a generation of the index holds.
//!
//! It is written before the commit that makes it current and names every indexed file with the
//! digest of the bytes that were chunked, every skipped file and every failed one. Its Merkle
//! tree covers the indexed files alone: whatever is not in the index is still to be done, and the
//! next diff says so.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Result;
use crate::inventory::Inventory;
use crate::merkle::{Leaf, MerkleTree, path_order};
use crate::read::Skip;
use crate::sealed::Seal;

/// Changes whenever the file's format does; part of the index fingerprint.
pub const SNAPSHOT_FORMAT: u32 = 3;

const SNAPSHOT: Seal = Seal { magic: *b"HYBXSNAP", format: SNAPSHOT_FORMAT };

/// An indexed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRow {
    /// Digest of the bytes that were chunked.
    pub digest: Digest,
    /// Number of chunks.
    pub chunks: u32,
    /// Number of bytes.
    pub bytes: u64,
    /// The language's name.
    pub language: Box<str>,
    /// The encoding, where it is not UTF-8.
    pub decoded_as: Option<Box<str>>,
    /// Secrets taken out of its text, by rule.
    pub redactions: Box<[(Box<str>, u32)]>,
}

/// A file that ought to be indexed and could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stage it failed in.
    pub stage: Box<str>,
    /// What happened.
    pub message: Box<str>,
}

/// What became of one file in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its chunks are in the stores.
    Indexed(Arc<FileRow>),
    /// It was left out.
    Skipped(Skip),
    /// It could not be indexed; it will be tried again.
    Failed(Failure),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rows {
    files: Vec<(Arc<str>, Arc<FileRow>)>,
    skipped: Vec<(Arc<str>, Skip)>,
    failed: Vec<(Arc<str>, Failure)>,
}

/// The immutable record of one generation. Paths and rows are shared with the generations before
/// and after it: a run over many files has several at once.
#[derive(Clone, Debug)]
pub struct Snapshot {
    rows: Rows,
    tree: MerkleTree,
    vector_files: Inventory,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::of(Rows::default())
    }
}

/// Totals of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Indexed files.
    pub files: u64,
    /// Their chunks.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files and chunks by language.
    pub languages: BTreeMap<Box<str>, (u64, u64)>,
    /// Skipped files by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Failed files.
    pub failed: u64,
    /// Files with a redacted text.
    pub redacted_files: u64,
    /// Redactions by rule.
    pub redactions: BTreeMap<Box<str>, u64>,
}

impl Snapshot {
    fn of(mut rows: Rows) -> Self {
        rows.files.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        rows.skipped.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        rows.failed.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        let leaves =
            rows.files.iter().map(|(path, row)| Leaf { path: path.clone(), digest: row.digest });
        let tree = MerkleTree::new(leaves.collect());
        Self { rows, tree, vector_files: Inventory::default() }
    }

    /// Reads a snapshot with the digest of its file; `None` if there is none.
    pub fn load(path: &Path) -> Result<Option<(Self, Digest)>> {
        let read = SNAPSHOT.read::<(Inventory, Rows)>(path)?;
        Ok(read.map(|((vector_files, rows), digest)| {
            (Self { vector_files, ..Self::of(rows) }, digest)
        }))
    }

    /// Writes the snapshot durably, with the record of the vector store's files, and returns the
    /// digest of its file.
    pub fn save(&self, path: &Path, vector_files: &Inventory) -> Result<Digest> {
        // In this order, so that one can be read without the other.
        SNAPSHOT.write(path, &(vector_files, &self.rows), true)
    }

    /// Reads of a snapshot the record of the vector store's files alone, with the digest of the
    /// whole file; `None` if there is none.
    pub fn load_vector_files(path: &Path) -> Result<Option<(Inventory, Digest)>> {
        SNAPSHOT.read(path)
    }

    /// The files of the vector store when this was saved.
    pub fn vector_files(&self) -> &Inventory {
        &self.vector_files
    }

    /// Whether both tell of the same files, skipped files and failures.
    pub fn holds_same(&self, other: &Self) -> bool {
        self.rows == other.rows
    }

    /// The tree of the indexed files.
    pub fn tree(&self) -> &MerkleTree {
        &self.tree
    }

    /// The indexed files in path order.
    pub fn files(&self) -> &[(Arc<str>, Arc<FileRow>)] {
        &self.rows.files
    }

    /// The skipped files in path order.
    pub fn skipped(&self) -> &[(Arc<str>, Skip)] {
        &self.rows.skipped
    }

    /// The failed files in path order.
    pub fn failed(&self) -> &[(Arc<str>, Failure)] {
        &self.rows.failed
    }

    /// The indexed file at `path`.
    pub fn file(&self, path: &str) -> Option<&FileRow> {
        let at = self.rows.files.binary_search_by(|(row, _)| path_order(row, path)).ok()?;
        Some(&self.rows.files[at].1)
    }

    /// Counts everything.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { failed: self.rows.failed.len() as u64, ..Totals::default() };
        for (_, row) in &self.rows.files {
            let chunks = u64::from(row.chunks);
            totals.files += 1;
            totals.chunks += chunks;
            totals.bytes += row.bytes;
            totals.redacted_files += u64::from(!row.redactions.is_empty());
            for (rule, count) in &row.redactions {
                *totals.redactions.entry(rule.clone()).or_default() += u64::from(*count);
            }
            match totals.languages.get_mut(&row.language) {
                Some(language) => *language = (language.0 + 1, language.1 + chunks),
                None => {
                    totals.languages.insert(row.language.clone(), (1, chunks));
                }
            }
        }
        for (_, skip) in &self.rows.skipped {
            *totals.skipped.entry(skip.reason.name()).or_default() += 1;
        }
        totals
    }
}

/// A snapshot in the making: the last generation's, with what has been written since.
#[derive(Clone, Debug)]
pub struct Draft {
    outcomes: FxHashMap<Arc<str>, Outcome>,
}

impl Draft {
    /// Starts from the generation that is current, without its skips and failures: every run
    /// decides those anew.
    pub fn new(current: &Snapshot) -> Self {
        let files = current.rows.files.iter();
        Self {
            outcomes: files.map(|(p, row)| (p.clone(), Outcome::Indexed(row.clone()))).collect(),
        }
    }

    /// Records what became of a file.
    pub fn set(&mut self, path: impl Into<Arc<str>>, outcome: Outcome) {
        self.outcomes.insert(path.into(), outcome);
    }

    /// Records what a scan left out, but for files that are still in the index: an update of some
    /// files leaves the others as they are, until they are removed in their turn.
    pub fn skip(&mut self, path: impl Into<Arc<str>>, skip: Skip) {
        let row = self.outcomes.entry(path.into());
        if !matches!(&row, Entry::Occupied(row) if matches!(row.get(), Outcome::Indexed(_))) {
            row.insert_entry(Outcome::Skipped(skip));
        }
    }

    /// Forgets a file that is no longer there.
    pub fn remove(&mut self, path: &str) {
        self.outcomes.remove(path);
    }

    /// The snapshot of everything recorded so far.
    pub fn finish(&self) -> Snapshot {
        let mut rows = Rows::default();
        for (path, outcome) in &self.outcomes {
            let path = path.clone();
            match outcome {
                Outcome::Indexed(row) => rows.files.push((path, row.clone())),
                Outcome::Skipped(skip) => rows.skipped.push((path, skip.clone())),
                Outcome::Failed(failure) => rows.failed.push((path, failure.clone())),
            }
        }
        Snapshot::of(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Reason;

    fn row(content: &str, language: &str, chunks: u32) -> Outcome {
        Outcome::Indexed(Arc::new(FileRow {
            digest: Digest::of(content.as_bytes()),
            chunks,
            bytes: content.len() as u64,
            language: language.into(),
            decoded_as: None,
            redactions: Box::default(),
        }))
    }

    #[test]
    fn a_draft_becomes_a_snapshot_that_survives_the_disk() {
        let mut draft = Draft::new(&Snapshot::default());
        draft.set("b.py", row("b", "python", 2));
        draft.set("a.c", row("a", "c", 1));
        draft.set("x.bin", Outcome::Skipped(Skip::new(Reason::Binary, "NUL")));
        let failure = Failure { stage: "chunk".into(), message: "panic".into() };
        draft.set("bad.py", Outcome::Failed(failure));
        let snapshot = draft.finish();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("1.bin");
        let digest = snapshot.save(&path, &Inventory::default()).expect("saved");
        let (back, read_digest) = Snapshot::load(&path).expect("loaded").expect("there");
        assert_eq!(digest, read_digest);
        assert_eq!(back.tree().root(), snapshot.tree().root());
        assert_eq!(back.file("b.py").map(|row| row.chunks), Some(2));
        let totals = back.totals();
        assert_eq!((totals.files, totals.chunks, totals.failed), (2, 3, 1));
        assert_eq!(totals.languages["python"], (1, 2));
        assert_eq!(totals.skipped["binary"], 1);
    }

    #[test]
    fn a_skip_does_not_hide_a_file_that_is_still_indexed() {
        let mut draft = Draft::new(&Snapshot::default());
        draft.set("f", row("f", "text", 1));
        draft.skip("f", Skip::new(Reason::Binary, "NUL"));
        assert_eq!(draft.finish().files().len(), 1);
        draft.remove("f");
        draft.skip("f", Skip::new(Reason::Binary, "NUL"));
        assert_eq!((draft.finish().files().len(), draft.finish().skipped().len()), (0, 1));
    }

    #[test]
    fn a_failed_file_is_outside_the_tree_so_that_the_next_diff_names_it() {
        let mut draft = Draft::new(&Snapshot::default());
        let failure = Failure { stage: "embed".into(), message: "no".into() };
        draft.set("f", Outcome::Failed(failure));
        let seen = MerkleTree::new(vec![Leaf { path: "f".into(), digest: Digest::of(b"f") }]);
        let changes = seen.diff(draft.finish().tree());
        assert_eq!(&*changes.added[0], "f");
    }
}
