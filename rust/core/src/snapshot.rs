//! The snapshot: exactly what a generation of the index holds.
//!
//! It is written before the commit that makes it current and names every indexed file with the
//! digest of the bytes that were chunked, every skipped file and every failed one. Its Merkle
//! tree covers the indexed files alone: whatever is not in the index is still to be done, and the
//! next diff says so.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::inventory::Inventory;
use crate::merkle::{Leaf, MerkleTree, Source, path_order};
use crate::read::Skip;
use crate::sealed::{Fixed, Packed, Seal};

/// Changes whenever the file's format does; part of the index fingerprint.
pub const SNAPSHOT_FORMAT: u32 = 4;

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

/// What is known of an indexed file beside its path and its digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Facts {
    chunks: u32,
    bytes: u64,
    /// Which of the snapshot's languages.
    language: u32,
    /// One more than which of its remarks; 0 if there is nothing to remark.
    remark: u32,
}

impl Fixed for Facts {
    const SIZE: usize = 20;

    fn put(&self, bytes: &mut Vec<u8>) {
        [self.chunks, self.language, self.remark].put(bytes);
        self.bytes.put(bytes);
    }

    fn take(bytes: &[u8]) -> Self {
        let [chunks, language, remark] = Fixed::take(&bytes[..12]);
        Self { chunks, bytes: Fixed::take(&bytes[12..]), language, remark }
    }
}

/// What few files have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remark {
    decoded_as: Option<Box<str>>,
    redactions: Box<[(Box<str>, u32)]>,
}

type PathAnd<T> = (Arc<str>, T);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rest {
    languages: Vec<Box<str>>,
    remarks: Vec<Arc<Remark>>,
    skipped: Vec<PathAnd<Skip>>,
    failed: Vec<PathAnd<Failure>>,
}

/// The immutable record of one generation: flat columns, so that a run over many files reads,
/// changes and writes it as fast as its bytes are copied.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    tree: Arc<MerkleTree>,
    /// In the tree's order.
    facts: Packed<Facts>,
    rest: Rest,
    vector_files: Inventory,
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
    /// Reads a snapshot with the digest of its file; `None` if there is none.
    pub fn load(path: &Path) -> Result<Option<(Self, Digest)>> {
        type Stored = (Inventory, (MerkleTree, Packed<Facts>, Rest));
        let Some(((vector_files, (tree, facts, rest)), digest)) = SNAPSHOT.read::<Stored>(path)?
        else {
            return Ok(None);
        };
        let fits = |facts: &Facts| {
            let language = rest.languages.get(facts.language as usize);
            language.is_some() && facts.remark as usize <= rest.remarks.len()
        };
        if facts.0.len() != tree.len() || !facts.0.iter().all(fits) {
            let detail = "its columns do not fit together".to_owned();
            return Err(Error::Corrupt { path: path.to_owned(), detail });
        }
        Ok(Some((Self { tree: Arc::new(tree), facts, rest, vector_files }, digest)))
    }

    /// Writes the snapshot durably, with the record of the vector store's files, and returns the
    /// digest of its file.
    pub fn save(&self, path: &Path, vector_files: &Inventory) -> Result<Digest> {
        // In this order, so that one can be read without the other.
        SNAPSHOT.write(path, &(vector_files, (&*self.tree, &self.facts, &self.rest)), true)
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

    /// The same, when the vector store has these files.
    #[must_use]
    pub fn with_vector_files(&self, files: Inventory) -> Self {
        Self { vector_files: files, ..self.clone() }
    }

    /// Whether both tell of the same files, skipped files and failures.
    pub fn holds_same(&self, other: &Self) -> bool {
        self.rest.skipped == other.rest.skipped
            && self.rest.failed == other.rest.failed
            && self.tree.root() == other.tree.root()
            && (0..self.tree.len()).all(|at| self.row(at) == other.row(at))
    }

    /// The tree of the indexed files.
    pub fn tree(&self) -> &Arc<MerkleTree> {
        &self.tree
    }

    /// The paths of the indexed files in path order, each with its number of chunks.
    pub fn files(&self) -> impl Iterator<Item = (String, u32)> {
        self.tree.paths().map(|(place, path)| (path, self.facts.0[place].chunks))
    }

    /// The skipped files in path order.
    pub fn skipped(&self) -> &[(Arc<str>, Skip)] {
        &self.rest.skipped
    }

    /// The failed files in path order.
    pub fn failed(&self) -> &[(Arc<str>, Failure)] {
        &self.rest.failed
    }

    /// The indexed file at `path`.
    pub fn file(&self, path: &str) -> Option<FileRow> {
        self.tree.place(path).map(|place| self.row(place))
    }

    fn row(&self, place: usize) -> FileRow {
        let facts = self.facts.0[place];
        let remark = self.remark(facts);
        FileRow {
            digest: self.tree.digest_at(place),
            chunks: facts.chunks,
            bytes: facts.bytes,
            language: self.rest.languages[facts.language as usize].clone(),
            decoded_as: remark.and_then(|remark| remark.decoded_as.clone()),
            redactions: remark.map(|remark| remark.redactions.clone()).unwrap_or_default(),
        }
    }

    fn remark(&self, facts: Facts) -> Option<&Remark> {
        let at = facts.remark.checked_sub(1)?;
        self.rest.remarks.get(at as usize).map(|remark| &**remark)
    }

    /// Counts everything.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { failed: self.rest.failed.len() as u64, ..Totals::default() };
        totals.files = self.facts.0.len() as u64;
        let mut languages = vec![(0, 0); self.rest.languages.len()];
        for facts in &self.facts.0 {
            let chunks = u64::from(facts.chunks);
            totals.chunks += chunks;
            totals.bytes += facts.bytes;
            let language: &mut (u64, u64) = &mut languages[facts.language as usize];
            *language = (language.0 + 1, language.1 + chunks);
            if let Some(remark) = self.remark(*facts) {
                totals.redacted_files += u64::from(!remark.redactions.is_empty());
                for (rule, count) in &remark.redactions {
                    *totals.redactions.entry(rule.clone()).or_default() += u64::from(*count);
                }
            }
        }
        let languages = self.rest.languages.iter().cloned().zip(languages);
        totals.languages = languages.filter(|(_, counts)| counts.0 > 0).collect();
        for (_, skip) in &self.rest.skipped {
            *totals.skipped.entry(skip.reason.name()).or_default() += 1;
        }
        totals
    }
}

/// A snapshot in the making: the last generation's, with what has been written since.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Without its skips and failures: every run decides those anew.
    base: Arc<Snapshot>,
    /// What became of files since; `None` of one that is gone.
    outcomes: FxHashMap<Arc<str>, Option<Outcome>>,
}

impl Draft {
    /// Starts from the generation that is current, without its skips and failures.
    pub fn new(current: &Arc<Snapshot>) -> Self {
        Self { base: current.clone(), outcomes: FxHashMap::default() }
    }

    /// Records what became of a file.
    pub fn set(&mut self, path: impl Into<Arc<str>>, outcome: Outcome) {
        self.outcomes.insert(path.into(), Some(outcome));
    }

    /// Records what a scan left out, but for files that are still in the index: an update of some
    /// files leaves the others as they are, until they are removed in their turn.
    pub fn skip(&mut self, path: impl Into<Arc<str>>, skip: Skip) {
        let path = path.into();
        let is_indexed = match self.outcomes.get(&path) {
            Some(outcome) => matches!(outcome, Some(Outcome::Indexed(_))),
            None => self.base.tree.place(&path).is_some(),
        };
        if !is_indexed {
            self.set(path, Outcome::Skipped(skip));
        }
    }

    /// Forgets a file that is no longer there.
    pub fn remove(&mut self, path: &str) {
        self.outcomes.insert(path.into(), None);
    }

    /// Whether the snapshot would tell of the same as the generation this began with.
    pub fn is_unchanged(&self) -> bool {
        let same = |(path, outcome): (&Arc<str>, &Option<Outcome>)| {
            let row = || self.base.file(path);
            match outcome {
                Some(Outcome::Indexed(now)) => row().is_some_and(|row| row == **now),
                _ => self.base.tree.place(path).is_none(),
            }
        };
        let (skipped, failed) = self.left_out();
        self.outcomes.iter().all(same)
            && skipped == self.base.rest.skipped
            && failed == self.base.rest.failed
    }

    /// The rows of what is not in the index, in path order.
    fn left_out(&self) -> (Vec<PathAnd<Skip>>, Vec<PathAnd<Failure>>) {
        let (mut skipped, mut failed) = (Vec::new(), Vec::new());
        for (path, outcome) in &self.outcomes {
            match outcome {
                Some(Outcome::Skipped(skip)) => skipped.push((path.clone(), skip.clone())),
                Some(Outcome::Failed(failure)) => failed.push((path.clone(), failure.clone())),
                Some(Outcome::Indexed(_)) | None => {}
            }
        }
        skipped.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        failed.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        (skipped, failed)
    }

    /// The snapshot of everything recorded so far.
    pub fn finish(&self) -> Snapshot {
        let base = &self.base;
        let mut gone = FxHashSet::default();
        let (mut leaves, mut rows) = (Vec::new(), Vec::new());
        for (path, outcome) in &self.outcomes {
            if let Some(Outcome::Indexed(row)) = outcome {
                leaves.push(Leaf { path: path.clone(), digest: row.digest });
                rows.push(row);
            } else if let Some(place) = base.tree.place(path) {
                gone.insert(place);
            }
        }
        let (skipped, failed) = self.left_out();
        let Rest { languages, remarks, .. } = base.rest.clone();
        let mut rest = Rest { languages, remarks, skipped, failed };
        if gone.is_empty() && leaves.is_empty() {
            let (tree, facts) = (base.tree.clone(), base.facts.clone());
            return Snapshot { tree, facts, rest, vector_files: Inventory::default() };
        }
        let (tree, sources) = base.tree.patched(|place| gone.contains(&place), &leaves);
        let added: Vec<Facts> = rows.into_iter().map(|row| rest.facts(row)).collect();
        let facts = sources.into_iter().map(|source| match source {
            Source::Kept(place) => base.facts.0[place],
            Source::Added(at) => added[at],
        });
        let mut facts = Packed(facts.collect());
        rest.forget_remarks(&mut facts.0);
        Snapshot { tree: Arc::new(tree), facts, rest, vector_files: Inventory::default() }
    }
}

impl Rest {
    /// What a row says beside path and digest; what is said in words is kept here.
    fn facts(&mut self, row: &FileRow) -> Facts {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let known = self.languages.iter().position(|name| *name == row.language);
        let language = known.unwrap_or_else(|| {
            self.languages.push(row.language.clone());
            self.languages.len() - 1
        });
        let mut remark = 0;
        if row.decoded_as.is_some() || !row.redactions.is_empty() {
            let (decoded_as, redactions) = (row.decoded_as.clone(), row.redactions.clone());
            self.remarks.push(Arc::new(Remark { decoded_as, redactions }));
            remark = self.remarks.len();
        }
        Facts {
            chunks: row.chunks,
            bytes: row.bytes,
            language: number(language),
            remark: number(remark),
        }
    }

    /// Drops the remarks on files that are gone, once they are the larger part.
    fn forget_remarks(&mut self, facts: &mut [Facts]) {
        let used = facts.iter().filter(|facts| facts.remark > 0).count();
        if self.remarks.len() <= 2 * used {
            return;
        }
        let all = std::mem::take(&mut self.remarks);
        for facts in facts.iter_mut().filter(|facts| facts.remark > 0) {
            self.remarks.push(all[facts.remark as usize - 1].clone());
            facts.remark = u32::try_from(self.remarks.len()).unwrap_or(u32::MAX);
        }
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
        let mut draft = Draft::new(&Arc::default());
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
        let mut draft = Draft::new(&Arc::default());
        draft.set("f", row("f", "text", 1));
        draft.skip("f", Skip::new(Reason::Binary, "NUL"));
        assert_eq!(draft.finish().files().count(), 1);
        draft.remove("f");
        draft.skip("f", Skip::new(Reason::Binary, "NUL"));
        assert_eq!((draft.finish().files().count(), draft.finish().skipped().len()), (0, 1));
    }

    #[test]
    fn a_failed_file_is_outside_the_tree_so_that_the_next_diff_names_it() {
        let mut draft = Draft::new(&Arc::default());
        let failure = Failure { stage: "embed".into(), message: "no".into() };
        draft.set("f", Outcome::Failed(failure));
        let seen = MerkleTree::new(&[Leaf { path: "f".into(), digest: Digest::of(b"f") }]);
        let changes = seen.diff(draft.finish().tree());
        assert_eq!(&*changes.added[0], "f");
    }
}
