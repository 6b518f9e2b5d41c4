//! Functional languages.

use super::super::Kind::{
    Class, Constant, Enum, Function, Impl, Interface, Key, Macro, Method, Namespace, Struct, Type,
};
use super::super::rules::{Name, Path, Row, Rule, Syntax, When, declare, define};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "haskell",
        aliases: &["hs"],
        extensions: &["hs"],
        interpreters: &["runhaskell", "runghc", "stack"],
        syntax: Some(Syntax {
            comments: &["comment", "haddock"],
            // A signature goes with the equations that it is of.
            signatures: &["signature"],
            imports: &[("header", When::Always)],
            transparent: &[
                "imports",
                "declarations",
                "class_declarations",
                "instance_declarations",
            ],
            // A line of backslashes each: 100 KB would take a minute.
            judged: 16 << 10,
            clauses: true,
            rules: &[&[
                declare("signature", Method).when(When::Kinds(&[".."], &["class_declarations"])),
                define("function", Function).when(When::Has("name")),
                define("function", Function).named(Name::Path(&["infix", "operator"])),
                define("bind", Function),
                define("data_type", Type),
                define("newtype", Type),
                define("type_synonym", Type),
                define("type_family", Type),
                define("class", Class),
                define("instance", Impl).named(Name::Labels(" ", &["name", "type_patterns"])),
            ]],
            ..Syntax::new(|| tree_sitter_haskell::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "ocaml",
        aliases: &["ml"],
        extensions: &["ml", "eliom"],
        interpreters: &["ocaml", "ocamlrun", "ocamlscript"],
        syntax: Some(Syntax {
            imports: &[("include_module", When::Always)],
            wrappers: OCAML_WRAPPERS,
            transparent: &["structure", "signature", "object_expression"],
            rules: &[
                OCAML_RULES,
                &[
                    define("let_binding", Function).when(When::At(&["parameter"])).named(PATTERN),
                    define("let_binding", Function)
                        .when(When::Is("body", &["function_expression", "fun_expression"]))
                        .named(PATTERN),
                    define("let_binding", Constant).named(PATTERN),
                    define("method_definition", Method).named(Name::Path(&["method_name"])),
                ],
            ],
            ..Syntax::new(|| tree_sitter_ocaml::LANGUAGE_OCAML.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "ocaml_interface",
        aliases: &["mli"],
        extensions: &["mli", "eliomi"],
        syntax: Some(Syntax {
            imports: &[
                ("open_module_signature", When::Always),
                ("include_module_type", When::Always),
            ],
            wrappers: OCAML_WRAPPERS,
            transparent: &["signature", "class_body_type"],
            rules: &[
                OCAML_RULES,
                &[
                    declare("value_specification", Function)
                        .when(When::At(&["function_type"]))
                        .named(Name::Path(&["value_name"])),
                    declare("value_specification", Constant).named(Name::Path(&["value_name"])),
                    declare("external", Function).named(Name::Path(&["value_name"])),
                ],
            ],
            ..Syntax::new(|| tree_sitter_ocaml::LANGUAGE_OCAML_INTERFACE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "elixir",
        aliases: &["ex"],
        extensions: &["ex", "exs"],
        files: &["mix.lock"],
        interpreters: &["elixir", "iex"],
        syntax: Some(Syntax {
            imports: &[("call", When::Text(TARGET, &["alias", "import", "require", "use"]))],
            bodies: &["do_block"],
            docstring: Some(("unary_operator", When::Text(&["operand", "target"], &["moduledoc"]))),
            // `@doc` and `@spec`, as well as comments proper.
            comments: &["comment", "unary_operator"],
            transparent: &["do_block"],
            clauses: true,
            rules: &[&[
                define("call", Namespace)
                    .when(When::Text(TARGET, &["defmodule", "describe"]))
                    .named(Name::Leaf(FIRST)),
                define("call", Interface)
                    .when(When::Text(TARGET, &["defprotocol"]))
                    .named(Name::Leaf(FIRST)),
                define("call", Impl)
                    .when(When::Text(TARGET, &["defimpl"]))
                    .named(Name::Leaf(FIRST)),
                define("call", Function)
                    .when(When::Text(TARGET, &["def", "defp", "defdelegate", "test"]))
                    .named(Name::Clause(FIRST)),
                define("call", Macro)
                    .when(When::Text(TARGET, &["defmacro", "defmacrop", "defguard", "defguardp"]))
                    .named(Name::Clause(FIRST)),
            ]],
            ..Syntax::new(|| tree_sitter_elixir::LANGUAGE.into())
        }),
    },
    Row {
        name: "erlang",
        aliases: &["erl"],
        extensions: &["erl", "hrl", "escript"],
        files: &["rebar.config"],
        interpreters: &["escript"],
        syntax: Some(Syntax {
            signatures: &["spec"],
            imports: &[
                ("module_attribute", When::Always),
                ("behaviour_attribute", When::Always),
                ("export_attribute", When::Always),
                ("export_type_attribute", When::Always),
                ("import_attribute", When::Always),
                ("pp_include", When::Always),
                ("pp_include_lib", When::Always),
            ],
            clauses: true,
            rules: &[&[
                define("fun_decl", Function).named(Name::Path(&["clause", "name"])),
                define("record_decl", Struct),
                define("type_alias", Type).named(Name::Path(&["name", "name"])),
                define("opaque", Type).named(Name::Path(&["name", "name"])),
                define("pp_define", Macro).named(Name::Path(&["lhs", "name"])),
            ]],
            ..Syntax::new(|| tree_sitter_erlang::LANGUAGE.into())
        }),
    },
    Row {
        name: "nix",
        extensions: &["nix"],
        interpreters: &["nix-shell"],
        syntax: Some(Syntax {
            transparent: &["binding_set"],
            rules: &[&[define("binding", Key).named(Name::Field("attrpath"))]],
            ..Syntax::new(|| tree_sitter_nix::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
];

const OCAML_WRAPPERS: &[&str] =
    &["value_definition", "module_definition", "type_definition", "class_definition"];

/// What a `let` binds.
const PATTERN: Name = Name::Field("pattern");

const OCAML_RULES: &[Rule] = &[
    define("module_binding", Namespace)
        .when(When::Kinds(&["body"], &["structure", "functor"]))
        .named(Name::Path(&["module_name"])),
    define("module_binding", Namespace)
        .when(When::Kinds(&["module_type"], &["signature"]))
        .named(Name::Path(&["module_name"])),
    define("module_type_definition", Interface).named(Name::Path(&["module_type_name"])),
    define("type_binding", Struct).when(When::Is("body", &["record_declaration"])),
    define("type_binding", Enum).when(When::Is("body", &["variant_declaration"])),
    define("type_binding", Type),
    define("class_binding", Class).named(Name::Path(&["class_name"])),
];

/// What a call of Elixir calls, and what it is given first.
const TARGET: Path = &["target"];
const FIRST: Path = &["arguments", "*"];
