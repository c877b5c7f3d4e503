//! Any policy and any request: what the edge lets through, a server without a CDN lets through with the same canonical text, and
//! the reverse; what it refuses, the server refuses with the same answer.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use image_origin::config::Layer;
use image_origin::front::serve::{policed, router};
use image_origin::front::{Policy, ViewerSettings};
use image_origin::origin::Origin;
use image_origin::{query, source};
use image_origin_edge::{Action, Cf, Config, Keys, viewer_request};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::common::fixtures;

const NOW: u64 = 1_800_000_000;
const TOKEN: &str = "correct horse battery staple";
const PRESETS: [(&str, &str); 2] = [("card", "w=24&h=24&fit=cover"), ("dark", "brightness=0.5")];

/// An open server of the fixtures, and a runtime for it.
static SERVER: LazyLock<(Runtime, Arc<Origin>)> = LazyLock::new(|| {
    let presets = PRESETS.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let settings = Layer { presets, deadline: Some(120.0), ..Layer::default() }.resolve().unwrap();
    let origin = Origin::new(Box::new(source::Folder::new(fixtures()).unwrap()), settings.origin).unwrap();
    (Runtime::new().unwrap(), Arc::new(origin))
});

/// The answer of a router.
fn answer(router: Router, url: &str, headers: &[(&str, &str)]) -> (StatusCode, http::HeaderMap, Vec<u8>) {
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    SERVER.0.block_on(async {
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        (parts.status, parts.headers, body.to_vec())
    })
}

fn any_limits() -> impl Strategy<Value = Value> {
    let names = ["w", "h", "fit", "format", "q", "dpr", "blur", "invert", "v", "preset"];
    let widths = subsequence(vec![8, 12, 16, 24, 32], 0..4);
    let preset = proptest::option::of(select(vec!["card", "dark"]));
    let force = select(vec!["", "invert=true", "q=30&format=webp", "w=10", "preset=dark"]);
    let (presets_only, parameters) = (any::<bool>(), proptest::option::of(subsequence(names.to_vec(), 1..8)));
    let (snaps, bound, formats) =
        (any::<bool>(), proptest::option::of(8_u32..40), subsequence(vec!["webp", "png", "jpeg", "auto"], 0..3));
    let all = (presets_only, parameters, widths, snaps, bound, formats, preset, force);
    all.prop_map(|(presets_only, parameters, widths, snaps, bound, formats, preset, force)| {
        let mut limits = json!({
            "presets_only": presets_only, "widths": widths, "formats": formats, "force": force,
            "on_other": if snaps { "snap" } else { "refuse" },
        });
        if let Some(parameters) = parameters {
            limits["parameters"] = json!(parameters);
        }
        if let Some(bound) = bound {
            limits["max_width"] = json!(bound);
            limits["max_pixels"] = json!(bound * bound);
        }
        if let Some(preset) = preset {
            limits["default_preset"] = json!(preset);
        }
        limits
    })
}

fn any_policy() -> impl Strategy<Value = Value> {
    let paths = subsequence(vec!["/png/*", "/gif/*.gif", "/missing/*", "/p*/rgb-8.png"], 1..4);
    let rule = (select(vec!["public", "token"]), proptest::option::of(any_limits()));
    (paths, vec(rule, 4), proptest::option::of(any_limits())).prop_map(|(paths, rules, limits)| {
        let rules: Vec<Value> = paths
            .into_iter()
            .zip(rules)
            .map(|(path, (mode, limits))| match limits {
                Some(limits) => json!({"path": path, "allow": [mode], "limits": limits}),
                None => json!({"path": path, "allow": [mode]}),
            })
            .collect();
        let origins = json!({"transformer": {"service": "none", "domain": "localhost"}});
        match limits {
            Some(limits) => json!({"rules": rules, "limits": limits, "origins": origins}),
            None => json!({"rules": rules, "origins": origins}),
        }
    })
}

fn any_url() -> impl Strategy<Value = String> {
    let path = select(vec![
        "/png/rgb-8.png",
        "/gif/still.gif",
        "/missing/a.jpg",
        "/png/../gif/still.gif",
        "/%70ng/rgb-8.png",
        "/PNG/rgb-8.png",
        "//png/rgb-8.png",
        "/photo.jpg",
        "/png/%252e%252e/photo.jpg",
    ]);
    let size = || (0_u32..40).prop_map(|size| size.to_string());
    let pair = prop_oneof![
        size().prop_map(|size| format!("w={size}")),
        size().prop_map(|size| format!("height={size}")),
        select(vec![
            "fit=inside",
            "fit=cover",
            "invert=1",
            "blur=2",
            "dpr=2",
            "dpr=1.50",
            "v=3",
            "utm_source=x",
            "w=0020"
        ])
        .prop_map(str::to_owned),
        select(vec!["f=WebP", "format=auto", "format=png", "q=080", "q=30", "w=x", "fit=", "%ff=1", "wdith=3", "w"])
            .prop_map(str::to_owned),
        select(vec!["preset=card", "preset=dark,card,dark", "preset=other", "max_w=20", "showExif", "info=true"])
            .prop_map(str::to_owned),
        Just(format!("token={}", TOKEN.replace(' ', "+"))),
    ];
    (path, vec(pair, 0..5)).prop_map(|(path, pairs)| match pairs.as_slice() {
        [] => path.to_owned(),
        pairs => format!("{path}?{}", pairs.join("&")),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_edge_and_the_server_let_the_same_through(policy in any_policy(), url in any_url(), shows in any::<bool>()) {
        // Not every combination is a configuration.
        let Ok(config) = Config::from_json(&policy.to_string()) else { return Ok(()) };
        let keys = Keys::from_json(&json!({"tokens": [{"name": "a", "secret": TOKEN}]}).to_string()).unwrap();
        let bearer = format!("Bearer {TOKEN}");
        let accept = ("accept", "image/webp,*/*");
        let headers = if shows { vec![accept, ("authorization", bearer.as_str())] } else { vec![accept] };
        let (uri, querystring) = url.split_once('?').unwrap_or((&url, ""));
        let cf: Cf = serde_json::from_value(json!({
            "config": {"eventType": "viewer-request", "requestId": "id"},
            "request": {
                "method": "GET", "uri": uri, "querystring": querystring,
                "headers": headers.iter().copied().collect::<image_origin_edge::Headers>(),
            },
        }))
        .unwrap();
        let decided = viewer_request(&cf, &config, NOW, &keys);
        let (viewers, origin) = (ViewerSettings::default(), &SERVER.1);
        let policy = Arc::new(Policy::new(config, keys, || NOW));
        let (status, told, body) = answer(policed(origin.clone(), &viewers, Some(policy)), &url, &headers);
        match decided.action {
            Action::Respond(refusal) => {
                prop_assert_eq!(status.as_str(), refusal.status, "{}: {}", &url, decided.why);
                prop_assert_eq!(body, refusal.body.unwrap().into_bytes(), "{}", &url);
            }
            Action::Forward(request) => {
                let text = request.querystring.clone();
                let goes_on = if text.is_empty() { request.uri.clone() } else { format!("{}?{text}", request.uri) };
                let accept = request.headers.single("accept").unwrap().to_owned();
                let open = answer(router(origin.clone(), &viewers), &goes_on, &[("accept", &accept)]);
                // The entity tag has a digest of the canonical text.
                prop_assert_eq!((status, told.get("etag")), (open.0, open.1.get("etag")), "{} as {}", &url, &goes_on);
                prop_assert!(!status.is_success() || body == open.2, "{} as {}", &url, &goes_on);
                let presets = PRESETS.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
                if let (Ok(parsed), false) = (query::parse(&text, &presets), text.contains("preset=")) {
                    let mut parsed = parsed;
                    let revision = parsed.revision.take().map(|revision| format!("v={revision}"));
                    let canonical = parsed.canonical();
                    let both: Vec<&str> =
                        [canonical.as_str(), revision.as_deref().unwrap_or_default()].into_iter().filter(|text| !text.is_empty()).collect();
                    prop_assert!(
                        both.join("&").split('&').all(|pair| text.split('&').any(|other| other == pair)) && both.join("&").len() == text.len(),
                        "{} is not the canonical text {} of the server", &text, canonical
                    );
                }
            }
        }
    }
}
