//! CDN invalidation: the items to invalidate when an original has changed, and the client for CloudFront.
//!
//! Input: keys, folders, presets and tags. Output: the items of invalidations, which are cache tags with a leading `#`
//! or paths, and CloudFront's responses. The names of stored results identify their inputs, so no response is stale
//! without a purge of them; [`StoredResults`](crate::results::StoredResults) removes those of an original.

mod batch;
#[cfg(feature = "s3")]
mod cloudfront;

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub use batch::{Batch, BatchError, MAX_ITEMS, MAX_WILDCARDS};
#[cfg(feature = "s3")]
pub use cloudfront::{CloudFront, InvalidationError};

use crate::origin::freshness::{folder_tag, key_tag, preset_tag};

/// A set of responses to invalidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The responses rendered from this original.
    Key(String),
    /// The responses rendered from originals in this folder and its subfolders.
    Folder(String),
    /// The responses rendered with this preset.
    Preset(String),
    /// The responses with this cache tag.
    Tag(String),
}

/// The error of a target that cannot be invalidated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The tag violates CloudFront's rules for tags.
    #[error("invalid cache tag {0:?}: expected 1 to 256 visible ASCII characters without a comma")]
    Tag(String),
    /// Presets and tags do not correspond to paths.
    #[error("{0} can be invalidated by tag only, not by path")]
    NoPath(String),
    /// The key or folder is empty.
    #[error("a key or a folder cannot be empty")]
    Empty,
}

/// The characters that are percent-encoded in a path, as at the edge.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Target {
    /// The item that invalidates the target by tag.
    ///
    /// # Errors
    /// [`TargetError::Tag`] and [`TargetError::Empty`].
    pub fn by_tag(&self) -> Result<String, TargetError> {
        let tag = match self {
            Self::Key(key) => key_tag(named(key)?),
            Self::Folder(folder) => folder_tag(named(folder)?),
            Self::Preset(name) => preset_tag(name),
            Self::Tag(tag) => {
                let is_visible = tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
                if tag.is_empty() || tag.len() > 256 || !is_visible {
                    return Err(TargetError::Tag(tag.clone()));
                }
                tag.clone()
            }
        };
        Ok(format!("#{tag}"))
    }

    /// The item that invalidates the target by path, for distributions without cache tags. It ends with a wildcard,
    /// because each query has its own response.
    ///
    /// # Errors
    /// [`TargetError::NoPath`] and [`TargetError::Empty`].
    pub fn by_path(&self) -> Result<String, TargetError> {
        let encoded = |name| utf8_percent_encode(without_host(name), ENCODED);
        match self {
            Self::Key(key) => Ok(format!("/{}*", encoded(named(key)?))),
            Self::Folder(folder) => match encoded(named(folder)?.trim_end_matches('/')).to_string().as_str() {
                "" => Ok("/*".to_owned()),
                folder => Ok(format!("/{folder}/*")),
            },
            Self::Preset(_) | Self::Tag(_) => Err(TargetError::NoPath(self.to_string())),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(f, "the original {}", key.trim_start_matches('/')),
            Self::Folder(folder) => write!(f, "the folder {}", folder.trim_matches('/')),
            Self::Preset(name) => write!(f, "the preset {name}"),
            Self::Tag(tag) => write!(f, "the tag {tag}"),
        }
    }
}

/// A key or folder without the leading slash of URLs. Two slashes are followed by the host of a source.
fn named(name: &str) -> Result<&str, TargetError> {
    let name = if name.starts_with("//") { name } else { name.strip_prefix('/').unwrap_or(name) };
    if name.trim_matches('/').is_empty() { Err(TargetError::Empty) } else { Ok(name) }
}

/// The path of a name, which has no host.
fn without_host(name: &str) -> &str {
    match name.strip_prefix("//") {
        Some(name) => name.split_once('/').map_or("", |(_, path)| path),
        None => name,
    }
}

/// The number of originals of a folder in a batch from which on the folder is invalidated instead of each original:
/// CloudFront bills every tag, so that 1,000 tags cost as much as 1,000 invalidations of a folder.
const WHOLE_FOLDER: usize = 1000;

/// The targets for changed originals, without duplicates.
pub fn changed(keys: impl IntoIterator<Item = String>) -> Vec<Target> {
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in keys {
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        folders.entry(folder).or_default().push(key);
    }
    let mut targets = Vec::new();
    for (folder, mut keys) in folders {
        keys.sort();
        keys.dedup();
        // There is no tag for the root folder.
        if keys.len() >= WHOLE_FOLDER && !folder.trim_matches('/').is_empty() {
            targets.push(Target::Folder(folder));
        } else {
            targets.extend(keys.into_iter().map(Target::Key));
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_tags_and_paths() {
        let (key, folder) = (|name: &str| Target::Key(name.to_owned()), |name: &str| Target::Folder(name.to_owned()));
        let table = [
            (key("a/ü b+.jpg"), Some(format!("#{}", key_tag("a/ü b+.jpg"))), Some("/a/%C3%BC%20b%2B.jpg*")),
            (key("/a.jpg"), Some(format!("#{}", key_tag("a.jpg"))), Some("/a.jpg*")),
            (key("//h/a.jpg"), Some(format!("#{}", key_tag("//h/a.jpg"))), Some("/a.jpg*")),
            (folder("//h/a"), Some(format!("#{}", folder_tag("h/a"))), Some("/a/*")),
            (folder("//h"), Some(format!("#{}", folder_tag("h"))), Some("/*")),
            (folder("a/b/"), Some(format!("#{}", folder_tag("a/b"))), Some("/a/b/*")),
            (folder("/a"), Some(format!("#{}", folder_tag("a"))), Some("/a/*")),
            (Target::Preset("card".to_owned()), Some("#p-card".to_owned()), None),
            (Target::Tag("shoes:red".to_owned()), Some("#shoes:red".to_owned()), None),
            (Target::Tag("a,b".to_owned()), None, None),
            (Target::Tag("ü".to_owned()), None, None),
            (Target::Tag(String::new()), None, None),
            (Target::Tag("x".repeat(257)), None, None),
            (key("/"), None, None),
            (folder(""), None, None),
        ];
        for (target, tag, path) in table {
            assert_eq!(target.by_tag().ok(), tag, "{target}");
            assert_eq!(target.by_path().ok().as_deref(), path, "{target}");
        }
    }

    #[test]
    fn many_originals_of_a_folder_are_one_target() {
        let keys = |folder: &str, count: usize| (0..count).map(|at| format!("{folder}{at}.jpg")).collect::<Vec<_>>();
        let repeated = [keys("a/", 2), keys("a/", 2)].concat();
        assert_eq!(changed(repeated).len(), 2);
        let many = [keys("a/b/", 10_000), keys("a/", 999), keys("", 2000)].concat();
        let targets = changed(many);
        assert_eq!(targets.iter().filter(|target| matches!(target, Target::Folder(_))).count(), 1);
        assert!(targets.contains(&Target::Folder("a/b".to_owned())));
        assert_eq!(targets.len(), 1 + 999 + 2000);
    }
}
