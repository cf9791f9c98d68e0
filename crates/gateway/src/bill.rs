//! What failures cost: the arithmetic, and the user's own prices. `seawall bill` and the escalation report
//! tell of the same sums.

pub(crate) mod account;
pub(crate) mod prices;

/// What a row of the bill is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// The model asked for
    Model,
    /// What attempts ended in
    Class,
    /// Where they went
    Upstream,
}

impl By {
    /// The word on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            By::Model => "model",
            By::Class => "class",
            By::Upstream => "upstream",
        }
    }
}
