//! Data, schemas and queries.

use super::super::Kind::{Enum, Function, Interface, Key, Method, Struct, Table, Type};
use super::super::rules::{Name, Row, Syntax, When, define};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "json",
        extensions: &["json", "jsonc", "json5", "geojson", "webmanifest", "avsc", "topojson"],
        files: &[".babelrc", ".eslintrc", ".prettierrc", "composer.lock"],
        syntax: Some(Syntax {
            rules: &[&[define("pair", Key)
                .when(When::Is("value", &["object", "array"]))
                .named(Name::Field("key"))]],
            ..Syntax::new(|| tree_sitter_json::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "yaml",
        aliases: &["yml"],
        extensions: &["yaml", "yml"],
        files: &[".clang-format", ".clang-tidy", ".clangd", ".yamllint", "CITATION.cff"],
        syntax: Some(Syntax {
            transparent: &["document", "block_node", "block_mapping"],
            rules: &[&[define("block_mapping_pair", Key)
                .when(When::Is("value", &["block_node"]))
                .named(Name::Field("key"))]],
            ..Syntax::new(|| tree_sitter_yaml::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "toml",
        extensions: &["toml"],
        files: &["Cargo.lock", "poetry.lock", "uv.lock", "Pipfile", "pdm.lock"],
        syntax: Some(Syntax {
            rules: &[&[
                define("table", Key).named(Name::Path(&["*"])),
                define("table_array_element", Key).named(Name::Path(&["*"])),
                define("pair", Key).named(Name::Path(&["*"])),
            ]],
            ..Syntax::new(|| tree_sitter_toml_ng::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "sql",
        aliases: &["postgresql", "mysql", "sqlite"],
        extensions: &["sql", "ddl", "dml", "psql"],
        syntax: Some(Syntax {
            comments: &["comment", "marginalia"],
            wrappers: &["statement"],
            rules: &[&[
                define("create_table", Table).named(SQL_NAME),
                define("create_view", Table).named(SQL_NAME),
                define("create_materialized_view", Table).named(SQL_NAME),
                define("create_function", Function).named(SQL_NAME),
                define("create_trigger", Function).named(SQL_NAME),
                define("create_type", Type).named(SQL_NAME),
            ]],
            ..Syntax::new(|| tree_sitter_sequel::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    Row {
        name: "protobuf",
        aliases: &["proto"],
        extensions: &["proto"],
        syntax: Some(Syntax {
            imports: &[("syntax", When::Always), ("package", When::Always)],
            transparent: &["message_body"],
            rules: &[&[
                define("message", Struct).named(Name::Path(&["message_name"])),
                define("enum", Enum).named(Name::Path(&["enum_name"])),
                define("service", Interface).named(Name::Path(&["service_name"])),
                define("rpc", Method).named(Name::Path(&["rpc_name"])),
            ]],
            ..Syntax::new(|| tree_sitter_proto::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
];

const SQL_NAME: Name = Name::Path(&["object_reference"]);
