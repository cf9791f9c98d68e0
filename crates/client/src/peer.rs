//! One upstream, ready to be spoken to: its address, its keys, its connections.
//!
//! The host, the key and the path's beginning come from here alone. A request can choose none of
//! them: not by a header, not by its body, not by its path.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{self, HeaderName};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Uri};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::build_error::BuildError;
use crate::connect::Target;
use crate::handshake;
use crate::pool::Pool;
use crate::upstream::{Key, Upstream};

/// What a caller's credentials may come in: all of it goes when the upstream has its own key.
const CREDENTIALS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    header::COOKIE,
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
];

/// An upstream, ready to be spoken to.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) name_value: HeaderValue,
    pub(crate) pool: Pool,
    is_tls: bool,
    host: HeaderValue,
    /// `http://host:port`, where a forward proxy needs the whole address.
    origin: Option<String>,
    /// The path's beginning, without a slash at its end.
    prefix: String,
    query: Option<String>,
    keys: Vec<Key>,
    proxy_authorization: Option<HeaderValue>,
}

impl Peer {
    pub(crate) fn build(settings: Upstream) -> Result<Peer, BuildError> {
        let wrong = |why: &str| BuildError::new(format!("upstream \"{}\": {why}", settings.name));
        let base = settings.base.clone().into_parts();
        let authority = base.authority.ok_or_else(|| wrong("its base_url names no host"))?;
        let is_tls = match base.scheme {
            Some(scheme) if scheme == Scheme::HTTPS => true,
            Some(scheme) if scheme == Scheme::HTTP => false,
            _ => return Err(wrong("its base_url is neither http nor https")),
        };
        let tls = if is_tls { Some(tls_config(&settings)?) } else { None };
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("its host is not a valid header"))?;
        let path = base.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let target = Target {
            host: authority.host().trim_matches(['[', ']']).to_string(),
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            tls,
            proxy: settings.proxy.clone(),
        };
        let is_absolute = settings.proxy.is_some() && !is_tls;
        Ok(Peer {
            name_value: HeaderValue::from_str(&settings.name).map_err(|_| wrong("its name is not a valid header"))?,
            name: settings.name,
            pool: Pool::new(target),
            is_tls,
            host,
            origin: is_absolute.then(|| format!("http://{authority}")),
            prefix: path.path().trim_end_matches('/').to_string(),
            query: path.query().map(ToString::to_string),
            keys: settings.keys,
            proxy_authorization: if is_absolute { settings.proxy.and_then(|p| p.authorization) } else { None },
        })
    }

    /// The address of the caller's `path` here. `/v1` at its beginning stands for the base path.
    pub(crate) fn uri(&self, asked: &PathAndQuery) -> Option<Uri> {
        let path = asked.path();
        let rest = match path.strip_prefix("/v1") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => path,
        };
        let unchanged = self.origin.is_none() && self.query.is_none() && self.keys.is_empty();
        if unchanged && self.prefix == "/v1" && rest.len() != path.len() {
            return Some(Uri::from(asked.clone()));
        }
        let query = merge(self.query.as_deref(), asked.query(), !self.keys.is_empty());
        let mut whole = BytesMut::with_capacity(self.prefix.len() + asked.as_str().len() + 64);
        whole.put_slice(self.origin.as_deref().unwrap_or_default().as_bytes());
        whole.put_slice(self.prefix.as_bytes());
        whole.put_slice(rest.as_bytes());
        if self.prefix.is_empty() && rest.is_empty() {
            whole.put_u8(b'/');
        }
        if !query.is_empty() {
            whole.put_u8(b'?');
            whole.put_slice(query.as_bytes());
        }
        Uri::from_maybe_shared(Bytes::from(whole)).ok()
    }

    /// Whether it is sent a key of its own.
    pub(crate) fn has_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Scheme and authority: what tells it from another host.
    pub(crate) fn place(&self) -> (bool, &HeaderValue) {
        (self.is_tls, &self.host)
    }

    /// If `uri` is an address here (scheme, host, port, and the path's beginning), the rest of its path.
    #[cfg(feature = "tower")]
    pub(crate) fn rest_of<'a>(&self, uri: &'a Uri) -> Option<&'a str> {
        let (host, scheme) = uri.host().zip(uri.scheme())?;
        let is_tls = *scheme == Scheme::HTTPS;
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let is_here = is_tls == self.is_tls && self.pool.is_of(host.trim_matches(['[', ']']), port);
        let rest = uri.path().strip_prefix(self.prefix.as_str())?;
        (is_here && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
    }

    /// Its keys, as they go over the wire: never to be written down.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        self.keys.iter().filter_map(|key| key.value().to_str().ok()).collect()
    }

    /// Makes `headers`, already freed of what concerns the caller's connection, fit for here, with
    /// the key of this number.
    pub(crate) fn sign(&self, headers: &mut HeaderMap, key: usize) {
        headers.insert(header::HOST, self.host.clone());
        if let Some(key) = self.keys.get(key).or(self.keys.first()) {
            for name in &CREDENTIALS {
                headers.remove(name);
            }
            handshake::strip_credentials(headers);
            headers.insert(key.header.clone(), key.value().clone());
        }
        if let Some(authorization) = &self.proxy_authorization {
            headers.insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
    }
}

/// The upstream's query and the caller's, whose parameters of the same name give way; with a key
/// of the upstream's own, the caller's `key` and `api-key` parameters are left out.
fn merge(own: Option<&str>, asked: Option<&str>, strips_keys: bool) -> String {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_string();
    let own_names: Vec<String> = own.iter().flat_map(|q| q.split('&')).map(name).collect();
    let mut pairs: Vec<&str> = own.iter().flat_map(|q| q.split('&')).filter(|p| !p.is_empty()).collect();
    for pair in asked.iter().flat_map(|q| q.split('&')).filter(|p| !p.is_empty()) {
        let name = name(pair);
        let is_key = strips_keys && (name.eq_ignore_ascii_case("key") || name.eq_ignore_ascii_case("api-key"));
        if !is_key && !own_names.contains(&name) {
            pairs.push(pair);
        }
    }
    pairs.join("&")
}

/// TLS with the system's trust, or with the upstream's own; HTTP/1.1 only.
pub(crate) fn tls_config(settings: &Upstream) -> Result<Arc<ClientConfig>, BuildError> {
    let wrong = |why: String| BuildError::new(format!("upstream \"{}\": {why}", settings.name));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(format!("TLS: {e}")))?;
    let mut config = match &settings.roots_pem {
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| wrong(format!("its certificate authorities: {e}")))?;
                roots.add(certificate).map_err(|e| wrong(format!("its certificate authorities: {e}")))?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        None => {
            let verifier = Verifier::new(provider).map_err(|e| wrong(format!("no trusted certificates: {e}")))?;
            // "Dangerous" is rustls' word for any verifier but its own; this is the system's.
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(base: &str, key: Option<&str>) -> Peer {
        let mut upstream = Upstream::at("u", base.parse().unwrap());
        upstream.keys =
            key.iter().map(|k| Key::new(header::AUTHORIZATION, HeaderValue::from_str(k).unwrap())).collect();
        Peer::build(upstream).unwrap()
    }

    fn uri(upstream: &Peer, asked: &'static str) -> String {
        upstream.uri(&PathAndQuery::from_static(asked)).unwrap().to_string()
    }

    #[test]
    fn a_path_with_or_without_v1_lands_under_the_base() {
        for base in ["http://h/v1", "http://h/v1/"] {
            let upstream = upstream(base, None);
            assert_eq!(uri(&upstream, "/v1/chat/completions?a=1"), "/v1/chat/completions?a=1");
            assert_eq!(uri(&upstream, "/chat/completions"), "/v1/chat/completions");
            assert_eq!(uri(&upstream, "/v1"), "/v1");
            assert_eq!(uri(&upstream, "/v1beta/x"), "/v1/v1beta/x");
        }
        assert_eq!(uri(&upstream("http://h", None), "/v1/models"), "/models");
        assert_eq!(uri(&upstream("http://h", None), "/v1"), "/");
        assert_eq!(uri(&upstream("http://h/openai", None), "/v1/models"), "/openai/models");
    }

    #[test]
    fn the_upstreams_query_wins_over_the_callers() {
        let azure = upstream("http://h/openai?api-version=2025", None);
        assert_eq!(uri(&azure, "/v1/models?api-version=1999&x=2"), "/openai/models?api-version=2025&x=2");
    }

    #[test]
    fn a_callers_key_in_the_query_does_not_reach_an_upstream_with_its_own() {
        let own = upstream("http://h/v1", Some("Bearer own"));
        assert_eq!(uri(&own, "/v1/models?key=stolen&api-key=too&x=2"), "/v1/models?x=2");
        assert_eq!(uri(&upstream("http://h/v1", None), "/v1/models?key=mine"), "/v1/models?key=mine");
    }

    #[test]
    fn a_callers_credentials_do_not_reach_an_upstream_with_its_own() {
        let mut headers = HeaderMap::new();
        for name in &CREDENTIALS {
            headers.insert(name.clone(), HeaderValue::from_static("the caller's"));
        }
        let offered = HeaderValue::from_static("openai-insecure-api-key.the-callers");
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offered);
        upstream("http://h/v1", Some("Bearer own")).sign(&mut headers, 0);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers[header::AUTHORIZATION], "Bearer own");
        assert!(headers[header::AUTHORIZATION].is_sensitive());
        assert_eq!(headers[header::HOST], "h");
    }
}
