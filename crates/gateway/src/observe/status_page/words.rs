//! The words of status pages, those of Atlassian and those of incident.io. A word that is on neither
//! list says nothing.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// Declares an enum of words: the first is the one we use, the others mean the same.
macro_rules! words {
    ($( $(#[$meta:meta])* $name:ident { $( $(#[$vmeta:meta])* $variant:ident = $word:literal $(| $other:literal)*, )+ } )+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum $name { $( $(#[$vmeta])* $variant, )+ }

        impl $name {
            /// Every word.
            #[cfg(test)]
            pub(super) const ALL: &'static [(&'static str, $name)] = &[ $( ($word, $name::$variant), $( ($other, $name::$variant), )* )+ ];

            /// The word.
            pub(crate) const fn name(self) -> &'static str {
                match self { $( $name::$variant => $word, )+ }
            }

            /// What `word` means, if it is known.
            pub(super) fn of(word: &str) -> Option<$name> {
                match word.trim().to_ascii_lowercase().as_str() {
                    $( $word $(| $other)* => Some($name::$variant), )+
                    _ => None,
                }
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                concat!("StatusPage", stringify!($name)).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$( $word, )+] })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.name())
            }
        }
    )+ };
}

words! {
    /// How bad it is, over a whole page.
    Indicator {
        /// All is well.
        None = "none",
        /// Planned.
        Maintenance = "maintenance",
        /// Something is slow, or fails now and then.
        Minor = "minor",
        /// Something is down for some.
        Major = "major",
        /// Something is down.
        Critical = "critical",
    }

    /// How a component does, the better first.
    Condition {
        /// All is well.
        Operational = "operational",
        /// Planned.
        UnderMaintenance = "under_maintenance",
        /// Slow, or failing now and then.
        Degraded = "degraded_performance",
        /// Down for some.
        PartialOutage = "partial_outage",
        /// Down.
        MajorOutage = "major_outage" | "full_outage",
    }

    /// How bad an incident is.
    Impact {
        /// Not at all.
        None = "none" | "operational",
        /// Planned.
        Maintenance = "maintenance" | "under_maintenance",
        /// Something is slow, or fails now and then.
        Minor = "minor" | "degraded_performance",
        /// Something is down for some.
        Major = "major" | "partial_outage",
        /// Something is down.
        Critical = "critical" | "major_outage" | "full_outage",
    }

    /// How far an incident, or planned maintenance, has come.
    Stage {
        /// They look for the cause.
        Investigating = "investigating",
        /// They know it.
        Identified = "identified",
        /// They mend it.
        Fixing = "fixing",
        /// They watch whether it holds.
        Monitoring = "monitoring",
        /// Planned, and not begun.
        Scheduled = "scheduled" | "maintenance_scheduled",
        /// Planned, and under way.
        InProgress = "in_progress" | "maintenance_in_progress",
        /// Planned, and being looked at.
        Verifying = "verifying",
        /// Over.
        Resolved = "resolved" | "postmortem" | "completed" | "maintenance_complete",
    }
}

impl Condition {
    /// The indicator of a page whose worst component does so.
    pub(super) fn indicator(self) -> Indicator {
        match self {
            Condition::Operational => Indicator::None,
            Condition::UnderMaintenance => Indicator::Maintenance,
            Condition::Degraded => Indicator::Minor,
            Condition::PartialOutage => Indicator::Major,
            Condition::MajorOutage => Indicator::Critical,
        }
    }

    /// The impact of an incident whose worst component does so.
    pub(super) fn impact(self) -> Impact {
        match self {
            Condition::Operational => Impact::None,
            Condition::UnderMaintenance => Impact::Maintenance,
            Condition::Degraded => Impact::Minor,
            Condition::PartialOutage => Impact::Major,
            Condition::MajorOutage => Impact::Critical,
        }
    }
}

impl Stage {
    /// Whether something is wrong, or being worked at, now.
    pub(super) fn is_open(self) -> bool {
        !matches!(self, Stage::Scheduled | Stage::Resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_both_kinds_of_page_is_known_and_no_other() {
        for (word, meant) in Indicator::ALL {
            assert_eq!(Indicator::of(word), Some(*meant), "{word}");
        }
        for (word, meant) in Condition::ALL {
            assert_eq!(Condition::of(&word.to_uppercase()), Some(*meant), "{word}");
        }
        for (word, meant) in Stage::ALL {
            assert_eq!(Stage::of(&format!(" {word} ")), Some(*meant), "{word}");
        }
        for (word, meant) in Impact::ALL {
            assert_eq!(Impact::of(word), Some(*meant), "{word}");
        }
        assert_eq!(Condition::of("degraded"), None);
        assert_eq!(Stage::of(""), None);
    }
}
