//! Prediction modes of macroblocks (RFC 6386, sections 10 and 11).

use super::bool_decoder::BoolDecoder;
use super::header::Header;
use super::tables::BLOCK_MODES;

/// The prediction mode of a whole macroblock, luma or chroma (section 12.2 and 12.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Dc,
    Vertical,
    Horizontal,
    TrueMotion,
}

/// The prediction mode of a block of 4x4 luma samples (section 12.3), in the order of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockMode {
    Dc,
    TrueMotion,
    Vertical,
    Horizontal,
    LeftDown,
    RightDown,
    VerticalRight,
    VerticalLeft,
    HorizontalDown,
    HorizontalUp,
}

impl From<Mode> for BlockMode {
    /// The block mode that a whole-macroblock mode implies as a context for its neighbours (section 11.3).
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Dc => Self::Dc,
            Mode::Vertical => Self::Vertical,
            Mode::Horizontal => Self::Horizontal,
            Mode::TrueMotion => Self::TrueMotion,
        }
    }
}

/// The prediction of luma.
#[derive(Debug, Clone, Copy)]
pub(super) enum Luma {
    Whole(Mode),
    Blocks([BlockMode; 16]),
}

/// The data of a macroblock in the first partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Macroblock {
    pub(super) segment: usize,
    /// Whether it has no coefficients.
    pub(super) is_skipped: bool,
    pub(super) luma: Luma,
    pub(super) chroma: Mode,
}

/// The modes of the four blocks at a border to the next macroblock.
pub(super) type Border = [BlockMode; 4];

/// The context outside of the picture.
pub(super) const OUTSIDE: Border = [BlockMode::Dc; 4];

impl Macroblock {
    /// Reads the next macroblock. `above` and `left` are updated to its lower and right border.
    #[inline(always)]
    pub(super) fn read(header: &mut Header<'_>, above: &mut Border, left: &mut Border) -> Self {
        let reader = &mut header.modes;
        let segment = header.segment_tree.map_or(0, |[first, low, high]| {
            if reader.read(first) { 2 + usize::from(reader.read(high)) } else { usize::from(reader.read(low)) }
        });
        let is_skipped = header.skip.is_some_and(|probability| reader.read(probability));
        let luma = if reader.read(145) {
            let mode = match reader.read(156) {
                false if reader.read(163) => Mode::Vertical,
                false => Mode::Dc,
                true if reader.read(128) => Mode::TrueMotion,
                true => Mode::Horizontal,
            };
            (*above, *left) = ([mode.into(); 4], [mode.into(); 4]);
            Luma::Whole(mode)
        } else {
            Luma::Blocks(read_blocks(reader, above, left))
        };
        let chroma = read_chroma(&mut header.modes);
        Self { segment, is_skipped, luma, chroma }
    }
}

#[inline(always)]
fn read_chroma(reader: &mut BoolDecoder<'_>) -> Mode {
    if !reader.read(142) {
        Mode::Dc
    } else if !reader.read(114) {
        Mode::Vertical
    } else if !reader.read(183) {
        Mode::Horizontal
    } else {
        Mode::TrueMotion
    }
}

#[inline(always)]
fn read_blocks(reader: &mut BoolDecoder<'_>, above: &mut Border, left: &mut Border) -> [BlockMode; 16] {
    let mut modes = [BlockMode::Dc; 16];
    let mut local = *reader;
    for (row, left) in modes.as_chunks_mut::<4>().0.iter_mut().zip(left) {
        for (mode, above) in row.iter_mut().zip(&mut *above) {
            *mode = read_block(&mut local, &BLOCK_MODES[*above as usize][*left as usize]);
            (*above, *left) = (*mode, *mode);
        }
    }
    *reader = local;
    modes
}

/// The tree of section 11.2, of a maximum depth of seven booleans.
#[inline(always)]
fn read_block(reader: &mut BoolDecoder<'_>, p: &[u8; 9]) -> BlockMode {
    reader.refill();
    if !reader.bit(p[0]) {
        BlockMode::Dc
    } else if !reader.bit(p[1]) {
        BlockMode::TrueMotion
    } else if !reader.bit(p[2]) {
        BlockMode::Vertical
    } else if !reader.bit(p[3]) {
        if !reader.bit(p[4]) {
            BlockMode::Horizontal
        } else if !reader.bit(p[5]) {
            BlockMode::RightDown
        } else {
            BlockMode::VerticalRight
        }
    } else if !reader.bit(p[6]) {
        BlockMode::LeftDown
    } else if !reader.bit(p[7]) {
        BlockMode::VerticalLeft
    } else if !reader.bit(p[8]) {
        BlockMode::HorizontalDown
    } else {
        BlockMode::HorizontalUp
    }
}
