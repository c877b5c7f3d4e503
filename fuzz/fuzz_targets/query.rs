//! Any text is a query: it is refused with a parameter's name, or has a canonical text that reads back as itself.

#![no_main]

use image_origin_query::{PARAMETERS, Presets, Transform, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| match parse(query, &Presets::new()) {
    Ok(transform) => {
        let text = transform.canonical();
        assert_eq!(text.parse::<Transform>().as_ref(), Ok(&transform), "{text}");
    }
    Err(bad) => assert!(PARAMETERS.iter().any(|parameter| parameter.name == bad.name), "{bad}"),
});
