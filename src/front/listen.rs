//! Where a server listens: an address of TCP, or a socket in the file system. Comes in: the setting; goes out: connections of
//! either kind, which are read and written alike.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use tokio::io::{Interest, Ready};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A socket at this path.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The address of the network; a socket in the file system has none.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// As the setting has it: `127.0.0.1:8080`, or `unix:/run/image-origin.sock`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Waits for connections.
#[derive(Debug)]
pub enum Listener {
    /// From the network.
    Tcp(TcpListener),
    /// From programs on this machine.
    Unix(UnixListener, SocketFile),
}

impl Listener {
    /// Listens. The socket of a server that was killed is replaced; one that somebody listens on is not, nor is any other file.
    /// Every user of this machine may connect who may enter the folder, as it is with a port.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            ListenAddress::Unix(path) => {
                let listener = UnixListener::bind(path).or_else(|error| match error.kind() {
                    ErrorKind::AddrInUse if is_abandoned(path) => {
                        std::fs::remove_file(path)?;
                        UnixListener::bind(path)
                    }
                    _ => Err(error),
                })?;
                let file = SocketFile(path.clone());
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    /// Where it listens; a port that was 0 is the one that the system has chosen.
    ///
    /// # Errors
    /// Those of the system.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Self::Unix(_, file) => Ok(ListenAddress::Unix(file.0.clone())),
        }
    }

    /// The next connection, and the address that it is from, if it is from one.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are written whole; waiting for more to send would only delay them.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Some(peer)))
            }
            Self::Unix(listener, _) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

/// Whether a path is a socket that nobody listens on any more.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    is_socket && std::os::unix::net::UnixStream::connect(path).err().is_some_and(refused)
}

/// A socket in the file system, which goes when its listener does.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What both kinds of streams do alike.
macro_rules! both {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self {
            Self::Tcp($stream) => $call,
            Self::Unix($stream) => $call,
        }
    };
}

impl Stream {
    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        both!(self, stream => stream.ready(interest).await)
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        both!(self, stream => stream.try_read(buffer))
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        both!(self, stream => stream.try_write(bytes))
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        both!(self, stream => stream.try_write_vectored(slices))
    }

    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        both!(self, stream => stream.poll_read_ready(cx))
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        both!(self, stream => stream.poll_write_ready(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [socket, file] = ["s", "f"].map(|name| folder.path().join(name));
        let address = ListenAddress::Unix(socket.clone());
        let listener = Listener::bind(&address).await.unwrap();
        assert_eq!(listener.address().unwrap(), address);
        assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o666);
        assert_eq!(Listener::bind(&address).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(listener);
        assert!(!socket.exists(), "it goes with its listener");
        // As a killed server leaves it.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert!(socket.exists());
        drop(Listener::bind(&address).await.unwrap());
        std::fs::write(&file, "kept").unwrap();
        assert!(Listener::bind(&ListenAddress::Unix(file.clone())).await.is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"kept");
    }
}
