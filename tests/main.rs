//! All tests from outside, in one program: it is linked once, and slow tests of one file run beside those of another.
//! `cargo test --test all serve` runs those of one file.

#![allow(clippy::disallowed_methods, reason = "tests read files of their own")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod agreement;
#[cfg(feature = "lambda")]
mod aws;
#[cfg(feature = "cdn")]
mod cdn;
#[cfg(feature = "cdn")]
mod clients;
mod command_line;
mod common;
mod documentation;
mod foreign;
mod hostile;
mod metadata;
mod mutations;
#[cfg(feature = "otel")]
mod otel;
mod overlays;
mod pictures;
mod png_suite;
mod policy;
mod results;
mod round_trips;
mod serve;
mod sources;
#[cfg(feature = "http")]
mod ssrf;
mod svg;
