use proptest::prelude::*;

use super::*;

#[test]
fn values_that_nobody_meant_are_explained() {
    for (query, hint) in [
        (
            "q=undefined",
            "for `q`: expected low, medium, high, best, auto, auto:N with N from 30 to 95, or a whole number from 1 to 100; undefined is what a program writes for a missing value: omit `q`",
        ),
        ("width=null", "omit `w` in that case"),
        ("h=NaN", "omit `h` in that case"),
        ("fit=undefined", "omit `fit` in that case"),
        ("w=undefined1", ""),
    ] {
        let error = parse(query, &Presets::new()).unwrap_err().to_string();
        assert!(error.contains(hint) && error.contains("a program") != hint.is_empty(), "{query}: {error}");
    }
}

fn canonical(query: &str) -> Result<String, BadParameter> {
    parse(query, &Presets::new()).map(|t| t.canonical())
}

#[test]
fn queries_have_one_canonical_text() {
    let table = [
        ("", ""),
        ("w=300", "w=300"),
        ("width=300&height=200", "h=200&w=300"),
        ("w=300&dpr=2", "w=600"),
        ("w=333&dpr=1.5", "w=500"),
        ("dpr=2", ""),
        ("w=1&w=2&width=3", "w=3"),
        ("fit=inside&enlarge=false", ""),
        ("fit=cover&enlarge=true&w=5", "fit=cover&w=5"),
        ("fit=cover&enlarge=0&w=5", "enlarge=false&fit=cover&w=5"),
        ("enlarge&w=5", "enlarge=true&w=5"),
        ("gravity=0.5,1", "gravity=0.5,1.0"),
        ("gravity=center", ""),
        ("crop=0,0,1,1", "crop=0,0,1,1"),
        ("crop=0,0,1.0,1", "crop=0.0,0.0,1.0,1.0"),
        ("crop=0%2C0%2C.5%2C0.25", "crop=0.0,0.0,0.5,0.25"),
        ("rotate=0&flip=none", ""),
        ("rotate=-90", "rotate=270"),
        ("rotate=360&crop=100,%2050", "crop=100,50"),
        ("rotate=-0.50&crop=0.5,1", "crop=0.5,1.0&rotate=359.5"),
        ("rotate=12.346", "rotate=12.35"),
        // A ratio with one side determines the other side.
        ("w=800&ar=16:9", "fit=cover&h=450&w=800"),
        ("h=450&ar=1.7778&dpr=2", "fit=cover&h=900&w=1600"),
        ("ar=1.91:1&w=1200&fit=contain", "fit=contain&h=628&w=1200"),
        ("ar=2&w=3&fit=inside", "fit=cover&h=2&w=3"),
        ("w=1&ar=100:1", "fit=cover&h=1&w=1"),
        ("ar=1.5", "ar=3:2"),
        ("ar=12:8&fit=cover&dpr=3", "ar=3:2"),
        ("ar=1:1&fit=contain", "ar=1:1&fit=contain"),
        ("zoom=1&extend=color&pad=0&radius=0,0,0,0", ""),
        ("zoom=2.50", "zoom=2.5"),
        ("pad=10&dpr=2", "pad=20"),
        ("pad=10,20,10,20&extend=Blur", "extend=blur&pad=10,20"),
        ("pad=1,2,3,4", "pad=1,2,3,4"),
        ("pad=5,5", "pad=5"),
        ("radius=MAX&dpr=2", "radius=max"),
        ("radius=4,0,4,0&dpr=1.5", "radius=6,0,6,0"),
        ("radius=8,8,8,8", "radius=8"),
        ("pixelate=8.4&gravity=FACE", "gravity=face&pixelate=8"),
        ("redact=Faces&redact_mode=pixelate", "redact=faces"),
        ("redact_mode=blur", ""),
        ("redact=0,0,10,20;+0.5,0,.25,1&redact_mode=Black", "redact=0,0,10,20;0.5,0.0,0.25,1.0&redact_mode=000000"),
        ("overlay=/logos/a%20b.png", "overlay=logos/a%20b.png"),
        ("overlay=a.png&overlay_w=.2&overlay_h=100&dpr=2", "overlay=a.png&overlay_h=200&overlay_w=0.2"),
        (
            "overlay=a.png&overlay_gravity=SouthEast&overlay_x=10&overlay_y=0.0&dpr=1.5",
            "overlay=a.png&overlay_gravity=southeast&overlay_x=15",
        ),
        (
            "overlay=a.png&overlay_gravity=0.5,1&overlay_opacity=.50&overlay_tile",
            "overlay=a.png&overlay_gravity=0.5,1.0&overlay_opacity=0.5&overlay_tile=true",
        ),
        ("overlay=a.png&overlay_gravity=center&overlay_opacity=1&overlay_tile=0&overlay_x=0", "overlay=a.png"),
        ("overlay=&overlay_w=10&overlay_opacity=0", ""),
        ("overlay=100%25.png", "overlay=100%25.png"),
        ("blur=0.304&sharpen=1", "blur=0.3&sharpen=1"),
        ("sharpen=2&sharpen_limit=10.00", "sharpen=2&sharpen_limit=10"),
        ("sharpen=2&sharpen_limit=100", "sharpen=2"),
        ("sharpen_limit=5", ""),
        ("brightness=1.0&saturation=0", "saturation=0"),
        ("greyscale=on&invert=no", "grayscale=true"),
        ("bg=red", "bg=ff0000"),
        ("background=%23F00A", "bg=ff0000aa"),
        ("tint=ABCDEF&bg=transparent", "bg=00000000&tint=abcdef"),
        ("fm=webp&quality=5&lossless=1", "format=webp&lossless=true&q=5"),
        ("format=auto&max_bytes=2000&progressive=yes", "format=auto&max_bytes=2000&progressive=true"),
        ("frame=07", "page=7"),
        ("info", "info=true"),
        ("showExif", "showExif=true"),
        ("showExif=1&info=1&metadata=none", "showExif=true"),
        ("metadata=copyright&w=1", "metadata=copyright&w=1"),
        ("linear=1&w=1&colorspace=srgb", "linear=true&w=1"),
        ("linear=off&colorspace=p3", "colorspace=p3"),
        // Queries as sent by real pages.
        ("format=jpg&fm=JPG", "format=jpeg"),
        (
            "f=WebP&fit=Cover&flip=HV&gravity=NorthEast&metadata=Copyright",
            "fit=cover&flip=hv&format=webp&gravity=northeast&metadata=copyright",
        ),
        ("w=300.5&h=299.4", "h=299&w=301"),
        ("w=300.0&q=80.50", "q=81&w=300"),
        ("q=80&w=1", "q=80&w=1"),
        ("quality=+High&w=1", "q=high&w=1"),
        ("q=Auto", "q=auto"),
        ("q=auto:80.2", "q=auto"),
        ("q=AUTO+:+95", "q=auto:95"),
        ("colors=16&dither=.80", "colors=16"),
        ("colors=2&dither=0", "colors=2&dither=0"),
        ("dither=0.5", ""),
        ("w=+300+&fit=%20cover%09&bg=%20Red", "bg=ff0000&fit=cover&w=300"),
        ("crop=0,+0,+10,+10&gravity=0.5,+1", "crop=0,0,10,10&gravity=0.5,1.0"),
        ("w=300&dpr=0.8999999761581421", "w=270"),
        ("w=300&dpr=1.100000023841858", "w=330"),
        ("w=1&h=2&dpr=0.1", "h=1&w=1"),
        ("w=100&dpr=10", "w=1000"),
    ];
    for (query, expected) in table {
        assert_eq!(canonical(query).as_deref(), Ok(expected), "{query}");
    }
}

#[test]
fn what_cannot_be_reduced_keeps_its_values() {
    let table = [
        ("width=0300&fit=inside&dpr=1.0&utm_source=x", "w=300"),
        ("preset=thumb&width=0300&fit=inside&utm_source=x", "fit=inside&preset=thumb&w=0300"),
        ("w=abc&fit=inside", "fit=inside&w=abc"),
        ("preset=", "preset="),
        ("", ""),
    ];
    for (query, expected) in table {
        let text = |query: &str| {
            let pairs = canonical_pairs(query).into_iter().map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join("&")
        };
        assert_eq!(text(query), expected, "{query}");
        assert_eq!(text(expected), expected, "{query} is not stable");
    }
}

#[test]
fn unknown_parameters_break_nothing() {
    for query in ["utm[=1&w=3", "a[b]c=1&w=3", "=1&w=3", "utm=1&utm[x]=2&w=3", "%ff=1&w=3", "W=9&w=3&w[]=5", "w=3&&;"] {
        assert_eq!(canonical(query).as_deref(), Ok("w=3"), "{query}");
    }
}

#[test]
fn ignored_names_come_with_what_may_be_meant() {
    let table = [
        ("", ""),
        ("w=1&quality=2&fm=auto&info", ""),
        ("wdith=300", "wdith:width"),
        ("W=300&showexif=true", "W:w showexif:showExif"),
        ("Width=3&WIDTH=4&Width=5", "Width:width WIDTH:width"),
        ("hieght=1&qualty=2", "hieght:height qualty:quality"),
        ("max-bytes=1&maxBytes=1", "max-bytes:max_bytes maxBytes:max_bytes"),
        ("colourspace=p3", "colourspace:colorspace"),
        ("utm_source=x&b=3", "utm_source b"),
        ("x=1&aspect=16:9&size=3", "x aspect size"),
        ("w[]=1", "w[]"),
        ("b.jpg", "b.jpg"),
    ];
    for (query, expected) in table {
        let names = ignored_names(query).map(|IgnoredName { name, meant }| match meant {
            Some(meant) => format!("{name}:{meant}"),
            None => name,
        });
        assert_eq!(names.collect::<Vec<_>>().join(" "), expected, "{query}");
    }
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    let table = [
        ("w=abc", "w", "a whole number from 1 to 16383"),
        ("width=0", "w", "a whole number from 1 to 16383"),
        ("w=", "w", "a whole number from 1 to 16383"),
        ("w=%2B5", "w", "a whole number from 1 to 16383"),
        ("w=1e2", "w", "a whole number from 1 to 16383"),
        ("h=99999999999", "h", "a whole number from 1 to 16383"),
        ("w=10000&dpr=2", "dpr", "at most what keeps w times dpr within 16383"),
        ("w=0.4", "w", "a whole number from 1 to 16383"),
        ("w=16383.5", "w", "a whole number from 1 to 16383"),
        ("w=3 0", "w", "a whole number from 1 to 16383"),
        ("w=.", "w", "a whole number from 1 to 16383"),
        ("w=1.5px", "w", "a whole number from 1 to 16383"),
        ("dpr=NaN", "dpr", "a number from 0.1 to 10"),
        ("dpr=inf", "dpr", "a number from 0.1 to 10"),
        ("dpr=0.09", "dpr", "a number from 0.1 to 10"),
        ("fit=covers", "fit", "one of inside, outside, cover, contain, fill"),
        ("enlarge=maybe", "enlarge", "true or false"),
        ("rotate=1e9", "rotate", "degrees from -360 to 360"),
        ("rotate=360.01", "rotate", "degrees from -360 to 360"),
        ("rotate=--5", "rotate", "degrees from -360 to 360"),
        ("ar=0", "ar", "W:H or a decimal number, width over height from 0.01 to 100"),
        ("ar=1:0", "ar", "W:H or a decimal number, width over height from 0.01 to 100"),
        ("ar=100.1", "ar", "W:H or a decimal number, width over height from 0.01 to 100"),
        ("ar=1:2:3", "ar", "W:H or a decimal number, width over height from 0.01 to 100"),
        ("ar=9999.9999:9999.9998", "ar", "W:H or a decimal number, width over height from 0.01 to 100"),
        ("ar=-1", "ar", "W:H or a decimal number, width over height from 0.01 to 100"),
        ("ar=1:1&w=5&h=5", "ar", "effect with at most one of w and h"),
        ("ar=0.01&w=1000", "ar", "at most what keeps h within 16383"),
        ("zoom=0.5", "zoom", "a number from 1 to 10"),
        ("pad=9000&dpr=2", "dpr", "at most what keeps pad times dpr within 16383"),
        ("radius=1,2,3,9000&dpr=2", "dpr", "at most what keeps radius times dpr within 16383"),
        ("overlay_w=9000&dpr=2", "dpr", "at most what keeps overlay_w times dpr within 16383"),
        ("pixelate=1", "pixelate", "a whole number from 2 to 256"),
        ("redact_mode=none", "redact_mode", "pixelate, blur, RRGGBB in hex, or a CSS colour name"),
        ("redact=1,2,3,4&redact_mode=00000080", "redact_mode", "pixelate, blur, RRGGBB in hex, or a CSS colour name"),
        ("extend=stretch", "extend", "one of color, edge, mirror, blur"),
        ("q=0", "q", "low, medium, high, best, auto, auto:N with N from 30 to 95, or a whole number from 1 to 100"),
        ("q=100.5", "q", "low, medium, high, best, auto, auto:N with N from 30 to 95, or a whole number from 1 to 100"),
        (
            "q=undefined",
            "q",
            "low, medium, high, best, auto, auto:N with N from 30 to 95, or a whole number from 1 to 100",
        ),
        (
            "q=auto:29",
            "q",
            "low, medium, high, best, auto, auto:N with N from 30 to 95, or a whole number from 1 to 100",
        ),
        ("q=auto:", "q", "low, medium, high, best, auto, auto:N with N from 30 to 95, or a whole number from 1 to 100"),
        ("q=80:80", "q", "low, medium, high, best, auto, auto:N with N from 30 to 95, or a whole number from 1 to 100"),
        ("colors=1", "colors", "a whole number from 2 to 256"),
        ("dither=1.1", "dither", "a number from 0 to 1"),
        ("bg=rgb(1,2,3)", "bg", "RRGGBB or RRGGBBAA in hex, or a CSS colour name"),
        ("bg=12345", "bg", "RRGGBB or RRGGBBAA in hex, or a CSS colour name"),
        ("tint=80808080", "tint", "RRGGBB in hex, or a CSS colour name"),
        ("tint=transparent", "tint", "RRGGBB in hex, or a CSS colour name"),
        ("format=bmp", "format", "one of auto, jpeg, png, avif, webp, gif, svg"),
        ("preset=thumb", "preset", "the name of a preset, and none is configured"),
    ];
    for (query, name, allowed) in table {
        let error = canonical(query).expect_err(query);
        assert_eq!((error.name, error.allowed.as_str()), (name, allowed), "{query}");
    }
    let malformed = [
        "crop=1,2,3",
        "crop=1,2,0,5",
        "crop=-1,0,5,5",
        "crop=0,0,1.5,1",
        "gravity=1.1,0",
        "gravity=up",
        "crop=",
        "crop=0,5",
        "crop=0.0,1",
        "crop=5",
        "pad=",
        "pad=1,2,3",
        "pad=-1",
        "pad=16384",
        "pad=1,2,3,4,5",
        "radius=1,2",
        "radius=maximum",
        "redact=",
        "redact=1,2,3",
        "redact=5,5",
        "redact=1,2,3,4;",
        "redact=face",
        "redact=1,2,3,4;faces",
        "overlay=logos//a.png",
        "overlay=//a.png",
        "overlay=logos/",
        "overlay=../users/bob/x.jpg",
        "overlay=logos/../users/bob/x.jpg",
        "overlay=logos/%2e%2e/users/bob/x.jpg",
        "overlay=logos/%252e%252e/users/bob/x.jpg",
        "overlay=logos%2f..%2fusers/bob/x.jpg",
        "overlay=logos%5c..%5cusers%5cbob/x.jpg",
        "overlay=logos/./a.png",
        "overlay=logos/a%00.png",
        "overlay=logos/a%0a.png",
        "overlay=.",
        "overlay_w=0",
        "overlay_w=0.0",
        "overlay_h=1.1",
        "overlay_w=16384",
        "overlay_x=-1",
        "overlay_y=10px",
        "overlay_gravity=face",
        "overlay_gravity=attention",
        "overlay_gravity=auto",
        "overlay_opacity=1.1",
        "overlay_tile=twice",
    ];
    for query in malformed {
        canonical(query).expect_err(query);
    }
}

#[test]
fn an_overlay_is_below_a_folder_or_not() {
    let table = [
        ("logos/a.png", "logos", true),
        ("logos/a.png", "/logos/", true),
        ("/logos/deep/a.png", "logos/", true),
        ("logos", "logos", false),
        ("logos-of-bob/a.png", "logos", false),
        ("Logos/a.png", "logos", false),
        ("users/logos/a.png", "logos", false),
        ("logos/a.png", "logos/deep", false),
        ("anything.png", "/", true),
    ];
    for (key, folder, expected) in table {
        assert_eq!(OverlayKey::parse(key).unwrap().is_below(folder), expected, "{key} {folder}");
    }
}

#[test]
fn a_focus_is_a_point_or_an_area_of_the_picture() {
    let table = [
        ("0.3,0.4", Some([0.3, 0.4, 0.0, 0.0])),
        (" 0.25, .5 , 0.5,0.5", Some([0.25, 0.5, 0.5, 0.5])),
        ("0,1", Some([0.0, 1.0, 0.0, 0.0])),
        ("0.3", None),
        ("0.3,0.4,0.1", None),
        ("1.1,0", None),
        ("0.6,0,0.5,0.1", None),
        ("left", None),
        ("", None),
    ];
    for (text, expected) in table {
        let focus = Focus::parse(text).map(|Focus { x, y, width, height }| [x, y, width, height].map(Share::get));
        assert_eq!(focus, expected, "{text}");
    }
}

#[test]
fn the_number_of_areas_is_limited() {
    let areas = |count: usize| format!("redact={}", vec!["1,2,3,4"; count].join(";"));
    assert_eq!(canonical(&areas(64)), Ok(areas(64)));
    for count in [65, 10_000] {
        assert_eq!(canonical(&areas(count)).unwrap_err().name, "redact", "{count}");
    }
}

#[test]
fn a_long_bad_value_is_shortened() {
    let error = canonical(&format!("w={}", "é".repeat(5000))).unwrap_err();
    assert_eq!(error.value.chars().count(), SHOWN_VALUE + 1);
}

#[test]
fn a_download_is_a_switch_or_a_name() {
    let (longest, too_long) = ("é".repeat(128), "é".repeat(129));
    let encoded = "%C3%A9".repeat(128);
    let endless = "x".repeat(10_000);
    let form: Result<&str, &str> = Err("true, false, or a file name of up to 128 characters");
    let table = [
        ("", Ok("true")),
        ("Yes", Ok("true")),
        ("1", Ok("true")),
        ("off", Ok("")),
        ("FALSE", Ok("")),
        ("%20Ferien+2026.jpg%20", Ok("Ferien%202026.jpg")),
        ("../a\"b\\c", Ok("../a\"b\\c")),
        ("%E2%80%AEgpj.exe", Ok("%E2%80%AEgpj.exe")),
        (longest.as_str(), Ok(encoded.as_str())),
        (too_long.as_str(), form),
        (endless.as_str(), form),
        ("a%0D%0Ab", form),
        ("a%00", form),
        ("a%C2%85b", form),
    ];
    for (value, expected) in table {
        let canonical = canonical(&format!("download={value}"));
        let canonical = canonical.as_deref().map(|text| text.strip_prefix("download=").unwrap_or_default());
        let canonical = canonical.map_err(|error| error.allowed.as_str());
        assert_eq!(canonical, expected, "{value}");
    }
}

#[test]
fn a_revision_is_any_short_text() {
    let long = "x".repeat(64);
    let table = [
        ("v=1", Ok("v=1")),
        ("v=%20a%26b%3D%2B%20&w=1", Ok("v=a%26b=%2B&w=1")),
        ("v=%C3%BC", Ok("v=%C3%BC")),
        ("v=", Ok("")),
        ("v=a%0Ab", Err("up to 64 characters")),
    ];
    for (query, expected) in table {
        let canonical = canonical(query);
        let canonical = canonical.as_deref().map_err(|error| error.allowed.as_str());
        assert_eq!(canonical, expected, "{query}");
    }
    assert!(canonical(&format!("v={long}")).is_ok());
    assert!(canonical(&format!("v={long}x")).is_err());
}

#[test]
fn explicit_parameters_win_over_a_preset() {
    let presets = [("thumb", "w=200&h=200&fit=cover"), ("mark", "overlay=logos/a.png&overlay_w=0.2")];
    let presets = Presets::from(presets.map(|(name, query)| (name.to_owned(), query.to_owned())));
    let text = |query| parse(query, &presets).map(|t| t.canonical());
    assert_eq!(text("preset=thumb").as_deref(), Ok("fit=cover&h=200&w=200"));
    assert_eq!(text("height=50&preset=thumb").as_deref(), Ok("fit=cover&h=50&w=200"));
    assert_eq!(text("preset=mark&overlay_w=0.5").as_deref(), Ok("overlay=logos/a.png&overlay_w=0.5"));
    assert_eq!(text("preset=mark&overlay=&w=9").as_deref(), Ok("w=9"), "nothing takes it away");
    assert_eq!(text("preset=big").unwrap_err().allowed, "one of mark, thumb, or up to 8 of them with commas between");
}

#[test]
fn several_presets_are_merged_from_left_to_right() {
    let presets = [("card", "w=200&fit=cover&max_w=500"), ("dark", "brightness=0.5&w=300"), ("small", "max_w=100")];
    let presets: Presets = presets.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let table = [
        ("preset=card,dark", Ok("brightness=0.5&fit=cover&max_w=500&w=300")),
        ("preset=dark,card", Ok("brightness=0.5&fit=cover&max_w=500&w=200")),
        ("preset=card,+dark,card", Ok("brightness=0.5&fit=cover&max_w=500&w=200")),
        ("w=9&preset=dark,card", Ok("brightness=0.5&fit=cover&max_w=500&w=9")),
        // No bound lifts another.
        ("preset=small,card&max_w=400", Ok("fit=cover&max_w=100&w=200")),
        ("preset=card&max_w=50", Ok("fit=cover&max_w=50&w=200")),
        ("preset=card,", Err("one of card, dark, small, or up to 8 of them with commas between")),
        ("preset=card,big", Err("one of card, dark, small, or up to 8 of them with commas between")),
    ];
    for (query, expected) in table {
        let text = parse(query, &presets).map(|transform| transform.canonical());
        assert_eq!(text.as_deref().map_err(|bad| bad.allowed.as_str()), expected, "{query}");
    }
    assert_eq!(preset_names("preset=a,b,+a&preset=c,,b"), ["c", "", "b"]);
    let many: Presets = (0..9).map(|number| (number.to_string(), String::new())).collect();
    assert!(parse("preset=0,1,2,3,4,5,6,7", &many).is_ok() && parse("preset=0,1,2,3,4,5,6,7,8", &many).is_err());
    let repeated = "preset=0,0,0,0,0,0,0,0,+0+";
    assert!(parse(repeated, &many).is_err(), "repeated names count");
    assert_eq!(canonical_pairs(repeated), [("preset", "0,0,0,0,0,0,0,0, 0 ".to_owned())]);
    assert_eq!(canonical_pairs("preset=b,+a,b,a+&w=1"), [("preset", "b,a".to_owned()), ("w", "1".to_owned())]);
}

/// A value for this parameter, valid or nearly so.
fn value_for(parameter: &Parameter) -> BoxedStrategy<String> {
    match parameter.kind {
        Kind::Integer { min, max } => (min..=max, 0..5_u8)
            .prop_map(|(n, tenth)| if tenth == 0 { n.to_string() } else { format!(" {n}.{tenth} ") })
            .boxed(),
        Kind::Number { min, max } => (min.get()..=max.get()).prop_map(|n| n.to_string()).boxed(),
        Kind::Angle { min, max } => (min * 100..=max * 100).prop_map(|n| (f64::from(n) / 100.0).to_string()).boxed(),
        Kind::Bool => prop::sample::select(vec!["", "1", "false", "on"]).prop_map(str::to_owned).boxed(),
        Kind::Choice { values } => {
            let word = prop::sample::select(values.to_vec());
            (word, any::<bool>())
                .prop_map(|(word, shout)| if shout { word.to_uppercase() } else { word.to_owned() })
                .boxed()
        }
        Kind::Color { alpha: true } => "[0-9a-fA-F]{6}([0-9a-f]{2})?|rebeccapurple".boxed(),
        Kind::Color { alpha: false } => "[0-9a-fA-F]{6}|#[0-9a-f]{3}|rebeccapurple".boxed(),
        Kind::Text { .. } => match parameter.name {
            "crop" => "([0-9]{1,5},[0-9]{1,5},)?[1-9][0-9]{0,4},[1-9]|0\\.[1-9]{1,5},1".boxed(),
            "download" => "[a-zA-Z0-9ü .,/_-]{1,40}|%22%3B|on|No|(%E2%80%AE){3}\\.jpg|é{128}".boxed(),
            "v" => "[a-z0-9:.,/@=-]{0,64}|%2B%26%3D%25|ü{64}".boxed(),
            "ar" => "[1-9]{1,2}:[1-9]{1,2}|0\\.[1-9]{1,5}|[1-9]\\.[0-9]{2}:1".boxed(),
            "pad" => "[0-9]{1,4}(,[0-9]{1,4}(,[0-9]{1,4},[0-9]{1,4})?)?".boxed(),
            "redact" => "faces|[0-9]{1,4},[0-9]{1,4},[1-9],[1-9](;0\\.[0-9]{1,3},0,1,1){0,3}".boxed(),
            "redact_mode" => "pixelate|blur|[0-9a-f]{6}".boxed(),
            "q" => "[1-9][0-9]?|100|[1-9]\\.[0-9]|low|Medium|high|BEST|auto|Auto:[3-8][0-9]".boxed(),
            "overlay" => "/?[a-zü]([a-zü+]|%2B|%26){0,9}x(/[a-z.]{3,9}x){0,3}".boxed(),
            "overlay_w" | "overlay_h" => "[1-9][0-9]{0,3}|0?\\.0{0,3}[1-9]|1\\.0".boxed(),
            "overlay_x" | "overlay_y" => "[0-9]{1,4}|0?\\.[0-9]{1,5}|1\\.0".boxed(),
            "overlay_gravity" => "(0|1|0\\.[0-9]{1,6}),(0|1|0\\.[0-9]{1,6})|center|northwest".boxed(),
            "radius" => "[0-9]{1,4}(,[0-9]{1,4},[0-9]{1,4},[0-9]{1,4})?|max".boxed(),
            _ => "(0|1|0\\.[0-9]{1,6}),(0|1|0\\.[0-9]{1,6})|attention|northwest".boxed(),
        },
    }
}

fn queries() -> impl Strategy<Value = String> {
    let usable: Vec<&'static Parameter> = PARAMETERS.iter().filter(|p| p.name != "preset" && p.name != "dpr").collect();
    let pair = prop::sample::select(usable)
        .prop_flat_map(|parameter| value_for(parameter).prop_map(move |value| format!("{}={value}", parameter.name)));
    prop::collection::vec(pair, 0..12).prop_map(|pairs| pairs.join("&"))
}

proptest! {
    #[test]
    fn canonical_text_round_trips(query in queries()) {
        let transform = match parse(&query, &Presets::new()) {
            Ok(transform) => transform,
            // A ratio may conflict with the sides of the box, or make one too long.
            Err(bad) => {
                prop_assert_eq!(bad.name, "ar");
                return Ok(());
            }
        };
        let text = transform.canonical();
        let picture = Transform { revision: None, download: None, ..transform.clone() }.canonical();
        let untouched = matches!(
            picture.as_str(),
            "" | "hdr=drop" | "metadata=copyright" | "hdr=drop&metadata=copyright" | "metadata=all"
        );
        prop_assert_eq!(untouched, transform.is_original());
        prop_assert_eq!(text.parse::<Transform>(), Ok(transform));
    }

    #[test]
    fn no_query_panics(query in ".{0,200}") {
        let _ = parse(&query, &Presets::new());
    }

    #[test]
    fn both_ways_of_reading_agree(query in r"((w|width|q|crop|showExif|utm|bg|W|w\[\]|%77)(=|%3D|\[)?[0-9a-z+%&\[\]ü=]{0,5}&?){0,8}") {
        prop_assert_eq!(RawParameters::read(&query), RawParameters::read_plainly(&query));
    }

    #[test]
    fn no_value_panics(index in 0..PARAMETERS.len(), value in "\\PC{0,20}|[0-9.,-]{0,20}") {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair(PARAMETERS[index].name, &value).finish();
        if let Ok(transform) = parse(&query, &Presets::new()) {
            prop_assert_eq!(transform.canonical().parse::<Transform>(), Ok(transform));
        }
    }
}
