//! How fast chunks go into the lexical index, beside Tantivy alone on documents made beforehand.
//!
//!     cargo bench -p hybridx-core --bench bm25_rate -- TREE [RUNS] [THREADS] [HEAP_MIB]
//!
//! Both write the same fields of the same chunks with as many threads and as much memory: the one
//! is [`Writer`], fed with the batches that an ingest of TREE gives; the other a program that knows
//! nothing of it, whose documents lie ready before its time begins. They take turns, a run of each
//! that is not counted first. Printed is one JSON object: medians of the seconds, of the CPU
//! seconds of all threads, the rates in MB (of TREE's text) a second, and how much of Tantivy's
//! rate the writer has.

use std::path::Path;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use hybridx_core::analyzer::{analyze, next_term};
use hybridx_core::batch::ChunkColumns;
use hybridx_core::bm25::Writer;
use hybridx_core::cancel::Cancel;
use hybridx_core::ingest::{Ingest, IngestOptions};
use hybridx_core::walk::{ScanOptions, StatCache, scan};
use tantivy::schema::Schema;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{Index, IndexWriter, TantivyDocument};

/// Every chunk of the tree, and the bytes they were made of.
fn ingested(root: &Path) -> (Vec<RecordBatch>, u64) {
    let found = scan(root, &ScanOptions::default(), &StatCache::default(), &Cancel::default());
    let found = found.expect("the tree is readable");
    let files = found.tree.leaves().iter().map(|leaf| leaf.path.clone()).collect();
    let ingest = Ingest::start(root.into(), files, IngestOptions::default(), Cancel::default());
    let mut batches = Vec::new();
    let mut bytes = 0;
    for batch in ingest.expect("started") {
        let batch = batch.expect("read");
        bytes += batch.bytes;
        batches.push(batch.chunks);
    }
    (batches, bytes)
}

/// Seconds by the clock, and seconds of the processor in all threads.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    cpu: Duration,
}

fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // The name, in brackets, may hold spaces; user and system time are the 12th and 13th after it.
    let behind = text.rsplit(") ").next().expect("a name");
    let ticks = behind.split(' ').skip(11).take(2).map(|it| it.parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

fn timed(work: impl FnOnce()) -> Took {
    let (clock, before) = (Instant::now(), cpu());
    work();
    Took { wall: clock.elapsed(), cpu: cpu().saturating_sub(before) }
}

fn write(batches: &[RecordBatch], folder: &Path, threads: usize, heap: usize) -> Took {
    timed(|| {
        let mut writer = Writer::open(folder, threads, heap).expect("opened");
        for batch in batches {
            writer.add(batch).expect("added");
        }
        writer.commit("").expect("committed");
        writer.close().expect("closed");
    })
}

/// What Tantivy alone writes: `documents`, which are used up.
fn write_alone(
    schema: &Schema,
    documents: Vec<TantivyDocument>,
    folder: &Path,
    threads: usize,
    heap: usize,
) -> Took {
    timed(|| {
        let index = Index::create_in_dir(folder, schema.clone()).expect("created");
        for name in ["hybridx_terms", "hybridx_text"] {
            index.tokenizers().register(name, Spaces::default());
        }
        let mut writer: IndexWriter = index.writer_with_num_threads(threads, heap).expect("opened");
        for document in documents {
            writer.add_document(document).expect("added");
        }
        writer.commit().expect("committed");
        writer.wait_merging_threads().expect("closed");
    })
}

/// The documents of the writer's fields, by their names.
fn documents(schema: &Schema, batches: &[RecordBatch]) -> Vec<TantivyDocument> {
    let field = |name: &str| schema.get_field(name).expect("a field of the writer");
    let mut documents = Vec::new();
    for batch in batches {
        let rows = ChunkColumns::of(batch).expect("chunks");
        for row in 0..batch.num_rows() {
            let path = rows.path.value(row);
            let mut document = TantivyDocument::default();
            document.add_u64(field("id"), rows.id.value(row));
            document.add_u64(field("origin"), rows.origin.value(row).into());
            document.add_u64(field("start_line"), rows.start_line.value(row).into());
            document.add_u64(field("end_line"), rows.end_line.value(row).into());
            document.add_u64(field("offset"), rows.offset.value(row));
            if row == 0 || rows.path.value(row - 1) != path {
                let stem = path.rsplit('/').next().and_then(|name| name.split('.').next());
                document.add_text(field("path_terms"), analyze(path));
                document.add_text(field("stem_terms"), analyze(stem.unwrap_or_default()));
            }
            for (name, values) in [
                ("path", rows.path),
                ("language", rows.language),
                ("kind", rows.kind),
                ("text", rows.text),
                ("body", rows.terms),
                ("symbol", rows.symbol),
                ("symbols", rows.symbols),
                ("context", rows.context),
                ("signature", rows.signature),
                ("doc", rows.doc),
            ] {
                if !values.value(row).is_empty() {
                    document.add_text(field(name), values.value(row));
                }
            }
            if !rows.symbol.value(row).is_empty() {
                document.add_text(field("symbol_terms"), analyze(rows.symbol.value(row)));
            }
            for symbol in rows.symbols.value(row).lines() {
                document.add_text(field("name"), symbol);
                if let Some(at) = symbol.rfind(['.', ':', '#']) {
                    document.add_text(field("name"), &symbol[at + 1..]);
                }
            }
            documents.push(document);
        }
    }
    documents
}

/// Terms as they lie ready.
#[derive(Clone, Default)]
struct Spaces(Token);

struct Terms<'a>(&'a str, &'a mut Token);

impl Tokenizer for Spaces {
    type TokenStream<'a> = Terms<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms<'a> {
        self.0.reset();
        Terms(text, &mut self.0)
    }
}

impl TokenStream for Terms<'_> {
    fn advance(&mut self) -> bool {
        let Some((term, rest)) = next_term(self.0) else { return false };
        self.0 = rest;
        self.1.text.clear();
        self.1.text.push_str(term.text);
        true
    }

    fn token(&self) -> &Token {
        self.1
    }

    fn token_mut(&mut self) -> &mut Token {
        self.1
    }
}

fn median(took: &[Took], of: fn(&Took) -> Duration) -> f64 {
    let mut seconds: Vec<f64> = took.iter().map(|it| of(it).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let half = seconds.len() / 2;
    if seconds.len() % 2 == 1 {
        seconds[half]
    } else {
        f64::midpoint(seconds[half - 1], seconds[half])
    }
}

#[allow(clippy::print_stdout, clippy::cast_precision_loss)] // it is what the program is for
fn main() {
    // `cargo bench` adds an argument of its own.
    let given: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let Some(root) = given.first() else {
        println!("a tree is to be given: cargo bench -p hybridx-core --bench bm25_rate -- TREE");
        return;
    };
    let number = |at: usize, without: usize| -> usize {
        given.get(at).map_or(without, |it| it.parse().expect("a number"))
    };
    let (runs, threads, heap_mib) = (number(1, 5), number(2, 2), number(3, 64));
    let heap = heap_mib << 20;
    let (batches, bytes) = ingested(Path::new(root));
    let chunks: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    let mut segments = [0, 0];
    for _ in 0..=runs {
        let folder = tempfile::tempdir().expect("a folder");
        ours.push(write(&batches, folder.path(), threads, heap));
        let written = Index::open_in_dir(folder.path()).expect("written");
        segments[0] = written.load_metas().expect("written").segments.len();
        let schema = written.schema();
        let ready = documents(&schema, &batches);
        let folder = tempfile::tempdir().expect("a folder");
        alone.push(write_alone(&schema, ready, folder.path(), threads, heap));
        let written = Index::open_in_dir(folder.path()).expect("written");
        segments[1] = written.load_metas().expect("written").segments.len();
    }
    let side = |took: &[Took], segments: usize| {
        let (seconds, cpu) = (median(&took[1..], |it| it.wall), median(&took[1..], |it| it.cpu));
        let rate = bytes as f64 / 1e6 / seconds;
        let shown = format!(
            "{{\"seconds\": {seconds:.3}, \"cpu_seconds\": {cpu:.2}, \"mb_per_second\": {rate:.1}, \
             \"segments\": {segments}}}"
        );
        (rate, shown)
    };
    let (of_writer, writer) = side(&ours, segments[0]);
    let (of_tantivy, tantivy) = side(&alone, segments[1]);
    println!(
        "{{\"tree\": {root:?}, \"bytes\": {bytes}, \"chunks\": {chunks}, \"runs\": {runs}, \
         \"threads\": {threads}, \"heap_mib\": {heap_mib}, \"writer\": {writer}, \
         \"tantivy_alone\": {tantivy}, \"ratio\": {:.3}}}",
        of_writer / of_tantivy
    );
}
