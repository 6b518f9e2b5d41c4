//! How a tree is stored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};

use super::{File, Folder, MerkleTree, Span, is_within};
use crate::digest::Digest;
use crate::sealed::Packed;

/// A tree as it is stored: its text, and what cannot be read off it.
#[derive(Serialize, Deserialize)]
pub(super) struct Columns<'a> {
    text: Cow<'a, str>,
    /// Of each folder the length of its path and the number of its files.
    folders: Packed<[u32; 2]>,
    folder_digests: Packed<Digest>,
    /// The length of each file's name.
    names: Packed<u32>,
    digests: Packed<Digest>,
}

impl Serialize for MerkleTree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Columns::of(self).serialize(serializer)
    }
}

impl<'a> Columns<'a> {
    fn of(tree: &'a MerkleTree) -> Self {
        // No name or folder has four billion bytes or files.
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let length = |span: Span| number(span.end - span.start);
        let folders = tree.folders.iter().enumerate();
        Self {
            folders: Packed(
                folders.map(|(at, f)| [length(f.path), number(tree.files_of(at).len())]).collect(),
            ),
            folder_digests: Packed(tree.folders.iter().map(|folder| folder.digest).collect()),
            names: Packed(tree.files.iter().map(|file| length(file.name)).collect()),
            digests: Packed(tree.files.iter().map(|file| file.digest).collect()),
            text: Cow::Borrowed(&tree.text),
        }
    }
}

impl TryFrom<Columns<'_>> for MerkleTree {
    type Error = &'static str;

    fn try_from(columns: Columns<'_>) -> Result<Self, Self::Error> {
        const WRONG: &str = "its columns do not fit together";
        let Columns { text, folders, folder_digests, names, digests } = columns;
        if folders.0.len() != folder_digests.0.len()
            || names.0.len() != digests.0.len()
            || folders.0.first().is_none_or(|root| root[0] != 0)
        {
            return Err(WRONG);
        }
        let mut tree = Self {
            text: text.into_owned(),
            folders: Vec::with_capacity(folders.0.len()),
            files: Vec::with_capacity(names.0.len()),
        };
        let mut from = 0;
        let mut open: Vec<usize> = Vec::new();
        let mut files = names.0.iter().zip(digests.0);
        for ([length, count], digest) in folders.0.into_iter().zip(folder_digests.0) {
            let path = tree.span(&mut from, length).ok_or(WRONG)?;
            let at = tree.folders.len();
            while let Some(top) = open.last().copied()
                && !is_within(tree.at(path), tree.at(tree.folders[top].path))
            {
                tree.folders[top].end = at;
                open.pop();
            }
            open.push(at);
            tree.folders.push(Folder { path, digest, files: tree.files.len(), end: 0 });
            for _ in 0..count {
                let (length, digest) = files.next().ok_or(WRONG)?;
                let name = tree.span(&mut from, *length).ok_or(WRONG)?;
                tree.files.push(File { name, digest });
            }
        }
        for folder in open {
            tree.folders[folder].end = tree.folders.len();
        }
        if files.next().is_some() || from != tree.text.len() {
            return Err(WRONG);
        }
        Ok(tree)
    }
}

impl MerkleTree {
    /// The next `length` bytes of the text after `from`, if that is whole characters.
    fn span(&self, from: &mut usize, length: u32) -> Option<Span> {
        let span = Span { start: *from, end: from.checked_add(usize::try_from(length).ok()?)? };
        *from = span.end;
        self.text.get(span.start..span.end).map(|_| span)
    }
}
