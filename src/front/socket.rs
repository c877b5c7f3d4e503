//! The socket of a connection. It detects that the client has disconnected while a request is processed, and closes
//! connections of clients that send a request head, or read a response, too slowly.
//!
//! hyper does not read while it waits for a response. During that time this socket reads ahead, into a buffer of
//! limited size, up to the end of the stream, which pipelined bytes would otherwise hide. A client that has ended its
//! side may still wait for the response (TCP does not distinguish `shutdown` from `close`), so it is sent an
//! informational response, which every HTTP/1.1 client must accept (RFC 9110, 15.2): a client that has disconnected
//! responds with a reset.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::listen::Stream;

/// The size of the read-ahead buffer in bytes: enough for many requests, but not for an upload. Nothing more is read of
/// a client that sends more before it has received its response.
const AHEAD: usize = 64 * 1024;

/// How long after a client has ended its side it is first probed. Most requests are finished sooner.
const PROBE_AFTER: Duration = Duration::from_millis(200);

/// The interval between further probes.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The only informational response that old clients support.
const PROBE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A socket that is shared by hyper and the task that watches the client.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    ahead: Mutex<Ahead>,
    /// Whether all data buffered by hyper has been written.
    flushed: AtomicBool,
    /// Whether a complete head has been received since hyper last read.
    head_is_whole: AtomicBool,
}

/// The bytes that were read ahead and not yet passed to hyper.
#[derive(Debug, Default)]
struct Ahead {
    bytes: BytesMut,
    /// Whether these are the last bytes for hyper: the client has ended its side, or sent too much.
    last: bool,
}

impl Socket {
    pub(super) fn new(stream: Stream) -> Arc<Self> {
        Arc::new(Self {
            stream,
            ahead: Mutex::default(),
            flushed: AtomicBool::new(true),
            head_is_whole: AtomicBool::new(false),
        })
    }

    /// Records that the head of a request is complete.
    pub(super) fn note_head(&self) {
        self.head_is_whole.store(true, Ordering::Relaxed);
    }

    /// Resolves when the client has disconnected. Must only be polled while a request is processed, when hyper does not
    /// read. `probes` is whether the client supports informational responses; a client that does not counts as
    /// disconnected when it ends its side.
    pub(super) async fn gone(&self, probes: bool) {
        tokio::select! {
            () = self.failed() => {}
            () = self.left(probes) => {}
        }
    }

    async fn failed(&self) {
        while self.stream.ready(Interest::ERROR).await.is_ok_and(|ready| !ready.is_error()) {}
    }

    async fn left(&self, probes: bool) {
        self.read_to_end().await;
        sleep(PROBE_AFTER).await;
        if !probes {
            return;
        }
        // The reset in response to a probe is reported as an error.
        loop {
            if self.flushed.load(Ordering::Relaxed) {
                match self.stream.try_write(PROBE) {
                    Ok(length) if length == PROBE.len() => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    // A partial informational response would corrupt the next one.
                    Ok(_) | Err(_) => return,
                }
            }
            sleep(PROBE_EVERY).await;
        }
    }

    /// Reads ahead until the client has ended its side.
    async fn read_to_end(&self) {
        loop {
            // Yields to other tasks, however much a client sends.
            if self.stream.ready(Interest::READABLE).await.is_err() || self.read_ahead() {
                return;
            }
        }
    }

    /// Reads some bytes, and returns whether they were the last.
    fn read_ahead(&self) -> bool {
        let mut buffer = [0; 4096];
        let mut ahead = self.ahead();
        match self.stream.try_read(&mut buffer) {
            Ok(length @ 1..) => {
                if ahead.bytes.len() + length > AHEAD {
                    ahead.last = true;
                } else if !ahead.last {
                    ahead.bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
                }
                false
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            // The watcher sees the error as well.
            Ok(_) | Err(_) => {
                ahead.last = true;
                true
            }
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The minimum rate at which a client must read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// The total time spent waiting for the client, after which its rate is checked.
    pub(super) timeout: Duration,
    /// The minimum number of bytes for each second of waiting.
    pub(super) rate: u64,
}

impl Pace {
    fn least(self) -> u64 {
        (self.timeout.as_secs_f64() * self.rate as f64).max(1.0) as u64
    }
}

/// The time spent waiting for a client, and the bytes that it read in that time.
#[derive(Debug)]
struct Meter {
    pace: Pace,
    /// The start of the current wait.
    since: Option<Instant>,
    /// The total duration of previous waits.
    waited: Duration,
    taken: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Meter {
    const fn new(pace: Pace) -> Self {
        Self { pace, since: None, waited: Duration::ZERO, taken: 0, timer: None }
    }

    /// Records that a client has read some bytes.
    fn take(&mut self, bytes: usize) {
        self.taken += bytes as u64;
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Resolves when the client is too slow.
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        if self.since.is_none() {
            self.since = Some(now);
            self.wait_until(now + self.pace.timeout.saturating_sub(self.waited));
        }
        loop {
            let Some(timer) = &mut self.timer else { return Poll::Pending };
            ready!(timer.as_mut().poll(cx));
            if self.taken < self.pace.least() {
                return Poll::Ready(());
            }
            let now = Instant::now();
            (self.since, self.waited, self.taken) = (Some(now), Duration::ZERO, 0);
            self.wait_until(now + self.pace.timeout);
        }
    }

    fn wait_until(&mut self, end: Instant) {
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(end),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(end))),
        }
    }
}

/// The timeout for the head of a request: from its first byte, or from the start of the connection.
#[derive(Debug)]
struct HeadTimer {
    timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl HeadTimer {
    fn new(timeout: Duration) -> Self {
        Self { timeout, timer: Some(Box::pin(sleep(timeout))) }
    }

    /// Records that bytes of a head have arrived.
    fn begin(&mut self) {
        let timeout = self.timeout;
        self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
    }

    /// Resolves when the timeout has passed.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }
}

/// The socket as used by hyper.
#[derive(Debug)]
pub(super) struct SocketIo {
    socket: Arc<Socket>,
    meter: Meter,
    head: HeadTimer,
}

impl SocketIo {
    pub(super) fn new(socket: Arc<Socket>, pace: Pace, head_timeout: Duration) -> Self {
        Self { socket, meter: Meter::new(pace), head: HeadTimer::new(head_timeout) }
    }

    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&Stream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.socket.flushed.store(false, Ordering::Relaxed);
        loop {
            match self.socket.stream.poll_write_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    ready!(self.meter.poll_slow(cx));
                    return Poll::Ready(Err(ErrorKind::TimedOut.into()));
                }
            }
            match write(&self.socket.stream) {
                Ok(length) => {
                    self.meter.take(length);
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Socket {
    /// Reads from the read-ahead buffer, or from the socket.
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut ahead = self.ahead();
        if !ahead.bytes.is_empty() {
            let length = ahead.bytes.len().min(buffer.remaining());
            buffer.put_slice(ahead.bytes.get(..length).unwrap_or_default());
            ahead.bytes.advance(length);
            return Poll::Ready(Ok(()));
        }
        if ahead.last {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for SocketIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { socket, head, .. } = self.get_mut();
        // hyper reads again after it has responded.
        if socket.head_is_whole.swap(false, Ordering::Relaxed) {
            head.timer = None;
        }
        match socket.poll_read(cx, buffer) {
            Poll::Ready(read) => {
                head.begin();
                Poll::Ready(read)
            }
            Poll::Pending => {
                ready!(head.poll_late(cx));
                Poll::Ready(Err(ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for SocketIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper calls this when its write buffer is empty.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.flushed.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    /// hyper only calls this before it closes the connection, which closes the socket.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_must_take_what_it_is_sent_at_a_pace() {
        let pace = Pace { timeout: Duration::from_secs(10), rate: 100 };
        // Each row: the bytes read at given seconds, and the second at which the client is found too slow.
        let table: [(&[(u64, usize)], u64); 5] = [
            (&[], 10),
            (&[(9, 999)], 10),
            (&[(9, 1000)], 20),
            (&[(5, 500), (4, 500), (9, 1000)], 30),
            (&[(3, 100), (3, 100), (3, 100)], 10),
        ];
        for (steps, expected) in table {
            let (mut meter, started) = (Meter::new(pace), Instant::now());
            for (seconds, bytes) in steps {
                let wait = tokio::time::timeout(Duration::from_secs(*seconds), poll_fn(|cx| meter.poll_slow(cx)));
                assert!(wait.await.is_err(), "{steps:?}");
                meter.take(*bytes);
            }
            poll_fn(|cx| meter.poll_slow(cx)).await;
            assert_eq!(started.elapsed().as_secs(), expected, "{steps:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_there_is_nothing_to_send_is_not_counted() {
        let mut meter = Meter::new(Pace { timeout: Duration::from_secs(10), rate: 100 });
        for _ in 0..3 {
            let wait = tokio::time::timeout(Duration::from_secs(3), poll_fn(|cx| meter.poll_slow(cx))).await;
            assert!(wait.is_err());
            meter.take(1);
            sleep(Duration::from_secs(60)).await;
        }
        let last = Instant::now();
        poll_fn(|cx| meter.poll_slow(cx)).await;
        assert_eq!(last.elapsed(), Duration::from_secs(1));
    }
}
