//! Syntax tree to units: finds definitions, opens what is over the budget, leaves the rest.
//!
//! The walk goes over siblings from left to right and descends only into what must be opened,
//! so the inside of a definition that fits is never visited. It moves one cursor and keeps its
//! own stack: the depth of a tree is limited by memory alone.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::budget::{MAX_CHUNK, MIN_OWN};
use super::catalogue::{Candidate, Catalogue};
use super::definitions::{Found, Scope, extent};
use super::elide;
use super::embedded::{self, Inner};
use super::emit::Emitter;
use super::grammar::{Grammar, Role};
use super::lexical::Part;
use super::lines::Lines;
use super::pack::{Sort, Unit};
use super::parse::{parse, parse_part};
use super::rules::{Defined, Embedded};
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

/// Parses the text and takes it apart, with at most `parts` of it that are in other languages;
/// `None` when the parser gives up.
pub(super) fn units(
    lines: &Lines,
    grammar: &Grammar,
    parts: usize,
    cancel: &Cancel,
) -> Result<Option<Parsed>> {
    let elided = grammar.syntax.elided.map_or(Vec::new(), |lexis| elide::parts(lines, lexis));
    if !elided.is_empty() {
        let parsed = units_without(lines, &elided, grammar, parts, cancel)?;
        if parsed.is_some() {
            return Ok(parsed);
        }
    }
    units_without(lines, &[], grammar, parts, cancel)
}

/// The same without the `elided` parts; `None` as well when one of them is to be opened.
pub(super) fn units_without(
    lines: &Lines,
    elided: &[Part],
    grammar: &Grammar,
    parts: usize,
    cancel: &Cancel,
) -> Result<Option<Parsed>> {
    let tree = parse(lines, elided, grammar, cancel);
    // It also gives up when it is told to.
    cancel.check()?;
    let Some(tree) = tree else { return Ok(None) };
    let markup = parts > 0 && grammar.syntax.embedded == Some(Embedded::Markup);
    let mut walk = Walk {
        lines,
        grammar,
        catalogue: Catalogue::new(lines, grammar),
        emitter: Emitter::new(lines),
        macro_call: None,
        elided,
        opened: false,
        hosts: if markup { embedded::hosts(lines.text) } else { Vec::new() },
        fence: 0,
        parts,
        cancel,
    };
    let only = walk.only(tree.root_node());
    walk.run(&tree, Frame::open(0, only));
    // What is embedded may have been given up for that.
    cancel.check()?;
    let Walk { catalogue: Catalogue { scopes, definitions, .. }, emitter, opened, .. } = walk;
    if opened {
        return Ok(None);
    }
    Ok(Some(Parsed { scopes, units: emitter.finish(), definitions }))
}

/// A node whose children are being visited.
struct Frame<'n> {
    /// Scope of the next child.
    scope: usize,
    /// A descendant to be opened whatever its size: the definition inside a wrapper, then its
    /// body.
    target: Option<Node<'n>>,
    /// Whether the children are in units already, and only definitions are looked for.
    whole: bool,
    /// Scope of the children before any head among them.
    base: usize,
    /// Levels and scopes of the heads that the next child is under.
    heads: Vec<(u8, usize)>,
    /// Whether a head inside holds for what follows outside too.
    shared: bool,
    /// The node itself.
    node: Option<Node<'n>>,
}

impl<'n> Frame<'n> {
    /// The inside of a definition, to be cut.
    fn open(scope: usize, target: Option<Node<'n>>) -> Self {
        let heads = Vec::new();
        Self { scope, target, whole: false, base: scope, heads, shared: false, node: None }
    }

    /// The inside of a definition that is in a unit.
    fn whole(scope: usize, target: Option<Node<'n>>) -> Self {
        Self { whole: true, ..Self::open(scope, target) }
    }

    /// The inside of a child that is no definition.
    fn further(&self, target: Option<Node<'n>>) -> Self {
        Self { target, heads: self.heads.clone(), shared: true, ..*self }
    }
}

struct Walk<'a> {
    lines: &'a Lines<'a>,
    grammar: &'a Grammar,
    catalogue: Catalogue<'a>,
    emitter: Emitter<'a>,
    /// What the last node defines if it is a macro's call and a block follows.
    macro_call: Option<Found>,
    /// What the parser did not see.
    elided: &'a [Part],
    /// Whether one of them was to be opened, which ends the walk.
    opened: bool,
    /// Where elements that hold another language begin, ascending.
    hosts: Vec<usize>,
    /// The line after the last fenced block.
    fence: usize,
    /// How many parts in other languages may still be parsed: none within one of them.
    parts: usize,
    cancel: &'a Cancel,
}

impl Walk<'_> {
    /// Takes `tree` apart, starting in `frame`.
    fn run<'n>(&mut self, tree: &'n Tree, frame: Frame<'n>) {
        let mut cursor = tree.walk();
        let mut frames = vec![frame];
        let mut more = cursor.goto_first_child();
        while more {
            let node = cursor.node();
            let around = frames.len() - 1;
            if let Some(frame) = self.visit(node, &mut frames[around]) {
                if self.is_elided(node) {
                    self.opened = true;
                    return;
                }
                if cursor.goto_first_child() {
                    frames.push(Frame { node: Some(node), ..frame });
                    continue;
                }
                if !frame.whole {
                    self.emitter.commented(self.lines.of(node), frame.scope, Sort::Code);
                }
            }
            while !cursor.goto_next_sibling() {
                if let Some(Frame { scope, whole, heads, shared, .. }) = frames.pop() {
                    if !whole && !shared {
                        self.emitter.flush(scope);
                    }
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
    }

    /// Whether the parser did not see the inside of `node`.
    fn is_elided(&self, node: Node) -> bool {
        let inside = node.start_byte() + 1;
        let found = self.elided.binary_search_by_key(&inside, |part| part.bytes.start);
        // Of what was shortened, nothing is inside that anybody asks for.
        found.is_ok_and(|at| self.elided[at].stand_in.trim().is_empty())
    }

    /// The innermost node that is all of the text but comments and says nothing itself: the
    /// object that a file of data is.
    fn only<'n>(&self, root: Node<'n>) -> Option<Node<'n>> {
        let mut only = None;
        loop {
            let mut cursor = root.walk();
            let mut inner = only.unwrap_or(root).named_children(&mut cursor).filter(|child| {
                !matches!(self.grammar.role(*child), Role::Comment | Role::Attribute)
            });
            match (inner.next(), inner.next()) {
                (Some(child), None) if self.grammar.role(child) == Role::Plain => {
                    only = Some(child);
                }
                _ => return only,
            }
        }
    }

    /// Turns `node` into units, or returns the frame for opening it.
    fn visit<'n>(&mut self, node: Node<'n>, frame: &mut Frame<'n>) -> Option<Frame<'n>> {
        if node.start_byte() == node.end_byte() {
            return None;
        }
        if let Some(target) = frame.target {
            if node == target {
                return Some(frame.further(self.grammar.body(node)));
            }
            if node.start_byte() <= target.start_byte() && target.end_byte() <= node.end_byte() {
                return Some(frame.further(Some(target)));
            }
        }
        let lines = self.lines.of(node);
        let (role, candidate) = Candidate::read(node, self.grammar, self.lines.text);
        match role {
            Role::Comment => self.catalogue.comment(node),
            Role::Attribute => self.catalogue.attribute(&lines),
            Role::Signature => self.catalogue.signature(node),
            _ => {}
        }
        let before = matches!(role, Role::Comment | Role::Attribute | Role::Signature);
        if before && !frame.whole {
            self.emitter.hold(lines, role != Role::Comment, frame.scope);
            return None;
        }
        if before {
            return None;
        }
        if let Some((candidate, level)) = candidate.and_then(|it| Some((it, it.defined.rest?))) {
            self.head(candidate, level, lines, frame);
            return None;
        }
        if frame.whole {
            return self.look_into(role, candidate, &lines, frame);
        }
        let scope = frame.scope;
        let code = self.catalogue.is_code(scope);
        let macro_call = self.macro_call.take();
        match role {
            Role::Import => {
                self.catalogue.code(&lines);
                self.emitter.commented(lines, scope, Sort::Import);
                return None;
            }
            Role::MacroCall if !code => {
                self.macro_call = self.catalogue.call(node, &lines, scope);
                self.emitter.commented(lines, scope, Sort::Code);
                return None;
            }
            Role::MacroBlock if !code => {
                if let Some(call) = macro_call {
                    return self.define_by_macro(&lines, call, scope);
                }
            }
            Role::Embedded if self.embed(node, frame.node, &lines, scope) => return None,
            _ => {}
        }
        if let Some(candidate) = candidate {
            let Defined { kind, declared, .. } = candidate.defined;
            let small = self.lines.size(&lines) < MIN_OWN;
            let short = kind.needs_lines() && lines.len() == 1;
            if !declared && !short && !(small && (code || kind.needs_size())) {
                return self.define(candidate, scope);
            }
            if !code {
                return self.declare(candidate, scope);
            }
        }
        let opens = role == Role::Transparent || self.is_host(node);
        let opened = opens && !code && lines.len() > 1;
        if opened || self.lines.size(&lines) > MAX_CHUNK {
            return Some(frame.further(None));
        }
        self.catalogue.code(&lines);
        self.emitter.commented(lines, scope, Sort::Code);
        None
    }

    /// Lists `candidate`, inside a definition that is a chunk as a whole.
    fn look_into<'n>(
        &mut self,
        role: Role,
        candidate: Option<Candidate<'n>>,
        lines: &Range<usize>,
        frame: &Frame<'n>,
    ) -> Option<Frame<'n>> {
        let Some(candidate) = candidate else {
            if role == Role::Transparent {
                return Some(frame.further(None));
            }
            self.catalogue.code(lines);
            return None;
        };
        let (lines, following) = extent(self.lines, self.grammar, candidate.outer);
        let before = self.catalogue.code(&lines);
        let named = self.catalogue.named(candidate, frame.scope);
        if self.grammar.syntax.clauses && self.catalogue.is_again(&named, frame.scope) {
            return None;
        }
        let scope = self.catalogue.add(candidate, named, before, frame.scope);
        self.inside(candidate, scope, following)
    }

    /// Puts `candidate` and what follows it into a scope of their own.
    fn head(&mut self, candidate: Candidate, level: u8, lines: Range<usize>, frame: &mut Frame) {
        let before = self.catalogue.code(&lines);
        if !frame.whole {
            self.emitter.flush_others(lines.start, frame.scope);
        }
        frame.heads.retain(|(outer, _)| *outer < level);
        let parent = frame.heads.last().map_or(frame.base, |&(_, scope)| scope);
        let named = self.catalogue.named(candidate, parent);
        frame.scope = self.catalogue.add(candidate, named, before, parent);
        frame.heads.push((level, frame.scope));
        if !frame.whole {
            self.emitter.commented(lines, frame.scope, Sort::Code);
        }
    }

    /// The frame for listing what is defined in the definition that is scope `scope`, unless it is
    /// code. `following` are comments at its end that are of what follows.
    fn inside<'n>(
        &mut self,
        candidate: Candidate<'n>,
        scope: usize,
        following: Option<Node>,
    ) -> Option<Frame<'n>> {
        if self.catalogue.is_code(scope) {
            if let Some(comments) = following {
                self.catalogue.comment(comments);
            }
            return None;
        }
        Some(Frame::whole(scope, candidate.target(self.grammar)))
    }

    /// Emits a definition whole, or returns the frame for opening it.
    fn define<'n>(&mut self, candidate: Candidate<'n>, parent: usize) -> Option<Frame<'n>> {
        let (lines, following) = extent(self.lines, self.grammar, candidate.outer);
        let before = self.catalogue.code(&lines);
        let named = self.catalogue.named(candidate, parent);
        let Self { catalogue, emitter, .. } = self;
        let same = |scope| catalogue.is_same(scope, &named);
        if self.grammar.syntax.clauses && emitter.join_clause(&lines, same) {
            self.hold(following, parent);
            return None;
        }
        let scope = self.catalogue.add(candidate, named, before, parent);
        if self.is_host(candidate.inner) || !self.emitter.whole(&lines, scope, parent) {
            return Some(Frame::open(scope, candidate.target(self.grammar)));
        }
        if let Some(comments) = following {
            self.emitter.hold(self.lines.of(comments), false, parent);
        }
        self.inside(candidate, scope, following)
    }

    /// Whether another language is in `node`, so that it is opened whatever its size.
    fn is_host(&self, node: Node) -> bool {
        let next = self.hosts.partition_point(|&host| host < node.start_byte());
        self.hosts.get(next).is_some_and(|&host| host < node.end_byte())
    }

    /// Emits `node` in `lines` if it is code of another language, cut along its own syntax.
    fn embed(
        &mut self,
        node: Node,
        around: Option<Node>,
        lines: &Range<usize>,
        scope: usize,
    ) -> bool {
        let fence = self.grammar.syntax.embedded == Some(Embedded::Fences);
        if fence && self.lines.size(lines) <= MAX_CHUNK {
            self.catalogue.code(lines);
            // What introduces one block is seldom about the next as well.
            let introduced = self.fence < lines.start;
            self.emitter.introduced(lines.clone(), scope, introduced);
            self.fence = lines.end;
            return true;
        }
        let Some(rest) = self.parts.checked_sub(1) else { return false };
        let Some(Inner { grammar, part }) = embedded::inside(node, around, self.lines.text) else {
            return false;
        };
        let Some(tree) = parse_part(self.lines.text, part, grammar, self.cancel) else {
            return false;
        };
        let first = part.start_point.row;
        if fence && lines.start < first {
            // The line that opens the block goes with what follows it.
            self.emitter.flush(scope);
            self.emitter.hold(lines.start..first, true, scope);
        }
        self.catalogue.code(&(lines.start..first));
        let outer = (self.grammar, self.catalogue.enter(grammar, scope));
        (self.grammar, self.parts) = (grammar, 0);
        self.run(&tree, Frame::open(scope, None));
        (self.grammar, self.parts) = (outer.0, rest);
        self.catalogue.enter(outer.0, outer.1);
        self.macro_call = None;
        self.catalogue.code(lines);
        self.emitter.rest(lines, scope);
        self.fence = lines.end;
        true
    }

    /// Lists a definition that is no chunk of its own.
    fn declare<'n>(&mut self, candidate: Candidate<'n>, parent: usize) -> Option<Frame<'n>> {
        let (lines, following) = extent(self.lines, self.grammar, candidate.outer);
        let before = self.catalogue.code(&lines);
        let named = self.catalogue.named(candidate, parent);
        self.catalogue.add(candidate, named, before, parent);
        if lines.len() > 1 && self.lines.size(&lines) > MAX_CHUNK {
            return Some(Frame::open(parent, candidate.target(self.grammar)));
        }
        self.emitter.commented(lines, parent, Sort::Listed);
        self.hold(following, parent);
        None
    }

    /// Keeps comments at the end of a definition for what follows it.
    fn hold(&mut self, comments: Option<Node>, scope: usize) {
        if let Some(node) = comments {
            self.catalogue.comment(node);
            self.emitter.hold(self.lines.of(node), false, scope);
        }
    }

    /// Joins a macro's block to the call before it.
    fn define_by_macro<'n>(
        &mut self,
        block: &Range<usize>,
        call: Found,
        parent: usize,
    ) -> Option<Frame<'n>> {
        let scope = self.catalogue.scopes.len();
        let fits = self.emitter.join_block(block, scope, parent)?;
        self.catalogue.add_call(call, block);
        self.catalogue.code(block);
        (!fits).then(|| Frame::open(scope, None))
    }
}
