//! `seawall explain WHAT`: what an error means, whose fault it is, and what to do next.
//!
//! WHAT is whatever a person has at hand: a status, a code, the name of a class, a pasted error
//! body, an exception of the Python or Node SDK, a whole HTTP response, an HTML page. It is taken
//! for one of these by its looks, then judged by the very function that judges replies in the
//! gateway, so that the two never disagree.
//!
//! What was pasted is never printed back: it may hold a key or a prompt. Only a request id is
//! taken from it, if it looks like one.

mod exception;
mod pasted;

use std::io::{self, Read, Write};

use seawall_core::verdict::code::{self, Code, Meaning, provider, status};
use seawall_core::verdict::{self, Again, Billed, Class, Fault, Verdict, Whose, request_id};
use serde::Serialize;

/// The longest input that is looked at, in bytes; what follows is cut off.
pub(crate) const INPUT_BYTES_MAX: usize = 1024 * 1024;

/// The longest word that is taken for a status, code or class, in bytes.
const WORD_BYTES_MAX: usize = 80;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// One sentence.
    pub(crate) meaning: Option<&'static str>,
    /// What to do, the most useful first.
    pub(crate) next: Vec<String>,
    /// The request id found in the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    #[serde(skip)]
    again: Again,
}

/// Explains `what`, or what `stdin` holds if that is missing or `-`; writes to `out`. Whether it was
/// recognised: the exit code is 0 if so, else 1.
pub(crate) fn run(what: Option<String>, stdin: impl Read, json: bool, out: &mut impl Write) -> io::Result<bool> {
    let what = match what {
        Some(what) if what.trim() != "-" => what,
        _ => {
            let mut bytes = Vec::new();
            stdin.take(INPUT_BYTES_MAX as u64).read_to_end(&mut bytes)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    let explained = explain(&what);
    if json {
        serde_json::to_writer(&mut *out, &explained)?;
        writeln!(out)?;
    } else {
        tell(&explained, out)?;
    }
    Ok(explained.recognised.is_some())
}

/// What `what` means.
pub(crate) fn explain(what: &str) -> Explained {
    let what = what[..what.floor_char_boundary(INPUT_BYTES_MAX)].trim().trim_start_matches('\u{feff}').trim_start();
    word(what)
        .or_else(|| pasted::http(what))
        .or_else(|| exception::python(what))
        .or_else(|| exception::node(what))
        .or_else(|| pasted::event(what))
        .or_else(|| pasted::json(what))
        .or_else(|| pasted::page(what))
        .or_else(|| pasted::json_inside(what))
        .or_else(|| pasted::short_status(what))
        .or_else(|| pasted::message(what))
        .map_or_else(|| Explained::nothing(what), |explained| explained.with_id_in(what))
}

/// A single word: status, code, class, fault, or an exception's class.
fn word(what: &str) -> Option<Explained> {
    let word = what.trim_matches(|c: char| matches!(c, '"' | '\'' | '`' | ',' | ':'));
    if word.is_empty() || word.len() > WORD_BYTES_MAX || word.contains(char::is_whitespace) {
        return None;
    }
    if let Ok(number) = word.parse() {
        return (100..=599).contains(&number).then(|| {
            let meaning = status::of_status(number, false);
            Explained::of(Kind::Status, Some(number), meaning)
        });
    }
    let lower = word.to_ascii_lowercase();
    if let Some(class) = Class::from_name(&lower) {
        return Some(Explained::of(Kind::Class, class.status(), code::of_class(class)));
    }
    if let Some(code) = Code::from_name(&lower) {
        return Some(Explained::of(Kind::Code, Some(code.status()), code.meaning()));
    }
    if let Some(known) = provider::of_word(word) {
        return Some(Explained::of(Kind::Code, Some(known.status), &known.meaning));
    }
    if let Some(fault) = Fault::from_name(&lower) {
        return Some(Explained::of(Kind::Code, None, code::of_fault(fault)));
    }
    exception::class(word)
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
            billed: Some(meaning.billed),
            meaning: Some(meaning.says),
            next: meaning.next.iter().map(|step| (*step).to_owned()).collect(),
            request_id: None,
            again: meaning.again,
        }
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
        explained.with_id(said.and_then(|said| said.request_id.as_deref()))
    }

    fn nothing(what: &str) -> Explained {
        let mut next: Vec<String> = nearest(what).map(|word| format!("did you mean `{word}`?")).into_iter().collect();
        next.push(
            "give a status (500), a code (insufficient_quota), a class (overloaded), or paste an error body, \
             an exception or an HTTP response: `seawall explain < error.txt`"
                .to_owned(),
        );
        Explained {
            recognised: None,
            status: None,
            class: None,
            whose: None,
            retried: None,
            billed: None,
            meaning: None,
            next,
            request_id: None,
            again: Again::No,
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
        self.with_id(field).with_id(verdict::request_id::in_message(what))
    }
}

/// Whether `id` can be shown: nothing but the characters of ids, and not the beginning of a key.
fn is_plain_id(id: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:|/".contains(&b);
    let is_key =
        ["sk-", "sk_", "gsk_", "xai-", "aiza", "bearer"].iter().any(|key| id.to_ascii_lowercase().contains(key));
    request_id::is_id(id) && id.bytes().all(is_plain) && !is_key
}

/// The known word that `what` may be a misspelling of.
fn nearest(what: &str) -> Option<&'static str> {
    if what.len() > WORD_BYTES_MAX || what.contains(char::is_whitespace) {
        return None;
    }
    let what = what.to_ascii_lowercase();
    let ours = Code::ALL.iter().map(|code| code.name()).chain(Class::ALL.iter().map(|class| class.name()));
    let theirs = provider::TABLE.iter().flat_map(|row| row.words.iter().copied());
    let near = ours.chain(theirs).map(|word| (strsim::jaro_winkler(&what, &word.to_ascii_lowercase()), word));
    near.filter(|(likeness, _)| *likeness > 0.88).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}

/// Writes it for a person.
fn tell(explained: &Explained, out: &mut impl Write) -> io::Result<()> {
    let (Some(kind), Some(class), Some(whose), Some(billed), Some(meaning)) =
        (explained.recognised, explained.class, explained.whose, explained.billed, explained.meaning)
    else {
        writeln!(out, "not recognised")?;
        return explained.next.iter().try_for_each(|step| writeln!(out, "hint: {step}"));
    };
    let status = explained.status.map(|status| format!("{status} ")).unwrap_or_default();
    let retried = match explained.again {
        Again::Anywhere if class == Class::Ambiguous => "yes, by Seawall, once at most",
        Again::Anywhere => "yes, by Seawall, within its budget",
        Again::Elsewhere => "only where another key or upstream answers",
        Again::No => "no",
    };
    writeln!(out, "{status}{class}")?;
    writeln!(out, "{meaning}\n")?;
    writeln!(out, "  taken for    {}", kind.in_words())?;
    writeln!(out, "  whose fault  {}", in_words(whose))?;
    writeln!(out, "  retried      {retried}")?;
    writeln!(out, "  billed       {}", price(billed))?;
    if let Some(id) = &explained.request_id {
        writeln!(out, "  request id   {id}")?;
    }
    writeln!(out, "\nwhat to do:")?;
    explained.next.iter().enumerate().try_for_each(|(at, step)| writeln!(out, "  {}. {step}", at + 1))
}

const fn in_words(whose: Whose) -> &'static str {
    match whose {
        Whose::Provider => "the provider's",
        Whose::Network => "the network's",
        Whose::Caller => "the caller's",
        Whose::Seawall => "Seawall's, or its configuration's",
    }
}

const fn price(billed: Billed) -> &'static str {
    match billed {
        Billed::No => "no",
        Billed::Possibly => "possibly: work may have begun, and providers publish no rule",
        Billed::Yes => "yes, for what was produced",
    }
}

impl Kind {
    const fn in_words(self) -> &'static str {
        match self {
            Kind::Status => "an HTTP status",
            Kind::Code => "an error code",
            Kind::Class => "a class of Seawall's",
            Kind::ErrorJson => "an error body",
            Kind::StreamEvent => "an error event of a stream",
            Kind::HttpResponse => "an HTTP response",
            Kind::HtmlPage => "a web page",
            Kind::PythonException => "an exception of Python",
            Kind::NodeException => "an error of Node",
            Kind::Message => "an error message",
        }
    }
}

#[cfg(test)]
mod tests;
