//! Fonts for the text of drawings: those of one folder, for the whole process. Without them, there is no text.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use resvg::usvg::{Options, fontdb};

/// The maximum length of all fonts in bytes, which stay in memory.
const MAX_FONTS: u64 = 64 << 20;
/// The maximum depth of folders of fonts.
const MAX_FOLDERS: usize = 4;

static FONTS: OnceLock<Fonts> = OnceLock::new();

struct Fonts {
    database: Arc<fontdb::Database>,
    digest: u64,
}

/// A digest of the fonts that have been loaded, which decide what drawings with text look like.
pub fn svg_fonts() -> Option<u64> {
    FONTS.get().map(|fonts| fonts.digest)
}

/// Gives the renderer the fonts. Returns whether there are any.
pub(super) fn provide(options: &mut Options<'_>) -> bool {
    FONTS.get().map(|fonts| options.fontdb = fonts.database.clone()).is_some()
}

/// Loads the fonts (TrueType, OpenType, and collections of them) in a folder and the folders in it, for all drawings of
/// this process. Returns the number of faces. Only the first call has an effect.
///
/// # Errors
/// The errors of reading, and an error if there is no font, or if they have more than 64 MiB.
pub fn load_svg_fonts(folder: &Path) -> io::Result<usize> {
    let mut fonts = fontdb::Database::new();
    let mut length = 0;
    let mut digest = DefaultHasher::new();
    load_folder(folder, MAX_FOLDERS, &mut fonts, &mut length, &mut digest)?;
    let names: Vec<String> = fonts.faces().flat_map(|face| &face.families).map(|(name, _)| name.clone()).collect();
    let Some(first) = names.first() else { return Err(io::Error::other("there are no fonts in it")) };
    // What a drawing asks for and is not there is drawn in the first of these that is.
    let pick = |wanted: &[&str]| {
        let found = wanted.iter().find(|wanted| names.iter().any(|name| name == *wanted));
        found.map_or_else(|| first.clone(), |name| (*name).to_owned())
    };
    fonts.set_serif_family(pick(&[
        "Times New Roman",
        "Liberation Serif",
        "Noto Serif",
        "DejaVu Serif",
        "Noto Sans",
        "DejaVu Sans",
    ]));
    fonts.set_sans_serif_family(pick(&[
        "Arial",
        "Helvetica",
        "Liberation Sans",
        "Noto Sans",
        "Inter",
        "Roboto",
        "DejaVu Sans",
    ]));
    fonts.set_monospace_family(pick(&["Courier New", "Liberation Mono", "Noto Sans Mono", "DejaVu Sans Mono"]));
    fonts.set_cursive_family(pick(&["Comic Sans MS", "Comic Neue"]));
    fonts.set_fantasy_family(pick(&["Impact"]));
    let count = fonts.len();
    let _ = FONTS.set(Fonts { database: Arc::new(fonts), digest: digest.finish() });
    Ok(count)
}

fn load_folder(
    folder: &Path,
    depth: usize,
    fonts: &mut fontdb::Database,
    length: &mut u64,
    digest: &mut DefaultHasher,
) -> io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            if depth > 0 {
                load_folder(&path, depth - 1, fonts, length, digest)?;
            }
            continue;
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        if !matches!(ending.as_str(), "ttf" | "otf" | "ttc" | "otc") {
            continue;
        }
        *length += metadata.len();
        if *length > MAX_FONTS {
            return Err(io::Error::other("the fonts in it have more than 64 MiB"));
        }
        let font = std::fs::read(&path)?;
        font.hash(digest);
        fonts.load_font_data(font);
    }
    Ok(())
}
