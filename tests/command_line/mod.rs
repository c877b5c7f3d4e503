//! The binary as a user runs it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::fixtures;

mod batches;
mod checks;
mod servers;

fn image_origin(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-origin"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    image_origin(arguments).output().unwrap()
}

fn fixture(name: &str) -> String {
    fixtures().join(name).display().to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All files below a folder, sorted.
fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    let mut names: Vec<_> = found.iter().map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_transformed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.webp");
    let output = run(&["transform", &fixture("photo.jpg"), "w=100&format=webp", "-o", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(image::image_dimensions(&out).unwrap(), (100, 75));
}

#[test]
fn standard_streams_are_files_too() {
    let mut child = image_origin(&["transform", "-", "?w=10", "-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&std::fs::read(fixture("drawing.png")).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"\x89PNG"));
}

#[test]
fn settings_do_what_they_say_or_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let photo = fixture("photo.jpg");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let shown = |arguments: &[&str]| text(&run(&[&["exif", &photo], arguments].concat()).stdout);
    assert!(shown(&[]).contains("GPSLatitude"));
    assert!(!shown(&["--expose-metadata", "no-location"]).contains("GPS"));
    let hidden = run(&["exif", &photo, "--expose-metadata", "none"]);
    assert!(hidden.stdout.is_empty() && text(&hidden.stderr).contains("no metadata is exposed"));
    let late = run(&["transform", &photo, "w=1200&format=avif", "-o", &path("late.avif"), "--deadline", "0.001"]);
    assert!(text(&late.stderr).contains("the deadline for this picture has passed"), "{}", text(&late.stderr));
    let late = run(&["exif", &photo, "--deadline", "0.001"]);
    assert!(late.status.success() || text(&late.stderr).contains("deadline"), "{}", text(&late.stderr));
    assert!(text(&run(&["exif", "--help"]).stdout).contains("[default: none]"));
    let files = [1, 4].map(|speed| {
        let output = path(&format!("{speed}.avif"));
        let speed = speed.to_string();
        assert!(run(&["transform", &photo, "w=200", "-o", &output, "--avif-speed", &speed]).status.success());
        std::fs::read(output).unwrap()
    });
    assert!(files[0] != files[1], "another speed writes another file");
    for (command, absent) in [
        (
            "transform",
            &["--listen", "--cors", "--queue", "--cache", "--s3-endpoint", "--metrics", "--max-age", "--log"][..],
        ),
        ("info", &["--listen", "--workers", "--expose-metadata", "--avif-speed", "--download-memory", "--versions"]),
        ("exif", &["--listen", "--workers", "--max-pixels", "--request-memory"]),
    ] {
        let help = text(&run(&[command, "--help"]).stdout);
        for option in absent {
            assert!(!help.contains(option), "{command} has no use for {option}");
            assert_eq!(run(&[command, &photo, option, "1"]).status.code(), Some(2), "{command} {option}");
        }
    }
}

#[test]
fn facts_and_grammar_are_json() {
    let info: serde_json::Value = serde_json::from_slice(&run(&["info", &fixture("photo.jpg")]).stdout).unwrap();
    assert_eq!((&info["width"], &info["format"]), (&1200.into(), &"jpeg".into()));
    let grammar: serde_json::Value = serde_json::from_slice(&run(&["grammar", "--json"]).stdout).unwrap();
    let width = grammar["parameters"].as_array().unwrap().iter().find(|parameter| parameter["name"] == "w").unwrap();
    assert_eq!((&width["type"], &width["min"], &width["aliases"][0]), (&"integer".into(), &1.into(), &"width".into()));
}

#[test]
fn mistakes_are_explained() {
    let photo = fixture("photo.jpg");
    let below = format!("{photo}/sub/x.jpg");
    let table: &[(&[&str], &str)] = &[
        (&["transform", &photo, "w=0", "-o", "x"], "invalid value 0 for `w`: expected a whole number from 1 to 16383"),
        (&["transform", &photo, "w=5"], "--out-dir"),
        (
            &["transform", &photo, &photo, "--out-dir", "x"],
            "expected a query such as 'w=300' after the images, or with --query, not",
        ),
        (&["transform", "--out-dir", "x"], "expected a query such as"),
        (&["transform", "w=5", "--out-dir", "x"], "no images given"),
        (&["transform", &photo, "wdith=5", "-o", "x"], "unknown parameter `wdith`; did you mean `width`?"),
        (&["transform", &photo, "w=5&utm_source=y", "-o", "x"], "unknown parameter `utm_source`"),
        (&["transform", &photo, "w=5&h", "-o", "x"], "h has no value"),
        (&["transform", "-", "w=5", "-o", "-", "--json"], "standard output cannot receive both the picture and --json"),
        (
            &["transform", "-", "w=5", "--out-dir", "x", "--files-from", "-"],
            "standard input cannot be both an image and the",
        ),
        (&["transform", &photo, &photo, "w=5", "-o", "x"], "-o takes a single image; use --out-dir"),
        (&["transform", &photo, "info=true", "-o", "x"], "use `image-origin info`"),
        (&["info", "/missing"], "cannot read /missing"),
        (&["serve", "/missing"], "cannot open the folder /missing"),
        (
            &["serve", ".", "--listen", "8081"],
            "expected an address such as 127.0.0.1:8080, localhost:8080, [::1]:8080 or :8080",
        ),
        (&["serve", ".", "--max-pixels", "1X"], "expected a number of pixels such as 1000000 or 100M"),
        (&["serve", ".", "--max-age", "soon"], "expected a time such as 10"),
        (&["transform", &photo, "w=5", "-o", "x", "--max-pixels", "1K"], "exceeds the limit of 1000"),
        (&["serve", ".", "--deadline", "0s"], "invalid value 0 for `deadline`: expected 0.001 to 900 seconds"),
        (&["serve", ".", "--cache", "lots"], "expected a number of bytes"),
        (
            &["serve", ".", "--log", "loud"],
            "invalid value loud for `log`: unknown level loud; expected a level such as info",
        ),
        (&["serve", ".", "--log", "info,hyper"], "unknown level hyper"),
        (&["serve", ".", "--cors", "example.com"], "invalid value example.com for `cors`"),
        (&["serve", ".", "--log", "a=b=c"], "invalid value a=b=c for `log`"),
        (&["serve", ".", "--listen", "192.0.2.1:1"], "choose another address with --listen"),
        (&["serve"], "there is no source: specify a folder, s3://BUCKET/PREFIX or https://HOST/PATH/ as an argument"),
        (
            &["serve", "https://user:password@example.com/"],
            "invalid URL of an HTTP source: the URL contains credentials, which belong in a header",
        ),
        (&["serve", "http://169.254.169.254/"], "the address 169.254.169.254 of 169.254.169.254 is link-local"),
        (
            &["serve", "gs://bucket"],
            "unsupported source gs://: expected a folder, s3://BUCKET/PREFIX or https://HOST/PATH/",
        ),
        (&["serve", ".", "--config", "/missing.toml"], "cannot load the configuration file /missing.toml"),
        (&["config", "check", "/dev/zero"], "/dev/zero: the file is longer than 4 MiB"),
        (&["config", "check", &photo], "the file is not in UTF-8"),
        (&["sign", "--keys", "/dev/zero", "/a.jpg"], "cannot read /dev/zero: the file is longer than 4 MiB"),
        (&["compare", &photo, &photo, "--at-least", "nan"], "expected a number up to 100"),
        (&["compare", &photo, &photo, "--at-least", "1e400"], "expected a number up to 100"),
        (&["transform", &photo, "w=5", "-o", &below], "/photo.jpg/sub: Not a directory"),
        (&["info", "\u{1b}[31mred\r.jpg"], "cannot read ?[31mred?.jpg"),
    ];
    for (arguments, message) in table {
        let output = run(arguments);
        let shown = text(&output.stderr);
        assert!(!output.status.success() && shown.contains(message), "{arguments:?}: {shown}");
    }
    assert!(!Path::new("x").exists());
}

#[test]
fn a_reader_that_has_gone_ends_a_command_without_a_message() {
    for arguments in [&["grammar"][..], &["info", &fixture("photo.jpg")], &["man"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = image_origin(arguments).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), String::new()), "{arguments:?}");
    }
}

fn size_of(folder: &tempfile::TempDir, file: &str) -> String {
    folder.path().join(file).metadata().unwrap().len().to_string()
}

#[cfg(feature = "compare")]
#[test]
fn pictures_are_compared_as_they_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let photo = fixture("photo.jpg");
    for (query, name) in
        [("w=200&format=png", "a.png"), ("w=200&q=90", "b.jpg"), ("w=200&q=5", "c.jpg"), ("w=100", "d.jpg")]
    {
        assert!(run(&["transform", &photo, query, "-o", &path(name)]).status.success());
    }
    let score = |name: &str| {
        let output = run(&["compare", &path("a.png"), &path(name), "--json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&json["b"]["width"], &json["a"]["format"]), (&200.into(), &"png".into()));
        assert_eq!(json["b"]["bytes"], Path::new(&path(name)).metadata().unwrap().len());
        json["ssimulacra2"].as_f64().unwrap()
    };
    let [same, good, bad] = ["a.png", "b.jpg", "c.jpg"].map(score);
    assert!(same == 100.0 && (70.0..100.0).contains(&good) && bad < 50.0, "{same} {good} {bad}");
    // An orientation that is said by Exif and one that is stored are the same to viewers.
    for number in 2..9 {
        let [one, other] = [1, number].map(|number| fixture(&format!("orientation/{number}.jpg")));
        let output = run(&["compare", &one, &other, "--at-least", "50"]);
        assert!(output.status.success(), "{number}: {}{}", text(&output.stdout), text(&output.stderr));
    }
    let shown = text(&run(&["compare", &path("a.png"), &path("c.jpg")]).stdout);
    assert!(shown.contains("200 × 150") && shown.contains("SSIMULACRA2") && shown.contains("629 (2 %)"), "{shown}");
    let table: [(&[&str], i32, &str); 4] = [
        (&[&photo, &photo, "--request-memory", "100M"], 2, "comparing 1200 × 900 pixels takes 162000000 bytes"),
        (&[&path("a.png"), &path("c.jpg"), "--at-least", "80"], 1, "below 80"),
        (&[&path("a.png"), &path("d.jpg")], 2, "cannot compare images of different sizes"),
        (&[&path("a.png"), &fixture("broken/text.jpg")], 1, "broken/text.jpg: "),
    ];
    for (arguments, code, message) in table {
        let output = run(&[&["compare"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}

#[test]
fn shells_and_man_know_every_command() {
    let help = text(&run(&["--help"]).stdout);
    // Indented once; descriptions that are broken are further to the right.
    let is_command = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let commands = help.lines().skip_while(|line| *line != "Commands:").take_while(|line| *line != "Options:");
    let names = commands.filter(is_command).filter_map(|line| line.split_whitespace().next());
    let names: Vec<_> = names.filter(|name| *name != "help").collect();
    assert!(names.contains(&"serve") && names.contains(&"completions"), "{help}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&run(&["completions", shell]).stdout);
        assert!(names.iter().all(|name| script.contains(name)) && script.contains("out-dir"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(run(&["man", folder.path().to_str().unwrap()]).status.success());
    let pages = files_below(folder.path());
    for name in &names {
        assert!(pages.contains(&format!("image-origin-{name}.1")), "{name}: {pages:?}");
    }
    assert!(text(&run(&["man"]).stdout).starts_with(".ie"));
    assert_eq!(run(&["man", "/no/such/folder"]).status.code(), Some(1));
    let plain = run(&["--help"]).stdout;
    assert!(!plain.contains(&b'\x1b'), "colours are for terminals");
}
