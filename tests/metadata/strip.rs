//! Stripped files: what stays, what goes, and that no pixel changes.

use std::fs::File;
use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image_origin::codec::Cancellation;
use image_origin::codec::{Format, sniff};
use image_origin::container;
use image_origin::metadata::{self, Keep, Rewrite};
use image_origin::transform;
use serde_json::Value;

use super::exiftool::{exiftool, readings};
use crate::common::{files, fixtures};

use super::samples::{self, ORIENTATION, RIGHTS, SECRETS, contains};

pub(crate) fn stripped(file: &[u8], keep: Keep) -> Vec<u8> {
    written(&metadata::strip(&mut Cursor::new(file), keep, &Cancellation::unbounded()).unwrap(), file)
}

pub(crate) fn written(plan: &Rewrite, file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    plan.write_to(Cursor::new(file), &mut out).unwrap();
    assert_eq!(out.len() as u64, plan.len());
    out
}

#[test]
fn nothing_survives_but_pixels_profile_and_orientation() {
    for (name, file) in samples::all() {
        let out = stripped(&file, Keep::None);
        for secret in SECRETS.iter().chain(&RIGHTS) {
            assert!(!contains(&out, secret), "{name} still says {secret}");
        }
        assert_eq!(samples::pixels(&out), samples::pixels(&file), "{name}");
        let format = sniff(&out).unwrap();
        assert_eq!(
            container::orientation(&out, format, &Cancellation::unbounded()).unwrap(),
            container::orientation(&file, format, &Cancellation::unbounded()).unwrap(),
            "{name}"
        );
        if name != "gif" {
            assert_eq!(
                container::orientation(&out, format, &Cancellation::unbounded()).unwrap(),
                ORIENTATION,
                "{name}"
            );
        }
        assert_eq!(
            container::icc_profile(&out, format, &Cancellation::unbounded()).unwrap(),
            container::icc_profile(&file, format, &Cancellation::unbounded()).unwrap(),
            "{name}"
        );
        let report = transform::report(&out, &Cancellation::unbounded()).unwrap();
        assert!(report.xmp.is_empty() && report.iptc.is_empty() && report.exif.photo.is_empty(), "{name}: {report:?}");
    }
}

/// A drawing with the same picture wherever it can stand.
fn drawing(file: &[u8]) -> Vec<u8> {
    let data = STANDARD.encode(file);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:x=\"http://www.w3.org/1999/xlink\">\
         <style>g{{mask:url(data:image/png;base64,{data})}}</style><image href='data:image/jpeg;base64,{data}' width='9'/>\
         <image x:href=\"data:image/webp;base64,{data}\"/><filter><feImage href='data:image/gif;base64,{data}'/></filter>\
         <g style='fill:url(data:image/png;base64,{data})' mask='url(data:image/png;base64,{data})'/></svg>"
    )
    .into_bytes()
}

#[test]
fn pictures_in_drawings_lose_what_their_files_lose() {
    for (name, file) in samples::all() {
        for keep in [Keep::None, Keep::Marks, Keep::Copyright, Keep::All] {
            let expected = drawing(&stripped(&file, keep));
            let plan = metadata::strip(&mut Cursor::new(&expected), keep, &Cancellation::unbounded()).unwrap();
            assert!(plan.is_identity(), "{name} {keep:?}");
            assert!(stripped(&drawing(&file), keep) == expected, "{name} {keep:?}");
        }
        let utf16 = |text: &[u8]| -> Vec<u8> {
            let text = std::str::from_utf8(text).unwrap();
            std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect()
        };
        let expected = drawing(&stripped(&file, Keep::None));
        assert!(stripped(&utf16(&drawing(&file)), Keep::None) == expected, "{name}");
    }
    // A thousand small ones are within the budget of their drawing.
    let small = format!("<image href='data:image/gif;base64,{}'/>", STANDARD.encode(samples::gif()));
    let many = format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{}</svg>", small.repeat(1000));
    assert!(!contains(&stripped(many.as_bytes(), Keep::None), &small));
}

#[test]
fn pictures_in_drawings_that_cannot_be_stripped_are_removed() {
    let jpeg = samples::jpeg();
    let files: [&[u8]; 8] = [
        b"",
        b"SecretText",
        &jpeg[2..],
        &samples::png()[..20],
        &samples::webp()[..13],
        &samples::gif()[..9],
        &samples::tiff(),
        &drawing(&jpeg),
    ];
    for (at, file) in files.into_iter().enumerate() {
        let out = String::from_utf8(stripped(&drawing(file), Keep::None)).unwrap();
        assert!(!out.contains("data:"), "{at}: {out}");
        assert!(out.contains("<image width='9'/>") && out.contains("g{mask:url(#)}"), "{at}: {out}");
    }
    // What is left of a photograph is shown.
    let cut = &jpeg[..jpeg.len() - 30];
    assert!(stripped(&drawing(cut), Keep::None) == drawing(&stripped(cut, Keep::None)));
}

#[test]
fn the_samples_do_say_what_is_then_removed() {
    let said: Vec<u8> = samples::all().into_iter().flat_map(|(_, file)| file).collect();
    for text in SECRETS.iter().chain(&RIGHTS).filter(|&&text| text != "SecretIptc") {
        assert!(contains(&said, text), "no sample says {text}");
    }
    assert!(contains(&samples::jpeg(), "SecretIptc"));
}

#[test]
fn rights_are_kept_where_that_is_asked() {
    for (name, file) in samples::all() {
        let out = stripped(&file, Keep::Copyright);
        for secret in SECRETS {
            assert!(!contains(&out, secret), "{name} still says {secret}");
        }
        let report = transform::report(&out, &Cancellation::unbounded()).unwrap();
        assert_eq!(report.xmp["dc:rights"]["x-default"], "Xmp Rights", "{name}");
        if name != "gif" {
            assert_eq!(report.exif.image["Artist"], "Exif Artist", "{name}");
            assert_eq!(report.orientation, ORIENTATION, "{name}");
        }
        if name == "jpeg" {
            assert_eq!(report.iptc["Credit"], "Iptc Credit");
        }
        if name == "png" {
            assert_eq!(report.xmp["photoshop:Credit"], "Iptc Credit");
        }
        assert_eq!(samples::pixels(&out), samples::pixels(&file), "{name}");
    }
}

#[test]
fn everything_is_the_file_as_it_was() {
    for (name, file) in samples::all() {
        let plan = metadata::strip(&mut Cursor::new(&file), Keep::All, &Cancellation::unbounded()).unwrap();
        assert!(plan.is_identity(), "{name}");
        assert_eq!(written(&plan, &file), file, "{name}");
    }
}

#[test]
fn a_clean_file_passes_through_unchanged() {
    for (name, file) in samples::all() {
        for keep in [Keep::None, Keep::Copyright] {
            let out = stripped(&file, keep);
            let again = metadata::strip(&mut Cursor::new(&out), keep, &Cancellation::unbounded()).unwrap();
            assert!(again.is_identity(), "{name} {keep:?}: {:?}", again.pieces());
        }
    }
}

#[test]
fn avif_items_go_and_offsets_stay() {
    let file = samples::avif();
    let before = transform::report(&file, &Cancellation::unbounded()).unwrap();
    assert_eq!((before.width, before.height, before.orientation), (Some(16), Some(24), 8));
    assert_eq!(before.exif.image["Make"], "SecretMake");
    assert_eq!(before.xmp["photoshop:City"], "SecretCity");
    for (keep, right) in [(Keep::None, false), (Keep::Copyright, true)] {
        let out = stripped(&file, keep);
        for secret in SECRETS {
            assert!(!contains(&out, secret), "{keep:?}: {secret}");
        }
        let at = memchr::memmem::find(&file, samples::AVIF_DATA).unwrap();
        assert_eq!(&out[at..at + samples::AVIF_DATA.len()], samples::AVIF_DATA, "in its old place");
        let after = transform::report(&out, &Cancellation::unbounded()).unwrap();
        assert_eq!((after.width, after.height, after.orientation), (Some(16), Some(24), 8));
        assert_eq!(
            container::icc_profile(&out, Format::Avif, &Cancellation::unbounded()).unwrap().as_deref(),
            Some(samples::profile().as_slice())
        );
        assert_eq!(after.exif.image.contains_key("Artist"), right, "{keep:?}: {after:?}");
        assert_eq!(after.xmp.contains_key("dc:rights"), right, "{keep:?}: {after:?}");
        assert!(
            metadata::strip(&mut Cursor::new(&out), keep, &Cancellation::unbounded()).unwrap().is_identity(),
            "{keep:?}"
        );
    }
}

#[test]
fn the_movie_of_an_avif_sequence_loses_user_data_and_dates() {
    let mut still = samples::avif();
    let end = memchr::memmem::find(&still, b"mpvd").unwrap() - 4;
    still.truncate(end);
    let meta = still.windows(4).position(|kind| kind == b"meta").unwrap() - 4;
    let meta_len = u32::from_be_bytes(still[meta..meta + 4].try_into().unwrap()) as usize;
    for has_meta in [true, false] {
        let mut file = still.clone();
        if !has_meta {
            file.drain(meta..meta + meta_len);
        }
        // Bytes between those of the items are the sample.
        let sample = memchr::memmem::find(&file, b"SecretTrailer").unwrap();
        file.extend(samples::movie(sample as u32, 6));
        let out = stripped(&file, Keep::None);
        assert_eq!(out.len(), file.len());
        for secret in SECRETS.iter().chain(&["DATES"]) {
            assert!(!contains(&out, secret), "{secret}");
        }
        assert_eq!(&out[sample..sample + 13], b"Secret\0\0\0\0\0\0\0");
        let table = out.windows(4).position(|kind| kind == b"stco").unwrap();
        assert_eq!(out[table + 12..table + 16], (sample as u32).to_be_bytes());
        assert_eq!(contains(&out, std::str::from_utf8(samples::AVIF_DATA).unwrap()), has_meta);
        assert!(metadata::strip(&mut Cursor::new(&out), Keep::None, &Cancellation::unbounded()).unwrap().is_identity());
        for end in 0..file.len() {
            let _ = metadata::strip(&mut Cursor::new(&file[..end]), Keep::None, &Cancellation::unbounded());
        }
    }
}

#[test]
fn colours_of_avif_that_are_dropped_become_free_space() {
    let file = samples::avif();
    let at = |bytes: &[u8]| memchr::memmem::find(&file, bytes).unwrap();
    let set = |place: usize, bytes: &[u8]| {
        let mut file = file.clone();
        file[place..place + bytes.len()].copy_from_slice(bytes);
        file
    };
    let colour = at(b"colr");
    for (name, file) in [
        // Readers refuse a colour property of zeros.
        ("of a type that is not known", set(colour + 4, b"none")),
        ("a profile that is none", set(colour + 8, &[0; 132])),
        ("of no kept image", set(at(&[0, 1, 4, 1, 2, 3, 4]) + 5, &[1])),
    ] {
        let out = stripped(&file, Keep::None);
        let free = memchr::memmem::find(&out, b"\0\0\0\x90free").unwrap_or_else(|| panic!("{name}"));
        assert!(out[free + 8..free + 144].iter().all(|byte| *byte == 0), "{name}");
        assert_eq!(stripped(&out, Keep::None), out, "{name}");
    }
}

#[test]
fn metadata_is_no_primary_image() {
    let file = samples::avif();
    let at = file.windows(4).position(|kind| kind == b"pitm").unwrap() + 9;
    for item in 0..8 {
        let mut file = file.clone();
        file[at] = item;
        let report = transform::report(&stripped(&file, Keep::None), &Cancellation::unbounded()).unwrap();
        assert!(report.xmp.is_empty() && report.exif.image.is_empty(), "item {item}: {report:?}");
    }
}

#[test]
fn an_image_keeps_its_properties_if_metadata_has_its_number() {
    let mut file = samples::avif();
    let at = file.windows(4).position(|kind| kind == b"Exif").unwrap() - 4;
    file[at..at + 2].copy_from_slice(&[0, 1]);
    for keep in [Keep::None, Keep::Copyright] {
        let out = stripped(&file, keep);
        assert_eq!(
            container::orientation(&out, Format::Avif, &Cancellation::unbounded()).unwrap(),
            container::orientation(&file, Format::Avif, &Cancellation::unbounded()).unwrap()
        );
        assert_ne!(container::orientation(&out, Format::Avif, &Cancellation::unbounded()).unwrap(), 1);
        assert!(transform::report(&out, &Cancellation::unbounded()).unwrap().exif.image.is_empty());
    }
}

#[test]
fn a_primary_image_that_is_no_image_stays_upright() {
    let mut file = samples::avif();
    let entry = file.windows(4).position(|kind| kind == b"infe").unwrap();
    file[entry + 3] = 5;
    let at = file.windows(4).position(|kind| kind == b"Exif").unwrap() - 4;
    file[at..at + 2].copy_from_slice(&[0, 1]);
    let upright = container::orientation(&file, Format::Avif, &Cancellation::unbounded()).unwrap();
    assert_ne!(upright, 1);
    assert_eq!(
        container::orientation(&stripped(&file, Keep::None), Format::Avif, &Cancellation::unbounded()).unwrap(),
        upright
    );
}

#[test]
fn png_files_in_icons_are_stripped() {
    let png = samples::png();
    // Two pixels by one, and their mask.
    let header = [40_u32, 2, 2, 1 | 24 << 16, 0, 0, 0, 0, 0, 0].map(u32::to_le_bytes).concat();
    let bitmap = [header.as_slice(), b"a bitmap.:mo"].concat();
    let mut file = b"\0\0\x01\0\x02\0".to_vec();
    let mut at = 6 + 32;
    for data in [&bitmap, &png] {
        file.extend(b"\x18\x10\0\0\x01\0\x20\0");
        file.extend([data.len() as u32, at].map(u32::to_le_bytes).concat());
        at += data.len() as u32;
    }
    file.extend([bitmap.clone(), png.clone(), b"SecretTrailer".to_vec()].concat());
    let out = stripped(&file, Keep::None);
    for secret in SECRETS {
        assert!(!contains(&out, secret), "{secret}");
    }
    assert!(contains(&out, "a bitmap.:mo"));
    assert!(out.ends_with(&stripped(&png, Keep::None)));
    assert_eq!(u32::from_le_bytes(out[34..38].try_into().unwrap()) as usize, 38 + bitmap.len());
    assert!(metadata::strip(&mut Cursor::new(&out), Keep::None, &Cancellation::unbounded()).unwrap().is_identity());
    for end in 5..file.len() {
        let Ok(plan) = metadata::strip(&mut Cursor::new(&file[..end]), Keep::None, &Cancellation::unbounded()) else {
            continue;
        };
        plan.write_to(Cursor::new(&file[..end]), &mut Vec::new()).unwrap();
    }
}

#[test]
fn tiff_fields_go_and_offsets_stay() {
    let file = samples::tiff();
    assert_eq!(
        transform::report(&file, &Cancellation::unbounded()).unwrap().exif.photo["UserComment"],
        "SecretComment"
    );
    for (keep, right) in [(Keep::None, false), (Keep::Copyright, true)] {
        let out = stripped(&file, keep);
        for secret in SECRETS {
            assert!(!contains(&out, secret), "{keep:?}: {secret}");
        }
        assert_eq!(out[0x500..], *b"the strip of pixels");
        let report = transform::report(&out, &Cancellation::unbounded()).unwrap();
        assert_eq!((report.width, report.height, report.orientation), (Some(16), Some(24), ORIENTATION));
        assert_eq!(report.exif.image["XResolution"], 72);
        assert_eq!(report.exif.image.contains_key("Artist"), right);
        assert_eq!(report.exif.image.len(), if right { 7 } else { 6 }, "{:?}", report.exif.image);
        assert!(report.exif.photo.is_empty(), "{report:?}");
        assert_eq!(report.xmp.keys().collect::<Vec<_>>(), if right { vec!["dc:rights"] } else { vec![] });
        assert!(
            metadata::strip(&mut Cursor::new(&out), keep, &Cancellation::unbounded()).unwrap().is_identity(),
            "{keep:?}"
        );
    }
}

#[test]
fn strips_of_a_tiff_without_a_length_keep_their_pixels() {
    let mut file = samples::tiff();
    let lengths = file.windows(4).position(|field| field == [0x01, 0x17, 0, 4]).unwrap();
    file[lengths + 8..lengths + 12].fill(0);
    let out = stripped(&file, Keep::None);
    assert_eq!(out[0x500..0x513], *b"the strip of pixels");
    assert_eq!(image_origin::codec::sniff(&out), Some(image_origin::codec::Format::Tiff));
    // Pixels that reach over the fields of Exif.
    let offsets = lengths - 2 * 12;
    assert_eq!(file[offsets..offsets + 2], [0x01, 0x11]);
    file[offsets + 8..offsets + 12].copy_from_slice(&0x3f8u32.to_be_bytes());
    let result = metadata::strip(&mut Cursor::new(&file), Keep::None, &Cancellation::unbounded());
    assert!(matches!(result, Err(metadata::Error::Damaged(_))));
}

#[test]
fn any_range_of_the_answer_can_be_had_alone() {
    for (name, file) in samples::all() {
        let plan = metadata::strip(&mut Cursor::new(&file), Keep::Copyright, &Cancellation::unbounded()).unwrap();
        let whole = written(&plan, &file);
        for start in (0..whole.len()).step_by(37) {
            for end in (start..=whole.len()).step_by(101) {
                let part = plan.slice(start as u64..end as u64);
                assert_eq!(written(&part, &file), &whole[start..end], "{name} {start}..{end}");
            }
        }
    }
}

#[test]
fn webp_flags_and_sizes_are_right() {
    let out = stripped(&samples::webp(), Keep::None);
    assert_eq!(u32::from_le_bytes(out[4..8].try_into().unwrap()) as usize, out.len() - 8);
    assert_eq!(out[20] & 0x3c, 0x28, "ICC and Exif");
    let mut upright = samples::webp();
    let exif = memchr::memmem::find(&upright, b"EXIF").unwrap();
    upright[exif..exif + 4].copy_from_slice(b"exif");
    assert_eq!(stripped(&upright, Keep::None)[20] & 0x3c, 0x20, "ICC alone");
}

#[test]
fn the_pixels_of_all_fixtures_stay_as_they_are() {
    let mut count = 0;
    for file in files("").into_iter().filter(|file| !file.components().any(|part| part.as_os_str() == "broken")) {
        let bytes = std::fs::read(&file).unwrap();
        let Some(format @ (Format::Jpeg | Format::Png | Format::WebP | Format::Gif)) = sniff(&bytes) else { continue };
        let out = stripped(&bytes, Keep::None);
        assert_eq!(compressed(&out, format), compressed(&bytes, format), "{}", file.display());
        assert_eq!(samples::pixels(&out), samples::pixels(&bytes), "{}", file.display());
        count += 1;
    }
    assert!(count > 50, "{count}");
}

/// The compressed image data: what carries pixels, in order.
fn compressed(file: &[u8], format: Format) -> Vec<u8> {
    let named = |name_at: usize, size: fn([u8; 4]) -> u32, overhead: usize, start: usize| {
        let (mut at, mut out) = (start, Vec::new());
        while let (Some(name), Some(length)) = (file.get(at + name_at..at + name_at + 4), file.get(at + 4 - name_at..))
        {
            let length = size(*length.first_chunk().unwrap()) as usize;
            let length = if overhead == 8 { length.next_multiple_of(2) } else { length };
            if matches!(name, b"IDAT" | b"fdAT" | b"fcTL" | b"PLTE" | b"tRNS" | b"VP8 " | b"VP8L" | b"ALPH" | b"ANMF") {
                out.extend_from_slice(&file[at..(at + overhead + length).min(file.len())]);
            }
            at += overhead + length;
        }
        out
    };
    match format {
        Format::Png => named(4, u32::from_be_bytes, 12, 8),
        Format::WebP => named(0, u32::from_le_bytes, 8, 12),
        Format::Jpeg => jpeg_scans(file),
        _ => image::load_from_memory(file).unwrap().into_bytes(),
    }
}

/// Frame and scans of the first image: all segments but APPn, COM and tables, of which not all may be used, each scan with its
/// data.
fn jpeg_scans(file: &[u8]) -> Vec<u8> {
    let (mut at, mut out) = (2, Vec::new());
    while let Some(&[0xff, marker, h, l]) = file.get(at..at + 4) {
        let mut end = at + 2 + usize::from(u16::from_be_bytes([h, l]));
        if marker == 0xd9 {
            break;
        }
        if marker == 0xda {
            let next = file[end..].windows(2).position(|w| w[0] == 0xff && !matches!(w[1], 0 | 0xd0..=0xd7 | 0xff));
            end = next.map_or(file.len(), |next| end + next);
        }
        if !matches!(marker, 0xe0..=0xef | 0xfe | 0xc4 | 0xdb) {
            out.extend_from_slice(&file[at..end.min(file.len())]);
        }
        at = end;
    }
    assert!(!out.is_empty());
    out
}

/// What ExifTool reads of the originals is text that would be found in the stripped files if it were there.
#[test]
fn no_text_that_exiftool_finds_survives() {
    let mut removed = 0;
    for (name, reading) in readings() {
        let bytes = std::fs::read(fixtures().join("exif").join(&name)).unwrap();
        let out = stripped(&bytes, Keep::None);
        for word in reading.values().filter_map(Value::as_str).filter(|text| text.len() >= 6) {
            assert!(!contains(&out, word), "{name} still says {word}");
            removed += usize::from(contains(&bytes, word));
        }
    }
    assert!(removed > 50, "{removed}");
}

#[test]
#[ignore = "runs exiftool: cargo test --test all -- --ignored"]
fn exiftool_finds_structure_profile_and_orientation_alone() {
    let folder = std::env::temp_dir().join(format!("image-origin-strip-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut leftovers = Vec::new();
    for (number, file) in files("").into_iter().enumerate() {
        let mut source = File::open(&file).unwrap();
        let Ok(plan) = metadata::strip(&mut source, Keep::None, &Cancellation::unbounded()) else { continue };
        let out = folder.join(format!("{number}-{}", file.file_name().unwrap().display()));
        plan.write_to(&mut source, &mut File::create(&out).unwrap()).unwrap();
        let tags = exiftool(&out, &[]);
        let is_tiff = tags.get("File:FileType").is_some_and(|kind| kind == "TIFF" || kind == "BTF");
        leftovers.extend(tags.iter().filter(|(key, _)| !is_structure(key, is_tiff)).map(|(k, v)| describe(&out, k, v)));
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(leftovers.is_empty(), "{}", leftovers.join("\n"));
}

fn describe(file: &std::path::Path, key: &str, value: &Value) -> String {
    format!("{}: {key} = {value}", file.display())
}

/// Fields that the pixels of a TIFF file are described by.
const TIFF_STRUCTURE: [&str; 28] = [
    "Orientation",
    "ImageWidth",
    "ImageHeight",
    "BitsPerSample",
    "Compression",
    "PhotometricInterpretation",
    "StripOffsets",
    "SamplesPerPixel",
    "RowsPerStrip",
    "StripByteCounts",
    "XResolution",
    "YResolution",
    "ResolutionUnit",
    "SampleFormat",
    "PlanarConfiguration",
    "Predictor",
    "TileWidth",
    "TileLength",
    "TileOffsets",
    "TileByteCounts",
    "JPEGTables",
    "YCbCrSubSampling",
    "ReferenceBlackWhite",
    "ColorMap",
    "ExtraSamples",
    // ExifTool's names for strips of JPEG data.
    "PreviewImage",
    "PreviewImageStart",
    "PreviewImageLength",
];

/// What a file cannot be without, or what the pixels are shown by: size, coding, colour, aspect, animation, the gain
/// map's directory, and the orientation.
fn is_structure(key: &str, is_tiff: bool) -> bool {
    let (group, name) = key.split_once(':').unwrap_or(("", key));
    match group {
        "" | "ExifTool" | "System" | "Composite" | "JFIF" | "Adobe" | "PNG-pHYs" | "RIFF" | "GIF" | "ICC_Profile" => {
            true
        }
        "File" => name != "Comment" && name != "CurrentIPTCDigest",
        "PNG" => !matches!(name, "Comment" | "ModifyDate" | "Software") && !name.starts_with("Date"),
        // The directories after the first are further pages.
        "IFD0" | "IFD1" if is_tiff => TIFF_STRUCTURE.contains(&name),
        "IFD0" => name == "Orientation",
        "MPF0" | "MPImage1" | "MPImage2" | "XMP-hdrgm" | "XMP-Container" => true,
        "QuickTime" | "Meta" | "Jpeg2000" => true,
        _ => group.starts_with("ICC"),
    }
}
