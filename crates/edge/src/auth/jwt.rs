//! Verification of JSON Web Tokens: JWS compact serialization (RFC 7515) with the claims of RFC 7519, following RFC
//! 8725.
//!
//! The result is the claims of a token from a trusted issuer with a matching audience and a valid time. Before the
//! signature is verified, only the issuer and the key id of a token are used.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Lookup;
use super::claims::Claims;
use super::jwk::{Algorithm, Key};
use super::keys::AuthKeys;
use crate::config::{IssuerConfig, IssuerKind, JwtConfig, TokenUse};

/// Why a token is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwtError {
    #[error("the token is too long")]
    TooLong,
    #[error("the token is malformed")]
    Malformed,
    #[error("the token's header has a critical extension")]
    CriticalExtension,
    #[error("the token's type is not JWT")]
    Type,
    #[error("the token's algorithm is not one of RS256, ES256, EdDSA and HS256")]
    Algorithm,
    #[error("the token's issuer is not accepted")]
    Issuer,
    #[error("no key of the issuer matches the token's kid")]
    UnknownKey {
        /// Where a newer key set may be fetched.
        lookup: Option<Box<Lookup>>,
    },
    #[error("the token's algorithm does not match its key")]
    AlgorithmOfKey,
    #[error("the signature is invalid")]
    Signature,
    #[error("the token has no valid exp")]
    NoExpiry,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token has another audience")]
    Audience,
    #[error("the token has another token_use")]
    Use,
}

/// Verifies a token of one of these issuers, or of any configured issuer if the list is empty, and returns its claims.
pub(crate) fn verify(
    token: &str,
    config: &JwtConfig,
    issuers: &[String],
    keys: &AuthKeys,
    now: u64,
) -> Result<Claims, JwtError> {
    if token.len() > config.max_token_bytes {
        return Err(JwtError::TooLong);
    }
    let parts = Parts::split(token)?;
    let header = Claims::from_json(&parts.header).ok_or(JwtError::Malformed)?;
    let algorithm = check_header(&header)?;
    let claims = Claims::from_json(&parts.payload).ok_or(JwtError::Malformed)?;
    let issuer = config
        .issuers
        .iter()
        .find(|issuer| claims.text("iss") == Some(issuer.issuer.as_str()))
        .filter(|issuer| issuers.is_empty() || issuers.contains(&issuer.issuer))
        .ok_or(JwtError::Issuer)?;
    let key = find_key(&header, issuer, keys, now)?;
    if key.algorithm() != algorithm {
        return Err(JwtError::AlgorithmOfKey);
    }
    if !key.verify(parts.signed.as_bytes(), &parts.signature) {
        return Err(JwtError::Signature);
    }
    check_time(&claims, config.leeway_seconds, now)?;
    check_audience(&claims, issuer)?;
    Ok(claims)
}

struct Parts<'a> {
    signed: &'a str,
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    /// RFC 7515, section 5.2. The decoder rejects padding, other alphabets and stray trailing bits.
    fn split(token: &'a str) -> Result<Self, JwtError> {
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed);
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        // Five parts would be an encrypted token (RFC 7516); the remaining text then contains dots and does not decode.
        let (header, payload) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        Ok(Self { signed, header: decode(header)?, payload: decode(payload)?, signature: decode(signature)? })
    }
}

/// Checks the header. Only `alg`, `kid`, `typ` and `crit` are used. Keys embedded or referenced by a token (`jwk`,
/// `jku`, `x5c`, `x5u`) are ignored (RFC 8725, section 3.10).
fn check_header(header: &Claims) -> Result<Algorithm, JwtError> {
    // RFC 7515, section 4.1.11: an unsupported critical extension invalidates the token. None is supported.
    if header.get("crit").is_some() {
        return Err(JwtError::CriticalExtension);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("JWT") || kind.eq_ignore_ascii_case("at+jwt") => {}
        Some(_) => return Err(JwtError::Type),
    }
    header.text("alg").and_then(Algorithm::from_name).ok_or(JwtError::Algorithm)
}

fn find_key(header: &Claims, issuer: &IssuerConfig, keys: &AuthKeys, now: u64) -> Result<Arc<Key>, JwtError> {
    let id = match header.get("kid") {
        None => None,
        Some(Value::String(id)) => Some(id.as_str()),
        Some(_) => return Err(JwtError::Malformed),
    };
    keys.find(&issuer.issuer, id, now).ok_or_else(|| {
        let url = issuer.jwks_uri.as_ref().filter(|_| keys.may_ask_issuer(&issuer.issuer, now));
        JwtError::UnknownKey { lookup: url.map(|url| Lookup::key_set(&issuer.issuer, url).into()) }
    })
}

/// Checks `exp` and `nbf` (RFC 7519, sections 4.1.4 and 4.1.5), with leeway for clock skew.
fn check_time(claims: &Claims, leeway: u64, now: u64) -> Result<(), JwtError> {
    // A NumericDate is an f64, in which whole seconds up to 2^53 are exact.
    #[expect(clippy::cast_precision_loss)]
    let (now, leeway) = (now as f64, leeway as f64);
    let expiry = claims.number("exp").ok_or(JwtError::NoExpiry)?;
    if now >= expiry + leeway {
        return Err(JwtError::Expired);
    }
    match (claims.get("nbf"), claims.number("nbf")) {
        (None, _) => Ok(()),
        (Some(_), Some(start)) if now + leeway >= start => Ok(()),
        (Some(_), _) => Err(JwtError::NotYetValid),
    }
}

fn check_audience(claims: &Claims, issuer: &IssuerConfig) -> Result<(), JwtError> {
    let claim = match issuer.kind {
        IssuerKind::Oidc => "aud",
        IssuerKind::Cognito => {
            let (token_use, claim) = match claims.text("token_use") {
                Some("id") => (TokenUse::Id, "aud"),
                Some("access") => (TokenUse::Access, "client_id"),
                _ => return Err(JwtError::Use),
            };
            if !issuer.token_use.contains(&token_use) {
                return Err(JwtError::Use);
            }
            claim
        }
    };
    let meant_for_us = issuer.audiences.iter().any(|audience| claims.has(claim, audience));
    if meant_for_us { Ok(()) } else { Err(JwtError::Audience) }
}
