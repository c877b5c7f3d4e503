//! Programs and libraries of the Python Package Index, for the tests that want a real client or a real emulator.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with this package, installed below `target/` once.
fn installed(package: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(package);
    if folder.exists() {
        return folder;
    }
    let unfinished = folder.with_extension(std::process::id().to_string());
    let install = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"])
        .args(["--retries", "0", "--timeout", "5", "--only-binary", ":all:", "--target"])
        .arg(&unfinished)
        .arg(package)
        .output()
        .expect("Python is installed");
    assert!(install.status.success(), "{package}: {}", String::from_utf8_lossy(&install.stderr));
    // Whoever comes second finds it there.
    let _ = std::fs::rename(&unfinished, &folder);
    folder
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
