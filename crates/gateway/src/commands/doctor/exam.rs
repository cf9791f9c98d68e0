//! Sends, one after the other, and what may be believed of them.
//!
//! Providers fail by chance as well, so that one failure proves nothing and one answer proves a lot:
//! what was answered once cannot be what always fails. A failure counts when it came again, and when
//! something that differs from it in one thing was answered. How often it has to come again depends
//! on how often things fail here that are known to be right.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use seawall::Upstream;
use seawall_core::verdict::{Billed, Class};
use tokio::time::sleep;

use super::draft::Draft;
use super::probe::{self, Heard, Question};

/// Sends, unless `--sends-max` says otherwise: one bad pattern among twenty tools needs sixty, or ninety where
/// every fifth request fails by chance, and each further one forty more.
pub(super) const SENDS_DEFAULT: u32 = 200;
/// The most that `--sends-max` may say.
pub(super) const SENDS_MAX: u32 = 1_000;
/// How long one send may take to its answer, or to the first content of a stream.
pub(super) const SEND_WITHIN: Duration = Duration::from_secs(120);
/// Failures in a row of one thing, with nothing beside it to compare, until it counts as failing.
pub(super) const FAILS_ALONE: u32 = 3;
/// More than this are never waited for: most of ten requests fail then, and nothing can be told.
const FAILS_MOST: u32 = 12;
/// The chance, in a million, that this many failures in a row mean nothing.
const CHANCE_PPM_MAX: u64 = 1_000;
/// A limit or a connection that failed is waited for and tried again this often in a row.
const AGAIN_MAX: u32 = 3;
/// The longest wait for a rate limit to pass.
const LIMIT_WAIT_MAX: Duration = Duration::from_secs(20);
/// The wait where the upstream names none.
const LIMIT_WAIT: Duration = Duration::from_secs(1);
/// Bytes of JSON to a token, roughly, where nobody counts.
const BYTES_PER_TOKEN: u64 = 4;

/// What a send came to, as far as the search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    /// It failed at the upstream.
    Failed,
    /// The upstream found something wrong with it, and said what.
    Refused,
}

/// Why the search cannot go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// All sends are used up.
    Sends,
    /// The key, its credit or its limits are in the way.
    Barred(Box<Heard>),
    /// The upstream cannot be reached.
    Unreached(Box<Heard>),
    /// The upstream's settings are no good.
    Settings(String),
    /// Nobody reads the output any more.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Output(error)
    }
}

/// One send, told when it is over.
#[derive(Debug)]
pub(super) struct Step<'s> {
    /// From 1.
    pub(super) number: u32,
    /// What was sent.
    pub(super) what: &'s str,
    pub(super) streams: bool,
    pub(super) outcome: Option<Outcome>,
    pub(super) heard: &'s Heard,
    pub(super) cost: Cost,
}

/// What a send costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) billed: Billed,
    pub(super) tokens_in: u64,
    pub(super) tokens_out: u64,
    /// Nobody counted them.
    pub(super) is_estimate: bool,
}

/// A failed send, for the provider's support.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Trace {
    pub(super) time: String,
    pub(super) status: Option<u16>,
    pub(super) request_id: Option<String>,
    pub(super) client_request_id: String,
}

/// The most traces that are kept: support needs a handful.
pub(super) const TRACES_MAX: usize = 10;

/// The course of an examination.
pub(super) struct Exam<'a> {
    upstream: &'a Upstream,
    pub(super) draft: &'a Draft<'a>,
    sends_max: u32,
    tell: &'a mut dyn FnMut(&Step<'_>) -> io::Result<()>,
    pub(super) sends: u32,
    /// Of every body sent: how often it failed, and how often it was answered.
    tried: BTreeMap<u64, (u32, u32)>,
    pub(super) traces: Vec<Trace>,
    pub(super) spent: Cost,
}

impl<'a> Exam<'a> {
    pub(super) fn new(
        upstream: &'a Upstream,
        draft: &'a Draft<'a>,
        sends_max: u32,
        tell: &'a mut dyn FnMut(&Step<'_>) -> io::Result<()>,
    ) -> Exam<'a> {
        let spent = Cost { billed: Billed::No, tokens_in: 0, tokens_out: 0, is_estimate: false };
        Exam { upstream, draft, sends_max, tell, sends: 0, tried: BTreeMap::new(), traces: Vec::new(), spent }
    }

    /// Sends `body` until something can be said of it.
    pub(super) async fn send(&mut self, what: &str, streams: bool, body: &Bytes) -> Result<(Outcome, Heard), Stop> {
        let mut again = 0;
        loop {
            if self.sends == self.sends_max {
                return Err(Stop::Sends);
            }
            self.sends += 1;
            let question = Question {
                method: Method::POST,
                target: self.draft.form.target(),
                body: body.clone(),
                read_max: 0,
                within: SEND_WITHIN,
            };
            let heard = probe::ask(self.upstream, question).await.map_err(Stop::Settings)?;
            let outcome = outcome(heard.class);
            self.note(what, streams, body, outcome, &heard)?;
            if let Some(outcome) = outcome {
                return Ok((outcome, heard));
            }
            again += 1;
            let is_limited = heard.class == Class::RateLimited;
            if !is_limited && heard.class != Class::NotSent && heard.class != Class::StaleConnection {
                return Err(Stop::Barred(Box::new(heard)));
            }
            let wait = heard.wait.unwrap_or(LIMIT_WAIT);
            if again == AGAIN_MAX || (is_limited && wait > LIMIT_WAIT_MAX) {
                let heard = Box::new(heard);
                return Err(if is_limited { Stop::Barred(heard) } else { Stop::Unreached(heard) });
            }
            if is_limited {
                sleep(wait).await;
            }
        }
    }

    /// Sends `body` until it was answered or refused, or has failed `fails` times; how it ended.
    pub(super) async fn settle(
        &mut self,
        what: &str,
        streams: bool,
        body: &Bytes,
        fails: u32,
    ) -> Result<(Outcome, Heard, u32), Stop> {
        let mut failed = 0;
        loop {
            let (outcome, heard) = self.send(what, streams, body).await?;
            failed += u32::from(outcome == Outcome::Failed);
            if outcome != Outcome::Failed || failed == fails {
                return Ok((outcome, heard, failed));
            }
        }
    }

    fn note(
        &mut self,
        what: &str,
        streams: bool,
        body: &Bytes,
        outcome: Option<Outcome>,
        heard: &Heard,
    ) -> io::Result<()> {
        let (failed, answered) = self.tried.entry(hash(body)).or_default();
        *failed += u32::from(outcome == Some(Outcome::Failed));
        *answered += u32::from(outcome == Some(Outcome::Answered));
        if outcome == Some(Outcome::Failed) && self.traces.len() < TRACES_MAX {
            self.traces.push(Trace {
                time: crate::observe::journal::when::rfc3339(heard.began_unix_micros),
                status: heard.status,
                request_id: heard.request_id.clone(),
                client_request_id: heard.client_request_id.clone(),
            });
        }
        let cost = Cost::of(heard, body.len());
        self.spent = self.spent.and(cost);
        let step = Step { number: self.sends, what, streams, outcome, heard, cost };
        (self.tell)(&step)
    }

    /// The same, until chance is no explanation any more.
    pub(super) async fn settled(&mut self, what: &str, streams: bool, body: &Bytes) -> Result<Outcome, Stop> {
        let fails = self.fails_believed();
        Ok(self.settle(what, streams, body, fails).await?.0)
    }

    /// Failures in a row that come by chance less than once in a thousand times.
    pub(super) fn fails_believed(&self) -> u32 {
        fails_believed(self.noise_ppm())
    }

    /// The chance that something right fails here, in a million: what was answered at least once is right.
    /// One more failure and two more sends are assumed, so that little evidence counts for little.
    pub(super) fn noise_ppm(&self) -> u64 {
        let right = self.tried.values().filter(|(_, answered)| *answered > 0);
        let (failed, all) =
            right.fold((1, 2), |(failed, all), (f, a)| (failed + u64::from(*f), all + u64::from(f + a)));
        failed * 1_000_000 / all
    }
}

impl Cost {
    fn of(heard: &Heard, body_bytes: usize) -> Cost {
        let billed = if heard.class == Class::Ok { Billed::Yes } else { heard.class.billed() };
        match (heard.usage(), billed) {
            (_, Billed::No) => Cost { billed, tokens_in: 0, tokens_out: 0, is_estimate: false },
            (Some(usage), _) => {
                Cost { billed, tokens_in: usage.input_tokens, tokens_out: usage.output_tokens, is_estimate: false }
            }
            (None, _) => Cost { billed, tokens_in: tokens(body_bytes), tokens_out: 0, is_estimate: true },
        }
    }

    fn and(self, other: Cost) -> Cost {
        let rank = |billed| match billed {
            Billed::No => 0,
            Billed::Possibly => 1,
            Billed::Yes => 2,
        };
        Cost {
            billed: if rank(other.billed) > rank(self.billed) { other.billed } else { self.billed },
            tokens_in: self.tokens_in + other.tokens_in,
            tokens_out: self.tokens_out + other.tokens_out,
            is_estimate: self.is_estimate | other.is_estimate,
        }
    }
}

/// How often something right has to fail in a row, where `noise_ppm` of a million fail, until that is told
/// from chance.
fn fails_believed(noise_ppm: u64) -> u32 {
    let chance = |fails: u32| (0..fails).fold(1_000_000, |chance, _| chance * noise_ppm / 1_000_000);
    (FAILS_ALONE..FAILS_MOST).find(|fails| chance(*fails) <= CHANCE_PPM_MAX).unwrap_or(FAILS_MOST)
}

/// Roughly how many tokens so many bytes are.
pub(super) fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

/// What the end of a send means for the search; `None` if nothing.
fn outcome(class: Class) -> Option<Outcome> {
    match class {
        Class::Ok => Some(Outcome::Answered),
        Class::CallerFault => Some(Outcome::Refused),
        Class::ServerError | Class::BadGateway | Class::Overloaded | Class::Ambiguous | Class::MidStream => {
            Some(Outcome::Failed)
        }
        Class::NotSent
        | Class::StaleConnection
        | Class::RateLimited
        | Class::Quota
        | Class::Auth
        | Class::Cancelled => None,
    }
}

fn hash(body: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_failures_in_a_row_are_needed_where_more_fails() {
        let needed = [0, 100_000, 200_000, 500_000, 900_000].map(fails_believed);
        assert_eq!(needed, [3, 3, 5, 10, FAILS_MOST]);
    }

    #[test]
    fn a_send_that_is_refused_costs_nothing_and_an_uncounted_one_is_estimated() {
        assert_eq!((tokens(0), tokens(1), tokens(4), tokens(5)), (0, 1, 1, 2));
        let [refused, failed] = [Class::CallerFault, Class::ServerError].map(Class::billed);
        assert_eq!((refused, failed), (Billed::No, Billed::Possibly));
    }
}
