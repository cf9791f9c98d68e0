//! Which status pages a gateway asks, and when: a task for each, owned by the gateway and ended with it.

use std::sync::Arc;
use std::time::Duration;

use seawall::{BuildError, Client, Settings};
use seawall_core::dice::Dice;
use seawall_core::plan::breaker::State;
use seawall_core::time::micros;
use tokio::task::JoinSet;

use super::through;
use crate::config::{Config, Poll, Roots, StatusPage, UpstreamConfig};
use crate::observe::status_page::board::{Board, Wanted};
use crate::observe::status_page::fetch::Site;
use crate::observe::status_page::poller;

/// How often the breakers are looked at to see whether a status page is wanted.
const BREAKERS_EVERY: Duration = Duration::from_secs(5);
/// A status page that was read before so many polls says nothing about now.
const FRESH_POLLS: i64 = 3;

/// The way to a status page. An upstream's own certificate authorities are trusted there too where the
/// page is on the same host; elsewhere the system's are.
pub(crate) fn site(page: &StatusPage, upstream: Option<&UpstreamConfig>) -> Result<Site, BuildError> {
    let roots = upstream.filter(|upstream| upstream.base.host() == page.url.host()).and_then(|u| u.roots.as_ref());
    let mut settings = Settings::new(page.shown(), page.url.clone());
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

/// A task for each page, and one that says when it is wanted.
pub(super) fn pollers(config: &Config, board: &Arc<Board>, client: &Client) -> Result<JoinSet<()>, BuildError> {
    let mut pollers = JoinSet::new();
    for (at, url) in board.urls().enumerate() {
        let mut of_upstreams = config.upstreams.iter().filter_map(|u| Some((u, u.status_page.as_ref()?)));
        let Some((upstream, page)) = of_upstreams.find(|(_, page)| page.shown() == url) else { continue };
        let site = Arc::new(site(page, Some(upstream))?);
        let seed = u64::try_from(seawall::unix_micros()).unwrap_or_default() ^ (u64::from(std::process::id()) << 32);
        let look = move |memory| {
            let site = Arc::clone(&site);
            async move { site.look(memory).await }
        };
        let every = config.status_page.every;
        pollers.spawn(poller::poll(Arc::clone(board), at, every, Dice::new(seed ^ at as u64), look));
    }
    if !pollers.is_empty() {
        let (names, client) = (client.upstream_names(), client.clone());
        pollers.spawn(watch_breakers(Arc::clone(board), names, move || client.breakers()));
    }
    Ok(pollers)
}

/// Wants the page of every upstream at which a breaker has left its rest. Who knows better when something
/// is wrong, such as an incident, says so to [`Board::watch`] in its place.
async fn watch_breakers(board: Arc<Board>, names: Vec<String>, breakers: impl Fn() -> Vec<(String, String, State)>) {
    loop {
        let breakers = breakers();
        for (at, name) in names.iter().enumerate() {
            let is_wrong = breakers.iter().any(|(upstream, _, state)| upstream == name && *state != State::Closed);
            board.watch(at, is_wrong);
        }
        tokio::time::sleep(BREAKERS_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_page_is_wanted_while_a_breaker_of_its_upstream_is_not_at_rest() {
        let upstreams = ["a", "b"].map(|name| (name.to_owned(), Some(format!("https://{name}.example"))));
        let board = Arc::new(Board::new(&upstreams, Wanted::Watched, 0));
        let states: Arc<Mutex<Vec<(String, String, State)>>> = Arc::default();
        let seen = Arc::clone(&states);
        let mut tasks = JoinSet::new();
        let names = vec!["a".to_owned(), "b".to_owned()];
        tasks.spawn(watch_breakers(Arc::clone(&board), names, move || seen.lock().unwrap().clone()));
        let watched = async |now: &[(&str, State)]| {
            let now = now.iter().map(|(name, state)| ((*name).to_owned(), "m".to_owned(), *state));
            *states.lock().unwrap() = now.collect();
            tokio::time::sleep(BREAKERS_EVERY + Duration::from_millis(1)).await;
            let posted = board.posted();
            [posted[0].is_watched, posted[1].is_watched]
        };
        assert_eq!(watched(&[]).await, [false, false]);
        assert_eq!(watched(&[("a", State::Closed), ("b", State::Guarded)]).await, [false, true]);
        assert_eq!(watched(&[("a", State::Closed), ("a", State::Open), ("b", State::Closed)]).await, [true, false]);
        assert_eq!(watched(&[("a", State::Closed)]).await, [false, false]);
    }
}
