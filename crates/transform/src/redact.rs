//! Redaction: hides areas of a decoded picture before any other processing.
//!
//! Hidden content is destroyed before the picture is resized, so that no filter, gravity or transparent pixel can
//! reveal it. An area becomes a mosaic of at most six cells along its longer side, and a blur is computed from that
//! mosaic, since a mere blur could be reversed. Areas are extended to whole pixels of the decoded picture, plus one,
//! which chroma may reach over.

use super::colour::{is_grey, with_colour, with_colour_memory};
use super::conversion::{self, Conversion};
use super::mosaic::{Cells, Span};
use super::resize::{resize, whole_pixels};
use image_origin_codec::{self as codec, Area, Budget, Cancellation, Decoded, Raster, Samples};
use image_origin_query::{Color, Colorspace, RedactMode};

/// The number of cells along the longer side of an area.
const CELLS: f64 = 6.0;

/// Hides areas, given in pixels of the stored picture. `budget` is for all memory, including the picture.
///
/// # Errors
/// [`codec::Error::Cancelled`] between rows, and [`codec::Error::TooLarge`] before anything is allocated.
pub(super) fn hide(
    mut decoded: Decoded,
    areas: &[Area],
    mode: RedactMode,
    asked: Colorspace,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Decoded, codec::Error> {
    let color = match mode {
        RedactMode::Color(color) => {
            let space;
            (decoded, space) = converted(decoded, color, asked, budget)?;
            Some(conversion::color(color, space))
        }
        RedactMode::Pixelate | RedactMode::Blur => None,
    };
    for area in areas {
        let Some((across, down)) = spans(area.in_raster(&decoded.raster, decoded.area), &decoded.raster) else {
            continue;
        };
        let raster = &mut decoded.raster;
        match color {
            Some(color) => paint(raster, across, down, color),
            None => dissolve(raster, across, down, mode == RedactMode::Blur, budget, cancellation)?,
        }
        cancellation.check()?;
    }
    Ok(decoded)
}

/// Converts the picture to a space that can represent the colour, and returns that space.
fn converted(
    decoded: Decoded,
    color: Color,
    asked: Colorspace,
    budget: Budget,
) -> Result<(Decoded, Colorspace), codec::Error> {
    let conversion = Conversion::new(&decoded, asked);
    let mut raster = conversion.apply(decoded.raster);
    let [red, green, blue] = color.rgb;
    if is_grey(&raster) && (red != green || green != blue) {
        budget.check_memory(with_colour_memory(&raster))?;
        raster = with_colour(raster);
    }
    Ok((Decoded { raster, icc: conversion::profile(conversion.to), ..decoded }, conversion.to))
}

/// The whole columns and rows that an area touches, plus one on each side; `None` if it lies outside of the picture.
fn spans(area: Area, raster: &Raster) -> Option<(Span, Span)> {
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    let beside =
        area.x >= width as f64 || area.y >= height as f64 || area.x + area.width <= 0.0 || area.y + area.height <= 0.0;
    if beside {
        return None;
    }
    let whole = whole_pixels(area, raster.width(), raster.height());
    let wider = |start: f64, length: f64, side: usize| {
        (start as usize).saturating_sub(1)..((start + length) as usize + 1).min(side)
    };
    Some((wider(whole.x, whole.width, width), wider(whole.y, whole.height, height)))
}

/// Replaces an area by the means of a few cells.
fn dissolve(
    raster: &mut Raster,
    across: Span,
    down: Span,
    is_smooth: bool,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<(), codec::Error> {
    let longest = across.len().max(down.len()) as f64;
    let count = |length: usize| (CELLS * length as f64 / longest).round().max(1.0) as usize;
    let cells = Cells::even(across.clone(), down.clone(), count(across.len()), count(down.len()));
    budget.check_memory(raster.bytes() + cells.memory(raster))?;
    let means = cells.means(raster, cancellation)?;
    if !is_smooth {
        cells.fill(raster, &means);
        return Ok(());
    }
    let all = Area::whole(means.width(), means.height());
    let budget = budget.beside(raster.bytes())?;
    let smooth = resize(means, all, all, across.len() as u32, down.len() as u32, budget)?;
    let pixel = size_of_val(raster.samples().as_bytes()) / (raster.width() as usize * raster.height() as usize);
    let stride = raster.width() as usize * pixel;
    let rows = raster.samples_mut().chunks_exact_mut(stride).skip(down.start);
    for (to, from) in rows.zip(smooth.samples().as_bytes().chunks_exact(across.len() * pixel)) {
        to[across.start * pixel..across.end * pixel].copy_from_slice(from);
    }
    Ok(())
}

/// Fills an area with an opaque colour in the picture's space.
fn paint(raster: &mut Raster, across: Span, down: Span, color: Color) {
    let [red, green, blue] = color.rgb;
    let colours: &[u8] = if is_grey(raster) { &[red] } else { &[red, green, blue] };
    let alpha: &[u8] = if raster.channels().has_alpha() { &[u8::MAX] } else { &[] };
    let is_wide = matches!(raster.samples(), Samples::U16(_));
    // Both bytes of a 16-bit sample are equal if it represents an 8-bit value.
    let times = if is_wide { 2 } else { 1 };
    let pixel: Vec<u8> = colours.iter().chain(alpha).flat_map(|sample| std::iter::repeat_n(*sample, times)).collect();
    let stride = raster.width() as usize * pixel.len();
    for row in raster.samples_mut().chunks_exact_mut(stride).take(down.end).skip(down.start) {
        for to in row[across.start * pixel.len()..across.end * pixel.len()].chunks_exact_mut(pixel.len()) {
            to.copy_from_slice(&pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::Channels;

    /// Noise in which every sample of one area is above 200, and of the rest below 100.
    fn secret(channels: Channels) -> Raster {
        let count = channels.count();
        let sample = |i: usize| {
            let (x, y) = (i / count % 64, i / count / 64);
            let is_inside = (20..44).contains(&x) && (10..30).contains(&y);
            let noise = (i.wrapping_mul(2_654_435_761) >> 7) % 50;
            if is_inside { 201 + noise as u8 } else { 50 + noise as u8 }
        };
        Raster::new(64, 48, channels, Samples::U8((0..64 * 48 * count).map(sample).collect())).unwrap()
    }

    fn hidden(raster: Raster, mode: RedactMode) -> Raster {
        let areas = [
            Area { x: 20.4, y: 10.0, width: 23.0, height: 19.9 },
            Area { x: 64.0, y: 0.0, width: 5.0, height: 5.0 },
            Area { x: -9.0, y: 0.0, width: 9.0, height: 5.0 },
        ];
        let cancellation = Cancellation::unbounded();
        hide(Decoded::whole(raster, None), &areas, mode, Colorspace::Srgb, Budget::UNLIMITED, &cancellation)
            .unwrap()
            .raster
    }

    #[test]
    fn nothing_of_an_area_is_left_and_all_of_the_rest() {
        let red = Color { rgb: [255, 0, 0], alpha: 255 };
        for channels in [Channels::L, Channels::La, Channels::Rgb, Channels::Rgba] {
            for mode in
                [RedactMode::Pixelate, RedactMode::Blur, RedactMode::Color(red), RedactMode::Color(Color::WHITE)]
            {
                let (before, after) = (secret(channels), hidden(secret(channels), mode));
                let (from, to) = (before.channels().count(), after.channels().count());
                let mut seen = std::collections::BTreeSet::new();
                for i in 0..64 * 48 {
                    let (x, y) = (i % 64, i / 64);
                    let pixel =
                        |raster: &Raster, count: usize| raster.samples().as_bytes()[i * count..][..count].to_vec();
                    let (before, after) = (pixel(&before, from), pixel(&after, to));
                    if (19..45).contains(&x) && (9..31).contains(&y) {
                        seen.insert(after);
                    } else if from == to {
                        assert_eq!(before, after, "{channels:?} {mode:?} {x},{y}");
                    }
                }
                match mode {
                    RedactMode::Pixelate => assert!(seen.len() <= 36, "{channels:?}: {}", seen.len()),
                    RedactMode::Color(_) => assert_eq!(seen.len(), 1, "{channels:?}"),
                    RedactMode::Blur => assert!(seen.len() > 8, "{channels:?}: {}", seen.len()),
                }
            }
        }
    }

    #[test]
    fn what_is_transparent_hides_nothing() {
        // All samples of the area have alpha 0.
        let samples = (0..16 * 16).flat_map(|i| [(i % 251) as u8, 7, 9, 0]).collect();
        let raster = Raster::new(16, 16, Channels::Rgba, Samples::U8(samples)).unwrap();
        let whole = [Area::whole(16, 16)];
        for mode in [RedactMode::Pixelate, RedactMode::Blur] {
            let cancellation = Cancellation::unbounded();
            let decoded = Decoded::whole(raster.clone(), None);
            let out = hide(decoded, &whole, mode, Colorspace::Srgb, Budget::UNLIMITED, &cancellation).unwrap().raster;
            assert!(out.samples().as_bytes().iter().all(|sample| *sample == 0), "{mode:?}");
        }
    }

    #[test]
    fn colours_are_those_of_the_output() {
        // No ink, and the area is painted red.
        let inks = Raster::new(4, 4, Channels::Cmyk, Samples::U8(vec![0; 64])).unwrap();
        let red = RedactMode::Color(Color { rgb: [255, 0, 0], alpha: 255 });
        let area = [Area { x: 0.0, y: 0.0, width: 1.0, height: 4.0 }];
        let cancellation = Cancellation::unbounded();
        let out =
            hide(Decoded::whole(inks, None), &area, red, Colorspace::Srgb, Budget::UNLIMITED, &cancellation).unwrap();
        assert_eq!((out.raster.channels(), out.icc), (Channels::Rgb, None));
        assert_eq!(out.raster.samples().as_bytes()[..12], [255, 0, 0, 255, 0, 0, 255, 255, 255, 255, 255, 255]);
        let wide = Raster::new(4, 1, Channels::L, Samples::U16(vec![9; 4])).unwrap();
        let out =
            hide(Decoded::whole(wide, None), &area, red, Colorspace::Srgb, Budget::UNLIMITED, &cancellation).unwrap();
        let Samples::U16(samples) = out.raster.samples() else { panic!("samples keep their size") };
        assert_eq!(samples[..3], [65_535, 0, 0]);
    }
}
