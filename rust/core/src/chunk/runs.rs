//! Units to runs: what shares chunks with what.

use std::ops::Range;

use super::budget::{ADJUNCT, LEFTOVER, MAX_SHARED, MIN_ALONE, MIN_APART};
use super::definitions::Scope;
use super::lines::Lines;
use super::pack::{Sort, Unit};

/// Consecutive units that share chunks: whole definitions, or loose units of one scope.
pub(super) struct Run {
    pub units: Range<usize>,
    pub lines: Range<usize>,
    pub scope: usize,
    pub sort: Sort,
    /// Several small whole definitions, `scope` being that around them.
    pub shared: bool,
}

impl Run {
    /// Takes in the run after it.
    fn join(&mut self, next: &Self) {
        self.units.end = next.units.end;
        self.lines.end = next.lines.end;
    }
}

/// The runs of `units` (ascending, disjoint, covering every non-blank line).
pub(super) fn runs(lines: &Lines, scopes: &[Scope], units: &[Unit]) -> Vec<Run> {
    share(lines, scopes, attach_leftovers(lines, loose(lines, units)))
}

/// Joins loose units of one scope, imports apart from others.
fn loose(lines: &Lines, units: &[Unit]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (at, unit) in units.iter().enumerate() {
        let run = Run {
            units: at..at + 1,
            lines: unit.lines.clone(),
            scope: unit.scope,
            sort: unit.sort,
            shared: false,
        };
        let last = runs.last_mut().filter(|last| {
            let import = (last.sort == Sort::Import) == (run.sort == Sort::Import);
            is_loose(last, &run)
                && (import || last.sort == Sort::Comment || run.sort == Sort::Comment)
        });
        match last {
            Some(last) => {
                last.join(&run);
                last.sort = last.sort.with(run.sort);
            }
            None => runs.push(run),
        }
    }
    let mut apart: Vec<Run> = Vec::with_capacity(runs.len());
    for run in runs {
        let size = lines.size(&run.lines);
        match apart.last_mut().filter(|last| is_loose(last, &run)) {
            Some(last) if size < MIN_APART || lines.size(&last.lines) < MIN_APART => {
                last.join(&run);
                // One line of code does not make imports something else, nor the reverse.
                last.sort = if size < MIN_APART { last.sort } else { run.sort };
            }
            _ => apart.push(run),
        }
    }
    apart
}

/// Whether the two are no definitions and in one scope.
fn is_loose(run: &Run, next: &Run) -> bool {
    run.sort != Sort::Whole && next.sort != Sort::Whole && run.scope == next.scope
}

/// Joins small definitions to like neighbours, in groups of about equal size.
fn share(lines: &Lines, scopes: &[Scope], runs: Vec<Run>) -> Vec<Run> {
    let mut shared: Vec<Run> = Vec::with_capacity(runs.len());
    let mut rest = runs.into_iter().peekable();
    while let Some(run) = rest.next() {
        let Scope { kind, parent, .. } = scopes[run.scope];
        let small = |run: &Run| run.sort == Sort::Whole && lines.size(&run.lines) < MIN_ALONE;
        if !small(&run) {
            shared.push(run);
            continue;
        }
        let mut total = lines.size(&run.lines);
        let mut group = vec![run];
        while let Some(next) = rest.next_if(|next| {
            let scope = &scopes[next.scope];
            small(next) && scope.parent == parent && scope.kind.is_like(kind)
        }) {
            total += lines.size(&next.lines);
            group.push(next);
        }
        let target = total / total.div_ceil(MAX_SHARED).max(1);
        let mut size = 0;
        for run in group {
            let added = lines.size(&run.lines);
            match shared.last_mut() {
                Some(last) if size > 0 && size + added / 2 <= target => {
                    last.join(&run);
                    last.scope = parent;
                    last.shared = true;
                    size += added;
                }
                _ => {
                    size = added;
                    shared.push(run);
                }
            }
        }
    }
    shared
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
            run.sort = carried.sort.with(run.sort);
        }
        let side = side_of(lines, &run, kept.last(), rest.peek());
        match (side, kept.last_mut()) {
            (Some(Side::Previous), Some(previous)) => previous.join(&run),
            (Some(Side::Next), _) => carried = Some(run),
            _ => kept.push(run),
        }
    }
    kept
}

fn side_of(lines: &Lines, run: &Run, before: Option<&Run>, after: Option<&Run>) -> Option<Side> {
    let terms = lines.size(&run.lines);
    if run.sort == Sort::Whole || terms >= ADJUNCT {
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
        (false, false) => run.sort == Sort::Comment,
        (_, abuts_after) => abuts_after,
    };
    let side = if next { Side::Next } else { Side::Previous };
    let side = match side {
        Side::Previous if before.is_none() => Side::Next,
        Side::Next if after.is_none() => Side::Previous,
        side => side,
    };
    let neighbour = if side == Side::Previous { before } else { after }?;
    let adjunct = run.sort == Sort::Comment
        || (side == Side::Previous && abuts_before && neighbour.scope != 0);
    (terms < LEFTOVER || adjunct).then_some(side)
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
