//! Which attempts are read, and from where on.

use super::super::row::AttemptRow;

/// Which attempts to read; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Begun at this moment or later, in microseconds since the Unix epoch.
    pub(crate) since: Option<i64>,
    /// Begun before this moment.
    pub(crate) until: Option<i64>,
    /// Of this model.
    pub(crate) model: Option<String>,
    /// With a status from the first to the second, both included.
    pub(crate) status: Option<(u16, u16)>,
    /// Ended in this class. Without one: in any class but `ok`.
    pub(crate) class: Option<String>,
    /// At this upstream.
    pub(crate) upstream: Option<String>,
    /// With this id: Seawall's, the upstream's or the client's.
    pub(crate) request_id: Option<String>,
    /// Part of this incident.
    pub(crate) incident: Option<String>,
    /// Of this kind: a [`fingerprint::id`].
    pub(crate) group: Option<String>,
}

impl Filter {
    /// `503` or `5xx`, as the first and the last status meant.
    pub(crate) fn parse_status(text: &str) -> Result<(u16, u16), String> {
        if let Some(hundreds) = text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok())
            && (1..=9).contains(&hundreds)
        {
            return Ok((hundreds * 100, hundreds * 100 + 99));
        }
        match text.parse() {
            Ok(status @ 100..=999) => Ok((status, status)),
            _ => Err("neither a status like 503 nor a group like 5xx".to_owned()),
        }
    }
}

/// A place in the order of one journal's attempts: what comes after it is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) began: i64,
    pub(super) row: i64,
}

impl Place {
    /// Before all attempts.
    pub(crate) const NEWEST: Place = Place { began: i64::MAX, row: i64::MAX };

    /// The place of an attempt.
    pub(crate) fn of(row: &AttemptRow) -> Place {
        Place { began: row.time, row: row.place }
    }

    /// The place as a word that means nothing to others.
    pub(crate) fn to_text(self) -> String {
        format!("{:016x}{:016x}", self.began, self.row)
    }

    /// The place that such a word stands for.
    pub(crate) fn from_text(text: &str) -> Option<Place> {
        let is_word = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let (began, row) = is_word.then(|| text.split_at(16))?;
        let number = |text| u64::from_str_radix(text, 16).ok().map(u64::cast_signed);
        Some(Place { began: number(began)?, row: number(row)? })
    }
}
