//! The intrinsic size of a drawing (SVG 2, section 8.2 and CSS Images 3, section 5): `width` and `height` of the root
//! element, else the size of its `viewBox`, else 300 × 150 pixels.

use super::names::Namespace;
use super::xml::{Attribute, Element, Event, Reader};
use super::{Error, sanitize};
use image_origin_container::Meter;

/// A size in CSS pixels. Both sides are positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// The width.
    pub width: f64,
    /// The height.
    pub height: f64,
}

impl Size {
    /// The default size of replaced elements (CSS 2.2, section 10.3.2).
    const DEFAULT: Self = Self { width: 300.0, height: 150.0 };

    /// The size in whole pixels.
    pub fn in_pixels(self) -> (u32, u32) {
        let whole = |side: f64| side.round().max(1.0) as u32;
        (whole(self.width), whole(self.height))
    }

    /// The size that the root element declares.
    pub(super) fn of_root(attributes: &[Attribute<'_>]) -> Self {
        let value = |name: &str| {
            let mut own = attributes.iter().filter(|attribute| attribute.namespace == Namespace::None);
            own.find(|attribute| attribute.local == name).map(|attribute| attribute.value.as_ref())
        };
        let view_box = value("viewBox").and_then(view_box);
        let given = (value("width").and_then(length), value("height").and_then(length));
        match (given, view_box) {
            ((Some(width), Some(height)), _) => Self { width, height },
            ((None, None), Some(size)) => size,
            ((Some(width), None), Some(size)) => Self { width, height: width * size.height / size.width }.or(size),
            ((None, Some(height)), Some(size)) => Self { width: height * size.width / size.height, height }.or(size),
            ((width, height), None) => {
                Self { width: width.unwrap_or(Self::DEFAULT.width), height: height.unwrap_or(Self::DEFAULT.height) }
            }
        }
    }

    /// The other size if this one is not finite.
    fn or(self, other: Self) -> Self {
        let is_side = |side: f64| side.is_finite() && side > 0.0;
        if is_side(self.width) && is_side(self.height) { self } else { other }
    }
}

/// Reads the size of a drawing from its root element; the rest is not read.
///
/// # Errors
/// [`Error`] for what stands before the end of the root's start tag.
pub fn size(text: &str, meter: &Meter<'_>) -> Result<Size, Error> {
    let mut reader = Reader::new(text, meter);
    while let Some((event, _)) = reader.next()? {
        if let Event::Start(Element { namespace, local, attributes, .. }) = event {
            sanitize::check_root(&reader, namespace, local)?;
            return Ok(Size::of_root(&attributes));
        }
    }
    Err(reader.error("the document has no element"))
}

/// A length in pixels; `None` for percentages, and for what is no positive length.
fn length(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    let end = text.find(|c: char| c.is_ascii_alphabetic() && !is_exponent(text, c) || c == '%').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    // CSS Values 3, section 5.2; the font size is 16 px.
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "px" => 1.0,
        "pt" => 4.0 / 3.0,
        "pc" => 16.0,
        "mm" => 96.0 / 25.4,
        "cm" => 96.0 / 2.54,
        "q" => 96.0 / 101.6,
        "in" => 96.0,
        "em" | "rem" => 16.0,
        "ex" | "ch" => 8.0,
        _ => return None,
    };
    let length = number.trim_ascii().parse::<f64>().ok()? * factor;
    (length.is_finite() && length > 0.0).then_some(length)
}

/// Whether this letter is the exponent of the number at the start, as in `1e3`, and not a unit, as in `1em`.
fn is_exponent(text: &str, letter: char) -> bool {
    let after = text.split_once(letter).map_or("", |(_, after)| after);
    matches!(letter, 'e' | 'E') && after.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'))
}

fn view_box(text: &str) -> Option<Size> {
    let numbers: Vec<f64> = text
        .split(|c: char| c.is_ascii_whitespace() || c == ',')
        .filter(|number| !number.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let [x, y, width, height] = numbers.as_slice() else { return None };
    let is_valid = [x, y, width, height].iter().all(|number| number.is_finite()) && *width > 0.0 && *height > 0.0;
    is_valid.then_some(Size { width: *width, height: *height })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_container::Cancellation;

    #[test]
    fn sizes_are_those_of_browsers_or_of_the_view_box() {
        let table = [
            ("", (300.0, 150.0)),
            ("width='10' height='20'", (10.0, 20.0)),
            ("width='1in' height='72pt'", (96.0, 96.0)),
            ("width=' 2.54cm ' height='25.4mm'", (96.0, 96.0)),
            ("width='1e2' height='1.5em'", (100.0, 24.0)),
            ("width='100%' height='100%' viewBox='0 0 24 12'", (24.0, 12.0)),
            ("viewBox='-1,-2 , 24 12.5'", (24.0, 12.5)),
            ("width='48' viewBox='0 0 24 12'", (48.0, 24.0)),
            ("height='48' viewBox='0 0 24 12'", (96.0, 48.0)),
            ("width='48'", (48.0, 150.0)),
            ("width='0' height='-1' viewBox='0 0 24 12'", (24.0, 12.0)),
            ("width='NaN' height='inf' viewBox='0 0 0 0'", (300.0, 150.0)),
            ("width='x' height='1e999' viewBox='0 0 nan 1'", (300.0, 150.0)),
            ("width='1e300' viewBox='0 0 1e-300 1'", (1e-300, 1.0)),
        ];
        let cancellation = Cancellation::unbounded();
        for (attributes, (width, height)) in table {
            let text = format!("<svg xmlns='http://www.w3.org/2000/svg' {attributes}><a>");
            let found = size(&text, &Meter::new(text.len() as u64, &cancellation)).unwrap();
            assert!(
                (found.width - width).abs() < 1e-9 && (found.height - height).abs() < 1e-9,
                "{attributes}: {found:?}"
            );
        }
        assert_eq!(Size { width: 1e300, height: 0.2 }.in_pixels(), (u32::MAX, 1));
    }
}
