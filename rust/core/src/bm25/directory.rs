//! Where the lexical store keeps its files: one directory for readers, one for the writer.
//!
//! The files of both carry a checksum for each of their pages (`pages.rs`).
//!
//! Both differ from Tantivy's [`MmapDirectory`] in where `.managed.json` comes from, Tantivy's list
//! of the files it may remove: it is what the folder holds. A list of its own could miss a file
//! after a crash, which would then stay for ever (or be in the way of one of equal name), and cost
//! a write and an fsync for every file that is made.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::TantivyError;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};

use crate::error::{Error, Result};
use crate::sealed;

use super::pages::{Checked, Sums};

/// Tantivy's list of the files it made.
const MANAGED: &str = ".managed.json";

/// Opens files as [`MmapDirectory`] does, but goes on where a lock file cannot be made.
///
/// Tantivy's readers take a lock so that a writer does not remove files while they open them. On
/// a folder that is read-only, or on a failing disk, there is no writer; and [`super::Searcher::open`] checks for itself that
/// what it opened is one commit.
#[derive(Clone, Debug)]
pub(super) struct ReadDirectory(MmapDirectory);

impl ReadDirectory {
    pub fn open(folder: &Path) -> Result<Self> {
        Ok(Self(MmapDirectory::open(folder).map_err(TantivyError::from)?))
    }
}

/// A file of a segment, whose pages are checked as they are read.
fn checked(inner: &MmapDirectory, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
    let opened = Checked::open(inner.get_file_handle(path)?);
    match opened {
        Ok(file) => Ok(Arc::new(file)),
        Err(error) => Err(OpenReadError::wrap_io_error(error, path.to_owned())),
    }
}

/// Never called: a reader writes nothing.
fn refused() -> io::Error {
    io::Error::new(ErrorKind::Unsupported, "this view of the index is for reading")
}

impl Directory for ReadDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        checked(&self.0, path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError { io_error: Arc::new(refused()), filepath: path.to_owned() })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.0.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(refused(), path.to_owned()))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        if path == Path::new(MANAGED) {
            return Err(OpenReadError::FileDoesNotExist(path.to_owned()));
        }
        self.0.atomic_read(path)
    }

    fn atomic_write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(refused())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Err(refused())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        match self.0.acquire_lock(lock) {
            Err(LockError::IoError(_)) => Ok(DirectoryLock::from(Box::new(()))),
            result => result,
        }
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.0.watch(callback)
    }
}

/// What the writer writes into. Whatever a commit names has reached the disk before it, and the
/// commit has before anything it supersedes is removed.
///
/// It remembers the first thing that went wrong: Tantivy writes in threads of its own, and says
/// of an error there no more than that there was one.
#[derive(Clone, Debug)]
pub(super) struct WriteDirectory {
    inner: MmapDirectory,
    folder: PathBuf,
    trouble: Trouble,
}

impl WriteDirectory {
    /// Opens a folder, which is made if need be.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let inner = MmapDirectory::open(folder).map_err(TantivyError::from)?;
        Ok(Self { inner, folder: folder.to_owned(), trouble: Trouble::default() })
    }

    /// What went wrong here, and is to be told in place of what Tantivy makes of it.
    pub fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.trouble.noting(path, OpenOptions::new().write(true).create_new(true).open(path))
    }

    /// Every file that the index may own, in the form that Tantivy reads.
    fn managed(&self) -> io::Result<Vec<u8>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            // Tantivy's names are ASCII, and its lock files start with a point.
            let name = entry?.file_name().into_string().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('.') && !name.contains(['"', '\\']) {
                names.push(format!("\"{name}\""));
            }
        }
        Ok(format!("[{}]", names.join(",")).into_bytes())
    }
}

impl Directory for WriteDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        checked(&self.inner, path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let place = self.folder.join(path);
        match self.create(&place) {
            Ok(file) => {
                let trouble = self.trouble.clone();
                Ok(BufWriter::new(Box::new(Output {
                    file,
                    path: place,
                    sums: Sums::default(),
                    trouble,
                })))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(OpenWriteError::FileAlreadyExists(path.to_owned()))
            }
            Err(error) => Err(OpenWriteError::wrap_io_error(error, path.to_owned())),
        }
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        if path == Path::new(MANAGED) {
            let wrap = |error| OpenReadError::wrap_io_error(error, path.to_owned());
            return self.managed().map_err(wrap);
        }
        self.inner.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        if path == Path::new(MANAGED) {
            return Ok(());
        }
        let place = self.folder.join(path);
        self.trouble.noting(&place, sealed::replace(&place, data, true))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.trouble.noting(&self.folder, self.inner.sync_directory())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        let result = self.inner.acquire_lock(lock);
        if let Err(LockError::IoError(error)) = &result {
            self.trouble.note(&self.folder.join(&lock.filepath), error);
        }
        result
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(callback)
    }
}

/// A file of a segment: written once, and on the disk when it is whole.
struct Output {
    file: File,
    path: PathBuf,
    sums: Sums,
    trouble: Trouble,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.trouble.noting(&self.path, self.file.write(bytes))?;
        self.sums.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for Output {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        let sums = std::mem::take(&mut self.sums).finish();
        let written = self.file.write_all(&sums).and_then(|()| self.file.sync_data());
        self.trouble.noting(&self.path, written)
    }
}

/// The first error of the operating system, and the file it was about.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<(PathBuf, i32)>>>);

impl Trouble {
    fn note(&self, path: &Path, error: &io::Error) {
        // A file that is there already is an answer, and no trouble of the disk's.
        let is_answer = matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::AlreadyExists);
        if let Some(number) = error.raw_os_error().filter(|_| !is_answer) {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| (path.to_owned(), number));
        }
    }

    fn noting<T>(&self, path: &Path, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| self.note(path, error))
    }

    /// The error to tell: what went wrong first if it is known, or what Tantivy says.
    pub fn explain(&self, error: TantivyError) -> Error {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some((path, number)) => {
                Error::Io { path, source: io::Error::from_raw_os_error(number) }
            }
            None => error.into(),
        }
    }
}
