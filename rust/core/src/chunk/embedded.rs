//! Code of one language in a text of another: where it is and which grammar it has.

use tree_sitter::{Node, Range};

use super::grammar::Grammar;
use super::names::attribute;
use crate::language::Language;

/// The elements whose text is in another language.
const HOSTS: [&[u8]; 2] = [b"script", b"style"];

/// So many bytes after a tag's name are looked at for its end.
const TAG: usize = 1_000;

/// A part of more bytes than this is not parsed, nor more parts of one text than this: each may
/// take as long as a small file that is no source.
pub(super) const MAX_PART: usize = 128 << 10;
pub(super) const MAX_PARTS: usize = 1_000;

/// The bytes of a language's name.
const MAX_NAME: usize = 32;

/// What is embedded in a node.
pub(super) struct Inner {
    pub grammar: &'static Grammar,
    /// Where it lies.
    pub part: Range,
}

/// Where elements of markup begin that hold several lines in another language, ascending.
pub(super) fn hosts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let is_host = |&at: &usize| {
        let rest = &bytes[at + 1..];
        HOSTS.iter().any(|name| {
            let named = rest.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name));
            let after = rest.get(name.len()..).unwrap_or_default();
            let after = &after[..after.len().min(TAG)];
            named && after.first().is_some_and(|it| !it.is_ascii_alphanumeric()) && {
                let line = &after[..memchr::memchr(b'\n', after).unwrap_or(after.len())];
                memchr::memmem::find(line, b"</").is_none()
            }
        })
    };
    memchr::memchr_iter(b'<', bytes).filter(is_host).collect()
}

/// What is embedded in `node`, a child of `around`, if its language is known and has a grammar: a fenced block, or the
/// text of a script or style.
pub(super) fn inside(node: Node, around: Option<Node>, text: &str) -> Option<Inner> {
    let (language, part) = if node.kind() == "fenced_code_block" {
        let mut cursor = node.walk();
        let mut children = node.named_children(&mut cursor);
        let info = children.find(|child| child.kind() == "info_string")?;
        let content = children.find(|child| child.kind() == "code_fence_content")?;
        (told_by_info(text.get(info.byte_range())?)?, content)
    } else {
        let element = around?;
        let told = |name| Some(attribute(element, name, text)).filter(|it| !it.is_empty());
        let told = told("lang").or_else(|| told("type")).unwrap_or_default();
        let language = match element.kind() {
            "script_element" => told_by_type(&told, "javascript"),
            "style_element" => told_by_type(&told, "css"),
            _ => None,
        };
        (language?, node)
    };
    let part = part.range();
    let fits = part.end_byte - part.start_byte <= MAX_PART;
    Some(Inner { grammar: language.grammar()?, part }).filter(|_| fits)
}

/// The language that the info string of a fenced block names: `python`, `rs`, `{.r}`,
/// `rust,ignore`, `js title="a.js"`.
fn told_by_info(info: &str) -> Option<Language> {
    let info = info.trim_start_matches(['{', '.', ' ', '`', '~']);
    let end = info.find(|c: char| !c.is_ascii_alphanumeric() && !"+#-_".contains(c));
    called(&info[..end.unwrap_or(info.len())])
}

/// The language that the attribute `type` or `lang` of a script or style names: `ts`, `module`,
/// `text/javascript`, `application/ld+json`; `usual` if it is empty.
fn told_by_type(told: &str, usual: &str) -> Option<Language> {
    let name = told.rsplit(['/', '+']).next().unwrap_or(told).trim();
    let name = name.split(';').next().unwrap_or(name).trim().to_ascii_lowercase();
    called(match name.strip_prefix("x-").unwrap_or(&name) {
        "" => usual,
        "module" | "babel" | "ecmascript" | "javascript" => "javascript",
        "importmap" | "speculationrules" => "json",
        name => name,
    })
}

/// The language of this name or extension.
pub(super) fn called(name: &str) -> Option<Language> {
    if name.is_empty() || name.len() > MAX_NAME {
        return None;
    }
    let by_extension = || Language::detect(&format!("a.{name}"), "");
    Language::from_name(name)
        .or_else(|| Some(by_extension()).filter(|found| *found != Language::TEXT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_strings_name_languages() {
        for (info, name) in [
            ("python", "python"),
            ("Rust,ignore", "rust"),
            ("rs", "rust"),
            ("{.r}", "r"),
            ("{r setup, echo=FALSE}", "r"),
            ("c++", "cpp"),
            ("js title=\"a.js\"", "javascript"),
            ("ts{1,3}", "typescript"),
        ] {
            assert_eq!(told_by_info(info).map(Language::name), Some(name), "{info}");
        }
        for info in ["", "{", "console output", "\u{e9}", "=!$", "````"] {
            assert_eq!(told_by_info(info).map(Language::name), None, "{info}");
        }
        assert!(told_by_info(&"a".repeat(100_000)).is_none());
    }

    #[test]
    fn types_of_scripts_name_languages() {
        for (told, name) in [
            ("", "javascript"),
            ("module", "javascript"),
            ("text/javascript; charset=utf-8", "javascript"),
            ("application/x-javascript", "javascript"),
            ("text/babel", "javascript"),
            ("ts", "typescript"),
            ("tsx", "tsx"),
            ("application/ld+json", "json"),
            ("importmap", "json"),
        ] {
            assert_eq!(told_by_type(told, "javascript").map(Language::name), Some(name), "{told}");
        }
        assert_eq!(told_by_type("text/css", "css").map(Language::name), Some("css"));
        assert_eq!(told_by_type("text/x-handlebars", "javascript").map(Language::name), None);
        assert_eq!(told_by_type("x-shader/x-fragment", "javascript").map(Language::name), None);
    }

    #[test]
    fn only_elements_of_several_lines_are_hosts() {
        let text = "<script src=a></script>\n<Style>\n<scripted>\n<script\n<script>a\n</script>";
        let found: Vec<_> = hosts(text).into_iter().map(|at| &text[at..at + 7]).collect();
        assert_eq!(found, ["<Style>", "<script", "<script"]);
    }
}
