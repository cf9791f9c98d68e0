//! One direction of a WebSocket: bytes from here to there, through one small buffer.
//!
//! Nothing is read before everything that was read has been written, so a slow receiver slows the
//! sender, and no more than the buffer is ever held. Bytes pass as they came; on the way it is
//! noted where their frames end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::frames::Frames;
use super::loud::now;

/// Bytes held in one direction, beside what hyper had read ahead of a 101 (at most its own buffer).
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;

/// Bytes on their way.
pub(crate) struct Lane {
    /// What was read before there was a lane.
    early: Bytes,
    buffer: Box<[u8]>,
    waiting: std::ops::Range<usize>,
    is_flushed: bool,
    frames: Frames,
    passed: u64,
    /// Since when the receiver takes nothing.
    blocked: Option<Instant>,
    /// Whether it is to end with the frame that is under way.
    stops: bool,
}

/// How a lane ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The sender has no more to say. All that came has been passed on.
    Over,
    /// It could not be read from.
    Unreadable(io::Error),
    /// It could not be written to.
    Unwritable,
    /// It was told to stop, and is between two frames.
    Stopped,
}

impl Lane {
    pub(crate) fn new(early: Bytes) -> Lane {
        Lane {
            early,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            waiting: 0..0,
            is_flushed: true,
            frames: Frames::default(),
            passed: 0,
            blocked: None,
            stops: false,
        }
    }

    /// Where it is among the frames that passed.
    pub(crate) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// Bytes that passed.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// Since when the receiver takes nothing, if something waits for it.
    pub(crate) fn blocked(&self) -> Option<Instant> {
        self.blocked
    }

    /// Ends it with the frame that is under way; what waits behind that is not passed on.
    pub(crate) fn stop(&mut self) {
        self.stops = true;
    }

    /// Moves what can be moved; ready when there is nothing more to move.
    pub(crate) fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<End>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if self.stops && self.frames.is_at_boundary() {
                return Poll::Ready(End::Stopped);
            }
            if !self.early.is_empty() || !self.waiting.is_empty() {
                if ready!(self.poll_write(cx, to)).is_err() {
                    return Poll::Ready(End::Unwritable);
                }
                continue;
            }
            let mut buf = ReadBuf::new(&mut self.buffer);
            match Pin::new(&mut *from).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) => match buf.filled().len() {
                    0 => return Poll::Ready(End::Over),
                    count => self.waiting = 0..count,
                },
                Poll::Ready(Err(error)) => return Poll::Ready(End::Unreadable(error)),
                Poll::Pending => {
                    if !self.is_flushed {
                        if ready!(Pin::new(&mut *to).poll_flush(cx)).is_err() {
                            return Poll::Ready(End::Unwritable);
                        }
                        self.is_flushed = true;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_write<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<io::Result<()>> {
        let is_early = !self.early.is_empty();
        let bytes = if is_early { &self.early[..] } else { &self.buffer[self.waiting.clone()] };
        let bytes = if self.stops { &bytes[..self.frames.rest(bytes)] } else { bytes };
        let polled = Pin::new(to).poll_write(cx, bytes);
        let Poll::Ready(written) = polled else {
            self.blocked.get_or_insert_with(now);
            return Poll::Pending;
        };
        self.blocked = None;
        let count = match written? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => count,
        };
        self.frames.pass(&bytes[..count]);
        self.passed += count as u64;
        self.is_flushed = false;
        if is_early {
            let _ = self.early.split_to(count);
        } else {
            self.waiting.start += count;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    async fn poll_once(lane: &mut Lane, from: &mut DuplexStream, to: &mut DuplexStream) -> Poll<End> {
        std::future::poll_fn(|cx| Poll::Ready(lane.poll(cx, from, to))).await
    }

    #[tokio::test]
    async fn no_more_is_read_than_the_buffer_holds() {
        let all = 10 * BUFFER_BYTES;
        let ((mut from, mut sender), (mut to, mut receiver)) = (duplex(all), duplex(1));
        sender.write_all(&vec![7; all]).await.unwrap();
        let mut lane = Lane::new(Bytes::new());
        assert!(poll_once(&mut lane, &mut from, &mut to).await.is_pending());
        assert!(lane.blocked().is_some());
        let mut left = vec![0; all];
        assert_eq!(from.read(&mut left).await.unwrap(), all - BUFFER_BYTES);
        // What is taken lets it go on.
        receiver.read_u8().await.unwrap();
        assert!(poll_once(&mut lane, &mut from, &mut to).await.is_pending());
        assert_eq!(lane.passed(), 2);
    }

    #[tokio::test]
    async fn it_stops_between_two_frames_and_passes_nothing_of_the_next() {
        let frames = [&[0x81, 3][..], b"abc", &[0x82, 2], b"de"].concat();
        for stop_at in 1..frames.len() {
            let ((mut from, mut sender), (mut to, mut receiver)) = (duplex(64), duplex(stop_at));
            sender.write_all(&frames).await.unwrap();
            let mut lane = Lane::new(Bytes::new());
            assert!(poll_once(&mut lane, &mut from, &mut to).await.is_pending());
            lane.stop();
            let mut passed = vec![0; 64];
            let mut length = receiver.read(&mut passed).await.unwrap();
            while poll_once(&mut lane, &mut from, &mut to).await.is_pending() {
                length += receiver.read(&mut passed[length..]).await.unwrap();
            }
            drop(to);
            while let read @ 1.. = receiver.read(&mut passed[length..]).await.unwrap() {
                length += read;
            }
            let end = if stop_at <= 5 { 5 } else { frames.len() };
            assert_eq!(passed[..length], frames[..end], "stopped at {stop_at}");
        }
    }

    #[tokio::test]
    async fn what_was_read_before_there_was_a_lane_comes_first() {
        let ((mut from, mut sender), (mut to, mut receiver)) = (duplex(64), duplex(64));
        sender.write_all(b" behind").await.unwrap();
        drop(sender);
        let mut lane = Lane::new(Bytes::from_static(b"early"));
        assert!(matches!(poll_once(&mut lane, &mut from, &mut to).await, Poll::Ready(End::Over)));
        drop(to);
        let mut all = String::new();
        receiver.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "early behind");
    }
}
