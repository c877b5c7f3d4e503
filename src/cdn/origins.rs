//! The origins behind the local CDN, transformer and storage, each of which accepts signed requests only.
//!
//! A request that is not signed with the credentials of this process gets the same error as from AWS.

use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, StatusCode, header};
use image_origin_edge::sigv4::{self, Signable};
use image_origin_edge::{Config, Credentials, Headers, Service, Target};
use sha2::Digest as _;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::source::{GetOptions, GetResult, Key, Source, SourceError};

/// The error if no random numbers are available for the credentials.
#[derive(Debug, thiserror::Error)]
#[error("no random numbers are available: {0}")]
pub struct NoRandomNumbers(#[from] std::io::Error);

/// A request as it arrives at an origin.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    pub(super) method: &'a Method,
    /// The full path, including the origin's prefix.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// All headers, with the host name without a port.
    pub(super) headers: Headers,
}

/// The two origins.
pub(super) struct Origins {
    transformer: Router,
    storage: Box<dyn Source>,
    /// The maximum size of a response in bytes.
    pub(super) most: u64,
    /// The credentials that grant access. They live as long as the process.
    pub(super) credentials: Credentials,
}

impl Origins {
    pub(super) fn new(transformer: Router, storage: Box<dyn Source>, most: u64) -> Result<Self, NoRandomNumbers> {
        let credentials = throw_away_credentials().map_err(NoRandomNumbers)?;
        Ok(Self { transformer, storage, most, credentials })
    }

    /// The origin with this domain.
    pub(super) fn target<'c>(config: &'c Config, domain: &str) -> Option<&'c Target> {
        let origins = config.origins();
        std::iter::once(&origins.transformer).chain(&origins.storage).find(|target| target.domain == domain)
    }

    /// Responds to a request to an origin if its signature is valid. The text describes the verification.
    pub(super) async fn answer(&self, config: &Config, target: &Target, arrival: &Arrival<'_>) -> (Response, String) {
        let Arrival { method, path, query, headers } = arrival;
        let signable = Signable { method: method.as_str(), path, query };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        if let Err(error) = sigv4::verify(signable, headers, target, &self.credentials, now) {
            return (refusal(target.service), error.to_string());
        }
        let found = if target.service == Service::None { "no signature required" } else { "valid signature" };
        let path = path.strip_prefix(&target.path).unwrap_or(path);
        let is_storage = config.origins().storage.as_ref() == Some(target);
        let response = if is_storage {
            self.stored(path, query).await.unwrap_or_else(|error| unstored(&error))
        } else {
            self.transformed(method, path, query, headers).await
        };
        (response, found.to_owned())
    }

    async fn transformed(&self, method: &Method, path: &str, query: &str, headers: &Headers) -> Response {
        let separator = if query.is_empty() { "" } else { "?" };
        let mut request = http::Request::builder().method(method).uri(format!("{path}{separator}{query}"));
        for (name, value) in headers.iter() {
            request = request.header(name, value);
        }
        match request.body(Body::empty()) {
            Ok(request) => match self.transformer.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(_) => StatusCode::BAD_REQUEST.into_response(),
        }
    }

    /// Reads a file unchanged, as a bucket does.
    async fn stored(&self, path: &str, query: &str) -> Result<Response, SourceError> {
        let key = Key::from_url_path(path).ok_or(SourceError::NotFound)?;
        let deadline = Instant::now() + STORAGE_TIMEOUT;
        let version = self.storage.version(query);
        let options = GetOptions { key: &key, version: version.as_deref(), if_none_match: None, deadline };
        let opened = tokio::time::timeout_at(deadline, self.storage.open(options)).await;
        let GetResult::Object(object) = opened.unwrap_or(Err(SourceError::TimedOut))? else {
            return Err(SourceError::Failed("unexpected response to an unconditional request".to_owned()));
        };
        let tag = object.meta.etag.as_ref().map(|tag| format!("\"{tag}\""));
        let modified = object.meta.modified.map(httpdate::fmt_http_date);
        let reading = tokio::time::timeout_at(deadline, object.read(self.most)).await;
        let bytes = reading.unwrap_or(Err(SourceError::TimedOut))?;
        let mut response = Response::new(Body::from(bytes));
        let media_type = HeaderValue::from_static(media_type(key.as_str()));
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        for (name, text) in [(header::ETAG, tag), (header::LAST_MODIFIED, modified)] {
            if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        Ok(response)
    }
}

/// The timeout of the storage for one file.
const STORAGE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// AWS's response to a request without a valid signature.
fn refusal(service: Service) -> Response {
    match service {
        Service::Lambda | Service::None => {
            let body = r#"{"Message":"Forbidden"}"#;
            (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Service::S3 | Service::S3ObjectLambda => s3_error(StatusCode::FORBIDDEN, "AccessDenied"),
    }
}

fn unstored(error: &SourceError) -> Response {
    match error {
        SourceError::NotFound => s3_error(StatusCode::NOT_FOUND, "NoSuchKey"),
        SourceError::Forbidden | SourceError::Unsigned(_) => s3_error(StatusCode::FORBIDDEN, "AccessDenied"),
        SourceError::Changed => s3_error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
        SourceError::Partial => s3_error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange"),
        SourceError::TooLarge { .. } => s3_error(StatusCode::BAD_REQUEST, "EntityTooLarge"),
        SourceError::Busy | SourceError::OutOfDescriptors | SourceError::TimedOut => {
            s3_error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")
        }
        SourceError::Failed(_) | SourceError::Unrecognised => {
            s3_error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
        }
    }
}

fn s3_error(status: StatusCode, code: &str) -> Response {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code></Error>");
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

/// The media type by the file extension. A bucket stores the type of the upload instead.
fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "avif" => "image/avif",
        "css" => "text/css",
        "gif" => "image/gif",
        "htm" | "html" => "text/html",
        "jpe" | "jpeg" | "jpg" => "image/jpeg",
        "js" | "mjs" => "text/javascript",
        "json" => "application/json",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "webm" => "video/webm",
        "webp" => "image/webp",
        _ => "binary/octet-stream",
    }
}

fn throw_away_credentials() -> std::io::Result<Credentials> {
    let random = random_bytes::<48>()?;
    Ok(Credentials {
        access_key_id: format!("ASIA{}", crate::hex::lower(&random[..8]).to_uppercase()),
        secret_access_key: crate::hex::lower(&random[8..40]),
        session_token: Some(crate::hex::lower(&random[40..])),
    })
}

/// A text that nobody can guess: 256 random bits in 64 hexadecimal digits.
///
/// # Errors
/// [`NoRandomNumbers`].
pub fn random_text() -> Result<String, NoRandomNumbers> {
    Ok(crate::hex::lower(&random_bytes::<32>()?))
}

/// The SHA-256 of a text in hexadecimal digits, as keys hold shared tokens.
pub fn sha256(text: &str) -> String {
    crate::hex::lower(&sha2::Sha256::digest(text))
}

fn random_bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut random = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random)
}
