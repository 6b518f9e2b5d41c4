//! Errors that pass by themselves: waited for, but never for long.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::cancel::Cancel;

/// How long to wait before each further try.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(40), Duration::from_millis(160)];

/// What all waiting of one run may add up to: where everything is busy, patience helps nobody.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries again what a busy system refused, within bounds that one run shares.
#[derive(Debug, Default)]
pub struct Retry {
    cancel: Cancel,
    waited_ms: AtomicU64,
}

impl Retry {
    /// Retries until `cancel` is set.
    pub fn new(cancel: Cancel) -> Self {
        Self { cancel, waited_ms: AtomicU64::new(0) }
    }

    /// The flag that ends all waiting.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The first answer of `ask` that is not transient, or the last one.
    pub fn run<T>(&self, mut ask: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut pauses = PAUSES.iter();
        loop {
            match ask() {
                Err(error) if is_transient(&error) => match pauses.next() {
                    Some(pause) if self.pause(*pause) => {}
                    _ => return Err(error),
                },
                answer => return answer,
            }
        }
    }

    /// Waits, unless somebody asked to end or too much was waited already.
    fn pause(&self, pause: Duration) -> bool {
        let milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let before = self.waited_ms.fetch_add(milliseconds, Ordering::Relaxed);
        if u128::from(before) >= PATIENCE.as_millis() {
            return false;
        }
        let end = Instant::now() + pause;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if self.cancel.is_cancelled() {
                return false;
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
        !self.cancel.is_cancelled()
    }
}

/// Whether the same question may soon have another answer: the file is leased, locked or being
/// executed, its server forgot the handle, or the process has too many files open. Permissions do
/// not change by waiting, and a kernel that reports EIO has tried for long.
#[cfg(unix)]
pub fn is_transient(error: &io::Error) -> bool {
    const TRANSIENT: [i32; 9] = [
        libc::EAGAIN,
        libc::EBUSY,
        libc::EINTR,
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOMEM,
        libc::ESTALE,
        libc::ETIMEDOUT,
        libc::ETXTBSY,
    ];
    error.raw_os_error().is_some_and(|code| TRANSIENT.contains(&code))
}

/// Whether the same question may soon have another answer.
#[cfg(not(unix))]
pub fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{ExecutableFileBusy, Interrupted, ResourceBusy, TimedOut, WouldBlock};
    // Windows: another process has the file open, or locked, and shares it with nobody.
    const SHARING_VIOLATION: i32 = 32;
    const LOCK_VIOLATION: i32 = 33;
    let kinds = [ExecutableFileBusy, Interrupted, ResourceBusy, TimedOut, WouldBlock];
    kinds.contains(&error.kind())
        || (cfg!(windows)
            && matches!(error.raw_os_error(), Some(SHARING_VIOLATION | LOCK_VIOLATION)))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_busy_is_asked_again_and_what_is_forbidden_is_not() {
        let ask = |refusals: usize, code: i32, retry: &Retry| {
            let mut asked = 0;
            let answer = retry.run(|| {
                asked += 1;
                if asked <= refusals { Err(io::Error::from_raw_os_error(code)) } else { Ok(()) }
            });
            (asked, answer.is_ok())
        };
        assert_eq!(ask(2, libc::EAGAIN, &Retry::default()), (3, true));
        assert_eq!(ask(9, libc::EMFILE, &Retry::default()), (4, false));
        for code in [libc::EACCES, libc::EPERM, libc::ENOENT, libc::EIO] {
            assert_eq!(ask(1, code, &Retry::default()), (1, false));
        }
        let cancelled = Cancel::default();
        cancelled.cancel();
        assert_eq!(ask(9, libc::EBUSY, &Retry::new(cancelled)), (1, false));
        let spent = Retry::default();
        spent.waited_ms.store(5_000, Ordering::Relaxed);
        assert_eq!(ask(9, libc::EBUSY, &spent), (1, false));
    }
}
