//! Opaque tokens: what an authorization server says, and for how long it counts.

use serde_json::{Value, json};

use super::mint::NOW;
use super::{event, status};
use crate::auth::{Lookup, Subject};
use crate::config::Config;
use crate::keys::Keys;
use crate::viewer_request;

const URL: &str = "https://login.example.com/introspect";

fn document() -> Value {
    json!({
        "rules": [
            {"path": "/both/*", "allow": ["token", "introspect"]},
            {"path": "/{username}/*", "allow": ["introspect"]},
            {"path": "/*", "allow": ["introspect"]},
        ],
        "introspection": {
            "url": URL, "cookie": "session", "audiences": ["images"], "scopes": ["read"], "cache_seconds": 60, "stale_seconds": 300,
        },
        "origins": {"transformer": {"service": "none", "domain": "images.example.com"}},
    })
}

fn config() -> Config {
    Config::from_json(&document().to_string()).unwrap()
}

fn keys() -> Keys {
    let keys = json!({
        "tokens": [{"name": "a", "secret": "correct horse battery staple"}],
        "introspection": {"client_id": "the origin", "client_secret": "a:b/c"},
    });
    Keys::from_json(&keys.to_string()).unwrap()
}

/// Status and lookup of a request with this token.
fn ask(keys: &Keys, url: &str, token: &str, now: u64) -> (u16, Option<Box<Lookup>>) {
    let authorization = format!("Bearer {token}");
    let outcome = viewer_request(&event("GET", url, &[("authorization", &authorization)]), &config(), now, keys);
    (status(&outcome), outcome.lookup)
}

fn active() -> Value {
    json!({"active": true, "sub": "u1", "username": "alice", "aud": ["images", "mail"], "scope": "write read", "exp": NOW + 600})
}

fn with(changes: Value) -> Value {
    super::mint::with(active(), &changes)
}

#[test]
fn the_server_is_asked_with_the_clients_credentials() {
    let (status, lookup) = ask(&keys(), "/alice/a.jpg", "opaque +/token", NOW);
    let lookup = lookup.unwrap();
    assert_eq!((status, lookup.url.as_str(), lookup.method), (503, URL, "POST"));
    assert_eq!(lookup.body.as_deref(), Some("token=opaque%20%2B%2Ftoken&token_type_hint=access_token"));
    let header = |name: &str| lookup.headers.iter().find(|(known, _)| *known == name).unwrap().1.as_str();
    // printf %s 'the%20origin:a%3Ab%2Fc' | base64
    assert_eq!(header("authorization"), "Basic dGhlJTIwb3JpZ2luOmElM0FiJTJGYw==");
    assert_eq!(header("content-type"), "application/x-www-form-urlencoded");
    let shown = format!("{lookup:?}");
    assert!(!shown.contains("Basic") && !shown.contains("opaque"), "{shown}");
    // Neither a request without a token nor one with a token of another kind concerns it.
    let none = viewer_request(&event("GET", "/alice/a.jpg", &[]), &config(), NOW, &keys());
    assert_eq!((super::status(&none), none.lookup), (401, None));
    assert_eq!(ask(&keys(), "/both/a.jpg", "correct horse battery staple", NOW), (200, None));
    assert_eq!(ask(&keys(), "/alice/a.jpg", &"x".repeat(8193), NOW), (401, None));
    // What cannot be asked lets nobody pass.
    assert_eq!(ask(&Keys::default(), "/alice/a.jpg", "opaque", NOW), (503, None));
}

#[test]
fn answers_decide() {
    let table = [
        (active(), 200),
        (with(json!({"exp": null})), 200),
        (with(json!({"exp": NOW + 1})), 200),
        (with(json!({"nbf": NOW, "aud": "images", "scope": "read"})), 200),
        (json!({"active": false}), 401),
        (with(json!({"active": false})), 401),
        (with(json!({"exp": NOW})), 401),
        (with(json!({"exp": "later"})), 401),
        (with(json!({"nbf": NOW + 1})), 401),
        (with(json!({"aud": "mail"})), 401),
        (with(json!({"aud": null})), 401),
        (with(json!({"scope": "reads write"})), 401),
        (with(json!({"scope": null})), 401),
        (with(json!({"username": "x".repeat(2000)})), 401),
        (with(json!({"username": "bob"})), 403),
        (with(json!({"username": null})), 403),
        // None of these is an answer.
        (with(json!({"active": "true"})), 503),
        (json!({"sub": "u1"}), 503),
        (json!([active()]), 503),
        (with(json!({"filler": "x".repeat(20_000)})), 503),
    ];
    for (answer, expected) in table {
        let keys = keys();
        let lookup = ask(&keys, "/alice/a.jpg", "opaque", NOW).1.unwrap();
        let is_answer = keys.learn(&config(), &lookup.subject, Some(&answer.to_string()), NOW);
        assert_eq!(is_answer, expected != 503, "{answer}");
        assert_eq!(ask(&keys, "/alice/a.jpg", "opaque", NOW), (expected, None), "{answer}");
    }
    let keys = keys();
    let twice = format!("{{\"active\":false,{}", &active().to_string()[1..]);
    let lookup = ask(&keys, "/alice/a.jpg", "opaque", NOW).1.unwrap();
    assert!(!keys.learn(&config(), &lookup.subject, Some(&twice), NOW), "two readers could take one each");
}

#[test]
fn an_answer_counts_for_its_time() {
    /// Seconds after the first answer, what is answered if it is asked, and the status.
    type Step = (u64, Option<bool>, u16);
    let failing: &[Step] = &[
        (0, None, 200),
        (59, None, 200),
        (60, Some(false), 200),
        // Not again at once.
        (61, None, 200),
        (62, Some(false), 200),
        (359, Some(false), 200),
        (361, Some(false), 503),
        (362, None, 503),
        (363, Some(true), 200),
        (422, None, 200),
    ];
    let renewed: &[Step] = &[(60, Some(true), 200), (119, None, 200), (120, Some(true), 200), (599, Some(true), 200)];
    for steps in [failing, renewed] {
        let keys = keys();
        let subject = ask(&keys, "/alice/a.jpg", "opaque", NOW).1.unwrap().subject;
        assert!(keys.learn(&config(), &subject, Some(&active().to_string()), NOW));
        for (after, answer, expected) in steps {
            let now = NOW + after;
            let asked = ask(&keys, "/alice/a.jpg", "opaque", now).1.is_some();
            assert_eq!(asked, answer.is_some(), "{after}");
            if let Some(answers) = answer {
                let text = with(json!({"exp": NOW + 6000})).to_string();
                keys.learn(&config(), &subject, answers.then_some(text.as_str()), now);
            }
            assert_eq!(ask(&keys, "/alice/a.jpg", "opaque", now).0, *expected, "{after}");
        }
    }
}

#[test]
fn no_answer_outlives_its_token() {
    let keys = keys();
    let subject = ask(&keys, "/alice/a.jpg", "opaque", NOW).1.unwrap().subject;
    keys.learn(&config(), &subject, Some(&with(json!({"exp": NOW + 5})).to_string()), NOW);
    assert_eq!(ask(&keys, "/alice/a.jpg", "opaque", NOW + 4), (200, None));
    assert_eq!(ask(&keys, "/alice/a.jpg", "opaque", NOW + 5), (401, None));
    assert_eq!(ask(&keys, "/alice/a.jpg", "opaque", NOW + 500), (401, None), "it stays expired");
}

#[test]
fn tokens_that_are_made_up_displace_no_good_one() {
    let (keys, config) = (keys(), config());
    let subject = ask(&keys, "/alice/a.jpg", "opaque", NOW).1.unwrap().subject;
    keys.learn(&config, &subject, Some(&active().to_string()), NOW);
    for index in 0..20_000 {
        let subject = Subject::Token(format!("{index}"));
        let answer = if index % 2 == 0 { Some("{\"active\":false}") } else { None };
        keys.learn(&config, &subject, answer, NOW);
    }
    assert_eq!(ask(&keys, "/alice/a.jpg", "opaque", NOW), (200, None));
    // Good ones displace each other, the oldest first.
    for index in 0..20_000 {
        let subject = Subject::Token(format!("good {index}"));
        keys.learn(&config, &subject, Some(&active().to_string()), NOW + 1);
    }
    assert!(ask(&keys, "/alice/a.jpg", "opaque", NOW + 1).1.is_some());
}

#[test]
fn configurations_of_introspection_are_checked() {
    let table = [
        (
            "/introspection/url",
            json!("http://login.example.com/introspect"),
            "introspection.url: must start with https://",
        ),
        (
            "/introspection/url",
            json!("https://user:password@login.example.com/"),
            "introspection.url: must start with https://",
        ),
        ("/introspection/url", json!("http://127.0.0.1.example.com/"), "introspection.url: must"),
        ("/introspection/url", json!("http://localhost@example.com/"), "introspection.url: must"),
        ("/introspection/url", json!("https:///introspect"), "introspection.url: must"),
        ("/introspection/url", json!("https://a\\@b/"), "introspection.url: must"),
        ("/introspection/url", json!("http://localhost:9000/introspect"), "good"),
        ("/introspection/url", json!("http://[::1]:9000"), "good"),
        ("/introspection/cookie", json!(""), "introspection.cookie: is no name"),
        ("/introspection/cache_seconds", json!(3601), "introspection.cache_seconds: takes 0 to 3600"),
        ("/introspection/stale_seconds", json!(86401), "introspection.stale_seconds: takes 0 to 86400"),
        ("/introspection/max_token_bytes", json!(100), "introspection.max_token_bytes: takes 256"),
        ("/introspection", json!(null), "rules[0].allow: `introspect` needs the table [introspection]"),
        ("/rules", json!([{"path": "/*", "allow": ["public"]}]), "introspection: no rule allows `introspect`"),
    ];
    for (pointer, value, expected) in table {
        let mut document = document();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[name] = value.clone();
        let outcome =
            Config::from_json(&document.to_string()).map_or_else(|error| error.to_string(), |_| "good".to_owned());
        assert!(outcome.contains(expected), "{pointer} {value}: {outcome}");
    }
    let without =
        Keys::from_json("{\"tokens\": [{\"name\": \"a\", \"secret\": \"correct horse battery staple\"}]}").unwrap();
    let unmet = config().unmet_by(&without);
    assert_eq!(unmet[0], "rules[0].allow: `introspect` lets nobody pass, for the keys have no introspection");
    assert!(config().unmet_by(&keys()).is_empty());
    assert!(Keys::from_json(r#"{"introspection": {"client_id": "", "client_secret": "x"}}"#).is_err());
}
