//! For tests: records, tears and fails what a process does to the files of an index.
//!
//! A seccomp filter hands every system call that can change a file to a signal handler, which
//! carries it out, or does not. Nothing escapes it: calls made by Rust's standard library, by
//! rustix (which uses no libc) and by `LanceDB`'s wheel look the same to the kernel. The product
//! knows nothing of it and is the very build that users run.
//!
//! Python loads the library and calls [`hybridx_faults_install`]; `tests/faults.py` is the other
//! half. It works on Linux on x86-64; elsewhere the library is empty and the tests are skipped.

#![allow(
    unsafe_code, // a signal handler over raw system calls: that is what this crate is
    // What the kernel takes are words, of which each call reads as many bits as it means.
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod filter;
mod handler;
mod kernel;
mod log;
mod plan;

use std::ffi::{CStr, c_char, c_int};

pub use plan::Plan;

/// Watches the files below `index` from now on, in every thread of this process and in the
/// processes it forks. It cannot be undone.
///
/// `log` gets one line a change (see [`log`]); `keep`, unless it is null, is a folder that gets
/// the content of every file at the moment it was made durable. Returns 0 or an error number.
///
/// # Safety
///
/// The pointers are null or valid; strings end with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hybridx_faults_install(
    index: *const c_char,
    log: *const c_char,
    keep: *const c_char,
    plan: *const Plan,
) -> c_int {
    // SAFETY: promised by the caller.
    let text = |pointer: *const c_char| {
        (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_bytes().to_vec())
    };
    // SAFETY: promised by the caller.
    let plan = unsafe { plan.as_ref() }.copied().unwrap_or_default();
    let (Some(index), Some(log)) = (text(index), text(log)) else { return libc::EINVAL };
    match plan::set(&index, &log, text(keep).as_deref(), plan).and_then(|()| filter::install()) {
        Ok(()) => 0,
        Err(error) => error,
    }
}
