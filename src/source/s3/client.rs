//! Creation of the S3 client: credentials, region, timeouts and retries.

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, ProvideCredentials as _, SharedCredentialsProvider, StalledStreamProtectionConfig};

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
    let region = match (&settings.region, &settings.endpoint) {
        (Some(region), _) => Some(region.clone()),
        // Otherwise a machine outside AWS would query the instance metadata service for its region.
        (None, Some(_)) => Some(std::env::var("AWS_REGION").unwrap_or_else(|_| ANY_REGION.to_owned())),
        (None, None) => None,
    };
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    let mut config = loader.load().await;
    if let Some(role) = &settings.role_arn {
        // Before the endpoint is set, which is that of the bucket.
        let role = AssumeRoleProvider::builder(role).session_name("image-origin").configure(&config).build().await;
        config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(role)).build();
    }
    match &settings.endpoint {
        Some(endpoint) => config.into_builder().endpoint_url(endpoint).build(),
        None => config,
    }
}
