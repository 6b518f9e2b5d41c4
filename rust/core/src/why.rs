//! Why one path is, or is not, walked and indexed: the decisions of a scan, for one path alone and
//! with their reasons.

use std::fs;
use std::path::{Component, Path};
use std::sync::Arc;

use ignore::gitignore::Glob;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::language::Language;
use crate::path;
use crate::read::{self, Reason, Skip, Unread};
use crate::retry::Retry;
use crate::rules::{Decision, Folder, Left, Rules, line_of};
use crate::walk::ScanOptions;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket or a device.
    Special,
    /// Nothing.
    Nothing,
    /// The system does not say.
    Unknown,
}

impl Stands {
    fn at(path: &Path) -> Self {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => Self::Folder,
            Ok(metadata) if metadata.is_file() => Self::File,
            Ok(metadata) if metadata.is_symlink() => Self::Symlink,
            Ok(_) => Self::Special,
            Err(error) if Skip::from_io(&error).reason == Reason::Vanished => Self::Nothing,
            Err(_) => Self::Unknown,
        }
    }

    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Symlink => "symlink",
            Self::Special => "special",
            Self::Nothing => "nothing",
            Self::Unknown => "unknown",
        }
    }
}

/// A line of an ignore file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The file, relative to the root if it lies below it.
    pub file: String,
    /// The line, counted from 1; `None` if the file has changed meanwhile.
    pub line: Option<usize>,
    /// The pattern as it is written there.
    pub pattern: String,
}

impl Rule {
    fn of(glob: &Glob, root: &Path) -> Self {
        let file = glob.from().unwrap_or(Path::new(""));
        let file = path::relative(root, file)
            .unwrap_or_else(|| path::encode(file.as_os_str().as_encoded_bytes()).into_owned());
        Self { file, line: line_of(glob), pattern: glob.original().to_owned() }
    }
}

/// Why a walk leaves something out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An ignore rule.
    Rule(Rule),
    /// It is an index.
    Index,
    /// It belongs to a version control system.
    Vcs,
    /// Its name is that of other people's or generated code.
    DefaultExclude,
    /// It is a Python virtual environment.
    VirtualEnvironment,
}

impl Cause {
    /// The lower-case name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rule(_) => "rule",
            Self::Index => "index",
            Self::Vcs => "vcs",
            Self::DefaultExclude => "default_exclude",
            Self::VirtualEnvironment => "virtual_environment",
        }
    }
}

/// What a scan would make of one path.
#[derive(Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What stands there.
    pub stands: Stands,
    /// The path that decided: the one asked for or a folder above it.
    pub decided_at: String,
    /// Why a walk leaves out `decided_at`.
    pub cause: Option<Cause>,
    /// The row of the skip ledger that `decided_at` would get.
    pub skip: Option<Skip>,
    /// The rule that re-includes the path.
    pub included_by: Option<Rule>,
    /// The file's digest, if it is text.
    pub digest: Option<Digest>,
    /// The file's language, if it is text.
    pub language: Option<Language>,
}

/// Explains the path spelled `spelling` below `root`. One that does not exist is explained as if
/// it were a file.
///
/// # Errors
/// [`Error::Io`] if there is no such root; [`Error::Invalid`] if the path is not below it.
pub fn explain(root: &Path, options: &ScanOptions, spelling: &str) -> Result<Explanation> {
    let root = root.canonicalize().map_err(Error::io(root))?;
    let target = path::resolve(&root, spelling);
    let below = target.strip_prefix(&root).unwrap_or(Path::new(""));
    let parts: Vec<_> = below.components().collect();
    if parts.is_empty() || !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
        return Err(Error::Invalid(format!("{spelling} is no path below the root")));
    }
    let retry = Arc::new(Retry::default());
    let rules = Rules::new(&root, &options.exclude, options.default_excludes, retry.clone());
    let target = Target { root: &root, path: &target, options, rules: &rules, retry: &retry };
    let mut folder = rules.above().clone();
    let mut place = root.clone();
    let mut parts = parts.into_iter();
    loop {
        folder = rules.enter_alone(&folder, &place);
        place.extend(parts.next());
        if let Some(explanation) = target.step(&folder, &place) {
            return Ok(explanation);
        }
    }
}

struct Target<'a> {
    root: &'a Path,
    path: &'a Path,
    options: &'a ScanOptions,
    rules: &'a Rules,
    retry: &'a Retry,
}

impl Target<'_> {
    /// What is decided at `place`, the target or a folder above it, in a folder with the rules
    /// `folder`; `None` if the walk goes on below it. At the target there always is an answer.
    fn step(&self, folder: &Folder, place: &Path) -> Option<Explanation> {
        let last = place == self.path;
        let here = Stands::at(place);
        let mut found = Explanation {
            stands: if last { here } else { Stands::at(self.path) },
            decided_at: path::relative(self.root, place).unwrap_or_default(),
            cause: None,
            skip: None,
            included_by: None,
            digest: None,
            language: None,
        };
        let is_folder = here == Stands::Folder || (!last && here == Stands::Nothing);
        match self.rules.decide(folder, place, is_folder) {
            Decision::Leave(left) => {
                found.cause = Some(self.cause(left));
                return Some(found);
            }
            Decision::Keep(glob) => {
                found.included_by = glob.map(|glob| Rule::of(glob, self.root));
            }
        }
        match here {
            Stands::Symlink => found.skip = Some(Skip::symlink(place)),
            Stands::Special if last => found.skip = Some(Skip::special()),
            Stands::File if last => self.read(&mut found),
            Stands::Folder => match self.retry.run(|| fs::read_dir(place)) {
                Ok(_) if last => {}
                Ok(_) => return None,
                Err(error) => found.skip = Some(Skip::from_io(&error)),
            },
            Stands::Nothing if !last => return None,
            Stands::Unknown => {
                found.skip = fs::symlink_metadata(place).err().map(|error| Skip::from_io(&error));
            }
            Stands::File | Stands::Special | Stands::Nothing => {}
        }
        Some(found)
    }

    fn cause(&self, left: Left) -> Cause {
        match left {
            Left::Rule(glob) => Cause::Rule(Rule::of(glob, self.root)),
            Left::Index => Cause::Index,
            Left::Vcs => Cause::Vcs,
            Left::DefaultExclude => Cause::DefaultExclude,
            Left::VirtualEnvironment => Cause::VirtualEnvironment,
        }
    }

    fn read(&self, found: &mut Explanation) {
        if let Some(rule) = self.options.secrets.sensitive(&found.decided_at) {
            found.skip = Some(Skip::sensitive(rule));
            return;
        }
        let mut bytes = Vec::new();
        let read = read::read_into(self.path, self.options.max_file_bytes, self.retry, &mut bytes);
        let text = read.map_err(Unread::into_skip).and_then(|_| read::decode(&bytes));
        match text {
            Ok(text) => {
                found.digest = Some(Digest::of(&bytes));
                found.language = Some(Language::detect(&found.decided_at, &text.text));
            }
            Err(Skip { reason: Reason::Vanished, .. }) => found.stands = Stands::Nothing,
            Err(skip) => found.skip = Some(skip),
        }
    }
}
