//! Writes what an error means for a person.

use std::io::{self, Write};

use seawall_core::verdict::{Again, Class, Whose};

use super::{Explained, Kind, rule};
use crate::observe::journal::plain::printable;

/// Writes it; of what is not known, nothing.
pub(super) fn tell(explained: &Explained, out: &mut impl Write) -> io::Result<()> {
    let Some((kind, meaning)) = explained.recognised.zip(explained.meaning) else {
        writeln!(out, "not recognised")?;
        return explained.next.iter().try_for_each(|step| writeln!(out, "hint: {step}"));
    };
    writeln!(out, "{}", title(explained, kind))?;
    writeln!(out, "{meaning}\n")?;
    writeln!(out, "  taken for    {}", kind.in_words())?;
    if let Some(whose) = explained.whose {
        writeln!(out, "  whose fault  {}", in_words(whose))?;
    }
    if explained.retried.is_some() {
        writeln!(out, "  retried      {}", retried(explained))?;
    }
    if let Some(charge) = explained.billed_why {
        writeln!(out, "  billed       {}: {}", charge.billed(), charge.says())?;
    }
    if let Some(id) = &explained.request_id {
        writeln!(out, "  request id   {id}")?;
    }
    for also in &explained.also {
        writeln!(out, "  also         {}: {}", also.taken_for.in_words(), also.meaning)?;
    }
    if let Some(rule) = &explained.rule {
        tell_rule(rule, kind, out)?;
    }
    if !explained.evidence.is_empty() {
        writeln!(out, "\non record:")?;
        for evidence in &explained.evidence {
            writeln!(out, "  - {}", evidence.says.replace('\n', "\n    "))?;
        }
    }
    writeln!(out, "\nwhat to do:")?;
    explained.next.iter().enumerate().try_for_each(|(at, step)| writeln!(out, "  {}. {step}", at + 1))
}

/// `503 overloaded`, `SW101 tool-name-characters`, `budget`.
fn title(explained: &Explained, kind: Kind) -> String {
    if let Some(rule) = explained.rule.as_ref().filter(|_| kind == Kind::LintRule) {
        return format!("{} {}", rule.code, rule.name);
    }
    let words = [
        explained.status.map(|status| status.to_string()),
        explained.class.map(|class| class.to_string()),
        explained.word.filter(|_| explained.class.is_none()).map(str::to_owned),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    if words.is_empty() { kind.in_words().to_owned() } else { words.join(" ") }
}

/// What the linter knows: of a rule all, of a message the rule that it comes from.
fn tell_rule(rule: &rule::Told, kind: Kind, out: &mut impl Write) -> io::Result<()> {
    if kind != Kind::LintRule {
        return writeln!(out, "  lint rule    {} {}: {}", rule.code, rule.name, rule.says);
    }
    writeln!(out, "  severity     {}", rule.severity)?;
    writeln!(out, "  refused by   {}", rule.refused_by())?;
    if let Some(limit) = rule.limit {
        writeln!(out, "  limit        {limit}")?;
    }
    writeln!(out, "  reply        {}", rule.reply)?;
    writeln!(out, "  known from   {}", rule.source)?;
    writeln!(out, "  last seen    {}", rule.seen)?;
    // What is no UTF-8, say, has no example that can be shown.
    let examples = [("refused", rule.bad), ("taken", rule.good)].into_iter().filter(|(_, text)| !text.is_empty());
    for (what, text) in examples {
        writeln!(out, "\n{what}:\n  {}", printable(text))?;
    }
    Ok(())
}

fn retried(explained: &Explained) -> &'static str {
    match explained.again {
        Again::Anywhere if explained.class == Some(Class::Ambiguous) => "yes, by Seawall, once at most",
        Again::Anywhere => "yes, by Seawall, within its budget",
        Again::Elsewhere => "only where another key or upstream answers",
        Again::No => "no",
    }
}

const fn in_words(whose: Whose) -> &'static str {
    match whose {
        Whose::Provider => "the provider's",
        Whose::Network => "the network's",
        Whose::Caller => "the caller's",
        Whose::Seawall => "Seawall's, or its configuration's",
    }
}

impl Kind {
    /// What it was taken for, in words.
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Kind::Status => "an HTTP status",
            Kind::Code => "an error code",
            Kind::Class => "a class of Seawall's",
            Kind::Outcome => "an outcome of Seawall's",
            Kind::Reason => "a reason of Seawall's",
            Kind::LintRule => "a rule of `seawall lint`",
            Kind::RequestId => "a request id",
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
