//! An S3 server in this process: s3s checks the signatures, s3s-fs keeps the files, and what s3s-fs lacks of S3 is added
//! here: conditional requests, versions, denied keys, and WriteGetObjectResponse.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};

use axum::body::Bytes;
use axum::error_handling::HandleError;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsV2Input, ListObjectsV2Output,
    ObjectVersion, PutObjectInput, PutObjectOutput, Timestamp, TimestampFormat,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use super::signature;

pub(crate) const BUCKET: &str = "very-private-originals";
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A running store. Its folder goes with it.
pub(crate) struct Store {
    pub(crate) address: std::net::SocketAddr,
    folder: tempfile::TempDir,
    log: Log,
    pub(crate) written: mpsc::Receiver<(HeaderMap, Bytes)>,
}

/// One line for each request that was let in.
type Log = Arc<Mutex<Vec<String>>>;

/// What came by WriteGetObjectResponse, with its body.
type Written = mpsc::Sender<(HeaderMap, Bytes)>;

struct Service {
    files: FileSystem,
    log: Log,
    /// Held while an object is written on a condition.
    writing: tokio::sync::Mutex<()>,
}

impl Store {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let log = Log::default();
        let (sender, written) = mpsc::channel();
        let service = Service {
            files: FileSystem::new(folder.path()).unwrap(),
            log: log.clone(),
            writing: tokio::sync::Mutex::default(),
        };
        let (started, start) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let mut builder = S3ServiceBuilder::new(service);
                builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
                let failed = |error: s3s::HttpError| async move { (StatusCode::IM_A_TEAPOT, format!("{error:?}")) };
                let service = HandleError::new(builder.build(), failed);
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                let written = post(take_written).with_state(sender).layer(DefaultBodyLimit::disable());
                let router = axum::Router::new().route("/WriteGetObjectResponse", written).fallback_service(service);
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { address: start.recv().unwrap(), folder, log, written }
    }

    /// A store that has the fixture `photo.jpg`.
    pub(crate) fn with_photo() -> Self {
        let store = Self::start();
        store.put("photo.jpg", &std::fs::read(crate::common::fixtures().join("photo.jpg")).unwrap());
        store
    }

    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }

    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        std::fs::create_dir_all(self.path(key).parent().unwrap()).unwrap();
        std::fs::write(self.path(key), bytes).unwrap();
    }

    /// Gives an object metadata, where s3s-fs looks for it.
    pub(crate) fn note(&self, key: &str, name: &str, value: &str) {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let file = format!(".bucket-{}.object-{}.metadata.json", encode(BUCKET), encode(key));
        let noted = serde_json::json!({ "user_metadata": { name: value } });
        std::fs::write(self.folder.path().join(file), noted.to_string()).unwrap();
    }

    /// What was asked since the last time.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

/// WriteGetObjectResponse, which s3s knows, but not under its own name for signatures.
async fn take_written(State(written): State<Written>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !signature::is_right(&headers, "POST", "/WriteGetObjectResponse", "s3-object-lambda") {
        return StatusCode::FORBIDDEN;
    }
    let announced: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(announced, body.len());
    written.send((headers, body)).unwrap();
    StatusCode::OK
}

impl Service {
    fn say(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    async fn head(&self, key: &str) -> S3Result<HeadObjectOutput> {
        let input = HeadObjectInput { bucket: BUCKET.to_owned(), key: key.to_owned(), ..HeadObjectInput::default() };
        let mut output = self.files.head_object(inner(http::Method::HEAD, input)).await?.output;
        // s3s-fs tells no tag here.
        let input = GetObjectInput { bucket: BUCKET.to_owned(), key: key.to_owned(), ..GetObjectInput::default() };
        output.e_tag = self.files.get_object(inner(http::Method::GET, input)).await?.output.e_tag;
        Ok(output)
    }
}

/// A request of this server to the files behind it.
fn inner<T>(method: http::Method, input: T) -> S3Request<T> {
    S3Request {
        input,
        method,
        uri: http::Uri::default(),
        headers: HeaderMap::new(),
        extensions: http::Extensions::new(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

fn not_modified(facts: &HeadObjectOutput) -> S3Error {
    let mut headers = HeaderMap::new();
    let tag = facts.e_tag.as_ref().unwrap().value().to_owned();
    headers.insert("etag", HeaderValue::from_str(&format!("\"{tag}\"")).unwrap());
    let mut date = Vec::new();
    facts.last_modified.as_ref().unwrap().format(TimestampFormat::HttpDate, &mut date).unwrap();
    headers.insert("last-modified", HeaderValue::from_bytes(&date).unwrap());
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_headers(headers);
    error
}

fn whole_seconds(time: &Timestamp) -> String {
    let mut text = Vec::new();
    time.format(TimestampFormat::HttpDate, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = &request.input;
        if input.bucket != BUCKET {
            return Err(s3_error!(NoSuchBucket));
        }
        let mut key = input.key.clone();
        if key.starts_with("denied/") {
            return Err(s3_error!(AccessDenied, "Access Denied to very-private-originals"));
        }
        if let Some(version) = &input.version_id {
            key = format!("{key}.versions/{version}");
            if self.head(&key).await.is_err() {
                return Err(s3_error!(NoSuchVersion));
            }
        }
        let facts = self.head(&key).await?;
        let is_tag = |tag: &ETag| facts.e_tag.as_ref().is_some_and(|own| own.value() == tag.value());
        if let Some(ETagCondition::ETag(tag)) = &input.if_match
            && !is_tag(tag)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        let same = match (&input.if_none_match, &input.if_modified_since) {
            (Some(ETagCondition::ETag(tag)), _) => is_tag(tag),
            (Some(ETagCondition::Any), _) => true,
            (None, Some(since)) => {
                facts.last_modified.as_ref().is_some_and(|t| whole_seconds(t) == whole_seconds(since))
            }
            (None, None) => false,
        };
        if same {
            self.say(format!("304 {key}"));
            return Err(not_modified(&facts));
        }
        self.say(format!("200 {key}"));
        self.files.get_object(request.map_input(|input| GetObjectInput { key, version_id: None, ..input })).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let output = self.head(&request.input.key).await?;
        self.say(format!("head {}", request.input.key));
        Ok(S3Response::new(output))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = &request.input;
        // s3s-fs knows no conditions for writing.
        let _writing = match input.if_none_match {
            Some(_) => Some(self.writing.lock().await),
            None => None,
        };
        if input.if_none_match == Some(ETagCondition::Any) && self.head(&input.key).await.is_ok() {
            return Err(s3_error!(PreconditionFailed));
        }
        let line = format!("put {}", input.key);
        let output =
            self.files.put_object(request.map_input(|input| PutObjectInput { if_none_match: None, ..input })).await?;
        self.say(line);
        Ok(output)
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.say(format!("delete {}", request.input.key));
        self.files.delete_object(request).await
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let key = request.input.prefix.clone().unwrap_or_default();
        if key.starts_with("denied/") {
            return Err(s3_error!(AccessDenied, "Access Denied to very-private-originals"));
        }
        self.say(format!("versions {key}"));
        // Its older versions are where `get_object` looks for them.
        let mut versions = vec!["current".to_owned()];
        for version in ["1", "2"] {
            if self.head(&format!("{key}.versions/{version}")).await.is_ok() {
                versions.push(version.to_owned());
            }
        }
        let named =
            |id: String| ObjectVersion { key: Some(key.clone()), version_id: Some(id), ..ObjectVersion::default() };
        let versions = Some(versions.into_iter().map(named).collect());
        Ok(S3Response::new(ListObjectVersionsOutput { versions, ..ListObjectVersionsOutput::default() }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.files.list_objects_v2(request).await
    }
}
