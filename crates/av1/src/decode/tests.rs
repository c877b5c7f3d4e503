use rusty_av1d::rust_api::{
    Decoder as Reference, InloopFilterType, PixelLayout, PlanarImageComponent as Component, Settings,
};

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::{Colour, EncodeOptions, Planes, SpeedSettings, encode};

macro_rules! streams {
    ($($name:literal),*) => { [$(($name, include_bytes!(concat!("streams/", $name, ".obu")).as_slice())),*] };
}

/// Drawings of a few colours, a gradient and noise, coded by libaom with all that intra frames have; the names tell what
/// is special. They are of 150 by 118 pixels, the lossless one of 65 by 50.
const STREAMS: [(&str, &[u8]); 11] = streams![
    // 12 bits, 4:2:2.
    "deep-422-12",
    // Quantizers and filter levels of superblocks.
    "deltas",
    // Film grain, 10 bits.
    "grain-10",
    // Film grain, 4:4:4.
    "grain-444",
    // The Walsh-Hadamard transform, 4:4:4.
    "lossless-444",
    // Quantizer matrices, superblocks of 128, few transform types.
    "matrices-444",
    // Palettes, 10 bits, 4:4:4.
    "screen-444-10",
    // Palettes, and intra block copy.
    "screen",
    // Segments, four tiles in two groups.
    "segments-tiles",
    // Superres, and loop restoration.
    "superres",
    // All partitions, CDEF, loop restoration.
    "thorough"
];

fn go_on() -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The samples of each plane of a picture.
fn samples(picture: &Picture) -> Vec<Vec<u16>> {
    let planes = 0..picture.sequence.planes();
    let plane = |plane: usize| {
        let rows = 0..picture.plane_size(plane)[1];
        rows.flat_map(|y| match picture.row(plane, y) {
            Row::Eight(row) => row.iter().copied().map(u16::from).collect(),
            Row::Sixteen(row) => row.to_vec(),
        })
        .collect()
    };
    planes.map(plane).collect()
}

fn decoded(stream: &[u8], filtered: bool) -> Result<Vec<Vec<u16>>, DecodeError> {
    let options = DecodeOptions::default().filtered(filtered);
    Decoder::new(stream, &go_on)?.decode(&options).map(|picture| samples(&picture))
}

/// What another decoder makes of a stream.
fn reference(stream: &[u8], filtered: bool) -> Vec<Vec<u16>> {
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    if !filtered {
        settings.set_inloop_filters(InloopFilterType::empty());
        settings.set_apply_grain(false);
    }
    let mut decoder = Reference::with_settings(&settings).unwrap();
    decoder.send_data(stream.into(), None, None, None).unwrap();
    let picture = decoder.get_picture().or_else(|_| decoder.get_picture()).unwrap();
    let size = [picture.width(), picture.height()].map(|side| side as usize);
    let (count, shifts) = match picture.pixel_layout() {
        PixelLayout::I400 => (1, [0, 0]),
        PixelLayout::I420 => (3, [1, 1]),
        PixelLayout::I422 => (3, [1, 0]),
        PixelLayout::I444 => (3, [0, 0]),
    };
    let components = [Component::Y, Component::U, Component::V].into_iter().take(count).enumerate();
    let planes = components.map(|(i, component)| {
        let [width, height] = [0, 1].map(|side| size[side].div_ceil(1 << if i > 0 { shifts[side] } else { 0 }));
        let rows = picture.plane(component).chunks(picture.stride(component) as usize).take(height);
        let row = |row: &[u8]| -> Vec<u16> {
            if picture.bit_depth() == 8 {
                row[..width].iter().copied().map(u16::from).collect()
            } else {
                row.as_chunks().0[..width].iter().copied().map(u16::from_ne_bytes).collect()
            }
        };
        rows.flat_map(row).collect()
    });
    planes.collect()
}

#[test]
fn every_tool_is_decoded_exactly() {
    for (name, stream) in STREAMS {
        for filtered in [true, false] {
            assert!(decoded(stream, filtered).unwrap() == reference(stream, filtered), "{name}, filtered: {filtered}");
        }
    }
}

#[test]
fn what_is_encoded_is_decoded_exactly() {
    let luma: Vec<u8> = (0..67 * 93).map(|i| ((i % 67) * (i / 67) * 7 % 256) as u8).collect();
    let full = [1, 2, 3].map(|k| luma.iter().map(|sample| sample.wrapping_mul(k)).collect::<Vec<u8>>());
    let half = |plane: &[u8]| -> Vec<u8> { plane[..34 * 47].to_vec() };
    let halved = [luma.clone(), half(&full[1]), half(&full[2])];
    for planes in [
        Planes::Grey(&luma),
        Planes::Halved([&halved[0], &halved[1], &halved[2]]),
        Planes::Full([&full[0], &full[1], &full[2]]),
    ] {
        for quantizer in [0, 60, 255] {
            let speed = SpeedSettings::DEFAULT.smallest(2).halves_up_to(5).modes(4);
            let picture = crate::Picture::new(67, 93, planes, Colour::default()).unwrap();
            let options = EncodeOptions::default().quantizer(quantizer).speed(speed);
            let stream = encode(&picture, &options).unwrap().units;
            assert!(decoded(&stream, true).unwrap() == reference(&stream, true), "{planes:?}, quantizer {quantizer}");
        }
    }
}

#[test]
fn broken_streams_are_damaged_at_most() {
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    let cases = (prop::sample::select(STREAMS.to_vec()), changes, any::<prop::sample::Index>(), any::<bool>());
    let outcome = runner.run(&cases, |((_, stream), changes, end, filtered)| {
        let mut broken = stream.to_vec();
        for (at, value) in changes {
            // Most headers are in the first bytes.
            let at = at.index(if value % 2 == 0 { broken.len() } else { 40 });
            broken[at] = value;
        }
        if end.index(3) == 0 {
            broken.truncate(end.index(broken.len()));
        }
        let Ok(decoder) = Decoder::new(&broken, &go_on) else { return Ok(()) };
        let options = DecodeOptions::default().filtered(filtered).max_bytes(4 << 20);
        match decoder.decode(&options) {
            Ok(picture) => prop_assert_eq!(picture.size(), decoder.size()),
            Err(DecodeError::TooLarge { needed, limit }) => prop_assert!(needed > limit),
            Err(DecodeError::Damaged(_)) => {}
            Err(DecodeError::Cancelled) => prop_assert!(false, "nobody has cancelled"),
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn headers_are_parsed() {
    for (name, depth, subsampling, size) in [
        ("deep-422-12", 12, [true, false], [150, 118]),
        ("screen-444-10", 10, [false, false], [150, 118]),
        ("lossless-444", 8, [false, false], [65, 50]),
    ] {
        let (_, stream) = STREAMS.into_iter().find(|(known, _)| *known == name).unwrap();
        let sequence = Sequence::of_stream(stream).unwrap();
        assert_eq!((sequence.depth, sequence.subsampling), (depth, subsampling), "{name}");
        assert_eq!((Decoder::new(stream, &go_on).unwrap().size(), [sequence.width, sequence.height]), (size, size));
    }
    let (_, stream) = STREAMS[0];
    assert!(matches!(Sequence::of_stream(&stream[..4]), Err(DecodeError::Damaged(_))));
    assert!(matches!(Decoder::new(&[], &go_on), Err(DecodeError::Damaged(_))));
    // A unit that is cut off is not shown.
    assert!(matches!(Decoder::new(&stream[..stream.len() - 1], &go_on), Err(DecodeError::Damaged(_))));
}

#[test]
fn limits_are_kept_and_stops_obeyed() {
    for (name, stream) in STREAMS {
        let decoder = Decoder::new(stream, &go_on).unwrap();
        let needed = decoder.memory(true);
        assert!(decoder.memory(false) <= needed, "{name}");
        let limited = DecodeOptions::default().max_bytes(needed - 1);
        assert_eq!(decoder.decode(&limited).err(), Some(DecodeError::TooLarge { needed, limit: needed - 1 }));
        assert!(decoder.decode(&limited.max_bytes(needed)).is_ok());
        let asked = Cell::new(0);
        let count = || {
            asked.set(asked.get() + 1);
            ControlFlow::Continue(())
        };
        decoder.decode(&DecodeOptions::default().check(&count)).unwrap();
        for stop_after in [0, 1, asked.get() - 1] {
            let left = Cell::new(stop_after);
            let check = || match left.get() {
                0 => ControlFlow::Break(()),
                more => {
                    left.set(more - 1);
                    ControlFlow::Continue(())
                }
            };
            let stopped = decoder.decode(&DecodeOptions::default().check(&check));
            assert_eq!(stopped.err(), Some(DecodeError::Cancelled), "{name}, after {stop_after}");
        }
    }
    assert!(matches!(Decoder::new(STREAMS[0].1, &|| ControlFlow::Break(())), Err(DecodeError::Cancelled)));
}
