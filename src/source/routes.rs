//! Several sources of one origin, each for the requests below a path or to a host. The first that fits a request is its
//! source.
//!
//! A [`Located`] original has two names. Its [`Key`] is what the source is asked for. Its name is what URLs call it, with
//! the host if that decides about the source: cache tags and purges go by it. Caches add the identity of the source, so
//! that the same name is another original after the source has been replaced.

use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};

use super::chain::{Chain, Place};
use super::{BoxFuture, GetOptions, GetResult, Key, Nowhere, OpenError, Source, SourceError, SourceSettings, open};
use crate::config::words;

/// A place of originals with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceSettings {
    /// The place: `dir:PATH`, `s3://BUCKET/PREFIX` or a URL.
    pub from: String,
    /// The maximum size of an original in bytes, if it is lower than that of the origin.
    pub max_bytes: Option<u64>,
    /// The settings of the store.
    pub store: SourceSettings,
}

words! {
    /// What is sent instead of a picture that was not finished in time.
    #[derive(Default)]
    OnError {
        /// The problem.
        #[default]
        Problem = "problem",
        /// A redirect to the original without parameters, if the request only asks for another size or encoding of it.
        Original = "original",
    }
}

/// A source for a part of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSettings {
    /// The folder whose keys this source is for, without slashes at its ends; empty for all keys.
    pub folder: String,
    /// The host that requests must be sent to, in lower case and without a port; `None` for any.
    pub host: Option<String>,
    /// The beginning of keys that the source does not know, without slashes at its ends: the folder or one above it.
    pub strip_prefix: String,
    /// The place, and those that are asked in turn for what the one before does not have.
    pub places: Vec<PlaceSettings>,
    /// The picture that is sent with the status of a problem, named as in URLs without the leading slash.
    pub fallback_image: Option<String>,
    /// What is sent instead of a picture that was not finished in time.
    pub on_error: OnError,
}

impl RouteSettings {
    /// A place for all requests.
    pub fn everything(place: PlaceSettings) -> Self {
        Self {
            folder: String::new(),
            host: None,
            strip_prefix: String::new(),
            places: vec![place],
            fallback_image: None,
            on_error: OnError::default(),
        }
    }

    /// Whether this source is for this key in a request to this host.
    pub(crate) fn is_for(&self, host: Option<&str>, key: &str) -> bool {
        self.host.as_deref().is_none_or(|own| host == Some(own)) && key != self.folder && is_below(key, &self.folder)
    }

    /// Whether this source is for every request that the other one is for.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let is_any_host = self.host.is_none() || self.host == other.host;
        is_any_host && is_below(&other.folder, &self.folder)
    }

    /// A digest of everything that decides about which original a key is.
    fn identity(&self) -> String {
        let mut digest = Sha256::new();
        let mut add = |text: &str| {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        };
        for text in [&self.folder, &self.strip_prefix, self.host.as_deref().unwrap_or_default()] {
            add(text);
        }
        for place in &self.places {
            add(&place.from);
            add(place.store.endpoint.as_deref().unwrap_or_default());
        }
        crate::hex::lower(&digest.finalize()[..8])
    }
}

/// Whether a key or folder is a folder or lies below it; everything lies below the one without a name.
fn is_below(name: &str, folder: &str) -> bool {
    folder.is_empty() || name.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A source for a part of the requests.
pub struct Route {
    folder: String,
    host: Option<String>,
    strip_prefix: String,
    identity: String,
    source: Box<dyn Source>,
    fallback_image: Option<Key>,
    on_error: OnError,
}

impl std::fmt::Debug for Route {
    /// Without places, which may be buckets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("folder", &self.folder).field("host", &self.host).finish_non_exhaustive()
    }
}

impl Route {
    /// A source for everything.
    fn of(source: Box<dyn Source>) -> Self {
        let (folder, host, strip_prefix, identity) = (String::new(), None, String::new(), String::new());
        let (fallback_image, on_error) = (None, OnError::default());
        Self { folder, host, strip_prefix, identity, source, fallback_image, on_error }
    }

    fn open(settings: &RouteSettings) -> Result<Self, OpenError> {
        let place = |place: &PlaceSettings| {
            let source = open(&place.from, &place.store)?;
            Ok(Place { source, max_bytes: place.max_bytes })
        };
        let places = settings.places.iter().map(place).collect::<Result<Vec<_>, OpenError>>()?;
        Ok(Self {
            folder: settings.folder.clone(),
            host: settings.host.clone(),
            strip_prefix: settings.strip_prefix.clone(),
            identity: settings.identity(),
            source: Box::new(Chain(places)),
            fallback_image: settings.fallback_image.clone().map(Key),
            on_error: settings.on_error,
        })
    }

    /// The source.
    pub fn source(&self) -> &dyn Source {
        &*self.source
    }

    fn locate(self: &Arc<Self>, host: Option<&str>, key: &Key) -> Option<Located> {
        let is_host = self.host.as_deref().is_none_or(|own| host == Some(own));
        let is_inside = self.folder.is_empty()
            || key.as_str().strip_prefix(&*self.folder).is_some_and(|rest| rest.starts_with('/'));
        if !is_host || !is_inside {
            return None;
        }
        let name = match &self.host {
            Some(host) => format!("//{host}/{}", key.as_str()),
            None => key.as_str().to_owned(),
        };
        Some(Located { route: self.clone(), key: key.without_prefix(&self.strip_prefix)?, name })
    }
}

/// An original in one of the sources.
#[derive(Debug, Clone)]
pub struct Located {
    route: Arc<Route>,
    key: Key,
    name: String,
}

impl Located {
    /// An original that is in none of the sources, but has been opened for its request.
    pub(crate) fn elsewhere(key: Key) -> Self {
        static NOWHERE: LazyLock<Arc<Route>> = LazyLock::new(|| Arc::new(Route::of(Box::new(Nowhere))));
        let name = key.as_str().to_owned();
        Self { route: NOWHERE.clone(), key, name }
    }

    /// The source.
    pub fn source(&self) -> &dyn Source {
        self.route.source()
    }

    /// The picture that is sent instead of a missing or unusable one.
    pub(crate) fn fallback_image(&self) -> Option<&Key> {
        self.route.fallback_image.as_ref()
    }

    /// What is sent instead of a picture that was not finished in time.
    pub(crate) fn on_error(&self) -> OnError {
        self.route.on_error
    }

    /// The key that the source knows.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The name by which URLs know the original: its path, after two slashes and the host if that decides about the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name by which caches know the original. It differs between sources.
    pub fn id(&self) -> String {
        match self.route.identity.as_str() {
            "" => self.name.clone(),
            identity => format!("{identity}\n{}", self.name),
        }
    }
}

/// The sources of an origin: one for everything, or several. Clones share them.
#[derive(Debug, Clone)]
pub struct Sources(Vec<Arc<Route>>);

impl From<Box<dyn Source>> for Sources {
    /// One source for everything.
    fn from(source: Box<dyn Source>) -> Self {
        Self(vec![Arc::new(Route::of(source))])
    }
}

impl<S: Source + 'static> From<Box<S>> for Sources {
    /// One source for everything.
    fn from(source: Box<S>) -> Self {
        let source: Box<dyn Source> = source;
        source.into()
    }
}

impl Sources {
    /// Opens several sources.
    ///
    /// # Errors
    /// [`OpenError`] of the first that is invalid or cannot be opened.
    pub fn open(settings: &[RouteSettings]) -> Result<Self, OpenError> {
        let route = |settings: &RouteSettings| Route::open(settings).map(Arc::new);
        Ok(Self(settings.iter().map(route).collect::<Result<_, _>>()?))
    }

    /// The source of a key, in a request to `host`; `None` if there is none.
    pub(crate) fn locate(&self, host: Option<&str>, key: &Key) -> Option<Located> {
        self.0.iter().find_map(|route| route.locate(host, key))
    }

    /// The sources, in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Source> {
        self.0.iter().map(|route| route.source())
    }
}

/// All sources that need no host.
impl Source for Sources {
    fn open<'a>(&'a self, options: GetOptions<'a>) -> BoxFuture<'a, Result<GetResult, SourceError>> {
        Box::pin(async move {
            let located = self.locate(None, options.key).ok_or(SourceError::NotFound)?;
            located.source().open(GetOptions { key: located.key(), ..options }).await
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), OpenError>> {
        Box::pin(async {
            for source in self.iter() {
                source.check().await?;
            }
            Ok(())
        })
    }

    fn parameters(&self) -> &'static [&'static str] {
        self.iter().map(Source::parameters).max_by_key(|parameters| parameters.len()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Nowhere;

    fn settings(folder: &str, host: Option<&str>, strip_prefix: &str) -> RouteSettings {
        RouteSettings {
            folder: folder.to_owned(),
            host: host.map(str::to_owned),
            strip_prefix: strip_prefix.to_owned(),
            places: Vec::new(),
            fallback_image: None,
            on_error: OnError::default(),
        }
    }

    fn route(settings: &RouteSettings) -> Arc<Route> {
        let RouteSettings { folder, host, strip_prefix, .. } = settings.clone();
        let identity = settings.identity();
        Arc::new(Route { folder, host, strip_prefix, identity, ..Route::of(Box::new(Nowhere)) })
    }

    #[test]
    fn the_first_source_that_fits_is_taken() {
        let table = [
            settings("", Some("a.example"), ""),
            settings("products", None, "products"),
            settings("deep/er", None, "deep"),
            settings("deep", None, ""),
        ];
        let sources = Sources(table.iter().map(route).collect());
        let table = [
            ("/products/1.jpg", Some("a.example"), Some(("products/1.jpg", "//a.example/products/1.jpg"))),
            ("/products/1.jpg", Some("b.example"), Some(("1.jpg", "products/1.jpg"))),
            ("/products%2F1.jpg", None, Some(("1.jpg", "products/1.jpg"))),
            ("/products/a/1.jpg", None, Some(("a/1.jpg", "products/a/1.jpg"))),
            ("/products", None, None),
            ("/products/", None, None),
            ("/products2/1.jpg", None, None),
            ("/Products/1.jpg", None, None),
            ("//products/1.jpg", None, None),
            ("/deep/er/1.jpg", None, Some(("er/1.jpg", "deep/er/1.jpg"))),
            ("/deep/1.jpg", None, Some(("deep/1.jpg", "deep/1.jpg"))),
            ("/1.jpg", Some("a.example"), Some(("1.jpg", "//a.example/1.jpg"))),
            ("/1.jpg", Some("A.example"), None),
            ("/1.jpg", None, None),
        ];
        for (path, host, expected) in table {
            let located = sources.locate(host, &Key::from_url_path(path).unwrap());
            let found = located.as_ref().map(|located| (located.key().as_str(), located.name()));
            assert_eq!(found, expected, "{path} {host:?}");
        }
    }

    #[test]
    fn the_same_key_of_two_sources_has_two_names_in_caches() {
        let other_place = RouteSettings {
            places: vec![PlaceSettings {
                from: "dir:other".to_owned(),
                max_bytes: None,
                store: SourceSettings::default(),
            }],
            ..settings("", None, "")
        };
        let all = [settings("", None, ""), settings("", Some("a"), ""), settings("", Some("b"), ""), other_place];
        let key = Key::from_url_path("/x.jpg").unwrap();
        let id = |settings: &RouteSettings| {
            let host = settings.host.as_deref();
            route(settings).locate(host, &key).unwrap().id()
        };
        let ids: std::collections::BTreeSet<_> = all.iter().map(id).collect();
        assert_eq!(ids.len(), all.len(), "{ids:?}");
        let single = Sources::from(Box::new(Nowhere));
        assert_eq!(single.locate(None, &key).unwrap().id(), "x.jpg");
    }

    #[test]
    fn a_source_covers_what_it_would_always_come_before() {
        let table = [
            (("", None), ("a", None), true),
            (("", None), ("", Some("h")), true),
            (("a", None), ("a", Some("h")), true),
            (("a", None), ("a/b", None), true),
            (("a", None), ("ab", None), false),
            (("a", None), ("", None), false),
            (("", Some("h")), ("", None), false),
            (("", Some("h")), ("", Some("i")), false),
        ];
        for (first, second, expected) in table {
            let [first, second] = [first, second].map(|(folder, host)| settings(folder, host, ""));
            assert_eq!(first.covers(&second), expected, "{first:?} {second:?}");
        }
    }
}
