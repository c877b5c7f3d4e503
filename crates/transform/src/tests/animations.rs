//! Animations in, animations and stills out.

use super::*;

/// Files that end where a frame ends, of which there should be more.
#[test]
fn animations_that_end_between_frames_are_cut_short() {
    let chunks = |bytes: &[u8], name: &[u8; 4]| -> Vec<usize> {
        bytes.windows(4).enumerate().filter(|(_, at)| at == name).map(|(at, _)| at).collect()
    };
    let png = include_bytes!("../../../../fixtures/png/disposing.png").as_slice();
    let webp = include_bytes!("../../../../fixtures/webp/disposing.webp").as_slice();
    let gif = include_bytes!("../../../../fixtures/gif/disposing.gif").as_slice();
    let controls = chunks(png, b"fcTL").into_iter().map(|at| at - 4);
    let frames = chunks(webp, b"ANMF");
    for (name, bytes, end) in controls
        .filter(|at| png[..*at].windows(4).any(|name| name == b"IDAT"))
        .map(|at| ("png", png, at))
        .chain(frames.into_iter().skip(1).map(|at| ("webp", webp, at)))
        .chain([("gif", gif, gif.len() - 1)])
    {
        let info = Render::new(&bytes[..end]).limits(BUDGET).inspect().unwrap();
        assert_eq!(info.warnings, ["the file is cut short"], "{name} {end}");
    }
}

/// Viewers show the first picture of an APNG whose frames are numbered wrongly.
#[test]
fn frames_with_wrong_numbers_are_no_frames() {
    let whole = include_bytes!("../../../../fixtures/png/disposing.png").as_slice();
    let controls: Vec<_> = (0..whole.len()).filter(|at| whole[*at..].starts_with(b"fcTL")).collect();
    let data: Vec<_> = (0..whole.len()).filter(|at| whole[*at..].starts_with(b"fdAT")).collect();
    let first = |bytes: &[u8]| Render::new(bytes).transform("page=0".parse().unwrap()).limits(BUDGET).run();
    for at in controls.into_iter().chain(data) {
        let mut bytes = whole.to_vec();
        bytes[at + 7] ^= 0x40;
        let crc = checksum(&bytes, at);
        let length = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
        bytes[at + 4 + length..at + 8 + length].copy_from_slice(&crc);
        let info = Render::new(&bytes).limits(BUDGET).inspect().unwrap();
        assert!(!info.warnings.is_empty(), "{at}: {info:?}");
        assert!(first(&bytes).is_ok(), "{at}");
    }
}

/// The checksum of the chunk whose name stands at `at`.
fn checksum(bytes: &[u8], at: usize) -> [u8; 4] {
    let length = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[at..at + 4 + length]);
    crc.sum().to_be_bytes()
}

/// All frames of a file as RGBA, with their delays and how often they are played.
fn frames(bytes: &[u8]) -> (Vec<Raster>, Vec<u32>, u32) {
    let (decoder, cancellation) = (codec::decoder_for(bytes).unwrap(), Cancellation::unbounded());
    let animation = decoder.animation(bytes, &cancellation).unwrap().expect("an animation");
    let mut frames = decoder.frames(bytes, BUDGET, &cancellation).unwrap();
    let rasters = std::iter::from_fn(|| frames.next_frame().unwrap().cloned()).collect();
    (rasters, animation.delays, animation.plays)
}

const DISPOSING: [(&str, [&str; 4], [u32; 4], u32); 3] = [
    (
        "gif/disposing.gif",
        ["BBBB/BBBB/BBBB", "BBBB/BRRB/BBBB", "BBGG/BBBB/BBBB", "BB../BBBB/RBBB"],
        [100, 50, 200, 1000],
        3,
    ),
    (
        "png/disposing.png",
        ["BBBB/BBBB/BBBB", "BBBB/BRRB/BBBB", "BBGG/BBBB/BBBB", "BB../BBBB/RBBB"],
        [100, 50, 200, 1000],
        3,
    ),
    (
        "webp/disposing.webp",
        ["BBBB/BBBB/BBBB", "BBBB/BRRB/BBBB", "BBGB/B..B/BBBB", "BB../B..B/BBBB"],
        [100, 50, 200, 30],
        0,
    ),
];

#[test]
fn animations_stay_what_they_are() {
    for (name, looks, delays, plays) in DISPOSING {
        let original = fixture(name);
        for query in ["format=gif", "format=webp&lossless", "format=webp&w=80&enlarge=true&q=95", "w=20&format=gif"] {
            let (picture, _) = rendered(&original, query).unwrap();
            let (rasters, delays_now, plays_now) = frames(&picture.bytes);
            assert_eq!((delays_now, plays_now), (delays.to_vec(), plays), "{name} {query}");
            assert_eq!((picture.width, picture.height), (rasters[0].width(), rasters[0].height()));
            let seen: Vec<_> = rasters.iter().map(|raster| cells(raster, 4, 3)).collect();
            assert_eq!(seen, looks, "{name} {query}");
        }
        let info = Render::new(&original).limits(BUDGET).inspect().unwrap();
        assert_eq!((info.frames, info.delays, info.plays), (4, Some(delays.to_vec()), Some(plays)), "{name}");
    }
}

#[test]
fn each_frame_is_what_its_page_is_as_a_still() {
    let queries = [
        "w=13",
        "rotate=90",
        "flip=h&w=20",
        "crop=15,5,20,20&h=9",
        "w=20&h=20&fit=cover&gravity=east",
        "w=50&h=50&fit=contain&bg=ff000080",
        "w=20&h=20&fit=cover&gravity=attention",
        "trim=5&w=10",
        "grayscale&invert&blur=1",
        "w=30&ar=1:1&radius=max",
        "rotate=20&w=25",
        "crop=9,9&gravity=attention&zoom=2",
        "w=20&pad=5,10&extend=mirror&radius=4",
        "redact=0,0,1000,9&redact_mode=00ff00&w=20",
        "redact=0.2,0.2,0.6,0.6&pixelate=3",
        "w=20&h=40&fit=contain&extend=blur",
    ];
    for (name, query) in DISPOSING.iter().flat_map(|(name, ..)| queries.map(|query| (name, query))) {
        let original = fixture(name);
        let (rasters, ..) = frames(&rendered(&original, &format!("{query}&format=webp&lossless")).unwrap().0.bytes);
        // Where pixels decide what is cut, the first frame does so for all.
        let decided_by_pixels = query.contains("attention") || query.contains("trim");
        for (page, raster) in rasters.into_iter().enumerate().take(if decided_by_pixels { 1 } else { 4 }) {
            let (_, still) = rendered(&original, &format!("{query}&format=png&page={page}")).unwrap();
            let visible = |raster: &Raster| -> Vec<[u8; 4]> {
                let pixels = raster.samples().as_bytes().as_chunks::<4>().0.iter();
                pixels.map(|pixel| if pixel[3] == 0 { [0; 4] } else { *pixel }).collect()
            };
            assert_eq!((raster.width(), raster.height()), (still.width(), still.height()), "{name} {query}");
            assert_eq!(visible(&raster), visible(&still), "{name} {query} {page}");
        }
    }
}

#[test]
fn the_output_decides_whether_all_frames_are_kept() {
    let chosen = |name, query: &str, accepted| {
        let transform: Transform = query.parse().unwrap();
        let picture =
            Render::new(&fixture(name)).transform(transform.clone()).accepted(accepted).limits(BUDGET).run().unwrap();
        let animation =
            codec::decoder_for(&picture.bytes).unwrap().animation(&picture.bytes, &Cancellation::unbounded());
        (picture.format, animation.unwrap().map_or(1, |animation| animation.frames()))
    };
    let (neither, webp) = (Accepted::default(), Accepted::from_header("image/webp", &AUTO_FORMATS));
    let avif = Accepted::from_header("image/avif,image/webp", &AUTO_FORMATS);
    let (gif, png) = ("gif/disposing.gif", "png/disposing.png");
    assert_eq!(chosen(gif, "w=20", neither), (Format::Gif, 4));
    assert_eq!(chosen(gif, "w=20&format=auto", neither), (Format::Gif, 4));
    assert_eq!(chosen(gif, "w=20&blur=3&format=auto", webp), (Format::WebP, 4));
    assert_eq!(chosen(gif, "w=20&blur=3&format=auto", avif), (Format::WebP, 4));
    // Where GIF and PNG are smaller, nothing newer is sent.
    assert_eq!(chosen(gif, "w=20&format=auto", webp), (Format::Gif, 4));
    assert_eq!(chosen("gif/animated.gif", "w=60&format=auto", webp), (Format::Gif, 3));
    assert_eq!(chosen(gif, "w=20&page=1&format=auto", avif), (Format::WebP, 1));
    assert_eq!(chosen(gif, "w=20&format=jpeg", webp), (Format::Jpeg, 1));
    assert_eq!(chosen(gif, "w=20&page=3", webp), (Format::Gif, 1));
    assert_eq!(chosen(gif, "w=20&page=3&blur=3&format=auto", webp), (Format::WebP, 1));
    assert_eq!(chosen(png, "w=20", webp), (Format::Png, 1));
    assert_eq!(chosen(png, "w=20&blur=3&format=auto", webp), (Format::WebP, 4));
    assert_eq!(chosen(png, "w=20&format=gif", neither), (Format::Gif, 4));
    assert_eq!(chosen("gif/still.gif", "w=20&page=0", neither), (Format::Gif, 1));
    let beyond = |name| rendered(&fixture(name), "w=20&page=4").unwrap_err();
    assert_eq!(beyond(gif), Error::PageOutside { page: 4, frames: 4 });
    assert_eq!(beyond("photo.jpg"), Error::PageOutside { page: 4, frames: 1 });
}

#[test]
fn a_picture_that_is_no_frame_stands_for_the_animation_where_there_is_none() {
    let seen = |query| cells(&rendered(&fixture("png/disposing.png"), query).unwrap().1, 4, 3);
    assert_eq!(seen("format=png"), "GGGG/GGGG/GGGG");
    assert_eq!(seen("format=png&page=0"), "BBBB/BBBB/BBBB");
}

#[test]
fn animations_have_limits_of_their_own() {
    let usual = Limits::from(BUDGET);
    let outcome = |query: &str, limits: Limits, cancellation: &Cancellation| {
        Render::new(&fixture("gif/disposing.gif"))
            .transform(query.parse().unwrap())
            .limits(limits)
            .cancellation(cancellation.clone())
            .run()
    };
    let unbounded = Cancellation::unbounded();
    let refused =
        |query, limits| matches!(outcome(query, limits, &unbounded), Err(Error::Codec(codec::Error::TooLarge { .. })));
    assert!(!refused("w=20", Limits { frames: 4, frame_pixels: 4 * 1200, ..usual }));
    assert!(refused("w=20", Limits { frames: 3, ..usual }));
    assert!(refused("w=20", Limits { frame_pixels: 4 * 1200 - 1, ..usual }));
    assert!(!refused("w=20&page=2", Limits { frames: 3, frame_pixels: 3 * 1200, ..usual }));
    assert!(refused("w=20&page=3", Limits { frames: 3, ..usual }));
    assert!(!refused("w=20&format=png", Limits { frames: 1, frame_pixels: 1, ..usual }));
    assert!(refused("w=20", Limits { budget: Budget { memory: 12 * 1200, ..BUDGET }, ..usual }));
    let few = Render::new(&fixture("gif/disposing.gif"))
        .limits(Limits { frames: 3, ..usual })
        .cancellation(unbounded)
        .inspect()
        .unwrap();
    assert_eq!((few.frames, few.delays), (4, None));
    let stopped = Cancellation::unbounded();
    stopped.cancel();
    assert_eq!(outcome("w=20", usual, &stopped), Err(codec::Cancelled.into()));
}

#[test]
fn max_bytes_holds_for_all_frames_together() {
    let original = fixture("webp/disposing.webp");
    let size = |query: &str| rendered(&original, query).map(|(picture, _)| picture.bytes.len());
    let (best, least) = (size("w=39&q=100").unwrap(), size("w=39&q=1").unwrap());
    assert!(least < best);
    assert!((least..best).contains(&size(&format!("w=39&q=100&max_bytes={}", best - 1)).unwrap()));
    assert!(matches!(size("w=39&max_bytes=50"), Err(Error::MaxBytes { .. })));
}
