//! Starting the SDK: credentials, region, time limits and retries.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, StalledStreamProtectionConfig};

use super::https::Https;
use super::{ANSWER_TIMEOUT, CONNECT_TIMEOUT};
use crate::config::S3Settings;

/// A request is sent this often at most, with a random pause before each repetition.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// The region of stores that have none.
const ANY_REGION: &str = "us-east-1";

/// Reads the environment as every AWS program does: variables, profiles, container and instance roles.
pub(crate) async fn start(settings: &S3Settings) -> Client {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(Https::new())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(ANSWER_TIMEOUT).build())
        // The request's deadline bounds the download.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(endpoint) = &settings.endpoint {
        // Without this, a machine outside AWS would be searched for its region over the network.
        let region = std::env::var("AWS_REGION").unwrap_or_else(|_| ANY_REGION.to_owned());
        loader = loader.endpoint_url(endpoint).region(Region::new(region));
    }
    let shared = loader.load().await;
    Client::from_conf(Builder::from(&shared).force_path_style(settings.path_style).build())
}
