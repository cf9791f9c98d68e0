//! One thing that was looked at, and how it is told.

use std::io::{self, Write};

use serde::Serialize;

use crate::observe::journal::plain::{json_line, printable};

/// How it stands with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, and may not for long or not for everybody.
    Warn,
    /// It does not work.
    Fail,
    /// It could not be looked at, or there is nothing to look at.
    Skip,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "fail",
            State::Skip => "skip",
        }
    }
}

/// One thing that was looked at. A line of `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What: `journal`, `openai: dns`.
    pub(super) check: String,
    pub(super) state: State,
    /// What was found, in one sentence.
    pub(super) says: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
}

impl Check {
    pub(super) fn new(check: impl Into<String>, state: State, says: impl Into<String>) -> Check {
        Check { check: check.into(), state, says: says.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Check {
        self.hint = Some(hint.into());
        self
    }
}

/// Writes the checks; how many failed, and how many are doubtful.
pub(super) fn tell(checks: &[Check], json: bool, out: &mut impl Write) -> io::Result<(usize, usize)> {
    let width = checks.iter().map(|check| check.check.chars().count()).max().unwrap_or(0);
    for check in checks {
        if json {
            out.write_all(json_line(check)?.as_bytes())?;
            continue;
        }
        let Check { check, state, says, hint } = check;
        writeln!(out, "{:<4}  {check:<width$}  {}", state.name(), printable(says))?;
        if let Some(hint) = hint {
            writeln!(out, "      {:width$}  hint: {}", "", printable(hint))?;
        }
    }
    out.flush()?;
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    Ok((count(State::Fail), count(State::Warn)))
}
