//! Small pictures made from a reduced decode, beside the same made with `djpeg` (libjpeg-turbo): both are compared with
//! a full decode followed by the same resize.

use fast_image_resize::images::{Image as Pixels, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use image_origin::codec::jpeg::{Options, PixelFormat, Scale, decode};

use super::peers::{corpus, djpeg};

const WIDTHS: [usize; 7] = [100, 200, 300, 450, 640, 800, 1600];

/// Pixels as three channels, resized to a width and height with Lanczos3.
fn resize(pixels: &[u8], width: usize, height: usize, to: (usize, usize)) -> Vec<u8> {
    let rgb: Vec<u8> = if pixels.len() == width * height {
        pixels.iter().flat_map(|&grey| [grey; 3]).collect()
    } else {
        pixels.to_vec()
    };
    let source = ImageRef::new(width as u32, height as u32, &rgb, PixelType::U8x3).unwrap();
    let mut target = Pixels::new(to.0 as u32, to.1 as u32, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&source, &mut target, &options).unwrap();
    target.into_vec()
}

/// SSIMULACRA2: 100 for identical pictures.
fn score(reference: &[u8], picture: &[u8], (width, height): (usize, usize)) -> f64 {
    let slice =
        |pixels| PixelSlice::new(pixels, width as u32, height as u32, width * 3, PixelDescriptor::RGB8_SRGB).unwrap();
    compute_ssimulacra2(&slice(reference), &slice(picture)).unwrap()
}

#[test]
fn small_pictures_are_as_good_as_those_of_the_peer() {
    let mut worst: f64 = 0.0;
    for file in corpus("photos") {
        let bytes = std::fs::read(&file).unwrap();
        let full = decode(&bytes, &Options::default()).unwrap();
        assert_ne!(full.format, PixelFormat::Cmyk);
        for width in WIDTHS.into_iter().filter(|&width| width * 2 <= full.width) {
            let to = (width, (full.height * width).div_ceil(full.width));
            let reference = resize(&full.pixels, full.width, full.height, to);
            let scale = Scale::ALL.into_iter().find(|scale| scale.apply(full.width) >= width).unwrap();
            let reduced = decode(&bytes, &Options { scale, ..Options::default() }).unwrap();
            let ours = score(&reference, &resize(&reduced.pixels, reduced.width, reduced.height, to), to);
            let Some(peer) = djpeg(&file, &["-scale", &format!("{}/8", scale.eighths())]) else { return };
            let theirs = score(&reference, &resize(&peer.2, peer.0, peer.1, to), to);
            println!("{} {width} {scale:?}: {ours:.2}, peer {theirs:.2}", file.display());
            worst = worst.min(ours - theirs);
        }
    }
    assert!(worst > -0.5, "{worst} worse than the peer");
}
