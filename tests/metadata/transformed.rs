//! What is carried into files with transformed pixels.

use image::ImageFormat;
use image_origin::codec::Cancellation;
use image_origin::codec::Format;
use image_origin::container;
use image_origin::metadata::{self, Keep};
use image_origin::transform;

use super::samples::{self, SECRETS, contains};

const TARGETS: [(ImageFormat, Format); 4] = [
    (ImageFormat::Jpeg, Format::Jpeg),
    (ImageFormat::Png, Format::Png),
    (ImageFormat::WebP, Format::WebP),
    (ImageFormat::Gif, Format::Gif),
];

#[test]
fn everything_true_of_the_new_pixels_is_carried() {
    for (name, source) in samples::all().into_iter().filter(|(name, _)| *name != "gif") {
        let carried = metadata::carry(&source, Keep::All, &Cancellation::unbounded()).unwrap();
        for (encoder, format) in TARGETS {
            let encoded = samples::picture(encoder);
            let out = metadata::embed(encoded.clone(), format, &carried, 24, 16);
            assert_eq!(samples::pixels(&out), samples::pixels(&encoded), "{name} to {format}");
            let report = transform::report(&out, &Cancellation::unbounded()).unwrap();
            assert_eq!(
                (report.width, report.height, report.orientation),
                (Some(24), Some(16), 1),
                "{name} to {format}"
            );
            assert_eq!(report.xmp["dc:rights"]["x-default"], "Xmp Rights", "{name} to {format}");
            assert!(!report.xmp.contains_key("tiff:Orientation"), "{name} to {format}");
            if format == Format::Gif {
                continue;
            }
            assert_eq!(report.exif.image["Make"], "SecretMake", "{name} to {format}");
            assert_eq!(report.exif.image["Orientation"]["value"], 1, "{name} to {format}");
            assert_eq!(report.exif.photo["PixelXDimension"], 24, "{name} to {format}");
            assert_eq!(report.exif.gps["latitude"], -33.859833333, "{name} to {format}");
            assert!(report.exif.thumbnail.is_empty() && !contains(&out, "SecretThumbnail"), "{name} to {format}");
            assert!(contains(&out, "SecretMakerNote"), "{name} to {format}");
        }
    }
}

#[test]
fn rights_alone_are_carried_where_that_is_asked() {
    for (name, source) in samples::all() {
        let carried = metadata::carry(&source, Keep::Copyright, &Cancellation::unbounded()).unwrap();
        for (encoder, format) in TARGETS {
            let out = metadata::embed(samples::picture(encoder), format, &carried, 24, 16);
            for secret in SECRETS {
                assert!(!contains(&out, secret), "{name} to {format} says {secret}");
            }
            let report = transform::report(&out, &Cancellation::unbounded()).unwrap();
            assert_eq!(report.xmp["dc:rights"]["x-default"], "Xmp Rights", "{name} to {format}");
            if name == "jpeg" && format != Format::Gif {
                assert_eq!(report.exif.image["Artist"], "Exif Artist");
                assert_eq!(report.xmp["photoshop:Credit"], "Iptc Credit");
            }
        }
    }
}

#[test]
fn nothing_is_carried_where_nothing_is_asked() {
    for (_, source) in samples::all() {
        let carried = metadata::carry(&source, Keep::None, &Cancellation::unbounded()).unwrap();
        assert!(carried.is_empty());
        let encoded = samples::picture(ImageFormat::Jpeg);
        assert_eq!(metadata::embed(encoded.clone(), Format::Jpeg, &carried, 24, 16), encoded);
    }
}

#[test]
fn avif_gets_items_and_keeps_its_image() {
    let encoded = super::strip::stripped(&samples::avif(), Keep::None);
    let image_at = |file: &[u8]| memchr::memmem::find(file, samples::AVIF_DATA).unwrap();
    for (keep, make) in [(Keep::All, true), (Keep::Copyright, false)] {
        let carried = metadata::carry(&samples::jpeg(), keep, &Cancellation::unbounded()).unwrap();
        let out = metadata::embed(encoded.clone(), Format::Avif, &carried, 24, 16);
        let report = transform::report(&out, &Cancellation::unbounded()).unwrap();
        assert_eq!(report.exif.image["Artist"], "Exif Artist");
        assert_eq!(report.exif.image.contains_key("Make"), make);
        assert_eq!(report.xmp["dc:rights"]["x-default"], "Xmp Rights");
        assert_eq!(report.warnings, Vec::<String>::new());
        assert!(image_at(&out) > image_at(&encoded));
        // The image is found where its item says: all that no item uses would become zeros.
        let again = super::strip::stripped(&out, Keep::None);
        assert_eq!(image_at(&again), image_at(&out));
        assert_eq!(
            container::icc_profile(&again, Format::Avif, &Cancellation::unbounded()).unwrap().as_deref(),
            Some(samples::profile().as_slice())
        );
    }
}

#[test]
fn what_is_too_long_for_a_jpeg_segment_leaves_the_rights() {
    let long = String::from_utf8(samples::xmp("SecretXmp")).unwrap().replace("SecretXmp", &"long ".repeat(20_000));
    let packet = [b"XML:com.adobe.xmp\0\0\0\0\0".as_slice(), long.as_bytes()].concat();
    let mut source = samples::picture(ImageFormat::Png);
    source.splice(33..33, samples::png_chunk(b"iTXt", &packet));
    let carried = metadata::carry(&source, Keep::All, &Cancellation::unbounded()).unwrap();
    for (encoder, format) in TARGETS {
        let out = metadata::embed(samples::picture(encoder), format, &carried, 24, 16);
        let report = transform::report(&out, &Cancellation::unbounded()).unwrap();
        assert_eq!(report.xmp["dc:rights"]["x-default"], "Xmp Rights", "{format}");
        assert_eq!(report.xmp.contains_key("photoshop:Instructions"), format != Format::Jpeg, "{format}");
    }
}
