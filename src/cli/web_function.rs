//! The server of an AWS Lambda web function, started by the launcher `infra/web/index.js`.

use std::net::SocketAddr;

use image_origin::config::{Layer, LogFormat};
use image_origin::front::playground::Playground;
use image_origin::origin::Metrics;

use super::Failure;

/// Sets the defaults of a web function: the address where it receives requests, and JSON logs.
pub(super) fn serve_there(endpoint: &str, settings: &mut Layer) -> Result<(), Failure> {
    let address: SocketAddr = endpoint
        .parse()
        .map_err(|_| format!("invalid value {endpoint} for AWS_LAMBDA_HTTP_ENDPOINT: expected an address"))?;
    settings.listen = settings.listen.take().or(Some(address.into()));
    settings.log_format = settings.log_format.or(Some(LogFormat::Json));
    settings.metrics = settings.metrics.or(Some(Metrics::Emf));
    // Requests come from the launcher on the same machine, whatever client sent them.
    settings.playground = settings.playground.or(Some(Playground::Off));
    settings.cors = settings.cors.take().or_else(|| Some("*".to_owned()));
    Ok(())
}

/// Waits until the launcher exits. It keeps the standard input of this process open while it runs.
pub(super) async fn launcher_ended() {
    if std::env::var_os("IMAGE_ORIGIN_STOP_WITH_STDIN").is_none() {
        return std::future::pending().await;
    }
    let (ended, end) = tokio::sync::oneshot::channel();
    // A separate thread, because the runtime waits for its blocking threads at shutdown.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let _ = end.await;
}
