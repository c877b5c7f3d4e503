use super::*;
use crate::{Area, Channels, EncodeOptions, Encoder, Flaw, MISSING, Primaries, Raster, Samples};
use image_origin_container::heif::{Picture, picture};

const BUDGET: Budget = Budget { pixels: 1 << 20, memory: 64 << 20 };
const ENCODING: EncodeOptions = EncodeOptions { quality: 90, speed: 4, ..EncodeOptions::DEFAULT };

fn decode(bytes: &[u8], budget: Budget) -> Result<Decoded, Error> {
    let header = Avif.probe(bytes, budget, &Cancellation::unbounded())?;
    let area = Area::whole(header.width, header.height);
    Avif.decode(bytes, &DecodeOptions::new(area, budget, &Cancellation::unbounded()))
}

fn coded(bytes: &[u8]) -> Picture<'_> {
    picture(bytes, Avif::ITEM, &Cancellation::unbounded()).unwrap()
}

/// Smooth in every channel, since fine detail is what is lost.
fn gradient(width: u32, height: u32, channels: Channels) -> Raster {
    let pixel = |x: u32, y: u32| {
        (0..channels.count() as u32).map(move |c| (40 + x * (c + 1) * 20 / width + y * (4 - c) * 20 / height) as u8)
    };
    let samples = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
    Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
}

fn mean_difference(a: &Raster, b: &Raster) -> f64 {
    let (a, b) = (a.samples().as_bytes(), b.samples().as_bytes());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

#[test]
fn what_is_written_is_read_again() {
    let (small, odd) = ((48, 32), (37, 21));
    for ((width, height), channels, quality) in [
        (small, Channels::Rgb, 90),
        (odd, Channels::Rgb, 95),
        (odd, Channels::Rgba, 90),
        (small, Channels::L, 90),
        (odd, Channels::La, 90),
        ((1, 1), Channels::Rgb, 80),
    ] {
        let picture = gradient(width, height, channels);
        let bytes = Avif
            .encode(&picture, &EncodeOptions { quality, ..ENCODING }, Budget::UNLIMITED, &Cancellation::unbounded())
            .unwrap();
        let decoded = decode(&bytes, BUDGET).unwrap().raster;
        assert_eq!((decoded.width(), decoded.height(), decoded.channels()), (width, height, channels));
        let difference = mean_difference(&decoded, &picture);
        assert!(difference < 4.0, "{width}x{height} {channels:?}: {difference}");
    }
}

#[test]
fn lossless_is_exact() {
    for channels in [Channels::L, Channels::La, Channels::Rgb, Channels::Rgba] {
        let picture = gradient(37, 21, channels);
        for primaries in [Primaries::Srgb, Primaries::DisplayP3] {
            let lossless = EncodeOptions { lossless: true, primaries, speed: 3, ..ENCODING };
            let bytes = Avif.encode(&picture, &lossless, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
            let decoded = decode(&bytes, BUDGET).unwrap().raster;
            assert_eq!(decoded.channels(), channels);
            assert_eq!(decoded.samples().as_bytes(), picture.samples().as_bytes(), "{channels:?}");
        }
    }
}

#[test]
fn large_pictures_are_grids() {
    for channels in [Channels::L, Channels::La] {
        let picture = gradient(3075, 3, channels);
        let bytes = Avif.encode(&picture, &ENCODING, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
        let colour = coded(&bytes).colour;
        assert_eq!((colour.cell_count(), colour.columns), (2, 2));
        let decoded = decode(&bytes, BUDGET).unwrap();
        let whole = decoded.raster;
        assert_eq!((whole.width(), whole.height(), whole.channels(), decoded.flaw), (3075, 3, channels, None));
        assert!(mean_difference(&whole, &picture) < 4.0);
        if channels.has_alpha() {
            assert_eq!(decode(&alpha_of_cells(&bytes), BUDGET).unwrap().raster, whole);
        }
        // The last of the data is the second cell, of the colours or of alpha: it is missing if it is cut off.
        let cut = decode(&bytes[..bytes.len() - 1], BUDGET).unwrap();
        assert_eq!(cut.flaw, Some(Flaw::CutShort));
        let (count, middle) = (channels.count(), 1538 * channels.count());
        let (shown, expected) = (cut.raster.samples().as_bytes(), whole.samples().as_bytes());
        assert_eq!(shown[..middle], expected[..middle], "{channels:?}");
        let missing = if channels.has_alpha() { 0 } else { MISSING };
        assert_eq!(shown[middle + count - 1], missing, "{channels:?}");
    }
}

#[test]
fn cells_are_of_sizes_that_other_readers_take() {
    let planes = [gradient(3075, 6, Channels::L), gradient(1538, 3, Channels::L), gradient(1538, 3, Channels::L)];
    let encoder = Avif.planar(&ENCODING).unwrap();
    let bytes = encoder.encode_planes(&planes, &ENCODING, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
    let cell = decode::describe(&coded(&bytes).colour.cell(0)).unwrap();
    // Even sides, and of 64 at least; with an odd side of the whole, all of chroma.
    assert_eq!((cell.width, cell.height, cell.subsampling), (1538, 64, [false, false]));
    let decoded = decode(&bytes, BUDGET).unwrap().raster;
    assert_eq!((decoded.width(), decoded.height(), decoded.channels()), (3075, 6, Channels::Rgb));
}

#[test]
fn time_and_stops_are_kept() {
    let picture = gradient(640, 480, Channels::Rgb);
    let stopped = Cancellation::unbounded();
    stopped.cancel();
    let late = Cancellation::until(std::time::Instant::now() + std::time::Duration::from_millis(20));
    for cancellation in [stopped, late] {
        assert!(matches!(Avif.encode(&picture, &ENCODING, Budget::UNLIMITED, &cancellation), Err(Error::Cancelled(_))));
    }
}

#[test]
fn a_frame_is_stopped_on_its_way() {
    // Minutes of work where nothing is optimised, and seconds where it is.
    let samples = (0..1024 * 1024 * 3).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let picture = Raster::new(1024, 1024, Channels::Rgb, Samples::U8(samples)).unwrap();
    let cancellation = Cancellation::unbounded();
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        let worker = scope
            .spawn(|| Avif.encode(&picture, &EncodeOptions { speed: 1, ..ENCODING }, Budget::UNLIMITED, &cancellation));
        std::thread::sleep(std::time::Duration::from_millis(100));
        cancellation.cancel();
        assert!(matches!(worker.join().unwrap(), Err(Error::Cancelled(_))));
    });
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn a_file_is_refused_by_its_headers() {
    let picture = gradient(64, 64, Channels::Rgb);
    let bytes = Avif.encode(&picture, &ENCODING, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
    let small = Budget { pixels: 64 * 64 - 1, ..BUDGET };
    assert!(matches!(Avif.probe(&bytes, small, &Cancellation::unbounded()), Err(Error::TooLarge { .. })));
    let tight = Budget { memory: 64 * 64 * 3, ..BUDGET };
    assert!(matches!(decode(&bytes, tight), Err(Error::TooLarge { .. })));
    // What the boxes say of the size is held against the budget, too.
    let place = bytes.windows(4).position(|kind| kind == b"ispe").unwrap() + 8;
    let mut huge = bytes.clone();
    huge[place..place + 8].copy_from_slice(&[0xff; 8]);
    assert!(matches!(Avif.probe(&huge, BUDGET, &Cancellation::unbounded()), Err(Error::TooLarge { .. })));
    for cut in (0..bytes.len()).step_by(9) {
        let _ = decode(&bytes[..cut], BUDGET);
    }
}

#[test]
fn of_several_frames_the_last_that_stands_alone_is_shown() {
    let read = |data: &[u8]| <Avif as Codec>::read(data, &[], &Cancellation::unbounded());
    let frame = |shade: u8| {
        let raster = Raster::new(64, 64, Channels::L, Samples::U8(vec![shade; 64 * 64])).unwrap();
        let bytes = Avif.encode(&raster, &ENCODING, BUDGET, &Cancellation::unbounded()).unwrap();
        coded(&bytes).colour.cell(0).into_owned()
    };
    let shown = |data: &[u8]| -> Result<u8, Error> {
        let planes = <Avif as Codec>::decode(data, &read(data)?, true, BUDGET, &Cancellation::unbounded())?;
        match planes.row(0, 0) {
            heif::Row::Eight(row) => Ok(row[0]),
            heif::Row::Sixteen(_) => panic!("eight bits"),
        }
    };
    let (dark, light) = (frame(40), frame(200));
    assert!(shown(&dark).unwrap().abs_diff(40) < 4 && shown(&light).unwrap().abs_diff(200) < 4);
    assert_eq!(shown(&[&dark[..], &light].concat()).unwrap(), shown(&light).unwrap());
    // A temporal delimiter, and a tile list, change nothing.
    assert_eq!(shown(&[&[0x12, 0x00][..], &dark, &[0x42, 0x00]].concat()).unwrap(), shown(&dark).unwrap());
    let small = Budget { pixels: 64 * 64 - 1, ..BUDGET };
    let refused = <Avif as Codec>::decode(&dark, &0, true, small, &Cancellation::unbounded());
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
    // Another sequence header, none, and no frame.
    for broken in [&[&dark[..], &[0x0a, 0x02, 0x18, 0x16]].concat(), &dark[..0], &dark[..12]] {
        assert!(matches!(read(broken), Err(Error::Damaged { .. })));
    }
}

#[test]
fn decoding_is_stopped_on_its_way() {
    let picture = gradient(512, 512, Channels::Rgb);
    let bytes = Avif.encode(&picture, &ENCODING, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
    let stream = coded(&bytes).colour.cell(0).into_owned();
    let stopped = Cancellation::unbounded();
    stopped.cancel();
    let decoded = <Avif as Codec>::decode(&stream, &0, true, BUDGET, &stopped);
    assert!(matches!(decoded, Err(Error::Cancelled(_))));
}

#[test]
fn broken_streams_are_damage() {
    let picture = gradient(16, 16, Channels::Rgb);
    let bytes = Avif.encode(&picture, &ENCODING, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
    let stream = bytes.windows(4).position(|kind| kind == b"mdat").unwrap() + 4;
    for at in stream..bytes.len() {
        for change in [0xff, 0x10, 0x01] {
            let mut broken = bytes.clone();
            broken[at] ^= change;
            if let Err(error) = decode(&broken, BUDGET) {
                assert!(matches!(error, Error::Damaged { .. } | Error::TooLarge { .. }), "{at} {change}: {error}");
            }
        }
    }
}

#[test]
fn speed_settings_follow_from_the_setting_and_the_size_alone() {
    let picture = gradient(96, 64, Channels::Rgb);
    let encoded =
        |cancellation: &Cancellation| Avif.encode(&picture, &ENCODING, Budget::UNLIMITED, cancellation).unwrap();
    let soon = Cancellation::until(std::time::Instant::now() + std::time::Duration::from_secs(60));
    assert_eq!(encoded(&Cancellation::unbounded()), encoded(&soon));
    // From the most thorough to the quickest, and never back with more pixels.
    let place = |speed, pixels| {
        let settings = super::encode::speed_settings(speed, pixels);
        super::encode::SEARCHES.iter().position(|search| search.settings == settings).unwrap()
    };
    for speed in SPEEDS {
        let places = [4u64, 5, 7, 9].map(|side| place(speed, side * side * 490_000));
        assert!(places.is_sorted(), "{speed}: {places:?}");
        assert_eq!(place(speed, 48_000_000), 5);
    }
    assert_eq!([1, 3].map(|speed| place(speed, 2_000_000)), [0, 2]);
}

/// The same file of two cells, with the alpha of each as that of a cell instead of a grid of its own.
fn alpha_of_cells(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let find = |from: usize, what: &[u8]| from + bytes[from..].windows(what.len()).position(|at| at == what).unwrap();
    // The items are the grid 1 of 2 and 3, and its alpha, the grid 4 of 5 and 6.
    let references = find(0, b"\0\0\0\x10dimg\0\x04");
    let (one, two) = (b"\0\0\0\x0eauxl\0\x05\0\x01\0\x02", b"\0\0\0\x0eauxl\0\x06\0\x01\0\x03");
    out[references..references + 28].copy_from_slice(&[&one[..], two].concat());
    out[references + 28..references + 30].fill(0);
    // What says that it is alpha, in place of the size.
    let associations = find(0, b"ipma");
    let kind = bytes[find(associations, b"\0\x04\x03") + 5];
    for cell in [b"\0\x05\x03", b"\0\x06\x03"] {
        out[find(associations, cell) + 3] = kind;
    }
    out
}

/// A track of one sample (ISO/IEC 14496-12, section 8).
fn track(handler: &[u8], sample: (u32, u32), boxes: &[Vec<u8>]) -> Vec<u8> {
    use image_origin_container::isobmff::write_box;
    let entry = write_box(*b"av01", &[vec![0; 78], boxes.concat()].concat());
    let number = u32::to_be_bytes;
    let table = [
        write_box(*b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], entry.as_slice()].concat()),
        write_box(*b"stsz", &[[0; 4], [0; 4], number(1), number(sample.1)].concat()),
        write_box(*b"stco", &[[0; 4], number(1), number(sample.0)].concat()),
    ];
    let handler = write_box(*b"hdlr", &[&[0; 8], handler, &[0; 13]].concat());
    let table = write_box(*b"minf", &write_box(*b"stbl", &table.concat()));
    write_box(*b"trak", &write_box(*b"mdia", &[handler, table].concat()))
}

#[test]
fn a_sequence_without_a_primary_image_shows_its_first_frame() {
    use image_origin_container::isobmff::write_box;
    let picture = gradient(48, 32, Channels::La);
    let bytes = Avif.encode(&picture, &ENCODING, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
    let whole = decode(&bytes, BUDGET).unwrap().raster;
    let picture = coded(&bytes);
    let (colour, alpha) = (picture.colour.cell(0), picture.alpha.unwrap().cell(0));
    let alpha_box = write_box(*b"auxi", b"\0\0\0\0urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0");
    let file = |colour_at: u32| {
        let (one, other) = ((colour_at, colour.len() as u32), (colour_at + colour.len() as u32, alpha.len() as u32));
        let tracks = [
            track(b"soun", other, &[]),
            track(b"pict", one, &[]),
            track(b"auxv", other, std::slice::from_ref(&alpha_box)),
        ];
        let brands = write_box(*b"ftyp", b"avis\0\0\0\0avismsf1");
        [brands, write_box(*b"moov", &tracks.concat()), write_box(*b"mdat", &[&colour[..], &alpha].concat())].concat()
    };
    let data_at = file(0).len() - colour.len() - alpha.len();
    let sequence = file(data_at as u32);
    assert_eq!(decode(&sequence, BUDGET).unwrap().raster, whole);
    for cut in 0..sequence.len() {
        let _ = decode(&sequence[..cut], BUDGET);
    }
    assert!(matches!(decode(&file(1 << 31), BUDGET), Err(Error::Damaged { .. })));
}

#[test]
fn a_much_smaller_picture_needs_no_filters() {
    let picture = gradient(256, 192, Channels::Rgb);
    let options = EncodeOptions { quality: 60, ..EncodeOptions::DEFAULT };
    let bytes = Avif.encode(&picture, &options, BUDGET, &Cancellation::unbounded()).unwrap();
    let mean_difference = |scale: f64| {
        let cancellation = Cancellation::unbounded();
        let options = DecodeOptions { scale, ..DecodeOptions::new(Area::whole(256, 192), BUDGET, &cancellation) };
        let decoded = Avif.decode(&bytes, &options).unwrap();
        let pairs = decoded.raster.samples().as_bytes().iter().zip(picture.samples().as_bytes());
        pairs.map(|(one, other)| f64::from(one.abs_diff(*other))).sum::<f64>() / picture.samples().len() as f64
    };
    let (filtered, unfiltered) = (mean_difference(1.0), mean_difference(0.1));
    assert!(filtered < 4.0 && unfiltered < 4.0, "{filtered} {unfiltered}");
}
