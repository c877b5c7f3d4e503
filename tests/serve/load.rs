//! Slow stores, many requests at once, and clients that do not read.

use super::*;

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
