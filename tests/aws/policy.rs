//! One policy in every handler: a table of requests under several policies, which the functions of the edge decide natively,
//! and then a server and a Lambda function without a CDN in front, with the same answers as an open server gives to what
//! goes on. `fixtures/edge/policies.json` keeps the decisions for the WebAssembly modules (`infra/edge/edge.test.mjs`).
//!
//! `UPDATE_FIXTURES=1 cargo test --test all aws::policy` writes the file anew.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use image_origin::config::Layer;
use image_origin_edge::{Edge, sign_url};
use serde_json::{Value, json};

use super::function_url;
use super::lambda::Function;
use super::program::{Watched, command};
use crate::common::{Response, Server, fixtures, request};

/// When the decisions that are kept are made. None of them depends on it.
const NOW: u64 = 1_800_000_000;
/// The end of time, in the ten digits that there are.
const NEVER: u64 = 9_999_999_999;
const TOKEN: &str = "correct horse battery staple";
const SECRET: &str = "a secret for signing urls, 32 bytes or more";
const JWT_SECRET: &[u8] = b"a secret for tokens of an issuer, 32 bytes or more";
const PRESETS: [(&str, &str); 3] =
    [("card", "w=24&h=24&fit=cover"), ("dark", "brightness=0.5"), ("small", "max_w=16&format=png")];

fn policies() -> [Value; 3] {
    let issuers = json!([{"issuer": "https://login.example.com/", "audiences": ["images"]}]);
    let rules = [
        json!({
            "rules": [
                {"path": "/photo.jpg", "allow": ["public"], "max_age": 60},
                {"path": "/gif/*", "allow": ["token", "signed-url"]},
                {"path": "/webp/*", "allow": ["signed-url"]},
                {"path": "/names/*", "allow": ["public"], "private": true},
                {"path": "/{sub}/*", "allow": ["jwt"]},
            ],
            "token": {"cookie": "access"},
            "jwt": {"cookie": "session", "issuers": issuers},
        }),
        json!({
            "rules": [
                {"path": "/photo.jpg", "allow": ["public"], "limits": {
                    "presets_only": true, "parameters": ["dpr", "v"], "dprs": [1, 1.5], "default_preset": "small",
                }},
                {"path": "/photo.png", "allow": ["public"], "limits": {}},
                {"path": "/*", "allow": ["public"]},
            ],
            "limits": {
                "widths": [16, 32], "on_other": "snap", "qualities": [50], "formats": ["webp", "auto"], "max_pixels": 400,
            },
        }),
        json!({
            "rules": [
                {"path": "/png/*", "allow": ["public"], "limits": {"force": "w=8&q=9", "lifted_by_signature": true}},
                {"path": "/jpeg/*", "allow": ["token"], "limits": {"parameters": ["w"], "widths": [16]}},
                {"path": "/*", "allow": ["public"], "limits": {"max_width": 20, "parameters": ["w", "format"]}},
            ],
        }),
    ];
    rules.map(|mut config| {
        config["origins"] = json!({"transformer": {"service": "none", "domain": "localhost"}});
        config
    })
}

fn keys() -> Value {
    let key = json!({"kty": "oct", "alg": "HS256", "kid": "a", "k": URL_SAFE_NO_PAD.encode(JWT_SECRET)});
    json!({
        "tokens": [{"name": "spring", "secret": TOKEN}],
        "url_secrets": [{"name": "a", "secret": SECRET}],
        "jwks": {"https://login.example.com/": {"keys": [key]}},
    })
}

/// The keys as far as a policy has a use for them: others are an error.
fn keys_for(config: &Value) -> Value {
    let mut keys = keys();
    if config["jwt"].is_null() {
        keys["jwks"] = json!({});
    }
    keys
}

/// A token of the issuer for the folder of this name.
fn jwt(sub: &str, exp: u64) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": "https://login.example.com/", "aud": "images", "sub": sub, "exp": exp});
    let signed = format!("{}.{}", part(json!({"alg": "HS256", "typ": "JWT", "kid": "a"})), part(claims));
    let mac = Hmac::<sha2::Sha256>::new_from_slice(JWT_SECRET).unwrap().chain_update(&signed);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// What a viewer shows beside the URL.
#[derive(Clone, Copy)]
enum Shows {
    Nothing,
    Token,
    WrongToken,
    Cookie,
    Jwt(&'static str),
    OldJwt,
    Accept(&'static str),
    /// The URL is signed, until then.
    Signature(u64),
}

use Shows::{Accept, Cookie, Jwt, Nothing, OldJwt, Signature, Token, WrongToken};

/// A policy, a URL, what is shown, and what goes on, or the status and code of the refusal.
type Case = (usize, &'static str, Shows, Result<&'static str, (u16, &'static str)>);

#[rustfmt::skip]
const CASES: &[Case] = &[
    (0, "/photo.jpg?w=20", Nothing, Ok("/photo.jpg?w=20")),
    (0, "/photo.jpg?width=010&dpr=2&fit=inside&utm_source=x", Nothing, Ok("/photo.jpg?w=20")),
    (0, "/%70hoto.jpg?w=20", Nothing, Ok("/photo.jpg?w=20")),
    (0, "/x/../photo.jpg?w=20", Nothing, Ok("/photo.jpg?w=20")),
    (0, "//photo.jpg?w=20", Nothing, Err((400, "bad_path"))),
    (0, "/PHOTO.jpg?w=20", Nothing, Err((400, "bad_path"))),
    (0, "/photo.jpg?w=abc", Nothing, Ok("/photo.jpg?w=abc")),
    (0, "/photo.jpg?w=20&format=auto", Accept("image/webp"), Ok("/photo.jpg?format=auto&w=20")),
    (0, "/photo.jpg?preset=card", Nothing, Ok("/photo.jpg?preset=card")),
    (0, "/photo.jpg?preset=card,dark&h=9", Nothing, Ok("/photo.jpg?h=9&preset=card%2Cdark")),
    (0, "/photo.jpg?preset=none", Nothing, Ok("/photo.jpg?preset=none")),
    (0, "/photo.jpg?token=x&w=20", Nothing, Ok("/photo.jpg?w=20")),
    (0, "/other.jpg?w=20", Nothing, Err((403, "forbidden"))),
    (0, "/", Nothing, Err((403, "forbidden"))),
    (0, "/gif/still.gif?w=9", Nothing, Err((401, "unauthorized"))),
    (0, "/gif/still.gif?w=9", Token, Ok("/gif/still.gif?w=9")),
    (0, "/gif/still.gif?w=9", Cookie, Ok("/gif/still.gif?w=9")),
    (0, "/gif/still.gif?w=9&token=correct+horse+battery+staple", Nothing, Ok("/gif/still.gif?w=9")),
    (0, "/gif/still.gif?w=9", WrongToken, Err((401, "unauthorized"))),
    (0, "/gif/still.gif?w=9", Jwt("gif"), Err((401, "unauthorized"))),
    (0, "/gif/still.gif?w=9", Signature(NEVER), Ok("/gif/still.gif?w=9")),
    (0, "/gif/still.gif?w=9", Signature(1), Err((401, "token_expired"))),
    (0, "/gif/missing.gif?w=9", Token, Ok("/gif/missing.gif?w=9")),
    (0, "/gif/%2e%2e/photo.jpg?w=20", Nothing, Ok("/photo.jpg?w=20")),
    (0, "/gif/%252e%252e/photo.jpg", Token, Err((400, "bad_path"))),
    (0, "/gif/..%5cphoto.jpg", Token, Err((400, "bad_path"))),
    (0, "/webp/lossy.webp?w=9", Nothing, Err((403, "signature_invalid"))),
    (0, "/webp/lossy.webp?w=9", Token, Err((403, "signature_invalid"))),
    (0, "/webp/lossy.webp?w=9", Signature(NEVER), Ok("/webp/lossy.webp?w=9")),
    (0, "/webp/lossy.webp?w=9", Signature(1), Err((403, "signature_expired"))),
    (0, "/webp/lossy.webp?w=9&expires=9999999999&signature=AAAA", Nothing, Err((403, "signature_invalid"))),
    (0, "/names/no-ending?w=9", Nothing, Ok("/names/no-ending?w=9")),
    (0, "/names/a%20b+c%2520&d=e'()!*,;@$.jpg?w=9", Nothing, Ok("/names/a%20b%2Bc%2520%26d%3De%27%28%29%21%2A%2C%3B%40%24.jpg?w=9")),
    (0, "/jpeg/444.jpg?w=9", Jwt("jpeg"), Ok("/jpeg/444.jpg?w=9")),
    (0, "/jpeg/444.jpg?w=9", Jwt("png"), Err((403, "forbidden"))),
    (0, "/jpeg/444.jpg?w=9", OldJwt, Err((401, "token_expired"))),
    (0, "/jpeg/444.jpg?w=9", Token, Err((401, "unauthorized"))),
    (0, "/jpeg/444.jpg?w=9", Nothing, Err((401, "unauthorized"))),
    (0, "/jpeg/%ff", Jwt("jpeg"), Err((400, "bad_path"))),
    (1, "/photo.jpg", Nothing, Ok("/photo.jpg?preset=small")),
    (1, "/photo.jpg?preset=card", Nothing, Ok("/photo.jpg?preset=card")),
    (1, "/photo.jpg?preset=card,dark,card&dpr=1.50", Nothing, Ok("/photo.jpg?dpr=1.5&preset=dark%2Ccard")),
    (1, "/photo.jpg?preset=card&dpr=2", Nothing, Err((403, "not_permitted"))),
    (1, "/photo.jpg?preset=card&w=20", Nothing, Err((403, "not_permitted"))),
    (1, "/photo.jpg?v=2", Nothing, Ok("/photo.jpg?preset=small&v=2")),
    (1, "/photo.jpg?utm_source=x", Nothing, Ok("/photo.jpg?preset=small")),
    (1, "/photo.jpg?showExif", Nothing, Err((403, "not_permitted"))),
    (1, "/photo.png?w=17&q=3&format=png", Nothing, Ok("/photo.png?format=png&q=3&w=17")),
    (1, "/png/rgb-8.png", Nothing, Ok("/png/rgb-8.png?max_pixels=400")),
    (1, "/png/rgb-8.png?w=10&q=90&f=WebP", Nothing, Ok("/png/rgb-8.png?format=webp&max_pixels=400&q=50&w=16")),
    (1, "/png/rgb-8.png?w=8&dpr=2", Nothing, Ok("/png/rgb-8.png?max_pixels=400&w=16")),
    (1, "/png/rgb-8.png?w=9999&h=10000&max_pixels=9", Nothing, Ok("/png/rgb-8.png?h=32&max_pixels=9&w=32")),
    (1, "/png/rgb-8.png?format=jpeg", Nothing, Err((403, "not_permitted"))),
    (1, "/png/rgb-8.png?w=zero", Nothing, Ok("/png/rgb-8.png?w=zero")),
    (1, "/png/missing.png?w=9", Nothing, Ok("/png/missing.png?max_pixels=400&w=16")),
    (2, "/png/rgb-8.png?w=20&dpr=3", Nothing, Ok("/png/rgb-8.png?q=9&w=8")),
    (2, "/png/rgb-8.png", Nothing, Ok("/png/rgb-8.png?q=9&w=8")),
    (2, "/png/rgb-8.png?w=21&invert=1", Signature(NEVER), Ok("/png/rgb-8.png?invert=true&w=21")),
    (2, "/png/rgb-8.png?w=21&invert=1", Signature(1), Ok("/png/rgb-8.png?invert=true&q=9&w=8")),
    (2, "/jpeg/444.jpg?w=16", Token, Ok("/jpeg/444.jpg?w=16")),
    (2, "/jpeg/444.jpg?w=17", Token, Err((403, "not_permitted"))),
    (2, "/jpeg/444.jpg?w=17", Nothing, Err((401, "unauthorized"))),
    (2, "/jpeg/444.jpg?w=16&h=3", Token, Err((403, "not_permitted"))),
    (2, "/photo.webp", Nothing, Ok("/photo.webp?max_w=20")),
    (2, "/photo.webp?max_w=20&w=10", Nothing, Ok("/photo.webp?max_w=20&w=10")),
    (2, "/photo.webp?max_w=10", Nothing, Err((403, "not_permitted"))),
];

/// URL and headers of a case.
fn asked(url: &str, shows: Shows) -> (String, Vec<(&'static str, String)>) {
    let bearer = |token: String| vec![("authorization", format!("Bearer {token}"))];
    let headers = match shows {
        Nothing | Signature(_) => Vec::new(),
        Token => bearer(TOKEN.to_owned()),
        WrongToken => bearer("correct horse battery stapler".to_owned()),
        Cookie => vec![("cookie", format!("a=b; access={TOKEN}"))],
        Jwt(sub) => bearer(jwt(sub, NEVER)),
        OldJwt => bearer(jwt("jpeg", 1)),
        Accept(accept) => vec![("accept", accept.to_owned())],
    };
    let url = match shows {
        Signature(expires) => sign_url(url, expires, SECRET.as_bytes()).unwrap(),
        _ => url.to_owned(),
    };
    (url, headers)
}

/// The event of CloudFront for a request.
fn event(url: &str, headers: &[(&str, String)]) -> Value {
    let (uri, querystring) = url.split_once('?').unwrap_or((url, ""));
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), json!([{"key": name, "value": value}]))).collect();
    json!({"Records": [{"cf": {
        "config": {"distributionDomainName": "d.cloudfront.net", "distributionId": "E", "eventType": "viewer-request", "requestId": "r"},
        "request": {"clientIp": "203.0.113.1", "method": "GET", "uri": uri, "querystring": querystring, "headers": headers},
    }}]})
}

/// The decisions of the edge's functions as they run here.
fn native() -> Vec<Value> {
    let mut edges = policies().map(|config| Edge::new(&config.to_string(), &keys_for(&config).to_string()).unwrap());
    let decide = |(policy, url, shows, _): &Case| {
        let (url, headers) = asked(url, *shows);
        let event = event(&url, &headers);
        let call = json!({"event": {"event": event, "now": NOW}});
        let answer: Value = serde_json::from_slice(&edges[*policy].call(call.to_string().as_bytes())).unwrap();
        json!({"policy": policy, "event": event, "decision": answer["result"]["value"]})
    };
    CASES.iter().map(decide).collect()
}

/// The program with a policy, over the fixtures.
pub(super) struct Policed {
    address: SocketAddr,
    watched: Watched,
}

impl Policed {
    fn serve(folder: &Path) -> Self {
        Self::serve_with(folder, &[], &[])
    }

    fn command(folder: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = command();
        command
            .args(["serve", &fixtures().display().to_string(), "--listen", "127.0.0.1:0"])
            .args(flags)
            .envs(environment(folder))
            .envs(variables.iter().copied());
        command
    }

    /// What it says if it does not start.
    pub(super) fn refused(folder: &Path, flags: &[&str], variables: &[(&str, &str)]) -> String {
        let ended = Self::command(folder, flags, variables).output().unwrap();
        assert!(!ended.status.success());
        String::from_utf8(ended.stderr).unwrap()
    }

    /// Serves by the files of a folder, with further flags and variables.
    pub(super) fn serve_with(folder: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Self::command(folder, flags, variables);
        let (watched, address) = Watched::serve(&mut command);
        Self { address, watched }
    }

    pub(super) fn get(&self, url: &str, headers: &[(&str, &str)]) -> Response {
        request(self.address, "GET", url, headers)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn log(&self) -> String {
        self.watched.log()
    }

    /// Sends SIGHUP.
    pub(super) fn hang_up(&self) {
        let pid = rustix::process::Pid::from_raw(self.watched.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// Asks until the status is this one.
    #[track_caller]
    pub(super) fn wait_for(&self, url: &str, headers: &[(&str, &str)], status: u16) {
        let started = Instant::now();
        while self.get(url, headers).status != status {
            assert!(started.elapsed() < Duration::from_secs(60), "{url} is not {status}: {}", self.watched.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Writes the files of a policy.
fn write(folder: &Path, config: &Value) {
    let mut config = config.clone();
    // Without a CDN there is nothing to say of origins.
    config.as_object_mut().unwrap().remove("origins");
    let presets: String = PRESETS.iter().map(|(name, text)| format!("{name} = \"{text}\"\n")).collect();
    let files = [
        ("edge.toml", as_toml(&config)),
        ("keys.json", keys_for(&config).to_string()),
        ("settings.toml", format!("deadline = 120\n[presets]\n{presets}")),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

/// A document of tables and plain values as TOML, in inline tables.
pub(super) fn as_toml(document: &Value) -> String {
    fn inline(value: &Value) -> String {
        match value {
            Value::Object(members) => {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name} = {}", inline(value))).collect();
                format!("{{{}}}", members.join(", "))
            }
            Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
            plain => plain.to_string(),
        }
    }
    document.as_object().unwrap().iter().map(|(name, value)| format!("{name} = {}\n", inline(value))).collect()
}

fn environment(folder: &Path) -> Vec<(&'static str, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        ("IMAGE_ORIGIN_EDGE", file("edge.toml")),
        ("IMAGE_ORIGIN_EDGE_KEYS", file("keys.json")),
        ("IMAGE_ORIGIN_CONFIG", file("settings.toml")),
    ]
}

/// An answer, wherever it comes from.
struct Seen {
    status: u16,
    body: Vec<u8>,
    headers: [Option<String>; 5],
}

const COMPARED: [&str; 5] = ["content-type", "etag", "last-modified", "www-authenticate", "content-security-policy"];

impl Seen {
    fn of(response: &Response) -> Self {
        let headers = COMPARED.map(|name| response.header(name).map(str::to_owned));
        Self { status: response.status, body: response.body.clone(), headers }
    }
}

#[test]
fn one_policy_decides_alike_in_every_handler() {
    let decisions = native();
    let policies = policies();
    let packaged: Vec<Value> =
        policies.iter().map(|config| json!({"config": config, "keys": keys_for(config)})).collect();
    let document = json!({"now": NOW, "policies": packaged, "decisions": decisions});
    let path = fixtures().join("edge/policies.json");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&document).unwrap() + "\n").unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(kept, document, "UPDATE_FIXTURES=1 writes fixtures/edge/policies.json anew");

    let presets = PRESETS.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let open = Server::with(Layer { presets, ..Layer::default() });
    for (index, config) in policies.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), config);
        let server = Policed::serve(folder.path());
        let source = fixtures().display().to_string();
        let variables = environment(folder.path());
        let mut variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.push(("IMAGE_ORIGIN_SOURCE", &source));
        let function = Function::start(&variables);
        for ((policy, url, shows, expected), decision) in CASES.iter().zip(&decisions) {
            if *policy != index {
                continue;
            }
            let decision = &decision["decision"];
            let (asked, headers) = asked(url, *shows);
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let served = server.get(&asked, &headers);
            let mut invocation = function_url::request("GET", &asked, &headers);
            // Lambda tells cookies apart from other headers.
            let cookie = invocation["headers"].as_object_mut().unwrap().remove("cookie");
            let cookies = cookie.iter().filter_map(Value::as_str).flat_map(|cookie| cookie.split("; "));
            invocation["cookies"] = cookies.collect();
            let invoked = function.invoke(invocation).streamed();
            let seen = [
                Seen::of(&served),
                Seen {
                    status: invoked.status,
                    body: invoked.body.to_vec(),
                    headers: COMPARED.map(|name| invoked.header(name).map(str::to_owned)),
                },
            ];
            match expected {
                Ok(goes_on) => {
                    let (uri, query) = (decision["uri"].as_str().unwrap(), decision["querystring"].as_str().unwrap());
                    let separator = if query.is_empty() { "" } else { "?" };
                    assert_eq!(format!("{uri}{separator}{query}"), *goes_on, "{url}");
                    let accept = decision["headers"]["accept"][0]["value"].as_str().unwrap();
                    let mut theirs = Seen::of(&open.request("GET", goes_on, &[("accept", accept)]));
                    theirs.headers[4] = seen[0].headers[4].clone();
                    for seen in seen {
                        assert_eq!((seen.status, &seen.headers), (theirs.status, &theirs.headers), "{url}");
                        // Problems name the request.
                        assert!(seen.status >= 400 || seen.body == theirs.body, "{url}");
                        assert!(seen.headers[4].as_ref().is_some_and(|policy| policy.contains("sandbox")), "{url}");
                    }
                    let caching = served.header("cache-control").unwrap();
                    assert_eq!(invoked.header("cache-control"), Some(caching), "{url}");
                    let is_public = *policy != 0 && !goes_on.starts_with("/jpeg") || goes_on.starts_with("/photo");
                    match served.status {
                        200 => assert_eq!(caching.contains("public"), is_public, "{url}: {caching}"),
                        _ => assert!(!caching.contains("public") || is_public, "{url}: {caching}"),
                    }
                    assert_eq!(caching.starts_with("private"), served.status == 200 && !is_public, "{url}: {caching}");
                }
                Err((status, code)) => {
                    let body = decision["body"].as_str().unwrap();
                    let theirs: Value = serde_json::from_str(body).unwrap();
                    assert_eq!(
                        (theirs["status"].as_u64(), theirs["code"].as_str()),
                        (Some(u64::from(*status)), Some(*code)),
                        "{url}"
                    );
                    let challenge = decision["headers"]["www-authenticate"][0]["value"].as_str();
                    for seen in seen {
                        assert_eq!((seen.status, seen.body.as_slice()), (*status, body.as_bytes()), "{url}");
                        assert_eq!(seen.headers[3].as_deref(), challenge, "{url}");
                    }
                    assert_eq!(served.header("cache-control"), Some("no-store"), "{url}");
                }
            }
        }
        // What operators ask is asked of the server itself.
        assert_eq!(server.get("/healthz", &[]).status, 200);
    }
}

#[test]
fn the_log_says_why_and_rules_say_how_long() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &policies()[0]);
    let server = Policed::serve(folder.path());
    let public = server.get("/photo.jpg?w=20", &[]);
    assert_eq!(public.header("cache-control"), Some("public, max-age=60"));
    let again = server.get("/photo.jpg?w=20", &[("if-none-match", public.header("etag").unwrap())]);
    assert_eq!((again.status, again.header("cache-control")), (304, Some("public, max-age=60")));
    assert_eq!(
        server.get("/gif/still.gif?wdith=3", &[]).header("image-ignored-parameters"),
        Some("\"wdith\";meant=\"width\"")
    );
    let head = request(server.address, "HEAD", "/gif/still.gif", &[]);
    assert_eq!((head.status, head.body.len()), (401, 0));
    let started = Instant::now();
    while !server.watched.log().contains("rules[1] `/gif/*` denies it: no credentials") {
        assert!(started.elapsed() < Duration::from_secs(10), "{}", server.watched.log());
    }
    assert!(!server.watched.log().contains(TOKEN));
}

#[test]
fn keys_and_rules_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &policies()[0]);
    let server = Policed::serve(folder.path());
    let (url, old, new) = ("/gif/still.gif?w=9", format!("Bearer {TOKEN}"), "Bearer another horse battery staple");
    server.wait_for(url, &[("authorization", &old)], 200);
    let mut keys = keys_for(&policies()[0]);
    keys["tokens"][0]["secret"] = json!("another horse battery staple");
    let file = folder.path().join("keys.json");
    std::fs::write(&file, keys.to_string()).unwrap();
    server.wait_for(url, &[("authorization", new)], 200);
    assert_eq!(server.get(url, &[("authorization", &old)]).status, 401);
    // What cannot be read changes nothing.
    std::fs::write(&file, "{").unwrap();
    let started = Instant::now();
    while !server.watched.log().contains("stay as they were") {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", server.watched.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.get(url, &[("authorization", new)]).status, 200);
    std::fs::write(&file, keys_for(&policies()[0]).to_string()).unwrap();
    server.hang_up();
    server.wait_for(url, &[("authorization", &old)], 200);
}
