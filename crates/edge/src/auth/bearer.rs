//! Extraction of tokens from a request: the `Authorization` header, `?token=`, or a cookie.

use crate::event::Request;
use crate::query::{self, credential};

/// The maximum number of tokens in a request; more indicate an attack.
const MAX_CANDIDATES: usize = 4;

/// Returns the tokens of a request in the order header, query, cookie.
///
/// A client may send several, such as an expired cookie next to a new token; any valid one suffices.
pub(super) fn candidates(request: &Request, cookie: Option<&str>) -> Vec<String> {
    let header = request.headers.single("authorization").and_then(bearer).map(str::to_owned);
    let query = query::single(&request.querystring, credential::TOKEN);
    let cookies = cookie.into_iter().flat_map(|name| cookie_values(request, name)).map(str::to_owned);
    header.into_iter().chain(query).chain(cookies).filter(|token| !token.is_empty()).take(MAX_CANDIDATES).collect()
}

/// RFC 6750, section 2.1; the scheme is case-insensitive (RFC 9110, section 11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_matches(' '))
}

fn cookie_values<'a>(request: &'a Request, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = request.headers.all("cookie").flat_map(|header| header.split(';'));
    pairs.filter_map(move |pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted).then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Authorization` headers, query, `Cookie` headers; the tokens found.
    type Case<'a> = (&'a [&'a str], &'a str, &'a [&'a str], &'a [&'a str]);

    fn request(authorization: &[&str], querystring: &str, cookies: &[&str]) -> Request {
        let headers = authorization.iter().map(|value| ("Authorization", *value));
        let headers = headers.chain(cookies.iter().map(|value| ("Cookie", *value))).collect();
        Request {
            client_ip: String::new(),
            headers,
            method: "GET".into(),
            uri: "/".into(),
            querystring: querystring.into(),
            origin: None,
            body: None,
        }
    }

    #[test]
    fn tokens_are_found_where_they_may_be() {
        let table: [Case<'_>; 10] = [
            (&[], "", &[], &[]),
            (&["Bearer abc"], "", &[], &["abc"]),
            (&["bearer  abc "], "", &[], &["abc"]),
            (&["Basic abc"], "", &[], &[]),
            (&["Bearer"], "", &[], &[]),
            (&["Bearer a", "Bearer b"], "", &[], &[]),
            (&[], "w=3&token=abc", &[], &["abc"]),
            (&[], "token=a&token=b", &[], &[]),
            (&[], "", &["x=1; t=abc; tt=2", "t=\"def\""], &["abc", "def"]),
            (&["Bearer a"], "token=b", &["t=c; t=d; t=e"], &["a", "b", "c", "d"]),
        ];
        for (authorization, query, cookies, expected) in table {
            assert_eq!(candidates(&request(authorization, query, cookies), Some("t")), expected, "{query} {cookies:?}");
        }
        assert_eq!(candidates(&request(&[], "", &["t=abc"]), None), Vec::<String>::new());
    }
}
