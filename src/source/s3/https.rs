//! The adapter that lets the AWS SDK use this program's HTTP client.
//!
//! The default client of the SDK is built around HTTP/2, which S3 does not support, and would add a megabyte to the
//! binary.

use std::error::Error as _;
use std::io::{self, ErrorKind::TimedOut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_sdk_s3::config::RuntimeComponents;
use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client};
use tokio::time::timeout;

use super::{ANSWER_TIMEOUT, CONNECT_TIMEOUT};
use crate::http_client::{self, Connect};

/// What is read of the body of a response that is no success, in bytes: the SDK collects it for the error's code, which is among
/// the first of some hundreds.
const ERROR_BODY: usize = 32 << 10;

/// An HTTP client. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Https {
    /// If TLS is not available, every request fails with this error.
    client: Result<Client<Connect, SdkBody>, rustls::Error>,
    /// The read timeout until a response begins.
    silence: Duration,
}

impl Https {
    pub(crate) fn new() -> Self {
        Self { client: http_client::pool(CONNECT_TIMEOUT), silence: ANSWER_TIMEOUT }
    }
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
            let mut request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            // Which signatures do not cover.
            http_client::trace(request.headers_mut());
            let mut response = match timeout(silence, client.request(request)).await {
                Ok(answered) => answered.map_err(meaning)?,
                Err(elapsed) => return Err(ConnectorError::timeout(elapsed.into())),
            };
            let left = if response.status().is_success() { usize::MAX } else { ERROR_BODY };
            if left < usize::MAX {
                // The SDK tries again if a body is shorter than this says.
                response.headers_mut().remove(http::header::CONTENT_LENGTH);
            }
            let response = response.map(|body| SdkBody::from_body_1_x(Beginning { body, left }));
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// A body that ends after so many bytes, whatever the store sends.
struct Beginning {
    body: Incoming,
    left: usize,
}

impl Body for Beginning {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
        Poll::Ready(Some(Ok(frame.map_data(|mut bytes| {
            if self.left < usize::MAX {
                bytes.truncate(self.left);
                self.left -= bytes.len();
            }
            bytes
        }))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 || self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        if self.left == usize::MAX { self.body.size_hint() } else { http_body::SizeHint::new() }
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
