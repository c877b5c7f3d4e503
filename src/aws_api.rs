//! Calls of AWS APIs that no SDK crate here knows: invalidations, key-value stores, parameters. Their crates would be larger
//! than all of S3's.
//!
//! Input: a method, a URL, headers and a body. Output: a response of bounded size, within bounded time, to a request that is
//! signed by Signature Version 4 or 4A.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::{Credentials, ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningParams, SigningSettings, sign};
use aws_sigv4::sign::v4;
#[cfg(feature = "cdn")]
use aws_sigv4::sign::v4a;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Response};

use crate::http_client::HttpClient;

/// Why a call has no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// No AWS credentials were found.
    #[error("no AWS credentials found")]
    NoCredentials,
    /// The request is invalid.
    #[error("invalid request to {service}: {reason}")]
    Request {
        /// The name of the service.
        service: &'static str,
        /// The reason.
        reason: String,
    },
    /// The service did not respond, or its response is malformed.
    #[error("no response from {service}: {reason}")]
    Unreachable {
        /// The name of the service.
        service: &'static str,
        /// The reason.
        reason: String,
    },
}

/// The text of a response for a message: its first characters, without control characters.
pub(crate) fn excerpt(text: &str) -> String {
    const LENGTH: usize = 500;
    text.chars().take(LENGTH).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// Where a signature is valid.
#[derive(Debug)]
pub(crate) enum Scope {
    /// In one region: Signature Version 4.
    Region(String),
    /// In all regions: Signature Version 4A.
    #[cfg(feature = "cdn")]
    Everywhere,
}

/// A client for one service.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) client: HttpClient,
    pub(crate) credentials: Option<SharedCredentialsProvider>,
    /// The name of the service in messages, and in signatures.
    pub(crate) service: &'static str,
    pub(crate) signing_name: &'static str,
    pub(crate) scope: Scope,
    /// Whether requests are sent unsigned if there are no credentials.
    pub(crate) may_be_unsigned: bool,
    /// The timeout of one request.
    pub(crate) timeout: Duration,
    /// The maximum size of a response in bytes.
    pub(crate) max_answer: usize,
}

impl Api {
    /// Sends a request; a response of any status is returned.
    ///
    /// # Errors
    /// [`ApiError`].
    pub(crate) async fn call(
        &self,
        method: &Method,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Response<Bytes>, ApiError> {
        let provided = match &self.credentials {
            Some(provider) => provider.provide_credentials().await.ok(),
            None => None,
        };
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(credentials) = provided {
            let signable = SignableRequest::new(
                method.as_str(),
                uri,
                headers.iter().copied(),
                SignableBody::Bytes(body.as_bytes()),
            );
            let signature =
                signable.map_err(|error| error.to_string()).and_then(|signable| self.signature(signable, credentials));
            for (name, value) in signature.map_err(|reason| self.invalid(reason))? {
                request = request.header(name, value);
            }
        } else if !self.may_be_unsigned {
            return Err(ApiError::NoCredentials);
        }
        let request = request.body(Body::from(body.to_owned())).map_err(|error| self.invalid(error.to_string()))?;
        let answered = self.client.send(request, self.timeout, self.max_answer).await;
        answered.map_err(|error| self.unreachable(error.to_string()))
    }

    /// The error of a request that cannot be sent.
    pub(crate) const fn invalid(&self, reason: String) -> ApiError {
        ApiError::Request { service: self.service, reason }
    }

    /// The error of a response that is missing or malformed.
    pub(crate) const fn unreachable(&self, reason: String) -> ApiError {
        ApiError::Unreachable { service: self.service, reason }
    }

    /// The headers that sign a request.
    fn signature(
        &self,
        request: SignableRequest<'_>,
        credentials: Credentials,
    ) -> Result<Vec<(String, String)>, String> {
        let identity = credentials.into();
        let (time, settings) = (SystemTime::now(), SigningSettings::default());
        let parameters: SigningParams<'_> = match &self.scope {
            Scope::Region(region) => {
                let parameters = v4::SigningParams::builder().identity(&identity).region(region);
                let parameters = parameters.name(self.signing_name).time(time).settings(settings).build();
                parameters.map_err(|error| error.to_string())?.into()
            }
            #[cfg(feature = "cdn")]
            Scope::Everywhere => {
                let parameters = v4a::SigningParams::builder().identity(&identity).region_set("*");
                let parameters = parameters.name(self.signing_name).time(time).settings(settings).build();
                parameters.map_err(|error| error.to_string())?.into()
            }
        };
        let (instructions, _) = sign(request, &parameters).map_err(|error| error.to_string())?.into_parts();
        let (headers, _) = instructions.into_parts();
        Ok(headers.into_iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
    }
}
