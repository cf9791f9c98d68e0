//! Reads a story, and says what is wrong with it: where, and what may have been meant.

use std::fmt;
use std::time::Duration;

use seawall_core::plan::policy::FirstContent;
use seawall_core::request::Patience;
use seawall_core::verdict::Class;

use super::{Bar, CHANGES_MAX, LENGTH_MAX, REQUESTS_MAX, Setting, Story, TEXT_MAX, UPSTREAMS_MAX};
use crate::figure::{Figure, Unit};
use crate::measure::Incident;
use crate::rehearse::Contender;
use crate::script::{Caller, ERROR, Failure, Load, Phase, Room, Script, Span, Spread, Tail, Trouble};

/// What is wrong with a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The story.
    pub story: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.story:{}:{}: {}", self.story, self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// The words that begin a statement.
const STATEMENTS: [&str; 7] = ["upstreams", "load", "callers", "at", "policy", "beside", "expect"];

/// What an upstream can do.
const BEHAVIOURS: [&str; 8] = ["answers", "fails", "hangs", "has", "recovers", "refuses", "slows", "stumbles"];

/// What a failure can look like.
const FAILURES: [(&str, Class); 8] = [
    ("500", Class::ServerError),
    ("502", Class::BadGateway),
    ("503", Class::Overloaded),
    ("504", Class::Ambiguous),
    ("429", Class::RateLimited),
    ("529", Class::Overloaded),
    ("refused", Class::NotSent),
    ("reset", Class::Ambiguous),
];

/// What an upstream does where the story does not say: 0.6 s to the first token, 3 s to the end.
const FIRST: Duration = Duration::from_millis(600);
const GENERATION: Duration = Duration::from_secs(3);

/// The body of a request that is too long, and of any other.
const LONG_BYTES: u64 = 200_000;

/// Reads `text`.
pub(super) fn read(name: &str, text: &str) -> Result<Story, Problem> {
    let mut reader = Reader { name, words: Vec::new(), at: 0, end: Place { line: 1, column: 1 } };
    if text.len() > TEXT_MAX {
        let message = format!("the story is {} bytes long, limit {TEXT_MAX}", text.len());
        return Err(reader.problem(reader.end, message, None));
    }
    reader.split(text);
    let mut draft = Draft::default();
    while let Some(word) = reader.next() {
        match word.text {
            "upstreams" => draft.upstreams(&mut reader, word)?,
            "load" => draft.load(&mut reader, Duration::ZERO)?,
            "callers" => draft.callers(&mut reader)?,
            "at" => draft.change(&mut reader)?,
            "policy" => draft.policy(&mut reader)?,
            "beside" => draft.beside(&mut reader)?,
            "expect" => draft.expect(&mut reader)?,
            other => {
                let message = format!("`{other}` does not begin a statement");
                return Err(reader.at_word(word, message, did_you_mean(other, &STATEMENTS)));
            }
        }
    }
    draft.finish(&reader, text)
}

/// A place in the text.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: usize,
    column: usize,
}

#[derive(Debug, Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    place: Place,
}

struct Reader<'t> {
    name: &'t str,
    words: Vec<Word<'t>>,
    at: usize,
    end: Place,
}

impl<'t> Reader<'t> {
    /// The words, without comments; commas are spaces.
    fn split(&mut self, text: &'t str) {
        for (line, row) in text.lines().enumerate() {
            let row = row.split('#').next().unwrap_or_default();
            let is_gap = |c: char| c.is_whitespace() || c == ',';
            let mut from = 0;
            while let Some(begin) = row[from..].find(|c| !is_gap(c)).map(|at| at + from) {
                let end = row[begin..].find(is_gap).map_or(row.len(), |at| at + begin);
                let place = Place { line: line + 1, column: row[..begin].chars().count() + 1 };
                self.words.push(Word { text: &row[begin..end], place });
                from = end;
            }
            self.end = Place { line: line + 1, column: row.chars().count() + 1 };
        }
    }

    fn next(&mut self) -> Option<Word<'t>> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    /// The next word of this statement.
    fn peek(&self) -> Option<Word<'t>> {
        self.words.get(self.at).copied().filter(|word| !STATEMENTS.contains(&word.text))
    }

    /// Takes the next word if it is `text`.
    fn take(&mut self, text: &str) -> bool {
        let is_it = self.peek().is_some_and(|word| word.text == text);
        self.at += usize::from(is_it);
        is_it
    }

    /// The next word of this statement, which must be there.
    fn word(&mut self, what: &str) -> Result<Word<'t>, Problem> {
        let Some(word) = self.peek() else {
            let (found, place) = match self.words.get(self.at) {
                Some(word) => (format!("`{}`", word.text), word.place),
                None => ("the end".to_owned(), self.end),
            };
            return Err(self.problem(place, format!("{what} is missing before {found}"), None));
        };
        self.at += 1;
        Ok(word)
    }

    fn expect(&mut self, text: &str, example: &str) -> Result<(), Problem> {
        let word = self.word(&format!("`{text}`"))?;
        if word.text == text {
            return Ok(());
        }
        let hint = Some(format!("write it like this: {example}"));
        Err(self.at_word(word, format!("`{}` stands where `{text}` belongs", word.text), hint))
    }

    fn problem(&self, place: Place, message: String, hint: Option<String>) -> Problem {
        Problem { story: self.name.to_owned(), line: place.line, column: place.column, message, hint }
    }

    fn at_word(&self, word: Word<'_>, message: String, hint: Option<String>) -> Problem {
        self.problem(word.place, message, hint)
    }

    fn time(&mut self) -> Result<Duration, Problem> {
        let word = self.word("a time, such as `20s`,")?;
        self.time_of(word)
    }

    fn time_of(&self, word: Word<'_>) -> Result<Duration, Problem> {
        for (unit, micros) in [("ms", 1_000), ("s", 1_000_000), ("min", 60_000_000), ("h", 3_600_000_000)] {
            if let Some(micros) = word.text.strip_suffix(unit).and_then(|number| scaled(number, micros)) {
                let time = Duration::from_micros(micros);
                if time > LENGTH_MAX {
                    return Err(self.at_word(word, format!("`{}` is longer than a day", word.text), None));
                }
                return Ok(time);
            }
        }
        let hint = Some("a number and its unit: 400ms, 20s, 5min, 2h".to_owned());
        Err(self.at_word(word, format!("`{}` is no time", word.text), hint))
    }

    /// A percentage, in parts of a million.
    fn share(&mut self) -> Result<u32, Problem> {
        let word = self.word("a share, such as `20%`,")?;
        let parts = word.text.strip_suffix('%').and_then(|number| scaled(number, 10_000));
        let parts = parts.and_then(|parts| u32::try_from(parts).ok()).filter(|parts| *parts <= 1_000_000);
        let hint = || Some("0% to 100%, such as 4% or 0.2%".to_owned());
        parts.ok_or_else(|| self.at_word(word, format!("`{}` is no share", word.text), hint()))
    }

    /// `5x`.
    fn times(&mut self) -> Result<u32, Problem> {
        let word = self.word("how many times as long, such as `5x`,")?;
        let times = word.text.strip_suffix('x').and_then(|number| number.parse().ok());
        let hint = || Some("a whole number from 1x to 1000x".to_owned());
        let times = times.filter(|times| (1..=1_000).contains(times));
        times.ok_or_else(|| self.at_word(word, format!("`{}` is not so many times", word.text), hint()))
    }

    fn count(&mut self, what: &str, least: u32, most: u32) -> Result<u32, Problem> {
        let word = self.word(what)?;
        let count = word.text.parse().ok().filter(|count| (least..=most).contains(count));
        let hint = || Some(format!("a whole number from {least} to {most}"));
        count.ok_or_else(|| self.at_word(word, format!("`{}` is not {what}", word.text), hint()))
    }

    /// `10/s`, `30/min`: the mean time between two.
    fn gap(&mut self) -> Result<Duration, Problem> {
        let word = self.word("a rate, such as `10/s`,")?;
        let (number, unit) = word.text.split_once('/').unwrap_or((word.text, ""));
        let unit = match unit {
            "s" => Some(1_000_000_u64),
            "min" => Some(60_000_000),
            "h" => Some(3_600_000_000),
            _ => None,
        };
        let gap = unit.zip(scaled(number, 1_000)).and_then(|(unit, rate)| (unit * 1_000).checked_div(rate));
        let gap = gap.filter(|gap| *gap >= 100).map(Duration::from_micros);
        let hint = || Some("10/s, 0.2/s, 30/min; at most 10000/s".to_owned());
        gap.ok_or_else(|| self.at_word(word, format!("`{}` is no rate", word.text), hint()))
    }
}

/// The decimal `number` times `one`, if it is whole then.
fn scaled(number: &str, one: u64) -> Option<u64> {
    let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
    let is_number = !whole.is_empty() && rest.len() <= 6 && number.len() <= 16;
    if !is_number || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let of_rest =
        if rest.is_empty() { 0 } else { rest.parse::<u64>().ok()? * one / 10_u64.pow(u32::try_from(rest.len()).ok()?) };
    whole.parse::<u64>().ok()?.checked_mul(one)?.checked_add(of_rest)
}

/// A story as far as it was read.
#[derive(Default)]
struct Draft {
    upstreams: Vec<String>,
    loads: Vec<Load>,
    length: Option<Duration>,
    changes: Vec<Change>,
    callers: Vec<Caller>,
    settings: Vec<Setting>,
    beside: Option<Vec<Contender>>,
    bars: Vec<Bar>,
}

/// From some moment on, one upstream is another.
struct Change {
    at: Duration,
    upstream: usize,
    becomes: Becomes,
}

enum Becomes {
    Recovered,
    Failing(u32, Failure),
    Silent,
    Slow(u32),
    Answering(Duration, Duration),
    Stumbling(Tail),
    Roomy(Room, Duration),
}

impl Draft {
    fn upstreams(&mut self, reader: &mut Reader<'_>, statement: Word<'_>) -> Result<(), Problem> {
        while let Some(word) = reader.peek() {
            reader.at += 1;
            let is_name = word.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if !is_name || word.text == "all" {
                return Err(reader.at_word(word, format!("`{}` is no name for an upstream", word.text), None));
            }
            if self.upstreams.iter().any(|name| name == word.text) {
                return Err(reader.at_word(word, format!("upstream `{}` is named twice", word.text), None));
            }
            if self.upstreams.len() == UPSTREAMS_MAX {
                return Err(reader.at_word(word, format!("more than {UPSTREAMS_MAX} upstreams"), None));
            }
            self.upstreams.push(word.text.to_owned());
        }
        if self.upstreams.is_empty() {
            let hint = Some("upstreams openai azure".to_owned());
            return Err(reader.at_word(statement, "`upstreams` without a name".to_owned(), hint));
        }
        Ok(())
    }

    fn load(&mut self, reader: &mut Reader<'_>, from: Duration) -> Result<(), Problem> {
        let gap = reader.gap()?;
        self.loads.push(Load { from, gap });
        if from.is_zero() {
            reader.expect("for", "load 10/s for 180s")?;
            self.length = Some(reader.time()?);
        }
        Ok(())
    }

    fn callers(&mut self, reader: &mut Reader<'_>) -> Result<(), Problem> {
        let mut usual = Caller { share: 1_000_000, ..Caller::default() };
        let mut troubled: Vec<(u32, Trouble)> = Vec::new();
        while let Some(word) = reader.peek() {
            if word.text.ends_with('%') {
                let share = reader.share()?;
                let kind = reader.word("`poison` or `too-long`")?;
                troubled.push((
                    share,
                    match kind.text {
                        "poison" => Trouble::Poison,
                        "too-long" => Trouble::Cliff(reader.time()?),
                        other => {
                            let hint = did_you_mean(other, &["poison", "too-long"]);
                            return Err(reader.at_word(kind, format!("`{other}` is no trouble that is known"), hint));
                        }
                    },
                ));
                continue;
            }
            reader.at += 1;
            match word.text {
                "stream" => usual.stream = true,
                "plain" => usual.stream = false,
                "same-body" => usual.same_body = true,
                "patience" => usual.leaves_after = Some(Span::always(reader.time()?)),
                "timeout" => {
                    usual.patience = Patience { total: Some(reader.time()?), read: None, from_sdk: true };
                }
                other => {
                    let words = ["stream", "plain", "patience", "timeout", "same-body", "4% poison"];
                    let hint = did_you_mean(other, &words);
                    return Err(reader.at_word(word, format!("callers are not `{other}`"), hint));
                }
            }
        }
        for (share, trouble) in troubled {
            usual.share = usual.share.saturating_sub(share);
            let body_bytes = if let Trouble::Cliff(_) = trouble { LONG_BYTES } else { usual.body_bytes };
            self.callers.push(Caller { share, trouble, body_bytes, ..usual });
        }
        self.callers.insert(0, usual);
        for caller in &mut self.callers[1..] {
            caller.patience = usual.patience;
        }
        Ok(())
    }

    fn change(&mut self, reader: &mut Reader<'_>) -> Result<(), Problem> {
        let at = reader.time()?;
        if self.changes.len() + self.loads.len() > CHANGES_MAX {
            let place = reader.words[reader.at - 1].place;
            return Err(reader.problem(place, format!("more than {CHANGES_MAX} changes"), None));
        }
        if reader.words.get(reader.at).is_some_and(|word| word.text == "load") {
            reader.at += 1;
            let gap = reader.gap()?;
            self.loads.push(Load { from: at, gap });
            return Ok(());
        }
        let who = reader.word("an upstream")?;
        let Some(upstream) = self.upstreams.iter().position(|name| name == who.text) else {
            let names: Vec<&str> = self.upstreams.iter().map(String::as_str).collect();
            let message = format!("there is no upstream `{}`", who.text);
            return Err(reader.at_word(who, message, did_you_mean(who.text, &names)));
        };
        let becomes = becomes(reader)?;
        self.changes.push(Change { at, upstream, becomes });
        Ok(())
    }

    fn policy(&mut self, reader: &mut Reader<'_>) -> Result<(), Problem> {
        while let Some(word) = reader.peek() {
            reader.at += 1;
            let setting = match word.text {
                "attempts" => Setting::Attempts(reader.count("a number of attempts", 1, 20)?),
                "budget" => Setting::Budget(u64::from(reader.share()?) / 1_000),
                "wait" => Setting::Wait(reader.time()?),
                "total" => Setting::Total(reader.time()?),
                "breaker" => {
                    reader.expect("off", "policy breaker off")?;
                    Setting::BreakerOff
                }
                "first-content" if reader.take("adaptive") => Setting::FirstContent(FirstContent::Adaptive),
                "first-content" => Setting::FirstContent(FirstContent::Fixed(reader.time()?)),
                "hedge" if reader.take("off") => Setting::Hedge(false),
                "hedge" => {
                    reader.expect("on", "policy hedge on, or off")?;
                    Setting::Hedge(true)
                }
                other => {
                    let words = ["attempts", "budget", "wait", "total", "breaker", "first-content", "hedge"];
                    let hint = did_you_mean(other, &words);
                    return Err(reader.at_word(word, format!("a story decides nothing about `{other}`"), hint));
                }
            };
            self.settings.push(setting);
        }
        Ok(())
    }

    fn beside(&mut self, reader: &mut Reader<'_>) -> Result<(), Problem> {
        let beside = self.beside.get_or_insert_default();
        while let Some(word) = reader.peek() {
            reader.at += 1;
            let Some(contender) = Contender::ALL.into_iter().find(|contender| contender.name() == word.text) else {
                let names = Contender::ALL.map(Contender::name);
                let message = format!("nobody is called `{}`", word.text);
                return Err(reader.at_word(word, message, did_you_mean(word.text, &names)));
            };
            if !beside.contains(&contender) {
                beside.push(contender);
            }
        }
        Ok(())
    }

    fn expect(&mut self, reader: &mut Reader<'_>) -> Result<(), Problem> {
        while let Some(first) = reader.peek() {
            reader.at += 1;
            let mut of = Contender::Seawall;
            let mut first = first;
            if first.text == "wait" {
                of = Contender::Wait;
                first = reader.word("a figure")?;
            }
            let figure = figure(reader, first)?;
            let is_said = reader.take(if figure.is_better_high() { ">=" } else { "<=" });
            if let (false, Some(word)) = (is_said, reader.peek())
                && let "<=" | ">=" | "<" | ">" | "=" = word.text
            {
                let right = if figure.is_better_high() { ">=" } else { "<=" };
                let message = format!("`{figure}` is never expected to be `{}` something", word.text);
                return Err(reader.at_word(word, message, Some(format!("{figure} {right} …"))));
            }
            let limit = match figure.unit() {
                Unit::Share => u64::from(reader.share()?),
                Unit::Time => u64::try_from(reader.time()?.as_micros()).unwrap_or(u64::MAX),
                Unit::Count => u64::from(reader.count("a count", 0, 1_000_000)?),
                Unit::Ratio => {
                    let word = reader.word("a number, such as `1.05`,")?;
                    let number = scaled(word.text, 1_000_000);
                    number.ok_or_else(|| reader.at_word(word, format!("`{}` is no number", word.text), None))?
                }
            };
            if reader.take("per") {
                reader.expect("request", "attempts <= 1.05 per request")?;
            }
            self.bars.push(Bar { of, figure, limit });
        }
        Ok(())
    }

    fn finish(mut self, reader: &Reader<'_>, text: &str) -> Result<Story, Problem> {
        let missing = |what: &str, example: &str| {
            Err(reader.problem(reader.end, format!("{what} is missing"), Some(format!("add a line: {example}"))))
        };
        if self.upstreams.is_empty() {
            return missing("`upstreams`", "upstreams openai");
        }
        let Some(length) = self.length else { return missing("`load`", "load 10/s for 180s") };
        if self.loads.iter().filter(|load| load.from.is_zero()).count() != 1 {
            return Err(reader.problem(reader.end, "`load … for …` is said twice".to_owned(), None));
        }
        self.loads.sort_by_key(|load| load.from);
        self.changes.sort_by_key(|change| change.at);
        let requests = requests(&self.loads, length);
        if requests > REQUESTS_MAX {
            let hint = Some("a lower rate, or a shorter time".to_owned());
            let message = format!("the story comes to {requests} requests, limit {REQUESTS_MAX}");
            return Err(reader.problem(reader.end, message, hint));
        }
        let moments = self.changes.iter().map(|change| change.at).chain(self.loads.iter().map(|load| load.from));
        let moments: Vec<Duration> = moments.filter(|at| !at.is_zero()).collect();
        if let Some(late) = moments.iter().find(|at| **at >= length) {
            let message =
                format!("something changes at {} s, and the story is over at {} s", late.as_secs(), length.as_secs());
            return Err(reader.problem(reader.end, message, None));
        }
        // What begins and never ends lasts to the end of the story.
        let incident = moments.iter().min().map(|from| Incident {
            from: *from,
            to: moments.iter().max().copied().filter(|to| to > from).unwrap_or(length),
        });
        let upstreams = (0..self.upstreams.len()).map(|at| self.phases(at)).collect();
        if self.callers.is_empty() {
            self.callers.push(Caller::default());
        }
        let lag = Span::always(Duration::ZERO);
        let title = text.lines().find_map(|line| line.trim().strip_prefix('#')).unwrap_or_default().trim();
        Ok(Story {
            name: reader.name.to_owned(),
            title: title.to_owned(),
            text: text.to_owned(),
            script: Script { upstreams, callers: self.callers, loads: self.loads, length, lag },
            upstreams: self.upstreams,
            incident,
            settings: self.settings,
            beside: self.beside.unwrap_or_else(|| Contender::USUAL.to_vec()),
            bars: self.bars,
        })
    }

    /// What an upstream goes through.
    fn phases(&self, upstream: usize) -> Vec<Phase> {
        let usual = Phase {
            first: Spread::FirstToken(FIRST),
            rest: Spread::Generation(GENERATION),
            ..Phase::healthy(Duration::ZERO, Span::millis(0, 0))
        };
        let mut phases = vec![usual];
        for change in self.changes.iter().filter(|change| change.upstream == upstream) {
            let last = phases.last().expect("the usual one").clone();
            // All that is said of the beginning is one phase, and what is recovered to.
            let is_begin = change.at.is_zero();
            let mut phase = Phase { from: change.at, ..last };
            match change.becomes {
                Becomes::Recovered => phase = Phase { from: change.at, ..phases[0].clone() },
                Becomes::Failing(parts, failure) => phase.failures = vec![(parts, failure)],
                Becomes::Silent => phase = Phase { room: None, ..Phase::silent(change.at) },
                Becomes::Slow(times) => phase.slow = times,
                Becomes::Answering(first, rest) => {
                    phase.first = Spread::FirstToken(first);
                    phase.rest = Spread::Generation(rest);
                }
                Becomes::Stumbling(tail) => phase.tail = tail,
                Becomes::Roomy(room, work) => {
                    phase.room = Some(room);
                    phase.first = Spread::Work(work);
                    phase.rest = Spread::NONE;
                }
            }
            if is_begin {
                phases[0] = phase;
            } else {
                phases.push(phase);
            }
        }
        phases
    }
}

fn becomes(reader: &mut Reader<'_>) -> Result<Becomes, Problem> {
    let word = reader.word("what the upstream does")?;
    Ok(match word.text {
        "recovers" => Becomes::Recovered,
        "refuses" => Becomes::Failing(1_000_000, Failure::of(Class::NotSent, Span::millis(1, 20))),
        "hangs" => Becomes::Silent,
        "fails" => {
            let parts = reader.share()?;
            let failure = if reader.take("with") { failure(reader)? } else { Failure::of(Class::ServerError, ERROR) };
            Becomes::Failing(parts, failure)
        }
        "slows" => Becomes::Slow(reader.times()?),
        "answers" => {
            let first = reader.time()?;
            reader.expect("+", "at 0s openai answers 0.6s + 3s")?;
            Becomes::Answering(first, reader.time()?)
        }
        "has" => {
            let slots = reader.count("a number of slots", 1, 10_000)? as usize;
            reader.expect("slots", "at 0s openai has 20 slots, 2s each")?;
            let work = reader.time()?;
            reader.expect("each", "at 0s openai has 20 slots, 2s each")?;
            let has_end = reader.take("line");
            let queue = has_end.then(|| reader.count("the length of the line", 0, 100_000)).transpose()?;
            Becomes::Roomy(Room { slots, queue: queue.map(|queue| queue as usize) }, work)
        }
        "stumbles" => Becomes::Stumbling(tail(reader)?),
        other => {
            let message = format!("no upstream ever `{other}`");
            return Err(reader.at_word(word, message, did_you_mean(other, &BEHAVIOURS)));
        }
    })
}

fn failure(reader: &mut Reader<'_>) -> Result<Failure, Problem> {
    let word = reader.word("a status")?;
    let Some((_, class)) = FAILURES.iter().find(|(name, _)| *name == word.text) else {
        let names = FAILURES.map(|(name, _)| name);
        let message = format!("`{}` is no failure that is known", word.text);
        return Err(reader.at_word(word, message, did_you_mean(word.text, &names)));
    };
    let mut failure = Failure::of(*class, ERROR);
    failure.is_informative &= word.text != "reset";
    if reader.take("after") {
        failure.fails_in = Span::always(reader.time()?);
    }
    if reader.take("retry-after") {
        failure.wait = Some(reader.time()?);
    }
    Ok(failure)
}

fn tail(reader: &mut Reader<'_>) -> Result<Tail, Problem> {
    let mut tail = Tail { slow_times: 1, ..Tail::default() };
    while reader.peek().is_some_and(|word| word.text.ends_with('%')) {
        let share = reader.share()?;
        let word = reader.word("`slow`, `never` or `broken`")?;
        match word.text {
            "slow" => {
                tail.slow = share;
                tail.slow_times = reader.times()?;
            }
            "never" => tail.never = share,
            "broken" => tail.breaks = share,
            other => {
                let hint = did_you_mean(other, &["slow", "never", "broken"]);
                return Err(reader.at_word(word, format!("no answer is `{other}`"), hint));
            }
        }
    }
    Ok(tail)
}

/// The figure that begins with `first`: the longest name that fits.
fn figure(reader: &mut Reader<'_>, first: Word<'_>) -> Result<Figure, Problem> {
    let begin = reader.at - 1;
    let fits = |figure: &Figure| {
        figure
            .name()
            .split(' ')
            .enumerate()
            .all(|(at, part)| reader.words.get(begin + at).is_some_and(|word| word.text == part))
    };
    let words = |figure: &Figure| figure.name().split(' ').count();
    if let Some(figure) = Figure::ALL.into_iter().filter(fits).max_by_key(words) {
        reader.at = begin + words(&figure);
        return Ok(figure);
    }
    let names = Figure::ALL.map(Figure::name);
    let hint = did_you_mean(first.text, &names);
    Err(reader.at_word(first, format!("`{}` is not measured", first.text), hint))
}

/// How many requests come, on average.
fn requests(loads: &[Load], length: Duration) -> u64 {
    let mut sum = 0;
    for (at, load) in loads.iter().enumerate() {
        let until = loads.get(at + 1).map_or(length, |next| next.from.min(length));
        let span = until.saturating_sub(load.from).as_micros();
        sum += u64::try_from(span / load.gap.as_micros().max(1)).unwrap_or(u64::MAX);
    }
    sum
}

/// The nearest of `words`, or all of them where none is near.
fn did_you_mean(word: &str, words: &[&str]) -> Option<String> {
    let near = words.iter().map(|known| (distance(word, known), known)).min()?;
    if near.0 <= 1 + word.chars().count() / 4 {
        return Some(format!("did you mean `{}`?", near.1));
    }
    Some(format!("one of: {}", words.join(", ")))
}

/// Levenshtein's distance: letters to change, to add or to leave out.
fn distance(a: &str, b: &str) -> usize {
    // Both are words of a bounded text, and only the first letters matter.
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(32).collect(), b.chars().take(32).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
