//! The JPEG decoder and encoder from outside.

#![allow(clippy::disallowed_methods, reason = "tests read files of their own")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod cores;
mod encoding;
mod exactness;
mod kinds;
mod lanes;
mod peers;
mod robustness;
mod samples;

/// The folder of fixtures, which the crates of the workspace share.
fn fixtures() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}
