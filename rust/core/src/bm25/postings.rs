//! Reading postings, and what each of them is worth by BM25.
//!
//! Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.

use std::ops::Range;

use tantivy::fastfield::AliveBitSet;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::TermInfo;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, InvertedIndexReader, SegmentReader};

use crate::error::{Error, Result};

/// Postings of a block, at most.
pub(super) const BLOCK: usize = 128;

/// How fast repeated terms saturate, and how much length counts.
pub(super) struct Bm25 {
    pub k1: f32,
    pub b: f32,
}

impl Bm25 {
    /// What length contributes to the denominator.
    pub fn norm(&self, length: f32, average: f32) -> f32 {
        self.k1 * (1.0 - self.b + self.b * length / average.max(1.0))
    }

    pub fn score(&self, tf: f32, norm: f32) -> f32 {
        tf * (self.k1 + 1.0) / (tf + norm)
    }
}

/// The length part of BM25 of every document: its 256 possible values.
pub(super) struct Norms {
    reader: FieldNormReader,
    values: [f32; 256],
}

impl Norms {
    pub fn of(segment: &SegmentReader, field: Field, bm25: &Bm25, average: f32) -> Result<Self> {
        let reader = segment.get_fieldnorms_reader(field)?;
        let values = std::array::from_fn(|id| {
            let length = FieldNormReader::id_to_fieldnorm(u8::try_from(id).unwrap_or(u8::MAX));
            #[allow(clippy::cast_precision_loss)] // a length
            bm25.norm(length as f32, average)
        });
        Ok(Self { reader, values })
    }

    fn of_doc(&self, doc: DocId) -> f32 {
        self.values[usize::from(self.reader.fieldnorm_id(doc))]
    }
}

/// What a posting of a term in one field is worth.
pub(super) struct Worth<'a> {
    pub bm25: &'static Bm25,
    pub norms: &'a Norms,
    /// Of the term.
    pub weight: f32,
}

impl Worth<'_> {
    /// What one is worth in a document that has the term `tf` times.
    pub fn of(&self, doc: DocId, tf: f32) -> f32 {
        self.weight * self.bm25.score(tf, self.norms.of_doc(doc))
    }
}

/// Postings of living documents, some at a time, as columns of equal length.
pub(super) struct Postings<'a> {
    pub docs: &'a [DocId],
    /// How often each has the term; 1 in a field that does not count.
    pub tfs: &'a [f32],
    pub scores: &'a [f32],
}

/// Calls `found` with all living documents that have a term. Documents come in order for each of
/// its spellings.
pub(super) fn for_each_posting(
    inverted: &InvertedIndexReader,
    places: &[TermInfo],
    alive: Option<&AliveBitSet>,
    worth: &Worth,
    mut found: impl FnMut(Postings),
) -> Result<()> {
    let Worth { bm25, norms, weight } = worth;
    let (mut tfs, mut of_docs, mut scores) = ([1.0; BLOCK], [1.0; BLOCK], [0.0; BLOCK]);
    let mut living = [0; BLOCK];
    for_each_block(inverted, places, |all, freqs| {
        // Each step for all of a block: so the divisions are done several at a time.
        tfs.fill(1.0);
        for (tf, freq) in tfs.iter_mut().zip(freqs) {
            #[allow(clippy::cast_precision_loss)] // it saturates long before
            let freq = *freq as f32;
            *tf = freq;
        }
        let mut docs = all;
        if let Some(alive) = alive {
            let mut count = 0;
            for (at, doc) in all.iter().enumerate().filter(|(_, doc)| alive.is_alive(**doc)) {
                living[count] = *doc;
                tfs[count] = tfs[at];
                count += 1;
            }
            docs = &living[..count];
        }
        for (norm, doc) in of_docs.iter_mut().zip(docs) {
            *norm = norms.of_doc(*doc);
        }
        for ((score, tf), norm) in scores.iter_mut().zip(&tfs).zip(&of_docs) {
            *score = weight * bm25.score(*tf, *norm);
        }
        let count = docs.len();
        found(Postings { docs, tfs: &tfs[..count], scores: &scores[..count] });
    })
}

/// Calls `found` with the living documents of `runs` that have a term and how often each has it,
/// and before that with the number of the run. Runs come in order, and between them is skipped.
pub(super) fn for_each_posting_of(
    inverted: &InvertedIndexReader,
    place: &TermInfo,
    runs: &[Range<DocId>],
    alive: Option<&AliveBitSet>,
    mut found: impl FnMut(usize, DocId, f32),
) -> Result<()> {
    let postings = inverted.read_block_postings_from_terminfo(place, IndexRecordOption::WithFreqs);
    let mut postings = postings.map_err(Error::io("lexical index"))?;
    for (nth, run) in runs.iter().enumerate() {
        let mut from = postings.seek(run.start);
        loop {
            let freqs = postings.freqs();
            let block = postings.docs().iter().enumerate().skip(from);
            let of_run = block.take_while(|(_, doc)| **doc < run.end);
            for (at, doc) in of_run.filter(|(_, doc)| alive.is_none_or(|it| it.is_alive(**doc))) {
                // It is left out in a field that does not count.
                #[allow(clippy::cast_precision_loss)] // it saturates long before
                found(nth, *doc, freqs.get(at).map_or(1.0, |freq| *freq as f32));
            }
            if postings.docs().last().is_none_or(|last| *last >= run.end) {
                break;
            }
            postings.advance();
            from = 0;
        }
    }
    Ok(())
}

/// The living documents that have a term, in order for each of its spellings.
pub(super) fn documents_with(
    inverted: &InvertedIndexReader,
    places: &[TermInfo],
    alive: Option<&AliveBitSet>,
) -> Result<Vec<DocId>> {
    let mut found = Vec::new();
    for_each_block(inverted, places, |docs, _| {
        let docs = docs.iter().copied();
        found.extend(docs.filter(|doc| alive.is_none_or(|alive| alive.is_alive(*doc))));
    })?;
    Ok(found)
}

/// Calls `found` with documents that have a term, deleted ones among them, and how often each has
/// it, which is left out in a field that does not count.
fn for_each_block(
    inverted: &InvertedIndexReader,
    places: &[TermInfo],
    mut found: impl FnMut(&[DocId], &[u32]),
) -> Result<()> {
    for place in places {
        let postings =
            inverted.read_block_postings_from_terminfo(place, IndexRecordOption::WithFreqs);
        let mut postings = postings.map_err(Error::io("lexical index"))?;
        while !postings.docs().is_empty() {
            found(postings.docs(), postings.freqs());
            postings.advance();
        }
    }
    Ok(())
}
