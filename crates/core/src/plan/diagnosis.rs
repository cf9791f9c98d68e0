//! Why requests like this one fail every time: found from failures, never from a request alone.
//!
//! A failure that is sure to come again is not repeated; it is named, with the evidence and what
//! helps. The words here are those of the error message, the header, the log and the journal.

use std::fmt;

use super::shapes::{Cliff, Form, Oversize, REMEDIES, remedies};
use super::suspects::{BODIES_MAX, Evidence};
use crate::event::{Cause, Reason};

/// Why requests like this one fail every time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diagnosis {
    /// They end at one moment: somebody on the way stops waiting.
    Cliff(Cliff, Form),
    /// They are so large.
    Oversize(Oversize, Form),
    /// These tools fail, and everything else is well.
    Tools(Evidence),
}

impl Diagnosis {
    /// In a word.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        match self {
            Diagnosis::Cliff(..) => Cause::Cliff,
            Diagnosis::Oversize(..) => Cause::Oversize,
            Diagnosis::Tools(_) => Cause::Tools,
        }
    }

    /// The reason not to try again.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Diagnosis::Cliff(..) => Reason::Cliff,
            Diagnosis::Oversize(..) => Reason::Oversize,
            Diagnosis::Tools(_) => Reason::Tools,
        }
    }
}

impl fmt::Display for Diagnosis {
    /// What happens every time, why probably, and what helps: one line of ASCII, without a final period.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Diagnosis::Cliff(cliff, form) => {
                let (after, hop) = (cliff.at.as_secs_f64(), cliff.hop.explain());
                write!(f, "requests of this form fail after {after:.1} s, every time: probably {hop}; ")?;
                alternatives(f, remedies(*form))
            }
            Diagnosis::Oversize(Oversize::Refused { from, bytes }, _) => {
                write!(
                    f,
                    "requests of {from} bytes and more were refused as too large here, and this one has {bytes}; "
                )?;
                alternatives(f, &["send less at a time", "ask a model with a larger context"])
            }
            Diagnosis::Oversize(Oversize::Fails { from, failed, of, smaller_failed, smaller_of }, form) => {
                write!(
                    f,
                    "of the requests of {from} bytes and more {failed} of {of} ended without an answer, of those of a \
                     quarter of that and less {smaller_failed} of {smaller_of}: probably their size; "
                )?;
                let is_whole = !(form.is_stream() || form.is_upgraded());
                alternatives(f, if is_whole { &SIZE_REMEDIES } else { &SIZE_REMEDIES[1..] })
            }
            Diagnosis::Tools(evidence) => evidence.fmt(f),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Evidence { attempts, requests, bodies, within, others_answered, others_failed, stream } = *self;
        let others = others_answered + others_failed;
        let road = if stream { "streams" } else { "requests" };
        write!(
            f,
            "likely the tool definitions: requests with these tools failed {attempts} of {attempts} times in {requests} \
             requests within {} s, while {others_answered} of {others} other {road} for this model were answered",
            within.as_secs() + 1
        )?;
        if bodies == 1 {
            f.write_str("; all of them had the same body, so it may be something else in it")?;
        } else if bodies >= BODIES_MAX {
            write!(f, "; their bodies were at least {bodies} different ones")?;
        }
        Ok(())
    }
}

/// What helps against size, the best first; the first is for whole answers.
const SIZE_REMEDIES: [&str; 4] = [REMEDIES[0], REMEDIES[2], REMEDIES[3], REMEDIES[4]];

fn alternatives(f: &mut fmt::Formatter<'_>, all: &[&str]) -> fmt::Result {
    for (n, remedy) in all.iter().enumerate() {
        f.write_str(if n == 0 { "" } else { ", or " })?;
        f.write_str(remedy)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::shapes::Hop;
    use crate::request::Endpoint;

    #[test]
    fn what_happens_comes_first_then_why_then_what_helps() {
        let (whole, stream) = (Form::plain(Endpoint::Responses, false), Form::plain(Endpoint::Responses, true));
        let cliff = Cliff { at: Duration::from_millis(60_100), hop: Hop::NginxOrAws };
        let size = Oversize::Fails { from: 1 << 20, failed: 6, of: 7, smaller_failed: 1, smaller_of: 240 };
        let evidence = Evidence {
            attempts: 5,
            requests: 2,
            bodies: 1,
            within: Duration::from_millis(900),
            others_answered: 40,
            others_failed: 1,
            stream: false,
        };
        for (found, begin, end) in [
            (
                Diagnosis::Cliff(cliff, whole),
                "requests of this form fail after 60.1 s, every time: probably nginx (`proxy_read_timeout`) or an AWS ALB \
                 (idle timeout): 60 s unless set; stream the answer",
                ", and fetch the answer later",
            ),
            (Diagnosis::Cliff(cliff, stream), "requests of this form fail", "answer later"),
            (
                Diagnosis::Oversize(Oversize::Refused { from: 400_000, bytes: 500_000 }, stream),
                "requests of 400000 bytes and more were refused as too large here, and this one has 500000; send less",
                "or ask a model with a larger context",
            ),
            (
                Diagnosis::Oversize(size, whole),
                "of the requests of 1048576 bytes and more 6 of 7 ended without an answer, of those of a quarter of that and \
                 less 1 of 240: probably their size; stream the answer",
                "answer later",
            ),
            (
                Diagnosis::Oversize(size, stream),
                "of the requests of 1048576 bytes and more 6 of 7 ended without an answer, of those of a quarter of that and \
                 less 1 of 240: probably their size; lower max_tokens, or split the prompt",
                "answer later",
            ),
            (
                Diagnosis::Tools(evidence),
                "likely the tool definitions: requests with these tools failed 5 of 5 times in 2 requests within 1 s, while 40 \
                 of 41 other requests for this model were answered",
                "; all of them had the same body, so it may be something else in it",
            ),
            (
                Diagnosis::Tools(Evidence { bodies: BODIES_MAX, stream: true, ..evidence }),
                "likely the tool definitions",
                "other streams for this model were answered; their bodies were at least 4 different ones",
            ),
        ] {
            let text = found.to_string();
            assert!(text.starts_with(begin) && text.ends_with(end) && text.is_ascii(), "{text}");
            assert_eq!(found.cause().name(), found.reason().name());
        }
        let Diagnosis::Cliff(_, form) = Diagnosis::Cliff(cliff, stream) else { unreachable!() };
        assert!(!Diagnosis::Cliff(cliff, form).to_string().contains("stream the answer"));
    }
}
