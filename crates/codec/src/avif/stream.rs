//! Parses the headers of an AV1 stream before decoding (AV1 Bitstream & Decoding Process Specification, 5.3 to 5.5).
//!
//! The decoder trusts its stream; therefore size and depth are parsed here first, and a stream that could cost
//! disproportionate time for its picture is rejected.

use super::damaged;
use super::tiles::{self, Syntax};
use crate::{Error, Meter};

/// The maximum number of frames of a still picture: layers, and reference frames.
const MAX_FRAMES: u32 = 8;

/// Types of open bitstream units (6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// The relevant values of a sequence header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    /// The maximum width of a frame.
    pub(super) width: u32,
    /// The maximum height of a frame.
    pub(super) height: u32,
    /// 8, 10 or 12.
    pub(super) depth: u8,
    pub(super) is_monochrome: bool,
    /// Whether chroma has half of luma's columns, and half of its rows.
    pub(super) subsampling: [bool; 2],
    pub(super) primaries: u8,
    pub(super) transfer: u8,
    pub(super) matrix: u8,
    pub(super) full_range: bool,
    pub(super) has_film_grain: bool,
    /// The values that determine the fields of frame headers.
    pub(super) syntax: Syntax,
}

impl Sequence {
    /// Parses the sequence header of a still picture's stream.
    pub(super) fn read(stream: &[u8]) -> Result<Self, &'static str> {
        Self::of(units(stream).find(|unit| unit.kind == SEQUENCE_HEADER).map(|unit| unit.payload))
    }

    fn of(header: Option<&[u8]>) -> Result<Self, &'static str> {
        read_header(&mut Bits(header.ok_or("it has no sequence header")?, 0)).ok_or("its sequence header is cut off")
    }
}

/// A stream whose units have been parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(super) sequence: Sequence,
    /// The number of frames, shown or not.
    frames: u32,
    /// The maximum number of tiles of a frame.
    tiles: u32,
    /// Whether all sequence headers are equal.
    is_one_sequence: bool,
}

impl Stream {
    /// Parses everything that is needed before decoding.
    ///
    /// # Errors
    /// [`Error::Damaged`] as in [`Sequence::read`]; errors of the meter.
    pub(super) fn read(stream: &[u8], meter: &Meter<'_>) -> Result<Self, Error> {
        let (mut header, mut frames, mut first, mut is_one_sequence) = (None, 0_u32, None, true);
        for unit in units(stream) {
            meter.step()?;
            match unit.kind {
                SEQUENCE_HEADER => is_one_sequence &= *header.get_or_insert(unit.payload) == unit.payload,
                FRAME | FRAME_HEADER => {
                    frames += 1;
                    first.get_or_insert(unit.payload);
                }
                _ => {}
            }
        }
        let sequence = Sequence::of(header).map_err(damaged)?;
        // Frames after the first may be of any type.
        let counted = first.filter(|_| frames == 1).and_then(|frame| tiles::count(frame, &sequence));
        let tiles = counted.unwrap_or_else(|| tiles::most(&sequence, stream.len()));
        Ok(Self { sequence, frames, tiles, is_one_sequence })
    }

    /// The maximum number of tiles of a frame.
    pub(super) fn tiles(&self) -> u32 {
        self.tiles
    }

    /// The maximum number of frames that the decoder keeps, which equals the number of frames in the stream.
    pub(super) fn frames(&self) -> u32 {
        self.frames.clamp(1, MAX_FRAMES)
    }

    /// Rejects a stream with too many frames, or with several different sequence headers.
    pub(super) const fn check(&self) -> Result<(), &'static str> {
        match (self.is_one_sequence, self.frames) {
            (false, _) => Err("its sequence header changes"),
            (true, 0..=MAX_FRAMES) => Ok(()),
            (true, _) => Err("it has too many frames for a still picture"),
        }
    }
}

/// An open bitstream unit.
struct Unit<'a> {
    kind: u8,
    payload: &'a [u8],
}

/// Iterates over the units of a stream, up to the first truncated one.
fn units(mut stream: &[u8]) -> impl Iterator<Item = Unit<'_>> {
    std::iter::from_fn(move || {
        let (&first, rest) = stream.split_first()?;
        let rest = if first & 4 != 0 { rest.get(1..)? } else { rest };
        // A unit without a size extends to the end.
        let (size, rest) = if first & 2 != 0 { leb128(rest)? } else { (rest.len(), rest) };
        let (payload, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        stream = after;
        Some(Unit { kind: first >> 3 & 15, payload })
    })
}

/// `leb128()` (4.10.5): an integer in groups of 7 bits, the lowest first.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[i + 1..]));
        }
    }
    None
}

/// A reader of bits, the highest first, from a position on.
pub(super) struct Bits<'a>(pub(super) &'a [u8], pub(super) usize);

impl Bits<'_> {
    pub(super) fn take(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0u32, |value, _| {
            let byte = self.0.get(self.1 / 8)?;
            let bit = byte >> (7 - self.1 % 8) & 1;
            self.1 += 1;
            Some(value << 1 | u32::from(bit))
        })
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// Skips `uvlc()` (4.10.3).
    fn skip_uvlc(&mut self) -> Option<()> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
        }
        if zeros < 32 { self.take(zeros).map(|_| ()) } else { Some(()) }
    }
}

/// `sequence_header_obu()` (5.5.1).
fn read_header(bits: &mut Bits<'_>) -> Option<Sequence> {
    let profile = bits.take(3)?;
    let _still_picture = bits.flag()?;
    let is_reduced = bits.flag()?;
    let mut syntax = Syntax { is_reduced, ..Syntax::default() };
    if is_reduced {
        bits.take(5)?;
    } else {
        syntax.has_decoder_model = skip_operating_points(bits)?;
    }
    syntax.size_bits = [bits.take(4)? as usize + 1, bits.take(4)? as usize + 1];
    let (width, height) = (bits.take(syntax.size_bits[0])? + 1, bits.take(syntax.size_bits[1])? + 1);
    if !is_reduced && bits.flag()? {
        let difference = bits.take(4)? as usize + 2;
        syntax.id_bits = bits.take(3)? as usize + difference + 1;
    }
    syntax.superblock = if bits.flag()? { 128 } else { 64 };
    bits.take(2)?; // filter intra, intra edge filter
    if is_reduced {
        syntax.chooses_integer_mv = true;
    } else {
        read_inter_tools(bits, &mut syntax)?;
    }
    syntax.has_superres = bits.flag()?;
    bits.take(2)?; // cdef, restoration
    let mut sequence = Sequence { width, height, syntax, ..read_colour(bits, profile)? };
    sequence.has_film_grain = bits.flag()?;
    Some(sequence)
}

/// Skips from `timing_info_present_flag` to the end of the operating points; returns whether there is a decoder model.
fn skip_operating_points(bits: &mut Bits<'_>) -> Option<bool> {
    let mut delay_length = None;
    if bits.flag()? {
        bits.take(32)?;
        bits.take(32)?;
        if bits.flag()? {
            bits.skip_uvlc()?;
        }
        if bits.flag()? {
            delay_length = Some(bits.take(5)? as usize + 1);
            bits.take(32)?;
            bits.take(5 + 5)?;
        }
    }
    let has_display_delay = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.take(12)?;
        if bits.take(5)? > 7 {
            bits.flag()?; // tier
        }
        if let Some(length) = delay_length
            && bits.flag()?
        {
            bits.take(length)?;
            bits.take(length)?;
            bits.flag()?;
        }
        if has_display_delay && bits.flag()? {
            bits.take(4)?;
        }
    }
    Some(delay_length.is_some())
}

/// From `enable_interintra_compound` to `order_hint_bits_minus_1`.
fn read_inter_tools(bits: &mut Bits<'_>, syntax: &mut Syntax) -> Option<()> {
    bits.take(4)?;
    let has_order_hint = bits.flag()?;
    if has_order_hint {
        bits.take(2)?;
    }
    syntax.screen_content = if bits.flag()? { None } else { Some(bits.flag()?) };
    syntax.chooses_integer_mv = true;
    if syntax.screen_content != Some(false) {
        syntax.chooses_integer_mv = bits.flag()?;
        if !syntax.chooses_integer_mv {
            bits.flag()?;
        }
    }
    if has_order_hint {
        syntax.order_hint_bits = bits.take(3)? as usize + 1;
    }
    Some(())
}

/// `color_config()` (5.5.2). The size remains 0.
fn read_colour(bits: &mut Bits<'_>, profile: u32) -> Option<Sequence> {
    let is_high = bits.flag()?;
    let depth = match (is_high, profile) {
        (false, _) => 8,
        (true, 2) if bits.flag()? => 12,
        (true, _) => 10,
    };
    let is_monochrome = profile != 1 && bits.flag()?;
    let [primaries, transfer, matrix] = match bits.flag()? {
        true => [bits.take(8)? as u8, bits.take(8)? as u8, bits.take(8)? as u8],
        false => [2; 3],
    };
    let mut sequence = Sequence {
        width: 0,
        height: 0,
        depth,
        is_monochrome,
        subsampling: [true; 2],
        primaries,
        transfer,
        matrix,
        full_range: true,
        has_film_grain: false,
        syntax: Syntax::default(),
    };
    if is_monochrome {
        sequence.full_range = bits.flag()?;
        return Some(sequence);
    }
    if [primaries, transfer, matrix] == [1, 13, 0] {
        sequence.subsampling = [false; 2];
    } else {
        sequence.full_range = bits.flag()?;
        sequence.subsampling = match (profile, depth) {
            (0, _) => [true; 2],
            (1, _) => [false; 2],
            (_, 12) => {
                let columns = bits.flag()?;
                [columns, columns && bits.flag()?]
            }
            _ => [true, false],
        };
        if sequence.subsampling == [true; 2] {
            bits.take(2)?; // place of chroma
        }
    }
    bits.flag()?; // quantizers of the two chromas apart
    Some(sequence)
}
