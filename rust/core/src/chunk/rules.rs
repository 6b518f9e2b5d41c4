//! What a language's row says about its syntax. Rows name node kinds and fields as the grammar
//! does.

use super::Kind;

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
    /// Signatures written before what they are of, and part of it.
    pub signatures: &'static [&'static str],
    /// Imports, besides [`IMPORTS`](super::common::IMPORTS).
    pub imports: &'static [(&'static str, When)],
    /// Nodes around a single definition (`export`, `template<>`, decorated definitions); with
    /// several or none inside they are transparent.
    pub wrappers: &'static [&'static str],
    /// Nodes outside functions whose children count as siblings of what is around them
    /// (`#ifdef`, `extern "C"`).
    pub transparent: &'static [&'static str],
    /// Bodies of definitions, besides what is in a field `body`.
    pub bodies: &'static [&'static str],
    /// What documents a definition where its body begins with it.
    pub docstring: Option<(&'static str, When)>,
    /// Whether the grammar's scanner fails outside ASCII: it indexes a table of 256 classes by
    /// character (tree-sitter-bash#337, a crash). It is then given `x` for every other byte.
    pub ascii: bool,
    /// Whether the grammar's scanner needs a newline at the end: a here-document that is cut off
    /// in the middle of its last line is read forever otherwise.
    pub newline: bool,
    /// Text longer than this is first judged by its start, lest recovering from its errors takes
    /// forever. Where that takes quadratic time it is less.
    pub judged: usize,
    /// What a scanner has to know to find the blocks that stay whole, which are not parsed then.
    /// C++ has none: much of it is macros, around which its parser guesses differently then.
    pub elided: Option<Lexis>,
    /// Statement and block that the parser sees in a definition made by a macro
    /// (`SYSCALL_DEFINE1(close, …) { … }`): the call, then the block as its sibling.
    pub macros: Option<[&'static str; 2]>,
    /// Whether a function is written as several definitions of one name in a row: they share
    /// chunks.
    pub clauses: bool,
    /// What is in another language in it.
    pub embedded: Option<Embedded>,
    /// Definitions. Of several rules for one node kind the first that applies decides; where none
    /// does, the node is what the lists above say.
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
            signatures: &[],
            imports: &[],
            wrappers: &[],
            transparent: &[],
            bodies: &[],
            docstring: None,
            ascii: false,
            newline: false,
            judged: 256 << 10,
            elided: None,
            macros: None,
            clauses: false,
            embedded: None,
            rules: &[],
        }
    }
}

/// The comments, literals and blocks of a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lexis {
    /// Functions and control structures have a bracket or a word before their block, records a
    /// name. Statements and parameters are shortened as well.
    C,
    /// The same, but what is in a block need not be statements.
    Java,
    /// Raw strings stand in grave accents; only types are no code.
    Go,
}

/// Where a text holds code of other languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Embedded {
    /// In fenced blocks, as in Markdown.
    Fences,
    /// In scripts and styles of markup.
    Markup,
    /// In the cells of a notebook.
    Cells,
}

impl Embedded {
    /// The kind of node that holds it; cells have none.
    pub(super) const fn node(self) -> Option<&'static str> {
        match self {
            Self::Fences => Some("fenced_code_block"),
            Self::Markup => Some("raw_text"),
            Self::Cells => None,
        }
    }
}

/// A way down from a node. Each step is a field, or else the kind of the first such child; `*` is
/// the first named child, `+` the next named sibling, `..` the parent. A kind may be a keyword.
pub(crate) type Path = &'static [&'static str];

/// Nodes of one kind are definitions.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// The kind of node.
    pub(super) node: &'static str,
    pub(super) when: When,
    pub(super) defined: Defined,
}

/// What a rule says of a node to which it applies.
#[derive(Clone, Copy)]
pub(super) struct Defined {
    pub kind: Kind,
    pub name: Name,
    /// It is listed and never a chunk of its own.
    pub declared: bool,
    /// The level of a head of what follows it.
    pub rest: Option<u8>,
    /// Its name takes no part in what it is in.
    pub absolute: bool,
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
    /// The path leads to a node.
    At(Path),
    /// The path leads to a node of one of these kinds.
    Kinds(Path, &'static [&'static str]),
    /// The path leads to one of these texts.
    Text(Path, &'static [&'static str]),
    /// Both hold.
    Both(&'static [When; 2]),
    /// It has a name, for rules only.
    Named,
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
    /// The text at the end of a path.
    Path(Path),
    /// The text of the leftmost leaf at the end of a path: `f` of `f(x)::Int`.
    Leaf(Path),
    /// The text of the last child of this kind at the end of a path.
    Last(Path, &'static str),
    /// What the head of a function names, at the end of a path: `f` of `f(x) when x > 0`, `<+>` of
    /// `a <+> b`.
    Clause(Path),
    /// The texts of all children of these kinds, with the first text between them.
    Labels(&'static str, &'static [&'static str]),
    /// The value of the first of these attributes that a tag has.
    Attribute(&'static [&'static str]),
}

/// A definition named by its field `name`.
pub(crate) const fn define(node: &'static str, kind: Kind) -> Rule {
    let name = Name::Field("name");
    let defined = Defined { kind, name, declared: false, rest: None, absolute: false };
    Rule { node, when: When::Always, defined }
}

/// The same for what is listed and never a chunk of its own: members without a body, values.
pub(crate) const fn declare(node: &'static str, kind: Kind) -> Rule {
    let mut rule = define(node, kind);
    rule.defined.declared = true;
    rule
}

impl Rule {
    /// Restricts the rule.
    pub const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// Takes the name from elsewhere.
    pub const fn named(mut self, name: Name) -> Self {
        self.defined.name = name;
        self
    }

    /// Makes the node the head of what follows it, up to the next such head of this level or a
    /// lower one: `namespace a.b;`, a heading.
    pub const fn rest(mut self, level: u8) -> Self {
        self.defined.rest = Some(level);
        self
    }

    /// Makes its name stand alone, whatever it is in.
    pub const fn absolute(mut self) -> Self {
        self.defined.absolute = true;
        self
    }
}
