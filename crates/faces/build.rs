//! Extracts the model from the package `rustface`, which cargo has downloaded and verified like every other dependency.
//!
//! Cargo does not tell a build script where the sources of a dependency are, but the location of a panic does: an
//! assertion of that package is made to fail, and the model is in a folder next to that source file.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const MODEL: &str = "model/seeta_fd_frontal_v1.0.bin";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let source = source_file().ok_or("rustface does not tell where its sources are")?;
    let model = source.ancestors().map(|folder| folder.join(MODEL)).find(|file| file.is_file());
    let model = model.ok_or_else(|| format!("the package of {} has no {MODEL}", source.display()))?;
    let folder = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    std::fs::copy(model, Path::new(&folder).join("faces.bin"))?;
    Ok(())
}

/// The path of a source file of `rustface`.
fn source_file() -> Option<PathBuf> {
    let place = Arc::new(Mutex::new(None));
    let told = place.clone();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let file = panic.location().map(|location| PathBuf::from(location.file()));
        *told.lock().unwrap_or_else(PoisonError::into_inner) = file;
    }));
    // One pixel is declared, but no samples are given.
    let failed = std::panic::catch_unwind(|| rustface::ImageData::new(&[], 1, 1).width());
    std::panic::set_hook(usual);
    failed.err()?;
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}
