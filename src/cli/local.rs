//! The settings that count where files of this machine are read, in place of the server's.
//!
//! Flags, `IMAGE_ORIGIN_*` variables and the TOML file have the server's names; what a command has no use for it does not
//! take. A time limit holds only if it is asked for by flag or variable: nobody waits at the other end of a connection.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use image_origin::codec::Work;
use image_origin::config::{ByteSize, Layer, parse_pixels, parse_seconds};

/// Where settings come from, and how large a file may be.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct ReadArguments {
    /// A TOML file with the server's settings, of which those count that this command has, and presets
    #[arg(long, env = "IMAGE_ORIGIN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Largest original in bytes; K, M and G are understood [default: 200M]
    #[arg(long, env = "IMAGE_ORIGIN_MAX_SOURCE_BYTES", value_name = "BYTES")]
    max_source_bytes: Option<ByteSize>,
}

/// What one picture may cost.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct DecodeArguments {
    #[command(flatten)]
    read: ReadArguments,
    /// Most pixels of an original; 100M are 100 million [default: 100M]
    #[arg(long, env = "IMAGE_ORIGIN_MAX_PIXELS", value_name = "PIXELS", value_parser = parse_pixels)]
    max_pixels: Option<u64>,
    /// Most frames of an animation [default: 2000]
    #[arg(long, env = "IMAGE_ORIGIN_MAX_FRAMES", value_name = "N")]
    max_frames: Option<u32>,
    /// Most pixels of all frames of an animation together [default: 500M]
    #[arg(long, env = "IMAGE_ORIGIN_MAX_FRAME_PIXELS", value_name = "PIXELS", value_parser = parse_pixels)]
    max_frame_pixels: Option<u64>,
    /// Most memory that one picture may take, beside its original [default: 512M]
    #[arg(long, env = "IMAGE_ORIGIN_REQUEST_MEMORY", value_name = "BYTES")]
    request_memory: Option<ByteSize>,
    /// Time that one picture may take, in seconds or with ms, s, m, h or d [default: as long as it takes]
    #[arg(long, env = "IMAGE_ORIGIN_DEADLINE", value_name = "SECONDS", value_parser = parse_seconds)]
    deadline: Option<f64>,
}

impl ReadArguments {
    /// These settings among all, with the others left open.
    pub(super) fn layer(&self) -> Layer {
        Layer { config: self.config.clone(), max_source_bytes: self.max_source_bytes, ..Layer::default() }
    }
}

impl DecodeArguments {
    /// These settings among all, with the others left open.
    pub(super) fn layer(&self) -> Layer {
        let Self { max_pixels, max_frames, max_frame_pixels, request_memory, deadline, ref read } = *self;
        Layer { max_pixels, max_frames, max_frame_pixels, request_memory, deadline, ..read.layer() }
    }
}

/// How long one picture may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimit(Option<Duration>);

impl TimeLimit {
    /// The limit of these settings, once `deadline` has been validated.
    pub(super) fn new(arguments: &DecodeArguments, deadline: Duration) -> Self {
        Self(arguments.deadline.map(|_| deadline))
    }

    /// The right to work on one picture from now on.
    pub(super) fn work(self) -> Work {
        self.0.map_or_else(Work::unbounded, |limit| Work::until(Instant::now() + limit))
    }
}
