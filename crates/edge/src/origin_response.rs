//! The origin-response function, after the origin: headers and errors.
//!
//! A successful response loses the origin's internal headers and gets the `Cache-Control` of its rule; an error is
//! replaced by problem JSON that hides the cause. CloudFront does not show the body to the function. Invariants: no
//! response can run a script on this host, and no response under a rule that is not public contains `public`.

use crate::cache_control::CacheControl;
use crate::config::{Config, Service};
use crate::event::{Cf, Headers, Response};
use crate::keys::Keys;
use crate::outcome::Outcome;
use crate::path::ViewerPath;
use crate::problem::{Problem, disarm};
use crate::query::Query;
use crate::rules::{Rule, Selection, select};

const BAD_REQUEST: Problem = Problem::new(400, "bad_request", "Bad request.");
const NOT_FOUND: Problem = Problem::new(404, "not_found", "Image not found.");
const METHOD: Problem = Problem::new(405, "method_not_allowed", "Only GET and HEAD are allowed.");
const TOO_LARGE: Problem = Problem::new(413, "too_large", "The original is too large.");
const UNSUPPORTED: Problem = Problem::new(415, "unsupported_format", "Unsupported image format.");
const RANGE: Problem = Problem::new(416, "range_not_satisfiable", "Range not satisfiable.");
const UNPROCESSABLE: Problem = Problem::new(422, "unprocessable", "The image is damaged or exceeds a limit.");
const TOO_MANY: Problem = Problem::new(429, "too_many_requests", "Too many requests.");
const UNAVAILABLE: Problem = Problem::new(503, "unavailable", "The origin is overloaded.");
const TIMEOUT: Problem = Problem::new(504, "origin_timeout", "The origin timed out.");
const ORIGIN_FAILED: Problem = Problem::new(502, "origin_failed", "The origin failed.");

/// A missing image may be uploaded later, so its absence is cached for five minutes only.
const NOT_FOUND_CACHING: &str = "public, max-age=300";
const PROBLEM_TYPE: &str = "application/problem+json";

/// Converts an origin's response for clients.
///
/// Time and keys are unused; all four functions have the same signature.
#[must_use]
pub fn origin_response(cf: &Cf, config: &Config, _now: u64, _keys: &Keys) -> Outcome {
    let Some(response) = &cf.response else {
        return Outcome::refuse(&ORIGIN_FAILED, &cf.request, "the event contains no response");
    };
    let Ok(status @ 100..600) = response.status.parse() else {
        return Outcome::refuse(&ORIGIN_FAILED, &cf.request, "the response has no status");
    };
    let mut answer = response.clone();
    answer.headers.retain(|name| !is_internal(name));
    let rule = rule(&cf.request.uri, config);
    let is_public = rule.is_some_and(Rule::is_public) && overlay_is_public(cf, config);
    if status < 400 {
        disarm(&mut answer.headers);
        set_caching(&mut answer.headers, rule, is_public);
        return Outcome::respond(answer, format!("{status}, without the origin's internal headers"));
    }
    let is_fallback = response.headers.single("x-image-origin-fallback").is_some();
    if own_problem(response) || is_fallback {
        disarm(&mut answer.headers);
        // The picture itself may be there in a moment, so that the transformer's own short time counts.
        if !(is_fallback && is_public) {
            answer.headers.set("Cache-Control", caching(status, is_public && !is_fallback));
        }
        let what = if is_fallback { "a fallback picture" } else { "a problem document" };
        return Outcome::respond(answer, format!("{status}, {what} of the transformer"));
    }
    let problem = explain(status, from_bucket(cf, config));
    let mut headers = Headers::default();
    headers.set("Cache-Control", caching(problem.status, is_public));
    // RFC 9110: these headers belong to the status that they are sent with.
    for name in ["allow", "retry-after"] {
        if let Some(value) = answer.headers.single(name) {
            headers.set(name, value);
        }
    }
    let replaced = problem.write_into(&cf.request.method, headers);
    Outcome::respond(replaced, format!("{status} of the origin converted to {} {}", problem.status, problem.code))
}

/// Whether the overlay of the picture is public, if there is one.
fn overlay_is_public(cf: &Cf, config: &Config) -> bool {
    let path = Query::parse(&cf.request.querystring).overlay_path();
    path.is_none_or(|path| rule(&path, config).is_some_and(Rule::is_public))
}

/// The rule that matches a path.
fn rule<'c>(path: &str, config: &'c Config) -> Option<&'c Rule> {
    let path = ViewerPath::parse(path).ok()?;
    match select(&config.access.rules, &path) {
        Selection::Rule { index, .. } => config.access.rules.get(index),
        Selection::None | Selection::Ambiguous => None,
    }
}

/// Sets the lifetime of a successful response in CloudFront and in browsers. Responses that viewer-response marks as
/// private must not contain `public` here; `private` would keep CloudFront from caching them.
fn set_caching(headers: &mut Headers, rule: Option<&Rule>, is_public: bool) {
    let mut caching = CacheControl::parse(headers.all("cache-control"));
    caching.public = is_public && !caching.private;
    if let Some(rule) = rule {
        let times = rule.times;
        // A response for a revision never needs revalidation, whatever the rule says about responses that may change.
        if !caching.immutable {
            caching.max_age = times.max_age.or(caching.max_age);
            caching.s_maxage = times.s_maxage.or(caching.s_maxage);
        }
        if !caching.must_revalidate {
            caching.stale_while_revalidate = times.stale_while_revalidate.or(caching.stale_while_revalidate);
            caching.stale_if_error = times.stale_if_error.or(caching.stale_if_error);
        }
    }
    match caching.to_string() {
        text if text.is_empty() => headers.remove("cache-control"),
        text => headers.set("Cache-Control", text),
    }
}

/// The `Cache-Control` of errors, for which CloudFront does not call viewer-response.
fn caching(status: u16, is_public: bool) -> &'static str {
    if status == 404 && is_public { NOT_FOUND_CACHING } else { "no-cache" }
}

/// Whether the response is a problem document of the transformer, which names the invalid parameter. CloudFront keeps
/// the body if the function omits it.
fn own_problem(response: &Response) -> bool {
    let media_type = response.headers.single("content-type").and_then(|value| value.split(';').next());
    media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case(PROBLEM_TYPE))
}

/// The problem that is reported for an origin's failure: its kind, never the cause.
fn explain(status: u16, from_bucket: bool) -> Problem {
    match status {
        // S3 responds with 403 for a missing key, unless the role may list the bucket.
        403 if from_bucket => NOT_FOUND,
        // A request that passed the edge is rejected by the origin only if roles or signatures are misconfigured.
        401 | 403 => ORIGIN_FAILED,
        404 | 410 => NOT_FOUND,
        405 => METHOD,
        413 => TOO_LARGE,
        415 => UNSUPPORTED,
        416 => RANGE,
        422 => UNPROCESSABLE,
        429 => TOO_MANY,
        400..=499 => BAD_REQUEST,
        503 => UNAVAILABLE,
        504 => TIMEOUT,
        _ => ORIGIN_FAILED,
    }
}

fn from_bucket(cf: &Cf, config: &Config) -> bool {
    let Some(origin) = &cf.request.origin else { return false };
    let origins = &config.origins;
    let transformer = std::iter::once(&origins.transformer).filter(|target| target.service == Service::S3ObjectLambda);
    transformer.chain(&origins.storage).any(|target| target.domain == origin.domain_name())
}

/// Whether a header reveals internals of the origin, or sets a cookie for every client that the cache serves.
fn is_internal(name: &str) -> bool {
    name.starts_with("x-amz-")
        || name.starts_with("x-amzn-")
        || matches!(name, "server" | "x-powered-by" | "set-cookie" | "x-aspnet-version" | "x-runtime")
}

#[cfg(test)]
mod tests;
