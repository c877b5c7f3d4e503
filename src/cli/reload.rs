//! Reloading on SIGHUP: the settings, the edge's rules and the keys are read again, and apply to later requests. Running
//! requests finish with the old ones, and no connection is closed. The local CDN's rules and keys are read again as soon
//! as their files change, too, as a policy does itself.
//!
//! Invalid settings change nothing, and are logged.

use std::sync::Arc;

use image_origin::config::Settings;
use image_origin::front::Changes;
use image_origin::front::serve::Replaceable;
use image_origin::origin::Origin;
use tokio::task::JoinHandle;

use super::failure::without_numbers;
use super::settings::{Given, Server};
use super::{Entrance, Failure, LogFilter, Originals, edge, parse_filter};

/// What a reload needs.
pub(super) struct Reloader {
    /// Flags, variables, and the name of the file.
    pub(super) given: Given<Server>,
    pub(super) cdn: edge::CdnArguments,
    pub(super) originals: Originals,
    /// The settings at the start, which those that need a restart still have.
    pub(super) settings: Settings,
    pub(super) origin: Arc<Origin>,
    pub(super) entrance: Entrance,
    pub(super) filter: LogFilter,
    pub(super) router: Replaceable,
    /// The tasks that keep the rules and keys of the entrance up to date.
    pub(super) keeping: Vec<JoinHandle<()>>,
    /// The changes of the files of a local CDN, which watches none itself.
    pub(super) changes: Option<Changes>,
}

impl Reloader {
    /// Whether there is something to read again.
    pub(super) const fn is_of_use(&self) -> bool {
        self.given.file.is_some() || self.settings.edge.is_some()
    }

    /// Reloads whenever the process is sent SIGHUP. From the return of this function on, the signal no longer ends it.
    #[cfg(unix)]
    pub(super) fn watch(mut self) {
        let signals = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        let Ok(mut signals) = signals else { return };
        tokio::spawn(async move {
            self.changes = self.changes_of_cdn(&self.settings).await;
            loop {
                let changed = async {
                    match &mut self.changes {
                        Some(changes) => changes.next().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    signal = signals.recv() => if signal.is_none() { return },
                    () = changed => {}
                }
                match self.reload().await {
                    Ok(kept) if kept.is_empty() => tracing::info!("the settings were read again"),
                    Ok(kept) => {
                        let kept = kept.join(", ");
                        tracing::warn!(
                            kept,
                            "the settings were read again; those in `kept` change with a restart only"
                        );
                    }
                    Err(failure) => {
                        tracing::error!(error = %without_numbers(&failure.message), "the settings stay as they were");
                    }
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
        let origin = Arc::new(self.origin.with_settings(settings.origin.clone()));
        let changes = self.changes_of_cdn(&settings).await;
        let entrance = Entrance::open(&self.cdn, &self.originals, &origin, &settings, Some(&self.entrance)).await?;
        // From here on, nothing fails.
        let kept = self.settings.needs_restart(&settings);
        self.router.replace(entrance.router(&origin, &self.originals, &settings));
        self.keeping.drain(..).for_each(|task| task.abort());
        self.keeping = entrance.keep_up_to_date();
        (self.origin, self.entrance, self.changes) = (origin, entrance, changes);
        let _ = self.filter.reload(filter);
        Ok(kept)
    }

    /// The changes of the local CDN's rules and keys.
    async fn changes_of_cdn(&self, settings: &Settings) -> Option<Changes> {
        let files = settings.edge.as_ref().filter(|_| self.cdn.is_wanted())?;
        Some(Changes::of(&files.config, files.keys.as_ref()).await)
    }
}
