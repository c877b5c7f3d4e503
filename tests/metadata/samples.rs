//! Small files with metadata of every kind, and the words in it that must not survive.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};

/// Words that stand in the samples' metadata, one for each kind of place.
pub(crate) const SECRETS: [&str; 12] = [
    "SecretMake",
    "SecretMakerNote",
    "SecretThumbnail",
    "SecretComment",
    "SecretXmp",
    "SecretExtendedXmp",
    "SecretIptc",
    "SecretCity",
    "SecretVendor",
    "SecretTrailer",
    "SecretText",
    "SecretJumbf",
];

/// Words in the metadata that say whose the picture is.
pub(crate) const RIGHTS: [&str; 3] = ["Exif Artist", "Xmp Rights", "Iptc Credit"];

/// How the samples are turned.
pub(crate) const ORIENTATION: u8 = 6;

/// A picture of 24 by 16 pixels, encoded.
pub(crate) fn picture(format: ImageFormat) -> Vec<u8> {
    let pixel = |x: u32, y: u32| image::Rgb([(x * 10) as u8, (y * 15) as u8, ((x ^ y) * 9) as u8]);
    let picture = DynamicImage::from(RgbImage::from_fn(24, 16, pixel));
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// The pixels of a file as stored.
pub(crate) fn pixels(file: &[u8]) -> Vec<u8> {
    image::load_from_memory(file).unwrap().into_bytes()
}

struct Entry<'a>(u16, u16, u32, &'a [u8]);

/// A directory in big-endian order that will stand at `at`, with its values behind it.
fn directory(entries: &[Entry<'_>], next: u32, at: u32) -> Vec<u8> {
    let mut out = (entries.len() as u16).to_be_bytes().to_vec();
    let mut values = Vec::new();
    for Entry(tag, kind, count, value) in entries {
        out.extend([tag.to_be_bytes(), kind.to_be_bytes()].concat());
        out.extend(count.to_be_bytes());
        if value.len() <= 4 {
            out.extend(value.iter().copied().chain([0; 4]).take(4));
        } else {
            let place = at + 2 + entries.len() as u32 * 12 + 4 + values.len() as u32;
            out.extend(place.to_be_bytes());
            values.extend_from_slice(value);
        }
    }
    out.extend(next.to_be_bytes());
    out.extend(values);
    out
}

/// An Exif block with all five directories, maker notes and a thumbnail.
pub(crate) fn exif() -> Vec<u8> {
    const IMAGE: u32 = 8;
    const PHOTO: u32 = 0x100;
    const GPS: u32 = 0x200;
    const INTEROP: u32 = 0x300;
    const THUMBNAIL: u32 = 0x340;
    const THUMBNAIL_DATA: u32 = 0x3a0;
    let image = directory(
        &[
            Entry(0x010f, 2, 11, b"SecretMake\0"),
            Entry(0x0112, 3, 1, &[0, ORIENTATION]),
            Entry(0x011a, 5, 1, &[0, 0, 0, 72, 0, 0, 0, 1]),
            Entry(0x0132, 2, 20, b"2026:03:14 15:09:26\0"),
            Entry(0x013b, 2, 12, b"Exif Artist\0"),
            Entry(0x8769, 4, 1, &PHOTO.to_be_bytes()),
            Entry(0x8825, 4, 1, &GPS.to_be_bytes()),
            Entry(0xc4a5, 7, 5, b"\x01\x02\x03\x04\x05"),
        ],
        THUMBNAIL,
        IMAGE,
    );
    let photo = directory(
        &[
            Entry(0x829a, 5, 1, &[0, 0, 0, 1, 0, 0, 0, 60]),
            Entry(0x9003, 2, 20, b"2026:03:14 15:09:26\0"),
            Entry(0x9011, 2, 7, b"+01:00\0"),
            Entry(0x9209, 3, 1, &[0, 16]),
            Entry(0x9286, 7, 16, b"UNICODE\0\0S\0e\0e\0!"),
            Entry(0x9291, 2, 3, b"53\0"),
            Entry(0x927c, 7, 15, b"SecretMakerNote"),
            Entry(0xa002, 3, 1, &[0, 24]),
            Entry(0xa003, 3, 1, &[0, 16]),
            Entry(0xa005, 4, 1, &INTEROP.to_be_bytes()),
        ],
        0,
        PHOTO,
    );
    let degrees = |d: u32, m: u32, s: u32| [d, 1, m, 1, s, 100].map(u32::to_be_bytes).concat();
    let gps = directory(
        &[
            Entry(1, 2, 2, b"S\0"),
            Entry(2, 5, 3, &degrees(33, 51, 3540)),
            Entry(3, 2, 2, b"E\0"),
            Entry(4, 5, 3, &degrees(151, 12, 4050)),
            Entry(5, 1, 1, &[1]),
            Entry(6, 5, 1, &[0, 0, 0, 5, 0, 0, 0, 2]),
        ],
        0,
        GPS,
    );
    let interop = directory(&[Entry(1, 2, 4, b"R98\0")], 0, INTEROP);
    let thumbnail = directory(
        &[
            Entry(0x0103, 3, 1, &[0, 6]),
            Entry(0x0201, 4, 1, &THUMBNAIL_DATA.to_be_bytes()),
            Entry(0x0202, 4, 1, &15_u32.to_be_bytes()),
        ],
        0,
        THUMBNAIL,
    );
    let mut block = b"MM\0\x2a\0\0\0\x08".to_vec();
    for (at, part) in [(IMAGE, image), (PHOTO, photo), (GPS, gps), (INTEROP, interop), (THUMBNAIL, thumbnail)] {
        assert!(block.len() <= at as usize, "the directories overlap");
        block.resize(at as usize, 0);
        block.extend(part);
    }
    block.resize(THUMBNAIL_DATA as usize, 0);
    block.extend(b"SecretThumbnail");
    block
}

pub(crate) fn xmp(secret: &str) -> Vec<u8> {
    format!(
        r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 photoshop:City="SecretCity" photoshop:Instructions="{secret}" tiff:Orientation="6">
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">Xmp Rights</rdf:li></rdf:Alt></dc:rights>
</rdf:Description></rdf:RDF></x:xmpmeta>"#
    )
    .into_bytes()
}

fn iptc() -> Vec<u8> {
    let set =
        |number: u8, text: &str| [&[0x1c, 2, number][..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
    [set(25, "SecretIptc"), set(90, "SecretCity"), set(110, "Iptc Credit")].concat()
}

fn photoshop() -> Vec<u8> {
    let data = iptc();
    let mut out = b"Photoshop 3.0\x008BIM\x04\x04\0\0".to_vec();
    out.extend((data.len() as u32).to_be_bytes());
    out.extend(&data);
    out.resize(out.len().next_multiple_of(2), 0);
    out
}

pub(crate) fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &(payload.len() as u16 + 2).to_be_bytes(), payload].concat()
}

/// The header of a colour profile, and no tags.
pub(crate) fn profile() -> Vec<u8> {
    let mut profile = vec![0; 132];
    profile[..4].copy_from_slice(&132_u32.to_be_bytes());
    profile[36..40].copy_from_slice(b"acsp");
    profile
}

pub(crate) fn jpeg() -> Vec<u8> {
    let picture = picture(ImageFormat::Jpeg);
    let extended = xmp("SecretExtendedXmp");
    let digest = b"0123456789ABCDEF0123456789ABCDEF";
    let length = (extended.len() as u32).to_be_bytes();
    let extended = [b"http://ns.adobe.com/xmp/extension/\0".as_slice(), digest, &length, &[0; 4], &extended].concat();
    let mut file = vec![0xff, 0xd8];
    file.extend(segment(0xe1, &[b"Exif\0\0".as_slice(), &exif()].concat()));
    file.extend(segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0".as_slice(), &xmp("SecretXmp")].concat()));
    file.extend(segment(0xe1, &extended));
    file.extend(segment(0xed, &photoshop()));
    file.extend(segment(0xfe, b"SecretComment"));
    file.extend(segment(0xe4, b"SecretVendor"));
    file.extend(segment(0xeb, b"JP\0\x01\0\0\0\x01\0\0\0\x20jumbSecretJumbf"));
    file.extend(segment(0xe0, b"JFXX\0\x10SecretThumbnail"));
    file.extend(segment(0xe2, &[b"ICC_PROFILE\0\x01\x01".as_slice(), &profile()].concat()));
    file.extend(segment(0xee, b"Adobe\0\x64\0\0\0\0\x01SecretVendor"));
    file.extend(&picture[2..]);
    file.extend(b"\xff\xd8\xffSecretTrailer");
    file
}

pub(crate) fn png_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(&[name.as_slice(), data].concat());
    [&(data.len() as u32).to_be_bytes(), name.as_slice(), data, &crc.sum().to_be_bytes()].concat()
}

pub(crate) fn png() -> Vec<u8> {
    let picture = picture(ImageFormat::Png);
    let hex: String = iptc().iter().map(|byte| format!("{byte:02x}")).collect();
    // Some writers leave bytes behind the digits.
    let raw_profile = format!("Raw profile type iptc\0\niptc\n{:8}\n{hex}\n\0\u{1}x", iptc().len());
    let mut file = picture[..33].to_vec();
    file.extend(png_chunk(b"gAMA", &45_455_u32.to_be_bytes()));
    file.extend(png_chunk(b"pHYs", &[0, 0, 0, 2, 0, 0, 0, 1, 0]));
    file.extend(png_chunk(b"eXIf", &exif()));
    file.extend(png_chunk(b"tEXt", b"Comment\0SecretText"));
    file.extend(png_chunk(b"tEXt", raw_profile.as_bytes()));
    file.extend(png_chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0".as_slice(), &xmp("SecretXmp")].concat()));
    file.extend(png_chunk(b"caBX", b"SecretJumbf"));
    file.extend(&picture[33..]);
    file.extend(b"SecretTrailer");
    file
}

pub(crate) fn riff_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = [name.as_slice(), &(data.len() as u32).to_le_bytes(), data].concat();
    out.resize(out.len().next_multiple_of(2), 0);
    out
}

pub(crate) fn webp() -> Vec<u8> {
    let picture = picture(ImageFormat::WebP);
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    file.extend(riff_chunk(b"VP8X", &[0x2c, 0, 0, 0, 23, 0, 0, 15, 0, 0]));
    file.extend(riff_chunk(b"ICCP", &profile()));
    file.extend(&picture[12..]);
    file.extend(riff_chunk(b"SVND", b"SecretVendor"));
    file.extend(riff_chunk(b"EXIF", &exif()));
    file.extend(riff_chunk(b"XMP ", &xmp("SecretXmp")));
    let size = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&size.to_le_bytes());
    file.extend(b"SecretTrailer");
    file
}

pub(crate) fn gif() -> Vec<u8> {
    let picture = picture(ImageFormat::Gif);
    let table = if picture[10] & 0x80 == 0 { 0 } else { 3 << ((picture[10] & 7) + 1) };
    let body = 13 + table;
    let mut file = picture[..body].to_vec();
    file.extend(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0");
    file.extend(b"\x21\xfe\x0dSecretComment\0");
    file.extend(b"\x21\xff\x0bVENDORAPP10\x0cSecretVendor\0");
    file.extend([b"\x21\xff\x0bXMP DataXMP".as_slice(), &xmp("SecretXmp"), &[1]].concat());
    file.extend((0..=0xff).rev());
    file.push(0);
    file.extend(&picture[body..]);
    file.extend(b"SecretTrailer");
    file
}

/// The "pixels" of the AVIF sample, an OBU of type frame, which no test decodes.
pub(crate) const AVIF_DATA: &[u8] = b"\x32\x14the compressed image";

/// An AVIF file with a thumbnail, metadata and a vendor's box, turned by a quarter to the left.
pub(crate) fn avif() -> Vec<u8> {
    let exif = [&[0; 4][..], &exif()].concat();
    let xmp = xmp("SecretXmp");
    let data: [&[u8]; 4] = [AVIF_DATA, &exif, &xmp, b"SecretThumbnail"];
    let start = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf".to_vec();
    let vendor = full_box(b"uuid", b"0123456789abcdefSecretVendor");
    let meta_len = avif_meta(0, &data).len();
    let media_at = start.len() + meta_len + vendor.len() + 8;
    let media = full_box(b"mdat", &[data.concat().as_slice(), b"SecretTrailer"].concat());
    [start, avif_meta(media_at as u32, &data), vendor, media, full_box(b"mpvd", b"SecretTrailer")].concat()
}

/// The movie box of a sequence of one sample of so many bytes at `at`, with user data at both levels, times in all headers,
/// and a track of sound.
pub(crate) fn movie(at: u32, len: u32) -> Vec<u8> {
    let header =
        |kind: &[u8; 4], len: usize| full_box(kind, &[b"\0\0\0\0DATESDAT".as_slice(), &vec![0; len - 12]].concat());
    let table = |kind: &[u8; 4], fields: &[u32]| {
        full_box(kind, &fields.iter().flat_map(|field| field.to_be_bytes()).collect::<Vec<_>>())
    };
    let user_data = full_box(b"udta", &full_box(b"name", b"SecretVendor"));
    let entry = [
        vec![0; 42],
        b"SecretMake".to_vec(),
        vec![0; 26],
        full_box(b"av1C", b"\x81\0\0\0"),
        full_box(b"note", b"SecretText"),
    ];
    let tables = [
        full_box(b"stsd", &[b"\0\0\0\0\0\0\0\x01".to_vec(), full_box(b"av01", &entry.concat())].concat()),
        table(b"stts", &[0, 1, 1, 1]),
        table(b"stsc", &[0, 1, 1, 1, 1]),
        table(b"stsz", &[0, 0, 1, len]),
        table(b"stco", &[0, 1, at]),
        full_box(b"sgpd", b"SecretText"),
    ];
    let track = |kind: &[u8; 4]| {
        let handler = full_box(b"hdlr", &[&[0; 8], kind.as_slice(), &[0; 12], b"SecretText"].concat());
        let information = full_box(b"minf", &full_box(b"stbl", &tables.concat()));
        let media = full_box(b"mdia", &[header(b"mdhd", 24), handler, information].concat());
        full_box(b"trak", &[header(b"tkhd", 84), media, user_data.clone()].concat())
    };
    full_box(b"moov", &[header(b"mvhd", 100), track(b"pict"), track(b"soun"), user_data.clone()].concat())
}

/// A box of the ISO base media file format.
pub(crate) fn full_box(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32 + 8).to_be_bytes(), kind.as_slice(), payload].concat()
}

fn avif_meta(media_at: u32, data: &[&[u8]; 4]) -> Vec<u8> {
    let entry =
        |id: u8, kind: &[u8], rest: &[u8]| full_box(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0][..], kind, rest].concat());
    let entries = [
        entry(1, b"av01", b"\0"),
        entry(2, b"Exif", b"\0"),
        entry(3, b"mime", b"\0application/rdf+xml\0"),
        entry(4, b"av01", b"\0"),
    ];
    let mut places = vec![0, 0, 0, 0, 0x44, 0, 0, 4];
    let mut at = media_at;
    for (id, data) in (1..).zip(data) {
        places.extend([0, id, 0, 0, 0, 1]);
        places.extend(at.to_be_bytes());
        places.extend((data.len() as u32).to_be_bytes());
        at += data.len() as u32;
    }
    let reference = |kind: &[u8; 4], from: u8| full_box(kind, &[0, from, 0, 1, 0, 1]);
    let references = [reference(b"cdsc", 2), reference(b"cdsc", 3), reference(b"thmb", 4)];
    let properties = [
        full_box(b"ispe", &[0, 0, 0, 0, 0, 0, 0, 24, 0, 0, 0, 16]),
        full_box(b"irot", &[1]),
        full_box(b"colr", &[b"prof".as_slice(), &profile()].concat()),
        full_box(b"udes", b"\0\0\0\0en\0SecretText\0\0\0"),
    ];
    let associations = [0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 1, 2, 3, 4, 0, 4, 1, 1];
    let children = [
        full_box(b"hdlr", b"\0\0\0\0\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        full_box(b"pitm", &[0, 0, 0, 0, 0, 1]),
        full_box(b"iloc", &places),
        full_box(b"iinf", &[&[0, 0, 0, 0, 0, 4][..], &entries.concat()].concat()),
        full_box(b"iref", &[&[0; 4][..], &references.concat()].concat()),
        full_box(b"iprp", &[full_box(b"ipco", &properties.concat()), full_box(b"ipma", &associations)].concat()),
    ];
    full_box(b"meta", &[&[0; 4][..], &children.concat()].concat())
}

/// A TIFF file of two pages, the second a thumbnail, with metadata in fields and in directories.
pub(crate) fn tiff() -> Vec<u8> {
    let xmp = xmp("SecretXmp");
    let exif = directory(&[Entry(0x9286, 7, 21, b"ASCII\0\0\0SecretComment")], 0, 0x400);
    let strip = b"the strip of pixels";
    let image = directory(
        &[
            Entry(0x0100, 3, 1, &[0, 24]),
            Entry(0x0101, 3, 1, &[0, 16]),
            Entry(0x010f, 2, 11, b"SecretMake\0"),
            Entry(0x0111, 4, 1, &0x500_u32.to_be_bytes()),
            Entry(0x0112, 3, 1, &[0, ORIENTATION]),
            Entry(0x0117, 4, 1, &(strip.len() as u32).to_be_bytes()),
            Entry(0x011a, 5, 1, &[0, 0, 0, 72, 0, 0, 0, 1]),
            Entry(0x013b, 2, 12, b"Exif Artist\0"),
            Entry(0x02bc, 1, xmp.len() as u32, &xmp),
            Entry(0x8769, 4, 1, &0x400_u32.to_be_bytes()),
        ],
        0x480,
        8,
    );
    let thumbnail = directory(
        &[
            Entry(0x00fe, 4, 1, &[0, 0, 0, 1]),
            Entry(0x0111, 4, 1, &0x520_u32.to_be_bytes()),
            Entry(0x0117, 4, 1, &15_u32.to_be_bytes()),
        ],
        0,
        0x480,
    );
    let mut file = b"MM\0\x2a\0\0\0\x08".to_vec();
    let parts =
        [(8, image.as_slice()), (0x400, &exif), (0x480, &thumbnail), (0x500, strip), (0x520, b"SecretThumbnail")];
    for (at, part) in parts {
        assert!(file.len() <= at, "the parts overlap");
        file.resize(at, 0);
        file.extend_from_slice(part);
    }
    file.extend(b"SecretTrailer");
    file
}

/// All whose pixels can be decoded here, by name.
pub(crate) fn all() -> [(&'static str, Vec<u8>); 4] {
    [("jpeg", jpeg()), ("png", png()), ("webp", webp()), ("gif", gif())]
}

/// Whether the bytes contain this text.
pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}
