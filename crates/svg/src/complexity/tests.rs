use super::*;
use image_origin_container::Cancellation;

fn counted(inner: &str) -> Result<Complexity, Error> {
    let text = format!("<svg xmlns='http://www.w3.org/2000/svg'>{inner}</svg>");
    let cancellation = Cancellation::unbounded();
    complexity(&text, &Meter::new(text.len() as u64, &cancellation))
}

/// Levels of groups, each of which uses the one before several times.
fn tower(levels: usize, uses: usize) -> String {
    let level = |level: usize| {
        let uses = format!("<use href='#l{}'/>", level - 1).repeat(uses);
        format!("<g id='l{level}'>{uses}</g>")
    };
    "<path id='l0' d='M0 0h9'/>".to_owned() + &(1..=levels).map(level).collect::<String>()
}

#[test]
fn references_are_expanded() {
    let table = [
        ("<path/>".to_owned(), 2),
        ("<g><path/><path/></g>".to_owned(), 4),
        ("<path id='a'/><use href='#a'/><use href=' #a '/><use href='#b'/>".to_owned(), 7),
        ("<pattern id='p'><path/></pattern><g fill='url(#p)'><path/><path/></g>".to_owned(), 3 + 3 + 3 * 2),
        ("<mask id='p'><path/></mask><g mask='url(#p)'><path/><path/></g>".to_owned(), 3 + 3 + 2),
        ("<g id='p'/><path style='marker-mid:url(#p)' d='M0 0 1 1 2 2'/>".to_owned(), 3 + 7),
        ("<g id='p'/><style>a{fill:url(#p)}b{fill:url(#q)}</style><path/>".to_owned(), 4 + 4),
        (tower(3, 3), 1 + 1 + (1 + 3 * 2) + (1 + 3 * 8) + (1 + 3 * 26)),
    ];
    for (inner, expected) in table {
        assert_eq!(counted(&inner).map(|found| found.elements), Ok(expected), "{inner}");
    }
    assert_eq!(counted("<text>abc<tspan>de</tspan></text>fgh").unwrap().elements, 3 + 5);
    assert_eq!(counted("<g filter='blur(1px) url(#a)'/><g style='filter:blur(2px)'/>").unwrap().elements, 3 + 3);
    assert!(counted("<text>a</text>").unwrap().has_text && !counted("<title>a</title>").unwrap().has_text);
}

#[test]
fn tags_are_counted_before_anything_is_read() {
    let cancellation = Cancellation::unbounded();
    let check = |text: &str| check_tags(text, &Meter::new(text.len() as u64, &cancellation));
    assert_eq!(check(&"<a>".repeat(200_000)), Ok(()));
    assert!(matches!(check(&"<".repeat(200_001)), Err(Error::TooMuch { .. })));
}

#[test]
fn bombs_are_too_much() {
    let nested = |start: &str, end: &str, count: usize| start.repeat(count) + &end.repeat(count);
    let rules: String = (0..2000).map(|i| format!(".a{i} .b{i}>c{{fill:red}}")).collect();
    let chain: String = (1..200).map(|i| format!("<g id='g{i}'><use href='#g{}'/></g>", i - 1)).collect();
    let definitions: String =
        (0..2000).map(|i| format!("<mask id='m{i}'><path mask='url(#m{})'/></mask>", i + 1)).collect();
    for bomb in [
        tower(12, 10),
        tower(40, 2),
        "<path/>".repeat(60_000),
        format!("<pattern id='p'>{}</pattern><g fill='url(#p)'>{}</g>", "<path/>".repeat(300), "<path/>".repeat(300)),
        format!(
            "<linearGradient id='p'>{}</linearGradient><g fill='url(#p)'>{}</g>",
            "<stop/>".repeat(300),
            "<path/>".repeat(300)
        ),
        format!(
            "<marker id='p'>{}</marker><path marker-mid='url(#p)' d='{}'/>",
            "<path/>".repeat(90),
            "M1 1".repeat(900)
        ),
        format!("<path id='p' d='{}'/>{}", "M1 1".repeat(90_000), "<use href='#p'/>".repeat(90)),
        format!("<style>{rules}</style>{}", "<path/>".repeat(2000)),
        format!("<path id='g0'/>{chain}"),
        format!("<style>{}</style>{}", "x ".to_owned() + &"g ".repeat(9) + "{}", nested("<g>", "</g>", 60)),
        format!("<path filter='{}'/>", "blur(1px) ".repeat(60_000)),
        format!("<style>path{{filter:{}}}</style>{}", "blur(1px) ".repeat(300), "<path/>".repeat(300)),
        format!("<text>{}</text>", "a".repeat(60_000)),
        nested("<g>", "</g>", 140),
        nested("<pattern>", "</pattern>", 100) + &definitions,
        "<g id='a'><use href='#a'/></g>".to_owned(),
        "<g id='a'><use href='#b'/></g><g id='b'><use href='#a'/></g>".to_owned(),
        "<pattern id='a'><path fill='url(#a)'/></pattern>".to_owned(),
    ] {
        let found = counted(&bomb);
        assert!(matches!(found, Err(Error::TooMuch { .. } | Error::NotWellFormed { .. })), "{found:?} {}", &bomb[..60]);
    }
}

#[test]
fn spans_are_weighed_by_the_length_of_their_text() {
    let spans = |count: usize| "<tspan>a</tspan>".repeat(count);
    let uses = format!("<g id='t'><text>{}</text></g>{}", spans(900), "<use href='#t'/>".repeat(9));
    for (inner, is_allowed) in [
        (format!("<text>{}</text>", spans(1900)), true),
        (format!("<text>{}</text>", spans(2100)), false),
        (format!("<text>{}</text>", spans(500)).repeat(10), true),
        (format!("<text>{}</text>", "a".repeat(40_000)), true),
        (uses, false),
    ] {
        let text = format!("<svg xmlns='http://www.w3.org/2000/svg'>{inner}</svg>");
        let cancellation = Cancellation::unbounded();
        let outcome = complexity(&text, &Meter::new(text.len() as u64, &cancellation));
        assert_eq!(outcome.is_ok(), is_allowed, "{outcome:?}");
    }
}

#[test]
fn text_is_not_laid_on_paths_without_end() {
    for (attributes, is_allowed) in [
        ("d='M0 0L1000.123456789 99'", true),
        ("d='M0 0L1e-9 99' transform='translate(9 9) scale(2)'", true),
        ("d='M0 0L1e30 99'", false),
        ("d='M0 0L1E+9 99'", false),
        ("d='M0 0L10000000 99'", false),
        ("d='M0 0h9' transform='scale(1e30)'", false),
        ("d='M0 0h9' transform='scale(99999)scale(99999)'", false),
    ] {
        let path = format!("<path id='p' {attributes}/>");
        for (text, is_allowed) in [("<text><textPath href='#p'>a</textPath></text>", is_allowed), ("", true)] {
            let text = format!("<svg xmlns='http://www.w3.org/2000/svg'>{path}{text}</svg>");
            let cancellation = Cancellation::unbounded();
            let outcome = complexity(&text, &Meter::new(text.len() as u64, &cancellation));
            assert_eq!(outcome.is_ok(), is_allowed, "{text}: {outcome:?}");
        }
    }
}

#[test]
fn arcs_and_closings_in_a_row_are_counted() {
    for (path, least, most) in [
        ("", 0, 0),
        ("M0 0L9 9z", 1, 1),
        ("M0 0zzZ z\n,z", 5, 5),
        ("M0 0zM0 0z", 1, 1),
        ("A1 1 0 0 1 9 9", 1, 1),
        ("a.1.1.1 00.1.1", 1, 2),
        ("a1-1+1 001-1-1-1-1 001-1", 2, 2),
        ("A1e-1 1E+1 0 0 1 1e1.1 1 1 0 0 1 9 9", 2, 2),
        ("A1 1 0 0 1 9 9zA1 1 0 0 1 9 9c1 1 1 1 1 1", 3, 4),
        (&"a1 1 0 001-1".repeat(100), 100, 140),
        (&format!("a{}", "1 1 0 001-1 ".repeat(100)), 100, 125),
        (&format!("M0 0{}", "L1 1 2 2".repeat(1000)), 0, 0),
    ] {
        let found = in_a_row(path);
        assert!((least..=most).contains(&found), "{path}: {found}");
    }
}
