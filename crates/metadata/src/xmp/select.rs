//! Selection of XMP properties.

use super::dom::Name;
use super::ns;

/// A selection of properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Creator, credit, copyright and rights.
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
    pub(super) fn wants(self, name: &Name) -> bool {
        match self {
            Self::Rights => is_right(&name.namespace, &name.local),
            Self::Transformed => !is_outdated(&name.namespace, &name.local),
            Self::GainMap => &*name.namespace == ns::HDR_GAIN_MAP && GAIN_MAP.contains(&name.local.as_str()),
        }
    }
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
        ns::GOOGLE_CAMERA => local.starts_with("MicroVideo") || local.starts_with("MotionPhoto"),
        ns::HDR_GAIN_MAP | ns::CONTAINER | ns::GOOGLE_DEPTH | ns::GOOGLE_IMAGE => true,
        _ => false,
    }
}
