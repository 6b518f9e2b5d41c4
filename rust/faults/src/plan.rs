//! What is watched and what is to go wrong: set once, then only read.

use std::sync::OnceLock;

use crate::kernel;

/// What is to happen at one of the counted changes; it comes from Python as plain memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// At which change, counted from 1; 0 is never.
    pub at: u64,
    /// One of the constants here.
    pub action: u32,
    /// With [`FAIL`]: the error number.
    pub error: u32,
    /// With [`FAIL`]: a bit for each [`crate::log::Op`] that fails.
    pub ops: u32,
    /// With [`FAIL`]: only the first such change fails, rather than all from then on.
    pub once: u32,
    /// Whether changes made without the writer's lock count too.
    pub everywhere: u32,
    /// Bits as in `ops`: `at` counts from the first such change on; 0 is from the start.
    pub after: u32,
}

/// Kill the process before the change.
pub const KILL_BEFORE: u32 = 1;
/// Kill it when half of the bytes are written; other changes than writes are done first.
pub const KILL_INSIDE: u32 = 2;
/// Kill it after the change.
pub const KILL_AFTER: u32 = 3;
/// Let the change fail.
pub const FAIL: u32 = 4;

/// Everything that the handler needs to know.
#[derive(Debug)]
pub struct Watch {
    /// The index's folder, without a slash at its end.
    pub index: Vec<u8>,
    /// The writer's lock.
    pub lock: Vec<u8>,
    /// Where contents are kept, with a slash at its end.
    pub keep: Option<Vec<u8>>,
    /// The descriptor of the log.
    pub log: u64,
    /// What is to happen.
    pub plan: Plan,
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// What was set.
pub fn get() -> Option<&'static Watch> {
    WATCH.get()
}

/// Says what to watch. Raises an error number, `EALREADY` the second time.
pub fn set(index: &[u8], log: &[u8], keep: Option<&[u8]>, plan: Plan) -> Result<(), i32> {
    let folder = i64::from(libc::AT_FDCWD).cast_unsigned();
    let mut name = kernel::Name::new();
    name.push(log);
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
    // SAFETY: the name ends with a NUL.
    let log =
        unsafe { kernel::call(libc::SYS_openat, [folder, name.pointer(), flags as u64, 0o600, 0]) };
    let log = u64::try_from(log).map_err(|_| i32::try_from(-log).unwrap_or(libc::EIO))?;
    let index = index.strip_suffix(b"/").unwrap_or(index).to_vec();
    let lock = [&index, b"/lock".as_slice()].concat();
    let keep = keep.map(|folder| [folder, b"/"].concat());
    WATCH.set(Watch { index, lock, keep, log, plan }).map_err(|_| libc::EALREADY)
}
