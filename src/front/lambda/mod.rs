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
use crate::source::{OpenError, PlaceSettings, RouteSettings, SourceSettings};
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
    /// The buckets whose changes the function is told of.
    pub buckets: Buckets,
}

/// The buckets with originals, and what URLs call the originals in them.
#[derive(Clone, Default)]
pub struct Buckets(Vec<changes::Bucket>);

impl Buckets {
    /// The bucket of a source such as `s3://bucket/prefix`; none for any other kind.
    ///
    /// # Errors
    /// [`OpenError`] if the bucket or the prefix is invalid.
    pub fn of(place: &str, store: &SourceSettings) -> Result<Self, OpenError> {
        let place = PlaceSettings { from: place.to_owned(), max_bytes: None, store: store.clone() };
        Self::of_all(&[RouteSettings::everything(place)])
    }

    /// The buckets among several sources and their fallbacks.
    ///
    /// # Errors
    /// [`OpenError`] if a bucket or a prefix is invalid.
    pub fn of_all(sources: &[RouteSettings]) -> Result<Self, OpenError> {
        let places = sources.iter().flat_map(|source| source.places.iter().map(move |place| (source, place)));
        let buckets = places.filter_map(|(source, place)| {
            let bucket = Place::new(place.from.strip_prefix("s3://")?);
            Some(bucket.map(|bucket| changes::Bucket::new(bucket, place.store.clone(), source)))
        });
        Ok(Self(buckets.collect::<Result<_, _>>()?))
    }
}

impl std::fmt::Debug for Buckets {
    /// No log names a bucket.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buckets").finish_non_exhaustive()
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
    let objects = Arc::new(object_lambda::ObjectLambdaHandler::new(origin, settings.source));
    let invalidator =
        Arc::new(changes::Invalidator::new(settings.invalidation, settings.cloudfront_endpoint, settings.buckets.0));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_time_to_answer_before_the_functions_end() {
        for (time, least) in [(1, 300), (3, 900), (10, 1000), (600, 1000)] {
            let time = Duration::from_secs(time);
            let mut context = Context::default();
            let end = SystemTime::now() + time;
            context.deadline = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
            let deadlines = Deadlines::of(&context);
            assert!(deadlines.end <= Instant::now() + time, "{time:?}");
            // As much of it as was left when it was looked at.
            let left = end.duration_since(SystemTime::now()).unwrap_or_default();
            let reserved = deadlines.end - deadlines.cancellation;
            assert!(
                reserved >= Duration::from_millis(least).min(left / 3) && reserved <= TIME_TO_ANSWER,
                "{reserved:?}"
            );
        }
        // An emulator's time, which has passed.
        let deadlines = Deadlines::of(&Context::default());
        assert!(deadlines.cancellation > Instant::now() + LONGEST / 2);
    }
}
