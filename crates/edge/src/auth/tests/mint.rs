//! Makes tokens, good and bad, with the keys of `fixtures/jwt/`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::keys::Keys;

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://login.example.com/";
pub(super) const POOL: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example";

/// The fixture's keys.
pub(super) fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../../../fixtures/jwt/keys.json")).unwrap()
}

/// The JWK with this `kid`.
pub(super) fn jwk(id: &str) -> Value {
    let fixture = fixture();
    if id == "hmac" {
        return fixture["hmac"].clone();
    }
    fixture["jwks"]["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == id).unwrap().clone()
}

/// Keys as packaged for both issuers: the asymmetric ones, and the HMAC key for the first.
pub(super) fn keys() -> Keys {
    let fixture = fixture();
    let mut with_hmac = fixture["jwks"].clone();
    with_hmac["keys"].as_array_mut().unwrap().push(fixture["hmac"].clone());
    Keys::from_json(&json!({"jwks": {ISSUER: with_hmac, POOL: fixture["jwks"]}}).to_string()).unwrap()
}

pub(super) fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "images", "sub": "alice", "exp": NOW + 600})
}

pub(super) fn header(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "typ": "JWT", "kid": kid})
}

/// A JSON object with some members put in place of others; `null` takes one away.
pub(super) fn with(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => object.as_object_mut().unwrap().remove(name),
            value => object.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    object
}

/// A token with this header and these claims, signed with the key of the fixture.
pub(super) fn token(header: &Value, claims: &Value, key: &str) -> String {
    raw(&header.to_string(), &claims.to_string(), key)
}

/// The same from texts, which need not be JSON.
pub(super) fn raw(header: &str, claims: &str, key: &str) -> String {
    let signed = format!("{}.{}", b64(header), b64(claims));
    let signature = sign(key, signed.as_bytes());
    format!("{signed}.{}", b64(signature))
}

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn unb64(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

pub(super) fn hs256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(message).finalize().into_bytes().to_vec()
}

pub(super) fn sign(key: &str, message: &[u8]) -> Vec<u8> {
    let private = &fixture()["private"];
    match key {
        "rsa" => rs256(message),
        "p256" => {
            let key = p256::ecdsa::SigningKey::from_slice(&unb64(&private["p256_d"])).unwrap();
            let signature: p256::ecdsa::Signature = key.sign(message);
            signature.to_bytes().to_vec()
        }
        "ed25519" => {
            let key = ed25519_dalek::SigningKey::from_bytes(&unb64(&private["ed25519_d"]).try_into().unwrap());
            key.sign(message).to_bytes().to_vec()
        }
        "hmac" => hs256(&unb64(&jwk("hmac")["k"]), message),
        _ => Vec::new(),
    }
}

/// RFC 8017, section 8.2.1.
fn rs256(message: &[u8]) -> Vec<u8> {
    let mut encoded = vec![0xff_u8; 256];
    encoded[0] = 0;
    encoded[1] = 1;
    encoded[256 - 52] = 0;
    encoded[256 - 51..256 - 32].copy_from_slice(&super::super::rsa::SHA256_DIGEST_INFO);
    encoded[256 - 32..].copy_from_slice(&Sha256::digest(message));
    power(&encoded)
}

/// The private operation on any number: what a holder of the key could be made to sign.
pub(super) fn power(encoded: &[u8]) -> Vec<u8> {
    let modulus = BoxedUint::from_be_slice_vartime(&unb64(&jwk("rsa")["n"]));
    let params = BoxedMontyParams::new_vartime(Odd::new(modulus).unwrap());
    let exponent = BoxedUint::from_be_slice_vartime(&unb64(&fixture()["private"]["rsa_d"]));
    let base = BoxedMontyForm::new(BoxedUint::from_be_slice_vartime(encoded), &params);
    base.pow(&exponent).retrieve().to_be_bytes().to_vec()
}
