//! After the origin: what an answer may carry.
//!
//! Comes in: an origin's answer, whose body CloudFront does not show. Goes out: the same answer without what is the
//! origin's own business and with the `Cache-Control` of its rule, or, for an error, problem JSON that hides the cause.
//! What must always hold: nothing that comes out of here can run a script on this host, and nothing behind a rule that is
//! not public says `public`.

use crate::cache_control::CacheControl;
use crate::config::{Config, Service};
use crate::event::{Cf, Headers, Response};
use crate::keys::Keys;
use crate::outcome::Outcome;
use crate::path::ViewerPath;
use crate::problem::{Problem, disarm};
use crate::query::Query;
use crate::rules::{Rule, Selection, select};

const BAD_REQUEST: Problem = Problem::new(400, "bad_request", "The request has no meaning here.");
const NOT_FOUND: Problem = Problem::new(404, "not_found", "There is no such image.");
const METHOD: Problem = Problem::new(405, "method_not_allowed", "Only GET and HEAD are answered here.");
const TOO_LARGE: Problem = Problem::new(413, "too_large", "The original is too large.");
const UNSUPPORTED: Problem = Problem::new(415, "unsupported_format", "This is no image that can be read.");
const RANGE: Problem = Problem::new(416, "range_not_satisfiable", "There is no such range.");
const UNPROCESSABLE: Problem = Problem::new(422, "unprocessable", "The image is damaged or beyond a limit.");
const TOO_MANY: Problem = Problem::new(429, "too_many_requests", "There are too many requests at the moment.");
const UNAVAILABLE: Problem = Problem::new(503, "unavailable", "There is too much to do at the moment.");
const TIMEOUT: Problem = Problem::new(504, "origin_timeout", "The origin took too long.");
const ORIGIN_FAILED: Problem = Problem::new(502, "origin_failed", "The origin failed.");

/// A missing image may come to be: five minutes is as long as its absence is remembered.
const NOT_FOUND_CACHING: &str = "public, max-age=300";
const PROBLEM_TYPE: &str = "application/problem+json";

/// Brings an origin's answer into the form that viewers get.
///
/// The time and the keys are not needed; they are here so that the four functions are called alike.
#[must_use]
pub fn origin_response(cf: &Cf, config: &Config, _now: u64, _keys: &Keys) -> Outcome {
    let Some(response) = &cf.response else {
        return Outcome::refuse(&ORIGIN_FAILED, &cf.request, "there is no answer in the event");
    };
    let Ok(status @ 100..600) = response.status.parse() else {
        return Outcome::refuse(&ORIGIN_FAILED, &cf.request, "the answer has no status");
    };
    let mut answer = response.clone();
    answer.headers.retain(|name| !is_internal(name));
    let rule = rule(&cf.request.uri, config);
    let is_public = rule.is_some_and(Rule::is_public) && overlay_is_public(cf, config);
    if status < 400 {
        disarm(&mut answer.headers);
        set_caching(&mut answer.headers, rule, is_public);
        return Outcome::respond(answer, format!("{status}, without the origin's own headers"));
    }
    if own_problem(response) {
        disarm(&mut answer.headers);
        answer.headers.set("Cache-Control", caching(status, is_public));
        return Outcome::respond(answer, format!("{status}, which the transformer itself explains"));
    }
    let problem = explain(status, from_bucket(cf, config));
    let mut headers = Headers::default();
    headers.set("Cache-Control", caching(problem.status, is_public));
    // RFC 9110: these two say what to do about the status they come with.
    for name in ["allow", "retry-after"] {
        if let Some(value) = answer.headers.single(name) {
            headers.set(name, value);
        }
    }
    let replaced = problem.write_into(&cf.request.method, headers);
    Outcome::respond(replaced, format!("{status} of the origin becomes {} {}", problem.status, problem.code))
}

/// Whether everybody may see what is laid over the picture, if anything is.
fn overlay_is_public(cf: &Cf, config: &Config) -> bool {
    let path = Query::parse(&cf.request.querystring).overlay_path();
    path.is_none_or(|path| rule(&path, config).is_some_and(Rule::is_public))
}

/// The rule about a path.
fn rule<'c>(path: &str, config: &'c Config) -> Option<&'c Rule> {
    let path = ViewerPath::parse(path).ok()?;
    match select(&config.access.rules, &path) {
        Selection::Rule { index, .. } => config.access.rules.get(index),
        Selection::None | Selection::Ambiguous => None,
    }
}

/// Writes how long CloudFront and browsers may keep a good answer. What viewer-response marks as private lacks `public`
/// here, for CloudFront keeps nothing that says `private`.
fn set_caching(headers: &mut Headers, rule: Option<&Rule>, is_public: bool) {
    let mut caching = CacheControl::parse(headers.all("cache-control"));
    caching.public = is_public && !caching.private;
    if let Some(rule) = rule {
        let times = rule.times;
        // Who asks by a revision never needs to ask again, whatever the rule says about what changes.
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

/// `Cache-Control` of errors, for which CloudFront calls no viewer-response function.
fn caching(status: u16, is_public: bool) -> &'static str {
    if status == 404 && is_public { NOT_FOUND_CACHING } else { "no-cache" }
}

/// The transformer's own problems name the parameter that is wrong. CloudFront keeps a body that the function leaves
/// out.
fn own_problem(response: &Response) -> bool {
    let media_type = response.headers.single("content-type").and_then(|value| value.split(';').next());
    media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case(PROBLEM_TYPE))
}

/// What is told of an origin's failure: the kind of it, never the cause.
fn explain(status: u16, from_bucket: bool) -> Problem {
    match status {
        // S3 answers 403 for a key that is not there, unless the role may list the bucket.
        403 if from_bucket => NOT_FOUND,
        // Who passed the edge is not refused behind it, but for a mistake in roles or signatures.
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

/// What tells of the origin's insides, or sets a cookie for everybody whom the cache answers.
fn is_internal(name: &str) -> bool {
    name.starts_with("x-amz-")
        || name.starts_with("x-amzn-")
        || matches!(name, "server" | "x-powered-by" | "set-cookie" | "x-aspnet-version" | "x-runtime")
}

#[cfg(test)]
mod tests;
