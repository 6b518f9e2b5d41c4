//! Paths relative to the root, and their one spelling as text.
//!
//! The same spelling is the key of a file in both stores, in JSON and on the command line:
//! components joined by `/`; a byte that is not UTF-8 is written `\xNN`, and a backslash that
//! would read as such an escape is itself written `\x5c`. Every other name is shown as it is,
//! so the spelling is exact ([`decode`] inverts [`encode`]) and quiet for every ordinary name.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Writes the bytes of a path as text.
pub fn encode(bytes: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', bytes).is_none()
        && let Ok(text) = str::from_utf8(bytes)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        for (at, c) in valid.char_indices() {
            if c == '\\' && escape_at(&valid.as_bytes()[at..]).is_some() {
                text.push_str("\\x5c");
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            push_escape(*byte, &mut text);
        }
    }
    Cow::Owned(text)
}

/// Reads a path back from its spelling.
pub fn decode(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if memchr::memchr(b'\\', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if let Some(byte) = escape_at(&bytes[at..]) {
            out.push(byte);
            at += 4;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    Cow::Owned(out)
}

/// The file that a spelling names under `root`.
pub fn resolve(root: &Path, spelling: &str) -> PathBuf {
    root.join(os_str(&decode(spelling)))
}

/// The spelling of `path`, which lies under `root`; `None` if it does not, or is `root` itself.
pub fn relative(root: &Path, path: &Path) -> Option<String> {
    if std::path::MAIN_SEPARATOR == '/' {
        // A walk gives paths that start with its root to the letter; comparing bytes is several
        // times faster than comparing components.
        let (root, path) =
            (root.as_os_str().as_encoded_bytes(), path.as_os_str().as_encoded_bytes());
        let rest = path.strip_prefix(root)?;
        let rest = if root.ends_with(b"/") { rest } else { rest.strip_prefix(b"/")? };
        return (!rest.is_empty()).then(|| encode(rest).into_owned());
    }
    let relative = path.strip_prefix(root).ok()?;
    let parts: Vec<_> =
        relative.components().map(|part| encode(part.as_os_str().as_encoded_bytes())).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The byte that an escape at the start of `bytes` stands for.
fn escape_at(bytes: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high, low, ..] = bytes else { return None };
    // Only lower-case digits are an escape, so that each byte has one spelling.
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    Some(digit(high)? << 4 | digit(low)?)
}

fn push_escape(byte: u8, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push_str("\\x");
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(unix)]
fn os_str(bytes: &[u8]) -> Cow<'_, OsStr> {
    use std::os::unix::ffi::OsStrExt;
    Cow::Borrowed(OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn os_str(bytes: &[u8]) -> Cow<'_, OsStr> {
    Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_are_shown_as_they_are() {
        for name in ["a/b.py", "späte Straße", "back\\slash", "new\nline", "\\x", "\\xZZ"] {
            assert_eq!(encode(name.as_bytes()), name);
        }
    }

    #[test]
    fn foreign_bytes_and_ambiguous_backslashes_are_escaped() {
        assert_eq!(encode(b"caf\xe9.c"), "caf\\xe9.c");
        assert_eq!(encode(b"caf\\xe9.c"), "caf\\x5cxe9.c");
    }

    #[test]
    fn a_path_is_relative_to_the_folder_it_lies_in() {
        let below = |root: &str, path: &str| relative(Path::new(root), Path::new(path));
        assert_eq!(below("/a", "/a/b/c"), Some("b/c".to_owned()));
        assert_eq!(below("/", "/b"), Some("b".to_owned()));
        assert_eq!(below("/a", "/a"), None);
        assert_eq!(below("/a", "/ab"), None);
        assert_eq!(below("/a", "/b/a"), None);
    }

    proptest! {
        #[test]
        fn decode_inverts_encode(bytes in proptest::collection::vec(prop_oneof![
            Just(b'\\'), Just(b'x'), Just(b'e'), Just(b'9'), Just(b'5'), any::<u8>()], 0..24)) {
            prop_assert_eq!(decode(&encode(&bytes)).into_owned(), bytes);
        }
    }
}
