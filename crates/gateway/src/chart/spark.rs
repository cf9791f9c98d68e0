//! How often something happened, in a line's height: a bar for each stretch of time.

use super::Canvas;

const WIDTH_OF_BAR: u32 = 4;
const HEIGHT: u32 = 18;

/// Draws the counts, the oldest first, the greatest as high as there is room.
pub(crate) fn svg(counts: &[u64], name: &str) -> String {
    let bars = u32::try_from(counts.len().max(1)).unwrap_or(u32::MAX);
    let mut canvas = Canvas::stretched((bars.saturating_mul(WIDTH_OF_BAR), HEIGHT), "spark", name);
    let greatest = counts.iter().copied().max().unwrap_or(0).max(1);
    for (count, at) in counts.iter().zip(0u32..) {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let share = *count as f64 / greatest as f64;
        let (height, class) = match count {
            0 => (1.0, "none"),
            // One is seen beside a million.
            _ => ((share * f64::from(HEIGHT)).max(2.0), "some"),
        };
        let (x, y) = (f64::from(at * WIDTH_OF_BAR), f64::from(HEIGHT) - height);
        canvas.rect(class, (x, y), (f64::from(WIDTH_OF_BAR) - 1.0, height));
    }
    canvas.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_fills_the_height_and_one_is_seen_beside_a_million() {
        let svg = svg(&[0, 1, 1_000_000], "x");
        assert!(svg.contains("class=\"none\" x=\"0.0\" y=\"17.0\""), "{svg}");
        assert!(svg.contains("class=\"some\" x=\"4.0\" y=\"16.0\"") && svg.contains("x=\"8.0\" y=\"0.0\""), "{svg}");
        assert!(super::svg(&[], "x").contains("viewBox=\"0 0 4 18\""));
    }
}
