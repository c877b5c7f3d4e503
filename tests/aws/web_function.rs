//! A Lambda web function: Node.js loads the launcher, which starts the binary.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{fixtures, free_address, request};

fn launcher(environment: &[(&str, &str)]) -> (Child, SocketAddr) {
    let address = free_address();
    let child = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/infra/web/index.js"))
        .env("IMAGE_ORIGIN_PROGRAM", env!("CARGO_BIN_EXE_image-origin"))
        .env("IMAGE_ORIGIN_SOURCE", fixtures())
        .env("AWS_LAMBDA_HTTP_ENDPOINT", address.to_string())
        // A web function has this, too, but no events come from there.
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Node.js is installed");
    (child, address)
}

fn within(time: Duration, mut what: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < time {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

#[test]
#[ignore = "runs Node.js: cargo test --test all -- --ignored"]
fn the_server_answers_where_lambda_asks_and_ends_with_its_launcher() {
    for signal in ["TERM", "INT", "HUP", "KILL"] {
        let (mut child, address) = launcher(&[]);
        assert!(within(Duration::from_secs(10), || listens(address)), "{signal}");
        assert_eq!(request(address, "GET", "/photo.jpg?w=20", &[]).status, 200);
        assert_eq!(request(address, "GET", "/metrics", &[]).status, 404, "figures go to the log");
        let id = child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), (signal != "KILL").then_some(0), "{signal}");
        assert!(within(Duration::from_secs(5), || !listens(address)), "{signal}");
    }
}

#[test]
#[ignore = "runs Node.js: cargo test --test all -- --ignored"]
fn a_server_that_cannot_start_ends_its_launcher() {
    for (name, value) in [
        ("IMAGE_ORIGIN_SOURCE", "/no/such/folder"),
        ("IMAGE_ORIGIN_PROGRAM", "/no/such/program"),
        ("AWS_LAMBDA_HTTP_ENDPOINT", "nowhere"),
    ] {
        let (mut child, _) = launcher(&[(name, value)]);
        assert_eq!(child.wait().unwrap().code(), Some(1), "{name}");
    }
}
