//! Path to language, by modeline, file name, extension or `#!` line.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::chunk::rows::ROWS;
use crate::chunk::rules::Row;

/// So many bytes of a text are looked at, besides its modelines.
const HEAD: usize = 4_096;

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

    /// The language of the file at `path` with this text.
    ///
    /// What decides, in this order: a modeline that names a known language, the whole file name,
    /// the extension (and for extensions that languages share, what the text shows), the file name
    /// before its first dot, the program of a `#!` line.
    pub fn detect(path: &str, text: &str) -> Self {
        let index = Index::get();
        if let Some(told) = modeline(text).and_then(Self::from_name) {
            return told;
        }
        let head = &text[..text.floor_char_boundary(HEAD)];
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
        let (_, extension) = file.rsplit_once('.').unwrap_or_default();
        shown(extension, head).and_then(Self::from_name).unwrap_or(found)
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

/// The language that a modeline of vim (`vim: ft=python`, `vim: set filetype=ruby :`) or Emacs
/// (`-*- mode: ruby -*-`, `-*- perl -*-`) names in the first or last five lines.
fn modeline(text: &str) -> Option<&str> {
    let mut lines = first_lines(text).lines().chain(last_lines(text).lines());
    lines.find_map(|line| vim(line).or_else(|| emacs(line)))
}

/// Modelines are looked for in so many lines at either end, and no further than so many bytes.
const MODELINES: usize = 5;
const MODELINE_BYTES: usize = 1_000;

/// The first lines of `text`.
fn first_lines(text: &str) -> &str {
    let start = &text[..text.floor_char_boundary(MODELINE_BYTES)];
    let end = memchr::memchr_iter(b'\n', start.as_bytes()).nth(MODELINES - 1);
    &start[..end.unwrap_or(start.len())]
}

/// The last lines of `text` that are not blank.
fn last_lines(text: &str) -> &str {
    let body = text.trim_ascii_end();
    let end = &body[body.ceil_char_boundary(body.len().saturating_sub(MODELINE_BYTES))..];
    let start = memchr::memrchr_iter(b'\n', end.as_bytes()).nth(MODELINES - 1);
    &end[start.unwrap_or(0)..]
}

fn vim(line: &str) -> Option<&str> {
    let (before, options) = ["vim:", "vi:", "ex:"].iter().find_map(|mark| line.split_once(mark))?;
    if !before.is_empty() && !before.ends_with([' ', '\t']) {
        return None;
    }
    options
        .split([' ', '\t', ':'])
        .find_map(|it| ["ft=", "filetype=", "syntax="].iter().find_map(|key| it.strip_prefix(key)))
}

fn emacs(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("-*-")?;
    let (inner, _) = rest.split_once("-*-")?;
    let mode = if inner.contains(':') {
        let mut variables = inner.split(';').filter_map(|pair| pair.split_once(':'));
        variables.find(|(key, _)| key.trim().eq_ignore_ascii_case("mode"))?.1
    } else {
        inner
    };
    Some(mode.trim().trim_end_matches("-mode"))
}

/// The language that the text of a file shows where several share its extension.
///
/// Cheap signs, at the start of a line: the extension's own language stands unless they speak
/// against it.
fn shown(extension: &str, head: &str) -> Option<&'static str> {
    let begins = |starts: &[&str]| {
        let mut lines = head.lines().take(500).map(str::trim_start);
        lines.any(|line| starts.iter().any(|start| line.starts_with(start)))
    };
    match extension {
        "h" if is_cpp(head) => Some("cpp"),
        "h" | "m"
            if begins(&["@interface", "@implementation", "@protocol", "@class", "#import"]) =>
        {
            Some("objectivec")
        }
        // Qt's translations are XML.
        "ts" if head.trim_start().starts_with("<?xml") || begins(&["<!DOCTYPE TS"]) => Some("xml"),
        "m" if begins(&["function ", "%", "classdef ", "end"]) => Some("matlab"),
        "pl" | "pro" if begins(&[":- "]) => Some("prolog"),
        "cls" if begins(&["VERSION 1.0 CLASS", "Attribute VB_"]) => Some("vb"),
        "cls" if begins(&["public class ", "global class ", "private class "]) => Some("apex"),
        "v" if begins(&["Require ", "Theorem ", "Lemma ", "Definition ", "Proof."]) => Some("coq"),
        "fs" if begins(&["#version ", "uniform ", "precision "]) => Some("glsl"),
        _ => None,
    }
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
    fn modelines_go_first() {
        for (path, text, name) in [
            ("run", "# vim: ft=python\n", "python"),
            ("run", "x\n# vim: set sw=4 filetype=ruby :\n", "ruby"),
            ("a.txt", "/* vim: set ts=2 ft=cpp: */\n", "cpp"),
            ("run", "#!/bin/sh\n# -*- mode: Perl; coding: utf-8 -*-\n", "perl"),
            ("run", "# -*- ruby -*-\n", "ruby"),
            ("run", ";; -*- Emacs-Lisp -*-\n", "text"),
            ("a.py", "# -*- coding: utf-8 -*-\n", "python"),
            ("a.py", "# vim: ft=unheard-of\n", "python"),
            ("a.py", "# eval: ft=ruby\n", "python"),
            ("a", "vim:", "text"),
            ("a", "-*--*-", "text"),
            ("a", "-*-", "text"),
        ] {
            assert_eq!(Language::detect(path, text).name(), name, "{path} {text:?}");
            let below = format!("{}{text}\n\n", "é line\n".repeat(400));
            if !text.starts_with("#!") {
                assert_eq!(Language::detect(path, &below).name(), name, "{path} ends {text:?}");
            }
            let hidden = format!("{0}{text}{0}", "é line\n".repeat(400));
            let plain = Language::detect(path, "").name();
            assert_eq!(Language::detect(path, &hidden).name(), plain, "{path} hides {text:?}");
        }
    }

    #[test]
    fn text_decides_between_languages_of_one_extension() {
        for (path, text, name) in [
            ("a.m", "#import <Foundation/Foundation.h>\n", "objectivec"),
            ("a.m", "% Adds.\nfunction y = add(x)\n", "matlab"),
            ("a.m", "", "objectivec"),
            ("a.h", "@interface Shop : NSObject\n@end\n", "objectivec"),
            ("a.pl", "use strict;\n", "perl"),
            ("a.pl", ":- module(shop, [add/2]).\n", "prolog"),
            ("a.ts", "<?xml version=\"1.0\"?>\n<!DOCTYPE TS>\n<TS/>\n", "xml"),
            ("a.ts", "const a = 1;\n", "typescript"),
            ("a.v", "module shop(input clk);\n", "verilog"),
            ("a.v", "Require Import List.\nLemma a : True.\n", "coq"),
            ("a.cls", "\\NeedsTeXFormat{LaTeX2e}\n", "latex"),
            ("a.cls", "VERSION 1.0 CLASS\n", "vb"),
            ("a.cls", "public class Shop {\n", "apex"),
            ("a.t", "use Test::More;\n", "perl"),
            ("a.R", "", "r"),
            ("a.pro", ":- use_module(library(lists)).\n", "prolog"),
        ] {
            assert_eq!(Language::detect(path, text).name(), name, "{path} {text:?}");
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
