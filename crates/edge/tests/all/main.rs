//! The edge functions from outside, in one program, which is linked once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod decisions;
mod events;
mod functions;
mod properties;
mod requests;
