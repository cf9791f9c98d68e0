//! Where one frame of a WebSocket ends and the next begins (RFC 6455, 5.2).
//!
//! Seawall says something of its own on a WebSocket in one case only: when it must end it. A close
//! frame in the middle of another frame would be taken for a piece of it, so the headers of frames
//! are counted along, and nothing else is looked at: payloads pass unseen, compressed or not.

use std::ops::Range;

/// Why a WebSocket is closed: the codes of RFC 6455, 7.4.1 that are said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// This server is shutting down.
    GoingAway = 1001,
    /// Something unexpected kept the server from going on.
    InternalError = 1011,
}

/// A control frame has no more payload than this; two bytes of it are the code.
const REASON_BYTES_MAX: usize = 123;
/// The opcode of a close frame.
const CLOSE: u8 = 0x8;
/// The key under which our own frames to an upstream are masked. Masking keeps a page from writing
/// bytes of its choice to a socket; what is masked here is a text of our own.
const MASK: [u8; 4] = *b"wall";

/// One direction of a WebSocket, as far as it has passed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frames {
    state: State,
    has_closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Between two frames.
    #[default]
    Boundary,
    /// The first byte of a header is known.
    Begun { opcode: u8 },
    /// So many bytes of the length are to come; then those of the key, if there is one.
    Length { opcode: u8, left: u8, length: u64, key: u8 },
    /// So many bytes of key and payload are to come.
    Rest { opcode: u8, left: u64 },
    /// A length of more than 63 bits: whatever this is, its frames cannot be told apart.
    Lost,
}

impl Frames {
    /// Whether the last frame has passed whole, and the next not begun.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.state == State::Boundary
    }

    /// Whether a close frame has passed whole.
    pub(crate) fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// These bytes pass.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let count = self.step(bytes);
            bytes = &bytes[count..];
        }
    }

    /// How many of `bytes`, which come next, belong to the frame that has begun.
    pub(crate) fn rest(&self, bytes: &[u8]) -> usize {
        let (mut ahead, mut rest) = (self.clone(), 0);
        while !ahead.is_at_boundary() && rest < bytes.len() {
            rest += ahead.step(&bytes[rest..]);
        }
        rest
    }

    /// Takes in a part of a frame, at most to its end; how many bytes that were. At least one.
    fn step(&mut self, bytes: &[u8]) -> usize {
        let Some(&first) = bytes.first() else { return 0 };
        let (state, count) = match self.state {
            State::Lost => (State::Lost, bytes.len()),
            State::Boundary => (State::Begun { opcode: first & 0x0f }, 1),
            State::Begun { opcode } => {
                let key = if first & 0x80 == 0 { 0 } else { 4 };
                let state = match first & 0x7f {
                    126 => State::Length { opcode, left: 2, length: 0, key },
                    127 => State::Length { opcode, left: 8, length: 0, key },
                    length => State::Rest { opcode, left: u64::from(length) + u64::from(key) },
                };
                (state, 1)
            }
            State::Length { opcode, left, length, key } => {
                let (length, left) = (length << 8 | u64::from(first), left - 1);
                let state = match left {
                    0 if length > i64::MAX.unsigned_abs() => State::Lost,
                    0 => State::Rest { opcode, left: length + u64::from(key) },
                    _ => State::Length { opcode, left, length, key },
                };
                (state, 1)
            }
            State::Rest { opcode, left } => {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                (State::Rest { opcode, left: left - count as u64 }, count)
            }
        };
        self.state = match state {
            State::Rest { opcode, left: 0 } => {
                self.has_closed |= opcode == CLOSE;
                State::Boundary
            }
            state => state,
        };
        count
    }
}

/// A close frame from a server: with `code`, and as much of `reason` as has room in one.
pub(crate) fn close(code: Code, reason: &str) -> Vec<u8> {
    frame(code, reason).0
}

/// The same from a client, whose frames are masked.
pub(crate) fn masked_close(code: Code, reason: &str) -> Vec<u8> {
    let (mut frame, payload) = frame(code, reason);
    for (at, byte) in frame[payload.clone()].iter_mut().enumerate() {
        *byte ^= MASK[at % MASK.len()];
    }
    frame[1] |= 0x80;
    frame.splice(payload.start..payload.start, MASK);
    frame
}

/// A close frame, and where its payload is.
fn frame(code: Code, reason: &str) -> (Vec<u8>, Range<usize>) {
    let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
    let length = u8::try_from(2 + reason.len()).expect("bounded above");
    let mut frame = vec![0x80 | CLOSE, length];
    frame.extend_from_slice(&(code as u16).to_be_bytes());
    frame.extend_from_slice(reason.as_bytes());
    let payload = 2..frame.len();
    (frame, payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame as RFC 6455 writes it: opcode, masked or not, so many bytes.
    fn framed(opcode: u8, is_masked: bool, payload: &[u8]) -> Vec<u8> {
        let mask = if is_masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            length @ 126..0x1_0000 => {
                frame.push(mask | 126);
                frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                frame.push(mask | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        if is_masked {
            frame.extend_from_slice(&[1, 2, 3, 4]);
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let length = prop_oneof![0..4_usize, 124..128_usize, 300..301_usize, 65_534..65_538_usize];
        let frame = (prop_oneof![Just(0_u8), Just(1), Just(2), Just(8), Just(9)], any::<bool>(), length, any::<u8>());
        let frame = frame.prop_map(|(opcode, is_masked, length, fill)| framed(opcode, is_masked, &vec![fill; length]));
        prop::collection::vec(frame, 0..5)
    }

    proptest! {
        #[test]
        fn any_chunking_finds_the_same_boundaries(frames in frames(), cuts in prop::collection::vec(1..70_000_usize, 0..12)) {
            let ends: Vec<usize> = frames
                .iter()
                .scan(0, |end, frame| { *end += frame.len(); Some(*end) })
                .collect();
            let bytes = frames.concat();
            let mut tracker = Frames::default();
            let mut at = 0_usize;
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let next = at.saturating_add(cut).min(bytes.len());
                tracker.pass(&bytes[at..next]);
                at = next;
                prop_assert_eq!(tracker.is_at_boundary(), at == 0 || ends.contains(&at), "at {}", at);
                let end = ends.iter().copied().find(|end| *end >= at).unwrap_or(at);
                let rest = if tracker.is_at_boundary() { 0 } else { end - at };
                prop_assert_eq!(tracker.rest(&bytes[at..]), rest, "from {}", at);
                let closed = frames.iter().zip(&ends).any(|(frame, end)| frame[0] & 0x0f == CLOSE && *end <= at);
                prop_assert_eq!(tracker.has_closed(), closed, "at {}", at);
            }
        }

        #[test]
        fn no_bytes_whatsoever_can_upset_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (mut whole, mut single) = (Frames::default(), Frames::default());
            whole.pass(&bytes);
            for byte in &bytes {
                single.pass(std::slice::from_ref(byte));
            }
            prop_assert_eq!((whole.state, whole.has_closed), (single.state, single.has_closed));
            prop_assert!(whole.rest(&bytes) <= bytes.len());
        }
    }

    #[test]
    fn a_length_ends_at_63_bits_and_after_that_there_is_no_boundary() {
        let mut frames = Frames::default();
        frames.pass(&[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_ne!(frames.state, State::Lost);
        let mut frames = Frames::default();
        frames.pass(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(frames.state, State::Lost);
        frames.pass(&framed(CLOSE, false, b""));
        assert!(!frames.is_at_boundary() && !frames.has_closed());
        assert_eq!(frames.rest(b"abc"), 3);
    }

    #[test]
    fn our_own_close_is_one_whole_frame_whatever_the_reason() {
        for (reason, length) in [("", 2), ("going", 7), (&"x".repeat(200)[..], 125), (&"é".repeat(100), 124)] {
            let frame = close(Code::GoingAway, reason);
            assert_eq!((frame[0], usize::from(frame[1]), frame.len()), (0x88, length, length + 2), "{reason}");
            assert_eq!(frame[2..4], [0x03, 0xe9]);
            let masked = masked_close(Code::InternalError, reason);
            assert_eq!((masked[1] & 0x80, masked.len()), (0x80, length + 6));
            assert_eq!([masked[6] ^ MASK[0], masked[7] ^ MASK[1]], [0x03, 0xf3]);
            for frame in [frame, masked] {
                let mut frames = Frames::default();
                frames.pass(&frame);
                assert!(frames.is_at_boundary() && frames.has_closed());
            }
        }
    }
}
