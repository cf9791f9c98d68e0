//! What is known of requests like this one at this upstream: how long they take, whether they run
//! against a wall, and whether they are too large.
//!
//! A limit that fits every request is too long for the quick ones and kills the slow ones, so
//! durations are learnt per form: operation, stream, tools, and both sizes by their power of two. A
//! form that was hardly met borrows the quantiles of all sizes, but no limit: see [`Expectation`].
//!
//! Everything here happens for each request under the fleet's lock. A request of a known form costs
//! two look-ups at most for each call and allocates nothing; quantiles are kept at hand. Forms come
//! from callers, so no more than [`SHAPES_MAX`] are remembered, those that were used last.

mod cliff;
mod expectation;
mod form;
mod size;

use std::time::Duration;

use super::recent::Recent;
use crate::time::Time;
use crate::upstream::UpstreamId;

pub use cliff::{Cliff, EXPIRY, FAILURES, Hop, REMEDIES, TRIAL_EVERY, remedies};
pub use expectation::{Expectation, FIRST_CONTENT_MIN, SAMPLES_MIN, STALE_MAX, TOTAL_MIN};
pub use form::{Form, ShapeKey};
pub use size::{FAILURES_MIN, Oversize};

use cliff::Failures;
use expectation::Learnt;
use size::{Bound, Sizes};

/// No more forms than this are known, and as many without their sizes: about 1.7 MiB when full, and
/// 1.3 MiB more where something was broken off in each.
pub const SHAPES_MAX: usize = 512;

/// All forms that are known. An earlier `now` than the latest seen counts as the latest.
#[derive(Debug, Clone)]
pub struct Shapes {
    exact: Recent<ShapeKey, Shape>,
    /// All sizes together.
    parents: Recent<ShapeKey, Parent>,
    /// What was refused for its size, by upstream and model.
    bounds: Recent<(UpstreamId, u32), Bound>,
    latest: Time,
}

#[derive(Debug, Clone, Default)]
struct Shape {
    learnt: Learnt,
    failures: Failures,
}

#[derive(Debug, Clone, Default)]
struct Parent {
    learnt: Learnt,
    sizes: Sizes,
}

impl Default for Shapes {
    fn default() -> Self {
        Shapes::new()
    }
}

impl Shapes {
    /// Nothing known yet.
    #[must_use]
    pub fn new() -> Shapes {
        let (exact, parents) = (Recent::new(SHAPES_MAX), Recent::new(SHAPES_MAX));
        Shapes { exact, parents, bounds: Recent::new(SHAPES_MAX), latest: Time::ZERO }
    }

    /// A stream brought its first content after this long. [`Shapes::succeeded`] is told too. Ignored
    /// for a form that asks for no stream: there, totals are learnt.
    pub fn first_content(&mut self, now: Time, key: ShapeKey, after: Duration) {
        if key.form.is_stream() {
            self.record(now, key, after, Learnt::answered);
        }
    }

    /// A whole answer took this long. [`Shapes::succeeded`] is told too. Ignored for a form that asks
    /// for a stream.
    pub fn total(&mut self, now: Time, key: ShapeKey, after: Duration) {
        if !key.form.is_stream() {
            self.record(now, key, after, Learnt::answered);
        }
    }

    /// An attempt was broken off here after this long, without content: timed out, or another was
    /// faster. It would have taken longer; left out, the slow ones would be missing.
    pub fn broken_off(&mut self, now: Time, key: ShapeKey, after: Duration) {
        self.record(now, key, after, Learnt::broken_off);
    }

    /// A request with a body of `bytes` succeeded: its whole answer came after this long, or a stream's
    /// first content. It speaks against a cliff that is not beyond it, and against a size that is none
    /// above its own. Never for an attempt that was broken off.
    pub fn succeeded(&mut self, now: Time, key: ShapeKey, after: Duration, bytes: u64) {
        let now = self.advance(now);
        if let Some(shape) = self.exact.get(&key) {
            shape.failures.succeeded(after);
        }
        self.parents.get_or_insert_with(key.parent(), Parent::default).sizes.answered(now, key.form.bytes_power());
        if !self.bounds.is_empty()
            && let Some(bound) = self.bounds.get(&(key.upstream, key.model))
        {
            bound.was_passed(bytes);
        }
    }

    /// An ambiguous failure (504, 524, a late reset) after this long, for which the far side gave
    /// up. Never one of our own limits or a caller's patience: those end at one moment too, and
    /// would look like a cliff. It is no sample of how long answers take.
    pub fn ambiguous(&mut self, now: Time, key: ShapeKey, after: Duration) {
        let now = self.advance(now);
        self.exact.get_or_insert_with(key, Shape::default).failures.failed(now, after);
        self.parents.get_or_insert_with(key.parent(), Parent::default).sizes.failed(now, key.form.bytes_power());
    }

    /// A request with a body of `bytes` was refused because it is too large: 413, or
    /// `context_length_exceeded`.
    pub fn refused_for_size(&mut self, now: Time, key: ShapeKey, bytes: u64) {
        let now = self.advance(now);
        let place = (key.upstream, key.model);
        let known = self.bounds.peek(&place).copied();
        let bound = Bound::refused(now, bytes, known);
        *self.bounds.get_or_insert_with(place, || bound) = bound;
    }

    /// How long requests like this one take. Asking about a form that is not known makes no room for it.
    pub fn expect(&mut self, now: Time, key: ShapeKey) -> Expectation {
        let now = self.advance(now);
        let exact = self.exact.get(&key).map(|shape| shape.learnt.expect(now)).unwrap_or_default();
        if exact.samples >= SAMPLES_MIN {
            return exact;
        }
        let all_sizes = self.parents.get(&key.parent()).map(|parent| parent.learnt.expect(now));
        all_sizes.map_or(exact, |all_sizes| Expectation { samples: exact.samples, ..all_sizes })
    }

    /// The wall that requests like this one run against, if there is one: the latest three ambiguous
    /// failures, none a day old, within 2 % of each other and after a second at least, and since the
    /// first of them no success that took longer than 97 % of that.
    pub fn cliff(&mut self, now: Time, key: ShapeKey) -> Option<Cliff> {
        let now = self.advance(now);
        self.exact.get(&key)?.failures.cliff(now)
    }

    /// Why a request with a body of `bytes` is too large, if it is: one as large was refused for its size
    /// within a day, or those of its size end without an answer while smaller ones get theirs.
    pub fn oversize(&mut self, now: Time, key: ShapeKey, bytes: u64) -> Option<Oversize> {
        let now = self.advance(now);
        let bound = self.bounds.peek(&(key.upstream, key.model)).filter(|bound| bound.is_reached(now, bytes));
        bound.map(|bound| bound.oversize(bytes)).or_else(|| {
            let parent = self.parents.peek(&key.parent())?;
            parent.sizes.oversize(now, key.form.bytes_power())
        })
    }

    /// Whether to try once more although a cliff stands or a size is too large, to see whether that still
    /// holds: true once in ten minutes, first ten minutes after it was found. True takes the trial. False
    /// without either, and for what was refused for its size.
    pub fn trial(&mut self, now: Time, key: ShapeKey) -> bool {
        let now = self.advance(now);
        match self.exact.get(&key) {
            Some(shape) if shape.failures.cliff(now).is_some() => shape.failures.trial(now),
            _ => {
                let parent = self.parents.get(&key.parent());
                parent.is_some_and(|parent| parent.sizes.trial(now, key.form.bytes_power()))
            }
        }
    }

    fn record(&mut self, now: Time, key: ShapeKey, after: Duration, how: fn(&mut Learnt, Time, Duration)) {
        let now = self.advance(now);
        how(&mut self.exact.get_or_insert_with(key, Shape::default).learnt, now, after);
        how(&mut self.parents.get_or_insert_with(key.parent(), Parent::default).learnt, now, after);
    }

    fn advance(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::request::Request;
    use crate::upstream::UpstreamId;

    fn key(body_bytes: u64, stream: bool) -> ShapeKey {
        let request = Request::of(&Method::POST, "/v1/chat/completions", &HeaderMap::new(), Some(b"{}"), 2);
        let form = Form::of(&Request { body_bytes, stream, ..request });
        ShapeKey { upstream: UpstreamId(0), model: 7, form }
    }

    fn numbered(model: u32) -> ShapeKey {
        ShapeKey { model, ..key(2, false) }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn second(at: u64) -> Time {
        Time::ZERO + secs(at)
    }

    #[test]
    fn a_size_that_was_hardly_met_borrows_quantiles_but_no_limit() {
        let mut shapes = Shapes::new();
        for _ in 0..100 {
            shapes.first_content(Time::ZERO, key(1_000, true), secs(1));
        }
        let borrowed = shapes.expect(Time::ZERO, key(1_000_000, true));
        assert_eq!((borrowed.samples, borrowed.p50), (0, Some(Duration::from_millis(1_024))));
        assert_eq!(borrowed.first_content_limit(), secs(300));
        assert_eq!(shapes.expect(Time::ZERO, key(1_000, true)).first_content_limit(), secs(20));
    }

    #[test]
    fn a_size_with_fifty_samples_speaks_for_itself() {
        let mut shapes = Shapes::new();
        for n in 0..SAMPLES_MIN {
            assert_eq!(shapes.expect(Time::ZERO, key(1_000_000, true)).samples, n);
            shapes.first_content(Time::ZERO, key(1_000, true), secs(1));
            shapes.first_content(Time::ZERO, key(1_000_000, true), secs(40));
        }
        let own = shapes.expect(Time::ZERO, key(1_000_000, true));
        assert_eq!(own.samples, SAMPLES_MIN);
        assert!(own.p50 >= Some(secs(40)) && own.p50 <= Some(secs(45)));
        assert!(own.first_content_limit() >= secs(160));
    }

    #[test]
    fn upstreams_models_and_streams_are_told_apart() {
        let mut shapes = Shapes::new();
        shapes.total(Time::ZERO, key(2, false), secs(1));
        for other in [key(2, true), numbered(8), ShapeKey { upstream: UpstreamId(1), ..key(2, false) }] {
            assert_eq!(shapes.expect(Time::ZERO, other), Expectation::default());
        }
    }

    #[test]
    fn first_contents_and_totals_are_never_mixed() {
        let mut shapes = Shapes::new();
        shapes.total(Time::ZERO, key(2, true), secs(90));
        shapes.first_content(Time::ZERO, key(2, false), secs(1));
        for form in [key(2, true), key(2, false)] {
            assert_eq!(shapes.expect(Time::ZERO, form), Expectation::default());
        }
    }

    #[test]
    fn no_more_forms_are_known_than_the_bound() {
        let mut shapes = Shapes::new();
        let max = u32::try_from(SHAPES_MAX).unwrap();
        for model in 0..=max {
            shapes.total(Time::ZERO, numbered(model), secs(1));
        }
        assert_eq!((shapes.exact.len(), shapes.parents.len()), (SHAPES_MAX, SHAPES_MAX));
        assert_eq!(shapes.expect(Time::ZERO, numbered(0)), Expectation::default());
        assert_eq!(shapes.expect(Time::ZERO, numbered(1)).samples, 1);
        // A question about an unknown form pushes nobody out.
        for model in 0..2_000 {
            shapes.expect(Time::ZERO, numbered(10_000 + model));
        }
        assert_eq!(shapes.expect(Time::ZERO, numbered(max)).samples, 1);
    }

    #[test]
    fn a_cliff_is_named_tried_again_and_forgotten_when_it_is_climbed() {
        let mut shapes = Shapes::new();
        let (slow, quick) = (key(100_000, false), key(100, false));
        for at in [0, 100, 200] {
            assert_eq!(shapes.cliff(second(at), slow), None);
            shapes.ambiguous(second(at), slow, Duration::from_millis(60_100));
        }
        let cliff = Cliff { at: Duration::from_millis(60_100), hop: Hop::NginxOrAws };
        assert_eq!(shapes.cliff(second(200), slow), Some(cliff));
        assert_eq!(shapes.cliff(second(200), quick), None);
        // Broken off by ourselves beyond the wall: no success.
        shapes.broken_off(second(300), slow, secs(300));
        assert_eq!(shapes.cliff(second(300), slow), Some(cliff));
        assert!(
            !shapes.trial(second(799), slow) && shapes.trial(second(800), slow) && !shapes.trial(second(800), slow)
        );
        shapes.succeeded(second(900), slow, secs(59), 100_000);
        assert_eq!(shapes.cliff(second(900), slow), None);
    }

    #[test]
    fn a_size_that_was_refused_holds_for_its_model_until_one_as_large_is_answered() {
        let mut shapes = Shapes::new();
        shapes.refused_for_size(second(0), key(400_000, false), 400_000);
        let refused = |bytes| Some(Oversize::Refused { from: 400_000, bytes });
        assert_eq!(shapes.oversize(second(1), key(400_000, true), 400_000), refused(400_000));
        assert_eq!(shapes.oversize(second(1), key(500_000, true), 500_000), refused(500_000));
        assert_eq!(shapes.oversize(second(1), key(399_999, true), 399_999), None);
        assert_eq!(shapes.oversize(second(1), ShapeKey { model: 8, ..key(400_000, true) }, 400_000), None);
        assert!(!shapes.trial(second(9_000), key(400_000, true)));
        shapes.succeeded(second(2), key(399_999, false), secs(1), 399_999);
        assert_eq!(shapes.oversize(second(3), key(400_000, true), 400_000), refused(400_000));
        shapes.succeeded(second(4), key(450_000, false), secs(1), 450_000);
        assert_eq!(shapes.oversize(second(5), key(450_000, true), 450_000), None);
        assert_eq!(
            shapes.oversize(second(5), key(450_001, true), 450_001),
            Some(Oversize::Refused { from: 450_001, bytes: 450_001 })
        );
    }

    #[test]
    fn a_size_that_never_ends_is_told_from_an_outage_by_smaller_ones() {
        let mut shapes = Shapes::new();
        let (large, small) = (key(1 << 20, false), key(1 << 12, false));
        for n in 0..20 {
            shapes.succeeded(second(n), small, secs(1), 1 << 12);
        }
        // Not at one moment: no cliff.
        for n in 0..5 {
            assert_eq!(shapes.oversize(second(20 + n), large, 1 << 20), None);
            shapes.ambiguous(second(20 + n), large, secs(40 + 9 * n));
        }
        let size = Oversize::Fails { from: 1 << 20, failed: 5, of: 5, smaller_failed: 0, smaller_of: 20 };
        assert_eq!(shapes.oversize(second(30), large, 1 << 20), Some(size));
        assert_eq!((shapes.oversize(second(30), small, 1 << 12), shapes.cliff(second(30), large)), (None, None));
        assert!(!shapes.trial(second(30), large) && shapes.trial(second(700), large));
    }

    #[test]
    fn a_failure_is_no_sample_of_how_long_answers_take() {
        let mut shapes = Shapes::new();
        shapes.ambiguous(Time::ZERO, key(2, false), secs(60));
        assert_eq!(shapes.expect(Time::ZERO, key(2, false)), Expectation::default());
    }

    #[test]
    fn an_earlier_clock_counts_as_the_latest() {
        let mut shapes = Shapes::new();
        for at in [90_000, 0, 0] {
            shapes.ambiguous(second(at), key(2, false), secs(60));
        }
        assert!(shapes.cliff(second(0), key(2, false)).is_some());
        assert!(shapes.cliff(second(100_000), key(2, false)).is_some());
    }

    #[test]
    fn streams_are_not_told_to_stream() {
        assert_eq!(remedies(key(2, false).form), REMEDIES);
        assert_eq!(remedies(key(2, true).form), &REMEDIES[1..]);
        assert_eq!(remedies(key(2, false).form.upgraded()), &REMEDIES[1..]);
    }
}
