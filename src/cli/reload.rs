//! Reloading on SIGHUP: the settings, the edge's rules and the keys are read again, and apply to later requests. Running
//! requests finish with the old ones, and no connection is closed.
//!
//! Invalid settings change nothing, and are logged.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use image_origin::config::Settings;
use image_origin::front::Policy;
use image_origin::front::serve::Replaceable;
use image_origin::origin::Origin;
use tokio::task::JoinHandle;

use super::settings::{Given, Server};
use super::{Failure, LogFilter, open_policy, parse_filter};

/// Creates the router of a server.
type Route = Box<dyn Fn(&Arc<Origin>, &Settings, Option<&Arc<Policy>>) -> Router + Send + Sync>;

/// What a reload needs.
pub(super) struct Reloader {
    /// Flags, variables, and the name of the file.
    pub(super) given: Given<Server>,
    /// The settings at the start, which those that need a restart still have.
    pub(super) settings: Settings,
    pub(super) origin: Arc<Origin>,
    pub(super) policy: Option<Arc<Policy>>,
    pub(super) filter: LogFilter,
    pub(super) router: Replaceable,
    pub(super) route: Route,
    /// The tasks that keep the policy up to date.
    pub(super) keeping: Mutex<Vec<JoinHandle<()>>>,
}

impl Reloader {
    /// Whether there is something to read again.
    pub(super) const fn is_of_use(&self) -> bool {
        self.given.file.is_some() || self.policy.is_some()
    }

    /// Starts the tasks that keep the policy up to date, instead of those of the policy before.
    pub(super) fn keep_up_to_date(&self) {
        let mut keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        keeping.drain(..).for_each(|task| task.abort());
        if let Some(policy) = &self.policy {
            keeping.push(tokio::spawn(policy.clone().watch()));
            keeping.push(tokio::spawn(policy.clone().refresh_key_sets()));
        }
    }

    /// Reloads whenever the process is sent SIGHUP. From the return of this function on, the signal no longer ends it.
    #[cfg(unix)]
    pub(super) fn watch(mut self) {
        let signals = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        let Ok(mut signals) = signals else { return };
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                match self.reload().await {
                    Ok(kept) if kept.is_empty() => tracing::info!("the settings were read again"),
                    Ok(kept) => {
                        let kept = kept.join(", ");
                        tracing::warn!(
                            kept,
                            "the settings were read again; those in `kept` change with a restart only"
                        );
                    }
                    Err(failure) => tracing::error!(error = failure.message, "the settings stay as they were"),
                }
            }
        });
    }

    #[cfg(not(unix))]
    pub(super) fn watch(self) {}

    /// Reads everything again. Returns the names of the settings that have changed, but only take effect after a restart.
    async fn reload(&mut self) -> Result<Vec<&'static str>, Failure> {
        let settings = self.given.resolve()?;
        let filter = parse_filter(&settings.log.filter)?;
        let policy = open_policy(&settings).await?;
        // From here on, nothing fails.
        if let (Some(new), Some(old)) = (&policy, &self.policy) {
            new.inherit(old);
        }
        let kept = self.settings.needs_restart(&settings);
        self.origin = Arc::new(self.origin.with_settings(settings.origin.clone()));
        self.policy = policy;
        self.router.replace((self.route)(&self.origin, &settings, self.policy.as_ref()));
        self.keep_up_to_date();
        let _ = self.filter.reload(filter);
        Ok(kept)
    }
}
