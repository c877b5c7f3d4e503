//! The command line: `serve`, `transform`, `info` and `grammar`.

mod cli;

use std::process::ExitCode;

/// Pictures come and go in blocks of megabytes, on several threads: see `benches/NOTES.md` for what this saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
