//! Overlays of requests: their authorization, entity tags and cache.
//!
//! An overlay is read from the source that a request for it would come to, subject to the memory, deadline and limits of
//! the request. Every request revalidates it in the source with the tag of the cached file, because the overlay's tag is part of the
//! response's entity tag. Files and decoded images are cached, each up to a limit.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::time::Instant;

use super::OriginSettings;
use super::download::{Downloads, Look};
use crate::error::{Code, Problem};
use crate::memory_cache::MemoryCache;
use crate::query::{Answer as Wanted, Transform};
use crate::source::{GetOptions, GetResult, Key, Located, Object, SourceError, Sources};
use crate::transform::{OverlayCache, OverlayFile};

/// Files use one part in this many of the memory for overlays; decoded images use the rest.
const FILES_SHARE: u64 = 4;

/// A file may use at most one part in this many of the memory for files.
const LARGEST_SHARE: u64 = 4;

/// A request's overlay before its content is read.
#[derive(Debug)]
pub(super) struct FoundOverlay {
    located: Located,
    /// The source's entity tag; `None` if the source has none.
    pub(super) tag: Option<String>,
    /// The object, for the first reader; `None` if the file is cached.
    object: Mutex<Option<Object>>,
}

impl FoundOverlay {
    /// The cache id of this version of the file.
    fn id(&self) -> Option<String> {
        self.tag.as_ref().map(|tag| file_id(&self.located, tag))
    }
}

/// The overlays of all requests.
pub(super) struct Overlays {
    /// The folder of permitted overlays; `None` disables overlays.
    folder: Option<String>,
    downloads: Downloads,
    /// The cached files by id.
    files: MemoryCache<String, Bytes>,
    /// The latest tag of each file, by the name in caches.
    tags: MemoryCache<String, String>,
    largest_file: u64,
    decoded: Arc<OverlayCache>,
}

/// The maximum number of keys in `tags`.
const REMEMBERED_TAGS: u32 = 10_000;

impl Overlays {
    pub(super) fn new(settings: &OriginSettings, downloads: Downloads) -> Self {
        let files = settings.overlay_cache / FILES_SHARE;
        Self {
            folder: settings.overlays.clone(),
            downloads,
            files: MemoryCache::of_bytes(files, |id, bytes: &Bytes| id.len() + bytes.len()),
            tags: MemoryCache::of_entries(REMEMBERED_TAGS),
            largest_file: files / LARGEST_SHARE,
            decoded: Arc::new(OverlayCache::new(settings.overlay_cache - files)),
        }
    }

    /// The same caches for overlays of another folder.
    pub(super) fn with_folder(&self, folder: Option<String>, downloads: Downloads) -> Self {
        Self {
            folder,
            downloads,
            files: self.files.clone(),
            tags: self.tags.clone(),
            largest_file: self.largest_file,
            decoded: self.decoded.clone(),
        }
    }

    /// The memory in use by files and decoded images, in bytes.
    pub(super) fn held(&self) -> u64 {
        self.files.weight() + self.decoded.bytes()
    }

    /// Rejects an overlay that is not in the permitted folder.
    ///
    /// # Errors
    /// [`Code::OverlayNotAllowed`].
    pub(super) fn check(&self, transform: &Transform) -> Result<(), Problem> {
        let Some(overlay) = &transform.overlay else { return Ok(()) };
        match &self.folder {
            Some(folder) if overlay.key.is_below(folder) => Ok(()),
            Some(_) => Err(Problem::new(
                Code::OverlayNotAllowed,
                format!("{} is not below the folder that the setting overlays names", overlay.key),
            )),
            None => Err(Problem::new(
                Code::OverlayNotAllowed,
                "overlays are switched off here: the setting overlays names the folder of those that are allowed",
            )),
        }
    }

    /// Requests the overlay of a transform from its source, if the transform has one.
    ///
    /// # Errors
    /// [`Code::OverlayNotFound`], [`Code::OverlayUnreadable`], and errors of the source.
    pub(super) async fn find(
        &self,
        sources: &Sources,
        host: Option<&str>,
        transform: &Transform,
        deadline: Instant,
    ) -> Result<Option<FoundOverlay>, Problem> {
        let overlay = transform.overlay.as_ref().filter(|_| transform.answer == Wanted::Picture);
        let Some(overlay) = overlay else { return Ok(None) };
        let located = sources.locate(host, &Key::of_overlay(&overlay.key));
        let located = located.ok_or_else(|| of_overlay(SourceError::NotFound.into()))?;
        let known = match self.tags.get(&located.id()) {
            Some(tag) if self.files.contains(&file_id(&located, &tag)) => Some(tag),
            _ => None,
        };
        let found = open(&located, known.as_deref(), deadline).await?;
        let (meta, object) = match found {
            GetResult::Object(object) => (object.meta.clone(), Some(object)),
            GetResult::NotModified(meta) => (meta, None),
        };
        let tag = meta.etag.filter(|tag| !tag.is_empty());
        Ok(Some(FoundOverlay { located, tag, object: Mutex::new(object) }))
    }

    /// Reads the file of a request's overlay into memory.
    ///
    /// # Errors
    /// As [`Self::find`], and those of [`Downloads::read`].
    pub(super) async fn read(&self, found: &FoundOverlay, deadline: Instant) -> Result<ReadOverlay, Problem> {
        let id = found.id();
        if let Some(id) = &id
            && let Some(bytes) = self.files.get(id)
        {
            return Ok(self.decodable(bytes, Some(id.clone())));
        }
        let object = found.object.lock().unwrap_or_else(PoisonError::into_inner).take();
        let object = match object {
            Some(object) => object,
            // Another request is reading the object, or the file was evicted since the source was revalidated.
            None => match open(&found.located, None, deadline).await? {
                GetResult::Object(object) => object,
                GetResult::NotModified(_) => {
                    return Err(SourceError::Failed("the source did not send the overlay".to_owned()).into());
                }
            },
        };
        // The tag may have changed since; then the response does not have it in its key.
        let is_same = object.meta.etag == found.tag;
        let bytes = self.downloads.read(object, deadline, |head| async {
            super::body::sniffed(&head)?;
            Ok(Look { bytes: head, enough: true })
        });
        let bytes = bytes.await.map_err(of_overlay)?;
        let Some(id) = id.filter(|_| is_same) else { return Ok(self.decodable(bytes, None)) };
        if bytes.len() as u64 <= self.largest_file {
            // Copied, because the memory of the downloaded bytes is reserved for requests.
            self.files.insert(id.clone(), Bytes::copy_from_slice(&bytes));
            if let Some(tag) = &found.tag {
                self.tags.insert(found.located.id(), tag.clone());
            }
        }
        Ok(self.decodable(bytes, Some(id)))
    }

    fn decodable(&self, bytes: Bytes, id: Option<String>) -> ReadOverlay {
        ReadOverlay { bytes, cache: id.map(|id| (self.decoded.clone(), id)) }
    }
}

/// The content of an overlay.
#[derive(Debug)]
pub(super) struct ReadOverlay {
    bytes: Bytes,
    cache: Option<(Arc<OverlayCache>, String)>,
}

impl ReadOverlay {
    pub(super) fn file(&self) -> OverlayFile<'_> {
        let cache = self.cache.as_ref().map(|(cache, id)| (&**cache, id.as_str()));
        OverlayFile { bytes: &self.bytes, cache }
    }
}

fn file_id(located: &Located, tag: &str) -> String {
    format!("{}\n{tag}", located.id())
}

async fn open(located: &Located, if_none_match: Option<&str>, deadline: Instant) -> Result<GetResult, Problem> {
    let options = GetOptions { key: located.key(), version: None, if_none_match, deadline };
    let opened = tokio::time::timeout_at(deadline, located.source().open(options)).await;
    opened.unwrap_or(Err(SourceError::TimedOut)).map_err(|error| of_overlay(error.into()))
}

/// Attributes a problem to the overlay instead of the original.
fn of_overlay(problem: Problem) -> Problem {
    let code = match problem.code {
        Code::NotFound => Code::OverlayNotFound,
        Code::Forbidden | Code::SourceTooLarge | Code::UnsupportedImage | Code::DamagedImage => Code::OverlayUnreadable,
        code => code,
    };
    Problem::new(code, format!("the overlay: {}", problem.detail))
}
