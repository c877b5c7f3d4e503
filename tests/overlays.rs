//! Overlays, end to end: which are allowed, what a changed one changes, and what one costs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Barrier, Notify};

use crate::common::{Response, Server, fixtures};
use image_origin::config::Layer;
use image_origin::origin::freshness;
use image_origin::source::{
    BoxFuture, Content, Folder, GetOptions, GetResult, Object, ObjectMeta, Source, SourceError,
};

/// A folder of originals of two people and of the house.
fn originals() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("photo.jpg", "photo.jpg"),
        ("overlays/mark.png", "overlays/mark.png"),
        ("overlays/deep/er/mark.png", "overlays/mark.png"),
        ("overlays/moving.gif", "gif/animated.gif"),
        ("overlays/text.png", "broken/text.jpg"),
        ("overlays/half.png", "broken/truncated.png"),
        ("overlays/huge.png", "broken/60000x60000.png"),
        ("overlays-of-bob/x.png", "drawing.png"),
        ("users/bob/x.png", "drawing.png"),
    ];
    for (name, from) in files {
        copy(from, &folder.path().join(name));
    }
    folder
}

fn copy(from: &str, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(fixtures().join(from), to).unwrap();
}

fn server(folder: &Path, settings: Layer) -> Server {
    let settings = Layer { overlays: settings.overlays.or(Some("overlays".to_owned())), ..settings };
    Server::over(Box::new(Folder::new(folder).unwrap()), settings)
}

fn outcome(response: &Response) -> (u16, String) {
    if response.status == 200 { (200, String::new()) } else { response.outcome() }
}

#[test]
fn only_what_lies_in_the_folder_is_laid_over_others() {
    let folder = originals();
    let (open, closed) =
        (server(folder.path(), Layer::default()), Layer { overlays: Some("none".into()), ..Layer::default() });
    let closed = server(folder.path(), closed);
    let everything = server(folder.path(), Layer { overlays: Some("/".into()), ..Layer::default() });
    let (allowed, not_allowed, bad) = ((200, ""), (403, "overlay_not_allowed"), (400, "bad_parameter"));
    let table = [
        ("overlays/mark.png", allowed),
        ("/overlays/mark.png", allowed),
        ("overlays%2Fmark.png", allowed),
        ("overlays/deep/er/mark.png", allowed),
        ("overlays/moving.gif", allowed),
        ("overlays/missing.png", (404, "overlay_not_found")),
        ("overlays/mark.png/x", (404, "overlay_not_found")),
        ("overlays/deep", (404, "overlay_not_found")),
        ("overlays/text.png", (422, "overlay_unreadable")),
        ("overlays/half.png", allowed),
        ("overlays/huge.png", (422, "image_too_large")),
        // A query in a query is a part of the name.
        ("overlays/mark.png%3Foverlay%3Dusers/bob/x.png", (404, "overlay_not_found")),
        ("users/bob/x.png", not_allowed),
        ("/users/bob/x.png", not_allowed),
        ("photo.jpg", not_allowed),
        ("overlays-of-bob/x.png", not_allowed),
        ("Overlays/mark.png", not_allowed),
        ("overlays", not_allowed),
        ("%6fverlays-of-bob/x.png", not_allowed),
        ("overlays/", bad),
        ("overlays//mark.png", bad),
        ("//overlays/mark.png", bad),
        ("overlays/../users/bob/x.png", bad),
        ("overlays%2F..%2Fusers%2Fbob%2Fx.png", bad),
        ("overlays/%2e%2e/users/bob/x.png", bad),
        ("overlays/%252e%252e/users/bob/x.png", bad),
        ("overlays/%25252e%25252e/users/bob/x.png", bad),
        ("overlays/.%2e/users/bob/x.png", bad),
        ("overlays%5C..%5Cusers%5Cbob%5Cx.png", bad),
        ("overlays/./mark.png", bad),
        ("overlays/mark.png%00.jpg", bad),
        ("../../etc/passwd", bad),
    ];
    for (overlay, expected) in table {
        let target = format!("/photo.jpg?w=60&overlay={overlay}");
        let is = |(status, code): (u16, &str)| (status, code.to_owned());
        assert_eq!(outcome(&open.get(&target)), is(expected), "{overlay}");
        // What is no key is told before what may be seen.
        let elsewhere = if expected == bad { bad } else { not_allowed };
        assert_eq!(outcome(&closed.get(&target)), is(elsewhere), "{overlay}");
        if expected == not_allowed {
            let found = everything.get(&target).status;
            assert!(found == 200 || found == 404, "{overlay}: {found}");
        }
    }
    for query in ["info&overlay=users/bob/x.png", "overlay=users/bob/x.png&showExif", "overlay=users/bob/x.png&page=0"]
    {
        let refused = open.get(&format!("/photo.jpg?{query}"));
        assert_eq!(refused.outcome(), (403, "overlay_not_allowed".to_owned()), "{query}");
    }
    // Links lead nowhere else than keys do.
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("overlays/link.png")).unwrap();
    let link = open.get("/photo.jpg?w=60&overlay=overlays/link.png");
    assert_eq!(link.outcome(), (404, "overlay_not_found".to_owned()));
}

#[test]
fn a_preset_may_hold_an_overlay_and_a_url_take_it_away() {
    let folder = originals();
    let presets = [("mark".to_owned(), "w=90&overlay=overlays/mark.png&overlay_w=0.5".to_owned())].into();
    let server = server(folder.path(), Layer { presets, ..Layer::default() });
    let bytes = |query: &str| server.get(&format!("/photo.jpg?{query}")).body;
    let (marked, plain) = (bytes("preset=mark"), bytes("w=90"));
    assert_ne!(marked, plain);
    assert_eq!(marked, bytes("w=90&overlay=/overlays/mark.png&overlay_w=.5"));
    assert_eq!(plain, bytes("preset=mark&overlay="));
    assert_eq!(bytes("preset=mark&overlay_opacity=0"), plain);
}

#[test]
fn a_changed_overlay_is_another_picture() {
    let (folder, results) = (originals(), tempfile::tempdir().unwrap());
    let settings = || Layer {
        results: Some(image_origin::results::ResultsPlace::Folder(results.path().to_owned())),
        ..Layer::default()
    };
    let (first, target) = (server(folder.path(), settings()), "/photo.jpg?w=60&overlay=overlays/mark.png");
    let before = first.get(target);
    let tag = before.header("etag").unwrap();
    assert_eq!(before.header("last-modified"), None, "the original's date says nothing of the overlay's");
    let again = first.request("GET", target, &[("if-none-match", tag)]);
    assert_eq!((again.status, again.header("etag")), (304, Some(tag)));
    let later = ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT");
    assert_eq!(first.request("GET", target, &[later]).status, 200);
    // A server that has not seen the overlay yet.
    let again = server(folder.path(), settings()).request("GET", target, &[("if-none-match", tag)]);
    assert_eq!((again.status, again.header("etag")), (304, Some(tag)));
    copy("drawing.png", &folder.path().join("overlays/mark.png"));
    for server in [first, server(folder.path(), settings())] {
        let after = server.request("GET", target, &[("if-none-match", tag)]);
        assert_eq!(after.status, 200);
        assert!(after.header("etag").unwrap() != tag && after.body != before.body);
    }
    // Another process with the old file finds the old picture.
    std::fs::remove_file(folder.path().join("overlays/mark.png")).unwrap();
    let gone = server(folder.path(), settings()).get(target);
    assert_eq!(gone.outcome(), (404, "overlay_not_found".to_owned()));
    assert!(gone.header("cache-tag").unwrap().contains(&freshness::key_tag("overlays/mark.png")));
}

#[test]
fn answers_are_taken_back_with_their_overlay() {
    let folder = originals();
    let answer = server(folder.path(), Layer::default()).get("/photo.jpg?w=60&overlay=overlays/mark.png");
    let tags: Vec<&str> = answer.header("cache-tag").unwrap().split(',').collect();
    for key in ["photo.jpg", "overlays/mark.png"] {
        assert!(tags.contains(&freshness::key_tag(key).as_str()), "{key}: {tags:?}");
    }
}

/// A folder that counts how often each kind of answer was given for overlays.
struct Counting {
    folder: Folder,
    sent: Arc<AtomicUsize>,
    same: Arc<AtomicUsize>,
    /// Whether the source tells one state from another.
    has_tags: bool,
}

impl Source for Counting {
    fn open<'a>(&'a self, ask: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(async move {
            let is_overlay = ask.key.as_str().starts_with("overlays/");
            let holds = ask.if_none_match.map(str::to_owned);
            let mut found = self.folder.open(ask).await?;
            let (GetResult::Object(Object { meta, .. }) | GetResult::NotModified(meta)) = &mut found;
            if !self.has_tags && is_overlay {
                meta.etag = None;
            }
            // As a store does that compares.
            if holds.is_some() && holds == meta.etag {
                found = GetResult::NotModified(meta.clone());
            }
            if is_overlay {
                let count = if matches!(found, GetResult::NotModified(_)) { &self.same } else { &self.sent };
                count.fetch_add(1, Ordering::SeqCst);
            }
            Ok(found)
        })
    }
}

#[test]
fn an_overlay_is_sent_once_and_asked_for_every_time() {
    let folder = originals();
    for (has_tags, cache, expected) in [(true, None, (1, 4)), (true, Some("0"), (5, 0)), (false, None, (5, 0))] {
        let (sent, same) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let source = Folder::new(folder.path()).unwrap();
        let source = Counting { folder: source, sent: sent.clone(), same: same.clone(), has_tags };
        let overlay_cache = cache.map(|size| size.parse().unwrap());
        let settings = Layer { overlays: Some("overlays/".into()), overlay_cache, ..Layer::default() };
        let server = Server::over(Box::new(source), settings);
        for width in [50, 51, 52, 53, 50] {
            let answer = server.get(&format!("/photo.jpg?w={width}&overlay=overlays/mark.png&overlay_w=20"));
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("etag").is_some(), has_tags, "what cannot be told apart is not kept");
        }
        assert_eq!((sent.load(Ordering::SeqCst), same.load(Ordering::SeqCst)), expected, "{has_tags} {cache:?}");
    }
}

/// A file of the fixtures as a store sends it, of unknown length, with a beginning that waits.
fn stream(fixture: &str, begins: impl Future<Output = ()> + Send + 'static) -> Content {
    let bytes = std::fs::read(fixtures().join(fixture)).unwrap();
    Content::Stream(Box::pin(futures_util::stream::once(async move {
        begins.await;
        Ok(bytes.into())
    })))
}

/// A store that responds, and then begins to send, only once both the original and the overlay have been asked for.
struct Pair {
    asked: Barrier,
    sends: Arc<Barrier>,
}

impl Source for Pair {
    fn open<'a>(&'a self, ask: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(async move {
            self.asked.wait().await;
            let is_overlay = ask.key.as_str() == "overlays/mark.png";
            let meta = ObjectMeta { etag: Some("1".to_owned()), ..ObjectMeta::default() };
            if ask.if_none_match == Some("1") {
                return Ok(GetResult::NotModified(meta));
            }
            let sends = self.sends.clone();
            let begins = async move {
                sends.wait().await;
            };
            let content = stream(if is_overlay { "overlays/mark.png" } else { "photo.jpg" }, begins);
            Ok(GetResult::Object(Object { meta, content }))
        })
    }
}

#[test]
fn the_original_and_its_overlay_are_fetched_together() {
    let source = Pair { asked: Barrier::new(2), sends: Arc::new(Barrier::new(2)) };
    let settings = Layer {
        overlays: Some("overlays/".to_owned()),
        // Neither length is known, so that each of the two may take all of it.
        max_source_bytes: Some("1M".parse().unwrap()),
        download_memory: Some("1M".parse().unwrap()),
        ..Layer::default()
    };
    let server = Server::over(Box::new(source), settings);
    let target = "/photo.jpg?w=50&overlay=overlays/mark.png";
    let first = server.get(target);
    assert_eq!(first.status, 200);
    let again = server.request("GET", target, &[("if-none-match", first.header("etag").unwrap())]);
    assert_eq!(again.status, 304);
    assert!(server.get(target).body == first.body);
}

/// A store in which an original and an overlay fail, each in the way that its name says.
struct Failing(Arc<Notify>);

impl Source for Failing {
    fn open<'a>(&'a self, ask: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        let key = ask.key.as_str();
        let (is_overlay, how) = (key.starts_with("overlays/"), key.rsplit('/').next().unwrap());
        let sent = |fixture: &str| {
            let content = stream(fixture, std::future::ready(()));
            Ok(GetResult::Object(Object { meta: ObjectMeta::default(), content }))
        };
        Box::pin(async move {
            match how {
                "missing" if is_overlay => {
                    self.0.notify_one();
                    Err(SourceError::NotFound)
                }
                "missing" => Err(SourceError::NotFound),
                "missing-afterwards" => {
                    self.0.notified().await;
                    for _ in 0..100 {
                        tokio::task::yield_now().await;
                    }
                    Err(SourceError::NotFound)
                }
                "no-answer" => std::future::pending().await,
                "no-bytes" => Ok(GetResult::Object(Object {
                    meta: ObjectMeta::default(),
                    content: stream("photo.jpg", std::future::pending()),
                })),
                "text" => sent("broken/text.jpg"),
                _ => sent("photo.jpg"),
            }
        })
    }
}

#[test]
fn a_failure_ends_the_other_download_and_the_original_comes_first() {
    let (not_found, overlay_not_found) = ((404, "not_found"), (404, "overlay_not_found"));
    let unreadable = (422, "overlay_unreadable");
    let table = [
        ("missing", "missing", not_found),
        ("missing-afterwards", "missing", not_found),
        ("missing", "no-answer", not_found),
        ("missing", "no-bytes", not_found),
        ("photo", "missing", overlay_not_found),
        ("no-bytes", "missing", overlay_not_found),
        ("no-bytes", "text", unreadable),
        ("photo", "text", unreadable),
        ("text", "no-bytes", (415, "unsupported_image")),
        ("text", "photo", (415, "unsupported_image")),
    ];
    for (original, overlay, (status, code)) in table {
        let settings = Layer { overlays: Some("overlays".to_owned()), ..Layer::default() };
        let server = Server::over(Box::new(Failing(Arc::default())), settings);
        let answer = server.get(&format!("/{original}?w=50&overlay=overlays/{overlay}"));
        assert_eq!(answer.outcome(), (status, code.to_owned()), "{original} and {overlay}");
    }
}

#[test]
fn an_overlay_is_within_the_limits_of_the_request() {
    let folder = originals();
    // 12 megapixels that take a few kilobytes.
    let vast = image::RgbaImage::from_pixel(4000, 3000, image::Rgba([200, 100, 50, 128]));
    vast.save(folder.path().join("overlays/vast.png")).unwrap();
    let small = Layer { request_memory: Some("4M".parse().unwrap()), ..Layer::default() };
    let target = "/photo.jpg?w=60&overlay=overlays/vast.png";
    let server_of_little = server(folder.path(), small);
    assert_eq!(server_of_little.get(target).status, 200, "it is decoded to the size that it has on the output");
    for wide in ["overlay_w=4000", "overlay_w=1000&overlay_tile&enlarge&w=1000"] {
        let refused = server_of_little.get(&format!("{target}&{wide}"));
        assert_eq!(refused.outcome(), (422, "image_too_large".to_owned()), "{wide}");
        assert_eq!(server(folder.path(), Layer::default()).get(&format!("{target}&{wide}")).status, 200, "{wide}");
    }
    let refused = server_of_little.get(&format!("{target}&overlay_w=4000"));
    assert!(String::from_utf8_lossy(&refused.body).contains("the overlay cannot be used"));
    let few_bytes = Layer { max_source_bytes: Some("500".parse().unwrap()), ..Layer::default() };
    copy("png/grey-1.png", &folder.path().join("small.png"));
    let refused = server(folder.path(), few_bytes).get("/small.png?w=6&overlay=overlays/mark.png");
    assert_eq!(refused.outcome(), (422, "overlay_unreadable".to_owned()));
}
