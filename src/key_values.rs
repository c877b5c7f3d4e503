//! A client for CloudFront's KeyValueStores, the data of CloudFront Functions that can be changed without a deployment.
//!
//! Input: the desired keys and values of a store. Output: the minimal calls that update it. The API requires Signature
//! Version 4A, which is valid in all regions, and each call has the expected version of the store, so that one of two
//! concurrent updates is rejected.
//! <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_Operations_Amazon_CloudFront_KeyValueStore.html>

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use http::{HeaderMap, Method};
use image_origin_edge::functions::Store;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::aws_api::{Api, ApiError, Scope, excerpt};
use crate::http_client::HttpClient;
use crate::source::s3::Https;

/// The characters that are percent-encoded in a path segment.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The timeout of one request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The maximum size of a response in bytes: a page of fifty values of 1 kB, as JSON.
const MAX_ANSWER: usize = 1024 * 1024;

/// The maximum number of keys that a call changes.
const MAX_CHANGES: usize = 50;

/// The maximum number of pages of a list, more than those of five megabytes.
const MAX_PAGES: usize = 2_000;

/// The pause before a store is asked again whether it can be changed, and how often it is asked.
const PAUSE: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 30;

/// The error of updating a store.
#[derive(Debug, thiserror::Error)]
pub enum KeyValueError {
    /// The name of the store is not an ARN.
    #[error("{0} is no ARN of a KeyValueStore, such as arn:aws:cloudfront::111122223333:key-value-store/...")]
    Arn(String),
    /// There is no response.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// CloudFront responded with an error.
    #[error("CloudFront responded with {status}: {message}")]
    Refused {
        /// The status of the response.
        status: u16,
        /// The error message.
        message: String,
    },
}

/// The result of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// The number of new and changed values.
    pub put: usize,
    /// The number of deleted keys.
    pub deleted: usize,
}

/// A client for one store.
#[derive(Debug)]
pub struct KeyValueStore {
    api: Api,
    /// The base URL of the store.
    base: String,
}

/// A response of the API.
struct Answer {
    /// The version of the store.
    version: String,
    body: Value,
}

impl KeyValueStore {
    /// Loads credentials from the default chain of the AWS SDKs. The account in the ARN determines the host, unless an
    /// endpoint is given.
    ///
    /// # Errors
    /// [`KeyValueError::Arn`].
    pub async fn open(arn: &str, endpoint: Option<&str>) -> Result<Self, KeyValueError> {
        let unknown = || KeyValueError::Arn(arn.to_owned());
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", _, "cloudfront", "", account, resource] = parts[..] else { return Err(unknown()) };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if !is_account || !resource.starts_with("key-value-store/") {
            return Err(unknown());
        }
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(Https::new());
        // Of the session tokens of STS, Signature Version 4A takes those of a region only.
        let credentials = loader.region(Region::new("us-east-1")).load().await.credentials_provider();
        let host = endpoint.map_or_else(
            || format!("https://{account}.cloudfront-kvs.global.api.aws"),
            |endpoint| endpoint.trim_end_matches('/').to_owned(),
        );
        let base = format!("{host}/key-value-stores/{}", utf8_percent_encode(arn, ENCODED));
        let api = Api {
            client: HttpClient::new(),
            credentials,
            service: "CloudFront",
            signing_name: "cloudfront-keyvaluestore",
            scope: Scope::Everywhere,
            may_be_unsigned: false,
            timeout: ANSWER_TIMEOUT,
            max_answer: MAX_ANSWER,
        };
        Ok(Self { api, base })
    }

    /// Updates the store to contain exactly this. The values that are read first are written last, and values that are
    /// no longer referenced are deleted by the next push: concurrent readers still find all values that the first ones
    /// reference.
    ///
    /// # Errors
    /// The first [`KeyValueError`]. A partial update is harmless, and the next push completes it.
    pub async fn push(&self, store: &Store) -> Result<Pushed, KeyValueError> {
        let held = self.list().await?;
        let is_new = |(key, value): &&(String, String)| held.get(key) != Some(value);
        let puts: Vec<&(String, String)> = store.parts.iter().chain(&store.heads).filter(is_new).collect();
        // The values that the store's current first values reference may be in use.
        let named: Vec<&str> = store.heads.iter().filter_map(|(key, _)| held.get(key)?.lines().next()).collect();
        let wanted = |key: &str| store.parts.iter().chain(&store.heads).any(|(wanted, _)| wanted == key);
        let is_named = |key: &str| named.iter().any(|prefix| !prefix.is_empty() && key.starts_with(prefix));
        let deletes: Vec<&String> = held.keys().filter(|key| !wanted(key) && !is_named(key)).collect();
        for keys in deletes.chunks(MAX_CHANGES) {
            let items: Vec<Value> = keys.iter().map(|key| json!({"Key": key})).collect();
            self.update(&json!({"Deletes": items})).await?;
        }
        for pairs in puts.chunks(MAX_CHANGES) {
            let items: Vec<Value> = pairs.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
            self.update(&json!({"Puts": items})).await?;
        }
        Ok(Pushed { put: puts.len(), deleted: deletes.len() })
    }

    /// All keys with their values.
    async fn list(&self) -> Result<BTreeMap<String, String>, KeyValueError> {
        let mut held = BTreeMap::new();
        let mut next = String::new();
        for _ in 0..MAX_PAGES {
            let answer = self.call(&Method::GET, &format!("/keys?MaxResults={MAX_CHANGES}{next}"), "", None).await?;
            for item in answer.body["Items"].as_array().into_iter().flatten() {
                let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
                held.insert(text("Key"), text("Value"));
            }
            match answer.body["NextToken"].as_str() {
                Some(token) => next = format!("&NextToken={}", utf8_percent_encode(token, ENCODED)),
                None => return Ok(held),
            }
        }
        Err(self.api.unreachable("the list of keys has no end".to_owned()).into())
    }

    /// Applies changes, with retries, because the store is not writable for a moment after each change.
    async fn update(&self, changes: &Value) -> Result<(), KeyValueError> {
        let body = changes.to_string();
        let mut refusal = self.api.unreachable("it takes no changes".to_owned()).into();
        for _ in 0..ATTEMPTS {
            let version = self.call(&Method::GET, "", "", None).await?.version;
            match self.call(&Method::POST, "/keys", &body, Some(&version)).await {
                Ok(_) => return Ok(()),
                // Changed concurrently, or not ready yet.
                Err(error @ KeyValueError::Refused { status: 409 | 412 | 429 | 500.., .. }) => refusal = error,
                Err(error) => return Err(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(refusal)
    }

    async fn call(
        &self,
        method: &Method,
        path: &str,
        body: &str,
        version: Option<&str>,
    ) -> Result<Answer, KeyValueError> {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(version.map(|version| ("if-match", version)));
        let answer = self.api.call(method, &format!("{}{path}", self.base), &headers, body).await?;
        let (status, etag) = (answer.status().as_u16(), etag(answer.headers()));
        let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        if !(200..300).contains(&status) {
            let said = body["Message"].as_str().or(body["message"].as_str());
            let message = excerpt(said.unwrap_or("no reason is given"));
            return Err(KeyValueError::Refused { status, message });
        }
        Ok(Answer { version: etag, body })
    }
}

fn etag(headers: &HeaderMap) -> String {
    headers.get("etag").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
