//! This project's side of the comparison: does one piece of work for each line of JSON on standard input, and answers
//! with a line of JSON that says how long it took. `peer make DIR` writes the pictures that are measured where no real
//! photographs are.

#[path = "../pictures/mod.rs"]
mod pictures;

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use image_origin::codec::{self, Budget, Cancellation, Channels, EncodeOptions, Format, Raster, Samples};
use image_origin::query::{FormatChoice, Quality, Transform};
use image_origin::transform::{self, OverlayCache, OverlayFile, Render};
use pictures::{BUDGET, ENCODING};
use serde::{Deserialize, Serialize};

/// What the driver asks for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Request {
    Score(Pair),
    Reckon(Plan),
    Work(Job),
}

/// A picture whose memory is asked for.
#[derive(Debug, Deserialize)]
struct Plan {
    reckon: PathBuf,
    query: String,
}

/// Two pictures of red, green and blue in 8 bits, of one size.
#[derive(Debug, Deserialize)]
struct Pair {
    expected: PathBuf,
    picture: PathBuf,
    width: u32,
    height: u32,
}

/// A picture to make.
#[derive(Debug, Deserialize)]
struct Job {
    file: PathBuf,
    query: String,
    /// The file holds bare pixels, which are only encoded.
    raw: Option<Size>,
    /// Where to keep the result.
    out: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Size {
    width: u32,
    height: u32,
    channels: usize,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Done {
        /// On the clock.
        ms: f64,
        /// On the processor, where the system tells.
        cpu_ms: Option<f64>,
        bytes: usize,
    },
    Scored {
        /// SSIMULACRA2.
        score: f64,
    },
    Reckoned {
        /// The least memory in bytes with which the picture is made, to a 32nd.
        memory: u64,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, folder] = arguments.as_slice()
        && command == "make"
    {
        return make(Path::new(folder));
    }
    let cache = OverlayCache::new(32 << 20);
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Request::Score(pair) => score(&pair)?,
            Request::Reckon(plan) => reckon(&plan)?,
            Request::Work(job) => work(&job, &cache)?,
        };
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &answer)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

/// The folder of the overlays that queries name.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");

fn work(job: &Job, cache: &OverlayCache) -> Result<Answer, Box<dyn Error>> {
    let input = std::fs::read(&job.file)?;
    let transform: Transform = job.query.parse()?;
    let key = transform.overlay.as_ref().map(|overlay| overlay.key.as_str());
    let overlay = key.map(|key| std::fs::read(Path::new(FIXTURES).join(key))).transpose()?;
    let overlay = overlay.as_ref().zip(key).map(|(bytes, key)| OverlayFile { bytes, cache: Some((cache, key)) });
    let (bytes, ms, cpu_ms) = match &job.raw {
        Some(size) => encode(input, size, &transform)?,
        None => {
            timed(|| Ok(Render::new(&input).overlay(overlay).transform(transform.clone()).limits(BUDGET).run()?.bytes))?
        }
    };
    if let Some(out) = &job.out {
        std::fs::write(out, &bytes)?;
    }
    Ok(Answer::Done { ms, cpu_ms, bytes: bytes.len() })
}

fn score(pair: &Pair) -> Result<Answer, Box<dyn Error>> {
    let (expected, picture) = (std::fs::read(&pair.expected)?, std::fs::read(&pair.picture)?);
    Ok(Answer::Scored { score: pictures::score(&expected, &picture, pair.width, pair.height) })
}

/// Finds the limit below which a picture is refused: from both sides, by halves.
fn reckon(plan: &Plan) -> Result<Answer, Box<dyn Error>> {
    let input = std::fs::read(&plan.reckon)?;
    let transform: Transform = plan.query.parse()?;
    let suffices = |memory| {
        let limits = Budget { memory, ..BUDGET };
        match Render::new(&input).transform(transform.clone()).limits(limits).run() {
            Ok(_) => Ok(true),
            Err(transform::Error::Codec(codec::Error::TooLarge { .. })) => Ok(false),
            Err(error) => Err(error),
        }
    };
    let (mut refused, mut memory) = (0, BUDGET.memory);
    while memory - refused > memory / 32 {
        let between = refused + (memory - refused) / 2;
        if suffices(between)? {
            memory = between;
        } else {
            refused = between;
        }
    }
    Ok(Answer::Reckoned { memory })
}

fn encode(pixels: Vec<u8>, size: &Size, transform: &Transform) -> Result<Timed, Box<dyn Error>> {
    let format = match transform.output.format {
        Some(FormatChoice::Png) => Format::Png,
        Some(FormatChoice::WebP) => Format::WebP,
        _ => Format::Jpeg,
    };
    let channels = if size.channels == 4 { Channels::Rgba } else { Channels::Rgb };
    let raster = Raster::new(size.width, size.height, channels, Samples::U8(pixels)).ok_or("the pixels do not fit")?;
    let encoder = codec::encoder(format).ok_or("the format is not written")?;
    let encoding = EncodeOptions {
        quality: if let Some(Quality::Number(quality)) = transform.output.quality { quality } else { 80 },
        lossless: transform.output.lossless,
        progressive: transform.output.progressive,
        ..EncodeOptions::DEFAULT
    };
    timed(|| Ok(encoder.encode(&raster, &encoding, BUDGET, &Cancellation::unbounded())?))
}

/// The output, the time on the clock, and that on the processor.
type Timed = (Vec<u8>, f64, Option<f64>);

fn timed(work: impl FnOnce() -> Result<Vec<u8>, Box<dyn Error>>) -> Result<Timed, Box<dyn Error>> {
    let cpu_start = cpu_ms();
    let start = Instant::now();
    let bytes = work()?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let cpu_end = cpu_ms();
    Ok((bytes, ms, cpu_end.zip(cpu_start).map(|(end, start)| end - start)))
}

/// Time that this thread, which does all of the work, has had on a processor. Linux tells it in nanoseconds, as of
/// the last time that it looked, which is when a thread gives way.
fn cpu_ms() -> Option<f64> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e6)
}

fn make(folder: &Path) -> Result<(), Box<dyn Error>> {
    let progressive = EncodeOptions { progressive: true, ..ENCODING };
    let (big, small) = (pictures::photo(12), pictures::photo(4));
    for (name, raster, format, encoding) in [
        ("made-12mp-baseline.jpg", &big, Format::Jpeg, ENCODING),
        ("made-12mp-progressive.jpg", &big, Format::Jpeg, progressive),
        ("made-4mp-lossy.webp", &small, Format::WebP, ENCODING),
        ("made-4mp-alpha.png", &pictures::faded(&small), Format::Png, ENCODING),
        ("made-drawing.png", &pictures::drawing(800, 600), Format::Png, ENCODING),
    ] {
        std::fs::write(folder.join(name), pictures::encoded(raster, format, encoding))?;
    }
    Ok(())
}
