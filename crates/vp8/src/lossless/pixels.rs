//! Entropy-coded images: the picture itself, and the subresolution images that describe its coding (section 3.6).

use super::bits::Bits;
use super::codes::{Alphabet, Codes, Group, LENGTHS, LITERALS};
use super::{Check, DecodeError, Memory, Pixel, damaged, go_on, zeroed_samples};
use image_origin_kernel::{Kernel, dispatch};

/// What is kept of a pixel: all samples, or green alone.
pub(super) trait Sample: Copy {
    /// The sample for a pixel.
    fn of(pixel: Pixel) -> Self;

    /// Green.
    fn green(self) -> u8;

    /// Reads the samples after green.
    fn literal(codes: &Codes, group: &Group, bits: &mut Bits<'_>, green: u8) -> Self;

    /// All samples, if they are kept.
    fn whole(self) -> Option<Pixel>;

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
        // The buffer contained at least the 45 bits of three codes.
        bits.fill();
        let alpha = codes.symbol(bits, group, Alphabet::Alpha);
        [red as u8, green, blue as u8, alpha as u8]
    }

    #[inline(always)]
    fn whole(self) -> Option<Pixel> {
        Some(self)
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
    fn whole(self) -> Option<Pixel> {
        None
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
    fn whole(self) -> Option<Pixel> {
        None
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
        let mut progress = coded.begin();
        self.pixels(&coded, width, pixels, &mut progress, width * height)?;
        self.memory.give_back(coded.codes.memory());
        if progress.at < width * height {
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

    /// Decodes pixels behind those that [`Progress`] counts until there are `wanted`, or a few more. There are less if the
    /// stream ends or is damaged.
    pub(super) fn pixels<S: Sample>(
        &mut self,
        coded: &Coded,
        width: usize,
        pixels: &mut [S],
        progress: &mut Progress,
        wanted: usize,
    ) -> Result<(), DecodeError> {
        dispatch(Run { bits: &mut self.bits, check: self.check, coded, width, pixels, progress, wanted })
    }
}

/// Decodes pixels: see [`Source::pixels`].
struct Run<'r, 'a, S> {
    bits: &'r mut Bits<'a>,
    check: Check<'r>,
    coded: &'r Coded,
    width: usize,
    pixels: &'r mut [S],
    progress: &'r mut Progress,
    wanted: usize,
}

impl<S: Sample> Kernel for Run<'_, '_, S> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self { bits: source, check, coded, width, pixels, progress, wanted } = self;
        let mut local = *source;
        let bits = &mut local;
        let Coded { codes, map, .. } = coded;
        let Progress { at: start, cache, lookups } = progress;
        let mut group = codes.group(0);
        let mut table = lookups.of(0);
        let (mut at, mut row_end, mut group_end) = (*start, 0, 0);
        while at < wanted {
            if at >= group_end {
                if at >= row_end {
                    go_on(check)?;
                    row_end = (at / width + 1) * width;
                }
                group_end = row_end;
                if let Some(map) = map {
                    let (number, end) = map.at(at % width, at / width);
                    (group, table) = (codes.group(number), lookups.of(number));
                    group_end = (row_end - width + end).min(row_end);
                }
                if group.has_no_bits()
                    && let green @ 0..LITERALS = codes.symbol(bits, &group, Alphabet::Green)
                {
                    let pixel = S::literal(codes, &group, bits, green as u8);
                    let end = group_end.min(pixels.len());
                    pixels[at..end].fill(pixel);
                    pixel.remember(cache);
                    at = end;
                    continue;
                }
            }
            bits.fill();
            at += known(bits, &table, cache, &mut pixels[at..group_end.min(wanted)]);
            if bits.is_overrun() {
                break;
            }
            if at >= group_end.min(wanted) {
                continue;
            }
            let (peeked, unread) = (bits.peek(), bits.unread_bits());
            let green = codes.symbol(bits, &group, Alphabet::Green);
            if green < LITERALS {
                let pixel = S::literal(codes, &group, bits, green as u8);
                if bits.is_overrun() {
                    break;
                }
                if let Some(pixel) = pixel.whole() {
                    let length = unread - bits.unread_bits();
                    table.add(Entry::literal(pixel, length), peeked, length);
                }
                pixels[at] = pixel;
                pixel.remember(cache);
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
                    pixels[at..end].iter().for_each(|pixel| pixel.remember(cache));
                }
                at = end;
            } else {
                if bits.is_overrun() {
                    break;
                }
                let index = green - LITERALS - LENGTHS;
                table.add_cached(index, peeked, unread - bits.unread_bits(), |next| codes.peeked_green(next, &group));
                pixels[at] = S::of(cache.recall(index));
                at += 1;
            }
        }
        *start = at;
        *source = local;
        Ok(())
    }
}

/// Decodes pixels as long as their codes are known, and returns their number. The buffer of `bits` is full before and after.
#[inline(always)]
fn known<S: Sample>(bits: &mut Bits<'_>, table: &Table<'_>, cache: &mut Cache, pixels: &mut [S]) -> usize {
    let mut local = *bits;
    let mut at = 0;
    // The second of two pixels may be overwritten by what follows.
    while let Some([first, second]) = pixels.get_mut(at..).and_then(<[S]>::first_chunk_mut) {
        let entry = table.find(local.peek());
        if entry == Entry::NONE {
            break;
        }
        local.consume(entry.length());
        if local.is_overrun() {
            break;
        }
        match entry.content() {
            Content::Literal(pixel) => {
                *first = S::of(pixel);
                first.remember(cache);
                at += 1;
            }
            Content::Cached(indices, count) => {
                [*first, *second] = cache.recall_two(indices).map(S::of);
                at += count;
            }
        }
        local.fill();
    }
    *bits = local;
    at
}

/// How far the pixels of an image are decoded.
pub(super) struct Progress {
    /// The number of decoded pixels.
    pub(super) at: usize,
    cache: Cache,
    lookups: Lookups,
}

/// What codes of few bits stand for, so that one lookup replaces those of up to four symbols, each of which waits for the one
/// before. Entries are added when codes are read for the first time.
struct Lookups {
    /// For each group of codes, the entries for all values of the next bits.
    entries: Vec<Entry>,
    /// The number of bits.
    bits: u32,
}

impl Lookups {
    /// The most bits. NOTES.md has the measurements.
    const MOST_BITS: u32 = 11;

    /// The number of pixels for each entry, at least.
    const PIXELS: usize = 4;

    /// None are ever found.
    fn none() -> Self {
        Self { entries: vec![Entry::NONE], bits: 0 }
    }

    fn new(groups: usize, pixels: usize, memory: &mut Memory) -> Self {
        let each = pixels / Self::PIXELS / groups.max(1);
        let bits = each.checked_ilog2().unwrap_or(0).min(Self::MOST_BITS);
        let length = groups.max(1) << bits;
        match memory.spend(length * size_of::<Entry>()) {
            Ok(()) => Self { entries: vec![Entry::NONE; length], bits },
            Err(_) => {
                memory.give_back(length * size_of::<Entry>());
                Self::none()
            }
        }
    }

    /// The entries of a group, or those of all groups if none are ever found.
    #[inline(always)]
    fn of(&mut self, group: usize) -> Table<'_> {
        let length = 1 << self.bits;
        let start = if self.entries.len() == 1 { 0 } else { group * length };
        Table(self.entries.get_mut(start..start + length).unwrap_or_default())
    }
}

/// The entries of a group of codes.
struct Table<'t>(&'t mut [Entry]);

impl Table<'_> {
    /// What the next bits stand for.
    #[inline(always)]
    fn find(&self, next: u64) -> Entry {
        self.0.get(next as usize & self.0.len().wrapping_sub(1)).copied().unwrap_or(Entry::NONE)
    }

    /// Adds an entry for all bits that begin with codes of this length, which are the first of `next`, unless they have one:
    /// each entry is written once.
    #[inline(always)]
    fn add(&mut self, entry: Entry, next: u64, length: usize) {
        let step = 1usize << length.min(63);
        if step <= self.0.len() && length > 0 && self.find(next) == Entry::NONE {
            self.0.iter_mut().skip(next as usize & (step - 1)).step_by(step).for_each(|place| *place = entry);
        }
    }

    /// Adds a reference to the colour cache whose code has this length and is the first of `next`, and what follows it there
    /// if that is another one. `peek` returns the symbol of the first bits, and the length of its code.
    #[inline(always)]
    fn add_cached(&mut self, index: usize, next: u64, length: usize, peek: impl Fn(u64) -> (usize, usize)) {
        let Some(bits) = self.0.len().checked_ilog2().map(|bits| bits as usize) else { return };
        if length == 0 || length > bits {
            return;
        }
        let (symbol, more) = peek((next & (self.0.len() as u64 - 1)) >> length);
        match symbol.checked_sub(LITERALS + LENGTHS) {
            Some(second) if length + more <= bits => {
                self.add(Entry::cached([index, second], 2, length + more), next, length + more);
            }
            _ => self.add(Entry::cached([index; 2], 1, length), next, bits),
        }
    }
}

/// What bits stand for: the length of the codes in the low byte, the number of pixels in the next one, and above it one literal
/// pixel in the upper half, or one or two indices of the colour cache.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry(u64);

/// What an entry stands for.
enum Content {
    Literal(Pixel),
    /// Indices in the colour cache, and how many of them count.
    Cached([usize; 2], usize),
}

impl Entry {
    /// Nothing that is known yet.
    const NONE: Self = Self(0);

    fn literal(pixel: Pixel, length: usize) -> Self {
        Self(u64::from(u32::from_le_bytes(pixel)) << 32 | length as u64)
    }

    fn cached([first, second]: [usize; 2], count: usize, length: usize) -> Self {
        Self((second as u64) << 32 | (first as u64) << 16 | (count as u64) << 8 | length as u64)
    }

    #[inline(always)]
    fn length(self) -> u32 {
        self.0 as u32 & 0xff
    }

    #[inline(always)]
    fn content(self) -> Content {
        match (self.0 >> 8 & 0xff) as usize {
            0 => Content::Literal(((self.0 >> 32) as u32).to_le_bytes()),
            count => Content::Cached([self.0 >> 16 & 0xffff, self.0 >> 32].map(|index| index as usize), count),
        }
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
    /// Begins to decode the pixels.
    pub(super) fn begin(&self) -> Progress {
        Progress { at: 0, cache: self.cache.clone(), lookups: Lookups::none() }
    }

    /// As [`Self::begin`], for this many pixels with all of their samples.
    pub(super) fn begin_whole(&self, pixels: usize, memory: &mut Memory) -> Progress {
        Progress { lookups: Lookups::new(self.codes.groups(), pixels, memory), ..self.begin() }
    }

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

    /// As [`Self::recall`], one after the other.
    #[inline(always)]
    fn recall_two(&mut self, indices: [usize; 2]) -> [Pixel; 2] {
        let pair = indices.map(|index| self.colours[index]);
        let is_unset = |place: usize| pair[place] == [0; 4] && indices[place] != 0;
        if is_unset(0) | is_unset(1) { indices.map(|index| self.recall(index)) } else { pair }
    }

    /// The colour with this index, which is added again.
    #[inline(always)]
    fn recall(&mut self, index: usize) -> Pixel {
        let pixel = self.colours[index];
        // All colours are in their places but for the one that the cache is filled with at first, whose place is 0.
        if pixel == [0; 4] && index != 0 {
            self.add(pixel);
        }
        pixel
    }
}
