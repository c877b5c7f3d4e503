//! The JSON interface of the functions, as exported by the WebAssembly module.

use serde::{Deserialize, Serialize};

use crate::config::{Config, ConfigError};
use crate::event::{Event, Trigger};
#[cfg(feature = "origin-request")]
use crate::keys::Credentials;
use crate::keys::Keys;
use crate::outcome::{Action, Outcome};

/// A configured function.
#[derive(Debug)]
pub struct Edge {
    config: Config,
    keys: Keys,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Call {
    /// Handle an event.
    Event(Box<EventCall>),
    /// Store the answer to a lookup; without a body there was none.
    #[cfg(feature = "viewer-request")]
    Learn {
        subject: String,
        #[serde(default)]
        body: Option<String>,
        now: u64,
    },
}

#[derive(Deserialize)]
struct EventCall {
    event: Event,
    now: u64,
    #[cfg(feature = "origin-request")]
    #[serde(default)]
    credentials: Option<Credentials>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// The result for CloudFront.
    Result {
        value: Action,
        #[cfg(feature = "viewer-request")]
        #[serde(skip_serializing_if = "Option::is_none")]
        lookup: Option<Box<crate::auth::Lookup>>,
    },
    /// Whether the answer was of use.
    #[cfg(feature = "viewer-request")]
    Learned(bool),
    /// The error, if there is no result.
    Error(String),
}

impl Edge {
    /// Creates a function from its packaged documents.
    ///
    /// # Errors
    /// [`ConfigError`], which names the invalid field.
    pub fn new(config: &str, keys: &str) -> Result<Self, ConfigError> {
        Ok(Self { config: Config::from_json(config)?, keys: Keys::from_json(keys)? })
    }

    /// Answers one call: `{"event": {"event", "now", "credentials"}}`, to which the answer is `{"result": {"value",
    /// "lookup"}}`, or `{"learn": {"subject", "body", "now"}}` with the answer to a lookup, to which it is `{"learned"}`. What
    /// cannot be read is answered with `{"error"}`.
    #[must_use]
    pub fn call(&mut self, input: &[u8]) -> Vec<u8> {
        let answer = match serde_json::from_slice(input) {
            Ok(Call::Event(call)) => self.decide(*call),
            #[cfg(feature = "viewer-request")]
            Ok(Call::Learn { subject, body, now }) => {
                let subject = crate::auth::Subject::parse(&subject);
                Answer::Learned(
                    subject.is_some_and(|subject| self.keys.learn(&self.config, &subject, body.as_deref(), now)),
                )
            }
            Err(error) => Answer::Error(format!("cannot read the call: {error}")),
        };
        // Texts, numbers and maps with text keys, so serialization cannot fail.
        serde_json::to_vec(&answer).unwrap_or_default()
    }

    fn decide(&mut self, call: EventCall) -> Answer {
        let Some(cf) = call.event.into_cf() else { return Answer::Error("the event has no record".to_owned()) };
        #[cfg(feature = "origin-request")]
        {
            self.keys.credentials = call.credentials;
        }
        let function: fn(&_, &_, _, &_) -> Outcome = match cf.config.event_type {
            #[cfg(feature = "viewer-request")]
            Trigger::ViewerRequest => crate::viewer_request,
            #[cfg(feature = "origin-request")]
            Trigger::OriginRequest => crate::origin_request,
            #[cfg(feature = "origin-response")]
            Trigger::OriginResponse => crate::origin_response,
            #[cfg(feature = "viewer-response")]
            Trigger::ViewerResponse => crate::viewer_response,
            #[cfg(not(all(
                feature = "viewer-request",
                feature = "origin-request",
                feature = "origin-response",
                feature = "viewer-response"
            )))]
            other => return Answer::Error(format!("this function is not for {other:?} events")),
        };
        let outcome = function(&cf, &self.config, call.now, &self.keys);
        Answer::Result {
            value: outcome.action,
            #[cfg(feature = "viewer-request")]
            lookup: outcome.lookup,
        }
    }
}
