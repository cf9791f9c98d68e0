//! Where the examples send their requests: to the API that the environment names or, without one, to an upstream in this
//! process that misbehaves as it is told to.

#![expect(clippy::disallowed_methods, reason = "an example is a program: where it sends to, its environment says")]

use std::error::Error;

use seawall::Upstream;
use seawall_chaos::{Running, Server, Settings};

/// The upstream of `OPENAI_API_KEY` and, if it is set, `OPENAI_BASE_URL`; if neither is, one that does what `misdeeds` say
/// (`seawall chaos --help` has the words), for as long as the second part is kept.
pub(crate) async fn or_chaos(misdeeds: &str) -> Result<(Upstream, Option<Running>), Box<dyn Error>> {
    let said = |name| std::env::var(name).ok();
    if let (None, None) = (said("OPENAI_BASE_URL"), said("OPENAI_API_KEY")) {
        let chaos = Server::start(Settings::from_toml(misdeeds)?).await?;
        return Ok((Upstream::new(&format!("{}/v1", chaos.url()))?.name("chaos"), Some(chaos)));
    }
    let upstream = said("OPENAI_BASE_URL").map_or_else(|| Ok(Upstream::openai()), |url| Upstream::new(&url))?;
    Ok((said("OPENAI_API_KEY").map_or_else(|| Ok(upstream.clone()), |key| upstream.clone().key(&key))?, None))
}
