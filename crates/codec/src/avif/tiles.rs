//! The number of tiles in a frame of a still picture, from its header up to `tile_info()` (AV1 Bitstream & Decoding
//! Process Specification, 5.9.2 and 5.9.15). The decoder allocates state for all tiles of a frame.

use super::stream::{Bits, Sequence};

/// The maximum number of tile columns and rows (annex A.3, `MAX_TILE_COLS` and `MAX_TILE_ROWS`).
const MOST: u32 = 64;

/// The maximum width of a tile in pixels, and the maximum area (3, `MAX_TILE_WIDTH` and `MAX_TILE_AREA`).
const MAX_WIDTH: u32 = 4096;
const MAX_AREA: u32 = 4096 * 2304;

/// The values of the sequence header that determine the fields of frame headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Syntax {
    pub(super) is_reduced: bool,
    /// Whether frame headers contain buffer removal times.
    pub(super) has_decoder_model: bool,
    /// The number of bits of the fields in `frame_size()`.
    pub(super) size_bits: [usize; 2],
    /// The number of bits of the frame id, or 0.
    pub(super) id_bits: usize,
    pub(super) order_hint_bits: usize,
    /// Whether screen content tools are enabled; `None` if frame headers select them.
    pub(super) screen_content: Option<bool>,
    /// Whether frame headers select integer motion vectors.
    pub(super) chooses_integer_mv: bool,
    pub(super) has_superres: bool,
    /// The side of a superblock in pixels: 64 or 128.
    pub(super) superblock: u32,
}

/// The maximum number of tiles in a frame whose data has `length` bytes.
pub(super) fn most(sequence: &Sequence, length: usize) -> u32 {
    let side = |length: u32| length.div_ceil(64).min(MOST);
    // Each tile except the last has at least one byte of size and one byte of data.
    let of_data = u32::try_from(length / 2).unwrap_or(u32::MAX).max(1);
    (side(sequence.width) * side(sequence.height)).min(of_data)
}

/// The number of tiles of the frame with this header; `None` if it is not a shown key frame, as in still pictures, or
/// is truncated.
pub(super) fn count(header: &[u8], sequence: &Sequence) -> Option<u32> {
    let (bits, syntax) = (&mut Bits(header, 0), &sequence.syntax);
    if !syntax.is_reduced {
        let (shows_existing, kind, is_shown) = (bits.flag()?, bits.take(2)?, bits.flag()?);
        if shows_existing || kind != 0 || !is_shown || syntax.has_decoder_model {
            return None;
        }
    }
    let keeps_probabilities = bits.flag()?;
    let has_screen_content = syntax.screen_content.map_or_else(|| bits.flag(), Some)?;
    if has_screen_content && syntax.chooses_integer_mv {
        bits.flag()?;
    }
    bits.take(syntax.id_bits)?;
    let has_own_size = !syntax.is_reduced && bits.flag()?;
    bits.take(syntax.order_hint_bits)?;
    let (mut width, mut height) = (sequence.width, sequence.height);
    if has_own_size {
        (width, height) = (bits.take(syntax.size_bits[0])? + 1, bits.take(syntax.size_bits[1])? + 1);
    }
    let upscaled = width;
    if syntax.has_superres && bits.flag()? {
        let denominator = bits.take(3)? + 9;
        width = (width * 8 + denominator / 2) / denominator;
    }
    if bits.flag()? {
        bits.take(32)?; // size to render at
    }
    if has_screen_content && width == upscaled {
        bits.flag()?; // copies within the frame
    }
    if !syntax.is_reduced && !keeps_probabilities {
        bits.flag()?;
    }
    let (columns, rows) = tile_info(bits, width, height, syntax.superblock)?;
    Some(columns * rows)
}

/// The number of tile columns and rows: `tile_info()` (5.9.15).
fn tile_info(bits: &mut Bits<'_>, width: u32, height: u32, superblock: u32) -> Option<(u32, u32)> {
    let (columns, rows) = (width.div_ceil(superblock), height.div_ceil(superblock));
    let widest = MAX_WIDTH / superblock;
    let least_columns = log2_up(widest, columns);
    let [most_columns, most_rows] = [columns, rows].map(|count| log2_up(1, count.min(MOST)));
    let least = least_columns.max(log2_up(MAX_AREA / (superblock * superblock), columns * rows));
    let is_uniform = bits.flag()?;
    if is_uniform {
        let columns_log2 = increments(bits, least_columns, most_columns)?;
        let rows_log2 = increments(bits, least.saturating_sub(columns_log2), most_rows)?;
        let count = |blocks: u32, log2: u32| blocks.div_ceil(blocks.div_ceil(1 << log2));
        return Some((count(columns, columns_log2), count(rows, rows_log2)));
    }
    let (tile_columns, widest) = sizes(bits, columns, widest)?;
    let area = if least > 0 { (columns * rows) >> (least + 1) } else { columns * rows };
    let (tile_rows, _) = sizes(bits, rows, (area / widest).max(1))?;
    Some((tile_columns, tile_rows))
}

/// The smallest exponent n for which `unit << n` is at least `length`.
fn log2_up(unit: u32, length: u32) -> u32 {
    (0..32).find(|exponent| u64::from(unit) << exponent >= u64::from(length)).unwrap_or(32)
}

/// Reads an exponent that starts at `least` and is incremented by each set bit, up to `most`.
fn increments(bits: &mut Bits<'_>, least: u32, most: u32) -> Option<u32> {
    let mut exponent = least;
    while exponent < most && bits.flag()? {
        exponent += 1;
    }
    Some(exponent)
}

/// The number of tiles in `length` superblocks with explicit sizes, and the largest size.
fn sizes(bits: &mut Bits<'_>, length: u32, most: u32) -> Option<(u32, u32)> {
    let (mut start, mut count, mut largest) = (0, 0, 0);
    while start < length && count < MOST {
        let size = non_symmetric(bits, most.min(length - start))? + 1;
        largest = largest.max(size);
        start += size;
        count += 1;
    }
    Some((count, largest))
}

/// `ns(n)` (4.10.7): a value below `n`.
fn non_symmetric(bits: &mut Bits<'_>, n: u32) -> Option<u32> {
    let width = 32 - n.leading_zeros();
    let short = (1 << width) - n;
    let value = bits.take(width as usize - 1)?;
    if value < short { Some(value) } else { Some((value << 1) - short + bits.take(1)?) }
}

#[cfg(test)]
mod tests {
    use super::super::stream::Stream;
    use super::*;
    use crate::{Cancellation, Meter};

    /// Bits as text, the rest of the last byte being zero.
    fn bytes(text: &str) -> Vec<u8> {
        let bits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        bits.chunks(8).map(|bits| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | bit << (7 - at))).collect()
    }

    fn sequence(width: u32, height: u32, syntax: Syntax) -> Sequence {
        // A reduced header of 64 by 64.
        let stream = [0x0a, 0x06, 0x18, 0x15, 0x7f, 0xfc, 0x00, 0x02];
        Sequence { width, height, syntax, ..Sequence::read(&stream).unwrap() }
    }

    #[test]
    fn tiles_are_counted() {
        let reduced = Syntax { is_reduced: true, superblock: 64, ..Syntax::default() };
        let large = Syntax { superblock: 128, ..reduced };
        let whole = Syntax { is_reduced: false, order_hint_bits: 3, size_bits: [16; 2], ..reduced };
        // Width, height, syntax, header, and how many tiles.
        let table = [
            (640, 480, reduced, "0 0 1 0 0", Some(1)),
            (640, 480, reduced, "0 0 1 10 10", Some(4)),
            (640, 480, reduced, "0 0 1 1111 111", Some(80)),
            // Ten superblocks in four columns are of three each.
            (640, 480, reduced, "0 0 1 110 0", Some(4)),
            // Nothing wider than 4096 pixels.
            (8192, 64, reduced, "0 0 1 0", Some(2)),
            (8192, 128, large, "0 0 1 0", Some(2)),
            // Of 128 pixels there are five by four.
            (640, 480, large, "0 0 1 111 11", Some(20)),
            // 2, 2 and 1 of five columns, and 2, 1 and 1 of four rows.
            (640, 480, large, "0 0 0 01 10 01 0", Some(9)),
            // A frame header in full: a key frame that is shown, by its own size, with another size to render at.
            (640, 480, whole, "0 00 1 0 1 111 0000000111111111 0000000011111111 0 0 1 10 10", Some(4)),
            (640, 480, whole, "0 01 1 0 1 111", None),
            (640, 480, whole, "1 00 1 0 1 111", None),
            // Cut off among the widths.
            (640, 480, reduced, "0 0", None),
            (640, 480, reduced, "", None),
        ];
        for (width, height, syntax, header, expected) in table {
            let syntax = Syntax { screen_content: Some(false), ..syntax };
            let counted = count(&bytes(header), &sequence(width, height, syntax));
            assert_eq!(counted, expected, "{width}x{height} {header}");
        }
    }

    #[test]
    fn what_is_not_told_is_the_most_that_there_can_be() {
        let of = |width, height, length| most(&sequence(width, height, Syntax::default()), length);
        assert_eq!((of(640, 480, 10_000), of(65_000, 65_000, 10_000), of(640, 480, 50)), (80, 4096, 25));
        // A frame header that is not one: the bound counts.
        let stream = [&[0x0a, 0x06, 0x18, 0x15, 0x7f, 0xfc, 0x00, 0x02][..], &[0x32, 0x00]].concat();
        let cancellation = Cancellation::unbounded();
        let stream = Stream::read(&stream, &Meter::new(stream.len() as u64, &cancellation)).unwrap();
        assert_eq!(stream.tiles(), 1);
    }
}
