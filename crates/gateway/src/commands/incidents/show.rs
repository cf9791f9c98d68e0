//! `seawall incidents show`: one incident, with all that is known of it.

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use super::Stopped;
use crate::config;
use crate::exit::{self, Exit};
use crate::observe::journal::incidents::{EventRow, IncidentRow, Whole};
use crate::observe::journal::plain::{json_line, printable, span};
use crate::observe::journal::read::{JournalArgs, Journals, ReadError};
use crate::observe::journal::when::rfc3339;

/// `inc_` and four digits more: fewer are like all others.
const ID_BEGINS_MIN: usize = 8;

const EXAMPLES: &str = "\
Examples:
  seawall incidents show inc_4f2a       by the beginning of its id
  seawall incidents show inc_4f2a --json";

/// Which to show.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct ShowArgs {
    /// Its id, or the beginning of it
    #[arg(value_name = "INCIDENT")]
    pub(super) id: String,
    /// One JSON object, with every field
    #[arg(long)]
    pub(super) json: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(super) place: JournalArgs,
}

pub(super) fn run(
    args: &ShowArgs,
    default_dir: Option<&Path>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Exit, Stopped> {
    let journals = Journals::open(&args.place, default_dir)?;
    for warning in &journals.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let mut found = journals.incident(&args.id)?;
    if found.len() != 1 {
        let id = printable(&args.id);
        if found.is_empty() {
            let meant = meant(&args.id, &journals)?;
            writeln!(err, "error: no incident {id} is on record\nhint: {meant}`seawall incidents` lists them")?;
        } else {
            let ids: Vec<String> = found.iter().map(|incident| printable(&incident.id)).collect();
            writeln!(err, "error: more than one incident begins with {id}: {}", ids.join(", "))?;
        }
        return Ok(exit::FOUND);
    }
    let incident = found.remove(0);
    let whole = Whole { events: journals.incident_events(&incident.id)?, incident };
    if args.json {
        out.write_all(json_line(&whole).map_err(io::Error::from)?.as_bytes())?;
    } else {
        tell(&whole.incident, &whole.events, seawall::proxy::unix_micros(), out)?;
    }
    out.flush()?;
    Ok(exit::OK)
}

/// The id on record that was probably meant, as the beginning of a hint; nothing if none is near.
pub(crate) fn meant(id: &str, journals: &Journals) -> Result<String, ReadError> {
    let known: Vec<String> = journals.incidents(i64::MIN, i64::MAX)?.into_iter().map(|incident| incident.id).collect();
    // What was typed may be the beginning of it, and that may be misspelt as well.
    let near = config::nearest(id, known.iter().map(String::as_str)).or_else(|| {
        let length = id.len().max(ID_BEGINS_MIN);
        let begins = known.iter().filter_map(|known| Some((known.get(..length)?, known)));
        let near = config::nearest(id, begins.clone().map(|(begin, _)| begin))?;
        begins.into_iter().find(|(begin, _)| *begin == near).map(|(_, known)| known.as_str())
    });
    Ok(near.map(|near| format!("did you mean `{}`? ", printable(near))).unwrap_or_default())
}

fn tell(incident: &IncidentRow, events: &[EventRow], now: i64, out: &mut impl Write) -> io::Result<()> {
    let IncidentRow { since, opened, closed, .. } = *incident;
    let severity = printable(&incident.severity);
    let place = printable(&incident.place());
    writeln!(
        out,
        "{}  {}, {severity}: {}, {place}",
        printable(&incident.id),
        printable(&incident.state),
        incident.what()
    )?;
    let mut line = |name: &str, text: String| writeln!(out, "  {name:<13}{text}");
    let found =
        if opened - since >= 1_000_000 { format!(", found {} later", span(opened - since)) } else { String::new() };
    line("since", format!("{}{found}, for {}", rfc3339(since), span(closed.unwrap_or(now) - since)))?;
    if let Some(closed) = closed {
        let why = incident.close.as_deref().map_or_else(String::new, |close| format!(": {}", printable(close)));
        line("over", format!("{}{why}", rfc3339(closed)))?;
    }
    line("rule", rule(incident))?;
    let (whole, window) = (incident.whole, incident.window);
    let counted = if incident.kind == "latency" { "first contents late" } else { "requests failed at first" };
    line(
        "counts",
        format!(
            "{} of {} {counted} since it was found; {} of {} lately",
            whole.failed, whole.of, window.failed, window.of
        ),
    )?;
    if incident.flaps > 0 {
        line("again", format!("it opened again {} times", incident.flaps))?;
    }
    if let Some(under) = &incident.under {
        line("told by", format!("{}: it has the same cause", printable(under)))?;
    }
    if let Some(at) = incident.acknowledged {
        line("known", format!("since {}", rfc3339(at)))?;
    }
    let differences = incident.differences.as_array().map_or(&[][..], Vec::as_slice);
    for (at, difference) in differences.iter().enumerate() {
        line(if at == 0 { "different" } else { "" }, text(difference, "text"))?;
    }
    if let Some(said) = page(&incident.status_page) {
        line("status page", said)?;
    }
    for (at, id) in incident.request_ids.iter().enumerate() {
        line(if at == 0 { "requests" } else { "" }, printable(id))?;
    }
    for (at, event) in events.iter().enumerate() {
        let what = printable(event.what.strip_prefix("incident.").unwrap_or(&event.what));
        let of = format!("{} of {} failed", event.failed, event.requests);
        let text = format!("{}  {what:<9} {:<8}  {of}", rfc3339(event.at), printable(&event.severity));
        line(if at == 0 { "told" } else { "" }, text)?;
    }
    line("next", format!("seawall report {}", printable(&incident.id)))?;
    line("", next(incident))
}

fn rule(incident: &IncidentRow) -> String {
    let rule = printable(&incident.rule);
    incident.rule_says().map_or(rule.clone(), |meaning| format!("{rule}: {meaning}"))
}

/// What the status page said, in a line.
fn page(said: &Value) -> Option<String> {
    let page = said.get("page")?;
    let word = page.get("description").or_else(|| page.get("indicator")).and_then(Value::as_str).unwrap_or("nothing");
    let incidents = page.get("incidents").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let names: Vec<String> = incidents.iter().map(|incident| format!("; “{}”", text(incident, "name"))).collect();
    Some(format!("{} says {}{} (read {})", text(said, "url"), printable(word), names.concat(), text(said, "read")))
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).map_or_else(|| "-".to_owned(), printable)
}

/// The command that shows the failures.
fn next(incident: &IncidentRow) -> String {
    let mut command = format!("seawall failures --since {}", rfc3339(incident.since));
    let word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c));
    for (flag, value) in [("--upstream", &incident.upstream), ("--model", &incident.model)] {
        // A name that a shell would take for more than a word is left out: the rest finds it too.
        if let Some(value) = value.as_deref().filter(|value| *value != "-" && word(value)) {
            command.push_str(&format!(" {flag} {value}"));
        }
    }
    command
}
