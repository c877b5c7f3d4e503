//! What the clients in other languages must agree on with the server: `clients/vectors.json` holds option sets with their
//! canonical URLs and signatures, colours, and painted ThumbHashes. The clients' tests read the same file.
//!
//! `UPDATE_REFERENCES=1 cargo test --test all clients::` writes it anew, with the parameters that the grammar has then.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image_origin::query::{self, Kind, PARAMETERS, Parameter, Presets};
use image_origin_edge::sign_url;
use serde_json::{Map, Value, json};

const SECRET: &str = "the secret of the clients' tests";
const EXPIRES: u64 = 1_800_000_000;
const SETS: usize = 1000;
const KEYS: [&str; 5] = ["photo.jpg", "cats/a b.jpg", "ünï/日本 (1).png", "a+b'c!~*.webp", "100%/x&y=z?.gif"];

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/vectors.json")
}

/// Numbers that are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 16) as usize % end
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// A value as a program may give it; now and then one that is not allowed.
    fn value(&mut self, parameter: &Parameter) -> Value {
        match parameter.kind {
            Kind::Integer { min, max } => {
                let value = min as usize + self.below((max - min).min(900) as usize + 1);
                match self.below(12) {
                    0 => json!(format!(" 0{value}")),
                    1 => json!(value as f64 + 0.25),
                    2 => json!(format!("{value}.5")),
                    3 => json!(max),
                    4 if self.below(4) == 0 => json!(u64::from(max) + 1),
                    _ => json!(value),
                }
            }
            Kind::Number { min, max } => {
                let range = ((max.get() - min.get()) * 1000.0) as usize;
                let value = min.get() + self.below(range.min(4000) + 1) as f64 / 1000.0;
                match self.below(8) {
                    0 => json!(format!("{value:.2}")),
                    1 => json!(1),
                    2 => json!(0.899_999_976_158_142_1_f64.max(min.get())),
                    3 if self.below(4) == 0 => json!(max.get() + 0.01),
                    _ => json!((value * 100.0).round() / 100.0),
                }
            }
            Kind::Angle { .. } => json!(self.one(&["90", "-90", "360", "45.5", "-0.004", "12.345", "361"])),
            Kind::Bool => match self.below(6) {
                0 => json!(self.one(&["", "1", "ON", "Yes", "false", "0", "Off", "no"])),
                1 => json!(false),
                2 if self.below(8) == 0 => json!("maybe"),
                _ => json!(true),
            },
            Kind::Choice { values } => match self.below(6) {
                0 => json!(self.one(values).to_uppercase()),
                1 if parameter.name == "format" => json!("jpg"),
                2 if self.below(8) == 0 => json!("another"),
                _ => json!(self.one(values)),
            },
            Kind::Color { .. } => {
                json!(self.one(&[
                    "#F00",
                    "abc",
                    "00ff7f",
                    "FFFFFFFF",
                    "12345680",
                    "RebeccaPurple",
                    "transparent",
                    "ab",
                    "#fffe"
                ]))
            }
            Kind::Text { .. } => self.text(parameter.name),
        }
    }

    fn text(&mut self, name: &str) -> Value {
        let share = |random: &mut Self| random.below(1001) as f64 / 1000.0;
        match (name, self.below(5)) {
            ("gravity", 0) => json!([share(self), share(self)]),
            ("gravity", 1) => json!("0.5, .25"),
            ("gravity", _) => {
                json!(self.one(&["center", "NorthEast", "attention", "entropy", "west", "middle", "2,2"]))
            }
            ("crop", 0) => json!([0.1, share(self), 0.5, 0.25]),
            ("crop", 1) => json!(self.one(&["0,0,1.0,1", "0,0,0.0,1", "1,2,3", "0.00004,0.00005,1,1", " 1, 2 ,3,4"])),
            ("crop", _) => json!([self.below(300), self.below(300), 1 + self.below(300), 1 + self.below(300)]),
            ("ar", _) => json!(self.one(&["16:9", "1.5", " 3 : 2", "1.3333:1", "0.01", "200", "100:1"])),
            ("pad", _) => json!(self.one(&["10", "5,5", "10,20", "1,2,3,4", "5,6,5,6", "0", "1.5", "1,2,3"])),
            ("q", _) => json!(self.one(&[
                "80",
                "low",
                "Medium",
                " BEST ",
                "0",
                "79.5",
                "1e1",
                "high,",
                "101",
                "Auto",
                "auto:80",
                "auto : 70.4",
                "auto:96",
                "auto:"
            ])),
            ("radius", _) => json!(self.one(&["10", "MAX", "5,5,5,5", "1,2,3,4", "0,0,0,0", "1,2"])),
            ("overlay", 0) => json!(self.one(&["", "/logos/a b.png", "none", "../a.png", "a//b.png", "a%2eb", "%"])),
            ("overlay", _) => json!(format!("logos/{}.png", self.below(100))),
            ("overlay_gravity", _) => json!(self.one(&["Center", "southeast", "0.1,1", "face", "2,2"])),
            ("overlay_w" | "overlay_h" | "overlay_x" | "overlay_y", _) => {
                json!(self.one(&["10", "0.25", ".5", "0", "0.0", "1.0", "007", "1.5", "0.00004", "9000", "px"]))
            }
            ("download", 0) => json!(self.below(2) == 0),
            ("download", _) => json!(self.one(&["a b.jpg", "ON", "no", "", "\u{fc}/\"x\"", "a\nb"])),
            ("redact", _) => json!(self.one(&["Faces", "1,2,3,4; 5,6,7,8", "0.1,0.2,0.3,0.4", "1,2", "nobody"])),
            ("redact_mode", _) => json!(self.one(&["Blur", "pixelate", "red", "0F0", "ff000080"])),
            _ => json!(format!("text {}", self.below(100))),
        }
    }

    /// Some options, by name or alias. One set in twenty has a preset, and then the values that the server would write.
    fn options(&mut self) -> Map<String, Value> {
        let count = 1 + self.below(6);
        let mut options = Map::new();
        for _ in 0..count {
            let parameter = &PARAMETERS[self.below(PARAMETERS.len())];
            let names: Vec<&str> = std::iter::once(parameter.name).chain(parameter.aliases.iter().copied()).collect();
            if parameter.name != "preset" && names.iter().all(|name| !options.contains_key(*name)) {
                options.insert(self.one(&names).to_owned(), self.value(parameter));
            }
        }
        if self.below(20) == 0 {
            let canonical = query::parse(&text(&options), &Presets::new()).map(|transform| transform.canonical_pairs());
            options = canonical.into_iter().flatten().map(|(name, value)| (name.to_owned(), json!(value))).collect();
            options.insert("preset".to_owned(), json!("card"));
        }
        options
    }
}

/// Options as a query, without anything that only a client would do for them.
fn text(options: &Map<String, Value>) -> String {
    fn plain(value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        }
    }
    let pairs = options.iter().map(|(name, value)| (name, plain(value)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The signed URL of a picture; none if the server would refuse it.
fn signed(key: &str, options: &Map<String, Value>) -> Option<String> {
    let query = text(options);
    // What a preset says is not known here; its name is allowed as it is.
    let presets = Presets::from([("card".to_owned(), String::new())]);
    query::parse(&query, &presets).ok()?;
    let path = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
    Some(sign_url(&format!("/{path}?{query}"), EXPIRES, SECRET.as_bytes()).unwrap())
}

/// Every parameter once with its default: what is left out of a URL, and what is kept.
fn defaults() -> impl Iterator<Item = Map<String, Value>> {
    let parameters = PARAMETERS.iter().filter(|parameter| parameter.name != "preset");
    parameters.map(|parameter| Map::from_iter([(parameter.name.to_owned(), json!(parameter.default))]))
}

fn painted(hash: &[u8]) -> Value {
    let (width, height, pixels) = thumbhash::thumb_hash_to_rgba(hash).unwrap();
    json!({"hash": STANDARD.encode(hash), "width": width, "height": height, "rgba": STANDARD.encode(pixels)})
}

/// Pictures with and without alpha, upright and lying.
fn hashes() -> Vec<Vec<u8>> {
    let picture = |width: usize, height: usize, alpha: bool| {
        let pixel = |at: usize| {
            let (x, y) = (at % width * 255 / width, at / width * 255 / height);
            let opacity = if alpha { 255 - x / 2 } else { 255 };
            [x, y, 255 - x, opacity].map(|sample| sample as u8)
        };
        let rgba: Vec<u8> = (0..width * height).flat_map(pixel).collect();
        thumbhash::rgba_to_thumb_hash(width, height, &rgba)
    };
    vec![picture(60, 40, false), picture(40, 60, true), picture(50, 50, false)]
}

fn written() -> String {
    let mut random = Random(20);
    let mut lines = String::new();
    let sets = defaults().chain((0..SETS).map(|_| random.options())).collect::<Vec<_>>();
    for (at, options) in sets.iter().enumerate() {
        let key = KEYS[at % KEYS.len()];
        let separator = if at == 0 { "" } else { ",\n" };
        write!(lines, "{separator}{}", json!([key, options, signed(key, options)])).unwrap();
    }
    let painted: Vec<Value> = hashes().iter().map(|hash| painted(hash)).collect();
    format!(
        "{{\n\"secret\": {},\n\"expires\": {EXPIRES},\n\"thumbhashes\": {},\n\"urls\": [\n{lines}\n]\n}}\n",
        json!(SECRET),
        json!(painted)
    )
}

#[test]
fn the_vectors_are_what_the_server_says() {
    if std::env::var_os("UPDATE_REFERENCES").is_some() {
        std::fs::write(file(), written()).unwrap();
    }
    let vectors: Value = serde_json::from_slice(&std::fs::read(file()).unwrap()).unwrap();
    let urls = vectors["urls"].as_array().unwrap();
    assert!(urls.len() >= SETS);
    for url in urls {
        let (key, options) = (url[0].as_str().unwrap(), url[1].as_object().unwrap());
        assert_eq!(signed(key, options).as_deref(), url[2].as_str(), "{url}");
    }
    let known = |name: &str| urls.iter().filter(|url| url[1].get(name).is_some()).count();
    for parameter in PARAMETERS {
        assert!(known(parameter.name) > 0, "{}: run this with UPDATE_REFERENCES=1", parameter.name);
    }
    for hash in vectors["thumbhashes"].as_array().unwrap() {
        assert_eq!(&painted(&STANDARD.decode(hash["hash"].as_str().unwrap()).unwrap()), hash);
    }
}

/// The client's table of colour names is CSS's, as the server reads it.
#[test]
fn colour_names_are_the_servers() {
    let table = include_str!("../clients/js/src/colors.js");
    let names = table.split('`').nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(names.len(), 2 * 148);
    for pair in names.as_chunks::<2>().0 {
        let [name, hex] = pair;
        let transform = query::parse(&format!("tint={name}"), &Presets::new()).expect(name);
        assert_eq!(transform.canonical(), format!("tint={hex}"));
    }
}
