//! Palettes: blocks of a few colours, each sample with the number of its colour (5.11.46, 5.11.49).

use super::colours::{self, Order, bits_of};
use super::frame::{FrameEncoder, SUPERBLOCK};
use super::inverse::TxType;
use super::predict::{DC, Mode};
use super::size::BlockSize;
use super::symbols::{AdaptiveTally, Sink, Tally};

/// The largest number of colours.
pub(super) const MOST_COLOURS: usize = 8;

/// The most colours of a block for which palettes are tried. Those of a photograph have more.
const MOST_DISTINCT: usize = 64;
const MOST_DISTINCT_PAIRS: usize = 24;

/// What a colour that is not taken from a neighbour costs in bits, roughly.
const COLOUR_BITS: u32 = 6;

/// The colours of a block, and the colour of each of its samples.
#[derive(Debug, Clone)]
pub(super) struct Palette {
    /// Of luma, which is the first of the two, or of both planes of chroma; the first ascend.
    pub(super) colours: Vec<[u8; 2]>,
    /// The numbers of colours, row by row.
    pub(super) indices: Vec<u8>,
}

impl Palette {
    /// The prediction of one of the planes.
    pub(super) fn paint(&self, plane: usize) -> Vec<u8> {
        self.indices.iter().map(|index| self.colours[usize::from(*index)][plane]).collect()
    }
}

/// The colours of luma or of the second plane, as later blocks can take them over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KnownColours {
    count: u8,
    values: [u8; MOST_COLOURS],
}

impl KnownColours {
    pub(super) const NONE: Self = Self { count: 0, values: [0; MOST_COLOURS] };

    pub(super) fn of(palette: Option<&Palette>) -> Self {
        let mut known = Self::NONE;
        for colour in palette.into_iter().flat_map(|palette| &palette.colours) {
            known.values[usize::from(known.count)] = colour[0];
            known.count += 1;
        }
        known
    }

    fn values(&self) -> &[u8] {
        &self.values[..usize::from(self.count)]
    }
}

/// Where a palette is: the position of its block in units of 4 luma samples, the size of the block, and the plane of its first
/// colours, 0 or 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub(super) place: [usize; 2],
    pub(super) block: BlockSize,
    pub(super) plane: usize,
}

/// Similar colours of a block.
#[derive(Debug, Clone, Copy)]
struct Cluster {
    sum: [f32; 2],
    count: f32,
}

impl Cluster {
    fn mean(&self) -> [f32; 2] {
        self.sum.map(|sum| sum / self.count)
    }

    /// How much the squared errors grow if two become one.
    fn distance(&self, other: &Self) -> f32 {
        let ([a, b], [c, d]) = (self.mean(), other.mean());
        ((a - c).powi(2) + (b - d).powi(2)) * self.count * other.count / (self.count + other.count)
    }

    fn join(&mut self, other: &Self) {
        self.sum = [self.sum[0] + other.sum[0], self.sum[1] + other.sum[1]];
        self.count += other.count;
    }
}

/// Writes colours that are not those of neighbours, in order. Those of luma differ.
fn put_new_colours(colours: &[u8], plane: usize, sink: &mut impl Sink) {
    let Some((first, rest)) = colours.split_first() else { return };
    sink.literal((*first).into(), 8);
    if rest.is_empty() {
        return;
    }
    let least = u32::from(plane == 0);
    let difference = |pair: &[u8]| u32::from(pair[1] - pair[0]) - least;
    let largest = colours.windows(2).map(difference).max().unwrap_or(0);
    let mut bits = bits_of(largest + 1).max(5);
    sink.literal(bits - 5, 2);
    for pair in colours.windows(2) {
        sink.literal(difference(pair), bits);
        bits = bits.min(bits_of(256 - u32::from(pair[1]) - least));
    }
}

/// Writes the colours of the third plane, as differences or as they are.
fn put_last_colours(colours: &[[u8; 2]], sink: &mut impl Sink) {
    let difference = |pair: &[[u8; 2]]| pair[1][1].wrapping_sub(pair[0][1]) as i8;
    let largest = colours.windows(2).map(|pair| u32::from(difference(pair).unsigned_abs())).max().unwrap_or(0);
    let bits = bits_of(largest + 1).max(4);
    let signs = colours.windows(2).filter(|pair| difference(pair) != 0).count() as u32;
    let count = colours.len() as u32;
    let is_shorter = bits < 8 && 2 + 8 + (count - 1) * bits + signs < 8 * count;
    sink.literal(is_shorter.into(), 1);
    if !is_shorter {
        colours.iter().for_each(|colour| sink.literal(colour[1].into(), 8));
        return;
    }
    sink.literal(bits - 4, 2);
    sink.literal(colours[0][1].into(), 8);
    for difference in colours.windows(2).map(difference) {
        sink.literal(difference.unsigned_abs().into(), bits);
        if difference != 0 {
            sink.literal(u32::from(difference < 0), 1);
        }
    }
}

impl FrameEncoder {
    /// Whether blocks of this size can have palettes (5.11.7).
    fn allows_palettes(&self, block: BlockSize) -> bool {
        self.has_palettes && block.has_angles() && block.longest() <= 6
    }

    /// Writes whether a block has a palette of luma, and its colours (5.11.46).
    pub(super) fn put_luma_palette(&mut self, site: Site, mode: Mode, palette: Option<&Palette>, sink: &mut impl Sink) {
        if !self.allows_palettes(site.block) || mode.base != DC {
            return;
        }
        let [row, column] = site.place;
        let has = self.beside(row, column, false).map(|unit| usize::from(unit.colours[0].count > 0));
        let class = usize::from(site.block.w + site.block.h) - 6;
        let cdf = &mut self.probabilities.palette_y_mode[class][has[0] + has[1]];
        sink.symbol(cdf, usize::from(palette.is_some()));
        if let Some(palette) = palette {
            self.put_colours(site, palette, sink);
        }
    }

    /// The same for chroma.
    pub(super) fn put_chroma_palette(
        &mut self,
        site: Site,
        mode: Mode,
        has_luma: bool,
        palette: Option<&Palette>,
        sink: &mut impl Sink,
    ) {
        if !self.allows_palettes(site.block) || mode.base != DC {
            return;
        }
        let cdf = &mut self.probabilities.palette_uv_mode[usize::from(has_luma)];
        sink.symbol(cdf, usize::from(palette.is_some()));
        if let Some(palette) = palette {
            self.put_colours(site, palette, sink);
            put_last_colours(&palette.colours, sink);
        }
    }

    fn put_colours(&mut self, site: Site, palette: &Palette, sink: &mut impl Sink) {
        let class = usize::from(site.block.w + site.block.h) - 6;
        let count = palette.colours.len();
        sink.symbol(&mut self.probabilities.palette_size[site.plane][class], count - 2);
        let mut new: Vec<u8> = palette.colours.iter().map(|colour| colour[0]).collect();
        for known in self.known_colours(site) {
            if new.is_empty() {
                break;
            }
            // Of equal colours of chroma, one is taken over.
            let place = new.iter().position(|colour| *colour == known);
            sink.literal(place.is_some().into(), 1);
            if let Some(place) = place {
                new.remove(place);
            }
        }
        put_new_colours(&new, site.plane, sink);
    }

    /// `get_palette_cache`: the colours of the blocks above and to the left, in order.
    fn known_colours(&self, site: Site) -> Vec<u8> {
        let [row, column] = site.place;
        let [above, left] = self.beside(row, column, false).map(|unit| unit.colours[site.plane]);
        // Nothing is kept of the superblocks above.
        let above = if row.is_multiple_of(SUPERBLOCK) { KnownColours::NONE } else { above };
        colours::of_neighbours(above.values(), left.values())
    }

    /// Writes the colour of each sample inside of the frame (5.11.49).
    pub(super) fn put_indices(&mut self, site: Site, palette: &Palette, sink: &mut impl Sink) {
        let Site { place: [row, column], block, plane } = site;
        let halves = self.is_chroma_halved(plane);
        let width = block.in_plane(halves).width();
        let shift = u32::from(halves);
        let inside_w = block.width().min((self.columns - column) * 4) >> shift;
        let inside_h = block.height().min((self.rows - row) * 4) >> shift;
        let count = palette.colours.len();
        non_symmetric(palette.indices[0].into(), count as u32, sink);
        for diagonal in 1..inside_h + inside_w - 1 {
            for x in (diagonal.saturating_sub(inside_h - 1)..=diagonal.min(inside_w - 1)).rev() {
                let place @ [x, y] = [x, diagonal - x];
                let order = Order::new(&palette.indices, width, place);
                let cdf = self.probabilities.colour(plane, count, order.context);
                sink.symbol(cdf, order.rank(palette.indices[y * width + x]));
            }
        }
    }

    /// The cost of the numbers of a palette, with probabilities that adapt as they do when it is written.
    fn indices_cost(&mut self, site: Site, palette: &Palette) -> u32 {
        let (count, plane) = (palette.colours.len(), site.plane);
        let before: [[u16; MOST_COLOURS + 1]; 5] = std::array::from_fn(|context| {
            let mut copy = [0; MOST_COLOURS + 1];
            copy[..=count].copy_from_slice(self.probabilities.colour(plane, count, context));
            copy
        });
        let mut cost = AdaptiveTally(0);
        self.put_indices(site, palette, &mut cost);
        for (context, before) in before.iter().enumerate() {
            self.probabilities.colour(plane, count, context).copy_from_slice(&before[..=count]);
        }
        cost.0
    }

    /// The palettes that are worth trying for a block, at most two, with the bits of colours and numbers. `source` are the samples of
    /// luma, or of both planes of chroma.
    pub(super) fn palettes(&mut self, site: Site, source: &[&[u8]], has_luma: bool) -> Vec<(Palette, u32)> {
        if !self.allows_palettes(site.block) {
            return Vec::new();
        }
        let Some(distinct) = distinct_colours(source) else { return Vec::new() };
        let mut clusters = distinct.clone();
        let size = site.block.in_plane(self.is_chroma_halved(site.plane));
        let weight = self.quantizer.steps(site.plane > 0, size, TxType::IDENTITY).weight[0] * 64.0;
        let known = if site.plane == 0 { self.known_colours(site) } else { Vec::new() };
        let mut found: Vec<(f32, Palette, u32)> = Vec::new();
        for most in [8, 7, 6, 5, 4, 3, 2] {
            if most > distinct.len() || (most < distinct.len().min(MOST_COLOURS) && found.is_empty()) {
                continue;
            }
            reduce(&mut clusters, most, site.plane == 0);
            let colours = self.colours(&clusters, &known);
            if colours.len() < 2 {
                break;
            }
            let (palette, errors) = assigned(source, colours);
            let mut rate = Tally(0);
            if site.plane == 0 {
                self.put_luma_palette(site, Mode::plain(DC), Some(&palette), &mut rate);
            } else {
                self.put_chroma_palette(site, Mode::plain(DC), has_luma, Some(&palette), &mut rate);
            }
            let rate = rate.0 + self.indices_cost(site, &palette);
            let total = errors * weight + self.lambda * rate as f32;
            // Fewer colours are worse from some number on.
            let is_worse = found.last().is_some_and(|(last, ..)| total > last * 1.2);
            found.push((total, palette, rate));
            if is_worse {
                break;
            }
        }
        found.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
        found.into_iter().take(2).map(|(_, palette, rate)| (palette, rate)).collect()
    }

    /// The colours of clusters: their means, or those of neighbours which are so near that their bits are worth more.
    fn colours(&self, clusters: &[Cluster], known: &[u8]) -> Vec<[u8; 2]> {
        let worth = self.lambda * (COLOUR_BITS * super::BIT) as f32;
        let colour = |cluster: &Cluster| {
            let mean = cluster.mean();
            let distance = |known: &u8| (f32::from(*known) - mean[0]).powi(2) * cluster.count;
            let nearest = known.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
            let [first, second] = mean.map(|mean| mean.round() as u8);
            [nearest.filter(|known| distance(known) < worth).copied().unwrap_or(first), second]
        };
        let mut colours: Vec<[u8; 2]> = clusters.iter().map(colour).collect();
        colours.sort_unstable();
        colours.dedup();
        colours
    }
}

/// `NS(n)` (4.10.10): a value below `n`.
fn non_symmetric(value: u32, n: u32, sink: &mut impl Sink) {
    let width = n.ilog2() + 1;
    let short = (1 << width) - n;
    if value < short {
        sink.literal(value, width - 1);
    } else {
        sink.literal(value + short, width);
    }
}

/// The colours of a block in order, unless these are one or too many.
fn distinct_colours(source: &[&[u8]]) -> Option<Vec<Cluster>> {
    let cluster = |[a, b]: [u8; 2], count: u32| {
        let count = count as f32;
        Cluster { sum: [f32::from(a) * count, f32::from(b) * count], count }
    };
    let (clusters, most): (Vec<Cluster>, usize) = match source {
        [first, second] => {
            let mut found: Vec<([u8; 2], u32)> = Vec::with_capacity(MOST_DISTINCT_PAIRS + 1);
            let mut last = 0;
            for pair in first.iter().zip(*second).map(|(a, b)| [*a, *b]) {
                if found.get(last).is_none_or(|(known, _)| *known != pair) {
                    last = found.iter().position(|(known, _)| *known == pair).unwrap_or(found.len());
                    if last == found.len() {
                        if last == MOST_DISTINCT_PAIRS {
                            return None;
                        }
                        found.push((pair, 0));
                    }
                }
                found[last].1 += 1;
            }
            found.sort_unstable();
            (found.into_iter().map(|(pair, count)| cluster(pair, count)).collect(), MOST_DISTINCT_PAIRS)
        }
        _ => {
            let mut counts = [0u32; 256];
            source.iter().copied().flatten().for_each(|sample| counts[usize::from(*sample)] += 1);
            let found = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            (found.map(|(sample, count)| cluster([sample as u8, 0], *count)).collect(), MOST_DISTINCT)
        }
    };
    (2..=most).contains(&clusters.len()).then_some(clusters)
}

/// Joins the nearest clusters until at most `most` are left; in a line, neighbours alone.
fn reduce(clusters: &mut Vec<Cluster>, most: usize, is_line: bool) {
    while clusters.len() > most {
        let (mut least, mut pair) = (f32::INFINITY, [0, 1]);
        for i in 0..clusters.len() - 1 {
            let end = if is_line { i + 2 } else { clusters.len() };
            for j in i + 1..end {
                let distance = clusters[i].distance(&clusters[j]);
                if distance < least {
                    (least, pair) = (distance, [i, j]);
                }
            }
        }
        let [i, j] = pair;
        let other = clusters.remove(j);
        clusters[i].join(&other);
    }
}

/// Gives each sample the nearest colour. Also returns the sum of the squared errors.
fn assigned(source: &[&[u8]], colours: Vec<[u8; 2]>) -> (Palette, f32) {
    let nearest = |sample: [u8; 2]| {
        let error = |colour: &[u8; 2]| {
            let [a, b] = [0, 1].map(|i| u32::from(colour[i].abs_diff(sample[i])));
            a * a + b * b
        };
        let all = colours.iter().enumerate().map(|(i, colour)| (error(colour), i as u8));
        all.min().unwrap_or_default()
    };
    let mut indices = Vec::with_capacity(source[0].len());
    let mut errors = 0;
    let mut last = ([0; 2], nearest([0; 2]));
    for (i, first) in source[0].iter().enumerate() {
        let sample = [*first, source.get(1).map_or(0, |second| second[i])];
        if sample != last.0 {
            last = (sample, nearest(sample));
        }
        errors += last.1.0;
        indices.push(last.1.1);
    }
    (Palette { colours, indices }, errors as f32)
}
