//! The result store, and what lets caches keep answers and take them back.

use std::path::Path;
use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use image_origin::config::Layer;
use image_origin::origin::{Body, Origin, OriginRequest, OriginResponse, freshness};
use image_origin::results::{ResultsFor, ResultsPlace};
use image_origin::source::{BoxFuture, Folder, GetOptions, GetResult, Source, SourceError};

use crate::common::fixtures;

/// Fixtures as another process would serve them: with a memory of its own, and with the results of this folder.
fn process(results: &Path, settings: Layer) -> Origin {
    let place = ResultsPlace::Folder(results.to_owned());
    over(Box::new(Folder::new(fixtures()).unwrap()), Layer { results: Some(place), ..settings })
}

fn over(source: Box<dyn Source>, settings: Layer) -> Origin {
    let settings = Layer { deadline: Some(120.0), ..settings }.resolve().unwrap().origin;
    Origin::new(source, settings).unwrap()
}

async fn get(origin: &Origin, path: &str, query: &str) -> OriginResponse {
    let (method, headers) = (Method::GET, HeaderMap::new());
    let request = OriginRequest { method: &method, path, query, headers: &headers, deadline: None, request_id: None };
    let response = origin.respond(request).await;
    origin.settle().await;
    response
}

/// Where an answer came from: how long it took to make, or the cache that had it.
fn provenance(response: &OriginResponse) -> String {
    let timing = response.headers["server-timing"].to_str().unwrap();
    timing.strip_prefix("cache;desc=").unwrap_or("made").to_owned()
}

async fn bytes(body: Body) -> Vec<u8> {
    axum::body::to_bytes(axum::body::Body::new(body.into_frames()), usize::MAX).await.unwrap().into()
}

fn result_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())).collect()
}

#[tokio::test]
async fn a_picture_is_made_once_for_all_processes() {
    let folder = tempfile::tempdir().unwrap();
    for (path, query) in [
        ("/photo.jpg", "w=70"),
        ("/photo.jpg", "w=70&format=avif"),
        ("/photo.jpg", "w=70&q=auto:70"),
        ("/photo.jpg", "w=2000&enlarge&format=png"),
        ("/photo.jpg", "info"),
        ("/photo.jpg", "showExif"),
        ("/gif/animated.gif", "w=10"),
    ] {
        let first = get(&process(folder.path(), Layer::default()), path, query).await;
        assert_eq!((first.status.as_u16(), provenance(&first).as_str()), (200, "made"), "{path}?{query}");
        let other = process(folder.path(), Layer::default());
        let second = get(&other, path, query).await;
        assert_eq!(provenance(&second), "stored", "{path}?{query}");
        assert_eq!(first.headers.contains_key("image-quality"), query.contains("q=auto"), "{path}?{query}");
        for name in ["etag", "content-type", "content-length", "cache-control", "cache-tag", "image-quality"] {
            assert_eq!(second.headers.get(name), first.headers.get(name), "{path}?{query}: {name}");
        }
        let (first, second) = (bytes(first.body).await, bytes(second.body).await);
        assert!(first == second, "{path}?{query}");
        // What is small stays in memory from then on.
        let expected = if first.len() <= 1024 * 1024 { "hit" } else { "stored" };
        assert_eq!(provenance(&get(&other, path, query).await), expected, "{path}?{query}");
    }
    let long = get(&process(folder.path(), Layer::default()), "/photo.jpg", "w=2000&enlarge&format=png").await;
    assert!(bytes(long.body).await.len() > 1024 * 1024, "one of them is sent from its file");
}

#[tokio::test]
async fn another_original_or_other_settings_have_other_results() {
    let (folder, results) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = |from: &str| std::fs::copy(fixtures().join(from), folder.path().join("x")).unwrap();
    let place = || Some(ResultsPlace::Folder(results.path().to_owned()));
    let origin =
        |settings: Layer| over(Box::new(Folder::new(folder.path()).unwrap()), Layer { results: place(), ..settings });
    copy("photo.jpg");
    assert_eq!(provenance(&get(&origin(Layer::default()), "/x", "w=50").await), "made");
    assert_eq!(provenance(&get(&origin(Layer::default()), "/x", "w=50&v=2").await), "stored", "v changes no pixels");
    let avif = Layer { avif_speed: Some(4), ..Layer::default() };
    assert_eq!(provenance(&get(&origin(Layer::default()), "/x", "w=50&format=avif").await), "made");
    assert_eq!(provenance(&get(&origin(avif), "/x", "w=50&format=avif").await), "made");
    copy("photo.png");
    let changed = get(&origin(Layer::default()), "/x", "w=50").await;
    assert_eq!(
        (provenance(&changed).as_str(), &changed.headers["content-type"]),
        ("made", &"image/png".parse().unwrap())
    );
}

#[tokio::test]
async fn results_are_stored_for_whom_the_setting_says() {
    let presets = || [("card".to_owned(), "w=40".to_owned())].into();
    for (which, plain, preset) in [
        (ResultsFor::Presets, "made", "stored"),
        (ResultsFor::SlowerThan(std::time::Duration::from_secs(3600)), "made", "made"),
        (ResultsFor::All, "stored", "stored"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let settings = || Layer { results_for: Some(which), presets: presets(), ..Layer::default() };
        for (query, expected) in [("w=41", plain), ("preset=card", preset)] {
            get(&process(folder.path(), settings()), "/photo.jpg", query).await;
            let again = get(&process(folder.path(), settings()), "/photo.jpg", query).await;
            assert_eq!(provenance(&again), expected, "{which:?}: {query}");
        }
    }
}

#[tokio::test]
async fn a_store_that_is_damaged_or_gone_costs_nobody_an_answer() {
    let damages: [fn(&Path); 5] = [
        |file| {
            let mut bytes = std::fs::read(file).unwrap();
            let at = bytes.windows(10).position(|bytes| bytes == b"image/jpeg").unwrap();
            bytes[at..at + 10].copy_from_slice(b"image/avif");
            std::fs::write(file, bytes).unwrap();
        },
        |file| std::fs::write(file, "rubbish").unwrap(),
        |file| std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(200).unwrap(),
        |file| std::fs::remove_dir_all(file.parent().unwrap().parent().unwrap()).unwrap(),
        |file| {
            std::fs::remove_file(file).unwrap();
            std::fs::create_dir(file).unwrap();
        },
    ];
    for (at, damage) in damages.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("results");
        let right = bytes(get(&process(&results, Layer::default()), "/photo.jpg", "w=70").await.body).await;
        let other = process(&results, Layer::default());
        let files = result_files(&results);
        let [file] = &files[..] else { panic!("{files:?}") };
        damage(file);
        let answer = get(&other, "/photo.jpg", "w=70").await;
        assert_eq!((answer.status.as_u16(), provenance(&answer).as_str()), (200, "made"), "{at}");
        assert!(bytes(answer.body).await == right, "{at}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let settings = Layer { results: Some(ResultsPlace::Folder(file.path().to_owned())), ..Layer::default() };
    let error = Origin::new(Box::new(Folder::new(fixtures()).unwrap()), settings.resolve().unwrap().origin)
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot store results in"), "{error}");
}

/// Fixtures that were stored with a `Cache-Control` and tags.
struct Noted(Folder, &'static str, &'static str);

impl Source for Noted {
    fn open<'a>(&'a self, ask: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(async {
            let found = self.0.open(ask).await?;
            let GetResult::Object(mut object) = found else { panic!("a folder does not compare") };
            object.meta.cache_control = Some(self.1.to_owned());
            object.meta.cache_tags = Some(self.2.to_owned());
            Ok(GetResult::Object(object))
        })
    }
}

/// A store in which a key and a version of another key have different originals. It answers when it is asked for both.
struct Versioned(Folder, tokio::sync::Barrier);

impl Source for Versioned {
    fn open<'a>(&'a self, options: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(async move {
            let key = if options.version.is_some() { "/photo.jpg" } else { "/drawing.png" };
            self.1.wait().await;
            let key = &image_origin::source::Key::from_url_path(key).unwrap();
            let GetResult::Object(mut object) = self.0.open(GetOptions { key, ..options }).await? else { panic!() };
            object.meta.etag = Some("the-same".to_owned());
            Ok(GetResult::Object(object))
        })
    }

    fn parameters(&self) -> &'static [&'static str] {
        &["versionId"]
    }
}

#[tokio::test]
async fn a_line_break_in_a_version_is_not_one_in_a_key() {
    let source = Versioned(Folder::new(fixtures()).unwrap(), tokio::sync::Barrier::new(2));
    let origin = over(Box::new(source), Layer::default());
    let both = async { tokio::join!(get(&origin, "/a", "w=9&versionId=b%0A"), get(&origin, "/a%0Ab", "w=9")) };
    let (version, key) = tokio::time::timeout(std::time::Duration::from_secs(60), both).await.expect("both are opened");
    assert_eq!([version, key].map(|answer| answer.headers["content-type"].clone()), ["image/jpeg", "image/png"]);
}

#[tokio::test]
async fn answers_carry_what_the_original_and_the_query_say_of_their_freshness() {
    let presets: image_origin::query::Presets = [("card".to_owned(), "w=40".to_owned())].into();
    let plain = || Arc::new(Layer { max_age: Some(300), presets: presets.clone(), ..Layer::default() });
    let noted = |cache_control| Box::new(Noted(Folder::new(fixtures()).unwrap(), cache_control, "shoes, sale"));
    let table = [
        ("w=20", "", "public, max-age=300"),
        ("w=20&v=7", "", "public, max-age=300, immutable"),
        ("v=7", "max-age=60", "public, max-age=60, immutable"),
        ("", "max-age=60, s-maxage=90", "public, max-age=60, s-maxage=90"),
        ("w=20", "max-age=99999999999", "public, max-age=31536000"),
        ("info", "private", "private, max-age=300"),
        ("w=20", "no-store", "no-store"),
    ];
    for (query, original, expected) in table {
        let origin = over(noted(original), Layer::clone(&plain()));
        let answer = get(&origin, "/orientation/1.jpg", query).await;
        assert_eq!(answer.headers["cache-control"], expected, "{query} {original}");
        let tags = answer.headers.get("cache-tag").map(|tags| tags.to_str().unwrap().to_owned());
        let (key, folder) = (freshness::key_tag("orientation/1.jpg"), freshness::folder_tag("orientation"));
        let all = (expected != "no-store").then(|| format!("{key},{folder},shoes,sale"));
        assert_eq!(tags, all, "{query} {original}");
    }
    let origin = over(noted(""), Layer { cache_tag_header: Some("X-Tags".to_owned()), ..Layer::clone(&plain()) });
    let card = get(&origin, "/photo.jpg", "preset=card").await;
    assert_eq!(card.headers["x-tags"], format!("{},p-card,shoes,sale", freshness::key_tag("photo.jpg")).as_str());
    let missing = get(&origin, "/missing.jpg", "w=1").await;
    assert_eq!(missing.headers["x-tags"], freshness::key_tag("missing.jpg").as_str(), "an upload takes the 404 back");
    let off = over(noted(""), Layer { cache_tag_header: Some("none".to_owned()), ..Layer::clone(&plain()) });
    assert!(!get(&off, "/photo.jpg", "w=20").await.headers.contains_key("cache-tag"));
}

/// Writers that are killed at any moment leave a store that is whole and within its bound.
#[test]
#[cfg(unix)]
fn a_killed_writer_leaves_whole_results() {
    use std::io::BufRead as _;
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let bound = 60_000;
    for round in 0..12_u64 {
        let mut program = Command::new(env!("CARGO_BIN_EXE_image-origin"))
            .args(["serve", fixtures().to_str().unwrap(), "--listen", "127.0.0.1:0", "--log-format", "json"])
            .arg(format!("--results=dir:{}", folder.path().display()))
            .arg(format!("--results-bytes={bound}"))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(program.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| {
            let start = line.find("127.0.0.1:")?;
            let end = line[start..]
                .find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')
                .map_or(line.len(), |end| start + end);
            line[start..end].parse::<std::net::SocketAddr>().ok()
        });
        let address = address.unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        for width in 0..4 {
            let target = format!("/photo.jpg?w={}", 30 + 4 * round % 20 + width);
            let answer = crate::common::request(address, "GET", &target, &[]);
            assert_eq!(answer.status, 200, "{target}");
            assert_eq!(u64::from(answer.size().0), 30 + 4 * round % 20 + width);
        }
        std::thread::sleep(std::time::Duration::from_micros(150 * round));
        program.kill().unwrap();
        program.wait().unwrap();
        let sizes: Vec<u64> = result_files(folder.path()).iter().map(|file| file.metadata().unwrap().len()).collect();
        assert!(sizes.iter().sum::<u64>() <= bound, "{sizes:?}");
    }
    let other = process(folder.path(), Layer { results_bytes: Some("60000".parse().unwrap()), ..Layer::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = (30..54)
        .filter(|width| provenance(&runtime.block_on(get(&other, "/photo.jpg", &format!("w={width}")))) == "stored");
    assert!(found.count() > 0, "something was stored");
}
