//! Settings as flags and `IMAGE_ORIGIN_*` variables, generated from the table of settings, on top of a TOML file.
//!
//! Each command accepts the settings that it uses, under the same names as the server.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use image_origin::codec::Cancellation;
use image_origin::config::{Layer, SETTINGS, Setting, Settings};

use super::Failure;

/// The settings that a command accepts.
pub(super) trait Taken {
    /// The names of the settings; `None` means all.
    const NAMES: Option<&'static [&'static str]>;
}

/// The settings of `serve` and of the AWS Lambda function: all.
#[derive(Debug, Clone, Copy)]
pub(super) enum Server {}

impl Taken for Server {
    const NAMES: Option<&'static [&'static str]> = None;
}

/// The settings of `transform`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Transforming {}

impl Taken for Transforming {
    const NAMES: Option<&'static [&'static str]> = Some(&[
        "max_source_bytes",
        "max_pixels",
        "max_frames",
        "max_frame_pixels",
        "request_memory",
        "deadline",
        "workers",
        "avif_speed",
        "svg_fonts",
        "keep_ai_marks",
    ]);
}

/// The settings of `info`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inspecting {}

impl Taken for Inspecting {
    const NAMES: Option<&'static [&'static str]> = Some(&[
        "max_source_bytes",
        "max_pixels",
        "max_frames",
        "max_frame_pixels",
        "request_memory",
        "deadline",
        "svg_fonts",
    ]);
}

/// The settings of `exif`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reporting {}

impl Taken for Reporting {
    const NAMES: Option<&'static [&'static str]> = Some(&["expose_metadata", "max_source_bytes", "deadline"]);
}

/// The settings of `purge`.
#[cfg(feature = "s3")]
#[derive(Debug, Clone, Copy)]
pub(super) enum Purging {}

#[cfg(feature = "s3")]
impl Taken for Purging {
    const NAMES: Option<&'static [&'static str]> = Some(&["results", "s3_endpoint", "s3_path_style"]);
}

/// The settings of `health`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asking {}

impl Taken for Asking {
    const NAMES: Option<&'static [&'static str]> = Some(&["listen"]);
}

/// The settings given as flags or variables, and the configuration file.
#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub(super) layer: Layer,
    pub(super) file: Option<PathBuf>,
    command: PhantomData<T>,
}

impl<T> Given<T> {
    /// Merges flags and variables, the file, and the defaults.
    pub(super) fn resolve(&self) -> Result<Settings, Failure> {
        let failed = |error: image_origin::config::ConfigError| Failure::usage(error.to_string());
        let file = self.file.as_deref().map(Layer::from_file).transpose().map_err(failed)?.unwrap_or_default();
        self.layer.clone().over(file).resolve().map_err(failed)
    }

    /// The settings of a command that renders pictures, whose fonts are loaded.
    pub(super) fn resolve_and_load(&self) -> Result<Settings, Failure> {
        let settings = self.resolve()?;
        load_fonts(&settings)?;
        Ok(settings)
    }

    /// The time limit of `settings` if it was given by flag or variable. By default there is none, since no client is
    /// waiting.
    pub(super) fn time_limit(&self, settings: &Settings) -> TimeLimit {
        TimeLimit(self.layer.deadline.map(|_| settings.origin.deadline))
    }
}

/// The time limit for one picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimit(Option<Duration>);

impl TimeLimit {
    /// Starts the time limit for one picture.
    pub(super) fn cancellation(self) -> Cancellation {
        self.0.map_or_else(Cancellation::unbounded, |limit| Cancellation::until(Instant::now() + limit))
    }
}

/// Loads the fonts for text in drawings.
fn load_fonts(settings: &Settings) -> Result<(), Failure> {
    let Some(folder) = &settings.origin.svg_fonts else { return Ok(()) };
    #[cfg(feature = "svg-text")]
    let loaded = image_origin::codec::load_svg_fonts(folder);
    #[cfg(not(feature = "svg-text"))]
    let loaded = Err::<usize, _>("this program was built without the cargo feature svg-text");
    match loaded {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::usage(format!("cannot load the fonts of {}: {error}", folder.display()))),
    }
}

/// The environment variable of a setting.
pub(super) fn variable(name: &str) -> String {
    format!("IMAGE_ORIGIN_{}", name.to_uppercase())
}

fn taken<T: Taken>() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| T::NAMES.is_none_or(|names| names.contains(&setting.name)))
}

fn argument<T: Taken>(setting: &'static Setting) -> Arg {
    let help = setting.help.trim().replace("  ", " ");
    // Commands for files have no deadline by default.
    let help = match (T::NAMES, setting.name) {
        (Some(_), "deadline") => help.replace("one request", "one picture").replace(": 10]", ": none]"),
        _ => help,
    };
    let words = (setting.words)();
    let argument = Arg::new(setting.name)
        .long(setting.name.replace('_', "-"))
        .env(variable(setting.name))
        .value_name(setting.value)
        .help(help)
        .help_heading("Settings")
        // Not a flag of the server.
        .hide(setting.name.starts_with("lambda_"));
    if words.is_empty() {
        argument.value_parser(|text: &str| (setting.check)(text).map(|()| text.to_owned()))
    } else {
        argument.value_parser(PossibleValuesParser::new(words))
    }
}

impl<T: Taken> Args for Given<T> {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .env(variable("config"))
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("TOML file with the server's settings, with `_` instead of `-`, and a table of presets")
            .help_heading("Settings");
        taken::<T>().fold(command.arg(file), |command, setting| command.arg(argument::<T>(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T: Taken> FromArgMatches for Given<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Self { layer: Layer::default(), file: None, command: PhantomData };
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one("config").cloned();
        for setting in taken::<T>() {
            if let Some(text) = matches.get_one::<String>(setting.name) {
                let set = self.layer.set(setting.name, text);
                set.map_err(|error| clap::Error::raw(ErrorKind::ValueValidation, error))?;
            }
        }
        Ok(())
    }
}
