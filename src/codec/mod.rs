//! Image formats: recognising them, reading them and writing them.

mod sniff;

pub use sniff::{Format, SNIFF_LEN, sniff};
