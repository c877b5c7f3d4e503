//! QOI: keeps the pixels and the end marker, and drops everything after it (the Quite OK Image format, specification
//! 1.0).

use crate::{Error, Rewrite};
use image_origin_container::Input;

const HEADER_LEN: u64 = 14;
const END_MARKER_LEN: u64 = 8;

pub(super) fn strip(input: &mut Input<'_>) -> Result<Rewrite, Error> {
    let header = input.array::<{ HEADER_LEN as usize }>(0)?.ok_or(Error::Damaged("the header"))?;
    let [_, _, _, _, w0, w1, w2, w3, h0, h1, h2, h3, ..] = header;
    let pixels = u64::from(u32::from_be_bytes([w0, w1, w2, w3])) * u64::from(u32::from_be_bytes([h0, h1, h2, h3]));
    let end = pixels_end(input, pixels)?.saturating_add(END_MARKER_LEN).min(input.len());
    let mut out = Rewrite::new(input.len());
    out.copy(0..end);
    Ok(out)
}

/// The end of the chunks that encode this many pixels.
fn pixels_end(input: &mut Input<'_>, mut pixels: u64) -> Result<u64, Error> {
    let mut at = HEADER_LEN;
    while pixels > 0 {
        let codes = input.stream(at)?;
        if codes.is_empty() {
            break;
        }
        let (mut index, mut steps) = (0, 0);
        while let Some(code) = codes.get(index).filter(|_| pixels > 0) {
            // A full colour, a run, a two-byte difference, or a one-byte chunk.
            let (length, covered) = match code {
                0xfe => (4, 1),
                0xff => (5, 1),
                0xc0..=0xfd => (1, u64::from(code & 0x3f) + 1),
                0x80..=0xbf => (2, 1),
                _ => (1, 1),
            };
            index += length;
            steps += 1;
            pixels = pixels.saturating_sub(covered);
        }
        at += index as u64;
        input.meter().steps(steps)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate::{Keep, strip};
    use image_origin_container::Cancellation;

    #[test]
    fn what_follows_the_end_marker_goes() {
        // Nine pixels: a colour with alpha, one without, a two-byte difference, a one-byte difference, an index, and a
        // run of four.
        let codes = b"\xff\x01\x02\x03\x04\xfe\x05\x06\x07\x80\x00\x40\x00\xc3";
        let file = [b"qoif\0\0\0\x03\0\0\0\x03\x04\0".as_slice(), codes, b"\0\0\0\0\0\0\0\x01"].concat();
        for secret in [b"".as_slice(), b"secret"] {
            let long = [&file, secret].concat();
            let mut out = Vec::new();
            let plan = strip(&mut Cursor::new(&long), Keep::None, &Cancellation::unbounded()).unwrap();
            plan.write_to(Cursor::new(&long), &mut out).unwrap();
            assert_eq!(out, file);
        }
        for end in 14..file.len() {
            let plan = strip(&mut Cursor::new(&file[..end]), Keep::None, &Cancellation::unbounded()).unwrap();
            assert!(plan.is_identity(), "what is cut off stays as it is");
        }
    }
}
