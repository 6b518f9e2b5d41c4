//! A panic that costs one file and nothing else.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where the last guarded panic happened.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

static HOOK: Once = Once::new();

/// Runs `work`; a panic in it becomes a message in one line, and nothing is printed. That holds
/// for the thread it runs in: work handed to other threads needs guards of its own.
///
/// Whatever `work` was changing may be left half done: the caller throws it away.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let others = take_hook();
        // Panics of other threads, ours or not, are reported as before.
        set_hook(Box::new(move |info| {
            if GUARDED.get() {
                note_place(info);
            } else if !is_tantivys_thread() {
                others(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    done.map_err(|panic| message(&*panic))
}

/// Whether this thread writes or merges segments. Whoever waits for it hears of an error; what it
/// panicked on was a damaged file.
fn is_tantivys_thread() -> bool {
    const NAMES: [&str; 3] = ["thrd-tantivy-index", "segment_updater", "merge_thread_"];
    let thread = std::thread::current();
    thread.name().is_some_and(|name| NAMES.iter().any(|start| name.starts_with(start)))
}

fn note_place(info: &PanicHookInfo) {
    let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
    // A panic in the midst of this very line would find it borrowed.
    let _ = PLACE.try_with(|last| {
        last.try_borrow_mut().map(|mut last| {
            *last = place.unwrap_or_default();
        })
    });
}

fn message(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .map(|said| (*said).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    let mut text = format!("it panicked{}", PLACE.take());
    if let Some(said) = said {
        // Only what comes first: some messages quote all they know.
        let _ = write!(text, ": {}", said.lines().next().unwrap_or_default());
    }
    text
}
