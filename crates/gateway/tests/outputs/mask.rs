//! What differs from run to run, made alike: ids, moments, times, addresses. Widths stay where columns depend on them.

/// Words of this run, and what stands for them.
#[derive(Default)]
pub(crate) struct Mask {
    words: Vec<(String, &'static str)>,
}

impl Mask {
    pub(crate) fn word(&mut self, word: &str, stands: &'static str) {
        self.words.push((word.to_owned(), stands));
    }

    /// `text` with everything of this run masked.
    pub(crate) fn masked(&self, text: &str) -> String {
        let text = self.words.iter().fold(text.to_owned(), |text, (word, stands)| text.replace(word, stands));
        let mut masked = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let (shown, taken) = id(rest)
                .or_else(|| moment(rest))
                .or_else(|| clock(rest))
                .or_else(|| uuid(rest))
                .or_else(|| json_time(rest))
                .or_else(|| time(rest, masked.chars().next_back()))
                .unwrap_or_else(|| (first.to_string(), first.len_utf8()));
            masked.push_str(&shown);
            rest = &rest[taken..];
        }
        masked
    }
}

/// The keys of times in JSON are shorter than this.
const KEY_MAX: usize = 32;

type Found = Option<(String, usize)>;

fn id(text: &str) -> Found {
    let prefix = ["sw_", "req_", "inc_"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let digits = text[prefix.len()..].bytes().take_while(u8::is_ascii_hexdigit).count();
    (digits >= 16).then(|| (format!("{prefix}{}", "0".repeat(digits)), prefix.len() + digits))
}

/// `2026-11-23T06:30:00.000Z`.
fn moment(text: &str) -> Found {
    const MOMENT: &str = "2026-11-23T06:30:00.000Z";
    let alike = |like: &str| {
        let fits =
            text.bytes().zip(like.bytes()).all(|(is, like)| is == like || is.is_ascii_digit() && like.is_ascii_digit());
        (text.len() >= like.len() && fits).then(|| (like.to_owned(), like.len()))
    };
    alike(MOMENT).or_else(|| alike("2026-11-23 06:30"))
}

/// `06:30:00`.
fn clock(text: &str) -> Found {
    let is_clock = text.len() >= 8
        && text.bytes().take(8).enumerate().all(|(at, b)| if at % 3 == 2 { b == b':' } else { b.is_ascii_digit() });
    is_clock.then(|| ("06:30:00".to_owned(), 8))
}

fn uuid(text: &str) -> Found {
    const UUID: &str = "00000000-0000-0000-0000-000000000000";
    let fits = |(is, like): (u8, u8)| if like == b'-' { is == b'-' } else { is.is_ascii_hexdigit() };
    (text.len() >= UUID.len() && text.bytes().zip(UUID.bytes()).all(fits)).then(|| (UUID.to_owned(), UUID.len()))
}

/// `"elapsed_ms":120.5`.
fn json_time(text: &str) -> Found {
    let end = text.find("_ms\":").filter(|end| *end < KEY_MAX && text.starts_with('"'))? + 5;
    let is_key = text[1..end - 2].bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let digits = text[end..].bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    (is_key && digits > 0).then(|| (format!("{}0", &text[..end]), end + digits))
}

/// `120 ms`, `3 s`, `0.4 ms`: not `60 s of` a rule, which is no measurement, but it does no harm.
fn time(text: &str, before: Option<char>) -> Found {
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let is_begin = digits > 0 && !before.is_some_and(|c| c.is_alphanumeric() || c == '.' || c == '-');
    let unit = [" ms", " µs", " s"].into_iter().find(|unit| text[digits..].starts_with(unit))?;
    is_begin.then(|| (format!("#{unit}"), digits + unit.len()))
}

/// Every number of a line, with the spaces before it.
pub(crate) fn numbers(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        let is_number = |c: &char| c.is_ascii_digit() || matches!(c, '.' | '#');
        let digits = rest[spaces..].chars().take_while(is_number).count();
        let is_begin = digits > 0 && !rest[spaces..].starts_with('.');
        let taken = if is_begin { spaces + digits } else { first.len_utf8() };
        match is_begin {
            true if spaces > 0 => masked.push_str(" #"),
            true => masked.push('#'),
            false => masked.push(first),
        }
        rest = &rest[taken..];
    }
    masked
}
