//! What a walk leaves out: as the `ignore` crate's own walk decides it, and as `why` explains it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hybridx_core::cancel::Cancel;
use hybridx_core::path;
use hybridx_core::rules::{IGNORE_FILE, INDEX_FOLDER};
use hybridx_core::walk::{ScanOptions, StatCache, scan};
use hybridx_core::why::{Cause, Stands, explain};
use ignore::WalkBuilder;
use proptest::collection::vec;
use proptest::prelude::*;

const FOLDERS: [&str; 8] = ["", "a", "a/b", "a/b/a", "b", "build", "build/a", "b/.hid"];
const NAMES: [&str; 12] =
    ["a", "b", "c.py", "x y", ".hid", "build", "#h", "!n", "[z", "ünï.py", "back\\slash", "end "];
const KINDS: [&str; 4] = [".gitignore", ".ignore", IGNORE_FILE, ".git/info/exclude"];

/// Where repositories begin: nowhere, above the root, at it, below it.
const TOPS: [&[&str]; 6] = [
    &[],
    &["outer/.git"],
    &["outer/root/.git"],
    &["outer/.git", "outer/root/.git"],
    &["outer/.git", "outer/root/a/.git"],
    &["outer/root/.git", "outer/root/a/b/.git", "outer/root/b/.git"],
];

#[derive(Clone, Debug)]
struct Case {
    /// Ignore files: which folder (or the one above the root), which kind, what is in it.
    rules: Vec<(Option<usize>, usize, String)>,
    files: Vec<(usize, usize)>,
    top: usize,
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
        2 => Just("root".to_owned()),
        6 => proptest::sample::select(&["*", "**", "?", "*.py", "[ab]", "[!a]", "b*", "\\!n", "\\#h",
            "end\\ ", "[", "**a", "*/", "{a,b}", "\\a", ".", "..", ""][..]).prop_map(str::to_owned),
    ];
    let parts = vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let start = proptest::sample::select(&["", "", "", "!", "/", "!/", "#", "\\", " ", "**/"][..]);
    let end = proptest::sample::select(&["", "", "", "/", "/**", " ", "\\ ", "\t", "/*"][..]);
    (start, parts, end).prop_map(|(start, parts, end)| format!("{start}{parts}{end}"))
}

fn content() -> impl Strategy<Value = String> {
    let line = (pattern(), proptest::sample::select(&["\n", "\n", "\r\n", "\n\n", "\n# c\n"][..]));
    let lines = vec(line, 0..5).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, end)| [line, end.to_owned()]).collect()
    });
    (any::<bool>(), lines).prop_map(|(bom, lines): (bool, String)| {
        // What stands in the last line counts without a line end, too.
        format!("{}{}", if bom { "\u{feff}" } else { "" }, lines.trim_end_matches(['\r', '\n']))
    })
}

fn case() -> impl Strategy<Value = Case> {
    let rule = (proptest::option::weighted(0.85, 0..FOLDERS.len()), 0..KINDS.len(), content());
    let file = (0..FOLDERS.len(), 0..NAMES.len());
    (vec(rule, 0..6), vec(file, 1..20), 0..TOPS.len()).prop_map(|(rules, files, top)| Case {
        rules,
        files,
        top,
    })
}

fn write(path: &Path, content: &str) {
    // Names of files and folders clash now and then: then one of them is not there.
    if path.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok()) {
        let _ = fs::write(path, content);
    }
}

/// Makes the case's files below `place` and returns whether the root is in a repository, and
/// whether rules above it count.
fn make(case: &Case, place: &Path) -> (bool, bool) {
    let outer = place.join("outer");
    let root = outer.join("root");
    for (folder, name) in &case.files {
        write(&root.join(FOLDERS[*folder]).join(NAMES[*name]), "text\n");
    }
    for (folder, kind, content) in &case.rules {
        let folder = folder.map_or_else(|| outer.clone(), |folder| root.join(FOLDERS[folder]));
        let is_repository =
            TOPS[case.top].iter().any(|top| place.join(top).parent() == Some(&folder));
        if KINDS[*kind] != ".git/info/exclude" || is_repository {
            write(&folder.join(KINDS[*kind]), content);
        }
    }
    fs::create_dir_all(&root).expect("a root");
    for top in TOPS[case.top] {
        let _ = fs::create_dir_all(place.join(top));
    }
    let (above, at) = (outer.join(".git").exists(), root.join(".git").exists());
    (above || at, above && !at)
}

/// Every file below `root`, repositories apart.
fn all_files(root: &Path) -> BTreeSet<String> {
    let mut walk = WalkBuilder::new(root);
    walk.standard_filters(false).filter_entry(|entry| entry.file_name() != ".git");
    listed(root, &walk)
}

fn listed(root: &Path, walk: &WalkBuilder) -> BTreeSet<String> {
    let entries = walk.build().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_some_and(|kind| !kind.is_dir()));
    files.filter_map(|entry| path::relative(root, entry.path())).collect()
}

fn scanned(root: &Path) -> BTreeSet<String> {
    let options = ScanOptions { jobs: 2, ..ScanOptions::default() };
    let scan = scan(root, &options, &StatCache::default(), &Cancel::default()).expect("scanned");
    let leaves = scan.tree.paths().map(|(_, path)| path);
    leaves.chain(scan.skipped.into_iter().map(|(path, _)| path.to_string())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_scan_leaves_out_what_the_ignore_crate_does_and_why_says_so(case in case()) {
        let place = tempfile::tempdir().expect("a temporary folder");
        let (in_repository, above_count) = make(&case, place.path());
        let root = place.path().join("outer/root").canonicalize().expect("resolved");
        let mut walk = WalkBuilder::new(&root);
        walk.hidden(false)
            .follow_links(false)
            .require_git(in_repository)
            .parents(above_count)
            .current_dir(&root)
            .add_custom_ignore_filename(IGNORE_FILE)
            .filter_entry(|entry| entry.file_name() != ".git");
        let kept = scanned(&root);
        prop_assert_eq!(&kept, &listed(&root, &walk));
        let options = ScanOptions::default();
        for file in all_files(&root) {
            let why = explain(&root, &options, &file).expect("explained");
            prop_assert_eq!(why.stands, Stands::File);
            prop_assert_eq!(why.cause.is_none(), kept.contains(&file), "{}: {:?}", file, why);
            prop_assert_eq!(why.digest.is_some(), why.cause.is_none());
            if why.cause.is_none() {
                prop_assert_eq!(&why.decided_at, &file);
            } else {
                let above = format!("{}/", why.decided_at);
                prop_assert!(file == why.decided_at || file.starts_with(&above));
            }
            let Some(Cause::Rule(rule)) = why.cause else { continue };
            // The line that is named says that, and without it the decision is another one.
            let line = rule.line.expect("a line");
            let file = root.join(&rule.file);
            let text = fs::read_to_string(&file).expect("an ignore file");
            let mut lines: Vec<&str> = text.lines().collect();
            let said = lines[line - 1].trim_start_matches('\u{feff}');
            prop_assert!(said.starts_with(&rule.pattern), "{said:?} is not {:?}", rule.pattern);
            prop_assert!(!rule.pattern.starts_with(['!', '#']));
            lines[line - 1] = "";
            fs::write(&file, lines.join("\n")).expect("written");
            let other = explain(&root, &options, &why.decided_at).expect("explained");
            let same = Some(Cause::Rule(rule.clone()));
            prop_assert!(other.cause != same, "{} decides without line {line}", rule.file);
            fs::write(&file, text).expect("written");
        }
    }
}

#[test]
fn a_nested_rule_is_named_by_file_line_and_pattern() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let root = place.path();
    write(&root.join("sub/.gitignore"), "\u{feff}# first\r\n\r\n*.log  \r\n!keep.log\r\n/out/\r\n");
    write(&root.join("sub/out/deep/x.py"), "x");
    write(&root.join("sub/a.log"), "x");
    write(&root.join("sub/keep.log"), "x");
    let why = |file: &str| explain(root, &ScanOptions::default(), file).expect("explained");
    let rule = |file: &str| match why(file).cause {
        Some(Cause::Rule(rule)) => (rule.file, rule.line, rule.pattern),
        other => panic!("{file}: {other:?}"),
    };
    let named = |line, pattern: &str| ("sub/.gitignore".to_owned(), Some(line), pattern.to_owned());
    assert_eq!(rule("sub/a.log"), named(3, "*.log"));
    assert_eq!(rule("sub/out/deep/x.py"), named(5, "/out/"));
    assert_eq!(why("sub/out/deep/x.py").decided_at, "sub/out");
    let kept = why("sub/keep.log").included_by.expect("re-included");
    assert_eq!((kept.line, &*kept.pattern), (Some(4), "!keep.log"));
    // What is not there is explained as if it were.
    assert_eq!(rule("sub/none.log"), named(3, "*.log"));
    assert_eq!(why("sub/none.log").stands, Stands::Nothing);
}

#[test]
fn built_in_rules_are_told_apart() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let root = place.path();
    for file in ["node_modules/m/x.js", "env/pyvenv.cfg", "env/x.py", ".git/config", "w/.git"] {
        write(&root.join(file), "x");
    }
    write(&root.join(INDEX_FOLDER).join("CURRENT"), "x");
    let options = ScanOptions::default();
    let why = |file: &str| {
        let why = explain(root, &options, file).expect("explained");
        (why.decided_at, why.cause.map(|cause| cause.name()))
    };
    let is = |at: &str, cause| (at.to_owned(), Some(cause));
    assert_eq!(why("node_modules/m/x.js"), is("node_modules", "default_exclude"));
    assert_eq!(why("env/x.py"), is("env", "virtual_environment"));
    assert_eq!(why(".git/config"), is(".git", "vcs"));
    assert_eq!(why("w/.git"), is("w/.git", "vcs"));
    assert_eq!(why(".hybridx/CURRENT"), is(".hybridx", "index"));
    for outside in ["", "../x", "a/../../x", "/etc/passwd"] {
        assert!(explain(root, &options, outside).is_err(), "{outside:?} is below the root");
    }
}

#[cfg(unix)]
#[test]
fn an_ignore_file_that_is_no_file_holds_up_nothing() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let root = place.path();
    write(&root.join("a.py"), "x");
    write(&root.join("sub/b.py"), "x");
    let fifo = std::process::Command::new("mkfifo").arg(root.join(".gitignore")).status();
    assert!(fifo.expect("mkfifo").success());
    fs::create_dir(root.join(".ignore")).expect("a folder");
    std::os::unix::fs::symlink("/dev/zero", root.join(IGNORE_FILE)).expect("a link");
    fs::write(root.join("sub/.gitignore"), "*".repeat(5 << 20)).expect("written");
    let seen = scanned(root);
    for file in ["a.py", "sub/b.py", ".gitignore", IGNORE_FILE] {
        assert!(seen.contains(file), "{file} is not in {seen:?}");
    }
    let why = explain(root, &ScanOptions::default(), "sub/b.py").expect("explained");
    assert_eq!(why.cause, None);
}

#[test]
fn hostile_patterns_are_no_rules_and_cost_little() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let root = place.path();
    write(&root.join("a.py"), "x");
    for piece in ["*", "**/", "[a-", "{a,", "{", "[", "\\", "a/", "?", "!", "[[:alpha:]]", "{*,"] {
        for length in [40, 4_000, 100_000] {
            let line = piece.repeat(length / piece.len()) + "\n";
            let rules = line.repeat(100_000 / line.len()) + "*.log\n";
            fs::write(root.join(".gitignore"), rules).expect("written");
            write(&root.join("b.log"), "x");
            let start = std::time::Instant::now();
            let seen = scanned(root);
            let took = start.elapsed();
            assert!(took.as_secs() < 10, "{length} times {piece:?} cost {took:?}");
            assert!(!seen.contains("b.log"), "{piece:?} hides the rule after it");
        }
    }
}
