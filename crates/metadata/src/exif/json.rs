//! Exif fields as JSON, sorted into the groups of the standard.

use std::collections::HashSet;

use exif::{Context, Error, Exif, Field, In, Reader, Tag, Value as Raw};
use serde_json::{Map, Value};

use image_origin_container::{Exhausted, Meter};

use super::block::ExifBlock;
use super::{ExifGroups, gps, names, text};

/// The memory of a value of a field in bytes: an array element in the parser and one in JSON.
const VALUE_BYTES: u64 = 64;

/// Fields that contain offsets of pixels, relative to the start of the block.
const OFFSETS: [Tag; 3] = [Tag::JPEGInterchangeFormat, Tag::StripOffsets, Tag::TileOffsets];

/// Converts a parsed block, which begins at `start` in its file. Unreadable parts are reported in `warnings`.
pub(crate) fn read(
    block: &ExifBlock<'_>,
    start: u64,
    warnings: &mut Vec<String>,
    meter: &Meter<'_>,
) -> Result<ExifGroups, Exhausted> {
    // Each value exists once in the parser and once in JSON.
    meter.hold(block.value_count().saturating_mul(VALUE_BYTES))?;
    warnings.extend(block.warnings.iter().map(|warning| format!("Exif: {warning}")));
    let mut groups = ExifGroups::default();
    let exif = match Reader::new().continue_on_error(true).read_raw(block.write()) {
        Ok(exif) => exif,
        Err(Error::PartialResult(partial)) => {
            let (exif, errors) = partial.into_inner();
            warnings.extend(errors.iter().map(|error| format!("Exif: {error}")));
            exif
        }
        Err(error) => {
            warnings.push(format!("Exif: {error}"));
            return Ok(groups);
        }
    };
    let mut seen = HashSet::new();
    for field in exif.fields() {
        let Some(group) = groups.group(field) else { continue };
        // A directory may contain a tag twice; readers use the first one.
        if !seen.insert((field.ifd_num.index(), field.tag)) {
            continue;
        }
        let tag = names::canonical(field.tag);
        let name = names::name(tag);
        // TIFF/EP and Exif define some fields under two numbers.
        let name = if group.contains_key(name.as_ref()) { names::number(tag) } else { name.into_owned() };
        let mut value = super::value::json(tag, field, &exif);
        if OFFSETS.contains(&tag) {
            advance(&mut value, start);
        }
        group.insert(name, value);
    }
    gps::add_decimals(&exif, &mut groups.gps, warnings);
    Ok(groups)
}

/// Converts offsets in a block to offsets in its file.
fn advance(value: &mut Value, start: u64) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| advance(value, start)),
        Value::Number(number) => *value = number.as_u64().map_or(Value::Null, |at| at.saturating_add(start).into()),
        _ => {}
    }
}

impl ExifGroups {
    fn group(&mut self, field: &Field) -> Option<&mut Map<String, Value>> {
        Some(match (field.tag.context(), field.ifd_num) {
            (Context::Tiff, In::PRIMARY) => &mut self.image,
            (Context::Tiff, In::THUMBNAIL) => &mut self.thumbnail,
            (Context::Exif, In::PRIMARY) => &mut self.photo,
            (Context::Gps, In::PRIMARY) => &mut self.gps,
            (Context::Interop, In::PRIMARY) => &mut self.interop,
            _ => return None,
        })
    }
}

/// The value of a canonical tag in this directory, or where writers misplace it: in the first directory instead of the
/// Exif directory, or vice versa.
pub(super) fn value(exif: &Exif, tag: Tag, directory: In) -> Option<&Raw> {
    let misplaced = match tag.context() {
        Context::Tiff => Context::Exif,
        Context::Exif => Context::Tiff,
        other => other,
    };
    let field = exif.get_field(tag, directory).or_else(|| exif.get_field(Tag(misplaced, tag.number()), directory))?;
    Some(&field.value)
}

/// The first text of such a field.
pub(super) fn ascii(exif: &Exif, tag: Tag, directory: In) -> Option<&[u8]> {
    value(exif, tag, directory).and_then(text::first)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use image_origin_container::Cancellation;
    use image_origin_container::tiff;
    use serde_json::json;

    fn field(tag: u16, kind: u16, count: u32, value: &[u8]) -> tiff::Field<'_> {
        tiff::Field { tag, kind, count, value: Cow::Borrowed(value) }
    }

    fn told(block: &[u8], warnings: &mut Vec<String>) -> ExifGroups {
        told_from(0, block, warnings)
    }

    fn told_from(start: u64, block: &[u8], warnings: &mut Vec<String>) -> ExifGroups {
        let cancellation = Cancellation::unbounded();
        read(&ExifBlock::read(block).unwrap(), start, warnings, &Meter::new(block.len() as u64, &cancellation)).unwrap()
    }

    fn groups(image: &[tiff::Field<'_>], photo: &[tiff::Field<'_>]) -> Value {
        const PHOTO: u32 = 0x200;
        let mut image = image.to_vec();
        let pointer = PHOTO.to_be_bytes();
        image.push(field(0x8769, 4, 1, &pointer));
        let mut block = tiff::header(false).to_vec();
        block.extend(tiff::write_directory(&image, 0, 8, false));
        block.resize(PHOTO as usize, 0);
        block.extend(tiff::write_directory(photo, 0, PHOTO, false));
        let mut warnings = Vec::new();
        let groups = told(&block, &mut warnings);
        assert_eq!(warnings, Vec::<String>::new());
        serde_json::to_value(groups).unwrap()
    }

    #[test]
    fn fields_are_known_by_their_number_in_any_directory() {
        let image = [
            field(0x0132, 2, 20, b"2026:03:14 15:09:26\0"),
            field(0x1001, 3, 1, &[0, 24]),
            field(0x9291, 2, 3, b"53\0"),
            field(0xa401, 3, 1, &[0, 1]),
            field(0xc4a5, 7, 5, b"\x01\x02\x03\x04\x05"),
            field(0xc6d2, 7, 5, b"\x01\x02\x03\x04\x05"),
        ];
        let photo = [
            field(0x010f, 2, 6, b"Maker\0"),
            field(0x0112, 3, 1, &[0, 6]),
            field(0x9003, 2, 20, b"2026:03:14 15:09:26\0"),
        ];
        let expected = json!({
            "/image/DateTime": "2026-03-14T15:09:26",
            "/image/RelatedImageWidth": 24,
            "/image/CustomRendered": { "value": 1, "text": "custom process" },
            "/image/PrintImageMatching": { "base64": "AQIDBAU=" },
            "/image/0xc6d2": { "base64": "AQIDBAU=" },
            "/photo/Make": "Maker",
            "/photo/Orientation": { "value": 6, "text": "row 0 at right and column 0 at top" },
            "/photo/DateTimeOriginal": "2026-03-14T15:09:26.53",
        });
        let groups = groups(&image, &photo);
        for (pointer, value) in expected.as_object().unwrap() {
            assert_eq!(groups.pointer(pointer), Some(value), "{pointer}");
        }
    }

    #[test]
    fn places_are_those_in_the_file() {
        let fields = [
            field(0x0111, 4, 2, &[0, 0, 1, 0, 0, 0, 2, 0]),
            field(0x0117, 4, 2, &[0, 0, 1, 0, 0, 0, 2, 0]),
            field(0x0201, 3, 1, &[1, 0]),
        ];
        let mut block = tiff::header(false).to_vec();
        block.extend(tiff::write_directory(&fields, 0, 8, false));
        let image = told_from(12, &block, &mut Vec::new()).image;
        let expected = json!({
            "JPEGInterchangeFormat": 268,
            "StripByteCounts": [256, 512],
            "StripOffsets": [268, 524],
        });
        assert_eq!(Value::Object(image), expected);
    }

    #[test]
    fn no_field_hides_another() {
        let image = [
            field(0x920b, 3, 1, &[0, 1]),
            field(0xa20b, 3, 1, &[0, 2]),
            field(0xa401, 3, 1, &[0, 0]),
            field(0xa401, 3, 1, &[0, 1]),
        ];
        let groups = groups(&image, &[]);
        let expected = json!({
            "FlashEnergy": 1,
            "0xa20b": 2,
            "CustomRendered": { "value": 0, "text": "normal process" },
        });
        assert_eq!(groups["image"], expected);
    }

    #[test]
    fn utf_8_is_a_type() {
        let groups = groups(&[field(0x013b, 129, 6, "K\u{e4}se\0".as_bytes())], &[]);
        assert_eq!(groups["image"]["Artist"], "K\u{e4}se");
    }

    #[test]
    fn directories_are_found_by_pointers_in_the_wrong_one() {
        const GPS: u32 = 0x300;
        const INTEROP: u32 = 0x400;
        let (gps_at, interop_at) = (GPS.to_be_bytes(), INTEROP.to_be_bytes());
        let photo_at = 0x200_u32.to_be_bytes();
        let parts = [
            (8, vec![field(0x8769, 4, 1, &photo_at), field(0xa005, 4, 1, &interop_at)]),
            (0x200, vec![field(0x8825, 4, 1, &gps_at)]),
            (GPS, vec![field(1, 2, 2, b"N\0")]),
            (INTEROP, vec![field(1, 2, 4, b"R98\0")]),
        ];
        let mut block = tiff::header(false).to_vec();
        for (at, fields) in parts {
            block.resize(at as usize, 0);
            block.extend(tiff::write_directory(&fields, 0, at, false));
        }
        let groups = told(&block, &mut Vec::new());
        assert_eq!(groups.gps["GPSLatitudeRef"]["value"], "N");
        assert_eq!(groups.interop["InteroperabilityIndex"], "R98");
    }

    #[test]
    fn locations_are_removed_wherever_they_stand() {
        let image = [
            field(0x010f, 2, 6, b"Maker\0"),
            field(0x8482, 12, 1, b"\x3f\xf8\0\0\0\0\0\0"),
            field(0x927c, 7, 5, b"notes"),
            field(0x02bc, 1, 5, b"<xmp>"),
        ];
        let mut block = tiff::header(false).to_vec();
        block.extend(tiff::write_directory(&image, 0, 8, false));
        let mut groups = told(&block, &mut Vec::new());
        assert_eq!(groups.image.len(), 4);
        groups.remove_locations();
        assert_eq!(groups.image.keys().collect::<Vec<_>>(), ["Make"]);
    }
}
