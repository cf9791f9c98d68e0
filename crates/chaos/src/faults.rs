//! How a fault is written on a command line, in a script or in a request's header.
//!
//! ```text
//! FAULT   = WORD [ "-" STATUS [ "-" VARIANT ] ] [ "=" VALUE ] { "+" NAME "=" VALUE }
//!         | STATUS [ "-" VARIANT ] { "+" NAME "=" VALUE }
//! SHARE   = FAULT [ ":" PROBABILITY ]          a number from 0 to 1, or a percentage; 1 when unsaid
//! ```
//!
//! The words are those of [`Fault`]; each has one spelling. A bare status is an error with a JSON
//! body in the form of the API: `500`, `429-quota`, `503+retry-after=2`. After a plus, `delay=`
//! is a wait before the fault; any other name is a header of the reply. [`help`] lists it all.
//!
//! A fault that no server can bring about from its side of a socket is refused, and says why.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::verdict::Fault;
use serde::{Deserialize, Deserializer};

use crate::error::Error;
use crate::wait::parse_duration;
use crate::wording;

/// The most headers that a fault adds.
pub const HEADERS_MAX: usize = 16;
/// The longest spelling of a fault, in bytes.
pub const SPEC_BYTES_MAX: usize = 1024;

/// What may follow a word.
#[derive(Debug, Clone, Copy)]
enum Takes {
    Nothing,
    /// `-STATUS`, and the status where there is none.
    Status(u16),
    /// `=CHUNKS`: content chunks of a stream before it happens.
    Chunks,
    /// `=WORD`, one of these; the first where there is none.
    OneOf(&'static [&'static str]),
    /// `=DURATION`, always.
    Wait,
}

struct Row {
    fault: Fault,
    takes: Takes,
    /// Whether a head of a reply is sent, to which headers can be added.
    has_head: bool,
    says: &'static str,
}

const fn row(fault: Fault, takes: Takes, has_head: bool, says: &'static str) -> Row {
    Row { fault, takes, has_head, says }
}

const ROWS: &[Row] = &[
    row(
        Fault::Status,
        Takes::Status(500),
        true,
        "an error status with a JSON body; or the bare status: 503, 429-quota",
    ),
    row(Fault::Html, Takes::Status(502), true, "an error status with a page of HTML, as a CDN writes it"),
    row(Fault::Text, Takes::Status(503), true, "an error status with plain text, as a proxy writes it"),
    row(Fault::Empty, Takes::Status(500), true, "an error status without a body"),
    row(Fault::Echo, Takes::Status(500), true, "an error whose message repeats the request's own last words"),
    row(Fault::ErrorIn200, Takes::Status(502), true, "status 200 with an error object inside"),
    row(Fault::Empty200, Takes::Nothing, true, "status 200 and JSON promised, but no body"),
    row(Fault::Html200, Takes::Nothing, true, "status 200 with a page of HTML"),
    row(
        Fault::Refused,
        Takes::Nothing,
        false,
        "share 1: the port is closed; less: connections are reset when accepted",
    ),
    row(Fault::NotSent, Takes::Nothing, true, "a good answer, then the idle connection is closed at once"),
    row(Fault::Stale, Takes::Nothing, true, "a good answer, then the next request on the connection is reset unread"),
    row(Fault::Reset, Takes::OneOf(&["rst", "close"]), false, "the connection is reset (or closed) before a reply"),
    row(Fault::Garbage, Takes::OneOf(&["line", "head"]), false, "a reply that is not HTTP (or a head cut short)"),
    row(Fault::FirstContentTimeout, Takes::Nothing, false, "silence instead of a reply"),
    row(Fault::Slow, Takes::Wait, true, "a good answer after a wait"),
    row(Fault::Truncated, Takes::Chunks, true, "the body ends in the middle, the connection is closed"),
    row(Fault::BodyReset, Takes::Chunks, true, "the connection is reset in the middle of the body"),
    row(Fault::Stall, Takes::Chunks, true, "silence in the middle of the body"),
    row(
        Fault::Undecodable,
        Takes::OneOf(&["gzip", "label", "chunk"]),
        true,
        "broken gzip, JSON labelled gzip, or broken chunk framing",
    ),
    row(Fault::StreamError, Takes::Status(500), true, "a stream whose first event is an error"),
    row(Fault::StreamCut, Takes::Chunks, true, "a stream that ends cleanly, but without its end"),
    row(Fault::StreamEmpty, Takes::OneOf(&["role", "bare"]), true, "a stream with only a role (or nothing) in it"),
    row(Fault::StreamJson, Takes::Nothing, true, "a whole JSON answer where a stream was asked for"),
];

/// Words people know from other tools, and ours.
const SYNONYMS: &[(&str, &str)] = &[
    ("timeout", "first_content_timeout"),
    ("hang", "first_content_timeout"),
    ("latency", "slow"),
    ("delay", "slow"),
    ("rst", "reset"),
    ("close", "reset=close"),
    ("disconnect", "reset"),
    ("quota", "429-quota"),
    ("cut", "stream_cut"),
    ("gzip", "undecodable"),
    ("ratelimit", "429"),
    ("rate_limit", "429"),
    ("down", "refused"),
    ("error", "500"),
];

/// What comes after the word, as parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Nothing,
    Chunks(u32),
    Word(&'static str),
    Wait(Duration),
}

/// A fault, spelled out so that a server can do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSpec {
    fault: Fault,
    status: u16,
    variant: Option<Arc<str>>,
    value: Value,
    headers: Vec<(String, String)>,
    delay: Duration,
    label: Arc<str>,
}

impl FaultSpec {
    /// Reads the spelling described at the top of this module.
    ///
    /// # Errors
    /// When the word is unknown (with the words that exist), its value does not fit, or no server can do it.
    pub fn parse(text: &str) -> Result<FaultSpec, Error> {
        let text = text.trim();
        if text.len() > SPEC_BYTES_MAX {
            return Err(Error::new(format!("fault of {} bytes, limit {SPEC_BYTES_MAX}", text.len())));
        }
        let mut parts = text.split('+');
        let label = parts.next().unwrap_or_default();
        let (name, value) = match label.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (label, None),
        };
        let (row, rest) = find(name)?;
        let mut spec = FaultSpec {
            fault: row.fault,
            status: 0,
            variant: None,
            value: Value::Nothing,
            headers: Vec::new(),
            delay: Duration::ZERO,
            label: label.into(),
        };
        spec.take(row, rest, value)?;
        for option in parts {
            spec.option(row, option)?;
        }
        Ok(spec)
    }

    /// Which fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The status of the reply, or of the error inside it; 0 where the fault has none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The spelling without what follows the first plus: the key of `by_fault` in the stats.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    pub(crate) fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    pub(crate) fn value(&self) -> Value {
        self.value
    }

    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    fn take(&mut self, row: &Row, rest: Option<&str>, value: Option<&str>) -> Result<(), Error> {
        let label = Arc::clone(&self.label);
        if let Takes::Status(default) = row.takes {
            let rest = rest.or(value);
            return self.take_status(rest.unwrap_or_default(), default);
        }
        if rest.is_some() {
            return Err(Error::new(format!("fault \"{label}\": {} has no status", row.fault)));
        }
        self.value = match (row.takes, value) {
            (Takes::Nothing, Some(_)) => {
                return Err(Error::new(format!("fault \"{label}\": {} takes no value", row.fault)));
            }
            (Takes::Chunks, Some(value)) => Value::Chunks(value.parse().map_err(|_| {
                Error::with_hint(format!("fault \"{label}\": \"{value}\" is not a number of chunks"), "stream_cut=3")
            })?),
            (Takes::OneOf(words), value) => {
                let asked = value.unwrap_or(words[0]);
                let word = words.iter().find(|word| **word == asked);
                Value::Word(word.ok_or_else(|| {
                    Error::with_hint(format!("fault \"{label}\": \"{asked}\" is unknown"), words.join(", "))
                })?)
            }
            (Takes::Wait, Some(value)) => Value::Wait(parse_duration(value)?),
            (Takes::Wait, None) => {
                return Err(Error::with_hint(format!("fault \"{label}\" needs a duration"), "slow=250ms"));
            }
            (_, None) | (Takes::Status(_), _) => Value::Nothing,
        };
        Ok(())
    }

    fn take_status(&mut self, text: &str, default: u16) -> Result<(), Error> {
        let (status, variant) = match text.split_once('-') {
            Some((status, variant)) => (status, Some(variant)),
            None => (text, None),
        };
        self.status = if status.is_empty() { default } else { status.parse().unwrap_or(0) };
        if !(400..=599).contains(&self.status) {
            let label = &self.label;
            return Err(Error::with_hint(
                format!("fault \"{label}\": \"{status}\" is not an error status"),
                "400 to 599",
            ));
        }
        if let Some(variant) = variant {
            wording::check_variant(self.status, variant)?;
            self.variant = Some(variant.into());
        }
        Ok(())
    }

    fn option(&mut self, row: &Row, option: &str) -> Result<(), Error> {
        let label = Arc::clone(&self.label);
        let wrong =
            |what: String| Error::with_hint(format!("fault \"{label}\": {what}"), "503+retry-after=2+delay=50ms");
        let (name, value) = option.split_once('=').ok_or_else(|| wrong(format!("\"+{option}\" has no value")))?;
        if row.fault == Fault::Refused {
            return Err(wrong("refused takes nothing more".into()));
        }
        if name == "delay" {
            self.delay = parse_duration(value)?;
            return Ok(());
        }
        if !row.has_head {
            return Err(wrong(format!("{} sends no head that \"{name}\" could be in", row.fault)));
        }
        if !is_header(name, value) {
            return Err(wrong(format!("\"{name}\" is not a header")));
        }
        if self.headers.len() == HEADERS_MAX {
            return Err(Error::new(format!("fault \"{label}\": more than {HEADERS_MAX} headers")));
        }
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        Ok(())
    }
}

/// Whether `name: value` can be a line of a head.
pub(crate) fn is_header(name: &str, value: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(token) && !value.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0))
}

/// The row that `name` asks for, and what follows its first dash.
fn find(name: &str) -> Result<(&'static Row, Option<&str>), Error> {
    let row_of = |fault: Fault| ROWS.iter().find(|row| row.fault == fault);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok((&ROWS[0], Some(name)));
    }
    let (word, rest) = match name.split_once('-') {
        Some((word, rest)) => (word, Some(rest)),
        None => (name, None),
    };
    let Some(fault) = Fault::from_name(word) else { return Err(unknown(word)) };
    row_of(fault).map(|row| (row, rest)).ok_or_else(|| impossible(fault))
}

fn impossible(fault: Fault) -> Error {
    let why = match fault {
        Fault::Resolve => "a name fails to resolve before anything reaches a server: use a name that does not exist",
        Fault::Tls => "this server speaks plain HTTP, and a failed handshake is not HTTP: use https:// in the URL",
        Fault::ConnectTimeout => {
            "the kernel completes the handshake of TCP, not the server: use an address that drops packets"
        }
        _ => "a deadline is the caller's own: use slow=… with a longer wait",
    };
    Error::with_hint(format!("fault \"{fault}\" cannot be brought about by a server"), why)
}

fn unknown(word: &str) -> Error {
    let words: Vec<&str> = ROWS.iter().map(|row| row.fault.name()).collect();
    let synonym = SYNONYMS.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours);
    let near = synonym.or_else(|| {
        let near =
            words.iter().map(|known| (strsim::jaro_winkler(known, word), *known)).max_by(|a, b| a.0.total_cmp(&b.0));
        near.filter(|(likeness, _)| *likeness > 0.75).map(|(_, known)| known)
    });
    let guess = near.map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
    Error::with_hint(
        format!("no fault \"{word}\""),
        format!("{guess}a status (500, 429-quota), or: {}", words.join(", ")),
    )
}

/// Every fault that can be asked for, one a line, with what it takes.
#[must_use]
pub fn help() -> String {
    ROWS.iter()
        .map(|row| {
            let takes = match row.takes {
                Takes::Nothing => String::new(),
                Takes::Status(default) => format!("[-STATUS] ({default})"),
                Takes::Chunks => "[=CHUNKS]".to_owned(),
                Takes::OneOf(words) => format!("[={}]", words.join("|")),
                Takes::Wait => "=DURATION".to_owned(),
            };
            told(&format!("{}{takes}", row.fault), row.says)
        })
        .collect()
}

/// In how many columns a line of the table is.
const WIDTH: usize = 80;
/// Where its second column begins.
const SAYS_AT: usize = 33;

/// A row of the table, in as many lines as it takes.
fn told(fault: &str, says: &str) -> String {
    let mut text = String::new();
    let mut line = format!("{fault:<0$}", SAYS_AT - 1);
    for word in says.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(SAYS_AT - 1);
        }
        line.push(' ');
        line.push_str(word);
    }
    text + &line + "\n"
}

impl FromStr for FaultSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<FaultSpec, Error> {
        FaultSpec::parse(text)
    }
}

impl<'de> Deserialize<'de> for FaultSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FaultSpec, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A fault and the share of requests that it befalls.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultShare {
    /// What goes wrong.
    pub fault: FaultSpec,
    /// For which share of the requests, 0 to 1.
    pub share: f64,
}

impl FromStr for FaultShare {
    type Err = Error;

    fn from_str(text: &str) -> Result<FaultShare, Error> {
        let (fault, share) = match text.rsplit_once(':') {
            Some((fault, share)) => (fault, parse_share(share)?),
            None => (text, 1.0),
        };
        Ok(FaultShare { fault: fault.parse()?, share })
    }
}

impl<'de> Deserialize<'de> for FaultShare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FaultShare, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn parse_share(text: &str) -> Result<f64, Error> {
    let text = text.trim();
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    share
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| Error::with_hint(format!("\"{text}\" is not a share"), "0.2 or 20%"))
}

/// A share in parts of a million, which is what the dice throw.
pub(crate) fn ppm(share: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1,000,000")]
    let parts = (share.clamp(0.0, 1.0) * 1e6).round() as u32;
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<FaultShare>().unwrap_err().to_string()
    }

    #[test]
    fn every_fault_of_the_vocabulary_is_either_in_the_table_or_refused_with_a_reason() {
        for fault in Fault::ALL {
            let text = if *fault == Fault::Slow { "slow=1ms".to_owned() } else { fault.name().to_owned() };
            match FaultSpec::parse(&text) {
                Ok(spec) => assert_eq!(spec.fault(), *fault),
                Err(error) => {
                    assert!(matches!(fault, Fault::Resolve | Fault::Tls | Fault::ConnectTimeout | Fault::Deadline));
                    assert!(error.to_string().contains("cannot be brought about by a server\nhint: "), "{error}");
                }
            }
        }
        let help = help();
        let rows = help.lines().filter(|line| !line.starts_with(' ')).count();
        assert_eq!(rows, Fault::ALL.len() - 4);
        assert!(help.lines().all(|line| line.chars().count() <= WIDTH), "{help}");
    }

    #[test]
    fn a_spelling_says_what_it_should() {
        let spec = FaultSpec::parse("503+retry-after=2+delay=50ms").unwrap();
        assert_eq!((spec.fault(), spec.status(), spec.delay()), (Fault::Status, 503, Duration::from_millis(50)));
        assert_eq!(spec.headers(), [("retry-after".to_owned(), "2".to_owned())]);
        assert_eq!(&**spec.label(), "503");
        let spec = FaultSpec::parse("429-quota").unwrap();
        assert_eq!((spec.status(), spec.variant()), (429, Some("quota")));
        assert_eq!(FaultSpec::parse("status=503").unwrap().status(), 503);
        assert_eq!(FaultSpec::parse("html").unwrap().status(), 502);
        assert_eq!(FaultSpec::parse("html-520").unwrap().status(), 520);
        assert_eq!(FaultSpec::parse("echo-429-quota").unwrap().variant(), Some("quota"));
        assert_eq!(FaultSpec::parse("stream_cut=3").unwrap().value(), Value::Chunks(3));
        assert_eq!(FaultSpec::parse("slow=250ms").unwrap().value(), Value::Wait(Duration::from_millis(250)));
        assert_eq!(FaultSpec::parse("undecodable").unwrap().value(), Value::Word("gzip"));
    }

    #[test]
    fn a_share_is_a_number_or_a_percentage() {
        assert_eq!("500:0.2".parse::<FaultShare>().unwrap().share, 0.2);
        assert_eq!("500:20%".parse::<FaultShare>().unwrap().share, 0.2);
        assert_eq!("slow=250ms".parse::<FaultShare>().unwrap().share, 1.0);
        assert_eq!((ppm(0.2), ppm(1.0), ppm(0.000_001)), (200_000, 1_000_000, 1));
    }

    #[test]
    fn a_wrong_spelling_is_told_the_right_one() {
        assert!(refused("garbadge").contains("did you mean \"garbage\"?"));
        assert!(refused("timeout").contains("did you mean \"first_content_timeout\"?"));
        assert!(refused("qqq").contains("hint: a status (500, 429-quota), or: status, html, "));
        assert!(refused("200").contains("is not an error status\nhint: 400 to 599"));
        assert!(refused("429-cheese").contains("quota"));
        assert!(refused("500:1.5").contains("is not a share"));
        assert!(refused("slow").contains("hint: slow=250ms"));
        assert!(refused("reset-500").contains("has no status"));
        assert!(refused("stale=3").contains("takes no value"));
        assert!(refused("reset=softly").contains("hint: rst, close"));
        assert!(refused("reset+retry-after=2").contains("sends no head"));
        assert!(refused("500+retry after=2").contains("is not a header"));
        assert!(refused("500+retry-after").contains("has no value"));
        assert!(refused("refused+delay=1s").contains("takes nothing more"));
        assert!(refused("stream_cut=many").contains("not a number of chunks"));
        assert!(refused(&"5".repeat(SPEC_BYTES_MAX + 1)).contains("limit 1024"));
    }

    #[test]
    fn headers_end_at_their_limit() {
        let with = |n: usize| format!("500{}", "+a=b".repeat(n));
        assert!(FaultSpec::parse(&with(HEADERS_MAX)).is_ok());
        assert!(FaultSpec::parse(&with(HEADERS_MAX + 1)).is_err());
    }
}
