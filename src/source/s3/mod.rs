//! A source for buckets of S3 and S3-compatible stores.
//!
//! It returns the metadata from the headers of the response, and the body as an unread stream. No connection is made
//! before the first request. No error, log line or `Debug` output contains the bucket, or more of the store's response
//! than its error code.

mod client;
mod failure;
mod https;
mod presigned;

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use futures_util::stream;
use tokio::sync::OnceCell;

use crate::query::Focus;

use super::etag::{is_made_up, normalize_etag};
use super::{
    BoxFuture, ByteStream, Content, GetOptions, GetResult, Object, ObjectMeta, OpenError, Source, SourceError,
    SourceSettings, has_plain_segments,
};
pub(crate) use client::start as start_client;
pub(crate) use https::Https;
pub use presigned::{Fetcher, Presigned, code_in};

/// The key of the object metadata that lists cache tags.
const CACHE_TAGS: &str = "cache-tag";

/// The header in which S3 returns that metadata.
const CACHE_TAGS_HEADER: &str = "x-amz-meta-cache-tag";

/// The key of the object metadata that names the focus.
const FOCUS: &str = "focus";

/// The header in which S3 returns that metadata.
const FOCUS_HEADER: &str = "x-amz-meta-focus";

/// A bucket with an optional prefix.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Place {
    bucket: String,
    /// The prefix of every key; empty, or with a trailing slash.
    prefix: String,
}

impl Place {
    /// Parses `bucket` or `bucket/prefix`.
    ///
    /// # Errors
    /// [`OpenError`] if the bucket or the prefix is invalid.
    pub(crate) fn new(place: &str) -> Result<Self, OpenError> {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if bucket.is_empty() || !bucket.bytes().all(allowed) {
            return Err(OpenError::Bucket);
        }
        let segments = prefix.strip_suffix('/').unwrap_or(prefix);
        if !prefix.is_empty() && !has_plain_segments(segments) {
            return Err(OpenError::Prefix);
        }
        let prefix = if prefix.is_empty() || prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }

    /// The name of the bucket.
    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The full key of `name`, including the prefix.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// A bucket of originals with an optional prefix.
pub struct S3 {
    place: Place,
    settings: SourceSettings,
    client: OnceCell<Client>,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").finish_non_exhaustive()
    }
}

impl S3 {
    /// Creates a source from `bucket` or `bucket/prefix`.
    ///
    /// # Errors
    /// [`OpenError`] if the bucket or the prefix is invalid.
    pub fn new(place: &str, settings: SourceSettings) -> Result<Self, OpenError> {
        Ok(Self { place: Place::new(place)?, settings, client: OnceCell::new() })
    }

    async fn get(&self, options: GetOptions<'_>) -> Result<GetResult, SourceError> {
        if !options.key.is_plain() {
            return Err(SourceError::NotFound);
        }
        let client = self.client.get_or_init(|| client::start(&self.settings)).await;
        let key = self.place.key(options.key.as_str());
        let mut request = client.get_object().bucket(self.place.bucket()).key(key);
        request = request.set_version_id(options.version.map(str::to_owned));
        request = request
            .set_if_none_match(options.if_none_match.filter(|tag| !is_made_up(tag)).map(|tag| format!("\"{tag}\"")));
        match request.send().await {
            Ok(output) => Ok(GetResult::Object(object(output))),
            Err(error) => match failure::not_modified(&error) {
                Some(meta) => Ok(GetResult::NotModified(meta)),
                None => Err(failure::of(&error, self.settings.denied)),
            },
        }
    }
}

impl Source for S3 {
    fn check(&self) -> BoxFuture<'_, Result<(), OpenError>> {
        Box::pin(client::check(&self.settings))
    }

    fn parameters(&self) -> &'static [&'static str] {
        if self.settings.versions { &["versionId"] } else { &[] }
    }

    fn open<'a>(&'a self, options: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(self.get(options))
    }
}

fn object(output: GetObjectOutput) -> Object {
    let modified = output.last_modified.and_then(|time| SystemTime::try_from(time).ok());
    let length = output.content_length.and_then(|length| u64::try_from(length).ok());
    let mut metadata = output.metadata.unwrap_or_default();
    let meta = ObjectMeta {
        etag: normalize_etag(output.e_tag.as_deref(), modified, length),
        modified,
        length,
        cache_control: output.cache_control,
        cache_tags: metadata.remove(CACHE_TAGS),
        focus: metadata.get(FOCUS).and_then(|text| Focus::parse(text)),
        is_partial: false,
    };
    Object { meta, content: Content::Stream(pieces(output.body)) }
}

/// Converts a body of the SDK into a [`ByteStream`].
pub(crate) fn pieces(body: aws_sdk_s3::primitives::ByteStream) -> ByteStream {
    Box::pin(stream::try_unfold(body, |mut body| async move {
        match body.next().await {
            Some(Ok(piece)) => Ok(Some((piece, body))),
            Some(Err(_)) => Err(SourceError::Failed("the download was interrupted".to_owned())),
            None => Ok(None),
        }
    }))
}

/// The connection timeout. The deadline of the request applies in addition to all of these.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The timeout until the response begins.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_a_bucket_and_a_prefix() {
        let table = [
            ("photos", Some(("photos", ""))),
            ("photos/", Some(("photos", ""))),
            ("photos/2026/may", Some(("photos", "2026/may/"))),
            ("photos/2026/", Some(("photos", "2026/"))),
            ("", None),
            ("/prefix", None),
            ("photos//", None),
            ("photos/a//b", None),
            ("photos/../other", None),
            ("photos/./a/", None),
            ("bucket?x", None),
            ("user:secret@bucket", None),
        ];
        for (place, expected) in table {
            let made = S3::new(place, SourceSettings::default());
            let parts = made.as_ref().ok().map(|s3| (s3.place.bucket.as_str(), s3.place.prefix.as_str()));
            assert_eq!(parts, expected, "{place}");
            assert!(!format!("{made:?}").contains("photos"), "no bucket is shown");
        }
    }
}
