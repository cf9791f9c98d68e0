//! A connection to an upstream: name, TCP, proxy, TLS, within one deadline.
//!
//! What goes wrong here goes wrong before a byte of the request was written, and the caller can
//! be told so for certain: every failure is a [`Fault`] of the class `not_sent`.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use seawall_core::event::{self, Phases};
use seawall_core::verdict::Fault;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The longest reply head read from a proxy.
const PROXY_HEAD_MAX: usize = 8 * 1024;
/// Every address of a name gets at least this long, so that a dead one does not use up the time of the next.
const ADDRESS_TIME_MIN: Duration = Duration::from_millis(250);

/// Where to connect, and how.
#[derive(Clone)]
pub(crate) struct Target {
    /// Host name or address, without brackets.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// TLS settings, for `https`.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// The forward proxy to go through.
    pub(crate) proxy: Option<Proxy>,
}

/// A forward proxy that speaks HTTP. An upstream with `https` is reached by `CONNECT`, one with `http` through it.
///
/// ```
/// use seawall::{Proxy, Upstream};
///
/// let proxy = Proxy { host: "proxy.internal".to_owned(), port: 3128, authorization: None };
/// let upstream = Upstream::openai().proxy(proxy);
/// assert!(upstream.proxy.is_some());
/// ```
#[derive(Clone)]
pub struct Proxy {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The value of `Proxy-Authorization`, if it wants one.
    pub authorization: Option<http::HeaderValue>,
}

/// What went wrong, and how the system put it: for the log, without secrets.
pub(crate) type Failed = (Fault, String);

impl Target {
    /// A connection, ready for HTTP. How far that came is noted in `phases`, as time since `began`.
    pub(crate) async fn connect(&self, until: Instant, began: Instant, phases: &mut Phases) -> Result<Wire, Failed> {
        let attempt = async {
            let tcp = match &self.proxy {
                None => dial(&self.host, self.port, until).await?,
                Some(proxy) => {
                    let tcp = dial(&proxy.host, proxy.port, until).await?;
                    if self.tls.is_some() { self.tunnel(proxy, tcp).await? } else { tcp }
                }
            };
            let connected = now();
            phases.connection = Some(event::Connection::New);
            phases.connected = Some(connected.saturating_duration_since(began));
            match &self.tls {
                None => Ok(Wire::new(Stream::Plain(tcp), connected)),
                Some(config) => {
                    let tls = self.handshake(config, tcp).await?;
                    let secured = now();
                    phases.secured = Some(secured.saturating_duration_since(began));
                    Ok(Wire::new(Stream::Tls(Box::new(tls)), secured))
                }
            }
        };
        match timeout_at(until, attempt).await {
            Ok(result) => result,
            Err(_) => Err((Fault::ConnectTimeout, "no connection in time".into())),
        }
    }

    async fn handshake(&self, config: &Arc<ClientConfig>, tcp: TcpStream) -> Result<TlsStream<TcpStream>, Failed> {
        let name = ServerName::try_from(self.host.clone()).map_err(|e| (Fault::Tls, e.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(config));
        connector.connect(name, tcp).await.map_err(|e| (Fault::Tls, e.to_string()))
    }

    /// Asks the proxy for a tunnel to the target.
    async fn tunnel(&self, proxy: &Proxy, mut tcp: TcpStream) -> Result<TcpStream, Failed> {
        let refused = |why: String| (Fault::Refused, format!("the proxy gave no tunnel: {why}"));
        let mut head = format!("CONNECT {0}:{1} HTTP/1.1\r\nHost: {0}:{1}\r\n", self.host, self.port).into_bytes();
        if let Some(authorization) = &proxy.authorization {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(authorization.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        tcp.write_all(&head).await.map_err(|e| refused(e.to_string()))?;
        let mut reply = Vec::with_capacity(256);
        // Byte by byte: whatever follows the head belongs to the target.
        while !reply.ends_with(b"\r\n\r\n") {
            if reply.len() == PROXY_HEAD_MAX {
                return Err(refused("its reply has no end".into()));
            }
            reply.push(tcp.read_u8().await.map_err(|e| refused(e.to_string()))?);
        }
        let line = reply.split(|&b| b == b'\r').next().unwrap_or_default();
        match line.split(|&b| b == b' ').nth(1) {
            Some(b"200") => Ok(tcp),
            status => Err(refused(format!("status {}", String::from_utf8_lossy(status.unwrap_or(b"?"))))),
        }
    }
}

/// A TCP connection to the first address of `host` that takes one.
async fn dial(host: &str, port: u16, until: Instant) -> Result<TcpStream, Failed> {
    let found = tokio::net::lookup_host((host, port)).await.map_err(|e| (Fault::Resolve, e.to_string()))?;
    let addresses: Vec<SocketAddr> = found.collect();
    let mut last = (Fault::Resolve, "the name has no address".to_string());
    for (at, address) in addresses.iter().enumerate() {
        let now = now();
        let rest = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = (until.saturating_duration_since(now) / rest).max(ADDRESS_TIME_MIN);
        match timeout_at((now + share).min(until), TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Small writes must not wait for an acknowledgement; a socket that refuses the option still works.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(error)) => last = (Fault::Refused, error.to_string()),
            Err(_) => last = (Fault::ConnectTimeout, format!("{address} did not answer")),
        }
    }
    Err(last)
}

fn now() -> Instant {
    Instant::now()
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// In [`Meter::sent`]: not all of the request has been taken yet.
const UNDER_WAY: u64 = u64::MAX;
/// In [`Meter::sent`]: all of it has been taken, and not all of it is with the system.
const TAKEN: u64 = u64::MAX - 1;

/// What has passed over a connection, above TLS, and when a request was through.
#[derive(Debug)]
pub(crate) struct Meter {
    born: Instant,
    read: AtomicU64,
    written: AtomicU64,
    /// What had been written before the present request.
    before: AtomicU64,
    /// When the present request was with the system to its last byte, in nanoseconds since `born`; or
    /// [`UNDER_WAY`], or [`TAKEN`].
    sent: AtomicU64,
}

impl Meter {
    fn new(born: Instant) -> Meter {
        let zero = AtomicU64::default;
        Meter { born, read: zero(), written: zero(), before: zero(), sent: AtomicU64::new(UNDER_WAY) }
    }

    /// A request is about to be written; if it has no body, its head is all of it.
    pub(crate) fn begin(&self, is_bodiless: bool) {
        self.before.store(self.written(), Ordering::Relaxed);
        self.sent.store(if is_bodiless { TAKEN } else { UNDER_WAY }, Ordering::Relaxed);
    }

    /// The last of the request's body has been taken: with the next flush all of it is with the system.
    pub(crate) fn ended(&self) {
        self.sent.store(TAKEN, Ordering::Relaxed);
    }

    /// Everything that was written is with the system.
    fn flushed(&self) {
        if self.sent.load(Ordering::Relaxed) == TAKEN && self.written() > self.before.load(Ordering::Relaxed) {
            let passed = now().saturating_duration_since(self.born).as_nanos();
            self.sent.store(u64::try_from(passed).unwrap_or(UNDER_WAY).min(TAKEN - 1), Ordering::Relaxed);
        }
    }

    /// After how long, seen from `began`, the present request was with the system to its last byte.
    pub(crate) fn sent(&self, began: Instant) -> Option<Duration> {
        match self.sent.load(Ordering::Relaxed) {
            UNDER_WAY | TAKEN => None,
            passed => Some((self.born + Duration::from_nanos(passed)).saturating_duration_since(began)),
        }
    }

    /// Bytes received so far.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes given to the connection so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

/// A connection whose bytes are counted: the count tells "never sent" from "sent, and no answer".
pub struct Wire {
    stream: Stream,
    meter: Arc<Meter>,
}

impl Wire {
    fn new(stream: Stream, born: Instant) -> Wire {
        Wire { stream, meter: Arc::new(Meter::new(born)) }
    }

    /// Has the system look whether the other end still exists: after a silence of `after`, then every
    /// `every`. A socket that refuses the option still works.
    pub(crate) fn keep_alive(&self, after: Duration, every: Duration) {
        let tcp = match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        };
        let _ = SockRef::from(tcp).set_tcp_keepalive(&TcpKeepalive::new().with_time(after).with_interval(every));
    }

    /// The count, to look at later.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        };
        let read = buf.filled().len() - before;
        self.meter.read.fetch_add(read as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
        };
        self.count(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_write_vectored(cx, bufs),
        };
        self.count(polled)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        };
        if let Poll::Ready(Ok(())) = polled {
            self.meter.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}

impl Wire {
    fn count(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = &polled {
            self.meter.written.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_is_sent_when_its_last_byte_was_flushed_and_not_before() {
        let began = now();
        let pass = || tokio::time::advance(Duration::from_millis(1));
        let meter = Meter::new(began);
        for round in 0..2 {
            let began = now();
            meter.begin(false);
            pass().await;
            meter.written.fetch_add(9, Ordering::Relaxed);
            meter.flushed();
            assert_eq!(meter.sent(began), None, "its body is still being read");
            meter.ended();
            assert_eq!(meter.sent(began), None, "it is taken, and not flushed");
            pass().await;
            meter.flushed();
            pass().await;
            meter.flushed();
            assert_eq!(meter.sent(began), Some(Duration::from_millis(2)), "the first flush counts, round {round}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_before_anything_was_written_is_of_no_request() {
        let began = now();
        let meter = Meter::new(began);
        meter.written.fetch_add(40, Ordering::Relaxed);
        meter.begin(true);
        meter.flushed();
        assert_eq!(meter.sent(began), None, "what was written belongs to the one before");
        meter.written.fetch_add(9, Ordering::Relaxed);
        meter.flushed();
        assert_eq!(meter.sent(began), Some(Duration::ZERO));
    }
}
