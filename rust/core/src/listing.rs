//! What a folder holds, and what the system knows of each name in it.
//!
//! On Linux names are asked about relative to the open folder, which spares the kernel the way
//! from the top to each of them; elsewhere by their paths.

use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::path::Path;

use crate::read::Stat;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket or a device.
    Special,
    /// The folder does not say: its file system leaves that to the file.
    Unknown,
}

/// The names in a folder, in no order; the folder stays open with it.
#[derive(Debug)]
pub struct Listing {
    /// Each name, and a NUL after it.
    names: Vec<u8>,
    /// Where each name begins, and its kind.
    entries: Vec<(usize, Kind)>,
    folder: Open,
}

impl Listing {
    /// The numbers of all names.
    pub fn all(&self) -> Range<usize> {
        0..self.entries.len()
    }

    /// What the name of that number stands for, as the folder says.
    pub fn kind(&self, at: usize) -> Kind {
        self.entries[at].1
    }

    /// Takes note of what it stands for.
    pub fn set_kind(&mut self, at: usize, kind: Kind) {
        self.entries[at].1 = kind;
    }

    /// The bytes of the name of that number.
    pub fn name(&self, at: usize) -> &[u8] {
        let with_nul = self.with_nul(at);
        &with_nul[..with_nul.len() - 1]
    }

    fn with_nul(&self, at: usize) -> &[u8] {
        let end = self.entries.get(at + 1).map_or(self.names.len(), |next| next.0);
        &self.names[self.entries[at].0..end]
    }
}

/// A name as paths are made of it.
#[cfg(unix)]
pub fn os_name(name: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name)
}

/// A name as paths are made of it; what is no text there cannot be written here.
#[cfg(not(unix))]
pub fn os_name(name: &[u8]) -> &OsStr {
    OsStr::new(str::from_utf8(name).unwrap_or_default())
}

#[cfg(target_os = "linux")]
type Open = rustix::fd::OwnedFd;

#[cfg(target_os = "linux")]
impl Listing {
    /// Lists the folder at `path`.
    pub fn of(path: &Path) -> io::Result<Self> {
        use rustix::fs::{Mode, OFlags, RawDir, open};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(path, flags, Mode::empty())?;
        let mut buffer = Vec::with_capacity(32 << 10);
        let (mut names, mut entries) = (Vec::with_capacity(1 << 10), Vec::with_capacity(64));
        let mut raw = RawDir::new(&folder, buffer.spare_capacity_mut());
        while let Some(entry) = raw.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes_with_nul();
            if name != b".\0" && name != b"..\0" {
                entries.push((names.len(), Kind::of(entry.file_type())));
                names.extend_from_slice(name);
            }
        }
        Ok(Self { names, entries, folder })
    }

    /// What the system knows of the name of that number, which is not followed if it is a link.
    pub fn look(&self, at: usize) -> io::Result<(Kind, Stat)> {
        use rustix::fs::{AtFlags, FileType, statat};
        // There is one NUL, and it is the last byte.
        let name = std::ffi::CStr::from_bytes_with_nul(self.with_nul(at)).unwrap_or_default();
        let found = statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((Kind::of(FileType::from_raw_mode(found.st_mode)), Stat::of_raw(&found)))
    }
}

#[cfg(target_os = "linux")]
impl Kind {
    fn of(kind: rustix::fs::FileType) -> Self {
        use rustix::fs::FileType;
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Symlink,
            FileType::Unknown => Self::Unknown,
            _ => Self::Special,
        }
    }
}

#[cfg(not(target_os = "linux"))]
type Open = std::path::PathBuf;

#[cfg(not(target_os = "linux"))]
impl Listing {
    /// Lists the folder at `path`.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut list = Self { names: Vec::new(), entries: Vec::new(), folder: path.to_owned() };
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let kind = entry.file_type().map_or(Kind::Unknown, Kind::of);
            list.entries.push((list.names.len(), kind));
            list.names.extend_from_slice(entry.file_name().as_encoded_bytes());
            list.names.push(0);
        }
        Ok(list)
    }

    /// What the system knows of the name of that number, which is not followed if it is a link.
    pub fn look(&self, at: usize) -> io::Result<(Kind, Stat)> {
        let found = std::fs::symlink_metadata(self.folder.join(os_name(self.name(at))))?;
        Ok((Kind::of(found.file_type()), Stat::of(&found)))
    }
}

#[cfg(not(target_os = "linux"))]
impl Kind {
    fn of(kind: std::fs::FileType) -> Self {
        match (kind.is_file(), kind.is_dir(), kind.is_symlink()) {
            (true, _, _) => Self::File,
            (_, true, _) => Self::Folder,
            (_, _, true) => Self::Symlink,
            _ => Self::Special,
        }
    }
}
