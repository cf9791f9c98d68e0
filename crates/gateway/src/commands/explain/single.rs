//! A single word: what it stands for, and which known word it may be a misspelling of.

use seawall_core::event::{Outcome, Reason};
use seawall_core::request::lint::rule::RULES;
use seawall_core::verdict::code::{self, Code, provider, status};
use seawall_core::verdict::{Class, Fault, request_id};

use super::{Also, Explained, Kind, exception, rule};
use crate::decided;

/// The longest word that is taken for a status, code or class, in bytes.
const WORD_BYTES_MAX: usize = 80;

/// A single word: status, code, class, fault, outcome, reason, lint rule, id, or an exception's class.
pub(super) fn read(what: &str) -> Option<Explained> {
    let is_own =
        ["x-seawall-outcome", "x-seawall-reason"].iter().any(|name| what.to_ascii_lowercase().starts_with(name));
    let what = if is_own { what.split_once(':').map_or(what, |(_, word)| word.trim()) } else { what };
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
    let found = code_word(word, &lower).filter(|_| !is_own);
    let outcome = Outcome::from_name(&lower).map(|o| (Kind::Outcome, o.name(), decided::outcome(o)));
    let reason = Reason::from_name(&lower).map(|r| (Kind::Reason, r.name(), decided::reason(r)));
    let own = outcome.into_iter().chain(reason).map(|(kind, name, told)| Explained::own(kind, name, told));
    let mut all = found.into_iter().chain(own);
    if let Some(mut first) = all.next() {
        first.also.extend(all.filter_map(|also| {
            let (taken_for, word, meaning) = (also.recognised?, also.word?, also.meaning?);
            (Some(meaning) != first.meaning).then_some(Also { taken_for, word, meaning })
        }));
        return Some(first);
    }
    rule::word(word).or_else(|| id(word)).or_else(|| exception::class(word))
}

/// A word that stands for a class: a class, a code of ours, a provider's, or a fault.
fn code_word(word: &str, lower: &str) -> Option<Explained> {
    if let Some(class) = Class::from_name(lower) {
        return Some(Explained::of(Kind::Class, class.status(), code::of_class(class)).known_by(class.name()));
    }
    if let Some(code) = Code::from_name(lower) {
        return Some(Explained::of(Kind::Code, Some(code.status()), code.meaning()));
    }
    if let Some(known) = provider::of_word(word) {
        let name = known.words.iter().find(|name| name.eq_ignore_ascii_case(word))?;
        return Some(Explained::of(Kind::Code, Some(known.status), &known.meaning).known_by(name));
    }
    let fault = Fault::from_name(lower)?;
    Some(Explained::of(Kind::Code, None, code::of_fault(fault)).known_by(fault.name()))
}

/// An id alone: of Seawall (`sw_…`), of OpenAI (`req_…`), or a UUID, as Azure has them.
fn id(word: &str) -> Option<Explained> {
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_own = own_id(word) == Some(word);
    let is_openais = request_id::in_message(word) == Some(word) && word.starts_with("req_");
    let is_uuid = word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && word.split('-').all(is_hex);
    if !(is_own || is_openais || is_uuid) {
        return None;
    }
    let told: decided::Told = (
        "An id names one request; what became of it is in the record, if Seawall was there and it was not answered at once.",
        &[
            "see each attempt with `seawall show ID`",
            "give the provider's support the upstream's own id, the model and the time: Seawall's id (sw_) means nothing there",
        ],
    );
    Some(
        Explained { recognised: Some(Kind::RequestId), word: None, ..Explained::own(Kind::RequestId, "", told) }
            .with_id(Some(word)),
    )
}

/// The first id of Seawall's in a text: `sw_` and 32 hex digits.
pub(super) fn own_id(text: &str) -> Option<&str> {
    text.match_indices("sw_").find_map(|(at, _)| {
        let digits = text[at + 3..].bytes().take_while(u8::is_ascii_hexdigit).count();
        (digits == 32).then(|| &text[at..at + 35])
    })
}

/// The known word that `what` may be a misspelling of.
pub(super) fn nearest(what: &str) -> Option<&'static str> {
    if what.len() > WORD_BYTES_MAX || what.contains(char::is_whitespace) {
        return None;
    }
    let what = what.to_ascii_lowercase();
    if let Some(number) = what.strip_prefix("sw").and_then(|digits| digits.parse::<u32>().ok()) {
        let far = |code: &str| code[2..].parse().map_or(u32::MAX, |known: u32| known.abs_diff(number));
        return RULES.iter().map(|rule| rule.code).min_by_key(|code| far(code));
    }
    let ours = Code::ALL.iter().map(|code| code.name()).chain(Class::ALL.iter().map(|class| class.name()));
    let ours =
        ours.chain(Outcome::ALL.iter().map(|word| word.name())).chain(Reason::ALL.iter().map(|word| word.name()));
    let ours = ours.chain(RULES.iter().map(|rule| rule.name));
    let theirs = provider::TABLE.iter().flat_map(|row| row.words.iter().copied());
    let near = ours.chain(theirs).map(|word| (strsim::jaro_winkler(&what, &word.to_ascii_lowercase()), word));
    near.filter(|(likeness, _)| *likeness > 0.88).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}
