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

/// Has large blocks go back to the operating system as soon as they are freed, from now on and in
/// the whole process.
///
/// The C library moves the bound between blocks that are mapped and blocks that come from a pool
/// up to the largest one ever freed, 32 MiB at most. Batches, syntax trees and segments then leave
/// holes in the pools that nothing else fits into: in a tree four times as large the peak was a
/// quarter higher. A bound that is set stays. Of smaller blocks every pool keeps some for the next ones,
/// 16 MiB at its end. Does nothing where the allocator has no such call.
pub fn map_large_blocks() {
    /// Smaller blocks are many, and the page faults of mapping each anew are felt: at 256 KiB the
    /// vector store takes twice the time for its rows.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    const BOUND: libc::c_int = 4 << 20;
    /// What a pool keeps at its end; 128 KiB where nobody says so. Then every batch that is freed
    /// there is a batch of page faults for the next one: a seventh of all in a cold index.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    const KEPT: libc::c_int = 16 << 20;
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes plain numbers and may be called at any time.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, BOUND);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}
