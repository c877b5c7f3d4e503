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
    assert!(message.contains("text.jpg: unrecognised image format") && message.contains("missing.jpg: "));
    assert!(folder.path().join("photo.jpg").exists() && folder.path().join("rgb-8.png").exists());
}

/// A folder with these files, each of which is a copy of a fixture.
fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(fixture(source), path).unwrap();
    }
    folder
}

#[test]
fn overlays_are_named_from_the_folder_of_the_image_or_another() {
    let folder = folder_with(&[("in/a.png", "drawing.png"), ("in/logos/m.png", "overlays/mark.png")]);
    let run = |arguments: &[&str]| run_in(folder.path(), &[&["transform", "--force"], arguments].concat());
    let made = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        std::fs::read(folder.path().join("out.png")).unwrap()
    };
    let plain = made(&["in/a.png", "w=90", "-o", "out.png"]);
    let marked = made(&["in/a.png", "w=90&overlay=logos/m.png", "-o", "out.png"]);
    assert_ne!(marked, plain);
    assert_eq!(made(&["in/a.png", "w=90&overlay=m.png", "--overlay-dir", "in/logos", "-o", "out.png"]), marked);
    let missing = run(&["in/a.png", "w=90&overlay=m.png", "-o", "out.png"]);
    assert!(text(&missing.stderr).contains("overlay: cannot read in/m.png"), "{}", text(&missing.stderr));
    let refused = run(&["in/a.png", "w=90&overlay=../in/logos/m.png", "-o", "out.png"]);
    assert_eq!(refused.status.code(), Some(2));
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

fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    image_origin(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn no_result_takes_anothers_name() {
    let files =
        [("a/one.jpg", "orientation/1.jpg"), ("b/one.jpg", "orientation/2.jpg"), ("b/one.png", "png/rgb-8.png")];
    let folder = folder_with(&files);
    let table: &[&[&str]] = &[
        &["a/one.jpg", "b/one.jpg", "w=9"],
        &["b/one.jpg", "b/one.png", "w=9&format=webp"],
        &["b/one.jpg", "b/one.png", "w=9&format=auto"],
        &["a/one.jpg", "a/one.jpg", "w=9"],
        &["a", "b/one.jpg", "w=9"],
    ];
    for names in table {
        let output = run_in(folder.path(), &[&["transform", "--out-dir", "out", "--force"], *names].concat());
        let message = text(&output.stderr);
        assert!(message.contains("would both become out/one"), "{names:?}: {message}");
        assert_eq!(output.status.code(), Some(2), "{names:?}");
        assert!(!folder.path().join("out").exists(), "{names:?}");
    }
    let all = ["a/one.jpg", "b/one.jpg", "b/one.png"];
    let kept =
        run_in(folder.path(), &[&["transform", "--out-dir", "kept", "--keep-paths"], &all[..], &["w=9"]].concat());
    assert!(kept.status.success(), "{}", text(&kept.stderr));
    assert_eq!(files_below(&folder.path().join("kept")), all);
    let outside =
        run_in(&folder.path().join("a"), &["transform", "../b/one.jpg", "w=9", "--keep-paths", "--out-dir", "o"]);
    assert!(text(&outside.stderr).contains("contains `..`"));
}

#[test]
fn no_result_takes_anothers_name_through_a_link() {
    let folder = folder_with(&[("a/x.jpg", "orientation/1.jpg"), ("b/x.png", "png/rgb-8.png")]);
    std::fs::create_dir_all(folder.path().join("out/b")).unwrap();
    std::os::unix::fs::symlink("b", folder.path().join("out/a")).unwrap();
    let arguments =
        ["transform", "a/x.jpg", "b/x.png", "w=8&format=webp", "--out-dir", "out", "--keep-paths", "--force"];
    let output = run_in(folder.path(), &arguments);
    let message = text(&output.stderr);
    assert!(output.status.code() == Some(2) && message.contains("would both become"), "{message}");
    assert_eq!(files_below(&folder.path().join("out/b")), Vec::<String>::new());
}

#[test]
fn nothing_that_exists_is_overwritten_unless_that_is_asked_for() {
    let folder = folder_with(&[("a.jpg", "orientation/1.jpg"), ("out/a.jpg", "orientation/2.jpg")]);
    let path = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(path("a.jpg"), path("link.jpg")).unwrap();
    std::fs::hard_link(path("a.jpg"), path("hard.jpg")).unwrap();
    let [original, other] = ["a.jpg", "out/a.jpg"].map(|name| std::fs::read(path(name)).unwrap());
    let table: &[(&[&str], &str)] = &[
        (&["-o", "a.jpg"], "a.jpg would overwrite its own original; --force replaces it"),
        (&["-o", "link.jpg"], "link.jpg would overwrite its own original; --force"),
        (&["-o", "hard.jpg"], "hard.jpg would overwrite its own original; --force"),
        (&["-o", "out/a.jpg"], "out/a.jpg exists; --force replaces it"),
        (&["--out-dir", "."], "./a.jpg would overwrite its own original"),
        (&["--out-dir", "out"], "out/a.jpg exists"),
    ];
    for (arguments, expected) in table {
        let output = run_in(folder.path(), &[&["transform", "a.jpg", "w=9"], *arguments].concat());
        let message = text(&output.stderr);
        assert!(message.contains(expected), "{arguments:?}: {message}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(std::fs::read(path("a.jpg")).unwrap(), original);
        assert_eq!(std::fs::read(path("out/a.jpg")).unwrap(), other);
    }
    let skipped = run_in(folder.path(), &["transform", "a.jpg", "w=9", "--out-dir", "out", "--skip-existing"]);
    assert!(
        skipped.status.success() && text(&skipped.stderr).contains("0 of 1 images written to out, 0 bytes; 1 results")
    );
    assert_eq!(std::fs::read(path("out/a.jpg")).unwrap(), other);
    for arguments in [["--out-dir", "out"], ["-o", "link.jpg"]] {
        let forced = run_in(folder.path(), &[&["transform", "a.jpg", "w=9", "--force"], &arguments[..]].concat());
        assert!(forced.status.success(), "{}", text(&forced.stderr));
    }
    assert_eq!(image::image_dimensions(path("out/a.jpg")).unwrap().0, 9);
    assert_eq!(image::image_dimensions(path("link.jpg")).unwrap().0, 9);
    assert_eq!(std::fs::read(path("a.jpg")).unwrap(), original, "the link is replaced, not what it leads to");
}

#[test]
fn the_ending_of_the_output_chooses_the_format() {
    let folder = folder_with(&[("a.jpg", "orientation/1.jpg")]);
    let table: &[(&str, &str, &[u8], &str)] = &[
        ("w=9", "t.webp", b"RIFF", ""),
        ("w=9", "t.PNG", b"\x89PNG", ""),
        ("w=9", "t.jfif", b"\xff\xd8\xff", ""),
        ("w=9", "t.bin", b"\xff\xd8\xff", ""),
        ("w=9&format=webp", "t.gif", b"RIFF", "warning: t.gif contains a webp picture"),
        ("w=9&format=auto", "t.avif", b"\x89PNG", "warning: t.avif contains a png picture"),
        ("w=9&format=png", "t.tiff", b"\x89PNG", ""),
    ];
    for (query, name, magic, warning) in table {
        let output = run_in(folder.path(), &["transform", "a.jpg", query, "-o", name]);
        let message = text(&output.stderr);
        assert!(output.status.success() && message.contains(warning), "{query} {name}: {message}");
        assert_eq!(message.is_empty(), warning.is_empty(), "{message}");
        assert!(std::fs::read(folder.path().join(name)).unwrap().starts_with(magic), "{query} {name}");
    }
    let refused = run_in(folder.path(), &["transform", "a.jpg", "w=9", "-o", "u.tiff"]);
    assert!(text(&refused.stderr).contains("u.tiff: unsupported output format; expected jpeg, png, avif, webp, gif"));
    let accepting = ["transform", "photo.jpg", "w=60&format=auto", "--accept", "image/webp", "-o"];
    let target = folder.path().join("u.webp").display().to_string();
    assert!(run_in(&fixtures(), &[&accepting[..], &[&target]].concat()).stderr.is_empty());
}

#[test]
fn folders_and_lists_are_inputs() {
    let files = [
        ("in/a.jpg", "orientation/1.jpg"),
        ("in/deep/er/b.png", "png/rgb-8.png"),
        ("in/c", "orientation/3.jpg"),
        ("in/notes.txt", "README.md"),
        ("in/.hidden/d.jpg", "orientation/4.jpg"),
        ("e f.jpg", "orientation/5.jpg"),
    ];
    let folder = folder_with(&files);
    // A link in a circle, and an output folder within the input.
    std::os::unix::fs::symlink(folder.path().join("in"), folder.path().join("in/deep/circle")).unwrap();
    let walk = ["transform", "in", "w=9&format=webp", "--out-dir", "in/out"];
    let walked = run_in(folder.path(), &walk);
    assert!(walked.status.success(), "{}", text(&walked.stderr));
    assert!(text(&walked.stderr).contains("3 of 3 images written to in/out"), "{}", text(&walked.stderr));
    assert!(text(&walked.stderr).contains("1 files in folders are not images"), "{}", text(&walked.stderr));
    let expected = ["a.webp", "c.webp", "deep/er/b.webp"];
    assert_eq!(files_below(&folder.path().join("in/out")), expected);
    let again = run_in(folder.path(), &[&walk[..], &["--skip-existing"]].concat());
    assert!(text(&again.stderr).contains("0 of 3 images written to in/out, 0 bytes; 3 results already existed"));
    for list in ["in/a.jpg\r\n\ne f.jpg\n", "in/a.jpg\0e f.jpg"] {
        let out = tempfile::tempdir().unwrap();
        let query = ["transform", "--files-from", "-", "-q", "w=9", "--out-dir", out.path().to_str().unwrap()];
        let mut child = image_origin(&query)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(files_below(out.path()), ["a.jpg", "e f.jpg"]);
    }
    let empty = tempfile::tempdir().unwrap();
    let nothing = run_in(folder.path(), &["transform", empty.path().to_str().unwrap(), "w=9", "--out-dir", "o"]);
    assert!(text(&nothing.stderr).contains("no images found"));
}

#[test]
fn what_cannot_be_read_in_a_folder_does_not_stop_the_rest() {
    let folder = folder_with(&[("in/a.jpg", "photo.jpg"), ("in/deep/b.png", "png/rgb-8.png")]);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    // Names that no file has, whoever asks.
    link(&"x".repeat(300), "in/deep/odd");
    link(&"y".repeat(300), "in/odd");
    link("nothing", "in/gone.jpg");
    let batch = ["transform", "in", "w=9&format=webp", "--out-dir", "out", "--json"];
    let output = run_in(folder.path(), &batch);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{message}");
    for part in [
        "image-origin: cannot read in/deep/odd: File name too long\n",
        "2 of 2 images written to out, ",
        "1 files in folders are not images",
        "image-origin: 2 paths in folders cannot be read\n",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let failed = r#"{"input":"in/odd","status":"failed","error":"cannot read in/odd: File name too long"}"#;
    assert!(text(&output.stdout).lines().any(|line| line == failed), "{}", text(&output.stdout));
    assert_eq!(files_below(&folder.path().join("out")), ["a.webp", "deep/b.webp"]);
    std::fs::remove_file(folder.path().join("in/a.jpg")).unwrap();
    std::fs::remove_file(folder.path().join("in/deep/b.png")).unwrap();
    let nothing = run_in(folder.path(), &batch);
    assert_eq!(nothing.status.code(), Some(1), "{}", text(&nothing.stderr));
    let single = run_in(folder.path(), &["transform", "in", "w=9", "-o", "c.jpg"]);
    assert!(text(&single.stderr).contains("cannot read in/deep/odd: "), "{}", text(&single.stderr));
}

#[test]
fn a_batch_tells_programs_what_became_of_each_image() {
    let folder = folder_with(&[("a.jpg", "photo.jpg"), ("b.jpg", "broken/text.jpg"), ("c.png", "png/rgb-8.png")]);
    let all = ["transform", "a.jpg", "b.jpg", "c.png", "w=20&format=webp", "--out-dir", "out", "--json"];
    let output = run_in(folder.path(), &all);
    assert_eq!(output.status.code(), Some(3), "some have failed");
    let stdout = text(&output.stdout);
    let mut lines: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["input"].to_string());
    let written = folder.path().join("out/a.webp").metadata().unwrap().len();
    let expected = serde_json::json!({
        "input": "a.jpg", "status": "written", "output": "out/a.webp", "format": "webp", "width": 20, "height": 15,
        "bytes": written, "input_bytes": fixtures().join("photo.jpg").metadata().unwrap().len(),
    });
    assert_eq!(lines[0], expected);
    assert_eq!((&lines[1]["status"], &lines[2]["status"]), (&"failed".into(), &"written".into()));
    assert!(lines[1]["error"].as_str().unwrap().starts_with("b.jpg: "), "{stdout}");
    let failing = run_in(folder.path(), &["transform", "b.jpg", "w=20", "--out-dir", "none"]);
    assert_eq!(failing.status.code(), Some(1), "all have failed");
    // Where standard error is not a terminal, lines tell how far it is.
    let message = text(&output.stderr);
    assert!(message.contains("1 of 3, ") && message.contains("2 of 3 images written to out"), "{message}");
    let row = message.lines().find(|line| line.starts_with("webp ")).unwrap_or_else(|| panic!("{message}"));
    assert!(row.contains(" 2 ") && row.ends_with(" %"), "{row}");
    let skipped = run_in(folder.path(), &[&all[..], &["--skip-existing", "--workers", "1"]].concat());
    assert!(text(&skipped.stdout).contains(r#""status":"skipped","output":"out/a.webp""#), "{}", text(&skipped.stdout));
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
    let lengths = [1, 4].map(|speed| {
        let output = path(&format!("{speed}.avif"));
        let speed = speed.to_string();
        assert!(run(&["transform", &photo, "w=200", "-o", &output, "--avif-speed", &speed]).status.success());
        std::fs::metadata(output).unwrap().len()
    });
    assert_ne!(lengths[0], lengths[1], "another speed writes another file");
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

#[test]
fn a_watched_folder_is_followed_until_ctrl_c() {
    let folder = folder_with(&[("in/a.jpg", "photo.jpg")]);
    let mut child = image_origin(&["transform", "in", "w=20&format=png", "--out-dir", "out", "--watch"])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |start: &str| lines.find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start}"));
    assert_eq!(
        until("1 of 1 images"),
        "1 of 1 images written to out, 651 bytes".replace("651", &size_of(&folder, "out/a.png"))
    );
    until("watching");
    let before = std::fs::read(folder.path().join("out/a.png")).unwrap();
    std::fs::copy(fixtures().join("drawing.png"), folder.path().join("in/a.jpg")).unwrap();
    until("1 of 1 images");
    assert_ne!(std::fs::read(folder.path().join("out/a.png")).unwrap(), before, "the original is another picture");
    std::fs::copy(fixtures().join("photo.png"), folder.path().join("in/b.png")).unwrap();
    until("1 of 1 images");
    // Two that would become one result are told, and nothing else ends.
    std::fs::copy(fixtures().join("photo.png"), folder.path().join("in/a.png")).unwrap();
    until("image-origin: several images would be written to the same file");
    assert_eq!(files_below(&folder.path().join("out")), ["a.png", "b.png"]);
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success() && child.wait().unwrap().success(), "Ctrl-C is how it ends");
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

#[test]
fn a_server_listens_on_a_socket_below_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let listen = format!("unix:{}", socket.display());
    let settings = ["--listen", &listen, "--base-path", "/img"];
    let mut child = image_origin(&["serve", fixtures().to_str().unwrap()])
        .args(settings)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.ends_with(&format!(" on {listen}, below /img")), "{first}");
    let table = [
        ("/img/photo.jpg?w=9", "200 OK"),
        ("/photo.jpg?w=9", "404 Not Found"),
        ("/images/photo.jpg", "404 Not Found"),
        ("/healthz", "200 OK"),
        ("/img/healthz", "200 OK"),
    ];
    for (target, expected) in table {
        let stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        assert_eq!(status_line_of(stream, target), format!("HTTP/1.1 {expected}\r\n"), "{target}");
    }
    assert!(run(&["health", "--listen", &listen]).status.success());
    let taken = image_origin(&["serve", fixtures().to_str().unwrap()]).args(settings).output().unwrap();
    assert!(text(&taken.stderr).contains("cannot listen on unix:"), "{}", text(&taken.stderr));
    stopped(child);
    assert!(!socket.exists());
    let without = run(&["health", "--listen", &listen]);
    assert!(text(&without.stderr).contains("no response from unix:"), "{}", text(&without.stderr));
}

/// Asks for a target of a server, and tells the status line.
fn status_line(host: &str, target: &str) -> String {
    status_line_of(std::net::TcpStream::connect(host).unwrap(), target)
}

fn status_line_of(mut stream: impl std::io::Read + std::io::Write, target: &str) -> String {
    write!(stream, "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status).unwrap();
    status
}

fn serving(format: &str) -> std::process::Child {
    image_origin(&["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
        .env("IMAGE_ORIGIN_SOURCE", fixtures())
        .env("IMAGE_ORIGIN_LOG_FORMAT", format)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn stopped(child: std::process::Child) -> Output {
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output
}

#[test]
fn the_server_greets_with_addresses_that_work_and_ends_when_told() {
    let mut child = serving("text");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let greeting: Vec<String> = (0..4).map(|_| lines.next().unwrap().unwrap()).collect();
    for line in &greeting[1..] {
        let address = line.split("http://").nth(1).unwrap().trim_end_matches('\'');
        let (host, target) = address.split_at(address.find('/').unwrap());
        assert_eq!(status_line(host, target), "HTTP/1.1 200 OK\r\n", "{line}");
    }
    stopped(child);
}

#[test]
fn health_asks_where_the_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "listen = \"127.0.0.1:1\"\n").unwrap();
    let output = image_origin(&["health"]).env("IMAGE_ORIGIN_CONFIG", &config).output().unwrap();
    assert!(!output.status.success() && text(&output.stderr).contains("127.0.0.1:1:"), "{}", text(&output.stderr));
}

#[test]
fn a_log_for_machines_is_json_alone() {
    let mut child = serving("json");
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let started = line();
    assert_eq!((&started["message"], &started["version"]), (&"started".into(), &env!("CARGO_PKG_VERSION").into()));
    assert!(started["workers"].is_number() && started["max_connections"].as_u64() > Some(0), "{started}");
    let host = started["listen"].as_str().unwrap().to_owned();
    let long = format!("/{}", "x".repeat(5000));
    for target in ["/healthz", "/photo.jpg?width=90&token=secret", "/photo.jpg?w=90", long.as_str()] {
        status_line(&host, target);
    }
    let (made, found, missing) = (line(), line(), line());
    for (answered, cache) in [(&made, "miss"), (&found, "hit")] {
        assert_eq!((&answered["message"], &answered["cache"]), (&"answered".into(), &cache.into()), "{answered}");
        assert_eq!((&answered["query"], &answered["client"]), (&"w=90".into(), &"127.0.0.1".into()));
        assert!(answered["bytes"].as_u64() > Some(0) && answered["milliseconds"].is_number(), "{answered}");
    }
    assert!(made["decode_milliseconds"].is_number() && found["decode_milliseconds"].is_null(), "{made} {found}");
    assert_eq!((&missing["problem"], missing["path"].as_str().unwrap().len()), (&"not_found".into(), 1024));
    assert!(stopped(child).stdout.is_empty());
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
            &[
                "rules[1] `/*`",
                "forwarded as /a.jpg?w=300",
                "abc.lambda-url",
                "is `public, max-age=2592000` for CloudFront",
            ],
        ),
        (&["/press/a.jpg"], &["rules[0] `/press/*` denies it: no credentials", "response is 401", "with access"]),
        (&["/press/a.jpg", "-H", "cookie: access=correct horse battery staple"], &["by token: the token is `s`"]),
        (&[signed.trim()], &["by signed-url: the URL is signed with `a`", "/press/a%20b.jpg?w=300"]),
        (&["/a.jpg?wdith=3&utm=1"], &["ignored: wdith (did you mean width?), utm"]),
        (&["//press/a.jpg"], &["readings of this path match different rules", "response is 400"]),
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
    let table: [(&[&str], &str); 5] = [
        (&["/a.jpg?wdith=300"], "/a.jpg?wdith=300: unknown parameter `wdith`; did you mean `width`?"),
        (&["/a.jpg?w=0"], "invalid value 0 for `w`"),
        (&["/a.jpg?utm_source=x"], "unknown parameter `utm_source`"),
        (&["https://x.example/../a.jpg"], "the path contains dot segments"),
        (&["/x/%2e%2E/a.jpg"], "the path contains dot segments"),
    ];
    for (arguments, expected) in table {
        let output = run(&[&["sign", "--keys", &keys], arguments].concat());
        let message = text(&output.stderr);
        assert!(output.stdout.is_empty() && message.contains(expected), "{arguments:?}: {message}");
        assert_eq!(output.status.code(), Some(2));
    }
    // The preset is the origin's to know, and other keys need not be good.
    let poor = file(
        "poor.json",
        &format!(r#"{{"url_secrets": [{{"name": "a", "secret": "{secret}"}}], "jwks": {{"x": {{"keys": []}}}}}}"#),
    );
    let preset = text(&run(&["sign", "--keys", &poor, "/a.jpg?preset=card&w=3"]).stdout);
    assert!(preset.starts_with("/a.jpg?preset=card&w=3&expires="), "{preset}");
    for refused in [
        &["sign", "/a.jpg"][..],
        &["sign", "--keys", &keys, "--secret", "b", "/a.jpg"],
        &["sign", "--keys", &keys, "a.jpg"],
    ] {
        assert!(!run(refused).status.success(), "{refused:?}");
    }
}

#[test]
fn examples_and_the_documentations_configurations_are_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let block = |page: &str, start: &str, index: usize| {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        text.split(start).nth(index).unwrap().split("```").next().unwrap().to_owned()
    };
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let example = |name: &str| root.join(name).display().to_string();
    let (rules, keys) = (example("examples/edge.toml"), example("examples/keys.json"));
    let documented = block("docs/auth.md", "```toml\n", 1);
    assert!(std::fs::read_to_string(&rules).unwrap().ends_with(&documented), "docs/auth.md shows examples/edge.toml");
    let documented_keys = block("docs/edge.md", "```json\n", 1);
    assert_eq!(std::fs::read_to_string(&keys).unwrap(), documented_keys);
    let tokens = file("tokens.json", &block("docs/auth.md", "```json\n", 1));
    let edge = file("edge.toml", &block("docs/edge.md", "```toml\n", 1));
    let press = file("press.toml", "[[rules]]\npath = \"/*\"\nallow = [\"token\"]\n");
    let token = ["-H", "authorization: Bearer correct horse battery staple"];
    let table: [(&[&str], &str); 6] = [
        (&[&rules, "--keys", &keys, "/press/a.jpg", token[0], token[1]], "the token is `2026-autumn`"),
        (&[&rules, "--keys", &keys, "/users/alice/a.jpg"], "the response is 401"),
        (&[&rules, "/a.jpg"], "no rule matches this path"),
        (&[&edge, "/press/a.jpg?width=0300&fit=inside"], "forwarded as /press/a.jpg?w=300"),
        (&[&press, "--keys", &tokens, "/a.jpg", token[0], token[1]], "the token is `2026-autumn`"),
        (&[&example("infra/cdk/examples/public.toml"), "/a.jpg?w=3"], "no [origins] in the file"),
    ];
    for (arguments, expected) in table {
        let output = run(&[&["edge", "check"], arguments].concat());
        let shown = text(&output.stdout);
        assert!(output.status.success() && shown.contains(expected), "{arguments:?}: {shown}{}", text(&output.stderr));
    }
    let signed = text(&run(&["sign", "--keys", &keys, "/press/a.jpg?w=300"]).stdout);
    let checked = text(&run(&["edge", "check", &rules, "--keys", &keys, signed.trim()]).stdout);
    assert!(checked.contains("the URL is signed with `2026`"), "{checked}");
    let compiled = run(&["edge", "compile", &rules]);
    assert!(!compiled.status.success() && text(&compiled.stderr).trim_end().ends_with("missing `origins`"));
    let none = file("none.json", "{}");
    for command in [&["edge", "check", &press, "--keys", &none][..], &["serve", ".", "--cdn", "--edge", &press]] {
        let output = run(command);
        let message = text(&output.stderr);
        assert!(message.contains("rules[0].allow: `token` lets nobody pass, for the keys have no tokens"), "{message}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn a_start_with_rules_is_written_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let output = run(&["edge", "init", &place]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    let [rules, keys] = ["edge.toml", "keys.json"].map(|name| folder.path().join(name).display().to_string());
    let token = shown.lines().find_map(|line| line.strip_prefix("  ")).unwrap();
    assert!(token.len() == 64 && !std::fs::read_to_string(&keys).unwrap().contains(token), "only the hash is kept");
    let checked = text(
        &run(&[
            "edge",
            "check",
            &rules,
            "--keys",
            &keys,
            "-H",
            &format!("authorization: Bearer {token}"),
            "/press/a.jpg?w=7",
        ])
        .stdout,
    );
    assert!(checked.contains("forwarded as /press/a.jpg?w=7"), "{checked}");
    let signed = text(&run(&["sign", "--keys", &keys, "/press/a.jpg?w=300"]).stdout);
    let checked =
        text(&run(&["edge", "check", &rules, "--keys", &keys, signed.trim(), "/a.jpg?w=7", "/press/a.jpg"]).stdout);
    for expected in
        ["the URL is signed with `20", "forwarded as /a.jpg?max_pixels=8000000&w=160", "the response is 401"]
    {
        assert!(checked.contains(expected), "{expected}: {checked}");
    }
    assert!(run(&["config", "check", "--edge", &rules, "--edge-keys", &keys]).status.success());
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&keys).unwrap().permissions()) & 0o77, 0);
    let again = run(&["edge", "init", &place]);
    assert_eq!((again.status.code(), text(&again.stderr).contains("is there already")), (Some(2), true));
}

#[test]
fn settings_are_checked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let good = file("good.toml", "workers = 2\n[presets]\nthumb = \"w=200\"\n");
    let typo = file("typo.toml", "wokers = 2\n");
    let preset = file("preset.toml", "[presets]\nthumb = \"w=0\"\n");
    let none = "UNRELATED=";
    let rules =
        file("edge.toml", "[limits]\ndefault_preset = \"card\"\n[[rules]]\npath = \"/*\"\nallow = [\"public\"]\n");
    let closed = file("closed.toml", "[[rules]]\npath = \"/*\"\nallow = [\"token\"]\n");
    let issuer = file(
        "issuer.toml",
        "[[rules]]\npath = \"/*\"\nallow = [\"jwt\"]\n[[jwt.issuers]]\nissuer = \"https://a/\"\naudiences = [\"a\"]\n\
         jwks_uri = \"https://a/jwks\"\n",
    );
    let keys = file("keys.json", "{\"tokens\": 1}");
    let named = file("named.toml", &format!("source = \"{}\"\ncheck_source = true\n", folder.path().display()));
    let other = file("other.toml", "source = \"gs://bucket\"\n");
    let card = file("card.toml", "[presets]\ncard = \"w=20\"\n");
    let sources = file(
        "sources.toml",
        "[[sources]]\nhost = \"a.example\"\nfrom = \"https://cms.example.com/\"\n\
         headers = { Authorization = \"Bearer ${NO_SUCH_VARIABLE}\" }\n\
         [[sources]]\npath = \"/*\"\nfrom = \"dir:/no/such/folder\"\n",
    );
    let shadowed = file(
        "shadowed.toml",
        "[[sources]]\npath = \"/*\"\nfrom = \"dir:.\"\n[[sources]]\npath = \"/a/*\"\nfrom = \"dir:.\"\n",
    );
    let comma = file("comma.toml", "[presets]\n\"a,b\" = \"w=20\"\n");
    let table: [(&[&str], &str, i32, &str); 27] = [
        (&[&card, "--edge", &rules], none, 0, "card.toml is good"),
        (
            &[&good, "--edge", &rules],
            none,
            2,
            "edge.toml: the limits name the preset `card`, which the settings do not have",
        ),
        (&["--edge", &closed], none, 2, "rules[0].allow: `token` lets nobody pass, for the keys have no tokens"),
        (&["--edge", &closed, "--edge-keys", &keys], none, 2, "keys.json: tokens: expected a list, found 1"),
        (&["--edge", &issuer], none, 0, "the settings are good"),
        (&["--edge", "missing.toml"], none, 2, "missing.toml cannot be read"),
        (&["--edge-keys", &keys], none, 2, "for `edge_keys`: expected `edge` as well"),
        (&[&named], none, 0, "named.toml is good"),
        (&[&named], "IMAGE_ORIGIN_SOURCE=/no/such/folder", 2, "cannot open the folder /no/such/folder"),
        (&[&other], none, 2, "unsupported source gs://: expected a folder, s3://BUCKET/PREFIX"),
        // Folders and variables may be those of another machine.
        (&[&sources], none, 0, "sources.toml is good"),
        (
            &[&sources, "--check-source", "true"],
            none,
            2,
            "the variable NO_SUCH_VARIABLE, which the header authorization contains, is not set",
        ),
        (&[&sources, "--check-source", "true"], "NO_SUCH_VARIABLE=x", 2, "cannot open the folder /no/such/folder"),
        (&[&sources], "IMAGE_ORIGIN_SOURCE=photos", 2, "the source photos is named beside the [[sources]]"),
        (&[&shadowed], none, 2, "invalid value /a/* for `sources[1]`: sources[0] is for all of its requests"),
        (&[&comma], none, 2, "invalid value a,b for `presets`: expected names without commas"),
        (&[&good], none, 0, "good.toml is good"),
        (&[], none, 0, "the settings are good"),
        (&[&good], "IMAGE_ORIGIN_WORKERS=", 0, "good.toml is good"),
        (
            &["--listen", "localhost:80", "--max-pixels", "100M", "--max-age", "30d", "--deadline", "500ms"],
            none,
            0,
            "good",
        ),
        (&[&typo], none, 2, "unknown setting `wokers`; did you mean `workers`?"),
        (&[&preset], none, 2, "presets.thumb"),
        (&[&good, "--deadline", "0"], none, 2, "deadline"),
        (&[], "IMAGE_ORIGIN_WOKERS=2", 2, "unknown variable IMAGE_ORIGIN_WOKERS; did you mean IMAGE_ORIGIN_WORKERS?"),
        (&["--workers", "100000"], none, 2, "invalid value 100000 for `workers`: expected 1 to 1024"),
        (&[], "IMAGE_ORIGIN_WORKERS=two", 2, "the value comes from the variable IMAGE_ORIGIN_WORKERS"),
        (&[], "IMAGE_ORIGIN_LOG=a=b=c", 2, "invalid value a=b=c for `log`"),
    ];
    for (arguments, variable, code, expected) in table {
        let (name, value) = variable.split_once('=').unwrap();
        let output = image_origin(&[&["config", "check"], arguments].concat()).env(name, value).output().unwrap();
        let shown = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {variable}: {shown}");
        assert!(shown.contains(expected), "{arguments:?} {variable}: {shown}");
    }
}

#[test]
#[cfg(feature = "http")]
fn a_web_server_is_tried_by_a_key_that_it_hardly_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let page = (axum::http::StatusCode::OK, "<html>There is nothing here.</html>");
    let table = [
        (axum::Router::new(), 0, "is good"),
        (axum::Router::new().fallback(move || std::future::ready(page)), 0, "is good"),
        (axum::Router::new().fallback(async || axum::http::StatusCode::BAD_REQUEST), 1, "the source does not answer"),
    ];
    for (router, code, expected) in table {
        let server = crate::common::Server::serving(router);
        let settings =
            format!("[[sources]]\npath = \"/*\"\nfrom = \"http://{}/\"\nnetworks = [\"127.0.0.1\"]\n", server.address);
        std::fs::write(&file, settings).unwrap();
        let arguments = ["config", "check", file.to_str().unwrap(), "--check-source", "true"];
        let output = image_origin(&arguments).output().unwrap();
        let shown = text(&output.stdout) + &text(&output.stderr);
        assert_eq!((output.status.code(), shown.contains(expected)), (Some(code), true), "{shown}");
    }
}
