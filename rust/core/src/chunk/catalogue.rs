//! What a walk finds defined: scopes and definitions, with their names, signatures and
//! documentation.

use std::ops::Range;

use tree_sitter::Node;

use super::Kind;
use super::definitions::{
    Before, Comments, Definition, Found, Scope, body, docstring, extent, signature, within_lines,
};
use super::grammar::{Grammar, Role};
use super::lines::Lines;
use super::names::{Namespaces, macro_name};
use super::rules::Defined;

/// A node that is or wraps a definition.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'n> {
    pub outer: Node<'n>,
    pub inner: Node<'n>,
    pub defined: Defined,
}

impl<'n> Candidate<'n> {
    /// What `node` means, and the definition that it is or wraps.
    pub fn read(node: Node<'n>, grammar: &Grammar, text: &str) -> (Role, Option<Self>) {
        if grammar.is_import(node, text) {
            return (Role::Import, None);
        }
        let role = grammar.role(node);
        match Self::of(node, role, grammar, text) {
            None => (grammar.otherwise(role), None),
            candidate => (role, candidate),
        }
    }

    /// The definition that `outer` is or wraps.
    fn of(outer: Node<'n>, role: Role, grammar: &Grammar, text: &str) -> Option<Self> {
        let (mut node, mut role) = (outer, role);
        while role == Role::Wrapper {
            let mut inner = None;
            let mut cursor = node.walk();
            let mut more = cursor.goto_first_child();
            while more {
                let child = cursor.node();
                let child_role = grammar.role(child);
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
        let defined = grammar.definition(rules, node, text)?;
        Some(Self { outer, inner: node, defined })
    }

    /// What of it is to be opened whatever its size.
    pub fn target(&self, grammar: &Grammar) -> Option<Node<'n>> {
        let Self { outer, inner, defined } = *self;
        if inner == outer { body(grammar, outer, defined.kind) } else { Some(inner) }
    }
}

/// What a definition is called.
pub(super) struct Named {
    kind: Kind,
    /// Its qualified name.
    symbol: String,
    /// Whether it has a name of its own.
    own: bool,
}

/// What has been found so far.
pub(super) struct Catalogue<'a> {
    lines: &'a Lines<'a>,
    grammar: &'a Grammar,
    /// The first is the file itself.
    pub scopes: Vec<Scope>,
    /// All definitions but small ones inside functions.
    pub definitions: Vec<Found>,
    comments: Comments,
    namespaces: Namespaces<'a>,
    /// The scope whose name takes no part in what is directly in it: the file itself, or what
    /// holds another language.
    base: usize,
}

impl<'a> Catalogue<'a> {
    pub fn new(lines: &'a Lines<'a>, grammar: &'a Grammar) -> Self {
        Self {
            lines,
            grammar,
            scopes: vec![Scope::file(Kind::Module)],
            definitions: Vec::new(),
            comments: Comments::default(),
            namespaces: Namespaces::of(lines.text),
            base: 0,
        }
    }

    /// What follows is of `grammar`, in scope `base`; returns the base before.
    pub fn enter(&mut self, grammar: &'a Grammar, base: usize) -> usize {
        self.grammar = grammar;
        std::mem::replace(&mut self.base, base)
    }

    /// Whether the inside of scope `scope` is statements.
    pub fn is_code(&self, scope: usize) -> bool {
        self.scopes[scope].kind.is_code()
    }

    /// Takes note of a comment, to document what follows.
    pub fn comment(&mut self, node: Node) {
        self.comments.comment(node.byte_range(), &self.lines.of(node));
    }

    /// Takes note of an attribute.
    pub fn attribute(&mut self, lines: &Range<usize>) {
        self.comments.attribute(lines);
    }

    /// Takes note of a signature, which is part of what follows.
    pub fn signature(&mut self, node: Node) {
        self.comments.signature(&node.byte_range(), &self.lines.of(node));
    }

    /// Takes note of code in `lines`, and gives what stands directly before it.
    pub fn code(&mut self, lines: &Range<usize>) -> Before {
        self.comments.code(lines)
    }

    /// What a definition in scope `parent` is called.
    pub fn named(&self, candidate: Candidate, parent: usize) -> Named {
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

    /// Adds a definition and the scope that it is; returns the index of the scope.
    pub fn add(
        &mut self,
        candidate: Candidate,
        named: Named,
        before: Before,
        parent: usize,
    ) -> usize {
        let Candidate { outer, inner, defined } = candidate;
        let Named { kind, symbol, own } = named;
        let parent = if defined.absolute { 0 } else { parent };
        let mut signature = signature(self.lines.text, self.grammar, outer, inner, defined.kind);
        if let Some(start) = before.signature.filter(|start| *start < signature.start) {
            signature.start = start;
        }
        // What a parser guesses may define the same twice.
        let again = self.definitions.last().is_some_and(|Found { definition: last, .. }| {
            (last.signature.start, &last.symbol) == (signature.start, &symbol)
        });
        if own && !again {
            // What a head is of ends where the next one begins.
            let end = if defined.rest.is_some() {
                0
            } else {
                extent(self.lines, self.grammar, outer).0.end
            };
            let doc = docstring(self.lines.text, self.grammar, inner).unwrap_or(before.doc);
            self.definitions.push(Found {
                definition: Definition {
                    symbol: symbol.clone(),
                    kind,
                    start_line: self.lines.number(signature.start),
                    end_line: number(end),
                    signature: signature.clone(),
                    doc,
                },
                parent,
            });
        }
        self.scopes.push(Scope { kind, symbol, parent, signature });
        self.scopes.len() - 1
    }

    /// Whether scope `scope` is called so too.
    pub fn is_same(&self, scope: usize, named: &Named) -> bool {
        let Scope { kind, symbol, .. } = &self.scopes[scope];
        (*kind, symbol) == (named.kind, &named.symbol)
    }

    /// Whether the last definition is called so too, in the same scope.
    pub fn is_again(&self, named: &Named, parent: usize) -> bool {
        self.definitions.last().is_some_and(|last| {
            last.parent == parent
                && (last.definition.kind, &last.definition.symbol) == (named.kind, &named.symbol)
        })
    }

    /// The definition that a macro's call in `lines` of scope `parent` begins if a block follows.
    pub fn call(&mut self, call: Node, lines: &Range<usize>, parent: usize) -> Option<Found> {
        let Before { doc, .. } = self.code(lines);
        let symbol = macro_name(call, self.lines.text)?;
        let signature = within_lines(self.lines.text, call.byte_range(), Some(call.end_byte()));
        let start_line = self.lines.number(signature.start);
        let kind = Kind::Function;
        let definition = Definition { symbol, kind, start_line, end_line: 0, signature, doc };
        Some(Found { definition, parent })
    }

    /// Adds the definition of a macro's call and the block after it, and the scope that it is.
    pub fn add_call(&mut self, mut call: Found, block: &Range<usize>) {
        call.definition.end_line = number(block.end);
        let Found { definition: Definition { kind, symbol, signature, .. }, parent } = &call;
        let (symbol, signature) = (symbol.clone(), signature.clone());
        self.scopes.push(Scope { kind: *kind, symbol, parent: *parent, signature });
        self.definitions.push(call);
    }
}

/// The number, counted from 1, of the last of the lines before `end`.
fn number(end: usize) -> u32 {
    u32::try_from(end).unwrap_or(u32::MAX)
}
