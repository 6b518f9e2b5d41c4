//! Syntax tree to units: finds definitions, opens what is over the budget, leaves the rest.
//!
//! The walk goes over siblings from left to right and descends only into what must be opened,
//! so the inside of a definition that fits is never visited. It moves one cursor and keeps its
//! own stack: the depth of a tree is limited by memory alone.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::lines::Lines;
use super::names::macro_name;
use super::pack::{Scope, Unit};
use super::parse::parse;
use super::rules::{Definition, Grammar, Name, Role};
use super::{Kind, MAX_CHUNK};
use crate::cancel::Cancel;
use crate::error::Result;

/// Inside functions, and for constants anywhere, definitions smaller than this many
/// non-whitespace bytes are statements: a chunk of their own would say too little.
const MIN_OWN: usize = 400;

/// Parses the text and returns its scopes and units; `None` when the parser gives up.
pub(super) fn units(
    lines: &Lines,
    grammar: &Grammar,
    cancel: &Cancel,
) -> Result<Option<(Vec<Scope>, Vec<Unit>)>> {
    let tree = parse(lines, grammar, cancel);
    // It also gives up when it is told to.
    cancel.check()?;
    let Some(tree) = tree else { return Ok(None) };
    let root = Scope { kind: Kind::Module, symbol: String::new() };
    let mut walk = Walk {
        lines,
        grammar,
        scopes: vec![root],
        units: Vec::new(),
        comments: None,
        macro_call: None,
        covered: 0,
        namespaces: OnceCell::new(),
    };
    walk.run(&tree);
    Ok(Some((walk.scopes, walk.units)))
}

/// A node whose children are being visited.
struct Frame<'n> {
    /// Scope of the children.
    scope: usize,
    /// A descendant to be opened whatever its size: the definition inside a wrapper, then its
    /// body.
    target: Option<Node<'n>>,
    /// Scope of the children before any head among them.
    base: usize,
    /// Levels and scopes of the heads that the next child is under.
    heads: Vec<(u8, usize)>,
    /// Whether a head inside holds for what follows outside too.
    shared: bool,
}

impl<'n> Frame<'n> {
    /// The inside of a definition.
    fn new(scope: usize, target: Option<Node<'n>>) -> Self {
        Self { scope, target, base: scope, heads: Vec::new(), shared: false }
    }

    /// What is opened and is no definition.
    fn inside(&self, target: Option<Node<'n>>) -> Self {
        Self { target, heads: self.heads.clone(), shared: true, ..*self }
    }
}

struct Walk<'a> {
    lines: &'a Lines<'a>,
    grammar: &'a Grammar,
    scopes: Vec<Scope>,
    units: Vec<Unit>,
    /// Comments and attributes waiting for what follows them; true if blank lines between do
    /// not matter.
    comments: Option<(Range<usize>, bool)>,
    /// Name of the definition that the last unit begins if it is a macro's call and a block
    /// follows.
    macro_call: Option<String>,
    /// Lines before this one are in units.
    covered: usize,
    /// Names that the text introduces as namespaces.
    namespaces: OnceCell<HashSet<String>>,
}

impl Walk<'_> {
    fn run(&mut self, tree: &Tree) {
        let mut cursor = tree.walk();
        let mut frames = vec![Frame::new(0, None)];
        let mut more = cursor.goto_first_child();
        while more {
            let node = cursor.node();
            let around = frames.len() - 1;
            if let Some(frame) = self.visit(node, &mut frames[around]) {
                if cursor.goto_first_child() {
                    frames.push(frame);
                    continue;
                }
                self.emit_loose(self.lines_of(node), frame.scope);
            }
            while !cursor.goto_next_sibling() {
                if let Some(Frame { scope, heads, shared, .. }) = frames.pop() {
                    self.flush_comments(scope);
                    if let Some(around) = frames.last_mut().filter(|_| shared) {
                        (around.scope, around.heads) = (scope, heads);
                    }
                }
                if frames.is_empty() || !cursor.goto_parent() {
                    more = false;
                    break;
                }
            }
        }
        self.flush_comments(0);
        self.cover(self.lines.len(), 0);
    }

    /// Turns `node` into units, or returns the frame for opening it.
    fn visit<'n>(&mut self, node: Node<'n>, frame: &mut Frame<'n>) -> Option<Frame<'n>> {
        if node.start_byte() == node.end_byte() {
            return None;
        }
        let scope = frame.scope;
        if let Some(target) = frame.target {
            if node == target {
                return Some(frame.inside(self.grammar.body(node)));
            }
            if node.start_byte() <= target.start_byte() && target.end_byte() <= node.end_byte() {
                return Some(frame.inside(Some(target)));
            }
        }
        let lines = self.lines_of(node);
        let role = self.grammar.role(node);
        let code = self.scopes[scope].kind.is_code();
        match role {
            Role::Comment | Role::Attribute => {
                self.hold_comments(lines, role == Role::Attribute, scope);
                return None;
            }
            Role::Definition(_) | Role::Wrapper => {
                if let Some((inner, Definition { kind, name, rest, absolute })) =
                    self.definition(node, role)
                {
                    if let Some(level) = rest {
                        self.head(inner, kind, name, level, frame);
                        return None;
                    }
                    let ink = self.lines.ink(&lines);
                    let small = ink < MIN_OWN && (code || kind.needs_size());
                    let short = kind.needs_lines() && lines.len() == 1;
                    if !small && !short {
                        return self.define(node, inner, (kind, name, absolute), scope);
                    }
                }
            }
            Role::MacroCall if !code => {
                self.emit_loose(lines, scope);
                self.macro_call = macro_name(node, self.lines.text);
                return None;
            }
            Role::MacroBlock if !code => {
                if let Some(name) = self.macro_call.take() {
                    return self.define_by_macro(lines, name, scope);
                }
            }
            Role::Plain | Role::Transparent | Role::MacroCall | Role::MacroBlock => {}
        }
        let transparent = self.grammar.is_transparent(role);
        if self.lines.ink(&lines) > MAX_CHUNK || (transparent && !code && lines.len() > 1) {
            return Some(frame.inside(None));
        }
        self.emit_loose(lines, scope);
        None
    }

    /// Puts `node` and what follows it into a scope of their own.
    fn head(&mut self, node: Node, kind: Kind, name: Name, level: u8, frame: &mut Frame) {
        let lines = self.lines_of(node);
        if self.comments_before(lines.start).is_none() {
            self.flush_comments(frame.scope);
        }
        frame.heads.retain(|(outer, _)| *outer < level);
        let parent = frame.heads.last().map_or(frame.base, |&(_, scope)| scope);
        let (kind, symbol) = self.name(node, kind, name, parent);
        frame.scope = self.scopes.len();
        self.scopes.push(Scope { kind, symbol });
        frame.heads.push((level, frame.scope));
        self.emit_loose(lines, frame.scope);
    }

    /// The definition that `node` is or wraps.
    fn definition<'n>(&self, node: Node<'n>, role: Role) -> Option<(Node<'n>, Definition)> {
        let (mut node, mut role) = (node, role);
        while role == Role::Wrapper {
            let mut inner = None;
            let mut cursor = node.walk();
            let mut more = cursor.goto_first_child();
            while more {
                let child = cursor.node();
                let child_role = self.grammar.role(child);
                if matches!(child_role, Role::Definition(_) | Role::Wrapper)
                    && inner.replace((child, child_role)).is_some()
                {
                    return None;
                }
                more = cursor.goto_next_sibling();
            }
            (node, role) = inner?;
        }
        let Role::Definition(rules) = role else {
            return None;
        };
        Some((node, self.grammar.definition(rules, node, self.lines.text)?))
    }

    /// Emits a definition whole, or returns the frame for opening it.
    fn define<'n>(
        &mut self,
        outer: Node<'n>,
        inner: Node<'n>,
        (kind, name, absolute): (Kind, Name, bool),
        parent: usize,
    ) -> Option<Frame<'n>> {
        let (kind, symbol) = self.name(inner, kind, name, if absolute { 0 } else { parent });
        let (lines, following) = self.without_comments(outer);
        if self.grammar.clauses && self.joins(&lines, kind, &symbol) {
            return None;
        }
        let scope = self.scopes.len();
        self.scopes.push(Scope { kind, symbol });
        let with_comments = self.comments_before(lines.start).unwrap_or(lines.start)..lines.end;
        if self.lines.ink(&with_comments) <= MAX_CHUNK {
            self.comments = self.comments.take().filter(|_| with_comments.start == lines.start);
            self.flush_comments(parent);
            self.emit(Unit { whole: true, ..Unit::loose(with_comments, scope) }, parent);
            self.comments = following.map(|lines| (lines, false));
            return None;
        }
        if with_comments.start < lines.start && self.lines.ink(&lines) <= MAX_CHUNK {
            self.flush_comments(scope);
            self.emit(Unit { whole: true, ..Unit::loose(lines, scope) }, parent);
            self.comments = following.map(|lines| (lines, false));
            return None;
        }
        if with_comments.start == lines.start {
            self.flush_comments(parent);
        }
        let target = if inner == outer { self.grammar.body(outer) } else { Some(inner) };
        Some(Frame::new(scope, target))
    }

    /// Joins a function's clause to the clause before it.
    fn joins(&mut self, clause: &Range<usize>, kind: Kind, symbol: &str) -> bool {
        let Some(last) = self.units.last_mut().filter(|last| last.whole) else { return false };
        let scope = &self.scopes[last.scope];
        let both = last.lines.start..clause.end.max(last.lines.end);
        let joined = self.comments.is_none()
            && (scope.kind, scope.symbol.as_str()) == (kind, symbol)
            && self.covered <= clause.start
            && self.lines.ink(&both) <= MAX_CHUNK;
        if joined {
            self.covered = both.end;
            last.lines = both;
        }
        joined
    }

    /// Joins a macro's block to the call before it.
    fn define_by_macro<'n>(
        &mut self,
        block: Range<usize>,
        name: String,
        parent: usize,
    ) -> Option<Frame<'n>> {
        let scope = self.scopes.len();
        self.scopes.push(Scope { kind: Kind::Function, symbol: name });
        let call = self
            .units
            .last_mut()
            .filter(|call| call.lines.end >= block.start && call.scope == parent && !call.whole)?;
        call.scope = scope;
        if self.lines.ink(&(call.lines.start..block.end)) > MAX_CHUNK {
            return Some(Frame::new(scope, None));
        }
        call.whole = true;
        call.lines.end = block.end;
        self.covered = block.end;
        None
    }

    fn name(&self, node: Node, kind: Kind, name: Name, parent: usize) -> (Kind, String) {
        let parent = &self.scopes[parent];
        let separator = self.grammar.separator;
        let name = name.read(node, self.lines.text);
        let owner = name.rsplit_once(separator).filter(|_| separator == "::");
        let qualified = owner.is_some_and(|(owner, _)| !self.is_namespace(owner));
        let method = kind == Kind::Function && (parent.kind.has_methods() || qualified);
        let kind = if method { Kind::Method } else { kind };
        let symbol = match (parent.symbol.as_str(), name.as_str()) {
            (outer, "") => outer.to_owned(),
            ("", name) => name.to_owned(),
            (outer, name) => format!("{outer}{separator}{name}"),
        };
        (kind, symbol)
    }

    /// Whether the text calls the last part of `owner` a namespace: `ns::f` is a function then,
    /// and a method where nothing tells.
    fn is_namespace(&self, owner: &str) -> bool {
        let namespaces = self.namespaces.get_or_init(|| {
            let text = self.lines.text;
            let named = text.match_indices("namespace ").filter_map(|(at, word)| {
                let path = text[at + word.len()..].trim_start();
                let end = path.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
                path[..end.unwrap_or(path.len())].rsplit(':').next()
            });
            named.map(str::to_owned).collect()
        });
        owner.rsplit(':').next().is_some_and(|last| namespaces.contains(last))
    }

    /// The lines of `node`, without blank ones at its end.
    fn lines_of(&self, node: Node) -> Range<usize> {
        let start = node.start_position().row;
        let text = self.lines.text.get(node.byte_range()).unwrap_or_default();
        let blank = &text[text.trim_ascii_end().len()..];
        let end = node.end_position().row - memchr::memchr_iter(b'\n', blank.as_bytes()).count();
        start.min(self.lines.len() - 1)..(end + 1).min(self.lines.len())
    }

    /// The lines of definition `node` without comments at its end that stand no deeper than it
    /// does, and those comments: where indentation ends a block they are of what follows.
    fn without_comments(&self, node: Node) -> (Range<usize>, Option<Range<usize>>) {
        let lines = self.lines_of(node);
        let mut last = node;
        while let Some(child) = last.child_count().checked_sub(1).and_then(|at| last.child(at)) {
            last = child;
        }
        let (start, own) = (last.start_position(), node.start_position());
        let foreign = self.grammar.role(last) == Role::Comment
            && start.row > own.row
            && start.column <= own.column
            && self.lines_of(last).end == lines.end;
        if foreign { (lines.start..start.row, Some(start.row..lines.end)) } else { (lines, None) }
    }

    /// Keeps comments for what follows them.
    fn hold_comments(&mut self, lines: Range<usize>, attribute: bool, scope: usize) {
        if lines.start < self.covered {
            // A comment behind code on the same line belongs to that code.
            self.emit_loose(lines, scope);
            return;
        }
        let start = self.comments_before(lines.start);
        if start.is_none() {
            self.flush_comments(scope);
        }
        let sticky = attribute || self.comments.take().is_some_and(|(_, sticky)| sticky);
        self.comments = Some((start.unwrap_or(lines.start)..lines.end, sticky));
    }

    /// Where held comments that belong to line `start` begin.
    fn comments_before(&self, start: usize) -> Option<usize> {
        let (held, sticky) = self.comments.as_ref()?;
        (held.end >= start || *sticky).then_some(held.start)
    }

    fn flush_comments(&mut self, scope: usize) {
        if let Some((lines, attribute)) = self.comments.take() {
            self.emit(Unit { comment: !attribute, ..Unit::loose(lines, scope) }, scope);
        }
    }

    /// Emits `lines`, with the comments that belong to them.
    fn emit_loose(&mut self, lines: Range<usize>, scope: usize) {
        let start = self.comments_before(lines.start);
        if start.is_some() {
            self.comments = None;
        } else {
            self.flush_comments(scope);
        }
        let lines = start.unwrap_or(lines.start)..lines.end;
        self.emit(Unit::loose(lines, scope), scope);
    }

    /// Appends a unit; lines it shares with the one before join the two.
    fn emit(&mut self, unit: Unit, around: usize) {
        self.macro_call = None;
        self.cover(unit.lines.start, around);
        if unit.lines.start >= self.covered {
            self.covered = unit.lines.end;
            self.units.push(unit);
        } else if let Some(last) = self.units.last_mut() {
            if unit.whole && !last.whole || last.scope == 0 {
                last.scope = unit.scope;
                last.whole = unit.whole || last.whole;
            }
            last.comment &= unit.comment;
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
