//! What `serve` takes of a CDN in a program without one.

use axum::Router;
use clap::Args;
use image_origin::config::Settings;
use image_origin::front::serve::with_cors;

use super::Failure;

/// Nothing.
#[derive(Debug, Args)]
pub(super) struct CdnArguments {}

impl CdnArguments {
    /// Never.
    pub(super) const fn is_wanted(&self) -> bool {
        false
    }

    /// The routes of the local server.
    pub(super) fn router(
        &self,
        _: &str,
        origin: Router,
        settings: &Settings,
        _: Option<String>,
    ) -> Result<Router, Failure> {
        Ok(with_cors(origin, settings.viewers.cors.as_deref()))
    }
}
