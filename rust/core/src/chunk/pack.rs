//! Units of whole lines to chunks: grouping, splitting, and where leftovers go.

use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

use super::budget::{ADJUNCT, DATA_PIECES, MAX_CHUNK, MAX_DATA, MAX_DOCUMENTED, MAX_LINE};
use super::definitions::{Definition, Found, Scope, context};
use super::lines::Lines;
use super::runs::{Run, runs};
use super::syntax::Parsed;
use super::{Chunk, Kind};

/// Names that a symbol lists at most.
pub(super) const MAX_NAMES: usize = 8;

/// Consecutive lines that are best kept together.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Half-open range of line indices.
    pub lines: Range<usize>,
    /// Index of the scope.
    pub scope: usize,
    /// What they are.
    pub sort: Sort,
}

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A definition that is one chunk, alone or with small ones beside it.
    Whole,
    /// Definitions too small for that.
    Listed,
    /// Imports.
    Import,
    /// Nothing but comments.
    Comment,
    /// Anything else.
    Code,
}

impl Sort {
    /// What the two are together.
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole, _) | (_, Self::Whole) => Self::Whole,
            (Self::Comment, sort) | (sort, Self::Comment) => sort,
            (a, b) if a == b => a,
            _ => Self::Code,
        }
    }
}

impl Unit {
    /// A unit that may share a chunk with its neighbours of the same scope.
    pub fn loose(lines: Range<usize>, scope: usize) -> Self {
        Self { lines, scope, sort: Sort::Code }
    }
}

/// Packs what a text consists of into chunks.
pub(super) fn pack(lines: &Lines, parsed: Parsed) -> Vec<Chunk> {
    let Parsed { scopes, units, mut definitions } = parsed;
    definitions.sort_by_key(|found| found.definition.signature.start);
    let runs = runs(lines, &scopes, &units);
    let mut out = Packer {
        lines,
        scopes: &scopes,
        definitions: definitions.into_iter().peekable(),
        chunks: Vec::with_capacity(runs.len()),
    };
    for run in runs {
        // Leftovers may push a definition slightly over the budget; definitions merged because
        // they share lines may exceed it by far.
        if run.sort == Sort::Whole && lines.size(&run.lines) <= MAX_DOCUMENTED + 2 * ADJUNCT {
            let title = if run.shared { Title::Names } else { Title::Scope };
            out.emit(&run.lines, run.scope, title);
        } else {
            out.pack_run(&run, &units[run.units.clone()]);
        }
    }
    out.chunks
}

/// What a chunk is called after.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Title {
    /// Its scope, or what it defines if its scope is the file itself.
    Scope,
    /// What it defines.
    Names,
}

struct Packer<'a> {
    lines: &'a Lines<'a>,
    scopes: &'a [Scope],
    /// Those that begin after the last chunk, in order.
    definitions: Peekable<IntoIter<Found>>,
    chunks: Vec<Chunk>,
}

impl Packer<'_> {
    /// Cuts the run between units into pieces of about equal size within the budget. Equal, since
    /// filling each piece would leave the end of a function as a scrap.
    fn pack_run(&mut self, run: &Run, units: &[Unit]) {
        let total = self.lines.size(&run.lines);
        if total <= MAX_CHUNK {
            self.emit(&run.lines, run.scope, self.title(run, &run.lines, run.sort));
            return;
        }
        let budget = self.budget(run, total);
        // Units over the budget have no inner structure left: they break between lines.
        let parts: Vec<(Range<usize>, Sort)> = units
            .iter()
            .flat_map(|unit| {
                let oversized = self.lines.size(&unit.lines) > budget;
                let step = if oversized { 1 } else { unit.lines.len().max(1) };
                unit.lines.clone().step_by(step).map(move |line| (line..line + step, unit.sort))
            })
            .collect();
        let mut rest = total;
        let mut start = 0;
        while start < parts.len() {
            let target = rest / rest.div_ceil(budget).max(1);
            let mut size = 0;
            let mut end = start;
            let mut sort = Sort::Comment;
            while end < parts.len() {
                let longer = size + self.lines.size(&parts[end].0);
                let better_without =
                    longer > target && longer - target > target.saturating_sub(size);
                // The heading of a section is no piece, even if what follows fills the budget.
                if size >= ADJUNCT && (longer > budget || (rest > budget && better_without)) {
                    break;
                }
                sort = sort.with(parts[end].1);
                size = longer;
                end += 1;
            }
            let lines = parts[start].0.start..parts[end - 1].0.end;
            self.emit(&lines, run.scope, self.title(run, &lines, sort));
            rest -= size;
            start = end;
        }
    }

    /// What a piece of the run is called after.
    fn title(&self, run: &Run, lines: &Range<usize>, sort: Sort) -> Title {
        // The first piece of a class is called after the class, whatever else it defines.
        let header = &self.scopes[run.scope].signature;
        let shown = run.scope != 0 && header.start >= self.lines.bytes(lines).start;
        if sort == Sort::Listed && !shown { Title::Names } else { Title::Scope }
    }

    /// How large the pieces of the run may be.
    fn budget(&self, run: &Run, total: usize) -> usize {
        if total > 2 * MAX_CHUNK && is_table(&self.lines.text[self.lines.bytes(&run.lines)]) {
            MAX_DATA
        } else if self.scopes[run.scope].kind == Kind::Constant {
            (total / DATA_PIECES).clamp(MAX_CHUNK, MAX_DATA)
        } else {
            MAX_CHUNK
        }
    }

    /// Appends the chunk of `lines`, or several where a line is too long for one.
    fn emit(&mut self, lines: &Range<usize>, scope: usize, title: Title) {
        let bytes = self.lines.bytes(lines);
        let mut first = lines.start;
        if bytes.len() > MAX_LINE {
            for line in lines.clone() {
                let bytes = self.lines.bytes(&(line..line + 1));
                if bytes.len() > MAX_LINE {
                    self.emit_trimmed(&(first..line), scope, title);
                    self.emit_cut(line, bytes, scope);
                    first = line + 1;
                }
            }
        }
        self.emit_trimmed(&(first..lines.end), scope, title);
    }

    fn emit_trimmed(&mut self, lines: &Range<usize>, scope: usize, title: Title) {
        if let Some(lines) = self.lines.trim(lines) {
            let bytes = self.lines.bytes(&lines);
            self.push(bytes, &lines, scope, title);
        }
    }

    /// Cuts one long line into pieces at character boundaries.
    fn emit_cut(&mut self, line: usize, bytes: Range<usize>, scope: usize) {
        let text = self.lines.text;
        let mut start = bytes.start;
        while start < bytes.end {
            let mut end = bytes.end.min(start + MAX_LINE);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            if text[start..end].bytes().any(|byte| !byte.is_ascii_whitespace() && byte != 0x0b) {
                self.push(start..end, &(line..line + 1), scope, Title::Scope);
            }
            start = end;
        }
    }

    fn push(&mut self, bytes: Range<usize>, lines: &Range<usize>, scope: usize, title: Title) {
        let around = &self.scopes[scope];
        let mut members = Members::default();
        let mut definitions: Vec<Definition> = Vec::new();
        while let Some(found) =
            self.definitions.next_if(|found| found.definition.signature.start < bytes.end)
        {
            let Found { mut definition, parent } = found;
            within(&mut definition, &bytes);
            // Variants of one function follow each other.
            let again = definitions.last().is_some_and(|last| last.symbol == definition.symbol);
            if parent == scope && !again {
                members.add(&definition);
            }
            definitions.push(definition);
        }
        let (kind, symbol) = match (title, members.kind()) {
            (Title::Names, Some(kind)) => (kind, members.symbols),
            _ if around.symbol.is_empty() => (around.kind, members.symbols),
            _ => (around.kind, around.symbol.clone()),
        };
        let number = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
        self.chunks.push(Chunk {
            context: context(self.lines.text, self.scopes, scope, bytes.start),
            bytes,
            start_line: number(lines.start + 1),
            end_line: number(lines.end),
            kind,
            symbol,
            definitions,
        });
    }
}

/// The definitions of a chunk that are directly in its scope.
#[derive(Default)]
struct Members {
    /// The first of their names.
    symbols: String,
    /// How many there are of each kind.
    kinds: Vec<(Kind, usize)>,
    count: usize,
}

impl Members {
    fn add(&mut self, definition: &Definition) {
        if self.count < MAX_NAMES {
            self.symbols.push_str(if self.count == 0 { "" } else { ", " });
            self.symbols.push_str(&definition.symbol);
        }
        self.count += 1;
        match self.kinds.iter_mut().find(|(kind, _)| *kind == definition.kind) {
            Some((_, count)) => *count += 1,
            None => self.kinds.push((definition.kind, 1)),
        }
    }

    /// The kind most of them are of, and of several the first.
    fn kind(&self) -> Option<Kind> {
        self.kinds.iter().rev().max_by_key(|(_, count)| count).map(|(kind, _)| *kind)
    }
}

/// Leaves of a definition's ranges what lies in the chunk of these bytes.
fn within(definition: &mut Definition, bytes: &Range<usize>) {
    let clip = |range: &Range<usize>| {
        let clipped = range.start.max(bytes.start)..range.end.min(bytes.end);
        (clipped.start < clipped.end).then_some(clipped)
    };
    let Definition { signature, doc, .. } = definition;
    *signature = clip(signature).unwrap_or(bytes.start..bytes.start);
    *doc = clip(doc).unwrap_or(signature.start..signature.start);
}

/// Whether most words of a text are numbers.
fn is_table(text: &str) -> bool {
    let (mut numbers, mut words) = (0_usize, 0_usize);
    let mut before = b' ';
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() && !before.is_ascii_alphanumeric() && before != b'_' {
            words += 1;
            numbers += usize::from(byte.is_ascii_digit());
        }
        before = byte;
    }
    numbers * 10 > words * 9
}
