//! Prefix codes (section 3.7).

use super::bits::Bits;
use super::{Check, DecodeError, Memory, damaged, go_on};

/// The maximum length of a code in bits.
const LONGEST: usize = 15;
/// The number of bits of the first lookup; longer codes need a second one.
const ROOT_BITS: u32 = 8;

/// The number of symbols of the green alphabet that are not cache entries: literals and lengths (section 3.7.1).
pub(super) const LITERALS: usize = 256;
pub(super) const LENGTHS: usize = 24;
const DISTANCES: usize = 40;

/// The order in which the lengths of the codes for lengths are stored (section 3.7.2.1.2).
const LENGTH_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// A symbol and the length of its code. For longer codes, an entry of the root table contains the offset of their
/// second table, relative to the root table, and its number of index bits.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    value: u16,
    length: u8,
}

/// A code: its offset among all entries.
#[derive(Debug, Clone, Copy, Default)]
struct Code {
    start: u32,
    root_bits: u8,
}

/// The five codes for the pixels of a part of the picture.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Group {
    codes: [Code; 5],
}

impl Group {
    /// Whether red, blue and alpha have a single symbol each, which takes no bits.
    #[inline(always)]
    pub(super) fn has_green_only(&self) -> bool {
        let [_, red, blue, alpha, _] = &self.codes;
        red.root_bits | blue.root_bits | alpha.root_bits == 0
    }

    /// Whether green has a single symbol as well.
    #[inline(always)]
    pub(super) fn has_no_bits(&self) -> bool {
        self.codes[Alphabet::Green as usize].root_bits == 0 && self.has_green_only()
    }
}

/// The alphabet of a code.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alphabet {
    Green,
    Red,
    Blue,
    Alpha,
    Distance,
}

/// The codes of an image.
pub(super) struct Codes {
    groups: Vec<Group>,
    entries: Vec<Entry>,
}

impl Codes {
    /// Reads this number of groups of codes, and keeps those that are `used`, in order. `cache_len` is the length of
    /// the colour cache.
    pub(super) fn read(
        bits: &mut Bits<'_>,
        count: usize,
        used: impl Fn(usize) -> bool,
        cache_len: usize,
        memory: &mut Memory,
        check: Check<'_>,
    ) -> Result<Self, DecodeError> {
        let mut codes = Self { groups: Vec::new(), entries: Vec::new() };
        let mut lengths = Vec::new();
        for index in 0..count {
            go_on(check)?;
            let is_used = used(index);
            let mut group = Group::default();
            for (code, alphabet) in
                group.codes.iter_mut().zip([LITERALS + LENGTHS + cache_len, 256, 256, 256, DISTANCES])
            {
                lengths.clear();
                lengths.resize(alphabet, 0);
                read_lengths(bits, &mut lengths)?;
                if bits.is_overrun() {
                    return Err(damaged("the lossless picture ends within its prefix codes"));
                }
                if is_used {
                    *code = codes.add(&lengths, memory)?;
                }
            }
            if is_used {
                push(&mut codes.groups, group, memory)?;
            }
        }
        Ok(codes)
    }

    /// The group with this index among the used ones.
    #[inline(always)]
    pub(super) fn group(&self, index: usize) -> Group {
        self.groups.get(index).copied().unwrap_or_default()
    }

    /// The number of groups.
    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The memory in bytes.
    pub(super) fn memory(&self) -> usize {
        self.groups.capacity() * size_of::<Group>() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Reads a symbol. At least [`LONGEST`] bits must be in the buffer.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>, group: &Group, alphabet: Alphabet) -> usize {
        let code = group.codes[alphabet as usize];
        let root_bits = u32::from(code.root_bits);
        // Most pictures without alpha have a single symbol for it, whose length need not be waited for.
        if matches!(alphabet, Alphabet::Alpha) && root_bits == 0 {
            return self.entries[code.start as usize].value.into();
        }
        let low = |count: u32| (bits.peek() & ((1 << count) - 1)) as usize;
        let mut entry = self.entries[code.start as usize + low(root_bits)];
        let length = u32::from(entry.length);
        if length > root_bits {
            let index = low(length) >> root_bits;
            entry = self.entries[code.start as usize + usize::from(entry.value) + index];
        }
        bits.consume(entry.length.into());
        entry.value.into()
    }

    /// The green symbol that the first of these bits stand for, and the length of its code.
    pub(super) fn peeked_green(&self, next: u64, group: &Group) -> (usize, usize) {
        let code = group.codes[Alphabet::Green as usize];
        let low = |count: u8| (next & ((1 << count) - 1)) as usize;
        let mut entry = self.entries[code.start as usize + low(code.root_bits)];
        if entry.length > code.root_bits {
            let index = low(entry.length) >> code.root_bits;
            entry = self.entries[code.start as usize + usize::from(entry.value) + index];
        }
        (entry.value.into(), entry.length.into())
    }

    /// Adds the code with these code lengths.
    fn add(&mut self, lengths: &[u8], memory: &mut Memory) -> Result<Code, DecodeError> {
        let mut counts = [0u32; LONGEST + 1];
        lengths.iter().for_each(|length| counts[usize::from(*length)] += 1);
        counts[0] = 0;
        let start = self.entries.len();
        // A single symbol has a code of zero bits (section 3.7.2.1).
        if counts.iter().sum::<u32>() == 1 {
            let symbol = lengths.iter().position(|length| *length > 0).unwrap_or_default();
            self.grow(1, memory)?;
            self.entries[start] = Entry { value: symbol as u16, length: 0 };
            return Ok(Code { start: start as u32, root_bits: 0 });
        }
        let taken: u32 = counts.iter().enumerate().map(|(length, count)| count << (LONGEST - length)).sum();
        if taken != 1 << LONGEST {
            return Err(damaged("a prefix code is not complete"));
        }
        let longest = counts.iter().rposition(|count| *count > 0).unwrap_or_default() as u32;
        let root_bits = longest.min(ROOT_BITS);
        self.grow(1 << root_bits, memory)?;
        // The index of the first symbol of each length, in code order.
        let mut places = [0u32; LONGEST + 2];
        for length in 1..=LONGEST {
            places[length + 1] = places[length] + counts[length];
        }
        let mut sorted = vec![(0u16, 0u8); places[LONGEST + 1] as usize];
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut places[usize::from(length)];
            sorted[*place as usize] = (symbol as u16, length);
            *place += 1;
        }
        // Codes left-aligned in 15 bits: those with the same root entry are consecutive, and the last one is the
        // longest.
        let root_of = |code: u32| code >> (LONGEST as u32 - root_bits);
        let (mut code, mut index) = (0u32, 0);
        while let Some(&(symbol, length)) = sorted.get(index) {
            if u32::from(length) <= root_bits {
                fill(&mut self.entries[start..], code, 0, root_bits, Entry { value: symbol, length });
                code += 1 << (LONGEST as u32 - u32::from(length));
                index += 1;
                continue;
            }
            let root = root_of(code);
            let (first, first_code) = (index, code);
            while let Some(&(_, length)) = sorted.get(index)
                && root_of(code) == root
            {
                code += 1 << (LONGEST as u32 - u32::from(length));
                index += 1;
            }
            let members = &sorted[first..index];
            let longest = members.last().map_or(0, |(_, length)| *length);
            let table = self.entries.len() - start;
            self.grow(1 << (u32::from(longest) - root_bits), memory)?;
            let link = Entry { value: table as u16, length: longest };
            fill(&mut self.entries[start..start + (1 << root_bits)], first_code, 0, root_bits, link);
            let mut code = first_code;
            for &(symbol, length) in members {
                let entry = Entry { value: symbol, length };
                fill(&mut self.entries[start + table..], code, root_bits, u32::from(longest) - root_bits, entry);
                code += 1 << (LONGEST as u32 - u32::from(length));
            }
        }
        Ok(Code { start: start as u32, root_bits: root_bits as u8 })
    }

    /// Appends empty entries.
    fn grow(&mut self, count: usize, memory: &mut Memory) -> Result<(), DecodeError> {
        reserve(&mut self.entries, count, memory)?;
        self.entries.resize(self.entries.len() + count, Entry::default());
        Ok(())
    }
}

/// Fills all entries of a table with `table_bits` index bits that match a code, which is left-aligned in 15 bits and of
/// which `skipped` bits have led to the table. The first bit of a code is the lowest bit of the index.
fn fill(table: &mut [Entry], code: u32, skipped: u32, table_bits: u32, entry: Entry) {
    let reversed = code.reverse_bits() >> (32 - LONGEST as u32);
    let place = (reversed >> skipped) as usize & ((1 << table_bits) - 1);
    let step = 1 << u32::from(entry.length).saturating_sub(skipped).min(table_bits);
    table[..1 << table_bits].iter_mut().skip(place).step_by(step).for_each(|place| *place = entry);
}

/// Reserves memory, and counts both the old and the new allocation while both exist.
fn reserve<T>(list: &mut Vec<T>, count: usize, memory: &mut Memory) -> Result<(), DecodeError> {
    let (old, needed) = (list.capacity(), list.len() + count);
    if needed > old {
        let new = needed.max(old * 2);
        memory.spend(new * size_of::<T>())?;
        list.reserve_exact(new - list.len());
        memory.give_back(old * size_of::<T>());
    }
    Ok(())
}

fn push<T>(list: &mut Vec<T>, value: T, memory: &mut Memory) -> Result<(), DecodeError> {
    reserve(list, 1, memory)?;
    list.push(value);
    Ok(())
}

/// Reads the code length of each symbol (section 3.7.2.1).
fn read_lengths(bits: &mut Bits<'_>, lengths: &mut [u8]) -> Result<(), DecodeError> {
    if bits.flag() { read_simple(bits, lengths) } else { read_normal(bits, lengths) }
}

/// A simple code of one or two symbols (section 3.7.2.1.1).
fn read_simple(bits: &mut Bits<'_>, lengths: &mut [u8]) -> Result<(), DecodeError> {
    let has_two = bits.flag();
    let first = if bits.flag() { bits.read(8) } else { bits.read(1) };
    let second = has_two.then(|| bits.read(8));
    for symbol in [Some(first), second].into_iter().flatten() {
        *lengths.get_mut(symbol as usize).ok_or_else(|| damaged("a prefix code has a symbol that does not exist"))? = 1;
    }
    Ok(())
}

/// Code lengths that are prefix-coded themselves (section 3.7.2.1.2).
fn read_normal(bits: &mut Bits<'_>, lengths: &mut [u8]) -> Result<(), DecodeError> {
    let mut own = [0; LENGTH_ORDER.len()];
    let count = 4 + bits.read(4) as usize;
    for &symbol in LENGTH_ORDER.iter().take(count) {
        own[symbol] = bits.read(3) as u8;
    }
    let own = LengthCode::new(&own)?;
    let mut symbols = lengths.len();
    if bits.flag() {
        let length_bits = 2 + 2 * bits.read(3);
        symbols = 2 + bits.read(length_bits) as usize;
        if symbols > lengths.len() {
            return Err(damaged("a prefix code has more symbols than there are"));
        }
    }
    let (mut at, mut previous) = (0, 8);
    while at < lengths.len() && symbols > 0 && !bits.is_overrun() {
        symbols -= 1;
        let (value, repeats) = match own.symbol(bits) {
            16 => (previous, 3 + bits.read(2)),
            17 => (0, 3 + bits.read(3)),
            18 => (0, 11 + bits.read(7)),
            length => (length, 1),
        };
        let places = lengths.get_mut(at..at + repeats as usize);
        places.ok_or_else(|| damaged("a prefix code has more symbols than there are"))?.fill(value);
        at += repeats as usize;
        if value > 0 {
            previous = value;
        }
    }
    Ok(())
}

/// The code for code lengths, whose codes have up to seven bits.
struct LengthCode {
    /// For each value of the next seven bits, the symbol and the length of its code.
    table: [(u8, u8); 128],
}

impl LengthCode {
    fn new(lengths: &[u8]) -> Result<Self, DecodeError> {
        const BITS: u8 = 7;
        let mut table = [(0, 0); 128];
        let used = || lengths.iter().zip(0u8..).filter(|(length, _)| **length > 0);
        if let (Some((_, symbol)), 1) = (used().next(), used().count()) {
            return Ok(Self { table: [(symbol, 0); 128] });
        }
        let mut code = 0u8;
        for wanted in 1..=BITS {
            for (_, symbol) in used().filter(|(length, _)| **length == wanted) {
                if code >= 1 << BITS {
                    return Err(damaged("a prefix code is not complete"));
                }
                let place = usize::from(code.reverse_bits() >> (8 - BITS));
                table.iter_mut().skip(place).step_by(1 << wanted).for_each(|place| *place = (symbol, wanted));
                code += 1 << (BITS - wanted);
            }
        }
        if code != 1 << BITS { Err(damaged("a prefix code is not complete")) } else { Ok(Self { table }) }
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> u8 {
        bits.fill();
        let (symbol, length) = self.table[(bits.peek() & 0x7f) as usize];
        bits.consume(length.into());
        symbol
    }
}
