//! Prefix codes (RFC 9649, section 6.2) and a bit writer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The maximum length of a symbol's code, and of a length's code (section 6.2.1).
const LONGEST: u8 = 15;
const LONGEST_OF_LENGTHS: u8 = 7;

/// The order in which the code lengths of lengths are stored (section 6.2.1).
const LENGTHS_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Symbols for runs of lengths: three to six repetitions of the previous one, and zeros from 3 and from 11 on.
const AGAIN: u8 = 16;
const ZEROS: u8 = 17;
const MANY_ZEROS: u8 = 18;

/// A writer of bits, the lowest first.
#[derive(Default)]
pub(super) struct BitWriter {
    bits: u64,
    count: u32,
}

impl BitWriter {
    /// Appends up to 32 bits.
    #[inline(always)]
    pub(super) fn put(&mut self, out: &mut Vec<u8>, bits: u64, count: u32) {
        self.bits |= bits << self.count;
        self.count += count;
        if self.count >= 32 {
            out.extend_from_slice(&(self.bits as u32).to_le_bytes());
            self.bits >>= 32;
            self.count -= 32;
        }
    }

    /// Appends the remaining bits, padded with zeros to a byte.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bits.to_le_bytes()[..self.count.div_ceil(8) as usize]);
    }
}

/// A prefix code for the symbols of an alphabet.
pub(super) struct Code {
    /// The code of each symbol with its first bit lowest, and its length in bits.
    codes: Vec<(u16, u8)>,
}

impl Code {
    /// Builds an optimal code for these symbol counts, and writes it. A code with a single symbol, which must be below
    /// 256, takes no bits.
    pub(super) fn written(counts: &[u32], bits: &mut BitWriter, out: &mut Vec<u8>) -> Self {
        let mut used = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(symbol, _)| symbol);
        let (first, second) = (used.next().unwrap_or(0), used.next());
        if second.is_none() {
            // A simple code with one symbol of 1 or 8 bits (section 6.2.1).
            let is_long = first > 1;
            bits.put(out, 0b01, 2);
            bits.put(out, is_long.into(), 1);
            bits.put(out, first as u64, if is_long { 8 } else { 1 });
            return Self { codes: vec![(0, 0); counts.len()] };
        }
        let lengths = lengths(counts, LONGEST);
        let code = Self::of(&lengths);
        let symbols = in_runs(&lengths);
        let mut of_lengths = [0; 19];
        symbols.iter().for_each(|(symbol, ..)| of_lengths[usize::from(*symbol)] += 1);
        let of_lengths = self::lengths(&of_lengths, LONGEST_OF_LENGTHS);
        let written =
            LENGTHS_ORDER.iter().rposition(|symbol| of_lengths[*symbol] > 0).map_or(4, |last| (last + 1).max(4));
        bits.put(out, 0, 1);
        bits.put(out, written as u64 - 4, 4);
        LENGTHS_ORDER[..written].iter().for_each(|symbol| bits.put(out, of_lengths[*symbol].into(), 3));
        // The number of symbols is that of the alphabet.
        bits.put(out, 0, 1);
        let length_code = Self::of(&of_lengths);
        for (symbol, more, count) in symbols {
            length_code.put(symbol.into(), bits, out);
            bits.put(out, more.into(), count);
        }
        code
    }

    /// The canonical code for these lengths. That of a single symbol takes no bits.
    fn of(lengths: &[u8]) -> Self {
        let mut codes = vec![(0, 0); lengths.len()];
        if lengths.iter().filter(|length| **length > 0).count() < 2 {
            return Self { codes };
        }
        let mut next = 0_u16;
        for length in 1..=LONGEST {
            next <<= 1;
            for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, of)| **of == length) {
                *code = (next.reverse_bits() >> (16 - length), length);
                next += 1;
            }
        }
        Self { codes }
    }

    #[inline(always)]
    pub(super) fn put(&self, symbol: usize, bits: &mut BitWriter, out: &mut Vec<u8>) {
        let (code, length) = self.codes[symbol];
        bits.put(out, code.into(), length.into());
    }
}

/// The code lengths for these symbol counts, limited to `longest`: Huffman's for counts that are flattened until the
/// codes are short enough. A single symbol has length 1.
fn lengths(counts: &[u32], longest: u8) -> Vec<u8> {
    let mut counts = counts.to_vec();
    loop {
        let lengths = huffman(&counts);
        if lengths.iter().all(|length| *length <= longest) {
            return lengths;
        }
        counts.iter_mut().filter(|count| **count > 0).for_each(|count| *count = (*count / 2) | 1);
    }
}

fn huffman(counts: &[u32]) -> Vec<u8> {
    let symbols = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let mut heap: BinaryHeap<_> = symbols.map(|(node, count)| Reverse((u64::from(*count), node))).collect();
    let mut lengths = vec![0; counts.len()];
    if let (1, Some(Reverse((_, only)))) = (heap.len(), heap.peek()) {
        lengths[*only] = 1;
        return lengths;
    }
    // Nodes are symbols, followed by pairs of nodes.
    let mut pairs: Vec<[usize; 2]> = Vec::with_capacity(heap.len());
    while let (Some(Reverse((one, first))), Some(Reverse((other, second)))) = (heap.pop(), heap.pop()) {
        heap.push(Reverse((one + other, counts.len() + pairs.len())));
        pairs.push([first, second]);
    }
    let mut depths = vec![0; pairs.len()];
    for (i, pair) in pairs.iter().enumerate().rev() {
        for node in pair {
            match node.checked_sub(counts.len()) {
                Some(pair) => depths[pair] = depths[i] + 1,
                None => lengths[*node] = depths[i] + 1,
            }
        }
    }
    lengths
}

/// Run-length encodes lengths: symbols with the value and number of their extra bits (section 6.2.1).
fn in_runs(lengths: &[u8]) -> Vec<(u8, u8, u32)> {
    let mut symbols = Vec::with_capacity(lengths.len());
    for run in lengths.chunk_by(|one, next| one == next) {
        let (length, mut rest) = (run[0], run.len());
        if length > 0 {
            symbols.push((length, 0, 0));
            rest -= 1;
        }
        while rest >= 3 {
            let (symbol, least, most, bits) = match length {
                0 if rest >= 11 => (MANY_ZEROS, 11, 138, 7),
                0 => (ZEROS, 3, 10, 3),
                _ => (AGAIN, 3, 6, 2),
            };
            let count = rest.min(most);
            symbols.push((symbol, (count - least) as u8, bits));
            rest -= count;
        }
        symbols.extend(std::iter::repeat_n((length, 0, 0), rest));
    }
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_complete_and_short_enough() {
        // Counts that grow like Fibonacci numbers yield the longest codes.
        let mut steep = vec![1, 1];
        (2..40).for_each(|i| steep.push(steep[i - 1] + steep[i - 2]));
        for counts in [vec![1, 1], vec![5, 0, 0, 1, 9], vec![3; 280], steep] {
            for longest in [9, 15] {
                let lengths = lengths(&counts, longest);
                assert!(lengths.iter().all(|length| *length <= longest));
                let filled: u32 = lengths.iter().filter(|length| **length > 0).map(|length| 1 << (15 - length)).sum();
                assert_eq!(filled, 1 << 15, "{counts:?}");
            }
        }
        assert_eq!(lengths(&[0, 0, 7], 15), [0, 0, 1]);
    }

    #[test]
    fn runs_stand_for_all_lengths() {
        let lengths = [vec![0; 150], vec![8; 9], vec![0; 12], vec![3], vec![0; 2], vec![5; 3], vec![0; 4]].concat();
        let mut read: Vec<u8> = Vec::new();
        for (symbol, more, _) in in_runs(&lengths) {
            match symbol {
                AGAIN => read.extend(vec![read[read.len() - 1]; usize::from(more) + 3]),
                ZEROS => read.extend(vec![0; usize::from(more) + 3]),
                MANY_ZEROS => read.extend(vec![0; usize::from(more) + 11]),
                length => read.push(length),
            }
        }
        assert_eq!(read, lengths);
    }
}
