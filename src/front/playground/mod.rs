//! The playground: a page at `/` that shows the pictures of the folder and the effect of each parameter.
//!
//! `GET /` returns the page to those who may see it; everything else is passed to the inner router. The page is one
//! document whose style and script are allowed by their digests in the `Content-Security-Policy`, so that no file name
//! can inject a script. The list of pictures consists of plain links, which work without JavaScript.

mod listing;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use crate::config::words;
use crate::query::GRAMMAR;
use listing::{Listing, Pictures};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

words! {
    /// Who may see the playground.
    Playground {
        /// Everybody. The page reveals the names of the pictures.
        On = "on",
        /// Nobody.
        Off = "off",
        /// Browsers on this machine, while the server listens on a loopback address.
        Auto = "auto",
    }
}

/// Who may see the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everybody who can reach the server.
    Everybody,
    /// Browsers on this machine that do not connect through a proxy.
    ThisMachine,
}

impl Audience {
    /// Derives the audience from the setting and the address that the server listens on, if it is a network address. `None`
    /// disables the page.
    pub fn new(setting: Playground, listen: Option<IpAddr>) -> Option<Self> {
        match setting {
            Playground::On => Some(Self::Everybody),
            Playground::Auto if listen.is_some_and(|address| address.is_loopback()) => Some(Self::ThisMachine),
            Playground::Auto | Playground::Off => None,
        }
    }

    /// Whether a request comes from this audience. A page of another site can make a browser send requests to this
    /// machine under another host name (DNS rebinding), and a proxy forwards requests of others: the headers reveal
    /// both.
    fn includes(self, headers: &HeaderMap) -> bool {
        const OF_PROXIES: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_direct = OF_PROXIES.iter().all(|name| !headers.contains_key(*name));
        self == Self::Everybody || is_direct && host.is_some_and(is_this_machine)
    }
}

/// Whether a `Host` header names this machine.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The page and its parts.
struct Page {
    audience: Audience,
    pictures: Pictures,
    /// The HTML before and after the list of pictures.
    around: (String, String),
    policy: String,
    base_path: String,
}

/// Adds the page to a router. `folder` is the folder of pictures, if the source is a local folder; `cdn` is whether the
/// page of the local CDN is available at `/_cdn/`. Links begin with `base_path`, which an outer router removes.
pub fn in_front_of(router: Router, audience: Audience, folder: Option<PathBuf>, cdn: bool, base_path: &str) -> Router {
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; img-src 'self' blob: data:; connect-src 'self'; style-src 'sha256-{}'; script-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        digest(STYLE),
        digest(SCRIPT)
    );
    // Within a script, `<` could begin its end tag.
    let grammar = serde_json::to_string(&GRAMMAR).unwrap_or_default().replace('<', "\\u003c");
    let page = PAGE.replace("/*style*/", STYLE).replace("/*script*/", SCRIPT).replace("/*grammar*/", &grammar);
    let page = if cdn { page.replace("<a hidden href=\"/_cdn/\"", "<a href=\"/_cdn/\"") } else { page };
    let (head, tail) = page.split_once("<!--pictures-->").unwrap_or((&page, ""));
    let around = (head.to_owned(), tail.to_owned());
    let base_path = base_path.to_owned();
    let page = Arc::new(Page { audience, pictures: Pictures::new(folder), around, policy, base_path });
    router.layer(middleware::from_fn_with_state(page, page_or_picture))
}

async fn page_or_picture(State(page): State<Arc<Page>>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if request.uri().path() != "/" || !is_read || !page.audience.includes(request.headers()) {
        return next.run(request).await;
    }
    let listing = page.pictures.list().await;
    let html = format!("{}{}{}", page.around.0, links(&listing, &page.base_path), page.around.1);
    let headers = [
        (header::CONTENT_SECURITY_POLICY, page.policy.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(html)).into_response()
}

/// The ASCII characters that are percent-encoded in paths within HTML.
const IN_HREF: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`');

/// A link to each picture, and a note if the list is incomplete.
fn links(listing: &Listing, base_path: &str) -> String {
    let mut html = String::new();
    // Writing to a `String` cannot fail.
    for name in &listing.pictures {
        let (key, text) = (utf8_percent_encode(name, IN_HREF), escaped(name));
        let _ = writeln!(html, "<li><a href=\"{base_path}/{key}\">{text}</a></li>");
    }
    if let Some(note) = listing.note() {
        let _ = writeln!(html, "<li class=\"note\">{note}</li>");
    }
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_for_this_machine_unless_it_is_for_everybody() {
        let [local, any] = ["127.0.0.1", "0.0.0.0"].map(|address| Some(address.parse().unwrap()));
        let table = [
            (Playground::Auto, local, Some(Audience::ThisMachine)),
            (Playground::Auto, any, None),
            (Playground::On, any, Some(Audience::Everybody)),
            (Playground::On, local, Some(Audience::Everybody)),
            (Playground::Off, local, None),
            (Playground::Auto, None, None),
            (Playground::On, None, Some(Audience::Everybody)),
        ];
        for (setting, address, expected) in table {
            assert_eq!(Audience::new(setting, address), expected, "{setting:?} {address:?}");
        }
    }

    #[test]
    fn other_names_and_proxies_are_no_browser_of_this_machine() {
        let hosts = [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:8080", true),
            ("127.9.9.9", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("example.com", false),
            ("localhost.example.com:80", false),
            ("127.0.0.1.example.com", false),
            ("192.168.0.1:8080", false),
            ("", false),
        ];
        let with = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::from_iter([(header::HOST, "localhost".parse().unwrap())]);
            headers.insert(name, value.parse().unwrap());
            headers
        };
        for (host, expected) in hosts {
            assert_eq!(Audience::ThisMachine.includes(&with("host", host)), expected, "{host}");
            assert!(Audience::Everybody.includes(&with("host", host)), "{host}");
        }
        for name in ["via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] {
            assert!(!Audience::ThisMachine.includes(&with(name, "1.1 proxy")), "{name}");
        }
        assert!(!Audience::ThisMachine.includes(&HeaderMap::new()));
    }

    #[test]
    fn names_of_files_are_text() {
        let name = "a\"b<script>&'%2F#?.jpg".to_owned();
        let html = links(&Listing { pictures: vec![name], ..Listing::default() }, "/img");
        let expected =
            "<li><a href=\"/img/a%22b%3Cscript%3E%26%27%252F%23%3F.jpg\">a\"b&lt;script&gt;&amp;'%2F#?.jpg</a></li>\n";
        assert_eq!(html, expected);
    }
}
