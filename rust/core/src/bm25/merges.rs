//! When segments are made one: few enough for searches, with bounded memory and little waste.

use tantivy::SegmentMeta;
use tantivy::index::SegmentId;
use tantivy::indexer::{LogMergePolicy, MergeCandidate, MergePolicy};

/// A smaller segment is merged with others soon, and leaves its deleted chunks behind then.
const SMALL: u32 = 10_000;

/// A larger segment is merged with no other: what a merge holds in memory grows with its chunks,
/// and what one run may hold does not grow with the tree.
const LARGE: u32 = 100_000;

/// How many segments of like size make one. What is flushed while a tree is indexed for the first
/// time is large already (some 25,000 chunks): it is written again once at most, and that of a tree
/// of 90 MB not at all. Searches go through segments side by side and do not mind.
const MANY: usize = 8;

/// The share of deleted chunks at which a segment is written anew, by itself. Tantivy's own policy
/// looks at deletions only together with a segment's equals, and by default not at all.
const WASTE: f64 = 0.2;

/// Merges segments of like size and purges those with many deleted chunks.
#[derive(Debug)]
pub(super) struct Merges(LogMergePolicy);

impl Default for Merges {
    fn default() -> Self {
        let mut policy = LogMergePolicy::default();
        policy.set_min_num_segments(MANY);
        policy.set_min_layer_size(SMALL);
        Self(policy)
    }
}

impl MergePolicy for Merges {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let between = |from, to| -> Vec<SegmentMeta> {
            let sizes = segments.iter().filter(|segment| (from..to).contains(&segment.num_docs()));
            sizes.cloned().collect()
        };
        let mut candidates = self.0.compute_merge_candidates(&between(0, SMALL));
        candidates.extend(self.0.compute_merge_candidates(&between(SMALL, LARGE)));
        let merged: Vec<SegmentId> = candidates.iter().flat_map(|merge| merge.0.clone()).collect();
        let wasteful = segments.iter().filter(|segment| {
            segment.max_doc() >= SMALL
                && f64::from(segment.num_deleted_docs()) > WASTE * f64::from(segment.max_doc())
                && !merged.contains(&segment.id())
        });
        candidates.extend(wasteful.map(|segment| MergeCandidate(vec![segment.id()])));
        candidates
    }
}
