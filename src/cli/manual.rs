//! `completions` and `man`: shell completions and manual pages, generated from the same definitions as `--help`.

use std::io::Write as _;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;

use super::Failure;
use super::failure::output_failed;

/// The text at the end of `completions --help`.
pub(super) const COMPLETIONS_HELP: &str = "\
Examples:
  image-origin completions bash > ~/.local/share/bash-completion/completions/image-origin
  image-origin completions zsh > ~/.zfunc/_image-origin        # a folder of fpath
  image-origin completions fish > ~/.config/fish/completions/image-origin.fish";

pub(super) fn print_completions(shell: Shell, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "image-origin", &mut script);
    std::io::stdout().write_all(&script).map_err(|error| output_failed(&error))
}

pub(super) fn write(folder: Option<&Path>, command: Command) -> Result<(), Failure> {
    match folder {
        Some(folder) => {
            clap_mangen::generate_to(command, folder).map_err(|error| format!("{}: {error}", folder.display()).into())
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).map_err(|error| output_failed(&error))?;
            std::io::stdout().write_all(&page).map_err(|error| output_failed(&error))
        }
    }
}
