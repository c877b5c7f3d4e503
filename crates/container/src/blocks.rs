//! Serialization of metadata blocks for each container.

use std::io::Write as _;

use super::{jpeg, photoshop, png, webp};

/// The metadata to write, in the form that containers store.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// A TIFF structure.
    pub exif: Option<Vec<u8>>,
    /// An XMP packet.
    pub xmp: Option<Vec<u8>>,
    /// IPTC-IIM data sets.
    pub iptc: Option<Vec<u8>>,
    /// An ICC profile.
    pub icc: Option<Vec<u8>>,
}

impl Blocks {
    /// Serializes JPEG segments. A block that is too long for one segment is omitted.
    pub fn jpeg_segments(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(exif) = &self.exif {
            out.extend(jpeg::segment(jpeg::APP1, &[jpeg::EXIF, exif]));
        }
        if let Some(xmp) = &self.xmp {
            out.extend(jpeg::segment(jpeg::APP1, &[jpeg::XMP, xmp]));
        }
        if let Some(iptc) = &self.iptc {
            out.extend(jpeg::segment(jpeg::APP13, &[jpeg::PHOTOSHOP, &photoshop::iptc_resource(iptc)]));
        }
        if let Some(icc) = &self.icc {
            out.extend(jpeg::segment(jpeg::APP2, &[jpeg::ICC, &[1, 1], icc]));
        }
        out
    }

    /// Serializes PNG chunks (11.3.4.5 for eXIf, 11.3.3.4 for iTXt, 11.3.2.3 for iCCP), which belong between IHDR and
    /// the image data. PNG does not support IPTC.
    pub fn png_chunks(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(icc) = &self.icc {
            out.extend(png::chunk(*b"iCCP", &png_icc(icc)));
        }
        if let Some(exif) = &self.exif {
            out.extend(png::chunk(*b"eXIf", exif));
        }
        if let Some(xmp) = &self.xmp {
            // Keyword, not compressed, no language tag, no translated keyword.
            let mut data = b"XML:com.adobe.xmp\0\0\0\0\0".to_vec();
            data.extend_from_slice(xmp);
            out.extend(png::chunk(*b"iTXt", &data));
        }
        out
    }

    /// Serializes the WebP chunk that precedes the image data, and its flag in VP8X (RFC 9649, 2.7.1.4).
    pub fn webp_profile(&self) -> (Vec<u8>, u8) {
        self.icc.as_ref().map_or((Vec::new(), 0), |icc| (webp::chunk(*b"ICCP", icc), webp::ICC_FLAG))
    }

    /// Serializes the WebP chunks that follow the image data, and their flags in VP8X (RFC 9649, 2.7).
    pub fn webp_chunks(&self) -> (Vec<u8>, u8) {
        let (mut out, mut flags) = (Vec::new(), 0);
        if let Some(exif) = &self.exif {
            out.extend(webp::chunk(*b"EXIF", exif));
            flags |= webp::EXIF_FLAG;
        }
        if let Some(xmp) = &self.xmp {
            out.extend(webp::chunk(*b"XMP ", xmp));
            flags |= webp::XMP_FLAG;
        }
        (out, flags)
    }
}

/// The data of an iCCP chunk: a name, the compression method, and the profile as a zlib stream.
fn png_icc(icc: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(b"icc\0\0".to_vec(), flate2::Compression::best());
    // Writing to memory cannot fail.
    let written = encoder.write_all(icc).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}
