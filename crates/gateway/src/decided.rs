//! The words of `x-seawall-outcome` and `x-seawall-reason`, in a sentence each, and what to do.
//!
//! They say what Seawall did and not what the upstream said, so they have neither a status nor a
//! class. Some of them are classes too (`ambiguous`), and then both are told.

use seawall_core::event::{Outcome, Reason};

/// A sentence with its full stop, and what to do, the most useful first.
pub(crate) type Told = (&'static str, &'static [&'static str]);

const SHOW: &str = "see each attempt and why it was the last with `seawall show ID`";
const NOTHING: &[&str] = &["nothing: the caller got an answer"];

/// What a word of `x-seawall-outcome` means.
pub(crate) const fn outcome(outcome: Outcome) -> Told {
    match outcome {
        Outcome::Passed => ("The first attempt answered.", NOTHING),
        Outcome::Retried => (
            "An attempt failed, and a later one at the same upstream answered.",
            &["nothing: the caller got an answer", "see what failed before with `seawall show ID`"],
        ),
        Outcome::FailedOver => (
            "An attempt failed, and another upstream answered.",
            &["nothing: the caller got an answer", "see what failed before with `seawall show ID`"],
        ),
        Outcome::Hedged => (
            "The first attempt was late, so a second one was begun beside it, and that one answered first.",
            &["nothing: the caller got an answer", "how often that may happen is set under `[hedge]`"],
        ),
        Outcome::Exhausted => (
            "Every attempt that was allowed failed, so the caller got the last error that said something.",
            &[
                "look at the status and the code that came with it: they say what failed",
                SHOW,
                "configure a second upstream for this model",
            ],
        ),
        Outcome::NotRetryable => (
            "The failure would be the same again, so it was not tried again.",
            &["look at the status and the code that came with it: they say what has to change", SHOW],
        ),
        Outcome::Ambiguous => (
            "Nobody knows whether the request was carried out, and it may not be repeated, or not once more.",
            &[
                "send it again if a second run does no harm",
                "stream the answer, so that silence and work can be told apart",
                "of a route whose requests may be repeated, say so with `repeatable = true`",
            ],
        ),
        Outcome::Budget => (
            "The budget for retries was empty: too many requests failed at once, and retrying all of them would make an outage worse.",
            &[
                "see what fails with `seawall failures --since 10m`",
                "if the upstream fails by chance and never tires, raise `budget.deposit`",
                "for work that can wait, set `profile = \"batch\"`",
            ],
        ),
        Outcome::Deadline => (
            "The time allowed for the request left no room for another attempt.",
            &[
                "allow more with the SDK's timeout or `[timeout] total`",
                "stream the answer: only the time to its first content counts then",
                SHOW,
            ],
        ),
        Outcome::Diagnosed => (
            "The request itself was found to be at fault: requests like it fail every time while others are answered.",
            &[
                "read the message or the header `x-seawall-diagnosis`: it names what was found and what helps",
                "for tools and schemas, run `seawall lint` on the request",
                SHOW,
            ],
        ),
        Outcome::Unavailable => (
            "No upstream could be asked: all that serve this model failed again and again, or none serves it.",
            &[
                "wait as long as `retry-after` says: that is the next probe",
                "see what failed before with `seawall failures --since 10m`",
                "configure a second upstream for this model",
            ],
        ),
        Outcome::Shed => (
            "Seawall was over its own limits for requests in flight or memory, and sent the request nowhere.",
            &["try again after `retry-after` seconds", "raise `server.in_flight_max` or `server.memory_max`"],
        ),
        Outcome::Draining => (
            "Seawall was shutting down, and sent the request nowhere.",
            &["try again after `retry-after` seconds: another instance or the restarted one will answer"],
        ),
        Outcome::Refused => (
            "Seawall refused the request at its door: a limit, an unknown token, a web page, or a loop.",
            &["look at the code that came with it: it begins with `seawall_` and says which"],
        ),
        Outcome::Interrupted => (
            "The answer broke off after its first content had reached the caller, so it could not be tried again unseen.",
            &[
                "discard the partial answer and send the request again",
                "if it happens often, hold streams to their end with `[stream] commit = \"buffer\"`",
                SHOW,
            ],
        ),
    }
}

/// What a word of `x-seawall-reason` means.
pub(crate) const fn reason(reason: Reason) -> Told {
    match reason {
        Reason::Answered => ("The attempt was answered.", NOTHING),
        Reason::Retry => ("The attempt failed, and the same upstream is asked again.", &["nothing: that is under way"]),
        Reason::Failover => ("The attempt failed, and another upstream is asked.", &["nothing: that is under way"]),
        Reason::Class => (
            "Failures of this class are never tried again: the answer would be the same.",
            &["look at the status and the code that came with it: they say what has to change"],
        ),
        Reason::Attempts => (
            "As many attempts as `retry.max_attempts` allows were made.",
            &[SHOW, "configure a second upstream for this model", "raise `retry.max_attempts`, if failures are short"],
        ),
        Reason::CallerLimit => (
            "The caller allowed no more attempts with `x-seawall-max-retries`.",
            &["leave the header out, or raise it"],
        ),
        Reason::ClientRetry => (
            "The caller's own SDK is retrying already, so Seawall makes two attempts at most.",
            &["switch the SDK's own retries off, as docs/guides/sdks.md says"],
        ),
        Reason::AmbiguousMax => (
            "It was repeated once after nobody knew whether it had been carried out; more could be paid for more than twice.",
            &[
                "send it again if another run does no harm",
                "stream the answer, so that silence and work can be told apart",
            ],
        ),
        Reason::NotRepeatable => (
            "Requests of this kind may not be repeated once they may have been received.",
            &[
                "send it again if a second run does no harm",
                "of a route whose requests may be repeated, say so with `repeatable = true`",
            ],
        ),
        Reason::BodyTooLarge => (
            "The body was larger than `server.replay_bytes_max`, so it was not kept and could be sent once only.",
            &[
                "raise `server.replay_bytes_max` if there is memory for it",
                "send less at a time, or upload the data as a file",
            ],
        ),
        Reason::Memory => (
            "The memory for bodies was used up, so this body was not kept and could be sent once only.",
            &["raise `server.memory_max`, or run another instance"],
        ),
        Reason::Budget => outcome(Outcome::Budget),
        Reason::Deadline => outcome(Outcome::Deadline),
        Reason::RetryAfter => (
            "The upstream asked for a longer wait than `retry.retry_after_max` allows.",
            &["wait as long as the answer's `retry-after` says", "raise `retry.retry_after_max` if callers can wait"],
        ),
        Reason::UpstreamSaysNo => (
            "The upstream said `x-should-retry: false`.",
            &[
                "look at the status and the code that came with it",
                "if the upstream is a gateway, it has retried already",
            ],
        ),
        Reason::Breaker => (
            "This upstream fails so often that it is not asked for now; a probe looks whether it is back.",
            &[
                "wait as long as `retry-after` says: that is the next probe",
                "see what failed before with `seawall failures --since 10m`",
                "configure a second upstream for this model",
            ],
        ),
        Reason::Cliff => (
            "Requests of this form always fail after the same time: somebody on the way stops waiting, and trying again would pay for the same work once more.",
            &[
                "read the header `x-seawall-diagnosis`: it has the time, who probably gives up, and what helps",
                "stream the answer, or have it done for you with `stream.upgrade = \"cliff\"`",
                "lower `max_tokens`, or split the prompt",
            ],
        ),
        Reason::Oversize => (
            "Requests of this size were refused for it, or get no answer while smaller ones do, so it was not sent again.",
            &[
                "read the header `x-seawall-diagnosis`: it has the sizes, and what helps",
                "send less at a time, or ask a model with a larger context",
                "stream the answer, or run it in the background mode of the Responses API",
            ],
        ),
        Reason::Tools => (
            "Requests with these tools fail every time while all else is answered: likely the tool definitions, so it was not sent again.",
            &[
                "read the header `x-seawall-diagnosis`: it has the evidence and, where it is known, the tool and the rule",
                "run `seawall lint REQUEST.json`, and `seawall doctor REQUEST.json --send` if that finds nothing",
                "let the provider say what is wrong with `[diagnose] tools = \"probe\"`",
            ],
        ),
        Reason::Probe => (
            "Its tools are likely why it failed, so it is sent once more without streaming: a 400 then says what is wrong.",
            &["nothing: that is under way", "it is not done with `[diagnose] tools = \"watch\"`"],
        ),
        Reason::Queue => (
            "The request waits for an upstream to come back, or did so until its time was over.",
            &["raise `[wait] max` if callers can wait longer", "configure a second upstream for this model"],
        ),
        Reason::Credentials => (
            "Every other key rests after a 429 or a refusal.",
            &[
                "ask the provider for higher limits, or add a key of another account",
                "see which key was refused with `seawall show ID`",
            ],
        ),
        Reason::NoUpstream => (
            "No upstream was left to ask: none serves this model, or each that does was asked.",
            &["check each upstream's `models` with `seawall config show`", SHOW],
        ),
        Reason::Hedge => {
            ("Another attempt beside this one is still under way.", &["nothing: the first content goes to the caller"])
        }
        Reason::Superseded => (
            "Another attempt beside this one decided the request first, so this one was broken off.",
            &["nothing: the caller got the other answer"],
        ),
        Reason::Resume => ("The stream broke, and is taken up again where it broke.", &["nothing: that is under way"]),
        Reason::Committed => (
            "Content had already gone to the caller, so nothing could be tried again unseen.",
            outcome(Outcome::Interrupted).1,
        ),
        Reason::CallerLeft => (
            "The caller left before the answer was there.",
            &["if the program left on purpose, nothing; else raise its own timeout"],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_a_sentence_and_says_what_to_do() {
        let outcomes = Outcome::ALL.iter().map(|word| outcome(*word));
        let reasons = Reason::ALL.iter().map(|word| reason(*word));
        for (says, next) in outcomes.chain(reasons) {
            assert!(says.ends_with('.') && says.len() > 20, "{says}");
            assert!(!next.is_empty(), "{says}");
            for step in next {
                assert!(!step.ends_with('.') && step.starts_with(char::is_lowercase), "{step}");
            }
        }
    }
}
