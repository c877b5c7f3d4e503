//! The documentation's pages and what they are about: one for each error, and a picture for each parameter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use image_origin::config::Layer;
use image_origin::error::Code;
use image_origin::query::GRAMMAR;
use image_origin::{cdn, front};

use crate::common::Server;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The codes of the functions at the edge with their status, as their sources declare them.
fn codes_of_the_edge() -> BTreeSet<(u16, String)> {
    let mut codes = BTreeSet::new();
    for file in ["viewer_request", "origin_request", "origin_response"] {
        for declaration in read(&format!("crates/edge/src/{file}.rs")).split("Problem::new(").skip(1) {
            let mut arguments = declaration.split(',').map(|argument| argument.trim().trim_matches('"'));
            codes.insert((arguments.next().unwrap().parse().unwrap(), arguments.next().unwrap().to_owned()));
        }
    }
    assert!(codes.contains(&(401, "unauthorized".to_owned())), "{codes:?}");
    codes
}

#[test]
fn every_error_has_a_page_and_every_page_an_error() {
    let index = read("docs/errors.md");
    let edge = codes_of_the_edge();
    let mut expected = BTreeSet::new();
    for code in Code::ALL {
        let (name, status) = (code.name(), code.status().as_u16());
        let head = format!("# `{name}`\n\n**{status}** {}. Answered by the server", code.title());
        assert!(read(&format!("docs/errors/{name}.md")).starts_with(&head), "docs/errors/{name}.md must begin: {head}");
        let row = format!("| [`{name}`](errors/{name}.md) | {status} |");
        assert!(index.contains(&row), "docs/errors.md lacks the row {row}");
        expected.insert(format!("{name}.md"));
    }
    for (status, name) in &edge {
        let page = read(&format!("docs/errors/{name}.md"));
        assert!(page.starts_with(&format!("# `{name}`\n\n**{status}** ")), "{name}: {page}");
        assert!(page.contains("the functions at the CDN's edge"), "docs/errors/{name}.md does not speak of the edge");
        assert!(index.contains(&format!("| [`{name}`](errors/{name}.md) | {status} |")), "docs/errors.md lacks {name}");
        expected.insert(format!("{name}.md"));
    }
    let pages = std::fs::read_dir(repository("docs/errors")).unwrap();
    let pages: BTreeSet<_> = pages.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(pages, expected);
}

#[test]
fn the_requests_on_the_pages_of_errors_are_answered_so() {
    let server = Server::with(Layer::default());
    let mut asked = 0;
    for code in Code::ALL {
        let page = read(&format!("docs/errors/{}.md", code.name()));
        let Some((_, request)) = page.split_once("```http\n") else { continue };
        let mut lines = request.split_once("\n```").unwrap().0.lines();
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        let headers: Vec<_> = lines.map(|line| line.split_once(": ").unwrap()).collect();
        let answer = server.request(method, target, &headers);
        let outcome = (code.status().as_u16(), code.name().to_owned());
        assert_eq!(answer.outcome(), outcome, "{method} {target}: {}", String::from_utf8_lossy(&answer.body));
        asked += 1;
    }
    assert!(asked >= 12, "{asked}");
}

#[test]
fn every_parameter_has_examples_on_its_page() {
    let examples: serde_json::Value = serde_json::from_str(&read("docs/site/parameters.json")).unwrap();
    let documented: BTreeSet<_> = examples.as_object().unwrap().keys().map(String::as_str).collect();
    let known: BTreeSet<_> = GRAMMAR.parameters.iter().map(|parameter| parameter.name).collect();
    assert_eq!(documented, known, "docs/site/parameters.json has the examples of each parameter's page");
}

/// The Markdown files, and the configurations, in these places of the repository and below.
fn pages_and_examples() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut pages, mut examples) = (vec![repository("README.md")], Vec::new());
    let mut folders = ["docs", "examples", "infra", "clients"].map(repository).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() && !name.starts_with('.') && name != "node_modules" => folders.push(path),
                Some("md") => pages.push(path),
                // Those are the documentation's own program's, and a host's.
                Some("toml") if !["book.toml", "fly.toml"].contains(&name) => examples.push(path),
                _ => {}
            }
        }
    }
    (pages, examples)
}

#[test]
fn every_configuration_in_the_repository_can_be_used() {
    let (pages, examples) = pages_and_examples();
    let mut texts: Vec<(String, String)> = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```toml\n").skip(1) {
            texts.push((page.display().to_string(), block.split("```").next().unwrap().to_owned()));
        }
    }
    for example in examples {
        texts.push((example.display().to_string(), std::fs::read_to_string(&example).unwrap()));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let (mut rules, mut settings) = (0, 0);
    for (place, text) in &texts {
        if text.contains("[[rules]]") || text.contains("[limits]") {
            let mut text = text.clone();
            // The deployment names its own pool.
            if text.contains("\"jwt\"") && !text.contains("[[jwt.issuers]]") {
                text += "\n[[jwt.issuers]]\nissuer = \"https://pool.example.com\"\naudiences = [\"images\"]\n";
            }
            let read = front::read_config(&text, Some(cdn::OPEN));
            assert!(read.is_ok(), "{place}: {}\n{text}", read.unwrap_err());
            rules += 1;
        } else {
            std::fs::write(&file, text).unwrap();
            let resolved = Layer::from_file(&file).and_then(Layer::resolve);
            assert!(resolved.is_ok(), "{place}: {}\n{text}", resolved.unwrap_err());
            settings += 1;
        }
    }
    assert!(rules >= 9 && settings >= 5, "{rules} and {settings}");
}
