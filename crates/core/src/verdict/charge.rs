//! Why an attempt costs money, or does not: the one list, and where each rule comes from.
//!
//! OpenAI publishes no rule for failed requests or for streams that are cut. What is known comes
//! from other providers' words, and what is not known is told as `possibly`: a record that says
//! "not billed" where nobody knows is worse than one that says so (docs/decisions/0003).
//!
//! Every class has its charge ([`Class::charge`]); a status or a code that knows better says so in
//! its row of the table (`verdict/code`). Nobody else decides.

use super::class::{Billed, Class};
use crate::words::words;

words! {
    /// Why an attempt costs money, or does not: journal column and key `billed_why`.
    pub enum Charge {
        /// No byte of the request reached the upstream: connection, name, TLS.
        NotSent = "not_sent",
        /// A server in front of the provider's says that it never reached it: 521, 523, 525, 530, and
        /// 511 of the network's own.
        NotReached = "not_reached",
        /// Refused before any work: a 4xx that is the caller's, 401, 403, 501. Azure's FAQ (2026-09-11):
        /// 401 is not charged; Gemini: 400 is not charged.
        Rejected = "rejected",
        /// 429, and 402: a limit, or an empty purse. Azure's FAQ (2026-09-11): 429 is not charged;
        /// OpenAI, of Flex: "You will not be charged when this occurs".
        RateLimited = "rate_limited",
        /// 503, 529: turned away for lack of capacity, before any work.
        NoCapacity = "no_capacity",
        /// A stream that was taken up again where it broke: what it made is counted once, with the
        /// attempt that went on with it.
        Resumed = "resumed",
        /// 500 and its like: the server failed at work. OpenAI publishes no rule; Azure's FAQ
        /// (2026-09-11) charges whenever processing took place, whatever the status; Gemini and Vertex do not.
        ServerError = "server_error",
        /// Sent, and nobody knows what became of it: timeouts, resets, 502, 504, a success without content.
        /// Azure's FAQ (2026-09-11): a 408 is charged.
        MayHaveRun = "may_have_run",
        /// Stopped by a content filter. Azure's FAQ (2026-09-11): charged, though it is a 400.
        Filtered = "filtered",
        /// Broken off while under way, because another attempt was faster, or its caller left. What was
        /// generated until the provider noticed may be charged (unofficial; OpenAI does not say).
        CancelledHedge = "cancelled_hedge",
        /// Answered, with content.
        Answered = "answered",
        /// It broke after content had come, whether or not it was shown: that much was generated.
        CutAfterContent = "cut_after_content",
    }
}

impl Charge {
    /// Whether it costs money.
    #[must_use]
    pub const fn billed(self) -> Billed {
        match self {
            Charge::NotSent
            | Charge::NotReached
            | Charge::Rejected
            | Charge::RateLimited
            | Charge::NoCapacity
            | Charge::Resumed => Billed::No,
            Charge::ServerError | Charge::MayHaveRun | Charge::Filtered | Charge::CancelledHedge => Billed::Possibly,
            Charge::Answered | Charge::CutAfterContent => Billed::Yes,
        }
    }

    /// Why, in words that follow "no: ", "possibly: " or "yes: ".
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Charge::NotSent => "no byte of the request reached the provider",
            Charge::NotReached => "a server on the way says that the provider's was never reached",
            Charge::Rejected => "refused before any work began",
            Charge::RateLimited => "turned away at a limit, before any work began",
            Charge::NoCapacity => "turned away for lack of capacity, before any work began",
            Charge::Resumed => "taken up again where it broke, and counted once, with what went on",
            Charge::ServerError => "work may have begun, and providers publish no rule",
            Charge::MayHaveRun => "nobody knows whether it was carried out, and providers publish no rule",
            Charge::Filtered => "Azure charges for what its content filter stops; others publish no rule",
            Charge::CancelledHedge => "broken off while under way, and what was generated until then may be charged",
            Charge::Answered => "for what was produced",
            Charge::CutAfterContent => "for what had been produced when it broke",
        }
    }
}

impl Class {
    /// Why it costs money or does not, unless a status or a code knows better.
    #[must_use]
    pub const fn charge(self) -> Charge {
        match self {
            Class::Ok => Charge::Answered,
            Class::NotSent => Charge::NotSent,
            Class::StaleConnection | Class::BadGateway | Class::Ambiguous => Charge::MayHaveRun,
            Class::ServerError => Charge::ServerError,
            Class::Overloaded => Charge::NoCapacity,
            Class::RateLimited | Class::Quota => Charge::RateLimited,
            Class::Auth | Class::CallerFault => Charge::Rejected,
            Class::MidStream => Charge::CutAfterContent,
            Class::Cancelled => Charge::CancelledHedge,
        }
    }

    /// Whether it costs money, unless a status or a code knows better.
    #[must_use]
    pub const fn billed(self) -> Billed {
        self.charge().billed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_charge_and_what_was_never_sent_is_free() {
        let table: Vec<_> =
            Class::ALL.iter().map(|class| (class.name(), class.billed().name(), class.charge().name())).collect();
        assert_eq!(
            table,
            [
                ("ok", "yes", "answered"),
                ("not_sent", "no", "not_sent"),
                ("stale_connection", "possibly", "may_have_run"),
                ("bad_gateway", "possibly", "may_have_run"),
                ("server_error", "possibly", "server_error"),
                ("overloaded", "no", "no_capacity"),
                ("ambiguous", "possibly", "may_have_run"),
                ("rate_limited", "no", "rate_limited"),
                ("quota", "no", "rate_limited"),
                ("auth", "no", "rejected"),
                ("caller_fault", "no", "rejected"),
                ("mid_stream", "yes", "cut_after_content"),
                ("cancelled", "possibly", "cancelled_hedge"),
            ]
        );
    }

    #[test]
    fn every_word_says_why_in_words_of_its_own() {
        let said: std::collections::BTreeSet<_> = Charge::ALL.iter().map(|charge| charge.says()).collect();
        assert_eq!(said.len(), Charge::ALL.len());
    }
}
