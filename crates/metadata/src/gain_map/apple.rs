//! Apple's gain maps ("Applying Apple HDR effect to your photos", developer documentation): samples in the transfer
//! function of ITU-R BT.709, from no gain to the headroom of the picture.

use crate::xmp::{Xmp, ns};
use image_origin_container::tiff::Block;

const AUXILIARY_TYPE: &str = "urn:com:apple:photo:2020:aux:hdrgainmap";
/// The header of Apple's maker notes: a name, a version, and the byte order.
const MAKER_NOTE_HEADER: &[u8] = b"Apple iOS\0\0\x01MM";
/// The maker notes that determine the headroom; they have no names in the documentation.
const HEADROOM: u16 = 33;
const GAIN: u16 = 48;
const EXIF_POINTER: u16 = 0x8769;
const MAKER_NOTE: u16 = 0x927c;
/// The maximum headroom in stops.
const MAX_STOPS: f64 = 16.0;

/// Whether the XMP of an auxiliary image says that it is a gain map.
pub(crate) fn is_gain_map(xmp: &Xmp) -> bool {
    xmp.text(ns::APPLE_PIXEL_DATA, "AuxiliaryImageType").is_some_and(|text| text.trim() == AUXILIARY_TYPE)
        && xmp.text(ns::APPLE_GAIN_MAP, "HDRGainMapVersion").is_some()
}

/// The headroom in stops, from the gain map's XMP or else from the maker notes of the base picture.
pub(super) fn headroom(xmp: &Xmp, exif: Option<&[u8]>) -> Option<f64> {
    let stops = match stated(xmp) {
        Some(headroom) => headroom.log2(),
        None => noted_stops(exif?)?,
    };
    (stops > 0.0 && stops <= MAX_STOPS).then_some(stops)
}

fn stated(xmp: &Xmp) -> Option<f64> {
    xmp.text(ns::APPLE_GAIN_MAP, "HDRGainMapHeadroom")?.trim().parse().ok()
}

/// A packet for a gain map with this XMP, which has all that is needed to apply it; `None` if the headroom is unknown.
pub(crate) fn packet(xmp: &Xmp, exif: Option<&[u8]>) -> Option<Vec<u8>> {
    let stops = headroom(xmp, exif)?;
    let linear = stated(xmp).unwrap_or_else(|| stops.exp2());
    let version: u32 = xmp.text(ns::APPLE_GAIN_MAP, "HDRGainMapVersion")?.trim().parse().ok()?;
    Some(Xmp::of_properties(&[
        (ns::APPLE_PIXEL_DATA, "AuxiliaryImageType", AUXILIARY_TYPE.to_owned()),
        (ns::APPLE_GAIN_MAP, "HDRGainMapVersion", version.to_string()),
        (ns::APPLE_GAIN_MAP, "HDRGainMapHeadroom", format!("{linear:.6}")),
    ]))
}

fn noted_stops(exif: &[u8]) -> Option<f64> {
    let block = Block::new(exif)?;
    let photo = block.directory(block.u32(&block.primary(EXIF_POINTER)?.value)?.into());
    let note = photo.fields.into_iter().find(|field| field.tag == MAKER_NOTE)?.value;
    let directory = note.strip_prefix(MAKER_NOTE_HEADER)?;
    // Offsets are relative to the start of the notes.
    let [headroom, gain] = [HEADROOM, GAIN].map(|tag| rational(&note, directory, tag));
    stops(headroom?, gain?)
}

/// A signed rational number in the directory of the maker notes.
fn rational(note: &[u8], directory: &[u8], wanted: u16) -> Option<f64> {
    let (count, entries) = directory.split_first_chunk()?;
    let entries = entries.as_chunks::<12>().0.iter().take(usize::from(u16::from_be_bytes(*count)));
    for [t0, t1, y0, y1, _, _, _, _, at @ ..] in entries {
        if u16::from_be_bytes([*t0, *t1]) == wanted && u16::from_be_bytes([*y0, *y1]) == 10 {
            let at = usize::try_from(u32::from_be_bytes(*at)).ok()?;
            let (numerator, rest) = note.get(at..)?.split_first_chunk()?;
            let denominator = i32::from_be_bytes(*rest.first_chunk()?);
            return (denominator != 0).then(|| f64::from(i32::from_be_bytes(*numerator)) / f64::from(denominator));
        }
    }
    None
}

/// The headroom as the documentation computes it from the two notes.
fn stops(headroom: f64, gain: f64) -> Option<f64> {
    let stops = match (headroom < 1.0, gain <= 0.01) {
        (true, true) => -20.0 * gain + 1.8,
        (true, false) => -0.101 * gain + 1.601,
        (false, true) => -70.0 * gain + 3.0,
        (false, false) => -0.303 * gain + 2.303,
    };
    stops.is_finite().then_some(stops)
}

/// For each sample the one that has its gain as a fraction of `stops`: the gain is `1 + (headroom - 1) * linear sample`.
pub(super) fn log_samples(stops: f64) -> [u8; 256] {
    std::array::from_fn(|sample| {
        let gain = 1.0 + (stops.exp2() - 1.0) * to_linear(sample as f64 / 255.0);
        (gain.log2() / stops * 255.0).round().clamp(0.0, 255.0) as u8
    })
}

/// The inverse of the transfer function of ITU-R BT.709.
fn to_linear(sample: f64) -> f64 {
    if sample < 0.081 { sample / 4.5 } else { ((sample + 0.099) / 1.099).powf(1.0 / 0.45) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_logarithms() {
        let samples = log_samples(2.0);
        assert_eq!((samples[0], samples[255]), (0, 255));
        assert!(samples.is_sorted());
        // Half of the light of a headroom of 4 is a gain of 2.5.
        let half = (0..256).find(|sample| to_linear(f64::from(*sample) / 255.0) >= 0.5).unwrap();
        let gain = (f64::from(samples[half as usize]) / 255.0 * 2.0).exp2();
        assert!((gain - 2.5).abs() < 0.03, "{gain}");
    }

    #[test]
    fn the_headroom_is_that_of_the_documentation() {
        for (headroom, gain, expected) in
            [(0.5, 0.0, 1.8), (0.5, 1.0, 1.5), (1.0, 0.0, 3.0), (1.01, 2.0, 1.697), (1.0, 0.005, 2.65)]
        {
            assert!((stops(headroom, gain).unwrap() - expected).abs() < 1e-9, "{headroom} {gain}");
        }
        assert_eq!(stops(f64::NAN, f64::NAN), None);
    }
}
