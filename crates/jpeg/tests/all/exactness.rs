//! The decoder beside `djpeg` (libjpeg-turbo).

use image_origin_jpeg::{DecodeOptions, Image, Scale, Upsampling, decode};

use super::peers::{Recorded, checksum, djpeg};
use crate::fixtures;

/// Pictures of each subsampling, baseline and progressive, with restarts, of one component, and upright ones in turns.
const FILES: [&str; 12] = [
    "jpeg/411.jpg",
    "jpeg/422.jpg",
    "jpeg/440.jpg",
    "jpeg/444.jpg",
    "jpeg/grey.jpg",
    "jpeg/p3.jpg",
    "jpeg/progressive.jpg",
    "jpeg/restart.jpg",
    "orientation/1.jpg",
    "orientation/6.jpg",
    "photo.jpg",
    "photo-progressive.jpg",
];

fn decoded(file: &[u8], scale: Scale, upsampling: Upsampling) -> Image {
    decode(file, &DecodeOptions::default().scale(scale).upsampling(upsampling)).unwrap()
}

#[test]
fn pixels_are_those_of_the_peer_to_the_bit() {
    let mut peer = Recorded::open("djpeg.txt");
    for name in FILES {
        let file = std::fs::read(fixtures().join(name)).unwrap();
        for (way, upsampling, arguments) in
            [("smooth", Upsampling::Smooth, &[][..]), ("nearest", Upsampling::Nearest, &["-nosmooth"])]
        {
            let image = decoded(&file, Scale::Full, upsampling);
            let ours = format!("{}x{} {}", image.width, image.height, checksum(&image.pixels));
            let theirs = peer.answer(&format!("{name} {way}"), || {
                let (width, height, samples) = djpeg(&file, arguments);
                format!("{width}x{height} {}", checksum(&samples))
            });
            assert_eq!(ours, theirs, "{name} {way}");
        }
    }
    peer.close(2 * FILES.len());
}

/// At an eighth the peer takes chroma of halved resolution from more than the first coefficient.
#[test]
fn an_eighth_is_within_two_levels() {
    let reference = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/djpeg-eighth.png");
    let file = std::fs::read(fixtures().join("photo.jpg")).unwrap();
    if std::env::var_os("UPDATE_REFERENCES").is_some() {
        let (width, height, samples) = djpeg(&file, &["-scale", "1/8"]);
        image::RgbImage::from_raw(width as u32, height as u32, samples).unwrap().save(&reference).unwrap();
    }
    let theirs = image::open(&reference).unwrap().into_rgb8();
    let ours = decoded(&file, Scale::Eighth, Upsampling::Smooth);
    assert_eq!((ours.width as u32, ours.height as u32), theirs.dimensions());
    assert_eq!(ours.pixels.len(), theirs.len());
    let most = ours.pixels.iter().zip(theirs.iter()).map(|(one, other)| one.abs_diff(*other)).max();
    assert!(most <= Some(2), "{most:?}");
}
