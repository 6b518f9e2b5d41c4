//! Which chunks a search considers: the best by the evidence of words, few of each file.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};
use tantivy::columnar::Column;
use tantivy::{DocAddress, DocId, TantivyDocument};

use crate::error::Result;
use crate::origin::Origin;

use super::evidence::{Evidence, Of, OfPath, collect};
use super::filter::Filter;
use super::question::{Found, FoundChunk, FoundFile, Question, Weights};
use super::search::Searcher;

/// How many candidates are read at most to find those that hold the phrases.
const MAX_READ: usize = 20_000;

/// How much the second and the third best chunk of a file tell of it.
const COHERENCE: [f32; 2] = [0.5, 0.25];

/// A document on its way to be a candidate.
#[derive(Clone, Copy)]
struct Candidate {
    segment: usize,
    doc: DocId,
    score: f32,
    phrase: f32,
}

/// See [`Searcher::find`].
pub(super) fn find(
    searcher: &Searcher,
    question: &Question,
    weights: &Weights,
    pool: usize,
    filter: &Filter,
    also: &[u64],
) -> Result<Found> {
    let (evidence, terms) = collect(searcher, question)?;
    let mut allowed = Vec::with_capacity(evidence.len());
    for each in &evidence {
        allowed.push(filter.allowed(each.segment, each.files, &searcher.fields)?);
    }
    let lets_through = |segment: usize, doc: DocId| {
        allowed[segment].as_ref().is_none_or(|allowed| allowed[doc as usize])
    };
    let scoring = Scoring { weights, evidence: &evidence };
    let mut candidates = Vec::new();
    for (at, each) in evidence.iter().enumerate() {
        for file in 0..each.files.count() {
            scoring.candidates_of(at, file, |doc| lets_through(at, doc), &mut candidates);
        }
    }
    if question.only_phrases {
        // A text that holds the phrases has all of their terms.
        candidates.retain(|it| evidence[it.segment].had(it.doc) >= terms);
    }
    let mut ids = Vec::with_capacity(evidence.len());
    for each in &evidence {
        ids.push(each.segment.fast_fields().u64("id")?);
    }
    // Segments and documents are numbered by chance: equal scores are not to depend on it.
    let id = |it: &Candidate| ids[it.segment].first(it.doc);
    candidates.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then_with(|| id(a).cmp(&id(b))));
    if question.phrases.is_empty() {
        candidates.truncate(pool);
    } else {
        candidates = with_phrases(searcher, question, weights, candidates, pool)?;
    }
    let mut seen: FxHashSet<(usize, DocId)> =
        candidates.iter().map(|candidate| (candidate.segment, candidate.doc)).collect();
    if !question.only_phrases {
        for &id in also {
            let Some(DocAddress { segment_ord, doc_id }) = searcher.locate(id)? else { continue };
            let segment = segment_ord as usize;
            if lets_through(segment, doc_id) && seen.insert((segment, doc_id)) {
                candidates.push(Candidate { segment, doc: doc_id, score: 0.0, phrase: 0.0 });
            }
        }
    }
    scoring.found(&candidates, &ids)
}

/// Reads the best candidates and finds out which hold the phrases.
fn with_phrases(
    searcher: &Searcher,
    question: &Question,
    weights: &Weights,
    mut candidates: Vec<Candidate>,
    pool: usize,
) -> Result<Vec<Candidate>> {
    let phrases: Vec<String> = question.phrases.iter().map(|phrase| folded(phrase)).collect();
    let read = if question.only_phrases { MAX_READ } else { pool.min(MAX_READ) };
    candidates.truncate(read);
    let field = searcher.fields.text;
    let mut kept = Vec::new();
    for mut candidate in candidates {
        let segment = u32::try_from(candidate.segment).unwrap_or(u32::MAX);
        let document: TantivyDocument =
            searcher.inner.doc(DocAddress::new(segment, candidate.doc))?;
        let text = document.get_first(field).and_then(|value| {
            use tantivy::schema::Value;
            value.as_str().map(folded)
        });
        let text = text.unwrap_or_default();
        let held = phrases.iter().filter(|phrase| text.contains(phrase.as_str())).count();
        if question.only_phrases && held < phrases.len() {
            continue;
        }
        #[allow(clippy::cast_precision_loss)] // a share
        let share = held as f32 / phrases.len().max(1) as f32;
        candidate.phrase = share;
        candidate.score += weights.phrase * share;
        kept.push(candidate);
        if kept.len() >= pool {
            break;
        }
    }
    kept.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(kept)
}

/// Lower case, each run of white space one space.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded
}

/// Evidence and what it is worth.
struct Scoring<'a> {
    weights: &'a Weights,
    evidence: &'a [Evidence<'a>],
}

impl Scoring<'_> {
    /// Adds the chunks of a file that `wanted` lets through, each further one set back.
    fn candidates_of(
        &self,
        segment: usize,
        file: u32,
        wanted: impl Fn(DocId) -> bool,
        candidates: &mut Vec<Candidate>,
    ) {
        let of_file = self.file_score(segment, file);
        let run = self.evidence[segment].run(file);
        let start = candidates.len();
        let mut best: [f32; 3] = [0.0; 3];
        for doc in run {
            if !self.alive(segment, doc) {
                continue;
            }
            rank_in(&mut best, self.evidence[segment].of_chunk(Of::Body, doc));
            let score = self.chunk_score(segment, doc);
            if (score > 0.0 || of_file > 0.0) && wanted(doc) {
                candidates.push(Candidate { segment, doc, score, phrase: 0.0 });
            }
        }
        let added = &mut candidates[start..];
        added.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.doc.cmp(&b.doc)));
        let of_file = of_file + self.weights.coherence * coherence(best);
        let mut set_back = 0.0;
        for candidate in added {
            candidate.score += of_file - set_back;
            set_back += self.weights.spread;
        }
    }

    fn alive(&self, segment: usize, doc: DocId) -> bool {
        self.evidence[segment].segment.alive_bitset().is_none_or(|alive| alive.is_alive(doc))
    }

    fn chunk_score(&self, segment: usize, doc: DocId) -> f32 {
        let (evidence, weights) = (&self.evidence[segment], self.weights);
        weights.body * evidence.of_chunk(Of::Body, doc)
            + weights.symbol * evidence.of_chunk(Of::Symbol, doc)
            + weights.signature * evidence.of_chunk(Of::Signature, doc)
            + weights.doc * evidence.of_chunk(Of::Doc, doc)
            + weights.name * evidence.of_name(doc)
    }

    fn file_score(&self, segment: usize, file: u32) -> f32 {
        let (evidence, weights) = (&self.evidence[segment], self.weights);
        weights.file * evidence.of_text(file)
            + weights.path * evidence.of_path(OfPath::Folders, file)
            + weights.stem * evidence.of_path(OfPath::Stem, file)
    }

    fn found(&self, candidates: &[Candidate], ids: &[Column<u64>]) -> Result<Found> {
        let mut found = Found::default();
        let mut places: FxHashMap<(usize, u32), usize> = FxHashMap::default();
        for (at, each) in self.evidence.iter().enumerate() {
            let of_segment = candidates.iter().filter(|candidate| candidate.segment == at);
            let mut ords: Vec<u32> =
                of_segment.map(|candidate| each.files.of_doc(candidate.doc)).collect();
            ords.sort_unstable();
            ords.dedup();
            let origins = each.segment.fast_fields().u64("origin")?;
            for (ord, path) in ords.iter().zip(each.files.paths(&ords)?) {
                let origin = origins.first(each.run(*ord).start).and_then(Origin::from_code);
                places.insert((at, *ord), found.files.len());
                found.files.push(FoundFile {
                    path,
                    origin: origin.unwrap_or_default(),
                    body: each.of_text(*ord),
                    folders: each.of_path(OfPath::Folders, *ord),
                    stem: each.of_path(OfPath::Stem, *ord),
                    coherence: self.coherence_of(at, each.run(*ord)),
                });
            }
        }
        for candidate in candidates {
            let each = &self.evidence[candidate.segment];
            let doc = candidate.doc;
            let place = (candidate.segment, each.files.of_doc(doc));
            let (Some(id), Some(file)) = (ids[candidate.segment].first(doc), places.get(&place))
            else {
                continue;
            };
            found.chunks.push(FoundChunk {
                id,
                file: *file,
                body: each.of_chunk(Of::Body, doc),
                symbol: each.of_chunk(Of::Symbol, doc),
                signature: each.of_chunk(Of::Signature, doc),
                doc: each.of_chunk(Of::Doc, doc),
                name: each.of_name(doc),
                phrase: candidate.phrase,
            });
        }
        Ok(found)
    }

    fn coherence_of(&self, segment: usize, run: Range<DocId>) -> f32 {
        let mut best = [0.0; 3];
        for doc in run.filter(|doc| self.alive(segment, *doc)) {
            rank_in(&mut best, self.evidence[segment].of_chunk(Of::Body, doc));
        }
        coherence(best)
    }
}

/// Puts `value` in its place among the three best.
fn rank_in(best: &mut [f32; 3], value: f32) {
    if value > best[2] {
        best[2] = value;
        best.sort_by(|a, b| b.total_cmp(a));
    }
}

fn coherence(best: [f32; 3]) -> f32 {
    COHERENCE[0] * best[1] + COHERENCE[1] * best[2]
}
