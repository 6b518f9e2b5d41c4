//! Languages without a grammar: their text is cut into line windows.

use super::super::rules::Row;

pub(super) const ROWS: &[Row] = &[
    plain("assembly", &["asm"], &["s", "asm", "S", "nasm"], &[]),
    plain("batch", &["bat", "cmd"], &["bat", "cmd"], &[]),
    plain("clojure", &["clj"], &["clj", "cljs", "cljc", "edn"], &[]),
    plain("csv", &[], &["csv", "tsv"], &[]),
    plain("devicetree", &["dts"], &["dts", "dtsi", "dtso"], &[]),
    plain("diff", &["patch"], &["diff", "patch"], &[]),
    plain("elm", &[], &["elm"], &[]),
    plain("fortran", &[], &["f", "for", "f90", "f95", "f03", "f08"], &[]),
    plain("fsharp", &["f#", "fs"], &["fs", "fsi", "fsx"], &[]),
    plain("graphql", &["gql"], &["graphql", "gql"], &[]),
    plain("groovy", &["gradle"], &["groovy", "gradle"], &["Jenkinsfile"]),
    plain("ini", &[], &["ini", "cfg", "conf", "properties"], &[".editorconfig", ".gitconfig"]),
    plain("jsonl", &["ndjson"], &["jsonl", "ndjson"], &[]),
    plain("kconfig", &[], &[], &["Kconfig"]),
    plain("latex", &["tex"], &["tex", "sty", "cls", "bib"], &[]),
    plain("less", &[], &["less"], &[]),
    plain("lisp", &["elisp", "scheme"], &["lisp", "el", "scm", "ss", "rkt"], &[]),
    plain("meson", &[], &[], &["meson.build", "meson_options.txt"]),
    plain("objectivec", &["objc", "objective-c"], &["m", "mm"], &[]),
    plain("pascal", &["delphi"], &["pas", "pp", "dpr"], &[]),
    plain("powershell", &["ps1", "pwsh"], &["ps1", "psm1", "psd1"], &[]),
    plain("rst", &["restructuredtext"], &["rst", "rest"], &[]),
    plain("sass", &["scss"], &["scss", "sass"], &[]),
    plain("solidity", &["sol"], &["sol"], &[]),
    plain("starlark", &["bazel"], &["bzl", "bazel", "star"], &["BUILD", "WORKSPACE"]),
    Row { interpreters: &["tclsh", "wish"], ..plain("tcl", &[], &["tcl"], &[]) },
    plain("verilog", &["systemverilog"], &["v", "vh", "sv", "svh"], &[]),
    plain("vhdl", &[], &["vhd", "vhdl"], &[]),
    plain("vim", &["viml", "vimscript"], &["vim"], &[".vimrc"]),
    plain("xml", &[], &["xml", "xsd", "xsl", "xslt", "svg", "plist", "csproj", "props"], &[]),
    Row { interpreters: &["awk", "gawk"], ..plain("awk", &[], &["awk"], &[]) },
    Row { interpreters: &["fish"], ..plain("fish", &[], &["fish"], &[]) },
    plain("apex", &[], &[], &[]),
    plain("coq", &["rocq"], &[], &[]),
    plain("glsl", &[], &["glsl", "vert", "frag", "comp"], &[]),
    plain("matlab", &["octave"], &[], &[]),
    Row { interpreters: &["swipl"], ..plain("prolog", &[], &["pro", "prolog"], &[]) },
    plain("vb", &["visualbasic"], &["vb", "vbs", "bas"], &[]),
];

/// A language without a grammar.
pub(super) const fn plain(
    name: &'static str,
    aliases: &'static [&'static str],
    extensions: &'static [&'static str],
    files: &'static [&'static str],
) -> Row {
    Row { name, aliases, extensions, files, ..Row::EMPTY }
}
