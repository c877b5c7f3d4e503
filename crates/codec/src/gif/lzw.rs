//! The LZW decoder of GIF: codes of up to 12 bits, the low bits first (GIF89a, appendix F).
//!
//! Each new string is the previous one and the first byte of the one after it, which are next to each other in what was
//! decoded. So a table entry is a place and a length there. It also has the first bytes, so that most strings are written
//! by one store that waits for nothing before it.

use crate::{Cancellation, Error};

/// The length of the longest codes in bits.
const LONGEST: u32 = 12;

/// The number of bytes that an entry has, and that are copied at once.
const STEP: usize = 8;

/// A string of decoded bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    /// The first bytes, the first of them lowest, and zeros behind the last one.
    head: u64,
    start: u32,
    /// The length; 0 if there is no string.
    length: u32,
}

impl Piece {
    /// This string and a byte behind it.
    #[inline(always)]
    fn extended(self, byte: u64) -> Self {
        let added = if self.length < STEP as u32 { byte << (8 * self.length) } else { 0 };
        Self { head: self.head | added, length: self.length + 1, ..self }
    }
}

/// Why no further bytes are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Going,
    /// The end code was read, or `out` is full.
    Ended,
    /// A code has no meaning.
    Damaged,
}

/// Decodes blocks of codes whose literals have this many bits, 1 to 11, until `out` is full. Returns the number of bytes, and whether
/// a code has no meaning.
///
/// # Errors
/// [`Error::Cancelled`].
pub(super) fn decode<'b>(
    blocks: impl Iterator<Item = &'b [u8]>,
    literal_bits: u8,
    out: &mut [u8],
    cancellation: &Cancellation,
) -> Result<(usize, bool), Error> {
    let mut decoder = Decoder::new(literal_bits.into(), out);
    for block in blocks {
        cancellation.check()?;
        decoder.read(block);
        if decoder.state != State::Going {
            break;
        }
    }
    Ok((decoder.end, decoder.state == State::Damaged))
}

struct Decoder<'o> {
    literal_bits: u32,
    out: &'o mut [u8],
    /// The number of decoded bytes.
    end: usize,
    pieces: Box<[Piece; 1 << LONGEST]>,
    /// The next code to be defined; the table may be full, and stays so until it is cleared.
    next: usize,
    previous: Piece,
    /// Bits that were read and not used yet, the next one lowest.
    bits: u64,
    bit_count: u32,
    /// The length of the next code in bits.
    width: u32,
    state: State,
}

impl<'o> Decoder<'o> {
    fn new(literal_bits: u32, out: &'o mut [u8]) -> Self {
        let mut pieces = Box::new([Piece::default(); 1 << LONGEST]);
        for (literal, piece) in (0..1u64 << literal_bits).zip(pieces.iter_mut()) {
            *piece = Piece { head: literal & 0xff, start: 0, length: 1 };
        }
        Self {
            literal_bits,
            out,
            end: 0,
            pieces,
            next: (1 << literal_bits) + 2,
            previous: Piece::default(),
            bits: 0,
            bit_count: 0,
            width: literal_bits + 1,
            state: State::Going,
        }
    }

    /// Decodes the next block.
    fn read(&mut self, mut input: &[u8]) {
        let clear = 1 << self.literal_bits;
        // Local variables are kept in registers.
        let Self { mut end, mut next, mut previous, mut bits, mut bit_count, mut width, .. } = *self;
        let (out, pieces) = (&mut *self.out, &mut *self.pieces);
        self.state = loop {
            if end >= out.len() {
                break State::Ended;
            }
            if bit_count < width {
                if let Some((word, rest)) = input.split_first_chunk::<4>() {
                    bits |= u64::from(u32::from_le_bytes(*word)) << bit_count;
                    (bit_count, input) = (bit_count + 32, rest);
                } else if let Some((byte, rest)) = input.split_first() {
                    bits |= u64::from(*byte) << bit_count;
                    (bit_count, input) = (bit_count + 8, rest);
                    continue;
                } else {
                    break State::Going;
                }
            }
            let code = (bits & ((1 << width) - 1)) as usize;
            bits >>= width;
            bit_count -= width;
            if code & !1 == clear {
                if code > clear {
                    break State::Ended;
                }
                (width, next, previous) = (self.literal_bits + 1, clear + 2, Piece::default());
                continue;
            }
            let has_previous = previous.length > 0;
            let mut piece = pieces[code % pieces.len()];
            if code >= next {
                // A code may refer to the entry that it defines: its string begins like the previous one.
                if code > next || !has_previous {
                    break State::Damaged;
                }
                piece = previous.extended(previous.head & 0xff);
            }
            if let Some(place) = pieces.get_mut(next).filter(|_| has_previous) {
                *place = previous.extended(piece.head & 0xff);
                next += 1;
                if next >> width > 0 && width < LONGEST {
                    width += 1;
                }
            }
            previous = Piece { start: end as u32, ..piece };
            end = put(out, piece, end);
        };
        (self.end, self.next, self.previous) = (end, next, previous);
        (self.bits, self.bit_count, self.width) = (bits, bit_count, width);
    }
}

/// Writes as much of a string as there is room for behind the decoded bytes, and returns their new number.
#[inline(always)]
fn put(out: &mut [u8], piece: Piece, end: usize) -> usize {
    let length = piece.length as usize;
    let Some(head) = out[end..].first_chunk_mut::<STEP>() else {
        return copy(out, piece, end);
    };
    // Bytes behind the last one are overwritten later.
    *head = piece.head.to_le_bytes();
    if length <= STEP { end + length } else { copy(out, piece, end) }
}

/// As [`put`], for long strings, and for the last ones.
#[inline(never)]
fn copy(out: &mut [u8], piece: Piece, end: usize) -> usize {
    let (start, length) = (piece.start as usize, piece.length as usize);
    let new_end = (end + length).min(out.len());
    let head = piece.head.to_le_bytes();
    out[end..new_end].iter_mut().zip(head).for_each(|(to, from)| *to = from);
    // The last byte may be the first one of what is copied, which is there by now.
    for offset in (STEP..length).step_by(STEP) {
        let (from, to) = (start + offset, end + offset);
        if end - start >= STEP && to + STEP <= out.len() {
            out.copy_within(from..from + STEP, to);
        } else {
            (to..new_end.min(to + STEP)).for_each(|place| out[place] = out[place - (end - start)]);
        }
    }
    new_end
}

#[cfg(test)]
mod tests {
    use weezl::{BitOrder, LzwStatus, decode, encode};

    use super::*;

    fn decoded(data: &[u8], bits: u8, block: usize, length: usize) -> (Vec<u8>, bool) {
        let mut out = vec![0; length];
        let blocks = data.chunks(block);
        let (count, is_damaged) = super::decode(blocks, bits, &mut out, &Cancellation::unbounded()).unwrap();
        out.truncate(count);
        (out, is_damaged)
    }

    /// By another decoder.
    fn expected(data: &[u8], bits: u8, length: usize) -> (Vec<u8>, bool) {
        let configuration = decode::Configuration::new(BitOrder::Lsb, bits).with_yield_on_full_buffer(true);
        let (mut lzw, mut out, mut count, mut input) = (configuration.build(), vec![0; length], 0, data);
        while count < length {
            let result = lzw.decode_bytes(input, &mut out[count..]);
            input = &input[result.consumed_in..];
            count += result.consumed_out;
            match result.status {
                Ok(LzwStatus::Ok) => {}
                Ok(_) => break,
                Err(_) => return (out[..count].to_vec(), true),
            }
        }
        out.truncate(count);
        (out, false)
    }

    /// Bytes of so many bits, as they come in pictures.
    fn texts(bits: u8) -> Vec<Vec<u8>> {
        let most = (1u16 << bits.min(8)).wrapping_sub(1) as u8;
        let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
        vec![
            Vec::new(),
            vec![1],
            vec![0; 20_000],
            (0..20_000).map(|i| noise(i) & most).collect(),
            (0..20_000).map(|i| noise(i / 7 % 251) & most).collect(),
            (0..20_000).map(|i| if i % 900 < 700 { 1 } else { noise(i) & most }).collect(),
        ]
    }

    #[test]
    fn what_was_compressed_comes_back() {
        for bits in 2..=8 {
            for text in texts(bits) {
                let data = encode::Encoder::new(BitOrder::Lsb, bits).encode(&text).unwrap();
                for block in [1, 255, 1 << 20] {
                    assert!(decoded(&data, bits, block, text.len()) == (text.clone(), false), "{bits} {block}");
                    let part = text.len() * 2 / 3;
                    assert!(decoded(&data, bits, block, part) == (text[..part].to_vec(), false), "{bits} {block}");
                }
            }
        }
    }

    #[test]
    fn damaged_data_end_where_another_decoder_ends_them() {
        for bits in 1..=11 {
            for text in texts(bits) {
                let mut data =
                    encode::Encoder::new(BitOrder::Lsb, bits.clamp(2, 8)).encode(&text[..text.len() / 8]).unwrap();
                for index in 0..60usize {
                    let place = index * 7919 % data.len();
                    data[place] ^= 1 << (index % 8);
                    let data = &data[..data.len() - index % data.len().min(9)];
                    assert!(decoded(data, bits, 255, 9000) == expected(data, bits, 9000), "{bits} {index}");
                }
            }
        }
    }
}
