//! System calls that the filter lets through, and what can be asked of the kernel with them.

use std::arch::asm;

/// In the sixth argument, which none of our calls has, it tells the filter that a call is ours.
pub const OURS: u64 = 0x6879_6272_6964_7821;

/// Longest path that is understood, its NUL included.
pub const PATH: usize = 4096;

/// Makes a system call past the filter. Errors are negative, as the kernel gives them.
///
/// # Safety
///
/// As for the call itself.
pub unsafe fn call(number: i64, arguments: [u64; 5]) -> i64 {
    let result: i64;
    // SAFETY: the registers are those of the x86-64 convention; the rest is up to the caller.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") OURS,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// A path in memory of its own: a signal handler must not allocate.
pub struct Name {
    bytes: [u8; PATH],
    length: usize,
}

impl Name {
    /// No path.
    pub const fn new() -> Self {
        Self { bytes: [0; PATH], length: 0 }
    }

    /// The path, without NUL.
    pub fn get(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// For system calls.
    pub fn pointer(&self) -> u64 {
        self.bytes.as_ptr() as u64
    }

    /// Appends as much as there is room for; a NUL always follows.
    pub fn push(&mut self, more: &[u8]) {
        let room = PATH - 1 - self.length;
        let more = more.get(..more.len().min(room)).unwrap_or_default();
        if let Some(place) = self.bytes.get_mut(self.length..self.length + more.len()) {
            place.copy_from_slice(more);
            self.length += more.len();
        }
        if let Some(end) = self.bytes.get_mut(self.length) {
            *end = 0;
        }
    }

    /// Appends a decimal number.
    pub fn push_number(&mut self, number: i64) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut rest = number.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            self.push(b"-");
        }
        self.push(&digits[at..]);
    }

    /// What an open descriptor is open on, by the name it has now.
    pub fn of_descriptor(descriptor: i64) -> Self {
        let mut link = Self::new();
        link.push(b"/proc/self/fd/");
        link.push_number(descriptor);
        Self::of_link(&link)
    }

    fn of_link(link: &Self) -> Self {
        let mut name = Self::new();
        let room = PATH as u64 - 1;
        // SAFETY: `name` has room for that many bytes.
        let length = unsafe {
            call(libc::SYS_readlink, [link.pointer(), name.bytes.as_mut_ptr() as u64, room, 0, 0])
        };
        name.length = usize::try_from(length).unwrap_or(0);
        name
    }

    /// What a call means by a path relative to a folder's descriptor.
    ///
    /// # Safety
    ///
    /// `path` is null or points to a string that ends with a NUL.
    pub unsafe fn of_path(folder: u64, path: u64) -> Self {
        if path == 0 {
            return Self::new();
        }
        // SAFETY: promised by the caller.
        let path = unsafe { std::ffi::CStr::from_ptr(path as *const _) }.to_bytes();
        // Descriptors are ints: the upper half of the register means nothing.
        let folder = folder as i32;
        let mut name = if path.first() == Some(&b'/') {
            Self::new()
        } else if folder == libc::AT_FDCWD {
            let mut link = Self::new();
            link.push(b"/proc/self/cwd");
            Self::of_link(&link)
        } else {
            Self::of_descriptor(folder.into())
        };
        if name.length > 0 {
            name.push(b"/");
        }
        name.push(path);
        // The vector store may name its folder through a descriptor (`store.py` says when).
        if let Some((descriptor, rest)) = through_descriptor(name.get()) {
            let mut real = Self::of_descriptor(descriptor);
            real.push(rest);
            return real;
        }
        name
    }
}

/// The descriptor in `/proc/self/fd/N/rest`, and `/rest`.
fn through_descriptor(path: &[u8]) -> Option<(i64, &[u8])> {
    let rest = path.strip_prefix(b"/proc/self/fd/")?;
    let end = rest.iter().position(|byte| *byte == b'/')?;
    let number = std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()?;
    Some((number, rest.get(end..)?))
}

/// Whether there is a file of that name.
pub fn exists(name: &Name) -> bool {
    let folder = i64::from(libc::AT_FDCWD).cast_unsigned();
    // SAFETY: the name ends with a NUL.
    unsafe { call(libc::SYS_faccessat, [folder, name.pointer(), 0, 0, 0]) == 0 }
}

/// Ends this process as a power switch would.
pub fn die() -> ! {
    loop {
        // SAFETY: these take and give numbers.
        unsafe {
            let process = call(libc::SYS_getpid, [0; 5]);
            call(libc::SYS_kill, [process.cast_unsigned(), libc::SIGKILL as u64, 0, 0, 0]);
        }
    }
}
