//! Programs, libraries and sources of the Python Package Index, for the tests that want a real client, a real emulator or the
//! files of a conformance suite.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder below `target/` that pip fills once: by `command`, which the folder's path and the package complete.
fn filled(package: &str, name: &str, command: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        return folder;
    }
    let unfinished = folder.with_extension(std::process::id().to_string());
    let pip = Command::new("python3")
        .args(["-m", "pip", "--quiet", "--disable-pip-version-check", "--retries", "0", "--timeout", "5"])
        .args(command)
        .arg(&unfinished)
        .arg(package)
        .output()
        .expect("Python is installed");
    assert!(pip.status.success(), "{package}: {}", String::from_utf8_lossy(&pip.stderr));
    // Whoever comes second finds it there.
    let _ = std::fs::rename(&unfinished, &folder);
    folder
}

/// A folder with this package, installed.
fn installed(package: &str) -> PathBuf {
    filled(package, package, &["install", "--root-user-action=ignore", "--only-binary", ":all:", "--target"])
}

/// A folder with the archive of this package's source.
pub(crate) fn source(package: &str) -> PathBuf {
    filled(package, &format!("{package}-source"), &["download", "--no-deps", "--no-binary", ":all:", "--dest"])
}

/// Python with a package that it can import, on its path or freshly installed.
pub(crate) fn with(module: &str, package: &str) -> Command {
    let mut python = Command::new("python3");
    let there = Command::new("python3").args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        python.env("PYTHONPATH", installed(package));
    }
    python
}

/// A program of a package, on the path or freshly installed.
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    if Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok() {
        return name.into();
    }
    installed(package).join("bin").join(name)
}
