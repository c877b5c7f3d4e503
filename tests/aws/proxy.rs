//! A proxy that stands before the store and does it harm.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done to the next answers.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// An answer of this status and S3 error code instead, so often.
    Status(u16, &'static str, usize),
    /// Nothing is said for so long.
    Silence(Duration),
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// The same, once, and this file of the store gets this content before the connection ends.
    Replaced(usize, PathBuf, Vec<u8>),
    /// An answer with this status and this `Location` instead, once.
    Redirect(u16, String),
    /// The body comes in pieces of so many bytes, each after a pause.
    Drip(usize, Duration),
    /// The head announces another length than the body has.
    Length(&'static str),
    /// The connection ends before any answer.
    Hangup,
    /// The answer is not HTTP.
    Noise,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    fault: Arc<Mutex<Fault>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) fn before(store: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let fault = Arc::new(Mutex::new(Fault::None));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (shared, heads) = (fault.clone(), asked.clone());
        std::thread::spawn(move || {
            for viewer in listener.incoming() {
                let (fault, heads) = (shared.clone(), heads.clone());
                // A viewer that gives up is what some of these faults are about.
                std::thread::spawn(move || {
                    let _ = pass(viewer.unwrap(), store, &fault, &heads);
                });
            }
        });
        Self { address, fault, asked }
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// The heads of all requests since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// A request's head, with what came together with it of a body. `None` when the viewer leaves instead.
pub(crate) fn read_head(viewer: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let length = viewer.read(&mut buffer)?;
        if length == 0 {
            return Ok(None);
        }
        head.extend_from_slice(&buffer[..length]);
    }
    Ok(Some(head))
}

/// One request for each connection.
fn pass(
    mut viewer: TcpStream,
    store: SocketAddr,
    fault: &Mutex<Fault>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let Some(head) = read_head(&mut viewer)? else { return Ok(()) };
    let head = String::from_utf8_lossy(&head).into_owned();
    asked.lock().unwrap().push(head.clone());
    let current = {
        let mut fault = fault.lock().unwrap();
        let current = fault.clone();
        match &mut *fault {
            Fault::Status(_, _, times) if *times > 1 => *times -= 1,
            Fault::Status(..) | Fault::Replaced(..) | Fault::Redirect(..) => *fault = Fault::None,
            _ => {}
        }
        current
    };
    match current {
        Fault::Status(status, code, _) => {
            let body = format!("<Error><Code>{code}</Code><Message>bucket very-private-originals</Message></Error>");
            let length = body.len();
            return write!(
                viewer,
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
        Fault::Redirect(status, location) => {
            return write!(
                viewer,
                "HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
        Fault::Silence(time) => std::thread::sleep(time),
        Fault::Hangup => return Ok(()),
        Fault::Noise => return viewer.write_all(b"220 mail.example ESMTP very-private-originals\r\n"),
        _ => {}
    }
    let mut answer = Vec::new();
    let mut store = TcpStream::connect(store)?;
    let head = head.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    store.write_all(head.as_bytes())?;
    store.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8(head.to_vec()).unwrap();
    let with_length = |length: &str| {
        let lines = head.trim_end().split("\r\n").filter(|line| !line.to_lowercase().starts_with("content-length"));
        lines.collect::<Vec<_>>().join("\r\n") + length + "\r\n\r\n"
    };
    match current {
        Fault::Cut(length) => {
            viewer.write_all(head.as_bytes())?;
            viewer.write_all(&body[..length.min(body.len())])
        }
        Fault::Replaced(length, path, bytes) => {
            viewer.write_all(head.as_bytes())?;
            viewer.write_all(&body[..length.min(body.len())])?;
            std::fs::write(path, bytes)
        }
        Fault::Drip(size, pause) => {
            viewer.write_all(head.as_bytes())?;
            for piece in body.chunks(size) {
                std::thread::sleep(pause);
                viewer.write_all(piece)?;
            }
            Ok(())
        }
        Fault::Length(length) => {
            viewer.write_all(with_length(length).as_bytes())?;
            viewer.write_all(body)
        }
        _ => viewer.write_all(&answer),
    }
}
