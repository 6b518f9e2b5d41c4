//! Bytes to text, or the reason why not.

use std::borrow::Cow;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

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

    /// The skip for a file that could not be opened or read.
    pub fn from_io(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::new(Reason::Vanished, "")
        } else {
            Self::new(Reason::Unreadable, error)
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
                Some(at) => Err(Skip::new(Reason::Binary, format!("NUL byte at offset {at}"))),
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

    /// The stat of a file's metadata, where there is neither inode nor ctime to be had.
    #[cfg(not(unix))]
    pub fn of(metadata: &Metadata) -> Self {
        let mtime = metadata.modified().ok();
        let since = mtime.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        let mtime_ns = since.and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or_default();
        Self { size: metadata.len(), mtime_ns, ctime_ns: mtime_ns, inode: 0 }
    }
}

/// Reads a whole file into `buffer` and returns its stat, or `None` in its place if the file
/// changed while it was read: the bytes are then some state of the file, but no stat can vouch
/// for them.
///
/// More than `limit` bytes are never read, however large the file has grown since it was listed.
pub fn read_into(path: &Path, limit: u64, buffer: &mut Vec<u8>) -> Result<Option<Stat>, Skip> {
    let failed = |error: io::Error| Skip::from_io(&error);
    buffer.clear();
    let mut file = open_regular(path)?;
    let before = Stat::of(&file.metadata().map_err(failed)?);
    if before.size > limit {
        return Err(too_large(before.size, limit));
    }
    let mut bounded = (&mut file).take(limit.saturating_add(1));
    buffer.reserve(usize::try_from(before.size).unwrap_or(0) + 1);
    bounded.read_to_end(buffer).map_err(failed)?;
    if buffer.len() as u64 > limit {
        return Err(too_large(buffer.len() as u64, limit));
    }
    let after = Stat::of(&file.metadata().map_err(failed)?);
    Ok((before == after && after.size == buffer.len() as u64).then_some(after))
}

/// The skip for a file of `size` bytes.
pub fn too_large(size: u64, limit: u64) -> Skip {
    Skip::new(Reason::TooLarge, format!("{size} bytes, the limit is {limit}"))
}

/// Opens without following a link or waiting for a FIFO's writer: whatever stands at the path by
/// now, this returns at once.
#[cfg(unix)]
fn open_regular(path: &Path) -> Result<File, Skip> {
    use std::os::unix::fs::OpenOptionsExt;
    // The values of O_NONBLOCK and O_NOFOLLOW differ between systems; libc names them.
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| {
        if error.raw_os_error() == Some(libc::ELOOP) {
            Skip::new(Reason::Symlink, "")
        } else {
            Skip::from_io(&error)
        }
    })?;
    regular(file)
}

#[cfg(not(unix))]
fn open_regular(path: &Path) -> Result<File, Skip> {
    regular(File::open(path).map_err(|error| Skip::from_io(&error))?)
}

fn regular(file: File) -> Result<File, Skip> {
    let kind = file.metadata().map_err(|error| Skip::from_io(&error))?.file_type();
    if kind.is_file() { Ok(file) } else { Err(Skip::new(Reason::Special, "not a regular file")) }
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
        let path = folder.path().join("f");
        std::fs::write(&path, [b'x'; 100]).expect("written");
        let mut buffer = Vec::new();
        assert!(read_into(&path, 100, &mut buffer).expect("read").is_some());
        assert_eq!(buffer.len(), 100);
        assert_eq!(read_into(&path, 99, &mut buffer).expect_err("skip").reason, Reason::TooLarge);
        let missing = folder.path().join("none");
        assert_eq!(read_into(&missing, 9, &mut buffer).expect_err("skip").reason, Reason::Vanished);
        assert_eq!(
            read_into(folder.path(), 9, &mut buffer).expect_err("skip").reason,
            Reason::Special
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("l")).expect("linked");
        let skip = read_into(&folder.path().join("l"), 9_999, &mut Vec::new()).expect_err("skip");
        assert_eq!(skip.reason, Reason::Symlink);
    }
}
