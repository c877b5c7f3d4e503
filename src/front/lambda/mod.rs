//! The door of AWS Lambda: a function URL with response streaming, API Gateway and load balancers with whole answers, S3
//! Object Lambda, and messages of changed originals.
//!
//! Events come in by the runtime API; what kind each is, its shape tells. Every event is answered before the function's
//! time is over: what goes wrong is an answer, too.

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

use crate::front::{Delivery, InvalidationSettings, serve};
use crate::origin::Origin;
use crate::source::s3::Place;
use crate::source::{OpenError, SourceSettings};
use event::{Event, Pending};
pub use init::report_init_error;

/// What a function goes by, beside what its origin does.
#[derive(Debug, Clone)]
pub struct LambdaSettings {
    /// What viewers get beside answers.
    pub viewers: serve::ViewerSettings,
    /// Path below which pictures are; may be empty.
    pub base_path: String,
    /// How answers leave.
    pub delivery: Delivery,
    /// How S3 is reached to which S3 Object Lambda's answers go.
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

/// Answers the events of the runtime API at `host:port` for as long as the environment lives.
///
/// # Errors
/// What the runtime API fails with.
pub async fn run(api: &str, origin: Arc<Origin>, settings: LambdaSettings) -> Result<(), Error> {
    let router = serve::below(&settings.base_path, serve::router(origin.clone(), &settings.viewers));
    let door = Arc::new(http::Door::new(router, settings.delivery));
    let pending = Arc::<Pending>::default();
    let streaming = stream::Streaming::new(door.clone(), pending.clone(), origin.clone(), api.to_owned());
    let originals = settings.originals.map(|Originals(place)| changes::Bucket::new(place, settings.source.clone()));
    let objects = Arc::new(object_lambda::Door::new(origin, settings.source));
    let invalidator =
        Arc::new(changes::Invalidator::new(settings.invalidation, settings.cloudfront_endpoint, originals));
    // What the event says, the layer before has read.
    let handler = service_fn(move |event: LambdaEvent<IgnoredAny>| {
        let (door, objects, pending) = (door.clone(), objects.clone(), pending.clone());
        let invalidator = invalidator.clone();
        async move {
            let (_, context) = event.into_parts();
            let deadlines = Deadlines::of(&context);
            let failed = |kind: &str, reason: String| Diagnostic { error_type: kind.to_owned(), error_message: reason };
            match pending.take(&context.request_id) {
                Ok(Event::Http(event)) => {
                    let document = door.document(*event, context, deadlines).await;
                    document.map_err(|error| failed("Document", error.to_string()))
                }
                Ok(Event::ObjectLambda(event)) => objects.answer(event, &context, deadlines).await,
                Ok(Event::Changes(changes)) => invalidator.answer(changes, &context, deadlines).await,
                Err(reason) => Err(failed("UnknownEvent", reason.to_owned())),
            }
        }
    });
    Runtime::new(handler).layer(streaming).run().await
}

/// Until when what must have happened.
#[derive(Debug, Clone, Copy)]
struct Deadlines {
    /// Work must have ended, so that there is time left to say so.
    work: Instant,
    /// The answer must have been sent.
    end: Instant,
}

/// What is kept of the function's time for work to notice that it is late, and to say so.
const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

/// The longest that Lambda lets a function run.
const LONGEST: Duration = Duration::from_secs(15 * 60);

impl Deadlines {
    fn of(context: &Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now());
        // Emulators give moments of their own invention. What is over already, Lambda does not send.
        let (now, left) = (Instant::now(), left.unwrap_or(LONGEST));
        Self { work: now + left.saturating_sub(TIME_TO_ANSWER.min(left / 3)), end: now + left }
    }
}
