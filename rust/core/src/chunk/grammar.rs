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
    body: u16,
}

/// The rules for one node kind.
struct List {
    rules: Vec<Compiled>,
    /// Whether the node is transparent where none of them applies.
    transparent: bool,
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
    Named,
}

/// A compiled step of a [`Path`]: a field, a kind and a keyword, 0 where the grammar has none of
/// that name.
enum Step {
    Named(u16, [u16; 2]),
    First,
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
        let embedded = syntax.embedded.and_then(Embedded::node);
        let role_of = |name: &str| {
            if let Some(at) = lists.iter().position(|(node, _)| *node == name) {
                Role::Definition(at)
            } else if syntax.comments.contains(&name) {
                Role::Comment
            } else if syntax.attributes.contains(&name) {
                Role::Attribute
            } else if IMPORTS.contains(&name) {
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
        let by_kind = (0..language.node_kind_count())
            .map(|id| u16::try_from(id).unwrap_or(0))
            .map(|id| match language.node_kind_for_id(id) {
                Some(name) if language.node_kind_is_named(id) => role_of(name),
                _ => Role::Plain,
            })
            .collect();
        let body = field(&language, "body");
        let rules = lists
            .into_iter()
            .map(|(node, rules)| List { rules, transparent: syntax.transparent.contains(&node) })
            .collect();
        Self { language, syntax, roles: by_kind, rules, body }
    }

    /// What `node` means.
    pub(super) fn role(&self, node: Node) -> Role {
        match self.roles.get(usize::from(node.kind_id())) {
            Some(&role) => role,
            // What the parser could not place still holds definitions.
            None => Role::Transparent,
        }
    }

    /// The field `body` of `node`.
    pub(super) fn body<'n>(&self, node: Node<'n>) -> Option<Node<'n>> {
        node.child_by_field_id(self.body)
    }

    /// What a node whose role is `role` is to its children where it is no definition.
    pub(super) fn is_transparent(&self, role: Role) -> bool {
        match role {
            Role::Transparent | Role::Wrapper => true,
            Role::Definition(rules) => self.rules[rules].transparent,
            _ => false,
        }
    }

    /// What `node` defines, if rule list `rules` makes it a definition.
    pub(super) fn definition(&self, rules: usize, node: Node, text: &str) -> Option<Defined> {
        let rule = self.rules[rules].rules.iter().find(|rule| match &rule.when {
            Condition::Always => true,
            Condition::Has(field) => node.child_by_field_id(*field).is_some(),
            Condition::Is(field, kinds) => {
                node.child_by_field_id(*field).is_some_and(|child| kinds.contains(&child.kind_id()))
            }
            Condition::Nested(outer, inner) => node
                .child_by_field_id(*outer)
                .is_some_and(|child| child.child_by_field_id(*inner).is_some()),
            Condition::At(path) => follow(node, path).is_some(),
            Condition::Kinds(path, kinds) => {
                follow(node, path).is_some_and(|found| kinds.contains(&found.kind_id()))
            }
            Condition::Text(path, words) => follow(node, path)
                .and_then(|found| text.get(found.byte_range()))
                .is_some_and(|found| words.contains(&found)),
            Condition::Named => !rule.defined.name.read(node, text).is_empty(),
        })?;
        Some(rule.defined)
    }
}

/// Where `path` leads from `node`.
fn follow<'n>(node: Node<'n>, path: &[Step]) -> Option<Node<'n>> {
    path.iter().try_fold(node, |node, step| match *step {
        Step::First => node.named_child(0),
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
        When::Named => Condition::Named,
    }
}

fn ids(language: &tree_sitter::Language, kinds: &[&str]) -> Vec<u16> {
    kinds.iter().map(|kind| language.id_for_node_kind(kind, true)).collect()
}

fn steps(language: &tree_sitter::Language, path: Path) -> Vec<Step> {
    let step = |name: &&str| match *name {
        "*" => Step::First,
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
            for list in [syntax.comments, syntax.attributes, syntax.wrappers, syntax.transparent] {
                for name in list {
                    kind(name);
                }
            }
            let has_path = |path: Path| {
                for step in path.iter().filter(|step| **step != "*") {
                    let kinds = [true, false].map(|named| language.id_for_node_kind(step, named));
                    let known = field(&language, step) != 0 || kinds != [0, 0];
                    assert!(known, "{}: no {step}", row.name);
                }
            };
            syntax.macros.iter().flatten().for_each(|name| kind(name));
            syntax.embedded.and_then(Embedded::node).into_iter().for_each(kind);
            for rule in syntax.rules.iter().copied().flatten() {
                kind(rule.node);
                match rule.when {
                    When::Always | When::Named => {}
                    When::At(path) | When::Text(path, _) => has_path(path),
                    When::Kinds(path, kinds) => {
                        has_path(path);
                        kinds.iter().copied().for_each(kind);
                    }
                    When::Has(name) => has_field(name),
                    When::Is(name, kinds) => {
                        has_field(name);
                        for name in kinds {
                            kind(name);
                        }
                    }
                    When::Nested(outer, inner) => [outer, inner].into_iter().for_each(has_field),
                }
                match rule.defined.name {
                    Name::Field(name) | Name::Head(name) => has_field(name),
                    Name::Nested(outer, inner) => [outer, inner].into_iter().for_each(has_field),
                    Name::Declarator => has_field("declarator"),
                    Name::Receiver => has_field("receiver"),
                    Name::Heading => has_field("heading_content"),
                    Name::Fixed(_) | Name::Attribute(_) => {}
                    Name::Path(path) | Name::Leaf(path) | Name::Clause(path) => has_path(path),
                    Name::Labels(_, kinds) => kinds.iter().copied().for_each(kind),
                }
                checked += 1;
            }
        }
        assert!(checked > 50, "found only {checked} rules");
    }
}
