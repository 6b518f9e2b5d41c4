//! The Merkle tree: one digest for every file and every folder.
//!
//! A folder's digest covers the names, kinds and digests of its children, in the order of the
//! names' bytes, each name preceded by its length: it depends on nothing but the content below it. Two
//! folders of equal digest hold equal trees, so [`MerkleTree::diff`] never looks inside them.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::digest::Digest;

/// Keeps these digests apart from every other use of BLAKE3; part of the tree's definition.
const DOMAIN: &str = "hybridx merkle folder v1";

/// A file's path and the digest of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The path as [`crate::path`] spells it.
    pub path: Arc<str>,
    /// The digest of the file's bytes.
    pub digest: Digest,
}

/// A tree over a set of files.
///
/// Files lie in one sorted array; a folder is a span of it. That keeps the tree compact, and two
/// trees are compared by walking both arrays with equal folders stepped over as whole spans.
#[derive(Clone, Debug)]
pub struct MerkleTree {
    leaves: Vec<Leaf>,
    folders: FxHashMap<Box<str>, Folder>,
    root: Digest,
}

#[derive(Clone, Copy, Debug)]
struct Folder {
    digest: Digest,
    /// One past the last leaf below this folder.
    end: usize,
}

/// A file that has the same content under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where the file was.
    pub from: Arc<str>,
    /// Where it is now.
    pub to: Arc<str>,
}

/// What happened between two trees. Every list is in path order, and no path is in two of them
/// but a move's two ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files only the new tree has.
    pub added: Vec<Arc<str>>,
    /// Files with other content.
    pub modified: Vec<Arc<str>>,
    /// Files only the old tree had.
    pub removed: Vec<Arc<str>>,
    /// Files with the same content under another name, in the order of their new names.
    pub moved: Vec<Move>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.modified.is_empty()
            && self.removed.is_empty()
            && self.moved.is_empty()
    }
}

/// Orders paths as a walk of the tree meets them: component by component, so that everything
/// below a folder stands together (`a/b` before `a.c`, though `.` sorts before `/`).
pub fn path_order(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let at = common_prefix(a, b);
    let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    match (a.get(at), b.get(at)) {
        (Some(x), Some(y)) => rank(*x).cmp(&rank(*y)),
        _ => a.len().cmp(&b.len()),
    }
}

/// The length of the longest common prefix, eight bytes at a time: neighbours in a sorted list of
/// paths share most of theirs, and sorting compares little else.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let (a_words, b_words) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let words = a_words.iter().zip(b_words).take_while(|(x, y)| x == y).count();
    let rest = a[words * 8..].iter().zip(&b[words * 8..]).take_while(|(x, y)| x == y).count();
    words * 8 + rest
}

impl MerkleTree {
    /// Builds the tree of `leaves`, given in any order, each path once.
    pub fn new(mut leaves: Vec<Leaf>) -> Self {
        leaves.sort_unstable_by(|a, b| path_order(&a.path, &b.path));
        leaves.dedup_by(|a, b| a.path == b.path);
        let mut folders = FxHashMap::default();
        let root = fold(&leaves, &mut folders);
        Self { leaves, folders, root }
    }

    /// The digest of the whole tree. That of an empty tree is a constant.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Every file, in path order.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// The digest of the file at `path`.
    pub fn get(&self, path: &str) -> Option<Digest> {
        let at = self.leaves.binary_search_by(|leaf| path_order(&leaf.path, path)).ok()?;
        Some(self.leaves[at].digest)
    }

    /// The digest of the folder at `path`; `""` is the root.
    pub fn folder(&self, path: &str) -> Option<Digest> {
        if path.is_empty() {
            return Some(self.root);
        }
        self.folders.get(path).map(|folder| folder.digest)
    }

    /// What happened from `old` to this tree.
    pub fn diff(&self, old: &Self) -> Changes {
        let mut changes = Changes::default();
        if self.root == old.root {
            return changes;
        }
        let (mut i, mut j) = (0, 0);
        // The folder of the last pair of equal names that turned out to differ: its ancestors
        // differ as well, so they need no second look.
        let mut differing = String::new();
        while i < old.leaves.len() && j < self.leaves.len() {
            let (before, after) = (&old.leaves[i], &self.leaves[j]);
            match path_order(&before.path, &after.path) {
                Ordering::Less => {
                    changes.removed.push(before.path.clone());
                    i += 1;
                }
                Ordering::Greater => {
                    changes.added.push(after.path.clone());
                    j += 1;
                }
                Ordering::Equal => {
                    if before.digest == after.digest {
                        let equal = self.equal_folder(old, &before.path, &mut differing);
                        (i, j) = equal.unwrap_or((i + 1, j + 1));
                    } else {
                        changes.modified.push(before.path.clone());
                        (i, j) = (i + 1, j + 1);
                    }
                }
            }
        }
        changes.removed.extend(old.leaves[i..].iter().map(|leaf| leaf.path.clone()));
        changes.added.extend(self.leaves[j..].iter().map(|leaf| leaf.path.clone()));
        pair_moves(&mut changes, old, self);
        changes
    }

    /// The ends of the largest equal folder that starts with the file at `path` in both trees.
    fn equal_folder(
        &self,
        old: &Self,
        path: &str,
        differing: &mut String,
    ) -> Option<(usize, usize)> {
        let parent = path.rfind('/').map_or("", |at| &path[..at]);
        if parent == differing {
            return None;
        }
        // From the top down: the first equal folder is the largest. Folders that contain the last
        // differing one were found to differ then.
        let mut from = common_folder(parent, differing);
        loop {
            let rest = parent.get(from..).unwrap_or("");
            let rest = rest.strip_prefix('/').unwrap_or(rest);
            if rest.is_empty() {
                break;
            }
            let start = parent.len() - rest.len();
            from = start + rest.find('/').unwrap_or(rest.len());
            let folder = &parent[..from];
            if let (Some(a), Some(b)) = (old.folders.get(folder), self.folders.get(folder))
                && a.digest == b.digest
            {
                return Some((a.end, b.end));
            }
        }
        parent.clone_into(differing);
        None
    }
}

/// The length of the longest folder that contains both folders (or is one of them).
fn common_folder(a: &str, b: &str) -> usize {
    let same = common_prefix(a.as_bytes(), b.as_bytes());
    let ends = |s: &str| s.len() == same || s.as_bytes()[same] == b'/';
    if ends(a) && ends(b) {
        return same;
    }
    // In bytes: the common prefix may end inside a character.
    memchr::memrchr(b'/', &a.as_bytes()[..same]).unwrap_or(0)
}

/// Computes the digest of every folder bottom-up, without recursion: paths come from the file
/// system, which sets no useful bound to their depth.
fn fold(leaves: &[Leaf], folders: &mut FxHashMap<Box<str>, Folder>) -> Digest {
    /// A folder whose children are still arriving.
    struct Open {
        /// Length of the folder's path within the path of any leaf below it.
        length: usize,
        hasher: blake3::Hasher,
    }
    let open = |length| Open { length, hasher: blake3::Hasher::new_derive_key(DOMAIN) };
    let mut stack = vec![open(0)];
    let mut previous = "";
    let close = |stack: &mut Vec<Open>, path: &str, end: usize, folders: &mut FxHashMap<_, _>| {
        let Some(folder) = stack.pop() else { return };
        let digest = Digest::from_hash(folder.hasher.finalize());
        let name = &path[..folder.length];
        if let Some(parent) = stack.last_mut() {
            let own = name[parent.length..].trim_start_matches('/');
            child(&mut parent.hasher, b'd', own, digest);
            folders.insert(Box::from(name), Folder { digest, end });
        }
    };
    for (at, leaf) in leaves.iter().enumerate() {
        let path = &*leaf.path;
        let parent = path.rfind('/').map_or("", |slash| &path[..slash]);
        let common = common_folder(parent, previous);
        while stack.len() > 1 && stack.last().is_some_and(|folder| folder.length > common) {
            close(&mut stack, previous, at, folders);
        }
        let mut from = common;
        while from < parent.len() {
            let start = if from == 0 { 0 } else { from + 1 };
            from = parent[start..].find('/').map_or(parent.len(), |slash| start + slash);
            stack.push(open(from));
        }
        if let Some(folder) = stack.last_mut() {
            child(
                &mut folder.hasher,
                b'f',
                &path[path.rfind('/').map_or(0, |s| s + 1)..],
                leaf.digest,
            );
        }
        previous = parent;
    }
    while stack.len() > 1 {
        close(&mut stack, previous, leaves.len(), folders);
    }
    stack.pop().map_or_else(|| Digest::of(b""), |root| Digest::from_hash(root.hasher.finalize()))
}

fn child(hasher: &mut blake3::Hasher, kind: u8, name: &str, digest: Digest) {
    hasher.update(&[kind]);
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update(digest.as_bytes());
}

/// Turns a removed and an added file of equal content into a move: one to one, a file of the same
/// base name first, then in path order. Empty files are all alike and never a move.
fn pair_moves(changes: &mut Changes, old: &MerkleTree, new: &MerkleTree) {
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
    let gone: rustc_hash::FxHashSet<Arc<str>> = taken.values().cloned().collect();
    changes.removed.retain(|path| !gone.contains(path));
    let added = std::mem::take(&mut changes.added);
    for to in added {
        match taken.remove(&to) {
            Some(from) => changes.moved.push(Move { from, to }),
            None => changes.added.push(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn leaf(path: &str, content: &str) -> Leaf {
        Leaf { path: path.into(), digest: Digest::of(content.as_bytes()) }
    }

    fn tree(files: &[(&str, &str)]) -> MerkleTree {
        MerkleTree::new(files.iter().map(|(path, content)| leaf(path, content)).collect())
    }

    fn of(files: &BTreeMap<String, String>) -> MerkleTree {
        MerkleTree::new(files.iter().map(|(path, content)| leaf(path, content)).collect())
    }

    #[test]
    fn everything_below_a_folder_stands_together() {
        assert_eq!(path_order("a/b", "a.c"), Ordering::Less);
        assert_eq!(path_order("a", "a/b"), Ordering::Less);
        assert_eq!(path_order("a/b", "a/b"), Ordering::Equal);
        assert_eq!(path_order("ab", "a/b"), Ordering::Greater);
    }

    #[test]
    fn folders_have_digests_of_their_own() {
        let one = tree(&[("a/b/x", "1"), ("a/b/y", "2"), ("c/x", "1"), ("c/y", "2"), ("z", "3")]);
        assert_eq!(one.folder("a/b"), one.folder("c"));
        assert_eq!(one.folder(""), Some(one.root()));
        assert_ne!(one.folder("a"), one.folder("c"));
        assert_eq!(one.folder("nowhere"), None);
        assert_ne!(tree(&[("a/b", "1")]).root(), tree(&[("ab", "1")]).root());
        assert_ne!(tree(&[]).root(), tree(&[("a", "")]).root());
    }

    #[test]
    fn a_move_prefers_its_base_name_and_empty_files_never_move() {
        let old = tree(&[("a/one.c", "same"), ("a/two.c", "same"), ("e.c", "")]);
        let new = tree(&[("b/other.c", "same"), ("b/two.c", "same"), ("f.c", "")]);
        let changes = new.diff(&old);
        let moves: Vec<_> = changes.moved.iter().map(|m| (&*m.from, &*m.to)).collect();
        assert_eq!(moves, [("a/one.c", "b/other.c"), ("a/two.c", "b/two.c")]);
        assert_eq!((&*changes.removed[0], &*changes.added[0]), ("e.c", "f.c"));
    }

    #[test]
    fn deep_paths_do_not_overflow_the_stack() {
        let deep = "d/".repeat(5_000) + "f";
        assert!(tree(&[(&deep, "1")]).folder("d/d").is_some());
    }

    fn files() -> impl Strategy<Value = BTreeMap<String, String>> {
        // Few names and contents: collisions, moves and equal folders are then common.
        proptest::collection::btree_map("[aéè](/[aéèя.]){0,3}x", "[pq]?", 0..24)
    }

    proptest! {
        #[test]
        fn the_root_does_not_depend_on_order(files in files(), seed in any::<u64>()) {
            let mut leaves: Vec<_> = files.iter().map(|(p, c)| leaf(p, c)).collect();
            let half = usize::try_from(seed).unwrap_or(0) % leaves.len().max(1);
            leaves.rotate_left(half);
            prop_assert_eq!(MerkleTree::new(leaves).root(), of(&files).root());
        }

        #[test]
        fn equal_roots_mean_equal_trees(a in files(), b in files()) {
            prop_assert_eq!(of(&a).root() == of(&b).root(), a == b);
        }

        #[test]
        fn a_diff_applied_to_the_old_tree_gives_the_new_one(a in files(), b in files()) {
            let (old, new) = (of(&a), of(&b));
            let changes = new.diff(&old);
            let mut built = a.clone();
            for moved in &changes.moved {
                let content = built.remove(&*moved.from).expect("a moved file was there");
                prop_assert!(!content.is_empty());
                prop_assert_eq!(Some(&content), b.get(&*moved.to));
                prop_assert!(!a.contains_key(&*moved.to));
            }
            for moved in &changes.moved {
                built.insert(moved.to.to_string(), a[&*moved.from].clone());
            }
            for path in &changes.removed {
                prop_assert!(built.remove(&**path).is_some());
            }
            for path in &changes.added {
                prop_assert!(built.insert(path.to_string(), b[&**path].clone()).is_none());
            }
            for path in &changes.modified {
                let before = built.insert(path.to_string(), b[&**path].clone());
                prop_assert!(before.is_some_and(|before| before != b[&**path]));
            }
            prop_assert_eq!(built, b);
        }
    }
}
