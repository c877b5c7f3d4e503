//! S3 Object Lambda's answers go to a host of their own, whose name begins with a route; stores for tests have no such host.

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::endpoint::EndpointPrefix;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;

/// Sends WriteGetObjectResponse to an endpoint of our own, which has no host name for each of S3's routes.
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
