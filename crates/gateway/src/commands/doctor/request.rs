//! `seawall doctor REQUEST.json`: what is wrong with a request, and with `--send` whose fault that is.
//!
//! The file is linted in any case. Only `--send` sends it, and only to the upstream: as it is, then
//! without streaming, where a complaint is a 400 with a message and no riddle, and then in parts.

use std::io::{self, Write};
use std::path::Path;

use seawall::Upstream;
use seawall_core::request::lint::{self, Options, Report, Target};
use seawall_core::verdict::Class;
use serde_json::json;

use super::draft::{Draft, Form, Tools};
use super::exam::{Exam, FAILS_ALONE, Outcome, Step, Stop, tokens};
use super::narrow;
use super::outline;
use super::place;
use super::probe::Heard;
use super::telling::{self, Redaction};
use super::verdict::{Part, Verdict, Whose, excerpt, rule};
use crate::exit::{self, Exit};
use crate::observe::journal::plain::{json_line, printable};

/// The largest request that is looked at.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Failures of the request as it was written, until it is looked into.
const FAILS_AS_WRITTEN: u32 = 2;

/// What to do with the file.
pub(super) struct Order<'a> {
    pub(super) file: &'a Path,
    pub(super) form: Option<Form>,
    /// Where to send it, and what no message may show; `None`: it is only looked at.
    pub(super) send: Option<(Upstream, Vec<String>)>,
    pub(super) upstream: String,
    pub(super) sends_max: u32,
    pub(super) json: bool,
}

/// Looks at the request, and sends it if it is to.
pub(super) async fn run(order: &Order<'_>, text: &str, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let draft = Draft::read(text, order.form);
    let form = draft.as_ref().map_or(order.form, |draft| Some(draft.form));
    let target = form.map(|form| match form {
        Form::Chat => Target::OpenaiChat,
        Form::Responses => Target::OpenaiResponses,
    });
    let report = lint::lint(text.as_bytes(), Options { target });
    tell_report(&report, order, out)?;
    let draft = match (draft, &order.send) {
        (Ok(draft), _) => draft,
        (Err(why), Some(_)) => {
            writeln!(err, "error: {} cannot be sent: {why}", order.file.display())?;
            return Ok(if report.has_errors() { exit::FOUND } else { exit::USAGE });
        }
        (Err(_), None) => return Ok(found(&report)),
    };
    let Some((upstream, secrets)) = &order.send else {
        if !order.json {
            announce(&draft, order, err)?;
        }
        return Ok(found(&report));
    };
    let redaction = Redaction { words: draft.words().to_vec(), secrets };
    let is_json = order.json;
    let mut tell = |step: &Step<'_>| {
        if is_json { telling::json_of(step, &redaction, out) } else { telling::text_of(step, &redaction, out) }
    };
    let mut exam = Exam::new(upstream, &draft, order.sends_max, &mut tell);
    let concluded = examine(&mut exam, &report, &redaction, order).await;
    let (sends, spent, traces, noise) = (exam.sends, exam.spent, std::mem::take(&mut exam.traces), exam.noise_ppm());
    let mut verdict = match concluded {
        Ok(verdict) => verdict,
        Err(stop) => stopped(stop, order, noise, &redaction)?,
    };
    verdict.spent(sends, spent);
    verdict.model = draft.model();
    verdict.failures = traces;
    if order.json {
        out.write_all(json_line(&verdict)?.as_bytes())?;
    } else {
        verdict.tell(out)?;
    }
    out.flush()?;
    Ok(verdict.exit)
}

fn found(report: &Report) -> Exit {
    if report.has_errors() { exit::FOUND } else { exit::OK }
}

/// The course of it: each step asks what the one before left open.
async fn examine(
    exam: &mut Exam<'_>,
    report: &Report,
    redaction: &Redaction<'_>,
    order: &Order<'_>,
) -> Result<Verdict, Stop> {
    let draft = exam.draft;
    let streams = draft.streams;
    let (outcome, heard, failed) = exam.settle("as written", streams, &draft.as_written(), FAILS_AS_WRITTEN).await?;
    match outcome {
        Outcome::Answered if failed == 0 => {
            let mut verdict = Verdict::new(Whose::Fine, "the upstream answers it");
            if report.has_errors() {
                verdict = verdict.next("what the linter found may still be refused elsewhere, or at another time");
            }
            return Ok(verdict);
        }
        Outcome::Answered => {
            return Ok(Verdict::new(Whose::Theirs, "it failed, and the very same request was answered a moment later")
                .next("retry it: `seawall serve` does that within a budget"));
        }
        Outcome::Refused => return Ok(refused(draft, &heard, report, redaction, order)),
        Outcome::Failed => {}
    }
    let mut only_streaming = false;
    if streams {
        let body = draft.with(false, Tools::AsWritten);
        let (outcome, heard, _) = exam.settle("without streaming", false, &body, FAILS_ALONE).await?;
        match outcome {
            Outcome::Refused if !is_about_streaming(&heard) => {
                return Ok(refused(draft, &heard, report, redaction, order));
            }
            Outcome::Answered => only_streaming = true,
            Outcome::Refused | Outcome::Failed => {}
        }
    }
    if !draft.tools.is_empty() {
        let body = draft.with(streams, Tools::None);
        if exam.settle("without tools", streams, &body, FAILS_ALONE).await?.0 == Outcome::Answered {
            return tools(exam, report, order, only_streaming).await;
        }
    }
    let question = draft.plain_question(streams);
    let (outcome, _, _) = exam.settle("a plain question to the model", streams, &question, FAILS_ALONE).await?;
    Ok(match outcome {
        _ if only_streaming => Verdict::new(
            Whose::Theirs,
            "the same request is answered without streaming, and streams fail with and without its tools",
        )
        .next("give its support the request ids above; send it without streaming meanwhile"),
        Outcome::Failed => Verdict::new(Whose::Theirs, "the upstream fails at anything that is asked of this model")
            .next("give its support the request ids above; `seawall serve` with a second upstream goes round it"),
        _ if draft.tools.is_empty() => Verdict::new(
            Whose::Unclear,
            "the model answers other requests and this one always fails; it has no tools to blame",
        )
        .next("shorten its messages by halves, and drop `response_format` and other options one by one"),
        _ => Verdict::new(
            Whose::Unclear,
            "the model answers other requests, and this one fails without its tools too: they are not the cause",
        )
        .next("shorten its messages by halves, and drop `response_format` and other options one by one"),
    })
}

/// A complaint about the stream is about what was changed, not about the request.
fn is_about_streaming(heard: &Heard) -> bool {
    let message = heard.said.as_ref().and_then(|said| said.message.as_deref()).unwrap_or_default();
    message.to_ascii_lowercase().contains("stream")
}

/// The upstream says itself what is wrong.
fn refused(draft: &Draft<'_>, heard: &Heard, report: &Report, redaction: &Redaction<'_>, order: &Order<'_>) -> Verdict {
    let said = heard.said.as_deref();
    let code = said.and_then(|said| said.code.as_deref().or(said.kind.as_deref())).map(|word| redaction.text(word));
    let status = heard.status.map_or_else(String::new, |status| format!("{status} "));
    let id = heard.request_id.as_deref().map(|id| format!(", request {}", printable(id))).unwrap_or_default();
    let says = format!("the upstream refuses it: {status}{}{id}", code.unwrap_or_default());
    let mut verdict = Verdict::new(Whose::Yours, says);
    verdict.message = redaction.message(heard);
    let message = said.and_then(|said| said.message.as_deref()).unwrap_or_default();
    if let Some(path) = place::of(draft, param(heard).as_deref(), message) {
        verdict.parts.push(part(draft, &path, report));
    }
    fixable(verdict, report, order)
}

/// `error.param` of the reply.
fn param(heard: &Heard) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(heard.body.as_deref()?).ok()?;
    body["error"]["param"].as_str().map(str::to_owned)
}

/// The tools are what it fails for; which, and what of them?
async fn tools(exam: &mut Exam<'_>, report: &Report, order: &Order<'_>, only_streaming: bool) -> Result<Verdict, Stop> {
    let draft = exam.draft;
    let found = narrow::tools(exam, draft.streams).await?;
    if found.causes.is_empty() {
        return Ok(Verdict::new(
            Whose::Unclear,
            "without tools it is answered, and no tool alone fails again and again while the rest is answered",
        )
        .next("try again when the upstream fails less, or with a larger --sends-max"));
    }
    let mut parts = Vec::new();
    for cause in &found.causes {
        let [one] = cause[..] else {
            parts.extend(cause.iter().map(|at| part(draft, &draft.tools[*at].path, report)));
            continue;
        };
        let tool = &draft.tools[one];
        match narrow::parts(exam, draft.streams, tool).await {
            Ok((paths, _)) => {
                let whole = |path: &outline::Path| [&tool.path[..], path].concat();
                parts.extend(paths.iter().map(|path| part(draft, &whole(path), report)));
            }
            // The tool is known; only what in it is not.
            Err(Stop::Sends) => parts.push(part(draft, &tool.path, report)),
            Err(stop) => return Err(stop),
        }
    }
    let how = if only_streaming { "it is answered without streaming, and fails with it" } else { "it fails" };
    let says = match &found.causes[..] {
        [cause] if cause.len() == 1 => format!("{how} for {}", narrow::shown(&draft.tools[cause[0]])),
        [cause] => format!("{how} for {} tools together", cause.len()),
        causes => format!("{how} for each of {} tools", causes.iter().map(Vec::len).sum::<usize>()),
    };
    let mut verdict = Verdict::new(Whose::Yours, format!("{says}; the upstream answers it without"));
    if !found.is_all {
        verdict.says = format!("{says}, and not only for them");
    }
    verdict.parts = parts;
    Ok(fixable(verdict, report, order))
}

/// Adds how it is mended.
fn fixable(mut verdict: Verdict, report: &Report, order: &Order<'_>) -> Verdict {
    let file = order.file.display();
    let is_fixable = |code: &str| report.findings.iter().any(|found| found.rule.code == code && found.fix.is_some());
    let rules = verdict.parts.iter().filter_map(|part| part.rule);
    if rules.into_iter().any(is_fixable) {
        verdict.next.push(format!("`seawall lint --fix {file}` mends what a rule is named for"));
    } else if !verdict.parts.is_empty() {
        verdict.next.push("write these parts another way, or leave them out, and run this again".to_owned());
    }
    verdict
}

fn part(draft: &Draft<'_>, path: &[usize], report: &Report) -> Part {
    let pointer = draft.root.pointer(path);
    let text = draft.root.at(path).map_or("", |node| node.text);
    let tool = draft.tools.iter().find(|tool| path.starts_with(&tool.path)).and_then(|tool| tool.name.clone());
    let rule = rule(report, &pointer);
    Part {
        tool,
        bytes: text.len(),
        excerpt: excerpt(&pointer, text),
        rule: rule.map(|(code, _)| code),
        fix: rule.map(|(_, fix)| fix),
        pointer,
    }
}

/// The search ended early.
fn stopped(stop: Stop, order: &Order<'_>, noise_ppm: u64, redaction: &Redaction<'_>) -> io::Result<Verdict> {
    Ok(match stop {
        Stop::Output(error) => return Err(error),
        Stop::Sends => {
            let says = format!(
                "{} sends were not enough: about {} of 100 requests fail here that are right",
                order.sends_max,
                noise_ppm / 10_000
            );
            Verdict::new(Whose::Unclear, says).next("run it again with a larger --sends-max, or when less fails")
        }
        Stop::Settings(why) => Verdict { exit: exit::CONFIG, ..Verdict::new(Whose::Unclear, why) },
        Stop::Unreached(heard) => {
            let mut verdict = Verdict::new(Whose::Unclear, format!("{} cannot be reached", order.upstream))
                .next("`seawall doctor` looks at name, connection, certificate and proxy");
            verdict.message = redaction.message(&heard);
            Verdict { exit: exit::CANNOT_START, ..verdict }
        }
        Stop::Barred(heard) => {
            let (whose, says, next) = match heard.class {
                Class::Auth => (
                    Whose::Yours,
                    "the upstream does not accept the key",
                    "set OPENAI_API_KEY, or `api_key` of the upstream",
                ),
                Class::Quota => (Whose::Yours, "the credit is used up", "look at the plan and billing of the account"),
                _ => (Whose::Unclear, "the rate limit of the key leaves no room to find out", "wait, and run it again"),
            };
            let mut verdict = Verdict::new(whose, says).next(next);
            verdict.message = redaction.message(&heard);
            verdict
        }
    })
}

fn tell_report(report: &Report, order: &Order<'_>, out: &mut impl Write) -> io::Result<()> {
    for finding in &report.findings {
        let (rule, pointer) = (finding.rule, &finding.pointer);
        if order.json {
            let line = json!({
                "finding": rule.code, "severity": finding.severity.name(), "pointer": pointer,
                "tool": finding.tool, "message": finding.message, "fix": rule.fix,
                "is_fixable": finding.fix.is_some(),
            });
            out.write_all(json_line(&line)?.as_bytes())?;
            continue;
        }
        let place = if pointer.is_empty() { "the document" } else { pointer };
        writeln!(out, "{}[{}] {}: {}", finding.severity, rule.code, printable(place), printable(&finding.message))?;
        writeln!(out, "  fix: {}", finding.fix.as_ref().map_or(rule.fix, |fix| &fix.title))?;
    }
    if order.json {
        return Ok(());
    }
    match (report.findings.len(), report.more) {
        (0, _) => writeln!(out, "lint: nothing found in {} tools", report.tools),
        (_, 0) => Ok(()),
        (_, more) => writeln!(out, "lint: {more} more are not shown"),
    }
}

/// What `--send` would do.
fn announce(draft: &Draft<'_>, order: &Order<'_>, err: &mut impl Write) -> io::Result<()> {
    let (file, size) = (order.file.display(), tokens(draft.root.text.len()));
    writeln!(err, "hint: `seawall doctor --send {file}` asks {} whose fault it is:", order.upstream)?;
    let how = if draft.streams { "as written, then without streaming" } else { "as written" };
    writeln!(
        err,
        "  {how}; if it only fails, without tools and in parts: at most {} sends of about {size} tokens each, most of them fewer",
        order.sends_max
    )?;
    if !draft.streams && !draft.limits_answer() {
        writeln!(err, "  the request limits no answer, so each one is paid for at its full length")?;
    }
    Ok(())
}
