//! Checks AWS's signature, version 4, of a request that has no query, without any code of AWS.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};

use crate::store::{ACCESS_KEY, SECRET_KEY};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Whether the request is signed by the one who has the test's key, for this service.
pub(crate) fn is_right(headers: &HeaderMap, method: &str, path: &str, service: &str) -> bool {
    let text = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
    let authorization = text("authorization");
    let field = |name: &str| authorization.split([' ', ',']).find_map(|part| part.strip_prefix(name)).unwrap_or("");
    let (scope, signed) = (field("Credential="), field("SignedHeaders="));
    let Some(scope) = scope.strip_prefix(&format!("{ACCESS_KEY}/")) else { return false };
    let [day, region, named, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else { return false };
    let canonical: String = signed.split(';').map(|name| format!("{name}:{}\n", text(name).trim())).collect();
    let payload = text("x-amz-content-sha256");
    let request = format!("{method}\n{path}\n\n{canonical}\n{signed}\n{payload}");
    let digest = hex(&Sha256::digest(request));
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{digest}", text("x-amz-date"));
    let key = mac(format!("AWS4{SECRET_KEY}").as_bytes(), day);
    let key = [region, named, "aws4_request"].iter().fold(key, |key, part| mac(&key, part));
    named == service && signed.contains("x-amz-fwd-status") && hex(&mac(&key, &to_sign)) == field("Signature=")
}
