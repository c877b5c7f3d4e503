//! A parser and serializer for `Cache-Control` (RFC 9111, section 5.2; RFC 5861; RFC 8246).
//!
//! The serialized form contains each directive once, without directives that another one makes redundant. Unknown
//! directives are dropped.

use std::fmt;

/// The directives of a response. Times are in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// No cache may store the response.
    pub no_store: bool,
    /// Caches must revalidate the response before each use.
    pub no_cache: bool,
    /// Shared caches may store the response.
    pub public: bool,
    /// Only the client's own cache may store the response.
    pub private: bool,
    /// How long the response is fresh.
    pub max_age: Option<u32>,
    /// How long the response is fresh in a shared cache, where this takes precedence over `max_age`.
    pub s_maxage: Option<u32>,
    /// A stale response must not be used.
    pub must_revalidate: bool,
    /// The response does not change while it is fresh.
    pub immutable: bool,
    /// Intermediaries must not change the body.
    pub no_transform: bool,
    /// How long a stale response may be served while a new one is fetched.
    pub stale_while_revalidate: Option<u32>,
    /// How long a stale response may be served if fetching a new one fails.
    pub stale_if_error: Option<u32>,
}

impl CacheControl {
    /// Parses the values of the header; case is ignored. An invalid time counts as expired, and a time beyond 32 bits
    /// as the largest 32-bit value (RFC 9111, sections 4.2.1 and 1.2.2).
    pub fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut caching = Self::default();
        // A comma within quotes starts an unknown directive.
        for directive in values.flat_map(|value| value.split(',')) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let digits = value.trim().trim_matches('"');
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = Some(if is_number { digits.parse().unwrap_or(u32::MAX) } else { 0 });
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" => caching.no_store = true,
                "no-cache" => caching.no_cache = true,
                "public" => caching.public = true,
                "private" => caching.private = true,
                "max-age" => caching.max_age = seconds,
                "s-maxage" => caching.s_maxage = seconds,
                "must-revalidate" | "proxy-revalidate" => caching.must_revalidate = true,
                "immutable" => caching.immutable = true,
                "no-transform" => caching.no_transform = true,
                "stale-while-revalidate" => caching.stale_while_revalidate = seconds,
                "stale-if-error" => caching.stale_if_error = seconds,
                _ => {}
            }
        }
        caching
    }
}

impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.no_store {
            return f.write_str("no-store");
        }
        let is_kept = !self.no_cache;
        let time = |name: &str, time: Option<u32>| time.filter(|_| is_kept).map(|time| format!("{name}={time}"));
        let word = |name: &str, is_said: bool| is_said.then(|| name.to_owned());
        let directives = [
            word("private", self.private),
            word("public", self.public && !self.private),
            word("no-cache", self.no_cache),
            time("max-age", self.max_age),
            // `s-maxage` concerns shared caches, which may not store private responses.
            time("s-maxage", self.s_maxage.filter(|_| !self.private)),
            word("must-revalidate", self.must_revalidate && is_kept),
            word("immutable", self.immutable && is_kept && !self.must_revalidate),
            time("stale-while-revalidate", self.stale_while_revalidate.filter(|_| !self.must_revalidate)),
            time("stale-if-error", self.stale_if_error.filter(|_| !self.must_revalidate)),
            word("no-transform", self.no_transform),
        ];
        f.write_str(&directives.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_have_one_form() {
        let table = [
            (&[][..], ""),
            (&[""], ""),
            (&["public"], "public"),
            (&["Max-Age=\"60\" , PUBLIC"], "public, max-age=60"),
            (&["max-age=60", "private"], "private, max-age=60"),
            (&["public, private, s-maxage=9, max-age=1"], "private, max-age=1"),
            (&["max-age=1, s-maxage=2, x=3"], "max-age=1, s-maxage=2"),
            (&["max-age=99999999999999, s-maxage=-1"], "max-age=4294967295, s-maxage=0"),
            (&["no-store, public, max-age=9"], "no-store"),
            (&["private, no-cache, max-age=9, immutable"], "private, no-cache"),
            (&["no-cache=\"set-cookie, x\""], "no-cache"),
            (&["max-age=9, immutable, no-transform"], "max-age=9, immutable, no-transform"),
            (&["proxy-revalidate, immutable, stale-if-error=9"], "must-revalidate"),
            (&["stale-if-error=8,stale-while-revalidate=7"], "stale-while-revalidate=7, stale-if-error=8"),
        ];
        for (values, expected) in table {
            let caching = CacheControl::parse(values.iter().copied());
            assert_eq!(caching.to_string(), expected, "{values:?}");
            let again = CacheControl::parse([expected].into_iter());
            assert_eq!(again.to_string(), expected, "{values:?}: what is written reads back");
        }
    }
}
