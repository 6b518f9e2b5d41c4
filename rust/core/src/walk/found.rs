//! From what was found to a scan: what did not change is taken over.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::Scan;
use super::cache::StatCache;
use crate::digest::Digest;
use crate::merkle::{Leaf, Source, path_order};
use crate::read::{Skip, Stat};
use crate::sealed::Packed;

/// What was found, by one thread or by all.
#[derive(Default)]
pub(super) struct Found {
    /// Text files that are as they were: their places in the last scan's tree.
    pub(super) same: Vec<usize>,
    /// Other text files, with their stats beside them.
    pub(super) fresh: Vec<Leaf>,
    pub(super) stats: Vec<Stat>,
    pub(super) skipped: Vec<(Arc<str>, Option<Stat>, Skip)>,
    pub(super) rules: Vec<(Box<str>, Digest)>,
    pub(super) bytes_hashed: u64,
    /// Files that are no text and were read to find that out.
    pub(super) sniffed: usize,
}

impl Found {
    pub(super) fn extend(&mut self, other: Self) {
        self.same.extend(other.same);
        self.fresh.extend(other.fresh);
        self.stats.extend(other.stats);
        self.skipped.extend(other.skipped);
        self.rules.extend(other.rules);
        self.bytes_hashed += other.bytes_hashed;
        self.sniffed += other.sniffed;
    }

    pub(super) fn skip(&mut self, path: &str, stat: Option<Stat>, skip: Skip) {
        self.skipped.push((path.into(), stat, skip));
    }

    /// Adds what the last scan found elsewhere than at or below `paths`.
    pub(super) fn keep_others(&mut self, previous: &StatCache, paths: &[String]) {
        let paths: FxHashSet<&str> = paths.iter().map(String::as_str).collect();
        let is_asked = |mut path: &str| {
            loop {
                if paths.contains(path) {
                    return true;
                }
                match path.rfind('/') {
                    Some(end) => path = &path[..end],
                    None => return false,
                }
            }
        };
        let mut is_gone = vec![false; previous.tree.len()];
        for path in &paths {
            is_gone[previous.tree.places_below(path)].fill(true);
        }
        self.same.sort_unstable();
        self.same.dedup();
        self.same.extend((0..is_gone.len()).filter(|place| !is_gone[*place]));
        // A folder above one of the paths may have got a row, which says more than the old one.
        let has_row: FxHashSet<_> = self.skipped.iter().map(|row| row.0.clone()).collect();
        let others = previous.skipped.iter();
        let others = others.filter(|row| !is_asked(&row.0) && !has_row.contains(&row.0));
        self.skipped.extend(others.cloned());
        self.skipped.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        self.skipped.dedup_by(|a, b| a.0 == b.0);
        // Those above the paths stay what they were: files beside them were taken by those.
        self.rules.retain(|(folder, _)| is_asked(folder));
        self.rules.extend(previous.rules.iter().filter(|(folder, _)| !is_asked(folder)).cloned());
        self.rules.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        self.rules.dedup_by(|a, b| a.0 == b.0);
    }

    pub(super) fn into_scan(
        mut self,
        scanned_at_ns: i64,
        max_file_bytes: u64,
        previous: &StatCache,
    ) -> Scan {
        self.skipped.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        self.rules.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        let skipped = self.skipped.iter().map(|(path, _, skip)| (path.clone(), skip.clone()));
        let skipped = skipped.collect();
        let bytes_hashed = self.bytes_hashed;
        let mut fresh = self.fresh.len() + self.sniffed;
        let is_same = self.fresh.is_empty()
            && self.sniffed == 0
            && self.same.len() == previous.tree.len()
            && self.skipped == previous.skipped
            && self.rules == previous.rules
            && max_file_bytes == previous.max_file_bytes;
        if is_same {
            let tree = previous.tree.clone();
            return Scan { tree, skipped, cache: None, fresh, bytes_hashed };
        }
        if self.rules != previous.rules {
            // Under rules that are not known every file is asked about.
            fresh += self.same.len();
        }
        let mut is_gone = vec![true; previous.tree.len()];
        self.same.iter().for_each(|place| is_gone[*place] = false);
        let (tree, sources) = previous.tree.patched(|place| is_gone[place], &self.fresh);
        let stats = sources.into_iter().map(|source| match source {
            Source::Kept(place) => previous.stats.0[place],
            Source::Added(at) => self.stats[at],
        });
        let cache = StatCache {
            scanned_at_ns,
            max_file_bytes,
            tree: Arc::new(tree),
            stats: Packed(stats.collect()),
            skipped: self.skipped,
            rules: self.rules,
        };
        Scan { tree: cache.tree.clone(), skipped, cache: Some(cache), fresh, bytes_hashed }
    }
}
