//! Originals from S3.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::program::{Program, command};
use super::proxy::{Fault, Proxy, read_head};
use super::store::Store;

/// A program behind a proxy before a store with one photo; requests have two seconds.
fn broken() -> (Store, Proxy, Program) {
    let store = Store::with_photo();
    let proxy = Proxy::before(store.address);
    let program = Program::serve(proxy.address, &[("IMAGE_ORIGIN_DEADLINE", "2")]);
    (store, proxy, program)
}

#[test]
fn pictures_facts_metadata_and_originals_come_out_of_a_bucket() {
    let store = Store::with_photo();
    let program = Program::serve(store.address, &[]);
    let small = program.get("/photo.jpg?w=300");
    assert_eq!((small.status, small.size()), (200, (300, 225)));
    assert_eq!(program.get("/photo.jpg?info").json()["width"], 1200);
    assert_eq!(program.get("/photo.jpg?showExif").json()["exif"]["image"]["Make"], "Example Corp.");
    let local = crate::common::Server::start();
    let (ours, theirs) = (program.get("/photo.jpg"), local.get("/photo.jpg"));
    assert_eq!((ours.status, ours.body == theirs.body), (200, true));
    assert_eq!(ours.header("content-length"), theirs.header("content-length"));
    let part = program.request("GET", "/photo.jpg", &[("range", "bytes=700-1299")]);
    assert_eq!((part.status, part.body.as_slice()), (206, &theirs.body[700..1300]));
    let head = program.request("HEAD", "/photo.jpg?w=300", &[]);
    assert_eq!((head.status, head.header("content-length")), (200, small.header("content-length")));
    assert_eq!(program.get("/missing.jpg?w=1").outcome(), (404, "not_found".to_owned()));
}

#[test]
fn what_the_viewer_holds_is_not_downloaded() {
    let store = Store::with_photo();
    let program = Program::serve(store.address, &[]);
    for target in ["/photo.jpg?w=130", "/photo.jpg"] {
        let first = program.get(target);
        assert_eq!(store.requests(), ["200 photo.jpg"]);
        let (etag, modified) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
        for condition in [("if-none-match", etag), ("if-modified-since", modified)] {
            let again = program.request("GET", target, &[condition]);
            assert_eq!((again.status, again.body.len()), (304, 0), "{target} {condition:?}");
            for name in ["etag", "cache-control", "last-modified"] {
                assert_eq!(again.header(name), first.header(name), "{name}");
            }
            assert_eq!(store.requests(), ["304 photo.jpg"], "{target} {condition:?}");
        }
    }
    let other = program.get("/photo.jpg?w=131").header("etag").unwrap().to_owned();
    store.requests();
    assert_eq!(program.request("GET", "/photo.jpg?w=132", &[("if-none-match", &other)]).status, 200);
    assert_eq!(store.requests(), ["200 photo.jpg"], "a tag of another picture is no tag of this one");
}

#[test]
fn a_finished_picture_is_served_again_without_a_download_until_its_original_changes() {
    let store = Store::with_photo();
    let program = Program::serve(store.address, &[]);
    let first = program.get("/photo.jpg?w=140");
    let again = program.get("/photo.jpg?w=140");
    assert_eq!(again.header("server-timing"), Some("cache;desc=hit"));
    assert!(first.body == again.body && first.header("etag") == again.header("etag"));
    assert_eq!(store.requests(), ["200 photo.jpg", "304 photo.jpg"]);
    store.put("photo.jpg", &std::fs::read(crate::common::fixtures().join("photo.png")).unwrap());
    assert_eq!(program.get("/photo.jpg?w=140").header("content-type"), Some("image/png"));
    assert_eq!(store.requests(), ["200 photo.jpg"]);
}

#[test]
fn finished_pictures_are_shared_by_way_of_a_bucket() {
    let store = Store::with_photo();
    let place = format!("s3://{}/results", super::store::BUCKET);
    // The large one is made by an unoptimised encoder, on a machine that runs other tests as well.
    let settings =
        [("IMAGE_ORIGIN_RESULTS", place.as_str()), ("IMAGE_ORIGIN_CACHE", "0"), ("IMAGE_ORIGIN_DEADLINE", "120")];
    let [one, other] = [1, 2].map(|_| Program::serve(store.address, &settings));
    // The second is larger than what is read into memory.
    for target in ["/photo.jpg?w=70", "/photo.jpg?w=2000&enlarge&format=png"] {
        let made = one.get(target);
        assert!(made.header("server-timing").unwrap().contains("encode"), "{target}");
        let stored = loop {
            let answer = other.get(target);
            if answer.header("server-timing") == Some("cache;desc=stored") {
                break answer;
            }
        };
        assert!(stored.body == made.body, "{target}");
        for name in ["etag", "content-type", "content-length", "cache-control", "cache-tag"] {
            assert_eq!(stored.header(name), made.header(name), "{target}: {name}");
        }
    }
    store.put("photo.jpg", &std::fs::read(crate::common::fixtures().join("photo.png")).unwrap());
    assert_eq!(other.get("/photo.jpg?w=70").header("content-type"), Some("image/png"));
}

#[test]
fn a_damaged_result_in_a_bucket_is_replaced() {
    let store = Store::with_photo();
    let place = format!("s3://{}/results", super::store::BUCKET);
    let program = Program::serve(
        store.address,
        &[("IMAGE_ORIGIN_RESULTS", &place), ("IMAGE_ORIGIN_CACHE", "0"), ("IMAGE_ORIGIN_RESULTS_TIMEOUT", "30")],
    );
    let timing = || program.get("/photo.jpg?w=70").header("server-timing").unwrap().to_owned();
    let wait_until_stored = || while timing() != "cache;desc=stored" {};
    wait_until_stored();
    for damage in [|bytes: &mut Vec<u8>| bytes.push(0), |bytes: &mut Vec<u8>| bytes.truncate(99)] {
        let folders = std::fs::read_dir(store.path("results")).unwrap().map(|folder| folder.unwrap().path());
        let [folder] = &folders.filter(|path| !path.ends_with("claims")).collect::<Vec<_>>()[..] else { panic!() };
        let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        damage(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        assert!(timing().contains("encode"), "it is made again");
        wait_until_stored();
    }
}

#[test]
fn four_processes_make_each_picture_at_most_twice() {
    const PICTURES: usize = 100;
    const CLIENTS: usize = 20;
    let store = Store::with_photo();
    let place = format!("s3://{}/results", super::store::BUCKET);
    let settings = [
        ("IMAGE_ORIGIN_RESULTS", place.as_str()),
        ("IMAGE_ORIGIN_RESULTS_TIMEOUT", "30"),
        ("IMAGE_ORIGIN_DEADLINE", "120"),
    ];
    let programs = [0; 4].map(|_| Program::serve(store.address, &settings));
    let made = std::sync::Mutex::new([0; PICTURES]);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (made, program) = (&made, &programs[client % 4]);
            scope.spawn(move || {
                // All go through the pictures in the same order, and each leaves out every other one.
                for picture in (0..PICTURES).filter(|picture| (picture + client / 4) % 2 == 0) {
                    let answer = program.get(&format!("/photo.jpg?w={}", picture + 10));
                    assert_eq!(answer.status, 200, "{picture}");
                    let timing = answer.header("server-timing").unwrap();
                    made.lock().unwrap()[picture] += u32::from(!timing.starts_with("cache;"));
                }
            });
        }
    });
    let made = made.into_inner().unwrap();
    assert!(made.iter().all(|times| (1..=2).contains(times)), "{made:?}");
    let twice = made.iter().filter(|times| **times == 2).count();
    println!(
        "{CLIENTS} clients, {} requests: {} pictures were made once, {twice} twice",
        CLIENTS * 50,
        PICTURES - twice
    );
}

#[test]
fn a_process_that_is_killed_while_it_renders_delays_others_by_the_timeout_only() {
    let store = Store::with_photo();
    let place = format!("s3://{}/results", super::store::BUCKET);
    let settings = [
        ("IMAGE_ORIGIN_RESULTS", place.as_str()),
        ("IMAGE_ORIGIN_RESULTS_TIMEOUT", "1"),
        ("IMAGE_ORIGIN_AVIF_SPEED", "1"),
        ("IMAGE_ORIGIN_DEADLINE", "120"),
    ];
    let target = "/photo.jpg?w=1200&enlarge&format=avif";
    let killed = Program::serve(store.address, &settings);
    let address = killed.address;
    let asking = std::thread::spawn(move || {
        // Its connection ends without a response.
        std::panic::catch_unwind(|| crate::common::request(address, "GET", target, &[])).is_err()
    });
    let mut log = Vec::new();
    while !log.iter().any(|line: &String| line.starts_with("put results/claims/")) {
        log.extend(store.requests());
        std::thread::yield_now();
    }
    drop(killed);
    assert!(asking.join().unwrap(), "it was rendering when it was killed: {log:?}");
    let other = Program::serve(store.address, &settings);
    let answer = other.get(target);
    assert_eq!(answer.status, 200);
    assert!(answer.header("server-timing").unwrap().contains("encode"), "nobody stored it");
    let is_result = |line: &str| line.starts_with("put results/") && !line.contains("claims");
    while !store.requests().iter().any(|line| is_result(line)) {
        std::thread::yield_now();
    }
    // The claim is older than the timeout now: the next process that renders the picture takes it over and ends it.
    for folder in std::fs::read_dir(store.path("results")).unwrap().map(|folder| folder.unwrap().path()) {
        if !folder.ends_with("claims") {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
    let last = Program::serve(store.address, &settings);
    assert!(last.get(target).body == answer.body);
    while !store.requests().iter().any(|line| line.starts_with("delete results/claims/")) {
        std::thread::yield_now();
    }
}

#[test]
fn cache_tags_come_from_the_objects_metadata() {
    let store = Store::with_photo();
    store.note("photo.jpg", "cache-tag", "shoes,sale");
    let program = Program::serve(store.address, &[]);
    let first = program.get("/photo.jpg?w=70");
    assert!(first.header("cache-tag").unwrap().ends_with(",shoes,sale"), "{:?}", first.header("cache-tag"));
    assert_eq!(program.get("/photo.jpg?w=70").header("cache-tag"), first.header("cache-tag"), "after a 304 as well");
    // Another process has seen no answer but the 304, which does not tell.
    let other = Program::serve(store.address, &[]);
    let known = other.request("GET", "/photo.jpg?w=70", &[("if-none-match", first.header("etag").unwrap())]);
    assert_eq!((known.status, known.header("cache-tag"), known.header("cache-control")), (304, None, None));
}

#[test]
fn a_stored_focus_is_what_gravity_auto_keeps() {
    let store = Store::with_photo();
    let program = Program::serve(store.address, &[]);
    let get = |query: &str| {
        let answer = program.get(&format!("/photo.jpg?{query}"));
        assert_eq!(answer.status, 200, "{query}");
        answer
    };
    let automatic = "w=60&h=60&fit=cover&zoom=2&gravity=auto";
    let without = get(automatic);
    let of_point = |x: &str| get(&format!("w=60&h=60&fit=cover&zoom=2&gravity={x},0.5"));
    for (focus, point) in [("0.1,0.5", "0.1"), ("0.8,0.4,0.2,0.2", "0.9"), ("left", "")] {
        // The store keeps its entity tag, since the bytes are the same.
        store.note("photo.jpg", "focus", focus);
        let answer = get(automatic);
        let expected = if point.is_empty() { &without.body } else { &of_point(point).body };
        assert!(answer.body == *expected, "{focus}");
        assert_eq!(answer.header("etag") == without.header("etag"), point.is_empty(), "{focus}");
        let told = get("info").json()["focus"].clone();
        assert_eq!(told.is_null(), point.is_empty(), "{focus}: {told}");
        let known = ("if-none-match", answer.header("etag").unwrap());
        assert_eq!(program.request("GET", &format!("/photo.jpg?{automatic}"), &[known]).status, 304, "{focus}");
    }
}

#[test]
fn versions_are_seen_through_the_edge_where_both_sides_say_so() {
    let store = Store::with_photo();
    store.put("photo.jpg.versions/1", &std::fs::read(crate::common::fixtures().join("photo.png")).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let secret = "a secret for signing urls, 32 bytes or more";
    let (edge, keys) = (folder.path().join("edge.toml"), folder.path().join("keys.json"));
    let keys_text = serde_json::json!({ "url_secrets": [{ "name": "a", "secret": secret }] });
    std::fs::write(&keys, keys_text.to_string()).unwrap();
    let rules = "[[rules]]\npath = \"/*\"\nallow = [\"signed-url\"]\n";
    for (versions, kind) in [(true, "image/png"), (false, "image/jpeg")] {
        std::fs::write(&edge, format!("versions = {versions}\n{rules}")).unwrap();
        let flags = ["--cdn", "--edge", edge.to_str().unwrap(), "--edge-keys", keys.to_str().unwrap()];
        let program = Program::serve_with(store.address, &flags, &[("IMAGE_ORIGIN_VERSIONS", "true")]);
        let sign = |target: &str| image_origin_edge::sign_url(target, 4_000_000_000, secret.as_bytes()).unwrap();
        let plain = sign("/photo.jpg?w=40");
        assert_eq!(program.get(&plain).header("content-type"), Some("image/jpeg"));
        // A signature is for one version, or for the newest.
        let added = program.get(&format!("{plain}&versionId=1"));
        let other = program.get(&sign("/photo.jpg?w=40&versionId=1"));
        if versions {
            assert_eq!(added.status, 403);
            assert_eq!((other.status, other.header("content-type")), (200, Some(kind)));
            assert!(other.header("cache-control").unwrap().ends_with("immutable"));
            let missing = program.get(&sign("/photo.jpg?w=40&versionId=2"));
            assert_eq!(missing.status, 404);
        } else {
            assert_eq!((added.status, added.header("content-type")), (200, Some(kind)));
            assert_eq!(other.status, 403);
        }
    }
}

#[test]
fn any_key_is_found() {
    let store = Store::start();
    let photo = std::fs::read(crate::common::fixtures().join("orientation/1.jpg")).unwrap();
    let keys = [
        "a b+c%20&d=e'()!*,;@$.jpg",
        "grün-日本 🦀.jpg",
        "no-ending",
        "a/b/c/deep.jpg",
        "back\\slash",
        "..dots..",
        "~^`{}[]|\"<>#?x=1",
    ];
    for key in keys {
        store.put(key, &photo);
    }
    let program = Program::serve(store.address, &[]);
    for key in keys {
        let path = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        assert_eq!(program.get(&format!("/{path}?w=8")).status, 200, "{key}");
    }
    store.requests();
    for path in ["/..%2fsecret?w=1", "/a/../../x?w=1", "//?w=1", "/a%2f?w=1", "/%2e%2e", "/a/./b", "/a//b"] {
        assert_eq!(program.get(path).outcome(), (404, "not_found".to_owned()), "{path}");
    }
    assert_eq!(store.requests(), Vec::<String>::new(), "what no folder would have is asked of no store");
}

#[test]
fn a_prefix_comes_before_every_key() {
    let store = Store::start();
    let photo = std::fs::read(crate::common::fixtures().join("orientation/1.jpg")).unwrap();
    store.put("public/a.jpg", &photo);
    store.put("secret.jpg", &photo);
    let program = Program::serve_place("public", store.address, &[]);
    assert_eq!(program.get("/a.jpg?w=8").status, 200);
    assert_eq!(program.get("/secret.jpg?w=8").status, 404);
}

#[test]
fn a_version_can_be_named_where_that_is_allowed() {
    let store = Store::with_photo();
    let old = std::fs::read(crate::common::fixtures().join("photo.png")).unwrap();
    store.put("photo.jpg.versions/3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", &old);
    let target = "/photo.jpg?w=20&versionId=3HL4kqtJlcpXroDTDmJ%2BrmSpXd3dIbrHY";
    let program = Program::serve(store.address, &[("IMAGE_ORIGIN_VERSIONS", "true")]);
    assert_eq!(program.get(target).header("content-type"), Some("image/png"));
    assert_eq!(program.get("/photo.jpg?w=20").header("content-type"), Some("image/jpeg"));
    assert_eq!(program.get("/photo.jpg?w=20&versionId=unknown").status, 404);
    let closed = Program::serve(store.address, &[]);
    assert_eq!(closed.get(target).header("content-type"), Some("image/jpeg"), "an unknown parameter by default");
}

#[test]
fn what_the_store_says_becomes_a_status() {
    let (_store, proxy, program) = broken();
    let table = [
        (404, "NoSuchKey", 404, "not_found"),
        (404, "NoSuchBucket", 502, "source_failed"),
        (403, "AccessDenied", 404, "not_found"),
        (403, "SignatureDoesNotMatch", 502, "source_failed"),
        (403, "InvalidAccessKeyId", 502, "source_failed"),
        (400, "ExpiredToken", 502, "source_failed"),
        (403, "InvalidObjectState", 502, "source_failed"),
        (301, "PermanentRedirect", 502, "source_failed"),
        (500, "InternalError", 502, "source_failed"),
        (503, "SlowDown", 503, "overloaded"),
        (503, "ServiceUnavailable", 503, "overloaded"),
        (429, "TooManyRequests", 503, "overloaded"),
    ];
    for (said, code, status, ours) in table {
        for target in ["/photo.jpg?w=90", "/photo.jpg"] {
            proxy.set(Fault::Status(said, code, 100));
            let answer = program.get(target);
            assert_eq!(answer.outcome(), (status, ours.to_owned()), "{said} {code}");
            assert_eq!(answer.header("retry-after").is_some(), status == 503);
            let asked = proxy.asked().len();
            assert!(asked == if said >= 500 { 3 } else { 1 }, "{said} {code}: asked {asked} times");
        }
    }
}

#[test]
fn a_passing_fault_is_not_seen() {
    let (_store, proxy, program) = broken();
    for (said, code) in [(500, "InternalError"), (503, "SlowDown")] {
        proxy.set(Fault::Status(said, code, 2));
        assert_eq!(program.get("/photo.jpg?w=91").status, 200, "{code}");
        assert_eq!(proxy.asked().len(), 3);
    }
}

#[test]
fn denied_keys_can_be_told_from_missing_ones() {
    let store = Store::start();
    let program = Program::serve(store.address, &[("IMAGE_ORIGIN_S3_ACCESS_DENIED", "forbidden")]);
    assert_eq!(program.get("/denied/a.jpg?w=1").outcome(), (403, "forbidden".to_owned()));
    let program = Program::serve(store.address, &[]);
    assert_eq!(program.get("/denied/a.jpg?w=1").outcome(), (404, "not_found".to_owned()));
}

#[test]
fn broken_downloads_end_in_time_and_with_their_status() {
    let store = Store::with_photo();
    let table = [
        (Fault::Cut(0), 502, "source_failed"),
        (Fault::Cut(1), 502, "source_failed"),
        (Fault::Cut(50_000), 502, "source_failed"),
        (Fault::Drip(1000, Duration::from_millis(200)), 504, "source_timeout"),
        (Fault::Silence(Duration::from_secs(20)), 504, "source_timeout"),
        (Fault::Length("\r\ncontent-length: 999999999999"), 413, "source_too_large"),
        (Fault::Length("\r\ncontent-length: 1000000"), 502, "source_failed"),
        (Fault::Length("\r\ncontent-length: -1"), 502, "source_failed"),
        (Fault::Length("\r\ncontent-length: 5\r\ncontent-length: 6"), 502, "source_failed"),
        (Fault::Hangup, 502, "source_failed"),
        (Fault::Noise, 502, "source_failed"),
        // Without any length, the end of the connection is the end of the body.
        (Fault::Length(""), 200, ""),
    ];
    // All at once, for most of it is waiting.
    std::thread::scope(|scope| {
        for (fault, status, code) in table {
            let proxy = Proxy::before(store.address);
            proxy.set(fault.clone());
            scope.spawn(move || {
                let program = Program::serve(proxy.address, &[("IMAGE_ORIGIN_DEADLINE", "2")]);
                for target in ["/photo.jpg?w=92", "/photo.jpg"] {
                    let started = Instant::now();
                    assert_eq!(program.get(target).outcome(), (status, code.to_owned()), "{fault:?} {target}");
                    assert!(started.elapsed() < Duration::from_millis(3500), "{fault:?}: {:?}", started.elapsed());
                }
            });
        }
    });
}

/// A store that answers with this status, this beginning, and a hundred megabytes behind it. Tells for each request how many
/// bytes could be sent.
fn endless_store(status: &'static str, header: Vec<u8>) -> (SocketAddr, mpsc::Receiver<usize>) {
    const LENGTH: usize = 100 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for viewer in listener.incoming() {
            let mut viewer = viewer.unwrap();
            read_head(&mut viewer).unwrap();
            write!(viewer, "HTTP/1.1 {status}\r\netag: \"e\"\r\ncontent-length: {LENGTH}\r\n\r\n").unwrap();
            let mut sent = viewer.write(&header).unwrap();
            while sent < LENGTH && viewer.write_all(&[0; 16 << 10]).is_ok() {
                sent += 16 << 10;
                // As fast as a network, not as fast as memory: what is in the buffers would count as sent.
                std::thread::sleep(Duration::from_millis(1));
            }
            tell.send(sent).unwrap();
        }
    });
    (address, told)
}

#[test]
fn a_hundred_megabytes_are_refused_by_their_header() {
    // A PNG whose header announces far too many pixels.
    let header = std::fs::read(crate::common::fixtures().join("broken/60000x60000.png")).unwrap();
    let (address, told) = endless_store("200 OK", header);
    let program = Program::serve(address, &[]);
    assert_eq!(program.get("/huge.png?w=5").outcome(), (422, "image_too_large".to_owned()));
    let sent = told.recv_timeout(Duration::from_secs(30)).unwrap();
    println!("{sent} of {} bytes had been sent", 100 << 20);
    assert!(sent < 8 << 20, "{sent}");
}

#[test]
fn no_more_is_read_of_an_error_than_tells_what_it_is() {
    for (said, code, status, ours) in [
        ("404 Not Found", "NoSuchKey", 404, "not_found"),
        ("404 Not Found", "NoSuchBucket", 502, "source_failed"),
        ("403 Forbidden", "InvalidObjectState", 502, "source_failed"),
    ] {
        let header = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>");
        let (address, told) = endless_store(said, header.into_bytes());
        let program = Program::serve(address, &[]);
        assert_eq!(program.get("/photo.jpg?w=5").outcome(), (status, ours.to_owned()), "{said} {code}");
        let sent = told.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(sent < 8 << 20, "{code}: {sent}");
    }
}

#[test]
fn an_original_is_refused_by_its_first_bytes() {
    let store = Store::start();
    let fixtures = crate::common::fixtures();
    for (name, length) in [("broken/60000x60000.png", 1_000_000), ("broken/text.jpg", 1_000_000)] {
        let mut bytes = std::fs::read(fixtures.join(name)).unwrap();
        bytes.resize(length, b' ');
        store.put(name, &bytes);
    }
    let proxy = Proxy::before(store.address);
    // Each whole would take five seconds.
    proxy.set(Fault::Drip(20_000, Duration::from_millis(100)));
    let program = Program::serve(proxy.address, &[]);
    let started = Instant::now();
    assert_eq!(program.get("/broken/60000x60000.png?w=5").outcome(), (422, "image_too_large".to_owned()));
    assert_eq!(program.get("/broken/text.jpg?w=5").outcome(), (415, "unsupported_image".to_owned()));
    assert_eq!(program.get("/broken/text.jpg").outcome(), (415, "unsupported_image".to_owned()));
    assert_eq!(program.get("/broken/text.jpg?showExif").outcome(), (415, "unsupported_image".to_owned()));
    assert!(started.elapsed() < Duration::from_secs(7), "{:?}", started.elapsed());
}

#[test]
fn an_original_beyond_the_limit_is_refused_by_what_is_announced_and_by_what_comes() {
    let store = Store::with_photo();
    let proxy = Proxy::before(store.address);
    let program = Program::serve(proxy.address, &[("IMAGE_ORIGIN_MAX_SOURCE_BYTES", "100K")]);
    assert_eq!(program.get("/photo.jpg?w=5").outcome(), (413, "source_too_large".to_owned()));
    proxy.set(Fault::Length(""));
    assert_eq!(program.get("/photo.jpg?w=5").outcome(), (413, "source_too_large".to_owned()));
}

/// A picture of so many bytes, in a format that has as many in the original as in the picture.
fn bitmap(rows: u32) -> Vec<u8> {
    const WIDTH: u32 = 1024;
    let size = WIDTH * 3 * rows;
    let header = [54 + size, 0, 54, 40, WIDTH, rows, 1 | 24 << 16, 0, size, 0, 0, 0, 0];
    let mut file = b"BM".to_vec();
    file.extend(header.iter().flat_map(|number| number.to_le_bytes()));
    file.extend((0..size).map(|place| (place.wrapping_mul(place) >> 7) as u8));
    file
}

/// Asks for something and reads nothing of the answer.
fn ask_without_reading(address: SocketAddr, target: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(address).await.unwrap().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    });
    (&stream).write_all(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    stream
}

#[test]
fn clients_that_do_not_read_hold_nobody_up() {
    const CLIENTS: usize = 40;
    let store = Store::with_photo();
    let large = bitmap(2700);
    store.put("large-0.bmp", &large);
    for number in 1..CLIENTS {
        std::fs::hard_link(store.path("large-0.bmp"), store.path(&format!("large-{number}.bmp"))).unwrap();
    }
    // Of this, half is for originals that are handed on, which is room for one of these.
    let settings = [("IMAGE_ORIGIN_MAX_SOURCE_BYTES", "9M"), ("IMAGE_ORIGIN_DOWNLOAD_MEMORY", "18M")];
    let program = Program::serve(store.address, &settings);
    let stalled: Vec<_> =
        (0..CLIENTS).map(|number| ask_without_reading(program.address, &format!("/large-{number}.bmp"))).collect();
    for width in 1..40 {
        assert_eq!(program.get(&format!("/photo.jpg?w={width}")).outcome(), (200, String::new()), "{width}");
        let original = program.get("/photo.jpg");
        assert_eq!(original.outcome(), (200, String::new()), "beside {width}");
        assert_eq!(original.header("content-length"), Some(original.body.len().to_string().as_str()));
    }
    drop(stalled);
    let (peak, all) = (program.peak_memory(), CLIENTS * large.len());
    println!("{} MB at most, where the originals have {} MB", peak >> 20, all >> 20);
    assert!(peak < 160 << 20, "{} MB", peak >> 20);
}

#[test]
fn a_server_without_region_or_credentials_does_not_start() {
    for (missing, said) in [("AWS_REGION", "AWS_REGION"), ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")] {
        let output = command().args(["serve", "s3://bucket", "--listen", "127.0.0.1:0"]).env_remove(missing).output();
        let output = output.unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains(said), "{missing}: {message}");
    }
}

#[test]
fn without_credentials_or_store_there_is_an_answer() {
    let store = Store::with_photo();
    let program = Program::serve(store.address, &[("AWS_SECRET_ACCESS_KEY", "another"), ("AWS_SESSION_TOKEN", "")]);
    assert_eq!(program.get("/photo.jpg?w=5").outcome(), (502, "source_failed".to_owned()));
    let nobody = Program::serve("127.0.0.1:9".parse().unwrap(), &[]);
    assert_eq!(nobody.get("/photo.jpg?w=5").outcome(), (502, "source_failed".to_owned()));
}
