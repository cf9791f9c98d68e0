//! Charts as SVG, drawn here: for the dashboard, and for `seawall rehearse --svg`.
//!
//! A chart is a few kilobytes of text that needs no script. It follows the reader's light or dark preference by
//! itself, and nothing in it is told by colour alone: what is bad is also higher, hatched or dashed. In a page the look
//! comes from the page's style sheet, so that a strict content security policy holds; alone, a chart brings it along.
//! Each part that says something has a `title`: a reader without a script sees it where the pointer rests.

pub(crate) mod course;
pub(crate) mod minutes;
pub(crate) mod rehearsal;
pub(crate) mod spark;
pub(crate) mod waterfall;

use std::fmt::{Display, Write};

use crate::observe::journal::plain::printable;

/// The look of every chart.
pub(crate) const STYLE: &str = include_str!("../assets/chart.css");

/// A chart that is being drawn. Its units are those of its view box.
pub(crate) struct Canvas {
    out: String,
}

impl Canvas {
    /// An empty chart of this width and height, named for readers who cannot see it.
    pub(crate) fn new((width, height): (u32, u32), class: &str, name: &str) -> Canvas {
        let mut canvas = Canvas { out: String::new() };
        let name = inert(name);
        canvas.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart {class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{name}\">"
        ));
        canvas
    }

    /// The same, stretched to whatever room there is: for a chart without text.
    pub(crate) fn stretched((width, height): (u32, u32), class: &str, name: &str) -> Canvas {
        let mut canvas = Canvas::new((width, height), class, name);
        canvas.out.insert_str("<svg ".len(), "preserveAspectRatio=\"none\" ");
        canvas
    }

    /// The look, for a chart that stands alone.
    pub(crate) fn style(&mut self) {
        self.put(format_args!("<style>{STYLE}</style>"));
    }

    /// What the whole chart is called, where it stands alone.
    pub(crate) fn title(&mut self, title: &str) {
        self.put(format_args!("<title>{}</title>", inert(title)));
    }

    /// A rectangle; one without a height is left out.
    pub(crate) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        if width > 0.0 && height > 0.0 {
            self.put(format_args!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
            ));
        }
    }

    /// A rectangle that says something.
    pub(crate) fn told(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), says: &str) {
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            width.max(0.0),
            height.max(0.0),
            inert(says)
        ));
    }

    /// A path of this shape.
    pub(crate) fn path(&mut self, class: &str, shape: &str) {
        self.put(format_args!("<path class=\"{class}\" d=\"{shape}\"/>"));
    }

    /// A line through these points, broken where there is none.
    pub(crate) fn line(&mut self, class: &str, points: impl Iterator<Item = Option<(f64, f64)>>) {
        let mut shape = String::new();
        let mut is_down = false;
        for point in points {
            if let Some((x, y)) = point {
                // Writing to a string cannot fail.
                let _ = write!(shape, "{}{x:.1} {y:.1}", if is_down { 'L' } else { 'M' });
            }
            is_down = point.is_some();
        }
        self.path(class, &shape);
    }

    /// Text at a place; `anchor` is `start`, `middle` or `end`.
    pub(crate) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, says: &str) {
        let says = inert(says);
        self.put(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{says}</text>"
        ));
    }

    /// Whatever else SVG has: nothing from outside may be in it.
    pub(crate) fn put(&mut self, part: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{part}");
    }

    /// The chart.
    pub(crate) fn done(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }
}

/// The next of 1, 2, 4, 10, 20, 40, …: a scale that has a middle.
pub(crate) fn round_up(value: f64) -> f64 {
    let mut scale = 1.0;
    loop {
        for step in [1.0, 2.0, 4.0] {
            if value <= step * scale || scale > 1e15 {
                return step * scale;
            }
        }
        scale *= 10.0;
    }
}

/// Text that cannot end the attribute or element that it stands in, nor turn the reading order.
fn inert(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_outside_stay_words() {
        let mut canvas = Canvas::new((10, 10), "x", "a\"><script>");
        canvas.told("c", (0.0, 0.0), (1.0, 1.0), "</title><b>&\u{202e}");
        canvas.text("t", (0.0, 0.0), "end", "<i>\u{1b}[2J");
        let svg = canvas.done();
        for wrong in ["<script", "<b>", "<i>", "\u{202e}", "\u{1b}"] {
            assert!(!svg.contains(wrong), "{wrong:?} in {svg}");
        }
        assert!(
            svg.contains("a&quot;&gt;&lt;script&gt;")
                && svg.contains("<title>&lt;/title&gt;&lt;b&gt;&amp;\\u{202e}</title>"),
            "{svg}"
        );
    }

    #[test]
    fn a_line_is_broken_where_there_is_nothing() {
        let mut canvas = Canvas::new((10, 10), "x", "a");
        canvas.line("l", [Some((0.0, 1.0)), Some((1.0, 2.0)), None, Some((3.0, 4.0))].into_iter());
        assert!(canvas.done().contains("d=\"M0.0 1.0L1.0 2.0M3.0 4.0\""));
    }

    #[test]
    fn a_scale_has_room_for_its_greatest_value_and_ends() {
        for (value, scale) in [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (3.0, 4.0), (5.0, 10.0), (150.0, 200.0)] {
            assert!((round_up(value) - scale).abs() < f64::EPSILON, "{value}");
        }
        assert!(round_up(f64::INFINITY).is_finite());
    }
}
