//! The assignment of chunks to the frames of an animation (PNG 3rd edition, 4.9 and 11.3.6), shared by code that counts
//! frames, decodes them, or strips a file. It follows the `png` crate, which decodes.

/// The data length of an `fcTL` chunk (11.3.6.2).
pub const CONTROL_LEN: usize = 26;
/// The largest integer in a PNG (7.1).
const MAX: u32 = 0x7fff_ffff;

/// The parts of a chunk that determine its role.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The type.
    pub name: [u8; 4],
    /// The length of its data.
    pub len: u64,
    /// At least the first [`CONTROL_LEN`] bytes of its data, or all if there are fewer.
    pub head: &'a [u8],
    /// Whether the chunk is complete and its CRC matches. This need not be checked for pixel data.
    pub is_sound: bool,
}

/// An `fcTL` chunk: the placement and duration of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Width and height of the frame in pixels, not zero.
    pub size: (u32, u32),
    /// Numerator and denominator of the delay in seconds.
    pub delay: (u16, u16),
}

/// The role of a chunk in the animation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// No role, or ignored.
    None,
    /// The animation header (11.3.6.1).
    Animation {
        /// The number of plays; 0 means endless.
        plays: u32,
    },
    /// The control chunk of the following frame.
    Control(Control),
    /// Data of the default image that is not a frame, of the first frame, or of a later one.
    Data {
        /// Whether it is the first chunk of its frame.
        is_first: bool,
        /// The control chunk of the frame that begins here.
        control: Option<Control>,
    },
}

/// Determines the roles of the chunks of a file, in order.
#[derive(Debug, Default)]
pub struct Sequence {
    canvas: Option<(u32, u32)>,
    has_palette: bool,
    has_picture: bool,
    /// The number of remaining frames, if there is an animation.
    frames: Option<u32>,
    /// The next sequence number.
    number: u32,
    control: Option<Control>,
    /// The previous chunk, if it was data.
    data: Option<[u8; 4]>,
    is_over: bool,
    is_damaged: bool,
}

impl Sequence {
    /// Width and height of the picture, after its header.
    pub const fn canvas(&self) -> Option<(u32, u32)> {
        self.canvas
    }

    /// Whether there is an animation, with any number of frames.
    pub const fn is_animated(&self) -> bool {
        self.frames.is_some()
    }

    /// The number of announced frames that have not begun.
    pub fn missing(&self) -> u32 {
        self.frames.unwrap_or_default()
    }

    /// Whether the animation was ended by a misplaced or damaged chunk.
    pub const fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Determines the role of the next chunk of the file.
    pub fn next(&mut self, part: &Part<'_>) -> Role {
        let before = self.data.take();
        if self.is_over {
            return Role::None;
        }
        match &part.name {
            b"IHDR" if self.canvas.is_none() => {
                self.canvas = pair(part.head, 0);
                Role::None
            }
            b"PLTE" if part.is_sound && !self.has_palette && (3..=768).contains(&part.len) => {
                self.has_palette = true;
                Role::None
            }
            b"IEND" => {
                self.is_over = true;
                Role::None
            }
            b"acTL" => self.animation(part),
            b"fcTL" => self.control(part),
            b"IDAT" => self.picture(before),
            b"fdAT" => self.frame(part, before),
            // An unsupported or misplaced critical chunk.
            [first, ..] if first.is_ascii_uppercase() => self.end(),
            _ => Role::None,
        }
    }

    /// Ends the animation. Decoders ignore the rest. Before the first frame, they decide whether to show anything.
    fn end(&mut self) -> Role {
        (self.is_over, self.is_damaged) = (self.has_picture, self.has_picture);
        Role::None
    }

    fn animation(&mut self, part: &Part<'_>) -> Role {
        match pair(part.head, 0) {
            Some((frames @ 1..=MAX, plays @ 0..=MAX))
                if part.is_sound && part.len == 8 && !self.has_picture && self.frames.is_none() =>
            {
                self.frames = Some(frames);
                Role::Animation { plays }
            }
            _ => Role::None,
        }
    }

    fn control(&mut self, part: &Part<'_>) -> Role {
        if !part.is_sound || (self.has_picture && self.frames.is_none()) {
            return Role::None;
        }
        let number = part.head.first_chunk().copied().map(u32::from_be_bytes);
        if number != Some(self.number) && !self.has_picture {
            return Role::None;
        }
        let control = Control::read(part, self.canvas.unwrap_or_default());
        let Some(control) = control.filter(|_| number == Some(self.number)) else { return self.end() };
        self.number += 1;
        self.control = Some(control);
        Role::Control(control)
    }

    fn picture(&mut self, before: Option<[u8; 4]>) -> Role {
        if self.has_picture && before != Some(*b"IDAT") {
            return self.end();
        }
        self.data = Some(*b"IDAT");
        if std::mem::replace(&mut self.has_picture, true) {
            return Role::Data { is_first: false, control: None };
        }
        let control = self.control.take().filter(|_| self.frames.is_some());
        if control.is_some() {
            self.frames = self.frames.map(|frames| frames - 1);
        }
        Role::Data { is_first: true, control }
    }

    fn frame(&mut self, part: &Part<'_>, before: Option<[u8; 4]>) -> Role {
        let Some(left) = self.frames.filter(|_| self.has_picture) else { return Role::None };
        let number = part.head.first_chunk().copied().map(u32::from_be_bytes);
        let is_first = self.control.is_some();
        if number != Some(self.number) || part.len < 4 || !(is_first || before == Some(*b"fdAT")) {
            return self.end();
        }
        let control = self.control.take();
        if is_first {
            // Surplus frames do not count as damage.
            let Some(left) = left.checked_sub(1) else {
                self.is_over = true;
                return Role::None;
            };
            self.frames = Some(left);
        }
        self.number += 1;
        self.data = Some(*b"fdAT");
        Role::Data { is_first, control }
    }
}

impl Control {
    /// Parses an `fcTL` chunk, whose frame must lie within the canvas.
    fn read(part: &Part<'_>, canvas: (u32, u32)) -> Option<Self> {
        let size @ (width, height) = pair(part.head, 4)?;
        let (left, top) = pair(part.head, 12)?;
        let &[n0, n1, d0, d1, disposal, blending] = part.head.get(20..)?.first_chunk()?;
        let fits = |start: u32, len: u32, all: u32| len > 0 && start.checked_add(len).is_some_and(|end| end <= all);
        let is_valid = part.len == CONTROL_LEN as u64
            && fits(left, width, canvas.0)
            && fits(top, height, canvas.1)
            && disposal <= 2
            && blending <= 1;
        let delay = (u16::from_be_bytes([n0, n1]), u16::from_be_bytes([d0, d1]));
        is_valid.then_some(Self { size, delay })
    }
}

/// Parses two consecutive numbers.
fn pair(bytes: &[u8], at: usize) -> Option<(u32, u32)> {
    let &[a, b, c, d, e, f, g, h] = bytes.get(at..)?.first_chunk::<8>()?;
    Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(number: u32, width: u32) -> Vec<u8> {
        [[number, width, 2, 0, 0].map(u32::to_be_bytes).concat(), vec![0, 1, 0, 10, 0, 0]].concat()
    }

    /// The number of frames that begin in these chunks, and whether damage ends the animation.
    fn frames(chunks: &[(&[u8; 4], Vec<u8>)]) -> (usize, bool) {
        let mut sequence = Sequence::default();
        let roles = chunks.iter().map(|(name, data)| {
            sequence.next(&Part { name: **name, len: data.len() as u64, head: data, is_sound: data != b"unsound" })
        });
        let count = roles.filter(|role| matches!(role, Role::Data { control: Some(_), .. })).count();
        (count, sequence.is_damaged())
    }

    #[test]
    fn an_animation_ends_where_decoders_end_it() {
        let header = (b"IHDR", [[0, 0, 0, 4, 0, 0, 0, 2].as_slice(), &[8, 6, 0, 0, 0]].concat());
        let all = |frames: u32| (b"acTL", [frames, 0].map(u32::to_be_bytes).concat());
        let data = |number: u32| (b"fdAT", [&number.to_be_bytes(), b"pixels".as_slice()].concat());
        let (pixels, told) = ((b"IDAT", b"pixels".to_vec()), |number| (b"fcTL", control(number, 4)));
        let whole = vec![header.clone(), all(2), told(0), pixels.clone(), told(1), data(2), data(3)];
        assert_eq!(frames(&whole), (2, false));
        for (name, at, chunk, expected) in [
            ("no header of an animation", 1, (b"acTL", b"unsound".to_vec()), (0, false)),
            ("no frames at all", 1, all(0), (0, false)),
            ("one frame only", 1, all(1), (1, false)),
            ("the picture is no frame", 2, (b"fcTL", b"unsound".to_vec()), (0, true)),
            ("a wrong number before the picture", 2, told(7), (0, true)),
            ("a wrong number behind it", 4, told(7), (1, true)),
            ("a frame beyond the canvas", 4, (b"fcTL", control(1, 5)), (1, true)),
            ("data without a frame", 4, (b"teSt", Vec::new()), (1, true)),
            ("data of a wrong number", 5, data(9), (1, true)),
            ("data without a number", 5, (b"fdAT", vec![0; 3]), (1, true)),
            ("data that go on elsewhere", 6, pixels.clone(), (2, true)),
            ("a critical chunk", 4, (b"ABCD", Vec::new()), (1, true)),
            ("the end", 4, (b"IEND", Vec::new()), (1, false)),
        ] {
            let mut chunks = whole.clone();
            chunks[at] = chunk;
            assert_eq!(frames(&chunks), expected, "{name}");
        }
    }
}
