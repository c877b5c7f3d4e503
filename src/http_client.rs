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

/// An error of any layer of a connection.
pub(crate) type ConnectError = Box<dyn Error + Send + Sync>;

/// Connects to the host of a URL.
pub(crate) type Connect = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, ConnectError>;

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
        timeout(connect_timeout, connecting).await.unwrap_or_else(|_| Err(io::Error::from(TimedOut).into()))
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
            let response = pool.request(request).await.map_err(|error| HttpError::Failed(with_causes(&error)))?;
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(Body::new(body), max_bytes).await;
            let body = body.map_err(|error| HttpError::Failed(with_causes(&error)))?;
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
