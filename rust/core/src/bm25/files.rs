//! Which documents of a segment are which file's.

use std::ops::Range;

use tantivy::columnar::{Column, StrColumn};
use tantivy::schema::Field;
use tantivy::{DocId, SegmentReader};

use crate::error::{Error, Result};

/// The files of one segment, by the ordinals of their paths. The documents of a file are a run.
pub(super) struct Files {
    /// The file of every document.
    of_doc: Vec<u32>,
    runs: Vec<Range<DocId>>,
    /// Terms in the text of each file.
    lengths: Vec<u32>,
    /// Files that have living documents, and the terms of all files.
    alive: usize,
    tokens: u64,
    paths: Option<StrColumn>,
    /// The id of every document, and the code of its file's origin.
    pub ids: Column<u64>,
    pub origins: Column<u64>,
}

impl Files {
    /// Reads the column `path` and the lengths of the field `body`.
    pub fn read(segment: &SegmentReader, body: Field) -> Result<Self> {
        let norms = segment.get_fieldnorms_reader(body)?;
        let paths = segment.fast_fields().str("path")?;
        let count = paths.as_ref().map_or(0, |paths| paths.dictionary().num_terms());
        let mut of_doc = vec![0; segment.max_doc() as usize];
        let mut runs = vec![0..0; count];
        let mut lengths = vec![0_u32; count];
        if let Some(paths) = &paths {
            for doc in segment.doc_ids_alive() {
                let Some(ord) = paths.ords().first(doc) else {
                    return Err(Error::Invalid("a chunk has no path".to_owned()));
                };
                let at = usize::try_from(ord).unwrap_or(usize::MAX);
                if at >= count {
                    return Err(Error::Invalid("a path is not in its dictionary".to_owned()));
                }
                of_doc[doc as usize] = u32::try_from(ord).unwrap_or(u32::MAX);
                if runs[at].is_empty() {
                    runs[at] = doc..doc + 1;
                } else {
                    runs[at].end = doc + 1;
                }
                lengths[at] = lengths[at].saturating_add(norms.fieldnorm(doc));
            }
        }
        let alive = runs.iter().filter(|run| !run.is_empty()).count();
        let tokens = lengths.iter().map(|length| u64::from(*length)).sum();
        let ids = segment.fast_fields().u64("id")?;
        let origins = segment.fast_fields().u64("origin")?;
        Ok(Self { of_doc, runs, lengths, alive, tokens, paths, ids, origins })
    }

    /// Documents, deleted ones among them.
    pub fn documents(&self) -> usize {
        self.of_doc.len()
    }

    /// Ordinals of paths, those of deleted files among them.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// The same as a number that counts files.
    pub fn count(&self) -> u32 {
        u32::try_from(self.runs.len()).unwrap_or(u32::MAX)
    }

    /// Files that have living documents.
    pub fn alive(&self) -> usize {
        self.alive
    }

    /// Terms of all files.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The file of a living document.
    pub fn of_doc(&self, doc: DocId) -> u32 {
        self.of_doc[doc as usize]
    }

    /// The documents of a file, perhaps with deleted ones among them.
    pub fn run(&self, file: u32) -> Range<DocId> {
        self.runs[file as usize].clone()
    }

    /// How many terms the file has.
    #[allow(clippy::cast_precision_loss)] // a length
    pub fn length(&self, file: u32) -> f32 {
        self.lengths[file as usize] as f32
    }

    /// The paths of files, whose ordinals ascend.
    pub fn paths(&self, ords: &[u32]) -> Result<Vec<String>> {
        let mut paths = Vec::with_capacity(ords.len());
        if let Some(column) = &self.paths {
            let ords: Vec<u64> = ords.iter().map(|ord| u64::from(*ord)).collect();
            let collect = |path: &[u8]| paths.push(String::from_utf8_lossy(path).into_owned());
            let found = column.dictionary().sorted_ords_to_term_cb(&ords, collect);
            found.map_err(Error::io("lexical index"))?;
        }
        Ok(paths)
    }

    /// Which files' paths `matches`.
    pub fn matching(&self, mut matches: impl FnMut(&str) -> bool) -> Result<Vec<bool>> {
        let mut kept = Vec::with_capacity(self.len());
        if let Some(column) = &self.paths {
            let unreadable = Error::io("lexical index");
            let mut stream = column.dictionary().stream().map_err(unreadable)?;
            while stream.advance() {
                kept.push(str::from_utf8(stream.key()).is_ok_and(&mut matches));
            }
        }
        Ok(kept)
    }
}
