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
        // What stands before the first `#` is a section without a heading.
        transparent: &["section"],
        rules: &[&[
            define("section", Section)
                .when(When::At(&["atx_heading", "atx_h1_marker"]))
                .named(Name::Heading)
                .absolute(),
            define("section", Section).when(When::At(&["atx_heading"])).named(Name::Heading),
            define("setext_heading", Section)
                .when(When::At(&["setext_h1_underline"]))
                .named(Name::Field("heading_content"))
                .rest(1),
            define("setext_heading", Section).named(Name::Field("heading_content")).rest(2),
        ]],
        ..Syntax::new(|| tree_sitter_md::LANGUAGE.into())
    }),
    ..Row::EMPTY
}];
