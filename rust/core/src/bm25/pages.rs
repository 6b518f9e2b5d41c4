//! Files that know when they are damaged: a checksum for every page, looked at as it is read.
//!
//! Tantivy trusts what it reads. A flipped bit in a length makes it ask for more memory than there
//! is, which ends the process; one in a list of documents gives wrong answers. Its own checksum is
//! over a whole file, which nobody can afford to read before a search.
//!
//! A file is its content, then the checksums of its pages, then what [`Trailer`] holds.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::HasLen;
use tantivy::directory::{FileHandle, OwnedBytes};

/// Bytes that share a checksum. It takes about as long to check them as to fetch them.
const PAGE: usize = 1 << 14;

/// Longer reads are not checked: they are dictionaries and columns of large segments, opened whole
/// and used in a few places. `Searcher::damaged` reads those, too.
const LONG: usize = 4 << 20;

const MAGIC: u32 = u32::from_le_bytes(*b"HyPg");

/// What a file ends with.
struct Trailer {
    length: u64,
    /// Of the checksums of the pages.
    checksum: u32,
}

impl Trailer {
    const SIZE: usize = 16;

    fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[12..].copy_from_slice(&MAGIC.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (checksum, magic) = rest.split_first_chunk()?;
        (magic == MAGIC.to_le_bytes()).then_some(Self {
            length: u64::from_le_bytes(*length),
            checksum: u32::from_le_bytes(*checksum),
        })
    }
}

/// The checksums of a file that is being written.
#[derive(Default)]
pub(super) struct Sums {
    pages: Vec<u8>,
    open: crc32fast::Hasher,
    length: usize,
}

impl Sums {
    /// Takes what was written next.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = PAGE - self.length % PAGE;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.open.update(now);
            self.length += now.len();
            if self.length.is_multiple_of(PAGE) {
                self.close();
            }
            bytes = later;
        }
    }

    fn close(&mut self) {
        let sum = std::mem::take(&mut self.open).finalize();
        self.pages.extend_from_slice(&sum.to_le_bytes());
    }

    /// What is to be written after the content.
    pub fn finish(mut self) -> Vec<u8> {
        if !self.length.is_multiple_of(PAGE) {
            self.close();
        }
        let trailer =
            Trailer { length: self.length as u64, checksum: crc32fast::hash(&self.pages) };
        self.pages.extend_from_slice(&trailer.to_bytes());
        self.pages
    }
}

/// The content of a file whose pages are checked when they are first read.
#[derive(Debug)]
pub(super) struct Checked {
    file: Arc<dyn FileHandle>,
    length: usize,
    sums: OwnedBytes,
    /// A bit for each page that was found to be right.
    right: Vec<AtomicU64>,
}

impl Checked {
    /// Opens a file that was written with its [`Sums`].
    pub fn open(file: Arc<dyn FileHandle>) -> io::Result<Self> {
        let size = file.len();
        let end = size.checked_sub(Trailer::SIZE).ok_or_else(|| damaged("it is cut short"))?;
        let trailer = Trailer::parse(&file.read_bytes(end..size)?);
        let trailer = trailer.ok_or_else(|| damaged("its end is not what was written"))?;
        let length = usize::try_from(trailer.length).ok();
        let pages = length.map(|length| length.div_ceil(PAGE));
        let sums =
            pages.and_then(|pages| pages.checked_mul(4)).and_then(|sums| end.checked_sub(sums));
        let (Some(length), Some(pages), Some(start)) = (length, pages, sums) else {
            return Err(damaged("its length is not what was written"));
        };
        let sums = file.read_bytes(start..end)?;
        if start != length || crc32fast::hash(&sums) != trailer.checksum {
            return Err(damaged("its checksums are not what was written"));
        }
        let right = (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { file, length, sums, right })
    }

    fn check(&self, page: usize) -> io::Result<()> {
        let (word, bit) = (&self.right[page / 64], 1 << (page % 64));
        if word.load(Ordering::Relaxed) & bit != 0 {
            return Ok(());
        }
        let start = page * PAGE;
        let bytes = self.file.read_bytes(start..self.length.min(start + PAGE))?;
        if self.sums[page * 4..][..4] != crc32fast::hash(&bytes).to_le_bytes() {
            return Err(damaged(&format!("the bytes from {start} on are not what was written")));
        }
        word.fetch_or(bit, Ordering::Relaxed);
        Ok(())
    }
}

impl HasLen for Checked {
    fn len(&self) -> usize {
        self.length
    }
}

impl FileHandle for Checked {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        if range.start > range.end || range.end > self.length {
            return Err(damaged(&format!("{range:?} is not in it")));
        }
        if range.len() <= LONG {
            for page in range.start / PAGE..range.end.div_ceil(PAGE) {
                self.check(page)?;
            }
        }
        self.file.read_bytes(range)
    }
}

fn damaged(detail: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(content: &[u8], pieces: usize) -> Vec<u8> {
        let mut sums = Sums::default();
        content.chunks(pieces.max(1)).for_each(|piece| sums.update(piece));
        let mut file = content.to_vec();
        file.extend(sums.finish());
        file
    }

    fn opened(file: Vec<u8>) -> io::Result<Checked> {
        Checked::open(Arc::new(OwnedBytes::new(file)))
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| u8::try_from(n * 31 % 251).expect("a byte")).collect()
    }

    #[test]
    fn any_part_can_be_read_however_it_was_written() {
        for length in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 5 * PAGE + 7] {
            let whole = content(length);
            for pieces in [1000, PAGE, 2 * PAGE + 1] {
                let file = opened(written(&whole, pieces)).expect("opened");
                assert_eq!(file.len(), length);
                for range in [0..length, length / 3..length, length / 2..length / 2] {
                    let read = file.read_bytes(range.clone()).expect("read");
                    assert_eq!(&*read, &whole[range]);
                }
                assert!(file.read_bytes(0..length + 1).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn a_changed_or_missing_byte_is_noticed(
            length in 1..3 * PAGE, at in 0..4 * PAGE, change in 1..=255_u8, cut: bool
        ) {
            let whole = content(length);
            let mut file = written(&whole, 999);
            let at = at % file.len();
            if cut { file.truncate(at) } else { file[at] ^= change }
            let read = opened(file).and_then(|file| file.read_bytes(0..length));
            prop_assert!(read.is_err());
        }
    }
}
