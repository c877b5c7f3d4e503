//! An XML tree with namespaces resolved, as far as XMP needs one.
//!
//! Depth and number of nodes are bounded, entities other than XML's own are not expanded, and whatever ends early or is
//! not well-formed gives the tree up to there.

use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use crate::metadata::xmp::ns;

const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 1 << 16;

/// A name as it was written, and the namespace that its prefix stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) namespace: Rc<str>,
    pub(super) prefix: Rc<str>,
    pub(super) local: String,
}

impl Name {
    /// A name under the prefix that everybody writes for its namespace.
    pub(super) fn usual(namespace: &str, local: &str) -> Self {
        let prefix = ns::usual_prefix(namespace).unwrap_or_default();
        Self { namespace: namespace.into(), prefix: prefix.into(), local: local.to_owned() }
    }

    /// Whether the name can be written again: the parser is lenient with what stands where a name should be (XML 1.0,
    /// 2.3, as far as ASCII goes).
    pub(super) fn is_well_formed(&self) -> bool {
        let part = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') || !c.is_ascii();
            part.chars().all(allowed) && !part.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'))
        };
        part(&self.prefix) && part(&self.local) && !self.local.is_empty()
    }

    pub(super) fn is(&self, namespace: &str, local: &str) -> bool {
        &*self.namespace == namespace && self.local == local
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: Name,
    pub(super) attributes: Vec<(Name, String)>,
    pub(super) children: Vec<Element>,
    /// The character data between the children, joined.
    pub(super) text: String,
}

impl Element {
    /// An element with nothing but text.
    pub(super) fn simple(name: Name, text: String) -> Self {
        Self { name, attributes: Vec::new(), children: Vec::new(), text }
    }

    pub(super) fn with_children(name: Name, children: Vec<Self>) -> Self {
        Self { name, attributes: Vec::new(), children, text: String::new() }
    }

    pub(super) fn attribute(&self, namespace: &str, local: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name.is(namespace, local)).map(|(_, value)| value.as_str())
    }
}

/// The tree under one invisible root, and what was wrong with the text.
pub(super) fn parse(text: &str) -> (Vec<Element>, Option<String>) {
    let mut builder = Builder::default();
    let problem = builder.read(text).err();
    while builder.close() {}
    (builder.done, problem)
}

/// Without the control characters that XML cannot hold (XML 1.0, 2.2).
fn clean(text: &str) -> String {
    text.chars().filter(|&c| c >= ' ' || matches!(c, '\t' | '\n' | '\r')).collect()
}

#[derive(Default)]
struct Builder {
    open: Vec<Element>,
    done: Vec<Element>,
    /// Declared prefixes, innermost last, each with the depth of the element that declares it.
    scope: Vec<(usize, Rc<str>, Rc<str>)>,
    nodes: usize,
}

impl Builder {
    fn read(&mut self, text: &str) -> Result<(), String> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = false;
        loop {
            let event = reader.read_event().map_err(|e| format!("XMP is not well-formed: {e}"))?;
            match event {
                Event::Start(start) => self.start(&start)?,
                Event::Empty(start) => {
                    self.start(&start)?;
                    self.close();
                }
                Event::End(_) => {
                    self.close();
                }
                Event::Text(text) => self.text(&text),
                Event::CData(text) => self.text(&text),
                Event::GeneralRef(reference) => {
                    let written = format!("&{};", &*reference);
                    self.text(&unescape(&written).unwrap_or(written.as_str().into()));
                }
                Event::Eof if self.open.is_empty() => return Ok(()),
                Event::Eof => return Err("XMP is cut off".into()),
                _ => {}
            }
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        let mut attributes = Vec::new();
        let depth = self.open.len() + 1;
        for attribute in start.attributes().with_checks(false).flatten() {
            self.nodes += 1;
            let value = clean(&unescape(&attribute.value).unwrap_or_else(|_| attribute.value.clone()));
            match attribute.key.as_ref() {
                "xmlns" => self.scope.push((depth, "".into(), value.into())),
                key => match key.strip_prefix("xmlns:") {
                    Some(prefix) => self.scope.push((depth, prefix.into(), value.into())),
                    None => attributes.push((key.to_owned(), value)),
                },
            }
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err("XMP is too large or too deep to be read whole".into());
        }
        let attributes = attributes.into_iter().map(|(key, value)| (self.resolve(&key), value)).collect();
        let name = self.resolve(start.name().as_ref());
        self.open.push(Element { name, attributes, children: Vec::new(), text: String::new() });
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(open) = self.open.last_mut() {
            open.text.push_str(&clean(text));
        }
    }

    fn close(&mut self) -> bool {
        let depth = self.open.len();
        let Some(mut element) = self.open.pop() else { return false };
        while self.scope.last().is_some_and(|&(declared, ..)| declared >= depth) {
            self.scope.pop();
        }
        if !element.children.is_empty() && element.text.trim().is_empty() {
            element.text.clear();
        }
        self.open.last_mut().map_or(&mut self.done, |parent| &mut parent.children).push(element);
        true
    }

    fn resolve(&self, qualified: &str) -> Name {
        let (prefix, local) = qualified.split_once(':').unwrap_or(("", qualified));
        let declared = self.scope.iter().rev().find(|(_, declared, _)| &**declared == prefix);
        let namespace = match (declared, prefix) {
            (Some((.., namespace)), _) => Rc::clone(namespace),
            (None, "xml") => ns::XML.into(),
            (None, _) => "".into(),
        };
        Name { namespace, prefix: prefix.into(), local: local.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_follow_their_scope() {
        let (tree, problem) = parse(r#"<a:x xmlns:a="one"><a:y xmlns:a="two" a:z="1&amp;2"/><a:y>t&lt;</a:y></a:x>"#);
        assert_eq!(problem, None);
        let [x] = tree.as_slice() else { panic!("one root") };
        let namespaces: Vec<_> = x.children.iter().map(|y| &*y.name.namespace).collect();
        assert_eq!(namespaces, ["two", "one"]);
        assert_eq!(x.children[0].attribute("two", "z"), Some("1&2"));
        assert_eq!(x.children[1].text, "t<");
    }

    #[test]
    fn what_is_cut_off_gives_what_is_there() {
        let (tree, problem) = parse("<a><b>text</b><c");
        assert!(problem.is_some());
        assert_eq!(tree[0].children[0].text, "text");
    }

    #[test]
    fn depth_and_size_are_bounded() {
        assert!(parse(&"<a>".repeat(100_000)).1.is_some());
        assert!(parse(&format!("<a>{}</a>", "<b/>".repeat(100_000))).1.is_some());
        let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>"#;
        assert_eq!(parse(bomb).0[0].text, "&b;");
    }
}
