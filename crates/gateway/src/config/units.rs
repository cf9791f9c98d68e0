//! Durations and sizes as people write them: `"1h30m"`, `"250ms"`, `"32 MiB"`.
//!
//! A number without a unit is the classic trap of a timeout (seconds? milliseconds?), so a
//! duration always has one. For sizes a plain integer can only mean bytes. Decimal and binary
//! units keep their own spelling: `MB` is 1,000,000 bytes and `MiB` is 1,048,576.

use std::time::Duration;

use super::diagnose::Wrong;

/// Units of time in milliseconds, longest first.
const TIME: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size in bytes; of two that print a size exactly, the earlier is preferred.
const SIZE: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads `"250ms"`, `"5s"`, `"1h30m"`, `"30d"`: whole numbers with units, longest unit first.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    const WRONG: &str = "is not a duration";
    let wrong = |hint: String| Wrong::new(WRONG).hint(hint);
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut units = TIME.iter();
    if rest.is_empty() {
        return Err(wrong("a duration is a number with a unit, such as \"5s\"".into()));
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest).ok_or_else(|| wrong(UNITS_OF_TIME.into()))?;
        let after = after.trim_start();
        if after.starts_with('.') {
            return Err(wrong("only whole numbers: write \"1500ms\" instead of \"1.5s\"".into()));
        }
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        if unit.is_empty() {
            return Err(wrong(format!("a duration needs a unit: \"{number}s\" or \"{number}ms\"")));
        }
        let Some((_, millis)) = units.find(|(name, _)| *name == unit) else {
            return Err(wrong(UNITS_OF_TIME.into()));
        };
        let part = number.checked_mul(*millis).and_then(|part| part.checked_add(total));
        total = part.ok_or_else(|| wrong("it is longer than any computer will run".into()))?;
        rest = next.trim_start();
    }
    Ok(Duration::from_millis(total))
}

const UNITS_OF_TIME: &str = "units are d, h, m, s and ms, each at most once, longest first: \"1h30m\"";

/// Writes a duration so that [`duration`] reads it back, down to the millisecond.
pub(super) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".into();
    }
    let mut shown = String::new();
    for (unit, millis) in TIME {
        // A day is 24 hours to a program and a date to a person: "24h" reads better than "1d".
        if unit == "d" && rest < 2 * millis {
            continue;
        }
        if rest >= millis {
            shown.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    shown
}

/// Reads `"32 MiB"`, `"64KB"`, `"100 B"`.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    let wrong = || Wrong::new("is not a size");
    let (number, unit) = leading_number(text.trim()).ok_or_else(|| wrong().hint(UNITS_OF_SIZE))?;
    let unit = unit.trim_start();
    if unit.starts_with('.') {
        return Err(wrong().hint("only whole numbers: write \"1536 MiB\" instead of \"1.5 GiB\""));
    }
    if unit.is_empty() {
        return Err(
            wrong().hint(format!("in quotes a size needs a unit: \"{number} MiB\"; without quotes it is in bytes"))
        );
    }
    let Some((_, bytes)) = SIZE.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
        return Err(wrong().hint(UNITS_OF_SIZE));
    };
    number.checked_mul(*bytes).ok_or_else(|| wrong().hint("it is larger than any memory"))
}

const UNITS_OF_SIZE: &str = "units are B, KiB, MiB, GiB, TiB (1,024 each) and KB, MB, GB, TB (1,000 each): \"32 MiB\"";

/// Writes a size so that [`size`] reads it back, in the largest unit that is exact.
pub(super) fn show_size(bytes: u64) -> String {
    let fits = |unit: u64| bytes >= unit && bytes.is_multiple_of(unit);
    let (name, unit) = SIZE.iter().find(|(_, unit)| fits(*unit)).unwrap_or(&("B", 1));
    format!("{} {name}", bytes / unit)
}

/// Writes a number of parts of `whole` (a power of ten) as a decimal fraction: 200 of 1,000 is `0.2`.
pub(super) fn show_fraction(parts: u32, whole: u32) -> String {
    let digits = usize::try_from(whole.ilog10()).unwrap_or(0);
    let shown = format!("{}.{:0digits$}", parts / whole, parts % whole);
    let shortest = shown.trim_end_matches('0');
    if shortest.ends_with('.') { format!("{shortest}0") } else { shortest.into() }
}

/// A whole number at the start, and what follows it. More than 19 digits are no number.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("5s", 5_000),
            (" 5 s ", 5_000),
            ("1m", 60_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1d1h1m1s1ms", 90_061_001),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(duration(text).ok(), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_hint() {
        for text in ["", "5", "s", "5 parsecs", "1.5s", "-5s", "5s1m", "5s5s", "1m s", "99999999999999999999s", "5S"] {
            let wrong = duration(text).expect_err(text);
            assert!(wrong.hint.is_some(), "{text}");
        }
        assert!(duration("18446744073709551615d").is_err());
        assert!(duration("213503982334d 18446744073709551615ms").is_err());
    }

    #[test]
    fn sizes_are_read_in_decimal_and_binary_units() {
        for (text, bytes) in
            [("32 MiB", 32 << 20), ("64KB", 64_000), ("0 B", 0), ("1 gib", 1 << 30), ("2TB", 2_000_000_000_000)]
        {
            assert_eq!(size(text).ok(), Some(bytes), "{text}");
        }
        for text in ["", "32", "32 M", "MiB", "1.5 GiB", "-1 B", "18446744073709551615 KiB", "1 MiB 1 KiB"] {
            let wrong = size(text).expect_err(text);
            assert!(wrong.hint.is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [0, 1, 999, 1_000, 1_500, 60_000, 90_000, 3_600_000, 5_400_000, 86_400_000, 2_592_000_000] {
            let given = Duration::from_millis(millis);
            assert_eq!(duration(&show_duration(given)).ok(), Some(given));
        }
        for bytes in [0, 1, 1_000, 1_024, 1_500, 64_000, 32 << 20, 1 << 30, (1 << 30) + 1, u64::MAX] {
            assert_eq!(size(&show_size(bytes)).ok(), Some(bytes), "{}", show_size(bytes));
        }
    }

    #[test]
    fn values_are_written_as_people_write_them() {
        let shown = [250, 8_000, 90_000, 5_400_000, 86_400_000, 2_592_000_000]
            .map(|ms| show_duration(Duration::from_millis(ms)));
        assert_eq!(shown, ["250ms", "8s", "1m30s", "1h30m", "24h", "30d"]);
        assert_eq!([32 << 20, 64_000, 1 << 30, 1_500, 7].map(show_size), ["32 MiB", "64 KB", "1 GiB", "1500 B", "7 B"]);
        assert_eq!([0, 1, 200, 1_000].map(|parts| show_fraction(parts, 1_000)), ["0.0", "0.001", "0.2", "1.0"]);
    }
}
