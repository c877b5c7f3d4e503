use super::super::animation::Pixels;
use super::*;
use crate::codec::{Area, Samples};

const BUDGET: Budget = Budget { pixels: 10_000, memory: 1_000_000 };

fn raster(width: u32, pixels: &[[u8; 4]]) -> Raster {
    Raster::new(width, pixels.len() as u32 / width, Channels::Rgba, Samples::U8(pixels.concat())).unwrap()
}

fn written(frames: &[(Raster, u32)], plays: u32) -> Vec<u8> {
    let work = Work::unbounded();
    let mut writer = Box::new(GifWriter::new(plays, Budget::UNLIMITED, &work));
    frames.iter().for_each(|(frame, delay)| writer.push(frame, *delay).unwrap());
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> Vec<Raster> {
    let work = Work::unbounded();
    let mut frames = Gif.frames(bytes, BUDGET, &work).unwrap();
    std::iter::from_fn(|| frames.next_frame().unwrap().cloned()).collect()
}

#[test]
fn few_colours_and_transparency_survive() {
    let picture = raster(2, &[[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 0, 0], [9, 8, 7, 255]]);
    let encoding = Encoding { quality: 80, lossless: false, progressive: false };
    let bytes = Gif.encode(&picture, &encoding, Budget::UNLIMITED, &Work::unbounded()).unwrap();
    let need = Need { area: Area::whole(2, 2), scale: 1.0, budget: BUDGET, work: &Work::unbounded() };
    let decoded = Gif.decode(&bytes, &need).unwrap().raster;
    assert_eq!(decoded.samples(), picture.samples());
    assert_eq!(Gif.animation(&bytes, &Work::unbounded()), Ok(None));
}

/// Pictures of 6 by 4 pixels in which opaque places come and go.
fn coming_and_going() -> Vec<Raster> {
    let pixel = |frame: usize, place: usize| match (place * 7 + frame * 5) % (frame + 3) {
        0 => [0; 4],
        shade => [(shade * 60) as u8, 200 - (frame * 20) as u8, 7, 255],
    };
    (0..9).map(|frame| raster(6, &(0..24).map(|place| pixel(frame, place)).collect::<Vec<_>>())).collect()
}

#[test]
fn every_frame_is_shown_as_it_was() {
    let mut pictures = coming_and_going();
    pictures.push(pictures[8].clone());
    pictures.push(raster(6, &[[0; 4]; 24]));
    pictures.push(raster(6, &[[0; 4]; 24]));
    let frames: Vec<_> = pictures.iter().cloned().zip((0..).map(|i| i * 20)).collect();
    for plays in [0, 1, 2, 65_536] {
        let bytes = written(&frames, plays);
        assert_eq!(read(&bytes), pictures);
        let animation = Gif.animation(&bytes, &Work::unbounded()).unwrap().unwrap();
        assert_eq!((animation.frames(), animation.plays), (12, plays));
        assert_eq!(animation.delays, (0..12).map(|i| i * 20).collect::<Vec<_>>());
    }
}

#[test]
fn unchanged_pixels_cost_nothing() {
    let still =
        raster(100, &(0..10_000u32).map(|i| [(i * 7 % 251) as u8, (i / 100) as u8, 9, 255]).collect::<Vec<_>>());
    let one = written(&[(still.clone(), 100)], 0).len();
    let hundred = written(&vec![(still, 100); 100], 0).len();
    assert!(hundred < one + 100 * 40, "{one} and {hundred} bytes");
}

#[test]
fn many_colours_are_reduced_but_never_those_of_nothing() {
    let pixel = |i: u32| match i % 5 {
        0 => [0; 4],
        _ => [(i * 3 % 256) as u8, (i * 5 % 256) as u8, (i / 40) as u8, 255],
    };
    let picture = raster(100, &(0..8000).map(pixel).collect::<Vec<_>>());
    let shown = read(&written(&[(picture.clone(), 0), (picture.clone(), 0)], 1));
    let pairs =
        shown[1].samples().as_bytes().as_chunks::<4>().0.iter().zip(picture.samples().as_bytes().as_chunks::<4>().0);
    let mut error = 0;
    for (shown, meant) in pairs {
        assert_eq!(shown[3], meant[3]);
        error += shown.iter().zip(meant).map(|(one, other)| u32::from(one.abs_diff(*other))).sum::<u32>();
    }
    assert!(error < 8000 * 3 * 12, "{error}");
    assert_eq!(shown[0], shown[1]);
}

#[test]
fn half_transparent_pixels_are_shown_or_not() {
    let picture = raster(2, &[[9, 9, 9, 127], [9, 9, 9, 128]]);
    let shown = Pixels::new(&read(&written(&[(picture, 0)], 1))[0]);
    assert_eq!(shown, Pixels::new(&raster(2, &[[0; 4], [9, 9, 9, 255]])));
}

#[test]
fn delays_keep_the_whole_time_in_ticks_of_ten() {
    let picture = raster(1, &[[1, 2, 3, 255]]);
    for (delay, count, total) in
        [(33u32, 100usize, 3300u32), (16, 4, 80), (5, 2, 10), (10, 3, 30), (u32::MAX, 2, 1_310_700)]
    {
        let bytes = written(&vec![(picture.clone(), delay); count], 1);
        let animation = Gif.animation(&bytes, &Work::unbounded()).unwrap().unwrap();
        assert_eq!(animation.delays.iter().sum::<u32>(), total, "{delay}");
    }
}

#[test]
fn what_a_gif_cannot_hold_or_has_no_time_for_is_refused() {
    let work = Work::unbounded();
    let wide = Raster::new(65_536, 1, Channels::L, Samples::U8(vec![0; 65_536])).unwrap();
    assert!(matches!(GifWriter::new(1, Budget::UNLIMITED, &work).push(&wide, 0), Err(Error::TooLarge { .. })));
    work.cancel();
    assert!(matches!(
        GifWriter::new(1, Budget::UNLIMITED, &work).push(&raster(1, &[[0; 4]]), 0),
        Err(Error::Stopped(_))
    ));
}

#[test]
fn a_break_ends_the_animation() {
    let pictures = coming_and_going();
    let bytes = written(&pictures.iter().map(|picture| (picture.clone(), 10)).collect::<Vec<_>>(), 0);
    let shown = read(&bytes[..bytes.len() * 2 / 3]);
    assert!((2..9).contains(&shown.len()), "{}", shown.len());
    assert_eq!(shown, pictures[..shown.len()]);
}

#[test]
fn a_frame_beyond_the_limits_is_refused_on_a_small_canvas() {
    let mut out = Vec::new();
    let mut encoder = ::gif::Encoder::new(&mut out, 1, 1, &[0; 6]).unwrap();
    for side in [1, 200] {
        let buffer = vec![0; usize::from(side) * usize::from(side)].into();
        encoder.write_frame(&::gif::Frame { width: side, height: side, buffer, ..::gif::Frame::default() }).unwrap();
    }
    drop(encoder);
    let work = Work::unbounded();
    let mut frames = Gif.frames(&out, BUDGET, &work).unwrap();
    assert!(frames.next_frame().unwrap().is_some());
    assert!(matches!(frames.next_frame(), Err(Error::TooLarge { .. })));
    assert_eq!(Gif.animation(&out, &work).unwrap().unwrap().pixels, 1 + 200 * 200);
}
