//! JSON Web Keys (RFC 7517), each bound to one algorithm.
//!
//! The key determines the algorithm, never the token (RFC 8725, section 3.1): an RSA key can never be used as an HMAC
//! secret.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
#[cfg(feature = "public-keys")]
use p256::ecdsa::signature::Verifier as _;
use serde_json::Value;
use sha2::Sha256;

#[cfg(feature = "public-keys")]
use super::rsa::RsaPublicKey;

/// A signature algorithm of RFC 7518 or RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
    Hs256,
}

impl Algorithm {
    /// Parses the `alg` of a token's header; `none` and unsupported algorithms are rejected.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256, Self::EdDsa, Self::Hs256].into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}

/// The origin of a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provenance {
    /// Packaged with the function by its operator.
    Packaged,
    /// Fetched from the issuer. It is public, so symmetric keys in it are ignored.
    Fetched,
}

/// The usable keys of one issuer.
#[derive(Clone, Default)]
pub(crate) struct KeySet(Vec<Arc<Key>>);

/// A key for verifying signatures.
#[derive(Clone)]
pub(crate) struct Key {
    id: Option<String>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    #[cfg(feature = "public-keys")]
    Rsa(Box<RsaPublicKey>),
    #[cfg(feature = "public-keys")]
    P256(Box<p256::ecdsa::VerifyingKey>),
    #[cfg(feature = "public-keys")]
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    Hmac {
        mac: Hmac<Sha256>,
        secret: Vec<u8>,
    },
}

/// The members of a JWK. A member of the wrong type counts as missing.
struct Jwk<'a>(&'a Value);

impl<'a> Jwk<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(self.text(name)?).ok()
    }

    /// Whether the member is absent, or equals this text, or is a list that contains it.
    fn allows(&self, name: &str, wanted: &str) -> bool {
        match self.0.get(name) {
            None => true,
            Some(Value::Array(values)) => values.iter().any(|value| value == wanted),
            Some(value) => value == wanted,
        }
    }
}

impl KeySet {
    /// Parses a JWK set. Unsupported keys and keys for other uses are skipped (RFC 7517, section 5).
    pub(crate) fn from_json(set: &Value, provenance: Provenance) -> Option<Self> {
        let keys = set.get("keys")?.as_array()?;
        Some(Self(keys.iter().filter_map(|jwk| Key::from_jwk(jwk, provenance)).map(Arc::new).collect()))
    }

    /// Finds the key that a token names. A token without `kid` is accepted only if there is exactly one key.
    pub(crate) fn find(&self, id: Option<&str>) -> Option<&Arc<Key>> {
        match (id, self.0.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl Key {
    fn from_jwk(jwk: &Value, provenance: Provenance) -> Option<Self> {
        let jwk = Jwk(jwk);
        let material = Material::from_jwk(&jwk, provenance)?;
        let id = match jwk.0.get("kid") {
            None => None,
            Some(id) => Some(id.as_str()?.to_owned()),
        };
        let usable = jwk.allows("use", "sig")
            && jwk.allows("key_ops", "verify")
            && jwk.allows("alg", material.algorithm().name());
        usable.then_some(Self { id, material })
    }

    /// The algorithm of this key.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.material.algorithm()
    }

    /// The name of a symmetric key, and the key.
    pub(crate) fn secret(&self) -> Option<(Option<&str>, &[u8])> {
        match &self.material {
            Material::Hmac { secret, .. } => Some((self.id.as_deref(), secret)),
            #[cfg(feature = "public-keys")]
            _ => None,
        }
    }

    /// Verifies a signature of this key over the message.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            #[cfg(feature = "public-keys")]
            Material::Rsa(key) => key.verify(message, signature),
            #[cfg(feature = "public-keys")]
            // JWA requires `r || s` (RFC 7518, section 3.4); DER has another length and fails here.
            Material::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            #[cfg(feature = "public-keys")]
            Material::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            // `verify_slice` accepts only the full tag, and compares in constant time.
            Material::Hmac { mac, .. } => mac.clone().chain_update(message).verify_slice(signature).is_ok(),
        }
    }
}

impl Material {
    fn from_jwk(jwk: &Jwk<'_>, provenance: Provenance) -> Option<Self> {
        match (jwk.text("kty")?, jwk.text("crv")) {
            #[cfg(feature = "public-keys")]
            ("RSA", _) => Some(Self::Rsa(Box::new(RsaPublicKey::new(&jwk.bytes("n")?, &jwk.bytes("e")?)?))),
            #[cfg(feature = "public-keys")]
            ("EC", Some("P-256")) => {
                let (x, y) = (jwk.bytes("x")?, jwk.bytes("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
                Some(Self::P256(Box::new(p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?)))
            }
            #[cfg(feature = "public-keys")]
            ("OKP", Some("Ed25519")) => {
                let key = ed25519_dalek::VerifyingKey::from_bytes(&jwk.bytes("x")?.try_into().ok()?).ok()?;
                (!key.is_weak()).then(|| Self::Ed25519(Box::new(key)))
            }
            ("oct", _) if provenance == Provenance::Packaged => {
                let secret = jwk.bytes("k")?;
                // RFC 7518, section 3.2: at least as many bits as the hash.
                if secret.len() < 32 {
                    return None;
                }
                Some(Self::Hmac { mac: Hmac::new_from_slice(&secret).ok()?, secret })
            }
            _ => None,
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            #[cfg(feature = "public-keys")]
            Self::Rsa(_) => Algorithm::Rs256,
            #[cfg(feature = "public-keys")]
            Self::P256(_) => Algorithm::Es256,
            #[cfg(feature = "public-keys")]
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::Hmac { .. } => Algorithm::Hs256,
        }
    }
}
