//! The CDN on a laptop, end to end: viewers, cache, signatures, origins.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Response, Server, fixtures};
use axum::Router;
use axum::response::IntoResponse as _;
use image_origin::cdn::{self, Cdn, CdnSettings};
use image_origin::config::Layer;
use image_origin::front::ViewerSettings;
use image_origin::origin::Origin;
use image_origin::{front, source};
use image_origin_edge::{Config, Keys, sign_url};
use serde_json::{Value, json};

const TOKEN: &str = "correct horse battery staple";
const SECRET: &str = "a secret for signing urls, 32 bytes or more";

fn opened(folder: &Path) -> Box<source::Folder> {
    Box::new(source::Folder::new(folder).unwrap())
}

/// A CDN with some rules in front of any HTTP service.
fn in_front_of(transformer: Router, change: impl Fn(&mut Value)) -> Server {
    with_storage(transformer, &fixtures(), change)
}

/// The same with this folder as its storage.
fn with_storage(transformer: Router, storage: &Path, change: impl Fn(&mut Value)) -> Server {
    let mut config = json!({
        "rules": [
            {"path": "/gif/*", "allow": ["token", "signed-url"]},
            {"path": "/webp/*", "allow": ["signed-url"]},
            {"path": "/*", "allow": ["public"]},
        ],
        "token": {"cookie": "access"},
        "origins": {
            "transformer": {"service": "lambda", "domain": "transformer.localhost", "region": "us-east-1"},
            "storage": {"service": "s3", "domain": "storage.localhost", "region": "us-east-1", "path": "/v1"},
        },
    });
    change(&mut config);
    let keys = json!({
        "tokens": [{"name": "spring", "secret": TOKEN}],
        "url_secrets": [{"name": "a", "secret": SECRET}],
    });
    let (config, keys) = (Config::from_json(&config.to_string()).unwrap(), Keys::from_json(&keys.to_string()).unwrap());
    let cdn = Cdn::new(config, keys, transformer, opened(storage), settings()).unwrap();
    Server::serving(cdn::router(Arc::new(cdn), Some("*")))
}

fn settings() -> CdnSettings {
    CdnSettings { cache: 64 << 20, max_answer: 200 << 20, tag_header: Some(http::HeaderName::from_static("cache-tag")) }
}

/// A CDN in front of the origin with the fixtures.
fn cdn(settings: Layer, change: impl Fn(&mut Value)) -> Server {
    cdn_of(&fixtures(), settings, change)
}

/// A CDN in front of the origin with this folder.
fn cdn_of(folder: &Path, settings: Layer, change: impl Fn(&mut Value)) -> Server {
    let origin = Origin::new(opened(folder), settings.resolve().unwrap().origin).unwrap();
    with_storage(front::serve::router(Arc::new(origin), &ViewerSettings::default()), folder, change)
}

/// What the cache said of an answer.
fn cache(response: &Response) -> &str {
    response.header("x-cache").unwrap_or("nothing").trim_end_matches(" from cloudfront")
}

#[test]
fn requests_that_mean_the_same_share_an_entry() {
    let server = cdn(Layer::default(), |_| {});
    let first = server.get("/photo.jpg?w=300");
    assert_eq!((first.status, cache(&first), first.header("age")), (200, "Miss", None));
    assert_eq!(first.size(), (300, 225));
    for target in [
        "/photo.jpg?width=0300&fit=inside",
        "/x/../photo.jpg?w=150&dpr=2&utm_source=x",
        "/%70hoto.jpg?w=1&rotate=0&w=300",
    ] {
        let again = server.request("GET", target, &[("accept", "image/webp"), ("cookie", "a=b")]);
        assert_eq!((again.status, cache(&again)), (200, "Hit"), "{target}");
        assert_eq!(again.body, first.body, "{target}");
        assert!(again.header("age").is_some(), "{target}");
    }
    assert_eq!(cache(&server.get("/photo.jpg?w=301")), "Miss");
    let webp = server.request("GET", "/photo.jpg?w=300&format=auto", &[("accept", "text/html, image/webp;q=0.9")]);
    assert_eq!((cache(&webp), webp.header("content-type")), ("Miss", Some("image/webp")));
    let jpeg = server.get("/photo.jpg?w=300&format=auto");
    assert_eq!((cache(&jpeg), jpeg.header("content-type")), ("Miss", Some("image/jpeg")));
}

#[test]
fn the_cache_answers_heads_conditions_and_ranges() {
    let server = cdn(Layer::default(), |_| {});
    let first = server.get("/photo.jpg");
    assert_eq!((first.status, cache(&first)), (200, "Miss"));
    let head = server.request("HEAD", "/photo.jpg", &[]);
    assert_eq!((head.status, cache(&head), head.body.len()), (200, "Hit", 0));
    assert_eq!(head.header("content-length"), first.header("content-length"));
    let same = server.request("GET", "/photo.jpg", &[("if-none-match", first.header("etag").unwrap())]);
    assert_eq!((same.status, cache(&same), same.body.len()), (304, "Hit", 0));
    let part = server.request("GET", "/photo.jpg", &[("range", "bytes=2-5")]);
    assert_eq!((part.status, cache(&part), &part.body[..]), (206, "Hit", &first.body[2..6]));
    let shown = format!("bytes 2-5/{}", first.body.len());
    assert_eq!(part.header("content-range"), Some(&*shown));
    let beyond = server.request("GET", "/photo.jpg", &[("range", "bytes=99999999-")]);
    assert_eq!((beyond.status, beyond.body.len()), (416, 0));
    // A part that is asked for first is a part, too, and the whole is kept.
    let part = server.request("GET", "/photo.jpg?metadata=all", &[("range", "bytes=0-1")]);
    assert_eq!((part.status, cache(&part), part.body.len()), (206, "Miss", 2));
    assert_eq!(cache(&server.get("/photo.jpg?metadata=all")), "Hit");
    // A head that came first has no body for others.
    let head = server.request("HEAD", "/photo.jpg?w=90", &[]);
    assert_eq!((head.status, cache(&head)), (200, "Miss"));
    assert!(head.header("content-length").unwrap().parse::<u32>().unwrap() > 500);
    assert_eq!(cache(&server.request("HEAD", "/photo.jpg?w=90", &[])), "Hit");
    let get = server.get("/photo.jpg?w=90");
    assert_eq!((get.status, cache(&get), get.size().0), (200, "Miss", 90));
}

#[test]
fn who_may_not_see_it_does_not_get_it_from_the_cache_either() {
    let server = cdn(Layer::default(), |_| {});
    let name = std::fs::read_dir(fixtures().join("gif")).unwrap().next().unwrap().unwrap().file_name();
    let target = format!("/gif/{}?w=20", name.to_str().unwrap());
    let refused = server.get(&target);
    assert_eq!((refused.outcome(), cache(&refused)), ((401, "unauthorized".to_owned()), "LambdaGeneratedResponse"));
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    let cookie = format!("access={TOKEN}");
    assert_eq!(cache(&server.request("GET", &target, &[("cookie", &cookie)])), "Miss");
    assert_eq!(cache(&server.request("GET", &target, &[("authorization", &format!("Bearer {TOKEN}"))])), "Hit");
    assert_eq!(server.get(&target).status, 401);
    let signed = sign_url(&target, 4_000_000_000, SECRET.as_bytes()).unwrap();
    assert_eq!(cache(&server.get(&signed)), "Hit");
    assert_eq!(server.get(&signed.replace("w=20", "w=21")).status, 401);
    assert_eq!(server.get("/webp/a.webp?expires=4000000000&signature=x").outcome().1, "signature_invalid");
    let seen = server.get("/_cdn/requests");
    let text = String::from_utf8(seen.body.clone()).unwrap();
    assert!(!text.contains(TOKEN) && text.contains("cookie: (35 bytes)"), "{text}");
    assert!(text.contains("signature=…") && !text.contains("signature=x"), "{text}");
    assert_eq!(seen.json()["cookies"], json!(["access"]));
    assert_eq!(seen.header("access-control-allow-origin"), None, "no web page reads what others ask");
}

#[test]
fn errors_are_kept_as_cloudfront_keeps_them() {
    let server = cdn(Layer::default(), |_| {});
    let table = [
        ("/missing.jpg?w=1", 404, "not_found", true),
        ("/missing.svg", 404, "not_found", true),
        ("/photo.jpg?width=abc", 400, "bad_parameter", false),
        ("/photo.jpg?w=9999&preset=none", 400, "bad_parameter", false),
        ("/photo.jpg?crop=90000,0,10,10", 400, "crop_outside", false),
    ];
    for (target, status, code, kept) in table {
        let first = server.get(target);
        assert_eq!((first.outcome(), cache(&first)), ((status, code.to_owned()), "Error"), "{target}");
        let again = server.get(target);
        assert_eq!((again.status, again.header("age").is_some()), (status, kept), "{target}");
    }
    let document = server.get("/photo.jpg?width=abc").json();
    assert_eq!(document["parameter"]["value"], "abc", "the origin names what is wrong");
    assert_eq!(server.request("POST", "/photo.jpg", &[]).status, 405);
}

#[test]
fn originals_and_other_files_take_their_own_ways() {
    let strip = cdn(Layer::default(), |_| {});
    let direct = cdn(Layer::default(), |config| config["origins"]["originals"] = json!("direct"));
    let original = std::fs::read(fixtures().join("photo.jpg")).unwrap();
    assert_ne!(strip.get("/photo.jpg").body, original, "its metadata is gone");
    assert_eq!(direct.get("/photo.jpg?metadata=none").body, original);
    assert_eq!(direct.get("/photo.jpg?w=30").size().0, 30);
}

#[test]
fn only_listed_files_leave_the_storage_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let original = std::fs::read(fixtures().join("photo.jpg")).unwrap();
    let images =
        ["a.jfif", "b.pjpeg", "c.JPG_large", "d.heif", "e.jpg.bak", "f.jpg~", "g", "h.dng", "i.json", "j.jpg.orig"];
    for name in images {
        std::fs::write(folder.path().join(name), &original).unwrap();
    }
    for (name, content) in [("keys.json", "{}"), ("page.html", "<p>"), (".env", "A=1"), ("table.csv", "1")] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let stripped = cdn(Layer::default(), |_| {}).get("/photo.jpg").body;
    assert_ne!(stripped, original);
    let server = cdn_of(folder.path(), Layer::default(), |_| {});
    for name in images {
        let plain = server.get(&format!("/{name}"));
        assert_eq!((plain.status, plain.header("content-type")), (200, Some("image/jpeg")), "{name}");
        assert!(plain.body == stripped, "{name}");
        assert_eq!(server.get(&format!("/{name}?w=30")).size().0, 30, "{name}");
    }
    for name in ["keys.json", "table.csv", ".env"] {
        assert_eq!(server.get(&format!("/{name}")).outcome().0, 415, "{name}");
    }
    let page = server.get("/page.html?acl");
    assert_eq!(page.body, b"<p>");
    assert!(page.header("content-security-policy").unwrap().contains("sandbox"));
    let listed = cdn_of(folder.path(), Layer::default(), |config| config["origins"]["files"] = json!(["json"]));
    assert_eq!(listed.get("/keys.json").body, b"{}");
    assert_eq!(listed.get("/page.html").status, 415);
}

#[test]
fn operators_ask_the_server_itself() {
    let server = cdn(Layer::default(), |_| {});
    for target in ["/metrics", "/healthz", "/%6Detrics?w=1"] {
        assert_eq!(server.get(target).outcome(), (404, "not_found".to_owned()), "{target}");
    }
}

#[test]
fn origins_refuse_what_is_not_signed() {
    let server = cdn(Layer::default(), |_| {});
    let signed =
        "AWS4-HMAC-SHA256 Credential=ASIA/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0";
    for host in ["transformer.localhost", "storage.localhost:8080"] {
        for headers in [&[("host", host)][..], &[("host", host), ("authorization", signed)]] {
            let refused = server.request("GET", "/photo.jpg?w=30", headers);
            assert_eq!(refused.status, 403, "{host}");
            assert!(refused.header("x-cache").is_none());
        }
    }
    let s3 = server.request("GET", "/photo.jpg", &[("host", "storage.localhost")]);
    assert!(String::from_utf8_lossy(&s3.body).contains("<Code>AccessDenied</Code>"));
}

#[test]
fn each_step_is_told() {
    let server = cdn(Layer::default(), |_| {});
    let page = server.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("[hidden] { display: none !important; }"), "what is hidden is not shown by other styles");
    server.get("/photo.jpg?width=40");
    server.get("/photo.jpg?w=40");
    let told = server.get("/_cdn/requests").json();
    let stations = |index: usize| -> Vec<String> {
        let steps = told["requests"][index]["steps"].as_array().unwrap();
        steps.iter().map(|step| step["station"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stations(0), ["viewer", "viewer-request", "cache", "viewer-response", "viewer"]);
    let whole = [
        "viewer",
        "viewer-request",
        "cache",
        "origin-request",
        "origin",
        "origin-response",
        "cache",
        "viewer-response",
        "viewer",
    ];
    assert_eq!(stations(1), whole);
    let text = told["requests"][1].to_string();
    for part in ["no authorisation required", "GET /photo.jpg?w=40", "a transformation goes to transformer.localhost"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for part in ["authorization: AWS4-HMAC-SHA256", "valid signature; responded with 200", "for 2592000 s"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

/// Requests of each kind of answer behind `folder`, with what CloudFront keeps of it.
fn kinds(folder: &str) -> [(String, u16, bool); 8] {
    let of = |name: &str| format!("/{folder}/{name}");
    [
        (of("a.jpg?w=30"), 200, true),
        (of("a.jpg?w=31&v=2"), 200, true),
        (of("a.jpg?info=true"), 200, true),
        (of("a.jpg"), 200, true),
        (of("page.html"), 200, true),
        (of("missing.jpg?w=1"), 404, false),
        (of("a.jpg?w=abc"), 400, false),
        (of("text.txt"), 415, false),
    ]
}

#[test]
fn what_is_not_public_is_private_for_viewers_and_kept_by_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let rules = [("public", true), ("timed", true), ("hidden", false), ("token", false), ("signed", false)];
    for (name, _) in rules {
        let place = folder.path().join(name);
        std::fs::create_dir(&place).unwrap();
        std::fs::copy(fixtures().join("photo.jpg"), place.join("a.jpg")).unwrap();
        std::fs::write(place.join("page.html"), "<p>").unwrap();
        std::fs::write(place.join("text.txt"), "text").unwrap();
    }
    let server = cdn_of(folder.path(), Layer::default(), |config| {
        config["rules"] = json!([
            {"path": "/public/*", "allow": ["public"]},
            {"path": "/timed/*", "allow": ["public"], "max_age": 60, "s_maxage": 600, "stale_while_revalidate": 30},
            {"path": "/hidden/*", "allow": ["public"], "private": true},
            {"path": "/token/*", "allow": ["token"], "max_age": 60, "s_maxage": 600},
            {"path": "/signed/*", "allow": ["signed-url"]},
        ]);
    });
    for (rule, is_public) in rules {
        for (target, status, is_kept) in kinds(rule) {
            let target = match rule {
                "token" => {
                    format!("{target}{}token={}", if target.contains('?') { '&' } else { '?' }, TOKEN.replace(' ', "+"))
                }
                "signed" if status != 400 => sign_url(&target, 4_000_000_000, SECRET.as_bytes()).unwrap(),
                _ => target,
            };
            for (round, expected) in [(1, "Miss"), (2, "Hit")] {
                let answer = server.get(&target);
                let caching = answer.header("cache-control").unwrap_or_default().to_owned();
                let what = format!("{target}, round {round}: {} {caching}", answer.status);
                if rule == "signed" && status == 400 {
                    assert_eq!((answer.status, &*caching), (403, "no-store"), "{what}");
                    continue;
                }
                assert_eq!(answer.status, status, "{what}");
                if is_kept {
                    assert_eq!(cache(&answer), expected, "{what}");
                }
                let is_private = caching.starts_with("private") || ["no-cache", "no-store"].contains(&&*caching);
                assert!(is_public || is_private, "{what}");
                assert!(is_public || !caching.contains("public") && !caching.contains("s-maxage"), "{what}");
                if is_public && is_kept {
                    assert!(caching.starts_with("public"), "{what}");
                }
                if is_kept {
                    let etag = answer.header("etag").unwrap();
                    let same = server.request("GET", &target, &[("if-none-match", etag)]);
                    assert_eq!((same.status, same.header("cache-control")), (304, Some(&*caching)), "{what}");
                    let part = server.request("GET", &target, &[("range", "bytes=0-1")]);
                    assert_eq!((part.status, part.header("cache-control")), (206, Some(&*caching)), "{what}");
                    let head = server.request("HEAD", &target, &[]);
                    assert_eq!((head.status, head.header("cache-control")), (200, Some(&*caching)), "{what}");
                }
            }
        }
    }
    let month = "max-age=2592000";
    let table = [
        ("/public/a.jpg?w=30".to_owned(), format!("public, {month}")),
        ("/public/a.jpg?w=31&v=2".to_owned(), format!("public, {month}, immutable")),
        ("/public/page.html".to_owned(), "public".to_owned()),
        ("/timed/a.jpg?w=30".to_owned(), "public, max-age=60, s-maxage=600, stale-while-revalidate=30".to_owned()),
        ("/hidden/a.jpg?w=30".to_owned(), format!("private, {month}")),
        ("/hidden/page.html".to_owned(), "private".to_owned()),
        (format!("/token/a.jpg?w=30&token={}", TOKEN.replace(' ', "+")), "private, max-age=60".to_owned()),
    ];
    for (target, expected) in table {
        assert_eq!(server.get(&target).header("cache-control"), Some(&*expected), "{target}");
    }
    let told = server.get("/_cdn/requests").json();
    assert!(told["requests"][0].to_string().contains("only the client's own cache may store it"));
}

#[test]
fn an_old_answer_is_given_while_a_new_one_is_fetched() {
    let counting = Arc::new(Counting::default());
    let server = in_front_of(counting.router(1, |_| 200), |config| {
        config["rules"] = json!([{"path": "/*", "allow": ["public"], "stale_while_revalidate": 600}]);
    });
    assert_eq!(server.get("/a.jpg?w=1").body, b"1");
    std::thread::sleep(Duration::from_millis(1100));
    for _ in 0..3 {
        let old = server.get("/a.jpg?w=1");
        assert_eq!((&*old.body, cache(&old)), (&b"1"[..], "Hit"));
    }
    let renewed = std::iter::repeat_with(|| {
        std::thread::sleep(Duration::from_millis(50));
        server.get("/a.jpg?w=1").body
    });
    assert!(renewed.take(100).any(|body| body != b"1"), "the new answer comes by itself");
    assert_eq!(counting.most_at_work.load(Ordering::SeqCst), 1);
}

#[test]
fn a_rule_bounds_how_long_old_answers_outlive_the_origin() {
    for (limit, status) in [(json!(null), 200), (json!(600), 200), (json!(0), 503)] {
        let counting = Arc::new(Counting::default());
        let server = in_front_of(counting.router(1, |count| if count == 1 { 200 } else { 503 }), |config| {
            config["rules"] = json!([{"path": "/*", "allow": ["public"], "stale_if_error": limit}]);
        });
        assert_eq!(server.get("/a.jpg?w=1").status, 200);
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(server.get("/a.jpg?w=1").status, status, "{limit}");
    }
}

/// An origin of which each answer is another one, kept for some seconds, and which counts.
#[derive(Default)]
struct Counting {
    asked: AtomicUsize,
    at_work: AtomicUsize,
    most_at_work: AtomicUsize,
}

impl Counting {
    async fn answer(&self, max_age: u32, status: impl Fn(usize) -> u16) -> axum::response::Response {
        let count = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_work.fetch_max(self.at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        let status = http::StatusCode::from_u16(status(count)).unwrap();
        let headers = [("cache-control", format!("max-age={max_age}")), ("etag", "\"a\"".to_owned())];
        (status, headers, count.to_string()).into_response()
    }

    fn router(self: &Arc<Self>, max_age: u32, status: impl Fn(usize) -> u16 + Copy + Send + Sync + 'static) -> Router {
        let counting = self.clone();
        Router::new().fallback(move || async move { counting.answer(max_age, status).await })
    }
}

fn at_once(server: &Server, count: usize) -> Vec<Response> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(|| server.get("/a.jpg?w=1"))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn one_request_a_key_is_under_way() {
    let counting = Arc::new(Counting::default());
    let server = in_front_of(counting.router(600, |_| 200), |_| {});
    let answers = at_once(&server, 8);
    assert_eq!(counting.asked.load(Ordering::SeqCst), 1);
    assert!(answers.iter().all(|answer| answer.body == b"1"));
    assert_eq!(answers.iter().filter(|answer| cache(answer) == "Miss").count(), 1);
    // What may not be kept is asked for by each, but not one after the other.
    let counting = Arc::new(Counting::default());
    let server = in_front_of(counting.router(600, |_| 422), |_| {});
    assert!(at_once(&server, 8).iter().all(|answer| answer.status == 422));
    assert_eq!(counting.asked.load(Ordering::SeqCst), 8);
    assert!(counting.most_at_work.load(Ordering::SeqCst) > 1);
}

#[test]
fn old_answers_are_confirmed_or_replaced_and_outlive_a_failing_origin() {
    let statuses = |count: usize| [200, 304, 503, 200][count - 1];
    let server = in_front_of(Arc::new(Counting::default()).router(1, statuses), |_| {});
    let expected = [("Miss", "1"), ("RefreshHit", "1"), ("Hit", "1"), ("Miss", "4")];
    for (said, body) in expected {
        let answer = server.get("/a.jpg?w=1");
        assert_eq!((answer.status, cache(&answer), &*answer.body), (200, said, body.as_bytes()));
        std::thread::sleep(Duration::from_millis(1050));
    }
}

#[test]
fn an_origin_that_takes_too_long_is_given_up() {
    let slow = Router::new().fallback(|| async { tokio::time::sleep(Duration::from_secs(60)).await });
    let change = |config: &mut Value| config["origins"]["transformer"]["read_timeout_seconds"] = json!(4);
    let server = in_front_of(slow, change);
    let answer = server.get("/a.jpg?w=1");
    assert_eq!((answer.status, cache(&answer)), (504, "Error"));
}
