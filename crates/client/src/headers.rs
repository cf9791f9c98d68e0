//! Which headers pass, in both directions.
//!
//! What concerns one connection stays on it, in both directions. What concerns Seawall stays with
//! Seawall. Everything else passes as it is.

use http::header::{self, Entry, HeaderMap, HeaderName};

/// RFC 9110, 7.6.1, and what is like it.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The beginning of every header that is Seawall's own.
pub const OWN_PREFIX: &str = "x-seawall-";

/// Takes out of `headers` what concerns the connection they came over.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if let Some(named) = headers.get(header::CONNECTION) {
        let named: Vec<HeaderName> = named
            .to_str()
            .unwrap_or_default()
            .split(',')
            .filter_map(|name| name.trim().parse().ok())
            // A request cannot make Seawall drop what carries its meaning.
            .filter(|name| name != header::HOST && name != header::CONTENT_LENGTH && name != header::AUTHORIZATION)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Takes Seawall's own headers out of `headers`.
pub fn strip_own(headers: &mut HeaderMap) {
    let own: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with(OWN_PREFIX)).cloned().collect();
    for name in own {
        if let Entry::Occupied(entry) = headers.entry(name) {
            entry.remove_entry_mult();
        }
    }
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
        strip_hop_by_hop(&mut headers);
        strip_own(&mut headers);
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "x-kept"]);
    }
}
