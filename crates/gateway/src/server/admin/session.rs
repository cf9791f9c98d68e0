//! Who has signed in to the dashboard: a browser cannot send the admin token with every page, so it shows it once and
//! gets a cookie.
//!
//! The cookie holds chance and nothing of the token; it is worth something here alone, for [`SESSION_FOR`], until its
//! owner signs out, or until the process ends. Guessing is slow: after [`TRIES_MAX`] wrong tokens in a minute nobody signs in
//! until that minute is over. The token itself, sent as a header, is not held up by that.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// A browser stays signed in for this long at most.
pub(super) const SESSION_FOR: Duration = Duration::from_secs(12 * 3_600);
/// Browsers that are signed in at a time; one more, and the one that came first has to sign in again.
pub(super) const SESSIONS_MAX: usize = 64;
/// Wrong tokens within [`TRIES_WITHIN`], before nobody may try.
pub(super) const TRIES_MAX: u32 = 10;
/// See [`TRIES_MAX`].
pub(super) const TRIES_WITHIN: Duration = Duration::from_secs(60);
/// The cookie's name.
const COOKIE: &str = "seawall_admin";
/// Bytes of chance in a cookie: 256 bits.
const BYTES: usize = 32;

/// Who has signed in.
#[derive(Default)]
pub(super) struct Sessions {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The oldest first.
    open: Vec<Session>,
    tries: Option<Tries>,
}

struct Session {
    cookie: String,
    until: Instant,
}

/// Wrong tokens since a moment.
struct Tries {
    since: Instant,
    wrong: u32,
}

/// Why somebody may not sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotIn {
    /// It is not the token.
    Wrong,
    /// Too many wrong ones came; after so long one may try again.
    TooMany(Duration),
}

impl Sessions {
    /// Signs in whoever showed a token, `is_right` or not: the header that sets the cookie.
    pub(super) fn sign_in(&self, is_right: bool) -> Result<HeaderValue, NotIn> {
        let now = Instant::now();
        let mut state = self.lock();
        state.may_try(now)?;
        if !is_right {
            state.wrong(now);
            return Err(NotIn::Wrong);
        }
        let mut chance = [0; BYTES];
        // Without chance nobody signs in: a cookie that can be guessed would be worse.
        rand::fill(&mut chance).map_err(|_| NotIn::Wrong)?;
        let cookie = URL_SAFE_NO_PAD.encode(chance);
        state.open.retain(|session| session.until > now);
        if state.open.len() >= SESSIONS_MAX {
            state.open.remove(0);
        }
        let header = set_cookie(&cookie, SESSION_FOR.as_secs());
        state.open.push(Session { cookie, until: now + SESSION_FOR });
        Ok(header)
    }

    /// Whether a request with these headers comes from somebody who has signed in.
    pub(super) fn holds(&self, headers: &HeaderMap) -> bool {
        let Some(given) = cookie(headers) else { return false };
        let now = Instant::now();
        let is = |session: &Session| bool::from(session.cookie.as_bytes().ct_eq(given.as_bytes()));
        self.lock().open.iter().any(|session| session.until > now && is(session))
    }

    /// Signs out whoever sent these headers: the header that takes the cookie back.
    pub(super) fn sign_out(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(given) = cookie(headers) {
            self.lock().open.retain(|session| !bool::from(session.cookie.as_bytes().ct_eq(given.as_bytes())));
        }
        set_cookie("", 0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may_try(&mut self, now: Instant) -> Result<(), NotIn> {
        let Some(tries) = &self.tries else { return Ok(()) };
        let over = tries.since + TRIES_WITHIN;
        if over <= now {
            self.tries = None;
            return Ok(());
        }
        if tries.wrong >= TRIES_MAX { Err(NotIn::TooMany(over - now)) } else { Ok(()) }
    }

    fn wrong(&mut self, now: Instant) {
        self.tries.get_or_insert(Tries { since: now, wrong: 0 }).wrong += 1;
    }
}

/// The cookie that a browser sent, if it sent one.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE && !value.is_empty()).map(|(_, value)| value)
}

/// No script may read the cookie, and no other site may have a form sent with it; a link may lead here with it.
/// It is not for TLS alone, because this side speaks plain HTTP: beyond loopback something before it speaks TLS.
fn set_cookie(value: &str, seconds: u64) -> HeaderValue {
    let text = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}");
    HeaderValue::try_from(text).expect("base64 and digits")
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn sent(header: &HeaderValue) -> HeaderMap {
        let pair = header.to_str().unwrap().split(';').next().unwrap().to_owned();
        HeaderMap::from_iter([(header::COOKIE, format!("other=1; {pair}").parse().unwrap())])
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_shows_the_token_stays_in_until_the_end_or_until_signing_out() {
        let sessions = Sessions::default();
        let (first, second) = (sessions.sign_in(true).unwrap(), sessions.sign_in(true).unwrap());
        assert_ne!(first, second);
        let text = first.to_str().unwrap();
        assert!(text.contains("; HttpOnly; SameSite=Lax; Max-Age=43200") && text.contains("Path=/"), "{text}");
        assert!(sessions.holds(&sent(&first)) && sessions.holds(&sent(&second)));
        assert!(sessions.sign_out(&sent(&first)).to_str().unwrap().starts_with("seawall_admin=; "));
        assert!(!sessions.holds(&sent(&first)) && sessions.holds(&sent(&second)));
        advance(SESSION_FOR - Duration::from_secs(1)).await;
        assert!(sessions.holds(&sent(&second)));
        advance(Duration::from_secs(1)).await;
        assert!(!sessions.holds(&sent(&second)));
    }

    #[test]
    fn no_cookie_and_no_other_cookie_lets_anybody_in() {
        let sessions = Sessions::default();
        let right = sessions.sign_in(true).unwrap();
        let right = right.to_str().unwrap().split(';').next().unwrap().to_owned();
        for cookie in ["", "seawall_admin=", "seawall_admin", "seawall_admin=x", &right[..right.len() - 1]] {
            let headers = HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())]);
            assert!(!sessions.holds(&headers), "{cookie}");
        }
        assert!(!sessions.holds(&HeaderMap::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn after_too_many_wrong_tokens_not_even_the_right_one_is_looked_at_for_a_minute() {
        let sessions = Sessions::default();
        for _ in 0..TRIES_MAX {
            assert_eq!(sessions.sign_in(false), Err(NotIn::Wrong));
        }
        advance(Duration::from_secs(20)).await;
        assert_eq!(sessions.sign_in(true), Err(NotIn::TooMany(Duration::from_secs(40))));
        advance(Duration::from_secs(40)).await;
        assert!(sessions.sign_in(true).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_browser_too_many_takes_the_place_of_the_first() {
        let sessions = Sessions::default();
        let all: Vec<HeaderValue> = (0..=SESSIONS_MAX).map(|_| sessions.sign_in(true).unwrap()).collect();
        assert!(!sessions.holds(&sent(&all[0])) && sessions.holds(&sent(&all[1])));
        assert_eq!(sessions.lock().open.len(), SESSIONS_MAX);
    }
}
