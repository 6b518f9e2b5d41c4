//! The compiled form of a language's [`Syntax`]: node kinds and fields are resolved once per
//! language to the grammar's integers, so walking a tree compares no strings.

use std::sync::OnceLock;

use tree_sitter::Node;

use super::common::{DECLARED, IMPORTS};
use super::rows::ROWS;
use super::rules::{Defined, Embedded, Path, Rule, Syntax, When};
use crate::language::Language;

/// What a node kind means to the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Something to group with its neighbours.
    Plain,
    /// A comment.
    Comment,
    /// A decorator or attribute before a node.
    Attribute,
    /// A signature before what it is of.
    Signature,
    /// An import.
    Import,
    /// To be replaced by its children outside functions.
    Transparent,
    /// Around one definition.
    Wrapper,
    /// Perhaps the head of a definition made by a macro.
    MacroCall,
    /// Perhaps its body.
    MacroBlock,
    /// Perhaps in another language.
    Embedded,
    /// Perhaps a definition: index into [`Grammar::rules`].
    Definition(usize),
}

/// A compiled [`Syntax`].
pub(crate) struct Grammar {
    /// The grammar.
    pub(super) language: tree_sitter::Language,
    /// What it was compiled from.
    pub(super) syntax: &'static Syntax,
    roles: Vec<Role>,
    rules: Vec<List>,
    /// Kinds of nodes that are imports on a condition.
    imports: Vec<(u16, Condition)>,
    /// What documents a definition from within its body.
    docstring: Option<(u16, Condition)>,
    /// The field of a body, and kinds of bodies where there is none.
    body: u16,
    bodies: Vec<u16>,
}

/// The rules for one node kind.
struct List {
    rules: Vec<Compiled>,
    /// What the node means where none of them applies.
    otherwise: Role,
}

struct Compiled {
    when: Condition,
    defined: Defined,
}

/// A compiled [`When`]; fields and kinds the grammar lacks are 0, which no node has.
enum Condition {
    Always,
    Has(u16),
    Is(u16, Vec<u16>),
    Nested(u16, u16),
    At(Vec<Step>),
    Kinds(Vec<Step>, Vec<u16>),
    Text(Vec<Step>, &'static [&'static str]),
    Both(Box<[Self; 2]>),
    Named,
}

/// A compiled step of a [`Path`]: a field, a kind and a keyword, 0 where the grammar has none of
/// that name.
enum Step {
    Named(u16, [u16; 2]),
    First,
    Next,
    Parent,
}

static GRAMMARS: [OnceLock<Option<Grammar>>; ROWS.len()] = [const { OnceLock::new() }; ROWS.len()];

impl Language {
    /// The compiled grammar, if the language has one.
    pub(crate) fn grammar(self) -> Option<&'static Grammar> {
        GRAMMARS[self.index()]
            .get_or_init(|| ROWS[self.index()].syntax.as_ref().map(Grammar::compile))
            .as_ref()
    }
}

impl Grammar {
    fn compile(syntax: &'static Syntax) -> Self {
        let language = (syntax.grammar)();
        let mut lists: Vec<(&str, Vec<Compiled>)> = Vec::new();
        let has = |rule: &&Rule| language.id_for_node_kind(rule.node, true) != 0;
        let declared = DECLARED.iter().filter(has);
        for rule in syntax.rules.iter().copied().flatten().chain(declared) {
            let when = condition(&language, rule.when);
            let compiled = Compiled { when, defined: rule.defined };
            match lists.iter_mut().find(|(node, _)| *node == rule.node) {
                Some((_, list)) => list.push(compiled),
                None => lists.push((rule.node, vec![compiled])),
            }
        }
        let conditional = |(kind, when): (&str, When)| {
            (language.id_for_node_kind(kind, true), condition(&language, when))
        };
        let (always, imports): (Vec<_>, Vec<_>) =
            syntax.imports.iter().partition(|(_, when)| matches!(when, When::Always));
        let imported = |name: &str| always.iter().any(|(kind, _)| *kind == name);
        let embedded = syntax.embedded.and_then(Embedded::node);
        let role_of = |name: &str| {
            if syntax.comments.contains(&name) {
                Role::Comment
            } else if syntax.attributes.contains(&name) {
                Role::Attribute
            } else if syntax.signatures.contains(&name) {
                Role::Signature
            } else if IMPORTS.contains(&name) || imported(name) {
                Role::Import
            } else if syntax.wrappers.contains(&name) {
                Role::Wrapper
            } else if syntax.transparent.contains(&name) {
                Role::Transparent
            } else if syntax.macros.is_some_and(|[call, _]| call == name) {
                Role::MacroCall
            } else if syntax.macros.is_some_and(|[_, block]| block == name) {
                Role::MacroBlock
            } else if embedded == Some(name) {
                Role::Embedded
            } else {
                Role::Plain
            }
        };
        let roles = (0..language.node_kind_count())
            .map(|id| u16::try_from(id).unwrap_or(0))
            .map(|id| match language.node_kind_for_id(id) {
                Some(name) if language.node_kind_is_named(id) => {
                    let list = lists.iter().position(|(node, _)| *node == name);
                    list.map_or_else(|| role_of(name), Role::Definition)
                }
                _ => Role::Plain,
            })
            .collect();
        Self {
            syntax,
            roles,
            imports: imports.into_iter().map(conditional).collect(),
            docstring: syntax.docstring.map(conditional),
            body: field(&language, "body"),
            bodies: ids(&language, syntax.bodies),
            rules: lists
                .into_iter()
                .map(|(node, rules)| List { rules, otherwise: role_of(node) })
                .collect(),
            language,
        }
    }

    /// What `node` means.
    pub(super) fn role(&self, node: Node) -> Role {
        match self.roles.get(usize::from(node.kind_id())) {
            Some(&role) => role,
            // What the parser could not place still holds definitions.
            None => Role::Transparent,
        }
    }

    /// What a node whose role is `role` means where it is no definition.
    pub(super) fn otherwise(&self, role: Role) -> Role {
        match role {
            Role::Definition(rules) => match self.rules[rules].otherwise {
                Role::Wrapper => Role::Transparent,
                otherwise => otherwise,
            },
            Role::Wrapper => Role::Transparent,
            role => role,
        }
    }

    /// Whether `node` is an import on a condition.
    pub(super) fn is_import(&self, node: Node, text: &str) -> bool {
        let mut imports = self.imports.iter().filter(|(kind, _)| *kind == node.kind_id());
        imports.any(|(_, when)| when.holds(node, text))
    }

    /// Whether a definition may be documented from within its body.
    pub(super) fn has_docstrings(&self) -> bool {
        self.docstring.is_some()
    }

    /// Whether `node` documents the definition that it begins the body of.
    pub(super) fn is_docstring(&self, node: Node, text: &str) -> bool {
        let found = self.docstring.as_ref().filter(|(kind, _)| *kind == node.kind_id());
        found.is_some_and(|(_, when)| when.holds(node, text))
    }

    /// The body of `node`.
    pub(super) fn body<'n>(&self, node: Node<'n>) -> Option<Node<'n>> {
        let body = node.child_by_field_id(self.body);
        if body.is_some() || self.bodies.is_empty() {
            return body;
        }
        let mut cursor = node.walk();
        node.named_children(&mut cursor).find(|child| self.bodies.contains(&child.kind_id()))
    }

    /// What `node` defines, if rule list `rules` makes it a definition.
    pub(super) fn definition(&self, rules: usize, node: Node, text: &str) -> Option<Defined> {
        let rule = self.rules[rules].rules.iter().find(|rule| match rule.when {
            Condition::Named => !rule.defined.name.read(node, text).is_empty(),
            ref when => when.holds(node, text),
        })?;
        Some(rule.defined)
    }
}

impl Condition {
    /// Whether it holds for `node`, whatever its name.
    fn holds(&self, node: Node, text: &str) -> bool {
        match self {
            Self::Always | Self::Named => true,
            Self::Has(field) => node.child_by_field_id(*field).is_some(),
            Self::Is(field, kinds) => {
                node.child_by_field_id(*field).is_some_and(|child| kinds.contains(&child.kind_id()))
            }
            Self::Nested(outer, inner) => node
                .child_by_field_id(*outer)
                .is_some_and(|child| child.child_by_field_id(*inner).is_some()),
            Self::At(path) => follow(node, path).is_some(),
            Self::Kinds(path, kinds) => {
                follow(node, path).is_some_and(|found| kinds.contains(&found.kind_id()))
            }
            Self::Text(path, words) => follow(node, path)
                .and_then(|found| text.get(found.byte_range()))
                .is_some_and(|found| words.contains(&found)),
            Self::Both(both) => both.iter().all(|when| when.holds(node, text)),
        }
    }
}

/// Where `path` leads from `node`.
fn follow<'n>(node: Node<'n>, path: &[Step]) -> Option<Node<'n>> {
    path.iter().try_fold(node, |node, step| match *step {
        Step::First => node.named_child(0),
        Step::Next => node.next_named_sibling(),
        Step::Parent => node.parent(),
        Step::Named(field, kinds) => node.child_by_field_id(field).or_else(|| {
            let mut cursor = node.walk();
            node.children(&mut cursor).find(|child| kinds.contains(&child.kind_id()))
        }),
    })
}

fn field(language: &tree_sitter::Language, name: &str) -> u16 {
    language.field_id_for_name(name).map_or(0, std::num::NonZero::get)
}

fn condition(language: &tree_sitter::Language, when: When) -> Condition {
    match when {
        When::Always => Condition::Always,
        When::Has(name) => Condition::Has(field(language, name)),
        When::Nested(outer, inner) => {
            Condition::Nested(field(language, outer), field(language, inner))
        }
        When::Is(name, kinds) => Condition::Is(field(language, name), ids(language, kinds)),
        When::At(path) => Condition::At(steps(language, path)),
        When::Kinds(path, kinds) => Condition::Kinds(steps(language, path), ids(language, kinds)),
        When::Text(path, words) => Condition::Text(steps(language, path), words),
        When::Both(both) => Condition::Both(Box::new(both.map(|when| condition(language, when)))),
        When::Named => Condition::Named,
    }
}

fn ids(language: &tree_sitter::Language, kinds: &[&str]) -> Vec<u16> {
    kinds.iter().map(|kind| language.id_for_node_kind(kind, true)).collect()
}

fn steps(language: &tree_sitter::Language, path: Path) -> Vec<Step> {
    let step = |name: &&str| match *name {
        "*" => Step::First,
        "+" => Step::Next,
        ".." => Step::Parent,
        name => Step::Named(
            field(language, name),
            [true, false].map(|named| language.id_for_node_kind(name, named)),
        ),
    };
    path.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rules::Name;
    use super::*;

    /// A misspelt node kind or field would silently never apply.
    #[test]
    fn rows_name_only_what_their_grammars_have() {
        let mut checked = 0;
        for row in ROWS {
            let Some(syntax) = &row.syntax else { continue };
            let language = (syntax.grammar)();
            let kind = |name: &str| {
                assert!(language.id_for_node_kind(name, true) != 0, "{}: no {name}", row.name);
            };
            let has_field = |name: &str| {
                assert!(field(&language, name) != 0, "{}: no field {name}", row.name);
            };
            for list in [
                syntax.comments,
                syntax.attributes,
                syntax.signatures,
                syntax.wrappers,
                syntax.transparent,
                syntax.bodies,
            ] {
                list.iter().copied().for_each(kind);
            }
            syntax.macros.iter().flatten().for_each(|name| kind(name));
            let has_path = |path: Path| {
                for step in path.iter().filter(|step| !["*", "+", ".."].contains(*step)) {
                    let kinds = [true, false].map(|named| language.id_for_node_kind(step, named));
                    let known = field(&language, step) != 0 || kinds != [0, 0];
                    assert!(known, "{}: no {step}", row.name);
                }
            };
            let one = |when: When| match when {
                When::Both(_) => panic!("{}: both of both", row.name),
                When::Always | When::Named => {}
                When::At(path) | When::Text(path, _) => has_path(path),
                When::Kinds(path, kinds) => {
                    has_path(path);
                    kinds.iter().copied().for_each(kind);
                }
                When::Has(name) => has_field(name),
                When::Is(name, kinds) => {
                    has_field(name);
                    kinds.iter().copied().for_each(kind);
                }
                When::Nested(outer, inner) => [outer, inner].into_iter().for_each(has_field),
            };
            let can_hold = |when: When| match when {
                When::Both(both) => both.iter().copied().for_each(one),
                when => one(when),
            };
            for (name, when) in syntax.imports.iter().chain(&syntax.docstring) {
                kind(name);
                can_hold(*when);
            }
            syntax.macros.iter().flatten().for_each(|name| kind(name));
            syntax.embedded.and_then(Embedded::node).into_iter().for_each(kind);
            for rule in syntax.rules.iter().copied().flatten() {
                kind(rule.node);
                can_hold(rule.when);
                match rule.defined.name {
                    Name::Field(name) | Name::Head(name) => has_field(name),
                    Name::Nested(outer, inner) => [outer, inner].into_iter().for_each(has_field),
                    Name::Declarator => has_field("declarator"),
                    Name::Receiver => has_field("receiver"),
                    Name::Heading => has_field("heading_content"),
                    Name::Fixed(_) | Name::Attribute(_) => {}
                    Name::Path(path) | Name::Leaf(path) | Name::Clause(path) => has_path(path),
                    Name::Last(path, name) => {
                        has_path(path);
                        kind(name);
                    }
                    Name::Labels(_, kinds) => kinds.iter().copied().for_each(kind),
                }
                checked += 1;
            }
        }
        assert!(checked > 50, "found only {checked} rules");
    }
}
