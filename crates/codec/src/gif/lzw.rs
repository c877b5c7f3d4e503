//! The LZW decoder of GIF: codes of up to 12 bits, the low bits first (GIF89a, appendix F).
//!
//! Each new string is the previous one and the first byte of the one after it, which are next to each other in what was
//! decoded. So a long string is a place and a length there. Most strings are short, and written by one store that
//! waits for nothing before it: a table of 64-bit words contains them whole.

use crate::lzw::{ENTRIES, Entry, LONGEST, SLOTS};
use crate::{Cancellation, Error};

/// The number of bytes that are copied at once.
const STEP: usize = 8;

/// Where in the decoded bytes a long string is.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    start: u32,
    length: u32,
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
    entries: Box<[Entry; SLOTS]>,
    /// The long strings, by their codes.
    places: Box<[Place; SLOTS]>,
    /// The code that the next one defines. After a clearing it is the end code, whose entry is never read, since the first code defines nothing;
    /// [`ENTRIES`] when the table is full, which it stays until it is cleared.
    next: usize,
    /// The string of the previous code, or any one after a clearing.
    previous: Entry,
    /// Where that string begins in the decoded bytes.
    start: usize,
    /// Bits that were read and not used yet, the next one lowest.
    bits: u64,
    bit_count: u32,
    /// The length of the next code in bits.
    width: u32,
    /// The last code that is defined by codes of this length.
    last: usize,
    state: State,
}

impl<'o> Decoder<'o> {
    fn new(literal_bits: u32, out: &'o mut [u8]) -> Self {
        let entries = Entry::table(1 << literal_bits);
        Self {
            literal_bits,
            out,
            end: 0,
            previous: entries[0],
            start: 0,
            entries,
            places: Box::new([Place::default(); SLOTS]),
            next: (1 << literal_bits) + 1,
            bits: 0,
            bit_count: 0,
            width: literal_bits + 1,
            last: first_last(literal_bits),
            state: State::Going,
        }
    }

    /// Decodes the next block.
    fn read(&mut self, mut input: &[u8]) {
        let clear = 1 << self.literal_bits;
        // Local variables are kept in registers.
        let Self { mut end, mut next, mut previous, mut start, mut bits, mut bit_count, mut width, mut last, .. } =
            *self;
        let (out, entries, places) = (&mut *self.out, &mut *self.entries, &mut *self.places);
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
                (width, last) = (self.literal_bits + 1, first_last(self.literal_bits));
                (next, previous) = (clear + 1, entries[0]);
                continue;
            }
            if code > next {
                break State::Damaged;
            }
            // A code may refer to the entry that it defines: its string begins like the previous one.
            let byte = if code < next { entries[code] } else { previous }.first();
            entries[next] = previous.extended(byte).unwrap_or_else(|| {
                places[next] = Place { start: start as u32, length: (end - start + 1) as u32 };
                previous.long(0)
            });
            if next < last {
                next += 1;
            } else if width < LONGEST {
                (next, width) = (next + 1, width + 1);
                last = if width < LONGEST { (1 << width) - 1 } else { ENTRIES };
            }
            (previous, start) = (entries[code], end);
            end = match out[end..].first_chunk_mut() {
                Some(head) if previous.length() > 0 => {
                    // Bytes behind the last one are overwritten later.
                    *head = previous.0.to_le_bytes();
                    end + previous.length() as usize
                }
                _ if previous.length() > 0 => put(out, previous, end),
                _ => copy(out, places[code], end),
            };
        };
        (self.end, self.next, self.previous, self.start) = (end, next, previous, start);
        (self.bits, self.bit_count, self.width, self.last) = (bits, bit_count, width, last);
    }
}

/// The last code that is defined by codes of the first length.
fn first_last(literal_bits: u32) -> usize {
    let (clear, longest) = (1 << literal_bits, (1 << (literal_bits + 1)) - 1);
    if literal_bits + 1 < LONGEST { longest.max(clear + 2) } else { ENTRIES }
}

/// Writes as much of a short string as there is room for behind the decoded bytes, and returns their new number.
#[inline(never)]
fn put(out: &mut [u8], string: Entry, end: usize) -> usize {
    let new_end = (end + string.length() as usize).min(out.len());
    out[end..new_end].iter_mut().zip(string.0.to_le_bytes()).for_each(|(to, from)| *to = from);
    new_end
}

/// As [`put`], for long strings.
fn copy(out: &mut [u8], place: Place, end: usize) -> usize {
    let (start, length) = (place.start as usize, place.length as usize);
    let new_end = (end + length).min(out.len());
    // The last byte may be the first one of what is copied, which is there by now.
    for offset in (0..length).step_by(STEP) {
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
