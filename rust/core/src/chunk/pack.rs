//! Units of whole lines to chunks: grouping, splitting, and where leftovers go.

use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

use super::definitions::{Definition, Found, Scope, context};
use super::lines::Lines;
use super::syntax::Parsed;
use super::{Chunk, MAX_CHUNK, MAX_LINE};

/// A group smaller than this many non-whitespace bytes is a leftover (a brace, an `#endif`, a
/// lone import) that says nothing alone and goes to a neighbour.
const LEFTOVER: usize = 32;

/// The same for comments, and for what directly follows a definition without a blank line
/// (`EXPORT_SYMBOL(f);`).
const ADJUNCT: usize = 80;

/// Names that the symbol of a chunk without an enclosing definition lists at most.
const MAX_NAMES: usize = 8;

/// Consecutive lines that are best kept together.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Half-open range of line indices.
    pub lines: Range<usize>,
    /// Index of the scope.
    pub scope: usize,
    /// A definition that is one chunk, alone.
    pub whole: bool,
    /// Nothing but comments.
    pub comment: bool,
}

impl Unit {
    /// A unit that may share a chunk with its neighbours of the same scope.
    pub fn loose(lines: Range<usize>, scope: usize) -> Self {
        Self { lines, scope, whole: false, comment: false }
    }
}

/// Consecutive units that share chunks: one whole definition, or loose units of one scope.
struct Run {
    units: Range<usize>,
    lines: Range<usize>,
    scope: usize,
    whole: bool,
    comment: bool,
}

/// Packs `units` (ascending, disjoint, covering every non-blank line) into chunks.
pub(super) fn pack(lines: &Lines, parsed: Parsed) -> Vec<Chunk> {
    let Parsed { scopes, units, mut definitions } = parsed;
    definitions.sort_by_key(|found| found.definition.signature.start);
    let runs = attach_leftovers(lines, runs(&units));
    let mut out = Packer {
        lines,
        scopes: &scopes,
        definitions: definitions.into_iter().peekable(),
        chunks: Vec::with_capacity(runs.len()),
    };
    for run in runs {
        // Leftovers may push a definition slightly over the budget; definitions merged because
        // they share lines may exceed it by far.
        if run.whole && lines.ink(&run.lines) <= MAX_CHUNK + 2 * ADJUNCT {
            out.emit(&run.lines, run.scope);
        } else {
            out.pack_run(&run, &units[run.units.clone()]);
        }
    }
    out.chunks
}

fn runs(units: &[Unit]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (at, unit) in units.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if !run.whole && !unit.whole && run.scope == unit.scope => {
                run.units.end = at + 1;
                run.lines.end = unit.lines.end;
                run.comment &= unit.comment;
            }
            _ => runs.push(Run {
                units: at..at + 1,
                lines: unit.lines.clone(),
                scope: unit.scope,
                whole: unit.whole,
                comment: unit.comment,
            }),
        }
    }
    runs
}

/// Where a leftover goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Previous,
    Next,
}

/// Joins leftovers to the run before or after them.
fn attach_leftovers(lines: &Lines, runs: Vec<Run>) -> Vec<Run> {
    let mut kept: Vec<Run> = Vec::with_capacity(runs.len());
    // A leftover on its way to the next run.
    let mut carried: Option<Run> = None;
    let mut rest = runs.into_iter().peekable();
    while let Some(mut run) = rest.next() {
        if let Some(carried) = carried.take() {
            run.units.start = carried.units.start;
            run.lines.start = carried.lines.start;
            run.comment &= carried.comment;
        }
        let side = side_of(lines, &run, kept.last(), rest.peek());
        match (side, kept.last_mut()) {
            (Some(Side::Previous), Some(previous)) => {
                previous.units.end = run.units.end;
                previous.lines.end = run.lines.end;
            }
            (Some(Side::Next), _) => carried = Some(run),
            _ => kept.push(run),
        }
    }
    kept
}

fn side_of(lines: &Lines, run: &Run, before: Option<&Run>, after: Option<&Run>) -> Option<Side> {
    let ink = lines.ink(&run.lines);
    if run.whole || ink >= ADJUNCT {
        return None;
    }
    let abuts_before = before.is_some_and(|before| before.lines.end == run.lines.start);
    let abuts_after = after.is_some_and(|after| after.lines.start == run.lines.end);
    // Scopes are numbered as they open: a run of a newer scope than the run before it is the
    // head of a definition whose members follow.
    let heads = before.is_none_or(|before| before.scope < run.scope);
    let text = &lines.text[lines.bytes(&run.lines)];
    let next = match (abuts_before, abuts_after) {
        _ if heads => true,
        _ if is_closing(text) => false,
        (true, true) => is_opening(text),
        (false, false) => run.comment,
        (_, abuts_after) => abuts_after,
    };
    let side = if next { Side::Next } else { Side::Previous };
    let side = match side {
        Side::Previous if before.is_none() => Side::Next,
        Side::Next if after.is_none() => Side::Previous,
        side => side,
    };
    let neighbour = if side == Side::Previous { before } else { after }?;
    let adjunct = run.comment || (side == Side::Previous && abuts_before && neighbour.scope != 0);
    (ink < LEFTOVER || adjunct).then_some(side)
}

/// Whether the text only closes something: no letter or digit, or a closing directive or word.
fn is_closing(text: &str) -> bool {
    let text = text.trim();
    !text.bytes().any(|byte| byte.is_ascii_alphanumeric() || byte >= 0x80)
        || (text.starts_with("#endif") && !text.contains('\n'))
        || text == "end"
}

/// Whether the last line of the text opens what follows.
fn is_opening(text: &str) -> bool {
    let last = text.lines().next_back().unwrap_or_default().trim();
    last.ends_with(['{', ':', '(', '['])
        || ["#if", "#el", "# if", "# el"].iter().any(|directive| last.starts_with(directive))
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
        let total = self.lines.ink(&run.lines);
        if total <= MAX_CHUNK {
            self.emit(&run.lines, run.scope);
            return;
        }
        // Units over the budget have no inner structure left: they break between lines.
        let parts: Vec<Range<usize>> = units
            .iter()
            .flat_map(|unit| {
                let oversized = self.lines.ink(&unit.lines) > MAX_CHUNK;
                let step = if oversized { 1 } else { unit.lines.len().max(1) };
                unit.lines.clone().step_by(step).map(move |line| line..line + step)
            })
            .collect();
        let mut rest = total;
        let mut start = 0;
        while start < parts.len() {
            let target = rest / rest.div_ceil(MAX_CHUNK).max(1);
            let mut size = 0;
            let mut end = start;
            while end < parts.len() {
                let longer = size + self.lines.ink(&parts[end]);
                let better_without =
                    longer > target && longer - target > target.saturating_sub(size);
                if size > 0 && (longer > MAX_CHUNK || (rest > MAX_CHUNK && better_without)) {
                    break;
                }
                size = longer;
                end += 1;
            }
            self.emit(&(parts[start].start..parts[end - 1].end), run.scope);
            rest -= size;
            start = end;
        }
    }

    /// Appends the chunk of `lines`, or several where a line is too long for one.
    fn emit(&mut self, lines: &Range<usize>, scope: usize) {
        let bytes = self.lines.bytes(lines);
        let mut first = lines.start;
        if bytes.len() > MAX_LINE {
            for line in lines.clone() {
                let bytes = self.lines.bytes(&(line..line + 1));
                if bytes.len() > MAX_LINE {
                    self.emit_trimmed(&(first..line), scope);
                    self.emit_cut(line, bytes, scope);
                    first = line + 1;
                }
            }
        }
        self.emit_trimmed(&(first..lines.end), scope);
    }

    fn emit_trimmed(&mut self, lines: &Range<usize>, scope: usize) {
        if let Some(lines) = self.lines.trim(lines) {
            let bytes = self.lines.bytes(&lines);
            self.push(bytes, &lines, scope);
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
                self.push(start..end, &(line..line + 1), scope);
            }
            start = end;
        }
    }

    fn push(&mut self, bytes: Range<usize>, lines: &Range<usize>, scope: usize) {
        let around = &self.scopes[scope];
        let mut symbol = around.symbol.clone();
        let mut definitions = Vec::new();
        let mut names = 0;
        while let Some(found) =
            self.definitions.next_if(|found| found.definition.signature.start < bytes.end)
        {
            let Found { mut definition, parent } = found;
            within(&mut definition, &bytes);
            if around.symbol.is_empty() && parent == scope && names < MAX_NAMES {
                symbol.push_str(if symbol.is_empty() { "" } else { ", " });
                symbol.push_str(&definition.symbol);
                names += 1;
            }
            definitions.push(definition);
        }
        let number = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
        self.chunks.push(Chunk {
            context: context(self.lines.text, self.scopes, scope, bytes.start),
            bytes,
            start_line: number(lines.start + 1),
            end_line: number(lines.end),
            kind: around.kind,
            symbol,
            definitions,
        });
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
