//! Sizes that decide where a text is cut, in one place. All are in *terms*, as the analyzer
//! counts them: they are what is searched and embedded, whatever the indentation, the length of
//! names and the punctuation.

/// Budget of a chunk: about 45 lines of code, or 400 to 500 tokens of a transformer, so a full
/// chunk still fits the 512-token window that most embedding models have, while nine of ten
/// functions stay whole.
pub const MAX_CHUNK: usize = 300;

/// A definition that fits the budget keeps its documentation up to this size, rather than being
/// cut or told apart from it.
pub(super) const MAX_DOCUMENTED: usize = MAX_CHUNK * 3 / 2;

/// Definitions smaller than this share a chunk with like neighbours of the same scope.
pub(super) const MIN_ALONE: usize = 40;

/// Such neighbours share chunks of at most this size.
pub(super) const MAX_SHARED: usize = 120;

/// Inside functions, and for constants anywhere, definitions smaller than this are statements: a
/// chunk of their own would say too little.
pub(super) const MIN_OWN: usize = 80;

/// A group smaller than this is a leftover (a brace, an `#endif`, a lone import) that says
/// nothing alone and goes to a neighbour.
pub(super) const LEFTOVER: usize = 7;

/// The same for comments, and for what directly follows a definition without a blank line
/// (`EXPORT_SYMBOL(f);`).
pub(super) const ADJUNCT: usize = 16;

/// Imports and what stands beside them are kept apart unless one of the two is smaller than this.
pub(super) const MIN_APART: usize = 16;

/// Pieces that a table or another literal is cut into, until each is [`MAX_DATA`].
pub(super) const DATA_PIECES: usize = 16;

/// Budget of a piece of data. Pieces of a table are nearly equal to a model: fewer of them crowd
/// out less.
pub(super) const MAX_DATA: usize = 8 * MAX_CHUNK;

/// A line longer than this many bytes (minified code, data) is cut.
pub const MAX_LINE: usize = 4_096;
