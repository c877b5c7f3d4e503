//! The connections of the HTTP server: their number is limited, each is served by its own task, and each wait has a
//! timeout.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use http::header;
use http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use super::descriptors;
use super::listen::{Listener, Stream};
use super::serve::answer;
use super::socket::{Pace, Socket, SocketIo};
use crate::error::{Code, Problem};
use crate::origin::problem_response;

/// How long to wait before the next attempt if no connection can be accepted.
const BREATHER: Duration = Duration::from_secs(1);

/// The buffer size of hyper for a connection in bytes: it limits the size of a head, and the part of a response that is
/// buffered.
const BUFFER: usize = 64 * 1024;

/// The maximum number of connections of operators.
const OPERATORS: usize = 16;

/// The limits and timeouts of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// The maximum number of concurrent connections; `None` derives it from the number of file descriptors.
    pub max: Option<usize>,
    /// The timeout for the head of a request.
    pub head_timeout: Duration,
    /// The timeout for idle connections.
    pub idle_timeout: Duration,
    /// The total time spent waiting for a client to read its response, after which its rate is checked.
    pub write_timeout: Duration,
    /// The minimum rate in bytes per second of that time.
    pub write_rate: u64,
}

/// The limits of connections. Clones share one count.
#[derive(Debug, Clone)]
pub struct Connections {
    capacity: usize,
    slots: Arc<Semaphore>,
    open: Arc<AtomicUsize>,
    idle_timeout: Duration,
    head_timeout: Duration,
    pace: Pace,
}

/// The client address of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Counts a connection as open until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The client disconnected while its request was processed.
#[derive(Debug, thiserror::Error)]
#[error("the client disconnected")]
struct Gone;

impl Connections {
    /// Creates limits from the settings. Without a maximum, it is derived from the number of available descriptors.
    pub fn new(settings: &ConnectionSettings) -> Self {
        let capacity = settings.max.unwrap_or_else(descriptors::connections);
        Self {
            capacity,
            slots: Arc::new(Semaphore::new(capacity.min(Semaphore::MAX_PERMITS))),
            open: Arc::default(),
            idle_timeout: settings.idle_timeout,
            head_timeout: settings.head_timeout,
            pace: Pace { timeout: settings.write_timeout, rate: settings.write_rate },
        }
    }

    /// Separate limits for operators, who are few and must not wait for clients.
    pub fn of_operators(&self) -> Self {
        Self { slots: Arc::new(Semaphore::new(OPERATORS)), capacity: OPERATORS, open: Arc::default(), ..*self }
    }

    /// The maximum number of connections.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Accepts and serves connections until `stop` resolves, then closes idle connections and waits for the others. At
    /// the maximum, further connections wait in the listener's queue.
    pub(super) async fn serve(&self, listener: Listener, router: Router, stop: impl Future<Output = ()>) {
        let mut http = http1::Builder::new();
        // The timeout of a head that has begun is enforced by the socket.
        http.timer(TokioTimer::new()).header_read_timeout(self.idle_timeout).half_close(true).max_buf_size(BUFFER);
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let next = async {
                let slot = self.slots.clone().acquire_owned().await;
                (accept(&listener).await, slot)
            };
            let ((stream, peer), slot) = tokio::select! {
                next = next => next,
                () = &mut stop => break,
            };
            let socket = Socket::new(stream);
            let io = TokioIo::new(SocketIo::new(socket.clone(), self.pace, self.head_timeout));
            let router = router.clone();
            let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                let (router, socket) = (router.clone(), socket.clone());
                socket.note_head();
                if let Some(peer) = peer {
                    request.extensions_mut().insert(Peer(peer));
                }
                async move {
                    if let Err(problem) = check_host(&request) {
                        return Ok(answer(problem_response(problem)));
                    }
                    let probes = request.version() >= hyper::Version::HTTP_11;
                    tokio::select! {
                        biased;
                        Ok(response) = router.oneshot(request) => Ok(response),
                        () = socket.gone(probes) => Err(Gone),
                    }
                }
            });
            let connection = graceful.watch(http.serve_connection(io, service));
            let counted = Counted::new(self.open.clone());
            tokio::spawn(async move {
                let _held = (slot, counted);
                if let Err(error) = connection.await {
                    tracing::debug!(%error, ?peer, "a connection failed");
                }
            });
        }
        drop(listener);
        graceful.shutdown().await;
    }
}

/// Checks the `Host` header (RFC 9112, section 3.2), which decides for caches and proxies whose request it is.
///
/// # Errors
/// [`Code::BadRequest`] if there is none in HTTP/1.1, or several, or one that is no host.
fn check_host<B>(request: &hyper::Request<B>) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let detail = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() < hyper::Version::HTTP_11 => return Ok(()),
        (None, _) => "the request has no Host header",
        (Some(_), Some(_)) => "the request has more than one Host header",
        (Some(host), None) => {
            let is_host = host.to_str().is_ok_and(|host| {
                // Empty where the target has no host either.
                host.is_empty() || host.parse::<Authority>().is_ok_and(|host| !host.as_str().contains('@'))
            });
            if is_host {
                return Ok(());
            }
            "the Host header is not a host with an optional port"
        }
    };
    Err(Problem::new(Code::BadRequest, detail))
}

/// Accepts the next connection. Errors such as a client that disconnected, or exhausted descriptors, do not stop the
/// server.
async fn accept(listener: &Listener) -> (Stream, Option<SocketAddr>) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => match error.kind() {
                ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                _ => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(BREATHER).await;
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;

    use super::*;
    use crate::config::Layer;

    async fn started(settings: Layer, router: Router) -> (SocketAddr, Connections) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::new(&settings.resolve().unwrap().connections);
        let serving = connections.clone();
        tokio::spawn(async move { serving.serve(listener.into(), router, std::future::pending()).await });
        (address, connections)
    }

    /// A router that reports when a request starts and ends, and responds when it is released.
    fn gated() -> (Router, mpsc::UnboundedReceiver<&'static str>, Arc<Semaphore>) {
        struct End(mpsc::UnboundedSender<&'static str>);
        impl Drop for End {
            fn drop(&mut self) {
                let _ = self.0.send("end");
            }
        }
        let (tell, told) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let opened = gate.clone();
        let cancellation = get(move || async move {
            tell.send("start").unwrap();
            let _end = End(tell);
            opened.acquire().await.unwrap().forget();
            "done"
        });
        (Router::new().route("/work", cancellation).fallback(|| async { "here" }), told, gate)
    }

    const WORK: &[u8] = b"GET /work HTTP/1.1\r\nhost: x\r\n\r\n";
    const NEXT: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    const LAST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

    async fn all(client: &mut TcpStream) -> String {
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_client_that_dawdles_is_let_go() {
        let begun = b"GET / HTTP/1.1\r\nhost: x\r\n".as_slice();
        let (head, idle) = (Some(0.2), Some(0.2));
        let long = Some(3600.0);
        // Each row: what the client sends before it stops, and the number of responses.
        let table = [
            ([head, long], Vec::new(), 0),
            ([head, long], begun.to_vec(), 0),
            ([head, idle], [NEXT, begun].concat(), 1),
            ([long, idle], NEXT.to_vec(), 1),
            ([long, idle], [NEXT, NEXT].concat(), 2),
        ];
        for ([head_timeout, idle_timeout], sent, answered) in table {
            let settings = Layer { head_timeout, idle_timeout, ..Layer::default() };
            let (address, _) = started(settings, Router::new().fallback(|| async { "here" })).await;
            let mut slow = TcpStream::connect(address).await.unwrap();
            slow.write_all(&sent).await.unwrap();
            // Ends when the server closes the connection.
            let answers = all(&mut slow).await;
            assert_eq!(answers.matches("here").count(), answered, "{sent:?}: {answers}");
            let mut quick = TcpStream::connect(address).await.unwrap();
            quick.write_all(LAST).await.unwrap();
            assert!(all(&mut quick).await.ends_with("here"));
        }
    }

    #[tokio::test]
    async fn a_request_has_one_host() {
        let (address, _) = started(Layer::default(), Router::new().fallback(|| async { "here" })).await;
        let table = [
            ("HTTP/1.1", "host: example.com\r\n", true),
            ("HTTP/1.1", "Host: [::1]:8080\r\n", true),
            ("HTTP/1.1", "host:\r\n", true),
            ("HTTP/1.0", "", true),
            ("HTTP/1.1", "", false),
            ("HTTP/1.1", "host: a\r\nhost: a\r\n", false),
            ("HTTP/1.0", "host: a\r\nhost: b\r\n", false),
            ("HTTP/1.1", "host: a b\r\n", false),
            ("HTTP/1.1", "host: a/b\r\n", false),
            ("HTTP/1.1", "host: user@example.com\r\n", false),
            ("HTTP/1.1", "host: \u{ff}\r\n", false),
        ];
        for (version, hosts, is_good) in table {
            let mut client = TcpStream::connect(address).await.unwrap();
            let request = format!("GET / {version}\r\nconnection: close\r\n{hosts}\r\n");
            client.write_all(request.as_bytes()).await.unwrap();
            let answer = all(&mut client).await;
            let status = answer.split(' ').nth(1).unwrap_or_default();
            assert_eq!(status, if is_good { "200" } else { "400" }, "{request}: {answer}");
            assert_eq!(answer.contains("\"code\":\"bad_request\""), !is_good, "{request}: {answer}");
        }
    }

    #[tokio::test]
    async fn between_requests_a_client_may_wait_longer_than_over_one() {
        let settings = Layer { head_timeout: Some(0.3), ..Layer::default() };
        let (address, _) = started(settings, Router::new().fallback(|| async { "here" })).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        for _ in 0..2 {
            client.write_all(NEXT).await.unwrap();
            let mut answer = [0; 512];
            let length = client.read(&mut answer).await.unwrap();
            assert!(answer[..length].ends_with(b"here"));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert_eq!(all(&mut client).await, "", "a head that has begun must come to its end");
    }

    #[tokio::test]
    async fn work_ends_when_the_client_has_gone_whatever_it_sent_before() {
        let (router, mut told, _gate) = gated();
        let (address, _) = started(Layer::default(), router).await;
        let flood = vec![b'a'; 300_000];
        for more in [b"".as_slice(), NEXT, b"half a request", &flood] {
            for reset in [false, true] {
                let client = TcpStream::connect(address).await.unwrap();
                let mut client = client;
                client.write_all(WORK).await.unwrap();
                let _ = client.write_all(more).await;
                assert_eq!(told.recv().await, Some("start"));
                if reset {
                    client.set_zero_linger().unwrap();
                }
                drop(client);
                assert_eq!(told.recv().await, Some("end"), "{} bytes more, reset: {reset}", more.len());
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_has_ended_its_side_gets_its_answers() {
        let (router, mut told, gate) = gated();
        let (address, _) = started(Layer::default(), router).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(&[WORK, NEXT].concat()).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(told.recv().await, Some("start"));
        // The client is probed.
        let mut probe = [0; 25];
        client.read_exact(&mut probe).await.unwrap();
        assert_eq!(&probe, b"HTTP/1.1 100 Continue\r\n\r\n");
        gate.add_permits(1);
        let answers = all(&mut client).await;
        let bodies: Vec<_> =
            answers.split("HTTP/1.1 200 OK\r\n").skip(1).map(|answer| &answer[answer.len() - 4..]).collect();
        assert_eq!(bodies, ["done", "here"], "{answers}");
    }

    #[tokio::test]
    async fn work_ends_when_a_client_leaves_that_had_ended_its_side_before() {
        let (router, mut told, _gate) = gated();
        let (address, _) = started(Layer::default(), router).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(WORK).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(told.recv().await, Some("start"));
        // Data that is sent from here on is not answered by a reset yet.
        client.read_exact(&mut [0; 25]).await.unwrap();
        drop(client);
        assert_eq!(told.recv().await, Some("end"));
    }

    #[tokio::test]
    async fn requests_that_come_while_another_is_worked_on_are_answered_in_order() {
        let (router, mut told, gate) = gated();
        let (address, _) = started(Layer::default(), router).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(WORK).await.unwrap();
        assert_eq!(told.recv().await, Some("start"));
        client.write_all(NEXT).await.unwrap();
        client.write_all(LAST).await.unwrap();
        gate.add_permits(1);
        let answers = all(&mut client).await;
        assert_eq!(answers.matches("here").count(), 2, "{answers}");
        assert!(answers.find("done") < answers.find("here"), "{answers}");
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_loses_its_connection_and_what_it_holds() {
        let body = bytes::Bytes::from(vec![0; 64 << 20]);
        let sent = body.clone();
        let router = Router::new().fallback(move || std::future::ready(sent.clone()));
        let settings = Layer { write_timeout: Some(0.3), ..Layer::default() };
        let (address, connections) = started(settings, router).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(NEXT).await.unwrap();
        client.readable().await.unwrap();
        assert_eq!(connections.open(), 1);
        while connections.open() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut received = Vec::new();
        let _ = client.read_to_end(&mut received).await;
        assert!(received.len() < body.len(), "{} bytes", received.len());
    }

    #[tokio::test]
    async fn no_more_connections_are_accepted_than_there_may_be() {
        let settings = Layer { max_connections: Some(2), ..Layer::default() };
        let (address, connections) = started(settings, Router::new().fallback(|| async { "here" })).await;
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        while connections.open() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!((connections.open(), connections.capacity()), (2, 2));
        // Later connections are served when the first ones have ended.
        let mut last = clients.pop().unwrap();
        last.write_all(LAST).await.unwrap();
        drop(clients);
        assert!(all(&mut last).await.ends_with("here"));
    }
}
