//! Definitions: how each is declared and what its documentation is, as ranges of the text.

use std::ops::Range;

use tree_sitter::Node;

use super::Kind;
use super::grammar::{Grammar, Role};
use super::lines::Lines;

/// A signature's bytes; what is longer is an expression, or no source.
const MAX_SIGNATURE: usize = 1_000;

/// Bytes of one line of a context.
const MAX_HEADER: usize = 160;

/// Enclosing definitions that a context names at most, the innermost ones.
const MAX_HEADERS: usize = 6;

/// A definition that begins in a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its qualified name.
    pub symbol: String,
    /// What it is.
    pub kind: Kind,
    /// The line, counted from 1, on which it begins; its decorators may stand above.
    pub start_line: u32,
    /// The line on which it ends, included; 0 if it goes on to the next one that is not inside it.
    pub end_line: u32,
    /// The bytes of the text from there to where its body starts, or of one line if it has none.
    pub signature: Range<usize>,
    /// The bytes of the text that document it: the comment before it or its docstring. Empty if
    /// there is none, or it lies in another chunk.
    pub doc: Range<usize>,
}

/// A definition and the scope it was found in.
#[derive(Debug)]
pub(super) struct Found {
    /// Itself.
    pub definition: Definition,
    /// Index of the scope around it.
    pub parent: usize,
}

/// What the lines of a unit belong to.
pub(super) struct Scope {
    /// Kind of the definition, [`Kind::Module`] or [`Kind::Text`] for the file itself.
    pub kind: Kind,
    /// Qualified name of the definition; empty for the file itself.
    pub symbol: String,
    /// Index of the scope around it; its own for the file itself.
    pub parent: usize,
    /// The bytes of the definition's signature.
    pub signature: Range<usize>,
}

impl Scope {
    /// The scope of a file itself.
    pub fn file(kind: Kind) -> Self {
        Self { kind, symbol: String::new(), parent: 0, signature: 0..0 }
    }
}

/// The signatures of the definitions around scope `scope`, itself included, that begin before
/// byte `start`: a line each, the innermost last.
pub(super) fn context(text: &str, scopes: &[Scope], scope: usize, start: usize) -> String {
    let mut headers = Vec::new();
    let mut at = scope;
    while at != 0 && headers.len() < MAX_HEADERS {
        let Scope { parent, signature, .. } = &scopes[at];
        if signature.end <= start && !signature.is_empty() {
            headers.push(header(&text[signature.clone()]));
        }
        at = *parent;
    }
    headers.reverse();
    headers.join("\n")
}

/// A signature on one short line.
fn header(signature: &str) -> String {
    let mut line = String::with_capacity(signature.len().min(MAX_HEADER));
    for word in signature.split_ascii_whitespace() {
        if line.len() + word.len() >= MAX_HEADER {
            line.push_str(&word[..word.floor_char_boundary(MAX_HEADER - line.len())]);
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// The lines of definition `node` without comments at its end that stand no deeper than it does,
/// and those comments: where indentation ends a block they are of what follows.
pub(super) fn extent<'n>(
    lines: &Lines,
    grammar: &Grammar,
    node: Node<'n>,
) -> (Range<usize>, Option<Node<'n>>) {
    let all = lines.of(node);
    let mut last = node;
    while let Some(child) = last.child_count().checked_sub(1).and_then(|at| last.child(at)) {
        last = child;
    }
    let (start, own) = (last.start_position(), node.start_position());
    let foreign = grammar.role(last) == Role::Comment
        && start.row > own.row
        && start.column <= own.column
        && lines.of(last).end == all.end;
    if foreign { (all.start..start.row, Some(last)) } else { (all, None) }
}

/// The signature of the definition `inner` in its wrapper `outer`; the two may be the same. It
/// is empty only if `outer` is blank.
pub(super) fn signature(
    text: &str,
    grammar: &Grammar,
    outer: Node,
    inner: Node,
    kind: Kind,
) -> Range<usize> {
    let end = outer.end_byte().min(text.len());
    let mut bytes = own_start(grammar, outer, inner).min(end)..end;
    // `[package]` is no annotation of a table.
    if kind != Kind::Key {
        bytes = without_annotations(text, bytes);
    }
    let body = body(grammar, inner, kind).map(|body| body.start_byte());
    within_lines(text, bytes, body)
}

/// The part of `bytes` that is the signature of a definition with its body at `body`.
pub(super) fn within_lines(text: &str, bytes: Range<usize>, body: Option<usize>) -> Range<usize> {
    let rest = &text[bytes.clone()];
    let start = bytes.start + rest.len() - rest.trim_start().len();
    let end = match body {
        Some(body) if body > start && body <= bytes.end => body,
        _ => line_end(text, start..bytes.end),
    };
    let end = text.floor_char_boundary(end.min(start + MAX_SIGNATURE));
    let end = start + text[start..end].trim_end_matches([' ', '\t', '\r', '\n', '{', '\\']).len();
    // A lone brace is better than nothing: where a definition begins must be known.
    start..if end > start { end } else { text.ceil_char_boundary((start + 1).min(bytes.end)) }
}

/// `bytes` without the annotations that are part of a node: none of the grammar's attributes.
fn without_annotations(text: &str, bytes: Range<usize>) -> Range<usize> {
    let Range { mut start, end } = bytes;
    while let Some(rest) = text.get(start..end) {
        start += rest.len() - rest.trim_start().len();
        let line = &text[start..line_end(text, start..end)];
        let annotation = (line.starts_with(['@', '[']) || line.starts_with("#["))
            && line.trim_end().ends_with([']', ')'])
            || line.starts_with('@') && !line.contains([' ', '{']);
        let next = start + line.len();
        if !annotation || text[next..end].trim_start().is_empty() {
            break;
        }
        start = next;
    }
    start..end
}

fn line_end(text: &str, bytes: Range<usize>) -> usize {
    let length = memchr::memchr(b'\n', &text.as_bytes()[bytes.clone()]);
    length.map_or(bytes.end, |length| bytes.start + length)
}

/// Where `outer`, which is or wraps `inner`, begins without its decorators.
fn own_start(grammar: &Grammar, outer: Node, inner: Node) -> usize {
    let mut start = outer.start_byte();
    for node in [outer, inner] {
        if start != node.start_byte() {
            continue;
        }
        let mut cursor = node.walk();
        let mut more = cursor.goto_first_child();
        while more && grammar.role(cursor.node()) == Role::Attribute {
            more = cursor.goto_next_sibling();
        }
        if more {
            start = cursor.node().start_byte();
        }
    }
    start
}

/// The body of `node`, or of the value or type that makes it a definition.
pub(super) fn body<'n>(grammar: &Grammar, node: Node<'n>, kind: Kind) -> Option<Node<'n>> {
    let own = grammar.body(node);
    if own.is_some() || matches!(kind, Kind::Constant | Kind::Section | Kind::Macro) {
        return own;
    }
    let mut cursor = node.walk();
    let mut more = cursor.goto_first_child();
    while more {
        let inner = grammar.body(cursor.node());
        if inner.is_some() {
            return inner;
        }
        more = cursor.goto_next_sibling();
    }
    None
}

/// What documents `node` from within its body.
pub(super) fn docstring(text: &str, grammar: &Grammar, node: Node) -> Option<Range<usize>> {
    if !grammar.has_docstrings() {
        return None;
    }
    let mut first = grammar.body(node)?.named_child(0)?;
    if first.kind() == "expression_statement" {
        first = first.named_child(0)?;
    }
    grammar.is_docstring(first, text).then(|| first.byte_range())
}

/// What stands directly before a definition.
#[derive(Default)]
pub(super) struct Before {
    /// The bytes of the comments; empty if there are none.
    pub doc: Range<usize>,
    /// Where its signature begins, if that stands apart.
    pub signature: Option<usize>,
}

/// The comments and the signature read last, which tell of what follows them on the next line.
#[derive(Default)]
pub(super) struct Comments {
    /// The bytes of the comments; empty if there are none.
    bytes: Range<usize>,
    /// The line after them and the attributes that follow.
    line: usize,
    /// The line after the last code.
    code: usize,
    /// Where the signature begins.
    signature: Option<usize>,
}

impl Comments {
    /// Takes note of a comment in `lines`.
    pub fn comment(&mut self, bytes: Range<usize>, lines: &Range<usize>) {
        if lines.start < self.code {
            // Behind code, on the same line.
            return;
        }
        let follows = !self.bytes.is_empty() && self.line >= lines.start;
        self.bytes.start = if follows { self.bytes.start } else { bytes.start };
        self.bytes.end = bytes.end;
        self.line = lines.end;
    }

    /// Takes note of an attribute: it stands between a comment and what that documents.
    pub fn attribute(&mut self, lines: &Range<usize>) {
        if !self.bytes.is_empty() && self.line >= lines.start {
            self.line = lines.end;
        }
    }

    /// Takes note of a signature, which stands there too.
    pub fn signature(&mut self, bytes: &Range<usize>, lines: &Range<usize>) {
        self.attribute(lines);
        self.signature.get_or_insert(bytes.start);
    }

    /// Takes note of code in `lines`, and gives what stands directly before it.
    pub fn code(&mut self, lines: &Range<usize>) -> Before {
        let Self { bytes, line, signature, .. } = std::mem::take(self);
        self.code = lines.end;
        Before { doc: if line >= lines.start { bytes } else { 0..0 }, signature }
    }
}
