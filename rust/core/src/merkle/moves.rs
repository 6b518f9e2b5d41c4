//! Files that are elsewhere: which removed file an added one was.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Changes, MerkleTree, Move};
use crate::digest::Digest;

/// Turns a removed and an added file of equal content into a move: one to one, a file of the same
/// base name first, then in path order. Empty files are all alike and never a move.
pub(super) fn pair_moves(changes: &mut Changes, old: &MerkleTree, new: &MerkleTree) {
    if changes.added.is_empty() || changes.removed.is_empty() {
        return;
    }
    let empty = Digest::of(b"");
    let mut sources: HashMap<Digest, Vec<Arc<str>>> = HashMap::new();
    for path in &changes.removed {
        if let Some(digest) = old.get(path).filter(|digest| *digest != empty) {
            sources.entry(digest).or_default().push(path.clone());
        }
    }
    let base = |path: &str| path.rfind('/').map_or(0, |at| at + 1);
    let mut taken: FxHashMap<Arc<str>, Arc<str>> = FxHashMap::default();
    for same_name in [true, false] {
        for to in &changes.added {
            if taken.contains_key(to) {
                continue;
            }
            let Some(left) = new.get(to).and_then(|digest| sources.get_mut(&digest)) else {
                continue;
            };
            let found =
                left.iter().position(|from| !same_name || from[base(from)..] == to[base(to)..]);
            if let Some(at) = found {
                taken.insert(to.clone(), left.remove(at));
            }
        }
    }
    if taken.is_empty() {
        return;
    }
    let gone: FxHashSet<Arc<str>> = taken.values().cloned().collect();
    changes.removed.retain(|path| !gone.contains(path));
    let added = std::mem::take(&mut changes.added);
    for to in added {
        match taken.remove(&to) {
            Some(from) => changes.moved.push(Move { from, to }),
            None => changes.added.push(to),
        }
    }
}
