//! What holds for any bytes whatever: read by the tests here and by the targets under `fuzz/`.

use seawall_core::request::Dialect;
use seawall_core::verdict::sse::{Ends, Scanner};
use seawall_core::verdict::stream::{End, Signal, Watch};
use seawall_core::verdict::usage::Usage;

/// All that a watch says of a stream.
pub(crate) type Story = (Signal, End, bool, bool, Option<u64>, Usage, (u64, u64));

/// `bytes` in pieces whose lengths are `sizes`, in turn; a size of 0 is an empty piece.
pub(crate) fn pieces<'a>(bytes: &'a [u8], sizes: &[u8]) -> Vec<&'a [u8]> {
    let (mut rest, mut pieces) = (bytes, Vec::new());
    if sizes.iter().all(|size| *size == 0) {
        return vec![bytes];
    }
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(usize::from(*size).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The scanner and the ends see the same, however the bytes come.
pub(crate) fn any_split_gives_the_same_events(bytes: &[u8], sizes: &[u8]) {
    let seen = |pieces: &[&[u8]]| {
        let (mut scanner, mut ends) = (Scanner::default(), Ends::default());
        let (mut events, mut at, mut whole) = (Vec::new(), 0, 0);
        for piece in pieces {
            scanner
                .push(piece, |event| {
                    let end = at + piece.len() - event.rest;
                    events.push((event.name.to_vec(), event.data.to_vec(), end));
                })
                .expect("shorter than a line may be");
            let more = ends.whole(piece);
            if more > 0 {
                whole = at + more;
            }
            at += piece.len();
        }
        // The LF of a CRLF belongs to the event before it, wherever the chunk ended.
        let within =
            |(name, data, end): (_, _, usize)| (name, data, end - usize::from(bytes[..end].ends_with(b"\r\n")));
        let events: Vec<_> = events.into_iter().map(within).collect();
        let unfinished = scanner.unfinished().to_vec();
        (events, scanner.is_mid_event(), unfinished, whole)
    };
    let whole = seen(&[bytes]);
    assert_eq!(seen(&pieces(bytes, sizes)), whole, "in pieces of {sizes:?}");
    assert_eq!(seen(&pieces(bytes, &[1])), whole, "byte by byte");
    // What ends where no event is under way holds every event that there is.
    assert!(whole.0.iter().all(|(_, _, end)| *end <= whole.3), "an event ends behind {}", whole.3);
}

/// A watch says the same, however the bytes come.
pub(crate) fn any_split_tells_the_same_story(dialect: Dialect, choices: u32, bytes: &[u8], sizes: &[u8]) {
    let told = |pieces: &[&[u8]]| -> Story {
        let mut watch = Watch::new(dialect, choices);
        let signal = pieces.iter().map(|piece| watch.push(piece)).max().unwrap_or(Signal::Meta);
        assert!(watch.bytes_after_error() <= bytes.len());
        assert_eq!(watch.end() == End::Failed, watch.error().is_some() && watch.end() != End::Complete);
        let counts = (watch.events(), watch.content_events());
        (signal, watch.end(), watch.is_terminal(), watch.has_content(), watch.sequence_number(), watch.usage(), counts)
    };
    let whole = told(&[bytes]);
    assert_eq!(told(&pieces(bytes, sizes)), whole, "{dialect} in pieces of {sizes:?}");
    assert_eq!(told(&pieces(bytes, &[1])), whole, "{dialect} byte by byte");
}

/// Bytes of a fuzzer: a byte for the dialect, one for the choices, one for how many sizes follow.
pub(crate) fn story_of(input: &[u8]) {
    let [dialect, choices, sizes, rest @ ..] = input else { return };
    let dialect = Dialect::ALL[usize::from(*dialect) % Dialect::ALL.len()];
    let (sizes, stream) = rest.split_at(usize::from(*sizes % 16).min(rest.len()));
    any_split_tells_the_same_story(dialect, u32::from(*choices), stream, sizes);
}

/// Bytes of a fuzzer: a byte for how many sizes follow.
pub(crate) fn events_of(input: &[u8]) {
    let [sizes, rest @ ..] = input else { return };
    let (sizes, stream) = rest.split_at(usize::from(*sizes % 16).min(rest.len()));
    any_split_gives_the_same_events(stream, sizes);
}
