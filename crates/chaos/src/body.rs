//! Bodies of requests: by length or in chunks, kept up to a bound, counted beyond it.
//!
//! A body is kept up to [`BODY_KEPT_MAX`], and all bodies together up to [`ALL_KEPT_MAX`];
//! beyond, it is read, counted and hashed, but forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use crate::stats::Fnv;
use crate::wire::Wire;

/// The largest body that is kept.
pub const BODY_KEPT_MAX: usize = 64 * 1024 * 1024;
/// The largest body that is read at all.
pub const BODY_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// All bodies kept at one time, apart from the first [`FREE_BYTES`] of each.
pub const ALL_KEPT_MAX: usize = 512 * 1024 * 1024;
/// Of each body, this much is not counted against [`ALL_KEPT_MAX`].
pub const FREE_BYTES: usize = 64 * 1024;
/// The longest line with the length of a chunk.
const CHUNK_LINE_MAX: usize = 1024;
/// Room made for each read of a body.
const BODY_READ_BYTES: usize = 128 * 1024;

/// How long a sender may pause in the middle of a request.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The longest trailer, and the most of them.
const TRAILER_BYTES_MAX: usize = 8 * 1024;
const TRAILERS_MAX: usize = 64;

/// Why there is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The sender left, or paused for too long.
    Cut,
    /// It was not a request; the status and the reason to answer.
    Malformed(u16, &'static str),
}

/// What two readers could read differently, or nobody can.
pub(crate) const fn malformed(reason: &'static str) -> Bad {
    Bad::Malformed(400, reason)
}

/// The body of a request, as far as it is kept.
#[derive(Debug)]
pub(crate) struct Body {
    kept: Vec<u8>,
    is_kept: bool,
    bytes: u64,
    fnv: Option<Fnv>,
    reserved: usize,
    all_kept: Arc<AtomicUsize>,
}

impl Drop for Body {
    fn drop(&mut self) {
        self.release();
    }
}

impl Body {
    pub(crate) fn new(all_kept: Arc<AtomicUsize>) -> Body {
        Body { kept: Vec::new(), is_kept: true, bytes: 0, fnv: None, reserved: 0, all_kept }
    }

    /// The whole body, or nothing if it was not kept.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.kept
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Its length, kept or not.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its hash, if it was hashed.
    pub(crate) fn fnv(&self) -> Option<u64> {
        self.fnv.map(Fnv::value)
    }

    /// Begins with the next body, which is hashed or not.
    pub(crate) fn begin(&mut self, hashes: bool) {
        self.fnv = hashes.then(Fnv::default);
        self.kept.clear();
        self.kept.shrink_to(FREE_BYTES);
        self.release();
        self.is_kept = true;
        self.bytes = 0;
    }

    fn release(&mut self) {
        self.all_kept.fetch_sub(self.reserved, Ordering::Relaxed);
        self.reserved = 0;
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let Some(fnv) = &mut self.fnv {
            fnv.add(bytes);
        }
        if self.is_kept && !self.reserve(self.kept.len() + bytes.len()) {
            self.is_kept = false;
            self.kept = Vec::new();
            self.release();
        }
        if self.is_kept {
            self.kept.extend_from_slice(bytes);
        }
    }

    /// Whether `total` bytes may be kept.
    fn reserve(&mut self, total: usize) -> bool {
        let wanted = total.saturating_sub(FREE_BYTES).saturating_sub(self.reserved);
        if total > BODY_KEPT_MAX {
            return false;
        }
        if wanted == 0 {
            return true;
        }
        let before = self.all_kept.fetch_add(wanted, Ordering::Relaxed);
        self.reserved += wanted;
        before + wanted <= ALL_KEPT_MAX
    }

    pub(crate) async fn read_length(&mut self, wire: &mut Wire, length: u64) -> Result<(), Bad> {
        let mut left = length;
        loop {
            let ready = wire.input().len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.add(&wire.input()[..ready]);
            wire.consume(ready);
            left -= u64::try_from(ready).unwrap_or(u64::MAX);
            if left == 0 {
                return Ok(());
            }
            more(wire).await?;
        }
    }

    pub(crate) async fn read_chunked(&mut self, wire: &mut Wire) -> Result<(), Bad> {
        loop {
            let size = read_line(wire, CHUNK_LINE_MAX).await?;
            let size = std::str::from_utf8(&size).ok().and_then(|line| line.split(';').next()).map(str::trim_ascii);
            let size = size.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let size = size
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .ok_or(malformed("not the length of a chunk"))?;
            if size == 0 {
                break;
            }
            if self.bytes.saturating_add(size) > BODY_BYTES_MAX {
                return Err(Bad::Malformed(413, "body too large"));
            }
            self.read_length(wire, size).await?;
            if !read_line(wire, CHUNK_LINE_MAX).await?.is_empty() {
                return Err(malformed("a chunk longer than it says"));
            }
        }
        // Trailers, which nobody asks for.
        for _ in 0..=TRAILERS_MAX {
            if read_line(wire, TRAILER_BYTES_MAX).await?.is_empty() {
                return Ok(());
            }
        }
        Err(Bad::Malformed(431, "too many trailers"))
    }
}

async fn more(wire: &mut Wire) -> Result<(), Bad> {
    match timeout(PAUSE_MAX, wire.fill(BODY_READ_BYTES)).await {
        Ok(Ok(1..)) => Ok(()),
        _ => Err(Bad::Cut),
    }
}

/// The next line without its end.
async fn read_line(wire: &mut Wire, max: usize) -> Result<Vec<u8>, Bad> {
    loop {
        if let Some(feed) = wire.input().iter().take(max + 2).position(|byte| *byte == b'\n') {
            let end = feed.checked_sub(1).filter(|end| wire.input()[*end] == b'\r');
            let line = wire.input()[..end.ok_or(malformed("a line feed without a carriage return"))?].to_vec();
            wire.consume(feed + 1);
            return Ok(line);
        }
        if wire.input().len() > max {
            return Err(malformed("a line too long"));
        }
        more(wire).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_to_its_limit_and_counted_beyond() {
        let all = Arc::new(AtomicUsize::new(0));
        let mut body = Body::new(Arc::clone(&all));
        body.begin(true);
        let piece = vec![b'a'; BODY_KEPT_MAX];
        body.add(&piece);
        assert_eq!((body.kept().len(), body.is_kept()), (BODY_KEPT_MAX, true));
        assert_eq!(all.load(Ordering::Relaxed), BODY_KEPT_MAX - FREE_BYTES);
        body.add(b"b");
        assert_eq!((body.kept().len(), body.is_kept(), body.bytes()), (0, false, 64 * 1024 * 1024 + 1));
        assert_eq!(all.load(Ordering::Relaxed), 0);
        all.store(ALL_KEPT_MAX, Ordering::Relaxed);
        body.begin(false);
        body.add(&piece[..FREE_BYTES]);
        assert!(body.is_kept());
        body.add(b"c");
        assert!(!body.is_kept());
        assert_eq!(all.load(Ordering::Relaxed), ALL_KEPT_MAX);
    }
}
