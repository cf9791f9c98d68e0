//! The course of a rehearsed story: success over time for each contender, and below it the
//! attempts that each of them made.
//!
//! Every line is told apart by its dash as well as by its colour.

use seawall_sim::measure::Bucket;
use seawall_sim::rehearse::Report;

use super::{Canvas, round_up};

const WIDTH: u32 = 720;
const HEIGHT: u32 = 388;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 26.0;
/// Top and height of the upper and of the lower chart.
const CHARTS: [(f64, f64); 2] = [(48.0, 160.0), (256.0, 104.0)];

/// Draws `report` to stand alone.
pub(crate) fn svg(report: &Report) -> String {
    draw(report, true)
}

/// Draws `report` for a page that has the look of charts.
pub(crate) fn inline(report: &Report) -> String {
    draw(report, false)
}

fn draw(report: &Report, is_alone: bool) -> String {
    let title = format!("{}: {}", report.story, report.title);
    let mut canvas = Canvas::new((WIDTH, HEIGHT), "rehearsal", &title);
    if is_alone {
        canvas.title(&title);
        canvas.style();
    }
    canvas.text("head", (LEFT, 18.0), "start", &title);
    if let Some(incident) = report.incident {
        let (from, to) = (x(report, incident.from.as_secs_f64()), x(report, incident.to.as_secs_f64()));
        for (top, height) in CHARTS {
            canvas.rect("band", (from, top), (to - from, height));
        }
    }
    let seconds = report.length.as_secs_f64() / 60.0;
    let began = report.contenders.iter().flat_map(|row| &row.course).map(|bucket| bucket.began).max().unwrap_or(0);
    let most = round_up(f64::from(began) / seconds);
    axes(&mut canvas, report, CHARTS[0], "success", 100.0, " %");
    axes(&mut canvas, report, CHARTS[1], "attempts/s", most, "");
    for (at, row) in report.contenders.iter().enumerate() {
        let success = |bucket: &Bucket| match bucket.arrived {
            0 => None,
            arrived => Some(f64::from(bucket.answered) / f64::from(arrived)),
        };
        let attempts = |bucket: &Bucket| Some(f64::from(bucket.began) / seconds / most);
        let class = format!("l l{at}");
        canvas.line(&class, points(report, CHARTS[0], row.course.iter().map(success)));
        canvas.line(&class, points(report, CHARTS[1], row.course.iter().map(attempts)));
        let left = LEFT + 92.0 * f64::from(u32::try_from(at).unwrap_or(0));
        canvas.path(&class, &format!("M{left} 34h24"));
        canvas.text("", (left + 28.0, 38.0), "start", row.name);
    }
    canvas.done()
}

fn axes(canvas: &mut Canvas, report: &Report, (top, height): (f64, f64), name: &str, most: f64, unit: &str) {
    for quarter in [0.0, 2.0, 4.0] {
        let y = top + height * (4.0 - quarter) / 4.0;
        let value = most * quarter / 4.0;
        canvas.path("grid", &format!("M{LEFT} {y}H{}", f64::from(WIDTH) - RIGHT));
        canvas.text("", (LEFT - 6.0, y + 4.0), "end", &format!("{value}{unit}"));
    }
    let (middle, bottom) = (top + height / 2.0, top + height + 16.0);
    // Both come from this file.
    canvas.put(format_args!(
        "<text transform=\"translate(12 {middle}) rotate(-90)\" text-anchor=\"middle\">{name}</text>"
    ));
    let length = report.length.as_secs();
    for quarter in 0..=4 {
        let at = length * quarter / 4;
        #[expect(clippy::cast_precision_loss, reason = "a story is shorter than 2^52 seconds")]
        canvas.text("", (x(report, at as f64), bottom), "middle", &format!("{at} s"));
    }
}

/// The middles of its stretches.
fn points<'a>(
    report: &'a Report,
    (top, height): (f64, f64),
    values: impl ExactSizeIterator<Item = Option<f64>> + 'a,
) -> impl Iterator<Item = Option<(f64, f64)>> + 'a {
    let stretches = u32::try_from(values.len().max(1)).unwrap_or(u32::MAX);
    let stretch = report.length.as_secs_f64() / f64::from(stretches);
    values.zip(0u32..).map(move |(value, at)| {
        let value = value?;
        Some((x(report, (f64::from(at) + 0.5) * stretch), top + height * (1.0 - value.clamp(0.0, 1.0))))
    })
}

fn x(report: &Report, seconds: f64) -> f64 {
    LEFT + (f64::from(WIDTH) - LEFT - RIGHT) * seconds / report.length.as_secs_f64().max(1.0)
}

#[cfg(test)]
mod tests {
    use seawall_core::plan::policy::Policy;
    use seawall_sim::rehearse;
    use seawall_sim::story::Story;

    use super::*;

    #[test]
    fn a_picture_is_small_and_its_words_cannot_break_out() {
        let text = "# <b>\"1 & 2\"\nupstreams openai load 2/s for 60s at 20s openai fails 100% at 40s openai recovers";
        let story = Story::parse("x", text).expect("a story");
        let report = rehearse::run(&story, &Policy::default(), 1);
        let svg = svg(&report);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.len() < 32 * 1_024, "{}", svg.len());
        assert!(svg.contains("&lt;b&gt;&quot;1 &amp; 2&quot;") && !svg.contains("<b>"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("<path class=\"l l").count(), 3 * 5);
        assert!(svg.contains("<style>") && !inline(&report).contains("<style>"), "a page has the look already");
    }
}
