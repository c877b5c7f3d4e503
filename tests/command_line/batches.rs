//! Files, folders and lists of images, and what is written where.

use super::*;

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
