//! A lossless encoder (RFC 9649, section 3) for pictures and alpha that are too large for libwebp's, which needs 40
//! bytes per pixel.
//!
//! It holds a few rows of the raster only, and makes two passes: the first chooses predictors and counts symbols, the
//! second writes them. Symbols are the residuals of a predictor that is chosen for each square of 32 by 32 pixels, and
//! runs of residuals that repeat those to the left or above. One set of prefix codes is used for the whole picture.

use image_origin_container::webp::ALPHA_FLAG;

use super::container::file_of;
use super::prefix::{BitWriter, Code};
use crate::buffer::OutputBuffer;
use crate::{Budget, Cancellation, Channels, Error, Raster};

/// The samples of a pixel in symbol order: green, red, blue, alpha.
type Pixel = [u8; 4];

/// The prediction of the first pixel (section 4.1).
const BLACK: Pixel = [0, 0, 0, 0xff];

/// The binary logarithm of the side of a predictor's square.
const SQUARE: u32 = 5;

/// The candidate predictors by number (section 4.1): left, above, their average, select, and gradient.
const PREDICTORS: [u8; 5] = [1, 2, 7, 11, 12];

/// The minimum length of a run of repeated residuals.
const SHORTEST_RUN: usize = 4;

/// The maximum length of a run with a symbol (section 5.2.2).
pub(super) const LONGEST_RUN: usize = 4096;

/// The number of symbols of green: samples, and run lengths.
pub(super) const GREENS: usize = 256 + 24;

/// The number of distance symbols.
pub(super) const DISTANCES: usize = 40;

/// The maximum size of the codes of a pixel in bytes.
const LONGEST_PIXEL: usize = 8;

/// The part of a raster that is encoded.
#[derive(Clone, Copy)]
enum Part {
    /// The colours, and alpha if there is any.
    Picture,
    /// Alpha, in place of green (section 2.7.1.2).
    Alpha,
}

/// Encodes a lossless file. The raster must have 8-bit samples.
pub(super) fn lossless(raster: &Raster, budget: Budget, cancellation: &Cancellation) -> Result<Vec<u8>, Error> {
    let stream = Encoder::new(raster, Part::Picture, budget)?.stream(cancellation)?;
    budget.check_memory((stream.capacity() + stream.len() + 32) as u64)?;
    Ok(file_of(&[(*b"VP8L", &stream)]))
}

/// Encodes the content of an ALPH chunk; `None` if all pixels are opaque.
pub(super) fn alpha(raster: &Raster, budget: Budget, cancellation: &Cancellation) -> Result<Option<Vec<u8>>, Error> {
    if is_opaque(raster) {
        return Ok(None);
    }
    Encoder::new(raster, Part::Alpha, budget)?.stream(cancellation).map(Some)
}

/// Combines the VP8 frame from libwebp's file with the content of an ALPH chunk (section 2.7).
pub(super) fn with_alpha(
    file: &[u8],
    alpha: &[u8],
    [width, height]: [u32; 2],
    budget: Budget,
) -> Result<Vec<u8>, Error> {
    let frame = super::container::chunks(file).find(|chunk| &chunk.name == b"VP8 ");
    let frame = frame.ok_or(Error::Internal("libwebp wrote no frame of VP8"))?.content;
    budget.check_memory((frame.len() + alpha.len() + 64) as u64)?;
    let mut extended = vec![ALPHA_FLAG, 0, 0, 0];
    for side in [width, height] {
        extended.extend(&(side - 1).to_le_bytes()[..3]);
    }
    Ok(file_of(&[(*b"VP8X", &extended), (*b"ALPH", alpha), (*b"VP8 ", frame)]))
}

fn is_opaque(raster: &Raster) -> bool {
    let samples = raster.samples().as_bytes();
    match raster.channels() {
        Channels::La => samples.as_chunks::<2>().0.iter().all(|pixel| pixel[1] == 0xff),
        Channels::Rgba => samples.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 0xff),
        _ => true,
    }
}

/// A symbol, or a length and distance symbol with the extra bits.
#[derive(Clone, Copy)]
enum Symbol {
    Literal(Pixel),
    Run {
        length: usize,
        /// Whether the residuals of the row above are repeated, or that to the left.
        is_above: bool,
    },
}

/// The prefix of a length, with the value and number of its extra bits (section 5.2.2).
pub(super) fn prefix(length: usize) -> (usize, u64, u32) {
    let n = length - 1;
    if n < 4 {
        return (n, 0, 0);
    }
    let highest = n.ilog2();
    let bits = highest - 1;
    (2 * highest as usize + ((n >> bits) & 1), (n & ((1 << bits) - 1)) as u64, bits)
}

/// The count of each symbol.
struct Counts {
    green: [u32; GREENS],
    others: [[u32; 256]; 3],
    distance: [u32; DISTANCES],
}

impl Counts {
    fn add(&mut self, symbol: Symbol) {
        match symbol {
            Symbol::Literal([green, others @ ..]) => {
                self.green[usize::from(green)] += 1;
                for (counts, sample) in self.others.iter_mut().zip(others) {
                    counts[usize::from(sample)] += 1;
                }
            }
            Symbol::Run { length, is_above } => {
                self.green[256 + prefix(length).0] += 1;
                self.distance[distance(is_above)] += 1;
            }
        }
    }
}

/// The symbol of a distance: the pixel above, or to the left (section 5.2.2).
pub(super) fn distance(is_above: bool) -> usize {
    usize::from(!is_above)
}

struct Encoder<'r> {
    raster: &'r Raster,
    part: Part,
    width: usize,
    height: usize,
    /// The predictor of each square.
    predictors: Vec<u8>,
    /// The rows of a row of squares, preceded by the row above.
    rows: Vec<Pixel>,
    /// The residuals of a row and of the row above.
    differences: [Vec<Pixel>; 2],
    output: OutputBuffer,
}

impl<'r> Encoder<'r> {
    fn new(raster: &'r Raster, part: Part, budget: Budget) -> Result<Self, Error> {
        let [width, height] = [raster.width() as usize, raster.height() as usize];
        let squares = width.div_ceil(1 << SQUARE) * height.div_ceil(1 << SQUARE);
        let held = ((1 << SQUARE) + 3) * width * size_of::<Pixel>() + squares + size_of::<Counts>() + CODES;
        let output = OutputBuffer::new(budget.beside(held as u64)?);
        let row = || vec![BLACK; width];
        let rows = vec![BLACK; ((1 << SQUARE) + 1) * width];
        Ok(Self {
            raster,
            part,
            width,
            height,
            predictors: vec![0; squares],
            rows,
            differences: [row(), row()],
            output,
        })
    }

    /// Encodes the stream; for alpha, after the byte with its encoding.
    fn stream(mut self, cancellation: &Cancellation) -> Result<Vec<u8>, Error> {
        let mut counts = Counts { green: [0; GREENS], others: [[0; 256]; 3], distance: [0; DISTANCES] };
        self.pass(true, cancellation, |_, symbols| {
            symbols.for_each(|symbol| counts.add(symbol));
            Ok(())
        })?;
        self.output.reserve(CODES + self.predictors.len() * 2)?;
        let mut bits = BitWriter::default();
        let out = self.output.bytes_mut();
        match self.part {
            // Compressed, not filtered (section 2.7.1.2).
            Part::Alpha => out.push(1),
            Part::Picture => {
                out.push(0x2f);
                bits.put(out, self.width as u64 - 1, 14);
                bits.put(out, self.height as u64 - 1, 14);
                bits.put(out, (!is_opaque(self.raster)).into(), 1);
                bits.put(out, 0, 3);
                // The subtract-green transform (section 4.3).
                bits.put(out, 0b101, 3);
            }
        }
        // The predictor transform, whose squares have a minimum size of 4; it is the last transform.
        bits.put(out, 0b001, 3);
        bits.put(out, u64::from(SQUARE) - 2, 3);
        let mut modes = [0; GREENS];
        self.predictors.iter().for_each(|predictor| modes[usize::from(*predictor)] += 1);
        bits.put(out, 0, 1);
        let mode = Code::written(&modes, &mut bits, out);
        for alphabet in [256, 256, 256, DISTANCES] {
            Code::written(&vec![0; alphabet], &mut bits, out);
        }
        self.predictors.iter().for_each(|predictor| mode.put(usize::from(*predictor), &mut bits, out));
        // No further transform, no colour cache, one set of codes.
        bits.put(out, 0, 3);
        let green = Code::written(&counts.green, &mut bits, out);
        let others = counts.others.each_ref().map(|counts| Code::written(counts, &mut bits, out));
        let distances = Code::written(&counts.distance, &mut bits, out);
        self.pass(false, cancellation, |output, symbols| {
            let width = symbols.row.len();
            output.reserve(width * LONGEST_PIXEL)?;
            let out = output.bytes_mut();
            for symbol in symbols {
                match symbol {
                    Symbol::Literal([sample, rest @ ..]) => {
                        green.put(sample.into(), &mut bits, out);
                        for (code, sample) in others.iter().zip(rest) {
                            code.put(sample.into(), &mut bits, out);
                        }
                    }
                    Symbol::Run { length, is_above } => {
                        let (prefix, more, count) = prefix(length);
                        green.put(256 + prefix, &mut bits, out);
                        bits.put(out, more, count);
                        distances.put(distance(is_above), &mut bits, out);
                    }
                }
            }
            Ok(())
        })?;
        self.output.reserve(LONGEST_PIXEL)?;
        bits.finish(self.output.bytes_mut());
        Ok(self.output.into_bytes())
    }

    /// Passes the symbols of each row to a function. `choose` is whether predictors are chosen in this pass.
    fn pass(
        &mut self,
        choose: bool,
        cancellation: &Cancellation,
        mut take: impl FnMut(&mut OutputBuffer, Symbols<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (width, side) = (self.width, 1 << SQUARE);
        let across = width.div_ceil(side);
        for top in (0..self.height).step_by(side) {
            let height = side.min(self.height - top);
            for y in 0..height {
                let row = &mut self.rows[(y + 1) * width..][..width];
                read(self.raster, self.part, top + y, row);
            }
            let predictors = &mut self.predictors[top / side * across..][..across];
            if choose {
                cancellation.check()?;
                for (i, predictor) in predictors.iter_mut().enumerate() {
                    *predictor = best(&self.rows, width, i * side, height);
                }
            }
            for y in 0..height {
                cancellation.check()?;
                let (above, row) = self.rows[y * width..][..2 * width].split_at(width);
                let [differences, differences_above] = &mut self.differences;
                std::mem::swap(differences, differences_above);
                subtract(row, above, top + y == 0, predictors, differences);
                let above = (top + y > 0).then_some(differences_above.as_slice());
                take(&mut self.output, Symbols { row: differences, above, next: 0 })?;
            }
            self.rows.copy_within(height * width..(height + 1) * width, 0);
        }
        Ok(())
    }
}

/// The memory of all prefix codes in bytes, including the file.
pub(super) const CODES: usize = 64 << 10;

/// Reads the pixels of a row, with green subtracted from red and blue.
fn read(raster: &Raster, part: Part, y: usize, row: &mut [Pixel]) {
    let stride = row.len() * raster.channels().count();
    let samples = &raster.samples().as_bytes()[y * stride..][..stride];
    let pixel = |[r, g, b, a]: [u8; 4]| match part {
        Part::Alpha => [a, 0, 0, 0xff],
        // Fully transparent pixels have no colour, as in libwebp's files.
        Part::Picture if a == 0 => [0; 4],
        Part::Picture => [g, r.wrapping_sub(g), b.wrapping_sub(g), a],
    };
    match raster.channels() {
        Channels::L => row.iter_mut().zip(samples).for_each(|(out, l)| *out = pixel([*l, *l, *l, 0xff])),
        Channels::La => {
            let samples = samples.as_chunks().0.iter();
            row.iter_mut().zip(samples).for_each(|(out, &[l, a])| *out = pixel([l, l, l, a]));
        }
        Channels::Rgb => {
            let samples = samples.as_chunks().0.iter();
            row.iter_mut().zip(samples).for_each(|(out, &[r, g, b])| *out = pixel([r, g, b, 0xff]));
        }
        Channels::Rgba | Channels::Cmyk => {
            row.iter_mut().zip(samples.as_chunks().0).for_each(|(out, sample)| *out = pixel(*sample));
        }
    }
}

/// The predictor with the smallest residuals in a square, sampled at every second pixel of every second row.
fn best(rows: &[Pixel], width: usize, left: usize, height: usize) -> u8 {
    let right = (left + (1 << SQUARE)).min(width);
    let mut totals = [0; PREDICTORS.len()];
    for y in (0..height).step_by(2) {
        let (above, row) = rows[y * width..][..2 * width].split_at(width);
        for x in (left.max(1)..right).step_by(2) {
            let beside = [row[x - 1], above[x], above[x - 1]];
            for (total, predictor) in totals.iter_mut().zip(PREDICTORS) {
                let predicted = predict(predictor, beside);
                for (sample, predicted) in row[x].into_iter().zip(predicted) {
                    *total += u32::from(sample.wrapping_sub(predicted).cast_signed().unsigned_abs());
                }
            }
        }
    }
    let least = totals.into_iter().zip(PREDICTORS).min_by_key(|(total, _)| *total);
    least.map_or(PREDICTORS[0], |(_, predictor)| predictor)
}

/// The prediction of a pixel from those to the left, above, and above left (section 4.1).
#[inline(always)]
fn predict(predictor: u8, [left, above, corner]: [Pixel; 3]) -> Pixel {
    let each = |of: fn(i16, i16, i16) -> i16| {
        std::array::from_fn(|i| of(left[i].into(), above[i].into(), corner[i].into()).clamp(0, 255) as u8)
    };
    match predictor {
        1 => left,
        2 => above,
        7 => each(|left, above, _| (left + above) / 2),
        11 => {
            let distance = |one: Pixel| -> u32 { (0..4).map(|i| u32::from(one[i].abs_diff(corner[i]))).sum() };
            if distance(above) < distance(left) { left } else { above }
        }
        _ => each(|left, above, corner| left + above - corner),
    }
}

/// The residuals of a row.
fn subtract(row: &[Pixel], above: &[Pixel], is_first: bool, predictors: &[u8], out: &mut [Pixel]) {
    let less = |pixel: Pixel, predicted: Pixel| std::array::from_fn(|i| pixel[i].wrapping_sub(predicted[i]));
    if is_first {
        let lefts = std::iter::once(&BLACK).chain(row);
        out.iter_mut().zip(row).zip(lefts).for_each(|((out, pixel), left)| *out = less(*pixel, *left));
        return;
    }
    let side = 1 << SQUARE;
    for (i, (predictor, out)) in predictors.iter().zip(out.chunks_mut(side)).enumerate() {
        let mut square = |predictor: u8| {
            for (x, out) in (i * side..).zip(out.iter_mut()) {
                let predicted =
                    if x == 0 { above[0] } else { predict(predictor, [row[x - 1], above[x], above[x - 1]]) };
                *out = less(row[x], predicted);
            }
        };
        // Each with a constant, so that the loops are specialized.
        match predictor {
            1 => square(1),
            2 => square(2),
            7 => square(7),
            11 => square(11),
            _ => square(12),
        }
    }
}

/// Iterates over the symbols of a row.
struct Symbols<'d> {
    row: &'d [Pixel],
    above: Option<&'d [Pixel]>,
    next: usize,
}

impl Iterator for Symbols<'_> {
    type Item = Symbol;

    fn next(&mut self) -> Option<Symbol> {
        let Self { row, above, next: x } = *self;
        let pixel = *row.get(x)?;
        let rest = &row[x..row.len().min(x + LONGEST_RUN)];
        let same = |others: &[Pixel]| rest.iter().zip(others).take_while(|(one, other)| one == other).count();
        let to_left = if x > 0 { same(&row[x - 1..]) } else { 0 };
        let upwards = above.map_or(0, |above| same(&above[x..]));
        let length = to_left.max(upwards);
        if length < SHORTEST_RUN {
            self.next = x + 1;
            return Some(Symbol::Literal(pixel));
        }
        self.next = x + length;
        Some(Symbol::Run { length, is_above: upwards > to_left })
    }
}

#[cfg(test)]
mod tests {
    use super::super::WebP;
    use super::*;
    use crate::{Area, DecodeOptions, Decoder as _, EncodeOptions, Encoder as _, Samples};

    /// Gradients with noise, areas of one colour, and transparent pixels.
    fn raster(width: u32, height: u32, channels: Channels) -> Raster {
        let mut state = 1u32;
        let sample = |i: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y) = (i / channels.count() as u32 % width, i / channels.count() as u32 / width);
            let noise = if x % 50 < 20 { state >> 28 } else { 0 };
            let is_alpha = channels.has_alpha() && i % channels.count() as u32 + 1 == channels.count() as u32;
            match (is_alpha, (x / 9 + y / 7) % 4) {
                (true, 0) => 0,
                (true, 1) => 255,
                (false, 2) => 77,
                _ => (x * 3 + y * 2 + noise) as u8,
            }
        };
        let samples = (0..width * height * channels.count() as u32).map(sample).collect();
        Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
    }

    fn decoded(bytes: &[u8]) -> Raster {
        let cancellation = Cancellation::unbounded();
        let header = WebP.probe(bytes, Budget::UNLIMITED, &cancellation).unwrap();
        let area = Area::whole(header.width, header.height);
        WebP.decode(bytes, &DecodeOptions::new(area, Budget::UNLIMITED, &cancellation)).unwrap().raster
    }

    /// The pixels with grey as RGB, and without the colours of transparent pixels.
    fn seen(raster: &Raster) -> Vec<[u8; 4]> {
        let samples = raster.samples().as_bytes();
        let pixels = samples.chunks(raster.channels().count()).map(|pixel| match *pixel {
            [l] => [l, l, l, 255],
            [l, a] => [l, l, l, a],
            [r, g, b] => [r, g, b, 255],
            [r, g, b, a] => [r, g, b, a],
            _ => panic!("pixels have up to four samples"),
        });
        pixels.map(|pixel| if pixel[3] == 0 { [0; 4] } else { pixel }).collect()
    }

    #[test]
    fn pictures_of_every_size_are_exact() {
        let cancellation = Cancellation::unbounded();
        for channels in [Channels::L, Channels::La, Channels::Rgb, Channels::Rgba] {
            for (width, height) in [(1, 1), (2, 1), (1, 40), (31, 33), (32, 32), (65, 70), (5000, 3)] {
                let picture = raster(width, height, channels);
                let bytes = lossless(&picture, Budget::UNLIMITED, &cancellation).unwrap();
                assert!(seen(&decoded(&bytes)) == seen(&picture), "{channels:?} {width}x{height}");
                let peer = image::load_from_memory_with_format(&bytes, image::ImageFormat::WebP).unwrap().to_rgba8();
                assert!(*peer.as_raw() == seen(&picture).concat(), "{channels:?} {width}x{height} elsewhere");
            }
        }
    }

    #[test]
    fn alpha_of_lossy_pictures_is_exact() {
        const LOSSY: EncodeOptions = EncodeOptions::DEFAULT;
        let cancellation = Cancellation::unbounded();
        for (width, height) in [(1, 2), (33, 31), (100, 64)] {
            let picture = raster(width, height, Channels::Rgba);
            let samples = picture.samples().as_bytes();
            let colours = samples.as_chunks::<4>().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
            let colours = Raster::new(width, height, Channels::Rgb, Samples::U8(colours)).unwrap();
            let frame = WebP.encode(&colours, &LOSSY, Budget::UNLIMITED, &cancellation).unwrap();
            let alpha = alpha(&picture, Budget::UNLIMITED, &cancellation).unwrap().unwrap();
            let bytes = with_alpha(&frame, &alpha, [width, height], Budget::UNLIMITED).unwrap();
            let of =
                |raster: &Raster| raster.samples().as_bytes().iter().skip(3).step_by(4).copied().collect::<Vec<_>>();
            assert!(of(&decoded(&bytes)) == of(&picture), "{width}x{height}");
            let peer = image::load_from_memory_with_format(&bytes, image::ImageFormat::WebP).unwrap().to_rgba8();
            assert!(peer.pixels().map(|pixel| pixel[3]).eq(of(&picture)), "{width}x{height} elsewhere");
        }
        assert_eq!(alpha(&raster(9, 9, Channels::Rgb), Budget::UNLIMITED, &cancellation), Ok(None));
    }

    #[test]
    fn limits_and_a_stop_are_obeyed() {
        let (picture, cancellation) = (raster(300, 300, Channels::Rgba), Cancellation::unbounded());
        let with = |memory, cancellation| lossless(&picture, Budget { memory, ..Budget::UNLIMITED }, cancellation);
        assert!(with(1 << 20, &cancellation).is_ok());
        for memory in [10_000, 150_000] {
            assert!(matches!(with(memory, &cancellation), Err(Error::TooLarge { .. })), "{memory}");
        }
        cancellation.cancel();
        assert!(matches!(with(1 << 20, &cancellation), Err(Error::Cancelled(_))));
    }
}
