//! The command `grammar`: prints the query grammar as text, as JSON, or as the Markdown of `docs/grammar.md`.

use std::fmt::Write as _;
use std::io::Write as _;

use image_origin::query::{PARAMETERS, Parameter};

use super::Failure;
use super::failure::output_failed;

pub(super) fn print_text() -> Result<(), Failure> {
    let mut text = String::new();
    for parameter in PARAMETERS {
        let names = names(parameter).join(", ");
        let (help, allowed, default) = (parameter.help, parameter.allowed(), parameter.default);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{names}\n    {help}\n    takes {allowed}; default: {default}");
    }
    print(&text)
}

pub(super) fn print_markdown() -> Result<(), Failure> {
    let mut text = String::from(
        "# The query grammar\n\nWritten by `image-origin grammar --markdown`. Names are case-sensitive; words, colours and \
         booleans may be written in any case, and spaces around a value do not count. Of a parameter that is given twice the \
         last one counts. A whole number may have decimals, as layouts and zoomed browsers write them (`w=300.5`, \
         `dpr=0.8999999761581421`): it is rounded, half of it up, and other numbers are rounded to two decimals, before they are \
         held against their range. Booleans are `true`, `1`, `on`, `yes` or nothing at all (`?invert`), and `false`, `0`, `off`, \
         `no`. Colours may be short (`fff`) and may have a `#` (`%23fff`). A value that is not allowed is a 400 that says what \
         is.\n\n\
         Unknown parameters are ignored, so that `utm_source` and its like break no page. The server's header \
         `Image-Ignored-Parameters` lists them, with what may have been meant: `\"wdith\";meant=\"width\"`. `image-origin \
         transform` and `image-origin sign` refuse them.\n\n\
         | parameter | values | default | meaning |\n| --- | --- | --- | --- |\n",
    );
    for parameter in PARAMETERS {
        let names: Vec<String> = names(parameter).iter().map(|name| format!("`{name}`")).collect();
        let (names, allowed, default, help) =
            (names.join(", "), parameter.allowed(), parameter.default, parameter.help);
        let _ = writeln!(text, "| {names} | {allowed} | {default} | {help} |");
    }
    text += "\nWithout any parameter the answer is the original's own compressed pixels, stripped of metadata; `metadata` alone \
             chooses what is kept. Everything else is decoded and encoded anew.\n\n## The order of operations\n\n";
    for (number, operation) in ORDER.iter().enumerate() {
        let _ = writeln!(text, "{}. {operation}", number + 1);
    }
    text += "\n[Framing](framing.md) shows what the parameters that frame a picture do, and [overlays](overlays.md) those of another picture \
             on it.\n";
    print(&text)
}

/// The processing steps of an original, in order.
const ORDER: [&str; 13] = [
    "EXIF's orientation is applied: all that follows is about the upright picture.",
    "`redact` hides areas or faces.",
    "`crop` takes an area.",
    "`trim` cuts its border.",
    "`rotate` turns it, and `flip` mirrors it.",
    "`zoom` takes the part around what `gravity` names.",
    "The size: `w`, `h`, `dpr`, `ar`, `fit` and `enlarge`, with `gravity` for what `fit=cover` keeps.",
    "Colours are converted to `colorspace`.",
    "The effects: `brightness`, `contrast`, `saturation`, `gamma`, `grayscale`, `tint`, `invert`, `blur`, `sharpen` within `sharpen_limit`, `pixelate`.",
    "`radius` rounds the corners of the picture.",
    "`fit=contain` and `pad` put it onto a larger canvas, which `extend` fills.",
    "`bg` is laid under it all.",
    "`overlay` is laid over it all, and `format` is written.",
];

fn names(parameter: &Parameter) -> Vec<&'static str> {
    std::iter::once(parameter.name).chain(parameter.aliases.iter().copied()).collect()
}

fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| output_failed(&error))
}
