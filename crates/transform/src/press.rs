//! Inks to light: the tables of a CMYK profile, evaluated as LittleCMS does without optimisation.
//!
//! Between the nodes of a table, one ink is interpolated linearly and the other three in tetrahedra. Black point
//! compensation maps the black of the press to black and keeps white. The result is linear light with the output's
//! primaries. Sources: ICC.1:2022, 10.10 and 10.11 (the tables) and 6.3.4 (the connection space), ISO 18619 (black point
//! compensation).

use moxcms::{
    ColorProfile, DataColorSpace, LutDataType, LutStore, LutType, LutWarehouse, Matrix3d, ProfileVersion,
    RenderingIntent,
};

/// The white point of the connection space, D50.
const WHITE: [f32; 3] = [0.9642, 1.0, 0.8249];

/// The reference medium's black of the perceptual intent in profiles of version 4 (ICC.1:2022, 6.3.4.3).
const REFERENCE_BLACK: [f32; 3] = [0.003_36, 0.003_473_1, 0.002_87];

/// Anything lighter than this L* is not black.
const LIGHTEST_BLACK: f32 = 50.0;

/// A CMYK profile for one rendering intent.
pub(super) struct Press {
    table: Table<4, 3>,
    connection: Connection,
    /// The places of all inks of 8 bits.
    places: Vec<[Place; 256]>,
    /// From the connection space to linear light, with black point compensation.
    matrix: [[f32; 3]; 3],
    offset: [f32; 3],
}

impl Press {
    /// The tables of `profile` for an intent, with the primaries of the output in the connection space; `None` if it has
    /// other elements than tables.
    pub(super) fn new(profile: &ColorProfile, intent: RenderingIntent, primaries: &Matrix3d) -> Option<Self> {
        let own = match intent {
            RenderingIntent::Perceptual => &profile.lut_a_to_b_perceptual,
            RenderingIntent::Saturation => &profile.lut_a_to_b_saturation,
            RenderingIntent::RelativeColorimetric | RenderingIntent::AbsoluteColorimetric => {
                &profile.lut_a_to_b_colorimetric
            }
        };
        let data = tables(own.as_ref().or(profile.lut_a_to_b_perceptual.as_ref())?)?;
        let (table, connection) = (Table::new(data)?, Connection::new(profile.pcs, data.lut_type)?);
        let black = black(profile, intent, &table, connection);
        let from = inverse(primaries)?;
        let scale = [0, 1, 2].map(|axis| WHITE[axis] / (WHITE[axis] - black[axis]));
        let matrix = from.map(|row| [0, 1, 2].map(|axis| row[axis] * scale[axis]));
        let offset = product(&matrix, black).map(|light| -light);
        let places = (0..4).map(|ink| std::array::from_fn(|value| table.place(ink, value as f32 / 255.0))).collect();
        Some(Self { table, connection, places, matrix, offset })
    }

    /// Linear light in `0.0..=1.0` for inks of 8 bits.
    pub(super) fn light(&self, inks: [u8; 4]) -> [f32; 3] {
        self.shown(self.table.at([0, 1, 2, 3].map(|ink| self.places[ink][usize::from(inks[ink])])))
    }

    /// Linear light in `0.0..=1.0` for inks of 16 bits.
    pub(super) fn light_of_sixteen_bits(&self, inks: [u16; 4]) -> [f32; 3] {
        self.shown(self.table.evaluated(inks.map(|ink| f32::from(ink) / 65_535.0)))
    }

    fn shown(&self, found: [f32; 3]) -> [f32; 3] {
        let light = product(&self.matrix, self.connection.to_xyz(found));
        [0, 1, 2].map(|primary| (light[primary] + self.offset[primary]).clamp(0.0, 1.0))
    }
}

/// The black that LittleCMS finds for a conversion to a display: the reference medium's in perceptual tables of version
/// 4, that of all inks in those of version 2, and the printed one, which is taken to be neutral, for colorimetric ones.
fn black(profile: &ColorProfile, intent: RenderingIntent, table: &Table<4, 3>, connection: Connection) -> [f32; 3] {
    let is_new = profile.version() >= ProfileVersion::V4_0;
    let is_relative = !matches!(intent, RenderingIntent::Perceptual | RenderingIntent::Saturation);
    if is_new && !is_relative {
        return REFERENCE_BLACK;
    }
    if !is_relative {
        let [light, a, b] = lab(connection.to_xyz(table.evaluated([1.0; 4])));
        return if light > 0.0 { xyz([light.min(LIGHTEST_BLACK), a, b]) } else { [0.0; 3] };
    }
    let printing = profile.lut_b_to_a_perceptual.as_ref().and_then(tables);
    let printed = printing.and_then(|data| {
        let connection = Connection::new(profile.pcs, data.lut_type)?;
        let deepest = if is_new { REFERENCE_BLACK } else { [0.0; 3] };
        let deepest = match connection {
            // The matrix of a table is for this space alone.
            Connection::Xyz => {
                product(&data.matrix.v.map(|row| row.map(|factor| factor as f32)), connection.of_xyz(deepest))
            }
            Connection::Lab | Connection::OldLab => connection.of_xyz(deepest),
        };
        Some(Table::<3, 4>::new(data)?.evaluated(deepest))
    });
    let light = printed.map_or(0.0, |inks| lab(connection.to_xyz(table.evaluated(inks)))[0]);
    xyz([light.clamp(0.0, LIGHTEST_BLACK), 0.0, 0.0])
}

fn tables(element: &LutWarehouse) -> Option<&LutDataType> {
    match element {
        LutWarehouse::Lut(data) => Some(data),
        LutWarehouse::Multidimensional(_) => None,
    }
}

/// The encoding of the connection space in a table.
#[derive(Debug, Clone, Copy)]
enum Connection {
    Xyz,
    /// Lab with 8 bits.
    Lab,
    /// Lab with 16 bits, in the encoding of version 2, which tables of this kind have in all versions.
    OldLab,
}

impl Connection {
    /// The highest value of XYZ, 1 + 32767/32768.
    const MOST: f32 = 65_535.0 / 32_768.0;
    /// The highest value of L* in the encoding of version 2.
    const LIGHTEST: f32 = 100.0 * 65_535.0 / 65_280.0;

    fn new(space: DataColorSpace, kind: LutType) -> Option<Self> {
        match (space, kind) {
            (DataColorSpace::Xyz, _) => Some(Self::Xyz),
            (DataColorSpace::Lab, LutType::Lut8) => Some(Self::Lab),
            (DataColorSpace::Lab, _) => Some(Self::OldLab),
            _ => None,
        }
    }

    fn to_xyz(self, [x, y, z]: [f32; 3]) -> [f32; 3] {
        match self {
            Self::Xyz => [x, y, z].map(|value| value * Self::MOST),
            Self::Lab => xyz([x * 100.0, y * 255.0 - 128.0, z * 255.0 - 128.0]),
            Self::OldLab => {
                let [a, b] = [y, z].map(|value| value * (65_535.0 / 256.0) - 128.0);
                xyz([x * Self::LIGHTEST, a, b])
            }
        }
    }

    fn of_xyz(self, of: [f32; 3]) -> [f32; 3] {
        let [light, a, b] = lab(of);
        match self {
            Self::Xyz => of.map(|value| value / Self::MOST),
            Self::Lab => [light / 100.0, (a + 128.0) / 255.0, (b + 128.0) / 255.0],
            Self::OldLab => [light / Self::LIGHTEST, (a + 128.0) * 256.0 / 65_535.0, (b + 128.0) * 256.0 / 65_535.0],
        }
    }
}

/// Curves, a grid, and curves again; everything is in `0.0..=1.0`.
struct Table<const FROM: usize, const TO: usize> {
    /// One curve for each input, one after the other.
    inputs: Vec<f32>,
    nodes: Vec<[f32; TO]>,
    /// The number of nodes along each side of the grid.
    side: usize,
    /// The distance in `nodes` of neighbours along each side.
    strides: [usize; FROM],
    /// Like `inputs`; empty if the curves change nothing.
    outputs: Vec<f32>,
}

/// The place of a value on one side of the grid: the node below, and how far the value is on the way to the next one.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    node: usize,
    share: f32,
}

impl<const FROM: usize, const TO: usize> Table<FROM, TO> {
    /// `None` if the sizes do not fit each other.
    fn new(data: &LutDataType) -> Option<Self> {
        let side = usize::from(data.num_clut_grid_points);
        let (inputs, outputs) = (values(&data.input_table), values(&data.output_table));
        let nodes = values(&data.clut_table).as_chunks().0.to_vec();
        let fits = usize::from(data.num_input_channels) == FROM
            && usize::from(data.num_output_channels) == TO
            && side >= 2
            && inputs.len() >= 2 * FROM
            && outputs.len() >= 2 * TO
            && nodes.len() == side.checked_pow(FROM as u32)?
            && inputs.len() == usize::from(data.num_input_table_entries) * FROM
            && outputs.len() == usize::from(data.num_output_table_entries) * TO;
        let is_identity = |curve: &[f32]| {
            let step = ((curve.len() - 1) as f32).recip();
            curve.iter().enumerate().all(|(index, value)| (index as f32 * step - value).abs() < 1e-5)
        };
        let strides = std::array::from_fn(|input| side.pow((FROM - 1 - input) as u32));
        if !fits {
            return None;
        }
        let is_idle = outputs.chunks_exact(outputs.len() / TO).all(is_identity);
        Some(Self { inputs, nodes, side, strides, outputs: if is_idle { Vec::new() } else { outputs } })
    }

    fn evaluated(&self, values: [f32; FROM]) -> [f32; TO] {
        self.at(std::array::from_fn(|input| self.place(input, values[input])))
    }

    /// The place of a value of one input on its side of the grid.
    fn place(&self, input: usize, value: f32) -> Place {
        let length = self.inputs.len() / FROM;
        let curve = &self.inputs[input * length..][..length];
        let place = interpolated(curve, value).clamp(0.0, 1.0) * (self.side - 1) as f32;
        let below = (place as usize).min(self.side - 2);
        Place { node: below * self.strides[input], share: place - below as f32 }
    }

    fn at(&self, places: [Place; FROM]) -> [f32; TO] {
        let node = places.iter().map(|place| place.node).sum();
        let mut edges = [(0.0, 0); 3];
        let steps = places.iter().zip(self.strides).map(|(place, stride)| (place.share, stride));
        edges.iter_mut().zip(steps.skip(FROM - 3)).for_each(|(edge, step)| *edge = step);
        for (one, other) in [(0, 1), (1, 2), (0, 1)] {
            if edges[one].0 < edges[other].0 {
                edges.swap(one, other);
            }
        }
        let mut found = self.along(node, edges);
        if FROM > 3 {
            let above = self.along(node + self.strides[0], edges);
            found = std::array::from_fn(|output| found[output] + (above[output] - found[output]) * places[0].share);
        }
        if self.outputs.is_empty() {
            return found;
        }
        let length = self.outputs.len() / TO;
        std::array::from_fn(|output| interpolated(&self.outputs[output * length..][..length], found[output]))
    }

    /// The value in the tetrahedron that follows these edges from a node, the one with the largest share first.
    fn along(&self, mut node: usize, edges: [(f32, usize); 3]) -> [f32; TO] {
        let mut from = self.nodes[node];
        let mut value = from;
        for (share, stride) in edges {
            node += stride;
            let to = self.nodes[node];
            value = std::array::from_fn(|output| value[output] + (to[output] - from[output]) * share);
            from = to;
        }
        value
    }
}

fn values(store: &LutStore) -> Vec<f32> {
    match store {
        LutStore::Store8(values) => values.iter().map(|value| f32::from(*value) / 255.0).collect(),
        LutStore::Store16(values) => values.iter().map(|value| f32::from(*value) / 65_535.0).collect(),
    }
}

/// The value of a curve of at least two entries.
fn interpolated(curve: &[f32], value: f32) -> f32 {
    let place = value.clamp(0.0, 1.0) * (curve.len() - 1) as f32;
    let below = (place as usize).min(curve.len() - 2);
    curve[below] + (curve[below + 1] - curve[below]) * (place - below as f32)
}

/// From CIE L*a*b* to XYZ.
fn xyz([light, a, b]: [f32; 3]) -> [f32; 3] {
    const CORNER: f32 = 6.0 / 29.0;
    let part = |root: f32| if root > CORNER { root * root * root } else { 3.0 * CORNER * CORNER * (root - 4.0 / 29.0) };
    let middle = (light + 16.0) / 116.0;
    let [x, y, z] = [middle + a / 500.0, middle, middle - b / 200.0].map(part);
    [x * WHITE[0], y * WHITE[1], z * WHITE[2]]
}

/// From XYZ to CIE L*a*b*.
fn lab(xyz: [f32; 3]) -> [f32; 3] {
    let root = |axis: usize| {
        let part = xyz[axis] / WHITE[axis];
        if part > 216.0 / 24_389.0 { part.cbrt() } else { part * (841.0 / 108.0) + 4.0 / 29.0 }
    };
    [116.0 * root(1) - 16.0, 500.0 * (root(0) - root(1)), 200.0 * (root(1) - root(2))]
}

fn product(matrix: &[[f32; 3]; 3], vector: [f32; 3]) -> [f32; 3] {
    matrix.map(|[a, b, c]| a * vector[0] + b * vector[1] + c * vector[2])
}

/// The inverse of a matrix, by its adjugate; `None` if it has none.
fn inverse(matrix: &Matrix3d) -> Option<[[f32; 3]; 3]> {
    let m = matrix.v;
    let minor = |row: usize, column: usize| {
        let [r, s] = [(row + 1) % 3, (row + 2) % 3];
        let [c, d] = [(column + 1) % 3, (column + 2) % 3];
        m[r][c] * m[s][d] - m[r][d] * m[s][c]
    };
    let determinant: f64 = (0..3).map(|column| m[0][column] * minor(0, column)).sum();
    let inverse = [0, 1, 2].map(|row| [0, 1, 2].map(|column| (minor(column, row) / determinant) as f32));
    (determinant.abs() > f64::EPSILON).then_some(inverse)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use moxcms::ColorProfile;

    /// A CMYK profile with a table of two nodes for each ink (perceptual and relative), and one for printing. `intent`
    /// is the one that the profile names, and `darkest` the colour of all inks in 8-bit Lab.
    pub(crate) fn profile(version: u8, intent: RenderingIntent, darkest: [u8; 3]) -> Vec<u8> {
        let one = 1u32 << 16;
        let table = |inputs: usize, outputs: usize, nodes: Vec<u8>| {
            let identity = |curves: usize| (0..curves).flat_map(|_| 0..=255u8);
            let matrix = [one, 0, 0, 0, one, 0, 0, 0, one].into_iter().flat_map(u32::to_be_bytes);
            let head = b"mft1\0\0\0\0".iter().copied().chain([inputs as u8, outputs as u8, 2, 0]);
            head.chain(matrix).chain(identity(inputs)).chain(nodes).chain(identity(outputs)).collect::<Vec<u8>>()
        };
        let corners = |lift: u16| {
            let colour = move |inks: u16| {
                let [c, m, y, k] = [3, 2, 1, 0].map(|ink| inks >> ink & 1);
                let light = 255 - 30 * (c + m + y) - (140 + lift) * k;
                let [a, b] = [128 + 40 * m - 30 * c, 128 + 50 * y - 20 * c];
                if inks == 15 { darkest } else { [light as u8, a as u8, b as u8] }
            };
            (0..16).flat_map(colour).collect::<Vec<u8>>()
        };
        let printing = (0..8).flat_map(|lab| if lab < 4 { [200, 180, 170, 240] } else { [0; 4] }).collect();
        let tables = [table(4, 3, corners(0)), table(4, 3, corners(20)), table(3, 4, printing)];
        let mut profile = vec![0; 128];
        profile[8] = version;
        profile[12..24].copy_from_slice(b"prtrCMYKLab ");
        profile[36..40].copy_from_slice(b"acsp");
        profile[67] = intent as u8;
        // The illuminant, D50.
        for (place, value) in [(68, 0xf6d6u32), (72, one), (76, 0xd32d)] {
            profile[place..place + 4].copy_from_slice(&value.to_be_bytes());
        }
        profile.extend([0, 0, 0, 3]);
        let mut start = 128 + 4 + 3 * 12;
        for (name, table) in [b"A2B0", b"A2B1", b"B2A0"].into_iter().zip(&tables) {
            profile.extend(name);
            profile.extend([start, table.len() as u32].into_iter().flat_map(u32::to_be_bytes));
            start += table.len() as u32;
        }
        profile.extend(tables.concat());
        let length = (profile.len() as u32).to_be_bytes();
        profile[..4].copy_from_slice(&length);
        profile
    }

    fn read(version: u8, intent: RenderingIntent) -> ColorProfile {
        ColorProfile::new_from_slice(&profile(version, intent, [60, 150, 110])).unwrap()
    }

    #[test]
    fn colours_are_those_of_littlecms() {
        let inks =
            [[0, 0, 0, 0], [255; 4], [0, 0, 0, 255], [255, 0, 0, 0], [20, 200, 90, 0], [130, 60, 180, 40], [128; 4]];
        // LittleCMS 2.19 to its sRGB with black point compensation and without optimisation.
        let table = [
            (2, RenderingIntent::Perceptual, "000000 4e6348 6cefff ffbeb1 b6ba82 8f8273"),
            (2, RenderingIntent::RelativeColorimetric, "2d0038 3e3e3e 70eeff ffbdb5 b6b687 8e7676"),
            (4, RenderingIntent::Perceptual, "4c2852 6a6a6a 7cefff ffc1b9 bcbc92 9b8686"),
            (4, RenderingIntent::RelativeColorimetric, "260032 393939 6eeeff ffbdb4 b5b586 8c7474"),
        ];
        for (version, intent, expected) in table {
            let press =
                Press::new(&read(version, intent), intent, &ColorProfile::new_srgb().colorant_matrix()).unwrap();
            let shown = |light: [f32; 3]| {
                light.map(|light| (crate::conversion::encoded(f64::from(light)) * 255.0).round() as u8)
            };
            let hex = |[r, g, b]: [u8; 3]| format!("{r:02x}{g:02x}{b:02x}");
            let eight = inks.map(|inks| hex(shown(press.light(inks))));
            let sixteen =
                inks.map(|inks| hex(shown(press.light_of_sixteen_bits(inks.map(|ink| u16::from(ink) * 257)))));
            assert_eq!(eight.join(" "), format!("ffffff {expected}"), "{version} {intent:?}");
            assert_eq!(sixteen, eight, "{version} {intent:?}");
        }
    }

    #[test]
    fn tables_of_other_sizes_are_refused() {
        let profile = read(2, RenderingIntent::Perceptual);
        let Some(LutWarehouse::Lut(whole)) = profile.lut_a_to_b_perceptual else { panic!("no table") };
        assert!(Table::<4, 3>::new(&whole).is_some());
        assert!(Table::<3, 4>::new(&whole).is_none());
        type Change = fn(&mut LutDataType);
        let changes: [Change; 5] = [
            |data| data.num_clut_grid_points = 1,
            |data| data.num_clut_grid_points = 3,
            |data| data.num_input_table_entries = 255,
            |data| data.num_output_table_entries = 0,
            |data| data.output_table = LutStore::Store8(Vec::new()),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut data = whole.clone();
            change(&mut data);
            assert!(Table::<4, 3>::new(&data).is_none(), "{index}");
        }
    }
}
