//! Notebooks: cells to units.
//!
//! A scanner reads the JSON rather than a parser: images among the outputs make its lines too long
//! for one, and a notebook that is cut off still has cells.

use std::ops::Range;

use super::Kind;
use super::budget::{MAX_CHUNK, MAX_SHARED};
use super::definitions::{Definition, Found, Scope};
use super::embedded::{MAX_PART, MAX_PARTS, called};
use super::lines::Lines;
use super::pack::{MAX_NAMES, Sort, Unit};
use super::syntax::{self, Parsed};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::language::Language;

/// Stands between the headings of a section's name.
const SEPARATOR: &str = " > ";

/// Bytes of a heading in a name.
const MAX_HEADING: usize = 200;

/// What a notebook consists of; `None` if it has no cells, or no lines to cut it at.
pub(super) fn units(lines: &Lines, cancel: &Cancel) -> Result<Option<Parsed>> {
    let Notebook { cells, language } = Notebook::read(lines.text);
    if cells.is_empty() || lines.len() <= cells.len() {
        return Ok(None);
    }
    let mut build = Builder {
        lines,
        language: called(&language).or_else(|| called("python")),
        parsed: Parsed {
            scopes: vec![Scope::file(Kind::Module)],
            units: Vec::new(),
            definitions: Vec::new(),
        },
        heads: Vec::new(),
        covered: 0,
        introduction: None,
        parts: MAX_PARTS,
    };
    for cell in &cells {
        build.cell(cell, cancel)?;
    }
    build.cover(lines.len());
    Ok(Some(build.parsed))
}

/// What is read of a notebook.
#[derive(Default)]
struct Notebook {
    cells: Vec<Cell>,
    /// The language of its code, if it says so.
    language: String,
}

/// A cell; ranges are of bytes.
#[derive(Default)]
struct Cell {
    bytes: Range<usize>,
    /// What it holds: `code`, `markdown`, `raw`.
    kind: Range<usize>,
    /// The insides of the strings that its source consists of.
    source: Vec<Range<usize>>,
    /// Where the source stands, with its brackets.
    source_bytes: Range<usize>,
    /// Its outputs with their key; empty if there are none.
    outputs: Range<usize>,
}

/// An object or list that is being read.
struct Open {
    /// The inside of the key it stands behind, and of its own last key.
    name: Range<usize>,
    key: Range<usize>,
}

impl Notebook {
    fn read(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut notebook = Self::default();
        let mut open: Vec<Open> = Vec::new();
        // How many are open in the list of cells, and the cell being read.
        let mut within = None;
        let mut cell: Option<Cell> = None;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let inner = open.len().saturating_sub(within.unwrap_or(open.len()));
            match byte {
                b'{' | b'[' => {
                    let name = open.last().map_or(0..0, |open| open.key.clone());
                    if byte == b'[' && within.is_none() && &text[name.clone()] == "cells" {
                        within = Some(open.len() + 1);
                    } else if within == Some(open.len()) {
                        cell = Some(Cell { bytes: at..at, ..Cell::default() });
                    } else if let Some(cell) = cell.as_mut().filter(|_| inner == 1) {
                        cell.begin(text, &name, at);
                    }
                    open.push(Open { name, key: 0..0 });
                }
                b'}' | b']' => {
                    let closed = open.pop();
                    if let (Some(cell), Some(closed), 2) = (cell.as_mut(), closed, inner) {
                        cell.end(text, &closed.name, at + 1);
                    }
                    if let (1, Some(mut cell)) = (inner, cell.take_if(|_| inner == 1)) {
                        cell.bytes.end = at + 1;
                        notebook.cells.push(cell);
                    }
                    within = within.filter(|within| open.len() >= *within);
                }
                b'"' => {
                    let string = string(bytes, at);
                    at = string.end.max(at + 1);
                    let rest = &bytes[string.end..];
                    let after = rest.iter().skip(1).find(|byte| !byte.is_ascii_whitespace());
                    if let Some(open) = open.last_mut() {
                        if after == Some(&b':') {
                            open.key = string;
                        } else if let Some(cell) = &mut cell {
                            cell.string(text, open, inner, string);
                        } else if ["language", "name"].contains(&&text[open.key.clone()])
                            && ["kernelspec", "language_info"].contains(&&text[open.name.clone()])
                            && (notebook.language.is_empty()
                                || &text[open.key.clone()] == "language")
                        {
                            text[string].clone_into(&mut notebook.language);
                        }
                    }
                }
                _ => {}
            }
            at += 1;
        }
        if let Some(mut cell) = cell {
            // The text is cut off.
            cell.bytes.end = text.len();
            for part in [&mut cell.source_bytes, &mut cell.outputs] {
                part.end =
                    if part.start > 0 && part.end <= part.start { text.len() } else { part.end };
            }
            notebook.cells.push(cell);
        }
        notebook
    }
}

/// The inside of the string that begins at byte `at`; it ends with its line at the latest.
fn string(bytes: &[u8], at: usize) -> Range<usize> {
    let start = at + 1;
    let mut end = start;
    while let Some(next) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[end..]) {
        end += next;
        match bytes[end] {
            b'\\' if bytes.get(end + 1).is_some_and(|byte| *byte != b'\n') => end += 2,
            b'\\' => end += 1,
            _ => return start..end,
        }
    }
    start..bytes.len()
}

/// Whether the value of this key of a cell is its source; old notebooks call that `input`.
fn is_source(key: &str) -> bool {
    key == "source" || key == "input"
}

impl Cell {
    /// Takes note of an object or list behind the key `name` that begins at byte `at`.
    fn begin(&mut self, text: &str, name: &Range<usize>, at: usize) {
        match &text[name.clone()] {
            key if is_source(key) => self.source_bytes = at..at,
            "outputs" => self.outputs = name.start..name.start,
            _ => {}
        }
    }

    /// Takes note of its end.
    fn end(&mut self, text: &str, name: &Range<usize>, at: usize) {
        match &text[name.clone()] {
            key if is_source(key) => self.source_bytes.end = at,
            "outputs" => {
                let empty = !text[name.end..at].contains('{');
                self.outputs = if empty { 0..0 } else { self.outputs.start..at };
            }
            _ => {}
        }
    }

    /// Takes note of a string that is `inner` levels below the list of cells.
    fn string(&mut self, text: &str, open: &Open, inner: usize, string: Range<usize>) {
        match &text[open.key.clone()] {
            "cell_type" if inner == 1 => self.kind = string,
            key if inner == 1 && is_source(key) => {
                self.source_bytes = string.clone();
                self.source.push(string);
            }
            _ if inner == 2 && is_source(&text[open.name.clone()]) => self.source.push(string),
            _ => {}
        }
    }
}

/// The text that a source stands for, and where in the file it is.
#[derive(Default)]
struct Source {
    text: String,
    /// For each byte of the text, the start of what it is written as in the file and its length.
    places: Vec<(usize, usize)>,
}

impl Source {
    fn of(file: &str, parts: &[Range<usize>]) -> Self {
        let mut source = Self::default();
        for part in parts {
            let mut at = part.start;
            while at < part.end {
                let rest = &file[at..part.end];
                if rest.starts_with('\\') {
                    let (char, length) = unescape(rest);
                    source.push(char, at, length);
                    at += length;
                } else {
                    let length = rest.find('\\').unwrap_or(rest.len());
                    source.text.push_str(&rest[..length]);
                    source.places.extend((at..at + length).map(|at| (at, 1)));
                    at += length;
                }
            }
        }
        source
    }

    fn push(&mut self, char: char, at: usize, length: usize) {
        self.text.push(char);
        self.places.resize(self.text.len(), (at, length));
    }

    /// Where these bytes of the text are in the file.
    fn place(&self, bytes: &Range<usize>) -> Range<usize> {
        let last = bytes.end.min(self.places.len()).checked_sub(1);
        let (Some(&(start, _)), Some(&(last, length))) =
            (self.places.get(bytes.start), last.and_then(|last| self.places.get(last)))
        else {
            return 0..0;
        };
        start..(last + length).max(start)
    }

    /// Blanks commands to the notebook itself, which are no Python, and gives the language that
    /// the first of them names: `%%bash`.
    fn blank_magics(&mut self) -> Option<Language> {
        let first = self.text.trim_start().strip_prefix("%%");
        let name = first.and_then(|rest| rest.split_whitespace().next());
        let language = name.and_then(called);
        let magics: Vec<Range<usize>> = self
            .text
            .split_inclusive('\n')
            .scan(0, |end, line| {
                let start = *end;
                *end += line.len();
                Some((start, line))
            })
            .filter(|(_, line)| line.trim_start().starts_with(['%', '!', '?']))
            .map(|(start, line)| start..start + line.trim_end_matches('\n').len())
            .take(if language.is_some() { 1 } else { usize::MAX })
            .collect();
        for magic in magics {
            let blank = " ".repeat(magic.len());
            self.text.replace_range(magic, &blank);
        }
        language
    }
}

/// The character that `text` begins with, as an escape of JSON, and how many bytes that takes.
fn unescape(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    match text.as_bytes().get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b' | b'f') => (' ', 2),
        Some(b'u') => match (unit(0), unit(6)) {
            (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            (Some(code), _) => (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            _ => (' ', 1),
        },
        Some(byte @ (b'"' | b'\\' | b'/')) => (char::from(*byte), 2),
        _ => (' ', 1),
    }
}

struct Builder<'a> {
    lines: &'a Lines<'a>,
    /// Of the code.
    language: Option<Language>,
    parsed: Parsed,
    /// Levels and scopes of the headings that the next cell is under.
    heads: Vec<(usize, usize)>,
    /// Lines before this one are in units.
    covered: usize,
    /// Index of the last unit, if it may introduce the code after it.
    introduction: Option<usize>,
    /// How many cells may still be parsed.
    parts: usize,
}

impl Builder<'_> {
    fn cell(&mut self, cell: &Cell, cancel: &Cancel) -> Result<()> {
        let (source, outputs) = self.parts(cell);
        let outputs_first = outputs.start < source.start;
        if outputs_first {
            self.outputs(outputs.clone());
        }
        match &self.lines.text[cell.kind.clone()] {
            "code" => self.code(cell, source, cancel)?,
            "markdown" | "heading" => self.markdown(cell, source),
            _ => {
                let scope = self.scope(Kind::Section, self.around());
                self.emit(source, scope, Sort::Whole);
            }
        }
        if !outputs_first {
            self.outputs(outputs);
        }
        Ok(())
    }

    /// The lines of a cell's source and of its outputs, which are all of the cell.
    fn parts(&self, cell: &Cell) -> (Range<usize>, Range<usize>) {
        let all = self.lines_of(&cell.bytes);
        if cell.outputs.is_empty() {
            return (all, 0..0);
        }
        let outputs = self.lines_of(&cell.outputs);
        if cell.source_bytes.start < cell.outputs.start {
            let between = outputs.start.max(self.lines_of(&cell.source_bytes).end);
            (all.start..between.min(all.end), between.min(all.end)..all.end)
        } else if cell.source_bytes.is_empty() {
            (all.end..all.end, all)
        } else {
            let between = self.lines_of(&cell.source_bytes).start;
            (between..all.end, all.start..between)
        }
    }

    fn lines_of(&self, bytes: &Range<usize>) -> Range<usize> {
        let line = |at: usize| self.lines.number(at) as usize - 1;
        let start = line(bytes.start).min(self.lines.len() - 1);
        start..(line(bytes.end.max(bytes.start + 1) - 1) + 1).min(self.lines.len())
    }

    /// The scope of the innermost heading.
    fn around(&self) -> usize {
        self.heads.last().map_or(0, |&(_, scope)| scope)
    }

    /// A scope in `parent` that has no name of its own.
    fn scope(&mut self, kind: Kind, parent: usize) -> usize {
        let symbol = self.parsed.scopes[parent].symbol.clone();
        self.parsed.scopes.push(Scope { kind, symbol, parent, signature: 0..0 });
        self.parsed.scopes.len() - 1
    }

    fn outputs(&mut self, lines: Range<usize>) {
        // Between two scopes of its own it shares with nothing.
        let around = self.scope(Kind::Text, self.around());
        let scope = self.scope(Kind::Text, around);
        self.emit(lines, scope, Sort::Whole);
        self.introduction = None;
    }

    fn markdown(&mut self, cell: &Cell, lines: Range<usize>) {
        let source = Source::of(self.lines.text, &cell.source);
        let mut first = None;
        for (level, bytes, heading) in headings(&source.text) {
            self.heads.retain(|(outer, _)| *outer < level);
            let parent = self.around();
            let signature = self.within(self.place(&source, &bytes), &lines);
            let symbol = match self.parsed.scopes[parent].symbol.as_str() {
                "" => heading,
                outer => format!("{outer}{SEPARATOR}{heading}"),
            };
            self.define(parent, &symbol, Kind::Section, signature.clone(), 0..0);
            self.parsed.scopes.push(Scope { kind: Kind::Section, symbol, parent, signature });
            let scope = self.parsed.scopes.len() - 1;
            self.heads.push((level, scope));
            first.get_or_insert(scope);
        }
        let scope = self.scope(Kind::Section, self.around());
        if let Some(first) = first {
            let symbol = self.parsed.scopes[first].symbol.clone();
            self.parsed.scopes[scope].symbol = symbol;
        }
        let before = self.parsed.units.len();
        self.emit(lines, scope, Sort::Whole);
        self.introduction = Some(before).filter(|at| self.parsed.units.len() > *at);
    }

    fn code(&mut self, cell: &Cell, lines: Range<usize>, cancel: &Cancel) -> Result<()> {
        let mut source = Source::of(self.lines.text, &cell.source);
        let python = self.language.is_some_and(|language| language.name() == "python");
        let language = Some(python).filter(|it| *it).and_then(|_| source.blank_magics());
        let grammar = language.or(self.language).and_then(Language::grammar);
        let inner_lines = Lines::new(&source.text);
        let parsed = source.text.len() <= MAX_PART && self.parts > 0;
        self.parts = self.parts.saturating_sub(1);
        let inner = match grammar.filter(|_| parsed) {
            Some(grammar) => syntax::units(&inner_lines, grammar, 0, cancel)?,
            None => None,
        };
        let around = self.around();
        let kind = if around == 0 { Kind::Module } else { Kind::Section };
        let cell_scope = self.scope(kind, around);
        let whole = self.lines.size(&lines) <= MAX_CHUNK;
        let Some(inner) = inner else {
            self.emit_introduced(lines, cell_scope);
            return Ok(());
        };
        let Parsed { scopes, units, definitions } = inner;
        if whole {
            let titles = || {
                let own = definitions.iter().filter(|found| found.parent == 0);
                own.map(|found| &found.definition).filter(|it| it.kind != Kind::Constant)
            };
            if let Some(first) = titles().next() {
                let mut names: Vec<&str> = titles().map(|it| it.symbol.as_str()).collect();
                names.dedup();
                names.truncate(MAX_NAMES);
                let scope = &mut self.parsed.scopes[cell_scope];
                (scope.kind, scope.symbol) = (first.kind, names.join(", "));
            }
        }
        let offset = self.parsed.scopes.len() - 1;
        let moved = |scope: usize| if scope == 0 { cell_scope } else { scope + offset };
        for Scope { kind, symbol, parent, signature } in scopes.into_iter().skip(1) {
            let signature = self.within(self.place(&source, &signature), &lines);
            self.parsed.scopes.push(Scope { kind, symbol, parent: moved(parent), signature });
        }
        for Found { definition, parent } in definitions {
            let Definition { symbol, kind, signature, doc, .. } = definition;
            let parent = if parent == 0 && whole { around } else { moved(parent) };
            let signature = self.within(self.place(&source, &signature), &lines);
            self.define(parent, &symbol, kind, signature, self.place(&source, &doc));
        }
        if whole {
            self.emit_introduced(lines, cell_scope);
            return Ok(());
        }
        // Each takes the lines up to the next one's, blank in the source but not in the file.
        let mut start = lines.start.max(self.covered);
        let mut pending: Option<(usize, Sort)> = None;
        for unit in &units {
            let inner = self.place_of(&source, &inner_lines.bytes(&unit.lines));
            let inner = inner.map_or(start, |inner| inner.start);
            if inner > start
                && let Some((scope, sort)) = pending.take()
            {
                self.emit(start..inner.min(lines.end), scope, sort);
                start = inner;
            }
            // Those on one line are one, and something loose.
            pending = match pending {
                None => Some((moved(unit.scope), unit.sort)),
                Some(_) => Some((cell_scope, Sort::Code)),
            };
        }
        let (scope, sort) = pending.unwrap_or((cell_scope, Sort::Code));
        self.emit(start..lines.end, scope, sort);
        self.introduction = None;
        Ok(())
    }

    /// Where these bytes of a source are in the file.
    fn place(&self, source: &Source, bytes: &Range<usize>) -> Range<usize> {
        let Range { start, end } = source.place(bytes);
        // What was blanked may begin within a character.
        self.lines.text.floor_char_boundary(start)..self.lines.text.ceil_char_boundary(end)
    }

    /// The lines of the file that hold these bytes of a source.
    fn place_of(&self, source: &Source, bytes: &Range<usize>) -> Option<Range<usize>> {
        let place = self.place(source, bytes);
        (!place.is_empty()).then(|| self.lines_of(&place))
    }

    /// `bytes`, or something at the start of `lines` if they are nowhere.
    fn within(&self, bytes: Range<usize>, lines: &Range<usize>) -> Range<usize> {
        if !bytes.is_empty() {
            return bytes;
        }
        self.lines.trim(lines).map_or(0..0, |lines| {
            let bytes = self.lines.bytes(&lines);
            bytes.start..self.lines.text.ceil_char_boundary(bytes.start + 1)
        })
    }

    /// Lists a definition.
    fn define(
        &mut self,
        parent: usize,
        symbol: &str,
        kind: Kind,
        signature: Range<usize>,
        doc: Range<usize>,
    ) {
        let again = self.parsed.definitions.iter().rev().map(|found| &found.definition);
        let again = again.take_while(|last| last.signature.start == signature.start);
        if signature.is_empty() || again.into_iter().any(|last| last.symbol == symbol) {
            return;
        }
        let definition = Definition {
            symbol: symbol.to_owned(),
            kind,
            start_line: self.lines.number(signature.start),
            end_line: 0,
            signature,
            doc,
        };
        self.parsed.definitions.push(Found { definition, parent });
    }

    /// Emits a cell of code, with the words directly before it if both are small.
    fn emit_introduced(&mut self, lines: Range<usize>, scope: usize) {
        let before = self.introduction.take();
        let end = self.covered;
        self.emit(lines, scope, Sort::Whole);
        if let (Some(before), [.., first, code]) = (before, self.parsed.units.as_mut_slice()) {
            let both = first.lines.start..code.lines.end;
            let small = self.lines.size(&both) <= MAX_SHARED;
            if small && first.lines.end == end && before + 2 == self.parsed.units.len() {
                self.parsed.units.remove(before);
                self.parsed.units[before].lines = both;
            }
        }
    }

    /// Appends a unit of those of `lines` that are in none.
    fn emit(&mut self, lines: Range<usize>, scope: usize, sort: Sort) {
        self.cover(lines.start);
        if let Some(lines) = self.lines.trim(&(self.covered.min(lines.end)..lines.end)) {
            self.parsed.units.push(Unit { lines, scope, sort });
        }
        self.covered = self.covered.max(lines.end);
    }

    /// Puts lines before `line` that are in no cell into a unit.
    fn cover(&mut self, line: usize) {
        if line > self.covered {
            if let Some(lines) = self.lines.trim(&(self.covered..line)) {
                self.parsed.units.push(Unit::loose(lines, 0));
            }
            self.covered = line;
        }
    }
}

/// The headings of a text in Markdown: level, bytes and words.
fn headings(text: &str) -> Vec<(usize, Range<usize>, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let begins = start;
        start += line.len();
        let line = line.trim_end();
        fenced ^= line.trim_start().starts_with("```");
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        let words = line[level..].trim().trim_end_matches('#').trim_end();
        let spaced = line[level..].starts_with([' ', '\t']);
        if !fenced && (1..=6).contains(&level) && spaced && !words.is_empty() {
            let end = words.floor_char_boundary(MAX_HEADING);
            found.push((level, begins..begins + line.len(), words[..end].to_owned()));
        }
    }
    found
}
