//! An on-demand image transformation origin.
//!
//! Given an original image and a query string, it returns the image that a viewer needs: resized, sharp, upright, and
//! without camera metadata. Most of this crate serves the program `image-origin`. To transform pictures from another
//! program, start with [`transform::Render`]:
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
//! `ARCHITECTURE.md` describes the data flow and the modules.

// Tests read their own files.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

#[cfg(feature = "s3")]
pub mod aws_api;
#[cfg(feature = "cdn")]
pub mod cdn;
pub mod config;
pub mod error;
pub mod front;
mod hex;
#[cfg(feature = "http-client")]
mod http_client;
#[cfg(feature = "http-client")]
mod interim;
#[cfg(all(feature = "cdn", feature = "s3"))]
pub mod key_values;
mod memory_cache;
pub mod origin;
#[cfg(feature = "s3")]
mod parameter_store;
#[cfg(any(feature = "cdn", feature = "s3"))]
pub mod purge;
pub mod results;
pub mod source;
mod telemetry;
pub mod text_file;

#[cfg(feature = "otel")]
pub use telemetry::otel;

pub use image_origin_codec as codec;
pub use image_origin_container as container;
pub use image_origin_metadata as metadata;
pub use image_origin_query as query;
pub use image_origin_transform as transform;
