//! Entropy-coded images: the picture itself, and the subresolution images that describe its coding (section 3.6).

use super::bits::Bits;
use super::codes::{Alphabet, Codes, Group, LENGTHS, LITERALS};
use super::{Check, DecodeError, Memory, Pixel, damaged, go_on, zeroed_samples};

/// What is kept of a pixel: all samples, or green alone.
pub(super) trait Sample: Copy {
    /// The sample for a pixel.
    fn of(pixel: Pixel) -> Self;

    /// Green.
    fn green(self) -> u8;

    /// Reads the samples after green.
    fn literal(codes: &Codes, group: &Group, bits: &mut Bits<'_>, green: u8) -> Self;

    /// Adds a sample to the colour cache.
    fn remember(self, cache: &mut Cache);
}

impl Sample for Pixel {
    #[inline(always)]
    fn of(pixel: Pixel) -> Self {
        pixel
    }

    #[inline(always)]
    fn green(self) -> u8 {
        self[1]
    }

    #[inline(always)]
    fn literal(codes: &Codes, group: &Group, bits: &mut Bits<'_>, green: u8) -> Self {
        let red = codes.symbol(bits, group, Alphabet::Red);
        let blue = codes.symbol(bits, group, Alphabet::Blue);
        // The buffer contains at least the 45 bits of three codes.
        bits.fill();
        let alpha = codes.symbol(bits, group, Alphabet::Alpha);
        [red as u8, green, blue as u8, alpha as u8]
    }

    #[inline(always)]
    fn remember(self, cache: &mut Cache) {
        cache.add(self);
    }
}

/// Green alone. There is no colour cache then, whose places depend on all samples.
impl Sample for u8 {
    #[inline(always)]
    fn of(pixel: Pixel) -> Self {
        pixel[1]
    }

    #[inline(always)]
    fn green(self) -> u8 {
        self
    }

    #[inline(always)]
    fn literal(codes: &Codes, group: &Group, bits: &mut Bits<'_>, green: u8) -> Self {
        if !group.has_green_only() {
            <Pixel as Sample>::literal(codes, group, bits, green);
        }
        green
    }

    #[inline(always)]
    fn remember(self, _: &mut Cache) {}
}

/// Nothing: the stream is followed to its end. The colour cache is never asked then for a colour that matters.
impl Sample for () {
    #[inline(always)]
    fn of(_: Pixel) {}

    #[inline(always)]
    fn green(self) -> u8 {
        0
    }

    #[inline(always)]
    fn literal(codes: &Codes, group: &Group, bits: &mut Bits<'_>, green: u8) {
        <Pixel as Sample>::literal(codes, group, bits, green);
    }

    #[inline(always)]
    fn remember(self, _: &mut Cache) {}
}

/// The bits of the stream, and the budget for decoding.
pub(super) struct Source<'s, 'a> {
    pub(super) bits: Bits<'a>,
    pub(super) memory: &'s mut Memory,
    pub(super) check: Check<'s>,
}

/// The pixels that short distance codes refer to (section 3.6.2.2.1): rows above the current one in the high half of a
/// byte, and columns to the left in the low half, counted from 7 to the right.
#[rustfmt::skip]
const NEAR: [u8; 120] = [
    0x17, 0x08, 0x18, 0x16, 0x27, 0x09, 0x28, 0x26, 0x19, 0x15, 0x29, 0x25, 0x37, 0x0a, 0x38,
    0x36, 0x1a, 0x14, 0x39, 0x35, 0x2a, 0x24, 0x47, 0x0b, 0x48, 0x46, 0x1b, 0x13, 0x3a, 0x34,
    0x49, 0x45, 0x2b, 0x23, 0x57, 0x4a, 0x44, 0x3b, 0x33, 0x0c, 0x58, 0x56, 0x1c, 0x12, 0x59,
    0x55, 0x2c, 0x22, 0x4b, 0x43, 0x5a, 0x54, 0x3c, 0x32, 0x67, 0x0d, 0x68, 0x66, 0x1d, 0x11,
    0x69, 0x65, 0x2d, 0x21, 0x5b, 0x53, 0x4c, 0x42, 0x6a, 0x64, 0x3d, 0x31, 0x77, 0x0e, 0x78,
    0x76, 0x5c, 0x52, 0x1e, 0x10, 0x6b, 0x63, 0x4d, 0x41, 0x79, 0x75, 0x2e, 0x20, 0x7a, 0x74,
    0x3e, 0x30, 0x6c, 0x62, 0x5d, 0x51, 0x0f, 0x7b, 0x73, 0x4e, 0x40, 0x1f, 0x2f, 0x6d, 0x61,
    0x3f, 0x7c, 0x72, 0x5e, 0x50, 0x4f, 0x7d, 0x71, 0x6e, 0x60, 0x5f, 0x7e, 0x70, 0x6f, 0x7f,
];

impl Source<'_, '_> {
    /// Reads a subresolution image, which must be complete.
    pub(super) fn sub_image(&mut self, width: usize, height: usize) -> Result<Vec<u8>, DecodeError> {
        let cache = Cache::read(&mut self.bits)?;
        let codes = Codes::read(&mut self.bits, 1, |_| true, cache.len(), self.memory, self.check)?;
        let mut samples = zeroed_samples(width * height, self.memory)?;
        let pixels = samples.as_chunks_mut::<4>().0;
        let coded = Coded { cache, codes, map: None };
        let decoded = self.pixels(&coded, width, pixels)?;
        self.memory.give_back(coded.codes.memory());
        if decoded < width * height {
            return Err(damaged("the lossless picture ends before its pixels begin"));
        }
        Ok(samples)
    }

    /// Reads what precedes the pixels of the picture itself.
    pub(super) fn main_image(&mut self, width: usize, height: usize) -> Result<Coded, DecodeError> {
        let cache = Cache::read(&mut self.bits)?;
        let map = if self.bits.flag() { Some(self.group_map(width, height)?) } else { None };
        let codes = match &map {
            None => Codes::read(&mut self.bits, 1, |_| true, cache.len(), self.memory, self.check)?,
            Some(map) => {
                let used = |group: usize| map.used[group];
                Codes::read(&mut self.bits, map.used.len(), used, cache.len(), self.memory, self.check)?
            }
        };
        Ok(Coded { cache, codes, map })
    }

    /// Reads the image that assigns groups of codes to parts of the picture (section 3.7.2.2). A file may define unused
    /// groups; the remaining ones are renumbered.
    fn group_map(&mut self, width: usize, height: usize) -> Result<GroupMap, DecodeError> {
        let bits = self.bits.read(3) + 2;
        let (across, down) = (width.div_ceil(1 << bits), height.div_ceil(1 << bits));
        let samples = self.sub_image(across, down)?;
        self.memory.spend(across * down * size_of::<u16>() + (1 << 16) * (size_of::<bool>() + size_of::<u16>()))?;
        let mut groups: Vec<u16> =
            samples.as_chunks::<4>().0.iter().map(|&[red, green, _, _]| u16::from_be_bytes([red, green])).collect();
        self.memory.give_back(samples.len());
        let most = groups.iter().copied().max().unwrap_or_default();
        let mut used = vec![false; usize::from(most) + 1];
        groups.iter().for_each(|group| used[usize::from(*group)] = true);
        let mut next = 0;
        let numbers: Vec<u16> = used
            .iter()
            .map(|is_used| {
                let number = next;
                next += u16::from(*is_used);
                number
            })
            .collect();
        groups.iter_mut().for_each(|group| *group = numbers[usize::from(*group)]);
        Ok(GroupMap { bits, across, groups, used })
    }

    /// Decodes pixels, and returns their number: all of them, unless the stream ends or is damaged.
    pub(super) fn pixels<S: Sample>(
        &mut self,
        coded: &Coded,
        width: usize,
        pixels: &mut [S],
    ) -> Result<usize, DecodeError> {
        let Coded { codes, map, cache } = coded;
        let mut cache = cache.clone();
        let bits = &mut self.bits;
        let mut group = codes.group(0);
        let (mut at, mut row_end, mut group_end) = (0, 0, 0);
        while at < pixels.len() {
            if at >= row_end {
                go_on(self.check)?;
                row_end = (at / width + 1) * width;
                group_end = at;
            }
            if at >= group_end {
                (group, group_end) = match map {
                    Some(map) => {
                        let (number, end) = map.at(at % width, at / width);
                        (codes.group(number), (row_end - width + end).min(row_end))
                    }
                    None => (group, row_end),
                };
                if group.has_no_bits()
                    && let green @ 0..LITERALS = codes.symbol(bits, &group, Alphabet::Green)
                {
                    let pixel = S::literal(codes, &group, bits, green as u8);
                    let end = group_end.min(pixels.len());
                    pixels[at..end].fill(pixel);
                    pixel.remember(&mut cache);
                    at = end;
                    continue;
                }
            }
            bits.fill();
            let green = codes.symbol(bits, &group, Alphabet::Green);
            if green < LITERALS {
                let pixel = S::literal(codes, &group, bits, green as u8);
                if bits.is_overrun() {
                    break;
                }
                pixels[at] = pixel;
                pixel.remember(&mut cache);
                at += 1;
            } else if green < LITERALS + LENGTHS {
                let length = number(bits, green - LITERALS);
                bits.fill();
                let code = codes.symbol(bits, &group, Alphabet::Distance);
                let distance = distance(number(bits, code), width);
                let end = at + length.min(pixels.len() - at);
                if bits.is_overrun() || distance > at {
                    break;
                }
                repeat(&mut pixels[at - distance..end], distance);
                if cache.len() > 0 {
                    pixels[at..end].iter().for_each(|pixel| pixel.remember(&mut cache));
                }
                at = end;
            } else {
                let pixel = S::of(cache.get(green - LITERALS - LENGTHS));
                if bits.is_overrun() {
                    break;
                }
                pixels[at] = pixel;
                pixel.remember(&mut cache);
                at += 1;
            }
        }
        Ok(at)
    }
}

/// Fills the pixels after the first `distance` with copies of these, in turn.
#[inline(always)]
fn repeat<S: Copy>(pixels: &mut [S], distance: usize) {
    if distance == 1 {
        pixels.fill(pixels[0]);
        return;
    }
    let mut at = distance;
    while at < pixels.len() {
        // What is there already is a multiple of what is repeated.
        let length = at.min(pixels.len() - at);
        pixels.copy_within(..length, at);
        at += length;
    }
}

/// Reads a length or distance: a prefix and extra bits (section 3.6.2.2).
#[inline(always)]
fn number(bits: &mut Bits<'_>, prefix: usize) -> usize {
    if prefix < 4 {
        return prefix + 1;
    }
    let extra = (prefix - 2) / 2;
    ((2 + prefix % 2) << extra) + bits.take(extra as u32) as usize + 1
}

/// Converts a distance code to a number of pixels.
#[inline(always)]
fn distance(code: usize, width: usize) -> usize {
    match NEAR.get(code - 1) {
        Some(place) => (usize::from(place >> 4) * width + usize::from(place & 15)).saturating_sub(7).max(1),
        None => code - NEAR.len(),
    }
}

/// What precedes the pixels of an image: how they are coded.
pub(super) struct Coded {
    cache: Cache,
    codes: Codes,
    map: Option<GroupMap>,
}

impl Coded {
    /// Whether there is a colour cache.
    pub(super) fn has_cache(&self) -> bool {
        self.cache.len() > 0
    }
}

/// The group of codes for each square of the picture.
struct GroupMap {
    /// The binary logarithm of the side of a square.
    bits: u32,
    /// The number of squares in a row.
    across: usize,
    groups: Vec<u16>,
    /// Which of the groups in the file are used.
    used: Vec<bool>,
}

impl GroupMap {
    /// The group at a pixel, and the column after the end of its square.
    #[inline(always)]
    fn at(&self, x: usize, y: usize) -> (usize, usize) {
        let column = x >> self.bits;
        let group = self.groups[(y >> self.bits) * self.across + column];
        (group.into(), (column + 1) << self.bits)
    }
}

/// The colour cache, indexed by a hash of the colour (section 3.6.2.3).
#[derive(Clone)]
pub(super) struct Cache {
    colours: Vec<Pixel>,
    /// Bits of the hash; 0 without a cache.
    bits: u32,
}

impl Cache {
    /// The longest hash.
    const MAX_BITS: u32 = 11;

    fn read(bits: &mut Bits<'_>) -> Result<Self, DecodeError> {
        let bits = if bits.flag() { bits.read(4) } else { return Ok(Self { colours: Vec::new(), bits: 0 }) };
        if bits == 0 || bits > Self::MAX_BITS {
            return Err(damaged("the colour cache is of a size that does not exist"));
        }
        Ok(Self { colours: vec![[0; 4]; 1 << bits], bits })
    }

    fn len(&self) -> usize {
        self.colours.len()
    }

    #[inline(always)]
    fn add(&mut self, pixel: Pixel) {
        if self.bits > 0 {
            let [red, green, blue, alpha] = pixel;
            let hash = u32::from_be_bytes([alpha, red, green, blue]).wrapping_mul(0x1e35_a7bd) >> (32 - self.bits);
            self.colours[hash as usize] = pixel;
        }
    }

    #[inline(always)]
    fn get(&self, index: usize) -> Pixel {
        self.colours[index]
    }
}
