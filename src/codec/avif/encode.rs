//! Writing AVIF with zenrav1e, an encoder in Rust: rav1e with quantization matrices.
//!
//! Colours are written as ITU-R BT.601 of full range, the numbers of JPEG, with sRGB's primaries and transfer; alpha is
//! a grey picture of its own. The encoder asks at every superblock whether it may go on, and gets less thorough settings
//! when the time that is left calls for them. Large pictures are grids of cells, which keeps its memory within bounds.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use zenrav1e::prelude::{
    BlockSize, ChromaSamplePosition, ChromaSampling, ColorDescription, ColorPrimaries, Config, Context, EncoderConfig,
    EncoderStatus, MatrixCoefficients, PartitionRange, PixelRange, Rational, SpeedSettings, TransferCharacteristics,
};

use zenrav1e::{Stop, StopReason};

use super::source::{Cell, Source};
use super::write::{self, Image};
use crate::codec::{Channels, Encoder, Encoding, Error, Format, PlanarEncoder, Raster, Stopped, Work, check_sides};

/// AVIF, both ways.
pub(crate) struct Avif {
    /// One of [`SPEEDS`].
    speed: u8,
    primaries: Primaries,
}

/// What full red, green and blue are; the transfer is that of sRGB with both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Primaries {
    Srgb,
    DisplayP3,
}

impl Primaries {
    /// The code point (ITU-T H.273, 8.1).
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Srgb => 1,
            Self::DisplayP3 => 12,
        }
    }
}

/// From thorough to fast.
pub const SPEEDS: RangeInclusive<u8> = 1..=4;

/// The speed that is used where none is asked for: see ARCHITECTURE.md for what each takes and gives.
pub const DEFAULT_SPEED: u8 = 3;

/// One for each of [`SPEEDS`].
static ENCODERS: [Avif; 4] = encoders(Primaries::Srgb);
static P3_ENCODERS: [Avif; 4] = encoders(Primaries::DisplayP3);

const fn encoders(primaries: Primaries) -> [Avif; 4] {
    [
        Avif { speed: 1, primaries },
        Avif { speed: 2, primaries },
        Avif { speed: 3, primaries },
        Avif { speed: 4, primaries },
    ]
}

/// The encoder of this speed, or of the nearest there is.
pub fn with_speed(speed: u8) -> &'static dyn Encoder {
    &ENCODERS[usize::from(speed.clamp(1, 4)) - 1]
}

/// For reading, and for writing at the usual speed.
pub(crate) static DEFAULT: Avif = Avif { speed: DEFAULT_SPEED, primaries: Primaries::Srgb };

/// The longest side of a cell: see the module.
const CELL: usize = 1536;

/// The longest side that is written; AV1 could hold 65536 (5.5.1).
const MAX_SIDE: u32 = 32_767;

/// Above this quality chroma keeps its resolution.
const SUBSAMPLED_UP_TO: u8 = 90;

/// The quantizer for some qualities on JPEG's scale, with what lies between in proportion. `benches/calibrate.rs`
/// made it: at these quantizers, photographs have the SSIMULACRA2 of our JPEG.
const QUANTIZERS: [(u8, u8); 15] = [
    (1, 255),
    (5, 255),
    (10, 227),
    (20, 185),
    (30, 164),
    (40, 149),
    (50, 138),
    (60, 128),
    (70, 117),
    (75, 108),
    (80, 95),
    (85, 78),
    (90, 58),
    (95, 26),
    (100, 1),
];

/// AV1's quantizer for a quality on JPEG's scale.
pub fn quantizer(quality: u8) -> u8 {
    let above = QUANTIZERS.iter().position(|(q, _)| *q >= quality).unwrap_or(QUANTIZERS.len() - 1);
    let ((q0, low), (q1, high)) = (QUANTIZERS[above.saturating_sub(1)], QUANTIZERS[above]);
    let share = f32::from(quality.saturating_sub(q0)) / f32::from((q1 - q0).max(1));
    (f32::from(low) + (f32::from(high) - f32::from(low)) * share.min(1.0)).round() as u8
}

/// Where hardly anything is lost, all frequencies are quantized alike.
///
/// Elsewhere, what decoders show of the last 64 rows and columns is up to 0.2 dB less than what the encoder has reckoned
/// with, probably since its matrices of oblong transforms are the wrong way round. Every decoder shows the same.
const FINEST_WITH_MATRICES: u8 = 60;

/// How each speed searches, and roughly how long it takes for a pixel. What each gives stands in ARCHITECTURE.md.
fn search(speed: u8) -> (SpeedSettings, Duration) {
    // What rav1e's other presets change is for moving pictures, or takes more time than it is worth.
    // Its filters of intra prediction must stay off: with them, decoders see another picture than the encoder.
    let mut settings = SpeedSettings::from_preset(9);
    let smallest = if speed == 4 { BlockSize::BLOCK_16X16 } else { BlockSize::BLOCK_8X8 };
    settings.partition.partition_range = PartitionRange::new(smallest, BlockSize::BLOCK_16X16);
    settings.prediction.fine_directional_intra = speed <= 2;
    settings.transform.rdo_tx_decision = speed == 1;
    settings.transform.reduced_tx_set = false;
    settings.cdef = speed <= 2;
    let nanoseconds = [7500, 2000, 1200, 700][usize::from(speed.clamp(1, 4)) - 1];
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

    fn in_display_p3(&self) -> Option<&'static dyn Encoder> {
        Some(&P3_ENCODERS[usize::from(self.speed.clamp(1, 4)) - 1])
    }

    fn encode(&self, raster: &Raster, encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
        let sampling = match raster.channels() {
            Channels::L | Channels::La => ChromaSampling::Cs400,
            _ if encoding.quality > SUBSAMPLED_UP_TO => ChromaSampling::Cs444,
            _ => ChromaSampling::Cs420,
        };
        let colour = self.image(Source::Colour(raster), sampling, encoding.quality, work)?;
        let alpha = match raster.channels().has_alpha() {
            // Edges of alpha show more than what lies behind them.
            true => {
                let quality = encoding.quality.midpoint(100);
                Some(self.image(Source::Alpha(raster), ChromaSampling::Cs400, quality, work)?)
            }
            false => None,
        };
        Ok(write::file(&colour, alpha.as_ref(), self.primaries))
    }

    fn planar(&self, encoding: &Encoding) -> Option<&dyn PlanarEncoder> {
        (encoding.quality <= SUBSAMPLED_UP_TO).then_some(self)
    }
}

impl PlanarEncoder for Avif {
    fn encode_planes(&self, planes: &[Raster; 3], encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
        let colour = self.image(Source::Planes(planes), ChromaSampling::Cs420, encoding.quality, work)?;
        Ok(write::file(&colour, None, self.primaries))
    }
}

impl Avif {
    fn image(&self, source: Source<'_>, sampling: ChromaSampling, quality: u8, work: &Work) -> Result<Image, Error> {
        work.check()?;
        let [width, height] = source.size();
        check_sides([width, height], "a side of an avif in pixels", MAX_SIDE)?;
        let speed_settings = affordable(self.speed, width as usize * height as usize, work)?;
        // Cells of a grid have even sides (MIAF, 7.3.11.4.2).
        let cell = |side: u32| {
            let side = side as usize;
            if side <= CELL { side } else { side.div_ceil(side.div_ceil(CELL)).next_multiple_of(2) }
        };
        let size = [cell(width), cell(height)];
        let quantizer = quantizer(quality);
        Cells { source, sampling, size, config: config(size, sampling, quantizer, self.primaries, speed_settings) }
            .encode(work)
    }
}

/// What the encoder asks whether to go on.
struct Patience(Work);

impl Stop for Patience {
    fn check(&self) -> Result<(), StopReason> {
        self.0.check().map_err(|Stopped| StopReason::Cancelled)
    }
}

/// A picture about to be encoded in cells of one size.
struct Cells<'r> {
    source: Source<'r>,
    sampling: ChromaSampling,
    /// Width and height of a cell.
    size: [usize; 2],
    config: EncoderConfig,
}

impl Cells<'_> {
    fn encode(&self, work: &Work) -> Result<Image, Error> {
        let [width, height] = self.size;
        let size = self.source.size();
        let (columns, rows) = ((size[0] as usize).div_ceil(width), (size[1] as usize).div_ceil(height));
        let (mut streams, mut configuration) = (Vec::new(), Vec::new());
        for cell in 0..columns * rows {
            work.check()?;
            let cell = Cell { x: cell % columns * width, y: cell / columns * height, width, height };
            let planes = self.source.planes(cell, self.sampling)?;
            let stream;
            (stream, configuration) = self.encode_cell(&planes, work).ok_or(Stopped)?;
            streams.push(stream);
        }
        Ok(Image {
            size,
            cell: [width as u32, height as u32],
            rows,
            columns,
            is_grey: self.sampling == ChromaSampling::Cs400,
            configuration,
            streams,
        })
    }

    /// The stream of one cell, and how its container describes it; `None` if the work was stopped.
    fn encode_cell(&self, planes: &[Vec<u8>], work: &Work) -> Option<(Vec<u8>, Vec<u8>)> {
        let config = Config::new().with_encoder_config(self.config.clone()).with_threads(1);
        let mut context: Context<u8> = config.new_context().ok()?;
        context.set_stop(Arc::new(Patience(work.clone())));
        let mut frame = context.new_frame();
        for (plane, samples) in frame.planes.iter_mut().zip(planes) {
            plane.copy_from_raw_u8(samples, self.size[0].div_ceil(1 << plane.cfg.xdec), 1);
        }
        context.send_frame(frame).ok()?;
        context.flush();
        loop {
            match context.receive_packet() {
                Ok(packet) => {
                    // Files are to have no temporal delimiters (AVIF 1.1, 2.1).
                    let data = packet.data.strip_prefix(&[0x12, 0]).map(<[u8]>::to_vec).unwrap_or(packet.data);
                    // The sequence header is in the stream already, and need not be told twice (2.2.1).
                    let mut configuration = context.container_sequence_header();
                    configuration.truncate(4);
                    return Some((data, configuration));
                }
                Err(EncoderStatus::Encoded) => {}
                Err(_) => return None,
            }
        }
    }
}

fn config(
    [width, height]: [usize; 2],
    chroma_sampling: ChromaSampling,
    quantizer: u8,
    primaries: Primaries,
    speed_settings: SpeedSettings,
) -> EncoderConfig {
    EncoderConfig {
        width,
        height,
        still_picture: true,
        bit_depth: 8,
        chroma_sampling,
        chroma_sample_position: ChromaSamplePosition::Unknown,
        pixel_range: PixelRange::Full,
        color_description: Some(ColorDescription {
            color_primaries: match primaries {
                Primaries::Srgb => ColorPrimaries::BT709,
                Primaries::DisplayP3 => ColorPrimaries::SMPTE432,
            },
            transfer_characteristics: TransferCharacteristics::SRGB,
            matrix_coefficients: MatrixCoefficients::BT601,
        }),
        time_base: Rational { num: 1, den: 1 },
        quantizer: quantizer.into(),
        min_quantizer: quantizer,
        // Errors of high frequencies cost less: 6 % of the bytes at equal SSIMULACRA2.
        enable_qm: quantizer >= FINEST_WITH_MATRICES,
        // More of the bits go to what is smooth.
        enable_vaq: true,
        vaq_strength: 1.4,
        speed_settings,
        ..EncoderConfig::default()
    }
}
