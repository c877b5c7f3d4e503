//! RSASSA-PKCS1-v1_5 verification with SHA-256 (RFC 8017, section 8.2.2), which JWA calls RS256.
//!
//! Only public keys are involved, so timing leaks no secret. The expected message is constructed and compared as a
//! whole, so there is no padding parser that could be lenient.

use sha2::{Digest, Sha256};

#[cfg(not(target_arch = "wasm32"))]
use super::modulus::Modulus;
#[cfg(target_arch = "wasm32")]
use super::montgomery::Modulus;

/// At least 2048 bits (RFC 7518, section 3.3). Above 4096 bits verification becomes too expensive.
const MODULUS_BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// `DigestInfo` of SHA-256 (RFC 8017, section 9.2, note 1).
pub(super) const SHA256_DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// A public key with modulus and exponent in the accepted range.
#[derive(Debug, Clone)]
pub(crate) struct RsaPublicKey {
    modulus: Modulus,
    exponent: u32,
    /// The length in bytes of the modulus and of every signature.
    length: usize,
}

impl RsaPublicKey {
    /// Creates a key from the modulus and the exponent in big-endian bytes, as in a JWK.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let modulus = strip_zeros(modulus);
        let modulus_bits =
            u32::try_from(modulus.len()).ok()?.checked_mul(8)?.checked_sub(modulus.first()?.leading_zeros())?;
        if !MODULUS_BITS.contains(&modulus_bits) {
            return None;
        }
        let exponent = strip_zeros(exponent);
        if exponent.len() > 4 {
            return None;
        }
        let exponent = exponent.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        if exponent < 3 || exponent % 2 == 0 {
            return None;
        }
        Some(Self { modulus: Modulus::new(modulus)?, exponent, length: modulus.len() })
    }

    /// Verifies a signature of this key over a message.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        if signature.len() != self.length {
            return false;
        }
        let Some(recovered) = self.modulus.power(signature, self.exponent) else { return false };
        // The limbs may be wider than the modulus; the excess bytes are zero.
        let (wider, recovered) = recovered.split_at(recovered.len() - self.length);
        wider.iter().all(|byte| *byte == 0) && recovered == self.encoded_message(message)
    }

    /// EMSA-PKCS1-v1_5 encoding (RFC 8017, section 9.2).
    fn encoded_message(&self, message: &[u8]) -> Vec<u8> {
        let digest = Sha256::digest(message);
        let tail = SHA256_DIGEST_INFO.len() + digest.len();
        let mut encoded = vec![0xff; self.length];
        encoded[0] = 0x00;
        encoded[1] = 0x01;
        encoded[self.length - tail - 1] = 0x00;
        encoded[self.length - tail..self.length - digest.len()].copy_from_slice(&SHA256_DIGEST_INFO);
        encoded[self.length - digest.len()..].copy_from_slice(&digest);
        encoded
    }
}

fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}
