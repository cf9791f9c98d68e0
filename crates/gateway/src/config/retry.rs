//! From `[retry]` to the core's policy: a preset, values for all classes, values for single ones.

use std::time::Duration;

use seawall_core::plan::policy::{Preset, RETRIED, Retry};
use seawall_core::verdict::Class;

use super::diagnose::Problem;
use super::read::{At, Reader, Source};
use super::units::show_duration;
use super::written::{self, ATTEMPTS_MAX};

/// The values of `[retry]` that the policy only has in each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Top {
    pub(super) preset: Preset,
    pub(super) cap: Duration,
    pub(super) retry_after_max: Duration,
}

/// Reads `[retry]`; no class gets more than `retries_max` retries, which comes from the command line.
pub(super) fn read(reader: &mut Reader<'_>, written: &written::Retry, retries_max: Option<u32>) -> (Retry, Top) {
    let preset = reader.or("retry.preset", &written.preset, Preset::Seawall);
    let mut retry = Retry::preset(preset);
    if preset != Preset::Seawall {
        note_preset(reader, preset);
    }
    retry.ambiguous_max = reader.or("retry.ambiguous_max", &written.ambiguous_max, retry.ambiguous_max);
    retry.failover_jitter = reader.or("retry.failover_jitter", &written.failover_jitter, retry.failover_jitter);
    retry.min_useful = reader.or("retry.min_useful", &written.min_useful, retry.min_useful);
    retry.jitter = reader.or("retry.jitter", &written.jitter, retry.jitter);
    let top = top(reader, written, preset, &mut retry);
    for class in RETRIED {
        of_class(reader, written, class, &mut retry);
    }
    if let Some(retries) = retries_max {
        limit(reader, written, retries, &mut retry);
    }
    (retry, top)
}

/// The values for all classes.
fn top(reader: &mut Reader<'_>, written: &written::Retry, preset: Preset, retry: &mut Retry) -> Top {
    let attempts = reader.read("retry.max_attempts", &written.max_attempts);
    let cap = reader.read("retry.cap", &written.cap);
    let retry_after = reader.read("retry.retry_after_max", &written.retry_after_max);
    retry.max_attempts = value(&attempts, retry.max_attempts);
    let mut top = Top { preset, cap: Duration::ZERO, retry_after_max: Duration::ZERO };
    for class in RETRIED {
        let Some(settings) = retry.class_mut(class) else { continue };
        settings.max_attempts = value(&attempts, settings.max_attempts);
        settings.backoff.cap = value(&cap, settings.backoff.cap);
        settings.retry_after_max = value(&retry_after, settings.retry_after_max);
        // A preset has one cap for all classes, and so each of them can stand for the whole.
        top = Top { cap: settings.backoff.cap, retry_after_max: settings.retry_after_max, ..top };
        for key in ["max_attempts", "cap", "retry_after_max"] {
            if let Some(source) = reader.sources.get(&format!("retry.{key}")).cloned() {
                reader.sources.insert(path(class, key), source);
            }
        }
    }
    top
}

/// The values for one class.
fn of_class(reader: &mut Reader<'_>, written: &written::Retry, class: Class, retry: &mut Retry) {
    let of_all = retry.max_attempts;
    let (Some(settings), Some(table)) = (retry.class_mut(class), written.class.of(class)) else { return };
    let base = reader.read(&path(class, "base"), &table.base);
    settings.backoff.cap = reader.or(&path(class, "cap"), &table.cap, settings.backoff.cap);
    let attempts = reader.read(&path(class, "max_attempts"), &table.max_attempts);
    settings.max_attempts = value(&attempts, settings.max_attempts);
    settings.retry_after_max =
        reader.or(&path(class, "retry_after_max"), &table.retry_after_max, settings.retry_after_max);
    settings.backoff.base = value(&base, settings.backoff.base);
    if let Some(attempts) = attempts.filter(|attempts| attempts.value > of_all) {
        let what =
            format!("`{}` is {}, above `retry.max_attempts` ({of_all})", path(class, "max_attempts"), attempts.value);
        let hint = "that one is the limit for all kinds of failure together: raise it";
        reader.problems.push(Problem::new(what).at(attempts.span, "never reached").hint(hint));
    }
    // A preset's base may be above a cap that someone lowered; one that was written is a contradiction.
    if let Some(base) = base.filter(|base| base.value > settings.backoff.cap) {
        let [wait, cap] = [base.value, settings.backoff.cap].map(show_duration);
        let what = format!("`{}` is {wait}, above the cap of {cap}", path(class, "base"));
        reader.problems.push(Problem::new(what).at(base.span, "never reached").hint("raise `cap` here or in [retry]"));
    }
}

fn limit(reader: &mut Reader<'_>, written: &written::Retry, retries: u32, retry: &mut Retry) {
    let flag = Source::Flag("--max-retries");
    if retries >= ATTEMPTS_MAX {
        let limit = ATTEMPTS_MAX - 1;
        reader.problems.push(Problem::new(format!("--max-retries is {retries}, the limit is {limit}")));
        return;
    }
    let attempts = retries + 1;
    retry.max_attempts = attempts;
    reader.sources.insert("retry.max_attempts".into(), flag.clone());
    for class in RETRIED {
        let Some(settings) = retry.class_mut(class) else { continue };
        // What was written for this class alone may be lower than what the flag allows.
        let is_own = written.class.of(class).is_some_and(|table| table.max_attempts.raw.is_some());
        if !is_own || settings.max_attempts > attempts {
            settings.max_attempts = attempts;
            reader.sources.insert(path(class, "max_attempts"), flag.clone());
        }
    }
}

fn note_preset(reader: &mut Reader<'_>, preset: Preset) {
    let mut note = |path: String| reader.sources.insert(path, Source::Preset(preset));
    for key in ["max_attempts", "cap", "jitter"] {
        note(format!("retry.{key}"));
    }
    for class in RETRIED {
        note(path(class, "base"));
    }
}

fn path(class: Class, key: &str) -> String {
    format!("retry.class.{class}.{key}")
}

fn value<V: Copy>(written: &Option<At<V>>, otherwise: V) -> V {
    written.as_ref().map_or(otherwise, |at| at.value)
}
