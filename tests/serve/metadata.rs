//! Metadata as JSON, kept and hidden.

use super::*;

#[test]
fn metadata_is_told_to_those_who_ask() {
    let server = Server::start();
    let response = server.get("/photo.jpg?showExif=true");
    assert_eq!(response.header("content-type"), Some("application/json"));
    let report = response.json();
    assert_eq!((&report["width"], &report["height"], &report["orientation"]), (&1200.into(), &900.into(), &6.into()));
    assert_eq!(report["exif"]["image"]["Make"], "Example Corp.");
    assert_eq!(report["exif"]["photo"]["DateTimeOriginal"], "2026-05-04T03:02:01.250+02:00");
    assert!((report["exif"]["gps"]["latitude"].as_f64().unwrap() - 47.05675).abs() < 1e-4, "{report}");
    let nothing = server.get("/png/rgb-8.png?showExif");
    assert_eq!((nothing.status, &nothing.json()["exif"]["image"]), (200, &serde_json::json!({})));
    assert_eq!(server.get("/broken/text.jpg?showExif").outcome(), (415, "unsupported_image".to_owned()));
}

#[test]
fn metadata_is_kept_in_pictures_on_request() {
    let server = Server::start();
    let holds = |target: &str, text: &str| {
        let body = server.get(target).body;
        body.windows(text.len()).any(|window| window == text.as_bytes())
    };
    for query in ["", "&w=100", "&w=100&format=png", "&w=100&format=webp"] {
        for (keep, make, artist) in [("none", false, false), ("copyright", false, true), ("all", true, true)] {
            let target = format!("/photo.jpg?metadata={keep}{query}");
            assert_eq!(holds(&target, "Example Corp."), make, "{target}");
            assert_eq!(holds(&target, "A. Photographer"), artist, "{target}");
        }
    }
    let turned = server.get("/photo.jpg?metadata=all&w=100");
    assert_eq!(turned.size(), (100, 75));
    assert_eq!(
        image_origin::container::orientation(
            &turned.body,
            image_origin::codec::Format::Jpeg,
            &image_origin::codec::Cancellation::unbounded()
        )
        .unwrap(),
        1
    );
}

#[test]
fn metadata_is_hidden_as_configured() {
    use image_origin::origin::ExposeMetadata;
    let with = |expose| Server::with(Layer { expose_metadata: Some(expose), ..Layer::default() });
    let hidden = (403, "metadata_hidden".to_owned());
    let none = with(ExposeMetadata::None);
    for target in ["/photo.jpg?showExif=true", "/photo.jpg?metadata=all", "/photo.jpg?metadata=all&w=9"] {
        assert_eq!(none.get(target).outcome(), hidden, "{target}");
    }
    assert_eq!(none.get("/photo.jpg?metadata=copyright&w=9").status, 200);
    let no_location = with(ExposeMetadata::NoLocation);
    assert_eq!(no_location.get("/photo.jpg?metadata=all").outcome(), hidden);
    let report = no_location.get("/photo.jpg?showExif=true").json();
    assert_eq!(
        (&report["exif"]["gps"], &report["exif"]["image"]["Make"]),
        (&serde_json::json!({}), &"Example Corp.".into())
    );
}
