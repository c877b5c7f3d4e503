//! All metadata of a file as one value that serializes to JSON (docs/metadata.schema.json).

use std::borrow::Cow;
use std::io::Cursor;

use serde::Serialize;
use serde_json::{Map, Value};

use super::exif::{self, ExifBlock, ExifGroups};
use super::parts;
use super::xmp::Xmp;
use super::{Error, icc, iptc};
use image_origin_container as container;
use image_origin_container::parts::{Parts, Want};
use image_origin_container::{Cancellation, Exhausted, Format, Input, Meter, Orientation, from_memory, heif, sniff};
use image_origin_svg as svg;

/// The maximum number of warnings that are listed.
const MAX_WARNINGS: usize = 32;

/// The metadata of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The format's short name.
    pub format: &'static str,
    /// The width of the upright picture.
    pub width: Option<u32>,
    /// The height of the upright picture.
    pub height: Option<u32>,
    /// The orientation of the stored pixels, 1 to 8; 1 if none is specified.
    pub orientation: u8,
    /// The description of the colour profile.
    pub icc: Option<String>,
    /// Exif fields by group and name.
    pub exif: ExifGroups,
    /// XMP properties by prefix and name.
    pub xmp: Map<String, Value>,
    /// IPTC data sets by name.
    pub iptc: Map<String, Value>,
    /// Descriptions of what could not be read, and why.
    pub warnings: Vec<String>,
}

/// The properties of the picture that a decoder read from the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Width in pixels as stored.
    pub width: u32,
    /// Height in pixels as stored.
    pub height: u32,
    /// The orientation of the stored pixels.
    pub orientation: Orientation,
}

/// Reads all metadata. Damaged parts are omitted and described in `warnings`. Size and orientation are those of
/// `stored`, as a decoder sees them; without it, they are read from the container.
///
/// # Errors
/// [`Error::Unrecognised`] if the format is unknown; [`Error::Exhausted`] if `cancellation` is cancelled, or reading exceeds
/// the budget that follows from the length of the file.
pub fn report(bytes: &[u8], stored: Option<Stored>, cancellation: &Cancellation) -> Result<Report, Error> {
    let format = sniff(bytes).ok_or(Error::Unrecognised)?;
    let meter = &Meter::new(bytes.len() as u64, cancellation);
    let Headers { parts, stored, orientation, icc } = Headers::read(bytes, format, stored, meter)?;
    let mut warnings = parts.warnings;
    let exif = match parts.exif.as_deref().map(ExifBlock::read) {
        Some(Some(block)) => exif::read(&block, parts.exif_at.unwrap_or(0), &mut warnings, meter)?,
        Some(None) => {
            warnings.push("Exif: the block has no TIFF header".to_owned());
            ExifGroups::default()
        }
        None => ExifGroups::default(),
    };
    let xmp = Xmp::new(&parts.xmp, meter)?;
    let (width, height) = stored.map(|(width, height)| orientation.size(width, height)).unzip();
    warnings.extend(xmp.warnings.iter().cloned());
    bound(&mut warnings);
    Ok(Report {
        format: format.name(),
        width,
        height,
        orientation: orientation.to_exif(),
        icc: icc.and_then(|profile| icc::description(&profile)),
        exif,
        iptc: parts.iptc.as_deref().map(|data| iptc::to_json(data, meter)).transpose()?.unwrap_or_default(),
        xmp: xmp.to_json(),
        warnings,
    })
}

impl Report {
    /// The alternative text for readers who do not see the picture (IPTC Photo Metadata Standard, "Alt Text"), in the
    /// default language.
    pub fn alternative_text(&self) -> Option<String> {
        self.xmp_text("Iptc4xmpCore:AltTextAccessibility")
    }

    /// How the picture was made: a term of IPTC's vocabulary (IPTC Photo Metadata Standard, "Digital Source Type").
    pub fn digital_source_type(&self) -> Option<String> {
        self.xmp_text("Iptc4xmpExt:DigitalSourceType")
    }

    /// The text of an XMP property, or that in the default language (ISO 16684-1, 8.2.2.4); `None` if it is empty.
    fn xmp_text(&self, name: &str) -> Option<String> {
        let value = match self.xmp.get(name)? {
            Value::Object(languages) => languages.get("x-default").or_else(|| languages.values().next())?,
            Value::Array(values) => values.first()?,
            value => value,
        };
        let text = value.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// The contents of a file's container.
struct Headers<'a> {
    parts: Parts,
    /// Width and height of the stored pixels.
    stored: Option<(u32, u32)>,
    orientation: Orientation,
    icc: Option<Cow<'a, [u8]>>,
}

impl<'a> Headers<'a> {
    fn read(bytes: &'a [u8], format: Format, stored: Option<Stored>, meter: &Meter<'_>) -> Result<Self, Exhausted> {
        let headers = match format {
            Format::Avif | Format::Heic => Self::of_heif(bytes, meter)?,
            Format::Svg => Self::of_svg(bytes, meter)?,
            _ => Self {
                parts: parts::of(bytes, format, Want::All, meter)?,
                stored: match stored {
                    Some(_) => None,
                    None => container::stored_size(bytes, format, meter)?,
                },
                orientation: match stored {
                    Some(_) => Orientation::UPRIGHT,
                    None => Orientation::from_exif(container::orientation_within(bytes, format, meter)?),
                },
                icc: container::icc_profile_within(bytes, format, meter)?,
            },
        };
        Ok(match stored {
            Some(Stored { width, height, orientation }) => {
                Self { stored: Some((width, height)), orientation, ..headers }
            }
            None => headers,
        })
    }

    /// The size is declared by the root element.
    fn of_svg(bytes: &[u8], meter: &Meter<'_>) -> Result<Self, Exhausted> {
        let (mut parts, icc, orientation) = (Parts::default(), None, Orientation::UPRIGHT);
        let stored = match svg::decode(bytes, meter).and_then(|text| svg::size(&text, meter)) {
            Ok(size) => Some(size.in_pixels()),
            Err(svg::Error::Exhausted(exhausted)) => return Err(exhausted),
            Err(error) => {
                parts.warnings.push(format!("SVG: {error}"));
                None
            }
        };
        Ok(Self { parts, stored, orientation, icc })
    }

    /// All of them are in the `meta` box, which is read once.
    fn of_heif(bytes: &[u8], meter: &Meter<'_>) -> Result<Self, Exhausted> {
        let read = || {
            let mut input = Input::new(Cursor::new(bytes), meter)?;
            let Some(meta) = heif::meta(&mut input)? else { return Ok(None) };
            let icc = meta.icc_profile().filter(|profile| profile.len() <= container::MAX_PROFILE);
            Ok(Some(Self {
                stored: meta.dimensions(),
                orientation: Orientation::from_exif(meta.orientation().unwrap_or(1)),
                icc: icc.map(|profile| Cow::Owned(profile.to_vec())),
                parts: container::parts::of_heif(&mut input, &meta, Want::All)?,
            }))
        };
        let none = || Self { parts: Parts::default(), stored: None, orientation: Orientation::UPRIGHT, icc: None };
        Ok(from_memory(read())?.flatten().unwrap_or_else(none))
    }
}

/// Limits the number of warnings: a file can be damaged in thousands of places.
fn bound(warnings: &mut Vec<String>) {
    let more = warnings.len().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        warnings.truncate(MAX_WARNINGS);
        warnings.push(format!("and {more} more"));
    }
}

impl Report {
    /// The report without anything that reveals the location, in any of its parts. Maker notes and embedded blocks are
    /// removed as well, since their content is unknown.
    #[must_use]
    pub fn without_location(mut self) -> Self {
        self.exif.remove_locations();
        iptc::LOCATIONS.iter().for_each(|&name| _ = self.iptc.remove(name));
        remove_locations(&mut self.xmp);
        self
    }
}

/// XMP has locations in its Exif, Photoshop and IPTC namespaces, in nested structures, and in vendors' namespaces:
/// members whose names suggest a location are removed at any depth.
fn remove_locations(members: &mut Map<String, Value>) {
    members.retain(|key, _| !is_location(key));
    members.values_mut().for_each(remove_locations_in);
}

fn remove_locations_in(value: &mut Value) {
    match value {
        Value::Object(members) => remove_locations(members),
        Value::Array(values) => values.iter_mut().for_each(remove_locations_in),
        _ => {}
    }
}

fn is_location(key: &str) -> bool {
    const PARTS: [&str; 12] = [
        "gps",
        "location",
        "latitude",
        "longitude",
        "altitude",
        "geo",
        "city",
        "state",
        "country",
        "province",
        "address",
        "ciadr",
    ];
    let name = key.rsplit(':').next().unwrap_or(key).to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part)) || name == "worldregion"
}
