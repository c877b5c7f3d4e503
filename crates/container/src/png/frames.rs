//! Which chunks the frames of an animation are made of (PNG 3rd edition, 4.9 and 11.3.6): one answer for those who count
//! frames, those who decode them, and those who strip a file. It is that of the `png` crate, which decodes.

/// Bytes of an `fcTL` chunk (11.3.6.2).
pub const CONTROL_LEN: usize = 26;
/// The largest number that PNG has (7.1).
const MAX: u32 = 0x7fff_ffff;

/// What of a chunk tells how it is to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The type.
    pub name: [u8; 4],
    /// Bytes of its data.
    pub len: u64,
    /// The first [`CONTROL_LEN`] bytes of its data, or more, or all that there are.
    pub head: &'a [u8],
    /// Whether the chunk is whole and has the CRC of its content. Data of pixels need not be looked through for that.
    pub is_sound: bool,
}

/// An `fcTL` chunk: how a frame is drawn, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Sides of the frame in pixels, of which it has some.
    pub size: (u32, u32),
    /// Numerator and denominator of the delay in seconds.
    pub delay: (u16, u16),
}

/// What a chunk is to the animation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing, or nothing that is read.
    None,
    /// It opens the animation (11.3.6.1).
    Animation {
        /// How often all is played, 0 for ever.
        plays: u32,
    },
    /// It tells of the frame whose data come next.
    Control(Control),
    /// Data of the picture that is no frame, of the first one, or of a later one.
    Data {
        /// Whether it is the first of its frame.
        is_first: bool,
        /// What was told of the frame, whose first data these are.
        control: Option<Control>,
    },
}

/// Goes through the chunks of a file in their order.
#[derive(Debug, Default)]
pub struct Sequence {
    canvas: Option<(u32, u32)>,
    has_palette: bool,
    has_picture: bool,
    /// Frames that are still to come, if there is an animation.
    frames: Option<u32>,
    /// The next sequence number.
    number: u32,
    control: Option<Control>,
    /// The chunk before, where that was data.
    data: Option<[u8; 4]>,
    is_over: bool,
    is_damaged: bool,
}

impl Sequence {
    /// Width and height of the picture, once its header has come.
    pub const fn canvas(&self) -> Option<(u32, u32)> {
        self.canvas
    }

    /// Whether there is an animation, of however many frames.
    pub const fn is_animated(&self) -> bool {
        self.frames.is_some()
    }

    /// Frames that the animation announces and that have not begun.
    pub fn missing(&self) -> u32 {
        self.frames.unwrap_or_default()
    }

    /// Whether a chunk ended the animation that should not be where it is, or as it is.
    pub const fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// What the next chunk of the file is.
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
            // One that must be understood, and is not, or that must not be there.
            [first, ..] if first.is_ascii_uppercase() => self.end(),
            _ => Role::None,
        }
    }

    /// Decoders read nothing behind this. Before the picture, it is for them to say whether they show anything.
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
            // More frames than are announced are no damage.
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
    /// Reads a chunk, whose frame must be part of the canvas.
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

/// Two numbers that stand one after the other.
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

    /// How many frames begin in these chunks, and whether damage ends them.
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
