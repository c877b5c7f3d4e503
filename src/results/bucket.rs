//! A result store in S3 or an S3-compatible store: one object for each result, with its [`Record`] as object metadata.
//!
//! A claim is an empty object below `claims/` that exists only while its picture is rendered. Its metadata contains the time at
//! which it was written, so that one whose process was killed ends as well.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::{Claim, Content, IN_MEMORY, Record, ResultId, ResultStore, StoreError, Stored, StoredResult, Written};
use crate::aws_api::excerpt;
use crate::source::s3::{self, Place};
use crate::source::{ByteStream, SourceError, SourceSettings};

/// The key of the object metadata that contains the record.
const RECORD: &str = "image-origin";

/// The age in seconds from which on an object is no longer being written.
const SETTLED: u64 = 2;

/// The key of the object metadata that contains the time of a claim, in milliseconds since 1970.
const CLAIMED: &str = "image-origin-claimed";

/// The lifetime of a result for browsers and CDNs that read the bucket directly: its name changes with its bytes.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// Results as objects in a bucket.
pub(crate) struct Bucket {
    place: Place,
    settings: SourceSettings,
    client: OnceCell<Client>,
}

impl Bucket {
    /// Creates a store in this bucket and prefix.
    pub(crate) fn new(place: Place, settings: SourceSettings) -> Self {
        Self { place, settings, client: OnceCell::new() }
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(|| s3::start_client(&self.settings)).await
    }

    async fn read(&self, id: &ResultId) -> Result<Option<Stored>, StoreError> {
        let request = self.client().await.get_object().bucket(self.place.bucket()).key(self.place.key(&id.path()));
        let output = match request.send().await {
            Ok(output) => output,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(refused(&error)),
        };
        let written = output.last_modified().map_or(0, aws_sdk_s3::primitives::DateTime::secs);
        let Some(record) = record(&output) else { return self.discard(id, written).await };
        if record.length > IN_MEMORY {
            let content = Content::Stream(verified(s3::pieces(output.body), record));
            return Ok(Some(Stored { record, content }));
        }
        let bytes = read_all(s3::pieces(output.body), record.length).await?;
        if !record.fits(&bytes) {
            return self.discard(id, written).await;
        }
        Ok(Some(Stored { record, content: Content::Memory(bytes.into()) }))
    }

    /// Removes a damaged result, which would otherwise be read for every request, and never be replaced. One that was
    /// `written` just now, in seconds since 1970, is not there yet: not every store shows an object only when all of it is.
    async fn discard(&self, id: &ResultId, written: i64) -> Result<Option<Stored>, StoreError> {
        if since_1970(SystemTime::now()).as_secs().saturating_sub(written.unsigned_abs()) < SETTLED {
            return Ok(None);
        }
        if let Err(error) = self.delete(&id.path()).await {
            tracing::debug!(%error, "a damaged result was not removed");
        }
        Err(StoreError::Damaged)
    }

    async fn write(&self, id: &ResultId, record: &Record, bytes: Bytes) -> Result<Written, StoreError> {
        let request = self
            .client()
            .await
            .put_object()
            .bucket(self.place.bucket())
            .key(self.place.key(&id.path()))
            // Another process may have stored the result first. Results with the same name are equal, so the first one
            // is kept.
            .if_none_match("*")
            .content_type(record.media_type)
            .cache_control(CACHE_CONTROL)
            .metadata(RECORD, record.to_text())
            .body(bytes.into());
        match request.send().await {
            Ok(_) => Ok(Written::Stored),
            // 409: a concurrent write to the same name.
            Err(error) if matches!(status(&error), Some(409 | 412)) => Ok(Written::AlreadyThere),
            Err(error) => Err(refused(&error)),
        }
    }
}

impl Bucket {
    async fn write_claim(&self, id: &ResultId, max_age: Duration) -> Result<Option<Claim>, StoreError> {
        let (client, bucket) = (self.client().await, self.place.bucket());
        let key = self.place.key(&format!("claims/{}", id.path()));
        let now = SystemTime::now();
        let request = client.put_object().bucket(bucket).key(&key).if_none_match("*");
        match request.metadata(CLAIMED, since_1970(now).as_millis().to_string()).send().await {
            Ok(_) => {}
            Err(error) if matches!(status(&error), Some(409 | 412)) => {
                let claimed = match client.head_object().bucket(bucket).key(&key).send().await {
                    Ok(found) => found.metadata().and_then(|metadata| metadata.get(CLAIMED)?.parse().ok()),
                    // It has just ended, so the result may be there.
                    Err(error) if is_missing(&error) => return Ok(None),
                    Err(error) => return Err(refused(&error)),
                };
                let age = since_1970(now).saturating_sub(Duration::from_millis(claimed.unwrap_or(0)));
                if age < max_age {
                    return Ok(None);
                }
                // Its process was killed or is slow. Whoever renders the picture removes the claim.
            }
            Err(error) => return Err(refused(&error)),
        }
        let delete = client.delete_object().bucket(bucket).key(key);
        let claim = Claim::new(async move {
            if let Err(error) = delete.send().await {
                tracing::debug!(error = %refused(&error), "a claim was not removed, and will expire");
            }
        });
        // The claim's last holder may have stored the result between the lookup and now. It did so before it ended the claim.
        match client.head_object().bucket(bucket).key(self.place.key(&id.path())).send().await {
            Ok(_) => {
                claim.release().await;
                Ok(None)
            }
            Err(error) if is_missing(&error) => Ok(Some(claim)),
            Err(error) => Err(refused(&error)),
        }
    }

    async fn find(&self, prefix: &str) -> Result<Vec<StoredResult>, StoreError> {
        let place = self.place.key("");
        let mut request =
            self.client().await.list_objects_v2().bucket(self.place.bucket()).prefix(self.place.key(prefix));
        let mut found = Vec::new();
        loop {
            let output = request.clone().send().await.map_err(|error| refused(&error))?;
            found.extend(output.contents().iter().filter_map(|object| {
                let path = object.key()?.strip_prefix(&place)?.to_owned();
                Some(StoredResult { path, bytes: u64::try_from(object.size()?).ok()? })
            }));
            match output.next_continuation_token {
                Some(token) => request = request.continuation_token(token),
                None => return Ok(found),
            }
        }
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        let request = self.client().await.delete_object().bucket(self.place.bucket()).key(self.place.key(path));
        request.send().await.map(drop).map_err(|error| refused(&error))
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn record(output: &GetObjectOutput) -> Option<Record> {
    let record = Record::from_text(output.metadata()?.get(RECORD)?)?;
    (u64::try_from(output.content_length?).ok()? == record.length).then_some(record)
}

async fn read_all(mut pieces: ByteStream, length: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(length as usize);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| StoreError::Refused(format!("broke off: {error}")))?;
        if bytes.len() as u64 + piece.len() as u64 > length {
            return Err(StoreError::Damaged);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Delays each piece until the next one has arrived, so that the last one is sent only if the digest of all pieces
/// matches the record. Otherwise a client that knows the length receives an incomplete response instead of a wrong one.
fn verified(pieces: ByteStream, record: Record) -> ByteStream {
    struct State {
        pieces: ByteStream,
        held: Option<Bytes>,
        digest: Sha256,
        record: Record,
        left: u64,
    }
    let state = State { pieces, held: None, digest: Sha256::new(), record, left: record.length };
    Box::pin(stream::try_unfold(Some(state), |state| async move {
        let Some(mut state) = state else { return Ok(None) };
        let damaged = || SourceError::Failed(StoreError::Damaged.to_string());
        loop {
            let Some(piece) = state.pieces.next().await.transpose()? else {
                let is_same = state.left == 0 && *state.digest.finalize() == state.record.digest;
                return if is_same { Ok(state.held.map(|held| (held, None))) } else { Err(damaged()) };
            };
            state.left = state.left.checked_sub(piece.len() as u64).ok_or_else(damaged)?;
            state.digest.update(&piece);
            if let Some(held) = state.held.replace(piece) {
                return Ok(Some((held, Some(state))));
            }
        }
    }))
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whether the error means that the object is missing. S3 denies access to missing objects unless the caller may list
/// the bucket. A missing read permission is detected when the store is checked.
fn is_missing<E>(error: &SdkError<E>) -> bool {
    matches!(status(error), Some(403 | 404))
}

fn refused<E: ProvideErrorMetadata>(error: &SdkError<E>) -> StoreError {
    let code = error.as_service_error().and_then(|error| error.code());
    StoreError::Refused(match (status(error), code) {
        (Some(status), Some(code)) => format!("responded with {status} {}", excerpt(code)),
        (Some(status), None) => format!("responded with {status}"),
        (None, _) => "did not respond".to_owned(),
    })
}

impl ResultStore for Bucket {
    fn get<'a>(&'a self, id: &'a ResultId) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(self.read(id))
    }

    fn put<'a>(
        &'a self,
        id: &'a ResultId,
        record: &'a Record,
        bytes: Bytes,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        Box::pin(self.write(id, record, bytes))
    }

    fn claim<'a>(&'a self, id: &'a ResultId, max_age: Duration) -> BoxFuture<'a, Result<Option<Claim>, StoreError>> {
        Box::pin(self.write_claim(id, max_age))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredResult>, StoreError>> {
        Box::pin(self.find(prefix))
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.delete(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed(pieces: &[&'static [u8]]) -> ByteStream {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect();
        Box::pin(stream::iter(pieces))
    }

    #[tokio::test]
    async fn the_last_piece_is_sent_when_all_are_right() {
        let record = Record::of("image/png", None, b"123456789");
        let table: [(&[&[u8]], &str, bool); 6] = [
            (&[b"123", b"456", b"789"], "123456789", true),
            (&[b"123456789"], "123456789", true),
            (&[b"123", b"456", b"780"], "123456", false),
            (&[b"123", b"456"], "123", false),
            (&[b"123", b"456", b"789", b"0"], "123456", false),
            (&[], "", false),
        ];
        for (pieces, expected, is_good) in table {
            let sent: Vec<_> = verified(streamed(pieces), record).collect().await;
            let good = sent.iter().all(Result::is_ok);
            let text: Vec<u8> = sent.into_iter().filter_map(Result::ok).flatten().collect();
            assert_eq!((String::from_utf8(text).unwrap().as_str(), good), (expected, is_good), "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_the_record_announces() {
        assert_eq!(read_all(streamed(&[b"12", b"34"]), 4).await.unwrap(), b"1234");
        assert!(matches!(read_all(streamed(&[b"12", b"345"]), 4).await, Err(StoreError::Damaged)));
    }
}
