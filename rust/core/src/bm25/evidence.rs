//! How well every chunk and every file answers a question: BM25 of each field by itself.
//!
//! Term by term, the postings of each field are added up into one number a chunk, and the text's
//! also into one number a file, as if the file were one document: a question about a file's whole
//! subject is answered by no single chunk. The chunks of a file lie side by side in one segment
//! ([`super::Writer::add`]), so a file is a run of documents.
//!
//! Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.

use std::ops::Range;

use rustc_hash::FxHashMap;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::Postings;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, SegmentReader, TERMINATED, Term};

use crate::error::{Error, Result};

use super::files::Files;
use super::question::Question;
use super::search::Searcher;

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

/// How fast repeated terms saturate, and how much length counts.
struct Bm25 {
    k1: f32,
    b: f32,
}

const CHUNK: Bm25 = Bm25 { k1: 1.2, b: 0.75 };
/// Files differ in length a thousandfold, and long ones are long because they have much to say.
const FILE: Bm25 = Bm25 { k1: 2.0, b: 0.4 };
/// A path names a thing once.
const PATH: Bm25 = Bm25 { k1: 0.5, b: 0.3 };

impl Bm25 {
    /// What length contributes to the denominator.
    fn norm(&self, length: f32, average: f32) -> f32 {
        self.k1 * (1.0 - self.b + self.b * length / average.max(1.0))
    }

    fn score(&self, tf: f32, norm: f32) -> f32 {
        tf * (self.k1 + 1.0) / (tf + norm)
    }
}

/// Fields of chunks, in the order of [`Evidence::chunks`].
#[derive(Clone, Copy)]
pub(super) enum Of {
    Body,
    Symbol,
    Signature,
    Doc,
}

/// Fields of files, in the order of [`Evidence::paths`].
#[derive(Clone, Copy)]
pub(super) enum OfPath {
    Folders,
    Stem,
}

/// The evidence in one segment.
pub(super) struct Evidence<'a> {
    pub segment: &'a SegmentReader,
    pub files: &'a Files,
    /// BM25 of each field of every document.
    chunks: [Vec<f32>; 4],
    /// How few chunks define the name that a document defines.
    names: Vec<f32>,
    /// How many of the terms each document has.
    had: Vec<u16>,
    /// BM25 of the text of every file.
    texts: Vec<f32>,
    /// BM25 of each field of every path.
    paths: [Vec<f32>; 2],
}

/// A term as it was looked up: several spellings where it is a prefix.
struct Looked {
    spellings: Vec<String>,
    weight: f32,
    /// What the term tells: the rarer the more.
    rarity: f32,
}

#[allow(clippy::cast_precision_loss)] // counts that only weigh
fn rarity(documents: u64, with_term: u64) -> f32 {
    let with_term = with_term.min(documents);
    (1.0 + ((documents - with_term) as f32 + 0.5) / (with_term as f32 + 0.5)).ln()
}

/// Collects the evidence for `question` in every segment. Also tells how many terms were looked up.
pub(super) fn collect<'a>(
    searcher: &'a Searcher,
    question: &Question,
) -> Result<(Vec<Evidence<'a>>, usize)> {
    let files = searcher.files()?;
    let mut all: Vec<Evidence<'a>> = searcher
        .inner
        .segment_readers()
        .iter()
        .zip(files)
        .map(|it| Evidence::new(it.0, it.1))
        .collect();
    let looked = look_up(searcher, question)?;
    let unit = unit(&looked);
    let fields = &searcher.fields;
    let chunks = Corpus::of_chunks(searcher)?;
    let of_files = FileCorpus::of(files);
    for term in &looked {
        let weight = term.weight / unit;
        for (field, of) in [
            (fields.body, Of::Body),
            (fields.symbol_terms, Of::Symbol),
            (fields.signature, Of::Signature),
            (fields.doc, Of::Doc),
        ] {
            let with_term = searcher.doc_freq(field, &term.spellings)?;
            if with_term > 0 {
                let worth = weight * rarity(chunks.documents, with_term);
                let average = chunks.average(field);
                for each in &mut all {
                    each.add(field, &term.spellings, worth, average, of)?;
                }
            }
        }
        of_files.add_text(fields.body, term, weight, &mut all)?;
        for (field, of) in [(fields.path_terms, OfPath::Folders), (fields.stem_terms, OfPath::Stem)]
        {
            let with_term = searcher.doc_freq(field, &term.spellings)?;
            let worth = weight * rarity(of_files.files, with_term);
            for each in all.iter_mut().filter(|_| with_term > 0) {
                each.add_path(field, &term.spellings, worth, of)?;
            }
        }
    }
    for name in &question.names {
        add_name(searcher, name, &mut all)?;
    }
    Ok((all, looked.len()))
}

/// The terms of the question that tell most, each with all its spellings.
fn look_up(searcher: &Searcher, question: &Question) -> Result<Vec<Looked>> {
    let body = searcher.fields.body;
    let mut looked = Vec::new();
    let exact = question.terms.iter().map(|(term, weight)| (vec![term.clone()], *weight));
    let mut wanted: Vec<(Vec<String>, f32)> = exact.collect();
    for (prefix, weight) in &question.prefixes {
        wanted.push((searcher.expand(prefix, MAX_EXPANSIONS)?, *weight));
    }
    for (spellings, weight) in wanted {
        let mut with_term = searcher.doc_freq(body, &spellings)?;
        if with_term == 0 {
            // A word of paths alone tells as much as a rare one.
            for field in [searcher.fields.path_terms, searcher.fields.symbol_terms] {
                with_term = with_term.max(searcher.doc_freq(field, &spellings)?);
            }
        }
        if with_term > 0 {
            let rarity = rarity(searcher.documents(), with_term);
            looked.push(Looked { spellings, weight, rarity });
        }
    }
    looked.sort_by(|a, b| {
        let worth = |term: &Looked| term.weight * term.rarity;
        worth(b).total_cmp(&worth(a)).then_with(|| a.spellings.cmp(&b.spellings))
    });
    looked.truncate(MAX_TERMS);
    Ok(looked)
}

/// What the terms that tell most could be worth together.
fn unit(looked: &[Looked]) -> f32 {
    let mut worths: Vec<f32> = looked.iter().map(|term| term.weight * term.rarity).collect();
    worths.sort_by(|a, b| b.total_cmp(a));
    worths.iter().take(FULL_TERMS).sum::<f32>().max(LEAST_UNIT)
}

/// Chunks that define `name` are evidence, the more the fewer there are.
fn add_name(searcher: &Searcher, name: &str, all: &mut [Evidence]) -> Result<()> {
    let field = searcher.fields.name;
    let spellings = [name.to_owned()];
    let mut defined = Vec::new();
    for (at, each) in all.iter().enumerate() {
        let found = |doc, _| defined.push((at, doc));
        for_each_posting(each.segment, field, &spellings, IndexRecordOption::Basic, found)?;
    }
    #[allow(clippy::cast_precision_loss)] // a weight
    let worth = 1.0 / (defined.len().max(1) as f32).sqrt();
    for (at, doc) in defined {
        let value = &mut all[at].names[doc as usize];
        *value = value.max(worth);
    }
    Ok(())
}

impl<'a> Evidence<'a> {
    fn new(segment: &'a SegmentReader, files: &'a Files) -> Self {
        let of_chunks = || vec![0.0; segment.max_doc() as usize];
        let of_files = || vec![0.0; files.len()];
        Self {
            segment,
            files,
            chunks: std::array::from_fn(|_| of_chunks()),
            names: of_chunks(),
            had: vec![0; segment.max_doc() as usize],
            texts: of_files(),
            paths: std::array::from_fn(|_| of_files()),
        }
    }

    /// BM25 of one field of a document.
    pub fn of_chunk(&self, of: Of, doc: DocId) -> f32 {
        self.chunks[of as usize][doc as usize]
    }

    /// 1 if the document alone defines a name of the question, `1 / sqrt(n)` if `n` do.
    pub fn of_name(&self, doc: DocId) -> f32 {
        self.names[doc as usize]
    }

    /// How many of the question's terms are in the document's text.
    pub fn had(&self, doc: DocId) -> usize {
        self.had[doc as usize].into()
    }

    /// BM25 of a file's text.
    pub fn of_text(&self, file: u32) -> f32 {
        self.texts[file as usize]
    }

    /// BM25 of one field of a file's path.
    pub fn of_path(&self, of: OfPath, file: u32) -> f32 {
        self.paths[of as usize][file as usize]
    }

    /// Adds BM25 of one term in one field to every document that has it.
    fn add(
        &mut self,
        field: Field,
        spellings: &[String],
        worth: f32,
        average: f32,
        of: Of,
    ) -> Result<()> {
        let norms = Norms::of(self.segment, field, &CHUNK, average)?;
        let (values, had) = (&mut self.chunks[of as usize], &mut self.had);
        let counted = u16::from(matches!(of, Of::Body));
        let each = |doc: DocId, tf| {
            values[doc as usize] += worth * CHUNK.score(tf, norms.of_doc(doc));
            had[doc as usize] += counted;
        };
        for_each_posting(self.segment, field, spellings, IndexRecordOption::WithFreqs, each)
    }

    /// The same for the paths, which are indexed with the first chunk of each file.
    fn add_path(
        &mut self,
        field: Field,
        spellings: &[String],
        worth: f32,
        of: OfPath,
    ) -> Result<()> {
        let norms = Norms::of(self.segment, field, &PATH, PATH_LENGTH)?;
        let (files, values) = (self.files, &mut self.paths[of as usize]);
        let each = |doc: DocId, tf| {
            values[files.of_doc(doc) as usize] += worth * PATH.score(tf, norms.of_doc(doc));
        };
        for_each_posting(self.segment, field, spellings, IndexRecordOption::WithFreqs, each)
    }

    /// The documents of file `ord`.
    pub fn run(&self, file: u32) -> Range<DocId> {
        self.files.run(file)
    }
}

/// Calls `found` with every living document that has one of the terms, and how often. Documents
/// come in order for each term.
fn for_each_posting(
    segment: &SegmentReader,
    field: Field,
    spellings: &[String],
    option: IndexRecordOption,
    mut found: impl FnMut(DocId, f32),
) -> Result<()> {
    let inverted = segment.inverted_index(field)?;
    let alive = segment.alive_bitset();
    for spelling in spellings {
        let term = Term::from_field_text(field, spelling);
        let Some(mut postings) =
            inverted.read_postings(&term, option).map_err(Error::io("lexical index"))?
        else {
            continue;
        };
        while postings.doc() != TERMINATED {
            let doc = postings.doc();
            if alive.is_none_or(|alive| alive.is_alive(doc)) {
                #[allow(clippy::cast_precision_loss)] // it saturates long before
                found(doc, postings.term_freq() as f32);
            }
            postings.advance();
        }
    }
    Ok(())
}

/// The length part of BM25 of every document: its 256 possible values.
struct Norms {
    reader: FieldNormReader,
    values: [f32; 256],
}

impl Norms {
    fn of(segment: &SegmentReader, field: Field, bm25: &Bm25, average: f32) -> Result<Self> {
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

/// What BM25 needs to know of all chunks.
struct Corpus {
    documents: u64,
    tokens: FxHashMap<Field, u64>,
}

impl Corpus {
    fn of_chunks(searcher: &Searcher) -> Result<Self> {
        let fields = &searcher.fields;
        let mut tokens: FxHashMap<Field, u64> = FxHashMap::default();
        for segment in searcher.inner.segment_readers() {
            for field in [fields.body, fields.symbol_terms, fields.signature, fields.doc] {
                *tokens.entry(field).or_default() +=
                    segment.inverted_index(field)?.total_num_tokens();
            }
        }
        Ok(Self { documents: searcher.documents(), tokens })
    }

    #[allow(clippy::cast_precision_loss)] // an average
    fn average(&self, field: Field) -> f32 {
        self.tokens.get(&field).copied().unwrap_or(0) as f32 / self.documents.max(1) as f32
    }
}

/// What BM25 needs to know of all files.
struct FileCorpus {
    files: u64,
    average: f32,
}

impl FileCorpus {
    #[allow(clippy::cast_precision_loss)] // an average
    fn of(files: &[Files]) -> Self {
        let count: u64 = files.iter().map(|files| files.alive() as u64).sum();
        let tokens: u64 = files.iter().map(Files::tokens).sum();
        Self { files: count, average: tokens as f32 / count.max(1) as f32 }
    }

    /// Adds BM25 of one term in the text of every file, as if it were one document.
    fn add_text(
        &self,
        field: Field,
        term: &Looked,
        weight: f32,
        all: &mut [Evidence],
    ) -> Result<()> {
        let mut counts: Vec<Vec<(u32, f32)>> = Vec::with_capacity(all.len());
        for each in all.iter() {
            let mut runs: Vec<(u32, f32)> = Vec::new();
            let files = each.files;
            for_each_posting(
                each.segment,
                field,
                &term.spellings,
                IndexRecordOption::WithFreqs,
                |doc, tf| {
                    let file = files.of_doc(doc);
                    match runs.last_mut() {
                        Some((last, count)) if *last == file => *count += tf,
                        _ => runs.push((file, tf)),
                    }
                },
            )?;
            if term.spellings.len() > 1 {
                runs = merged(runs);
            }
            counts.push(runs);
        }
        let with_term: usize = counts.iter().map(Vec::len).sum();
        let worth = weight * rarity(self.files, with_term as u64);
        for (each, counts) in all.iter_mut().zip(counts) {
            for (file, tf) in counts {
                let norm = FILE.norm(each.files.length(file), self.average);
                each.texts[file as usize] += worth * FILE.score(tf, norm);
            }
        }
        Ok(())
    }
}

/// Terms of a path of ordinary length. It matters little, and counting would cost more.
const PATH_LENGTH: f32 = 6.0;

/// One count a file, whatever the order they came in.
fn merged(mut runs: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    runs.sort_by_key(|run| run.0);
    runs.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    runs
}
