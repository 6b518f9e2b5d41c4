//! The core's hot loops, one a process, for `benches/instructions.py` to count their instructions.
//!
//! `instructions LOOP` makes what the loop works on and runs it once inside [`measured`], whose
//! beginning and end callgrind is told to look for; `instructions` lists the loops. Everything
//! is made of the chunker's samples, so that counts are the same wherever the compilers are.

mod common;

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use hybridx_core::analyzer::{analyze, analyze_into, terms};
use hybridx_core::bm25::{Filter, Question, Searcher, Weights, Writer};
use hybridx_core::cancel::Cancel;
use hybridx_core::digest::Digest;
use hybridx_core::fields::Fields;
use hybridx_core::inventory::Inventory;
use hybridx_core::merkle::{Leaf, MerkleTree};
use hybridx_core::secrets::redact;
use hybridx_core::snapshot::{Draft, FileRow, Outcome, Snapshot};
use hybridx_core::tokenize::Encoder;
use hybridx_core::walk::{ScanOptions, StatCache, scan};
use tempfile::TempDir;

use common::{Source, batch_of, made_tree, samples};

/// Files of the trees that are walked.
const WALKED: usize = 400;

/// Files of the trees and snapshots that stand in memory.
const NAMED: usize = 20_000;

type Loop = (&'static str, fn());

const LOOPS: &[Loop] = &[
    ("chunk_c", || chunk_sample("sample.c")),
    ("chunk_python", || chunk_sample("sample.py")),
    ("chunk_all", chunk_all),
    ("terms", analyse),
    ("ids", encode),
    ("redact", find_secrets),
    ("scan_new", || walk(false)),
    ("scan_unchanged", || walk(true)),
    ("merkle_build", build_tree),
    ("merkle_diff", diff_trees),
    ("snapshot_load", load_snapshot),
    ("bm25_write", write_documents),
    ("bm25_find", find),
];

/// What is counted: nothing before this begins, nothing after it has ended.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// The chunks of one sample, and their fields.
fn chunk_sample(name: &str) {
    let source = samples().iter().find(|it| it.path == name).expect("it is a sample");
    chunk_and_fields(source); // grammars and queries are made ready once a process
    measured(|| (0..5).map(|_| chunk_and_fields(black_box(source))).sum::<usize>());
}

fn chunk_all() {
    let sweep = || samples().iter().map(chunk_and_fields).sum::<usize>();
    sweep();
    measured(sweep);
}

fn chunk_and_fields(source: &Source) -> usize {
    let mut fields = Fields::default();
    let chunks = source.chunks();
    for chunk in &chunks {
        fields.push(&source.text, chunk);
    }
    fields.iter().map(|of| of.terms.len()).sum()
}

fn analyse() {
    let mut encoded = String::new();
    measured(|| {
        for source in samples() {
            encoded.clear();
            analyze_into(black_box(&source.text), &mut encoded);
        }
    });
}

/// Terms to ids, with a vocabulary of every other term of the samples.
fn encode() {
    let batch = batch_of(samples());
    let mut known = Vec::new();
    for source in samples() {
        let encoded = analyze(&source.text);
        known.extend(terms(&encoded).map(|term| term.text.to_owned()));
    }
    known.sort_unstable();
    known.dedup();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("terms.txt");
    let vocabulary: Vec<&str> = known.iter().step_by(2).map(|term| &**term).collect();
    std::fs::write(&path, vocabulary.join("\n")).expect("written");
    let encoder = Encoder::terms(&path, 256, 8192).expect("read");
    measured(|| encoder.encode(&batch, &[]).expect("encoded").tokens());
}

fn find_secrets() {
    let sweep = || {
        let found = samples().iter().map(|it| redact(&it.path, &it.text).findings.len());
        found.sum::<usize>()
    };
    sweep(); // the rules are compiled once a process
    measured(sweep);
}

/// One thread walks a tree, of which it remembers everything or nothing.
fn walk(unchanged: bool) {
    let tree = made_tree(WALKED);
    // With the exact time of the file system, so that files just made are not called racy.
    let clock = tempfile::tempdir().expect("a temporary folder");
    let clock_folder = Some(clock.path().into());
    let options = ScanOptions { jobs: 1, clock_folder, ..ScanOptions::default() };
    let look = |cache: &StatCache| {
        scan(tree.path(), &options, cache, &Cancel::default()).expect("readable")
    };
    let first = look(&StatCache::default());
    let cache = if unchanged { first.cache.expect("filled") } else { StatCache::default() };
    let again = measured(|| look(&cache));
    assert_eq!(again.bytes_hashed == 0, unchanged, "what is known is not read again");
}

/// So many leaves in folders of folders; those of every hundredth folder are of this `version`.
fn leaves(version: usize) -> Vec<Leaf> {
    let leaf = |number: usize| {
        let folder = number / 20;
        let path = format!("part{}/folder{folder}/file{number}.c", folder % 50);
        let content = number + if folder.is_multiple_of(100) { version } else { 0 };
        Leaf { path: path.into(), digest: Digest::of(&content.to_le_bytes()) }
    };
    (0..NAMED).map(leaf).collect()
}

fn build_tree() {
    let leaves = leaves(1);
    measured(|| MerkleTree::new(&leaves).root());
}

fn diff_trees() {
    let (old, new) = (MerkleTree::new(&leaves(1)), MerkleTree::new(&leaves(2)));
    let changes = measured(|| new.diff(&old));
    assert_eq!(changes.modified.len(), NAMED / 100);
}

fn load_snapshot() {
    let mut draft = Draft::new(&Arc::new(Snapshot::default()));
    for leaf in leaves(1) {
        let row = FileRow {
            digest: leaf.digest,
            chunks: 7,
            bytes: 4_096,
            language: "c".into(),
            decoded_as: None,
            redactions: Box::default(),
        };
        draft.set(leaf.path, Outcome::Indexed(Arc::new(row)));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("1.bin");
    draft.finish().save(&path, &Inventory::default()).expect("saved");
    let read = measured(|| Snapshot::load(&path).expect("read").expect("there"));
    assert_eq!(read.0.files().count(), NAMED);
}

/// A lexical index of the samples; what opening and closing its writer take is part of it.
fn write_index(folder: &Path, batch: &arrow_array::RecordBatch) {
    let mut writer = Writer::open(folder, 1, 64 << 20).expect("opened");
    writer.add(batch).expect("added");
    writer.commit("").expect("committed");
    writer.close().expect("closed");
}

fn write_documents() {
    let batch = batch_of(samples());
    let folder = tempfile::tempdir().expect("a temporary folder");
    measured(|| write_index(folder.path(), &batch));
}

fn find() {
    let folder: TempDir = tempfile::tempdir().expect("a temporary folder");
    write_index(folder.path(), &batch_of(samples()));
    let searcher = Searcher::open(folder.path()).expect("opened").expect("there");
    let asked = ["read the next line", "parse a number", "stack push pop", "name"];
    let questions: Vec<Question> = asked
        .iter()
        .map(|text| {
            let encoded = analyze(text);
            let terms = terms(&encoded).map(|term| (term.text.to_owned(), 1.0)).collect();
            Question { terms, ..Question::default() }
        })
        .collect();
    let sweep = || {
        let found = questions.iter().map(|question| {
            let weights = Weights::default();
            let found = searcher.find(question, &weights, 100, &Filter::default(), &[]);
            found.expect("searched").chunks.len()
        });
        found.sum::<usize>()
    };
    assert!(sweep() > 0, "there is something to find");
    measured(sweep);
}

fn main() -> io::Result<()> {
    // Cargo adds `--bench`.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let Some(wanted) = wanted else {
        let mut names = String::new();
        for (name, _) in LOOPS {
            writeln!(names, "{name}").expect("a string takes it");
        }
        return io::stdout().write_all(names.as_bytes());
    };
    let found = LOOPS.iter().find(|(name, _)| *name == wanted);
    let (_, run) = found.ok_or_else(|| io::Error::other(format!("no loop {wanted}")))?;
    run();
    Ok(())
}
