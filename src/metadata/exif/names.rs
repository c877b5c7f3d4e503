//! Names of tags, and which tags number the members of a list.

use exif::{Context, Field, Tag, Value};

/// The tag's name in the standard, or its number in hexadecimal.
pub(super) fn name(tag: Tag) -> String {
    match (tag.description(), further(tag)) {
        (Some(_), _) => tag.to_string(),
        (None, Some(name)) => name.to_owned(),
        (None, None) => format!("0x{:04x}", tag.number()),
    }
}

/// Names that the Exif parser does not know: TIFF 6.0 (and its supplements), Exif 3.0, and the XP fields that Windows
/// writes.
fn further(tag: Tag) -> Option<&'static str> {
    Some(match (tag.context(), tag.number()) {
        (Context::Tiff, 0x00fe) => "NewSubfileType",
        (Context::Tiff, 0x00ff) => "SubfileType",
        (Context::Tiff, 0x010a) => "FillOrder",
        (Context::Tiff, 0x010d) => "DocumentName",
        (Context::Tiff, 0x0118) => "MinSampleValue",
        (Context::Tiff, 0x0119) => "MaxSampleValue",
        (Context::Tiff, 0x011d) => "PageName",
        (Context::Tiff, 0x011e) => "XPosition",
        (Context::Tiff, 0x011f) => "YPosition",
        (Context::Tiff, 0x0129) => "PageNumber",
        (Context::Tiff, 0x013c) => "HostComputer",
        (Context::Tiff, 0x013d) => "Predictor",
        (Context::Tiff, 0x0140) => "ColorMap",
        (Context::Tiff, 0x0142) => "TileWidth",
        (Context::Tiff, 0x0143) => "TileLength",
        (Context::Tiff, 0x014c) => "InkSet",
        (Context::Tiff, 0x0152) => "ExtraSamples",
        (Context::Tiff, 0x0153) => "SampleFormat",
        (Context::Tiff, 0x015b) => "JPEGTables",
        (Context::Tiff, 0x9c9b) => "XPTitle",
        (Context::Tiff, 0x9c9c) => "XPComment",
        (Context::Tiff, 0x9c9d) => "XPAuthor",
        (Context::Tiff, 0x9c9e) => "XPKeywords",
        (Context::Tiff, 0x9c9f) => "XPSubject",
        (Context::Exif, 0xa436) => "ImageTitle",
        (Context::Exif, 0xa437) => "Photographer",
        (Context::Exif, 0xa438) => "ImageEditor",
        (Context::Exif, 0xa439) => "CameraFirmware",
        (Context::Exif, 0xa43a) => "RAWDevelopingSoftware",
        (Context::Exif, 0xa43b) => "ImageEditingSoftware",
        (Context::Exif, 0xa43c) => "MetadataEditingSoftware",
        _ => return None,
    })
}

/// The words for the letter that a reference of latitude or longitude is (Exif 3.0, 4.6.7.1.2 and 4.6.7.1.4).
pub(super) fn hemisphere(field: &Field) -> Option<&'static str> {
    let references = [Tag::GPSLatitudeRef, Tag::GPSLongitudeRef, Tag::GPSDestLatitudeRef, Tag::GPSDestLongitudeRef];
    match &field.value {
        Value::Ascii(texts) if references.contains(&field.tag) => match texts.first()?.as_slice() {
            b"N" => Some("north"),
            b"S" => Some("south"),
            b"E" => Some("east"),
            b"W" => Some("west"),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a value of this tag is a number, letter or list thereof that stands for words.
pub(super) fn is_enumeration(tag: Tag) -> bool {
    const ENUMERATIONS: [Tag; 37] = [
        Tag::Compression,
        Tag::PhotometricInterpretation,
        Tag::Orientation,
        Tag::PlanarConfiguration,
        Tag::ResolutionUnit,
        Tag::YCbCrSubSampling,
        Tag::YCbCrPositioning,
        Tag::ExposureProgram,
        Tag::SensitivityType,
        Tag::ComponentsConfiguration,
        Tag::MeteringMode,
        Tag::LightSource,
        Tag::Flash,
        Tag::ColorSpace,
        Tag::FocalPlaneResolutionUnit,
        Tag::SensingMethod,
        Tag::FileSource,
        Tag::SceneType,
        Tag::CustomRendered,
        Tag::ExposureMode,
        Tag::WhiteBalance,
        Tag::SceneCaptureType,
        Tag::GainControl,
        Tag::Contrast,
        Tag::Saturation,
        Tag::Sharpness,
        Tag::SubjectDistanceRange,
        Tag::CompositeImage,
        Tag::GPSAltitudeRef,
        Tag::GPSStatus,
        Tag::GPSMeasureMode,
        Tag::GPSSpeedRef,
        Tag::GPSTrackRef,
        Tag::GPSImgDirectionRef,
        Tag::GPSDestBearingRef,
        Tag::GPSDestDistanceRef,
        Tag::GPSDifferential,
    ];
    ENUMERATIONS.contains(&tag)
}
