//! What a question's evidence adds up to: arrays with a number for every document and every file.
//!
//! They are as long as the index, and most of a question's time would go into fresh ones where it
//! finds little. So a searcher keeps those of questions that were answered, and what they left is
//! wiped out when the next one takes them: only where there is something, unless it is everywhere.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tantivy::DocId;

use super::files::Files;

/// Fields of chunks that are added up, and bits of [`Sums::touched`] for each of them.
pub(super) const CHUNK_FIELDS: usize = 4;

/// The bit of [`Sums::touched`] for evidence that is in no field of chunks: of a path or a name.
pub(super) const BESIDE: u8 = 1 << CHUNK_FIELDS;

/// The bit of [`Sums::touched`] for files whose evidence is whole, where some was left out at first.
pub(super) const WHOLE: u8 = BESIDE << 1;

/// One in so many files with something to wipe out: then wiping out everything takes no longer.
const EVERYWHERE: usize = 16;

/// So many questions at once find arrays that are kept; those of more are dropped.
const MOST_KEPT: usize = 4;

/// The sums of one segment.
#[derive(Default)]
pub(super) struct Sums {
    /// BM25 of each field of every document.
    pub chunks: [Vec<f32>; CHUNK_FIELDS],
    /// How few chunks define the name that a document defines, of those that define one.
    pub names: FxHashMap<DocId, f32>,
    /// How many of the terms each document has; empty where nobody asks.
    pub had: Vec<u16>,
    /// BM25 of the text of every file.
    pub texts: Vec<f32>,
    /// BM25 of each field of every path.
    pub paths: [Vec<f32>; 2],
    /// The most that any chunk of each file has of each field, and of a name. Kept up to date as
    /// evidence is added, which takes nothing away: most files need not be looked into then.
    pub most: Vec<[f32; CHUNK_FIELDS + 1]>,
    /// Where there is any evidence of a file or its chunks: a bit for each field, [`BESIDE`] and
    /// [`WHOLE`].
    pub touched: Vec<u8>,
}

impl Sums {
    /// Nothing yet, for the documents of `files`; with `had`, their terms are to be counted.
    pub fn clear(&mut self, files: &Files, had: bool) {
        self.names.clear();
        self.had.clear();
        self.had.resize(if had { files.documents() } else { 0 }, 0);
        if self.touched.len() == files.len() {
            self.wipe(files);
        } else {
            self.chunks = std::array::from_fn(|_| vec![0.0; files.documents()]);
            self.texts = vec![0.0; files.len()];
            self.paths = std::array::from_fn(|_| vec![0.0; files.len()]);
            self.most = vec![[0.0; CHUNK_FIELDS + 1]; files.len()];
            self.touched = vec![0; files.len()];
        }
    }

    fn wipe(&mut self, files: &Files) {
        let Self { chunks, texts, paths, most, touched, .. } = self;
        for (at, values) in chunks.iter_mut().enumerate() {
            let bit = 1 << at;
            if touched.iter().filter(|it| **it & bit != 0).count() > files.len() / EVERYWHERE {
                values.fill(0.0);
                continue;
            }
            for (file, _) in (0..).zip(&*touched).filter(|(_, it)| **it & bit != 0) {
                let Range { start, end } = files.run(file);
                values[start as usize..end as usize].fill(0.0);
            }
        }
        // A number or five a file: finding out where there is something would take as long.
        texts.fill(0.0);
        for values in paths {
            values.fill(0.0);
        }
        most.fill([0.0; CHUNK_FIELDS + 1]);
        touched.fill(0);
    }
}

/// Sums that no question is using, those of all segments together, as the last question left them.
#[derive(Default)]
pub(super) struct Spare(Mutex<Vec<Vec<Sums>>>);

impl Spare {
    /// Those of one question, or new ones, for so many segments. They are to be cleared.
    pub fn take(&self, segments: usize) -> Vec<Sums> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| std::iter::repeat_with(Sums::default).take(segments).collect())
    }

    /// Takes back what is whole: not what an error or a panic left.
    pub fn put_back(&self, sums: Vec<Sums>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT {
            kept.push(sums);
        }
    }
}
