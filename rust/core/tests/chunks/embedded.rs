//! Code of one language in a text of another.

use super::*;

fn chunks_of(name: &str, text: &str) -> Vec<Chunk> {
    let language = Language::detect(name, text);
    check_contract(text, language);
    chunk(text, language)
}

/// `kind symbol` of all definitions.
fn defined(chunks: &[Chunk]) -> Vec<String> {
    let all = chunks.iter().flat_map(|piece| &piece.definitions);
    all.map(|it| format!("{} {}", it.kind.name(), it.symbol)).collect()
}

fn sample(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chunks/samples");
    fs::read_to_string(folder.join(name)).expect("a sample")
}

/// A notebook of these cells, as Jupyter writes it.
fn notebook(cells: &[(&str, &str, &[&str])]) -> String {
    let cell = |(kind, outputs, source): &(&str, &str, &[&str])| {
        let source: Vec<_> = source.iter().map(|line| format!("    {line}")).collect();
        format!(
            "  {{\n   \"cell_type\": \"{kind}\",\n   \"outputs\": [{outputs}],\n   \"source\": [\n{}\n   ]\n  }}",
            source.join(",\n")
        )
    };
    let cells: Vec<_> = cells.iter().map(cell).collect();
    format!("{{\n \"cells\": [\n{}\n ],\n \"nbformat\": 4\n}}\n", cells.join(",\n"))
}

#[test]
fn functions_of_scripts_are_definitions() {
    for (name, tag, function, kind) in [
        ("a.html", "<script>", "function add(a) {\n  return a;\n}\n", "function add"),
        (
            "a.html",
            "<SCRIPT type=\"module\">",
            "function add(a) {\n  return a;\n}\n",
            "function add",
        ),
        ("a.vue", "<script lang=\"ts\">", "interface Add {\n  a: number;\n}\n", "interface Add"),
        ("a.svelte", "<script lang='ts'>", "enum Add {\n  A,\n  B,\n}\n", "enum Add"),
    ] {
        let text =
            format!("<html id=\"all\">\n<p>Words.</p>\n{tag}\n{function}</script>\n</html>\n");
        let found = chunks_of(name, &text);
        assert!(defined(&found).contains(&kind.to_owned()), "{text}: {:?}", defined(&found));
    }
}

#[test]
fn what_is_no_known_language_stays_as_it_is() {
    for tag in ["<script type=\"text/x-template\">", "<script lang=\"no such\">", "<p>"] {
        let text = format!("{tag}\nfunction add(a) {{\n  return a;\n}}\n</script>\n");
        let found = defined(&chunks_of("a.html", &text));
        assert!(!found.contains(&"function add".to_owned()), "{tag}: {found:?}");
    }
}

#[test]
fn a_fenced_block_keeps_the_words_that_introduce_it() {
    let chunks = chunks_of("sample.md", &sample("sample.md"));
    let text = sample("sample.md");
    let holds = |words: &str| chunks.iter().position(|it| text[it.bytes.clone()].contains(words));
    let introduction = holds("The shop is opened first:");
    assert!(introduction.is_some());
    assert_eq!(introduction, holds("shop.put(\"A-1\""));
    assert_eq!(introduction, holds("shop.put(\"A-12\""));
}

#[test]
fn only_long_fenced_blocks_are_cut_along_their_syntax() {
    let found = defined(&chunks_of("sample.md", &sample("sample.md")));
    assert!(found.contains(&"function load".to_owned()), "{found:?}");
    let short = "# Use\n\n```python\ndef f():\n    pass\n```\n";
    assert_eq!(defined(&chunks_of("a.md", short)), ["section Use"]);
}

#[test]
fn one_language_in_another_goes_one_level_deep() {
    let lines =
        numbered("<p>Paragraph # has some words in it, which fill the block.</p>\n").repeat(2);
    let text = format!(
        "# Use\n\n```html\n<main id=\"deep\">\n{lines}</main>\n<script>\nfunction f() {{\n  g();\n}}\n</script>\n```\n"
    );
    let found = defined(&chunks_of("a.md", &text));
    assert!(found.contains(&"section deep".to_owned()), "{found:?}");
    assert!(!found.contains(&"function f".to_owned()), "{found:?}");
}

#[test]
fn outputs_share_no_chunk_with_sources() {
    let image = "\"aB3/xY9+Qz7K".repeat(5).replace('"', "");
    let outputs = [
        "",
        "\n    {\n     \"text\": [\"output 42\"]\n    }\n   ",
        &format!("\n    {{\n     \"png\": \"output {}\"\n    }}\n   ", image.repeat(300)),
    ];
    for outputs in outputs {
        for source in [&["\"source\""][..], &["\"def f(source):\\n\"", "\"    return 1\""][..]] {
            let cells = [
                ("markdown", "", &["\"# Source\""][..]),
                ("code", outputs, source),
                ("code", outputs, source),
                ("raw", "", &["\"source\""][..]),
            ];
            let text = notebook(&cells);
            for piece in chunks_of("a.ipynb", &text) {
                let lower = text[piece.bytes].to_lowercase();
                let mixed = lower.contains("output ") && lower.contains("\"source\": [");
                assert!(!mixed, "{lower}");
            }
        }
    }
}

#[test]
fn cells_are_called_after_what_they_define_and_their_heading() {
    let cells = [
        ("markdown", "", &["\"# Title\\n\"", "\"## Part \\\"one\\\"\""][..]),
        (
            "code",
            "",
            &["\"%time\\n\"", "\"def f(a=\\\"\\\\u00e9\\\"):\\n\"", "\"    return a\""][..],
        ),
    ];
    let text = notebook(&cells);
    let chunks = chunks_of("a.ipynb", &text);
    let expected = ["section Title", "section Title > Part \"one\"", "function f"];
    assert_eq!(defined(&chunks), expected);
    let last = chunks.iter().flat_map(|it| &it.definitions).next_back().expect("f");
    assert!(
        text[last.signature.clone()].starts_with("def f(a="),
        "{:?}",
        &text[last.signature.clone()]
    );
}

#[test]
fn a_notebook_without_lines_or_cells_still_has_chunks() {
    let cells = [("code", "", &["\"def f():\\n\"", "\"    return 1\""][..])];
    let text = notebook(&cells);
    let minified: String = text.split('\n').map(str::trim).collect();
    for text in [minified.as_str(), "{\n \"cells\": []\n}\n", "no notebook\n", "{\"cells\": [{\n"] {
        assert!(!chunks_of("a.ipynb", text).is_empty(), "{text}");
    }
}

#[test]
fn a_notebook_with_its_source_in_one_string_has_symbols() {
    let text = "{\n \"cells\": [\n  {\n   \"cell_type\": \"code\",\n   \"source\": \
                \"import os\\n\\ndef f(a):\\n    return a\\n\"\n  }\n ]\n}\n";
    assert_eq!(defined(&chunks_of("a.ipynb", text)), ["function f"]);
}

#[test]
fn what_is_cut_off_keeps_the_contract() {
    for name in ["sample.ipynb", "sample.md", "sample.html", "sample.vue", "sample.svelte"] {
        let text = sample(name);
        let language = Language::detect(name, &text);
        for share in 1..40 {
            check_contract(&text[..boundary(&text, f64::from(share) / 40.0)], language);
        }
    }
    let line = numbered("let value# = call(#);\n").repeat(8);
    for open in ["```js\n", "~~~ {.é}\n", "``` \u{0}=\n", "````````js ```\n", "> ```js\n> "] {
        check_contract(&format!("# A\n\nb\n\n{open}{line}"), Language::detect("a.md", ""));
        check_contract(
            &format!("# A\n\n- b\n\n  {open}{line}\n```\n{open}"),
            Language::detect("a.md", ""),
        );
    }
    for open in
        ["<script>\n", "<script\n", "<style lang=\"é\">\n", "<script>/*", "<script><script>"]
    {
        for name in ["a.html", "a.vue", "a.svelte"] {
            check_contract(&format!("<p>a</p>\n{open}{line}"), Language::detect(name, ""));
            check_contract(&open.repeat(2_000), Language::detect(name, ""));
        }
    }
}

/// Each part alone is within its budget; all of them together must be too.
#[test]
fn many_parts_that_are_no_source_do_not_stall() {
    let rubbish = "x,\n@a\ndef class fn ( } ] if\n";
    for (name, open, close) in [
        ("a.html", "<script>\n", "</script>\n"),
        ("a.md", "```rs\n", "```\n"),
        ("a.ipynb", "  {\n   \"cell_type\": \"code\",\n   \"source\": [\n", "   ]\n  },\n"),
    ] {
        for size in [1, 2_000] {
            let inside = if name == "a.ipynb" {
                "    \"def class fn ( } ] if\\n\",\n".repeat(size)
            } else {
                rubbish.repeat(size)
            };
            let part = format!("{open}{inside}{close}");
            let parts = part.repeat((1 << 20) / part.len());
            let text = format!("{{\n \"cells\": [\n{parts}");
            assert!(!chunk(&text, Language::detect(name, "")).is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cells_of_any_text_keep_the_contract(
        sources in proptest::collection::vec(
            "(def f\\(\\):|class A:|    |x = |%%bash|!ls|# A|é|\\\\n|\\\\u00e9|\\\\ud83d\\\\ude00|\\\\|\\\\\"|\"|\n|,|\\[|\\]|\\{|\\}){0,12}",
            0..6,
        ),
        outputs in "(\n|\\{|\\}|a|\"){0,4}",
    ) {
        let lines: Vec<String> = sources.iter().map(|it| format!("\"{it}\"")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let cells =
            [("markdown", "", &lines[..]), ("code", outputs.as_str(), &lines[..])];
        check_contract(&notebook(&cells), Language::detect("a.ipynb", ""));
    }
}
