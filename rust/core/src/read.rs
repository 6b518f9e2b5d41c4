//! Bytes to text, or the reason why not.

use std::borrow::Cow;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::retry::{Retry, is_transient};
use crate::sealed::Fixed;

/// Changes whenever the text or the skips of any file change; part of the index fingerprint.
pub const READ_VERSION: u32 = 1;

/// A NUL among this many first bytes means binary, as git and grep decide it.
const SNIFF_BYTES: usize = 8_000;

/// Why a file that was seen is not indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// It holds NUL bytes and no byte order mark explains them.
    Binary,
    /// It is larger than the configured limit.
    TooLarge,
    /// It could not be opened or read, or its folder could not be listed.
    Unreadable,
    /// It is a symbolic link; what it points to is indexed where it lies, if it lies in the tree.
    Symlink,
    /// It is a FIFO, a socket or a device.
    Special,
    /// It went away between the scan and the read.
    Vanished,
    /// Its name says that it holds secrets; it was not read.
    Sensitive,
    /// The system could not open or list it just now. What is known of it, and of what lies below
    /// it, is still the best there is.
    Busy,
}

impl Reason {
    /// The reason as shown in reports and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
            Self::Symlink => "symlink",
            Self::Special => "special",
            Self::Vanished => "vanished",
            Self::Sensitive => "sensitive",
            Self::Busy => "busy",
        }
    }
}

/// One row of the skip ledger, without its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The reason.
    pub reason: Reason,
    /// What a person needs to know beyond the reason; may be empty.
    pub detail: String,
}

impl Skip {
    /// A skip with its detail.
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        Self { reason, detail: detail.to_string() }
    }

    /// The skip for a file or folder that could not be opened or read.
    ///
    /// Details are the same in every run that meets the same file: a ledger that did not change
    /// makes no generation.
    pub fn from_io(error: &io::Error) -> Self {
        use io::ErrorKind::{NotADirectory, NotFound};
        match error.kind() {
            // A folder on the way may have become a file.
            NotFound | NotADirectory => Self::new(Reason::Vanished, ""),
            _ if is_transient(error) => Self::new(Reason::Busy, error),
            _ => Self::new(Reason::Unreadable, error),
        }
    }

    /// The skip for a symbolic link: it names what the link points to.
    pub fn symlink(path: &Path) -> Self {
        let target = std::fs::read_link(path).map(|target| target.display().to_string());
        Self::new(Reason::Symlink, target.unwrap_or_default())
    }

    /// The skip for a file whose name says that it holds secrets, by the rule that knows it.
    pub fn sensitive(rule: &str) -> Self {
        Self::new(Reason::Sensitive, rule)
    }

    /// The skip for what is neither file, folder nor link.
    pub fn special() -> Self {
        Self::new(Reason::Special, "not a regular file")
    }
}

/// Why a file could not be read.
#[derive(Debug)]
pub enum Unread {
    /// It is not to be indexed.
    Skip(Skip),
    /// The system was asked several times and is still too busy to say.
    Busy(io::Error),
    /// Somebody asked to end.
    Cancelled,
}

impl Unread {
    /// The row of the ledger that a scan makes of it; it asks again next time.
    pub fn into_skip(self) -> Skip {
        match self {
            Self::Skip(skip) => skip,
            Self::Busy(error) => Skip::from_io(&error),
            Self::Cancelled => Skip::new(Reason::Unreadable, "cancelled"),
        }
    }
}

/// How the bytes of a file become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf8Bom,
    Utf16Le,
    Utf16Be,
}

/// Decides whether `bytes`, a whole file, are text.
pub fn sniff(bytes: &[u8]) -> Result<(), Skip> {
    encoding(bytes).map(|_| ())
}

fn encoding(bytes: &[u8]) -> Result<Encoding, Skip> {
    match bytes {
        [0xEF, 0xBB, 0xBF, ..] => Ok(Encoding::Utf8Bom),
        // FF FE 00 00 is UTF-32, which nobody writes source in.
        [0xFF, 0xFE, 0, 0, ..] => Err(Skip::new(Reason::Binary, "UTF-32")),
        [0xFF, 0xFE, ..] => Ok(Encoding::Utf16Le),
        [0xFE, 0xFF, ..] => Ok(Encoding::Utf16Be),
        _ => {
            let head = &bytes[..bytes.len().min(SNIFF_BYTES)];
            match memchr::memchr(0, head) {
                // Not where: that may differ each time the file is written.
                Some(_) => Err(Skip::new(Reason::Binary, "a NUL byte near its start")),
                None => Ok(Encoding::Utf8),
            }
        }
    }
}

/// The text of a file and whether it had to be decoded as something else than UTF-8.
#[derive(Debug)]
pub struct Text<'a> {
    /// The text, without a byte order mark.
    pub text: Cow<'a, str>,
    /// The encoding's name when it is not UTF-8.
    pub decoded_as: Option<&'static str>,
}

/// Decodes a whole file: UTF-8, UTF-16 by its byte order mark, else as windows-1252, which gives
/// every byte a character and so loses nothing.
pub fn decode(bytes: &[u8]) -> Result<Text<'_>, Skip> {
    let (body, codec) = match encoding(bytes)? {
        Encoding::Utf8 => (bytes, None),
        Encoding::Utf8Bom => (&bytes[3..], None),
        Encoding::Utf16Le => (&bytes[2..], Some(encoding_rs::UTF_16LE)),
        Encoding::Utf16Be => (&bytes[2..], Some(encoding_rs::UTF_16BE)),
    };
    let codec = match codec {
        Some(codec) => codec,
        None => match str::from_utf8(body) {
            Ok(text) => return Ok(Text { text: Cow::Borrowed(text), decoded_as: None }),
            Err(_) => encoding_rs::WINDOWS_1252,
        },
    };
    let (text, _) = codec.decode_without_bom_handling(body);
    Ok(Text { text, decoded_as: Some(codec.name()) })
}

/// Size, times and inode: equal ones mean the same content, unless the file is racy
/// ([`crate::walk::StatCache`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// Size in bytes.
    pub size: u64,
    /// Time of last modification, nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Time of last change of the inode, nanoseconds since the epoch.
    pub ctime_ns: i64,
    /// Inode number.
    pub inode: u64,
}

impl Stat {
    /// The stat of a file's metadata.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            size: metadata.size(),
            mtime_ns: metadata
                .mtime()
                .wrapping_mul(1_000_000_000)
                .wrapping_add(metadata.mtime_nsec()),
            ctime_ns: metadata
                .ctime()
                .wrapping_mul(1_000_000_000)
                .wrapping_add(metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    /// The same of what the system call answers.
    #[cfg(target_os = "linux")]
    #[allow(clippy::cast_possible_wrap, clippy::unnecessary_cast)] // Types differ by architecture.
    pub fn of_raw(stat: &rustix::fs::Stat) -> Self {
        let time =
            |seconds: i64, ns: u64| seconds.wrapping_mul(1_000_000_000).wrapping_add(ns as i64);
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime_ns: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            ctime_ns: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
            inode: stat.st_ino as u64,
        }
    }

    /// The stat of a file's metadata, where there is neither inode nor ctime to be had.
    #[cfg(not(unix))]
    pub fn of(metadata: &Metadata) -> Self {
        let mtime = metadata.modified().ok();
        let since = mtime.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        let mtime_ns = since.and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or_default();
        Self { size: metadata.len(), mtime_ns, ctime_ns: mtime_ns, inode: 0 }
    }
}

impl Fixed for Stat {
    const SIZE: usize = 32;

    fn put(&self, bytes: &mut Vec<u8>) {
        [self.size, self.inode].put(bytes);
        [self.mtime_ns, self.ctime_ns].put(bytes);
    }

    fn take(bytes: &[u8]) -> Self {
        let [size, inode] = Fixed::take(&bytes[..16]);
        let [mtime_ns, ctime_ns] = Fixed::take(&bytes[16..]);
        Self { size, mtime_ns, ctime_ns, inode }
    }
}

/// Bytes read between looks at the cancel flag.
const STEP: u64 = 16 << 20;

/// Reads a whole file into `buffer` and returns its stat, or `None` in its place if the file
/// changed while it was read: the bytes are then some state of the file, but no stat can vouch
/// for them.
///
/// No part of `path` may be a link by now, so it must lie below a canonical root. More than `limit` bytes are never read, however large the file has grown since it was listed.
pub fn read_into(
    path: &Path,
    limit: u64,
    retry: &Retry,
    buffer: &mut Vec<u8>,
) -> Result<Option<Stat>, Unread> {
    match retry.run(|| read_once(path, limit, retry.cancel(), buffer)) {
        Ok(read) => read,
        Err(error) if is_transient(&error) => Err(Unread::Busy(error)),
        Err(error) => Err(Unread::Skip(Skip::from_io(&error))),
    }
}

fn read_once(
    path: &Path,
    limit: u64,
    cancel: &Cancel,
    buffer: &mut Vec<u8>,
) -> io::Result<Result<Option<Stat>, Unread>> {
    buffer.clear();
    let mut file = match open_regular(path)? {
        Ok(file) => file,
        Err(skip) => return Ok(Err(Unread::Skip(skip))),
    };
    let before = Stat::of(&file.metadata()?);
    if before.size > limit {
        return Ok(Err(Unread::Skip(too_large(limit))));
    }
    buffer.reserve(usize::try_from(before.size).unwrap_or(0) + 1);
    loop {
        if cancel.is_cancelled() {
            return Ok(Err(Unread::Cancelled));
        }
        let room = limit.saturating_add(1) - buffer.len() as u64;
        let wanted = room.min(STEP);
        let read = (&mut file).take(wanted).read_to_end(buffer)? as u64;
        if read < wanted || wanted == room {
            break;
        }
    }
    if buffer.len() as u64 > limit {
        return Ok(Err(Unread::Skip(too_large(limit))));
    }
    let after = Stat::of(&file.metadata()?);
    Ok(Ok((before == after && after.size == buffer.len() as u64).then_some(after)))
}

/// The skip for a file of more than `limit` bytes. Not how large it is: a log that grows would
/// change the ledger, and with it the generation, in every run.
pub fn too_large(limit: u64) -> Skip {
    Skip::new(Reason::TooLarge, format!("larger than the limit of {limit} bytes"))
}

/// Opens a regular file without following a link or waiting for a FIFO's writer: whatever stands
/// at the path by now, this returns at once.
#[cfg(unix)]
fn open_regular(path: &Path) -> io::Result<Result<File, Skip>> {
    match open_linkless(path) {
        Ok(file) => regular(file),
        Err(error) => match error.raw_os_error() {
            Some(libc::ELOOP) if path.is_symlink() => Ok(Err(Skip::symlink(path))),
            // A folder on the way became a link: what was meant is no longer there.
            Some(libc::ELOOP) => Ok(Err(Skip::new(Reason::Vanished, ""))),
            // What opening a socket answers, and a device that is gone.
            Some(libc::ENXIO | libc::ENODEV) => Ok(Err(Skip::special())),
            _ => Err(error),
        },
    }
}

/// Opens `path` unless any part of it is a link: then ELOOP.
#[cfg(target_os = "linux")]
fn open_linkless(path: &Path) -> io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Ok(file) => Ok(file.into()),
        // Linux before 5.6, and sandboxes that do not know the call.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => open_then_look(path),
        Err(error) => Err(error.into()),
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
use open_then_look as open_linkless;

/// The same where the system cannot be asked for it in one step.
#[cfg(unix)]
fn open_then_look(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // The values of O_NONBLOCK and O_NOFOLLOW differ between systems; libc names them.
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match path.parent() {
        Some(folder) if folder.canonicalize()? != folder => {
            Err(io::Error::from_raw_os_error(libc::ELOOP))
        }
        _ => Ok(file),
    }
}

#[cfg(not(unix))]
fn open_regular(path: &Path) -> io::Result<Result<File, Skip>> {
    regular(File::open(path)?)
}

fn regular(file: File) -> io::Result<Result<File, Skip>> {
    let is_file = file.metadata()?.is_file();
    Ok(if is_file { Ok(file) } else { Err(Skip::special()) })
}

/// Reads at most `limit` bytes of a regular file, links followed; `None` if there is no such
/// file, it is larger, or it cannot be read.
pub fn read_small(path: &Path, limit: u64, retry: &Retry) -> Option<Vec<u8>> {
    let read = retry.run(|| {
        let mut options = std::fs::OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
        let file = options.open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= limit).then_some(bytes))
    });
    read.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> (String, Option<&'static str>) {
        let decoded = decode(bytes).expect("text");
        (decoded.text.into_owned(), decoded.decoded_as)
    }

    #[test]
    fn utf8_utf16_and_8_bit_files_become_text() {
        assert_eq!(text("naïve".as_bytes()), ("naïve".to_owned(), None));
        assert_eq!(text(b"\xEF\xBB\xBFx = 1"), ("x = 1".to_owned(), None));
        assert_eq!(text(b"\xFF\xFEh\0i\0"), ("hi".to_owned(), Some("UTF-16LE")));
        assert_eq!(text(b"\xFE\xFF\0h\0i"), ("hi".to_owned(), Some("UTF-16BE")));
        assert_eq!(text(b"caf\xe9"), ("café".to_owned(), Some("windows-1252")));
        assert_eq!(text(b""), (String::new(), None));
    }

    #[test]
    fn a_nul_near_the_start_means_binary_and_a_late_one_does_not() {
        assert_eq!(sniff(b"\x7fELF\0").expect_err("binary").reason, Reason::Binary);
        let mut late = vec![b'a'; SNIFF_BYTES];
        late.push(0);
        assert!(sniff(&late).is_ok());
    }

    #[test]
    fn reading_never_goes_beyond_the_limit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = folder.path().canonicalize().expect("a path");
        let path = place.join("f");
        std::fs::write(&path, [b'x'; 100]).expect("written");
        let mut buffer = Vec::new();
        let mut read = |path: &Path, limit| {
            let read = read_into(path, limit, &Retry::default(), &mut buffer);
            read.map(|stat| (stat.is_some(), buffer.len())).map_err(Unread::into_skip)
        };
        assert_eq!(read(&path, 100), Ok((true, 100)));
        let mut reason = |path: &Path, limit| read(path, limit).expect_err("a skip").reason;
        assert_eq!(reason(&path, 99), Reason::TooLarge);
        assert_eq!(reason(&place.join("none"), 9), Reason::Vanished);
        assert_eq!(reason(&path.join("below a file"), 9), Reason::Vanished);
        assert_eq!(reason(&place, 9), Reason::Special);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = folder.path().canonicalize().expect("a path");
        let link = place.join("l");
        std::os::unix::fs::symlink("/etc/passwd", &link).expect("linked");
        let read = read_into(&link, 9_999, &Retry::default(), &mut Vec::new());
        let skip = read.expect_err("a skip").into_skip();
        assert_eq!((skip.reason, &*skip.detail), (Reason::Symlink, "/etc/passwd"));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_became_a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = folder.path().canonicalize().expect("a path");
        std::fs::create_dir(place.join("real")).expect("a folder");
        std::fs::write(place.join("real/f"), "x").expect("written");
        std::os::unix::fs::symlink("real", place.join("link")).expect("linked");
        let read = |path: &str| {
            read_into(&place.join(path), 9, &Retry::default(), &mut Vec::new())
                .map_err(|unread| unread.into_skip().reason)
                .map(|stat| stat.is_some())
        };
        assert_eq!(read("real/f"), Ok(true));
        assert_eq!(read("link/f"), Err(Reason::Vanished));
        assert!(open_then_look(&place.join("real/f")).is_ok());
        let error = open_then_look(&place.join("link/f")).expect_err("followed");
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    }

    #[cfg(unix)]
    #[test]
    fn a_busy_file_is_told_apart_from_one_that_is_skipped() {
        let busy = io::Error::from_raw_os_error(libc::ESTALE);
        assert!(is_transient(&busy));
        assert_eq!(Unread::Busy(busy).into_skip().reason, Reason::Busy);
    }
}
