//! The languages of the web.

use super::super::Kind;
use super::super::Kind::{
    Class, Constant, Enum, Function, Interface, Method, Namespace, Section, Trait, Type,
};
use super::super::rules::{Embedded, Name, Path, Row, Rule, Syntax, When, define};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "javascript",
        aliases: &["js", "jsx", "node", "ecmascript"],
        extensions: &["js", "jsx", "mjs", "cjs", "es6"],
        files: &["Jakefile"],
        interpreters: &["node", "nodejs"],
        syntax: Some(Syntax {
            imports: JS_IMPORTS,
            comments: JS_COMMENTS,
            attributes: JS_ATTRIBUTES,
            wrappers: JS_WRAPPERS,
            rules: &[JS_RULES, &[JS_FIELD]],
            ..Syntax::new(|| tree_sitter_javascript::LANGUAGE.into())
        }),
    },
    Row {
        name: "typescript",
        aliases: &["ts"],
        extensions: &["ts", "mts", "cts"],
        interpreters: &["deno", "ts-node", "tsx", "bun"],
        syntax: Some(Syntax {
            imports: JS_IMPORTS,
            comments: JS_COMMENTS,
            attributes: JS_ATTRIBUTES,
            wrappers: TS_WRAPPERS,
            rules: &[JS_RULES, TS_RULES],
            ..Syntax::new(|| tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "tsx",
        extensions: &["tsx"],
        syntax: Some(Syntax {
            imports: JS_IMPORTS,
            comments: JS_COMMENTS,
            attributes: JS_ATTRIBUTES,
            wrappers: TS_WRAPPERS,
            rules: &[JS_RULES, TS_RULES],
            ..Syntax::new(|| tree_sitter_typescript::LANGUAGE_TSX.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "php",
        extensions: &["php", "phtml", "php3", "php4", "php5", "phps"],
        interpreters: &["php"],
        syntax: Some(Syntax {
            imports: &[(
                "expression_statement",
                When::Kinds(
                    &["*"],
                    &[
                        "require_expression",
                        "require_once_expression",
                        "include_expression",
                        "include_once_expression",
                    ],
                ),
            )],
            rules: &[&[
                define("namespace_definition", Namespace).when(When::Has("body")),
                define("namespace_definition", Namespace).rest(1),
                define("class_declaration", Class),
                define("interface_declaration", Interface),
                define("trait_declaration", Trait),
                define("enum_declaration", Enum),
                define("function_definition", Function),
                define("method_declaration", Method).when(When::Has("body")),
            ]],
            ..Syntax::new(|| tree_sitter_php::LANGUAGE_PHP.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "html",
        aliases: &["htm"],
        extensions: &["html", "htm", "xhtml", "shtml"],
        syntax: Some(Syntax {
            separator: " > ",
            embedded: Some(Embedded::Markup),
            rules: &[MARKUP_RULES],
            ..Syntax::new(|| tree_sitter_html::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "css",
        extensions: &["css", "pcss", "postcss"],
        syntax: Some(Syntax {
            imports: &[("charset_statement", When::Always)],
            bodies: &["block", "keyframe_block_list"],
            separator: " ",
            rules: &[&[
                define("rule_set", Kind::Rule).named(Name::Path(&["selectors"])),
                define("keyframes_statement", Kind::Rule).named(Name::Path(&["keyframes_name"])),
                define("media_statement", Kind::Rule).named(Name::Fixed("@media")),
                define("supports_statement", Kind::Rule).named(Name::Fixed("@supports")),
            ]],
            ..Syntax::new(|| tree_sitter_css::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "vue",
        extensions: &["vue"],
        syntax: Some(Syntax {
            separator: " > ",
            embedded: Some(Embedded::Markup),
            rules: &[
                &[define("element", Section)
                    .when(When::Text(&["start_tag", "tag_name"], &["template"]))
                    .named(Name::Fixed("template"))],
                MARKUP_RULES,
            ],
            ..Syntax::new(|| tree_sitter_html::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "svelte",
        extensions: &["svelte"],
        syntax: Some(Syntax {
            separator: " > ",
            embedded: Some(Embedded::Markup),
            rules: &[MARKUP_RULES],
            ..Syntax::new(|| tree_sitter_svelte_ng::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
];

const JS_COMMENTS: &[&str] = &["comment", "html_comment"];
const JS_ATTRIBUTES: &[&str] = &["decorator"];
const JS_WRAPPERS: &[&str] =
    &["export_statement", "lexical_declaration", "variable_declaration", "expression_statement"];
const TS_WRAPPERS: &[&str] = &[
    "export_statement",
    "lexical_declaration",
    "variable_declaration",
    "expression_statement",
    "ambient_declaration",
];

const JS_IMPORTS: &[(&str, When)] = &[
    ("lexical_declaration", When::Text(JS_CALLED, &["require"])),
    ("variable_declaration", When::Text(JS_CALLED, &["require"])),
];
const JS_CALLED: Path = &["variable_declarator", "value", "function"];

/// Values that make the name they are assigned to a function.
const JS_FUNCTIONS: &[&str] = &["arrow_function", "function_expression", "generator_function"];

const JS_RULES: &[Rule] = &[
    define("function_declaration", Function),
    define("generator_function_declaration", Function),
    define("class_declaration", Class),
    define("method_definition", Method),
    define("variable_declarator", Function).when(When::Is("value", JS_FUNCTIONS)),
    define("variable_declarator", Class).when(When::Is("value", &["class"])),
    define("variable_declarator", Constant).when(When::Is("value", &["object", "array"])),
    define("assignment_expression", Function)
        .when(When::Is("right", JS_FUNCTIONS))
        .named(Name::Field("left")),
    define("assignment_expression", Class)
        .when(When::Is("right", &["class"]))
        .named(Name::Field("left")),
    define("pair", Method).when(When::Is("value", JS_FUNCTIONS)).named(Name::Field("key")),
];

/// A class field that holds a function; TypeScript's grammar has another node for it.
const JS_FIELD: Rule = define("field_definition", Method)
    .when(When::Is("value", JS_FUNCTIONS))
    .named(Name::Field("property"));

const TS_RULES: &[Rule] = &[
    define("abstract_class_declaration", Class),
    define("interface_declaration", Interface),
    define("enum_declaration", Enum),
    define("type_alias_declaration", Type),
    define("internal_module", Namespace),
    define("module", Namespace).when(When::Has("body")),
    define("public_field_definition", Method).when(When::Is("value", JS_FUNCTIONS)),
];

/// An element is known by its `id`, and what is in another language by its tag.
const MARKUP_RULES: &[Rule] = &[
    define("element", Section).when(When::Named).named(Name::Attribute(&["id"])),
    define("script_element", Section).named(Name::Fixed("script")),
    define("style_element", Section).named(Name::Fixed("style")),
];
