//! What a value looks like: random, words, or a place holder.

/// Shannon's entropy of the bytes, in bits a byte.
pub(super) fn entropy(bytes: &[u8]) -> f32 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    #[allow(clippy::cast_precision_loss)] // a value's length
    let length = bytes.len() as f32;
    let of = |count: &u32| {
        #[allow(clippy::cast_precision_loss)] // as above
        let share = *count as f32 / length;
        share * share.log2()
    };
    -counts.iter().filter(|count| **count > 0).map(of).sum::<f32>()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Other,
}

fn class(byte: u8) -> Class {
    match byte {
        b'a'..=b'z' => Class::Lower,
        b'A'..=b'Z' => Class::Upper,
        b'0'..=b'9' => Class::Digit,
        _ => Class::Other,
    }
}

/// How often small letters, capitals and digits take turns, as a share of all pairs of
/// neighbours. Random text comes to 0.4 (36 characters) to 0.6 (62 or 64), words to less than
/// 0.1, names with numbers in them to 0.2.
fn turns(bytes: &[u8]) -> f32 {
    let (mut pairs, mut turns) = (0_u16, 0_u16);
    for pair in bytes.windows(2).take(256) {
        let (one, other) = (class(pair[0]), class(pair[1]));
        if one != Class::Other && other != Class::Other {
            pairs += 1;
            turns += u16::from(one != other);
        }
    }
    f32::from(turns) / f32::from(pairs.max(1))
}

/// For each letter the letters that follow it in words: the pairs that make up 98.5 % of all in
/// the Python and Rust sources they were counted in.
const FOLLOWERS: [&str; 26] = [
    "abcdefghiklmnopqrstuvwxy",
    "abcdefijlorsuy",
    "abcdefhiklmoprstu",
    "abcdefgilorstuy",
    "abcdefgiklmnopqrstuvwxy",
    "abcdefgilmnorstu",
    "acdehilmnorstu",
    "aeimorstu",
    "abcdefgiklmnoprstvxz",
    "eosu",
    "aeins",
    "abdefilopstuvwy",
    "abdeilmnopstu",
    "acdefgiklmnoprstuvwy",
    "abcdefgiklmnoprstuvwx",
    "adehiloprstuy",
    "acu",
    "abcdefgiklmnoprstuvwy",
    "aceghiklmnoprstuwy",
    "abcdefhilmoprstuwy",
    "abcdefgilmnoprstu",
    "aeio",
    "acdehinors",
    "abcdefipt",
    "abceilmnoprst",
    "aei",
];

/// The pairs of [`FOLLOWERS`] as one bit each.
static IN_WORDS: [u32; 26] = {
    let mut masks = [0; 26];
    let mut letter = 0;
    while letter < 26 {
        let followers = FOLLOWERS[letter].as_bytes();
        let mut at = 0;
        while at < followers.len() {
            masks[letter] |= 1 << (followers[at] - b'a');
            at += 1;
        }
        letter += 1;
    }
    masks
};

/// How many pairs of letters that are neighbours in no word a value has, as a share of its pairs
/// of letters: about 0.5 in random text, next to nothing in names. A new hump is no pair.
fn odd_pairs(bytes: &[u8]) -> f32 {
    let (mut pairs, mut odd) = (0_u16, 0_u16);
    for pair in bytes.windows(2).take(256) {
        let (one, other) = (pair[0].to_ascii_lowercase(), pair[1].to_ascii_lowercase());
        let is_hump = pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase();
        if one.is_ascii_lowercase() && other.is_ascii_lowercase() && !is_hump {
            pairs += 1;
            odd += u16::from(IN_WORDS[usize::from(one - b'a')] & (1 << (other - b'a')) == 0);
        }
    }
    // Three letters prove nothing.
    if pairs < 6 { 0.0 } else { f32::from(odd) / f32::from(pairs) }
}

/// Whether a value that ought to be random is rather made of words.
///
/// Upstream asks a tokenizer's vocabulary how many tokens the value has; that vocabulary is
/// larger than this program, and turns and pairs tell the same two kinds apart.
pub(super) fn reads_as_words(bytes: &[u8]) -> bool {
    turns(bytes) < 0.12 && odd_pairs(bytes) < 0.15
}

/// Whether a value is random as a generated key is: long, and of letters and digits that take
/// turns, or of as many small letters as capitals, or of letters that are neighbours in no word,
/// or of many hexadecimal digits.
pub(super) fn is_random(value: &[u8]) -> bool {
    let count = |kind| value.iter().filter(|byte| class(**byte) == kind).count();
    let (lower, upper, digits) = (count(Class::Lower), count(Class::Upper), count(Class::Digit));
    let letters = lower + upper;
    if value.len() < 16
        || letters < 2
        || (digits + letters) * 4 < value.len() * 3
        || value.iter().any(u8::is_ascii_whitespace)
        || value.ends_with(b"...")
    {
        return false;
    }
    let is_hexadecimal = value.len() >= 32 && value.iter().all(u8::is_ascii_hexdigit);
    let is_mixed = value.len() >= 20 && lower.min(upper) * 100 >= letters * 28;
    entropy(value) >= 3.0
        && (digits >= 2 && (turns(value) >= 0.22 || is_hexadecimal)
            || is_mixed && turns(value) >= 0.3 && odd_pairs(value) >= 0.12
            || odd_pairs(value) >= 0.25)
}

/// Whether a value may be a name made of words and numbers, such as `Sha256X25519PublicKey`.
pub(super) fn has_humps(value: &[u8]) -> bool {
    turns(value) < 0.35 || odd_pairs(value) < 0.12
}

/// Whether a value is a date or begins with one.
fn is_date(value: &[u8]) -> bool {
    let is_digit = |at: usize| value.get(at).is_some_and(u8::is_ascii_digit);
    [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(is_digit) && value[4] == b'-' && value[7] == b'-'
}

/// Whether a value may be a password that somebody made up: neither a word nor a number nor
/// what the syntax of some language makes of a name.
pub(super) fn is_password(value: &[u8]) -> bool {
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    let digits = value.iter().any(u8::is_ascii_digit);
    let marks = value.iter().any(|byte| b"!@#$%^&*+=?~".contains(byte));
    (8..=128).contains(&value.len())
        && letters
        && (digits || marks)
        && !value.iter().any(|byte| byte.is_ascii_whitespace() || b"{}<>()[]\"'`".contains(byte))
        && entropy(value) >= 2.5
        && !is_date(value)
        && !holds_any(value, &NO_PASSWORDS)
}

/// Texts that are in no random value, but in those that stand for one.
const EXAMPLES: [&str; 8] = [
    "changeme",
    "example",
    "placeholder",
    "redacted",
    "replace",
    "abcdefgh",
    "0123456789",
    "xxxxxxxx",
];

/// Texts that are in no password that is worth one, and in many that stand for one.
const NO_PASSWORDS: [&str; 25] = [
    "localhost",
    "sha-256",
    "sha256",
    "sha512",
    "\\x",
    "\\u",
    "change_me",
    "change-me",
    "default",
    "dummy",
    "fake",
    "insert",
    "invalid",
    "mock",
    "passphrase",
    "passwd",
    "password",
    "sample",
    "secret",
    "todo",
    "xxxx",
    "your",
    "****",
    "....",
    "1234567",
];

fn holds_any(value: &[u8], words: &[&str]) -> bool {
    let lower = value.to_ascii_lowercase();
    words.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
}

/// The bytes that base64 stands for, as far as it goes.
pub(super) fn from_base64(text: &[u8]) -> Vec<u8> {
    let (mut bits, mut held, mut out) = (0_u32, 0, Vec::with_capacity(text.len()));
    for byte in text {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\n' | b'\r' | b' ' => continue,
            _ => break,
        };
        (bits, held) = (bits << 6 | u32::from(six), held + 6);
        if held >= 8 {
            held -= 8;
            out.push((bits >> held).to_le_bytes()[0]);
        }
    }
    out
}

/// Whether a value begins as a variable, a path or an option does.
pub(super) fn is_reference(value: &[u8]) -> bool {
    let starts = [&b"$"[..], b"/", b"./", b"../", b"~", b"-", b"%", b"#", b"@", b"&", b"*"];
    starts.iter().any(|start| value.starts_with(start))
}

/// Whether a value stands for another: a template, an example.
pub(super) fn is_place_holder(value: &[u8]) -> bool {
    let inner = [&b"${"[..], b"$(", b"{{", b"#{", b"%s", b"://", b"<%", b"::"];
    if inner.iter().any(|part| memchr::memmem::find(value, part).is_some()) {
        return true;
    }
    holds_any(value, &EXAMPLES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_text_is_told_from_names() {
        for random in [
            "9f86d081884c7d659a2feaa0c55ad015",
            "Zx9Kq2Lm7Rt4Wv1Yb8Nc",
            "k3j4h5g6f7d8s9a0q1w2e3r4",
            "b7Yt/2mQ9+xLk4Rv8sWz1A==",
        ] {
            assert!(is_random(random.as_bytes()), "{random}");
            assert!(!reads_as_words(random.as_bytes()), "{random}");
        }
        for name in [
            "get_user_by_id_v2_or_none",
            "AWSEntityResolutionConsoleFullAccess",
            "application/json; charset=utf8",
            "2024-02-29T12:00:00.000Z",
            "sentence-transformers-v2",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "1234567890123456789012345",
        ] {
            assert!(!is_random(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn entropy_is_that_of_bytes() {
        assert!(entropy(b"aaaa").abs() < 1e-6);
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-6);
        assert!(entropy(b"").abs() < 1e-6);
    }
}
