//! What builds and deploys.

use super::super::Kind::Resource;
use super::super::rules::{Name, Row, Syntax, define};

pub(super) const ROWS: &[Row] = &[Row {
    name: "hcl",
    aliases: &["terraform", "tf", "opentofu"],
    extensions: &["tf", "tfvars", "hcl", "tofu", "nomad"],
    syntax: Some(Syntax {
        transparent: &["body"],
        // As Terraform addresses it: `resource.aws_instance.web`.
        rules: &[&[
            define("block", Resource).named(Name::Labels(".", &["identifier", "string_lit"]))
        ]],
        ..Syntax::new(|| tree_sitter_hcl::LANGUAGE.into())
    }),
    ..Row::EMPTY
}];
