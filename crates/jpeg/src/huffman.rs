//! Huffman tables (T.81 Annex C) in forms that are optimized for the kinds of scans.
//!
//! A code is resolved by its own bits: the number of the following magnitude bits (T.81 F.1.2) is derived from the
//! symbol, so that an entry contains the total length even if the magnitude extends beyond the lookup bits.

use super::DecodeError;
use super::bits::Bits;

/// The number of bits in the direct lookup of a DC or AC code; longer codes are rare by construction.
const LOOKUP_BITS: u32 = 10;
/// The number of bits in the lookup of the skip table, which covers codes of several coefficients.
const SKIP_BITS: u32 = 12;
/// The maximum magnitude size on the fast path. Larger ones are not part of 8-bit JPEG (T.81 F.1.2.2); they take the
/// slow path, which keeps the bits of two fast lookups below what a refill guarantees.
const MAX_FAST_SIZE: u32 = 11;

/// A table as defined by DHT.
#[derive(Debug, Clone)]
pub(super) struct HuffmanSpec {
    counts: [u8; 16],
    values: [u8; 256],
}

impl HuffmanSpec {
    /// Parses one table at the beginning of `payload` (after the class and destination byte); returns it with its
    /// length.
    pub(super) fn parse(payload: &[u8]) -> Result<(Self, usize), DecodeError> {
        let counts: [u8; 16] =
            payload.get(..16).and_then(|c| c.try_into().ok()).ok_or(DecodeError::Damaged("Huffman table cut short"))?;
        let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let symbols = payload.get(16..16 + total).ok_or(DecodeError::Damaged("Huffman table cut short"))?;
        if total > 256 {
            return Err(DecodeError::Damaged("Huffman table with more than 256 codes"));
        }
        let mut values = [0; 256];
        values[..total].copy_from_slice(symbols);
        let spec = Self { counts, values };
        let mut space = 0u32;
        for (length, &count) in (1..).zip(&spec.counts) {
            space += u32::from(count) << (16 - length);
        }
        if space > 1 << 16 {
            Err(DecodeError::Damaged("Huffman table with too many codes"))
        } else {
            Ok((spec, 16 + total))
        }
    }

    /// A table from the lists of T.81 Annex K.3, for files without tables.
    pub(super) fn standard(counts: [u8; 16], symbols: &[u8]) -> Self {
        let mut values = [0; 256];
        values[..symbols.len()].copy_from_slice(symbols);
        Self { counts, values }
    }

    /// Calls `each` with (code left-aligned in 16 bits, length, symbol) in the order of T.81 C.2.
    fn for_each_code(&self, mut each: impl FnMut(u32, u32, u8)) {
        let mut code = 0u32;
        let mut values = self.values.iter();
        for (length, &count) in (1..).zip(&self.counts) {
            for &symbol in values.by_ref().take(usize::from(count)) {
                each(code, length, symbol);
                code += 1 << (16 - length);
            }
        }
    }
}

/// Canonical decoding of codes of any length, for codes that the lookups do not cover.
#[derive(Debug, Clone)]
struct Codes {
    /// For each length, the first left-aligned code that is longer.
    limits: [u32; 17],
    /// For each length, the offset from a code of that length to its index in `values`.
    offsets: [i32; 17],
    values: [u8; 256],
}

impl Codes {
    fn new(spec: &HuffmanSpec) -> Self {
        let (mut limits, mut offsets) = ([0; 17], [0; 17]);
        let (mut code, mut place) = (0u32, 0i32);
        for (length, &count) in (1..).zip(&spec.counts) {
            let shift = 16 - length;
            offsets[length] = place - (code >> shift).cast_signed();
            code += u32::from(count) << shift;
            place += i32::from(count);
            limits[length] = code;
        }
        Self { limits, offsets, values: spec.values }
    }

    /// Consumes one code. An undefined code counts as symbol 0, which ends a block, and marks the data as corrupt.
    #[cold]
    #[inline(never)]
    fn decode(&self, ahead: u64) -> Decoded {
        let top = (ahead >> 48) as u32;
        for length in 1..=16 {
            if top < self.limits[length as usize] {
                let place = (top >> (16 - length)).cast_signed() + self.offsets[length as usize];
                return Decoded { length, symbol: self.values[(place & 255) as usize], valid: true };
            }
        }
        Decoded { length: 16, symbol: 0, valid: false }
    }
}

/// A code as found by [`Codes::decode`].
struct Decoded {
    length: u32,
    symbol: u8,
    valid: bool,
}

/// Symbols with the number of bits to consume, for DC codes and for the AC codes of sequential and progressive scans.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// [`Symbol`]s by the bits that start with their codes; 0 if the code is longer than the lookup.
    fast: Box<[u32; 1 << LOOKUP_BITS]>,
    codes: Codes,
}

/// A decoded symbol. From the lowest bit: the length of code and magnitude together (6 bits, so that the entry can be
/// used as a shift amount), the length of the code (from bit 8), of the magnitude (16), the run (20), and the indices
/// to advance in sequential scans (24).
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol(u32);

impl Symbol {
    /// More indices than a block has: the advance of an end of block.
    const END: u32 = 64;

    const fn new(length: u32, symbol: u8) -> Self {
        let (run, size) = (symbol as u32 >> 4, symbol as u32 & 15);
        let advance = if size == 0 && run != 15 { Self::END } else { run + 1 };
        Self((length + size) | (length << 8) | (size << 16) | (run << 20) | (advance << 24))
    }
    /// The number of bits of code and magnitude.
    #[inline(always)]
    const fn total(self) -> u32 {
        self.0 & 63
    }
    /// The number of bits of the code.
    #[inline(always)]
    const fn length(self) -> u32 {
        (self.0 >> 8) & 31
    }
    /// The size category of the magnitude: the number of bits after the code (T.81 F.1.2).
    #[inline(always)]
    pub(super) const fn size(self) -> u32 {
        (self.0 >> 16) & 15
    }
    /// The number of zero coefficients before the coded one.
    #[inline(always)]
    pub(super) const fn run(self) -> usize {
        (self.0 >> 20 & 15) as usize
    }
    /// The number of indices from the previous coefficient to this one; 64 at an end of block. A run of 16 zeros counts
    /// as a coefficient of 0.
    #[inline(always)]
    pub(super) const fn advance(self) -> usize {
        (self.0 >> 24) as usize
    }
}

impl Table {
    pub(super) fn new(spec: &HuffmanSpec) -> Self {
        let mut fast = Box::new([0; 1 << LOOKUP_BITS]);
        spec.for_each_code(|code, length, symbol| {
            if length <= LOOKUP_BITS {
                let first = (code >> (16 - LOOKUP_BITS)) as usize;
                let entries = 1 << (LOOKUP_BITS - length);
                fast[first..first + entries].fill(Symbol::new(length, symbol).0);
            }
        });
        Self { fast, codes: Codes::new(spec) }
    }

    /// Reads a symbol and its magnitude, sign-extended as in T.81 F.2.2.1. One refill suffices for two symbols: they
    /// take 25 bits each, and a longer one, which takes up to 31, refills itself.
    #[inline(always)]
    pub(super) fn read(&self, bits: &mut Bits<'_>) -> (Symbol, i32) {
        let symbol = self.look_up(bits);
        let ahead = bits.ahead() << symbol.length();
        bits.consume(symbol.total());
        (symbol, extend(ahead, symbol.size()))
    }

    /// Reads a symbol without magnitude: up to 16 bits.
    #[inline(always)]
    pub(super) fn read_symbol(&self, bits: &mut Bits<'_>) -> Symbol {
        let symbol = self.look_up(bits);
        bits.consume(symbol.length());
        symbol
    }

    #[inline(always)]
    fn look_up(&self, bits: &mut Bits<'_>) -> Symbol {
        let entry = self.fast[bits.peek::<LOOKUP_BITS>()];
        if entry != 0 {
            return Symbol(entry);
        }
        bits.refill();
        let found = self.codes.decode(bits.ahead());
        bits.note_corrupt(!found.valid);
        Symbol::new(found.length, found.symbol)
    }
}

/// The signed value of the `size` magnitude bits at the top of `ahead`, without a branch: a leading 0 means negative.
#[inline(always)]
const fn extend(ahead: u64, size: u32) -> i32 {
    let magnitude = ((ahead >> 1) >> (63 - size)) as i32;
    let negative = !((ahead.cast_signed() >> 63) as i32);
    magnitude + (negative & ((-1i32 << size) + 1))
}

/// Skips the AC coefficients of a block without decoding them, several at a time.
#[derive(Debug, Clone)]
pub(super) struct SkipTable {
    /// The number of bits to consume in the low six bits, the number of skipped coefficients above them: see [`END`]
    /// and [`UNKNOWN`].
    fast: Box<[u16; 1 << SKIP_BITS]>,
    codes: Codes,
}

/// Added to the number of skipped coefficients if the last code was an end of block.
const END: usize = 128;
/// The number of skipped coefficients if the first code is longer than the lookup.
const UNKNOWN: u16 = 512;
/// The number of AC coefficients of a block.
const LAST: usize = 63;

/// A code by the bits that start with it: its length, that of code and magnitude, and the number of coefficients that it
/// stands for, [`END`] or [`UNKNOWN`].
type Single = (u32, u32, u16);

/// The AC codes that are not too long for a lookup.
fn single_codes(spec: &HuffmanSpec) -> Vec<Single> {
    let mut single = vec![(0, 0, UNKNOWN); 1 << SKIP_BITS];
    spec.for_each_code(|code, length, symbol| {
        let (run, size) = (u16::from(symbol >> 4), u32::from(symbol & 15));
        if length <= SKIP_BITS && size <= MAX_FAST_SIZE {
            let passed = if size == 0 && run != 15 { END as u16 } else { run + 1 };
            let first = (code >> (16 - SKIP_BITS)) as usize;
            let entries = 1 << (SKIP_BITS - length);
            single[first..first + entries].fill((length, length + size, passed));
        }
    });
    single
}

/// The number of bits and of coefficients of the AC codes that begin in `bits`, those of a lookup, after `used` of them. A
/// further code is included if all of its own bits are inside; its magnitude may extend beyond.
fn follow(single: &[Single], bits: usize, mut used: u32) -> (u32, u16) {
    let mut passed = 0;
    while used < SKIP_BITS {
        let (length, total, next) = single[(bits << used) & ((1 << SKIP_BITS) - 1)];
        if next == UNKNOWN || used + length > SKIP_BITS || usize::from(passed + next % END as u16) > LAST {
            break;
        }
        used += total;
        passed += next;
        if next == END as u16 {
            break;
        }
    }
    (used, passed)
}

impl SkipTable {
    pub(super) fn new(spec: &HuffmanSpec) -> Self {
        let single = single_codes(spec);
        let mut fast = Box::new([0; 1 << SKIP_BITS]);
        for (bits, entry) in fast.iter_mut().enumerate() {
            let (used, passed) = follow(&single, bits, 0);
            *entry = if used == 0 { UNKNOWN << 6 } else { used as u16 | (passed << 6) };
        }
        Self { fast, codes: Codes::new(spec) }
    }

    /// Skips the rest of a block of which `passed` AC coefficients (0..=62) have been read. The caller has refilled,
    /// and has consumed at most 30 bits since.
    #[inline(always)]
    pub(super) fn skip_block(&self, bits: &mut Bits<'_>, passed: usize) {
        let mut k = passed;
        loop {
            let (mark, k_before) = (bits.mark(), k);
            k += self.step(bits);
            if k >= LAST {
                if !is_end(k) {
                    *bits = self.skip_singly(bits.rewound(mark), k_before);
                }
                return;
            }
            bits.refill();
            let (mark, k_before) = (bits.mark(), k);
            k += self.step(bits);
            if k >= LAST {
                if !is_end(k) {
                    *bits = self.skip_singly(bits.rewound(mark), k_before);
                }
                return;
            }
        }
    }

    #[inline(always)]
    fn step(&self, bits: &mut Bits<'_>) -> usize {
        let entry = self.fast[bits.peek::<SKIP_BITS>()];
        bits.consume(u32::from(entry & 63));
        usize::from(entry >> 6)
    }

    /// The same, code by code: for long codes, and if the lookup extends into the next block. Takes the reader by
    /// value, since a reference would force it into memory on the fast path, too.
    #[cold]
    #[inline(never)]
    fn skip_singly<'w>(&self, mut bits: Bits<'w>, passed: usize) -> Bits<'w> {
        let mut k = passed;
        while k < LAST {
            bits.refill();
            let found = self.codes.decode(bits.ahead());
            bits.note_corrupt(!found.valid);
            let (run, size) = (usize::from(found.symbol >> 4), u32::from(found.symbol & 15));
            bits.consume(found.length + size);
            if size == 0 && run != 15 {
                break;
            }
            k += run + 1;
        }
        bits
    }
}

/// Whether a block ends exactly here: with its last coefficient, or with an end of block before.
#[inline(always)]
const fn is_end(k: usize) -> bool {
    k == LAST || k.wrapping_sub(END) < LAST
}

/// Skips whole blocks in steps that all look alike: a lookup stands for a DC code with the AC codes behind it, or for AC
/// codes, so that no branch depends on the data. The number of coefficients of a block that were skipped is a state, in
/// which 63 or [`STEPPED_END`] and more mean the end of the block.
pub(super) struct Steps {
    /// For each component a table for DC codes and one for AC codes, of [`Step`]s.
    tables: Box<[u16; STEP_TABLES << SKIP_BITS]>,
    codes: Vec<Codes>,
}

/// The maximum number of tables: two for each of four components.
const STEP_TABLES: usize = 8;
/// Added to the number of skipped coefficients by an end of block. Bit 6 of a sum is set if it is more than a block has, or the
/// block was over before.
const STEPPED_END: u32 = 129;
/// The number of skipped coefficients if the first code is longer than the lookup: it sets bit 6 of any sum.
const STEPPED_UNKNOWN: u32 = 64;

/// What a lookup stands for: the number of bits (5 bits), and what it adds to the number of skipped coefficients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step(u32);

impl Step {
    /// An undefined code.
    const UNDEFINED: Self = Self::new(16, 1 << 10);

    const fn new(bits: u32, passed: u32) -> Self {
        Self(bits | passed << 5)
    }
    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        self.0 & 31
    }
    #[inline(always)]
    pub(super) const fn passed(self) -> u32 {
        self.0 >> 5
    }
    pub(super) const fn is_undefined(self) -> bool {
        self.0 == Self::UNDEFINED.0
    }
}

impl Steps {
    /// The memory in bytes.
    pub(super) const BYTES: u64 = (STEP_TABLES * (size_of::<[u16; 1 << SKIP_BITS]>() + size_of::<Codes>())) as u64;

    /// Creates the tables of up to four components from their DC and AC codes. `None` if there are more.
    pub(super) fn new(components: &[(HuffmanSpec, HuffmanSpec)]) -> Option<Self> {
        let mut tables = Box::new([Step::new(0, STEPPED_UNKNOWN).0 as u16; STEP_TABLES << SKIP_BITS]);
        let mut codes = Vec::with_capacity(STEP_TABLES);
        let step = |(bits, passed): (u32, u16)| match usize::from(passed) {
            ended if ended >= END => Step::new(bits, (ended - END) as u32 + STEPPED_END),
            passed => Step::new(bits, passed as u32),
        };
        for (part, (dc, ac)) in components.iter().enumerate() {
            let (of_dc, of_ac) = (Self::of_dc(part), Self::of_ac(part));
            let single = single_codes(ac);
            let of_ac = tables.get_mut(of_ac..of_ac + (1 << SKIP_BITS))?;
            for (bits, entry) in of_ac.iter_mut().enumerate() {
                let (used, passed) = follow(&single, bits, 0);
                *entry = if used == 0 { *entry } else { step((used, passed)).0 as u16 };
            }
            dc.for_each_code(|code, length, symbol| {
                let size = u32::from(symbol);
                if length <= SKIP_BITS && size <= MAX_FAST_SIZE {
                    let first = (code >> (16 - SKIP_BITS)) as usize;
                    for bits in first..first + (1 << (SKIP_BITS - length)) {
                        tables[of_dc + bits] = step(follow(&single, bits, length + size)).0 as u16;
                    }
                }
            });
            codes.extend([Codes::new(dc), Codes::new(ac)]);
        }
        Some(Self { tables, codes })
    }

    /// The place of the table for the DC codes of a component.
    pub(super) const fn of_dc(component: usize) -> usize {
        (2 * component) << SKIP_BITS
    }

    /// The place of the table for the AC codes of a component.
    pub(super) const fn of_ac(component: usize) -> usize {
        (2 * component + 1) << SKIP_BITS
    }

    /// Whether the table at a place is one for DC codes.
    pub(super) const fn is_dc(table: usize) -> bool {
        table >> SKIP_BITS & 1 == 0
    }

    /// What the bits ahead stand for, by the table at a place. Holds if [`Self::is_sound`] says so of the sum.
    #[inline(always)]
    pub(super) fn look_up(&self, table: usize, ahead: u64) -> Step {
        let bits = (ahead >> (64 - SKIP_BITS)) as usize;
        Step(self.tables[(table + bits) % (STEP_TABLES << SKIP_BITS)].into())
    }

    /// Whether a block has this number of skipped coefficients.
    #[inline(always)]
    pub(super) const fn is_sound(passed: u32) -> bool {
        passed & 64 == 0
    }

    /// 1 if a block ends with this number of skipped coefficients, and 0 otherwise.
    #[inline(always)]
    pub(super) fn is_end(passed: u32) -> u32 {
        ((passed + 65) >> 7).min(1)
    }

    /// A single code, and the number of skipped coefficients with it. An undefined code is read like the end of a block.
    #[cold]
    #[inline(never)]
    pub(super) fn single(&self, table: usize, ahead: u64, before: u32) -> (Step, u32) {
        let Some(codes) = self.codes.get(table >> SKIP_BITS) else { return (Step::UNDEFINED, before + STEPPED_END) };
        let found = codes.decode(ahead);
        let (run, size) = (u32::from(found.symbol >> 4), u32::from(found.symbol & 15));
        let passed = match () {
            () if Self::is_dc(table) => before,
            () if size == 0 && run != 15 => before + STEPPED_END,
            () => (before + run + 1).min(LAST as u32),
        };
        (if found.valid { Step::new(found.length + size, 0) } else { Step::UNDEFINED }, passed)
    }
}
