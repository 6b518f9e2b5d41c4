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

/// Whether a value that ought to be random is rather made of words.
///
/// Upstream asks a tokenizer's vocabulary how many tokens the value has; that vocabulary is
/// larger than this program, and turns tell the same two kinds apart.
pub(super) fn reads_as_words(bytes: &[u8]) -> bool {
    turns(bytes) < 0.12
}

/// Whether a value is random as a generated key is: long, of letters and digits that take turns,
/// or else of small letters and about as many capitals, which no name has.
pub(super) fn is_random(value: &[u8]) -> bool {
    let count = |kind| value.iter().filter(|byte| class(**byte) == kind).count();
    let (lower, upper, digits) = (count(Class::Lower), count(Class::Upper), count(Class::Digit));
    let letters = lower + upper;
    let is_token = value.len() >= 16 && letters >= 2 && (digits + letters) * 4 >= value.len() * 3;
    let is_mixed = value.len() >= 20 && lower.min(upper) * 100 >= letters * 28;
    is_token
        && entropy(value) >= 3.0
        && (digits >= 2 && turns(value) >= 0.22 || is_mixed && turns(value) >= 0.3)
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
}

/// Texts that are in no secret and in many place holders.
const PLACE_HOLDERS: [&str; 24] = [
    "changeme",
    "change_me",
    "change-me",
    "default",
    "dummy",
    "example",
    "fake",
    "insert",
    "invalid",
    "mock",
    "passphrase",
    "passwd",
    "password",
    "placeholder",
    "redacted",
    "replace",
    "sample",
    "secret",
    "todo",
    "xxxx",
    "your",
    "****",
    "....",
    "1234567",
];

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
    let lower = value.to_ascii_lowercase();
    PLACE_HOLDERS.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
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
