//! The command line: `serve`, `transform`, `info` and `grammar`.

#[allow(clippy::disallowed_methods, reason = "the files on a command line are its user's own")]
mod cli;

use std::process::ExitCode;

/// Pictures come and go in blocks of megabytes, on several threads: see `benches/NOTES.md` for what this saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
