//! Modular exponentiation for RSA's public operation, with `crypto-bigint`. WebAssembly builds use `montgomery.rs`
//! instead.
//!
//! Input and output are big-endian bytes; the output has at least as many bytes as the modulus. All numbers are public,
//! so constant time is not required.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};

/// An odd modulus.
#[derive(Debug, Clone)]
pub(super) struct Modulus(BoxedMontyParams);

impl Modulus {
    /// Creates a modulus from bytes without leading zeros. `None` if it is even or below 2.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        if *bytes.first()? == 0 || bytes == [1] {
            return None;
        }
        let modulus = Odd::new(BoxedUint::from_be_slice_vartime(bytes)).into_option()?;
        Some(Self(BoxedMontyParams::new_vartime(modulus)))
    }

    /// `base` to the power of `exponent`, which must not be zero. `None` unless `base` is below the modulus.
    pub(super) fn power(&self, base: &[u8], exponent: u32) -> Option<Vec<u8>> {
        let base = BoxedUint::from_be_slice(base, self.0.bits_precision()).ok()?;
        if base >= **self.0.modulus() {
            return None;
        }
        let base = BoxedMontyForm::new(base, &self.0);
        // Square and multiply: the library's exponentiation hides the exponent, which takes three times as long.
        let mut power = base.clone();
        for bit in (0..exponent.checked_ilog2()?).rev() {
            power = power.square();
            if exponent >> bit & 1 == 1 {
                power = power.mul(&base);
            }
        }
        Some(power.retrieve().to_be_bytes().to_vec())
    }
}
