//! Connections that end if a server sends interim responses (RFC 9110, 15.2) without end: `hyper` passes over any number of
//! them, even when the request has been given up, and would keep a thread busy.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};

/// The number of interim responses before the final one.
const MOST: u32 = 16;

/// The number of bytes that are read at once where a response begins.
const BUFFER: usize = 4096;

/// A connection of an HTTP/1.1 client whose interim responses are counted.
#[derive(Debug)]
pub(crate) struct Counted<T> {
    inner: T,
    heads: Heads,
}

impl<T> Counted<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, heads: Heads::default() }
    }
}

/// The heads of the responses to one request.
#[derive(Debug, Default)]
struct Heads {
    /// Whether a final response has begun, whose bytes are not looked at.
    is_final: bool,
    /// The number of interim responses.
    interim: u32,
    /// The number of bytes of the head so far, and of line breaks at its end.
    len: usize,
    line_breaks: u8,
}

impl Heads {
    /// Reads the next bytes of the connection.
    fn scan(&mut self, bytes: &[u8]) -> io::Result<()> {
        const PROTOCOL: &[u8] = b"HTTP/";
        /// The place of the first digit of the status.
        const STATUS: usize = b"HTTP/1.1 ".len();
        for &byte in bytes {
            match (self.len, byte) {
                _ if self.is_final => break,
                // Empty lines in front of a head are passed over.
                (0, b'\r' | b'\n') => continue,
                (at, _) if PROTOCOL.get(at).is_some_and(|expected| *expected != byte) => self.is_final = true,
                (STATUS, _) if byte != b'1' => self.is_final = true,
                (_, b'\n') => self.line_breaks += 1,
                (_, b'\r') => {}
                _ => self.line_breaks = 0,
            }
            self.len += 1;
            if self.line_breaks == 2 {
                (self.interim, self.len, self.line_breaks) = (self.interim + 1, 0, 0);
                if self.interim > MOST {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the server sends nothing but interim responses",
                    ));
                }
            }
        }
        Ok(())
    }
}

impl<T: Read + Unpin> Read for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.heads.is_final {
            return Pin::new(&mut self.inner).poll_read(context, into);
        }
        let mut bytes = [0; BUFFER];
        let room = into.remaining().min(BUFFER);
        let mut buffer = ReadBuf::new(&mut bytes[..room]);
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer.unfilled()))?;
        self.heads.scan(buffer.filled())?;
        into.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

/// What is written begins another request, or goes on with one that has no final response yet.
impl<T: Write + Unpin> Write for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.heads.is_final {
            self.heads = Heads::default();
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.heads.is_final {
            self.heads = Heads::default();
        }
        Pin::new(&mut self.inner).poll_write_vectored(context, parts)
    }
}

impl<T: Connection> Connection for Counted<T> {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_responses_are_counted_up_to_the_final_one() {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".as_slice();
        let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n".as_slice();
        let last = b"HTTP/1.1 200 OK\r\n\r\n".as_slice();
        for (name, bytes, is_refused) in [
            ("a final response", [last, &b"1\n\n".repeat(100)].concat(), false),
            ("some in front of it", [interim.repeat(16).as_slice(), last, &interim.repeat(100)].concat(), false),
            ("hints", [hints, last].concat(), false),
            ("one too many", interim.repeat(17), true),
            ("hints without end", hints.repeat(20), true),
            ("line feeds alone", b"\n\nHTTP/1.1 102 x\n\n".repeat(17), true),
            ("another protocol", b"ICY 100 OK\r\n\r\n".repeat(100), false),
        ] {
            // However the bytes arrive.
            for size in [1, 7, 4096] {
                let mut heads = Heads::default();
                let outcome = bytes.chunks(size).try_for_each(|bytes| heads.scan(bytes));
                assert_eq!(outcome.is_err(), is_refused, "{name}, {size}");
            }
        }
    }
}
