//! Settings that change while requests are running.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::policy::{Policed, as_toml};

const CLIENTS: usize = 50;

/// Sends a request over a connection that stays open; gives status and `Cache-Control`.
fn ask(stream: &mut BufReader<TcpStream>, target: &str) -> std::io::Result<(u16, String)> {
    write!(stream.get_mut(), "GET {target} HTTP/1.1\r\nhost: test\r\n\r\n")?;
    let (mut status, mut caching, mut length) = (0, String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            _ if line.is_empty() => break,
            None => status = line.split(' ').nth(1).unwrap().parse().unwrap(),
            Some(("content-length", text)) => length = text.parse().unwrap(),
            Some(("cache-control", text)) => text.clone_into(&mut caching),
            Some(_) => {}
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok((status, caching))
}

fn connect(server: &Policed) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    BufReader::new(stream)
}

#[track_caller]
fn wait_for(server: &Policed, text: &str) {
    let started = Instant::now();
    while !server.log().contains(text) {
        assert!(started.elapsed() < Duration::from_secs(60), "{text} is not in {}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn no_request_fails_while_settings_change() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let settings = |max_age: usize, more: &str| {
        format!(
            "deadline = 120\nqueue = 1000\nmax_age = {max_age}\n{more}\n[presets]\nthumb = \"w={}\"\n",
            16 + max_age % 8
        )
    };
    write("settings.toml", &settings(1, ""));
    write("edge.toml", &as_toml(&json!({"rules": [{"path": "/*", "allow": ["public"]}]})));
    write("keys.json", "{}");
    let server = Policed::serve_with(folder.path(), &[], &[]);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (mut stream, stop, answered) = (connect(&server), stop.clone(), answered.clone());
            std::thread::spawn(move || {
                let mut request = 0;
                while !stop.load(Ordering::Relaxed) {
                    request += 1;
                    let target = match request % 3 {
                        0 => format!("/png/rgb-8.png?w={}", client + request % 40 + 1),
                        1 => "/photo.jpg?preset=thumb".to_owned(),
                        _ => "/gif/still.gif".to_owned(),
                    };
                    let (status, caching) = ask(&mut stream, &target).unwrap();
                    assert_eq!(status, 200, "{target}");
                    assert!(caching.starts_with("public, max-age="), "{caching}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 2..12 {
        write("settings.toml", &settings(round, ""));
        server.hang_up();
        let before = answered.load(Ordering::Relaxed);
        let started = Instant::now();
        while server.get("/photo.jpg?preset=thumb", &[]).header("cache-control")
            != Some(&format!("public, max-age={round}"))
        {
            assert!(started.elapsed() < Duration::from_secs(60), "{round}: {}", server.log());
        }
        while answered.load(Ordering::Relaxed) < before + CLIENTS {
            assert!(started.elapsed() < Duration::from_secs(60), "nobody is answered any more");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    // What is wrong changes nothing, in one file or the other.
    write("settings.toml", "max_age = \"soon\"");
    server.hang_up();
    wait_for(&server, "the settings stay as they were");
    write("settings.toml", &settings(12, ""));
    write("edge.toml", "rules = []");
    server.hang_up();
    wait_for(&server, "rules: at least one is needed");
    assert_eq!(server.get("/photo.jpg?w=8", &[]).header("cache-control"), Some("public, max-age=11"));
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let answered = answered.load(Ordering::Relaxed);
    println!("{answered} requests of {CLIENTS} clients were answered during 12 reloads, none failed");
    // A running server cannot replace its threads and sockets.
    write("edge.toml", &as_toml(&json!({"rules": [{"path": "/*", "allow": ["public"], "max_age": 5}]})));
    write("settings.toml", &settings(13, "workers = 7\nmax_connections = 77\nlog = \"debug\""));
    server.hang_up();
    wait_for(&server, "change with a restart only");
    assert!(server.log().contains("kept=\"max_connections, workers\""), "{}", server.log());
    assert_eq!(server.get("/photo.jpg?w=8", &[]).header("cache-control"), Some("public, max-age=5"));
    // The level has changed, too.
    server.get("/healthz", &[]);
    wait_for(&server, "path=\"/healthz\"");
}

#[test]
fn a_local_cdn_reads_its_rules_again_and_keeps_its_cache() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let rules = |path: &str| as_toml(&json!({"rules": [{"path": path, "allow": ["public"]}]}));
    write("settings.toml", "deadline = 120");
    write("edge.toml", &rules("/*"));
    write("keys.json", "{}");
    let server = Policed::serve_with(folder.path(), &["--cdn"], &[]);
    let cached = "/photo.jpg?w=8";
    for expected in ["Miss from cloudfront", "Hit from cloudfront"] {
        let answer = server.get(cached, &[]);
        assert_eq!((answer.status, answer.header("x-cache")), (200, Some(expected)));
    }
    // No rule allows it any more. Nobody sends a signal.
    write("edge.toml", &rules("/gif/*"));
    server.wait_for(cached, &[], 403);
    assert_eq!(server.get("/gif/still.gif?w=8", &[]).status, 200);
    write("edge.toml", "rules = []");
    wait_for(&server, "the settings stay as they were");
    assert_eq!(server.get(cached, &[]).status, 403);
    write("edge.toml", &rules("/*"));
    server.wait_for(cached, &[], 200);
    assert_eq!(server.get(cached, &[]).header("x-cache"), Some("Hit from cloudfront"));
    let by_preset = "/photo.jpg?preset=tile";
    assert_eq!(server.get(by_preset, &[]).status, 400);
    write("settings.toml", "deadline = 120\n[presets]\ntile = \"w=24\"\n");
    server.hang_up();
    server.wait_for(by_preset, &[], 200);
}
