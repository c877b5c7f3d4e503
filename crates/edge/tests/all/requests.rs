//! Requests that are made up: near what is allowed, and what readers differ about.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use image_origin_edge::sign_url;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use super::functions::{NOW, SECRET, fixture};

/// Texts that parameters and paths are made of: what is allowed, what nearly is, and what readers differ about.
const PIECES: [&str; 60] = [
    "/",
    "//",
    ".",
    "..",
    "%",
    "%2e",
    "%2F",
    "%25",
    "%252e",
    "%00",
    "%ff",
    "%C3%A4",
    "%c3",
    "ä",
    "\\",
    "%5c",
    "\u{202e}",
    "😀",
    "&",
    "=",
    "+",
    ";",
    "%20",
    "%E2%80%83",
    "a",
    "A",
    "0",
    "1",
    "7",
    "12",
    "300",
    "16383",
    "99999999999",
    "0.5",
    ".25",
    "1.005",
    ",",
    ":",
    "-",
    "x",
    "auto",
    "webp",
    "jpg",
    "true",
    "off",
    "red",
    "LightGrey",
    "%23F00",
    "0f08",
    "center",
    "face",
    "none",
    "max",
    "cover",
    "inside",
    "contain",
    "faces",
    "pixelate",
    "Σ",
    "ſ",
];

const NAMES: [&str; 9] = ["width", "fm", "f", "background", "token", "expires", "signature", "utm_source", "W"];

fn text(pieces: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let piece = prop_oneof![9 => proptest::sample::select(PIECES.to_vec()).prop_map(str::to_owned), 1 => any::<char>().prop_filter("control", |c| !c.is_control()).prop_map(String::from)];
    vec(piece, pieces).prop_map(|pieces| pieces.concat())
}

/// A value that its parameter may well take.
fn value() -> impl Strategy<Value = String> {
    let whole = prop_oneof![0..20_u32, 0..2000_u32, any::<u32>()];
    let number = (whole.clone(), 0..100_u32, 0..4_usize).prop_map(|(whole, part, places)| match places {
        0 => whole.to_string(),
        1 => format!("{}.{part}", whole % 20),
        2 => format!("0{}.{part:03}", whole % 200),
        _ => format!(" {} ", whole % 300),
    });
    let small =
        (0..400_u32, any::<bool>()).prop_map(|(n, decimal)| if decimal { format!("0.{n}") } else { n.to_string() });
    let list = vec(small, 1..6).prop_map(|numbers| numbers.join(","));
    let ratio = (0..40_u32, 0..40_u32).prop_map(|(across, down)| format!("{across}:{down}"));
    prop_oneof![3 => number, 2 => list.clone(), 1 => vec(list, 1..4).prop_map(|areas| areas.join(";")), 1 => ratio, 4 => text(0..3)]
}

fn query() -> impl Strategy<Value = String> {
    let known: Vec<&str> = image_origin_query::PARAMETERS
        .iter()
        .map(|parameter| parameter.name)
        .filter(|name| *name != "preset")
        .collect();
    let name = prop_oneof![12 => proptest::sample::select(known), 2 => proptest::sample::select(NAMES.to_vec()), 1 => Just("preset")];
    let word = |parameter: &'static image_origin_query::Parameter| match parameter.kind {
        image_origin_query::Kind::Choice { values } => values.to_vec(),
        image_origin_query::Kind::Bool => vec!["", "1", "false", "YES"],
        _ => vec!["0", "1", "5"],
    };
    let pair =
        (name, value(), any::<prop::sample::Index>(), any::<bool>()).prop_map(move |(name, value, index, fits)| {
            let value = match image_origin_query::find(name) {
                Some(parameter) if fits && parameter.name == "overlay" => (*index.get(&[
                    "public/a b.png",
                    "/press/a.png",
                    "users/alice/a.png",
                    "users/bob/a.png",
                    "PUBLIC/a.png",
                    "a'b",
                ]))
                .to_owned(),
                Some(parameter) if fits && parameter.name == "q" => (*index.get(&[
                    "low",
                    "Medium",
                    "HIGH",
                    " best ",
                    "0",
                    "100",
                    "100.5",
                    "7.5",
                    "auto",
                    "Auto: 80",
                    "auto:94.6",
                    "auto:29",
                    "auto:",
                ]))
                .to_owned(),
                Some(parameter) if fits && parameter.name == "preset" => {
                    (*index.get(&["", "a", "a,b", "b, a,b", " a ,a,", "a,a,a,a,a,a,a,b", "a,a,a,a,a,a,a,a,a"]))
                        .to_owned()
                }
                Some(parameter) if fits => (*index.get(&word(parameter))).to_owned(),
                _ => value,
            };
            format!("{name}={value}")
        });
    vec(pair, 0..5).prop_map(|pairs| pairs.join("&"))
}

fn path() -> impl Strategy<Value = String> {
    let folder = proptest::sample::select(vec![
        "/public/",
        "/users/alice/",
        "/users/bob/",
        "/teams/staff/",
        "/press/",
        "/signed/",
        "/closed/",
        "/PUBLIC/",
        "/",
        "/users/",
        "/public/%2e%2e/users/alice/",
        "//press/",
        "/press/..%5c",
    ]);
    let odd = (folder, text(0..4), any::<bool>())
        .prop_map(|(folder, text, ends)| format!("{folder}{text}{}", if ends { "/a.jpg" } else { ".jpg" }));
    let plain = proptest::sample::select(vec![
        "/public/a.jpg",
        "/users/alice/a%20b.jpg",
        "/teams/staff/ä.jpg",
        "/signed/a.jpg",
    ]);
    prop_oneof![odd, plain.prop_map(str::to_owned)]
}

/// A token of the fixtures' symmetric key, with claims that are good, nearly good, or neither.
fn token() -> impl Strategy<Value = String> {
    let header = proptest::sample::select(vec![
        r#"{"alg":"HS256","kid":"hmac","typ":"JWT"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":null}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#" {"alg":"HS256","crit":[]} "#,
        r#"["HS256"]"#,
        r#"{"alg":"HS256","typ":["JWT"]}"#,
    ]);
    let claims = proptest::sample::select(vec![
        json!({"iss": "https://login.example.com/", "aud": "images", "sub": "alice", "exp": NOW + 60}).to_string(),
        json!({"iss": "https://login.example.com/", "aud": ["x", "images"], "sub": ["bob", "alice"], "exp": NOW + 60, "nbf": NOW}).to_string(),
        json!({"iss": "https://login.example.com/", "aud": "images", "sub": "alice", "exp": NOW - 600}).to_string(),
        json!({"iss": "https://login.example.com/", "aud": "images", "sub": "alice", "exp": "soon"}).to_string(),
        json!({"iss": "https://login.example.com/", "aud": 1, "sub": {"a": [{"b": "c"}]}, "exp": NOW + 60}).to_string(),
        json!({"iss": "https://login.example.com/", "aud": "images", "exp": NOW + 60, "nbf": NOW + 600}).to_string(),
        format!(r#"{{"iss":"https://login.example.com/","aud":"images","sub":"bob","s\u0075b":"alice","exp":{}}}"#, NOW + 60),
        json!({
            "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example", "aud": "client", "token_use": "id",
            "cognito:groups": ["staff"], "exp": NOW + 60,
        })
        .to_string(),
        json!({
            "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example", "client_id": "client", "token_use": "access",
            "cognito:groups": ["staff"], "exp": NOW + 60,
        })
        .to_string(),
        "{}".to_owned(),
    ]);
    (header, claims, 0..12_usize).prop_map(|(header, claims, change)| {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let secret = URL_SAFE_NO_PAD.decode(fixture("keys")["hmac"]["k"].as_str().unwrap()).unwrap();
        let mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap().chain_update(&signed).finalize().into_bytes();
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac));
        match change {
            0 => token[..token.len() - 1].to_owned(),
            1 => format!("{token}="),
            2 => format!("{token}.x"),
            3 => "correct horse battery staple".to_owned(),
            _ => token,
        }
    })
}

pub(super) fn request() -> impl Strategy<Value = Value> {
    let accept = vec(
        (
            proptest::sample::select(vec![
                "image/avif",
                "image/webp",
                "IMAGE/WEBP",
                "image/*",
                "*/*",
                "\"a,b",
                "text/html",
            ]),
            proptest::sample::select(vec![
                "",
                ";q=0.5",
                ";q=0",
                "; Q=0.123",
                ";q=1.5",
                ";v=\"a;q=0\";q=0.9",
                ";q",
                " ;q=.5",
            ]),
        ),
        0..4,
    );
    let accept = accept
        .prop_map(|ranges| ranges.iter().map(|(name, weight)| format!("{name}{weight}")).collect::<Vec<_>>().join(","));
    let shown = (token(), 0..9_usize);
    (path(), query(), accept, shown, 0..40_usize, 0..6_usize).prop_map(|(path, query, accept, (token, place), method, signing)| {
        let mut query = query;
        let mut headers = json!({"host": [{"value": "images.example.com"}]});
        let header = |value: String| json!([{"value": value}]);
        match place {
            0..=2 => headers["authorization"] = header(format!("Bearer {token}")),
            3 => headers["authorization"] = json!([{"value": "Bearer x"}, {"value": format!("bearer {token}")}]),
            4 => headers["cookie"] = json!([{"value": format!("a=b; session=old; session=\"{token}\"")}, {"value": format!("access={token}")}]),
            5 => query = format!("{query}&token={}", token.replace(' ', "+")),
            6 => headers["authorization"] = header(format!("BEARER   {token} ")),
            _ => {}
        }
        if !accept.is_empty() {
            headers["accept"] = header(accept);
        }
        let mut url = format!("{path}?{query}");
        if signing < 3 && let Ok(signed) = sign_url(&url, if signing == 0 { NOW } else { NOW + 9 }, SECRET.as_bytes()) {
            url = if signing == 2 { signed.replace("w=", "h=") } else { signed };
        }
        let (uri, querystring) = url.split_once('?').unwrap();
        let method = ["HEAD", "POST"].get(method).unwrap_or(&"GET");
        json!({"method": method, "uri": uri, "querystring": querystring, "headers": headers, "clientIp": "192.0.2.1"})
    })
}
