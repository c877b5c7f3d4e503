//! The encoding of rules and keys for the functions: JSON documents in the values of a KeyValueStore.
//!
//! A value is limited to 1 kB, and each read costs money and time, so a document is split into as few values as
//! possible. The first has a fixed key and references the others, whose keys contain a digest of the document: a
//! request during an update reads either the old or the new document completely.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use image_origin_query::named_colors;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::auth::{Algorithm, DenialKind};
use crate::config::{Access, Config, IssuerConfig, IssuerKind, Mode, Originals, Service};
use crate::keys::Keys;
use crate::rules::{CacheTimes, Rule};
use crate::viewer_request::{METHOD, PROBLEMS, denied, not_allowed};

/// The maximum size of a value in bytes.
pub const MAX_VALUE: usize = 1_000;
/// The maximum size of all keys and values in bytes.
const MAX_STORE: usize = 5 * 1024 * 1024;

/// The desired content of a KeyValueStore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The keys that are read first, with their values. They reference the parts, and are written last.
    pub heads: Vec<(String, String)>,
    /// The other values.
    pub parts: Vec<(String, String)>,
}

/// The error of encoding rules and keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The configuration needs features that CloudFront Functions do not support.
    #[error("{}", .0.join("\n"))]
    Unsupported(Vec<String>),
    /// The documents are too large.
    #[error("rules and keys take {0} bytes, and a KeyValueStore holds {MAX_STORE}")]
    TooLarge(usize),
}

/// The features of a configuration that CloudFront Functions do not support, each with its field. Lambda@Edge does.
#[must_use]
pub fn unsupported(config: &Config, keys: &Keys) -> Vec<String> {
    let mut problems = Vec::new();
    if config.has_versions() {
        problems.push("versions: `versionId` is read by Lambda@Edge only".to_owned());
    }
    if config.has_limits() {
        problems.push("limits: they are applied by Lambda@Edge, and by servers without a CDN".to_owned());
    }
    let origins = &config.origins;
    if origins.originals == Originals::Direct {
        problems.push("origins.originals: `direct` needs the origin-request function of Lambda@Edge".to_owned());
    }
    if origins.transformer.service == Service::S3ObjectLambda {
        problems.push("origins.transformer.service: `s3-object-lambda` needs the origin-request function".to_owned());
    }
    if config.access.introspection.is_some() {
        problems.push("introspection: CloudFront Functions cannot ask another server about a token".to_owned());
    }
    for (index, issuer) in config.access.jwt.issuers.iter().enumerate() {
        let field = format!("jwt.issuers[{index}] `{}`", issuer.issuer);
        if issuer.kind == IssuerKind::Cognito {
            problems.push(format!("{field}: `cognito` signs by RS256, and CloudFront Functions verify HS256 only"));
        }
        if issuer.jwks_uri.is_some() {
            problems
                .push(format!("{field}: jwks_uri is for functions that can fetch, and CloudFront Functions cannot"));
        }
        let algorithms =
            keys.auth.packaged_algorithms(&issuer.issuer).filter(|algorithm| *algorithm != Algorithm::Hs256);
        let mut names: Vec<&str> = algorithms.map(Algorithm::name).collect();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            let names = names.join(" and ");
            problems.push(format!("{field}: the keys have {names}, and CloudFront Functions verify HS256 only"));
        }
    }
    problems
}

/// Encodes a configuration and its keys.
///
/// # Errors
/// [`StoreError`], if one of them needs Lambda@Edge, or both exceed the size limit.
pub fn store(config: &Config, keys: &Keys) -> Result<Store, StoreError> {
    let problems = unsupported(config, keys);
    if !problems.is_empty() {
        return Err(StoreError::Unsupported(problems));
    }
    let mut store = Store { heads: Vec::new(), parts: Vec::new() };
    store.add("rules", &rules(config));
    store.add("colors", &colors());
    store.add("grammar", &super::grammar(|_| true));
    store.add("keys", &secrets(config, keys));
    store.heads.extend(refusals());
    let size = store.heads.iter().chain(&store.parts).map(|(key, value)| key.len() + value.len()).sum();
    if size > MAX_STORE { Err(StoreError::TooLarge(size)) } else { Ok(store) }
}

fn rules(config: &Config) -> Value {
    let rule = |rule: &Rule| {
        let modes: String = rule.allow.iter().map(|mode| letter(*mode)).collect();
        let (expression, claims) = rule.pattern.expression();
        let mut row = vec![json!(expression), json!(modes), json!(claims)];
        let CacheTimes { max_age, s_maxage, stale_while_revalidate, stale_if_error } = rule.times;
        let times = [max_age, s_maxage, stale_while_revalidate, stale_if_error];
        row.push(if rule.issuers.is_empty() { Value::Null } else { json!(rule.issuers) });
        row.push(if times == [None; 4] { Value::Null } else { json!(times) });
        row.push(json!(u8::from(rule.private)));
        // Trailing defaults are omitted.
        while row.last().is_some_and(|last| *last == json!(0) || last.is_null()) {
            row.pop();
        }
        Value::from(row)
    };
    let issuer = |issuer: &IssuerConfig| json!({"issuer": issuer.issuer, "audiences": issuer.audiences});
    let Access { rules, token, jwt, .. } = &config.access;
    json!({
        "rules": rules.iter().map(rule).collect::<Vec<_>>(),
        "token": token.cookie,
        "session": jwt.cookie,
        "leeway": jwt.leeway_seconds,
        "size": jwt.max_token_bytes,
        "issuers": jwt.issuers.iter().map(issuer).collect::<Vec<_>>(),
    })
}

const fn letter(mode: Mode) -> char {
    match mode {
        Mode::Public => 'p',
        Mode::Token => 't',
        Mode::SignedUrl => 's',
        Mode::Jwt => 'j',
        // `unsupported` refuses it.
        Mode::Introspect => 'i',
    }
}

fn secrets(config: &Config, keys: &Keys) -> Value {
    let issuers = config.access.jwt.issuers.iter().map(|issuer| issuer.issuer.as_str());
    let secrets = |issuer| {
        keys.auth.packaged_secrets(issuer).map(|(id, secret)| {
            let secret = json!(URL_SAFE_NO_PAD.encode(secret));
            Value::from(std::iter::once(secret).chain(id.map(Value::from)).collect::<Vec<_>>())
        })
    };
    json!({
        "tokens": keys.auth.token_hashes().map(|hash| hex(hash)).collect::<Vec<_>>(),
        // The secrets come from JSON, so they are UTF-8.
        "urls": keys.auth.url_secrets().iter().map(|secret| String::from_utf8_lossy(&secret.secret)).collect::<Vec<_>>(),
        "jwt": issuers.map(|issuer| (issuer.to_owned(), secrets(issuer).collect())).collect::<serde_json::Map<_, _>>(),
    })
}

/// The error responses, one value each.
fn refusals() -> impl Iterator<Item = (String, String)> {
    let plain = PROBLEMS.into_iter().map(|problem| {
        let response = problem.response("GET");
        (problem.code.to_owned(), (problem, response))
    });
    let method = std::iter::once((METHOD.code.to_owned(), not_allowed("GET")));
    // The verdicts of the functions are these numbers.
    let kinds = [DenialKind::Missing, DenialKind::Invalid, DenialKind::Expired, DenialKind::Forbidden];
    let denials = [("signature", false), ("token", true)].into_iter().flat_map(move |(credential, takes_tokens)| {
        let denial = move |(verdict, kind)| (format!("{credential}.{verdict}"), denied(kind, takes_tokens, "GET"));
        kinds.into_iter().enumerate().map(denial)
    });
    plain.chain(method).chain(denials).map(|(name, (problem, response))| {
        let headers: serde_json::Map<_, _> =
            response.headers.iter().map(|(name, value)| (name.to_owned(), json!({"value": value}))).collect();
        let answer = json!({
            "statusCode": problem.status,
            "statusDescription": response.status_description,
            "headers": headers,
            "body": response.body,
        });
        (format!("problem.{name}"), answer.to_string())
    })
}

/// The CSS colour names, with their canonical values.
fn colors() -> Value {
    let named = named_colors().map(|(name, rgb)| (name.to_owned(), json!(hex(&rgb))));
    named.chain([("transparent".to_owned(), json!("00000000"))]).collect::<serde_json::Map<_, _>>().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Store {
    /// Adds a document. Its first value has three lines: the prefix of the keys, the number of values including the
    /// first, and the beginning of the text.
    fn add(&mut self, name: &str, document: &Value) {
        let text = document.to_string();
        let digest: String = Sha256::digest(text.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let prefix = format!("{name}.{digest}.");
        // Five digits and two line breaks, which suffice for the number of values in five megabytes.
        let (first, mut rest) = split_at_most(&text, MAX_VALUE - prefix.len() - 7);
        let mut count = 1;
        while !rest.is_empty() {
            let (part, others) = split_at_most(rest, MAX_VALUE);
            self.parts.push((format!("{prefix}{count}"), part.to_owned()));
            rest = others;
            count += 1;
        }
        self.heads.push((name.to_owned(), format!("{prefix}\n{count}\n{first}")));
    }
}

/// Splits a text at a character boundary, after at most `bytes` bytes.
fn split_at_most(text: &str, bytes: usize) -> (&str, &str) {
    text.split_at(text.floor_char_boundary(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(store: &Store, name: &str) -> Value {
        let value = |wanted: &str| {
            let mut all = store.heads.iter().chain(&store.parts);
            all.find(|(key, _)| key == wanted).map(|(_, value)| value.as_str()).unwrap()
        };
        let head: Vec<&str> = value(name).splitn(3, '\n').collect();
        let parts = (1..head[1].parse().unwrap()).map(|part: usize| value(&format!("{}{part}", head[0])));
        serde_json::from_str(&std::iter::once(head[2]).chain(parts).collect::<String>()).unwrap()
    }

    fn config(rules: usize) -> Config {
        let rules: Vec<Value> =
            (0..rules).map(|n| json!({"path": format!("/ä{n}/*"), "allow": ["token", "signed-url"]})).collect();
        let origins = json!({"transformer": {"service": "none", "domain": "a.example.com"}});
        Config::from_json(&json!({"rules": rules, "origins": origins}).to_string()).unwrap()
    }

    #[test]
    fn documents_are_cut_into_values() {
        let keys = json!({"url_secrets": [{"name": "a", "secret": "ä".repeat(3000)}]}).to_string();
        let store = store(&config(1000), &Keys::from_json(&keys).unwrap()).unwrap();
        for (key, value) in store.heads.iter().chain(&store.parts) {
            assert!(value.len() <= MAX_VALUE, "{key} has {} bytes", value.len());
        }
        assert!(store.parts.len() > 20, "{}", store.parts.len());
        assert_eq!(read(&store, "rules")["rules"][999], json!(["^/ä999/[^\\0]*$", "ts", []]));
        assert_eq!(read(&store, "grammar")["rows"]["h"], json!(["n", null, 0, 1, 16_383]));
        let grammar = store.parts.iter().filter(|(key, _)| key.starts_with("grammar.")).count();
        assert!(grammar < 3, "a query with a rare parameter reads {} values", grammar + 1);
        assert_eq!(read(&store, "keys")["urls"][0], "ä".repeat(3000));
    }

    #[test]
    fn what_is_for_lambda_only_is_named() {
        let keys: Value = serde_json::from_str(include_str!("../../../../fixtures/jwt/keys.json")).unwrap();
        let written = json!({
            "rules": [{"path": "/*", "allow": ["jwt", "introspect"]}],
            "limits": {"presets_only": true},
            "introspection": {"url": "https://example.com/introspect"},
            "jwt": {"issuers": [{"issuer": "a", "audiences": ["b"], "jwks_uri": "https://example.com/jwks"}]},
            "origins": {
                "transformer": {"service": "none", "domain": "a.example.com"},
                "storage": {"service": "none", "domain": "b.example.com"},
                "originals": "direct",
            },
        });
        let config = Config::from_json(&written.to_string()).unwrap();
        let keys = Keys::from_json(&json!({"jwks": {"a": keys["jwks"]}}).to_string()).unwrap();
        assert_eq!(
            unsupported(&config, &keys),
            [
                "limits: they are applied by Lambda@Edge, and by servers without a CDN",
                "origins.originals: `direct` needs the origin-request function of Lambda@Edge",
                "introspection: CloudFront Functions cannot ask another server about a token",
                "jwt.issuers[0] `a`: jwks_uri is for functions that can fetch, and CloudFront Functions cannot",
                "jwt.issuers[0] `a`: the keys have ES256 and EdDSA and RS256, and CloudFront Functions verify HS256 only",
            ]
        );
        assert!(matches!(store(&config, &keys), Err(StoreError::Unsupported(problems)) if problems.len() == 5));
    }

    #[test]
    fn a_store_holds_five_megabytes() {
        let keys = json!({"url_secrets": [{"name": "a", "secret": "x".repeat(5 << 20)}]}).to_string();
        assert!(matches!(store(&config(1), &Keys::from_json(&keys).unwrap()), Err(StoreError::TooLarge(_))));
    }
}
