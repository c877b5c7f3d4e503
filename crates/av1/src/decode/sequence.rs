//! Sequence headers (5.5).

use super::bits::Bits;
use super::{DecodeError, damaged};
use crate::picture::Colour;

/// A sequence header: what all frames of a stream have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sequence {
    /// The width of the largest frame in pixels.
    pub width: u32,
    /// The height of the largest frame in pixels.
    pub height: u32,
    /// The depth of samples in bits: 8, 10 or 12.
    pub depth: u8,
    /// Whether there is luma only.
    pub is_monochrome: bool,
    /// Whether chroma has half of luma's columns, and half of its rows.
    pub subsampling: [bool; 2],
    /// The meaning of samples.
    pub colour: Colour,
    /// Whether samples use the full range of their depth, as opposed to that of video.
    pub full_range: bool,
    pub(super) syntax: Syntax,
}

/// The values of a sequence header that decoding depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Syntax {
    pub(super) is_reduced: bool,
    /// The bits of a temporal point, which precedes the frame's fields, or 0.
    pub(super) temporal_point: u32,
    pub(super) has_decoder_model: bool,
    /// The bits of buffer removal times, and the operating points that have them.
    pub(super) removal_time: u32,
    pub(super) points: [Option<u16>; 32],
    /// The numbers of bits of the fields of `frame_size()`.
    pub(super) size_bits: [u32; 2],
    /// The number of bits of frame ids, or 0.
    pub(super) id_bits: u32,
    pub(super) order_hint_bits: u32,
    /// `seq_force_screen_content_tools`; `None` if frame headers select.
    pub(super) screen_content: Option<bool>,
    /// Whether frame headers select integer motion vectors.
    pub(super) selects_integer_mv: bool,
    pub(super) has_superres: bool,
    pub(super) has_cdef: bool,
    pub(super) has_restoration: bool,
    pub(super) has_film_grain: bool,
    pub(super) separate_uv_delta_q: bool,
    pub(super) large_superblocks: bool,
    pub(super) has_filter_intra: bool,
    pub(super) has_edge_filter: bool,
}

impl Sequence {
    /// Whether chroma has half of the columns and of the rows, in a plane.
    pub(super) fn shifts(&self, plane: usize) -> [u32; 2] {
        self.subsampling.map(|halves| u32::from(plane > 0 && halves))
    }

    /// The number of planes: 1 or 3.
    pub fn planes(&self) -> usize {
        if self.is_monochrome { 1 } else { 3 }
    }

    /// The side of a superblock in samples.
    pub(super) fn superblock(&self) -> usize {
        if self.syntax.large_superblocks { 128 } else { 64 }
    }

    /// `sequence_header_obu()` (5.5.1).
    pub(super) fn read(payload: &[u8]) -> Result<Self, DecodeError> {
        let bits = &mut Bits::new(payload);
        let profile = bits.take(3)?;
        if profile > 2 {
            return Err(damaged("its profile is unknown"));
        }
        bits.flag()?; // still_picture
        let mut syntax = Syntax { is_reduced: bits.flag()?, ..Syntax::default() };
        if syntax.is_reduced {
            bits.take(5)?;
        } else {
            read_operating_points(bits, &mut syntax)?;
        }
        syntax.size_bits = [bits.take(4)? + 1, bits.take(4)? + 1];
        let (width, height) = (bits.take(syntax.size_bits[0])? + 1, bits.take(syntax.size_bits[1])? + 1);
        if !syntax.is_reduced && bits.flag()? {
            let difference = bits.take(4)? + 2;
            syntax.id_bits = bits.take(3)? + difference + 1;
        }
        syntax.large_superblocks = bits.flag()?;
        syntax.has_filter_intra = bits.flag()?;
        syntax.has_edge_filter = bits.flag()?;
        syntax.selects_integer_mv = true;
        if !syntax.is_reduced {
            read_inter_tools(bits, &mut syntax)?;
        }
        syntax.has_superres = bits.flag()?;
        syntax.has_cdef = bits.flag()?;
        syntax.has_restoration = bits.flag()?;
        let mut sequence = read_colour(bits, profile)?;
        syntax.separate_uv_delta_q = !sequence.is_monochrome && bits.flag()?;
        syntax.has_film_grain = bits.flag()?;
        (sequence.width, sequence.height, sequence.syntax) = (width, height, syntax);
        Ok(sequence)
    }
}

/// From `timing_info_present_flag` to the end of the operating points.
fn read_operating_points(bits: &mut Bits<'_>, syntax: &mut Syntax) -> Result<(), DecodeError> {
    let mut delay_length = None;
    if bits.flag()? {
        bits.take(32)?;
        bits.take(32)?;
        let has_equal_intervals = bits.flag()?;
        if has_equal_intervals {
            bits.skip_uvlc()?;
        }
        if bits.flag()? {
            delay_length = Some(bits.take(5)? + 1);
            bits.take(32)?;
            syntax.removal_time = bits.take(5)? + 1;
            let presentation = bits.take(5)? + 1;
            syntax.temporal_point = if has_equal_intervals { 0 } else { presentation };
        }
    }
    syntax.has_decoder_model = delay_length.is_some();
    let has_display_delay = bits.flag()?;
    for point in 0..=bits.take(5)? as usize {
        let layers = bits.take(12)? as u16;
        if bits.take(5)? > 7 {
            bits.flag()?; // tier
        }
        if let Some(length) = delay_length
            && bits.flag()?
        {
            bits.take(length)?;
            bits.take(length)?;
            bits.flag()?;
            syntax.points[point] = Some(layers);
        }
        if has_display_delay && bits.flag()? {
            bits.take(4)?;
        }
    }
    Ok(())
}

/// From `enable_interintra_compound` to `order_hint_bits_minus_1`.
fn read_inter_tools(bits: &mut Bits<'_>, syntax: &mut Syntax) -> Result<(), DecodeError> {
    bits.take(4)?;
    let has_order_hint = bits.flag()?;
    if has_order_hint {
        bits.take(2)?;
    }
    syntax.screen_content = if bits.flag()? { None } else { Some(bits.flag()?) };
    if syntax.screen_content != Some(false) {
        syntax.selects_integer_mv = bits.flag()?;
        if !syntax.selects_integer_mv {
            bits.flag()?;
        }
    }
    if has_order_hint {
        syntax.order_hint_bits = bits.take(3)? + 1;
    }
    Ok(())
}

/// `color_config()` (5.5.2), except for its last field.
fn read_colour(bits: &mut Bits<'_>, profile: u32) -> Result<Sequence, DecodeError> {
    let depth = match (bits.flag()?, profile) {
        (false, _) => 8,
        (true, 2) if bits.flag()? => 12,
        (true, _) => 10,
    };
    let is_monochrome = profile != 1 && bits.flag()?;
    let [primaries, transfer, matrix] = if bits.flag()? { [bits.byte()?, bits.byte()?, bits.byte()?] } else { [2; 3] };
    let mut sequence = Sequence {
        width: 0,
        height: 0,
        depth,
        is_monochrome,
        subsampling: [true; 2],
        colour: Colour { primaries, transfer, matrix },
        full_range: true,
        syntax: Syntax::default(),
    };
    if is_monochrome {
        sequence.full_range = bits.flag()?;
    } else if [primaries, transfer, matrix] == [1, 13, 0] {
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
    Ok(sequence)
}
