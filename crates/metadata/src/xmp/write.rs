//! Serialization of a packet (ISO 16684-1, 7.3), with each namespace declared once and nothing superfluous.

use std::collections::{HashMap, HashSet};

use quick_xml::escape::escape;

use super::dom::{Element, Name};
use super::ns;

/// Serializes a read-only packet with these properties.
pub(super) fn packet(properties: &[&Element]) -> Vec<u8> {
    let mut writer = Writer::default();
    let (mut attributes, mut named) = (String::new(), HashSet::new());
    // Simple properties are attributes, since some readers of gain maps support nothing else (7.9.2.2). They come
    // first, as they do when the packet is parsed again, so that serialization is idempotent.
    let (simple, others): (Vec<_>, Vec<_>) = properties
        .iter()
        .copied()
        .filter(|property| property.name.is_well_formed())
        .partition(|property| is_simple(property));
    for property in simple.into_iter().chain(others) {
        let name = writer.qualified(&property.name);
        if !named.insert(name.clone()) {
            continue;
        }
        if is_simple(property) {
            attributes.push_str(&format!(" {name}=\"{}\"", escape(property.text.as_str())));
        } else {
            writer.element(property);
        }
    }
    let declarations: String = writer
        .declared
        .iter()
        .map(|(namespace, prefix)| format!(" xmlns:{prefix}=\"{}\"", escape(namespace.as_str())))
        .collect();
    let (rdf, meta, body) = (ns::RDF, ns::META, writer.body);
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?><x:xmpmeta xmlns:x=\"{meta}\">\
         <rdf:RDF xmlns:rdf=\"{rdf}\"><rdf:Description rdf:about=\"\"{declarations}{attributes}>{body}</rdf:Description></rdf:RDF>\
         </x:xmpmeta><?xpacket end=\"r\"?>"
    )
    .into_bytes()
}

/// Whether the property can be an attribute, which would lose line breaks and cannot have qualifiers.
fn is_simple(property: &Element) -> bool {
    property.attributes.is_empty() && property.children.is_empty() && !property.text.contains(|c: char| c < ' ')
}

#[derive(Default)]
struct Writer {
    body: String,
    /// The namespaces in order of appearance, and their prefixes.
    declared: Vec<(String, String)>,
    /// The prefix of each namespace.
    prefixes: HashMap<String, String>,
    /// All prefixes in use.
    taken: HashSet<String>,
    /// The number of the next generated prefix; it only grows, so that the search for a free one does not start over.
    number: usize,
}

impl Writer {
    fn element(&mut self, element: &Element) {
        if !element.name.is_well_formed() {
            return;
        }
        let name = self.qualified(&element.name);
        self.body.push('<');
        self.body.push_str(&name);
        for (attribute, value) in element.attributes.iter().filter(|(name, _)| name.is_well_formed()) {
            let attribute = self.qualified(attribute);
            self.body.push_str(&format!(" {attribute}=\"{}\"", escape(value.as_str())));
        }
        if element.children.is_empty() && element.text.is_empty() {
            self.body.push_str("/>");
            return;
        }
        self.body.push('>');
        self.body.push_str(&escape(element.text.as_str()));
        element.children.iter().for_each(|child| self.element(child));
        self.body.push_str(&format!("</{name}>"));
    }

    fn qualified(&mut self, name: &Name) -> String {
        match &*name.namespace {
            "" => name.local.clone(),
            ns::XML => format!("xml:{}", name.local),
            ns::RDF => format!("rdf:{}", name.local),
            namespace => format!("{}:{}", self.prefix(namespace, &name.prefix), name.local),
        }
    }

    fn prefix(&mut self, namespace: &str, written: &str) -> String {
        if let Some(prefix) = self.prefixes.get(namespace) {
            return prefix.clone();
        }
        let wanted = ns::usual_prefix(namespace).unwrap_or(written);
        let is_taken = matches!(wanted, "" | "x" | "xml" | "rdf") || self.taken.contains(wanted);
        let prefix = if is_taken { self.free_prefix() } else { wanted.to_owned() };
        self.declared.push((namespace.to_owned(), prefix.clone()));
        self.prefixes.insert(namespace.to_owned(), prefix.clone());
        self.taken.insert(prefix.clone());
        prefix
    }

    /// A prefix that is not in use, even if the input contained generated ones.
    fn free_prefix(&mut self) -> String {
        self.number = self.number.max(self.declared.len());
        loop {
            let prefix = format!("ns{}", self.number);
            self.number += 1;
            if !self.taken.contains(&prefix) {
                return prefix;
            }
        }
    }
}
