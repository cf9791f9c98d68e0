//! `seawall show ID`: one request, attempt by attempt, with everything that is known.
//!
//! The id may be any that a person has at hand: Seawall's own, from the error message; the
//! upstream's `x-request-id`, from its support; or the client's.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use seawall_core::verdict::usage::Counted;
use seawall_core::verdict::{Billed, Charge, Class};

use crate::commands::failures::{decision, no_journal};
use crate::config;
use crate::exit::{self, Exit};
use crate::observe::journal::plain::{json_line, millis, printable};
use crate::observe::journal::read::{Filter, JournalArgs, Journals, REQUESTS_MAX};
use crate::observe::journal::row::{AttemptRow, Facts, PhasesRow, RequestRow, TokensRow};
use crate::observe::journal::when::rfc3339;

/// Of so many attempts, the newest ones, are ids read, to say which was probably meant.
const IDS_ROWS: usize = 10_000;
/// Fewer characters are the beginning of too many ids.
const ID_BEGINS_MIN: usize = 8;

/// The width of the labels' column.
const LABEL: usize = 20;

const EXAMPLES: &str = "\
Examples:
  seawall show sw_0198f0a1b2c3d4e5f60718293a4b5c6d
  seawall show req_0123456789abcdef0123            what the provider calls it
  seawall show req_0123456789abcdef0123 --json";

/// What `seawall show` was asked.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// A Seawall id (sw_…), an upstream's x-request-id, or an X-Client-Request-Id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// One JSON object a request, its attempts inside
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(crate) place: JournalArgs,
}

/// Shows the request; the exit code. `default_dir` is the data directory where nothing else is
/// named. A reader of `out` that has seen enough is no error.
pub(crate) fn run(
    args: &ShowArgs,
    default_dir: Option<&Path>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let journals = match Journals::open(&args.place, default_dir) {
        Ok(journals) => journals,
        Err(e) => return no_journal(&e, err),
    };
    for warning in &journals.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let (requests, more) = match journals.requests(args.id.trim()) {
        Ok(found) => found,
        Err(e) => return no_journal(&e, err),
    };
    if requests.is_empty() {
        writeln!(err, "error: no request on record has the id {}", printable(&args.id))?;
        if let Some(whole) = whole(args.id.trim(), &journals) {
            writeln!(err, "hint: did you mean `{}`?", printable(&whole))?;
            return Ok(exit::FOUND);
        }
        writeln!(err, "hint: a request that succeeded at once is not kept; `seawall failures` lists what is")?;
        return Ok(exit::FOUND);
    }
    match tell(&requests, args.json, out) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(exit::OK),
        told => told?,
    }
    if !args.json
        && let Some(hint) = requests.first().and_then(next)
    {
        writeln!(err, "hint: {hint}")?;
    }
    if more {
        writeln!(
            err,
            "only the newest {REQUESTS_MAX} requests with this id are shown: `seawall failures --request-id` lists all"
        )?;
    }
    Ok(exit::OK)
}

/// The one id among the newest attempts that begins as this does, or in which so much is alike.
fn whole(id: &str, journals: &Journals) -> Option<String> {
    if id.len() < ID_BEGINS_MIN {
        return None;
    }
    let filter = Filter::default();
    let mut found = BTreeSet::new();
    let attempts = journals.attempts(&filter).take(IDS_ROWS).filter_map(Result::ok);
    for attempt in attempts {
        let ids = [Some(attempt.request_id), attempt.upstream_request_id, attempt.client_request_id];
        let near =
            |known: &String| known.starts_with(id) || config::nearest(id, std::iter::once(known.as_str())).is_some();
        found.extend(ids.into_iter().flatten().filter(near));
    }
    // The client's id of an attempt may be Seawall's with a number behind it: the shorter one is meant.
    let first = found.first()?.clone();
    found.iter().all(|other| other.starts_with(&first)).then_some(first)
}

/// What to do after this, of a request that failed: the incident that it is part of, or what its last failure means.
fn next(request: &RequestRow) -> Option<String> {
    let incident = request.attempts.iter().rev().find_map(|attempt| attempt.incident.as_deref());
    if let Some(incident) = incident {
        return Some(format!("it is part of an incident: `seawall report {}` writes it down", printable(incident)));
    }
    let failed = request.attempts.iter().rev().find(|attempt| attempt.class != Class::Ok.name())?;
    let about = failed.status.map_or_else(|| printable(&failed.class), |status| status.to_string());
    Some(format!("`seawall explain {about}` says what that means and what to do"))
}

fn tell(requests: &[RequestRow], json: bool, out: &mut impl Write) -> io::Result<()> {
    for (at, request) in requests.iter().enumerate() {
        if json {
            out.write_all(json_line(request)?.as_bytes())?;
            continue;
        }
        if at > 0 {
            writeln!(out)?;
        }
        tell_request(request, out)?;
        for attempt in &request.attempts {
            tell_attempt(attempt, out)?;
        }
    }
    out.flush()
}

fn tell_request(request: &RequestRow, out: &mut impl Write) -> io::Result<()> {
    let Facts {
        endpoint,
        method,
        model,
        stream,
        tools,
        max_tokens,
        body_bytes,
        shape,
        sdk,
        client_retries,
        tag,
        client,
    } = &request.facts;
    writeln!(out, "request {}", printable(&request.request_id))?;
    line(out, "time", Some(rfc3339(request.time)))?;
    line(out, "asked", Some(format!("{method} {endpoint}{}", if *stream { ", as a stream" } else { "" })))?;
    line(out, "model", model.clone())?;
    line(out, "tools", (*tools > 0).then(|| tools.to_string()))?;
    line(out, "max tokens", max_tokens.map(|n| n.to_string()))?;
    line(out, "body", Some(format!("{body_bytes} bytes")))?;
    line(out, "shape", Some(shape.clone()))?;
    line(out, "sdk", sdk.clone())?;
    line(out, "caller's own retry", (*client_retries > 0).then(|| client_retries.to_string()))?;
    line(out, "tag", tag.clone())?;
    line(out, "client", client.clone())?;
    let ended = &request.ended;
    line(out, "outcome", Some(ended.outcome.clone().unwrap_or_else(|| "not on record".to_owned())))?;
    line(out, "reason", ended.reason.clone())?;
    line(out, "status", ended.status.map(|status| status.to_string()))?;
    line(out, "attempts", ended.attempts_made.map(|n| n.to_string()))?;
    line(out, "elapsed", ended.elapsed_ms.map(millis))?;
    line(out, "diagnosis", ended.diagnosis.clone())?;
    line(out, "tokens", tokens(&ended.tokens))
}

fn tell_attempt(attempt: &AttemptRow, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nattempt {} at {}", attempt.attempt, printable(&attempt.upstream))?;
    line(out, "time", Some(rfc3339(attempt.time)))?;
    line(out, "status", Some(attempt.status.map_or_else(|| "none received".to_owned(), |status| status.to_string())))?;
    line(out, "class", Some(attempt.class.clone()))?;
    line(out, "whose fault", Some(attempt.whose.clone()))?;
    line(out, "fault", attempt.fault.clone())?;
    line(out, "billed", Some(billed(attempt)))?;
    line(out, "tokens", tokens(&attempt.tokens).filter(|_| attempt.billed != Billed::No.name()))?;
    line(out, "error type", attempt.error_type.clone())?;
    line(out, "error code", attempt.error_code.clone())?;
    line(out, "message", attempt.message.clone())?;
    line(out, "x-request-id", attempt.upstream_request_id.clone())?;
    line(out, "x-client-request-id", attempt.client_request_id.clone())?;
    line(out, "openai-processing", attempt.processing_ms.map(|ms| format!("{ms} ms")))?;
    line(out, "organization", attempt.organization.clone())?;
    line(out, "project", attempt.project.clone())?;
    line(out, "cf-ray", attempt.cf_ray.clone())?;
    line(out, "elapsed", Some(millis(attempt.elapsed_ms)))?;
    line(out, "phases", phases(&attempt.phases))?;
    line(out, "first content", attempt.first_content_ms.map(millis))?;
    line(out, "bytes", Some(format!("{} received, {} passed on", attempt.bytes_in, attempt.bytes_out)))?;
    line(out, "decision", Some(decision(attempt)))?;
    line(out, "incident", attempt.incident.clone())
}

/// Whether it costs money, and why.
fn billed(attempt: &AttemptRow) -> String {
    match attempt.billed_why.as_deref().and_then(Charge::from_name) {
        Some(why) => format!("{}: {}", attempt.billed, why.says()),
        None => attempt.billed.clone(),
    }
}

/// `1200 in (1024 of them cached), 34 out`, `about 1200 in, 34 out: estimated`, or `unknown in, 34 out`.
fn tokens(row: &TokensRow) -> Option<String> {
    let part = |n: Option<u64>, what: &str| {
        n.filter(|n| *n > 0).map_or_else(String::new, |n| format!(" ({n} of them {what})"))
    };
    let number = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let counted = Counted::from_name(row.usage.as_deref()?)?;
    let (input, output) = (number(row.input_tokens), number(row.output_tokens));
    let (cached, reasoning) = (part(row.cached_tokens, "cached"), part(row.reasoning_tokens, "reasoning"));
    match counted {
        Counted::Known => Some(format!("{input} in{cached}, {output} out{reasoning}")),
        Counted::Estimated => Some(format!("about {input} in, {output} out: estimated")),
        Counted::Unknown => Some(format!("{input} in, {output} out")),
    }
}

/// What each step took that it came to: `connect 12 ms · TLS 31 ms · sent 0.1 ms · first byte 480 ms`.
fn phases(row: &PhasesRow) -> Option<String> {
    let sending = [("sent", row.sent_ms), ("first byte", row.first_byte_ms)];
    // An upstream may answer before it has read the request.
    let is_early = row.first_byte_ms.is_some_and(|first_byte| row.sent_ms.is_some_and(|sent| sent > first_byte));
    let [third, fourth] = if is_early { [sending[1], sending[0]] } else { sending };
    let mut steps = Vec::from_iter((row.connection.as_deref() == Some("reused")).then(|| "reused".to_owned()));
    let mut before = 0.0;
    for (what, at) in [("connect", row.connected_ms), ("TLS", row.secured_ms), third, fourth] {
        let Some(at) = at else { continue };
        steps.push(format!("{what} {}", millis(at - before)));
        before = at;
    }
    (!steps.is_empty()).then(|| steps.join(" · "))
}

/// One labelled value, if there is one.
fn line(out: &mut impl Write, label: &str, value: Option<String>) -> io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    writeln!(out, "  {label:LABEL$} {}", printable(&value))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use seawall_core::event::{Reason, Request};

    use super::*;
    use crate::data_dir::JOURNAL_FILE;
    use crate::observe::journal::samples::{attempt, ended, request, settled};
    use crate::observe::journal::{Journal, Settings};

    /// 2026-11-23T06:30:00Z
    const BEGAN: i64 = 1_795_415_400_000_000;

    fn show(dir: &Path, id: &str, json: bool) -> (u8, String, String) {
        let args = ShowArgs { id: id.to_owned(), json, place: JournalArgs::default() };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&args, Some(dir), &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn asked(n: i64) -> Arc<Request> {
        Arc::new(Request { began_unix_micros: BEGAN + n, ..(*request(n)).clone() })
    }

    /// A journal with requests 0 to `requests`, of two attempts each; only even ones ended.
    fn fill(dir: &Path, requests: i64) {
        let settings = Settings { keep: Duration::from_secs(3_155_760_000), ..Settings::default() };
        let (journal, _) = Journal::open(&dir.join(JOURNAL_FILE), settings).unwrap();
        for n in 0..requests {
            let asked = asked(n);
            for number in [1, 2] {
                let mut tried = attempt(number);
                tried.began_unix_micros = BEGAN + n * 1_000 + i64::from(number) * 1_000_000;
                tried.upstream_request_id = Some(format!("req_{n}_{number}"));
                tried.client_request_id = Some("every-time".to_owned());
                if number == 2 {
                    (tried.reason, tried.wait) = (Reason::Attempts, None);
                }
                journal.attempt(&asked, tried);
            }
            if n % 2 == 0 {
                journal.request(&asked, ended(2));
            }
            settled(&journal, &asked);
        }
        journal.close(Duration::from_secs(20));
    }

    #[test]
    fn a_request_is_told_attempt_by_attempt() {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 1);
        let (code, out, err) = show(dir.path(), &request(0).id, false);
        assert_eq!((code, err.as_str()), (0, "hint: `seawall explain 503` says what that means and what to do\n"));
        assert_eq!(show(dir.path(), &request(0).id, true).2, "", "a program needs no hint");
        insta::assert_snapshot!(out, @r"
        request sw_00000000000000000000000000000000
          time                 2026-11-23T06:30:00.000Z
          asked                POST chat_completions, as a stream
          model                gpt-4o
          tools                2
          max tokens           256
          body                 1234 bytes
          shape                chat/stream/1k/tools
          sdk                  openai-python 3.54.0
          caller's own retry   1
          tag                  nightly
          client               team-a
          outcome              exhausted
          reason               attempts
          status               503
          attempts             2
          elapsed              1.5 s
          diagnosis            requests of this form fail after 60.1 s
          tokens               about 1200 in, 34 out: estimated

        attempt 1 at openai
          time                 2026-11-23T06:30:01.000Z
          status               503
          class                overloaded
          whose fault          provider
          fault                status
          billed               no: turned away for lack of capacity, before any work began
          error type           server_error
          error code           overloaded
          message              The engine is currently overloaded
          x-request-id         req_0_1
          x-client-request-id  every-time
          openai-processing    17 ms
          organization         org-acme
          project              proj_acme
          cf-ray               8f00ba4-FRA
          elapsed              81 ms
          phases               connect 12 ms · TLS 31 ms · sent 0.1 ms · first byte 36 ms
          first content        80 ms
          bytes                321 received, 0 passed on
          decision             retry in 750 ms

        attempt 2 at openai
          time                 2026-11-23T06:30:02.000Z
          status               503
          class                overloaded
          whose fault          provider
          fault                status
          billed               no: turned away for lack of capacity, before any work began
          error type           server_error
          error code           overloaded
          message              The engine is currently overloaded
          x-request-id         req_0_2
          x-client-request-id  every-time
          openai-processing    17 ms
          organization         org-acme
          project              proj_acme
          cf-ray               8f00ba4-FRA
          elapsed              81 ms
          phases               connect 12 ms · TLS 31 ms · sent 0.1 ms · first byte 36 ms
          first content        80 ms
          bytes                321 received, 0 passed on
          decision             stop: attempts
        ");
    }

    #[test]
    fn the_phases_are_those_that_it_came_to() {
        let row = |connection: &str, [connected_ms, secured_ms, sent_ms, first_byte_ms]: [Option<f64>; 4]| {
            let connection = Some(connection.to_owned());
            phases(&PhasesRow { connection, connected_ms, secured_ms, sent_ms, first_byte_ms })
        };
        assert_eq!(phases(&PhasesRow::default()), None, "refused, or told by an older gateway");
        for (row, told) in [
            (row("new", [Some(5.0), None, None, None]), "connect 5.0 ms"),
            (row("new", [Some(5.0), None, Some(6.5), None]), "connect 5.0 ms · sent 1.5 ms"),
            (row("reused", [None, None, Some(0.5), Some(480.5)]), "reused · sent 0.5 ms · first byte 480 ms"),
            (row("new", [Some(5.0), None, Some(26.0), Some(16.0)]), "connect 5.0 ms · first byte 11 ms · sent 10 ms"),
        ] {
            assert_eq!(row.as_deref(), Some(told));
        }
    }

    #[test]
    fn any_of_its_ids_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 3);
        for id in [request(1).id.as_str(), "req_1_1", "req_1_2", " req_1_2\n"] {
            let (code, out, _) = show(dir.path(), id, true);
            let told: serde_json::Value = serde_json::from_str(&out).unwrap();
            assert_eq!((code, &told["request_id"]), (0, &request(1).id.clone().into()), "{id}");
            assert_eq!(told["attempts"].as_array().unwrap().len(), 2);
            assert_eq!(told["outcome"], serde_json::Value::Null, "its end is not on record");
        }
    }

    #[test]
    fn an_id_of_many_requests_shows_the_newest_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), i64::try_from(REQUESTS_MAX).unwrap() + 1);
        let (_, out, err) = show(dir.path(), "every-time", true);
        assert_eq!(out.lines().count(), REQUESTS_MAX);
        assert!(!out.contains(&request(0).id), "the oldest is the one left out");
        assert!(err.starts_with("only the newest 20 requests"), "{err}");
    }

    #[test]
    fn an_unknown_id_is_exit_1_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 1);
        let (code, out, err) = show(dir.path(), "req_nobody\u{1b}[2J", false);
        assert_eq!((code, out.as_str()), (1, ""));
        insta::assert_snapshot!(err, @r"
        error: no request on record has the id req_nobody\u{1b}[2J
        hint: a request that succeeded at once is not kept; `seawall failures` lists what is
        ");
    }

    #[test]
    fn the_beginning_of_an_id_and_a_slip_in_it_lead_to_the_whole_one() {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 1);
        let whole = request(0).id.clone();
        let slip = whole.replacen("sw_00", "sw_0O", 1);
        for id in [&whole[..20], slip.as_str()] {
            let (code, out, err) = show(dir.path(), id, false);
            assert_eq!((code, out.as_str()), (1, ""));
            assert!(err.ends_with(&format!("hint: did you mean `{whole}`?\n")), "{err}");
        }
        fill(dir.path(), 2);
        assert!(!show(dir.path(), &whole[..20], false).2.contains("did you mean"), "two begin so");
    }

    #[test]
    fn without_a_journal_it_is_exit_4() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(show(dir.path(), "req_x", false).0, 4);
    }
}
