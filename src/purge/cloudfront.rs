//! CloudFront's API as far as it is needed: `CreateInvalidation`, signed with Signature Version 4.
//!
//! A call is repeated until a deadline while CloudFront has too much to do, and a few times while it cannot be reached. It has
//! one reference throughout, so that it invalidates once however often it arrives.

use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Batch;
use super::batch::texts;
use crate::source::s3::Https;

/// Where CloudFront is asked. It has one address for all of its regions.
const ENDPOINT: &str = "https://cloudfront.amazonaws.com";

/// The region that requests to CloudFront are signed for.
const REGION: &str = "us-east-1";

/// How long CloudFront may take over one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Most bytes of an answer that are read.
const MAX_ANSWER: usize = 64 * 1024;

/// Before the first repetition; before each further one twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Calls that may go unanswered in a row.
const UNANSWERED: u32 = 5;

/// Error codes that mean that the same call may do later.
const LATER: [&str; 4] =
    ["TooManyInvalidationsInProgress", "Throttling", "ThrottlingException", "RequestLimitExceeded"];

/// Why CloudFront invalidates nothing.
#[derive(Debug, thiserror::Error)]
pub enum InvalidationError {
    /// Nothing tells who asks.
    #[error("there are no AWS credentials")]
    NoCredentials,
    /// The request cannot be made: the endpoint or the distribution's name is no part of a URL.
    #[error("the request to CloudFront cannot be made: {0}")]
    Request(String),
    /// No answer came.
    #[error("CloudFront cannot be reached: {0}")]
    Unreachable(String),
    /// It refused.
    #[error("CloudFront answers {status} {code}: {message}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The code of the error, such as `NoSuchDistribution`.
        code: String,
        /// What it says.
        message: String,
    },
}

impl InvalidationError {
    /// Whether the same call may do later.
    fn may_pass(&self) -> bool {
        match self {
            Self::NoCredentials | Self::Request(_) => false,
            Self::Unreachable(_) => true,
            Self::Refused { status, code, .. } => *status >= 500 || *status == 429 || LATER.contains(&code.as_str()),
        }
    }
}

/// CloudFront, with what it takes to ask it.
#[derive(Debug)]
pub struct CloudFront {
    https: Https,
    credentials: Option<SharedCredentialsProvider>,
    endpoint: String,
    /// Whether a request that nobody can sign is sent without a signature.
    may_be_unsigned: bool,
}

impl CloudFront {
    /// Finds credentials as every AWS program does. Another endpoint, such as that of `serve --cdn`, is asked without a
    /// signature if there are none.
    pub async fn start(endpoint: Option<&str>) -> Self {
        let https = Https::new();
        let loader =
            aws_config::defaults(BehaviorVersion::latest()).http_client(https.clone()).region(Region::new(REGION));
        let credentials = loader.load().await.credentials_provider();
        let may_be_unsigned = endpoint.is_some();
        let endpoint = endpoint.unwrap_or(ENDPOINT).trim_end_matches('/').to_owned();
        Self { https, credentials, endpoint, may_be_unsigned }
    }

    /// Invalidates, and returns the invalidation's id. What may pass is tried again until the deadline; `waiting` is told why,
    /// and for how long.
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
            unanswered = if matches!(error, InvalidationError::Unreachable(_)) { unanswered + 1 } else { 0 };
            let wait = jittered(pause, &batch.reference, attempt);
            if !error.may_pass() || unanswered == UNANSWERED || Instant::now() + wait >= deadline {
                return Err(error);
            }
            waiting(&error, wait);
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(InvalidationError::Unreachable("too many attempts".to_owned()))
    }

    async fn create(&self, distribution: &str, body: &str) -> Result<String, InvalidationError> {
        let invalid = |error: &dyn std::fmt::Display| InvalidationError::Request(error.to_string());
        if distribution.is_empty() || !distribution.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(invalid(&format!("{distribution} is no id of a distribution")));
        }
        let uri = format!("{}/2020-05-31/distribution/{distribution}/invalidation", self.endpoint);
        let mut request = http::Request::post(&uri).header("content-type", "application/xml");
        for (name, value) in self.signature(&uri, body).await? {
            request = request.header(name, value);
        }
        let request = request.body(body.to_owned().into()).map_err(|error| invalid(&error))?;
        let answered = self.https.send(request, ANSWER_TIMEOUT, MAX_ANSWER).await;
        let answered = answered.map_err(|error| InvalidationError::Unreachable(error.to_string()))?;
        let (status, answer) = (answered.status, String::from_utf8_lossy(&answered.body));
        let texts = texts(&answer).unwrap_or_default();
        let text = |name: &str| texts.iter().find(|(element, _)| element == name).map(|(_, text)| text.clone());
        match (status, text("Id")) {
            (200..300, Some(id)) => Ok(id),
            _ => Err(InvalidationError::Refused {
                status,
                code: text("Code").unwrap_or_default(),
                message: text("Message").unwrap_or_else(|| "no reason is given".to_owned()),
            }),
        }
    }

    /// The headers that sign the request.
    async fn signature(&self, uri: &str, body: &str) -> Result<Vec<(String, String)>, InvalidationError> {
        let provided = match &self.credentials {
            Some(provider) => provider.provide_credentials().await.ok(),
            None => None,
        };
        let Some(credentials) = provided else {
            return if self.may_be_unsigned { Ok(Vec::new()) } else { Err(InvalidationError::NoCredentials) };
        };
        let failed = |error: &dyn std::fmt::Display| InvalidationError::Request(error.to_string());
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("cloudfront")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let headers = [("content-type", "application/xml")];
        let request = SignableRequest::new("POST", uri, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))
            .map_err(|error| failed(&error))?;
        let (instructions, _) = sign(request, &parameters).map_err(|error| failed(&error))?.into_parts();
        let (headers, _) = instructions.into_parts();
        Ok(headers.into_iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
    }
}

/// Between half and all of a pause, so that callers that were refused together do not come back together.
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
            (InvalidationError::Unreachable(String::new()), true),
            (InvalidationError::NoCredentials, false),
        ];
        for (error, expected) in table {
            assert_eq!(error.may_pass(), expected, "{error}");
        }
    }

    #[test]
    fn pauses_differ_between_callers_and_stay_bounded() {
        let pauses: Vec<_> = (0..100).map(|at| jittered(LONGEST_PAUSE, &at.to_string(), 3)).collect();
        assert!(pauses.iter().all(|pause| (LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(pause)));
        assert!(pauses.iter().collect::<std::collections::HashSet<_>>().len() > 50);
    }
}
