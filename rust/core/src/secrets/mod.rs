//! Secrets: files that are never read, and texts that are never stored.
//!
//! Files whose *name* says that they hold secrets are skipped by the scan (`names.rs`). The text of
//! every other file is *redacted* before it is chunked, so that neither chunks nor symbols, terms
//! or vectors ever see a secret. Three things find one:
//!
//! - the rules of Betterleaks (`rules/betterleaks.rules`): tokens that show by their form, or by
//!   the name of a service beside them, what they are. They are data with licence and origin,
//!   remade from a package by `tools/secret_rules.py`. The scanners that exist as crates were no
//!   choice: `kingfisher-rules` needs Vectorscan, a tokenizer's vocabulary and a newer Rust, and
//!   `ripsecrets` knows 30 kinds.
//! - a few rules of our own in the same form (`rules/own.rules`);
//! - shapes (`shapes.rs`, `keys.rs`, `kubernetes.rs`): private keys, passwords in URLs, values given
//!   to names such as `api_key`, all values of a Kubernetes `Secret`.
//!
//! One pass over the text (`words.rs`) finds the words by which rules and shapes are announced; only
//! then, and only around such a word, an expression runs. Expressions are compiled when first
//! needed. All take linear time, and what they may read in all is bounded by the text's length.

mod keys;
mod kubernetes;
mod names;
mod rules;
mod shapes;
mod values;
mod words;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::digest::Digest;
use crate::error::{Error, Result};

use rules::{Keywords, RULES, Token};
use shapes::SHAPES;

/// Changes whenever the redactions of any text or the names that are left out change; part of the
/// index fingerprint, as is [`rules_digest`].
pub const SECRETS_VERSION: u32 = 2;

/// What stands in a text where a secret stood. It says neither what it was nor how long, and most
/// languages still parse what surrounds it.
pub const MARKER: &str = "[redacted]";

/// One secret of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The line it begins in, from 1.
    pub line: u32,
    /// The rule that found it.
    pub rule: &'static str,
}

/// A text without its secrets.
#[derive(Debug)]
pub struct Redacted<'a> {
    /// The text; it has as many lines as before.
    pub text: Cow<'a, str>,
    /// What was redacted, in order.
    pub findings: Vec<Finding>,
}

static KEYWORDS: LazyLock<Keywords> = LazyLock::new(|| {
    let shapes: Vec<&[&str]> = SHAPES.iter().map(|shape| shape.keywords).collect();
    Keywords::of(&RULES.all, &shapes)
});

/// A digest of all rules.
pub fn rules_digest() -> Digest {
    Digest::of_fields("hybridx secret rules v1", rules::collections())
}

/// Which files are looked at for secrets: all, but for those somebody allows to be stored whole.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    off: bool,
    allowed: Option<Arc<Gitignore>>,
}

impl Policy {
    /// Looks at every file unless `redact` is false, except those that match `allow`, patterns as
    /// in a `.gitignore` file at the root.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a pattern that does not parse.
    pub fn new(redact: bool, allow: &[String]) -> Result<Self> {
        let mut builder = GitignoreBuilder::new("");
        for pattern in allow {
            let added = builder.add_line(None, pattern);
            added
                .map_err(|error| Error::Invalid(format!("secrets_allow: {pattern:?}: {error}")))?;
        }
        let allowed = builder.build();
        let allowed = allowed.map_err(|error| Error::Invalid(format!("secrets_allow: {error}")))?;
        Ok(Self { off: !redact, allowed: (!allowed.is_empty()).then(|| Arc::new(allowed)) })
    }

    fn looks_at(&self, path: &str) -> bool {
        let allowed = self
            .allowed
            .as_ref()
            .is_some_and(|allowed| allowed.matched_path_or_any_parents(path, false).is_ignore());
        !self.off && !allowed
    }

    /// Why the file at `path` is never to be read, judged by its name alone.
    pub fn sensitive(&self, path: &str) -> Option<&'static str> {
        names::sensitive_name(path).filter(|_| self.looks_at(path))
    }

    /// The text of the file at `path` without its secrets.
    pub fn redact<'a>(&self, path: &str, text: &'a str) -> Redacted<'a> {
        if self.looks_at(path) {
            redact(path, text)
        } else {
            Redacted { text: Cow::Borrowed(text), findings: Vec::new() }
        }
    }
}

/// Takes the secrets out of the text of the file at `path`.
///
/// Equal texts at equal paths give equal results. What was redacted is looked through again until
/// nothing is found: redacting twice is redacting once.
pub fn redact<'a>(path: &str, text: &'a str) -> Redacted<'a> {
    let mut redacted = Redacted { text: Cow::Borrowed(text), findings: Vec::new() };
    let mut work = Work { left: text.len().saturating_mul(WORK_FACTOR) + MIN_WORK };
    loop {
        let secrets = find(path, redacted.text.as_bytes(), &mut work);
        if work.left == 0 {
            // Nobody can tell what else is in it.
            let lines = text.bytes().filter(|byte| *byte == b'\n').count();
            redacted.text = Cow::Owned(MARKER.to_owned() + &"\n".repeat(lines));
            redacted.findings = vec![Finding { line: 1, rule: "too-dense" }];
            return redacted;
        }
        if secrets.is_empty() {
            redacted.findings.sort_unstable();
            return redacted;
        }
        redacted.text = Cow::Owned(replaced(&redacted.text, &secrets, &mut redacted.findings));
    }
}

/// How often the rules may read a text in all, beyond the one pass for their keywords. Source
/// takes less than one.
const WORK_FACTOR: usize = 64;
const MIN_WORK: usize = 8 << 20;

/// Bytes that rules may still read.
struct Work {
    left: usize,
}

#[derive(Clone, Debug)]
struct Secret {
    place: Range<usize>,
    rule: &'static str,
}

/// All secrets of a text, in order and apart from each other.
fn find(path: &str, text: &[u8], work: &mut Work) -> Vec<Secret> {
    let mut found = Vec::new();
    let mut windows: Vec<(u16, Range<usize>)> = Vec::new();
    let mut token = Token::default();
    let rules = &RULES.all;
    for hit in KEYWORDS.words.find(text) {
        for &number in &KEYWORDS.waiting[hit.word] {
            match rules.get(usize::from(number)) {
                Some(rule) if rule.applies_to(path) => {
                    windows.push((number, rule.window(text, hit.place.clone(), &mut token)));
                }
                Some(_) => {}
                None => {
                    let shape = &SHAPES[usize::from(number) - rules.len()];
                    if let Some(place) = (shape.find)(path, text, hit.place.clone()) {
                        found.push(Secret { place, rule: shape.name });
                    }
                }
            }
        }
    }
    kubernetes::secrets(path, text, |place| {
        found.push(Secret { place, rule: "kubernetes-secret" });
    });
    for (number, window) in joined(windows) {
        let rule = &rules[usize::from(number)];
        work.left = work.left.saturating_sub(window.len());
        if work.left == 0 {
            return Vec::new();
        }
        let mut rest = window.clone();
        while let Some(place) = rule.find(text, &rest) {
            rest.start = place.end.max(rest.start + 1);
            found.push(Secret { place, rule: rule.name });
        }
    }
    apart(text, found)
}

/// Windows of the same rule that touch become one.
fn joined(mut windows: Vec<(u16, Range<usize>)>) -> Vec<(u16, Range<usize>)> {
    windows.sort_unstable_by_key(|(number, window)| (*number, window.start));
    let mut joined: Vec<(u16, Range<usize>)> = Vec::with_capacity(windows.len());
    for (number, window) in windows {
        match joined.last_mut() {
            Some((last, place)) if *last == number && window.start <= place.end => {
                place.end = place.end.max(window.end);
            }
            _ => joined.push((number, window)),
        }
    }
    joined
}

/// The secrets in order, each as long as the token it is part of, those that touch as one.
fn apart(text: &[u8], mut found: Vec<Secret>) -> Vec<Secret> {
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+/=.~%".contains(byte);
    for secret in &mut found {
        // A rule that knows the first forty characters of a token is no reason to keep the rest.
        if text[secret.place.clone()].last().is_some_and(in_token) {
            let rest = &text[secret.place.end..];
            secret.place.end += rest.iter().take_while(|byte| in_token(byte)).count();
        }
        while secret.place.start > 0 && is_inside_character(text, secret.place.start) {
            secret.place.start -= 1;
        }
        while is_inside_character(text, secret.place.end) {
            secret.place.end += 1;
        }
    }
    found.retain(|secret| !is_only_marker(&text[secret.place.clone()]));
    // The published rules say best what a secret is; they come after the shapes.
    found.reverse();
    found.sort_by_key(|secret| secret.place.start);
    let mut apart: Vec<Secret> = Vec::with_capacity(found.len());
    for secret in found {
        match apart.last_mut() {
            Some(last) if secret.place.start < last.place.end => {
                last.place.end = last.place.end.max(secret.place.end);
            }
            _ => apart.push(secret),
        }
    }
    apart
}

fn is_inside_character(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80)
}

/// Whether nothing is left of a text without its markers and what cannot be told from it.
fn is_only_marker(secret: &[u8]) -> bool {
    let marker = MARKER.as_bytes();
    let mut rest = secret;
    let mut kept = 0;
    while let Some(at) = memchr::memmem::find(rest, marker) {
        kept += rest[..at].iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
        rest = &rest[at + marker.len()..];
    }
    kept + rest.iter().filter(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii()).count() == 0
}

/// The text with a marker for each secret, behind it the line breaks that were in the secret.
fn replaced(text: &str, secrets: &[Secret], findings: &mut Vec<Finding>) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut at, mut line) = (0, 1);
    let breaks = |part: &str| part.bytes().filter(|byte| *byte == b'\n').count();
    for secret in secrets {
        // Ends of places lie between characters, so nothing is lost where they are looked up.
        let before = text.get(at..secret.place.start).unwrap_or_default();
        let lines = breaks(text.get(secret.place.clone()).unwrap_or_default());
        line += breaks(before);
        findings.push(Finding { line: u32::try_from(line).unwrap_or(u32::MAX), rule: secret.rule });
        out.push_str(before);
        out.push_str(MARKER);
        out.extend(std::iter::repeat_n('\n', lines));
        line += lines;
        at = secret.place.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}
