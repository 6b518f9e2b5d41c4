//! Which chunks a search considers: the best by the evidence of words, few of each file.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use tantivy::{DocAddress, DocId, TantivyDocument};

use crate::error::Result;
use crate::origin::Origin;

use super::evidence::{Collected, Evidence, Of, OfPath, collect};
use super::filter::Filter;
use super::question::{Found, FoundChunk, FoundFile, Question, Weights};
use super::rest::{ROUNDING, Rest};
use super::search::Searcher;
use super::sums::Sums;
#[cfg(test)]
use super::{files::Files, sums::WHOLE};

/// How many candidates are read at most to find those that hold the phrases.
const MAX_READ: usize = 20_000;

/// How much the second and the third best chunk of a file tell of it.
const COHERENCE: [f32; 2] = [0.5, 0.25];

/// A document on its way to be a candidate.
#[derive(Clone, Copy)]
struct Candidate {
    segment: usize,
    doc: DocId,
    id: u64,
    score: f32,
    phrase: f32,
}

impl Ord for Candidate {
    /// The better first. Segments and documents are numbered by chance: equal scores are not to
    /// depend on it.
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// A file or a chunk of it: the greatest has the best score, or stands first.
struct Scored {
    score: f32,
    number: u32,
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.number.cmp(&self.number))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scored {}

/// What words say of a question: the best chunks, and the evidence of all others.
pub struct Candidates {
    only_phrases: bool,
    rest: Rest,
    /// Of each segment: the evidence, and which documents the filter lets through.
    sums: Vec<Sums>,
    allowed: Vec<Option<Vec<bool>>>,
    best: Vec<Candidate>,
}

#[cfg(test)]
impl Candidates {
    /// Whether some of the evidence was left out at first.
    pub(super) fn left_out(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Whether all files got it in the end.
    pub(super) fn is_whole(&self, searcher: &Searcher) -> bool {
        let whole = |sums: &Sums| sums.touched.iter().filter(|it| **it & WHOLE != 0).count();
        let files = searcher.files().expect("read").iter().map(Files::alive);
        self.sums.iter().map(whole).sum::<usize>() >= files.sum()
    }
}

/// See [`Searcher::candidates`].
pub(super) fn candidates(
    searcher: &Searcher,
    question: &Question,
    weights: &Weights,
    pool: usize,
    filter: &Filter,
) -> Result<Candidates> {
    let Collected { mut evidence, terms, rest } = collect(searcher, question, weights)?;
    let limit = match (question.phrases.is_empty(), question.only_phrases) {
        (true, _) => pool,
        (false, true) => MAX_READ,
        (false, false) => pool.min(MAX_READ),
    };
    // A text that holds the phrases has all of their terms.
    let least = if question.only_phrases { terms } else { 0 };
    let best = Mutex::new(Best { limit, kept: BinaryHeap::new(), least: f32::NEG_INFINITY });
    let mut segments: Vec<Choice> = (0..)
        .zip(&mut evidence)
        .map(|(segment, evidence)| Choice {
            segment,
            evidence,
            allowed: None,
            weights,
            rest: &rest,
            terms: least,
            best: &best,
        })
        .collect();
    searcher.side_by_side(&mut segments, |each| {
        let Evidence { segment, files, .. } = each.evidence;
        each.allowed = filter.allowed(segment, files, &searcher.fields)?;
        each.add_best()
    })?;
    if !rest.is_empty() && least_of(&best) <= rest.most() * ROUNDING {
        // A chunk that has nothing but what was left out could be among the best.
        searcher.side_by_side(&mut segments, Choice::add_others)?;
    }
    let allowed = segments.into_iter().map(|each| each.allowed).collect();
    let best = best.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut best = best.kept.into_sorted_vec();
    if !question.phrases.is_empty() {
        best = with_phrases(searcher, question, weights, best, pool)?;
    }
    Ok(Candidates {
        only_phrases: question.only_phrases,
        rest,
        sums: evidence.into_iter().map(|each| each.sums).collect(),
        allowed,
        best,
    })
}

/// See [`Searcher::found`].
pub(super) fn found(searcher: &Searcher, candidates: Candidates, also: &[u64]) -> Result<Found> {
    let Candidates { only_phrases, rest, sums, allowed, best: mut candidates } = candidates;
    let mut evidence = Evidence::of(searcher, sums)?;
    let mut seen: FxHashSet<(usize, DocId)> =
        candidates.iter().map(|candidate| (candidate.segment, candidate.doc)).collect();
    if !only_phrases {
        for &id in also {
            let Some(DocAddress { segment_ord, doc_id: doc }) = searcher.locate(id)? else {
                continue;
            };
            let segment = segment_ord as usize;
            let lets_through = allowed[segment].as_ref().is_none_or(|it| it[doc as usize]);
            if lets_through && seen.insert((segment, doc)) {
                candidates.push(Candidate { segment, doc, id, score: 0.0, phrase: 0.0 });
            }
        }
    }
    if !rest.is_empty() {
        let mut segments: Vec<(usize, &mut Evidence)> = evidence.iter_mut().enumerate().collect();
        searcher.side_by_side(&mut segments, |(at, each)| {
            let of_segment = candidates.iter().filter(|candidate| candidate.segment == *at);
            let mut files: Vec<u32> = of_segment.map(|it| each.files.of_doc(it.doc)).collect();
            files.sort_unstable();
            files.dedup();
            rest.add_to(*at, each, &files)
        })?;
    }
    let found = told(&evidence, &candidates)?;
    searcher.spare.put_back(evidence.into_iter().map(|each| each.sums).collect());
    Ok(found)
}

/// Reads the best candidates and finds out which hold the phrases.
fn with_phrases(
    searcher: &Searcher,
    question: &Question,
    weights: &Weights,
    candidates: Vec<Candidate>,
    pool: usize,
) -> Result<Vec<Candidate>> {
    let phrases: Vec<String> = question.phrases.iter().map(|phrase| folded(phrase)).collect();
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

/// How many files of a segment are looked at together at first; then twice as many. What was left out
/// is added to all of them at once.
const FIRST_FILES: usize = 64;

/// The choice of the best chunks of one segment.
struct Choice<'a, 'b> {
    segment: usize,
    evidence: &'b mut Evidence<'a>,
    /// Which documents may be chosen; all where it is `None`.
    allowed: Option<Vec<bool>>,
    weights: &'b Weights,
    /// What was left out of the evidence.
    rest: &'b Rest,
    /// How many of the terms a chunk must have.
    terms: usize,
    best: &'b Mutex<Best>,
}

impl Choice<'_, '_> {
    /// Adds the best chunks of the files that have any evidence.
    fn add_best(&mut self) -> Result<()> {
        let files = (0..self.evidence.files.count()).filter(|file| self.evidence.touches(*file));
        let files = self.scored(files);
        self.add_best_of(files, self.rest.most())
    }

    /// Adds those of all other files, which have nothing but what was left out of the evidence.
    fn add_others(&mut self) -> Result<()> {
        let files = (0..self.evidence.files.count()).filter(|file| !self.evidence.is_whole(*file));
        let files: Vec<u32> = files.filter(|file| self.allows(*file)).collect();
        self.rest.add_to(self.segment, self.evidence, &files)?;
        let files = self.scored(files.into_iter().filter(|file| self.evidence.touches(*file)));
        self.add_best_of(files, 0.0)
    }

    /// Those of `files` that have chunks to choose from, with what these score at most.
    fn scored(&self, files: impl Iterator<Item = u32>) -> BinaryHeap<Scored> {
        let files = files.filter(|file| self.allows(*file));
        let files = files.map(|file| Scored { score: self.most_of(file), number: file });
        files.collect::<Vec<_>>().into()
    }

    /// Adds the best chunks of `files`, to whose scores what was left out adds `more` at most.
    fn add_best_of(&mut self, mut files: BinaryHeap<Scored>, more: f32) -> Result<()> {
        let rises = self.weights.rise();
        let mut count = FIRST_FILES;
        let mut next = Vec::new();
        // The files whose best chunks could be the best of all come first. As further chunks of a
        // file are set back, most files need not be looked into.
        loop {
            // It only rises: what is found with an older one is looked at again as it is added.
            let bound = least_of(self.best);
            next.clear();
            while next.len() < count {
                match files.pop() {
                    Some(file) if !rises || (file.score + more) * ROUNDING >= bound => {
                        next.push(file.number);
                    }
                    _ => break,
                }
            }
            if next.is_empty() {
                return Ok(());
            }
            self.rest.add_to(self.segment, self.evidence, &next)?;
            for file in &next {
                self.add_chunks_of(*file, rises);
            }
            count *= 2;
        }
    }

    /// Adds the best chunks of a file, of which nothing is left out.
    fn add_chunks_of(&self, file: u32, rises: bool) {
        let Self { evidence, weights, .. } = self;
        let bound = least_of(self.best);
        if rises && self.most_of(file) < bound {
            return;
        }
        let of_text = self.file_score(file);
        let of_file = of_text + weights.coherence * coherence_of(evidence, file);
        let chunks =
            evidence.run(file).filter(|doc| evidence.alive(*doc) && self.lets_through(*doc));
        let chunks = chunks.map(|doc| Scored { score: self.chunk_score(doc), number: doc });
        let mut chunks: BinaryHeap<Scored> = chunks
            .filter(|chunk| {
                let near = !rises || chunk.score + of_file >= bound;
                near && (chunk.score > 0.0 || of_text > 0.0)
            })
            .collect();
        let mut best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        let mut set_back = 0.0;
        while let Some(Scored { score, number: doc }) = chunks.pop() {
            let score = score + (of_file - set_back);
            set_back += weights.spread;
            if rises && score < best.least {
                break;
            }
            if evidence.had(doc) >= self.terms {
                let Some(id) = evidence.files.ids.first(doc) else { continue };
                best.add(Candidate { segment: self.segment, doc, id, score, phrase: 0.0 });
            }
        }
    }

    fn lets_through(&self, doc: DocId) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed[doc as usize])
    }

    /// Whether any document of a file may be chosen.
    fn allows(&self, file: u32) -> bool {
        self.allowed.is_none() || self.evidence.run(file).any(|doc| self.lets_through(doc))
    }

    /// What no chunk of a file can score more than, but for what was left out.
    fn most_of(&self, file: u32) -> f32 {
        let [body, symbol, signature, doc, name] = *self.evidence.most_of(file);
        let of_chunks = self.of_fields(body, symbol, signature, doc) + self.weights.name * name;
        of_chunks + (self.file_score(file) + self.weights.coherence * coherence([body; 3]))
    }

    fn chunk_score(&self, doc: DocId) -> f32 {
        let of = |of| self.evidence.of_chunk(of, doc);
        self.of_fields(of(Of::Body), of(Of::Symbol), of(Of::Signature), of(Of::Doc))
            + self.weights.name * self.evidence.of_name(doc)
    }

    /// What the fields of a chunk are worth.
    fn of_fields(&self, body: f32, symbol: f32, signature: f32, doc: f32) -> f32 {
        let weights = self.weights;
        weights.body * body
            + weights.symbol * symbol
            + weights.signature * signature
            + weights.doc * doc
    }

    fn file_score(&self, file: u32) -> f32 {
        let Self { evidence, weights, .. } = self;
        weights.file * evidence.of_text(file)
            + weights.path * evidence.of_path(OfPath::Folders, file)
            + weights.stem * evidence.of_path(OfPath::Stem, file)
    }
}

/// The candidates with what speaks for each.
fn told(evidence: &[Evidence], candidates: &[Candidate]) -> Result<Found> {
    let mut found = Found::default();
    let mut places: FxHashMap<(usize, u32), usize> = FxHashMap::default();
    for (at, each) in evidence.iter().enumerate() {
        let of_segment = candidates.iter().filter(|candidate| candidate.segment == at);
        let mut ords: Vec<u32> =
            of_segment.map(|candidate| each.files.of_doc(candidate.doc)).collect();
        ords.sort_unstable();
        ords.dedup();
        for (ord, path) in ords.iter().zip(each.files.paths(&ords)?) {
            let origin = each.files.origins.first(each.run(*ord).start).and_then(Origin::from_code);
            places.insert((at, *ord), found.files.len());
            found.files.push(FoundFile {
                path,
                origin: origin.unwrap_or_default(),
                body: each.of_text(*ord),
                folders: each.of_path(OfPath::Folders, *ord),
                stem: each.of_path(OfPath::Stem, *ord),
                coherence: coherence_of(each, *ord),
            });
        }
    }
    for candidate in candidates {
        let each = &evidence[candidate.segment];
        let doc = candidate.doc;
        let place = (candidate.segment, each.files.of_doc(doc));
        let Some(file) = places.get(&place) else { continue };
        found.chunks.push(FoundChunk {
            id: candidate.id,
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

/// The best candidates so far, of all segments.
struct Best {
    limit: usize,
    /// The worst of them is the greatest.
    kept: BinaryHeap<Candidate>,
    /// A candidate with a lower score is not among them.
    least: f32,
}

impl Best {
    fn add(&mut self, candidate: Candidate) {
        self.kept.push(candidate);
        if self.kept.len() > self.limit {
            self.kept.pop();
            self.least = self.kept.peek().map_or(f32::INFINITY, |worst| worst.score);
        }
    }
}

/// What a candidate must score to be among the best, as far as is known.
fn least_of(best: &Mutex<Best>) -> f32 {
    best.lock().unwrap_or_else(PoisonError::into_inner).least
}

fn coherence_of(evidence: &Evidence, file: u32) -> f32 {
    let mut best = [0.0; 3];
    for doc in evidence.run(file).filter(|doc| evidence.alive(*doc)) {
        rank_in(&mut best, evidence.of_chunk(Of::Body, doc));
    }
    coherence(best)
}

/// Puts `value` in its place among the three best.
fn rank_in(best: &mut [f32; 3], value: f32) {
    if value > best[2] {
        best[2] = value;
        if best[2] > best[1] {
            best.swap(1, 2);
        }
        if best[1] > best[0] {
            best.swap(0, 1);
        }
    }
}

pub(super) fn coherence(best: [f32; 3]) -> f32 {
    COHERENCE[0] * best[1] + COHERENCE[1] * best[2]
}
