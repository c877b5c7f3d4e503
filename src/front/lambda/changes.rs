//! Notifications of changed originals, which S3 sends by EventBridge and SQS, by EventBridge, or directly.
//!
//! Input: one notification, or an SQS batch of up to some thousands. Output: one call to CloudFront for all of them. A
//! batch whose invalidation fails is returned to the queue; so is a malformed message, which ends up in the dead-letter
//! queue.

use aws_sdk_s3::Client;
use futures_util::{StreamExt as _, stream};
use lambda_http::Context;
use lambda_http::lambda_runtime::Diagnostic;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::Deadlines;
use crate::front::{Invalidate, InvalidateBy, InvalidationSettings};
use crate::purge::{self, Batch, CloudFront};
use crate::source::s3::{self, Place};
use crate::source::{RouteSettings, SourceSettings};

/// A message that is not a notification of a changed original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The notifications of one event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changes {
    /// Messages of SQS, each with the id by which it is returned to the queue.
    Queued(Vec<(String, Result<Vec<Change>, Unreadable>)>),
    /// Notifications that cannot be returned individually.
    Direct(Vec<Change>),
}

/// A created or deleted object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    bucket: String,
    key: String,
    /// Whether the object was created, not deleted.
    is_written: bool,
}

impl Changes {
    /// Parses an event; `None` if it is of another kind.
    pub(super) fn read(event: &Map<String, Value>) -> Option<Result<Self, Unreadable>> {
        if event.contains_key("detail-type") {
            return Some(of_event_bridge(event).map(Self::Direct));
        }
        let records = event.get("Records")?.as_array()?;
        let source = |record: &Value| record["eventSource"].as_str().map(str::to_owned);
        match records.first().and_then(source)?.as_str() {
            "aws:sqs" => Some(records.iter().map(queued).collect::<Result<_, _>>().map(Self::Queued)),
            "aws:s3" => Some(of_s3(event).map(Self::Direct)),
            _ => None,
        }
    }
}

fn queued(record: &Value) -> Result<(String, Result<Vec<Change>, Unreadable>), Unreadable> {
    let id = record["messageId"].as_str().ok_or(Unreadable)?.to_owned();
    let body = record["body"].as_str().and_then(|body| serde_json::from_str::<Map<String, Value>>(body).ok());
    let changes = body.ok_or(Unreadable).and_then(|body| {
        let of_bridge = body.contains_key("detail-type");
        if of_bridge { of_event_bridge(&body) } else { of_s3(&body) }
    });
    Ok((id, changes))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
fn of_event_bridge(event: &Map<String, Value>) -> Result<Vec<Change>, Unreadable> {
    let detail = event.get("detail").ok_or(Unreadable)?;
    let is_written = match event.get("detail-type").and_then(Value::as_str) {
        Some("Object Created") => true,
        Some("Object Deleted") => {
            // A lifecycle rule removes noncurrent versions, which no response depends on.
            let is_lifecycle = detail["reason"] == "Lifecycle Expiration";
            let is_version = detail["object"]["version-id"].as_str().is_some_and(|version| version != "null");
            if is_lifecycle && is_version && detail["deletion-type"] == "Permanently Deleted" {
                return Ok(Vec::new());
            }
            false
        }
        // Changes of tags, access control lists and storage classes do not affect images.
        Some(_) => return Ok(Vec::new()),
        None => return Err(Unreadable),
    };
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(Unreadable);
    Ok(vec![Change { bucket: text(&detail["bucket"]["name"])?, key: text(&detail["object"]["key"])?, is_written }])
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
fn of_s3(event: &Map<String, Value>) -> Result<Vec<Change>, Unreadable> {
    if event.get("Event").is_some_and(|event| event == "s3:TestEvent") {
        return Ok(Vec::new());
    }
    let records = event.get("Records").and_then(Value::as_array).ok_or(Unreadable)?;
    let change = |record: &Value| {
        let object = &record["s3"];
        let bucket = object["bucket"]["name"].as_str().ok_or(Unreadable)?.to_owned();
        // The key is form-encoded, unlike in EventBridge events.
        let encoded = object["object"]["key"].as_str().ok_or(Unreadable)?.replace('+', " ");
        let key = percent_encoding::percent_decode_str(&encoded).decode_utf8().map_err(|_| Unreadable)?.into_owned();
        Ok(Change { bucket, key, is_written: is(record, "ObjectCreated:") })
    };
    let is_change = |record: &&Value| is(record, "ObjectCreated:") || is(record, "ObjectRemoved:");
    records.iter().filter(is_change).map(change).collect()
}

fn is(record: &Value, kind: &str) -> bool {
    record["eventName"].as_str().is_some_and(|name| name.starts_with(kind))
}

/// A bucket with originals, their prefix, and what URLs call them.
#[derive(Clone)]
pub(super) struct Bucket {
    place: Place,
    settings: SourceSettings,
    client: OnceCell<Client>,
    /// The folder in URLs that the source is for.
    folder: String,
    /// The host that decides about the source.
    host: Option<String>,
    /// The beginning of URLs' keys that the bucket's keys lack.
    strip_prefix: String,
}

/// The number of concurrent requests for object versions.
const QUESTIONS: usize = 32;

/// A changed original.
#[derive(Debug, PartialEq, Eq)]
struct ChangedOriginal {
    /// The name by which URLs know it, as in [`Located::name`](crate::source::Located::name).
    name: String,
    /// The key in the bucket.
    key: String,
    is_written: bool,
}

impl Bucket {
    pub(super) fn new(place: Place, settings: SourceSettings, source: &RouteSettings) -> Self {
        let RouteSettings { folder, host, strip_prefix, .. } = source.clone();
        Self { place, settings, client: OnceCell::new(), folder, host, strip_prefix }
    }

    /// The changes of originals in this bucket that its source is for.
    fn originals(&self, changes: &[Change]) -> Vec<ChangedOriginal> {
        let prefix = self.place.key("");
        let original = |change: &Change| {
            let key = change.key.strip_prefix(&prefix).filter(|_| change.bucket == self.place.bucket())?;
            let path =
                if self.strip_prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.strip_prefix) };
            let is_inside =
                self.folder.is_empty() || path.strip_prefix(&*self.folder).is_some_and(|rest| rest.starts_with('/'));
            let name = self.host.as_ref().map_or_else(|| path.clone(), |host| format!("//{host}/{path}"));
            let (key, is_written) = (change.key.clone(), change.is_written);
            is_inside.then_some(ChangedOriginal { name, key, is_written })
        };
        changes.iter().filter_map(original).collect()
    }

    /// Removes originals that did not exist before. Originals whose versions are unknown are kept.
    async fn replaced(&self, changes: Vec<ChangedOriginal>) -> Vec<ChangedOriginal> {
        let asked = stream::iter(changes).map(|change| async move {
            let is_new = change.is_written && self.is_new(&change.key).await;
            (!is_new).then_some(change)
        });
        asked.buffer_unordered(QUESTIONS).filter_map(std::future::ready).collect().await
    }

    async fn is_new(&self, key: &str) -> bool {
        let client = self.client.get_or_init(|| s3::start_client(&self.settings)).await;
        // Keys that begin with this key are listed after it.
        let request = client.list_object_versions().bucket(self.place.bucket()).prefix(key).max_keys(2);
        match request.send().await {
            Ok(output) => {
                let versions = output.versions().iter().filter(|version| version.key() == Some(key));
                let has_versions = output.versions().iter().any(|version| version.version_id() != Some("null"));
                has_versions && versions.count() == 1
            }
            Err(_) => {
                tracing::warn!("cannot list the versions of an original; treating it as replaced");
                false
            }
        }
    }
}

/// Creates CloudFront invalidations for changes.
pub(super) struct Invalidator {
    settings: Option<InvalidationSettings>,
    /// The endpoint of CloudFront's API if it is not the default.
    endpoint: Option<String>,
    /// The buckets with originals; changes of other objects are ignored. Without any, all are those of originals.
    buckets: Vec<Bucket>,
    cloudfront: OnceCell<CloudFront>,
}

impl Invalidator {
    pub(super) fn new(settings: Option<InvalidationSettings>, endpoint: Option<String>, buckets: Vec<Bucket>) -> Self {
        Self { settings, endpoint, buckets, cloudfront: OnceCell::new() }
    }

    /// Creates invalidations, and responds with the messages to be retried.
    pub(super) async fn answer(
        &self,
        changes: Changes,
        context: &Context,
        deadlines: Deadlines,
    ) -> Result<Value, Diagnostic> {
        match changes {
            Changes::Direct(changes) => {
                self.tell(changes, &context.request_id, deadlines).await?;
                Ok(json!({}))
            }
            Changes::Queued(messages) => {
                let mut failed: Vec<&str> = Vec::new();
                let (mut read, mut told) = (Vec::new(), Vec::new());
                for (id, changes) in &messages {
                    match changes {
                        Ok(changes) => {
                            read.extend(changes.iter().cloned());
                            told.push(id.as_str());
                        }
                        Err(Unreadable) => failed.push(id),
                    }
                }
                if !failed.is_empty() {
                    tracing::error!(
                        count = failed.len(),
                        "the queue has messages that are not notifications of changed originals"
                    );
                }
                if let Err(problem) = self.tell(read, &context.request_id, deadlines).await {
                    tracing::error!(
                        count = told.len(),
                        problem = problem.error_message,
                        "returning messages to the queue"
                    );
                    failed.extend(told);
                }
                let items: Vec<Value> = failed.into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
                Ok(json!({ "batchItemFailures": items }))
            }
        }
    }

    async fn tell(&self, changes: Vec<Change>, request_id: &str, deadlines: Deadlines) -> Result<(), Diagnostic> {
        let failed = |kind: &str, reason: String| Diagnostic { error_type: kind.to_owned(), error_message: reason };
        let Some(settings) = &self.settings else {
            let reason = "an original has changed, but the setting lambda_distribution is not set";
            return Err(failed("NoDistribution", reason.to_owned()));
        };
        let messages = changes.len();
        let mut names = Vec::new();
        for bucket in &self.buckets {
            let mut originals = bucket.originals(&changes);
            if settings.which == Invalidate::Replaced {
                originals = bucket.replaced(originals).await;
            }
            names.extend(originals.into_iter().map(|original| original.name));
        }
        if self.buckets.is_empty() {
            names.extend(changes.into_iter().map(|change| change.key));
        }
        let targets = purge::changed(names);
        let item = |target: &purge::Target| match settings.by {
            InvalidateBy::Tags => target.by_tag(),
            InvalidateBy::Paths => target.by_path(),
        };
        // Keys that consist of slashes have no responses.
        let items: Vec<String> = targets.iter().filter_map(|target| item(target).ok()).collect();
        let cloudfront = self.cloudfront.get_or_init(|| CloudFront::start(self.endpoint.as_deref())).await;
        for batch in Batch::grouped(items, request_id) {
            let waiting = |error: &purge::InvalidationError, wait: std::time::Duration| {
                tracing::info!(%error, wait_seconds = wait.as_secs_f64(), request_id, "the invalidation has to wait");
            };
            let told = cloudfront.invalidate(&settings.distribution, &batch, deadlines.cancellation, waiting).await;
            let invalidation = told.map_err(|error| failed("Invalidation", error.to_string()))?;
            tracing::info!(messages, items = batch.items.len(), invalidation, request_id, "created an invalidation");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::PlaceSettings;

    fn read(event: &Value) -> Option<Result<Changes, Unreadable>> {
        Changes::read(event.as_object().unwrap())
    }

    fn documented(name: &str) -> Value {
        let path = format!("{}/fixtures/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn change(key: &str) -> Change {
        Change { bucket: "amzn-s3-demo-bucket1".to_owned(), key: key.to_owned(), is_written: key != "example-key" }
    }

    #[test]
    fn the_documented_events_tell_what_has_changed() {
        let direct = |keys: &[&str]| Some(Ok(Changes::Direct(keys.iter().copied().map(change).collect())));
        assert_eq!(read(&documented("object-created")), direct(&["a b+ü.jpg"]));
        assert_eq!(read(&documented("object-deleted")), direct(&["example-key"]));
        assert_eq!(read(&documented("s3-notification")), direct(&["Happy Face+ü.jpg"]));
        let Some(Ok(Changes::Queued(messages))) = read(&documented("queue")) else { panic!() };
        let expected = [Ok(vec![change("a b+ü.jpg")]), Ok(vec![change("Happy Face+ü.jpg")]), Err(Unreadable)];
        assert_eq!(messages.into_iter().map(|(_, changes)| changes).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_changes_no_picture_is_passed_over() {
        let mut expired = documented("object-deleted");
        expired["detail"]["reason"] = json!("Lifecycle Expiration");
        expired["detail"]["deletion-type"] = json!("Permanently Deleted");
        expired["detail"]["object"]["version-id"] = json!("x");
        let mut unversioned = expired.clone();
        unversioned["detail"]["object"].as_object_mut().unwrap().remove("version-id");
        let mut tagged = documented("object-created");
        tagged["detail-type"] = json!("Object Tags Added");
        let mut restored = documented("s3-notification");
        restored["Records"][0]["eventName"] = json!("ObjectRestore:Completed");
        for (event, count) in [(expired, 0), (unversioned, 1), (tagged, 0), (restored, 0)] {
            let Some(Ok(Changes::Direct(changes))) = read(&event) else { panic!("{event}") };
            assert_eq!(changes.len(), count, "{event}");
        }
    }

    #[test]
    fn other_events_are_others() {
        let table = [json!({}), json!({"Records": []}), json!({"Records": [{"eventSource": "aws:dynamodb"}]})];
        for event in table {
            assert_eq!(read(&event), None, "{event}");
        }
        let table = [
            json!({"detail-type": "Object Created"}),
            json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "a"}, "object": {}}}),
            json!({"Records": [{"eventSource": "aws:sqs"}]}),
            json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}]}),
        ];
        for event in table {
            assert_eq!(read(&event), Some(Err(Unreadable)), "{event}");
        }
    }

    #[test]
    fn only_originals_below_the_prefix_count_and_are_named_as_in_urls() {
        let name = |place: &str, source: [&str; 3], bucket: &str, key: &str| {
            let [folder, host, strip_prefix] = source.map(str::to_owned);
            let host = (!host.is_empty()).then_some(host);
            let store = SourceSettings::default();
            let everything =
                RouteSettings::everything(PlaceSettings { from: String::new(), max_bytes: None, store: store.clone() });
            let source = RouteSettings { folder, host, strip_prefix, ..everything };
            let place = Bucket::new(Place::new(place).unwrap(), store, &source);
            let change = Change { bucket: bucket.to_owned(), key: key.to_owned(), is_written: true };
            place.originals(&[change]).pop().map(|original| original.name)
        };
        let all = ["", "", ""];
        let table = [
            ("mine", all, "mine", "a/b.jpg", Some("a/b.jpg")),
            ("mine", all, "other", "a/b.jpg", None),
            ("mine/a", all, "mine", "a/b.jpg", Some("b.jpg")),
            ("mine/a", all, "mine", "ab.jpg", None),
            ("mine", ["p", "", "p"], "mine", "b.jpg", Some("p/b.jpg")),
            ("mine", ["p", "", ""], "mine", "p/b.jpg", Some("p/b.jpg")),
            ("mine", ["p", "", ""], "mine", "b.jpg", None),
            ("mine", ["p/q", "", "p"], "mine", "r/b.jpg", None),
            ("mine/a", ["", "h.example", ""], "mine", "a/b.jpg", Some("//h.example/b.jpg")),
        ];
        for (place, source, bucket, key, expected) in table {
            assert_eq!(name(place, source, bucket, key).as_deref(), expected, "{place} {source:?} {bucket} {key}");
        }
    }
}
