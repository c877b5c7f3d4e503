//! The commands for the edge: `serve --cdn`, `edge init`, `edge check`, `edge compile` and `sign`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use clap::{Args, Subcommand, ValueEnum};
use image_origin::cdn::{self, Cdn, CdnSettings};
use image_origin::config::Settings;
use image_origin::front::{self, ReadConfig};
use image_origin::{query, text_file};
use image_origin_edge::{
    Action, Cf, Config, Context, Credentials, Headers, Keys, Outcome, Request, Response, Trigger, functions,
    origin_request, origin_response, sign_url, viewer_request, viewer_response,
};

use super::query::parse_strictly;
use super::{Failure, Originals, print_line};

/// The arguments of `serve` for the local CDN.
#[derive(Debug, Args)]
#[command(next_help_heading = "CDN")]
pub(super) struct CdnArguments {
    /// Serve through a local CDN in the same process, with the edge functions and a page that shows each step
    #[arg(long)]
    cdn: bool,
}

impl CdnArguments {
    /// Whether the local CDN is enabled.
    pub(super) const fn is_wanted(&self) -> bool {
        self.cdn
    }

    /// The CDN in front of the router of the local server.
    ///
    /// # Errors
    /// [`Failure`] if its configuration or its keys cannot be used.
    pub(super) async fn open(
        &self,
        originals: &Originals,
        origin: Router,
        settings: &Settings,
    ) -> Result<Cdn, Failure> {
        let storage = Box::new(originals.open().map_err(|error| error.to_string())?);
        let config = match &settings.edge {
            Some(files) => read_config(&files.config, WithoutOrigins::Local)?.config,
            None => front::read_config(cdn::OPEN, None)?.config,
        };
        let keys = match settings.edge.as_ref().and_then(|files| files.keys.as_ref()) {
            Some(place) => front::read_keys(place).await.map_err(|error| error.to_string())?,
            None => Keys::default(),
        };
        refuse_unmet(&config, &keys)?;
        let cdn_settings = CdnSettings {
            cache: settings.origin.cache,
            max_answer: settings.origin.max_source_bytes,
            tag_header: settings.origin.cache_tag_header.clone(),
        };
        let cdn = Cdn::new(config, keys, origin, storage, cdn_settings).map_err(|error| error.to_string())?;
        Ok(cdn.proposing(originals.example()))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum EdgeCommand {
    /// Validate a configuration, and explain what happens to example URLs
    Check {
        /// The configuration, as TOML
        config: PathBuf,
        /// URLs or paths to explain
        urls: Vec<String>,
        /// The edge's keys, with which credentials are verified
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
        /// Where the functions run: `functions` is CloudFront Functions, which cannot do all of it
        #[arg(long, value_name = "ENGINE", default_value = "lambda")]
        engine: Engine,
        /// A header that the viewer sends, such as 'cookie: access=TOKEN'
        #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
        headers: Vec<String>,
    },
    /// Write an edge.toml to start with, and keys.json with fresh secrets
    Init {
        /// The folder for both files, in which there are none yet
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Print a configuration as the JSON that is packaged with the functions
    Compile {
        /// The configuration, as TOML
        config: PathBuf,
    },
    /// Write the functions for CloudFront Functions: viewer-request.js and viewer-response.js
    Functions {
        /// The folder that they are written into
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Bring rules and keys into the KeyValueStore of CloudFront Functions, without a deployment
    #[command(after_help = PUSH_HELP)]
    Push {
        /// The configuration, as TOML
        config: PathBuf,
        /// The edge's keys
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
        /// The store's ARN
        #[arg(long, value_name = "ARN", required_unless_present = "print")]
        store: Option<String>,
        /// Print keys and values as JSON instead, secrets and all: what a new store imports
        #[arg(long, conflicts_with = "store")]
        print: bool,
        /// Where the store's API is [default: AWS]
        #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_CLOUDFRONT_KEYVALUESTORE")]
        endpoint: Option<String>,
    },
}

/// What is shown after the flags of `push`.
const PUSH_HELP: &str = "\
Viewers go over to the new rules within seconds, each request by all of the old or all of the new ones. Values of the last
push but one are removed.

Credentials are found as by every AWS program; they need cloudfront-keyvaluestore:DescribeKeyValueStore, ListKeys and UpdateKeys.

Try:
  image-origin edge check --engine functions edge.toml --keys keys.json
  image-origin edge push edge.toml --keys keys.json --store arn:aws:cloudfront::111122223333:key-value-store/ID";

/// What runs the edge's functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// Lambda@Edge.
    Lambda,
    /// CloudFront Functions.
    Functions,
}

pub(super) fn run(command: EdgeCommand) -> Result<(), Failure> {
    match command {
        EdgeCommand::Check { config, urls, keys, engine, headers } => {
            check(&config, &urls, keys.as_deref(), engine, &headers)
        }
        EdgeCommand::Init { folder } => init(&folder),
        EdgeCommand::Compile { config } => print_line(&read_config(&config, WithoutOrigins::Refused)?.json),
        EdgeCommand::Functions { out } => write_functions(&out),
        EdgeCommand::Push { config, keys, store, print: _, endpoint } => {
            let read = read_config(&config, WithoutOrigins::Local).map_err(Failure::usage)?;
            let known = read_keys(keys.as_deref()).map_err(Failure::usage)?;
            refuse_unmet(&read.config, &known)?;
            let values = functions::store(&read.config, &known).map_err(|error| Failure::usage(error.to_string()))?;
            match store {
                Some(arn) => push(&arn, endpoint.as_deref(), &values),
                None => print_line(&printed(&values).to_string()),
            }
        }
    }
}

/// Writes the functions, and says how large they are.
fn write_functions(folder: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| format!("{} cannot be written: {error}", path.display());
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (name, code) in
        [("viewer-request.js", functions::viewer_request()), ("viewer-response.js", functions::viewer_response())]
    {
        let path = folder.join(name);
        std::fs::write(&path, &code).map_err(|error| failed(&path, error))?;
        print_line(&format!("{}: {} of {} bytes", path.display(), code.len(), functions::MAX_FUNCTION))?;
    }
    Ok(())
}

/// The document that a new KeyValueStore takes what it holds from.
fn printed(values: &functions::Store) -> serde_json::Value {
    let items = values.parts.iter().chain(&values.heads);
    let items: Vec<_> = items.map(|(key, value)| serde_json::json!({"key": key, "value": value})).collect();
    serde_json::json!({"data": items})
}

#[cfg(feature = "s3")]
fn push(arn: &str, endpoint: Option<&str>, values: &functions::Store) -> Result<(), Failure> {
    use image_origin::key_values::{KeyValueError, KeyValueStore};
    let said = |error: KeyValueError| match error {
        KeyValueError::Arn(_) => Failure::usage(error.to_string()),
        other => Failure::from(other.to_string()),
    };
    let pushed = super::runtime()?
        .block_on(async { KeyValueStore::open(arn, endpoint).await.map_err(said)?.push(values).await.map_err(said) })?;
    print_line(&format!("{} values put, {} deleted", pushed.put, pushed.deleted))
}

#[cfg(not(feature = "s3"))]
fn push(_: &str, _: Option<&str>, _: &functions::Store) -> Result<(), Failure> {
    Err(Failure::from("this program was built without the AWS SDK, the feature s3".to_owned()))
}

/// The rules that `edge init` writes.
const FIRST_RULES: &str = include_str!("first_edge.toml");

/// Writes rules and keys, of which the files say what they are for.
fn init(folder: &Path) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::from(format!("no random numbers can be had: {error}"));
    let random = || cdn::random_text().map_err(|error| failed(&error));
    let (token, secret) = (random()?, random()?);
    let year = httpdate::fmt_http_date(SystemTime::now()).split(' ').nth(3).unwrap_or("first").to_owned();
    let keys = serde_json::json!({
        "tokens": [{"name": year, "sha256": cdn::sha256(&token)}],
        "url_secrets": [{"name": year, "secret": secret}],
        "jwks": {},
    });
    let keys = format!("{keys:#}\n");
    // What is written is what is read: a start that cannot fail.
    let config = front::read_config(FIRST_RULES, Some(cdn::OPEN))?.config;
    refuse_unmet(&config, &Keys::from_json(&keys).map_err(|error| error.to_string())?)?;
    let (rules_file, keys_file) = (folder.join("edge.toml"), folder.join("keys.json"));
    // Both or none.
    for file in [&rules_file, &keys_file] {
        if file.exists() {
            return Err(Failure::usage(format!("{} is there already", file.display())));
        }
    }
    write_new(&keys_file, &keys, true)?;
    write_new(&rules_file, FIRST_RULES, false)?;
    let (rules, keys) = (rules_file.display(), keys_file.display());
    print_line(&format!(
        "{rules} has the rules, and {keys} the secrets: keep it out of repositories\n\n\
         the token of {keys}, of which only the hash is kept:\n  {token}\n\n\
         image-origin edge check {rules} --keys {keys} -H 'authorization: Bearer {token}' '/press/a.jpg?w=300'\n\
         image-origin sign --keys {keys} '/press/a.jpg?w=300'\n\
         image-origin serve FOLDER --edge {rules} --edge-keys {keys}"
    ))
}

/// Writes a file that is not there yet; one that is private only its owner may read.
fn write_new(file: &Path, text: &str, is_private: bool) -> Result<(), String> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = is_private;
    let written = options.open(file).and_then(|mut to| std::io::Write::write_all(&mut to, text.as_bytes()));
    written.map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

/// The arguments of `sign`.
#[derive(Debug, Args)]
pub(super) struct SignArguments {
    /// URLs, or paths with their query
    #[arg(required = true)]
    urls: Vec<String>,
    /// The edge's keys, which contain the secrets
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// Name of the secret [default: the last one, which is the newest]
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// How long the URL is valid: seconds, or a number with m, h or d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    expires_in: u64,
}

pub(super) fn sign(arguments: &SignArguments) -> Result<(), Failure> {
    let file = arguments.keys.display();
    let secrets = read_secrets(&arguments.keys)?;
    let secret = secrets.url_secret(arguments.secret.as_deref()).ok_or_else(|| match &arguments.secret {
        Some(name) => format!("{file} contains no url_secrets entry named {name}"),
        None => format!("{file} contains no url_secrets"),
    })?;
    let expires = now().saturating_add(arguments.expires_in);
    for url in &arguments.urls {
        let (host, path) = split(url);
        check_signable(path).map_err(|error| Failure::usage(format!("{url}: {error}")))?;
        let signed = sign_url(path, expires, secret).map_err(|error| Failure::usage(format!("{url}: {error}")))?;
        print_line(&format!("{host}{signed}"))?;
    }
    Ok(())
}

/// Rejects a URL whose signature would cover something else than is written: an unknown parameter would be dropped, which
/// signs the picture in its full size, and dot segments would be resolved to another path.
fn check_signable(path_and_query: &str) -> Result<(), String> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    if decoded.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("the path contains dot segments; write the resolved path".to_owned());
    }
    // Presets are part of the origin's configuration, which is not available here.
    let presets = query::preset_names(query).into_iter().map(|name| (name, String::new())).collect();
    // A version is signed as well.
    let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("versionId=")).collect();
    parse_strictly(&rest.join("&"), &presets).map(drop)
}

fn check(file: &Path, urls: &[String], keys: Option<&Path>, engine: Engine, headers: &[String]) -> Result<(), Failure> {
    let ReadConfig { mut config, borrows_origins, .. } =
        read_config(file, WithoutOrigins::Local).map_err(Failure::usage)?;
    config.name_transformer("origin-of-the-distribution");
    let headers = headers.iter().map(|text| header(text)).collect::<Result<Headers, _>>().map_err(Failure::usage)?;
    let mut known = read_keys(keys).map_err(Failure::usage)?;
    if keys.is_some() {
        refuse_unmet(&config, &known)?;
    }
    if engine == Engine::Functions {
        let problems = functions::unsupported(&config, &known);
        if !problems.is_empty() {
            return Err(Failure::usage(problems.join("\n")));
        }
    }
    // The explanation needs the origin of a request, not a valid signature.
    known.credentials = Some(Credentials {
        access_key_id: "example".to_owned(),
        secret_access_key: "example".to_owned(),
        session_token: None,
    });
    let origins = config.origins();
    let storage = origins.storage.as_ref().map_or("none", |target| target.domain.as_str());
    let note = if borrows_origins { " (no [origins] in the file; using those of `serve --cdn`)" } else { "" };
    print_line(&format!(
        "{} is good; transformer {}, storage {storage}{note}",
        file.display(),
        origins.transformer.domain
    ))?;
    for url in urls {
        print_line(&explain(url, &headers, &config, &known))?;
    }
    Ok(())
}

/// Rejects rules that nobody could satisfy.
fn refuse_unmet(config: &Config, keys: &Keys) -> Result<(), Failure> {
    let unmet = config.unmet_by(keys);
    if unmet.is_empty() { Ok(()) } else { Err(Failure::usage(unmet.join("\n"))) }
}

/// Explains in words how the edge functions handle a request.
fn explain(url: &str, headers: &Headers, config: &Config, keys: &Keys) -> String {
    let (_, path) = split(url);
    let (uri, querystring) = path.split_once('?').unwrap_or((path, ""));
    let ignored =
        cdn::explain_ignored(querystring, config).map(|ignored| format!("    {ignored}\n")).unwrap_or_default();
    let request = Request {
        client_ip: String::new(),
        headers: headers.clone(),
        method: "GET".to_owned(),
        uri: uri.to_owned(),
        querystring: querystring.to_owned(),
        origin: None,
        body: None,
    };
    let mut cf = Cf { config: context(Trigger::ViewerRequest), request, response: None };
    let viewer = viewer_request(&cf, config, now(), keys);
    let mut text = format!("\n{url}\n  viewer-request: {}\n{ignored}", viewer.why);
    match viewer.action {
        Action::Respond(response) => {
            if let Some(lookup) = &viewer.lookup {
                text += &format!("    it asks {} first; without an answer, ", lookup.url);
            } else {
                text += "    ";
            }
            text += &format!("the response is {}", response.status);
            let has_no_access = matches!(response.status.as_str(), "401" | "403" | "503");
            if !has_no_access || viewer.code == Some("not_permitted") {
                return text;
            }
            text += "\n  with access, ";
        }
        Action::Forward(request) => {
            let separator = if request.querystring.is_empty() { "" } else { "?" };
            let accept = request.headers.single("accept").unwrap_or_default();
            text +=
                &format!("    forwarded as {}{separator}{}, Accept: {accept}\n  ", request.uri, request.querystring);
            cf.request = *request;
        }
    }
    cf.config = context(Trigger::OriginRequest);
    text += &format!("origin-request: {}", origin_request(&cf, config, now(), keys).why);
    text + &explain_caching(cf, config, keys)
}

/// What becomes of the `Cache-Control` of an answer that any cache may keep for a month.
fn explain_caching(mut cf: Cf, config: &Config, keys: &Keys) -> String {
    const ORIGINALLY: &str = "public, max-age=2592000";
    let headers = Headers::from_iter([("Cache-Control", ORIGINALLY)]);
    let status = "200".to_owned();
    let response = Response { status, status_description: None, headers, body: None, body_encoding: None };
    let mut after = |trigger, function: fn(&Cf, &Config, u64, &Keys) -> Outcome, response| {
        (cf.config, cf.response) = (context(trigger), Some(response));
        match function(&cf, config, now(), keys).action {
            Action::Respond(response) => *response,
            Action::Forward(_) => Response::default(),
        }
    };
    let kept = after(Trigger::OriginResponse, origin_response, response);
    let given = after(Trigger::ViewerResponse, viewer_response, kept.clone());
    let caching = |response: &Response| response.headers.single("cache-control").unwrap_or("nothing").to_owned();
    format!("\n  `{ORIGINALLY}` is `{}` for CloudFront, `{}` for viewers", caching(&kept), caching(&given))
}

fn context(event_type: Trigger) -> Context {
    Context {
        distribution_domain_name: String::new(),
        distribution_id: String::new(),
        event_type,
        request_id: "example".to_owned(),
    }
}

/// How a configuration without `[origins]` is treated. A deployment may write that table itself, as the CDK app does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithoutOrigins {
    /// The origins of the local CDN are used.
    Local,
    /// It is an error.
    Refused,
}

fn read_config(file: &Path, without_origins: WithoutOrigins) -> Result<ReadConfig, String> {
    let origins = match without_origins {
        WithoutOrigins::Local => Some(cdn::OPEN),
        WithoutOrigins::Refused => None,
    };
    front::read_config(&read(file)?, origins).map_err(|error| format!("{}: {error}", file.display()))
}

fn read_keys(file: Option<&Path>) -> Result<Keys, String> {
    let Some(file) = file else { return Ok(Keys::default()) };
    Keys::from_json(&read(file)?).map_err(|error| format!("{}: {error}", file.display()))
}

/// Reads the secrets for signed URLs. The other keys in the file need not be valid.
fn read_secrets(file: &Path) -> Result<Keys, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let mut keys: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&read(file)?).map_err(|error| failed(&error))?;
    keys.retain(|name, _| name == "url_secrets");
    Keys::from_json(&serde_json::Value::from(keys).to_string()).map_err(|error| failed(&error))
}

fn read(file: &Path) -> Result<String, String> {
    text_file::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// Splits a URL into scheme and host, which may be empty, and path and query. A fragment is dropped, as browsers do.
fn split(url: &str) -> (&str, &str) {
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    if host == 0 {
        return ("", url);
    }
    url.split_at(url[host..].find('/').map_or(url.len(), |slash| host + slash))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("invalid header {text}: expected NAME: VALUE such as 'accept: image/webp'"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Reads `90`, `15m`, `12h` or `7d`.
fn seconds(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((digits, "m")) => (digits, 60),
        Some((digits, "h")) => (digits, 60 * 60),
        Some((digits, "d")) => (digits, 24 * 60 * 60),
        _ => (text, 1),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number.filter(|seconds| *seconds > 0).ok_or_else(|| "expected seconds, or a number with m, h or d".to_owned())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
