//! How well every chunk and every file answers a question: BM25 of each field by itself.
//!
//! Term by term, the postings of each field are added up into one number a chunk, and the text's
//! also into one number a file, as if the file were one document: a question about a file's whole
//! subject is answered by no single chunk. The chunks of a file lie side by side in one segment
//! ([`super::Writer::add`]), so a file is a run of documents.

use std::ops::Range;
use std::sync::Arc;

use tantivy::postings::TermInfo;
use tantivy::schema::Field;
use tantivy::{DocId, InvertedIndexReader, SegmentReader};

use crate::error::Result;

use super::files::Files;
use super::lookups::Lookups;
use super::postings::{BLOCK, Bm25, Norms, Postings, Worth, documents_with, for_each_posting};
use super::question::{Question, Weights};
use super::rest::Rest;
use super::search::Searcher;
use super::sums::{BESIDE, Sums, WHOLE};

/// Of a long question only this many terms are looked up, those that tell most: an issue text of
/// 70 KB names hundreds of things, and the common ones among them decide nothing.
const MAX_TERMS: usize = 48;

/// What this many terms could be worth together is the unit of evidence. No chunk holds all the
/// terms of a long question.
const FULL_TERMS: usize = 16;

/// A question of words that nearly every chunk has is worth little, whatever fields they are rare in.
const LEAST_UNIT: f32 = 3.0;

/// Terms that one prefix stands for at most, the most frequent ones.
const MAX_EXPANSIONS: usize = 64;

pub(super) const CHUNK: Bm25 = Bm25 { k1: 1.2, b: 0.75 };
/// Files differ in length a thousandfold, and long ones are long because they have much to say.
pub(super) const FILE: Bm25 = Bm25 { k1: 2.0, b: 0.4 };
/// A path names a thing once.
const PATH: Bm25 = Bm25 { k1: 0.5, b: 0.3 };

/// Fields of chunks.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Body,
    Symbol,
    Signature,
    Doc,
}

/// Fields of files, in the order of [`Sums::paths`].
#[derive(Clone, Copy)]
pub(super) enum OfPath {
    Folders,
    Stem,
}

pub(super) const OF_CHUNKS: [Of; 4] = [Of::Body, Of::Symbol, Of::Signature, Of::Doc];
const OF_PATHS: [OfPath; 2] = [OfPath::Folders, OfPath::Stem];

/// The fields in which terms are looked up: first those of chunks, then those of paths.
fn fields_of(searcher: &Searcher) -> [Field; 6] {
    let fields = &searcher.fields;
    let of_chunks = [fields.body, fields.symbol_terms, fields.signature, fields.doc];
    let [body, symbol, signature, doc] = of_chunks;
    [body, symbol, signature, doc, fields.path_terms, fields.stem_terms]
}

/// The evidence in one segment.
pub(super) struct Evidence<'a> {
    pub segment: &'a SegmentReader,
    pub files: &'a Files,
    pub sums: Sums,
}

/// A term as it was looked up: several spellings where it is a prefix.
pub(super) struct Looked {
    pub spellings: Vec<String>,
    /// Its place among the terms that were wanted.
    at: usize,
    weight: f32,
    /// What the term tells: the rarer the more.
    rarity: f32,
}

/// Where one segment has the postings of a term, of each field and of each of its spellings there.
pub(super) type Places = [Vec<TermInfo>; 6];

/// Documents of one file that have a term, one after the other.
struct Run {
    file: u32,
    /// The most that any of them has of the field so far.
    most: f32,
    /// How often the term is in all of them.
    count: f32,
}

/// One segment while evidence is collected.
pub(super) struct Segment<'a> {
    evidence: Evidence<'a>,
    lookups: &'a Lookups,
    inverted: [Arc<InvertedIndexReader>; 6],
    /// Of each term that is wanted, its places in texts.
    wanted: Vec<Vec<TermInfo>>,
    /// Of each of them that is looked up.
    pub places: Vec<Places>,
    /// Of the first of these terms, how often each is in the text of each file that has it.
    counts: Vec<Vec<(u32, f32)>>,
    /// Of each name of the question, the documents that define it.
    defined: Vec<Vec<DocId>>,
}

#[allow(clippy::cast_precision_loss)] // counts that only weigh
fn rarity(documents: u64, with_term: u64) -> f32 {
    let with_term = with_term.min(documents);
    (1.0 + ((documents - with_term) as f32 + 0.5) / (with_term as f32 + 0.5)).ln()
}

/// What was collected.
pub(super) struct Collected<'a> {
    /// Of each segment, but for the rest.
    pub evidence: Vec<Evidence<'a>>,
    /// How many terms were looked up.
    pub terms: usize,
    pub rest: Rest,
}

/// Collects the evidence for `question` in every segment, but for that of frequent terms, which few
/// files need.
///
/// What a posting is worth depends on all segments, reading it on one alone: so the segments are
/// gone through side by side, and in between their counts are added up.
pub(super) fn collect<'a>(
    searcher: &'a Searcher,
    question: &Question,
    weights: &Weights,
) -> Result<Collected<'a>> {
    let fields = fields_of(searcher);
    let mut all = Vec::new();
    let evidence = Evidence::of(searcher, searcher.spare.take(searcher.files()?.len()))?;
    for (evidence, lookups) in evidence.into_iter().zip(&searcher.lookups) {
        all.push(Segment::new(evidence, lookups, fields)?);
    }
    let looked = look_up(searcher, &mut all, question)?;
    let unit = unit(&looked);
    let corpus = Corpus::of(searcher, &all);
    searcher.side_by_side(&mut all, |each| {
        each.evidence.sums.clear(each.evidence.files, question.only_phrases);
        each.find_terms(&looked, fields)?;
        each.find_names(&question.names, searcher.fields.name)
    })?;
    let worths: Vec<[f32; 6]> = (0..looked.len())
        .map(|at| {
            std::array::from_fn(|field| {
                let in_segment = |each: &Segment| freq(&each.places[at][field]);
                let with_term: u64 = all.iter().map(in_segment).sum();
                let among = if field < OF_CHUNKS.len() { corpus.documents } else { corpus.files };
                looked[at].weight / unit * rarity(among, with_term)
            })
        })
        .collect();
    let of_files = |at: usize, with_term: u64| {
        let term: &Looked = &looked[at];
        term.weight / unit * rarity(corpus.files, with_term)
    };
    let rest = if question.only_phrases {
        // Whether a text can hold a phrase is known of those whose terms were all counted.
        Rest::none(looked.len())
    } else {
        let known = searcher.frequent.of(&looked).into_iter().enumerate();
        let known: Vec<_> = known.map(|(at, files)| Some(of_files(at, files?))).collect();
        Rest::of(&all, &looked, weights, &corpus, &worths, &known)
    };
    searcher.side_by_side(&mut all, |each| each.add_terms(&worths, &corpus, rest.first()))?;
    let body = Of::Body as usize;
    let of_files: Vec<f32> = (0..rest.first()[body])
        .map(|at| {
            let in_files: usize = all.iter().map(|each| each.counts[at].len()).sum();
            let with_term = all.iter().map(|each| freq(&each.places[at][body])).sum();
            searcher.frequent.note(corpus.documents, &looked[at], with_term, in_files as u64);
            of_files(at, in_files as u64)
        })
        .collect();
    let of_names: Vec<f32> = (0..question.names.len())
        .map(|at| {
            let defined: usize = all.iter().map(|each| each.defined[at].len()).sum();
            #[allow(clippy::cast_precision_loss)] // a weight
            let defined = defined.max(1) as f32;
            1.0 / defined.sqrt()
        })
        .collect();
    searcher.side_by_side(&mut all, |each| {
        each.add_texts(&of_files, &corpus);
        each.add_names(&of_names);
        Ok(())
    })?;
    let evidence = all.into_iter().map(|each| each.evidence).collect();
    Ok(Collected { evidence, terms: looked.len(), rest })
}

/// The terms of the question that tell most, each with all its spellings.
fn look_up(searcher: &Searcher, all: &mut [Segment], question: &Question) -> Result<Vec<Looked>> {
    let exact = question.terms.iter().map(|(term, weight)| (vec![term.clone()], *weight));
    let mut wanted: Vec<(Vec<String>, f32)> = exact.collect();
    for (prefix, weight) in &question.prefixes {
        wanted.push((searcher.expand(prefix, MAX_EXPANSIONS)?, *weight));
    }
    let fields = fields_of(searcher);
    let body = Of::Body as usize;
    searcher.side_by_side(all, |each| {
        for (spellings, _) in &wanted {
            let places = each.places_of(body, fields[body], spellings)?;
            each.wanted.push(places);
        }
        Ok(())
    })?;
    let mut looked = Vec::new();
    for (at, (spellings, weight)) in wanted.into_iter().enumerate() {
        let mut with_term: u64 = all.iter().map(|each| freq(&each.wanted[at])).sum();
        if with_term == 0 {
            // A word of paths alone tells as much as a rare one.
            for field in [OF_CHUNKS.len() + OfPath::Folders as usize, Of::Symbol as usize] {
                let mut count = 0;
                for each in &*all {
                    count += freq(&each.places_of(field, fields[field], &spellings)?);
                }
                with_term = with_term.max(count);
            }
        }
        if with_term > 0 {
            let rarity = rarity(searcher.documents(), with_term);
            looked.push(Looked { spellings, at, weight, rarity });
        }
    }
    looked.sort_by(|a, b| {
        let worth = |term: &Looked| term.weight * term.rarity;
        worth(b).total_cmp(&worth(a)).then_with(|| a.spellings.cmp(&b.spellings))
    });
    looked.truncate(MAX_TERMS);
    Ok(looked)
}

/// How many documents have a term; one that has several spellings counts several times.
pub(super) fn freq(places: &[TermInfo]) -> u64 {
    places.iter().map(|info| u64::from(info.doc_freq)).sum()
}

/// What the terms that tell most could be worth together.
fn unit(looked: &[Looked]) -> f32 {
    let mut worths: Vec<f32> = looked.iter().map(|term| term.weight * term.rarity).collect();
    worths.sort_by(|a, b| b.total_cmp(a));
    worths.iter().take(FULL_TERMS).sum::<f32>().max(LEAST_UNIT)
}

impl<'a> Segment<'a> {
    fn new(evidence: Evidence<'a>, lookups: &'a Lookups, fields: [Field; 6]) -> Result<Self> {
        let mut inverted = Vec::with_capacity(fields.len());
        for field in fields {
            inverted.push(evidence.segment.inverted_index(field)?);
        }
        let Ok(inverted) = inverted.try_into() else { unreachable!("one of each field") };
        Ok(Self {
            evidence,
            lookups,
            inverted,
            wanted: Vec::new(),
            places: Vec::new(),
            counts: Vec::new(),
            defined: Vec::new(),
        })
    }

    /// Where the postings of those spellings are that the field at `at` has.
    fn places_of(&self, at: usize, field: Field, spellings: &[String]) -> Result<Vec<TermInfo>> {
        let mut places = Vec::new();
        for spelling in spellings {
            places.extend(self.lookups.find(&self.inverted[at], field, spelling)?);
        }
        Ok(places)
    }

    fn find_terms(&mut self, looked: &[Looked], fields: [Field; 6]) -> Result<()> {
        for term in looked {
            let mut places = Places::default();
            let [body, symbol, signature, doc, folders, stem] = &mut places;
            *body = std::mem::take(&mut self.wanted[term.at]);
            for (at, found) in (1..).zip([symbol, signature, doc, &mut *folders]) {
                *found = self.places_of(at, fields[at], &term.spellings)?;
            }
            // The terms of a file's name are among those of its path.
            if !folders.is_empty() {
                let at = OF_CHUNKS.len() + OfPath::Stem as usize;
                *stem = self.places_of(at, fields[at], &term.spellings)?;
            }
            self.places.push(places);
        }
        Ok(())
    }

    /// Adds BM25 of every term in every field, but for the texts of files, which are counted. Of
    /// each field of chunks only so many terms are read as `first` says.
    fn add_terms(&mut self, worths: &[[f32; 6]], corpus: &Corpus, first: [usize; 4]) -> Result<()> {
        let mut norms = Vec::with_capacity(self.inverted.len());
        for (field, average) in corpus.averages {
            norms.push(Norms::of(self.evidence.segment, field, &CHUNK, average)?);
        }
        for field in corpus.of_paths {
            norms.push(Norms::of(self.evidence.segment, field, &PATH, PATH_LENGTH)?);
        }
        let alive = self.evidence.segment.alive_bitset();
        let Evidence { files, sums, .. } = &mut self.evidence;
        let Sums { chunks, had, paths, most, touched, .. } = sums;
        for (nth, (places, worths)) in self.places.iter().zip(worths).enumerate() {
            let worth = |at: usize, bm25| Worth { bm25, norms: &norms[at], weight: worths[at] };
            for (at, of) in OF_CHUNKS.into_iter().enumerate().filter(|(at, _)| nth < first[*at]) {
                let is_body = matches!(of, Of::Body);
                let values = &mut chunks[at];
                let mut counts: Vec<(u32, f32)> = Vec::new();
                // Of the file whose documents are being read, which come one after the other.
                let mut run: Option<Run> = None;
                let mut end = |run: Run| {
                    touched[run.file as usize] |= 1 << at;
                    let most = &mut most[run.file as usize][at];
                    *most = most.max(run.most);
                    if is_body {
                        counts.push((run.file, run.count));
                    }
                };
                let (mut added, mut of_docs) = ([0.0; BLOCK], [0; BLOCK]);
                let (inverted, places) = (&self.inverted[at], &places[at]);
                for_each_posting(inverted, places, alive, &worth(at, &CHUNK), |postings| {
                    let Postings { docs, tfs, scores } = postings;
                    // Memory is slow: what is read of it for one document is not to wait for what
                    // is read for the one before. So nothing is decided before all of it is read.
                    for ((sum, doc), score) in added.iter_mut().zip(docs).zip(scores) {
                        let value = &mut values[*doc as usize];
                        *value += score;
                        *sum = *value;
                    }
                    for (file, doc) in of_docs.iter_mut().zip(docs) {
                        *file = files.of_doc(*doc);
                    }
                    for ((file, sum), tf) in of_docs.iter().zip(&added).zip(tfs) {
                        match &mut run {
                            Some(run) if run.file == *file => {
                                run.most = if *sum > run.most { *sum } else { run.most };
                                run.count += tf;
                            }
                            _ => {
                                let next = Run { file: *file, most: *sum, count: *tf };
                                run.replace(next).into_iter().for_each(&mut end);
                            }
                        }
                    }
                    if is_body && !had.is_empty() {
                        for doc in docs {
                            had[*doc as usize] += 1;
                        }
                    }
                })?;
                run.into_iter().for_each(&mut end);
                if is_body {
                    self.counts.push(if places.len() > 1 { merged(counts) } else { counts });
                }
            }
            for of in OF_PATHS {
                let at = OF_CHUNKS.len() + of as usize;
                let (inverted, places) = (&self.inverted[at], &places[at]);
                // Paths are indexed with the first chunk of each file.
                for_each_posting(inverted, places, alive, &worth(at, &PATH), |postings| {
                    for (doc, score) in postings.docs.iter().zip(postings.scores) {
                        let file = files.of_doc(*doc) as usize;
                        paths[of as usize][file] += score;
                        touched[file] |= BESIDE;
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Adds BM25 of every term in the text of every file, as if it were one document.
    fn add_texts(&mut self, worths: &[f32], corpus: &Corpus) {
        let Evidence { files, sums: Sums { texts, .. }, .. } = &mut self.evidence;
        for (counts, worth) in self.counts.iter().zip(worths) {
            for (file, tf) in counts {
                let norm = FILE.norm(files.length(*file), corpus.of_files);
                texts[*file as usize] += worth * FILE.score(*tf, norm);
            }
        }
    }

    fn find_names(&mut self, names: &[String], field: Field) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let inverted = self.evidence.segment.inverted_index(field)?;
        let alive = self.evidence.segment.alive_bitset();
        for name in names {
            let place = self.lookups.find(&inverted, field, name)?;
            self.defined.push(documents_with(&inverted, place.as_slice(), alive)?);
        }
        Ok(())
    }

    /// Chunks that define a name are evidence, the more the fewer there are.
    fn add_names(&mut self, worths: &[f32]) {
        let Evidence { files, sums, .. } = &mut self.evidence;
        let Sums { names, most, touched, .. } = sums;
        for (defined, worth) in self.defined.iter().zip(worths) {
            for doc in defined {
                let value = names.entry(*doc).or_default();
                *value = value.max(*worth);
                let file = files.of_doc(*doc) as usize;
                touched[file] |= BESIDE;
                let [.., of_name] = &mut most[file];
                *of_name = of_name.max(*worth);
            }
        }
    }
}

impl<'a> Evidence<'a> {
    /// What `sums`, one of each segment, say of the segments of `searcher`.
    pub fn of(searcher: &'a Searcher, sums: Vec<Sums>) -> Result<Vec<Self>> {
        let segments = searcher.inner.segment_readers().iter().zip(searcher.files()?);
        let all = segments.zip(sums).map(|((segment, files), sums)| Self { segment, files, sums });
        Ok(all.collect())
    }

    /// BM25 of one field of a document.
    pub fn of_chunk(&self, of: Of, doc: DocId) -> f32 {
        self.sums.chunks[of as usize][doc as usize]
    }

    /// The most that any chunk of a file has of each field, in the order of [`Of`], and of a name.
    pub fn most_of(&self, file: u32) -> &[f32; 5] {
        &self.sums.most[file as usize]
    }

    /// 1 if the document alone defines a name of the question, `1 / sqrt(n)` if `n` do.
    pub fn of_name(&self, doc: DocId) -> f32 {
        if self.sums.names.is_empty() {
            0.0
        } else {
            self.sums.names.get(&doc).copied().unwrap_or(0.0)
        }
    }

    /// How many of the question's terms are in the document's text; told of phrases only.
    pub fn had(&self, doc: DocId) -> usize {
        self.sums.had.get(doc as usize).copied().unwrap_or(0).into()
    }

    /// Whether there is any evidence of a file or its chunks.
    pub fn touches(&self, file: u32) -> bool {
        self.sums.touched[file as usize] & !WHOLE != 0
    }

    /// Whether evidence of it that was left out has been added.
    pub fn is_whole(&self, file: u32) -> bool {
        self.sums.touched[file as usize] & WHOLE != 0
    }

    /// BM25 of a file's text.
    pub fn of_text(&self, file: u32) -> f32 {
        self.sums.texts[file as usize]
    }

    /// BM25 of one field of a file's path.
    pub fn of_path(&self, of: OfPath, file: u32) -> f32 {
        self.sums.paths[of as usize][file as usize]
    }

    /// The documents of file `ord`.
    pub fn run(&self, file: u32) -> Range<DocId> {
        self.files.run(file)
    }

    /// Whether a document was not deleted.
    pub fn alive(&self, doc: DocId) -> bool {
        self.segment.alive_bitset().is_none_or(|alive| alive.is_alive(doc))
    }
}

/// What BM25 needs to know of all chunks and of all files.
pub(super) struct Corpus {
    pub documents: u64,
    /// The fields of chunks, and how many terms a chunk has in each on average.
    pub averages: [(Field, f32); 4],
    /// The fields of paths.
    of_paths: [Field; 2],
    files: u64,
    /// How many terms a file has on average.
    pub of_files: f32,
}

impl Corpus {
    #[allow(clippy::cast_precision_loss)] // averages
    fn of(searcher: &Searcher, all: &[Segment]) -> Self {
        let [body, symbol, signature, doc, folders, stem] = fields_of(searcher);
        let documents = searcher.documents();
        let mut at = 0..;
        let averages = [body, symbol, signature, doc].map(|field| {
            let at = at.next().unwrap_or(0);
            let tokens: u64 = all.iter().map(|each| each.inverted[at].total_num_tokens()).sum();
            (field, tokens as f32 / documents.max(1) as f32)
        });
        let files: u64 = all.iter().map(|each| each.evidence.files.alive() as u64).sum();
        let tokens: u64 = all.iter().map(|each| each.evidence.files.tokens()).sum();
        let of_files = tokens as f32 / files.max(1) as f32;
        Self { documents, averages, of_paths: [folders, stem], files, of_files }
    }
}

/// Terms of a path of ordinary length. It matters little, and counting would cost more.
const PATH_LENGTH: f32 = 6.0;

/// One count a file, whatever the order they came in.
fn merged(mut counts: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    counts.sort_by_key(|count| count.0);
    counts.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    counts
}
