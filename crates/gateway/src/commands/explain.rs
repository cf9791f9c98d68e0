//! `seawall explain WHAT`: what an error means, whose fault it is, and what to do next.
//!
//! WHAT is whatever a person has at hand: a status, a code, the name of a class, a pasted error
//! body, an exception of the Python or Node SDK, a whole HTTP response, an HTML page. It is taken
//! for one of these by its looks, then judged by the very function that judges replies in the
//! gateway, so that the two never disagree.
//!
//! A message about tools or schemas is matched to the rule of `seawall lint` that finds its place,
//! and where a journal is at hand, what it knows of failures like this one is told as evidence.
//!
//! What was pasted is never printed back: it may hold a key or a prompt. Only a request id is
//! taken from it, if it looks like one.

mod evidence;
mod exception;
mod log;
mod pasted;
mod rule;
mod single;
mod tell;
mod transport;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use http::HeaderMap;
use seawall_core::event::{Outcome, Reason};
use seawall_core::verdict::code::{self, Meaning, status};
use seawall_core::verdict::{self, Again, Billed, Charge, Class, Verdict, Whose, request_id};
use serde::Serialize;

use crate::data_dir::JOURNAL_FILE;
use crate::decided;
use crate::observe::journal::read::{JournalArgs, Journals};
use evidence::Evidence;

/// The longest input that is looked at, in bytes; what follows is cut off.
pub(crate) const INPUT_BYTES_MAX: usize = 1024 * 1024;

const EXAMPLES: &str = "\
Examples:
  seawall explain 503
  seawall explain insufficient_quota
  seawall explain SW101                              a rule of `seawall lint`
  seawall explain 'x-seawall-outcome: budget'        a header of an answer
  seawall explain --json < traceback.txt             what a program printed";

/// What `seawall explain` was told.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// A status, a code, a class, a lint rule, a request id, or pasted text; without it, standard input
    #[arg(value_name = "WHAT", num_args = 0..)]
    pub(crate) what: Vec<String>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave out what the record knows
    #[arg(long)]
    pub(crate) no_journal: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(crate) place: JournalArgs,
}

/// What an input was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A status: `500`, `HTTP 502`, `503 Service Unavailable`.
    Status,
    /// An error's type or code, or a fault's name.
    Code,
    /// One of Seawall's classes.
    Class,
    /// A word of `x-seawall-outcome`.
    Outcome,
    /// A word of `x-seawall-reason`.
    Reason,
    /// A rule of `seawall lint`, by code or name.
    LintRule,
    /// An id of Seawall or of an upstream, alone.
    RequestId,
    /// An error body, or text with one inside.
    ErrorJson,
    /// An error event of a stream.
    StreamEvent,
    /// A status line, headers and a body.
    HttpResponse,
    /// A web page.
    HtmlPage,
    /// What Python prints when an exception is not caught, or its class.
    PythonException,
    /// What Node prints when an error is not caught.
    NodeException,
    /// A message, without anything round it.
    Message,
}

/// What an input means. The keys of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Explained {
    /// What it was taken for; `None` if for nothing, and then only `next` says something.
    pub(crate) recognised: Option<Kind>,
    /// The status, if one belongs to it.
    pub(crate) status: Option<u16>,
    /// The class.
    pub(crate) class: Option<Class>,
    /// Who has to change something.
    pub(crate) whose: Option<Whose>,
    /// Whether Seawall asks the same upstream again.
    pub(crate) retried: Option<bool>,
    /// Whether it costs money.
    pub(crate) billed: Option<Billed>,
    /// Why it does, or does not.
    pub(crate) billed_why: Option<Charge>,
    /// One sentence.
    pub(crate) meaning: Option<&'static str>,
    /// What to do, the most useful first.
    pub(crate) next: Vec<String>,
    /// The request id found in the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// The lint rule that it names, or that its message comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<rule::Told>,
    /// What the same input means besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) also: Vec<Also>,
    /// What the record knows of it.
    pub(crate) evidence: Vec<Evidence>,
    #[serde(skip)]
    again: Again,
    /// The word that it was known by, to be looked for in the record.
    #[serde(skip)]
    word: Option<&'static str>,
}

/// A second meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Also {
    /// What it was taken for.
    taken_for: Kind,
    /// The word.
    word: &'static str,
    /// One sentence.
    meaning: &'static str,
}

/// Explains what `args` name, or what `stdin` holds if that is nothing or `-`; writes to `out`.
/// Whether it was recognised: the exit code is 0 if so, else 1. `default_dir` is the data directory
/// where nothing else is named; without a journal there nothing is said of one.
pub(crate) fn run(
    args: &ExplainArgs,
    default_dir: Option<&Path>,
    stdin: impl Read,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<bool> {
    let what = match args.what.join(" ") {
        what if !what.is_empty() && what.trim() != "-" => what,
        _ => {
            let mut bytes = Vec::new();
            stdin.take(INPUT_BYTES_MAX as u64).read_to_end(&mut bytes)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    let mut explained = explain(&what);
    if !args.no_journal && explained.recognised.is_some() {
        look_up(&mut explained, args, default_dir, err)?;
    }
    if args.json {
        out.write_all(crate::observe::journal::plain::json_line(&explained)?.as_bytes())?;
    } else {
        tell::tell(&explained, out)?;
    }
    Ok(explained.recognised.is_some())
}

/// Adds what the record knows. A journal that was not asked for by name may be missing or broken.
fn look_up(
    explained: &mut Explained,
    args: &ExplainArgs,
    default_dir: Option<&Path>,
    err: &mut impl Write,
) -> io::Result<()> {
    let is_there = |dir: &PathBuf| dir.join(JOURNAL_FILE).exists();
    let is_named = args.place.journal.is_some() || args.place.data_dir.as_ref().is_some_and(is_there);
    let known = Journals::open(&args.place, default_dir).and_then(|journals| evidence::gather(explained, &journals));
    match known {
        Ok(evidence) => explained.evidence = evidence,
        Err(e) if is_named => writeln!(err, "warning: {e}: nothing is said of the record\nhint: {}", e.hint())?,
        Err(_) => {}
    }
    Ok(())
}

/// What `what` means, without the record.
pub(crate) fn explain(what: &str) -> Explained {
    let what = what[..what.floor_char_boundary(INPUT_BYTES_MAX)].trim().trim_start_matches('\u{feff}').trim_start();
    read(what).map_or_else(|| Explained::nothing(what), |explained| explained.with_id_in(what))
}

/// Takes `what` for the first thing that it looks like.
fn read(what: &str) -> Option<Explained> {
    single::read(what)
        .or_else(|| pasted::http(what))
        .or_else(|| log::structured(what))
        .or_else(|| exception::python(what))
        .or_else(|| exception::node(what))
        .or_else(|| transport::error(what))
        .or_else(|| pasted::event(what))
        .or_else(|| pasted::json(what))
        .or_else(|| pasted::page(what))
        .or_else(|| pasted::json_inside(what))
        .or_else(|| log::access(what))
        .or_else(|| pasted::short_status(what))
        .or_else(|| pasted::message(what))
}

impl Explained {
    /// What a row of the table says.
    fn of(kind: Kind, status: Option<u16>, meaning: &Meaning) -> Explained {
        Explained {
            recognised: Some(kind),
            status,
            class: Some(meaning.class),
            whose: Some(meaning.whose),
            retried: Some(meaning.is_retried()),
            billed: Some(meaning.charge.billed()),
            billed_why: Some(meaning.charge),
            meaning: Some(meaning.says),
            next: meaning.next.iter().map(|step| (*step).to_owned()).collect(),
            request_id: None,
            rule: None,
            also: Vec::new(),
            evidence: Vec::new(),
            again: meaning.again,
            word: None,
        }
    }

    /// What a word of Seawall's says about what it did: no class belongs to it.
    fn own(kind: Kind, name: &'static str, (says, next): decided::Told) -> Explained {
        let nothing = Explained::nothing("");
        Explained {
            recognised: Some(kind),
            meaning: Some(says),
            next: next.iter().map(|step| (*step).to_owned()).collect(),
            word: Some(name),
            ..nothing
        }
    }

    fn known_by(mut self, word: &'static str) -> Explained {
        self.word = Some(word);
        self
    }

    /// What the judge made of a reply: like the row, but for what the reply itself asked for.
    fn judged(kind: Kind, status: Option<u16>, (verdict, meaning): (Verdict, &Meaning)) -> Explained {
        let said = verdict.said.as_deref();
        let mut explained = Explained::of(kind, said.and_then(|said| said.status).or(status), meaning);
        explained.retried = Some(verdict.again == Again::Anywhere);
        explained.again = verdict.again;
        if let Some(wait) = verdict.wait {
            explained.next.insert(0, format!("wait {wait:?}: that long the provider asked to be left alone"));
        }
        explained
            .with_rule(said.and_then(|said| said.message.as_deref()))
            .with_id(said.and_then(|said| said.request_id.as_deref()))
    }

    /// Adds the lint rule that a provider's message comes from.
    fn with_rule(mut self, message: Option<&str>) -> Explained {
        if let Some(rule) = message.and_then(rule::of_message) {
            self.next.insert(
                0,
                format!("run `seawall lint` on the request: it finds the place ({}, {})", rule.code, rule.name),
            );
            self.next.insert(1, rule.fix.to_owned());
            self.rule = Some(rule::Told::of(rule));
        }
        self
    }

    /// Adds what Seawall's own headers say.
    fn with_headers(mut self, headers: &HeaderMap) -> Explained {
        let word = |name: &str| headers.get(name)?.to_str().ok();
        let outcome = word("x-seawall-outcome").and_then(Outcome::from_name);
        let reason = word("x-seawall-reason").and_then(Reason::from_name);
        let outcome =
            outcome.map(|o| Also { taken_for: Kind::Outcome, word: o.name(), meaning: decided::outcome(o).0 });
        let reason = reason.map(|r| Also { taken_for: Kind::Reason, word: r.name(), meaning: decided::reason(r).0 });
        self.also.extend(outcome.into_iter().chain(reason));
        self
    }

    /// What the record knows of an id becomes what is explained.
    fn learn(&mut self, status: Option<u16>, class: Option<Class>) {
        if self.recognised != Some(Kind::RequestId) {
            return;
        }
        let Some(class) = class else { return };
        let meaning = status.map_or_else(|| code::of_class(class), |status| status::of_status(status, false));
        let meaning = if meaning.class == class { meaning } else { code::of_class(class) };
        let (request_id, recognised) = (self.request_id.take(), self.recognised);
        *self = Explained { request_id, recognised, ..Explained::of(Kind::RequestId, status, meaning) };
    }

    fn nothing(what: &str) -> Explained {
        let mut next: Vec<String> =
            single::nearest(what).map(|word| format!("did you mean `{word}`?")).into_iter().collect();
        next.push(
            "give a status (500), a code (insufficient_quota), a class (overloaded), a lint rule (SW101), a request id, \
             or paste an error body, an exception or an HTTP response: `seawall explain < error.txt`"
                .to_owned(),
        );
        Explained {
            recognised: None,
            status: None,
            class: None,
            whose: None,
            retried: None,
            billed: None,
            billed_why: None,
            meaning: None,
            next,
            request_id: None,
            rule: None,
            also: Vec::new(),
            evidence: Vec::new(),
            again: Again::No,
            word: None,
        }
    }

    /// Adds a request id, if there is none yet and this can be one.
    fn with_id(mut self, id: Option<&str>) -> Explained {
        if self.request_id.is_none() {
            self.request_id = id.filter(|id| is_plain_id(id)).map(str::to_owned);
        }
        self
    }

    /// Adds the request id that the whole input mentions, in prose or as a field.
    fn with_id_in(self, what: &str) -> Explained {
        const FIELDS: [&str; 5] = ["requestID", "request_id", "x-request-id", "apim-request-id", "request-id"];
        let field = FIELDS.iter().find_map(|name| {
            let rest = &what[what.find(name)? + name.len()..];
            let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || "'\":=".contains(c));
            let end = rest.find(|c: char| c.is_whitespace() || "'\",;)}".contains(c)).unwrap_or(rest.len());
            Some(&rest[..end]).filter(|id| id.len() >= 8 && id.bytes().any(|b| b.is_ascii_digit()))
        });
        self.with_id(field).with_id(verdict::request_id::in_message(what)).with_id(single::own_id(what))
    }
}

/// Whether `id` can be shown: nothing but the characters of ids, and not the beginning of a key.
fn is_plain_id(id: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:|/".contains(&b);
    let is_key =
        ["sk-", "sk_", "gsk_", "xai-", "aiza", "bearer"].iter().any(|key| id.to_ascii_lowercase().contains(key));
    request_id::is_id(id) && id.bytes().all(is_plain) && !is_key
}

#[cfg(test)]
mod tests;
