//! The lifetime of responses in caches, and the means to purge them: `Cache-Control` (RFC 9111, section 5.2) and cache
//! tags.

use sha2::{Digest as _, Sha256};

use crate::hex;

/// The maximum number of tags that CloudFront keeps for a response.
const MAX_TAGS: usize = 50;

/// The maximum length of a tag in characters.
const MAX_TAG: usize = 256;

/// The maximum number of folders of a key that get a tag, outermost first. The key and the preset have one tag each;
/// the rest is left for the tags of the original.
const MAX_FOLDERS: usize = 32;

/// The value of `Cache-Control` for a response.
///
/// `originals` is the `Cache-Control` of the original. Its restrictions are kept, and its lifetime applies up to
/// `limit`. Without one, or if it names no lifetime, the response may be kept for `max_age`. A request that names a
/// revision yields `immutable`, unless the original's header says otherwise. All times are in seconds.
pub(super) fn cache_control(originals: Option<&str>, has_revision: bool, max_age: u32, limit: u32) -> String {
    let directives = Directives::parse(originals.unwrap_or_default());
    if directives.no_store {
        return "no-store".to_owned();
    }
    let mut parts = vec![if directives.private { "private" } else { "public" }.to_owned()];
    if directives.no_cache {
        parts.push("no-cache".to_owned());
        return parts.join(", ");
    }
    parts.push(format!("max-age={}", directives.max_age.map_or(max_age, |age| age.min(limit))));
    // `s-maxage` concerns shared caches, which may not keep private responses.
    let shared = directives.shared_max_age.filter(|_| !directives.private);
    parts.extend(shared.map(|age| format!("s-maxage={}", age.min(limit))));
    if directives.must_revalidate {
        parts.push("must-revalidate".to_owned());
    } else if has_revision || directives.immutable {
        parts.push("immutable".to_owned());
    }
    parts.join(", ")
}

/// The directives of an original's `Cache-Control` that are supported.
#[derive(Debug, Default)]
struct Directives {
    no_store: bool,
    no_cache: bool,
    private: bool,
    must_revalidate: bool,
    immutable: bool,
    max_age: Option<u32>,
    shared_max_age: Option<u32>,
}

impl Directives {
    fn parse(text: &str) -> Self {
        let mut directives = Self::default();
        for directive in text.split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            // A time beyond 32 bits counts as unlimited (RFC 9111, 1.2.2).
            let seconds = || {
                let digits = value.trim().trim_matches('"');
                let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                is_number.then(|| digits.parse().unwrap_or(u32::MAX))
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" => directives.no_store = true,
                "no-cache" => directives.no_cache = true,
                "private" => directives.private = true,
                "must-revalidate" => directives.must_revalidate = true,
                "immutable" => directives.immutable = true,
                // An invalid time counts as expired (RFC 9111, 4.2.1).
                "max-age" => directives.max_age = Some(seconds().unwrap_or(0)),
                "s-maxage" => directives.shared_max_age = Some(seconds().unwrap_or(0)),
                _ => {}
            }
        }
        directives
    }
}

/// The tag of every response that is derived from this original.
pub fn key_tag(key: &str) -> String {
    format!("k-{}", digest(key))
}

/// The tag of every response derived from originals in this folder or its subfolders. Leading and trailing slashes are
/// ignored.
pub fn folder_tag(folder: &str) -> String {
    format!("f-{}", digest(folder.trim_matches('/')))
}

/// The tag of every response derived with this preset.
pub fn preset_tag(name: &str) -> String {
    if is_tag(name) { format!("p-{name}") } else { format!("p-{}", digest(name)) }
}

/// A digest, because tags have no room for long keys, allow ASCII only, and are visible to clients.
fn digest(text: &str) -> String {
    hex::lower(&Sha256::digest(text)[..8])
}

/// Whether a text is a valid tag.
fn is_tag(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    !text.is_empty() && text.len() <= MAX_TAG - 2 && text.bytes().all(is_plain)
}

/// The comma-separated tags of a response: its key, each folder above it, its presets, and those in `also`.
pub(super) fn cache_tags(key: &str, presets: &[String], also: &str) -> String {
    let folders =
        key.match_indices('/').map(|(at, _)| &key[..at]).filter(|folder| !folder.trim_matches('/').is_empty());
    let folders = folders.map(folder_tag).take(MAX_FOLDERS);
    let also = also.split(',').map(str::trim).filter(|tag| is_tag(tag)).map(str::to_owned);
    let tags =
        std::iter::once(key_tag(key)).chain(folders).chain(presets.iter().map(|name| preset_tag(name))).chain(also);
    tags.take(MAX_TAGS).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_originals_own_cache_control_counts_within_the_limit() {
        let table = [
            (None, false, "public, max-age=300"),
            (None, true, "public, max-age=300, immutable"),
            (Some(""), false, "public, max-age=300"),
            (Some("max-age=60"), false, "public, max-age=60"),
            (Some("Max-Age=\"60\""), true, "public, max-age=60, immutable"),
            (Some("public,max-age=5000"), false, "public, max-age=1000"),
            (Some("max-age=99999999999999"), false, "public, max-age=1000"),
            (Some("max-age=-1"), false, "public, max-age=0"),
            (Some("max-age"), false, "public, max-age=0"),
            (Some("max-age=10, s-maxage=20"), false, "public, max-age=10, s-maxage=20"),
            (Some("s-maxage=2000"), false, "public, max-age=300, s-maxage=1000"),
            (Some("private"), false, "private, max-age=300"),
            (Some("private=\"x\", max-age=7, s-maxage=8"), false, "private, max-age=7"),
            (Some("no-cache"), true, "public, no-cache"),
            (Some("private, no-cache"), false, "private, no-cache"),
            (Some("no-store, max-age=9"), true, "no-store"),
            (Some("max-age=9, must-revalidate"), true, "public, max-age=9, must-revalidate"),
            (Some("immutable"), false, "public, max-age=300, immutable"),
            (Some("stale-if-error=9, x=\r\n"), false, "public, max-age=300"),
        ];
        for (original, has_revision, expected) in table {
            assert_eq!(cache_control(original, has_revision, 300, 1000), expected, "{original:?}");
        }
    }

    #[test]
    fn every_folder_and_preset_has_a_tag() {
        let tags = |key: &str, presets: &[&str], also| {
            cache_tags(key, &presets.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), also)
        };
        let (card, dark) = (preset_tag("card"), preset_tag("dark"));
        let expected = [key_tag("a/b/c.jpg"), folder_tag("a"), folder_tag("a/b"), card, dark, "x".to_owned()];
        assert_eq!(tags("a/b/c.jpg", &["card", "dark"], "x, y z,,\u{fc}"), expected.join(","));
        assert_eq!(folder_tag("/a/b/"), folder_tag("a/b"));
        let expected = [key_tag("//h/a/b.jpg"), folder_tag("h"), folder_tag("h/a")];
        assert_eq!(tags("//h/a/b.jpg", &[], ""), expected.join(","), "of a source with a host");
        assert_eq!(tags("c.jpg", &[], ""), key_tag("c.jpg"));
        assert_ne!(key_tag("a"), folder_tag("a"));
        for odd in ["", "a,b", "a b", "ü", &"x".repeat(255)] {
            assert_eq!(preset_tag(odd).len(), 18, "{odd}");
        }
    }

    #[test]
    fn tags_stay_within_what_cloudfront_takes() {
        let key = "a/".repeat(500) + "x";
        let also = vec!["t".repeat(254); 100].join(",");
        for (key, preset, also) in
            [(key.as_str(), Some("p"), also.as_str()), ("k", None, also.as_str()), ("ü,\n", Some(","), "")]
        {
            let presets: Vec<String> = preset.into_iter().map(str::to_owned).collect();
            let text = cache_tags(key, &presets, also);
            let tags: Vec<_> = text.split(',').collect();
            assert!(tags.len() <= MAX_TAGS, "{}", tags.len());
            for tag in tags {
                assert!(!tag.is_empty() && tag.len() <= MAX_TAG && tag.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
