//! Small JPEGs made on the spot.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

/// The settings of a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) colour: ColorType,
    pub(crate) sampling: SamplingFactor,
    pub(crate) progressive: bool,
    pub(crate) restart_interval: u16,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            width: 75,
            height: 53,
            colour: ColorType::Rgb,
            sampling: SamplingFactor::R_4_2_0,
            progressive: false,
            restart_interval: 0,
        }
    }
}

impl Sample {
    /// A soft picture with a hard edge and some grain.
    pub(crate) fn pixels(&self) -> Vec<u8> {
        let channels = match self.colour {
            ColorType::Luma => 1,
            ColorType::Rgb => 3,
            _ => 4,
        };
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let mut grain = 1u32;
        let mut pixels = Vec::with_capacity(width * height * channels);
        for y in 0..height {
            for x in 0..width {
                grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let edge = if x + y > width { 60 } else { 0 };
                for channel in 0..channels {
                    let slope = [x * 150 / width, y * 150 / height, (x + y) * 75 / (width + height), 100][channel % 4];
                    pixels.push((slope + edge) as u8 + (grain >> 28) as u8);
                }
            }
        }
        pixels
    }

    /// The picture as a JPEG.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 90);
        encoder.set_sampling_factor(self.sampling);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        encoder.set_progressive(self.progressive);
        encoder.set_restart_interval(self.restart_interval);
        encoder.encode(&self.pixels(), self.width, self.height, self.colour).unwrap();
        bytes
    }
}

/// A JPEG written block by block, each flat: with headers that encoders do not write.
#[derive(Debug, Clone)]
pub(crate) struct FlatBlocks {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Frame marker.
    pub(crate) process: u8,
    pub(crate) precision: u8,
    /// Sampling factors and the sample value of every block of each component.
    pub(crate) components: Vec<(u8, u8, u8)>,
    /// Which components each scan holds.
    pub(crate) scans: Vec<Vec<usize>>,
    /// 16 bit quantisation steps.
    pub(crate) wide_steps: bool,
    /// Height in a DNL segment behind the first scan.
    pub(crate) dnl: bool,
    pub(crate) huffman_tables: bool,
    pub(crate) end: bool,
    /// What stands between the first two segments.
    pub(crate) junk: Vec<u8>,
}

impl Default for FlatBlocks {
    fn default() -> Self {
        Self {
            width: 40,
            height: 24,
            process: 0xC0,
            precision: 8,
            components: vec![(2, 2, 180), (1, 1, 100), (1, 1, 150)],
            scans: vec![vec![0, 1, 2]],
            wide_steps: false,
            dnl: false,
            huffman_tables: true,
            end: true,
            junk: Vec::new(),
        }
    }
}

impl FlatBlocks {
    /// Quantisation step; a multiple of the 8 that a DC coefficient is larger than a sample by.
    const STEP: u8 = 8;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0xD8];
        bytes.extend_from_slice(&self.junk);
        let steps = if self.wide_steps { [0, Self::STEP].repeat(64) } else { vec![Self::STEP; 64] };
        segment(&mut bytes, 0xDB, &[&[u8::from(self.wide_steps) << 4], steps.as_slice()]);
        let height = if self.dnl { 0 } else { self.height };
        let mut frame = vec![self.precision];
        frame.extend(height.to_be_bytes());
        frame.extend(self.width.to_be_bytes());
        frame.push(self.components.len() as u8);
        for (id, (h, v, _)) in (1..).zip(&self.components) {
            frame.extend([id, h << 4 | v, 0]);
        }
        segment(&mut bytes, self.process, &[&frame]);
        if self.huffman_tables {
            // DC sizes 0 to 11 with four bits each; AC knows only the end of block, as a single 0.
            let dc = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
            segment(&mut bytes, 0xC4, &[&[0x00], &dc]);
            segment(&mut bytes, 0xC4, &[&[0x10], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]);
        }
        for (number, scan) in self.scans.iter().enumerate() {
            let mut header = vec![scan.len() as u8];
            header.extend(scan.iter().flat_map(|&component| [component as u8 + 1, 0]));
            header.extend([0, 63, 0]);
            segment(&mut bytes, 0xDA, &[&header]);
            self.write_scan(scan, &mut bytes);
            if self.dnl && number == 0 {
                segment(&mut bytes, 0xDC, &[&self.height.to_be_bytes()]);
            }
        }
        if self.end {
            bytes.extend([0xFF, 0xD9]);
        }
        bytes
    }

    fn write_scan(&self, scan: &[usize], bytes: &mut Vec<u8>) {
        let most = |factor: fn(&(u8, u8, u8)) -> u8| usize::from(self.components.iter().map(factor).max().unwrap());
        let (h_max, v_max) = (most(|c| c.0), most(|c| c.1));
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let mut writer = BitWriter::default();
        let mut predictions = vec![0; self.components.len()];
        let units = if let [component] = scan {
            let (h, v, _) = self.components[*component];
            (width * usize::from(h)).div_ceil(h_max * 8) * (height * usize::from(v)).div_ceil(v_max * 8)
        } else {
            width.div_ceil(h_max * 8) * height.div_ceil(v_max * 8)
        };
        for _ in 0..units {
            for &component in scan {
                let (h, v, value) = self.components[component];
                let blocks = if scan.len() == 1 { 1 } else { h * v };
                for _ in 0..blocks {
                    let dc = (i32::from(value) - 128) * 8 / i32::from(Self::STEP);
                    writer.write_dc(dc - predictions[component], self.huffman_tables);
                    predictions[component] = dc;
                }
            }
        }
        writer.finish(bytes);
    }
}

fn segment(bytes: &mut Vec<u8>, marker: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    bytes.extend([0xFF, marker]);
    bytes.extend((length as u16 + 2).to_be_bytes());
    bytes.extend(parts.concat());
}

#[derive(Default)]
struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    fn write(&mut self, value: u32, count: u32) {
        self.bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    /// A DC difference and the end of its block, with the tables of [`FlatBlocks`] or the standard ones for luma.
    fn write_dc(&mut self, difference: i32, own_tables: bool) {
        let size = 32 - difference.unsigned_abs().leading_zeros();
        if own_tables {
            self.write(size, 4);
        } else {
            let (code, length) = [(0, 2), (2, 3), (3, 3), (4, 3), (5, 3), (6, 3), (14, 4), (30, 5)][size as usize];
            self.write(code, length);
        }
        let magnitude = if difference < 0 { difference - 1 } else { difference };
        self.write(magnitude as u32 & ((1 << size) - 1), size);
        if own_tables { self.write(0, 1) } else { self.write(0b1010, 4) }
    }

    fn finish(mut self, bytes: &mut Vec<u8>) {
        while !self.bits.len().is_multiple_of(8) {
            self.bits.push(true);
        }
        for byte in self.bits.chunks(8) {
            let byte = byte.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
            bytes.push(byte);
            if byte == 0xFF {
                bytes.push(0);
            }
        }
    }
}
