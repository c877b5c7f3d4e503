//! A stripped file looks as the file does, damage included: whoever decides what stays must read a file as those do who
//! decode it. Four bytes are overwritten all over small files, and what decoders make of them before and after is compared.

#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

use std::io::Cursor;
use std::path::Path;

use image_origin_codec::{Area, Budget, Cancellation, DecodeOptions, decoder_for};
use image_origin_metadata::{self as metadata, Keep};

const BUDGET: Budget = Budget { pixels: 1 << 18, memory: 1 << 24 };

/// What a file shows: sides, samples and colour profile of the picture, the samples of each frame, and how long these are
/// shown.
#[derive(PartialEq, Eq)]
struct Shown {
    still: Option<Still>,
    frames: Vec<Vec<u8>>,
    delays: Vec<u32>,
    plays: u32,
}

#[derive(PartialEq, Eq)]
struct Still {
    size: (u32, u32),
    samples: Vec<u8>,
    profile: Option<Vec<u8>>,
}

impl Shown {
    fn of(file: &[u8]) -> Option<Self> {
        let (decoder, cancellation) = (decoder_for(file).ok()?, Cancellation::unbounded());
        let mut shown = Self { still: None, frames: Vec::new(), delays: Vec::new(), plays: 0 };
        if let Ok(Some(animation)) = decoder.animation(file, &cancellation)
            && let Ok(mut frames) = decoder.frames(file, BUDGET, &cancellation)
        {
            while let Ok(Some(frame)) = frames.next_frame() {
                shown.frames.push(frame.samples().as_bytes().to_vec());
            }
            // Delays of frames that are not shown delay nothing, nor does that of a single one, which is the still picture.
            if shown.frames.len() > 1 {
                shown.delays = animation.delays;
                shown.delays.truncate(shown.frames.len());
                shown.plays = animation.plays;
            } else {
                shown.frames.clear();
            }
        }
        let header = decoder.probe(file, BUDGET, &cancellation);
        shown.still = header.ok().and_then(|header| {
            let area = Area::whole(header.width, header.height);
            let decoded = decoder.decode(file, &DecodeOptions::new(area, BUDGET, &cancellation)).ok()?;
            let raster = decoded.raster;
            Some(Still {
                size: (raster.width(), raster.height()),
                samples: raster.samples().as_bytes().to_vec(),
                profile: decoded.icc.map(profile),
            })
        });
        (shown.still.is_some() || !shown.frames.is_empty()).then_some(shown)
    }
}

/// A profile without what stands behind its end (ICC.1:2022, 7.2.2).
fn profile(mut bytes: Vec<u8>) -> Vec<u8> {
    let len = bytes.first_chunk().map_or(usize::MAX, |len| u32::from_be_bytes(*len) as usize);
    bytes.truncate(len);
    bytes
}

fn stripped(file: &[u8]) -> Result<Vec<u8>, metadata::Error> {
    let mut out = Vec::new();
    let plan = metadata::strip(&mut Cursor::new(file), Keep::None, &Cancellation::unbounded())?;
    plan.write_to(Cursor::new(file), &mut out)?;
    Ok(out)
}

/// Overwrites bytes of these files at every `step`th place before `end`, and lists what is shown otherwise once it is
/// stripped.
fn check(files: &[(&str, usize, usize)]) {
    let mut wrong = Vec::new();
    for (path, step, end) in files {
        let file = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)).unwrap();
        for at in (0..(file.len() - 4).min(*end)).step_by(*step) {
            for bytes in [[0; 4], [0xff; 4], *b"SECR"] {
                let mut file = file.clone();
                file[at..at + 4].copy_from_slice(&bytes);
                let Some(before) = Shown::of(&file) else { continue };
                match stripped(&file).map(|file| Shown::of(&file)) {
                    Ok(Some(after)) if after == before => {}
                    Ok(Some(after)) => wrong.push(format!(
                        "{path} {at} {bytes:x?}: still {}, {} frames instead of {}, delays {}, plays {}",
                        before.still == after.still,
                        after.frames.len(),
                        before.frames.len(),
                        before.delays == after.delays,
                        before.plays == after.plays,
                    )),
                    Ok(None) => wrong.push(format!("{path} {at} {bytes:x?}: nothing is shown")),
                    // A file that cannot be rewritten is not served.
                    Err(_) if path.starts_with("foreign/") => {}
                    Err(error) => wrong.push(format!("{path} {at} {bytes:x?}: {error}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

const ALL: usize = usize::MAX;

#[test]
fn png() {
    check(&[
        ("png/disposing.png", 1, ALL),
        ("png/palette-4.png", 1, ALL),
        ("png/grey-1.png", 1, ALL),
        ("png/rgb-16.png", 3, ALL),
        ("png/rgba-8.png", 7, ALL),
    ]);
}

#[test]
fn gif() {
    check(&[("gif/disposing.gif", 1, ALL), ("gif/animated.gif", 1, ALL), ("gif/still.gif", 3, ALL)]);
}

#[test]
fn webp() {
    check(&[("webp/disposing.webp", 1, ALL), ("webp/alpha.webp", 3, 150), ("webp/lossy.webp", 3, 60)]);
}

#[test]
fn avif() {
    // The pictures themselves begin behind these places.
    check(&[("foreign/420-limited.avif", 1, 290), ("foreign/grid-10.avif", 5, 500)]);
}

#[test]
fn tiff() {
    check(&[("foreign/palette.tif", 11, ALL), ("foreign/planes.tif", 7, ALL), ("foreign/associated.tif", 5, 300)]);
}
