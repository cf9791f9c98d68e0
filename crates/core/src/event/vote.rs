//! What a request's first attempt says of the place that it went to.

use super::{Attempt, Cause, Outcome, Reason};
use crate::verdict::Class;
use crate::words::words;

words! {
    /// What a request's first attempt says of the place it went to.
    pub enum Vote {
        /// It answers.
        Ok = "ok",
        /// It fails.
        Fail = "fail",
        /// Nothing: the request was at fault, or over a limit, or its caller left.
        Abstain = "abstain",
    }
}

/// The status of a conflict, which is the server's word and no sign of trouble.
const CONFLICT: u16 = 409;

impl Vote {
    /// The vote of a request whose first attempt was this one, and why it was found to be at fault itself,
    /// if that is known by now: then it has none, nor has one that runs against a wall or is too large.
    #[must_use]
    pub fn of(first: &Attempt, diagnosis: Option<Cause>) -> Vote {
        let is_diagnosed = diagnosis.is_some()
            || matches!(first.reason, Reason::Cliff | Reason::Oversize | Reason::Tools | Reason::Probe);
        match first.class {
            _ if is_diagnosed => Vote::Abstain,
            Class::Ok => Vote::Ok,
            Class::ServerError if first.status == Some(CONFLICT) => Vote::Abstain,
            Class::NotSent | Class::BadGateway | Class::ServerError => Vote::Fail,
            Class::Overloaded | Class::Ambiguous | Class::MidStream => Vote::Fail,
            // A connection of ours that was already dead says nothing of who was at its other end.
            Class::StaleConnection => Vote::Abstain,
            Class::RateLimited | Class::Quota | Class::Auth | Class::CallerFault | Class::Cancelled => Vote::Abstain,
        }
    }

    /// The vote on a route of a request for which no attempt could be made: a failure where Seawall
    /// held back because of the upstream, none where it was full, closing, or refused the request.
    #[must_use]
    pub fn of_none(outcome: Outcome) -> Vote {
        if outcome == Outcome::Unavailable { Vote::Fail } else { Vote::Abstain }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::Phases;
    use crate::verdict::usage::Tokens;
    use crate::verdict::{Charge, Whose};

    fn attempt(class: Class) -> Attempt {
        Attempt {
            number: 1,
            began_unix_micros: 0,
            upstream: String::new(),
            key: 0,
            status: None,
            class,
            whose: Whose::Provider,
            fault: None,
            charge: Charge::Rejected,
            tokens: Tokens::NONE,
            error_type: None,
            error_code: None,
            message: None,
            upstream_request_id: None,
            client_request_id: None,
            processing_ms: None,
            organization: None,
            project: None,
            cf_ray: None,
            region: None,
            elapsed: Duration::ZERO,
            first_content: None,
            phases: Phases::default(),
            bytes_in: 0,
            bytes_out: 0,
            reason: Reason::Attempts,
            wait: None,
        }
    }

    #[test]
    fn each_class_has_its_vote() {
        let votes: Vec<_> =
            Class::ALL.iter().map(|&class| (class.name(), Vote::of(&attempt(class), None).name())).collect();
        assert_eq!(
            votes,
            [
                ("ok", "ok"),
                ("not_sent", "fail"),
                ("stale_connection", "abstain"),
                ("bad_gateway", "fail"),
                ("server_error", "fail"),
                ("overloaded", "fail"),
                ("ambiguous", "fail"),
                ("rate_limited", "abstain"),
                ("quota", "abstain"),
                ("auth", "abstain"),
                ("caller_fault", "abstain"),
                ("mid_stream", "fail"),
                ("cancelled", "abstain"),
            ]
        );
    }

    #[test]
    fn a_conflict_and_a_diagnosed_request_have_no_vote() {
        let conflict = Attempt { status: Some(409), ..attempt(Class::ServerError) };
        assert_eq!(Vote::of(&conflict, None), Vote::Abstain);
        for &cause in Cause::ALL {
            assert_eq!(Vote::of(&attempt(Class::ServerError), Some(cause)), Vote::Abstain, "{cause}");
        }
        for reason in [Reason::Cliff, Reason::Oversize, Reason::Tools, Reason::Probe] {
            let first = Attempt { reason, ..attempt(Class::Ambiguous) };
            assert_eq!(Vote::of(&first, None), Vote::Abstain, "{reason}");
        }
    }

    #[test]
    fn of_all_refusals_only_that_for_an_upstream_is_a_failure() {
        for &outcome in Outcome::ALL {
            let vote = if outcome == Outcome::Unavailable { Vote::Fail } else { Vote::Abstain };
            assert_eq!(Vote::of_none(outcome), vote, "{outcome}");
        }
    }
}
