//! Everything that a file says besides its pixels, as one value that serialises to JSON (docs/metadata.schema.json).

use serde::Serialize;
use serde_json::{Map, Value};

use super::exif::{self, ExifBlock, ExifGroups};
use super::parts;
use super::xmp::Xmp;
use super::{Error, icc, iptc};
use crate::codec::{self, Budget, Exhausted, Format, Meter, Orientation, Work, decoder, sniff};
use image_origin_container as container;
use image_origin_container::parts::MAX_BLOCK;

/// What a decoder may take to read a header, whatever the size that it tells.
const PROBE: Budget = Budget { pixels: u64::MAX, memory: MAX_BLOCK as u64 };

/// Warnings that are told one by one.
const MAX_WARNINGS: usize = 32;

/// A file's metadata.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The format's short name.
    pub format: &'static str,
    /// Width as shown: upright.
    pub width: Option<u32>,
    /// Height as shown: upright.
    pub height: Option<u32>,
    /// How the stored pixels are turned, 1 to 8; 1 where nothing is said.
    pub orientation: u8,
    /// The description of the colour profile.
    pub icc: Option<String>,
    /// Exif fields by group and name.
    pub exif: ExifGroups,
    /// XMP properties by prefix and name.
    pub xmp: Map<String, Value>,
    /// IPTC data sets by name.
    pub iptc: Map<String, Value>,
    /// What could not be read, and why.
    pub warnings: Vec<String>,
}

/// Reads what there is. Damaged parts are left out and named in `warnings`.
///
/// # Errors
/// [`Error::Unrecognised`] for bytes of no known format; [`Error::Exhausted`] when `work` is stopped, or the metadata cost
/// more than the file's length can pay for.
pub fn report(bytes: &[u8], work: &Work) -> Result<Report, Error> {
    let format = sniff(bytes).ok_or(Error::Unrecognised)?;
    let meter = &Meter::new(bytes.len() as u64, work);
    let parts = parts::of(bytes, format, meter)?;
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
    let (size, orientation) = shown(bytes, format, meter, work)?;
    let (width, height) = size.map(|(width, height)| orientation.size(width, height)).unzip();
    warnings.extend(xmp.warnings.iter().cloned());
    bound(&mut warnings);
    Ok(Report {
        format: format.name(),
        width,
        height,
        orientation: orientation.to_exif(),
        icc: container::icc_profile_within(bytes, format, meter)?.and_then(|profile| icc::description(&profile)),
        exif,
        iptc: parts.iptc.as_deref().map(|data| iptc::to_json(data, meter)).transpose()?.unwrap_or_default(),
        xmp: xmp.to_json(),
        warnings,
    })
}

/// The size of the stored pixels and what makes them upright: what the decoder goes by where there is one that reads the
/// file, and else what the headers say.
fn shown(
    bytes: &[u8],
    format: Format,
    meter: &Meter<'_>,
    work: &Work,
) -> Result<(Option<(u32, u32)>, Orientation), Error> {
    let probed = decoder(format).map(|decoder| decoder.probe(bytes, PROBE, work));
    match probed {
        Some(Ok(header)) => Ok((Some((header.width, header.height)), header.orientation)),
        Some(Err(codec::Error::Stopped(stopped))) => Err(Exhausted::from(stopped).into()),
        _ => {
            let orientation = Orientation::from_exif(container::orientation_within(bytes, format, meter)?);
            Ok((container::stored_size(bytes, format, meter)?, orientation))
        }
    }
}

/// A file can be damaged in thousands of places; nobody reads of more than a few.
fn bound(warnings: &mut Vec<String>) {
    let more = warnings.len().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        warnings.truncate(MAX_WARNINGS);
        warnings.push(format!("and {more} more"));
    }
}

impl Report {
    /// The report without what says where the picture was taken, in any of its parts. Maker notes and whole blocks that
    /// stand in a field go as well: what is in them is not known here.
    #[must_use]
    pub fn without_location(mut self) -> Self {
        self.exif.remove_locations();
        iptc::LOCATIONS.iter().for_each(|&name| _ = self.iptc.remove(name));
        remove_locations(&mut self.xmp);
        self
    }
}

/// XMP has locations in its Exif, Photoshop and IPTC namespaces, in structures of these, and in vendors' own: what
/// sounds like one is removed, at any depth.
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
