//! Signatures of requests to AWS APIs that no SDK crate here calls (Signature Version 4 and 4A).

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningParams, sign};

/// The headers that sign a request.
///
/// # Errors
/// The reason why the request cannot be signed.
pub(crate) fn headers<'a>(
    method: &'a str,
    uri: &'a str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: &'a str,
    parameters: &'a SigningParams<'a>,
) -> Result<Vec<(String, String)>, String> {
    let body = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new(method, uri, headers, body).map_err(|error| error.to_string())?;
    let (instructions, _) = sign(request, parameters).map_err(|error| error.to_string())?.into_parts();
    let (headers, _) = instructions.into_parts();
    Ok(headers.into_iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
}
