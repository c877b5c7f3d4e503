//! The parameters of a gain map: ISO 21496-1, and the XMP of Adobe's gain map specification 1.0, which differ in their
//! serialization only.

use crate::xmp::{Xmp, ns};

/// The length of the serialized versions and flags.
const HEADER: usize = 5;
const IS_MULTICHANNEL: u8 = 1 << 7;
const USES_BASE_COLOUR_SPACE: u8 = 1 << 6;
/// An extension of libultrahdr: one denominator for all fractions.
const HAS_COMMON_DENOMINATOR: u8 = 1 << 3;
/// The denominator of written fractions.
const DENOMINATOR: u32 = 1_000_000;
/// The maximum absolute value of a parameter. Larger ones have no meaning: 2 to this power is no brightness.
const LARGEST: f64 = 64.0;
/// The offset that Adobe's specification has as default.
const OFFSET: f64 = 1.0 / 64.0;

/// The number of fractions for a whole map, and for each of its channels.
const FRACTIONS: usize = 2;
const CHANNEL_FRACTIONS: usize = 5;

/// The maximum length of a payload of ISO 21496-1 of a version that is known.
pub(crate) const MAX_LEN: usize = HEADER + (FRACTIONS + CHANNEL_FRACTIONS * 3) * 8;

/// The length of the payload of ISO 21496-1 that begins with these bytes; `None` if its version is not known.
pub(crate) fn payload_len(payload: &[u8]) -> Option<usize> {
    let [0, 0, _, _, flags, ..] = payload else { return None };
    let channels = if flags & IS_MULTICHANNEL != 0 { 3 } else { 1 };
    let fractions = FRACTIONS + CHANNEL_FRACTIONS * channels;
    Some(HEADER + if flags & HAS_COMMON_DENOMINATOR != 0 { 4 + fractions * 4 } else { fractions * 8 })
}

/// A payload of ISO 21496-1 without what follows its parameters. That of a version that is not known is not changed.
pub(crate) fn without_trailing(payload: &[u8]) -> &[u8] {
    let length = payload_len(payload).unwrap_or(payload.len());
    &payload[..length.min(payload.len())]
}

/// The parameters of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Channel {
    /// The binary logarithm of the gain of the smallest sample.
    min: f64,
    /// The binary logarithm of the gain of the largest sample.
    max: f64,
    /// The samples are the normalized logarithms to this power.
    gamma: f64,
    /// What is added to the base before the gain is applied.
    base_offset: f64,
    /// What is subtracted afterwards.
    alternate_offset: f64,
}

/// How a gain map is applied to its base picture, which is the SDR rendition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    channels: [Channel; 3],
    /// The binary logarithm of the headroom of a display up to which the base is shown as it is.
    base_headroom: f64,
    /// The same from which on the gain is applied completely.
    alternate_headroom: f64,
    /// Whether gains apply to colours with the base's primaries. Otherwise they apply to those of the gain map's profile.
    pub uses_base_colour_space: bool,
}

impl Parameters {
    /// Parameters for samples that are the logarithm of the gain, from none to `stops`, which is above 0 and at most 64.
    pub fn of_log_gain(stops: f64) -> Self {
        let channel = Channel { min: 0.0, max: stops, gamma: 1.0, base_offset: 0.0, alternate_offset: 0.0 };
        Self { channels: [channel; 3], base_headroom: 0.0, alternate_headroom: stops, uses_base_colour_space: true }
    }

    /// Whether the channels have different parameters.
    pub fn is_multichannel(&self) -> bool {
        let [first, others @ ..] = &self.channels;
        others.iter().any(|other| other != first)
    }

    /// Whether the values can be applied, also after they were rounded to be written. A base that is the HDR rendition is not
    /// supported.
    fn is_usable(&self) -> bool {
        const STEP: f64 = 1.0 / DENOMINATOR as f64;
        let is_small = |value: f64| value.abs() <= LARGEST;
        let is_channel = |channel: &Channel| {
            let Channel { min, max, gamma, base_offset, alternate_offset } = *channel;
            [min, max, gamma, base_offset, alternate_offset].into_iter().all(is_small) && gamma >= STEP && min <= max
        };
        self.channels.iter().all(is_channel)
            && is_small(self.base_headroom)
            && is_small(self.alternate_headroom)
            && self.base_headroom >= 0.0
            && self.base_headroom + STEP <= self.alternate_headroom
    }

    /// Reads the payload of a gain map's segment after its identifier (ISO 21496-1, C.2.2).
    pub(super) fn from_iso(payload: &[u8]) -> Option<Self> {
        let (header, mut rest) = payload.split_at_checked(HEADER)?;
        let [0, 0, _, _, flags] = *header else { return None };
        let mut word = || {
            let (word, others) = rest.split_first_chunk()?;
            rest = others;
            Some(u32::from_be_bytes(*word))
        };
        let common = if flags & HAS_COMMON_DENOMINATOR != 0 { Some(word()?) } else { None };
        let mut fraction = |is_signed: bool| {
            let numerator = word()?;
            let denominator = match common {
                Some(common) => common,
                None => word()?,
            };
            let numerator = if is_signed { f64::from(numerator.cast_signed()) } else { f64::from(numerator) };
            (denominator != 0).then(|| numerator / f64::from(denominator))
        };
        let (base_headroom, alternate_headroom) = (fraction(false)?, fraction(false)?);
        let mut channel = || {
            Some(Channel {
                min: fraction(true)?,
                max: fraction(true)?,
                gamma: fraction(false)?,
                base_offset: fraction(true)?,
                alternate_offset: fraction(true)?,
            })
        };
        let first = channel()?;
        let channels = if flags & IS_MULTICHANNEL != 0 { [first, channel()?, channel()?] } else { [first; 3] };
        let uses_base_colour_space = flags & USES_BASE_COLOUR_SPACE != 0;
        Some(Self { channels, base_headroom, alternate_headroom, uses_base_colour_space }).filter(Self::is_usable)
    }

    /// Serializes such a payload.
    pub(super) fn to_iso(self) -> Vec<u8> {
        let is_multichannel = self.is_multichannel();
        let mut flags = 0;
        if is_multichannel {
            flags |= IS_MULTICHANNEL;
        }
        if self.uses_base_colour_space {
            flags |= USES_BASE_COLOUR_SPACE;
        }
        let mut out = vec![0, 0, 0, 0, flags];
        let mut fraction = |value: f64| {
            // The values are small, so this does not overflow; signed and unsigned numerators have the same bytes.
            let numerator = (value * f64::from(DENOMINATOR)).round() as i32;
            out.extend(numerator.to_be_bytes());
            out.extend(DENOMINATOR.to_be_bytes());
        };
        fraction(self.base_headroom);
        fraction(self.alternate_headroom);
        for channel in &self.channels[..if is_multichannel { 3 } else { 1 }] {
            let Channel { min, max, gamma, base_offset, alternate_offset } = *channel;
            [min, max, gamma, base_offset, alternate_offset].into_iter().for_each(&mut fraction);
        }
        out
    }

    /// Reads the properties of a gain map, with their defaults.
    pub(super) fn from_xmp(xmp: &Xmp) -> Option<Self> {
        xmp.text(ns::HDR_GAIN_MAP, "Version")?;
        if xmp.text(ns::HDR_GAIN_MAP, "BaseRenditionIsHDR").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return None;
        }
        let numbers = |local: &str, usual: Option<f64>| -> Option<[f64; 3]> {
            let texts = xmp.texts(ns::HDR_GAIN_MAP, local);
            match texts.as_slice() {
                [] => usual.map(|usual| [usual; 3]),
                [one] => one.trim().parse().ok().map(|one| [one; 3]),
                [red, green, blue] => {
                    Some([red.trim().parse().ok()?, green.trim().parse().ok()?, blue.trim().parse().ok()?])
                }
                _ => None,
            }
        };
        let (min, max) = (numbers("GainMapMin", Some(0.0))?, numbers("GainMapMax", None)?);
        let gamma = numbers("Gamma", Some(1.0))?;
        let (base, alternate) = (numbers("OffsetSDR", Some(OFFSET))?, numbers("OffsetHDR", Some(OFFSET))?);
        let [base_headroom, ..] = numbers("HDRCapacityMin", Some(0.0))?;
        let [alternate_headroom, ..] = numbers("HDRCapacityMax", None)?;
        let channels = [0, 1, 2].map(|i| Channel {
            min: min[i],
            max: max[i],
            gamma: gamma[i],
            base_offset: base[i],
            alternate_offset: alternate[i],
        });
        let parameters = Self { channels, base_headroom, alternate_headroom, uses_base_colour_space: true };
        Some(parameters).filter(Self::is_usable)
    }

    /// Serializes a packet with these properties.
    pub(super) fn to_xmp(self) -> Vec<u8> {
        let of = |value: fn(&Channel) -> f64| -> Vec<String> {
            let values = self.channels.iter().map(|channel| number(value(channel))).collect::<Vec<_>>();
            if values.iter().all(|value| *value == values[0]) { values[..1].to_vec() } else { values }
        };
        Xmp::of_gain_map(&[
            ("Version", vec!["1.0".to_owned()]),
            ("BaseRenditionIsHDR", vec!["False".to_owned()]),
            ("GainMapMin", of(|channel| channel.min)),
            ("GainMapMax", of(|channel| channel.max)),
            ("Gamma", of(|channel| channel.gamma)),
            ("OffsetSDR", of(|channel| channel.base_offset)),
            ("OffsetHDR", of(|channel| channel.alternate_offset)),
            ("HDRCapacityMin", vec![number(self.base_headroom)]),
            ("HDRCapacityMax", vec![number(self.alternate_headroom)]),
        ])
    }
}

/// A decimal number with at most six places.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_container::{Cancellation, Meter};

    fn parameters(is_multichannel: bool) -> Parameters {
        let channel = Channel { min: -0.5, max: 2.25, gamma: 0.75, base_offset: OFFSET, alternate_offset: -0.000_01 };
        let other = if is_multichannel { Channel { max: 3.0, ..channel } } else { channel };
        Parameters {
            channels: [channel, other, channel],
            base_headroom: 0.0,
            alternate_headroom: 2.5,
            uses_base_colour_space: true,
        }
    }

    fn read(packet: &[u8]) -> Option<Parameters> {
        let cancellation = Cancellation::unbounded();
        let xmp = Xmp::new(&[packet.to_vec()], &Meter::new(packet.len() as u64, &cancellation)).unwrap();
        Parameters::from_xmp(&xmp)
    }

    #[test]
    fn both_serializations_round_trip() {
        for is_multichannel in [false, true] {
            let parameters = parameters(is_multichannel);
            assert_eq!(Parameters::from_iso(&parameters.to_iso()), Some(parameters));
            assert_eq!(read(&parameters.to_xmp()), Some(parameters));
            let other = Parameters { uses_base_colour_space: false, ..parameters };
            assert_eq!(Parameters::from_iso(&other.to_iso()), Some(other));
        }
    }

    #[test]
    fn what_follows_the_parameters_is_cut_off() {
        let single = parameters(false).to_iso();
        let several = parameters(true).to_iso();
        let common: Vec<u8> = [0, 0, 0, 0, 0x48].into_iter().chain([1; 4 + 7 * 4]).collect();
        let version = vec![0; 4];
        for good in [single, several, common, version] {
            assert_eq!(without_trailing(&good), good);
            if good.len() > 4 {
                assert_eq!(without_trailing(&[good.as_slice(), b"Ann"].concat()), good);
            }
        }
        // A later version, which has other parameters.
        assert_eq!(without_trailing(b"\0\x01\0\x01\0other parameters"), b"\0\x01\0\x01\0other parameters");
    }

    #[test]
    fn a_common_denominator_is_read() {
        let words = [100_u32, 0, 230, 0, 200, 100, 1, 1];
        let payload: Vec<u8> =
            [0, 0, 0, 0, 0x48].into_iter().chain(words.into_iter().flat_map(u32::to_be_bytes)).collect();
        let read = Parameters::from_iso(&payload).unwrap();
        assert_eq!((read.alternate_headroom, read.channels[2].max, read.channels[0].base_offset), (2.3, 2.0, 0.01));
    }

    #[test]
    fn what_cannot_be_applied_is_not_read() {
        let good = parameters(false).to_iso();
        for len in 0..good.len() {
            assert_eq!(Parameters::from_iso(&good[..len]), None, "{len}");
        }
        // A newer version, a denominator of 0, a base that is the HDR rendition, a gain beyond reason, a gamma of 0.
        let table: [(usize, &[u8]); 5] =
            [(1, &[1]), (9, &[0; 4]), (5, &[0x7f, 0, 0, 0]), (29, &[0x7f, 0, 0, 0, 0, 0, 0, 1]), (37, &[0; 4])];
        for (at, bytes) in table {
            let mut payload = good.clone();
            payload[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(Parameters::from_iso(&payload), None, "{at}");
        }
        let packet = String::from_utf8(parameters(false).to_xmp()).unwrap();
        for (from, to) in [
            ("BaseRenditionIsHDR=\"False\"", "BaseRenditionIsHDR=\"True\""),
            ("GainMapMax=\"2.25\"", "GainMapMax=\"NaN\""),
            ("GainMapMax=\"2.25\"", "GainMapMax=\"1e300\""),
            ("GainMapMax=\"2.25\"", ""),
            ("Gamma=\"0.75\"", "Gamma=\"0\""),
            ("HDRCapacityMax=\"2.5\"", "HDRCapacityMax=\"-1\""),
            // What would be written as 0, or as a number that has no sign.
            ("Gamma=\"0.75\"", "Gamma=\"1e-7\""),
            ("HDRCapacityMin=\"0\"", "HDRCapacityMin=\"-1\""),
            ("HDRCapacityMax=\"2.5\"", "HDRCapacityMax=\"1e-9\""),
        ] {
            assert!(packet.contains(from), "{from}");
            assert_eq!(
                read(
                    packet.replace(&format!("hdrgm:{from}"), &format!("hdrgm:{to}")).replace("hdrgm:\"", "").as_bytes()
                ),
                None,
                "{to}"
            );
        }
    }
}
