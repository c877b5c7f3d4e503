//! Photoshop image resources, the container of IPTC in JPEG files (Adobe Photoshop File Formats, "Image Resource
//! Blocks").

/// The id of the resource that contains IPTC-IIM data sets.
const IPTC: u16 = 0x0404;

/// Returns the IPTC-IIM data in these resources.
pub fn iptc(mut resources: &[u8]) -> Option<&[u8]> {
    loop {
        let (id, data, rest) = next_resource(resources)?;
        if id == IPTC {
            return Some(data);
        }
        resources = rest;
    }
}

/// Parses a resource: signature, id, a Pascal string padded to even length, the size, and data padded likewise.
fn next_resource(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"8BIM")?;
    let (id, rest) = rest.split_first_chunk()?;
    let name_len = usize::from(*rest.first()?) + 1;
    let (size, rest) = rest.get(name_len.next_multiple_of(2)..)?.split_first_chunk()?;
    let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
    let data = rest.get(..size)?;
    let rest = rest.get(size.next_multiple_of(2)..).unwrap_or_default();
    Some((u16::from_be_bytes(*id), data, rest))
}

/// Serializes a resource that contains these IPTC-IIM data sets.
pub fn iptc_resource(data: &[u8]) -> Vec<u8> {
    let mut out = b"8BIM".to_vec();
    out.extend(IPTC.to_be_bytes());
    out.extend([0, 0]);
    out.extend((data.len() as u32).to_be_bytes());
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iptc_is_found_behind_other_resources() {
        let mut resources = b"8BIM\x04\x0a\x03abc\0\0\0\x01x\0".to_vec();
        resources.extend(iptc_resource(b"\x1c\x02\x50\0\x03Ann"));
        assert_eq!(iptc(&resources), Some(b"\x1c\x02\x50\0\x03Ann".as_slice()));
        for end in 0..resources.len() - 1 {
            assert_eq!(iptc(&resources[..end]), None);
        }
    }
}
