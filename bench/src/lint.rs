//! What looking at a request costs, beside parsing it.
//!
//! Lint runs after failures only, and still thousands may fail at once. The requests have 20 tools, as an
//! agent sends them: of a few kilobytes of schema each request most is names, types and descriptions.
//! `serde_json` parses the same bytes into a `Value` in the same rounds, for a figure that this machine's
//! speed does not change. What is counted is the thread's own time.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io;
use std::time::Duration;

use seawall_core::request::lint::{Options as LintOptions, Target, fixed, lint};

use super::cpu::measured;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long each of them runs in all
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Tools in a request
    #[arg(long, default_value_t = 20)]
    tools: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Rounds, in which each of them takes its turn.
const ROUNDS: u32 = 10;

/// A name, the bytes, and what is done with them.
type Run<'a> = (&'static str, &'a str, &'a dyn Fn(&str));

/// Prints requests and bytes a second.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let clean = request(options.tools, false);
    let strict = request(options.tools, true);
    let broken = strict.replace(",\"additionalProperties\":false", "");
    let target = LintOptions { target: Some(Target::OpenaiChat) };
    let errors = |text: &str| lint(text.as_bytes(), target).findings.len();
    if errors(&clean) > 0 || errors(&strict) > 0 || errors(&broken) != 2 * options.tools {
        return Err(io::Error::other("the requests are not those that were meant"));
    }
    let look = |text: &str| {
        black_box(lint(black_box(text.as_bytes()), target));
    };
    let parse = |text: &str| {
        black_box(serde_json::from_slice::<serde_json::Value>(black_box(text.as_bytes())).is_ok());
    };
    let mend = |text: &str| {
        black_box(fixed(black_box(text.as_bytes()), target));
    };
    let runs: [Run<'_>; 5] = [
        ("parse", &clean, &parse),
        ("lint", &clean, &look),
        ("lint_strict", &strict, &look),
        ("lint_broken", &broken, &look),
        ("mend_broken", &broken, &mend),
    ];
    let turn = Duration::from_secs(options.seconds) / ROUNDS;
    let mut rates = [0.0; 5];
    for _ in 0..ROUNDS {
        for ((_, text, each), rate) in runs.iter().zip(&mut rates) {
            // The best round is the one that nothing else on the machine has disturbed.
            *rate = f64::max(*rate, measured(turn, || each(text)));
        }
    }
    for ((name, text, _), rate) in runs.iter().zip(rates) {
        let bytes = text.len();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand bytes")]
        let megabytes = rate * bytes as f64 / 1e6;
        let ratio = rates[0] / rate;
        if options.json {
            println!(
                "{}",
                serde_json::json!({"what": name, "tools": options.tools, "bytes": bytes, "requests_s": rate.round(), "mb_s": megabytes.round(), "times_parse": ratio})
            );
        } else {
            println!(
                "{name:<12} {rate:>8.0} requests/s {megabytes:>6.0} MB/s {ratio:>5.2} × a parse ({bytes} bytes, {} tools)",
                options.tools
            );
        }
    }
    Ok(())
}

/// A request with that many tools.
fn request(tools: usize, is_strict: bool) -> String {
    let mut text = String::from(
        r#"{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You are an assistant with tools. Use them where they help, and say what you have done."},{"role":"user","content":"What is on my list for today, and what has changed since \"yesterday\"?\n"}],"tools":["#,
    );
    let (strict, more) = if is_strict {
        (r#","strict":true"#, r#","required":["query","limit","kind","tags","range"],"additionalProperties":false"#)
    } else {
        ("", r#","required":["query"]"#)
    };
    let inner = if is_strict { r#","required":["from","to"],"additionalProperties":false"# } else { "" };
    for n in 0..tools {
        let comma = if n > 0 { "," } else { "" };
        let _ = write!(
            text,
            r#"{comma}{{"type":"function","function":{{"name":"search_documents_{n}","description":"Searches the documents of one collection and returns the best matches, newest first. Use it before you answer a question about a fact."{strict},"parameters":{{"type":"object","properties":{{"query":{{"type":"string","description":"What to look for, in a few words."}},"limit":{{"type":["integer","null"],"description":"How many matches at most.","minimum":1,"maximum":50}},"kind":{{"type":"string","enum":["note","mail","task","event","file"],"description":"Which kind of document."}},"tags":{{"type":"array","items":{{"type":"string"}},"description":"Only documents that have all of these."}},"range":{{"type":"object","properties":{{"from":{{"type":"string","format":"date","pattern":"^\\d{{4}}-\\d{{2}}-\\d{{2}}$"}},"to":{{"type":"string","format":"date"}}}}{inner}}}}}{more}}}}}}}"#
        );
    }
    text.push_str(r#"],"tool_choice":"auto"}"#);
    text
}
