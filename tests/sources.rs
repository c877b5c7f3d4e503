//! Several sources in one server: which of them answers, and that they are never taken for each other.

#[cfg(feature = "http")]
use std::io::{Read as _, Write as _};
use std::path::Path;
#[cfg(feature = "http")]
use std::sync::Arc;
#[cfg(feature = "http")]
use std::sync::atomic::{AtomicBool, Ordering};

use image_origin::origin::freshness::{folder_tag, key_tag};

use crate::common::{Response, Server, fixtures};

/// A folder with one picture from the fixtures, of this width.
fn put(folder: &Path, name: &str, fixture: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::copy(fixtures().join(fixture), path).unwrap();
}

fn media_type(response: &Response) -> (u16, &str) {
    (response.status, response.header("content-type").unwrap_or_default())
}

const JPEG: (u16, &str) = (200, "image/jpeg");
const PNG: (u16, &str) = (200, "image/png");
const NONE: (u16, &str) = (404, "application/problem+json");

/// Two folders that have pictures of the same name: a JPEG in `a`, a PNG in `b`.
fn folders() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a/x", "photo.jpg");
    put(folder.path(), "a/marks/m", "overlays/mark.png");
    put(folder.path(), "a/only-a", "photo.jpg");
    put(folder.path(), "b/x", "photo.png");
    put(folder.path(), "b/only-b", "photo.png");
    put(folder.path(), "b/marks/m", "drawing.png");
    put(folder.path(), "b/deep/x", "photo.png");
    folder
}

#[test]
fn paths_and_hosts_decide_about_the_source() {
    let folder = folders();
    let root = folder.path().display();
    let server = Server::configured(&format!(
        "[[sources]]\nhost = \"b.example\"\nfrom = \"dir:{root}/b\"\n\
         [[sources]]\npath = \"/a/*\"\nstrip_prefix = \"/a\"\nfrom = \"dir:{root}/a\"\n\
         [[sources]]\npath = \"/deep/*\"\nfrom = \"dir:{root}/b\"\n"
    ));
    let table = [
        ("/a/x?w=9", "any", JPEG),
        ("/a/x", "any", JPEG),
        ("/a%2Fx?w=9", "any", JPEG),
        ("/deep/x?w=9", "any", PNG),
        ("/x?w=9", "b.example", PNG),
        ("/x?w=9", "B.Example:8080", PNG),
        ("/x?w=9", "b.example.", PNG),
        ("/a/x?w=9", "b.example", NONE),
        ("/x?w=9", "any", NONE),
        ("/b/x?w=9", "any", NONE),
        ("/a/../b/x?w=9", "any", NONE),
        ("/a/..%2f..%2fb/x?w=9", "any", NONE),
        ("/deep/../x?w=9", "any", NONE),
        ("/a?w=9", "any", NONE),
        ("/a/?w=9", "any", NONE),
    ];
    for (target, host, expected) in table {
        let answer = server.request("GET", target, &[("host", host)]);
        assert_eq!(media_type(&answer), expected, "{target} of {host}");
    }
    // Which of two hosts is meant cannot be known.
    let twice = server.request("GET", "/x?w=9", &[("host", "b.example"), ("host", "b.example")]);
    assert_ne!(twice.status, 200);
}

#[test]
fn the_same_key_of_two_sources_is_two_originals() {
    let folder = folders();
    // The same bytes, length and time of change do not make them one.
    let root = folder.path().display();
    let results = folder.path().join("results");
    let server = Server::configured(&format!(
        "overlays = \"/\"\nresults = \"dir:{}\"\n\
         [[sources]]\nhost = \"a.example\"\nfrom = \"dir:{root}/a\"\n\
         [[sources]]\nhost = \"b.example\"\nfrom = \"dir:{root}/b\"\n",
        results.display()
    ));
    let get = |host: &str, target: &str| {
        let answer = server.request("GET", target, &[("host", host)]);
        assert_eq!(answer.status, 200, "{host} {target}");
        answer
    };
    for _ in 0..2 {
        assert_eq!(media_type(&get("a.example", "/x?w=30")), JPEG);
        assert_eq!(media_type(&get("b.example", "/x?w=30")), PNG);
        let [a, b] = ["a.example", "b.example"].map(|host| get(host, "/x?w=60&format=png&overlay=marks/m"));
        let [without_a, without_b] = ["a.example", "b.example"].map(|host| get(host, "/x?w=60&format=png"));
        assert!(a.body != without_a.body && b.body != without_b.body && a.body != b.body);
    }
    // A precondition of one is none of the other.
    let tag = get("a.example", "/x?w=30").header("etag").unwrap().to_owned();
    assert_eq!(server.request("GET", "/x?w=30", &[("host", "b.example"), ("if-none-match", &tag)]).status, 200);
    assert_eq!(server.request("GET", "/x?w=30", &[("host", "a.example"), ("if-none-match", &tag)]).status, 304);
    // They are purged apart from each other.
    let tags = get("a.example", "/x?w=30&overlay=marks/m").header("cache-tag").unwrap().to_owned();
    let expected = [key_tag("//a.example/x"), folder_tag("a.example"), key_tag("//a.example/marks/m")];
    assert_eq!(tags, expected.join(","));
    let missing = server.request("GET", "/missing", &[("host", "b.example")]);
    assert!(missing.header("cache-tag").unwrap().starts_with(&key_tag("//b.example/missing")));
}

/// A web server that sends this file under one entity tag, whatever it is asked for.
#[cfg(feature = "http")]
fn always_sending(fixture: &str) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, file) = (listener.local_addr().unwrap(), std::fs::read(fixtures().join(fixture)).unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                file.len()
            );
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(&file));
        }
    });
    address
}

#[test]
#[cfg(feature = "http")]
fn overlays_of_two_hosts_with_equal_tags_are_two() {
    let folder = folders();
    let [a, b] = ["overlays/mark.png", "drawing.png"].map(always_sending);
    let server = Server::configured(&format!(
        "overlays = \"marks\"\nresults = \"dir:{root}/results\"\n\
         [[sources]]\npath = \"/a/*\"\nfrom = \"dir:{root}\"\n\
         [[sources]]\nhost = \"a.example\"\nfrom = \"http://{a}/\"\nnetworks = [\"127.0.0.1\"]\n\
         [[sources]]\nhost = \"b.example\"\nfrom = \"http://{b}/\"\nnetworks = [\"127.0.0.1\"]\n",
        root = folder.path().display(),
    ));
    let get = |host: &str, overlay: &str| {
        let answer = server.request("GET", &format!("/a/x?w=60&format=png{overlay}"), &[("host", host)]);
        assert_eq!(answer.status, 200, "{host}");
        answer
    };
    let plain = get("a.example", "").body;
    for _ in 0..2 {
        let [a, b] = ["a.example", "b.example"].map(|host| get(host, "&overlay=marks/m"));
        assert!(a.body != b.body && a.header("etag") != b.header("etag"));
        assert!(a.body != plain && b.body != plain);
    }
    let elsewhere = server.request("GET", "/a/x?w=60&overlay=marks/m", &[("host", "c.example")]);
    assert_eq!(elsewhere.outcome(), (404, "overlay_not_found".to_owned()));
}

#[test]
fn the_folder_of_overlays_is_one_of_paths() {
    let folder = folders();
    let root = folder.path().display();
    let server = Server::configured(&format!(
        "overlays = \"b/marks\"\n\
         [[sources]]\npath = \"/a/*\"\nstrip_prefix = \"/a\"\nfrom = \"dir:{root}/a\"\n\
         [[sources]]\npath = \"/b/*\"\nstrip_prefix = \"/b\"\nfrom = \"dir:{root}/b\"\n"
    ));
    let get = |target: &str| server.get(&format!("{target}?w=60&format=png&overlay=b/marks/m"));
    assert!(get("/a/x").status == 200 && get("/b/x").status == 200);
    // What the source of the picture calls by an allowed name is none.
    put(folder.path(), "a/b/marks/only-a", "overlays/mark.png");
    for (overlay, code) in [
        ("a/marks/m", (403, "overlay_not_allowed")),
        ("marks/m", (403, "overlay_not_allowed")),
        ("b/marks/only-a", (404, "overlay_not_found")),
    ] {
        let refused = server.get(&format!("/a/x?w=60&overlay={overlay}")).outcome();
        assert_eq!(refused, (code.0, code.1.to_owned()), "{overlay}");
    }
}

#[test]
fn overlays_are_found_as_requests_for_them_would_be() {
    let folder = folders();
    let root = folder.path().display();
    let server = Server::configured(&format!(
        "overlays = \"/\"\n\
         [[sources]]\npath = \"/a/*\"\nstrip_prefix = \"/a\"\nfrom = \"dir:{root}/a\"\n\
         [[sources]]\npath = \"/b/*\"\nstrip_prefix = \"/b\"\nfrom = \"dir:{root}/b\"\n"
    ));
    let get = |overlay: &str| server.get(&format!("/a/x?w=60&format=png{overlay}"));
    let [plain, own, others] = ["", "&overlay=a/marks/m", "&overlay=b/marks/m"].map(get);
    assert!(plain.body != own.body && plain.body != others.body && own.body != others.body);
    assert_eq!(get("&overlay=marks/m").outcome(), (404, "overlay_not_found".to_owned()));
    assert!(others.header("cache-tag").unwrap().contains(&key_tag("b/marks/m")));
}

#[test]
fn a_fallback_has_what_the_source_lacks_until_it_has_it() {
    let folder = folders();
    let root = folder.path().display();
    let server = Server::configured(&format!(
        "[[sources]]\npath = \"/*\"\nfrom = \"dir:{root}/a\"\n\
         fallback = [{{ from = \"dir:{root}/b\", max_source_bytes = 200 }}, \"dir:{root}/b\"]\n"
    ));
    assert_eq!(media_type(&server.get("/x?w=30")), JPEG);
    assert_eq!(server.get("/only-b?w=30").outcome(), (413, "source_too_large".to_owned()));
    put(folder.path(), "b/small", "overlays/mark.png");
    std::fs::write(folder.path().join("b/tiny"), b"P5 1 1 255\n0").unwrap();
    let tiny = server.get("/tiny?w=30&format=png");
    assert_eq!(media_type(&tiny), PNG);
    let held = [("if-none-match", tiny.header("etag").unwrap())];
    assert_eq!(server.request("GET", "/tiny?w=30&format=png", &held).status, 304);
    put(folder.path(), "a/tiny", "photo.jpg");
    let answer = server.request("GET", "/tiny?w=30&format=png", &held);
    assert_eq!((answer.status, answer.size().0), (200, 30), "the source itself has it now");
    assert_eq!(server.get("/missing?w=30").outcome(), (404, "not_found".to_owned()));
}

/// A folder with one picture, and a picture for what is missing.
fn with_fallback() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "shop/x", "photo.jpg");
    put(folder.path(), "shop/text", "broken/text.jpg");
    put(folder.path(), "shop/huge", "broken/60000x60000.png");
    put(folder.path(), "shared/missing.png", "drawing.png");
    let root = folder.path().display();
    let settings = format!(
        "overlays = \"/\"\n\
         [[sources]]\npath = \"/shop/*\"\nfrom = \"dir:{root}\"\nfallback_image = \"/shared/missing.png\"\n\
         [[sources]]\npath = \"/shared/*\"\nfrom = \"dir:{root}\"\nfallback_image = \"shared/missing.png\"\n"
    );
    (folder, settings)
}

#[test]
fn a_fallback_picture_is_shown_with_the_status_of_the_problem() {
    let (folder, settings) = with_fallback();
    let server = Server::configured(&settings);
    let table = [
        ("/shop/gone?w=30&format=webp", 404, Some("not_found")),
        ("/shop/gone", 404, Some("not_found")),
        ("/shop/text?w=30&format=webp", 415, Some("unsupported_image")),
        ("/shop/huge?w=30&format=webp", 422, Some("image_too_large")),
        ("/shared/gone?w=30&format=webp", 404, Some("not_found")),
        ("/shop/x?w=30&format=webp", 200, None),
        // These are not about the original.
        ("/shop/gone?w=x", 400, None),
        ("/shop/gone?info", 404, None),
        ("/shop/gone?showExif", 404, None),
        ("/shop/x?w=30&overlay=shop/gone", 404, None),
        ("/elsewhere/gone?w=30", 404, None),
    ];
    for (target, status, code) in table {
        let answer = server.get(target);
        let shown = (answer.status, answer.header("x-image-origin-fallback"));
        assert_eq!(shown, (status, code), "{target}");
        if code.is_some() {
            let is_small = target.contains("w=30");
            let media_type = if is_small { "image/webp" } else { "image/png" };
            assert_eq!(answer.header("content-type"), Some(media_type), "{target}");
            assert_eq!(answer.size().0 == 30, is_small, "{target}");
            assert_eq!(answer.header("cache-control"), Some("public, max-age=10"), "{target}");
            for name in ["etag", "last-modified", "accept-ranges", "content-range"] {
                assert_eq!(answer.header(name), None, "{target}: {name}");
            }
            let key = target[1..].split('?').next().unwrap();
            assert!(answer.header("cache-tag").unwrap().starts_with(&key_tag(key)), "{target}");
            let head = server.request("HEAD", target, &[]);
            assert_eq!((head.status, head.header("content-length")), (status, answer.header("content-length")));
            // The viewer's own copy is none of this, and a part of it is of no use.
            let conditional = server.request("GET", target, &[("if-none-match", "*"), ("range", "bytes=0-3")]);
            assert!(conditional.status == status && conditional.body == answer.body, "{target}");
        }
    }
    // It is never kept as what was asked for.
    put(folder.path(), "shop/gone", "photo.jpg");
    let found = server.get("/shop/gone?w=30&format=webp");
    assert_eq!((found.status, found.header("x-image-origin-fallback")), (200, None));
    assert!(found.header("etag").is_some() && found.body == server.get("/shop/x?w=30&format=webp").body);
    // Where there is none, the problem is shown.
    std::fs::remove_file(folder.path().join("shared/missing.png")).unwrap();
    std::fs::remove_file(folder.path().join("shop/gone")).unwrap();
    for target in ["/shop/gone?w=31", "/shared/missing.png?w=31"] {
        assert_eq!(server.get(target).outcome(), (404, "not_found".to_owned()), "{target}");
    }
}

/// A web server that answers with a small picture for as long as it is told to, and then says nothing.
#[cfg(feature = "http")]
fn silent_when_told() -> (std::net::SocketAddr, Arc<AtomicBool>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, answers) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(true)));
    let told = answers.clone();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut head = [0; 4096];
            let length = client.read(&mut head).unwrap_or_default();
            if told.load(Ordering::SeqCst) && head[..length].starts_with(b"GET /fallback.pgm ") {
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 12\r\nconnection: close\r\n\r\nP5 1 1 255\n\x80");
            } else {
                kept.push(client);
            }
        }
    });
    (address, answers)
}

#[test]
#[cfg(feature = "http")]
fn where_no_source_answers_the_fallback_is_shown_as_it_was_last_known() {
    let (address, answers) = silent_when_told();
    let server = Server::configured(&format!(
        "deadline = 2\n[[sources]]\npath = \"/*\"\nfrom = \"http://{address}/\"\nnetworks = [\"127.0.0.1\"]\n\
         fallback_image = \"fallback.pgm\"\n"
    ));
    for is_answered in [true, false] {
        answers.store(is_answered, Ordering::SeqCst);
        let answer = server.get("/x.jpg?w=30&format=png");
        assert_eq!((answer.status, answer.header("x-image-origin-fallback")), (504, Some("source_timeout")));
        assert_eq!((answer.header("content-type"), answer.size().0), (Some("image/png"), 1), "{is_answered}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_eq!(
        server.get("/x.jpg?w=31&format=webp").outcome(),
        (504, "source_timeout".to_owned()),
        "this one is not known"
    );
}

#[test]
fn a_picture_that_takes_too_long_leads_to_the_original() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a/a b.jpg", "photo.jpg");
    let server = Server::configured(&format!(
        "deadline = 0.5\n[[sources]]\npath = \"/*\"\nfrom = \"dir:{}\"\non_error = \"original\"\n",
        folder.path().display()
    ));
    let slow = "w=3000&h=3000&fit=fill&format=avif";
    let answer = server.get(&format!("/a/a%20b.jpg?{slow}"));
    let shown = (answer.status, answer.header("location"), answer.header("x-image-origin-fallback"));
    assert_eq!(shown, (302, Some("./a%20b.jpg"), Some("deadline")));
    assert_eq!((answer.header("cache-control"), answer.body.len()), (Some("no-store"), 0));
    assert_eq!(media_type(&server.get("/a/a%20b.jpg")), JPEG);
    let with_metadata = server.get(&format!("/a/a%20b.jpg?{slow}&metadata=copyright"));
    assert_eq!(with_metadata.header("location"), Some("./a%20b.jpg?metadata=copyright"));
    // The original would show what this does not.
    let hiding = server.get(&format!("/a/a%20b.jpg?{slow}&pixelate=20"));
    assert_eq!(hiding.outcome(), (504, "deadline".to_owned()));
}
