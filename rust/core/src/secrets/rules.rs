//! The published rules: their form, and how one is looked for.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use regex_automata::meta::{Config, Regex};
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::Hir;

use super::values;
use super::words::Words;

/// The collections in the order in which a finding is named after them.
const COLLECTIONS: [&str; 2] =
    [include_str!("../../rules/own.rules"), include_str!("../../rules/betterleaks.rules")];

/// The text of all rules, for the digest of what is looked for.
pub(super) fn collections() -> impl Iterator<Item = &'static [u8]> {
    COLLECTIONS.iter().map(|text| text.as_bytes())
}

/// How far around a keyword a match is looked for where its expression sets no limit.
const REACH: usize = 1024;

/// How far back the start of such a match may lie.
const REACH_BACK: usize = 300;

/// The text without a space in which a keyword stands: a token may be long.
#[derive(Debug, Default)]
pub(super) struct Token(Range<usize>);

impl Token {
    /// The token around `at`. Asked in order, it reads the text twice at most.
    fn around(&mut self, text: &[u8], at: usize) -> Range<usize> {
        if self.0.is_empty() || !self.0.contains(&at) {
            let before = self.0.end.min(at);
            let start = text[before..at].iter().rposition(u8::is_ascii_whitespace);
            let end = text[at..].iter().position(u8::is_ascii_whitespace);
            self.0 = start.map_or(before, |start| before + start + 1)
                ..end.map_or(text.len(), |end| at + end);
        }
        self.0.clone()
    }
}

/// One rule.
#[derive(Debug, Default)]
pub(super) struct Rule {
    pub name: &'static str,
    pub keywords: Vec<String>,
    pattern: &'static str,
    path: Option<&'static str>,
    group: Option<usize>,
    entropy: f32,
    random: bool,
    anywhere: bool,
    except: Vec<&'static str>,
    needs: Vec<&'static str>,
    compiled: OnceLock<Compiled>,
    path_compiled: OnceLock<Regex>,
}

/// A rule's expressions. Only rules whose keyword was seen are ever compiled.
#[derive(Debug)]
struct Compiled {
    regex: Regex,
    /// The longest match in bytes, if there is one.
    longest: Option<usize>,
    /// The named group that holds the secret alone.
    password: Option<usize>,
    except: Option<Regex>,
    needs: Vec<Regex>,
}

/// All rules.
pub(super) struct Rules {
    pub all: Vec<Rule>,
    /// No finding of any rule, whatever it says.
    except: OnceLock<Regex>,
    except_patterns: Vec<&'static str>,
}

pub(super) static RULES: LazyLock<Rules> = LazyLock::new(Rules::parse);

impl Rules {
    fn parse() -> Self {
        let mut rules: Vec<Rule> = Vec::with_capacity(512);
        let mut every = Vec::new();
        for collection in COLLECTIONS {
            let mut current: Option<usize> = None;
            for line in collection.lines() {
                let (key, value) = line.split_once(' ').unwrap_or((line, ""));
                if key == "rule" {
                    current = Some(rules.len());
                    rules.push(Rule { name: value, ..Rule::default() });
                    continue;
                }
                match current.and_then(|at| rules.get_mut(at)) {
                    Some(rule) => rule.take(key, value),
                    None if key == "except" => every.push(value),
                    None => {}
                }
            }
        }
        Self { all: rules, except: OnceLock::new(), except_patterns: every }
    }

    /// Whether a text is what no rule means.
    pub fn is_excepted(&self, secret: &[u8]) -> bool {
        let except = self.except.get_or_init(|| any_of(&self.except_patterns));
        except.is_match(secret)
    }
}

impl Rule {
    fn take(&mut self, key: &str, value: &'static str) {
        match key {
            "keywords" => {
                let keywords = value.split(' ').map(|keyword| keyword.replace("\\s", " "));
                self.keywords = keywords.collect();
            }
            "regex" => self.pattern = value,
            "path" => self.path = Some(value),
            "group" => self.group = value.parse().ok(),
            "entropy" => self.entropy = value.parse().unwrap_or_default(),
            "random" => self.random = true,
            "anywhere" => self.anywhere = true,
            "except" => self.except.push(value),
            "needs" => self.needs.push(value),
            _ => {}
        }
    }

    /// Whether the rule is for files such as this one.
    pub fn applies_to(&self, path: &str) -> bool {
        self.path.is_none_or(|pattern| {
            self.path_compiled.get_or_init(|| compile(&parse(pattern))).is_match(path)
        })
    }

    /// Where around a keyword at `keyword` a match may lie.
    pub fn window(&self, text: &[u8], keyword: Range<usize>, token: &mut Token) -> Range<usize> {
        if self.anywhere {
            return 0..text.len();
        }
        let (start, end) = if let Some(longest) = self.compiled().longest {
            (keyword.start.saturating_sub(longest), keyword.end + longest)
        } else {
            let token = token.around(text, keyword.start);
            let start = keyword.start.saturating_sub(REACH_BACK).min(token.start);
            (start, (keyword.end + REACH).max(token.end + 2))
        };
        start..text.len().min(end)
    }

    /// The first secret that begins in `window` at or after `from`: its place, and from where to
    /// look for the next.
    pub fn find(&self, text: &[u8], window: &Range<usize>) -> Option<Range<usize>> {
        let compiled = self.compiled();
        let mut captures = compiled.regex.create_captures();
        let mut from = window.start;
        while from < window.end {
            compiled.regex.search_captures(&Input::new(text).span(from..window.end), &mut captures);
            let mut whole = captures.get_match()?.range();
            if whole.end == window.end && window.end < text.len() {
                // It may go on beyond the window.
                let input = Input::new(text).span(whole.start..text.len()).anchored(Anchored::Yes);
                compiled.regex.search_captures(&input, &mut captures);
                whole = captures.get_match()?.range();
            }
            let secret = self.secret(&captures, compiled, &whole);
            if self.accepts(compiled, &text[secret.clone()]) {
                return Some(secret);
            }
            from = secret.end.max(whole.start + 1);
        }
        None
    }

    fn secret(&self, found: &Captures, compiled: &Compiled, whole: &Range<usize>) -> Range<usize> {
        let named = self.group.or(compiled.password).and_then(|group| found.get_group(group));
        let first = || (1..found.group_len()).find_map(|at| found.get_group(at));
        match named.or_else(first) {
            Some(span) if span.start < span.end => span.start..span.end,
            _ => whole.clone(),
        }
    }

    fn accepts(&self, compiled: &Compiled, secret: &[u8]) -> bool {
        values::entropy(secret) >= self.entropy
            && !(self.random && values::reads_as_words(secret))
            && compiled.except.as_ref().is_none_or(|except| !except.is_match(secret))
            && compiled.needs.iter().all(|needs| needs.is_match(secret))
            && !RULES.is_excepted(secret)
    }

    fn compiled(&self) -> &Compiled {
        self.compiled.get_or_init(|| {
            let hir = parse(self.pattern);
            let regex = compile(&hir);
            let longest = hir.properties().maximum_len().filter(|longest| *longest <= REACH);
            let password = regex.group_info().to_index(regex_automata::PatternID::ZERO, "password");
            let except = (!self.except.is_empty()).then(|| any_of(&self.except));
            let needs = self.needs.iter().map(|pattern| compile(&parse(pattern))).collect();
            Compiled { regex, longest, password, except, needs }
        })
    }
}

/// The keywords of all rules and of `more`, each with the numbers of those who wait for it: the
/// rules', and behind them the places in `more`.
pub(super) struct Keywords {
    pub words: Words,
    pub waiting: Vec<Vec<u16>>,
}

impl Keywords {
    /// Brings the keywords of all together.
    pub fn of(rules: &[Rule], more: &[&[&str]]) -> Self {
        let mut words: Vec<&str> = Vec::new();
        let mut waiting: Vec<Vec<u16>> = Vec::new();
        let of_rules = rules.iter().map(|rule| rule.keywords.iter().map(String::as_str).collect());
        let lists = of_rules.chain(more.iter().map(|words| words.to_vec()));
        for (number, list) in lists.enumerate() {
            let list: Vec<&str> = list;
            let number = u16::try_from(number).expect("there are a few hundred rules");
            for word in list {
                if let Some(at) = words.iter().position(|known| known.eq_ignore_ascii_case(word)) {
                    waiting[at].push(number);
                } else {
                    words.push(word);
                    waiting.push(vec![number]);
                }
            }
        }
        Self { words: Words::of(&words), waiting }
    }
}

/// Parses an expression over bytes: classes and borders are those of ASCII, as in RE2.
fn parse(pattern: &str) -> Hir {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern)
        .expect("a test parses every expression")
}

/// Compiles an expression within bounds: neither it nor what it caches grows large.
fn compile(hir: &Hir) -> Regex {
    builder().build_from_hir(hir).expect("a test compiles every expression")
}

fn any_of(patterns: &[&str]) -> Regex {
    let parsed: Vec<Hir> = patterns.iter().map(|pattern| parse(pattern)).collect();
    builder().build_many_from_hir(&parsed).expect("a test compiles every expression")
}

fn builder() -> regex_automata::meta::Builder {
    let mut builder = Regex::builder();
    builder.configure(
        Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(8 << 20))
            .hybrid_cache_capacity(256 << 10)
            .onepass(false)
            .dfa(false),
    );
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_keywords_and_compiles() {
        assert!(RULES.all.len() > 400, "{} rules are left", RULES.all.len());
        assert!(!RULES.is_excepted(b"Zx9Kq2Lm7Rt4Wv1Yb8Nc3Dh6Fj5Gp0Ts"));
        assert!(RULES.is_excepted(b"${SECRET_NAME}"));
        for rule in &RULES.all {
            assert!(!rule.keywords.is_empty(), "{} has no keyword", rule.name);
            assert!(rule.keywords.iter().all(|word| word.len() >= 3), "{}", rule.name);
            assert!(!rule.pattern.is_empty(), "{} has no expression", rule.name);
            rule.compiled();
            rule.applies_to("any/path");
        }
    }

    #[test]
    fn no_line_of_a_collection_is_of_an_unknown_kind() {
        let known = [
            "rule", "keywords", "anywhere", "regex", "path", "group", "entropy", "random", "except",
        ];
        for line in COLLECTIONS.iter().flat_map(|text| text.lines()) {
            let key = line.split(' ').next().unwrap_or_default();
            let is_known = known.contains(&key) || ["", "#", "needs", "every"].contains(&key);
            assert!(is_known, "{line}");
        }
    }

    #[test]
    fn names_of_rules_are_unique() {
        let names: std::collections::BTreeSet<_> = RULES.all.iter().map(|r| r.name).collect();
        assert_eq!(names.len(), RULES.all.len());
    }
}
