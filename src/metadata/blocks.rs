//! Metadata blocks on their way into a file: how each container wraps them.

use super::{jpeg, photoshop, png, webp};

/// What is to be written, in the form in which containers hold it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Blocks {
    /// A TIFF structure.
    pub(super) exif: Option<Vec<u8>>,
    /// An XMP packet.
    pub(super) xmp: Option<Vec<u8>>,
    /// IPTC-IIM data sets.
    pub(super) iptc: Option<Vec<u8>>,
}

impl Blocks {
    /// JPEG segments. A block that is too long for one segment is left out.
    pub(super) fn jpeg_segments(&self) -> Vec<u8> {
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
        out
    }

    /// PNG chunks (11.3.4.5 for eXIf, 11.3.3.4 for iTXt), which go between IHDR and the image data. IPTC has no place
    /// in a PNG.
    pub(super) fn png_chunks(&self) -> Vec<u8> {
        let mut out = Vec::new();
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

    /// WebP chunks, which go behind the image data, and the flags of VP8X that announce them (RFC 9649, 2.7).
    pub(super) fn webp_chunks(&self) -> (Vec<u8>, u8) {
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
