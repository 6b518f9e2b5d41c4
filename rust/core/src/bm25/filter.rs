//! Which chunks a search may return, and path globs as both stores understand them.

use std::collections::HashSet;

use globset::GlobBuilder;
use regex::RegexSet;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, SegmentReader, TERMINATED, Term};

use crate::error::{Error, Result};

use super::files::Files;
use super::schema::Fields;

/// Which chunks a search may return. An empty list does not filter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Language names.
    pub languages: Vec<String>,
    /// Kind names.
    pub kinds: Vec<String>,
    /// Path globs: `*` and `?` stay within a component, `**` does not; a glob without a slash
    /// matches at any depth, and one that matches a folder matches all below it.
    pub paths: Vec<String>,
    /// Paths as they are, if only these are wanted.
    pub only: Option<HashSet<String>>,
}

impl Filter {
    /// The regular expression of each path glob, for stores that filter by one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a glob that does not parse.
    pub fn path_patterns(&self) -> Result<Vec<String>> {
        self.paths.iter().flat_map(|glob| spellings(glob)).map(|glob| pattern(&glob)).collect()
    }

    /// Which documents of `segment` it lets through; `None` if all.
    pub(super) fn allowed(
        &self,
        segment: &SegmentReader,
        files: &Files,
        fields: &Fields,
    ) -> Result<Option<Vec<bool>>> {
        let mut allowed: Option<Vec<bool>> = None;
        let mut narrow = |one: Vec<bool>| {
            allowed = Some(match allowed.take() {
                Some(others) => others.iter().zip(one).map(|(a, b)| *a && b).collect(),
                None => one,
            });
        };
        for (field, names) in [(fields.language, &self.languages), (fields.kind, &self.kinds)] {
            if !names.is_empty() {
                narrow(with_any(segment, field, names)?);
            }
        }
        let matcher = self.path_matcher()?;
        if matcher.is_some() || self.only.is_some() {
            let of_files = files.matching(|path| {
                matcher.as_ref().is_none_or(|matcher| matcher.is_match(path))
                    && self.only.as_ref().is_none_or(|only| only.contains(path))
            })?;
            let documents = 0..segment.max_doc();
            narrow(documents.map(|doc| of_files[files.of_doc(doc) as usize]).collect());
        }
        Ok(allowed)
    }

    pub(super) fn path_matcher(&self) -> Result<Option<RegexSet>> {
        if self.paths.is_empty() {
            return Ok(None);
        }
        let set = RegexSet::new(self.path_patterns()?);
        set.map(Some).map_err(|error| Error::Invalid(format!("path filter: {error}")))
    }
}

/// Which documents have one of `names` in `field`.
fn with_any(segment: &SegmentReader, field: Field, names: &[String]) -> Result<Vec<bool>> {
    let mut found = vec![false; segment.max_doc() as usize];
    let inverted = segment.inverted_index(field)?;
    for name in names {
        let term = Term::from_field_text(field, name);
        let postings = inverted.read_postings(&term, IndexRecordOption::Basic);
        let Some(mut postings) = postings.map_err(Error::io("lexical index"))? else { continue };
        while postings.doc() != TERMINATED {
            found[postings.doc() as usize] = true;
            postings.advance();
        }
    }
    Ok(found)
}

/// What a glob as people write it means: itself, and everything below.
fn spellings(glob: &str) -> [String; 2] {
    let glob = glob.trim_start_matches("./").trim_end_matches('/');
    let anchored = match glob.strip_prefix('/') {
        Some(anchored) => anchored.to_owned(),
        None if glob.contains('/') => glob.to_owned(),
        None => format!("**/{glob}"),
    };
    let below = format!("{anchored}/**");
    [anchored, below]
}

/// The regular expression of a glob, over text.
fn pattern(glob: &str) -> Result<String> {
    let parsed = GlobBuilder::new(glob).literal_separator(true).build();
    let parsed =
        parsed.map_err(|error| Error::Invalid(format!("path filter {glob:?}: {error}")))?;
    Ok(over_text(parsed.regex()))
}

/// Turns an expression of globset, which is one over bytes, into one over text: there a character
/// beyond ASCII is written as its bytes. A line feed is a character of a name like any other.
fn over_text(regex: &str) -> String {
    let bytes = regex.strip_prefix("(?-u)").unwrap_or(regex).as_bytes();
    let mut out = b"(?s)".to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 2..at + 4).filter(|_| bytes[at..].starts_with(b"\\x"));
        let digits = escape.and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if !byte.is_ascii() => {
                out.push(byte);
                at += 4;
            }
            _ => {
                // An escaped backslash is not the start of another escape.
                let length = if bytes[at] == b'\\' { 2.min(bytes.len() - at) } else { 1 };
                out.extend_from_slice(&bytes[at..at + length]);
                at += length;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
