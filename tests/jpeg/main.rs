//! The JPEG decoder from outside.

mod exactness;
mod peers;
mod quality;
