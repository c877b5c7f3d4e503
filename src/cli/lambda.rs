//! The bootstrap of an AWS Lambda function, which has no arguments and takes its configuration from the environment.

use std::sync::Arc;

use clap::Parser;
use image_origin::config::{LogFormat, Settings};
use image_origin::front::lambda;
use image_origin::origin::{Metrics, Origin};
use image_origin::source::Nowhere;

use super::settings::{Given, Server};
use super::{Failure, Originals, runtime, start_log};

/// The configuration of a function, from environment variables.
#[derive(Debug, Parser)]
struct Environment {
    /// The source of originals; `None` if only S3 Object Lambda is served.
    #[arg(long, env = "IMAGE_ORIGIN_SOURCE")]
    source: Option<String>,
    #[command(flatten)]
    settings: Given<Server>,
}

/// The address of the runtime API, as `host:port` with an optional path, if this process is to handle its events. A web
/// function has a runtime API as well, but receives requests over HTTP instead.
pub(super) fn runtime_api() -> Option<String> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").ok()?;
    // Emulators set a URL instead of an address.
    let api = api.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let serves = std::env::args().nth(1).is_some_and(|command| command == "serve");
    (!serves && std::env::var_os("AWS_LAMBDA_HTTP_ENDPOINT").is_none()).then_some(api)
}

/// Handles events until the execution environment is shut down.
pub(super) fn run(api: &str) -> Result<(), Failure> {
    let runtime = runtime()?;
    let (origin, settings) = runtime.block_on(start()).inspect_err(|failure| {
        if let Err(error) = lambda::report_init_error(api, "Configuration", &failure.message) {
            eprintln!("image-origin: cannot report the error to Lambda: {error}");
        }
    })?;
    Ok(runtime
        .block_on(lambda::run(api, origin, settings))
        .map_err(|error| format!("the runtime API failed: {error}"))?)
}

async fn start() -> Result<(Arc<Origin>, lambda::LambdaSettings), Failure> {
    let Environment { source, settings: mut given } =
        Environment::try_parse_from(["image-origin"]).map_err(|error| error.to_string())?;
    let layer = &mut given.layer;
    layer.log_format = layer.log_format.or(Some(LogFormat::Json));
    layer.metrics = layer.metrics.or(Some(Metrics::Emf));
    layer.cors = layer.cors.take().or_else(|| Some("*".to_owned()));
    let settings = given.resolve_and_load()?;
    start_log(&settings.log)?;
    super::environment::refuse_unknown_variables()?;
    let originals = Originals::of(source, &settings)?;
    let buckets = match &originals {
        Some(Originals::One(place, store)) => lambda::Buckets::of(place, store),
        Some(Originals::Several(sources)) => lambda::Buckets::of_all(sources),
        None => Ok(lambda::Buckets::default()),
    };
    let buckets = buckets.map_err(|error| error.to_string())?;
    let sources = originals.map_or_else(|| Ok(Box::new(Nowhere).into()), |originals| originals.open());
    let sources = sources.map_err(|error| error.to_string())?;
    let policy = super::open_policy(&settings).await?.map(Arc::new);
    let Settings { origin, viewers, base_path, delivery, invalidation, source: s3, .. } = settings;
    // As every AWS program has it.
    let cloudfront_endpoint = std::env::var("AWS_ENDPOINT_URL_CLOUDFRONT").ok().filter(|url| !url.is_empty());
    let origin = Origin::new(sources, origin).map_err(|error| error.to_string())?;
    Ok((
        Arc::new(origin),
        lambda::LambdaSettings {
            viewers,
            base_path,
            delivery,
            policy,
            source: s3,
            invalidation,
            cloudfront_endpoint,
            buckets,
        },
    ))
}
