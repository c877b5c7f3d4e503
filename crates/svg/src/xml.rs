//! A strict pull reader for XML 1.0 (fifth edition) and Namespaces in XML 1.0.
//!
//! Input: a text. Output: events with their ranges in it, in order and without gaps. Every rule of well-formedness
//! that two parsers could take differently is checked: names, characters, references, quotes, `<` in values, `]]>` in
//! text, duplicate attributes, nesting, and declared prefixes. The document type is read for the text of its internal
//! entities alone; external entities and entities with markup or references are unknown, and a reference to them is an
//! error.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::Error;
use super::names::Namespace;
use image_origin_container::Meter;

/// The maximum depth of elements. libxml2, which browsers use, has the same.
pub(super) const MAX_DEPTH: usize = 256;
/// The maximum number of attributes of an element.
const MAX_ATTRIBUTES: usize = 256;
/// The maximum number of prefixes that are declared at a time.
const MAX_PREFIXES: usize = 256;
/// The maximum number of entities, and the maximum length of their texts together in bytes.
const MAX_ENTITIES: usize = 256;
const MAX_ENTITY_TEXT: usize = 16 << 10;
/// The number of bytes between two steps of the meter.
const BYTES_PER_STEP: usize = 16;

/// A part of a document.
#[derive(Debug)]
pub(super) enum Event<'t> {
    /// The XML declaration, with its version and encoding.
    Declaration { version: &'t str, encoding: Option<&'t str> },
    /// The document type.
    DocumentType,
    /// A comment.
    Comment,
    /// A processing instruction.
    Instruction,
    /// A start tag, or an empty element.
    Start(Element<'t>),
    /// An end tag.
    End,
    /// Text with references, as written.
    Text(&'t str),
    /// The content of a CDATA section.
    CData(&'t str),
}

/// The start of an element.
#[derive(Debug)]
pub(super) struct Element<'t> {
    pub(super) namespace: Namespace,
    pub(super) local: &'t str,
    pub(super) attributes: Vec<Attribute<'t>>,
    /// Whether it ends with `/>`.
    pub(super) is_empty: bool,
}

/// An attribute, namespace declarations included.
#[derive(Debug)]
pub(super) struct Attribute<'t> {
    /// The range from the white space before the name to the closing quote.
    pub(super) range: Range<usize>,
    /// The range of the value, without quotes.
    pub(super) value_range: Range<usize>,
    pub(super) prefix: &'t str,
    pub(super) local: &'t str,
    pub(super) namespace: Namespace,
    /// The value with all references replaced, and white space as spaces.
    pub(super) value: Cow<'t, str>,
    /// Whether the value contains a reference to an entity of the document type.
    pub(super) has_entity: bool,
}

/// An element whose end tag is expected.
#[derive(Debug)]
struct Open<'t> {
    name: &'t str,
    /// The number of prefixes before its own.
    prefixes: usize,
}

/// The reader.
pub(super) struct Reader<'t, 'm> {
    text: &'t str,
    at: usize,
    meter: &'m Meter<'m>,
    open: Vec<Open<'t>>,
    prefixes: Vec<(&'t str, Namespace)>,
    entities: HashMap<&'t str, &'t str>,
    has_document_type: bool,
    has_root: bool,
}

/// Text after its references have been replaced.
#[derive(Debug)]
pub(super) struct Replaced<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) has_entity: bool,
}

impl<'t, 'm> Reader<'t, 'm> {
    pub(super) fn new(text: &'t str, meter: &'m Meter<'_>) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let prefixes = vec![("xml", Namespace::Xml), ("xmlns", Namespace::Xmlns)];
        let (open, entities) = (Vec::new(), HashMap::new());
        Self { text, at, meter, open, prefixes, entities, has_document_type: false, has_root: false }
    }

    /// The number of open elements.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The next event and its range; `None` at the end of the document.
    pub(super) fn next(&mut self) -> Result<Option<(Event<'t>, Range<usize>)>, Error> {
        let start = self.at;
        let event = self.event()?;
        self.meter.steps(1 + ((self.at - start) / BYTES_PER_STEP) as u64)?;
        Ok(event.map(|event| (event, start..self.at)))
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// An error at the current position.
    pub(super) fn error(&self, reason: &'static str) -> Error {
        let before = &self.text[..self.at];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Error::NotWellFormed { reason, line, column }
    }

    fn event(&mut self) -> Result<Option<Event<'t>>, Error> {
        let rest = self.rest();
        if rest.is_empty() {
            return match (self.open.is_empty(), self.has_root) {
                (true, true) => Ok(None),
                (true, false) => Err(self.error("the document has no element")),
                (false, _) => Err(self.error("the document ends within an element")),
            };
        }
        if !rest.starts_with('<') {
            return self.characters().map(Some);
        }
        Ok(Some(if rest.starts_with("<!--") {
            self.comment()?;
            Event::Comment
        } else if rest.starts_with("<![CDATA[") {
            self.cdata()?
        } else if rest.starts_with("<!DOCTYPE") {
            self.document_type()?;
            Event::DocumentType
        } else if rest.starts_with("<?") {
            self.instruction()?
        } else if rest.starts_with("</") {
            self.end_tag()?;
            Event::End
        } else {
            Event::Start(self.start_tag()?)
        }))
    }

    fn characters(&mut self) -> Result<Event<'t>, Error> {
        let rest = self.rest();
        let text = &rest[..rest.find('<').unwrap_or(rest.len())];
        if self.open.is_empty() && !text.bytes().all(is_space) {
            return Err(self.error("there is text outside of the root element"));
        }
        if text.contains("]]>") {
            return Err(self.error("text contains `]]>`"));
        }
        self.check_characters(text)?;
        self.at += text.len();
        Ok(Event::Text(text))
    }

    fn check_characters(&self, text: &str) -> Result<(), Error> {
        if text.chars().all(is_character) { Ok(()) } else { Err(self.error("a character is not allowed in XML")) }
    }

    /// Skips `prefix` and everything up to `end`, and returns what is between them.
    fn enclosed(&mut self, prefix: &str, end: &str, unclosed: &'static str) -> Result<&'t str, Error> {
        let inner = self.rest().get(prefix.len()..).unwrap_or_default();
        let Some(length) = inner.find(end) else { return Err(self.error(unclosed)) };
        let inner = &inner[..length];
        self.check_characters(inner)?;
        self.at += prefix.len() + length + end.len();
        Ok(inner)
    }

    fn comment(&mut self) -> Result<(), Error> {
        let inner = self.enclosed("<!--", "-->", "a comment does not end")?;
        if inner.contains("--") || inner.ends_with('-') {
            return Err(self.error("a comment contains `--`"));
        }
        Ok(())
    }

    fn cdata(&mut self) -> Result<Event<'t>, Error> {
        if self.open.is_empty() {
            return Err(self.error("there is text outside of the root element"));
        }
        self.enclosed("<![CDATA[", "]]>", "a CDATA section does not end").map(Event::CData)
    }

    fn instruction(&mut self) -> Result<Event<'t>, Error> {
        let is_first = self.text[..self.at].trim_start_matches('\u{feff}').is_empty();
        let inner = self.enclosed("<?", "?>", "a processing instruction does not end")?;
        let (target, content) = inner.split_at(name_length(inner));
        if target.is_empty() || target.contains(':') || !content.is_empty() && !content.starts_with(is_space_char) {
            return Err(self.error("a processing instruction has no name"));
        }
        if !target.eq_ignore_ascii_case("xml") {
            return Ok(Event::Instruction);
        }
        if !is_first || target != "xml" {
            return Err(self.error("an XML declaration is not at the start"));
        }
        self.declaration(content)
    }

    /// XMLDecl (section 2.8): version, encoding, standalone, in this order.
    fn declaration(&self, content: &'t str) -> Result<Event<'t>, Error> {
        let invalid = || self.error("the XML declaration is invalid");
        let (mut rest, mut values) = (content, [None; 3]);
        for (index, name) in ["version", "encoding", "standalone"].into_iter().enumerate() {
            let trimmed = rest.trim_start_matches(is_space_char);
            let Some(value) = trimmed.strip_prefix(name) else { continue };
            let value = value.trim_start_matches(is_space_char).strip_prefix('=').ok_or_else(invalid)?;
            let value = value.trim_start_matches(is_space_char);
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\'')).ok_or_else(invalid)?;
            let (value, after) = value[1..].split_once(quote).ok_or_else(invalid)?;
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
            if trimmed.len() == rest.len() || value.is_empty() || !value.bytes().all(is_plain) {
                return Err(invalid());
            }
            (values[index], rest) = (Some(value), after);
        }
        match values {
            [Some(version), encoding, _] if rest.trim_start_matches(is_space_char).is_empty() => {
                Ok(Event::Declaration { version, encoding })
            }
            _ => Err(invalid()),
        }
    }

    fn end_tag(&mut self) -> Result<(), Error> {
        let rest = &self.rest()[2..];
        let name = &rest[..name_length(rest)];
        let Some(open) = self.open.last().filter(|open| open.name == name) else {
            return Err(self.error("an end tag does not match its start tag"));
        };
        let prefixes = open.prefixes;
        self.at += 2 + name.len();
        self.skip_space();
        self.expect(">", "an end tag does not end")?;
        self.prefixes.truncate(prefixes);
        self.open.pop();
        Ok(())
    }

    fn skip_space(&mut self) -> bool {
        let start = self.at;
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(is_space_char).len();
        self.at > start
    }

    fn expect(&mut self, token: &str, reason: &'static str) -> Result<(), Error> {
        if !self.rest().starts_with(token) {
            return Err(self.error(reason));
        }
        self.at += token.len();
        Ok(())
    }

    fn name(&mut self) -> Result<&'t str, Error> {
        let rest = self.rest();
        let name = &rest[..name_length(rest)];
        if name.is_empty() {
            return Err(self.error("a name is missing or invalid"));
        }
        self.at += name.len();
        Ok(name)
    }

    fn quoted(&mut self) -> Result<Range<usize>, Error> {
        let quote = self.rest().chars().next().filter(|quote| matches!(quote, '"' | '\''));
        let Some(quote) = quote else { return Err(self.error("a value is not quoted")) };
        let start = self.at + 1;
        let Some(length) = self.text[start..].find(quote) else { return Err(self.error("a value does not end")) };
        self.check_characters(&self.text[start..start + length])?;
        self.at = start + length + 1;
        Ok(start..start + length)
    }

    fn start_tag(&mut self) -> Result<Element<'t>, Error> {
        if self.open.is_empty() && self.has_root {
            return Err(self.error("there is a second root element"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Error::TooMuch { what: "the depth of elements", allowed: MAX_DEPTH });
        }
        self.at += 1;
        let name = self.name()?;
        let prefixes = self.prefixes.len();
        let mut attributes: Vec<Attribute<'t>> = Vec::new();
        let is_empty = loop {
            let start = self.at;
            let has_space = self.skip_space();
            if self.rest().starts_with("/>") || self.rest().starts_with('>') {
                let is_empty = self.rest().starts_with('/');
                self.at += if is_empty { 2 } else { 1 };
                break is_empty;
            }
            if !has_space {
                return Err(self.error("there is no space before an attribute"));
            }
            if attributes.len() >= MAX_ATTRIBUTES {
                return Err(Error::TooMuch { what: "the number of attributes", allowed: MAX_ATTRIBUTES });
            }
            let attribute = self.attribute(start)?;
            self.declare(&attribute)?;
            attributes.push(attribute);
        };
        for attribute in &mut attributes {
            attribute.namespace = match (attribute.prefix, attribute.local) {
                ("", "xmlns") => Namespace::Xmlns,
                ("", _) => Namespace::None,
                (prefix, _) => self.namespace(prefix)?,
            };
        }
        self.check_unique(&attributes)?;
        let (prefix, local) = self.split(name)?;
        let namespace = self.namespace(prefix)?;
        self.has_root = true;
        if is_empty {
            self.prefixes.truncate(prefixes);
        } else {
            self.open.push(Open { name, prefixes });
        }
        Ok(Element { namespace, local, attributes, is_empty })
    }

    fn attribute(&mut self, start: usize) -> Result<Attribute<'t>, Error> {
        let name = self.name()?;
        let (prefix, local) = self.split(name)?;
        self.skip_space();
        self.expect("=", "an attribute has no value")?;
        self.skip_space();
        let value_range = self.quoted()?;
        let raw = &self.text[value_range.clone()];
        if raw.contains('<') {
            return Err(self.error("a value contains `<`"));
        }
        let Replaced { text, has_entity } = self.replaced(raw)?;
        let value = match text.contains(['\t', '\n', '\r']) {
            true => Cow::Owned(text.replace(['\t', '\n', '\r'], " ")),
            false => text,
        };
        let range = start..self.at;
        Ok(Attribute { range, value_range, prefix, local, namespace: Namespace::None, value, has_entity })
    }

    /// Adds the prefix that an attribute declares.
    fn declare(&mut self, attribute: &Attribute<'t>) -> Result<(), Error> {
        let prefix = match (attribute.prefix, attribute.local) {
            ("", "xmlns") => "",
            ("xmlns", prefix) => prefix,
            _ => return Ok(()),
        };
        let namespace = Namespace::from_uri(&attribute.value);
        let is_reserved = matches!(namespace, Namespace::Xml | Namespace::Xmlns);
        if prefix == "xmlns" || (prefix == "xml") != (namespace == Namespace::Xml) || is_reserved && prefix != "xml" {
            return Err(self.error("a reserved prefix is declared"));
        }
        if !prefix.is_empty() && attribute.value.is_empty() {
            return Err(self.error("a prefix is declared without a namespace"));
        }
        if self.prefixes.len() >= MAX_PREFIXES {
            return Err(Error::TooMuch { what: "the number of namespace prefixes", allowed: MAX_PREFIXES });
        }
        self.prefixes.push((prefix, namespace));
        Ok(())
    }

    fn namespace(&self, prefix: &str) -> Result<Namespace, Error> {
        let mut declared = self.prefixes.iter().rev();
        self.meter.steps((self.prefixes.len() / BYTES_PER_STEP) as u64)?;
        match declared.find(|(declared, _)| *declared == prefix) {
            Some((_, namespace)) => Ok(*namespace),
            None if prefix.is_empty() => Ok(Namespace::None),
            None => Err(self.error("a namespace prefix is not declared")),
        }
    }

    /// Prefix and local part of a qualified name.
    fn split(&self, name: &'t str) -> Result<(&'t str, &'t str), Error> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let is_valid = !local.contains(':') && local.starts_with(is_name_start);
        if !is_valid || (name.contains(':') && prefix.is_empty()) {
            return Err(self.error("a name has an invalid prefix"));
        }
        Ok((prefix, local))
    }

    fn check_unique(&self, attributes: &[Attribute<'t>]) -> Result<(), Error> {
        self.meter.steps((attributes.len() * attributes.len() / BYTES_PER_STEP) as u64)?;
        for (index, one) in attributes.iter().enumerate() {
            let is_same = |other: &Attribute<'_>| {
                let is_known = one.namespace != Namespace::Other && one.namespace == other.namespace;
                one.local == other.local && (one.prefix == other.prefix || is_known)
            };
            if attributes[..index].iter().any(is_same) {
                return Err(self.error("an attribute is given twice"));
            }
        }
        Ok(())
    }

    /// Replaces the references in a text by what they stand for.
    pub(super) fn replaced(&self, raw: &'t str) -> Result<Replaced<'t>, Error> {
        if !raw.contains('&') {
            return Ok(Replaced { text: Cow::Borrowed(raw), has_entity: false });
        }
        let (mut text, mut has_entity, mut rest) = (String::with_capacity(raw.len()), false, raw);
        while let Some(at) = rest.find('&') {
            text.push_str(&rest[..at]);
            let reference = &rest[at + 1..];
            let Some(end) = reference.find(';') else { return Err(self.error("a reference does not end")) };
            let (name, after) = (&reference[..end], &reference[end + 1..]);
            match self.reference(name)? {
                Reference::Character(character) => text.push(character),
                Reference::Entity(entity) => {
                    has_entity = true;
                    self.meter.hold(entity.len() as u64)?;
                    text.push_str(entity);
                }
            }
            self.meter.step()?;
            rest = after;
        }
        text.push_str(rest);
        Ok(Replaced { text: Cow::Owned(text), has_entity })
    }

    fn reference(&self, name: &str) -> Result<Reference<'t>, Error> {
        let character = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => None,
        };
        if let Some(character) = character {
            return Ok(Reference::Character(character));
        }
        if let Some(number) = name.strip_prefix('#') {
            let parse = |digits: &str, radix| {
                let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
                u32::from_str_radix(digits, radix).ok().filter(|_| is_number)
            };
            let code = number.strip_prefix('x').map_or_else(|| parse(number, 10), |digits| parse(digits, 16));
            let character = code.and_then(char::from_u32).filter(|character| is_character(*character));
            return character
                .map(Reference::Character)
                .ok_or_else(|| self.error("a reference to a character is invalid"));
        }
        let entity =
            self.entities.get(name).ok_or_else(|| self.error("an entity is not declared, or is not plain text"));
        entity.map(|text| Reference::Entity(text))
    }

    /// doctypedecl (section 2.8), of which only internal entities matter.
    fn document_type(&mut self) -> Result<(), Error> {
        if self.has_root || self.has_document_type {
            return Err(self.error("the document type is not before the root element"));
        }
        self.has_document_type = true;
        self.at += "<!DOCTYPE".len();
        if !self.skip_space() {
            return Err(self.error("the document type has no name"));
        }
        self.name()?;
        loop {
            self.skip_space();
            match self.rest().as_bytes().first() {
                Some(b'>') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'[') => {
                    self.at += 1;
                    self.internal_subset()?;
                }
                Some(b'"' | b'\'') => _ = self.quoted()?,
                Some(_) => _ = self.name()?,
                None => return Err(self.error("the document type does not end")),
            }
            self.meter.step()?;
        }
    }

    fn internal_subset(&mut self) -> Result<(), Error> {
        loop {
            self.skip_space();
            self.meter.step()?;
            let rest = self.rest();
            if rest.starts_with(']') {
                self.at += 1;
                return Ok(());
            } else if rest.starts_with("<!--") {
                self.comment()?;
            } else if rest.starts_with("<?") {
                self.enclosed("<?", "?>", "a processing instruction does not end")?;
            } else if rest.starts_with("<!ENTITY") {
                self.entity_declaration()?;
            } else if rest.starts_with("<!") {
                self.at += 2;
                self.skip_declaration()?;
            } else if rest.starts_with('%') {
                // A reference to a parameter entity, whose declarations are not read.
                self.at += 1;
                self.name()?;
                self.expect(";", "a reference does not end")?;
            } else {
                return Err(self.error("the document type is invalid"));
            }
        }
    }

    /// Skips the rest of a declaration.
    fn skip_declaration(&mut self) -> Result<(), Error> {
        loop {
            let rest = self.rest();
            let Some(at) = rest.find(['>', '"', '\'', '<', '[', ']']) else {
                return Err(self.error("a declaration does not end"));
            };
            self.at += at;
            self.meter.step()?;
            match rest.as_bytes()[at] {
                b'>' => {
                    self.at += 1;
                    return Ok(());
                }
                b'"' | b'\'' => _ = self.quoted()?,
                _ => return Err(self.error("a declaration is invalid")),
            }
        }
    }

    fn entity_declaration(&mut self) -> Result<(), Error> {
        self.at += "<!ENTITY".len();
        self.skip_space();
        if self.rest().starts_with('%') {
            return self.skip_declaration();
        }
        let name = self.name()?;
        self.skip_space();
        if !self.rest().starts_with(['"', '\'']) {
            return self.skip_declaration();
        }
        let value = self.quoted()?;
        let text = &self.text[value];
        // The first declaration is binding (section 4.2).
        if !text.contains(['<', '&', '%']) && !self.entities.contains_key(name) {
            let length: usize = self.entities.values().map(|text| text.len()).sum();
            if self.entities.len() >= MAX_ENTITIES || length + text.len() > MAX_ENTITY_TEXT {
                return Err(Error::TooMuch { what: "the text of entities in bytes", allowed: MAX_ENTITY_TEXT });
            }
            self.entities.insert(name, text);
        }
        self.skip_declaration()
    }
}

enum Reference<'t> {
    Character(char),
    Entity(&'t str),
}

/// The length of the name at the start of a text, with colons.
fn name_length(text: &str) -> usize {
    let mut characters = text.char_indices();
    match characters.next() {
        Some((_, first)) if is_name_start(first) || first == ':' => {}
        _ => return 0,
    }
    characters.find(|(_, character)| !is_name_character(*character)).map_or(text.len(), |(at, _)| at)
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

const fn is_space_char(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// Char (section 2.2).
const fn is_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// NameStartChar (section 2.3) without the colon.
const fn is_name_start(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// NameChar (section 2.3).
const fn is_name_character(character: char) -> bool {
    is_name_start(character)
        || matches!(character, ':' | '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests;
