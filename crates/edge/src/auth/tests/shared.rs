//! Shared tokens, signed URLs, and how modes combine.

use serde_json::json;

use super::mint::{NOW, claims, header, token, with};
use super::{config, event, mint, status};
use crate::auth::{SignedUrlError, sign_url, verify_url};
use crate::keys::Keys;
use crate::outcome::Action;
use crate::viewer_request;

const TOKEN: &str = "correct horse battery staple";
const SECRET: &str = "a secret for signing urls, 32 bytes or more";

/// The rule's modes, URL, `Authorization` header; the status and the problem's code.
type Case<'a> = (&'a [&'a str], &'a str, Option<&'a str>, u16, &'a str);

fn keys() -> Keys {
    let keys = json!({
        "tokens": [
            {"name": "old", "secret": "the token of last season"},
            // printf %s "$TOKEN" | sha256sum
            {"name": "new", "sha256": "C4BBCB1FBEC99D65BF59D85C8CB62EE2DB963F0FE106F483D9AFA73BD4E39A8A"},
        ],
        "url_secrets": [{"name": "old", "secret": "b".repeat(32)}, {"name": "new", "secret": SECRET}],
        "jwks": {mint::ISSUER: mint::fixture()["jwks"]},
    });
    Keys::from_json(&keys.to_string()).unwrap()
}

fn status_of(allow: &[&str], url: &str, headers: &[(&str, &str)]) -> u16 {
    let rules = json!([{"path": "/*", "allow": allow}]);
    status(&viewer_request(&event("GET", url, headers), &config(&rules), NOW, &keys()))
}

#[test]
fn several_tokens_are_good_at_a_time() {
    let bearer = |token: &str| format!("Bearer {token}");
    let table = [
        (bearer(TOKEN), 200),
        (bearer("the token of last season"), 200),
        (bearer("the token of next season"), 401),
        (bearer("correct horse battery stapl"), 401),
        (bearer("correct horse battery staple2"), 401),
        (bearer("Correct horse battery staple"), 401),
        (bearer("C4BBCB1FBEC99D65BF59D85C8CB62EE2DB963F0FE106F483D9AFA73BD4E39A8A"), 401),
        (bearer(""), 401),
        (bearer(&"x".repeat(100_000)), 401),
    ];
    for (authorization, expected) in table {
        assert_eq!(
            status_of(&["token"], "/a.jpg", &[("authorization", &authorization)]),
            expected,
            "{authorization:.60}"
        );
    }
    assert_eq!(status_of(&["token"], "/a.jpg?token=correct+horse%20battery+staple", &[]), 200);
    assert_eq!(status_of(&["token"], "/a.jpg", &[("cookie", "access=correct horse battery staple")]), 200);
    assert_eq!(status_of(&["token"], "/a.jpg", &[("cookie", "session=correct horse battery staple")]), 401);
}

#[test]
fn a_signed_url_is_good_for_what_was_signed() {
    let signed = sign_url("/cats/ä (1).jpg?width=300", NOW + 60, SECRET.as_bytes()).unwrap();
    assert_eq!(status_of(&["signed-url"], &signed, &[]), 200, "{signed}");
    let change = |from: &str, to: &str| {
        assert!(signed.contains(from), "{signed}");
        status_of(&["signed-url"], &signed.replacen(from, to, 1), &[])
    };
    // Ways of writing the same thing.
    assert_eq!(change("w=300", "width=300"), 200);
    assert_eq!(change("w=300", "utm_source=x&w=300"), 200);
    assert_eq!(change("w=300", "w=20&w=300"), 200);
    assert_eq!(change("%C3%A4", "ä"), 200);
    assert_eq!(change("/cats/", "/dogs/../cats/"), 200);
    // Other things.
    assert_eq!(change("w=300", "w=301"), 403);
    assert_eq!(change("w=300&", ""), 403);
    assert_eq!(change("w=300", "w=300&format=png"), 403);
    assert_eq!(change("/cats/", "/dogs/"), 403);
    assert_eq!(change("/cats/", "/Cats/"), 403);
    assert_eq!(change(".jpg", ".png"), 403);
    assert_eq!(change("expires=18", "expires=19"), 403);
    assert_eq!(change("expires=18", "expires=018"), 403);
    assert_eq!(change("expires=", "expires=%2B"), 403);
    assert_eq!(change("expires=", "expires=9&expires="), 403);
    assert_eq!(change("signature=", "signature=x"), 403);
    assert_eq!(change("signature=", "sig="), 403);
    assert_eq!(change("&signature=", "&signature=&signature="), 403);
    let (start, signature) = signed.split_once("signature=").unwrap();
    for cut in 0..signature.len() {
        assert_eq!(status_of(&["signed-url"], &format!("{start}signature={}", &signature[..cut]), &[]), 403, "{cut}");
        let other = if &signature[cut..=cut] == "A" { "B" } else { "A" };
        let changed = format!("{start}signature={}{other}{}", &signature[..cut], &signature[cut + 1..]);
        assert_eq!(status_of(&["signed-url"], &changed, &[]), 403, "{changed}");
    }
    assert_eq!(status_of(&["signed-url"], &format!("{signed}="), &[]), 403);
}

#[test]
fn signed_urls_end_and_secrets_rotate() {
    let secrets = ["b".repeat(32), SECRET.to_owned()];
    for (position, secret) in secrets.iter().enumerate() {
        let signed = sign_url("/a.jpg", NOW, secret.as_bytes()).unwrap();
        assert_eq!(verify_url(&signed, NOW - 1, &secrets), Ok(position));
        assert_eq!(verify_url(&signed, NOW, &secrets), Err(SignedUrlError::Expired));
        assert_eq!(
            verify_url(&signed, NOW - 1, &secrets[1 - position..2 - position]),
            Err(SignedUrlError::BadSignature)
        );
        assert_eq!(verify_url(&signed, NOW - 1, &[] as &[&[u8]]), Err(SignedUrlError::BadSignature));
    }
    assert_eq!(verify_url("/a.jpg", NOW, &secrets), Err(SignedUrlError::Unsigned));
    assert_eq!(verify_url("/a.jpg?expires=x&signature=x", NOW, &secrets), Err(SignedUrlError::BadExpiry));
    for bad in [
        sign_url("a.jpg", NOW, SECRET.as_bytes()),
        sign_url("/%ff.jpg", NOW, SECRET.as_bytes()),
        sign_url("/a.jpg", NOW, &[7; 31]),
        sign_url("/a.jpg", u64::MAX, SECRET.as_bytes()),
    ] {
        assert!(bad.is_err(), "{bad:?}");
    }
}

#[test]
fn any_of_the_modes_suffices_and_the_most_telling_refusal_speaks() {
    let jwt = |claims: &serde_json::Value| format!("Bearer {}", token(&header("ES256", "p256"), claims, "p256"));
    let good = jwt(&claims());
    let expired = jwt(&with(claims(), &json!({"exp": 1})));
    let shared = format!("Bearer {TOKEN}");
    let signed = sign_url("/a.jpg", NOW + 1, SECRET.as_bytes()).unwrap();
    let old = sign_url("/a.jpg", NOW - 1, SECRET.as_bytes()).unwrap();
    let all: &[&str] = &["token", "signed-url", "jwt"];
    let table: [Case<'_>; 13] = [
        (&["public"], "/a.jpg", None, 200, ""),
        (all, "/a.jpg", Some(&good), 200, ""),
        (all, "/a.jpg", Some(&shared), 200, ""),
        (all, &signed, None, 200, ""),
        (all, &signed, Some(&expired), 200, ""),
        (all, "/a.jpg", None, 401, "unauthorized"),
        (all, "/a.jpg", Some(&expired), 401, "token_expired"),
        (all, &old, None, 401, "token_expired"),
        (&["signed-url"], "/a.jpg", Some(&shared), 403, "signature_invalid"),
        (&["signed-url"], &old, None, 403, "signature_expired"),
        (&["token"], "/a.jpg", Some(&good), 401, "unauthorized"),
        (&["jwt"], "/a.jpg", Some(&shared), 401, "unauthorized"),
        (&["token"], &signed, None, 401, "unauthorized"),
    ];
    for (allow, url, authorization, expected, code) in table {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let rules = json!([{"path": "/*", "allow": allow}]);
        let outcome = viewer_request(&event("GET", url, &headers), &config(&rules), NOW, &keys());
        assert_eq!(status(&outcome), expected, "{allow:?} {url} {authorization:?}: {}", outcome.why);
        if let Action::Respond(response) = outcome.action {
            let problem: serde_json::Value = serde_json::from_str(&response.body.unwrap()).unwrap();
            assert_eq!(problem["code"], code, "{allow:?} {url}");
            assert_eq!(response.headers.single("cache-control"), Some("no-store"));
            assert_eq!(response.headers.single("content-type"), Some("application/problem+json"));
            assert_eq!(response.headers.contains("www-authenticate"), expected == 401);
        }
    }
}

#[test]
fn the_challenge_tells_whether_something_was_shown() {
    let rules = json!([{"path": "/*", "allow": ["token"]}]);
    let challenge =
        |headers: &[(&str, &str)]| match viewer_request(&event("GET", "/", headers), &config(&rules), NOW, &keys())
            .action
        {
            Action::Respond(response) => response.headers.single("www-authenticate").unwrap().to_owned(),
            Action::Forward(_) => panic!("it passed"),
        };
    assert_eq!(challenge(&[]), "Bearer realm=\"images\"");
    assert_eq!(challenge(&[("authorization", "Bearer x")]), "Bearer realm=\"images\", error=\"invalid_token\"");
}

#[test]
fn secrets_that_are_no_good_are_refused_by_name() {
    let table = [
        (json!({"tokens": [{"name": "a", "secret": "short"}]}), "tokens[0].secret"),
        (json!({"tokens": [{"name": "a", "sha256": "short"}]}), "tokens[0].sha256"),
        (json!({"tokens": [{"name": "a", "sha256": "é".repeat(32)}]}), "tokens[0].sha256"),
        (json!({"tokens": [{"name": "a"}]}), "tokens[0]: takes either"),
        (json!({"tokens": [{"name": "a", "secret": TOKEN, "sha256": "0".repeat(64)}]}), "tokens[0]: takes either"),
        (json!({"url_secrets": [{"name": "a", "secret": "short"}]}), "url_secrets[0].secret"),
        (json!({"jwks": {"https://x/": {"keys": []}}}), "jwks.`https://x/`"),
        (json!({"tokenz": []}), "unknown setting `tokenz`"),
    ];
    for (keys, expected) in table {
        let error = Keys::from_json(&keys.to_string()).unwrap_err().to_string();
        assert!(error.contains(expected), "{keys}: {error}");
        assert!(!error.contains("short"), "{error} shows the secret");
    }
}

#[test]
fn keys_are_not_printed() {
    let mut keys = keys();
    keys.credentials = Some(crate::Credentials {
        access_key_id: "AKID".to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: Some(TOKEN.to_owned()),
    });
    let text = format!("{keys:?}");
    assert!(text.contains("AKID") && !text.contains(SECRET) && !text.contains(TOKEN), "{text}");
}
