//! A plain connection to an address, made the way attempts make theirs: for what is asked beside
//! requests, such as a status page.
//!
//! Trust, proxy and deadline are those of an upstream. Its keys are not: nothing that is sent here
//! carries a credential, but for the one that a proxy on the way wants.

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Uri, uri::Scheme};
use seawall_core::event::Phases;
use seawall_core::verdict::Fault;
use tokio::time::Instant;

use crate::build_error::BuildError;
use crate::connect::{Target, Wire};
use crate::peer::tls_config;
use crate::upstream::Upstream;

/// How to get to one address.
#[derive(Clone)]
pub struct Dialer {
    target: Target,
    host: HeaderValue,
    /// `http://host:port`, where a proxy needs the whole address.
    origin: Option<String>,
}

impl Dialer {
    /// The way to `settings.base`, by its proxy and its certificate authorities. Everything else in
    /// `settings` is left aside, its keys too.
    ///
    /// # Errors
    /// When it has no usable address or certificates.
    pub fn to(settings: &Upstream) -> Result<Dialer, BuildError> {
        let wrong = |why: &str| BuildError::new(format!("\"{}\": {why}", settings.name));
        let authority = settings.base.authority().ok_or_else(|| wrong("its address names no host"))?;
        let is_tls = match settings.base.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(wrong("its address is neither http nor https")),
        };
        let target = Target {
            host: authority.host().trim_matches(['[', ']']).to_string(),
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            tls: if is_tls { Some(tls_config(settings)?) } else { None },
            proxy: settings.proxy.clone(),
        };
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("its host is not a valid header"))?;
        let origin = (settings.proxy.is_some() && !is_tls).then(|| format!("http://{authority}"));
        Ok(Dialer { target, host, origin })
    }

    /// A connection, ready for HTTP, made before `until`.
    ///
    /// # Errors
    /// What went wrong, and how the system put it: for people, without secrets.
    pub async fn connect(&self, until: Instant) -> Result<Wire, (Fault, String)> {
        // Nobody asks how long it took: `until` stands for a beginning.
        self.target.connect(until, until, &mut Phases::default()).await
    }

    /// What to ask for over it, and the headers that lead there.
    #[must_use]
    pub fn aimed(&self, path: &PathAndQuery) -> (Uri, HeaderMap) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, self.host.clone());
        let whole = self.origin.as_ref().and_then(|origin| format!("{origin}{path}").parse().ok());
        if whole.is_some()
            && let Some(authorization) = self.target.proxy.as_ref().and_then(|proxy| proxy.authorization.clone())
        {
            headers.insert(header::PROXY_AUTHORIZATION, authorization);
        }
        (whole.unwrap_or_else(|| Uri::from(path.clone())), headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Proxy;
    use crate::upstream::Key;

    fn headers(base: &str, proxy: Option<Proxy>) -> (String, HeaderMap) {
        let mut settings = Upstream::at("page", base.parse().unwrap());
        settings.keys.push(Key::new(header::AUTHORIZATION, HeaderValue::from_static("Bearer own")));
        settings.proxy = proxy;
        let (uri, headers) = Dialer::to(&settings).unwrap().aimed(&PathAndQuery::from_static("/api?a=1"));
        (uri.to_string(), headers)
    }

    #[test]
    fn nothing_but_the_host_is_said_on_the_way() {
        for base in ["https://page.example/x", "http://page.example:8080"] {
            let (uri, headers) = headers(base, None);
            assert_eq!((uri.as_str(), headers.len()), ("/api?a=1", 1), "no key: {headers:?}");
        }
    }

    #[test]
    fn a_proxy_gets_its_own_credential_and_the_whole_address_of_what_is_not_encrypted() {
        let authorization = Some(HeaderValue::from_static("Basic x"));
        let proxy = Proxy { host: "proxy.example".into(), port: 3128, authorization };
        let (uri, plain) = headers("http://page.example:8080", Some(proxy.clone()));
        assert_eq!((uri.as_str(), plain.len()), ("http://page.example:8080/api?a=1", 2));
        let (uri, inside) = headers("https://page.example", Some(proxy));
        assert_eq!((uri.as_str(), inside.len()), ("/api?a=1", 1), "inside of a tunnel the proxy is not there");
    }
}
