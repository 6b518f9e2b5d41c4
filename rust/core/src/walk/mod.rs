//! The scan: every file of the tree, its digest, and why it would not be indexed.
//!
//! What is left out by a rule is no concern of the scan ([`crate::rules`]); what is seen and not
//! indexed is a row of its ledger.

mod cache;
mod found;
mod visit;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use cache::StatCache;
use found::Found;
use visit::Walk;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::merkle::MerkleTree;
use crate::read::{Skip, Stat};
use crate::retry::Retry;
use crate::rules::Rules;
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
    pub tree: Arc<MerkleTree>,
    /// Everything seen and left out, in path order.
    pub skipped: Vec<(Arc<str>, Skip)>,
    /// What the next scan may reuse; `None` if that is what this one was given.
    pub cache: Option<StatCache>,
    /// Files of which the cache knew nothing, or something else: all, under other ignore rules.
    pub fresh: usize,
    /// Bytes read to compute digests.
    pub bytes_hashed: u64,
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
    scan_all_or(root, options, previous, cancel, None)
}

/// Looks at the files and folders spelled `paths` alone; all others are taken to be as the last
/// scan found them, even if they are not. Without what that found, everything is scanned.
///
/// # Errors
/// As those of [`scan`].
pub fn scan_some(
    root: &Path,
    options: &ScanOptions,
    previous: &StatCache,
    cancel: &Cancel,
    paths: &[String],
) -> Result<Scan> {
    let is_usable = previous.max_file_bytes == options.max_file_bytes && !previous.rules.is_empty();
    let paths = (is_usable && !paths.iter().any(String::is_empty)).then_some(paths);
    scan_all_or(root, options, previous, cancel, paths)
}

fn scan_all_or(
    root: &Path,
    options: &ScanOptions,
    previous: &StatCache,
    cancel: &Cancel,
    paths: Option<&[String]>,
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
    pool.scope(|scope| match paths {
        None => walk.folder(scope, root, rules.above(), false),
        Some(paths) => paths.iter().for_each(|path| walk.one(scope, path)),
    });
    cancel.check()?;
    let mut found = Found::default();
    for worker in walk.workers {
        found.extend(worker.into_inner().unwrap_or_else(PoisonError::into_inner).found);
    }
    if let Some(paths) = paths {
        found.keep_others(previous, paths);
        // Nobody has looked at the others since.
        return Ok(found.into_scan(previous.scanned_at_ns, options.max_file_bytes, previous));
    }
    Ok(found.into_scan(scanned_at_ns, options.max_file_bytes, previous))
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
    use crate::digest::Digest;

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

    /// What a scan of everything finds, and what one of some paths makes of the last one's.
    fn assert_same(some: &Scan, all: &Scan) {
        assert_eq!(some.tree.leaves(), all.tree.leaves());
        assert_eq!(some.tree.root(), all.tree.root());
        assert_eq!(some.skipped, all.skipped);
    }

    #[test]
    fn some_paths_scanned_alone_come_out_as_in_a_scan_of_everything() {
        let tree = Tree::new(&[
            (".gitignore", "*.log\n"),
            ("a/one.c", "1"),
            ("a/two.c", "2"),
            ("a/deep/three.c", "3"),
            ("b/four.c", "4"),
            ("b/data.bin", "\0"),
            ("c", "a file that becomes a folder"),
        ]);
        let cache = tree.scan(&StatCache::default()).cache.expect("a cache");
        let root = tree.0.path();
        tree.write("a/one.c", "changed");
        tree.write("a/new/five.c", "5");
        tree.write("a/noise.log", "ignored");
        fs::remove_file(root.join("a/deep/three.c")).expect("removed");
        fs::remove_file(root.join("c")).expect("removed");
        tree.write("c/six.c", "6");
        tree.write("b/data.bin", "text by now");
        tree.write("a/two.c", "\0binary by now");
        let paths = ["a/one.c", "a/new", "a/noise.log", "a/deep", "c", "b/data.bin", "a/two.c"];
        let paths = [&paths[..], &["nowhere/at/all", "a/one.c/below"]].concat();
        let paths: Vec<String> = paths.into_iter().map(str::to_owned).collect();
        let options = ScanOptions::default();
        let some = scan_some(root, &options, &cache, &Cancel::default(), &paths).expect("scanned");
        let all = tree.scan(&cache);
        assert_same(&some, &all);
        // The cache that comes of it serves the next scan as well as any.
        assert_same(&tree.scan(&some.cache.expect("a cache")), &all);
        let none = scan_some(root, &options, &StatCache::default(), &Cancel::default(), &paths);
        assert_same(&none.expect("scanned"), &all);
    }

    #[test]
    fn what_was_not_asked_for_stays_as_it_was_and_is_seen_by_the_next_scan() {
        let tree = Tree::new(&[("a.c", "1"), ("b.c", "2"), ("d/e.c", "3")]);
        let cache = tree.scan(&StatCache::default()).cache.expect("a cache");
        tree.write("a.c", "changed");
        tree.write("b.c", "changed too");
        tree.write("d/.gitignore", "e.c\n");
        let options = ScanOptions::default();
        let only = ["a.c".to_owned()];
        let root = tree.0.path();
        let some = scan_some(root, &options, &cache, &Cancel::default(), &only).expect("scanned");
        assert_eq!(&*some.tree.diff(&cache.tree).modified, &["a.c".into()]);
        let all = tree.scan(&some.cache.expect("a cache"));
        assert_eq!(all.tree.get("b.c"), Some(Digest::of(b"changed too")));
        assert_eq!(all.tree.get("d/e.c"), None);
    }

    #[test]
    fn changed_rules_reach_files_that_the_last_scan_took() {
        let tree = Tree::new(&[("a/b/c.c", "1"), ("a/keep.c", "2")]);
        let mut cache = tree.scan(&StatCache::default()).cache.expect("a cache");
        cache.scanned_at_ns += 3_600_000_000_000;
        assert_eq!(tree.scan(&cache).tree.len(), 2);
        for (file, rules, left) in [
            ("a/.gitignore", "b/\n", 2),
            ("a/.gitignore", "", 3),
            (".hybridxignore", "c.c\n", 3),
            (".hybridxignore", "", 4),
        ] {
            tree.write(file, rules);
            let scan = tree.scan(&cache);
            assert_eq!(scan.tree.len(), left, "{file}: {rules}");
            cache = scan.cache.expect("a cache");
        }
        fs::remove_file(tree.0.path().join("a/.gitignore")).expect("removed");
        tree.write(".ignore", "a\n");
        assert_eq!(tree.scan(&cache).tree.len(), 2);
    }
}
