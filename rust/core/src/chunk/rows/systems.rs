//! Languages compiled ahead of time.

use super::super::Kind::{
    Class, Constant, Enum, Function, Impl, Interface, Macro, Method, Namespace, Struct, Trait, Type,
};
use super::super::rules::{Lexis, Name, Row, Rule, Syntax, When, define};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "rust",
        aliases: &["rs"],
        extensions: &["rs"],
        interpreters: &["rust-script"],
        syntax: Some(Syntax {
            separator: "::",
            comments: &["line_comment", "block_comment"],
            attributes: &["attribute_item"],
            transparent: &["foreign_mod_item", "declaration_list"],
            rules: &[&[
                define("function_item", Function),
                define("struct_item", Struct),
                define("union_item", Struct),
                define("enum_item", Enum),
                define("trait_item", Trait),
                define("impl_item", Impl).named(Name::Head("type")),
                define("mod_item", Namespace).when(When::Has("body")),
                define("macro_definition", Macro),
                define("type_item", Type),
                define("const_item", Constant),
                define("static_item", Constant),
            ]],
            ..Syntax::new(|| tree_sitter_rust::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "go",
        aliases: &["golang"],
        extensions: &["go"],
        syntax: Some(Syntax {
            wrappers: &["type_declaration", "const_declaration", "var_declaration"],
            rules: &[&[
                define("function_declaration", Function).when(When::Has("body")),
                define("method_declaration", Method).named(Name::Receiver),
                define("type_spec", Struct).when(When::Is("type", &["struct_type"])),
                define("type_spec", Interface).when(When::Is("type", &["interface_type"])),
                define("type_spec", Type),
                define("type_alias", Type),
                define("var_spec", Constant),
                define("const_spec", Constant),
            ]],
            elided: Some(Lexis::Go),
            ..Syntax::new(|| tree_sitter_go::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "c",
        extensions: &["c", "h"],
        syntax: Some(Syntax {
            separator: "::",
            transparent: C_TRANSPARENT,
            wrappers: C_WRAPPERS,
            elided: Some(Lexis::C),
            macros: C_MACROS,
            rules: &[C_RULES],
            ..Syntax::new(|| tree_sitter_c::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "cpp",
        aliases: &["c++", "cxx", "cc"],
        extensions: &[
            "cc", "cpp", "cxx", "c++", "C", "hh", "hpp", "hxx", "h++", "H", "ipp", "inl", "tpp",
            "cu", "cuh", "ino",
        ],
        syntax: Some(Syntax {
            separator: "::",
            transparent: C_TRANSPARENT,
            wrappers: &["linkage_specification", "template_declaration"],
            macros: C_MACROS,
            rules: &[
                C_RULES,
                &[
                    define("class_specifier", Class).when(When::Has("body")),
                    define("declaration", Class)
                        .when(When::Nested("type", "body"))
                        .named(Name::Nested("type", "name")),
                    define("field_declaration", Class)
                        .when(When::Nested("type", "body"))
                        .named(Name::Nested("type", "name")),
                    define("namespace_definition", Namespace),
                    define("alias_declaration", Type),
                    define("concept_definition", Type),
                ],
            ],
            ..Syntax::new(|| tree_sitter_cpp::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "zig",
        extensions: &["zig", "zon"],
        syntax: Some(Syntax {
            imports: &[
                (
                    "variable_declaration",
                    When::Text(&["builtin_function", "builtin_identifier"], &["@import"]),
                ),
                ("using_namespace_declaration", When::Always),
            ],
            transparent: &["struct_declaration", "union_declaration", "enum_declaration"],
            rules: &[&[
                define("function_declaration", Function),
                define("test_declaration", Function).named(Name::Path(&["string"])),
                define("variable_declaration", Struct)
                    .when(When::At(&["struct_declaration"]))
                    .named(Name::Path(&["identifier"])),
                define("variable_declaration", Struct)
                    .when(When::At(&["union_declaration"]))
                    .named(Name::Path(&["identifier"])),
                define("variable_declaration", Enum)
                    .when(When::At(&["enum_declaration"]))
                    .named(Name::Path(&["identifier"])),
                define("variable_declaration", Enum)
                    .when(When::At(&["error_set_declaration"]))
                    .named(Name::Path(&["identifier"])),
                define("variable_declaration", Constant).named(Name::Path(&["identifier"])),
            ]],
            ..Syntax::new(|| tree_sitter_zig::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
];

const C_TRANSPARENT: &[&str] = &[
    "preproc_if",
    "preproc_ifdef",
    "preproc_else",
    "preproc_elif",
    "preproc_elifdef",
    "declaration_list",
];

const C_WRAPPERS: &[&str] = &["linkage_specification"];
const C_MACROS: Option<[&str; 2]> = Some(["expression_statement", "compound_statement"]);

const C_RULES: &[Rule] = &[
    define("function_definition", Function).named(Name::Declarator),
    define("preproc_function_def", Macro),
    define("struct_specifier", Struct).when(When::Has("body")),
    define("union_specifier", Struct).when(When::Has("body")),
    define("enum_specifier", Enum).when(When::Has("body")),
    define("type_definition", Enum)
        .when(When::Is("type", &["enum_specifier"]))
        .named(Name::Declarator),
    define("type_definition", Struct).when(When::Nested("type", "body")).named(Name::Declarator),
    define("declaration", Constant)
        .when(When::Is("declarator", &["init_declarator"]))
        .named(Name::Declarator),
    define("declaration", Struct)
        .when(When::Nested("type", "body"))
        .named(Name::Nested("type", "name")),
];
