//! One suite for all kinds of sources: a folder, a bucket and a web server are asked for the same originals, and the same
//! happens to each of them on the way. Whatever happens, the answer is the whole picture or an error, and never late.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode, header};

use super::program::Program;
use super::proxy::{Fault, Proxy};
use super::store::{ACCESS_KEY, BUCKET, SECRET_KEY, Store};
use crate::common::{Response, Server, fixtures};

/// How a source is asked.
enum Asked {
    Here(Server),
    InAProcess(Program),
}

/// A source with the original `photo.jpg`, and a way to do it harm.
struct Rig {
    kind: &'static str,
    asked: Asked,
    /// Between the server and its source.
    proxy: Option<Proxy>,
    originals: PathBuf,
    _kept: Box<dyn std::any::Any + Send>,
}

impl Rig {
    fn get(&self, target: &str) -> Response {
        self.request(target, &[])
    }

    fn request(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        match &self.asked {
            Asked::Here(server) => server.request("GET", target, headers),
            Asked::InAProcess(program) => program.request("GET", target, headers),
        }
    }

    fn put(&self, name: &str, fixture: &str) {
        std::fs::copy(fixtures().join(fixture), self.originals.join(name)).unwrap();
    }

    /// Does harm, if there is a way between server and source on which it can be done.
    fn suffers(&self, fault: Fault) -> bool {
        self.proxy.as_ref().inspect(|proxy| proxy.set(fault)).is_some()
    }

    /// The number of requests to the source since the last time.
    fn requests(&self) -> Option<usize> {
        self.proxy.as_ref().map(|proxy| proxy.asked().len())
    }
}

fn folder() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("deadline = 2\n[[sources]]\npath = \"/*\"\nfrom = \"dir:{}\"\n", folder.path().display());
    let originals = folder.path().to_owned();
    Rig {
        kind: "folder",
        asked: Asked::Here(Server::configured(&settings)),
        proxy: None,
        originals,
        _kept: Box::new(folder),
    }
}

fn bucket() -> Rig {
    let store = Store::start();
    let proxy = Proxy::before(store.address);
    let program = Program::serve(proxy.address, &[("IMAGE_ORIGIN_DEADLINE", "2")]);
    let originals = store.path("");
    Rig { kind: "bucket", asked: Asked::InAProcess(program), proxy: Some(proxy), originals, _kept: Box::new(store) }
}

fn web_server(kind: &'static str, settings: &str) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let files =
        axum::Router::new().route("/media/{name}", axum::routing::get(file)).with_state(folder.path().to_owned());
    let server = Server::serving(files);
    let proxy = Proxy::before(server.address);
    let settings = format!(
        "deadline = 2\n[[sources]]\npath = \"/*\"\nfrom = \"http://{}/media\"\nnetworks = [\"127.0.0.1\"]\n{settings}",
        proxy.address
    );
    let originals = folder.path().to_owned();
    let asked = Asked::Here(Server::configured(&settings));
    Rig { kind, asked, proxy: Some(proxy), originals, _kept: Box::new((folder, server)) }
}

/// A web server that is asked for the first bytes, and then for the rest.
fn web_server_by_parts() -> Rig {
    web_server("web server, by parts", "first_bytes = \"16K\"\n")
}

/// A file with an entity tag, by preconditions and ranges.
async fn file(Path(name): Path<String>, State(folder): State<PathBuf>, asked: HeaderMap) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    let Ok(bytes) = std::fs::read(folder.join(&name)) else { return StatusCode::NOT_FOUND.into_response() };
    let digest: u64 =
        bytes.iter().fold(bytes.len() as u64, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let tag = format!("\"{digest:x}\"");
    let value = |name| asked.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap());
    if value(header::IF_NONE_MATCH) == Some(&tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let range = value(header::RANGE).filter(|_| value(header::IF_RANGE).is_none_or(|condition| condition == tag));
    match range.map(|range| range.strip_prefix("bytes=").unwrap().split_once('-').unwrap()) {
        Some(_) if bytes.is_empty() => StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
        Some((start, end)) => {
            let (start, last) = (start.parse().unwrap(), bytes.len() - 1);
            let end = end.parse().unwrap_or(last).min(last);
            let covered = format!("bytes {start}-{end}/{}", bytes.len());
            let headers = [(header::ETAG, tag), (header::CONTENT_RANGE, covered)];
            (StatusCode::PARTIAL_CONTENT, headers, bytes[start..=end].to_vec()).into_response()
        }
        None => ([(header::ETAG, tag)], bytes).into_response(),
    }
}

/// Each kind of source, started.
fn rigs() -> Vec<Rig> {
    vec![folder(), bucket(), web_server("web server", ""), web_server_by_parts()]
}

/// Asks for a picture and for the original as it is. Either is whole, or an error that came in time.
fn outcomes(rig: &Rig, width: u32) -> [(u16, String); 2] {
    let whole = Server::start().get("/photo.jpg");
    [format!("/photo.jpg?w={width}"), "/photo.jpg".to_owned()].map(|target| {
        let started = Instant::now();
        let answer = rig.get(&target);
        assert!(started.elapsed() < Duration::from_secs(4), "{} {target}: {:?}", rig.kind, started.elapsed());
        if answer.status == 200 {
            match target.contains('?') {
                true => assert_eq!(answer.size().0, width, "{} {target}", rig.kind),
                false => assert!(answer.body == whole.body, "{} {target}", rig.kind),
            }
        }
        answer.outcome()
    })
}

fn all(status: u16, code: &str) -> [(u16, String); 2] {
    [(status, code.to_owned()), (status, code.to_owned())]
}

#[test]
fn what_is_there_is_served_and_revalidated() {
    for rig in rigs() {
        let kind = rig.kind;
        rig.put("photo.jpg", "photo.jpg");
        assert_eq!(outcomes(&rig, 40), all(200, ""), "{kind}");
        for target in ["/photo.jpg?w=41", "/photo.jpg"] {
            let first = rig.get(target);
            let tag = first.header("etag").unwrap();
            let again = rig.request(target, &[("if-none-match", tag)]);
            assert_eq!((again.status, again.header("etag"), again.body.len()), (304, Some(tag), 0), "{kind} {target}");
        }
        let again = rig.get("/photo.jpg?w=41");
        assert_eq!(again.header("server-timing"), Some("cache;desc=hit"), "{kind}");
        rig.put("photo.jpg", "photo.png");
        assert_eq!(rig.get("/photo.jpg?w=41").header("content-type"), Some("image/png"), "{kind}: it has changed");
    }
}

#[test]
fn what_is_missing_or_no_image_is_told() {
    for rig in rigs() {
        let kind = rig.kind;
        assert_eq!(outcomes(&rig, 40), all(404, "not_found"), "{kind}");
        std::fs::write(rig.originals.join("photo.jpg"), vec![b'x'; 300_000]).unwrap();
        assert_eq!(outcomes(&rig, 40), all(415, "unsupported_image"), "{kind}");
        std::fs::write(rig.originals.join("photo.jpg"), []).unwrap();
        assert_eq!(outcomes(&rig, 40), all(415, "unsupported_image"), "{kind}");
        for path in ["/..%2fphoto.jpg", "/a/../photo.jpg", "//photo.jpg", "/photo.jpg/", "/%2e%2e/media/photo.jpg"] {
            assert_eq!(rig.get(path).outcome(), (404, "not_found".to_owned()), "{kind} {path}");
        }
    }
}

#[test]
fn faults_on_the_way_end_in_a_whole_picture_or_an_error() {
    let (failed, late) = (all(502, "source_failed"), all(504, "source_timeout"));
    let second = Duration::from_secs(1);
    for rig in rigs() {
        let kind = rig.kind;
        let is_web = kind.starts_with("web server");
        rig.put("photo.jpg", "photo.jpg");
        // A part has the length of the part, so that it is not the whole that ends early.
        let announced = if kind.ends_with("parts") { failed.clone() } else { all(413, "source_too_large") };
        let redirected = if is_web { all(200, "") } else { failed.clone() };
        let table = [
            (Fault::Status(404, "NoSuchKey", 100), all(404, "not_found"), 1),
            (Fault::Status(403, "AccessDenied", 100), all(404, "not_found"), 1),
            (Fault::Status(500, "InternalError", 100), failed.clone(), 3),
            (Fault::Status(503, "SlowDown", 100), all(503, "overloaded"), 3),
            (Fault::Status(500, "InternalError", 2), all(200, ""), 3),
            (Fault::Hangup, failed.clone(), 3),
            (Fault::Noise, failed.clone(), 1),
            (Fault::Silence(20 * second), late.clone(), 1),
            (Fault::Drip(1000, second / 5), late.clone(), 1),
            // A connection that always ends there gets a little further each time, but not to the end.
            (Fault::Cut(10_000), failed.clone(), 1),
            (Fault::Length("\r\ncontent-length: 1000000"), failed.clone(), 1),
            (Fault::Length("\r\ncontent-length: -1"), failed.clone(), 1),
            (Fault::Length("\r\ncontent-length: 999999999999"), announced, 1),
            (Fault::Redirect(302, "photo.jpg".to_owned()), redirected, 1),
            (Fault::Redirect(301, "http://169.254.169.254/".to_owned()), failed.clone(), 1),
        ];
        for (number, (fault, expected, requests)) in table.into_iter().enumerate() {
            if !rig.suffers(fault.clone()) {
                continue;
            }
            // A fault that passes is there again for the second of the two requests.
            let target = format!("/photo.jpg?w={}", 50 + number);
            let first = rig.get(&target).outcome();
            assert_eq!(first, expected[0], "{kind}: {fault:?}");
            let asked = rig.requests().unwrap();
            assert!(asked >= requests, "{kind}: {fault:?}: {asked} requests");
            rig.suffers(fault.clone());
            let outcomes = outcomes(&rig, 80 + number as u32);
            assert_eq!(outcomes[0], expected[0], "{kind}: {fault:?}");
            rig.suffers(Fault::None);
        }
        assert_eq!(outcomes(&rig, 45), all(200, ""), "{kind}: it is well again");
    }
}

#[test]
fn an_original_that_changes_while_it_is_read_is_none_of_both_versions() {
    for rig in [bucket(), web_server("web server", ""), web_server_by_parts()] {
        let kind = rig.kind;
        let photo = std::fs::read(fixtures().join("photo.jpg")).unwrap();
        let other = std::fs::read(fixtures().join("photo-progressive.jpg")).unwrap();
        for (width, replacement) in [(60, other), (61, photo.clone())] {
            std::fs::write(rig.originals.join("photo.jpg"), &photo).unwrap();
            let is_same = replacement == photo;
            rig.suffers(Fault::Replaced(10_000, rig.originals.join("photo.jpg"), replacement));
            let answer = rig.get(&format!("/photo.jpg?w={width}"));
            // What was replaced by the same bytes is resumed where that is possible.
            let is_resumed = is_same && kind.starts_with("web server");
            let expected = if is_resumed { (200, String::new()) } else { (502, "source_failed".to_owned()) };
            assert_eq!(answer.outcome(), expected, "{kind} {width}");
            assert_eq!(rig.get(&format!("/photo.jpg?w={width}")).size().0, width, "{kind}: then it is whole");
        }
    }
}

#[test]
fn the_first_bytes_decide_whether_there_are_more_requests() {
    let rig = web_server_by_parts();
    rig.put("photo.jpg", "photo.jpg");
    rig.requests();
    assert_eq!(rig.get("/photo.jpg?w=40").status, 200);
    let asked = rig.proxy.as_ref().unwrap().asked();
    let ranges: Vec<_> =
        asked.iter().filter_map(|head| head.lines().find_map(|line| line.strip_prefix("range: "))).collect();
    assert_eq!(ranges, ["bytes=0-16383", "bytes=16384-"]);
    std::fs::write(rig.originals.join("text.jpg"), vec![b'x'; 1_000_000]).unwrap();
    assert_eq!(rig.get("/text.jpg?w=40").outcome(), (415, "unsupported_image".to_owned()));
    assert_eq!(rig.requests(), Some(1), "nothing but the first bytes");
}

/// The Security Token Service: gives whoever asks for a role the credentials of the store, and keeps what it was asked.
fn token_service() -> (Server, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let log = asked.clone();
    let router = axum::Router::new().fallback(move |body: String| {
        log.lock().unwrap().push(body);
        let credentials = format!(
            "<AccessKeyId>{ACCESS_KEY}</AccessKeyId><SecretAccessKey>{SECRET_KEY}</SecretAccessKey>\
             <SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>"
        );
        std::future::ready(format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
             <Credentials>{credentials}</Credentials><AssumedRoleUser><AssumedRoleId>A:i</AssumedRoleId>\
             <Arn>arn:aws:sts::123456789012:assumed-role/images/image-origin</Arn></AssumedRoleUser>\
             </AssumeRoleResult></AssumeRoleResponse>"
        ))
    });
    (Server::serving(router), asked)
}

#[test]
fn a_bucket_has_a_role_a_region_and_an_endpoint_of_its_own() {
    let store = Store::with_photo();
    let (tokens, asked) = token_service();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let bucket = |path: &str, more: &str| {
        format!(
            "[[sources]]\npath = \"/{path}/*\"\nstrip_prefix = \"/{path}\"\nfrom = \"s3://{BUCKET}\"\n\
             endpoint = \"http://{}\"\npath_style = true\n{more}\n",
            store.address
        )
    };
    let role = "role_arn = \"arn:aws:iam::123456789012:role/images\"\nregion = \"eu-west-3\"";
    std::fs::write(&file, bucket("role", role) + &bucket("own", "access_denied = \"forbidden\"")).unwrap();
    let endpoint = format!("http://{}", tokens.address);
    // The credentials of the environment are none of the store's.
    let environment = [("AWS_ACCESS_KEY_ID", "AKIAOTHER"), ("AWS_ENDPOINT_URL_STS", endpoint.as_str())];
    let program = Program::configured(&file, &environment);
    assert_eq!(program.get("/role/photo.jpg?w=40").status, 200);
    assert_eq!(program.get("/own/photo.jpg?w=40").outcome(), (502, "source_failed".to_owned()));
    let asked = asked.lock().unwrap();
    let is_right = |question: &String| {
        question.contains("Action=AssumeRole&")
            && question.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fimages")
    };
    // Once at the start, when the credentials are checked, and once for the client.
    assert!((1..=2).contains(&asked.len()) && asked.iter().all(is_right), "{asked:?}");
}
