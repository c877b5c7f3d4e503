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

mod load;
mod metadata;

/// Fixtures with these settings.
fn over_fixtures(settings: Layer) -> Arc<Origin> {
    let settings = Layer { deadline: Some(120.0), ..settings }.resolve().unwrap().origin;
    Arc::new(Origin::new(Box::new(Folder::new(fixtures()).unwrap()), settings).unwrap())
}

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
