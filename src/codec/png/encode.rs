//! Writing: the colour type that takes the least, and the compression that suits the picture.

use super::super::{Channels, Encoder, Encoding, Error, Format, Raster, Samples, Stopped, Work, palette};
use super::Png;

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
    use super::super::super::{Area, Budget, Decoder as _, Need};
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
