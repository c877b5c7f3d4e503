//! The LZW decoder of TIFF: codes of 9 to 12 bits, the high bits first, that grow one code early (TIFF 6.0, section
//! 13).
//!
//! Decompressed bytes are read in pieces of any length. Most strings are short: a table of 64-bit words, which fits the
//! cache, contains those of up to seven bytes whole, so that a code takes one load and one store. Longer ones stand in a second
//! table, as their last bytes and the code of what precedes these.

use std::io::{self, Read};

use crate::lzw::{ENTRIES, Entry, LONGEST, SLOTS};

const CLEAR: usize = 256;
const END: usize = 257;

/// The length of the shortest codes in bits.
const SHORTEST: u32 = 9;

/// The number of bytes of a long string that its entry contains itself.
const TAIL: usize = 8;

/// The number of codes of the longest kind that a word of 64 bits has behind up to seven bits of the code before.
const CODES: usize = 4;

/// The number of decompressed bytes after which decoding pauses. A string may have as many bytes as there are entries.
const BUFFER: usize = 4 * ENTRIES;
const BUFFER_LENGTH: usize = BUFFER + CODES * ENTRIES + TAIL;

/// The memory of a reader in bytes.
pub(super) const MEMORY: u64 = (SLOTS * size_of::<Entry>() + ENTRIES * size_of::<Long>() + BUFFER_LENGTH) as u64;

/// A string of eight bytes and more.
#[derive(Debug, Clone, Copy)]
struct Long {
    /// The last bytes, the first of them lowest.
    tail: u64,
    /// The number of valid bytes of `tail`; all of them where another string begins with this one.
    tail_length: u8,
    /// What precedes `tail`: the index of another long string, or the code of seven bytes, if these are all.
    head: u16,
    /// The length of the string in bytes.
    length: u16,
}

/// A reader of the decompressed bytes of a strip or tile.
pub(super) struct Lzw<'a> {
    input: &'a [u8],
    /// The position of the next code in bits.
    position: usize,
    /// The length of the next code in bits.
    width: u32,
    entries: Box<[Entry; SLOTS]>,
    longs: Vec<Long>,
    /// The index of the entry that the next code completes. After a clearing it is one that no code refers to, since the first code
    /// completes nothing; [`ENTRIES`] when the table is full, which it stays until it is cleared.
    next: usize,
    /// The previous code, or any one after a clearing.
    previous: usize,
    /// Decompressed bytes, of which those in `ready` have not been read.
    buffer: Box<[u8; BUFFER_LENGTH]>,
    ready: std::ops::Range<usize>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Going,
    Ended,
    /// An invalid code occurred; any further codes are meaningless.
    Damaged,
}

impl<'a> Lzw<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            position: 0,
            width: SHORTEST,
            entries: Entry::table(CLEAR),
            longs: Vec::new(),
            next: END,
            previous: 0,
            buffer: Box::new([0; BUFFER_LENGTH]),
            ready: 0..0,
            state: State::Going,
        }
    }

    /// Refills the buffer after it has been read.
    fn decode(&mut self) {
        // Local variables are kept in registers.
        let (mut position, mut width, mut next, mut previous) = (self.position, self.width, self.next, self.previous);
        let (input, entries, buffer, longs) = (self.input, &mut *self.entries, &mut *self.buffer, &mut self.longs);
        let mut before = entries[previous];
        let mut last = last_of(width);
        let mut end = 0;
        self.state = 'codes: loop {
            if end >= BUFFER {
                break State::Going;
            }
            let (mut bits, codes) = if let Some(word) = input.get(position / 8..).and_then(<[u8]>::first_chunk) {
                (u64::from_be_bytes(*word) << (position % 8), CODES)
            } else if position + width as usize <= 8 * input.len() {
                let (mut word, rest) = ([0; 8], &input[position / 8..]);
                word[..rest.len()].copy_from_slice(rest);
                (u64::from_be_bytes(word) << (position % 8), 1)
            } else {
                break State::Ended;
            };
            for _ in 0..codes {
                let code = (bits >> (u64::BITS - width)) as usize;
                bits <<= width;
                position += width as usize;
                match code {
                    CLEAR => {
                        longs.clear();
                        (width, next, previous, before) = (SHORTEST, END, 0, entries[0]);
                        last = last_of(width);
                        continue;
                    }
                    END => break 'codes State::Ended,
                    _ if code > next => break 'codes State::Damaged,
                    _ => {}
                }
                // A code may refer to the entry that it completes: its string begins like the previous one.
                let byte = if code < next { entries[code] } else { before }.first();
                entries[next] = match before.extended(byte) {
                    Some(entry) => entry,
                    None => extended(longs, previous, before, byte),
                };
                if next < last {
                    next += 1;
                } else if width < LONGEST {
                    next += 1;
                    width += 1;
                    last = last_of(width);
                }
                before = entries[code];
                if before.length() == 0 {
                    end = put(entries, longs, before, buffer, end);
                } else if let Some(out) = buffer[end..].first_chunk_mut() {
                    // Bytes beyond the end are overwritten later, or not read.
                    *out = before.0.to_le_bytes();
                    end += before.length() as usize;
                }
                previous = code;
            }
        };
        (self.position, self.width, self.next, self.previous) = (position, width, next, previous);
        self.ready = 0..end;
    }
}

/// The last entry that is completed by codes of this many bits: one before the table requires longer ones, but none beyond it.
fn last_of(width: u32) -> usize {
    if width < LONGEST { (1 << width) - 2 } else { ENTRIES }
}

/// The string of a code, which has seven bytes or more, extended by a byte.
#[inline]
fn extended(longs: &mut Vec<Long>, code: usize, string: Entry, byte: u64) -> Entry {
    // Of a full table, only one string more is never looked up.
    if longs.len() == ENTRIES {
        return Entry::default();
    }
    let long = if string.length() > 0 {
        Long { tail: byte, tail_length: 1, head: code as u16, length: Entry::LONGEST as u16 + 1 }
    } else {
        let start = longs[string.index()];
        let length = start.length + 1;
        if usize::from(start.tail_length) < TAIL {
            Long {
                tail: start.tail | byte << (8 * start.tail_length),
                tail_length: start.tail_length + 1,
                length,
                ..start
            }
        } else {
            Long { tail: byte, tail_length: 1, head: string.index() as u16, length }
        }
    };
    longs.push(long);
    string.long(longs.len() - 1)
}

/// Writes a long string at a position of the buffer, and returns the position after it.
#[inline]
fn put(entries: &[Entry; SLOTS], longs: &[Long], string: Entry, buffer: &mut [u8], position: usize) -> usize {
    let mut long = &longs[string.index()];
    let end = position + usize::from(long.length);
    let mut start = end - usize::from(long.tail_length);
    // From the last bytes to the first. Bytes beyond the end are overwritten later, or not read.
    while let Some(out) = buffer[start..].first_chunk_mut::<TAIL>() {
        *out = long.tail.to_le_bytes();
        let head = usize::from(long.head);
        if start < position + TAIL {
            let ([bytes @ .., _], Some(out)) = (entries[head].0.to_le_bytes(), buffer[position..].first_chunk_mut())
            else {
                break;
            };
            *out = bytes;
            break;
        }
        long = &longs[head];
        start -= TAIL;
    }
    end
}

impl Read for Lzw<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() {
            match self.state {
                State::Going => self.decode(),
                State::Ended => return Ok(0),
                State::Damaged => return Err(io::Error::other("a code of the LZW data has no meaning")),
            }
        }
        let read = (&self.buffer[self.ready.clone()]).read(out)?;
        self.ready.start += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use weezl::encode::Encoder;

    use super::*;

    fn decoded(input: &[u8], piece: usize) -> (Vec<u8>, bool) {
        let (mut reader, mut out, mut buffer) = (Lzw::new(input), Vec::new(), vec![0; piece]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return (out, true),
                Ok(length) => out.extend_from_slice(&buffer[..length]),
                Err(_) => return (out, false),
            }
        }
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
        let texts: [Vec<u8>; 7] = [
            Vec::new(),
            vec![7],
            // Strings of maximum length, which begin and end at any position of the buffer.
            vec![0; 10_000_000],
            (0..100_000).map(noise).collect(),
            (0..300_000).map(|i| (i / 7 % 251) as u8).collect(),
            (0..300_000).map(|i| noise(i) & 3).collect(),
            (0..3_000_000).map(|i| if i % 4099 < 4000 { 9 } else { noise(i) }).collect(),
        ];
        for (index, text) in texts.iter().enumerate() {
            let compressed = Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(text).unwrap();
            for piece in [1, 6000, 1 << 20].into_iter().filter(|piece| text.len() / piece < 1 << 20) {
                let (out, is_whole) = decoded(&compressed, piece);
                assert!(out == *text && is_whole, "text {index} in pieces of {piece}: {} bytes", out.len());
            }
        }
    }

    #[test]
    fn damaged_data_end_where_another_decoder_ends_them() {
        let text: Vec<u8> = (0..20_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 & 7).collect();
        let compressed = Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(&text).unwrap();
        for index in 0..2000_usize {
            let mut damaged = compressed.clone();
            let place = index * 7919 % damaged.len();
            damaged[place] ^= 1 << (index % 8);
            damaged.truncate(compressed.len() - index % 50);
            let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
            let (mut theirs, mut input, mut out, mut status) = (Vec::new(), &*damaged, vec![0; 1 << 16], Ok(()));
            loop {
                let result = decoder.decode_bytes(input, &mut out);
                input = &input[result.consumed_in..];
                theirs.extend_from_slice(&out[..result.consumed_out]);
                match result.status {
                    Ok(weezl::LzwStatus::Ok) => {}
                    Ok(_) => break,
                    Err(error) => {
                        status = Err(error);
                        break;
                    }
                }
            }
            let (ours, is_whole) = decoded(&damaged, 4096);
            assert_eq!(is_whole, status.is_ok(), "{index}");
            assert!(ours == theirs, "{index}: {} and {} bytes", ours.len(), theirs.len());
        }
    }
}
