//! Secrets: tokens, signing secrets and the role's credentials.

use std::fmt;

use serde::Deserialize;

use crate::config::ConfigError;

/// The secrets and key sets of a function.
#[derive(Clone, Default)]
pub struct Keys {
    #[cfg(feature = "viewer-request")]
    pub(crate) auth: crate::auth::AuthKeys,
    /// The credentials for [`origin_request`](crate::origin_request()); set for every event, since they expire.
    pub credentials: Option<Credentials>,
}

/// AWS credentials.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session token of temporary credentials.
    #[serde(default)]
    pub session_token: Option<String>,
}

impl Keys {
    /// Parses the packaged secrets: `tokens`, `url_secrets` and `jwks`.
    ///
    /// # Errors
    /// [`ConfigError`], which names the field and the problem without revealing the secret.
    #[cfg(feature = "viewer-request")]
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        Ok(Self { auth: ConfigError::from_reading(json)?, credentials: None })
    }

    /// Only the viewer-request function has packaged secrets; the other functions have none.
    ///
    /// # Errors
    /// If the text is not a JSON object.
    #[cfg(not(feature = "viewer-request"))]
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let _: serde_json::Map<String, serde_json::Value> = ConfigError::from_reading(json)?;
        Ok(Self::default())
    }

    /// The secret for signed URLs with this name; without a name the last one, which is the newest.
    #[cfg(feature = "viewer-request")]
    #[must_use]
    pub fn url_secret(&self, name: Option<&str>) -> Option<&[u8]> {
        let mut newest_first = self.auth.url_secrets().iter().rev();
        newest_first.find(|secret| name.is_none_or(|name| name == secret.name)).map(AsRef::as_ref)
    }

    /// Stores the body of the answer to a [`Lookup`](crate::Lookup) that a decision under this configuration has asked for;
    /// `None` if there was no answer with status 200. All clones of the keys learn it. `now` is in seconds since 1970.
    ///
    /// Returns whether the answer was of use. If it was not, what was known before stays in use for a while: a key set for a
    /// day, what was told about a token for the configured time. The packaged key sets are always in use.
    #[cfg(feature = "viewer-request")]
    pub fn learn(&self, config: &crate::Config, subject: &crate::Subject, answer: Option<&str>, now: u64) -> bool {
        self.auth.learn(config, subject, answer, now)
    }

    /// Whether these keys have the same credentials at the authorization server.
    #[cfg(feature = "viewer-request")]
    #[must_use]
    pub fn is_same_client(&self, other: &Self) -> bool {
        self.auth.client_authorization() == other.auth.client_authorization()
    }

    /// Takes over what other keys have learned, such as those before a file was read again.
    #[cfg(feature = "viewer-request")]
    pub fn inherit(&mut self, other: &Self) {
        self.auth.inherit(&other.auth);
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
