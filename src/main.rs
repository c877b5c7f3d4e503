//! The command line: `serve`, `transform`, `info` and `grammar`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
