//! What would be redacted in a tree: `cargo run --release --example secrets FOLDER [RULE]`.
//!
//! Prints the number of findings of each rule and what looking for them takes; with a rule's name
//! (or `all`), the lines it found, as they are once redacted. What secrets were is never printed.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use hybridx_core::cancel::Cancel;
use hybridx_core::walk::{ScanOptions, StatCache, scan};
use hybridx_core::{read, secrets};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, rest @ ..] = &*arguments else {
        return Err(io::Error::other("usage: secrets FOLDER [RULE]"));
    };
    let root = Path::new(root);
    let scanned = scan(root, &ScanOptions::default(), &StatCache::default(), &Cancel::default());
    let scanned = scanned.map_err(io::Error::other)?;
    let mut out = io::stdout().lock();
    let (mut bytes, mut seconds) = (0, 0.0);
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for leaf in scanned.tree.leaves() {
        let Ok(raw) = std::fs::read(root.join(&*leaf.path)) else { continue };
        let Ok(decoded) = read::decode(&raw) else { continue };
        let start = Instant::now();
        let redacted = secrets::redact(&leaf.path, &decoded.text);
        seconds += start.elapsed().as_secs_f64();
        bytes += decoded.text.len();
        let mut in_file: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in &redacted.findings {
            *in_file.entry(finding.rule).or_default() += 1;
            if rest.first().is_some_and(|rule| rule == finding.rule || rule == "all") {
                let line = redacted.text.lines().nth(finding.line as usize - 1).unwrap_or_default();
                let at = line.find(secrets::MARKER).unwrap_or_default();
                let start = line.floor_char_boundary(at.saturating_sub(100));
                let end = line.ceil_char_boundary(line.len().min(at + 60));
                let shown = &line[start..end];
                writeln!(out, "{}:{}: {}: {shown}", leaf.path, finding.line, finding.rule)?;
            }
        }
        for (rule, count) in in_file {
            let counts = counts.entry(rule).or_default();
            *counts = (counts.0 + 1, counts.1 + count);
        }
    }
    for (rule, (files, found)) in counts {
        writeln!(out, "{rule}: {found} in {files} files")?;
    }
    let files = scanned.tree.len();
    #[allow(clippy::cast_precision_loss)] // a figure to be read
    let speed = bytes as f64 / 1e6 / seconds;
    writeln!(out, "{files} files, {bytes} bytes, {seconds:.2} s: {speed:.0} MB/s")
}
