//! Blocks that are left out before a text is parsed.
//!
//! Most of the time of an index goes to parsers, and most of what they parse is the inside of
//! functions that stay whole: nobody looks at its tree. A scanner that knows only comments,
//! literals and brackets finds these blocks many times faster than a parser, which then finds a
//! blank where they were; the tree is told afterwards what was left out, so places stay.
//!
//! It may miss a block but not mistake one: whoever opens a node whose inside was left out takes
//! the text apart anew, with nothing left out. Where the parser would have lost its way inside a
//! block, behind a macro that looks like no C, it no longer does.
//!
//! Of what is left of C, statements, heads of functions and rows of numbers are shortened
//! ([`super::shorten`]). Nobody would notice that something else was taken for one: only what is sure
//! to be one is.

use std::ops::Range;

use super::budget::{MAX_CHUNK, MAX_DOCUMENTED};
use super::lexical::{
    Part, after_comment, after_directive, after_literal, begins_line, ends_with_word,
    separates_digits,
};
use super::lines::Lines;
use super::rules::Lexis;
use super::shorten;

/// Less than this between two brackets is parsed as fast as it is blanked.
const MIN_BYTES: usize = 16;

/// The insides of blocks in curly brackets that the budget leaves whole, and what else is left out,
/// ascending and disjoint, in a text whose comments, literals and directives are as `lexis` says.
///
/// A block with a directive in it is left alone: `#else` may stand between two brackets that open
/// the same block.
pub(super) fn parts(lines: &Lines, lexis: Lexis) -> Vec<Part> {
    let text = lines.text.as_bytes();
    let mut scanner = Scanner::new(lines, lexis);
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(next_stop) {
        let stop = at + next;
        scanner.values(at..stop);
        at = match text[stop] {
            b'{' => scanner.open(stop),
            b'}' => scanner.close(stop),
            b';' => {
                scanner.shorten(stop, true);
                let end = scanner.end(stop);
                scanner.begin(end)
            }
            b'#' if begins_line(&text[..stop]) => {
                scanner.directive = stop;
                let end = scanner.end(after_directive(text, stop + 1));
                scanner.begin(end)
            }
            b'/' => match after_comment(text, stop) {
                Some(end) => scanner.comment(stop, end),
                None => stop + 1,
            },
            quote @ (b'"' | b'\'') if !separates_digits(text, stop) => {
                match after_literal(text, stop + 1, quote) {
                    Some(end) => end,
                    // From here on no bracket is sure to be one.
                    None => return scanner.closed(),
                }
            }
            b'`' if lexis == Lexis::Go => match memchr::memchr(b'`', &text[stop + 1..]) {
                Some(length) => stop + 1 + length + 1,
                None => return scanner.closed(),
            },
            _ => stop + 1,
        };
    }
    scanner.found
}

/// A bracket that is not closed yet.
struct Open {
    at: usize,
    line: usize,
    /// Blocks found before it.
    before: usize,
    /// Whether it holds statements or values, and no definitions.
    code: bool,
    /// What it is sure to hold itself.
    holds: Option<Holds>,
    /// Whether it is a value, which its statement goes on behind.
    value: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Statements,
    Values,
}

struct Scanner<'a> {
    lines: &'a Lines<'a>,
    lexis: Lexis,
    found: Vec<Part>,
    open: Vec<Open>,
    /// The line that was looked at last.
    line: usize,
    /// Where the last directive begins.
    directive: usize,
    /// Where the outermost block of code begins that is open.
    code: usize,
    /// Where what is read now began: a statement or declaration, without the comments before it.
    /// `None` if there is a comment in it, or a block.
    begun: Option<usize>,
    /// Outside of code: the line after what ended last, and after the comments behind that.
    ended: usize,
    commented: usize,
}

impl<'a> Scanner<'a> {
    fn new(lines: &'a Lines<'a>, lexis: Lexis) -> Self {
        Self {
            lines,
            lexis,
            found: Vec::new(),
            open: Vec::new(),
            line: 0,
            directive: 0,
            code: 0,
            begun: Some(0),
            ended: 0,
            commented: 0,
        }
    }

    fn in_code(&self) -> bool {
        self.open.last().is_some_and(|around| around.code)
    }

    fn in_values(&self) -> bool {
        self.open.last().is_some_and(|around| around.holds == Some(Holds::Values))
    }

    /// Moves to the line of byte `at`, which is behind all before it.
    fn go_to(&mut self, at: usize) {
        self.line = self.lines.line_from(self.line, at.min(self.lines.text.len()));
    }

    /// Takes note of an opening bracket, and gives the place behind it.
    fn open(&mut self, at: usize) -> usize {
        self.shorten(at, false);
        self.go_to(at);
        let text = self.lines.text.as_bytes();
        let record = self.begun.is_some_and(|begun| shorten::is_record(&text[begun..at]));
        let itself = !record && holds_code(&text[..at], self.lexis);
        let code = self.in_code() || itself;
        if code && !self.in_code() {
            self.code = at;
        }
        let last = text[..at].trim_ascii_end().last();
        let value = matches!(last, Some(b'=' | b',' | b'('));
        let in_values = self.in_values() && matches!(last, Some(b',' | b'{'));
        let holds = if last == Some(&b'=') || in_values {
            Some(Holds::Values)
        } else {
            (itself && self.begun.is_some()).then_some(Holds::Statements)
        };
        let before = self.found.len();
        self.open.push(Open { at, line: self.line, before, code, holds, value });
        let end = if code { at + 1 } else { self.end(at) };
        self.begin(end)
    }

    /// Takes note of a closing bracket, and gives the place behind it.
    fn close(&mut self, at: usize) -> usize {
        self.go_to(at);
        let mut ends = false;
        if let Some(block) = self.open.pop() {
            ends = block.holds == Some(Holds::Statements) && !block.value;
            let inside = block.at + 1..at;
            if block.code
                && self.directive <= block.at
                && inside.len() >= MIN_BYTES
                && self.fits(block.line)
            {
                self.found.truncate(block.before);
                let feed = self.lines.text.as_bytes()[inside.start] == b'\n';
                let blank = if feed { "\n" } else { " " };
                self.found.push(Part { bytes: inside, stand_in: blank });
            }
        }
        let end = self.end(at);
        self.begun = ends.then_some(end);
        end
    }

    /// Takes note of where a statement or declaration may begin, and gives that place.
    fn begin(&mut self, at: usize) -> usize {
        self.begun = Some(at);
        at
    }

    /// Shortens the statement or declaration before `at`, where it ends or a block of it begins.
    fn shorten(&mut self, at: usize, ended: bool) {
        let Some(begun) = self.begun.filter(|_| self.lexis == Lexis::C) else { return };
        let text = self.lines.text.as_bytes();
        match self.open.last() {
            // Behind a directive it is not sure what is in a block, and what behind it.
            Some(Open { holds: Some(Holds::Statements), .. }) if self.directive <= self.code => {
                shorten::statement(text, begun..at, ended, &mut self.found);
            }
            Some(around) if around.code || around.holds.is_some() => {}
            _ => shorten::declaration(text, begun..at, &mut self.found),
        }
    }

    /// Shortens rows of numbers in `range`, which has no comment, literal or bracket.
    fn values(&mut self, range: Range<usize>) {
        if self.lexis == Lexis::C && self.in_values() {
            shorten::numbers(self.lines.text.as_bytes(), range, &mut self.found);
        }
    }

    /// Whether the block that begins in line `first` and ends in this one stays whole. Its
    /// definition has to, with its comments, where it is the body of one.
    fn fits(&self, first: usize) -> bool {
        let size = |start: usize| self.lines.size(&(start.min(first)..self.line + 1));
        if self.in_code() {
            size(first) <= MAX_CHUNK
        } else {
            size(self.commented) <= MAX_CHUNK && size(self.ended) <= MAX_DOCUMENTED
        }
    }

    /// Takes note of the end of a statement or directive, and gives the place behind it.
    fn end(&mut self, at: usize) -> usize {
        if !self.in_code() {
            self.go_to(at);
            (self.ended, self.commented) = (self.line + 1, self.line + 1);
        }
        at + 1
    }

    /// Takes note of a comment, and gives the place behind it.
    fn comment(&mut self, at: usize, end: usize) -> usize {
        let text = self.lines.text.as_bytes();
        let leads = self.begun.filter(|begun| text[*begun..at].trim_ascii().is_empty());
        self.begun = leads.map(|_| end);
        if !self.in_code() {
            self.go_to(end);
            self.commented = self.line + 1;
        }
        end
    }

    /// What was found, but nothing inside of a bracket that is still open.
    fn closed(mut self) -> Vec<Part> {
        if let Some(outermost) = self.open.first() {
            self.found.truncate(outermost.before);
        }
        self.found
    }
}

/// Bytes that may begin or end something.
const STOP: &[u8] = b"{};#/\"'`";

static STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut at = 0;
    while at < STOP.len() {
        stops[STOP[at] as usize] = true;
        at += 1;
    }
    stops
};

fn next_stop(text: &[u8]) -> Option<usize> {
    text.iter().position(|&byte| STOPS[usize::from(byte)])
}

/// Whether a bracket after `before` opens statements or values. What else it may open, a
/// structure's members above all, holds definitions.
fn holds_code(before: &[u8], lexis: Lexis) -> bool {
    let before = before.trim_ascii_end();
    let ends_with = |word: &&[u8]| ends_with_word(before, word);
    if lexis == Lexis::Go {
        return ![&b"struct"[..], b"interface"].iter().any(ends_with);
    }
    matches!(before.last(), Some(b')' | b'=' | b',' | b'{' | b'(' | b':'))
        || CODE_WORDS.iter().any(ends_with)
}

/// Words before a block of statements.
const CODE_WORDS: &[&[u8]] = &[b"else", b"do", b"try", b"finally"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::chunk;
    use crate::language::Language;
    use proptest::prelude::*;

    /// The blocks of `text` that are left out.
    fn blocks(text: &str, lexis: Lexis) -> Vec<&str> {
        let parts = parts(&Lines::new(text), lexis).into_iter();
        let blocks = parts.filter(|part| part.stand_in.trim().is_empty());
        blocks.map(|part| &text[part.bytes]).collect()
    }

    /// The chunks of `text` where nothing is left out.
    fn plain(text: &str, name: &str) -> Vec<crate::chunk::Chunk> {
        crate::chunk::chunk_plainly(text, Language::detect(name, text))
    }

    #[test]
    fn the_body_of_a_function_is_left_out_whatever_brackets_its_literals_hold() {
        let body = " puts(\"}\\\"{\"); /* { */ c = '{'; // {\n x = '\\''; ";
        for lexis in [Lexis::C, Lexis::Go] {
            let text = format!("int f(void) {{{body}}}\nint g;\n");
            assert_eq!(blocks(&text, lexis), [body]);
        }
        let raw = " s := `}\"'{`; return s ";
        assert_eq!(blocks(&format!("func f() string {{{raw}}}\n"), Lexis::Go), [raw]);
    }

    #[test]
    fn only_what_holds_code_is_left_out() {
        let members = "struct s { int first_member; int second; };\n";
        assert_eq!(blocks(members, Lexis::C), [""; 0]);
        assert_eq!(blocks("type s struct { first_member int }\n", Lexis::Go), [""; 0]);
        let values = "{ .first_member = 1, .second = 2 }";
        let table = format!("struct s t[] = {{ {values}, {values} }};\n");
        assert_eq!(blocks(&table, Lexis::C), [format!(" {values}, {values} ")]);
    }

    #[test]
    fn of_what_is_too_large_only_inner_blocks_are_left_out() {
        let inner = " first_call(second, third); ";
        let text = format!("void f(void)\n{{\n{}}}\n", format!("if (x) {{{inner}}}\n").repeat(90));
        assert_eq!(blocks(&text, Lexis::C), [inner; 90]);
    }

    #[test]
    fn a_block_with_a_directive_in_it_is_not_left_out() {
        let text = "void f(void) {\n#ifdef A\n if (a) {\n#else\n if (b) {\n#endif\n first(); } }\n";
        assert_eq!(blocks(text, Lexis::C), [" first(); "; 0]);
        let after =
            "#define OPEN { \\\n {\n#error it's \"open {\nvoid f(void) { the_first_call(); }\n";
        assert_eq!(blocks(after, Lexis::C), [" the_first_call(); "]);
    }

    #[test]
    fn nothing_is_left_out_from_an_open_literal_on() {
        let text =
            "void f(void) { the_first_call(); }\nvoid g(void) { if (a) { second_call(); } 'x\n }\n";
        assert_eq!(blocks(text, Lexis::C), [" the_first_call(); "]);
    }

    #[test]
    fn a_function_behind_long_documentation_is_opened_as_ever() {
        let words = "word and another one\n * ".repeat(110);
        let lines = "    call_with(several, terms);\n".repeat(50);
        let text = format!("/*\n * {words}\n */\nvoid f(void)\n{{\n{lines}}}\n");
        assert_eq!(chunk(&text, Language::detect("a.c", &text)), plain(&text, "a.c"));
    }

    const PIECES: &[&str] = &[
        "/* one { of 'these */\n",
        "int f(int a)\n{\n",
        "    if (a > 1) {\n",
        "    } else {\n",
        "    }\n",
        "}\n",
        "};\n",
        "struct s {\n",
        "    int member;\n",
        "static const int t[] = {\n",
        "    { 1, 2 }, { 3, 4 },\n",
        "    0x10, 0x11, -12, 13 + A, /* 4 */ 14, 1.5e-3, 16u, 17\n",
        "    call(\"a } b\", '{', a);\n",
        "    for (i = 0; i < 3; i++) { first(i); second(i); }\n",
        "#ifdef A\n",
        "#else\n",
        "#endif\n",
        "#define M(x) do { x; } while (0)\n",
        "    // it's {\n",
        "enum e { A, B, C };\n",
        "typedef struct __attribute__((packed)) {\n",
        "} a_name;\n",
        "int f(a, b) int a; char *b;\n{\n",
        "int f(int a) /* told */\n{\n    return finish_it(a, 0x1234);\n",
        "    return `",
        "\n\n",
        "    a_statement_with(many, more, terms, than, the, others, here, to, be, cut);\n",
    ];

    /// Statements of every kind.
    const BODY: &str = r#"    if (one > 2 && is_it(")", one)) {
        call("}", '{', one); /* } */
    } else if (a_condition_of(two))
        /* told; */ a_call(one,
            two);
    else
        return a_value;
    for (at = 0; at < the_last; at++)
        step(at, one);
    switch (what(one, two)) {
    case FIRST: {
        struct t {
            int member_of_it;
        } it = { .member_of_it = 1 };
        break;
    }
    default:
        again(one);
    }
    do_it: do_that(one ? 1 : 2);
again:
    if (first(one, two))
        return a_value;
    else
        second(one, two);
    struct { int a; int b; } cmd_response;
    int numbers[] = { 1, 2 }, *second_pointer;
    list_for_each_entry(one, two, three)
        if (one) first(one); else second(one);
    do {
        x = ({ int y = first(one); y + 1; });
    } while (x < the_last_one);
"#;

    proptest! {
        /// Whatever the text is: nothing is lost, and each chunk is where it says.
        #[test]
        fn chunks_cover_all_of_a_broken_text(
            picks in prop::collection::vec(0..PIECES.len(), 1..120), name in 0..3_usize,
        ) {
            let text: String = picks.into_iter().map(|pick| PIECES[pick]).collect();
            let name = ["a.c", "a.go", "A.java"][name];
            let chunks = chunk(&text, Language::detect(name, &text));
            let mut covered = 0;
            for chunk in &chunks {
                prop_assert!(text[covered..chunk.bytes.start].trim().is_empty());
                covered = chunk.bytes.end;
            }
            prop_assert!(text[covered..].trim().is_empty());
        }

        /// In a text without errors nothing tells whether blocks were left out.
        #[test]
        fn chunks_of_a_sound_text_are_those_of_the_whole_tree(
            functions in prop::collection::vec((0..6_usize, 0..30_usize, any::<bool>()), 1..12),
        ) {
            let mut text = String::new();
            for (at, (shape, lines, documented)) in functions.into_iter().enumerate() {
                if documented {
                    text.push_str("/**\n * Does what { it says, and 'no more.\n */\n");
                }
                let body = BODY.repeat(lines);
                let definition = match shape {
                    0 => format!("static int f{at}(struct s *one,\n\tint two)\n{{\n{body}    return one;\n}}\n"),
                    1 => format!("static int t{at}[] = {{\n{}}};\n", "    0x1, 0x2, -3, 0x44, /* 1, 2, 3, 4 */\n".repeat(lines)),
                    2 => format!("struct s{at} {{\n{}}};\n", "    int member;\n".repeat(lines)),
                    3 => format!(
                        "typedef struct __attribute__((packed)) {{\n{}}} t{at}_t;\n",
                        "    u32 member_one;\n    int (*open_it)(struct s *one, int two);\n".repeat(lines)
                    ),
                    4 => format!("int f{at}(struct s *one) /* told */\n{{\n{BODY}    return finish_it(one, 0x1234);\n}}\n"),
                    _ => format!("#ifdef A\nint g{at}(int one)\n{{\n{body}}}\n#endif\n\n"),
                };
                text.push_str(&definition);
            }
            prop_assert_eq!(chunk(&text, Language::detect("a.c", &text)), plain(&text, "a.c"));
        }
    }
}
