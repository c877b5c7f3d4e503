//! Rules and keys of CloudFront Functions: what a push makes of a KeyValueStore, which checks signatures and versions here.

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::{Arc, Mutex, mpsc};

use aws_sigv4::sign::v4a::generate_signing_key;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse as _;
use http::{HeaderMap, Method, StatusCode, Uri};
use p256::ecdsa::signature::Verifier as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::program::command;
use super::store::{ACCESS_KEY, SECRET_KEY};

const ARN: &str = "arn:aws:cloudfront::111122223333:key-value-store/00000000-1111-2222-3333-444444444444";
const PATH: &str = "/key-value-stores/arn%3Aaws%3Acloudfront%3A%3A111122223333%3Akey-value-store%2F00000000-1111-2222-3333-444444444444";

#[derive(Default)]
struct Held {
    values: BTreeMap<String, String>,
    version: u32,
    /// How many updates are refused, as if somebody had been faster.
    conflicts: u32,
    /// The keys of each update.
    updates: Vec<Vec<String>>,
}

/// A store at a URL.
struct Store {
    url: String,
    held: Arc<Mutex<Held>>,
}

impl Store {
    fn start(conflicts: u32) -> Self {
        let held = Arc::new(Mutex::new(Held { conflicts, ..Held::default() }));
        let (started, start) = mpsc::channel();
        let shared = held.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                axum::serve(listener, Router::new().fallback(answer).with_state(shared)).await.unwrap();
            });
        });
        Self { url: format!("http://{}", start.recv().unwrap()), held }
    }

    fn push(&self, rules: &str, keys: &str) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name)
        };
        let (rules, keys) = (file("edge.toml", rules), file("keys.json", keys));
        let mut command = command();
        command.args(["edge", "push", "--store", ARN, "--endpoint", &self.url]).arg(rules).arg("--keys").arg(keys);
        command.output().unwrap()
    }
}

async fn answer(
    State(held): State<Arc<Mutex<Held>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let refuse = |status: u16, message: &str| {
        (StatusCode::from_u16(status).unwrap(), json!({"Message": message}).to_string()).into_response()
    };
    if !is_signed(&method, &uri, &headers, &body) {
        return refuse(403, "the signature does not match");
    }
    let mut held = held.lock().unwrap();
    let version = format!("V{}", held.version);
    let respond = |version: String, document: Value| ([("etag", version)], document.to_string()).into_response();
    match (method.as_str(), uri.path().strip_prefix(PATH)) {
        ("GET", Some("")) => respond(version, json!({"ItemCount": held.values.len()})),
        ("GET", Some("/keys")) => {
            // Three a page.
            let query: BTreeMap<String, String> =
                form_urlencoded::parse(uri.query().unwrap().as_bytes()).into_owned().collect();
            assert_eq!(query["MaxResults"], "50");
            let start: usize =
                query.get("NextToken").map_or(0, |token| token.trim_start_matches("a/b=").parse().unwrap());
            let items: Vec<Value> = held
                .values
                .iter()
                .skip(start)
                .take(3)
                .map(|(key, value)| json!({"Key": key, "Value": value}))
                .collect();
            let next = (start + 3 < held.values.len()).then(|| format!("a/b={}", start + 3));
            respond(version, json!({"Items": items, "NextToken": next}))
        }
        ("POST", Some("/keys")) => {
            if held.conflicts > 0 {
                held.conflicts -= 1;
                held.version += 1;
                return refuse(412, "somebody was faster");
            }
            if headers.get("if-match").unwrap() != version.as_str() {
                return refuse(412, "the version is another");
            }
            let changes: Value = serde_json::from_slice(&body).unwrap();
            let list = |name: &str| changes[name].as_array().cloned().unwrap_or_default();
            let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
            let (puts, deletes) = (list("Puts"), list("Deletes"));
            assert!((1..=50).contains(&(puts.len() + deletes.len())));
            for put in &puts {
                assert!(text(put, "Value").len() <= 1024);
                held.values.insert(text(put, "Key"), text(put, "Value"));
            }
            for delete in &deletes {
                held.values.remove(&text(delete, "Key")).unwrap();
            }
            let keys = puts.iter().chain(&deletes).map(|item| text(item, "Key")).collect();
            held.updates.push(keys);
            held.version += 1;
            respond(format!("V{}", held.version), json!({}))
        }
        _ => refuse(404, "there is no such store"),
    }
}

/// Whether a request is signed with Signature Version 4A, for all regions, with the tests' credentials.
fn is_signed(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = header("authorization");
    let Some(rest) = authorization.strip_prefix("AWS4-ECDSA-P256-SHA256 ") else { return false };
    let fields: BTreeMap<&str, &str> = rest.split(", ").filter_map(|field| field.split_once('=')).collect();
    let date = header("x-amz-date");
    let scope = format!("{}/cloudfront-keyvaluestore/aws4_request", &date[..8]);
    if fields["Credential"] != format!("{ACCESS_KEY}/{scope}") || header("x-amz-region-set") != "*" {
        return false;
    }
    let signed = fields["SignedHeaders"];
    for name in ["host", "x-amz-date", "x-amz-region-set", "x-amz-security-token"] {
        assert!(signed.split(';').any(|signed| signed == name), "{signed} lacks {name}");
    }
    let lines: String = signed.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let mut query: Vec<&str> = uri.query().unwrap_or_default().split('&').collect();
    query.sort_unstable();
    // What is encoded in the path is encoded once more.
    let path = uri.path().replace('%', "%25");
    let hash = base16ct::lower::encode_string(&Sha256::digest(body));
    let canonical = format!("{method}\n{path}\n{}\n{lines}\n{signed}\n{hash}", query.join("&"));
    let hash = base16ct::lower::encode_string(&Sha256::digest(canonical));
    let text = format!("AWS4-ECDSA-P256-SHA256\n{date}\n{scope}\n{hash}");
    let secret = p256::ecdsa::SigningKey::from_slice(generate_signing_key(ACCESS_KEY, SECRET_KEY).as_ref()).unwrap();
    let signature = base16ct::lower::decode_vec(fields["Signature"]).unwrap();
    let signature = p256::ecdsa::Signature::from_der(&signature).unwrap();
    secret.verifying_key().verify(text.as_bytes(), &signature).is_ok()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_push_changes_what_has_changed() {
    let store = Store::start(1);
    let public = "[[rules]]\npath = \"/*\"\nallow = [\"public\"]\n";
    let keys = json!({"url_secrets": [{"name": "a", "secret": "x".repeat(1500)}]}).to_string();
    let output = store.push(public, &keys);
    assert!(output.status.success(), "{}", said(&output));
    let first: Vec<String> = store.held.lock().unwrap().updates.concat();
    assert!(first.iter().any(|key| key.starts_with("keys.") && key.ends_with(".1")), "{first:?}");
    let at = |wanted: &str| first.iter().position(|key| key == wanted).unwrap();
    assert!(first.iter().filter(|key| key.starts_with("keys.")).all(|key| at(key) < at("keys")), "{first:?}");
    assert_eq!(said(&output), format!("{} values put, 0 deleted\n", first.len()));

    let again = store.push(public, &keys);
    assert_eq!(said(&again), "0 values put, 0 deleted\n");

    // What the old first value names stays until the next push.
    let others = json!({"url_secrets": [{"name": "b", "secret": "y".repeat(1500)}]}).to_string();
    assert_eq!(said(&store.push(public, &others)), "2 values put, 0 deleted\n");
    assert_eq!(said(&store.push(public, &others)), "0 values put, 1 deleted\n");
    let rules = "[[rules]]\npath = \"/a/*\"\nallow = [\"public\"]\n";
    assert_eq!(said(&store.push(rules, &others)), "1 values put, 0 deleted\n");
}

#[test]
fn a_push_that_cannot_be_done_says_why() {
    let store = Store::start(0);
    let rules = "[[rules]]\npath = \"/*\"\nallow = [\"jwt\"]\n[[jwt.issuers]]\nissuer = \"i\"\naudiences = [\"a\"]\njwks_uri = \"https://example.com/\"\n";
    let output = store.push(rules, "{}");
    assert!(said(&output).contains("jwks_uri is for functions that can fetch"), "{}", said(&output));
    assert_eq!(output.status.code(), Some(2));
    let table: [(&[&str], &str); 3] = [
        (&["--store", "arn:aws:s3:::a"], "arn:aws:s3:::a is no ARN of a KeyValueStore"),
        (&["--store", &ARN.replace("4444", "5555")], "CloudFront responded with 404: there is no such store"),
        (&[], "required arguments were not provided"),
    ];
    for (arguments, message) in table {
        let rules = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&rules, "[[rules]]\npath = \"/*\"\nallow = [\"public\"]\n").unwrap();
        let mut command = command();
        command.args(["edge", "push", "--endpoint", &store.url]).arg(rules.path()).args(arguments);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        assert!(said(&output).contains(message), "{}", said(&output));
    }
}
