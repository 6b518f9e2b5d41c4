//! A guarded panic is told and not printed. In a process of its own: a panic hook is everybody's.

use std::panic::{catch_unwind, set_hook};
use std::sync::atomic::{AtomicUsize, Ordering};

use hybridx_core::guard::guarded;

static REPORTED: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_guarded_panic_is_a_message_and_others_are_reported_as_before() {
    set_hook(Box::new(|_| {
        REPORTED.fetch_add(1, Ordering::Relaxed);
    }));
    assert_eq!(guarded(|| 7), Ok(7));
    let empty: Vec<u8> = Vec::new();
    let message = guarded(|| empty[3]).expect_err("a panic");
    assert!(message.starts_with("it panicked at "), "{message}");
    assert!(message.contains("guard.rs:") && message.contains("the len is 0"), "{message}");
    assert_eq!(
        guarded(|| -> u8 { panic!("one\ntwo") }).map_err(|m| m.ends_with(": one")),
        Err(true)
    );
    assert_eq!(guarded(|| guarded(|| -> u8 { panic!("inner") }).is_err()), Ok(true));
    assert_eq!(REPORTED.load(Ordering::Relaxed), 0);
    // Another thread's, and this one's once it is not guarded any more.
    assert!(std::thread::spawn(|| panic!("elsewhere")).join().is_err());
    assert!(catch_unwind(|| panic!("unguarded")).is_err());
    assert_eq!(REPORTED.load(Ordering::Relaxed), 2);
}
