//! Syntax tree to units: finds definitions, opens what is over the budget, leaves the rest.
//!
//! The walk goes over siblings from left to right and descends only into what must be opened,
//! so the inside of a definition that fits is never visited. It moves one cursor and keeps its
//! own stack: the depth of a tree is limited by memory alone.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::Kind;
use super::budget::{MAX_CHUNK, MIN_OWN};
use super::definitions::{
    Comments, Definition, Found, Scope, body, docstring, extent, signature, within_lines,
};
use super::embedded::{self, Inner};
use super::emit::Emitter;
use super::grammar::{Grammar, Role};
use super::lines::Lines;
use super::names::{Namespaces, macro_name};
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
    let tree = parse(lines, grammar, cancel);
    // It also gives up when it is told to.
    cancel.check()?;
    let Some(tree) = tree else { return Ok(None) };
    let mut walk = Walk {
        lines,
        grammar,
        scopes: vec![Scope::file(Kind::Module)],
        emitter: Emitter::new(lines),
        definitions: Vec::new(),
        documentation: Comments::default(),
        macro_call: None,
        namespaces: Namespaces::of(lines.text),
        base: 0,
        hosts: Vec::new(),
        fence: 0,
        parts,
        cancel,
    };
    if parts > 0 && grammar.syntax.embedded == Some(Embedded::Markup) {
        walk.hosts = embedded::hosts(lines.text);
    }
    walk.run(&tree, Frame::open(0, None));
    // What is embedded may have been given up for that.
    cancel.check()?;
    let Walk { scopes, emitter, definitions, .. } = walk;
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

/// A node that is or wraps a definition.
#[derive(Clone, Copy)]
struct Candidate<'n> {
    outer: Node<'n>,
    inner: Node<'n>,
    defined: Defined,
}

/// What a definition is called.
struct Named {
    kind: Kind,
    /// Its qualified name.
    symbol: String,
    /// Whether it has a name of its own.
    own: bool,
}

struct Walk<'a> {
    lines: &'a Lines<'a>,
    grammar: &'a Grammar,
    scopes: Vec<Scope>,
    emitter: Emitter<'a>,
    definitions: Vec<Found>,
    documentation: Comments,
    /// Name and call of the definition that the last node begins if it is a macro's call and a
    /// block follows.
    macro_call: Option<(String, Found)>,
    namespaces: Namespaces<'a>,
    /// The scope whose name takes no part in what is directly in it: the file itself, or what
    /// holds another language.
    base: usize,
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
                    if !whole {
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
        let role = self.grammar.role(node);
        match role {
            Role::Comment => self.documentation.comment(node.byte_range(), &lines),
            Role::Attribute => self.documentation.attribute(&lines),
            _ => {}
        }
        if frame.whole {
            return self.look_into(node, role, &lines, frame);
        }
        let scope = frame.scope;
        let code = self.scopes[scope].kind.is_code();
        if matches!(role, Role::Comment | Role::Attribute) {
            self.emitter.hold(lines, role == Role::Attribute, scope);
            return None;
        }
        let macro_call = self.macro_call.take();
        match role {
            Role::Definition(_) | Role::Wrapper => {
                if let Some(candidate) = self.definition(node, role) {
                    let Defined { kind, declared, rest, .. } = candidate.defined;
                    if let Some(level) = rest {
                        self.head(candidate, level, lines, frame);
                        return None;
                    }
                    let small = self.lines.size(&lines) < MIN_OWN;
                    let short = kind.needs_lines() && lines.len() == 1;
                    if !declared && !short && !(small && (code || kind.needs_size())) {
                        return self.define(candidate, scope);
                    }
                    if !code {
                        return self.declare(candidate, scope);
                    }
                }
            }
            Role::Import => {
                self.documentation.code(&lines);
                self.emitter.commented(lines, scope, Sort::Import);
                return None;
            }
            Role::MacroCall if !code => {
                self.call_macro(node, lines, scope);
                return None;
            }
            Role::MacroBlock if !code => {
                if let Some((name, found)) = macro_call {
                    return self.define_by_macro(&lines, name, found, scope);
                }
            }
            Role::Embedded if self.embed(node, frame.node, &lines, scope) => return None,
            _ => {}
        }
        let transparent = self.grammar.is_transparent(role) || self.is_host(node);
        if self.lines.size(&lines) > MAX_CHUNK || (transparent && !code && lines.len() > 1) {
            return Some(frame.further(None));
        }
        self.documentation.code(&lines);
        self.emitter.commented(lines, scope, Sort::Code);
        None
    }

    /// Lists `node` if it is a definition, inside one that is a chunk as a whole.
    fn look_into<'n>(
        &mut self,
        node: Node<'n>,
        role: Role,
        lines: &Range<usize>,
        frame: &mut Frame<'n>,
    ) -> Option<Frame<'n>> {
        if matches!(role, Role::Comment | Role::Attribute) {
            return None;
        }
        if let Some(candidate) = self.definition(node, role) {
            if let Some(level) = candidate.defined.rest {
                self.head(candidate, level, lines.clone(), frame);
                return None;
            }
            let (lines, following) = extent(self.lines, self.grammar, candidate.outer);
            let documented = self.documentation.code(&lines);
            let named = self.named(candidate, frame.scope);
            if self.grammar.syntax.clauses && self.is_again(&named, frame.scope) {
                return None;
            }
            let scope = self.list(candidate, named, documented, frame.scope);
            return self.inside(candidate, scope, following);
        }
        if self.grammar.is_transparent(role) {
            return Some(frame.further(None));
        }
        self.documentation.code(lines);
        None
    }

    /// Puts `candidate` and what follows it into a scope of their own.
    fn head(&mut self, candidate: Candidate, level: u8, lines: Range<usize>, frame: &mut Frame) {
        let documented = self.documentation.code(&lines);
        if !frame.whole {
            self.emitter.flush_others(lines.start, frame.scope);
        }
        frame.heads.retain(|(outer, _)| *outer < level);
        let parent = frame.heads.last().map_or(frame.base, |&(_, scope)| scope);
        let named = self.named(candidate, parent);
        frame.scope = self.list(candidate, named, documented, parent);
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
        if self.scopes[scope].kind.is_code() {
            self.document(following);
            return None;
        }
        Some(Frame::whole(scope, self.target(candidate)))
    }

    /// Takes note of comments that are read before their turn.
    fn document(&mut self, comments: Option<Node>) {
        if let Some(node) = comments {
            self.documentation.comment(node.byte_range(), &self.lines.of(node));
        }
    }

    /// What of a definition is to be opened whatever its size.
    fn target<'n>(&self, candidate: Candidate<'n>) -> Option<Node<'n>> {
        let Candidate { outer, inner, defined } = candidate;
        if inner == outer { body(self.grammar, outer, defined.kind) } else { Some(inner) }
    }

    /// Adds a definition to the list and the scope that it is; returns the index of the scope.
    fn list(
        &mut self,
        candidate: Candidate,
        named: Named,
        documented: Range<usize>,
        parent: usize,
    ) -> usize {
        let Candidate { outer, inner, defined } = candidate;
        let Named { kind, symbol, own } = named;
        let signature = signature(self.lines.text, self.grammar, outer, inner, defined.kind);
        if own {
            let docstring =
                self.grammar.syntax.docstrings.then(|| docstring(self.grammar, inner)).flatten();
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
        self.scopes.push(Scope { kind, symbol, parent, signature });
        self.scopes.len() - 1
    }

    /// Whether the last definition is called so too, in the same scope.
    fn is_again(&self, named: &Named, parent: usize) -> bool {
        self.definitions.last().is_some_and(|last| {
            last.parent == parent
                && (last.definition.kind, &last.definition.symbol) == (named.kind, &named.symbol)
        })
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
        let defined = self.grammar.definition(rules, node, self.lines.text)?;
        Some(Candidate { outer, inner: node, defined })
    }

    /// Emits a definition whole, or returns the frame for opening it.
    fn define<'n>(&mut self, candidate: Candidate<'n>, parent: usize) -> Option<Frame<'n>> {
        let (lines, following) = extent(self.lines, self.grammar, candidate.outer);
        let documented = self.documentation.code(&lines);
        let named = self.named(candidate, parent);
        let Self { scopes, emitter, .. } = self;
        let same = |scope: usize| {
            let Scope { kind, symbol, .. } = &scopes[scope];
            (*kind, symbol) == (named.kind, &named.symbol)
        };
        if self.grammar.syntax.clauses && emitter.join_clause(&lines, same) {
            self.hold(following, parent);
            self.document(following);
            return None;
        }
        let scope = self.list(candidate, named, documented, parent);
        if !self.is_host(candidate.inner) && self.emitter.whole(&lines, scope, parent) {
            self.hold(following, parent);
            return self.inside(candidate, scope, following);
        }
        Some(Frame::open(scope, self.target(candidate)))
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
            self.documentation.code(lines);
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
        self.documentation.code(&(lines.start..first));
        let outer = (self.grammar, self.base, rest);
        (self.grammar, self.base, self.parts) = (grammar, scope, 0);
        self.run(&tree, Frame::open(scope, None));
        (self.grammar, self.base, self.parts) = outer;
        self.macro_call = None;
        self.documentation.code(lines);
        self.emitter.rest(lines, scope);
        self.fence = lines.end;
        true
    }

    /// Keeps comments at the end of a definition for what follows it.
    fn hold(&mut self, comments: Option<Node>, scope: usize) {
        if let Some(node) = comments {
            self.emitter.hold(self.lines.of(node), false, scope);
        }
    }

    /// Emits a macro's call, and keeps it in mind: a block may follow.
    fn call_macro(&mut self, node: Node, lines: Range<usize>, scope: usize) {
        let doc = self.documentation.code(&lines);
        self.emitter.commented(lines, scope, Sort::Code);
        let Some(name) = macro_name(node, self.lines.text) else { return };
        let signature = within_lines(self.lines.text, node.byte_range(), Some(node.end_byte()));
        let definition = Definition {
            symbol: name.clone(),
            kind: Kind::Function,
            start_line: self.lines.number(signature.start),
            signature,
            doc,
        };
        self.macro_call = Some((name, Found { definition, parent: scope }));
    }

    /// Lists a definition that is no chunk of its own.
    fn declare<'n>(&mut self, candidate: Candidate<'n>, parent: usize) -> Option<Frame<'n>> {
        let (lines, following) = extent(self.lines, self.grammar, candidate.outer);
        let documented = self.documentation.code(&lines);
        let named = self.named(candidate, parent);
        self.list(candidate, named, documented, parent);
        if lines.len() > 1 && self.lines.size(&lines) > MAX_CHUNK {
            return Some(Frame::open(parent, self.target(candidate)));
        }
        self.emitter.commented(lines, parent, Sort::Listed);
        self.hold(following, parent);
        self.document(following);
        None
    }

    /// Joins a macro's block to the call before it.
    fn define_by_macro<'n>(
        &mut self,
        block: &Range<usize>,
        name: String,
        found: Found,
        parent: usize,
    ) -> Option<Frame<'n>> {
        let scope = self.scopes.len();
        let fits = self.emitter.join_block(block, scope, parent)?;
        let signature = found.definition.signature.clone();
        self.scopes.push(Scope { kind: Kind::Function, symbol: name, parent, signature });
        self.definitions.push(found);
        self.documentation.code(block);
        (!fits).then(|| Frame::open(scope, None))
    }

    /// What a definition in scope `parent` is called.
    fn named(&self, candidate: Candidate, parent: usize) -> Named {
        let Defined { kind, name, absolute, .. } = candidate.defined;
        let around = &self.scopes[if absolute || parent == self.base { 0 } else { parent }];
        let separator = self.grammar.syntax.separator;
        let name = name.read(candidate.inner, self.lines.text);
        let owner = name.rsplit_once(separator).filter(|_| separator == "::");
        let qualified = owner.is_some_and(|(owner, _)| !self.namespaces.contain(owner));
        let method = kind == Kind::Function && (around.kind.has_methods() || qualified);
        let kind = if method { Kind::Method } else { kind };
        // `a, b = f()` and `a[0] = 1` give a name to nothing.
        let pattern = kind == Kind::Constant && name.contains([' ', '[', '(', '{']);
        let own = !name.is_empty() && !pattern;
        let symbol = match (around.symbol.as_str(), name.as_str()) {
            (outer, "") => outer.to_owned(),
            ("", name) => name.to_owned(),
            (outer, name) => format!("{outer}{separator}{name}"),
        };
        Named { kind, symbol, own }
    }
}
