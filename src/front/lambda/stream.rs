//! Streamed answers on their way to the runtime API: what `lambda_runtime` would do, with two differences. Small packets
//! are sent at once, where its client waits for the acknowledgement of the one before, up to 40 ms an answer; and a
//! stream that breaks off ends in the trailers that Lambda documents, where the runtime writes them into the body.
//!
//! It is a layer around the runtime's own service, which keeps polling and all answers that are no streams.

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
use super::http::Door;
use crate::origin::Origin;

type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, std::convert::Infallible>> + Send>>;

/// Answers as streams what comes through a function URL.
#[derive(Clone)]
pub(super) struct Streaming(Arc<Sender>);

struct Sender {
    door: Arc<Door>,
    /// For events that the inner service answers.
    pending: Arc<Pending>,
    origin: Arc<Origin>,
    /// Where the runtime API is: `host:port`, and a path with some emulators.
    api: String,
    client: Client<HttpConnector, StreamBody<Frames>>,
}

impl Streaming {
    pub(super) fn new(door: Arc<Door>, pending: Arc<Pending>, origin: Arc<Origin>, api: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self(Arc::new(Sender { door, pending, origin, api, client }))
    }
}

impl<S> Layer<S> for Streaming {
    type Service = Streamed<S>;

    fn layer(&self, inner: S) -> Streamed<S> {
        Streamed { inner, sender: self.0.clone() }
    }
}

/// The service that [`Streaming`] makes of another.
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
            Ok(Event::Http(event)) if sender.door.streams(&event) => Either::Right((event, invocation)),
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
            // The viewer has the answer, and this process stands still until the next event.
            let _ = tokio::time::timeout_at(deadlines.work, sender.origin.settle()).await;
            answered
        })
    }
}

impl Sender {
    async fn answer(&self, event: LambdaRequest, invocation: LambdaInvocation) -> Result<(), Error> {
        let deadlines = Deadlines::of(&invocation.context);
        let answer = self.door.stream(event, invocation.context.clone(), deadlines).await;
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
            tracing::error!(status = taken.status().as_u16(), request_id = id, "Lambda did not take the answer");
        }
        Ok(())
    }
}

/// Tells answers of this invocation from those of one that has timed out; only to be sent back.
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";

const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// The metadata of an answer, eight zeros, its body; and trailers if that breaks off.
fn frames<S>(mut answer: StreamResponse<S>) -> Result<Frames, serde_json::Error>
where
    S: Stream<Item = Result<Bytes, axum::Error>> + Send + 'static,
{
    let headers = &mut answer.metadata_prelude.headers;
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    let prelude = serde_json::to_vec(&answer.metadata_prelude)?;
    // cargo-lambda's emulator knows these only by their frames.
    let head = [Frame::data(prelude.into()), Frame::data(Bytes::from_static(&[0; 8]))].map(Ok);
    let pieces = answer.stream.map(|piece| match piece {
        Ok(bytes) => Ok(Frame::data(bytes)),
        Err(error) => {
            tracing::error!(%error, "an answer broke off");
            Ok(Frame::trailers(broken_off()))
        }
    });
    Ok(Box::pin(stream::iter(head).chain(pieces)))
}

fn broken_off() -> HeaderMap {
    let what =
        serde_json::json!({ "errorType": "BrokenOff", "errorMessage": "the original could not be read further" });
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
