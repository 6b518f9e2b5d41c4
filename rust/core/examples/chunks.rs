//! Chunks of one file, or figures over whole folders.
//!
//! `cargo run --release --example chunks -- FILE` prints the chunks of a file;
//! `cargo run --release --example chunks -- EXTENSIONS FOLDER…` measures all files below the
//! folders whose extension is in the comma-separated list.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use hybridx_core::analyzer::{analyze, terms};
use hybridx_core::chunk::{MAX_CHUNK, chunk};
use hybridx_core::language::Language;
use hybridx_core::origin::Origin;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut out = io::stdout().lock();
    match args.as_slice() {
        [file] => print(&mut out, file),
        [extensions, folders @ ..] if !folders.is_empty() => {
            let extensions: Vec<&str> = extensions.split(',').collect();
            let mut files = Vec::new();
            for folder in folders {
                collect(Path::new(folder), &extensions, &mut files)?;
            }
            measure(&mut out, &files)
        }
        _ => writeln!(out, "usage: chunks FILE | chunks EXTENSIONS FOLDER..."),
    }
}

fn print(out: &mut impl Write, file: &str) -> io::Result<()> {
    let text = String::from_utf8_lossy(&std::fs::read(file)?).into_owned();
    let language = Language::detect(file, &text);
    for piece in chunk(&text, language) {
        let (kind, symbol) = (piece.kind.name(), &piece.symbol);
        writeln!(out, "==== {}-{} {kind} {symbol}", piece.start_line, piece.end_line)?;
        writeln!(out, "{}", &text[piece.bytes])?;
    }
    Ok(())
}

fn collect(folder: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_symlink() || path.ends_with("site-packages") {
            continue;
        }
        if path.is_dir() {
            collect(&path, extensions, files)?;
        } else if path.extension().is_some_and(|it| extensions.iter().any(|known| it == *known)) {
            files.push(path);
        }
    }
    Ok(())
}

fn measure(out: &mut impl Write, files: &[PathBuf]) -> io::Result<()> {
    let texts = || {
        files.iter().filter_map(|file| {
            let text = std::fs::read_to_string(file).ok()?;
            let language = Language::detect(&file.to_string_lossy(), &text);
            Some((file, text, language))
        })
    };
    let (mut bytes, mut seconds) = (0, 0.0);
    let mut slowest = (0.0, Path::new(""));
    for (file, text, language) in texts() {
        let start = Instant::now();
        let chunks = chunk(&text, language);
        let took = start.elapsed().as_secs_f64();
        drop(chunks);
        seconds += took;
        if took > slowest.0 {
            slowest = (took, file);
        }
        bytes += text.len();
    }
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let megabytes = bytes as f64 / 1e6;
    let speed = megabytes / seconds;
    writeln!(out, "{} files, {megabytes:.1} MB in {seconds:.2} s, {speed:.1} MB/s", files.len())?;
    writeln!(out, "slowest {:.2} s {}", slowest.0, slowest.1.display())?;
    let mut sizes = Vec::new();
    let (mut kinds, mut origins) = (BTreeMap::new(), BTreeMap::new());
    let mut definitions = 0;
    for (file, text, language) in texts() {
        *origins.entry(Origin::of(&file.to_string_lossy(), &text).name()).or_insert(0) += 1;
        for piece in chunk(&text, language) {
            *kinds.entry(piece.kind.name()).or_insert(0) += 1;
            definitions += piece.definitions.len();
            sizes.push(terms(&analyze(&text[piece.bytes])).count());
        }
    }
    sizes.sort_unstable();
    let large = sizes.iter().filter(|size| **size > MAX_CHUNK).count();
    let count = sizes.len();
    writeln!(out, "{count} chunks, {large} over the budget, {definitions} definitions; {kinds:?}")?;
    write!(out, "terms:")?;
    for percent in [1, 10, 25, 50, 75, 90, 99, 100] {
        let size = sizes.get((count * percent / 100).min(count.saturating_sub(1)));
        write!(out, " p{percent} {}", size.copied().unwrap_or_default())?;
    }
    writeln!(out, "\n{origins:?}")
}
