//! The arithmetic decoder (8.2).

/// Reads the symbols of a tile.
///
/// Distributions of `N` symbols are `N - 1` cumulative probabilities, subtracted from 32768, and a counter.
pub(super) struct Symbols<'a> {
    data: &'a [u8],
    /// The position of the next byte.
    at: usize,
    /// `SymbolValue` in the upper 16 bits; below, inverted bits of the data that follow.
    window: u64,
    /// The number of bits of the data in the window below its upper 16.
    ready: u32,
    /// `SymbolRange`, 32768 to 65535.
    range: u32,
    adapts: bool,
}

impl<'a> Symbols<'a> {
    /// Starts at the first byte of a tile's data; without `adapts`, distributions remain as they are.
    pub(super) fn new(data: &'a [u8], adapts: bool) -> Self {
        // The first bit of the window remains 0.
        let mut symbols = Self { data, at: 0, window: 0, ready: 0, range: 1 << 15, adapts };
        let first = |at: usize| u64::from(!data.get(at).copied().unwrap_or(0));
        symbols.window = (first(0) << 8 | first(1)) << 47;
        symbols.at = 2;
        symbols.ready = 1;
        symbols.refill();
        symbols
    }

    /// Fills the lower bits of the window; beyond the end, with zeros (inverted).
    #[inline(always)]
    fn refill(&mut self) {
        let bytes = (48 - self.ready) / 8;
        let free = 48 - self.ready - 8 * bytes;
        let word = match self.data.get(self.at..self.at + 8) {
            Some(&[a, b, c, d, e, f, g, h]) => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => self.last_word(),
        };
        self.window |= (!word >> (64 - 8 * bytes)) << free;
        self.at += bytes as usize;
        self.ready += 8 * bytes;
    }

    #[cold]
    fn last_word(&self) -> u64 {
        let mut word = [0; 8];
        let rest = self.data.get(self.at..).unwrap_or_default();
        word.iter_mut().zip(rest).for_each(|(byte, rest)| *byte = *rest);
        u64::from_be_bytes(word)
    }

    #[inline(always)]
    fn advance(&mut self, from: u32, to: u32) {
        let range = from - to;
        let shift = range.leading_zeros() - 16;
        self.window = (self.window - (u64::from(to) << 48)) << shift;
        self.range = range << shift;
        if let Some(ready) = self.ready.checked_sub(shift + 16) {
            self.ready = ready + 16;
        } else {
            self.ready -= shift;
            self.refill();
        }
    }

    /// Reads a symbol, below `N`.
    #[inline(always)]
    pub(super) fn symbol<const N: usize>(&mut self, cdf: &mut [u16; N]) -> usize {
        let value = (self.window >> 48) as u32;
        let range = self.range >> 8;
        // From the whole range, down to 0.
        let mut ends = [0; N];
        for (i, (end, f)) in ends.iter_mut().zip(&cdf[..N - 1]).enumerate() {
            *end = ((range * u32::from(f >> 6)) >> 1) + 4 * (N - 1 - i) as u32;
        }
        let symbol = ends[..N - 1].iter().map(|end| usize::from(value < *end)).sum::<usize>();
        let from = if symbol == 0 { self.range } else { ends[symbol - 1] };
        self.advance(from, ends[symbol]);
        if self.adapts {
            adapt(cdf, symbol);
        }
        symbol
    }

    /// Reads a flag.
    #[inline(always)]
    pub(super) fn flag(&mut self, cdf: &mut [u16; 2]) -> bool {
        self.symbol(cdf) == 1
    }

    /// Reads a flag that is set with a probability of `set` in 32768, which does not adapt.
    #[inline(always)]
    pub(super) fn fixed_flag(&mut self, set: u32) -> bool {
        let value = (self.window >> 48) as u32;
        let end = (((self.range >> 8) * (set >> 6)) >> 1) + 4;
        let is_set = value < end;
        if is_set {
            self.advance(end, 0);
        } else {
            self.advance(self.range, end);
        }
        is_set
    }

    /// Reads a bit.
    #[inline(always)]
    pub(super) fn bit(&mut self) -> u32 {
        u32::from(self.fixed_flag(1 << 14))
    }

    /// `L(n)`: bits, the highest first.
    pub(super) fn literal(&mut self, bits: u32) -> u32 {
        (0..bits).fold(0, |value, _| value << 1 | self.bit())
    }

    /// `NS(n)` (4.10.10): a value below `n`, which is at least 1.
    pub(super) fn non_symmetric(&mut self, n: u32) -> u32 {
        let width = 32 - n.leading_zeros();
        let short = (1 << width) - n;
        let value = self.literal(width - 1);
        if value < short { value } else { (value << 1) - short + self.bit() }
    }
}

#[inline(always)]
fn adapt<const N: usize>(cdf: &mut [u16; N], symbol: usize) {
    let count = cdf[N - 1];
    let rate = 3 + u32::from(count > 15) + u32::from(count > 31) + N.ilog2().min(2);
    for (i, f) in cdf[..N - 1].iter_mut().enumerate() {
        *f = if i < symbol { *f + (((1 << 15) - *f) >> rate) } else { *f - (*f >> rate) };
    }
    cdf[N - 1] = count + u16::from(count < 32);
}
