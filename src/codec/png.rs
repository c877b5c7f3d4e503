//! PNG: every depth and colour type in, the smallest that loses nothing out; animations in `apng.rs`.

use image::codecs::png::PngDecoder;

use super::profile::{self, Chromaticities};
use super::shrink::{self, Shrink};
use super::{
    Animation, Area, Budget, Channels, Decoded, Decoder, Encoder, Encoding, Error, Format, Frames, Header, Need,
    Raster, Samples, Stopped, Work, apng, palette, reader,
};

/// PNG, both ways.
pub(super) struct Png;

fn open<'a>(bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<PngDecoder<reader::WatchedReader<'a>>, Error> {
    PngDecoder::with_limits(reader::WatchedReader::new(bytes, work), reader::limits(budget))
        .map_err(|error| reader::map_error(Format::Png, &error, work))
}

impl Decoder for Png {
    fn probe(&self, bytes: &[u8], budget: Budget) -> Result<Header, Error> {
        let work = Work::unbounded();
        reader::header(Format::Png, &mut open(bytes, budget, &work)?, budget)
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        let factor = shrink::factor(need.scale);
        if factor > 1
            && let Some(decoded) = decode_smaller(bytes, need, factor)?
        {
            return Ok(decoded);
        }
        let decoded = reader::read(Format::Png, open(bytes, need.budget, need.work)?, 0, need)?;
        let icc =
            header(bytes, need).read_info().ok().and_then(|reader| colours(reader.info(), is_grey(reader.info())));
        Ok(Decoded { icc, ..decoded })
    }

    fn animation(&self, bytes: &[u8], work: &Work) -> Result<Option<Animation>, Error> {
        apng::animation(bytes, work)
    }

    fn frames<'a>(&self, bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<Box<dyn Frames + 'a>, Error> {
        Ok(Box::new(apng::PngFrames::open(bytes, budget, work)?))
    }
}

/// Decodes row by row into a picture that is `factor` times smaller; `None` for pictures of 16 bits and those whose rows
/// do not come one after the other.
fn decode_smaller(bytes: &[u8], need: &Need<'_>, factor: usize) -> Result<Option<Decoded>, Error> {
    let broken = |error: ::png::DecodingError| match need.work.check() {
        Ok(()) => Error::Damaged { format: Format::Png, reason: error.to_string() },
        Err(stopped) => stopped.into(),
    };
    let mut decoder = header(bytes, need);
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
    Ok(Some(Decoded { raster, area: Area { x: 0.0, y: 0.0, width, height }, icc }))
}

fn header<'a>(bytes: &'a [u8], need: &Need<'a>) -> ::png::Decoder<reader::WatchedReader<'a>> {
    let limits = ::png::Limits { bytes: usize::try_from(need.budget.memory).unwrap_or(usize::MAX) };
    let mut decoder = ::png::Decoder::new_with_limits(reader::WatchedReader::new(bytes, need.work), limits);
    decoder.set_ignore_text_chunk(true);
    decoder
}

fn is_grey(info: &::png::Info<'_>) -> bool {
    matches!(info.color_type, ::png::ColorType::Grayscale | ::png::ColorType::GrayscaleAlpha)
}

/// What the samples mean, from the first of cICP, iCCP, sRGB and gAMA with cHRM that there is (PNG 3rd edition, 4.3).
/// `grey` tells whether the samples are given out as grey.
pub(super) fn colours(info: &::png::Info<'_>, grey: bool) -> Option<Vec<u8>> {
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

/// Pixel data in the form that PNG stores it, before filtering.
struct Stored {
    color: ::png::ColorType,
    depth: ::png::BitDepth,
    data: Vec<u8>,
    palette: Option<Vec<[u8; 4]>>,
}

impl Encoder for Png {
    fn format(&self) -> Format {
        Format::Png
    }

    fn has_alpha(&self) -> bool {
        true
    }

    fn has_profile(&self) -> bool {
        true
    }

    fn has_quality(&self, _: &Encoding) -> bool {
        false
    }

    fn encode(&self, raster: &Raster, _: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
        work.check()?;
        let stored = smallest(raster);
        // Differences of palette indices mean nothing, so filters only cost (PNG 3rd edition, 12.7).
        if stored.palette.is_some() {
            return compress(raster, &stored, Method::Matches, work);
        }
        let quick = compress(raster, &stored, Method::Differences, work)?;
        if quick.len() as u64 * FLAT_SHARE > stored.data.len() as u64 {
            return Ok(quick);
        }
        let thorough = compress(raster, &stored, Method::Matches, work)?;
        Ok(if thorough.len() < quick.len() { thorough } else { quick })
    }
}

/// Where differences alone make a picture this many times smaller, it is drawn rather than photographed, and searching
/// for repetitions is likely to pay.
const FLAT_SHARE: u64 = 4;

/// How pixels are compressed. benches/NOTES.md has the figures behind the choice.
#[derive(Debug, Clone, Copy)]
enum Method {
    /// The best filter for each row, then runs and Huffman codes only: for photographs, which hardly repeat anything.
    Differences,
    /// Unfiltered, then a search for repetitions: for drawings.
    Matches,
}

fn compress(raster: &Raster, stored: &Stored, method: Method, work: &Work) -> Result<Vec<u8>, Error> {
    work.check()?;
    let mut out = WatchedWriter { bytes: Vec::new(), work };
    // Writing to memory fails only when the work is stopped: sizes and types fit by construction.
    write(&mut out, raster, stored, method).map_err(|_| Stopped)?;
    Ok(out.bytes)
}

fn write(
    out: &mut WatchedWriter<'_>,
    raster: &Raster,
    stored: &Stored,
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
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&stored.data)?;
    writer.finish()
}

/// Collects the output, and refuses more of it once the work is stopped.
struct WatchedWriter<'a> {
    bytes: Vec<u8>,
    work: &'a Work,
}

impl std::io::Write for WatchedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.work.check().map_err(std::io::Error::other)?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Chooses a palette where there are at most 256 colours, grey where there is no colour, and truecolour otherwise.
fn smallest(raster: &Raster) -> Stored {
    let grey = grey_samples(raster);
    let few = if grey.is_some() && !raster.channels().has_alpha() { 16 } else { 256 };
    if let Some(indexed) = palette::exact(raster, few) {
        let depth = match indexed.colors.len() {
            0..=2 => ::png::BitDepth::One,
            3..=4 => ::png::BitDepth::Two,
            5..=16 => ::png::BitDepth::Four,
            _ => ::png::BitDepth::Eight,
        };
        let data = pack(&indexed.indices, raster.width() as usize, depth as usize);
        return Stored { color: ::png::ColorType::Indexed, depth, data, palette: Some(indexed.colors) };
    }
    let (color, data) = match (grey, raster.channels()) {
        (Some(grey), channels) if channels.has_alpha() => (::png::ColorType::GrayscaleAlpha, grey),
        (Some(grey), _) => (::png::ColorType::Grayscale, grey),
        (None, Channels::Rgba) => (::png::ColorType::Rgba, raster.samples().as_bytes().to_vec()),
        (None, _) => (::png::ColorType::Rgb, raster.samples().as_bytes().to_vec()),
    };
    Stored { color, depth: ::png::BitDepth::Eight, data, palette: None }
}

/// Grey, with alpha if there is any, of a picture in which red, green and blue are equal everywhere.
fn grey_samples(raster: &Raster) -> Option<Vec<u8>> {
    let Samples::U8(samples) = raster.samples() else { return None };
    match raster.channels() {
        Channels::L | Channels::La => Some(samples.clone()),
        Channels::Rgb => samples.as_chunks().0.iter().map(|&[r, g, b]| (r == g && g == b).then_some(r)).collect(),
        Channels::Rgba => samples
            .as_chunks()
            .0
            .iter()
            .map(|&[r, g, b, a]| (r == g && g == b).then_some([r, a]))
            .collect::<Option<Vec<_>>>()
            .map(|pixels| pixels.concat()),
        Channels::Cmyk => None,
    }
}

/// Packs indices into bytes, the leftmost pixel in the high bits; every row starts a new byte (PNG 3rd edition, 7.2).
fn pack(indices: &[u8], width: usize, depth: usize) -> Vec<u8> {
    if depth == 8 {
        return indices.to_vec();
    }
    let per_byte = 8 / depth;
    let byte = |group: &[u8]| {
        group.iter().enumerate().fold(0, |byte, (place, index)| byte | (index << (8 - depth * (place + 1))))
    };
    indices.chunks(width).flat_map(|row| row.chunks(per_byte).map(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(raster: &Raster) -> (Raster, ::png::ColorType) {
        let encoding = Encoding { quality: 80, lossless: false, progressive: false };
        let work = Work::unbounded();
        let bytes = Png.encode(raster, &encoding, &work).unwrap();
        let info = ::png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap().info().color_type;
        let budget = Budget { pixels: 1 << 20, memory: 1 << 24 };
        let need = Need { area: Area::whole(raster.width(), raster.height()), scale: 1.0, budget, work: &work };
        (Png.decode(&bytes, &need).unwrap().raster, info)
    }

    fn raster(width: u32, channels: Channels, samples: Vec<u8>) -> Raster {
        let height = samples.len() as u32 / channels.count() as u32 / width;
        Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
    }

    #[test]
    fn a_smaller_picture_covers_all_of_the_original() {
        let picture = raster(7, Channels::Rgb, (0..7 * 5 * 3u32).map(|i| (i * 2) as u8).collect());
        let encoding = Encoding { quality: 80, lossless: false, progressive: false };
        let work = Work::unbounded();
        let bytes = Png.encode(&picture, &encoding, &work).unwrap();
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
            ("narrow range, which no picture has", vec![cicp([12, 13, 0, 0]), iccp], Some(icc)),
        ];
        let same = |one: Option<Vec<u8>>, other: Option<Vec<u8>>| {
            // Profiles name the second in which they were made.
            let without_date = |profile: Vec<u8>| [&profile[..24], &profile[36..]].concat();
            one.map(without_date) == other.map(without_date)
        };
        let work = Work::unbounded();
        let picture = raster(40, Channels::Rgb, (0..40 * 40 * 3u32).map(|i| (i * 7) as u8).collect());
        let encoding = Encoding { quality: 80, lossless: false, progressive: false };
        let plain = Png.encode(&picture, &encoding, &work).unwrap();
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
                None if grey_samples(&picture).is_some() => assert_eq!(grey_samples(&decoded), grey_samples(&picture)),
                None => assert_eq!(decoded.samples(), picture.samples()),
            }
        }
    }
}
