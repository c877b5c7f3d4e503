//! Ten megabytes of noise behind a valid head must take at most twelve times as long to read as one megabyte: what is
//! read of a file's structure is linear in its length. Of what a copy loses by leaving the caches that much is granted
//! as well. `cargo bench --bench noise` prints a line for each container, and
//! fails where one is not.

use std::hint::black_box;
use std::io::Cursor;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use image_origin::codec::{Budget, Cancellation, decoder_for};
use image_origin::metadata::{self, Keep};
use image_origin::transform;

/// The program's own: others give blocks of megabytes back at once, and then each page of them is a fault anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MEGABYTE: usize = 1 << 20;
/// Times that ten megabytes may take of one.
const MOST: f64 = 12.0;
/// The least of so many runs counts, for the machine has other things to do as well.
const RUNS: usize = 7;
const BUDGET: Budget = Budget { pixels: 1 << 24, memory: 512 << 20 };

/// Bytes without order, in which markers and headers of all kinds occur by chance.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        // Xorshift (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// The name of a container, and a file of it with this much noise.
type Maker = (&'static str, fn(&[u8]) -> Vec<u8>);

fn sized(noise: &[u8], little_endian: bool) -> [u8; 4] {
    let len = noise.len() as u32;
    if little_endian { len.to_le_bytes() } else { len.to_be_bytes() }
}

const CONTAINERS: [Maker; 8] = [
    ("gif", |noise| [b"GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xff\xff\xff!\xfe", noise].concat()),
    ("png", |noise| {
        let header = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x10\0\0\0\x10\x08\x02\0\0\0\x90\x91\x68\x36";
        [header, &sized(noise, false)[..], b"tEXtRaw profile type xmp\0", noise].concat()
    }),
    ("png of XMP", |noise| {
        let header = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x10\0\0\0\x10\x08\x02\0\0\0\x90\x91\x68\x36";
        let text = [b"XML:com.adobe.xmp\0\0\0\0\0<a>".as_slice(), &noise[..noise.len() - 21]].concat();
        [header, &sized(&text, false)[..], b"iTXt", &text, b"\0\0\0\0\0\0\0\x01IDATx\0\0\0\0"].concat()
    }),
    ("webp", |noise| {
        let header = b"VP8X\x0a\0\0\0\x0c\0\0\0\x0f\0\0\x0f\0\0EXIF";
        let body = [header.as_slice(), &sized(noise, true)[..], noise].concat();
        [b"RIFF", &sized(&body, true)[..], b"WEBP", &body].concat()
    }),
    ("tiff", |noise| [b"II*\0\x08\0\0\0\xff\xff", noise].concat()),
    ("heif", |noise| {
        let start = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf";
        let meta = (noise.len().min(3 << 20) as u32 + 12).to_be_bytes();
        [start, &meta[..], b"meta\0\0\0\0", noise].concat()
    }),
    ("jpeg", |noise| [b"\xff\xd8", noise].concat()),
    ("netpbm", |noise| [b"P3\n16 16 255\n", noise].concat()),
];

/// All ways of reading a file's structure.
fn read(file: &[u8]) {
    let work = Cancellation::unbounded();
    let _ = black_box(transform::report(file, &work));
    let _ = black_box(metadata::carry(file, Keep::All, &work));
    let _ = black_box(metadata::strip(&mut Cursor::new(file), Keep::Copyright, &work));
    if let Ok(decoder) = decoder_for(file) {
        let _ = black_box(decoder.probe(file, BUDGET, &work));
        let _ = black_box(decoder.animation(file, &work));
    }
}

fn least(work: impl Fn()) -> f64 {
    let run = || {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    std::iter::repeat_with(run).take(RUNS).min().unwrap_or_default().as_secs_f64()
}

/// How many times as long a copy of ten megabytes takes as one of one, beyond ten times: the shorter may fit into a cache.
fn beyond_caches(noise: &[u8]) -> f64 {
    let copy = |bytes: &[u8]| least(|| drop(black_box(black_box(bytes).to_vec())));
    (copy(noise) / copy(&noise[..MEGABYTE]) / 10.0).max(1.0)
}

fn main() -> ExitCode {
    let noise = noise(10 * MEGABYTE);
    let most = MOST * beyond_caches(&noise);
    let mut is_linear = true;
    println!("{:<12} {:>10} {:>10} {:>7}", "container", "1 MB", "10 MB", "ratio");
    for (name, make) in CONTAINERS {
        let [short, long] = [&noise[..MEGABYTE], &noise].map(|noise| {
            let file = make(noise);
            least(|| read(&file))
        });
        // What ends at the first error takes microseconds either way.
        let ratio = long / short.max(20e-6);
        is_linear &= ratio <= most;
        let [short, long] = [short, long].map(Duration::from_secs_f64);
        println!("{name:<12} {short:>10.2?} {long:>10.2?} {ratio:>7.2}");
    }
    println!("at most {most:.2} is allowed: {MOST}, and what a copy of these bytes loses to the caches");
    if is_linear { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
