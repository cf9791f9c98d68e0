//! The gateway that runs from a data directory, asked on its admin side.
//!
//! It is found by what it wrote there about itself, or by the address that somebody names. One that is gone, or that
//! hangs, is no reason to wait: whoever asks says for how long.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use seawall::Upstream;
use seawall::proxy::Dialer;
use tokio::time::timeout;

use crate::config::{Config, Secret};
use crate::data_dir;
use crate::observe::status_page::fetch::{self, Answer, Line, Trouble};

#[cfg(feature = "tui")]
pub(super) mod listen;

/// A gateway on this machine answers within this time.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Silence {
    /// No gateway announced itself there, or it is gone.
    NoGateway,
    /// It answers with another status than 200.
    Status(u16),
    /// It does not answer, or not as it should.
    Trouble(String),
}

/// A gateway's admin side, and how to ask it.
#[derive(Clone)]
pub(super) struct Admin {
    /// Where it is, as it was announced or named.
    pub(super) address: String,
    dialer: Dialer,
    /// `Authorization`, where the configuration has an admin token.
    token: Option<HeaderValue>,
}

/// An admin side that somebody named.
#[derive(Debug, Clone)]
pub(super) struct Address {
    base: Uri,
    /// As it was typed.
    pub(super) typed: String,
}

impl Address {
    /// `HOST:PORT`, or such a one behind `http://` or `https://`.
    pub(super) fn parse(typed: &str) -> Result<Address, String> {
        let base = base(typed).ok_or("a host and a port are wanted, such as 127.0.0.1:7501")?;
        Ok(Address { base, typed: typed.to_owned() })
    }
}

/// Asks the gateway that was named or, without one, that announced itself in the data directory; what it says, as JSON.
pub(super) async fn ask(
    named: Option<&Address>,
    config: &Config,
    method: Method,
    path: &str,
) -> Result<Bytes, Silence> {
    Admin::of(named, config)?.ask(method, path, ANSWER_WITHIN).await
}

/// Whether the gateway that was named or, without one, that announced itself in `data_dir` takes requests: its address.
/// Neither a configuration nor a token is needed to ask that.
pub(super) async fn is_ready(named: Option<&Address>, data_dir: &Path) -> Result<String, Silence> {
    let admin = match named {
        Some(address) => Admin::at(address.base.clone(), address.typed.clone(), None)?,
        None => Admin::announced(data_dir, None)?,
    };
    let path = PathAndQuery::from_static("/readyz");
    let send = Line::send(&admin.dialer, Method::GET, &path, "text/plain", None);
    match timeout(ANSWER_WITHIN, send).await {
        Ok(Ok((response, _))) if response.status() == StatusCode::OK => Ok(admin.address),
        Ok(Ok((response, _))) => Err(Silence::Status(response.status().as_u16())),
        Ok(Err(why)) => Err(why.into()),
        Err(_) => Err(late(ANSWER_WITHIN)),
    }
}

impl Admin {
    /// The one that was named or, without one, that announced itself in the data directory.
    pub(super) fn of(named: Option<&Address>, config: &Config) -> Result<Admin, Silence> {
        let token = config.server.admin_token.as_ref();
        match named {
            Some(address) => Admin::at(address.base.clone(), address.typed.clone(), token),
            None => Admin::announced(&config.data_dir, token),
        }
    }

    /// The one that announced itself in the data directory.
    fn announced(data_dir: &Path, token: Option<&Secret>) -> Result<Admin, Silence> {
        let announced = data_dir::announced(data_dir).and_then(|serve| serve.admin);
        let address = announced.ok_or(Silence::NoGateway)?;
        let base = base(&address).ok_or_else(|| trouble(&"it announced no address that can be asked"))?;
        Admin::at(base, address, token)
    }

    /// The one at an address that [`base`] took.
    fn at(base: Uri, address: String, token: Option<&Secret>) -> Result<Admin, Silence> {
        let dialer = Dialer::to(&Upstream::at("admin", base)).map_err(|error| trouble(&error))?;
        let token = token.and_then(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Ok(Admin { address, dialer, token })
    }

    /// What it says there, as JSON.
    pub(super) async fn ask(&self, method: Method, path: &str, within: Duration) -> Result<Bytes, Silence> {
        let path = PathAndQuery::try_from(path).map_err(|error| trouble(&error))?;
        let token = self.token.clone().map(|token| (header::AUTHORIZATION, token));
        match timeout(within, fetch::ask(&self.dialer, method, &path, token)).await {
            Ok(Ok(Answer::Body(body, _))) => Ok(body),
            Ok(Ok(Answer::Unchanged)) => Err(Silence::Status(304)),
            Ok(Err(why)) => Err(why.into()),
            Err(_) => Err(late(within)),
        }
    }
}

/// `HOST:PORT`, or such a one behind `http://` or `https://`, as an address to ask.
fn base(address: &str) -> Option<Uri> {
    let uri: Uri = if address.contains("://") { address.parse() } else { format!("http://{address}").parse() }.ok()?;
    let is_http = uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    let has_port = uri.authority().and_then(Authority::port_u16).is_some();
    let is_bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    (is_http && has_port && is_bare && !has_user).then_some(uri)
}

impl From<Trouble> for Silence {
    fn from(why: Trouble) -> Silence {
        match why {
            Trouble::Status(status) => Silence::Status(status),
            Trouble::Connect(_) => Silence::NoGateway,
            why => trouble(&why),
        }
    }
}

fn trouble(why: &dyn std::fmt::Display) -> Silence {
    Silence::Trouble(why.to_string())
}

fn late(within: Duration) -> Silence {
    trouble(&format_args!("it has not answered within {} s", within.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (address, shown) in [
            ("127.0.0.1:7501", Some("http://127.0.0.1:7501/")),
            ("localhost:7501", Some("http://localhost:7501/")),
            ("[::1]:7501", Some("http://[::1]:7501/")),
            ("http://seawall.internal:7501/", Some("http://seawall.internal:7501/")),
            ("https://seawall.internal:443", Some("https://seawall.internal:443/")),
            ("7501", None),
            ("127.0.0.1", None),
            ("ftp://127.0.0.1:7501", None),
            ("user:secret@127.0.0.1:7501", None),
            ("127.0.0.1:7501/api", None),
            ("127.0.0.1:99999", None),
            ("", None),
        ] {
            assert_eq!(base(address).map(|uri| uri.to_string()).as_deref(), shown, "{address}");
        }
    }
}
