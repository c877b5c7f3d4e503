//! What the LZW decoders of GIF and TIFF share: the table of their strings.

/// The length of the longest codes in bits.
pub(crate) const LONGEST: u32 = 12;

/// The maximum number of codes.
pub(crate) const ENTRIES: usize = 1 << LONGEST;

/// One entry more than there are codes: while the table is full, what each code would add is written there.
pub(crate) const SLOTS: usize = ENTRIES + 1;

/// A string of up to [`Entry::LONGEST`] bytes, the first of them lowest, with their number in the highest byte. If the number is
/// zero, the string is longer: its first byte is followed by a number that says more about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entry(pub(crate) u64);

impl Entry {
    pub(crate) const LONGEST: u64 = 7;
    const LENGTH: u32 = 56;

    /// The strings of the codes that stand for bytes; the other entries are empty.
    pub(crate) fn table(bytes: usize) -> Box<[Self; SLOTS]> {
        let mut entries = Box::new([Self::default(); SLOTS]);
        for (byte, entry) in (0..=255).cycle().take(bytes).zip(entries.iter_mut()) {
            *entry = Self(byte | (1 << Self::LENGTH));
        }
        entries
    }

    /// A string of more bytes, of which the first one is that of this string.
    #[inline]
    pub(crate) fn long(self, index: usize) -> Self {
        Self(self.first() | ((index as u64) << 8))
    }

    /// The number of bytes, or zero for a long string.
    #[inline]
    pub(crate) fn length(self) -> u64 {
        self.0 >> Self::LENGTH
    }

    #[inline]
    pub(crate) fn first(self) -> u64 {
        self.0 & 0xff
    }

    /// The number in a long string.
    #[inline]
    pub(crate) fn index(self) -> usize {
        (self.0 >> 8) as usize
    }

    /// This string extended by a byte, or `None` if it would be a long one.
    #[inline]
    pub(crate) fn extended(self, byte: u64) -> Option<Self> {
        let length = self.length();
        (1..Self::LONGEST).contains(&length).then(|| Self((self.0 + (1 << Self::LENGTH)) | (byte << (8 * length))))
    }
}
