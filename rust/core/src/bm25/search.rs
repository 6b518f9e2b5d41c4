//! Reading: the generation a searcher sees, and what it finds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regex::RegexSet;
use rustc_hash::FxHashMap;
use tantivy::collector::TopDocs;
use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, Query, TermQuery, TermSetQuery,
};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, Index, ReloadPolicy, Term};

use crate::analyzer;
use crate::error::{Error, Result};

use super::directory::ReadDirectory;
use super::filter::Filter;
use super::schema::{Fields, register, schema};
use super::stored::guarded;

/// How much a term counts where it occurs.
const BODY_WEIGHT: f32 = 1.0;
const SYMBOL_WEIGHT: f32 = 2.0;
const PATH_WEIGHT: f32 = 1.0;

/// What a chunk gets for being the definition of exactly the name that was asked for: more than
/// the terms of one name can earn anywhere else.
pub const DEFINITION_SCORE: f32 = 100.0;

/// Of a long query only this many terms are looked up, the rarest ones: an issue text of 70 KB
/// names hundreds of things, and the common ones among them decide nothing.
const MAX_QUERY_TERMS: usize = 48;

/// A view of one commit of a lexical index.
pub struct Searcher {
    pub(super) inner: tantivy::Searcher,
    pub(super) fields: Fields,
    pub(super) folder: PathBuf,
    payload: Option<String>,
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
                return Ok(Self {
                    inner,
                    fields,
                    folder: folder.to_owned(),
                    payload: metas.payload,
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

    /// The ids and scores of the best `limit` chunks for `query`, best first.
    pub fn search(&self, query: &str, limit: usize, filter: &Filter) -> Result<Vec<(u64, f32)>> {
        self.guarded(|| self.best(query, limit, filter))
    }

    fn best(&self, query: &str, limit: usize, filter: &Filter) -> Result<Vec<(u64, f32)>> {
        let Some(query) = self.query(query, filter)? else { return Ok(Vec::new()) };
        if limit == 0 {
            return Ok(Vec::new());
        }
        let top = self.inner.search(&*query, &TopDocs::with_limit(limit).order_by_score())?;
        let mut hits = Vec::with_capacity(top.len());
        let mut columns = FxHashMap::default();
        for (score, DocAddress { segment_ord, doc_id }) in top {
            let column = match columns.entry(segment_ord) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert(self.inner.segment_reader(segment_ord).fast_fields().u64("id")?)
                }
            };
            hits.extend(column.first(doc_id).map(|id| (id, score)));
        }
        // Segments are numbered by chance; equal scores are not to depend on it.
        hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(hits)
    }

    /// The query, or `None` if it holds nothing to look for.
    fn query(&self, text: &str, filter: &Filter) -> Result<Option<Box<dyn Query>>> {
        let fields = &self.fields;
        let mut any: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for (term, weight) in self.select_terms(text)? {
            for (field, field_weight) in [
                (fields.body, BODY_WEIGHT),
                (fields.symbol_terms, SYMBOL_WEIGHT),
                (fields.path_terms, PATH_WEIGHT),
            ] {
                let term = Term::from_field_text(field, &term);
                let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
                let query = BoostQuery::new(Box::new(query), field_weight * weight);
                any.push((Occur::Should, Box::new(query)));
            }
        }
        if let Some(name) = sole_name(text) {
            let term = Term::from_field_text(fields.name, name);
            let query = TermQuery::new(term, IndexRecordOption::Basic);
            let query = ConstScoreQuery::new(Box::new(query), DEFINITION_SCORE);
            any.push((Occur::Should, Box::new(query)));
        }
        if any.is_empty() {
            return Ok(None);
        }
        let query: Box<dyn Query> = Box::new(BooleanQuery::new(any));
        let mut all = vec![(Occur::Must, query)];
        for (field, allowed) in [(fields.language, &filter.languages), (fields.kind, &filter.kinds)]
        {
            if !allowed.is_empty() {
                let terms = allowed.iter().map(|name| Term::from_field_text(field, name));
                all.push((Occur::Must, one_of(terms.collect())));
            }
        }
        if let Some(matcher) = filter.path_matcher()? {
            all.push((Occur::Must, one_of(self.matching_paths(&matcher)?)));
        }
        Ok(Some(Box::new(BooleanQuery::new(all))))
    }

    /// The terms of a query, each once, with how much it counts. Of many, the rarest are kept.
    fn select_terms(&self, text: &str) -> Result<Vec<(String, f32)>> {
        let encoded = analyzer::analyze(text);
        let mut counts: FxHashMap<&str, u32> = FxHashMap::default();
        for term in analyzer::terms(&encoded) {
            *counts.entry(term.text).or_default() += 1;
        }
        let mut terms = Vec::with_capacity(counts.len());
        #[allow(clippy::cast_precision_loss)] // a ratio that only orders terms
        let chunks = self.len().max(1) as f32;
        for (term, count) in counts {
            let found = self.inner.doc_freq(&Term::from_field_text(self.fields.body, term))?;
            #[allow(clippy::cast_precision_loss)] // as above
            let rarity = (1.0 + chunks / (found as f32 + 0.5)).ln();
            #[allow(clippy::cast_precision_loss)] // as above
            let weight = 1.0 + (count as f32).ln();
            terms.push((rarity * weight, term, weight));
        }
        terms.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        terms.truncate(MAX_QUERY_TERMS);
        Ok(terms.into_iter().map(|(_, term, weight)| (term.to_owned(), weight)).collect())
    }

    fn matching_paths(&self, matcher: &RegexSet) -> Result<Vec<Term>> {
        let mut terms = Vec::new();
        for segment in self.inner.segment_readers() {
            let inverted = segment.inverted_index(self.fields.path)?;
            let mut paths = inverted.terms().stream().map_err(Error::io("lexical index"))?;
            while let Some((path, _)) = paths.next() {
                if let Ok(path) = str::from_utf8(path)
                    && matcher.is_match(path)
                {
                    terms.push(Term::from_field_text(self.fields.path, path));
                }
            }
        }
        Ok(terms)
    }
}

/// Matches what holds any of `terms`, and adds nothing to its score.
fn one_of(terms: Vec<Term>) -> Box<dyn Query> {
    if terms.is_empty() {
        return Box::new(EmptyQuery);
    }
    Box::new(ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), 0.0))
}

/// The name, if the query is a single, possibly qualified one.
fn sole_name(query: &str) -> Option<&str> {
    let name = query.trim().trim_end_matches("()");
    let first = name.chars().next()?;
    let named = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '$' | '#' | '~');
    (!first.is_numeric() && name.len() <= 256 && name.chars().all(named)).then_some(name)
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

        fn paths(&self, query: &str, filter: &Filter) -> Vec<String> {
            let searcher = self.open();
            let hits = searcher.search(query, 10, filter).expect("searched");
            let ids: Vec<u64> = hits.iter().map(|hit| hit.0).collect();
            searcher.fetch(&ids).expect("fetched").into_iter().map(|chunk| chunk.path).collect()
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
        assert_eq!(store.paths("retry()", &Filter::default()), ["web/pool.js"]);
        assert_eq!(store.paths("nothing_like_it", &Filter::default()), Vec::<String>::new());
        assert_eq!(store.paths("?!", &Filter::default()), Vec::<String>::new());
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
        assert_eq!(before.search("fresh", 9, &Filter::default()).expect("searched"), []);
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
