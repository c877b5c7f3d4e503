//! The generated functions for CloudFront Functions decide as the native ones do: on every decision that is written down, and
//! on requests that are made up. They run in Node with nothing but what CloudFront's runtime has (`infra/edge/functions-host.mjs`),
//! and in njs, which that runtime is made of, where it is installed.

use std::process::{Command, Stdio};

use image_origin_edge::{Cf, Config, Keys, functions, origin_response, viewer_request, viewer_response};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::requests::request;

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const SECRET: &str = "a secret for signing urls, 32 bytes or more";
const DECISIONS: &str = include_str!("../../../../fixtures/edge/decisions.json");

/// The configuration and keys of the written decisions, without what only Lambda@Edge can do.
fn supported() -> (Config, Keys) {
    let decisions: Value = serde_json::from_str(DECISIONS).unwrap();
    let (mut config, mut keys) = (decisions["config"].clone(), decisions["keys"].clone());
    remove_unsupported(&mut config);
    let hmac = fixture("keys")["hmac"].clone();
    for set in keys["jwks"].as_object_mut().unwrap().values_mut() {
        set["keys"] = json!([hmac]);
    }
    (Config::from_json(&config.to_string()).unwrap(), Keys::from_json(&keys.to_string()).unwrap())
}

/// Removes what only Lambda@Edge and servers can do: limits, and keys that are fetched or are Cognito's.
fn remove_unsupported(config: &mut Value) {
    for issuer in config["jwt"]["issuers"].as_array_mut().unwrap() {
        let issuer = issuer.as_object_mut().unwrap();
        issuer.remove("jwks_uri");
        issuer.remove("kind");
        issuer.remove("token_use");
    }
    config.as_object_mut().unwrap().remove("limits");
    for rule in config["rules"].as_array_mut().unwrap() {
        rule.as_object_mut().unwrap().remove("limits");
    }
}

pub(super) fn fixture(name: &str) -> Value {
    let path = format!("{}/../../fixtures/jwt/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// An event of CloudFront Functions for the request of one of Lambda@Edge.
fn event(request: &Value) -> Value {
    let mut headers = Map::new();
    let mut cookies: Map<String, Value> = Map::new();
    for (name, occurrences) in request["headers"].as_object().unwrap() {
        let values: Vec<&str> =
            occurrences.as_array().unwrap().iter().map(|header| header["value"].as_str().unwrap()).collect();
        if name == "cookie" {
            for pair in values.iter().flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
            {
                add(&mut cookies, pair.0, pair.1);
            }
        } else {
            values.iter().for_each(|value| add(&mut headers, name, value));
        }
    }
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let mut event = json!({
        "version": "1.0",
        "context": {"eventType": "viewer-request"},
        "viewer": {"ip": text("clientIp")},
        "request": {"method": text("method"), "uri": text("uri"), "querystring": {}, "headers": headers, "cookies": cookies},
    });
    // The host makes it the method that it is.
    if !text("querystring").is_empty() {
        event["request"]["rawQueryString"] = json!(text("querystring"));
    }
    event
}

/// A header or cookie; one that occurs again has all of its values.
fn add(fields: &mut Map<String, Value>, name: &str, value: &str) {
    let field = fields.entry(name).or_insert_with(|| json!({"value": value, "multiValue": []}));
    field["multiValue"].as_array_mut().unwrap().push(json!({"value": value}));
}

/// What CloudFront Functions are to answer where the native function gives this action.
fn expected(action: &Value) -> Value {
    let headers = |headers: &Value| -> Value {
        let plain = headers.as_object().unwrap().iter().filter(|(name, _)| *name != "cookie");
        plain.map(|(name, all)| (name.clone(), json!({"value": all[0]["value"]}))).collect::<Map<_, _>>().into()
    };
    if action["status"].is_null() {
        json!({"uri": action["uri"], "querystring": action["querystring"], "accept": headers(&action["headers"])["accept"]})
    } else {
        let status: u16 = action["status"].as_str().unwrap().parse().unwrap();
        json!({
            "statusCode": status,
            "statusDescription": action["statusDescription"],
            "headers": headers(&action["headers"]),
            "body": action["body"],
        })
    }
}

/// What of a function's answer is compared, and that nothing of the viewer's identity goes on.
fn answered(result: &Value) -> Value {
    if result["uri"].is_null() {
        return result.clone();
    }
    assert_eq!(result["cookies"], json!({}), "{result}");
    assert_eq!(result["headers"]["authorization"], Value::Null, "{result}");
    json!({"uri": result["uri"], "querystring": result["querystring"], "accept": result["headers"]["accept"]})
}

/// What runs functions.
#[derive(Debug, Clone, Copy)]
enum Engine {
    /// Node, in a context that has nothing but what CloudFront's runtime has.
    Node,
    /// The engine that CloudFront's runtime is made of.
    Njs,
}

/// Around a function in njs, which reads no code from elsewhere: the lines are read, and answered, as the host in Node does.
const NJS_HEAD: &str = "const lines = require('fs').readFileSync('/dev/stdin').toString().split('\\n');
const values = JSON.parse(lines[0]).store;
const cf = { kvs: () => ({ get: (key) => (values[key] === undefined ? Promise.reject(new Error(key)) : Promise.resolve(values[key])) }) };\n";
const NJS_TAIL: &str = "
// What is logged may be cut.
const write = (line) => require('fs').appendFileSync(lines[lines.length - 1], JSON.stringify(line) + '\\n');
async function answer() {
  for (let i = 1; i < lines.length - 1; i++) {
    const message = JSON.parse(lines[i]);
    const raw = message.event.request.rawQueryString;
    message.event.request.rawQueryString = () => raw;
    Date.now = () => message.now * 1000;
    const result = await handler(message.event);
    delete result.rawQueryString;
    write({ result: result });
  }
  write({ times: null });
}
answer().catch((error) => write({ error: String(error) }));\n";

impl Engine {
    /// Those that are installed.
    fn installed() -> Vec<Self> {
        let is_there = |name: &str, argument: &str| {
            let started = Command::new(name).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
            started.is_ok_and(|status| status.success())
        };
        let mut engines = Vec::new();
        if is_there("node", "--version") {
            engines.push(Self::Node);
        } else {
            println!("skipped: Node.js runs the functions, and it is not installed");
        }
        if is_there("njs", "-v") {
            engines.push(Self::Njs);
        } else {
            println!("skipped: njs runs the functions as well, where it is installed (apt-get install njs)");
        }
        engines
    }

    fn command(self, code: &str, folder: &std::path::Path) -> Command {
        match self {
            Self::Node => {
                let mut node = Command::new("node");
                node.arg(format!("{}/../../infra/edge/functions-host.mjs", env!("CARGO_MANIFEST_DIR")));
                node
            }
            Self::Njs => {
                let code = code.replace("import cf from'cloudfront';", "");
                let script = folder.join("function.js");
                std::fs::write(&script, [NJS_HEAD, &code, NJS_TAIL].concat()).unwrap();
                let mut njs = Command::new("njs");
                njs.arg(script);
                njs
            }
        }
    }

    /// Runs a function on events; the answers come with the times that it took.
    fn run(self, code: &str, store: &functions::Store, events: &[Value], runs: usize) -> (Vec<Value>, Value) {
        let values: Map<String, Value> =
            store.heads.iter().chain(&store.parts).map(|(key, value)| (key.clone(), json!(value))).collect();
        let folder = tempfile::tempdir().unwrap();
        let first = json!({"code": code, "store": values}).to_string();
        let lines = events.iter().map(|event| json!({"event": event, "now": NOW, "runs": runs}).to_string());
        let lines: Vec<String> = std::iter::once(first).chain(lines).collect();
        // njs reads from files only.
        let input = folder.path().join("input.jsonl");
        let answers = folder.path().join("answers.jsonl");
        std::fs::write(&input, format!("{}\n{}", lines.join("\n"), answers.display())).unwrap();
        let input = std::fs::File::open(input).unwrap();
        let output = self.command(code, folder.path()).stdin(input).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{self:?}");
        let written = std::fs::read(answers).unwrap_or(output.stdout);
        let lines = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut answers: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        let times = answers.pop().unwrap();
        assert_eq!(answers.len(), events.len(), "{self:?}: {times}");
        (answers, times)
    }
}

/// Compares a function's decisions about requests in Lambda@Edge's form with the native ones, and returns how many pass.
fn compare(config: &Config, keys: &Keys, requests: &[Value], runs: usize) -> usize {
    let store = functions::store(config, keys).unwrap();
    let code = functions::viewer_request();
    let events: Vec<Value> = requests.iter().map(event).collect();
    let native = |request: &Value| {
        let cf: Cf =
            serde_json::from_value(json!({"config": {"eventType": "viewer-request"}, "request": request})).unwrap();
        let outcome = viewer_request(&cf, config, NOW, keys);
        (expected(&serde_json::to_value(&outcome.action).unwrap()), outcome.why)
    };
    let natives: Vec<(Value, String)> = requests.iter().map(native).collect();
    let forwarded = natives.iter().filter(|(native, _)| !native["uri"].is_null()).count();
    for engine in Engine::installed() {
        // njs frees nothing while a program runs.
        let count = match engine {
            Engine::Node => requests.len(),
            Engine::Njs => requests.len().min(500),
        };
        let (answers, times) = engine.run(&code, &store, &events[..count], runs);
        for ((request, (native, why)), answer) in requests.iter().zip(&natives).zip(&answers) {
            assert!(answer["error"].is_null(), "{engine:?}: {answer}\n{request}");
            assert_eq!(answered(&answer["result"]), *native, "{engine:?}: {why}\n{request}");
        }
        println!(
            "{engine:?}: {count} requests are decided alike; {} bytes, times in ms {}",
            code.len(),
            times["times"]
        );
    }
    println!("{forwarded} of {} requests pass", requests.len());
    forwarded
}

#[test]
fn written_decisions_are_the_same() {
    let (config, keys) = supported();
    let decisions: Value = serde_json::from_str(DECISIONS).unwrap();
    let cfs = decisions["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|decision| &decision["call"]["event"]["event"]["Records"][0]["cf"]);
    let requests: Vec<Value> =
        cfs.filter(|cf| cf["config"]["eventType"] == "viewer-request").map(|cf| cf["request"].clone()).collect();
    assert!(requests.len() > 100, "{}", requests.len());
    compare(&config, &keys, &requests, 1);
}

#[test]
fn random_decisions_are_the_same() {
    let (config, keys) = supported();
    let mut runner = TestRunner::deterministic();
    let requests = request();
    let requests: Vec<Value> = (0..10_000).map(|_| requests.new_tree(&mut runner).unwrap().current()).collect();
    compare(&config, &keys, &requests, 3);
}

/// Each read of the store is billed.
#[test]
fn few_values_are_read() {
    let (config, keys) = supported();
    let store = functions::store(&config, &keys).unwrap();
    let values = |name: &str| 1 + store.parts.iter().filter(|(key, _)| key.starts_with(name)).count();
    let (rules, grammar) = (values("rules."), values("grammar."));
    let table = [
        ("", rules),
        ("w=300&fm=auto&quality=70&fit=cover&ar=3:2&v=1&preset=a&expires=1&signature=a&token=b", rules),
        ("w=300&blur=2", rules + grammar),
        ("utm_source=x", rules + grammar),
        ("tint=fff", rules + grammar),
        ("tint=red", rules + grammar + 4),
    ];
    let request =
        |query: &str| json!({"method": "GET", "uri": "/public/a", "querystring": query, "headers": {}, "clientIp": ""});
    let events = table.map(|(query, _)| event(&request(query)));
    if Engine::installed().iter().any(|engine| matches!(engine, Engine::Node)) {
        let (answers, _) = Engine::Node.run(&functions::viewer_request(), &store, &events, 1);
        for ((query, expected), answer) in table.iter().zip(&answers) {
            assert_eq!(answer["reads"].as_array().map(Vec::len), Some(*expected), "{query}: {answer}");
        }
    }
}

/// Overlays and lists of presets, of which random requests seldom have good ones.
#[test]
fn overlays_and_presets_are_the_same() {
    let (config, keys) = supported();
    let queries = [
        "overlay=public/logos/a%20b.png",
        "overlay=%2Fpublic/a'b.png&overlay_w=0.5&overlay_tile=1",
        "overlay=PUBLIC/a.png",
        "overlay=press/a.png",
        "overlay=public/%25/a.png",
        "overlay=public//a.png",
        "overlay=",
        "overlay=public/a.png&overlay=%20",
        "preset=a,b,%20a",
        "preset=,a,&w=0300",
        "preset=a,a,a,a,a,a,a,b",
        "preset=a,a,a,a,a,a,a,a,%20b",
        "preset=%20",
        "constructor=1&toString=2&__proto__=3&hasOwnProperty=&w=1",
    ];
    let request =
        |query: &str| json!({"method": "GET", "uri": "/public/a", "querystring": query, "headers": {}, "clientIp": ""});
    assert!(compare(&config, &keys, &queries.map(request), 1) > 8);
}

/// What costs most: texts as long as CloudFront lets them be, of which each reader must look at every character.
fn costly() -> Vec<Value> {
    let long = |piece: &str| piece.repeat(8000 / piece.len());
    let pieces = [
        "%2525",
        "%25ff",
        "%25e0%2580",
        "%ffa",
        "a/",
        "../",
        "//",
        "%5c",
        "Σ",
        "%C3%A4",
        "a-",
        "1",
        "+",
        ",",
        "a=1&",
        "w=1&",
        "%",
        "\"",
        "1,1,1,1;",
        "image/webp,",
        "image/avif;q=0.123,",
        ";q=0.1",
        "w=%31&",
        "a%41=&",
        "v%2b=%ff&",
        "%E2%82%AC",
    ];
    let mut requests = Vec::new();
    for piece in pieces {
        let text = long(piece);
        for (uri, querystring, header, value) in [
            (
                "/public/a".to_owned(),
                format!("{text}f=auto&v={}x", &text[..100]),
                "accept",
                format!("image/webp{text}{text}"),
            ),
            ("/public/a".to_owned(), format!("overlay=public/{text}&tint={text}"), "accept", text.clone()),
            (format!("/public/{text}x"), String::new(), "accept", "image/webp".to_owned()),
            ("/public/a".to_owned(), format!("preset=a&{text}x"), "accept", format!("{text}x")),
            ("/public/a".to_owned(), format!("redact={text}"), "accept", format!("image/avif;v={text}")),
            ("/public/a".to_owned(), format!("w=1{text}x&crop={text}"), "accept", String::new()),
            (
                "/public/a".to_owned(),
                format!("format=auto&v=a{}x", &text[..100]),
                "accept",
                format!("{text},image/avif;{text}"),
            ),
            ("/users/alice/a".to_owned(), format!("token={text}x"), "authorization", format!("Bearer {text}x")),
            (
                "/press/a".to_owned(),
                format!("expires={text}&signature={text}"),
                "cookie",
                format!("access={text}x; {text}; access={text}"),
            ),
        ] {
            // CloudFront takes no longer ones.
            let querystring: String = querystring.chars().take(8192_usize.saturating_sub(uri.len())).collect();
            requests.push(json!({
                "method": "GET", "uri": uri, "querystring": querystring, "headers": {header: [{"value": value}]}, "clientIp": "192.0.2.1",
            }));
        }
    }
    requests
}

#[test]
fn costly_decisions_are_the_same() {
    let (config, keys) = supported();
    compare(&config, &keys, &costly(), 20);
}

/// What Lambda@Edge makes of an answer's `Cache-Control`, first on its way into the cache and then on that to the viewer.
fn native_caching(cf: &Value, config: &Config) -> Value {
    let mut cf = cf.clone();
    for function in [origin_response, viewer_response] {
        let read: Cf = serde_json::from_value(cf.clone()).unwrap();
        let outcome = function(&read, config, NOW, &Keys::default());
        cf["response"] = serde_json::to_value(&outcome.action).unwrap();
    }
    cf["response"]["headers"]["cache-control"][0]["value"].clone()
}

#[test]
fn answers_are_kept_as_long() {
    let mut document: Value = serde_json::from_str::<Value>(DECISIONS).unwrap()["config"].clone();
    remove_unsupported(&mut document);
    let rules = document["rules"].as_array_mut().unwrap();
    rules.push(json!({"path": "/timed/*", "allow": ["public"], "max_age": 60, "s_maxage": 600, "stale_if_error": 0}));
    rules.push(json!({"path": "/behind/*", "allow": ["public"], "private": true}));
    let config = Config::from_json(&document.to_string()).unwrap();
    let store = functions::store(&config, &Keys::default()).unwrap();
    let mut cfs = Vec::new();
    for uri in [
        "/public/a",
        "/press/a",
        "/timed/a",
        "/behind/a",
        "/users/x/a",
        "/elsewhere",
        "/PUBLIC/a",
        "/public/%2e%2e/timed/a",
        "/%ff",
        "/public/a?overlay=%2Fpublic/b&w=1",
        "/public/a?overlay=press/b",
        "/public/a?overlay=press/b&over%6cay=public/b",
        "/public/a?overlay=elsewhere",
        "/public/a?overlay=..",
        "/press/a?overlay=public/b",
    ] {
        let (uri, querystring) = uri.split_once('?').unwrap_or((uri, ""));
        for values in [
            &[][..],
            &["public, max-age=60, s-maxage=600"],
            &["max-age=5", "private"],
            &["no-store, public"],
            &["Max-Age=\"7\" , PUBLIC, immutable"],
            &["public, no-cache, max-age=9, immutable, no-transform"],
            &["proxy-revalidate, immutable, stale-if-error=9, stale-while-revalidate=8, s-maxage=x"],
            &["max-age=99999999999999, x=1, =, public=1"],
        ] {
            for status in [200, 304] {
                let mut headers = json!({});
                if !values.is_empty() {
                    headers["cache-control"] = values.iter().map(|value| json!({"value": value})).collect();
                }
                cfs.push(json!({
                    "config": {"eventType": "viewer-response"},
                    "request": {"method": "GET", "uri": uri, "querystring": querystring, "headers": {}, "clientIp": "192.0.2.1"},
                    "response": {"status": status.to_string(), "headers": headers},
                }));
            }
        }
    }
    let events: Vec<Value> = cfs
        .iter()
        .map(|cf| {
            let mut event = event(&cf["request"]);
            let mut headers = Map::new();
            for header in cf["response"]["headers"]["cache-control"].as_array().into_iter().flatten() {
                add(&mut headers, "cache-control", header["value"].as_str().unwrap());
            }
            let status: u16 = cf["response"]["status"].as_str().unwrap().parse().unwrap();
            event["response"] = json!({"statusCode": status, "headers": headers, "cookies": {}});
            event
        })
        .collect();
    let code = functions::viewer_response();
    for engine in Engine::installed() {
        let (answers, times) = engine.run(&code, &store, &events, 1);
        for (cf, answer) in cfs.iter().zip(&answers) {
            let caching = &answer["result"]["headers"]["cache-control"]["value"];
            assert_eq!(*caching, native_caching(cf, &config), "{engine:?}: {answer}\n{cf}");
        }
        println!(
            "{engine:?}: {} answers are kept as long; {} bytes, times in ms {}",
            cfs.len(),
            code.len(),
            times["times"]
        );
    }
}
