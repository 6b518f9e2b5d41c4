//! What builds and deploys.

use super::super::Kind::{Function, Macro, Resource, Section, Target};
use super::super::rules::{Name, Row, Syntax, When, define};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "hcl",
        aliases: &["terraform", "tf", "opentofu"],
        extensions: &["tf", "tfvars", "hcl", "tofu", "nomad"],
        syntax: Some(Syntax {
            transparent: &["body"],
            // As Terraform addresses it: `resource.aws_instance.web`.
            rules: &[&[
                define("block", Resource)
                    .when(When::At(&["string_lit"]))
                    .named(Name::Labels(".", &["identifier", "string_lit"])),
                define("block", Resource)
                    .when(When::Text(&["identifier"], &["locals", "terraform"]))
                    .named(Name::Path(&["identifier"])),
            ]],
            ..Syntax::new(|| tree_sitter_hcl::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "make",
        aliases: &["makefile"],
        extensions: &["mk", "mak", "make"],
        files: &["Makefile", "GNUmakefile", "makefile", "Kbuild"],
        interpreters: &["make", "gmake"],
        syntax: Some(Syntax {
            imports: &[("include_directive", When::Always)],
            bodies: &["recipe"],
            transparent: &["conditional", "else_directive", "elsif_directive"],
            rules: &[&[
                define("rule", Target).named(Name::Path(&["targets"])),
                define("define_directive", Macro),
            ]],
            ..Syntax::new(|| tree_sitter_make::LANGUAGE.into())
        }),
    },
    Row {
        name: "cmake",
        extensions: &["cmake"],
        files: &["CMakeLists.txt"],
        syntax: Some(Syntax {
            imports: &[(
                "normal_command",
                When::Text(
                    &["identifier"],
                    &["cmake_minimum_required", "find_package", "include", "project"],
                ),
            )],
            comments: &["line_comment", "bracket_comment"],
            rules: &[&[
                define("function_def", Function).named(Name::Path(&[
                    "function_command",
                    "argument_list",
                    "*",
                ])),
                define("macro_def", Macro).named(Name::Path(&[
                    "macro_command",
                    "argument_list",
                    "*",
                ])),
                define("normal_command", Target)
                    .when(When::Text(&["identifier"], &["add_test"]))
                    .named(Name::Path(&["argument_list", "*", "+"])),
                define("normal_command", Target)
                    .when(When::Text(
                        &["identifier"],
                        &["add_executable", "add_library", "add_custom_target"],
                    ))
                    .named(Name::Path(&["argument_list", "*"])),
            ]],
            ..Syntax::new(|| tree_sitter_cmake::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "dockerfile",
        aliases: &["docker", "containerfile"],
        extensions: &["dockerfile", "containerfile"],
        files: &["Dockerfile", "Containerfile"],
        syntax: Some(Syntax {
            // A stage reaches to the next.
            rules: &[&[
                define("from_instruction", Section)
                    .when(When::Has("as"))
                    .named(Name::Field("as"))
                    .rest(1),
                define("from_instruction", Section).named(Name::Path(&["image_spec"])).rest(1),
            ]],
            ..Syntax::new(|| tree_sitter_containerfile::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
];
