//! What the end-to-end tests share: a server on a real socket, and a client that sends exactly the bytes it is told to.

#![allow(dead_code, reason = "every test file uses its own part of this")]

pub(crate) mod python;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image_origin::config::Layer;
use image_origin::front::Connections;
use image_origin::origin::Origin;
use image_origin::source::Sources;
use image_origin::{front, source};

/// The folder of fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A picture of so many bytes, all of which show: random greys, as they are, which come again after 64 KiB.
pub(crate) fn large(length: usize) -> Vec<u8> {
    let header = |side: usize| format!("P5 {side} 1 255\n");
    let side = (0..=length).rev().find(|side| header(*side).len() + side <= length).unwrap();
    let mut bytes = header(side).into_bytes();
    let mut state = 1_u64;
    let greys: [u8; 64 << 10] = std::array::from_fn(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    while bytes.len() < length {
        bytes.extend_from_slice(&greys[..greys.len().min(length - bytes.len())]);
    }
    assert_eq!(bytes.len(), length);
    bytes
}

/// Every file of a folder of fixtures and of the folders in it.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![fixtures().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// A running server. It ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    /// Serves the fixtures with the default settings.
    pub(crate) fn start() -> Self {
        Self::with(Layer::default())
    }

    pub(crate) fn with(settings: Layer) -> Self {
        Self::over(Box::new(source::Folder::new(fixtures()).unwrap()), settings)
    }

    /// Serves the sources of a configuration file.
    pub(crate) fn configured(toml: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, toml).unwrap();
        let layer = Layer::from_file(file.path()).unwrap();
        let sources = Sources::open(&layer.clone().resolve().unwrap().sources).unwrap();
        Self::over(sources, layer)
    }

    pub(crate) fn over(source: impl Into<Sources>, settings: Layer) -> Self {
        // Without optimisation and on a busy machine, work takes longer than it may elsewhere.
        let settings = Layer { deadline: settings.deadline.or(Some(120.0)), ..settings }.resolve().unwrap();
        let connections = Connections::new(&settings.connections);
        let origin = Arc::new(Origin::new(source, settings.origin).unwrap());
        Self::listening(front::serve::router(origin, &settings.viewers), connections)
    }

    /// Serves any routes.
    pub(crate) fn serving(router: axum::Router) -> Self {
        Self::listening(router, Connections::new(&Layer::default().resolve().unwrap().connections))
    }

    fn listening(router: axum::Router, connections: Connections) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (started, start) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                let stopped = async { drop(stopped.await) };
                front::serve::serve(listener, router, &connections, stopped).await;
            });
        });
        Self { address: start.recv().unwrap(), _stop: stop }
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.request("GET", target, &[])
    }

    pub(crate) fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        request(self.address, method, target, headers)
    }
}

/// An address where a program that is about to be started can listen.
///
/// The socket that finds it never listens: processes that other tests start in this moment hold a copy of it until they
/// run their program, and a copy that listens would take the first connections and reset them.
pub(crate) fn free_address() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    socket.local_addr().unwrap()
}

/// Sends one request and reads its answer.
pub(crate) fn request(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head += "host: test\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Response::parse(&bytes)
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> =
            lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
        let body = bytes[end + 4..].to_vec();
        let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        assert!(!chunked, "every answer here has a known length");
        Self { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The status, and the code of the problem if it is one.
    pub(crate) fn outcome(&self) -> (u16, String) {
        let problem = self.header("content-type") == Some("application/problem+json");
        (self.status, if problem { self.json()["code"].as_str().unwrap().to_owned() } else { String::new() })
    }

    /// Width and height of the picture in the body, by a decoder that is not ours.
    pub(crate) fn size(&self) -> (u32, u32) {
        let reader = image::ImageReader::new(std::io::Cursor::new(&self.body)).with_guessed_format().unwrap();
        reader.into_dimensions().unwrap()
    }
}
