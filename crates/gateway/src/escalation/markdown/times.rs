//! When it was: the timeline, a line for each stretch of time, and the time before.

use super::super::document::{Counted, Report, Stretch};
use super::super::words::{grouped, percent};
use super::inert::{NOTHING, fenced, sentence};
use super::lines;

/// The longest bar, in characters.
const BAR_MAX: u64 = 30;

/// What happened when: in words, and as a chart by time.
pub(super) fn told(report: &Report) -> String {
    let mut text = String::from("## When\n\n");
    text.push_str(&lines(&report.timeline, |entry| format!("{}: {}", entry.at.told(), sentence(&entry.what))));
    let most = report.stretches.iter().map(|stretch| stretch.failed).max().unwrap_or(0);
    let mut chart = format!(
        "{:<16} {:>9} {:>16} {:>7} {:>7} {:>7}  failed attempts\n",
        "from", "requests", "failed at first", "saved", "lost", "cut"
    );
    for stretch in &report.stretches {
        chart.push_str(&chart_line(stretch, most));
    }
    let minutes = report.stretches.first().map_or(1, |stretch| stretch.minutes);
    let width = if minutes == 1 { "A line a minute".to_owned() } else { format!("A line for each {minutes} minutes") };
    text.push_str(&format!("\n{width}; *saved* by a retry, *lost* without an answer, *cut* in the middle of one.\n\n"));
    text.push_str(&fenced("text", &chart));
    text.push('\n');
    text + &lines(&report.baseline, |before| {
        let (since, until) = (before.since.told(), before.until.told());
        let share = match before.requests {
            0 => "no request is on record".to_owned(),
            of => {
                let failed = before.failed_first;
                format!("{} of {} failed at the first attempt ({})", grouped(failed), grouped(of), percent(failed, of))
            }
        };
        format!("the {} before, {since} to {until}: {share}", before.before)
    })
}

fn chart_line(stretch: &Stretch, most: u64) -> String {
    let number = |pick: fn(&Counted) -> u64| {
        stretch.counted.as_ref().map_or_else(|| NOTHING.to_owned(), |one| grouped(pick(one)))
    };
    let share = stretch
        .counted
        .as_ref()
        .map_or_else(String::new, |one| format!(" {:>7}", percent(one.failed_first, one.requests)));
    let bar = stretch.failed.saturating_mul(BAR_MAX).div_ceil(most.max(1));
    let bar: String = (0..bar).map(|_| '#').collect();
    let classes: Vec<String> =
        stretch.classes.iter().map(|(class, count)| format!("{class} {}", grouped(*count))).collect();
    let told = if classes.is_empty() { bar } else { format!("{bar} {}", classes.join(", ")) };
    let since: String = stretch.since.told().chars().take(16).collect();
    let first = format!("{}{share}", number(|one| one.failed_first));
    let line = format!(
        "{since:<16} {:>9} {first:>16} {:>7} {:>7} {:>7}  {told}",
        number(|one| one.requests),
        number(|one| one.saved),
        number(|one| one.lost),
        number(|one| one.cut)
    );
    format!("{}\n", line.trim_end())
}
