//! A story, as it is told: the bars, the figures of everybody, and a timeline that fits a terminal.
//!
//! The timeline has a character for each sixtieth of the story: how many of the requests that
//! arrived then got a whole answer. A second line, for Seawall, says how many attempts were made,
//! against the most that anybody made in such a stretch.

use std::fmt;

use crate::figure::{Figure, Measured};
use crate::measure::Bucket;
use crate::rehearse::{Report, Row};

/// What is told of everybody, and in how many columns: the whole line fits 80.
const COLUMNS: [(Figure, &str, usize); 6] = [
    (Figure::Success, "success", 9),
    (Figure::SuccessInside, "in incident", 13),
    (Figure::Attempts, "attempts", 10),
    (Figure::AttemptsInside, "in incident", 13),
    (Figure::Wasted, "wasted", 10),
    (Figure::Recovery, "recovery", 12),
];

/// From nothing to everything.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, seeds) = self.seeds;
        writeln!(f, "{}: {}", self.story, self.title)?;
        match seeds {
            1 => writeln!(f, "  {} s, seed {seed}", self.length.as_secs())?,
            _ => writeln!(f, "  {} s, {seeds} seeds from {seed}", self.length.as_secs())?,
        }
        writeln!(f)?;
        for bar in &self.bars {
            let of = if bar.of == "seawall" { String::new() } else { format!("{}: ", bar.of) };
            let (figure, is, limit) = (bar.figure, bar.is, &bar.limit_text);
            let what = format!("{of}{figure} {is} {limit}");
            writeln!(f, "  {:<9} {what:<32} {}", if bar.holds { "held" } else { "NOT HELD" }, bar.measured_text)?;
        }
        writeln!(f)?;
        write!(f, "  {:<9}", "")?;
        for (_, title, width) in COLUMNS {
            write!(f, "{title:>width$}")?;
        }
        writeln!(f)?;
        for row in &self.contenders {
            write!(f, "  {:<9}", row.name)?;
            for (figure, _, width) in COLUMNS {
                write!(f, "{:>width$}", row.figure(figure).say(figure.unit()))?;
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        if let Some(incident) = self.incident {
            let at = |time: std::time::Duration| {
                let share = time.as_micros() * 60 / self.length.as_micros().max(1);
                usize::try_from(share).unwrap_or(0)
            };
            let (from, to) = (at(incident.from), at(incident.to).max(at(incident.from) + 1));
            writeln!(f, "  {:<9}{}{}", "incident", " ".repeat(from), "─".repeat(to - from))?;
        }
        for row in &self.contenders {
            writeln!(f, "  {:<9}{}", row.name, row.course.iter().map(success).collect::<String>())?;
        }
        let most = self.contenders.iter().flat_map(|row| &row.course).map(|bucket| bucket.began).max().unwrap_or(0);
        if let Some(row) = self.contenders.first() {
            let attempts: String = row.course.iter().map(|bucket| level(bucket.began, most)).collect();
            writeln!(f, "  {:<9}{attempts}", "attempts")?;
        }
        Ok(())
    }
}

impl Row {
    /// What was measured of `figure`.
    #[must_use]
    pub fn figure(&self, figure: Figure) -> Measured {
        let found = self.measured.iter().find(|(known, _)| *known == figure);
        found.map_or(Measured::Nothing, |(_, measured)| *measured)
    }
}

fn success(bucket: &Bucket) -> char {
    level(bucket.answered, bucket.arrived)
}

/// `part` of `whole` as a column: full only if it is whole, empty only if it is nothing.
fn level(part: u32, whole: u32) -> char {
    match (part, whole) {
        (_, 0) => ' ',
        (0, _) => '·',
        (part, whole) if part >= whole => LEVELS[7],
        (part, whole) => LEVELS[usize::try_from(u64::from(part) * 7 / u64::from(whole)).unwrap_or(6).min(6)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_full_only_if_nothing_is_missing() {
        let columns: String =
            [(0, 0), (0, 9), (1, 9), (5, 9), (8, 9), (9, 9)].map(|(a, b)| level(a, b)).iter().collect();
        assert_eq!(columns, " ·▁▄▇█");
    }
}
