//! The sanitiser: from the text of a drawing to the parts of it that stay.
//!
//! Elements and attributes stay if they are in the lists of `names.rs`; references if they name something within the
//! drawing. The result is well-formed if the input is, and sanitising it again changes nothing.

use std::borrow::Cow;
use std::ops::Range;

use super::names::{self, Content, Namespace};
use super::size::Size;
use super::url::{EmbeddedPicture, embedded_picture, is_fragment};
use super::xml::{Attribute, Element, Event, Reader};
use super::{Error, css};
use image_origin_container::{Exhausted, Meter};

/// The XML declaration of a text that was in another encoding or version.
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// What is kept of the `metadata` element: RDF with terms of Creative Commons and Dublin Core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    /// Nothing.
    None,
    /// Title, creator, publisher, rights and licence.
    Rights,
    /// All terms.
    All,
}

impl Metadata {
    fn keeps(self, namespace: Namespace, local: &str) -> bool {
        match (self, namespace) {
            (Self::None, _) => false,
            (_, Namespace::Rdf | Namespace::Cc) | (Self::All, Namespace::Dc) => true,
            (Self::Rights, Namespace::Dc) => matches!(local, "creator" | "publisher" | "rights" | "title"),
            _ => false,
        }
    }
}

/// A part of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A range of the source in bytes.
    Copy(Range<usize>),
    /// Text that replaces a part of the source.
    Insert(String),
}

/// A drawing without what could run, load, or tell who made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sanitized {
    /// The parts in order; ranges ascend.
    pub parts: Vec<Part>,
    /// The intrinsic size.
    pub size: Size,
    /// Whether something was removed or replaced.
    pub is_changed: bool,
}

impl Sanitized {
    /// The text of the result, of the source `text` that was sanitised.
    pub fn to_text(&self, text: &str) -> String {
        let part = |part: &Part| match part {
            Part::Copy(range) => text.get(range.clone()).unwrap_or_default().to_owned(),
            Part::Insert(inserted) => inserted.clone(),
        };
        self.parts.iter().map(part).collect()
    }
}

/// What becomes of the file of a picture that is embedded in a drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// It stays.
    Same,
    /// Another file replaces it.
    Changed(Vec<u8>),
    /// It is removed, together with the reference that contains it.
    Removed,
}

/// Decides what becomes of the pictures that are embedded in a drawing.
pub type PictureFilter<'f> = dyn Fn(&[u8]) -> Result<Picture, Exhausted> + 'f;

/// Removes from a drawing what is not part of a picture. Embedded pictures stay as they are.
///
/// # Errors
/// Any [`Error`]. [`Error::NotWellFormed`] also if the root element is not `svg` of the SVG namespace.
pub fn sanitize(text: &str, metadata: Metadata, meter: &Meter<'_>) -> Result<Sanitized, Error> {
    sanitized(text, metadata, Pictures { filter: None, meter })
}

/// Like [`sanitize`], and passes each embedded picture to `filter`, except for what is not valid base64, which is removed.
///
/// # Errors
/// The errors of [`sanitize`], and those of `filter`.
pub fn sanitize_with(
    text: &str,
    metadata: Metadata,
    filter: &PictureFilter<'_>,
    meter: &Meter<'_>,
) -> Result<Sanitized, Error> {
    sanitized(text, metadata, Pictures { filter: Some(filter), meter })
}

fn sanitized(text: &str, metadata: Metadata, pictures: Pictures<'_>) -> Result<Sanitized, Error> {
    let meter = pictures.meter;
    let mut reader = Reader::new(text, meter);
    let start = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut out = Output { text, parts: Vec::new(), is_changed: false, pictures };
    out.copy(0..start.min('\u{feff}'.len_utf8()))?;
    let mut context = Context { size: None, open: Vec::new(), metadata };
    while let Some((event, range)) = reader.next()? {
        match event {
            Event::Declaration { version, encoding } => {
                let is_utf8 = |name: &str| matches!(name.to_ascii_lowercase().as_str(), "utf-8" | "utf8" | "us-ascii");
                if version == "1.0" && encoding.is_none_or(is_utf8) {
                    out.copy(range)?;
                } else {
                    out.insert(DECLARATION)?;
                }
            }
            Event::DocumentType | Event::Comment | Event::Instruction => out.is_changed = true,
            Event::Start(element) => context.start(&mut reader, element, range, &mut out)?,
            Event::End => {
                context.open.pop();
                out.copy(range)?;
            }
            Event::Text(raw) => {
                let replaced = reader.replaced(raw)?;
                if replaced.has_entity {
                    out.insert(&escaped(&replaced.text))?;
                } else {
                    out.text(range)?;
                }
            }
            Event::CData(content) => out.insert(&escaped(content))?,
        }
    }
    let size = context.size.ok_or_else(|| reader.error("the document has no element"))?;
    Ok(Sanitized { parts: out.parts, size, is_changed: out.is_changed })
}

/// Checks that the root element is a drawing.
pub(super) fn check_root(reader: &Reader<'_, '_>, namespace: Namespace, local: &str) -> Result<(), Error> {
    match (namespace, local) {
        (Namespace::Svg, "svg") => Ok(()),
        (Namespace::None, "svg") => {
            Err(reader.error("the svg element lacks the attribute xmlns=\"http://www.w3.org/2000/svg\""))
        }
        _ => Err(reader.error("the root element is not svg")),
    }
}

/// What the open elements that stay may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Drawing,
    Text,
    Metadata,
}

struct Context {
    size: Option<Size>,
    open: Vec<Within>,
    metadata: Metadata,
}

impl Context {
    fn start<'t>(
        &mut self,
        reader: &mut Reader<'t, '_>,
        element: Element<'t>,
        range: Range<usize>,
        out: &mut Output<'_>,
    ) -> Result<(), Error> {
        let Element { namespace, local, ref attributes, is_empty } = element;
        if self.open.is_empty() {
            check_root(reader, namespace, local)?;
            self.size = Some(Size::of_root(attributes));
        }
        let within = match (self.open.last().copied().unwrap_or(Within::Drawing), namespace) {
            (Within::Drawing, Namespace::Svg) if local == "metadata" => {
                (self.metadata != Metadata::None).then_some(Within::Metadata)
            }
            (Within::Drawing, Namespace::Svg) => match names::content(local) {
                Some(Content::Css) if !is_empty => return style(reader, &element, range, out),
                Some(Content::Text) => Some(Within::Text),
                Some(Content::Drawing | Content::Css) => Some(Within::Drawing),
                None => None,
            },
            (Within::Metadata, namespace) if self.metadata.keeps(namespace, local) => Some(Within::Metadata),
            _ => None,
        };
        match within {
            // Animations of what must not be set go as a whole.
            Some(within) if !is_forbidden_animation(&element) => {
                out.start_tag(&element, range, within, self.metadata)?;
                if !is_empty {
                    self.open.push(within);
                }
                Ok(())
            }
            _ => {
                out.is_changed = true;
                if is_empty { Ok(()) } else { skip(reader) }
            }
        }
    }
}

/// Skips to the end of the element whose start tag was just read.
fn skip(reader: &mut Reader<'_, '_>) -> Result<(), Error> {
    let depth = reader.depth();
    while reader.depth() >= depth {
        if let Some((Event::Text(raw), _)) = reader.next()? {
            reader.replaced(raw)?;
        }
    }
    Ok(())
}

/// Whether an element sets an attribute that links or runs.
fn is_forbidden_animation(element: &Element<'_>) -> bool {
    let mut named = element.attributes.iter().filter(|attribute| attribute.local == "attributeName");
    names::is_animation(element.local) && named.any(|attribute| !names::is_animatable(attribute.value.trim_ascii()))
}

/// Filters the style sheet within an element whose start tag was just read, up to its end tag.
fn style<'t>(
    reader: &mut Reader<'t, '_>,
    element: &Element<'t>,
    range: Range<usize>,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let depth = reader.depth();
    out.start_tag(element, range, Within::Drawing, Metadata::None)?;
    let (mut sheet, mut pieces, mut is_plain) = (String::new(), Vec::new(), true);
    loop {
        let Some((event, range)) = reader.next()? else { return Ok(()) };
        match event {
            Event::End if reader.depth() < depth => {
                let filtered = css::with_pictures(css::style_sheet(&sheet, out.pictures.meter)?, &out.pictures)?;
                if is_plain && matches!(filtered, Cow::Borrowed(_)) {
                    pieces.into_iter().try_for_each(|piece| out.copy(piece))?;
                } else {
                    out.insert(&escaped(&filtered))?;
                }
                return out.copy(range);
            }
            Event::Text(raw) => {
                let replaced = reader.replaced(raw)?;
                out.pictures.meter.hold(replaced.text.len() as u64)?;
                is_plain &= !replaced.has_entity && !has_stray_bracket(raw);
                sheet.push_str(&replaced.text);
                pieces.push(range);
            }
            Event::CData(content) => {
                out.pictures.meter.hold(content.len() as u64)?;
                sheet.push_str(content);
                pieces.push(range);
            }
            Event::Start(Element { is_empty, .. }) => {
                is_plain = false;
                if !is_empty {
                    skip(reader)?;
                }
            }
            _ => is_plain = false,
        }
    }
}

/// Whether a text begins such that it would end a `]]>` with the text before it, once what was between them is removed.
fn has_stray_bracket(raw: &str) -> bool {
    raw.trim_start_matches(']').starts_with('>')
}

/// The value of an attribute, or a URL in CSS, after sanitising.
pub(super) enum Value<'a> {
    Same,
    Changed(Cow<'a, str>),
    Removed,
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    /// A text that is borrowed if it is the same.
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(_) => Self::Same,
            Cow::Owned(_) => Self::Changed(text),
        }
    }
}

/// The embedded pictures.
#[derive(Clone, Copy)]
pub(super) struct Pictures<'m> {
    filter: Option<&'m PictureFilter<'m>>,
    meter: &'m Meter<'m>,
}

impl Pictures<'_> {
    /// The URL of a picture after filtering.
    pub(super) fn filter(&self, picture: EmbeddedPicture<'_>) -> Result<Value<'static>, Exhausted> {
        let Some(filter) = self.filter else { return Ok(Value::Same) };
        let Some(file) = picture.decode(self.meter)? else { return Ok(Value::Removed) };
        Ok(match filter(&file)? {
            Picture::Same => Value::Same,
            Picture::Changed(file) => Value::Changed(Cow::Owned(picture.with(&file))),
            Picture::Removed => Value::Removed,
        })
    }
}

fn value<'a>(
    element: &Element<'_>,
    attribute: &'a Attribute<'_>,
    within: Within,
    metadata: Metadata,
    pictures: Pictures<'_>,
) -> Result<Value<'a>, Error> {
    let Attribute { prefix, local, namespace, ref value, has_entity, .. } = *attribute;
    let same = || if has_entity { Value::Changed(Cow::Borrowed(value.as_ref())) } else { Value::Same };
    let stays = match (namespace, local) {
        (Namespace::Xmlns, _) => match Namespace::from_uri(value) {
            Namespace::Svg | Namespace::XLink | Namespace::Xml => true,
            Namespace::Rdf | Namespace::Cc | Namespace::Dc => metadata != Metadata::None && !prefix.is_empty(),
            _ => false,
        },
        (Namespace::Xml, "lang" | "space") => true,
        (Namespace::Rdf, _) => within == Within::Metadata,
        (_, _) if within == Within::Metadata => false,
        (Namespace::None | Namespace::XLink, "href") => {
            let picture = embedded_picture(value).filter(|_| matches!(element.local, "image" | "feImage"));
            match picture.map(|picture| pictures.filter(picture)).transpose()? {
                Some(Value::Same) => true,
                Some(filtered) => return Ok(filtered),
                None => is_fragment(value),
            }
        }
        (Namespace::None, "attributeName") => names::is_animation(element.local),
        (Namespace::XLink, "title") => true,
        (Namespace::XLink, "type") => &**value == "simple",
        (Namespace::None, "style") => {
            let filtered = css::with_pictures(css::declarations(value, pictures.meter)?, &pictures)?;
            return Ok(match filtered.into() {
                Value::Changed(filtered) if filtered.trim_ascii().is_empty() => Value::Removed,
                Value::Same => same(),
                filtered => filtered,
            });
        }
        (Namespace::None, local) if names::is_attribute(local) && css::is_harmless(value) => {
            match css::with_pictures(Cow::Borrowed(value), &pictures)?.into() {
                Value::Same => true,
                filtered => return Ok(filtered),
            }
        }
        _ => false,
    };
    Ok(if stays { same() } else { Value::Removed })
}

/// The text with the characters escaped that are markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // An unescaped one becomes a line feed (XML 1.0, section 2.11).
            '\r' => out.push_str("&#13;"),
            character => out.push(character),
        }
    }
    out
}

struct Output<'t> {
    text: &'t str,
    parts: Vec<Part>,
    is_changed: bool,
    pictures: Pictures<'t>,
}

impl Output<'_> {
    fn copy(&mut self, range: Range<usize>) -> Result<(), Error> {
        match self.parts.last_mut() {
            Some(Part::Copy(last)) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => {
                self.pictures.meter.entry::<Part>()?;
                self.parts.push(Part::Copy(range));
            }
        }
        Ok(())
    }

    fn insert(&mut self, text: &str) -> Result<(), Error> {
        self.is_changed = true;
        self.pictures.meter.hold(text.len() as u64)?;
        match self.parts.last_mut() {
            Some(Part::Insert(last)) => last.push_str(text),
            _ => {
                self.pictures.meter.entry::<Part>()?;
                self.parts.push(Part::Insert(text.to_owned()));
            }
        }
        Ok(())
    }

    /// Copies a text.
    fn text(&mut self, range: Range<usize>) -> Result<(), Error> {
        let raw = &self.text[range.clone()];
        if !has_stray_bracket(raw) {
            return self.copy(range);
        }
        let at = range.start + raw.len() - raw.trim_start_matches(']').len();
        self.copy(range.start..at)?;
        self.insert("&gt;")?;
        self.copy(at + 1..range.end)
    }

    fn start_tag(
        &mut self,
        element: &Element<'_>,
        range: Range<usize>,
        within: Within,
        metadata: Metadata,
    ) -> Result<(), Error> {
        let mut at = range.start;
        for attribute in &element.attributes {
            match value(element, attribute, within, metadata, self.pictures)? {
                Value::Same => {}
                Value::Removed => {
                    self.is_changed = true;
                    self.copy(at..attribute.range.start)?;
                    at = attribute.range.end;
                }
                Value::Changed(value) => {
                    self.copy(at..attribute.value_range.start)?;
                    if value.contains(['&', '<', '>', '\r', '"', '\'']) {
                        self.insert(&escaped(&value).replace('"', "&quot;").replace('\'', "&apos;"))?;
                    } else {
                        self.insert(&value)?;
                    }
                    at = attribute.value_range.end;
                }
            }
        }
        self.copy(at..range.end)
    }
}

#[cfg(test)]
mod tests;
