//! `serve` as a program: addresses, health and logs.

use super::*;

#[test]
fn a_server_listens_on_a_socket_below_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let listen = format!("unix:{}", socket.display());
    let settings = ["--listen", &listen, "--base-path", "/img"];
    let mut child = image_origin(&["serve", fixtures().to_str().unwrap()])
        .args(settings)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.ends_with(&format!(" on {listen}, below /img")), "{first}");
    let table = [
        ("/img/photo.jpg?w=9", "200 OK"),
        ("/photo.jpg?w=9", "404 Not Found"),
        ("/images/photo.jpg", "404 Not Found"),
        ("/healthz", "200 OK"),
        ("/img/healthz", "200 OK"),
    ];
    for (target, expected) in table {
        let stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        assert_eq!(status_line_of(stream, target), format!("HTTP/1.1 {expected}\r\n"), "{target}");
    }
    assert!(run(&["health", "--listen", &listen]).status.success());
    let taken = image_origin(&["serve", fixtures().to_str().unwrap()]).args(settings).output().unwrap();
    assert!(text(&taken.stderr).contains("cannot listen on unix:"), "{}", text(&taken.stderr));
    stopped(child);
    assert!(!socket.exists());
    let without = run(&["health", "--listen", &listen]);
    assert!(text(&without.stderr).contains("no response from unix:"), "{}", text(&without.stderr));
}

/// Asks for a target of a server, and tells the status line.
fn status_line(host: &str, target: &str) -> String {
    status_line_of(std::net::TcpStream::connect(host).unwrap(), target)
}

fn status_line_of(mut stream: impl std::io::Read + std::io::Write, target: &str) -> String {
    write!(stream, "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status).unwrap();
    status
}

fn serving(format: &str) -> std::process::Child {
    image_origin(&["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
        .env("IMAGE_ORIGIN_SOURCE", fixtures())
        .env("IMAGE_ORIGIN_LOG_FORMAT", format)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn stopped(child: std::process::Child) -> Output {
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output
}

#[test]
fn the_server_greets_with_addresses_that_work_and_ends_when_told() {
    let mut child = serving("text");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let greeting: Vec<String> = (0..4).map(|_| lines.next().unwrap().unwrap()).collect();
    for line in &greeting[1..] {
        let address = line.split("http://").nth(1).unwrap().trim_end_matches('\'');
        let (host, target) = address.split_at(address.find('/').unwrap());
        assert_eq!(status_line(host, target), "HTTP/1.1 200 OK\r\n", "{line}");
    }
    stopped(child);
}

#[test]
fn health_asks_where_the_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "listen = \"127.0.0.1:1\"\n").unwrap();
    let output = image_origin(&["health"]).env("IMAGE_ORIGIN_CONFIG", &config).output().unwrap();
    assert!(!output.status.success() && text(&output.stderr).contains("127.0.0.1:1:"), "{}", text(&output.stderr));
}

#[test]
fn a_log_for_machines_is_json_alone() {
    let mut child = serving("json");
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let started = line();
    assert_eq!((&started["message"], &started["version"]), (&"started".into(), &env!("CARGO_PKG_VERSION").into()));
    assert!(started["workers"].is_number() && started["max_connections"].as_u64() > Some(0), "{started}");
    let host = started["listen"].as_str().unwrap().to_owned();
    let long = format!("/{}", "x".repeat(5000));
    for target in ["/healthz", "/photo.jpg?width=90&token=secret", "/photo.jpg?w=90", long.as_str()] {
        status_line(&host, target);
    }
    let (made, found, missing) = (line(), line(), line());
    for (answered, cache) in [(&made, "miss"), (&found, "hit")] {
        assert_eq!((&answered["message"], &answered["cache"]), (&"answered".into(), &cache.into()), "{answered}");
        assert_eq!((&answered["query"], &answered["client"]), (&"w=90".into(), &"127.0.0.1".into()));
        assert!(answered["bytes"].as_u64() > Some(0) && answered["milliseconds"].is_number(), "{answered}");
    }
    assert!(made["decode_milliseconds"].is_number() && found["decode_milliseconds"].is_null(), "{made} {found}");
    assert_eq!((&missing["problem"], missing["path"].as_str().unwrap().len()), (&"not_found".into(), 1024));
    assert!(stopped(child).stdout.is_empty());
}
