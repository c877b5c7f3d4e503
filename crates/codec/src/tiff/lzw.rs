//! The LZW decoder of TIFF: codes of 9 to 12 bits, the high bits first, that grow one code early (TIFF 6.0, section
//! 13).
//!
//! Decompressed bytes are read in pieces of any length. A table entry contains up to eight last bytes of its string,
//! and the entry with the preceding bytes, so that most strings need a single copy.

use std::io::{self, Read};

const CLEAR: usize = 256;
const END: usize = 257;

/// The first entry that is composed of others.
const FIRST: usize = 258;

/// The length of the shortest and of the longest codes in bits.
const SHORTEST: u32 = 9;
const LONGEST: u32 = 12;

/// The maximum number of codes.
const ENTRIES: usize = 1 << LONGEST;

/// The number of bytes of a string that an entry contains itself.
const TAIL: usize = 8;

/// The number of decompressed bytes that are buffered. A string may have as many bytes as there are entries.
const BUFFER: usize = 4 * ENTRIES;

/// The memory of a reader in bytes.
pub(super) const MEMORY: u64 = (ENTRIES * size_of::<Entry>() + BUFFER + ENTRIES + TAIL) as u64;

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// The last bytes of the string, the first of them lowest.
    tail: u64,
    /// The entry with the bytes before `tail`, if the string is longer than that.
    head: u16,
    /// The length of the string in bytes.
    length: u16,
    /// The number of valid bytes of `tail`; all of them in entries that are heads.
    tail_length: u8,
    /// The first byte of the string.
    first: u8,
}

/// A reader of the decompressed bytes of a strip or tile.
pub(super) struct Lzw<'a> {
    codes: Codes<'a>,
    entries: Box<[Entry; ENTRIES]>,
    /// The index of the next entry; [`ENTRIES`] when the table is full, which it stays until it is cleared.
    next: usize,
    /// The previous code, unless the table was cleared after it.
    previous: Option<usize>,
    /// Decompressed bytes, of which those in `ready` have not been read.
    buffer: Box<[u8; BUFFER + ENTRIES + TAIL]>,
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

/// A reader of the codes in the compressed bytes.
#[derive(Clone, Copy)]
struct Codes<'a> {
    input: &'a [u8],
    /// Bits that were read from the input and not used yet, the next one highest.
    bits: u64,
    bit_count: u32,
    /// The length of the next code in bits.
    width: u32,
}

impl Codes<'_> {
    /// Returns the next code, or `None` at the end of the input.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.bit_count < self.width && !self.refill() {
            return None;
        }
        let code = (self.bits >> (64 - self.width)) as usize;
        self.bits <<= self.width;
        self.bit_count -= self.width;
        Some(code)
    }

    /// Reads bytes from the input; returns whether there are enough bits for a code. Called when there are fewer.
    #[inline]
    fn refill(&mut self) -> bool {
        if let Some((word, rest)) = self.input.split_first_chunk::<4>() {
            self.bits |= u64::from(u32::from_be_bytes(*word)) << (32 - self.bit_count);
            self.bit_count += 32;
            self.input = rest;
            return true;
        }
        while let [byte, rest @ ..] = self.input {
            self.bits |= u64::from(*byte) << (56 - self.bit_count);
            self.bit_count += 8;
            self.input = rest;
        }
        self.bit_count >= self.width
    }
}

impl<'a> Lzw<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        let mut entries = Box::new([Entry::default(); ENTRIES]);
        for (byte, entry) in (0..=255).zip(entries.iter_mut()) {
            *entry = Entry { tail: u64::from(byte), head: 0, length: 1, tail_length: 1, first: byte };
        }
        Self {
            codes: Codes { input, bits: 0, bit_count: 0, width: SHORTEST },
            entries,
            next: FIRST,
            previous: None,
            buffer: Box::new([0; BUFFER + ENTRIES + TAIL]),
            ready: 0..0,
            state: State::Going,
        }
    }

    /// Refills the buffer after it has been read.
    fn decode(&mut self) {
        // Local variables are kept in registers.
        let (mut codes, mut next, mut previous) = (self.codes, self.next, self.previous);
        let (entries, buffer) = (&mut *self.entries, &mut *self.buffer);
        let mut end = 0;
        self.state = loop {
            if end >= BUFFER {
                break State::Going;
            }
            let Some(code) = codes.next() else { break State::Ended };
            match code {
                CLEAR => {
                    (codes.width, next, previous) = (SHORTEST, FIRST, None);
                    continue;
                }
                END => break State::Ended,
                _ => {}
            }
            match previous {
                // A code may refer to the entry that it creates: its string begins like the previous one.
                Some(before) if code <= next => {
                    let begins_like = if code < next { code } else { before };
                    if next < ENTRIES {
                        let byte = entries[begins_like % ENTRIES].first;
                        entries[next] = extended(entries, before, byte);
                        next += 1;
                        // One code earlier than the table requires.
                        if next + 1 == 1 << codes.width && codes.width < LONGEST {
                            codes.width += 1;
                        }
                    }
                }
                None if code < CLEAR => {}
                _ => break State::Damaged,
            }
            end = put(entries, code, buffer, end);
            previous = Some(code);
        };
        (self.codes, self.next, self.previous) = (codes, next, previous);
        self.ready = 0..end;
    }
}

/// The string of an entry, extended by a byte.
#[inline]
fn extended(entries: &[Entry; ENTRIES], before: usize, byte: u8) -> Entry {
    let start = entries[before % ENTRIES];
    let length = start.length + 1;
    if usize::from(start.tail_length) < TAIL {
        let tail = start.tail | u64::from(byte) << (8 * start.tail_length);
        Entry { tail, tail_length: start.tail_length + 1, length, ..start }
    } else {
        Entry { tail: u64::from(byte), tail_length: 1, first: start.first, head: before as u16, length }
    }
}

/// Writes a string at a position of the buffer, and returns the position after it.
#[inline]
fn put(entries: &[Entry; ENTRIES], code: usize, buffer: &mut [u8], position: usize) -> usize {
    let mut entry = &entries[code % ENTRIES];
    let end = position + usize::from(entry.length);
    let mut start = end - usize::from(entry.tail_length);
    // From the last bytes to the first. Bytes beyond the end are overwritten later, or not read.
    while let Some(out) = buffer[start..].first_chunk_mut::<TAIL>() {
        *out = entry.tail.to_le_bytes();
        if start <= position {
            break;
        }
        entry = &entries[usize::from(entry.head) % ENTRIES];
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
