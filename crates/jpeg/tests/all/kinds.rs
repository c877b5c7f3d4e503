//! The kinds of JPEG that there are, decoded from small samples.

use image_origin_jpeg::{
    Colour, DecodeError, DecodeOptions, Image, Inks, PixelFormat, Process, Rect, Scale, Upsampling, Warning, decode,
    exif, icc_profile, read_header,
};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::samples::{FlatBlocks, Sample};

const SAMPLINGS: [SamplingFactor; 8] = [
    SamplingFactor::R_4_4_4,
    SamplingFactor::R_4_2_2,
    SamplingFactor::R_4_2_0,
    SamplingFactor::R_4_4_0,
    SamplingFactor::R_4_1_1,
    SamplingFactor::R_4_1_0,
    SamplingFactor::R_4_4_1,
    SamplingFactor::R_4_2_1,
];

/// All combinations of sampling, process and restarts.
fn samples() -> impl Iterator<Item = Sample> {
    let processes = [(false, 0), (false, 1), (false, 3), (true, 0), (true, 2)];
    SAMPLINGS.into_iter().flat_map(move |sampling| {
        processes.into_iter().map(move |(progressive, restart_interval)| Sample {
            sampling,
            progressive,
            restart_interval,
            ..Sample::default()
        })
    })
}

fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>() / a.len() as f64
}

fn at_scale(bytes: &[u8], scale: Scale) -> Image {
    decode(bytes, &DecodeOptions::default().scale(scale)).unwrap()
}

#[test]
fn every_sampling_and_process_gives_the_picture_back() {
    for sample in samples() {
        let image = at_scale(&sample.encode(), Scale::Full);
        assert_eq!((image.width, image.height), (75, 53));
        assert_eq!(image.warnings, []);
        let difference = mean_difference(&image.pixels, &sample.pixels());
        assert!(difference < 6.0, "{sample:?}: {difference}");
    }
}

#[test]
fn another_decoder_gives_the_same() {
    // It does not read the rarer samplings right.
    for sample in samples().filter(|sample| SAMPLINGS[..4].contains(&sample.sampling)) {
        let bytes = sample.encode();
        let Ok(expected) = zune_jpeg::JpegDecoder::new(ZCursor::new(&bytes)).decode() else { continue };
        let difference = mean_difference(&at_scale(&bytes, Scale::Full).pixels, &expected);
        assert!(difference < 1.0, "{sample:?}: {difference}");
    }
}

#[test]
fn progressive_and_sequential_agree_at_all_scales() {
    for sampling in SAMPLINGS {
        let sequential = Sample { sampling, ..Sample::default() };
        let progressive = Sample { progressive: true, ..sequential };
        for scale in Scale::ALL {
            let (a, b) = (at_scale(&sequential.encode(), scale), at_scale(&progressive.encode(), scale));
            assert_eq!(a, b, "{sampling:?} {scale:?}");
        }
    }
}

#[test]
fn reduced_pictures_are_close_to_means_of_the_full_one() {
    for sample in samples() {
        let bytes = sample.encode();
        let full = at_scale(&bytes, Scale::Full);
        for scale in Scale::ALL {
            let reduced = at_scale(&bytes, scale);
            assert_eq!((reduced.width, reduced.height), (scale.apply(75), scale.apply(53)));
            let step = 8.0 / scale.eighths() as f64;
            // The pixels from `start` on that make up one of the reduced picture, and the share of each.
            let parts = |at: usize| {
                let (start, end) = (at as f64 * step, (at + 1) as f64 * step);
                (start as usize..end.ceil() as usize).map(move |i| {
                    let i_end = (i + 1) as f64;
                    (i, (i_end.min(end) - start.max(i as f64)) / step)
                })
            };
            // Whole squares only: what lies beyond the edge is up to the encoder.
            let (mut total, mut count) = (0.0, 0);
            for y in 0..53 * scale.eighths() / 8 {
                for x in 0..75 * scale.eighths() / 8 * 3 {
                    let channel = x % 3;
                    let square = parts(y).flat_map(|(row, down)| {
                        parts(x / 3).map(move |(column, across)| ((row * 75 + column) * 3 + channel, down * across))
                    });
                    let mean: f64 = square.map(|(place, share)| f64::from(full.pixels[place]) * share).sum();
                    total += (mean - f64::from(reduced.pixels[y * reduced.width * 3 + x])).abs();
                    count += 1;
                }
            }
            let difference = total / f64::from(count);
            assert!(difference < 4.0, "{sample:?} {scale:?}: {difference}");
        }
    }
}

#[test]
fn a_region_is_the_same_as_in_the_whole_picture() {
    let regions = [(0, 0, 1, 1), (20, 10, 30, 20), (74, 52, 1, 1), (0, 40, 75, 13), (33, 0, 9, 53)];
    for sample in samples() {
        let bytes = sample.encode();
        for (scale, (x, y, width, height)) in
            Scale::ALL.into_iter().flat_map(|scale| regions.map(|region| (scale, region)))
        {
            let whole = at_scale(&bytes, scale);
            let region = Rect { x, y, width, height };
            let part = decode(&bytes, &DecodeOptions::default().scale(scale).region(region)).unwrap();
            let area = part.area;
            assert!(area.x <= x && area.y <= y, "{area:?} {region:?}");
            assert!(area.x + area.width >= x + width && area.y + area.height >= y + height, "{area:?} {region:?}");
            let offset = |full: u32| full as usize * scale.eighths() / 8;
            let end = |full: u32| scale.apply(full as usize);
            for row in offset(y)..end(y + height) {
                for column in offset(x)..end(x + width) {
                    let ours = ((row - offset(area.y)) * part.width + column - offset(area.x)) * 3;
                    let theirs = (row * whole.width + column) * 3;
                    assert_eq!(
                        part.pixels[ours..ours + 3],
                        whole.pixels[theirs..theirs + 3],
                        "{sample:?} {scale:?} {region:?} at {column},{row}"
                    );
                }
            }
        }
    }
}

#[test]
fn colours_are_read_as_they_are_meant() {
    let cases = [
        (ColorType::Luma, Colour::Grey, PixelFormat::Grey),
        (ColorType::Rgb, Colour::YCbCr, PixelFormat::Rgb),
        (ColorType::Cmyk, Colour::Cmyk, PixelFormat::Cmyk),
        (ColorType::CmykAsYcck, Colour::Ycck, PixelFormat::Cmyk),
    ];
    for (colour, expected, format) in cases {
        let sample = Sample { colour, sampling: SamplingFactor::R_4_4_4, ..Sample::default() };
        let bytes = sample.encode();
        assert_eq!(read_header(&bytes).unwrap().colour, expected);
        let image = at_scale(&bytes, Scale::Full);
        assert_eq!(image.format, format);
        let difference = mean_difference(&image.pixels, &sample.pixels());
        assert!(difference < 4.0, "{colour:?}: {difference}");
    }
}

/// The one colour of a picture of flat blocks.
fn flat_colour(sample: &FlatBlocks) -> Result<Vec<u8>, DecodeError> {
    let mut colours = Vec::new();
    for scale in Scale::ALL {
        for upsampling in [Upsampling::Smooth, Upsampling::Nearest] {
            let image = decode(&sample.encode(), &DecodeOptions::default().scale(scale).upsampling(upsampling))?;
            assert_eq!(image.warnings, [], "{sample:?}");
            assert_eq!(image.width, scale.apply(usize::from(sample.width)));
            assert_eq!(image.height, scale.apply(usize::from(sample.height)));
            let channels = image.format.channels();
            let colour = image.pixels[..channels].to_vec();
            assert!(image.pixels.chunks(channels).all(|pixel| pixel == colour), "{sample:?} {scale:?}");
            colours.push(colour);
        }
    }
    colours.dedup();
    assert_eq!(colours.len(), 1, "{sample:?}");
    Ok(colours.remove(0))
}

#[test]
fn unusual_files_are_read() {
    let base = FlatBlocks::default();
    let expected = [211, 174, 130];
    let three = |factors: [(u8, u8); 3]| {
        factors.iter().zip([180, 100, 150]).map(|(&(h, v), value)| (h, v, value)).collect::<Vec<_>>()
    };
    let cases = [
        base.clone(),
        FlatBlocks { process: 0xC1, ..base.clone() },
        FlatBlocks { scans: vec![vec![0], vec![1], vec![2]], ..base.clone() },
        FlatBlocks { scans: vec![vec![0], vec![2, 1]], ..base.clone() },
        FlatBlocks { scans: vec![vec![2, 0, 1]], ..base.clone() },
        FlatBlocks { wide_steps: true, ..base.clone() },
        FlatBlocks { dnl: true, ..base.clone() },
        FlatBlocks { huffman_tables: false, ..base.clone() },
        FlatBlocks { end: false, ..base.clone() },
        FlatBlocks { end: false, scans: vec![vec![0], vec![1], vec![2]], ..base.clone() },
        FlatBlocks { junk: b"junk\xFF\x00\xFF\xFF\xFF".to_vec(), ..base.clone() },
        FlatBlocks { width: 1, height: 1, ..base.clone() },
        FlatBlocks { components: three([(1, 1), (1, 1), (1, 1)]), ..base.clone() },
        FlatBlocks { components: three([(1, 1), (2, 2), (2, 2)]), ..base.clone() },
        FlatBlocks { components: three([(3, 1), (1, 1), (2, 1)]), ..base.clone() },
        FlatBlocks { components: three([(1, 3), (1, 2), (1, 1)]), ..base.clone() },
        FlatBlocks { components: three([(4, 1), (1, 1), (1, 1)]), ..base.clone() },
        // One component waits for rows below it while another is made of several.
        FlatBlocks { components: three([(2, 2), (1, 1), (1, 2)]), ..base.clone() },
        FlatBlocks { components: three([(2, 2), (1, 2), (2, 1)]), ..base.clone() },
        FlatBlocks { components: three([(4, 4), (1, 1), (1, 1)]), scans: vec![vec![0], vec![1], vec![2]], ..base },
    ];
    for sample in cases {
        assert_eq!(flat_colour(&sample).as_deref(), Ok(expected.as_slice()), "{sample:?}");
    }
    let grey = FlatBlocks { components: vec![(2, 2, 77)], scans: vec![vec![0]], ..FlatBlocks::default() };
    assert_eq!(flat_colour(&grey), Ok(vec![77]));
}

#[test]
fn the_caller_says_which_way_inks_count_and_no_marker_does() {
    let components = [40, 80, 120, 200].map(|value| (1, 1, value)).to_vec();
    let plain = FlatBlocks { components, scans: vec![vec![0, 1, 2, 3]], ..FlatBlocks::default() }.encode();
    let adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0";
    let marked = [&plain[..2], adobe, &plain[2..]].concat();
    for bytes in [plain, marked] {
        for (inks, expected) in [(Inks::Complemented, [215, 175, 135, 55]), (Inks::Plain, [40, 80, 120, 200])] {
            let image = decode(&bytes, &DecodeOptions::default().inks(inks)).unwrap();
            assert_eq!((image.format, &image.pixels[..4]), (PixelFormat::Cmyk, expected.as_slice()), "{inks:?}");
        }
    }
}

#[test]
fn what_is_not_read_is_called_unsupported() {
    let cases = [(0xC3, Process::Lossless), (0xC5, Process::Hierarchical), (0xC9, Process::Arithmetic)];
    for (process, expected) in cases {
        let bytes = FlatBlocks { process, ..FlatBlocks::default() }.encode();
        let header = read_header(&bytes).unwrap();
        assert_eq!(header.process, expected);
        assert!(matches!(header.check_supported(), Err(DecodeError::Unsupported(_))));
        assert!(matches!(decode(&bytes, &DecodeOptions::default()), Err(DecodeError::Unsupported(_))));
    }
    let bytes = FlatBlocks { process: 0xC1, precision: 12, ..FlatBlocks::default() }.encode();
    assert_eq!(read_header(&bytes).unwrap().precision, 12);
    assert!(matches!(decode(&bytes, &DecodeOptions::default()), Err(DecodeError::Unsupported(_))));
}

#[test]
fn a_missing_component_is_grey() {
    let sample = FlatBlocks { scans: vec![vec![0]], ..FlatBlocks::default() };
    let image = at_scale(&sample.encode(), Scale::Full);
    assert!(image.pixels.iter().all(|&sample| sample == 180));
}

#[test]
fn metadata_is_found() {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 80);
    let profile: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
    encoder.add_exif_metadata(b"MM\0*payload").unwrap();
    encoder.add_icc_profile(&profile).unwrap();
    encoder.encode(&[0; 192], 8, 8, ColorType::Rgb).unwrap();
    assert_eq!(exif(&bytes), Some(b"MM\0*payload".as_slice()));
    assert_eq!(icc_profile(&bytes), Some(profile));
    let header = read_header(&bytes).unwrap();
    assert_eq!((header.width, header.height, header.precision), (8, 8, 8));
    assert_eq!(header.process, Process::Baseline);
    assert_eq!(header.components.len(), 3);

    let plain = FlatBlocks::default().encode();
    assert_eq!((exif(&plain), icc_profile(&plain)), (None, None));
}

#[test]
fn restart_markers_confine_damage() {
    let sample = Sample { width: 160, height: 160, restart_interval: 10, ..Sample::default() };
    let whole = at_scale(&sample.encode(), Scale::Full);
    let bytes = sample.encode();
    let restarts: Vec<_> =
        (0..bytes.len() - 1).filter(|&at| bytes[at] == 0xFF && bytes[at + 1] & 0xF8 == 0xD0).collect();
    // Without one interval, the numbers of the markers tell which one it was.
    let cut = [&bytes[..restarts[3]], &bytes[restarts[4]..]].concat();
    let image = at_scale(&cut, Scale::Full);
    assert!(image.warnings.contains(&Warning::Corrupt));
    let row = 160 * 3;
    assert_eq!(image.pixels[..63 * row], whole.pixels[..63 * row]);
    assert_eq!(image.pixels[81 * row..], whole.pixels[81 * row..]);
    assert!(image.pixels[65 * row..79 * row].iter().all(|&sample| sample == 128));
}

/// The amplitude of a wave by the distance between samples, beside that at full size: to low frequencies, a blur is a Gaussian of its
/// variance.
#[test]
fn blur_is_what_low_frequencies_lose() {
    let (width, height, wavelength) = (1024, 16, 37.3);
    let angle = |at: f64| at * std::f64::consts::TAU / wavelength;
    let row: Vec<u8> = (0..width).map(|x| (128.0 + 100.0 * angle(f64::from(x) + 0.5).sin()).round() as u8).collect();
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, 100).encode(&row.repeat(height), width as u16, height as u16, ColorType::Luma).unwrap();
    let amplitude_and_gaussian = |scale: Scale| {
        let image = at_scale(&bytes, scale);
        let distance = 8.0 / scale.eighths() as f64;
        let sample = |x: usize| (angle((x as f64 + 0.5) * distance), f64::from(image.pixels[x]) - 128.0);
        let along = |wave: fn(f64) -> f64| {
            (0..image.width).map(sample).map(|(angle, sample)| wave(angle) * sample).sum::<f64>() / image.width as f64
        };
        (along(f64::sin).hypot(along(f64::cos)), (-image.blur * angle(distance).powi(2) / 2.0).exp())
    };
    let (full, no_loss) = amplitude_and_gaussian(Scale::Full);
    assert_eq!(no_loss, 1.0);
    for scale in Scale::ALL.into_iter().filter(|scale| *scale != Scale::Full) {
        let (amplitude, expected) = amplitude_and_gaussian(scale);
        let loss = amplitude / full;
        assert!(expected < 0.9995 && (loss - expected).abs() < 0.001, "{scale:?}: {loss}, {expected}");
    }
}
