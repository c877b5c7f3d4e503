//! Exif (Exif 3.0): the binary block, and its fields as JSON.

mod block;
mod gps;
mod json;
mod names;
mod text;
mod time;
mod value;

pub(super) use block::{ExifBlock, IPTC, PHOTOSHOP, XMP};
pub(super) use json::read;
pub(super) use text::windows_1252;

use serde::Serialize;
use serde_json::{Map, Value};

/// The fields of the standard's directories, by name.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct ExifGroups {
    /// The first directory: camera, orientation, date, creator.
    pub image: Map<String, Value>,
    /// The Exif directory: exposure settings.
    pub photo: Map<String, Value>,
    /// The GPS directory, with its coordinates as signed decimals.
    pub gps: Map<String, Value>,
    /// The interoperability directory.
    pub interop: Map<String, Value>,
    /// The directory of the embedded thumbnail.
    pub thumbnail: Map<String, Value>,
}

impl ExifGroups {
    /// Removes the GPS directory, the fields for georeferencing, and fields that contain a whole metadata block, which
    /// may include a location.
    pub(super) fn remove_locations(&mut self) {
        const FIELDS: [&str; 14] = [
            "MakerNote",
            "DNGPrivateData",
            "XMP",
            "IPTC",
            "Photoshop",
            "GDALMetadata",
            "ModelPixelScale",
            "IntergraphMatrix",
            "ModelTiepoint",
            "ModelTransformation",
            "GeoKeyDirectory",
            "GeoDoubleParams",
            "GeoAsciiParams",
            "OriginalRawFileData",
        ];
        self.gps.clear();
        for group in [&mut self.image, &mut self.photo, &mut self.interop, &mut self.thumbnail] {
            group.retain(|name, _| !FIELDS.contains(&name.as_str()));
        }
    }
}
