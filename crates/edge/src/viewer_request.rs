//! The viewer-request function, before the cache: authorisation and canonicalization.
//!
//! An allowed request is forwarded with path and query in canonical form, within the limits, with a canonical `Accept` and
//! without credentials; otherwise the function responds with an error. Invariants: the request that is forwarded is exactly
//! the one that was authorised, and equivalent requests become equal.

use crate::accept;
use crate::auth::{Attempt, Denial, DenialKind, Verdict};
use crate::config::{Config, Mode};
use crate::event::{Cf, Request, Response};
use crate::keys::Keys;
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::path::{MAX_LENGTH, PathError, ViewerPath};
use crate::problem::Problem;
use crate::query::Query;
use crate::rules::{Rule, Selection, select};

pub(crate) const METHOD: Problem = Problem::new(405, "method_not_allowed", "Only GET and HEAD are allowed.");
const BAD_PATH: Problem = Problem::new(400, "bad_path", "The path is invalid or ambiguous.");
const TOO_LONG: Problem = Problem::new(414, "uri_too_long", "Path and query exceed 8192 bytes.");
const NOT_FOUND: Problem = Problem::new(404, "not_found", "Image not found.");
const UNAUTHORIZED: Problem = Problem::new(401, "unauthorized", "A valid token is required.");
const EXPIRED: Problem = Problem::new(401, "token_expired", "The token has expired.");
const FORBIDDEN: Problem = Problem::new(403, "forbidden", "Access denied.");
const NOT_PERMITTED: Problem = Problem::new(403, "not_permitted", "The limits of this path do not permit a parameter.");
const URL_UNSIGNED: Problem = Problem::new(403, "signature_invalid", "A valid URL signature is required.");
const UNAVAILABLE: Problem =
    Problem::new(503, "authorization_unavailable", "The token cannot be verified at the moment.");
const URL_EXPIRED: Problem = Problem::new(403, "signature_expired", "The signed URL has expired.");

/// The reasons to refuse a request that need no further detail.
#[cfg(feature = "functions")]
pub(crate) const PROBLEMS: [Problem; 4] = [BAD_PATH, TOO_LONG, NOT_FOUND, FORBIDDEN];

/// Endpoints for the operators of a server, which are used directly and never through the CDN.
pub(crate) const OPERATORS_PATHS: [&str; 3] = ["/healthz", "/metrics", "/readyz"];

/// An authorised request.
struct Judged<'a> {
    why: String,
    /// What may be asked for, unless a signature lifts that.
    limits: Option<&'a Limits>,
}

/// Authorises a client's request and canonicalizes it.
///
/// `now` is in seconds since 1970.
#[must_use]
pub fn viewer_request(cf: &Cf, config: &Config, now: u64, keys: &Keys) -> Outcome {
    let request = &cf.request;
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        let (_, response) = not_allowed(&request.method);
        return Outcome::respond(response, format!("the method {} is not allowed", request.method));
    }
    let path = match ViewerPath::parse(&request.uri) {
        Ok(path) => path,
        Err(error @ PathError::TooLong) => return Outcome::refuse(&TOO_LONG, request, error.to_string()),
        Err(error) => return Outcome::refuse(&BAD_PATH, request, error.to_string()),
    };
    if OPERATORS_PATHS.contains(&path.plain.as_str()) {
        return Outcome::refuse(&NOT_FOUND, request, "operators' endpoints are not available through the CDN");
    }
    let query = config.query(&request.querystring);
    let judge = |shown: &ViewerPath, its_path: &str, subject: &str| -> Result<Judged<'_>, Outcome> {
        let (index, plain, loose) = match select(&config.access.rules, shown) {
            Selection::Rule { index, plain, loose } => (index, plain, loose),
            Selection::None => {
                return Err(Outcome::refuse(&FORBIDDEN, request, format!("no rule matches {its_path}")));
            }
            Selection::Ambiguous => {
                let why = format!("readings of {its_path} match different rules");
                return Err(Outcome::refuse(&BAD_PATH, request, why));
            }
        };
        let rule = &config.access.rules[index];
        // The signature covers the whole request, whichever of its pictures the rule concerns.
        let attempt = Attempt { request, path: &path, query: &query, rule, plain: &plain, loose: &loose };
        let heading = format!("rules[{index}] `{}`", rule.pattern.text());
        let limits = &config.access.limits[index];
        match attempt.judge(config, &keys.auth, now) {
            Verdict::Allowed { why } => {
                let is_lifted = limits.lifted_by_signature && attempt.is_signed(&keys.auth, now);
                Ok(Judged {
                    why: format!("{heading} allows {subject} by {why}"),
                    limits: Some(limits).filter(|_| !is_lifted),
                })
            }
            Verdict::Denied(denial) => Err(refuse(request, rule, denial, &heading)),
        }
    };
    let Judged { mut why, limits } = match judge(&path, "this path", "it") {
        Ok(judged) => judged,
        Err(outcome) => return outcome,
    };
    // A client that sees the picture also sees its overlay.
    if let Some(overlay) = query.overlay_path() {
        let overlay = match ViewerPath::parse(&overlay) {
            Ok(overlay) => overlay,
            Err(error) => return Outcome::refuse(&BAD_PATH, request, format!("the overlay: {error}")),
        };
        match judge(&overlay, "the overlay's path", "its overlay") {
            Ok(also) => why = format!("{why}; {}", also.why),
            Err(outcome) => return outcome,
        }
    }
    let query = match limits.map(|limits| limits.apply(&request.querystring)) {
        None => query,
        Some(Ok(limited)) => limited.at_version_of(&query),
        Some(Err(bad)) => {
            return Outcome::refuse(&NOT_PERMITTED.blaming(&bad), request, format!("{why}, but {bad}"));
        }
    };
    let canonical = canonical_request(request, &path, &query);
    // The one form of encoding is up to three times as long, and CloudFront fails on what is too long.
    if canonical.uri.len() + "?".len() + canonical.querystring.len() > MAX_LENGTH {
        return Outcome::refuse(&TOO_LONG, request, "path and query are too long in their canonical form");
    }
    Outcome::forward(canonical, why)
}

/// The canonical form of a request, which is forwarded.
fn canonical_request(request: &Request, path: &ViewerPath, query: &Query) -> Request {
    let mut canonical = request.clone();
    canonical.uri = path.encoded();
    canonical.querystring = query.canonical();
    canonical.headers.remove("authorization");
    canonical.headers.remove("cookie");
    canonical.headers.set("Accept", accept::bucket(request.headers.all("accept"), query));
    canonical
}

/// The response to a method that is neither GET nor HEAD.
pub(crate) fn not_allowed(method: &str) -> (Problem, Response) {
    let mut response = METHOD.response(method);
    response.headers.set("Allow", "GET, HEAD");
    (METHOD, response)
}

/// The response to a request that a rule denies; `takes_tokens` is whether the rule allows tokens.
pub(crate) fn denied(kind: DenialKind, takes_tokens: bool, method: &str) -> (Problem, Response) {
    // A 401 implies that a challenge could be met (RFC 9110, section 15.5.2), but a client cannot sign a URL itself.
    let problem = match (kind, takes_tokens) {
        (DenialKind::Unavailable, _) => UNAVAILABLE,
        (DenialKind::Forbidden, _) => FORBIDDEN,
        (DenialKind::Expired, true) => EXPIRED,
        (DenialKind::Missing | DenialKind::Invalid, true) => UNAUTHORIZED,
        (DenialKind::Expired, false) => URL_EXPIRED,
        (DenialKind::Missing | DenialKind::Invalid, false) => URL_UNSIGNED,
    };
    let mut response = problem.response(method);
    if problem.status == 401 {
        // RFC 6750, section 3.1: no error code if there were no credentials.
        let challenge = match kind {
            DenialKind::Missing => "Bearer realm=\"images\"",
            _ => "Bearer realm=\"images\", error=\"invalid_token\"",
        };
        response.headers.set("WWW-Authenticate", challenge);
    }
    if problem.status == 503 {
        response.headers.set("Retry-After", "2");
    }
    (problem, response)
}

fn refuse(request: &Request, rule: &Rule, denial: Denial, heading: &str) -> Outcome {
    let takes_tokens = rule.allow.iter().any(|mode| matches!(mode, Mode::Token | Mode::Jwt | Mode::Introspect));
    let (problem, response) = denied(denial.kind, takes_tokens, &request.method);
    let mut outcome = Outcome::respond(response, format!("{heading} denies it: {}", denial.why));
    outcome.lookup = denial.lookup;
    outcome.code = Some(problem.code);
    outcome
}
