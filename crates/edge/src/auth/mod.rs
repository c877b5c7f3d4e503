//! Authorisation: decides whether a request is allowed under the rule for its path.
//!
//! The verdict includes a reason for the operator; the client only receives the error codes of RFC 6750.

mod bearer;
mod claims;
mod jwk;
mod jwt;
mod keys;
#[cfg(all(feature = "public-keys", not(target_arch = "wasm32")))]
mod modulus;
#[cfg(all(feature = "public-keys", any(test, target_arch = "wasm32")))]
mod montgomery;
#[cfg(feature = "public-keys")]
mod rsa;
mod signed_url;
#[cfg(test)]
mod tests;

#[cfg(feature = "functions")]
pub(crate) use jwk::Algorithm;
pub(crate) use keys::AuthKeys;
#[cfg(feature = "functions")]
pub(crate) use signed_url::LABEL as SIGNED_URL_LABEL;
pub use signed_url::{SignUrlError, SignedUrlError, sign_url, verify_url};

use claims::Claims;
use jwt::JwtError;

use crate::config::{Config, Mode};
use crate::event::Request;
use crate::path::ViewerPath;
use crate::query::Query;
use crate::rules::{Capture, Rule};

/// Whether a request is allowed, and why.
#[derive(Debug)]
pub(crate) enum Verdict {
    Allowed { why: String },
    Denied(Denial),
}

/// Why a request is denied.
#[derive(Debug)]
pub(crate) struct Denial {
    pub(crate) kind: DenialKind,
    pub(crate) why: String,
    /// A key set that may contain the key of a token with an unknown key.
    pub(crate) refresh: Option<Refresh>,
}

/// A request to fetch a newer key set of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refresh {
    /// The issuer, as configured.
    pub issuer: String,
    /// The URL of its key set.
    pub jwks_uri: String,
}

/// The kinds of denial, from the least to the most specific.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DenialKind {
    /// There are no credentials.
    Missing,
    /// The credentials are invalid.
    Invalid,
    /// The credentials have expired.
    Expired,
    /// The credentials are valid, but do not grant access to this path.
    Forbidden,
}

/// A request under one rule.
pub(crate) struct Attempt<'a> {
    pub(crate) request: &'a Request,
    pub(crate) path: &'a ViewerPath,
    pub(crate) query: &'a Query,
    pub(crate) rule: &'a Rule,
    /// The claims in the rule's path, captured from the plain path.
    pub(crate) plain: &'a [Capture<'a>],
    /// The same, captured from the loose path.
    pub(crate) loose: &'a [Capture<'a>],
}

impl Attempt<'_> {
    /// Tries the modes of the rule. One that succeeds allows the request; otherwise the most specific denial is
    /// returned.
    pub(crate) fn judge(&self, config: &Config, keys: &AuthKeys, now: u64) -> Verdict {
        let mut denial = Denial { kind: DenialKind::Missing, why: "no credentials".to_owned(), refresh: None };
        for mode in &self.rule.allow {
            let verdict = match mode {
                Mode::Public => Verdict::Allowed { why: "no authorisation required".to_owned() },
                Mode::Token => self.token(config, keys),
                Mode::SignedUrl => self.signed_url(keys, now),
                Mode::Jwt => self.jwt(config, keys, now),
            };
            match verdict {
                Verdict::Allowed { why } => return Verdict::Allowed { why: format!("{}: {why}", mode.name()) },
                Verdict::Denied(other) => {
                    denial.refresh = denial.refresh.or(other.refresh);
                    if other.kind > denial.kind {
                        denial.kind = other.kind;
                        denial.why = format!("{}: {}", mode.name(), other.why);
                    }
                }
            }
        }
        Verdict::Denied(denial)
    }

    /// Whether the URL has a valid signature, whatever the rule asks for.
    pub(crate) fn is_signed(&self, keys: &AuthKeys, now: u64) -> bool {
        matches!(self.signed_url(keys, now), Verdict::Allowed { .. })
    }

    fn token(&self, config: &Config, keys: &AuthKeys) -> Verdict {
        let candidates = bearer::candidates(self.request, config.access.token.cookie.as_deref());
        match candidates.iter().find_map(|token| keys.token_name(token)) {
            Some(name) => Verdict::Allowed { why: format!("the token is `{name}`") },
            None if candidates.is_empty() => deny(DenialKind::Missing, "no token"),
            None => deny(DenialKind::Invalid, "unknown shared token"),
        }
    }

    fn signed_url(&self, keys: &AuthKeys, now: u64) -> Verdict {
        let secrets = keys.url_secrets();
        match signed_url::verify(self.path, &self.request.querystring, self.query, now, secrets) {
            Ok(signer) => Verdict::Allowed { why: format!("the URL is signed with `{}`", secrets[signer].name) },
            Err(error @ SignedUrlError::Unsigned) => deny(DenialKind::Missing, error),
            Err(error @ SignedUrlError::Expired) => deny(DenialKind::Expired, error),
            Err(error) => deny(DenialKind::Invalid, error),
        }
    }

    fn jwt(&self, config: &Config, keys: &AuthKeys, now: u64) -> Verdict {
        let mut denial = deny(DenialKind::Missing, "no token");
        for token in bearer::candidates(self.request, config.access.jwt.cookie.as_deref()) {
            let verdict = match jwt::verify(&token, &config.access.jwt, &self.rule.issuers, keys, now) {
                Ok(claims) => self.with_claims(&claims),
                Err(error) => refuse_jwt(error),
            };
            match (&denial, verdict) {
                (_, allowed @ Verdict::Allowed { .. }) => return allowed,
                (Verdict::Denied(old), Verdict::Denied(new)) if new.kind > old.kind => denial = Verdict::Denied(new),
                _ => {}
            }
        }
        denial
    }

    /// Checks that the claims in the rule's path equal those of the token, in both readings of the path.
    fn with_claims(&self, claims: &Claims) -> Verdict {
        let plain = self.plain.iter().find(|capture| !claims.has(capture.claim, capture.segment));
        let loose = self.loose.iter().find(|capture| !claims.has_folded(capture.claim, capture.segment));
        let empty = self.plain.iter().find(|capture| capture.segment.is_empty());
        match plain.or(loose).or(empty) {
            None => Verdict::Allowed { why: format!("valid token of `{}`", claims.text("sub").unwrap_or("?")) },
            Some(Capture { claim, segment }) => {
                deny(DenialKind::Forbidden, format_args!("the token's `{claim}` is not `{segment}`"))
            }
        }
    }
}

fn refuse_jwt(error: JwtError) -> Verdict {
    let kind = if error == JwtError::Expired { DenialKind::Expired } else { DenialKind::Invalid };
    let why = error.to_string();
    let refresh = match error {
        JwtError::UnknownKey { refresh } => refresh,
        _ => None,
    };
    Verdict::Denied(Denial { kind, why, refresh })
}

fn deny(kind: DenialKind, why: impl std::fmt::Display) -> Verdict {
    Verdict::Denied(Denial { kind, why: why.to_string(), refresh: None })
}
