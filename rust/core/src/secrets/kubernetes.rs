//! Kubernetes secrets: the one kind of file whose values are all secret, whatever they look like.

use std::ops::Range;

use memchr::memmem;

/// The values of a Kubernetes `Secret`, which need no name that says so.
pub(super) fn secrets(path: &str, text: &[u8], mut found: impl FnMut(Range<usize>)) {
    let end = path.rsplit_once('.').map_or("", |(_, end)| end);
    let is_yaml = end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml");
    if !is_yaml || memmem::find(text, b"Secret").is_none() {
        return;
    }
    let mut document = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"---") {
            secrets_of(text, &document, &mut found);
            document.clear();
        } else {
            document.push(start..start + line.len());
        }
        start += line.len();
    }
    secrets_of(text, &document, &mut found);
}

/// The values below `data:` and `stringData:` in the lines of one document, if it is a `Secret`.
fn secrets_of(text: &[u8], lines: &[Range<usize>], found: &mut impl FnMut(Range<usize>)) {
    let is_secret = lines.iter().any(|line| {
        let (key, value) = key_and_value(text, line);
        &text[key] == b"kind" && matches!(&text[value], b"Secret" | b"'Secret'" | b"\"Secret\"")
    });
    if !is_secret {
        return;
    }
    let mut below: Option<usize> = None;
    for line in lines {
        let bytes = &text[line.clone()];
        let indent = bytes.iter().take_while(|byte| **byte == b' ').count();
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let (key, value) = key_and_value(text, line);
        if matches!(&text[key.clone()], b"data" | b"stringData") && value.is_empty() {
            below = Some(indent);
        } else if below.is_some_and(|outer| indent <= outer) {
            below = None;
        } else if below.is_some() {
            // A line without a key belongs to a value of several lines.
            let place = if key.is_empty() { trimmed(text, line) } else { value };
            let secret = &text[place.clone()];
            let is_block =
                secret.first().is_some_and(|byte| b"|>".contains(byte)) && secret.len() <= 3;
            if !secret.is_empty()
                && !is_block
                && !secret.starts_with(b"{{")
                && !matches!(secret, b"\"\"" | b"''")
            {
                found(place);
            }
        }
    }
}

/// The places of key and value in a line `key: value`; the key's is empty if there is none.
fn key_and_value(text: &[u8], line: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let bytes = &text[line.clone()];
    let colon = memchr::memchr(b':', bytes).filter(|at| {
        bytes[..*at]
            .trim_ascii()
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-\"'".contains(byte))
            && bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace)
    });
    match colon {
        Some(at) => (
            trimmed(text, &(line.start..line.start + at)),
            trimmed(text, &(line.start + at + 1..line.end)),
        ),
        None => (line.start..line.start, line.end..line.end),
    }
}

fn trimmed(text: &[u8], place: &Range<usize>) -> Range<usize> {
    let bytes = &text[place.clone()];
    let front = bytes.len() - bytes.trim_ascii_start().len();
    let start = place.start + front;
    start..start + bytes.trim_ascii().len()
}
