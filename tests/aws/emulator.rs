//! The function under cargo-lambda's emulator: a runtime API and a function URL that others have written.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::program::command;
use crate::common::{Response, Server, fixtures, free_address, python};

/// The emulator and the function under it.
struct Emulator {
    program: PathBuf,
    address: SocketAddr,
    children: [Child; 2],
}

impl Emulator {
    fn start() -> Self {
        let program = python::program("cargo-lambda", "cargo-lambda==1.9.2");
        let address = free_address();
        let port = address.port().to_string();
        let emulator = Command::new(&program)
            .args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--invoke-port", &port])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "the emulator does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let function = command()
            .env("AWS_LAMBDA_RUNTIME_API", format!("http://{address}/.rt/image-origin"))
            .env("AWS_LAMBDA_FUNCTION_NAME", "image-origin")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .env("IMAGE_ORIGIN_SOURCE", fixtures())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { program, address, children: [function, emulator] }
    }

    /// What its function URL answers. Over HTTP/1.0, or it would come in chunks.
    fn get(&self, target: &str) -> Response {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET /lambda-url/image-origin{target} HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Response::parse(&bytes)
    }

    /// What `cargo lambda invoke` prints of the answer to an event.
    fn invoke(&self, event: &Path) -> Output {
        let port = self.address.port().to_string();
        Command::new(&self.program)
            .args(["lambda", "invoke", "image-origin", "--invoke-address", "127.0.0.1", "--invoke-port", &port])
            .arg("--data-file")
            .arg(event)
            .output()
            .unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
#[ignore = "installs and runs cargo-lambda: cargo test --test all -- --ignored"]
fn the_function_works_under_cargo_lambda() {
    let emulator = Emulator::start();
    let local = Server::start();
    for target in ["/photo.jpg?w=300", "/photo.jpg", "/photo.jpg?info", "/names/a%20b+c%2520&d=e'()!*,;@$.jpg?w=30"] {
        let ours = emulator.get(target);
        let theirs = local.get(target);
        assert_eq!(ours.status, 200, "{target}");
        assert!(ours.body == theirs.body, "{target}");
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(ours.header(name), theirs.header(name), "{target} {name}");
        }
    }
    assert_eq!(emulator.get("/missing.jpg").outcome(), (404, "not_found".to_owned()));

    let answer = emulator.invoke(&fixtures().join("events/rest-api.json"));
    let document: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}"));
    assert!(document["statusCode"].is_u64() && document["multiValueHeaders"]["content-type"].is_array(), "{document}");
}
