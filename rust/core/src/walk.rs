//! The scan: every file of the tree, its digest, and why it would not be indexed.
//!
//! What is left out by a rule is no concern of the scan ([`crate::rules`]); what is seen and not
//! indexed is a row of its ledger.

use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::Scope;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::merkle::{Leaf, MerkleTree, path_order};
use crate::path;
use crate::read::{self, Reason, Skip, Stat, Unread};
use crate::retry::Retry;
use crate::rules::{Decision, Folder, Names, Rules};
use crate::sealed::Seal;
use crate::secrets::Policy;

/// How to scan.
#[derive(Clone, Debug)]
pub struct ScanOptions {
    /// Threads; 0 for one a core.
    pub jobs: usize,
    /// Larger files are skipped.
    pub max_file_bytes: u64,
    /// Files and folders never looked into: the index's own.
    pub exclude: Vec<PathBuf>,
    /// Whether `node_modules`, `__pycache__`, virtual environments and their like are left out.
    pub default_excludes: bool,
    /// A folder on the tree's file system to ask for that file system's time.
    pub clock_folder: Option<PathBuf>,
    /// Which files are not read because their name says that they hold secrets.
    pub secrets: Policy,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            jobs: 0,
            max_file_bytes: 4 << 20,
            exclude: Vec::new(),
            default_excludes: true,
            clock_folder: None,
            secrets: Policy::default(),
        }
    }
}

/// What a scan found.
#[derive(Debug)]
pub struct Scan {
    /// The tree of all files that are text.
    pub tree: MerkleTree,
    /// Everything seen and left out, in path order.
    pub skipped: Vec<(Arc<str>, Skip)>,
    /// What the next scan may reuse; `None` if that is what this one was given.
    pub cache: Option<StatCache>,
    /// Bytes read to compute digests.
    pub bytes_hashed: u64,
}

/// Digests of files by path, valid while size, times and inode are the same.
///
/// It is a cache, apart from the snapshot: losing it costs one rehash of the tree, and refreshing
/// it needs no new generation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StatCache {
    /// The file system's time when the scan that wrote this began. A file not older than that
    /// may have changed after it was read without its times showing it: it is *racy*, as git
    /// calls it, and read again.
    scanned_at_ns: i64,
    max_file_bytes: u64,
    rows: FxHashMap<Arc<str>, (Stat, Verdict)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Verdict {
    Text(Digest),
    Skip(Skip),
}

const STAT_CACHE: Seal = Seal { magic: *b"HYBXSTAT", format: 1 };

impl StatCache {
    /// Reads the cache; an absent or damaged one is empty.
    pub fn load(path: &Path) -> Self {
        STAT_CACHE.read(path).ok().flatten().map(|(cache, _)| cache).unwrap_or_default()
    }

    /// Writes the cache, atomically.
    pub fn save(&self, path: &Path) -> Result<()> {
        STAT_CACHE.write(path, self, false).map(|_| ())
    }

    fn get(&self, path: &str, stat: &Stat, limit: u64) -> Option<&Verdict> {
        let (cached, verdict) = self.rows.get(path)?;
        let racy = stat.mtime_ns.max(stat.ctime_ns) >= self.scanned_at_ns;
        (cached == stat && !racy && self.max_file_bytes == limit).then_some(verdict)
    }
}

/// Walks and digests the tree at `root` in parallel.
///
/// # Errors
/// [`Error::Io`] if `root` itself cannot be listed; [`Error::Cancelled`]. Anything wrong below
/// `root` is a skip.
pub fn scan(
    root: &Path,
    options: &ScanOptions,
    previous: &StatCache,
    cancel: &Cancel,
) -> Result<Scan> {
    let root = &root.canonicalize().map_err(Error::io(root))?;
    let retry = Arc::new(Retry::new(cancel.clone()));
    // The walk would report an unreadable root as one more skipped folder.
    retry.run(|| fs::read_dir(root)).map_err(Error::io(root))?;
    let scanned_at_ns = file_system_time(root, options.clock_folder.as_deref());
    let rules = Rules::new(root, &options.exclude, options.default_excludes, retry.clone());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.jobs)
        .thread_name(|n| format!("hybridx-scan-{n}"))
        .build()
        .map_err(|error| Error::Invalid(format!("cannot start threads: {error}")))?;
    let workers = (0..pool.current_num_threads()).map(|_| Mutex::default()).collect();
    let walk = Walk { root, options, previous, cancel, retry, rules: &rules, workers };
    pool.scope(|scope| walk.folder(scope, root, rules.above()));
    cancel.check()?;
    let workers = walk.workers.into_iter();
    let parts = workers.map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner).found);
    Ok(gather(parts.collect(), scanned_at_ns, options, previous))
}

/// What one thread found.
#[derive(Default)]
struct Found {
    files: Vec<(Arc<str>, Option<Stat>, Verdict)>,
    bytes_hashed: u64,
    reused: usize,
}

/// What belongs to one thread.
#[derive(Default)]
struct Worker {
    found: Found,
    buffer: Vec<u8>,
}

/// Files that are one piece of work: enough that handing them over costs nothing, few enough that
/// one large folder occupies every thread.
const PIECE: usize = 64;

struct Walk<'a> {
    root: &'a Path,
    options: &'a ScanOptions,
    previous: &'a StatCache,
    cancel: &'a Cancel,
    retry: Arc<Retry>,
    rules: &'a Rules,
    /// one for each thread of the pool.
    workers: Vec<Mutex<Worker>>,
}

impl Walk<'_> {
    /// Lists a folder; its files and folders become work of the scope.
    fn folder<'s>(&'s self, scope: &Scope<'s>, folder: &Path, above: &Arc<Folder>) {
        if self.cancel.is_cancelled() {
            return;
        }
        let entries = match self.list(folder) {
            Ok(entries) => entries,
            Err(error) => return self.unlisted(folder, &error),
        };
        let mut names = Names::default();
        for (entry, _) in &entries {
            names.note(&entry.file_name());
        }
        let rules = self.rules.enter(above, folder, names);
        let mut files = Vec::new();
        for (entry, kind) in entries {
            let path = entry.path();
            if let Decision::Leave(_) = self.rules.decide(&rules, &path, kind.is_dir()) {
                continue;
            }
            if kind.is_dir() {
                let rules = rules.clone();
                scope.spawn(move |scope| self.folder(scope, &path, &rules));
                continue;
            }
            files.push((path, kind));
            if files.len() == PIECE {
                let files = std::mem::take(&mut files);
                scope.spawn(move |_| self.files(files));
            }
        }
        self.files(files);
    }

    /// What a folder holds. A name that went away before its kind was known was never there.
    fn list(&self, folder: &Path) -> io::Result<Vec<(DirEntry, FileType)>> {
        let mut entries = Vec::new();
        for entry in self.retry.run(|| fs::read_dir(folder))? {
            let entry = entry?;
            match self.retry.run(|| entry.file_type()) {
                Ok(kind) => entries.push((entry, kind)),
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    fn files(&self, files: Vec<(PathBuf, FileType)>) {
        let thread = rayon::current_thread_index().unwrap_or(0);
        let mut worker = self.workers[thread].lock().unwrap_or_else(PoisonError::into_inner);
        for (file, kind) in files {
            if self.cancel.is_cancelled() {
                return;
            }
            self.file(&mut worker, &file, kind);
        }
    }

    fn file(&self, worker: &mut Worker, file: &Path, kind: FileType) {
        let Some(path) = path::relative(self.root, file) else { return };
        let Worker { found, buffer } = worker;
        let mut tell = |stat, verdict| found.files.push((path.clone().into(), stat, verdict));
        if kind.is_symlink() {
            return tell(None, Verdict::Skip(Skip::symlink(file)));
        }
        if !kind.is_file() {
            return tell(None, Verdict::Skip(Skip::special()));
        }
        if let Some(rule) = self.options.secrets.sensitive(&path) {
            return tell(None, Verdict::Skip(Skip::sensitive(rule)));
        }
        let stat = match self.retry.run(|| fs::symlink_metadata(file)) {
            Ok(metadata) => Stat::of(&metadata),
            Err(error) if is_missing(&error) => return,
            Err(error) => return tell(None, Verdict::Skip(Skip::from_io(&error))),
        };
        let limit = self.options.max_file_bytes;
        if let Some(verdict) = self.previous.get(&path, &stat, limit) {
            tell(Some(stat), verdict.clone());
            found.reused += 1;
            return;
        }
        if stat.size > limit {
            return tell(Some(stat), Verdict::Skip(read::too_large(limit)));
        }
        match read::read_into(file, limit, &self.retry, buffer) {
            // It went away between listing and reading: as if the walk had come later.
            Err(Unread::Skip(Skip { reason: Reason::Vanished, .. }) | Unread::Cancelled) => {}
            // The reason may pass (permissions, a busy file): asked again next time.
            Err(unread) => tell(None, Verdict::Skip(unread.into_skip())),
            Ok(stat) => {
                let verdict = match read::sniff(buffer) {
                    Ok(()) => Verdict::Text(Digest::of(buffer)),
                    Err(skip) => Verdict::Skip(skip),
                };
                tell(stat, verdict);
                found.bytes_hashed += buffer.len() as u64;
            }
        }
    }

    /// A folder that could not be listed is one row, whatever is in it.
    fn unlisted(&self, folder: &Path, error: &io::Error) {
        let Some(path) = path::relative(self.root, folder).filter(|_| !is_missing(error)) else {
            return;
        };
        let thread = rayon::current_thread_index().unwrap_or(0);
        let mut worker = self.workers[thread].lock().unwrap_or_else(PoisonError::into_inner);
        worker.found.files.push((path.into(), None, Verdict::Skip(Skip::from_io(error))));
    }
}

/// Whether nothing is there any more: it went, or a folder above it did.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn gather(
    parts: Vec<Found>,
    scanned_at_ns: i64,
    options: &ScanOptions,
    previous: &StatCache,
) -> Scan {
    let reused: usize = parts.iter().map(|part| part.reused).sum();
    let known = parts.iter().flat_map(|part| &part.files).filter(|file| file.1.is_some()).count();
    // Every row was reused and none is left over: the cache says nothing new.
    let changed = reused != known || reused != previous.rows.len();
    let mut leaves = Vec::with_capacity(known);
    let mut skipped = Vec::new();
    let mut rows = FxHashMap::default();
    let mut bytes_hashed = 0;
    for part in parts {
        bytes_hashed += part.bytes_hashed;
        for (path, stat, verdict) in part.files {
            if changed && let Some(stat) = stat {
                rows.insert(path.clone(), (stat, verdict.clone()));
            }
            match verdict {
                Verdict::Text(digest) => leaves.push(Leaf { path, digest }),
                Verdict::Skip(skip) => skipped.push((path, skip)),
            }
        }
    }
    skipped.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
    let cache = StatCache { scanned_at_ns, max_file_bytes: options.max_file_bytes, rows };
    Scan { tree: MerkleTree::new(leaves), skipped, cache: changed.then_some(cache), bytes_hashed }
}

/// The time by the clock that stamps the tree's files.
fn file_system_time(root: &Path, folder: Option<&Path>) -> i64 {
    let probe = folder.filter(|folder| same_device(root, folder)).and_then(|folder| {
        let path = folder.join(format!(".clock{}", std::process::id()));
        let created = fs::File::create(&path).and_then(|file| file.metadata());
        // Whether or not it could be made, nothing of it may stay.
        let _ = fs::remove_file(&path);
        Some(Stat::of(&created.ok()?).mtime_ns)
    });
    // Kernels stamp files with a clock that lags by a tick; remote ones may lag more. Two
    // seconds early only means that files touched just now are read once more.
    probe.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let early = now.saturating_sub(Duration::from_secs(2));
        i64::try_from(early.as_nanos()).unwrap_or(i64::MAX)
    })
}

#[cfg(unix)]
fn same_device(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.dev());
    device(a) == device(b)
}

#[cfg(not(unix))]
fn same_device(_: &Path, _: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().expect("a temporary folder"));
            for (path, content) in files {
                tree.write(path, content);
            }
            tree
        }

        fn write(&self, path: &str, content: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, content).expect("written");
        }

        fn scan(&self, previous: &StatCache) -> Scan {
            self.scan_with(&ScanOptions::default(), previous)
        }

        fn scan_with(&self, options: &ScanOptions, previous: &StatCache) -> Scan {
            scan(self.0.path(), options, previous, &Cancel::default()).expect("scanned")
        }

        fn paths(&self) -> Vec<String> {
            self.scan(&StatCache::default())
                .tree
                .leaves()
                .iter()
                .map(|l| l.path.to_string())
                .collect()
        }
    }

    #[test]
    fn ignore_files_hold_without_a_repository_and_can_re_include() {
        let tree = Tree::new(&[
            (".gitignore", "*.log\nbuild/\n"),
            (".ignore", "secret.txt"),
            ("a.log", ""),
            ("keep.log", ""),
            (".hybridxignore", "!keep.log\nnoise.py\n"),
            ("noise.py", ""),
            ("secret.txt", ""),
            ("build/out.c", ""),
            ("sub/.gitignore", "x.c\n"),
            ("sub/x.c", ""),
            ("sub/y.c", ""),
            (".git/config", ""),
            ("node_modules/m/index.js", ""),
            ("env/pyvenv.cfg", ""),
            ("env/lib/x.py", ""),
        ]);
        let expected =
            [".gitignore", ".hybridxignore", ".ignore", "keep.log", "sub/.gitignore", "sub/y.c"];
        assert_eq!(tree.paths(), expected);
        let all = ScanOptions { default_excludes: false, ..ScanOptions::default() };
        assert_eq!(tree.scan_with(&all, &StatCache::default()).tree.leaves().len(), 9);
    }

    #[test]
    fn rules_above_the_root_count_inside_a_repository_only() {
        let tree = Tree::new(&[(".gitignore", "*"), ("project/a.py", "")]);
        let paths = || {
            let root = tree.0.path().join("project");
            let options = ScanOptions::default();
            let scan = scan(&root, &options, &StatCache::default(), &Cancel::default());
            scan.expect("scanned").tree.leaves().len()
        };
        assert_eq!(paths(), 1);
        fs::create_dir(tree.0.path().join(".git")).expect("a repository");
        assert_eq!(paths(), 0);
    }

    #[test]
    fn an_index_is_never_source() {
        let tree = Tree::new(&[
            (".hybridxignore", "!*\n!.hybridx/**"),
            ("sub/.hybridx/f", ""),
            ("elsewhere/index/f", ""),
            ("own.py", ""),
        ]);
        let exclude = vec![tree.0.path().join("elsewhere/./index"), tree.0.path().join("own.py")];
        let options = ScanOptions { exclude, ..ScanOptions::default() };
        assert_eq!(tree.scan_with(&options, &StatCache::default()).tree.leaves().len(), 1);
    }

    #[test]
    fn the_root_does_not_depend_on_the_number_of_threads() {
        let files: Vec<_> = (0..200).map(|n| (format!("d{}/f{n}", n % 7), n.to_string())).collect();
        let tree = Tree::new(&files.iter().map(|(p, c)| (&**p, &**c)).collect::<Vec<_>>());
        let root = |jobs| {
            let options = ScanOptions { jobs, ..ScanOptions::default() };
            tree.scan_with(&options, &StatCache::default()).tree.root()
        };
        assert!((2..6).all(|jobs| root(jobs) == root(1)));
    }

    #[test]
    fn an_unchanged_old_file_is_not_read_again_and_a_racy_one_is() {
        let tree = Tree::new(&[("old", "1"), ("new", "2")]);
        let past = SystemTime::now() - Duration::from_hours(1);
        let old = fs::File::options().append(true).open(tree.0.path().join("old")).expect("open");
        old.set_modified(past).expect("mtime set");
        let first = tree.scan(&StatCache::default());
        assert_eq!(first.bytes_hashed, 2);
        let mut cache = first.cache.expect("a cache");
        // Both were just created, so by their ctime both are racy.
        assert_eq!(tree.scan(&cache).bytes_hashed, 2);
        // Seen from a scan an hour from now neither is.
        cache.scanned_at_ns += 3_600_000_000_000;
        let second = tree.scan(&cache);
        assert_eq!((second.bytes_hashed, second.cache.is_none()), (0, true));
        tree.write("new", "3");
        let third = tree.scan(&cache);
        assert_eq!((third.bytes_hashed, third.cache.is_some()), (1, true));
        assert_ne!(third.tree.root(), first.tree.root());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_file_is_a_skip_with_its_reason() {
        let tree = Tree::new(&[("big", "123456"), ("binary", "a\0b"), ("t", "t")]);
        std::os::unix::fs::symlink("t", tree.0.path().join("link")).expect("linked");
        std::os::unix::net::UnixListener::bind(tree.0.path().join("socket")).expect("bound");
        let options = ScanOptions { max_file_bytes: 5, ..ScanOptions::default() };
        let scan = tree.scan_with(&options, &StatCache::default());
        let reasons: Vec<_> = scan.skipped.iter().map(|(p, s)| (&**p, s.reason.name())).collect();
        let expected = [
            ("big", "too_large"),
            ("binary", "binary"),
            ("link", "symlink"),
            ("socket", "special"),
        ];
        assert_eq!(reasons, expected);
        assert_eq!(scan.tree.leaves().len(), 1);
    }
}
