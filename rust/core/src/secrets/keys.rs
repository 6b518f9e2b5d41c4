//! Private keys in armour, as they are and once more in base64.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem;
use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};

use super::shapes::bytes_regex;
use super::values;

/// The longest private key that is looked for, line breaks and quotes included.
const MAX_PRIVATE_KEY: usize = 64 << 10;

/// A run of base64 that only a key's own data has.
const KEY_RUN: usize = 40;

/// A private key in PEM or PGP armour, from its first line to its last; where the last line is
/// missing, to the end of the data.
pub(super) fn private_key(_: &str, text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    static HEADER: LazyLock<Regex> = LazyLock::new(|| {
        bytes_regex(
            r"(?i)-----BEGIN[ A-Z0-9_-]{0,100}(?:PRIVATE KEY(?: BLOCK)?|STATIC KEY V1)-----",
        )
    });
    let header = HEADER.find(
        Input::new(text)
            .span(keyword.start..text.len().min(keyword.start + 160))
            .anchored(Anchored::Yes),
    )?;
    let limit = text.len().min(header.end() + MAX_PRIVATE_KEY);
    let body = &text[header.end()..limit];
    let end = memmem::find(body, b"-----");
    let data = &body[..end.unwrap_or(body.len())];
    let (mut run, mut last_run) = (0, None);
    // Line breaks may be written out (`\n`), as they are in JSON and in string literals.
    for (at, byte) in data.iter().enumerate() {
        run = if byte.is_ascii_alphanumeric() || b"+/=".contains(byte) { run + 1 } else { 0 };
        if run >= KEY_RUN {
            last_run = Some(at + 1);
        } else if end.is_none() && last_run.is_some_and(|last| at > last + 2 * KEY_RUN) {
            break;
        }
    }
    // The name of the format alone, as programs that read keys have it, is no key.
    let last_run = last_run?;
    let stop = match end {
        Some(end) => {
            let footer = &body[end + 5..body.len().min(end + 5 + 160)];
            let line = footer.iter().position(|byte| *byte == b'\n').unwrap_or(footer.len());
            let closed = memmem::find(&footer[..line], b"-----").map_or(0, |at| at + 5);
            end + 5 + closed
        }
        // What is left of the last line.
        None => last_run + tail(&body[last_run..]),
    };
    Some(keyword.start..header.end() + stop)
}

/// A private key in PEM armour that is once more in base64, as in a kubeconfig; `keyword` is the
/// armour's first dashes.
pub(super) fn encoded_private_key(
    _: &str,
    text: &[u8],
    keyword: Range<usize>,
) -> Option<Range<usize>> {
    let is_data = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    // What is inside of other data is no beginning; so each stretch is read once.
    if text[..keyword.start].last().is_some_and(is_data) {
        return None;
    }
    let rest = &text[keyword.start..text.len().min(keyword.start + 2 * MAX_PRIVATE_KEY)];
    let first = values::from_base64(&rest[..rest.len().min(100)]);
    memmem::find(&first, b"PRIVATE KEY")?;
    // It goes on in the next line if that holds nothing but data.
    let mut end = rest.iter().take_while(|byte| is_data(byte)).count();
    while let Some(line) = rest[end..].strip_prefix(b"\n").or(rest[end..].strip_prefix(b"\r\n")) {
        let indent = line.iter().take_while(|byte| b" \t".contains(byte)).count();
        let data = line[indent..].iter().take_while(|byte| is_data(byte)).count();
        let after = line.get(indent + data);
        let is_next = line[indent..].starts_with(&text[keyword.clone()]);
        if data == 0 || is_next || after.is_some_and(|byte| !byte.is_ascii_whitespace()) {
            break;
        }
        end = rest.len() - line.len() + indent + data;
    }
    Some(keyword.start..keyword.start + end)
}

/// How much of a cut-off key follows its last full line: the rest of that line and one more that
/// is of the same characters.
fn tail(rest: &[u8]) -> usize {
    let end_of_line = |from: usize| {
        let found = memchr::memchr(b'\n', &rest[from..]);
        found.map_or(rest.len(), |at| from + at + 1)
    };
    let is_data = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\\\"',".contains(byte);
    let own = rest.iter().take_while(|byte| is_data(byte)).count();
    if rest.get(own).is_none_or(|byte| !byte.is_ascii_whitespace()) {
        return own;
    }
    let start = end_of_line(own);
    let next = rest[start..end_of_line(start)].trim_ascii();
    let is_more = !next.is_empty() && next.iter().all(is_data);
    if is_more {
        start + rest[start..].iter().take_while(|byte| is_data(byte)).count()
    } else {
        own
    }
}
