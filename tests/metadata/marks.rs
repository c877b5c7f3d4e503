//! Marks of how a picture was made and may be used: they stay where all other metadata goes.

use std::io::Cursor;

use image::ImageFormat;
use image_origin::codec::{Budget, Cancellation, Channels, EncodeOptions, Format, Raster, Samples, encoder};
use image_origin::config::Layer;
use image_origin::metadata::{self, Carried, Keep};
use image_origin::transform;

use super::samples::{self, SECRETS, contains};
use crate::common::Server;

const AI: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
const NO_MINING: &str = "http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED";

const FORMATS: [Format; 5] = [Format::Jpeg, Format::Png, Format::WebP, Format::Gif, Format::Avif];

fn cancellation() -> Cancellation {
    Cancellation::unbounded()
}

fn carried(file: &[u8], keep: Keep) -> Carried {
    metadata::carry(file, keep, &cancellation()).unwrap()
}

fn stripped(file: &[u8], keep: Keep) -> Vec<u8> {
    let mut out = Vec::new();
    let plan = metadata::strip(&mut Cursor::new(file), keep, &cancellation()).unwrap();
    plan.write_to(Cursor::new(file), &mut out).unwrap();
    out
}

fn plain(format: Format) -> Vec<u8> {
    let samples = (0..24 * 16 * 3).map(|i| (i * 7) as u8).collect();
    let raster = Raster::new(24, 16, Channels::Rgb, Samples::U8(samples)).unwrap();
    let (encoder, options) = (encoder(format).unwrap(), EncodeOptions::DEFAULT);
    encoder.encode(&raster, &options, Budget::UNLIMITED, &cancellation()).unwrap()
}

/// A packet with all kinds of metadata, and these properties.
fn packet(properties: &str) -> String {
    let packet = String::from_utf8(samples::xmp("SecretText")).unwrap();
    let namespaces = "xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\" \
                      xmlns:plus=\"http://ns.useplus.org/ldf/xmp/1.0/\" xmlns:dcterms=\"http://purl.org/dc/terms/\"";
    packet.replacen("xmlns:dc=", &format!("{namespaces} xmlns:dc="), 1).replacen(
        "<dc:rights>",
        &format!("{properties}<dc:rights>"),
        1,
    )
}

/// A JPEG with all kinds of metadata, of which these are properties of XMP's.
fn marked_with(properties: &str) -> Vec<u8> {
    let picture = samples::picture(ImageFormat::Jpeg);
    let payload = [b"http://ns.adobe.com/xap/1.0/\0", packet(properties).as_bytes()].concat();
    [&picture[..2], &samples::segment(0xe1, &payload), &picture[2..]].concat()
}

/// Both marks, and what refers to a manifest.
fn marks() -> String {
    format!(
        "<Iptc4xmpExt:DigitalSourceType>{AI}</Iptc4xmpExt:DigitalSourceType><plus:DataMining rdf:resource=\"{NO_MINING}\"/>\
         <dcterms:provenance>SecretManifest</dcterms:provenance>"
    )
}

fn marked() -> Vec<u8> {
    marked_with(&marks())
}

/// A TIFF of one strip, and a container of JPEG XL, with the packet.
fn marked_originals() -> [(&'static str, Vec<u8>); 2] {
    let packet = packet(&marks());
    let number = |tag: u16, kind: u16, count: u32, value: u32| {
        let value = if kind == 3 { value << 16 } else { value };
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value.to_be_bytes()].concat()
    };
    let strip_at = 8 + 2 + 6 * 12 + 4;
    let fields = [
        number(0x0100, 3, 1, 3),
        number(0x0101, 3, 1, 1),
        number(0x0111, 4, 1, strip_at),
        number(0x0117, 4, 1, 3),
        number(0x02bc, 1, packet.len() as u32, strip_at + 4),
        number(0x9c9b, 1, 4, 0x5300_4100),
    ];
    let head = [b"MM\0\x2a\0\0\0\x08\0\x06".as_slice(), &fields.concat(), &[0; 4]].concat();
    let tiff = [head.as_slice(), b"\x01\x02\x03\0", packet.as_bytes()].concat();
    let boxes = [
        b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(),
        samples::full_box(b"ftyp", b"jxl \0\0\0\0jxl "),
        samples::full_box(b"Exif", b"SecretExif"),
        samples::full_box(b"jxlc", b"\xff\x0a"),
        samples::full_box(b"xml ", packet.as_bytes()),
    ];
    [("tiff", tiff), ("jxl", boxes.concat())]
}

#[test]
fn marks_stay_in_originals_that_are_not_written() {
    for (name, original) in marked_originals() {
        let expected = ["Iptc4xmpExt:DigitalSourceType", "plus:DataMining"];
        for (keep, rights) in [(Keep::Marks, false), (Keep::Copyright, true)] {
            let out = stripped(&original, keep);
            let names: Vec<_> = properties(&out).into_iter().filter(|name| name != "dc:rights").collect();
            assert_eq!(names, expected, "{name} {keep:?}");
            assert_eq!(contains(&out, "Xmp Rights"), rights, "{name} {keep:?}");
            assert!(contains(&out, AI) && contains(&out, NO_MINING), "{name} {keep:?}");
            for secret in SECRETS {
                assert!(!contains(&out, secret), "{name} {keep:?}: {secret}");
            }
            assert_eq!(stripped(&out, keep), out, "{name} {keep:?}");
        }
        let none = stripped(&original, Keep::None);
        assert!(!contains(&none, AI) && properties(&none).is_empty(), "{name}");
        for end in 0..original.len() {
            for keep in [Keep::Marks, Keep::Copyright] {
                _ = metadata::strip(&mut Cursor::new(&original[..end]), keep, &cancellation());
            }
        }
    }
}

/// The same metadata in a file of another format.
fn marked_as(format: Format) -> Vec<u8> {
    metadata::embed(plain(format), format, &carried(&marked(), Keep::All), 24, 16)
}

/// The properties of XMP in a file.
fn properties(file: &[u8]) -> Vec<String> {
    transform::report(file, &cancellation()).unwrap().xmp.keys().cloned().collect()
}

#[test]
fn marks_alone_stay_in_originals_and_in_new_files() {
    for source in FORMATS {
        let original = marked_as(source);
        assert!(contains(&original, AI) && contains(&original, "SecretCity"), "{source}");
        let mut files = vec![(stripped(&original, Keep::Marks), source)];
        for target in FORMATS {
            let carried = carried(&original, Keep::Marks);
            files.push((metadata::embed(plain(target), target, &carried, 24, 16), target));
        }
        for (file, target) in files {
            let names = properties(&file);
            assert_eq!(names, ["Iptc4xmpExt:DigitalSourceType", "plus:DataMining"], "{source} to {target}");
            assert!(contains(&file, AI) && contains(&file, NO_MINING), "{source} to {target}");
            for secret in SECRETS.into_iter().chain(["Xmp Rights"]) {
                assert!(!contains(&file, secret), "{source} to {target}: {secret}");
            }
        }
        assert_eq!(properties(&stripped(&original, Keep::None)), [""; 0], "{source}");
        assert!(carried(&original, Keep::None).is_empty(), "{source}");
    }
}

#[test]
fn rights_include_the_marks() {
    for format in FORMATS {
        let original = marked_as(format);
        let out = metadata::embed(plain(format), format, &carried(&original, Keep::Copyright), 24, 16);
        for file in [out, stripped(&original, Keep::Copyright)] {
            let names = properties(&file);
            let expected = ["Iptc4xmpExt:DigitalSourceType", "dc:rights", "plus:DataMining"];
            assert_eq!(names, expected, "{format}");
        }
    }
}

#[test]
fn unmarked_pictures_are_the_same_bytes() {
    let without =
        FORMATS.map(|format| metadata::embed(plain(format), format, &carried(&marked_with(""), Keep::All), 24, 16));
    for file in
        samples::all().map(|(_, file)| file).into_iter().chain(without).chain([samples::avif(), samples::tiff()])
    {
        assert_eq!(stripped(&file, Keep::Marks), stripped(&file, Keep::None));
        assert!(carried(&file, Keep::Marks).is_empty());
    }
}

#[test]
fn only_terms_are_marks() {
    let property = |text: &str| format!("<Iptc4xmpExt:DigitalSourceType>{text}</Iptc4xmpExt:DigitalSourceType>");
    let table = [
        (property(AI), true),
        (property(&format!(" {AI}\n")), true),
        (property("made by Ann, at home: Main Street 1"), false),
        (property(&format!("http://a/{}", "x".repeat(200))), false),
        (property("Ann"), false),
        (property(""), false),
        (property("<rdf:Bag><rdf:li>http://a</rdf:li></rdf:Bag>"), false),
        ("<plus:DataMining plus:By=\"Ann\">http://a</plus:DataMining>".to_owned(), false),
        ("<dc:DataMining>http://a</dc:DataMining>".to_owned(), false),
        ("<plus:OtherConstraints>http://a</plus:OtherConstraints>".to_owned(), false),
    ];
    for (properties, is_mark) in table {
        let file = marked_with(&properties);
        assert_eq!(!carried(&file, Keep::Marks).is_empty(), is_mark, "{properties}");
        assert_eq!(stripped(&file, Keep::Marks) != stripped(&file, Keep::None), is_mark, "{properties}");
    }
}

#[test]
fn manifests_leave_with_the_untouched_original_only() {
    let manifest = b"\0\0\0\x20jumbSecretJumbf";
    let webp = |file: Vec<u8>| {
        let mut file = [file, samples::riff_chunk(b"C2PA", manifest)].concat();
        let length = (file.len() as u32 - 8).to_le_bytes();
        file[4..8].copy_from_slice(&length);
        file
    };
    let avif = |file: Vec<u8>| {
        let id = b"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81";
        let length = (8 + id.len() + manifest.len()) as u32;
        [&file[..], &length.to_be_bytes(), b"uuid", id, manifest].concat()
    };
    let files = [
        ("jpeg", samples::jpeg()),
        ("png", samples::png()),
        ("webp", webp(samples::webp())),
        ("avif", avif(marked_as(Format::Avif))),
    ];
    for (name, file) in files {
        assert!(contains(&file, "SecretJumbf"), "{name}");
        assert_eq!(stripped(&file, Keep::All), file, "{name}");
        for keep in [Keep::None, Keep::Marks, Keep::Copyright] {
            assert!(!contains(&stripped(&file, keep), "SecretJumbf"), "{name} {keep:?}");
        }
        for target in FORMATS {
            let out = metadata::embed(plain(target), target, &carried(&file, Keep::All), 24, 16);
            let is_referenced = contains(&out, "SecretJumbf") || contains(&out, "SecretManifest");
            assert!(!is_referenced, "{name} to {target}");
        }
    }
}

#[test]
fn a_setting_removes_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ai.jpg"), marked()).unwrap();
    let source = || Box::new(image_origin::source::Folder::new(folder.path()).unwrap());
    let kept = Server::over(source(), Layer::default());
    let removed = Server::over(source(), Layer { keep_ai_marks: Some(false), ..Layer::default() });
    for (query, is_right) in [("", false), ("?w=20&format=webp", false), ("?metadata=copyright&w=20", true)] {
        let [with, without] = [&kept, &removed].map(|server| server.get(&format!("/ai.jpg{query}")));
        assert_eq!((with.status, without.status), (200, 200), "{query}");
        assert_ne!(with.header("etag"), without.header("etag"), "{query}");
        assert!(contains(&with.body, AI), "{query}");
        assert_eq!(contains(&without.body, AI), is_right, "{query}");
    }
    assert_eq!(kept.get("/ai.jpg?info").json()["digital_source_type"], AI);
}
