//! How many terms a line has, without making them: every byte of every text passes here.

/// Where the count is in a word: outside of one, in a number, or behind a lower-case letter, one
/// capital, several capitals, a digit or an underscore; each of the latter in the first part of
/// its word or a later one.
const OUTSIDE: u8 = 0;
const NUMBER: u8 = 1;
const LOWER: u8 = 2;
const CAPITAL: u8 = 3;
const CAPITALS: u8 = 4;
const DIGIT: u8 = 5;
const UNDERSCORE: u8 = 6;
/// Added to the five above once the word has several parts.
const SEVERAL: u8 = 5;
const STATES: usize = 12;

/// Classes of bytes, each by one that is of it.
const OF_CLASS: [u8; 5] = [b' ', b'A', b'a', b'0', b'_'];
/// Bits that a class takes.
const CLASS_BITS: u32 = 3;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it is counted to the limit")]
        let class = match byte as u8 {
            b'A'..=b'Z' => 1,
            b'a'..=b'z' | 128..=255 => 2,
            b'0'..=b'9' => 3,
            b'_' => 4,
            _ => 0,
        };
        classes[byte] = class;
        byte += 1;
    }
    classes
};

/// By state and the classes of two bytes: the state behind them, and above it how many terms
/// begin. The count waits for one step before it takes the next, so two bytes a step are half the
/// time.
static STEPS: [[u8; 1 << (2 * CLASS_BITS)]; STATES] = {
    let mut steps = [[0; 1 << (2 * CLASS_BITS)]; STATES];
    let mut state = 0;
    while state < STATES {
        let mut first = 0;
        while first < OF_CLASS.len() {
            let mut second = 0;
            while second < OF_CLASS.len() {
                #[expect(clippy::cast_possible_truncation, reason = "there are twelve")]
                let one = step(state as u8, OF_CLASS[first]);
                let two = step(one & 15, OF_CLASS[second]);
                steps[state][first << CLASS_BITS | second] = two + (one >> 4 << 4);
                second += 1;
            }
            first += 1;
        }
        state += 1;
    }
    steps
};

const fn step(state: u8, byte: u8) -> u8 {
    let several = state > UNDERSCORE;
    let last = if several { state - SEVERAL } else { state };
    // Letters outside of ASCII count as lower-case ones.
    let next = match byte {
        b'A'..=b'Z' if last == CAPITAL || last == CAPITALS => CAPITALS,
        b'A'..=b'Z' => CAPITAL,
        b'a'..=b'z' | 128..=255 => LOWER,
        b'0'..=b'9' => DIGIT,
        b'_' => UNDERSCORE,
        _ => return OUTSIDE,
    };
    if last == OUTSIDE {
        return match next {
            UNDERSCORE => OUTSIDE,
            DIGIT => NUMBER | 1 << 4,
            letter => letter | 1 << 4,
        };
    }
    if last == NUMBER {
        return NUMBER;
    }
    let boundary = match next {
        LOWER => last == CAPITALS || last == DIGIT || last == UNDERSCORE,
        DIGIT => last != DIGIT,
        CAPITAL => true,
        _ => false,
    };
    match (boundary, several) {
        (false, false) => next,
        (false, true) => next + SEVERAL,
        // The second part of a word makes its compound a term as well.
        (true, false) => (next + SEVERAL) | 2 << 4,
        (true, true) => (next + SEVERAL) | 1 << 4,
    }
}

/// The size of a line: its terms, or more where it has few for its length (Chinese, rules of
/// dashes, blobs). 0 only if it is blank.
pub(super) fn size(line: &[u8]) -> usize {
    let (mut state, mut terms) = (OUTSIDE, 0);
    let mut count = |first: u8, second: u8| {
        let classes = CLASSES[usize::from(first)] << CLASS_BITS | CLASSES[usize::from(second)];
        let step = STEPS[usize::from(state)][usize::from(classes)];
        state = step & 15;
        terms += usize::from(step >> 4);
    };
    let (pairs, rest) = line.as_chunks();
    for [first, second] in pairs {
        count(*first, *second);
    }
    for last in rest {
        // Behind the last byte there is no word.
        count(*last, b' ');
    }
    if terms > line.len() / 16 {
        return terms;
    }
    let visible = visible(line);
    terms.max(visible.div_ceil(16))
}

/// Bytes that are not ASCII whitespace.
fn visible(line: &[u8]) -> usize {
    // A branch-free comparison per byte, which the compiler turns into vector code.
    line.iter().filter(|&&byte| byte != b' ' && byte.wrapping_sub(b'\t') > 4).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzer::{analyze, terms};
    use proptest::prelude::*;

    #[test]
    fn a_line_has_a_size_unless_it_is_blank() {
        assert_eq!(size(b" \t\r\x0b\x0c"), 0);
        assert_eq!(size(b"  }"), 1);
        assert_eq!(size(&[b'='; 64]), 4);
        assert_eq!(size("\u{4e2d}".repeat(64).as_bytes()), 12);
    }

    proptest! {
        #[test]
        fn sizes_are_those_of_the_analyzer(line in "([a-z]{1,3}|[A-Z]{1,3}|[0-9]|_| |\\.){1,30}") {
            let terms = terms(&analyze(&line)).count();
            let least = visible(line.as_bytes()).div_ceil(16);
            prop_assert_eq!(size(line.as_bytes()), terms.max(least));
        }
    }
}
