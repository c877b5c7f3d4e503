//! Lossy WebP, decoded to the required scale.

use std::ops::Range;

use image_origin_vp8::lossy as vp8;

use super::container::Lossy;
use super::full::{Full, Rows};
use super::smaller::Smaller;
use super::weighted::Weighted;
use super::{alpha, damaged};
use crate::shrink;
use crate::{Area, DecodeOptions, Decoded, Error, Flaw, Format, Raster};
use image_origin_container as container;

/// Decodes the required rows, reduced if that suffices.
pub(super) fn decode(picture: &Lossy<'_>, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
    let factor = factor(options.scale);
    let rows = rows(options.area, picture.height as usize, factor);
    let raster = match picture.alpha {
        Some(chunk) => decode_with_alpha(picture, chunk, rows.clone(), factor, options)?,
        None if factor > 1 => decode_smaller(picture, rows.clone(), factor, options)?,
        None => decode_full(picture, rows.clone(), options)?,
    };
    let Some(raster) = raster else {
        return Err(damaged("no row could be decoded"));
    };
    let icc =
        if picture.is_extended { container::icc_profile(bytes, Format::WebP, options.cancellation)? } else { None };
    let square = factor as f64;
    let (width, height) = (f64::from(raster.width()) * square, f64::from(raster.height()) * square);
    let area = Area { x: 0.0, y: rows.start as f64, width, height };
    let flaw = picture.is_cut.then_some(Flaw::CutShort);
    let icc = icc.map(std::borrow::Cow::into_owned);
    Ok(Decoded { raster, area, blur: shrink::blur(factor), icc, flaw })
}

/// The side of the squares of pixels that become one pixel. Chroma has half the resolution, so it is even, so that
/// whole chroma samples are averaged.
fn factor(scale: f64) -> usize {
    match shrink::factor(scale) {
        1 => 1,
        factor => factor / 2 * 2,
    }
}

/// The rows of an area, extended to whole squares.
fn rows(area: Area, height: usize, factor: usize) -> Range<usize> {
    let start = (area.y.max(0.0) as usize).min(height - 1) / factor * factor;
    let end = ((area.y + area.height).ceil() as usize).next_multiple_of(factor).clamp(start + 1, height);
    start..end
}

fn decode_full(picture: &Lossy<'_>, rows: Range<usize>, options: &DecodeOptions<'_>) -> Result<Option<Raster>, Error> {
    let bytes = u64::from(picture.width) * rows.len() as u64 * 3;
    options.budget.check_memory(bytes + Full::memory(picture.width) + vp8::memory(picture.width))?;
    let pixels = Vec::with_capacity(bytes as usize);
    let mut full = Full::new(size(picture), rows.clone(), Rows::Opaque(pixels));
    vp8::decode(
        picture.frame,
        &decoder_options(picture, &rows, options.scale).check(&|| options.cancellation.go_on()),
        &mut full,
    )?;
    Ok(full.finish())
}

fn decode_smaller(
    picture: &Lossy<'_>,
    rows: Range<usize>,
    factor: usize,
    options: &DecodeOptions<'_>,
) -> Result<Option<Raster>, Error> {
    options.budget.check_memory(Smaller::memory(picture.width, rows.len(), factor) + vp8::memory(picture.width))?;
    let mut smaller = Smaller::new(size(picture), rows.clone(), factor);
    vp8::decode(
        picture.frame,
        &decoder_options(picture, &rows, options.scale).check(&|| options.cancellation.go_on()),
        &mut smaller,
    )?;
    Ok(smaller.finish())
}

fn decode_with_alpha(
    picture: &Lossy<'_>,
    chunk: &[u8],
    rows: Range<usize>,
    factor: usize,
    options: &DecodeOptions<'_>,
) -> Result<Option<Raster>, Error> {
    let (width, height) = (picture.width, picture.height);
    let pixels = u64::from(width) * u64::from(height);
    let out = match factor {
        1 => u64::from(width) * rows.len() as u64 * 4 + Full::memory(width),
        _ => Weighted::memory(width, rows.len(), factor),
    };
    options.budget.check_memory(pixels + out + vp8::memory(width))?;
    let alpha = alpha::decode(chunk, width, height, options.budget, options.cancellation)?;
    let check = || options.cancellation.go_on();
    let frame_options = decoder_options(picture, &rows, options.scale).check(&check);
    if factor > 1 {
        let mut weighted = Weighted::new(size(picture), rows, factor, alpha);
        vp8::decode(picture.frame, &frame_options, &mut weighted)?;
        return Ok(weighted.finish());
    }
    let bytes = width as usize * rows.len() * 4;
    let mut full = Full::new(size(picture), rows, Rows::WithAlpha { alpha, pixels: Vec::with_capacity(bytes) });
    vp8::decode(picture.frame, &frame_options, &mut full)?;
    Ok(full.finish())
}

fn size(picture: &Lossy<'_>) -> (usize, usize) {
    (picture.width as usize, picture.height as usize)
}

/// The scale up to which large pictures are not filtered, which brings them nearer to what was encoded, if anything, and from how
/// many pixels on they are large: see `crates/vp8/NOTES.md`.
const UNFILTERED_SCALE: f64 = 1.0 / 3.0;
const LARGE: usize = 2_000_000;

/// The side of squares whose means hide the filter's effect in pictures of any size.
const UNFILTERED_FACTOR: usize = 8;

fn decoder_options(picture: &Lossy<'_>, rows: &Range<usize>, scale: f64) -> vp8::DecodeOptions<'static> {
    // The last row is interpolated with chroma from the row below it.
    vp8::DecodeOptions::default().filtered(is_filtered(size(picture), scale)).rows(rows.end + 2)
}

/// Whether a picture of this size is filtered before it is reduced to a scale.
fn is_filtered((width, height): (usize, usize), scale: f64) -> bool {
    let is_hidden = width * height >= LARGE && scale <= UNFILTERED_SCALE || factor(scale) >= UNFILTERED_FACTOR;
    !is_hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_the_filter_leaves_it_out() {
        for (size, scale, expected) in [
            ((2000, 1000), 1.0, true),
            ((2000, 1000), 0.34, true),
            ((2000, 1000), 0.33, false),
            ((2000, 999), 0.33, true),
            ((2000, 999), 0.07, true),
            ((2000, 999), 0.06, false),
        ] {
            assert_eq!(is_filtered(size, scale), expected, "{size:?} {scale}");
        }
    }
}
