//! Authorisation: decides whether a request is allowed under the rule for its path.
//!
//! The verdict includes a reason for the operator; the client only receives the error codes of RFC 6750.

mod bearer;
mod claims;
mod introspection;
mod jwk;
mod jwt;
mod keys;
mod learned;
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
pub use learned::{Lookup, Subject};
#[cfg(feature = "functions")]
pub(crate) use signed_url::LABEL as SIGNED_URL_LABEL;
pub use signed_url::{SignUrlError, SignedUrlError, sign_url, verify_url};

use std::sync::Arc;

use claims::Claims;
use introspection::IntrospectionError;
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
    /// A request to another server, whose answer may change the verdict.
    pub(crate) lookup: Option<Box<Lookup>>,
}

impl Denial {
    fn new(kind: DenialKind, why: impl std::fmt::Display) -> Self {
        Self { kind, why: why.to_string(), lookup: None }
    }

    /// Takes the reasons of another denial if they are more specific.
    fn merge(&mut self, other: Self) {
        self.lookup = self.lookup.take().or(other.lookup);
        if other.kind > self.kind {
            (self.kind, self.why) = (other.kind, other.why);
        }
    }
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
    /// The credentials cannot be verified at the moment.
    Unavailable,
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
        let mut denial = Denial::new(DenialKind::Missing, "no credentials");
        for mode in &self.rule.allow {
            let verdict = match mode {
                Mode::Public => Verdict::Allowed { why: "no authorisation required".to_owned() },
                Mode::Token => self.token(config, keys),
                Mode::SignedUrl => self.signed_url(keys, now),
                Mode::Jwt => self.jwt(config, keys, now),
                Mode::Introspect => self.introspect(config, keys, now),
            };
            match verdict {
                Verdict::Allowed { why } => return Verdict::Allowed { why: format!("{}: {why}", mode.name()) },
                Verdict::Denied(other) => {
                    denial.merge(Denial { why: format!("{}: {}", mode.name(), other.why), ..other });
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
        self.any_token(config.access.jwt.cookie.as_deref(), |token| {
            jwt::verify(token, &config.access.jwt, &self.rule.issuers, keys, now).map(Arc::new).map_err(refuse_jwt)
        })
    }

    fn introspect(&self, config: &Config, keys: &AuthKeys, now: u64) -> Verdict {
        let Some(introspection) = &config.access.introspection else {
            return deny(DenialKind::Invalid, "there is no introspection");
        };
        self.any_token(introspection.cookie.as_deref(), |token| {
            introspection::verify(token, introspection, keys, now).map_err(refuse_introspected)
        })
    }

    /// Whether one of the request's tokens has claims that match the rule's path.
    fn any_token(&self, cookie: Option<&str>, verify: impl Fn(&str) -> Result<Arc<Claims>, Denial>) -> Verdict {
        let mut denial = Denial::new(DenialKind::Missing, "no token");
        for token in bearer::candidates(self.request, cookie) {
            match verify(&token).map(|claims| self.with_claims(&claims)) {
                Ok(allowed @ Verdict::Allowed { .. }) => return allowed,
                Ok(Verdict::Denied(other)) | Err(other) => denial.merge(other),
            }
        }
        Verdict::Denied(denial)
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

fn refuse_jwt(error: JwtError) -> Denial {
    let kind = if error == JwtError::Expired { DenialKind::Expired } else { DenialKind::Invalid };
    let why = error.to_string();
    let lookup = match error {
        JwtError::UnknownKey { lookup } => lookup,
        _ => None,
    };
    Denial { kind, why, lookup }
}

fn refuse_introspected(error: IntrospectionError) -> Denial {
    match error {
        IntrospectionError::Unknown(lookup) => {
            let why = "the authorization server has not said yet what the token is good for";
            Denial { lookup, ..Denial::new(DenialKind::Unavailable, why) }
        }
        IntrospectionError::Expired => Denial::new(DenialKind::Expired, "the token has expired"),
        IntrospectionError::Refused(why) => Denial::new(DenialKind::Invalid, why),
    }
}

fn deny(kind: DenialKind, why: impl std::fmt::Display) -> Verdict {
    Verdict::Denied(Denial::new(kind, why))
}
