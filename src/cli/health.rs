//! The command `health`: reports through its exit status whether a server on this machine responds.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use image_origin::front::ListenAddress;

use super::Failure;

/// The timeout for each step of the check.
const PATIENCE: Duration = Duration::from_secs(3);

/// The maximum number of bytes that are read of a response. The status line comes first.
const ENOUGH: u64 = 512;

/// Checks the server that listens on this address. An unspecified address means the loopback address.
pub(super) fn check(listen: &ListenAddress) -> Result<(), Failure> {
    let (address, answer) = match listen {
        ListenAddress::Tcp(address) => {
            let address = SocketAddr::new(reachable(address.ip()), address.port());
            (address.to_string(), over_tcp(address))
        }
        ListenAddress::Unix(path) => (listen.to_string(), over_socket(path)),
    };
    match answer {
        Ok(line) if line.starts_with("HTTP/1.1 200 ") => Ok(()),
        Ok(line) => Err(format!("the server on {address} is unhealthy: {line}").into()),
        Err(error) => Err(format!("no response from {address}: {error}").into()),
    }
}

fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

fn over_tcp(address: SocketAddr) -> std::io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    status_line(stream, &address.to_string())
}

fn over_socket(path: &Path) -> std::io::Result<String> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    status_line(stream, "localhost")
}

fn status_line(mut stream: impl Read + Write, host: &str) -> std::io::Result<String> {
    // A single write: `write!` would send several pieces, and a server may respond before the last.
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ENOUGH).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 256]);
            let _ = stream.write_all(answer.as_bytes());
        });
        address
    }

    #[test]
    fn a_server_is_well_if_it_says_so() {
        let well = server("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n");
        assert_eq!(check(&SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), well.port()).into()), Ok(()));
        let table = [
            (server("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "is unhealthy: HTTP/1.1 503"),
            (server(""), "is unhealthy"),
            (server("SSH-2.0-OpenSSH"), "is unhealthy: SSH"),
            (SocketAddr::from(([127, 0, 0, 1], 1)), "no response"),
        ];
        for (address, expected) in table {
            let error = check(&address.into()).unwrap_err();
            assert!(error.message.contains(expected), "{error:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 256]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        });
        assert_eq!(check(&ListenAddress::Unix(path)), Ok(()));
        let error = check(&ListenAddress::Unix("/no/such".into())).unwrap_err();
        assert!(error.message.contains("no response from unix:/no/such"), "{error:?}");
    }
}
