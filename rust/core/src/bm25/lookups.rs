//! What the dictionaries of a segment said of terms, for the next questions that have them.
//!
//! A look-up takes 10 µs, since it reads a block of a dictionary from its beginning, and each term is
//! looked up in six fields of every segment.

use std::io;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tantivy::postings::TermInfo;
use tantivy::schema::Field;
use tantivy::{InvertedIndexReader, Term};

use crate::error::{Error, Result};

/// So many answers of a segment are kept. Then it begins anew.
pub(super) const MOST_KEPT: usize = 1 << 13;

/// Longer terms are seldom asked for twice, and may be as long as a question: their answers are not
/// kept. So those of a segment take two megabytes at most.
const LONGEST: usize = 128;

/// The answers of one segment.
#[derive(Default)]
pub(super) struct Lookups(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    of_fields: FxHashMap<Field, FxHashMap<String, Option<TermInfo>>>,
    count: usize,
}

impl Lookups {
    /// Where a field of the segment, which `inverted` is of, has the postings of a term.
    pub fn find(
        &self,
        inverted: &InvertedIndexReader,
        field: Field,
        term: &str,
    ) -> Result<Option<TermInfo>> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().of_fields.get(&field).and_then(|known| known.get(term)) {
            return Ok(known.clone());
        }
        let found: io::Result<_> = inverted.get_term_info(&Term::from_field_text(field, term));
        let found = found.map_err(Error::io("lexical index"))?;
        if term.len() > LONGEST {
            return Ok(found);
        }
        let mut kept = lock();
        if kept.count >= MOST_KEPT {
            *kept = Kept::default();
        }
        kept.count += 1;
        kept.of_fields.entry(field).or_default().insert(term.to_owned(), found.clone());
        Ok(found)
    }

    /// How many answers are kept.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.of_fields.values().map(FxHashMap::len).sum()
    }
}
