//! The decisions that are written down in `fixtures/edge/decisions.json`, by which the WebAssembly module is measured.
//!
//! `UPDATE_FIXTURES=1 cargo test -p image-origin-edge --test all decisions` writes the file anew; the difference shows what
//! has changed for viewers and origins.

use image_origin_edge::{Edge, sign_url};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const SECRET: &str = "a secret for signing urls, 32 bytes or more";

fn config() -> Value {
    json!({
        "rules": [
            {"path": "/users/{sub}/*", "allow": ["jwt"], "issuers": ["https://login.example.com/"]},
            {
                "path": "/teams/{cognito:groups}/*", "allow": ["jwt"],
                "issuers": ["https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example"],
            },
            {"path": "/press/*", "allow": ["token", "signed-url"]},
            {"path": "/signed/*", "allow": ["signed-url"]},
            {"path": "/closed/*.jpg", "allow": ["jwt"]},
            {
                "path": "/limited/*", "allow": ["public"],
                "limits": {
                    "presets_only": true, "parameters": ["w", "h", "q", "dpr", "format"], "widths": [320, 640], "on_other": "snap",
                    "dprs": [1, 1.5], "formats": ["webp", "auto"], "max_pixels": 1000000, "lifted_by_signature": true,
                },
            },
            {"path": "/marked/*", "allow": ["public"], "limits": {"force": "blur=2", "default_preset": "base"}},
            {"path": "/", "allow": ["public"]},
            {"path": "/public/*", "allow": ["public"], "s_maxage": 600, "stale_while_revalidate": 60},
        ],
        "token": {"cookie": "access"},
        "jwt": {
            "cookie": "session",
            "issuers": [
                {"issuer": "https://login.example.com/", "audiences": ["images"], "jwks_uri": "https://login.example.com/jwks"},
                {
                    "issuer": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example",
                    "audiences": ["client"], "kind": "cognito", "token_use": ["id"],
                },
            ],
        },
        "origins": {
            "transformer": {"service": "lambda", "domain": "abc.lambda-url.eu-west-1.on.aws", "region": "eu-west-1"},
            "storage": {"service": "s3", "domain": "originals.s3.eu-west-1.amazonaws.com", "region": "eu-west-1", "path": "/v1"},
        },
    })
}

fn keys() -> Value {
    let keys: Value = serde_json::from_str(include_str!("../../../../fixtures/jwt/keys.json")).unwrap();
    let mut first = keys["jwks"].clone();
    first["keys"].as_array_mut().unwrap().push(keys["hmac"].clone());
    json!({
        "tokens": [{"name": "spring", "secret": "correct horse battery staple"}],
        "url_secrets": [{"name": "a", "secret": SECRET}],
        "jwks": {
            "https://login.example.com/": first,
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example": keys["jwks"],
        },
    })
}

/// A call about one of the published events, with another URL and further headers.
fn call(trigger: &str, method: &str, url: &str, headers: &[(&str, &str)], change: impl Fn(&mut Value)) -> Value {
    let event = match trigger {
        "viewer-request" => include_str!("../../../../fixtures/events/viewer-request.json"),
        "origin-request" => include_str!("../../../../fixtures/events/origin-request.json"),
        "viewer-response" => include_str!("../../../../fixtures/events/viewer-response.json"),
        _ => include_str!("../../../../fixtures/events/origin-response.json"),
    };
    let mut event: Value = serde_json::from_str(event).unwrap();
    let (uri, query) = url.split_once('?').unwrap_or((url, ""));
    let cf = &mut event["Records"][0]["cf"];
    cf["request"]["method"] = json!(method);
    cf["request"]["uri"] = json!(uri);
    cf["request"]["querystring"] = json!(query);
    for (name, value) in headers {
        cf["request"]["headers"][name] = json!([{"key": name, "value": value}]);
    }
    change(cf);
    let credentials =
        json!({"access_key_id": "ASIAEXAMPLE", "secret_access_key": "secret", "session_token": "token=="});
    json!({"event": {"event": event, "now": NOW, "credentials": credentials}})
}

/// Tokens that another implementation made, and what attackers make of them.
fn tokens() -> Vec<String> {
    let made: Vec<Value> = serde_json::from_str(include_str!("../../../../fixtures/jwt/tokens.json")).unwrap();
    let mut tokens: Vec<String> = made.iter().map(|token| token["token"].as_str().unwrap().to_owned()).collect();
    let parts: Vec<Vec<String>> = tokens.iter().map(|token| token.split('.').map(str::to_owned).collect()).collect();
    let (rsa, ecdsa, pool) = (&parts[0], &parts[1], &parts[5]);
    tokens.extend([
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{}.", rsa[1]),
        // {"alg":"HS256","kid":"rsa"}
        format!("eyJhbGciOiJIUzI1NiIsImtpZCI6InJzYSJ9.{}.{}", rsa[1], rsa[2]),
        // {"alg":"RS256","kid":"unknown"}
        format!("eyJhbGciOiJSUzI1NiIsImtpZCI6InVua25vd24ifQ.{}.{}", rsa[1], rsa[2]),
        format!("{}.{}.{}", rsa[0], rsa[1], ecdsa[2]),
        format!("{}.{}.{}", rsa[0], pool[1], rsa[2]),
        format!("{}.{}.{}", rsa[0], rsa[1], &rsa[2][..rsa[2].len() - 4]),
        format!("{}.{}.{}=", rsa[0], rsa[1], rsa[2]),
        format!("{}.{}", rsa[0], rsa[1]),
        "x".repeat(9000),
        String::new(),
    ]);
    tokens
}

fn viewer_calls() -> Vec<Value> {
    let viewer = |method, url: &str, headers: &[(&str, &str)]| call("viewer-request", method, url, headers, |_| {});
    let mut calls = vec![viewer("GET", "/", &[]), viewer("POST", "/", &[]), viewer("HEAD", "/users/alice/a.jpg", &[])];
    for token in tokens() {
        let authorization = format!("Bearer {token}");
        for url in ["/users/alice/a.jpg", "/users/bob/a.jpg", "/teams/staff/a.jpg", "/closed/a.jpg"] {
            calls.push(viewer("GET", url, &[("authorization", &authorization)]));
        }
    }
    let alice = tokens().swap_remove(1);
    let cookie = format!("a=b; session={alice}");
    for path in [
        "/users/alice/../bob/a.jpg",
        "/users/alice/%2e%2e/bob/a.jpg",
        "/users/alice/%252e%252e/bob/a.jpg",
        "/users/alice%2f..%2fbob/a.jpg",
        "/users//bob/a.jpg",
        "//users/bob/a.jpg",
        "/Users/bob/a.jpg",
        "/users/Alice/a.jpg",
        "/users/%D0%B0lice/a.jpg",
        "/users/a%00/a.jpg",
        "/public/..%5cusers/bob/a.jpg",
        "/users/alice/x/../ä b+%25.jpg",
        "/users/%ff/a.jpg",
        "/elsewhere",
        "/metrics",
        "/public/%252e%252e/users/bob/x%25ff/%252e%252e/a.jpg",
        "/public/a.jpg",
    ] {
        calls.push(viewer("GET", path, &[("cookie", &cookie)]));
    }
    calls.push(viewer("GET", &format!("/users/alice/a.jpg?w=3&token={alice}"), &[]));
    let chrome = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
    for query in [
        "",
        "width=300&utm_source=x",
        "f=auto&w=1&w=2",
        "preset=card",
        "crop=1,2,3,4&h=+%2B",
        "W=3&acl&%ff=1",
        "w=0300&fit=inside&dpr=1.0",
        "w=150&dpr=2",
        "crop=0,0,.5,1&bg=red&q=080",
        "w=abc&fit=inside",
    ] {
        calls.push(viewer("GET", &format!("/public/a.jpg?{query}"), &[("accept", chrome)]));
    }
    for accept in ["image/avif;q=0.12345,image/webp", "image/avif;q=1.5,image/webp;v=\"a,b\"", "image/avif;q=0"] {
        calls.push(viewer("GET", "/public/a.jpg?format=auto", &[("accept", accept)]));
    }
    let sign = |path, expires| sign_url(path, expires, SECRET.as_bytes()).unwrap();
    for url in [
        "/limited/a.jpg".to_owned(),
        "/limited/a.jpg?w=400&h=300&utm=1".to_owned(),
        "/limited/a.jpg?preset=card,card&w=0200.4&dpr=1.2".to_owned(),
        "/limited/a.jpg?w=200&blur=3".to_owned(),
        "/limited/a.jpg?f=png&w=x".to_owned(),
        "/limited/a.jpg?f=png".to_owned(),
        sign("/limited/a.jpg?w=399&blur=3&f=png", NOW + 1),
        sign("/limited/a.jpg?w=399&blur=3&f=png", NOW),
        "/marked/a.jpg?blur=9&fit=inside".to_owned(),
        "/marked/a.jpg?preset=other&w=3".to_owned(),
        sign("/signed/a b.jpg?w=300", NOW + 1),
        sign("/signed/a.jpg", NOW),
        sign("/press/a.jpg", NOW + 1),
        sign("/signed/a.jpg?w=300", NOW + 1).replace("w=300", "w=301"),
        "/signed/a.jpg".to_owned(),
    ] {
        calls.push(viewer("GET", &url, &[]));
    }
    calls.push(viewer("GET", "/press/a.jpg?token=correct+horse+battery+staple", &[]));
    calls.push(viewer("GET", "/press/a.jpg", &[("cookie", "access=correct horse battery stapler")]));
    calls
}

fn origin_calls() -> Vec<Value> {
    let mut calls = Vec::new();
    for url in [
        "/",
        "/a.jpg",
        "/a b+c(1)'!*,=&.jpg?crop=1,2,3,4&w=300",
        "/ä//日本.jpg?w=&width=%2B+",
        "/a/../b.jpg?w=1",
        "/doc.pdf?acl&page=1",
        "/p.jfif",
        "/keys.json",
        "/%41%7e%2520.jpg?utm=1",
        "/a",
        "a.jpg",
    ] {
        for method in ["GET", "HEAD", "PUT"] {
            calls.push(call("origin-request", method, url, &[("cookie", "a=b"), ("range", "bytes=0-1")], |_| {}));
        }
    }
    let mut unsigned = call("origin-request", "GET", "/a.jpg", &[], |_| {});
    unsigned["event"]["credentials"] = Value::Null;
    calls.push(unsigned);
    for (status, origin) in [
        ("200", "abc.lambda-url.eu-west-1.on.aws"),
        ("304", "x"),
        ("403", "originals.s3.eu-west-1.amazonaws.com"),
        ("403", "x"),
        ("404", "x"),
        ("400", "x"),
        ("429", "x"),
        ("500", "x"),
        ("503", "x"),
        ("", "x"),
    ] {
        for (method, content_type) in
            [("GET", "application/xml"), ("HEAD", "text/html"), ("GET", "application/problem+json")]
        {
            calls.push(call("origin-response", method, "/a.jpg", &[], |cf| {
                cf["request"]["origin"]["custom"]["domainName"] = json!(origin);
                cf["response"]["status"] = json!(status);
                cf["response"]["headers"]["content-type"] = json!([{"key": "Content-Type", "value": content_type}]);
                cf["response"]["headers"]["x-amz-request-id"] = json!([{"key": "x-amz-request-id", "value": "1"}]);
            }));
        }
    }
    calls
}

fn caching_calls() -> Vec<Value> {
    let mut calls = Vec::new();
    for cache_control in ["", "public, max-age=9", "max-age=9, s-maxage=99", "private, max-age=9", "no-store"] {
        for (trigger, path) in [
            ("origin-response", "/public/a.jpg"),
            ("origin-response", "/press/a.jpg"),
            ("origin-response", "/users/alice/a.jpg"),
            ("viewer-response", "/press/a.jpg"),
        ] {
            calls.push(call(trigger, "GET", path, &[], |cf| {
                cf["response"]["headers"]["cache-control"] = json!([{"key": "Cache-Control", "value": cache_control}]);
            }));
        }
    }
    calls
}

#[test]
fn decisions_are_as_written_down() {
    let (config, keys) = (config(), keys());
    let mut edge = Edge::new(&config.to_string(), &keys.to_string()).unwrap();
    let calls = viewer_calls().into_iter().chain(origin_calls()).chain(caching_calls());
    let decide = |call: Value| {
        let answer: Value = serde_json::from_slice(&edge.call(call.to_string().as_bytes())).unwrap();
        json!({"call": call, "answer": answer})
    };
    let decisions: Vec<Value> = calls.map(decide).collect();
    let document = json!({"config": config, "keys": keys, "decisions": decisions});
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/edge/decisions.json");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        let lines: Vec<String> = document["decisions"].as_array().unwrap().iter().map(Value::to_string).collect();
        let text = format!(
            "{{\"config\":{},\n\"keys\":{},\n\"decisions\":[\n{}\n]}}\n",
            document["config"],
            document["keys"],
            lines.join(",\n")
        );
        std::fs::write(path, text).unwrap();
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(written["config"], document["config"], "UPDATE_FIXTURES=1 writes the file anew");
    assert_eq!(written["keys"], document["keys"], "UPDATE_FIXTURES=1 writes the file anew");
    for (written, decided) in written["decisions"].as_array().unwrap().iter().zip(&decisions) {
        assert_eq!(written, decided, "UPDATE_FIXTURES=1 writes the file anew");
    }
    assert_eq!(written["decisions"].as_array().unwrap().len(), decisions.len());
}
