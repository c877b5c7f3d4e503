//! The program as the server of a web function in AWS Lambda, under the launcher `infra/web/index.js`.

use std::net::SocketAddr;

use image_origin::config::{Layer, LogFormat};
use image_origin::front::playground::Playground;
use image_origin::origin::Metrics;

use super::Failure;

/// Listens where a web function is asked, unless something else is set, and logs as functions do.
pub(super) fn serve_there(endpoint: &str, settings: &mut Layer) -> Result<(), Failure> {
    let address: SocketAddr =
        endpoint.parse().map_err(|_| format!("AWS_LAMBDA_HTTP_ENDPOINT is no address: {endpoint}"))?;
    settings.listen = settings.listen.take().or(Some(address.into()));
    settings.log_format = settings.log_format.or(Some(LogFormat::Json));
    settings.metrics = settings.metrics.or(Some(Metrics::Emf));
    // What asks is the launcher on the same machine, whoever asked it.
    settings.playground = settings.playground.or(Some(Playground::Off));
    settings.cors = settings.cors.take().or_else(|| Some("*".to_owned()));
    Ok(())
}

/// Waits for the end of the launcher, which holds our standard input open for as long as it lives.
pub(super) async fn launcher_ended() {
    if std::env::var_os("IMAGE_ORIGIN_STOP_WITH_STDIN").is_none() {
        return std::future::pending().await;
    }
    let (ended, end) = tokio::sync::oneshot::channel();
    // A thread of its own: the runtime's would have to be waited for in the end.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let _ = end.await;
}
