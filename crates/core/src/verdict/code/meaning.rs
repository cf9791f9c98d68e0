//! The row that every table of codes is made of: what it means, whose fault, what to do.
//!
//! Most codes differ from their class in words only, so a row begins as its class and says where
//! it knows better.

use super::super::charge::Charge;
use super::super::class::{Again, Class, Whose};

/// What a code, a status or a class means, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// The class it belongs to.
    pub class: Class,
    /// Who has to change something.
    pub whose: Whose,
    /// Where to ask again.
    pub again: Again,
    /// Whether an attempt that ends so costs money, and why.
    pub charge: Charge,
    /// One sentence for a person, with its full stop.
    pub says: &'static str,
    /// What to do, the most useful first; never empty.
    pub next: &'static [&'static str],
}

impl Meaning {
    /// A meaning that differs from its class in nothing but its words.
    #[must_use]
    pub const fn new(class: Class, says: &'static str, next: &'static [&'static str]) -> Meaning {
        Meaning { class, whose: class.whose(), again: class.again(), charge: class.charge(), says, next }
    }

    pub(in crate::verdict) const fn whose(mut self, whose: Whose) -> Meaning {
        self.whose = whose;
        self
    }

    pub(in crate::verdict) const fn again(mut self, again: Again) -> Meaning {
        self.again = again;
        self
    }

    pub(in crate::verdict) const fn charge(mut self, charge: Charge) -> Meaning {
        self.charge = charge;
        self
    }

    /// Whether Seawall asks the same upstream again by itself.
    #[must_use]
    pub const fn is_retried(&self) -> bool {
        matches!(self.again, Again::Anywhere)
    }
}
