//! What a message shares with the request it answers.
//!
//! A run of at least twelve bytes is a chain of windows of twelve, so it is enough to know which of
//! the message's windows occur in the request. A window holds, at one of four places, eight bytes
//! that begin at a multiple of four in the request: only there is the request looked at, through a
//! bit filter that lets hardly anything pass. Linear whatever the bytes are: no window is compared
//! with more than a few candidates.
//!
//! Both sides count as they are and with their JSON escapes resolved, so that an é is found however
//! either of them spells it.

use http::HeaderMap;

use super::{Cover, ECHO_BYTES_MIN, Mark};
use crate::json;

/// Bytes of the request that are unescaped at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// The bytes that the filter looks at, and the distance at which it looks. Together they must fit
/// into a window, one byte over.
const PROBE: usize = 8;
const STRIDE: usize = 4;
const _: () = assert!(PROBE + STRIDE <= ECHO_BYTES_MIN);

/// Covers what `cover`'s text shares with the request.
pub(super) fn cover(cover: &mut Cover<'_>, headers: &HeaderMap, body: &[u8]) {
    let text = cover.text.as_bytes();
    let plain: Vec<usize> = (0..=text.len()).collect();
    let (unescaped, origins) = unescape(text);
    let mut windows = Windows::of(text.windows(ECHO_BYTES_MIN).chain(unescaped.windows(ECHO_BYTES_MIN)));
    for value in headers.values() {
        windows.search(value.as_bytes());
    }
    windows.search(body);
    windows.search_unescaped(body);
    for (bytes, origins) in [(text, &plain), (&unescaped[..], &origins)] {
        for (at, window) in bytes.windows(ECHO_BYTES_MIN).enumerate() {
            if windows.is_shared(window) {
                cover.mark(origins[at]..origins[at + ECHO_BYTES_MIN], Mark::Input);
            }
        }
    }
}

/// `text` with its escapes resolved, and for each byte, and for the end, where it came from. Empty
/// if there are none to resolve.
fn unescape(text: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut origins) = (Vec::new(), Vec::new());
    if memchr::memchr(b'\\', text).is_none() {
        return (bytes, origins);
    }
    let mut at = 0;
    while at < text.len() {
        let escaped = if text[at] == b'\\' { json::escape(&text[at + 1..]) } else { None };
        let (mut buffer, start) = ([0; 4], at);
        let piece = match escaped {
            Some((character, rest)) => {
                at = text.len() - rest.len();
                character.encode_utf8(&mut buffer).as_bytes()
            }
            None => {
                at += 1;
                &text[start..at]
            }
        };
        bytes.extend_from_slice(piece);
        origins.extend(piece.iter().map(|_| start));
    }
    origins.push(text.len());
    (bytes, origins)
}

/// A window of the message.
type Window = [u8; ECHO_BYTES_MIN];

/// The windows of a message, and which of them occur in what was searched.
struct Windows {
    /// Each different window, and whether it was found.
    known: Vec<(Window, bool)>,
    /// Open addressing into `known`, one more than the index; 0 is free. At most a quarter full.
    slots: Vec<u32>,
    /// One bit for the hash of each window's every probe.
    filter: Vec<u64>,
    /// How many have not been found yet.
    missing: usize,
}

impl Windows {
    fn of<'a>(list: impl Iterator<Item = &'a [u8]>) -> Self {
        let list: Vec<Window> = list.filter_map(|window| window.try_into().ok()).collect();
        let size = (list.len() * 4).next_power_of_two().max(64);
        let mut windows = Windows { known: Vec::new(), slots: vec![0; size], filter: vec![0; size / 4], missing: 0 };
        for window in list {
            windows.add(window);
        }
        windows
    }

    fn add(&mut self, window: Window) {
        if let Err(slot) = self.find(&window) {
            self.known.push((window, false));
            self.missing += 1;
            self.slots[slot] = u32::try_from(self.known.len()).expect("two windows a byte of a bounded text");
            for at in 0..STRIDE {
                let bit = self.filter_bit(probe(&window[at..]));
                self.filter[bit / 64] |= 1 << (bit % 64);
            }
        }
    }

    /// The index of a window, or the slot where it belongs.
    fn find(&self, window: &Window) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let tail = u64::from(u32::from_le_bytes([window[8], window[9], window[10], window[11]]));
        let mut slot = spread(probe(window) ^ tail.rotate_left(29)) & mask;
        loop {
            match self.slots[slot] {
                0 => return Err(slot),
                number if self.known[number as usize - 1].0 == *window => return Ok(number as usize - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    #[inline]
    fn filter_bit(&self, probe: u64) -> usize {
        spread(probe) & (self.filter.len() * 64 - 1)
    }

    fn is_shared(&self, window: &[u8]) -> bool {
        window.try_into().is_ok_and(|window| self.find(window).is_ok_and(|index| self.known[index].1))
    }

    /// Notes which windows occur in `bytes`.
    fn search(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while self.missing > 0
            && let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<PROBE>)
        {
            let bit = self.filter_bit(u64::from_le_bytes(*word));
            if self.filter[bit / 64] >> (bit % 64) & 1 == 1 {
                // The windows whose first multiple of four is here.
                for start in at.saturating_sub(STRIDE - 1)..=at {
                    self.note(bytes, start);
                }
            }
            at += STRIDE;
        }
    }

    fn note(&mut self, bytes: &[u8], start: usize) {
        if let Some(window) = bytes[start..].first_chunk()
            && let Ok(index) = self.find(window)
            && !std::mem::replace(&mut self.known[index].1, true)
        {
            self.missing -= 1;
        }
    }

    /// Notes which windows occur in `bytes` once its escapes are resolved.
    fn search_unescaped(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        let mut piece = Vec::new();
        while self.missing > 0
            && let Some(quiet) = memchr::memchr(b'\\', rest)
        {
            // What is quiet was searched as it is, but for the bytes next to an escape.
            let near = &rest[quiet.saturating_sub(ECHO_BYTES_MIN)..quiet];
            if near.len() < quiet {
                let after = &rest[..ECHO_BYTES_MIN];
                piece.extend_from_slice(after);
                self.search(&piece);
                piece.clear();
            }
            piece.extend_from_slice(near);
            match json::escape(&rest[quiet + 1..]) {
                Some((character, after)) => {
                    piece.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = after;
                }
                None => {
                    piece.push(b'\\');
                    rest = &rest[quiet + 1..];
                }
            }
            if piece.len() >= PIECE_BYTES {
                self.search(&piece);
                piece.drain(..piece.len() - ECHO_BYTES_MIN);
            }
        }
        piece.extend_from_slice(&rest[..rest.len().min(ECHO_BYTES_MIN)]);
        self.search(&piece);
    }
}

#[inline]
fn probe(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

/// The high bits of a product: each depends on every bit of the word.
#[inline]
fn spread(word: u64) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}
