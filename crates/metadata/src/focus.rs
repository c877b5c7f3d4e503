//! The subject of a picture according to its file: the regions of the Metadata Working Group in XMP ("Guidelines for
//! Handling Image Metadata" 2.0, section 5.9), and EXIF's SubjectArea (Exif 3.0, tag 0x9214).
//!
//! Input: a file. Output: one area of the stored picture. Invalid marks are ignored.

use serde_json::Value;

use super::exif::{self, ExifBlock};
use super::parts;
use super::xmp::Xmp;
use image_origin_container::parts::Want;
use image_origin_container::{Cancellation, Exhausted, Meter, sniff};

/// An area in shares of the sides of the stored picture, before its orientation is applied. It lies within the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarkedArea {
    /// Distance from the left edge.
    pub x: f64,
    /// Distance from the top edge.
    pub y: f64,
    /// Width; 0 for a point.
    pub width: f64,
    /// Height; 0 for a point.
    pub height: f64,
}

impl MarkedArea {
    /// The area around a middle, as far as it lies within the picture; `None` where the middle does not.
    pub(super) fn around((x, y): (f64, f64), (width, height): (f64, f64)) -> Option<Self> {
        let is_inside = (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y);
        let has_size = width >= 0.0 && height >= 0.0;
        if !is_inside || !has_size {
            return None;
        }
        let span = |middle: f64, length: f64| {
            let (start, end) = ((middle - length / 2.0).max(0.0), (middle + length / 2.0).min(1.0));
            (start, end - start)
        };
        let ((x, width), (y, height)) = (span(x, width), span(y, height));
        Some(Self { x, y, width, height })
    }

    /// The smallest area around both.
    pub(super) fn with(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// The area that a file marks, whose stored picture has this size: what its XMP calls the focus, else its faces, else its
/// pets; without these the subject that the camera has noted.
///
/// # Errors
/// [`Exhausted`] when `cancellation` is stopped, or the file's metadata cost more than its length can pay for.
pub fn marked_area(
    bytes: &[u8],
    (width, height): (u32, u32),
    cancellation: &Cancellation,
) -> Result<Option<MarkedArea>, Exhausted> {
    let Some(format) = sniff(bytes) else { return Ok(None) };
    let meter = &Meter::new(bytes.len() as u64, cancellation);
    let parts = parts::of(bytes, format, Want::All, meter)?;
    if let Some(area) = Xmp::new(&parts.xmp, meter)?.marked_area() {
        return Ok(Some(area));
    }
    let Some(block) = parts.exif.as_deref().and_then(ExifBlock::read) else { return Ok(None) };
    let photo = exif::read(&block, 0, &mut Vec::new(), meter)?.photo;
    let side = |name: &str, stored: u32| {
        // Pictures that were made smaller keep the subject's place in the larger one.
        photo.get(name).and_then(Value::as_f64).filter(|side| *side >= 1.0).unwrap_or_else(|| stored.into())
    };
    let size = (side("PixelXDimension", width), side("PixelYDimension", height));
    Ok(photo.get("SubjectArea").and_then(|area| subject(area, size)))
}

/// A point, a circle or a rectangle, in pixels.
fn subject(area: &Value, (width, height): (f64, f64)) -> Option<MarkedArea> {
    let numbers: Vec<f64> = area.as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?;
    let (x, y, across, down) = match *numbers.as_slice() {
        [x, y] => (x, y, 0.0, 0.0),
        [x, y, diameter] => (x, y, diameter, diameter),
        [x, y, across, down] => (x, y, across, down),
        _ => return None,
    };
    MarkedArea::around((x / width, y / height), (across / width, down / height))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tags and their numbers.
    type Entries<'a> = &'a [(u16, &'a [u16])];

    /// A JPEG without a picture, with this XMP and these entries of the Exif directory.
    fn file(xmp: &str, exif: Entries<'_>) -> Vec<u8> {
        let segment = |marker: u8, content: Vec<u8>| {
            [&[0xff, marker], &(content.len() as u16 + 2).to_be_bytes()[..], &content].concat()
        };
        let values = |values: &[u16]| values.iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<u8>>();
        // The first directory has nothing but the way to the second one.
        let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0".to_vec();
        let mut rest = Vec::new();
        let start = tiff.len() + 2 + 12 * exif.len() + 4;
        tiff.extend((exif.len() as u16).to_be_bytes());
        for (tag, numbers) in exif {
            tiff.extend([&tag.to_be_bytes()[..], &[0, 3], &(numbers.len() as u32).to_be_bytes()].concat());
            let mut inline = values(numbers);
            if inline.len() > 4 {
                tiff.extend(((start + rest.len()) as u32).to_be_bytes());
                rest.extend(inline);
            } else {
                inline.resize(4, 0);
                tiff.extend(inline);
            }
        }
        tiff.extend([0; 4]);
        tiff.extend(rest);
        let mut file = b"\xff\xd8".to_vec();
        if !exif.is_empty() {
            file.extend(segment(0xe1, [b"Exif\0\0", tiff.as_slice()].concat()));
        }
        if !xmp.is_empty() {
            file.extend(segment(0xe1, [b"http://ns.adobe.com/xap/1.0/\0", xmp.as_bytes()].concat()));
        }
        file.extend(b"\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\xff\xd9");
        file
    }

    fn marked(file: &[u8]) -> Option<[f64; 4]> {
        let area = marked_area(file, (400, 200), &Cancellation::unbounded()).unwrap();
        area.map(|MarkedArea { x, y, width, height }| {
            [x, y, width, height].map(|share| (share * 1000.0).round() / 1000.0)
        })
    }

    fn regions(list: &str) -> String {
        format!(
            "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
             <rdf:Description xmlns:mwg-rs='http://www.metadataworkinggroup.com/schemas/regions/' \
             xmlns:stArea='http://ns.adobe.com/xmp/sType/Area#'><mwg-rs:Regions rdf:parseType='Resource'>\
             <mwg-rs:RegionList><rdf:Bag>{list}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions></rdf:Description>\
             </rdf:RDF></x:xmpmeta>"
        )
    }

    /// A region as Lightroom writes it.
    fn region(kind: &str, [x, y, w, h]: [&str; 4]) -> String {
        format!(
            "<rdf:li><rdf:Description mwg-rs:Name='n' mwg-rs:Type='{kind}'><mwg-rs:Area stArea:x='{x}' stArea:y='{y}' \
             stArea:w='{w}' stArea:h='{h}' stArea:unit='normalized'/></rdf:Description></rdf:li>"
        )
    }

    #[test]
    fn regions_are_read_as_programs_write_them() {
        let face = |x| region("Face", [x, "0.5", "0.2", "0.4"]);
        let children = "<rdf:li rdf:parseType='Resource'><mwg-rs:Area rdf:parseType='Resource'><stArea:x>0.25</stArea:x>\
                        <stArea:y>0.5</stArea:y><stArea:w>0.1</stArea:w><stArea:h>0.1</stArea:h></mwg-rs:Area>\
                        <mwg-rs:Type>Face</mwg-rs:Type></rdf:li>";
        let table = [
            (face("0.3"), Some([0.2, 0.3, 0.2, 0.4])),
            (face("0.3") + &face("0.7"), Some([0.2, 0.3, 0.6, 0.4])),
            (children.to_owned(), Some([0.2, 0.45, 0.1, 0.1])),
            (region("Pet", ["0.5", "0.5", "0.1", "0.1"]), Some([0.45, 0.45, 0.1, 0.1])),
            // A focus wins over faces, and faces over pets.
            (face("0.3") + &region("Focus", ["0.8", "0.2", "0.0", "0.0"]), Some([0.8, 0.2, 0.0, 0.0])),
            (region("Pet", ["0.9", "0.9", "0.1", "0.1"]) + &face("0.3"), Some([0.2, 0.3, 0.2, 0.4])),
            // What reaches over the edge ends there.
            (region("Face", ["0.05", "0.5", "0.2", "0.2"]), Some([0.0, 0.4, 0.15, 0.2])),
            (region("BarCode", ["0.5", "0.5", "0.1", "0.1"]), None),
            (region("Face", ["1.5", "0.5", "0.1", "0.1"]), None),
            (region("Face", ["NaN", "0.5", "0.1", "0.1"]), None),
            (region("Face", ["0.5", "0.5", "-0.1", "0.1"]), None),
            (region("Face", ["0.5", "0.5", "x", "0.1"]), None),
            (region("Face", ["0.5", "0.5", "0.1", "0.1"]).replace("normalized", "pixel"), None),
            (String::new(), None),
        ];
        for (list, expected) in table {
            assert_eq!(marked(&file(&regions(&list), &[])), expected, "{list}");
        }
    }

    #[test]
    fn a_subject_is_a_point_a_circle_or_a_rectangle() {
        const AREA: u16 = 0x9214;
        let table: [(Entries<'_>, _); 7] = [
            (&[(AREA, &[100, 50])], Some([0.25, 0.25, 0.0, 0.0])),
            (&[(AREA, &[100, 100, 40])], Some([0.2, 0.4, 0.1, 0.2])),
            (&[(AREA, &[100, 100, 40, 20])], Some([0.2, 0.45, 0.1, 0.1])),
            (&[(0xa002, &[800]), (0xa003, &[400]), (AREA, &[200, 100])], Some([0.25, 0.25, 0.0, 0.0])),
            (&[(AREA, &[500, 50])], None),
            (&[(AREA, &[100])], None),
            (&[(AREA, &[1, 2, 3, 4, 5])], None),
        ];
        for (exif, expected) in table {
            assert_eq!(marked(&file("", exif)), expected, "{exif:?}");
        }
        let both = file(&regions(&region("Face", ["0.5", "0.5", "0.2", "0.2"])), &[(AREA, &[100, 50])]);
        assert_eq!(marked(&both), Some([0.4, 0.4, 0.2, 0.2]), "regions come first");
        assert_eq!(marked(b"no image"), None);
    }
}
