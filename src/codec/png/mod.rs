//! PNG: every depth and colour type in, animations included; the smallest form that loses nothing out.

mod chunks;
mod encode;
mod frames;

use std::borrow::Cow;

use image::codecs::png::PngDecoder;

use super::profile::{self, Chromaticities};
use super::reader::{self, WatchedReader};
use super::shrink::{self, Shrink};
use super::{Animation, Area, Budget, Channels, Decoded, Decoder, Error, Format, Frames, Header, Need, Work};

/// PNG, both ways.
pub(super) struct Png;

/// Opens a file that is [`chunks::forgiving`] for whole pictures, by way of `image`.
fn open<'a>(file: &'a [u8], budget: Budget, work: &'a Work) -> Result<PngDecoder<WatchedReader<'a>>, Error> {
    PngDecoder::with_limits(WatchedReader::new(file, work), reader::limits(budget))
        .map_err(|error| reader::map_error(Format::Png, &error, work))
}

/// Opens such a file for single rows and frames.
fn header<'a>(file: Cow<'a, [u8]>, budget: Budget, work: &'a Work) -> ::png::Decoder<WatchedReader<'a>> {
    let limits = ::png::Limits { bytes: usize::try_from(budget.memory).unwrap_or(usize::MAX) };
    let mut decoder = ::png::Decoder::new_with_limits(WatchedReader::new(file, work), limits);
    decoder.set_ignore_text_chunk(true);
    decoder
}

/// The stop shows up as one more I/O error.
fn map_error(error: &::png::DecodingError, work: &Work) -> Error {
    match work.check() {
        Ok(()) => Error::Damaged { format: Format::Png, reason: error.to_string() },
        Err(stopped) => stopped.into(),
    }
}

impl Decoder for Png {
    fn probe(&self, bytes: &[u8], budget: Budget, work: &Work) -> Result<Header, Error> {
        let head = chunks::forgiving(chunks::head(bytes), budget)?;
        reader::header(Format::Png, &mut open(&head, budget, work)?, budget)
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        let file = chunks::forgiving(bytes, need.budget)?;
        let factor = shrink::factor(need.scale);
        if factor > 1
            && let Some(decoded) = decode_smaller(&file, need, factor)?
        {
            return Ok(decoded);
        }
        let decoded = reader::read(Format::Png, open(&file, need.budget, need.work)?, 0, need)?;
        let reader = header(Cow::Borrowed(&file), need.budget, need.work).read_info().ok();
        let icc = reader.and_then(|reader| colours(reader.info(), is_grey(reader.info())));
        Ok(Decoded { icc, ..decoded })
    }

    fn animation(&self, bytes: &[u8], work: &Work) -> Result<Option<Animation>, Error> {
        frames::animation(bytes, work)
    }

    fn frames<'a>(&self, bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<Box<dyn Frames + 'a>, Error> {
        Ok(Box::new(frames::PngFrames::open(bytes, budget, work)?))
    }
}

/// Decodes row by row into a picture that is `factor` times smaller; `None` for pictures of 16 bits and those whose rows
/// do not come one after the other.
fn decode_smaller(file: &[u8], need: &Need<'_>, factor: usize) -> Result<Option<Decoded>, Error> {
    let broken = |error| map_error(&error, need.work);
    let mut decoder = header(Cow::Borrowed(file), need.budget, need.work);
    decoder.set_transformations(::png::Transformations::EXPAND);
    let mut rows = decoder.read_info().map_err(broken)?;
    let channels = match rows.output_color_type() {
        (::png::ColorType::Grayscale, ::png::BitDepth::Eight) => Channels::L,
        (::png::ColorType::GrayscaleAlpha, ::png::BitDepth::Eight) => Channels::La,
        (::png::ColorType::Rgb, ::png::BitDepth::Eight) => Channels::Rgb,
        (::png::ColorType::Rgba, ::png::BitDepth::Eight) => Channels::Rgba,
        _ => return Ok(None),
    };
    if rows.info().interlaced {
        return Ok(None);
    }
    let (width, height) = rows.info().size();
    need.budget.check_memory(Shrink::memory(width, height, channels, factor))?;
    let mut shrink = Shrink::new(width, channels, factor);
    while let Some(row) = rows.next_row().map_err(broken)? {
        shrink.push(row.data());
    }
    let icc = colours(rows.info(), is_grey(rows.info()));
    let Some(raster) = shrink.finish() else { return Ok(None) };
    let square = factor as f64;
    let (width, height) = (f64::from(raster.width()) * square, f64::from(raster.height()) * square);
    Ok(Some(Decoded { raster, area: Area { x: 0.0, y: 0.0, width, height }, icc, flaw: None }))
}

fn is_grey(info: &::png::Info<'_>) -> bool {
    matches!(info.color_type, ::png::ColorType::Grayscale | ::png::ColorType::GrayscaleAlpha)
}

/// What the samples mean, from the first of cICP, iCCP, sRGB and gAMA with cHRM that there is (PNG 3rd edition, 4.3).
/// `grey` tells whether the samples are given out as grey.
fn colours(info: &::png::Info<'_>, grey: bool) -> Option<Vec<u8>> {
    if let Some(points) = info.coding_independent_code_points
        && points.is_video_full_range_image
    {
        return profile::from_code_points(points.color_primaries, points.transfer_function, grey);
    }
    if let Some(icc) = &info.icc_profile {
        return Some(icc.to_vec());
    }
    if info.srgb.is_some() {
        return None;
    }
    let chromaticities = info.chrm_chunk.map(|chunk| {
        let [white, red, green, blue] =
            [chunk.white, chunk.red, chunk.green, chunk.blue].map(|(x, y)| (x.into_value(), y.into_value()));
        Chromaticities { white, red, green, blue }
    });
    profile::from_gamma(info.gama_chunk?.into_value(), chromaticities, grey)
}

#[cfg(test)]
mod tests {
    use super::super::{Encoder as _, Encoding, Raster, Samples};
    use super::*;

    fn raster(width: u32, channels: Channels, samples: Vec<u8>) -> Raster {
        let height = samples.len() as u32 / channels.count() as u32 / width;
        Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
    }

    #[test]
    fn a_smaller_picture_covers_all_of_the_original() {
        let picture = raster(7, Channels::Rgb, (0..7 * 5 * 3u32).map(|i| (i * 2) as u8).collect());
        let encoding = Encoding { quality: 80, lossless: false, progressive: false };
        let work = Work::unbounded();
        let bytes = Png.encode(&picture, &encoding, Budget::UNLIMITED, &work).unwrap();
        let budget = Budget { pixels: 1 << 20, memory: 1 << 24 };
        let need = Need { area: Area::whole(7, 5), scale: 0.25, budget, work: &work };
        let decoded = Png.decode(&bytes, &need).unwrap();
        assert_eq!((decoded.raster.width(), decoded.raster.height()), (4, 3));
        assert_eq!(decoded.area, Area::whole(8, 6));
        assert_eq!(decoded.raster.samples().as_bytes()[..3], [24, 26, 28], "of 0, 6, 42 and 48, and so on");
        let cut = Png.decode(&bytes[..bytes.len() - 30], &need);
        assert!(matches!(cut, Err(Error::Damaged { format: Format::Png, .. })), "{cut:?}");
    }

    /// A chunk (PNG 3rd edition, 5.3).
    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let mut crc = flate2::Crc::new();
        crc.update(name);
        crc.update(data);
        [&(data.len() as u32).to_be_bytes(), name.as_slice(), data, &crc.sum().to_be_bytes()].concat()
    }

    #[test]
    fn the_best_description_of_colours_counts() {
        let numbers = |values: &[u32]| values.iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<_>>();
        let cicp = |points: [u8; 4]| chunk(b"cICP", &points);
        let icc = profile::from_code_points(9, 13, false).unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(b"x\0\0".to_vec(), flate2::Compression::fast());
        std::io::Write::write_all(&mut zlib, &icc).unwrap();
        let iccp = chunk(b"iCCP", &zlib.finish().unwrap());
        let (srgb, linear) = (chunk(b"sRGB", &[0]), chunk(b"gAMA", &numbers(&[100_000])));
        let wide = chunk(b"cHRM", &numbers(&[31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000]));
        let p3 = profile::from_code_points(12, 13, false);
        let table = [
            ("nothing", vec![], None),
            ("primaries alone", vec![wide.clone()], None),
            ("gamma", vec![linear.clone()], profile::from_gamma(1.0, None, false)),
            ("sRGB before gamma", vec![srgb.clone(), linear.clone(), wide.clone()], None),
            ("a profile before sRGB", vec![iccp.clone(), linear.clone()], Some(icc.clone())),
            ("code points before all", vec![cicp([12, 13, 0, 1]), iccp.clone(), linear.clone()], p3),
            ("code points of sRGB", vec![cicp([1, 13, 0, 1]), iccp.clone()], None),
            ("narrow range, which no picture has", vec![cicp([12, 13, 0, 0]), iccp.clone()], Some(icc.clone())),
            ("a matrix, which red, green and blue have not", vec![cicp([12, 13, 1, 1]), iccp], Some(icc)),
        ];
        let same = |one: Option<Vec<u8>>, other: Option<Vec<u8>>| {
            // Profiles name the second in which they were made.
            let without_date = |profile: Vec<u8>| [&profile[..24], &profile[36..]].concat();
            one.map(without_date) == other.map(without_date)
        };
        let work = Work::unbounded();
        let picture = raster(40, Channels::Rgb, (0..40 * 40 * 3u32).map(|i| (i * 7) as u8).collect());
        let encoding = Encoding { quality: 80, lossless: false, progressive: false };
        let plain = Png.encode(&picture, &encoding, Budget::UNLIMITED, &work).unwrap();
        let budget = Budget { pixels: 1 << 20, memory: 1 << 24 };
        for (name, chunks, expected) in table {
            let file = [&plain[..33], &chunks.concat(), &plain[33..]].concat();
            for scale in [1.0, 0.1] {
                let need = Need { area: Area::whole(40, 40), scale, budget, work: &work };
                let decoded = Png.decode(&file, &need).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(same(decoded.icc, expected.clone()), "{name} at {scale}");
            }
        }
    }
}
