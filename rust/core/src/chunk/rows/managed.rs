//! Languages with classes and a virtual machine.

use super::super::Kind::{
    Class, Constant, Enum, Function, Impl, Interface, Macro, Method, Namespace, Property, Struct,
    Trait, Type,
};
use super::super::rules::{Lexis, Name, Row, Syntax, When, declare, define};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "java",
        extensions: &["java"],
        syntax: Some(Syntax {
            comments: &["line_comment", "block_comment"],
            transparent: &["enum_body_declarations"],
            rules: &[&[
                define("class_declaration", Class),
                define("record_declaration", Class),
                define("interface_declaration", Interface),
                define("annotation_type_declaration", Interface),
                define("enum_declaration", Enum),
                define("method_declaration", Method).when(When::Has("body")),
                define("constructor_declaration", Method),
                define("compact_constructor_declaration", Method),
                define("field_declaration", Constant).named(Name::Nested("declarator", "name")),
            ]],
            elided: Some(Lexis::Java),
            ..Syntax::new(|| tree_sitter_java::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "csharp",
        aliases: &["c#", "cs"],
        extensions: &["cs", "csx"],
        syntax: Some(Syntax {
            transparent: &["preproc_if", "preproc_else", "preproc_elif"],
            wrappers: &["global_statement"],
            rules: &[&[
                define("namespace_declaration", Namespace),
                define("file_scoped_namespace_declaration", Namespace).rest(1),
                define("class_declaration", Class),
                define("record_declaration", Class),
                define("struct_declaration", Struct),
                define("interface_declaration", Interface),
                define("enum_declaration", Enum),
                define("method_declaration", Method).when(When::Has("body")),
                define("constructor_declaration", Method),
                define("destructor_declaration", Method),
                define("operator_declaration", Method).named(Name::Field("operator")),
                define("conversion_operator_declaration", Method).named(Name::Field("type")),
                define("local_function_statement", Function),
                define("property_declaration", Property),
                define("event_declaration", Property),
                define("indexer_declaration", Property).named(Name::Fixed("this")),
            ]],
            ..Syntax::new(|| tree_sitter_c_sharp::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "kotlin",
        aliases: &["kt"],
        extensions: &["kt", "kts"],
        interpreters: &["kotlin", "kotlinc"],
        syntax: Some(Syntax {
            bodies: &["class_body", "enum_class_body", "function_body"],
            comments: &["line_comment", "block_comment"],
            transparent: &["class_body", "enum_class_body", "companion_object"],
            rules: &[&[
                define("class_declaration", Interface).when(When::At(&["interface"])),
                define("class_declaration", Enum).when(When::At(&["enum_class_body"])),
                define("class_declaration", Class),
                define("object_declaration", Class),
                define("function_declaration", Function),
                define("secondary_constructor", Method).named(Name::Fixed("constructor")),
                define("property_declaration", Property)
                    .when(When::At(&["getter"]))
                    .named(Name::Path(&["variable_declaration", "identifier"])),
                define("property_declaration", Constant)
                    .named(Name::Path(&["variable_declaration", "identifier"])),
                define("type_alias", Type).named(Name::Field("type")),
            ]],
            ..Syntax::new(|| tree_sitter_kotlin_ng::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "swift",
        extensions: &["swift"],
        interpreters: &["swift"],
        syntax: Some(Syntax {
            comments: &["comment", "multiline_comment"],
            rules: &[&[
                define("class_declaration", Struct)
                    .when(When::Text(&["declaration_kind"], &["struct"])),
                define("class_declaration", Enum)
                    .when(When::Text(&["declaration_kind"], &["enum"])),
                define("class_declaration", Impl)
                    .when(When::Text(&["declaration_kind"], &["extension"])),
                define("class_declaration", Class),
                define("protocol_declaration", Interface),
                define("function_declaration", Function),
                declare("protocol_function_declaration", Method),
                declare("protocol_property_declaration", Property)
                    .named(Name::Path(&["name", "bound_identifier"])),
                declare("associatedtype_declaration", Type),
                define("init_declaration", Method).named(Name::Fixed("init")),
                define("deinit_declaration", Method).named(Name::Fixed("deinit")),
                define("subscript_declaration", Method).named(Name::Fixed("subscript")),
                define("property_declaration", Property).when(When::Has("computed_value")),
                define("property_declaration", Constant),
                define("typealias_declaration", Type),
                define("macro_declaration", Macro).named(Name::Path(&["simple_identifier"])),
            ]],
            ..Syntax::new(|| tree_sitter_swift::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "scala",
        extensions: &["scala", "sc", "sbt"],
        interpreters: &["scala", "scala-cli", "amm"],
        syntax: Some(Syntax {
            comments: &["comment", "block_comment"],
            transparent: &["template_body", "enum_body", "extension_definition"],
            rules: &[&[
                define("package_clause", Namespace).when(When::Has("body")),
                define("trait_definition", Trait),
                define("class_definition", Class),
                define("object_definition", Class),
                define("package_object", Namespace),
                define("enum_definition", Enum),
                define("function_definition", Function),
                define("given_definition", Impl).named(Name::Field("return_type")),
                define("type_definition", Type),
                define("val_definition", Constant).named(Name::Field("pattern")),
            ]],
            ..Syntax::new(|| tree_sitter_scala::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "dart",
        extensions: &["dart"],
        interpreters: &["dart"],
        syntax: Some(Syntax {
            imports: &[
                ("part_directive", When::Always),
                ("part_of_directive", When::Always),
                ("library_name", When::Always),
            ],
            comments: &["comment", "documentation_comment"],
            attributes: &["annotation"],
            wrappers: &["member_declaration"],
            rules: &[&[
                define("class_declaration", Class),
                define("mixin_declaration", Trait),
                define("extension_declaration", Impl),
                define("enum_declaration", Enum),
                define("type_alias", Type).named(Name::Path(&["type_identifier"])),
                define("function_declaration", Function).named(Name::Path(&["signature", "name"])),
                define("method_declaration", Method)
                    .when(When::Kinds(&["signature", "*"], DART_CONSTRUCTORS))
                    .named(Name::Last(&["signature", "*"], "identifier")),
                define("method_declaration", Method).named(Name::Path(&["signature", "*", "name"])),
                declare("declaration", Method)
                    .when(When::Kinds(&["*"], DART_CONSTRUCTORS))
                    .named(Name::Last(&["*"], "identifier")),
                declare("declaration", Method)
                    .when(When::Kinds(&["*"], DART_SIGNATURES))
                    .named(Name::Path(&["*", "name"])),
                declare("declaration", Constant)
                    .when(When::At(&["initialized_identifier_list"]))
                    .named(Name::Path(&["initialized_identifier_list", "*", "name"])),
                declare("declaration", Constant)
                    .when(When::At(&["static_final_declaration_list"]))
                    .named(Name::Path(&["static_final_declaration_list", "*", "name"])),
                declare("external_function_declaration", Function)
                    .named(Name::Path(&["signature", "name"])),
            ]],
            ..Syntax::new(|| tree_sitter_dart::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
];

const DART_CONSTRUCTORS: &[&str] = &[
    "constant_constructor_signature",
    "constructor_signature",
    "factory_constructor_signature",
    "redirecting_factory_constructor_signature",
];

/// Members without a body.
const DART_SIGNATURES: &[&str] =
    &["function_signature", "getter_signature", "setter_signature", "operator_signature"];
