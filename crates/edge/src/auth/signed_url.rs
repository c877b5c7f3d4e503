//! Signed URLs, which grant access to one picture until a given time.
//!
//! The signed text has four lines: a label with the version, the path in canonical encoding, the canonical query and
//! the expiry. The MAC is HMAC-SHA256 in base64url. Ignored parameters are not covered, so that appending `utm_source`
//! neither breaks nor extends a URL.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::keys::UrlSecret;
use crate::path::{PathError, ViewerPath};
use crate::query::{self, Query, credential};

pub(crate) const LABEL: &str = "image-origin-url-v1";
/// Unix times have ten digits until the year 2286.
const MAX_EXPIRY_DIGITS: usize = 10;

/// The error of signing a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot sign the URL: {0}")]
pub struct SignUrlError(String);

/// Why a signed URL is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedUrlError {
    /// `expires` or `signature` is missing, or occurs twice.
    #[error("the URL is not signed")]
    Unsigned,
    /// `expires` is not a number of seconds.
    #[error("the URL's expiry is not a number of seconds")]
    BadExpiry,
    /// The signature was made with another secret, or for another URL.
    #[error("the URL's signature is invalid")]
    BadSignature,
    /// The signature is valid but has expired.
    #[error("the signed URL has expired")]
    Expired,
}

/// Signs a path with its query, such as `/cats/a.jpg?w=300`, and returns the path and query for use in a page.
///
/// The canonical query is signed and returned; equivalent queries are accepted as well. It includes the version of the
/// original (`versionId`).
///
/// # Errors
/// If the path is invalid or the secret is too short.
///
/// ```
/// let url = image_origin_edge::sign_url("/cats/a b.jpg?width=300", 1800000000, &[7; 32])?;
/// assert_eq!(url, "/cats/a%20b.jpg?w=300&expires=1800000000&signature=0U0dwuIUiX5SkajTwSbUs0kn3OkaHY6_4euGcfLvqcM");
/// # Ok::<(), image_origin_edge::SignUrlError>(())
/// ```
pub fn sign_url(path_and_query: &str, expires: u64, secret: &[u8]) -> Result<String, SignUrlError> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let path = ViewerPath::parse(path).map_err(|error: PathError| SignUrlError(error.to_string()))?;
    if secret.len() < 32 {
        return Err(SignUrlError("the secret must have at least 32 bytes".to_owned()));
    }
    let expires = expires.to_string();
    if expires.len() > MAX_EXPIRY_DIGITS {
        return Err(SignUrlError("the expiry is beyond the year 2286".to_owned()));
    }
    let (path, query) = (path.encoded(), Query::with_version(query).canonical());
    let signature = mac(secret, &path, &query, &expires)
        .map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
        .ok_or_else(|| SignUrlError("the secret is not a valid HMAC key".to_owned()))?;
    let separator = if query.is_empty() { "" } else { "&" };
    Ok(format!("{path}?{query}{separator}{}={expires}&{}={signature}", credential::EXPIRES, credential::SIGNATURE))
}

/// Verifies a signed path and query, and returns the index of the matching secret.
///
/// # Errors
/// [`SignedUrlError`] if the URL is not valid.
pub fn verify_url<S: AsRef<[u8]>>(path_and_query: &str, now: u64, secrets: &[S]) -> Result<usize, SignedUrlError> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let path = ViewerPath::parse(path).map_err(|_| SignedUrlError::BadSignature)?;
    verify(&path, query, &Query::with_version(query), now, secrets)
}

/// Verifies a request whose path and query have been parsed already.
pub(super) fn verify<S: AsRef<[u8]>>(
    path: &ViewerPath,
    raw_query: &str,
    query: &Query,
    now: u64,
    secrets: &[S],
) -> Result<usize, SignedUrlError> {
    let (Some(expires), Some(signature)) =
        (query::single(raw_query, credential::EXPIRES), query::single(raw_query, credential::SIGNATURE))
    else {
        return Err(SignedUrlError::Unsigned);
    };
    if expires.len() > MAX_EXPIRY_DIGITS || !expires.bytes().all(|b| b.is_ascii_digit()) {
        return Err(SignedUrlError::BadExpiry);
    }
    let end: u64 = expires.parse().map_err(|_| SignedUrlError::BadExpiry)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SignedUrlError::BadSignature)?;
    let (path, query) = (path.encoded(), query.canonical());
    // `verify_slice` compares in constant time.
    let signer = secrets
        .iter()
        .position(|secret| {
            mac(secret.as_ref(), &path, &query, &expires).is_some_and(|mac| mac.verify_slice(&signature).is_ok())
        })
        .ok_or(SignedUrlError::BadSignature)?;
    if now < end { Ok(signer) } else { Err(SignedUrlError::Expired) }
}

fn mac(secret: &[u8], path: &str, query: &str, expires: &str) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    // No part can contain a line break: path and query are percent-encoded, the expiry consists of digits.
    Some(mac.chain_update(format!("{LABEL}\n{path}\n{query}\n{expires}")))
}

impl AsRef<[u8]> for UrlSecret {
    fn as_ref(&self) -> &[u8] {
        &self.secret
    }
}
