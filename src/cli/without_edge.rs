//! The CDN arguments of `serve` in a build without the feature `cdn`.

use clap::Args;

/// No arguments.
#[derive(Debug, Args)]
pub(super) struct CdnArguments {}

impl CdnArguments {
    /// Always false.
    pub(super) const fn is_wanted(&self) -> bool {
        false
    }
}
