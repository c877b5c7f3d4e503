//! Lossless WebP.

use image_origin_vp8::lossless::{self, Header};

use super::container::Lossless;
use super::damaged;
use crate::shrink::{self, Shrink};
use crate::{Area, Channels, DecodeOptions, Decoded, Error, Flaw, Format, MISSING, Raster, Samples};
use image_origin_container as container;

/// Decodes the whole picture, reduced if that suffices.
pub(super) fn decode(picture: &Lossless<'_>, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
    let factor = shrink::factor(options.scale);
    let (raster, rows) =
        if factor > 1 { decode_smaller(picture, factor, options)? } else { decode_full(picture, options)? };
    let icc =
        if picture.is_extended { container::icc_profile(bytes, Format::WebP, options.cancellation)? } else { None };
    let flaw = (rows < picture.header.height as usize).then_some(Flaw::CutShort);
    let side = factor as f64;
    let (width, height) = (f64::from(raster.width()) * side, f64::from(raster.height()) * side);
    let area = Area { x: 0.0, y: 0.0, width, height };
    let icc = icc.map(std::borrow::Cow::into_owned);
    Ok(Decoded { raster, area, blur: shrink::blur(factor), icc, flaw })
}

/// The picture, and the number of its rows that are in the stream.
fn decode_full(picture: &Lossless<'_>, options: &DecodeOptions<'_>) -> Result<(Raster, usize), Error> {
    let Header { width, height, has_alpha, .. } = picture.header;
    let lossless::Picture { mut samples, rows, .. } = stored(picture, options)?;
    let channels = if has_alpha { Channels::Rgba } else { Channels::Rgb };
    if !has_alpha {
        drop_alpha(&mut samples);
        samples[rows * width as usize * 3..].fill(MISSING);
    }
    let raster = Raster::new(width, height, channels, Samples::U8(samples)).ok_or_else(|| damaged("a side is zero"))?;
    Ok((raster, rows))
}

/// As [`decode_full`], of squares of `factor` by `factor` pixels that became one pixel while rows were decoded.
fn decode_smaller(
    picture: &Lossless<'_>,
    factor: usize,
    options: &DecodeOptions<'_>,
) -> Result<(Raster, usize), Error> {
    let Header { width, height, has_alpha, .. } = picture.header;
    let budget = options.budget.beside(Shrink::memory(width, height, Channels::Rgba, factor))?;
    let mut shrink = if has_alpha { Shrink::new(width, Channels::Rgba, factor) } else { Shrink::rgbx(width, factor) };
    let check = || options.cancellation.go_on();
    let options = lossless::DecodeOptions::default().max_bytes(budget.memory).check(&check);
    let rows = lossless::decode_rows(picture.stream, &options, &mut |row| shrink.push(row))?;
    if rows < height as usize {
        let missing = vec![if has_alpha { 0 } else { MISSING }; width as usize * 4];
        (rows..height as usize).for_each(|_| shrink.push(&missing));
    }
    Ok((shrink.finish().ok_or_else(|| damaged("a side is zero"))?, rows))
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
        let [red, green, blue] = [0, 1, 2].map(|channel| samples[4 * index + channel]);
        samples[3 * index..3 * index + 3].copy_from_slice(&[red, green, blue]);
    }
    samples.truncate(3 * pixels);
}

#[cfg(test)]
mod tests;
