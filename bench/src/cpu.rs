//! This thread's own time: others on the machine take none of it.

use std::time::{Duration, Instant};

/// Runs between two looks at the clock.
const BATCH: u32 = 16;

/// How often `each` runs in a second of this thread's time, if it runs for `time` on the wall.
pub(crate) fn measured(time: Duration, mut each: impl FnMut()) -> f64 {
    let (start, cpu) = (Instant::now(), own());
    let mut count = 0.0;
    loop {
        (0..BATCH).for_each(|_| each());
        count += f64::from(BATCH);
        let taken = start.elapsed();
        if taken >= time {
            let busy = own().zip(cpu).map_or(taken, |(now, before)| now.saturating_sub(before));
            return count / busy.as_secs_f64();
        }
    }
}

/// How long this thread has run. `None` where Linux does not say.
pub(crate) fn own() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
