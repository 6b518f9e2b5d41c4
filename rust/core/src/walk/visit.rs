//! The walk itself: folders and files, one piece of work each.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::Scope;

use super::ScanOptions;
use super::cache::{StatCache, UNKNOWN};
use super::found::Found;
use crate::cancel::Cancel;
use crate::digest::Digest;
use crate::listing::{Kind, Listing, os_name};
use crate::merkle::Leaf;
use crate::path;
use crate::read::{self, Reason, Skip, Unread};
use crate::retry::Retry;
use crate::rules::{Decision, Folder, Names, Rules};

/// What belongs to one thread.
#[derive(Default)]
pub(super) struct Worker {
    pub(super) found: Found,
    buffer: Vec<u8>,
    /// The spelling of the path that is looked at.
    path: String,
}

/// Files that are one piece of work: enough that handing them over costs nothing, few enough that
/// one large folder occupies every thread.
const PIECE: usize = 256;

pub(super) struct Walk<'a> {
    pub(super) root: &'a Path,
    pub(super) options: &'a ScanOptions,
    pub(super) previous: &'a StatCache,
    pub(super) cancel: &'a Cancel,
    pub(super) retry: Arc<Retry>,
    pub(super) rules: &'a Rules,
    /// one for each thread of the pool.
    pub(super) workers: Vec<Mutex<Worker>>,
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
    pub(super) fn folder<'s>(
        &'s self,
        scope: &Scope<'s>,
        path: &Path,
        above: &Arc<Folder>,
        known: bool,
    ) {
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
    pub(super) fn one<'s>(&'s self, scope: &Scope<'s>, spelled: &str) {
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
