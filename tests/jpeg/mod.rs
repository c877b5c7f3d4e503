//! The JPEG decoder and encoder from outside.

mod encoding;
mod exactness;
mod kinds;
mod peers;
mod robustness;
mod samples;
