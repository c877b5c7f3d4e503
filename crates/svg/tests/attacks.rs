//! Every drawing of `attacks.txt` is refused, or loses what it would run or load. An XML parser of other origin reads the
//! results; `tests/svg.test.mjs` opens them in Chromium.

#![allow(clippy::disallowed_methods, reason = "tests have no caller that could pass a `Cancellation`")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use image_origin_container::{Cancellation, Meter};
use image_origin_svg::{Error, Metadata, decode, sanitize};
use quick_xml::Reader;
use quick_xml::events::Event;

/// Names and texts of all attacks.
fn attacks() -> Vec<(&'static str, String)> {
    let listed = include_str!("attacks.txt").split("\n== ").skip(1);
    let attack = |listed: &'static str| {
        let (name, text) = listed.split_once('\n').unwrap();
        let text = text.replace("{JS}", "fetch(`http://LEAK/js`)").replace("{URL}", "http://LEAK/url");
        let is_document = ["<svg", "<?x", "<!D", "<html"].iter().any(|start| text.starts_with(start));
        let names = "xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\"";
        (name, if is_document { text } else { format!("<svg {names}>{text}</svg>") })
    };
    listed.map(attack).collect()
}

fn sanitized(text: &str, metadata: Metadata) -> Result<String, Error> {
    let cancellation = Cancellation::unbounded();
    let meter = Meter::new(text.len() as u64, &cancellation);
    let text = decode(text.as_bytes(), &meter)?;
    Ok(sanitize(&text, metadata, &meter)?.to_text(&text))
}

/// What a drawing contains that runs, loads or links to elsewhere.
fn forbidden(text: &str) -> Vec<String> {
    const ELEMENTS: [&str; 30] = [
        "animation",
        "audio",
        "base",
        "body",
        "canvas",
        "color-profile",
        "cursor",
        "embed",
        "font-face-uri",
        "foreignobject",
        "form",
        "frame",
        "handler",
        "html",
        "iframe",
        "img",
        "input",
        "link",
        "listener",
        "math",
        "meta",
        "object",
        "p",
        "prefetch",
        "script",
        "source",
        "track",
        "video",
        "include",
        "annotation-xml",
    ];
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let mut reader = Reader::from_str(text);
    loop {
        let event = reader.read_event().unwrap_or_else(|error| panic!("{text}: {error}"));
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                let name = tag.local_name().as_ref().to_ascii_lowercase();
                if ELEMENTS.contains(&name.as_str()) {
                    found.push(format!("<{name}>"));
                }
                for attribute in tag.attributes() {
                    let attribute = attribute.unwrap();
                    let key = attribute.key.local_name().as_ref().to_ascii_lowercase();
                    let value = quick_xml::escape::unescape(&attribute.value).unwrap().to_ascii_lowercase();
                    let is_local = value.trim().starts_with('#')
                        || ["png", "jpeg", "gif", "webp"]
                            .iter()
                            .any(|name| value.starts_with(&format!("data:image/{name};base64,")));
                    let is_declaration = attribute.key.as_ref().starts_with("xmlns");
                    if key.starts_with("on")
                        || ["src", "srcset", "srcdoc", "base", "ping", "data", "poster"].contains(&key.as_str())
                    {
                        found.push(key);
                    } else if key == "href" && !is_local && !is_declaration || value.contains("leak") && key != "id" {
                        found.push(format!("{key}={value}"));
                    } else if key == "attributename" && (value.contains("href") || value.trim().starts_with("on")) {
                        found.push(format!("animation of {value}"));
                    }
                }
                if matches!(event, Event::Start(_)) {
                    open.push(name);
                }
            }
            Event::End(_) => _ = open.pop(),
            Event::Comment(_) | Event::PI(_) | Event::DocType(_) => found.push(format!("{event:?}")),
            Event::Text(content) if open.last().is_some_and(|name| name == "style") => {
                // A string that no function takes loads nothing.
                let sheet = content.as_ref().to_ascii_lowercase().replace("--u:\"http://leak/url\"", "");
                found.extend(sheet.contains("leak").then_some(sheet));
            }
            Event::CData(content) => {
                let sheet = content.as_ref().to_ascii_lowercase();
                found.extend((sheet.contains("leak") || sheet.contains('<')).then_some(sheet));
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

#[test]
fn nothing_that_runs_or_loads_passes() {
    let attacks = attacks();
    assert!(attacks.len() >= 300, "{}", attacks.len());
    let (mut refused, mut named) = (0, Vec::new());
    for (name, text) in &attacks {
        for metadata in [Metadata::None, Metadata::Rights, Metadata::All] {
            let Ok(clean) = sanitized(text, metadata) else {
                refused += 1;
                continue;
            };
            assert_eq!(forbidden(&clean), Vec::<String>::new(), "{name}: {clean}");
            assert_eq!(sanitized(&clean, metadata).as_ref(), Ok(&clean), "{name}");
            named.push(*name);
        }
    }
    // Most are drawings that lose a part, and are not refused as a whole.
    assert!(refused < attacks.len() && named.len() > 2 * attacks.len(), "{refused} refused");
}

/// Attacks with parts of others in them, and with bytes replaced.
#[test]
fn mixtures_of_attacks_are_clean_or_refused() {
    let attacks: Vec<Vec<char>> = attacks().into_iter().map(|(_, text)| text.chars().collect()).collect();
    let rounds = std::env::var("ROUNDS").map_or(20_000, |rounds| rounds.parse().unwrap());
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below.max(1)
    };
    let mut clean_ones = 0;
    for _ in 0..rounds {
        let mut text = attacks[random(attacks.len())].clone();
        for _ in 0..=random(3) {
            let other = &attacks[random(attacks.len())];
            // From one tag, quote or brace to another one, so that many are well-formed.
            let places = |text: &[char]| -> Vec<usize> {
                (0..text.len()).filter(|at| "<>\"'{};& ".contains(text[*at])).collect()
            };
            let (own, others) = (places(&text), places(other));
            if own.is_empty() || others.is_empty() {
                continue;
            }
            let at = own[random(own.len())];
            let start = others[random(others.len())];
            let end = others[random(others.len())].max(start);
            let end = if random(2) == 0 { end } else { (start + random(30)).min(other.len()) };
            let until = if random(2) == 0 { at } else { own[random(own.len())].max(at) };
            text.splice(at..until, other[start..end].iter().copied());
        }
        let text: String = text.into_iter().collect();
        let Ok(clean) = sanitized(&text, Metadata::None) else { continue };
        assert_eq!(sanitized(&clean, Metadata::None).as_ref(), Ok(&clean), "{text}");
        let found: Vec<_> = forbidden(&clean).into_iter().filter(|found| !found.contains("leak")).collect();
        assert_eq!(found, Vec::<String>::new(), "{text}\n{clean}");
        clean_ones += 1;
    }
    assert!(clean_ones > rounds / 20, "{clean_ones} of {rounds} are well-formed");
}

#[test]
fn the_check_finds_what_is_not_sanitised() {
    let table = [
        ("<svg><script/></svg>", 1),
        ("<svg onload='a'><a href='javascript:x'/><set attributeName='xlink:href'/></svg>", 3),
        ("<svg><!-- --><?a b?><style>@import 'LEAK'</style><image href='data:image/png;base64,AA'/></svg>", 3),
    ];
    for (text, count) in table {
        assert_eq!(forbidden(text).len(), count, "{text}");
    }
}
