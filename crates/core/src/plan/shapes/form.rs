//! What makes two requests alike: their form, small enough to be a key.
//!
//! The same facts as [`crate::request::Shape`], without the model and in four bytes, because it is
//! looked up under a lock for every request.

use crate::request::{Endpoint, Request};
use crate::upstream::UpstreamId;

/// Requests of one form for one model at one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShapeKey {
    /// Where they go.
    pub upstream: UpstreamId,
    /// The model, as numbered by the fleet.
    pub model: u32,
    /// What they look like.
    pub form: Form,
}

impl ShapeKey {
    /// The same, whatever their sizes are.
    #[must_use]
    pub const fn parent(self) -> ShapeKey {
        ShapeKey { form: self.form.parent(), ..self }
    }
}

/// Operation, stream or not, tools and images or not, how hard to think, and the two sizes by their power of two.
///
/// From the lowest bit: 6 bits for the body's bytes, 7 for the limit on tokens (0 for none), one
/// each for stream and tools, 8 for the operation, 3 for how hard to think (0 for unsaid), one for images;
/// the highest for a stream that was not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Form(u32);

const TOKENS_AT: u32 = 6;
const STREAM: u32 = 1 << 13;
const TOOLS: u32 = 1 << 14;
const ENDPOINT_AT: u32 = 15;
const ENDPOINTS: u32 = 0xff;
const EFFORT_AT: u32 = 23;
const IMAGES: u32 = 1 << 26;
const UPGRADED: u32 = 1 << 31;
/// The bits of both sizes.
const SIZES: u32 = STREAM - 1;

impl Form {
    /// The form of `request`.
    #[must_use]
    pub fn of(request: &Request) -> Form {
        let bytes = request.body_bytes.checked_ilog2().unwrap_or(0);
        let tokens = request.max_tokens.map_or(0, |limit| 1 + limit.checked_ilog2().unwrap_or(0));
        let stream = if request.stream { STREAM } else { 0 };
        let tools = if request.tools > 0 { TOOLS } else { 0 };
        let images = if request.images { IMAGES } else { 0 };
        let effort = request.effort.map_or(0, |effort| 1 + effort as u32) << EFFORT_AT;
        let sizes = tokens << TOKENS_AT | bytes;
        Form((request.endpoint as u32) << ENDPOINT_AT | effort | images | tools | stream | sizes)
    }

    /// It as a number: the same in every process of this version.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The form of a small request for `endpoint`, without tools.
    #[must_use]
    pub const fn plain(endpoint: Endpoint, stream: bool) -> Form {
        Form((endpoint as u32) << ENDPOINT_AT | if stream { STREAM } else { 0 })
    }

    /// The form without its sizes: what is known of it stands in for sizes that were not met yet.
    #[must_use]
    pub const fn parent(self) -> Form {
        Form(self.0 & !SIZES)
    }

    /// The form of the same request where its whole answer is asked for as a stream and put together:
    /// one of its own, of which totals are learnt.
    #[must_use]
    pub const fn upgraded(self) -> Form {
        Form(self.0 & !STREAM | UPGRADED)
    }

    /// The form of the same request, had its caller asked for a stream.
    #[must_use]
    pub const fn streamed(self) -> Form {
        Form(self.0 & !UPGRADED | STREAM)
    }

    /// The form of the same request, asking for a whole answer.
    #[must_use]
    pub const fn whole(self) -> Form {
        Form(self.0 & !(STREAM | UPGRADED))
    }

    /// The operation, and whether a stream is asked for, by the caller or in its place.
    #[must_use]
    pub const fn road(self) -> Form {
        let stream = if self.is_stream() || self.is_upgraded() { STREAM } else { 0 };
        Form(self.0 & (ENDPOINTS << ENDPOINT_AT) | stream)
    }

    /// The power of two at or below the body's bytes; 0 for none.
    #[must_use]
    pub const fn bytes_power(self) -> u32 {
        self.0 & ((1 << TOKENS_AT) - 1)
    }

    /// Whether its whole answer is asked for as a stream.
    #[must_use]
    pub const fn is_upgraded(self) -> bool {
        self.0 & UPGRADED != 0
    }

    /// Whether a stream is asked for.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        self.0 & STREAM != 0
    }
}

impl Default for Form {
    /// An unknown operation without a body.
    fn default() -> Self {
        Form((Endpoint::Other as u32) << ENDPOINT_AT)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::request::Effort;

    fn request() -> Request {
        Request::of(&Method::POST, "/v1/chat/completions", &HeaderMap::new(), Some(b"{}"), 2)
    }

    #[test]
    fn each_fact_makes_a_form_of_its_own() {
        let plain = request();
        let mut forms = vec![
            Form::of(&plain),
            Form::of(&Request { stream: true, ..request() }),
            Form::of(&plain).upgraded(),
            Form::of(&Request { tools: 3, ..request() }),
            Form::of(&Request { images: true, ..request() }),
            Form::of(&Request { effort: Some(Effort::None), ..request() }),
            Form::of(&Request { effort: Some(Effort::Other), ..request() }),
            Form::of(&Request { endpoint: Endpoint::Other, ..request() }),
            Form::of(&Request { body_bytes: u64::MAX, ..request() }),
            Form::of(&Request { max_tokens: Some(0), ..request() }),
            Form::of(&Request { max_tokens: Some(u64::MAX), ..request() }),
        ];
        forms.sort_by_key(|form| form.0);
        forms.dedup();
        assert_eq!(forms.len(), 11);
    }

    #[test]
    fn sizes_within_a_power_of_two_are_one_form() {
        let form = |body_bytes, max_tokens| Form::of(&Request { body_bytes, max_tokens, ..request() });
        assert_eq!(form(4_096, Some(1_024)), form(8_191, Some(2_047)));
        assert_ne!(form(4_095, None), form(4_096, None));
        assert_ne!(form(4_096, Some(1_023)), form(4_096, Some(1_024)));
        assert_eq!(form(0, None), form(1, None));
    }

    #[test]
    fn a_form_that_is_upgraded_asks_its_upstream_for_a_stream_and_its_caller_for_patience() {
        let plain = Form::of(&request());
        assert!(plain.upgraded().is_upgraded() && !plain.upgraded().is_stream());
        assert_eq!(plain.upgraded().streamed(), Form::of(&Request { stream: true, ..request() }));
        assert_eq!(plain.upgraded().parent(), plain.parent().upgraded());
        let streamed = Form::of(&Request { stream: true, ..request() });
        assert_eq!((streamed.whole(), plain.upgraded().whole()), (plain, plain));
    }

    #[test]
    fn a_road_is_an_operation_and_a_stream_or_none() {
        let road = Form::plain(Endpoint::ChatCompletions, true);
        let asked = Request {
            stream: true,
            tools: 3,
            images: true,
            effort: Some(Effort::High),
            body_bytes: 900,
            max_tokens: Some(7),
            ..request()
        };
        let whole = Form::of(&Request { stream: false, ..asked.clone() });
        assert_eq!([Form::of(&asked).road(), whole.upgraded().road()], [road; 2]);
        assert_eq!(whole.road(), Form::plain(Endpoint::ChatCompletions, false));
        assert_ne!(Form::plain(Endpoint::Responses, true).road(), road);
    }

    #[test]
    fn a_form_knows_its_size() {
        for (body_bytes, power) in [(0, 0), (1, 0), (4_095, 11), (4_096, 12), (u64::MAX, 63)] {
            assert_eq!(Form::of(&Request { body_bytes, stream: true, ..request() }).bytes_power(), power);
        }
    }

    #[test]
    fn a_parent_keeps_all_but_the_sizes() {
        for stream in [false, true] {
            let large = Request { body_bytes: u64::MAX, max_tokens: Some(u64::MAX), stream, tools: 1, ..request() };
            let small = Request { body_bytes: 0, max_tokens: None, ..large.clone() };
            assert_eq!(Form::of(&large).parent(), Form::of(&small));
            assert_eq!(Form::of(&large).parent().is_stream(), stream);
        }
    }

    #[test]
    fn the_default_is_an_unknown_operation_without_a_body() {
        let other = Request { endpoint: Endpoint::Other, body_bytes: 0, ..request() };
        assert_eq!(Form::default(), Form::of(&other));
    }
}
