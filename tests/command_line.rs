//! The binary as a user runs it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::fixtures;

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
fn one_bad_file_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let files = ["photo.jpg", "broken/text.jpg", "png/rgb-8.png", "missing.jpg"].map(fixture);
    let mut arguments = vec!["transform"];
    arguments.extend(files.iter().map(String::as_str));
    arguments.extend(["w=20", "--out-dir", out]);
    let output = run(&arguments);
    let message = text(&output.stderr);
    assert!(!output.status.success() && message.contains("2 of 4 images failed"), "{message}");
    assert!(message.contains("text.jpg: the file is no image") && message.contains("missing.jpg cannot be read"));
    assert!(folder.path().join("photo.jpg").exists() && folder.path().join("rgb-8.png").exists());
}

#[test]
fn an_original_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("a.jpg");
    std::fs::copy(fixture("orientation/1.jpg"), &original).unwrap();
    let before = std::fs::read(&original).unwrap();
    let output = run(&["transform", original.to_str().unwrap(), "w=9", "--out-dir", folder.path().to_str().unwrap()]);
    assert!(!output.status.success() && text(&output.stderr).contains("would overwrite its own original"));
    assert_eq!(std::fs::read(&original).unwrap(), before);
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
    let table: &[(&[&str], &str)] = &[
        (&["transform", &photo, "w=0", "-o", "x"], "w=0 is not allowed: w takes a whole number from 1 to 16383"),
        (&["transform", &photo, "w=5"], "--out-dir"),
        (&["transform", &photo, &photo, "w=5", "-o", "x"], "-o takes a single image; use --out-dir"),
        (&["transform", &photo, "info", "-o", "x"], "use `image-origin info`"),
        (&["info", "/missing"], "/missing cannot be read"),
        (&["serve", "/missing"], "the folder /missing cannot be opened"),
        (&["serve", ".", "--deadline", "0"], "the setting deadline cannot be 0"),
        (&["serve", ".", "--cache", "lots"], "lots is no number of bytes"),
        (&["serve", ".", "--log", "a=b=c"], "the setting log cannot be a=b=c"),
        (&["serve", ".", "--listen", "192.0.2.1:1"], "choose another address with --listen"),
        (&["serve", ".", "--config", "/missing.toml"], "the configuration file /missing.toml cannot be used"),
    ];
    for (arguments, message) in table {
        let output = run(arguments);
        let shown = text(&output.stderr);
        assert!(!output.status.success() && shown.contains(message), "{arguments:?}: {shown}");
    }
    assert!(!Path::new("x").exists());
}

#[test]
fn the_server_greets_with_addresses_that_work_and_ends_when_told() {
    let mut child = image_origin(&["serve", "--listen", "127.0.0.1:0"])
        .env("IMAGE_ORIGIN_SOURCE", fixtures())
        .env("IMAGE_ORIGIN_LOG_FORMAT", "json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let greeting: Vec<String> = (0..4).map(|_| lines.next().unwrap().unwrap()).collect();
    for line in &greeting[1..] {
        let address = line.split("http://").nth(1).unwrap();
        let (host, target) = address.split_at(address.find('/').unwrap());
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut status = String::new();
        BufReader::new(stream).read_line(&mut status).unwrap();
        assert_eq!(status, "HTTP/1.1 200 OK\r\n", "{line}");
    }
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let log = text(&output.stderr);
    let answered: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["message"] == "answered")
        .collect();
    assert_eq!(answered.len(), 3, "{log}");
    assert!(answered.iter().all(|line| line["status"] == 200 && line["path"].is_string()));
}

#[test]
fn the_edge_is_checked_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let good = file(
        "edge.toml",
        "[[rules]]\npath = \"/press/*\"\nallow = [\"token\", \"signed-url\"]\n\
         [[rules]]\npath = \"/*\"\nallow = [\"public\"]\n[token]\ncookie = \"access\"\n\
         [origins.transformer]\nservice = \"lambda\"\ndomain = \"abc.lambda-url.eu-west-1.on.aws\"\nregion = \"eu-west-1\"\n",
    );
    let secret = "a secret for signing urls, 32 bytes or more";
    let keys = file(
        "keys.json",
        &format!(
            r#"{{"tokens": [{{"name": "s", "secret": "correct horse battery staple"}}], "url_secrets": [{{"name": "a", "secret": "{secret}"}}]}}"#
        ),
    );
    let signed = run(&["sign", "--keys", &keys, "--expires-in", "7d", "https://img.example/press/a b.jpg?width=0300"]);
    let signed = text(&signed.stdout);
    assert!(signed.starts_with("https://img.example/press/a%20b.jpg?w=300&expires="), "{signed}");
    let table: [(&[&str], &[&str]); 6] = [
        (
            &["https://img.example/a.jpg?width=0300&fit=inside"],
            &["rules[1] `/*`", "goes on as /a.jpg?w=300", "abc.lambda-url"],
        ),
        (&["/press/a.jpg"], &["rules[0] `/press/*` refuses it, nothing was shown", "answer is 401", "with access"]),
        (&["/press/a.jpg", "-H", "cookie: access=correct horse battery staple"], &["by token: the token is `s`"]),
        (&[signed.trim()], &["by signed-url: the URL is signed with `a`", "/press/a%20b.jpg?w=300"]),
        (&["/a.jpg?wdith=3&utm=1"], &["ignored: wdith (did you mean width?), utm"]),
        (&["//press/a.jpg"], &["readings of this path fall under different rules", "answer is 400"]),
    ];
    for (arguments, expected) in table {
        let output = run(&[&["edge", "check", &good, "--keys", &keys], arguments].concat());
        let shown = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        for part in expected {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }
    let compiled: serde_json::Value = serde_json::from_slice(&run(&["edge", "compile", &good]).stdout).unwrap();
    assert_eq!(compiled["rules"][1]["path"], "/*");
    let bad = file(
        "bad.toml",
        "rules = [{ path = \"x\", allow = [] }]\n[origins.transformer]\nservice = \"none\"\ndomain = \"a\"\n",
    );
    let output = run(&["edge", "check", &bad]);
    assert!(!output.status.success());
    let message = text(&output.stderr);
    assert!(message.contains("bad.toml: rules[0].allow") && message.contains("rules[0].path"), "{message}");
    for refused in [
        &["sign", "/a.jpg"][..],
        &["sign", "--keys", &keys, "--secret", "b", "/a.jpg"],
        &["sign", "--keys", &keys, "a.jpg"],
    ] {
        assert!(!run(refused).status.success(), "{refused:?}");
    }
}
