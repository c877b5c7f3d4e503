//! Damaged fixtures through the whole core: an error or a picture, never a panic.

use image_origin::codec::{Budget, sniff};
use image_origin::query::Transform;
use image_origin::transform::Render;
use proptest::prelude::*;

const BUDGET: Budget = Budget { pixels: 1 << 20, memory: 64 << 20 };

fn originals() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for folder in ["jpeg", "png", "webp", "gif", "orientation", "tiff", "plain", "jxl", "foreign", "heic"] {
        for entry in std::fs::read_dir(crate::common::fixtures().join(folder)).unwrap() {
            files.push(std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
    files.sort();
    files
}

fn survive(bytes: &[u8], query: &str) {
    let transform: Transform = query.parse().unwrap();
    let _ = Render::new(bytes).limits(BUDGET).inspect();
    if let Ok(picture) = Render::new(bytes).transform(transform.clone()).limits(BUDGET).run() {
        assert_eq!(sniff(&picture.bytes), Some(picture.format));
        assert!(picture.width > 0 && picture.height > 0 && picture.width <= 64 && picture.height <= 64);
    }
}

const QUERIES: [&str; 4] = [
    "w=40&h=40",
    "w=32&h=32&fit=cover&gravity=attention&format=webp&metadata=all",
    "trim=9&w=20&h=20&format=gif&rotate=90",
    "crop=0.1,0.1,0.5,0.5&w=64&h=30&format=auto&blur=2",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutated_files_do_not_panic(
        file in 0usize..10_000,
        changes in prop::collection::vec((0.0f64..1.0, any::<u8>()), 1..8),
        cut in prop::option::of(0.0f64..1.0),
        query in prop::sample::select(&QUERIES[..]),
    ) {
        let files = originals();
        let mut bytes = files[file % files.len()].clone();
        for (place, value) in changes {
            // Squared, because headers are where damage matters.
            let index = (place * place * bytes.len() as f64) as usize;
            bytes[index] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate((cut * bytes.len() as f64) as usize);
        }
        survive(&bytes, query);
    }
}
