//! The arithmetic encoder of AV1 and the adaptation of its probabilities: the inverse of 8.2.

use std::sync::LazyLock;

use super::EncodeError;

/// The unit of costs: a fraction of a bit.
pub(super) const BIT: u32 = 256;

/// A receiver of symbols: it writes them, or sums up their costs.
pub(super) trait Sink {
    /// Codes a symbol, to which `cdf` may adapt. The last number of `cdf` is its counter.
    fn symbol(&mut self, cdf: &mut [u16], symbol: usize);

    /// Codes the low bits of `value`, the highest first, with equal probabilities.
    fn literal(&mut self, value: u32, bits: u32);
}

/// Writes symbols.
pub(super) struct Writer {
    /// The low end of the interval; its upper bits wait for a carry.
    low: u64,
    /// The length of the interval, 32768 to 65535.
    range: u32,
    /// The number of bits of `low` that are ready for output, less 9.
    count: i32,
    /// The output bytes, each with a pending carry.
    bytes: Vec<u16>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { low: 0, range: 1 << 15, count: -9, bytes: Vec::new() }
    }

    /// Reserves memory for about `bytes` more bytes; the buffer grows by half of its size at a time.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] if the old and the new allocation together exceed `max_bytes`.
    pub(super) fn reserve(&mut self, bytes: usize, max_bytes: u64) -> Result<(), EncodeError> {
        let (length, capacity) = (self.bytes.len(), self.bytes.capacity());
        if capacity - length >= bytes {
            return Ok(());
        }
        let larger = (length + bytes).max(capacity + capacity / 2);
        super::check_memory(((capacity + larger) * size_of::<u16>()) as u64, max_bytes)?;
        self.bytes.reserve_exact(larger - length);
        Ok(())
    }

    /// The allocated memory in bytes.
    pub(super) fn held(&self) -> u64 {
        (self.bytes.capacity() * size_of::<u16>()) as u64
    }

    /// Writes `symbol` with fixed probabilities.
    pub(super) fn encode(&mut self, cdf: &[u16], symbol: usize) {
        let symbols = cdf.len() as u32 - 1;
        let above = |i: usize| {
            let inverse = (1 << 15) - u32::from(cdf[i]);
            (((self.range >> 8) * (inverse >> 6)) >> 1) + 4 * (symbols - i as u32 - 1)
        };
        let to = above(symbol);
        let from = if symbol == 0 { self.range } else { above(symbol - 1) };
        self.low += u64::from(self.range - from);
        self.range = from - to;
        self.renormalize();
    }

    fn renormalize(&mut self) {
        let shift = self.range.leading_zeros() as i32 - 16;
        let mut ready = self.count + shift;
        if ready >= 0 {
            let mut count = self.count + 16;
            if ready >= 8 {
                self.put(count);
                count -= 8;
            }
            self.put(count);
            ready = count + shift - 24;
        }
        self.low <<= shift;
        self.range <<= shift;
        self.count = ready;
    }

    /// Outputs the bits above the lowest bits of `low`.
    fn put(&mut self, bits: i32) {
        self.bytes.push((self.low >> bits) as u16);
        self.low &= (1 << bits) - 1;
    }

    /// Returns the bytes, with the terminating bit.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let mask = (1u64 << 14) - 1;
        self.low = ((self.low + mask) & !mask) | (mask + 1);
        let (mut bits, mut left) = (self.count + 16, self.count + 10);
        while left > 0 {
            self.put(bits);
            bits -= 8;
            left -= 8;
        }
        let mut carry = 0;
        let mut bytes: Vec<u8> = self
            .bytes
            .iter()
            .rev()
            .map(|byte| {
                let sum = byte + carry;
                carry = sum >> 8;
                sum as u8
            })
            .collect();
        bytes.reverse();
        bytes
    }
}

impl Sink for Writer {
    fn symbol(&mut self, cdf: &mut [u16], symbol: usize) {
        self.encode(cdf, symbol);
        adapt(cdf, symbol);
    }

    fn literal(&mut self, value: u32, bits: u32) {
        for bit in (0..bits).rev() {
            self.encode(&[1 << 14, 1 << 15, 0], (value >> bit & 1) as usize);
        }
    }
}

/// Sums up the costs of symbols, in units of 1/[`BIT`] bit.
pub(super) struct Tally(pub(super) u32);

impl Sink for Tally {
    fn symbol(&mut self, cdf: &mut [u16], symbol: usize) {
        self.0 += cost(cdf, symbol);
    }

    fn literal(&mut self, _: u32, bits: u32) {
        self.0 += bits * BIT;
    }
}

/// Sums up the costs of symbols in the same way, with probabilities that adapt.
pub(super) struct AdaptiveTally(pub(super) u32);

impl Sink for AdaptiveTally {
    fn symbol(&mut self, cdf: &mut [u16], symbol: usize) {
        self.0 += cost(cdf, symbol);
        adapt(cdf, symbol);
    }

    fn literal(&mut self, _: u32, bits: u32) {
        self.0 += bits * BIT;
    }
}

fn adapt(cdf: &mut [u16], symbol: usize) {
    let Some((count, values)) = cdf.split_last_mut() else { return };
    let symbols = values.len();
    let rate = 3 + u32::from(*count > 15) + u32::from(*count > 31) + symbols.ilog2().min(2);
    for (i, value) in values[..symbols - 1].iter_mut().enumerate() {
        if i >= symbol {
            *value += ((1 << 15) - *value) >> rate;
        } else {
            *value -= *value >> rate;
        }
    }
    *count += u16::from(*count < 32);
}

/// The cost of `symbol` in bits, times [`BIT`].
pub(super) fn cost(cdf: &[u16], symbol: usize) -> u32 {
    let before = if symbol == 0 { 0 } else { cdf[symbol - 1] };
    probability_cost(cdf[symbol] - before)
}

/// The cost in bits of a symbol of this probability (times 32768), times [`BIT`].
fn probability_cost(probability: u16) -> u32 {
    COSTS[usize::from(probability >> 4).min(COSTS.len() - 1)].into()
}

/// [`probability_cost`] by probability in units of 16.
static COSTS: LazyLock<[u16; 2049]> =
    LazyLock::new(|| std::array::from_fn(|i| ((11.0 - (i.max(1) as f32).log2()) * BIT as f32).round() as u16));
