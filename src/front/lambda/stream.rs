//! Streams responses to the runtime API, like `lambda_runtime` with two differences. `TCP_NODELAY` is set, whereas the
//! client of the runtime waits for acknowledgements, up to 40 ms per response. And a stream that fails ends with the
//! trailers that Lambda documents, whereas the runtime writes them into the body.
//!
//! This is a layer around the runtime's own service, which keeps polling and handles all responses that are not
//! streamed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use bytes::Bytes;
use futures_util::future::Either;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Request, header};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda_http::lambda_runtime::{LambdaInvocation, StreamResponse};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::Layer;
use lambda_http::{Error, Service};

use super::Deadlines;
use super::event::{Event, Pending};
use super::http::HttpHandler;
use crate::origin::Origin;

type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, std::convert::Infallible>> + Send>>;

/// A layer that streams the responses to requests from function URLs.
#[derive(Clone)]
pub(super) struct Streaming(Arc<Sender>);

struct Sender {
    handler: Arc<HttpHandler>,
    /// The events that the inner service handles.
    pending: Arc<Pending>,
    origin: Arc<Origin>,
    /// The address of the runtime API: `host:port`, with a path in some emulators.
    api: String,
    client: Client<HttpConnector, StreamBody<Frames>>,
}

impl Streaming {
    pub(super) fn new(handler: Arc<HttpHandler>, pending: Arc<Pending>, origin: Arc<Origin>, api: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self(Arc::new(Sender { handler, pending, origin, api, client }))
    }
}

impl<S> Layer<S> for Streaming {
    type Service = Streamed<S>;

    fn layer(&self, inner: S) -> Streamed<S> {
        Streamed { inner, sender: self.0.clone() }
    }
}

/// The service that [`Streaming`] creates.
#[derive(Clone)]
pub(super) struct Streamed<S> {
    inner: S,
    sender: Arc<Sender>,
}

impl<S> Service<LambdaInvocation> for Streamed<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let (sender, deadlines) = (self.sender.clone(), Deadlines::of(&invocation.context));
        let answer = match Event::read(&invocation.body) {
            Ok(Event::Http(event)) if sender.handler.streams(&event) => Either::Right((event, invocation)),
            event => {
                sender.pending.put(&invocation.context.request_id, event);
                Either::Left(self.inner.call(invocation))
            }
        };
        Box::pin(async move {
            let answered = match answer {
                Either::Right((event, invocation)) => sender.answer(*event, invocation).await,
                Either::Left(answer) => answer.await,
            };
            // The client has its response, and the process is frozen until the next event.
            let _ = tokio::time::timeout_at(deadlines.cancellation, sender.origin.settle()).await;
            answered
        })
    }
}

impl Sender {
    async fn answer(&self, event: LambdaRequest, invocation: LambdaInvocation) -> Result<(), Error> {
        let deadlines = Deadlines::of(&invocation.context);
        let answer = self.handler.stream(event, invocation.context.clone(), deadlines).await;
        let id = &invocation.context.request_id;
        let mut request = Request::post(format!("http://{}/2018-06-01/runtime/invocation/{id}/response", self.api))
            .header(header::CONTENT_TYPE, "application/vnd.awslambda.http-integration-response")
            .header("lambda-runtime-function-response-mode", "streaming")
            .header(header::TRAILER, format!("{ERROR_TYPE}, {ERROR_BODY}"));
        if let Some(wire) = invocation.parts.headers.get(INVOCATION_ID) {
            request = request.header(INVOCATION_ID, wire);
        }
        let taken = self.client.request(request.body(StreamBody::new(frames(answer)?))?).await?;
        if !taken.status().is_success() {
            tracing::error!(status = taken.status().as_u16(), request_id = id, "Lambda rejected the response");
        }
        Ok(())
    }
}

/// Distinguishes responses to this invocation from those to one that has timed out. The value is echoed.
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";

const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// The frames of a response: its metadata, eight zero bytes and its body, followed by trailers if the body fails.
fn frames<S>(mut answer: StreamResponse<S>) -> Result<Frames, serde_json::Error>
where
    S: Stream<Item = Result<Bytes, axum::Error>> + Send + 'static,
{
    let headers = &mut answer.metadata_prelude.headers;
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    let prelude = serde_json::to_vec(&answer.metadata_prelude)?;
    // cargo-lambda's emulator requires these as separate frames.
    let head = [Frame::data(prelude.into()), Frame::data(Bytes::from_static(&[0; 8]))].map(Ok);
    let pieces = answer.stream.map(|piece| match piece {
        Ok(bytes) => Ok(Frame::data(bytes)),
        Err(error) => {
            tracing::error!(%error, "sending a response failed");
            Ok(Frame::trailers(broken_off()))
        }
    });
    Ok(Box::pin(stream::iter(head).chain(pieces)))
}

fn broken_off() -> HeaderMap {
    let what = serde_json::json!({ "errorType": "BrokenOff", "errorMessage": "reading the original failed" });
    let body = base64::engine::general_purpose::STANDARD.encode(what.to_string());
    let mut trailers = HeaderMap::new();
    trailers.insert(ERROR_TYPE, HeaderValue::from_static("BrokenOff"));
    if let Ok(body) = HeaderValue::try_from(body) {
        trailers.insert(ERROR_BODY, body);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use lambda_http::lambda_runtime::MetadataPrelude;

    use super::*;

    #[tokio::test]
    async fn a_stream_that_breaks_off_says_so_in_trailers() {
        let pieces = [Ok(Bytes::from_static(b"half")), Err(axum::Error::new("/secret/path has ended"))];
        let metadata_prelude = MetadataPrelude { cookies: vec!["a=b".to_owned()], ..MetadataPrelude::default() };
        let answer = StreamResponse { metadata_prelude, stream: stream::iter(pieces) };
        let frames: Vec<_> = frames(answer).unwrap().map(|frame| frame.unwrap()).collect().await;
        let [prelude, zeros, half, trailers] = &frames[..] else { panic!("{frames:?}") };
        let metadata: serde_json::Value = serde_json::from_slice(prelude.data_ref().unwrap()).unwrap();
        let expected = serde_json::json!({
            "statusCode": 200, "headers": { "content-type": "application/octet-stream" }, "cookies": ["a=b"],
        });
        assert_eq!((&metadata, &zeros.data_ref().unwrap()[..]), (&expected, &[0; 8][..]));
        assert_eq!(half.data_ref().unwrap(), "half");
        let trailers = trailers.trailers_ref().unwrap();
        assert_eq!(trailers[ERROR_TYPE], "BrokenOff");
        let body = base64::engine::general_purpose::STANDARD.decode(&trailers[ERROR_BODY]).unwrap();
        assert!(!String::from_utf8(body).unwrap().contains("secret"));
    }
}
