//! Decodes one AV1 picture to planes with rav1d.

use rusty_av1d::rust_api::{
    Decoder, InloopFilterType, Picture, PixelLayout, PlanarImageComponent as Component, Settings,
};

use super::stream::{Sequence, Stream};
use crate::heif::{self, Description, Row};

/// The memory of the decoder for a frame besides samples, in bytes per 128 by 128 pixels: filter levels and masks,
/// segments, and motion vectors.
const BYTES_PER_SUPERBLOCK: u64 = 8 << 10;

/// The fixed memory of the decoder in bytes: probabilities, and buffers for a superblock.
const OVERHEAD: u64 = 512 << 10;

/// The memory of a tile's state in bytes, mostly probabilities.
const TILE: u64 = 16 << 10;

/// A decoded picture.
pub(super) struct Planes {
    picture: Picture,
    description: Description,
}

/// The maximum memory in bytes for decoding a stream of this length, including the planes.
pub(super) fn memory(stream: &Stream, length: usize) -> u64 {
    let sequence = &stream.sequence;
    // The decoder uses whole superblocks, and avoids row strides that are multiples of 1024 bytes.
    let [width, height] = [sequence.width, sequence.height].map(|side| u64::from(side).next_multiple_of(128));
    let sample = if sequence.depth > 8 { 2 } else { 1 };
    let stride = |samples: u64| match samples * sample {
        bytes if bytes.is_multiple_of(1024) => bytes + 64,
        bytes => bytes,
    };
    let [halves_columns, halves_rows] = sequence.subsampling;
    let luma = stride(width);
    let chroma = match (sequence.is_monochrome, halves_columns) {
        (true, _) => 0,
        (false, halved) => 2 * stride(if halved { width / 2 } else { width }),
    };
    let planes = luma * height + chroma * if halves_rows { height / 2 } else { height };
    // Frames that are not shown are kept as references, with block information. The shown picture may be a copy: with
    // film grain, or upscaled.
    let frames = u64::from(stream.frames());
    let pictures = frames + u64::from(sequence.has_film_grain) + u64::from(sequence.syntax.has_superres) * frames;
    let superblocks = (width / 128) * (height / 128);
    // Rows that filters and predictions need of the superblocks above, and of restored samples.
    let rows = (height / 64) * (4 * luma + 4 * chroma + 3 * width * sample) + 12 * (luma + chroma);
    let motion = 128 * width;
    let tiles = u64::from(stream.tiles());
    // The contexts above the blocks, for each row of tiles.
    let contexts = (width / 128) * tiles.min(64) * (2 << 10);
    planes * pictures
        + superblocks * BYTES_PER_SUPERBLOCK * frames
        + rows
        + motion
        + tiles * TILE
        + contexts
        + OVERHEAD
        + 2 * length as u64
}

/// Decodes the first picture of a stream that passed [`Stream::check`]. Its size and format are those of the header.
/// Without `filtered`, the in-loop filters are left out, which only a picture without references allows.
pub(super) fn decode(stream: &[u8], sequence: Sequence, filtered: bool) -> Result<Planes, &'static str> {
    // The decoder panics on some invalid streams. It is created and dropped within the call.
    let picture = std::panic::catch_unwind(|| first_picture(stream, &sequence, filtered));
    let picture = picture.ok().flatten().ok_or("its AV1 data are broken")?;
    let layout = match (sequence.is_monochrome, sequence.subsampling) {
        (true, _) => PixelLayout::I400,
        (false, [true, true]) => PixelLayout::I420,
        (false, [true, false]) => PixelLayout::I422,
        (false, _) => PixelLayout::I444,
    };
    let is_as_announced = (picture.width(), picture.height()) == (sequence.width, sequence.height)
        && picture.pixel_layout() == layout
        && picture.bit_depth() == usize::from(sequence.depth);
    if is_as_announced {
        Ok(Planes { picture, description: sequence.description() })
    } else {
        Err("its picture is of another kind than its header")
    }
}

fn first_picture(stream: &[u8], sequence: &Sequence, filtered: bool) -> Option<Picture> {
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    settings.set_frame_size_limit(sequence.width.saturating_mul(sequence.height));
    if !filtered {
        settings.set_inloop_filters(InloopFilterType::empty());
    }
    let mut decoder = Decoder::with_settings(&settings).ok()?;
    // An error shows up as a missing picture. The second call signals the end of the data, and returns the best of
    // several layers.
    let _ = decoder.send_data(stream.into(), None, None, None);
    decoder.get_picture().or_else(|_| decoder.get_picture()).ok()
}

impl heif::Planes for Planes {
    fn description(&self) -> &Description {
        &self.description
    }

    fn row(&self, plane: usize, y: usize) -> Row<'_> {
        let component = [Component::Y, Component::U, Component::V][plane];
        let halved = plane > 0 && self.description.subsampling[0];
        let width = (self.description.width as usize).div_ceil(if halved { 2 } else { 1 });
        let len = width * if self.description.depth > 8 { 2 } else { 1 };
        // The stride is in bytes.
        let start = y * self.picture.stride(component) as usize;
        let bytes = self.picture.plane(component).get(start..start + len).unwrap_or_default();
        if self.description.depth > 8 { Row::Sixteen(bytes.as_chunks().0) } else { Row::Eight(bytes) }
    }
}
