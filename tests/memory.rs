//! What a picture is reckoned to take, against what it takes: `malloc` and its kin are counted, those of C code included.
//!
//! For each original and query the least `memory` with which a picture is made is found, and the peak of what is
//! allocated while it is made. The first must never be below the second, or a server goes beyond its limits, nor far
//! above it, or it refuses what it could do.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(unsafe_code, reason = "takes the place of the C library's allocator, which is called by its inner names")]
#![allow(clippy::disallowed_methods, reason = "the files are of this test's making")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::sync::LazyLock;

use image_origin::codec::{Budget, Cancellation, Channels, EncodeOptions, Error, Format, Raster, Samples, encoder};
use image_origin::metadata::{Carried, GainMapParameters, embed};
use image_origin::query::Transform;
use image_origin::transform::{self, AUTO_FORMATS, Accepted, Limits, OverlayFile, Render};

/// The allocator of the C library, with a count of what is live.
mod counted {
    use std::cell::Cell;
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
        fn __libc_realloc(old: *mut c_void, size: usize) -> *mut c_void;
        fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
        fn __libc_free(block: *mut c_void);
        fn malloc_usable_size(block: *mut c_void) -> usize;
    }

    // A picture is rendered by one thread. Neither cell is allocated, nor dropped before the thread's last call.
    thread_local! {
        static LIVE: Cell<isize> = const { Cell::new(0) };
        static PEAK: Cell<isize> = const { Cell::new(0) };
    }

    /// The most that this thread had allocated at one time during `run`, less what it had before, and the result.
    pub(super) fn peak<T>(run: impl FnOnce() -> T) -> (u64, T) {
        let before = LIVE.get();
        PEAK.set(before);
        let result = run();
        ((PEAK.get() - before) as u64, result)
    }

    fn add(bytes: isize) {
        LIVE.set(LIVE.get() + bytes);
        PEAK.set(PEAK.get().max(LIVE.get()));
    }

    fn size(block: *mut c_void) -> isize {
        // SAFETY: a block of the allocator's, or null.
        unsafe { malloc_usable_size(block) as isize }
    }

    fn taken(block: *mut c_void) -> *mut c_void {
        add(size(block));
        block
    }

    // The C library's own functions do the work.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        // SAFETY: the caller keeps the contract of the C library's function, which this is.
        taken(unsafe { __libc_malloc(size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
        // SAFETY: the caller keeps the contract of the C library's function, which this is.
        taken(unsafe { __libc_calloc(count, size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
        // SAFETY: the caller keeps the contract of the C library's function, which this is.
        taken(unsafe { __libc_memalign(alignment, size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
        // SAFETY: the caller keeps the contract of the C library's function, which this is.
        taken(unsafe { __libc_memalign(alignment, size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(block: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
        // SAFETY: the caller keeps the contract of the C library's function, which this is.
        let new = unsafe { __libc_memalign(alignment, size) };
        // SAFETY: as above: `block` is a place for a pointer.
        unsafe { *block = taken(new) };
        0
    }

    /// The program's own allocator copies what grows, so that old and new are live at one time. This one may have moved
    /// pages instead, and counts as if it had copied.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(old: *mut c_void, new_size: usize) -> *mut c_void {
        let before = size(old);
        // SAFETY: the caller keeps the contract of the C library's function, which this is.
        let new = unsafe { __libc_realloc(old, new_size) };
        let after = size(new);
        if after > before {
            PEAK.set(PEAK.get().max(LIVE.get() + after));
        }
        add(after - before);
        new
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn free(block: *mut c_void) {
        add(-size(block));
        // SAFETY: the caller keeps the contract of the C library's function, which this is.
        unsafe { __libc_free(block) };
    }
}

/// The share of the memory by which it grows at least.
const STEP: u64 = 32;

/// What blocks are rounded up by.
const ROUNDING: u64 = 32 << 10;

/// Below this, constant parts count for more than pictures do.
const SMALL: u64 = 1 << 20;

/// What was measured, and what was reckoned.
struct Outcome {
    peak: u64,
    reckoned: u64,
}

/// Finds the least memory with which a picture is made, to a `STEP`th.
fn outcome(original: &[u8], query: &str) -> Outcome {
    let mut memory = SMALL / 8;
    loop {
        match peak(original, query, memory) {
            Ok(peak) => return Outcome { peak, reckoned: memory },
            // Each refusal says how much it takes for the step that was refused.
            Err(needs) => memory = needs.max(memory + memory / STEP),
        }
        assert!(memory < 1 << 32, "{query}: no end is in sight");
    }
}

/// The most that is held while a picture is made with this memory, or how much more it needs.
fn peak(original: &[u8], query: &str, memory: u64) -> Result<u64, u64> {
    let transform: Transform = query.parse().unwrap();
    let accepted = Accepted::from_header("image/avif,image/webp", &AUTO_FORMATS);
    let limits = Limits::from(Budget { pixels: 100_000_000, memory });
    let cancellation = Cancellation::unbounded();
    let overlay = query.contains("overlay=").then(|| OverlayFile { bytes: &OVERLAY, cache: None });
    match counted::peak(|| {
        let render = Render::new(original).transform(transform).overlay(overlay).accepted(accepted);
        render.limits(limits).cancellation(cancellation).run()
    }) {
        (peak, Ok(_)) => Ok(peak),
        (
            _,
            Err(
                transform::Error::Codec(Error::TooLarge { needs, allowed, .. })
                | transform::Error::Overlay(Error::TooLarge { needs, allowed, .. }),
            ),
        ) => {
            assert_eq!(allowed, memory, "{query}: the limit is told as it was set");
            Err(needs)
        }
        (_, Err(error)) => panic!("{query}: {error}"),
    }
}

/// Slopes with the noise of a sensor on them.
fn photograph(width: u32, height: u32, channels: Channels) -> Raster {
    let mut state = 1u32;
    let mut samples = Vec::new();
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let edge = if (x / 37 + y / 53).is_multiple_of(3) { 60 } else { 0 };
            let slopes = [x * 120 / width + edge, y * 130 / height + edge, (x + y) * 60 / width];
            let alpha = 255 - y * 200 / height;
            let pixel = slopes.map(|slope| (slope + (state >> 29)) as u8);
            samples.extend(match channels {
                Channels::L => vec![pixel[0]],
                Channels::La => vec![pixel[0], alpha as u8],
                Channels::Rgba => vec![pixel[0], pixel[1], pixel[2], alpha as u8],
                _ => pixel.to_vec(),
            });
        }
    }
    Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
}

/// Samples at random, of which nothing can be foretold.
fn noise(sample: fn(u8) -> u8) -> Raster {
    let mut state = 1u32;
    let samples = (0..WIDTH * HEIGHT * 3).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        sample((state >> 24) as u8)
    });
    Raster::new(WIDTH, HEIGHT, Channels::Rgb, Samples::U8(samples.collect())).unwrap()
}

/// Few colours and large areas.
fn drawing(width: u32, height: u32) -> Raster {
    let color =
        |x: u32, y: u32| if (x / 40 + y / 30).is_multiple_of(2) { [200, 30, 30] } else { [240, 240, (x / 90) as u8] };
    let samples = (0..height).flat_map(|y| (0..width).flat_map(move |x| color(x, y))).collect();
    Raster::new(width, height, Channels::Rgb, Samples::U8(samples)).unwrap()
}

const LOSSY: EncodeOptions = EncodeOptions { quality: 85, ..EncodeOptions::DEFAULT };
const LOSSLESS: EncodeOptions = EncodeOptions { lossless: true, ..LOSSY };
const PROGRESSIVE: EncodeOptions = EncodeOptions { progressive: true, ..LOSSY };

fn encoded(format: Format, raster: &Raster, encoding: EncodeOptions) -> Vec<u8> {
    encoder(format).unwrap().encode(raster, &encoding, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap()
}

/// Four frames in each of which other pixels change.
fn animated(format: Format, width: u32, height: u32) -> Vec<u8> {
    let cancellation = Cancellation::unbounded();
    let mut writer = encoder(format).unwrap().animate(0, &LOSSY, Budget::UNLIMITED, &cancellation).unwrap();
    for frame in 0..4 {
        let mut picture = drawing(width, height);
        picture.samples_mut().iter_mut().skip(frame).step_by(7).for_each(|sample| *sample ^= 64);
        writer.push(&picture, 50).unwrap();
    }
    writer.finish().unwrap()
}

/// An uncompressed TIFF in one strip.
fn tiff(raster: &Raster) -> Vec<u8> {
    let samples = raster.samples().as_bytes();
    let entry = |tag: u16, kind: u16, value: u32| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let entries = [
        (256, raster.width()),
        (257, raster.height()),
        (258, 8),
        (259, 1),
        (262, 2),
        (273, 8),
        (277, 3),
        (278, raster.height()),
        (279, samples.len() as u32),
    ];
    let count = (entries.len() as u16).to_le_bytes();
    let entries: Vec<u8> = entries.into_iter().flat_map(|(tag, value)| entry(tag, 4, value)).collect();
    let directory = [&count[..], &entries, &[0; 4]].concat();
    [b"II*\0", &(8 + samples.len() as u32).to_le_bytes()[..], samples, &directory].concat()
}

/// A bitmap of 24 bits without padding between rows, which are as many bytes as four divides.
fn bmp(raster: &Raster) -> Vec<u8> {
    let number = |number: u32| number.to_le_bytes();
    let samples = raster.samples().as_bytes();
    let header = [54, 40, raster.width(), raster.height(), 1 | 24 << 16, 0, samples.len() as u32, 0, 0, 0, 0];
    let header: Vec<u8> = header.into_iter().flat_map(number).collect();
    [b"BM", &number(54 + samples.len() as u32)[..], &[0; 4], &header, samples].concat()
}

/// A PNG of 16 bits.
fn sixteen_bits(raster: &Raster) -> Vec<u8> {
    let samples = raster.samples().as_bytes().iter().map(|sample| u16::from(*sample) * 257).collect();
    let picture = image::ImageBuffer::<image::Rgb<u16>, Vec<u16>>::from_raw(raster.width(), raster.height(), samples);
    let mut file = std::io::Cursor::new(Vec::new());
    picture.unwrap().write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

fn cmyk(width: u16, height: u16) -> Vec<u8> {
    let inks: Vec<u8> = (0..usize::from(width) * usize::from(height) * 4).map(|i| (i / 5) as u8).collect();
    let mut file = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut file, 80);
    encoder.encode(&inks, width, height, jpeg_encoder::ColorType::Cmyk).unwrap();
    file
}

/// What every original is asked for.
const QUERIES: [&str; 3] = ["format=jpeg", "rotate=90&format=png", "w=300&format=png"];

/// What some of them are asked for beside that.
const MORE_QUERIES: [&str; 49] = [
    "linear&w=500&format=jpeg",
    "q=70",
    "format=jpeg&progressive",
    "format=jpeg&q=95",
    "format=gif",
    "w=300&format=jpeg",
    "w=1500&enlarge&format=jpeg",
    "w=1500&enlarge&format=png&rotate=90",
    "rotate=180&format=png",
    "flip=v&format=png",
    "blur=3&format=jpeg",
    "blur=30&format=png",
    "sharpen=1&format=png",
    "grayscale&tint=ff8000&format=png",
    "w=400&h=400&fit=contain&bg=ff000080&format=png",
    "w=300&h=300&fit=cover&gravity=attention&format=jpeg",
    "w=300&h=300&fit=cover&gravity=entropy&format=png",
    "crop=10,10,500,400&format=png",
    "trim=20&format=jpeg",
    "metadata=all&format=png",
    "metadata=all&format=jpeg",
    "max_bytes=60000&format=jpeg",
    "w=200&format=avif",
    "w=200&format=avif&lossless",
    "colorspace=p3&format=png",
    "ar=1:1&gravity=attention&zoom=2&format=png",
    "crop=300,200&gravity=entropy&format=jpeg",
    "rotate=10&w=300&format=png",
    "rotate=33&format=png",
    "rotate=100&w=900&h=500&fit=fill&format=jpeg",
    "radius=40&format=png",
    "w=500&radius=max&format=jpeg",
    "w=400&pad=50&extend=blur&format=jpeg",
    "pad=100&extend=mirror&format=png",
    "pad=100&extend=edge&radius=max&format=png",
    "redact=10,10,300,200&format=png",
    "redact=10,10,300,200;0.5,0.5,0.5,0.5&redact_mode=blur&format=png",
    "redact=10,10,300,200&redact_mode=ff0000&format=jpeg",
    "redact=faces&w=300&format=png",
    "w=300&h=300&fit=cover&gravity=face&format=jpeg",
    "pixelate=16&format=png",
    "q=auto&w=400&format=jpeg",
    "q=auto:60&format=webp",
    "q=auto&w=300&format=avif",
    "colors=60&format=png",
    "overlay=a&w=700&format=jpeg",
    "overlay=a&overlay_w=1.0&w=700&pad=50&format=png",
    "overlay=a&overlay_tile&overlay_w=0.1&format=jpeg",
    "overlay=a&overlay_w=1.0&w=200&format=png&grayscale",
];

/// What an animation is asked for.
const OF_ANIMATIONS: [&str; 4] =
    ["format=gif", "w=200&format=gif", "page=2&format=png", "overlay=a&overlay_w=0.5&format=gif"];

/// WebP of each kind.
const AS_WEBP: [&str; 3] = ["format=webp", "format=webp&q=100", "format=webp&lossless"];

/// Asks an original for everything, and holds what comes of it against the bounds.
fn check(table: &[(&str, Vec<u8>)], queries: &[&str]) {
    let (mut below, mut above) = (Vec::new(), Vec::new());
    for (name, original) in table {
        for query in queries {
            let Outcome { peak, reckoned } = outcome(original, query);
            let line = format!("{name} {query}: {reckoned} of {peak}, {:.2}", reckoned as f64 / peak as f64);
            println!("{line}");
            if reckoned + ROUNDING < peak {
                below.push(line);
            } else if reckoned > peak + peak / 2 && peak > SMALL {
                above.push(line);
            }
        }
    }
    assert!(below.is_empty() && above.is_empty(), "too little: {below:#?}, too much: {above:#?}");
}

/// With more memory than is needed there are faster ways, which take more of it: never more than they may.
fn check_faster(name: &str, original: &[u8], queries: &[&str]) {
    for query in queries {
        let mut memory = outcome(original, query).reckoned;
        let limit = u64::from(WIDTH * HEIGHT) * 160;
        while memory < limit {
            memory += memory / 2;
            let peak = peak(original, query, memory).unwrap();
            assert!(peak <= memory + ROUNDING, "{name} {query}: {peak} of {memory}");
        }
    }
}

const WIDTH: u32 = 700;
const HEIGHT: u32 = 560;

static OVERLAY: LazyLock<Vec<u8>> =
    LazyLock::new(|| encoded(Format::Png, &photograph(600, 450, Channels::Rgba), LOSSLESS));

#[test]
fn originals_of_every_format_are_reckoned() {
    let photo = photograph(WIDTH, HEIGHT, Channels::Rgb);
    let (grey, alpha) = (photograph(WIDTH, HEIGHT, Channels::L), photograph(WIDTH, HEIGHT, Channels::Rgba));
    let table = [
        ("jpeg", encoded(Format::Jpeg, &photo, LOSSY)),
        ("progressive jpeg", encoded(Format::Jpeg, &photo, PROGRESSIVE)),
        ("grey jpeg", encoded(Format::Jpeg, &grey, LOSSY)),
        ("cmyk jpeg", cmyk(WIDTH as u16, HEIGHT as u16)),
        ("png", encoded(Format::Png, &photo, LOSSY)),
        ("png with alpha", encoded(Format::Png, &alpha, LOSSY)),
        ("png with a palette", encoded(Format::Png, &drawing(WIDTH, HEIGHT), LOSSY)),
        ("png of 16 bits", sixteen_bits(&photo)),
        ("webp", encoded(Format::WebP, &photo, LOSSY)),
        ("webp with alpha", encoded(Format::WebP, &alpha, LOSSY)),
        ("lossless webp", encoded(Format::WebP, &photo, LOSSLESS)),
        ("gif", encoded(Format::Gif, &photo, LOSSY)),
        ("tiff", tiff(&photo)),
        ("bmp", bmp(&photo)),
    ];
    check(&table, &QUERIES);
}

#[test]
fn avifs_of_every_kind_are_reckoned() {
    let [photo, grey, alpha] =
        [Channels::Rgb, Channels::L, Channels::Rgba].map(|channels| photograph(WIDTH, HEIGHT, channels));
    let table = [
        ("avif", encoded(Format::Avif, &photo, LOSSY)),
        ("grey avif", encoded(Format::Avif, &grey, LOSSY)),
        ("avif with alpha", encoded(Format::Avif, &alpha, LOSSY)),
        ("avif with all of its chroma", encoded(Format::Avif, &photo, LOSSLESS)),
        ("wide avif", encoded(Format::Avif, &photograph(2400, 130, Channels::Rgb), LOSSY)),
    ];
    check(&table, &QUERIES);
}

/// A HEIC of this size whose cells are all the picture of one file of 128 by 64 pixels.
#[cfg(feature = "heic")]
fn heic(cell: &[u8], width: u32, height: u32) -> Vec<u8> {
    let boxed = |kind: &[u8; 4], parts: &[&[u8]]| {
        let content = parts.concat();
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, &content].concat()
    };
    let full = |kind: &[u8; 4], version: u8, parts: &[&[u8]]| boxed(kind, &[&[version, 0, 0, 0], &parts.concat()]);
    let at = |kind: &[u8]| memchr::memmem::find(cell, kind).unwrap();
    let of = |kind: &[u8]| {
        let start = at(kind) - 4;
        &cell[start..start + u32::from_be_bytes(cell[start..start + 4].try_into().unwrap()) as usize]
    };
    let data = &of(b"mdat")[8..];
    let (columns, rows) = (width.div_ceil(128) as u16, height.div_ceil(64) as u16);
    let (cells, grid) = (columns * rows, columns * rows + 1);
    let layout = [&[0, 1, rows as u8 - 1, columns as u8 - 1][..], &width.to_be_bytes(), &height.to_be_bytes()].concat();
    let of_each = |of_one: &dyn Fn(u16) -> Vec<u8>| (1..=cells).flat_map(of_one).collect::<Vec<u8>>();
    let item = |id: u16, kind: &[u8; 4]| full(b"infe", 2, &[&id.to_be_bytes(), &[0, 0], kind, &[0]]);
    let items = [of_each(&|id| item(id, b"hvc1")), item(grid, b"grid")].concat();
    let targets = [&grid.to_be_bytes()[..], &cells.to_be_bytes(), &of_each(&|id| id.to_be_bytes().to_vec())].concat();
    let size = full(b"ispe", 0, &[&width.to_be_bytes(), &height.to_be_bytes()]);
    let properties = boxed(b"ipco", &[of(b"hvcC"), of(b"ispe"), &size]);
    let associations =
        [of_each(&|id| [&id.to_be_bytes()[..], &[2, 0x81, 2]].concat()), grid.to_be_bytes().to_vec(), vec![1, 3]];
    let associations = full(b"ipma", 0, &[&u32::from(grid).to_be_bytes(), &associations.concat()]);
    let meta = |media: u32| {
        let place = |id: u16, at: u32, len: usize| {
            [&id.to_be_bytes()[..], &[0, 0, 0, 1], &at.to_be_bytes(), &(len as u32).to_be_bytes()].concat()
        };
        let end = media + u32::from(cells) * data.len() as u32;
        let places = [
            of_each(&|id| place(id, media + u32::from(id - 1) * data.len() as u32, data.len())),
            place(grid, end, layout.len()),
        ]
        .concat();
        full(
            b"meta",
            0,
            &[
                &full(b"hdlr", 0, &[b"\0\0\0\0pict", &[0; 13]]),
                &full(b"pitm", 0, &[&grid.to_be_bytes()]),
                &full(b"iloc", 0, &[&[0x44, 0], &grid.to_be_bytes(), &places]),
                &full(b"iinf", 0, &[&grid.to_be_bytes(), &items]),
                &full(b"iref", 0, &[&boxed(b"dimg", &[&targets])]),
                &boxed(b"iprp", &[&properties, &associations]),
            ],
        )
    };
    let start = boxed(b"ftyp", &[b"heic\0\0\0\0heicmif1"]);
    let media = start.len() + meta(0).len() + 8;
    [start, meta(media as u32), boxed(b"mdat", &[&data.repeat(cells.into()), &layout])].concat()
}

#[cfg(feature = "heic")]
#[test]
fn heics_are_reckoned() {
    let fixture = |name: &str| std::fs::read(format!("{}/fixtures/heic/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let table = [
        ("heic", heic(&fixture("420.heic"), WIDTH, HEIGHT)),
        ("grey heic", heic(&fixture("grey.heic"), WIDTH, HEIGHT)),
        ("heic with all of its chroma", heic(&fixture("lossless.heic"), WIDTH, HEIGHT)),
    ];
    check(&table, &QUERIES);
}

/// Holds one original against the bounds for every step.
fn check_steps(name: &str, format: Format, channels: Channels) {
    // The model that finds faces is read once, and kept for all pictures.
    outcome(&encoded(Format::Png, &drawing(50, 50), LOSSY), "redact=faces&format=png");
    check(&[(name, encoded(format, &photograph(WIDTH, HEIGHT, channels), LOSSY))], &MORE_QUERIES);
}

#[test]
fn every_step_from_jpeg_is_reckoned() {
    check_steps("jpeg", Format::Jpeg, Channels::Rgb);
}

#[test]
fn every_step_from_png_is_reckoned() {
    check_steps("png", Format::Png, Channels::Rgba);
}

#[test]
fn gain_maps_are_reckoned() {
    let photo = encoded(Format::Jpeg, &photograph(WIDTH, HEIGHT, Channels::Rgb), LOSSY);
    let queries = ["format=jpeg", "rotate=90", "w=300", "crop=10,10,500,400", "linear&w=500", "metadata=all"];
    for (name, width, channels) in [("small", WIDTH / 4, Channels::L), ("large", WIDTH, Channels::Rgb)] {
        let map = encoded(Format::Jpeg, &photograph(width, HEIGHT * width / WIDTH, channels), LOSSY);
        let carried = Carried::default().with_gain_map(&map, &GainMapParameters::of_log_gain(2.0), None);
        let original = embed(photo.clone(), Format::Jpeg, &carried, WIDTH, HEIGHT);
        // The least memory is that for the picture alone, and with more of it there is a gain map.
        check_faster(name, &original, &queries);
        check(&[(name, original)], &queries);
    }
}

#[test]
fn animations_are_reckoned() {
    let of = |format| animated(format, WIDTH / 2, HEIGHT / 2);
    check(&[("gif", of(Format::Gif)), ("webp", of(Format::WebP))], &OF_ANIMATIONS);
}

#[test]
fn webps_are_reckoned_whatever_is_in_them() {
    let [black_and_white, grain] = [|sample: u8| if sample < 128 { 0 } else { 255 }, |sample| sample].map(noise);
    let [photo, alpha] = [Channels::Rgb, Channels::Rgba].map(|channels| photograph(WIDTH, HEIGHT, channels));
    for (name, picture, faster) in
        [("black and white", black_and_white, 2), ("photograph", photo, 0), ("alpha", alpha, 3), ("grain", grain, 0)]
    {
        let original = encoded(Format::Png, &picture, LOSSY);
        check_faster(name, &original, &AS_WEBP[..faster]);
        check(&[(name, original)], &AS_WEBP);
    }
}
