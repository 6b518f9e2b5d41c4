//! Text to chunks: the pieces that are embedded, indexed and shown.
//!
//! The contract, whatever the text and its language:
//!
//! - Chunks are in order and disjoint, made of whole lines, and every non-blank line lies in
//!   one. Only a line longer than [`MAX_LINE`] is cut, at character boundaries.
//! - A definition within [`MAX_CHUNK`] is one chunk, together with the comments, attributes and
//!   decorators directly before it. A larger class is split at its members, a larger function
//!   at its statements, each piece keeping the innermost definition's name.
//! - Small definitions share a chunk with like neighbours of the same scope, and are all named.
//! - What is no definition (imports, statements, small constants, prototypes) is grouped up to
//!   the budget and kept apart from definitions, imports also from the rest, except for scraps
//!   too small to stand alone.
//! - Tables are cut into larger pieces than code.
//! - Code of another language (scripts and styles in markup, long fenced blocks, the cells of a
//!   notebook) is cut along its own syntax, one level deep.
//! - The result depends on text and language only, and no text makes it panic, recurse or
//!   parse without bound.

mod budget;
mod catalogue;
mod common;
mod definitions;
mod elide;
mod embedded;
mod emit;
mod grammar;
mod lexical;
mod lines;
mod names;
mod notebook;
mod pack;
mod parse;
pub(crate) mod rows;
pub(crate) mod rules;
mod runs;
mod shorten;
mod size;
mod syntax;

use std::ops::Range;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::language::Language;
pub use budget::{MAX_CHUNK, MAX_LINE};
pub use definitions::Definition;
use definitions::Scope;
use embedded::MAX_PARTS;
use lines::Lines;
use rules::Embedded;
use syntax::Parsed;

/// Changes whenever the chunks of any text change; part of the index fingerprint.
pub const CHUNKER_VERSION: u32 = 8;

/// What a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Code between definitions: imports, statements, small constants, prototypes.
    Module,
    /// A function outside classes.
    Function,
    /// A function of a class or type.
    Method,
    /// A class, or a record of a language whose records are classes.
    Class,
    /// A structure or union.
    Struct,
    /// An enumeration.
    Enum,
    /// An interface or protocol.
    Interface,
    /// A trait.
    Trait,
    /// An implementation block.
    Impl,
    /// A namespace or a module that encloses definitions.
    Namespace,
    /// A macro.
    Macro,
    /// A named type, type alias or concept.
    Type,
    /// A large constant or table.
    Constant,
    /// A property or other member with accessors.
    Property,
    /// A section of a document, a stage of a build.
    Section,
    /// A table or view of a database, a table of a configuration.
    Table,
    /// A key of data or configuration with all that is under it.
    Key,
    /// A rule of a style sheet.
    Rule,
    /// A target of a build.
    Target,
    /// Something that a configuration declares: a resource, a variable, a module.
    Resource,
    /// Lines of text without a grammar.
    Text,
}

// What is left out could not be asked for.
const _: () = assert!(Kind::ALL.len() == Kind::Text as usize + 1);

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Module,
        Self::Function,
        Self::Method,
        Self::Class,
        Self::Struct,
        Self::Enum,
        Self::Interface,
        Self::Trait,
        Self::Impl,
        Self::Namespace,
        Self::Macro,
        Self::Type,
        Self::Constant,
        Self::Property,
        Self::Section,
        Self::Table,
        Self::Key,
        Self::Rule,
        Self::Target,
        Self::Resource,
        Self::Text,
    ];

    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Function => "function",
            Self::Method => "method",
            Self::Class => "class",
            Self::Struct => "struct",
            Self::Enum => "enum",
            Self::Interface => "interface",
            Self::Trait => "trait",
            Self::Impl => "impl",
            Self::Namespace => "namespace",
            Self::Macro => "macro",
            Self::Type => "type",
            Self::Constant => "constant",
            Self::Property => "property",
            Self::Section => "section",
            Self::Table => "table",
            Self::Key => "key",
            Self::Rule => "rule",
            Self::Target => "target",
            Self::Resource => "resource",
            Self::Text => "text",
        }
    }

    /// Whether functions inside are methods.
    const fn has_methods(self) -> bool {
        matches!(
            self,
            Self::Class | Self::Struct | Self::Enum | Self::Interface | Self::Trait | Self::Impl
        )
    }

    /// Whether the inside is statements, so that small inner definitions are no chunks.
    const fn is_code(self) -> bool {
        matches!(self, Self::Function | Self::Method | Self::Property | Self::Constant)
    }

    /// Whether small ones of it and of `other` may share a chunk.
    const fn is_like(self, other: Self) -> bool {
        const fn family(kind: Kind) -> u8 {
            match kind {
                Kind::Function | Kind::Method | Kind::Property | Kind::Macro => 0,
                Kind::Section => 1,
                _ => 2,
            }
        }
        family(self) == family(other)
    }

    /// Whether a small one is grouped with its neighbours wherever it is.
    const fn needs_size(self) -> bool {
        matches!(self, Self::Constant | Self::Key | Self::Rule)
    }

    /// Whether one line of it is too little for a chunk.
    const fn needs_lines(self) -> bool {
        matches!(
            self,
            Self::Macro
                | Self::Type
                | Self::Constant
                | Self::Property
                | Self::Struct
                | Self::Enum
                | Self::Interface
                | Self::Table
                | Self::Target
        )
    }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes of the text, at character boundaries and without the final newline.
    pub bytes: Range<usize>,
    /// First line, counted from 1.
    pub start_line: u32,
    /// Last line, included.
    pub end_line: u32,
    /// What it is.
    pub kind: Kind,
    /// Qualified name of the innermost definition that encloses the chunk, or else the names of
    /// those it holds, joined by commas; empty if there are none.
    pub symbol: String,
    /// Signatures of the definitions around the chunk that its own text does not show: a short
    /// line each, the innermost last. It is analysed and embedded with the text, never shown.
    pub context: String,
    /// The definitions that begin in the chunk, in order.
    pub definitions: Vec<Definition>,
}

/// Splits `text` of `language` into chunks.
pub fn chunk(text: &str, language: Language) -> Vec<Chunk> {
    // Nobody can set this flag.
    chunk_until(text, language, &Cancel::default()).unwrap_or_default()
}

/// The same, unless `cancel` is set before it is done: then [`Error::Cancelled`].
///
/// [`Error::Cancelled`]: crate::error::Error::Cancelled
pub fn chunk_until(text: &str, language: Language, cancel: &Cancel) -> Result<Vec<Chunk>> {
    let lines = Lines::new(text);
    let parsed = match language.grammar() {
        Some(grammar) if grammar.syntax.embedded == Some(Embedded::Cells) => {
            match notebook::units(&lines, cancel)? {
                None => syntax::units(&lines, grammar, MAX_PARTS, cancel)?,
                cells => cells,
            }
        }
        Some(grammar) => syntax::units(&lines, grammar, MAX_PARTS, cancel)?,
        None => None,
    };
    let parsed = parsed.unwrap_or_else(|| Parsed {
        scopes: vec![Scope::file(Kind::Text)],
        units: lines::paragraphs(&lines),
        definitions: Vec::new(),
    });
    Ok(pack::pack(&lines, parsed))
}

/// The chunks of `text` of a language with a grammar where the parser sees all of it.
#[cfg(test)]
fn chunk_plainly(text: &str, language: Language) -> Vec<Chunk> {
    let lines = Lines::new(text);
    let grammar = language.grammar().expect("a grammar");
    let parsed = syntax::units_without(&lines, &[], grammar, MAX_PARTS, &Cancel::default());
    pack::pack(&lines, parsed.expect("not cancelled").expect("source"))
}
