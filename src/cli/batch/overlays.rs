//! The overlay images of a batch, each read once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use image_origin::query::Transform;
use image_origin::transform::{OverlayCache, OverlayFile};

use super::read;

/// The overlays read so far.
pub(super) struct Overlays {
    /// The folder that overlay names are relative to; `None` for the folder of the image.
    folder: Option<PathBuf>,
    files: Mutex<HashMap<PathBuf, Arc<[u8]>>>,
    decoded: OverlayCache,
}

/// The content of an overlay file.
pub(super) struct ReadOverlay {
    path: String,
    bytes: Arc<[u8]>,
}

impl Overlays {
    /// `memory` is the limit for decoded overlays in bytes.
    pub(super) fn new(folder: Option<PathBuf>, memory: u64) -> Self {
        Self { folder, files: Mutex::default(), decoded: OverlayCache::new(memory) }
    }

    /// Reads the overlay of an image, if the query has one.
    pub(super) fn read(
        &self,
        transform: &Transform,
        image: &Path,
        max_bytes: u64,
    ) -> Result<Option<ReadOverlay>, String> {
        let Some(overlay) = &transform.overlay else { return Ok(None) };
        let folder = self.folder.as_deref().or_else(|| image.parent());
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let path = folder.join(overlay.key.as_str());
        let shown = path.display().to_string();
        // No code panics while the lock is held. Waiting threads usually need the same file.
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match files.get(&path) {
            Some(bytes) => bytes.clone(),
            None => {
                let bytes: Arc<[u8]> = read(&path, max_bytes).map_err(|error| format!("overlay: {error}"))?.into();
                files.insert(path, bytes.clone());
                bytes
            }
        };
        Ok(Some(ReadOverlay { path: shown, bytes }))
    }
}

impl ReadOverlay {
    pub(super) fn file<'a>(&'a self, overlays: &'a Overlays) -> OverlayFile<'a> {
        OverlayFile { bytes: &self.bytes, cache: Some((&overlays.decoded, &self.path)) }
    }
}
