use serde_json::{Value, json};

use super::*;

fn good() -> Value {
    json!({
        "rules": [{"path": "/*", "allow": ["public"]}],
        "token": {"cookie": "access"},
        "jwt": {"issuers": [{"issuer": "https://x/", "audiences": ["a"]}]},
        "origins": {
            "transformer": {"service": "lambda", "domain": "abc.lambda-url.eu-west-1.on.aws", "region": "eu-west-1"},
            "storage": {"service": "s3", "domain": "b.s3.eu-west-1.amazonaws.com", "region": "eu-west-1", "path": "/a/b"},
        },
    })
}

fn error_with(pointer: &str, value: Value) -> String {
    let mut config = good();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match config.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        other => panic!("{other}"),
    }
    match Config::from_json(&config.to_string()) {
        Ok(_) => "good".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_good_configuration_is_taken() {
    Config::from_json(&good().to_string()).unwrap();
    for (pointer, value) in [
        ("/rules/0", json!({"path": "/u/{sub}/*", "allow": ["jwt", "signed-url", "token"]})),
        ("/rules/0", json!({"path": "/*", "allow": ["public"], "private": true, "max_age": 0, "s_maxage": 31_536_000})),
        ("/origins/transformer", json!({"service": "none", "domain": "localhost"})),
        ("/origins/originals", json!("direct")),
        ("/origins/storage", json!(null)),
        ("/origins/files", json!([])),
        ("/origins/files", json!(["json", "7z"])),
    ] {
        assert_eq!(error_with(pointer, value.clone()), "good", "{pointer} {value}");
    }
}

#[test]
fn the_documentation_lists_the_files_of_the_default() {
    let documentation = include_str!("../../../../docs/edge.md");
    let listed =
        documentation.split_once("with its location metadata. The default is").unwrap().1.split_once(':').unwrap().0;
    let listed: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
    assert_eq!(Config::from_json(&good().to_string()).unwrap().origins().files, listed);
}

#[test]
fn a_bad_field_is_named() {
    let table = [
        ("/colour", json!(1), "unknown setting `colour`"),
        ("/rules", json!([]), "rules: at least one"),
        ("/rules/0", json!({"path": "/*", "allow": []}), "rules[0].allow: name at least one"),
        ("/rules/0", json!({"path": "/*", "allow": ["publik"]}), "unknown value `publik`"),
        ("/rules/0", json!({"path": "/*", "allow": ["public", "jwt"]}), "rules[0].allow: `public` makes"),
        ("/rules/0", json!({"path": "/a/../b", "allow": ["public"]}), "rules[0].path: has no . or .."),
        (
            "/rules/0",
            json!({"path": "/{sub}/*", "allow": ["token"]}),
            "rules[0].path: only `jwt` and `introspect` know",
        ),
        ("/rules/0", json!({"path": "/*", "allow": ["public"], "if": 1}), "unknown setting `if`"),
        (
            "/rules/0",
            json!({"path": "/*", "allow": ["public"], "max_age": -1}),
            "rules[0].max_age: expected a whole number",
        ),
        (
            "/rules/0",
            json!({"path": "/*", "allow": ["public"], "s_maxage": 31_536_001}),
            "rules[0].s_maxage: takes 0 to 31536000",
        ),
        (
            "/rules/0",
            json!({"path": "/*", "allow": ["public"], "stale_if_error": 31_536_001}),
            "rules[0].stale_if_error: takes",
        ),
        (
            "/rules/0",
            json!({"path": "/*", "allow": ["jwt"], "issuers": ["https://y/"]}),
            "rules[0].issuers: `https://y/` is not",
        ),
        ("/jwt/issuers", json!([{"issuer": "", "audiences": ["a"]}]), "jwt.issuers[0].issuer: is empty"),
        ("/jwt/issuers", json!([{"issuer": "x", "audiences": []}]), "jwt.issuers[0].audiences: name the clients"),
        ("/jwt/issuers", json!([{"issuer": "x"}]), "missing `audiences`"),
        (
            "/jwt/issuers",
            json!([{"issuer": "x", "audiences": ["a"]}, {"issuer": "x", "audiences": ["b"]}]),
            "jwt.issuers[1].issuer: is configured twice",
        ),
        (
            "/jwt/issuers",
            json!([{"issuer": "x", "audiences": ["a"], "jwks_uri": "http://x/"}]),
            "jwt.issuers[0].jwks_uri: must start with https://",
        ),
        ("/jwt/issuers", json!([{"issuer": "x", "audiences": ["a"], "token_use": []}]), "jwt.issuers[0].token_use"),
        ("/jwt/leeway_seconds", json!(3600), "jwt.leeway_seconds: more than 600"),
        ("/jwt/max_token_bytes", json!(10), "jwt.max_token_bytes: takes 256 to 16384"),
        ("/jwt/cookie", json!("a b"), "jwt.cookie: is no name"),
        ("/token/cookie", json!(""), "token.cookie: is no name"),
        ("/origins/transformer/service", json!("s3"), "origins.transformer.service: takes lambda"),
        ("/origins/storage/service", json!("lambda"), "origins.storage.service: takes s3 or none"),
        ("/origins/transformer/region", json!(""), "origins.transformer.region: is needed"),
        (
            "/origins/transformer/read_timeout_seconds",
            json!(61),
            "origins.transformer.read_timeout_seconds: takes 4 to 60",
        ),
        ("/origins/files", json!(["pdf", ".svg"]), "origins.files[1]: `.svg` is not an ending"),
        ("/origins/files", json!(["PDF"]), "origins.files[0]: `PDF` is not an ending"),
        ("/origins/files", json!(["jpg"]), "origins.files[0]: `jpg` is an image's"),
        ("/origins/storage/path", json!("/a/"), "origins.storage.path"),
        ("/origins/storage/path", json!("a"), "origins.storage.path"),
        ("/origins/storage/path", json!("/a/../b"), "origins.storage.path"),
        ("/origins/storage/path", json!("/a b"), "origins.storage.path"),
    ];
    for (pointer, value, expected) in table {
        let error = error_with(pointer, value.clone());
        assert!(error.contains(expected), "{pointer} {value}: {error}");
    }
    let error = error_with("/origins/storage/domain", json!(""));
    assert!(error.contains("origins.storage.domain"), "{error}");
    for domain in ["10.0.0.1", "a:80", "https://a", "A.example", "a..b", "-a.b", "a b"] {
        let error = error_with("/origins/transformer/domain", json!(domain));
        assert!(error.contains("origins.transformer.domain"), "{domain}: {error}");
    }
    let mut several = good();
    several["rules"] = json!([{"path": "/{sub}/*", "allow": ["jwt"]}]);
    several["jwt"]["issuers"] = json!([{"issuer": "x", "audiences": ["a"]}, {"issuer": "y", "audiences": ["a"]}]);
    let error = Config::from_json(&several.to_string()).unwrap_err().to_string();
    assert!(error.contains("rules[0].issuers: name the issuer"), "{error}");
    let mut direct = good();
    direct["origins"] = json!({"transformer": {"service": "none", "domain": "a"}, "originals": "direct"});
    let error = Config::from_json(&direct.to_string()).unwrap_err().to_string();
    assert!(error.contains("origins.originals: `direct` needs origins.storage"), "{error}");
}

#[test]
fn a_rule_that_is_never_reached_is_a_problem() {
    let table: [(&[&str], Option<&str>); 14] = [
        (&["/*", "/private/*"], Some("rules[1].path: is never reached: rules[0] `/*` takes all of it")),
        (&["/private/*", "/*"], None),
        (&["/a/*", "/a/*"], Some("rules[1].path: is never reached")),
        (&["/a/*", "/a/b"], Some("rules[1].path: is never reached")),
        (&["/a/*", "/a"], None),
        (&["/a", "/a/*"], None),
        (&["/a/*", "/*", "/b/c.jpg"], Some("rules[2].path: is never reached: rules[1] `/*`")),
        (&["/press/*.jpg", "/press/a.jpg"], Some("rules[1].path: is never reached")),
        (&["/press/*.jpg", "/press/*.png"], None),
        (&["/press/a*", "/press/ab*/*"], None),
        (&["/press/a*/*", "/press/ab*/*"], Some("rules[1].path: is never reached")),
        (&["/*/x", "/a*/x"], Some("rules[1].path: is never reached")),
        (&["/a*b/x", "/a*/x"], None),
        (&["/A/*", "/a/*"], None),
    ];
    for (paths, expected) in table {
        let rules: Vec<Value> = paths.iter().map(|path| json!({"path": path, "allow": ["public"]})).collect();
        let outcome = error_with("/rules", json!(rules));
        match expected {
            Some(expected) => assert!(outcome.contains(expected), "{paths:?}: {outcome}"),
            None => assert_eq!(outcome, "good", "{paths:?}"),
        }
    }
    let claimed = json!([{"path": "/u/{sub}/*", "allow": ["jwt"]}, {"path": "/u/shared/*", "allow": ["public"]}]);
    assert!(error_with("/rules", claimed).contains("rules[1].path: is never reached: rules[0] `/u/{sub}/*`"));
}

#[test]
fn all_problems_are_told_at_once() {
    let mut config = good();
    config["rules"] = json!([{"path": "x", "allow": []}]);
    config["token"]["cookie"] = json!("");
    let error = Config::from_json(&config.to_string()).unwrap_err().to_string();
    for expected in ["rules[0].allow", "rules[0].path", "token.cookie"] {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_packaged_document_is_what_is_written_if_it_is_good() {
    let json = Config::compile(&good()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), good());
    let mut written = good();
    written["rules"] = json!([]);
    assert!(Config::compile(&written).unwrap_err().to_string().contains("rules: at least one"));
    assert!(Config::compile(&json!([])).is_err());
}
