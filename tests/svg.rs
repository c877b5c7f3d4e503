//! Originals in SVG, end to end: what is sent of them, and with which headers.

use std::io::Write;

use image_origin::config::Layer;
use image_origin::origin::SvgMode;
use image_origin::source::Folder;

use crate::common::Server;

const DRAWING: &str = "<?xml version=\"1.0\"?>\n<!-- who -->\n<!DOCTYPE svg>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"48\" \
    height=\"24\" onload=\"x()\"><script>y()</script><path fill=\"red\" d=\"M0 0h48v24z\"/></svg>\n";
const CLEAN: &str = "<?xml version=\"1.0\"?>\n\n\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"48\" \
    height=\"24\"><path fill=\"red\" d=\"M0 0h48v24z\"/></svg>\n";
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/// A drawing of a billion paths.
fn bomb() -> String {
    let level = |i: usize| format!("<g id=\"l{i}\">{}</g>", format!("<use href=\"#l{}\"/>", i - 1).repeat(10));
    let levels: String = (1..10).map(level).collect();
    format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><path id=\"l0\" d=\"M0 0h9v9z\"/>{levels}</svg>")
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A server of some drawings. The folder lives as long as it.
fn server(mode: Option<SvgMode>) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let bomb = bomb();
    let utf16: Vec<u8> = DRAWING.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let files: [(&str, &[u8]); 12] = [
        ("logo.svg", DRAWING.as_bytes()),
        ("logo.jpg", DRAWING.as_bytes()),
        ("utf16.svg", &[b"\xfe\xff", utf16.as_slice()].concat()),
        ("clean.svg", CLEAN.as_bytes()),
        ("logo.svgz", &gzip(DRAWING.as_bytes())),
        ("long.svgz", &gzip(&[b"<svg>".as_slice(), &vec![b' '; 17 << 20]].concat())),
        ("other.svgz", &gzip(b"<html><script/></html>")),
        ("text.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"><text y=\"9\">a</text></svg>"),
        ("bomb.svg", bomb.as_bytes()),
        ("cut.svg", &DRAWING.as_bytes()[..DRAWING.len() - 7]),
        ("html.svg", b"<!DOCTYPE html><html><svg onload=\"x()\"/></html>"),
        ("utf7.svg", b"<?xml version=\"1.0\" encoding=\"UTF-7\"?><svg/>"),
    ];
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let source = Box::new(Folder::new(folder.path()).unwrap());
    (Server::over(source, Layer { svg: mode, ..Layer::default() }), folder)
}

#[test]
fn drawings_are_sanitised_whatever_is_asked_for() {
    let (server, _folder) = server(None);
    for target in [
        "/logo.svg",
        "/logo.svg?metadata=all",
        "/logo.svg?metadata=copyright",
        "/logo.svg?w=300",
        "/logo.svg?format=svg",
        "/logo.svg?format=auto&w=20",
        "/logo.jpg",
        "/logo.svgz",
        "/logo.svgz?metadata=all",
        "/utf16.svg",
        "/clean.svg",
        "/clean.svg?w=5&h=5",
    ] {
        let response = server.get(target);
        assert_eq!((response.status, response.header("content-type")), (200, Some("image/svg+xml")), "{target}");
        assert_eq!(String::from_utf8_lossy(&response.body), CLEAN, "{target}");
        assert_eq!(response.header("content-security-policy"), Some(POLICY), "{target}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{target}");
        let head = server.request("HEAD", target, &[]);
        for name in ["content-type", "content-length", "content-security-policy", "etag"] {
            assert_eq!(head.header(name), response.header(name), "{target} {name}");
        }
        let etag = response.header("etag").unwrap();
        assert_eq!(server.request("GET", target, &[("if-none-match", etag)]).status, 304, "{target}");
    }
    let part = server.request("GET", "/logo.svg", &[("range", "bytes=22-30")]);
    assert_eq!((part.status, &part.body), (206, &CLEAN.as_bytes()[22..31].to_vec()));
    assert_eq!(part.header("content-security-policy"), Some(POLICY));
    assert_eq!(server.get("/missing.svg").header("content-security-policy"), None);
}

#[test]
fn pictures_in_drawings_are_sent_without_metadata() {
    // GIFs of one pixel, with the comment "who" and without.
    let (who, clean) = ("R0lGODlhAQABAAAAACH+A3dobwAsAAAAAAEAAQAAAgJMAQA7", "R0lGODlhAQABAAAAACwAAAAAAQABAAACAkwBADs=");
    let drawing = |data: &str| {
        let image = format!("<image width=\"9\" height=\"9\" href=\"data:image/gif;base64,{data}\"/>");
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\">{image}</svg>")
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.svg"), drawing(who)).unwrap();
    let server = Server::over(Box::new(Folder::new(folder.path()).unwrap()), Layer::default());
    for (target, data) in [
        ("/a.svg", clean),
        ("/a.svg?w=30", clean),
        ("/a.svg?format=svg", clean),
        ("/a.svg?metadata=copyright", clean),
        ("/a.svg?format=svg&metadata=all", who),
        ("/a.svg?metadata=all", who),
    ] {
        let response = server.get(target);
        assert_eq!((response.status, String::from_utf8_lossy(&response.body)), (200, drawing(data).into()), "{target}");
    }
}

#[test]
fn what_is_no_readable_drawing_is_refused() {
    let (server, _folder) = server(None);
    let table = [
        ("/cut.svg", 422, "damaged_image", "the document ends within"),
        ("/cut.svg?w=10", 422, "damaged_image", "the document ends within"),
        ("/html.svg", 415, "unsupported_image", "unrecognised"),
        ("/other.svgz", 415, "unsupported_image", "unrecognised"),
        ("/long.svgz", 422, "image_too_large", ""),
        ("/long.svgz?w=10&format=png", 422, "image_too_large", ""),
        ("/utf7.svg", 415, "unsupported_image", "the encoding is not"),
        ("/utf7.svg?format=svg", 415, "unsupported_image", "the encoding is not"),
        ("/logo.svg?format=svg&blur=3", 400, "not_svg", "only as a whole"),
        ("/missing.svg", 404, "not_found", ""),
    ];
    for (target, status, code, detail) in table {
        let response = server.get(target);
        let problem: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((response.status, problem["code"].as_str()), (status, Some(code)), "{target}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{target}: {problem}");
    }
}

#[test]
fn metadata_of_a_drawing_are_its_size() {
    let (server, _folder) = server(None);
    for target in ["/logo.svg?showExif=true", "/utf16.svg?showExif"] {
        let report: serde_json::Value = serde_json::from_slice(&server.get(target).body).unwrap();
        assert_eq!((&report["format"], &report["width"], &report["height"]), (&"svg".into(), &48.into(), &24.into()));
    }
    let report: serde_json::Value = serde_json::from_slice(&server.get("/html.svg?showExif").body).unwrap();
    assert_eq!(report["code"], "unsupported_image");
}

#[test]
fn drawings_can_be_refused() {
    let (server, _folder) = server(Some(SvgMode::Refuse));
    for target in ["/logo.svg", "/logo.jpg?w=10", "/clean.svg?format=png", "/logo.svg?info", "/logo.svg?showExif"] {
        let response = server.get(target);
        let problem: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((response.status, problem["code"].as_str()), (415, Some("unsupported_image")), "{target}");
        assert!(problem["detail"].as_str().unwrap().contains("the setting `svg`"), "{target}: {problem}");
    }
}

#[cfg(feature = "svg")]
#[test]
fn drawings_are_rendered_at_the_size_that_is_asked_for() {
    let (server, _folder) = server(None);
    let table = [
        ("/logo.svg?format=png", "image/png", (48, 24)),
        ("/logo.svg?format=png&w=300", "image/png", (300, 150)),
        ("/logo.svg?format=webp&w=300&enlarge=false", "image/webp", (300, 150)),
        ("/logo.svg?w=30&h=30&fit=cover", "image/png", (30, 30)),
        ("/logo.svg?format=jpeg&h=100&bg=white&pad=10", "image/jpeg", (220, 120)),
        ("/logo.svg?rotate=90&w=100&format=png", "image/png", (100, 200)),
        ("/logo.svg?crop=0,0,24,24&w=240", "image/png", (240, 240)),
        ("/logo.svg?dpr=3&w=100&format=png", "image/png", (300, 150)),
    ];
    for (target, media_type, size) in table {
        let response = server.get(target);
        let problem = String::from_utf8_lossy(&response.body[..response.body.len().min(300)]);
        assert_eq!((response.status, response.header("content-type")), (200, Some(media_type)), "{target}: {problem}");
        assert_eq!((response.size(), response.header("content-security-policy")), (size, None), "{target}");
    }
    // The edge of the triangle is as sharp at any size: there are few translucent pixels.
    let large = image::load_from_memory(&server.get("/logo.svg?format=png&w=900").body).unwrap().into_rgba8();
    let [red, clear, translucent] = large.pixels().fold([0, 0, 0], |[red, clear, translucent], pixel| match pixel.0 {
        [255, 0, 0, 255] => [red + 1, clear, translucent],
        [_, _, _, 0] => [red, clear + 1, translucent],
        _ => [red, clear, translucent + 1],
    });
    assert!(red > 190_000 && clear > 190_000 && translucent < 3000, "{red} {clear} {translucent}");
    let info: serde_json::Value = serde_json::from_slice(&server.get("/logo.svg?info=true").body).unwrap();
    let expected: [(&str, serde_json::Value); 3] =
        [("format", "svg".into()), ("width", 48.into()), ("height", 24.into())];
    for (name, value) in expected {
        assert_eq!(info[name], value, "{info}");
    }
}

#[cfg(feature = "svg")]
#[test]
fn what_cannot_be_rendered_is_refused_and_still_sent() {
    let (server, _folder) = server(None);
    for (name, status, detail) in [("/text.svg", 415, "svg_fonts"), ("/bomb.svg", 422, "references expanded")] {
        let response = server.get(&format!("{name}?format=png"));
        assert_eq!(response.status, status, "{name}");
        assert!(String::from_utf8_lossy(&response.body).contains(detail), "{name}");
        assert_eq!(server.get(name).header("content-type"), Some("image/svg+xml"), "{name}");
    }
    let info: serde_json::Value = serde_json::from_slice(&server.get("/text.svg?info").body).unwrap();
    assert!(info["warnings"][0].as_str().unwrap().contains("svg_fonts"), "{info}");
}

#[cfg(feature = "svg")]
#[test]
fn drawings_can_be_rendered_in_any_case() {
    let (server, _folder) = server(Some(SvgMode::Rasterize));
    for (target, media_type) in [
        ("/logo.svg", "image/png"),
        ("/logo.svg?metadata=all", "image/png"),
        ("/logo.svg?w=10", "image/png"),
        ("/logo.jpg", "image/png"),
        ("/logo.svg?format=svg", "application/problem+json"),
    ] {
        let response = server.get(target);
        assert_eq!(response.header("content-type"), Some(media_type), "{target}");
    }
}

#[cfg(not(feature = "svg"))]
#[test]
fn without_the_feature_its_name_is_told() {
    let (server, _folder) = server(None);
    for target in ["/logo.svg?format=png", "/logo.svg?blur=3", "/logo.svg?info"] {
        let response = server.get(target);
        let detail = String::from_utf8_lossy(&response.body).into_owned();
        assert!(response.status == 415 && detail.contains("cargo feature svg"), "{target}: {detail}");
    }
    assert_eq!(server.get("/logo.svg?w=30").status, 200);
}
