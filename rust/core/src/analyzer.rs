//! Text to terms: the one analysis that feeds both BM25 and the static embedding model.
//!
//! A *word* is a maximal run of letters, digits, underscores and other alphanumeric characters.
//! It is split into *parts* at underscores, at camel-case humps and between letters and digits;
//! a word of several parts also yields its *compound*, the lower-cased word itself:
//! `HTTPServer_v2` gives the compound `httpserver_v2` and the parts `http server v 2`.
//!
//! Terms travel as one string, the *encoded terms*: terms in order, separated by single spaces,
//! compounds marked by a leading `+`. No term contains either character, so the encoding is
//! exact, needs one allocation per chunk and is split again at memory speed by whoever reads it
//! ([`terms`]).

/// A term longer than this many bytes is no name anybody searches for (base64, minified code).
pub const MAX_TERM_BYTES: usize = 64;

/// Words longer than this are data: neither their parts nor their compound are kept.
const MAX_WORD_BYTES: usize = 256;

/// Marks a compound in encoded terms.
const COMPOUND: u8 = b'+';

/// Changes whenever the terms of any text change; part of the index fingerprint.
pub const ANALYZER_VERSION: u32 = 1;

/// One term of an encoded string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term<'a> {
    /// The lower-cased term.
    pub text: &'a str,
    /// Whether this is a whole word that is followed by its parts.
    pub compound: bool,
}

/// The first term of an encoded string and the rest behind it.
pub fn next_term(encoded: &str) -> Option<(Term<'_>, &str)> {
    let encoded = encoded.trim_start_matches(' ');
    // Six bytes on average: a search made for long texts takes longer than looking at each.
    let end = encoded.bytes().position(|byte| byte == b' ').unwrap_or(encoded.len());
    if end == 0 {
        return None;
    }
    let (piece, rest) = encoded.split_at(end);
    let term = match piece.strip_prefix(char::from(COMPOUND)) {
        Some(text) => Term { text, compound: true },
        None => Term { text: piece, compound: false },
    };
    Some((term, rest))
}

/// Iterates over the terms of an encoded string.
pub fn terms(mut encoded: &str) -> impl Iterator<Item = Term<'_>> {
    std::iter::from_fn(move || {
        let (term, rest) = next_term(encoded)?;
        encoded = rest;
        Some(term)
    })
}

/// Analyses `text` and returns its encoded terms.
pub fn analyze(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    analyze_into(text, &mut encoded);
    encoded
}

/// Analyses `text` and appends its encoded terms to `encoded`, each followed by a space.
pub fn analyze_into(text: &str, encoded: &mut String) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let class = CLASS[usize::from(bytes[at])];
        if class == Class::Other {
            at += 1;
            continue;
        }
        let start = at;
        let mut ascii = true;
        while at < bytes.len() {
            match CLASS[usize::from(bytes[at])] {
                Class::Other => break,
                Class::NonAscii => {
                    ascii = false;
                    at += 1;
                }
                _ => at += 1,
            }
        }
        let run = &text[start..at];
        if ascii {
            ascii_word(run, encoded);
        } else {
            // Non-ASCII punctuation (quotes, dashes, arrows) ends a word as ASCII punctuation does.
            for word in run.split(|c: char| !c.is_alphanumeric() && c != '_') {
                if word.is_ascii() {
                    ascii_word(word, encoded);
                } else {
                    unicode_word(word, encoded);
                }
            }
        }
    }
}

/// Whether no word of `text` goes over byte `at`: what is before and after can be analysed apart.
pub fn ends_word(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let outside =
        |at: usize| bytes.get(at).is_none_or(|byte| CLASS[usize::from(*byte)] == Class::Other);
    at == 0 || outside(at - 1) || outside(at)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Lower,
    Upper,
    Digit,
    Underscore,
    NonAscii,
}

/// The class of every byte; a table, since this loop sees every byte of every file.
static CLASS: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = match byte {
            b'a'..=b'z' => Class::Lower,
            b'A'..=b'Z' => Class::Upper,
            b'0'..=b'9' => Class::Digit,
            b'_' => Class::Underscore,
            128..=255 => Class::NonAscii,
            _ => Class::Other,
        };
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// Whether a part ends between `bytes[at - 1]` and `bytes[at]`, neither being an underscore.
fn ascii_boundary(bytes: &[u8], at: usize) -> bool {
    let class = |i: usize| CLASS[usize::from(bytes[i])];
    match (class(at - 1), class(at)) {
        (Class::Lower, Class::Upper)
        | (Class::Digit, Class::Lower | Class::Upper)
        | (Class::Lower | Class::Upper, Class::Digit) => true,
        // The last capital of a run starts the next part: HTTPServer is HTTP and Server.
        (Class::Upper, Class::Upper) => at + 1 < bytes.len() && class(at + 1) == Class::Lower,
        _ => false,
    }
}

fn ascii_word(word: &str, encoded: &mut String) {
    let word = word.trim_matches('_');
    let bytes = word.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_WORD_BYTES {
        return;
    }
    // A number (0x1F, 10us, 1e9) is one term: its pieces mean nothing by themselves.
    if bytes[0].is_ascii_digit() {
        push_ascii(word, encoded);
        return;
    }
    let mut first_end = 1;
    while first_end < bytes.len() && bytes[first_end] != b'_' && !ascii_boundary(bytes, first_end) {
        first_end += 1;
    }
    if first_end == bytes.len() {
        push_ascii(word, encoded);
        return;
    }
    if bytes.len() <= MAX_TERM_BYTES {
        encoded.push(char::from(COMPOUND));
        push_ascii(word, encoded);
    }
    push_ascii(&word[..first_end], encoded);
    let mut start = first_end;
    for at in first_end..=bytes.len() {
        let end = at == bytes.len() || bytes[at] == b'_';
        if end || (at > start && ascii_boundary(bytes, at)) {
            push_ascii(&word[start..at], encoded);
            start = if end { at + 1 } else { at };
        }
    }
}

fn push_ascii(term: &str, encoded: &mut String) {
    if term.is_empty() || term.len() > MAX_TERM_BYTES {
        return;
    }
    let from = encoded.len();
    encoded.push_str(term);
    encoded[from..].make_ascii_lowercase();
    encoded.push(' ');
}

/// The same rules over characters, for words that hold non-ASCII letters.
fn unicode_word(word: &str, encoded: &mut String) {
    let word = word.trim_matches('_');
    if word.is_empty() || word.len() > MAX_WORD_BYTES {
        return;
    }
    let chars: Vec<(usize, char)> = word.char_indices().collect();
    if chars[0].1.is_numeric() {
        push_unicode(word, encoded);
        return;
    }
    let boundary = |i: usize| {
        let (before, here) = (chars[i - 1].1, chars[i].1);
        (before.is_lowercase() && here.is_uppercase())
            || (before.is_numeric() != here.is_numeric())
            || (before.is_uppercase()
                && here.is_uppercase()
                && chars.get(i + 1).is_some_and(|next| next.1.is_lowercase()))
    };
    let mut parts = Vec::new();
    let mut start = 0;
    for i in 1..=chars.len() {
        let at = chars.get(i).map_or(word.len(), |c| c.0);
        let end = i == chars.len() || chars[i].1 == '_';
        if end || (at > start && chars[i - 1].1 != '_' && boundary(i)) {
            if at > start {
                parts.push(&word[start..at]);
            }
            start = if end { at + 1 } else { at };
        }
    }
    if parts.len() > 1 && word.len() <= MAX_TERM_BYTES {
        encoded.push(char::from(COMPOUND));
        push_unicode(word, encoded);
    }
    for part in parts {
        push_unicode(part, encoded);
    }
}

fn push_unicode(term: &str, encoded: &mut String) {
    if term.len() > MAX_TERM_BYTES {
        return;
    }
    encoded.extend(term.chars().flat_map(char::to_lowercase));
    encoded.push(' ');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listed(text: &str) -> Vec<String> {
        analyze(text).split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn identifiers_keep_their_compound_beside_their_parts() {
        assert_eq!(listed("readFile"), ["+readfile", "read", "file"]);
        assert_eq!(listed("read_file"), ["+read_file", "read", "file"]);
        assert_eq!(listed("HTTPServer"), ["+httpserver", "http", "server"]);
        assert_eq!(listed("sha256Sum"), ["+sha256sum", "sha", "256", "sum"]);
        assert_eq!(listed("MAX_LEN2"), ["+max_len2", "max", "len", "2"]);
        assert_eq!(listed("a__b"), ["+a__b", "a", "b"]);
    }

    #[test]
    fn plain_words_and_numbers_are_one_term() {
        assert_eq!(listed("__init__"), ["init"]);
        assert_eq!(listed("return x; // Done"), ["return", "x", "done"]);
        assert_eq!(listed("0xFF 10us 1e9"), ["0xff", "10us", "1e9"]);
        assert_eq!(listed("___"), Vec::<String>::new());
    }

    #[test]
    fn non_ascii_words_follow_the_same_rules() {
        assert_eq!(listed("größeMax"), ["+größemax", "größe", "max"]);
        assert_eq!(listed("naïve_Café2"), ["+naïve_café2", "naïve", "café", "2"]);
        assert_eq!(listed("“quoted”—dash"), ["quoted", "dash"]);
    }

    #[test]
    fn long_words_are_dropped_and_their_short_parts_kept() {
        assert_eq!(listed(&"a".repeat(65)), Vec::<String>::new());
        let long = format!("{}_tail", "a".repeat(62));
        assert_eq!(listed(&long), ["a".repeat(62), "tail".to_owned()]);
        assert_eq!(listed(&format!("{}_tail", "a".repeat(300))), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn every_term_is_lower_case_clean_and_short(text in "\\PC{0,200}") {
            for term in terms(&analyze(&text)) {
                prop_assert!(!term.text.is_empty());
                prop_assert!(!term.text.contains(['+', ' ']));
                prop_assert!(term.text.chars().all(|c| c == '_' || c.is_alphanumeric() || !c.is_ascii()));
                prop_assert!(!term.text.chars().any(|c| c.is_ascii_uppercase()));
            }
        }

        #[test]
        fn ascii_and_unicode_paths_agree(word in "[a-zA-Z_][a-zA-Z0-9_]{0,40}") {
            let mut slow = String::new();
            unicode_word(&word, &mut slow);
            prop_assert_eq!(analyze(&word), slow);
        }

        #[test]
        fn analysis_of_what_ends_between_words_is_local(text in "\\PC{0,40}", at in 0_usize..60) {
            let at = text.floor_char_boundary(at);
            if ends_word(&text, at) {
                let (before, after) = text.split_at(at);
                prop_assert_eq!(analyze(&text), analyze(before) + &analyze(after));
            }
        }

        #[test]
        fn analysis_of_a_line_is_local(a in "[ -~]{0,60}", b in "[ -~]{0,60}") {
            prop_assert_eq!(analyze(&format!("{a}\n{b}")), analyze(&a) + &analyze(&b));
        }
    }
}
