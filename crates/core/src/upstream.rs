//! A place a request can be sent to, as far as a decision needs to know it.
//!
//! Its address, its key and its connections belong to whoever sends; here it is a number with a
//! name.

/// Which upstream: its index in the order of the configuration, or of those that the client was built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamId(pub u16);

impl UpstreamId {
    /// The index in the order of the configuration.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What routing needs to know of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The name in the configuration: a metric label and a journal column.
    pub name: String,
    /// Lower is asked first.
    pub priority: u32,
    /// Model patterns it may serve (`*` matches any run of characters); empty means every model.
    pub models: Vec<String>,
    /// Its share among upstreams of the same priority. At least 1.
    pub weight: u32,
    /// What a model is called here: pairs of the name asked for and the name sent.
    pub model_map: Vec<(String, String)>,
    /// Credentials of its own; 0 if the caller's are passed through.
    pub keys: usize,
}

impl Default for Upstream {
    /// Nameless, for every model, with the caller's own credentials.
    fn default() -> Self {
        Upstream { name: String::new(), priority: 1, models: Vec::new(), weight: 1, model_map: Vec::new(), keys: 0 }
    }
}

impl Upstream {
    /// Whether it may serve `model`. A request without a model may go anywhere.
    #[must_use]
    pub fn serves(&self, model: Option<&str>) -> bool {
        match model {
            _ if self.models.is_empty() => true,
            None => true,
            Some(model) => self.models.iter().any(|pattern| matches(pattern, model)),
        }
    }

    /// What `model` is called here, where it has another name.
    #[must_use]
    pub fn calls(&self, model: &str) -> Option<&str> {
        let (_, sent) = self.model_map.iter().find(|(asked, _)| asked == model)?;
        (sent != model).then_some(sent.as_str())
    }
}

/// Whether `text` fits `pattern`, where `*` stands for any run of characters.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, fits) in [
            ("gpt-*", "gpt-4o", true),
            ("gpt-*", "o3", false),
            ("*", "", true),
            ("*-mini", "gpt-4o-mini", true),
            ("*-mini", "gpt-4o-mini-2024", false),
            ("gpt-*-mini*", "gpt-4o-mini-2024", true),
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} against {text}");
        }
    }
}
