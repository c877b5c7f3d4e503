//! Drawings whose pixels are known, and drawings that are refused.

use base64::Engine as _;

use super::*;
use crate::Area;

const HEAD: &str = "xmlns='http://www.w3.org/2000/svg'";
const BUDGET: Budget = Budget { pixels: 1 << 20, memory: 64 << 20 };

fn drawing(attributes: &str, inner: &str) -> Vec<u8> {
    format!("<svg {HEAD} {attributes}>{inner}</svg>").into_bytes()
}

fn rendered(bytes: &[u8], area: Option<Area>, scale: f64, budget: Budget) -> Result<Decoded, Error> {
    let cancellation = Cancellation::unbounded();
    let header = Svg.probe(bytes, budget, &cancellation)?;
    let area = area.unwrap_or_else(|| Area::whole(header.width, header.height));
    Svg.decode(bytes, &DecodeOptions { scale, ..DecodeOptions::new(area, budget, &cancellation) })
}

/// The pixel at a place.
fn pixel(decoded: &Decoded, x: usize, y: usize) -> [u8; 4] {
    let start = (y * decoded.raster.width() as usize + x) * 4;
    decoded.raster.samples().as_bytes()[start..start + 4].try_into().unwrap()
}

#[test]
fn shapes_are_drawn_at_the_scale_that_is_asked_for() {
    let halves = drawing(
        "width='8' height='4'",
        "<rect width='4' height='4' fill='red'/><rect x='4' width='4' height='4' fill='#00f' fill-opacity='.5'/>",
    );
    for scale in [0.5, 1.0, 2.5, 100.0] {
        let whole = rendered(&halves, None, scale, BUDGET).unwrap();
        let (width, height) = ((8.0 * scale) as u32, (4.0 * scale) as u32);
        assert_eq!((whole.raster.width(), whole.raster.height()), (width, height));
        assert_eq!(pixel(&whole, 0, 0), [255, 0, 0, 255]);
        assert_eq!(pixel(&whole, width as usize - 1, height as usize - 1), [0, 0, 255, 128], "straight alpha");
    }
    let part = Area { x: 3.0, y: 1.0, width: 2.0, height: 1.0 };
    let part = rendered(&halves, Some(part), 10.0, BUDGET).unwrap();
    assert_eq!((part.raster.width(), part.raster.height()), (20, 10));
    assert_eq!((pixel(&part, 9, 5), pixel(&part, 10, 5)), ([255, 0, 0, 255], [0, 0, 255, 128]));
    let view_box = drawing("viewBox='0 0 2 1'", "<rect width='1' height='1' fill='lime'/>");
    let stretched = rendered(&view_box, None, 50.0, BUDGET).unwrap();
    assert_eq!(
        (stretched.raster.width(), pixel(&stretched, 49, 0), pixel(&stretched, 50, 0)),
        (100, [0, 255, 0, 255], [0; 4])
    );
}

#[test]
fn what_is_sanitised_away_is_not_drawn() {
    let table = [
        ("<image href='file:///etc/passwd' width='9' height='9'/>", [0; 4]),
        ("<image href='/etc/hostname' width='9' height='9'/>", [0; 4]),
        ("<image href='data:image/svg+xml;base64,PHN2Zy8+' width='9' height='9'/>", [0; 4]),
        ("<use href='other.svg#a'/>", [0; 4]),
        ("<style>@import 'a.css';rect{fill:lime}</style><rect width='9' height='9'/>", [0, 255, 0, 255]),
        ("<foreignObject><rect width='9' height='9'/></foreignObject>", [0; 4]),
    ];
    for (inner, expected) in table {
        let drawn = rendered(&drawing("width='4' height='4'", inner), None, 1.0, BUDGET).unwrap();
        assert_eq!(pixel(&drawn, 2, 2), expected, "{inner}");
    }
}

#[test]
fn embedded_pictures_are_decoded_within_the_budget() {
    let raster = Raster::new(20, 10, Channels::Rgb, Samples::U8([200, 100, 0].repeat(200))).unwrap();
    let cancellation = Cancellation::unbounded();
    for format in [Format::Png, Format::Jpeg, Format::WebP, Format::Gif] {
        let encoder = crate::encoder(format).unwrap();
        let options = crate::EncodeOptions { quality: 100, ..crate::EncodeOptions::DEFAULT };
        let bytes = encoder.encode(&raster, &options, BUDGET, &cancellation).unwrap();
        let uri =
            format!("data:{};base64,{}", format.media_type(), base64::engine::general_purpose::STANDARD.encode(&bytes));
        let inner = format!("<image href='{uri}' width='20' height='10'/>").repeat(3);
        let file = drawing("width='20' height='10'", &inner);
        let drawn = rendered(&file, None, 2.0, BUDGET).unwrap();
        let [red, green, blue, alpha] = pixel(&drawn, 20, 10);
        assert!(
            red.abs_diff(200) < 6 && green.abs_diff(100) < 6 && blue < 8 && alpha == 255,
            "{format}: {red} {green} {blue}"
        );
        let few = Budget { pixels: 100, ..BUDGET };
        assert!(matches!(rendered(&file, None, 0.1, few), Err(Error::TooLarge { .. })), "{format}");
        let cut = drawing(
            "width='20' height='10'",
            &format!("<image href='{}' width='20' height='10'/>", &uri[..uri.len() / 4 * 2]),
        );
        assert!(rendered(&cut, None, 1.0, BUDGET).is_ok(), "{format}");
    }
}

#[test]
fn text_without_fonts_is_reported() {
    let flaw = |inner: &str| rendered(&drawing("width='9' height='9'", inner), None, 1.0, BUDGET).unwrap().flaw;
    assert_eq!(flaw("<text y='9'>a</text>"), Some(Flaw::TextMissing));
    assert_eq!(flaw("<title>a</title><path d='M0 0h9'/>"), None);
}

#[test]
fn what_takes_too_long_or_too_much_is_refused() {
    let big = "width='1000' height='1000'";
    let repeated = |count: usize, inner: &str| inner.repeat(count);
    let filter = |primitive: &str, count: usize| {
        format!(
            "<filter id='f' x='-9' y='-9' width='20' height='20'>{primitive}</filter>{}",
            repeated(count, "<path d='M0 0h1000v1000z' filter='url(#f)'/>")
        )
    };
    let lines: String = (0..40_000).map(|i| format!("L{} {}", i % 7, (i % 2) * 1000)).collect();
    let bombs = [
        ("large blurs", filter("<feGaussianBlur stdDeviation='500'/>", 5)),
        ("large morphology", filter("<feMorphology operator='dilate' radius='400'/>", 1)),
        ("far offsets", filter("<feOffset dx='1e38'/>", 1)),
        ("far shadows", filter("<feDropShadow dy='-1e38' stdDeviation='0'/>", 1)),
        ("octaves", filter("<feTurbulence baseFrequency='.1' numOctaves='100000'/>", 1)),
        ("many primitives", filter(&repeated(200, "<feOffset dx='1'/>"), 1)),
        ("merge", filter(&format!("<feMerge>{}</feMerge>", repeated(5000, "<feMergeNode in='SourceGraphic'/>")), 1)),
        ("lighting", filter("<feDiffuseLighting><fePointLight x='1'/></feDiffuseLighting>", 20)),
        ("layers", repeated(9000, "<g opacity='.5'><path d='M0 0h1000v1000z'/></g>")),
        ("nested layers", repeated(60, "<g opacity='.5'><path d='M0 0h1000v1000z'/>") + &repeated(60, "</g>")),
        ("large fills", repeated(9000, "<path d='M0 0h1000v1000h-1000z'/>")),
        ("zigzags", format!("<path d='M0 0{lines}'/>").repeat(3)),
        ("dashes", "<path fill='none' stroke='red' stroke-dasharray='.001' d='M0 0h1000v1000h-1000v-1000h1000'/>".to_owned()),
        ("large pattern", "<pattern id='p' width='1e6' height='1e6' patternUnits='userSpaceOnUse'><path d='M0 0h9v9z'/></pattern><path fill='url(#p)' d='M0 0h9v9z'/>".to_owned()),
        ("scaled pattern", "<pattern id='p' width='9' height='9' patternUnits='userSpaceOnUse' patternTransform='scale(1e5)'><path d='M0 0h9v9z'/></pattern><path fill='url(#p)' d='M0 0h9v9z'/>".to_owned()),
        ("patterns", format!("<pattern id='p' width='1' height='1'><path d='M0 0h999v999z'/></pattern>{}", repeated(900, "<path fill='url(#p)' d='M0 0h1000v1000z'/>"))),
        ("masks", format!("<mask id='m'><path fill='#fff' d='M0 0h999v999z'/></mask>{}", repeated(900, "<g mask='url(#m)'><path d='M0 0h1000v1000z'/></g>"))),
        ("clips", format!("<clipPath id='m'><path d='M0 0h999v999z'/></clipPath>{}", repeated(900, "<g clip-path='url(#m)'><path d='M0 0h1000v1000z'/></g>"))),
        ("elements", repeated(60_000, "<path/>")),
        ("uses", "<path id='l0' d='M0 0h9v9z'/>".to_owned() + &(1..9).map(|i| format!("<g id='l{i}'>{}</g>", format!("<use href='#l{}'/>", i - 1).repeat(10))).collect::<String>()),
        ("nested drawings", repeated(300, "<svg>") + &repeated(300, "</svg>")),
        ("closings", format!("<path d='M0 0{}'/>", "z".repeat(100_000))),
        ("arcs that draw nothing", format!("<path d='M0 0{}'/>", "A9 9 0 1 1 1 1".repeat(20_000))),
        ("arcs beyond all numbers", format!("<path d='M0 0A{}'/>", "1e200 1e200 0 1 1 5 5 ".repeat(20_000))),
        ("recursion", "<pattern id='p'><path fill='url(#p)' d='M0 0h9v9z'/></pattern><path fill='url(#p)' d='M0 0h9v9z'/>".to_owned()),
    ];
    for (name, inner) in &bombs {
        let outcome = rendered(&drawing(big, inner), None, 1.0, BUDGET);
        assert!(matches!(outcome, Err(Error::TooLarge { .. } | Error::Damaged { .. })), "{name}: {outcome:?}");
    }
    let tall = drawing("width='2000000' height='1'", "");
    assert!(matches!(rendered(&tall, None, 0.001, BUDGET), Err(Error::TooLarge { .. })));
    let huge = drawing("viewBox='0 0 900000 900000'", "<path d='M0 0h9v9z'/>");
    assert!(matches!(rendered(&huge, None, 1.0, BUDGET), Err(Error::TooLarge { .. })));
    assert_eq!(rendered(&huge, None, 1e-4, BUDGET).unwrap().raster.width(), 90);
}

#[test]
fn layers_with_filters_are_reckoned_as_they_are_painted() {
    for (transform, is_painted) in
        [("", true), ("rotate(30)", true), ("rotate(30) skewX(80)", false), ("skewY(89)", false)]
    {
        let inner = format!(
            "<filter id='f' x='-1e6' y='-1e6' width='1e9' height='1e9'><feFlood/><feFlood/><feFlood/></filter>\
             <path d='M0 0h1v1z' transform='{transform}' filter='url(#f)'/>"
        );
        let outcome = rendered(&drawing("width='200' height='200'", &inner), None, 1.0, BUDGET);
        assert_eq!(outcome.is_ok(), is_painted, "{transform}");
        assert!(is_painted || matches!(outcome, Err(Error::TooLarge { .. })), "{transform}: {outcome:?}");
    }
}

#[test]
fn usual_drawings_are_far_from_the_limits() {
    let inner =
        "<defs><linearGradient id='g'><stop stop-color='red'/><stop offset='1'/></linearGradient><filter id='f'>\
        <feGaussianBlur stdDeviation='3'/></filter><clipPath id='c'><circle cx='9' cy='9' r='9'/></clipPath></defs>\
        <g clip-path='url(#c)'>"
            .to_owned()
            + &"<path fill='url(#g)' stroke='blue' stroke-dasharray='2 1' d='M0 0c1 2 3 4 5 6l7 8z'/>".repeat(300)
            + "</g><rect width='20' height='20' filter='url(#f)'/>";
    assert!(rendered(&drawing("width='24' height='24'", &inner), None, 30.0, BUDGET).is_ok());
    // As many in a row as are rendered. Without optimisation, frames take ten times the stack.
    for in_a_row in ["z".repeat(999), "A9 9 0 11 1-1".repeat(830)] {
        let file = drawing("width='24' height='24'", &format!("<path d='M0 0h9v9z{in_a_row}'/>"));
        let on_a_large_stack = std::thread::Builder::new().stack_size(8 << 20);
        on_a_large_stack.spawn(move || assert!(rendered(&file, None, 1.0, BUDGET).is_ok())).unwrap().join().unwrap();
    }
    let deep = "<g transform='translate(1)'>".repeat(120) + "<path d='M0 0h9v9z'/>" + &"</g>".repeat(120);
    let on_a_small_stack = std::thread::Builder::new().stack_size(1 << 20);
    let file = drawing("width='24' height='24'", &deep);
    on_a_small_stack.spawn(move || assert!(rendered(&file, None, 1.0, BUDGET).is_ok())).unwrap().join().unwrap();
}

#[test]
fn work_that_is_cancelled_ends() {
    let file = drawing("width='24' height='24'", "<path d='M0 0h9v9z'/>");
    let cancellation = Cancellation::unbounded();
    cancellation.cancel();
    let options = DecodeOptions::new(Area::whole(24, 24), BUDGET, &cancellation);
    assert!(matches!(Svg.decode(&file, &options), Err(Error::Cancelled(_))));
}
