//! The HTTPS client for S3: HTTP/1.1 by `hyper`, and TLS by `rustls` with `ring`.
//!
//! The default client of the SDK is built around HTTP/2, which S3 does not support, and would add a megabyte to the
//! binary.

use std::error::Error as _;
use std::io::{self, ErrorKind::TimedOut};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_sdk_s3::config::RuntimeComponents;
use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use http::Uri;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::{ANSWER_TIMEOUT, CONNECT_TIMEOUT};

/// The connector service.
type Connect = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;

/// An HTTP client. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Https {
    /// If TLS is not available, every request fails with this error.
    client: Result<Client<Connect, SdkBody>, rustls::Error>,
    /// The read timeout until a response begins.
    silence: Duration,
}

/// The response of a service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Read where key-value stores are written, which is the feature `cdn`.
    #[cfg_attr(not(feature = "cdn"), allow(dead_code, reason = "no other answer's headers are of interest"))]
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

/// The TLS configuration, with the system's root certificates, which are loaded once.
static TLS: LazyLock<Result<ClientConfig, rustls::Error>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if known == 0 {
        // A store over plain HTTP remains usable.
        tracing::warn!("no root certificates are installed, so HTTPS requests will fail");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
});

impl Https {
    pub(crate) fn new() -> Self {
        Self { client: TLS.clone().map(client), silence: ANSWER_TIMEOUT }
    }

    /// Sends a request to a service that the SDK is not for, and reads an answer of at most `max_bytes`, all within `limit`.
    ///
    /// # Errors
    /// A [`ConnectorError`] if there is no answer, or a longer one.
    pub(crate) async fn send(
        &self,
        request: http::Request<SdkBody>,
        limit: Duration,
        max_bytes: usize,
    ) -> Result<Answer, ConnectorError> {
        let client = self.client.clone().map_err(|error| ConnectorError::user(error.into()))?;
        let answering = async {
            let (parts, body) = client.request(request).await.map_err(meaning)?.into_parts();
            let body = axum::body::to_bytes(axum::body::Body::new(body), max_bytes).await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?;
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        timeout(limit, answering).await.unwrap_or_else(|elapsed| Err(ConnectorError::timeout(elapsed.into())))
    }
}

fn client(tls: ClientConfig) -> Client<Connect, SdkBody> {
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
    let connector = connector.map_future(|connecting| async {
        timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(io::Error::from(TimedOut).into()))
    });
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(Connect::new(connector))
}

impl HttpClient for Https {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let silence = settings.read_timeout().unwrap_or(self.silence);
        SharedHttpConnector::new(Self { silence, ..self.clone() })
    }
}

impl HttpConnector for Https {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { client, silence } = self.clone();
        HttpConnectorFuture::new(async move {
            let client = client.map_err(|error| ConnectorError::user(error.into()))?;
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let response = match timeout(silence, client.request(request)).await {
                Ok(answered) => answered.map_err(meaning)?,
                Err(elapsed) => return Err(ConnectorError::timeout(elapsed.into())),
            };
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Classifies an error for the SDK's retry policy: network errors are retryable.
fn meaning(error: legacy::Error) -> ConnectorError {
    let causes = || std::iter::successors(error.source(), |&cause| cause.source());
    let io = causes().find_map(|cause| cause.downcast_ref::<io::Error>());
    let http = causes().find_map(|cause| cause.downcast_ref::<hyper::Error>());
    if io.is_some_and(|error| error.kind() == TimedOut) {
        ConnectorError::timeout(error.into())
    } else if http.is_some_and(hyper::Error::is_user) {
        ConnectorError::user(error.into())
    } else if http.is_some_and(hyper::Error::is_parse) {
        ConnectorError::other(error.into(), None)
    } else {
        ConnectorError::io(error.into())
    }
}
