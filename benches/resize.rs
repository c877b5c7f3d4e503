//! How many megapixels of the original go through the resize itself in a second, and how many the whole way from the
//! bytes of a file to the bytes of the answer; each beside sharp, in turn, on one thread.
//!
//! The raster itself is handed to the resize, and no decoder makes it smaller before. A word behind `--` picks cases.

#![allow(clippy::expect_used)] // an answer that fails is no measurement

mod measure;
mod peers;
mod pictures;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image_origin::codec::{Area, Format, Raster};
use image_origin::query::Transform;
use image_origin::transform::{Render, resize};
use peers::Sharp;
use pictures::{BUDGET, ENCODING};

/// Rounds of a case, in which both take turns.
const ROUNDS: usize = 15;

/// The time of one piece of work on the clock and, where the system tells, on the processor.
#[derive(Debug, Clone, Copy)]
struct Took {
    clock: Duration,
    processor: Duration,
}

/// Does a piece of work and says what it took. It has to read this many bytes.
fn timed<T>(name: &str, bytes: usize, work: impl FnOnce() -> T) -> Took {
    let before = measure::processor_time();
    let start = Instant::now();
    black_box(work());
    let clock = start.elapsed();
    measure::check(name, bytes, clock);
    let processor = measure::processor_time().zip(before).map_or(clock, |(after, before)| after.saturating_sub(before));
    Took { clock, processor }
}

/// The median of what several rounds took, on the clock and on the processor apart.
fn median(mut rounds: Vec<Took>) -> Took {
    let middle = rounds.len() / 2;
    rounds.sort_by_key(|took| took.clock);
    let clock = rounds[middle].clock;
    rounds.sort_by_key(|took| took.processor);
    Took { clock, processor: rounds[middle].processor }
}

/// The bench: what is asked for, and the peer or why there is none.
struct Bench {
    filter: Option<String>,
    sharp: Result<Sharp, String>,
    folder: PathBuf,
}

impl Bench {
    /// A line of the table. `ours` does the work once; sharp does it with the same file and query.
    fn line(
        &mut self,
        name: &str,
        pixels: f64,
        file: &Path,
        (query, raw): (&str, Option<[u32; 3]>),
        mut ours: impl FnMut(&str) -> Took,
    ) {
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            return;
        }
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        // The first round warms both up.
        for round in 0..=ROUNDS {
            let took = ours(name);
            let peer = self.sharp.as_mut().ok().map(|sharp| sharp.ask(file, query, raw));
            if round > 0 {
                mine.push(took);
            }
            match peer {
                Some(Ok(peer)) if round > 0 => theirs.push(Took { clock: peer.clock, processor: peer.processor }),
                Some(Err(problem)) => self.sharp = Err(problem),
                _ => {}
            }
        }
        let rate = |time: Duration| pixels / 1e6 / time.as_secs_f64();
        let mine = median(mine);
        let ours = format!("{:7.0} {:7.0} MP/s", rate(mine.clock), rate(mine.processor));
        if theirs.is_empty() {
            return println!("{name:44} {ours}");
        }
        let theirs = median(theirs);
        let ratio = mine.processor.as_secs_f64() / theirs.processor.as_secs_f64();
        println!("{name:44} {ours}  {:7.0} {:7.0} MP/s  {ratio:5.2}", rate(theirs.clock), rate(theirs.processor));
    }

    /// The resize alone, of all pixels or of the middle square.
    fn resize(&mut self, kind: &str, original: &Raster) {
        let (width, height) = (original.width(), original.height());
        let channels = original.channels().count();
        let file = self.folder.join(format!("{kind}.raw"));
        std::fs::write(&file, original.samples().as_bytes()).expect("the folder can be written");
        let whole = Area::whole(width, height);
        let side = f64::from(height);
        let square = Area { x: f64::from(width - height) / 2.0, width: side, ..whole };
        for (what, area, size, query) in [
            ("to 300", whole, (300, 225), "w=300&h=225&format=raw"),
            ("to 800", whole, (800, 600), "w=800&h=600&format=raw"),
            ("to 1600", whole, (1600, 1200), "w=1600&h=1200&format=raw"),
            ("square to 800", square, (800, 800), "w=800&h=800&fit=cover&format=raw"),
        ] {
            let pixels = area.width * area.height;
            let raw = Some([width, height, channels as u32]);
            self.line(&format!("resize 12 MP {kind} {what}"), pixels, &file, (query, raw), |name| {
                let source = original.clone();
                timed(name, pixels as usize * channels, || {
                    resize(source, area, area, size.0, size.1, BUDGET).expect("there is memory")
                })
            });
        }
    }

    /// The whole way, where most of the time is the decoder's.
    fn render(&mut self, original: &Raster) {
        let pixels = f64::from(original.width()) * f64::from(original.height());
        for (format, query) in [
            (Format::Jpeg, "w=300&format=jpeg&q=80"),
            (Format::Jpeg, "w=800&format=jpeg&q=80"),
            (Format::Png, "w=800&format=jpeg&q=80"),
        ] {
            let bytes = pictures::encoded(original, format, ENCODING);
            let file = self.folder.join(format!("photo.{format}"));
            std::fs::write(&file, &bytes).expect("the folder can be written");
            let transform: Transform = query.parse().expect("the query is right");
            self.line(&format!("whole way, 12 MP {format} {query}"), pixels, &file, (query, None), |name| {
                timed(name, bytes.len(), || {
                    Render::new(&bytes).transform(transform.clone()).limits(BUDGET).run().expect("it is whole")
                })
            });
        }
    }
}

fn main() {
    // cargo hands on `--bench`.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("resize");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let mut bench = Bench { filter, sharp: Sharp::start(), folder };
    let copy = measure::bandwidth(36_000_000) / 2e9;
    println!(
        "\nMegapixels of the original a second, medians of {ROUNDS} rounds. A copy of 36 MB moves {copy:.1} GB/s."
    );
    println!("{:44} {:20}  {:20}  ratio of", "", "this project", "sharp");
    println!("{:44} {:7} {:12}  {:7} {:12}  processor time", "", "clock", "processor", "clock", "processor");
    let photo = pictures::photo(12);
    bench.resize("RGB", &photo);
    bench.resize("RGBA", &pictures::faded(&photo));
    bench.render(&photo);
    if let Err(problem) = &bench.sharp {
        println!("sharp is not measured: {problem}.");
        println!("Its figures take Node.js 20 or newer, and `npm install` in benches/peers once.");
    }
}
