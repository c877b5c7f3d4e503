//! An XML tree with resolved namespaces, as far as XMP needs it.
//!
//! Depth and number of nodes are bounded, names are looked up in maps, only XML's predefined entities are expanded, and
//! truncated or malformed input yields the tree up to that point.

use std::collections::HashMap;
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use crate::xmp::ns;
use image_origin_container::{Exhausted, Meter};

const MAX_DEPTH: usize = 64;
/// The maximum number of elements and attributes in all packets of a file.
const MAX_NODES: usize = 1 << 16;

/// A name as written, with the namespace of its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) namespace: Rc<str>,
    pub(super) prefix: Rc<str>,
    pub(super) local: String,
}

impl Name {
    /// A name with the usual prefix of its namespace.
    pub(super) fn usual(namespace: &str, local: &str) -> Self {
        let prefix = ns::usual_prefix(namespace).unwrap_or_default();
        Self { namespace: namespace.into(), prefix: prefix.into(), local: local.to_owned() }
    }

    /// Whether the name can be serialized: the parser is lenient about invalid characters in names (XML 1.0, 2.3, ASCII
    /// only).
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
    /// The concatenated character data between the children.
    pub(super) text: String,
}

impl Element {
    /// An element that contains only text.
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

/// Why parsing a packet stopped.
enum Problem {
    /// The text is not valid XMP from here on.
    Text(String),
    Exhausted(Exhausted),
}

impl From<Exhausted> for Problem {
    fn from(exhausted: Exhausted) -> Self {
        Self::Exhausted(exhausted)
    }
}

/// A parser for the packets of a file, which share a limit on the number of nodes.
pub(super) struct Parser<'m> {
    meter: &'m Meter<'m>,
    nodes: usize,
}

impl<'m> Parser<'m> {
    pub(super) fn new(meter: &'m Meter<'_>) -> Self {
        Self { meter, nodes: 0 }
    }

    /// Returns the children of the implicit root, and the error in the text if there is one.
    pub(super) fn parse(&mut self, text: &str) -> Result<(Vec<Element>, Option<String>), Exhausted> {
        let mut builder =
            Builder { parser: self, open: Vec::new(), done: Vec::new(), declared: Vec::new(), scope: HashMap::new() };
        let problem = match builder.read(text) {
            Ok(()) => None,
            Err(Problem::Text(problem)) => Some(problem),
            Err(Problem::Exhausted(exhausted)) => return Err(exhausted),
        };
        while builder.close() {}
        Ok((builder.done, problem))
    }
}

/// Removes control characters that XML does not allow (XML 1.0, 2.2).
fn clean(text: &str) -> String {
    text.chars().filter(|&c| c >= ' ' || matches!(c, '\t' | '\n' | '\r')).collect()
}

struct Builder<'p, 'm> {
    parser: &'p mut Parser<'m>,
    open: Vec<Element>,
    done: Vec<Element>,
    /// The declared prefixes, innermost last, each with the depth of the declaring element.
    declared: Vec<(usize, Rc<str>)>,
    /// The namespaces of each declared prefix, innermost last.
    scope: HashMap<Rc<str>, Vec<Rc<str>>>,
}

impl Builder<'_, '_> {
    fn read(&mut self, text: &str) -> Result<(), Problem> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = false;
        loop {
            let event =
                reader.read_event().map_err(|error| Problem::Text(format!("XMP is not well-formed: {error}")))?;
            self.parser.meter.step()?;
            match event {
                Event::Start(start) => self.start(&start)?,
                Event::Empty(start) => {
                    self.start(&start)?;
                    self.close();
                }
                Event::End(_) => {
                    self.close();
                }
                Event::Text(text) => self.text(&text)?,
                Event::CData(text) => self.text(&text)?,
                Event::GeneralRef(reference) => {
                    let written = format!("&{};", &*reference);
                    self.text(&unescape(&written).unwrap_or(written.as_str().into()))?;
                }
                Event::Eof if self.open.is_empty() => return Ok(()),
                Event::Eof => return Err(Problem::Text("XMP is cut off".into())),
                _ => {}
            }
        }
    }

    /// Counts an element or attribute with this many bytes of text.
    fn node(&mut self, text: usize) -> Result<(), Problem> {
        self.parser.nodes += 1;
        if self.parser.nodes > MAX_NODES {
            return Err(Problem::Text("XMP is too large or too deep to be read whole".into()));
        }
        self.parser.meter.entry::<Element>()?;
        // A name, its prefix and a value are separate allocations.
        self.parser.meter.hold(text as u64 + 64)?;
        Ok(())
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Problem> {
        let mut attributes = Vec::new();
        let depth = self.open.len() + 1;
        if depth > MAX_DEPTH {
            return Err(Problem::Text("XMP is too large or too deep to be read whole".into()));
        }
        for attribute in start.attributes().with_checks(false).flatten() {
            self.node(attribute.key.as_ref().len() + attribute.value.len())?;
            let value = clean(&unescape(&attribute.value).unwrap_or_else(|_| attribute.value.clone()));
            match attribute.key.as_ref() {
                "xmlns" => self.declare(depth, "", &value),
                key => match key.strip_prefix("xmlns:") {
                    Some(prefix) => self.declare(depth, prefix, &value),
                    None => attributes.push((key.to_owned(), value)),
                },
            }
        }
        self.node(start.name().as_ref().len())?;
        let attributes = attributes.into_iter().map(|(key, value)| (self.resolve(&key), value)).collect();
        let name = self.resolve(start.name().as_ref());
        self.open.push(Element { name, attributes, children: Vec::new(), text: String::new() });
        Ok(())
    }

    fn declare(&mut self, depth: usize, prefix: &str, namespace: &str) {
        let prefix: Rc<str> = prefix.into();
        self.scope.entry(Rc::clone(&prefix)).or_default().push(namespace.into());
        self.declared.push((depth, prefix));
    }

    fn text(&mut self, text: &str) -> Result<(), Problem> {
        if let Some(open) = self.open.last_mut() {
            self.parser.meter.hold(text.len() as u64)?;
            open.text.push_str(&clean(text));
        }
        Ok(())
    }

    fn close(&mut self) -> bool {
        let depth = self.open.len();
        let Some(mut element) = self.open.pop() else { return false };
        while let Some((_, prefix)) = self.declared.pop_if(|(declared, _)| *declared >= depth) {
            self.scope.get_mut(&prefix).map(Vec::pop);
        }
        if !element.children.is_empty() && element.text.trim().is_empty() {
            element.text.clear();
        }
        self.open.last_mut().map_or(&mut self.done, |parent| &mut parent.children).push(element);
        true
    }

    fn resolve(&self, qualified: &str) -> Name {
        let (prefix, local) = qualified.split_once(':').unwrap_or(("", qualified));
        let declared = self.scope.get(prefix).and_then(|namespaces| namespaces.last());
        let namespace = match (declared, prefix) {
            (Some(namespace), _) => Rc::clone(namespace),
            (None, "xml") => ns::XML.into(),
            (None, _) => "".into(),
        };
        Name { namespace, prefix: prefix.into(), local: local.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_container::Cancellation;

    fn parse(text: &str) -> (Vec<Element>, Option<String>) {
        let cancellation = Cancellation::unbounded();
        Parser::new(&Meter::new(1 << 20, &cancellation)).parse(text).unwrap()
    }

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
