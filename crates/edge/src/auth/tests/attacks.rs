//! Tokens that must not pass, and those that must.

use serde_json::{Value, json};

use super::super::{JwtError, Subject};
use super::mint::{
    ISSUER, NOW, POOL, b64, claims, fixture, header, hs256, jwk, keys, power, raw, sign, token, unb64, with,
};
use super::{config, event, status, status_with_token, verify};
use crate::viewer_request;

const UNKNOWN_KEY: JwtError = JwtError::UnknownKey { lookup: None };

/// The same error, whatever has to be looked up.
fn kind(error: JwtError) -> JwtError {
    match error {
        JwtError::UnknownKey { .. } => UNKNOWN_KEY,
        other => other,
    }
}

fn assert_refused(cases: Vec<(&str, String, JwtError)>) {
    let rules = json!([{"path": "/*", "allow": ["jwt"]}]);
    for (name, token, expected) in cases {
        assert_eq!(verify(&token).map_err(kind), Err(expected), "{name}: {token}");
        assert_eq!(status_with_token(&rules, "/a.jpg", &token, &keys()), 401, "{name}");
    }
}

#[test]
fn tokens_of_another_implementation_are_good() {
    let tokens: Vec<Value> = serde_json::from_str(include_str!("../../../../../fixtures/jwt/tokens.json")).unwrap();
    assert_eq!(tokens.len(), 7);
    for entry in tokens {
        let token = entry["token"].as_str().unwrap();
        let claims = verify(token).unwrap_or_else(|error| panic!("{}: {error}", entry["name"]));
        assert_eq!(claims.text("sub"), Some("alice"));
    }
}

#[test]
fn tokens_of_every_kind_of_key_are_good() {
    for (alg, key) in [("RS256", "rsa"), ("ES256", "p256"), ("EdDSA", "ed25519"), ("HS256", "hmac")] {
        assert!(verify(&token(&header(alg, key), &claims(), key)).is_ok(), "{alg}");
        for typ in [json!(null), json!("jwt"), json!("at+jwt")] {
            let header = with(header(alg, key), &json!({"typ": typ}));
            assert!(verify(&token(&header, &claims(), key)).is_ok(), "{header}");
        }
    }
}

#[test]
fn the_key_decides_the_algorithm() {
    let modulus = unb64(&jwk("rsa")["n"]);
    let confused = |secret: &[u8], kid: &str| {
        let signed = format!("{}.{}", b64(header("HS256", kid).to_string()), b64(claims().to_string()));
        format!("{signed}.{}", b64(hs256(secret, signed.as_bytes())))
    };
    let jwk_text = jwk("rsa").to_string();
    let unsigned = |alg: &str| format!("{}.{}.", b64(header(alg, "rsa").to_string()), b64(claims().to_string()));
    assert_refused(vec![
        ("none", unsigned("none"), JwtError::Algorithm),
        ("None", unsigned("None"), JwtError::Algorithm),
        ("NONE", unsigned("NONE"), JwtError::Algorithm),
        ("no alg", raw(r#"{"kid":"rsa"}"#, &claims().to_string(), "rsa"), JwtError::Algorithm),
        ("alg is a list", raw(r#"{"alg":["RS256"],"kid":"rsa"}"#, &claims().to_string(), "rsa"), JwtError::Algorithm),
        ("alg in another case", token(&header("rs256", "rsa"), &claims(), "rsa"), JwtError::Algorithm),
        ("alg with a space", token(&header("RS256 ", "rsa"), &claims(), "rsa"), JwtError::Algorithm),
        ("unknown alg", token(&header("RS512", "rsa"), &claims(), "rsa"), JwtError::Algorithm),
        ("PS256", token(&header("PS256", "rsa"), &claims(), "rsa"), JwtError::Algorithm),
        ("HS256 with the RSA modulus", confused(&modulus, "rsa"), JwtError::AlgorithmOfKey),
        ("HS256 with the RSA JWK", confused(jwk_text.as_bytes(), "rsa"), JwtError::AlgorithmOfKey),
        ("HS256 with nothing", confused(b"", "rsa"), JwtError::AlgorithmOfKey),
        ("ES256 with an RSA key", token(&header("ES256", "rsa"), &claims(), "p256"), JwtError::AlgorithmOfKey),
        ("RS256 with an HMAC key", token(&header("RS256", "hmac"), &claims(), "rsa"), JwtError::AlgorithmOfKey),
        ("RS256 signed with HMAC", token(&header("RS256", "rsa"), &claims(), "hmac"), JwtError::Signature),
        ("ES256 signed with RSA", token(&header("ES256", "p256"), &claims(), "rsa"), JwtError::Signature),
        ("EdDSA signed with ES256", token(&header("EdDSA", "ed25519"), &claims(), "p256"), JwtError::Signature),
    ]);
}

#[test]
fn kid_only_chooses_among_known_keys() {
    let with_kid = |kid: Value| token(&with(header("RS256", "rsa"), &json!({"kid": kid})), &claims(), "rsa");
    assert_refused(vec![
        ("unknown", with_kid(json!("other")), UNKNOWN_KEY),
        ("empty", with_kid(json!("")), UNKNOWN_KEY),
        ("in another case", with_kid(json!("RSA")), UNKNOWN_KEY),
        ("a path", with_kid(json!("../../../../dev/null")), UNKNOWN_KEY),
        ("SQL", with_kid(json!("' UNION SELECT 'secret' --")), UNKNOWN_KEY),
        ("a command", with_kid(json!("|cat /etc/passwd")), UNKNOWN_KEY),
        ("a URL", with_kid(json!("https://evil.example/jwks.json")), UNKNOWN_KEY),
        ("a NUL", with_kid(json!("rsa\0")), UNKNOWN_KEY),
        ("a number", with_kid(json!(1)), JwtError::Malformed),
        ("null", raw(r#"{"alg":"RS256","kid":null}"#, &claims().to_string(), "rsa"), JwtError::Malformed),
        ("missing, with several keys", raw(r#"{"alg":"RS256"}"#, &claims().to_string(), "rsa"), UNKNOWN_KEY),
        ("another key's", token(&header("RS256", "p256"), &claims(), "rsa"), JwtError::AlgorithmOfKey),
    ]);
}

#[test]
fn keys_that_a_token_brings_along_are_not_looked_at() {
    for name in ["jku", "x5u", "jwk", "x5c", "x5t"] {
        // Such a member does no harm to a good token, and no good to a bad one.
        let header = with(header("RS256", "rsa"), &json!({name: "https://evil.example/key"}));
        assert!(verify(&token(&header, &claims(), "rsa")).is_ok(), "{name}");
        assert_eq!(verify(&token(&header, &claims(), "hmac")), Err(JwtError::Signature), "{name}");
    }
    let own = json!({"alg": "HS256", "kid": "mine", "jwk": {"kty": "oct", "k": b64([7; 32]), "kid": "mine"}});
    let signed = format!("{}.{}", b64(own.to_string()), b64(claims().to_string()));
    let forged = format!("{signed}.{}", b64(hs256(&[7; 32], signed.as_bytes())));
    assert_eq!(verify(&forged).map_err(kind), Err(UNKNOWN_KEY));
}

#[test]
fn critical_extensions_and_other_types_are_refused() {
    let head = |changes: Value| token(&with(header("RS256", "rsa"), &changes), &claims(), "rsa");
    assert_refused(vec![
        ("crit", head(json!({"crit": ["exp"]})), JwtError::CriticalExtension),
        ("empty crit", head(json!({"crit": []})), JwtError::CriticalExtension),
        ("b64", head(json!({"crit": ["b64"], "b64": false})), JwtError::CriticalExtension),
        ("typ is something else", head(json!({"typ": "secevent+jwt"})), JwtError::Type),
        ("typ is no text", head(json!({"typ": 1})), JwtError::Type),
    ]);
}

#[test]
fn claims_about_time_are_kept() {
    let with_claims = |changes: Value| token(&header("ES256", "p256"), &with(claims(), &changes), "p256");
    for good in [
        json!({"exp": NOW + 1}),
        json!({"exp": NOW - 59}),
        json!({"exp": 1_800_000_000.5}),
        json!({"nbf": NOW + 60}),
        json!({"nbf": 0, "iat": NOW + 9999}),
    ] {
        assert!(verify(&with_claims(good.clone())).is_ok(), "{good}");
    }
    assert_refused(vec![
        ("expired", with_claims(json!({"exp": NOW - 60})), JwtError::Expired),
        ("long expired", with_claims(json!({"exp": 0})), JwtError::Expired),
        ("negative", with_claims(json!({"exp": -1})), JwtError::Expired),
        ("no exp", with_claims(json!({"exp": null})), JwtError::NoExpiry),
        ("exp is a text", with_claims(json!({"exp": "4000000000"})), JwtError::NoExpiry),
        ("exp is true", with_claims(json!({"exp": true})), JwtError::NoExpiry),
        ("exp is a list", with_claims(json!({"exp": [NOW + 9]})), JwtError::NoExpiry),
        ("exp beyond numbers", raw_claims(r#""exp":1e999"#), JwtError::Malformed),
        ("exp is NaN", raw_claims(r#""exp":NaN"#), JwtError::Malformed),
        ("not yet", with_claims(json!({"nbf": NOW + 61})), JwtError::NotYetValid),
        ("nbf is a text", with_claims(json!({"nbf": "0"})), JwtError::NotYetValid),
    ]);
}

fn raw_claims(last: &str) -> String {
    let claims = format!(r#"{{"iss":"{ISSUER}","aud":"images",{last}}}"#);
    raw(&header("ES256", "p256").to_string(), &claims, "p256")
}

#[test]
fn issuer_and_audience_are_compared_whole() {
    let with_claims = |changes: Value| token(&header("ES256", "p256"), &with(claims(), &changes), "p256");
    assert_refused(vec![
        ("other issuer", with_claims(json!({"iss": "https://evil.example/"})), JwtError::Issuer),
        ("issuer without its slash", with_claims(json!({"iss": "https://login.example.com"})), JwtError::Issuer),
        ("longer issuer", with_claims(json!({"iss": format!("{ISSUER}evil")})), JwtError::Issuer),
        ("issuer in another case", with_claims(json!({"iss": "https://LOGIN.example.com/"})), JwtError::Issuer),
        ("issuer in a list", with_claims(json!({"iss": [ISSUER]})), JwtError::Issuer),
        ("no issuer", with_claims(json!({"iss": null})), JwtError::Issuer),
        ("other audience", with_claims(json!({"aud": "mail"})), JwtError::Audience),
        ("longer audience", with_claims(json!({"aud": "images2"})), JwtError::Audience),
        ("audiences in one text", with_claims(json!({"aud": "mail images"})), JwtError::Audience),
        ("other audiences", with_claims(json!({"aud": ["mail", ["images"]]})), JwtError::Audience),
        ("an object", with_claims(json!({"aud": {"images": true}})), JwtError::Audience),
        ("no audience", with_claims(json!({"aud": null})), JwtError::Audience),
        ("client_id is Cognito's", with_claims(json!({"aud": null, "client_id": "images"})), JwtError::Audience),
    ]);
}

#[test]
fn cognito_has_two_uses() {
    let base = json!({"iss": POOL, "sub": "alice", "exp": NOW + 600});
    let with_claims = |changes: Value| token(&header("RS256", "rsa"), &with(base.clone(), &changes), "rsa");
    assert!(verify(&with_claims(json!({"token_use": "id", "aud": "client"}))).is_ok());
    assert!(verify(&with_claims(json!({"token_use": "access", "client_id": "client"}))).is_ok());
    assert_refused(vec![
        ("no use", with_claims(json!({"aud": "client"})), JwtError::Use),
        ("other use", with_claims(json!({"token_use": "refresh", "aud": "client"})), JwtError::Use),
        ("ID token of another client", with_claims(json!({"token_use": "id", "aud": "x"})), JwtError::Audience),
        ("ID token with client_id", with_claims(json!({"token_use": "id", "client_id": "client"})), JwtError::Audience),
        ("access token with aud", with_claims(json!({"token_use": "access", "aud": "client"})), JwtError::Audience),
        ("HMAC key of another issuer", token(&header("HS256", "hmac"), &base, "hmac"), UNKNOWN_KEY),
    ]);
}

#[test]
fn names_that_occur_twice_are_refused() {
    let head = header("ES256", "p256").to_string();
    let body = claims().to_string();
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    assert_refused(vec![
        ("sub", raw(&head, &twice(&body, r#""sub":"bob""#), "p256"), JwtError::Malformed),
        ("sub, written otherwise", raw(&head, &twice(&body, r#""\u0073ub":"bob""#), "p256"), JwtError::Malformed),
        ("iss", raw(&head, &twice(&body, r#""iss":"x""#), "p256"), JwtError::Malformed),
        ("exp", raw(&head, &twice(&body, r#""exp":9999999999"#), "p256"), JwtError::Malformed),
        ("alg", raw(&twice(&head, r#""alg":"none""#), &body, "p256"), JwtError::Malformed),
        ("kid", raw(&twice(&head, r#""kid":"rsa""#), &body, "p256"), JwtError::Malformed),
    ]);
}

#[test]
fn what_is_no_token_is_refused() {
    let good = token(&header("ES256", "p256"), &claims(), "p256");
    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let deep = format!("{{\"iss\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    let huge = with(claims(), &json!({"filler": "x".repeat(10_000)}));
    let json = claims().to_string();
    assert_refused(vec![
        ("one part", head.to_owned(), JwtError::Malformed),
        ("two parts", format!("{head}.{body}"), JwtError::Malformed),
        ("four parts", format!("{good}.{signature}"), JwtError::Malformed),
        ("five parts", format!("{head}.{body}.{signature}.{body}.{signature}"), JwtError::Malformed),
        ("dots", "..".to_owned(), JwtError::Malformed),
        ("padding", format!("{head}.{body}.{signature}=="), JwtError::Malformed),
        ("padding in the payload", format!("{head}.{body}=.{signature}"), JwtError::Malformed),
        ("standard alphabet", format!("{head}.{body}.+/{}", &signature[2..]), JwtError::Malformed),
        ("a line break", format!("{head}.{body}.{}\n{}", &signature[..4], &signature[4..]), JwtError::Malformed),
        ("a space within", format!("{head}.{body} .{signature}"), JwtError::Malformed),
        ("percent-encoded", format!("{head}%2E{body}.{signature}"), JwtError::Malformed),
        ("header is a list", raw("[]", &json, "p256"), JwtError::Malformed),
        ("header is no JSON", raw("alg", &json, "p256"), JwtError::Malformed),
        ("payload is a text", raw(&header("ES256", "p256").to_string(), "\"x\"", "p256"), JwtError::Malformed),
        (
            "payload and more",
            raw(&header("ES256", "p256").to_string(), &format!("{json}{{}}"), "p256"),
            JwtError::Malformed,
        ),
        (
            "payload with a BOM",
            raw(&header("ES256", "p256").to_string(), &format!("\u{feff}{json}"), "p256"),
            JwtError::Malformed,
        ),
        ("nested deep", raw(&header("ES256", "p256").to_string(), &deep, "p256"), JwtError::Malformed),
        ("huge", token(&header("ES256", "p256"), &huge, "p256"), JwtError::TooLong),
    ]);
}

#[test]
fn a_signature_is_taken_whole() {
    for (alg, key) in [("RS256", "rsa"), ("ES256", "p256"), ("EdDSA", "ed25519"), ("HS256", "hmac")] {
        let signed = format!("{}.{}", b64(header(alg, key).to_string()), b64(claims().to_string()));
        let signature = sign(key, signed.as_bytes());
        let token = |signature: &[u8]| format!("{signed}.{}", b64(signature));
        assert!(verify(&token(&signature)).is_ok(), "{alg}");
        for at in (0..signature.len()).step_by(7) {
            let mut other = signature.clone();
            other[at] ^= 1;
            assert_eq!(verify(&token(&other)), Err(JwtError::Signature), "{alg}, byte {at}");
        }
        for other in [&[][..], &signature[1..], &signature[..signature.len() - 1], &signature[..signature.len() / 2]] {
            assert_eq!(verify(&token(other)), Err(JwtError::Signature), "{alg}, {} bytes", other.len());
        }
        let longer = [signature.as_slice(), &[0]].concat();
        assert_eq!(verify(&token(&longer)), Err(JwtError::Signature), "{alg}, longer");
        let zeros = vec![0; signature.len()];
        assert_eq!(verify(&token(&zeros)), Err(JwtError::Signature), "{alg}, zeros");
        let other_claims = with(claims(), &json!({"sub": "bob"})).to_string();
        let moved = format!("{}.{}.{}", b64(header(alg, key).to_string()), b64(other_claims), b64(&signature));
        assert_eq!(verify(&moved), Err(JwtError::Signature), "{alg}, of another payload");
    }
}

#[test]
fn an_rsa_signature_has_one_encoding() {
    let signed = format!("{}.{}", b64(header("RS256", "rsa").to_string()), b64(claims().to_string()));
    let digest: [u8; 32] =
        sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), &signed)).into();
    let info = super::super::rsa::SHA256_DIGEST_INFO;
    // Everything after `00 01`, up to 254 bytes; what is wrong with it is in the name.
    let pad = |count: usize| vec![0xff; count];
    let without_null = [&info[..13], &[0x04, 0x20]].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("short padding and rubbish at the end", [&pad(8)[..], &[0], &info, &digest, &pad(194)].concat()),
        ("rubbish within the padding", [&pad(100)[..], &[0xfe], &pad(101), &[0], &info, &digest].concat()),
        ("no separator", [&pad(203)[..], &info, &digest].concat()),
        ("no digest info", [&pad(221)[..], &[0], &digest].concat()),
        ("other parameters in the digest info", [&pad(206)[..], &[0], &without_null, &digest].concat()),
    ];
    for (name, tail) in cases {
        let mut encoded = vec![0, 1];
        encoded.extend(tail);
        encoded.resize(256, 0);
        let token = format!("{signed}.{}", b64(power(&encoded)));
        assert_eq!(verify(&token), Err(JwtError::Signature), "{name}");
    }
    let mut type_2 = [&[0, 2][..], &pad(202), &[0], &info, &digest].concat();
    type_2.resize(256, 0);
    assert_eq!(verify(&format!("{signed}.{}", b64(power(&type_2)))), Err(JwtError::Signature), "block type 2");
    // s + n is the same number to a careless verifier.
    let modulus = unb64(&jwk("rsa")["n"]);
    assert_eq!(verify(&format!("{signed}.{}", b64(modulus))), Err(JwtError::Signature), "the modulus itself");
}

#[test]
fn keys_that_are_no_good_are_left_out() {
    let rsa = jwk("rsa");
    let cases = [
        ("a key for encryption", with(rsa.clone(), &json!({"use": "enc"}))),
        ("a key that does not verify", with(rsa.clone(), &json!({"key_ops": ["encrypt"]}))),
        ("a key for another algorithm", with(rsa.clone(), &json!({"alg": "PS256"}))),
        ("a short modulus", with(rsa.clone(), &json!({"n": b64([0xff; 128])}))),
        ("a huge modulus", with(rsa.clone(), &json!({"n": b64([0xff; 2048])}))),
        ("an even modulus", with(rsa.clone(), &json!({"n": b64([0xfe; 256])}))),
        ("no modulus", with(rsa.clone(), &json!({"n": null}))),
        ("the exponent 1", with(rsa.clone(), &json!({"e": "AQ"}))),
        ("an even exponent", with(rsa.clone(), &json!({"e": "AQAA"}))),
        ("a huge exponent", with(rsa, &json!({"e": b64([0x81; 9])}))),
        ("a point off the curve", with(jwk("p256"), &json!({"x": b64([1; 32])}))),
        ("a short coordinate", with(jwk("p256"), &json!({"y": b64([1; 31])}))),
        ("another curve", with(jwk("p256"), &json!({"crv": "P-384"}))),
        ("a weak Edwards point", with(jwk("ed25519"), &json!({"x": b64([0; 32])}))),
        ("a short secret", with(jwk("hmac"), &json!({"k": b64([7; 31])}))),
        ("a key of another kind", json!({"kty": "AKP", "kid": "x"})),
        ("no key at all", json!("rsa")),
    ];
    for (name, jwk) in cases {
        let keys = json!({"jwks": {ISSUER: {"keys": [jwk]}}}).to_string();
        assert!(crate::Keys::from_json(&keys).is_err(), "{name}");
    }
}

#[test]
fn a_fetched_key_set_replaces_no_secret() {
    let unknown = token(&header("RS256", "new"), &claims(), "rsa");
    let rules = json!([{"path": "/*", "allow": ["jwt"]}]);
    let authorization = format!("Bearer {unknown}");
    let event = event("GET", "/a.jpg", &[("authorization", &authorization)]);
    let (keys, config) = (keys(), config(&rules));
    let before = viewer_request(&event, &config, NOW, &keys);
    assert_eq!(status(&before), 401);
    let lookup = before.lookup.unwrap();
    assert_eq!((lookup.url.as_str(), lookup.method), ("https://login.example.com/jwks.json", "GET"));
    assert_eq!(lookup.subject, Subject::KeySet(ISSUER.to_owned()));

    for useless in [
        json!(null),
        json!({}),
        json!({"keys": []}),
        json!({"keys": [{"kty": "oct", "kid": "new", "k": b64([7; 32])}]}),
    ] {
        assert!(!keys.learn(&config, &lookup.subject, Some(&useless.to_string()), NOW), "{useless}");
    }
    assert!(!keys.learn(&config, &lookup.subject, None, NOW));
    // Whoever makes keys up causes one lookup a minute.
    assert_eq!(viewer_request(&event, &config, NOW + 59, &keys).lookup, None);
    assert!(viewer_request(&event, &config, NOW + 60, &keys).lookup.is_some());

    let rotated = json!({"keys": [
        with(jwk("rsa"), &json!({"kid": "new"})),
        // A symmetric key that the whole world can read.
        {"kty": "oct", "kid": "public", "k": b64([7; 32])},
    ]});
    assert!(keys.learn(&config, &lookup.subject, Some(&rotated.to_string()), NOW));
    assert!(!keys.learn(&config, &Subject::KeySet("https://other/".to_owned()), Some(&rotated.to_string()), NOW));
    let good = viewer_request(&event, &config, NOW, &keys);
    assert_eq!((status(&good), good.lookup), (200, None));
    // A set that could not be renewed for a day is of no more use.
    let lasting = token(&header("RS256", "new"), &with(claims(), &json!({"exp": NOW + 200_000})), "rsa");
    let authorization = format!("Bearer {lasting}");
    let event = super::event("GET", "/a.jpg", &[("authorization", &authorization)]);
    let status_at = |now| status(&viewer_request(&event, &config, now, &keys));
    assert_eq!((status_at(NOW + 86_399), status_at(NOW + 86_400)), (200, 401));
    let old = token(&header("ES256", "p256"), &claims(), "p256");
    assert_eq!(status_with_token(&rules, "/a.jpg", &old, &keys), 200, "the packaged keys remain");
    let signed = format!("{}.{}", b64(header("HS256", "public").to_string()), b64(claims().to_string()));
    let forged = format!("{signed}.{}", b64(hs256(&[7; 32], signed.as_bytes())));
    assert_eq!(status_with_token(&rules, "/a.jpg", &forged, &keys), 401, "a public secret is none");
}

#[test]
fn a_token_without_kid_needs_an_only_key() {
    let only = json!({"jwks": {ISSUER: {"keys": [fixture()["jwks"]["keys"][0]]}}}).to_string();
    let keys = crate::Keys::from_json(&only).unwrap();
    let token = raw(r#"{"alg":"RS256"}"#, &claims().to_string(), "rsa");
    assert_eq!(status_with_token(&json!([{"path": "/*", "allow": ["jwt"]}]), "/a.jpg", &token, &keys), 200);
}
