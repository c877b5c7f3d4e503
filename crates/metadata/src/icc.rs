//! The length and the description of an ICC profile (ICC.1:2022, section 7 and 9.2.41).

/// The length of the header and the tag count.
const MIN_LEN: usize = 128 + 4;

/// The length of the profile according to its header (7.2.2); `None` if the bytes are not a complete profile.
pub(super) fn len(profile: &[u8]) -> Option<usize> {
    let len = u32_at(profile, 0)? as usize;
    let is_profile = profile.get(36..40) == Some(b"acsp") && (MIN_LEN..=profile.len()).contains(&len);
    is_profile.then_some(len)
}

/// The profile description in its first language.
pub fn description(profile: &[u8]) -> Option<String> {
    let count = u32_at(profile, 128)?.min(100) as usize;
    let entry = profile.get(132..)?.chunks_exact(12).take(count).find(|entry| entry.starts_with(b"desc"))?;
    let (offset, size) = (u32_at(entry, 4)? as usize, u32_at(entry, 8)? as usize);
    let tag = profile.get(offset..)?;
    let tag = tag.get(..size.min(tag.len()))?;
    let text = match tag {
        // ICC.1:2001, 6.5.17: a length and ASCII text.
        [b'd', b'e', b's', b'c', ..] => {
            let length = u32_at(tag, 8)? as usize;
            let ascii = tag.get(12..)?;
            crate::iptc::text(ascii.get(..length.min(ascii.len()))?)
        }
        // 10.15: records of language, country, length and offset, followed by UTF-16 text.
        [b'm', b'l', b'u', b'c', ..] => {
            let (length, offset) = (u32_at(tag, 20)? as usize, u32_at(tag, 24)? as usize);
            let units = tag.get(offset..offset.checked_add(length)?)?.chunks_exact(2);
            let units = units.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => return None,
    };
    Some(text.trim_end_matches('\0').to_owned()).filter(|text| !text.is_empty())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(tag: &[u8]) -> Vec<u8> {
        let mut profile = vec![0; 128];
        profile.extend(1_u32.to_be_bytes());
        profile.extend(b"desc");
        profile.extend(144_u32.to_be_bytes());
        profile.extend((tag.len() as u32).to_be_bytes());
        profile.extend_from_slice(tag);
        profile
    }

    #[test]
    fn both_versions_name_themselves() {
        let v2 = profile(b"desc\0\0\0\0\0\0\0\x05sRGB\0");
        let v4 = profile(b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS\0\0\0\x04\0\0\0\x1c\0P\x003");
        assert_eq!(description(&v2).as_deref(), Some("sRGB"));
        assert_eq!(description(&v4).as_deref(), Some("P3"));
        for end in 0..v4.len() {
            let _ = description(&v4[..end]);
        }
    }
}
