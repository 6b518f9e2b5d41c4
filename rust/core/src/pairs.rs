//! A query beside each of many passages, as the inputs of a cross-encoder.

use std::cmp::Reverse;
use std::path::Path;

use tokenizers::{Encoding, PostProcessor, Tokenizer, TruncationParams, TruncationStrategy};

use crate::error::{Error, Result};

/// A passage is read up to so many bytes for each token of the window: what comes after them could
/// only be wanted if nearly all before it were white space.
const BYTES_PER_TOKEN: usize = 32;

/// One padded batch of pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaddedPairs {
    /// Which passages these are.
    pub rows: Vec<u32>,
    /// Columns: the length of the longest pair, at least 1.
    pub width: usize,
    /// Token ids, row by row, the padding's id where there is none.
    pub ids: Vec<i64>,
    /// 1 where there is a token.
    pub mask: Vec<i64>,
    /// Which of the two texts a token is of, as the tokenizer's own template says.
    pub types: Vec<i64>,
}

/// Runs the tokenizer of a cross-encoder on pairs of texts.
pub struct PairEncoder {
    tokenizer: Tokenizer,
    max_length: usize,
    padding: i64,
}

impl PairEncoder {
    /// Reads a Hugging Face `tokenizer.json`. A pair is cut to `max_length` tokens: the longer text
    /// first, so that each keeps half of the window if it needs it. `padding` is the id that fills
    /// up shorter pairs.
    pub fn new(path: &Path, max_length: usize, padding: u32) -> Result<Self> {
        let fail =
            |error: tokenizers::Error| Error::Tokenizer(format!("{}: {error}", path.display()));
        let mut tokenizer = Tokenizer::from_file(path).map_err(fail)?;
        let added = tokenizer.get_post_processor().map_or(0, |each| each.added_tokens(true));
        if max_length < added + 2 {
            let message =
                format!("{}: a window of {max_length} tokens has no room", path.display());
            return Err(Error::Tokenizer(message));
        }
        let truncation = TruncationParams {
            max_length,
            strategy: TruncationStrategy::LongestFirst,
            ..TruncationParams::default()
        };
        tokenizer.with_truncation(Some(truncation)).map_err(fail)?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer, max_length, padding: i64::from(padding) })
    }

    /// Encodes `query` beside each passage into padded batches of at most `budget` cells each, a
    /// longer pair by itself. Batches come longest first.
    pub fn encode(
        &self,
        query: &str,
        passages: &[&str],
        budget: usize,
    ) -> Result<Vec<PaddedPairs>> {
        let most = self.max_length * BYTES_PER_TOKEN;
        let query = beginning(query, most);
        let inputs: Vec<(&str, &str)> =
            passages.iter().map(|passage| (query, beginning(passage, most))).collect();
        let encodings = self
            .tokenizer
            .encode_batch_fast(inputs, true)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        Ok(self.pad(&encodings, budget))
    }

    /// Forms batches of pairs of like length, so that little of them is padding.
    fn pad(&self, encodings: &[Encoding], budget: usize) -> Vec<PaddedPairs> {
        let mut order: Vec<usize> = (0..encodings.len()).collect();
        order.sort_by_key(|row| Reverse(encodings[*row].len()));
        let mut batches = Vec::new();
        let mut rest = &order[..];
        while let Some(longest) = rest.first() {
            let width = encodings[*longest].len().max(1);
            let count = (budget / width).clamp(1, rest.len());
            let (taken, left) = rest.split_at(count);
            rest = left;
            batches.push(self.padded(encodings, taken, width));
        }
        batches
    }

    fn padded(&self, encodings: &[Encoding], rows: &[usize], width: usize) -> PaddedPairs {
        let cells = rows.len() * width;
        let mut batch = PaddedPairs {
            rows: rows.iter().map(|row| u32::try_from(*row).unwrap_or(u32::MAX)).collect(),
            width,
            ids: vec![self.padding; cells],
            mask: vec![0; cells],
            types: vec![0; cells],
        };
        for (line, row) in rows.iter().enumerate() {
            let encoding = &encodings[*row];
            let cells = line * width..line * width + encoding.len();
            copy(&mut batch.ids[cells.clone()], encoding.get_ids());
            copy(&mut batch.types[cells.clone()], encoding.get_type_ids());
            batch.mask[cells].fill(1);
        }
        batch
    }
}

fn copy(to: &mut [i64], from: &[u32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = i64::from(*from);
    }
}

/// The first `most` bytes of a text, or a little less, so that it is text.
fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAD: u32 = 0;
    const CLS: i64 = 2;
    const SEP: i64 = 3;

    /// A tokenizer whose words are `w0`, `w1`, … with the ids 10, 11, …
    fn encoder(max_length: usize) -> Result<PairEncoder> {
        let words: Vec<String> = (0..50).map(|n| format!("\"w{n}\": {}", n + 10)).collect();
        let json = format!(
            r#"{{"version": "1.0", "truncation": null, "padding": {{"strategy": {{"Fixed": 9}},
            "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0,
            "pad_token": "[PAD]"}}, "added_tokens": [],
            "normalizer": null, "pre_tokenizer": {{"type": "Whitespace"}}, "decoder": null,
            "post_processor": {{"type": "TemplateProcessing",
              "single": [{{"SpecialToken": {{"id": "[CLS]", "type_id": 0}}}},
                {{"Sequence": {{"id": "A", "type_id": 0}}}},
                {{"SpecialToken": {{"id": "[SEP]", "type_id": 0}}}}],
              "pair": [{{"SpecialToken": {{"id": "[CLS]", "type_id": 0}}}},
                {{"Sequence": {{"id": "A", "type_id": 0}}}},
                {{"SpecialToken": {{"id": "[SEP]", "type_id": 0}}}},
                {{"Sequence": {{"id": "B", "type_id": 1}}}},
                {{"SpecialToken": {{"id": "[SEP]", "type_id": 1}}}}],
              "special_tokens": {{
                "[CLS]": {{"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}},
                "[SEP]": {{"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}}}}},
            "model": {{"type": "WordLevel", "unk_token": "[UNK]",
              "vocab": {{"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, {}}}}}}}"#,
            words.join(", ")
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, json).expect("written");
        PairEncoder::new(&path, max_length, PAD)
    }

    fn text(words: &[i64]) -> String {
        words.iter().map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn both_texts_stand_in_the_template_with_its_types() {
        let encoder = encoder(12).expect("read");
        let batches = encoder.encode("w1 w2", &["w3", "w4 w5 nobody"], 100).expect("encoded");
        let expected = PaddedPairs {
            rows: vec![1, 0],
            width: 8,
            ids: vec![2, 11, 12, 3, 14, 15, 1, 3, 2, 11, 12, 3, 13, 3, 0, 0],
            mask: vec![1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
            types: vec![0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0],
        };
        assert_eq!(batches, [expected]);
    }

    #[test]
    fn a_window_that_has_no_room_and_a_file_that_is_none_are_refused() {
        assert!(encoder(5).is_ok());
        for length in 0..5 {
            assert!(encoder(length).is_err(), "{length}");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(PairEncoder::new(folder.path(), 8, PAD).is_err());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let encoder = encoder(5).expect("read");
        let long = "é".repeat(1_000_001);
        let shifted = format!("a{long}");
        let batches = encoder.encode(&long, &[&long, &shifted], 100).expect("encoded");
        assert_eq!(batches[0].ids, [2, 1, 3, 1, 3, 2, 1, 3, 1, 3]);
        assert!(encoder.encode(&long, &[], 100).expect("encoded").is_empty());
    }

    proptest! {
        #[test]
        fn every_pair_is_in_one_batch_cut_to_the_window_with_half_of_it_for_either(
            query in proptest::collection::vec(0_i64..50, 0..30),
            passages in proptest::collection::vec(
                proptest::collection::vec(0_i64..50, 0..40), 0..30),
            window in 5_usize..40,
            budget in 1_usize..200,
        ) {
            let encoder = encoder(window).expect("read");
            let texts: Vec<String> = passages.iter().map(|words| text(words)).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut seen = Vec::new();
            for batch in encoder.encode(&text(&query), &texts, budget).expect("encoded") {
                prop_assert!(batch.ids.len() <= budget || batch.rows.len() == 1);
                prop_assert!(batch.width <= window);
                let mut fullest = 0;
                for (line, row) in batch.rows.iter().enumerate() {
                    let cells = line * batch.width..(line + 1) * batch.width;
                    let length = batch.mask[cells.clone()].iter().filter(|n| **n == 1).count();
                    let (ids, padding) = batch.ids[cells.clone()].split_at(length);
                    let (types, rest) = batch.types[cells].split_at(length);
                    prop_assert!(padding.iter().chain(rest).all(|n| *n == 0));
                    fullest = fullest.max(length);
                    // [CLS] query [SEP] passage [SEP]
                    let first: Vec<i64> = ids.iter().zip(types).skip(1)
                        .filter(|(_, kind)| **kind == 0).map(|(id, _)| id - 10).collect();
                    let second: Vec<i64> = ids.iter().zip(types)
                        .filter(|(_, kind)| **kind == 1).map(|(id, _)| id - 10).collect();
                    prop_assert_eq!((ids[0], ids[length - 1]), (CLS, SEP));
                    prop_assert_eq!(first.last(), Some(&(SEP - 10)));
                    let (first, second) =
                        (&first[..first.len() - 1], &second[..second.len() - 1]);
                    let passage = &passages[*row as usize];
                    prop_assert!(query.starts_with(first) && passage.starts_with(second));
                    let room = window - 3;
                    prop_assert_eq!(
                        first.len() + second.len(), (query.len() + passage.len()).min(room));
                    prop_assert!(first.len() >= query.len().min(room / 2));
                    prop_assert!(second.len() >= passage.len().min(room / 2));
                    seen.push(*row as usize);
                }
                prop_assert_eq!(fullest, batch.width);
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..passages.len()).collect::<Vec<_>>());
        }
    }
}
