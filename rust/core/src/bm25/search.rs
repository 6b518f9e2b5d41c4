//! Reading: the generation a searcher sees, and what it finds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;
use tantivy::{Index, ReloadPolicy, SegmentReader};

use crate::error::{Error, Result};
use crate::threads;

use super::candidates::{self, Candidates};
use super::directory::ReadDirectory;
use super::files::Files;
use super::filter::Filter;
use super::ids::Ids;
use super::lookups::Lookups;
use super::question::{Found, Question, Weights};
use super::rest::Frequent;
use super::schema::{Fields, register, schema};
use super::stored::guarded;
use super::sums::Spare;

/// With fewer chunks a question takes a millisecond or two in steps of some tenths, and waking other
/// threads for each step takes longer than they save: above all beside the search of vectors.
const MANY: u64 = if cfg!(test) { 30 } else { 400_000 };

/// A view of one commit of a lexical index.
pub struct Searcher {
    pub(super) inner: tantivy::Searcher,
    pub(super) fields: Fields,
    pub(super) folder: PathBuf,
    payload: Option<String>,
    /// Of each segment; read when a search first needs them.
    files: OnceLock<Vec<Files>>,
    places: OnceLock<Vec<Ids>>,
    /// What questions were answered with, for the next ones.
    pub(super) spare: Spare,
    /// What the dictionaries of each segment said of their terms.
    pub(super) lookups: Vec<Lookups>,
    pub(super) frequent: Frequent,
}

impl Searcher {
    /// Opens the last commit of the index in `folder`; `None` if there is no index.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let meta = folder.join("meta.json");
        if !meta.try_exists().map_err(Error::io(&meta))? {
            return Ok(None);
        }
        guarded(folder, || Self::open_last(folder)).map(Some)
    }

    fn open_last(folder: &Path) -> Result<Self> {
        let corrupt =
            |detail: &str| Error::Corrupt { path: folder.to_owned(), detail: detail.to_owned() };
        let index = Index::open(ReadDirectory::open(folder)?)?;
        register(&index);
        if index.schema() != schema() {
            return Err(corrupt("its schema is another"));
        }
        let fields = Fields::of(&index.schema())?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        // A commit may come between opening the segments and reading the payload. The segments
        // and their deletes name a commit, so equal ones mean that the payload is this commit's.
        for _ in 0..100 {
            let metas = index.load_metas()?;
            let listed: BTreeMap<_, _> =
                metas.segments.iter().map(|meta| (meta.id(), meta.delete_opstamp())).collect();
            let inner = reader.searcher();
            if *inner.generation().segments() == listed {
                let segments = 0..inner.segment_readers().len();
                return Ok(Self {
                    lookups: segments.map(|_| Lookups::default()).collect(),
                    inner,
                    fields,
                    folder: folder.to_owned(),
                    payload: metas.payload,
                    files: OnceLock::new(),
                    places: OnceLock::new(),
                    spare: Spare::default(),
                    frequent: Frequent::default(),
                });
            }
            reader.reload()?;
        }
        Err(corrupt("its segments changed a hundred times while it was being opened"))
    }

    /// The payload of this commit.
    pub fn payload(&self) -> Option<&str> {
        self.payload.as_deref()
    }

    /// The number of chunks.
    pub fn len(&self) -> u64 {
        self.inner.num_docs()
    }

    /// Whether there are no chunks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The candidates for `question`: the best `pool` chunks that `filter` lets through by the
    /// evidence of words, and those of `also` that it lets through.
    pub fn find(
        &self,
        question: &Question,
        weights: &Weights,
        pool: usize,
        filter: &Filter,
        also: &[u64],
    ) -> Result<Found> {
        self.found(self.candidates(question, weights, pool, filter)?, also)
    }

    /// What [`Searcher::find`] does before it needs to know of `also`: all but a small part.
    pub fn candidates(
        &self,
        question: &Question,
        weights: &Weights,
        pool: usize,
        filter: &Filter,
    ) -> Result<Candidates> {
        self.guarded(|| candidates::candidates(self, question, weights, pool, filter))
    }

    /// The candidates that this searcher has made, and those of `also` that their filter lets
    /// through.
    pub fn found(&self, candidates: Candidates, also: &[u64]) -> Result<Found> {
        self.guarded(|| candidates::found(self, candidates, also))
    }

    /// The files of each segment.
    pub(super) fn files(&self) -> Result<&[Files]> {
        self.of_segments(&self.files, |segment| Files::read(segment, self.fields.body))
    }

    /// Where the chunks of each segment are.
    pub(super) fn places(&self) -> Result<&[Ids]> {
        self.of_segments(&self.places, Ids::read)
    }

    /// What is read of every segment once.
    fn of_segments<'a, T: Send + Sync>(
        &self,
        kept: &'a OnceLock<Vec<T>>,
        read: impl Fn(&SegmentReader) -> Result<T> + Sync,
    ) -> Result<&'a [T]> {
        if let Some(kept) = kept.get() {
            return Ok(kept);
        }
        let segments = self.inner.segment_readers();
        let read = |segment| self.guarded(|| read(segment));
        let all = threads::side_by_side(|| segments.par_iter().map(read).collect::<Result<_>>())?;
        Ok(kept.get_or_init(|| all))
    }

    /// Documents that statistics are about: deleted ones count until a merge drops them.
    pub(super) fn documents(&self) -> u64 {
        self.inner.segment_readers().iter().map(|segment| u64::from(segment.max_doc())).sum()
    }

    /// Does `work` with each of `items`, one of every segment: side by side if that helps.
    pub(super) fn side_by_side<T: Send, R: Send>(
        &self,
        items: &mut [T],
        work: impl Fn(&mut T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        // Each by itself: a thread of the pool knows of no guard but its own.
        let guarded = |item| self.guarded(|| work(item));
        if items.len() == 1 || self.documents() < MANY {
            items.iter_mut().map(guarded).collect()
        } else {
            threads::side_by_side(|| items.par_iter_mut().map(guarded).collect())
        }
    }

    /// The most frequent terms of texts that start with `prefix`, at most `limit`.
    pub(super) fn expand(&self, prefix: &str, limit: usize) -> Result<Vec<String>> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for segment in self.inner.segment_readers() {
            let inverted = segment.inverted_index(self.fields.body)?;
            let range = inverted.terms().range().ge(prefix.as_bytes());
            let mut stream = range.into_stream().map_err(Error::io("lexical index"))?;
            while let Some((term, info)) = stream.next() {
                let Some(term) = str::from_utf8(term).ok().filter(|it| it.starts_with(prefix))
                else {
                    break;
                };
                *counts.entry(term.to_owned()).or_default() += u64::from(info.doc_freq);
            }
        }
        let mut terms: Vec<(String, u64)> = counts.into_iter().collect();
        terms.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        terms.truncate(limit);
        Ok(terms.into_iter().map(|(term, _)| term).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzer::analyze;
    use crate::batch::{BatchBuilder, ChunkRow};
    use crate::bm25::Writer;
    use arrow_array::RecordBatch;

    /// `(path, language, symbol, text)`
    type Row = (&'static str, &'static str, &'static str, &'static str);

    fn batch(rows: &[Row]) -> RecordBatch {
        let mut builder = BatchBuilder::default();
        for (path, language, symbol, text) in rows {
            let terms = analyze(text);
            let row = ChunkRow {
                path,
                language,
                kind: if symbol.is_empty() { "module" } else { "function" },
                symbol,
                symbols: symbol,
                start_line: 1,
                end_line: 2,
                text,
                terms: &terms,
                ..ChunkRow::default()
            };
            builder.push(&row).expect("a row");
        }
        builder.finish().expect("a batch")
    }

    struct Store(tempfile::TempDir, Writer);

    impl Store {
        fn new(rows: &[Row]) -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut writer = Writer::open(folder.path(), 1, 20_000_000).expect("opened");
            writer.add(&batch(rows)).expect("added");
            writer.commit("one").expect("committed");
            Self(folder, writer)
        }

        fn open(&self) -> Searcher {
            Searcher::open(self.0.path()).expect("opened").expect("there")
        }

        fn find(&self, question: &Question, filter: &Filter) -> Found {
            let weights = Weights::default();
            self.open().find(question, &weights, 10, filter, &[]).expect("searched")
        }

        fn paths(&self, query: &str, filter: &Filter) -> Vec<String> {
            paths(&self.find(&asked(query), filter))
        }
    }

    fn paths(found: &Found) -> Vec<String> {
        found.chunks.iter().map(|chunk| found.files[chunk.file].path.clone()).collect()
    }

    /// A question of plain words.
    fn asked(query: &str) -> Question {
        let encoded = analyze(query);
        Question {
            terms: crate::analyzer::terms(&encoded).map(|it| (it.text.to_owned(), 1.0)).collect(),
            names: query.split_whitespace().map(str::to_owned).collect(),
            ..Question::default()
        }
    }

    const ROWS: [Row; 4] = [
        (
            "src/pool.py",
            "python",
            "Pool.connect_timeout",
            "def connect_timeout(self): return self.t",
        ),
        (
            "src/use.py",
            "python",
            "",
            "connect_timeout connect_timeout connect_timeout connect_timeout",
        ),
        ("web/pool.js", "javascript", "retry", "function retry() { connect(); }"),
        ("docs/timeouts.md", "markdown", "Timeouts", "# Timeouts\nThe connect timeout of a pool."),
    ];

    #[test]
    fn a_name_finds_its_definition_before_its_uses() {
        let store = Store::new(&ROWS);
        assert_eq!(store.paths("connect_timeout", &Filter::default())[0], "src/pool.py");
        assert_eq!(store.paths("Pool.connect_timeout", &Filter::default())[0], "src/pool.py");
        assert_eq!(store.paths("retry", &Filter::default()), ["web/pool.js"]);
        assert_eq!(store.paths("nothing_like_it", &Filter::default()), Vec::<String>::new());
        assert_eq!(store.paths("?!", &Filter::default()), Vec::<String>::new());
    }

    #[test]
    fn a_definition_is_worth_less_the_more_there_are_of_its_name() {
        let mut store = Store::new(&ROWS);
        let names = |store: &Store, name: &str| -> Vec<f32> {
            let found = store.find(&asked(name), &Filter::default());
            found.chunks.iter().map(|chunk| chunk.name).filter(|worth| *worth > 0.0).collect()
        };
        assert_eq!(names(&store, "connect_timeout"), [1.0]);
        store.1.add(&batch(&[("b.py", "python", "Other.retry", "one more")])).expect("added");
        store.1.commit("two").expect("committed");
        assert_eq!(names(&store, "retry"), [0.5_f32.sqrt(); 2]);
    }

    #[test]
    fn the_best_are_the_same_however_many_are_asked_for_and_however_they_are_divided() {
        const WORDS: [&str; 5] = ["alpha", "beta", "gamma", "delta", "omega"];
        let text = |file: usize, chunk: usize| -> String {
            let words = (0..3 + (file * chunk) % 5).map(|at| WORDS[(file + at * chunk) % 5]);
            words.collect::<Vec<_>>().join(" ")
        };
        let paths: Vec<String> = (0..60).map(|file| format!("d{}/f{file}.py", file % 7)).collect();
        let written = |files_a_commit: usize| -> Store {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut writer = Writer::open(folder.path(), 1, 20_000_000).expect("opened");
            for (first, some) in paths.chunks(files_a_commit).enumerate() {
                let mut builder = BatchBuilder::default();
                for (file, path) in (first * files_a_commit..).zip(some) {
                    for chunk in 0..=file % 6 {
                        let text = text(file, chunk);
                        let terms = analyze(&text);
                        let row = ChunkRow {
                            path,
                            text: &text,
                            terms: &terms,
                            offset: chunk,
                            ..ChunkRow::default()
                        };
                        builder.push(&row).expect("a row");
                    }
                }
                writer.add(&builder.finish().expect("a batch")).expect("added");
                writer.commit("").expect("committed");
            }
            Store(folder, writer)
        };
        let (one, many) = (written(60), written(9));
        assert_eq!(one.open().inner.segment_readers().len(), 1);
        assert!(many.open().inner.segment_readers().len() > 1);
        let question = asked("alpha gamma f3 d2");
        let weights = Weights { spread: 0.1, ..Weights::default() };
        let found = |store: &Store, pool: usize| -> Vec<u64> {
            let found = store.open().find(&question, &weights, pool, &Filter::default(), &[]);
            found.expect("searched").chunks.iter().map(|chunk| chunk.id).collect()
        };
        let all = found(&one, 1000);
        assert!(all.len() > 100, "{}", all.len());
        for pool in [1, 2, 7, 30, 100] {
            assert_eq!(found(&one, pool), all[..pool], "{pool} of one segment");
            assert_eq!(found(&many, pool), all[..pool], "{pool} of many");
        }
    }

    #[test]
    fn chunks_are_found_by_their_ids_until_they_are_deleted() {
        let mut store = Store::new(&ROWS);
        let before = store.open();
        let ids = before.ids().expect("read");
        assert_eq!(ids.len(), ROWS.len());
        let fetched = before.fetch(&ids).expect("fetched");
        assert_eq!(fetched.iter().map(|chunk| chunk.id).collect::<Vec<_>>(), ids);
        assert_eq!(before.fetch(&[ids[0] ^ 1, 0, u64::MAX]).expect("fetched"), []);
        store.1.delete(["src/use.py"]);
        store.1.commit("two").expect("committed");
        let gone = fetched.iter().find(|chunk| chunk.path == "src/use.py").expect("there").id;
        assert_eq!(store.open().fetch(&[gone]).expect("fetched"), []);
        assert_eq!(store.open().fetch(&ids).expect("fetched").len(), ROWS.len() - 1);
        assert_eq!(before.fetch(&[gone]).expect("fetched").len(), 1);
    }

    #[test]
    fn filters_hold_and_a_filter_without_a_match_finds_nothing() {
        let store = Store::new(&ROWS);
        let languages = |names: &[&str]| Filter {
            languages: names.iter().map(ToString::to_string).collect(),
            ..Filter::default()
        };
        assert_eq!(store.paths("connect_timeout", &languages(&["javascript"])), ["web/pool.js"]);
        assert_eq!(store.paths("connect_timeout", &languages(&["cobol"])), Vec::<String>::new());
        let under = |glob: &str| Filter { paths: vec![glob.to_owned()], ..Filter::default() };
        let found = |glob: &str| {
            let mut paths = store.paths("connect timeout", &under(glob));
            paths.sort();
            paths
        };
        assert_eq!(found("src/**"), ["src/pool.py", "src/use.py"]);
        assert_eq!(found("src"), ["src/pool.py", "src/use.py"]);
        assert_eq!(found("pool.*"), ["src/pool.py", "web/pool.js"]);
        assert_eq!(found("*/pool.py"), ["src/pool.py"]);
        assert_eq!(found("/pool.py"), Vec::<String>::new());
        assert!(under("a[").path_patterns().is_err());
        let matches = |glob: &str, path: &str| {
            under(glob).path_matcher().expect("parsed").expect("a matcher").is_match(path)
        };
        assert!(matches("späte/**", "späte/я.py") && matches("?.py", "a/я.py"));
        assert!(matches("s?äte/*", "späte/x") && !matches("späte/*", "spate/x"));
    }

    #[test]
    fn nothing_is_seen_before_the_commit_and_deletes_spare_what_comes_after() {
        let mut store = Store::new(&ROWS);
        let before = store.open();
        store.1.delete(["src/use.py"]);
        store.1.add(&batch(&[("src/use.py", "python", "", "fresh words")])).expect("added");
        assert_eq!(store.open().payload(), Some("one"));
        assert_eq!(store.paths("fresh", &Filter::default()), Vec::<String>::new());
        store.1.commit("two").expect("committed");
        assert_eq!(store.open().payload(), Some("two"));
        assert_eq!(store.paths("fresh", &Filter::default()), ["src/use.py"]);
        assert_eq!((before.payload(), before.len(), store.open().len()), (Some("one"), 4, 4));
        let unseen = before.find(&asked("fresh"), &Weights::default(), 9, &Filter::default(), &[]);
        assert_eq!(unseen.expect("searched").chunks, []);
    }

    #[test]
    fn the_payload_survives_merges() {
        let mut store = Store::new(&ROWS);
        for n in 0..20 {
            store.1.add(&batch(&ROWS)).expect("added");
            store.1.commit(&format!("commit {n}")).expect("committed");
        }
        let Store(folder, writer) = store;
        writer.close().expect("closed");
        let searcher = Searcher::open(folder.path()).expect("opened").expect("there");
        assert!(searcher.inner.segment_readers().len() < 20, "nothing was merged");
        assert_eq!(searcher.payload(), Some("commit 19"));
    }
}
