//! Text to syntax tree, within bounds.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tree_sitter::{InputEdit, ParseOptions, ParseState, Parser, Point, Range, Tree};

use super::grammar::Grammar;
use super::lexical::Part;
use super::lines::{Lines, nesting};
use crate::cancel::Cancel;

/// Text longer than this is not parsed: a tree takes ten times the memory of its text.
const MAX_PARSE: usize = 32 << 20;

/// Text whose lines are longer than this many bytes on average is minified or data. Its syntax
/// has no lines to cut at, and parsers may take minutes and gigabytes on it without reporting
/// (`a<a<a<…` in Java).
const MAX_MEAN_LINE: usize = 500;

/// Text nested deeper than this is no source. The parser releases ambiguous nesting recursively,
/// so ten times the depth overflows a thread's stack (`{ a: { a: …` in JavaScript).
const MAX_NESTING: usize = 3_000;

/// Text in which the parser guesses more often than once in so many bytes is no source. None
/// of 44 files of Linux that are long enough to be judged is such a text.
const HOPELESS: usize = 40;

/// What parsing the start of a text may take beyond its share: as much as 112 KiB may in all.
const HEAD_START: usize = 8_000;

/// The parser is given so many bytes at a time.
const PIECE: usize = 128;

thread_local! {
    static PARSER: RefCell<Parser> = RefCell::new(Parser::new());
}

/// Parses within a budget of parser work, so that the outcome depends on the text alone and not
/// on the machine's speed.
/// The parser does not see the `elided` parts; the tree's places are those in all of the text.
pub(super) fn parse(
    lines: &Lines,
    elided: &[Part],
    grammar: &Grammar,
    cancel: &Cancel,
) -> Option<Tree> {
    if elided.is_empty() {
        return parse_within(lines.text.as_bytes(), lines.len(), None, grammar, cancel);
    }
    let rest = without(lines.text.as_bytes(), elided);
    let mut tree = parse_within(&rest, lines.len(), None, grammar, cancel)?;
    let mut row = 0;
    for Part { bytes, stand_in } in elided {
        // The tree is told that so much was inserted behind what stands for the part; to a blank
        // that belongs to what follows, anything else grows by it.
        let (start, end) = (bytes.start + stand_in.len(), bytes.end);
        let mut start_position = lines.point_from(row, bytes.start);
        if *stand_in == "\n" {
            start_position = Point { row: start_position.row + 1, column: 0 };
        } else {
            start_position.column += stand_in.len();
        }
        let new_end_position = lines.point_from(start_position.row, end);
        row = new_end_position.row;
        tree.edit(&InputEdit {
            start_byte: start,
            old_end_byte: start,
            new_end_byte: end,
            start_position,
            old_end_position: start_position,
            new_end_position,
        });
    }
    Some(tree)
}

/// `text` with what stands in for each of `parts`.
fn without(text: &[u8], parts: &[Part]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(text.len());
    let mut at = 0;
    for Part { bytes, stand_in } in parts {
        rest.extend_from_slice(&text[at..bytes.start]);
        rest.extend_from_slice(stand_in.as_bytes());
        at = bytes.end;
    }
    rest.extend_from_slice(&text[at..]);
    rest
}

/// Parses the bytes of `part` as a text of their own; the tree's places are those in all of
/// `text`.
pub(super) fn parse_part(
    text: &str,
    part: Range,
    grammar: &Grammar,
    cancel: &Cancel,
) -> Option<Tree> {
    let inner = text.get(part.start_byte..part.end_byte)?;
    let lines = part.end_point.row.saturating_sub(part.start_point.row) + 1;
    parse_within(inner.as_bytes(), lines, Some(part), grammar, cancel)
}

fn parse_within(
    text: &[u8],
    lines: usize,
    mut part: Option<Range>,
    grammar: &Grammar,
    cancel: &Cancel,
) -> Option<Tree> {
    if text.len() > MAX_PARSE
        || text.len() / lines > MAX_MEAN_LINE
        || nesting(text, MAX_NESTING) > MAX_NESTING
    {
        return None;
    }
    let mut text = Cow::Borrowed(text);
    if grammar.syntax.ascii && !text.is_ascii() {
        text.to_mut().iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'x');
    }
    if grammar.syntax.newline && !text.ends_with(b"\n") {
        text.to_mut().push(b'\n');
        if let Some(part) = &mut part {
            part.end_byte += 1;
        }
    }
    if text.len() > grammar.syntax.judged && is_hopeless(&text, grammar, cancel) {
        return None;
    }
    run(&text, part, grammar, cancel)
}

/// Parses `text`, which may lie at `part` of another; `None` if that takes more work than source
/// does, or `cancel` is set.
fn run(text: &[u8], part: Option<Range>, grammar: &Grammar, cancel: &Cancel) -> Option<Tree> {
    // The parser reports every 100 operations. In 30,000 files of real source it did so at most
    // once per 28 bytes (once per 160 in the middle), and where it had met errors, in 4,500 files,
    // once per 45. Guessing around errors makes an operation many times slower.
    let budget = |bytes: usize| 1_000 + bytes / 16;
    let start = part.map_or(0, |part| part.start_byte);
    let all = budget(text.len());
    let (mut spent, mut reached) = (0, 0);
    // It asks for text again after looking ahead to the end of the file, at most ten times in
    // real source. Some scanners do so for every token of a broken file: quadratic time.
    let rescans = Cell::new((1 << 20) + text.len().saturating_mul(64));
    let mut progress = |state: &ParseState| {
        spent += if state.has_error() { 3 } else { 1 };
        reached = reached.max(state.current_byte_offset().saturating_sub(start));
        // What is slow at its start stays slow: a large file has not all of its budget at once.
        let so_far = budget(reached).max(HEAD_START).min(all);
        if spent >= so_far || rescans.get() == 0 || cancel.is_cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let mut read = |at: usize, _| {
        let rest = usize::checked_sub(at, start).and_then(|at| text.get(at..)).unwrap_or_default();
        // Scanners that ask for the column (of Perl, at every token) have the text read again,
        // though no further than to where they were: it is handed out in pieces.
        let piece = &rest[..rest.len().min(PIECE)];
        rescans.set(rescans.get().saturating_sub(piece.len()));
        if rescans.get() == 0 { &[] } else { piece }
    };
    PARSER.with_borrow_mut(|parser| {
        parser.set_language(&grammar.language).ok()?;
        // None stands for all of the text.
        parser.set_included_ranges(part.as_slice()).ok()?;
        let options = ParseOptions::new().progress_callback(&mut progress);
        let tree = parser.parse_with_options(&mut read, None, Some(options));
        if tree.is_none() {
            // An abandoned parse would otherwise be resumed on the next text.
            parser.reset();
        }
        tree.filter(|_| rescans.get() > 0)
    })
}

/// Whether `text` is no source of this grammar, judged by its start. A piece from further on
/// proves nothing: the middle of a table is no source either.
///
/// Recovering from an error takes the parser as long as a thousand operations and is counted as
/// one, so no budget of operations tells four megabytes of commas from source: they would take
/// half a minute. Only its log tells of each recovery, and is too slow for more than a sample.
fn is_hopeless(text: &[u8], grammar: &Grammar, cancel: &Cancel) -> bool {
    let sample = &text[..text.len() / 32];
    let guesses = Arc::new(AtomicUsize::new(0));
    let count = guesses.clone();
    let log = move |_, message: &str| {
        // It recovers, goes back, or drops a guess for a better one.
        let told = ["resume ", "recover_to_previous ", "removed "];
        if told.iter().any(|start| message.starts_with(start)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    PARSER.with_borrow_mut(|parser| parser.set_logger(Some(Box::new(log))));
    let tree = run(sample, None, grammar, cancel);
    PARSER.with_borrow_mut(|parser| parser.set_logger(None));
    tree.is_none() || guesses.load(Ordering::Relaxed) > sample.len() / HOPELESS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    /// From where on most languages are judged.
    const PROBED: usize = 256 << 10;

    #[test]
    fn what_is_large_and_no_source_is_not_parsed() {
        let parsed = |name: &str, line: &str, size: usize| {
            let text = line.repeat(size / line.len());
            let grammar = Language::detect(name, &text).grammar().expect("a grammar");
            parse(&Lines::new(&text), &[], grammar, &Cancel::default()).is_some()
        };
        let row = "static const int t[] = {\n    0x81, 0x82, 0x83,\n    'a', 'b',\n};\n";
        let statement = "fn f(x: u8) -> u8 {\n    x + 1\n}\n";
        for size in [PROBED / 4, PROBED * 4] {
            assert!(parsed("a.c", row, size), "a table of {size} bytes");
            assert!(parsed("a.rs", statement, size), "functions of {size} bytes");
        }
        for line in ["x,\n", "@a\n", "def class fn ( } ] if\n"] {
            assert!(parsed("a.rs", line, PROBED / 4), "small files are worth a guess");
            assert!(!parsed("a.rs", line, PROBED * 4), "{line:?}");
        }
    }

    #[test]
    fn one_table_longer_than_the_sample_is_source() {
        let table = format!("int t[] = {{\n{}}};\n", "    0x8141, 0x8142, 'a',\n".repeat(40_000));
        let grammar = Language::detect("a.c", &table).grammar().expect("a grammar");
        assert!(parse(&Lines::new(&table), &[], grammar, &Cancel::default()).is_some());
    }
}
