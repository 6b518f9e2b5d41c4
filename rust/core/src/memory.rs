//! Memory that was freed, back to the operating system.

/// Returns what is free in the allocator's pools.
///
/// The C library keeps freed memory for each thread that once asked for it. Files come and go on
/// many threads, and what each pool keeps adds up with the length of a run. Takes some
/// milliseconds for each hundred megabytes; does nothing where the allocator has no such call.
pub fn release() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes a plain number, may be called from any thread at any time, and
    // only touches memory that nobody has.
    #[allow(unsafe_code)]
    unsafe {
        libc::malloc_trim(0);
    }
}
