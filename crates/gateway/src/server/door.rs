//! Who may come in: limits, loops, web pages, tokens.
//!
//! Everything here is decided from the head alone, before a byte of the body is read and before
//! an upstream is asked, and each refusal says which rule it was.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, request};
use seawall_core::verdict::code::Code;

use crate::config::Secret;

/// Fields of a request's head; hyper's own limit (256) stands above it.
pub(crate) const FIELDS_MAX: usize = 128;
/// Bytes of all fields together: OpenAI asks for less than 64 KiB.
pub(crate) const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one field.
pub(crate) const FIELD_BYTES_MAX: usize = 32 * 1024;
/// Bytes of the address.
pub(crate) const URI_BYTES_MAX: usize = 8 * 1024;
/// Seawalls in a row; a request that passed more is going in circles.
pub(crate) const SEAWALLS_MAX: usize = 4;
/// How Seawall names itself in `Via`.
const VIA_NAME: &str = "seawall-";

/// What the door knows.
pub(crate) struct Door {
    /// This process in `Via`: `1.1 seawall-` and eight hex digits.
    pub(crate) via: HeaderValue,
    /// Whether a request could spend a key that is not the caller's.
    pub(crate) guards_a_key: bool,
    /// Hosts, with port, under which this gateway is meant to be asked.
    pub(crate) hosts: Vec<String>,
    /// Callers' tokens, by name.
    pub(crate) clients: Vec<(String, Secret)>,
}

/// Why a request was not let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// The code of the answer.
    pub(crate) code: Code,
    /// What is particular to this request.
    pub(crate) detail: String,
}

impl Door {
    /// Looks at the head of a request; the name of the client whose token it carries, if it does.
    pub(crate) fn check(&self, head: &request::Parts) -> Result<Option<String>, Closed> {
        limits(head)?;
        self.not_in_circles(&head.headers)?;
        let client = self.client(&head.headers)?;
        if self.guards_a_key && client.is_none() {
            self.no_web_page(head)?;
        }
        Ok(client)
    }

    fn not_in_circles(&self, headers: &HeaderMap) -> Result<(), Closed> {
        let mut seawalls = 0;
        for via in headers.get_all(header::VIA).iter().filter_map(|v| v.to_str().ok()) {
            if via.split(',').any(|hop| hop.trim().as_bytes() == self.via.as_bytes()) {
                return Err(Closed { code: Code::Loop, detail: "it has been here before".into() });
            }
            seawalls += via.matches(VIA_NAME).count();
        }
        if seawalls >= SEAWALLS_MAX {
            let detail = format!("it has passed {seawalls} seawalls, allowed are {}", SEAWALLS_MAX - 1);
            return Err(Closed { code: Code::Loop, detail });
        }
        Ok(())
    }

    fn client(&self, headers: &HeaderMap) -> Result<Option<String>, Closed> {
        if self.clients.is_empty() {
            return Ok(None);
        }
        let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let token = bearer
            .and_then(|v| v.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .or_else(|| headers.get("api-key").and_then(|v| v.to_str().ok()))
            .or_else(|| headers.get("x-api-key").and_then(|v| v.to_str().ok()))
            .or_else(|| of_a_page(headers));
        let Some(token) = token else {
            return Err(Closed { code: Code::Unauthorized, detail: "no token came with the request".into() });
        };
        // Every token is compared, so that the time taken says nothing about which was close.
        let mut found = None;
        for (name, secret) in &self.clients {
            if secret.is(token.as_bytes()) {
                found = Some(name.clone());
            }
        }
        found.map(Some).ok_or(Closed { code: Code::Unauthorized, detail: "its token is not known here".into() })
    }

    /// A page in somebody's browser must not be able to spend the key that waits here.
    fn no_web_page(&self, head: &request::Parts) -> Result<(), Closed> {
        let closed = |detail: &str| Err(Closed { code: Code::Origin, detail: detail.into() });
        let headers = &head.headers;
        if headers.contains_key(header::ORIGIN) {
            return closed("it carries an Origin header");
        }
        let site = headers.get(HeaderName::from_static("sec-fetch-site"));
        if site.is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"cross-site")) {
            return closed("a browser sent it across sites");
        }
        let host = head
            .uri
            .authority()
            .map(http::uri::Authority::as_str)
            .or_else(|| headers.get(header::HOST).and_then(|v| v.to_str().ok()))
            .unwrap_or_default();
        if is_loopback(host) || self.hosts.iter().any(|h| h.eq_ignore_ascii_case(host)) {
            return Ok(());
        }
        closed("its Host is not an address of this gateway")
    }
}

/// The token of a page in a browser, which can set no header of a WebSocket but its subprotocols.
fn of_a_page(headers: &HeaderMap) -> Option<&str> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    offered.split(',').find_map(|offer| offer.trim().strip_prefix("openai-insecure-api-key."))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn limits(head: &request::Parts) -> Result<(), Closed> {
    if head.method == Method::CONNECT || !head.uri.path().starts_with('/') {
        return Err(Closed { code: Code::Malformed, detail: "its address is not a path".into() });
    }
    let uri = head.uri.path_and_query().map_or(0, |p| p.as_str().len());
    if uri > URI_BYTES_MAX {
        return Err(Closed { code: Code::UriTooLong, detail: format!("{uri} bytes, limit {URI_BYTES_MAX}") });
    }
    let closed = |detail: String| Err(Closed { code: Code::HeadersTooLarge, detail });
    let fields = head.headers.len();
    if fields > FIELDS_MAX {
        return closed(format!("{fields} header fields, limit {FIELDS_MAX}"));
    }
    let mut total = 0;
    for (name, value) in &head.headers {
        let bytes = name.as_str().len() + value.len();
        if bytes > FIELD_BYTES_MAX {
            return closed(format!("header \"{name}\" of {bytes} bytes, limit {FIELD_BYTES_MAX}"));
        }
        total += bytes;
    }
    if total > HEADER_BYTES_MAX {
        return closed(format!("{total} bytes of headers, limit {HEADER_BYTES_MAX}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn door() -> Door {
        Door {
            via: HeaderValue::from_static("1.1 seawall-0badcafe"),
            guards_a_key: true,
            hosts: vec!["10.0.0.7:7500".into()],
            clients: vec![],
        }
    }

    fn head(host: &str, headers: &[(&'static str, &str)]) -> request::Parts {
        let mut request = Request::post("/v1/chat/completions").header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn code(door: &Door, head: &request::Parts) -> Option<Code> {
        door.check(head).err().map(|closed| closed.code)
    }

    #[test]
    fn a_web_page_cannot_spend_the_key() {
        let door = door();
        for host in ["127.0.0.1:7500", "localhost:7500", "[::1]:7500", "10.0.0.7:7500", "LOCALHOST"] {
            assert_eq!(code(&door, &head(host, &[])), None, "{host}");
        }
        assert_eq!(code(&door, &head("evil.example", &[])), Some(Code::Origin));
        assert_eq!(code(&door, &head("localhost.evil.example", &[])), Some(Code::Origin));
        assert_eq!(code(&door, &head("localhost", &[("origin", "http://localhost")])), Some(Code::Origin));
        assert_eq!(code(&door, &head("localhost", &[("sec-fetch-site", "cross-site")])), Some(Code::Origin));
        let open = Door { guards_a_key: false, ..door };
        assert_eq!(code(&open, &head("evil.example", &[("origin", "http://x")])), None);
    }

    #[test]
    fn a_request_that_was_here_before_goes_no_further() {
        let door = door();
        assert_eq!(code(&door, &head("localhost", &[("via", "1.1 a, 1.1 seawall-0badcafe")])), Some(Code::Loop));
        let three = "1.1 seawall-00000001, 1.1 seawall-00000002, 1.1 seawall-00000003";
        assert_eq!(code(&door, &head("localhost", &[("via", three)])), None);
        let four = format!("{three}, 1.1 seawall-00000004");
        assert_eq!(code(&door, &head("localhost", &[("via", &four)])), Some(Code::Loop));
    }

    #[test]
    fn each_limit_holds_at_its_number() {
        let door = door();
        let with = |bytes: usize| {
            let mut head = head("localhost", &[]);
            head.headers.insert("a", HeaderValue::from_str(&"x".repeat(bytes)).unwrap());
            head
        };
        assert_eq!(code(&door, &with(FIELD_BYTES_MAX - 1)), None);
        assert_eq!(code(&door, &with(FIELD_BYTES_MAX)), Some(Code::HeadersTooLarge));
        let many = |fields: usize| {
            let mut head = head("localhost", &[]);
            for n in 1..fields {
                head.headers.insert(HeaderName::try_from(format!("h{n}")).unwrap(), HeaderValue::from_static("1"));
            }
            head
        };
        assert_eq!(code(&door, &many(FIELDS_MAX)), None);
        assert_eq!(code(&door, &many(FIELDS_MAX + 1)), Some(Code::HeadersTooLarge));
        let total = |bytes: usize| {
            let mut head = head("localhost", &[]);
            let rest = bytes - "hostlocalhost".len() - FIELD_BYTES_MAX - 1;
            head.headers.insert("a", HeaderValue::from_str(&"x".repeat(FIELD_BYTES_MAX - 1)).unwrap());
            head.headers.insert("b", HeaderValue::from_str(&"x".repeat(rest)).unwrap());
            head
        };
        assert_eq!(code(&door, &total(HEADER_BYTES_MAX)), None);
        assert_eq!(code(&door, &total(HEADER_BYTES_MAX + 1)), Some(Code::HeadersTooLarge));
        let uri = |bytes: usize| {
            let path = format!("/{}", "a".repeat(bytes - 1));
            Request::get(path).header("host", "localhost").body(()).unwrap().into_parts().0
        };
        assert_eq!(code(&door, &uri(URI_BYTES_MAX)), None);
        assert_eq!(code(&door, &uri(URI_BYTES_MAX + 1)), Some(Code::UriTooLong));
    }
}
