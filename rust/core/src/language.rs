//! Path to language, by file name, extension or `#!` line.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::chunk::rows::ROWS;
use crate::chunk::rules::Row;

/// A language of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Language(u16);

/// The table's rows by what names them.
struct Index {
    names: HashMap<&'static str, Language>,
    extensions: HashMap<&'static str, Language>,
    files: HashMap<&'static str, Language>,
    interpreters: HashMap<&'static str, Language>,
}

impl Language {
    /// Text of no known language.
    pub const TEXT: Self = Self(0);

    /// The language of the file at `path` whose first bytes are `head`: by file name, then
    /// extension, then the program of a `#!` line.
    pub fn detect(path: &str, head: &str) -> Self {
        let index = Index::get();
        let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let found = index
            .files
            .get(file)
            .copied()
            .or_else(|| index.by_extension(file))
            // Makefile.am, Dockerfile.dev
            .or_else(|| index.files.get(file.split('.').next()?).copied())
            .or_else(|| index.interpreters.get(interpreter(head)?).copied())
            .unwrap_or(Self::TEXT);
        let header = file.rsplit_once('.').is_some_and(|(_, extension)| extension == "h");
        if header && is_cpp(head) {
            index.names.get("cpp").copied().unwrap_or(found)
        } else {
            found
        }
    }

    /// The lower-case name.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The language called `name`, in any case, or by a usual alias.
    pub fn from_name(name: &str) -> Option<Self> {
        Index::get().names.get(name.to_ascii_lowercase().as_str()).copied()
    }

    /// Every language.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ROWS.len()).map(Self::at)
    }

    /// Whether a grammar cuts it at definitions, rather than into line windows.
    pub fn has_grammar(self) -> bool {
        self.row().syntax.is_some()
    }

    /// Position in the table.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    fn at(index: usize) -> Self {
        Self(u16::try_from(index).unwrap_or(0))
    }

    fn row(self) -> &'static Row {
        &ROWS[self.index()]
    }
}

impl Index {
    fn get() -> &'static Self {
        static INDEX: OnceLock<Index> = OnceLock::new();
        INDEX.get_or_init(|| {
            let collect = |names: fn(&'static Row) -> Vec<&'static str>| {
                let mut map = HashMap::new();
                for (at, row) in ROWS.iter().enumerate() {
                    for name in names(row) {
                        // A clash goes to the earlier row; a test holds that there is none.
                        map.entry(name).or_insert(Language::at(at));
                    }
                }
                map
            };
            Self {
                names: collect(|row| [&[row.name], row.aliases].concat()),
                extensions: collect(|row| row.extensions.to_vec()),
                files: collect(|row| row.files.to_vec()),
                interpreters: collect(|row| row.interpreters.to_vec()),
            }
        })
    }

    fn by_extension(&self, file: &str) -> Option<Language> {
        let (_, extension) = file.rsplit_once('.')?;
        // As written first: `.C` is C++ where `.c` is C.
        self.extensions
            .get(extension)
            .or_else(|| self.extensions.get(extension.to_ascii_lowercase().as_str()))
            .copied()
    }
}

/// The program of a `#!` line, without folder, `env`, options and version.
fn interpreter(head: &str) -> Option<&str> {
    let line = head.strip_prefix("#!")?.lines().next()?;
    let program = line
        .split_whitespace()
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .find(|word| *word != "env" && !word.starts_with('-') && !word.contains('='))?;
    Some(program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
}

/// Whether a header shows C++ at the start of a line.
fn is_cpp(head: &str) -> bool {
    head.lines().map(str::trim_start).any(|line| {
        let opens = || line.contains(['{', ':', ';']);
        line.starts_with("template<")
            || line.starts_with("template <")
            || line.starts_with("using namespace ")
            || ["public:", "private:", "protected:"].contains(&line.trim_end())
            || ((line.starts_with("class ") || line.starts_with("namespace ")) && opens())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detects_by_name_extension_and_interpreter() {
        for (path, head, name) in [
            ("src/a.py", "", "python"),
            ("A.PY", "", "python"),
            ("a.tsx", "", "tsx"),
            ("a.d.ts", "", "typescript"),
            ("x/Makefile", "", "make"),
            ("Makefile.am", "", "make"),
            ("CMakeLists.txt", "", "cmake"),
            ("docker/Dockerfile.dev", "", "dockerfile"),
            ("a.c", "", "c"),
            ("a.C", "", "cpp"),
            ("a.h", "struct a;\n", "c"),
            ("a.h", "#pragma once\nnamespace a {\n", "cpp"),
            ("a.h", "/* a\n * class of devices\n */\nint class;\n", "c"),
            ("run", "#!/usr/bin/env -S python3.11 -u\n", "python"),
            ("run", "#!/bin/sh -e\n", "bash"),
            ("run", "#! /usr/bin/perl\n", "perl"),
            ("run", "plain\n", "text"),
            ("run", "#!", "text"),
            ("", "", "text"),
            ("a.unheard-of", "", "text"),
        ] {
            assert_eq!(Language::detect(path, head).name(), name, "{path} {head:?}");
        }
    }

    #[test]
    fn names_and_aliases_lead_back() {
        for language in Language::all() {
            assert_eq!(Language::from_name(language.name()), Some(language));
        }
        for (alias, name) in [("PY", "python"), ("c++", "cpp"), ("c#", "csharp"), ("sh", "bash")] {
            assert_eq!(Language::from_name(alias).map(Language::name), Some(name));
        }
        assert_eq!(Language::from_name("no such language"), None);
        assert_eq!(Language::TEXT.name(), "text");
    }

    #[test]
    fn nothing_names_two_languages() {
        let groups: [fn(&Row) -> Vec<&'static str>; 4] = [
            |row| [&[row.name], row.aliases].concat(),
            |row| row.extensions.to_vec(),
            |row| row.files.to_vec(),
            |row| row.interpreters.to_vec(),
        ];
        for group in groups {
            let mut names: Vec<_> = ROWS.iter().flat_map(group).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }
}
