//! The words a verdict is made of: the class, whose fault, where to ask again, who is billed.
//!
//! They are closed lists, because metric labels, journal columns, flags and configuration keys are
//! made of them. What belongs to a class by default stands here too; a code that knows better
//! (`crate::verdict::code`) says so there.

use crate::words::words;

words! {
    /// What an attempt ended in: metric label, journal column, key of `[retry.class.*]`.
    pub enum Class {
        /// Answered, with content.
        Ok = "ok",
        /// No byte of the request reached the upstream.
        NotSent = "not_sent",
        /// A kept-alive connection was already dead when the request was written.
        StaleConnection = "stale_connection",
        /// 502, 520, 521, 523: a middleman could not reach the server.
        BadGateway = "bad_gateway",
        /// 500, 409 and every other answered failure of the server.
        ServerError = "server_error",
        /// 503, 529: out of capacity.
        Overloaded = "overloaded",
        /// Sent, and nobody knows whether it was carried out: 504, 408, 522, 524, timeouts, resets.
        Ambiguous = "ambiguous",
        /// 429 that waiting cures.
        RateLimited = "rate_limited",
        /// 429 or 402 that only a person with a credit card cures.
        Quota = "quota",
        /// 401, 403.
        Auth = "auth",
        /// The request itself is at fault: it would fail anywhere, every time.
        CallerFault = "caller_fault",
        /// Broken after the first content went to the caller.
        MidStream = "mid_stream",
        /// The caller left, or another attempt was faster.
        Cancelled = "cancelled",
    }
}

words! {
    /// Who has to change something.
    pub enum Whose {
        /// The provider of the model.
        Provider = "provider",
        /// Whatever lies between Seawall and the provider.
        Network = "network",
        /// The program that sent the request.
        Caller = "caller",
        /// Seawall, or how it is configured.
        Seawall = "seawall",
    }
}

words! {
    /// Whether the attempt costs money; [`Charge`](super::Charge) says why.
    pub enum Billed {
        /// The upstream cannot have begun to work on it, or says that it does not charge.
        No = "no",
        /// It may have begun: nobody can tell from here.
        Possibly = "possibly",
        /// Content was produced.
        Yes = "yes",
    }
}

words! {
    /// Where it makes sense to ask again.
    pub enum Again {
        /// Nowhere: the answer would be the same.
        No = "no",
        /// Only where another credential or another upstream answers.
        Elsewhere = "elsewhere",
        /// Here too.
        Anywhere = "anywhere",
    }
}

impl Class {
    /// Who has to change something, unless a code says otherwise. Of [`Class::Ok`] it means
    /// nothing.
    #[must_use]
    pub const fn whose(self) -> Whose {
        match self {
            Class::NotSent | Class::StaleConnection => Whose::Network,
            Class::RateLimited | Class::Quota | Class::Auth | Class::CallerFault | Class::Cancelled => Whose::Caller,
            Class::Ok
            | Class::BadGateway
            | Class::ServerError
            | Class::Overloaded
            | Class::Ambiguous
            | Class::MidStream => Whose::Provider,
        }
    }

    /// Where to ask again, unless a code or the upstream says otherwise.
    #[must_use]
    pub const fn again(self) -> Again {
        match self {
            Class::NotSent
            | Class::StaleConnection
            | Class::BadGateway
            | Class::ServerError
            | Class::Overloaded
            | Class::Ambiguous
            | Class::RateLimited => Again::Anywhere,
            Class::Quota | Class::Auth => Again::Elsewhere,
            Class::Ok | Class::CallerFault | Class::MidStream | Class::Cancelled => Again::No,
        }
    }

    /// The status that an error of this class means where none is known: that of an error hidden
    /// in a 200. `None` where no reply is part of the class.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Class::BadGateway => Some(502),
            Class::ServerError => Some(500),
            Class::Overloaded => Some(503),
            Class::Ambiguous => Some(504),
            Class::RateLimited | Class::Quota => Some(429),
            Class::Auth => Some(401),
            Class::CallerFault => Some(400),
            Class::Ok | Class::NotSent | Class::StaleConnection | Class::MidStream | Class::Cancelled => None,
        }
    }

    /// Whether the failure lies on the far side: the request itself would be fine.
    #[must_use]
    pub const fn is_server_side(self) -> bool {
        matches!(
            self,
            Class::BadGateway | Class::ServerError | Class::Overloaded | Class::Ambiguous | Class::RateLimited
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_may_be_asked_again_here_is_never_the_callers_but_for_its_pace() {
        for &class in Class::ALL {
            if class.again() == Again::Anywhere && class != Class::RateLimited {
                assert_ne!(class.whose(), Whose::Caller, "{class}");
            }
        }
    }
}
