//! What is looked for, and how much each kind of evidence for it counts.

use crate::origin::Origin;

/// What is looked for, analysed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// Terms of the analyzer, each once, with how much it counts.
    pub terms: Vec<(String, f32)>,
    /// Beginnings of terms, likewise.
    pub prefixes: Vec<(String, f32)>,
    /// Names as they are written: chunks that define one of them.
    pub names: Vec<String>,
    /// Texts to be found as they are, but for case and the length of white space.
    pub phrases: Vec<String>,
    /// Whether a chunk must hold every phrase.
    pub only_phrases: bool,
}

/// What a unit of each kind of evidence adds to a chunk's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// The chunk's text and the declarations around it.
    pub body: f32,
    /// Names of the definitions it shows.
    pub symbol: f32,
    /// How they are declared.
    pub signature: f32,
    /// What documents them.
    pub doc: f32,
    /// It defines a name of the question.
    pub name: f32,
    /// It holds the question's phrases.
    pub phrase: f32,
    /// The text of the whole file.
    pub file: f32,
    /// The second and third best chunks of the file.
    pub coherence: f32,
    /// Folders and name of the file.
    pub path: f32,
    /// The file's name.
    pub stem: f32,
    /// What each further chunk of a file is set back.
    pub spread: f32,
}

impl Weights {
    /// Whether evidence speaks for a chunk and its place in the file against it, as they do by
    /// every weight in use: only then does it say anything how much there is at most.
    pub(super) fn rise(&self) -> bool {
        let Self {
            body,
            symbol,
            signature,
            doc,
            name,
            phrase,
            file,
            coherence,
            path,
            stem,
            spread,
        } = self;
        let all = [body, symbol, signature, doc, name, phrase, file, coherence, path, stem, spread];
        all.iter().all(|it| **it >= 0.0)
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            body: 1.0,
            symbol: 1.0,
            signature: 0.0,
            doc: 0.0,
            name: 1.0,
            phrase: 1.0,
            file: 1.0,
            coherence: 0.5,
            path: 1.0,
            stem: 0.0,
            spread: 0.0,
        }
    }
}

/// A file that has candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundFile {
    /// Its path.
    pub path: String,
    /// Where it comes from.
    pub origin: Origin,
    /// BM25 of its whole text.
    pub body: f32,
    /// BM25 of its folders and name.
    pub folders: f32,
    /// BM25 of its name.
    pub stem: f32,
    /// The second best of its chunks' texts at a half and the third at a quarter.
    pub coherence: f32,
}

/// A candidate. What its evidence is worth is told relative to what the question's terms could be
/// worth, so that scores of short and of long questions can be compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundChunk {
    /// The chunk's id.
    pub id: u64,
    /// Index of its file in [`Found::files`].
    pub file: usize,
    /// BM25 of its text.
    pub body: f32,
    /// BM25 of the names it defines.
    pub symbol: f32,
    /// BM25 of how they are declared.
    pub signature: f32,
    /// BM25 of what documents them.
    pub doc: f32,
    /// 1 if it alone defines a name of the question, `1 / sqrt(n)` if `n` chunks do.
    pub name: f32,
    /// The share of the question's phrases that it holds.
    pub phrase: f32,
}

/// The candidates of a question, best first by the evidence of words alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The files of the candidates.
    pub files: Vec<FoundFile>,
    /// The candidates.
    pub chunks: Vec<FoundChunk>,
}
