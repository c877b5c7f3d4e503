//! Colour conversion from the original to the output: through ICC profiles, and to and from linear light.
//!
//! The input may have any depth and channels; the output has the same depth, is grey if the original is grey, and has
//! sRGB's transfer function, which Display P3 shares. An unusable profile is logged, and the picture is treated as
//! sRGB.

use moxcms::{
    ColorDateTime, ColorProfile, DataColorSpace, Layout, ProfileVersion, RenderingIntent, ToneReprCurve,
    TransformOptions,
};

use super::colour::{fewer, is_grey, of_samples, over_rows, over_rows_memory, with_samples, without_idle_alpha};
use super::effects::{luma, map_samples};
use super::press::Press;
use image_origin_codec::{self as codec, Budget, Cancellation, Channels, Decoded, Raster, Samples};
use image_origin_query::{Color, Colorspace};

/// The conversion from an original's colours to the output's.
pub(super) struct Conversion {
    from: Option<ColorProfile>,
    /// The tables of the original's inks.
    press: Option<Press>,
    /// The luminance of the original's black point, which is mapped to black.
    black: f64,
    /// The colour space of the output: Display P3 only if it was requested and the original is not sRGB.
    pub(super) to: Colorspace,
}

impl Conversion {
    /// Parses the profile of a decoded original.
    pub(super) fn new(decoded: &Decoded, asked: Colorspace) -> Self {
        let channels = decoded.raster.channels();
        let from = decoded.icc.as_deref().and_then(|icc| readable(icc, channels));
        let keeps =
            asked == Colorspace::DisplayP3 && from.as_ref().is_some_and(|from| has_other_colours(from, channels));
        let to = if keeps { Colorspace::DisplayP3 } else { Colorspace::Srgb };
        let inks = from.as_ref().filter(|_| channels == Channels::Cmyk);
        let press = inks.and_then(|from| Press::new(from, intent(from), &target(to, false).colorant_matrix()));
        let tables = from.as_ref().filter(|_| press.is_none());
        let black = tables.map_or(0.0, |from| black_point(from, channels));
        Self { from, press, black, to }
    }

    /// The samples of an opaque colour in a picture of the original's colours, grey or not, if the conversion turns them
    /// into exactly this colour.
    pub(super) fn source_color(&self, color: Color, is_grey: bool) -> Option<[u8; 3]> {
        let [r, g, b] = color.rgb;
        if is_grey && !(r == g && g == b) || self.to != Colorspace::Srgb || self.press.is_some() {
            return None;
        }
        let Some(from) = &self.from else { return Some(color.rgb) };
        let pixel = |rgb: [u8; 3]| match is_grey {
            true => Raster::new(1, 1, Channels::L, Samples::U8(vec![rgb[1]])),
            false => Raster::new(1, 1, Channels::Rgb, Samples::U8(rgb.to_vec())),
        };
        let rgb = |raster: Raster| match *raster.samples().as_bytes() {
            [l] => Some([l; 3]),
            [r, g, b] => Some([r, g, b]),
            _ => None,
        };
        let source = rgb(through(pixel(color.rgb)?, &target(self.to, is_grey), from).ok()?)?;
        (rgb(self.apply(pixel(source)?))? == color.rgb).then_some(source)
    }

    /// Converts the picture to the output's colours, without an alpha channel that is opaque everywhere.
    ///
    /// The conversion works in place.
    pub(super) fn apply(&self, raster: Raster) -> Raster {
        if let Some(press) = &self.press {
            return printed(raster, press, encoded);
        }
        let raster = without_idle_alpha(raster);
        let to = target(self.to, is_grey(&raster));
        match self.through(raster, &to) {
            Ok(mut converted) if self.black > 0.0 => {
                map_samples(&mut converted, |sample| encoded(self.darkened(decoded(sample))));
                converted
            }
            Ok(converted) => converted,
            Err(raster) if raster.channels() == Channels::Cmyk => naive_cmyk(raster),
            Err(raster) => raster,
        }
    }

    /// Converts the picture to 16-bit linear light with the output's primaries, in bands, so that there is no further
    /// copy. `budget` is for all memory, including the raster.
    ///
    /// # Errors
    /// [`codec::Error::Cancelled`] between bands, and [`codec::Error::TooLarge`] before anything is allocated.
    pub(super) fn to_linear(
        &self,
        raster: &Raster,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Raster, codec::Error> {
        budget.check_memory(over_rows_memory(raster) + TABLES)?;
        let linear = linear(target(self.to, is_grey(raster)));
        let table = table_of(decoded);
        let darker = table_of(|light| self.darkened(light));
        let light = over_rows(raster, |band| {
            cancellation.check()?;
            let band = to_sixteen_bits(band);
            if let Some(press) = &self.press {
                return Ok(printed(band, press, |light| light));
            }
            Ok(match self.through(band, &linear) {
                Ok(converted) if self.black > 0.0 => through_table(converted, &darker),
                Ok(converted) => converted,
                Err(band) if band.channels() == Channels::Cmyk => through_table(naive_cmyk(band), &table),
                Err(band) => through_table(band, &table),
            })
        })?;
        Ok(light)
    }

    /// Converts the picture to another profile, or returns it unchanged if it has no profile.
    fn through(&self, raster: Raster, to: &ColorProfile) -> Result<Raster, Raster> {
        match &self.from {
            Some(from) => through(raster, from, to),
            None => Err(raster),
        }
    }

    /// Applies black point compensation: black is mapped to black, and white is kept, as in ISO 18619 if both are
    /// neutral.
    fn darkened(&self, light: f64) -> f64 {
        ((light - self.black) / (1.0 - self.black)).max(0.0)
    }
}

/// The inverse of [`Conversion::to_linear`], still in 16 bits.
pub(super) fn from_linear(raster: Raster) -> Raster {
    without_idle_alpha(through_table(raster, &table_of(encoded)))
}

/// The profile to embed for this colour space; `None` for sRGB.
pub(super) fn profile(space: Colorspace) -> Option<Vec<u8>> {
    match space {
        Colorspace::Srgb => None,
        Colorspace::DisplayP3 => display_p3().encode().ok(),
    }
}

/// Converts a colour of the query, which is in sRGB, to another space.
pub(super) fn color(color: Color, space: Colorspace) -> Color {
    let Some(raster) = Raster::new(1, 1, Channels::Rgb, Samples::U8(color.rgb.to_vec())) else { return color };
    if space == Colorspace::Srgb {
        return color;
    }
    let converted = through(raster, &ColorProfile::new_srgb(), &display_p3());
    match converted.ok().as_ref().and_then(|raster| raster.samples().as_bytes().first_chunk().copied()) {
        Some(rgb) => Color { rgb, ..color },
        None => color,
    }
}

/// Converts Display P3 to sRGB, for files that cannot contain a profile.
pub(super) fn clipped(raster: Raster) -> Raster {
    match is_grey(&raster) {
        true => raster,
        false => through(raster, &display_p3(), &ColorProfile::new_srgb()).unwrap_or_else(|raster| raster),
    }
}

/// Converts sRGB to Display P3.
pub(super) fn widened(raster: Raster) -> Raster {
    match is_grey(&raster) {
        true => raster,
        false => through(raster, &ColorProfile::new_srgb(), &display_p3()).unwrap_or_else(|raster| raster),
    }
}

/// Whether a profile leaves 8-bit RGB unchanged except for rounding, or is ignored.
pub(super) fn is_srgb(icc: &[u8]) -> bool {
    readable(icc, Channels::Rgb).is_none_or(|profile| !has_other_colours(&profile, Channels::Rgb))
}

/// Whether the profile changes some test colours. Grey is grey in all spaces, and CMYK always has colours outside of
/// sRGB.
fn has_other_colours(profile: &ColorProfile, channels: Channels) -> bool {
    const STEPS: [u8; 6] = [0, 40, 90, 140, 200, 255];
    const ROUNDING: u8 = 2;
    let levels = || STEPS.into_iter();
    let colours = levels().flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b])));
    let (colours, channels): (Vec<u8>, _) = match channels {
        Channels::L | Channels::La => return false,
        Channels::Cmyk => (vec![0; 4], Channels::Cmyk),
        Channels::Rgb | Channels::Rgba => (colours.collect(), Channels::Rgb),
    };
    let width = (colours.len() / channels.count()) as u32;
    let Some(raster) = Raster::new(width, 1, channels, Samples::U8(colours)) else { return false };
    through(raster.clone(), profile, &ColorProfile::new_srgb()).is_ok_and(|converted| {
        let mut pairs = converted.samples().as_bytes().iter().zip(raster.samples().as_bytes());
        channels == Channels::Cmyk || pairs.any(|(to, from)| to.abs_diff(*from) > ROUNDING)
    })
}

/// The luminance of the original's black, as lcms2 detects it for a conversion to a display: that of the printed black
/// under relative colorimetric intent, and of the darkest colour under the others. 0 for profiles without tables, whose
/// black is black.
fn black_point(profile: &ColorProfile, channels: Channels) -> f64 {
    /// L* 50: anything lighter is not black (lcms2 has the same limit).
    const LIGHTEST: f64 = 0.184;
    /// The reference medium's black of perceptual intent in profiles of version 4 (ICC.1:2022, 6.3.4.3).
    const REFERENCE: f64 = 0.003_473_1;
    let has_tables = profile.lut_a_to_b_colorimetric.is_some() || profile.lut_a_to_b_perceptual.is_some();
    if !has_tables {
        return 0.0;
    }
    let is_relative = intent(profile) == RenderingIntent::RelativeColorimetric;
    if !is_relative && profile.version() >= ProfileVersion::V4_0 {
        return REFERENCE;
    }
    let black = match channels {
        Channels::L | Channels::La => None,
        Channels::Rgb | Channels::Rgba => Raster::new(1, 1, Channels::Rgb, vec![0u16; 3].into()),
        Channels::Cmyk if is_relative => printed_black(profile),
        Channels::Cmyk => Raster::new(1, 1, Channels::Cmyk, vec![u16::MAX; 4].into()),
    };
    let light = black.and_then(|black| through(black, profile, &linear(target(Colorspace::Srgb, false))).ok());
    let Some(Samples::U16(light)) = light.as_ref().map(Raster::samples) else { return 0.0 };
    let Some(rgb) = light.first_chunk::<3>() else { return 0.0 };
    (f64::from(luma(rgb.map(f32::from))) / 65_535.0).min(LIGHTEST)
}

/// The inks with which a press of this profile prints black; full coverage with all four is not possible.
fn printed_black(profile: &ColorProfile) -> Option<Raster> {
    let options = TransformOptions { rendering_intent: RenderingIntent::Perceptual, ..TransformOptions::default() };
    let press = ColorProfile::new_srgb().create_transform_16bit(Layout::Rgb, profile, Layout::Rgba, options).ok()?;
    let mut inks = vec![0u16; 4];
    press.transform(&[0; 3], &mut inks).ok()?;
    Raster::new(1, 1, Channels::Cmyk, inks.into())
}

/// Perceptual or relative colorimetric, as the profile specifies. Absolute colorimetric would show the tint of the
/// paper.
fn intent(profile: &ColorProfile) -> RenderingIntent {
    match profile.rendering_intent {
        RenderingIntent::AbsoluteColorimetric => RenderingIntent::RelativeColorimetric,
        intent => intent,
    }
}

fn readable(icc: &[u8], channels: Channels) -> Option<ColorProfile> {
    let profile = ColorProfile::new_from_slice(icc)
        .inspect_err(|error| tracing::warn!(%error, "the ICC profile cannot be read and is ignored"))
        .ok()?;
    let space = match channels {
        Channels::L | Channels::La => DataColorSpace::Gray,
        Channels::Rgb | Channels::Rgba => DataColorSpace::Rgb,
        Channels::Cmyk => DataColorSpace::Cmyk,
    };
    if profile.color_space != space {
        tracing::warn!(profile = ?profile.color_space, picture = ?space, "the ICC profile is of another kind and is ignored");
        return None;
    }
    Some(profile)
}

/// Display P3 as stored in files. The library's has the code points of DCI-P3, which has another white point.
fn display_p3() -> ColorProfile {
    let mut profile = ColorProfile::new_display_p3();
    profile.cicp = None;
    // A fixed date, so that equal pictures are equal files.
    profile.creation_date_time =
        ColorDateTime { year: 2022, month: 1, day_of_the_month: 1, hours: 0, minutes: 0, seconds: 0 };
    profile
}

fn target(space: Colorspace, grey: bool) -> ColorProfile {
    match space {
        _ if grey => {
            let mut profile = ColorProfile::new_gray_with_gamma(2.2);
            profile.gray_trc = ColorProfile::new_srgb().red_trc;
            profile
        }
        Colorspace::Srgb => ColorProfile::new_srgb(),
        Colorspace::DisplayP3 => display_p3(),
    }
}

fn linear(mut profile: ColorProfile) -> ColorProfile {
    profile.cicp = None;
    for curve in [&mut profile.red_trc, &mut profile.green_trc, &mut profile.blue_trc, &mut profile.gray_trc] {
        *curve = curve.take().map(|_| ToneReprCurve::Parametric(vec![1.0]));
    }
    profile
}

/// Converts the colours of the picture to another profile in place; if the profile does not match the picture, that is
/// logged and the picture is returned unchanged.
fn through(raster: Raster, from: &ColorProfile, to: &ColorProfile) -> Result<Raster, Raster> {
    let (from_layout, to_layout, channels) = match raster.channels() {
        Channels::L => (Layout::Gray, Layout::Gray, Channels::L),
        Channels::La => (Layout::GrayAlpha, Layout::GrayAlpha, Channels::La),
        Channels::Rgb => (Layout::Rgb, Layout::Rgb, Channels::Rgb),
        Channels::Rgba => (Layout::Rgba, Layout::Rgba, Channels::Rgba),
        Channels::Cmyk => (Layout::Rgba, Layout::Rgb, Channels::Rgb),
    };
    let options = TransformOptions { rendering_intent: intent(from), ..TransformOptions::default() };
    let (width, height, before) = (raster.width(), raster.height(), raster.channels());
    let counts = [before.count(), channels.count()];
    let (samples, failure) = match raster.into_samples() {
        Samples::U8(mut samples) => {
            let made = from.create_transform_8bit(from_layout, to, to_layout, options);
            let failure =
                made.and_then(|made| in_place(&mut samples, counts, |from, to| made.transform(from, to))).err();
            (Samples::U8(samples), failure)
        }
        Samples::U16(mut samples) => {
            // The 13 bits of fixed point would cause banding in linear light.
            let options = TransformOptions { prefer_fixed_point: false, ..options };
            let made = from.create_transform_16bit(from_layout, to, to_layout, options);
            let failure =
                made.and_then(|made| in_place(&mut samples, counts, |from, to| made.transform(from, to))).err();
            (Samples::U16(samples), failure)
        }
    };
    match failure {
        None => Ok(of_samples(width, height, channels, samples)),
        Some(error) => {
            tracing::warn!(%error, "the ICC profile does not fit the picture and is ignored");
            Err(of_samples(width, height, before, samples))
        }
    }
}

/// The number of pixels that are converted at a time.
const AT_ONCE: usize = 4096;

/// Converts pixels of `from` samples to as many or fewer samples, in chunks; if the first chunk fails, nothing is
/// changed.
fn in_place<T: bytemuck::Zeroable + Copy, E>(
    samples: &mut Vec<T>,
    [from, to]: [usize; 2],
    convert: impl Fn(&[T], &mut [T]) -> Result<(), E>,
) -> Result<(), E> {
    let mut converted = vec![T::zeroed(); AT_ONCE * to];
    let pixels = samples.len() / from;
    for start in (0..pixels).step_by(AT_ONCE) {
        let end = pixels.min(start + AT_ONCE);
        let converted = &mut converted[..(end - start) * to];
        convert(&samples[start * from..end * from], converted)?;
        samples[start * to..end * to].copy_from_slice(converted);
    }
    samples.truncate(pixels * to);
    Ok(())
}

/// Converts CMYK to RGB in place; `encode` is the transfer function from linear light to samples.
fn printed(raster: Raster, press: &Press, encode: impl Fn(f64) -> f64) -> Raster {
    /// The square root of light is as uniform as samples are, so that these are exact to a tenth of a step.
    const STEPS: u16 = 4095;
    let (width, height) = (raster.width(), raster.height());
    let samples: Samples = match raster.into_samples() {
        Samples::U8(inks) => {
            let sample = |root: u16| (encode((f64::from(root) / f64::from(STEPS)).powi(2)) * 255.0).round() as u8;
            let table: Vec<u8> = (0..=STEPS).map(sample).collect();
            let sample = |light: f32| table[(light.sqrt() * f32::from(STEPS)).round() as usize];
            fewer(inks, |inks| press.light(inks).map(sample)).into()
        }
        Samples::U16(inks) => {
            let sample = |light: f32| (encode(f64::from(light)) * 65_535.0).round() as u16;
            fewer(inks, |inks| press.light_of_sixteen_bits(inks).map(sample)).into()
        }
    };
    of_samples(width, height, Channels::Rgb, samples)
}

/// Converts CMYK without a profile by multiplying the transmittance of the inks.
fn naive_cmyk(raster: Raster) -> Raster {
    fn light<T: Copy + Into<u32>>([c, m, y, k]: [T; 4], max: u32) -> [u32; 3] {
        [c, m, y].map(|ink| ((max - ink.into()) * (max - k.into()) + max / 2) / max)
    }
    let (width, height) = (raster.width(), raster.height());
    let samples: Samples = match raster.into_samples() {
        Samples::U8(inks) => fewer(inks, |inks| light(inks, u8::MAX.into()).map(|sample| sample as u8)).into(),
        Samples::U16(inks) => fewer(inks, |inks| light(inks, u16::MAX.into()).map(|sample| sample as u16)).into(),
    };
    of_samples(width, height, Channels::Rgb, samples)
}

/// The memory of the tables for linear light in bytes.
const TABLES: u64 = 2 * (2 << 16);

/// Tabulates a function from `0..=1` to `0..=1` for 16-bit samples.
fn table_of(function: impl Fn(f64) -> f64) -> Vec<u16> {
    (0..=u16::MAX).map(|sample| (function(f64::from(sample) / 65_535.0) * 65_535.0).round() as u16).collect()
}

/// From samples to linear light (IEC 61966-2-1).
pub(super) fn decoded(sample: f64) -> f64 {
    if sample <= 0.040_45 { sample / 12.92 } else { ((sample + 0.055) / 1.055).powf(2.4) }
}

/// From linear light to samples (IEC 61966-2-1).
pub(super) fn encoded(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(2.4f64.recip()) - 0.055 }
}

fn to_sixteen_bits(raster: Raster) -> Raster {
    let Samples::U8(samples) = raster.samples() else { return raster };
    let wide: Vec<u16> = samples.iter().map(|sample| u16::from(*sample) * 257).collect();
    with_samples(&raster, raster.channels(), wide)
}

/// Maps every 16-bit sample except alpha through a table.
fn through_table(mut raster: Raster, table: &[u16]) -> Raster {
    let channels = raster.channels();
    let colours = channels.count() - usize::from(channels.has_alpha());
    let samples: &mut [u16] = bytemuck::cast_slice_mut(raster.samples_mut());
    for pixel in samples.chunks_exact_mut(channels.count()) {
        for sample in &mut pixel[..colours] {
            *sample = table[usize::from(*sample)];
        }
    }
    raster
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::to_eight_bits;
    use crate::press;
    use image_origin_codec::Area;

    fn raster(channels: Channels, samples: impl Into<Samples>) -> Raster {
        let samples = samples.into();
        Raster::new((samples.len() / channels.count()) as u32, 1, channels, samples).unwrap()
    }

    fn conversion(raster: &Raster, icc: Option<&ColorProfile>, asked: Colorspace) -> Conversion {
        let icc = icc.map(|profile| profile.encode().unwrap());
        let area = Area::whole(raster.width(), raster.height());
        Conversion::new(&Decoded { raster: raster.clone(), area, blur: 0.0, icc, flaw: None }, asked)
    }

    fn in_srgb(raster: Raster, icc: Option<&ColorProfile>) -> Raster {
        conversion(&raster, icc, Colorspace::Srgb).apply(raster)
    }

    #[test]
    fn inks_filter_light() {
        let inks = [0u8, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 128, 0, 128];
        let expected = [255, 255, 255, 0, 255, 255, 0, 0, 0, 127, 63, 127];
        assert_eq!(in_srgb(raster(Channels::Cmyk, inks.to_vec()), None).samples().as_bytes(), expected);
        let wide = raster(Channels::Cmyk, inks.map(|ink| u16::from(ink) * 257).to_vec());
        assert_eq!(to_eight_bits(in_srgb(wide, None)).samples().as_bytes(), expected);
    }

    #[test]
    fn all_inks_of_a_perceptual_table_are_black() {
        let inks = raster(Channels::Cmyk, vec![0u8, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255]);
        let shown = |darkest| {
            let decoded = Decoded {
                icc: Some(press::tests::profile(2, RenderingIntent::Perceptual, [darkest, 128, 128])),
                ..Decoded::whole(inks.clone(), None)
            };
            let shown = Conversion::new(&decoded, Colorspace::Srgb).apply(inks.clone());
            assert_eq!(shown.channels(), Channels::Rgb);
            [0, 3, 6].map(|place| shown.samples().as_bytes()[place])
        };
        let [washed_out, black] = [shown(60), shown(0)];
        assert!(washed_out[0] >= 254 && black[0] >= 254, "{washed_out:?} {black:?}");
        assert!(washed_out[2] <= 5 && black[2] <= 5, "{washed_out:?} {black:?}");
        // L* 45 is darker by what separates L* 24 from black.
        assert!(washed_out[1] < black[1] - 10 && black[1].abs_diff(107) <= 2, "{washed_out:?} {black:?}");
    }

    #[test]
    fn a_useless_profile_is_ignored() {
        let grey = raster(Channels::L, vec![1u8, 2, 3]);
        let p3 = ColorProfile::new_display_p3();
        assert_eq!(in_srgb(grey.clone(), Some(&p3)), grey);
        assert_eq!(in_srgb(raster(Channels::Cmyk, vec![0u8; 4]), Some(&p3)).samples().as_bytes(), [255; 3]);
        let area = Area::whole(3, 1);
        let broken =
            Decoded { raster: grey.clone(), area, blur: 0.0, icc: Some(b"not a profile".to_vec()), flaw: None };
        assert_eq!(Conversion::new(&broken, Colorspace::DisplayP3).apply(grey.clone()), grey);
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
    fn wide_gamut_is_converted_and_grey_stays_grey() {
        let p3 = ColorProfile::new_display_p3();
        let out = in_srgb(raster(Channels::Rgb, vec![200u8, 100, 50, 128, 128, 128]), Some(&p3));
        let bytes = out.samples().as_bytes();
        assert!(bytes[0] > 205 && bytes[2] < 48, "the same colour has larger differences in sRGB: {bytes:?}");
        assert!(bytes[3..].iter().all(|grey| grey.abs_diff(128) <= 1), "{bytes:?}");
        let linear = ColorProfile::new_gray_with_gamma(1.0);
        let out = in_srgb(raster(Channels::La, vec![55u8, 9, 255, 255]), Some(&linear));
        assert_eq!((out.channels(), out.samples().as_bytes()), (Channels::La, [128, 9, 255, 255].as_slice()));
    }

    #[test]
    fn wide_gamut_is_kept_where_there_is_one() {
        let red = raster(Channels::Rgb, vec![255u8, 0, 0]);
        let (p3, adobe) = (ColorProfile::new_display_p3(), ColorProfile::new_adobe_rgb());
        let kept = conversion(&red, Some(&p3), Colorspace::DisplayP3);
        assert_eq!((kept.to, kept.apply(red.clone())), (Colorspace::DisplayP3, red.clone()));
        assert_eq!(conversion(&red, Some(&adobe), Colorspace::DisplayP3).to, Colorspace::DisplayP3);
        for srgb in [None, Some(&ColorProfile::new_srgb())] {
            assert_eq!(conversion(&red, srgb, Colorspace::DisplayP3).to, Colorspace::Srgb);
        }
        let named = Color { rgb: [255, 0, 0], alpha: 7 };
        let inside = color(named, Colorspace::DisplayP3);
        assert!(inside.alpha == 7 && inside.rgb[0].abs_diff(234) <= 1 && inside.rgb[1].abs_diff(51) <= 1, "{inside:?}");
        let back = clipped(raster(Channels::Rgb, inside.rgb.to_vec()));
        assert!(back.samples().as_bytes().iter().zip(named.rgb).all(|(a, b)| a.abs_diff(b) <= 2), "{back:?}");
        assert_eq!(clipped(red.clone()), red, "the clipped red of P3 is the red of sRGB");
        let embedded = profile(Colorspace::DisplayP3).unwrap();
        assert!(embedded.len() < 600 && !is_srgb(&embedded), "{}", embedded.len());
    }

    #[test]
    fn sixteen_bits_keep_their_steps() {
        let ramp: Vec<u16> = (0..512u16).flat_map(|i| [10_000 + i * 16; 3]).collect();
        let out = in_srgb(raster(Channels::Rgb, ramp), Some(&ColorProfile::new_adobe_rgb()));
        let Samples::U16(samples) = out.samples() else { panic!("reduced too early") };
        let reds: Vec<u16> = samples.iter().step_by(3).copied().collect();
        assert!(reds.windows(2).all(|pair| pair[0] < pair[1]), "{reds:?}");
    }

    #[test]
    fn light_comes_back_as_it_was() {
        let cancellation = Cancellation::unbounded();
        let samples: Vec<u8> = (0..=255).flat_map(|i| [i, 255 - i, i / 2, i]).collect();
        let picture = raster(Channels::Rgba, samples);
        let linear =
            conversion(&picture, None, Colorspace::Srgb).to_linear(&picture, Budget::UNLIMITED, &cancellation).unwrap();
        assert_eq!(to_eight_bits(from_linear(linear)), picture);
        let p3 = ColorProfile::new_display_p3();
        let converted = conversion(&picture, Some(&p3), Colorspace::Srgb);
        let linear = converted.to_linear(&picture, Budget::UNLIMITED, &cancellation).unwrap();
        let (light, direct) = (to_eight_bits(from_linear(linear)), converted.apply(picture));
        let pairs = light.samples().as_bytes().iter().zip(direct.samples().as_bytes());
        assert!(pairs.into_iter().all(|(a, b)| a.abs_diff(*b) <= 1));
    }
}
