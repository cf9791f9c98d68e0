//! What one request wants otherwise than the policy says.

use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderName;
use seawall_core::plan::policy::Commit;

/// The longest tag kept, in bytes.
pub const TAG_BYTES_MAX: usize = 64;

static MAX_RETRIES: HeaderName = HeaderName::from_static("x-seawall-max-retries");
static STREAM: HeaderName = HeaderName::from_static("x-seawall-stream");
static TAG: HeaderName = HeaderName::from_static("x-seawall-tag");

/// What one request wants otherwise than the policy says: an extension of an [`http::Request`].
///
/// ```
/// use std::time::Duration;
/// use seawall::{Body, Overrides};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = http::Request::post("/v1/chat/completions")
///     .extension(Overrides::new().max_attempts(2).within(Duration::from_secs(20)).tag("nightly"))
///     .body(Body::json(&serde_json::json!({"model": "gpt-4o", "messages": []}))?)?;
/// # let _ = request;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overrides {
    /// The most attempts after the first.
    pub max_retries: Option<u32>,
    /// The time for everything until an answer is here.
    pub within: Option<Duration>,
    /// When a stream is handed out.
    pub commit: Option<Commit>,
    /// A word that groups requests.
    pub tag: Option<String>,
}

impl Overrides {
    /// Nothing otherwise.
    #[must_use]
    pub fn new() -> Overrides {
        Overrides::default()
    }

    /// At most so many attempts, the first included; 0 is taken for 1. It can lower the policy's number, not raise it.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Overrides {
        self.max_retries = Some(attempts.saturating_sub(1));
        self
    }

    /// The time for all attempts and waits together, until an answer is here; of a stream, until its first content. A
    /// stream that flows is not ended by it. A fiftieth of it is left for the way back, as of an SDK's own timeout;
    /// the policy's `timeout.total_max` is the most.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Overrides {
        self.within = Some(time);
        self
    }

    /// When a stream is handed out: with its first content, or when all of it is here, so that a break can be mended.
    #[must_use]
    pub fn commit(mut self, commit: Commit) -> Overrides {
        self.commit = Some(commit);
        self
    }

    /// A word that groups requests in events and records. Of it, the printable ASCII is kept, up to [`TAG_BYTES_MAX`].
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Overrides {
        self.tag = Some(plain(tag));
        self
    }

    /// What the headers `x-seawall-max-retries`, `x-seawall-stream` and `x-seawall-tag` want.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Overrides {
        let own = |name: &HeaderName| headers.get(name)?.to_str().ok();
        Overrides {
            max_retries: own(&MAX_RETRIES).and_then(|value| value.parse().ok()),
            within: None,
            commit: own(&STREAM).and_then(Commit::from_name),
            tag: own(&TAG).map(plain),
        }
    }

    /// The same, with what is not said as `other` says.
    pub(crate) fn or(self, other: Overrides) -> Overrides {
        Overrides {
            max_retries: self.max_retries.or(other.max_retries),
            within: self.within.or(other.within),
            commit: self.commit.or(other.commit),
            tag: self.tag.or(other.tag),
        }
    }
}

/// `text` as a label: printable, and no longer than it may be.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(TAG_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_the_program_says_goes_before_what_a_header_says() {
        let headers = HeaderMap::from_iter([
            (MAX_RETRIES.clone(), HeaderValue::from_static("3")),
            (STREAM.clone(), HeaderValue::from_static("buffer")),
            (TAG.clone(), HeaderValue::from_static("from a header")),
        ]);
        let said = Overrides::new().max_attempts(1).or(Overrides::of(&headers));
        let tag = Some("from a header".to_owned());
        assert_eq!(said, Overrides { max_retries: Some(0), within: None, commit: Some(Commit::Buffer), tag });
        let wrong = HeaderMap::from_iter([(MAX_RETRIES.clone(), HeaderValue::from_static("-1"))]);
        assert_eq!(Overrides::of(&wrong), Overrides::new());
        assert_eq!(Overrides::new().max_attempts(0).max_retries, Some(0));
    }

    #[test]
    fn a_tag_is_printable_and_bounded() {
        assert_eq!(Overrides::new().tag("a\r\nb\u{1b}[31m").tag.as_deref(), Some("ab[31m"));
        let long = "x".repeat(TAG_BYTES_MAX + 1);
        assert_eq!(Overrides::new().tag(&long).tag.map(|tag| tag.len()), Some(TAG_BYTES_MAX));
    }
}
