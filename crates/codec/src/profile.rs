//! ICC profiles for colour spaces that files describe by other means, so that further processing handles profiles only.
//!
//! HDR transfer functions become curves up to SDR white: highlights are compressed as in BT.2390.

use moxcms::{Chromaticity, CicpColorPrimaries, ColorPrimaries, ColorProfile, ToneReprCurve};

/// The code point of sRGB's transfer function in ITU-T H.273.
const SRGB_TRANSFER: u8 = 13;

/// White point and primaries in CIE 1931 x and y.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chromaticities {
    pub(super) white: (f32, f32),
    pub(super) red: (f32, f32),
    pub(super) green: (f32, f32),
    pub(super) blue: (f32, f32),
}

/// The profile for code points of ITU-T H.273 (section 8.1 and 8.2); `None` for sRGB and for unspecified primaries.
pub(super) fn from_code_points(primaries: u8, transfer: u8, grey: bool) -> Option<Vec<u8>> {
    // As in browsers, video transfer functions are treated as sRGB, since they differ by less than viewing conditions
    // do. An unspecified transfer function means sRGB, too.
    let transfer = if matches!(transfer, 1 | 2 | 6 | 14 | 15) { SRGB_TRANSFER } else { transfer };
    if transfer == SRGB_TRANSFER && (primaries == 1 || grey) {
        return None;
    }
    let curve = match transfer {
        4 => ToneReprCurve::Parametric(vec![2.2]),
        5 => ToneReprCurve::Parametric(vec![2.8]),
        8 => ToneReprCurve::Parametric(vec![1.0]),
        SRGB_TRANSFER => ColorProfile::new_srgb().red_trc?,
        16 => tone_mapped(pq_to_nits),
        18 => tone_mapped(hlg_to_nits),
        _ => return None,
    };
    let primaries = CicpColorPrimaries::try_from(primaries).ok()?;
    let white = match primaries {
        CicpColorPrimaries::Bt470M | CicpColorPrimaries::GenericFilm => (0.310, 0.316),
        CicpColorPrimaries::Smpte431 => (0.314, 0.351),
        CicpColorPrimaries::Xyz => return None,
        _ => D65,
    };
    let ColorPrimaries { red, green, blue } = primaries.try_into().ok()?;
    let xy = |of: Chromaticity| (of.x, of.y);
    profile(curve, Some(Chromaticities { white, red: xy(red), green: xy(green), blue: xy(blue) }), grey)
}

const D65: (f32, f32) = (0.3127, 0.3290);

/// The profile for PNG's gAMA, the exponent from light to samples, and cHRM; without the latter, the primaries are
/// those of sRGB.
pub(super) fn from_gamma(gamma: f32, chromaticities: Option<Chromaticities>, grey: bool) -> Option<Vec<u8>> {
    // The tolerance of libpng. The gAMA that represents sRGB is 1/2.2, and means sRGB's curve.
    const INSIGNIFICANT: f32 = 0.05;
    let is_srgb = (gamma * 2.2 - 1.0).abs() < INSIGNIFICANT;
    let chromaticities = chromaticities.filter(|given| !given.is_near(&Chromaticities::SRGB));
    if is_srgb && (chromaticities.is_none() || grey) || !(0.01..=100.0).contains(&gamma) {
        return None;
    }
    let curve =
        if is_srgb { ColorProfile::new_srgb().red_trc? } else { ToneReprCurve::Parametric(vec![gamma.recip()]) };
    profile(curve, chromaticities, grey)
}

impl Chromaticities {
    const SRGB: Self = Self { white: D65, red: (0.64, 0.33), green: (0.30, 0.60), blue: (0.15, 0.06) };

    fn pairs(&self) -> [(f32, f32); 4] {
        [self.white, self.red, self.green, self.blue]
    }

    /// Whether the primaries are not collinear and the white point is valid.
    fn span_colours(&self) -> bool {
        let [white, red, green, blue] = self.pairs();
        let area = (red.0 - blue.0) * (green.1 - blue.1) - (green.0 - blue.0) * (red.1 - blue.1);
        area.abs() > 0.001
            && [white, red, green, blue].iter().all(|(x, y)| (0.0..=2.0).contains(x) && *y <= 2.0)
            && white.1 > 0.01
    }

    fn is_near(&self, other: &Self) -> bool {
        let near = |a: f32, b: f32| (a - b).abs() < 0.002;
        self.pairs().iter().zip(other.pairs()).all(|(a, b)| near(a.0, b.0) && near(a.1, b.1))
    }
}

fn profile(curve: ToneReprCurve, chromaticities: Option<Chromaticities>, grey: bool) -> Option<Vec<u8>> {
    if grey {
        let mut profile = ColorProfile::new_gray_with_gamma(1.0);
        profile.gray_trc = Some(curve);
        return profile.encode().ok();
    }
    let mut profile = ColorProfile::new_srgb();
    profile.cicp = None;
    if let Some(given) = chromaticities {
        let Chromaticities { white, red, green, blue } = given;
        if !given.span_colours() {
            return None;
        }
        let xy = |(x, y): (f32, f32)| Chromaticity::new(x, y);
        let primaries = ColorPrimaries { red: xy(red), green: xy(green), blue: xy(blue) };
        profile.update_rgb_colorimetry(xy(white).to_xyyb(), primaries);
    }
    for trc in [&mut profile.red_trc, &mut profile.green_trc, &mut profile.blue_trc] {
        *trc = Some(curve.clone());
    }
    profile.encode().ok()
}

/// The luminance of HDR reference white (BT.2408, 2.2), which is mapped to SDR white.
const WHITE_NITS: f64 = 203.0;
/// The maximum luminance that is preserved, which is that of most mastering displays.
const PEAK_NITS: f64 = 1000.0;

/// A curve from samples to light, where 1 is SDR white.
fn tone_mapped(to_nits: impl Fn(f64) -> f64) -> ToneReprCurve {
    const STEPS: u32 = 4096;
    let light = |step: u32| rolled_off(to_nits(f64::from(step) / f64::from(STEPS - 1))) / WHITE_NITS;
    ToneReprCurve::Lut((0..STEPS).map(|step| (light(step).clamp(0.0, 1.0) * 65_535.0).round() as u16).collect())
}

/// SMPTE ST 2084: the constants of the perceptual quantizer.
const PQ: [f64; 5] = [2610.0 / 16_384.0, 2523.0 / 32.0, 3424.0 / 4096.0, 2413.0 / 128.0, 2392.0 / 128.0];

fn pq_to_nits(sample: f64) -> f64 {
    let [m1, m2, c1, c2, c3] = PQ;
    let root = sample.powf(m2.recip());
    10_000.0 * ((root - c1).max(0.0) / (c2 - c3 * root)).powf(m1.recip())
}

fn nits_to_pq(nits: f64) -> f64 {
    let [m1, m2, c1, c2, c3] = PQ;
    let root = (nits / 10_000.0).powf(m1);
    ((c1 + c2 * root) / (1.0 + c3 * root)).powf(m2)
}

/// BT.2100, table 5: hybrid log-gamma and its system gamma, applied per channel.
fn hlg_to_nits(sample: f64) -> f64 {
    let [a, b, c] = [0.178_832_77, 0.284_668_92, 0.559_910_73];
    let scene = if sample <= 0.5 { sample * sample / 3.0 } else { (((sample - c) / a).exp() + b) / 12.0 };
    PEAK_NITS * scene.powf(1.2)
}

/// BT.2390, 5.4.1: shadows and midtones are unchanged, and a spline compresses highlights below white.
fn rolled_off(nits: f64) -> f64 {
    let peak = nits_to_pq(PEAK_NITS);
    let (value, white) = ((nits_to_pq(nits) / peak).min(1.0), nits_to_pq(WHITE_NITS) / peak);
    let knee = 1.5 * white - 0.5;
    if value < knee {
        return nits;
    }
    let t = (value - knee) / (1.0 - knee);
    let (t2, t3) = (t * t, t * t * t);
    let bent = (2.0 * t3 - 3.0 * t2 + 1.0) * knee + (t3 - 2.0 * t2 + t) * (1.0 - knee) + (-2.0 * t3 + 3.0 * t2) * white;
    pq_to_nits(bent * peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_srgb_needs_no_profile() {
        assert_eq!(from_code_points(1, 13, false), None);
        assert_eq!(from_code_points(1, 1, false), None);
        assert_eq!(from_code_points(12, 13, true), None, "grey has no primaries");
        assert_eq!(from_code_points(2, 2, false), None);
        assert_eq!(from_gamma(0.45455, None, false), None);
        assert_eq!(from_gamma(0.45455, Some(Chromaticities::SRGB), false), None);
        for (primaries, transfer) in [(12, 13), (12, 2), (9, 16), (9, 18), (1, 8), (9, 14)] {
            assert!(from_code_points(primaries, transfer, false).is_some(), "{primaries} {transfer}");
        }
    }

    #[test]
    fn impossible_primaries_are_ignored() {
        let point = (0.3, 0.3);
        for (gamma, chromaticities) in [
            (1.0, Chromaticities { white: point, red: point, green: point, blue: point }),
            (1.0, Chromaticities { white: (0.0, 0.0), ..Chromaticities::SRGB }),
            (0.0, Chromaticities::SRGB),
            (42_949.0, Chromaticities::SRGB),
        ] {
            assert_eq!(from_gamma(gamma, Some(chromaticities), false), None, "{gamma} {chromaticities:?}");
        }
    }

    #[test]
    fn bright_light_rolls_off_below_white() {
        assert!((pq_to_nits(nits_to_pq(100.0)) - 100.0).abs() < 1e-6);
        assert!((hlg_to_nits(0.75) - 203.0).abs() < 1.0, "{}", hlg_to_nits(0.75));
        let (dark, white, peak) = (rolled_off(50.0), rolled_off(WHITE_NITS), rolled_off(PEAK_NITS));
        assert_eq!(dark, 50.0);
        assert!(white > 140.0 && white < WHITE_NITS && (peak - WHITE_NITS).abs() < 0.5, "{white} {peak}");
    }
}
