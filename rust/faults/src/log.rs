//! The record of what was done: one line a change.
//!
//! `count TAB op TAB result TAB path TAB second path`. The count is 0 for what is not counted;
//! the result is what the kernel said (an error is negative), `!` where the process was killed
//! before it could say anything. Paths are relative to the index's folder, `.` is the folder.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::kernel::{self, Name};
use crate::plan::Watch;

/// What can be done to a file. The names are those of `tests/faults.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Op {
    /// A file that was not there was opened for writing.
    Create,
    /// A file that was there was opened for writing; nothing has changed yet.
    Open,
    /// A file was cut, when it was opened or later, or made longer.
    Truncate,
    /// Bytes were written.
    Write,
    /// A file or a folder reached the disk.
    Sync,
    /// A name was changed.
    Rename,
    /// A second name was given.
    Link,
    /// A name was removed.
    Unlink,
    /// A folder was made.
    Mkdir,
    /// A folder was removed.
    Rmdir,
    /// The writer's lock was taken.
    Lock,
    /// The writer's lock was released.
    Unlock,
}

impl Op {
    /// The bit that stands for it in a plan.
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Whether it changes what is on the disk, so that it counts.
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::Lock | Self::Unlock)
    }

    const fn name(self) -> &'static [u8] {
        match self {
            Self::Create => b"create",
            Self::Open => b"open",
            Self::Truncate => b"truncate",
            Self::Write => b"write",
            Self::Sync => b"sync",
            Self::Rename => b"rename",
            Self::Link => b"link",
            Self::Unlink => b"unlink",
            Self::Mkdir => b"mkdir",
            Self::Rmdir => b"rmdir",
            Self::Lock => b"lock",
            Self::Unlock => b"unlock",
        }
    }
}

/// Lines so far.
static LINES: AtomicU64 = AtomicU64::new(0);

/// Writes a line; `None` is a change that never ended. Returns its number, from 0.
pub fn write(
    watch: &Watch,
    count: u64,
    op: Op,
    result: Option<i64>,
    one: &Name,
    two: &Name,
) -> u64 {
    let mut line = Name::new();
    line.push_number(count.cast_signed());
    line.push(b"\t");
    line.push(op.name());
    line.push(b"\t");
    match result {
        Some(result) => line.push_number(result),
        None => line.push(b"!"),
    }
    for name in [one, two] {
        line.push(b"\t");
        line.push(below(watch, name.get()).unwrap_or(name.get()));
    }
    line.push(b"\n");
    // SAFETY: the line is that long. The log is opened for appending: a line is never torn.
    unsafe {
        let length = line.get().len() as u64;
        kernel::call(libc::SYS_write, [watch.log, line.pointer(), length, 0, 0]);
    }
    LINES.fetch_add(1, Ordering::Relaxed)
}

/// The part of a path below the index's folder; `None` if it is not below.
pub fn below<'a>(watch: &Watch, path: &'a [u8]) -> Option<&'a [u8]> {
    match path.strip_prefix(watch.index.as_slice())? {
        b"" | b"/" => Some(b"."),
        rest => rest.strip_prefix(b"/"),
    }
}

/// Keeps a copy of what an open file holds, under the number of a line.
pub fn keep(watch: &Watch, line: u64, descriptor: u64) {
    let Some(folder) = &watch.keep else { return };
    let mut to = Name::new();
    to.push(folder);
    to.push_number(line.cast_signed());
    let mut from = Name::new();
    from.push(b"/proc/self/fd/");
    from.push_number(descriptor.cast_signed());
    let here = i64::from(libc::AT_FDCWD).cast_unsigned();
    let flags = (libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC) as u64;
    // SAFETY: names end with a NUL; a folder cannot be read and gives an empty copy.
    unsafe {
        let source =
            kernel::call(libc::SYS_openat, [here, from.pointer(), libc::O_CLOEXEC as u64, 0, 0]);
        let target = kernel::call(libc::SYS_openat, [here, to.pointer(), flags, 0o600, 0]);
        let (source, target) = (source.cast_unsigned(), target.cast_unsigned());
        while kernel::call(libc::SYS_sendfile, [target, source, 0, 1 << 30, 0]) > 0 {}
        kernel::call(libc::SYS_close, [source, 0, 0, 0, 0]);
        kernel::call(libc::SYS_close, [target, 0, 0, 0, 0]);
    }
}
