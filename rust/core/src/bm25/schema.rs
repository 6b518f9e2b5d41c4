//! Fields, and the tokenizer that reads encoded terms.

use tantivy::Index;
use tantivy::schema::{
    FAST, Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::analyzer::{self, Term};

/// Changes whenever documents of another schema would be written; part of the index fingerprint.
pub const BM25_VERSION: u32 = 5;

/// The name under which [`EncodedTerms`] is registered.
const ENCODED_TERMS: &str = "hybridx_terms";

/// The name under which [`SourceText`] is registered.
const SOURCE_TEXT: &str = "hybridx_text";

/// The name of Tantivy's own that takes a text as one term.
const WHOLE: &str = "raw";

/// The fields of a chunk's document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// The chunk's id, a column. It is no term: one a chunk would make the largest dictionary of
    /// all, and `ids.rs` finds chunks by the column.
    pub id: Field,
    /// The path as one term: what a file's chunks are deleted and filtered by.
    pub path: Field,
    /// The terms of the path's folders and name, with the first chunk of each file.
    pub path_terms: Field,
    /// The terms of the name without its extension, likewise.
    pub stem_terms: Field,
    /// The symbol's terms.
    pub symbol_terms: Field,
    /// Each definition that begins in the chunk, whole and without its qualifiers, as written.
    pub name: Field,
    /// The terms of how the definitions are declared that begin in the chunk.
    pub signature: Field,
    /// The terms of what documents them.
    pub doc: Field,
    /// The text's terms.
    pub body: Field,
    pub language: Field,
    /// [`Origin::code`](crate::origin::Origin::code): ranking reads it of every candidate.
    pub origin: Field,
    pub kind: Field,
    /// Stored only: what a hit shows, and what its id and its vector were made of.
    pub symbol: Field,
    pub symbols: Field,
    pub context: Field,
    pub start_line: Field,
    pub end_line: Field,
    pub offset: Field,
    pub text: Field,
}

pub(super) fn schema() -> Schema {
    let mut schema = Schema::builder();
    let terms = |tokenizer: &str| {
        let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer);
        let indexing = indexing.set_index_option(IndexRecordOption::WithFreqs);
        TextOptions::default().set_indexing_options(indexing)
    };
    // Looked up and never scored, so nobody asks how often or among how many.
    let whole = TextFieldIndexing::default().set_tokenizer(WHOLE).set_fieldnorms(false);
    let whole = whole.set_index_option(IndexRecordOption::Basic);
    let whole = TextOptions::default().set_indexing_options(whole);
    schema.add_u64_field("id", FAST);
    schema.add_text_field("path", whole.clone().set_stored() | FAST);
    for field in ["path_terms", "stem_terms", "symbol_terms"] {
        schema.add_text_field(field, terms(SOURCE_TEXT));
    }
    for field in ["signature", "doc"] {
        schema.add_text_field(field, terms(ENCODED_TERMS));
    }
    schema.add_text_field("name", whole.clone());
    schema.add_text_field("body", terms(ENCODED_TERMS));
    schema.add_text_field("language", whole.clone().set_stored());
    schema.add_u64_field("origin", STORED | FAST);
    schema.add_text_field("kind", whole.set_stored());
    schema.add_text_field("symbol", STORED);
    schema.add_text_field("symbols", STORED);
    schema.add_text_field("context", STORED);
    schema.add_u64_field("start_line", STORED);
    schema.add_u64_field("end_line", STORED);
    schema.add_u64_field("offset", STORED);
    schema.add_text_field("text", STORED);
    schema.build()
}

impl Fields {
    /// Finds the fields; fails on an index that has others.
    pub fn of(schema: &Schema) -> tantivy::Result<Self> {
        Ok(Self {
            id: schema.get_field("id")?,
            path: schema.get_field("path")?,
            path_terms: schema.get_field("path_terms")?,
            stem_terms: schema.get_field("stem_terms")?,
            signature: schema.get_field("signature")?,
            doc: schema.get_field("doc")?,
            symbol_terms: schema.get_field("symbol_terms")?,
            name: schema.get_field("name")?,
            body: schema.get_field("body")?,
            language: schema.get_field("language")?,
            origin: schema.get_field("origin")?,
            kind: schema.get_field("kind")?,
            symbol: schema.get_field("symbol")?,
            symbols: schema.get_field("symbols")?,
            context: schema.get_field("context")?,
            start_line: schema.get_field("start_line")?,
            end_line: schema.get_field("end_line")?,
            offset: schema.get_field("offset")?,
            text: schema.get_field("text")?,
        })
    }
}

pub(super) fn register(index: &Index) {
    index.tokenizers().register(ENCODED_TERMS, EncodedTerms::default());
    index.tokenizers().register(SOURCE_TEXT, SourceText::default());
}

/// Reads encoded terms ([`analyzer::terms`]). The text was analysed when it was ingested; this
/// only takes the result apart, so index and query side cannot differ.
#[derive(Clone, Default)]
struct EncodedTerms {
    token: Token,
}

impl Tokenizer for EncodedTerms {
    type TokenStream<'a> = EncodedTermStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> EncodedTermStream<'a> {
        self.token.reset();
        EncodedTermStream { rest: text, token: &mut self.token, next_position: 0 }
    }
}

/// Analyses what is short and not analysed yet: paths and symbols.
#[derive(Clone, Default)]
struct SourceText {
    encoded: String,
    token: Token,
}

impl Tokenizer for SourceText {
    type TokenStream<'a> = EncodedTermStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> EncodedTermStream<'a> {
        self.token.reset();
        self.encoded.clear();
        analyzer::analyze_into(text, &mut self.encoded);
        EncodedTermStream { rest: &self.encoded, token: &mut self.token, next_position: 0 }
    }
}

struct EncodedTermStream<'a> {
    rest: &'a str,
    token: &'a mut Token,
    next_position: usize,
}

impl TokenStream for EncodedTermStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((Term { text, compound }, rest)) = analyzer::next_term(self.rest) else {
            return false;
        };
        self.rest = rest;
        self.token.text.clear();
        self.token.text.push_str(text);
        self.token.position = self.next_position;
        // A compound stands where its first part stands.
        self.next_position += usize::from(!compound);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
