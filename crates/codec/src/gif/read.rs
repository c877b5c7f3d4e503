//! The GIF decoder (GIF89a, whose sections the comments cite). Blocks are parsed by [`container`].

use super::super::animation::{Animation, Canvas, Composed, Disposal, Place, Source};
use super::super::{Budget, Cancellation, Error, Flaw, Format};
use super::{TICK, lzw};
use image_origin_container as container;
use image_origin_container::gif::{APPLICATION, Block, Blocks, GRAPHIC_CONTROL, LOOPS, colour_table_len, sub_blocks};

/// The length of the signature and the logical screen descriptor (sections 17 and 18).
const HEADER_LEN: usize = 13;
/// The length of an image descriptor: separator, position, size and flags (section 20).
const DESCRIPTOR_LEN: usize = 10;

/// The interlace flag of an image descriptor.
const INTERLACED: u8 = 0x40;

/// The maximum initial code size for pixels (appendix F).
const MAX_CODE_BITS: u8 = 11;

fn damaged(reason: &str) -> Error {
    Error::Damaged { format: Format::Gif, reason: reason.to_owned() }
}

/// The graphic control extension of an image (section 23).
#[derive(Debug, Clone, Copy, Default)]
struct Control {
    /// The delay in units of [`TICK`].
    delay: u16,
    disposal: u8,
    transparent: Option<u8>,
}

impl Control {
    fn read(extension: &[u8]) -> Option<Self> {
        let &[flags, low, high, index] = sub_blocks(extension, 2).next()?.first_chunk()?;
        let transparent = (flags & 1 == 1).then_some(index);
        Some(Self { delay: u16::from_le_bytes([low, high]), disposal: flags >> 2 & 7, transparent })
    }

    fn disposal(self) -> Disposal {
        match self.disposal {
            2 => Disposal::Clear,
            // 4 is undefined, and viewers treat it as 3.
            3 | 4 => Disposal::Restore,
            _ => Disposal::Keep,
        }
    }
}

/// An image in the file.
#[derive(Debug, Clone, Copy)]
struct Image<'b> {
    control: Control,
    place: Place,
    is_interlaced: bool,
    /// The local colour table; empty if the global one is used.
    table: &'b [u8],
    code_bits: u8,
    /// The data from the first sub-block of pixels on.
    data: &'b [u8],
    /// Whether the file ends within the image.
    is_cut: bool,
}

impl<'b> Image<'b> {
    /// Parses an image block; `None` if it ends before the pixels.
    fn read(block: &'b [u8], control: Control, is_cut: bool) -> Option<Self> {
        let &[_, x0, x1, y0, y1, w0, w1, h0, h1, flags] = block.first_chunk::<DESCRIPTOR_LEN>()?;
        let number = |low, high| u32::from(u16::from_le_bytes([low, high]));
        let place = Place { left: number(x0, x1), top: number(y0, y1), width: number(w0, w1), height: number(h0, h1) };
        let (table, rest) = block[DESCRIPTOR_LEN..].split_at_checked(colour_table_len(flags) as usize)?;
        let (&code_bits, data) = rest.split_first().filter(|(_, data)| !data.is_empty())?;
        Some(Self { control, place, is_interlaced: flags & INTERLACED != 0, table, code_bits, data, is_cut })
    }

    fn pixels(&self) -> u64 {
        u64::from(self.place.width) * u64::from(self.place.height)
    }

    /// Decodes the pixel indices in stored order, and returns their number and the flaw if there is one.
    fn decode(&self, indices: &mut [u8], cancellation: &Cancellation) -> Result<(usize, Option<Flaw>), Error> {
        if !(1..=MAX_CODE_BITS).contains(&self.code_bits) {
            return Ok((0, Some(Flaw::Damaged)));
        }
        let (count, is_damaged) = lzw::decode(sub_blocks(self.data, 0), self.code_bits, indices, cancellation)?;
        if is_damaged {
            return Ok((count, Some(Flaw::Damaged)));
        }
        // An early end code means that no more pixels follow.
        Ok((count, (self.is_cut && count < indices.len()).then_some(Flaw::CutShort)))
    }
}

/// Iterates over the images of a file.
struct Images<'b> {
    bytes: &'b [u8],
    blocks: Blocks<'b>,
    control: Control,
    /// The number of plays so far specified; 0 means endless.
    plays: u32,
    /// Whether the file ended within a block.
    is_cut: bool,
    /// Whether the file ends with a trailer.
    has_trailer: bool,
    /// Whether the file has a loop count, as animations do.
    has_plays: bool,
}

impl<'b> Images<'b> {
    fn new(bytes: &'b [u8], cancellation: &'b Cancellation) -> Result<Self, Error> {
        let blocks = Blocks::new(bytes, cancellation)?;
        Ok(Self {
            bytes,
            blocks,
            control: Control::default(),
            plays: 1,
            is_cut: false,
            has_trailer: false,
            has_plays: false,
        })
    }

    fn next_image(&mut self) -> Result<Option<Image<'b>>, Error> {
        while let Some(block) = self.blocks.next_block()? {
            self.is_cut |= matches!(block, Block::Image { cut: true, .. } | Block::Extension { cut: true, .. });
            match block {
                Block::Image { range, cut } => {
                    let control = std::mem::take(&mut self.control);
                    if let Some(image) = Image::read(self.slice(&range), control, cut) {
                        return Ok(Some(image));
                    }
                }
                Block::Extension { label: GRAPHIC_CONTROL, range, cut: false, .. } => {
                    // If there are several, the last one is used.
                    self.control = Control::read(self.slice(&range)).unwrap_or_default();
                }
                Block::Extension { label: APPLICATION, name: Some(name), range, cut: false }
                    if LOOPS.contains(&&name) =>
                {
                    self.has_plays = true;
                    self.plays = plays(self.slice(&range)).unwrap_or(self.plays);
                }
                Block::Trailer { .. } => self.has_trailer = true,
                Block::Extension { .. } => {}
            }
        }
        Ok(None)
    }

    /// Whether the file is an animation that ends before its trailer, even between images. Still pictures may lack the
    /// trailer.
    fn ends_early(mut self) -> Result<bool, Error> {
        let mut count = 0;
        while self.next_image()?.is_some() {
            count += 1;
        }
        Ok(!self.has_trailer && (count > 1 || self.has_plays))
    }

    fn slice(&self, range: &std::ops::Range<u64>) -> &'b [u8] {
        self.bytes.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

/// The number of plays, 0 for endless: the extension contains the number of repetitions after the first play.
fn plays(extension: &[u8]) -> Option<u32> {
    let repeats = sub_blocks(extension, 2).skip(1).find_map(|block| match block {
        [id, low, high, ..] if id & 7 == 1 => Some(u16::from_le_bytes([*low, *high])),
        _ => None,
    })?;
    Some(if repeats == 0 { 0 } else { u32::from(repeats) + 1 })
}

/// The size of the canvas: that of the logical screen, enlarged to the first image, as in browsers.
pub(super) fn size(bytes: &[u8], cancellation: &Cancellation) -> Result<(u32, u32), Error> {
    let Some(&[w0, w1, h0, h1]) = bytes.get(6..).and_then(<[u8]>::first_chunk) else {
        return Err(damaged("it ends within its header"));
    };
    let [mut width, mut height] = [[w0, w1], [h0, h1]].map(u16::from_le_bytes).map(u32::from);
    if let Some(Image { place, .. }) = Images::new(bytes, cancellation)?.next_image()? {
        width = width.max(place.left + place.width);
        height = height.max(place.top + place.height);
    }
    if width == 0 || height == 0 { Err(damaged("a side is zero")) } else { Ok((width, height)) }
}

/// Reads the animation of a file.
pub(super) fn animation(bytes: &[u8], cancellation: &Cancellation) -> Result<Option<Animation>, Error> {
    let (width, height) = size(bytes, cancellation)?;
    let canvas = u64::from(width) * u64::from(height);
    let mut animation = Animation::empty();
    let mut images = Images::new(bytes, cancellation)?;
    while let Some(image) = images.next_image()? {
        animation.add(u32::from(image.control.delay) * TICK, image.pixels(), canvas);
    }
    (animation.plays, animation.is_cut) = (images.plays, images.is_cut || !images.has_trailer);
    Ok(animation.with_frames())
}

/// Draws the frames of a file.
pub(super) struct GifFrames<'a> {
    images: Images<'a>,
    /// The global colour table.
    table: &'a [u8],
    icc: Option<Vec<u8>>,
    /// The indices of the current frame.
    indices: Vec<u8>,
    flaw: Option<Flaw>,
    /// Whether the file ends early, even between images.
    is_cut: bool,
    budget: Budget,
    cancellation: &'a Cancellation,
}

impl<'a> GifFrames<'a> {
    pub(super) fn open(
        bytes: &'a [u8],
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Result<Composed<'a, Self>, Error> {
        let size = size(bytes, cancellation)?;
        let table_len = bytes.get(HEADER_LEN - 3).map_or(0, |flags| colour_table_len(*flags)) as usize;
        let table = bytes.get(HEADER_LEN..HEADER_LEN + table_len).unwrap_or_default();
        let icc = container::icc_profile(bytes, Format::Gif, cancellation)?.map(std::borrow::Cow::into_owned);
        let images = Images::new(bytes, cancellation)?;
        let is_cut = Images::new(bytes, cancellation)?.ends_early()?;
        let source =
            |budget| Ok(Self { images, table, icc, indices: Vec::new(), flaw: None, is_cut, budget, cancellation });
        Composed::new(size, budget, cancellation, source)
    }
}

impl Source for GifFrames<'_> {
    fn draw_next(&mut self, canvas: &mut Canvas) -> Result<bool, Error> {
        let Some(image) = self.images.next_image()? else { return Ok(false) };
        let Place { width, height, .. } = image.place;
        self.budget.check_pixels(width, height)?;
        self.budget.check_memory(image.pixels() * if image.is_interlaced { 2 } else { 1 })?;
        self.indices.clear();
        self.indices.resize(image.pixels() as usize, 0);
        let (count, flaw) = image.decode(&mut self.indices, self.cancellation)?;
        // Only complete rows of interlaced images are shown.
        let count = if image.is_interlaced { count - count % width.max(1) as usize } else { count };
        if count == 0 && flaw.is_some() {
            return Err(damaged("an image has no pixel that could be decoded"));
        }
        self.flaw = flaw.or(self.is_cut.then_some(Flaw::CutShort));
        let colors = colors(if image.table.is_empty() { self.table } else { image.table }, image.control.transparent);
        let (disposal, stride) = (image.control.disposal(), width as usize);
        let put = |to: &mut [u8; 4], index: u8| {
            if let Some(color) = colors[usize::from(index)] {
                *to = color;
            }
        };
        if image.is_interlaced {
            let pixels = in_order(&self.indices[..count], stride, height as usize);
            canvas.draw(image.place, disposal, (&pixels, stride), put)?;
        } else {
            canvas.draw(image.place, disposal, (&self.indices[..count], stride), put)?;
        }
        Ok(true)
    }

    fn held(&self) -> u64 {
        self.indices.capacity() as u64
    }

    fn icc(&self) -> Option<Vec<u8>> {
        self.icc.clone()
    }

    fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }
}

/// Sorts the rows of an interlaced image from top to bottom (appendix E). Missing later rows are replaced by the
/// preceding ones.
pub(super) fn in_order(stored: &[u8], width: usize, height: usize) -> Vec<u8> {
    // The first row of each pass, its step, and the number of rows that each of its rows covers until later passes.
    const PASSES: [[usize; 3]; 4] = [[0, 8, 8], [4, 8, 4], [2, 4, 2], [1, 2, 1]];
    let width = width.max(1);
    let places = PASSES
        .iter()
        .flat_map(|&[top, step, repeats]| (top..height).step_by(step).map(move |y| y..(y + repeats).min(height)));
    let mut rows = vec![0; width * height];
    let mut end = 0;
    for (row, place) in stored.chunks_exact(width).zip(places) {
        end = end.max(place.end);
        rows[place.start * width..place.end * width].chunks_exact_mut(width).for_each(|to| to.copy_from_slice(row));
    }
    rows.truncate(end * width);
    rows
}

/// The colour of each index: `None` for the transparent one and for indices outside of the palette.
fn colors(palette: &[u8], transparent: Option<u8>) -> [Option<[u8; 4]>; 256] {
    let mut colors = [None; 256];
    for (color, &[r, g, b]) in colors.iter_mut().zip(palette.as_chunks().0) {
        *color = Some([r, g, b, 255]);
    }
    if let Some(index) = transparent {
        colors[usize::from(index)] = None;
    }
    colors
}
