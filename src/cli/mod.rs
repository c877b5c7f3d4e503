//! The command-line interface: arguments, files and messages. The processing itself is in the library.

mod batch;
#[cfg(feature = "compare")]
mod compare;
mod config;
#[cfg(feature = "cdn")]
mod edge;
#[cfg(not(feature = "cdn"))]
#[path = "without_edge.rs"]
mod edge;
mod entrance;
mod environment;
mod failure;
mod grammar;
mod health;
#[cfg(feature = "lambda")]
mod lambda;
mod manual;
mod originals;
#[cfg(feature = "s3")]
mod purge;
mod query;
mod reload;
mod settings;
mod web_function;
mod welcome;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use entrance::Entrance;
use failure::Failure;
use image_origin::config::{EdgeFiles, LogFormat, LogSettings, Settings};
use image_origin::front::playground::Playground;
use image_origin::front::{ListenAddress, Listener, Policy, playground};
use image_origin::origin::{ExposeMetadata, Origin};
use image_origin::source::{GetOptions, Key, Source, SourceError, Sources};
use image_origin::{front, transform};
use originals::Originals;
use percent_encoding::{AsciiSet, CONTROLS};
use settings::{Asking, Given, Inspecting, Reporting, Server};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use welcome::Welcome;

/// An on-demand image transformation server, and the same transformations for files
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Try:\n  image-origin serve fixtures\n  image-origin transform photo.jpg 'w=300&format=webp' -o small.webp"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the images of a folder, a bucket or a web server over HTTP
    Serve {
        /// The folder of originals, s3://BUCKET/PREFIX or https://HOST/PATH/ [default: `source` or [[sources]] of the configuration file]
        #[arg(env = "IMAGE_ORIGIN_SOURCE")]
        source: Option<String>,
        #[command(flatten)]
        cdn: Box<edge::CdnArguments>,
        #[command(flatten)]
        settings: Box<Given<Server>>,
    },
    /// Transform image files as the server would
    #[command(
        after_help = batch::HELP,
        override_usage = "image-origin transform [OPTIONS] <IN>... <QUERY> <-o OUT | --out-dir DIR>"
    )]
    Transform(Box<batch::Arguments>),
    /// Print facts about an image as JSON
    Info {
        /// The image; - is standard input
        file: PathBuf,
        #[command(flatten)]
        settings: Box<Given<Inspecting>>,
    },
    /// Print the metadata of an image as JSON
    Exif {
        /// The image; - is standard input
        file: PathBuf,
        #[command(flatten)]
        settings: Box<Given<Reporting>>,
    },
    #[cfg(feature = "compare")]
    /// Compare two pictures by SSIMULACRA2 and by size
    Compare(Box<compare::Arguments>),
    /// Check whether a server is healthy, for containers without another HTTP client
    Health {
        #[command(flatten)]
        settings: Box<Given<Asking>>,
    },
    #[cfg(feature = "cdn")]
    /// Sign URLs, which then grant access to a picture until they expire
    Sign(edge::SignArguments),
    #[cfg(feature = "s3")]
    /// Take answers back, from CloudFront and from a store of results
    #[command(
        after_help = purge::HELP,
        override_usage = "image-origin purge [OPTIONS] [KEY]... <--distribution ID | --results PLACE>"
    )]
    Purge(Box<purge::PurgeArguments>),
    #[cfg(feature = "cdn")]
    /// Commands for the functions at the CDN's edge
    #[command(subcommand)]
    Edge(edge::EdgeCommand),
    /// Commands for the server's settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print every query parameter
    Grammar {
        /// Print as JSON
        #[arg(long)]
        json: bool,
        /// Print as the page docs/grammar.md
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
    },
    /// Print completions for a shell
    #[command(after_help = manual::COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write that of each command into a folder
    Man {
        /// The folder, such as /usr/local/share/man/man1
        folder: Option<PathBuf>,
    },
}

pub(crate) fn run() -> ExitCode {
    #[cfg(feature = "lambda")]
    let function = lambda::runtime_api().map(|api| lambda::run(&api));
    #[cfg(not(feature = "lambda"))]
    let function: Option<Result<(), Failure>> = None;
    let outcome = match function {
        Some(outcome) => outcome,
        None => command(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.end(),
    }
}

fn command() -> Result<(), Failure> {
    let mut command = environment::without_empty(Cli::command());
    let parsed = command.try_get_matches_from_mut(std::env::args_os()).and_then(|mut matches| {
        // The value names are derived by clap, so this cannot fail.
        Cli::from_arg_matches_mut(&mut matches)
    });
    let cli = parsed.unwrap_or_else(|error| {
        if let Some(variable) = environment::source_of(&error, &command) {
            eprintln!("image-origin: the value comes from the variable {variable}");
        }
        error.exit()
    });
    match cli.command {
        Command::Serve { source, cdn, settings } => serve(source, *cdn, *settings),
        Command::Transform(arguments) => batch::transform(*arguments),
        Command::Info { file, settings } => info(&file, &settings),
        Command::Exif { file, settings } => exif(&file, &settings),
        #[cfg(feature = "compare")]
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Health { settings } => health::check(&settings.resolve()?.listen),
        #[cfg(feature = "cdn")]
        Command::Sign(arguments) => edge::sign(&arguments),
        #[cfg(feature = "s3")]
        Command::Purge(arguments) => purge::purge(&arguments),
        #[cfg(feature = "cdn")]
        Command::Edge(command) => edge::run(command),
        Command::Config(command) => config::run(command),
        Command::Grammar { json: true, .. } => print_json(&image_origin::query::GRAMMAR),
        Command::Grammar { markdown: true, .. } => grammar::print_markdown(),
        Command::Grammar { .. } => grammar::print_text(),
        Command::Completions { shell } => manual::print_completions(shell, Cli::command()),
        Command::Man { folder } => manual::write(folder.as_deref(), Cli::command()),
    }
}

/// The maximum number of blocking threads, for files and name resolution. Pictures are processed by the origin's own
/// threads.
const FILE_THREADS: usize = 32;

fn serve(place: Option<String>, cdn: edge::CdnArguments, mut given: Given<Server>) -> Result<(), Failure> {
    if let Ok(endpoint) = std::env::var("AWS_LAMBDA_HTTP_ENDPOINT") {
        web_function::serve_there(&endpoint, &mut given.layer)?;
    }
    let settings = given.resolve_and_load()?;
    let filter = start_log(&settings.log)?;
    environment::refuse_unknown_variables()?;
    let originals = Originals::of(place, &settings)?.ok_or_else(no_source)?;
    let sources = originals.open().map_err(|error| error.to_string())?;
    let runtime = runtime()?;
    runtime.block_on(try_sources(&sources, settings.check_source))?;
    front::raise_limit();
    let connections = front::Connections::new(&settings.connections);
    let origin = Origin::new(sources, settings.origin.clone()).map_err(|error| error.to_string())?;
    let origin = Arc::new(origin);
    let example = originals.example();
    if cdn.is_wanted() && !settings.base_path.is_empty() {
        return Err(Failure::usage("--cdn stands for a host of its own, and has no use for base_path"));
    }
    let entrance = runtime.block_on(Entrance::open(&cdn, &originals, &origin, &settings, None))?;
    let audience = audience(&settings, entrance.has_policy());
    let replaceable = front::serve::Replaceable::new(entrance.router(&origin, &originals, &settings));
    let router = replaceable.clone().router();
    let outcome = runtime.block_on(async {
        let listener = listen(&settings.listen, "--listen").await?;
        let address = listener.address().map_err(|error| error.to_string())?;
        let mut metrics = None;
        if let Some(address) = settings.metrics_listen {
            let listener = listen(&address.into(), "--metrics-listen").await?;
            metrics = Some(listener.address().map_err(|error| error.to_string())?);
            let router = front::serve::metrics_router(origin.clone(), connections.clone());
            let connections = connections.of_operators();
            tokio::spawn(
                async move { front::serve::serve(listener, router, &connections, std::future::pending()).await },
            );
        }
        let source_name = originals.description();
        let has_cdn = cdn.is_wanted();
        let keeping = entrance.keep_up_to_date();
        let reloader = reload::Reloader {
            given,
            cdn,
            originals,
            settings: settings.clone(),
            origin: origin.clone(),
            entrance,
            filter,
            router: replaceable,
            keeping,
            changes: None,
        };
        // Otherwise SIGHUP ends the process, as when its terminal is closed.
        if reloader.is_of_use() {
            reloader.watch();
        }
        #[cfg(feature = "otel")]
        let exporters = image_origin::otel::start().map_err(Failure::usage)?;
        #[cfg(feature = "otel")]
        origin.clone().send_gauges();
        log_start(&source_name, &address, &settings, &connections);
        if settings.log.format == LogFormat::Text {
            let welcome = Welcome {
                source_name: &source_name,
                address: &address,
                example: example.as_deref(),
                settings: &settings,
                playground: audience.is_some(),
                cdn: has_cdn,
                metrics: metrics.as_ref(),
            };
            // A closed standard output does not prevent serving.
            let _ = writeln!(std::io::stdout(), "{welcome}");
        }
        let stop = async move {
            asked_to_stop().await;
            origin.drain();
        };
        front::serve::serve(listener, router, &connections, stop).await;
        #[cfg(feature = "otel")]
        if let Some(exporters) = exporters {
            let _ = tokio::task::spawn_blocking(move || exporters.end()).await;
        }
        Ok(())
    });
    // A file system that hangs would keep the process for ever.
    runtime.shutdown_timeout(LAST_PATIENCE);
    outcome
}

/// The time that threads which wait for files have to end after the last response.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Who may see the playground. It lists what not everybody may know of.
fn audience(settings: &Settings, has_policy: bool) -> Option<playground::Audience> {
    let playground = match settings.playground {
        Playground::Auto if has_policy => Playground::Off,
        other => other,
    };
    playground::Audience::new(playground, settings.listen.ip())
}

fn no_source() -> Failure {
    Failure::usage(
        "there is no source: specify a folder, s3://BUCKET/PREFIX or https://HOST/PATH/ as an argument, in the variable IMAGE_ORIGIN_SOURCE, or as \
         `source` or [[sources]] in the configuration file",
    )
}

/// Whether originals can be had from all sources.
async fn try_sources(sources: &Sources, ask: bool) -> Result<(), Failure> {
    for source in sources.iter() {
        try_source(source, ask).await?;
    }
    Ok(())
}

/// Whether originals can be had from a source; with `ask`, by asking for one that is not likely to be there.
async fn try_source(source: &dyn Source, ask: bool) -> Result<(), Failure> {
    source.check().await.map_err(|error| error.to_string())?;
    if !ask {
        return Ok(());
    }
    let Some(key) = Key::from_url_path("/image-origin-check-source") else { return Ok(()) };
    let deadline = tokio::time::Instant::now() + SOURCE_PATIENCE;
    let asked = source.open(GetOptions { key: &key, version: None, if_none_match: None, deadline });
    match tokio::time::timeout_at(deadline, asked).await.unwrap_or(Err(SourceError::TimedOut)) {
        // Some web servers answer with a page that says that there is nothing.
        Ok(_) | Err(SourceError::NotFound | SourceError::Unrecognised) => Ok(()),
        Err(SourceError::Failed(reason)) => Err(format!("the source does not answer: {reason}").into()),
        Err(error) => Err(format!("the source cannot be used: {error}").into()),
    }
}

/// How long a source may take to answer when it is tried.
const SOURCE_PATIENCE: Duration = Duration::from_secs(10);

/// The policy of these settings, if there is one.
async fn open_policy(settings: &Settings) -> Result<Option<Policy>, Failure> {
    let Some(EdgeFiles { config, keys }) = &settings.edge else { return Ok(None) };
    let policy = Policy::open(config, keys.clone(), &settings.origin.presets).await;
    Ok(Some(policy.map_err(|error| Failure::usage(error.to_string()))?))
}

async fn listen(address: &ListenAddress, flag: &str) -> Result<Listener, Failure> {
    let listener = Listener::bind(address).await;
    Ok(listener.map_err(|error| format!("cannot listen on {address}: {error}; choose another address with {flag}"))?)
}

/// Logs one line with the version, the source and the limits.
fn log_start(source_name: &str, address: &ListenAddress, settings: &Settings, connections: &front::Connections) {
    let origin = &settings.origin;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        source = source_name,
        listen = %address,
        metrics_listen = settings.metrics_listen.map(tracing::field::display),
        workers = origin.workers,
        queue = origin.queue,
        deadline_seconds = origin.deadline.as_secs_f64(),
        max_source_bytes = origin.max_source_bytes,
        max_pixels = origin.limits.budget.pixels,
        request_memory = origin.limits.budget.memory,
        download_memory = origin.download_memory,
        cache = origin.cache,
        max_connections = connections.capacity(),
        expose_metadata = origin.expose_metadata.name(),
        cors = settings.viewers.cors,
        edge = settings.edge.as_ref().map(|files| tracing::field::display(files.config.display())),
        "started"
    );
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .build()
        .map_err(|error| format!("cannot start the threads: {error}"))
}

/// The ASCII characters besides controls that are percent-encoded in a URL path.
const IN_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'\'').add(b'<').add(b'>').add(b'?').add(b'\\').add(b'`');

/// Waits for Ctrl-C, SIGTERM as sent by container runtimes, or the exit of a launcher that keeps the standard input
/// open.
async fn asked_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
        () = web_function::launcher_ended() => {}
    }
}

/// The maximum log level of libraries: the AWS SDK logs whole requests including signatures, and Lambda's runtime whole
/// events. Only levels that are known to be harmless are enabled.
const LIBRARIES_THAT_TELL_SECRETS: [(&str, LevelFilter); 9] = [
    ("aws_config", LevelFilter::WARN),
    ("aws_credential_types", LevelFilter::OFF),
    ("aws_runtime", LevelFilter::OFF),
    ("aws_sdk_s3", LevelFilter::OFF),
    ("aws_sigv4", LevelFilter::OFF),
    ("aws_smithy_runtime", LevelFilter::OFF),
    ("aws_smithy_runtime_api", LevelFilter::OFF),
    ("hyper_util", LevelFilter::OFF),
    ("lambda_runtime", LevelFilter::INFO),
];

/// Changes which lines are logged.
type LogFilter = tracing_subscriber::reload::Handle<Targets, tracing_subscriber::Registry>;

/// Parses a level or directives.
fn parse_filter(text: &str) -> Result<Targets, Failure> {
    // A single word would be parsed as a target, and nothing else would be logged.
    let words = text.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    if let Some(word) = words.filter(|word| !word.contains('=')).find(|word| word.parse::<LevelFilter>().is_err()) {
        let allowed = "expected a level such as info or debug, or directives such as image_origin=debug";
        return Err(Failure::usage(format!("invalid value {text} for `log`: unknown level {word}; {allowed}")));
    }
    text.parse().map_err(|error| {
        Failure::usage(format!("invalid value {text} for `log`: {error}; use a level such as info or debug"))
    })
}

fn start_log(settings: &LogSettings) -> Result<LogFilter, Failure> {
    let (wanted, handle) = tracing_subscriber::reload::Layer::new(parse_filter(&settings.filter)?);
    let discreet = Targets::new().with_default(LevelFilter::TRACE).with_targets(LIBRARIES_THAT_TELL_SECRETS);
    // A line must pass both filters, so that no setting can reveal secrets.
    let log = tracing_subscriber::registry().with(wanted).with(discreet);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => {
            // https://no-color.org
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            log.with(lines.with_ansi(std::io::stderr().is_terminal() && !plain)).init();
        }
        LogFormat::Json => log.with(lines.json().flatten_event(true)).init(),
    }
    Ok(handle)
}

fn info(file: &Path, given: &Given<Inspecting>) -> Result<(), Failure> {
    let settings = given.resolve_and_load()?;
    let bytes = read(file, settings.origin.max_source_bytes)?;
    let cancellation = given.time_limit(&settings).cancellation();
    let info = transform::Render::new(&bytes).limits(settings.origin.limits).cancellation(cancellation).inspect();
    print_json(&info.map_err(|error| format!("{}: {error}", file.display()))?)
}

fn exif(file: &Path, given: &Given<Reporting>) -> Result<(), Failure> {
    let settings = given.resolve()?;
    let expose = settings.origin.expose_metadata;
    if expose == ExposeMetadata::None {
        return Err(Failure::usage("no metadata is exposed: `expose_metadata` is none"));
    }
    let bytes = read(file, settings.origin.max_source_bytes)?;
    let report = transform::report(&bytes, &given.time_limit(&settings).cancellation());
    let report = report.map_err(|error| format!("{}: {error}", file.display()))?;
    match expose {
        ExposeMetadata::All => print_json(&report),
        ExposeMetadata::NoLocation | ExposeMetadata::None => print_json(&report.without_location()),
    }
}

fn print_json(value: &(impl serde::Serialize + ?Sized)) -> Result<(), Failure> {
    print_line(&serde_json::to_string_pretty(value).map_err(|error| error.to_string())?)
}

fn print_line(text: &str) -> Result<(), Failure> {
    // Not `println!`, which panics if the reader closes the pipe.
    writeln!(std::io::stdout(), "{text}").map_err(|error| failure::output_failed(&error))
}

/// Reads a file, or standard input for `-`, up to a limit.
fn read(file: &Path, most: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
    let mut bytes = Vec::new();
    let most_and_one = most.saturating_add(1);
    if file == Path::new("-") {
        std::io::stdin().take(most_and_one).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(file).map_err(failed)?;
        // Growing the buffer would double its capacity.
        let length = file.metadata().map_or(0, |facts| facts.len()).min(most);
        let _ = bytes.try_reserve_exact(length as usize + 1);
        file.take(most_and_one).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > most {
        return Err(format!("{} exceeds {most} bytes; raise --max-source-bytes", file.display()));
    }
    Ok(bytes)
}
