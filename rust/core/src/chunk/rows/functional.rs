//! Functional languages.

use super::super::Kind::{Class, Function, Impl, Type};
use super::super::rules::{Name, Row, Syntax, When, define};

pub(super) const ROWS: &[Row] = &[Row {
    name: "haskell",
    aliases: &["hs"],
    extensions: &["hs"],
    interpreters: &["runhaskell", "runghc", "stack"],
    syntax: Some(Syntax {
        comments: &["comment", "haddock"],
        // A signature goes with the equations that it is of.
        attributes: &["signature"],
        transparent: &["declarations", "class_declarations", "instance_declarations"],
        clauses: true,
        rules: &[&[
            define("function", Function).when(When::Has("name")),
            define("function", Function).named(Name::Path(&["infix", "operator"])),
            define("bind", Function),
            define("data_type", Type),
            define("newtype", Type),
            define("type_synomym", Type),
            define("type_family", Type),
            define("class", Class),
            define("instance", Impl).named(Name::Labels(" ", &["name", "type_patterns"])),
        ]],
        ..Syntax::new(|| tree_sitter_haskell::LANGUAGE.into())
    }),
    ..Row::EMPTY
}];
