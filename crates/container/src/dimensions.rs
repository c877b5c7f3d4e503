//! The stored size of a picture, from the headers of its container.

use std::io::{self, Cursor};

use super::tiff::Block;
use super::{heif, jpeg, png, webp};
use crate::head::slice;
use crate::input::{Input, from_memory};
use crate::{Exhausted, Format, Meter};

/// Width and height of the stored pixels; `None` if the headers do not contain them.
///
/// # Errors
/// [`Exhausted`] if the meter is.
pub fn stored_size(bytes: &[u8], format: Format, meter: &Meter<'_>) -> Result<Option<(u32, u32)>, Exhausted> {
    Ok(from_memory(read(bytes, format, meter))?.flatten())
}

fn read(bytes: &[u8], format: Format, meter: &Meter<'_>) -> io::Result<Option<(u32, u32)>> {
    let mut input = Input::new(Cursor::new(bytes), meter)?;
    Ok(match format {
        Format::Jpeg => of_jpeg(bytes, &mut input)?,
        Format::Png => {
            let header = png::next_chunk(&mut input, png::SIGNATURE_LEN)?.filter(|chunk| &chunk.name == b"IHDR");
            header.and_then(|header| {
                let sides = slice(bytes, &header.data).first_chunk::<8>()?.as_chunks::<4>().0;
                Some((u32::from_be_bytes(*sides.first()?), u32::from_be_bytes(*sides.get(1)?)))
            })
        }
        Format::Gif => match bytes.get(6..10).unwrap_or_default() {
            [w0, w1, h0, h1] => Some((u16::from_le_bytes([*w0, *w1]).into(), u16::from_le_bytes([*h0, *h1]).into())),
            _ => None,
        },
        Format::WebP => of_webp(bytes, &mut input)?,
        Format::Tiff => Block::new(bytes).and_then(|block| {
            let number = |tag| u32::try_from(block.uint(&block.primary(tag)?)?).ok();
            Some((number(0x0100)?, number(0x0101)?))
        }),
        Format::Avif | Format::Heic => heif::meta(&mut input)?.and_then(|meta| meta.dimensions()),
        _ => None,
    })
}

/// SOFn: precision, lines, samples per line (ISO/IEC 10918-1, B.2.2).
fn of_jpeg(bytes: &[u8], input: &mut Input<'_>) -> io::Result<Option<(u32, u32)>> {
    let segments = jpeg::header_segments(input)?;
    let frame = segments.iter().find(|s| matches!(s.marker, 0xc0..=0xcf) && !matches!(s.marker, 0xc4 | 0xc8 | 0xcc));
    Ok(frame.and_then(|segment| match slice(bytes, &segment.payload) {
        [_, h0, h1, w0, w1, ..] => Some((u16::from_be_bytes([*w0, *w1]).into(), u16::from_be_bytes([*h0, *h1]).into())),
        _ => None,
    }))
}

/// VP8X, or the header of the only bitstream (RFC 9649, 2.5 to 2.7 and 3.4).
fn of_webp(bytes: &[u8], input: &mut Input<'_>) -> io::Result<Option<(u32, u32)>> {
    let end = webp::riff_end(input)?;
    let Some(first) = webp::next_chunk(input, webp::HEADER_LEN, end)? else { return Ok(None) };
    let u24 = |b: &[u8; 3]| u32::from_le_bytes([b[0], b[1], b[2], 0]);
    Ok(match (&first.name, slice(bytes, &first.data)) {
        (b"VP8X", [_, _, _, _, w0, w1, w2, h0, h1, h2, ..]) => {
            Some((u24(&[*w0, *w1, *w2]) + 1, u24(&[*h0, *h1, *h2]) + 1))
        }
        (b"VP8L", [0x2f, b0, b1, b2, b3, ..]) => {
            let bits = u32::from_le_bytes([*b0, *b1, *b2, *b3]);
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        (b"VP8 ", [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) => {
            let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            Some((side(*w0, *w1), side(*h0, *h1)))
        }
        _ => None,
    })
}
