//! The CDN arguments of `serve` in a build without the feature `cdn`.

use axum::Router;
use clap::Args;
use image_origin::config::Settings;
use image_origin::front::serve::with_cors;

use super::{Failure, Originals};

/// No arguments.
#[derive(Debug, Args)]
pub(super) struct CdnArguments {}

impl CdnArguments {
    /// Always false.
    pub(super) const fn is_wanted(&self) -> bool {
        false
    }

    /// The router of the local server.
    pub(super) async fn router(
        &self,
        _: &Originals,
        origin: Router,
        settings: &Settings,
        _: Option<String>,
    ) -> Result<Router, Failure> {
        Ok(with_cors(origin, settings.viewers.cors.as_deref()))
    }
}
