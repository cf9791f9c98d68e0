//! The course of a story as a picture: success over time for each contender, and below it the
//! attempts that each of them made.
//!
//! An SVG of a few kilobytes that needs nothing else: it follows the reader's light or dark
//! preference by itself, and every line is told apart by its dash as well as by its colour.

use std::fmt::Write;

use crate::measure::Bucket;
use crate::rehearse::Report;

const WIDTH: u32 = 720;
const HEIGHT: u32 = 420;
const LEFT: u32 = 56;
const RIGHT: u32 = 16;
/// Top and height of the upper and of the lower chart.
const CHARTS: [(u32, u32); 2] = [(48, 160), (256, 104)];

/// The look: colours of the lines in order, for light and for dark.
const STYLE: &str = "\
svg{font:12px system-ui,sans-serif;background:#fff}text{fill:#222}.grid{stroke:#ddd}.band{fill:#f4e3c3}\
.l{fill:none;stroke-width:1.5}.l0{stroke:#0b62c4;stroke-width:2.5}.l1{stroke:#777;stroke-dasharray:2 3}\
.l2{stroke:#b3261e;stroke-dasharray:7 3}.l3{stroke:#8a5a00;stroke-dasharray:7 2 2 2}.l4{stroke:#12733a;stroke-dasharray:4 2}\
.l5{stroke:#6b3fa0}.l6{stroke:#006b75;stroke-dasharray:1 2}\
@media(prefers-color-scheme:dark){svg{background:#14171a}text{fill:#ddd}.grid{stroke:#333}.band{fill:#3a3220}\
.l0{stroke:#6db3ff}.l1{stroke:#999}.l2{stroke:#ff8a80}.l3{stroke:#e0b050}.l4{stroke:#6fd08c}.l5{stroke:#c3a0f0}.l6{stroke:#60c8d0}}";

/// Draws `report`.
#[must_use]
pub fn svg(report: &Report) -> String {
    let mut out = String::new();
    let title = escape(&format!("{}: {}", report.story, report.title));
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\
         <title>{title}</title><style>{STYLE}</style><text x=\"{LEFT}\" y=\"18\" font-weight=\"600\">{title}</text>"
    );
    if let Some(incident) = report.incident {
        let (from, to) = (x(report, incident.from.as_secs_f64()), x(report, incident.to.as_secs_f64()));
        for (top, height) in CHARTS {
            let width = to - from;
            let _ = write!(
                out,
                "<rect class=\"band\" x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\"/>"
            );
        }
    }
    let seconds = report.length.as_secs_f64() / 60.0;
    let began = report.contenders.iter().flat_map(|row| &row.course).map(|bucket| bucket.began).max().unwrap_or(0);
    let most = round_up(f64::from(began) / seconds);
    axes(&mut out, report, CHARTS[0], "success", 100.0, " %");
    axes(&mut out, report, CHARTS[1], "attempts/s", most, "");
    for (at, row) in report.contenders.iter().enumerate() {
        let success = |bucket: &Bucket| match bucket.arrived {
            0 => None,
            arrived => Some(f64::from(bucket.answered) / f64::from(arrived)),
        };
        let attempts = |bucket: &Bucket| Some(f64::from(bucket.began) / seconds / most);
        line(&mut out, report, at, CHARTS[0], row.course.iter().map(success));
        line(&mut out, report, at, CHARTS[1], row.course.iter().map(attempts));
        let left = LEFT + 92 * u32::try_from(at).unwrap_or(0);
        let _ = write!(
            out,
            "<path class=\"l l{at}\" d=\"M{left} 34h24\"/><text x=\"{}\" y=\"38\">{}</text>",
            left + 28,
            escape(row.name)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn axes(out: &mut String, report: &Report, (top, height): (u32, u32), name: &str, most: f64, unit: &str) {
    for quarter in [0, 2, 4] {
        let y = top + height * (4 - quarter) / 4;
        let value = most * f64::from(quarter) / 4.0;
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {y}H{}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{value}{unit}</text>",
            WIDTH - RIGHT,
            LEFT - 6,
            y + 4
        );
    }
    let (middle, bottom) = (top + height / 2, top + height + 16);
    let _ = write!(out, "<text transform=\"translate(12 {middle}) rotate(-90)\" text-anchor=\"middle\">{name}</text>");
    let length = report.length.as_secs();
    for quarter in 0..=4 {
        let at = length * quarter / 4;
        let _ =
            write!(out, "<text x=\"{:.1}\" y=\"{bottom}\" text-anchor=\"middle\">{at} s</text>", x(report, at as f64));
    }
}

/// A line through the middles of its stretches, broken where there is nothing.
fn line(
    out: &mut String,
    report: &Report,
    class: usize,
    (top, height): (u32, u32),
    values: impl ExactSizeIterator<Item = Option<f64>>,
) {
    let stretch = report.length.as_secs_f64() / values.len().max(1) as f64;
    let mut path = String::new();
    let mut is_down = false;
    for (at, value) in values.enumerate() {
        let Some(value) = value else {
            is_down = false;
            continue;
        };
        let x = x(report, (at as f64 + 0.5) * stretch);
        let y = f64::from(top) + f64::from(height) * (1.0 - value.clamp(0.0, 1.0));
        let _ = write!(path, "{}{x:.1} {y:.1}", if is_down { 'L' } else { 'M' });
        is_down = true;
    }
    let _ = write!(out, "<path class=\"l l{class}\" d=\"{path}\"/>");
}

fn x(report: &Report, seconds: f64) -> f64 {
    f64::from(LEFT) + f64::from(WIDTH - LEFT - RIGHT) * seconds / report.length.as_secs_f64().max(1.0)
}

/// The next of 1, 2, 4, 10, 20, 40, …: a scale that has a middle.
fn round_up(value: f64) -> f64 {
    let mut scale = 1.0;
    loop {
        for step in [1.0, 2.0, 4.0] {
            if value <= step * scale {
                return step * scale;
            }
        }
        scale *= 10.0;
    }
}

/// A story's title comes from whoever wrote it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse;
    use crate::story::Story;
    use seawall_core::plan::policy::Policy;

    #[test]
    fn a_picture_is_small_and_its_words_cannot_break_out() {
        let text = "# <b>\"1 & 2\"\nupstreams openai load 2/s for 60s at 20s openai fails 100% at 40s openai recovers";
        let story = Story::parse("x", text).expect("a story");
        let svg = svg(&rehearse::run(&story, &Policy::default(), 1));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.len() < 32 * 1_024, "{}", svg.len());
        assert!(svg.contains("&lt;b&gt;&quot;1 &amp; 2&quot;") && !svg.contains("<b>"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("<path class=\"l l").count(), 3 * 5);
    }
}
