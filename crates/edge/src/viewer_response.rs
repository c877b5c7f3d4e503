//! The viewer-response function, after the cache: marks responses for caches beyond CloudFront.
//!
//! A response that does not say `public` is marked `private`, so no marker has to pass through the cache, and a
//! response without a decision is private. CloudFront does not call this function for errors.

use crate::cache_control::CacheControl;
use crate::config::Config;
use crate::event::{Cf, Response};
use crate::keys::Keys;
use crate::outcome::Outcome;
use crate::problem::Problem;

const FAILED: Problem = Problem::new(502, "origin_failed", "The origin failed.");

/// Marks a response that is not public as private, so that no cache between CloudFront and the client shares it.
///
/// Configuration, time and keys are unused; all four functions have the same signature.
#[must_use]
pub fn viewer_response(cf: &Cf, _config: &Config, _now: u64, _keys: &Keys) -> Outcome {
    let Some(response) = &cf.response else {
        return Outcome::refuse(&FAILED, &cf.request, "the event contains no response");
    };
    let caching = CacheControl::parse(response.headers.all("cache-control"));
    if caching.no_store || (caching.public && !caching.private) {
        return Outcome::respond(response.clone(), "already public or not cacheable");
    }
    // A 304 only contains what has changed; the client keeps the other headers of its stored response.
    if response.status == "304" && !response.headers.contains("cache-control") {
        return Outcome::respond(response.clone(), "a 304 without Cache-Control keeps that of the stored response");
    }
    let mut private: Response = response.clone();
    private.headers.set("Cache-Control", CacheControl { private: true, ..caching }.to_string());
    Outcome::respond(private, "not public, so only the client's own cache may store it")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::outcome::Action;

    fn answer(status: &str, values: &[&str]) -> Response {
        let mut event: Value =
            serde_json::from_str(include_str!("../../../fixtures/events/viewer-response.json")).unwrap();
        let mut cf = event["Records"][0]["cf"].take();
        cf["response"]["status"] = json!(status);
        let headers = values.iter().map(|value| json!({"key": "Cache-Control", "value": value}));
        if !values.is_empty() {
            cf["response"]["headers"]["cache-control"] = headers.collect();
        }
        let cf: Cf = serde_json::from_value(cf).unwrap();
        let config = json!({"rules": [{"path": "/*", "allow": ["public"]}], "origins": {"transformer": {"service": "none", "domain": "a"}}});
        let config = Config::from_json(&config.to_string()).unwrap();
        match viewer_response(&cf, &config, 0, &Keys::default()).action {
            Action::Respond(response) => *response,
            Action::Forward(request) => panic!("{request:?}"),
        }
    }

    #[test]
    fn what_is_not_public_is_private() {
        let table: [(&str, &[&str], Option<&str>); 11] = [
            ("200", &["public, max-age=60, s-maxage=600"], Some("public, max-age=60, s-maxage=600")),
            ("200", &["public"], Some("public")),
            ("200", &["max-age=60"], Some("private, max-age=60")),
            ("206", &["max-age=60, s-maxage=600, immutable"], Some("private, max-age=60, immutable")),
            ("200", &["max-age=60", "s-maxage=600"], Some("private, max-age=60")),
            ("200", &["private, max-age=60"], Some("private, max-age=60")),
            ("200", &["public, private"], Some("private")),
            ("200", &["no-store"], Some("no-store")),
            ("200", &[], Some("private")),
            ("304", &[], None),
            ("304", &["max-age=60"], Some("private, max-age=60")),
        ];
        for (status, values, expected) in table {
            let response = answer(status, values);
            assert_eq!(response.headers.single("cache-control"), expected, "{status} {values:?}");
            assert_eq!((response.status.as_str(), response.body), (status, None), "CloudFront keeps the body");
        }
    }
}
