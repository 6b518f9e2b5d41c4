//! A reader's lease: a shared lock on a file, by which the writer sees that somebody reads what
//! the file stands for. Like the writer's lock it dies with its process.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::lock::is_at;

/// Where locks do not work (some network file systems), a file that is older than this is taken
/// to be held by nobody.
const WITHOUT_LOCKS: Duration = Duration::from_hours(1);

/// A lease; it ends when dropped.
#[derive(Debug)]
pub struct Lease {
    // Held for its lock alone.
    _file: File,
}

impl Lease {
    /// Takes a lease on the file at `path`; `None` if there is no such file, or no longer.
    pub fn take(path: &Path) -> Result<Option<Self>> {
        loop {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(Error::io(path)(error)),
            };
            // Waits for a writer that is just looking, and no longer.
            match file.lock_shared() {
                Ok(()) if !is_at(&file, path) => {}
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(error) if has_no_locks(&error) => return Ok(Some(Self { _file: file })),
                Err(error) => return Err(Error::io(path)(error)),
            }
        }
    }

    /// Removes the file at `path` unless somebody holds a lease on it; returns whether it is gone.
    pub fn remove_unless_held(path: &Path) -> Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(Error::io(path)(error)),
        };
        let free = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) if has_no_locks(&error) => {
                let modified = file.metadata().and_then(|metadata| metadata.modified());
                let age = modified.map_err(Error::io(path))?.elapsed().unwrap_or_default();
                age > WITHOUT_LOCKS
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(path)(error)),
        };
        if free {
            // Before the lock goes, so that whoever waits for it finds the file gone.
            fs::remove_file(path).map_err(Error::io(path))?;
        }
        Ok(free)
    }
}

fn has_no_locks(error: &io::Error) -> bool {
    let unknown = cfg!(unix)
        && error
            .raw_os_error()
            .is_some_and(|code| [libc::ENOLCK, libc::EOPNOTSUPP, libc::ENOSYS].contains(&code));
    unknown || error.kind() == ErrorKind::Unsupported
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_stays_and_goes_when_it_is_let_go() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("one");
        assert!(Lease::take(&path).expect("tried").is_none());
        fs::write(&path, "content").expect("written");
        let first = Lease::take(&path).expect("tried").expect("there");
        let second = Lease::take(&path).expect("tried").expect("there");
        drop(first);
        assert!(!Lease::remove_unless_held(&path).expect("tried"));
        assert!(path.exists());
        drop(second);
        assert!(Lease::remove_unless_held(&path).expect("tried"));
        assert!(!path.exists());
        assert!(Lease::remove_unless_held(&path).expect("tried"), "it is gone");
        assert!(Lease::take(&path).expect("tried").is_none());
    }
}
