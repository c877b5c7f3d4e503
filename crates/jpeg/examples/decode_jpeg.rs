//! Decodes a JPEG at a scale to a PNM on standard output, or reports how long that takes:
//! `decode_jpeg FILE EIGHTHS [nearest] [two] [RUNS]`, where `two` allows a second thread.

use std::io::Write;
use std::time::Instant;

use image_origin_jpeg::{DecodeOptions, Permit, PixelFormat, Scale, Upsampling, decode};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bytes = std::fs::read(&arguments[0])?;
    let scale = Scale::ALL.into_iter().find(|scale| arguments.get(1) == Some(&scale.eighths().to_string()));
    let nearest = arguments.iter().any(|argument| argument == "nearest");
    let upsampling = if nearest { Upsampling::Nearest } else { Upsampling::Smooth };
    let has_two = arguments.iter().any(|argument| argument == "two");
    let second_core = || has_two.then(|| Box::new(()) as Permit);
    let options = DecodeOptions::default().scale(scale.unwrap_or_default()).upsampling(upsampling);
    let options = options.second_core(&second_core);
    if let Some(runs) = arguments.last().filter(|_| arguments.len() > 2).and_then(|runs| runs.parse::<usize>().ok()) {
        let mut times: Vec<_> = (0..runs)
            .map(|_| {
                let start = Instant::now();
                let image = decode(&bytes, &options);
                let time = start.elapsed();
                std::hint::black_box(&image);
                time
            })
            .collect();
        times.sort();
        println!("{}: min {:?}, median {:?}", arguments[0], times[0], times[runs / 2]);
        return Ok(());
    }
    let image = decode(&bytes, &options)?;
    eprintln!("{:?} {:?}", image.area, image.warnings);
    let kind = if image.format == PixelFormat::Grey { "P5" } else { "P6" };
    let mut out = std::io::stdout().lock();
    write!(out, "{kind}\n{} {}\n255\n", image.width, image.height)?;
    out.write_all(&image.pixels)?;
    Ok(())
}
