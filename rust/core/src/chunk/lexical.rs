//! Words, comments, literals and directives of languages like C, as bytes.

use std::ops::Range;

/// Bytes that the parser does not see, and the fewer ones it sees in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub bytes: Range<usize>,
    pub stand_in: &'static str,
}

/// Whether `text` ends with `word`, and not with a longer one.
pub(super) fn ends_with_word(text: &[u8], word: &[u8]) -> bool {
    text.strip_suffix(word).is_some_and(|rest| !rest.last().is_some_and(|byte| is_inner(*byte)))
}

/// Whether a byte may be in a word.
pub(super) fn is_inner(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether there is nothing but blanks in the line before.
pub(super) fn begins_line(before: &[u8]) -> bool {
    let last = before.iter().rfind(|byte| !matches!(byte, b' ' | b'\t'));
    last.is_none_or(|byte| *byte == b'\n')
}

/// Whether the quote at `at` stands within a number: `1'000`.
pub(super) fn separates_digits(text: &[u8], at: usize) -> bool {
    let word = text[..at].iter().rev().take_while(|byte| byte.is_ascii_alphanumeric());
    text[at] == b'\'' && word.last().is_some_and(u8::is_ascii_digit)
}

/// Where the comment at `at` ends; `None` if there is none.
pub(super) fn after_comment(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at + 1)? {
        b'*' => {
            let inside = &text[at + 2..];
            Some(memchr::memmem::find(inside, b"*/").map_or(text.len(), |end| at + 2 + end + 2))
        }
        b'/' => Some(line_end(text, at)),
        _ => None,
    }
}

/// The next line feed that no backslash hides, or the end.
fn line_end(text: &[u8], from: usize) -> usize {
    let mut ends = memchr::memchr_iter(b'\n', &text[from..]).map(|end| from + end);
    ends.find(|&end| !continues(&text[from..end])).unwrap_or(text.len())
}

/// Whether a line goes on after its line feed.
fn continues(line: &[u8]) -> bool {
    line.strip_suffix(b"\r").unwrap_or(line).ends_with(b"\\")
}

/// Where the directive ends that `from` lies in: what is in it opens and closes nothing outside.
pub(super) fn after_directive(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(next) = memchr::memchr3(b'\n', b'/', b'"', &text[at..]) {
        let stop = at + next;
        at = match text[stop] {
            b'\n' if !continues(&text[from..stop]) => return stop,
            b'/' => after_comment(text, stop).unwrap_or(stop + 1),
            // A text may hold what looks like a comment; `#error` may hold a lone quote.
            b'"' => after_literal(text, stop + 1, b'"').unwrap_or(stop + 1),
            _ => stop + 1,
        };
    }
    text.len()
}

/// Where the literal ends whose inside begins at `from`; `None` if its line does so first.
pub(super) fn after_literal(text: &[u8], from: usize, quote: u8) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr3(quote, b'\\', b'\n', &text[at..])?;
        match text[at] {
            b'\\' if text[at + 1..].starts_with(b"\r\n") => at += 3,
            // No text ends behind this backslash: the literal is not closed.
            b'\\' if at + 2 <= text.len() => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => return None,
        }
    }
}
