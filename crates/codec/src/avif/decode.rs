//! One AV1 picture, from its stream to planes, by rav1d's decoder.

use rusty_av1d::rust_api::{Decoder, Picture, PixelLayout, PlanarImageComponent as Component, Settings};

use super::stream::{Sequence, Stream};

/// What the decoder holds for each pixel beside samples: block levels, motion vectors, filter masks.
const OVERHEAD_PER_PIXEL: u64 = 2;

/// What it holds whatever the size: tables of probabilities, buffers of a superblock, rows for the filters.
const OVERHEAD: u64 = 2 << 20;

/// A decoded picture.
pub(super) struct Planes {
    picture: Picture,
    sequence: Sequence,
}

/// Samples of one row of one plane.
pub(super) enum Row<'a> {
    Eight(&'a [u8]),
    /// In the machine's byte order.
    Sixteen(&'a [[u8; 2]]),
}

/// Bytes that decoding a stream of this length holds at most, the planes included.
pub(super) fn memory(stream: &Stream, length: usize) -> u64 {
    let sequence = &stream.sequence;
    // The decoder works in whole superblocks.
    let side = |length: u32| u64::from(length).next_multiple_of(128);
    let pixels = side(sequence.width) * side(sequence.height);
    let sample = if sequence.depth > 8 { 2 } else { 1 };
    // Frames that are not shown are kept for others to be predicted from, with what is known of their blocks.
    let frames = u64::from(stream.frames());
    let pictures = frames + u64::from(sequence.has_film_grain);
    pixels * sequence.samples_by_four() * sample * pictures / 4
        + pixels * OVERHEAD_PER_PIXEL * frames
        + OVERHEAD
        + length as u64
}

/// Decodes the first picture of a stream that [`Stream::check`] has let pass; it has the size and the kind that its
/// header announces.
pub(super) fn decode(stream: &[u8], sequence: Sequence) -> Result<Planes, &'static str> {
    // The decoder panics over some streams that are broken. It is made and dropped within the call.
    let picture = std::panic::catch_unwind(|| first_picture(stream, &sequence));
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
        Ok(Planes { picture, sequence })
    } else {
        Err("its picture is of another kind than its header")
    }
}

fn first_picture(stream: &[u8], sequence: &Sequence) -> Option<Picture> {
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    settings.set_frame_size_limit(sequence.width.saturating_mul(sequence.height));
    let mut decoder = Decoder::with_settings(&settings).ok()?;
    // What goes wrong shows as the lack of a picture. The second question tells that no more data will come, and gets
    // the best of several layers.
    let _ = decoder.send_data(stream.into(), None, None, None);
    decoder.get_picture().or_else(|_| decoder.get_picture()).ok()
}

impl Planes {
    pub(super) fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// A row of luma (0) or chroma (1 and 2).
    pub(super) fn row(&self, plane: usize, y: usize) -> Row<'_> {
        let component = [Component::Y, Component::U, Component::V][plane];
        let halved = plane > 0 && self.sequence.subsampling[0];
        let width = (self.sequence.width as usize).div_ceil(if halved { 2 } else { 1 });
        let len = width * if self.sequence.depth > 8 { 2 } else { 1 };
        // The stride is in bytes.
        let start = y * self.picture.stride(component) as usize;
        let bytes = self.picture.plane(component).get(start..start + len).unwrap_or_default();
        if self.sequence.depth > 8 { Row::Sixteen(bytes.as_chunks().0) } else { Row::Eight(bytes) }
    }
}
