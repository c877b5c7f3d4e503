//! Selection of XMP properties.

use super::dom::Element;
use super::ns;

/// A selection of properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The marks of how the picture was made and may be used.
    Marks,
    /// Creator, credit, copyright, rights, and the marks.
    Rights,
    /// Everything that is still valid for transformed pixels.
    Transformed,
    /// The parameters of an HDR gain map.
    GainMap,
}

/// The properties of Adobe's gain map specification 1.0. Others in its namespace are not kept.
const GAIN_MAP: [&str; 9] = [
    "Version",
    "BaseRenditionIsHDR",
    "GainMapMin",
    "GainMapMax",
    "Gamma",
    "OffsetSDR",
    "OffsetHDR",
    "HDRCapacityMin",
    "HDRCapacityMax",
];

impl Selection {
    pub(super) fn wants(self, property: &Element) -> bool {
        let name = &property.name;
        match self {
            Self::Marks => is_mark(property),
            Self::Rights => is_right(&name.namespace, &name.local) || is_mark(property),
            Self::Transformed => !is_outdated(&name.namespace, &name.local),
            Self::GainMap => &*name.namespace == ns::HDR_GAIN_MAP && GAIN_MAP.contains(&name.local.as_str()),
        }
    }
}

/// The local names of the marks: how the picture was made (IPTC Photo Metadata Standard), and whether it may be used for data
/// mining (PLUS).
const DIGITAL_SOURCE_TYPE: &str = "DigitalSourceType";
const DATA_MINING: &str = "DataMining";

/// The maximum length of a mark, which is the name of a term of a controlled vocabulary.
const MAX_MARK: usize = 128;

/// Whether a packet may contain a mark, without parsing it.
pub(crate) fn may_have_marks(packet: &[u8]) -> bool {
    let has = |name: &str| packet.windows(name.len()).any(|window| window == name.as_bytes());
    // UTF-16 has a zero, or a byte order mark, in its first two bytes.
    let is_utf8 = !packet.iter().take(2).any(|byte| matches!(byte, 0 | 0xfe | 0xff));
    !is_utf8 || has(DIGITAL_SOURCE_TYPE) || has(DATA_MINING)
}

/// Whether a property is a mark that has the form of one: a URI, which has no room for text about persons or places.
fn is_mark(property: &Element) -> bool {
    let is_named = property.name.is(ns::IPTC_EXT, DIGITAL_SOURCE_TYPE) || property.name.is(ns::PLUS, DATA_MINING);
    let is_uri =
        |text: &str| text.len() <= MAX_MARK && text.contains(':') && text.bytes().all(|byte| byte.is_ascii_graphic());
    let value = match property.attributes.as_slice() {
        [] => property.text.trim(),
        [(name, value)] if name.is(ns::RDF, "resource") && property.text.trim().is_empty() => value,
        _ => return false,
    };
    is_named && property.children.is_empty() && is_uri(value)
}

fn is_right(namespace: &str, local: &str) -> bool {
    match namespace {
        ns::DC => matches!(local, "creator" | "rights"),
        ns::PHOTOSHOP => matches!(local, "Credit" | "AuthorsPosition"),
        ns::TIFF => matches!(local, "Artist" | "Copyright"),
        ns::RIGHTS | ns::CC => true,
        ns::PLUS => matches!(
            local,
            "ImageCreator" | "CopyrightOwner" | "Licensor" | "ImageSupplier" | "CreditLineRequired" | "LicenseID"
        ),
        _ => false,
    }
}

/// Whether a property describes the stored pixels, or parts of the file that no longer exist.
fn is_outdated(namespace: &str, local: &str) -> bool {
    match namespace {
        ns::TIFF => matches!(local, "Orientation" | "ImageWidth" | "ImageLength"),
        ns::EXIF => matches!(local, "PixelXDimension" | "PixelYDimension"),
        ns::XMP => local == "Thumbnails",
        ns::NOTE => local == "HasExtendedXMP",
        // Where the C2PA manifest of the original is, which is about its bytes.
        ns::DC_TERMS => local == "provenance",
        ns::GOOGLE_CAMERA => local.starts_with("MicroVideo") || local.starts_with("MotionPhoto"),
        ns::HDR_GAIN_MAP | ns::CONTAINER | ns::GOOGLE_DEPTH | ns::GOOGLE_IMAGE => true,
        _ => false,
    }
}
