//! Which file comes next, and when there is memory for it.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::cancel::Cancel;
use crate::path;

/// Files that are put in order together. Larger windows would keep small files waiting; the last
/// window is what counts for how evenly a run ends.
const WINDOW: usize = 1024;

/// What a file costs while it is worked on, for each of its bytes: its text, a syntax tree of ten
/// times its size, its chunks and terms.
const COST: u64 = 14;

/// How often somebody who waits for memory looks whether to go on waiting.
const PATIENCE: Duration = Duration::from_millis(50);

/// Hands out files, each to one worker, within a budget of memory.
///
/// Files come in the order they were given, but within a window the largest first and files of
/// one type together: a large file at the end would be worked on alone, while everybody waits.
#[derive(Debug)]
pub(crate) struct Schedule {
    root: PathBuf,
    files: Vec<Arc<str>>,
    windows: Vec<OnceLock<Vec<(u32, u64)>>>,
    next: AtomicUsize,
    budget: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

/// A file to work on. Its memory is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    /// The file.
    pub path: &'a Arc<str>,
    cost: u64,
    schedule: &'a Schedule,
}

impl Schedule {
    /// A schedule for `files`, paths below `root`, that takes up to `budget` bytes of memory.
    pub fn new(root: PathBuf, files: Vec<Arc<str>>, budget: u64) -> Self {
        let windows = files.len().div_ceil(WINDOW);
        Self {
            root,
            files,
            windows: (0..windows).map(|_| OnceLock::new()).collect(),
            next: AtomicUsize::new(0),
            budget,
            used: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// The folder the paths are below.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The next file, as soon as there is memory for it; `None` when there are no more, or
    /// `stop` is set.
    ///
    /// A file that needs more than the whole budget waits until nobody else is at work: workers
    /// pause before anything fails.
    pub fn take(&self, stop: &Cancel) -> Option<Task<'_>> {
        if stop.is_cancelled() {
            return None;
        }
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let order = self.windows.get(at / WINDOW)?.get_or_init(|| self.order(at / WINDOW));
        let &(file, size) = order.get(at % WINDOW)?;
        let cost = size.saturating_mul(COST).min(self.budget);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used > 0 && used.saturating_add(cost) > self.budget {
            if stop.is_cancelled() {
                return None;
            }
            let waited = self.freed.wait_timeout(used, PATIENCE);
            used = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *used += cost;
        Some(Task { path: &self.files[file as usize], cost, schedule: self })
    }

    /// The files of a window with their sizes, in the order they are to be worked on.
    fn order(&self, window: usize) -> Vec<(u32, u64)> {
        let start = window * WINDOW;
        let files = &self.files[start..self.files.len().min(start + WINDOW)];
        let mut order: Vec<_> = files
            .iter()
            .enumerate()
            .map(|(at, file)| {
                let metadata = path::resolve(&self.root, file).symlink_metadata();
                let size = metadata.map_or(0, |metadata| metadata.len());
                let index = u32::try_from(start + at).unwrap_or(u32::MAX);
                // By powers of two: among files of like size the type counts.
                ((Reverse(size.max(1).ilog2()), extension(file), at), (index, size))
            })
            .collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        order.into_iter().map(|(_, file)| file).collect()
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        let mut used = self.schedule.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used -= self.cost;
        drop(used);
        self.schedule.freed.notify_all();
    }
}

fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn tree(sizes: &[(&str, usize)]) -> (tempfile::TempDir, Vec<Arc<str>>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, size) in sizes {
            std::fs::write(folder.path().join(name), vec![b'x'; *size]).expect("written");
        }
        let files = sizes.iter().map(|(name, _)| Arc::from(*name)).collect();
        (folder, files)
    }

    #[test]
    fn the_largest_come_first_and_files_of_a_type_together() {
        let sizes = [("a.c", 10), ("b.py", 9), ("c.c", 11), ("d.py", 5000), ("e", 0)];
        let (folder, files) = tree(&sizes);
        let schedule = Schedule::new(folder.path().to_owned(), files, u64::MAX);
        let stop = Cancel::default();
        let order: Vec<_> =
            std::iter::from_fn(|| schedule.take(&stop)).map(|task| task.path.to_string()).collect();
        assert_eq!(order, ["d.py", "a.c", "c.c", "b.py", "e"]);
    }

    #[test]
    fn every_file_comes_once_and_memory_stays_within_the_budget() {
        let names: Vec<String> = (0..3000).map(|n| format!("f{n}")).collect();
        let sizes: Vec<_> = names.iter().map(|name| (name.as_str(), name.len() * 9)).collect();
        let (folder, files) = tree(&sizes);
        let budget = 3 * 45 * COST;
        let schedule = Schedule::new(folder.path().to_owned(), files, budget);
        let stop = Cancel::default();
        let seen = Mutex::new(BTreeSet::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some(task) = schedule.take(&stop) {
                        assert!(*schedule.used.lock().expect("used") <= budget);
                        assert!(seen.lock().expect("seen").insert(task.path.to_owned()));
                    }
                });
            }
        });
        assert_eq!(seen.into_inner().expect("seen").len(), names.len());
        assert_eq!(*schedule.used.lock().expect("used"), 0);
    }

    #[test]
    fn a_file_beyond_the_budget_is_worked_on_alone_and_waiting_heeds_the_flag() {
        let (folder, files) = tree(&[("large", 5000), ("huge", 9000)]);
        let schedule = Schedule::new(folder.path().to_owned(), files, 100);
        let stop = Cancel::default();
        let first = schedule.take(&stop).expect("a file");
        assert_eq!(&**first.path, "huge");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| schedule.take(&stop).is_none());
            std::thread::sleep(PATIENCE);
            assert!(!waiting.is_finished());
            stop.cancel();
            assert!(waiting.join().expect("joined"), "it did not heed the flag");
        });
        drop(first);
        assert_eq!(*schedule.used.lock().expect("used"), 0);
    }
}
