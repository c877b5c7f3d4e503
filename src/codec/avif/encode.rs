//! Writing AVIF with rav1e, an encoder in Rust.
//!
//! Colours are written as ITU-R BT.601 of full range, the numbers of JPEG, with sRGB's primaries and transfer; alpha is
//! a grey picture of its own. The encoder cannot be interrupted, so it gets pictures in cells of a size that takes it a
//! second or two, and less thorough settings when the time that is left calls for them.

use std::ops::RangeInclusive;
use std::time::Duration;

use rav1e::prelude::{
    BlockSize, ChromaSamplePosition, ChromaSampling, ColorDescription, ColorPrimaries, Config, Context, EncoderConfig,
    EncoderStatus, MatrixCoefficients, PartitionRange, PixelRange, Rational, SpeedSettings, TransferCharacteristics,
};

use super::write::{self, Image};
use crate::codec::{Channels, Encoder, Encoding, Error, Format, Raster, Samples, Stopped, Work};

/// AVIF, both ways.
pub(crate) struct Avif {
    /// One of [`SPEEDS`].
    speed: u8,
}

/// From thorough to fast.
pub const SPEEDS: RangeInclusive<u8> = 1..=4;

/// The speed that is used where none is asked for: see ARCHITECTURE.md for what each takes and gives.
pub const DEFAULT_SPEED: u8 = 3;

/// One for each of [`SPEEDS`].
static ENCODERS: [Avif; 4] = [Avif { speed: 1 }, Avif { speed: 2 }, Avif { speed: 3 }, Avif { speed: 4 }];

/// The encoder of this speed, or of the nearest there is.
pub fn with_speed(speed: u8) -> &'static dyn Encoder {
    &ENCODERS[usize::from(speed.clamp(1, 4)) - 1]
}

/// For reading, and for writing at the usual speed.
pub(crate) static DEFAULT: Avif = Avif { speed: DEFAULT_SPEED };

/// The longest side of a cell: see the module.
const CELL: usize = 1536;

/// The longest side that is written; AV1 could hold 65536 (5.5.1).
const MAX_SIDE: u32 = 32_767;

/// Above this quality chroma keeps its resolution.
const SUBSAMPLED_UP_TO: u8 = 90;

/// The quantizer for some qualities on JPEG's scale, with what lies between in proportion. `benches/calibrate.rs`
/// made it: at these quantizers, photographs have the SSIMULACRA2 of our JPEG.
const QUANTIZERS: [(u8, u8); 14] = [
    (1, 255),
    (5, 255),
    (10, 225),
    (20, 187),
    (30, 166),
    (40, 151),
    (50, 141),
    (60, 133),
    (70, 120),
    (75, 112),
    (80, 102),
    (85, 82),
    (90, 59),
    (100, 1),
];

/// AV1's quantizer for a quality on JPEG's scale.
pub fn quantizer(quality: u8) -> u8 {
    let above = QUANTIZERS.iter().position(|(q, _)| *q >= quality).unwrap_or(QUANTIZERS.len() - 1);
    let ((q0, low), (q1, high)) = (QUANTIZERS[above.saturating_sub(1)], QUANTIZERS[above]);
    let share = f32::from(quality.saturating_sub(q0)) / f32::from((q1 - q0).max(1));
    (f32::from(low) + (f32::from(high) - f32::from(low)) * share.min(1.0)).round() as u8
}

/// How each speed searches, and roughly how long it takes for a pixel. What each gives stands in ARCHITECTURE.md.
fn search(speed: u8) -> (SpeedSettings, Duration) {
    // What rav1e's other presets change is for moving pictures, or takes more time than it is worth.
    let mut settings = SpeedSettings::from_preset(9);
    let smallest = if speed == 4 { BlockSize::BLOCK_16X16 } else { BlockSize::BLOCK_8X8 };
    settings.partition.partition_range = PartitionRange::new(smallest, BlockSize::BLOCK_16X16);
    settings.prediction.fine_directional_intra = false;
    settings.transform.rdo_tx_decision = speed == 1;
    settings.transform.reduced_tx_set = false;
    settings.cdef = speed <= 2;
    let nanoseconds = [4100, 1500, 1200, 1100][usize::from(speed.clamp(1, 4)) - 1];
    (settings, Duration::from_nanos(nanoseconds))
}

/// The speed that was asked for, or the next that is fast enough for the time that is left.
fn affordable(speed: u8, pixels: usize, work: &Work) -> Result<SpeedSettings, Stopped> {
    let pixels = u32::try_from(pixels).unwrap_or(u32::MAX);
    let left = work.remaining();
    let fits = |(_, cost): &(_, Duration)| left.is_none_or(|left| cost.saturating_mul(pixels) <= left);
    (speed..=*SPEEDS.end()).map(search).find(fits).map(|(settings, _)| settings).ok_or(Stopped)
}

impl Encoder for Avif {
    fn format(&self) -> Format {
        Format::Avif
    }

    fn has_alpha(&self) -> bool {
        true
    }

    fn has_quality(&self, _: &Encoding) -> bool {
        true
    }

    fn encode(&self, raster: &Raster, encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
        work.check()?;
        let (needs, allowed) = (raster.width().max(raster.height()), MAX_SIDE);
        if needs > allowed {
            let (needs, allowed) = (needs.into(), allowed.into());
            return Err(Error::TooLarge { what: "a side of an avif in pixels", needs, allowed });
        }
        let pixels = raster.width() as usize * raster.height() as usize;
        let settings = affordable(self.speed, pixels, work)?;
        let sampling = match raster.channels() {
            Channels::L | Channels::La => ChromaSampling::Cs400,
            _ if encoding.quality > SUBSAMPLED_UP_TO => ChromaSampling::Cs444,
            _ => ChromaSampling::Cs420,
        };
        let colour = Cells::new(raster, sampling, quantizer(encoding.quality)).encode(&settings, work, read_colour)?;
        let alpha = match raster.channels().has_alpha() {
            // Edges of alpha show more than what lies behind them.
            true => {
                let quality = encoding.quality.midpoint(100);
                let cells = Cells::new(raster, ChromaSampling::Cs400, quantizer(quality));
                Some(cells.encode(&settings, work, read_alpha)?)
            }
            false => None,
        };
        Ok(write::file(&colour, alpha.as_ref()))
    }
}

/// A picture about to be encoded in cells of one size.
struct Cells<'r> {
    raster: &'r Raster,
    sampling: ChromaSampling,
    quantizer: u8,
    /// Width and height of a cell.
    size: [usize; 2],
}

/// Reads a pixel, of whatever channels, as red, green and blue.
type Read = fn(&[u8]) -> [u8; 3];

fn read_colour(pixel: &[u8]) -> [u8; 3] {
    match *pixel {
        [r, g, b, ..] => [r, g, b],
        [l, ..] => [l; 3],
        [] => [0; 3],
    }
}

fn read_alpha(pixel: &[u8]) -> [u8; 3] {
    [pixel.last().copied().unwrap_or(255); 3]
}

impl<'r> Cells<'r> {
    fn new(raster: &'r Raster, sampling: ChromaSampling, quantizer: u8) -> Self {
        // Cells of a grid have even sides (MIAF, 7.3.11.4.2).
        let cell = |side: u32| {
            let side = side as usize;
            if side <= CELL { side } else { side.div_ceil(side.div_ceil(CELL)).next_multiple_of(2) }
        };
        Self { raster, sampling, quantizer, size: [cell(raster.width()), cell(raster.height())] }
    }

    fn encode(&self, settings: &SpeedSettings, work: &Work, read: Read) -> Result<Image, Error> {
        let [width, height] = self.size;
        let (columns, rows) =
            ((self.raster.width() as usize).div_ceil(width), (self.raster.height() as usize).div_ceil(height));
        let (mut streams, mut configuration) = (Vec::new(), Vec::new());
        for cell in 0..columns * rows {
            work.check()?;
            let planes = Planes::new(self, cell % columns * width, cell / columns * height, read)?;
            let stream;
            (stream, configuration) = self.encode_cell(&planes, settings).ok_or(Stopped)?;
            streams.push(stream);
        }
        Ok(Image {
            size: [self.raster.width(), self.raster.height()],
            cell: [width as u32, height as u32],
            rows,
            columns,
            is_grey: self.sampling == ChromaSampling::Cs400,
            configuration,
            streams,
        })
    }

    /// The stream of one cell, and how its container describes it.
    fn encode_cell(&self, planes: &Planes, settings: &SpeedSettings) -> Option<(Vec<u8>, Vec<u8>)> {
        let config = Config::new().with_encoder_config(self.config(*settings)).with_threads(1);
        let mut context: Context<u8> = config.new_context().ok()?;
        let mut frame = context.new_frame();
        for (plane, samples) in frame.planes.iter_mut().zip(&planes.samples) {
            plane.copy_from_raw_u8(samples, self.plane_size(plane.cfg.xdec)[0], 1);
        }
        context.send_frame(frame).ok()?;
        context.flush();
        loop {
            match context.receive_packet() {
                Ok(packet) => {
                    // Files are to have no temporal delimiters (AVIF 1.1, 2.1).
                    let data = packet.data.strip_prefix(&[0x12, 0]).map(<[u8]>::to_vec).unwrap_or(packet.data);
                    return Some((data, context.container_sequence_header()));
                }
                Err(EncoderStatus::Encoded) => {}
                Err(_) => return None,
            }
        }
    }

    fn plane_size(&self, decimation: usize) -> [usize; 2] {
        self.size.map(|side| side.div_ceil(1 << decimation))
    }

    fn config(&self, speed_settings: SpeedSettings) -> EncoderConfig {
        EncoderConfig {
            width: self.size[0],
            height: self.size[1],
            still_picture: true,
            bit_depth: 8,
            chroma_sampling: self.sampling,
            chroma_sample_position: ChromaSamplePosition::Unknown,
            pixel_range: PixelRange::Full,
            color_description: Some(ColorDescription {
                color_primaries: ColorPrimaries::BT709,
                transfer_characteristics: TransferCharacteristics::SRGB,
                matrix_coefficients: MatrixCoefficients::BT601,
            }),
            time_base: Rational { num: 1, den: 1 },
            quantizer: self.quantizer.into(),
            min_quantizer: self.quantizer,
            speed_settings,
            ..EncoderConfig::default()
        }
    }
}

/// Luma and chroma of one cell.
struct Planes {
    samples: Vec<Vec<u8>>,
}

impl Planes {
    /// Beyond the picture's edges its last pixels go on.
    fn new(cells: &Cells<'_>, x: usize, y: usize, read: Read) -> Result<Self, Stopped> {
        let Samples::U8(samples) = cells.raster.samples() else { return Err(Stopped) };
        let (raster, [width, height]) = (cells.raster, cells.size);
        let (count, columns, rows) = (raster.channels().count(), raster.width() as usize, raster.height() as usize);
        let row = |row: usize| {
            let start = (y + row).min(rows - 1) * columns * count;
            let pixels = samples[start..start + columns * count].chunks_exact(count).skip(x).map(read);
            let mut pixels: Vec<[u8; 3]> = pixels.take(width).collect();
            pixels.resize(width, pixels.last().copied().unwrap_or_default());
            pixels
        };
        let mut planes = vec![Vec::with_capacity(width * height)];
        if cells.sampling == ChromaSampling::Cs400 {
            planes[0].extend((0..height).flat_map(|y| row(y).into_iter().map(|[l, ..]| l)));
            return Ok(Self { samples: planes });
        }
        planes.resize(3, Vec::new());
        let size = if cells.sampling == ChromaSampling::Cs420 { 2 } else { 1 };
        for top in (0..height).step_by(size) {
            let band: Vec<Vec<[u8; 3]>> = (top..(top + size).min(height)).map(row).collect();
            for row in &band {
                planes[0].extend(row.iter().map(|pixel| luma(pixel.map(i32::from))));
            }
            for left in (0..width).step_by(size) {
                let square = band.iter().flat_map(|row| &row[left..(left + size).min(width)]);
                let [blue, red] = chroma(square);
                planes[1].push(blue);
                planes[2].push(red);
            }
        }
        Ok(Self { samples: planes })
    }
}

/// ITU-R BT.601 in 16 bits behind the point, as JFIF has it.
fn luma([r, g, b]: [i32; 3]) -> u8 {
    ((19_595 * r + 38_470 * g + 7_471 * b + (1 << 15)) >> 16) as u8
}

/// Both chromas of the mean of some pixels.
fn chroma<'p>(pixels: impl Iterator<Item = &'p [u8; 3]>) -> [u8; 2] {
    let ([mut r, mut g, mut b], mut count) = ([0; 3], 0);
    for pixel in pixels {
        r += i32::from(pixel[0]);
        g += i32::from(pixel[1]);
        b += i32::from(pixel[2]);
        count += 1;
    }
    let rounded = |sum: i32| ((sum / count + (128 << 16) + (1 << 15)) >> 16).clamp(0, 255) as u8;
    [rounded(-11_059 * r - 21_709 * g + 32_768 * b), rounded(32_768 * r - 27_439 * g - 5_329 * b)]
}
