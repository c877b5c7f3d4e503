//! A small HTTP client: HTTP/1.1 by `hyper`, and TLS by `rustls` with `ring` and the system's root certificates.
//!
//! Input: a request whose body is in memory. Output: a response of bounded size, within bounded time. Redirects are not
//! followed, so a request reaches the host that it names or none.

use std::error::Error;
use std::io::{self, ErrorKind::TimedOut};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body as HttpBody;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::interim::Counted;

/// An error of any layer of a connection.
pub(crate) type ConnectError = Box<dyn Error + Send + Sync>;

/// A connection to a host.
pub(crate) type Connection = Counted<MaybeHttpsStream<TokioIo<TcpStream>>>;

/// Connects to the host of a URL.
pub(crate) type Connect = BoxCloneSyncService<Uri, Connection, ConnectError>;

/// The TLS configuration, with the system's root certificates, which are loaded once.
pub(crate) static TLS: LazyLock<Result<ClientConfig, rustls::Error>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if known == 0 {
        // Plain HTTP remains usable.
        tracing::warn!("no root certificates are installed, so HTTPS requests will fail");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
});

/// Creates a pool of connections for requests with bodies of type `B`.
///
/// # Errors
/// If TLS is not available.
pub(crate) fn pool<B>(connect_timeout: Duration) -> Result<Client<Connect, B>, rustls::Error>
where
    B: HttpBody + Send,
    B::Data: Send,
{
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let tls = TLS.clone()?;
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
    let connector = connector.map_future(move |connecting| async move {
        let connected = timeout(connect_timeout, connecting).await;
        connected.unwrap_or_else(|_| Err(io::Error::from(TimedOut).into())).map(Counted::new)
    });
    Ok(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(Connect::new(connector)))
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("TLS is not available: {0}")]
    Tls(rustls::Error),
    /// The connection failed or broke; the text has all the causes.
    #[error("{0}")]
    Failed(String),
    #[error("no response in time")]
    TimedOut,
    /// The response is longer than allowed.
    #[error("the response is longer than {0} bytes")]
    TooLong(usize),
}

/// The connection timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A client for services that answer with small documents. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient {
    /// If TLS is not available, every request fails with this error.
    pool: Result<Client<Connect, Body>, rustls::Error>,
}

impl HttpClient {
    pub(crate) fn new() -> Self {
        Self { pool: pool(CONNECT_TIMEOUT) }
    }

    /// Sends a request, and reads a response of at most `max_bytes`, all within `limit`.
    ///
    /// # Errors
    /// [`HttpError`] if there is no response, or a longer one.
    pub(crate) async fn send(
        &self,
        mut request: Request<Body>,
        limit: Duration,
        max_bytes: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let pool = self.pool.as_ref().map_err(|error| HttpError::Tls(error.clone()))?;
        trace(request.headers_mut());
        let answering = async {
            // The client's own error says no more than that there is one.
            let failed = |error: &dyn Error| HttpError::Failed(with_causes(error.source().unwrap_or(error)));
            let response = pool.request(request).await.map_err(|error| failed(&error))?;
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(Body::new(body), max_bytes).await;
            let body = body.map_err(|error| {
                let is_limit = std::iter::successors(error.source(), |&cause| cause.source())
                    .any(<dyn Error>::is::<http_body_util::LengthLimitError>);
                if is_limit { HttpError::TooLong(max_bytes) } else { failed(&error) }
            })?;
            Ok(Response::from_parts(parts, body))
        };
        timeout(limit, answering).await.unwrap_or(Err(HttpError::TimedOut))
    }
}

/// Adds the header by which a trace goes on at another server, if there is one.
#[cfg(feature = "otel")]
pub(crate) fn trace(headers: &mut http::HeaderMap) {
    crate::telemetry::otel::inject(headers);
}

/// Without the feature `otel` there are no traces.
#[cfg(not(feature = "otel"))]
pub(crate) const fn trace(_: &mut http::HeaderMap) {}

/// The messages of an error and of all its causes.
fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        // Many errors repeat their cause.
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes, `times` over, and returns what the client received and how often they were
    /// written.
    async fn answered(bytes: &'static [u8], times: usize) -> (Result<Response<Bytes>, HttpError>, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            for time in 0..times {
                if stream.write_all(bytes).await.is_err() {
                    return time;
                }
            }
            times
        });
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let outcome = HttpClient::new().send(request, Duration::from_secs(60), 1024).await;
        (outcome, server.await.unwrap())
    }

    #[tokio::test]
    async fn interim_responses_without_end_end_the_connection() {
        const ENOUGH: usize = 1 << 24;
        let (outcome, times) = answered(b"HTTP/1.1 100 Continue\r\n\r\n", ENOUGH).await;
        assert!(matches!(&outcome, Err(HttpError::Failed(reason)) if reason.contains("interim")), "{outcome:?}");
        assert!(times < ENOUGH, "the server could go on writing");
        let (outcome, _) = answered(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood",
            1,
        )
        .await;
        assert_eq!(outcome.unwrap().into_body(), "good");
    }
}
