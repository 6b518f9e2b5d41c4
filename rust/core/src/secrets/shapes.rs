//! Secrets that take more than an expression: where what surrounds a value says that it is one.
//!
//! The published collections have rules for these too, but as programs of their scanners' filter
//! languages, and made for reports that a person reads; what is redacted here must rather leave
//! ordinary code alone.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem;
use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};

use super::values;

/// One kind of secret: its name, the words that announce it, and where it is if one was seen.
pub(super) struct Shape {
    pub name: &'static str,
    pub keywords: &'static [&'static str],
    pub find: Find,
}

/// Given the path, the text and the place of a keyword, the place of the secret.
type Find = fn(&str, &[u8], Range<usize>) -> Option<Range<usize>>;

/// All shapes.
pub(super) const SHAPES: [Shape; 4] = [
    Shape { name: "private-key", keywords: &["-----begin"], find: private_key },
    Shape { name: "url-password", keywords: &["://"], find: url_password },
    Shape {
        name: "assigned-password",
        keywords: &["passw", "passphrase", "pwd"],
        find: |path, text, at| assigned(path, text, at, true),
    },
    Shape {
        name: "assigned-secret",
        keywords: &[
            "secret",
            "token",
            "api_key",
            "apikey",
            "api-key",
            "api.key",
            "access_key",
            "accesskey",
            "access-key",
            "private_key",
            "privatekey",
            "private-key",
            "auth_key",
            "authkey",
            "auth-key",
            "encryption_key",
            "encryptionkey",
            "encryption-key",
            "signing_key",
            "signingkey",
            "signing-key",
            "credential",
            "account_key",
            "accountkey",
            "master_key",
            "masterkey",
            "shared_key",
            "sharedkey",
        ],
        find: |path, text, at| assigned(path, text, at, false),
    },
];

/// The longest private key that is looked for, line breaks and quotes included.
const MAX_PRIVATE_KEY: usize = 64 << 10;

/// A run of base64 that only a key's own data has.
const KEY_RUN: usize = 40;

/// A private key in PEM or PGP armour, from its first line to its last; where the last line is
/// missing, to the end of the data.
fn private_key(_: &str, text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
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

/// The password of `scheme://user:password@host`.
fn url_password(_: &str, text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    if !text[..keyword.start].last()?.is_ascii_alphanumeric() {
        return None;
    }
    let rest = &text[keyword.end..text.len().min(keyword.end + 400)];
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/'\"`<>\\".contains(byte);
    let authority = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
    let at = memchr::memrchr(b'@', authority)?;
    let colon = memchr::memchr(b':', &authority[..at])?;
    let (user, password) = (&authority[..colon], &authority[colon + 1..at]);
    let host = authority.get(at + 1)?;
    let is_secret = password.len() >= 3
        && (host.is_ascii_alphanumeric() || *host == b'[')
        && !password.eq_ignore_ascii_case(user)
        && !values::is_reference(password)
        && !values::is_place_holder(password)
        && !password.iter().any(|byte| b"{}()[],;|".contains(byte))
        && !WORDS.iter().any(|word| password.eq_ignore_ascii_case(word.as_bytes()));
    is_secret.then(|| keyword.end + colon + 1..keyword.end + at)
}

/// Passwords of URLs that show how a URL is written.
const WORDS: [&str; 16] = [
    "pass", "pwd", "pw", "test", "testing", "user", "username", "admin", "token", "bar", "baz",
    "foo", "xxx", "password", "passwd", "hunter2",
];

/// Names of things about a secret that are not the secret itself.
const NOT_THE_SECRET: [&str; 15] = [
    "arn", "id", "ids", "name", "names", "url", "uri", "path", "file", "filename", "type", "kind",
    "prefix", "field", "header",
];

/// The value that is given to a name which says that it is a secret: `api_key = "…"`,
/// `"token": "…"`, `<password>…</password>`, `setSecret("…")`, `- name: TOKEN` / `value: …`.
fn assigned(
    path: &str,
    text: &[u8],
    keyword: Range<usize>,
    password: bool,
) -> Option<Range<usize>> {
    // From the word to the value, over the rest of the name, what closes it, a type and the sign
    // of assignment.
    static TO_VALUE: LazyLock<Regex> = LazyLock::new(|| {
        bytes_regex(concat!(
            r#"(?P<name>[\w.-]{0,40})\\?["'`\])]{0,3}[ \t]{0,16}"#,
            r#"(?:(?::[ \t]*[\w&<>'\[\]. |*?]{1,40}[ \t]*)?"#,
            r#"(?::=|=>|={1,3}|!==?|:|,|\(|>|<-|\|\||\?\?)"#,
            r#"(?:[ \t]*(?:\r?\n[ \t]*)?\\?["']?value\\?["']?[ \t]*[=:])?"#,
            r#"|[ \t]+(?:value|content)[ \t]*=|\r?\n[ \t]*["']?value["']?[ \t]*:)"#,
            r#"[ \t]*(?:\r?\n[ \t]*)?(?:[a-zA-Z@]{0,2}["'`\\])?"#,
        ))
    });
    let span = keyword.end..text.len().min(keyword.end + 256);
    let mut captures = TO_VALUE.create_captures();
    TO_VALUE.search_captures(&Input::new(text).span(span).anchored(Anchored::Yes), &mut captures);
    let found = captures.get_match()?;
    let name = captures.get_group_by_name("name").map_or(&b""[..], |name| &text[name.range()]);
    if last_word(name).is_some_and(is_not_the_secret) {
        return None;
    }
    let value = match text[..found.end()].last()? {
        b'\\' | b'"' | b'\'' | b'`' if found.end() > keyword.end => quoted(text, found.end() - 1)?,
        _ if !takes_bare(&text[found.range()]) => return None,
        _ => bare(path, text, found.end(), password)?,
    };
    let secret = &text[value.clone()];
    let is_secret = values::is_random(secret)
        || password && values::is_password(secret) && !values::is_reference(secret);
    (is_secret && !values::is_place_holder(secret)).then_some(value)
}

/// Whether what stands between a name and a value without quotes is a sign of assignment: a comma
/// is followed by another argument, and a colon without a space by another part of a name.
fn takes_bare(between: &[u8]) -> bool {
    let sign = between.trim_ascii_end();
    match sign.last() {
        Some(b'=' | b'>') => true,
        Some(b':') => sign.len() < between.len(),
        _ => false,
    }
}

/// The last word of what is left of a name: `Id` of `TokenId`, `id` of `token_id`.
fn last_word(name: &[u8]) -> Option<&[u8]> {
    let start = name.iter().rposition(|byte| b"_.-".contains(byte) || byte.is_ascii_uppercase());
    let word = match start {
        Some(at) if name[at].is_ascii_uppercase() => {
            // A name in capitals has no humps.
            let capitals = name[..at].iter().rev().take_while(|byte| byte.is_ascii_uppercase());
            &name[at - capitals.count()..]
        }
        Some(at) => &name[at + 1..],
        None => name,
    };
    (!word.is_empty()).then_some(word)
}

fn is_not_the_secret(word: &[u8]) -> bool {
    NOT_THE_SECRET.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// What is between the quote at `open` (or the one escaped there) and the one that closes it on
/// the same line, or in the next lines of a literal of three quotes.
fn quoted(text: &[u8], open: usize) -> Option<Range<usize>> {
    let escaped = text[open] == b'\\';
    let quote = *text.get(open + usize::from(escaped)).filter(|byte| b"\"'`".contains(byte))?;
    let mut start = open + usize::from(escaped) + 1;
    if text[start..].starts_with(&[quote, quote]) {
        start += 2;
        start += text[start..].iter().take(4).take_while(|byte| byte.is_ascii_whitespace()).count();
    }
    let rest = &text[start..text.len().min(start + 1024)];
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' if escaped => break,
            b'\\' => at += 1,
            b'\n' | b'\r' => break,
            _ if byte == quote => break,
            _ => {}
        }
        at += 1;
    }
    (at > 0 && at <= rest.len()).then(|| start..start + at)
}

/// A value without quotes. In a programming language that is an expression, unless it is random
/// and stands right there; in a file of settings it is a text.
fn bare(path: &str, text: &[u8], start: usize, password: bool) -> Option<Range<usize>> {
    let rest = &text[start..text.len().min(start + 512)];
    let is_text = is_settings(path);
    let ends = |byte: &u8| {
        if is_text && password {
            byte.is_ascii_whitespace() || b"'\"`;,<".contains(byte)
        } else {
            !(byte.is_ascii_alphanumeric() || b"+/=_.~%-".contains(byte))
        }
    };
    let end = rest.iter().position(ends).unwrap_or(rest.len());
    let value = &rest[..end];
    // `key=0x1F…` is a number, and `a.b2.c` an expression.
    let is_expression =
        !is_text && (value.len() < 20 || value.contains(&b'.') || value.starts_with(b"0x"));
    (!is_expression && !value.is_empty()).then(|| start..start + end)
}

/// Whether a file holds settings rather than a program.
fn is_settings(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((_, end)) = name.rsplit_once('.') else { return true };
    let end = end.to_ascii_lowercase();
    matches!(
        end.as_str(),
        "yml"
            | "yaml"
            | "properties"
            | "ini"
            | "conf"
            | "cnf"
            | "cfg"
            | "config"
            | "env"
            | "toml"
            | "sh"
            | "bash"
            | "zsh"
            | "fish"
            | "txt"
            | "md"
            | "rst"
            | "adoc"
            | "tf"
            | "hcl"
            | "example"
            | "sample"
            | "template"
            | "dist"
            | "xml"
            | "plist"
            | "html"
            | "log"
            | "service"
            | "netrc"
            | "npmrc"
            | "envrc"
            | "dockerfile"
    )
}

/// The values of a Kubernetes `Secret`, which need no name that says so.
pub(super) fn kubernetes_secrets(path: &str, text: &[u8], mut found: impl FnMut(Range<usize>)) {
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

fn bytes_regex(pattern: &str) -> Regex {
    let syntax = regex_automata::util::syntax::Config::new().unicode(false).utf8(false);
    let config = regex_automata::meta::Config::new().utf8_empty(false);
    Regex::builder()
        .syntax(syntax)
        .configure(config)
        .build(pattern)
        .expect("a test runs every shape")
}
