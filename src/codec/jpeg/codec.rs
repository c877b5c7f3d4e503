//! JPEG: every process that is in use in, baseline or progressive out.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, SamplingFactor};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{
    Budget, Channels, Decoded, Decoder, Encoder, Encoding, Error, Format, Header, Need, Orientation, Raster, Samples,
    Stopped, Work,
};

/// JPEG, both ways.
pub(super) struct Jpeg;

/// From this quality on chroma keeps its full resolution: below it, its loss is hidden by that of quantisation.
const FULL_CHROMA_QUALITY: u8 = 91;

fn damaged(reason: impl ToString) -> Error {
    Error::Damaged { format: Format::Jpeg, reason: reason.to_string() }
}

fn open(bytes: &[u8]) -> Result<JpegDecoder<ZCursor<&[u8]>>, Error> {
    let options = DecoderOptions::new_fast()
        .set_max_width(65_535)
        .set_max_height(65_535)
        .set_strict_mode(false)
        .jpeg_set_max_scans(100);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    Ok(decoder)
}

fn channels_of(decoder: &JpegDecoder<ZCursor<&[u8]>>) -> Channels {
    match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => Channels::L,
        Some(ColorSpace::CMYK | ColorSpace::YCCK) => Channels::Cmyk,
        _ => Channels::Rgb,
    }
}

impl Decoder for Jpeg {
    fn probe(&self, bytes: &[u8], budget: Budget) -> Result<Header, Error> {
        let decoder = open(bytes)?;
        let (width, height) = decoder.dimensions().ok_or_else(|| damaged("no size"))?;
        let (width, height) = (width as u32, height as u32);
        if width == 0 || height == 0 {
            return Err(damaged("a side is zero"));
        }
        budget.check_pixels(width, height)?;
        let exif = decoder.exif().and_then(|exif| image::metadata::Orientation::from_exif_chunk(exif));
        let channels = channels_of(&decoder);
        Ok(Header {
            format: Format::Jpeg,
            width,
            height,
            orientation: exif.map_or(Orientation::UPRIGHT, |o| Orientation::from_exif(o.to_exif())),
            channels,
            decode_memory: u64::from(width) * u64::from(height) * channels.count() as u64 * 3,
        })
    }

    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error> {
        need.work.check()?;
        let mut decoder = open(bytes)?;
        let (width, height) = decoder.dimensions().ok_or_else(|| damaged("no size"))?;
        let channels = channels_of(&decoder);
        let out = match channels {
            Channels::L => ColorSpace::Luma,
            Channels::Cmyk => ColorSpace::CMYK,
            _ => ColorSpace::RGB,
        };
        decoder.set_options(decoder.options().jpeg_set_out_colorspace(out));
        let mut samples = decoder.decode().map_err(damaged)?;
        if channels == Channels::Cmyk {
            samples.iter_mut().for_each(|ink| *ink = 255 - *ink);
        }
        let raster = Raster::new(width as u32, height as u32, channels, Samples::U8(samples))
            .ok_or_else(|| damaged("the pixels do not fill the picture"))?;
        Ok(Decoded::whole(raster, decoder.icc_profile()))
    }
}

impl Encoder for Jpeg {
    fn format(&self) -> Format {
        Format::Jpeg
    }

    fn has_alpha(&self) -> bool {
        false
    }

    fn has_quality(&self, _: &Encoding) -> bool {
        true
    }

    fn encode(&self, raster: &Raster, encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
        work.check()?;
        let side = |pixels: u32| {
            u16::try_from(pixels).map_err(|_| Error::TooLarge {
                what: "a side of a jpeg in pixels",
                needs: pixels.into(),
                allowed: u16::MAX.into(),
            })
        };
        let (width, height) = (side(raster.width())?, side(raster.height())?);
        let color = if raster.channels() == Channels::L { ColorType::Luma } else { ColorType::Rgb };
        let sampling = if encoding.quality < FULL_CHROMA_QUALITY { SamplingFactor::F_2_2 } else { SamplingFactor::F_1_1 };
        let mut out = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut out, encoding.quality);
        encoder.set_sampling_factor(sampling);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        encoder.set_progressive(encoding.progressive);
        encoder.set_optimized_huffman_tables(true);
        // Writing to memory fails only for sizes that were checked above.
        encoder.encode(raster.samples().as_bytes(), width, height, color).map_err(|_| Stopped)?;
        work.check()?;
        Ok(out)
    }
}
