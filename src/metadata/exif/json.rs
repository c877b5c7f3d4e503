//! Exif fields as JSON, sorted into the groups of the standard.

use exif::{Context, Error, Exif, Field, In, Reader};
use serde_json::{Map, Value};

use super::block::ExifBlock;
use super::{ExifGroups, gps, names, value};

/// Reads a block that was taken apart. What cannot be read is told in `warnings`.
pub(in crate::metadata) fn read(block: &ExifBlock<'_>, warnings: &mut Vec<String>) -> ExifGroups {
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
            return groups;
        }
    };
    for field in exif.fields() {
        if let Some(group) = groups.group(field) {
            // A directory may hold a tag twice; readers take the first.
            group.entry(names::name(field.tag)).or_insert_with(|| value::json(field, &exif));
        }
    }
    gps::add_decimals(&exif, &mut groups.gps, warnings);
    groups
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

/// The first text of a field.
pub(super) fn ascii(exif: &Exif, tag: exif::Tag) -> Option<&[u8]> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        exif::Value::Ascii(texts) => texts.first().map(Vec::as_slice),
        _ => None,
    }
}
