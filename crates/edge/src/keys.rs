//! What must stay secret: tokens, signing secrets and the role's credentials.

use std::fmt;

use serde::Deserialize;

use crate::config::ConfigError;

/// The secrets and key sets of one function.
#[derive(Clone, Default)]
pub struct Keys {
    #[cfg(feature = "viewer-request")]
    pub(crate) auth: crate::auth::AuthKeys,
    /// What [`origin_request`](crate::origin_request()) signs with; fresh for every event, for they expire.
    pub credentials: Option<Credentials>,
}

/// Credentials of AWS.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Credentials {
    /// The key's public name.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// What temporary credentials are not good without.
    #[serde(default)]
    pub session_token: Option<String>,
}

impl Keys {
    /// Reads the packaged secrets: `tokens`, `url_secrets` and `jwks`.
    ///
    /// # Errors
    /// [`ConfigError`] names the field and says what is wrong with it, without showing the secret.
    #[cfg(feature = "viewer-request")]
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        Ok(Self { auth: ConfigError::from_reading(json)?, credentials: None })
    }

    /// The packaged secrets are the viewer-request function's; the others have none.
    ///
    /// # Errors
    /// If it is no JSON object.
    #[cfg(not(feature = "viewer-request"))]
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let _: serde_json::Map<String, serde_json::Value> = ConfigError::from_reading(json)?;
        Ok(Self::default())
    }

    /// The secret of this name for signing URLs; without a name the last one, which is the newest.
    #[cfg(feature = "viewer-request")]
    #[must_use]
    pub fn url_secret(&self, name: Option<&str>) -> Option<&[u8]> {
        let mut newest_first = self.auth.url_secrets().iter().rev();
        newest_first.find(|secret| name.is_none_or(|name| name == secret.name)).map(AsRef::as_ref)
    }

    /// Takes a key set that an issuer publishes now; the packaged one remains for what it does not hold.
    ///
    /// Gives `false`, and changes nothing, if there is no usable key in it.
    #[cfg(feature = "viewer-request")]
    pub fn refresh_jwks(&mut self, issuer: &str, jwks: &serde_json::Value) -> bool {
        self.auth.replace_fetched(issuer, jwks)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keys").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
