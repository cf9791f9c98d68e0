//! The kinds of values a key can take: what is accepted, within which bounds, and what it becomes.
//!
//! A bound is part of the type (`Count<1, 20>`), so that the check, the error and the schema say
//! the same number.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use seawall_core::incident::Severity;
use seawall_core::plan::backoff::Jitter;
use seawall_core::plan::policy::{Commit, FirstContent, OnBreak, Preset, ToolsPolicy};
use seawall_core::plan::upgrade::Upgrade;
use serde_json::{Value, json};

use super::diagnose::Wrong;
use super::item::{Kind, Raw, Text};
use super::proxy::{self, ProxySetting};
use super::secret::Secret;
use super::status_page::{self, StatusPageSetting};
use super::{address, units};

/// The longest credential, in bytes: more than any provider's, and it has to fit into a header.
pub(super) const SECRET_BYTES_MAX: usize = 4096;
/// The shortest token that may guard the gateway, in bytes: 128 bits if written by a machine.
pub(super) const TOKEN_BYTES_MIN: usize = 16;
/// The longest name, in bytes: it is a metric label and a journal column.
pub(super) const NAME_BYTES_MAX: usize = 64;

/// A whole number.
pub(super) struct Count<const MIN: u32, const MAX: u32>;

impl<const MIN: u32, const MAX: u32> Kind for Count<MIN, MAX> {
    type Value = u32;

    fn read(raw: &Raw) -> Result<u32, Wrong> {
        let Raw::Integer(number) = raw else {
            return Err(raw.not("a whole number").hint(format!("{MIN} to {MAX}, without quotes")));
        };
        match u32::try_from(*number) {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(number),
            _ => Err(outside(*number, MIN, MAX)),
        }
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// A number from 0 to 1, kept as whole parts of `PARTS` (a power of ten), of which it is `MIN` to `MAX`.
pub(super) struct Fraction<const PARTS: u32, const MIN: u32 = 0, const MAX: u32 = PARTS>;

impl<const PARTS: u32, const MIN: u32, const MAX: u32> Kind for Fraction<PARTS, MIN, MAX> {
    type Value = u32;

    fn read(raw: &Raw) -> Result<u32, Wrong> {
        let [min, max] = [MIN, MAX].map(|parts| units::show_fraction(parts, PARTS));
        let percent = |percent: f64| format!("{percent} % is written {}", percent / 100.0);
        let number = match raw {
            Raw::Float(number) => *number,
            Raw::Integer(0) => 0.0,
            Raw::Integer(1) => 1.0,
            Raw::Integer(number) => {
                let wrong = outside(number, min, max);
                let meant = u8::try_from(*number).ok().filter(|number| *number <= 100);
                return Err(match meant {
                    Some(number) => wrong.hint(percent(number.into())),
                    None => wrong,
                });
            }
            other => {
                let wrong = other.not(&format!("a number from {min} to {max}"));
                let meant = match other {
                    Raw::Text(text) => {
                        text.value.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok())
                    }
                    _ => None,
                };
                return Err(match meant.filter(|number: &u8| *number <= 100) {
                    Some(number) => wrong.hint(format!("{}, without quotes", percent(number.into()))),
                    None => wrong,
                });
            }
        };
        if !(share(MIN, PARTS)..=share(MAX, PARTS)).contains(&number) {
            return Err(outside(number, min, max));
        }
        // The shortest decimal form is what was meant: a float cannot name a tenth, its text can.
        let shown = number.to_string();
        let (whole, decimals) = shown.split_once('.').unwrap_or((&shown, ""));
        let places = usize::try_from(PARTS.ilog10()).unwrap_or(0);
        match format!("{whole}{decimals:0<places$}").parse() {
            Ok(parts) if decimals.len() <= places => Ok(parts),
            _ => Err(Wrong::new(format!("is {shown}, finer than steps of {}", units::show_fraction(1, PARTS)))
                .hint(format!("{places} digits behind the point at most"))),
        }
    }

    fn schema() -> Value {
        let [min, max] = [MIN, MAX].map(|parts| match parts.is_multiple_of(PARTS) {
            true => json!(parts / PARTS),
            false => json!(share(parts, PARTS)),
        });
        json!({ "type": "number", "minimum": min, "maximum": max })
    }
}

/// `parts` of `whole`: the number that its decimal form is read as.
fn share(parts: u32, whole: u32) -> f64 {
    f64::from(parts) / f64::from(whole)
}

/// A duration, with bounds in milliseconds.
pub(super) struct Wait<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Kind for Wait<MIN, MAX> {
    type Value = Duration;

    fn read(raw: &Raw) -> Result<Duration, Wrong> {
        if let Raw::Integer(number) = raw {
            let hint = format!("a duration needs a unit: \"{number}s\" or \"{number}ms\"");
            return Err(raw.not("a duration").hint(hint));
        }
        let given = units::duration(&raw.text("a duration such as \"5s\"")?.value)?;
        let [min, max] = [MIN, MAX].map(Duration::from_millis);
        if (min..=max).contains(&given) {
            return Ok(given);
        }
        let [given, min, max] = [given, min, max].map(units::show_duration);
        Err(outside(given, min, max))
    }

    fn schema() -> Value {
        let [min, max] = [MIN, MAX].map(|millis| units::show_duration(Duration::from_millis(millis)));
        json!({
            "type": "string",
            "pattern": r"^\s*(([0-9]+\s*(d|h|m|s|ms)\s*)+|.*\$\{.*)$",
            "x-minimum": min,
            "x-maximum": max,
        })
    }
}

/// How long a stream may take to its first content: a duration, or the word for what is learnt.
pub(super) struct FirstContentLimit<const MIN: u64, const MAX: u64>;

/// As long as requests of the same shape need.
pub(super) const ADAPTIVE: &str = "adaptive";

impl<const MIN: u64, const MAX: u64> Kind for FirstContentLimit<MIN, MAX> {
    type Value = FirstContent;

    fn read(raw: &Raw) -> Result<FirstContent, Wrong> {
        const WANTED: &str = "\"adaptive\" or a duration such as \"5m\"";
        let text = match raw {
            Raw::Integer(number) => {
                return Err(raw.not(WANTED).hint(format!("a duration needs a unit: \"{number}s\" or \"{number}ms\"")));
            }
            other => other.text(WANTED)?,
        };
        let word = text.value.trim();
        if word == ADAPTIVE {
            return Ok(FirstContent::Adaptive);
        }
        if word.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let wrong = Wrong::new(format!("must be {WANTED}"));
            let near = super::unknown::nearest(&word.to_ascii_lowercase(), [ADAPTIVE].into_iter());
            return Err(match near {
                Some(near) => wrong.hint(format!("did you mean \"{near}\"?")),
                None => wrong,
            });
        }
        Wait::<MIN, MAX>::read(raw).map(FirstContent::Fixed)
    }

    fn schema() -> Value {
        let mut schema = Wait::<MIN, MAX>::schema();
        schema["pattern"] = json!(r"^\s*(adaptive\s*|([0-9]+\s*(d|h|m|s|ms)\s*)+|.*\$\{.*)$");
        schema
    }
}

/// A share among others: at least 1.
pub(super) struct Weight<const MAX: u32>;

impl<const MAX: u32> Kind for Weight<MAX> {
    type Value = u32;

    fn read(raw: &Raw) -> Result<u32, Wrong> {
        if let Raw::Integer(0) = raw {
            return Err(Wrong::new("is 0, and an upstream without a share is never asked")
                .label(format!("1 to {MAX}"))
                .hint("take its [[upstream]] out; or raise its `priority`, to have it asked after the others only"));
        }
        Count::<1, MAX>::read(raw)
    }

    fn schema() -> Value {
        Count::<1, MAX>::schema()
    }
}

/// A number of bytes.
pub(super) struct Size<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Kind for Size<MIN, MAX> {
    type Value = u64;

    fn read(raw: &Raw) -> Result<u64, Wrong> {
        let given = match raw {
            Raw::Integer(number) => u64::try_from(*number).map_err(|_| size_outside::<MIN, MAX>(number.to_string()))?,
            other => units::size(&other.text("a size such as \"32 MiB\"")?.value)?,
        };
        if (MIN..=MAX).contains(&given) {
            return Ok(given);
        }
        Err(size_outside::<MIN, MAX>(units::show_size(given)))
    }

    fn schema() -> Value {
        json!({
            "type": ["string", "integer"],
            "pattern": r"^\s*([0-9]+\s*([KkMmGgTt][Ii]?)?[Bb]\s*|.*\$\{.*)$",
            "minimum": MIN,
            "x-minimum": units::show_size(MIN),
            "x-maximum": units::show_size(MAX),
        })
    }
}

fn size_outside<const MIN: u64, const MAX: u64>(given: String) -> Wrong {
    outside(given, units::show_size(MIN), units::show_size(MAX))
}

fn outside(given: impl std::fmt::Display, min: impl std::fmt::Display, max: impl std::fmt::Display) -> Wrong {
    Wrong::new(format!("is {given}, outside {min} to {max}")).label(format!("{min} to {max}"))
}

/// Yes or no.
pub(super) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(raw: &Raw) -> Result<bool, Wrong> {
        match raw {
            Raw::Flag(flag) => Ok(*flag),
            other => Err(other.not("true or false, without quotes")),
        }
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

/// A word of a closed list.
pub(super) struct OneOf<W>(std::marker::PhantomData<W>);

/// A closed list of words.
pub(super) trait Word: Copy + 'static {
    const ALL: &'static [Self];
    fn name(self) -> &'static str;
}

impl<W: Word> Kind for OneOf<W> {
    type Value = W;

    fn read(raw: &Raw) -> Result<W, Wrong> {
        let names: Vec<&str> = W::ALL.iter().map(|word| word.name()).collect();
        let list = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let text = raw.text(&format!("one of {list}"))?;
        if let Some(word) = W::ALL.iter().find(|word| word.name() == text.value.as_str()) {
            return Ok(*word);
        }
        let wrong = Wrong::new(format!("must be one of {list}"));
        Err(match super::unknown::nearest(&text.value, names.into_iter()) {
            Some(name) => wrong.hint(format!("did you mean \"{name}\"?")),
            None => wrong,
        })
    }

    fn schema() -> Value {
        json!({ "type": "string", "enum": W::ALL.iter().map(|word| word.name()).collect::<Vec<_>>() })
    }
}

impl Word for Preset {
    const ALL: &'static [Self] = Preset::ALL;
    fn name(self) -> &'static str {
        Preset::name(self)
    }
}

impl Word for Commit {
    const ALL: &'static [Self] = Commit::ALL;
    fn name(self) -> &'static str {
        Commit::name(self)
    }
}

impl Word for OnBreak {
    const ALL: &'static [Self] = OnBreak::ALL;
    fn name(self) -> &'static str {
        OnBreak::name(self)
    }
}

impl Word for Jitter {
    const ALL: &'static [Self] = Jitter::ALL;
    fn name(self) -> &'static str {
        Jitter::name(self)
    }
}

impl Word for ToolsPolicy {
    const ALL: &'static [Self] = ToolsPolicy::ALL;
    fn name(self) -> &'static str {
        ToolsPolicy::name(self)
    }
}

impl Word for Upgrade {
    const ALL: &'static [Self] = Upgrade::ALL;
    fn name(self) -> &'static str {
        Upgrade::name(self)
    }
}

impl Word for Severity {
    const ALL: &'static [Self] = Severity::ALL;
    fn name(self) -> &'static str {
        Severity::name(self)
    }
}

/// A name for metrics, headers and the journal.
pub(super) struct Name;

impl Kind for Name {
    type Value = String;

    fn read(raw: &Raw) -> Result<String, Wrong> {
        let text = raw.text("a name in quotes")?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        match text.value.len() {
            1..=NAME_BYTES_MAX if text.value.chars().all(fits) => Ok(text.value.to_string()),
            _ => Err(Wrong::new(format!("must be 1 to {NAME_BYTES_MAX} of the characters A-Z a-z 0-9 . _ -"))),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": format!(r"^([A-Za-z0-9._-]{{1,{NAME_BYTES_MAX}}}|.*\$\{{.*)$") })
    }
}

/// A credential of at least `MIN` bytes.
pub(super) struct Credential<const MIN: usize>;

impl<const MIN: usize> Kind for Credential<MIN> {
    type Value = Secret;

    fn read(raw: &Raw) -> Result<Secret, Wrong> {
        let text =
            raw.text("a string, best a reference such as \"${NAME}\", \"${file:/path}\" or \"${credential:name}\"")?;
        let length = text.value.len();
        let hidden = |what: String| Err(Wrong::new(what).label(format!("from {}", text.origin())));
        if length == 0 {
            return hidden("is empty".into());
        }
        if !(MIN..=SECRET_BYTES_MAX).contains(&length) {
            return hidden(format!("has {length} bytes, outside {MIN} to {SECRET_BYTES_MAX}"));
        }
        if !text.value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return hidden("has a character that no header can carry: a space, a line end or one beyond ASCII".into());
        }
        Ok(Secret::new(text.value.clone(), text.origin()))
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "writeOnly": true })
    }
}

/// A string whose rules depend on what stands beside it. It may be a credential.
pub(super) struct Plain;

impl Kind for Plain {
    type Value = Text;

    fn read(raw: &Raw) -> Result<Text, Wrong> {
        raw.text("a string in quotes").cloned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// An address to listen on.
pub(super) struct Address;

impl Kind for Address {
    type Value = SocketAddr;

    fn read(raw: &Raw) -> Result<SocketAddr, Wrong> {
        const WANTED: &str = "an address with a port, such as \"127.0.0.1:7500\"";
        let text = match raw {
            Raw::Integer(port) => return Err(raw.not(WANTED).hint(format!("write \"127.0.0.1:{port}\""))),
            other => other.text(WANTED)?,
        };
        text.value.parse().map_err(|_| {
            let wrong = Wrong::new(format!("must be {WANTED}"));
            match &*text.value {
                name if name.starts_with("localhost") => wrong.hint("a name may have many addresses: write 127.0.0.1"),
                port if port.starts_with(':') => {
                    wrong.hint("say which address: 127.0.0.1 for this machine, 0.0.0.0 for all")
                }
                alone if alone.parse::<IpAddr>().is_ok() => wrong.hint("the port is missing"),
                _ => wrong,
            }
        })
    }

    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

/// The address of an upstream.
pub(super) struct BaseUrl;

impl Kind for BaseUrl {
    type Value = http::Uri;

    fn read(raw: &Raw) -> Result<http::Uri, Wrong> {
        address::base_url(&raw.text("an address such as \"https://api.openai.com/v1\"")?.value)
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "uri" })
    }
}

/// How an upstream is reached.
pub(super) struct Proxied;

impl Kind for Proxied {
    type Value = ProxySetting;

    fn read(raw: &Raw) -> Result<ProxySetting, Wrong> {
        let Text { value, origins } = raw.text("\"env\", \"none\" or an address such as \"http://proxy:3128\"")?;
        match value.as_str() {
            "env" => Ok(ProxySetting::Env),
            "none" => Ok(ProxySetting::None),
            url => {
                let origin = origins.first().cloned().unwrap_or_else(|| "config file".into());
                proxy::parse(url, origin).map(ProxySetting::Url).map_err(|why| {
                    Wrong::new(format!("must be \"env\", \"none\" or an address such as \"http://proxy:3128\": {why}"))
                })
            }
        }
    }

    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

/// The status page of an upstream.
pub(super) struct StatusPageAt;

impl Kind for StatusPageAt {
    type Value = StatusPageSetting;

    fn read(raw: &Raw) -> Result<StatusPageSetting, Wrong> {
        let text = raw.text("an address such as \"https://status.openai.com\", or \"off\"")?;
        match text.value.as_str() {
            "" | status_page::OFF => Ok(StatusPageSetting::Off),
            url => status_page::address(url).map(StatusPageSetting::At),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

/// A file. A relative one is seen from the folder of the configuration.
pub(super) struct File;

impl Kind for File {
    type Value = PathBuf;

    fn read(raw: &Raw) -> Result<PathBuf, Wrong> {
        let text = raw.text("a path in quotes")?;
        if text.value.is_empty() { Err(Wrong::new("is empty")) } else { Ok(text.value.as_str().into()) }
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1 })
    }
}
