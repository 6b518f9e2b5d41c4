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

use super::{keys, values};

/// One kind of secret: its name, the words that announce it, and where it is if one was seen.
pub(super) struct Shape {
    pub name: &'static str,
    pub keywords: &'static [&'static str],
    pub find: Find,
}

/// Given the path, the text and the place of a keyword, the place of the secret.
type Find = fn(&str, &[u8], Range<usize>) -> Option<Range<usize>>;

/// All shapes.
pub(super) const SHAPES: [Shape; 7] = [
    Shape { name: "private-key", keywords: &["-----begin"], find: keys::private_key },
    Shape {
        name: "encoded-private-key",
        keywords: &["ls0tls1crudjti"],
        find: keys::encoded_private_key,
    },
    Shape { name: "url-password", keywords: &["://"], find: url_password },
    Shape { name: "airtable-token", keywords: &["pat"], find: airtable },
    Shape {
        name: "assigned-key",
        keywords: &["key\"", "key'", "key =", "key=", "key:"],
        find: assigned_key,
    },
    Shape {
        name: "assigned-password",
        keywords: &[
            "passw",
            "passphrase",
            "passcode",
            "pwd",
            "_pass",
            "-pass",
            ".pass",
            "pass=",
            "pass =",
            "pass\"",
            "pass'",
            "_pw",
        ],
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
            "api key",
            "access_key",
            "accesskey",
            "access-key",
            "access key",
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

/// A token of Airtable. What announces it is in every "path", so it is looked at by hand.
fn airtable(_: &str, text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    let dot = keyword.end + 14;
    if text.get(dot) != Some(&b'.') || !text[keyword.start..].starts_with(b"pat") {
        return None;
    }
    let digits = text.get(dot + 1..dot + 65)?;
    let is_token = text[keyword.end..dot].iter().all(u8::is_ascii_alphanumeric)
        && digits.iter().all(u8::is_ascii_hexdigit);
    is_token.then(|| keyword.start..dot + 65)
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
        && !is_example_url(password, &authority[at + 1..])
        && (host.is_ascii_alphanumeric() || *host == b'[')
        && !password.eq_ignore_ascii_case(user)
        && !values::is_reference(password)
        && !values::is_place_holder(password)
        && !password.iter().any(|byte| b"{}()[],;|".contains(byte))
        && !WORDS.iter().any(|word| password.eq_ignore_ascii_case(word.as_bytes()));
    is_secret.then(|| keyword.end + colon + 1..keyword.end + at)
}

/// Whether a URL only shows how one is written: its host is one that is nobody's, or the password
/// is words that say so.
fn is_example_url(password: &[u8], host: &[u8]) -> bool {
    let host = host.split(|byte| b":/?#".contains(byte)).next().unwrap_or_default();
    let is_words = password.iter().all(|byte| byte.is_ascii_lowercase() || b"_-".contains(byte));
    let is_reserved = [&b".example"[..], b".test", b".invalid"]
        .iter()
        .any(|end| host.ends_with(end))
        || [&b"example.com"[..], b"example.org", b"example.net", b"host", b"hostname", b"myhost"]
            .iter()
            .any(|name| {
                host == *name || host.strip_suffix(*name).is_some_and(|h| h.ends_with(b"."))
            });
    is_words
        && (is_reserved
            || ["secret", "passw", "passphrase"]
                .iter()
                .any(|word| memmem::find(password, word.as_bytes()).is_some()))
}

/// Passwords of URLs that show how a URL is written.
const WORDS: [&str; 18] = [
    "tiger", "thing", "pass", "pwd", "pw", "test", "testing", "user", "username", "admin", "token",
    "bar", "baz", "foo", "xxx", "password", "passwd", "hunter2",
];

/// Names of things about a secret that are not the secret itself.
const NOT_THE_SECRET: [&str; 25] = [
    "used",
    "date",
    "time",
    "length",
    "policy",
    "expires",
    "expiry",
    "hint",
    "label",
    "placeholder",
    "arn",
    "id",
    "ids",
    "name",
    "names",
    "url",
    "uri",
    "path",
    "file",
    "filename",
    "type",
    "kind",
    "prefix",
    "field",
    "header",
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
            r#"|[ \t]+(?:value|content)[ \t]*=|\r?\n[ \t]*["']?value["']?[ \t]*:"#,
            // The value follows in quotes: SQL, Gradle, prose.
            r#"|[ \t]+)"#,
            r#"[ \t]*(?:\r?\n[ \t]*)?"#,
            // What makes a text of a literal.
            r#"(?:(?:String::from|ConvertTo-SecureString(?: -String)?|Buffer\.from|Some|str|bytes"#,
            r#"|(?:new )?Secret\w{0,12})[ (]+)?"#,
            r#"(?:[a-zA-Z@]{0,2}["'`\\])?"#,
        ))
    });
    // A keyword may end in a sign.
    let is_sign = |byte: &&u8| !byte.is_ascii_alphanumeric();
    let signs = text[keyword.clone()].iter().rev().take_while(is_sign).count();
    let keyword = keyword.start..keyword.end - signs;
    if is_other_word(&text[keyword.clone()], text.get(keyword.end)) {
        return None;
    }
    let span = keyword.end..text.len().min(keyword.end + 256);
    let mut captures = TO_VALUE.create_captures();
    TO_VALUE.search_captures(&Input::new(text).span(span).anchored(Anchored::Yes), &mut captures);
    let found = captures.get_match()?;
    let name = captures.get_group_by_name("name").map_or(&b""[..], |name| &text[name.range()]);
    if last_word(name).is_some_and(is_not_the_secret) || is_mere_token(text, &keyword) {
        return None;
    }
    let value = match text[..found.end()].last()? {
        b'\\' | b'"' | b'\'' | b'`' if found.end() > keyword.end => quoted(text, found.end() - 1)?,
        _ if !takes_bare(path, &text[found.range()]) => return None,
        _ => bare(path, text, found.end(), password)?,
    };
    let secret = &text[value.clone()];
    // In a list of names one that says "password" is followed by another name, and the verb "pass"
    // by what is passed.
    let between = &text[found.range()];
    let is_listed = between.contains(&b',') && !is_last_argument(text, value.end);
    let is_verb = text[keyword.clone()].ends_with(b"pass")
        && !between.iter().any(|byte| b"=:,>".contains(byte));
    let is_secret = values::is_random(secret) && !(is_listed && values::has_humps(secret))
        || password
            && !is_listed
            && !is_verb
            && values::is_password(secret)
            && !values::is_reference(secret);
    (is_secret && !values::is_place_holder(secret)).then_some(value)
}

/// Names of keys that are no secrets.
const OPEN_KEYS: [&str; 20] = [
    "public",
    "pub",
    "primary",
    "foreign",
    "cache",
    "sort",
    "partition",
    "host",
    "ssh",
    "hash",
    "site",
    "publishable",
    "dict",
    "object",
    "s3",
    "row",
    "unique",
    "translation",
    "known",
    "peer",
];

/// The value of `key = "…"` where nothing says what the key is for: a long random text of letters
/// of both kinds and digits, in quotes, that is no public key.
fn assigned_key(_: &str, text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    let mut at = keyword.start + b"key".len();
    let rest = |at: usize| text.get(at).copied();
    while rest(at).is_some_and(|byte| b"\"' \t\\".contains(&byte)) {
        at += 1;
    }
    let is_sign = |byte: u8| b":=>".contains(&byte);
    let signs = text[at..].iter().take(3).take_while(|byte| is_sign(**byte)).count();
    at += signs;
    at += text[at..].iter().take(16).take_while(|byte| b" \t\\".contains(byte)).count();
    if signs == 0 || !matches!(rest(at)?, b'"' | b'\'' | b'`') {
        return None;
    }
    let data = &text[at + 1..text.len().min(at + 258)];
    let is_data = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
    let length = data.iter().take_while(|byte| is_data(byte)).count();
    let value = &data[..length];
    let closed = data.get(length).is_some_and(|byte| b"\"'`\\".contains(byte));
    let of_each = [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit]
        .iter()
        .all(|is| value.iter().any(is));
    let name = text[..keyword.start].iter().rev().take(40);
    let name = name.take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte));
    let name: Vec<u8> = name.map(u8::to_ascii_lowercase).collect();
    let is_open = OPEN_KEYS
        .iter()
        .any(|word| memmem::rfind(&name, &word.bytes().rev().collect::<Vec<u8>>()).is_some());
    let is_secret = closed
        && of_each
        && (24..=128).contains(&length)
        && !is_open
        && !value.starts_with(b"AAAA")
        && !value.starts_with(b"MI")
        && values::is_random(value)
        && !values::has_humps(value)
        && !values::is_place_holder(value);
    is_secret.then(|| at + 1..at + 1 + length)
}

/// Whether a short keyword is but a part of another word: `_passed`, `.passive`, `commit_pass2`.
fn is_other_word(keyword: &[u8], next: Option<&u8>) -> bool {
    let is_short = [&b"pass"[..], b"_pw"].iter().any(|short| {
        keyword
            .len()
            .checked_sub(short.len())
            .is_some_and(|start| start <= 1 && keyword[start..].eq_ignore_ascii_case(short))
    });
    let is_small = keyword.last().is_some_and(u8::is_ascii_lowercase);
    is_short
        && next.is_some_and(|byte| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || !is_small && byte.is_ascii_uppercase()
        })
}

/// Whether the literal that ends at `end` is the last of its call.
fn is_last_argument(text: &[u8], end: usize) -> bool {
    let rest = &text[end..text.len().min(end + 16)];
    let behind = rest.iter().skip_while(|byte| b"\"'`\\ \t".contains(byte));
    behind.copied().next() == Some(b')')
}

/// Words before "token" that make it a mark of a place or of a request.
const NO_TOKENS: [&[u8]; 15] = [
    b"next",
    b"continuation",
    b"page",
    b"paging",
    b"pagination",
    b"client",
    b"request",
    b"change",
    b"purchase",
    b"idempotency",
    b"cancellation",
    b"sync",
    b"starting",
    b"action",
    b"resume",
];

/// Whether the word at `keyword` is a token that opens nothing: `nextToken`, `page_token`.
fn is_mere_token(text: &[u8], keyword: &Range<usize>) -> bool {
    let before = text[..keyword.start].trim_ascii_end();
    let before = before.strip_suffix(b"_").or(before.strip_suffix(b"-")).unwrap_or(before);
    text[keyword.clone()].eq_ignore_ascii_case(b"token")
        && NO_TOKENS.iter().any(|word| {
            before
                .len()
                .checked_sub(word.len())
                .is_some_and(|start| before[start..].eq_ignore_ascii_case(word))
        })
}

/// Whether what stands between a name and a value without quotes is a sign of assignment: a comma
/// is followed by another argument, and a colon without a space by another part of a name.
fn takes_bare(path: &str, between: &[u8]) -> bool {
    let sign = between.trim_ascii_end();
    match sign.last() {
        Some(b'=' | b'>') => true,
        Some(b':') => sign.len() < between.len() || path.ends_with(".properties"),
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
            | "bat"
            | "cmd"
    )
}

pub(super) fn bytes_regex(pattern: &str) -> Regex {
    let syntax = regex_automata::util::syntax::Config::new().unicode(false).utf8(false);
    let config = regex_automata::meta::Config::new().utf8_empty(false);
    Regex::builder()
        .syntax(syntax)
        .configure(config)
        .build(pattern)
        .expect("a test runs every shape")
}
