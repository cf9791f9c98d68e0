//! Which failures are shown: those of one upstream, model, class, status, and what is searched for.

use super::super::said::{Failure, Text};

/// The most failures that are asked for at once.
pub(super) const PAGE: usize = 200;

/// What must fit; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) upstream: Option<Text>,
    pub(super) model: Option<Text>,
    pub(super) class: Option<Text>,
    pub(super) status: Option<u16>,
}

impl Filter {
    /// Whether it leaves nothing out.
    pub(super) fn is_none(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether this one is to be shown.
    pub(super) fn takes(&self, row: &Failure) -> bool {
        self.upstream.as_ref().is_none_or(|upstream| *upstream == row.upstream)
            && self.model.as_ref().is_none_or(|model| row.model.as_ref() == Some(model))
            && self.class.as_ref().is_none_or(|class| *class == row.class)
            && self.status.is_none_or(|status| row.status == Some(status))
    }

    /// Where the gateway tells of them.
    pub(super) fn path(&self) -> String {
        let mut path = format!("/api/v1/failures?limit={PAGE}");
        let texts = [("upstream", &self.upstream), ("model", &self.model), ("class", &self.class)];
        for (name, value) in texts {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", encoded(value.raw())));
            }
        }
        if let Some(status) = self.status {
            path.push_str(&format!("&status={status}"));
        }
        path
    }

    /// The same for a person; empty of one that leaves nothing out.
    pub(super) fn says(&self) -> String {
        let texts = [("upstream", &self.upstream), ("model", &self.model), ("class", &self.class)];
        let mut said: Vec<String> =
            texts.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}"))).collect();
        said.extend(self.status.map(|status| format!("status {status}")));
        said.join(", ")
    }
}

/// Whether a row has what is searched for in it: letters of either size.
pub(super) fn has(row: &[String], search: &str) -> bool {
    let search = search.to_lowercase();
    search.is_empty() || row.iter().any(|cell| cell.to_lowercase().contains(&search))
}

/// A text as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => told.push(char::from(byte)),
            _ => told.push_str(&format!("%{byte:02X}")),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_what_fits_in_all_its_parts() {
        let row = Failure {
            upstream: "openai".into(),
            model: Some("o3".into()),
            class: "overloaded".into(),
            status: Some(503),
            ..Failure::default()
        };
        assert!(Filter::default().takes(&row) && Filter::default().is_none());
        let filter = Filter {
            upstream: Some("openai".into()),
            model: Some("o3".into()),
            class: Some("overloaded".into()),
            status: Some(503),
        };
        assert!(filter.takes(&row) && !filter.is_none());
        assert!(!filter.takes(&Failure { upstream: "azure".into(), ..row.clone() }));
        assert!(!filter.takes(&Failure { model: None, ..row.clone() }));
        assert!(!filter.takes(&Failure { class: "ambiguous".into(), ..row.clone() }));
        assert!(!filter.takes(&Failure { status: None, ..row }));
        assert_eq!(filter.says(), "upstream openai, model o3, class overloaded, status 503");
    }

    #[test]
    fn a_name_cannot_add_a_parameter() {
        let filter = Filter { model: Some("a&limit=1000#b%/ü\r\n".into()), ..Filter::default() };
        assert_eq!(filter.path(), "/api/v1/failures?limit=200&model=a%26limit%3D1000%23b%25%2F%C3%BC%0D%0A");
    }

    #[test]
    fn a_search_finds_letters_of_either_size() {
        let row = ["REQ_1".to_owned(), "Größe".to_owned()];
        assert!(has(&row, "req") && has(&row, "GRÖSSE".trim_end_matches("SSE")) && has(&row, ""));
        assert!(!has(&row, "req_2"));
    }
}
