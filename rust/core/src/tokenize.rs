//! Text to model inputs: padded batches of token ids, formed by length under a budget.

use std::path::Path;

use arrow_array::RecordBatch;
use rustc_hash::FxHashMap;
use tokenizers::{Tokenizer, TruncationParams};

use crate::analyzer;
use crate::batch::strings;
use crate::error::{Error, Result};

/// Changes with everything here, or around the graphs of models, that decides what a text's vector is
/// for one and the same model.
pub const ENCODER_VERSION: u32 = 1;

/// One padded batch for a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Padded {
    /// Which rows of the input these are, in order.
    pub rows: Vec<u32>,
    /// Columns: the length of the longest row, at least 1.
    pub width: usize,
    /// Token ids, row by row, 0 where there is none.
    pub ids: Vec<i64>,
    /// 0 where there is no token. Else 1, or for a term vocabulary how often the term occurs.
    pub mask: Vec<i64>,
}

/// Turns texts into the inputs of one model.
pub enum Encoder {
    /// A static model over the analyzer's terms.
    Terms(TermEncoder),
    /// A transformer with a tokenizer of its own.
    Subwords(Box<SubwordEncoder>),
}

/// Looks terms up in a vocabulary. Equal terms are merged: the mask says how many there were.
pub struct TermEncoder {
    vocabulary: Vocabulary,
    max_length: usize,
    /// How many rows of the model, behind those of the vocabulary, are shared by the n-grams of
    /// terms that it does not know.
    buckets: u32,
}

/// The ids of terms. Nearly all terms are short and are their own key, as a number: every term of
/// every chunk is looked up, and comparing strings that lie elsewhere took as long as all else. The
/// less space those take that come often, the more of them are in the processor's cache.
#[derive(Default)]
struct Vocabulary {
    shortest: FxHashMap<u64, u32>,
    short: FxHashMap<u128, u32>,
    long: FxHashMap<Box<str>, u32>,
}

/// Bytes in the n-grams of an unknown term, which stands between `<` and `>`.
const NGRAMS: [usize; 2] = [3, 4];

/// An unknown term of fewer bytes has no n-grams, as it means nothing.
const MIN_NGRAM_TERM: usize = 3;

/// Nor has one of more bytes: that is data.
const MAX_NGRAM_TERM: usize = 24;

/// Runs a model's own tokenizer.
pub struct SubwordEncoder {
    tokenizer: Tokenizer,
    /// What the model wants before every passage.
    prefix: String,
}

/// A token: its id and its mask value.
type Token = (u32, u32);

/// Texts as tokens, not padded yet: what comes of several calls can share padded batches.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// Rows of the input, those that were not encoded among them.
    pub total: usize,
    /// Which rows were encoded, ascending.
    rows: Vec<usize>,
    /// Their tokens, one row's behind the other's.
    tokens: Vec<Token>,
    /// Where each row's end.
    ends: Vec<usize>,
}

impl Encoder {
    /// Reads a vocabulary, one term a line, whose number from 0 is the term's id. At most
    /// `max_length` different ids of a text are kept, those it repeats most. With `buckets`, an
    /// unknown name has the ids of its n-grams, hashed into that many behind the vocabulary.
    pub fn terms(path: &Path, max_length: usize, buckets: u32) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let mut vocabulary = Vocabulary::default();
        for (id, term) in (0_u32..).zip(text.lines()) {
            if vocabulary.insert(term, id).is_some() {
                let message = format!("{}: {term} stands there twice", path.display());
                return Err(Error::Tokenizer(message));
            }
        }
        if vocabulary.len() == 0 {
            return Err(Error::Tokenizer(format!("{} is empty", path.display())));
        }
        Ok(Self::Terms(TermEncoder { vocabulary, max_length, buckets }))
    }

    /// Reads a Hugging Face `tokenizer.json`. Longer texts are cut to `max_length` tokens; chunks,
    /// but not queries, are preceded by `prefix`.
    pub fn subwords(path: &Path, max_length: usize, prefix: &str) -> Result<Self> {
        let fail =
            |error: tokenizers::Error| Error::Tokenizer(format!("{}: {error}", path.display()));
        let mut tokenizer = Tokenizer::from_file(path).map_err(fail)?;
        let truncation = TruncationParams { max_length, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(fail)?;
        tokenizer.with_padding(None);
        Ok(Self::Subwords(Box::new(SubwordEncoder { tokenizer, prefix: prefix.to_owned() })))
    }

    /// Encodes the chunks of a batch. `skip` names rows that need no encoding.
    pub fn encode(&self, batch: &RecordBatch, skip: &[bool]) -> Result<Encoded> {
        let wanted = |row: &usize| !skip.get(*row).copied().unwrap_or(false);
        let rows: Vec<usize> = (0..batch.num_rows()).filter(wanted).collect();
        let mut encoded = Encoded { total: batch.num_rows(), ..Encoded::default() };
        match self {
            Self::Terms(inner) => {
                let terms = strings(batch, "terms")?;
                inner.encode(rows.iter().map(|row| terms.value(*row)), &mut encoded);
            }
            Self::Subwords(inner) => {
                let (contexts, texts) = (strings(batch, "context")?, strings(batch, "text")?);
                let passage = |row: &usize| {
                    let (context, text) = (contexts.value(*row), texts.value(*row));
                    let line_end = if context.is_empty() { "" } else { "\n" };
                    format!("{}{context}{line_end}{text}", inner.prefix)
                };
                inner.encode(rows.iter().map(passage).collect(), &mut encoded)?;
            }
        }
        encoded.rows = rows;
        Ok(encoded)
    }

    /// Encodes free texts, such as queries.
    pub fn encode_texts(&self, texts: &[&str]) -> Result<Encoded> {
        let mut encoded = Encoded { total: texts.len(), ..Encoded::default() };
        match self {
            Self::Terms(inner) => {
                let terms: Vec<String> = texts.iter().map(|text| analyzer::analyze(text)).collect();
                inner.encode(terms.iter().map(String::as_str), &mut encoded);
            }
            Self::Subwords(inner) => {
                inner.encode(texts.iter().map(ToString::to_string).collect(), &mut encoded)?;
            }
        }
        encoded.rows = (0..texts.len()).collect();
        Ok(encoded)
    }
}

impl Encoded {
    /// Tokens in all rows: for a term vocabulary, different terms of each row.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The tokens of each row that was encoded.
    fn texts(&self) -> impl Iterator<Item = &[Token]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.tokens[start..*end])
    }
}

impl Vocabulary {
    /// Gives `term` an id; returns the one that it had.
    fn insert(&mut self, term: &str, id: u32) -> Option<u32> {
        match (shortest_key(term), short_key(term)) {
            (Some(key), _) => self.shortest.insert(key, id),
            (_, Some(key)) => self.short.insert(key, id),
            _ => self.long.insert(Box::from(term), id),
        }
    }

    fn get(&self, term: &str) -> Option<u32> {
        let found = match (shortest_key(term), short_key(term)) {
            (Some(key), _) => self.shortest.get(&key),
            (_, Some(key)) => self.short.get(&key),
            _ => self.long.get(term),
        };
        found.copied()
    }

    fn len(&self) -> usize {
        self.shortest.len() + self.short.len() + self.long.len()
    }
}

/// The bytes of a term as one number, if they fit into one and are different from those of any
/// other term then: a term that ends with a zero byte is not told from a shorter one.
fn shortest_key(term: &str) -> Option<u64> {
    let bytes = term.as_bytes();
    if bytes.len() > size_of::<u64>() || bytes.last() == Some(&0) {
        return None;
    }
    let key = match (bytes.first_chunk(), bytes.last_chunk()) {
        // Two that may overlap have all bytes, and take no turn for each of them.
        (Some(first), Some(last)) => {
            let behind = 8 * (bytes.len() - 4);
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << behind
        }
        _ => bytes.iter().rfold(0, |key, byte| (key << 8) | u64::from(*byte)),
    };
    Some(key)
}

/// The same of a term that does not fit into so small a number, in one of twice the size.
fn short_key(term: &str) -> Option<u128> {
    let bytes = term.as_bytes();
    if bytes.len() > size_of::<u128>() || bytes.last() == Some(&0) {
        return None;
    }
    let (first, last) = (bytes.first_chunk()?, bytes.last_chunk()?);
    let behind = 8 * (bytes.len() - 8);
    Some(u128::from(u64::from_le_bytes(*first)) | u128::from(u64::from_le_bytes(*last)) << behind)
}

impl TermEncoder {
    /// Appends the tokens of texts that are given as encoded terms.
    fn encode<'a>(&self, texts: impl Iterator<Item = &'a str>, encoded: &mut Encoded) {
        let mut ids: Vec<u32> = Vec::new();
        for text in texts {
            ids.clear();
            for term in analyzer::terms(text) {
                match self.vocabulary.get(term.text) {
                    Some(id) => ids.push(id),
                    // The parts of an unknown compound follow it.
                    None if self.buckets > 0 && !term.compound => self.ngrams(term.text, &mut ids),
                    None => {}
                }
            }
            ids.sort_unstable();
            let start = encoded.tokens.len();
            for equal in ids.chunk_by(|a, b| a == b) {
                encoded.tokens.push((equal[0], u32::try_from(equal.len()).unwrap_or(u32::MAX)));
            }
            if encoded.tokens.len() - start > self.max_length {
                // A text this varied (a long query) is best told by what it repeats, and by terms
                // rather than by n-grams.
                let tokens = &mut encoded.tokens[start..];
                tokens.sort_by_key(|(id, count)| (std::cmp::Reverse(*count), *id));
                encoded.tokens.truncate(start + self.max_length);
            }
            encoded.ends.push(encoded.tokens.len());
        }
    }
}

impl TermEncoder {
    /// The ids of an unknown term's n-grams; none if it is a number. `models/ngrams.py` has the
    /// same hash, FNV-1a of 32 bits.
    fn ngrams(&self, term: &str, ids: &mut Vec<u32>) {
        let is_name = (MIN_NGRAM_TERM..=MAX_NGRAM_TERM).contains(&term.len());
        if !is_name || term.starts_with(char::is_numeric) {
            return;
        }
        let mut marked = [0; MAX_NGRAM_TERM + 2];
        marked[0] = b'<';
        marked[1..=term.len()].copy_from_slice(term.as_bytes());
        marked[term.len() + 1] = b'>';
        let first = u32::try_from(self.vocabulary.len()).unwrap_or(u32::MAX);
        for size in NGRAMS {
            for ngram in marked[..term.len() + 2].windows(size) {
                let hash = ngram.iter().fold(0x811c_9dc5_u32, |hash, byte| {
                    (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
                });
                ids.push(first + hash % self.buckets);
            }
        }
    }
}

impl SubwordEncoder {
    /// Appends the tokens of texts.
    fn encode(&self, texts: Vec<String>, encoded: &mut Encoded) -> Result<()> {
        let encodings = self
            .tokenizer
            .encode_batch_fast(texts, true)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        for encoding in &encodings {
            encoded.tokens.extend(encoding.get_ids().iter().map(|id| (*id, 1)));
            encoded.ends.push(encoded.tokens.len());
        }
        Ok(())
    }
}

/// Forms batches of rows of like length, so that little of them is padding, of at most `budget`
/// cells each; a longer row stands by itself. The widest batches come first.
///
/// Rows are numbered through all `parts`: those of the second go on where the first one ends.
#[must_use]
pub fn pad(parts: &[&Encoded], budget: usize) -> Vec<Padded> {
    let mut order: Vec<(u32, &[Token])> = Vec::new();
    let mut first = 0;
    for part in parts {
        let rows = part.rows.iter().map(|row| u32::try_from(first + row).unwrap_or(u32::MAX));
        order.extend(rows.zip(part.texts()));
        first += part.total;
    }
    order.sort_by_key(|(_, tokens)| tokens.len());
    let mut batches = Vec::new();
    let mut rest = &order[..];
    while let Some((_, longest)) = rest.last() {
        // From the longest down: the width is known before the rows are counted.
        let width = longest.len().max(1);
        let count = (budget / width).clamp(1, rest.len());
        let (left, taken) = rest.split_at(rest.len() - count);
        rest = left;
        let mut batch = Padded {
            rows: taken.iter().map(|(row, _)| *row).collect(),
            width,
            ids: vec![0; count * width],
            mask: vec![0; count * width],
        };
        for (line, (_, tokens)) in taken.iter().enumerate() {
            for (column, (id, count)) in tokens.iter().enumerate() {
                batch.ids[line * width + column] = i64::from(*id);
                batch.mask[line * width + column] = i64::from(*count);
            }
        }
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoder(terms: &str, max_length: usize) -> Encoder {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("terms.txt");
        std::fs::write(&path, terms).expect("written");
        Encoder::terms(&path, max_length, 0).expect("read")
    }

    proptest! {
        #[test]
        fn short_terms_are_their_bytes(term in "[a-z_\\PC\\x00]{0,20}") {
            let plain = term.bytes().rev().fold(0, |key: u128, byte| key << 8 | u128::from(byte));
            let fits = |most| term.len() <= most && !term.ends_with('\0');
            prop_assert_eq!(shortest_key(&term).map(u128::from), fits(8).then_some(plain));
            if term.len() >= 8 {
                prop_assert_eq!(short_key(&term), fits(16).then_some(plain));
            }
        }
    }

    #[test]
    fn repeated_terms_are_merged_and_unknown_ones_left_out() {
        let encoder = encoder("read\nfile\nread_file\n", 8);
        let tokens = encoder.encode_texts(&["read_file(file) other", ""]).expect("encoded");
        let batches = pad(&[&tokens], 100);
        let expected = Padded {
            rows: vec![1, 0],
            width: 3,
            ids: vec![0, 0, 0, 0, 1, 2],
            mask: vec![0, 0, 0, 1, 2, 1],
        };
        assert_eq!(batches, [expected]);
    }

    #[test]
    fn unknown_names_are_known_by_their_ngrams_and_numbers_and_data_are_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("terms.txt");
        std::fs::write(&path, "read\nfile\n").expect("written");
        let Ok(Encoder::Terms(encoder)) = Encoder::terms(&path, 99, 8192) else {
            panic!("not read");
        };
        let ids = |text: &str| -> Vec<u32> {
            let mut found = Encoded::default();
            encoder.encode([analyzer::analyze(text).as_str()].into_iter(), &mut found);
            found.tokens.iter().map(|(id, _)| *id).filter(|id| *id >= 2).collect()
        };
        // What models/ngrams.py gives.
        let expected =
            [1882, 2143, 2408, 3471, 4580, 4728, 4926, 5091, 5247, 5908, 6767, 7093, 7685];
        assert_eq!(ids("größe"), expected);
        assert_eq!(ids("read_größe"), expected);
        for none in ["read file", "0xdeadbeef 12345", "zq", &"q".repeat(25)] {
            assert_eq!(ids(none), Vec::<u32>::new(), "{none}");
        }
    }

    proptest! {
        #[test]
        fn the_vocabulary_knows_a_term_exactly_if_a_plain_map_does(
            known in proptest::collection::vec("[\0a-c]{0,3}|[ab]{14,18}|ß{6,9}", 0..40),
            asked in proptest::collection::vec("[\0a-c]{0,3}|[ab]{14,18}|ß{6,9}", 0..40)) {
            let (mut vocabulary, mut plain) = (Vocabulary::default(), FxHashMap::default());
            for (id, term) in (0..).zip(&known) {
                prop_assert_eq!(vocabulary.insert(term, id), plain.insert(term, id));
            }
            prop_assert_eq!(vocabulary.len(), plain.len());
            for term in known.iter().chain(&asked) {
                prop_assert_eq!(vocabulary.get(term), plain.get(term).copied());
            }
        }
    }

    #[test]
    fn a_vocabulary_that_is_none_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("terms.txt");
        assert!(Encoder::terms(&path, 8, 0).is_err());
        for bad in ["", "a\nb\na\n"] {
            std::fs::write(&path, bad).expect("written");
            assert!(Encoder::terms(&path, 8, 0).is_err());
        }
        assert!(Encoder::subwords(&path, 8, "").is_err());
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_batch_and_batches_keep_the_budget(
            parts in proptest::collection::vec(
                proptest::collection::vec((0_usize..40, any::<bool>()), 0..30), 0..4),
            budget in 1_usize..200) {
            let encoded: Vec<Encoded> = parts.iter().map(|rows| {
                let mut encoded = Encoded { total: rows.len(), ..Encoded::default() };
                for (at, (n, _)) in rows.iter().enumerate().filter(|(_, (_, skip))| !skip) {
                    encoded.rows.push(at);
                    encoded.tokens.extend(vec![(7, 1); *n]);
                    encoded.ends.push(encoded.tokens.len());
                }
                encoded
            }).collect();
            let all: Vec<(usize, bool)> = parts.concat();
            let mut seen = Vec::new();
            let mut widths = Vec::new();
            for batch in pad(&encoded.iter().collect::<Vec<_>>(), budget) {
                prop_assert!(batch.ids.len() <= budget || batch.rows.len() == 1);
                widths.push(batch.width);
                for (line, row) in batch.rows.iter().enumerate() {
                    let mask = &batch.mask[line * batch.width..(line + 1) * batch.width];
                    let filled = mask.iter().filter(|n| **n > 0).count();
                    prop_assert_eq!(filled, all[*row as usize].0);
                    seen.push(*row as usize);
                }
            }
            prop_assert!(widths.is_sorted_by(|a, b| a >= b));
            seen.sort_unstable();
            let wanted: Vec<usize> = (0..all.len()).filter(|at| !all[*at].1).collect();
            prop_assert_eq!(seen, wanted);
        }
    }
}
