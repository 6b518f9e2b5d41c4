//! What definitions are called.

use std::cell::OnceCell;
use std::collections::HashSet;

use tree_sitter::Node;

use super::rules::Name;

/// A symbol's bytes; names longer than this are parse errors.
const MAX_SYMBOL: usize = 200;

impl Name {
    /// Reads the name of definition `node`; empty if it has none.
    pub(super) fn read(self, node: Node, text: &str) -> String {
        let of = |node: Option<Node>| {
            node.and_then(|node| text.get(node.byte_range())).map(tidy).unwrap_or_default()
        };
        match self {
            Self::Field(field) => of(node.child_by_field_name(field)),
            Self::Head(field) => {
                let full = of(node.child_by_field_name(field));
                full.split('<').next().unwrap_or_default().to_owned()
            }
            Self::Nested(outer, inner) => of(node
                .child_by_field_name(outer)
                .and_then(|child| child.child_by_field_name(inner))),
            Self::Declarator => {
                let declarator = innermost_declarator(node);
                let name = of(declarator);
                // `TEST(Suite, name) { … }`: a macro's arguments tell more than its name.
                let shouted = |byte: u8| !byte.is_ascii_lowercase();
                let parameters = declarator.and_then(|it| it.next_sibling());
                if node.child_by_field_name("type").is_none() && name.bytes().all(shouted) {
                    let arguments = of(parameters);
                    let inner = arguments.trim_start_matches('(').trim_end_matches(')');
                    if !inner.is_empty() {
                        return inner.replace(", ", ".");
                    }
                }
                name
            }
            Self::Receiver => {
                let receiver = node
                    .child_by_field_name("receiver")
                    .and_then(|list| list.named_child(0))
                    .and_then(|parameter| parameter.child_by_field_name("type"));
                let receiver = of(receiver);
                let class = receiver.trim_start_matches(['*', '(', ' ']);
                let class = class.split(['[', ')']).next().unwrap_or_default();
                let method = of(node.child_by_field_name("name"));
                if class.is_empty() { method } else { format!("{class}.{method}") }
            }
            Self::Heading => of(node
                .named_child(0)
                .and_then(|heading| heading.child_by_field_name("heading_content"))),
            Self::Fixed(name) => name.to_owned(),
            Self::Path(path) => of(follow(node, path)),
            Self::Last(path, kind) => of(follow(node, path).and_then(|outer| {
                let mut cursor = outer.walk();
                outer.named_children(&mut cursor).filter(|child| child.kind() == kind).last()
            })),
            Self::Leaf(path) => of(follow(node, path).map(|mut leaf| {
                while let Some(first) = leaf.named_child(0) {
                    leaf = first;
                }
                leaf
            })),
            Self::Clause(path) => of(follow(node, path).map(|mut head| {
                loop {
                    let operator = head.child_by_field_name("operator");
                    let guard =
                        operator.is_some_and(|it| text.get(it.byte_range()) == Some("when"));
                    head = match (operator, head.child_by_field_name("target")) {
                        (Some(operator), _) if !guard => break operator,
                        (None, Some(target)) => target,
                        _ => match head.named_child(0) {
                            Some(first) => first,
                            None => break head,
                        },
                    };
                }
            })),
            Self::Labels(between, kinds) => {
                let mut cursor = node.walk();
                let labels = node
                    .named_children(&mut cursor)
                    .filter(|child| kinds.contains(&child.kind()))
                    .map(|child| of(Some(child)));
                tidy(&labels.collect::<Vec<_>>().join(between))
            }
            Self::Attribute(names) => {
                { names.iter().map(|name| attribute(node, name, text)).find(|it| !it.is_empty()) }
                    .unwrap_or_default()
            }
        }
    }
}

/// Names that a text introduces as namespaces.
pub(super) struct Namespaces<'t> {
    text: &'t str,
    names: OnceCell<HashSet<&'t str>>,
}

impl<'t> Namespaces<'t> {
    pub fn of(text: &'t str) -> Self {
        Self { text, names: OnceCell::new() }
    }

    /// Whether the text calls the last part of `owner` a namespace: `ns::f` is a function then,
    /// and a method where nothing tells.
    pub fn contain(&self, owner: &str) -> bool {
        let names = self.names.get_or_init(|| {
            let named = self.text.match_indices("namespace ").filter_map(|(at, word)| {
                let path = self.text[at + word.len()..].trim_start();
                let end = path.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
                path[..end.unwrap_or(path.len())].rsplit(':').next()
            });
            named.collect()
        });
        owner.rsplit(':').next().is_some_and(|last| names.contains(last))
    }
}

/// Where `path` leads from `node`.
fn follow<'n>(node: Node<'n>, path: &[&str]) -> Option<Node<'n>> {
    path.iter().try_fold(node, |node, step| match *step {
        "*" => node.named_child(0),
        "+" => node.next_named_sibling(),
        ".." => node.parent(),
        step => node.child_by_field_name(step).or_else(|| {
            let mut cursor = node.walk();
            node.named_children(&mut cursor).find(|child| child.kind() == step)
        }),
    })
}

/// The value of attribute `name` of the tag that element `node` begins with.
pub(super) fn attribute(node: Node, name: &str, text: &str) -> String {
    let Some(tag) = node.named_child(0) else { return String::new() };
    let mut cursor = tag.walk();
    for pair in tag.named_children(&mut cursor) {
        let (key, value) = (pair.named_child(0), pair.named_child(1));
        let key = key.and_then(|key| text.get(key.byte_range()));
        if key.is_some_and(|key| key.eq_ignore_ascii_case(name)) {
            return value.and_then(|it| text.get(it.byte_range())).map(tidy).unwrap_or_default();
        }
    }
    String::new()
}

/// The first argument of a macro's call, or the macro itself: `close` of
/// `SYSCALL_DEFINE1(close, unsigned int, fd)`.
pub(super) fn macro_name(statement: Node, text: &str) -> Option<String> {
    let call = statement.named_child(0)?;
    let function = call.child_by_field_name("function")?;
    let first = call.child_by_field_name("arguments").and_then(|list| list.named_child(0));
    text.get(first.unwrap_or(function).byte_range()).map(tidy)
}

/// Follows declarators inwards: the name of `*(*f)(int)` is `f`.
fn innermost_declarator(node: Node) -> Option<Node> {
    let mut node = node.child_by_field_name("declarator")?;
    loop {
        let inner = node.child_by_field_name("declarator").or_else(|| {
            let unnamed = matches!(
                node.kind(),
                "parenthesized_declarator" | "reference_declarator" | "attributed_declarator"
            );
            if unnamed { node.named_child(0) } else { None }
        });
        match inner {
            Some(inner) => node = inner,
            None => return Some(node),
        }
    }
}

/// A name on one line, without quotes, of bounded length.
fn tidy(name: &str) -> String {
    let mut end = name.len().min(MAX_SYMBOL);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let name = &name[..end];
    let quotes = ['"', '\'', '`'];
    if !name.contains(char::is_whitespace) {
        return name.trim_matches(quotes).to_owned();
    }
    let words: Vec<&str> = name.split_whitespace().collect();
    words.join(" ").trim_matches(quotes).to_owned()
}
