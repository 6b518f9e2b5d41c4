//! What a folder of write-once files holds: the record by which damage is seen later.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::path;
use crate::sealed::sync_folder;
use crate::threads;

/// A file as it was when it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Recorded {
    size: u64,
    digest: Digest,
    /// Of the last [`TAIL`] bytes.
    tail: Digest,
}

/// How much of the end of a file is looked at before it is used. Formats of columns keep there
/// what they find everything else by; most files are smaller.
const TAIL: u64 = 1 << 18;

/// The files of a folder by their paths below it, each with its size and digest.
///
/// Every file is written once and never changed: a name that is known is known to be on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    files: BTreeMap<Box<str>, Recorded>,
}

impl Inventory {
    /// The number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.size).sum()
    }

    /// Records what `folder` holds by now. Files that are new reach the disk, with their names,
    /// before this returns; those that are gone are forgotten. Files named in `rewritten` are the
    /// exception from being written once: they only reach the disk. Returns how many are new.
    pub fn sync(&mut self, folder: &Path, rewritten: &[String]) -> Result<usize> {
        let mut found = BTreeMap::new();
        let mut new = 0;
        let mut pending = vec![folder.to_owned()];
        while let Some(each) = pending.pop() {
            let mut changed = false;
            for entry in fs::read_dir(&each).map_err(Error::io(&each))? {
                let entry = entry.map_err(Error::io(&each))?;
                let file = entry.path();
                let Some(name) = path::relative(folder, &file) else { continue };
                if entry.file_type().map_err(Error::io(&file))?.is_dir() {
                    // A folder without known files may itself be a new name in this one.
                    changed |= !self.knows_below(&name);
                    pending.push(file);
                } else if rewritten.iter().any(|each| entry.file_name() == each.as_str()) {
                    record(&file)?;
                } else if let Some(known) = self.files.get(name.as_str()) {
                    found.insert(name.into_boxed_str(), *known);
                } else if let Some(recorded) = record(&file)? {
                    found.insert(name.into_boxed_str(), recorded);
                    new += 1;
                    changed = true;
                }
            }
            if changed {
                sync_folder(&each).map_err(Error::io(&each))?;
            }
        }
        self.files = found;
        Ok(new)
    }

    /// The files below `folder` that are there and are not as they were recorded, with what is
    /// wrong. A file that is gone may have been superseded: whoever needs it will miss it.
    pub fn damaged(&self, folder: &Path) -> Vec<(String, String)> {
        self.differing(|name, recorded| {
            let found = digest(&path::resolve(folder, name))?;
            Ok((found.size, found.digest == recorded.digest))
        })
    }

    /// The same, of files whose size or whose end is wrong: a look that a search can afford. Of
    /// those recorded alike in `known`, which the caller has looked at or written, only the size.
    pub fn suspect(&self, folder: &Path, known: &Self) -> Vec<(String, String)> {
        self.differing(|name, recorded| {
            let place = path::resolve(folder, name);
            if known.files.get(name) == Some(recorded) {
                return Ok((fs::metadata(&place)?.len(), true));
            }
            let mut file = File::open(place)?;
            let size = file.metadata()?.len();
            let found = tail(&mut file, size)?;
            Ok((size, found == recorded.tail))
        })
    }

    /// The files that `look` finds to differ; it tells their size and whether they are equal.
    fn differing(
        &self,
        look: impl Fn(&str, &Recorded) -> io::Result<(u64, bool)> + Sync,
    ) -> Vec<(String, String)> {
        let files: Vec<_> = self.files.iter().collect();
        let damaged = files.into_par_iter().filter_map(|(name, recorded)| {
            let detail = match look(name, recorded) {
                Ok((size, _)) if size != recorded.size => {
                    format!("it has {size} bytes, not {}", recorded.size)
                }
                Ok((_, true)) => return None,
                Ok((_, false)) => "its digest is another than when it was written".to_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => return None,
                Err(error) => error.to_string(),
            };
            Some((name.to_string(), detail))
        });
        threads::side_by_side(|| damaged.collect())
    }

    fn knows_below(&self, folder: &str) -> bool {
        let start = format!("{folder}/");
        let from = (Bound::Included(start.as_str()), Bound::Unbounded);
        let next = self.files.range::<str, _>(from).next();
        next.is_some_and(|(name, _)| name.starts_with(&start))
    }
}

/// Makes a file durable and reads its size and digest; `None` if it is gone by now, as the
/// temporary files of a store may be.
fn record(path: &PathBuf) -> Result<Option<Recorded>> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    match synced.and_then(|()| digest(path)) {
        Ok(recorded) => Ok(Some(recorded)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
    }
}

fn digest(path: &Path) -> io::Result<Recorded> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
    let digest = Digest::from_hash(hasher.finalize());
    let tail = if size <= TAIL { digest } else { tail(&mut file, size)? };
    Ok(Recorded { size, digest, tail })
}

/// The digest of the last bytes of a file of `size` bytes.
fn tail(file: &mut File, size: u64) -> io::Result<Digest> {
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(Digest::of(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_files_are_recorded_once_and_damage_is_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let below = folder.path().join("t/data");
        fs::create_dir_all(&below).expect("a folder");
        fs::write(below.join("a"), "first").expect("written");
        fs::write(folder.path().join("t/b"), "second").expect("written");
        let mut inventory = Inventory::default();
        assert_eq!(inventory.sync(folder.path(), &[]).expect("synced"), 2);
        assert_eq!(inventory.sync(folder.path(), &[]).expect("synced"), 0);
        assert_eq!((inventory.len(), inventory.bytes()), (2, 11));
        assert!(inventory.damaged(folder.path()).is_empty());
        fs::write(below.join("a"), "First").expect("written");
        let damaged = inventory.damaged(folder.path());
        assert_eq!(damaged.len(), 1);
        assert_eq!(damaged[0].0, "t/data/a");
        let unknown = Inventory::default();
        assert_eq!(inventory.suspect(folder.path(), &unknown), damaged);
        assert!(inventory.suspect(folder.path(), &inventory).is_empty());
        fs::write(below.join("a"), "fir").expect("written");
        assert_eq!(inventory.suspect(folder.path(), &inventory).len(), 1);
        assert_eq!(inventory.damaged(folder.path())[0].1, "it has 3 bytes, not 5");
        fs::remove_file(below.join("a")).expect("removed");
        fs::write(below.join("c"), "third").expect("written");
        assert!(inventory.damaged(folder.path()).is_empty());
        assert_eq!(inventory.sync(folder.path(), &[]).expect("synced"), 1);
        assert_eq!(inventory.len(), 2);
        let large: Vec<u8> =
            (0..TAIL * 2).map(|n| u8::try_from(n % 251).expect("a byte")).collect();
        fs::write(below.join("d"), &large).expect("written");
        assert_eq!(inventory.sync(folder.path(), &[]).expect("synced"), 1);
        for (at, is_suspect) in [(7, false), (large.len() - 7, true)] {
            let mut changed = large.clone();
            changed[at] ^= 1;
            fs::write(below.join("d"), changed).expect("written");
            assert_eq!(inventory.damaged(folder.path()).len(), 1);
            let found = inventory.suspect(folder.path(), &Inventory::default());
            assert_eq!(found.len(), usize::from(is_suspect));
        }
        fs::remove_file(below.join("d")).expect("removed");
        assert_eq!(inventory.sync(folder.path(), &[]).expect("synced"), 0);
        fs::write(folder.path().join("hint"), "1").expect("written");
        assert_eq!(inventory.sync(folder.path(), &["hint".to_owned()]).expect("synced"), 0);
        assert_eq!(inventory.len(), 2);
    }
}
