//! The origin-request function, after a cache miss: selects and signs for the origin.
//!
//! The request is signed for exactly the path and query that CloudFront will send. Invariants: nothing that identifies
//! the client is forwarded, and no parameter outside of the grammar, some of which S3 would interpret as commands.

use std::borrow::Cow;

use crate::config::{Config, FileKind, Originals, Service, Target};
use crate::encoding::reencode_path;
use crate::event::{Cf, CustomOrigin, Headers, Origin, Request};
use crate::keys::Keys;
use crate::outcome::Outcome;
use crate::path::remove_dot_segments;
use crate::problem::Problem;
use crate::query::Query;
use crate::sigv4::{self, Signable};

const METHOD: Problem = Problem::new(405, "method_not_allowed", "Only GET and HEAD are allowed.");
const BAD_PATH: Problem = Problem::new(400, "bad_path", "The path is invalid or ambiguous.");
const NOT_SIGNED: Problem = Problem::new(500, "edge_failed", "The request could not be forwarded.");

/// The headers that may be forwarded. Those that identify the client (`Authorization`, `Cookie`, `X-Forwarded-*`) are
/// removed; CloudFront's read-only headers are kept, since it does not allow their removal.
const FORWARDED: [&str; 15] = [
    "accept",
    "accept-encoding",
    "cache-control",
    "content-length",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "via",
];

/// Selects the origin of a request and signs for it.
///
/// `now` is in seconds since 1970.
#[must_use]
pub fn origin_request(cf: &Cf, config: &Config, now: u64, keys: &Keys) -> Outcome {
    let request = &cf.request;
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Outcome::refuse(&METHOD, request, format!("the method {} is not allowed", request.method));
    }
    if !request.uri.starts_with('/') {
        return Outcome::refuse(&BAD_PATH, request, "the path must start with a slash");
    }
    let path = reencode_path(&request.uri);
    let query = config.query(&request.querystring);
    let (target, route) = choose(&path, &query, config);
    let target = &*named(target, request.origin.as_ref());
    if target.domain.is_empty() {
        return Outcome::refuse(
            &NOT_SIGNED,
            request,
            "neither the configuration nor the distribution specifies the origin",
        );
    }
    let mut routed = request.clone();
    // S3 treats dot segments as part of the key; everybody else resolves them, so they must not occur.
    routed.uri =
        if matches!(target.service, Service::S3 | Service::S3ObjectLambda) { path } else { remove_dot_segments(&path) };
    // A bucket only needs the version; it would interpret sub-resources such as `?acl`.
    routed.querystring = if route.is_storage { query.version() } else { query.canonical() };
    routed.headers.retain(|name| FORWARDED.contains(&name));
    routed.headers.set("Host", target.domain.as_str());
    routed.origin = Some(Origin::Custom(origin(target, request.origin.as_ref())));
    match sign(&mut routed, target, &cf.config.request_id, now, keys) {
        Ok(()) => Outcome::forward(routed, format!("{} goes to {}", route.why, target.domain)),
        Err(why) => Outcome::refuse(&NOT_SIGNED, request, why),
    }
}

struct Route {
    is_storage: bool,
    why: &'static str,
}

fn choose<'c>(path: &str, query: &Query, config: &'c Config) -> (&'c Target, Route) {
    let origins = &config.origins;
    let transformer = |why| (&origins.transformer, Route { is_storage: false, why });
    let Some(storage) = &origins.storage else { return transformer("everything, without a storage origin,") };
    let storage = |why| (storage, Route { is_storage: true, why });
    match (origins.kind(path), query.is_original(), origins.originals) {
        (FileKind::File, _, _) => storage("a file whose ending is in origins.files"),
        (FileKind::Image, true, Originals::Direct) => {
            storage("an original, which the configuration gives out directly,")
        }
        (_, true, _) => transformer("an original, to lose its metadata,"),
        (_, false, _) => transformer("a transformation"),
    }
}

/// The target, with the distribution's own origin if the configuration names none.
fn named<'c>(target: &'c Target, origin: Option<&Origin>) -> Cow<'c, Target> {
    match origin {
        Some(origin) if target.domain.is_empty() => {
            Cow::Owned(Target { domain: origin.domain_name().to_owned(), ..target.clone() })
        }
        _ => Cow::Borrowed(target),
    }
}

fn origin(target: &Target, configured: Option<&Origin>) -> CustomOrigin {
    let custom_headers = configured.map(|origin| {
        let mut headers: Headers = origin.custom_headers().clone();
        // CloudFront rejects a header that occurs both in the request and in the origin's headers.
        headers.retain(|name| !name.starts_with("x-amz-") && name != "authorization" && name != "host");
        headers
    });
    CustomOrigin {
        custom_headers: custom_headers.unwrap_or_default(),
        domain_name: target.domain.clone(),
        keepalive_timeout: 5,
        path: target.path.clone(),
        port: 443,
        protocol: "https".to_owned(),
        read_timeout: target.read_timeout_seconds,
        ssl_protocols: vec!["TLSv1.2".to_owned()],
    }
}

fn sign(routed: &mut Request, target: &Target, request_id: &str, now: u64, keys: &Keys) -> Result<(), String> {
    if target.service == Service::None {
        return Ok(());
    }
    let credentials = keys.credentials.as_ref().ok_or("no credentials to sign with")?;
    let path = format!("{}{}", target.path, routed.uri);
    let signable = Signable { method: &routed.method, path: &path, query: &routed.querystring };
    // CloudFront adds this header with this value, and allows no function to add it. S3 requires it to be signed.
    let cf_id = [("x-amz-cf-id", request_id)];
    let also: &[(&str, &str)] = if target.service == Service::Lambda || request_id.is_empty() { &[] } else { &cf_id };
    let headers = sigv4::signed_headers(signable, also, target, credentials, now).map_err(|error| error.to_string())?;
    for (name, value) in headers {
        routed.headers.set(&name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
