//! Metadata within compressed pixels: a damaged length may let the pixels reach over the metadata behind them. Where pixels of
//! VP8 and of JPEG XL end is only known once they are decoded, so blocks are looked for by how they begin.

use std::ops::Range;

use image_origin_container::Input;
use memchr::memmem::Finder;

use crate::Error;

/// The longest beginning that is looked for: a name, a length or an offset, and what XMP begins with.
const LONGEST: usize = 24;
/// Names of Exif in WebP and in boxes. Either is followed by four bytes, a length (RFC 9649, 2.7.1.5) or the offset of the header
/// (ISO/IEC 18181-2, 9.5).
const EXIF: [&[u8; 4]; 2] = [b"EXIF", b"Exif"];
/// What Exif begins with: the header of TIFF, or the name that precedes it in JPEG.
const EXIF_STARTS: [&[u8]; 3] = [b"II*\0", b"MM\0*", b"Exif\0\0"];
/// Names of XMP in WebP, where a length follows, and in boxes.
const XMP: [(&[u8; 4], usize); 2] = [(b"XMP ", 4), (b"xml ", 0)];
const XMP_STARTS: [&[u8]; 4] = [b"<?xpacket", b"<x:xmpmeta", b"<?xml", b"<rdf:RDF"];
/// The name of a compressed box (9.7), which is followed by the name of its content.
const COMPRESSED: &[u8; 4] = b"brob";
const COMPRESSED_KINDS: [&[u8]; 2] = [b"Exif", b"xml "];

/// Refuses a file in which a block of metadata begins within the data of an image. By chance it does so in one of 2^64 places.
///
/// # Errors
/// [`Error::Damaged`], and those of the input.
pub(super) fn refuse(input: &mut Input<'_>, data: Range<u64>) -> Result<(), Error> {
    let starts: Vec<(Finder<'_>, usize, &[&[u8]])> = EXIF
        .iter()
        .map(|name| (Finder::new(name), 8, &EXIF_STARTS[..]))
        .chain(XMP.iter().map(|(name, skipped)| (Finder::new(name), 4 + skipped, &XMP_STARTS[..])))
        .chain([(Finder::new(COMPRESSED), 4, &COMPRESSED_KINDS[..])])
        .collect();
    let begins = |bytes: &[u8]| {
        starts.iter().any(|(name, skipped, starts)| {
            name.find_iter(bytes).any(|at| {
                let content = bytes.get(at + skipped..).unwrap_or_default();
                starts.iter().any(|start| content.starts_with(start))
            })
        })
    };
    let mut at = data.start;
    input.up_to(data.end, |input| {
        loop {
            let bytes = input.peek(at, LONGEST)?;
            if begins(bytes) {
                return Err(Error::Damaged("metadata within the data of an image"));
            }
            // What may begin at the end of these bytes is whole in the next.
            match bytes.len().checked_sub(LONGEST - 1) {
                Some(searched @ 1..) => at += searched as u64,
                _ => return Ok(()),
            }
        }
    })
}
