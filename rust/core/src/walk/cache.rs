//! What a scan remembers for the next one.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Result;
use crate::merkle::{MerkleTree, path_order};
use crate::read::{Skip, Stat};
use crate::sealed::{Packed, Seal};

/// What the last scan found, valid file by file while size, times and inode are the same.
///
/// It is a cache, apart from the snapshot: losing it costs one rehash of the tree, and refreshing
/// it needs no new generation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StatCache {
    /// The file system's time when the scan that wrote this began. A file not older than that
    /// may have changed after it was read without its times showing it: it is *racy*, as git
    /// calls it, and read again.
    pub(super) scanned_at_ns: i64,
    pub(super) max_file_bytes: u64,
    pub(super) tree: Arc<MerkleTree>,
    /// Of each file of the tree, in its order; [`UNKNOWN`] of one that changed while it was read.
    pub(super) stats: Packed<Stat>,
    /// What is no text, in path order; with a stat if that can vouch for it.
    pub(super) skipped: Vec<(Arc<str>, Option<Stat>, Skip)>,
    /// The folders that have ignore files, in path order, and the root; with a digest of all rules
    /// that hold there.
    pub(super) rules: Vec<(Box<str>, Digest)>,
}

/// The stat of no file.
pub(super) const UNKNOWN: Stat = Stat { size: 0, mtime_ns: 0, ctime_ns: 0, inode: 0 };

const STAT_CACHE: Seal = Seal { magic: *b"HYBXSTAT", format: 2 };

impl StatCache {
    /// Reads the cache; an absent or damaged one is empty.
    pub fn load(path: &Path) -> Self {
        let cache: Option<Self> = STAT_CACHE.read(path).ok().flatten().map(|(cache, _)| cache);
        cache.filter(|cache| cache.stats.0.len() == cache.tree.len()).unwrap_or_default()
    }

    /// Writes the cache, atomically.
    pub fn save(&self, path: &Path) -> Result<()> {
        STAT_CACHE.write(path, self, false).map(|_| ())
    }

    pub(super) fn is_valid(&self, cached: &Stat, stat: &Stat, limit: u64) -> bool {
        let racy = stat.mtime_ns.max(stat.ctime_ns) >= self.scanned_at_ns;
        cached == stat && *stat != UNKNOWN && !racy && self.max_file_bytes == limit
    }

    /// Whether the rules in `folder` are those that the last scan met there; `above` tells it of
    /// the folder above, and a folder that adds none has `None`.
    pub(super) fn knows_rules(&self, folder: &str, above: bool, rules: Option<Digest>) -> bool {
        let at = self.rules.binary_search_by(|row| path_order(&row.0, folder));
        match (at, rules) {
            (Ok(at), Some(rules)) => self.rules[at].1 == rules,
            (Err(_), None) => above,
            _ => false,
        }
    }

    pub(super) fn skip(&self, path: &str) -> Option<&(Arc<str>, Option<Stat>, Skip)> {
        let at = self.skipped.binary_search_by(|row| path_order(&row.0, path)).ok()?;
        Some(&self.skipped[at])
    }
}
