//! Access control: rules by path, shared tokens, issuers of JWTs.

use serde::Deserialize;

use super::Problems;
#[cfg(feature = "viewer-request")]
use crate::auth::AuthKeys;
#[cfg(feature = "viewer-request")]
use crate::limits::Limits;
#[cfg(feature = "viewer-request")]
pub(super) use crate::limits::RawLimits;
use crate::rules::{CacheTimes, PathPattern, Rule};

/// Only viewer-request applies limits.
#[cfg(not(feature = "viewer-request"))]
pub(super) type RawLimits = serde::de::IgnoredAny;

/// The validated rules with the settings that they refer to.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) rules: Vec<Rule>,
    /// What may be asked for under each rule, by its position.
    #[cfg(feature = "viewer-request")]
    pub(crate) limits: Vec<Limits>,
    pub(crate) token: TokenConfig,
    pub(crate) jwt: JwtConfig,
    #[cfg(feature = "viewer-request")]
    pub(crate) introspection: Option<IntrospectionConfig>,
}

/// A rule as written in the configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    path: String,
    allow: Vec<Mode>,
    #[serde(default)]
    issuers: Vec<String>,
    #[serde(default)]
    private: bool,
    max_age: Option<u32>,
    s_maxage: Option<u32>,
    stale_while_revalidate: Option<u32>,
    stale_if_error: Option<u32>,
    limits: Option<RawLimits>,
}

impl RawRule {
    fn cache_times(&self) -> CacheTimes {
        let Self { max_age, s_maxage, stale_while_revalidate, stale_if_error, .. } = *self;
        CacheTimes { max_age, s_maxage, stale_while_revalidate, stale_if_error }
    }
}

/// Rules, limits, and what they refer to, as they are written.
pub(super) struct RawAccess {
    pub(super) rules: Vec<RawRule>,
    pub(super) limits: Option<RawLimits>,
    pub(super) token: TokenConfig,
    pub(super) jwt: JwtConfig,
    pub(super) introspection: Option<RawIntrospection>,
}

/// Only viewer-request introspects tokens.
#[cfg(feature = "viewer-request")]
pub(super) type RawIntrospection = IntrospectionConfig;
#[cfg(not(feature = "viewer-request"))]
pub(super) type RawIntrospection = serde::de::IgnoredAny;

impl Access {
    pub(super) fn check(raw: RawAccess, problems: &mut Problems) -> Self {
        check_cookie("token.cookie", raw.token.cookie.as_deref(), problems);
        check_jwt(&raw.jwt, problems);
        #[cfg(feature = "viewer-request")]
        if let Some(introspection) = &raw.introspection {
            introspection.check(problems);
            if !raw.rules.iter().any(|rule| rule.allow.contains(&Mode::Introspect)) {
                problems.add("introspection", "no rule allows `introspect`");
            }
        }
        #[cfg(feature = "viewer-request")]
        let limits = check_limits(raw.limits, &raw.rules, problems);
        let rules = check_rules(raw.rules, &raw.jwt, raw.introspection.is_some(), problems);
        Self {
            #[cfg(feature = "viewer-request")]
            introspection: raw.introspection.map(|introspection| introspection.with_claims_of(&rules)),
            #[cfg(feature = "viewer-request")]
            limits,
            rules,
            token: raw.token,
            jwt: raw.jwt,
        }
    }

    /// Checks the rules against the keys.
    #[cfg(feature = "viewer-request")]
    pub(super) fn check_keys(&self, keys: &AuthKeys, problems: &mut Problems) {
        for (index, rule) in self.rules.iter().enumerate() {
            for mode in &rule.allow {
                let missing = match mode {
                    Mode::Token if !keys.has_tokens() => "tokens",
                    Mode::SignedUrl if keys.url_secrets().is_empty() => "url_secrets",
                    Mode::Introspect if keys.client_authorization().is_none() => "introspection",
                    _ => continue,
                };
                let field = format_args!("rules[{index}].allow");
                problems.add(field, format_args!("`{}` lets nobody pass, for the keys have no {missing}", mode.name()));
            }
        }
        for (index, limits) in self.limits.iter().enumerate() {
            if limits.lifted_by_signature && keys.url_secrets().is_empty() {
                let problem = "no signature lifts anything, for the keys have no url_secrets";
                problems.add(format_args!("the limits of rules[{index}]: lifted_by_signature"), problem);
            }
        }
        for (index, issuer) in self.jwt.issuers.iter().enumerate() {
            if issuer.jwks_uri.is_none() && !keys.has_packaged(&issuer.issuer) {
                let problem = "no token of it is good, for there is neither jwks_uri nor an entry in jwks of the keys";
                problems.add(format_args!("jwt.issuers[{index}]"), problem);
            }
        }
        for issuer in keys.packaged_issuers() {
            if !self.jwt.issuers.iter().any(|known| known.issuer == issuer) {
                problems.add(format_args!("the keys' jwks.`{issuer}`"), "there is no such issuer in jwt.issuers");
            }
        }
    }
}

/// A way to authorise a request under a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// No authorisation is required.
    Public,
    /// A shared token.
    Token,
    /// A URL that is signed for exactly this picture.
    SignedUrl,
    /// A JWT of a configured issuer.
    Jwt,
    /// A token that an authorization server is asked about (RFC 7662).
    Introspect,
}

impl Mode {
    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Token => "token",
            Self::SignedUrl => "signed-url",
            Self::Jwt => "jwt",
            Self::Introspect => "introspect",
        }
    }
}

/// The cookie that may contain a shared token, besides `Authorization: Bearer` and `?token=`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TokenConfig {
    pub(crate) cookie: Option<String>,
}

/// The settings for JWTs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JwtConfig {
    pub(crate) cookie: Option<String>,
    pub(crate) leeway_seconds: u64,
    pub(crate) max_token_bytes: usize,
    pub(crate) issuers: Vec<IssuerConfig>,
}

impl Default for JwtConfig {
    fn default() -> Self {
        Self { cookie: None, leeway_seconds: 60, max_token_bytes: 8192, issuers: Vec::new() }
    }
}

/// The authorization server that is asked about tokens.
#[cfg(feature = "viewer-request")]
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntrospectionConfig {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) cookie: Option<String>,
    /// The accepted audiences; empty means any.
    #[serde(default)]
    pub(crate) audiences: Vec<String>,
    /// The scopes that a token must have, all of them.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// How long an answer is used.
    #[serde(default = "default_cache_seconds")]
    pub(crate) cache_seconds: u64,
    /// How much longer an answer is used if the server does not answer.
    #[serde(default = "default_stale_seconds")]
    pub(crate) stale_seconds: u64,
    #[serde(default = "default_max_token_bytes")]
    pub(crate) max_token_bytes: usize,
    /// The claims that the rules need.
    #[serde(skip)]
    pub(crate) claims: Vec<String>,
}

#[cfg(feature = "viewer-request")]
const fn default_cache_seconds() -> u64 {
    60
}

#[cfg(feature = "viewer-request")]
const fn default_stale_seconds() -> u64 {
    300
}

#[cfg(feature = "viewer-request")]
const fn default_max_token_bytes() -> usize {
    8192
}

#[cfg(feature = "viewer-request")]
impl IntrospectionConfig {
    fn check(&self, problems: &mut Problems) {
        if !is_confidential(&self.url) {
            problems.add("introspection.url", CONFIDENTIAL);
        }
        check_cookie("introspection.cookie", self.cookie.as_deref(), problems);
        for (name, seconds, most) in
            [("cache_seconds", self.cache_seconds, 3600), ("stale_seconds", self.stale_seconds, 86400)]
        {
            if seconds > most {
                problems.add(format_args!("introspection.{name}"), format_args!("takes 0 to {most} seconds"));
            }
        }
        if !(256..=16384).contains(&self.max_token_bytes) {
            problems.add("introspection.max_token_bytes", "takes 256 to 16384");
        }
    }

    /// Keeps of a token's claims the subject, for the log, and those in the paths of rules.
    fn with_claims_of(self, rules: &[Rule]) -> Self {
        let in_paths = rules.iter().flat_map(|rule| rule.pattern.claims());
        let claims = in_paths.chain(["sub"]).map(str::to_owned).collect();
        Self { claims, ..self }
    }
}

/// What is said of a URL over which secrets or keys must not be sent.
const CONFIDENTIAL: &str = "must start with https://, or with http:// and be on this machine, and has no user name";

/// Whether a URL is encrypted on its way, or does not leave this machine.
fn is_confidential(url: &str) -> bool {
    let (is_encrypted, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return false,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = authority.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(authority, |(host, _)| host);
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic()) && !authority.contains(['@', '\\']);
    is_plain && !host.is_empty() && (is_encrypted || matches!(host, "localhost" | "127.0.0.1" | "[::1]"))
}

/// An issuer of JWTs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerConfig {
    /// Compared byte for byte with `iss`.
    pub(crate) issuer: String,
    /// The URL of the issuer's key set. Without it only the packaged keys are used.
    #[serde(default)]
    pub(crate) jwks_uri: Option<String>,
    /// The accepted audiences.
    pub(crate) audiences: Vec<String>,
    #[serde(default)]
    pub(crate) kind: IssuerKind,
    /// For Cognito: the accepted kinds of token.
    #[serde(default = "both_uses")]
    pub(crate) token_use: Vec<TokenUse>,
}

/// How an issuer encodes the audience.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IssuerKind {
    /// In `aud` (RFC 7519).
    #[default]
    Oidc,
    /// In `aud` of ID tokens and in `client_id` of access tokens, distinguished by `token_use`.
    Cognito,
}

/// The values of Cognito's `token_use`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenUse {
    Id,
    Access,
}

fn both_uses() -> Vec<TokenUse> {
    vec![TokenUse::Id, TokenUse::Access]
}

/// The limits of each rule: its own, or those of all rules that have none.
#[cfg(feature = "viewer-request")]
fn check_limits(general: Option<RawLimits>, rules: &[RawRule], problems: &mut Problems) -> Vec<Limits> {
    let general = general.map(|limits| limits.check("limits", problems)).unwrap_or_default();
    let limits = rules.iter().enumerate().map(|(index, rule)| match &rule.limits {
        Some(own) => own.clone().check(&format!("rules[{index}].limits"), problems),
        None => general.clone(),
    });
    limits.collect()
}

fn check_rules(raw: Vec<RawRule>, jwt: &JwtConfig, introspects: bool, problems: &mut Problems) -> Vec<Rule> {
    if raw.is_empty() {
        problems.add("rules", "at least one is needed, for without a rule nobody sees anything");
    }
    let count = raw.len();
    let mut rules = Vec::with_capacity(count);
    for (index, rule) in raw.into_iter().enumerate() {
        let field = format!("rules[{index}]");
        let times = rule.cache_times();
        times.check(&field, problems);
        let RawRule { path, allow, issuers, private, .. } = rule;
        if allow.is_empty() {
            problems
                .add(format_args!("{field}.allow"), "name at least one of public, token, signed-url, jwt, introspect");
        }
        if allow.contains(&Mode::Public) && allow.len() > 1 {
            problems.add(format_args!("{field}.allow"), "`public` makes the other modes pointless: leave them out");
        }
        if allow.contains(&Mode::Jwt) && jwt.issuers.is_empty() {
            problems.add(format_args!("{field}.allow"), "`jwt` needs an entry in jwt.issuers");
        }
        if allow.contains(&Mode::Introspect) && !introspects {
            problems.add(format_args!("{field}.allow"), "`introspect` needs the table [introspection]");
        }
        for issuer in &issuers {
            if !jwt.issuers.iter().any(|known| known.issuer == *issuer) {
                problems.add(format_args!("{field}.issuers"), format_args!("`{issuer}` is not in jwt.issuers"));
            }
        }
        match PathPattern::parse(&path) {
            Ok(pattern) => {
                let knows_claims = allow.iter().any(|mode| matches!(mode, Mode::Jwt | Mode::Introspect));
                if pattern.has_claims() && !knows_claims {
                    let problem = "only `jwt` and `introspect` know of claims, and neither is in `allow`";
                    problems.add(format_args!("{field}.path"), problem);
                }
                if pattern.has_claims() && allow.contains(&Mode::Jwt) && issuers.is_empty() && jwt.issuers.len() > 1 {
                    problems.add(
                        format_args!("{field}.issuers"),
                        "name the issuer whose claims these are: another's `sub` is another person",
                    );
                }
                rules.push(Rule { pattern, allow, issuers, private, times });
            }
            Err(problem) => problems.add(format_args!("{field}.path"), problem),
        }
    }
    // If some rules are invalid, positions would not match the document.
    if rules.len() == count {
        problems.extend(unreachable(&rules));
    }
    rules
}

/// Rules that an earlier rule makes unreachable, which is probably a mistake.
fn unreachable(rules: &[Rule]) -> impl Iterator<Item = (String, String)> + '_ {
    rules.iter().enumerate().filter_map(|(index, rule)| {
        let earlier = rules[..index].iter().position(|earlier| earlier.pattern.covers(&rule.pattern))?;
        let taken = rules[earlier].pattern.text();
        Some((
            format!("rules[{index}].path"),
            format!("is never reached: rules[{earlier}] `{taken}` takes all of it, and the first that matches decides"),
        ))
    })
}

fn check_jwt(jwt: &JwtConfig, problems: &mut Problems) {
    check_cookie("jwt.cookie", jwt.cookie.as_deref(), problems);
    if jwt.leeway_seconds > 600 {
        problems.add("jwt.leeway_seconds", "more than 600 seconds keep dead tokens alive");
    }
    if !(256..=16384).contains(&jwt.max_token_bytes) {
        problems.add("jwt.max_token_bytes", "takes 256 to 16384");
    }
    for (index, issuer) in jwt.issuers.iter().enumerate() {
        let field = format!("jwt.issuers[{index}]");
        if issuer.issuer.is_empty() {
            problems.add(format_args!("{field}.issuer"), "is empty");
        }
        if jwt.issuers[..index].iter().any(|earlier| earlier.issuer == issuer.issuer) {
            problems.add(format_args!("{field}.issuer"), "is configured twice");
        }
        if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
            problems.add(
                format_args!("{field}.audiences"),
                "name the clients the tokens are meant for: without them any client's token would be good",
            );
        }
        if issuer.token_use.is_empty() {
            problems.add(format_args!("{field}.token_use"), "name `id`, `access` or both");
        }
        if issuer.jwks_uri.as_ref().is_some_and(|uri| !is_confidential(uri)) {
            problems.add(format_args!("{field}.jwks_uri"), CONFIDENTIAL);
        }
    }
}

fn check_cookie(field: &str, name: Option<&str>, problems: &mut Problems) {
    let token_char = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_some_and(|name| name.is_empty() || !name.chars().all(token_char)) {
        problems.add(field, "is no name of a cookie");
    }
}
