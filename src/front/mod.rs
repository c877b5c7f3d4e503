//! Front doors: each turns its own protocol into one `OriginRequest`, and one `OriginResponse` back. No door knows
//! anything of images.

mod connections;
mod ignored;
pub mod lambda;
pub mod serve;
