//! Where the chunks of a segment are, by their ids.
//!
//! A search asks for a hundred ids or more, those that the vectors found. A term a chunk would
//! answer that, but the dictionary of such terms was the most expensive part of an index to write
//! and to merge, and a look-up went to it in every segment. Ids are digests: by their first bits
//! they fall evenly into buckets, and dividing a column of them into buckets takes nanoseconds a
//! chunk.

use tantivy::columnar::{Cardinality, Column};
use tantivy::{DocId, SegmentReader};

use crate::error::{Error, Result};

/// How many chunks share a bucket, more or less.
const PER_BUCKET: usize = 4;

/// The ids of the living documents of one segment.
pub(super) struct Ids {
    column: Column<u64>,
    /// How far to the right an id is shifted to give its bucket.
    shift: u32,
    /// Where in `places` each bucket begins, and the last one ends.
    starts: Vec<u32>,
    /// The end of each id and where it is: of the chunks of other ids the column need not be read,
    /// and memory is slow where nobody was before.
    places: Vec<(u32, DocId)>,
}

/// The last bits of an id.
#[allow(clippy::cast_possible_truncation)] // that is what is wanted
fn end_of(id: u64) -> u32 {
    id as u32
}

impl Ids {
    /// Reads the column `id`.
    pub fn read(segment: &SegmentReader) -> Result<Self> {
        let column = segment.fast_fields().u64("id")?;
        if column.get_cardinality() != Cardinality::Full {
            return Err(Error::Invalid("a chunk has no id".to_owned()));
        }
        let mut ids = vec![0; segment.max_doc() as usize];
        column.values.get_range(0, &mut ids);
        let buckets = (ids.len() / PER_BUCKET).next_power_of_two().max(2);
        let shift = u64::BITS - buckets.ilog2();
        let bucket = |doc: DocId| usize::try_from(ids[doc as usize] >> shift).unwrap_or(0);
        let mut starts = vec![0_u32; buckets + 1];
        for doc in segment.doc_ids_alive() {
            starts[bucket(doc) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut places = vec![(0, 0); segment.num_docs() as usize];
        let mut next = starts.clone();
        for doc in segment.doc_ids_alive() {
            let place = &mut next[bucket(doc)];
            places[*place as usize] = (end_of(ids[doc as usize]), doc);
            *place += 1;
        }
        Ok(Self { column, shift, starts, places })
    }

    /// The document with the id `id`.
    pub fn find(&self, id: u64) -> Option<DocId> {
        let bucket = usize::try_from(id >> self.shift).ok()?;
        let (start, end) = (self.starts[bucket] as usize, self.starts[bucket + 1] as usize);
        let alike = self.places[start..end].iter().filter(|(its_end, _)| *its_end == end_of(id));
        alike.map(|(_, doc)| *doc).find(|doc| self.column.first(*doc) == Some(id))
    }
}
