//! The secrets and public keys for authorisation.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::jwk::{Algorithm, Key, KeySet, Provenance};
use super::learned::{Known, Learned, Subject};
use crate::config::{Config, IntrospectionConfig};
use crate::encoding::encode_component;

/// The minimum length of a token in bytes; shorter ones can be guessed.
const MIN_TOKEN_BYTES: usize = 20;
/// The minimum length of a secret in bytes: the output length of the hash (RFC 2104, section 3).
const MIN_SECRET_BYTES: usize = 32;

/// The supported algorithms, for messages.
#[cfg(feature = "public-keys")]
const SUPPORTED: &str = "RS256, ES256, EdDSA or HS256";
#[cfg(not(feature = "public-keys"))]
const SUPPORTED: &str = "HS256 (RS256, ES256 and EdDSA take a program with the feature public-keys)";

/// The keys of the viewer-request function.
#[derive(Clone, Default, Deserialize)]
#[serde(try_from = "RawAuthKeys")]
pub(crate) struct AuthKeys {
    tokens: Vec<Token>,
    url_secrets: Vec<UrlSecret>,
    packaged: BTreeMap<String, KeySet>,
    /// The value of `Authorization` for introspection.
    client: Option<String>,
    /// Clones learn together.
    learned: Arc<RwLock<Learned>>,
}

/// A shared token, of which only the hash is stored.
#[derive(Clone)]
struct Token {
    name: String,
    sha256: [u8; 32],
}

/// A secret for signed URLs.
#[derive(Clone)]
pub(crate) struct UrlSecret {
    pub(crate) name: String,
    pub(crate) secret: Vec<u8>,
}

impl AuthKeys {
    /// Returns the name of the shared token that equals the given text.
    ///
    /// All hashes are compared, in constant time, so that timing reveals nothing.
    pub(crate) fn token_name(&self, presented: &str) -> Option<&str> {
        let presented = Sha256::digest(presented.as_bytes());
        let mut found = None;
        for token in &self.tokens {
            let equal: Choice = token.sha256.ct_eq(&presented);
            if bool::from(equal) {
                found = Some(token.name.as_str());
            }
        }
        found
    }

    pub(crate) fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    pub(crate) fn has_packaged(&self, issuer: &str) -> bool {
        self.packaged.contains_key(issuer)
    }

    pub(crate) fn packaged_issuers(&self) -> impl Iterator<Item = &str> {
        self.packaged.keys().map(String::as_str)
    }

    /// The hashes of the shared tokens.
    pub(crate) fn token_hashes(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.tokens.iter().map(|token| &token.sha256)
    }

    /// The algorithms of an issuer's packaged keys.
    pub(crate) fn packaged_algorithms(&self, issuer: &str) -> impl Iterator<Item = Algorithm> {
        self.packaged.get(issuer).into_iter().flat_map(KeySet::iter).map(Key::algorithm)
    }

    /// The packaged symmetric keys of an issuer, with their names.
    pub(crate) fn packaged_secrets(&self, issuer: &str) -> impl Iterator<Item = (Option<&str>, &[u8])> {
        self.packaged.get(issuer).into_iter().flat_map(KeySet::iter).filter_map(Key::secret)
    }

    pub(crate) fn url_secrets(&self) -> &[UrlSecret] {
        &self.url_secrets
    }

    /// Finds an issuer's key: in its published key set, else in the packaged one.
    pub(super) fn find(&self, issuer: &str, id: Option<&str>, now: u64) -> Option<Arc<Key>> {
        let published = self.learned().find_key(issuer, id, now);
        published.or_else(|| self.packaged.get(issuer).and_then(|set| set.find(id)).cloned())
    }

    /// Whether an issuer may be asked for its keys.
    pub(super) fn may_ask_issuer(&self, issuer: &str, now: u64) -> bool {
        self.learned().may_ask_issuer(issuer, now)
    }

    /// What is known about the token with this hash.
    pub(super) fn token(&self, hash: &str, config: &IntrospectionConfig, now: u64) -> Known {
        self.learned().token(hash, config, now)
    }

    /// Stores the answer to a lookup, or that there was none.
    pub(crate) fn learn(&self, config: &Config, subject: &Subject, answer: Option<&str>, now: u64) -> bool {
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        match (subject, &config.access.introspection) {
            (Subject::KeySet(issuer), _) => {
                let is_configured = config.access.jwt.issuers.iter().any(|known| known.issuer == *issuer);
                is_configured && learned.learn_key_set(issuer, answer, now)
            }
            (Subject::Token(hash), Some(introspection)) => learned.learn_token(hash, introspection, answer, now),
            (Subject::Token(_), None) => false,
        }
    }

    /// Takes over what other keys have learned.
    pub(crate) fn inherit(&mut self, other: &Self) {
        self.learned = other.learned.clone();
    }

    /// The value of `Authorization` for introspection, which names and authenticates this client.
    pub(crate) fn client_authorization(&self) -> Option<&str> {
        self.client.as_deref()
    }

    fn learned(&self) -> std::sync::RwLockReadGuard<'_, Learned> {
        self.learned.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct RawAuthKeys {
    tokens: Vec<RawSecret>,
    url_secrets: Vec<RawSecret>,
    jwks: BTreeMap<String, Value>,
    introspection: Option<Client>,
}

/// The credentials of this client at the authorization server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    client_id: String,
    client_secret: String,
}

impl Client {
    /// HTTP Basic authentication (RFC 6749, section 2.3.1).
    fn authorization(&self) -> Result<String, String> {
        for (name, text) in [("client_id", &self.client_id), ("client_secret", &self.client_secret)] {
            if text.is_empty() {
                return Err(format!("introspection.{name}: is empty"));
            }
        }
        let pair = format!("{}:{}", encode_component(&self.client_id), encode_component(&self.client_secret));
        Ok(format!("Basic {}", STANDARD.encode(pair)))
    }
}

/// A secret as written in the configuration: in plain, or for a token its hash.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSecret {
    name: String,
    secret: Option<String>,
    sha256: Option<String>,
}

impl TryFrom<RawAuthKeys> for AuthKeys {
    type Error = String;

    fn try_from(raw: RawAuthKeys) -> Result<Self, String> {
        let client = raw.introspection.map(|client| client.authorization()).transpose()?;
        let mut keys = Self { client, ..Self::default() };
        for (index, token) in raw.tokens.into_iter().enumerate() {
            keys.tokens.push(Token::from_raw(index, token)?);
        }
        for (index, raw) in raw.url_secrets.into_iter().enumerate() {
            keys.url_secrets.push(UrlSecret::from_raw(index, raw)?);
        }
        for (issuer, jwks) in raw.jwks {
            let set = KeySet::from_json(&jwks, Provenance::Packaged).filter(|set| !set.is_empty());
            let Some(set) = set else {
                return Err(format!("jwks.`{issuer}`: has no key for {SUPPORTED} that is long enough"));
            };
            keys.packaged.insert(issuer, set);
        }
        Ok(keys)
    }
}

impl Token {
    fn from_raw(index: usize, raw: RawSecret) -> Result<Self, String> {
        let sha256 = match (raw.secret, raw.sha256) {
            (Some(secret), None) if secret.len() >= MIN_TOKEN_BYTES => Sha256::digest(secret.as_bytes()).into(),
            (Some(_), None) => return Err(format!("tokens[{index}].secret: takes at least {MIN_TOKEN_BYTES} bytes")),
            (None, Some(hash)) => {
                from_hex(&hash).ok_or_else(|| format!("tokens[{index}].sha256: takes 64 hexadecimal digits"))?
            }
            _ => return Err(format!("tokens[{index}]: takes either secret or sha256")),
        };
        Ok(Self { name: raw.name, sha256 })
    }
}

impl UrlSecret {
    fn from_raw(index: usize, raw: RawSecret) -> Result<Self, String> {
        match (raw.secret, raw.sha256) {
            (Some(secret), None) if secret.len() >= MIN_SECRET_BYTES => {
                Ok(Self { name: raw.name, secret: secret.into_bytes() })
            }
            _ => Err(format!("url_secrets[{index}].secret: takes at least {MIN_SECRET_BYTES} bytes")),
        }
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
