//! The way of viewers to the origin: without a gate, past a policy, or through the local CDN.

use std::sync::Arc;

use axum::Router;
use image_origin::config::Settings;
#[cfg(feature = "cdn")]
use image_origin::front::ViewerSettings;
use image_origin::front::{self, Policy, playground};
use image_origin::origin::Origin;
use tokio::task::JoinHandle;

use super::{Failure, Originals, audience, edge, open_policy};

/// What stands between viewers and the origin.
pub(super) enum Entrance {
    /// Nothing: everybody may see everything.
    Open,
    /// The rules of an `edge.toml`.
    Policed(Arc<Policy>),
    /// A CDN in this process, with rules of its own.
    #[cfg(feature = "cdn")]
    Cdn(Arc<image_origin::cdn::Cdn>),
}

impl Entrance {
    /// Opens the entrance that arguments and settings ask for. It takes over what the one `before` it has learned and cached.
    ///
    /// # Errors
    /// [`Failure`] if rules or keys cannot be used.
    #[cfg_attr(not(feature = "cdn"), allow(unused_variables, reason = "only the CDN has originals of its own"))]
    pub(super) async fn open(
        cdn: &edge::CdnArguments,
        originals: &Originals,
        origin: &Arc<Origin>,
        settings: &Settings,
        before: Option<&Self>,
    ) -> Result<Self, Failure> {
        #[cfg(feature = "cdn")]
        if cdn.is_wanted() {
            // The CDN applies CORS itself.
            let viewers = ViewerSettings { cors: None, ..settings.viewers.clone() };
            let cdn = cdn.open(originals, front::serve::router(origin.clone(), &viewers), settings).await?;
            return Ok(Self::Cdn(Arc::new(match before {
                Some(Self::Cdn(before)) => cdn.succeeding(before),
                _ => cdn,
            })));
        }
        let Some(policy) = open_policy(settings).await? else { return Ok(Self::Open) };
        if let Some(Self::Policed(before)) = before {
            policy.inherit(before);
        }
        Ok(Self::Policed(Arc::new(policy)))
    }

    /// Whether pictures are not for everybody.
    pub(super) const fn has_policy(&self) -> bool {
        matches!(self, Self::Policed(_))
    }

    /// The router that viewers reach, with the playground in front of it.
    pub(super) fn router(&self, origin: &Arc<Origin>, originals: &Originals, settings: &Settings) -> Router {
        let (router, has_cdn) = match self {
            Self::Open => (front::serve::policed(origin.clone(), &settings.viewers, None), false),
            Self::Policed(policy) => {
                (front::serve::policed(origin.clone(), &settings.viewers, Some(policy.clone())), false)
            }
            #[cfg(feature = "cdn")]
            Self::Cdn(cdn) => (image_origin::cdn::router(cdn.clone(), settings.viewers.cors.as_deref()), true),
        };
        let router = match audience(settings, self.has_policy()) {
            Some(audience) => {
                playground::in_front_of(router, audience, originals.folder(), has_cdn, &settings.base_path)
            }
            None => router,
        };
        front::serve::below(&settings.base_path, router)
    }

    /// Starts the tasks that keep rules and keys up to date.
    pub(super) fn keep_up_to_date(&self) -> Vec<JoinHandle<()>> {
        match self {
            Self::Open => Vec::new(),
            Self::Policed(policy) => {
                vec![tokio::spawn(policy.clone().watch()), tokio::spawn(policy.clone().refresh_key_sets())]
            }
            #[cfg(feature = "cdn")]
            Self::Cdn(cdn) => vec![tokio::spawn(cdn.clone().refresh_key_sets())],
        }
    }
}
