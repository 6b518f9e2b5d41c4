//! What a walk leaves out, and by which rule: one decision, made here for the scan and for `why`.
//!
//! Ignore rules follow git and ripgrep. Four kinds of files hold them, and the kind named first
//! decides if it says anything at all: `.hybridxignore` (which so may re-include with `!`),
//! `.ignore`, `.gitignore` (inside a repository or not) and `.git/info/exclude`; after them come
//! the user's global excludes. Within a kind the file nearest to the path decides, within a file
//! the last line that matches.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder, Glob, gitconfig_excludes_path};

use crate::digest::Digest;
use crate::read;
use crate::retry::Retry;

/// The name of hybridx's own ignore files.
pub const IGNORE_FILE: &str = ".hybridxignore";

/// The name of an index's folder: never walked, whichever root it belongs to.
pub const INDEX_FOLDER: &str = ".hybridx";

/// Folders of version control systems: never walked.
const VCS_FOLDERS: [&str; 7] = [".git", ".hg", ".svn", ".jj", ".bzr", "_darcs", "CVS"];

/// Folders that hold other people's or generated code wherever they stand.
const DEFAULT_EXCLUDES: [&str; 4] = ["node_modules", "__pycache__", ".tox", ".nox"];

/// A larger file holds no rules that anybody wrote, and compiling it would hold up every scan.
const MAX_RULES: u64 = 1 << 20;

/// A longer pattern matches no path that a system allows. One of megabytes would compile for
/// seconds and take the other rules of its file with it.
const MAX_PATTERN: usize = 4096;

/// The kinds of ignore files in folders, the one that decides first.
const KINDS: [&str; 3] = [IGNORE_FILE, ".ignore", ".gitignore"];

/// Why a path is left out.
#[derive(Clone, Copy, Debug)]
pub enum Left<'r> {
    /// A line of an ignore file says so.
    Rule(&'r Glob),
    /// It is an index, this root's or another's.
    Index,
    /// It belongs to a version control system.
    Vcs,
    /// Its name is that of other people's or generated code.
    DefaultExclude,
    /// It is a Python virtual environment, left out by default.
    VirtualEnvironment,
}

/// What is decided about one path, given that its folder is walked.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'r> {
    /// It is walked; if by a rule that re-includes it, then by this one.
    Keep(Option<&'r Glob>),
    /// It is left out.
    Leave(Left<'r>),
}

/// The rules that hold everywhere below a root.
#[derive(Debug)]
pub struct Rules {
    global: File,
    exclude: Vec<PathBuf>,
    default_excludes: bool,
    retry: Arc<Retry>,
    above: Arc<Folder>,
}

/// The rules that hold in a folder: its own and those of the folders above it. A folder that adds
/// none shares what its parent has.
#[derive(Debug, Default)]
pub struct Folder {
    parent: Option<Arc<Folder>>,
    files: [File; KINDS.len()],
    exclude: File,
    /// Rules of git's do not reach from one repository into another.
    is_repository: bool,
    /// Of everything that [`Rules::decide`] goes by here but what is built in.
    digest: Digest,
}

/// Which of the names that matter here a folder has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names {
    kinds: [bool; KINDS.len()],
    git: bool,
}

impl Names {
    /// Takes note of a name.
    pub fn note(&mut self, name: &[u8]) {
        // Nearly no name begins like this; this is asked for every one there is.
        if name.first() == Some(&b'.') {
            for (kind, found) in KINDS.iter().zip(&mut self.kinds) {
                *found |= name == kind.as_bytes();
            }
            self.git |= name == b".git";
        }
    }

    fn of(folder: &Path) -> Self {
        Self {
            kinds: KINDS.map(|kind| folder.join(kind).exists()),
            git: folder.join(".git").exists(),
        }
    }
}

impl Folder {
    /// A digest of all rules that hold in the folder, but for what is built in: where it is the
    /// same, they decide the same.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl Rules {
    /// The rules for walking `root`, a resolved path. `exclude` are files and folders never looked into.
    pub fn new(
        root: &Path,
        exclude: &[PathBuf],
        default_excludes: bool,
        retry: Arc<Retry>,
    ) -> Self {
        let global = gitconfig_excludes_path();
        let global = global.map(|file| File::read(root, &file, &retry)).unwrap_or_default();
        let outermost = Folder { digest: global.digest, ..Folder::default() };
        // As the file system knows them: an index reached through a link is still not source.
        let resolved = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        let exclude = exclude.iter().map(resolved).collect();
        let mut rules =
            Self { global, exclude, default_excludes, retry, above: Arc::new(outermost) };
        // Rules of folders above count up to the top of the repository that the root lies in: a
        // stray .gitignore in the home folder is no word about the projects in it.
        let top = root.ancestors().position(|folder| folder.join(".git").exists()).unwrap_or(0);
        let mut above: Vec<&Path> = root.ancestors().skip(1).take(top).collect();
        while let Some(folder) = above.pop() {
            rules.above = rules.enter(&rules.above, folder, Names::of(folder));
        }
        rules
    }

    /// The rules of the folders above the root.
    pub fn above(&self) -> &Arc<Folder> {
        &self.above
    }

    /// The rules in `folder`, which has these names in it and whose parent has the rules `above`.
    pub fn enter(&self, above: &Arc<Folder>, folder: &Path, names: Names) -> Arc<Folder> {
        let mut files = [const { File::none() }; KINDS.len()];
        for (at, kind) in KINDS.iter().enumerate().filter(|(at, _)| names.kinds[*at]) {
            files[at] = File::read(folder, &folder.join(kind), &self.retry);
        }
        if !names.git && files.iter().all(File::is_empty) {
            return above.clone();
        }
        let git = if names.git { git_folder(folder, &self.retry) } else { None };
        let exclude = git.map(|git| File::read(folder, &git.join("info/exclude"), &self.retry));
        let exclude = exclude.unwrap_or_default();
        let digest = Digest::of_fields(
            "hybridx rules of a folder v1",
            files.iter().chain([&exclude]).map(|file| file.digest.as_bytes().as_slice()).chain([
                above.digest.as_bytes().as_slice(),
                folder.as_os_str().as_encoded_bytes(),
                &[u8::from(names.git)],
            ]),
        );
        let parent = Some(above.clone());
        Arc::new(Folder { parent, files, exclude, is_repository: names.git, digest })
    }

    /// The same, looking for itself which ignore files there are.
    pub fn enter_alone(&self, above: &Arc<Folder>, folder: &Path) -> Arc<Folder> {
        self.enter(above, folder, Names::of(folder))
    }

    /// Whether a walk of a folder with the rules `folder` goes on to `path`, which lies in it.
    pub fn decide<'r>(&'r self, folder: &'r Folder, path: &Path, is_folder: bool) -> Decision<'r> {
        let name = path.file_name().unwrap_or_default();
        if let Some(left) = self.built_in(path.parent().unwrap_or(path), name, is_folder) {
            return Decision::Leave(left);
        }
        match self.rule(folder, path, is_folder) {
            Match::None => Decision::Keep(None),
            Match::Whitelist(glob) => Decision::Keep(Some(glob)),
            Match::Ignore(glob) => Decision::Leave(Left::Rule(glob)),
        }
    }

    fn rule<'r>(&'r self, folder: &'r Folder, path: &Path, is_folder: bool) -> Match<&'r Glob> {
        let mut kinds = [const { Match::None }; KINDS.len()];
        let mut exclude = Match::None;
        let mut left_repository = false;
        let mut next = Some(folder);
        while let Some(folder) = next {
            for (at, (found, rules)) in kinds.iter_mut().zip(&folder.files).enumerate() {
                let is_gits = at == KINDS.len() - 1;
                if found.is_none() && !(is_gits && left_repository) {
                    *found = rules.matched(path, is_folder);
                }
            }
            if exclude.is_none() && !left_repository {
                exclude = folder.exclude.matched(path, is_folder);
            }
            left_repository |= folder.is_repository;
            next = folder.parent.as_deref();
        }
        let [own, plain, git] = kinds;
        own.or(plain).or(git).or(exclude).or(self.global.matched(path, is_folder))
    }

    /// Why `name` in `folder` is left out whatever ignore files say.
    pub fn built_in(&self, folder: &Path, name: &OsStr, is_folder: bool) -> Option<Left<'static>> {
        // Names first, which is cheap: every file is asked about.
        let is_excluded = |path: &PathBuf| {
            path.file_name() == Some(name) && path.parent().is_some_and(|above| above == folder)
        };
        if self.exclude.iter().any(is_excluded) {
            return Some(Left::Index);
        }
        if !is_folder {
            // A worktree's or submodule's `.git` is a file.
            return (name == ".git").then_some(Left::Vcs);
        }
        if name == INDEX_FOLDER {
            Some(Left::Index)
        } else if VCS_FOLDERS.iter().any(|vcs| name == *vcs) {
            Some(Left::Vcs)
        } else if !self.default_excludes {
            None
        } else if DEFAULT_EXCLUDES.iter().any(|folder| name == *folder) {
            Some(Left::DefaultExclude)
        } else if is_virtual_environment(folder, name) {
            Some(Left::VirtualEnvironment)
        } else {
            None
        }
    }
}

/// Whether a folder is a Python virtual environment. Only folders named like one are looked into:
/// a system call for each folder of a large tree would be felt.
fn is_virtual_environment(above: &Path, name: &OsStr) -> bool {
    memchr::memmem::find(name.as_encoded_bytes(), b"env").is_some()
        && above.join(name).join("pyvenv.cfg").exists()
}

/// The rules of one ignore file. Mostly one set; several where one would be too large to compile.
#[derive(Debug, Default)]
struct File {
    sets: Vec<Gitignore>,
    /// Of its bytes.
    digest: Digest,
}

impl File {
    /// Reads the rules in `file` for what lies below `folder`. Lines that are no pattern are
    /// passed over, as git does.
    fn read(folder: &Path, file: &Path, retry: &Retry) -> Self {
        let bytes = read::read_small(file, MAX_RULES, retry).unwrap_or_default();
        let lines = lines(&bytes).filter(|line| line.len() <= MAX_PATTERN);
        let lines: Vec<&str> = lines.filter_map(|line| str::from_utf8(line).ok()).collect();
        let mut rules = Self { sets: Vec::new(), digest: Digest::of(&bytes) };
        rules.add(folder, file, &lines);
        rules
    }

    const fn none() -> Self {
        Self { sets: Vec::new(), digest: Digest::from_bytes([0; 32]) }
    }

    fn add(&mut self, folder: &Path, file: &Path, lines: &[&str]) {
        let mut builder = GitignoreBuilder::new(folder);
        for line in lines {
            // What does not parse is no rule.
            let _ = builder.add_line(Some(file.to_owned()), line);
        }
        match builder.build() {
            Ok(rules) if rules.is_empty() => {}
            Ok(rules) => self.sets.push(rules),
            Err(_) if lines.len() > 1 => {
                let (first, second) = lines.split_at(lines.len() / 2);
                self.add(folder, file, first);
                self.add(folder, file, second);
            }
            Err(_) => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    fn matched(&self, path: &Path, is_folder: bool) -> Match<&Glob> {
        let matches = self.sets.iter().rev().map(|rules| rules.matched(path, is_folder));
        matches.into_iter().find(|found| !found.is_none()).unwrap_or(Match::None)
    }
}

/// The lines of an ignore file: without line ends, the first without a byte order mark.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Where a rule stands, counted from 1: the last line of its file that says the same.
pub fn line_of(glob: &Glob) -> Option<usize> {
    let bytes = read::read_small(glob.from()?, MAX_RULES, &Retry::default())?;
    let same = |line: &[u8]| {
        let line = str::from_utf8(line).unwrap_or_default();
        let line = if line.ends_with("\\ ") { line } else { line.trim_end() };
        line == glob.original()
    };
    let lines: Vec<&[u8]> = lines(&bytes).collect();
    lines.iter().rposition(|line| same(line)).map(|at| at + 1)
}

/// The folder of the repository `folder` is the top of, where its excludes lie: that of a worktree
/// is named by a file.
fn git_folder(folder: &Path, retry: &Retry) -> Option<PathBuf> {
    const MAX_LINK: u64 = 64 << 10;
    let git = folder.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let first_line = |file: &Path| {
        let text = String::from_utf8(read::read_small(file, MAX_LINK, retry)?).ok()?;
        text.lines().next().map(str::to_owned)
    };
    let own = first_line(&git)?;
    // Either may be relative to where it stands. A submodule's has no second one.
    let own = folder.join(own.strip_prefix("gitdir: ")?);
    Some(match first_line(&own.join("commondir")) {
        Some(common) => own.join(common),
        None => own,
    })
}
