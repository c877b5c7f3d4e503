//! Chromium as the judge of what a stripped file looks like.

use std::fmt::Write;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image_origin::metadata::Keep;

use super::samples;
use super::strip::stripped;

/// Draws each pair of pictures, and writes into the page what their sizes are and whether their pixels are the same.
const SCRIPT: &str = "
const draw = async url => {
    const image = new Image();
    await new Promise((loaded, failed) => {
        [image.onload, image.onerror] = [loaded, failed];
        image.src = url;
    });
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    return { size: canvas.width + 'x' + canvas.height, data: context.getImageData(0, 0, 99, 99).data.join() };
};
(async () => {
    for (const [name, before, after] of pairs) {
        const [a, b] = [await draw(before), await draw(after)];
        document.body.append('[' + [name, a.size, b.size, a.data === b.data ? 'same' : 'different'].join(' ') + ']');
    }
})();
";

#[test]
#[ignore = "runs Chromium: cargo test --test all -- --ignored"]
fn chromium_shows_stripped_files_as_before() {
    let mut pairs = String::new();
    for (name, file) in samples::all() {
        let url = |bytes: &[u8]| format!("data:image/{name};base64,{}", STANDARD.encode(bytes));
        writeln!(pairs, "['{name}', '{}', '{}'],", url(&file), url(&stripped(&file, Keep::None))).unwrap();
    }
    let folder = std::env::temp_dir().join(format!("image-origin-browser-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let page = folder.join("page.html");
    std::fs::write(&page, format!("<body><script>const pairs = [{pairs}];{SCRIPT}</script></body>")).unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(&page)
        .output()
        .expect("Chromium is installed");
    std::fs::remove_dir_all(&folder).unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    // 24 by 16 pixels, turned by 90 degrees. GIF has no orientation, and Chromium does not look for it in WebP.
    for (name, size) in [("jpeg", "16x24"), ("png", "16x24"), ("webp", "24x16"), ("gif", "24x16")] {
        let expected = format!("[{name} {size} {size} same]");
        assert!(shown.contains(&expected), "{expected} in {}", &shown[shown.rfind("</script>").unwrap_or(0)..]);
    }
}
