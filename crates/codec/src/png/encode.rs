//! The PNG encoder: selects the smallest colour type, and the compression method that suits the picture.

use std::borrow::Cow;
use std::io::Write;

use super::super::buffer::OutputWriter;
use super::super::{
    Budget, Cancellation, Channels, EncodeOptions, Encoder, Error, Format, PaletteOptions, Raster, palette,
};
use super::Png;

/// Pixel data as PNG stores it, before filtering.
struct Stored<'r> {
    color: ::png::ColorType,
    depth: ::png::BitDepth,
    data: Cow<'r, [u8]>,
    palette: Option<Vec<[u8; 4]>>,
}

/// The size of an IDAT chunk in bytes, which is buffered before it is written.
const CHUNK: usize = 64 << 10;

/// The memory of the compressor in bytes: the window, hash chains and symbols of a level with string matching.
const COMPRESSOR: u64 = 512 << 10;

/// The number of rows that filtering holds: two of the picture, and candidates.
const ROWS: u64 = 5;

/// The maximum side of a PNG (PNG 3rd edition, 11.2.1).
const MAX_SIDE: u32 = i32::MAX.cast_unsigned();

impl Encoder for Png {
    fn format(&self) -> Format {
        Format::Png
    }

    fn max_side(&self) -> u32 {
        MAX_SIDE
    }

    fn has_alpha(&self) -> bool {
        true
    }

    fn has_profile(&self) -> bool {
        true
    }

    fn has_quality(&self, _: &EncodeOptions) -> bool {
        false
    }

    fn encode(
        &self,
        raster: &Raster,
        options: &EncodeOptions,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Vec<u8>, Error> {
        cancellation.check()?;
        let stored = match options.palette {
            Some(palette) => with_loss(raster, palette, budget, cancellation)?,
            None => smallest(raster, budget)?,
        };
        let row = u64::from(raster.width()) * raster.channels().count() as u64;
        let copied = if let Cow::Owned(data) = &stored.data { data.capacity() as u64 } else { 0 };
        let budget = budget.beside(copied + row * ROWS + CHUNK as u64 + COMPRESSOR)?;
        // Differences of palette indices are meaningless, so filters only cost (PNG 3rd edition, 12.7).
        if stored.palette.is_some() {
            return compress(raster, &stored, Method::Matches, budget, cancellation);
        }
        let quick = compress(raster, &stored, Method::Differences, budget, cancellation)?;
        let is_flat = quick.len() as u64 * FLAT_SHARE <= stored.data.len() as u64;
        if !is_flat && !repeats(&stored, raster.width() as usize, cancellation)? {
            return Ok(quick);
        }
        let budget = budget.beside(quick.capacity() as u64)?;
        let thorough = compress(raster, &stored, Method::Matches, budget, cancellation)?;
        Ok(if thorough.len() < quick.len() { thorough } else { quick })
    }
}

/// If filtering and run lengths alone make a picture this many times smaller, it is probably a drawing, for which
/// string matching is likely to pay.
const FLAT_SHARE: u64 = 4;

/// Whether pixels repeat as they do in drawings and screenshots: at least three in ten groups of four were there before, in
/// pairs of rows from the whole picture. In photographs at most a quarter were.
fn repeats(stored: &Stored<'_>, width: usize, cancellation: &Cancellation) -> Result<bool, Error> {
    const GROUP: usize = 4;
    /// Pairs of rows are this far apart, or further in high pictures.
    const STEP: usize = 16;
    const PAIRS: usize = 256;
    let unit = stored.color.samples();
    let rows = stored.data.chunks_exact(width * unit);
    let step = STEP.max(rows.len() / PAIRS);
    let mut seen = vec![0u32; 1 << 13];
    let (mut repeated, mut all) = (0u64, 0u64);
    for (_, row) in rows.enumerate().filter(|(y, _)| y % step < 2) {
        cancellation.check()?;
        for group in row.windows(GROUP * unit).step_by(unit) {
            // FNV-1a, and Fibonacci hashing for the place.
            let hash = group.iter().fold(0, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
            let place = &mut seen[(hash.wrapping_mul(0x9e37_79b1) >> 19) as usize];
            repeated += u64::from(*place == hash);
            all += 1;
            *place = hash;
        }
    }
    Ok(repeated > 0 && repeated * 10 >= all * 3)
}

/// The compression method. benches/NOTES.md has the measurements.
#[derive(Debug, Clone, Copy)]
enum Method {
    /// The best filter for each row, with run lengths and Huffman codes only: for photographs, which hardly repeat
    /// anything.
    Differences,
    /// Unfiltered, with string matching: for drawings.
    Matches,
}

fn compress(
    raster: &Raster,
    stored: &Stored<'_>,
    method: Method,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Error> {
    cancellation.check()?;
    let mut out = OutputWriter::new(budget, cancellation);
    match write(&mut out, raster, stored, method) {
        Ok(()) => Ok(out.into_bytes()),
        Err(_) => Err(out.failure()),
    }
}

fn write(
    out: &mut OutputWriter<'_>,
    raster: &Raster,
    stored: &Stored<'_>,
    method: Method,
) -> Result<(), ::png::EncodingError> {
    let mut encoder = ::png::Encoder::new(out, raster.width(), raster.height());
    encoder.set_color(stored.color);
    encoder.set_depth(stored.depth);
    let (compression, filter) = match method {
        Method::Differences => (::png::Compression::Fast, ::png::Filter::Adaptive),
        Method::Matches => (::png::Compression::Balanced, ::png::Filter::NoFilter),
    };
    encoder.set_compression(compression);
    encoder.set_filter(filter);
    if let Some(colors) = &stored.palette {
        encoder.set_palette(colors.iter().flat_map(|color| [color[0], color[1], color[2]]).collect::<Vec<_>>());
        let alphas: Vec<u8> = colors.iter().map(|color| color[3]).take_while(|alpha| *alpha < 255).collect();
        if !alphas.is_empty() {
            encoder.set_trns(alphas);
        }
    }
    // Row by row: otherwise the compressed data would be held twice.
    let mut writer = encoder.write_header()?;
    let mut rows = writer.stream_writer_with_size(CHUNK)?;
    rows.write_all(&stored.data)?;
    rows.finish()?;
    writer.finish()
}

/// A palette with loss, at the least depth that holds it.
fn with_loss<'r>(
    raster: &'r Raster,
    options: PaletteOptions,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Stored<'r>, Error> {
    // The indices, unpacked and packed.
    budget.check_memory(palette::memory(raster) * 3 / 2)?;
    let indexed = palette::reduced(raster, options, budget, cancellation)?;
    Ok(indexed_data(indexed, raster))
}

fn indexed_data<'r>(indexed: palette::Indexed, raster: &Raster) -> Stored<'r> {
    let depth = match indexed.colors.len() {
        0..=2 => ::png::BitDepth::One,
        3..=4 => ::png::BitDepth::Two,
        5..=16 => ::png::BitDepth::Four,
        _ => ::png::BitDepth::Eight,
    };
    let data = pack(indexed.indices, raster.width() as usize, depth as usize).into();
    Stored { color: ::png::ColorType::Indexed, depth, data, palette: Some(indexed.colors) }
}

/// Selects a palette for up to 256 colours, grey for pictures without colour, and truecolour otherwise.
fn smallest(raster: &Raster, budget: Budget) -> Result<Stored<'_>, Error> {
    let is_grey = is_grey(raster);
    let has_alpha = raster.channels().has_alpha();
    // The indices, unpacked and packed.
    budget.check_memory(palette::memory(raster) * 3 / 2)?;
    if let Some(indexed) = palette::exact(raster, if is_grey && !has_alpha { 16 } else { 256 }) {
        return Ok(indexed_data(indexed, raster));
    }
    let color = match (is_grey, has_alpha) {
        (true, true) => ::png::ColorType::GrayscaleAlpha,
        (true, false) => ::png::ColorType::Grayscale,
        (false, true) => ::png::ColorType::Rgba,
        (false, false) => ::png::ColorType::Rgb,
    };
    let samples = raster.samples().as_bytes();
    let count = raster.channels().count();
    let data = if is_grey && count > 2 {
        let wanted = if has_alpha { 2 } else { 1 };
        budget.check_memory((samples.len() / count * wanted) as u64)?;
        let mut grey = Vec::with_capacity(samples.len() / count * wanted);
        samples.chunks_exact(count).for_each(|pixel| grey.extend_from_slice(&pixel[3 - 1..][..wanted]));
        grey.into()
    } else {
        samples.into()
    };
    Ok(Stored { color, depth: ::png::BitDepth::Eight, data, palette: None })
}

/// Whether red, green and blue are equal in every pixel.
fn is_grey(raster: &Raster) -> bool {
    let samples = raster.samples().as_bytes();
    match raster.channels() {
        Channels::L | Channels::La => true,
        Channels::Rgb => samples.as_chunks().0.iter().all(|&[r, g, b]| r == g && g == b),
        Channels::Rgba => samples.as_chunks().0.iter().all(|&[r, g, b, _]| r == g && g == b),
        Channels::Cmyk => false,
    }
}

/// Packs indices into bytes, the leftmost pixel in the high bits; every row starts at a byte (PNG 3rd edition, 7.2).
fn pack(indices: Vec<u8>, width: usize, depth: usize) -> Vec<u8> {
    if depth == 8 {
        return indices;
    }
    let per_byte = 8 / depth;
    let byte = |group: &[u8]| {
        group.iter().enumerate().fold(0, |byte, (place, index)| byte | (index << (8 - depth * (place + 1))))
    };
    let mut packed = Vec::with_capacity(width.div_ceil(per_byte) * (indices.len() / width));
    packed.extend(indices.chunks(width).flat_map(|row| row.chunks(per_byte).map(byte)));
    packed
}

#[cfg(test)]
mod tests {
    use super::super::super::{Area, DecodeOptions, Decoder as _, Samples};
    use super::*;

    fn round_trip(raster: &Raster) -> (Raster, ::png::ColorType) {
        let options = EncodeOptions::DEFAULT;
        let cancellation = Cancellation::unbounded();
        let bytes = Png.encode(raster, &options, Budget::UNLIMITED, &cancellation).unwrap();
        let info = ::png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap().info().color_type;
        let budget = Budget { pixels: 1 << 20, memory: 1 << 24 };
        let options = DecodeOptions::new(Area::whole(raster.width(), raster.height()), budget, &cancellation);
        (Png.decode(&bytes, &options).unwrap().raster, info)
    }

    fn raster(width: u32, channels: Channels, samples: Vec<u8>) -> Raster {
        let height = samples.len() as u32 / channels.count() as u32 / width;
        Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
    }

    #[test]
    fn a_palette_with_loss_has_so_many_colours_at_the_least_depth() {
        use ::png::BitDepth::{Eight, Four, One, Two};
        let shades = |channels: Channels, alpha: fn(usize) -> u8| {
            let count = channels.count();
            let has_alpha = channels.has_alpha();
            let sample = |i: usize| match i % count {
                channel if has_alpha && channel == count - 1 => alpha(i / count),
                channel => (i / count * 3 / (channel + 1)) as u8,
            };
            raster(60, channels, (0..60 * 50 * count).map(sample).collect())
        };
        let fades = |i: usize| (i % 60 * 4) as u8;
        let cancellation = Cancellation::unbounded();
        for (colors, depth) in [(2, One), (3, Two), (4, Two), (5, Four), (16, Four), (17, Eight), (256, Eight)] {
            for picture in [shades(Channels::Rgb, |_| 0), shades(Channels::Rgba, fades), shades(Channels::L, |_| 0)] {
                for dither in [0, 100] {
                    let palette = Some(PaletteOptions { colors, dither });
                    let options = EncodeOptions { palette, ..EncodeOptions::DEFAULT };
                    let bytes = Png.encode(&picture, &options, Budget::UNLIMITED, &cancellation).unwrap();
                    let reader = ::png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
                    let info = reader.info();
                    let found = info.palette.as_ref().unwrap().len() / 3;
                    assert!(found <= usize::from(colors) && found > usize::from(colors) / 2, "{colors}: {found}");
                    assert_eq!((info.color_type, info.bit_depth), (::png::ColorType::Indexed, depth), "{colors}");
                    // What is opaque comes last, so that tRNS is as short as it can be (PNG 3rd edition, 11.3.1.1).
                    let alphas = info.trns.as_ref().map_or(0, |alphas| alphas.len());
                    assert!(alphas <= found && (alphas > 0) == picture.channels().has_alpha(), "{colors}: {alphas}");
                }
            }
        }
        let few = raster(2, Channels::Rgb, vec![1, 2, 3, 4, 5, 6]);
        let options = EncodeOptions { palette: Some(PaletteOptions::DEFAULT), ..EncodeOptions::DEFAULT };
        let exact = Png.encode(&few, &EncodeOptions::DEFAULT, Budget::UNLIMITED, &cancellation);
        assert_eq!(Png.encode(&few, &options, Budget::UNLIMITED, &cancellation), exact);
        cancellation.cancel();
        assert!(Png.encode(&few, &options, Budget::UNLIMITED, &cancellation).is_err());
    }

    fn grey_and_alpha(raster: &Raster) -> Vec<[u8; 2]> {
        palette::pixels(raster).unwrap().map(|[grey, _, _, alpha]| [grey, alpha]).collect()
    }

    #[test]
    fn repetitions_are_found_in_drawings_only() {
        let (width, height) = (256usize, 96usize);
        let picture = |pixel: &dyn Fn(usize, usize) -> [u8; 3]| {
            raster(width as u32, Channels::Rgb, (0..width * height).flat_map(|i| pixel(i % width, i / width)).collect())
        };
        let noise = |x: usize, y: usize| ((x * 2_654_435_761) ^ (y * 40_503) ^ (x * y * 97)) >> 5;
        // Tiles of noise with more than 256 colours: neither flat nor smooth, but each is there many times.
        let tiles = picture(&|x, y| {
            let value = noise(x % 23, y % 24);
            [value as u8, (value >> 8) as u8, (value >> 16) as u8]
        });
        let grain = picture(&|x, y| {
            let value = noise(x, y);
            [100 + value as u8 % 20, (x / 2) as u8, (value >> 8) as u8 % 30]
        });
        let cancellation = Cancellation::unbounded();
        for (picture, expected) in [(&tiles, true), (&grain, false)] {
            let stored = smallest(picture, Budget::UNLIMITED).unwrap();
            assert!(stored.palette.is_none());
            assert_eq!(repeats(&stored, width, &cancellation).unwrap(), expected);
            let bytes = Png.encode(picture, &EncodeOptions::DEFAULT, Budget::UNLIMITED, &cancellation).unwrap();
            let quick = compress(picture, &stored, Method::Differences, Budget::UNLIMITED, &cancellation).unwrap();
            assert_eq!(bytes.len() * 4 < quick.len(), expected, "{} {}", bytes.len(), quick.len());
        }
        cancellation.cancel();
        let stored = smallest(&tiles, Budget::UNLIMITED).unwrap();
        assert!(repeats(&stored, width, &cancellation).is_err());
    }

    #[test]
    fn nothing_is_lost_in_the_smallest_form() {
        let many = |pixel: fn(u32) -> Vec<u8>| (0..700).flat_map(pixel).collect::<Vec<u8>>();
        let table = [
            (
                raster(3, Channels::Rgb, vec![9, 0, 0, 1, 2, 3, 9, 0, 0, 1, 2, 3, 1, 2, 3, 7, 7, 7]),
                ::png::ColorType::Indexed,
            ),
            (raster(1, Channels::Rgba, vec![1, 2, 3, 255, 4, 5, 6, 128, 0, 0, 0, 0]), ::png::ColorType::Indexed),
            (raster(7, Channels::Rgb, many(|i| vec![(i / 3) as u8; 3])), ::png::ColorType::Grayscale),
            (
                raster(7, Channels::Rgba, many(|i| vec![i as u8, i as u8, i as u8, (i / 2) as u8])),
                ::png::ColorType::GrayscaleAlpha,
            ),
            (raster(7, Channels::Rgb, many(|i| vec![i as u8, (i / 256) as u8, 3])), ::png::ColorType::Rgb),
            (raster(7, Channels::Rgba, many(|i| vec![i as u8, 1, 2, (1 + i / 256) as u8])), ::png::ColorType::Rgba),
        ];
        for (picture, color) in table {
            let (decoded, stored_as) = round_trip(&picture);
            assert_eq!(stored_as, color);
            let rgba = |r: &Raster| {
                palette::exact(r, 256).map(|p| p.indices.iter().map(|i| p.colors[*i as usize]).collect::<Vec<_>>())
            };
            match rgba(&picture) {
                Some(colors) => assert_eq!(rgba(&decoded).unwrap(), colors),
                None if is_grey(&picture) => assert_eq!(grey_and_alpha(&decoded), grey_and_alpha(&picture)),
                None => assert_eq!(decoded.samples(), picture.samples()),
            }
        }
    }
}
