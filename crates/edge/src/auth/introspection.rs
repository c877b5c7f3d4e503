//! Introspection of opaque tokens (RFC 7662): what an authorization server says about a token, from memory.

use std::sync::Arc;

use super::Lookup;
use super::claims::Claims;
use super::keys::AuthKeys;
use super::learned::{EXPIRED, Known, Told, hash};
use crate::config::IntrospectionConfig;

/// Why a token is not accepted.
pub(super) enum IntrospectionError {
    /// The server has to be asked about the token.
    Unknown(Option<Box<Lookup>>),
    /// The token has expired.
    Expired,
    /// The token is refused.
    Refused(&'static str),
}

/// The claims of a token that is active.
pub(super) fn verify(
    token: &str,
    config: &IntrospectionConfig,
    keys: &AuthKeys,
    now: u64,
) -> Result<Arc<Claims>, IntrospectionError> {
    if token.len() > config.max_token_bytes {
        return Err(IntrospectionError::Refused("the token is too long"));
    }
    match keys.token(&hash(token), config, now) {
        Known::Told(Told::Active { claims, .. }) | Known::Stale(claims) => Ok(claims),
        Known::Told(Told::Refused(EXPIRED)) => Err(IntrospectionError::Expired),
        Known::Told(Told::Refused(why)) => Err(IntrospectionError::Refused(why)),
        Known::Failed => Err(IntrospectionError::Unknown(None)),
        Known::Ask => {
            let authorization = keys.client_authorization();
            let lookup =
                authorization.map(|authorization| Lookup::introspection(config, token, authorization)).map(Box::new);
            Err(IntrospectionError::Unknown(lookup))
        }
    }
}
