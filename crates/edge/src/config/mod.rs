//! The configuration: access rules and origins.
//!
//! It is parsed from one JSON document, packaged with the function (Lambda@Edge has no environment variables), or from
//! TOML with the same structure. A `Config` is always valid; otherwise the error names the field and the reason.
//! Secrets are not part of it; they are [`Keys`](crate::Keys).

#[cfg(feature = "rules")]
mod access;
#[cfg(not(target_arch = "wasm32"))]
mod explain;
#[cfg(feature = "origin")]
mod origins;

use std::fmt;

use serde::Deserialize;

#[cfg(feature = "rules")]
pub(crate) use access::Access;
#[cfg(feature = "rules")]
pub use access::Mode;
#[cfg(feature = "viewer-request")]
pub(crate) use access::{IntrospectionConfig, IssuerConfig, IssuerKind, JwtConfig, TokenUse};
#[cfg(feature = "origin-request")]
pub(crate) use origins::FileKind;
#[cfg(feature = "origin")]
pub use origins::{Originals, Origins, Service, Target};

#[cfg(any(feature = "viewer-request", feature = "origin-request"))]
use crate::query::Query;

/// A valid configuration. It implements `Deserialize`, so JSON and TOML are both supported.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Config {
    #[cfg(feature = "rules")]
    pub(crate) access: Access,
    #[cfg(feature = "origin")]
    pub(crate) origins: Origins,
    /// Whether `versionId` names a version of the original.
    #[cfg(any(feature = "viewer-request", feature = "origin-request"))]
    versions: bool,
}

impl Config {
    /// Parses the packaged JSON document.
    ///
    /// # Errors
    /// [`ConfigError`], which names the field and the problem.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        ConfigError::from_reading(json)
    }

    /// Converts the operator's document to the packaged one.
    ///
    /// # Errors
    /// [`ConfigError`], which names the invalid field.
    pub fn compile(written: &serde_json::Value) -> Result<String, ConfigError> {
        ConfigError::from_value::<Self>(written)?;
        Ok(written.to_string())
    }

    /// The conflicts with these keys: modes that no request could satisfy because the keys for them are missing, and
    /// keys of issuers that are not configured.
    #[cfg(feature = "viewer-request")]
    #[must_use]
    pub fn unmet_by(&self, keys: &crate::Keys) -> Vec<String> {
        let mut problems = Problems::default();
        self.access.check_keys(&keys.auth, &mut problems);
        problems.0
    }

    /// The issuers whose tokens are only valid once their key sets have been fetched.
    #[cfg(feature = "viewer-request")]
    #[must_use]
    pub fn unpackaged(&self, keys: &crate::Keys) -> Vec<&str> {
        let issuers = self.access.jwt.issuers.iter().map(|issuer| issuer.issuer.as_str());
        issuers.filter(|issuer| !keys.auth.has_packaged(issuer)).collect()
    }

    /// The requests for all key sets that issuers publish.
    #[cfg(feature = "viewer-request")]
    #[must_use]
    pub fn key_sets(&self) -> Vec<crate::Lookup> {
        let issuers = self.access.jwt.issuers.iter();
        issuers.filter_map(|issuer| Some(crate::Lookup::key_set(&issuer.issuer, issuer.jwks_uri.as_ref()?))).collect()
    }

    /// Whether a rule allows tokens that another server has to be asked about.
    #[cfg(feature = "viewer-request")]
    #[must_use]
    pub fn introspects(&self) -> bool {
        self.access.introspection.is_some()
    }

    /// Whether what was learned under another configuration is valid under this one.
    #[cfg(feature = "viewer-request")]
    #[must_use]
    pub fn learns_alike(&self, other: &Self) -> bool {
        self.access.introspection == other.access.introspection && self.access.jwt == other.access.jwt
    }

    /// The names of the cookies that may contain tokens.
    #[cfg(feature = "viewer-request")]
    #[must_use]
    pub fn cookies(&self) -> Vec<&str> {
        let introspection = self.access.introspection.as_ref().and_then(|introspection| introspection.cookie.as_ref());
        let cookies = [self.access.token.cookie.as_ref(), self.access.jwt.cookie.as_ref(), introspection];
        cookies.into_iter().flatten().map(String::as_str).collect()
    }

    /// Whether there is a rule under which not everything may be asked for.
    #[cfg(feature = "viewer-request")]
    pub(crate) fn has_limits(&self) -> bool {
        self.access.limits.iter().any(|limits| *limits != crate::limits::Limits::default())
    }

    /// The presets that limits name. Their parameters are the origin's to know.
    #[cfg(feature = "viewer-request")]
    #[must_use]
    pub fn presets(&self) -> std::collections::BTreeSet<&str> {
        self.access.limits.iter().flat_map(crate::limits::Limits::presets).collect()
    }

    /// Sets the domain of the transformer if the configuration leaves it to the distribution.
    #[cfg(feature = "origin")]
    pub fn name_transformer(&mut self, domain: &str) {
        let named = &mut self.origins.transformer.domain;
        if named.is_empty() {
            domain.clone_into(named);
        }
    }

    /// Whether `versionId` in a query selects a version of the original.
    #[cfg(any(feature = "viewer-request", feature = "origin-request"))]
    #[must_use]
    pub fn has_versions(&self) -> bool {
        self.versions
    }

    /// Parses a query and reduces it to the supported parameters.
    #[cfg(any(feature = "viewer-request", feature = "origin-request"))]
    pub(crate) fn query(&self, query: &str) -> Query {
        if self.versions { Query::with_version(query) } else { Query::parse(query) }
    }

    /// The origins.
    #[cfg(feature = "origin")]
    #[must_use]
    pub fn origins(&self) -> &Origins {
        &self.origins
    }
}

/// The error for an invalid configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// Parses a document; the error names the field.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn from_reading<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Self> {
        let mut document = serde_json::Deserializer::from_str(json);
        let read = explain::parse(&mut document)?;
        document.end().map_err(|error| Self(error.to_string()))?;
        Ok(read)
    }

    /// Parses a document; the error includes the position.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn from_reading<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Self> {
        serde_json::from_slice(json.as_bytes()).map_err(|error| Self(error.to_string()))
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn from_value<T: serde::de::DeserializeOwned>(document: &serde_json::Value) -> Result<T, Self> {
        explain::parse(document)
    }

    #[cfg(target_arch = "wasm32")]
    fn from_value<T: serde::de::DeserializeOwned>(document: &serde_json::Value) -> Result<T, Self> {
        T::deserialize(document).map_err(|error| Self(error.to_string()))
    }
}

/// The problems found in one pass, each with its field.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    #[cfg(feature = "rules")]
    pub(crate) fn extend(&mut self, found: impl Iterator<Item = (String, String)>) {
        for (field, problem) in found {
            self.add(field, problem);
        }
    }

    pub(crate) fn add(&mut self, field: impl fmt::Display, problem: impl fmt::Display) {
        self.0.push(format!("{field}: {problem}"));
    }
}

/// The JSON document. Each function ignores what it does not need, since all four share one document.
#[derive(Deserialize)]
#[cfg_attr(all(feature = "viewer-request", feature = "origin"), serde(deny_unknown_fields))]
struct RawConfig {
    #[cfg(feature = "rules")]
    rules: Vec<access::RawRule>,
    #[cfg(feature = "rules")]
    limits: Option<access::RawLimits>,
    #[cfg(feature = "rules")]
    #[serde(default)]
    token: access::TokenConfig,
    #[cfg(feature = "rules")]
    #[serde(default)]
    jwt: access::JwtConfig,
    #[cfg(feature = "rules")]
    introspection: Option<access::RawIntrospection>,
    #[cfg(feature = "origin")]
    origins: Origins,
    #[cfg(any(feature = "viewer-request", feature = "origin-request"))]
    #[serde(default)]
    versions: bool,
}

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;

    #[cfg_attr(
        not(any(feature = "origin", feature = "rules")),
        expect(unused_mut, unused_variables, reason = "viewer-response reads none of it")
    )]
    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        #[cfg(feature = "origin")]
        raw.origins.check(&mut problems);
        #[cfg(feature = "rules")]
        let access = access::RawAccess {
            rules: raw.rules,
            limits: raw.limits,
            token: raw.token,
            jwt: raw.jwt,
            introspection: raw.introspection,
        };
        #[cfg(feature = "rules")]
        let access = Access::check(access, &mut problems);
        if !problems.0.is_empty() {
            return Err(ConfigError(problems.0.join("; ")));
        }
        Ok(Self {
            #[cfg(feature = "rules")]
            access,
            #[cfg(feature = "origin")]
            origins: raw.origins,
            #[cfg(any(feature = "viewer-request", feature = "origin-request"))]
            versions: raw.versions,
        })
    }
}

#[cfg(test)]
mod tests;
