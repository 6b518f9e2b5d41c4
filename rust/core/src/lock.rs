//! The writer's lock: held by the operating system for as long as the process that took it lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// An exclusive lock on an index; released when dropped, or when the process ends however it ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    owner: u32,
}

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// When it took the lock, seconds since the epoch.
    pub since: u64,
}

impl Lock {
    /// Takes the lock file at `path`, waiting up to `timeout`. `None` if somebody held it all
    /// that time.
    pub fn acquire(path: &Path, timeout: Duration, cancel: &Cancel) -> Result<Option<Self>> {
        let deadline = Instant::now() + timeout;
        let mut file;
        loop {
            file = open(path)?;
            match file.try_lock() {
                // Whoever held it before may have removed the file, and with it this lock.
                Ok(()) if is_at(&file, path) => break,
                Ok(()) => continue,
                Err(TryLockError::Error(error)) => return Err(Error::io(path)(error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            }
            cancel.check()?;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // Only tells others who holds it; the lock itself does not depend on it.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = writeln!(file, "{} {since}", std::process::id());
        Ok(Some(Self { file, owner: std::process::id() }))
    }

    /// Releases the lock, also where a fork of this process still has the file open. A fork that
    /// calls this releases nothing but its own handle.
    pub fn release(self) {
        if self.owner == std::process::id() {
            // Dropping the file does the same, unless it is open elsewhere.
            let _ = self.file.unlock();
        }
    }

    /// Who took the lock last, by what it wrote into it.
    pub fn holder(path: &Path) -> Option<Holder> {
        let mut text = String::new();
        File::open(PathBuf::from(path)).ok()?.take(64).read_to_string(&mut text).ok()?;
        let (pid, since) = text.trim().split_once(' ')?;
        Some(Holder { pid: pid.parse().ok()?, since: since.parse().ok()? })
    }
}

fn open(path: &Path) -> Result<File> {
    // A folder removed while this waited is made again by the caller, who then holds the lock. The
    // folders above it are not: a tree that was moved away must not be begun anew where it was.
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::io(folder)(error));
            }
            _ => (),
        }
    }
    let options = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path);
    options.map_err(Error::io(path))
}

/// Whether `file` is the one that stands at `path`.
#[cfg(unix)]
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(held), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

/// An open file cannot be removed.
#[cfg(not(unix))]
pub(crate) fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_names_its_holder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lock");
        let take = || Lock::acquire(&path, Duration::ZERO, &Cancel::default()).expect("tried");
        let first = take().expect("free");
        assert!(take().is_none());
        assert_eq!(Lock::holder(&path).map(|holder| holder.pid), Some(std::process::id()));
        drop(first);
        assert!(take().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_on_a_removed_file_is_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("index/lock");
        let take = |seconds| {
            Lock::acquire(&path, Duration::from_secs(seconds), &Cancel::default()).expect("tried")
        };
        let first = take(0).expect("free");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| take(10).expect("free in the end"));
            std::thread::sleep(Duration::from_millis(60));
            std::fs::remove_dir_all(folder.path().join("index")).expect("removed");
            drop(first);
            let _second = waiter.join().expect("joined");
            assert!(take(0).is_none(), "two hold the lock");
        });
    }
}
