use super::super::animation::Pixels;
use super::read::in_order;
use super::*;
use crate::{Area, Flaw, Samples};

const BUDGET: Budget = Budget { pixels: 10_000, memory: 1_000_000 };

fn raster(width: u32, pixels: &[[u8; 4]]) -> Raster {
    Raster::new(width, pixels.len() as u32 / width, Channels::Rgba, Samples::U8(pixels.concat())).unwrap()
}

fn written(frames: &[(Raster, u32)], plays: u32) -> Vec<u8> {
    let cancellation = Cancellation::unbounded();
    let mut writer = Box::new(GifWriter::new(plays, Budget::UNLIMITED, &cancellation));
    frames.iter().for_each(|(frame, delay)| writer.push(frame, *delay).unwrap());
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> Vec<Raster> {
    let cancellation = Cancellation::unbounded();
    let mut frames = Gif.frames(bytes, BUDGET, &cancellation).unwrap();
    std::iter::from_fn(|| frames.next_frame().unwrap().cloned()).collect()
}

#[test]
fn few_colours_and_transparency_survive() {
    let picture = raster(2, &[[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 0, 0], [9, 8, 7, 255]]);
    let options = EncodeOptions::DEFAULT;
    let bytes = Gif.encode(&picture, &options, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
    let cancellation = Cancellation::unbounded();
    let options = DecodeOptions::new(Area::whole(2, 2), BUDGET, &cancellation);
    let decoded = Gif.decode(&bytes, &options).unwrap().raster;
    assert_eq!(decoded.samples(), picture.samples());
    assert_eq!(Gif.animation(&bytes, &Cancellation::unbounded()), Ok(None));
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
        // Equal frames are merged.
        assert_eq!(read(&bytes), [&pictures[..9], &pictures[10..11]].concat());
        let animation = Gif.animation(&bytes, &Cancellation::unbounded()).unwrap().unwrap();
        assert_eq!((animation.frames(), animation.plays), (10, plays));
        let delays = [0, 20, 40, 60, 80, 100, 120, 140, 160 + 180, 200 + 220];
        assert_eq!(animation.delays, delays);
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
    let nothing = raster(100, &[[0; 4]; 8000]);
    let shown = read(&written(&[(picture.clone(), 0), (nothing, 0)], 1));
    let pairs =
        shown[0].samples().as_bytes().as_chunks::<4>().0.iter().zip(picture.samples().as_bytes().as_chunks::<4>().0);
    let mut error = 0;
    for (shown, meant) in pairs {
        assert_eq!(shown[3], meant[3]);
        error += shown.iter().zip(meant).map(|(one, other)| u32::from(one.abs_diff(*other))).sum::<u32>();
    }
    assert!(error < 8000 * 3 * 12, "{error}");
    assert_eq!(shown.len(), 2);
}

#[test]
fn half_transparent_pixels_are_shown_or_not() {
    let picture = raster(2, &[[9, 9, 9, 127], [9, 9, 9, 128]]);
    let shown = Pixels::new(&read(&written(&[(picture, 0)], 1))[0]);
    assert_eq!(shown, Pixels::new(&raster(2, &[[0; 4], [9, 9, 9, 255]])));
}

#[test]
fn delays_keep_the_whole_time_in_ticks_of_ten() {
    let pictures = [raster(1, &[[1, 2, 3, 255]]), raster(1, &[[99, 2, 3, 255]])];
    for (delay, count, total) in
        [(33u32, 100usize, 3300u32), (16, 4, 80), (5, 2, 10), (10, 3, 30), (u32::MAX, 2, 1_310_700)]
    {
        let frames: Vec<_> = (0..count).map(|i| (pictures[i % 2].clone(), delay)).collect();
        let bytes = written(&frames, 1);
        let animation = Gif.animation(&bytes, &Cancellation::unbounded()).unwrap().unwrap();
        assert_eq!(animation.delays.iter().sum::<u32>(), total, "{delay}");
    }
}

#[test]
fn a_frame_is_prolonged_as_long_as_its_delay_has_room() {
    let [first, then] = [[1, 2, 3, 255], [99, 2, 3, 255]].map(|pixel| raster(1, &[pixel]));
    const MOST: u32 = u16::MAX as u32 * 10;
    for (delays, expected) in [
        (vec![50, 60, 70], vec![180]),
        (vec![33, 33, 34], vec![100]),
        (vec![MOST - 10, 20, 20], vec![MOST - 10, 40]),
        (vec![MOST, MOST], vec![MOST, MOST]),
    ] {
        let frames: Vec<_> = delays.into_iter().map(|delay| (then.clone(), delay)).collect();
        let bytes = written(&[&[(first.clone(), 30)], frames.as_slice()].concat(), 1);
        let animation = Gif.animation(&bytes, &Cancellation::unbounded()).unwrap().unwrap();
        assert_eq!(animation.delays, [vec![30], expected].concat());
    }
}

#[test]
fn what_a_gif_cannot_hold_or_has_no_time_for_is_refused() {
    let cancellation = Cancellation::unbounded();
    let wide = Raster::new(65_536, 1, Channels::L, Samples::U8(vec![0; 65_536])).unwrap();
    assert!(matches!(GifWriter::new(1, Budget::UNLIMITED, &cancellation).push(&wide, 0), Err(Error::TooLarge { .. })));
    cancellation.cancel();
    assert!(matches!(
        GifWriter::new(1, Budget::UNLIMITED, &cancellation).push(&raster(1, &[[0; 4]]), 0),
        Err(Error::Cancelled(_))
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
    let cancellation = Cancellation::unbounded();
    let mut frames = Gif.frames(&out, BUDGET, &cancellation).unwrap();
    assert!(frames.next_frame().unwrap().is_some());
    assert!(matches!(frames.next_frame(), Err(Error::TooLarge { .. })));
    assert_eq!(Gif.animation(&out, &cancellation).unwrap().unwrap().pixels, 1 + 200 * 200);
}

const RED: [u8; 4] = [255, 0, 0, 255];
const GREEN: [u8; 4] = [0, 255, 0, 255];
const BLUE: [u8; 4] = [0, 0, 255, 255];
const NOTHING: [u8; 4] = [0; 4];

/// A file with a table of red, green, blue and black.
fn file(screen: [u8; 2], blocks: &[Vec<u8>]) -> Vec<u8> {
    let table = [255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0];
    [b"GIF89a".as_slice(), &[screen[0], 0, screen[1], 0, 0x81, 0, 0], &table, &blocks.concat(), b";"].concat()
}

/// An image at that place, of that size, with these flags.
fn image(left: u8, [width, height]: [u8; 2], flags: u8, indices: &[u8]) -> Vec<u8> {
    let codes = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 2).encode(indices).unwrap();
    [&[0x2c, left, 0, 0, 0, width, 0, height, 0, flags, 2, codes.len() as u8], codes.as_slice(), &[0]].concat()
}

fn extension(label: u8, blocks: &[&[u8]]) -> Vec<u8> {
    let blocks = blocks.iter().flat_map(|block| [&[block.len() as u8], *block].concat());
    [0x21, label].into_iter().chain(blocks).chain([0]).collect()
}

/// Of transparency, if there is any, and what becomes of the image.
fn control(transparent: Option<u8>, disposal: u8) -> Vec<u8> {
    let flags = disposal << 2 | u8::from(transparent.is_some());
    extension(0xf9, &[&[flags, 5, 0, transparent.unwrap_or(0)]])
}

fn shown(bytes: &[u8]) -> Vec<Vec<[u8; 4]>> {
    read(bytes).iter().map(|raster| raster.samples().as_bytes().as_chunks().0.to_vec()).collect()
}

fn decoded(bytes: &[u8]) -> Result<(u32, u32, Option<Flaw>), Error> {
    let cancellation = Cancellation::unbounded();
    let header = Gif.probe(bytes, BUDGET, &cancellation)?;
    let area = Area::whole(header.width, header.height);
    let decoded = Gif.decode(bytes, &DecodeOptions::new(area, BUDGET, &cancellation))?;
    assert_eq!((decoded.raster.width(), decoded.raster.height()), (header.width, header.height));
    Ok((header.width, header.height, decoded.flaw))
}

#[test]
fn what_viewers_show_is_shown() {
    /// A name, a file, and the pixels of each of its frames.
    type Case = (&'static str, Vec<u8>, &'static [&'static [[u8; 4]]]);
    let two = |indices| image(0, [2, 1], 0, indices);
    let without_table = |data: &[u8]| [b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0", data, b";"].concat();
    let table: [Case; 14] = [
        ("plain", file([2, 1], &[two(&[0, 1])]), &[&[RED, GREEN]]),
        ("no table of colours", without_table(b"\x02\x02\x4c\x01\0"), &[&[NOTHING]]),
        ("no pixels either", without_table(b"\x02\0"), &[&[NOTHING]]),
        ("an unknown extension", file([2, 1], &[extension(0x99, &[b"abc"]), two(&[0, 1])]), &[&[RED, GREEN]]),
        ("a larger first image", file([1, 1], &[two(&[0, 1])]), &[&[RED, GREEN]]),
        ("no screen", file([0, 0], &[image(1, [1, 1], 0, &[2])]), &[&[NOTHING, BLUE]]),
        ("a larger second image", file([1, 1], &[image(0, [1, 1], 0, &[0]), two(&[1, 2])]), &[&[RED], &[GREEN]]),
        ("transparency", file([2, 1], &[control(Some(1), 0), two(&[0, 1])]), &[&[RED, NOTHING]]),
        (
            "of two controls the last counts",
            file([2, 1], &[control(Some(1), 3), control(None, 0), two(&[0, 1]), control(Some(1), 0), two(&[1, 0])]),
            &[&[RED, GREEN], &[RED, RED]],
        ),
        (
            "a control is for one image",
            file([1, 1], &[control(Some(1), 0), image(0, [1, 1], 0, &[1]), image(0, [1, 1], 0, &[1])]),
            &[&[NOTHING], &[GREEN]],
        ),
        (
            "disposal 4 is 3",
            file([2, 1], &[two(&[0, 0]), control(None, 4), image(0, [1, 1], 0, &[1]), image(1, [1, 1], 0, &[2])]),
            &[&[RED, RED], &[GREEN, RED], &[RED, BLUE]],
        ),
        (
            "disposal 2",
            file([2, 1], &[control(None, 2), two(&[0, 1]), image(1, [1, 1], 0, &[2])]),
            &[&[RED, GREEN], &[NOTHING, BLUE]],
        ),
        (
            "interlaced",
            file([1, 5], &[image(0, [1, 5], 0x40, &[0, 1, 2, 3, 0])]),
            &[&[RED, [0, 0, 0, 255], BLUE, RED, GREEN]],
        ),
        ("bytes between blocks end it", file([2, 1], &[two(&[0, 1]), vec![7], two(&[1, 1])]), &[&[RED, GREEN]]),
    ];
    for (name, bytes, expected) in table {
        assert_eq!(shown(&bytes), expected, "{name}");
        let canvas = shown(&bytes)[0].len() as u32;
        assert!(decoded(&bytes).is_ok_and(|(width, height, flaw)| (width * height, flaw) == (canvas, None)), "{name}");
    }
}

#[test]
fn an_animation_is_played_as_often_as_any_extension_says() {
    let frame = || image(0, [1, 1], 0, &[0]);
    let loops = |name: &[u8], repeats: u8| extension(0xff, &[name, &[1, repeats, 0]]);
    for (blocks, plays) in [
        (vec![frame(), frame()], 1),
        (vec![loops(b"NETSCAPE2.0", 0), frame(), frame()], 0),
        (vec![loops(b"ANIMEXTS1.0", 5), frame(), frame()], 6),
        (vec![frame(), loops(b"NETSCAPE2.0", 4), frame()], 5),
        (vec![frame(), frame(), loops(b"NETSCAPE2.0", 4)], 5),
        (vec![loops(b"SOMEBODY1.0", 4), frame(), frame()], 1),
    ] {
        let animation = Gif.animation(&file([1, 1], &blocks), &Cancellation::unbounded()).unwrap().unwrap();
        assert_eq!(animation.plays, plays);
    }
}

#[test]
fn what_is_there_of_an_image_is_shown() {
    let indices: Vec<u8> = (0..60u8).map(|i| (i % 7 + i / 9) % 4).collect();
    for (flags, least) in [(0, 1), (0x40, 6)] {
        let bytes = file([6, 10], &[image(0, [6, 10], flags, &indices)]);
        let whole = shown(&bytes).remove(0);
        assert_eq!(decoded(&bytes[..bytes.len() - 1]), Ok((6, 10, None)), "the trailer may be missing");
        let mut most = 0;
        for end in 0..bytes.len() - 2 {
            match decoded(&bytes[..end]) {
                Ok((width, height, flaw)) => {
                    assert_eq!((width, height), (6, 10));
                    let part = shown(&bytes[..end]).remove(0);
                    let there = part.iter().filter(|pixel| **pixel != NOTHING).count();
                    assert!(
                        there >= most.max(least) && (flags != 0 || part[..there] == whole[..there]),
                        "{end}: {there}"
                    );
                    most = there;
                    assert_eq!(flaw, (part != whole).then_some(Flaw::CutShort), "{end}");
                }
                Err(Error::Damaged { .. }) => assert_eq!(most, 0, "{end}"),
                Err(error) => panic!("{end}: {error}"),
            }
        }
        assert!(most > 50);
    }
}

#[test]
fn rows_of_interlaced_images_stand_for_more_until_others_come() {
    assert_eq!(in_order(&[1, 2, 3], 1, 10), [1, 1, 1, 1, 3, 3, 3, 3, 2, 2]);
    assert_eq!(in_order(&[1], 1, 20), [1; 8]);
    assert_eq!(in_order(&[1, 2, 3, 4, 5, 6, 7], 1, 7), [1, 5, 3, 6, 2, 7, 4]);
    assert!(in_order(&[], 0, 0).is_empty());
}

#[test]
fn an_animation_tells_that_it_is_cut() {
    let frame = || image(0, [2, 2], 0, &[0, 1, 2, 3]);
    let bytes = file([2, 2], &[frame(), frame(), frame()]);
    for (end, frames, is_cut) in
        [(0, 3, false), (1, 3, true), (3, 3, true), (4, 3, true), (7, 2, true), (10, 2, true), (17, 2, true)]
    {
        let cut = &bytes[..bytes.len() - end];
        let animation = Gif.animation(cut, &Cancellation::unbounded()).unwrap().unwrap();
        assert_eq!((animation.frames(), animation.is_cut), (frames, is_cut), "{end}");
        assert!(shown(cut).len() as u32 <= frames && shown(cut).len() >= 2, "{end}");
    }
}
