//! The tables `[[sources]]` of a configuration file.
//!
//! Input: the tables as written, and the settings of S3 that apply to all of them. Output: [`RouteSettings`], which are
//! validated as far as that is possible without the network, the file system and the environment.

#[cfg(feature = "http")]
use http::HeaderName;
use toml::{Table, Value};

use super::file::written;
#[cfg(feature = "http")]
use super::quantity::seconds;
use super::quantity::{ByteSize, word};
use super::resolve::check_endpoint;
#[cfg(feature = "http")]
use super::resolve::time;
use super::{ConfigError, bad};
use crate::query::{self, OverlayKey};
#[cfg(feature = "http")]
use crate::source::http::{HeaderTemplate, Host, HttpSettings, Network};
use crate::source::{self, AccessDenied, OnError, PlaceSettings, RouteSettings, SourceSettings};

/// The names of a source, in the order of the documentation.
const OF_SOURCE: [&str; 6] = ["path", "host", "strip_prefix", "fallback", "fallback_image", "on_error"];

/// The names of every place, which a source has and each of its fallbacks may have.
const OF_PLACE: [&str; 3] = ["from", "max_source_bytes", "access_denied"];

/// The names that only buckets have.
const OF_BUCKET: [&str; 5] = ["region", "endpoint", "path_style", "role_arn", "versions"];

/// The names that only web servers have.
const OF_HTTP: [&str; 6] = ["headers", "redirect_hosts", "networks", "ports", "timeout", "first_bytes"];

/// Validates the sources. `usual` are the settings of S3 for sources without their own.
pub(super) fn routes(tables: Vec<Table>, usual: &SourceSettings) -> Result<Vec<RouteSettings>, ConfigError> {
    let mut routes: Vec<RouteSettings> = Vec::with_capacity(tables.len());
    for (index, table) in tables.into_iter().enumerate() {
        let name = format!("sources[{index}]");
        let route = route(Fields { name: name.clone(), table }, usual)?;
        if let Some(first) = routes.iter().position(|earlier| earlier.covers(&route)) {
            let reason = format!("sources[{first}] is for all of its requests and comes first: put this one before it");
            return Err(bad(&name, shown(&route), reason));
        }
        routes.push(route);
    }
    for (index, route) in routes.iter().enumerate() {
        let Some(image) = &route.fallback_image else { continue };
        if !routes.iter().any(|other| other.is_for(route.host.as_deref(), image)) {
            let name = format!("sources[{index}].fallback_image");
            return Err(bad(&name, image, "expected the path of a picture, for which there is a source"));
        }
    }
    Ok(routes)
}

/// The requests that a source is for, as in the file.
fn shown(route: &RouteSettings) -> String {
    let path = if route.folder.is_empty() { "/*".to_owned() } else { format!("/{}/*", route.folder) };
    format!("{}{path}", route.host.as_deref().unwrap_or_default())
}

fn route(mut fields: Fields, usual: &SourceSettings) -> Result<RouteSettings, ConfigError> {
    let path = fields.text("path")?;
    let host = fields.text("host")?;
    if path.is_none() && host.is_none() {
        return Err(fields.bad("path", "nothing", "expected `path`, `host` or both, such as path = \"/*\""));
    }
    let folder = path.map_or(Ok(String::new()), |path| {
        folder_of(&path).ok_or_else(|| fields.bad("path", path, "expected a path such as /products/* or /*"))
    })?;
    if let Some(host) = host.as_deref().filter(|host| !is_host(host)) {
        let allowed = "expected a host in lower case without scheme and port, such as img.example.com";
        return Err(fields.bad("host", host, allowed));
    }
    let strip_prefix = fields.text("strip_prefix")?.map_or(Ok(String::new()), |prefix| {
        let name = prefix.trim_matches('/');
        let is_above = name.is_empty() || folder == name || folder.starts_with(&format!("{name}/"));
        let allowed = "expected the path without its /*, or a folder above it, such as /products";
        if is_above { Ok(name.to_owned()) } else { Err(fields.bad("strip_prefix", prefix, allowed)) }
    })?;
    let fallbacks = fields.list("fallback")?;
    let mut places = vec![place(&mut fields, usual)?];
    for (index, fallback) in fallbacks.into_iter().enumerate() {
        let name = format!("{}.fallback[{index}]", fields.name);
        let table = match fallback {
            Value::String(from) => Table::from_iter([("from".to_owned(), Value::String(from))]),
            Value::Table(table) => table,
            other => return Err(bad(&name, written(&name, other)?, "expected a place or a table with `from`")),
        };
        let mut fallback = Fields { name, table };
        places.push(place(&mut fallback, usual)?);
        fallback.end(&[])?;
    }
    let image = |text: &str| {
        OverlayKey::parse(text).map(|key| key.as_str().to_owned()).ok_or("expected a path without its host")
    };
    let fallback_image = fields.parsed("fallback_image", image)?;
    let on_error = fields.parsed("on_error", word::<OnError>)?.unwrap_or_default();
    fields.end(&OF_SOURCE)?;
    Ok(RouteSettings { folder, host, strip_prefix, places, fallback_image, on_error })
}

fn place(fields: &mut Fields, usual: &SourceSettings) -> Result<PlaceSettings, ConfigError> {
    let expected = "expected dir:PATH, s3://BUCKET/PREFIX or https://HOST/PATH/";
    let from = fields.text("from")?.ok_or_else(|| fields.bad("from", "nothing", expected))?;
    if !from.starts_with("dir:") && !from.contains("://") {
        return Err(fields.bad("from", from, expected));
    }
    let is_http = from.starts_with("https://") || from.starts_with("http://");
    let others: [(bool, &[&str], &str); 2] = [
        (from.starts_with("s3://"), &OF_BUCKET, "only a source that begins with s3:// has this setting"),
        (is_http, &OF_HTTP, "only a source that begins with https:// or http:// has this setting"),
    ];
    for (is_such, names, reason) in others {
        if let Some(name) = names.iter().find(|name| !is_such && fields.table.contains_key(**name)) {
            return Err(fields.bad(name, "a value", reason));
        }
    }
    let max_bytes = fields.parsed("max_source_bytes", str::parse::<ByteSize>)?.map(|size| size.0);
    let endpoint = fields.text("endpoint")?;
    let endpoint = endpoint.map(|url| check_endpoint(&fields.named("endpoint"), url)).transpose()?;
    let store = SourceSettings {
        endpoint: endpoint.or_else(|| usual.endpoint.clone()),
        region: fields.parsed("region", region)?.or_else(|| usual.region.clone()),
        role_arn: fields.parsed("role_arn", role_arn)?.or_else(|| usual.role_arn.clone()),
        path_style: fields.parsed("path_style", word)?.unwrap_or(usual.path_style),
        denied: fields.parsed("access_denied", word::<AccessDenied>)?.unwrap_or(usual.denied),
        versions: fields.parsed("versions", word)?.unwrap_or(usual.versions),
        #[cfg(feature = "http")]
        http: http(fields)?,
    };
    source::check_place(&from, &store).map_err(|error| fields.bad("from", source::redacted(&from), error))?;
    Ok(PlaceSettings { from, max_bytes, store })
}

#[cfg(feature = "http")]
fn http(fields: &mut Fields) -> Result<HttpSettings, ConfigError> {
    let usual = HttpSettings::default();
    let network = |text: &str| Network::parse(text).ok_or("expected networks such as 10.0.0.0/8 or addresses");
    let host = |text: &str| Host::parse(text).map_err(|_| "expected hosts such as cdn.example.com");
    let port = |text: &str| match text.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err("expected numbers from 1 to 65535"),
    };
    let timeout = fields.parsed("timeout", seconds)?;
    let timeout = timeout.map(|_| time(&fields.named("timeout"), timeout, 0.0, 900.0)).transpose()?;
    let first_bytes = fields.parsed("first_bytes", str::parse::<ByteSize>)?.map(|size| size.0);
    if let Some(bytes) = first_bytes.filter(|bytes| *bytes < LEAST_FIRST_BYTES) {
        return Err(fields.bad("first_bytes", bytes, format!("expected at least {LEAST_FIRST_BYTES}")));
    }
    Ok(HttpSettings {
        headers: headers(fields)?,
        redirect_hosts: fields.texts("redirect_hosts", host)?,
        networks: fields.texts("networks", network)?,
        ports: fields.texts("ports", port)?,
        timeout: timeout.unwrap_or(usual.timeout),
        first_bytes,
    })
}

/// The bytes by which every format is recognised, and a little more.
#[cfg(feature = "http")]
const LEAST_FIRST_BYTES: u64 = 1024;

#[cfg(feature = "http")]
fn headers(fields: &mut Fields) -> Result<Vec<(HeaderName, HeaderTemplate)>, ConfigError> {
    let table = match fields.table.remove("headers") {
        None => return Ok(Vec::new()),
        Some(Value::Table(table)) => table,
        Some(_) => return Err(fields.bad("headers", "a value", "expected a table of names and values")),
    };
    let header = |(name, value): (String, Value)| {
        let place = format!("headers.{name}");
        let parsed = source::http::header_name(&name);
        let parsed = parsed.ok_or_else(|| fields.bad(&place, "a value", "no source can be sent this header"))?;
        let text = written(&fields.named(&place), value)?;
        // The value may be a secret.
        let template = HeaderTemplate::parse(&text).ok_or_else(|| {
            fields.bad(&place, "(hidden)", "expected visible characters, and variables such as ${CMS_TOKEN}")
        })?;
        Ok((parsed, template))
    };
    table.into_iter().map(header).collect()
}

fn region(text: &str) -> Result<String, &'static str> {
    let is_region =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_region { Ok(text.to_owned()) } else { Err("expected a region such as eu-central-1") }
}

fn role_arn(text: &str) -> Result<String, &'static str> {
    let is_role = text.starts_with("arn:") && text.contains(":iam::") && text.contains(":role/");
    if is_role {
        Ok(text.to_owned())
    } else {
        Err("expected the ARN of a role, such as arn:aws:iam::123456789012:role/images")
    }
}

/// The folder of a path pattern, without slashes at its ends.
fn folder_of(pattern: &str) -> Option<String> {
    let folder = pattern.strip_prefix('/')?.strip_suffix('*')?;
    if folder.is_empty() {
        return Some(String::new());
    }
    let folder = folder.strip_suffix('/')?;
    let is_plain = folder.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    (is_plain && !folder.contains(['*', '%', '?', '#', '\\'])).then(|| folder.to_owned())
}

/// Whether a text is a host name in lower case, without a trailing dot.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        is_plain && !label.is_empty() && label.len() < 64 && !label.starts_with('-') && !label.ends_with('-')
    };
    host.len() < 254 && host.split('.').all(is_label)
}

/// The fields of a table that have not been read yet.
struct Fields {
    /// The name of the table in messages.
    name: String,
    table: Table,
}

impl Fields {
    fn named(&self, field: &str) -> String {
        format!("{}.{field}", self.name)
    }

    fn bad(&self, field: &str, value: impl ToString, allowed: impl ToString) -> ConfigError {
        bad(&self.named(field), value, allowed)
    }

    /// Takes a field as the text that a flag would have.
    fn text(&mut self, field: &str) -> Result<Option<String>, ConfigError> {
        let value = self.table.remove(field);
        value.map(|value| written(&self.named(field), value)).transpose()
    }

    fn parsed<T, E: ToString>(
        &mut self,
        field: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        parse(&text).map(Some).map_err(|error| self.bad(field, &text, error))
    }

    /// Takes a list of values, each as the text that a flag would have.
    #[cfg(feature = "http")]
    fn texts<T>(
        &mut self,
        field: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Vec<T>, ConfigError> {
        let name = self.named(field);
        let value = |value| {
            let text = written(&name, value)?;
            parse(&text).map_err(|error| bad(&name, &text, error))
        };
        self.list(field)?.into_iter().map(value).collect()
    }

    fn list(&mut self, field: &str) -> Result<Vec<Value>, ConfigError> {
        match self.table.remove(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values),
            Some(value) => {
                let name = self.named(field);
                let text = if value.is_table() { "a table".to_owned() } else { written(&name, value)? };
                Err(bad(&name, text, "expected a list"))
            }
        }
    }

    /// Rejects fields that have not been read. `own` are the names besides those of places.
    fn end(self, own: &[&str]) -> Result<(), ConfigError> {
        let Some((field, _)) = self.table.iter().next() else { return Ok(()) };
        let known = [own, &OF_PLACE, &OF_BUCKET, &OF_HTTP].concat();
        let meant = query::nearest(field, known.into_iter());
        let hint = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        Err(bad(&self.name, format!("with `{field}`"), format!("unknown setting{hint}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<RouteSettings>, String> {
        let mut table: Table = toml::from_str(text).unwrap();
        let Some(Value::Array(tables)) = table.remove("sources") else { panic!("{text}") };
        let tables = tables.into_iter().map(|table| table.try_into().unwrap()).collect();
        let usual = SourceSettings { endpoint: Some("http://store.example".to_owned()), ..SourceSettings::default() };
        routes(tables, &usual).map_err(|error| error.to_string())
    }

    #[test]
    fn sources_have_paths_hosts_places_and_fallbacks() {
        let routes = read(
            "[[sources]]\npath = \"/products/*\"\nstrip_prefix = \"/products/\"\nfrom = \"dir:products\"\n\
             fallback = [\"dir:old\", { from = \"dir:older\", max_source_bytes = \"1M\" }]\n\
             [[sources]]\nhost = \"img.brand-a.example\"\nfrom = \"dir:a\"\naccess_denied = \"forbidden\"\n",
        );
        let routes = routes.unwrap();
        let [first, second] = routes.as_slice() else { panic!("{routes:?}") };
        assert_eq!(
            (first.folder.as_str(), first.host.as_deref(), first.strip_prefix.as_str()),
            ("products", None, "products")
        );
        let places = first.places.iter().map(|place| (place.from.as_str(), place.max_bytes));
        let expected = [("dir:products", None), ("dir:old", None), ("dir:older", Some(1 << 20))];
        assert_eq!(places.collect::<Vec<_>>(), expected);
        assert_eq!((second.folder.as_str(), second.host.as_deref()), ("", Some("img.brand-a.example")));
        assert_eq!(second.places[0].store.denied, AccessDenied::Forbidden);
    }

    #[test]
    #[cfg(feature = "s3")]
    fn buckets_have_settings_of_their_own() {
        let own = "region = \"eu-west-1\"\nendpoint = \"https://other.example\"\npath_style = true\nversions = true\n\
             role_arn = \"arn:aws:iam::123456789012:role/images\"\n";
        for (settings, region, endpoint) in
            [("", None, "http://store.example"), (own, Some("eu-west-1"), "https://other.example")]
        {
            let routes =
                read(&format!("[[sources]]\npath = \"/*\"\nfrom = \"s3://bucket/prefix\"\n{settings}")).unwrap();
            let store = &routes[0].places[0].store;
            assert_eq!((store.region.as_deref(), store.endpoint.as_deref()), (region, Some(endpoint)));
            assert_eq!(
                (store.path_style, store.versions, store.role_arn.is_some()),
                (region.is_some(), region.is_some(), region.is_some())
            );
        }
    }

    #[test]
    fn bad_sources_are_named() {
        let table = [
            ("from = \"dir:a\"", "invalid value nothing for `sources[0].path`: expected `path`, `host` or both"),
            ("path = \"/*\"", "invalid value nothing for `sources[0].from`: expected dir:PATH"),
            ("path = \"/*\"\nfrom = \"photos\"", "invalid value photos for `sources[0].from`: expected dir:PATH"),
            ("path = \"/*\"\nfrom = \"gs://b\"", "for `sources[0].from`: unsupported source gs://"),
            ("path = \"products/*\"\nfrom = \"dir:a\"", "for `sources[0].path`: expected a path such as /products/*"),
            ("path = \"/products\"\nfrom = \"dir:a\"", "for `sources[0].path`: expected a path such as"),
            ("path = \"/a/../*\"\nfrom = \"dir:a\"", "for `sources[0].path`: expected a path such as"),
            ("path = \"/a*/*\"\nfrom = \"dir:a\"", "for `sources[0].path`: expected a path such as"),
            ("host = \"https://a.example\"\nfrom = \"dir:a\"", "for `sources[0].host`: expected a host in lower case"),
            ("host = \"a.example:80\"\nfrom = \"dir:a\"", "for `sources[0].host`: expected a host in lower case"),
            ("host = \"A.example\"\nfrom = \"dir:a\"", "for `sources[0].host`: expected a host in lower case"),
            (
                "path = \"/a/*\"\nstrip_prefix = \"/b\"\nfrom = \"dir:a\"",
                "for `sources[0].strip_prefix`: expected the path",
            ),
            (
                "path = \"/ab/*\"\nstrip_prefix = \"/a\"\nfrom = \"dir:a\"",
                "for `sources[0].strip_prefix`: expected the path",
            ),
            (
                "path = \"/*\"\nfrom = \"dir:a\"\nregion = \"x\"",
                "for `sources[0].region`: only a source that begins with s3://",
            ),
            (
                "path = \"/*\"\nfrom = \"dir:a\"\nfallback = \"dir:b\"",
                "invalid value dir:b for `sources[0].fallback`: expected a list",
            ),
            (
                "path = \"/*\"\nfrom = \"dir:a\"\nfallback = [1]",
                "invalid value 1 for `sources[0].fallback[0]`: expected a place",
            ),
            (
                "path = \"/*\"\nfrom = \"dir:a\"\nfallback = [{ form = \"dir:b\" }]",
                "for `sources[0].fallback[0].from`: expected dir:PATH",
            ),
            (
                "path = \"/*\"\nfrom = \"dir:a\"\nfallback = [{ from = \"dir:b\", path = \"/\" }]",
                "invalid value with `path` for `sources[0].fallback[0]`: unknown setting",
            ),
            (
                "path = \"/*\"\nfrom = \"dir:a\"\nmax_source_bytes = \"x\"",
                "for `sources[0].max_source_bytes`: expected a number of bytes",
            ),
            (
                "path = \"/*\"\nfrom = \"dir:a\"\non_error = \"x\"",
                "for `sources[0].on_error`: expected problem or original",
            ),
            (
                "path = \"/*\"\nfrom = \"dir:a\"\nfallback_image = \"../x\"",
                "for `sources[0].fallback_image`: expected a path",
            ),
            (
                "path = \"/a/*\"\nfrom = \"dir:a\"\nfallback_image = \"b/x.png\"",
                "invalid value b/x.png for `sources[0].fallback_image`: expected the path of a picture, for which",
            ),
            (
                "path = \"/*\"\nform = \"dir:a\"\nfrom = \"dir:a\"",
                "`sources[0]`: unknown setting; did you mean `from`?",
            ),
            (
                "path = \"/*\"\nfrom = \"dir:a\"\naccess_denied = \"no\"",
                "for `sources[0].access_denied`: expected not-found or forbidden",
            ),
            (
                "path = \"/*\"\nfrom = \"dir:a\"\n[[sources]]\npath = \"/a/*\"\nfrom = \"dir:b\"",
                "invalid value /a/* for `sources[1]`: sources[0] is for all of its requests",
            ),
            (
                "host = \"h\"\nfrom = \"dir:a\"\n[[sources]]\nhost = \"h\"\npath = \"/a/*\"\nfrom = \"dir:b\"",
                "invalid value h/a/* for `sources[1]`: sources[0] is for all of its requests",
            ),
        ];
        for (text, message) in table {
            let error = read(&format!("[[sources]]\n{text}")).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    #[cfg(feature = "http")]
    fn web_servers_have_settings_of_their_own() {
        let routes = read(
            "[[sources]]\npath = \"/*\"\nfrom = \"https://cms.example.com/media/\"\n\
             headers = { Authorization = \"Bearer ${CMS_TOKEN}\", x-tenant = \"7\" }\n\
             redirect_hosts = [\"cdn.example.com\"]\nnetworks = [\"10.0.0.0/8\", \"fd00::/8\"]\nports = [8443]\n\
             timeout = \"2s\"\nfirst_bytes = \"64K\"\n",
        );
        let http = &routes.unwrap()[0].places[0].store.http;
        let names: Vec<_> = http.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            (names, http.ports.as_slice(), http.networks.len()),
            (vec!["authorization", "x-tenant"], &[8443][..], 2)
        );
        assert_eq!((http.timeout.as_secs(), http.first_bytes), (2, Some(64 << 10)));
        let table = [
            ("from = \"dir:a\"\nports = [1]", "for `sources[0].ports`: only a source that begins with https://"),
            ("from = \"https://u:p@h.example/\"", "invalid URL of an HTTP source: the URL contains credentials"),
            ("from = \"https://h.example/?x\"", "expected https://HOST/PATH/ without a query"),
            ("from = \"http://127.0.0.1/\"", "the address 127.0.0.1 of 127.0.0.1 is loopback: name its network"),
            ("from = \"https://h.example\"\nports = [0]", "invalid value 0 for `sources[0].ports`: expected numbers"),
            ("from = \"https://h.example\"\nports = 1", "invalid value 1 for `sources[0].ports`: expected a list"),
            ("from = \"https://h.example\"\nnetworks = [\"10/8\"]", "invalid value 10/8 for `sources[0].networks`"),
            (
                "from = \"https://h.example\"\nredirect_hosts = [\"*.a\"]",
                "invalid value *.a for `sources[0].redirect_hosts`",
            ),
            (
                "from = \"https://h.example\"\nheaders = { host = \"a\" }",
                "for `sources[0].headers.host`: no source can be sent",
            ),
            (
                "from = \"https://h.example\"\nheaders = { a = \"${}\" }",
                "invalid value (hidden) for `sources[0].headers.a`",
            ),
            ("from = \"https://h.example\"\nheaders = \"a\"", "for `sources[0].headers`: expected a table"),
            ("from = \"https://h.example\"\ntimeout = 0", "invalid value 0 for `sources[0].timeout`: expected 0.001"),
            (
                "from = \"https://h.example\"\nfirst_bytes = 3",
                "invalid value 3 for `sources[0].first_bytes`: expected at least",
            ),
        ];
        for (text, message) in table {
            let error = read(&format!("[[sources]]\npath = \"/*\"\n{text}")).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    #[cfg(feature = "s3")]
    fn bad_buckets_are_named() {
        let table = [
            ("region = \"EU\"", "for `sources[0].region`: expected a region"),
            ("role_arn = \"role\"", "for `sources[0].role_arn`: expected the ARN"),
            ("endpoint = \"store\"", "invalid value store for `sources[0].endpoint`: expected a URL"),
            ("path_style = 1", "for `sources[0].path_style`: expected true or false"),
        ];
        for (text, message) in table {
            let error = read(&format!("[[sources]]\npath = \"/*\"\nfrom = \"s3://bucket\"\n{text}")).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
        let error = read("[[sources]]\npath = \"/*\"\nfrom = \"s3://a/../b\"").unwrap_err();
        assert!(error.contains("invalid value an S3 bucket for `sources[0].from`: invalid S3 prefix"), "{error}");
    }
}
