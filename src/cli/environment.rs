//! `IMAGE_ORIGIN_*` environment variables: empty ones are ignored, and errors name the variable that is unknown or has an invalid
//! value.

use clap::Command;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use image_origin::config::SETTINGS;
use image_origin::query::nearest;

use super::Failure;
use super::settings::variable;

const PREFIX: &str = "IMAGE_ORIGIN_";

/// Variables with this prefix that are not settings of the server.
const OTHERS: [&str; 4] =
    ["IMAGE_ORIGIN_CONFIG", "IMAGE_ORIGIN_PROGRAM", "IMAGE_ORIGIN_SOURCE", "IMAGE_ORIGIN_STOP_WITH_STDIN"];

/// Ignores variables with an empty value, which compose files set for what is left open.
pub(super) fn without_empty(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let is_empty = argument.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        if is_empty { argument.env(Resettable::Reset) } else { argument }
    });
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, without_empty))
}

/// The variable that an invalid value comes from, or `None` if it is from the command line.
pub(super) fn source_of(error: &clap::Error, command: &Command) -> Option<String> {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = argument.split([' ', '=']).next()?;
    let given = |text: String| text == flag || text.split_once('=').is_some_and(|(name, _)| name == flag);
    if std::env::args_os().any(|text| given(text.to_string_lossy().into_owned())) {
        return None;
    }
    let all = std::iter::once(command).chain(command.get_subcommands()).flat_map(Command::get_arguments);
    let found = all.filter(|known| known.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long)));
    found.filter_map(|known| known.get_env()).map(|name| name.to_string_lossy().into_owned()).next()
}

/// Refuses unknown variables: whoever sets one expects an effect.
pub(super) fn refuse_unknown_variables() -> Result<(), Failure> {
    let unknown = unknown_variables();
    if unknown.is_empty() { Ok(()) } else { Err(Failure::usage(unknown.join("\n"))) }
}

/// One message for each unknown variable.
fn unknown_variables() -> Vec<String> {
    unknown_among(std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()))
}

fn unknown_among(names: impl Iterator<Item = String>) -> Vec<String> {
    let settings = SETTINGS.iter().map(|setting| variable(setting.name));
    let known: Vec<String> = settings.chain(OTHERS.map(str::to_owned)).collect();
    // Kubernetes sets variables with these names if there is a service called `image-origin`.
    let of_kubernetes = |rest: &str| ["PORT", "SERVICE_"].iter().any(|start| rest.starts_with(start));
    let unknown = names
        .filter(|name| name.strip_prefix(PREFIX).is_some_and(|rest| !of_kubernetes(rest)) && !known.contains(name));
    let explained = unknown.map(|name| match nearest(&name, known.iter().map(String::as_str)) {
        Some(meant) => format!("unknown variable {name}; did you mean {meant}?"),
        None => format!("unknown variable {name}"),
    });
    let mut explained: Vec<String> = explained.collect();
    explained.sort();
    explained
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_are_no_settings_are_named() {
        let names = [
            "IMAGE_ORIGIN_WORKERS",
            "IMAGE_ORIGIN_SOURCE",
            "IMAGE_ORIGIN_LAMBDA_DELIVERY",
            "IMAGE_ORIGIN_PORT_8080_TCP",
            "IMAGE_ORIGIN_SERVICE_HOST",
            "PATH",
            "IMAGE_ORIGIN_WOKERS",
            "IMAGE_ORIGIN_COLOUR",
        ];
        let expected = [
            "unknown variable IMAGE_ORIGIN_COLOUR",
            "unknown variable IMAGE_ORIGIN_WOKERS; did you mean IMAGE_ORIGIN_WORKERS?",
        ];
        assert_eq!(unknown_among(names.iter().map(|name| (*name).to_owned())), expected);
    }
}
