//! Whatever comes in, a function answers, and what it lets pass has the form that it promises.

use std::sync::LazyLock;

use image_origin_edge::{
    Action, Cf, Config, Edge, Keys, Query, origin_request, origin_response, reencode_path, sign_url, verify_url,
    viewer_request, viewer_response,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"a secret for signing urls, 32 bytes or more";

static CONFIG: LazyLock<String> = LazyLock::new(|| {
    json!({
        "rules": [
            {"path": "/users/{sub}/*", "allow": ["jwt", "token"]},
            {"path": "/signed/*", "allow": ["signed-url"]},
            {"path": "/*", "allow": ["public"]},
        ],
        "jwt": {"cookie": "session", "issuers": [{"issuer": "https://login.example.com/", "audiences": ["images"]}]},
        "origins": {
            "transformer": {"service": "lambda", "domain": "abc.lambda-url.eu-west-1.on.aws", "region": "eu-west-1"},
            "storage": {"service": "s3", "domain": "b.s3.eu-west-1.amazonaws.com", "region": "eu-west-1"},
        },
    })
    .to_string()
});

fn keys() -> String {
    let keys: Value = serde_json::from_str(include_str!("../../../../fixtures/jwt/keys.json")).unwrap();
    let secret = std::str::from_utf8(SECRET).unwrap();
    json!({"jwks": {"https://login.example.com/": keys["jwks"]}, "url_secrets": [{"name": "a", "secret": secret}]})
        .to_string()
}

/// Any JSON, with the names of events among its own.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((event_name(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn event_name() -> impl Strategy<Value = String> {
    let names = [
        "Records", "cf", "config", "request", "response", "headers", "uri", "method", "origin", "custom", "key",
        "value",
    ];
    prop_oneof![proptest::sample::select(names.to_vec()).prop_map(str::to_owned), any_text()]
}

fn any_text() -> impl Strategy<Value = String> {
    let pieces = [
        "/",
        "//",
        ".",
        "..",
        "%",
        "%2e",
        "%2F",
        "%25",
        "%00",
        "%ff",
        "%C3%A4",
        "ä",
        "\\",
        "\0",
        "\u{202e}",
        "😀",
        "?",
        "&",
        "=",
        "+",
        ";",
        "Bearer ",
        "eyJhbGciOiJSUzI1NiJ9",
        "session=",
        "token=",
        "w=",
        "format=auto",
        "users",
        "signed",
        "alice",
        "a",
        ".jpg",
        ".pdf",
        "signature=",
        "expires=1",
        "GET",
        "HEAD",
        "viewer-request",
        "origin-request",
        "origin-response",
        "200",
        "404",
        "\"",
        ",",
        "q=0",
        "image/avif",
        "\n",
    ];
    vec(
        prop_oneof![
            proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
            any::<char>().prop_map(String::from)
        ],
        0..10,
    )
    .prop_map(|texts| texts.concat())
}

/// An event in the form that CloudFront promises, with any texts in it.
fn any_event() -> impl Strategy<Value = Value> {
    let trigger = proptest::sample::select(vec!["viewer-request", "origin-request", "origin-response"]);
    let headers = proptest::collection::btree_map(
        prop_oneof![
            proptest::sample::select(vec!["authorization", "cookie", "accept", "x-amz-date", "content-type", "host"])
                .prop_map(str::to_owned),
            any_text()
        ],
        vec(any_text(), 0..3),
        0..5,
    );
    (trigger, prop_oneof![Just("GET".to_owned()), any_text()], any_text(), any_text(), headers, any_text()).prop_map(
        |(trigger, method, path, query, headers, status)| {
            let headers: Value = headers
                .into_iter()
                .map(|(name, values)| {
                    let values: Vec<Value> = values.into_iter().map(|value| json!({"value": value})).collect();
                    (name, Value::from(values))
                })
                .collect::<serde_json::Map<_, _>>()
                .into();
            json!({"Records": [{"cf": {
                "config": {"eventType": trigger, "requestId": "id"},
                "request": {"method": method, "uri": format!("/{path}"), "querystring": query, "headers": headers},
                "response": {"status": status, "headers": headers},
            }}]})
        },
    )
}

fn answer(call: &Value) -> Value {
    let mut edge = Edge::new(&CONFIG, &keys()).unwrap();
    serde_json::from_slice(&edge.call(call.to_string().as_bytes())).unwrap()
}

proptest! {
    #[test]
    fn any_json_is_answered(value in any_json()) {
        let calls = [
            value.clone(),
            json!({"event": {"event": value, "now": NOW}}),
            json!({"learn": {"subject": "key-set https://login.example.com/", "body": value.to_string(), "now": NOW}}),
            json!({"learn": {"subject": "token a", "body": value, "now": NOW}}),
        ];
        for call in calls {
            let answer = answer(&call);
            prop_assert!(["result", "error", "learned"].iter().any(|name| answer.get(name).is_some()), "{}", answer);
        }
        let _ = Config::from_json(&value.to_string());
        let _ = Keys::from_json(&value.to_string());
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..200)) {
        let mut edge = Edge::new(&CONFIG, "{}").unwrap();
        let answer: Value = serde_json::from_slice(&edge.call(&bytes)).unwrap();
        prop_assert!(answer.get("error").is_some());
    }

    #[test]
    fn any_event_is_decided(event in any_event()) {
        let credentials = json!({"access_key_id": "a", "secret_access_key": "b"});
        let answer = answer(&json!({"event": {"event": event, "now": NOW, "credentials": credentials}}));
        prop_assert!(answer["result"]["value"].is_object(), "{}", answer);
    }

    #[test]
    fn what_passes_is_canonical_and_passes_again_unchanged(event in any_event()) {
        let (config, keys) = (Config::from_json(&CONFIG).unwrap(), Keys::from_json(&keys()).unwrap());
        let mut cf: Cf = serde_json::from_value(event["Records"][0]["cf"].clone()).unwrap();
        if let Action::Forward(request) = viewer_request(&cf, &config, NOW, &keys).action {
            prop_assert_eq!(&reencode_path(&request.uri), &request.uri);
            prop_assert!(!request.uri.split('/').any(|segment| segment == "." || segment == ".."));
            prop_assert_eq!(&Query::parse(&request.querystring).canonical(), &request.querystring);
            prop_assert!(!request.headers.contains("authorization") && !request.headers.contains("cookie"));
            cf.request = *request.clone();
            match viewer_request(&cf, &config, NOW, &keys).action {
                Action::Forward(again) => prop_assert_eq!(&again, &request),
                // What a credential opened stays closed without it.
                Action::Respond(_) => prop_assert!(request.uri.starts_with("/users/") || request.uri.starts_with("/signed/")),
            }
        }
        let _ = origin_request(&cf, &config, NOW, &keys);
        let _ = origin_response(&cf, &config, NOW, &keys);
        let _ = viewer_response(&cf, &config, NOW, &keys);
    }

    #[test]
    fn what_is_signed_is_good(path in any_text(), query in any_text(), expires in 1_u64..5_000_000_000) {
        let written = format!("/{}?{query}", path.replace('?', ""));
        if let Ok(signed) = sign_url(&written, expires, SECRET) {
            prop_assert_eq!(verify_url(&signed, expires - 1, &[SECRET]), Ok(0), "{}", signed);
            prop_assert!(verify_url(&signed, expires, &[SECRET]).is_err());
            prop_assert!(verify_url(&signed, expires - 1, &[b"another"]).is_err());
        }
    }
}
