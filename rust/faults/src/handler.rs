//! The signal handler: carries out a system call, or lets it go wrong, and writes it down.
//!
//! It runs in the middle of anything: no allocation, no lock but its own, nothing that panics.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use libc::c_int;

use crate::filter;
use crate::kernel::{self, Name, call};
use crate::log::{self, Op};
use crate::plan::{self, FAIL, KILL_AFTER, KILL_BEFORE, KILL_INSIDE, Watch};

/// Changes are carried out one after another, so that the log has the order of the disk.
static BUSY: AtomicBool = AtomicBool::new(false);
/// Changes counted so far.
static COUNT: AtomicU64 = AtomicU64::new(0);
/// The count at which the plan starts to count; 0 before that.
static START: AtomicU64 = AtomicU64::new(0);
/// The descriptor that holds the writer's lock; -1 while it is not held.
static LOCK: AtomicI64 = AtomicI64::new(-1);
/// Whether the plan's failure has come.
static FAILED: AtomicBool = AtomicBool::new(false);

const HERE: u64 = (libc::AT_FDCWD as i64).cast_unsigned();

/// A system call, taken apart.
struct Request {
    number: i64,
    arguments: [u64; 5],
    op: Op,
    one: Name,
    two: Name,
    /// The file it is about, where that is open.
    descriptor: Option<u64>,
}

/// Handles `SIGSYS`.
pub extern "C" fn on_call(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the kernel hands a context over, and nobody else has it.
    let registers = unsafe { &mut (*context).uc_mcontext.gregs };
    let number = registers[libc::REG_RAX as usize];
    let arguments = [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10, libc::REG_R8]
        .map(|register| registers[register as usize].cast_unsigned());
    // SAFETY: the arguments are what the program gave.
    registers[libc::REG_RAX as usize] = unsafe { answer(number, arguments) };
}

/// # Safety
///
/// As for the system call.
unsafe fn answer(number: i64, arguments: [u64; 5]) -> i64 {
    // Their sixth argument carries flags, where our own calls carry a mark, or they work behind
    // our back. Every caller falls back to something plainer.
    if [libc::SYS_copy_file_range, libc::SYS_splice, libc::SYS_pwritev2, libc::SYS_io_uring_setup]
        .contains(&number)
    {
        return -i64::from(libc::ENOSYS);
    }
    // SAFETY: as promised, here and below.
    let plain = || unsafe { call(number, arguments) };
    let Some(watch) = plan::get() else { return plain() };
    if number == libc::SYS_close {
        return unsafe { close(watch, arguments) };
    }
    let Some(request) = (unsafe { understand(number, arguments) }) else { return plain() };
    let ours = |name: &Name| log::below(watch, name.get()).is_some();
    if !ours(&request.one) && !ours(&request.two) {
        return plain();
    }
    if request.op == Op::Lock {
        // It may wait for a thread that has changes to make.
        let result = plain();
        let taken = result == 0 && arguments[1] & libc::LOCK_EX as u64 != 0;
        if taken && request.one.get() == watch.lock {
            let _alone = Alone::enter();
            LOCK.store(arguments[0].cast_signed(), Ordering::Relaxed);
            filter::add_close(arguments[0]);
            log::write(watch, 0, Op::Lock, Some(0), &request.one, &request.two);
        }
        return result;
    }
    let _alone = Alone::enter();
    unsafe { carry_out(watch, &request) }
}

/// What a call is about; `None` if it changes nothing.
unsafe fn understand(number: i64, arguments: [u64; 5]) -> Option<Request> {
    let [a, b, c, d, _] = arguments;
    let path = |folder: u64, path: u64| unsafe { Name::of_path(folder, path) };
    let (op, one, two, descriptor) = match number {
        libc::SYS_open => opened(path(HERE, a), b),
        libc::SYS_openat => opened(path(a, b), c),
        libc::SYS_openat2 if c != 0 => {
            // SAFETY: `struct open_how` starts with the flags.
            opened(path(a, b), unsafe { *(c as *const u64) })
        }
        libc::SYS_creat => opened(path(HERE, a), (libc::O_CREAT | libc::O_TRUNC) as u64),
        libc::SYS_write
        | libc::SYS_pwrite64
        | libc::SYS_writev
        | libc::SYS_pwritev
        | libc::SYS_sendfile => (Op::Write, of(a), Name::new(), Some(a)),
        libc::SYS_ftruncate | libc::SYS_fallocate => (Op::Truncate, of(a), Name::new(), Some(a)),
        libc::SYS_truncate => (Op::Truncate, path(HERE, a), Name::new(), None),
        libc::SYS_fsync | libc::SYS_fdatasync => (Op::Sync, of(a), Name::new(), Some(a)),
        libc::SYS_rename => (Op::Rename, path(HERE, a), path(HERE, b), None),
        libc::SYS_renameat | libc::SYS_renameat2 => (Op::Rename, path(a, b), path(c, d), None),
        libc::SYS_link => (Op::Link, path(HERE, a), path(HERE, b), None),
        libc::SYS_linkat => (Op::Link, path(a, b), path(c, d), None),
        // Nothing here makes symbolic links; whoever does will be seen as making a file.
        libc::SYS_symlink => (Op::Create, path(HERE, b), Name::new(), None),
        libc::SYS_symlinkat => (Op::Create, path(b, c), Name::new(), None),
        libc::SYS_unlink => (Op::Unlink, path(HERE, a), Name::new(), None),
        libc::SYS_unlinkat if c & libc::AT_REMOVEDIR as u64 != 0 => {
            (Op::Rmdir, path(a, b), Name::new(), None)
        }
        libc::SYS_unlinkat => (Op::Unlink, path(a, b), Name::new(), None),
        libc::SYS_mkdir => (Op::Mkdir, path(HERE, a), Name::new(), None),
        libc::SYS_mkdirat => (Op::Mkdir, path(a, b), Name::new(), None),
        libc::SYS_rmdir => (Op::Rmdir, path(HERE, a), Name::new(), None),
        libc::SYS_flock => (Op::Lock, of(a), Name::new(), Some(a)),
        _ => return None,
    };
    Some(Request { number, arguments, op, one, two, descriptor })
}

fn of(descriptor: u64) -> Name {
    Name::of_descriptor(descriptor.cast_signed())
}

fn opened(name: Name, flags: u64) -> (Op, Name, Name, Option<u64>) {
    let has = |flag: c_int| flags & flag as u64 != 0;
    let op = match kernel::exists(&name) {
        false if has(libc::O_CREAT) => Op::Create,
        true if has(libc::O_TRUNC) && !has(libc::O_EXCL) => Op::Truncate,
        _ => Op::Open,
    };
    (op, name, Name::new(), None)
}

unsafe fn carry_out(watch: &Watch, request: &Request) -> i64 {
    let Request { number, arguments, op, one, two, descriptor } = request;
    let (number, arguments, op, descriptor) = (*number, *arguments, *op, *descriptor);
    let plan = &watch.plan;
    let locked = LOCK.load(Ordering::Relaxed) >= 0;
    let counts = op.changes() && (locked || plan.everywhere != 0);
    let count = if counts { COUNT.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
    if count > 0 && (plan.after == 0 || plan.after & op.bit() != 0) {
        let first = if plan.after == 0 { 1 } else { count };
        let _ = START.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
    }
    let start = START.load(Ordering::Relaxed);
    let reached = |count: u64| plan.at != 0 && start != 0 && count + 1 >= start + plan.at;
    let due = count > 0 && count + 1 == start + plan.at && reached(count);
    // SAFETY: the arguments are what the program gave.
    let carry = || unsafe { call(number, arguments) };
    if due && plan.action == KILL_BEFORE {
        log::write(watch, count, op, None, one, two);
        kernel::die();
    }
    if due && plan.action == KILL_INSIDE {
        let result = if op == Op::Write { unsafe { half(number, arguments) } } else { carry() };
        log::write(watch, count, op, Some(result), one, two);
        kernel::die();
    }
    if plan.action == FAIL
        && plan.ops & op.bit() != 0
        && (op == Op::Open || count > 0)
        && reached(COUNT.load(Ordering::Relaxed))
    {
        let first = !FAILED.swap(true, Ordering::Relaxed);
        if first || plan.once == 0 {
            let error = -i64::from(plan.error);
            log::write(watch, count, op, Some(error), one, two);
            return error;
        }
    }
    let result = carry();
    let line = log::write(watch, count, op, Some(result), one, two);
    if op == Op::Sync
        && result == 0
        && let Some(descriptor) = descriptor
    {
        log::keep(watch, line, descriptor);
    }
    if due && plan.action == KILL_AFTER {
        kernel::die();
    }
    result
}

/// Writes half of what was to be written.
unsafe fn half(number: i64, arguments: [u64; 5]) -> i64 {
    let mut arguments = arguments;
    let mut number = number;
    match number {
        libc::SYS_write | libc::SYS_pwrite64 => arguments[2] /= 2,
        libc::SYS_sendfile => arguments[3] /= 2,
        _ => {
            // Half of the first of several pieces.
            // SAFETY: the program gave a valid list; an empty one writes nothing.
            let piece = unsafe { &*(arguments[1] as *const libc::iovec) };
            let positioned = number == libc::SYS_pwritev;
            if arguments[2] == 0 {
                return 0;
            }
            let at = if positioned { arguments[3] } else { 0 };
            number = if positioned { libc::SYS_pwrite64 } else { libc::SYS_write };
            let (data, length) = (piece.iov_base as u64, piece.iov_len as u64 / 2);
            arguments = [arguments[0], data, length, at, 0];
        }
    }
    // SAFETY: less than what the program asked for.
    unsafe { call(number, arguments) }
}

/// Closing the lock's file releases the lock.
unsafe fn close(watch: &Watch, arguments: [u64; 5]) -> i64 {
    // SAFETY: the arguments are what the program gave.
    let plain = || unsafe { call(libc::SYS_close, arguments) };
    if LOCK.load(Ordering::Relaxed) != arguments[0].cast_signed() {
        return plain();
    }
    let _alone = Alone::enter();
    let name = of(arguments[0]);
    LOCK.store(-1, Ordering::Relaxed);
    log::write(watch, 0, Op::Unlock, Some(0), &name, &Name::new());
    plain()
}

/// Held by whoever is carrying out a change.
struct Alone;

impl Alone {
    fn enter() -> Self {
        while BUSY.swap(true, Ordering::Acquire) {
            // SAFETY: it takes nothing.
            unsafe { call(libc::SYS_sched_yield, [0; 5]) };
        }
        Self
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        BUSY.store(false, Ordering::Release);
    }
}
