//! Tokens: the content of a scan, before Huffman codes are chosen.
//!
//! A token is a Huffman symbol and the bits that follow its code (T.81 F.1.2 and G.1.2), or bits only. Collecting them
//! costs four bytes for each nonzero coefficient; the codes can then be optimized for all of them, and each coefficient
//! is visited once.

/// The bits after the code in the low 16 bits, then the symbol in 8 bits, and the index of its table above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Token(u32);

/// The number of Huffman tables: DC and AC of luma, DC and AC of chroma.
pub(super) const TABLES: usize = 4;

/// The number of token indices: the symbols of all tables, and 0 to 16 bits without a symbol.
pub(super) const INDICES: usize = TABLES * 256 + 17;

/// The end of a block, or of all following blocks in this row.
pub(super) const END_OF_BLOCK: u8 = 0x00;
/// Sixteen zeros.
pub(super) const SIXTEEN_ZEROS: u8 = 0xF0;

/// The index of the DC table of a component; that of its AC table is the next.
pub(super) const fn dc_table(tables: usize) -> usize {
    tables * 2
}

/// The number of the AC table of a component.
pub(super) const fn ac_table(tables: usize) -> usize {
    tables * 2 + 1
}

/// The number of bits after the code of a symbol: those of a value of its size, or of the length of an end-of-band run.
pub(super) const fn bits_after(symbol: u8) -> u32 {
    match (symbol >> 4, symbol & 15) {
        (15, 0) => 0,
        (run, 0) => run as u32,
        (_, size) => size as u32,
    }
}

/// Size in the high half and bits in the low half for all values from -2048 (T.81 tables F.1 and F.2).
static VALUES: [u32; 4096] = {
    let mut values = [0; 4096];
    let mut index = 0;
    while index < 4096 {
        let value = index - 2048;
        let size = 32 - i32::unsigned_abs(value).leading_zeros();
        let bits = if value < 0 { value - 1 } else { value } as u32 & ((1 << size) - 1);
        values[index as usize] = size << 16 | bits;
        index += 1;
    }
    values
};

impl Token {
    /// A symbol and the bits after its code.
    #[inline(always)]
    pub(super) const fn new(table: usize, symbol: u8, bits: u16) -> Self {
        Self(((table << 8 | symbol as usize) << 16) as u32 | bits as u32)
    }

    /// Up to 16 bits without a symbol.
    pub(super) const fn bits(count: u32, bits: u16) -> Self {
        Self((((TABLES << 8) as u32 + count) << 16) | bits as u32)
    }

    /// A value in `-2047..=2047` after a run of up to 15 zeros.
    #[inline(always)]
    pub(super) const fn value(table: usize, run: u32, value: i16) -> Self {
        Self((table << 24) as u32 | run << 20 | VALUES[(value as usize).wrapping_add(2048) & 4095])
    }

    /// The index of its symbol among those of all tables, below [`INDICES`].
    #[inline(always)]
    pub(super) const fn index(self) -> usize {
        (self.0 >> 16) as usize
    }

    /// The bits after the code.
    #[inline(always)]
    pub(super) const fn extra(self) -> u64 {
        (self.0 & 0xFFFF) as u64
    }
}
