//! The command `config check`: reports whether a server would start with these settings, and with the policy and the source that
//! they name.

use std::path::PathBuf;

use clap::Subcommand;

use super::environment::refuse_unknown_variables;
use super::settings::{Given, Server};
use super::{Failure, Originals, open_policy, print_line, runtime, start_log, try_sources};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Validate the settings of a file, of `IMAGE_ORIGIN_*` variables and of flags, as `serve` would read them, with the edge
    /// configuration, the keys and the source that they name
    Check {
        /// The configuration, as TOML
        file: Option<PathBuf>,
        /// The folder of originals, s3://BUCKET/PREFIX or https://HOST/PATH/, which is tried with --check-source true [default: `source` or
        /// [[sources]] of the configuration file]
        #[arg(long, env = "IMAGE_ORIGIN_SOURCE")]
        source: Option<String>,
        #[command(flatten)]
        settings: Box<Given<Server>>,
    },
}

pub(super) fn run(command: ConfigCommand) -> Result<(), Failure> {
    let ConfigCommand::Check { file, source, mut settings } = command;
    settings.file = file.or(settings.file.take());
    let place = settings.file.as_ref().map(|file| file.display().to_string());
    refuse_unknown_variables()?;
    let settings = settings.resolve_and_load()?;
    // The log filter is only validated when the log is started.
    start_log(&settings.log)?;
    runtime()?.block_on(open_policy(&settings))?;
    // Folders and credentials may be those of another machine.
    if let Some(originals) = Originals::of(source, &settings)? {
        originals.check()?;
        if settings.check_source {
            let sources = originals.open().map_err(|error| Failure::usage(error.to_string()))?;
            runtime()?.block_on(try_sources(&sources, true))?;
        }
    }
    print_line(&format!("{} good", place.map_or_else(|| "the settings are".to_owned(), |file| format!("{file} is"))))
}
