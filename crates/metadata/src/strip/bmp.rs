//! BMP: headers, colour table, pixels and an embedded profile stay at their offsets. Gaps between them are filled with
//! zeros, and anything after them is dropped ("[MS-WMF]" 2.2.2.3 to 2.2.2.5).

use std::ops::Range;

use super::edits::{Edit, apply, merged, without};
use crate::{Error, Rewrite};
use image_origin_container::Format;
use image_origin_container::Input;

const FILE_HEADER: u64 = 14;
const CORE_LEN: u32 = 12;
const INFO_LEN: u32 = 40;
const V5_LEN: u32 = 124;
/// "MBED" as a number: the profile is embedded, not linked.
const EMBEDDED: u32 = u32::from_be_bytes(*b"MBED");

pub(super) fn strip(input: &mut Input<'_>) -> Result<Rewrite, Error> {
    let len = input.len();
    let header = input.copy(0..FILE_HEADER + u64::from(V5_LEN), usize::MAX)?;
    let used = used(&header, len)?;
    let end = used.last().map_or(0, |range| range.end);
    let mut edits: Vec<(Range<u64>, Edit)> =
        without(std::slice::from_ref(&(0..end)), &used).into_iter().map(|range| (range, Edit::Zeros)).collect();
    // The file size, and two reserved numbers.
    let size = u32::try_from(end).unwrap_or(u32::MAX).to_le_bytes();
    edits.push((2..10, Edit::Bytes([size, [0; 4]].concat())));
    Ok(apply(len, end, edits))
}

/// The layout of a bitmap, from its DIB header.
struct Shape {
    /// The range of the colour table.
    colours: Range<u64>,
    width: u64,
    height: u64,
    /// The size of a row in bytes.
    stride: u64,
    /// The size of the compressed pixels in bytes, if they are compressed.
    compressed: Option<u64>,
}

fn number(header: &[u8], at: usize) -> Result<u32, Error> {
    let bytes = header.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map(|bytes| u32::from_le_bytes(*bytes)).ok_or(Error::Damaged("the header of the bitmap"))
}

impl Shape {
    fn read(header: &[u8]) -> Result<Self, Error> {
        let number = |at: usize| number(header, at);
        let dib_len = number(14)?;
        let (width, height, bits, compression, size, colours) = if dib_len == CORE_LEN {
            let sides = number(18)?;
            (sides & 0xffff, sides >> 16, number(22)? >> 16, 0, 0, 0)
        } else {
            // OS/2's shortest headers end before the later fields.
            let field = |at: usize| if at + 4 <= 14 + dib_len as usize { number(at) } else { Ok(0) };
            let height = number(22)?.cast_signed().unsigned_abs();
            (number(18)?, height, number(26)? >> 16, field(30)?, field(34)?, field(46)?)
        };
        let is_os2 = !matches!(dib_len, CORE_LEN | INFO_LEN | 52 | 56 | 108 | V5_LEN);
        if compression == 5 || (compression == 4 && !is_os2) {
            // An embedded JPEG or PNG may contain its own metadata.
            return Err(Error::Unsupported(Format::Bmp));
        }
        let masks = match (dib_len, compression) {
            (INFO_LEN, 3) => 12,
            (INFO_LEN, 6) => 16,
            _ => 0,
        };
        let entry = if dib_len == CORE_LEN { 3 } else { 4 };
        let table = if colours == 0 && bits <= 8 { 1 << bits } else { u64::from(colours) };
        let colours_at = FILE_HEADER + u64::from(dib_len) + masks;
        let compressed = match (compression, size) {
            (0 | 3 | 6, _) => None,
            (_, 0) => Some(u64::MAX),
            (_, size) => Some(size.into()),
        };
        Ok(Self {
            colours: colours_at..colours_at.saturating_add(table * entry),
            width: width.into(),
            height: height.into(),
            stride: (u64::from(width) * u64::from(bits)).div_ceil(32) * 4,
            compressed,
        })
    }
}

/// The size of a bitmap in an icon: DIB header, colours, pixels, and the mask, which is included in the height.
pub(super) fn icon_len(dib: &[u8]) -> Result<u64, Error> {
    let shape = Shape::read(&[&[0; FILE_HEADER as usize], dib].concat())?;
    let mask = shape.width.div_ceil(32) * 4;
    let rows = (shape.height / 2).saturating_mul(shape.stride.saturating_add(mask));
    Ok(shape.compressed.unwrap_or(rows).saturating_add(shape.colours.end - FILE_HEADER))
}

/// The parts of the file that are used for the picture, in order.
fn used(header: &[u8], len: u64) -> Result<Vec<Range<u64>>, Error> {
    let (pixels_at, shape) = (u64::from(number(header, 10)?), Shape::read(header)?);
    let (colours_at, behind) = (shape.colours.start, shape.colours.end);
    // An invalid offset is ignored, as decoders do.
    let pixels_at = if (colours_at..len).contains(&pixels_at) { pixels_at } else { behind };
    let pixels = shape.compressed.unwrap_or(shape.stride.saturating_mul(shape.height));
    let mut used = vec![0..behind.min(pixels_at.max(colours_at)), pixels_at..pixels_at.saturating_add(pixels)];
    if number(header, 14)? == V5_LEN && number(header, 70)? == EMBEDDED {
        let start = FILE_HEADER + u64::from(number(header, 126)?);
        used.push(start..start.saturating_add(number(header, 130)?.into()));
    }
    let within: Vec<_> = used.into_iter().map(|range| range.start.min(len)..range.end.min(len)).collect();
    Ok(merged(&within))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate as metadata;
    use crate::Keep;
    use image_origin_container::Cancellation;

    fn stripped(file: &[u8]) -> Result<Vec<u8>, metadata::Error> {
        let mut out = Vec::new();
        metadata::strip(&mut Cursor::new(file), Keep::None, &Cancellation::unbounded())?
            .write_to(Cursor::new(file), &mut out)?;
        Ok(out)
    }

    /// A bitmap of 2 by 2 pixels of 24 bits with a header of this length and a gap before its pixels.
    fn bitmap(dib_len: u32, compression: u32, gap: &[u8]) -> Vec<u8> {
        let mut dib = dib_len.to_le_bytes().to_vec();
        dib.extend([2_u32.to_le_bytes(), 2_u32.to_le_bytes(), [1, 0, 24, 0], compression.to_le_bytes()].concat());
        dib.resize(dib_len as usize, 0);
        let pixels_at = 14 + dib_len + gap.len() as u32;
        let file_len = pixels_at + 16;
        let head = [b"BM".as_slice(), &file_len.to_le_bytes(), &[0; 4], &pixels_at.to_le_bytes()].concat();
        [head, dib, gap.to_vec(), (1..=16).collect()].concat()
    }

    #[test]
    fn only_the_picture_stays() {
        for dib_len in [40, 108, 124] {
            let plain = bitmap(dib_len, 0, b"");
            assert_eq!(stripped(&plain).unwrap(), plain);
            assert_eq!(stripped(&[&plain[..], b"secret"].concat()).unwrap(), plain);
            let clean = bitmap(dib_len, 0, &[0; 6]);
            assert_eq!(stripped(&bitmap(dib_len, 0, b"secret")).unwrap(), clean);
            for end in 2..clean.len() {
                let _ = stripped(&clean[..end]);
            }
        }
        let mut named = bitmap(40, 0, b"");
        named[6..10].copy_from_slice(b"me!!");
        assert_eq!(stripped(&named).unwrap(), bitmap(40, 0, b""));
    }

    #[test]
    fn an_embedded_profile_stays_and_the_path_of_one_goes() {
        for (kind, stays) in [(0x4d42_4544_u32, true), (0x4c49_4e4b, false)] {
            let mut file = bitmap(124, 0, b"");
            file[70..74].copy_from_slice(&kind.to_le_bytes());
            file[126..130].copy_from_slice(&140_u32.to_le_bytes());
            file[130..134].copy_from_slice(&7_u32.to_le_bytes());
            file.extend(b"profile and secret");
            let out = stripped(&file).unwrap();
            assert_eq!(out.ends_with(b"profile"), stays);
            assert_eq!(out.len(), if stays { 161 } else { 154 });
        }
    }

    #[test]
    fn pictures_inside_are_not_let_pass() {
        for compression in [4, 5] {
            assert!(matches!(stripped(&bitmap(40, compression, b"")), Err(metadata::Error::Unsupported(_))));
        }
    }
}
