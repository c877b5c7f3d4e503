//! The command `config check`: reports whether a server would start with these settings.

use std::path::PathBuf;

use clap::Subcommand;

use super::environment::unknown_variables;
use super::settings::{Given, Server};
use super::{Failure, print_line, start_log};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Validate the settings of a file, of `IMAGE_ORIGIN_*` variables and of flags, as `serve` would read them
    Check {
        /// The configuration, as TOML
        file: Option<PathBuf>,
        #[command(flatten)]
        settings: Box<Given<Server>>,
    },
}

pub(super) fn run(command: ConfigCommand) -> Result<(), Failure> {
    let ConfigCommand::Check { file, mut settings } = command;
    settings.file = file.or(settings.file.take());
    let place = settings.file.as_ref().map(|file| file.display().to_string());
    let unknown = unknown_variables();
    if !unknown.is_empty() {
        return Err(Failure::usage(unknown.join("\n")));
    }
    // The log filter is only validated when the log is started.
    start_log(&settings.resolve()?.log)?;
    print_line(&format!("{} good", place.map_or_else(|| "the settings are".to_owned(), |file| format!("{file} is"))))
}
