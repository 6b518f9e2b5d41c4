//! Where words stand in a text: all of them in one pass, in any case of ASCII letters.
//!
//! An automaton waits for one byte's state before it takes the next byte. Here each place is looked
//! at by itself: four bytes at once say that no word begins there, of nearly every place of source.

use std::ops::Range;

use rustc_hash::FxHashMap;

/// Bits of the number of a set of four bytes. The sets with which words begin are few of so many,
/// and one bit for each, 16 KiB in all, stays in the processor's first cache.
const BITS: u32 = 17;

/// Two ways of dividing four bytes into sets. What the first lets through is little, and much of
/// that begins no word.
const WAYS: [u32; 2] = [0x9E37_79B1, 0x85EB_CA6B];

/// Numbers with a bit for each set.
const SETS: usize = 1 << (BITS - u64::BITS.ilog2());

/// Bytes of the shortest word.
const LEAST: usize = 3;

/// Some hundred words.
pub(super) struct Words {
    all: Vec<String>,
    /// Which words begin so.
    by_start: FxHashMap<u32, Vec<usize>>,
    /// Whether a word begins with four bytes of a set, either way.
    begins: [Box<[u64; SETS]>; WAYS.len()],
}

/// A word that stands in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub word: usize,
    pub place: Range<usize>,
}

impl Words {
    /// Takes words of three bytes or more, no two of which are equal but for their case.
    pub fn of(words: &[&str]) -> Self {
        let mut by_start: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
        let mut begins = WAYS.map(|_| Box::new([0; SETS]));
        for (number, word) in words.iter().enumerate() {
            let bytes = word.as_bytes();
            assert!(bytes.len() >= LEAST, "{word} is too short");
            by_start.entry(start(bytes)).or_default().push(number);
            let mut begin = |fourth| {
                for (sets, way) in begins.iter_mut().zip(WAYS) {
                    let set = set_of([bytes[0], bytes[1], bytes[2], fourth], way);
                    sets[set / 64] |= 1_u64 << (set % 64);
                }
            };
            match bytes.get(LEAST) {
                Some(fourth) => begin(*fourth),
                None => (0..=u8::MAX).for_each(begin),
            }
        }
        let all = words.iter().map(ToString::to_string).collect();
        Self { all, by_start, begins }
    }

    /// Where the words stand, in the order of their ends, the longest first.
    pub fn find(&self, text: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for (at, four) in text.windows(4).enumerate() {
            if self.may_begin([four[0], four[1], four[2], four[3]]) {
                self.begin_at(text, at, &mut hits);
            }
        }
        // Behind the last three bytes there is nothing.
        if text.len() >= LEAST {
            self.begin_at(text, text.len() - LEAST, &mut hits);
        }
        hits.sort_unstable_by_key(|hit| (hit.place.end, hit.place.start));
        hits
    }

    fn may_begin(&self, four: [u8; 4]) -> bool {
        self.begins.iter().zip(WAYS).all(|(sets, way)| {
            let set = set_of(four, way);
            sets[set / 64] >> (set % 64) & 1 != 0
        })
    }

    /// Adds the words that begin at `at`.
    fn begin_at(&self, text: &[u8], at: usize, hits: &mut Vec<Hit>) {
        for &word in self.by_start.get(&start(&text[at..])).into_iter().flatten() {
            let place = at..at + self.all[word].len();
            let is_there = |found: &[u8]| found.eq_ignore_ascii_case(self.all[word].as_bytes());
            if text.get(place.clone()).is_some_and(is_there) {
                hits.push(Hit { word, place });
            }
        }
    }
}

/// The first three bytes, equal for letters of either case.
fn start(bytes: &[u8]) -> u32 {
    folded([bytes[0], bytes[1], bytes[2], 0])
}

fn set_of(four: [u8; 4], way: u32) -> usize {
    // The upper bits of a product depend on all bits of what was multiplied.
    (folded(four).wrapping_mul(way) >> (u32::BITS - BITS)) as usize
}

/// Letters of either case have one bit of difference; others that it makes equal do no harm.
fn folded(four: [u8; 4]) -> u32 {
    u32::from_le_bytes(four) | 0x2020_2020
}

#[cfg(test)]
mod tests {
    use super::*;
    use aho_corasick::{AhoCorasickBuilder, MatchKind};
    use proptest::prelude::*;

    const WORDS: [&str; 9] =
        ["key", "key=", "ey=\"", "_pw", "pass", "PASSword", "://", "aaa", "aaaa"];

    proptest! {
        #[test]
        fn they_are_where_an_automaton_finds_them(
            parts in prop::collection::vec("key|KEY=|\"|_pw|_PW|Pass|word|:/|/|a|aA|\\PC| ", 0..12),
        ) {
            let text = parts.concat();
            let automaton = AhoCorasickBuilder::new()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .build(WORDS)
                .expect("a few words");
            let expected: Vec<Hit> = automaton
                .find_overlapping_iter(&text)
                .map(|hit| Hit { word: hit.pattern().as_usize(), place: hit.range() })
                .collect();
            prop_assert_eq!(Words::of(&WORDS).find(text.as_bytes()), expected);
        }
    }
}
