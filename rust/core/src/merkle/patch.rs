//! A tree made out of an old one: what did not change is copied, not computed again.

use std::cmp::Ordering;
use std::ops::Range;

use rustc_hash::FxHashSet;

use super::{File, Leaf, MerkleTree, is_within, split};

/// Where a file of a patched tree comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the old tree, where this was its place.
    Kept(usize),
    /// From the files that were added, where it was this one.
    Added(usize),
}

/// A tree in the making, out of an old one.
pub(super) struct Patch<'a> {
    old: &'a MerkleTree,
    added: &'a [Leaf],
    tree: MerkleTree,
    sources: Vec<Source>,
    /// The folders that are still open, the root first.
    open: Vec<usize>,
    /// Folders below which something changed.
    touched: FxHashSet<&'a str>,
}

impl<'a> Patch<'a> {
    pub(super) fn new(old: &'a MerkleTree, added: &'a [Leaf]) -> Self {
        let mut tree = MerkleTree {
            text: String::with_capacity(old.text.len()),
            folders: Vec::with_capacity(old.folders.len()),
            files: Vec::with_capacity(old.files.len().max(added.len())),
        };
        tree.enter("");
        let sources = Vec::with_capacity(tree.files.capacity());
        Self { old, added, tree, sources, open: vec![0], touched: FxHashSet::default() }
    }

    /// Takes over the files in one folder; folders come in the order of a tree.
    pub(super) fn folder(
        &mut self,
        path: &'a str,
        old: Range<usize>,
        gone: impl Fn(usize) -> bool,
        fresh: &[(&str, &str, usize)],
    ) {
        let before = self.sources.len();
        let mut is_touched = !fresh.is_empty();
        let mut old = old.peekable();
        let mut fresh = fresh.iter().peekable();
        loop {
            let order = match (old.peek(), fresh.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(place), Some(file)) => self.old.name(*place).cmp(file.1),
            };
            let kept = if order.is_le() { old.next() } else { None };
            let came = if order.is_ge() { fresh.next() } else { None };
            let (name, digest, source) = match (kept, came) {
                (_, Some((_, name, at))) => (*name, self.added[*at].digest, Source::Added(*at)),
                (Some(place), None) if gone(place) => {
                    is_touched = true;
                    continue;
                }
                (Some(place), None) => {
                    (self.old.name(place), self.old.digest_at(place), Source::Kept(place))
                }
                (None, None) => break,
            };
            if self.sources.len() == before {
                self.enter(path);
            }
            let name = self.tree.push_text(name);
            self.tree.files.push(File { name, digest });
            self.sources.push(source);
        }
        let mut touched = path;
        while is_touched && self.touched.insert(touched) && !touched.is_empty() {
            touched = split(touched).0;
        }
    }

    /// Opens a folder and the folders above it, and closes those that it does not lie in.
    fn enter(&mut self, path: &str) {
        while self.open.len() > 1 && !is_within(path, self.top()) {
            self.close();
        }
        while self.top().len() < path.len() {
            let from = self.top().len() + usize::from(!self.top().is_empty());
            let end = path[from..].find('/').map_or(path.len(), |slash| from + slash);
            self.open.push(self.tree.folders.len());
            self.tree.enter(&path[..end]);
        }
    }

    fn top(&self) -> &str {
        let at = self.open.last().copied().unwrap_or(0);
        self.tree.at(self.tree.folders[at].path)
    }

    fn close(&mut self) {
        if let Some(folder) = self.open.pop() {
            self.tree.folders[folder].end = self.tree.folders.len();
        }
    }

    /// Computes the digests from the bottom up, without recursion: paths come from the file
    /// system, which sets no useful bound to their depth.
    pub(super) fn finish(mut self) -> (MerkleTree, Vec<Source>) {
        while !self.open.is_empty() {
            self.close();
        }
        let mut known = self.old.folders.len();
        for at in (0..self.tree.folders.len()).rev() {
            let path = self.tree.at(self.tree.folders[at].path);
            let digest = if self.touched.contains(path) {
                None
            } else {
                // Both stand in the same order.
                let same = |known: usize| self.old.at(self.old.folders[known].path) == path;
                while known > 0 && !same(known - 1) {
                    known -= 1;
                }
                known.checked_sub(1).map(|known| self.old.folders[known].digest)
            };
            self.tree.folders[at].digest = digest.unwrap_or_else(|| self.tree.folded(at));
        }
        (self.tree, self.sources)
    }
}
