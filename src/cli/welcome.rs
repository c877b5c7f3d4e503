//! The start-up message of `serve`: its address, example URLs, and the enabled features.

use std::fmt;

use image_origin::config::Settings;
use image_origin::front::ListenAddress;
use image_origin::results::ResultsPlace;

/// The start-up message.
#[derive(Debug)]
pub(super) struct Welcome<'a> {
    /// A description of the source, which names no bucket.
    pub(super) source_name: &'a str,
    pub(super) address: &'a ListenAddress,
    /// The path of an existing image.
    pub(super) example: Option<&'a str>,
    pub(super) settings: &'a Settings,
    /// Whether the playground is enabled.
    pub(super) playground: bool,
    pub(super) cdn: bool,
    pub(super) metrics: Option<&'a ListenAddress>,
}

/// The example queries.
const QUERIES: [&str; 3] = ["w=300", "w=200&h=200&fit=cover&gravity=attention&format=webp", "info=true"];

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = &self.settings.base_path;
        let (place, ask) = match self.address {
            ListenAddress::Tcp(address) => (format!("http://{address}"), String::new()),
            ListenAddress::Unix(path) => {
                let curl = format!("curl -o picture --unix-socket {} ", path.display());
                ("http://localhost".to_owned(), curl)
            }
        };
        let shown = match self.address {
            ListenAddress::Tcp(_) => format!("{place}{base}"),
            ListenAddress::Unix(_) if base.is_empty() => self.address.to_string(),
            ListenAddress::Unix(_) => format!("{}, below {base}", self.address),
        };
        writeln!(f, "image-origin serves {} on {shown}", self.source_name)?;
        match self.example {
            // Quoted, because `&` is special in a shell.
            Some(example) => {
                for (index, query) in QUERIES.iter().enumerate() {
                    let word = if index == 0 { "try " } else { "    " };
                    writeln!(f, "{word} {ask}'{place}{base}{example}?{query}'")?;
                }
            }
            None => writeln!(f, "try  {ask}'{place}{base}/PATH/OF/AN/IMAGE?w=300'")?,
        }
        if self.playground {
            writeln!(f, "open {place}{base}/ for the playground")?;
        }
        if self.cdn {
            writeln!(f, "open {place}/_cdn/ for a trace of each request through the CDN")?;
        }
        write!(f, "on:  {}", self.parts().join("; "))
    }
}

impl Welcome<'_> {
    /// The enabled features.
    fn parts(&self) -> Vec<String> {
        let origin = &self.settings.origin;
        let mut parts = vec![format!("{} workers", origin.workers)];
        parts.push(match origin.cache {
            0 => "no cache".to_owned(),
            bytes => format!("a cache of {} MiB", bytes >> 20),
        });
        match origin.results.as_ref().map(|results| &results.place) {
            Some(ResultsPlace::Folder(path)) => parts.push(format!("results in {}", path.display())),
            Some(ResultsPlace::S3(_)) => parts.push("results in a bucket".to_owned()),
            None => {}
        }
        if let Some(address) = self.metrics {
            parts.push(format!("metrics at http://{address}/metrics"));
        }
        if let Some(cors) = &self.settings.viewers.cors {
            parts.push(format!("scripts of {cors} may read pictures"));
        }
        if !origin.presets.is_empty() {
            let names: Vec<_> = origin.presets.keys().map(String::as_str).collect();
            parts.push(format!("presets {}", names.join(", ")));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use image_origin::config::Layer;

    use super::*;

    #[test]
    fn it_says_where_and_what() {
        let mut layer = Layer { base_path: Some("/img".to_owned()), cors: Some("*".to_owned()), ..Layer::default() };
        layer.set("workers", "2").unwrap();
        layer.set("cache", "8M").unwrap();
        layer.set("results", "dir:/var/r").unwrap();
        layer.presets.insert("thumb".to_owned(), "w=10".to_owned());
        let settings = layer.resolve().unwrap();
        let socket = ListenAddress::Unix("/run/x.sock".into());
        let address = ListenAddress::Tcp(([127, 0, 0, 1], 8080).into());
        let welcome = |address, example| {
            let metrics = Some(address);
            let source_name = "pictures";
            Welcome { source_name, address, example, settings: &settings, playground: true, cdn: false, metrics }
                .to_string()
        };
        let text = welcome(&address, Some("/a.jpg"));
        let expected = "image-origin serves pictures on http://127.0.0.1:8080/img\n\
            try  'http://127.0.0.1:8080/img/a.jpg?w=300'\n";
        assert!(text.starts_with(expected), "{text}");
        let expected = "\nopen http://127.0.0.1:8080/img/ for the playground\n\
            on:  2 workers; a cache of 8 MiB; results in /var/r; metrics at http://127.0.0.1:8080/metrics; \
            scripts of * may read pictures; presets thumb";
        assert!(text.ends_with(expected), "{text}");
        let text = welcome(&socket, None);
        let expected = "on unix:/run/x.sock, below /img\ntry  curl -o picture --unix-socket /run/x.sock 'http://localhost/img/PATH";
        assert!(text.contains(expected), "{text}");
    }
}
