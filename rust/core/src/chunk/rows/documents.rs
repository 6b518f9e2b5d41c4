//! Documents.

use super::super::Kind::Section;
use super::super::rules::{Name, Row, Syntax, When, define};

pub(super) const ROWS: &[Row] = &[Row {
    name: "markdown",
    aliases: &["md"],
    extensions: &["md", "markdown", "mdx", "mkd"],
    syntax: Some(Syntax {
        separator: " > ",
        comments: &[],
        rules: &[&[define("section", Section)
            .when(When::Headed("heading_content"))
            .named(Name::Heading)]],
        ..Syntax::new(|| tree_sitter_md::LANGUAGE.into())
    }),
    ..Row::EMPTY
}];
