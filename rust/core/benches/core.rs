//! What the core costs: scan, chunks, terms, lexical writes.
//!
//! Without more said it works on the chunker's sample files and on trees made from them. With
//! `HYBRIDX_BENCH_TREE=FOLDER` it works on that tree (for chunks, terms and lexical writes on
//! at most 16 MB of it).

mod common;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hybridx_core::analyzer::analyze_into;
use hybridx_core::bm25::Writer;
use hybridx_core::cancel::Cancel;
use hybridx_core::ingest::{Ingest, IngestOptions};
use hybridx_core::secrets::redact;
use hybridx_core::walk::{Scan, ScanOptions, StatCache, scan};
use tempfile::TempDir;

use common::{Source, batch_of, made_tree, read_sources, samples};

/// Files of the tree that is made where none is given.
const MADE_FILES: usize = 1_000;

fn bench_tree() -> Option<PathBuf> {
    std::env::var_os("HYBRIDX_BENCH_TREE").map(PathBuf::from)
}

/// The name of a group: figures of a tree given are not compared with those of the samples.
fn name(group: &str) -> String {
    if bench_tree().is_some() { format!("{group}_given") } else { group.to_owned() }
}

fn scan_tree(root: &Path, cache: &StatCache) -> Scan {
    scan(root, &ScanOptions::default(), cache, &Cancel::default()).expect("the tree is readable")
}

/// Files spread over the bench tree, or else the samples.
fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Option<Vec<Source>>> = OnceLock::new();
    let given = SOURCES.get_or_init(|| {
        let root = bench_tree()?;
        let scan = scan_tree(&root, &StatCache::default());
        let leaves = scan.tree.leaves();
        // A stride that leaves no folder out.
        let step = (leaves.len() / 800).max(1);
        Some(read_sources(&root, leaves.iter().step_by(step).map(|leaf| leaf.path.to_string())))
    });
    given.as_deref().unwrap_or_else(samples)
}

fn bytes(sources: &[Source]) -> u64 {
    sources.iter().map(|source| source.text.len() as u64).sum()
}

/// Walk and digests with and without a stat cache, then all of ingest.
fn trees(criterion: &mut Criterion) {
    let made = bench_tree().is_none().then(|| made_tree(MADE_FILES));
    let root = made.as_ref().map_or_else(|| bench_tree().expect("given"), |t| t.path().into());
    let first = scan_tree(&root, &StatCache::default());
    let mut group = criterion.benchmark_group(name("tree"));
    group.sample_size(10);
    group.throughput(Throughput::Bytes(first.bytes_hashed));
    group.bench_function("walk_and_hash", |bencher| {
        bencher.iter(|| scan_tree(&root, &StatCache::default()));
    });
    group.bench_function("ingest", |bencher| {
        bencher.iter_batched(
            || first.tree.leaves().into_iter().map(|leaf| leaf.path).collect(),
            |files| {
                let options = IngestOptions::default();
                let ingest = Ingest::start(root.clone(), files, options, Cancel::default());
                ingest.expect("started").map(|batch| batch.expect("read").bytes).sum::<u64>()
            },
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(first.tree.len() as u64));
    // With the exact time of the file system, so that files just made are not called racy.
    let clock = tempfile::tempdir().expect("a temporary folder");
    let options = ScanOptions { clock_folder: Some(clock.path().into()), ..ScanOptions::default() };
    let again = scan(&root, &options, &StatCache::default(), &Cancel::default());
    let cache = again.expect("readable").cache.expect("the first scan fills a cache");
    group.bench_function("walk_only", |bencher| {
        bencher.iter(|| scan_tree(&root, &cache));
    });
    group.finish();
}

/// Text to chunks: all sources, and each sample language.
fn chunks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(name("chunk"));
    group.sample_size(10);
    let all = sources();
    group.throughput(Throughput::Bytes(bytes(all)));
    group.bench_function("all", |bencher| {
        bencher.iter(|| all.iter().map(|source| source.chunks().len()).sum::<usize>());
    });
    for source in samples() {
        group.throughput(Throughput::Bytes(source.text.len() as u64));
        group.bench_function(&source.path, |bencher| {
            bencher.iter(|| black_box(source).chunks());
        });
    }
    group.finish();
}

/// Text to terms.
fn terms(criterion: &mut Criterion) {
    let all = sources();
    let mut group = criterion.benchmark_group(name("analyze"));
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes(all)));
    let mut encoded = String::new();
    group.bench_function("terms", |bencher| {
        bencher.iter(|| {
            for source in all {
                encoded.clear();
                analyze_into(black_box(&source.text), &mut encoded);
            }
            encoded.len()
        });
    });
    group.finish();
}

/// The search for secrets.
fn secrets(criterion: &mut Criterion) {
    let all = sources();
    let mut group = criterion.benchmark_group(name("secrets"));
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes(all)));
    group.bench_function("redact", |bencher| {
        bencher.iter(|| {
            let found = all.iter().map(|source| redact(&source.path, &source.text).findings.len());
            found.sum::<usize>()
        });
    });
    group.finish();
}

/// A new lexical index, and one file of it replaced.
fn bm25(criterion: &mut Criterion) {
    let all = sources();
    let batch = batch_of(all);
    let mut group = criterion.benchmark_group(name("bm25"));
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes(all)));
    let open = |folder: &TempDir| Writer::open(folder.path(), 2, 256 << 20).expect("opened");
    let folder = || tempfile::tempdir().expect("a temporary folder");
    group.bench_function("write", |bencher| {
        bencher.iter_batched(
            folder,
            |folder| {
                let mut writer = open(&folder);
                writer.add(&batch).expect("added");
                writer.commit("").expect("committed");
                writer.close().expect("closed");
                folder
            },
            BatchSize::PerIteration,
        );
    });
    let folder = folder();
    let mut writer = open(&folder);
    writer.add(&batch).expect("added");
    writer.commit("").expect("committed");
    let one = all.first().expect("there are sources");
    let replacement = batch_of(std::slice::from_ref(one));
    group.throughput(Throughput::Bytes(one.text.len() as u64));
    group.bench_function("replace_a_file", |bencher| {
        bencher.iter(|| {
            writer.delete([&*one.path]);
            writer.add(&replacement).expect("added");
            writer.commit("").expect("committed");
        });
    });
    group.finish();
}

criterion_group!(benches, trees, chunks, terms, secrets, bm25);
criterion_main!(benches);
