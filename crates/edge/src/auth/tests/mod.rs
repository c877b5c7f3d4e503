mod attacks;
mod folders;
mod introspection;
mod mint;
mod shared;

use serde_json::json;

use super::jwt;
use crate::config::Config;
use crate::event::Cf;
use crate::keys::Keys;
use crate::outcome::{Action, Outcome};
use crate::viewer_request;
use mint::{ISSUER, NOW, POOL};

/// A configuration with these rules, and with both issuers of the fixture.
fn config(rules: &serde_json::Value) -> Config {
    let config = json!({
        "rules": rules,
        "token": {"cookie": "access"},
        "jwt": {
            "cookie": "session",
            "issuers": [
                {"issuer": ISSUER, "audiences": ["images"], "jwks_uri": "https://login.example.com/jwks.json"},
                {"issuer": POOL, "audiences": ["client"], "kind": "cognito"},
            ],
        },
        "origins": {"transformer": {"service": "none", "domain": "images.example.com"}},
    });
    Config::from_json(&config.to_string()).unwrap()
}

/// A viewer's request event.
fn event(method: &str, url: &str, headers: &[(&str, &str)]) -> Cf {
    let (uri, querystring) = url.split_once('?').unwrap_or((url, ""));
    serde_json::from_value(json!({
        "config": {"eventType": "viewer-request", "requestId": "id"},
        "request": {
            "method": method, "uri": uri, "querystring": querystring,
            "headers": headers.iter().copied().collect::<crate::Headers>(),
        },
    }))
    .unwrap()
}

/// What becomes of a request with this token in its header: a status, 200 for what passes.
fn status_with_token(rules: &serde_json::Value, url: &str, token: &str, keys: &Keys) -> u16 {
    let authorization = format!("Bearer {token}");
    status(&viewer_request(&event("GET", url, &[("authorization", &authorization)]), &config(rules), NOW, keys))
}

fn status(outcome: &Outcome) -> u16 {
    match &outcome.action {
        Action::Forward(_) => 200,
        Action::Respond(response) => response.status.parse().unwrap(),
    }
}

/// Checks a token against the fixture's issuers and keys.
fn verify(token: &str) -> Result<super::claims::Claims, super::JwtError> {
    let config = config(&json!([{"path": "/*", "allow": ["jwt"]}]));
    jwt::verify(token, &config.access.jwt, &[], &mint::keys().auth, NOW)
}
