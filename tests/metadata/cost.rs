//! Files that are made to cost more than their length can pay for: reading them ends, with a picture, a report, or an error
//! that says so, and the cost that is counted grows with the length and no faster.

use std::io::{Cursor, Write as _};

use image_origin::codec::{Budget, Cancellation, Exhausted, decoder_for};
use image_origin::container;
use image_origin::metadata::{self, Keep};
use image_origin::transform;

use super::samples::{self, full_box, png_chunk, riff_chunk, segment};

/// The references of a file: kind, from, and to.
type Reference<'a> = (&'a [u8; 4], u16, &'a [u16]);

/// An AVIF of items (an id, a kind), with these references, associations of properties with items, and the extents of
/// each item as offsets into `data` and lengths.
struct Avif<'a> {
    items: &'a [(u16, &'a [u8; 4])],
    references: Vec<Reference<'a>>,
    associations: Vec<(u16, &'a [u8])>,
    extents: Vec<(u16, Vec<(u32, u32)>)>,
    data: Vec<u8>,
}

impl Avif<'_> {
    fn file(&self) -> Vec<u8> {
        let start = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf".to_vec();
        let media_at = start.len() + self.meta(0).len() + 8;
        [start, self.meta(media_at as u32), full_box(b"mdat", &self.data)].concat()
    }

    fn meta(&self, media_at: u32) -> Vec<u8> {
        let full = |kind: &[u8; 4], payload: &[u8]| full_box(kind, &[&[0; 4], payload].concat());
        let count = |count: usize| (count as u16).to_be_bytes();
        let mut entries = count(self.items.len()).to_vec();
        for (id, kind) in self.items {
            entries.extend(full_box(b"infe", &[&[2, 0, 0, 0][..], &id.to_be_bytes(), &[0, 0], *kind, &[0]].concat()));
        }
        let mut references = Vec::new();
        for (kind, from, to) in &self.references {
            let targets: Vec<u8> = to.iter().flat_map(|id| id.to_be_bytes()).collect();
            references.extend(full_box(kind, &[&from.to_be_bytes()[..], &count(to.len()), &targets].concat()));
        }
        let mut places = [&[0x44, 0][..], &count(self.extents.len())].concat();
        for (id, extents) in &self.extents {
            places.extend([&id.to_be_bytes()[..], &[0, 0], &count(extents.len())].concat());
            for (offset, length) in extents {
                places.extend([(media_at + offset).to_be_bytes(), length.to_be_bytes()].concat());
            }
        }
        let mut associations = (self.associations.len() as u32).to_be_bytes().to_vec();
        for (id, properties) in &self.associations {
            associations.extend([&id.to_be_bytes()[..], &[properties.len() as u8], properties].concat());
        }
        let size = full(b"ispe", &[0, 0, 0, 64, 0, 0, 0, 64]);
        let properties = [full_box(b"ipco", &size), full(b"ipma", &associations)].concat();
        let children = [
            full(b"hdlr", b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            full(b"pitm", &[0, 1]),
            full(b"iinf", &entries),
            full(b"iref", &references),
            full(b"iloc", &places),
            full_box(b"iprp", &properties),
        ];
        full(b"meta", &children.concat())
    }
}

/// A grid of `n` cells that are all the same item, whose data are in `n` pieces.
fn shared_cells(n: usize) -> Vec<u8> {
    let cells = vec![2; n / 256 * 256];
    let grid = [0, 0, (n / 256 - 1) as u8, 255, 0, 64, 0, 64];
    Avif {
        items: &[(1, b"grid"), (2, b"av01")],
        references: vec![(b"dimg", 1, &cells)],
        associations: vec![(1, &[1])],
        extents: vec![(1, vec![(0, 8)]), (2, vec![(8, 1); n])],
        data: [&grid[..], &[0; 8]].concat(),
    }
    .file()
}

/// `n` auxiliary images that are one item, with which `n` properties are associated.
fn auxiliaries(n: usize) -> Vec<u8> {
    Avif {
        items: &[(1, b"av01"), (2, b"av01")],
        references: vec![(b"auxl", 2, &[1]); n],
        associations: vec![(2, &[1, 1]); n],
        extents: vec![(1, vec![(0, 64)]), (2, vec![(0, 64)])],
        data: vec![0; 64],
    }
    .file()
}

/// An Exif item in `n` pieces of a byte, apart from each other.
fn scattered_exif(n: usize) -> Vec<u8> {
    let mut exif = b"\0\0\0\0MM\0\x2a\0\0\0\x08\0\x01\x82\x98\0\x02\0\0\0\x08\0\0\0\x1a\0\0\0\0(c) Ann\0".to_vec();
    exif.resize(n, 0);
    Avif {
        items: &[(1, b"av01"), (2, b"Exif")],
        references: vec![(b"cdsc", 2, &[1])],
        associations: vec![(1, &[1])],
        extents: vec![(1, vec![(2 * n as u32, 64)]), (2, (0..n as u32).map(|at| (2 * at, 1)).collect())],
        data: [exif.iter().flat_map(|byte| [*byte, 1]).collect(), vec![0; 64]].concat(),
    }
    .file()
}

/// A packet that declares `n` namespaces and uses each of them.
fn namespaces(n: usize) -> Vec<u8> {
    let declared: String = (0..n).map(|i| format!(" xmlns:a{i}='u:{i}'")).collect();
    let used: String = (0..n).rev().map(|i| format!("<a{i}:b>x</a{i}:b>")).collect();
    format!(
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
         <rdf:Description{declared}>{used}</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    .into_bytes()
}

fn png_with(chunks: &[Vec<u8>]) -> Vec<u8> {
    let picture = samples::picture(image::ImageFormat::Png);
    [&picture[..33], &chunks.concat(), &picture[33..]].concat()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn compressed_xmp(packet: &[u8]) -> Vec<u8> {
    png_chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\x01\0\0\0".as_slice(), &deflated(packet)].concat())
}

fn xmp_namespaces(n: usize) -> Vec<u8> {
    png_with(&[compressed_xmp(&namespaces(n))])
}

fn many_packets(n: usize) -> Vec<u8> {
    png_with(&vec![compressed_xmp(&namespaces(n / 16)); 16])
}

/// A profile and texts that inflate to a thousand times of what they are.
fn inflating(n: usize) -> Vec<u8> {
    let zeros = deflated(&vec![b' '; 1024 * n]);
    let profile = png_chunk(b"iCCP", &[b"icc\0\0".as_slice(), &zeros].concat());
    let text = png_chunk(b"zTXt", &[b"Raw profile type xmp\0\0".as_slice(), &zeros].concat());
    png_with(&[profile, text.repeat(16)])
}

/// A JPEG that announces gain maps, and images behind it without end.
fn gain_maps(n: usize) -> Vec<u8> {
    let picture = samples::picture(image::ImageFormat::Jpeg);
    let map = [&[0xff, 0xd8][..], &segment(0xe2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0")].concat();
    let offset = |at: usize| (at as u32).to_be_bytes();
    let scan = [&segment(0xda, &[1, 1, 0, 0, 63, 0])[..], &[0xff; 64]].concat();
    let mut entries = vec![0; 16];
    for index in 0..16 {
        entries.extend([&[0; 8][..], &offset(100_000 + index * (map.len() + scan.len())), &[0; 4]].concat());
    }
    let directory = [b"MPF\0MM\0\x2a\0\0\0\x08\0\x01\xb0\x02\0\x07\0\0\x01\x10\0\0\0\x1a\0\0\0\0".as_slice(), &entries];
    let mut file = picture[..2].to_vec();
    file.extend(segment(0xe2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"));
    let base = file.len() + 8;
    file.extend(segment(0xe2, &directory.concat()));
    file.extend(&picture[2..]);
    file.resize(base + 100_000, 0);
    file.extend([map, scan].concat().repeat(16));
    file.extend(vec![0xff; 64 * n]);
    file
}

/// Blocks of TIFF whose values are as many as they can be.
fn exif_values(n: usize) -> Vec<u8> {
    let block = |kind: u8| {
        let mut block = b"MM\0\x2a\0\0\0\x08\0\x08".to_vec();
        for tag in 0..8_u8 {
            block.extend([&[0x01, tag, 0, kind][..], &(6 * n as u32).to_be_bytes(), &[0, 0, 0, 8]].concat());
        }
        block.resize(6 * n + 8, 0);
        block
    };
    png_with(&[png_chunk(b"eXIf", &block(6)), png_chunk(b"eXIf", &block(2))])
}

/// A TIFF of `n` directories that are all the same entries of unknown types, one byte apart.
fn overlapping_directories(n: usize) -> Vec<u8> {
    let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
    file.resize(8 + 64 * n, 0xff);
    for at in 0..n {
        let next = 8 + 14 * (at as u32 + 1);
        let place = 8 + 14 * at;
        file[place..place + 2].copy_from_slice(&1_u16.to_le_bytes());
        file.get_mut(place + 14..place + 18).unwrap().copy_from_slice(&next.to_le_bytes());
    }
    file
}

fn iptc_sets(n: usize) -> Vec<u8> {
    let sets = b"\x1c\x02\x19\0\0".repeat(10 * n);
    let resource = [b"8BIM\x04\x04\0\0".as_slice(), &(sets.len() as u32).to_be_bytes(), &sets].concat();
    let parts = resource.chunks(65_000).map(|part| segment(0xed, &[b"Photoshop 3.0\0".as_slice(), part].concat()));
    let picture = samples::picture(image::ImageFormat::Jpeg);
    [&picture[..2], &parts.collect::<Vec<_>>().concat(), &picture[2..]].concat()
}

fn small_parts(n: usize) -> Vec<u8> {
    png_with(&[png_chunk(b"teSt", b"").repeat(n)])
}

fn small_segments(n: usize) -> Vec<u8> {
    let picture = samples::picture(image::ImageFormat::Jpeg);
    [&picture[..2], &segment(0xe1, b"Exif\0\0MM").repeat(n), &picture[2..]].concat()
}

fn small_frames(n: usize) -> Vec<u8> {
    let chunks = riff_chunk(b"VP8L", b"");
    let empty = riff_chunk(b"none", b"");
    let frame = [vec![0; 16], [chunks, empty].concat().repeat(n)].concat();
    let header = riff_chunk(b"VP8X", &[2, 0, 0, 0, 1, 0, 0, 1, 0, 0]);
    let body = [header, riff_chunk(b"ANIM", &[0; 6]), riff_chunk(b"ANMF", &frame)].concat();
    [b"RIFF".as_slice(), &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
}

fn small_blocks(n: usize) -> Vec<u8> {
    let head = b"GIF89a\x01\0\x01\0\0\0\0\x21\xfe".to_vec();
    [head, b"\x01x".repeat(n), b"\0".to_vec(), b"\x21\xfe\0".repeat(n), b";".to_vec()].concat()
}

/// Rows that are nothing but zeros, and more of them than there are rows.
fn inflating_pixels(n: usize) -> Vec<u8> {
    let header = png_chunk(b"IHDR", &[&[0, 0, 2, 0][..], &(n as u32).to_be_bytes(), &[8, 0, 0, 0, 0]].concat());
    let pixels = png_chunk(b"IDAT", &deflated(&vec![0; 1024 * n]));
    [b"\x89PNG\r\n\x1a\n".as_slice(), &header, &pixels, &png_chunk(b"IEND", b"")].concat()
}

/// A TIFF of `n` strips that are all the same bytes, compressed in this way.
fn shared_strips(n: usize, compression: u8) -> Vec<u8> {
    let count = (n as u32).to_le_bytes();
    let data_at = 8 + 2 + 8 * 12 + 4;
    let mut file = b"II*\0\x08\0\0\0\x08\0".to_vec();
    for (tag, kind, count, value) in [
        (0, 4, 1, 64_u32),
        (1, 4, 1, n as u32),
        (2, 3, 1, 8),
        (3, 3, 1, compression.into()),
        (6, 3, 1, 1),
        (0x11, 4, n as u32, data_at + n as u32),
        (0x16, 4, 1, 1),
        (0x17, 4, n as u32, data_at + 5 * n as u32),
    ] {
        file.extend([tag, 1, kind, 0]);
        file.extend([count, value].map(u32::to_le_bytes).concat());
    }
    file.extend([0; 4]);
    file.resize(data_at as usize + n, 0x55);
    file.extend(data_at.to_le_bytes().repeat(n));
    file.extend(count.repeat(n));
    file
}

/// A sequence of `n` samples, a chunk each.
fn many_samples(n: usize) -> Vec<u8> {
    let table = |kind: &[u8; 4], fields: &[u32]| {
        full_box(kind, &fields.iter().flat_map(|field| field.to_be_bytes()).collect::<Vec<_>>())
    };
    let count = n as u32;
    let tables = [
        table(b"stsc", &[0, 1, 1, 1, 1]),
        table(b"stsz", &[&[0, 0, count][..], &vec![9; n]].concat()),
        table(b"stco", &[&[0, count][..], &(0..count).map(|i| 40 + 2 * i).collect::<Vec<_>>()].concat()),
    ];
    let handler = full_box(b"hdlr", b"\0\0\0\0\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let media = full_box(b"mdia", &[handler, full_box(b"minf", &full_box(b"stbl", &tables.concat()))].concat());
    let movie = full_box(b"moov", &full_box(b"trak", &media));
    [b"\0\0\0\x1cftypavis\0\0\0\0avismsf1miaf".to_vec(), full_box(b"mdat", &vec![1; 4 * n]), movie].concat()
}

/// What every way of reading a file's structure costs, and what has come of it.
fn cost(file: &[u8]) -> (u64, u64, Vec<Result<(), String>>) {
    const BUDGET: Budget = Budget { pixels: 1 << 24, memory: 64 << 20 };
    let cancellation = Cancellation::unbounded();
    let mut outcomes = Vec::new();
    let mut note = |outcome: Result<(), metadata::Error>| outcomes.push(outcome.map_err(|error| error.to_string()));
    note(transform::report(file, &cancellation).map(|report| {
        serde_json::to_vec(&report.without_location()).unwrap();
    }));
    for keep in [Keep::Copyright, Keep::All] {
        note(metadata::carry(file, keep, &cancellation).map(|_| ()).map_err(metadata::Error::from));
    }
    for keep in [Keep::None, Keep::Copyright] {
        note(metadata::strip(&mut Cursor::new(file), keep, &cancellation).map(|_| ()));
    }
    let decoder = decoder_for(file).unwrap();
    outcomes.push(decoder.probe(file, BUDGET, &cancellation).map(|_| ()).map_err(|error| error.to_string()));
    outcomes.push(decoder.animation(file, &cancellation).map(|_| ()).map_err(|error| error.to_string()));
    let spent = cancellation.spent();
    (spent.steps, spent.memory, outcomes)
}

/// Makes a file whose hostile part is so many times as large as its smallest.
type Maker = fn(usize) -> Vec<u8>;

const KINDS: [(&str, Maker); 20] = [
    ("grid of one item in many extents", shared_cells),
    ("auxiliary images", auxiliaries),
    ("Exif in many extents", scattered_exif),
    ("XMP of many namespaces", xmp_namespaces),
    ("many packets of XMP", many_packets),
    ("streams that inflate", inflating),
    ("gain maps", gain_maps),
    ("Exif of many values", exif_values),
    ("directories that overlap", overlapping_directories),
    ("IPTC of many data sets", iptc_sets),
    ("chunks of a PNG", small_parts),
    ("segments of a JPEG", small_segments),
    ("chunks in a frame of a WebP", small_frames),
    ("sub-blocks and blocks of a GIF", small_blocks),
    ("pixels that inflate", inflating_pixels),
    ("strips that are one, with LZW", |n| shared_strips(n, 5)),
    ("strips that are one, with Deflate", |n| shared_strips(n, 8)),
    ("strips that are one, with JPEG", |n| shared_strips(n, 7)),
    ("samples of a sequence", many_samples),
    ("nothing but fill bytes", |n| [&[0xff, 0xd8], vec![0xff; 64 * n].as_slice()].concat()),
];

#[test]
fn cost_grows_no_faster_than_the_file() {
    for (name, make) in KINDS {
        let (small, large) = (make(1024), make(8 * 1024));
        let growth = large.len() as f64 / small.len() as f64;
        let (steps, memory, _) = cost(&small);
        let (more_steps, more_memory, outcomes) = cost(&large);
        // What is refused costs less. The constants are those of a file's first window.
        let allowed = |cost: u64, constant: f64| (cost as f64 + constant) * growth.max(8.0) * 1.3;
        assert!(
            (more_steps as f64) < allowed(steps, 10_000.0),
            "{name}: {steps} steps, then {more_steps}: {outcomes:?}"
        );
        assert!((more_memory as f64) < allowed(memory, 100_000.0), "{name}: {memory} bytes, then {more_memory}");
    }
}

#[test]
fn one_item_in_overlapping_pieces_is_refused_before_it_is_joined() {
    let file = |extents: Vec<(u32, u32)>| {
        Avif {
            items: &[(1, b"av01")],
            references: Vec::new(),
            associations: vec![(1, &[1])],
            extents: vec![(1, extents)],
            data: vec![0; 4096],
        }
        .file()
    };
    let refusal = |extents| cost(&file(extents)).2.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("\n");
    assert!(refusal(vec![(0, 4096); 16]).contains("over and over"));
    assert!(!refusal(vec![(0, 2048), (2048, 2048)]).contains("over and over"));
}

#[test]
fn reading_ends_when_the_work_is_stopped() {
    let file = gain_maps(4096);
    let cancellation = Cancellation::unbounded();
    cancellation.cancel();
    let stopped = |outcome: Result<(), metadata::Error>| {
        matches!(outcome, Err(metadata::Error::Exhausted(Exhausted::Cancelled(_))))
    };
    assert!(stopped(transform::report(&file, &cancellation).map(|_| ())));
    assert!(stopped(metadata::carry(&file, Keep::All, &cancellation).map(|_| ()).map_err(Into::into)));
    assert!(stopped(metadata::strip(&mut Cursor::new(&file), Keep::None, &cancellation).map(|_| ())));
    assert!(container::orientation(&file, image_origin::codec::Format::Jpeg, &cancellation).is_err());
    assert!(container::icc_profile(&file, image_origin::codec::Format::Jpeg, &cancellation).is_err());
}

#[test]
fn files_of_the_world_are_far_from_the_limits() {
    for (name, file) in samples::all().into_iter().chain([("avif", samples::avif()), ("tiff", samples::tiff())]) {
        let (steps, memory, outcomes) = cost(&file);
        // Seven ways of reading, each a window of 64 KiB at a time.
        assert!(steps < 64 * file.len() as u64 + 100_000, "{name}: {steps}");
        assert!(memory < 64 * file.len() as u64 + 100_000, "{name}: {memory}");
        let refused: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
        assert!(refused.iter().all(|reason| !reason.contains("more than")), "{name}: {refused:?}");
    }
}
