use serde_json::{Value, json};

use super::*;
use crate::outcome::Action;

const BUCKET: &str = "originals.s3.eu-central-1.amazonaws.com";
const LAMBDA: &str = "abc.lambda-url.eu-west-1.on.aws";

fn config() -> Config {
    let config = json!({
        "rules": [{"path": "/*", "allow": ["public"]}],
        "origins": {
            "transformer": {"service": "lambda", "domain": LAMBDA, "region": "eu-west-1"},
            "storage": {"service": "s3", "domain": BUCKET, "region": "eu-central-1"},
        },
    });
    Config::from_json(&config.to_string()).unwrap()
}

fn answer(method: &str, origin: &str, status: &str, headers: &Value) -> Response {
    answer_to(&config(), "/", method, origin, status, headers)
}

fn answer_to(config: &Config, uri: &str, method: &str, origin: &str, status: &str, headers: &Value) -> Response {
    let mut event: Value =
        serde_json::from_str(include_str!("../../../../fixtures/events/origin-response.json")).unwrap();
    let mut cf = event["Records"][0]["cf"].take();
    cf["request"]["method"] = json!(method);
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    (cf["request"]["uri"], cf["request"]["querystring"]) = (json!(path), json!(query));
    cf["request"]["origin"]["custom"]["domainName"] = json!(origin);
    cf["response"]["status"] = json!(status);
    for (name, value) in headers.as_object().unwrap() {
        cf["response"]["headers"][name] = json!([{"key": name, "value": value}]);
    }
    let cf: Cf = serde_json::from_value(cf).unwrap();
    match origin_response(&cf, config, 0, &Keys::default()).action {
        Action::Respond(response) => *response,
        Action::Forward(request) => panic!("{request:?}"),
    }
}

#[test]
fn errors_become_problems() {
    let table = [
        ("400", LAMBDA, 400, "bad_request", "no-cache"),
        ("401", LAMBDA, 502, "origin_failed", "no-cache"),
        ("403", LAMBDA, 502, "origin_failed", "no-cache"),
        ("403", BUCKET, 404, "not_found", "public, max-age=300"),
        ("404", BUCKET, 404, "not_found", "public, max-age=300"),
        ("410", LAMBDA, 404, "not_found", "public, max-age=300"),
        ("405", LAMBDA, 405, "method_not_allowed", "no-cache"),
        ("413", LAMBDA, 413, "too_large", "no-cache"),
        ("415", LAMBDA, 415, "unsupported_format", "no-cache"),
        ("416", BUCKET, 416, "range_not_satisfiable", "no-cache"),
        ("418", LAMBDA, 400, "bad_request", "no-cache"),
        ("422", LAMBDA, 422, "unprocessable", "no-cache"),
        ("429", LAMBDA, 429, "too_many_requests", "no-cache"),
        ("500", LAMBDA, 502, "origin_failed", "no-cache"),
        ("502", LAMBDA, 502, "origin_failed", "no-cache"),
        ("503", BUCKET, 503, "unavailable", "no-cache"),
        ("504", LAMBDA, 504, "origin_timeout", "no-cache"),
        ("599", LAMBDA, 502, "origin_failed", "no-cache"),
        ("what", LAMBDA, 502, "origin_failed", "no-store"),
        ("1000", LAMBDA, 502, "origin_failed", "no-store"),
    ];
    for (status, origin, expected, code, caching) in table {
        let headers = json!({
            "content-type": "application/xml", "x-amz-request-id": "1", "x-amz-bucket-region": "eu", "etag": "\"x\"",
            "content-length": "243", "content-encoding": "gzip", "retry-after": "7",
        });
        let response = answer("GET", origin, status, &headers);
        let problem: Value = serde_json::from_str(response.body.as_deref().unwrap()).unwrap();
        assert_eq!(response.status, expected.to_string(), "{status} of {origin}");
        assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(expected), Some(code)));
        assert!(
            problem["title"].as_str() == response.status_description.as_deref() && problem["type"] == "about:blank"
        );
        let names: Vec<_> = response.headers.iter().map(|(name, _)| name).collect();
        let mut expected = vec!["cache-control", "content-security-policy", "content-type", "x-content-type-options"];
        if caching != "no-store" {
            expected.insert(3, "retry-after");
        }
        assert_eq!(names, expected, "{status}");
        assert_eq!(response.headers.single("cache-control"), Some(caching), "{status}");
        let head = answer("HEAD", origin, status, &headers);
        assert_eq!((head.body.as_deref(), &head.headers), (Some(""), &response.headers), "HEAD {status}");
    }
}

#[test]
fn the_transformers_own_problems_stay() {
    let headers = json!({"content-type": "application/problem+json; charset=utf-8", "x-amzn-requestid": "1", "cache-control": "max-age=9"});
    for (status, caching) in
        [("400", "no-cache"), ("403", "no-cache"), ("404", "public, max-age=300"), ("500", "no-cache")]
    {
        let response = answer("GET", LAMBDA, status, &headers);
        assert_eq!((response.status.as_str(), response.body), (status, None), "CloudFront keeps the body");
        assert_eq!(response.headers.single("cache-control"), Some(caching));
        assert!(!response.headers.contains("x-amzn-requestid"));
        assert!(response.headers.contains("content-security-policy"));
    }
}

#[test]
fn fallback_pictures_stay_as_they_are() {
    let headers = json!({
        "content-type": "image/webp", "x-image-origin-fallback": "not_found", "cache-control": "public, max-age=10",
    });
    for (path, caching) in [("/public/a.jpg", "public, max-age=10"), ("/token/a.jpg", "no-cache")] {
        let response = answer_to(&rules(), path, "GET", LAMBDA, "404", &headers);
        assert_eq!((response.status.as_str(), &response.body), ("404", &None), "CloudFront keeps the body");
        assert_eq!(response.headers.single("cache-control"), Some(caching), "{path}");
        assert_eq!(response.headers.single("content-type"), Some("image/webp"));
    }
}

#[test]
fn good_answers_lose_what_is_the_origins_own_business() {
    let headers = json!({
        "content-type": "image/svg+xml", "etag": "\"x\"", "cache-control": "max-age=9", "vary": "Accept", "set-cookie": "a=b",
        "x-amz-id-2": "x", "x-amz-meta-camera": "x", "x-amz-server-side-encryption": "AES256", "x-amzn-trace-id": "x",
        "x-amzn-remapped-content-length": "9", "server": "AmazonS3", "x-powered-by": "x",
        "content-security-policy": "script-src *",
    });
    for status in ["200", "206", "304"] {
        let response = answer("GET", BUCKET, status, &headers);
        assert_eq!((response.status.as_str(), &response.body), (status, &None));
        for (name, expected) in [
            ("content-type", Some("image/svg+xml")),
            ("etag", Some("\"x\"")),
            ("cache-control", Some("public, max-age=9")),
            ("vary", Some("Accept")),
            ("content-length", Some("9593")),
            ("x-content-type-options", Some("nosniff")),
            ("content-security-policy", Some("default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox")),
            ("set-cookie", None),
            ("server", None),
            ("x-powered-by", None),
        ] {
            assert_eq!(response.headers.single(name), expected, "{name}");
        }
        assert!(response.headers.iter().all(|(name, _)| !name.starts_with("x-amz")));
    }
}

/// One rule of each kind, with times and without.
fn rules() -> Config {
    let config = json!({
        "rules": [
            {"path": "/public/*", "allow": ["public"]},
            {"path": "/timed/*", "allow": ["public"], "max_age": 60, "s_maxage": 600, "stale_while_revalidate": 30, "stale_if_error": 0},
            {"path": "/hidden/*", "allow": ["public"], "private": true},
            {"path": "/token/*", "allow": ["token"]},
            {"path": "/signed/*", "allow": ["signed-url"], "max_age": 60},
            {"path": "/users/{sub}/*", "allow": ["jwt"], "s_maxage": 600},
            {"path": "/any/*", "allow": ["token", "jwt", "signed-url"]},
        ],
        "jwt": {"issuers": [{"issuer": "https://x/", "audiences": ["a"]}]},
        "origins": {
            "transformer": {"service": "lambda", "domain": LAMBDA, "region": "eu-west-1"},
            "storage": {"service": "s3", "domain": BUCKET, "region": "eu-central-1"},
        },
    });
    Config::from_json(&config.to_string()).unwrap()
}

#[test]
fn a_rule_says_how_long_good_answers_are_kept() {
    let config = rules();
    let table: [(&str, Option<&str>, Option<&str>); 28] = [
        ("/public/a.jpg", Some("public, max-age=2592000"), Some("public, max-age=2592000")),
        ("/public/a.jpg", Some("max-age=9"), Some("public, max-age=9")),
        ("/public/a.jpg", None, Some("public")),
        ("/public/a.jpg", Some("private, max-age=9"), Some("private, max-age=9")),
        ("/public/a.jpg", Some("no-store"), Some("no-store")),
        ("/public/a.jpg", Some("public, no-cache"), Some("public, no-cache")),
        ("/public/a.jpg", Some("public, max-age=9, immutable"), Some("public, max-age=9, immutable")),
        (
            "/timed/a.jpg",
            Some("public, max-age=9"),
            Some("public, max-age=60, s-maxage=600, stale-while-revalidate=30, stale-if-error=0"),
        ),
        ("/timed/a.pdf", None, Some("public, max-age=60, s-maxage=600, stale-while-revalidate=30, stale-if-error=0")),
        (
            "/timed/a.jpg",
            Some("public, max-age=9, immutable"),
            Some("public, max-age=9, immutable, stale-while-revalidate=30, stale-if-error=0"),
        ),
        (
            "/timed/a.jpg",
            Some("public, max-age=9, must-revalidate"),
            Some("public, max-age=60, s-maxage=600, must-revalidate"),
        ),
        ("/timed/a.jpg", Some("no-store"), Some("no-store")),
        ("/timed/a.jpg", Some("private"), Some("private, max-age=60, stale-while-revalidate=30, stale-if-error=0")),
        ("/hidden/a.jpg", Some("public, max-age=9"), Some("max-age=9")),
        ("/token/a.jpg", Some("public, max-age=9, s-maxage=10"), Some("max-age=9, s-maxage=10")),
        ("/token/a.jpg", Some("public, max-age=9, immutable"), Some("max-age=9, immutable")),
        ("/token/a.jpg", Some("no-store"), Some("no-store")),
        ("/token/a.pdf", None, None),
        ("/token/a.pdf", Some("public"), None),
        ("/signed/a.jpg", Some("public, max-age=9"), Some("max-age=60")),
        ("/users/alice/a.jpg", Some("public, max-age=9"), Some("max-age=9, s-maxage=600")),
        ("/users/alice/a.jpg", Some("public, no-cache"), Some("no-cache")),
        ("/users/alice/a.jpg", Some("private"), Some("private")),
        ("/any/a.jpg", Some("public, max-age=9"), Some("max-age=9")),
        // What lies over a picture may be for fewer than the picture is.
        ("/public/a.jpg?overlay=public%2Fb.png", Some("max-age=9"), Some("public, max-age=9")),
        ("/public/a.jpg?overlay=token%2Fb.png", Some("public, max-age=9"), Some("max-age=9")),
        // No rule lets these pass, so they do not come; if they did, they would be nobody's.
        ("/elsewhere/a.jpg", Some("public, max-age=9"), Some("max-age=9")),
        ("/public/%252e%252e/token/a.jpg", Some("public, max-age=9"), Some("max-age=9")),
    ];
    for (uri, original, expected) in table {
        let mut headers = json!({});
        if let Some(original) = original {
            headers["cache-control"] = json!(original);
        }
        for status in ["200", "206", "304"] {
            let response = answer_to(&config, uri, "GET", LAMBDA, status, &headers);
            assert_eq!(response.headers.single("cache-control"), expected, "{status} {uri} {original:?}");
        }
    }
}

#[test]
fn nothing_but_public_answers_says_public() {
    let config = rules();
    let paths =
        ["/public/a", "/timed/a", "/hidden/a", "/token/a", "/signed/a", "/users/alice/a", "/any/a", "/elsewhere/a"];
    let cache_controls = [
        None,
        Some("public, max-age=2592000"),
        Some("public, max-age=9, s-maxage=9, immutable"),
        Some("PUBLIC"),
        Some("public, no-cache"),
        Some("public, private"),
        Some("no-store, public"),
    ];
    let statuses =
        ["200", "206", "301", "304", "400", "403", "404", "410", "412", "416", "422", "429", "500", "503", "x"];
    for path in paths {
        for (origin, kind) in [(LAMBDA, "image/jpeg"), (LAMBDA, PROBLEM_TYPE), (BUCKET, "application/pdf")] {
            for (status, cache_control) in statuses.into_iter().flat_map(|s| cache_controls.map(|c| (s, c))) {
                let mut headers = json!({"content-type": kind});
                if let Some(text) = cache_control {
                    headers["cache-control"] = json!(text);
                }
                let response = answer_to(&config, path, "GET", origin, status, &headers);
                let caching = response.headers.all("cache-control").collect::<Vec<_>>().join(",");
                let is_public = path == "/public/a" || path == "/timed/a";
                let what = format!("{status} {path} {origin} {cache_control:?}: {caching}");
                assert!(is_public || !caching.to_lowercase().contains("public"), "{what}");
                // CloudFront calls viewer-response for these, and for no error.
                if status < "400" {
                    continue;
                }
                let nobody = ["no-cache", "no-store"].contains(&caching.as_str());
                assert!(nobody || is_public && caching == NOT_FOUND_CACHING, "{what}");
            }
        }
    }
}
