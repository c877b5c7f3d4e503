//! Modular exponentiation for RSA's public operation in WebAssembly, by Montgomery multiplication (Handbook of Applied
//! Cryptography, algorithms 14.36 and 14.94). Native builds use the library in `modulus.rs`.
//!
//! Input and output are big-endian bytes; the output has as many bytes as the modulus. All numbers are public, so
//! constant time is not required; a general bignum library would be ten times the code in every cold start.

/// Little-endian 32-bit limbs, as many as the modulus has. Between calls the number is below the modulus.
type Limbs = Vec<u32>;

/// An odd modulus n of s limbs, with precomputed values for multiplication. R is 2^(32 s).
#[derive(Debug, Clone)]
pub(super) struct Modulus {
    limbs: Limbs,
    /// -1/n modulo 2^32.
    inverse: u32,
    /// R modulo n: the number 1 in Montgomery form.
    one: Limbs,
    /// R² modulo n, which converts numbers to Montgomery form.
    square: Limbs,
}

impl Modulus {
    /// Creates a modulus from bytes without leading zeros. `None` if it is even or below 2.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.last()? % 2 == 0 || *bytes.first()? == 0 || bytes == [1] {
            return None;
        }
        let limbs = from_bytes(bytes);
        // Newton iteration: each step doubles the number of correct bits, and n * n = 1 modulo 8.
        let inverse = (0..4).fold(limbs[0], |x, _| x.wrapping_mul(2_u32.wrapping_sub(limbs[0].wrapping_mul(x))));
        let mut modulus =
            Self { one: vec![0; limbs.len()], square: Limbs::new(), inverse: inverse.wrapping_neg(), limbs };
        let top = modulus.limbs.len() - 1;
        let leading_zeros = modulus.limbs[top].leading_zeros();
        // The highest power of two below n, doubled up to R.
        modulus.one[top] = 1 << (31 - leading_zeros);
        modulus.one = modulus.doubled(modulus.one.clone(), leading_zeros as usize + 1);
        // 2^s in Montgomery form; five squarings yield 2^(32 s), that is R.
        let power = modulus.doubled(modulus.one.clone(), modulus.limbs.len());
        modulus.square = (0..5).fold(power, |power, _| modulus.multiply(&power, &power));
        Some(modulus)
    }

    /// `base` to the power of `exponent`, which must not be zero. `None` unless `base` is below the modulus.
    pub(super) fn power(&self, base: &[u8], exponent: u32) -> Option<Vec<u8>> {
        let mut base = from_bytes(base);
        if base.len() > self.limbs.len() {
            return None;
        }
        base.resize(self.limbs.len(), 0);
        if !self.exceeds(&base) {
            return None;
        }
        let base = self.multiply(&base, &self.square);
        let mut power = base.clone();
        for bit in (0..exponent.checked_ilog2()?).rev() {
            power = self.multiply(&power, &power);
            if exponent >> bit & 1 == 1 {
                power = self.multiply(&power, &base);
            }
        }
        let mut plain_one = vec![0; self.limbs.len()];
        plain_one[0] = 1;
        Some(self.multiply(&power, &plain_one).iter().rev().flat_map(|limb| limb.to_be_bytes()).collect())
    }

    /// a b / R modulo n, interleaved: `sum` stays below 2 n, so that one limb and one bit more suffice.
    fn multiply(&self, a: &[u32], b: &[u32]) -> Limbs {
        let count = self.limbs.len();
        let mut sum = vec![0_u32; count + 1];
        for factor in a {
            let carry = add_product(&mut sum[..count], b, *factor);
            let (top, over) = sum[count].overflowing_add(carry);
            // This makes the lowest limb zero, so that it can be shifted out.
            let multiple = sum[0].wrapping_mul(self.inverse);
            let carry = add_product(&mut sum[..count], &self.limbs, multiple);
            let (top, over_again) = top.overflowing_add(carry);
            sum.copy_within(1..count, 0);
            sum[count - 1] = top;
            sum[count] = u32::from(over) + u32::from(over_again);
        }
        let over = sum.pop() != Some(0);
        self.reduce(&mut sum, over);
        sum
    }

    fn doubled(&self, mut number: Limbs, times: usize) -> Limbs {
        for _ in 0..times {
            let mut carry = 0;
            for limb in &mut number {
                (*limb, carry) = (*limb << 1 | carry, *limb >> 31);
            }
            self.reduce(&mut number, carry == 1);
        }
        number
    }

    /// Subtracts n once from a number below 2 n, unless it is below n; `over` is the bit beyond the limbs.
    fn reduce(&self, number: &mut [u32], over: bool) {
        if !over && self.exceeds(number) {
            return;
        }
        let mut borrow = false;
        for (limb, subtrahend) in number.iter_mut().zip(&self.limbs) {
            let (difference, under) = limb.overflowing_sub(*subtrahend);
            let (difference, under_again) = difference.overflowing_sub(u32::from(borrow));
            (*limb, borrow) = (difference, under || under_again);
        }
    }

    fn exceeds(&self, number: &[u32]) -> bool {
        self.limbs.iter().rev().gt(number.iter().rev())
    }
}

/// Adds `number` times `factor` to `sum`, which has the same length, and returns the carry.
fn add_product(sum: &mut [u32], number: &[u32], factor: u32) -> u32 {
    let mut carry = 0;
    for (place, limb) in sum.iter_mut().zip(number) {
        // (2^32 - 1)² + 2 (2^32 - 1) = 2^64 - 1.
        let wide = u64::from(*limb) * u64::from(factor) + u64::from(*place) + u64::from(carry);
        (*place, carry) = (wide as u32, (wide >> 32) as u32);
    }
    carry
}

fn from_bytes(bytes: &[u8]) -> Limbs {
    bytes.rchunks(4).map(|chunk| chunk.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::modulus::Modulus as Library;
    use super::*;

    fn without_zeros(bytes: &[u8]) -> &[u8] {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        &bytes[zeros..]
    }

    /// Bytes with long carry and borrow chains.
    fn number(lengths: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![Just(0), Just(0xff), Just(0x80), any::<u8>()], lengths)
    }

    /// The power by both implementations, which must agree, without leading zeros; `None` if they reject the modulus or
    /// the base.
    fn power(modulus: &[u8], base: &[u8], exponent: u32) -> Option<Vec<u8>> {
        let ours = Modulus::new(modulus).map(|modulus| modulus.power(base, exponent));
        let theirs = Library::new(modulus).map(|modulus| modulus.power(base, exponent));
        assert_eq!(ours.is_some(), theirs.is_some(), "{modulus:?}");
        let [ours, theirs] = [ours, theirs].map(|power| power.flatten().map(|power| without_zeros(&power).to_vec()));
        assert_eq!(ours, theirs, "{base:?}^{exponent} modulo {modulus:?}");
        ours
    }

    proptest! {
        #[test]
        fn powers_are_those_of_a_library(modulus in number(1..70), base in number(0..70), exponent in any::<u32>()) {
            let mut modulus = without_zeros(&modulus).to_vec();
            let Some(last) = modulus.last_mut() else { return Ok(()) };
            *last |= 1;
            let base = without_zeros(&base);
            let is_below = (base.len(), base) < (modulus.len(), &modulus[..]);
            prop_assert_eq!(power(&modulus, base, exponent.max(1)).is_some(), is_below && modulus != [1]);
        }
    }

    #[test]
    fn edges() {
        let largest = [0xff; 256];
        let mut base = largest;
        assert_eq!(power(&largest, &base, 3), None, "n itself is not below n");
        base[255] = 0xfe;
        assert_eq!(power(&largest, &base, 2).unwrap(), [1], "(-1)² = 1");
        assert_eq!(power(&largest, &base, 65_537).unwrap(), base, "(-1) to an odd power is -1");
        assert!(power(&largest, &[], 3).unwrap().is_empty());
        assert_eq!(power(&largest, &[2], 8).unwrap(), [1, 0]);
        for refused in [&[][..], &[2], &[1], &[0, 3]] {
            assert_eq!(power(refused, &[1], 3), None, "{refused:?}");
        }
    }
}
