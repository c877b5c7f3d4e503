//! Signature Version 4 for requests to the origins, and its verification.
//!
//! Path and query must be in canonical encoding, which CloudFront sends unchanged. The services differ in three
//! respects: S3 encodes a path once and does not normalize it, whereas Lambda encodes it twice and resolves dot
//! segments; S3 accepts an unsigned payload, whereas Lambda requires the hash of the empty body; and S3 requires every
//! `x-amz-*` header to be signed.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as Identity;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use subtle::ConstantTimeEq;

use crate::config::{Service, Target};
use crate::encoding::reencode_path;
use crate::event::Headers;
use crate::keys::Credentials;
use crate::path::remove_dot_segments;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// The maximum clock skew of a signature in seconds, as in S3 and Lambda.
const MAX_SKEW_SECONDS: u64 = 300;

/// The error of signing a request.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign the request: {0}")]
pub struct SigningError(String);

/// Why a signed request is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is no `Authorization` header in the format of Signature Version 4.
    #[error("the request is not signed")]
    Unsigned,
    /// Path or query are not in canonical encoding.
    #[error("path or query are not in canonical encoding")]
    NotCanonical,
    /// The credential, its scope or its session token do not match.
    #[error("the credential or its scope does not match")]
    Credential,
    /// `x-amz-date` is missing, invalid or too far from the current time.
    #[error("the date of the signature is missing or too far from the current time")]
    Date,
    /// A header that must be signed is not.
    #[error("a header that must be signed is not")]
    HeaderUnsigned,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
}

/// The signed parts of a request.
#[derive(Debug, Clone, Copy)]
pub struct Signable<'a> {
    /// `GET` or `HEAD`.
    pub method: &'a str,
    /// The full path, as returned by [`reencode_path`].
    pub path: &'a str,
    /// The query without its `?`, as returned by [`Query::canonical`](crate::Query::canonical).
    pub query: &'a str,
}

/// Returns the headers to add: `authorization`, `x-amz-date` and, where required, `x-amz-security-token` and
/// `x-amz-content-sha256`. The headers in `also` are signed in addition to `host`.
///
/// # Errors
/// If a part is not valid in an HTTP request.
pub fn signed_headers(
    signable: Signable<'_>,
    also: &[(&str, &str)],
    target: &Target,
    credentials: &Credentials,
    now: u64,
) -> Result<Vec<(String, String)>, SigningError> {
    let Some(signer) = Signer::new(target, credentials) else { return Ok(Vec::new()) };
    signer.sign(signable, also, now)
}

/// The credentials and the signing rules of the service.
struct Signer<'a> {
    target: &'a Target,
    credentials: &'a Credentials,
    service: &'static str,
    /// Whether S3's rules apply.
    s3: bool,
}

impl<'a> Signer<'a> {
    fn new(target: &'a Target, credentials: &'a Credentials) -> Option<Self> {
        let (service, s3) = match target.service {
            Service::Lambda => ("lambda", false),
            Service::S3ObjectLambda => ("s3-object-lambda", true),
            Service::S3 => ("s3", true),
            Service::None => return None,
        };
        Some(Self { target, credentials, service, s3 })
    }

    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self.s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }

    fn body(&self) -> SignableBody<'static> {
        if self.s3 { SignableBody::UnsignedPayload } else { SignableBody::Bytes(&[]) }
    }

    fn sign(
        &self,
        signable: Signable<'_>,
        also: &[(&str, &str)],
        now: u64,
    ) -> Result<Vec<(String, String)>, SigningError> {
        let Signable { method, path, query } = signable;
        let separator = if query.is_empty() { "" } else { "?" };
        let uri = format!("https://{}{path}{separator}{query}", self.target.domain);
        let identity = Identity::new(
            self.credentials.access_key_id.as_str(),
            self.credentials.secret_access_key.as_str(),
            self.credentials.session_token.clone(),
            None,
            "edge",
        )
        .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.target.region)
            .name(self.service)
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(now))
            .settings(self.settings())
            .build()
            .map_err(|error| SigningError(error.to_string()))?
            .into();
        let request = SignableRequest::new(method, uri, also.iter().copied(), self.body())
            .map_err(|error| SigningError(error.to_string()))?;
        let (instructions, _) = sign(request, &params).map_err(|error| SigningError(error.to_string()))?.into_parts();
        let (headers, _) = instructions.into_parts();
        Ok(headers.into_iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
    }
}

/// Verifies a request as the service behind `target` would, and also rejects ambiguous encodings.
///
/// # Errors
/// [`VerifyError`] if the request is rejected.
pub fn verify(
    signable: Signable<'_>,
    headers: &Headers,
    target: &Target,
    credentials: &Credentials,
    now: u64,
) -> Result<(), VerifyError> {
    let Some(signer) = Signer::new(target, credentials) else { return Ok(()) };
    let shown = headers.single("authorization").ok_or(VerifyError::Unsigned)?;
    let fields = shown.strip_prefix(ALGORITHM).ok_or(VerifyError::Unsigned)?;
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or(VerifyError::Unsigned)
    };
    if !is_canonical(signable, signer.s3) {
        return Err(VerifyError::NotCanonical);
    }
    let date = headers.single("x-amz-date").ok_or(VerifyError::Date)?;
    let signed_at = parse_date(date).ok_or(VerifyError::Date)?;
    if signed_at.abs_diff(now) > MAX_SKEW_SECONDS {
        return Err(VerifyError::Date);
    }
    let scope =
        format!("{}/{}/{}/{}/aws4_request", credentials.access_key_id, &date[..8], target.region, signer.service);
    let same_token = headers.single("x-amz-security-token") == credentials.session_token.as_deref();
    if field("Credential")? != scope || !same_token {
        return Err(VerifyError::Credential);
    }
    let names: Vec<&str> = field("SignedHeaders")?.split(';').collect();
    check_signed(&names, headers, &signer)?;
    let also: Vec<(&str, &str)> = headers.iter().filter(|(name, _)| names.contains(name)).collect();
    // Signing again must yield the same list of headers and the same signature.
    let again = signer.sign(signable, &also, signed_at).map_err(|_| VerifyError::Signature)?;
    let expected = again.iter().find(|(name, _)| name == "authorization").map_or("", |(_, value)| value.as_str());
    if bool::from(expected.as_bytes().ct_eq(shown.as_bytes())) { Ok(()) } else { Err(VerifyError::Signature) }
}

fn is_canonical(signable: Signable<'_>, s3: bool) -> bool {
    let pairs = form_urlencoded::parse(signable.query.as_bytes()).collect::<Vec<_>>();
    let query = crate::query::encode(pairs.iter().map(|(name, value)| (&**name, &**value)));
    let resolved = s3 || remove_dot_segments(signable.path) == signable.path;
    query == signable.query && reencode_path(signable.path) == signable.path && resolved
}

fn check_signed(names: &[&str], headers: &Headers, signer: &Signer<'_>) -> Result<(), VerifyError> {
    let amazon = headers.iter().filter(|(name, _)| signer.s3 && name.starts_with("x-amz-"));
    let required = ["host", "x-amz-date"].into_iter().chain(amazon.map(|(name, _)| name));
    if required.into_iter().any(|name| !names.contains(&name)) {
        return Err(VerifyError::HeaderUnsigned);
    }
    if headers.single("host") != Some(signer.target.domain.as_str()) {
        return Err(VerifyError::Signature);
    }
    if signer.s3 && headers.single("x-amz-content-sha256") != Some(UNSIGNED_PAYLOAD) {
        return Err(VerifyError::HeaderUnsigned);
    }
    Ok(())
}

/// Parses `20150830T123600Z` into seconds since 1970.
fn parse_date(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('Z').filter(|rest| rest.len() == 15 && rest.as_bytes()[8] == b'T')?;
    let number = |range: std::ops::Range<usize>| -> Option<u64> {
        let part = digits.get(range)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days in the proleptic Gregorian calendar, with years that begin in March so that leap days come last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    const DAYS_FROM_MARCH_OF_YEAR_0_TO_1970: u64 = 719_468;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day
        - 1
        - DAYS_FROM_MARCH_OF_YEAR_0_TO_1970
}

#[cfg(test)]
mod tests;
