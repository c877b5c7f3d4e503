//! HEIC, as produced by iPhones: HEVC pictures (ITU-T H.265) in a HEIF container, decoded by `heifer-hevc-dec`.
//!
//! The parameter sets come from the container, and are checked against the budget before the decoder sees the slices. It
//! cannot be interrupted within a picture, which is a cell of 512 by 512 pixels in the files of iPhones, and the whole
//! photograph in those of most cameras.

use heifer_hevc_dec::decoder::{DecodeOptions as HevcOptions, decode_picture};
use heifer_hevc_dec::nal::NalUnit;
use heifer_hevc_dec::params::{ParameterSets, Sps};
use heifer_hevc_dec::recon::Frame;
use image_origin_container::heif::Nclx;

use super::heif::{self, Codec, Description, Planes, Row};
use super::{Budget, Cancellation, DecodeOptions, Decoded, Decoder, Error, Format, Header};

/// The HEIC decoder.
pub(super) struct Heic;

/// The maximum length of a decoder configuration in bytes; usually it has a hundred.
const MAX_CONFIGURATION: usize = 16 << 10;

/// The length of a configuration before its parameter sets (ISO/IEC 14496-15, 8.3.2.1.2).
const CONFIGURATION_HEADER: usize = 22;

/// The maximum number of slice segments in a picture, of all levels (table A.8).
const MAX_SLICES: usize = 600;

/// What precedes a unit in a byte stream (annex B).
const START_CODE: [u8; 3] = [0, 0, 1];

/// The types of units with slices (table 7-1), and the minimum length of a unit.
const SLICES: std::ops::RangeInclusive<u8> = 0..=21;
const UNIT_HEADER: usize = 2;

/// The memory of the decoder in bytes for a pixel besides its planes: levels, modes and filters of blocks of 4 by 4.
const BYTES_PER_PIXEL: u64 = 2;

/// The fixed memory of the decoder in bytes.
const OVERHEAD: u64 = 64 << 10;

fn damaged(reason: impl ToString) -> Error {
    Error::Damaged { format: Format::Heic, reason: reason.to_string() }
}

fn failure(error: &heifer_hevc_dec::Error) -> Error {
    match error {
        heifer_hevc_dec::Error::Unimplemented(what) => {
            Error::Unsupported(format!("the heic is of a kind that is not read: {what}"))
        }
        error => damaged(error),
    }
}

/// The decoder configuration of an item (`hvcC`).
struct Configuration<'a> {
    /// The number of bytes that tell the length of a unit in the item's data.
    length_size: usize,
    /// Parameter sets.
    units: Vec<&'a [u8]>,
}

impl<'a> Configuration<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_CONFIGURATION {
            return Err(damaged("its configuration is too long"));
        }
        Self::read(bytes).ok_or_else(|| damaged("its configuration is cut off"))
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, mut rest) = bytes.split_at_checked(CONFIGURATION_HEADER)?;
        let length_size = usize::from(header.last()? & 3) + 1;
        let mut units = Vec::new();
        let [arrays] = *take(&mut rest)?;
        for _ in 0..arrays {
            let [_kind, n0, n1] = *take(&mut rest)?;
            for _ in 0..u16::from_be_bytes([n0, n1]) {
                let length = u16::from_be_bytes(*take(&mut rest)?);
                let (unit, behind) = rest.split_at_checked(length.into())?;
                units.push(unit);
                rest = behind;
            }
        }
        Some(Self { length_size, units })
    }

    /// The only sequence parameter set.
    fn sequence(&self) -> Result<Sps, Error> {
        let mut sets = ParameterSets::default();
        for unit in self.units.iter().filter(|unit| unit.len() > UNIT_HEADER) {
            let unit = NalUnit::parse(unit).map_err(|error| failure(&error))?;
            sets.add(&unit).map_err(|error| failure(&error))?;
        }
        let mut found = sets.sps.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(sequence), None) => Ok(sequence),
            _ => Err(damaged("it has not one sequence parameter set")),
        }
    }
}

/// Takes the first bytes.
fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(first)
}

/// The headers of a picture.
pub(super) struct Stream {
    description: Description,
    /// The size before the conformance window is applied.
    coded: (u32, u32),
    length_size: usize,
    /// The parameter sets as a byte stream.
    parameter_sets: Vec<u8>,
}

fn description(sequence: &Sps) -> Result<Description, Error> {
    if sequence.separate_colour_plane_flag || sequence.bit_depth_luma != sequence.bit_depth_chroma {
        return Err(Error::Unsupported("the heic is of a kind that is not read: planes of their own".to_owned()));
    }
    let (width, height) = sequence.output_size();
    let subsampling = match sequence.chroma_format_idc {
        1 => [true, true],
        2 => [true, false],
        _ => [false, false],
    };
    let vui = sequence.vui.as_ref();
    // 2 is what is not specified.
    let code = |of: fn(&heifer_hevc_dec::params::Vui) -> u8| vui.map_or(2, of).into();
    let meaning = Nclx {
        primaries: code(|vui| vui.colour_primaries),
        transfer: code(|vui| vui.transfer_characteristics),
        matrix: code(|vui| vui.matrix_coeffs),
        full_range: vui.is_some_and(|vui| vui.video_full_range_flag),
    };
    let (depth, is_monochrome) = (sequence.bit_depth_luma, sequence.chroma_format_idc == 0);
    Ok(Description { width, height, depth, is_monochrome, subsampling, meaning })
}

impl Codec for Heic {
    const FORMAT: Format = Format::Heic;
    const ITEM: [u8; 4] = *b"hvc1";
    type Stream = Stream;

    /// Cameras of Sony write full-range streams, and the flag of limited range beside them.
    fn meaning(of_container: Option<Nclx>, of_stream: Nclx) -> Nclx {
        let found = of_container.unwrap_or(of_stream);
        Nclx { full_range: found.full_range || of_stream.full_range, ..found }
    }

    fn describe(_data: &[u8], configuration: &[u8]) -> Result<Description, Error> {
        description(&Configuration::new(configuration)?.sequence()?)
    }

    fn read(_data: &[u8], configuration: &[u8], cancellation: &Cancellation) -> Result<Stream, Error> {
        cancellation.check()?;
        let configuration = Configuration::new(configuration)?;
        let sequence = configuration.sequence()?;
        let parameter_sets = configuration.units.iter().filter(|unit| unit.len() > UNIT_HEADER);
        Ok(Stream {
            description: description(&sequence)?,
            coded: (sequence.pic_width_in_luma_samples, sequence.pic_height_in_luma_samples),
            length_size: configuration.length_size,
            parameter_sets: parameter_sets.flat_map(|unit| [&START_CODE, *unit].concat()).collect(),
        })
    }

    fn memory(stream: &Stream, length: usize) -> u64 {
        let (width, height) = stream.coded;
        let pixels = u64::from(width) * u64::from(height);
        let Description { width: width_shown, height: height_shown, is_monochrome, subsampling, .. } =
            stream.description;
        let planes = match (is_monochrome, subsampling) {
            (true, _) => 2 * pixels,
            (false, [true, true]) => 3 * pixels,
            (false, [true, false]) => 4 * pixels,
            (false, _) => 6 * pixels,
        };
        // A filter copies a plane; the conformance window, if there is one, copies all.
        let copied = if stream.coded == (width_shown, height_shown) { 2 * pixels } else { planes };
        planes + copied + BYTES_PER_PIXEL * pixels + 3 * length as u64 + OVERHEAD
    }

    fn decode(
        data: &[u8],
        stream: &Stream,
        filtered: bool,
        budget: Budget,
        _cancellation: &Cancellation,
    ) -> Result<Box<dyn Planes>, Error> {
        let (width, height) = stream.coded;
        budget.check_pixels(width, height)?;
        budget.check_memory(Self::memory(stream, data.len()))?;
        let bytes = byte_stream(data, stream)?;
        let max_pixels = u64::from(width) * u64::from(height);
        let options = HevcOptions { skip_loop_filters: !filtered, verify_hash: false, max_pixels };
        let frame = decode_picture(&bytes, options).map_err(|error| failure(&error))?;
        let description = stream.description;
        let is_as_announced = (frame.widths[0], frame.heights[0]) == (description.width, description.height);
        if !is_as_announced {
            return Err(damaged("its picture is of another size than its header"));
        }
        Ok(Box::new(Hevc { frame, description }))
    }
}

/// The slices of an item as a byte stream, after the parameter sets. Others in the item would replace these, and are left
/// out.
fn byte_stream(data: &[u8], stream: &Stream) -> Result<Vec<u8>, Error> {
    let mut bytes = stream.parameter_sets.clone();
    bytes.reserve_exact(data.len());
    let (mut rest, mut slices) = (data, 0);
    while let Some((length, behind)) = rest.split_at_checked(stream.length_size) {
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let (unit, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        let is_slice = unit.len() > UNIT_HEADER && unit.first().is_some_and(|byte| SLICES.contains(&(byte >> 1)));
        if !is_slice {
            continue;
        }
        slices += 1;
        if slices > MAX_SLICES {
            return Err(damaged("it has too many slices"));
        }
        bytes.extend(START_CODE);
        bytes.extend(unit);
    }
    Ok(bytes)
}

/// A decoded picture.
struct Hevc {
    frame: Frame,
    description: Description,
}

impl Planes for Hevc {
    fn description(&self) -> &Description {
        &self.description
    }

    fn row(&self, plane: usize, y: usize) -> Row<'_> {
        let width = self.frame.widths[plane] as usize;
        let samples = self.frame.planes[plane].get(y * width..(y + 1) * width).unwrap_or_default();
        Row::Sixteen(bytemuck::cast_slice(samples))
    }
}

impl Decoder for Heic {
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error> {
        heif::probe::<Self>(bytes, budget, cancellation)
    }

    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        heif::decode::<Self>(bytes, options)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Area, Channels, Orientation, Raster, Samples, open};
    use super::*;

    const BUDGET: Budget = Budget { pixels: 128 * 64, memory: 1 << 20 };

    /// One scene as libheif writes it (`fixtures/make/foreign.py`).
    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)).unwrap()
    }

    fn decode(bytes: &[u8], budget: Budget) -> Result<Raster, Error> {
        let cancellation = Cancellation::unbounded();
        let image = open(bytes, budget, &cancellation)?;
        let (area, orientation) = (image.area(), image.header().orientation);
        let options = DecodeOptions::new(area, budget, &cancellation);
        Ok(image.decode(&options)?.raster.oriented(orientation))
    }

    /// A sample in `0.0..=255.0`; of grey pictures luma.
    fn sample(raster: &Raster, x: u32, y: u32, channel: usize) -> f64 {
        let at = (y * raster.width() + x) as usize * raster.channels().count() + channel;
        match raster.samples() {
            Samples::U8(samples) => samples[at].into(),
            Samples::U16(samples) => f64::from(samples[at]) / 257.0,
        }
    }

    #[test]
    fn what_libheif_writes_is_the_scene() {
        let scene = decode(&fixture("foreign/scene.png"), BUDGET).unwrap();
        let with_alpha = decode(&fixture("foreign/scene-alpha.png"), BUDGET).unwrap();
        // The largest mean difference, and how the scene is turned.
        let turned = Orientation::from_exif(6);
        for (name, channels, is_deep, size, bound, turn) in [
            ("420", Channels::Rgb, false, (128, 64), 2.0, Orientation::UPRIGHT),
            ("grid", Channels::Rgb, false, (128, 64), 1.0, Orientation::UPRIGHT),
            ("turned", Channels::Rgb, false, (64, 128), 1.0, turned),
            ("alpha", Channels::Rgba, false, (128, 64), 1.0, Orientation::UPRIGHT),
            ("lossless", Channels::Rgb, false, (128, 64), 0.0, Orientation::UPRIGHT),
            ("odd-10", Channels::Rgb, true, (125, 61), 1.0, Orientation::UPRIGHT),
            ("grey", Channels::L, false, (128, 64), 1.0, Orientation::UPRIGHT),
        ] {
            let raster = decode(&fixture(&format!("heic/{name}.heic")), BUDGET).unwrap();
            assert_eq!((raster.width(), raster.height(), raster.channels()), (size.0, size.1, channels), "{name}");
            assert_eq!(matches!(raster.samples(), Samples::U16(_)), is_deep, "{name}");
            let expected = if channels.has_alpha() { &with_alpha } else { &scene }.clone().oriented(turn);
            let (mut sum, mut count) = (0.0, 0.0);
            for (x, y) in (0..size.1).flat_map(|y| (0..size.0).map(move |x| (x, y))) {
                if channels == Channels::L {
                    let [red, green, blue] = [0, 1, 2].map(|channel| sample(&expected, x, y, channel));
                    sum += (0.299 * red + 0.587 * green + 0.114 * blue - sample(&raster, x, y, 0)).abs();
                    count += 1.0;
                    continue;
                }
                // Nothing is told of colours that nobody sees.
                let is_seen = !channels.has_alpha() || sample(&expected, x, y, 3) > 8.0;
                for channel in (0..channels.count()).filter(|channel| is_seen || *channel == 3) {
                    sum += (sample(&expected, x, y, channel) - sample(&raster, x, y, channel)).abs();
                    count += 1.0;
                }
            }
            assert!(sum / count <= bound, "{name}: {}", sum / count);
        }
    }

    #[test]
    fn more_bits_are_kept() {
        let raster = decode(&fixture("heic/odd-10.heic"), BUDGET).unwrap();
        let fine = |index: u32| (sample(&raster, index, 40, 0) * 257.0) as u16 & 0xff;
        // Ten bits have values between those of eight.
        assert!((0..60).any(|index| !matches!(sample(&raster, index, 40, 0).fract(), ..0.1 | 0.9..)), "{}", fine(0));
    }

    #[test]
    fn limits_are_checked_before_anything_is_decoded() {
        let bytes = fixture("heic/420.heic");
        let few = Budget { pixels: 128 * 64 - 1, ..BUDGET };
        assert!(matches!(decode(&bytes, few), Err(Error::TooLarge { .. })));
        let little = Budget { memory: 60_000, ..BUDGET };
        assert!(matches!(decode(&bytes, little), Err(Error::TooLarge { .. })));
        let cancelled = Cancellation::unbounded();
        let image = open(&bytes, BUDGET, &cancelled).unwrap();
        cancelled.cancel();
        let options = DecodeOptions::new(Area::whole(128, 64), BUDGET, &cancelled);
        assert!(matches!(image.decode(&options), Err(Error::Cancelled(_))));
    }

    #[test]
    fn damaged_files_are_errors() {
        for name in ["420", "grid", "alpha", "odd-10"] {
            let whole = fixture(&format!("heic/{name}.heic"));
            for end in (0..whole.len()).step_by(29) {
                let _ = decode(&whole[..end], BUDGET);
            }
            for at in (0..whole.len()).step_by(11) {
                let mut file = whole.clone();
                file[at] ^= 1 << (at % 8);
                let _ = decode(&file, BUDGET);
            }
        }
    }

    #[test]
    fn configurations_are_read_within_their_length() {
        let unit = [0x42, 1, 1];
        let whole = [[0; 21].as_slice(), &[0xff, 1, 0x21, 0, 2], &[0, 3], &unit, &[0, 0]].concat();
        let read = Configuration::new(&whole).unwrap();
        assert_eq!((read.length_size, read.units), (4, vec![unit.as_slice(), &[]]));
        for end in 0..whole.len() {
            assert!(Configuration::new(&whole[..end]).is_err(), "{end}");
        }
        assert!(Configuration::new(&[0; MAX_CONFIGURATION + 1]).is_err());
    }

    #[test]
    fn streams_of_full_range_are_of_full_range() {
        let nclx = |matrix, full_range| Nclx { primaries: 1, transfer: 13, matrix, full_range };
        for (of_container, of_stream, expected) in [
            (Some(nclx(5, false)), nclx(2, true), nclx(5, true)),
            (Some(nclx(5, true)), nclx(2, false), nclx(5, true)),
            (Some(nclx(5, false)), nclx(2, false), nclx(5, false)),
            (None, nclx(2, true), nclx(2, true)),
        ] {
            assert_eq!(Heic::meaning(of_container, of_stream), expected);
        }
    }

    #[test]
    fn slices_alone_are_decoded() {
        let description = Description {
            width: 8,
            height: 8,
            depth: 8,
            is_monochrome: true,
            subsampling: [false; 2],
            meaning: Nclx { primaries: 2, transfer: 2, matrix: 2, full_range: false },
        };
        let stream = Stream { description, coded: (8, 8), length_size: 2, parameter_sets: vec![9] };
        // A slice, a parameter set, nothing, and a slice that is cut off.
        let data = [0, 3, 0x26, 1, 5, 0, 3, 0x42, 1, 6, 0, 0, 0, 9, 0x26, 1, 7];
        assert_eq!(byte_stream(&data, &stream).unwrap(), [9, 0, 0, 1, 0x26, 1, 5, 0, 0, 1, 0x26, 1, 7]);
        let many = [0, 3, 0x26, 1, 5].repeat(MAX_SLICES + 1);
        assert!(byte_stream(&many, &stream).is_err());
    }
}
