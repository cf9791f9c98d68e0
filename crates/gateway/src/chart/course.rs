//! The last minutes: requests a second as stacked bars, and below them success as callers see it beside success as the
//! upstream gives it. Where the two lines part, Seawall saves requests.

use super::{Canvas, round_up};

const WIDTH: u32 = 1_000;
const HEIGHT: u32 = 300;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
/// Top and height of the upper and of the lower chart.
const REQUESTS: (f64, f64) = (14.0, 130.0);
const SUCCESS: (f64, f64) = (176.0, 92.0);

/// A label closer to the right edge than this would stand in the way of the last one.
const LABELS_APART: f64 = 120.0;

/// What happened in a stretch of time.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    /// When it began, for people.
    pub(crate) label: String,
    /// Requests answered by their first attempt, a second.
    pub(crate) at_once: f64,
    /// Requests that only another attempt saved, a second.
    pub(crate) saved: f64,
    /// Requests that were not answered, a second.
    pub(crate) failed: f64,
    /// The share of requests that were answered; `None` of none.
    pub(crate) success: Option<f64>,
    /// The share of first attempts that were.
    pub(crate) upstream: Option<f64>,
    /// All of it in words.
    pub(crate) says: String,
}

/// Draws `stretches`, the oldest first; the newest stands at the right edge, and there is room for `most`.
pub(crate) fn svg(stretches: &[Stretch], most: usize, name: &str) -> String {
    let mut canvas = Canvas::new((WIDTH, HEIGHT), "course", name);
    let greatest = stretches.iter().map(|s| s.at_once + s.saved + s.failed).fold(0.0, f64::max);
    let scale = round_up(greatest);
    axes(&mut canvas, REQUESTS, "requests/s", scale, "");
    let lowest = stretches.iter().flat_map(|s| [s.success, s.upstream]).flatten().fold(1.0, f64::min);
    // Half of the height for the upper half, unless something was worse.
    let floor = if lowest >= 0.9 {
        0.9
    } else if lowest >= 0.5 {
        0.5
    } else {
        0.0
    };
    shares(&mut canvas, floor);
    let width = (f64::from(WIDTH) - LEFT - RIGHT) / f64::from(u32::try_from(most.max(1)).unwrap_or(u32::MAX));
    let empty = f64::from(u32::try_from(most.saturating_sub(stretches.len())).unwrap_or(0));
    let left = |at: u32| LEFT + (empty + f64::from(at)) * width;
    for (stretch, at) in stretches.iter().zip(0u32..) {
        let mut y = REQUESTS.0 + REQUESTS.1;
        for (class, rate) in [("at-once", stretch.at_once), ("saved", stretch.saved), ("failed", stretch.failed)] {
            let height = rate / scale * REQUESTS.1;
            // What failed is seen, however little it is.
            let height = if class == "failed" && rate > 0.0 { height.max(2.0) } else { height };
            y -= height;
            canvas.rect(class, (left(at), y.max(0.0)), ((width - 1.0).max(0.5), height));
        }
    }
    let y = |share: f64| SUCCESS.0 + SUCCESS.1 * (1.0 - (share - floor) / (1.0 - floor));
    let line = |pick: fn(&Stretch) -> Option<f64>| {
        stretches
            .iter()
            .zip(0u32..)
            .map(move |(stretch, at)| pick(stretch).map(|share| (left(at) + width / 2.0, y(share.clamp(floor, 1.0)))))
    };
    canvas.line("line upstream", line(|stretch| stretch.upstream));
    canvas.line("line callers", line(|stretch| stretch.success));
    for (stretch, at) in stretches.iter().zip(0u32..) {
        let height = SUCCESS.0 + SUCCESS.1 - REQUESTS.0;
        canvas.told("hit", (left(at), REQUESTS.0), (width, height), &stretch.says);
    }
    let bottom = SUCCESS.0 + SUCCESS.1 + 18.0;
    if let Some(first) = stretches.first()
        && left(0) < f64::from(WIDTH) - LABELS_APART
    {
        canvas.text("", (left(0).max(LEFT), bottom), "start", &first.label);
    }
    if stretches.len() > most / 2 {
        let middle = &stretches[stretches.len() / 2];
        canvas.text("", (left(u32::try_from(stretches.len() / 2).unwrap_or(0)), bottom), "middle", &middle.label);
    }
    canvas.text("", (f64::from(WIDTH) - RIGHT, bottom), "end", "now");
    canvas.done()
}

fn axes(canvas: &mut Canvas, (top, height): (f64, f64), name: &str, most: f64, unit: &str) {
    for half in [0.0, 1.0, 2.0] {
        let y = top + height * (2.0 - half) / 2.0;
        canvas.path("grid", &format!("M{LEFT} {y}H{}", f64::from(WIDTH) - RIGHT));
        let value = most * half / 2.0;
        canvas.text("", (LEFT - 6.0, y + 4.0), "end", &format!("{value}{unit}"));
    }
    let middle = top + height / 2.0;
    // Both come from this file.
    canvas.put(format_args!(
        "<text transform=\"translate(10 {middle}) rotate(-90)\" text-anchor=\"middle\">{name}</text>"
    ));
}

fn shares(canvas: &mut Canvas, floor: f64) {
    let (top, height) = SUCCESS;
    for (at, share) in [(0.0, 1.0), (0.5, f64::midpoint(1.0, floor)), (1.0, floor)] {
        let y = top + height * at;
        canvas.path("grid", &format!("M{LEFT} {y}H{}", f64::from(WIDTH) - RIGHT));
        canvas.text("", (LEFT - 6.0, y + 4.0), "end", &format!("{:.0} %", share * 100.0));
    }
    let middle = top + height / 2.0;
    canvas.put(format_args!(
        "<text transform=\"translate(10 {middle}) rotate(-90)\" text-anchor=\"middle\">success</text>"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(at_once: f64, failed: f64) -> Stretch {
        let all = at_once + failed;
        Stretch {
            label: "12:00:00".to_owned(),
            at_once,
            saved: 0.0,
            failed,
            success: (all > 0.0).then(|| at_once / all),
            upstream: (all > 0.0).then(|| at_once / all),
            says: "12:00:00: <5>".to_owned(),
        }
    }

    #[test]
    fn nothing_yet_is_an_empty_chart_and_no_number_is_wrong() {
        for stretches in [vec![], vec![stretch(0.0, 0.0)], vec![stretch(0.0, 9_999_999.0), stretch(1e-9, 0.0)]] {
            let svg = svg(&stretches, 60, "x");
            assert!(!svg.contains("NaN") && !svg.contains("inf") && svg.contains(">now<"), "{svg}");
        }
    }

    #[test]
    fn one_failure_among_many_is_seen() {
        let svg = svg(&[stretch(1_000.0, 0.01)], 60, "x");
        let failed = svg.split("class=\"failed\"").nth(1).and_then(|rest| rest.split("height=\"").nth(1)).unwrap();
        assert!(failed.starts_with("2.0\""), "{failed}");
        assert!(svg.contains("12:00:00: &lt;5&gt;"));
    }

    #[test]
    fn the_scale_of_success_goes_as_deep_as_what_happened() {
        assert!(svg(&[stretch(95.0, 5.0)], 60, "x").contains("90 %"));
        assert!(svg(&[stretch(60.0, 40.0)], 60, "x").contains("50 %"));
        assert!(svg(&[stretch(10.0, 90.0)], 60, "x").contains(">0 %<"));
    }
}
