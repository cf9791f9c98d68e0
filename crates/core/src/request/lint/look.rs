//! Looking at a document: for whom, and what has been found so far.
//!
//! Every rule reports here and nowhere else. So the order, the limit on their number, and what may be
//! told of a caller's words are decided once. What a finding says is made up only when it is kept.

use std::ops::Range;

use super::rule::Rule;
use super::tree::Value;
use super::wording::shown;
use super::{FINDINGS_MAX, Finding, Fix, Kind, Severity, Target};

/// Which of OpenAI's two APIs a document is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    Chat,
    Responses,
}

/// What is done with what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is told.
    Tell,
    /// Only its fix is wanted.
    Mend,
}

/// The part of a member that is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum At<'t> {
    /// Its value.
    Value(Value<'t>),
    /// Its being there: its key, if it has one.
    Key(Value<'t>),
}

/// What a finding says, filled in by the rule.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) message: String,
    /// OpenAI's wording; left out where the target is another.
    pub(super) reply: Option<String>,
    pub(super) fix: Option<Fix>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) target: Target,
    pub(super) api: Api,
    pub(super) kind: Kind,
    pub(super) paths: Paths,
    pub(super) purpose: Purpose,
    /// Whether `$ref`s are put in by a fix.
    pub(super) is_inlining: bool,
    /// Whether the model is a fine-tuned one.
    pub(super) is_fine_tuned: bool,
    /// Whether it was told that tools are in a form that is changed before they are sent.
    pub(super) has_told_form: bool,
    /// The tool that is being looked at.
    pub(super) tool: Option<String>,
    /// While a schema is only tried: how many errors, and the first.
    pub(super) trial: Option<(usize, Option<&'static Rule>)>,
    fixes: [Vec<(Range<usize>, Fix)>; 3],
    found: [Vec<Finding>; 3],
    total: usize,
}

impl Look {
    pub(super) fn new(target: Target, api: Api, kind: Kind, purpose: Purpose) -> Self {
        Look {
            target,
            api,
            kind,
            paths: Paths(kind),
            purpose,
            is_inlining: true,
            is_fine_tuned: false,
            has_told_form: false,
            tool: None,
            trial: None,
            fixes: [Vec::new(), Vec::new(), Vec::new()],
            found: [Vec::new(), Vec::new(), Vec::new()],
            total: 0,
        }
    }

    /// Whether the target is OpenAI, at whatever door.
    pub(super) fn is_openai(&self) -> bool {
        !matches!(self.target, Target::AnthropicCompat | Target::GeminiCompat)
    }

    pub(super) fn is_responses(&self) -> bool {
        self.api == Api::Responses
    }

    /// An error at OpenAI, and a warning where only its word is known.
    pub(super) fn error_at_openai(&self) -> Severity {
        if self.is_openai() { Severity::Error } else { Severity::Warning }
    }

    /// Reports that `rule` is broken.
    pub(super) fn say(&mut self, rule: &'static Rule, severity: Severity, at: At<'_>, tell: impl FnOnce(&mut Said)) {
        if let Some((count, first)) = &mut self.trial {
            if severity == Severity::Error {
                *count += 1;
                first.get_or_insert(rule);
            }
            return;
        }
        let (At::Value(value) | At::Key(value)) = at;
        let span = match at {
            At::Key(value) if value.is_member() => value.key_span(),
            _ => value.span(),
        };
        if self.purpose == Purpose::Mend {
            let mut said = Said::default();
            tell(&mut said);
            self.fixes[severity as usize].extend(said.fix.map(|fix| (span, fix)));
            return;
        }
        self.total += 1;
        let found = &mut self.found[severity as usize];
        if found.len() >= FINDINGS_MAX {
            return;
        }
        let mut said = Said::default();
        tell(&mut said);
        let reply = said.reply.filter(|_| !matches!(self.target, Target::AnthropicCompat | Target::GeminiCompat));
        let (pointer, tool) = (value.pointer(), self.tool.clone());
        found.push(Finding { rule, severity, pointer, span, tool, message: said.message, reply, fix: said.fix });
    }

    /// Reports some bytes of a string or key.
    pub(super) fn say_within(&mut self, rule: &'static Rule, at: Value<'_>, span: Range<usize>, message: &str) {
        self.total += 1;
        let found = &mut self.found[rule.severity as usize];
        if self.purpose == Purpose::Mend || found.len() >= FINDINGS_MAX {
            return;
        }
        let (severity, message, pointer) = (rule.severity, message.to_owned(), at.pointer());
        found.push(Finding { rule, severity, pointer, span, tool: None, message, reply: None, fix: None });
    }

    /// Reports something that no value can be shown for.
    pub(super) fn say_at(&mut self, rule: &'static Rule, span: Range<usize>, message: String) {
        self.total += 1;
        let (severity, pointer) = (rule.severity, String::new());
        let finding = Finding { rule, severity, pointer, span, tool: None, message, reply: None, fix: None };
        self.found[severity as usize].push(finding);
    }

    /// The fixes of what was found, in the order of [`Look::findings`], and without a limit on their number.
    pub(super) fn fixes(self) -> Vec<Fix> {
        let mut all: Vec<_> = self.fixes.into_iter().flatten().collect();
        all.sort_by_key(|(span, _)| (span.start, span.end));
        all.into_iter().map(|(_, fix)| fix).collect()
    }

    /// What was found, in the order of the document, and how many more there were. Errors go before
    /// others where there are too many.
    pub(super) fn findings(self) -> (Vec<Finding>, usize) {
        let mut all: Vec<Finding> = self.found.into_iter().flatten().collect();
        all.truncate(FINDINGS_MAX);
        all.sort_by_key(|finding| (finding.span.start, finding.span.end));
        let more = self.total.saturating_sub(all.len());
        (all, more)
    }
}

/// How the provider names places, in a document of some kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paths(Kind);

impl Paths {
    /// What it calls the place of `value`: `tools[0].function.name`.
    pub(super) fn of(self, value: Value<'_>) -> String {
        let mut path = match self.0 {
            Kind::Tools => "tools".to_owned(),
            Kind::Tool => "tools[0]".to_owned(),
            Kind::Request | Kind::Unknown => String::new(),
        };
        for value in value.path_from(0) {
            if value.is_member() {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&shown(&value.key()));
            } else {
                path.push_str(&format!("[{}]", value.index()));
            }
        }
        path
    }
}
