//! Syntax tree to units: finds definitions, opens what is over the budget, leaves the rest.
//!
//! The walk goes over siblings from left to right and descends only into what must be opened,
//! so the inside of a definition that fits is never visited. It moves one cursor and keeps its
//! own stack: the depth of a tree is limited by memory alone.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::Kind;
use super::budget::{MAX_CHUNK, MAX_DOCUMENTED, MIN_OWN};
use super::definitions::{
    Comments, Definition, Found, Scope, body, docstring, signature, within_lines,
};
use super::lines::Lines;
use super::names::macro_name;
use super::pack::{Sort, Unit};
use super::parse::parse;
use super::rules::{Defined, Grammar, Name, Role};
use crate::cancel::Cancel;
use crate::error::Result;

/// What a text consists of.
pub(super) struct Parsed {
    /// Scopes; the first is the file itself.
    pub scopes: Vec<Scope>,
    /// Ascending, disjoint units that cover every non-blank line.
    pub units: Vec<Unit>,
    /// All definitions but small ones inside functions.
    pub definitions: Vec<Found>,
}

/// Parses the text and takes it apart; `None` when the parser gives up.
pub(super) fn units(lines: &Lines, grammar: &Grammar, cancel: &Cancel) -> Result<Option<Parsed>> {
    let tree = parse(lines, grammar, cancel);
    // It also gives up when it is told to.
    cancel.check()?;
    let Some(tree) = tree else { return Ok(None) };
    let mut walk = Walk {
        lines,
        grammar,
        scopes: vec![Scope::file(Kind::Module)],
        units: Vec::new(),
        definitions: Vec::new(),
        documentation: Comments::default(),
        comments: None,
        macro_call: None,
        covered: 0,
    };
    walk.run(&tree);
    Ok(Some(Parsed { scopes: walk.scopes, units: walk.units, definitions: walk.definitions }))
}

/// A node whose children are being visited.
struct Frame<'n> {
    /// Scope of the children.
    scope: usize,
    /// A descendant to be opened whatever its size: the definition inside a wrapper, then its
    /// body.
    target: Option<Node<'n>>,
    /// Whether the children are in units already, and only definitions are looked for.
    whole: bool,
}

impl<'n> Frame<'n> {
    fn open(scope: usize, target: Option<Node<'n>>) -> Self {
        Self { scope, target, whole: false }
    }
}

/// A node that is or wraps a definition.
#[derive(Clone, Copy)]
struct Candidate<'n> {
    outer: Node<'n>,
    inner: Node<'n>,
    defined: Defined,
}

struct Walk<'a> {
    lines: &'a Lines<'a>,
    grammar: &'a Grammar,
    scopes: Vec<Scope>,
    units: Vec<Unit>,
    definitions: Vec<Found>,
    documentation: Comments,
    /// Comments and attributes waiting for what follows them; true if blank lines between do
    /// not matter.
    comments: Option<(Range<usize>, bool)>,
    /// Name and call of the definition that the last unit begins if it is a macro's call and a
    /// block follows.
    macro_call: Option<(String, Found)>,
    /// Lines before this one are in units.
    covered: usize,
}

impl Walk<'_> {
    fn run(&mut self, tree: &Tree) {
        let mut cursor = tree.walk();
        let mut frames = vec![Frame::open(0, None)];
        let mut more = cursor.goto_first_child();
        while more {
            let node = cursor.node();
            if let Some(frame) = self.visit(node, &frames[frames.len() - 1]) {
                if cursor.goto_first_child() {
                    frames.push(frame);
                    continue;
                }
                if !frame.whole {
                    self.emit_loose(self.lines_of(node), frame.scope);
                }
            }
            while !cursor.goto_next_sibling() {
                if let Some(Frame { scope, .. }) = frames.pop() {
                    self.flush_comments(scope);
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
    fn visit<'n>(&mut self, node: Node<'n>, frame: &Frame<'n>) -> Option<Frame<'n>> {
        if node.start_byte() == node.end_byte() {
            return None;
        }
        let (scope, whole) = (frame.scope, frame.whole);
        if let Some(target) = frame.target {
            if node == target {
                return Some(Frame { scope, target: self.grammar.body(node), whole });
            }
            if node.start_byte() <= target.start_byte() && target.end_byte() <= node.end_byte() {
                return Some(Frame { scope, target: Some(target), whole });
            }
        }
        let lines = self.lines_of(node);
        let role = self.grammar.role(node);
        match role {
            Role::Comment => self.documentation.comment(node.byte_range(), &lines),
            Role::Attribute => self.documentation.attribute(&lines),
            _ => {}
        }
        if whole {
            return self.look_into(node, role, &lines, scope);
        }
        let code = self.scopes[scope].kind.is_code();
        match role {
            Role::Comment | Role::Attribute => {
                self.hold_comments(lines, role == Role::Attribute, scope);
                return None;
            }
            Role::Definition(_) | Role::Wrapper => {
                if let Some(candidate) = self.definition(node, role) {
                    let Defined { kind, declared, .. } = candidate.defined;
                    let small = self.lines.size(&lines) < MIN_OWN;
                    let short = kind.needs_lines() && lines.len() == 1;
                    if !declared && !short && !(small && (code || kind == Kind::Constant)) {
                        return self.define(candidate, scope);
                    }
                    if !code {
                        return self.declare(candidate, lines, scope);
                    }
                }
            }
            Role::Import => {
                self.documentation.code(&lines);
                self.emit_commented(lines, scope, Sort::Import);
                return None;
            }
            Role::MacroCall if !code => {
                return self.call_macro(node, lines, scope);
            }
            Role::MacroBlock if !code => {
                if let Some((name, found)) = self.macro_call.take() {
                    return self.define_by_macro(lines, name, found, scope);
                }
            }
            Role::Plain | Role::Transparent | Role::MacroCall | Role::MacroBlock => {}
        }
        let transparent = matches!(role, Role::Transparent | Role::Wrapper);
        if self.lines.size(&lines) > MAX_CHUNK || (transparent && !code && lines.len() > 1) {
            return Some(Frame::open(scope, None));
        }
        self.documentation.code(&lines);
        self.emit_loose(lines, scope);
        None
    }

    /// Lists `node` if it is a definition, inside one that is a chunk as a whole.
    fn look_into<'n>(
        &mut self,
        node: Node<'n>,
        role: Role,
        lines: &Range<usize>,
        scope: usize,
    ) -> Option<Frame<'n>> {
        match role {
            Role::Comment | Role::Attribute => return None,
            Role::Transparent => return Some(Frame { whole: true, ..Frame::open(scope, None) }),
            Role::Definition(_) | Role::Wrapper => {
                if let Some(candidate) = self.definition(node, role) {
                    let documented = self.documentation.code(lines);
                    let (kind, symbol, signature) = self.list(candidate, documented, scope);
                    self.scopes.push(Scope { kind, symbol, parent: scope, signature });
                    return self.inside(candidate, self.scopes.len() - 1);
                }
                if role == Role::Wrapper {
                    return Some(Frame { whole: true, ..Frame::open(scope, None) });
                }
            }
            Role::Plain | Role::Import | Role::MacroCall | Role::MacroBlock => {}
        }
        self.documentation.code(lines);
        None
    }

    /// The frame for listing what is defined in a definition, unless it is code.
    fn inside<'n>(&self, candidate: Candidate<'n>, scope: usize) -> Option<Frame<'n>> {
        if self.scopes[scope].kind.is_code() {
            return None;
        }
        Some(Frame { whole: true, ..Frame::open(scope, self.target(candidate)) })
    }

    /// What of a definition is to be opened whatever its size.
    fn target<'n>(&self, candidate: Candidate<'n>) -> Option<Node<'n>> {
        let Candidate { outer, inner, defined } = candidate;
        if inner == outer { body(self.grammar, outer, defined.kind) } else { Some(inner) }
    }

    /// Adds a definition to the list; returns its kind, its qualified name and its signature.
    fn list(
        &mut self,
        candidate: Candidate,
        documented: Range<usize>,
        parent: usize,
    ) -> (Kind, String, Range<usize>) {
        let Candidate { outer, inner, defined: Defined { kind, name, .. } } = candidate;
        let (kind, symbol, own) = self.name(inner, kind, name, parent);
        let signature = signature(self.lines.text, self.grammar, outer, inner, kind);
        if own {
            let docstring =
                self.grammar.docstrings.then(|| docstring(self.grammar, inner)).flatten();
            self.definitions.push(Found {
                definition: Definition {
                    symbol: symbol.clone(),
                    kind,
                    start_line: self.lines.number(signature.start),
                    signature: signature.clone(),
                    doc: docstring.unwrap_or(documented),
                },
                parent,
            });
        }
        (kind, symbol, signature)
    }

    /// The definition that `node` is or wraps.
    fn definition<'n>(&self, outer: Node<'n>, role: Role) -> Option<Candidate<'n>> {
        let (mut node, mut role) = (outer, role);
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
        let defined = self.grammar.definition(rules, node)?;
        Some(Candidate { outer, inner: node, defined })
    }

    /// Emits a definition whole, or returns the frame for opening it.
    fn define<'n>(&mut self, candidate: Candidate<'n>, parent: usize) -> Option<Frame<'n>> {
        let lines = self.lines_of(candidate.outer);
        let documented = self.documentation.code(&lines);
        let (kind, symbol, signature) = self.list(candidate, documented, parent);
        let scope = self.scopes.len();
        self.scopes.push(Scope { kind, symbol, parent, signature });
        let with_comments = self.comments_before(lines.start).unwrap_or(lines.start)..lines.end;
        let limit = if self.lines.size(&lines) <= MAX_CHUNK { MAX_DOCUMENTED } else { MAX_CHUNK };
        if self.lines.size(&with_comments) <= limit {
            self.comments = self.comments.take().filter(|_| with_comments.start == lines.start);
            self.flush_comments(parent);
            self.emit(Unit { lines: with_comments, scope, sort: Sort::Whole }, parent);
            return self.inside(candidate, scope);
        }
        if with_comments.start == lines.start {
            self.flush_comments(parent);
        }
        Some(Frame::open(scope, self.target(candidate)))
    }

    /// Emits a macro's call, and keeps it in mind: a block may follow.
    fn call_macro<'n>(
        &mut self,
        node: Node<'n>,
        lines: Range<usize>,
        scope: usize,
    ) -> Option<Frame<'n>> {
        let doc = self.documentation.code(&lines);
        self.emit_loose(lines, scope);
        let name = macro_name(node, self.lines.text)?;
        let signature = within_lines(self.lines.text, node.byte_range(), Some(node.end_byte()));
        let definition = Definition {
            symbol: name.clone(),
            kind: Kind::Function,
            start_line: self.lines.number(signature.start),
            signature,
            doc,
        };
        self.macro_call = Some((name, Found { definition, parent: scope }));
        None
    }

    /// Lists a definition that is no chunk of its own.
    fn declare<'n>(
        &mut self,
        candidate: Candidate<'n>,
        lines: Range<usize>,
        scope: usize,
    ) -> Option<Frame<'n>> {
        let documented = self.documentation.code(&lines);
        self.list(candidate, documented, scope);
        if lines.len() > 1 && self.lines.size(&lines) > MAX_CHUNK {
            return Some(Frame::open(scope, self.target(candidate)));
        }
        self.emit_commented(lines, scope, Sort::Listed);
        None
    }

    /// Joins a macro's block to the call before it.
    fn define_by_macro<'n>(
        &mut self,
        block: Range<usize>,
        name: String,
        found: Found,
        parent: usize,
    ) -> Option<Frame<'n>> {
        let scope = self.scopes.len();
        let signature = found.definition.signature.clone();
        self.scopes.push(Scope { kind: Kind::Function, symbol: name, parent, signature });
        let call = self.units.last_mut().filter(|call| {
            call.lines.end >= block.start && call.scope == parent && call.sort != Sort::Whole
        })?;
        call.scope = scope;
        self.definitions.push(found);
        self.documentation.code(&block);
        if self.lines.size(&(call.lines.start..block.end)) > MAX_CHUNK {
            return Some(Frame::open(scope, None));
        }
        call.sort = Sort::Whole;
        call.lines.end = block.end;
        self.covered = block.end;
        None
    }

    /// Kind and qualified name of `node`, and whether it has a name of its own.
    fn name(&self, node: Node, kind: Kind, name: Name, parent: usize) -> (Kind, String, bool) {
        let parent = &self.scopes[parent];
        let separator = self.grammar.separator;
        let name = name.read(node, self.lines.text);
        let qualified = separator == "::" && name.contains(separator);
        let method = kind == Kind::Function && (parent.kind.has_methods() || qualified);
        let kind = if method { Kind::Method } else { kind };
        let symbol = match (parent.symbol.as_str(), name.as_str()) {
            (outer, "") => outer.to_owned(),
            ("", name) => name.to_owned(),
            (outer, name) => format!("{outer}{separator}{name}"),
        };
        // `a, b = f()` and `a[0] = 1` give a name to nothing.
        let pattern = kind == Kind::Constant && name.contains([' ', '[', '(', '{']);
        (kind, symbol, !name.is_empty() && !pattern)
    }

    /// The lines of `node`. A node that ends at the start of a line does not reach into it.
    fn lines_of(&self, node: Node) -> Range<usize> {
        let (start, end) = (node.start_position(), node.end_position());
        let last = if end.column == 0 && end.row > start.row { end.row } else { end.row + 1 };
        start.row.min(self.lines.len() - 1)..last.min(self.lines.len())
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
            let sort = if attribute { Sort::Code } else { Sort::Comment };
            self.emit(Unit { lines, scope, sort }, scope);
        }
    }

    fn emit_loose(&mut self, lines: Range<usize>, scope: usize) {
        self.emit_commented(lines, scope, Sort::Code);
    }

    /// Emits `lines`, with the comments that belong to them.
    fn emit_commented(&mut self, lines: Range<usize>, scope: usize, sort: Sort) {
        let start = self.comments_before(lines.start);
        if start.is_some() {
            self.comments = None;
        } else {
            self.flush_comments(scope);
        }
        let lines = start.unwrap_or(lines.start)..lines.end;
        self.emit(Unit { lines, scope, sort }, scope);
    }

    /// Appends a unit; lines it shares with the one before join the two.
    fn emit(&mut self, unit: Unit, around: usize) {
        self.macro_call = None;
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
