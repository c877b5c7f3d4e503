use super::*;
use image_origin_codec::Samples;
use image_origin_query::Transform;

fn applied(query: &str, width: u32, channels: Channels, samples: &[u8]) -> Raster {
    let effects = query.parse::<Transform>().unwrap().effects;
    let height = samples.len() as u32 / width / channels.count() as u32;
    let raster = Raster::new(width, height, channels, Samples::U8(samples.to_vec())).unwrap();
    apply(raster, &effects, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap()
}

#[test]
fn point_effects_follow_their_formulas() {
    let pixel = [200, 100, 50, 7];
    let table: [(&str, &[u8]); 9] = [
        ("brightness=0.5", &[100, 50, 25, 7]),
        ("brightness=2", &[255, 200, 100, 7]),
        ("contrast=2", &[255, 73, 0, 7]),
        ("contrast=0", &[128, 128, 128, 7]),
        ("saturation=0", &[118, 118, 118, 7]),
        ("gamma=2.2", &[228, 167, 122, 7]),
        ("grayscale", &[118, 7]),
        ("tint=ff8000", &[118, 59, 0, 7]),
        ("invert", &[55, 155, 205, 7]),
    ];
    for (query, expected) in table {
        assert_eq!(applied(query, 1, Channels::Rgba, &pixel).samples().as_bytes(), expected, "{query}");
    }
    assert_eq!(applied("tint=ff0000", 1, Channels::L, &[100]).samples().as_bytes(), [100, 0, 0]);
}

#[test]
fn sixteen_bits_are_stretched_before_they_are_reduced() {
    let ramp: Vec<u16> = (0..256).map(|i| i * 16).collect();
    for query in
        ["brightness=10", "gamma=3", "brightness=5&contrast=2&grayscale&tint=ffffff", "brightness=9&saturation=0.5"]
    {
        let effects = query.parse::<Transform>().unwrap().effects;
        for (channels, count) in [(Channels::L, 1), (Channels::Rgb, 3), (Channels::Rgba, 4)] {
            let samples: Vec<u16> = ramp.iter().flat_map(|sample| std::iter::repeat_n(*sample, count)).collect();
            let raster = Raster::new(256, 1, channels, Samples::U16(samples)).unwrap();
            let out = apply(raster, &effects, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap();
            let Samples::U8(samples) = out.samples() else { panic!("{query}") };
            let mut levels: Vec<u8> = samples.iter().step_by(out.channels().count()).copied().collect();
            levels.dedup();
            assert!(levels.len() > 30, "{query} has {} levels; 8 bits had 17", levels.len());
        }
    }
}

#[test]
fn blur_spreads_a_point_as_a_gaussian_does() {
    for sigma in [0.5, 1.0, 3.0, 6.0, 9.0, 20.0] {
        let mut samples = vec![0; 151 * 151];
        for y in 70..81 {
            samples[y * 151 + 70..y * 151 + 81].fill(255);
        }
        let mass: f64 = 121.0 * 255.0;
        let out = applied(&format!("blur={sigma}"), 151, Channels::L, &samples);
        let bytes = out.samples().as_bytes();
        let sum: f64 = bytes.iter().map(|b| f64::from(*b)).sum();
        assert!((sum / mass - 1.0).abs() < 0.12, "sigma {sigma} keeps the light: {sum} of {mass}");
        let variance: f64 =
            bytes.iter().enumerate().map(|(i, b)| f64::from(*b) * ((i % 151) as f64 - 75.0).powi(2)).sum::<f64>() / sum;
        let expected = sigma * sigma + 10.0;
        assert!((variance / expected - 1.0).abs() < 0.15, "sigma {sigma}: {variance} for {expected}");
    }
}

#[test]
fn the_edge_continues_beyond_the_picture_at_every_sigma() {
    // Noise, whose outermost rows and columns are far from the mean of those beside them.
    let (width, height) = (120usize, 90usize);
    let at = |x: usize, y: usize| {
        let edge = if x == 0 || y + 1 == height { 250 } else { 60 };
        (edge - (x * 7919 + y * 104_729) % 97 % 50) as u8
    };
    let samples: Vec<u8> = (0..width * height).map(|index| at(index % width, index / width)).collect();
    for sigma in [4.0, 6.1, 8.0, 15.0] {
        let out = applied(&format!("blur={sigma}"), width as u32, Channels::L, &samples);
        let weights = kernel(sigma);
        let blurred = |x: usize, y: usize| {
            let reach = weights.len() as i64 - 1;
            let line = |y: usize| {
                let sample = |dx: i64| at((x as i64 + dx).clamp(0, width as i64 - 1) as usize, y);
                (-reach..=reach).map(|dx| weights[dx.unsigned_abs() as usize] * f32::from(sample(dx))).sum::<f32>()
            };
            let row = |dy: i64| line((y as i64 + dy).clamp(0, height as i64 - 1) as usize);
            (-reach..=reach).map(|dy| weights[dy.unsigned_abs() as usize] * row(dy)).sum::<f32>()
        };
        for (x, y) in [(0, 0), (0, 45), (60, 0), (60, 89), (119, 40), (119, 89), (60, 45), (5, 84)] {
            let (found, expected) = (f32::from(out.samples().as_bytes()[y * width + x]), blurred(x, y));
            assert!((found - expected).abs() < 5.0, "sigma {sigma} at {x},{y}: {found} for {expected}");
        }
    }
}

#[test]
fn blur_does_not_bleed_the_colour_of_the_transparent() {
    let pixels = [[255, 255, 255, 255], [0, 0, 0, 0]].concat().repeat(8);
    for pixel in applied("blur=2", 16, Channels::Rgba, &pixels).samples().as_bytes().as_chunks::<4>().0 {
        assert_eq!(pixel[..3], [255; 3]);
    }
}

#[test]
fn sharpening_steepens_an_edge_and_leaves_plains() {
    let edge = applied("sharpen=1", 12, Channels::L, &[[100; 6], [150; 6]].concat());
    let bytes = edge.samples().as_bytes();
    assert!(bytes[5] < 95 && bytes[6] > 155 && bytes[0] == 100 && bytes[11] == 150, "{bytes:?}");
}

#[test]
fn halos_stay_within_their_limit() {
    let steps = [[60; 8], [180; 8]].concat();
    for (channels, samples) in [
        (Channels::L, steps.clone()),
        (Channels::Rgb, steps.iter().flat_map(|sample| [*sample, 240 - sample, 128]).collect::<Vec<_>>()),
        (Channels::Rgba, steps.iter().flat_map(|sample| [*sample, 240 - sample, 128, 255]).collect()),
    ] {
        let halo = |query: &str| {
            let out = applied(query, 16, channels, &samples);
            out.samples().as_bytes().iter().zip(&samples).map(|(out, sample)| out.abs_diff(*sample)).max().unwrap()
        };
        let [free, limited, least] =
            ["sharpen=3", "sharpen=3&sharpen_limit=10", "sharpen=3&sharpen_limit=0.1"].map(halo);
        assert!(free > 60 && (25..=26).contains(&limited) && least <= 1, "{channels:?}: {free} {limited} {least}");
        // What stays below the limit is sharpened as without.
        assert_eq!(
            applied("sharpen=3&sharpen_limit=99", 16, channels, &samples),
            applied("sharpen=3", 16, channels, &samples)
        );
    }
    let effects = "sharpen=1&sharpen_limit=50".parse::<Transform>().unwrap().effects;
    assert!(!are_linear(&effects), "a limit of luma would be none of red");
}

#[test]
fn pixelating_makes_squares_of_their_mean() {
    let samples: Vec<u8> = (0..5 * 4).map(|i| i * 10).collect();
    let out = applied("pixelate=2", 5, Channels::L, &samples);
    let row = |a: u8, b, c| [a, a, b, b, c];
    let expected = [row(30, 50, 65), row(30, 50, 65), row(130, 150, 165), row(130, 150, 165)];
    assert_eq!(out.samples().as_bytes(), expected.concat());
}

#[test]
fn a_stop_ends_a_blur() {
    let cancellation = Cancellation::unbounded();
    cancellation.cancel();
    let raster = Raster::new(4, 4, Channels::L, Samples::U8(vec![0; 16])).unwrap();
    assert_eq!(blur(raster, 50.0, Budget::UNLIMITED, &cancellation), Err(codec::Cancelled.into()));
}
