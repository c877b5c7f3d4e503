//! Placeholders for `info=true`: what a page can show until the picture has been received.
//!
//! The input is a small RGBA copy of the picture. Transparent pixels count as white, but in the palette, where they do
//! not count.

use std::f64::consts::PI;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::colour;
use super::resize::thumbnail;
use super::{Error, conversion};
use image_origin_codec::{self as codec, Area, Budget, Cancellation, EncodeOptions, Format, Raster};
use image_origin_query::Color;

/// The maximum length of the data URI in bytes.
const URI_LENGTH: usize = 400;

/// The longest sides of the picture in the data URI, and its qualities, of which the first that fits is used.
const URI_PICTURES: [(u32, u8); 5] = [(24, 40), (20, 30), (16, 30), (12, 20), (8, 20)];

/// The maximum number of colours of a palette.
const COLOURS: usize = 5;

/// The least distance of two colours of a palette: the sum of the differences of red, green and blue.
const APART: u32 = 72;

/// Each channel is linear light from 0 to 1.
type Light = [f64; 3];

/// A small picture without alpha.
pub(super) struct Small {
    raster: Raster,
}

impl Small {
    /// Lays a small RGBA picture over white.
    pub(super) fn new(rgba: &Raster) -> Self {
        Self { raster: colour::over(rgba, Color::WHITE) }
    }

    fn pixels(&self) -> impl Iterator<Item = (usize, usize, [u8; 3])> {
        let width = self.raster.width() as usize;
        self.raster
            .samples()
            .as_bytes()
            .as_chunks()
            .0
            .iter()
            .enumerate()
            .map(move |(i, rgb)| (i % width, i / width, *rgb))
    }

    /// The picture as a BlurHash (<https://blurha.sh>): cosines of linear light, of low frequencies.
    pub(super) fn blurhash(&self) -> String {
        let (width, height) = (f64::from(self.raster.width()), f64::from(self.raster.height()));
        let (columns, rows) = if width > height * 1.2 {
            (4, 3)
        } else if height > width * 1.2 {
            (3, 4)
        } else {
            (4, 4)
        };
        let linear: Vec<f64> = (0..=255).map(|sample| conversion::decoded(f64::from(sample) / 255.0)).collect();
        let mut factors = vec![[0.0; 3]; columns * rows];
        for (x, y, rgb) in self.pixels() {
            let light = rgb.map(|sample| linear[usize::from(sample)]);
            for (i, factor) in factors.iter_mut().enumerate() {
                let (column, row) = ((i % columns) as f64, (i / columns) as f64);
                let basis = (PI * column * x as f64 / width).cos() * (PI * row * y as f64 / height).cos();
                factor.iter_mut().zip(light).for_each(|(factor, light)| *factor += basis * light);
            }
        }
        for (i, factor) in factors.iter_mut().enumerate() {
            let scale = if i == 0 { 1.0 } else { 2.0 } / (width * height);
            factor.iter_mut().for_each(|factor| *factor *= scale);
        }
        blurhash(&factors, columns, rows)
    }

    /// The picture as a CSS gradient: the means of three columns or three rows, whichever differ more.
    pub(super) fn gradient(&self) -> String {
        let third = |at: usize, side: u32| (3 * at / side as usize).min(2);
        let (width, height) = (self.raster.width(), self.raster.height());
        let across = self.means(|x, _| third(x, width));
        let down = self.means(|_, y| third(y, height));
        let spread = |[a, b, c]: [[u8; 3]; 3]| distance(a, b) + distance(b, c) + distance(a, c);
        let (direction, colours) = if spread(across) > spread(down) { ("right", across) } else { ("bottom", down) };
        format!("linear-gradient(to {direction}, {})", colours.map(hex).join(", "))
    }

    /// The mean colours of three parts; one without a pixel has the colour of the part before.
    fn means(&self, part: impl Fn(usize, usize) -> usize) -> [[u8; 3]; 3] {
        let mut sums = [[0u32; 4]; 3];
        for (x, y, [red, green, blue]) in self.pixels() {
            let sum = &mut sums[part(x, y)];
            sum.iter_mut().zip([red, green, blue, 1]).for_each(|(sum, value)| *sum += u32::from(value));
        }
        let mut last = [255; 3];
        sums.map(|[red, green, blue, count]| {
            if count > 0 {
                last = [red, green, blue].map(|sum| ((sum + count / 2) / count) as u8);
            }
            last
        })
    }

    /// The picture as a data URI of a tiny WebP; `None` if none is short enough.
    ///
    /// # Errors
    /// Those of the encoder.
    pub(super) fn data_uri(&self, budget: Budget, cancellation: &Cancellation) -> Result<Option<String>, Error> {
        let Some(encoder) = codec::encoder(Format::WebP) else { return Ok(None) };
        let (width, height) = (self.raster.width(), self.raster.height());
        for (side, quality) in URI_PICTURES {
            let shrink = (f64::from(width.max(height)) / f64::from(side)).max(1.0);
            let size = |length: u32| (f64::from(length) / shrink).round().max(1.0) as u32;
            let tiny = thumbnail(&self.raster, Area::whole(width, height), size(width), size(height), budget)?;
            let options = EncodeOptions { quality, ..EncodeOptions::DEFAULT };
            let uri = format!(
                "data:image/webp;base64,{}",
                STANDARD.encode(encoder.encode(&tiny, &options, budget, cancellation)?)
            );
            if uri.len() <= URI_LENGTH {
                return Ok(Some(uri));
            }
        }
        Ok(None)
    }
}

/// The most frequent colours of an RGBA picture that differ visibly, the most frequent one first: the means of bins with
/// four bits per primary. Empty if nothing is opaque.
pub(super) fn palette(rgba: &Raster) -> Vec<String> {
    let mut bins = vec![[0u32; 4]; 4096];
    for &[red, green, blue, alpha] in rgba.samples().as_bytes().as_chunks().0 {
        if alpha < 128 {
            continue;
        }
        let bin = usize::from(red >> 4) << 8 | usize::from(green >> 4) << 4 | usize::from(blue >> 4);
        for (sum, value) in bins[bin].iter_mut().zip([1, u32::from(red), u32::from(green), u32::from(blue)]) {
            *sum += value;
        }
    }
    bins.retain(|bin| bin[0] > 0);
    // The sort is stable, so that equal counts keep the order of the bins.
    bins.sort_by_key(|bin| std::cmp::Reverse(bin[0]));
    let mut colours: Vec<[u8; 3]> = Vec::new();
    for [count, red, green, blue] in bins {
        let mean = [red, green, blue].map(|sum| (sum / count) as u8);
        if colours.iter().all(|colour| distance(*colour, mean) >= APART) {
            colours.push(mean);
        }
        if colours.len() == COLOURS {
            break;
        }
    }
    colours.into_iter().map(hex).collect()
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.into_iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b))).sum()
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The text of a BlurHash.
fn blurhash(factors: &[Light], columns: usize, rows: usize) -> String {
    let Some((mean, rest)) = factors.split_first() else { return String::new() };
    let largest = rest.iter().flatten().fold(0.0, |largest: f64, factor| largest.max(factor.abs()));
    let scale = (largest * 166.0 - 0.5).floor().clamp(0.0, 82.0) as u32;
    let unit = f64::from(scale + 1) / 166.0;
    let mut text = String::new();
    push(&mut text, (columns - 1 + (rows - 1) * 9) as u32, 1);
    push(&mut text, scale, 1);
    let [red, green, blue] = mean.map(|light| (conversion::encoded(light) * 255.0).round() as u32);
    push(&mut text, red << 16 | green << 8 | blue, 4);
    for factor in rest {
        let level = |light: f64| {
            let root = (light.abs() / unit).sqrt().copysign(light);
            (root * 9.0 + 9.5).floor().clamp(0.0, 18.0) as u32
        };
        let [red, green, blue] = factor.map(level);
        push(&mut text, (red * 19 + green) * 19 + blue, 2);
    }
    text
}

/// Appends a number in base 83.
fn push(text: &mut String, number: u32, digits: u32) {
    const DIGITS: &[u8; 83] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
    text.extend((0..digits).rev().map(|digit| char::from(DIGITS[(number / 83_u32.pow(digit) % 83) as usize])));
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::{Channels, Samples};

    fn picture(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Raster {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y));
        Raster::new(width, height, Channels::Rgba, Samples::U8(pixels.collect())).unwrap()
    }

    /// The texts of the npm package `blurhash` 2.0.5 for the same pixels and components.
    #[test]
    fn blurhashes_are_those_of_the_reference() {
        let ramp = |x: u32, y: u32| [(x * 8) as u8, (y * 11) as u8, 255 - (x * 7) as u8, 255];
        let squares =
            |x: u32, y: u32| if (x / 4 + y / 4).is_multiple_of(2) { [250, 220, 40, 255] } else { [20, 60, 180, 255] };
        let table = [
            (picture(30, 20, ramp), "L.F}~q77w%XAmbWYjuf8g0fjfQfj"),
            (picture(20, 30, ramp), "T%Ae:wKBo5iRa$fRdxe;fQlPbIfR"),
            (picture(16, 16, squares), "UdLDoKxtfQxtxt$_fQ?7fQfQfQfQxt?7fQ~I"),
            (picture(5, 5, |_, _| [120, 10, 200, 255]), "UbD#}8$XfQ$X$Xo5fQo5fQfQfQfQ$Xo5fQo5"),
        ];
        for (picture, expected) in table {
            assert_eq!(Small::new(&picture).blurhash(), expected);
        }
    }

    #[test]
    fn a_gradient_follows_what_differs_more() {
        let table = [
            (
                picture(30, 20, |x, _| [(x / 10 * 100) as u8, 0, 0, 255]),
                "linear-gradient(to right, #000000, #640000, #c80000)",
            ),
            (
                picture(30, 30, |_, y| [0, 0, (y / 10 * 50) as u8, 255]),
                "linear-gradient(to bottom, #000000, #000032, #000064)",
            ),
            (picture(1, 1, |_, _| [1, 2, 3, 255]), "linear-gradient(to bottom, #010203, #010203, #010203)"),
            (picture(3, 1, |_, _| [9, 9, 9, 0]), "linear-gradient(to bottom, #ffffff, #ffffff, #ffffff)"),
        ];
        for (picture, expected) in table {
            assert_eq!(Small::new(&picture).gradient(), expected);
        }
    }

    #[test]
    fn a_palette_has_the_frequent_colours_that_differ() {
        let stripes = picture(20, 1, |x, _| match x {
            0..8 => [200, 0, 0, 255],
            8..13 => [208, 8, 0, 255],
            13..17 => [0, 0, 250, 255],
            17..19 => [0, 250, 0, 255],
            _ => [0, 0, 0, 0],
        });
        assert_eq!(palette(&stripes), ["#c80000", "#0000fa", "#00fa00"]);
        assert_eq!(palette(&picture(2, 2, |_, _| [5, 5, 5, 10])), Vec::<String>::new());
        let many = picture(64, 64, |x, y| [(x * 4) as u8, (y * 4) as u8, (x * y % 256) as u8, 255]);
        assert_eq!(palette(&many).len(), COLOURS);
    }

    #[test]
    fn a_data_uri_is_a_short_picture() {
        let noise = |x: u32, y: u32| {
            let hash = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).wrapping_mul(2_246_822_519);
            let [red, green, blue, _] = hash.to_le_bytes();
            [red, green, blue, 255]
        };
        for (width, height) in [(100, 75), (20, 100), (1, 1), (100, 1)] {
            let small = Small::new(&picture(width, height, noise));
            let uri = small.data_uri(Budget::UNLIMITED, &Cancellation::unbounded()).unwrap().unwrap();
            assert!(uri.len() <= URI_LENGTH, "{width}x{height}: {}", uri.len());
            let bytes = STANDARD.decode(uri.strip_prefix("data:image/webp;base64,").unwrap()).unwrap();
            let header = codec::decoder_for(&bytes).unwrap();
            let header = header.probe(&bytes, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
            assert!(header.width.max(header.height) <= 24 && header.format == Format::WebP);
        }
    }
}
