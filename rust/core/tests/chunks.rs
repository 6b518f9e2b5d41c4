//! Chunks of real-looking samples against stored goldens, and the contract on any text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use hybridx_core::analyzer::{analyze, terms};
use hybridx_core::chunk::{Chunk, Definition, Kind, MAX_CHUNK, MAX_LINE, chunk};
use hybridx_core::language::Language;
use proptest::prelude::*;

#[path = "chunks/embedded.rs"]
mod embedded;

fn samples() -> BTreeMap<PathBuf, (Language, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chunks/samples");
    let mut samples = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("samples folder") {
        let path = entry.expect("sample").path();
        if path.extension().is_some_and(|it| it != "golden") {
            let text = fs::read_to_string(&path).expect("sample is text");
            let language = Language::detect(&path.to_string_lossy(), &text);
            samples.insert(path, (language, text));
        }
    }
    samples
}

/// A line a chunk; below it, `<` its context and `=` its definitions with signature and doc.
fn listing(text: &str, chunks: &[Chunk]) -> String {
    let short = |part: &str| {
        let words: Vec<&str> = part.split_whitespace().collect();
        words.join(" ").chars().take(60).collect::<String>()
    };
    let mut lines = Vec::new();
    for piece in chunks {
        let (start, end) = (piece.start_line, piece.end_line);
        lines.push(format!("{start}-{end} {} {}", piece.kind.name(), piece.symbol));
        lines.extend(piece.context.lines().map(|line| format!("  < {line}")));
        for Definition { symbol, kind, start_line, signature, doc, .. } in &piece.definitions {
            let parts = [signature, doc].map(|part| short(&text[part.clone()])).join(" | ");
            let parts = parts.trim_end_matches([' ', '|']);
            lines.push(format!("  = {start_line} {} {symbol} | {parts}", kind.name()));
        }
    }
    lines.iter().fold(String::new(), |listing, line| listing + line.trim_end() + "\n")
}

/// Set `HYBRIDX_UPDATE_GOLDEN=1` to store the chunks as they are now; then read the difference.
#[test]
fn samples_give_their_goldens() {
    let update = std::env::var_os("HYBRIDX_UPDATE_GOLDEN").is_some();
    let mut differences = String::new();
    for (path, (language, text)) in samples() {
        let actual = listing(&text, &chunk(&text, language));
        let golden = PathBuf::from(format!("{}.golden", path.display()));
        if update {
            fs::write(&golden, &actual).expect("writing the golden");
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if actual != expected {
            writeln!(differences, "{}", golden.display()).expect("writing to a string");
            for line in expected.lines().filter(|line| !actual.lines().any(|it| it == *line)) {
                writeln!(differences, "  - {line}").expect("writing to a string");
            }
            for line in actual.lines().filter(|line| !expected.lines().any(|it| it == *line)) {
                writeln!(differences, "  + {line}").expect("writing to a string");
            }
        }
    }
    assert!(differences.is_empty(), "chunks differ from the goldens:\n{differences}");
}

#[test]
fn every_grammar_has_a_sample_and_a_golden() {
    let samples = samples();
    let mut grammars = 0;
    for language in Language::all().filter(|language| language.has_grammar()) {
        let found = samples.iter().find(|(_, (of, _))| *of == language);
        let (path, _) = found.unwrap_or_else(|| panic!("no sample of {}", language.name()));
        let golden = PathBuf::from(format!("{}.golden", path.display()));
        assert!(golden.exists(), "no {}", golden.display());
        grammars += 1;
    }
    assert!(grammars >= 40, "found only {grammars} grammars");
}

#[test]
fn the_documentation_lists_every_grammar() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/languages.md");
    let list = fs::read_to_string(list).expect("the page of languages");
    let list = list.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, list) = list.split_once("along its syntax").expect("the list of languages");
    let (list, _) = list.split_once("All other text").expect("the end of the list");
    let listed: Vec<&str> = list.split([' ', ',', '.', ':']).collect();
    let grammars: Vec<_> = Language::all().filter(|language| language.has_grammar()).collect();
    assert!(listed.contains(&grammars.len().to_string().as_str()), "not {}", grammars.len());
    for language in grammars {
        assert!(listed.contains(&language.name()), "{} is missing", language.name());
    }
}

/// `kind symbol` of the chunks of `text` in a file called `name`.
fn titles(name: &str, text: &str) -> Vec<String> {
    let chunks = chunk(text, Language::detect(name, text));
    chunks.iter().map(|it| format!("{} {}", it.kind.name(), it.symbol)).collect()
}

#[test]
fn underlined_headings_open_sections() {
    let body = "Some words that say what this is about.\n\n".repeat(3);
    let text =
        format!("Top\n===\n\n{body}Sub\n---\n\n{body}Other\n-----\n\n{body}# Hash\n\n{body}");
    let expected = ["section Top", "section Top > Sub", "section Top > Other", "section Hash"];
    assert_eq!(titles("a.md", &text), expected);
}

#[test]
fn a_namespace_without_braces_holds_to_the_end() {
    let class = "class Shop {\n    void Open() {\n        Run();\n    }\n}\n";
    let text = format!("using System;\nnamespace Acme.Web;\n\n{class}");
    assert!(titles("a.cs", &text).contains(&"class Acme.Web.Shop".to_owned()));
    let class = class.replace("void", "function");
    let text = format!("<?php\nnamespace Acme\\Web;\n\n{class}\nnamespace Other;\n\n{class}");
    let found = titles("a.php", &text);
    assert!(found.contains(&"class Acme\\Web.Shop".to_owned()), "{found:?}");
    assert!(found.contains(&"class Other.Shop".to_owned()), "{found:?}");
}

#[test]
fn a_package_with_braces_is_no_import() {
    let class = "class Shop {\n  def open(): Unit = run()\n  def close(): Unit = stop()\n}\n";
    let text = format!("package acme.web {{\n\n{class}\n}}\n");
    let pieces = chunk(&text, Language::detect("a.scala", ""));
    let found: Vec<_> = pieces.iter().flat_map(|it| &it.definitions).collect();
    let found: Vec<_> = found.iter().map(|it| it.symbol.as_str()).collect();
    let expected = ["acme.web", "acme.web.Shop", "acme.web.Shop.open", "acme.web.Shop.close"];
    assert_eq!(found, expected);
}

#[test]
fn a_function_of_a_namespace_is_no_method() {
    let body = format!("(int a)\n{{\n{}}}\n\n", "    a += first(a) * second(a);\n".repeat(8));
    let text = format!(
        "using namespace far::deep;\nnamespace util {{ int f(int a); }}\n\nint util::f{body}int \
         deep::g{body}int Widget::draw{body}"
    );
    let found = titles("a.cpp", &text);
    assert!(found.ends_with(&[
        "function util::f".to_owned(),
        "function deep::g".to_owned(),
        "method Widget::draw".to_owned()
    ]));
}

/// What holds for the chunks of any text: order, whole lines, every non-blank line once.
fn check_contract(text: &str, language: Language) {
    let chunks = chunk(text, language);
    assert_eq!(chunks, chunk(text, language), "the same text gave other chunks");
    let mut end = 0;
    let mut lines = vec![0_u32; text.split('\n').count() + 1];
    for piece in &chunks {
        let content = &text[piece.bytes.clone()];
        assert!(piece.bytes.start >= end, "chunks overlap");
        assert!(text[end..piece.bytes.start].trim().is_empty(), "text between chunks is lost");
        assert!(!content.trim().is_empty(), "a blank chunk");
        assert!(!content.ends_with('\n'), "the final newline belongs to no chunk");
        let number = |at: usize| text[..at].matches('\n').count() + 1;
        assert_eq!(piece.start_line as usize, number(piece.bytes.start));
        assert_eq!(piece.end_line as usize, number(piece.bytes.end));
        let cut = piece.start_line == piece.end_line && content.len() <= MAX_LINE;
        let starts = piece.bytes.start == 0 || text.as_bytes()[piece.bytes.start - 1] == b'\n';
        let rest = &text[piece.bytes.end..];
        let ends = rest.is_empty() || rest.starts_with('\n') || rest.starts_with("\r\n");
        if starts && ends {
            for line in piece.start_line..=piece.end_line {
                lines[line as usize] += 1;
            }
        } else {
            let line = text.split('\n').nth(piece.start_line as usize - 1).unwrap_or_default();
            assert!(cut && line.len() > MAX_LINE, "a chunk is no whole lines");
        }
        end = piece.bytes.end;
        check_definitions(text, piece);
    }
    let begins = chunks.iter().flat_map(|piece| &piece.definitions);
    let begins: Vec<_> = begins.map(|it| (it.signature.start, &it.symbol)).collect();
    assert!(begins.is_sorted_by_key(|(start, _)| start), "definitions are out of order");
    let mut once = begins.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), begins.len(), "a definition is listed twice");
    assert!(text[end..].trim().is_empty(), "the end of the text is lost");
    assert!(lines.iter().all(|count| *count <= 1), "a line lies in two chunks");
}

/// What a chunk tells of the definitions in it lies in it, and what it tells of those around it
/// is short and stands before it.
fn check_definitions(text: &str, piece: &Chunk) {
    for Definition { symbol, signature, doc, start_line, .. } in &piece.definitions {
        for part in [signature, doc] {
            let inside = piece.bytes.start <= part.start && part.end <= piece.bytes.end;
            assert!(inside && text.get(part.clone()).is_some(), "{symbol}: {part:?} is outside");
        }
        assert!(!signature.is_empty(), "{symbol}: nothing begins it");
        assert!(!symbol.is_empty(), "a definition without a name");
        let number = text[..signature.start].matches('\n').count() + 1;
        assert_eq!(*start_line as usize, number, "{symbol} begins on another line");
    }
    assert!(piece.context.lines().count() <= 6 && !piece.context.ends_with('\n'));
    for line in piece.context.lines() {
        assert!(!line.is_empty() && line.len() <= 160, "a context of {line:?}");
        let first = line.split(' ').next().expect("a word");
        assert!(text[..piece.bytes.start].contains(first), "{line:?} does not stand before");
    }
}

#[test]
fn chunks_stay_near_the_budget() {
    for (path, (language, text)) in samples() {
        check_contract(&text, language);
        for piece in chunk(&text, language) {
            let count = terms(&analyze(&text[piece.bytes])).count();
            assert!(count <= MAX_CHUNK + MAX_CHUNK / 2, "{}: {count} terms", path.display());
        }
    }
}

#[test]
fn deep_nesting_neither_overflows_nor_stalls() {
    for language in Language::all().filter(|language| language.has_grammar()) {
        for open in ["(\n", "{ a:\n", "[1,\n", "a<\n", "if (a) {\n", "> "] {
            check_contract(&open.repeat(30_000), language);
        }
    }
}

#[test]
fn a_long_line_is_cut_at_characters() {
    let text = format!("x = 1\n{}\ny = 2\n", "é".repeat(MAX_LINE));
    for language in Language::all() {
        check_contract(&text, language);
        let chunks = chunk(&text, language);
        assert!(chunks.iter().filter(|piece| piece.start_line == 2).count() >= 2);
    }
}

/// tree-sitter-bash#337: reading outside a table, which crashed the process.
#[test]
fn characters_beyond_ascii_do_not_crash_scanners() {
    for language in Language::all() {
        for character in ['é', '\u{4e00}', '\u{31860}', '\u{10ffff}'] {
            for before in ["{", "echo {", "1", "a[", "<<", "$", "%", "#", "- "] {
                check_contract(&format!("{before}{character}\n{character}\n"), language);
            }
        }
    }
}

/// The scanner of Perl looked for the end of the line for ever.
#[test]
fn a_cut_here_document_ends() {
    for text in ["print <<\"END\";\n$x", "print <<END;\n$x is @y", "print <<~END;\n  \\"] {
        check_contract(text, Language::detect("a.pl", ""));
    }
}

#[test]
fn text_breaks_at_paragraphs() {
    let paragraph = format!("{}\n", "some words on a line\n".repeat(30));
    let chunks = chunk(&format!("{paragraph}\n\n").repeat(10), Language::TEXT);
    assert!(chunks.iter().all(|piece| piece.kind == Kind::Text && piece.symbol.is_empty()));
    assert!(chunks.iter().all(|piece| (piece.end_line - piece.start_line + 1) % 33 == 30));
}

fn python(text: &str) -> Vec<Chunk> {
    let chunks = chunk(text, Language::from_name("python").expect("a language"));
    check_contract(text, Language::from_name("python").expect("a language"));
    chunks
}

fn symbols(chunks: &[Chunk]) -> Vec<&str> {
    chunks.iter().map(|piece| piece.symbol.as_str()).collect()
}

#[test]
fn small_neighbours_share_a_chunk_that_names_each_of_them() {
    let large = "        self.large = compute(first_value, second_value)\n".repeat(40);
    let text = format!(
        "class Pool:\n    size = 1\n    limit = 2\n\n    def a(self):\n{large}\n    \
         def b(self):\n        return 1\n\n    def c(self):\n        return 2\n"
    );
    let chunks = python(&text);
    let last = chunks.last().expect("chunks");
    assert_eq!((last.symbol.as_str(), last.kind), ("Pool.b, Pool.c", Kind::Method));
    assert_eq!(last.context, "class Pool:");
    let names: Vec<_> = last.definitions.iter().map(|it| it.symbol.as_str()).collect();
    assert_eq!(names, ["Pool.b", "Pool.c"]);
    // A piece of a function that is no beginning says where it is.
    let inside = &chunks[chunks.len() - 2];
    assert_eq!((inside.symbol.as_str(), inside.definitions.len()), ("Pool.a", 0));
    assert_eq!(inside.context, "class Pool:\ndef a(self):");
}

/// `line` twenty times, each `#` being its number.
fn numbered(line: &str) -> String {
    (0..20).map(|n| line.replace('#', &n.to_string())).collect()
}

#[test]
fn imports_and_constants_are_groups_of_their_own() {
    let imports = numbered("import module_number_#\n");
    let constants = numbered("LIMIT_# = #\n");
    let text = format!("{imports}\n{constants}");
    let chunks = python(&text);
    assert_eq!(
        chunks.iter().map(|piece| piece.kind).collect::<Vec<_>>(),
        [Kind::Module, Kind::Constant]
    );
    assert_eq!(chunks[1].definitions.len(), 20);
    assert!(chunks[1].symbol.starts_with("LIMIT_0, LIMIT_1, "));
    assert_eq!(symbols(&python(&format!("import a\n{constants}"))), [chunks[1].symbol.as_str()]);
}

#[test]
fn a_table_is_not_shredded() {
    let row = "    0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,\n";
    let table = format!("TABLE = [\n{}]\n", row.repeat(2_000));
    let chunks = python(&table);
    assert!(chunks.len() < 12, "{} chunks", chunks.len());
    assert!(chunks.iter().all(|piece| piece.symbol == "TABLE" && piece.kind == Kind::Constant));
    assert!(chunks[1..].iter().all(|piece| piece.definitions.is_empty()));
}

#[test]
fn documentation_stays_with_what_it_documents() {
    let doc = "# What this function is for and how it is used by others.\n";
    for lines in [1, 10, 20, 60] {
        let doc = doc.repeat(lines);
        let body = "    value = compute(first, second)\n".repeat(45);
        let chunks = python(&format!("{doc}@cached\ndef f(first, second):\n{body}"));
        assert!(chunks.iter().all(|piece| piece.symbol == "f"), "{:?}", symbols(&chunks));
        let first = chunks.iter().find(|piece| !piece.definitions.is_empty()).expect("f begins");
        assert!(!first.definitions[0].doc.is_empty(), "{lines} lines stand alone");
    }
}

#[test]
fn line_ends_and_marks_of_windows_change_nothing() {
    for (path, (language, text)) in samples() {
        let windows = text.replace('\n', "\r\n");
        check_contract(&windows, language);
        // The carriage return is part of a shell word, so bash's tree differs.
        if language.name() != "bash" {
            let (unix, windows) = (chunk(&text, language), chunk(&windows, language));
            assert_eq!(
                listing(&text, &unix),
                listing(&text.replace('\n', "\r\n"), &windows),
                "{}",
                path.display()
            );
        }
    }
}

fn any_language() -> impl Strategy<Value = Language> {
    proptest::sample::select(Language::all().collect::<Vec<_>>())
}

fn any_sample() -> impl Strategy<Value = (Language, String)> {
    proptest::sample::select(samples().into_values().collect::<Vec<_>>())
}

/// The nearest character boundary at or before a share of the text.
fn boundary(text: &str, share: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "any position will do"
    )]
    let mut at = (text.len() as f64 * share) as usize;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_keeps_the_contract(text in "(?s).{0,400}", language in any_language()) {
        check_contract(&text, language);
    }

    #[test]
    fn code_like_text_keeps_the_contract(
        text in "([a-z]{1,4}|[(){}<>;:,=\"'#/*@\\[\\]]|\r?\n| |    |def |class |fn |#if|```){0,200}",
        language in any_language(),
    ) {
        check_contract(&text, language);
    }

    #[test]
    fn mutilated_samples_keep_the_contract(
        (language, text) in any_sample(),
        from in 0.0..1.0,
        to in 0.0..1.0,
        insert in "[(){}\"'`#/*\n]{0,3}",
        other in any_language(),
    ) {
        let (from, to) = (boundary(&text, from), boundary(&text, to));
        let mutilated = format!("{}{insert}{}", &text[..from], &text[to..]);
        check_contract(&mutilated, language);
        check_contract(&mutilated, other);
    }
}
