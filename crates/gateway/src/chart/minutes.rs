//! A bar for each of the last minutes of an upstream: how much of what was tried there failed.
//!
//! A minute with traffic is a full bar, and the part that failed is cut out of it from above; one without is a dot at the
//! bottom. So a bar can be read without its colour.

use super::Canvas;

const WIDTH_OF_BAR: u32 = 4;
const HEIGHT: u32 = 28;

/// One minute.
#[derive(Debug, Clone)]
pub(crate) struct Minute {
    /// Attempts that ended.
    pub(crate) attempts: u64,
    /// Those of them that failed.
    pub(crate) failed: u64,
    /// All of it in words.
    pub(crate) says: String,
}

/// Draws the minutes, the oldest first.
pub(crate) fn svg(minutes: &[Minute], name: &str) -> String {
    let bars = u32::try_from(minutes.len().max(1)).unwrap_or(u32::MAX);
    let mut canvas = Canvas::stretched((bars.saturating_mul(WIDTH_OF_BAR), HEIGHT), "minutes", name);
    let (whole, height) = (f64::from(WIDTH_OF_BAR), f64::from(HEIGHT));
    let width = whole - 1.0;
    for (minute, at) in minutes.iter().zip(0u32..) {
        let x = f64::from(at) * whole;
        if minute.attempts == 0 {
            canvas.rect("none", (x, height - 3.0), (width, 3.0));
        } else {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let share = minute.failed.min(minute.attempts) as f64 / minute.attempts as f64;
            // What failed is seen, however little it is; so is what did not.
            let failed = match minute.failed {
                0 => 0.0,
                _ if share >= 1.0 => height,
                _ => (share * height).clamp(3.0, height - 3.0),
            };
            canvas.rect("failed", (x, 0.0), (width, failed));
            canvas.rect("ok", (x, failed), (width, height - failed));
        }
        canvas.told("hit", (x, 0.0), (whole, height), &minute.says);
    }
    canvas.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(attempts: u64, failed: u64) -> Minute {
        Minute { attempts, failed, says: format!("{failed} of {attempts}") }
    }

    #[test]
    fn a_bar_shows_the_share_that_failed_and_never_hides_one() {
        let drawn = |attempts, failed| svg(&[minute(attempts, failed)], "x");
        let part = |svg: &str, class: &str| {
            let rest = svg.split(&format!("<rect class=\"{class}\"")).nth(1)?;
            rest.split("height=\"").nth(1)?.split('"').next()?.parse::<f64>().ok()
        };
        let cases = [
            (0, 0, None, None, Some(3.0)),
            (10, 0, None, Some(28.0), None),
            (10, 5, Some(14.0), Some(14.0), None),
            (10, 10, Some(28.0), None, None),
            (1_000_000, 1, Some(3.0), Some(25.0), None),
            (1_000_000, 999_999, Some(25.0), Some(3.0), None),
            (1, 2, Some(28.0), None, None),
        ];
        for (attempts, failed, bad, good, none) in cases {
            let svg = drawn(attempts, failed);
            assert_eq!((part(&svg, "failed"), part(&svg, "ok"), part(&svg, "none")), (bad, good, none), "{svg}");
        }
        assert!(svg(&[], "x").contains("viewBox=\"0 0 4 28\""));
    }
}
