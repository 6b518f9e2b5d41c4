//! What is left out at first: evidence of terms that so many chunks have that it tells little.
//!
//! Most postings of a question are of a few frequent terms, and what these could add to any chunk
//! is little beside what sets the best apart. So they are read last, and of those files alone that
//! could be among the best with the most that they could add: by skipping through their postings
//! (Turtle and Flood, Query Evaluation: Strategies and Optimizations, 1995). Sums come out to the
//! bit as if everything had been read: of each field it is the last terms that are left out.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tantivy::DocId;
use tantivy::postings::TermInfo;
use tantivy::schema::Field;

use crate::error::Result;

use super::candidates::coherence;
use super::evidence::{CHUNK, Corpus, Evidence, FILE, Looked, OF_CHUNKS, Of, Segment, freq};
use super::postings::{Norms, Worth, for_each_posting_of};
use super::question::Weights;
use super::sums::WHOLE;

/// A term is frequent that one in so many chunks has.
const FREQUENT: u64 = 256;

/// Which share of all that a question's terms could be worth is left out at most. The more it is, the
/// more files could be among the best with it and need it after all, and where the best have less
/// than that, all do. Tests leave out more, so that everything happens in a small index.
const LEFT_OUT: f32 = if cfg!(test) { 0.4 } else { 0.05 };

/// Sums are rounded, and what is added up in another order is rounded otherwise: so many times what
/// it is said to be a score may be.
pub(super) const ROUNDING: f32 = 1.0001;

/// What is left out of a question's evidence.
#[derive(Default)]
pub(super) struct Rest {
    /// Of each field of chunks, how many terms are read of all files.
    first: [usize; OF_CHUNKS.len()],
    /// Of each field, the other terms.
    left: [Vec<Left>; OF_CHUNKS.len()],
    /// The fields, and how many terms a chunk has in each on average.
    averages: [Option<(Field, f32)>; OF_CHUNKS.len()],
    /// How many terms a file has on average.
    of_files: f32,
    most: f32,
}

/// A term that is left out in one field.
struct Left {
    /// Where each segment has its postings.
    places: Vec<Option<TermInfo>>,
    worth: f32,
    /// What it is worth in the text of a file; nothing in other fields.
    of_file: f32,
}

impl Rest {
    /// Nothing is left out of so many terms.
    pub fn none(terms: usize) -> Self {
        Self { first: [terms; OF_CHUNKS.len()], ..Self::default() }
    }

    /// Chooses what is left out of the evidence for `looked`, of which each term is worth `worths`
    /// in each field, and `of_files` in the texts of files where that is known.
    pub fn of(
        all: &[Segment],
        looked: &[Looked],
        weights: &Weights,
        corpus: &Corpus,
        worths: &[[f32; 6]],
        of_files: &[Option<f32>],
    ) -> Self {
        let mut rest = Self::none(looked.len());
        if !weights.rise() {
            return rest;
        }
        let of_field = [weights.body, weights.symbol, weights.signature, weights.doc];
        let most = |at: usize, field: usize| {
            let of_chunk = worths[at][field] * (CHUNK.k1 + 1.0);
            let mut most = of_field[field] * of_chunk;
            if field == Of::Body as usize {
                let of_file = of_files[at].unwrap_or(worths[at][field]);
                most += weights.coherence * coherence([of_chunk; 3]);
                most += weights.file * of_file * (FILE.k1 + 1.0);
            }
            most
        };
        let each = (0..looked.len()).flat_map(|at| (0..OF_CHUNKS.len()).map(move |it| (at, it)));
        let limit = LEFT_OUT * each.map(|(at, field)| most(at, field)).sum::<f32>();
        // From the end of every field, what has most postings for what it could add.
        loop {
            let last = (0..OF_CHUNKS.len()).filter_map(|field| {
                let at = rest.first[field].checked_sub(1)?;
                let postings: u64 = all.iter().map(|it| freq(&it.places[at][field])).sum();
                let is_known = of_files[at].is_some() && looked[at].spellings.len() == 1;
                let is_left = is_known && postings * FREQUENT >= corpus.documents;
                let most = most(at, field);
                (is_left && rest.most + most <= limit).then_some((postings, most, at, field))
            });
            #[allow(clippy::cast_precision_loss)] // a rate
            let rate = |(postings, most, ..): &(u64, f32, usize, usize)| *postings as f32 / most;
            let Some((_, more, at, field)) = last.max_by(|a, b| rate(a).total_cmp(&rate(b))) else {
                break;
            };
            rest.first[field] = at;
            rest.most += more;
            let is_body = field == Of::Body as usize;
            rest.left[field].push(Left {
                places: all.iter().map(|it| it.places[at][field].first().cloned()).collect(),
                worth: worths[at][field],
                of_file: of_files[at].filter(|_| is_body).unwrap_or(0.0),
            });
        }
        // In the order in which they would have been added.
        rest.left.iter_mut().for_each(|left| left.reverse());
        rest.averages = corpus.averages.map(Some);
        rest.of_files = corpus.of_files;
        rest
    }

    /// Of each field of chunks, how many terms are read of all files: the first ones.
    pub fn first(&self) -> [usize; OF_CHUNKS.len()] {
        self.first
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.left.iter().all(Vec::is_empty)
    }

    /// What it can add to the score of a chunk at most, but for rounding.
    pub fn most(&self) -> f32 {
        self.most
    }

    /// Adds it to the evidence of `files` of one segment, but for those that have it already.
    pub fn add_to(&self, segment: usize, evidence: &mut Evidence, files: &[u32]) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let Evidence { segment: reader, files: of, sums } = evidence;
        let mut files = files.to_vec();
        files.retain(|file| sums.touched[*file as usize] & WHOLE == 0);
        files.sort_unstable_by_key(|file| of.run(*file).start);
        if files.is_empty() {
            return Ok(());
        }
        for file in &files {
            sums.touched[*file as usize] |= WHOLE;
        }
        let runs: Vec<_> = files.iter().map(|file| of.run(*file)).collect();
        let mut counts = Vec::new();
        for (at, left) in self.left.iter().enumerate() {
            let Some((field, average)) = self.averages[at].filter(|_| !left.is_empty()) else {
                continue;
            };
            let inverted = reader.inverted_index(field)?;
            let norms = Norms::of(reader, field, &CHUNK, average)?;
            for term in left {
                let Some(place) = &term.places[segment] else { continue };
                let worth = Worth { bm25: &CHUNK, norms: &norms, weight: term.worth };
                counts.clear();
                counts.resize(files.len(), 0.0);
                let found = |nth: usize, doc: DocId, tf: f32| {
                    let file = files[nth] as usize;
                    let value = &mut sums.chunks[at][doc as usize];
                    *value += worth.of(doc, tf);
                    let most = &mut sums.most[file][at];
                    *most = most.max(*value);
                    sums.touched[file] |= 1 << at;
                    counts[nth] += tf;
                };
                for_each_posting_of(&inverted, place, &runs, reader.alive_bitset(), found)?;
                if at != Of::Body as usize {
                    continue;
                }
                for (file, count) in files.iter().zip(&counts).filter(|(_, count)| **count > 0.0) {
                    let norm = FILE.norm(of.length(*file), self.of_files);
                    sums.texts[*file as usize] += term.of_file * FILE.score(*count, norm);
                }
            }
        }
        Ok(())
    }
}

/// How many files have each frequent term: to know that takes reading all of its postings, so a
/// term can be left out from the second question on that has it. Terms are frequent in one commit,
/// and no text has many, so there are never more than some thousands.
#[derive(Default)]
pub(super) struct Frequent(Mutex<FxHashMap<String, u64>>);

impl Frequent {
    /// How many files have each of `looked`, as far as that is known.
    pub fn of(&self, looked: &[Looked]) -> Vec<Option<u64>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looked.iter().map(|term| known.get(term.spellings.first()?).copied()).collect()
    }

    /// Takes note that so many of all `documents` have a term, and so many files.
    pub fn note(&self, documents: u64, term: &Looked, with_term: u64, files: u64) {
        if let ([term], true) = (&term.spellings[..], with_term * FREQUENT >= documents) {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(term.clone()).or_insert(files);
        }
    }
}
