//! GIF: the first picture of the file, composed onto its canvas; writing one picture with its own palette.

use image::codecs::gif::GifDecoder;

use super::{
    Budget, Decoded, Decoder, Encoder, Encoding, Error, Format, Header, Need, Raster, Stopped, Work, palette, reader,
};

/// GIF, both ways.
pub(super) struct Gif;

/// One byte a pixel for the palette indices of a frame, and four for the frame before it is put onto the canvas.
const OVERHEAD: u64 = 5;

fn open<'a>(bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<GifDecoder<reader::WatchedReader<'a>>, Error> {
    let mut decoder = GifDecoder::new(reader::WatchedReader::new(bytes, work))
        .map_err(|error| reader::map_error(Format::Gif, &error, work))?;
    image::ImageDecoder::set_limits(&mut decoder, reader::limits(budget))
        .map_err(|error| reader::map_error(Format::Gif, &error, work))?;
    Ok(decoder)
}

impl Decoder for Gif {
    fn probe(&self, bytes: &[u8], budget: Budget) -> Result<Header, Error> {
        let work = Work::unbounded();
        reader::header(Format::Gif, &mut open(bytes, budget, &work)?, budget)
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        reader::read(Format::Gif, open(bytes, need.budget, need.work)?, OVERHEAD, need)
    }

    fn count_frames(&self, bytes: &[u8], work: &Work) -> Result<u32, Error> {
        let mut options = ::gif::DecodeOptions::new();
        options.skip_frame_decoding(true);
        let damaged = |error: ::gif::DecodingError| match work.check() {
            Ok(()) => Error::Damaged { format: Format::Gif, reason: error.to_string() },
            Err(stopped) => stopped.into(),
        };
        let mut decoder = options.read_info(reader::WatchedReader::new(bytes, work)).map_err(damaged)?;
        let mut frames = 0;
        // A file that breaks off still shows the frames before the break.
        while let Ok(Some(_)) = decoder.next_frame_info() {
            frames += 1;
        }
        Ok(frames.max(1))
    }
}

impl Encoder for Gif {
    fn format(&self) -> Format {
        Format::Gif
    }

    fn has_alpha(&self) -> bool {
        true
    }

    fn has_quality(&self, _: &Encoding) -> bool {
        false
    }

    fn encode(&self, raster: &Raster, _: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
        work.check()?;
        let side = |pixels: u32| {
            u16::try_from(pixels).map_err(|_| Error::TooLarge {
                what: "a side of a gif in pixels",
                needs: pixels.into(),
                allowed: u16::MAX.into(),
            })
        };
        let (width, height) = (side(raster.width())?, side(raster.height())?);
        let quantized = palette::exact(raster, 256).unwrap_or_else(|| palette::quantized(raster));
        work.check()?;
        let transparent = quantized.colors.iter().position(|color| color[3] == 0).and_then(|i| u8::try_from(i).ok());
        let frame = ::gif::Frame {
            width,
            height,
            buffer: quantized.indices.into(),
            palette: Some(quantized.colors.iter().flat_map(|color| [color[0], color[1], color[2]]).collect()),
            transparent,
            ..::gif::Frame::default()
        };
        let mut out = Vec::new();
        // Writing to memory fails only for sides or palettes that the types above rule out.
        let written =
            ::gif::Encoder::new(&mut out, width, height, &[]).and_then(|mut encoder| encoder.write_frame(&frame));
        written.map_err(|_| Stopped)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Channels, Samples};

    #[test]
    fn few_colours_and_transparency_survive() {
        let pixels = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 0, 0], [9, 8, 7, 255]];
        let raster = Raster::new(2, 2, Channels::Rgba, Samples::U8(pixels.concat())).unwrap();
        let encoding = Encoding { quality: 80, lossless: false, progressive: false };
        let bytes = Gif.encode(&raster, &encoding, &Work::unbounded()).unwrap();
        let budget = Budget { pixels: 100, memory: 10_000 };
        let need = Need { area: super::super::Area::whole(2, 2), scale: 1.0, budget, work: &Work::unbounded() };
        let decoded = Gif.decode(&bytes, &need).unwrap().raster;
        assert_eq!(decoded.samples(), raster.samples());
        assert_eq!(Gif.count_frames(&bytes, &Work::unbounded()), Ok(1));
    }
}
