//! QOI (the Quite OK Image format, specification 1.0): decoded row by row, and reduced while decoding if that suffices.

use super::shrink::{self, Shrink};
use super::{
    Area, Budget, Cancellation, Channels, DecodeOptions, Decoded, Decoder, Error, Format, Header, Orientation, Raster,
    Samples,
};

/// The QOI decoder.
pub(super) struct Qoi;

const HEADER_LEN: usize = 14;

fn damaged(reason: &str) -> Error {
    Error::Damaged { format: Format::Qoi, reason: reason.to_owned() }
}

/// Parses width, height and channels.
fn header(bytes: &[u8]) -> Result<(u32, u32, Channels), Error> {
    match bytes {
        [b'q', b'o', b'i', b'f', w0, w1, w2, w3, h0, h1, h2, h3, channels, _colorspace, ..] => {
            let (width, height) = (u32::from_be_bytes([*w0, *w1, *w2, *w3]), u32::from_be_bytes([*h0, *h1, *h2, *h3]));
            if width == 0 || height == 0 {
                return Err(damaged("a side is zero"));
            }
            Ok((width, height, if *channels == 4 { Channels::Rgba } else { Channels::Rgb }))
        }
        _ => Err(damaged("the header is cut off")),
    }
}

impl Decoder for Qoi {
    fn probe(&self, bytes: &[u8], budget: Budget, _: &Cancellation) -> Result<Header, Error> {
        let (width, height, channels) = header(bytes)?;
        budget.check_pixels(width, height)?;
        Ok(Header { format: Format::Qoi, width, height, orientation: Orientation::UPRIGHT, channels })
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        let (width, height, channels) = header(bytes)?;
        let factor = shrink::factor(options.scale);
        let row_bytes = width as usize * channels.count();
        let whole = row_bytes as u64 * u64::from(height);
        let held = if factor > 1 { Shrink::memory(width, height, channels, factor) } else { whole };
        options.budget.check_memory(held + row_bytes as u64)?;
        let mut pixels = Pixels::new(bytes.get(HEADER_LEN..).unwrap_or_default());
        let mut row = Vec::with_capacity(row_bytes);
        let (mut shrink, mut out) = (Shrink::new(width, channels, factor), Vec::new());
        for _ in 0..height {
            options.cancellation.check()?;
            row.clear();
            for _ in 0..width {
                let pixel = pixels.next().ok_or_else(|| damaged("the pixels break off"))?;
                row.extend_from_slice(&pixel[..channels.count()]);
            }
            if factor > 1 { shrink.push(&row) } else { out.extend_from_slice(&row) }
        }
        if factor == 1 {
            let raster = Raster::new(width, height, channels, Samples::U8(out));
            return raster.map(|raster| Decoded::whole(raster, None)).ok_or_else(|| damaged("a side is zero"));
        }
        let (raster, side) = (shrink.finish().ok_or_else(|| damaged("a side is zero"))?, factor as f64);
        let (width, height) = (f64::from(raster.width()) * side, f64::from(raster.height()) * side);
        let area = Area { x: 0.0, y: 0.0, width, height };
        Ok(Decoded { raster, area, blur: shrink::blur(factor), icc: None, flaw: None })
    }
}

/// Iterates over the pixels that a stream of chunks encodes.
struct Pixels<'a> {
    input: &'a [u8],
    pixel: [u8; 4],
    /// The remaining repetitions of the pixel.
    run: u8,
    seen: [[u8; 4]; 64],
}

impl<'a> Pixels<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self { input, pixel: [0, 0, 0, 255], run: 0, seen: [[0; 4]; 64] }
    }
}

impl Iterator for Pixels<'_> {
    type Item = [u8; 4];

    fn next(&mut self) -> Option<[u8; 4]> {
        if self.run > 0 {
            self.run -= 1;
            return Some(self.pixel);
        }
        let [red, green, blue, alpha] = self.pixel;
        (self.pixel, self.input) = match self.input {
            [0xfe, r, g, b, rest @ ..] => ([*r, *g, *b, alpha], rest),
            [0xff, r, g, b, a, rest @ ..] => ([*r, *g, *b, *a], rest),
            [0xfe..=0xff, ..] => return None,
            [index @ 0..0x40, rest @ ..] => (self.seen[usize::from(*index)], rest),
            [diff @ 0x40..0x80, rest @ ..] => {
                let step = |shift: u8| (diff >> shift & 3).wrapping_sub(2);
                ([red.wrapping_add(step(4)), green.wrapping_add(step(2)), blue.wrapping_add(step(0)), alpha], rest)
            }
            [luma @ 0x80..0xc0, others, rest @ ..] => {
                let step = (luma & 0x3f).wrapping_sub(32);
                let other = |shift: u8| step.wrapping_add(others >> shift & 15).wrapping_sub(8);
                ([red.wrapping_add(other(4)), green.wrapping_add(step), blue.wrapping_add(other(0)), alpha], rest)
            }
            [run @ 0xc0..0xfe, rest @ ..] => {
                self.run = run & 0x3f;
                (self.pixel, rest)
            }
            _ => return None,
        };
        let [r, g, b, a] = self.pixel.map(usize::from);
        self.seen[(r * 3 + g * 5 + b * 7 + a * 11) % 64] = self.pixel;
        Some(self.pixel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(width: u32, height: u32, channels: u8, chunks: &[u8]) -> Vec<u8> {
        [b"qoif".as_slice(), &width.to_be_bytes(), &height.to_be_bytes(), &[channels, 0], chunks].concat()
    }

    fn decoded(bytes: &[u8], scale: f64) -> Result<Decoded, Error> {
        let (budget, cancellation) = (Budget { pixels: 1 << 20, memory: 1 << 16 }, Cancellation::unbounded());
        let header = Qoi.probe(bytes, budget, &Cancellation::unbounded())?;
        let area = Area::whole(header.width, header.height);
        Qoi.decode(bytes, &DecodeOptions { scale, ..DecodeOptions::new(area, budget, &cancellation) })
    }

    #[test]
    fn every_chunk_is_known() {
        // A new colour, a run of two more, a small difference, a luma difference, an index, and a colour with alpha.
        let index = ((10 * 3 + 20 * 5 + 30 * 7 + 255 * 11_u32) % 64) as u8;
        let chunks = [0xfe, 10, 20, 30, 0xc1, 0x40 | 0b11_10_01, 0x80 | 42, 0x9 << 4 | 7, index, 0xff, 1, 2, 3, 4];
        let bytes = file(7, 1, 4, &chunks);
        let expected = [
            [10, 20, 30, 255],
            [10, 20, 30, 255],
            [10, 20, 30, 255],
            [11, 20, 29, 255],
            [22, 30, 38, 255],
            [10, 20, 30, 255],
            [1, 2, 3, 4],
        ];
        let whole = decoded(&bytes, 1.0).unwrap().raster;
        assert_eq!(whole.samples().as_bytes(), expected.concat());
        let opaque = decoded(&file(7, 1, 3, &chunks), 1.0).unwrap().raster;
        assert_eq!((opaque.channels(), &opaque.samples().as_bytes()[..3]), (Channels::Rgb, [10, 20, 30].as_slice()));
        let small = decoded(&bytes, 0.2).unwrap();
        assert_eq!((small.raster.width(), small.area), (4, Area::whole(8, 2)));
        for end in 0..bytes.len() {
            assert!(matches!(decoded(&bytes[..end], 1.0), Err(Error::Damaged { .. })), "{end}");
        }
    }

    #[test]
    fn claims_are_checked_before_they_cost_anything() {
        for (width, height) in [(u32::MAX, u32::MAX), (1 << 10, 1 << 10), (0, 5)] {
            let refused = decoded(&file(width, height, 4, &[]), 1.0);
            assert!(matches!(refused, Err(Error::TooLarge { .. } | Error::Damaged { .. })), "{refused:?}");
        }
    }
}
