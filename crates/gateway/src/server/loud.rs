//! The loud ending: a broken stream ends so that its caller always learns it.
//!
//! The last event must arrive, and the end behind it must not look like one: no last chunk on
//! HTTP/1.1, a reset on HTTP/2. hyper drops what it has queued when a body fails, so the failure
//! has to wait until the event is on the wire. Two signs together say so: hyper lets go of the
//! event's buffer, and the connection is flushed once more after that. Neither is enough alone:
//! another stream's flush passes an event that waits for window, and a copied buffer is let go
//! of before it is written.
//!
//! Behind the failure the socket lingers: closed for writing, and read until the peer has closed
//! too, because unread input would turn the end into a reset that can destroy the event.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use super::head::Head;
use super::switch::Switch;

/// A write that makes no progress for this long ends the connection: only a bound by progress
/// spares a slow reader's event (nginx's `send_timeout` is 60 s).
pub(crate) const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// An event that is not on the wire by then is given up.
const WRITTEN_WITHIN: Duration = Duration::from_secs(30);
/// On HTTP/2 a reset right behind the data makes some clients drop the data: 1 ms was enough on
/// loopback, this is the margin.
const RESET_AFTER: Duration = Duration::from_millis(20);
/// While everything shuts down, the socket of a connection that broke nothing off lingers this long.
const LINGER_DRAINING_MAX: Duration = Duration::from_millis(250);
/// A socket lingers this long at most.
const LINGER_MAX: Duration = Duration::from_secs(30);
/// A lingering socket takes in this much at most.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// What a connection and its replies share.
pub(crate) struct Conn {
    flushes: AtomicU64,
    /// Told of every flush once somebody waits for one.
    flushed: Notify,
    is_awaited: AtomicBool,
    /// Requests being served. On HTTP/2 it never falls to none: frames without a request are no head.
    serving: AtomicUsize,
    /// Requests whose heads were complete, in all.
    complete: AtomicUsize,
    back: Mutex<Option<TcpStream>>,
    /// What the connection becomes when hyper is done with it.
    switch: Mutex<Option<Switch>>,
}

impl Conn {
    pub(crate) fn new() -> Arc<Conn> {
        let (flushes, is_awaited) = (AtomicU64::new(0), AtomicBool::new(false));
        let (serving, complete) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (back, switch) = (Mutex::new(None), Mutex::new(None));
        Arc::new(Conn { flushes, flushed: Notify::new(), is_awaited, serving, complete, back, switch })
    }

    /// A request on this connection is being served, until the guard is dropped.
    pub(crate) fn serve(self: &Arc<Conn>, is_h2: bool) -> Serving {
        self.complete.fetch_add(1, Ordering::Relaxed);
        self.serving.fetch_add(if is_h2 { 2 } else { 1 }, Ordering::Relaxed);
        Serving { conn: Arc::clone(self) }
    }

    /// The event's bytes, and a future that ends when they are on the wire, or never will be.
    pub(crate) fn hook(
        self: &Arc<Conn>,
        event: Bytes,
        is_h2: bool,
    ) -> (Bytes, Pin<Box<dyn Future<Output = ()> + Send>>) {
        let (dropped, was_dropped) = oneshot::channel();
        let hooked = Hooked { event, dropped: Some(dropped), conn: Arc::clone(self) };
        self.is_awaited.store(true, Ordering::SeqCst);
        let conn = Arc::clone(self);
        let written = async move {
            let flushed = async {
                // An error means that the connection is gone, and with it the question.
                let Ok(at) = was_dropped.await else { return };
                loop {
                    let next = conn.flushed.notified();
                    tokio::pin!(next);
                    // Listening first, looking second: no flush falls in between.
                    next.as_mut().enable();
                    if conn.flushes.load(Ordering::SeqCst) > at {
                        return;
                    }
                    next.await;
                }
            };
            let is_written = timeout(WRITTEN_WITHIN, flushed).await.is_ok();
            if is_written && is_h2 {
                sleep(RESET_AFTER).await;
            }
        };
        (Bytes::from_owner(hooked), Box::pin(written))
    }

    /// Behind the answer that is about to be given, the connection is no longer HTTP.
    pub(crate) fn switch(&self, switch: Switch) {
        *self.switch.lock().unwrap_or_else(PoisonError::into_inner) = Some(switch);
    }

    /// What the connection has become, if it is not over.
    pub(crate) fn switched(&self) -> Option<Switch> {
        self.switch.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Gives a socket back that is to be ended.
    pub(crate) fn give_back(&self, socket: TcpStream) {
        *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
    }

    /// Ends the connection's socket gently, once the connection itself is gone. A caller who keeps
    /// an idle connection open does not hold up a shutdown.
    pub(crate) async fn linger(&self, is_draining: bool) {
        let socket = self.back.lock().unwrap_or_else(PoisonError::into_inner).take();
        let has_broken = self.is_awaited.load(Ordering::SeqCst);
        let most = if is_draining && !has_broken { LINGER_DRAINING_MAX } else { LINGER_MAX };
        if let Some(mut socket) = socket {
            let _ = timeout(most, drain(&mut socket)).await;
        }
    }
}

async fn drain(socket: &mut TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    let mut left = LINGER_BYTES_MAX;
    let mut buffer = [0; 4096];
    while left > 0 {
        match socket.read(&mut buffer).await? {
            0 => break,
            n => left = left.saturating_sub(n),
        }
    }
    Ok(())
}

/// A request that is being served on a connection.
pub(crate) struct Serving {
    conn: Arc<Conn>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.conn.serving.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An event's bytes, whose end tells how often the connection had been flushed by then.
struct Hooked {
    event: Bytes,
    dropped: Option<oneshot::Sender<u64>>,
    conn: Arc<Conn>,
}

impl AsRef<[u8]> for Hooked {
    fn as_ref(&self) -> &[u8] {
        &self.event
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        if let Some(dropped) = self.dropped.take() {
            let _ = dropped.send(self.conn.flushes.load(Ordering::SeqCst));
        }
    }
}

/// The end of a broken reply, as hyper sees it. It has no source: hyper would look for an HTTP/2
/// reason in there, and pass the upstream's on.
#[derive(Debug, thiserror::Error)]
#[error("the reply was broken off on purpose")]
pub(crate) struct LoudEnd;

/// A caller's socket: counts flushes, fails writes that make no progress, and is given back when
/// the connection drops it.
pub(crate) struct Wire {
    socket: Option<TcpStream>,
    conn: Arc<Conn>,
    stall: Option<Pin<Box<Sleep>>>,
    head: Head,
    /// Runs while the rest of a head is waited for.
    late: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream, conn: Arc<Conn>) -> Wire {
        Wire { socket: Some(socket), conn, stall: None, head: Head::default(), late: None }
    }

    /// The socket, for what is no longer HTTP: none of this looks at it any more.
    pub(crate) fn into_socket(mut self) -> TcpStream {
        self.socket.take().expect("taken by drop alone")
    }

    fn socket(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.socket.as_mut().expect("taken by drop alone"))
    }

    /// Passes a write's result on; one that stays pending for too long becomes an error.
    fn or_stalled<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall = None;
            return polled;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL_MAX)));
        match stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Wire {
    /// Goes on waiting, unless a head that has begun does not come to its end.
    fn or_late(&mut self, cx: &mut Context<'_>, is_busy: bool) -> Poll<io::Result<()>> {
        let Some(deadline) = self.head.deadline(is_busy) else {
            self.late = None;
            return Poll::Pending;
        };
        let late = self.late.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if late.deadline() != deadline {
            late.as_mut().reset(deadline);
        }
        match late.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.conn.give_back(socket);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.socket().poll_read(cx, buf);
        let is_busy = self.conn.serving.load(Ordering::Relaxed) > 0;
        let complete = self.conn.complete.load(Ordering::Relaxed);
        self.head.completed(complete);
        match polled {
            Poll::Ready(Ok(())) if buf.filled().len() > before => self.head.came(is_busy, now),
            Poll::Pending => return self.or_late(cx, is_busy),
            Poll::Ready(_) => {}
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = self.socket().poll_write(cx, buf);
        self.or_stalled(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.socket().poll_write_vectored(cx, bufs);
        self.or_stalled(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.socket().poll_flush(cx);
        if let Poll::Ready(Ok(())) = polled {
            self.conn.flushes.fetch_add(1, Ordering::SeqCst);
            if self.conn.is_awaited.load(Ordering::SeqCst) {
                self.conn.flushed.notify_waiters();
            }
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_shutdown(cx)
    }
}

/// Moments for tests and timers alike.
pub(crate) fn now() -> Instant {
    Instant::now()
}
