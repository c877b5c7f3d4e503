//! Overlays of requests: their authorization, entity tags and cache.
//!
//! An overlay is read from the source that a request for it would come to, subject to the memory, deadline and limits of
//! the request. Every request revalidates it in the source with the tag of the cached file, because the overlay's tag is part of the
//! response's entity tag. The original is opened at the same time, on the assumption that the overlay still has the tag that was seen
//! last. Files and decoded images are cached, each up to a limit.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::OriginSettings;
use super::body::sniffed;
use super::download::{Downloads, Look};
use super::memory::Room;
use crate::error::{Code, Problem};
use crate::memory_cache::MemoryCache;
use crate::query::{Answer as Wanted, Transform};
use crate::source::{GetOptions, GetResult, Key, Located, Object, SourceError, Sources};
use crate::transform::{OverlayCache, OverlayFile};

/// Files use one part in this many of the memory for overlays; decoded images use the rest.
const FILES_SHARE: u64 = 4;

/// A file may use at most one part in this many of the memory for files.
const LARGEST_SHARE: u64 = 4;

/// The overlay of a request.
#[derive(Debug, Clone)]
pub(super) struct RequestedOverlay {
    /// The name by which URLs know it.
    pub(super) name: String,
    /// Where it is; `None` if no source is configured for its name.
    located: Option<Located>,
    /// Its entity tag: the one that was seen last, until its source has been asked.
    pub(super) tag: Option<String>,
}

impl RequestedOverlay {
    /// The same overlay with this entity tag.
    pub(super) fn with_tag(self, tag: Option<String>) -> Self {
        Self { tag, ..self }
    }

    /// What distinguishes this overlay, as it is now, from all others.
    pub(super) fn id(&self) -> String {
        let id = self.located.as_ref().map_or_else(|| self.name.clone(), Located::id);
        file_id(&id, self.tag.as_deref().unwrap_or_default())
    }
}

/// A request's overlay after its source has been asked.
#[derive(Debug)]
pub(super) struct FoundOverlay {
    /// The name by which caches know the overlay.
    id: String,
    /// The source's entity tag; `None` if the source has none.
    pub(super) tag: Option<String>,
    /// The number of bytes to receive at most.
    pub(super) length: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The cached file.
    Cached(Bytes),
    /// The object that is to be received.
    Object(Object),
}

/// The overlays of all requests.
pub(super) struct Overlays {
    /// The folder of permitted overlays; `None` disables overlays.
    folder: Option<String>,
    downloads: Downloads,
    /// The cached files by id.
    files: MemoryCache<String, Bytes>,
    /// The tag that each overlay had when its source was last asked, by the name in caches.
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

    /// The overlay of a transform whose response shows it, in a request to this host.
    pub(super) fn requested(
        &self,
        sources: &Sources,
        host: Option<&str>,
        transform: &Transform,
    ) -> Option<RequestedOverlay> {
        let overlay = transform.overlay.as_ref().filter(|_| transform.answer == Wanted::Picture)?;
        let key = Key::of_overlay(&overlay.key);
        let located = sources.locate(host, &key);
        let name = located.as_ref().map_or_else(|| key.as_str(), Located::name).to_owned();
        let tag = located.as_ref().and_then(|located| self.tags.get(&located.id()));
        Some(RequestedOverlay { name, located, tag })
    }

    /// Asks the source of an overlay for it, and for its current tag.
    ///
    /// # Errors
    /// [`Code::OverlayNotFound`], [`Code::OverlayUnreadable`], and errors of the source.
    pub(super) async fn find(&self, overlay: &RequestedOverlay, deadline: Instant) -> Result<FoundOverlay, Problem> {
        self.look_up(overlay, deadline).await.map_err(|error| of_overlay(error.into()))
    }

    async fn look_up(&self, overlay: &RequestedOverlay, deadline: Instant) -> Result<FoundOverlay, SourceError> {
        let located = overlay.located.as_ref().ok_or(SourceError::NotFound)?;
        let id = located.id();
        let cached = |tag: &String| self.files.get(&file_id(&id, tag));
        let known = overlay.tag.as_ref().and_then(|tag| Some((tag.clone(), cached(tag)?)));
        let if_none_match = known.as_ref().map(|(tag, _)| tag.as_str());
        let options = GetOptions { key: located.key(), version: None, if_none_match, deadline };
        let opened = tokio::time::timeout_at(deadline, located.source().open(options)).await;
        let object = match (opened.unwrap_or(Err(SourceError::TimedOut))?, known) {
            (GetResult::NotModified(_), Some((tag, bytes))) => {
                return Ok(FoundOverlay { id, tag: Some(tag), length: 0, content: Content::Cached(bytes) });
            }
            (GetResult::NotModified(_), None) => {
                return Err(SourceError::Failed("the source did not send the overlay".to_owned()));
            }
            (GetResult::Object(object), _) => object,
        };
        let tag = object.meta.etag.clone().filter(|tag| !tag.is_empty());
        if let Some(tag) = &tag {
            self.tags.insert(id.clone(), tag.clone());
        }
        // Not every source evaluates preconditions.
        Ok(match tag.as_ref().and_then(cached) {
            Some(bytes) => FoundOverlay { id, tag, length: 0, content: Content::Cached(bytes) },
            None => {
                let length = self.downloads.length(&object)?;
                FoundOverlay { id, tag, length, content: Content::Object(object) }
            }
        })
    }

    /// Receives the file of an overlay into memory that is reserved for it.
    ///
    /// # Errors
    /// [`Code::OverlayUnreadable`], and those of [`Downloads::receive`].
    pub(super) async fn receive(
        &self,
        found: FoundOverlay,
        room: Room,
        deadline: Instant,
    ) -> Result<ReadOverlay, Problem> {
        let file = found.tag.as_deref().map(|tag| file_id(&found.id, tag));
        let object = match found.content {
            Content::Cached(bytes) => return Ok(self.decodable(bytes, file)),
            Content::Object(object) => object,
        };
        let received = async {
            let recognised = |head: Vec<u8>| async {
                sniffed(&head)?;
                Ok(Look { bytes: head, enough: true })
            };
            let bytes = self.downloads.receive(object, room, deadline, recognised).await?;
            // A short file has not been looked at.
            sniffed(&bytes)?;
            Ok(bytes)
        };
        let bytes = received.await.map_err(of_overlay)?;
        Ok(match file {
            Some(file) if bytes.len() as u64 <= self.largest_file => {
                // Copied, because the memory of the received bytes is reserved for requests.
                let bytes = Bytes::copy_from_slice(&bytes);
                self.files.insert(file.clone(), bytes.clone());
                self.decodable(bytes, Some(file))
            }
            file => self.decodable(bytes, file),
        })
    }

    fn decodable(&self, bytes: Bytes, file: Option<String>) -> ReadOverlay {
        ReadOverlay { bytes, cache: file.map(|id| (self.decoded.clone(), id)) }
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

/// The cache id of a version of a file.
fn file_id(id: &str, tag: &str) -> String {
    format!("{id}\n{tag}")
}

/// Attributes a problem to the overlay instead of the original.
fn of_overlay(problem: Problem) -> Problem {
    let code = match problem.code {
        Code::NotFound => {
            return Problem::new(Code::OverlayNotFound, "there is no picture with the name of the overlay");
        }
        Code::Forbidden | Code::SourceTooLarge | Code::UnsupportedImage | Code::DamagedImage => Code::OverlayUnreadable,
        code => code,
    };
    Problem::new(code, format!("the overlay cannot be used: {}", problem.detail))
}
