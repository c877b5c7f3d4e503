//! Image formats: recognising them, reading them and writing them.

pub mod jpeg;

mod sniff;

pub use sniff::{Format, sniff};
