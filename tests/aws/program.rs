//! The binary as it runs in production: its environment, its log, its memory.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::store::{ACCESS_KEY, BUCKET, SECRET_KEY};
use crate::common::{Response, request};

/// What must never be seen outside.
const SECRETS: [&str; 5] = [ACCESS_KEY, SECRET_KEY, BUCKET, "X-Amz-Signature", "session-token-of-the-test"];

/// A child whose log is kept, that ends with this, and that may have told no secrets by then.
pub(crate) struct Watched {
    pub(crate) child: Child,
    log: Arc<Mutex<String>>,
}

/// A running `image-origin`, with AWS credentials in its environment.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    watched: Watched,
}

/// The binary, with credentials and without anything else that AWS programs look at.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-origin"));
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_SESSION_TOKEN", "session-token-of-the-test")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Watched {
    /// Starts a program and keeps what it writes to standard error.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let watched = Self { child, log: Arc::default() };
        watched.keep(stderr);
        watched
    }

    /// Starts a server, and waits for the address that it prints.
    pub(crate) fn serve(command: &mut Command) -> (Self, SocketAddr) {
        let mut watched = Self::spawn(command);
        let mut lines = BufReader::new(watched.child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").unwrap_or_else(|| panic!("{line}{}", watched.log()));
        let address = address.1.parse().unwrap();
        watched.keep(std::io::Cursor::new(line).chain(lines));
        (watched, address)
    }

    /// Keeps what comes from here, too.
    pub(crate) fn keep(&self, mut from: impl std::io::Read + Send + 'static) {
        let log = self.log.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                log.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            assert_discreet(&self.log());
        }
    }
}

impl Program {
    /// Serves the bucket behind `store`.
    pub(crate) fn serve(store: SocketAddr, environment: &[(&str, &str)]) -> Self {
        Self::serve_place("", store, environment)
    }

    /// Serves what is below a prefix.
    pub(crate) fn serve_place(prefix: &str, store: SocketAddr, environment: &[(&str, &str)]) -> Self {
        Self::start(prefix, store, &[], environment)
    }

    /// Serves the bucket with further flags.
    pub(crate) fn serve_with(store: SocketAddr, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start("", store, flags, environment)
    }

    fn start(prefix: &str, store: SocketAddr, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command();
        command
            .args(["serve", &format!("s3://{BUCKET}/{prefix}")])
            .args(flags)
            .env("IMAGE_ORIGIN_S3_ENDPOINT", format!("http://{store}"))
            .env("IMAGE_ORIGIN_S3_PATH_STYLE", "true");
        Self::spawn(command, environment)
    }

    /// Serves what a configuration file describes.
    pub(crate) fn configured(file: &std::path::Path, environment: &[(&str, &str)]) -> Self {
        let mut command = command();
        command.args(["serve".as_ref(), "--config".as_ref(), file.as_os_str()]);
        Self::spawn(command, environment)
    }

    fn spawn(mut command: Command, environment: &[(&str, &str)]) -> Self {
        command.args(["--listen", "127.0.0.1:0", "--log", "trace"]).envs(environment.iter().copied());
        let (watched, address) = Watched::serve(&mut command);
        Self { address, watched }
    }

    /// The most memory that it has had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.watched.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.request("GET", target, &[])
    }

    pub(crate) fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let response = request(self.address, method, target, headers);
        assert_discreet(&format!("{:?}{}", response.headers, String::from_utf8_lossy(&response.body)));
        response
    }
}

/// Fails on anything that names a bucket or would let somebody in.
pub(crate) fn assert_discreet(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is seen in {text}");
    }
}
