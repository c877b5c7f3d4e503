//! Responses of other servers: key sets that issuers publish, and introspection responses (RFC 7662).
//!
//! A decision that lacks such a response names a [`Lookup`]. The caller of the functions sends it and passes the response
//! to [`Keys::learn`](crate::Keys::learn). Invariants: a known key and a recently introspected token need no lookup; a
//! failed lookup is not repeated at once; memory is bounded, whatever tokens are presented.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::claims::Claims;
use super::jwk::{Key, KeySet, Provenance};
use crate::config::IntrospectionConfig;
use crate::encoding::encode_component;

/// How many seconds must pass before an issuer is asked again.
const KEY_SET_PAUSE: u64 = 60;
/// How many seconds a published key set is used after it was fetched.
const KEY_SET_LIFE: u64 = 24 * 60 * 60;
/// How many seconds must pass before a failed introspection is repeated.
const TOKEN_PAUSE: u64 = 2;
/// The maximum number of tokens that are remembered.
const MAX_TOKENS: usize = 4096;
/// The maximum size in bytes of a key set, and of what is told about a token.
const MAX_KEY_SET: usize = 256 * 1024;
const MAX_TOLD: usize = 16 * 1024;
/// The maximum size in bytes of the claims that are kept of a token.
const MAX_CLAIMS: usize = 1024;

/// A request to another server. With its answer, the same event may be decided differently.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Lookup {
    /// What is asked about.
    pub subject: Subject,
    /// The URL.
    pub url: String,
    /// The method, `GET` or `POST`.
    pub method: &'static str,
    /// The headers, among which may be credentials.
    pub headers: Vec<(&'static str, String)>,
    /// The body of a `POST`, which contains a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// What a [`Lookup`] is about. Its text is `key-set ISSUER` or `token HASH`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub enum Subject {
    /// The key set of this issuer.
    KeySet(String),
    /// The token with this SHA-256, in base64url.
    Token(String),
}

impl Subject {
    /// Parses the text of a subject.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("key-set", issuer) => Some(Self::KeySet(issuer.to_owned())),
            ("token", hash) => Some(Self::Token(hash.to_owned())),
            _ => None,
        }
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::KeySet(issuer) => ["key-set ", &issuer].concat(),
            Subject::Token(hash) => ["token ", &hash].concat(),
        }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lookup").field("subject", &self.subject).field("url", &self.url).finish_non_exhaustive()
    }
}

impl Lookup {
    pub(crate) fn key_set(issuer: &str, url: &str) -> Self {
        let headers = vec![("accept", "application/json".to_owned())];
        Self { subject: Subject::KeySet(issuer.to_owned()), url: url.to_owned(), method: "GET", headers, body: None }
    }

    /// RFC 7662, section 2.1, with the client's credentials in `authorization`.
    pub(super) fn introspection(config: &IntrospectionConfig, token: &str, authorization: &str) -> Self {
        let headers = vec![
            ("accept", "application/json".to_owned()),
            ("authorization", authorization.to_owned()),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ];
        let body = format!("token={}&token_type_hint=access_token", encode_component(token));
        let (subject, url) = (Subject::Token(hash(token)), config.url.clone());
        Self { subject, url, method: "POST", headers, body: Some(body) }
    }
}

/// The hash by which a token is remembered.
pub(super) fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

/// The answers of other servers.
///
/// Both lists have few entries, or are searched by bisection: every map is some kilobytes of WebAssembly.
#[derive(Default)]
pub(super) struct Learned {
    key_sets: Vec<Published>,
    /// In the order of their hashes.
    tokens: Vec<Remembered>,
}

/// The published key set of an issuer.
struct Published {
    issuer: String,
    keys: KeySet,
    fetched: u64,
    /// When it was asked for last.
    tried: u64,
}

/// A token that was asked about.
struct Remembered {
    hash: String,
    told: Option<Told>,
    /// When it was told.
    at: u64,
    /// When it may be asked again after a failure; 0 if there was none.
    pause_until: u64,
}

/// What is known about a token.
#[derive(Clone)]
pub(super) enum Told {
    /// It is active until then, and has these claims.
    Active { claims: Arc<Claims>, until: u64 },
    /// It is good for nothing, for this reason.
    Refused(&'static str),
}

/// What can be said about a token without asking.
pub(super) enum Known {
    Told(Told),
    /// It was active a while ago, and cannot be asked about at the moment.
    Stale(Arc<Claims>),
    /// It has to be asked about.
    Ask,
    /// It has to be asked about, but that has failed a moment ago.
    Failed,
}

impl Learned {
    fn published(&self, issuer: &str) -> Option<&Published> {
        self.key_sets.iter().find(|published| published.issuer == issuer)
    }

    pub(super) fn find_key(&self, issuer: &str, id: Option<&str>, now: u64) -> Option<Arc<Key>> {
        let published = self.published(issuer)?;
        published.keys.find(id).filter(|_| now < published.fetched.saturating_add(KEY_SET_LIFE)).cloned()
    }

    /// Whether an issuer may be asked for its keys.
    pub(super) fn may_ask_issuer(&self, issuer: &str, now: u64) -> bool {
        self.published(issuer).is_none_or(|published| now >= published.tried.saturating_add(KEY_SET_PAUSE))
    }

    /// Stores the key set in the answer of an issuer. If it contains no usable key, the old one stays.
    pub(super) fn learn_key_set(&mut self, issuer: &str, answer: Option<&str>, now: u64) -> bool {
        let document = answer.filter(|answer| answer.len() <= MAX_KEY_SET);
        let document = document.and_then(|answer| serde_json::from_str::<Value>(answer).ok());
        let set = document.and_then(|document| KeySet::from_json(&document, Provenance::Fetched));
        let set = set.filter(|set| !set.is_empty());
        let is_good = set.is_some();
        let known = self.key_sets.iter_mut().find(|published| published.issuer == issuer);
        match (known, set) {
            (Some(known), Some(keys)) => (known.keys, known.fetched, known.tried) = (keys, now, now),
            (Some(known), None) => known.tried = now,
            (None, set) => {
                let keys = set.unwrap_or_default();
                self.key_sets.push(Published { issuer: issuer.to_owned(), keys, fetched: now, tried: now });
            }
        }
        is_good
    }

    fn position(&self, hash: &str) -> Result<usize, usize> {
        self.tokens.binary_search_by(|token| token.hash.as_str().cmp(hash))
    }

    pub(super) fn token(&self, hash: &str, config: &IntrospectionConfig, now: u64) -> Known {
        let Ok(position) = self.position(hash) else { return Known::Ask };
        let Remembered { told, at, pause_until, .. } = &self.tokens[position];
        let fresh_until = at.saturating_add(config.cache_seconds);
        let stale_until = fresh_until.saturating_add(config.stale_seconds);
        match told {
            // It does not become valid again, so it need not be asked about.
            Some(Told::Active { until, .. }) if now >= *until => Known::Told(Told::Refused(EXPIRED)),
            Some(told) if now < fresh_until => Known::Told(told.clone()),
            _ if now >= *pause_until => Known::Ask,
            Some(Told::Active { claims, .. }) if now < stale_until => Known::Stale(claims.clone()),
            _ => Known::Failed,
        }
    }

    /// Stores what is told about a token.
    pub(super) fn learn_token(
        &mut self,
        hash: &str,
        config: &IntrospectionConfig,
        answer: Option<&str>,
        now: u64,
    ) -> bool {
        let told = answer.filter(|answer| answer.len() <= MAX_TOLD).and_then(|answer| Told::read(answer, config, now));
        let is_told = told.is_some();
        let pause_until = if is_told { 0 } else { now.saturating_add(TOKEN_PAUSE) };
        match self.position(hash) {
            Ok(position) => {
                let known = &mut self.tokens[position];
                known.pause_until = pause_until;
                if is_told {
                    (known.told, known.at) = (told, now);
                }
            }
            Err(_) => {
                self.make_room(config, now);
                let position = self.position(hash).unwrap_or_else(|position| position);
                self.tokens.insert(position, Remembered { hash: hash.to_owned(), told, at: now, pause_until });
            }
        }
        is_told
    }

    /// Removes tokens that are of no more use if there are too many, then those that are not active: whoever makes tokens up
    /// must not displace good ones. Then the older ones.
    fn make_room(&mut self, config: &IntrospectionConfig, now: u64) {
        let kept = config.cache_seconds.saturating_add(config.stale_seconds);
        let is_full = |learned: &Self| learned.tokens.len() >= MAX_TOKENS;
        if is_full(self) {
            self.tokens.retain(|token| now < token.at.saturating_add(kept));
        }
        if is_full(self) {
            self.tokens.retain(|token| matches!(token.told, Some(Told::Active { .. })));
        }
        if is_full(self) {
            let (oldest, newest) = self
                .tokens
                .iter()
                .fold((u64::MAX, 0), |(least, most), token| (least.min(token.at), most.max(token.at)));
            let middle = oldest + newest.saturating_sub(oldest) / 2;
            self.tokens.retain(|token| token.at > middle);
        }
    }
}

/// Why a token that was active is refused.
pub(super) const EXPIRED: &str = "the token has expired";

impl Told {
    /// Reads an introspection response (RFC 7662, section 2.2); `None` if it is not one.
    fn read(answer: &str, config: &IntrospectionConfig, now: u64) -> Option<Self> {
        let mut claims = Claims::from_json(answer.as_bytes())?;
        let Value::Bool(is_active) = claims.get("active")? else { return None };
        if !is_active {
            return Some(Self::Refused("the token is not active"));
        }
        let number = |name: &str| match claims.get(name) {
            None => Some(None),
            Some(_) => claims.number(name).map(Some),
        };
        let (Some(expiry), Some(start)) = (number("exp"), number("nbf")) else {
            return Some(Self::Refused("exp or nbf of the token is no number"));
        };
        // A cast saturates, and a fraction of a second is of no account.
        let until = expiry.map_or(u64::MAX, |expiry| expiry as u64);
        if start.is_some_and(|start| start as u64 > now) {
            return Some(Self::Refused("the token is not valid yet"));
        }
        if !config.audiences.is_empty() && !config.audiences.iter().any(|audience| claims.has("aud", audience)) {
            return Some(Self::Refused("the token has another audience"));
        }
        let granted: Vec<&str> = claims.text("scope").unwrap_or_default().split(' ').collect();
        if !config.scopes.iter().all(|scope| granted.contains(&scope.as_str())) {
            return Some(Self::Refused("the token's scope does not include what is needed"));
        }
        claims.keep(&config.claims);
        if claims.size() > MAX_CLAIMS {
            return Some(Self::Refused("the token's claims are too long"));
        }
        Some(Self::Active { claims: Arc::new(claims), until })
    }
}
