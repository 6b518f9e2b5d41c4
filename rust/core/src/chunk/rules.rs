//! What a language's row says about its syntax, and its compiled form.
//!
//! Rows name node kinds and fields as the grammar does. They are resolved once per language to
//! the grammar's integers, so walking a tree compares no strings.

use std::sync::OnceLock;

use tree_sitter::Node;

use super::Kind;
use super::rows::ROWS;
use crate::language::Language;

/// One language: how its files are recognised and how its syntax is cut.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// Lower-case name.
    pub name: &'static str,
    /// Other names people use.
    pub aliases: &'static [&'static str],
    /// File extensions, without the dot.
    pub extensions: &'static [&'static str],
    /// Whole file names.
    pub files: &'static [&'static str],
    /// Programs of a `#!` line, without version.
    pub interpreters: &'static [&'static str],
    /// The grammar; without one the text is cut into line windows.
    pub syntax: Option<Syntax>,
}

impl Row {
    /// A row to fill up from.
    pub const EMPTY: Self = Self {
        name: "",
        aliases: &[],
        extensions: &[],
        files: &[],
        interpreters: &[],
        syntax: None,
    };
}

/// A grammar and what its nodes mean here.
#[derive(Clone, Copy)]
pub(crate) struct Syntax {
    /// The grammar.
    pub grammar: fn() -> tree_sitter::Language,
    /// Stands between the names of a qualified symbol.
    pub separator: &'static str,
    /// Comments: they go with what follows on the next line.
    pub comments: &'static [&'static str],
    /// Decorators and attributes written before a node: they always go with what follows.
    pub attributes: &'static [&'static str],
    /// Nodes around a single definition (`export`, `template<>`, decorated definitions); with
    /// several or none inside they are transparent.
    pub wrappers: &'static [&'static str],
    /// Nodes outside functions whose children count as siblings of what is around them
    /// (`#ifdef`, `extern "C"`).
    pub transparent: &'static [&'static str],
    /// Whether the grammar's scanner fails outside ASCII: it indexes a table of 256 classes by
    /// character (tree-sitter-bash#337, a crash). It is then given `x` for every other byte.
    pub ascii: bool,
    /// Statement and block that the parser sees in a definition made by a macro
    /// (`SYSCALL_DEFINE1(close, …) { … }`): the call, then the block as its sibling.
    pub macros: Option<[&'static str; 2]>,
    /// Definitions. Of several rules for one node kind the first that applies decides.
    pub rules: &'static [&'static [Rule]],
}

impl Syntax {
    /// A syntax to fill up from, with `comment` nodes and dotted symbols.
    pub const fn new(grammar: fn() -> tree_sitter::Language) -> Self {
        Self {
            grammar,
            separator: ".",
            comments: &["comment"],
            attributes: &[],
            wrappers: &[],
            transparent: &[],
            ascii: false,
            macros: None,
            rules: &[],
        }
    }
}

/// Nodes of one kind are definitions.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    node: &'static str,
    kind: Kind,
    when: When,
    name: Name,
}

/// A condition on the node.
#[derive(Clone, Copy)]
pub(crate) enum When {
    /// None.
    Always,
    /// The field is present.
    Has(&'static str),
    /// The field is present and its node is one of these kinds.
    Is(&'static str, &'static [&'static str]),
    /// The first field is present and its node has the second.
    Nested(&'static str, &'static str),
    /// The first named child has the field.
    Headed(&'static str),
}

/// Where a definition's name is.
#[derive(Clone, Copy)]
pub(crate) enum Name {
    /// The text of a field.
    Field(&'static str),
    /// The text of a field up to its type parameters.
    Head(&'static str),
    /// The second field of the first.
    Nested(&'static str, &'static str),
    /// The innermost C declarator.
    Declarator,
    /// The receiver's type and the name of a Go method.
    Receiver,
    /// The heading of a document's section.
    Heading,
    /// Always this.
    Fixed(&'static str),
}

/// A definition named by its field `name`.
pub(crate) const fn define(node: &'static str, kind: Kind) -> Rule {
    Rule { node, kind, when: When::Always, name: Name::Field("name") }
}

impl Rule {
    /// Restricts the rule.
    pub const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// Takes the name from elsewhere.
    pub const fn named(mut self, name: Name) -> Self {
        self.name = name;
        self
    }
}

/// What a node kind means to the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Something to group with its neighbours.
    Plain,
    /// A comment.
    Comment,
    /// A decorator or attribute before a node.
    Attribute,
    /// To be replaced by its children outside functions.
    Transparent,
    /// Around one definition.
    Wrapper,
    /// Perhaps the head of a definition made by a macro.
    MacroCall,
    /// Perhaps its body.
    MacroBlock,
    /// Perhaps a definition: index into [`Grammar::rules`].
    Definition(usize),
}

/// A compiled [`Syntax`].
pub(crate) struct Grammar {
    /// The grammar.
    pub(super) language: tree_sitter::Language,
    /// Stands between the names of a qualified symbol.
    pub(super) separator: &'static str,
    /// Whether only ASCII is safe to parse.
    pub(super) ascii: bool,
    roles: Vec<Role>,
    rules: Vec<Vec<Compiled>>,
    body: u16,
}

struct Compiled {
    kind: Kind,
    when: Condition,
    name: Name,
}

/// A compiled [`When`]; fields and kinds the grammar lacks are 0, which no node has.
enum Condition {
    Always,
    Has(u16),
    Is(u16, Vec<u16>),
    Nested(u16, u16),
    Headed(u16),
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
    fn compile(syntax: &Syntax) -> Self {
        let language = (syntax.grammar)();
        let mut lists: Vec<(&str, Vec<Compiled>)> = Vec::new();
        for rule in syntax.rules.iter().copied().flatten() {
            let compiled = Compiled {
                kind: rule.kind,
                when: condition(&language, rule.when),
                name: rule.name,
            };
            match lists.iter_mut().find(|(node, _)| *node == rule.node) {
                Some((_, list)) => list.push(compiled),
                None => lists.push((rule.node, vec![compiled])),
            }
        }
        let role_of = |name: &str| {
            if let Some(at) = lists.iter().position(|(node, _)| *node == name) {
                Role::Definition(at)
            } else if syntax.comments.contains(&name) {
                Role::Comment
            } else if syntax.attributes.contains(&name) {
                Role::Attribute
            } else if syntax.wrappers.contains(&name) {
                Role::Wrapper
            } else if syntax.transparent.contains(&name) {
                Role::Transparent
            } else if syntax.macros.is_some_and(|[call, _]| call == name) {
                Role::MacroCall
            } else if syntax.macros.is_some_and(|[_, block]| block == name) {
                Role::MacroBlock
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
        let rules = lists.into_iter().map(|(_, list)| list).collect();
        let (separator, ascii) = (syntax.separator, syntax.ascii);
        Self { language, separator, ascii, roles: by_kind, rules, body }
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

    /// The kind of `node` and where its name is, if rule list `rules` makes it a definition.
    pub(super) fn definition(&self, rules: usize, node: Node) -> Option<(Kind, Name)> {
        let rule = self.rules[rules].iter().find(|rule| match &rule.when {
            Condition::Always => true,
            Condition::Has(field) => node.child_by_field_id(*field).is_some(),
            Condition::Is(field, kinds) => {
                node.child_by_field_id(*field).is_some_and(|child| kinds.contains(&child.kind_id()))
            }
            Condition::Nested(outer, inner) => node
                .child_by_field_id(*outer)
                .is_some_and(|child| child.child_by_field_id(*inner).is_some()),
            Condition::Headed(field) => {
                node.named_child(0).is_some_and(|child| child.child_by_field_id(*field).is_some())
            }
        })?;
        Some((rule.kind, rule.name))
    }
}

fn field(language: &tree_sitter::Language, name: &str) -> u16 {
    language.field_id_for_name(name).map_or(0, std::num::NonZero::get)
}

fn condition(language: &tree_sitter::Language, when: When) -> Condition {
    match when {
        When::Always => Condition::Always,
        When::Has(name) => Condition::Has(field(language, name)),
        When::Headed(name) => Condition::Headed(field(language, name)),
        When::Nested(outer, inner) => {
            Condition::Nested(field(language, outer), field(language, inner))
        }
        When::Is(name, kinds) => {
            let ids = kinds.iter().map(|kind| language.id_for_node_kind(kind, true)).collect();
            Condition::Is(field(language, name), ids)
        }
    }
}

#[cfg(test)]
mod tests {
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
            syntax.macros.iter().flatten().for_each(|name| kind(name));
            for rule in syntax.rules.iter().copied().flatten() {
                kind(rule.node);
                match rule.when {
                    When::Always => {}
                    When::Has(name) | When::Headed(name) => has_field(name),
                    When::Is(name, kinds) => {
                        has_field(name);
                        for name in kinds {
                            kind(name);
                        }
                    }
                    When::Nested(outer, inner) => [outer, inner].into_iter().for_each(has_field),
                }
                match rule.name {
                    Name::Field(name) | Name::Head(name) => has_field(name),
                    Name::Nested(outer, inner) => [outer, inner].into_iter().for_each(has_field),
                    Name::Declarator => has_field("declarator"),
                    Name::Receiver => has_field("receiver"),
                    Name::Heading => has_field("heading_content"),
                    Name::Fixed(_) => {}
                }
                checked += 1;
            }
        }
        assert!(checked > 50, "found only {checked} rules");
    }
}
