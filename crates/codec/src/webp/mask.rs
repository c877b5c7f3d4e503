//! Alpha that is flat but for its edges, as that of round corners, padding and cut-outs: runs along edges and areas, found in one
//! scan, in a tenth of the time that libwebp takes to try its predictors, palettes and matches on the whole plane.

use super::large::{CODES, DISTANCES, GREENS, LONGEST_RUN, distance, prefix};
use super::prefix::{BitWriter, Code};
use crate::{Budget, Cancellation, Channels, Error, Raster};

/// The minimum length of a run: a shorter one takes as many bits as its samples.
const SHORTEST_RUN: usize = 4;

/// Alpha counts as flat if it has at most one symbol for so many samples, besides a few for small pictures.
const SAMPLES_OF_SYMBOL: usize = 48;
const FEW: usize = 64;

/// The number of symbols between two checks for cancellation.
const OFTEN: usize = 1 << 14;

/// A sample, or a run of what is above or to the left.
#[derive(Clone, Copy)]
enum Symbol {
    Literal(u8),
    Run { length: u16, is_above: bool },
}

/// Encodes the content of an ALPH chunk (RFC 9649, section 2.7.1.2); `None` if alpha is not flat, or is opaque.
pub(super) fn alpha(raster: &Raster, budget: Budget, cancellation: &Cancellation) -> Result<Option<Vec<u8>>, Error> {
    let [width, height] = [raster.width() as usize, raster.height() as usize];
    let most = width * height / SAMPLES_OF_SYMBOL + FEW;
    budget.check_memory((width * height + 2 * most * size_of::<Symbol>() + CODES) as u64)?;
    let samples = raster.samples().as_bytes();
    let plane: Vec<u8> = match raster.channels() {
        Channels::La => samples.as_chunks().0.iter().map(|&[_, alpha]| alpha).collect(),
        Channels::Rgba => samples.as_chunks().0.iter().map(|&[_, _, _, alpha]| alpha).collect(),
        _ => return Ok(None),
    };
    if plane.iter().all(|alpha| *alpha == 0xff) {
        return Ok(None);
    }
    symbols(&plane, width, most, cancellation).map(|symbols| symbols.map(|symbols| stream(&symbols)))
}

/// The number of samples, up to the longest run, that equal those of `others` in turn.
fn equal(samples: &[u8], others: &[u8]) -> usize {
    const PIECE: usize = 32;
    let length = samples.len().min(LONGEST_RUN);
    let (samples, others) = (&samples[..length], &others[..length]);
    let pieces = samples.chunks(PIECE).zip(others.chunks(PIECE));
    let whole = pieces.take_while(|(piece, other)| piece == other).count() * PIECE;
    let whole = whole.min(length);
    whole + samples[whole..].iter().zip(&others[whole..]).take_while(|(one, other)| one == other).count()
}

/// The symbols of a plane, row after row; `None` if there are more than `most`.
fn symbols(plane: &[u8], width: usize, most: usize, cancellation: &Cancellation) -> Result<Option<Vec<Symbol>>, Error> {
    let mut symbols = Vec::with_capacity(most.min(OFTEN));
    let mut at = 0;
    while let Some(sample) = plane.get(at) {
        if symbols.len().is_multiple_of(OFTEN) {
            cancellation.check()?;
        }
        if symbols.len() == most {
            return Ok(None);
        }
        let rest = &plane[at..];
        let above = if at >= width { equal(rest, &plane[at - width..]) } else { 0 };
        let left = if at > 0 { equal(rest, &plane[at - 1..]) } else { 0 };
        let length = above.max(left);
        if length < SHORTEST_RUN {
            symbols.push(Symbol::Literal(*sample));
            at += 1;
        } else {
            symbols.push(Symbol::Run { length: length as u16, is_above: above >= left });
            at += length;
        }
    }
    Ok(Some(symbols))
}

/// A lossless stream of samples in place of green, without transforms, colour cache and groups of codes (section 3).
fn stream(symbols: &[Symbol]) -> Vec<u8> {
    let mut greens = [0; GREENS];
    let mut distances = [0; DISTANCES];
    for symbol in symbols {
        match *symbol {
            Symbol::Literal(sample) => greens[usize::from(sample)] += 1,
            Symbol::Run { length, is_above } => {
                greens[256 + prefix(length.into()).0] += 1;
                distances[distance(is_above)] += 1;
            }
        }
    }
    // Compressed, not filtered (section 2.7.1.2).
    let mut out = vec![1];
    let mut bits = BitWriter::default();
    bits.put(&mut out, 0, 3);
    let green = Code::written(&greens, &mut bits, &mut out);
    for alphabet in [256; 3] {
        Code::written(&vec![0; alphabet], &mut bits, &mut out);
    }
    let distances = Code::written(&distances, &mut bits, &mut out);
    for symbol in symbols {
        match *symbol {
            Symbol::Literal(sample) => green.put(sample.into(), &mut bits, &mut out),
            Symbol::Run { length, is_above } => {
                let (prefix, more, count) = prefix(length.into());
                green.put(256 + prefix, &mut bits, &mut out);
                bits.put(&mut out, more, count);
                distances.put(distance(is_above), &mut bits, &mut out);
            }
        }
    }
    bits.finish(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::super::WebP;
    use super::*;
    use crate::{Area, DecodeOptions, Decoder as _, EncodeOptions, Encoder as _, Samples};

    fn raster(width: u32, height: u32, channels: Channels, alpha: impl Fn(u32, u32) -> u8) -> Raster {
        let pixels = (0..width * height).flat_map(|i| {
            let (x, y) = (i % width, i / width);
            let colours = std::iter::repeat_n((x * 3 + y) as u8, channels.count() - 1);
            colours.chain([alpha(x, y)]).collect::<Vec<_>>()
        });
        Raster::new(width, height, channels, Samples::U8(pixels.collect())).unwrap()
    }

    /// A disc in a square of this side, with an edge of one pixel.
    fn disc(side: u32) -> impl Fn(u32, u32) -> u8 {
        move |x, y| {
            let [x, y] = [x, y].map(|at| f64::from(at) + 0.5 - f64::from(side) / 2.0);
            (((f64::from(side) / 2.0 - x.hypot(y)).clamp(-0.5, 0.5) + 0.5) * 255.0) as u8
        }
    }

    #[test]
    fn flat_alpha_is_exact_here_and_elsewhere() {
        let cancellation = Cancellation::unbounded();
        let options = EncodeOptions::DEFAULT;
        for channels in [Channels::Rgba, Channels::La] {
            let pictures = [
                raster(300, 300, channels, disc(300)),
                raster(5000, 2, channels, |x, _| if x < 4500 { 0 } else { 200 }),
                raster(1, 9000, channels, |_, y| if y % 4500 == 7 { 128 } else { 255 }),
                raster(120, 90, channels, |x, y| if x > 9 && y > 5 && x < 99 { 255 } else { 0 }),
                raster(1, 1, channels, |_, _| 0),
                raster(3, 2, channels, |x, _| x as u8),
                raster(640, 480, channels, |_, _| 77),
            ];
            for picture in &pictures {
                let name = format!("{channels:?} {}x{}", picture.width(), picture.height());
                assert!(alpha(picture, Budget::UNLIMITED, &cancellation).unwrap().is_some(), "{name}");
                let bytes = WebP.encode(picture, &options, Budget::UNLIMITED, &cancellation).unwrap();
                let area = Area::whole(picture.width(), picture.height());
                let budget = Budget::UNLIMITED;
                let decoding = DecodeOptions::new(area, budget, &cancellation);
                let decoded = WebP.decode(&bytes, &decoding).unwrap().raster;
                let of = |raster: &Raster| {
                    let count = raster.channels().count();
                    let samples = raster.samples().as_bytes().iter();
                    samples.skip(count - 1).step_by(count).copied().collect::<Vec<_>>()
                };
                assert!(of(&decoded) == of(picture), "{name}");
                let peer = image::load_from_memory_with_format(&bytes, image::ImageFormat::WebP).unwrap().to_rgba8();
                assert!(peer.pixels().map(|pixel| pixel[3]).eq(of(picture)), "{name} elsewhere");
            }
        }
    }

    #[test]
    fn edges_take_few_bytes() {
        let cancellation = Cancellation::unbounded();
        let length =
            |picture: &Raster| alpha(picture, Budget::UNLIMITED, &cancellation).unwrap().map(|bytes| bytes.len());
        assert!(length(&raster(800, 600, Channels::Rgba, |x, _| if x < 20 { 0 } else { 255 })).unwrap() < 400);
        assert!(length(&raster(600, 600, Channels::Rgba, disc(600))).unwrap() < 6000);
        // What is no mask is left to libwebp.
        assert_eq!(length(&raster(300, 300, Channels::Rgba, |x, y| (x * y * 7) as u8)), None);
        assert_eq!(length(&raster(300, 300, Channels::Rgba, |_, _| 255)), None);
        assert_eq!(length(&raster(300, 300, Channels::La, |_, _| 255)), None);
    }

    #[test]
    fn limits_and_a_stop_are_obeyed() {
        let (picture, cancellation) = (raster(300, 300, Channels::Rgba, disc(300)), Cancellation::unbounded());
        let few = Budget { memory: 90_000, ..Budget::UNLIMITED };
        assert!(matches!(alpha(&picture, few, &cancellation), Err(Error::TooLarge { .. })));
        cancellation.cancel();
        assert!(matches!(alpha(&picture, Budget::UNLIMITED, &cancellation), Err(Error::Cancelled(_))));
    }
}
