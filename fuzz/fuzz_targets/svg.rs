//! Any text as a drawing: sanitising twice gives the same as once, and the result contains nothing that runs, loads or is of
//! another language.
#![no_main]

use image_origin_codec::{Cancellation, Meter};
use image_origin_svg::{Metadata, complexity, decode, sanitize};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let cancellation = Cancellation::unbounded();
    let meter = Meter::new(data.len() as u64, &cancellation);
    let Ok(text) = decode(data, &meter) else { return };
    for metadata in [Metadata::None, Metadata::Rights, Metadata::All] {
        let Ok(sanitized) = sanitize(&text, metadata, &meter) else { return };
        let clean = sanitized.to_text(&text);
        assert_eq!(sanitized.is_changed, clean != text);
        let meter = Meter::new(clean.len() as u64, &cancellation);
        let again = sanitize(&clean, metadata, &meter).expect("what is clean is well-formed");
        assert!(!again.is_changed, "{clean}\n{}", again.to_text(&clean));
        assert_eq!(again.size, sanitized.size);
        check(&clean);
        let _ = complexity(&clean, &meter);
    }
});

/// Checks every tag.
fn check(clean: &str) {
    let mut rest = clean;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(sheet) = rest.strip_prefix("![CDATA[") {
            let (content, after) = sheet.split_once("]]>").expect("sections end");
            assert!(!content.contains('<'), "{content}");
            rest = after;
            continue;
        }
        assert!(!rest.starts_with("!"), "a comment or a document type");
        let is_declaration = rest.starts_with("?xml ") || rest.starts_with("?xml\t");
        assert!(!rest.starts_with('?') || is_declaration || rest.starts_with("?xml"), "an instruction");
        let (mut quote, mut end) = (None, rest.len());
        for (at, character) in rest.char_indices() {
            match (quote, character) {
                (None, '>') => {
                    end = at;
                    break;
                }
                (None, '"' | '\'') => quote = Some(character),
                (Some(open), character) if open == character => quote = None,
                _ => {}
            }
        }
        tag(&rest[..end]);
        rest = &rest[end..];
    }
}

fn tag(tag: &str) {
    let name = tag.trim_start_matches('/').split([' ', '\t', '\n', '\r', '/']).next().unwrap_or_default();
    let local = name.rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
    let forbidden =
        ["script", "foreignobject", "iframe", "embed", "object", "audio", "video", "canvas", "img", "handler"];
    assert!(!forbidden.contains(&local.as_str()), "{tag}");
    let mut rest = &tag[name.len().min(tag.len())..];
    while let Some(at) = rest.find(['"', '\'']) {
        let quote = &rest[at..at + 1];
        let key = rest[..at].trim_end_matches(['=', ' ', '\t', '\n', '\r']);
        let key = key.rsplit([' ', '\t', '\n', '\r', ':']).next().unwrap_or_default().to_ascii_lowercase();
        assert!(!key.starts_with("on") && !matches!(key.as_str(), "src" | "srcset" | "srcdoc" | "ping"), "{tag}");
        let Some((value, after)) = rest[at + 1..].split_once(quote) else { return };
        if key == "href" && !tag[..tag.len() - rest.len()].trim_end().ends_with("xmlns") {
            let start = value.trim_start_matches([' ', '\t', '\n', '\r']).to_ascii_lowercase();
            // References to characters may stand for these.
            assert!(start.starts_with('#') || start.starts_with("data:image/") || start.starts_with('&'), "{tag}");
        }
        rest = after;
    }
}
