//! Programs and libraries of the Python Package Index, for the tests that want a real client or a real emulator.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with this package, installed below `target/` once; `None`, and a message, where that cannot be done.
fn installed(package: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(package);
    if folder.exists() {
        return Some(folder);
    }
    let unfinished = folder.with_extension(std::process::id().to_string());
    let install = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"])
        .args(["--retries", "0", "--timeout", "5", "--only-binary", ":all:", "--target"])
        .arg(&unfinished)
        .arg(package)
        .output();
    let problem = match install {
        Ok(output) if output.status.success() => {
            // Whoever comes second finds it there.
            let _ = std::fs::rename(&unfinished, &folder);
            return Some(folder);
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    println!("skipped: {package} cannot be installed: {problem}");
    None
}

/// Python with a package that it can import, on its path or freshly installed.
pub(crate) fn with(module: &str, package: &str) -> Option<Command> {
    let mut python = Command::new("python3");
    let there = Command::new("python3").args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        python.env("PYTHONPATH", installed(package)?);
    }
    Some(python)
}

/// A program of a package, on the path or freshly installed.
pub(crate) fn program(name: &str, package: &str) -> Option<PathBuf> {
    if Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok() {
        return Some(name.into());
    }
    Some(installed(package)?.join("bin").join(name))
}
