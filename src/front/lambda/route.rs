//! Routing of WriteGetObjectResponse: S3 expects it at a host name that begins with a route, which test servers do not
//! provide.

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::endpoint::EndpointPrefix;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;

/// Sends WriteGetObjectResponse to a custom endpoint, without a host name for each route.
pub(super) fn without_route() -> impl Intercept + 'static {
    WithoutRoute
}

#[derive(Debug)]
struct WithoutRoute;

#[dyn_dispatch_hint]
impl Intercept for WithoutRoute {
    fn name(&self) -> &'static str {
        "WithoutRoute"
    }

    fn modify_before_retry_loop(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().unset::<EndpointPrefix>();
        Ok(())
    }
}
