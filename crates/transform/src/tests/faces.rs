//! Faces, found and marked, and what is kept of a picture because of them.

use super::*;

fn astronaut() -> Vec<u8> {
    fixture("faces/astronaut.jpg")
}

fn faces(bytes: &[u8]) -> Vec<Region> {
    Render::new(bytes).limits(BUDGET).inspect().unwrap().faces
}

#[test]
fn a_face_is_where_the_picture_is_looked_at() {
    let [face] = faces(&astronaut())[..] else { panic!("there is one face") };
    let middle = |face: Region| (face.x + face.width / 2.0, face.y + face.height / 2.0);
    let (x, y) = middle(face);
    assert!((x - 0.52).abs() < 0.06 && (y - 0.4).abs() < 0.1, "{face:?}");
    let alike = |one: &Raster, other: &Raster| {
        let pairs = one.samples().as_bytes().iter().zip(other.samples().as_bytes());
        (one.width(), one.height()) == (other.width(), other.height())
            && pairs.into_iter().all(|(a, b)| a.abs_diff(*b) < 5)
    };
    let shown = |bytes: &[u8], query: &str| rendered(bytes, &format!("{query}&format=png")).unwrap();
    for gravity in ["face", "faces"] {
        for query in ["zoom=1.8", "crop=80,80", "w=60&h=100&fit=cover"] {
            let (picture, near) = shown(&astronaut(), &format!("{query}&gravity={gravity}"));
            let (_, by_point) = shown(&astronaut(), &format!("{query}&gravity={x:.4},{y:.4}"));
            assert!(alike(&near, &by_point), "{query} {gravity}");
            if query.contains("w=") {
                continue;
            }
            // What is turned afterwards shows the same part.
            for turn in ["rotate=90", "rotate=270&flip=h", "rotate=180&flip=v"] {
                let (_, turned) = shown(&astronaut(), &format!("{query}&gravity={gravity}&{turn}"));
                assert!(alike(&turned, &shown(&picture.bytes, turn).1), "{query} {gravity} {turn}");
            }
        }
    }
}

/// The same file with a segment of XMP that marks a region of its stored picture.
fn with_region(jpeg: &[u8], kind: &str, [x, y]: [f64; 2]) -> Vec<u8> {
    let region = format!(
        "<r:Regions xmlns:r='http://www.metadataworkinggroup.com/schemas/regions/' xmlns:a='http://ns.adobe.com/xmp/sType/Area#' \
         rdf:parseType='Resource'><r:RegionList><rdf:Bag><rdf:li r:Type='{kind}'><r:Area a:x='{x}' a:y='{y}' \
         a:w='0.1' a:h='0.1'/></rdf:li></rdf:Bag></r:RegionList></r:Regions>"
    );
    with_xmp(jpeg, &region)
}

#[test]
fn what_is_marked_is_what_is_kept() {
    let shown = |bytes: &[u8], focus: Option<&str>, query: &str| {
        let focus = focus.map(|focus| Focus::parse(focus).unwrap());
        let transform = format!("{query}&format=png").parse().unwrap();
        Render::new(bytes).focus(focus).transform(transform).limits(BUDGET).run().unwrap().bytes
    };
    let info = |bytes: &[u8], focus| Render::new(bytes).focus(focus).limits(BUDGET).inspect().unwrap().focus;
    let queries = [
        "zoom=3",
        "crop=40,30",
        "w=30&h=60&fit=cover",
        "ar=3:1",
        "w=30&h=60&fit=cover&rotate=90",
        "zoom=2&flip=h",
        "trim=1&zoom=3",
    ];
    // The stored pictures lie on their sides and mirrored, and the mark is in their own upper left quarter.
    for value in 1..=8 {
        let file = fixture(&format!("orientation/{value}.jpg"));
        let orientation = Orientation::from_exif(value);
        let (x, y) = turned((0.3, 0.2), orientation);
        let marked = with_region(&file, "Face", [0.3, 0.2]);
        for query in queries {
            // Trimming leaves what lies around the same point of less.
            let point = if query.contains("trim") { None } else { Some(format!("{query}&gravity={x:.4},{y:.4}")) };
            let automatic = shown(&marked, None, &format!("{query}&gravity=auto"));
            if let Some(point) = point.filter(|query| !query.contains("rotate") && !query.contains("flip")) {
                assert_eq!(automatic, shown(&file, None, &point), "{value} {query}");
            }
            // What is stored beside the file is in upright shares, and wins.
            let focus = format!("{x:.4},{y:.4}");
            assert_eq!(automatic, shown(&file, Some(&focus), &format!("{query}&gravity=auto")), "{value} {query}");
            let other = with_region(&file, "Focus", [0.9, 0.9]);
            assert_eq!(automatic, shown(&other, Some(&focus), &format!("{query}&gravity=auto")), "{value} {query}");
        }
        let told = info(&marked, None).unwrap();
        let (told_x, told_y) = (told.x + told.width / 2.0, told.y + told.height / 2.0);
        assert!((told_x - x).abs() < 0.001 && (told_y - y).abs() < 0.001, "{value}: {told:?}");
    }
    let photo = fixture("photo.png");
    assert_eq!(info(&photo, None), None);
    let told = info(&photo, Focus::parse("0.25,0.5,0.5,0.1"));
    assert_eq!(told, Some(Region { x: 0.25, y: 0.5, width: 0.5, height: 0.1 }));
    // Without a mark faces count, and without these what draws the eye.
    for (file, gravity) in [("faces/astronaut.jpg", "faces"), ("photo.png", "attention")] {
        let file = fixture(file);
        let expected = shown(&file, None, &format!("zoom=2&gravity={gravity}"));
        assert_eq!(shown(&file, None, "zoom=2&gravity=auto"), expected, "{gravity}");
    }
    let marked = with_region(&astronaut(), "Face", [0.1, 0.9]);
    assert_eq!(shown(&marked, None, "zoom=2&gravity=auto"), shown(&astronaut(), None, "zoom=2&gravity=0.1,0.9"));
}

#[test]
fn a_face_at_the_border_stays_in_the_picture() {
    let [face] = faces(&astronaut())[..] else { panic!("there is one face") };
    // What is left of the portrait begins where the face does, or ends there.
    for crop in [
        format!("crop={:.4},0.0,{:.4},1.0", face.x, 1.0 - face.x),
        format!("crop=0.0,0.0,{:.4},1.0", face.x + face.width),
        format!("crop=0.0,{:.4},1.0,{:.4}", face.y, 1.0 - face.y),
    ] {
        let (part, _) = rendered(&astronaut(), &format!("{crop}&format=png")).unwrap();
        for query in
            ["zoom=10&gravity=face", "zoom=10&gravity=auto", "crop=20,30&gravity=faces", "ar=1:10&gravity=face"]
        {
            let (picture, _) = rendered(&part.bytes, query).unwrap();
            assert!(picture.width <= part.width && picture.height <= part.height, "{crop} {query}");
        }
    }
}

#[test]
fn without_a_face_attention_decides() {
    for query in ["crop=30,20", "zoom=3", "ar=1:2", "w=40"] {
        let picture = |gravity| rendered(&fixture("photo.png"), &format!("{query}&gravity={gravity}")).unwrap().0.bytes;
        for gravity in ["face", "faces"] {
            assert_eq!(picture(gravity), picture("attention"), "{query} {gravity}");
        }
    }
}

#[test]
fn hidden_faces_are_not_found_again() {
    for mode in ["pixelate", "blur", "336699"] {
        for query in ["format=png", "format=png&gravity=face&zoom=1.5", "w=100&q=95", "format=webp&flip=h"] {
            let (picture, _) = rendered(&astronaut(), &format!("redact=faces&redact_mode={mode}&{query}")).unwrap();
            assert_eq!(faces(&picture.bytes), [], "{mode} {query}");
        }
    }
}

#[test]
fn metadata_tells_nothing_of_what_is_hidden() {
    let original = fixture("exif/canon-40d.jpg");
    let holds_camera = |query: &str| {
        let (picture, _) = rendered(&original, query).unwrap();
        picture.bytes.windows(5).any(|window| window == b"Canon")
    };
    assert!(holds_camera("metadata=all&w=20"));
    for query in
        ["metadata=all&redact=0,0,5,5", "metadata=all&redact=faces&format=png", "metadata=all&redact=0,0,5,5&w=20"]
    {
        assert!(!holds_camera(query), "{query}");
    }
}
