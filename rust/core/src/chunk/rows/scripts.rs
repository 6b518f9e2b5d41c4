//! Scripting languages.

use super::super::Kind::{
    Class, Constant, Function, Macro, Method, Namespace, Struct, Trait, Type,
};
use super::super::rules::{Name, Row, Syntax, When, define};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "python",
        aliases: &["py", "python3"],
        extensions: &["py", "pyi", "pyw"],
        files: &["SConstruct", "SConscript", "wscript"],
        interpreters: &["python", "pypy"],
        syntax: Some(Syntax {
            docstring: Some(("string", When::Always)),
            attributes: &["decorator"],
            wrappers: &["decorated_definition", "expression_statement"],
            transparent: &[
                "block",
                "if_statement",
                "elif_clause",
                "else_clause",
                "try_statement",
                "except_clause",
                "finally_clause",
                "with_statement",
            ],
            rules: &[&[
                define("function_definition", Function),
                define("class_definition", Class),
                define("assignment", Constant).named(Name::Field("left")),
            ]],
            ..Syntax::new(|| tree_sitter_python::LANGUAGE.into())
        }),
    },
    Row {
        name: "ruby",
        aliases: &["rb"],
        extensions: &["rb", "rake", "gemspec", "ru", "podspec"],
        files: &["Rakefile", "Gemfile", "Guardfile", "Podfile", "Vagrantfile", "Capfile"],
        interpreters: &["ruby", "jruby"],
        syntax: Some(Syntax {
            imports: &[("call", When::Text(&["method"], &["require", "require_relative", "load"]))],
            transparent: &["singleton_class", "body_statement"],
            rules: &[&[
                define("class", Class),
                define("module", Namespace),
                define("method", Function),
                define("singleton_method", Function),
                define("assignment", Constant).named(Name::Field("left")),
            ]],
            ..Syntax::new(|| tree_sitter_ruby::LANGUAGE.into())
        }),
    },
    Row {
        name: "bash",
        aliases: &["sh", "shell", "zsh", "ksh"],
        extensions: &["sh", "bash", "zsh", "ksh", "bats", "ebuild", "eclass"],
        files: &[".bashrc", ".bash_profile", ".profile", ".zshrc", "PKGBUILD", "APKBUILD"],
        interpreters: &["bash", "sh", "dash", "zsh", "ksh", "ash", "busybox"],
        syntax: Some(Syntax {
            imports: &[("command", When::Text(&["name"], &["source", "."]))],
            ascii: true,
            rules: &[&[define("function_definition", Function)]],
            ..Syntax::new(|| tree_sitter_bash::LANGUAGE.into())
        }),
    },
    Row {
        name: "lua",
        extensions: &["lua", "rockspec"],
        files: &[".luacheckrc"],
        interpreters: &["lua", "luajit", "texlua"],
        syntax: Some(Syntax {
            imports: &[
                (
                    "variable_declaration",
                    When::Text(
                        &["assignment_statement", "expression_list", "value", "name"],
                        &["require"],
                    ),
                ),
                ("function_call", When::Text(&["name"], &["require"])),
            ],
            wrappers: &["variable_declaration"],
            rules: &[&[
                define("function_declaration", Method)
                    .when(When::Is("name", &["method_index_expression"])),
                define("function_declaration", Function),
                define("assignment_statement", Function)
                    .when(When::Kinds(&["expression_list", "value"], &["function_definition"]))
                    .named(Name::Path(&["variable_list", "name"])),
                define("assignment_statement", Constant)
                    .when(When::Kinds(&["expression_list", "value"], &["table_constructor"]))
                    .named(Name::Path(&["variable_list", "name"])),
                define("field", Function).when(When::Is("value", &["function_definition"])),
            ]],
            ..Syntax::new(|| tree_sitter_lua::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "perl",
        aliases: &["pl"],
        extensions: &["pl", "pm", "t", "psgi"],
        files: &["cpanfile"],
        interpreters: &["perl"],
        syntax: Some(Syntax {
            imports: &[
                ("use_statement", When::Always),
                ("expression_statement", When::At(&["require_expression"])),
            ],
            newline: true,
            separator: "::",
            comments: &["comment", "pod"],
            transparent: &["block"],
            rules: &[&[
                define("package_statement", Namespace).when(When::At(&["block"])).absolute(),
                define("package_statement", Namespace).rest(1),
                define("class_statement", Class).when(When::At(&["block"])),
                define("class_statement", Class).rest(1),
                define("role_statement", Trait).when(When::At(&["block"])),
                define("role_statement", Trait).rest(1),
                define("subroutine_declaration_statement", Function),
                define("method_declaration_statement", Method),
            ]],
            ..Syntax::new(|| ts_parser_perl::LANGUAGE.into())
        }),
    },
    Row {
        name: "r",
        extensions: &["r"],
        files: &[".Rprofile"],
        interpreters: &["Rscript", "littler"],
        syntax: Some(Syntax {
            transparent: &["call", "arguments", "argument"],
            imports: &[(
                "call",
                When::Text(&["function"], &["library", "require", "requireNamespace", "source"]),
            )],
            rules: &[&[
                define("binary_operator", Function)
                    .when(When::Is("rhs", &["function_definition"]))
                    .named(Name::Field("lhs")),
                define("binary_operator", Class)
                    .when(When::Text(
                        &["rhs", "function"],
                        &["R6Class", "R6::R6Class", "setRefClass", "ggproto", "ggplot2::ggproto"],
                    ))
                    .named(Name::Field("lhs")),
                define("binary_operator", Constant)
                    .when(When::Is("rhs", &["call"]))
                    .named(Name::Field("lhs")),
                define("call", Class)
                    .when(When::Text(&["function"], &["setClass", "setRefClass"]))
                    .named(Name::Path(&["arguments", "argument"])),
                define("call", Method)
                    .when(When::Text(
                        &["function"],
                        &["setMethod", "setGeneric", "setReplaceMethod"],
                    ))
                    .named(Name::Path(&["arguments", "argument"])),
                define("call", Function)
                    .when(When::Text(&["function"], &["test_that", "describe", "it"]))
                    .named(Name::Path(&["arguments", "argument"])),
                // `add = function(job) …` in the list of a class's methods.
                define("argument", Method).when(When::Both(&[
                    When::Is("value", &["function_definition"]),
                    When::Text(&["..", "..", "function"], &["list"]),
                ])),
            ]],
            ..Syntax::new(|| tree_sitter_r::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "julia",
        aliases: &["jl"],
        extensions: &["jl"],
        interpreters: &["julia"],
        syntax: Some(Syntax {
            imports: &[
                ("using_statement", When::Always),
                ("export_statement", When::Always),
                ("call_expression", When::Text(&["*"], &["include"])),
            ],
            // A docstring is a string before what it tells of.
            comments: &["line_comment", "block_comment", "string_literal"],
            // `@kwdef struct …`, `@inline function …`
            wrappers: &["macrocall_expression", "macro_argument_list", "const_statement"],
            rules: &[&[
                define("module_definition", Namespace),
                define("function_definition", Function)
                    .when(When::At(&["signature", "call_expression"]))
                    .named(Name::Path(&["signature", "call_expression", "*"])),
                define("function_definition", Function).named(Name::Leaf(&["signature"])),
                define("macro_definition", Macro).named(Name::Leaf(&["signature"])),
                define("assignment", Function)
                    .when(When::Kinds(&["*"], &["call_expression"]))
                    .named(Name::Path(&["*", "*"])),
                // A member of a structure.
                define("assignment", Constant)
                    .when(When::Kinds(&["*"], &["typed_expression"]))
                    .named(Name::Path(&["*", "*"])),
                define("assignment", Constant).named(Name::Path(&["*"])),
                define("struct_definition", Struct).named(Name::Leaf(&["type_head"])),
                define("abstract_definition", Type).named(Name::Leaf(&["type_head"])),
            ]],
            ..Syntax::new(|| tree_sitter_julia::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
];
