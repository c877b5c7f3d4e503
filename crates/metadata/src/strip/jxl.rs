//! JPEG XL: a bare codestream contains no metadata, and of a container (ISO/IEC 18181-2) only the boxes with the
//! codestream are kept, and what is kept of the first packet of XMP. Orientation and colour are part of the codestream.

use super::{Keep, swallowed};
use crate::rights::xmp_of_same_pixels;
use crate::{Error, Rewrite};
use image_origin_container::Input;
use image_origin_container::isobmff::{boxes, write_box};

/// The file type box, which has a fixed content (9.2).
const FILE_TYPE: &[u8] = b"jxl \0\0\0\0jxl ";
/// The bit in the index of a partial codestream that marks the last one (9.9).
const LAST_PART: u8 = 0x80;

/// The maximum length of a packet in bytes.
const MAX_PACKET: usize = 1 << 20;

pub(super) fn strip(input: &mut Input<'_>, keep: Keep) -> Result<Rewrite, Error> {
    let len = input.len();
    if input.peek(0, 2)?.starts_with(&[0xff, 0x0a]) {
        return Ok(Rewrite::identity(len));
    }
    let mut out = Rewrite::new(len);
    let (mut has_picture, mut is_over, mut has_level) = (false, false, false);
    let all = boxes(input, 0..len)?;
    let xmp = match all.iter().find(|found| &found.kind == b"xml " && !found.cut) {
        Some(found) if keep != Keep::None => {
            let packet = input.copy(found.payload.clone(), MAX_PACKET)?;
            xmp_of_same_pixels(packet, keep, input.meter())?
        }
        _ => None,
    };
    for (index, found) in all.into_iter().enumerate() {
        match &found.kind {
            b"JXL " if index == 0 => out.copy(found.range),
            b"ftyp" if index == 1 => {
                out.insert(&write_box(found.kind, FILE_TYPE));
                out.insert(&xmp.as_ref().map(|packet| write_box(*b"xml ", packet)).unwrap_or_default());
            }
            b"jxll" if !has_level => {
                has_level = true;
                out.insert(&write_box(found.kind, &input.copy(found.payload, 1)?));
            }
            b"jxlc" if !has_picture => {
                (has_picture, is_over) = (true, true);
                swallowed::refuse(input, found.payload)?;
                out.copy(found.range);
            }
            b"jxlp" if !is_over => {
                has_picture = true;
                is_over = input.array::<1>(found.payload.start)?.is_some_and(|[first]| first & LAST_PART != 0);
                swallowed::refuse(input, found.payload)?;
                out.copy(found.range);
            }
            _ => {}
        }
    }
    if has_picture { Ok(out) } else { Err(Error::Damaged("no codestream")) }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate::{Error, Keep, report, strip};
    use image_origin_container::Cancellation;
    use image_origin_container::isobmff::write_box;

    #[test]
    fn only_the_picture_stays() {
        let signature = b"\0\0\0\x0cJXL \r\n\x87\n".to_vec();
        let picture = [write_box(*b"jxlp", b"\0\0\0\0\xff\x0a"), write_box(*b"jxlp", b"\x80\0\0\x01rest")];
        let exif = write_box(*b"Exif", b"\0\0\0\0MM\0*\0\0\0\x08\0\x01\x01\x3b\0\x02\0\0\0\x03me\0\0\0\0\0\0");
        let xmp = write_box(*b"xml ", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>");
        let file = [&signature, &exif, &picture[0], &xmp, &write_box(*b"jbrd", b"a JPEG's segments"), &picture[1]];
        let file = file.map(Vec::as_slice).concat();
        assert_eq!(report(&file, None, &Cancellation::unbounded()).unwrap().exif.image["Artist"], "me");
        let mut out = Vec::new();
        strip(&mut Cursor::new(&file), Keep::None, &Cancellation::unbounded())
            .unwrap()
            .write_to(Cursor::new(&file), &mut out)
            .unwrap();
        assert_eq!(out, [signature.clone(), picture.concat()].concat());
        assert!(
            strip(&mut Cursor::new(&[&signature[..], &exif].concat()), Keep::None, &Cancellation::unbounded()).is_err()
        );
        // A codestream whose length covers the boxes behind it.
        for block in [exif, xmp, write_box(*b"brob", b"Exif compressed")] {
            let picture = write_box(*b"jxlc", &[b"\xff\x0a", block.as_slice()].concat());
            let file = [signature.as_slice(), &picture].concat();
            let result = strip(&mut Cursor::new(&file), Keep::None, &Cancellation::unbounded());
            assert!(matches!(result, Err(Error::Damaged(_))));
        }
        let bare = b"\xff\x0a and what follows";
        assert!(strip(&mut Cursor::new(bare), Keep::None, &Cancellation::unbounded()).unwrap().is_identity());
    }
}
