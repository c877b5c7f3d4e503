//! An on-demand image transformation origin.
//!
//! An original image and a query string come in; the image that a viewer needs goes out: small, sharp, upright and
//! without camera metadata. Most of what is here serves the program; who wants pictures from a program of their own begins
//! with [`transform::Render`]:
//!
//! ```
//! use image_origin::transform::Render;
//!
//! let original = std::fs::read("fixtures/photo.jpg")?;
//! let picture = Render::new(&original)
//!     .transform("w=300&format=auto".parse()?)
//!     .accept("image/avif,image/webp,*/*;q=0.8")
//!     .run()?;
//! assert_eq!((picture.width, picture.format.name()), (300, "avif"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! See `ARCHITECTURE.md` for the way of the data and the map of the code.

// Tests read files of their own.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

#[cfg(feature = "cdn")]
pub mod cdn;
pub mod config;
pub mod error;
pub mod front;
mod hex;
pub mod origin;
#[cfg(any(feature = "cdn", feature = "s3"))]
pub mod purge;
pub mod results;
pub mod source;
mod telemetry;

pub use image_origin_codec as codec;
pub use image_origin_container as container;
pub use image_origin_metadata as metadata;
pub use image_origin_query as query;
pub use image_origin_transform as transform;
