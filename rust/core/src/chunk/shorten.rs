//! Statements, heads of functions and rows of numbers, shortened before a text of C is parsed.
//!
//! A function that is too large for one chunk is cut between its statements, and of a function
//! whose body is left out the parser need not see the parameters. Where these begin and end is all
//! that is asked of the tree: it gets a number for each statement and each condition, and one type
//! for all of a list of parameters. A table that is too large is cut between its lines, and gets one
//! number for those of a line.

use std::ops::Range;

use super::lexical::{Part, after_literal, is_inner};

/// What is shorter is parsed as fast as it is replaced.
const MIN_BYTES: usize = 8;

/// A longer statement might be too large for one chunk, and would be opened: a byte is a term at
/// most.
const MAX_BYTES: usize = 256;

/// An expression, and a parameter, whatever stands around it: a name could be either, and the
/// parser would follow both ways.
const NUMBER: &str = "0";
const TYPE: &str = "int";

/// Words that stand for several statements or a part of one, wherever they are.
const STRUCTURE: &[&[u8]] =
    &[b"if", b"else", b"for", b"do", b"while", b"switch", b"case", b"default"];

/// Words before brackets or names that are no types.
const NO_TYPES: &[&[u8]] = &[b"return", b"goto", b"else", b"do", b"case", b"sizeof", b"typeof"];

/// Words of a type that stand beside its name, or in its place, and what may stand before them.
const BUILT_IN: &[&[u8]] =
    &[b"void", b"int", b"char", b"long", b"short", b"unsigned", b"signed", b"float", b"double"];
const TAGS: &[&[u8]] = &[b"struct", b"union", b"enum"];
const BESIDE: &[&[u8]] = &[b"static", b"extern", b"inline", b"const", b"volatile"];

/// Adds to `found` what is shortened of the statement in `range`, or of the conditions that a
/// statement begins with; `ended` tells whether it is whole, and no block follows.
pub(super) fn statement(text: &[u8], range: Range<usize>, ended: bool, found: &mut Vec<Part>) {
    let end = range.end;
    let mut at = after_blanks(text, range);
    loop {
        let word = word_at(&text[at..end]);
        let behind = after_blanks(text, at + word.len()..end);
        match word {
            b"else" if behind > at + word.len() => at = behind,
            b"if" | b"while" | b"switch" => {
                let Some(close) = closing(text, behind..end) else { return };
                add(behind + 1..close, NUMBER, found);
                at = after_blanks(text, close + 1..end);
            }
            // A label.
            [_, ..] if text[behind..end].starts_with(b":") => {
                at = after_blanks(text, behind + 1..end);
            }
            _ => break,
        }
    }
    let mut words = text[at..end].split(|byte| !is_inner(*byte));
    if ended && words.all(|word| !STRUCTURE.contains(&word)) && is_balanced(text, at..end) {
        add(at..end, NUMBER, found);
    }
}

/// Whether `head` is that of a structure, union or enumeration, and of no function that returns one.
pub(super) fn is_record(head: &[u8]) -> bool {
    let before = head.split(|byte| *byte == b'(').next().unwrap_or_default();
    let words = before.split(|byte| !is_inner(*byte)).filter(|word| !word.is_empty());
    let mut words = words.skip_while(|word| BESIDE.contains(word) || *word == b"typedef");
    if !words.next().is_some_and(|word| TAGS.contains(&word)) || before.contains(&b'*') {
        return false;
    }
    // An attribute may have brackets as a function has, and stand where its name would.
    let last = words.skip(1).last();
    last.is_none_or(|word| word.starts_with(b"__") || !word.iter().any(u8::is_ascii_lowercase))
}

/// Adds to `found` the parameters of the function that is declared in `range`, if it is sure to be
/// one: what looks like a call of a macro may define something that its arguments name.
pub(super) fn declaration(text: &[u8], range: Range<usize>, found: &mut Vec<Part>) {
    let start = after_blanks(text, range.clone());
    let Some(open) = memchr::memchr(b'(', &text[start..range.end]).map(|at| start + at) else {
        return;
    };
    let Some(close) = closing(text, open..range.end) else { return };
    let is_last = text[close + 1..range.end].trim_ascii().is_empty();
    let inside = open + 1..close;
    let several = memchr::memchr2(b' ', b',', &text[inside.clone()]).is_some();
    if !is_last || !several || word_at(&text[inside.clone()]).is_empty() {
        return;
    }
    let before = text[start..open].trim_ascii_end();
    let length = before.iter().rev().take_while(|byte| is_inner(**byte)).count();
    let (result, name) = before.split_at(before.len() - length);
    if is_type(result) && name.iter().any(u8::is_ascii_lowercase) {
        add(inside, TYPE, found);
    }
}

/// Adds to `found` the rows of numbers in `range`, line by line: a table is cut between lines.
///
/// One number may stand for several with commas between them wherever these may stand.
pub(super) fn numbers(text: &[u8], range: Range<usize>, found: &mut Vec<Part>) {
    let mut at = range.start;
    while let Some(next) = text[at..range.end].iter().position(u8::is_ascii_digit) {
        let start = at + next;
        let first = start + number_length(&text[start..range.end]);
        let mut end = first;
        while let Some(length) = more_length(&text[end..range.end]) {
            end += length;
        }
        // Within a word there is no number.
        if end > first && (start == 0 || !is_inner(text[start - 1])) {
            add(start..end, NUMBER, found);
        }
        at = end;
    }
}

/// The length of the number that `text` begins with.
fn number_length(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_inner(**byte) || **byte == b'.').count()
}

/// The length of a comma and a number in the same line that `text` begins with, blanks included.
fn more_length(text: &[u8]) -> Option<usize> {
    let blanks =
        |from: usize| text[from..].iter().take_while(|it| matches!(it, b' ' | b'\t')).count();
    let comma = blanks(0);
    let sign = (text.get(comma) == Some(&b',')).then(|| comma + 1 + blanks(comma + 1))?;
    let number = sign + usize::from(text.get(sign) == Some(&b'-'));
    let is_number = text.get(number).is_some_and(u8::is_ascii_digit);
    is_number.then(|| number + number_length(&text[number..]))
}

/// Whether `text` is one type and nothing else. With a macro among its words the parser has to
/// guess which of them is what, and where it is the parameters that tell it, it needs them.
fn is_type(text: &[u8]) -> bool {
    if !text.iter().all(|byte| is_plain(*byte)) {
        return false;
    }
    let words = text.split(|byte| !is_inner(*byte)).filter(|word| !word.is_empty());
    let words: Vec<&[u8]> = words.filter(|word| !BESIDE.contains(word)).collect();
    match words.as_slice() {
        [tag, _] if TAGS.contains(tag) => true,
        [word] => !NO_TYPES.contains(word),
        words => !words.is_empty() && words.iter().all(|word| BUILT_IN.contains(word)),
    }
}

/// What types of results consist of.
fn is_plain(byte: u8) -> bool {
    is_inner(byte) || byte == b'*' || byte.is_ascii_whitespace()
}

fn add(bytes: Range<usize>, stand_in: &'static str, found: &mut Vec<Part>) {
    if (MIN_BYTES..=MAX_BYTES).contains(&bytes.len()) {
        found.push(Part { bytes, stand_in });
    }
}

/// The first byte in `range` that is no blank, or its end.
fn after_blanks(text: &[u8], range: Range<usize>) -> usize {
    range.end - text[range].trim_ascii_start().len()
}

/// The word that `text` begins with; empty if it begins with none.
fn word_at(text: &[u8]) -> &[u8] {
    let length = text.iter().take_while(|byte| is_inner(**byte)).count();
    if text.first().is_some_and(u8::is_ascii_digit) { &[] } else { &text[..length] }
}

/// Where the bracket is that closes the one that `range` begins with.
fn closing(text: &[u8], range: Range<usize>) -> Option<usize> {
    if text[range.clone()].first() != Some(&b'(') {
        return None;
    }
    let (mut at, mut depth) = (range.start, 0_usize);
    while at < range.end {
        match text[at] {
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(at),
            b')' => depth -= 1,
            quote @ (b'"' | b'\'') => {
                at = after_literal(text, at + 1, quote)?;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Whether all round brackets in `range` are closed in it.
fn is_balanced(text: &[u8], range: Range<usize>) -> bool {
    let mut at = range.start;
    while let Some(next) = memchr::memchr2(b'(', b')', &text[at..range.end]) {
        match closing(text, at + next..range.end) {
            Some(close) => at = close + 1,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of `text`.
    fn shortened(text: &str, parts: &[Part]) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for part in parts.iter().rev() {
            bytes.splice(part.bytes.clone(), part.stand_in.bytes());
        }
        String::from_utf8(bytes).expect("still a text")
    }

    fn of_statement(text: &str, ended: bool) -> String {
        let mut found = Vec::new();
        statement(text.as_bytes(), 0..text.len(), ended, &mut found);
        shortened(text, &found)
    }

    fn of_declaration(text: &str) -> String {
        let mut found = Vec::new();
        declaration(text.as_bytes(), 0..text.len(), &mut found);
        shortened(text, &found)
    }

    #[test]
    fn a_statement_is_a_number_and_so_is_a_condition() {
        assert_eq!(of_statement("\n\tfirst(a, \")\");", true).trim(), "0");
        assert_eq!(
            of_statement(" if (first(a) && b(')'))\n\t\treturn second(a)", true),
            " if (0)\n\t\t0"
        );
        assert_eq!(of_statement(" else if (first(a) && b) ", false), " else if (0) ");
        assert_eq!(of_statement("struct s *first = second", true), "0");
    }

    #[test]
    fn what_is_no_statement_of_its_own_stays() {
        for text in
            ["for (first = 0", "case FIRST: second(a)", "i++) second(third)", "do second(a)"]
        {
            assert_eq!(of_statement(text, true), text);
        }
        assert_eq!(of_statement("for_each_first(a, second) ", false), "for_each_first(a, second) ");
        let long = format!("first({})", "a, ".repeat(MAX_BYTES));
        assert_eq!(of_statement(&long, true), long);
    }

    fn of_values(text: &str) -> String {
        let mut found = Vec::new();
        numbers(text.as_bytes(), 0..text.len(), &mut found);
        shortened(text, &found)
    }

    #[test]
    fn the_numbers_of_a_line_are_one() {
        assert_eq!(of_values(" 0x00A0, 0x00a1,\t-12 , 1.5f,\n 1, 2, 3, 4"), " 0,\n 0");
        assert_eq!(of_values("1000, 2000 + A, [3] = 4000, 5000"), "0 + A, [3] = 0");
        for text in ["12345678", "A1000, B2000", "1, 2, 3", "1000 + 2000", "1000,\n2000", "1000, A"]
        {
            assert_eq!(of_values(text), text);
        }
    }

    #[test]
    fn a_record_is_no_function_that_returns_one() {
        for head in [
            "struct s ",
            "typedef struct __attribute__((packed)) ",
            "union ALIGNED(8) ",
            "static const struct s __aligned(8) ",
            "enum ",
        ] {
            assert!(is_record(head.as_bytes()), "{head}");
        }
        for head in
            ["struct s f(int a) ", "static struct s *__f(int a) ", "if (struct_a) ", "int f() "]
        {
            assert!(!is_record(head.as_bytes()), "{head}");
        }
    }

    #[test]
    fn parameters_are_one_type() {
        assert_eq!(
            of_declaration("static struct s *f(struct a *b,\n\tint c)\n"),
            "static struct s *f(int)\n"
        );
        assert_eq!(of_declaration("unsigned long f(struct a *b)"), "unsigned long f(int)");
        assert_eq!(of_declaration("const a_t *f(struct a *b)"), "const a_t *f(int)");
        assert_eq!(of_declaration("int f(int (*g)(int), char c)"), "int f(int)");
    }

    #[test]
    fn what_may_be_a_macro_stays() {
        for text in [
            "SYSCALL_DEFINE2(open, int, flags)",
            "static DEFINE_PER_CPU(struct s, name)",
            "static define_it(struct s, name)",
            "static int __must_check f(struct a *b, int c)",
            "DEFINE_IT(a) int f(struct a *b, int c)",
            "int (*f)(struct a *b, int c)",
            "int f(struct a *b) __attribute__((x))",
            "typedef int f_t[sizeof(struct a) * 2]",
            "int x = f(struct_a, second)",
            "return f(struct_a, second)",
        ] {
            assert_eq!(of_declaration(text), text);
        }
    }
}
