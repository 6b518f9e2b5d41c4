//! Threads for work that is done side by side.

use std::process;
use std::sync::OnceLock;

/// Does `work`, whose parallel iterators find threads that are there.
///
/// They use the threads that Rayon starts when it is first asked, and a fork copies none of them: in
/// a child they would be waited for without end. It gets some of its own, each time.
pub(crate) fn side_by_side<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    static OWNER: OnceLock<u32> = OnceLock::new();
    if *OWNER.get_or_init(process::id) == process::id() {
        return work();
    }
    let pool = rayon::ThreadPoolBuilder::new().build();
    // Rayon itself ends with a panic where it cannot start its threads.
    pool.expect("a child may start threads as its parent did").install(work)
}
