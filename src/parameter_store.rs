//! A client for `GetParameter` of AWS Systems Manager, which reads one parameter and decrypts it.
//!
//! Input: the name of a parameter. Output: its value, or an error that does not contain it. The request is signed here, because
//! the SDK's crate for this service would be larger than all of S3's.

use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_sdk_s3::config::ProvideCredentials as _;
use aws_sigv4::http_request::SigningSettings;
use aws_sigv4::sign::v4;
use axum::body::Body;
use serde_json::{Value, json};

use crate::http_client::HttpClient;
use crate::signing;
use crate::source::s3::Https;

/// The timeout of the request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum size of a response in bytes; a parameter has at most 8 kB.
const MAX_ANSWER: usize = 64 * 1024;

/// Why a parameter cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParameterError {
    #[error("no AWS region is configured: set AWS_REGION")]
    NoRegion,
    #[error("no AWS credentials found")]
    NoCredentials,
    #[error("invalid request to Systems Manager: {0}")]
    Request(String),
    #[error("no response from Systems Manager: {0}")]
    Unreachable(String),
    #[error("Systems Manager responded with {status} {code}")]
    Refused { status: u16, code: String },
}

/// Reads a parameter. Credentials, region and, in `AWS_ENDPOINT_URL_SSM`, the endpoint are those of every AWS program.
///
/// # Errors
/// [`ParameterError`].
pub(crate) async fn read(name: &str) -> Result<String, ParameterError> {
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(Https::new()).load().await;
    let region = config.region().ok_or(ParameterError::NoRegion)?.as_ref();
    let provider = config.credentials_provider().ok_or(ParameterError::NoCredentials)?;
    let credentials = provider.provide_credentials().await.map_err(|_| ParameterError::NoCredentials)?;
    let uri = match std::env::var("AWS_ENDPOINT_URL_SSM").ok().filter(|url| !url.is_empty()) {
        Some(url) => format!("{}/", url.trim_end_matches('/')),
        None if region.starts_with("cn-") => format!("https://ssm.{region}.amazonaws.com.cn/"),
        None => format!("https://ssm.{region}.amazonaws.com/"),
    };
    let failed = |error: &dyn std::fmt::Display| ParameterError::Request(error.to_string());
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.GetParameter")];
    let body = json!({"Name": name, "WithDecryption": true}).to_string();
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("ssm")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let signature = signing::headers("POST", &uri, headers.into_iter(), &body, &parameters);
    let mut request = http::Request::post(&uri);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    for (name, value) in signature.map_err(ParameterError::Request)? {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(body)).map_err(|error| failed(&error))?;
    let answered = HttpClient::new().send(request, ANSWER_TIMEOUT, MAX_ANSWER).await;
    let answered = answered.map_err(|error| ParameterError::Unreachable(error.to_string()))?;
    let (status, document) = (answered.status().as_u16(), serde_json::from_slice::<Value>(answered.body()));
    let document = document.unwrap_or_default();
    match document["Parameter"]["Value"].as_str() {
        Some(value) if status == 200 => Ok(value.to_owned()),
        _ => {
            // Such as `com.amazonaws.ssm#ParameterNotFound`.
            let code = document["__type"].as_str().unwrap_or_default();
            let code = code.rsplit('#').next().filter(|code| !code.is_empty()).unwrap_or("without a reason").to_owned();
            Err(ParameterError::Refused { status, code })
        }
    }
}
