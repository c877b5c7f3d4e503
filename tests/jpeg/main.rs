//! The JPEG decoder and encoder from outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod encoding;
mod exactness;
mod kinds;
mod peers;
mod quality;
mod robustness;
mod samples;
