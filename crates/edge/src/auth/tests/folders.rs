//! Private folders: whose token opens which path.

use serde_json::json;

use super::mint::{ISSUER, NOW, POOL, claims, header, keys, token, with};
use super::{config, event, status, status_with_token};
use crate::outcome::Action;
use crate::viewer_request;

#[test]
fn a_folder_opens_to_its_owner_only() {
    let rules = json!([
        {"path": "/users/{sub}/*", "allow": ["jwt"], "issuers": [ISSUER]},
        {"path": "/teams/{cognito:groups}/*", "allow": ["jwt"], "issuers": [POOL]},
        {"path": "/*", "allow": ["public"]},
    ]);
    let alice = token(&header("ES256", "p256"), &claims(), "p256");
    let table = [
        ("/users/alice/a.jpg", 200),
        ("/users/alice/deep/er/a.jpg", 200),
        ("/users/alice/", 200),
        ("/users/%61lice/a.jpg", 200),
        ("/users/alice/x/../a.jpg", 200),
        ("/public/a.jpg", 200),
        ("/users/alice/..a/.b/c...jpg", 200),
        ("/users/alice/100%25.jpg", 200),
        ("/users/alice/a//b.jpg", 200),
        // Another's folder, however it is written.
        ("/users/bob/a.jpg", 403),
        ("/users/alice/../bob/a.jpg", 403),
        ("/users/alice/./../bob/a.jpg", 403),
        ("/users/alice/%2e%2e/bob/a.jpg", 403),
        ("/users/alice/%2E%2E/bob/a.jpg", 403),
        ("/users/alice/.%2e/bob/a.jpg", 403),
        ("/users/alice%2f..%2fbob/a.jpg", 403),
        ("/users/alice/%2e%2e%2fbob/a.jpg", 403),
        ("/users/alice/%252e%252e/bob/a.jpg", 403),
        ("/users/alice/%252e%252e%252fbob/a.jpg", 403),
        ("/users/alice/%25252e%25252e/bob/a.jpg", 403),
        ("/users/alice/..%5cbob/a.jpg", 403),
        ("/users/alice/..%255cbob/a.jpg", 403),
        ("/users/alice\\..\\bob/a.jpg", 403),
        ("/x/../users/bob/a.jpg", 403),
        ("/users/bob%00/a.jpg", 400),
        ("/users/bob%2fa.jpg", 403),
        ("/users//bob/a.jpg", 403),
        ("/users/%20alice/a.jpg", 403),
        ("/users/alice%20/a.jpg", 403),
        ("/users/Alice/a.jpg", 403),
        ("/users/ALICE/a.jpg", 403),
        // Look-alikes: Cyrillic а, full-width ａ, an invisible joiner, a combining accent, a dotless ı.
        ("/users/%D0%B0lice/a.jpg", 403),
        ("/users/\u{ff41}lice/a.jpg", 403),
        ("/users/al%E2%80%8Dice/a.jpg", 403),
        ("/users/alice%CC%81/a.jpg", 403),
        ("/users/al\u{131}ce/a.jpg", 403),
        ("/users/%C0%AE%C0%AE/a.jpg", 400),
        ("/users/{sub}/a.jpg", 403),
        ("/users/*/a.jpg", 403),
        // Around the rule: some reader would find these under /users.
        ("//users/bob/a.jpg", 400),
        ("/Users/bob/a.jpg", 400),
        ("/users%2fbob/a.jpg", 403),
        ("/users%252fbob/a.jpg", 400),
        ("/%2575sers/bob/a.jpg", 400),
        ("/public/..%5cusers/bob/a.jpg", 400),
        ("/public/%252e%252e/users/bob/a.jpg", 400),
        ("\\users\\bob\\a.jpg", 400),
        ("/\\users/bob/a.jpg", 400),
        // A folder of another issuer's people.
        ("/teams/editors/a.jpg", 401),
    ];
    for (url, expected) in table {
        assert_eq!(status_with_token(&rules, url, &alice, &keys()), expected, "{url}");
    }
}

#[test]
fn a_claim_may_be_a_list_but_must_be_a_text() {
    let rules = json!([{"path": "/teams/{cognito:groups}/*", "allow": ["jwt"], "issuers": [POOL]}]);
    let member = |groups| {
        let claims = json!({"iss": POOL, "token_use": "id", "aud": "client", "exp": NOW + 9, "cognito:groups": groups});
        token(&header("RS256", "rsa"), &claims, "rsa")
    };
    let table = [
        (json!(["editors", "staff"]), "/teams/staff/a.jpg", 200),
        (json!("staff"), "/teams/staff/a.jpg", 200),
        (json!(["Größe"]), "/teams/Gr%C3%B6%C3%9Fe/a.jpg", 200),
        (json!(["ΝΙΚΟΣ"]), "/teams/ΝΙΚΟΣ/a.jpg", 200),
        (json!(["ΝΙΚΟΣ"]), "/teams/νικος/a.jpg", 403),
        (json!(["editors"]), "/teams/staff/a.jpg", 403),
        (json!(["editors,staff"]), "/teams/staff/a.jpg", 403),
        (json!([["staff"]]), "/teams/staff/a.jpg", 403),
        (json!({"staff": true}), "/teams/staff/a.jpg", 403),
        (json!([1]), "/teams/1/a.jpg", 403),
        (json!(null), "/teams/null/a.jpg", 403),
        (json!([""]), "/teams//a.jpg", 400),
        (json!(["*"]), "/teams/staff/a.jpg", 403),
        (json!([".."]), "/teams/../a.jpg", 403),
        (json!(["a/b"]), "/teams/a%2fb/c.jpg", 403),
    ];
    for (groups, url, expected) in table {
        assert_eq!(status_with_token(&rules, url, &member(groups.clone()), &keys()), expected, "{groups} {url}");
    }
}

#[test]
fn an_overlay_is_shown_to_those_who_may_see_it() {
    let rules = json!([
        {"path": "/users/{sub}/*", "allow": ["jwt"], "issuers": [ISSUER]},
        {"path": "/press/*", "allow": ["signed-url"]},
        {"path": "/public/*", "allow": ["public"]},
    ]);
    let alice = token(&header("ES256", "p256"), &claims(), "p256");
    let table = [
        ("/public/a.jpg?overlay=public/logo.png", 200),
        ("/public/a.jpg?overlay=/public/logo.png&w=3", 200),
        ("/public/a.jpg?overlay=users/alice/logo.png", 200),
        ("/users/alice/a.jpg?overlay=public/logo.png", 200),
        ("/public/a.jpg?overlay=users/bob/logo.png", 403),
        ("/public/a.jpg?overlay=/users/bob/logo.png", 403),
        ("/public/a.jpg?overlay=users%2Fbob%2Flogo.png", 403),
        ("/public/a.jpg?%6fverlay=users/bob/logo.png", 403),
        ("/public/a.jpg?overlay=public/logo.png&overlay=users/bob/logo.png", 403),
        ("/public/a.jpg?overlay=+users/bob/logo.png+", 403),
        ("/public/a.jpg?overlay=Users/bob/logo.png", 400),
        ("/public/a.jpg?overlay=elsewhere/logo.png", 403),
        // A preset does not hide what stands beside it, nor does a value that the origin refuses.
        ("/public/a.jpg?preset=card&overlay=/users/bob/logo.png", 403),
        ("/public/a.jpg?w=none&overlay=users/bob/logo.png", 403),
        // The rule of the overlay asks for a signature of this URL, which a token is not.
        ("/public/a.jpg?overlay=press/logo.png", 403),
        // No keys, which the origin refuses.
        ("/public/a.jpg?overlay=public/../users/bob/logo.png", 200),
        ("/public/a.jpg?overlay=public/%252e%252e/users/bob/logo.png", 200),
        ("/public/a.jpg?overlay=public%5c..%5cusers%5cbob", 200),
        ("/public/a.jpg?overlay=", 200),
    ];
    for (url, expected) in table {
        assert_eq!(status_with_token(&rules, url, &alice, &keys()), expected, "{url}");
    }
    let signed = crate::sign_url("/public/a.jpg?overlay=press/logo.png", NOW + 9, &[7; 32]).unwrap();
    let signed_keys =
        crate::Keys::from_json(&json!({"url_secrets": [{"name": "a", "secret": "\u{7}".repeat(32)}]}).to_string());
    let status_of = |url: &str, keys| status(&viewer_request(&event("GET", url, &[]), &config(&rules), NOW, keys));
    let signed_keys = signed_keys.unwrap();
    assert_eq!(status_of(&signed, &signed_keys), 200);
    assert_eq!(status_of(&signed.replace("logo", "other"), &signed_keys), 403);
}

#[test]
fn a_name_counts_with_its_issuer_only() {
    let rules =
        json!([{"path": "/users/{sub}/*", "allow": ["jwt"], "issuers": [ISSUER]}, {"path": "/*", "allow": ["jwt"]}]);
    let other_alice = json!({"iss": POOL, "token_use": "id", "aud": "client", "exp": NOW + 9, "sub": "alice"});
    let other_alice = token(&header("RS256", "rsa"), &other_alice, "rsa");
    assert_eq!(status_with_token(&rules, "/users/alice/a.jpg", &other_alice, &keys()), 401);
    assert_eq!(status_with_token(&rules, "/a.jpg", &other_alice, &keys()), 200);
    let without_sub = with(claims(), &json!({"sub": null}));
    let without_sub = token(&header("RS256", "rsa"), &without_sub, "rsa");
    assert_eq!(status_with_token(&rules, "/users/alice/a.jpg", &without_sub, &keys()), 403);
}

#[test]
fn what_was_judged_is_what_goes_on() {
    let rules = json!([{"path": "/users/{sub}/*", "allow": ["jwt"], "issuers": [ISSUER]}]);
    let alice = token(&header("ES256", "p256"), &claims(), "p256");
    let table = [
        ("/users/alice/x/../a.jpg", "/users/alice/a.jpg"),
        ("/users/bob/%2e%2e/alice/a.jpg", "/users/alice/a.jpg"),
        ("/users/%61lice/a%20b+c.jpg", "/users/alice/a%20b%2Bc.jpg"),
        ("/users/alice/\u{e4}.jpg", "/users/alice/%C3%A4.jpg"),
        ("/users/alice/%2520.jpg", "/users/alice/%2520.jpg"),
    ];
    for (url, expected) in table {
        let url = format!("{url}?token={alice}&width=3&utm_source=x&w=300");
        let headers = [("cookie", "session=old"), ("authorization", "Bearer old"), ("accept", "image/avif")];
        let outcome = viewer_request(&event("GET", &url, &headers), &config(&rules), NOW, &keys());
        let Action::Forward(request) = outcome.action else { panic!("{url}: {}", outcome.why) };
        assert_eq!((request.uri.as_str(), request.querystring.as_str()), (expected, "w=300"));
        let left: Vec<_> = request.headers.iter().collect();
        assert_eq!(left, [("accept", "*/*")], "{url}");
    }
}

#[test]
fn what_is_for_operators_does_not_go_through_the_cdn() {
    let rules = json!([{"path": "/*", "allow": ["public"]}]);
    let table = [
        ("/metrics", 404),
        ("/healthz", 404),
        ("/metrics?w=1", 404),
        ("/%6detrics", 404),
        ("/x/../healthz", 404),
        ("/metrics.jpg", 200),
        ("/a/metrics", 200),
    ];
    for (url, expected) in table {
        let outcome = viewer_request(&event("GET", url, &[]), &config(&rules), NOW, &keys());
        assert_eq!(status(&outcome), expected, "{url}: {}", outcome.why);
    }
}

#[test]
fn what_is_too_long_once_it_is_encoded_is_refused() {
    let rules = json!([{"path": "/*", "allow": ["public"]}]);
    let table = [
        (format!("/{}", "a".repeat(8190)), 200),
        (format!("/{}", "'".repeat(2730)), 200),
        (format!("/{}", "'".repeat(2731)), 414),
        (format!("/{}?preset={}", "a".repeat(4000), "'".repeat(1400)), 414),
        (format!("/{}", "a".repeat(8192)), 414),
    ];
    for (url, expected) in table {
        let outcome = viewer_request(&event("GET", &url, &[]), &config(&rules), NOW, &keys());
        assert_eq!(status(&outcome), expected, "{} bytes: {}", url.len(), outcome.why);
    }
}

#[test]
fn a_token_is_found_in_header_query_and_cookie() {
    let rules = json!([{"path": "/*", "allow": ["jwt"]}]);
    let good = token(&header("ES256", "p256"), &claims(), "p256");
    let expired = token(&header("ES256", "p256"), &with(claims(), &json!({"exp": 1})), "p256");
    let bearer = |token: &str| format!("Bearer {token}");
    let session = |token: &str| format!("session={token}");
    let table = [
        (None, None, None, 401, "no token"),
        (Some(bearer(&good)), None, None, 200, "header"),
        (None, Some(good.clone()), None, 200, "query"),
        (None, None, Some(session(&good)), 200, "cookie"),
        (None, None, Some(format!("other={good}")), 401, "another cookie"),
        (Some(bearer(&expired)), None, Some(session(&good)), 200, "an old header beside a good cookie"),
        (
            None,
            None,
            Some(format!("{}; {}", session(&expired), session(&good))),
            200,
            "an old cookie beside a good one",
        ),
        (Some(format!("Basic {good}")), None, None, 401, "another scheme"),
        (None, Some(format!("{good}&token={good}")), None, 401, "twice in the query"),
    ];
    for (authorization, query, cookie, expected, name) in table {
        let url = query.map_or("/a.jpg".to_owned(), |query| format!("/a.jpg?token={query}"));
        let mut headers = Vec::new();
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(cookie.as_deref().map(|value| ("cookie", value)));
        let outcome = viewer_request(&event("GET", &url, &headers), &config(&rules), NOW, &keys());
        assert_eq!(status(&outcome), expected, "{name}: {}", outcome.why);
    }
}
