//! How long the decision about a request takes: rule, token, limits, canonical form. Key sets and answers of authorization servers
//! are known already, as they are for all requests but the first.
//!
//! The peer is the rule that lets everybody pass: what a token costs is the difference.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use image_origin_edge::{Action, Cf, Config, Keys, Subject, viewer_request};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://login.example.com/";

fn read(file: &str) -> Value {
    let path = format!("{}/../fixtures/jwt/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn event(path: &str, token: &str) -> Cf {
    let headers = json!({"authorization": [{"key": "authorization", "value": format!("Bearer {token}")}]});
    let event = json!({
        "config": {"eventType": "viewer-request"},
        "request": {"method": "GET", "uri": path, "querystring": "width=300&format=auto&utm_source=x", "headers": headers},
    });
    serde_json::from_value(event).unwrap()
}

fn main() {
    let document = json!({
        "rules": [
            {"path": "/public/*", "allow": ["public"]},
            {"path": "/users/{sub}/*", "allow": ["jwt"]},
            {"path": "/shared/*", "allow": ["token"]},
            {"path": "/opaque/*", "allow": ["introspect"]},
        ],
        "jwt": {"issuers": [{"issuer": ISSUER, "audiences": ["images"], "jwks_uri": "https://login.example.com/jwks"}]},
        "introspection": {"url": "https://login.example.com/introspect"},
        "origins": {"transformer": {"service": "none", "domain": "localhost"}},
    });
    let secrets = json!({
        "tokens": [{"name": "a", "secret": "correct horse battery staple"}],
        "introspection": {"client_id": "a", "client_secret": "b"},
    });
    let config = Config::from_json(&document.to_string()).unwrap();
    let keys = Keys::from_json(&secrets.to_string()).unwrap();
    // As they are fetched.
    keys.learn(&config, &Subject::KeySet(ISSUER.to_owned()), Some(&read("keys.json")["jwks"].to_string()), NOW);
    let opaque = event("/opaque/a.jpg", "an opaque token");
    if let Some(lookup) = viewer_request(&opaque, &config, NOW, &keys).lookup {
        keys.learn(&config, &lookup.subject, Some("{\"active\": true}"), NOW);
    }
    let tokens = read("tokens.json");
    let token = |index: usize| tokens[index]["token"].as_str().unwrap_or_default().to_owned();
    let cases = [
        ("public", event("/public/a.jpg", "none")),
        ("shared token", event("/shared/a.jpg", "correct horse battery staple")),
        ("RS256 of a fetched key", event("/users/alice/a.jpg", &token(0))),
        ("ES256 of a fetched key", event("/users/alice/a.jpg", &token(1))),
        ("EdDSA of a fetched key", event("/users/alice/a.jpg", &token(2))),
        ("introspected token", opaque),
    ];
    let criterion = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(200));
    let mut criterion = criterion.measurement_time(Duration::from_secs(1)).configure_from_args();
    for (name, event) in cases {
        let outcome = viewer_request(&event, &config, NOW, &keys);
        assert!(matches!(outcome.action, Action::Forward(_)) && outcome.lookup.is_none(), "{name}: {}", outcome.why);
        criterion.bench_function(&format!("policy/{name}"), |bencher| {
            bencher.iter(|| viewer_request(black_box(&event), &config, NOW, &keys));
        });
    }
    criterion.final_summary();
}
