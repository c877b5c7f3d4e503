//! The four CloudFront edge functions of image-origin, as plain functions.
//!
//! ```text
//! viewer -> viewer_request -> cache -> origin_request -> origin -> origin_response -> cache -> viewer_response -> viewer
//! ```
//!
//! - [`viewer_request()`] authorises the request, removes its credentials and converts it to canonical form;
//! - [`origin_request()`] selects the origin and signs the request with Signature Version 4;
//! - [`origin_response()`] converts errors to problem JSON, neutralizes active content, and sets the lifetime in the cache;
//! - [`viewer_response()`] marks responses that are not public as private.
//!
//!
//! Each is a pure function `(&Cf, &Config, now, &Keys) -> Outcome`, without I/O, clock or globals. The same code runs
//! natively, in tests and in the local CDN, and as WebAssembly in Lambda@Edge, where [`Edge`] wraps it in JSON.
//! [`Outcome::why`], the reason for the operator, is never sent to clients.
//!
//! ```
//! use image_origin_edge::{Action, Cf, Config, Keys, viewer_request};
//!
//! let config = Config::from_json(r#"{
//!     "rules": [{"path": "/public/*", "allow": ["public"]}, {"path": "/*", "allow": ["token"]}],
//!     "origins": {"transformer": {"service": "none", "domain": "images.example.com"}}
//! }"#)?;
//! let keys = Keys::from_json(r#"{"tokens": [{"name": "spring", "secret": "correct horse battery staple"}]}"#)?;
//! let cf: Cf = serde_json::from_str(r#"{
//!     "config": {"eventType": "viewer-request"},
//!     "request": {"method": "GET", "uri": "/cats/a.jpg", "querystring": "width=300&utm_source=x"}
//! }"#)?;
//! let outcome = viewer_request(&cf, &config, 1_800_000_000, &keys);
//! assert!(matches!(outcome.action, Action::Respond(response) if response.status == "401"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(
    not(all(
        feature = "viewer-request",
        feature = "origin-request",
        feature = "origin-response",
        feature = "viewer-response"
    )),
    allow(dead_code, reason = "the build of one function leaves out what only the others use")
)]

#[cfg(feature = "viewer-request")]
mod accept;
#[cfg(feature = "viewer-request")]
mod auth;
#[cfg(any(feature = "origin-response", feature = "viewer-response"))]
mod cache_control;
mod call;
mod config;
mod encoding;
mod event;
#[cfg(feature = "functions")]
pub mod functions;
mod keys;
#[cfg(feature = "viewer-request")]
mod limits;
#[cfg(feature = "origin-request")]
mod origin_request;
#[cfg(feature = "origin-response")]
mod origin_response;
mod outcome;
mod path;
mod problem;
mod query;
#[cfg(feature = "rules")]
mod rules;
#[cfg(feature = "origin-request")]
pub mod sigv4;
#[cfg(feature = "viewer-request")]
mod viewer_request;
#[cfg(feature = "viewer-response")]
mod viewer_response;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(feature = "viewer-request")]
pub use auth::{Lookup, SignUrlError, SignedUrlError, Subject, sign_url, verify_url};
#[cfg(any(feature = "origin-response", feature = "viewer-response"))]
pub use cache_control::CacheControl;
pub use call::Edge;
#[cfg(feature = "rules")]
pub use config::Mode;
pub use config::{Config, ConfigError};
#[cfg(feature = "origin")]
pub use config::{Originals, Origins, Service, Target};
pub use encoding::reencode_path;
pub use event::{
    BodyEncoding, Cf, Context, CustomOrigin, Event, Header, Headers, Origin, Record, Request, Response, S3Origin,
    Trigger,
};
pub use keys::{Credentials, Keys};
#[cfg(feature = "origin-request")]
pub use origin_request::origin_request;
#[cfg(feature = "origin-response")]
pub use origin_response::origin_response;
pub use outcome::{Action, Outcome};
pub use problem::Problem;
pub use query::Query;
#[cfg(feature = "viewer-request")]
pub use viewer_request::viewer_request;
#[cfg(feature = "viewer-response")]
pub use viewer_response::viewer_response;
