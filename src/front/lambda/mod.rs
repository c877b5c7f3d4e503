//! The handlers for AWS Lambda: function URLs with response streaming, API Gateway and load balancers with buffered
//! responses, S3 Object Lambda, and messages about changed originals.
//!
//! Events are received from the runtime API and distinguished by their shape. Every event is answered before the
//! function's time runs out; errors are responses, too.

mod body;
mod changes;
mod event;
mod http;
mod init;
mod object_lambda;
mod part;
mod route;
mod stream;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lambda_http::lambda_runtime::{Diagnostic, Runtime};
use lambda_http::{Context, Error, LambdaEvent, service_fn};
use serde::de::IgnoredAny;
use tokio::time::Instant;

use crate::front::{Delivery, InvalidationSettings, Policy, serve};
use crate::origin::Origin;
use crate::source::s3::Place;
use crate::source::{OpenError, SourceSettings};
use event::{Event, Pending};
pub use init::report_init_error;

/// The settings of a function, besides those of its origin.
#[derive(Debug, Clone)]
pub struct LambdaSettings {
    /// The settings for clients and the access log.
    pub viewers: serve::ViewerSettings,
    /// The path prefix of all pictures; may be empty.
    pub base_path: String,
    /// How responses are delivered.
    pub delivery: Delivery,
    /// Access rules and limits for requests over HTTP; everything is public without them.
    pub policy: Option<Arc<Policy>>,
    /// The settings of S3 for the responses of S3 Object Lambda.
    pub source: SourceSettings,
    /// Whom to tell of changed originals.
    pub invalidation: Option<InvalidationSettings>,
    /// CloudFront's API, where it is not that of AWS.
    pub cloudfront_endpoint: Option<String>,
    /// Where the originals are.
    pub originals: Option<Originals>,
}

/// A bucket, or the part of it below a prefix, whose objects are originals.
#[derive(Clone)]
pub struct Originals(Place);

impl Originals {
    /// Takes the name of a source such as `s3://bucket/prefix`; `None` for any other kind.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the name.
    pub fn of(source: &str) -> Result<Option<Self>, OpenError> {
        source.strip_prefix("s3://").map(|place| Place::new(place).map(Self)).transpose()
    }
}

impl std::fmt::Debug for Originals {
    /// No log names the bucket.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Originals").finish_non_exhaustive()
    }
}

/// Handles events from the runtime API at `host:port` until the execution environment is shut down.
///
/// # Errors
/// Any error of the runtime API.
pub async fn run(api: &str, origin: Arc<Origin>, settings: LambdaSettings) -> Result<(), Error> {
    if let Some(policy) = &settings.policy {
        tokio::spawn(policy.clone().watch());
        tokio::spawn(policy.clone().refresh_key_sets());
    }
    let router = serve::policed(origin.clone(), &settings.viewers, settings.policy);
    let router = serve::below(&settings.base_path, router);
    let handler = Arc::new(http::HttpHandler::new(router, settings.delivery));
    let pending = Arc::<Pending>::default();
    let streaming = stream::Streaming::new(handler.clone(), pending.clone(), origin.clone(), api.to_owned());
    let originals = settings.originals.map(|Originals(place)| changes::Bucket::new(place, settings.source.clone()));
    let objects = Arc::new(object_lambda::ObjectLambdaHandler::new(origin, settings.source));
    let invalidator =
        Arc::new(changes::Invalidator::new(settings.invalidation, settings.cloudfront_endpoint, originals));
    // The event has been parsed by the layer around this handler.
    let handler = service_fn(move |event: LambdaEvent<IgnoredAny>| {
        let (handler, objects, pending) = (handler.clone(), objects.clone(), pending.clone());
        let invalidator = invalidator.clone();
        async move {
            let (_, context) = event.into_parts();
            let deadlines = Deadlines::of(&context);
            let failed = |kind: &str, reason: String| Diagnostic { error_type: kind.to_owned(), error_message: reason };
            match pending.take(&context.request_id) {
                Ok(Event::Http(event)) => {
                    let document = handler.document(*event, context, deadlines).await;
                    document.map_err(|error| failed("Document", error.to_string()))
                }
                Ok(Event::ObjectLambda(event)) => objects.answer(event, &context, deadlines).await,
                Ok(Event::Changes(changes)) => invalidator.answer(changes, &context, deadlines).await,
                Err(reason) => Err(failed("UnknownEvent", reason.to_owned())),
            }
        }
    });
    // As many events at a time as Lambda Managed Instances say in AWS_LAMBDA_MAX_CONCURRENCY; one where they are not.
    Runtime::new(handler).layer(streaming).run_concurrent().await
}

/// The deadlines of an invocation.
#[derive(Debug, Clone, Copy)]
struct Deadlines {
    /// When processing must end, so that there is time to report it.
    cancellation: Instant,
    /// When the response must have been sent.
    end: Instant,
}

/// The time reserved for noticing that the deadline has passed and responding.
const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

/// The maximum duration of a Lambda function.
const LONGEST: Duration = Duration::from_secs(15 * 60);

impl Deadlines {
    fn of(context: &Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now());
        // Emulators send arbitrary times. Lambda does not send events whose deadline has passed.
        let (now, left) = (Instant::now(), left.unwrap_or(LONGEST));
        Self { cancellation: now + left.saturating_sub(TIME_TO_ANSWER.min(left / 3)), end: now + left }
    }
}
