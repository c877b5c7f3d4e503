//! The `Accept` header, reduced to the few values that affect a response.
//!
//! Browsers send dozens of `Accept` texts; only the negotiable types that they accept, and their order, matter. Which
//! of them the origin may choose is part of its own configuration. The result is part of the cache key, so a request
//! whose response does not depend on `Accept` gets `*/*`.

use image_origin_query::GRAMMAR;

use crate::query::Query;

const ANY: &str = "*/*";

/// The `Accept` value to forward for a request.
pub(crate) fn bucket<'a>(accept: impl Iterator<Item = &'a str>, query: &Query) -> String {
    if !negotiates(query) {
        return ANY.to_owned();
    }
    let accept: Vec<&str> = accept.collect();
    let taken = image_origin_query::accept::canonical(&accept.join(","), GRAMMAR.negotiable_types);
    if taken.is_empty() { ANY.to_owned() } else { taken }
}

/// Whether the response depends on `Accept`.
fn negotiates(query: &Query) -> bool {
    GRAMMAR.negotiated_by.iter().any(|condition| {
        query.get(condition.name).is_some_and(|value| condition.value.is_none_or(|wanted| wanted == value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";

    #[test]
    fn accept_has_few_buckets() {
        let query = Query::parse("format=auto");
        let table: [(&[&str], &str); 6] = [
            (&[CHROME], "image/avif,image/webp"),
            (&["image/webp;q=0.8", "text/html,IMAGE/AVIF;q=0.8"], "image/avif,image/webp"),
            (&["image/avif;q=0.12345,image/webp"], "image/webp"),
            (&["image/avif;q=0.1,image/webp"], "image/webp,image/avif;q=0.9"),
            (&["image/*,*/*"], "*/*"),
            (&[], "*/*"),
        ];
        for (accept, expected) in table {
            assert_eq!(bucket(accept.iter().copied(), &query), expected, "{accept:?}");
        }
    }

    #[test]
    fn only_negotiated_answers_depend_on_accept() {
        let table =
            [("w=300", false), ("f=jpeg", false), ("f=auto", true), ("preset=card", true), ("f=auto&w=x", true)];
        for (query, expected) in table {
            let bucket = bucket([CHROME].into_iter(), &Query::parse(query));
            assert_eq!(bucket != "*/*", expected, "{query}: {bucket}");
        }
    }
}
