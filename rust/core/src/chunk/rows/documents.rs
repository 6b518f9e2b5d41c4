//! Documents.

use super::super::Kind::{Key, Section};
use super::super::rules::{Embedded, Name, Row, Syntax, When, define};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "markdown",
        aliases: &["md"],
        extensions: &["md", "markdown", "mdx", "mkd"],
        syntax: Some(Syntax {
            separator: " > ",
            comments: &[],
            // What stands before the first `#` is a section without a heading.
            transparent: &["section"],
            embedded: Some(Embedded::Fences),
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
    },
    Row {
        name: "jupyter",
        aliases: &["notebook", "ipynb"],
        extensions: &["ipynb"],
        // For what has no cells.
        syntax: Some(Syntax {
            embedded: Some(Embedded::Cells),
            rules: &[&[define("pair", Key)
                .when(When::Is("value", &["object", "array"]))
                .named(Name::Field("key"))]],
            ..Syntax::new(|| tree_sitter_json::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
];
