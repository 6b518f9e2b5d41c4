//! The seccomp filter: which system calls come to the handler.

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_JUMP, BPF_K, BPF_LD, BPF_RET, BPF_STMT, BPF_W, c_long,
    sock_filter, sock_fprog,
};

use crate::handler;
use crate::kernel::OURS;

/// Calls that can change a file, whatever their arguments.
const CHANGING: &[c_long] = &[
    libc::SYS_creat,
    libc::SYS_openat2,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_sendfile,
    libc::SYS_copy_file_range,
    libc::SYS_splice,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_rmdir,
    libc::SYS_flock,
    libc::SYS_io_uring_setup,
];

/// Calls that open a file, and the argument that says whether for writing.
const OPENING: &[(c_long, u32)] = &[(libc::SYS_open, 1), (libc::SYS_openat, 2)];

const WRITING: u32 =
    (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC).cast_unsigned();

/// Where the lower half of an argument lies in what a filter sees; the upper half follows.
const fn argument(number: u32) -> u32 {
    16 + 8 * number
}

fn program() -> Vec<sock_filter> {
    let load = |at| unsafe { BPF_STMT((BPF_LD | BPF_W | BPF_ABS) as u16, at) };
    let equal = |value, then, otherwise| unsafe {
        BPF_JUMP((BPF_JMP | BPF_JEQ | BPF_K) as u16, value, then, otherwise)
    };
    let result = |value| unsafe { BPF_STMT((BPF_RET | BPF_K) as u16, value) };
    let (allow, trap) = (result(libc::SECCOMP_RET_ALLOW), result(libc::SECCOMP_RET_TRAP));
    let number = |call: c_long| u32::try_from(call).unwrap_or(u32::MAX);
    let (low, high) = ((OURS & 0xffff_ffff) as u32, (OURS >> 32) as u32);

    let mut program = vec![
        load(argument(5)),
        equal(low, 0, 3),
        load(argument(5) + 4),
        equal(high, 0, 1),
        allow,
        load(0),
    ];
    for call in CHANGING {
        program.extend([equal(number(*call), 0, 1), trap]);
    }
    for (call, flags) in OPENING {
        let writing = unsafe { BPF_JUMP((BPF_JMP | BPF_JSET | BPF_K) as u16, WRITING, 0, 1) };
        program.extend([equal(number(*call), 0, 4), load(argument(*flags)), writing, trap, allow]);
    }
    program.push(allow);
    program
}

/// Adds a filter for the one descriptor whose closing matters. It runs in the handler, and so
/// without memory of its own; closing is too common to be stopped everywhere.
pub fn add_close(descriptor: u64) {
    // SAFETY: these only make structures.
    let mut program = unsafe {
        let load = |at| BPF_STMT((BPF_LD | BPF_W | BPF_ABS) as u16, at);
        let equal =
            |value, otherwise| BPF_JUMP((BPF_JMP | BPF_JEQ | BPF_K) as u16, value, 0, otherwise);
        let result = |value| BPF_STMT((BPF_RET | BPF_K) as u16, value);
        [
            load(0),
            equal(libc::SYS_close as u32, 7),
            load(argument(0)),
            equal((descriptor & 0xffff_ffff) as u32, 5),
            load(argument(5)),
            equal((OURS & 0xffff_ffff) as u32, 2),
            load(argument(5) + 4),
            equal((OURS >> 32) as u32, 0),
            result(libc::SECCOMP_RET_TRAP),
            result(libc::SECCOMP_RET_ALLOW),
        ]
    };
    // Ours, if both halves of the mark are there.
    program[5].jf = 2;
    program[7].jt = 1;
    program[7].jf = 0;
    let program = sock_fprog { len: 10, filter: program.as_mut_ptr() };
    let (mode, threads) =
        (u64::from(libc::SECCOMP_SET_MODE_FILTER), libc::SECCOMP_FILTER_FLAG_TSYNC);
    // SAFETY: the program outlives the call that copies it. Should it fail, the end of the lock
    // goes unseen, and a test that looks for it says so.
    unsafe {
        let place = (&raw const program) as u64;
        crate::kernel::call(libc::SYS_seccomp, [mode, threads, place, 0, 0]);
    }
}

/// Sets handler and filter up. Raises an error number.
pub fn install() -> Result<(), i32> {
    let error = || std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    let mut program = program();
    let length = u16::try_from(program.len()).map_err(|_| libc::E2BIG)?;
    let program = sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the structures are whole, and the program outlives the call that copies it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler::on_call as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        // A handler of Python's or Tokio's that came in between could want our spin lock.
        libc::sigfillset(&raw mut action.sa_mask);
        if libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()) != 0 {
            return Err(error());
        }
        // Without it only root may filter; children that run other programs lose nothing.
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(error());
        }
        let (mode, threads) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC);
        if libc::syscall(libc::SYS_seccomp, mode, threads, &raw const program) != 0 {
            return Err(error());
        }
    }
    Ok(())
}
