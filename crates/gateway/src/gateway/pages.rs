//! Which status pages a gateway asks, and when: a task for each, owned by the gateway and ended with it.

use std::sync::Arc;

use seawall::{BuildError, Upstream};
use seawall_core::dice::Dice;
use seawall_core::time::micros;
use tokio::task::JoinSet;

use super::through;
use crate::config::{Config, Poll, Roots, StatusPage, UpstreamConfig};
use crate::observe::status_page::board::{Board, Wanted};
use crate::observe::status_page::fetch::Site;
use crate::observe::status_page::poller;

/// A status page that was read before so many polls says nothing about now.
const FRESH_POLLS: i64 = 3;

/// The way to a status page. An upstream's own certificate authorities are trusted there too where the
/// page is on the same host; elsewhere the system's are.
pub(crate) fn site(page: &StatusPage, upstream: Option<&UpstreamConfig>) -> Result<Site, BuildError> {
    let roots = upstream.filter(|upstream| upstream.base.host() == page.url.host()).and_then(|u| u.roots.as_ref());
    let mut settings = Upstream::at(page.shown(), page.url.clone());
    settings.proxy = page.proxy.as_ref().map(through);
    settings.roots_pem = roots.map(|Roots { pem, .. }| pem.clone());
    Site::new(&settings)
}

pub(super) fn board(config: &Config) -> Board {
    let poll = config.status_page.poll;
    let page =
        |upstream: &UpstreamConfig| upstream.status_page.as_ref().filter(|_| poll != Poll::Off).map(StatusPage::shown);
    let upstreams: Vec<_> = config.upstreams.iter().map(|upstream| (upstream.name.clone(), page(upstream))).collect();
    let wanted = if poll == Poll::Always { Wanted::Always } else { Wanted::Watched };
    let fresh = i64::try_from(micros(config.status_page.every)).unwrap_or(i64::MAX).saturating_mul(FRESH_POLLS);
    Board::new(&upstreams, wanted, fresh)
}

/// A task for each page.
pub(super) fn pollers(config: &Config, board: &Arc<Board>) -> Result<JoinSet<()>, BuildError> {
    let mut pollers = JoinSet::new();
    for (at, url) in board.urls().enumerate() {
        let mut of_upstreams = config.upstreams.iter().filter_map(|u| Some((u, u.status_page.as_ref()?)));
        let Some((upstream, page)) = of_upstreams.find(|(_, page)| page.shown() == url) else { continue };
        let site = Arc::new(site(page, Some(upstream))?);
        let seed =
            u64::try_from(seawall::proxy::unix_micros()).unwrap_or_default() ^ (u64::from(std::process::id()) << 32);
        let look = move |memory| {
            let site = Arc::clone(&site);
            async move { site.look(memory).await }
        };
        let every = config.status_page.every;
        pollers.spawn(poller::poll(Arc::clone(board), at, every, Dice::new(seed ^ at as u64), look));
    }
    Ok(pollers)
}
