//! What reading the structure of a file costs: for every byte of it, a bounded number of steps and of bytes that are held at
//! one time, whatever it claims. The first byte of the input selects a container that the rest is wrapped in, so that XMP
//! packets and Exif blocks can be fuzzed alone, or a format whose signature the rest is given. The environment variable
//! `COST_CONTAINER` replaces that byte, which directs a whole run at one format:
//!
//! ```sh
//! COST_CONTAINER=7 cargo +nightly fuzz run cost -s none CORPUS -- -max_len=4096
//! ```
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Cursor;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use image_origin_codec::{Budget, Cancellation, decoder_for};
use image_origin_metadata::{self as metadata, Keep};
use image_origin_transform as transform;
use libfuzzer_sys::fuzz_target;

/// Counts the bytes that are allocated, and the most that they were at one time.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator as it came; the counters are no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that may be held beside those that the file's length pays for: a profile or text that inflates, twice while it
/// grows, and the windows that files are read through.
const BASE_MEMORY: usize = 12 << 20;
const MEMORY_PER_BYTE: usize = 64;
/// Steps beside those of the file's length: inflating takes one for 16 bytes, and a window is a thousand.
const BASE_STEPS: u64 = 1 << 19;
const STEPS_PER_BYTE: u64 = 64;
const BUDGET: Budget = Budget { pixels: 1 << 24, memory: 64 << 20 };

/// Replaces the first byte of every input.
static CONTAINER: LazyLock<Option<u8>> = LazyLock::new(|| std::env::var("COST_CONTAINER").ok()?.parse().ok());

/// A PNG or JPEG around a block of metadata, a file whose signature is restored, or the bytes as they are.
fn file(container: u8, bytes: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], parts: &[&[u8]]| {
        let data = parts.concat();
        [&(data.len() as u32).to_be_bytes()[..], name, &data, &[0; 4]].concat()
    };
    let header = chunk(b"IHDR", &[&[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]]);
    let png = |inner: Vec<u8>| {
        [b"\x89PNG\r\n\x1a\n".to_vec(), header.clone(), inner, chunk(b"IDAT", &[b"x"]), chunk(b"IEND", &[])].concat()
    };
    match container {
        0 => png(chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", bytes])),
        1 => png(chunk(b"eXIf", &[bytes])),
        2 => png(chunk(b"tEXt", &[b"Raw profile type 8bim\0", bytes])),
        3 => jpeg(0xed, b"Photoshop 3.0\0", bytes),
        4 => jpeg(0xe1, b"Exif\0\0", bytes),
        5 => signed(&signed(bytes, 0, &[0; 3]), 4, b"ftyp"),
        6 => signed(bytes, 0, if bytes.first() == Some(&b'M') { b"MM\0*" } else { b"II*\0" }),
        7 => signed(&signed(bytes, 0, b"RIFF"), 8, b"WEBP"),
        8 => signed(bytes, 0, b"\x89PNG\r\n\x1a\n"),
        9 => signed(bytes, 0, &[0xff, 0xd8, 0xff]),
        _ => bytes.to_vec(),
    }
}

/// A JPEG whose bytes are in as many segments of a kind as they need.
fn jpeg(marker: u8, name: &[u8], bytes: &[u8]) -> Vec<u8> {
    let parts = bytes.chunks(65_000).flat_map(|part| {
        let length = ((2 + name.len() + part.len()) as u16).to_be_bytes();
        [&[0xff, marker][..], &length, name, part].concat()
    });
    [0xff, 0xd8].into_iter().chain(parts).chain(*b"\xff\xda\0\x02\xff\xd9").collect()
}

/// The bytes with a format's signature at its offset.
fn signed(bytes: &[u8], offset: usize, signature: &[u8]) -> Vec<u8> {
    let mut file = bytes.to_vec();
    file.resize(file.len().max(offset + signature.len()), 0);
    file[offset..offset + signature.len()].copy_from_slice(signature);
    file
}

fuzz_target!(|data: &[u8]| {
    let Some((&container, bytes)) = data.split_first() else { return };
    let file = file(CONTAINER.unwrap_or(container), bytes);
    let ways: [(&str, &dyn Fn(&Cancellation)); 7] = [
        ("report", &|cancellation| {
            _ = transform::report(&file, cancellation).map(|report| serde_json::to_vec(&report.without_location()))
        }),
        ("carry rights", &|cancellation| _ = metadata::carry(&file, Keep::Copyright, cancellation)),
        ("carry all", &|cancellation| _ = metadata::carry(&file, Keep::All, cancellation)),
        ("strip", &|cancellation| _ = metadata::strip(&mut Cursor::new(&file), Keep::None, cancellation)),
        ("strip to rights", &|cancellation| {
            _ = metadata::strip(&mut Cursor::new(&file), Keep::Copyright, cancellation)
        }),
        ("probe", &|cancellation| _ = decoder_for(&file).map(|decoder| decoder.probe(&file, BUDGET, cancellation))),
        ("animation", &|cancellation| _ = decoder_for(&file).map(|decoder| decoder.animation(&file, cancellation))),
    ];
    for (name, way) in ways {
        let (cancellation, before) = (Cancellation::unbounded(), LIVE.load(Relaxed));
        PEAK.store(before, Relaxed);
        way(&cancellation);
        let (held, steps) = (PEAK.load(Relaxed).saturating_sub(before), cancellation.spent().steps);
        assert!(held <= BASE_MEMORY + MEMORY_PER_BYTE * file.len(), "{name} holds {held} bytes of {}", file.len());
        assert!(
            steps <= BASE_STEPS + STEPS_PER_BYTE * file.len() as u64,
            "{name} takes {steps} steps of {}",
            file.len()
        );
    }
});
