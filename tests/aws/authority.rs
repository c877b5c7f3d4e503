//! Servers without a CDN and the local CDN, in front of servers that know more than they do: an issuer that publishes its keys,
//! an authorization server that is asked about tokens, and the Parameter Store that holds the keys. All are real endpoints
//! in this process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode};
use image_origin_edge::sign_url;
use serde_json::{Value, json};

use super::policy::{Policed, as_toml};
use super::signature;
use crate::common::{Server, fixtures};

const ISSUER: &str = "https://login.example.com/";
const SECRET: &str = "a secret for signing urls, 32 bytes or more";
const TOKEN: &str = "correct horse battery staple";

/// What the endpoints answer, and how often they were asked.
#[derive(Default)]
struct Answers {
    /// The key set; absent for 500.
    jwks: Option<Value>,
    /// What is said of tokens; absent for 500.
    tokens: Option<Value>,
    parameter: String,
    asked: Asked,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Asked {
    jwks: usize,
    tokens: usize,
    parameters: usize,
}

#[derive(Clone, Default)]
struct Authority(Arc<Mutex<Answers>>);

impl Authority {
    fn start(self) -> Server {
        let router = Router::new()
            .route("/jwks", get(jwks))
            .route("/introspect", post(introspect))
            .route("/", post(parameter))
            .with_state(self);
        Server::serving(router)
    }

    fn asked(&self) -> Asked {
        self.0.lock().unwrap().asked
    }

    fn set(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.0.lock().unwrap());
    }
}

async fn jwks(State(Authority(answers)): State<Authority>) -> axum::response::Response {
    let mut answers = answers.lock().unwrap();
    answers.asked.jwks += 1;
    match &answers.jwks {
        Some(jwks) => axum::Json(jwks.clone()).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn introspect(
    State(Authority(answers)): State<Authority>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let mut answers = answers.lock().unwrap();
    answers.asked.tokens += 1;
    let basic = format!("Basic {}", STANDARD.encode("origin:a%20secret%3A"));
    if headers["authorization"] != basic.as_str() || headers["content-type"] != "application/x-www-form-urlencoded" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    assert_eq!(form[0].0, "token");
    match &answers.tokens {
        Some(tokens) => {
            let told = tokens.get(&form[0].1).cloned().unwrap_or_else(|| json!({"active": false}));
            axum::Json(told).into_response()
        }
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn parameter(
    State(Authority(answers)): State<Authority>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let mut answers = answers.lock().unwrap();
    answers.asked.parameters += 1;
    let is_signed = signature::is_of(&headers, "POST", "/", "ssm", &body);
    let document: Value = serde_json::from_slice(&body).unwrap();
    let is_asked = headers["x-amz-target"] == "AmazonSSM.GetParameter" && document["WithDecryption"] == true;
    if !is_signed || !is_asked {
        return (StatusCode::BAD_REQUEST, r#"{"__type":"IncompleteSignatureException"}"#).into_response();
    }
    match document["Name"].as_str() {
        Some("/images/keys") => axum::Json(json!({"Parameter": {"Value": answers.parameter}})).into_response(),
        _ => (StatusCode::BAD_REQUEST, r#"{"__type":"com.amazonaws.ssm#ParameterNotFound"}"#).into_response(),
    }
}

fn jwt_keys() -> Value {
    serde_json::from_slice(&std::fs::read(fixtures().join("jwt/keys.json")).unwrap()).unwrap()
}

/// The tokens that another implementation made, by name.
fn token(name: &str) -> String {
    let tokens: Vec<Value> =
        serde_json::from_slice(&std::fs::read(fixtures().join("jwt/tokens.json")).unwrap()).unwrap();
    tokens.iter().find(|token| token["name"] == name).unwrap()["token"].as_str().unwrap().to_owned()
}

fn rules(authority: SocketAddr) -> Value {
    json!({
        "rules": [
            {"path": "/jpeg/*", "allow": ["jwt"]},
            {"path": "/{username}/*", "allow": ["introspect"]},
        ],
        "jwt": {"issuers": [{"issuer": ISSUER, "audiences": ["images"], "jwks_uri": format!("http://{authority}/jwks")}]},
        "introspection": {
            "url": format!("http://{authority}/introspect"), "cookie": "session", "cache_seconds": 2, "stale_seconds": 4,
        },
    })
}

fn keys() -> Value {
    json!({"introspection": {"client_id": "origin", "client_secret": "a secret:"}})
}

fn folder(rules: &Value, keys: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("edge.toml", as_toml(rules)),
        ("keys.json", keys.to_string()),
        ("settings.toml", "deadline = 120\n".to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn bearer(token: &str) -> [(&'static str, String); 1] {
    [("authorization", format!("Bearer {token}"))]
}

fn status(server: &Policed, url: &str, token: &str) -> u16 {
    let [(name, value)] = bearer(token);
    server.get(url, &[(name, &value)]).status
}

#[track_caller]
fn wait_until(what: impl Fn() -> bool) {
    let started = Instant::now();
    while !what() {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// With and without the CDN of a laptop.
const HANDLERS: [&[&str]; 2] = [&[], &["--cdn"]];

#[test]
fn published_key_sets_are_fetched_at_the_start_and_for_keys_that_are_unknown() {
    for flags in HANDLERS {
        let authority = Authority::default();
        let rsa = |keys: &Value| json!({"keys": [keys["jwks"]["keys"][0]]});
        authority.set(|answers| answers.jwks = Some(rsa(&jwt_keys())));
        let endpoint = authority.clone().start();
        let folder = folder(&rules(endpoint.address), &keys());
        let started = Instant::now();
        let server = Policed::serve_with(folder.path(), flags, &[]);
        wait_until(|| authority.asked().jwks >= 1);
        // One lookup a minute for unknown keys, and a minute has begun at the start. Clocks count whole seconds.
        let at_most = || 1 + started.elapsed().as_secs() as usize / 59;
        for name in ["RS256", "list of audiences"] {
            assert_eq!(status(&server, "/jpeg/444.jpg?w=8", &token(name)), 200, "{name} {flags:?}");
        }
        for _ in 0..20 {
            assert_eq!(status(&server, "/jpeg/444.jpg?w=8", &token("RS256")), 200);
        }
        assert!(authority.asked().jwks <= at_most(), "a known key needs no lookup");
        for name in ["ES256", "EdDSA", "ES256"] {
            assert_eq!(status(&server, "/jpeg/444.jpg?w=8", &token(name)), 401, "{name} {flags:?}");
        }
        assert!(authority.asked().jwks <= at_most(), "{:?}", authority.asked());
        let log = server.log();
        assert!(!log.contains("a secret"), "{log}");
    }
}

#[test]
fn a_key_set_that_cannot_be_fetched_lets_nobody_pass_and_packaged_keys_stay() {
    let authority = Authority::default();
    let endpoint = authority.clone().start();
    let mut keys = keys();
    keys["jwks"] = json!({ISSUER: {"keys": [jwt_keys()["jwks"]["keys"][1]]}});
    let folder = folder(&rules(endpoint.address), &keys);
    let server = Policed::serve_with(folder.path(), &[], &[]);
    wait_until(|| authority.asked().jwks == 1);
    assert_eq!(status(&server, "/jpeg/444.jpg?w=8", &token("ES256")), 200);
    assert_eq!(status(&server, "/jpeg/444.jpg?w=8", &token("RS256")), 401);
    wait_until(|| server.log().contains("a lookup for the access rules has failed"));
    assert!(server.log().contains("the status is 500"), "{}", server.log());
}

#[test]
fn opaque_tokens_are_asked_about_and_the_answers_are_kept_for_their_time() {
    for flags in HANDLERS {
        let authority = Authority::default();
        let told = json!({
            "png's token": {"active": true, "username": "png", "exp": 4_000_000_000_u64},
            "gif's token": {"active": true, "username": "gif"},
            "an old one": {"active": true, "username": "png", "exp": 1},
        });
        authority.set(|answers| answers.tokens = Some(told.clone()));
        let endpoint = authority.clone().start();
        // What is kept for longer than any test takes is asked for once.
        let mut rules = rules(endpoint.address);
        rules["introspection"]["cache_seconds"] = 600.into();
        let kept = folder(&rules, &keys());
        let keeping = Policed::serve_with(kept.path(), flags, &[]);
        let table = [
            ("/png/rgb-8.png?w=8", "png's token", 200),
            ("/gif/still.gif?w=8", "gif's token", 200),
            ("/gif/still.gif?w=8", "png's token", 403),
            ("/png/rgb-8.png?w=8", "made up", 401),
            ("/png/rgb-8.png?w=8", "an old one", 401),
        ];
        for (url, token, expected) in table {
            assert_eq!(status(&keeping, url, token), expected, "{url} {token} {flags:?}");
        }
        assert_eq!(authority.asked().tokens, 4, "one for each token");
        rules["introspection"]["cache_seconds"] = 2.into();
        let forgotten = folder(&rules, &keys());
        let server = Policed::serve_with(forgotten.path(), flags, &[]);
        let cookie = server.get("/png/rgb-8.png?w=8", &[("cookie", "session=\"png's token\"")]);
        assert_eq!((cookie.status, cookie.header("cache-control").unwrap().starts_with("private")), (200, true));
        // The server forgets a token: so does the origin, in two seconds.
        authority.set(|answers| answers.tokens = Some(json!({"gif's token": told["gif's token"]})));
        wait_until(|| status(&server, "/png/rgb-8.png?w=8", "png's token") == 401);
        // The server fails: what it has said counts for some time, and nobody else passes.
        assert_eq!(status(&server, "/gif/still.gif?w=8", "gif's token"), 200);
        authority.set(|answers| answers.tokens = None);
        let refused = server.get("/png/rgb-8.png?w=8", &[("authorization", "Bearer another")]);
        assert_eq!(refused.outcome(), (503, "authorization_unavailable".to_owned()), "{flags:?}");
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        assert_eq!(refused.header("retry-after"), Some("2"));
        wait_until(|| server.log().contains("a lookup for the access rules has failed"));
        wait_until(|| status(&server, "/gif/still.gif?w=8", "gif's token") == 503);
        authority.set(|answers| answers.tokens = Some(told));
        wait_until(|| status(&server, "/gif/still.gif?w=8", "gif's token") == 200);
        let log = keeping.log() + &server.log();
        for secret in ["a secret", "a%20secret", "png's token", "Basic"] {
            assert!(!log.contains(secret), "{secret}: {log}");
        }
    }
}

#[test]
fn an_authorization_server_that_does_not_answer_holds_up_nobody_for_long() {
    // It accepts connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder(&rules(silent.local_addr().unwrap()), &keys());
    let server = Policed::serve_with(folder.path(), &[], &[]);
    let started = Instant::now();
    assert_eq!(status(&server, "/png/rgb-8.png?w=8", "opaque"), 503);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn keys_come_from_a_parameter_or_from_the_setting() {
    let authority = Authority::default();
    let parameter = |token: &str| json!({"tokens": [{"name": "a", "secret": token}]}).to_string();
    authority.set(|answers| answers.parameter = parameter(TOKEN));
    let endpoint = authority.clone().start();
    let url = format!("http://{}", endpoint.address);
    let rules = json!({"rules": [{"path": "/*", "allow": ["token"]}]});
    let folder = folder(&rules, &json!({}));
    let environment = [("IMAGE_ORIGIN_EDGE_KEYS", "ssm:/images/keys"), ("AWS_ENDPOINT_URL_SSM", url.as_str())];
    let server = Policed::serve_with(folder.path(), &[], &environment);
    assert_eq!(status(&server, "/photo.jpg?w=8", TOKEN), 200);
    assert_eq!(status(&server, "/photo.jpg?w=8", "another horse battery staple"), 401);
    authority.set(|answers| answers.parameter = parameter("another horse battery staple"));
    server.hang_up();
    wait_until(|| status(&server, "/photo.jpg?w=8", "another horse battery staple") == 200);
    assert_eq!(status(&server, "/photo.jpg?w=8", TOKEN), 401);
    assert!(!server.log().contains("horse"), "{}", server.log());

    let missing = [("IMAGE_ORIGIN_EDGE_KEYS", "ssm:/images/others"), ("AWS_ENDPOINT_URL_SSM", url.as_str())];
    let refused = Policed::refused(folder.path(), &[], &missing);
    assert!(refused.contains("ssm:/images/others: Systems Manager responded with 400 ParameterNotFound"), "{refused}");

    let inline = parameter(TOKEN);
    let server = Policed::serve_with(folder.path(), &[], &[("IMAGE_ORIGIN_EDGE_KEYS", &inline)]);
    assert_eq!(status(&server, "/photo.jpg?w=8", TOKEN), 200);
    let wrong = "{\"tokens\": [{\"name\": \"a\", \"secret\": \"too short\"}]}";
    let refused = Policed::refused(folder.path(), &[], &[("IMAGE_ORIGIN_EDGE_KEYS", wrong)]);
    assert!(refused.contains("the keys in `edge_keys`: tokens[0].secret: takes at least 20 bytes"), "{refused}");
    assert!(!refused.contains("too short"), "{refused}");
}

/// A token of `kid` with this header and these claims; the signature is an HMAC with `secret`, or the given one.
fn forged(header: &Value, claims: &str, secret: Option<&[u8]>) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
    let signature = secret.map_or_else(Vec::new, |secret| {
        let mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap().chain_update(&signed);
        mac.finalize().into_bytes().to_vec()
    });
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn attacks_by_tokens_fail() {
    let keys = jwt_keys();
    let secret = URL_SAFE_NO_PAD.decode(keys["hmac"]["k"].as_str().unwrap()).unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(keys["jwks"]["keys"][0]["n"].as_str().unwrap()).unwrap();
    let mut set = keys["jwks"].clone();
    set["keys"].as_array_mut().unwrap().push(keys["hmac"].clone());
    let rules = json!({
        "rules": [{"path": "/{sub}/*", "allow": ["jwt"]}, {"path": "/photo.jpg", "allow": ["jwt"]}],
        "jwt": {"cookie": "session", "issuers": [{"issuer": ISSUER, "audiences": ["images"]}]},
    });
    let folder = folder(&rules, &json!({"jwks": {ISSUER: set}}));
    let server = Policed::serve_with(folder.path(), &[], &[]);
    let head = |change: Value| {
        let mut header = json!({"alg": "HS256", "typ": "JWT", "kid": "hmac"});
        header.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        header
    };
    let claims = |change: Value| {
        let mut claims = json!({"iss": ISSUER, "aud": "images", "sub": "alice", "exp": 4_000_000_000_u64});
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims.to_string()
    };
    let signed = |header: Value, with: Value| forged(&head(header), &claims(with), Some(&secret));
    let none = json!({});
    let good = signed(none.clone(), none.clone());
    let (rs256, es256, eddsa) = (token("RS256"), token("ES256"), token("EdDSA"));
    for token in [&good, &rs256, &es256, &eddsa, &token("list of audiences")] {
        assert_eq!(status(&server, "/photo.jpg?w=8", token), 200, "{token}");
    }
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (rsa, ecdsa) = (parts(&rs256), parts(&es256));
    let twice = |member: &str| {
        forged(&head(none.clone()), &claims(none.clone()).replacen('{', &format!("{{{member},"), 1), Some(&secret))
    };
    let table: Vec<(&str, String, &str)> = vec![
        ("no algorithm", forged(&head(json!({"alg": "none"})), &claims(none.clone()), None), "unauthorized"),
        (
            "no algorithm, in capitals",
            forged(&head(json!({"alg": "NONE"})), &claims(none.clone()), None),
            "unauthorized",
        ),
        ("no algorithm, with a signature", signed(json!({"alg": "none"}), none.clone()), "unauthorized"),
        ("no signature", forged(&head(none.clone()), &claims(none.clone()), None), "unauthorized"),
        ("another algorithm of the family", signed(json!({"alg": "HS512"}), none.clone()), "unauthorized"),
        ("the algorithm in lower case", signed(json!({"alg": "hs256"}), none.clone()), "unauthorized"),
        ("the algorithm of another key", signed(json!({"kid": "rsa"}), none.clone()), "unauthorized"),
        (
            "an RSA key as the secret",
            forged(&head(json!({"kid": "rsa"})), &claims(none.clone()), Some(&modulus)),
            "unauthorized",
        ),
        (
            "an RSA key as the secret, by its kid",
            forged(&head(none.clone()), &claims(none.clone()), Some(&modulus)),
            "unauthorized",
        ),
        ("an empty secret", forged(&head(none.clone()), &claims(none.clone()), Some(b"")), "unauthorized"),
        ("an unknown key", signed(json!({"kid": "other"}), none.clone()), "unauthorized"),
        ("no kid where there are several keys", signed(json!({"kid": null}), none.clone()), "unauthorized"),
        ("a path as kid", signed(json!({"kid": "../../dev/null"}), none.clone()), "unauthorized"),
        ("a kid of another type", signed(json!({"kid": ["hmac"]}), none.clone()), "unauthorized"),
        (
            "a key in the token",
            forged(&head(json!({"kid": null, "jwk": keys["hmac"]})), &claims(none.clone()), Some(&secret)),
            "unauthorized",
        ),
        (
            "a key set elsewhere",
            signed(json!({"kid": "x", "jku": "http://127.0.0.1:1/jwks"}), none.clone()),
            "unauthorized",
        ),
        ("a critical extension", signed(json!({"crit": ["b64"], "b64": false}), none.clone()), "unauthorized"),
        ("another type", signed(json!({"typ": "JWE"}), none.clone()), "unauthorized"),
        ("another issuer", signed(none.clone(), json!({"iss": "https://evil.example/"})), "unauthorized"),
        (
            "an issuer without its slash",
            signed(none.clone(), json!({"iss": "https://login.example.com"})),
            "unauthorized",
        ),
        ("no issuer", signed(none.clone(), json!({"iss": null})), "unauthorized"),
        ("another audience", signed(none.clone(), json!({"aud": "mail"})), "unauthorized"),
        ("no audience", signed(none.clone(), json!({"aud": null})), "unauthorized"),
        ("an audience of another type", signed(none.clone(), json!({"aud": {"images": true}})), "unauthorized"),
        ("expired", signed(none.clone(), json!({"exp": 1})), "token_expired"),
        ("no expiry", signed(none.clone(), json!({"exp": null})), "unauthorized"),
        ("an expiry of another type", signed(none.clone(), json!({"exp": "4000000000"})), "unauthorized"),
        ("not valid yet", signed(none.clone(), json!({"nbf": 4_000_000_000_u64})), "unauthorized"),
        ("two issuers", twice("\"iss\":\"https://evil.example/\""), "unauthorized"),
        ("two subjects", twice("\"sub\":\"bob\""), "unauthorized"),
        ("the signature of another token", format!("{}.{}.{}", rsa[0], rsa[1], ecdsa[2]), "unauthorized"),
        ("the claims of another token", format!("{}.{}.{}", ecdsa[0], parts(&good)[1], ecdsa[2]), "unauthorized"),
        ("a shortened signature", rs256[..rs256.len() - 4].to_owned(), "unauthorized"),
        ("padding", format!("{rs256}="), "unauthorized"),
        ("two parts", format!("{}.{}", rsa[0], rsa[1]), "unauthorized"),
        ("five parts", format!("{rs256}.a.b"), "unauthorized"),
        ("ten thousand bytes", format!("{}.{}", "x".repeat(10_000), rsa[1]), "unauthorized"),
    ];
    assert!(table.len() >= 36);
    for (name, token, code) in table {
        let refused = server.get("/photo.jpg?w=8", &[("authorization", &format!("Bearer {token}"))]);
        assert_eq!(refused.outcome(), (401, code.to_owned()), "{name}: {token}");
        let cookie = server.get("/photo.jpg?w=8", &[("cookie", &format!("session={token}"))]);
        assert_eq!(cookie.status, 401, "{name} in a cookie: {token}");
        let folder = server.get("/alice/photo.jpg", &[("authorization", &format!("Bearer {token}"))]);
        assert_eq!(folder.status, 401, "{name}");
    }
    let others = server.get("/bob/photo.jpg", &[("authorization", &format!("Bearer {good}"))]);
    assert_eq!(others.outcome(), (403, "forbidden".to_owned()));
}

#[test]
fn attacks_by_signed_urls_fail() {
    let rules = json!({"rules": [{"path": "/*", "allow": ["signed-url"]}]});
    let keys = json!({"url_secrets": [{"name": "a", "secret": "b".repeat(32)}, {"name": "b", "secret": SECRET}]});
    let folder = folder(&rules, &keys);
    let server = Policed::serve_with(folder.path(), &[], &[]);
    let sign = |path: &str, expires| sign_url(path, expires, SECRET.as_bytes()).unwrap();
    let never = 9_999_999_999;
    let signed = sign("/photo.jpg?w=8", never);
    let original = sign("/photo.jpg", never);
    let signature = signed.split_once("signature=").unwrap().1.to_owned();
    let good = [
        signed.clone(),
        original.clone(),
        sign_url("/photo.jpg?w=8", never, "b".repeat(32).as_bytes()).unwrap(),
        format!("{signed}&utm_source=x"),
        signed.replace("w=8", "width=08"),
        signed.replace("/photo.jpg", "/%70hoto.jpg"),
    ];
    for url in good {
        assert_eq!(server.get(&url, &[]).status, 200, "{url}");
    }
    let table = [
        ("none", "/photo.jpg?w=8".to_owned(), "signature_invalid"),
        ("another size", signed.replace("w=8", "w=9"), "signature_invalid"),
        ("a further parameter", format!("{signed}&h=9"), "signature_invalid"),
        ("a parameter less", signed.replace("w=8&", ""), "signature_invalid"),
        ("a parameter more than none", original.replacen('?', "?w=8&", 1), "signature_invalid"),
        ("another picture", signed.replace("photo.jpg", "photo.png"), "signature_invalid"),
        ("a longer life", signed.replace("expires=9999999999", "expires=9999999998"), "signature_invalid"),
        ("no expiry", signed.replace("&expires=9999999999", ""), "signature_invalid"),
        ("two expiries", format!("{signed}&expires=9999999999"), "signature_invalid"),
        ("two signatures", format!("{signed}&signature={signature}"), "signature_invalid"),
        ("an expiry that is no number", signed.replace("9999999999", "never"), "signature_invalid"),
        ("an expiry of twenty digits", signed.replace("9999999999", "99999999999999999999"), "signature_invalid"),
        ("an empty signature", signed.replace(&signature, ""), "signature_invalid"),
        ("a shortened signature", signed[..signed.len() - 1].to_owned(), "signature_invalid"),
        ("padding", format!("{signed}="), "signature_invalid"),
        ("another secret", sign_url("/photo.jpg?w=8", never, "c".repeat(32).as_bytes()).unwrap(), "signature_invalid"),
        ("the signature of another URL", original.replacen('?', "?w=9&", 1), "signature_invalid"),
        ("an end in the past", sign("/photo.jpg?w=8", 1), "signature_expired"),
        ("a size beyond the same meaning", signed.replace("w=8", "w=8&dpr=2"), "signature_invalid"),
    ];
    for (name, url, code) in table {
        assert_eq!(server.get(&url, &[]).outcome(), (403, code.to_owned()), "{name}: {url}");
    }
    let dots = server.get(&signed.replace("/photo.jpg", "/x/%252e%252e/photo.jpg"), &[]);
    assert!(dots.status >= 400, "{}", dots.status);
}
