//! What the benches work on: the chunker's sample files and what is made of them.

#![allow(dead_code)] // each bench uses a part

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use arrow_array::RecordBatch;
use hybridx_core::batch::{BatchBuilder, ChunkRow};
use hybridx_core::chunk::{Chunk, chunk};
use hybridx_core::fields::Fields;
use hybridx_core::language::Language;
use hybridx_core::origin::Origin;
use tempfile::TempDir;

/// Text of a bench tree that is held in memory at most.
const MAX_BYTES: usize = 16 << 20;

/// One file.
pub struct Source {
    pub path: String,
    pub text: String,
    pub language: Language,
}

impl Source {
    pub fn chunks(&self) -> Vec<Chunk> {
        chunk(&self.text, self.language)
    }
}

/// Reads the texts among `paths` below `root`, up to [`MAX_BYTES`] in all.
pub fn read_sources(root: &Path, paths: impl IntoIterator<Item = String>) -> Vec<Source> {
    let mut left = MAX_BYTES;
    let texts = paths.into_iter().filter_map(|path| {
        let text = fs::read_to_string(root.join(&path)).ok()?;
        Some((path, text))
    });
    texts
        .take_while(|(_, text)| {
            let fits = text.len() <= left;
            left = left.saturating_sub(text.len());
            fits
        })
        .map(|(path, text)| {
            let head = &text[..text.floor_char_boundary(4096)];
            let language = Language::detect(&path, head);
            Source { path, text, language }
        })
        .collect()
}

/// The chunker's samples, one file a language.
pub fn samples() -> &'static [Source] {
    static SAMPLES: OnceLock<Vec<Source>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chunks/samples");
        let mut names: Vec<String> = fs::read_dir(&folder)
            .expect("the samples are in the repository")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| Path::new(name).extension().is_some_and(|end| end != "golden"))
            .collect();
        names.sort_unstable();
        read_sources(&folder, names)
    })
}

/// A tree of so many samples, each different in its last line.
pub fn made_tree(files: usize) -> TempDir {
    let tree = tempfile::tempdir().expect("a temporary folder");
    for (number, source) in samples().iter().cycle().take(files).enumerate() {
        let folder = tree.path().join(format!("d{}", number % 37));
        fs::create_dir_all(&folder).expect("a folder");
        let text = format!("{}\n{number}\n", source.text);
        fs::write(folder.join(format!("f{number}_{}", source.path)), text).expect("written");
    }
    tree
}

/// All chunks of the sources as one batch.
pub fn batch_of(sources: &[Source]) -> RecordBatch {
    let mut builder = BatchBuilder::default();
    let mut fields = Fields::default();
    for source in sources {
        let chunks = source.chunks();
        fields.clear();
        for chunk in &chunks {
            fields.push(&source.text, chunk);
        }
        for (chunk, fields) in chunks.iter().zip(fields.iter()) {
            let row = ChunkRow {
                path: &source.path,
                language: source.language.name(),
                origin: Origin::of(&source.path, &source.text),
                kind: chunk.kind.name(),
                symbol: &chunk.symbol,
                symbols: fields.symbols,
                start_line: chunk.start_line,
                end_line: chunk.end_line,
                offset: chunk.bytes.start,
                context: &chunk.context,
                text: &source.text[chunk.bytes.clone()],
                terms: fields.terms,
                signature: fields.signature,
                doc: fields.doc,
            };
            builder.push(&row).expect("it fits");
        }
    }
    builder.finish().expect("a batch")
}
