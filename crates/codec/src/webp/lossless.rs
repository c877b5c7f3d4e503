//! Lossless WebP.

use image_origin_vp8::lossless::{self, Header};

use super::container::Lossless;
use super::damaged;
use crate::{Channels, DecodeOptions, Decoded, Error, Flaw, Format, MISSING, Raster, Samples};
use image_origin_container as container;

/// Decodes the whole picture.
pub(super) fn decode(picture: &Lossless<'_>, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
    let Header { width, height, has_alpha, .. } = picture.header;
    let lossless::Picture { mut samples, rows, .. } = stored(picture, options)?;
    let channels = if has_alpha { Channels::Rgba } else { Channels::Rgb };
    if !has_alpha {
        drop_alpha(&mut samples);
        samples[rows * width as usize * 3..].fill(MISSING);
    }
    let raster = Raster::new(width, height, channels, Samples::U8(samples)).ok_or_else(|| damaged("a side is zero"))?;
    let icc =
        if picture.is_extended { container::icc_profile(bytes, Format::WebP, options.cancellation)? } else { None };
    let flaw = (rows < height as usize).then_some(Flaw::CutShort);
    Ok(Decoded { flaw, ..Decoded::whole(raster, icc.map(std::borrow::Cow::into_owned)) })
}

/// Decodes a frame of an animation: missing pixels are transparent.
pub(super) fn decode_frame(picture: &Lossless<'_>, options: &DecodeOptions<'_>) -> Result<Raster, Error> {
    let Header { width, height, has_alpha, .. } = picture.header;
    let lossless::Picture { mut samples, rows, .. } = stored(picture, options)?;
    if !has_alpha {
        let there = &mut samples[..rows * width as usize * 4];
        there.as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| pixel[3] = 255);
    }
    Raster::new(width, height, Channels::Rgba, Samples::U8(samples)).ok_or_else(|| damaged("a side is zero"))
}

/// Decodes the stored pixels with alpha.
fn stored(picture: &Lossless<'_>, options: &DecodeOptions<'_>) -> Result<lossless::Picture, Error> {
    let check = || options.cancellation.go_on();
    let options = lossless::DecodeOptions::default().max_bytes(options.budget.memory).check(&check);
    Ok(lossless::decode(picture.stream, &options)?)
}

/// Removes the alpha samples in place.
fn drop_alpha(samples: &mut Vec<u8>) {
    let pixels = samples.len() / 4;
    for index in 0..pixels {
        samples.copy_within(4 * index..4 * index + 3, 3 * index);
    }
    samples.truncate(3 * pixels);
}

#[cfg(test)]
mod tests;
