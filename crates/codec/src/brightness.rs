//! Luma that makes up for halved chroma: interpolated by a decoder, chroma is blurred, which changes the brightness of saturated edges.

/// How much red, green and blue contribute to brightness, as SSIMULACRA2 sees it.
const BRIGHTNESS: [f32; 3] = [0.3, 0.622, 0.078];

/// A row of one plane of chroma.
struct Row {
    /// Deviations from grey.
    row: Vec<f32>,
    /// Sums of two rows, with a margin of a sample.
    sums: Vec<u16>,
}

impl Row {
    fn new(width: usize) -> Self {
        Self { row: vec![0.0; 2 * width], sums: vec![0; width + 2] }
    }

    /// Interpolates a row of luma's resolution.
    fn set(&mut self, chroma: &[u8], y: usize) {
        let width = self.sums.len() - 2;
        let line = |y: usize| &chroma[y * width..(y + 1) * width];
        let last = chroma.len() / width - 1;
        let other = if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(last) };
        for ((sum, near), far) in self.sums[1..].iter_mut().zip(line(y / 2)).zip(line(other)) {
            *sum = 3 * u16::from(*near) + u16::from(*far);
        }
        (self.sums[0], self.sums[width + 1]) = (self.sums[1], self.sums[width]);
        for (pair, near) in self.row.as_chunks_mut::<2>().0.iter_mut().zip(self.sums.windows(3)) {
            *pair = [near[0], near[2]].map(|far| f32::from(3 * near[1] + far) / 16.0 - 128.0);
        }
    }
}

/// Chroma as decoders interpolate it to luma's resolution: samples are centred between those of luma.
pub(super) struct Interpolated([Row; 2]);

impl Interpolated {
    /// For planes that are `width` samples wide.
    pub(super) fn new(width: usize) -> Self {
        Self([(); 2].map(|()| Row::new(width)))
    }

    /// The memory in bytes.
    pub(super) fn memory(width: usize) -> u64 {
        2 * (2 * width * size_of::<f32>() + (width + 2) * size_of::<u16>()) as u64
    }

    /// Both deviations from grey of each pixel of a row of luma's resolution.
    pub(super) fn row(&mut self, chromas: &[Vec<u8>; 2], y: usize) -> impl Iterator<Item = [f32; 2]> {
        for (near, chroma) in self.0.iter_mut().zip(chromas) {
            near.set(chroma, y);
        }
        let [blue, red] = &self.0;
        blue.row.iter().zip(&red.row).map(|(blue, red)| [*blue, *red])
    }
}

/// Red, green and blue as decoders show them, of luma and deviations from grey.
pub(super) fn shown(luma: f32, blue: f32, red: f32) -> [f32; 3] {
    [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue]
        .map(|sample| sample.clamp(0.0, 255.0))
}

/// ITU-R BT.601 luma as in JFIF.
pub(super) fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// Luma that makes a pixel as bright as `wanted`, which has the luma `exact`, beside chroma that is interpolated: a step of
/// Newton's method from its luma, of `most` at most, with squares of samples for light.
pub(super) fn luma_beside(exact: f32, wanted: [f32; 3], [blue, red]: [f32; 2], most: f32) -> f32 {
    let (mut difference, mut slope) = (0.0, 1.0);
    for ((wanted, shown), weight) in wanted.into_iter().zip(shown(exact, blue, red)).zip(BRIGHTNESS) {
        difference += weight * (wanted * wanted - shown * shown);
        slope += weight * 2.0 * shown;
    }
    exact + (difference / slope).clamp(-most, most)
}
