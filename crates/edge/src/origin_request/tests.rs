use serde_json::{Value, json};

use super::*;
use crate::keys::Credentials;
use crate::outcome::Action;
use crate::sigv4::verify;

const NOW: u64 = 1_800_000_000;
const LAMBDA: &str = "abc.lambda-url.eu-west-1.on.aws";
const OBJECT_LAMBDA: &str = "olap-123.s3-object-lambda.eu-west-1.amazonaws.com";
const BUCKET: &str = "originals.s3.eu-central-1.amazonaws.com";

fn config(transformer: &str, originals: &str) -> Config {
    Config::from_json(&document(transformer, originals).to_string()).unwrap()
}

fn document(transformer: &str, originals: &str) -> Value {
    let transformer = match transformer {
        "lambda" => json!({"service": "lambda", "domain": LAMBDA, "region": "eu-west-1"}),
        "s3-object-lambda" => json!({"service": "s3-object-lambda", "domain": OBJECT_LAMBDA, "region": "eu-west-1"}),
        _ => json!({"service": "none", "domain": "images.example.com"}),
    };
    json!({
        "rules": [{"path": "/*", "allow": ["public"]}],
        "origins": {
            "transformer": transformer,
            "storage": {"service": "s3", "domain": BUCKET, "region": "eu-central-1", "path": "/v1"},
            "originals": originals,
        },
    })
}

fn keys() -> Keys {
    let credentials = Credentials {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: Some("session//token==".to_owned()),
    };
    Keys { credentials: Some(credentials), ..Keys::default() }
}

fn event(method: &str, url: &str, headers: &Value) -> Cf {
    let (uri, querystring) = url.split_once('?').unwrap_or((url, ""));
    let mut event: Value =
        serde_json::from_str(include_str!("../../../../fixtures/events/origin-request.json")).unwrap();
    let mut cf = event["Records"][0]["cf"].take();
    cf["request"]["method"] = json!(method);
    cf["request"]["uri"] = json!(uri);
    cf["request"]["querystring"] = json!(querystring);
    for (name, value) in headers.as_object().unwrap() {
        cf["request"]["headers"][name] = json!([{"key": name, "value": value}]);
    }
    cf["request"]["origin"]["custom"]["customHeaders"]["x-from-cdn"] = json!([{"key": "X-From-CDN", "value": "1"}]);
    serde_json::from_value(cf).unwrap()
}

fn forwarded(outcome: Outcome) -> Request {
    match outcome.action {
        Action::Forward(request) => *request,
        Action::Respond(response) => panic!("{}: {response:?}", outcome.why),
    }
}

#[test]
fn the_distribution_names_the_transformer_where_the_configuration_does_not() {
    let mut config = config("lambda", "strip");
    config.origins.transformer.domain.clear();
    let mut cf = event("GET", "/a.jpg?w=300", &json!({}));
    let named = cf.request.origin.as_ref().unwrap().domain_name().to_owned();
    let request = forwarded(origin_request(&cf, &config, NOW, &keys()));
    assert_eq!(request.origin.as_ref().unwrap().domain_name(), named);
    let target = Target { domain: named, ..config.origins.transformer.clone() };
    let signable = Signable { method: "GET", path: &request.uri, query: &request.querystring };
    verify(signable, &request.headers, &target, &keys().credentials.unwrap(), NOW).unwrap();
    let storage = forwarded(origin_request(&event("GET", "/a.pdf", &json!({})), &config, NOW, &keys()));
    assert_eq!(storage.origin.unwrap().domain_name(), BUCKET);
    cf.request.origin = None;
    let Action::Respond(refused) = origin_request(&cf, &config, NOW, &keys()).action else { panic!("was passed on") };
    assert_eq!(refused.status, "500");
}

#[test]
fn requests_go_where_they_belong() {
    let table = [
        ("strip", "/a.jpg", LAMBDA, ""),
        ("strip", "/a.jpg?w=300", LAMBDA, "w=300"),
        ("strip", "/a.JPG?width=300&utm=1", LAMBDA, "w=300"),
        ("strip", "/a?w=300", LAMBDA, "w=300"),
        ("strip", "/a", LAMBDA, ""),
        ("strip", "/x.pdf/a", LAMBDA, ""),
        ("strip", "/.hidden", LAMBDA, ""),
        ("strip", "/a.", LAMBDA, ""),
        ("strip", "/a.jfif", LAMBDA, ""),
        ("strip", "/a.JPG_large?w=300", LAMBDA, "w=300"),
        ("strip", "/a.heif", LAMBDA, ""),
        ("strip", "/a.jpg~", LAMBDA, ""),
        ("strip", "/keys.json", LAMBDA, ""),
        ("strip", "/.env.local", LAMBDA, ""),
        ("strip", "/backup.sql?w=1", LAMBDA, "w=1"),
        ("strip", "/a.pdf", BUCKET, ""),
        ("strip", "/a.PDF", BUCKET, ""),
        ("strip", "/a.jpg.pdf?page=2", BUCKET, ""),
        ("strip", "/a.mp4?acl", BUCKET, ""),
        ("strip", "/a.svg?acl", LAMBDA, ""),
        ("direct", "/a.jpg", BUCKET, ""),
        ("direct", "/a.jpg?utm_source=x&acl&versionId=3", BUCKET, ""),
        ("direct", "/a.%6Apg", BUCKET, ""),
        ("direct", "/a.jfif", BUCKET, ""),
        ("direct", "/a", LAMBDA, ""),
        ("direct", "/a.svg", LAMBDA, ""),
        ("direct", "/keys.json", LAMBDA, ""),
        ("direct", "/a.jpg?w=300", LAMBDA, "w=300"),
        ("direct", "/a.pdf?w=300", BUCKET, ""),
    ];
    for (originals, url, domain, query) in table {
        let outcome = origin_request(&event("GET", url, &json!({})), &config("lambda", originals), NOW, &keys());
        assert!(outcome.why.contains(domain), "{}", outcome.why);
        let request = forwarded(outcome);
        let Some(Origin::Custom(origin)) = &request.origin else { panic!("{request:?}") };
        assert_eq!((origin.domain_name.as_str(), request.querystring.as_str()), (domain, query), "{originals} {url}");
        assert_eq!(request.headers.single("host"), Some(domain));
        assert_eq!(origin.path, if domain == BUCKET { "/v1" } else { "" });
        assert_eq!(origin.custom_headers.single("x-from-cdn"), Some("1"));
    }
}

#[test]
fn a_version_goes_on_where_the_configuration_says_so() {
    let table = [
        ("strip", "/a.jpg?versionId=a/b&w=300&acl", LAMBDA, "versionId=a%2Fb&w=300"),
        ("strip", "/a.jpg?versionId=3", LAMBDA, "versionId=3"),
        ("direct", "/a.jpg?versionId=3&acl", BUCKET, "versionId=3"),
        ("direct", "/a.pdf?w=300&versionId=3", BUCKET, "versionId=3"),
        ("direct", "/a.pdf?w=300", BUCKET, ""),
    ];
    for (originals, url, domain, query) in table {
        let mut document = document("lambda", originals);
        document["versions"] = json!(true);
        let config = Config::from_json(&document.to_string()).unwrap();
        let request = forwarded(origin_request(&event("GET", url, &json!({})), &config, NOW, &keys()));
        let Some(Origin::Custom(origin)) = &request.origin else { panic!("{request:?}") };
        assert_eq!((origin.domain_name.as_str(), request.querystring.as_str()), (domain, query), "{originals} {url}");
    }
}

#[test]
fn the_configuration_says_which_files_come_from_the_bucket() {
    let mut config = config("lambda", "strip");
    config.origins.files = vec!["json".to_owned()];
    for (url, domain) in [("/a.json", BUCKET), ("/a.JSON?w=1", BUCKET), ("/a.pdf", LAMBDA), ("/json", LAMBDA)] {
        let request = forwarded(origin_request(&event("GET", url, &json!({})), &config, NOW, &keys()));
        assert_eq!(request.headers.single("host"), Some(domain), "{url}");
    }
}

#[test]
fn what_is_sent_is_what_was_signed() {
    let paths = [
        ("/a.jpg", "/a.jpg", "/a.jpg"),
        ("/a b+c(1)'!*,=&.jpg", "/a%20b%2Bc%281%29%27%21%2A%2C%3D%26.jpg", "/a%20b%2Bc%281%29%27%21%2A%2C%3D%26.jpg"),
        ("/%41%7e%2520.jpg", "/A~%2520.jpg", "/A~%2520.jpg"),
        ("/ä/日本.jpg", "/%C3%A4/%E6%97%A5%E6%9C%AC.jpg", "/%C3%A4/%E6%97%A5%E6%9C%AC.jpg"),
        ("//a//b.jpg", "//a//b.jpg", "//a//b.jpg"),
        ("/a/../b/./c.jpg", "/a/../b/./c.jpg", "/b/c.jpg"),
        ("/a./b../c...jpg", "/a./b../c...jpg", "/a./b../c...jpg"),
        ("/%ff%zz.jpg", "/%FF%25zz.jpg", "/%FF%25zz.jpg"),
    ];
    for (path, to_s3, to_others) in paths {
        for (transformer, expected) in [("lambda", to_others), ("s3-object-lambda", to_s3), ("none", to_others)] {
            for method in ["GET", "HEAD"] {
                let config = config(transformer, "strip");
                let url = format!("{path}?crop=1,2,3,4&width=30%30&w&crop=+%2B");
                let request = forwarded(origin_request(&event(method, &url, &json!({})), &config, NOW, &keys()));
                assert_eq!(request.uri, expected, "{transformer}");
                assert_eq!(request.querystring, "crop=%20%2B&w=");
                // CloudFront adds this one on its way out.
                let mut received = request.headers.clone();
                received.set("X-Amz-Cf-Id", "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==");
                let signable = Signable { method, path: &request.uri, query: &request.querystring };
                let target = &config.origins.transformer;
                let verdict = verify(signable, &received, target, keys().credentials.as_ref().unwrap(), NOW);
                assert_eq!(verdict, Ok(()), "{transformer} {path}");
                assert!(!request.headers.contains("x-amz-cf-id"), "no function may add it");
            }
        }
    }
}

#[test]
fn the_bucket_is_asked_with_a_signature_and_no_query() {
    let config = config("lambda", "direct");
    let request = forwarded(origin_request(&event("GET", "/a b.pdf?acl&page=1", &json!({})), &config, NOW, &keys()));
    let mut received = request.headers.clone();
    received.set("x-amz-cf-id", "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==");
    let signable = Signable { method: "GET", path: "/v1/a%20b.pdf", query: "" };
    let storage = config.origins.storage.as_ref().unwrap();
    assert_eq!(verify(signable, &received, storage, keys().credentials.as_ref().unwrap(), NOW), Ok(()));
    let names: Vec<_> = received.iter().map(|(name, _)| name).filter(|name| name.starts_with("x-amz-")).collect();
    assert_eq!(names, ["x-amz-cf-id", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"]);
    assert_eq!(received.single("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
}

#[test]
fn nothing_of_the_viewer_goes_on() {
    let headers = json!({
        "authorization": "Bearer x", "cookie": "a=b", "x-forwarded-host": "evil", "forwarded": "for=1", "x-amz-acl": "public-read",
        "x-amz-security-token": "mine", "x-real-ip": "1.2.3.4", "cloudfront-viewer-address": "1.2.3.4", "referer": "https://x/",
        "origin": "https://x", "x-amzn-trace-id": "x", "x-user-id": "admin",
        "accept": "image/avif", "range": "bytes=0-1", "if-none-match": "\"x\"", "accept-encoding": "gzip",
    });
    for (transformer, signature) in [("lambda", true), ("s3-object-lambda", true), ("none", false)] {
        let request =
            forwarded(origin_request(&event("GET", "/a.jpg", &headers), &config(transformer, "strip"), NOW, &keys()));
        let names: Vec<_> = request.headers.iter().map(|(name, _)| name).collect();
        let mut expected =
            vec!["accept", "accept-encoding", "cache-control", "host", "if-none-match", "range", "user-agent", "via"];
        if signature {
            expected.extend(["authorization", "x-amz-date", "x-amz-security-token"]);
        }
        if transformer == "s3-object-lambda" {
            expected.push("x-amz-content-sha256");
        }
        expected.sort_unstable();
        assert_eq!(names, expected, "{transformer}");
        assert_eq!(request.headers.single("x-amz-security-token").is_some(), signature);
        assert_ne!(request.headers.single("authorization"), Some("Bearer x"));
    }
}

#[test]
fn what_cannot_go_on_is_answered() {
    let table = [
        ("POST", "/a.jpg", keys(), "405"),
        ("GET", "a.jpg", keys(), "400"),
        ("GET", "/a.jpg", Keys::default(), "500"),
        (
            "GET",
            "/a.jpg",
            Keys {
                credentials: Some(Credentials {
                    access_key_id: "a".to_owned(),
                    secret_access_key: "b".to_owned(),
                    session_token: Some("line\nbreak".to_owned()),
                }),
                ..Keys::default()
            },
            "500",
        ),
    ];
    for (method, url, keys, expected) in table {
        let outcome = origin_request(&event(method, url, &json!({})), &config("lambda", "strip"), NOW, &keys);
        let Action::Respond(response) = outcome.action else { panic!("{method} {url} passed") };
        assert_eq!(response.status, expected, "{method} {url}");
        assert!(!response.body.unwrap().contains("credentials"));
    }
}
