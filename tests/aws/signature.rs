//! AWS's signature, version 4, without any code of AWS: checks that of a request without a query, and signs URLs.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::store::{ACCESS_KEY, SECRET_KEY};

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

/// The key for one day, region and service.
fn signing_key(scope: &[&str]) -> Vec<u8> {
    scope.iter().fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| mac(&key, part))
}

/// A URL that is signed for one GET, as S3 hands it to the function. `query` comes after `X-Amz-...` in the alphabet, and
/// the header, if there is one, after `host`.
pub(crate) fn presigned(host: &str, path: &str, query: &str, header: Option<(&str, &str)>) -> String {
    let now = aws_smithy_types::DateTime::from(std::time::SystemTime::now());
    let now = aws_smithy_types::DateTime::from_secs(now.secs());
    let text = now.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap();
    let date = text.replace(['-', ':'], "");
    let scope = [&date[..8], "eu-central-1", "s3", "aws4_request"];
    let (name, line) = header.map_or_else(Default::default, |(name, value)| (name, format!("{name}:{value}\n")));
    let names = if name.is_empty() { "host".to_owned() } else { format!("host;{name}") };
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={ACCESS_KEY}%2F{}&X-Amz-Date={date}&X-Amz-Expires=600&\
         X-Amz-SignedHeaders={}&{query}",
        scope.join("%2F"),
        names.replace(';', "%3B")
    );
    let request = format!("GET\n{path}\n{query}\nhost:{host}\n{line}\n{names}\nUNSIGNED-PAYLOAD");
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{}", scope.join("/"), hex(&Sha256::digest(request)));
    format!("http://{host}{path}?{query}&X-Amz-Signature={}", hex(&mac(&signing_key(&scope), &to_sign)))
}

/// Whether the request is signed by the one who has the test's key, for this service of S3's.
pub(crate) fn is_right(headers: &HeaderMap, method: &str, path: &str, service: &str) -> bool {
    let payload = headers.get("x-amz-content-sha256").map_or("", |value| value.to_str().unwrap());
    signed(headers, method, path, service, payload).is_some_and(|names| names.contains("x-amz-fwd-status"))
}

/// The same for a service that signs the body.
pub(crate) fn is_of(headers: &HeaderMap, method: &str, path: &str, service: &str, body: &[u8]) -> bool {
    signed(headers, method, path, service, &hex(&Sha256::digest(body))).is_some_and(|names| names.contains("host"))
}

/// The names of the headers that are signed, if the signature is good.
fn signed(headers: &HeaderMap, method: &str, path: &str, service: &str, payload: &str) -> Option<String> {
    let text = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
    let authorization = text("authorization");
    let field = |name: &str| authorization.split([' ', ',']).find_map(|part| part.strip_prefix(name)).unwrap_or("");
    let (scope, signed) = (field("Credential="), field("SignedHeaders="));
    let scope = scope.strip_prefix(&format!("{ACCESS_KEY}/"))?;
    let [day, region, named, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else { return None };
    let canonical: String = signed.split(';').map(|name| format!("{name}:{}\n", text(name).trim())).collect();
    let request = format!("{method}\n{path}\n\n{canonical}\n{signed}\n{payload}");
    let digest = hex(&Sha256::digest(request));
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{digest}", text("x-amz-date"));
    let key = signing_key(&[day, region, named, "aws4_request"]);
    let is_good = named == service && hex(&mac(&key, &to_sign)) == field("Signature=");
    is_good.then(|| signed.to_owned())
}
