//! What a file defines: the definitions that its chunks are cut along, each with its lines.
//!
//! It is read from the file as it is now, by the rules of the ingest: secrets are redacted first.

use std::path::Path;

use crate::cancel::Cancel;
use crate::chunk::{self, Definition};
use crate::error::{Error, Result};
use crate::guard::guarded;
use crate::language::Language;
use crate::path;
use crate::read::{self, Unread};
use crate::retry::Retry;
use crate::secrets::Policy;

/// Characters of a signature that are shown.
const MAX_SIGNATURE: usize = 200;

/// A definition of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlined {
    /// Its qualified name.
    pub symbol: String,
    /// What it is.
    pub kind: chunk::Kind,
    /// Its first line, counted from 1; its decorators may stand above.
    pub start_line: u32,
    /// Its last line, included.
    pub end_line: u32,
    /// How it is declared, on one line.
    pub signature: String,
}

/// What a file defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The file's language.
    pub language: Language,
    /// How many lines it has.
    pub lines: u32,
    /// Its definitions, in the order in which they begin.
    pub definitions: Vec<Outlined>,
}

/// Reads the file spelled `spelling` below `root` and lists its definitions.
///
/// # Errors
/// [`Error::Invalid`] if it cannot be read as text, with the reason; [`Error::Cancelled`].
pub fn outline(
    root: &Path,
    spelling: &str,
    max_file_bytes: u64,
    secrets: &Policy,
    cancel: &Cancel,
) -> Result<Outline> {
    let root = root.canonicalize().map_err(Error::io(root))?;
    let refused = |why: String| Error::Invalid(format!("{spelling} has no outline: {why}"));
    let said = |skip: read::Skip| match &*skip.detail {
        "" => refused(skip.reason.name().to_owned()),
        detail => refused(format!("{}: {detail}", skip.reason.name())),
    };
    let mut bytes = Vec::new();
    let retry = Retry::new(cancel.clone());
    match read::read_into(&path::resolve(&root, spelling), max_file_bytes, &retry, &mut bytes) {
        Ok(_) => {}
        Err(Unread::Skip(skip)) => return Err(said(skip)),
        Err(Unread::Busy(error)) => return Err(refused(error.to_string())),
        Err(Unread::Cancelled) => return Err(Error::Cancelled),
    }
    let decoded = guarded(|| read::decode(&bytes)).map_err(&refused)?.map_err(said)?;
    // As in the ingest, nothing may tell of the file's own text.
    let text = guarded(|| secrets.redact(spelling, &decoded.text))
        .map_err(|_| refused("the search for secrets failed".to_owned()))?
        .text;
    let outlined = guarded(|| {
        let language = Language::detect(spelling, &text);
        let chunks = chunk::chunk_until(&text, language, cancel)?;
        let definitions = chunks.into_iter().flat_map(|chunk| chunk.definitions).collect();
        Ok::<_, Error>((language, definitions))
    });
    let (language, definitions): (_, Vec<Definition>) = outlined.map_err(refused)??;
    Ok(Outline { language, lines: count(&text), definitions: listed(&text, &definitions) })
}

fn count(text: &str) -> u32 {
    u32::try_from(text.lines().count()).unwrap_or(u32::MAX)
}

/// The definitions, each with the line on which it ends.
fn listed(text: &str, definitions: &[Definition]) -> Vec<Outlined> {
    let lines: Vec<&str> = text.lines().collect();
    let blank = |line: u32| {
        let at = usize::try_from(line).unwrap_or(usize::MAX).wrapping_sub(1);
        lines.get(at).is_none_or(|line| line.trim().is_empty())
    };
    // The last lines of what is around a definition and ends by itself, the innermost last.
    let mut around: Vec<u32> = Vec::new();
    let mut found: Vec<Outlined> = Vec::new();
    for (at, definition) in definitions.iter().enumerate() {
        let Definition { symbol, kind, start_line, end_line, signature, .. } = definition;
        around.retain(|end| end >= start_line);
        let bound = around.last().copied().unwrap_or_else(|| count(text));
        let mut end = *end_line;
        if end == 0 {
            let mut later = definitions[at + 1..].iter();
            let next = later.find(|next| {
                next.start_line > *start_line && !next.symbol.starts_with(symbol.as_str())
            });
            end = next.map_or(bound, |next| next.start_line - 1).min(bound);
            while end > *start_line && blank(end) {
                end -= 1;
            }
        } else {
            around.push(end);
        }
        found.push(Outlined {
            symbol: symbol.clone(),
            kind: *kind,
            start_line: *start_line,
            end_line: end.max(*start_line),
            signature: one_line(&text[signature.clone()]),
        });
    }
    found
}

/// A signature on one line, no longer than is shown.
fn one_line(signature: &str) -> String {
    let words: Vec<&str> = signature.split_whitespace().collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(MAX_SIGNATURE) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(name: &str, text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(name), text).expect("written");
        let policy = Policy::default();
        let found = outline(folder.path(), name, 1 << 20, &policy, &Cancel::default());
        let show = |it: &Outlined| {
            let Outlined { symbol, kind, start_line, end_line, signature } = it;
            format!("{start_line}-{end_line} {} {symbol}: {signature}", kind.name())
        };
        found.expect("an outline").definitions.iter().map(show).collect()
    }

    #[test]
    fn every_definition_has_its_own_lines() {
        let text = "import os\n\n\n@cached\nclass Pool:\n    \"\"\"Of connections.\"\"\"\n\n    \
                    def take(\n        self,\n    ):\n        return 1\n\n    def give(self): ...\n\n\n\
                    print(1)\n\n\ndef main():\n    Pool()\n\n\nrun()\n";
        assert_eq!(
            listing("a.py", text),
            [
                "5-13 class Pool: class Pool:",
                "8-11 method Pool.take: def take( self, ):",
                "13-13 method Pool.give: def give(self):",
                "19-20 function main: def main():",
            ]
        );
    }

    #[test]
    fn a_section_goes_on_to_the_next_one_beside_it() {
        let text = "# Guide\n\nWords.\n\n## Colours\n\nRed.\n\n# End\n\nIt ends.\n\n";
        assert_eq!(
            listing("a.md", text),
            [
                "1-7 section Guide: # Guide",
                "5-7 section Guide > Colours: ## Colours",
                "9-11 section End: # End",
            ]
        );
    }

    #[test]
    fn what_is_no_text_has_no_outline_and_the_reason_is_said() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("b.bin"), b"\0\x01").expect("written");
        for (name, word) in [("b.bin", "binary"), ("gone.py", "vanished"), ("../b.bin", "")] {
            let policy = Policy::default();
            let found = outline(folder.path(), name, 1 << 20, &policy, &Cancel::default());
            let Err(Error::Invalid(message)) = found else { panic!("{found:?}") };
            assert!(message.contains(word), "{message}");
        }
    }
}
