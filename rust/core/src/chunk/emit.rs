//! What a walk comes across to units, in order, with the comments that belong to it.

use std::ops::Range;

use super::budget::{MAX_CHUNK, MAX_DOCUMENTED};
use super::lines::Lines;
use super::pack::{Sort, Unit};

/// Units in the making.
pub(super) struct Emitter<'a> {
    lines: &'a Lines<'a>,
    units: Vec<Unit>,
    /// Comments and attributes waiting for what follows them; true if blank lines between do
    /// not matter.
    comments: Option<(Range<usize>, bool)>,
    /// Lines before this one are in units.
    covered: usize,
}

impl<'a> Emitter<'a> {
    pub fn new(lines: &'a Lines<'a>) -> Self {
        Self { lines, units: Vec::new(), comments: None, covered: 0 }
    }

    /// The units, once all has been emitted.
    pub fn finish(mut self) -> Vec<Unit> {
        self.flush(0);
        self.cover(self.lines.len(), 0);
        self.units
    }

    /// Keeps comments for what follows them.
    pub fn hold(&mut self, lines: Range<usize>, attribute: bool, scope: usize) {
        if lines.start < self.covered {
            // A comment behind code on the same line belongs to that code.
            self.commented(lines, scope, Sort::Code);
            return;
        }
        let start = self.comments_before(lines.start);
        if start.is_none() {
            self.flush(scope);
        }
        let sticky = attribute || self.comments.take().is_some_and(|(_, sticky)| sticky);
        self.comments = Some((start.unwrap_or(lines.start)..lines.end, sticky));
    }

    /// Emits the comments that wait in vain.
    pub fn flush(&mut self, scope: usize) {
        if let Some((lines, attribute)) = self.comments.take() {
            let sort = if attribute { Sort::Code } else { Sort::Comment };
            self.emit(Unit { lines, scope, sort }, scope);
        }
    }

    /// Emits the comments that wait for something else than line `start`.
    pub fn flush_others(&mut self, start: usize, scope: usize) {
        if self.comments_before(start).is_none() {
            self.flush(scope);
        }
    }

    /// Emits `lines` with the comments that belong to them.
    pub fn commented(&mut self, lines: Range<usize>, scope: usize, sort: Sort) {
        let start = self.comments_before(lines.start);
        if start.is_some() {
            self.comments = None;
        } else {
            self.flush(scope);
        }
        let lines = start.unwrap_or(lines.start)..lines.end;
        self.emit(Unit { lines, scope, sort }, scope);
    }

    /// Emits the definition in `lines` that is scope `scope`, with the comments that belong to it,
    /// if that is no more than a chunk holds.
    pub fn whole(&mut self, lines: &Range<usize>, scope: usize, parent: usize) -> bool {
        let commented = self.comments_before(lines.start).unwrap_or(lines.start)..lines.end;
        let limit = if self.lines.size(lines) <= MAX_CHUNK { MAX_DOCUMENTED } else { MAX_CHUNK };
        if commented.start == lines.start {
            self.flush(parent);
        }
        let fits = self.lines.size(&commented) <= limit;
        if fits {
            self.comments = None;
            self.emit(Unit { lines: commented, scope, sort: Sort::Whole }, parent);
        }
        fits
    }

    /// Joins `clause` to the definition before it if `same` holds for the scope of that.
    pub fn join_clause(&mut self, clause: &Range<usize>, same: impl Fn(usize) -> bool) -> bool {
        let Some(last) = self.units.last_mut().filter(|last| last.sort == Sort::Whole) else {
            return false;
        };
        let both = last.lines.start..clause.end.max(last.lines.end);
        let joined = self.comments.is_none()
            && same(last.scope)
            && self.covered <= clause.start
            && self.lines.size(&both) <= MAX_CHUNK;
        if joined {
            self.covered = both.end;
            last.lines = both;
        }
        joined
    }

    /// Makes the last unit, of scope `parent`, and `block` after it scope `scope`. Gives whether
    /// they are one unit then, or `None` if the block does not follow it.
    pub fn join_block(
        &mut self,
        block: &Range<usize>,
        scope: usize,
        parent: usize,
    ) -> Option<bool> {
        let call = self.units.last_mut().filter(|call| {
            call.lines.end >= block.start && call.scope == parent && call.sort != Sort::Whole
        })?;
        call.scope = scope;
        let fits = self.lines.size(&(call.lines.start..block.end)) <= MAX_CHUNK;
        if fits {
            call.sort = Sort::Whole;
            call.lines.end = block.end;
            self.covered = block.end;
        }
        Some(fits)
    }

    /// Emits code in `lines`, if `introduced` with what stands before it where both fit a chunk.
    pub fn introduced(&mut self, lines: Range<usize>, scope: usize, introduced: bool) {
        self.commented(lines, scope, Sort::Code);
        let Some([before, code]) = self.units.last_chunk_mut::<2>().filter(|_| introduced) else {
            return;
        };
        let loose = |unit: &Unit| unit.scope == scope && unit.sort == Sort::Code;
        let both = before.lines.start..code.lines.end;
        let near = before.lines.end + 1 >= code.lines.start;
        if loose(before) && loose(code) && near && self.lines.size(&both) <= MAX_CHUNK {
            before.lines = both;
            self.units.pop();
        }
    }

    /// Emits those of `lines` that nothing in them has claimed.
    pub fn rest(&mut self, lines: &Range<usize>, scope: usize) {
        self.flush(scope);
        self.cover(lines.end, scope);
    }

    /// Where held comments that belong to line `start` begin.
    fn comments_before(&self, start: usize) -> Option<usize> {
        let (held, sticky) = self.comments.as_ref()?;
        (held.end >= start || *sticky).then_some(held.start)
    }

    /// Appends a unit; lines it shares with the one before join the two.
    fn emit(&mut self, unit: Unit, around: usize) {
        self.cover(unit.lines.start, around);
        if unit.lines.start >= self.covered {
            self.covered = unit.lines.end;
            self.units.push(unit);
        } else if let Some(last) = self.units.last_mut() {
            if unit.sort == Sort::Whole && last.sort != Sort::Whole || last.scope == 0 {
                last.scope = unit.scope;
            }
            last.sort = last.sort.with(unit.sort);
            last.lines.start = last.lines.start.min(unit.lines.start);
            last.lines.end = last.lines.end.max(unit.lines.end);
            self.covered = self.covered.max(unit.lines.end);
        }
    }

    /// Puts non-blank lines before `line` that no node has claimed into a unit.
    fn cover(&mut self, line: usize, scope: usize) {
        if line > self.covered {
            if let Some(lines) = self.lines.trim(&(self.covered..line)) {
                self.units.push(Unit::loose(lines, scope));
            }
            self.covered = line;
        }
    }
}
