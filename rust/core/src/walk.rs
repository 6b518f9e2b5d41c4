//! The scan: every file of the tree, its digest, and why it would not be indexed.
//!
//! What is left out by a rule is no concern of the scan ([`crate::rules`]); what is seen and not
//! indexed is a row of its ledger.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::Scope;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::listing::{Kind, Listing, os_name};
use crate::merkle::{Leaf, MerkleTree, Source, path_order};
use crate::path;
use crate::read::{self, Reason, Skip, Stat, Unread};
use crate::retry::Retry;
use crate::rules::{Decision, Folder, Names, Rules};
use crate::sealed::{Packed, Seal};
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

/// What the last scan found, valid file by file while size, times and inode are the same.
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
    tree: Arc<MerkleTree>,
    /// Of each file of the tree, in its order; [`UNKNOWN`] of one that changed while it was read.
    stats: Packed<Stat>,
    /// What is no text, in path order; with a stat if that can vouch for it.
    skipped: Vec<(Arc<str>, Option<Stat>, Skip)>,
    /// The folders that have ignore files, in path order, and the root; with a digest of all rules
    /// that hold there.
    rules: Vec<(Box<str>, Digest)>,
}

/// The stat of no file.
const UNKNOWN: Stat = Stat { size: 0, mtime_ns: 0, ctime_ns: 0, inode: 0 };

const STAT_CACHE: Seal = Seal { magic: *b"HYBXSTAT", format: 2 };

impl StatCache {
    /// Reads the cache; an absent or damaged one is empty.
    pub fn load(path: &Path) -> Self {
        let cache: Option<Self> = STAT_CACHE.read(path).ok().flatten().map(|(cache, _)| cache);
        cache.filter(|cache| cache.stats.0.len() == cache.tree.len()).unwrap_or_default()
    }

    /// Writes the cache, atomically.
    pub fn save(&self, path: &Path) -> Result<()> {
        STAT_CACHE.write(path, self, false).map(|_| ())
    }

    fn is_valid(&self, cached: &Stat, stat: &Stat, limit: u64) -> bool {
        let racy = stat.mtime_ns.max(stat.ctime_ns) >= self.scanned_at_ns;
        cached == stat && *stat != UNKNOWN && !racy && self.max_file_bytes == limit
    }

    /// Whether the rules in `folder` are those that the last scan met there; `above` tells it of
    /// the folder above, and a folder that adds none has `None`.
    fn knows_rules(&self, folder: &str, above: bool, rules: Option<Digest>) -> bool {
        let at = self.rules.binary_search_by(|row| path_order(&row.0, folder));
        match (at, rules) {
            (Ok(at), Some(rules)) => self.rules[at].1 == rules,
            (Err(_), None) => above,
            _ => false,
        }
    }

    fn skip(&self, path: &str) -> Option<&(Arc<str>, Option<Stat>, Skip)> {
        let at = self.skipped.binary_search_by(|row| path_order(&row.0, path)).ok()?;
        Some(&self.skipped[at])
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

/// What was found, by one thread or by all.
#[derive(Default)]
struct Found {
    /// Text files that are as they were: their places in the last scan's tree.
    same: Vec<usize>,
    /// Other text files, with their stats beside them.
    fresh: Vec<Leaf>,
    stats: Vec<Stat>,
    skipped: Vec<(Arc<str>, Option<Stat>, Skip)>,
    rules: Vec<(Box<str>, Digest)>,
    bytes_hashed: u64,
    /// Files that are no text and were read to find that out.
    sniffed: usize,
}

impl Found {
    fn extend(&mut self, other: Self) {
        self.same.extend(other.same);
        self.fresh.extend(other.fresh);
        self.stats.extend(other.stats);
        self.skipped.extend(other.skipped);
        self.rules.extend(other.rules);
        self.bytes_hashed += other.bytes_hashed;
        self.sniffed += other.sniffed;
    }

    fn skip(&mut self, path: &str, stat: Option<Stat>, skip: Skip) {
        self.skipped.push((path.into(), stat, skip));
    }

    /// Adds what the last scan found elsewhere than at or below `paths`.
    fn keep_others(&mut self, previous: &StatCache, paths: &[String]) {
        let paths: FxHashSet<&str> = paths.iter().map(String::as_str).collect();
        let is_asked = |mut path: &str| {
            loop {
                if paths.contains(path) {
                    return true;
                }
                match path.rfind('/') {
                    Some(end) => path = &path[..end],
                    None => return false,
                }
            }
        };
        let mut is_gone = vec![false; previous.tree.len()];
        for path in &paths {
            is_gone[previous.tree.places_below(path)].fill(true);
        }
        self.same.sort_unstable();
        self.same.dedup();
        self.same.extend((0..is_gone.len()).filter(|place| !is_gone[*place]));
        // A folder above one of the paths may have got a row, which says more than the old one.
        let has_row: FxHashSet<_> = self.skipped.iter().map(|row| row.0.clone()).collect();
        let others = previous.skipped.iter();
        let others = others.filter(|row| !is_asked(&row.0) && !has_row.contains(&row.0));
        self.skipped.extend(others.cloned());
        self.skipped.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        self.skipped.dedup_by(|a, b| a.0 == b.0);
        // Those above the paths stay what they were: files beside them were taken by those.
        self.rules.retain(|(folder, _)| is_asked(folder));
        self.rules.extend(previous.rules.iter().filter(|(folder, _)| !is_asked(folder)).cloned());
        self.rules.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        self.rules.dedup_by(|a, b| a.0 == b.0);
    }

    fn into_scan(mut self, scanned_at_ns: i64, max_file_bytes: u64, previous: &StatCache) -> Scan {
        self.skipped.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        self.rules.sort_unstable_by(|a, b| path_order(&a.0, &b.0));
        let skipped = self.skipped.iter().map(|(path, _, skip)| (path.clone(), skip.clone()));
        let skipped = skipped.collect();
        let bytes_hashed = self.bytes_hashed;
        let mut fresh = self.fresh.len() + self.sniffed;
        let is_same = self.fresh.is_empty()
            && self.sniffed == 0
            && self.same.len() == previous.tree.len()
            && self.skipped == previous.skipped
            && self.rules == previous.rules
            && max_file_bytes == previous.max_file_bytes;
        if is_same {
            let tree = previous.tree.clone();
            return Scan { tree, skipped, cache: None, fresh, bytes_hashed };
        }
        if self.rules != previous.rules {
            // Under rules that are not known every file is asked about.
            fresh += self.same.len();
        }
        let mut is_gone = vec![true; previous.tree.len()];
        self.same.iter().for_each(|place| is_gone[*place] = false);
        let (tree, sources) = previous.tree.patched(|place| is_gone[place], &self.fresh);
        let stats = sources.into_iter().map(|source| match source {
            Source::Kept(place) => previous.stats.0[place],
            Source::Added(at) => self.stats[at],
        });
        let cache = StatCache {
            scanned_at_ns,
            max_file_bytes,
            tree: Arc::new(tree),
            stats: Packed(stats.collect()),
            skipped: self.skipped,
            rules: self.rules,
        };
        Scan { tree: cache.tree.clone(), skipped, cache: Some(cache), fresh, bytes_hashed }
    }
}

/// What belongs to one thread.
#[derive(Default)]
struct Worker {
    found: Found,
    buffer: Vec<u8>,
    /// The spelling of the path that is looked at.
    path: String,
}

/// Files that are one piece of work: enough that handing them over costs nothing, few enough that
/// one large folder occupies every thread.
const PIECE: usize = 256;

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

/// A folder that is being walked.
struct Place {
    path: PathBuf,
    /// Its spelling; that of the root is empty.
    spelled: String,
    listing: Listing,
    rules: Arc<Folder>,
    /// Whether the rules are those of the last scan: they kept what that found here.
    has_known_rules: bool,
    /// The places of its files in the last scan's tree.
    known: Option<Range<usize>>,
}

impl Walk<'_> {
    /// Lists a folder; its files and folders become work of the scope.
    fn folder<'s>(&'s self, scope: &Scope<'s>, path: &Path, above: &Arc<Folder>, known: bool) {
        if self.cancel.is_cancelled() {
            return;
        }
        let listing = match self.list(path) {
            Ok(listing) => listing,
            Err(error) => return self.unlisted(path, &error),
        };
        let place = Arc::new(self.place(path, listing, above, known));
        let mut files = Vec::new();
        for at in place.listing.all() {
            if place.listing.kind(at) != Kind::Folder {
                files.push(at);
                continue;
            }
            let name = place.listing.name(at);
            let spelled = place.spell(&path::encode(name));
            let is_known = self.previous.tree.files_in(&spelled).is_some();
            if !self.leaves(&place, name, true, is_known) {
                let path = place.path.join(os_name(name));
                let (rules, known) = (place.rules.clone(), place.has_known_rules);
                scope.spawn(move |scope| self.folder(scope, &path, &rules, known));
            }
        }
        // Last, so that this thread takes them up before it opens another folder.
        if files.len() <= PIECE {
            return self.files(&place, &files);
        }
        for piece in files.chunks(PIECE) {
            let (place, piece) = (place.clone(), piece.to_owned());
            scope.spawn(move |_| self.files(&place, &piece));
        }
    }

    /// Looks at one path alone, by the way that a walk would take to it. Where that would not come
    /// by, nothing is there.
    fn one<'s>(&'s self, scope: &Scope<'s>, spelled: &str) {
        let (mut folder, mut above, mut known) =
            (self.root.to_owned(), self.rules.above().clone(), false);
        let mut parts = spelled.split('/').peekable();
        while let Some(part) = parts.next() {
            let place = match self.list(&folder) {
                Ok(listing) => self.place(&folder, listing, &above, known),
                Err(error) => return self.unlisted(&folder, &error),
            };
            let name = path::decode(part);
            let Some(at) = place.listing.all().find(|at| place.listing.name(*at) == &*name) else {
                return;
            };
            if place.listing.kind(at) != Kind::Folder {
                if parts.peek().is_none() {
                    self.file(&mut self.worker(), &place, at);
                }
                return;
            }
            if self.leaves(&place, &name, true, false) {
                return;
            }
            folder.push(os_name(&name));
            (above, known) = (place.rules, place.has_known_rules);
        }
        self.folder(scope, &folder, &above, known);
    }

    fn place(&self, path: &Path, listing: Listing, above: &Arc<Folder>, known: bool) -> Place {
        let mut names = Names::default();
        for at in listing.all() {
            names.note(listing.name(at));
        }
        let rules = self.rules.enter(above, path, names);
        let spelled = path::relative(self.root, path).unwrap_or_default();
        let has_own = spelled.is_empty() || !Arc::ptr_eq(&rules, above);
        let digest = has_own.then(|| rules.digest());
        let has_known_rules = self.previous.knows_rules(&spelled, known, digest);
        if let Some(digest) = digest {
            self.worker().found.rules.push((spelled.as_str().into(), digest));
        }
        let known = self.previous.tree.files_in(&spelled);
        Place { path: path.to_owned(), spelled, listing, rules, has_known_rules, known }
    }

    /// What a folder holds. A name that went away before its kind was known was never there.
    fn list(&self, folder: &Path) -> io::Result<Listing> {
        let mut listing = self.retry.run(|| Listing::of(folder))?;
        for at in listing.all() {
            if listing.kind(at) == Kind::Unknown {
                match self.retry.run(|| listing.look(at)) {
                    Ok((kind, _)) => listing.set_kind(at, kind),
                    Err(error) if is_missing(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(listing)
    }

    /// Whether a name is left out. Of one that the last scan took (`is_known`), and under the same
    /// rules, only what is built in is asked.
    fn leaves(&self, place: &Place, name: &[u8], is_folder: bool, is_known: bool) -> bool {
        let name = os_name(name);
        if is_known && place.has_known_rules {
            return self.rules.built_in(&place.path, name, is_folder).is_some();
        }
        let path = place.path.join(name);
        matches!(self.rules.decide(&place.rules, &path, is_folder), Decision::Leave(_))
    }

    fn worker(&self) -> MutexGuard<'_, Worker> {
        let thread = rayon::current_thread_index().unwrap_or(0);
        self.workers[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self, place: &Place, files: &[usize]) {
        let mut worker = self.worker();
        for at in files {
            if self.cancel.is_cancelled() {
                return;
            }
            self.file(&mut worker, place, *at);
        }
    }

    fn file(&self, worker: &mut Worker, place: &Place, at: usize) {
        let bytes = place.listing.name(at);
        let name = path::encode(bytes);
        let known =
            place.known.as_ref().and_then(|files| self.previous.tree.place_in(files, &name));
        if self.leaves(place, bytes, false, known.is_some()) {
            return;
        }
        let Worker { found, buffer, path } = worker;
        path.clear();
        place.spell_into(&name, path);
        match place.listing.kind(at) {
            Kind::File => {}
            Kind::Symlink => {
                return found.skip(path, None, Skip::symlink(&place.path.join(os_name(bytes))));
            }
            Kind::Special => return found.skip(path, None, Skip::special()),
            Kind::Folder | Kind::Unknown => return,
        }
        if let Some(rule) = self.options.secrets.sensitive(path) {
            return found.skip(path, None, Skip::sensitive(rule));
        }
        let stat = match self.retry.run(|| place.listing.look(at)) {
            Ok((_, stat)) => stat,
            Err(error) if is_missing(&error) => return,
            Err(error) => return found.skip(path, None, Skip::from_io(&error)),
        };
        let limit = self.options.max_file_bytes;
        if let Some(known) = known {
            if self.previous.is_valid(&self.previous.stats.0[known], &stat, limit) {
                return found.same.push(known);
            }
        } else if let Some((path, Some(cached), skip)) = self.previous.skip(path)
            && self.previous.is_valid(cached, &stat, limit)
        {
            return found.skipped.push((path.clone(), Some(stat), skip.clone()));
        }
        if stat.size > limit {
            return found.skip(path, Some(stat), read::too_large(limit));
        }
        let file = place.path.join(os_name(bytes));
        match read::read_into(&file, limit, &self.retry, buffer) {
            // It went away between listing and reading: as if the walk had come later.
            Err(Unread::Skip(Skip { reason: Reason::Vanished, .. }) | Unread::Cancelled) => {}
            // The reason may pass (permissions, a busy file): asked again next time.
            Err(unread) => found.skip(path, None, unread.into_skip()),
            Ok(stat) => {
                found.bytes_hashed += buffer.len() as u64;
                match read::sniff(buffer) {
                    Ok(()) => {
                        let digest = Digest::of(buffer);
                        found.fresh.push(Leaf { path: path.as_str().into(), digest });
                        found.stats.push(stat.unwrap_or(UNKNOWN));
                    }
                    Err(skip) => {
                        found.sniffed += 1;
                        found.skip(path, stat, skip);
                    }
                }
            }
        }
    }

    /// A folder that could not be listed is one row, whatever is in it.
    fn unlisted(&self, folder: &Path, error: &io::Error) {
        if let Some(path) = path::relative(self.root, folder).filter(|_| !is_missing(error)) {
            self.worker().found.skip(&path, None, Skip::from_io(error));
        }
    }
}

impl Place {
    /// The spelling of the path of what has this name here.
    fn spell(&self, name: &str) -> String {
        let mut path = String::with_capacity(self.spelled.len() + 1 + name.len());
        self.spell_into(name, &mut path);
        path
    }

    fn spell_into(&self, name: &str, path: &mut String) {
        if !self.spelled.is_empty() {
            path.push_str(&self.spelled);
            path.push('/');
        }
        path.push_str(name);
    }
}

/// Whether nothing is there any more: it went, or a folder above it did.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
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
