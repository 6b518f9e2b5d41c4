//! The Merkle tree: one digest for every file and every folder.
//!
//! A folder's digest covers the names, kinds and digests of its children, in the order of the
//! names' bytes, each name preceded by its length: it depends on nothing but the content below it. Two
//! folders of equal digest hold equal trees, so [`MerkleTree::diff`] never looks inside them.

mod columns;
mod moves;
mod patch;

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

use crate::digest::Digest;
use columns::Columns;
use moves::pair_moves;
use patch::Patch;
pub use patch::Source;

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
/// It is a few flat arrays, so that a tree of a million files is copied, written and read as fast
/// as its bytes are. Folders stand in the order in which a walk enters them, and what lies below
/// one is a span of them; files stand folder by folder, in each by the bytes of their names. The
/// number of a file in that order is its *place*.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Columns<'_>")]
pub struct MerkleTree {
    /// The path of each folder, followed by the names of its files.
    text: String,
    /// The first one is the root.
    folders: Vec<Folder>,
    files: Vec<File>,
}

#[derive(Clone, Copy, Debug)]
struct Folder {
    path: Span,
    digest: Digest,
    /// The place of its first file.
    files: usize,
    /// One past the last folder below this one.
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct File {
    name: Span,
    digest: Digest,
}

/// A part of the text.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
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

/// The folder and the name of a path.
fn split(path: &str) -> (&str, &str) {
    path.rfind('/').map_or(("", path), |at| (&path[..at], &path[at + 1..]))
}

/// Whether `path` is `folder` or lies below it.
fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || folder.is_empty() || rest.starts_with('/'))
}

impl Default for MerkleTree {
    fn default() -> Self {
        let mut tree = Self { text: String::new(), folders: Vec::new(), files: Vec::new() };
        tree.enter("");
        tree.folders[0].end = 1;
        tree.folders[0].digest = tree.folded(0);
        tree
    }
}

impl MerkleTree {
    /// Builds the tree of `leaves`, given in any order, each path once.
    pub fn new(leaves: &[Leaf]) -> Self {
        Self::default().patched(|_| false, leaves).0
    }

    /// The digest of the whole tree. That of an empty tree is a constant.
    pub fn root(&self) -> Digest {
        self.folders[0].digest
    }

    /// The number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The places of all files in path order, each with its path.
    pub fn paths(&self) -> impl Iterator<Item = (usize, String)> {
        let mut open = vec![(0, self.children(0))];
        std::iter::from_fn(move || {
            loop {
                let (folder, children) = open.last_mut()?;
                match children.next() {
                    Some(Child::File(place)) => return Some((place, self.path(*folder, place))),
                    Some(Child::Folder(below)) => open.push((below, self.children(below))),
                    None => drop(open.pop()),
                }
            }
        })
    }

    /// Every file, in path order.
    pub fn leaves(&self) -> Vec<Leaf> {
        let leaf = |(place, path): (usize, String)| Leaf {
            path: path.into(),
            digest: self.files[place].digest,
        };
        self.paths().map(leaf).collect()
    }

    /// The digest of the file at `path`.
    pub fn get(&self, path: &str) -> Option<Digest> {
        self.place(path).map(|place| self.digest_at(place))
    }

    /// The place of the file at `path`.
    pub fn place(&self, path: &str) -> Option<usize> {
        let (folder, name) = split(path);
        self.place_in(&self.files_in(folder)?, name)
    }

    /// The places of the files that lie in the folder at `path` itself; `""` is the root.
    pub fn files_in(&self, path: &str) -> Option<Range<usize>> {
        self.find(path).map(|at| self.files_of(at))
    }

    /// Of the files in one folder, which has these places, that of the one with this name.
    pub fn place_in(&self, folder: &Range<usize>, name: &str) -> Option<usize> {
        let files = &self.files[folder.clone()];
        let at = files.binary_search_by(|file| self.at(file.name).cmp(name)).ok()?;
        Some(folder.start + at)
    }

    /// The places of all files at or below `path`.
    pub fn places_below(&self, path: &str) -> Range<usize> {
        match self.find(path) {
            Some(at) => {
                let end = self.folders[at].end;
                self.folders[at].files..self.folders.get(end).map_or(self.len(), |next| next.files)
            }
            None => self.place(path).map_or(0..0, |place| place..place + 1),
        }
    }

    /// The digest of the file at that place.
    pub fn digest_at(&self, place: usize) -> Digest {
        self.files[place].digest
    }

    /// The digest of the folder at `path`; `""` is the root.
    pub fn folder(&self, path: &str) -> Option<Digest> {
        self.find(path).map(|at| self.folders[at].digest)
    }

    /// What the digest of the root ought to be, computed from those of the files alone.
    pub fn recomputed(&self) -> Digest {
        Self::new(&self.leaves()).root()
    }

    /// What happened from `old` to this tree.
    pub fn diff(&self, old: &Self) -> Changes {
        let mut changes = Changes::default();
        let (mut i, mut j) = (0, 0);
        while i < old.folders.len() || j < self.folders.len() {
            let before = old.folders.get(i).map(|folder| old.at(folder.path));
            let after = self.folders.get(j).map(|folder| self.at(folder.path));
            let order = match (before, after) {
                (Some(before), Some(after)) => path_order(before, after),
                (before, _) => {
                    if before.is_some() {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
                }
            };
            match order {
                Ordering::Less => {
                    changes.removed.extend(old.files_of(i).map(|place| old.path(i, place).into()));
                    i += 1;
                }
                Ordering::Greater => {
                    changes.added.extend(self.files_of(j).map(|place| self.path(j, place).into()));
                    j += 1;
                }
                Ordering::Equal if old.folders[i].digest == self.folders[j].digest => {
                    (i, j) = (old.folders[i].end, self.folders[j].end);
                }
                Ordering::Equal => {
                    self.diff_files(j, old, i, &mut changes);
                    (i, j) = (i + 1, j + 1);
                }
            }
        }
        for list in [&mut changes.added, &mut changes.modified, &mut changes.removed] {
            list.sort_unstable_by(|a, b| path_order(a, b));
        }
        pair_moves(&mut changes, old, self);
        changes
    }

    /// What happened to the files in one folder, here number `j` and there number `i`.
    fn diff_files(&self, j: usize, old: &Self, i: usize, changes: &mut Changes) {
        let (mut before, mut after) = (old.files_of(i).peekable(), self.files_of(j).peekable());
        loop {
            let order = match (before.peek(), after.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(b), Some(a)) => old.name(*b).cmp(self.name(*a)),
            };
            let gone = if order.is_le() { before.next() } else { None };
            let came = if order.is_ge() { after.next() } else { None };
            match (gone, came) {
                (Some(b), Some(a)) if old.digest_at(b) == self.digest_at(a) => {}
                (Some(_), Some(a)) => changes.modified.push(self.path(j, a).into()),
                (Some(b), None) => changes.removed.push(old.path(i, b).into()),
                (None, Some(a)) => changes.added.push(self.path(j, a).into()),
                (None, None) => {}
            }
        }
    }

    /// This tree without the files whose places are `gone`, and with those `added`, which replace
    /// files of the same path; and where each of its files comes from. Digests are computed of
    /// those folders alone below which something changed.
    pub fn patched(&self, gone: impl Fn(usize) -> bool, added: &[Leaf]) -> (Self, Vec<Source>) {
        let mut fresh: Vec<(&str, &str, usize)> = Vec::with_capacity(added.len());
        fresh.extend(added.iter().enumerate().map(|(at, leaf)| {
            let (folder, name) = split(&leaf.path);
            (folder, name, at)
        }));
        fresh.sort_unstable_by(|a, b| {
            path_order(a.0, b.0).then_with(|| a.1.cmp(b.1)).then(a.2.cmp(&b.2))
        });
        fresh.dedup_by(|b, a| (a.0, a.1) == (b.0, b.1));
        let mut patch = Patch::new(self, added);
        let (mut at, mut fresh) = (0, fresh.as_slice());
        while at < self.folders.len() || !fresh.is_empty() {
            let ours = self.folders.get(at).map(|folder| self.at(folder.path));
            let theirs = fresh.first().map(|file| file.0);
            let order = match (ours, theirs) {
                (Some(ours), Some(theirs)) => path_order(ours, theirs),
                (ours, _) => {
                    if ours.is_some() {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
                }
            };
            let Some(folder) = (if order.is_le() { ours } else { theirs }) else { break };
            let many = match order {
                Ordering::Less => 0,
                _ => fresh.iter().take_while(|file| file.0 == folder).count(),
            };
            let old = if order.is_le() { self.files_of(at) } else { 0..0 };
            patch.folder(folder, old, &gone, &fresh[..many]);
            at += usize::from(order.is_le());
            fresh = &fresh[many..];
        }
        patch.finish()
    }

    fn at(&self, span: Span) -> &str {
        &self.text[span.start..span.end]
    }

    fn name(&self, place: usize) -> &str {
        self.at(self.files[place].name)
    }

    fn path(&self, folder: usize, place: usize) -> String {
        let (folder, name) = (self.at(self.folders[folder].path), self.name(place));
        if folder.is_empty() { name.to_owned() } else { [folder, "/", name].concat() }
    }

    fn find(&self, path: &str) -> Option<usize> {
        self.folders.binary_search_by(|folder| path_order(self.at(folder.path), path)).ok()
    }

    fn files_of(&self, folder: usize) -> Range<usize> {
        let next = self.folders.get(folder + 1);
        self.folders[folder].files..next.map_or(self.files.len(), |next| next.files)
    }

    fn children(&self, folder: usize) -> Children<'_> {
        let folders = folder + 1..self.folders[folder].end;
        Children { tree: self, files: self.files_of(folder), folders }
    }

    fn push_text(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span { start, end: self.text.len() }
    }

    /// Begins a folder; its digest and where it ends are still to come.
    fn enter(&mut self, path: &str) {
        let path = self.push_text(path);
        let files = self.files.len();
        self.folders.push(Folder { path, digest: Digest::default(), files, end: 0 });
    }

    /// The digest of a folder, of whose children those of folders are known.
    fn folded(&self, folder: usize) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key(DOMAIN);
        let mut child = |kind: u8, name: &str, digest: Digest| {
            hasher.update(&[kind]);
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(digest.as_bytes());
        };
        for each in self.children(folder) {
            match each {
                Child::File(place) => child(b'f', self.name(place), self.digest_at(place)),
                Child::Folder(below) => {
                    child(b'd', self.folder_name(below), self.folders[below].digest);
                }
            }
        }
        Digest::from_hash(hasher.finalize())
    }

    fn folder_name(&self, folder: usize) -> &str {
        split(self.at(self.folders[folder].path)).1
    }
}

enum Child {
    File(usize),
    Folder(usize),
}

/// What a folder holds, in the order of the names.
struct Children<'t> {
    tree: &'t MerkleTree,
    files: Range<usize>,
    folders: Range<usize>,
}

impl Iterator for Children<'_> {
    type Item = Child;

    fn next(&mut self) -> Option<Child> {
        let folder = (!self.folders.is_empty()).then_some(self.folders.start);
        let file = (!self.files.is_empty()).then_some(self.files.start);
        let is_file = match (file, folder) {
            (Some(file), Some(folder)) => self.tree.name(file) <= self.tree.folder_name(folder),
            (file, _) => file.is_some(),
        };
        if is_file {
            return self.files.next().map(Child::File);
        }
        let folder = folder?;
        self.folders.start = self.tree.folders[folder].end;
        Some(Child::Folder(folder))
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
        MerkleTree::new(
            &files.iter().map(|(path, content)| leaf(path, content)).collect::<Vec<_>>(),
        )
    }

    fn of(files: &BTreeMap<String, String>) -> MerkleTree {
        MerkleTree::new(
            &files.iter().map(|(path, content)| leaf(path, content)).collect::<Vec<_>>(),
        )
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
            prop_assert_eq!(MerkleTree::new(&leaves).root(), of(&files).root());
        }

        #[test]
        fn a_patched_tree_is_the_one_made_anew_and_comes_back_from_its_columns(
            a in files(), b in files(), drop in any::<u64>()
        ) {
            let old = of(&a);
            let is_gone = |place: usize| drop >> (place % 64) & 1 == 1;
            let added: Vec<_> = b.iter().map(|(path, content)| leaf(path, content)).collect();
            let (tree, sources) = old.patched(is_gone, &added);
            let mut all: BTreeMap<_, _> = old.paths().filter(|(place, _)| !is_gone(*place))
                .map(|(_, path)| (path.clone(), a[&path].clone())).collect();
            all.extend(b.clone());
            let anew = of(&all);
            prop_assert_eq!(tree.leaves(), anew.leaves());
            prop_assert_eq!(tree.root(), anew.root());
            prop_assert_eq!(tree.root(), tree.recomputed());
            for path in all.keys() {
                prop_assert_eq!(tree.folder(split(path).0), anew.folder(split(path).0));
                let place = tree.place(path).expect("there");
                let digest = match sources[place] {
                    Source::Kept(old_place) => old.digest_at(old_place),
                    Source::Added(at) => added[at].digest,
                };
                prop_assert_eq!(digest, tree.digest_at(place));
            }
            let bytes = postcard::to_allocvec(&tree).expect("written");
            let back: MerkleTree = postcard::from_bytes(&bytes).expect("read");
            prop_assert_eq!(back.leaves(), tree.leaves());
            prop_assert!(back.diff(&tree).is_empty() && back.root() == tree.root());
            let below: Vec<_> = tree.places_below("a").collect();
            for path in all.keys() {
                let place = tree.place(path).expect("there");
                prop_assert_eq!(below.contains(&place), is_within(path, "a"));
            }
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
