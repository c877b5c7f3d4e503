//! Any bytes as an AVIF, and as the stream in an AVIF that is well-formed: no panic, no more memory than allowed, a
//! picture of the announced size and kind.

#![no_main]

use image_origin_codec::{Area, Budget, Cancellation, DecodeOptions, Format, decoder};
use libfuzzer_sys::fuzz_target;

/// Small, since large pictures cost time and have no bugs of their own.
const BUDGET: Budget = Budget { pixels: 4 << 10, memory: 24 << 20 };

// Panics of the AV1 decoder are caught and count as broken data; those that are not caught still end the run.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |bytes: &[u8]| {
    // Mutation seldom keeps lengths and places right: most inputs are streams, two for colour and alpha.
    if bytes.get(4..8) == Some(b"ftyp") {
        read(bytes);
    } else if let Some((&split, streams)) = bytes.split_first() {
        let (colour, alpha) = streams.split_at(streams.len() * usize::from(split) / 255);
        read(&file(colour, alpha));
    }
});

fn read(bytes: &[u8]) {
    let decoder = decoder(Format::Avif).expect("AVIF is read");
    let cancellation = Cancellation::unbounded();
    let Ok(header) = decoder.probe(bytes, BUDGET, &Cancellation::unbounded()) else { return };
    let area = Area::whole(header.width, header.height);
    if let Ok(decoded) = decoder.decode(bytes, &DecodeOptions::new(area, BUDGET, &cancellation)) {
        assert_eq!(decoded.raster.channels(), header.channels);
        assert_eq!((decoded.raster.width(), decoded.raster.height()), (header.width, header.height));
    }
}

fn file(colour: &[u8], alpha: &[u8]) -> Vec<u8> {
    let entry = |id: u8| full(b"infe", 2, &[0, id, 0, 0, b'a', b'v', b'0', b'1', 0]);
    let items = full(b"iinf", 0, &[&[0, 2][..], &entry(1), &entry(2)].concat());
    let references = full(b"iref", 0, &boxed(b"auxl", &[0, 2, 0, 1, 0, 1]));
    let kind = full(b"auxC", 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0");
    let associations = full(b"ipma", 0, &[0, 0, 0, 1, 0, 2, 1, 1]);
    let properties = boxed(b"iprp", &[boxed(b"ipco", &kind), associations].concat());
    // Data in `idat`, by construction method 1.
    let place = |id: u8, at: usize, len: usize| {
        [&[0, id, 0, 1, 0, 0, 0, 1][..], &(at as u32).to_be_bytes(), &(len as u32).to_be_bytes()].concat()
    };
    let places = [place(1, 0, colour.len()), place(2, colour.len(), alpha.len())].concat();
    let places = full(b"iloc", 1, &[&[0x44, 0, 0, 2][..], &places].concat());
    let data = boxed(b"idat", &[colour, alpha].concat());
    let references = if alpha.is_empty() { Vec::new() } else { references };
    let parts = [full(b"pitm", 0, &[0, 1]), items, references, properties, places, data].concat();
    [boxed(b"ftyp", b"avif\0\0\0\0avifmif1"), full(b"meta", 0, &parts)].concat()
}

fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32 + 8).to_be_bytes()[..], kind, payload].concat()
}

fn full(kind: &[u8; 4], version: u8, payload: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[version, 0, 0, 0], payload].concat())
}
