//! What is quick gives the same as the plain way does.

use std::collections::BTreeMap;
use std::thread;

use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED, Term};
use tempfile::TempDir;

use super::lookups::{Lookups, MOST_KEPT};
use super::postings::{Bm25, Norms, Worth, for_each_posting};
use super::{Filter, Found, Question, Searcher, Weights, Writer};
use crate::analyzer::analyze;
use crate::batch::{BatchBuilder, ChunkRow};

const WORDS: [&str; 7] = ["alpha", "beta", "gamma", "delta", "omega", "read", "write"];

/// An index of 300 files in several segments, of which every seventh was deleted.
fn index() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut writer = Writer::open(folder.path(), 1, 20_000_000).expect("opened");
    let paths: Vec<String> = (0..300).map(|file| format!("d{}/f{file}.py", file % 7)).collect();
    for (first, some) in [(0, &paths[..200]), (200, &paths[200..270]), (270, &paths[270..])] {
        let mut builder = BatchBuilder::default();
        for (file, path) in (first..).zip(some) {
            for chunk in 0..=file % 5 {
                let count = 1 + (file * 31 + chunk * 17) % 9;
                let words = (0..count).map(|at| WORDS[(file * 13 + at * at + chunk) % WORDS.len()]);
                let text = words.collect::<Vec<_>>().join(" ");
                let symbol = format!("{}_{}", WORDS[file % 7], WORDS[(file + chunk) % 7]);
                let terms = analyze(&text);
                let row = ChunkRow {
                    path,
                    language: if file % 3 == 0 { "python" } else { "c" },
                    kind: "function",
                    symbol: &symbol,
                    symbols: &symbol,
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
    writer.delete(paths.iter().step_by(7).map(String::as_str));
    writer.commit("").expect("committed");
    writer.close().expect("closed");
    folder
}

fn open(folder: &TempDir) -> Searcher {
    Searcher::open(folder.path()).expect("opened").expect("there")
}

/// Questions that touch much, little and nothing of the index, each with a filter.
fn questions() -> Vec<(Question, Filter)> {
    let mut questions = Vec::new();
    for (at, first) in WORDS.iter().enumerate() {
        for text in [*first, "f17 d3", "none", "alpha beta gamma delta omega read write"] {
            let encoded = analyze(text);
            let terms = crate::analyzer::terms(&encoded).map(|it| (it.text.to_owned(), 1.0));
            let mut question = Question { terms: terms.collect(), ..Question::default() };
            if at % 2 == 0 {
                question.names.push(format!("{first}_{}", WORDS[(at + 1) % 7]));
                question.prefixes.push(("o".to_owned(), 0.5));
            }
            if at % 3 == 2 {
                question.phrases.push(format!("{first} {first}"));
                question.only_phrases = at == 2;
            }
            let filter = match at % 4 {
                0 => Filter { languages: vec!["python".to_owned()], ..Filter::default() },
                1 => Filter { paths: vec!["d1/**".to_owned()], ..Filter::default() },
                _ => Filter::default(),
            };
            questions.push((question, filter));
        }
    }
    questions
}

fn find(searcher: &Searcher, (question, filter): &(Question, Filter), also: &[u64]) -> Found {
    let weights = Weights { spread: 0.1, ..Weights::default() };
    searcher.find(question, &weights, 20, filter, also).expect("searched")
}

#[test]
fn what_earlier_questions_left_changes_no_answer() {
    let folder = index();
    let asked = questions();
    let ids = open(&folder).ids().expect("read");
    let also: Vec<u64> = ids.into_iter().step_by(3).collect();
    let fresh: Vec<Found> = asked.iter().map(|each| find(&open(&folder), each, &also)).collect();
    assert!(fresh.iter().filter(|found| found.chunks.len() > 20).count() > 10);
    let kept = open(&folder);
    // Some leave their arrays to nobody: candidates that are not asked for.
    let (question, filter) = &asked[0];
    kept.candidates(question, &Weights::default(), 9, filter).expect("searched");
    thread::scope(|scope| {
        for start in 0..6 {
            let (kept, asked, fresh, also) = (&kept, &asked, &fresh, &also);
            scope.spawn(move || {
                for step in 0..3 * asked.len() {
                    let at = (start * 5 + step * 11) % asked.len();
                    assert_eq!(find(kept, &asked[at], also), fresh[at], "{:?}", asked[at]);
                }
            });
        }
    });
}

#[test]
fn a_question_that_fails_leaves_nothing_behind() {
    let folder = index();
    let (kept, asked) = (open(&folder), questions());
    let wrong = Filter { paths: vec!["a[".to_owned()], ..Filter::default() };
    for each in &asked {
        let weights = Weights::default();
        assert!(kept.find(&each.0, &weights, 20, &wrong, &[]).is_err());
        assert_eq!(find(&kept, each, &[]), find(&open(&folder), each, &[]));
    }
}

#[test]
fn postings_read_by_the_block_are_those_read_one_by_one() {
    const BM25: Bm25 = Bm25 { k1: 1.2, b: 0.75 };
    let folder = index();
    let searcher = open(&folder);
    let field = searcher.fields.body;
    let (mut longest, mut deleted) = (0, 0);
    for segment in searcher.inner.segment_readers() {
        let inverted = segment.inverted_index(field).expect("read");
        let norms = Norms::of(segment, field, &BM25, 4.0).expect("read");
        let lengths = segment.get_fieldnorms_reader(field).expect("read");
        for word in WORDS {
            let term = Term::from_field_text(field, word);
            let Some(place) = inverted.get_term_info(&term).expect("read") else { continue };
            let mut quick = Vec::new();
            let worth = Worth { bm25: &BM25, norms: &norms, weight: 0.3 };
            for_each_posting(&inverted, &[place], segment.alive_bitset(), &worth, |postings| {
                for ((doc, tf), score) in
                    postings.docs.iter().zip(postings.tfs).zip(postings.scores)
                {
                    quick.push((*doc, tf.to_bits(), score.to_bits()));
                }
            })
            .expect("read");
            let mut plain = Vec::new();
            let option = IndexRecordOption::WithFreqs;
            let mut postings = inverted.read_postings(&term, option).expect("read").expect("there");
            while postings.doc() != TERMINATED {
                let doc = postings.doc();
                if segment.alive_bitset().is_none_or(|alive| alive.is_alive(doc)) {
                    use tantivy::postings::Postings;
                    let tf = f32::from(u16::try_from(postings.term_freq()).expect("few"));
                    let length = f32::from(u16::try_from(lengths.fieldnorm(doc)).expect("short"));
                    let score = 0.3 * BM25.score(tf, BM25.norm(length, 4.0));
                    plain.push((doc, tf.to_bits(), score.to_bits()));
                } else {
                    deleted += 1;
                }
                postings.advance();
            }
            longest = longest.max(quick.len());
            assert_eq!(quick, plain, "{word}");
        }
    }
    assert!(longest > 128 && deleted > 0, "{longest} {deleted}");
}

#[test]
fn a_term_is_where_the_dictionary_says_however_many_were_looked_up_before() {
    let folder = index();
    let searcher = open(&folder);
    let field = searcher.fields.body;
    for segment in searcher.inner.segment_readers() {
        let inverted = segment.inverted_index(field).expect("read");
        let lookups = Lookups::default();
        let name = searcher.fields.name;
        let names = segment.inverted_index(name).expect("read");
        assert_eq!(lookups.find(&names, name, WORDS[0]).expect("read"), None);
        for nth in 0..3 * MOST_KEPT {
            let term = if nth % 5 == 0 { WORDS[nth % WORDS.len()] } else { &format!("none{nth}") };
            let plain = inverted.get_term_info(&Term::from_field_text(field, term)).expect("read");
            assert_eq!(lookups.find(&inverted, field, term).expect("read"), plain, "{term}");
            assert!(lookups.count() <= MOST_KEPT);
        }
    }
}

/// Numbers that look like chance, always the same.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    /// One of 40 words, of which the first are in most texts and the last in few.
    fn word(&mut self) -> String {
        let most = 1 + self.below(40);
        format!("w{}", self.below(most))
    }

    fn words(&mut self, count: usize) -> String {
        (0..count).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

/// An index of several segments, some of whose files were deleted.
fn index_by(chance: &mut Chance) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut writer = Writer::open(folder.path(), 1, 20_000_000).expect("opened");
    let mut paths = Vec::new();
    for commit in 0..=chance.below(4) {
        let mut builder = BatchBuilder::default();
        for file in 0..=chance.below(120) {
            let path = format!("d{}/{}_{commit}_{file}.py", chance.below(5), chance.word());
            for offset in 0..=chance.below(12) {
                let length = 1 + chance.below(30);
                let (text, symbol) = (chance.words(length), chance.word());
                let (terms, declared, said) = (analyze(&text), chance.words(3), chance.words(2));
                let row = ChunkRow {
                    path: &path,
                    language: if file % 3 == 0 { "python" } else { "c" },
                    kind: "function",
                    symbol: &symbol,
                    symbols: &symbol,
                    signature: &analyze(&declared),
                    doc: &analyze(&said),
                    text: &text,
                    terms: &terms,
                    offset,
                    ..ChunkRow::default()
                };
                builder.push(&row).expect("a row");
            }
            paths.push(path);
        }
        writer.add(&builder.finish().expect("a batch")).expect("added");
        writer.commit("").expect("committed");
    }
    writer.delete(paths.iter().skip(1).step_by(9).map(String::as_str));
    writer.commit("").expect("committed");
    writer.close().expect("closed");
    folder
}

#[test]
fn what_is_left_out_at_first_changes_no_answer() {
    let mut chance = Chance(7);
    let (mut left_out, mut skipped, mut all, mut filtered) = (0, 0, 0, 0);
    for _ in 0..8 {
        let folder = index_by(&mut chance);
        let kept = open(&folder);
        let ids = kept.ids().expect("read");
        for round in 0..40 {
            let count = 1 + chance.below(6);
            let words: BTreeMap<String, f32> =
                (0..count).map(|at| (chance.word(), [1.0, 1.7, 3.0][at % 3])).collect();
            let mut question =
                Question { terms: words.into_iter().collect(), ..Question::default() };
            if chance.below(4) == 0 {
                question.names.push(chance.word());
                question.prefixes.push(("w3".to_owned(), 1.0));
            }
            if chance.below(6) == 0 {
                question.phrases.push(chance.words(1));
                question.only_phrases = chance.below(2) == 0;
            }
            let filter = match chance.below(4) {
                0 => Filter { languages: vec!["python".to_owned()], ..Filter::default() },
                1 => Filter { paths: vec!["d1/**".to_owned()], ..Filter::default() },
                _ => Filter::default(),
            };
            let weights = Weights {
                body: 3.0,
                signature: 0.3,
                doc: 0.5,
                spread: [0.0, 1.5][chance.below(2)],
                symbol: [2.5, 0.0, -1.0][chance.below(3)],
                ..Weights::default()
            };
            let pool = [1, 5, 20, 1000][chance.below(4)];
            let also: Vec<u64> = ids.iter().copied().skip(round).step_by(7).collect();
            let plain = open(&folder).find(&question, &weights, pool, &filter, &also);
            let plain = plain.expect("searched");
            // The first time its frequent terms become known, the second time they are left out.
            for _ in 0..2 {
                let found = kept.candidates(&question, &weights, pool, &filter).expect("searched");
                if found.left_out() {
                    left_out += 1;
                    all += usize::from(found.is_whole(&kept));
                    skipped += usize::from(!found.is_whole(&kept));
                    filtered += usize::from(!filter.paths.is_empty() && !plain.chunks.is_empty());
                }
                assert_eq!(kept.found(found, &also).expect("searched"), plain, "{question:?}");
            }
        }
    }
    assert!(
        left_out > 100 && skipped > 50 && all > 5 && filtered > 10,
        "{left_out} {skipped} {all} {filtered}"
    );
}
