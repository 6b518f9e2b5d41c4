//! What means the same in every grammar that has a node of the name.

use super::Kind::{Constant, Function, Method};
use super::rules::{Name, Rule, When, declare};

/// Imports, includes and what else says where a file belongs.
pub(super) const IMPORTS: &[&str] = &[
    "extern_crate_declaration",
    "future_import_statement",
    "import",
    "import_declaration",
    "import_from_statement",
    "import_header",
    "import_list",
    "import_or_export",
    "import_statement",
    "namespace_use_declaration",
    "open_module",
    "package_clause",
    "package_declaration",
    "package_header",
    "preproc_include",
    "use_declaration",
    "using_directive",
];

/// What is listed where no rule of the language makes it a definition: members without a body,
/// prototypes, plain values.
pub(super) const DECLARED: &[Rule] = &[
    declare("abstract_method_signature", Method),
    declare("declaration", Function)
        .when(When::Is("declarator", &["function_declarator"]))
        .named(Name::Declarator),
    declare("field_declaration", Method)
        .when(When::Is("declarator", &["function_declarator"]))
        .named(Name::Declarator),
    declare("function_declaration", Function),
    declare("function_signature", Function),
    declare("function_signature_item", Function),
    declare("method_declaration", Method),
    declare("method_elem", Method),
    declare("method_signature", Method),
    declare("method_spec", Method),
    declare("preproc_def", Constant).when(When::Has("value")),
    declare("variable_declarator", Constant).when(When::Has("value")),
];
