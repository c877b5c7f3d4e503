//! From the colours of the original to 8 bit sRGB, on the small picture rather than on the big one.

use moxcms::{ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformOptions};

use super::resize::{blank, is_opaque};
use crate::codec::{Channels, Raster, Samples};
use crate::query::Color;

/// Converts to 8 bit sRGB, grey where the original is grey, without an alpha channel that says nothing.
///
/// A profile that cannot be used is ignored: its picture is shown as if it were sRGB.
pub(super) fn to_srgb(raster: Raster, icc: Option<&[u8]>) -> Raster {
    let raster = to_eight_bits(raster);
    let raster = if is_opaque(&raster) { without_alpha(raster) } else { raster };
    match icc.and_then(|icc| through_profile(&raster, icc)) {
        Some(converted) => converted,
        None if raster.channels() == Channels::Cmyk => naive_cmyk(&raster),
        None => raster,
    }
}

/// Whether a profile leaves the colours of 8 bit RGB as they are, but for rounding: it is tried on a few of them.
pub(super) fn is_srgb(icc: &[u8]) -> bool {
    const STEPS: [u8; 6] = [0, 40, 90, 140, 200, 255];
    const ROUNDING: u8 = 2;
    let levels = || STEPS.into_iter();
    let colours = levels().flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b])));
    let colours: Vec<u8> = colours.collect();
    let Some(raster) = Raster::new(colours.len() as u32 / 3, 1, Channels::Rgb, Samples::U8(colours)) else {
        return false;
    };
    through_profile(&raster, icc).is_none_or(|converted| {
        let pairs = converted.samples().as_bytes().iter().zip(raster.samples().as_bytes());
        pairs.into_iter().all(|(to, from)| to.abs_diff(*from) <= ROUNDING)
    })
}

fn through_profile(raster: &Raster, icc: &[u8]) -> Option<Raster> {
    let profile = ColorProfile::new_from_slice(icc)
        .inspect_err(|error| tracing::warn!(%error, "the ICC profile cannot be read and is ignored"))
        .ok()?;
    let alpha = raster.channels().has_alpha();
    let (space, from) = match raster.channels() {
        Channels::L => (DataColorSpace::Gray, Layout::Gray),
        Channels::La => (DataColorSpace::Gray, Layout::GrayAlpha),
        Channels::Rgb => (DataColorSpace::Rgb, Layout::Rgb),
        Channels::Rgba => (DataColorSpace::Rgb, Layout::Rgba),
        Channels::Cmyk => (DataColorSpace::Cmyk, Layout::Rgba),
    };
    if profile.color_space != space {
        tracing::warn!(profile = ?profile.color_space, picture = ?space, "the ICC profile is of another kind and is ignored");
        return None;
    }
    let (to, channels) = if alpha { (Layout::Rgba, Channels::Rgba) } else { (Layout::Rgb, Channels::Rgb) };
    let options = TransformOptions { rendering_intent: RenderingIntent::Perceptual, ..TransformOptions::default() };
    let transform = profile
        .create_transform_8bit(from, &ColorProfile::new_srgb(), to, options)
        .inspect_err(|error| tracing::warn!(%error, "the ICC profile does not fit the picture and is ignored"))
        .ok()?;
    let mut out = blank(raster.width(), raster.height(), channels, false);
    transform.transform(raster.samples().as_bytes(), out.samples_mut()).ok()?;
    Some(out)
}

/// Ink as a filter of light. Untagged CMYK says no more of its colours than this.
fn naive_cmyk(raster: &Raster) -> Raster {
    let light = |ink: u8, black: u8| {
        let product = u16::from(255 - ink) * u16::from(255 - black);
        ((product + 127) / 255) as u8
    };
    let samples = raster.samples().as_bytes().as_chunks().0.iter();
    let rgb = samples.flat_map(|&[c, m, y, k]| [light(c, k), light(m, k), light(y, k)]).collect();
    with_samples(raster, Channels::Rgb, rgb)
}

/// Rounds to the nearest 8 bit value.
fn to_eight_bits(raster: Raster) -> Raster {
    let Samples::U16(samples) = raster.samples() else { return raster };
    let eight = samples.iter().map(|sample| ((u32::from(*sample) * 255 + 32_767) / 65_535) as u8).collect();
    with_samples(&raster, raster.channels(), eight)
}

fn without_alpha(raster: Raster) -> Raster {
    let samples = raster.samples().as_bytes();
    match raster.channels() {
        Channels::La => with_samples(&raster, Channels::L, samples.as_chunks().0.iter().map(|&[l, _]| l).collect()),
        Channels::Rgba => {
            let rgb = samples.as_chunks().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
            with_samples(&raster, Channels::Rgb, rgb)
        }
        _ => raster,
    }
}

/// The picture with red, green and blue of its own, which effects that add colour need.
pub(super) fn with_colour(raster: Raster) -> Raster {
    let samples = raster.samples().as_bytes();
    match raster.channels() {
        Channels::L => with_samples(&raster, Channels::Rgb, samples.iter().flat_map(|l| [*l; 3]).collect()),
        Channels::La => {
            let rgba = samples.as_chunks().0.iter().flat_map(|&[l, a]| [l, l, l, a]).collect();
            with_samples(&raster, Channels::Rgba, rgba)
        }
        _ => raster,
    }
}

/// Lays the picture over a colour (Porter and Duff's "over", straight alpha). The result is opaque where the colour is.
pub(super) fn over(raster: Raster, color: Color) -> Raster {
    if !raster.channels().has_alpha() {
        return raster;
    }
    let raster = with_colour(raster);
    let below = u32::from(color.alpha);
    let blend = |&[r, g, b, alpha]: &[u8; 4]| {
        let above = u32::from(alpha);
        let kept = below * (255 - above) / 255;
        let total = (above + kept).max(1);
        let mix = |top: u8, bottom: u8| ((u32::from(top) * above + u32::from(bottom) * kept + total / 2) / total) as u8;
        [mix(r, color.rgb[0]), mix(g, color.rgb[1]), mix(b, color.rgb[2]), (above + kept) as u8]
    };
    let rgba = raster.samples().as_bytes().as_chunks().0.iter().flat_map(blend).collect();
    let blended = with_samples(&raster, Channels::Rgba, rgba);
    if color.alpha == 255 { without_alpha(blended) } else { blended }
}

/// The colour as it looks on white.
pub(super) fn flat(color: Color) -> Color {
    let alpha = u32::from(color.alpha);
    let rgb = color.rgb.map(|sample| ((u32::from(sample) * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    Color { rgb, alpha: 255 }
}

/// Puts the picture onto a larger canvas of one colour.
pub(super) fn pad(raster: Raster, canvas: super::plan::Canvas, color: Color) -> Raster {
    let raster = with_colour(raster);
    let raster = if color.alpha < 255 { with_alpha(raster) } else { raster };
    let channels = raster.channels();
    let [r, g, b] = color.rgb;
    let mut out = blank(canvas.width, canvas.height, channels, false);
    let pixel: &[u8] = if channels.has_alpha() { &[r, g, b, color.alpha] } else { &[r, g, b] };
    out.samples_mut().chunks_exact_mut(pixel.len()).for_each(|to| to.copy_from_slice(pixel));
    let (stride, row) = (canvas.width as usize * pixel.len(), raster.width() as usize * pixel.len());
    let start = canvas.top as usize * stride + canvas.left as usize * pixel.len();
    let rows = raster.samples().as_bytes().chunks_exact(row);
    for (to, from) in out.samples_mut()[start..].chunks_mut(stride).zip(rows) {
        to[..row].copy_from_slice(from);
    }
    out
}

/// The picture with an alpha channel, opaque where it had none. Grey stays without.
pub(super) fn with_alpha(raster: Raster) -> Raster {
    if raster.channels() != Channels::Rgb {
        return raster;
    }
    let rgba = raster.samples().as_bytes().as_chunks().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
    with_samples(&raster, Channels::Rgba, rgba)
}

/// A raster of the same size with other samples.
pub(super) fn with_samples(raster: &Raster, channels: Channels, samples: Vec<u8>) -> Raster {
    match Raster::new(raster.width(), raster.height(), channels, Samples::U8(samples)) {
        Some(raster) => raster,
        None => unreachable!("one sample a channel for every pixel of the raster it was made from"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(channels: Channels, samples: &[u8]) -> Raster {
        let width = (samples.len() / channels.count()) as u32;
        Raster::new(width, 1, channels, Samples::U8(samples.to_vec())).unwrap()
    }

    #[test]
    fn inks_filter_light() {
        let inks = raster(Channels::Cmyk, &[0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 128, 0, 128]);
        assert_eq!(to_srgb(inks, None).samples().as_bytes(), [255, 255, 255, 0, 255, 255, 0, 0, 0, 127, 63, 127]);
    }

    #[test]
    fn sixteen_bits_are_rounded_and_idle_alpha_dropped() {
        let samples = Samples::U16(vec![0, 65_535, 32_767, 65_535, 65_535, 65_535]);
        let out = to_srgb(Raster::new(3, 1, Channels::La, samples).unwrap(), None);
        assert_eq!((out.channels(), out.samples().as_bytes()), (Channels::L, [0, 127, 255].as_slice()));
    }

    #[test]
    fn a_useless_profile_is_ignored() {
        let grey = raster(Channels::L, &[1, 2, 3]);
        assert_eq!(to_srgb(grey.clone(), Some(b"not a profile")), grey);
        let rgb_profile = ColorProfile::new_display_p3().encode().unwrap();
        assert_eq!(to_srgb(raster(Channels::Cmyk, &[0; 4]), Some(&rgb_profile)).samples().as_bytes(), [255; 3]);
    }

    #[test]
    fn profiles_of_srgb_are_known_by_what_they_do() {
        assert!(is_srgb(&ColorProfile::new_srgb().encode().unwrap()));
        assert!(is_srgb(b"a profile that is ignored"));
        for other in [ColorProfile::new_display_p3(), ColorProfile::new_adobe_rgb()] {
            assert!(!is_srgb(&other.encode().unwrap()));
        }
    }

    #[test]
    fn wide_gamut_is_converted() {
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        let out = to_srgb(raster(Channels::Rgb, &[200, 100, 50, 128, 128, 128]), Some(&p3));
        let bytes = out.samples().as_bytes();
        assert!(bytes[0] > 205 && bytes[2] < 48, "the same colour has larger differences in sRGB: {bytes:?}");
        assert!(bytes[3..].iter().all(|grey| grey.abs_diff(128) <= 1), "{bytes:?}");
    }

    #[test]
    fn transparency_lets_the_background_through() {
        let half = raster(Channels::Rgba, &[255, 0, 0, 128, 9, 9, 9, 0]);
        assert_eq!(over(half.clone(), Color::WHITE).samples().as_bytes(), [255, 127, 127, 255, 255, 255]);
        let veil = Color { rgb: [0, 0, 255], alpha: 128 };
        assert_eq!(over(half, veil).samples().as_bytes()[4..], [0, 0, 255, 128]);
    }
}
