//! Creation of the S3 client: credentials, region, timeouts and retries.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, ProvideCredentials as _, StalledStreamProtectionConfig};

use super::https::Https;
use super::{ANSWER_TIMEOUT, CONNECT_TIMEOUT};
use crate::source::{OpenError, SourceSettings};

/// The maximum number of attempts, with a random delay before each retry.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// The region for stores that have none.
const ANY_REGION: &str = "us-east-1";

/// Creates a client for S3.
pub(crate) async fn start(settings: &SourceSettings) -> Client {
    Client::from_conf(Builder::from(&load(settings).await).force_path_style(settings.path_style).build())
}

/// Checks that a region and credentials are configured.
///
/// # Errors
/// [`OpenError::Region`] and [`OpenError::Credentials`].
pub(super) async fn check(settings: &SourceSettings) -> Result<(), OpenError> {
    let shared = load(settings).await;
    shared.region().ok_or(OpenError::Region)?;
    let provider = shared.credentials_provider().ok_or(OpenError::Credentials)?;
    // The provider's error may contain parts of the credentials.
    provider.provide_credentials().await.map(drop).map_err(|_| OpenError::Credentials)
}

/// Loads the standard AWS configuration: variables, profiles, container and instance roles.
async fn load(settings: &SourceSettings) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(Https::new())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(ANSWER_TIMEOUT).build())
        // The deadline of the request bounds the download.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(endpoint) = &settings.endpoint {
        // Otherwise a machine outside AWS would query the instance metadata service for its region.
        let region = std::env::var("AWS_REGION").unwrap_or_else(|_| ANY_REGION.to_owned());
        loader = loader.endpoint_url(endpoint).region(Region::new(region));
    }
    loader.load().await
}
