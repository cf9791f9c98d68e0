//! Whether a gateway runs from this data directory, and what it says about itself.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, header};
use seawall::{Key, Upstream};

use super::check::{Check, State};
use super::probe::{self, Heard, Question};
use crate::config::Config;
use crate::data_dir::Serve;

/// A gateway on this machine answers within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// More than all its metrics are.
const METRICS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What was found.
pub(super) struct Running {
    pub(super) check: Check,
    /// Rows of the journal that were dropped, and failures told before they were on record.
    pub(super) counts: Option<(u64, u64)>,
}

/// Asks the gateway that announced itself; what it announced, if it is there.
pub(super) async fn gateway(config: &Config, serve: Option<Serve>) -> (Running, Option<Serve>) {
    let name = "gateway";
    let found = |state, says: String| Running { check: Check::new(name, state, says), counts: None };
    let Some(serve) = serve else {
        return (found(State::Skip, format!("none runs from {}", config.data_dir.display())), None);
    };
    let Some(base) = serve.admin.as_ref().and_then(|admin| format!("http://{admin}").parse().ok()) else {
        return (found(State::Skip, format!("pid {} says nothing of its admin side", serve.pid)), Some(serve));
    };
    let mut settings = Upstream::at("admin", base);
    if let Some(token) = &config.server.admin_token
        && let Ok(value) = HeaderValue::try_from(format!("Bearer {}", token.expose()))
    {
        settings.keys.push(Key::new(header::AUTHORIZATION, value));
    }
    let who = format!("pid {} at {}, since {}", serve.pid, serve.listen, serve.started);
    let mut running = match ask(&settings, "/readyz").await.and_then(|heard| heard.status) {
        Some(200) => found(State::Ok, format!("{who}, ready")),
        Some(status) => found(State::Warn, format!("{who}, not ready ({status}): it is draining, or starting")),
        None => {
            let mut gone = found(State::Warn, format!("{who}, does not answer: it was killed, or hangs"));
            gone.check = gone.check.hint("if no such process is there, the next `seawall serve` clears this up");
            return (gone, None);
        }
    };
    running.counts = ask(&settings, "/metrics").await.and_then(|heard| {
        let text = String::from_utf8_lossy(heard.body.as_deref()?).into_owned();
        Some((metric(&text, "seawall_journal_dropped_total")?, metric(&text, "seawall_journal_late_total")?))
    });
    (running, Some(serve))
}

async fn ask(settings: &Upstream, path: &'static str) -> Option<Heard> {
    let target = PathAndQuery::from_static(path);
    let (body, read_max) = (Bytes::new(), METRICS_BYTES_MAX);
    probe::ask(settings, Question { method: Method::GET, target, body, read_max, within: ANSWER_WITHIN }).await.ok()
}

/// The value of a metric without labels.
fn metric(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# TYPE a_total counter\na_total_more 7\na_total 3\n";
        assert_eq!((metric(text, "a_total"), metric(text, "b")), (Some(3), None));
    }
}
