//! Lines of a text with their sizes in terms, and line windows for text without a grammar.

use std::ops::Range;

use tree_sitter::{Node, Point};

use super::pack::Unit;
use super::size::size;

/// Where each line starts and the size of all before it, so the size of any range of lines is
/// one subtraction.
pub(super) struct Lines<'t> {
    /// The text the lines belong to.
    pub text: &'t str,
    /// Start of every line, then one past the end of the last (its newline included).
    starts: Vec<usize>,
    /// Sizes of all lines before every line, then of all lines.
    sizes: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Splits `text` at line feeds.
    pub fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        // 24 bytes a line is fewer than real source has: one allocation in nearly all cases.
        let mut starts = Vec::with_capacity(bytes.len() / 24 + 2);
        let mut sizes = Vec::with_capacity(bytes.len() / 24 + 2);
        let (mut start, mut total) = (0, 0);
        for end in memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]) {
            starts.push(start);
            sizes.push(total);
            total += size(&bytes[start..end]);
            start = end + 1;
        }
        starts.push(bytes.len() + 1);
        sizes.push(total);
        Self { text, starts, sizes }
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The number, counted from 1, of the line in which byte `at` lies.
    pub fn number(&self, at: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start <= at)).unwrap_or(u32::MAX)
    }

    /// The line, counted from 0, in which byte `at` lies, which is not before line `from`.
    pub fn line_from(&self, from: usize, at: usize) -> usize {
        let after = self.starts[from + 1..].iter().position(|start| *start > at);
        from + after.unwrap_or_default()
    }

    /// The row and column of byte `at`, which is not before line `from`.
    pub fn point_from(&self, from: usize, at: usize) -> Point {
        let row = self.line_from(from, at);
        Point { row, column: at - self.starts[row] }
    }

    /// The lines of `node`, without blank ones at its end.
    pub fn of(&self, node: Node) -> Range<usize> {
        let start = node.start_position().row;
        let text = self.text.get(node.byte_range()).unwrap_or_default();
        let blank = &text[text.trim_ascii_end().len()..];
        let end = node.end_position().row - memchr::memchr_iter(b'\n', blank.as_bytes()).count();
        start.min(self.len() - 1)..(end + 1).min(self.len())
    }

    /// The size of `lines`, in terms.
    pub fn size(&self, lines: &Range<usize>) -> usize {
        self.sizes[lines.end] - self.sizes[lines.start]
    }

    /// Whether `line` holds nothing but whitespace.
    pub fn is_blank(&self, line: usize) -> bool {
        self.sizes[line] == self.sizes[line + 1]
    }

    /// The bytes of `lines`, without the last line's newline (or carriage return and newline).
    pub fn bytes(&self, lines: &Range<usize>) -> Range<usize> {
        let start = self.starts[lines.start];
        let end = self.starts[lines.end] - 1;
        let text = self.text.as_bytes();
        let carriage_return = start < end && end < text.len() && text[end - 1] == b'\r';
        start..end - usize::from(carriage_return)
    }

    /// `lines` without blank lines at either end; `None` when all are blank.
    pub fn trim(&self, lines: &Range<usize>) -> Option<Range<usize>> {
        let start = lines.clone().find(|&line| !self.is_blank(line))?;
        let end = lines.clone().rfind(|&line| !self.is_blank(line))? + 1;
        Some(start..end)
    }
}

/// An upper bound of how deep the brackets of `text` nest, whatever its language. Angle brackets
/// are counted apart and anew in each statement, for they are comparisons as well. It may be too
/// high by any number as long as it is no more than `enough`.
pub(super) fn nesting(text: &[u8], enough: usize) -> usize {
    // Nearly all texts are far from it, which counting blocks of them shows at once.
    let bound = nesting_bound(text);
    if bound <= enough {
        return bound;
    }
    let (mut brackets, mut angles, mut deepest) = (0_usize, 0_usize, 0);
    for &byte in text {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b'{' => (brackets, angles) = (brackets + 1, 0),
            b'}' => (brackets, angles) = (brackets.saturating_sub(1), 0),
            b';' => angles = 0,
            b'<' => angles += 1,
            b'>' => angles = angles.saturating_sub(1),
            _ => continue,
        }
        deepest = deepest.max(brackets).max(angles);
    }
    deepest
}

/// An upper bound of [`nesting`] that looks at no single byte: in each block all that closes
/// comes before all that opens.
fn nesting_bound(text: &[u8]) -> usize {
    let (mut brackets, mut angles, mut deepest) = (0_usize, 0_usize, 0);
    // What a byte can count to, so that 32 of them are counted at once.
    for block in text.chunks(255) {
        let (mut open, mut closed, mut less, mut ends) = (0_u8, 0_u8, 0_u8, 0_u8);
        for &byte in block {
            open += u8::from(byte == b'(' || byte == b'[' || byte == b'{');
            closed += u8::from(byte == b')' || byte == b']' || byte == b'}');
            less += u8::from(byte == b'<');
            ends += u8::from(byte == b';');
        }
        deepest = deepest.max(brackets + usize::from(open)).max(angles + usize::from(less));
        brackets = brackets.saturating_sub(closed.into()) + usize::from(open);
        angles = if ends > 0 { 0 } else { angles } + usize::from(less);
    }
    deepest
}

/// Units of a text without structure: its paragraphs, so that windows break at blank lines
/// where the budget lets them.
pub(super) fn paragraphs(lines: &Lines) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut start = None;
    for line in 0..lines.len() {
        match (lines.is_blank(line), start) {
            (false, None) => start = Some(line),
            (true, Some(first)) => {
                units.push(Unit::loose(first..line, 0));
                start = None;
            }
            _ => {}
        }
    }
    if let Some(first) = start {
        units.push(Unit::loose(first..lines.len(), 0));
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_bound_of_nesting_is_never_too_low(text in "[(){}<>;a\n]{0,1500}", enough in 0_usize..9) {
            let exact = nesting(text.as_bytes(), 0);
            prop_assert!(nesting_bound(text.as_bytes()) >= exact);
            prop_assert_eq!(nesting(text.as_bytes(), enough) > enough, exact > enough);
        }
    }

    #[test]
    fn flat_text_is_told_from_deep_text_without_a_closer_look() {
        let text = "int f(int a) { if (a < 3) { return g(h(a)); } return 0; }\n".repeat(10_000);
        assert!(nesting_bound(text.as_bytes()) < 100);
    }
}
