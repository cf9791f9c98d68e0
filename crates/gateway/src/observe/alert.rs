//! One alert for an incident, with the evidence: told to whom the operator named, in the form that each understands.
//!
//! [`Alerts::tell`] takes a notice and returns at once; a task for each receiver delivers what waits for it,
//! in order, and tries again where that may help. No request of a caller waits for any of it, and
//! what cannot be delivered is counted. Nothing that is logged, counted or shown holds a credential: an
//! address of a receiver may be one.
//!
//! `notice` has the facts, `slack`, `pagerduty`, `alertmanager` and `webhook` their forms, `desk` what each receiver
//! knows and what waits for it, `courier` the task, and `super::post` the way.

mod alertmanager;
mod courier;
mod desk;
mod notice;
mod pagerduty;
#[cfg(test)]
pub(crate) mod samples;
mod slack;
mod webhook;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use schemars::JsonSchema;
use seawall::BuildError;
use seawall::proxy::Dialer;
use seawall_core::dice::Dice;
use seawall_core::incident::{Id, Severity};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use zeroize::Zeroizing;

pub(crate) use super::post::Refused;
use super::post::{self, POST_WITHIN, Post, Why};
use courier::{Counts, Sink};
use desk::{Desk, Item};
pub(crate) use notice::{Links, Notice, PageSays};

/// A receiver, and how to get there.
pub(crate) struct Settings {
    /// Its name in logs and metrics.
    pub(crate) name: String,
    /// In which form it wants to be told, with its credentials.
    pub(crate) form: Form,
    /// What matters less is not told.
    pub(crate) min_severity: Severity,
    /// Its address, proxy and certificate authorities. Keys in it are left aside.
    pub(crate) way: seawall::Upstream,
}

/// The form that a receiver wants to be told in. It holds credentials, so it cannot be printed.
pub(crate) enum Form {
    /// An incoming webhook of Slack.
    Slack,
    /// PagerDuty's Events API v2.
    Pagerduty {
        /// The integration key of a service.
        routing_key: Zeroizing<String>,
    },
    /// Alertmanager's API v2.
    Alertmanager {
        /// The header that it wants, if any.
        authorization: Option<HeaderValue>,
        /// How often it hears of an open incident.
        remind_every: Duration,
    },
    /// Standard Webhooks.
    Webhook {
        /// Each signs: a receiver takes any that it knows.
        keys: Vec<Zeroizing<Vec<u8>>>,
    },
}

impl Form {
    /// Its word in the configuration.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Form::Slack => "slack",
            Form::Pagerduty { .. } => "pagerduty",
            Form::Alertmanager { .. } => "alertmanager",
            Form::Webhook { .. } => "webhook",
        }
    }

    /// Whether an incident ends there by itself if it is not told of again.
    fn forgets(&self) -> bool {
        matches!(self, Form::Alertmanager { .. })
    }

    /// Whether the end of an incident that it never heard of says nothing there.
    fn ends_in_silence(&self) -> bool {
        matches!(self, Form::Pagerduty { .. } | Form::Alertmanager { .. })
    }
}

/// How every receiver stands.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Receivers")]
pub(crate) struct States {
    /// The receivers, in the order of the configuration.
    pub(crate) receivers: Vec<State>,
}

/// How a receiver stands, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Receiver")]
pub(crate) struct State {
    /// Its name.
    pub(crate) sink: String,
    /// Its kind.
    pub(crate) kind: &'static str,
    /// Notices that it took.
    pub(crate) sent: u64,
    /// Notices that it refused, or that were given up.
    pub(crate) failed: u64,
    /// Notices that were not sent because there were too many, or no time.
    pub(crate) dropped: u64,
    /// Notices that wait.
    pub(crate) queued: usize,
    /// Why the latest attempt that failed did.
    pub(crate) last_error: Option<String>,
    /// Since when nothing arrives; `None` if the latest attempt succeeded.
    pub(crate) failing_since: Option<String>,
}

/// Everybody who is told. See the module of the same name.
pub(crate) struct Alerts {
    sinks: Vec<Arc<Sink>>,
    counts: Family<Labels, Counter>,
    tasks: Mutex<JoinSet<()>>,
    closing: watch::Sender<bool>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    sink: String,
    result: &'static str,
}

impl Alerts {
    /// A task for each receiver. They end with this, or with [`Alerts::close`].
    ///
    /// # Errors
    /// When the address or the certificates of a receiver cannot be used.
    pub(crate) fn start(receivers: Vec<Settings>, links: &Links) -> Result<Alerts, BuildError> {
        let (closing, _) = watch::channel(false);
        let alerts = Alerts { sinks: Vec::new(), counts: Family::default(), tasks: Mutex::default(), closing };
        receivers.into_iter().try_fold(alerts, |mut alerts, settings| {
            let count = |result| alerts.counts.get_or_create(&Labels { sink: settings.name.clone(), result }).clone();
            let counts = Counts { sent: count("sent"), failed: count("failed"), dropped: count("dropped") };
            let desk = Desk::new(settings.min_severity, settings.form.ends_in_silence());
            let sink = Arc::new(Sink::new(settings.name.clone(), &settings.form, desk, counts));
            let receiver = Arc::new(Receiver::new(settings, links.clone())?);
            let post = move |item: Item| {
                let receiver = Arc::clone(&receiver);
                async move { receiver.post(&item).await }
            };
            // Replicas that lose the same receiver must not come back in step.
            let seed = u64::try_from(seawall::proxy::unix_micros()).unwrap_or_default()
                ^ (u64::from(std::process::id()) << 32);
            let dice = Dice::new(seed ^ alerts.sinks.len() as u64);
            let tasks = alerts.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
            tasks.spawn(courier::run(Arc::clone(&sink), alerts.closing.subscribe(), dice, post));
            alerts.sinks.push(sink);
            Ok(alerts)
        })
    }

    /// Makes the numbers known.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let said =
            "Notices of incidents by what became of them: sent, failed (refused, or given up), dropped (too many)";
        registry.register("alerts", said, self.counts.clone());
    }

    /// Tells everybody whom it concerns. Never waits; nothing is told of an event that is under another.
    pub(crate) fn tell(&self, notice: Notice) {
        if notice.event.under.is_some() || self.sinks.is_empty() {
            return;
        }
        let notice = Arc::new(notice);
        let concerned = self.sinks.iter().filter(|sink| !notice.is_known || sink.forgets());
        concerned.for_each(|sink| sink.tell(&notice));
    }

    /// An incident that was open when the process before this one ended. To receivers of these names it was told;
    /// the others are told of it by `notice` now. To be said before anything is told.
    pub(crate) fn resume(&self, notice: Notice, told: &[String]) {
        if notice.event.under.is_some() {
            return;
        }
        let notice = Arc::new(notice);
        for sink in &self.sinks {
            if told.iter().any(|name| *name == sink.name()) {
                sink.resume(&notice.event);
            } else {
                sink.tell(&notice);
            }
        }
    }

    /// The receivers that know of an incident, by name.
    pub(crate) fn who_know(&self, incident: &Id) -> Vec<String> {
        let know = self.sinks.iter().filter(|sink| sink.knows(incident));
        know.map(|sink| sink.name().to_owned()).collect()
    }

    /// How each receiver stands, in the order of the configuration.
    pub(crate) fn states(&self) -> Vec<State> {
        self.sinks.iter().map(|sink| sink.state()).collect()
    }

    /// Delivers what waits, each receiver's until its first failure, for at most `within`; what remains is
    /// counted and told in the log. What is told afterwards is not delivered.
    pub(crate) async fn close(&self, within: Duration) {
        self.closing.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // Whoever is not done by then is not waited for.
        let _ = timeout(within, async { while tasks.join_next().await.is_some() {} }).await;
        tasks.shutdown().await;
        self.sinks.iter().for_each(|sink| sink.abandon());
    }
}

/// Tells one receiver one thing, once: the status of its answer.
///
/// # Errors
/// When it has not taken it, or cannot be spoken to as configured.
pub(crate) async fn try_once(settings: Settings, notice: Notice, links: &Links) -> Result<StatusCode, Refused> {
    let receiver = Receiver::new(settings, links.clone());
    let receiver = receiver.map_err(|error| Refused::from(Why::Connect(error.to_string())))?;
    let what = notice.event.what;
    let item = Item { notice: Arc::new(notice), what, since: tokio::time::Instant::now(), before: None };
    timeout(POST_WITHIN, receiver.post(&item)).await.unwrap_or(Err(Why::Late.into()))
}

/// A receiver, ready to be spoken to.
struct Receiver {
    form: Form,
    path: PathAndQuery,
    dialer: Dialer,
    links: Links,
}

impl Receiver {
    fn new(settings: Settings, links: Links) -> Result<Receiver, BuildError> {
        let dialer = Dialer::to(&settings.way)?;
        let base = &settings.way.base;
        let path = match settings.form {
            Form::Alertmanager { .. } => {
                let path = format!("{}{}", base.path().trim_end_matches('/'), alertmanager::PATH);
                path.parse().unwrap_or_else(|_| PathAndQuery::from_static(alertmanager::PATH))
            }
            _ => base.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
        };
        Ok(Receiver { form: settings.form, path, dialer, links })
    }

    async fn post(&self, item: &Item) -> Result<StatusCode, Refused> {
        post::send(&self.dialer, self.written(item, seawall::proxy::unix_micros())).await
    }

    /// What is sent at `now`, in microseconds since the Unix epoch.
    fn written(&self, item: &Item, now: i64) -> Post {
        let (notice, what, links) = (&*item.notice, item.what, &self.links);
        let mut headers = HeaderMap::new();
        let body = match &self.form {
            Form::Slack => slack::message(notice, what, links),
            Form::Pagerduty { routing_key } => pagerduty::event(notice, what, links, routing_key),
            Form::Alertmanager { authorization, remind_every } => {
                headers.extend(authorization.clone().map(|value| (header::AUTHORIZATION, value)));
                alertmanager::alerts(notice, what, links, item.before, *remind_every, now)
            }
            Form::Webhook { .. } => webhook::body(notice, what, links),
        };
        let body = Bytes::from(body.to_string());
        if let Form::Webhook { keys } = &self.form {
            headers = webhook::headers(&webhook::id(notice, what), now.div_euclid(1_000_000), &body, keys);
        }
        Post { path: self.path.clone(), headers, body }
    }
}

#[cfg(test)]
mod tests;
