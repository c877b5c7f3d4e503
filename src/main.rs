//! The command `image-origin`.

#[allow(clippy::disallowed_methods, reason = "the files on a command line are its user's own")]
mod cli;
#[cfg(all(feature = "svg", target_os = "linux", target_env = "gnu"))]
mod hypot;

use std::process::ExitCode;

/// Pictures are allocated and freed in blocks of megabytes on several threads; `benches/NOTES.md` has the measurements.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
