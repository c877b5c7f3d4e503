//! One scene in the forms that libavif and libtiff give it (`fixtures/make/foreign.py`): each has to show that scene.

use image::{DynamicImage, GenericImageView as _};
use image_origin::codec::Budget;
use image_origin::query::Transform;
use image_origin::transform::Render;

use crate::common::fixtures;

const BUDGET: Budget = Budget { pixels: 1 << 20, memory: 64 << 20 };

fn rendered(file: &str, query: &str) -> DynamicImage {
    let original = std::fs::read(fixtures().join("foreign").join(file)).unwrap();
    let transform: Transform = format!("{query}&format=png").parse().unwrap();
    let picture = Render::new(&original).transform(transform.clone()).limits(BUDGET).run();
    let picture = picture.unwrap_or_else(|error| panic!("{file}: {error}"));
    image::load_from_memory(&picture.bytes).unwrap()
}

/// How far the samples of two pictures are apart on average, where alpha lets them be seen.
fn difference(one: &DynamicImage, other: &DynamicImage) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for ((_, _, one), (_, _, other)) in one.pixels().zip(other.pixels()) {
        let seen = f64::from(other[3]) / 255.0;
        let apart = |index: usize| f64::from(one[index].abs_diff(other[index]));
        sum += seen * (apart(0) + apart(1) + apart(2)) / 3.0 + apart(3);
        weight += seen;
    }
    sum / weight
}

#[test]
fn what_others_wrote_shows_the_scene() {
    // What happens to the scene in the file, and how far it may be off: chroma of half the size smears edges.
    let table = [
        ("420-limited.avif", "scene.png", "", 2.5),
        ("422.avif", "scene.png", "", 1.5),
        ("444-12.avif", "scene.png", "", 1.0),
        ("422-10-limited.avif", "scene.png", "", 1.5),
        ("lossless.avif", "scene.png", "", 0.0),
        ("ycgco.avif", "scene.png", "", 1.0),
        ("alpha-10.avif", "scene-alpha.png", "", 1.0),
        ("premultiplied.avif", "scene-alpha.png", "", 1.0),
        ("turned.avif", "scene.png", "rotate=270", 1.0),
        ("mirrored.avif", "scene.png", "flip=v", 1.0),
        ("turned-mirrored.avif", "scene.png", "rotate=90&flip=h", 1.0),
        ("aperture.avif", "scene.png", "crop=16,24,64,32", 1.0),
        ("grid-10.avif", "scene.png", "", 1.0),
        ("planes.tif", "scene.png", "crop=0,0,48,32", 0.0),
        ("big.tif", "scene.png", "crop=0,0,48,32", 0.0),
        ("big-pages.tif", "scene.png", "crop=0,0,48,32", 0.0),
        ("jpeg-tiles.tif", "scene.png", "crop=0,0,48,32", 4.0),
        ("jpeg-strips.tif", "scene.png", "crop=0,0,48,32", 4.0),
        ("inks.tif", "scene.png", "crop=0,0,48,32", 0.0),
        ("associated.tif", "scene-alpha.png", "crop=0,0,48,32", 1.0),
        ("unspecified.tif", "scene-alpha.png", "crop=0,0,48,32", 0.0),
        ("palette.tif", "scene.png", "crop=0,0,48,32", 2.5),
    ];
    for (file, scene, change, most) in table {
        let (shown, meant) = (rendered(file, ""), rendered(scene, change));
        assert_eq!(shown.dimensions(), meant.dimensions(), "{file}");
        assert_eq!(shown.color().has_alpha(), meant.color().has_alpha(), "{file}");
        let apart = difference(&shown, &meant);
        assert!(apart <= most, "{file}: {apart}");
    }
}
