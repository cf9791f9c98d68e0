//! The gateway that runs from a data directory, asked on its admin side.
//!
//! It is found by what it wrote there about itself. One that is gone, or that hangs, is no reason to wait.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, header};
use seawall::{Dialer, Settings};
use tokio::time::timeout;

use crate::config::Config;
use crate::data_dir;
use crate::observe::status_page::fetch::{self, Answer, Trouble};

/// A gateway on this machine answers within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// No gateway announced itself there, or it is gone.
    NoGateway,
    /// It answers with another status than 200.
    Status(u16),
    /// It does not answer, or not with JSON.
    Trouble(String),
}

/// Asks the gateway that announced itself in the data directory; what it says, as JSON.
pub(super) async fn ask(config: &Config, method: Method, path: &str) -> Result<Bytes, Silence> {
    let announced = data_dir::announced(&config.data_dir).and_then(|serve| serve.admin);
    let admin = announced.ok_or(Silence::NoGateway)?;
    let trouble = |why: &dyn std::fmt::Display| Silence::Trouble(why.to_string());
    let base = format!("http://{admin}").parse().map_err(|error| trouble(&error))?;
    let dialer = Dialer::to(&Settings::new("admin", base)).map_err(|error| trouble(&error))?;
    let token = config.server.admin_token.as_ref().and_then(|token| {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
        value.set_sensitive(true);
        Some((header::AUTHORIZATION, value))
    });
    let path = PathAndQuery::try_from(path).map_err(|error| trouble(&error))?;
    match timeout(ANSWER_WITHIN, fetch::ask(&dialer, method, &path, token)).await {
        Ok(Ok(Answer::Body(body, _))) => Ok(body),
        Ok(Ok(Answer::Unchanged)) => Err(Silence::Status(304)),
        Ok(Err(Trouble::Status(status))) => Err(Silence::Status(status)),
        Ok(Err(Trouble::Connect(_))) => Err(Silence::NoGateway),
        Ok(Err(why)) => Err(trouble(&why)),
        Err(_) => Err(trouble(&"it has not answered within 2 s")),
    }
}
