//! Front doors: each turns its own protocol into one `OriginRequest`, and one `OriginResponse` back. No door knows
//! anything of images.

mod connections;
mod descriptors;
mod ignored;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod serve;
mod socket;

pub use connections::Connections;
pub use descriptors::raise_limit;
