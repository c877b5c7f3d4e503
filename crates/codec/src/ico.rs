//! Windows icons and cursors: the largest of their pictures, which is a PNG or a bitmap without file header.

use super::bmp::{Alpha, Bitmap};
use super::png::Png;
use super::{Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, Error, Format, Header, Orientation};

/// The ICO decoder.
pub(super) struct Ico;

const ENTRY_LEN: usize = 16;

/// The selected picture.
enum Picture<'a> {
    Png(&'a [u8]),
    /// A bitmap and its mask.
    Bitmap(Bitmap<'a>, &'a [u8]),
}

fn damaged(reason: &str) -> Error {
    Error::Damaged { format: Format::Ico, reason: reason.to_owned() }
}

/// The largest picture according to the directory; among equal sizes, the first of those with the most bits per pixel.
fn largest(bytes: &[u8]) -> Result<Picture<'_>, Error> {
    let [_, _, _, _, low, high, directory @ ..] = bytes else { return Err(damaged("the directory is cut off")) };
    let count = usize::from(u16::from_le_bytes([*low, *high]));
    let pictures = directory.as_chunks::<ENTRY_LEN>().0.iter().take(count).filter_map(|entry| picture(bytes, entry));
    // `max_by_key` returns the last of several maxima.
    let (_, data) =
        pictures.rev().max_by_key(|(pixels, data)| (*pixels, bits(data))).ok_or_else(|| damaged("no picture"))?;
    if is_png(data) {
        return Ok(Picture::Png(data));
    }
    let (bitmap, mask) = Bitmap::of_icon(data).map_err(of_icon)?;
    Ok(Picture::Bitmap(bitmap, mask))
}

/// Parses an entry of the directory: the number of pixels, and the available data of the picture. A side of 0 means
/// 256.
fn picture<'a>(bytes: &'a [u8], entry: &[u8; ENTRY_LEN]) -> Option<(u32, &'a [u8])> {
    let side = |byte: u8| if byte == 0 { 256 } else { u32::from(byte) };
    let [width, height, _, _, _, _, _, _, l0, l1, l2, l3, o0, o1, o2, o3] = *entry;
    let start = usize::try_from(u32::from_le_bytes([o0, o1, o2, o3])).ok()?;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
    let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
    Some((side(width) * side(height), &rest[..length.min(rest.len())]))
}

fn is_png(data: &[u8]) -> bool {
    data.starts_with(b"\x89PNG")
}

/// The bits per pixel in the header of a bitmap.
fn bits(data: &[u8]) -> u16 {
    match data {
        _ if is_png(data) => 32,
        [12, 0, 0, 0, _, _, _, _, _, _, low, high, ..] => u16::from_le_bytes([*low, *high]),
        [_, _, _, _, _, _, _, _, _, _, _, _, _, _, low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    }
}

/// Converts an error of a bitmap to one of its icon.
fn of_icon(error: Error) -> Error {
    match error {
        Error::Damaged { reason, .. } => damaged(&reason),
        error => error,
    }
}

impl Decoder for Ico {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        let header = match largest(bytes)? {
            Picture::Png(file) => Png.probe(file, budget, cancellation)?,
            Picture::Bitmap(bitmap, _) => Header { channels: Channels::Rgba, ..bitmap.header(budget)? },
        };
        // Viewers ignore Exif in icons.
        Ok(Header { format: Format::Ico, orientation: Orientation::UPRIGHT, ..header })
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        match largest(bytes)? {
            Picture::Png(file) => Png.decode(file, options),
            Picture::Bitmap(bitmap, mask) => bitmap.decode(&Alpha::Mask(mask), options).map_err(of_icon),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Area, Channels, EncodeOptions, Encoder, Raster, Samples};
    use super::*;

    /// An icon with these pictures: declared sides, and data.
    fn icon(kind: u8, pictures: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut out = vec![0, 0, kind, 0, pictures.len() as u8, 0];
        let mut at = 6 + 16 * pictures.len();
        for (side, data) in pictures {
            out.extend([*side, *side, 0, 0, 255, 255, 255, 255]);
            out.extend([(data.len() as u32).to_le_bytes(), (at as u32).to_le_bytes()].concat());
            at += data.len();
        }
        out.extend(pictures.iter().flat_map(|(_, data)| data));
        out
    }

    /// Blue with one transparent pixel, at the top left.
    fn bitmap_of(side: i32, bits: u16) -> Vec<u8> {
        let mut out = 40u32.to_le_bytes().to_vec();
        out.extend([side.to_le_bytes(), (2 * side).to_le_bytes()].concat());
        out.extend([1u16.to_le_bytes(), bits.to_le_bytes()].concat());
        out.extend([0; 24]);
        let pixel: &[u8] = if bits == 32 { &[255, 0, 0, 255] } else { &[255, 0, 0] };
        for _ in 0..side {
            let row = pixel.repeat(side as usize);
            out.extend([row.as_slice(), &vec![0; (4 - row.len() % 4) % 4]].concat());
        }
        let mut mask = vec![0u8; (side as usize).div_ceil(32) * 4 * side as usize];
        let top = mask.len() - (side as usize).div_ceil(32) * 4;
        mask[top] = 0x80;
        out.extend(mask);
        out
    }

    fn png(side: u32) -> Vec<u8> {
        let red =
            Raster::new(side, side, Channels::Rgb, Samples::U8([255, 0, 0].repeat((side * side) as usize))).unwrap();
        Png.encode(
            &red,
            &EncodeOptions { quality: 80, lossless: true, ..EncodeOptions::DEFAULT },
            Budget::UNLIMITED,
            &Cancellation::unbounded(),
        )
        .unwrap()
    }

    fn decoded(bytes: &[u8]) -> Result<Raster, Error> {
        let (budget, cancellation) = (Budget { pixels: 1 << 20, memory: 1 << 20 }, Cancellation::unbounded());
        let header = Ico.probe(bytes, budget, &Cancellation::unbounded())?;
        assert_eq!(header.format, Format::Ico);
        let area = Area::whole(header.width, header.height);
        Ok(Ico.decode(bytes, &DecodeOptions::new(area, budget, &cancellation))?.raster)
    }

    #[test]
    fn the_largest_picture_is_shown() {
        for kind in [1, 2] {
            let bitmap_wins = icon(kind, &[(16, bitmap_of(16, 32)), (20, bitmap_of(20, 24)), (8, png(8))]);
            let raster = decoded(&bitmap_wins).unwrap();
            assert_eq!((raster.width(), raster.channels()), (20, Channels::Rgba));
            let pixels = raster.samples().as_bytes();
            assert_eq!((pixels[3], &pixels[4..8]), (0, [0, 0, 255, 255].as_slice()));
            let raster = decoded(&icon(kind, &[(16, bitmap_of(16, 32)), (0, png(256))])).unwrap();
            assert_eq!((raster.width(), &raster.samples().as_bytes()[..3]), (256, [255, 0, 0].as_slice()));
        }
    }

    #[test]
    fn the_mask_counts_where_there_is_no_alpha() {
        let alphas = |data: Vec<u8>| -> Vec<u8> {
            let raster = decoded(&icon(1, &[(4, data)])).unwrap();
            raster.samples().as_bytes().iter().skip(3).step_by(4).copied().collect()
        };
        let masked = [&[0], [255; 15].as_slice()].concat();
        let with_alpha = bitmap_of(4, 32);
        let mut without = with_alpha.clone();
        without[40..104].iter_mut().skip(3).step_by(4).for_each(|alpha| *alpha = 0);
        let mut half = without.clone();
        half[43] = 128;
        // Rows are stored bottom-up.
        let bottom_left = [vec![0; 12], vec![128, 0, 0, 0]].concat();
        let table = [
            ("alpha alone", with_alpha.clone(), vec![255; 16]),
            ("alpha that is zero in places", half, bottom_left),
            ("alpha that is zero everywhere", without.clone(), masked.clone()),
            ("no alpha", bitmap_of(4, 24), masked),
            ("a mask that is cut off", bitmap_of(4, 24)[..40 + 48 + 3].to_vec(), vec![255; 16]),
            ("no mask", without[..40 + 64].to_vec(), vec![255; 16]),
            ("colours that are cut off", bitmap_of(4, 24)[..40 + 24].to_vec(), [[0; 8], [255; 8]].concat()),
        ];
        for (name, data, expected) in table {
            assert_eq!(alphas(data), expected, "{name}");
        }
    }

    #[test]
    fn of_equal_pictures_the_first_is_shown() {
        let red = |mut data: Vec<u8>| {
            data[40..].as_chunks_mut::<4>().0.iter_mut().take(16).for_each(|pixel| pixel.swap(0, 2));
            data
        };
        let first_pixel =
            |pictures: &[(u8, Vec<u8>)]| decoded(&icon(1, pictures)).unwrap().samples().as_bytes()[..3].to_vec();
        let (blue, more) = (bitmap_of(4, 32), [bitmap_of(4, 32), vec![0; 9]].concat());
        assert_eq!(first_pixel(&[(4, blue.clone()), (4, red(more))]), [0, 0, 255]);
        assert_eq!(first_pixel(&[(4, red(blue.clone())), (4, blue.clone())]), [255, 0, 0]);
        assert_eq!(first_pixel(&[(4, bitmap_of(4, 24)), (4, red(blue))]), [255, 0, 0], "more bits count first");
    }

    #[test]
    fn claims_are_checked_before_they_cost_anything() {
        let mut huge = bitmap_of(4, 32);
        huge[4..12].copy_from_slice(&[0x50, 0xc3, 0, 0, 0xa0, 0x86, 1, 0]);
        let outside = [&icon(1, &[(4, vec![])])[..18], &[0xff; 4]].concat();
        for bytes in [icon(1, &[(4, huge)]), outside, icon(1, &[]), icon(1, &[(4, vec![1, 2, 3])]), vec![0, 0, 1, 0]] {
            let refused = decoded(&bytes);
            assert!(matches!(refused, Err(Error::TooLarge { .. } | Error::Damaged { .. })), "{refused:?}");
        }
        let whole = icon(1, &[(4, bitmap_of(4, 24))]);
        for end in 0..whole.len() {
            let _ = decoded(&whole[..end]);
        }
    }
}
