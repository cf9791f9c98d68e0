//! Whether the gateway that runs takes requests, for those who watch it from outside: a container's health check.
//!
//! The configuration is not read. One that has become invalid since the gateway started is no reason to end a gateway
//! that serves.

use std::io::{self, Write};

use super::super::running::{Silence, is_ready};
use super::StatusArgs;
use crate::config::{self, Environment};
use crate::exit::{self, Exit};

/// Tells it; the exit code.
pub(super) async fn tell(
    args: &StatusArgs,
    env: &Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let data_dir = args.place.data_dir.clone().or_else(|| config::default_data_dir(env));
    let data_dir = data_dir.unwrap_or_default();
    let (code, why) = match is_ready(args.admin.as_ref(), &data_dir).await {
        Ok(address) => {
            writeln!(out, "ready: http://{}", address.trim_start_matches("http://"))?;
            return Ok(exit::OK);
        }
        Err(Silence::Status(503)) => (exit::FOUND, "the gateway is ending: it takes no new requests".to_owned()),
        Err(Silence::Status(status)) => (exit::CANNOT_START, format!("what answers there is no gateway: {status}")),
        Err(Silence::NoGateway) => (exit::CANNOT_START, "no gateway answers".to_owned()),
        Err(Silence::Trouble(why)) => (exit::CANNOT_START, format!("the gateway cannot be asked: {why}")),
    };
    writeln!(err, "error: {why}")?;
    if code == exit::CANNOT_START {
        writeln!(err, "hint: name its data directory with --data-dir, or its admin side with --admin")?;
    }
    Ok(code)
}
