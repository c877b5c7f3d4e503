use super::*;
use image_origin_container::Cancellation;

const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"";

fn sanitized(text: &str, metadata: Metadata) -> Result<String, Error> {
    let cancellation = Cancellation::unbounded();
    let meter = Meter::new(text.len() as u64, &cancellation);
    let result = sanitize(text, metadata, &meter)?;
    let clean = result.to_text(text);
    assert_eq!(result.is_changed, clean != text, "{text}");
    let again = sanitize(&clean, metadata, &meter).unwrap_or_else(|error| panic!("{text} -> {clean}: {error}"));
    assert_eq!((again.to_text(&clean), again.is_changed), (clean.clone(), false), "{text}");
    assert_eq!(again.size, result.size);
    Ok(clean)
}

#[test]
fn what_stays_is_the_same_bytes() {
    let table = [
        ("><path  d = 'M0 0' /></svg >\n", "><path  d = 'M0 0' /></svg >\n"),
        (" onload='x'><g/></svg>", "><g/></svg>"),
        (" a='1'\n  id='b'\tonclick=\"x\" class='c'></svg>", "\n  id='b' class='c'></svg>"),
        ("><!-- who --><g/><?x y?></svg><!-- -->", "><g/></svg>"),
        ("><script>x</script><g><script/></g></svg>", "><g></g></svg>"),
        (
            "><title>a<b>c</b></title><text>d &amp; <tspan>e</tspan></text></svg>",
            "><title>a</title><text>d &amp; <tspan>e</tspan></text></svg>",
        ),
        ("><style>a{b:c}</style></svg>", "><style>a{b:c}</style></svg>"),
        ("><style><![CDATA[a>b{c:d}]]></style></svg>", "><style><![CDATA[a>b{c:d}]]></style></svg>"),
        ("><style>@import 'a';b>c{d:'e'}</style></svg>", "><style>b&gt;c{d:'e'}</style></svg>"),
        ("><style><!-- a{b:c} --></style></svg>", "><style></style></svg>"),
        ("><style>a{b:c}<script>x</script>d{e:f}</style></svg>", "><style>a{b:c}d{e:f}</style></svg>"),
        (
            "><g style='fill:red'/><g style='a:url(b)'/><g style='a:url(b);c:d'/></svg>",
            "><g style='fill:red'/><g/><g style='c:d'/></svg>",
        ),
        ("><text>]]<!-- -->></text></svg>", "><text>]]&gt;</text></svg>"),
        ("><text>]<!-- -->]>a</text></svg>", "><text>]]&gt;a</text></svg>"),
        ("><text><![CDATA[<a>]]></text></svg>", "><text>&lt;a&gt;</text></svg>"),
        (" xmlns:i='http://i' i:a='b'><i:c>d</i:c><g i:e='f'/></svg>", "><g/></svg>"),
        (
            " xmlns:x='http://www.w3.org/1999/xlink'><use x:href='#a'/><use x:href='b#a'/></svg>",
            " xmlns:x='http://www.w3.org/1999/xlink'><use x:href='#a'/><use/></svg>",
        ),
        (
            "><set attributeName='fill' to='red'/><set attributeName=' href ' to='#a'/></svg>",
            "><set attributeName='fill' to='red'/></svg>",
        ),
        (
            "><switch><foreignObject>a</foreignObject><text>b</text></switch></svg>",
            "><switch><text>b</text></switch></svg>",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(sanitized(&format!("{SVG}{text}"), Metadata::None).unwrap(), format!("{SVG}{expected}"), "{text}");
    }
}

#[test]
fn prologs_are_reduced_to_a_declaration() {
    let table = [
        ("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"),
        ("\u{feff}", "\u{feff}"),
        ("<?xml version='1.0' encoding='UTF-16'?>", DECLARATION),
        ("<?xml version='1.1'?>", DECLARATION),
        ("<?xml-stylesheet href='a'?>\n<!DOCTYPE svg>", "\n"),
    ];
    for (prolog, expected) in table {
        let drawing = format!("{SVG}/>");
        assert_eq!(sanitized(&format!("{prolog}{drawing}"), Metadata::None).unwrap(), format!("{expected}{drawing}"));
    }
    let entities = "<!DOCTYPE svg [<!ENTITY s 'http://www.w3.org/2000/svg'><!ENTITY q 'a\"b'>]>\
                    <svg xmlns=\"&s;\"><text id=\"&q;\">&q;</text></svg>";
    assert_eq!(sanitized(entities, Metadata::None).unwrap(), format!("{SVG}><text id=\"a&quot;b\">a\"b</text></svg>"));
}

#[test]
fn other_documents_are_refused() {
    for text in [
        "<svg/>",
        "<html xmlns='http://www.w3.org/1999/xhtml'/>",
        "<g xmlns='http://www.w3.org/2000/svg'/>",
        "<svg xmlns='x'/>",
    ] {
        assert!(matches!(sanitized(text, Metadata::None), Err(Error::NotWellFormed { .. })), "{text}");
    }
    for inner in ["<script>&x;</script>", "<a b='&x;'/>", "<style>&x;</style>", "<script></b></script>"] {
        assert!(sanitized(&format!("{SVG}>{inner}</svg>"), Metadata::None).is_err(), "{inner}");
    }
}

#[test]
fn embedded_pictures_are_filtered_wherever_they_stand() {
    // "old" becomes "new", "bad" goes, and all others stay.
    let filter = |file: &[u8]| {
        Ok(match file {
            b"old" => Picture::Changed(b"new".to_vec()),
            b"bad" => Picture::Removed,
            _ => Picture::Same,
        })
    };
    let table = [
        ("<image href='data:image/png;base64,b2xk'/>", "<image href='data:image/png;base64,bmV3'/>"),
        (
            "<image href=' DATA:image/JPEG;charset=utf-8;base64,b2\n xk' x='1'/>",
            "<image href='DATA:image/JPEG;charset=utf-8;base64,bmV3' x='1'/>",
        ),
        ("<image href='data:image/png;base64,%62%32x%0Ak'/>", "<image href='data:image/png;base64,bmV3'/>"),
        ("<feImage href=\"data:image/gif;base64,b2xk\"/>", "<feImage href=\"data:image/gif;base64,bmV3\"/>"),
        ("<image href='data:image/png;base64,YmFk' x='1'/>", "<image x='1'/>"),
        ("<image href='data:image/png;base64,b'/>", "<image/>"),
        ("<image href='data:image/png;base64,====b2xk'/>", "<image/>"),
        ("<image href='data:image/png;base64,b2%xk'/>", "<image/>"),
        ("<image href='data:image/png;base64,'/>", "<image href='data:image/png;base64,'/>"),
        ("<image href='data:image/png;base64,A A==%20'/>", "<image href='data:image/png;base64,A A==%20'/>"),
        ("<image href='data:image/png;base64,b2xkZXI'/>", "<image href='data:image/png;base64,b2xkZXI'/>"),
        ("<use href='data:image/png;base64,b2xk'/>", "<use/>"),
        (
            "<g mask='url(data:image/png;base64,b2xk) url( \"data:image/png;base64,YmFk\")' fill='url(#a)'/>",
            "<g mask='url(data:image/png;base64,bmV3) url( &quot;#&quot;)' fill='url(#a)'/>",
        ),
        (
            "<g style='a:URL(data:image/png;base64,b2xk);b:url(data:image/png;base64,AA)'/>",
            "<g style='a:URL(data:image/png;base64,bmV3);b:url(data:image/png;base64,AA)'/>",
        ),
        (
            "<style>a{b:url( 'data:image/webp;base64,b2xk' )}c{d:url(data:image/png;base64,YmFk)}</style>",
            "<style>a{b:url( 'data:image/webp;base64,bmV3' )}c{d:url(#)}</style>",
        ),
        ("<style>a{b:url(data:image/png;base64,AA)}</style>", "<style>a{b:url(data:image/png;base64,AA)}</style>"),
        (
            "<set attributeName='mask' to='url(data:image/png;base64,b2xk)'/>",
            "<set attributeName='mask' to='url(data:image/png;base64,bmV3)'/>",
        ),
    ];
    let cancellation = Cancellation::unbounded();
    let filtered = |text: &str| {
        let meter = Meter::new(text.len() as u64, &cancellation);
        let result = sanitize_with(text, Metadata::None, &filter, &meter).unwrap();
        let clean = result.to_text(text);
        assert_eq!(result.is_changed, clean != text, "{text}");
        clean
    };
    for (inner, expected) in table {
        let [text, expected] = [inner, expected].map(|inner| format!("{SVG}>{inner}</svg>"));
        assert_eq!(filtered(&text), expected);
        assert_eq!(filtered(&expected), expected);
    }
    let long = "b2xk".repeat(5000);
    let text = format!("{SVG}><image href='data:image/png;base64,{long}'/></svg>");
    let meter = Meter::new(text.len() as u64, &cancellation);
    let reversed = |file: &[u8]| Ok(Picture::Changed(file.iter().rev().copied().collect()));
    let result = sanitize_with(&text, Metadata::None, &reversed, &meter).unwrap();
    assert_eq!(result.to_text(&text), text.replace("b2xk", "ZGxv"));
    let failed = |_: &[u8]| Err(Exhausted::Cancelled(image_origin_container::Cancelled));
    assert!(matches!(sanitize_with(&text, Metadata::None, &failed, &meter), Err(Error::Exhausted(_))));
}

#[test]
fn metadata_is_kept_as_far_as_asked_for() {
    let text = format!(
        "{SVG} xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns:d='http://purl.org/dc/elements/1.1/'>\
         <metadata id='m'><r:RDF><d:creator r:about='x' a='b'>who</d:creator><d:date>now</d:date><d:x xmlns:d='y'/>\
         <script/></r:RDF></metadata></svg>"
    );
    assert_eq!(sanitized(&text, Metadata::None).unwrap(), format!("{SVG}></svg>"));
    let head = "xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns:d='http://purl.org/dc/elements/1.1/'>";
    let kept = |inner: &str| format!("{SVG} {head}<metadata><r:RDF>{inner}</r:RDF></metadata></svg>");
    let creator = "<d:creator r:about='x'>who</d:creator>";
    assert_eq!(sanitized(&text, Metadata::Rights).unwrap(), kept(creator));
    assert_eq!(sanitized(&text, Metadata::All).unwrap(), kept(&format!("{creator}<d:date>now</d:date>")));
}
