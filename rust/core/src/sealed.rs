//! Binary files that know when they are damaged: magic, format number, body, digest.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::error::{Error, Result};

/// What kind of file it is and which format of it this version writes.
#[derive(Clone, Copy, Debug)]
pub struct Seal {
    /// The first eight bytes of the file.
    pub magic: [u8; 8],
    /// The format number.
    pub format: u32,
}

/// Bytes before the body: magic and format number.
const HEADER: usize = 12;
/// Bytes after the body: its digest, header included.
const TRAILER: usize = 32;
/// Bytes that are written at once.
const BUFFER: usize = 1 << 16;

impl Seal {
    /// Writes `value` to `path` in one atomic step and returns the digest of the file. With
    /// `durable`, file and folder have reached the disk when this returns.
    pub fn write<T: Serialize>(self, path: &Path, value: &T, durable: bool) -> Result<Digest> {
        let mut digest = Digest::default();
        replace_by(path, durable, |file| {
            // Not in memory first: the pages of some megabytes take longer than their bytes.
            let mut sealed = BufWriter::with_capacity(BUFFER, Sealing::new(file));
            sealed.write_all(&self.magic)?;
            sealed.write_all(&self.format.to_le_bytes())?;
            if let Err(error) = postcard::to_io(value, &mut sealed) {
                // postcard does not say what the disk said.
                let failed = sealed.get_mut().failed.take();
                return Err(failed.unwrap_or_else(|| io::Error::other(error)));
            }
            let Sealing { file, hasher, .. } =
                sealed.into_inner().map_err(io::IntoInnerError::into_error)?;
            digest = Digest::from_hash(hasher.finalize());
            file.write_all(digest.as_bytes())
        })
        .map_err(Error::io(path))?;
        Ok(digest)
    }

    /// Reads what [`Seal::write`] wrote, with its digest; `None` if there is no such file.
    pub fn read<T: DeserializeOwned>(self, path: &Path) -> Result<Option<(T, Digest)>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path)(error)),
        };
        let corrupt =
            |detail: &str| Error::Corrupt { path: path.to_owned(), detail: detail.to_owned() };
        if bytes.len() < HEADER + TRAILER || bytes[..8] != self.magic {
            return Err(corrupt("it does not start as it should"));
        }
        let (sealed, trailer) = bytes.split_at(bytes.len() - TRAILER);
        let digest = Digest::of(sealed);
        if digest.as_bytes() != trailer {
            return Err(corrupt("its digest does not match its content"));
        }
        let mut format = [0; 4];
        format.copy_from_slice(&sealed[8..HEADER]);
        let found = u32::from_le_bytes(format);
        if found != self.format {
            return Err(Error::Format { path: path.to_owned(), found, expected: self.format });
        }
        let value =
            postcard::from_bytes(&sealed[HEADER..]).map_err(|error| corrupt(&error.to_string()))?;
        Ok(Some((value, digest)))
    }
}

/// A file whose bytes are hashed on their way.
struct Sealing<'a> {
    file: &'a mut File,
    hasher: blake3::Hasher,
    failed: Option<io::Error>,
}

impl<'a> Sealing<'a> {
    fn new(file: &'a mut File) -> Self {
        Self { file, hasher: blake3::Hasher::new(), failed: None }
    }
}

impl Write for Sealing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes).inspect_err(|error| {
            // What is interrupted is tried again.
            if error.kind() != ErrorKind::Interrupted {
                self.failed = error.raw_os_error().map(io::Error::from_raw_os_error);
            }
        })?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A value that takes the same number of bytes whatever it is.
pub trait Fixed: Sized {
    /// How many.
    const SIZE: usize;
    /// Appends its bytes.
    fn put(&self, bytes: &mut Vec<u8>);
    /// Reads it from so many bytes.
    fn take(bytes: &[u8]) -> Self;
}

/// A column of such values, stored as one string of bytes: reading it is little more than copying.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed<T>(pub Vec<T>);

impl<T: Fixed> Serialize for Packed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.0.len() * T::SIZE);
        self.0.iter().for_each(|value| value.put(&mut bytes));
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de, T: Fixed> Deserialize<'de> for Packed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Column<T>(std::marker::PhantomData<T>);
        impl<T: Fixed> Visitor<'_> for Column<T> {
            type Value = Packed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a column of values of {} bytes each", T::SIZE)
            }

            fn visit_bytes<E: serde::de::Error>(
                self,
                bytes: &[u8],
            ) -> std::result::Result<Self::Value, E> {
                let values = bytes.chunks_exact(T::SIZE);
                if !values.remainder().is_empty() {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Ok(Packed(values.map(T::take).collect()))
            }
        }
        deserializer.deserialize_bytes(Column(std::marker::PhantomData))
    }
}

macro_rules! fixed_integer {
    ($($integer:ty),*) => {$(
        impl Fixed for $integer {
            const SIZE: usize = size_of::<Self>();

            fn put(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn take(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<Self>()];
                own.copy_from_slice(bytes);
                Self::from_le_bytes(own)
            }
        }
    )*};
}

fixed_integer!(u16, u32, u64, i64);

impl<T: Fixed, const N: usize> Fixed for [T; N] {
    const SIZE: usize = T::SIZE * N;

    fn put(&self, bytes: &mut Vec<u8>) {
        for value in self {
            value.put(bytes);
        }
    }

    fn take(bytes: &[u8]) -> Self {
        std::array::from_fn(|at| T::take(&bytes[at * T::SIZE..(at + 1) * T::SIZE]))
    }
}

impl Fixed for Digest {
    const SIZE: usize = 32;

    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.as_bytes());
    }

    fn take(bytes: &[u8]) -> Self {
        let mut own = [0; 32];
        own.copy_from_slice(bytes);
        Self::from_bytes(own)
    }
}

/// Puts a file with these bytes in the place of `path`, in one atomic step. With `durable`, file
/// and folder have reached the disk when this returns.
pub fn replace(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    replace_by(path, durable, |file| file.write_all(bytes))
}

/// The same with what `write` writes.
fn replace_by(
    path: &Path,
    durable: bool,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    // One writer at a time holds the index. What a killed one leaves of its temporary files the
    // next one removes, by this name.
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let written = File::create(&temporary)
        .and_then(|mut file| {
            write(&mut file)?;
            if durable { file.sync_all() } else { Ok(()) }
        })
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| match path.parent() {
            Some(folder) if durable => sync_folder(folder),
            _ => Ok(()),
        });
    if written.is_err() {
        // The file is of no use to anybody; that it may be gone already is fine.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Makes the names in a folder durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows keeps names durable with the files and cannot open a folder for this.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: Seal = Seal { magic: *b"HYBXTEST", format: 3 };

    #[test]
    fn a_sealed_file_comes_back_and_any_flipped_byte_is_noticed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("f.bin");
        assert!(SEAL.read::<Vec<u32>>(&path).expect("no file").is_none());
        let digest = SEAL.write(&path, &vec![1_u32, 2, 3], true).expect("written");
        let (back, same) = SEAL.read::<Vec<u32>>(&path).expect("read").expect("there");
        assert_eq!((back, same), (vec![1, 2, 3], digest));
        let bytes = fs::read(&path).expect("bytes");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, &damaged).expect("written");
            assert!(SEAL.read::<Vec<u32>>(&path).is_err(), "flip at {at} went unnoticed");
            fs::write(&path, &bytes[..at]).expect("written");
            assert!(SEAL.read::<Vec<u32>>(&path).is_err(), "cut at {at} went unnoticed");
        }
    }

    #[test]
    fn a_column_comes_back_as_it_was_and_one_cut_short_is_an_error() {
        let column = Packed(vec![[1_u32, u32::MAX], [0, 7]]);
        let mut bytes = postcard::to_allocvec(&column).expect("written");
        assert_eq!(postcard::from_bytes::<Packed<[u32; 2]>>(&bytes).expect("read"), column);
        // The length says one byte less than whole values have.
        bytes[0] -= 1;
        assert!(postcard::from_bytes::<Packed<[u32; 2]>>(&bytes).is_err());
    }

    #[test]
    fn another_format_is_told_apart_from_damage() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("f.bin");
        Seal { format: 2, ..SEAL }.write(&path, &1_u32, false).expect("written");
        assert!(matches!(
            SEAL.read::<u32>(&path),
            Err(Error::Format { found: 2, expected: 3, .. })
        ));
    }
}
