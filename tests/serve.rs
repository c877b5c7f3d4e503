//! The local HTTP server, end to end: real sockets, real files.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Server, fixtures, large};
use image_origin::config::Layer;
use image_origin::front::serve::{metrics_router, router};
use image_origin::front::{Connections, ViewerSettings};
use image_origin::origin::{Origin, OriginRequest};
use image_origin::source::{
    BoxFuture, Content, Folder, GetOptions, GetResult, Object, ObjectMeta, Source, SourceError,
};

#[test]
fn an_original_without_its_gain_map_is_not_encoded_again() {
    let server = Server::start();
    let [plain, dropped] = ["/photo.jpg", "/photo.jpg?hdr=drop"].map(|path| server.get(path));
    assert_eq!((plain.status, dropped.status), (200, 200));
    assert_eq!(plain.body, dropped.body);
}

#[test]
fn a_small_upright_picture_comes_out() {
    let server = Server::start();
    let response = server.get("/photo.jpg?w=300");
    assert_eq!((response.status, response.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(response.size(), (300, 225));
    assert!(response.body.len() < 40_000, "{} bytes", response.body.len());
    assert!(!response.body.windows(4).any(|window| window == b"Exif"), "no metadata");
    let length = response.header("content-length").unwrap().parse::<usize>().unwrap();
    assert_eq!(length, response.body.len());
    assert_eq!(response.header("cache-control"), Some("public, max-age=2592000"));
    assert_eq!(response.header("vary"), None);
    assert!(response.header("last-modified").unwrap().ends_with("GMT"));
    for stage in ["fetch;dur=", "decode;dur=", "resize;dur=", "encode;dur="] {
        assert!(response.header("server-timing").unwrap().contains(stage));
    }
}

#[test]
fn a_searched_quality_is_told() {
    let server = Server::with(Layer { cors: Some("*".to_owned()), ..Layer::default() });
    for (target, expected) in [
        ("/photo.jpg?w=120&q=auto", Some(80.0)),
        ("/photo.jpg?w=120&q=auto:60&format=webp", Some(60.0)),
        ("/photo.jpg?w=120&q=auto:60&format=auto", Some(60.0)),
        ("/photo.jpg?w=120&q=80", None),
        ("/photo.jpg?w=120&q=auto&format=webp&lossless", None),
    ] {
        for cached in [false, true] {
            let response =
                server.request("GET", target, &[("origin", "https://example.com"), ("accept", "image/avif")]);
            let quality = response.header("image-quality");
            let score = quality
                .and_then(|quality| quality.split_once(", ssimulacra2="))
                .map(|(_, score)| score.parse::<f64>().unwrap());
            match (score, expected) {
                (Some(score), Some(expected)) => assert!((score - expected).abs() < 5.0, "{target}: {quality:?}"),
                (score, expected) => assert_eq!(score, expected, "{target}"),
            }
            assert!(
                response.header("access-control-expose-headers").unwrap().contains("image-quality"),
                "{target} {cached}"
            );
        }
    }
}

#[test]
fn every_readable_fixture_is_served() {
    let server = Server::start();
    for folder in ["", "orientation", "jpeg", "png", "webp", "gif"] {
        for entry in std::fs::read_dir(fixtures().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() || name.ends_with(".md") {
                continue;
            }
            let response = server.get(&format!("/{folder}/{name}?w=20").replace("//", "/"));
            assert_eq!(response.status, 200, "{folder}/{name}: {}", String::from_utf8_lossy(&response.body));
            assert_eq!(response.size().0, 20, "{folder}/{name}");
            let original = server.get(&format!("/{folder}/{name}").replace("//", "/"));
            assert_eq!((original.status, original.size().0 > 20), (200, true), "{folder}/{name}");
        }
    }
}

#[test]
fn head_is_get_without_its_body() {
    let server = Server::start();
    for target in ["/photo.jpg?w=120", "/photo.jpg", "/missing.jpg", "/photo.jpg?info"] {
        // Errors name the request; the server's own names get longer.
        let [get, head] = ["GET", "HEAD"].map(|method| server.request(method, target, &[("x-request-id", "same")]));
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{target}");
        for name in ["content-type", "content-length", "etag", "cache-control", "accept-ranges"] {
            assert_eq!(head.header(name), get.header(name), "{target} {name}");
        }
    }
}

#[test]
fn conditional_requests_are_answered_without_work() {
    let server = Server::start();
    for target in ["/photo.jpg?w=130", "/photo.jpg", "/photo.jpg?w=130&format=auto"] {
        let first = server.get(target);
        let (etag, modified) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
        assert!(etag.starts_with('"') && etag.ends_with('"'), "a strong tag: {etag}");
        for condition in [("if-none-match", etag), ("if-modified-since", modified)] {
            let again = server.request("GET", target, &[condition]);
            assert_eq!((again.status, again.body.len()), (304, 0), "{target} {condition:?}");
            for name in ["etag", "cache-control", "last-modified", "vary"] {
                assert_eq!(again.header(name), first.header(name), "{name}");
            }
        }
        assert_eq!(server.request("GET", target, &[("if-none-match", "\"other\"")]).status, 200);
    }
    // A tag of the picture's facts is known before decoding, so even a picture that cannot be decoded can be current.
    let tag = |target| server.get(target).header("etag").map(str::to_owned);
    assert_ne!(tag("/photo.jpg?w=130"), tag("/photo.jpg?w=131"));
    assert_eq!(tag("/photo.jpg?w=130&utm_source=x"), tag("/photo.jpg?width=130"));
}

#[test]
fn values_of_real_pages_are_taken_and_slips_are_named() {
    let server = Server::start();
    let table = [
        ("w=300.0&dpr=0.8999999761581421&format=jpg&fit=Inside", (270, 203), None),
        ("w=%20150%20&utm_source=x", (150, 113), Some("\"utm_source\"")),
        ("wdith=300&W=20&w=100", (100, 75), Some("\"wdith\";meant=\"width\", \"W\";meant=\"w\"")),
    ];
    for (query, size, ignored) in table {
        // The second answer comes from the cache.
        for _ in 0..2 {
            let answer = server.get(&format!("/photo.jpg?{query}"));
            assert_eq!((answer.status, answer.size()), (200, size), "{query}");
            assert_eq!(answer.header("image-ignored-parameters"), ignored, "{query}");
        }
    }
}

#[test]
fn ranges_work_on_what_is_not_transformed() {
    let server = Server::start();
    let whole = server.get("/photo.jpg");
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let length = whole.body.len();
    for (range, expected) in [("bytes=0-9", 0..10), ("bytes=700-1299", 700..1300), ("bytes=-5", length - 5..length)] {
        let part = server.request("GET", "/photo.jpg", &[("range", range)]);
        assert_eq!((part.status, part.body.as_slice()), (206, &whole.body[expected.clone()]), "{range}");
        let shown = format!("bytes {}-{}/{length}", expected.start, expected.end - 1);
        assert_eq!(part.header("content-range"), Some(shown.as_str()));
    }
    let outside = server.request("GET", "/photo.jpg", &[("range", "bytes=99999999-")]);
    assert_eq!(outside.outcome(), (416, "range_not_satisfiable".to_owned()));
    assert_eq!(outside.header("content-range"), Some(format!("bytes */{length}").as_str()));
    let stale = server.request("GET", "/photo.jpg", &[("range", "bytes=0-9"), ("if-range", "\"old\"")]);
    assert_eq!((stale.status, stale.body.len()), (200, length));
    assert_eq!(server.request("GET", "/photo.jpg?w=50", &[("range", "bytes=0-9")]).status, 200);
}

#[test]
fn originals_keep_their_pixels_and_orientation_and_nothing_else() {
    let server = Server::start();
    let response = server.get("/photo.jpg");
    let original = std::fs::read(fixtures().join("photo.jpg")).unwrap();
    for secret in ["Example Corp.", "Pocket 7", "A. Photographer", "2026:05:04"] {
        let contains = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(contains(&original) && !contains(&response.body), "{secret}");
    }
    let pixels = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().into_rgb8().into_raw();
    assert_eq!(pixels(&response.body), pixels(&original));
    assert_eq!(
        image_origin::container::orientation(
            &response.body,
            image_origin::codec::Format::Jpeg,
            &image_origin::codec::Cancellation::unbounded()
        )
        .unwrap(),
        6
    );
    let plain = server.get("/plain/photo.ppm");
    assert_eq!((plain.status, plain.header("content-type")), (200, Some("image/x-portable-anymap")));
    let header = b"P6\n\n60 40\n255\n";
    assert!(plain.body.starts_with(header) && plain.body.len() == header.len() + 60 * 40 * 3, "only its comment goes");
}

#[test]
fn auto_follows_accept_and_says_so() {
    let server = Server::start();
    let with = |accept| server.request("GET", "/photo.jpg?w=140&format=auto", &[("accept", accept)]);
    let (avif, webp, jpeg) = (with("image/avif,image/webp,*/*"), with("image/webp,*/*"), with("*/*"));
    assert_eq!(avif.header("content-type"), Some("image/avif"));
    assert_eq!(webp.header("content-type"), Some("image/webp"));
    assert_eq!(jpeg.header("content-type"), Some("image/jpeg"));
    assert_ne!(webp.header("etag"), jpeg.header("etag"));
    assert_ne!(webp.header("etag"), avif.header("etag"));
    for response in [avif, webp, jpeg] {
        assert_eq!(response.header("vary").map(str::to_lowercase).as_deref(), Some("accept"));
    }
}

#[test]
fn responses_have_the_name_of_what_is_sent() {
    let server = Server::start();
    let table = [
        ("/photo.jpg", Some("inline; filename=\"photo.jpg\"")),
        ("/photo.jpg?w=30&format=webp", Some("inline; filename=\"photo.webp\"")),
        ("/photo.jpg?info", Some("inline; filename=\"photo.json\"")),
        ("/photo.jpg?download&info", Some("attachment; filename=\"photo.json\"")),
        ("/photo.jpg?download=1", Some("attachment; filename=\"photo.jpg\"")),
        ("/photo.jpg?w=30&download=no", Some("inline; filename=\"photo.jpg\"")),
        ("/photo.jpg?w=30&format=png&download=beach.jpeg", Some("attachment; filename=\"beach.png\"")),
        ("/photo.jpg?w=30&download=a%0Bb", None),
        ("/names/no-ending?w=30", Some("inline; filename=\"no-ending.jpg\"")),
        ("/names/really-a-png.jpg?w=30", Some("inline; filename=\"really-a-png.png\"")),
        (
            "/names/gr%C3%BCn-%E6%97%A5%E6%9C%AC.jpg?w=30",
            Some("inline; filename=\"gr_n-__.jpg\"; filename*=UTF-8''gr%C3%BCn-%E6%97%A5%E6%9C%AC.jpg"),
        ),
        ("/missing.jpg?download=x", None),
    ];
    for (target, expected) in table {
        for method in ["GET", "HEAD"] {
            let response = server.request(method, target, &[]);
            assert_eq!(response.header("content-disposition"), expected, "{method} {target}");
        }
    }
    let too_long = server.get(&format!("/photo.jpg?download={}", "x".repeat(5000)));
    assert_eq!((too_long.status, too_long.json()["parameter"]["name"].as_str()), (400, Some("download")));
}

#[test]
fn a_name_is_no_other_picture() {
    let server = Server::start();
    let [plain, one, other] =
        ["", "&download=one", "&download=other&v=2"].map(|more| server.get(&format!("/photo.jpg?w=31{more}")));
    assert!(plain.body == one.body && one.body == other.body);
    let caches = [&plain, &one, &other].map(|response| response.header("server-timing").unwrap());
    assert!(caches[0].contains("encode") && caches[1..] == ["cache;desc=hit"; 2], "{caches:?}");
    let names = [&plain, &one, &other].map(|response| response.header("content-disposition").unwrap());
    let expected =
        ["inline; filename=\"photo.jpg\"", "attachment; filename=\"one.jpg\"", "attachment; filename=\"other.jpg\""];
    assert_eq!(names, expected);
    let tag = plain.header("etag").unwrap();
    assert_eq!(one.header("etag"), Some(tag));
    // The client has stored a response of this URL, and keeps its name.
    let again = server.request("GET", "/photo.jpg?w=31&download=one", &[("if-none-match", tag)]);
    assert_eq!((again.status, again.header("content-disposition")), (304, None));
    let part = server.request("GET", "/photo.jpg?download=one", &[("range", "bytes=0-9")]);
    assert_eq!((part.status, part.header("content-disposition")), (206, Some(expected[1])));
}

#[test]
fn the_configuration_orders_what_auto_chooses() {
    let chosen = |formats: &str| {
        let server = Server::with(Layer { auto_formats: Some(formats.to_owned()), ..Layer::default() });
        let accept = [("accept", "image/avif,image/webp,*/*")];
        let response = server.request("GET", "/photo.jpg?w=40&format=auto", &accept);
        response.header("content-type").map(str::to_owned)
    };
    assert_eq!(chosen("webp,avif").as_deref(), Some("image/webp"));
    assert_eq!(chosen("none").as_deref(), Some("image/jpeg"));
}

#[test]
fn facts_are_json() {
    let server = Server::start();
    let info = server.get("/photo.jpg?info=true").json();
    assert_eq!((&info["width"], &info["height"], &info["orientation"]), (&1200.into(), &900.into(), &6.into()));
    assert_eq!(server.get("/gif/animated.gif?info").json()["frames"], 3);
    assert_eq!(server.get("/drawing.png?info").json()["alpha"], true);
}

#[test]
fn animations_are_served_as_animations() {
    let server = Server::start();
    let info = server.get("/gif/disposing.gif?info").json();
    assert_eq!((&info["delays"], &info["loop"]), (&serde_json::json!([100, 50, 200, 1000]), &3.into()));
    assert!(server.get("/gif/still.gif?info").json().get("loop").is_none());
    let types = |query: &str, accept| {
        let response = server.request("GET", &format!("/gif/disposing.gif?{query}"), &[("accept", accept)]);
        let frames = match &response.body {
            body if body.starts_with(b"GIF8") => body.windows(3).filter(|w| *w == [0x21, 0xf9, 4]).count(),
            body => body.windows(4).filter(|w| *w == b"ANMF").count(),
        };
        (response.header("content-type").unwrap().to_owned(), frames)
    };
    assert_eq!(types("w=20", "*/*"), ("image/gif".to_owned(), 4));
    assert_eq!(types("w=20&blur=3&format=auto", "image/webp"), ("image/webp".to_owned(), 4));
    assert_eq!(types("w=20&frame=2", "*/*"), ("image/gif".to_owned(), 1));
    assert_eq!(types("w=20&format=jpeg", "*/*"), ("image/jpeg".to_owned(), 0));
}

#[test]
fn errors_are_problems_with_stable_codes() {
    let server = Server::start();
    let table = [
        ("/photo.jpg?w=abc", 400, "bad_parameter"),
        ("/photo.jpg?crop=5000,0,1,1", 400, "crop_outside"),
        ("/photo.jpg?w=9&page=1", 400, "page_outside"),
        ("/gif/animated.gif?frame=3", 400, "page_outside"),
        ("/%ff", 400, "bad_path"),
        ("/a%00b", 400, "bad_path"),
        ("/", 400, "bad_path"),
        ("/missing.jpg", 404, "not_found"),
        ("/missing.jpg?w=1", 404, "not_found"),
        ("/../Cargo.toml", 404, "not_found"),
        ("/%2e%2e/Cargo.toml", 404, "not_found"),
        ("/..%2fCargo.toml?w=3", 404, "not_found"),
        ("/orientation", 404, "not_found"),
        ("/broken/text.jpg", 415, "unsupported_image"),
        ("/broken/text.jpg?w=5", 415, "unsupported_image"),
        ("/broken/empty.jpg?w=5", 415, "unsupported_image"),
        ("/make/main.rs", 415, "unsupported_image"),
        ("/broken/header-only.jpg?w=5", 422, "damaged_image"),
        ("/broken/60000x60000.png?w=5", 422, "image_too_large"),
        ("/photo.jpg?w=16383&h=16383&fit=fill", 422, "image_too_large"),
        ("/photo.jpg?w=300&max_bytes=100", 422, "max_bytes_impossible"),
    ];
    for (target, status, code) in table {
        let response = server.get(target);
        assert_eq!(response.outcome(), (status, code.to_owned()), "{target}");
        let document = response.json();
        assert_eq!(document["status"], status);
        assert!(document["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{document}");
        let folder = fixtures().display().to_string();
        assert!(!document.to_string().contains(&folder), "no path of this machine: {document}");
    }
    let post = server.request("POST", "/photo.jpg", &[("content-length", "0")]);
    assert_eq!((post.outcome(), post.header("allow")), ((405, "method_not_allowed".to_owned()), Some("GET, HEAD")));
}

#[test]
fn names_of_all_kinds_are_found() {
    let server = Server::start();
    let table = [
        "/names/a%20b+c%2520&d=e'()!*,;@$.jpg?w=30",
        "/names/a%20b%2Bc%2520%26d%3De%27%28%29%21%2A%2C%3B%40%24.jpg?w=30",
        "/names/gr%C3%BCn-%E6%97%A5%E6%9C%AC.jpg?w=30",
        "/names/no-ending?w=30",
        "/names%2Fno-ending?w=30",
        "/names/really-a-png.jpg?w=30",
    ];
    for target in table {
        assert_eq!(server.get(target).status, 200, "{target}");
    }
    assert_eq!(server.get("/names/really-a-png.jpg?w=30").header("content-type"), Some("image/png"));
}

#[test]
fn other_web_origins_are_let_in_as_configured() {
    let preflight = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    let allowed = |cors: Option<&str>| {
        let server = Server::with(Layer { cors: cors.map(str::to_owned), ..Layer::default() });
        let answer = server.request("OPTIONS", "/photo.jpg", &preflight);
        let get = server.request("GET", "/photo.jpg?w=20", &preflight[..1]);
        let name = "access-control-allow-origin";
        assert_eq!(answer.header(name), get.header(name));
        get.header(name).map(str::to_owned)
    };
    assert_eq!(allowed(None), None);
    assert_eq!(allowed(Some("*")).as_deref(), Some("*"));
    assert_eq!(allowed(Some("https://a.example")).as_deref(), Some("https://a.example"));
    assert_eq!(allowed(Some("none")), None);
}

#[test]
fn presets_are_settings() {
    let presets = [("thumb".to_owned(), "w=60&h=60&fit=cover".to_owned())].into();
    let server = Server::with(Layer { presets, ..Layer::default() });
    assert_eq!(server.get("/photo.jpg?preset=thumb").size(), (60, 60));
    assert_eq!(server.get("/photo.jpg?preset=thumb&h=30").size(), (60, 30));
    let unknown = server.get("/photo.jpg?preset=big");
    assert_eq!(unknown.outcome(), (400, "bad_parameter".to_owned()));
    assert_eq!(unknown.json()["parameter"]["allowed"], "one of thumb");
}

#[test]
fn a_healthy_server_says_so() {
    let server = Server::start();
    assert_eq!((server.get("/healthz").status, server.get("/healthz").body), (200, b"ok\n".to_vec()));
}

/// Fixtures from a store that counts, and may take its time.
struct Slow {
    folder: Folder,
    opened: Arc<AtomicUsize>,
    delay: Duration,
}

impl Source for Slow {
    fn open<'a>(&'a self, ask: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(async {
            self.opened.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(self.delay).await;
            self.folder.open(ask).await
        })
    }
}

fn slow(delay: Duration, settings: Layer) -> (Server, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let folder = Folder::new(fixtures()).unwrap();
    (Server::over(Box::new(Slow { folder, opened: opened.clone(), delay }), settings), opened)
}

#[test]
fn a_store_that_does_not_answer_is_a_timeout() {
    let settings = Layer { deadline: Some(0.05), ..Layer::default() };
    let (server, _) = slow(Duration::from_secs(5), settings);
    assert_eq!(server.get("/photo.jpg?w=10").outcome(), (504, "source_timeout".to_owned()));
}

#[test]
fn a_picture_that_takes_too_long_is_stopped() {
    let server = Server::with(Layer { deadline: Some(0.25), ..Layer::default() });
    let response = server.get("/photo.jpg?w=3000&h=3000&fit=fill&blur=100&format=webp&lossless");
    assert_eq!(response.outcome(), (504, "deadline".to_owned()));
}

#[test]
fn equal_requests_are_worked_once_and_then_remembered() {
    let server = Server::start();
    let target = "/photo.jpg?w=800&format=webp&blur=3";
    let timings: Vec<String> = std::thread::scope(|scope| {
        let requests: Vec<_> =
            (0..8).map(|_| scope.spawn(|| server.get(target).header("server-timing").unwrap().to_owned())).collect();
        requests.into_iter().map(|request| request.join().unwrap()).collect()
    });
    let worked = timings.iter().filter(|timing| timing.contains("decode")).count();
    assert_eq!(worked, 1, "{timings:?}");
    assert_eq!(server.get(target).header("server-timing"), Some("cache;desc=hit"));
}

#[test]
fn the_cache_can_be_switched_off() {
    let server = Server::with(Layer { cache: Some("0".parse().unwrap()), ..Layer::default() });
    for _ in 0..3 {
        let response = server.get("/photo.jpg?w=33");
        assert!(response.header("server-timing").unwrap().contains("decode"));
    }
}

#[test]
fn a_changed_original_is_seen_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture");
    std::fs::copy(fixtures().join("orientation/1.jpg"), &path).unwrap();
    let server = Server::over(Box::new(Folder::new(folder.path()).unwrap()), Layer::default());
    let before = server.get("/picture?w=20");
    std::fs::copy(fixtures().join("photo.png"), &path).unwrap();
    let after = server.get("/picture?w=20");
    assert_eq!((before.header("content-type"), after.header("content-type")), (Some("image/jpeg"), Some("image/png")));
    assert_ne!(before.header("etag"), after.header("etag"));
}

#[test]
fn overload_is_refused_and_passes() {
    let settings = Layer { workers: Some(1), queue: Some(1), ..Layer::default() };
    let server = Server::with(settings);
    let outcomes: Vec<(u16, Option<String>)> = std::thread::scope(|scope| {
        let request = |i: usize| {
            let response = server.get(&format!("/photo.jpg?w={}&blur=40&format=webp", 700 + i));
            (response.status, response.header("retry-after").map(str::to_owned))
        };
        let requests: Vec<_> = (0..12).map(|i| scope.spawn(move || request(i))).collect();
        requests.into_iter().map(|request| request.join().unwrap()).collect()
    });
    let refused = outcomes.iter().filter(|outcome| **outcome == (503, Some("1".to_owned()))).count();
    let served = outcomes.iter().filter(|outcome| outcome.0 == 200).count();
    assert!(refused > 0 && served >= 2 && refused + served == 12, "{outcomes:?}");
    assert_eq!(server.get("/photo.jpg?w=50").status, 200);
}

#[test]
fn a_viewer_that_hangs_up_frees_its_worker() {
    let settings = Layer { workers: Some(1), queue: Some(0), ..Layer::default() };
    let server = Server::with(settings);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET /photo.jpg?w=3000&h=3000&fit=fill&blur=100&format=png HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    drop(stream);
    until(|| server.get("/orientation/1.jpg?w=7").status == 200);
}

#[test]
fn a_large_original_is_streamed() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = large(30 << 20);
    std::fs::write(folder.path().join("big.pgm"), &bytes).unwrap();
    let server = Server::over(Box::new(Folder::new(folder.path()).unwrap()), Layer::default());
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET /big.pgm HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(&bytes), "{} bytes of {}", answer.len(), bytes.len());
}

#[test]
fn metadata_is_told_to_those_who_ask() {
    let server = Server::start();
    let response = server.get("/photo.jpg?showExif=true");
    assert_eq!(response.header("content-type"), Some("application/json"));
    let report = response.json();
    assert_eq!((&report["width"], &report["height"], &report["orientation"]), (&1200.into(), &900.into(), &6.into()));
    assert_eq!(report["exif"]["image"]["Make"], "Example Corp.");
    assert_eq!(report["exif"]["photo"]["DateTimeOriginal"], "2026-05-04T03:02:01.250+02:00");
    assert!((report["exif"]["gps"]["latitude"].as_f64().unwrap() - 47.05675).abs() < 1e-4, "{report}");
    let nothing = server.get("/png/rgb-8.png?showExif");
    assert_eq!((nothing.status, &nothing.json()["exif"]["image"]), (200, &serde_json::json!({})));
    assert_eq!(server.get("/broken/text.jpg?showExif").outcome(), (415, "unsupported_image".to_owned()));
}

#[test]
fn metadata_is_kept_in_pictures_on_request() {
    let server = Server::start();
    let holds = |target: &str, text: &str| {
        let body = server.get(target).body;
        body.windows(text.len()).any(|window| window == text.as_bytes())
    };
    for query in ["", "&w=100", "&w=100&format=png", "&w=100&format=webp"] {
        for (keep, make, artist) in [("none", false, false), ("copyright", false, true), ("all", true, true)] {
            let target = format!("/photo.jpg?metadata={keep}{query}");
            assert_eq!(holds(&target, "Example Corp."), make, "{target}");
            assert_eq!(holds(&target, "A. Photographer"), artist, "{target}");
        }
    }
    let turned = server.get("/photo.jpg?metadata=all&w=100");
    assert_eq!(turned.size(), (100, 75));
    assert_eq!(
        image_origin::container::orientation(
            &turned.body,
            image_origin::codec::Format::Jpeg,
            &image_origin::codec::Cancellation::unbounded()
        )
        .unwrap(),
        1
    );
}

#[test]
fn metadata_is_hidden_as_configured() {
    use image_origin::origin::ExposeMetadata;
    let with = |expose| Server::with(Layer { expose_metadata: Some(expose), ..Layer::default() });
    let hidden = (403, "metadata_hidden".to_owned());
    let none = with(ExposeMetadata::None);
    for target in ["/photo.jpg?showExif=true", "/photo.jpg?metadata=all", "/photo.jpg?metadata=all&w=9"] {
        assert_eq!(none.get(target).outcome(), hidden, "{target}");
    }
    assert_eq!(none.get("/photo.jpg?metadata=copyright&w=9").status, 200);
    let no_location = with(ExposeMetadata::NoLocation);
    assert_eq!(no_location.get("/photo.jpg?metadata=all").outcome(), hidden);
    let report = no_location.get("/photo.jpg?showExif=true").json();
    assert_eq!(
        (&report["exif"]["gps"], &report["exif"]["image"]["Make"]),
        (&serde_json::json!({}), &"Example Corp.".into())
    );
}

#[test]
fn figures_are_told_to_prometheus_at_a_port_of_their_own_and_add_up() {
    let origin = over_fixtures(Layer::default());
    let connections = Connections::new(&Layer::default().resolve().unwrap().connections);
    let viewers = Server::serving(router(origin.clone(), &ViewerSettings::default()));
    let operators = Server::serving(metrics_router(origin, connections));
    let pictures = ["/photo.jpg?w=300", "/photo.jpg?w=300", "/missing.jpg"].map(|target| viewers.get(target));
    let response = operators.get("/metrics");
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(response.body).unwrap();
    let sent: usize = pictures.iter().map(|picture| picture.body.len()).sum();
    let original = std::fs::metadata(fixtures().join("photo.jpg")).unwrap().len();
    for line in [
        "image_origin_requests_total{status=\"200\",format=\"jpeg\"} 2".to_owned(),
        "image_origin_requests_total{status=\"404\",format=\"problem+json\"} 1".to_owned(),
        "image_origin_cache_requests_total{result=\"miss\"} 1".to_owned(),
        "image_origin_cache_requests_total{result=\"hit\"} 1".to_owned(),
        "image_origin_problems_total{code=\"not_found\"} 1".to_owned(),
        format!("image_origin_bytes_out_total {sent}"),
        format!("image_origin_bytes_in_total {original}"),
        "image_origin_pixels_total 67500".to_owned(),
        "image_origin_duration_seconds_count{stage=\"decode\"} 1".to_owned(),
        "image_origin_duration_seconds_count{stage=\"total\"} 3".to_owned(),
        "image_origin_queue_length{pool=\"pixels\"} 0".to_owned(),
        "image_origin_workers_busy{pool=\"headers\"} 0".to_owned(),
        "image_origin_download_memory_bytes 0".to_owned(),
        "image_origin_connections 0".to_owned(),
        format!("image_origin_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(text.lines().any(|written| written == line), "{line} is not in {text}");
    }
    assert_eq!((operators.get("/healthz").status, operators.get("/photo.jpg").status), (200, 404));
    assert_eq!(viewers.get("/metrics").outcome(), (404, "not_found".to_owned()), "a name like any other");
}

/// Fixtures with these settings.
fn over_fixtures(settings: Layer) -> Arc<Origin> {
    let settings = Layer { deadline: Some(120.0), ..settings }.resolve().unwrap().origin;
    Arc::new(Origin::new(Box::new(Folder::new(fixtures()).unwrap()), settings).unwrap())
}

/// Fixtures from a store that lets nobody through until it is told to, and counts.
struct Gated {
    folder: Folder,
    opened: Arc<AtomicUsize>,
    gate: Arc<tokio::sync::Semaphore>,
}

impl Source for Gated {
    fn open<'a>(&'a self, ask: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(async {
            self.opened.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
            self.folder.open(ask).await
        })
    }
}

/// A server over such a store, how often that was opened, and the gate.
fn gated(settings: Layer) -> (Server, Arc<AtomicUsize>, Arc<tokio::sync::Semaphore>) {
    let (opened, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let source = Gated { folder: Folder::new(fixtures()).unwrap(), opened: opened.clone(), gate: gate.clone() };
    (Server::over(Box::new(source), settings), opened, gate)
}

#[test]
fn readiness_is_told_apart_from_life() {
    let (opened, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let source = Gated { folder: Folder::new(fixtures()).unwrap(), opened: opened.clone(), gate: gate.clone() };
    let settings = Layer { workers: Some(1), queue: Some(0), deadline: Some(120.0), ..Layer::default() };
    let settings = settings.resolve().unwrap();
    let origin = Arc::new(Origin::new(Box::new(source), settings.origin).unwrap());
    let viewers = Server::serving(router(origin.clone(), &ViewerSettings::default()));
    let operators = Server::serving(metrics_router(origin.clone(), Connections::new(&settings.connections)));
    let told = |expected: (u16, &str)| {
        for server in [&viewers, &operators] {
            assert_eq!(server.get("/healthz").status, 200);
            let ready = server.get("/readyz");
            assert_eq!((ready.status, std::str::from_utf8(&ready.body).unwrap()), expected);
        }
    };
    told((200, "ready\n"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| viewers.get("/photo.jpg?w=20"));
        until(|| opened.load(Ordering::SeqCst) == 1);
        told((503, "the queue is full\n"));
        gate.add_permits(1);
        assert_eq!(waiting.join().unwrap().status, 200);
    });
    until(|| viewers.get("/readyz").status == 200);
    origin.drain();
    told((503, "stopping\n"));
    gate.add_permits(1);
    assert_eq!(viewers.get("/photo.jpg?w=21").status, 200);
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An origin over such a store.
fn gated_origin() -> (Arc<Origin>, Arc<AtomicUsize>, Arc<tokio::sync::Semaphore>) {
    let (opened, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let source = Gated { folder: Folder::new(fixtures()).unwrap(), opened: opened.clone(), gate: gate.clone() };
    let settings = Layer { deadline: Some(120.0), ..Layer::default() }.resolve().unwrap().origin;
    (Arc::new(Origin::new(Box::new(source), settings).unwrap()), opened, gate)
}

/// The status of an answer for which no socket is needed.
async fn status(origin: Arc<Origin>, path: &str, query: &str, deadline: Option<tokio::time::Instant>) -> u16 {
    let (method, headers) = (axum::http::Method::GET, axum::http::HeaderMap::new());
    let request = OriginRequest { method: &method, path, query, headers: &headers, deadline, request_id: None };
    origin.respond(request).await.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn equal_requests_open_the_original_once() {
    let table =
        [("/photo.jpg", "w=60", 200), ("/photo.jpg", "", 200), ("/photo.jpg", "showExif", 200), ("/x", "", 404)];
    for (path, query, expected) in table {
        let (origin, opened, gate) = gated_origin();
        let requests: Vec<_> = (0..8).map(|_| tokio::spawn(status(origin.clone(), path, query, None))).collect();
        // Time stands still until all of them wait.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(opened.load(Ordering::SeqCst), 1, "{path}?{query}");
        tokio::time::resume();
        gate.add_permits(1);
        for request in requests {
            assert_eq!(request.await.unwrap(), expected, "{path}?{query}");
        }
        assert_eq!(opened.load(Ordering::SeqCst), 1, "{path}?{query}");
        tokio::time::pause();
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_an_equal_request_costs_nobody_its_own_deadline() {
    let (origin, opened, gate) = gated_origin();
    // The first has less time than the second, as its handler says.
    let soon = tokio::time::Instant::now() + Duration::from_secs(1);
    let first = tokio::spawn(status(origin.clone(), "/photo.jpg", "w=60", Some(soon)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let second = tokio::spawn(status(origin, "/photo.jpg", "w=60", None));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(opened.load(Ordering::SeqCst), 1);
    assert_eq!(first.await.unwrap(), 504);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(opened.load(Ordering::SeqCst), 2, "it asks for itself when the first has failed");
    tokio::time::resume();
    gate.add_permits(1);
    assert_eq!(second.await.unwrap(), 200);
}

#[test]
fn the_place_in_the_queue_is_taken_before_the_original_is_opened() {
    let one = Some(1);
    for query in ["", "?w=60", "?info"] {
        let (server, opened, gate) = gated(Layer { workers: one, queue: Some(1), ..Layer::default() });
        std::thread::scope(|scope| {
            let ask = |name: &'static str| server.get(&format!("/orientation/{name}.jpg{query}")).status;
            let held = ["1", "2"].map(|name| scope.spawn(move || ask(name)));
            until(|| opened.load(Ordering::SeqCst) == 2);
            let refused = server.get(&format!("/orientation/3.jpg{query}"));
            assert_eq!(refused.outcome(), (503, "overloaded".to_owned()), "{query}");
            assert_eq!((refused.header("retry-after"), opened.load(Ordering::SeqCst)), (Some("1"), 2), "{query}");
            gate.add_permits(3);
            assert_eq!(held.map(|request| request.join().unwrap()), [200, 200]);
            assert_eq!(ask("3"), 200);
        });
    }
}

#[test]
fn what_is_in_the_cache_is_answered_while_the_queue_is_full() {
    let one = Some(1);
    let (server, opened, gate) = gated(Layer { workers: one, queue: Some(0), ..Layer::default() });
    gate.add_permits(1);
    assert_eq!(server.get("/photo.jpg?w=60").status, 200);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| server.get("/photo.jpg?w=61").status);
        until(|| opened.load(Ordering::SeqCst) == 2);
        assert_eq!(server.get("/photo.jpg?w=62").status, 503);
        let cached = scope.spawn(|| server.get("/photo.jpg?w=60").header("server-timing").map(str::to_owned));
        until(|| opened.load(Ordering::SeqCst) == 3);
        gate.add_permits(2);
        assert_eq!((held.join().unwrap(), cached.join().unwrap().as_deref()), (200, Some("cache;desc=hit")));
    });
}

/// One original as a store sends it: in pieces, into memory.
struct Streamed(Vec<u8>);

impl Source for Streamed {
    fn open<'a>(&'a self, _: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        let pieces: Vec<_> = self.0.chunks(1 << 20).map(|piece| Ok(piece.to_vec().into())).collect();
        let meta =
            ObjectMeta { etag: Some("t".to_owned()), length: Some(self.0.len() as u64), ..ObjectMeta::default() };
        let content = Content::Stream(Box::pin(futures_util::stream::iter(pieces)));
        Box::pin(async { Ok(GetResult::Object(Object { meta, content })) })
    }
}

#[test]
fn a_client_that_does_not_read_gives_back_the_memory_of_its_original() {
    let mut original = std::fs::read(fixtures().join("photo.jpg")).unwrap();
    original.resize(60 << 20, 0);
    let memory = Some("64M".parse().unwrap());
    let settings =
        Layer { max_source_bytes: memory, download_memory: memory, write_timeout: Some(0.5), ..Layer::default() };
    let server = Server::over(Box::new(Streamed(original)), settings);
    let mut stalled = TcpStream::connect(server.address).unwrap();
    stalled.write_all(b"GET /a.jpg HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    stalled.read_exact(&mut [0; 16]).unwrap();
    // It holds all of the memory for as long as it is let.
    assert_eq!(server.get("/b.jpg?w=20").status, 200);
    drop(stalled);
}

#[test]
fn conditions_are_met_only_by_what_would_be_an_answer() {
    let server = Server::start();
    let far = "Fri, 01 Jan 2100 00:00:00 GMT";
    let table = [
        ("/broken/text.jpg", 415),
        ("/broken/text.jpg?w=5", 415),
        ("/broken/header-only.jpg?w=5", 422),
        ("/make/main.rs?showExif", 415),
        ("/missing.jpg?w=5", 404),
    ];
    for condition in [("if-none-match", "*"), ("if-modified-since", far), ("if-match", "\"x\""), ("if-match", "*")] {
        for (target, status) in table {
            let response = server.request("GET", target, &[condition]);
            assert_eq!((response.status, response.header("etag")), (status, None), "{target} {condition:?}");
        }
    }
    for target in ["/photo.jpg", "/photo.jpg?w=51", "/photo.jpg?info"] {
        for condition in [("if-none-match", "*"), ("if-modified-since", far)] {
            for _ in 0..2 {
                assert_eq!(server.request("GET", target, &[condition]).status, 304, "{target} {condition:?}");
            }
        }
        assert_eq!(server.request("GET", target, &[("if-match", "\"x\"")]).outcome().1, "precondition_failed");
        assert_eq!(server.request("GET", target, &[("if-match", "*")]).status, 200, "{target}");
    }
}

#[test]
fn errors_that_depend_on_the_request_alone_are_kept_by_no_cache() {
    let server = Server::start();
    let kept = |method, target, headers: &[(&str, &str)]| {
        let response = server.request(method, target, headers);
        (response.status, response.header("cache-control").unwrap().to_owned())
    };
    let no_store = |status: u16| (status, "no-store".to_owned());
    assert_eq!(kept("GET", "/photo.jpg", &[("range", "bytes=99999999-")]), no_store(416));
    assert_eq!(kept("GET", "/photo.jpg?w=50", &[("if-match", "\"x\"")]), no_store(412));
    assert_eq!(kept("POST", "/photo.jpg", &[("content-length", "0")]), no_store(405));
    assert_eq!(kept("GET", "/missing.jpg", &[]), (404, "public, max-age=10".to_owned()));
    let impossible = server.get("/photo.jpg?w=300&max_bytes=100&format=auto");
    assert_eq!((impossible.status, impossible.header("vary")), (422, Some("accept")));
    assert_eq!(server.get("/photo.jpg?w=300&max_bytes=100").header("vary"), None);
}

#[test]
fn a_range_is_for_get_alone() {
    let server = Server::start();
    let [whole, ranged] = [&[][..], &[("range", "bytes=0-9")][..]].map(|headers| {
        let response = server.request("HEAD", "/photo.jpg", headers);
        (response.status, response.header("content-length").map(str::to_owned))
    });
    assert_eq!((ranged.0, &ranged), (200, &whole));
}

#[test]
fn settings_that_change_bytes_change_tags() {
    use image_origin::origin::ExposeMetadata;
    let tag = |settings: Layer, target: &str| Server::with(settings).get(target).header("etag").unwrap().to_owned();
    let exposed = |expose| Layer { expose_metadata: Some(expose), ..Layer::default() };
    let fast = |speed| Layer { avif_speed: Some(speed), ..Layer::default() };
    let report = "/photo.jpg?showExif";
    assert_ne!(tag(exposed(ExposeMetadata::All), report), tag(exposed(ExposeMetadata::NoLocation), report));
    assert_ne!(tag(fast(3), "/photo.jpg?w=40&format=avif"), tag(fast(4), "/photo.jpg?w=40&format=avif"));
    assert_eq!(tag(fast(3), "/photo.jpg"), tag(fast(4), "/photo.jpg"));
}
