//! The last minutes of all upstreams, as numbers and as a line of bars.

use super::super::said::Upstream;
use super::super::words::{NOTHING, level};

/// All upstreams' minutes as one series: requests, and attempts that failed.
pub(super) fn together(upstreams: &[Upstream]) -> (Vec<u64>, Vec<u64>) {
    let longest = upstreams.iter().filter_map(|upstream| upstream.minutes.as_ref()).map(Vec::len).max().unwrap_or(0);
    let (mut requests, mut failed) = (vec![0; longest], vec![0; longest]);
    for minutes in upstreams.iter().filter_map(|upstream| upstream.minutes.as_ref()) {
        // The present minute is the last of each.
        let from = longest - minutes.len();
        for ((minute, requests), failed) in minutes.iter().zip(&mut requests[from..]).zip(&mut failed[from..]) {
            *requests += minute.requests;
            *failed += minute.failed;
        }
    }
    (requests, failed)
}

/// Numbers as one character each, at most `width`, the last ones: how high, seen from the largest.
pub(super) fn spark(numbers: &[u64], width: usize) -> String {
    let shown = &numbers[numbers.len().saturating_sub(width)..];
    let most = shown.iter().copied().max().unwrap_or(0);
    shown.iter().map(|n| if *n == 0 { NOTHING } else { level(*n, most) }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::said::Minute;
    use super::*;

    fn minute(attempts: u64, failed: u64) -> Minute {
        Minute { requests: attempts, attempts, failed }
    }

    #[test]
    fn a_sparkline_is_seen_from_its_largest_number() {
        assert_eq!(spark(&[0, 1, 50, 100], 90), "·▂▅█");
        assert_eq!(spark(&[7, u64::MAX], 90), "▂█");
    }

    #[test]
    fn minutes_of_all_upstreams_end_at_the_same_moment() {
        let of = |minutes| Upstream { minutes, ..Upstream::default() };
        let upstreams = [of(Some(vec![minute(5, 1), minute(6, 2)])), of(None), of(Some(vec![minute(1, 1)]))];
        assert_eq!(together(&upstreams), (vec![5, 7], vec![1, 3]));
        assert_eq!(together(&[]), (vec![], vec![]));
    }
}
