//! An original behind a presigned URL of S3, as S3 Object Lambda passes it to its function.
//!
//! The URL is a credential: it is never part of an error, a log line or `Debug` output.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::primitives::{ByteStream as SdkStream, SdkBody};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::https::Https;
use crate::query::Focus;

use super::{CACHE_TAGS_HEADER, FOCUS_HEADER, failure, pieces};
use crate::source::etag::{is_made_up, normalize_etag};
use crate::source::retry::{ATTEMPTS, is_passing, pause_after};
use crate::source::{
    AccessDenied, BoxFuture, Content, GetOptions, GetResult, Object, ObjectMeta, Source, SourceError,
    is_out_of_descriptors,
};

/// The number of bytes of an error document that are searched for the error code.
const ERROR_DOCUMENT: usize = 8 * 1024;

/// Sends presigned requests unchanged. The client is created with the first request.
#[derive(Debug, Default)]
pub struct Fetcher(OnceLock<Https>);

impl Fetcher {
    async fn send(&self, method: &Method, url: &str, headers: &HeaderMap) -> Result<HttpResponse, SourceError> {
        let unfit = |_| SourceError::Failed("the presigned URL is invalid".to_owned());
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_method(method.as_str()).map_err(|_| SourceError::Failed("invalid method".to_owned()))?;
        request.set_uri(url).map_err(unfit)?;
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            request.headers_mut().try_append(name.as_str().to_owned(), value).map_err(unfit)?;
        }
        self.0.get_or_init(Https::new).call(request).await.map_err(|error| match error {
            error if error.is_timeout() => SourceError::TimedOut,
            error if is_out_of_descriptors(&error) => SourceError::OutOfDescriptors,
            _ => {
                SourceError::Failed("the store is unreachable, or closed the connection before it responded".to_owned())
            }
        })
    }

    /// Sends a request, and retries until the response is final.
    async fn ask(&self, method: &Method, url: &str, headers: &HeaderMap) -> Result<HttpResponse, SourceError> {
        for attempt in 1.. {
            let answer = self.send(method, url, headers).await;
            let passing = match &answer {
                Ok(response) => is_passing(response.status().as_u16()),
                Err(error) => *error == SourceError::TimedOut || matches!(error, SourceError::Failed(_)),
            };
            if !passing || attempt == ATTEMPTS {
                return answer;
            }
            pause_after(attempt).await;
        }
        Err(SourceError::TimedOut)
    }
}

/// An original behind a presigned URL.
pub struct Presigned {
    fetcher: Arc<Fetcher>,
    method: Method,
    url: String,
    /// The headers that the signature covers, which must be sent.
    headers: HeaderMap,
    /// A header that the signature covers and the caller did not send.
    missing: Option<HeaderName>,
    received: OnceLock<HeaderMap>,
}

impl fmt::Debug for Presigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presigned").finish_non_exhaustive()
    }
}

impl Presigned {
    /// Creates a source for a URL that is presigned for `method`. The caller's headers that the signature covers are
    /// forwarded.
    pub fn new(fetcher: Arc<Fetcher>, method: Method, url: String, callers: &HeaderMap) -> Self {
        let (mut headers, mut missing) = (HeaderMap::new(), None);
        for name in signed_headers(&url) {
            match callers.get(&name) {
                Some(value) => drop(headers.insert(name, value.clone())),
                None => missing = Some(name),
            }
        }
        Self { fetcher, method, headers, missing, url, received: OnceLock::new() }
    }

    /// Requests the URL, unless a signed header is missing.
    async fn ask(&self, headers: &HeaderMap) -> Result<HttpResponse, SourceError> {
        match &self.missing {
            Some(name) => Err(SourceError::Unsigned(name.to_string())),
            None => self.fetcher.ask(&self.method, &self.url, headers).await,
        }
    }

    /// The headers of the store's response.
    pub fn received(&self) -> Option<&HeaderMap> {
        self.received.get()
    }

    /// Fetches the response body, whatever its status, up to `most` bytes.
    ///
    /// # Errors
    /// [`SourceError`] if there is no response, or a longer one.
    pub async fn fetch(&self, most: usize) -> Result<(u16, Vec<u8>), SourceError> {
        let response = self.ask(&self.headers).await?;
        let status = response.status().as_u16();
        let body = SdkStream::new(response.into_body());
        let object = Object { meta: ObjectMeta::default(), content: Content::Stream(pieces(body)) };
        Ok((status, object.read(most as u64).await?.to_vec()))
    }

    async fn get(&self, options: GetOptions<'_>) -> Result<GetResult, SourceError> {
        let mut headers = self.headers.clone();
        let held =
            options.if_none_match.filter(|tag| !is_made_up(tag)).map(|tag| HeaderValue::try_from(format!("\"{tag}\"")));
        if let Some(Ok(value)) = held {
            headers.entry(header::IF_NONE_MATCH).or_insert(value);
        }
        let response = self.ask(&headers).await?;
        let received = received(&response);
        let text = |name: header::HeaderName| received.get(name).and_then(|value| value.to_str().ok());
        let modified = text(header::LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
        let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let etag = normalize_etag(text(header::ETAG), modified, length);
        let status = response.status().as_u16();
        match status {
            // A range that the signature covers must be requested, and may cover all bytes.
            206 if self.method != Method::HEAD && !is_whole(text(header::CONTENT_RANGE).unwrap_or_default()) => {
                Err(SourceError::Partial)
            }
            200 | 206 => {
                let owned = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
                let cache_control = received.get(header::CACHE_CONTROL).and_then(owned);
                let cache_tags = received.get(CACHE_TAGS_HEADER).and_then(owned);
                let focus = received.get(FOCUS_HEADER).and_then(owned).and_then(|text| Focus::parse(&text));
                let meta = ObjectMeta { etag, modified, length, cache_control, cache_tags, focus, is_partial: false };
                let _ = self.received.set(received);
                let content = match self.method {
                    Method::HEAD => Content::Unavailable,
                    _ => Content::Stream(pieces(SdkStream::new(response.into_body()))),
                };
                Ok(GetResult::Object(Object { meta, content }))
            }
            304 => Ok(GetResult::NotModified(ObjectMeta {
                etag: normalize_etag(text(header::ETAG), None, None),
                modified,
                is_partial: true,
                ..ObjectMeta::default()
            })),
            _ => {
                let request_id = received.get("x-amz-request-id").and_then(|value| value.to_str().ok());
                let request_id = request_id.unwrap_or_default().to_owned();
                let code = error_code(response).await;
                // S3 has already authorised the caller.
                Err(failure::classify_error(status, &code, &request_id, AccessDenied::Forbidden))
            }
        }
    }
}

impl Source for Presigned {
    fn open<'a>(&'a self, options: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(self.get(options))
    }
}

/// The headers that the signature of a URL covers, except `host`, which is part of the URL.
fn signed_headers(url: &str) -> Vec<HeaderName> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let names = pairs.find(|(name, _)| name.eq_ignore_ascii_case("X-Amz-SignedHeaders")).map(|(_, value)| value);
    let names = names.iter().flat_map(|names| names.split(';')).filter(|name| !name.eq_ignore_ascii_case("host"));
    names.filter_map(|name| HeaderName::try_from(name).ok()).collect()
}

/// Whether a `Content-Range` covers all bytes.
fn is_whole(range: &str) -> bool {
    let numbers = || {
        let (part, length) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = part.split_once('-')?;
        Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, length.parse::<u64>().ok()?))
    };
    numbers().is_some_and(|(first, last, length)| first == 0 && last.checked_add(1) == Some(length))
}

fn received(response: &HttpResponse) -> HeaderMap {
    let pairs = response.headers().iter();
    pairs
        .filter_map(|(name, value)| Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?)))
        .collect()
}

/// Extracts the code from an error document without parsing it as XML.
async fn error_code(response: HttpResponse) -> String {
    let mut body = SdkStream::new(response.into_body());
    let mut document = Vec::new();
    while let Some(Ok(piece)) = body.next().await {
        document.extend_from_slice(&piece);
        if document.len() > ERROR_DOCUMENT {
            break;
        }
    }
    code_in(&String::from_utf8_lossy(&document)).unwrap_or_default().to_owned()
}

/// The text between `<Code>` and its end tag, if it is a word.
pub fn code_in(document: &str) -> Option<&str> {
    let (code, _) = document.split_once("<Code>")?.1.split_once("</Code>")?;
    (code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_headers_are_those_of_the_url() {
        let table: [(&str, &[&str]); 5] = [
            ("https://b.example/k?X-Amz-SignedHeaders=host&w=3", &[]),
            ("https://b.example/k?X-Amz-SignedHeaders=host%3Bx-amz-checksum-mode", &["x-amz-checksum-mode"]),
            ("https://b.example/k?a=1&x-amz-signedheaders=Host;range;a%20b", &["range"]),
            ("https://b.example/k", &[]),
            ("https://b.example/k?X-Amz-SignedHeaders=", &[]),
        ];
        for (url, names) in table {
            assert_eq!(signed_headers(url), names, "{url}");
        }
        let mut callers = HeaderMap::new();
        callers.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
        callers.insert("authorization", HeaderValue::from_static("secret"));
        let made = Presigned::new(Arc::default(), Method::GET, table[1].0.to_owned(), &callers);
        assert_eq!(
            (made.headers.len(), &made.headers["x-amz-checksum-mode"]),
            (1, &HeaderValue::from_static("ENABLED"))
        );
        assert_eq!(made.missing, None);
        assert_eq!(format!("{made:?}"), "Presigned { .. }");
        let made = Presigned::new(Arc::default(), Method::GET, table[1].0.to_owned(), &HeaderMap::new());
        assert_eq!(made.missing.unwrap(), "x-amz-checksum-mode");
    }

    #[test]
    fn all_bytes_are_no_part() {
        let table = [
            ("bytes 0-9/10", true),
            ("bytes 0-8/10", false),
            ("bytes 1-9/10", false),
            ("bytes 0-9/*", false),
            ("bytes 0-18446744073709551615/0", false),
            ("", false),
        ];
        for (range, whole) in table {
            assert_eq!(is_whole(range), whole, "{range}");
        }
    }

    #[test]
    fn codes_are_words() {
        assert_eq!(code_in("<?xml?><Error><Code>NoSuchKey</Code><Message>x"), Some("NoSuchKey"));
        for document in ["", "<Code>", "</Code><Code>", "<Code>a b</Code>", "<Code>x</code>"] {
            assert_eq!(code_in(document), None, "{document}");
        }
    }
}
