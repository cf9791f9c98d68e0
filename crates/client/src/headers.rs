//! Which headers pass, in both directions.
//!
//! What concerns one connection stays on it, in both directions. What concerns Seawall stays with
//! Seawall. Everything else passes as it is.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The beginning of every header that is Seawall's own.
pub const OWN_PREFIX: &str = "x-seawall-";

/// Takes out of `headers` what concerns the connection they came over (RFC 9110, 7.6.1, and what
/// is like it), and every header that `also` names.
///
/// One look at each name: a removal costs a hash whether or not the header is there.
pub fn strip(headers: &mut HeaderMap, also: impl Fn(&str) -> bool) {
    if let Some(named) = headers.get(header::CONNECTION) {
        let named: Vec<HeaderName> = named
            .to_str()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|name| !name.eq_ignore_ascii_case("keep-alive") && !name.eq_ignore_ascii_case("close"))
            .filter_map(|name| name.parse().ok())
            // A request cannot make Seawall drop what carries its meaning.
            .filter(|name| name != header::HOST && name != header::CONTENT_LENGTH && name != header::AUTHORIZATION)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    let gone = |name: &HeaderName| is_hop_by_hop(name.as_str()) || also(name.as_str());
    while let Some(name) = headers.keys().find(|name| gone(name)).cloned() {
        headers.remove(name);
    }
}

/// Headers for a body in another frame than it came in: nothing that speaks of the one that came.
pub(crate) fn reframed(headers: &mut HeaderMap, content_type: HeaderValue) {
    for name in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::ETAG] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, content_type);
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_connection_names_goes_and_the_meaning_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-private, authorization"),
            ("x-private", "1"),
            ("authorization", "kept"),
            ("te", "trailers"),
            ("x-kept", "1"),
            ("x-seawall-tag", "gone"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        strip(&mut headers, |name| name.starts_with(OWN_PREFIX));
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "x-kept"]);
    }
}
