//! Chunking against parsing alone, in one thread, over the same C files held in memory.
//!
//! `parse FOLDER [RUNS] [MEGABYTES]` prints one JSON document. In each round a bare
//! `tree_sitter::Parser` parses all files, then they are chunked, then chunked with the fields of
//! their chunks; the rounds take turns, so that a busy machine slows all three down. Seconds are
//! CPU seconds of the thread.

use std::fs;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;

use hybridx_core::cancel::Cancel;
use hybridx_core::chunk::chunk;
use hybridx_core::fields::Fields;
use hybridx_core::language::Language;
use hybridx_core::walk::{ScanOptions, StatCache, scan};
use tree_sitter::Parser;

/// The C files of a tree, every so many of them, so that all folders have their part.
fn texts(root: &Path, megabytes: usize) -> io::Result<Vec<String>> {
    let scan = scan(root, &ScanOptions::default(), &StatCache::default(), &Cancel::default());
    let scan = scan.map_err(io::Error::other)?;
    let all = scan.tree.leaves().into_iter().filter_map(|leaf| {
        let path = Path::new(&*leaf.path);
        let text = fs::read_to_string(root.join(path)).ok()?;
        (Language::detect(&leaf.path, &text).name() == "c").then_some(text)
    });
    let all: Vec<String> = all.collect();
    let bytes: usize = all.iter().map(String::len).sum();
    let step = bytes.div_ceil(megabytes * 1_000_000).max(1);
    Ok(all.into_iter().step_by(step).collect())
}

/// CPU seconds of this thread, as Linux counts them.
fn cpu() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    let nanoseconds = text.split(' ').next().and_then(|it| it.parse::<f64>().ok());
    nanoseconds.expect("a number") / 1e9
}

fn timed(work: impl FnOnce() -> usize) -> f64 {
    let start = cpu();
    black_box(work());
    cpu() - start
}

fn parse_all(parser: &mut Parser, texts: &[String]) -> usize {
    let trees = texts.iter().filter_map(|text| parser.parse(text, None));
    trees.map(|tree| tree.root_node().end_byte()).sum()
}

fn chunk_all(texts: &[String], c: Language) -> usize {
    texts.iter().map(|text| chunk(text, c).len()).sum()
}

fn chunk_with_fields(texts: &[String], c: Language) -> usize {
    let mut fields = Fields::default();
    let mut terms = 0;
    for text in texts {
        fields.clear();
        for chunk in chunk(text, c) {
            fields.push(text, &chunk);
        }
        terms += fields.iter().map(|of| of.terms.len()).sum::<usize>();
    }
    terms
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}

fn main() -> io::Result<()> {
    // Cargo adds `--bench`.
    let given: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let [root, rest @ ..] = &*given else {
        return Err(io::Error::other("usage: parse FOLDER [RUNS] [MEGABYTES]"));
    };
    let number = |at: usize, other: usize| match rest.get(at) {
        Some(text) => text.parse().map_err(io::Error::other),
        None => Ok(other),
    };
    let (runs, megabytes) = (number(0, 5)?.max(1), number(1, 20)?.max(1));
    let texts = texts(Path::new(root), megabytes)?;
    let bytes: usize = texts.iter().map(String::len).sum();
    let c = Language::from_name("c").expect("it is a language");
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_c::LANGUAGE.into()).map_err(io::Error::other)?;
    // Once unmeasured: pages come in, grammars and tables are made.
    black_box(parse_all(&mut parser, &texts) + chunk_with_fields(&texts, c));
    let [mut parsed, mut chunked, mut whole] = [const { Vec::new() }; 3];
    for _ in 0..runs {
        parsed.push(timed(|| parse_all(&mut parser, &texts)));
        chunked.push(timed(|| chunk_all(&texts, c)));
        whole.push(timed(|| chunk_with_fields(&texts, c)));
    }
    let [parsed, chunked, whole] = [parsed, chunked, whole].map(|mut all| median(&mut all));
    writeln!(
        io::stdout(),
        "{{\"files\": {}, \"bytes\": {bytes}, \"runs\": {runs}, \"parse_cpu_seconds\": {parsed:.4}, \
         \"chunk_cpu_seconds\": {chunked:.4}, \"chunk_and_fields_cpu_seconds\": {whole:.4}}}",
        texts.len(),
    )
}
