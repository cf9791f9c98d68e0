//! From `[breaker]` to the core's: every knob, and those pairs that would make a step unreachable.

use std::fmt::Display;
use std::ops::Range;

use seawall_core::plan::breaker::Config;

use super::diagnose::Problem;
use super::item::{Item, Kind};
use super::read::Reader;
use super::units::{show_duration, show_fraction};
use super::written::{self, RATE_PARTS};

/// A value that is in force, with its name and, if it is written, its place.
struct Knob<V> {
    key: &'static str,
    value: V,
    span: Option<Range<usize>>,
}

/// Reads `[breaker]`.
pub(super) fn read(reader: &mut Reader<'_>, written: &written::Breaker) -> Config {
    let default = Config::default();
    let guard = knob(reader, "guard", &written.guard, default.guard);
    let open_alt = knob(reader, "open_alt", &written.open_alt, default.open_alt);
    let open_solo = knob(reader, "open_solo", &written.open_solo, default.open_solo);
    let rate_alt = knob(reader, "rate_alt", &written.rate_alt, default.rate_alt);
    let rate_solo = knob(reader, "rate_solo", &written.rate_solo, default.rate_solo);
    let open = knob(reader, "open", &written.open, default.open);
    let open_max = knob(reader, "open_max", &written.open_max, default.open_max);
    // An `open_alt` below `guard` is no mistake: with another upstream at hand the first step may be
    // to go there. Without one there is nothing between `guard` and the end.
    let never_guarded = "the last upstream would be refused everything before it is refused retries: raise `open_solo`, or lower `guard`";
    let alt_later =
        "with another upstream at hand one is given up sooner, not later: lower the first, or raise the second";
    let problems = [
        above(&guard, &open_solo, ToString::to_string).map(|problem| problem.hint(never_guarded)),
        above(&open_alt, &open_solo, ToString::to_string).map(|problem| problem.hint(alt_later)),
        above(&rate_alt, &rate_solo, |rate| show_fraction(*rate, RATE_PARTS)).map(|problem| problem.hint(alt_later)),
        above(&open, &open_max, |wait| show_duration(*wait))
            .map(|problem| problem.hint("the second is the limit of the first: change both")),
    ];
    reader.problems.extend(problems.into_iter().flatten());
    Config {
        guard: guard.value,
        open_alt: open_alt.value,
        open_solo: open_solo.value,
        solo_refuse: reader.or("breaker.solo_refuse", &written.solo_refuse, default.solo_refuse),
        window: reader.or("breaker.window", &written.window, default.window),
        window_min: reader.or("breaker.window_min", &written.window_min, default.window_min),
        rate_alt: rate_alt.value,
        rate_solo: rate_solo.value,
        open: open.value,
        open_max: open_max.value,
        probe_every: reader.or("breaker.probe_every", &written.probe_every, default.probe_every),
        probes_max: reader.or("breaker.probes_max", &written.probes_max, default.probes_max),
        close_after: reader.or("breaker.close_after", &written.close_after, default.close_after),
    }
}

fn knob<K: Kind>(reader: &mut Reader<'_>, key: &'static str, item: &Item<K>, default: K::Value) -> Knob<K::Value> {
    match reader.read(&format!("breaker.{key}"), item) {
        Some(at) => Knob { key, value: at.value, span: Some(at.span) },
        None => Knob { key, value: default, span: None },
    }
}

/// The complaint that `low` is above `high`, at whichever of them is written.
fn above<V: PartialOrd, S: Display>(low: &Knob<V>, high: &Knob<V>, show: impl Fn(&V) -> S) -> Option<Problem> {
    (low.value > high.value).then(|| {
        let [given, limit] = [low, high].map(|knob| show(&knob.value));
        let what = format!("`breaker.{}` is {given}, above `breaker.{}` ({limit})", low.key, high.key);
        let place = low.span.as_ref().or(high.span.as_ref());
        Problem::new(what).maybe_at(place, "").see(high.span.as_ref().filter(|span| Some(*span) != place), "")
    })
}
