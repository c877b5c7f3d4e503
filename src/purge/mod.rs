//! Taking answers back: what a CDN is to forget when an original has changed, and how CloudFront is told.
//!
//! Comes in: keys, folders, presets and tags. Goes out: the items of invalidations, which are cache tags with `#` in front, or
//! paths, and what CloudFront says to them. Stored results are named after what they were made of, so no answer is wrong
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

/// What answers have in common that are to be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// They were made of this original.
    Key(String),
    /// They were made of originals in this folder, or in a folder in it.
    Folder(String),
    /// They were made by this preset.
    Preset(String),
    /// They carry this tag.
    Tag(String),
}

/// A target that no invalidation can name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// CloudFront's rules for tags.
    #[error("{0:?} is no cache tag: 1 to 256 visible ASCII characters without a comma")]
    Tag(String),
    /// Paths tell nothing of presets and tags.
    #[error("{0} can be taken back by tag only, not by path")]
    NoPath(String),
    /// Nothing is called like this.
    #[error("a key or a folder cannot be empty")]
    Empty,
}

/// What is plain in a path, as the edge writes it.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Target {
    /// The item that invalidates by tag.
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

    /// The item that invalidates by path, for distributions without cache tags: it ends with a star, since each query is
    /// an answer of its own.
    ///
    /// # Errors
    /// [`TargetError::NoPath`] and [`TargetError::Empty`].
    pub fn by_path(&self) -> Result<String, TargetError> {
        let encoded = |name| utf8_percent_encode(name, ENCODED);
        match self {
            Self::Key(key) => Ok(format!("/{}*", encoded(named(key)?))),
            Self::Folder(folder) => Ok(format!("/{}/*", encoded(named(folder)?.trim_end_matches('/')))),
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

/// A key or folder without the slash that URLs have in front.
fn named(name: &str) -> Result<&str, TargetError> {
    let name = name.strip_prefix('/').unwrap_or(name);
    if name.trim_matches('/').is_empty() { Err(TargetError::Empty) } else { Ok(name) }
}

/// Changed originals of one folder at the same time from which on the folder is invalidated instead of each of them: CloudFront
/// bills every tag, and a tag of 1,000 originals is worth what 1,000 tags are.
const WHOLE_FOLDER: usize = 1000;

/// The targets for originals that have changed, each once.
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
        // There is no tag of everything.
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
