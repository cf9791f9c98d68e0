//! An upstream, as a program or a configuration names it: where it is, and what it may be asked for.

use http::header::{self, HeaderName};
use http::{HeaderValue, Uri};

use crate::build_error::BuildError;
use crate::connect::Proxy;

/// Where OpenAI's own API is.
const OPENAI: &str = "https://api.openai.com/v1";

/// A place that requests can be sent to.
///
/// ```
/// use seawall::Upstream;
///
/// # fn main() -> Result<(), seawall::BuildError> {
/// let openai = Upstream::openai().key("sk-example")?;
/// let azure = Upstream::new("https://example.openai.azure.com/openai/v1")?
///     .name("azure")
///     .key_in("api-key", "example")?
///     .priority(2)
///     .renames("gpt-4o", "my-deployment");
/// assert_eq!((openai.name.as_str(), azure.name.as_str()), ("api.openai.com", "azure"));
/// # Ok(())
/// # }
/// ```
///
/// Without a key of its own it is sent the credentials that a request carries.
#[derive(Clone)]
#[non_exhaustive]
pub struct Upstream {
    /// A name for events, metrics and errors.
    pub name: String,
    /// Scheme, host, port, the beginning of every path, and what every query must hold.
    pub base: Uri,
    /// The keys to send, in turn; without one the caller's own credentials pass through.
    pub keys: Vec<Key>,
    /// The forward proxy to go through. The environment is not asked for one.
    pub proxy: Option<Proxy>,
    /// Certificate authorities to trust instead of the system's, in PEM.
    pub roots_pem: Option<Vec<u8>>,
    /// Models it may serve, `*` standing for any run of characters; empty means all.
    pub models: Vec<String>,
    /// Lower is asked first; upstreams of one priority share. 1.
    pub priority: u32,
    /// Its share among upstreams of the same priority, at least 1. 1.
    pub weight: u32,
    /// What a model is called here: pairs of the name asked for and the name sent.
    pub model_map: Vec<(String, String)>,
}

impl Upstream {
    /// The upstream at `base_url`, such as `https://api.openai.com/v1`: for every model, with the caller's own
    /// credentials, reached directly, named after its host.
    ///
    /// # Errors
    /// When it is not an address with `http` or `https` and a host.
    pub fn new(base_url: &str) -> Result<Upstream, BuildError> {
        let base: Uri = base_url.parse().map_err(|_| BuildError::new(wrong_address()))?;
        let is_http = base.scheme_str().is_some_and(|scheme| matches!(scheme, "http" | "https"));
        let has_password = base.authority().is_some_and(|authority| authority.as_str().contains('@'));
        match base.host() {
            Some(host) if is_http && !has_password => Ok(Upstream::at(host.to_owned(), base.clone())),
            _ => Err(BuildError::new(wrong_address())),
        }
    }

    /// OpenAI's own API, `https://api.openai.com/v1`.
    #[must_use]
    pub fn openai() -> Upstream {
        Upstream::new(OPENAI).expect("a constant with a scheme and a host")
    }

    /// The upstream called `name` at an address that is parsed already. What is wrong with the address, building the client tells;
    /// [`Upstream::new`] tells at once.
    #[must_use]
    pub fn at(name: impl Into<String>, base: Uri) -> Upstream {
        Upstream {
            name: name.into(),
            base,
            keys: Vec::new(),
            proxy: None,
            roots_pem: None,
            models: Vec::new(),
            priority: 1,
            weight: 1,
            model_map: Vec::new(),
        }
    }

    /// A name for events, metrics and errors, in place of the host.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Upstream {
        self.name = name.into();
        self
    }

    /// Adds a key, sent as `authorization: Bearer KEY`. With several, requests take turns, and one that is refused or
    /// limited rests.
    ///
    /// # Errors
    /// When no header can carry it. The key is not in the error.
    pub fn key(self, key: &str) -> Result<Upstream, BuildError> {
        self.key_in(header::AUTHORIZATION.as_str(), &format!("Bearer {key}"))
    }

    /// Adds a key, sent as it is in the header `name`: `api-key` for Azure, `x-api-key` for Anthropic.
    ///
    /// # Errors
    /// When it is no header's name, or no header can carry the key. The key is not in the error.
    pub fn key_in(mut self, name: &str, key: &str) -> Result<Upstream, BuildError> {
        let wrong = |what: &str| BuildError::new(format!("upstream \"{}\": {what}", self.name));
        let name: HeaderName = name.parse().map_err(|_| wrong("the name of its key's header is none"))?;
        let value = HeaderValue::from_str(key).map_err(|_| wrong("its key holds what no header can carry"))?;
        self.keys.push(Key::new(name, value));
        Ok(self)
    }

    /// Serves `models` alone, in place of all. `*` stands for any run of characters.
    #[must_use]
    pub fn models<M: Into<String>>(mut self, models: impl IntoIterator<Item = M>) -> Upstream {
        self.models = models.into_iter().map(Into::into).collect();
        self
    }

    /// Lower is asked first; 1 where nothing is said.
    #[must_use]
    pub fn priority(mut self, priority: u32) -> Upstream {
        self.priority = priority;
        self
    }

    /// Its share among upstreams of the same priority; 1 where nothing is said.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Upstream {
        self.weight = weight.max(1);
        self
    }

    /// Asked for `model`, it is sent the name `here` in its place; nothing else of the request is replaced. May be said of several.
    #[must_use]
    pub fn renames(mut self, model: impl Into<String>, here: impl Into<String>) -> Upstream {
        self.model_map.push((model.into(), here.into()));
        self
    }

    /// Trusts the certificate authorities in `pem` instead of the system's.
    #[must_use]
    pub fn roots_pem(mut self, pem: impl Into<Vec<u8>>) -> Upstream {
        self.roots_pem = Some(pem.into());
        self
    }

    /// Goes through a forward proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Upstream {
        self.proxy = Some(proxy);
        self
    }
}

/// An address may hold a password, so it is not repeated.
fn wrong_address() -> String {
    "an upstream's address is http:// or https://, a host, perhaps a path, and no password: https://api.openai.com/v1"
        .to_owned()
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.base.host().unwrap_or_default();
        let keys = self.keys.len();
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("host", &host)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

/// A key and the header it goes into.
#[derive(Clone)]
pub struct Key {
    /// `authorization`, or `api-key` for Azure.
    pub header: HeaderName,
    /// The header's whole value; marked sensitive when built with [`Key::new`].
    value: HeaderValue,
}

impl Key {
    /// A key that is sent as `value` in `header`, and shown nowhere.
    #[must_use]
    pub fn new(header: HeaderName, mut value: HeaderValue) -> Key {
        value.set_sensitive(true);
        Key { header, value }
    }

    pub(crate) fn value(&self) -> &HeaderValue {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_scheme_and_a_host() {
        for address in ["", "api.openai.com", "/v1", "ftp://h/v1", "https://", "http:/v1", "ht tp://h", "unix:/run/x"] {
            let error = Upstream::new(address).expect_err(address).to_string();
            assert!(error.contains("https://api.openai.com/v1"), "{error}");
        }
        for address in ["http://h", "https://h:8443/v1?api-version=1", "http://[::1]:80/v1"] {
            Upstream::new(address).expect(address);
        }
    }

    #[test]
    fn neither_a_key_nor_a_password_is_shown() {
        let secret = "sk-very-secret";
        let upstream = Upstream::new("https://h/v1").unwrap().key(secret).unwrap();
        assert!(!format!("{upstream:?}").contains(secret));
        let refused = upstream.clone().key("sk-very-secret\n").unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains(secret));
        for address in [secret, "https://user:sk-very-secret@h/v1"] {
            let refused = Upstream::new(address).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains(secret));
        }
        assert!(upstream.clone().key_in("not a name", "x").is_err());
        assert!(upstream.keys[0].value().is_sensitive());
    }
}
