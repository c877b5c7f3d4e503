//! A client for CloudFront's `CreateInvalidation`, signed with Signature Version 4.
//!
//! A call is retried until a deadline while CloudFront throttles it, and a few times while it is unreachable. All
//! attempts have the same caller reference, so that they create one invalidation.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use http::Method;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Batch;
use super::batch::texts;
use crate::aws_api::{Api, ApiError, Scope, excerpt};
use crate::http_client::HttpClient;
use crate::source::s3::Https;

/// The endpoint of CloudFront's API, which is global.
const ENDPOINT: &str = "https://cloudfront.amazonaws.com";

/// The signing region of requests to CloudFront.
const REGION: &str = "us-east-1";

/// The timeout of one request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The maximum size of a response in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The delay before the first retry; each further delay is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// The maximum number of consecutive attempts without a response.
const UNANSWERED: u32 = 5;

/// The error codes that can be retried.
const LATER: [&str; 4] =
    ["TooManyInvalidationsInProgress", "Throttling", "ThrottlingException", "RequestLimitExceeded"];

/// The error of an invalidation.
#[derive(Debug, thiserror::Error)]
pub enum InvalidationError {
    /// There is no response.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// CloudFront responded with an error.
    #[error("CloudFront responded with {status}{}{code}: {message}", if code.is_empty() { "" } else { " " })]
    Refused {
        /// The status of the response.
        status: u16,
        /// The error code, such as `NoSuchDistribution`.
        code: String,
        /// The error message.
        message: String,
    },
}

impl InvalidationError {
    /// Whether the call can be retried.
    fn may_pass(&self) -> bool {
        match self {
            Self::Api(error) => matches!(error, ApiError::Unreachable { .. }),
            Self::Refused { status, code, .. } => *status >= 500 || *status == 429 || LATER.contains(&code.as_str()),
        }
    }
}

/// A client for CloudFront's API.
#[derive(Debug)]
pub struct CloudFront {
    api: Api,
    endpoint: String,
}

impl CloudFront {
    /// Loads credentials from the default chain of the AWS SDKs. Requests to a custom endpoint, such as that of `serve
    /// --cdn`, are unsigned if there are none.
    pub async fn start(endpoint: Option<&str>) -> Self {
        let loader =
            aws_config::defaults(BehaviorVersion::latest()).http_client(Https::new()).region(Region::new(REGION));
        let credentials = loader.load().await.credentials_provider();
        let may_be_unsigned = endpoint.is_some();
        let endpoint = endpoint.unwrap_or(ENDPOINT).trim_end_matches('/').to_owned();
        let api = Api {
            client: HttpClient::new(),
            credentials,
            service: "CloudFront",
            signing_name: "cloudfront",
            scope: Scope::Region(REGION.to_owned()),
            may_be_unsigned,
            timeout: ANSWER_TIMEOUT,
            max_answer: MAX_ANSWER,
        };
        Self { api, endpoint }
    }

    /// Creates an invalidation, and returns its id. Transient errors are retried until the deadline; `waiting` is
    /// called with the error and the delay before each retry.
    ///
    /// # Errors
    /// The last [`InvalidationError`].
    pub async fn invalidate(
        &self,
        distribution: &str,
        batch: &Batch,
        deadline: Instant,
        waiting: impl Fn(&InvalidationError, Duration),
    ) -> Result<String, InvalidationError> {
        let body = batch.to_xml();
        let mut pause = FIRST_PAUSE;
        let mut unanswered = 0;
        for attempt in 0_u32.. {
            let error = match self.create(distribution, &body).await {
                Ok(id) => return Ok(id),
                Err(error) => error,
            };
            unanswered =
                if matches!(error, InvalidationError::Api(ApiError::Unreachable { .. })) { unanswered + 1 } else { 0 };
            let wait = jittered(pause, &batch.reference, attempt);
            if !error.may_pass() || unanswered == UNANSWERED || Instant::now() + wait >= deadline {
                return Err(error);
            }
            waiting(&error, wait);
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(self.api.unreachable("too many attempts".to_owned()).into())
    }

    async fn create(&self, distribution: &str, body: &str) -> Result<String, InvalidationError> {
        if !is_id(distribution) {
            return Err(self.api.invalid(format!("{distribution} is not the id of a distribution")).into());
        }
        let uri = format!("{}/2020-05-31/distribution/{distribution}/invalidation", self.endpoint);
        let answered = self.api.call(&Method::POST, &uri, &[("content-type", "application/xml")], body).await?;
        let (status, answer) = (answered.status().as_u16(), String::from_utf8_lossy(answered.body()));
        let texts = texts(&answer).unwrap_or_default();
        let text = |name: &str| texts.iter().find(|(element, _)| element == name).map(|(_, text)| text.clone());
        match (status, text("Id").filter(|id| is_id(id))) {
            (200..300, Some(id)) => Ok(id),
            _ => Err(InvalidationError::Refused {
                status,
                code: excerpt(&text("Code").unwrap_or_default()),
                message: text("Message").map_or_else(|| without_message(status), |message| excerpt(&message)),
            }),
        }
    }
}

/// Whether this is the id of a distribution or an invalidation.
fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn without_message(status: u16) -> String {
    let reason = if status < 300 { "the response names no invalidation" } else { "the response has no error message" };
    reason.to_owned()
}

/// A delay with jitter, from half of `pause` to all of it, so that callers that were throttled together do not retry
/// together.
fn jittered(pause: Duration, reference: &str, attempt: u32) -> Duration {
    let digest = Sha256::digest(format!("{reference} {attempt}"));
    pause.mul_f64(0.5 + f64::from(digest[0]) / 510.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        let refused =
            |status, code: &str| InvalidationError::Refused { status, code: code.to_owned(), message: String::new() };
        let table = [
            (refused(400, "TooManyInvalidationsInProgress"), true),
            (refused(400, "Throttling"), true),
            (refused(429, ""), true),
            (refused(503, ""), true),
            (refused(400, "InvalidArgument"), false),
            (refused(403, "AccessDenied"), false),
            (refused(404, "NoSuchDistribution"), false),
            (ApiError::Unreachable { service: "CloudFront", reason: String::new() }.into(), true),
            (ApiError::NoCredentials.into(), false),
        ];
        for (error, expected) in table {
            assert_eq!(error.may_pass(), expected, "{error}");
        }
    }

    #[tokio::test]
    async fn responses_are_taken_apart_and_quoted_without_control_characters() {
        let batch = Batch::grouped(vec!["/a".to_owned()], "reference").remove(0);
        let long = "m".repeat(10_000);
        let error = |code: &str, message: &str| {
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>")
        };
        for (status, body, expected) in [
            (201, "<Invalidation><Id>I1</Id></Invalidation>".to_owned(), "I1".to_owned()),
            (201, "<Invalidation/>".to_owned(), "201: the response names no invalidation".to_owned()),
            (
                201,
                "<Invalidation><Id>\u{1b}[31m</Id></Invalidation>".to_owned(),
                "201: the response names no".to_owned(),
            ),
            (400, "no document".to_owned(), "400: the response has no error message".to_owned()),
            (307, String::new(), "307: the response has no error message".to_owned()),
            (404, error("NoSuchDistribution", "none"), "404 NoSuchDistribution: none".to_owned()),
            (400, error("X\u{1b}", "a&#7;b"), "400 X : a b".to_owned()),
            (400, error("X", &long), format!("400 X: {}", &long[..500])),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let answer = move || async move { (axum::http::StatusCode::from_u16(status).unwrap(), body) };
            let server = tokio::spawn(async { axum::serve(listener, axum::Router::new().fallback(answer)).await });
            let cloudfront = CloudFront::start(Some(&endpoint)).await;
            let outcome = cloudfront.invalidate("E1", &batch, Instant::now(), |_, _| {}).await;
            let said = outcome.unwrap_or_else(|error| error.to_string());
            assert!(said.trim_start_matches("CloudFront responded with ").starts_with(&expected), "{said}");
            assert!(said.len() < 600, "{said}");
            server.abort();
        }
    }

    #[test]
    fn pauses_differ_between_callers_and_stay_bounded() {
        let pauses: Vec<_> = (0..100).map(|at| jittered(LONGEST_PAUSE, &at.to_string(), 3)).collect();
        assert!(pauses.iter().all(|pause| (LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(pause)));
        assert!(pauses.iter().collect::<std::collections::HashSet<_>>().len() > 50);
    }
}
