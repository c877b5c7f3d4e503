//! Finds where the blocks of a sequential scan start, reading at several places of the data at once.
//!
//! Huffman codes synchronize themselves: a decoder that starts anywhere in the data soon reads the same codes as one that
//! started at the beginning (Klein and Wiseman, "Parallel Huffman Decoding with Applications to JPEG Files", The Computer
//! Journal 46.5, 2003). Here several lanes start at equal distances and take their steps in turn, without branches, so that
//! the processor works on one while it waits for the others. The blocks of a lane count from where the lane before it
//! starts a block at the same bit and at the same place of an MCU, since what is read from there on depends on nothing
//! else. In photographs that is a few hundred bits behind the lane's start. Until there, the lane before reads on.

use super::bits::{Window, WindowBytes};
use super::huffman::{HuffmanSpec, Steps};

/// The number of lanes. The states of more do not fit into registers.
const LANES: usize = 3;
/// The number of steps between two checks of what is left.
const STEPS: usize = 4;
/// The maximum number of blocks of a lane.
const CAPACITY: usize = 1 << 14;
/// The number of bits in a window from which on lanes pay.
const WORTHWHILE: u32 = 8 * (6 << 10);
/// The maximum number of blocks of an MCU (T.81 B.2.3).
const MCU: usize = 10;

/// The offsets in bits at which the blocks of a lane start, as far as they were read, and that at which the next one does.
type Starts = [u32; CAPACITY];

/// What is read next, by twice the number of a block in the MCU: its AC codes, and behind them the DC code of the block after
/// it.
type Following = [u32; 2 << 4];

/// Finds blocks in a window.
pub(super) struct Finder {
    steps: Steps,
    following: Following,
    /// The number of blocks in an MCU.
    blocks: usize,
    starts: [Box<Starts>; LANES],
    /// The blocks of whole MCUs that were found, of which some were taken.
    found: Vec<u32>,
    taken: usize,
    /// The filling of the window that was searched last.
    filling: usize,
}

impl Finder {
    /// The memory of a finder in bytes.
    pub(super) const BYTES: u64 = (3 * LANES * size_of::<Starts>()) as u64 + Steps::BYTES;

    /// Creates a finder for components of MCUs: their DC and AC tables, and their numbers of blocks. `None` if there are more
    /// than an MCU may have.
    pub(super) fn new(tables: &[(HuffmanSpec, HuffmanSpec)], blocks: &[usize]) -> Option<Self> {
        let steps = Steps::new(tables)?;
        let order: Vec<_> = blocks.iter().enumerate().flat_map(|(part, count)| vec![part; *count]).collect();
        if !(1..=MCU).contains(&order.len()) {
            return None;
        }
        let mut following = [0; 2 << 4];
        for (block, part) in order.iter().enumerate() {
            let after = (block + 1) % order.len();
            following[2 * block] = Lane::state(block, Steps::of_ac(*part));
            following[2 * block + 1] = Lane::state(after, Steps::of_dc(order[after]));
        }
        Some(Self {
            steps,
            following,
            blocks: order.len(),
            starts: std::array::from_fn(|_| vec![0; CAPACITY].try_into().unwrap_or_else(|_| Box::new([0; CAPACITY]))),
            found: Vec::new(),
            taken: 0,
            filling: 0,
        })
    }

    /// Forgets the MCUs that were found.
    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.taken = 0;
    }

    /// The number of blocks in an MCU.
    pub(super) const fn blocks(&self) -> usize {
        self.blocks
    }

    /// The number of MCUs that have been found and not been taken.
    pub(super) fn left(&self) -> usize {
        (self.found.len() - self.taken) / self.blocks
    }

    /// The offsets in the window, in bits, at which the blocks of the next MCUs start: of `mcus`, or of those that have been
    /// found.
    pub(super) fn take(&mut self, mcus: usize) -> &[u32] {
        let start = self.taken;
        self.taken = self.found.len().min(start + mcus * self.blocks);
        &self.found[start..self.taken]
    }

    /// Finds MCUs in the window from its position on, and moves that behind them. Returns whether there are any: none are
    /// looked for in what has been searched before, or near the end of the data.
    #[inline(always)]
    pub(super) fn search(&mut self, window: &mut Window<'_>) -> bool {
        let (start, end) = window.searchable();
        if window.filling() == self.filling || end.saturating_sub(start) < WORTHWHILE {
            return false;
        }
        self.filling = window.filling();
        self.clear();
        let Self { steps, following, starts, .. } = self;
        let (bytes, part) = (window.bytes(), (end - start) / LANES as u32);
        let begin = |lane: usize| start + lane as u32 * part;
        let mut lanes: [Lane; LANES] = std::array::from_fn(|lane| Lane::new(begin(lane)));
        let ends: [u32; LANES] = std::array::from_fn(|lane| if lane + 1 < LANES { begin(lane + 1) } else { end });
        let mut undefined = [None; LANES];
        starts.iter_mut().zip(lanes).for_each(|(starts, lane)| starts[0] = lane.bit);
        // All together until one of them is done, and then each for itself. (Closures would not always be inlined.)
        loop {
            let mut go_on = true;
            for lane in 0..LANES {
                go_on &= lanes[lane].goes_on(ends[lane]);
            }
            if !go_on {
                break;
            }
            for _ in 0..STEPS {
                for lane in 0..LANES {
                    lanes[lane].step_to(&mut starts[lane], bytes, steps, following, &mut undefined[lane]);
                }
            }
        }
        for lane in 0..LANES {
            while lanes[lane].goes_on(ends[lane]) {
                lanes[lane].step_to(&mut starts[lane], bytes, steps, following, &mut undefined[lane]);
            }
        }
        let mut next = self.join(bytes, &lanes, &undefined, end);
        let rest = self.found.len() % self.blocks;
        if rest > 0 {
            let whole = self.found.len() - rest;
            next = self.found[whole];
            self.found.truncate(whole);
        }
        window.move_to(next);
        !self.found.is_empty()
    }

    /// Collects the blocks of all lanes up to the first with an undefined code, and returns the start of the block behind
    /// them.
    #[inline(always)]
    fn join(
        &mut self,
        bytes: &WindowBytes,
        lanes: &[Lane; LANES],
        undefined: &[Option<Undefined>; LANES],
        end: u32,
    ) -> u32 {
        let Self { steps, following, blocks, starts, found, .. } = self;
        let mut next = starts[0][0];
        let mut before: Option<Lane> = None;
        for ((lane, starts), undefined) in lanes.iter().zip(&*starts).zip(undefined) {
            let starts = &starts[..=lane.count as usize];
            let (open, whole) = starts.split_last().map_or((next, starts), |(open, whole)| (*open, whole));
            // The number of blocks of this lane before the first that the lane before it has as well.
            let mut early = 0;
            while let Some(lane) = &mut before {
                if lane.is_between_blocks() {
                    early += whole[early..].iter().take_while(|start| **start < lane.bit).count();
                    match whole.get(early) {
                        Some(start) if *start != lane.bit || early % *blocks != lane.block() => {}
                        _ => break,
                    }
                }
                let mut undefined = None;
                if lane.bit >= end {
                    return next;
                }
                let is_end = lane.step(bytes, steps, following, &mut undefined) == 1;
                if undefined.is_some() {
                    return next;
                }
                if is_end {
                    found.push(next);
                    next = lane.bit;
                }
            }
            match undefined {
                _ if early == whole.len() && before.is_some() => continue,
                Some(undefined) if undefined.last as usize >= early => {
                    let sound = (undefined.first as usize).max(early);
                    found.extend_from_slice(&starts[early..sound]);
                    return starts[sound];
                }
                _ => found.extend_from_slice(&whole[early..]),
            }
            next = open;
            before = Some(*lane);
        }
        next
    }
}

/// The state of a lane.
#[derive(Debug, Clone, Copy)]
struct Lane {
    /// The offset in the window in bits.
    bit: u32,
    /// The table of the next code, and above it twice the number of the block in the MCU.
    state: u32,
    /// The number of AC coefficients of the block that have been skipped.
    passed: u32,
    /// The number of blocks that have been read.
    count: u32,
}

impl Lane {
    const fn new(bit: u32) -> Self {
        Self { bit, state: Self::state(0, Steps::of_dc(0)), passed: 0, count: 0 }
    }

    const fn state(block: usize, table: usize) -> u32 {
        (table | block << 17) as u32
    }

    /// The number of the block in the MCU.
    const fn block(&self) -> usize {
        (self.state >> 17) as usize
    }

    /// Whether the next code is a DC code.
    const fn is_between_blocks(&self) -> bool {
        Steps::is_dc(self.state as u16 as usize)
    }

    /// Whether the lane may take [`STEPS`] more steps.
    #[inline(always)]
    fn goes_on(&self, end: u32) -> bool {
        (self.bit < end) & (self.count < (CAPACITY - STEPS - 1) as u32)
    }

    /// Takes a step, and notes where a block starts after it.
    #[inline(always)]
    fn step_to(
        &mut self,
        starts: &mut Starts,
        bytes: &WindowBytes,
        steps: &Steps,
        following: &Following,
        undefined: &mut Option<Undefined>,
    ) {
        let place = (self.count as usize + 1) % CAPACITY;
        self.step(bytes, steps, following, undefined);
        // If the block has not ended, this is overwritten later.
        starts[place] = self.bit;
    }

    /// Skips the codes of one lookup. Returns 1 if the block ends with them, and 0 otherwise.
    #[inline(always)]
    fn step(
        &mut self,
        bytes: &WindowBytes,
        steps: &Steps,
        following: &Following,
        undefined: &mut Option<Undefined>,
    ) -> u32 {
        let ahead = Window::word(bytes, self.bit);
        let table = self.state as u16 as usize;
        let mut step = steps.look_up(table, ahead);
        let mut passed = self.passed + step.passed();
        if !Steps::is_sound(passed) {
            (step, passed) = steps.single(table, ahead, self.passed);
            if step.is_undefined() {
                Undefined::note(undefined, self.count);
            }
        }
        self.bit += step.bits();
        let is_end = Steps::is_end(passed);
        self.count += is_end;
        self.state = following[((self.state >> 16) + is_end) as usize % following.len()];
        self.passed = passed & is_end.wrapping_sub(1);
        is_end
    }
}

/// The first and the last block with an undefined code.
#[derive(Debug, Clone, Copy)]
struct Undefined {
    first: u32,
    last: u32,
}

impl Undefined {
    #[cold]
    #[inline(never)]
    fn note(noted: &mut Option<Self>, block: u32) {
        let first = noted.map_or(block, |noted| noted.first);
        *noted = Some(Self { first, last: block });
    }
}
