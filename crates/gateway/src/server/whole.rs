//! A stream on its way out goes event by event, however it came.
//!
//! Only then can its last event be one of ours that every reader understands: see
//! [`seawall_core::verdict::sse::Ends`]. What has come of an unfinished event is kept until its end
//! has come too; no reader could have made anything of it. The bytes stay what they were.

use bytes::Bytes;
use seawall_core::verdict::sse::Ends;

/// The most that is kept of an unfinished event. Of a larger one the pieces go as they come: those
/// are images, whose readers want them soon, and memory per stream is bounded.
pub(crate) const KEPT_MAX: usize = 16 * 1024;

/// Pieces in, whole events out.
#[derive(Default)]
pub(crate) struct Whole {
    ends: Ends,
    kept: Vec<u8>,
    /// What has gone ends in the middle of an event, because it was too large to keep.
    is_half: bool,
}

impl Whole {
    /// Takes the next piece, and gives what can go now.
    pub(crate) fn push(&mut self, mut piece: Bytes) -> Option<Bytes> {
        let mut whole = self.ends.whole(&piece);
        let before = if whole == 0 { self.kept.len() } else { 0 };
        let is_too_large = before + piece.len() - whole > KEPT_MAX;
        self.is_half = is_too_large || (self.is_half && whole == 0);
        if is_too_large {
            whole = piece.len();
        }
        let rest = piece.split_off(whole);
        if whole > 0 && !self.kept.is_empty() {
            self.kept.extend_from_slice(&piece);
            piece = self.take();
        }
        self.kept.extend_from_slice(&rest);
        (!piece.is_empty()).then_some(piece)
    }

    /// `event` as it must follow what has gone: half an event must not swallow it. Elsewhere an
    /// empty line too many does harm: Python makes an event without data of it, once there have
    /// been ids.
    pub(crate) fn behind(&self, event: Bytes) -> Bytes {
        if self.is_half { Bytes::from([b"\n\n", &event[..]].concat()) } else { event }
    }

    /// What is kept, for a stream that is over: its last event may lack its end and still be meant.
    pub(crate) fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(whole: &mut Whole, pieces: &[&'static str]) -> Vec<Bytes> {
        pieces.iter().filter_map(|piece| whole.push(Bytes::from_static(piece.as_bytes()))).collect()
    }

    #[test]
    fn pieces_come_out_as_events() {
        let mut whole = Whole::default();
        let pieces = ["data: 1\n\nda", "ta: ", "2\n", "\n: ping\n", "data: 3\n\ndata: 4\n\n", "data: [DONE]\n"];
        let out = all(&mut whole, &pieces);
        assert_eq!(out, ["data: 1\n\n", "data: 2\n\n: ping\n", "data: 3\n\ndata: 4\n\n"]);
        assert_eq!(whole.take(), "data: [DONE]\n");
    }

    #[test]
    fn an_event_larger_than_what_is_kept_goes_as_it_comes() {
        let mut whole = Whole::default();
        let piece = Bytes::from(vec![b'x'; KEPT_MAX]);
        assert_eq!(whole.push(piece.clone()), None);
        let out = whole.push(Bytes::from_static(b"y")).map(|out| out.len());
        assert_eq!((out, whole.kept.capacity()), (Some(KEPT_MAX + 1), 0));
        assert_eq!(whole.push(Bytes::from_static(b"y")), None);
        assert_eq!(whole.behind(Bytes::from_static(b"data: e")), "\n\ndata: e");
        let out = whole.push(Bytes::from(vec![b'x'; KEPT_MAX])).map(|out| out.len());
        assert_eq!(out, Some(KEPT_MAX + 1));
        assert_eq!(all(&mut whole, &["z", "\n\ndata:"]), ["z\n\n"]);
        assert_eq!(whole.behind(Bytes::from_static(b"data: e")), "data: e");
        assert_eq!(whole.take(), "data:");
    }
}
