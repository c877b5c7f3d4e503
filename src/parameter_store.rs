//! A client for `GetParameter` of AWS Systems Manager, which reads one parameter and decrypts it.
//!
//! Input: the name of a parameter. Output: its value, or an error that does not contain it.

use std::time::Duration;

use aws_config::BehaviorVersion;
use http::Method;
use serde_json::{Value, json};

use crate::aws_api::{Api, ApiError, Scope, excerpt};
use crate::http_client::HttpClient;
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
    #[error(transparent)]
    Api(#[from] ApiError),
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
    let uri = match std::env::var("AWS_ENDPOINT_URL_SSM").ok().filter(|url| !url.is_empty()) {
        Some(url) => format!("{}/", url.trim_end_matches('/')),
        None if region.starts_with("cn-") => format!("https://ssm.{region}.amazonaws.com.cn/"),
        None => format!("https://ssm.{region}.amazonaws.com/"),
    };
    let api = Api {
        client: HttpClient::new(),
        credentials: config.credentials_provider(),
        service: "Systems Manager",
        signing_name: "ssm",
        scope: Scope::Region(region.to_owned()),
        may_be_unsigned: false,
        timeout: ANSWER_TIMEOUT,
        max_answer: MAX_ANSWER,
    };
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.GetParameter")];
    let body = json!({"Name": name, "WithDecryption": true}).to_string();
    let answered = api.call(&Method::POST, &uri, &headers, &body).await?;
    let (status, document) = (answered.status().as_u16(), serde_json::from_slice::<Value>(answered.body()));
    let document = document.unwrap_or_default();
    match document["Parameter"]["Value"].as_str() {
        Some(value) if status == 200 => Ok(value.to_owned()),
        _ => {
            // Such as `com.amazonaws.ssm#ParameterNotFound`.
            let code = document["__type"].as_str().unwrap_or_default();
            let code = code.rsplit('#').next().filter(|code| !code.is_empty()).unwrap_or("without a reason");
            Err(ParameterError::Refused { status, code: excerpt(code) })
        }
    }
}
