//! Chunks to fields: the terms of all that is searched in a chunk by itself.

use std::ops::Range;

use crate::analyzer::{analyze_into, ends_word};
use crate::chunk::Chunk;

/// The fields of many chunks, one after another in a few long strings.
#[derive(Debug, Default)]
pub struct Fields {
    terms: String,
    symbols: String,
    signature: String,
    doc: String,
    ends: Vec<Ends>,
}

/// The fields of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldsOf<'a> {
    /// Encoded terms of its context, then of its text.
    pub terms: &'a str,
    /// The qualified names of the definitions that begin in it, a line each.
    pub symbols: &'a str,
    /// Encoded terms of their signatures.
    pub signature: &'a str,
    /// Encoded terms of what documents them.
    pub doc: &'a str,
}

/// Where the fields of a chunk end.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    terms: usize,
    symbols: usize,
    signature: usize,
    doc: usize,
}

impl Fields {
    /// Forgets all chunks and keeps the memory.
    pub fn clear(&mut self) {
        let Self { terms, symbols, signature, doc, ends } = self;
        [terms, symbols, signature, doc].into_iter().for_each(String::clear);
        ends.clear();
    }

    /// Adds a chunk of `text`.
    pub fn push(&mut self, text: &str, chunk: &Chunk) {
        analyze_into(&chunk.context, &mut self.terms);
        // Every byte is analysed once: signatures and docs are pieces of the chunk's text, and
        // the analysis of pieces that end between words is the analysis of the whole.
        let mut at = chunk.bytes.start;
        for (part, is_doc) in parts(chunk) {
            let field = if is_doc { &mut self.doc } else { &mut self.signature };
            if part.start < at || !(ends_word(text, part.start) && ends_word(text, part.end)) {
                analyze_into(&text[part], field);
                continue;
            }
            analyze_into(&text[at..part.start], &mut self.terms);
            let from = self.terms.len();
            analyze_into(&text[part.clone()], &mut self.terms);
            field.push_str(&self.terms[from..]);
            at = part.end;
        }
        analyze_into(&text[at..chunk.bytes.end], &mut self.terms);
        let before = self.ends.last().map_or(0, |ends| ends.symbols);
        for definition in &chunk.definitions {
            if self.symbols.len() > before {
                self.symbols.push('\n');
            }
            self.symbols.push_str(&definition.symbol);
        }
        self.ends.push(Ends {
            terms: self.terms.len(),
            symbols: self.symbols.len(),
            signature: self.signature.len(),
            doc: self.doc.len(),
        });
    }

    /// The fields of each chunk, in order.
    pub fn iter(&self) -> impl Iterator<Item = FieldsOf<'_>> {
        let mut start = Ends::default();
        self.ends.iter().map(move |end| {
            let fields = FieldsOf {
                terms: &self.terms[start.terms..end.terms],
                symbols: &self.symbols[start.symbols..end.symbols],
                signature: &self.signature[start.signature..end.signature],
                doc: &self.doc[start.doc..end.doc],
            };
            start = *end;
            fields
        })
    }
}

/// Signatures and docs of a chunk in the order of the text, each with whether it is a doc.
fn parts(chunk: &Chunk) -> Vec<(Range<usize>, bool)> {
    let mut parts = Vec::with_capacity(2 * chunk.definitions.len());
    for definition in &chunk.definitions {
        parts.push((definition.signature.clone(), false));
        parts.push((definition.doc.clone(), true));
    }
    parts.retain(|(part, _)| !part.is_empty());
    parts.sort_by_key(|(part, _)| part.start);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzer::analyze;
    use crate::chunk::chunk;
    use crate::language::Language;

    const TEXT: &str = r#"
import os

TIMEOUT = 5
RETRIES = 3

class Pool(Base):
    """Connections that are kept."""

    def take(self, wait_ms): return self.queue.get(wait_ms)
"#;

    #[test]
    fn fields_are_the_terms_of_their_parts() {
        let language = Language::from_name("python").expect("a language");
        let chunks = chunk(TEXT, language);
        let mut fields = Fields::default();
        fields.push("left over", &Chunk { bytes: 0..9, definitions: vec![], ..chunks[0].clone() });
        fields.clear();
        for chunk in &chunks {
            fields.push(TEXT, chunk);
        }
        assert_eq!(fields.iter().count(), chunks.len());
        let sorted = |encoded: &str| {
            let mut terms: Vec<String> = encoded.split(' ').map(str::to_owned).collect();
            terms.sort_unstable();
            terms
        };
        for (chunk, fields) in chunks.iter().zip(fields.iter()) {
            let text = &TEXT[chunk.bytes.clone()];
            assert_eq!(fields.terms, analyze(&chunk.context) + &analyze(text));
            let joined = |part: fn(&crate::chunk::Definition) -> &Range<usize>| {
                let texts = chunk.definitions.iter().map(|it| analyze(&TEXT[part(it).clone()]));
                sorted(&texts.collect::<String>())
            };
            assert_eq!(sorted(fields.signature), joined(|it| &it.signature));
            assert_eq!(sorted(fields.doc), joined(|it| &it.doc));
        }
        let pool = fields.iter().last().expect("the class");
        assert!(pool.symbols.ends_with("Pool\nPool.take"));
        assert_eq!(pool.doc, "connections that are kept ");
        assert!(pool.signature.ends_with("class pool base def take self +wait_ms wait ms "));
    }
}
