//! Where a request belongs in a trace: W3C Trace Context, read strictly and written plainly.
//!
//! A caller's `traceparent` is taken or it is not: of one that breaks a rule of its standard nothing is kept, and
//! its `tracestate` goes with it. Without one the trace begins here, and its id is the request's own: whoever has
//! `x-seawall-request-id` from a header, the log or the journal has the trace too.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The caller's place in its trace.
pub(super) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What the tracers on the way have to say to each other.
pub(super) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// What the caller's application has to say to everybody behind it.
static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// The longest `tracestate` that is passed on, in bytes: what every tracer has to bear, by its standard.
const STATE_BYTES_MAX: usize = 512;
/// The most entries of one, by its standard.
const STATE_ENTRIES_MAX: usize = 32;
/// The length of a `traceparent` of version 00.
const PARENT_BYTES: usize = 55;
/// The flag of a caller that keeps its part of the trace.
const SAMPLED: u8 = 1;
/// The flag of a trace whose id was drawn by chance.
const RANDOM: u8 = 2;
/// The low bits of a trace id that chance decides by: those that are drawn.
const CHANCE_BITS: u32 = 56;

/// What is done with the trace of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// It is not looked at, and goes nowhere.
    Off,
    /// It goes on here, and ends here.
    Accept,
    /// It goes on here and at the upstreams.
    Forward,
}

/// The place of whoever calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

impl Parent {
    /// What `traceparent` says, if there is exactly one and it is right in every point.
    pub(super) fn of(headers: &HeaderMap) -> Option<Parent> {
        let mut all = headers.get_all(&TRACEPARENT).iter();
        let (Some(one), None) = (all.next(), all.next()) else { return None };
        Parent::parse(one.as_bytes())
    }

    /// `VERSION-TRACE-SPAN-FLAGS`, in lower-case hexadecimal digits. A later version may go on behind it.
    fn parse(text: &[u8]) -> Option<Parent> {
        let version = bytes::<1>(text.get(..2)?)?[0];
        let is_whole = match version {
            0 => text.len() == PARENT_BYTES,
            0xff => false,
            _ => text.len() == PARENT_BYTES || text.get(PARENT_BYTES) == Some(&b'-'),
        };
        let dashes = [2, 35, 52].iter().all(|at| text.get(*at) == Some(&b'-'));
        if !is_whole || !dashes {
            return None;
        }
        let parent =
            Parent { trace: bytes(&text[3..35])?, span: bytes(&text[36..52])?, flags: bytes::<1>(&text[53..55])?[0] };
        (parent.trace != [0; 16] && parent.span != [0; 8]).then_some(parent)
    }
}

/// Exactly `N` bytes of lower-case hexadecimal digits.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut found = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (at, pair) in found.iter_mut().zip(digits.chunks_exact(2)) {
        *at = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(found)
}

/// A request's place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// The trace.
    pub(super) trace: [u8; 16],
    /// The request.
    pub(super) span: [u8; 8],
    /// Whoever called, if it has a place in the trace.
    pub(super) parent: Option<[u8; 8]>,
    /// `tracestate`, as it came.
    pub(super) state: String,
    /// As they are passed on.
    pub(super) flags: u8,
}

impl Context {
    /// The place of the request with this id. Of the traces that begin here, `sample_ppm` in a million are picked;
    /// a caller's own is as its caller decided.
    pub(super) fn of(request: &str, headers: &HeaderMap, propagation: Propagation, sample_ppm: u32) -> Context {
        let own = own(request);
        let span = span(low(own), 0);
        let parent = if propagation == Propagation::Off { None } else { Parent::of(headers) };
        match parent {
            Some(Parent { trace, span: parent, flags }) => {
                let state = state(headers).unwrap_or_default();
                Context { trace, span, parent: Some(parent), state, flags: flags & (SAMPLED | RANDOM) }
            }
            None => {
                let flags = if is_picked(low(own), sample_ppm) { SAMPLED } else { 0 };
                Context { trace: own, span, parent: None, state: String::new(), flags }
            }
        }
    }

    /// Whether it is kept however it ends.
    pub(super) fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The place of an attempt: another for each, and the same whoever asks.
    pub(super) fn attempt(&self, number: u32) -> [u8; 8] {
        span(u64::from_be_bytes(self.span), u64::from(number))
    }

    /// What an attempt tells its upstream.
    pub(super) fn traceparent(&self, number: u32) -> HeaderValue {
        let mut text = String::with_capacity(PARENT_BYTES);
        text.push_str("00-");
        hex(&mut text, &self.trace);
        text.push('-');
        hex(&mut text, &self.attempt(number));
        text.push('-');
        hex(&mut text, &[self.flags]);
        HeaderValue::try_from(text).expect("hexadecimal digits and dashes")
    }
}

/// Whether a header speaks of a trace, or of what its application tells everybody behind it.
pub(crate) fn is_of_a_trace(name: &str) -> bool {
    [&TRACEPARENT, &TRACESTATE, &BAGGAGE].iter().any(|of| of.as_str() == name)
}

/// Leaves in `headers`, which are to go on, only what is right in a trace: `traceparent` as its standard has it, and
/// `tracestate` within its bounds and beside one.
pub(crate) fn bound(headers: &mut HeaderMap) {
    let has_parent = Parent::of(headers).is_some();
    if !has_parent {
        headers.remove(&TRACEPARENT);
    }
    if !has_parent || state(headers).is_none() {
        headers.remove(&TRACESTATE);
    }
}

/// `tracestate`, if there is one and it is within its bounds.
fn state(headers: &HeaderMap) -> Option<String> {
    let mut whole = String::new();
    for value in headers.get_all(&TRACESTATE) {
        if !whole.is_empty() {
            whole.push(',');
        }
        whole.push_str(value.to_str().ok()?);
        if whole.len() > STATE_BYTES_MAX {
            return None;
        }
    }
    (!whole.is_empty() && whole.split(',').count() <= STATE_ENTRIES_MAX).then_some(whole)
}

/// The id of a trace that begins with the request: its own digits, of which 80 bits are drawn by chance.
fn own(request: &str) -> [u8; 16] {
    let digits = request.strip_prefix("sw_").unwrap_or(request);
    // An id that is not one of ours cannot be; the trace would only be lost among others.
    bytes(digits.as_bytes()).filter(|id| *id != [0; 16]).unwrap_or([1; 16])
}

fn low(id: [u8; 16]) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = id;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The `number`th place after `from`, never zero. Each number has another: the mixing is that of SplitMix64, which
/// gives every number one of its own.
fn span(from: u64, number: u64) -> [u8; 8] {
    let mut z = from.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).max(1).to_be_bytes()
}

/// Whether chance picks a trace, by the bits of its id: every tracer that goes by the same share picks the same.
fn is_picked(low: u64, sample_ppm: u32) -> bool {
    let chance = low & ((1 << CHANCE_BITS) - 1);
    let limit = (u128::from(sample_ppm) << CHANCE_BITS) / 1_000_000;
    u128::from(chance) < limit
}

fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const REQUEST: &str = "sw_019ac5f0a1b2c3d4e5f60718293a4b5c";
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(fields: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append((*name).clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn context(fields: &[(&HeaderName, &str)], propagation: Propagation) -> Context {
        Context::of(REQUEST, &headers(fields), propagation, 1_000_000)
    }

    #[test]
    fn a_callers_trace_goes_on() {
        let context =
            context(&[(&TRACEPARENT, PARENT), (&TRACESTATE, "a=1"), (&TRACESTATE, "b=2")], Propagation::Accept);
        assert_eq!(context.trace, bytes(b"4bf92f3577b34da6a3ce929d0e0e4736").unwrap());
        assert_eq!(context.parent, Some(bytes(b"00f067aa0ba902b7").unwrap()));
        assert_eq!((context.state.as_str(), context.flags), ("a=1,b=2", 1));
        let told = context.traceparent(2);
        let told = Parent::parse(told.as_bytes()).expect("we can read what we write");
        assert_eq!((told.trace, told.span, told.flags), (context.trace, context.attempt(2), 1));
    }

    #[test]
    fn what_breaks_a_rule_is_no_parent() {
        for wrong in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47-3600f067aa0ba902b7--01",
        ] {
            assert_eq!(Parent::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(Parent::parse(PARENT.replacen("00", "01", 1).as_bytes()).is_some());
        assert!(Parent::parse((PARENT.replacen("00", "cc", 1) + "-what-comes-later").as_bytes()).is_some());
        assert_eq!(Parent::of(&headers(&[(&TRACEPARENT, PARENT), (&TRACEPARENT, PARENT)])), None, "there are two");
    }

    #[test]
    fn without_a_parent_the_trace_has_the_requests_own_id() {
        for (fields, propagation) in [
            (&[][..], Propagation::Accept),
            (&[(&TRACEPARENT, "nonsense"), (&TRACESTATE, "a=1")], Propagation::Accept),
            (&[(&TRACEPARENT, PARENT), (&TRACESTATE, "a=1")], Propagation::Off),
        ] {
            let context = context(fields, propagation);
            assert_eq!(context.trace.as_slice(), bytes::<16>(&REQUEST.as_bytes()[3..]).unwrap());
            assert_eq!((context.parent, context.state.as_str()), (None, ""));
        }
    }

    #[test]
    fn every_attempt_has_a_place_of_its_own() {
        let context = context(&[], Propagation::Accept);
        let places: HashSet<[u8; 8]> = (1..=10_000).map(|number| context.attempt(number)).collect();
        assert_eq!(places.len(), 10_000);
        assert!(!places.contains(&context.span) && !places.contains(&[0; 8]));
    }

    #[test]
    fn the_caller_decides_whether_its_trace_is_kept_and_chance_decides_over_ours() {
        let of = |flags: &str, ppm| {
            let parent = PARENT.replace("-01", flags);
            Context::of(REQUEST, &headers(&[(&TRACEPARENT, &parent)]), Propagation::Accept, ppm).is_sampled()
        };
        assert!(of("-01", 0) && !of("-00", 1_000_000) && of("-ff", 0) && !of("-02", 1_000_000));
        let picked = |ppm| {
            let ids = (0..100_000_u64).map(|n| u64::from_be_bytes(span(n, 7)));
            ids.filter(|low| is_picked(*low, ppm)).count()
        };
        assert_eq!((picked(0), picked(1_000_000)), (0, 100_000));
        assert!((9_500..10_500).contains(&picked(100_000)), "{}", picked(100_000));
    }

    #[test]
    fn what_speaks_of_a_trace_is_known_by_its_name() {
        let of = ["traceparent", "tracestate", "baggage"];
        assert!(of.iter().all(|name| is_of_a_trace(name)));
        assert!(["trace", "x-traceparent", "traceparent2", ""].iter().all(|name| !is_of_a_trace(name)));
    }

    #[test]
    fn what_is_malformed_goes_nowhere_and_its_state_with_it() {
        let left = |fields: &[(&HeaderName, &str)]| {
            let mut headers = headers(fields);
            bound(&mut headers);
            let mut names: Vec<String> = headers.keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        let state = (&TRACESTATE, "a=1");
        assert_eq!(left(&[(&TRACEPARENT, PARENT), state]), ["traceparent", "tracestate"]);
        assert!(left(&[(&TRACEPARENT, "nonsense"), state]).is_empty());
        assert!(left(&[(&TRACEPARENT, PARENT), (&TRACEPARENT, PARENT), state]).is_empty());
        assert!(left(&[state]).is_empty());
    }

    #[test]
    fn a_tracestate_is_passed_on_up_to_its_bounds() {
        let kept = |state: &str| {
            let mut headers = headers(&[(&TRACEPARENT, PARENT), (&TRACESTATE, state)]);
            bound(&mut headers);
            headers.contains_key(&TRACESTATE)
        };
        let longest = format!("a={}", "x".repeat(STATE_BYTES_MAX - 2));
        assert!(kept(&longest) && !kept(&format!("{longest}x")));
        let most = ["a=1"; STATE_ENTRIES_MAX].join(",");
        assert!(kept(&most) && !kept(&format!("{most},a=1")));
    }
}
