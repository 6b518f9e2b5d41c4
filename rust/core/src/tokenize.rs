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
    ids: FxHashMap<Box<str>, u32>,
    max_length: usize,
    /// How many rows of the model, behind those of the vocabulary, are shared by the n-grams of
    /// terms that it does not know.
    buckets: u32,
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

/// The tokens of one text: ids and their mask values.
type Tokens = Vec<(u32, u32)>;

/// Texts as tokens, not padded yet: what comes of several calls can share padded batches.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// Rows of the input, those that were not encoded among them.
    pub total: usize,
    /// Which rows were encoded, ascending.
    rows: Vec<usize>,
    /// Their tokens.
    tokens: Vec<Tokens>,
}

impl Encoder {
    /// Reads a vocabulary, one term a line, whose number from 0 is the term's id. At most
    /// `max_length` different ids of a text are kept, those it repeats most. With `buckets`, an
    /// unknown name has the ids of its n-grams, hashed into that many behind the vocabulary.
    pub fn terms(path: &Path, max_length: usize, buckets: u32) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let mut ids = FxHashMap::default();
        for (id, term) in (0_u32..).zip(text.lines()) {
            if ids.insert(Box::from(term), id).is_some() {
                let message = format!("{}: {term} stands there twice", path.display());
                return Err(Error::Tokenizer(message));
            }
        }
        if ids.is_empty() {
            return Err(Error::Tokenizer(format!("{} is empty", path.display())));
        }
        Ok(Self::Terms(TermEncoder { ids, max_length, buckets }))
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
        let tokens = match self {
            Self::Terms(encoder) => {
                let terms = strings(batch, "terms")?;
                rows.iter().map(|row| encoder.tokens(terms.value(*row))).collect()
            }
            Self::Subwords(encoder) => {
                let (contexts, texts) = (strings(batch, "context")?, strings(batch, "text")?);
                let passage = |row: &usize| {
                    let (context, text) = (contexts.value(*row), texts.value(*row));
                    let line_end = if context.is_empty() { "" } else { "\n" };
                    format!("{}{context}{line_end}{text}", encoder.prefix)
                };
                encoder.tokens(rows.iter().map(passage).collect())?
            }
        };
        Ok(Encoded { total: batch.num_rows(), rows, tokens })
    }

    /// Encodes free texts, such as queries.
    pub fn encode_texts(&self, texts: &[&str]) -> Result<Encoded> {
        let tokens = match self {
            Self::Terms(encoder) => {
                texts.iter().map(|text| encoder.tokens(&analyzer::analyze(text))).collect()
            }
            Self::Subwords(encoder) => {
                encoder.tokens(texts.iter().map(ToString::to_string).collect())?
            }
        };
        Ok(Encoded { total: texts.len(), rows: (0..texts.len()).collect(), tokens })
    }
}

impl Encoded {
    /// Tokens in all rows: for a term vocabulary, different terms of each row.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens.iter().map(Vec::len).sum()
    }
}

impl TermEncoder {
    fn tokens(&self, encoded: &str) -> Tokens {
        let mut ids: Vec<u32> = Vec::with_capacity(encoded.len() / 6);
        for term in analyzer::terms(encoded) {
            match self.ids.get(term.text) {
                Some(id) => ids.push(*id),
                // The parts of an unknown compound follow it.
                None if self.buckets > 0 && !term.compound => self.ngrams(term.text, &mut ids),
                None => {}
            }
        }
        ids.sort_unstable();
        let mut tokens: Tokens = Vec::with_capacity(ids.len());
        for id in ids {
            match tokens.last_mut() {
                Some((last, count)) if *last == id => *count += 1,
                _ => tokens.push((id, 1)),
            }
        }
        if tokens.len() > self.max_length {
            // A text this varied (a long query) is best told by what it repeats, and by terms rather
            // than by n-grams.
            tokens.sort_by_key(|(id, count)| (std::cmp::Reverse(*count), *id));
            tokens.truncate(self.max_length);
        }
        tokens
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
        let first = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
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
    fn tokens(&self, texts: Vec<String>) -> Result<Vec<Tokens>> {
        let encodings = self
            .tokenizer
            .encode_batch_fast(texts, true)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        Ok(encodings.iter().map(|e| e.get_ids().iter().map(|id| (*id, 1)).collect()).collect())
    }
}

/// Forms batches of rows of like length, so that little of them is padding, of at most `budget`
/// cells each; a longer row stands by itself. The widest batches come first.
///
/// Rows are numbered through all `parts`: those of the second go on where the first one ends.
#[must_use]
pub fn pad(parts: &[&Encoded], budget: usize) -> Vec<Padded> {
    let mut order: Vec<(u32, &Tokens)> = Vec::new();
    let mut first = 0;
    for part in parts {
        let rows = part.rows.iter().map(|row| u32::try_from(first + row).unwrap_or(u32::MAX));
        order.extend(rows.zip(&part.tokens));
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
            let tokens = encoder.tokens(&analyzer::analyze(text));
            tokens.iter().map(|(id, _)| *id).filter(|id| *id >= 2).collect()
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
                let wanted = rows.iter().enumerate().filter(|(_, (_, skip))| !skip);
                let (chosen, tokens) = wanted.map(|(at, (n, _))| (at, vec![(7, 1); *n])).unzip();
                Encoded { total: rows.len(), rows: chosen, tokens }
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
