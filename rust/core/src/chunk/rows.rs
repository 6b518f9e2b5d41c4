//! The table of languages. A new language is one row here, one sample and one golden file in
//! `tests/chunks/samples`.

use super::Kind::{
    Class, Constant, Enum, Function, Impl, Interface, Macro, Method, Namespace, Property, Section,
    Struct, Trait, Type,
};
use super::rules::{Name, Row, Rule, Syntax, When, define};

/// Every language; the first is [`Language::TEXT`](crate::language::Language::TEXT).
pub(crate) const ROWS: &[Row] = &[
    plain("text", &["plain", "plaintext", "txt"], &["txt", "text", "log"], &["LICENSE", "COPYING"]),
    Row {
        name: "python",
        aliases: &["py", "python3"],
        extensions: &["py", "pyi", "pyw"],
        files: &["SConstruct", "SConscript", "wscript"],
        interpreters: &["python", "pypy"],
        syntax: Some(Syntax {
            docstrings: true,
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
        name: "javascript",
        aliases: &["js", "jsx", "node", "ecmascript"],
        extensions: &["js", "jsx", "mjs", "cjs", "es6"],
        files: &["Jakefile"],
        interpreters: &["node", "nodejs"],
        syntax: Some(Syntax {
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
            comments: JS_COMMENTS,
            attributes: JS_ATTRIBUTES,
            wrappers: TS_WRAPPERS,
            rules: &[JS_RULES, TS_RULES],
            ..Syntax::new(|| tree_sitter_typescript::LANGUAGE_TSX.into())
        }),
        ..Row::EMPTY
    },
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
            ..Syntax::new(|| tree_sitter_go::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
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
            ..Syntax::new(|| tree_sitter_java::LANGUAGE.into())
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
        name: "csharp",
        aliases: &["c#", "cs"],
        extensions: &["cs", "csx"],
        syntax: Some(Syntax {
            transparent: &["preproc_if", "preproc_else", "preproc_elif"],
            wrappers: &["global_statement"],
            rules: &[&[
                define("namespace_declaration", Namespace),
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
        name: "ruby",
        aliases: &["rb"],
        extensions: &["rb", "rake", "gemspec", "ru", "podspec"],
        files: &["Rakefile", "Gemfile", "Guardfile", "Podfile", "Vagrantfile", "Capfile"],
        interpreters: &["ruby", "jruby"],
        syntax: Some(Syntax {
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
        name: "php",
        extensions: &["php", "phtml", "php3", "php4", "php5", "phps"],
        interpreters: &["php"],
        syntax: Some(Syntax {
            rules: &[&[
                define("namespace_definition", Namespace).when(When::Has("body")),
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
        name: "bash",
        aliases: &["sh", "shell", "zsh", "ksh"],
        extensions: &["sh", "bash", "zsh", "ksh", "bats", "ebuild", "eclass"],
        files: &[".bashrc", ".bash_profile", ".profile", ".zshrc", "PKGBUILD", "APKBUILD"],
        interpreters: &["bash", "sh", "dash", "zsh", "ksh", "ash", "busybox"],
        syntax: Some(Syntax {
            ascii: true,
            rules: &[&[define("function_definition", Function)]],
            ..Syntax::new(|| tree_sitter_bash::LANGUAGE.into())
        }),
    },
    Row {
        name: "markdown",
        aliases: &["md"],
        extensions: &["md", "markdown", "mdx", "mkd"],
        syntax: Some(Syntax {
            separator: " > ",
            comments: &[],
            rules: &[&[define("section", Section)
                .when(When::Headed("heading_content"))
                .named(Name::Heading)]],
            ..Syntax::new(|| tree_sitter_md::LANGUAGE.into())
        }),
        ..Row::EMPTY
    },
    plain("assembly", &["asm"], &["s", "asm", "S", "nasm"], &[]),
    plain("batch", &["bat", "cmd"], &["bat", "cmd"], &[]),
    plain("clojure", &["clj"], &["clj", "cljs", "cljc", "edn"], &[]),
    plain("cmake", &[], &["cmake"], &["CMakeLists.txt"]),
    plain("css", &[], &["css"], &[]),
    plain("csv", &[], &["csv", "tsv"], &[]),
    plain("dart", &[], &["dart"], &[]),
    plain("devicetree", &["dts"], &["dts", "dtsi", "dtso"], &[]),
    plain("diff", &["patch"], &["diff", "patch"], &[]),
    plain("dockerfile", &["docker"], &["dockerfile"], &["Dockerfile", "Containerfile"]),
    plain("elixir", &["ex"], &["ex", "exs"], &[]),
    plain("elm", &[], &["elm"], &[]),
    plain("erlang", &["erl"], &["erl", "hrl"], &[]),
    plain("fortran", &[], &["f", "for", "f90", "f95", "f03", "f08"], &[]),
    plain("fsharp", &["f#", "fs"], &["fs", "fsi", "fsx"], &[]),
    plain("graphql", &["gql"], &["graphql", "gql"], &[]),
    plain("groovy", &["gradle"], &["groovy", "gradle"], &["Jenkinsfile"]),
    plain("haskell", &["hs"], &["hs", "lhs"], &[]),
    plain("hcl", &["terraform", "tf"], &["tf", "tfvars", "hcl"], &[]),
    plain("html", &["htm"], &["html", "htm", "xhtml"], &[]),
    plain("ini", &[], &["ini", "cfg", "conf", "properties"], &[".editorconfig", ".gitconfig"]),
    plain("json", &[], &["json", "jsonc", "json5", "geojson", "webmanifest"], &[]),
    plain("jsonl", &["ndjson"], &["jsonl", "ndjson"], &[]),
    plain("julia", &["jl"], &["jl"], &[]),
    plain("jupyter", &["notebook", "ipynb"], &["ipynb"], &[]),
    plain("kconfig", &[], &[], &["Kconfig"]),
    plain("kotlin", &["kt"], &["kt", "kts"], &[]),
    plain("latex", &["tex"], &["tex", "sty", "cls", "bib"], &[]),
    plain("less", &[], &["less"], &[]),
    plain("lisp", &["elisp", "scheme"], &["lisp", "el", "scm", "ss", "rkt"], &[]),
    plain(
        "make",
        &["makefile"],
        &["mk", "mak"],
        &["Makefile", "GNUmakefile", "makefile", "Kbuild"],
    ),
    plain("meson", &[], &[], &["meson.build", "meson_options.txt"]),
    plain("nix", &[], &["nix"], &[]),
    plain("objectivec", &["objc", "objective-c"], &["m", "mm"], &[]),
    plain("ocaml", &["ml"], &["ml", "mli"], &[]),
    plain("pascal", &["delphi"], &["pas", "pp", "dpr"], &[]),
    Row { interpreters: &["perl"], ..plain("perl", &["pl"], &["pl", "pm", "t"], &[]) },
    plain("powershell", &["ps1", "pwsh"], &["ps1", "psm1", "psd1"], &[]),
    plain("protobuf", &["proto"], &["proto"], &[]),
    Row { interpreters: &["Rscript"], ..plain("r", &[], &["r", "rmd"], &[]) },
    plain("rst", &["restructuredtext"], &["rst", "rest"], &[]),
    plain("sass", &["scss"], &["scss", "sass"], &[]),
    plain("scala", &[], &["scala", "sc", "sbt"], &[]),
    plain("solidity", &["sol"], &["sol"], &[]),
    plain("sql", &[], &["sql", "ddl", "psql"], &[]),
    plain("starlark", &["bazel"], &["bzl", "bazel", "star"], &["BUILD", "WORKSPACE"]),
    plain("svelte", &[], &["svelte"], &[]),
    plain("swift", &[], &["swift"], &[]),
    Row { interpreters: &["tclsh", "wish"], ..plain("tcl", &[], &["tcl"], &[]) },
    plain("toml", &[], &["toml"], &["Cargo.lock", "poetry.lock", "uv.lock", "Pipfile"]),
    plain("verilog", &["systemverilog"], &["v", "vh", "sv", "svh"], &[]),
    plain("vhdl", &[], &["vhd", "vhdl"], &[]),
    plain("vim", &["viml", "vimscript"], &["vim"], &[".vimrc"]),
    plain("vue", &[], &["vue"], &[]),
    plain("xml", &[], &["xml", "xsd", "xsl", "xslt", "svg", "plist", "csproj", "props"], &[]),
    plain("yaml", &["yml"], &["yaml", "yml"], &[".clang-format", ".clang-tidy"]),
    plain("zig", &[], &["zig"], &[]),
    Row { interpreters: &["lua", "luajit"], ..plain("lua", &[], &["lua"], &[]) },
    Row { interpreters: &["awk", "gawk"], ..plain("awk", &[], &["awk"], &[]) },
    Row { interpreters: &["fish"], ..plain("fish", &[], &["fish"], &[]) },
];

/// A language without a grammar.
const fn plain(
    name: &'static str,
    aliases: &'static [&'static str],
    extensions: &'static [&'static str],
    files: &'static [&'static str],
) -> Row {
    Row { name, aliases, extensions, files, ..Row::EMPTY }
}

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
