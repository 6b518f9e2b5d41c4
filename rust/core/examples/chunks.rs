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
    let (mut bytes, mut count, mut tiny, mut large) = (0, 0_usize, 0_usize, 0_usize);
    let mut seconds = 0.0;
    let mut sizes = Vec::new();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut slowest = (0.0, PathBuf::new());
    for file in files {
        let Ok(text) = std::fs::read_to_string(file) else {
            continue;
        };
        let language = Language::detect(&file.to_string_lossy(), &text);
        let start = Instant::now();
        let chunks = chunk(&text, language);
        let took = start.elapsed().as_secs_f64();
        seconds += took;
        if took > slowest.0 {
            slowest = (took, file.clone());
        }
        bytes += text.len();
        count += chunks.len();
        for piece in chunks {
            let size = terms(&analyze(&text[piece.bytes])).count();
            tiny += usize::from(size < 7);
            large += usize::from(size > MAX_CHUNK);
            sizes.push(size);
            *kinds.entry(piece.kind.name()).or_default() += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (megabytes, share) = (bytes as f64 / 1e6, 100.0 * tiny as f64 / count.max(1) as f64);
    writeln!(out, "{} files, {megabytes:.1} MB in {seconds:.2} s", files.len())?;
    writeln!(
        out,
        "{:.1} MB/s; slowest {:.2} s {}",
        megabytes / seconds,
        slowest.0,
        slowest.1.display()
    )?;
    sizes.sort_unstable();
    for percent in [1, 10, 25, 50, 75, 90, 99, 100] {
        let at = (sizes.len() * percent / 100).min(sizes.len().saturating_sub(1));
        write!(out, "p{percent} {}  ", sizes.get(at).copied().unwrap_or_default())?;
    }
    writeln!(out, "terms")?;
    writeln!(out, "{count} chunks, {share:.2} % tiny, {large} over budget; {kinds:?}")
}
