//! The configuration as a person writes it: one struct per table, one field per key.
//!
//! This is the only list of keys. The schema, the check for unknown keys and the commented example
//! of `config init` are made from it, its doc comments included: they are written for whoever
//! edits the file. Nothing here is checked yet; the way to a [`super::Config`] leads through
//! [`super::check`].

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use seawall_core::incident::{
    CONSECUTIVE_MAX, CONSECUTIVE_MIN, FAILURES_MIN_LEAST, FAILURES_MIN_MOST, RATE_HIGHEST, RATE_LOWEST, Severity,
};
use seawall_core::plan::backoff::Jitter;
use seawall_core::plan::policy::{Commit, OnBreak, Preset, ToolsPolicy};
use seawall_core::plan::upgrade::Upgrade;
use seawall_core::verdict::Class;

use super::item::Item;
use super::kind::{
    Address, BaseUrl, Count, Credential, File, FirstContentLimit, Flag, Fraction, Name, OneOf, Plain, Proxied, Size,
    StatusPageAt, TOKEN_BYTES_MIN, Wait, Weight,
};
use super::list::{Credentials, ModelMap, ModelNames, Patterns, UpstreamNames};
use super::telemetry::{Attribute, Collector, Headers};
use super::{AlertKind, JournalSync, LogFormat, LogLevel, Poll, Profile, Propagation, UpstreamAuth};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The most attempts per request, the first included.
pub(super) const ATTEMPTS_MAX: u32 = 20;
/// The most connections and requests at a time.
const OPEN_MAX: u32 = 1_000_000;
/// The most retries that the budget can start with.
const BUDGET_START_MAX: u32 = 10_000;
/// The largest priority of an upstream.
const PRIORITY_MAX: u32 = 1_000;
/// The largest weight of an upstream.
const WEIGHT_MAX: u32 = 1_000;
/// The longest run of failures that a breaker can wait for: it remembers each of them.
const STREAK_MAX: u32 = 100;
/// The most requests that a breaker can want to see before a rate counts.
const WINDOW_REQUESTS_MAX: u32 = 1_000_000;
/// The most probes at a time.
const PROBES_MAX: u32 = 1_000;
/// The budget counts in thousandths of a retry.
pub(super) const BUDGET_PARTS: u32 = 1_000;
/// The purse for hedges counts in thousandths of a hedge.
pub(super) const HEDGE_PARTS: u32 = 1_000;
/// A rate of failures counts in thousandths.
pub(super) const RATE_PARTS: u32 = 1_000;
/// Samples are taken in millionths: a busy gateway wants one in a hundred thousand.
pub(super) const SAMPLE_PARTS: u32 = 1_000_000;

/// The configuration of a Seawall gateway.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "seawall.toml")]
pub(super) struct Written {
    /// Whether someone waits for the answer: "interactive" fails fast, "batch" waits up to 90 s for an upstream that is down.
    pub(super) profile: Item<OneOf<Profile>>,
    /// The doors of the gateway, and how much it takes in.
    pub(super) server: Server,
    /// Where requests go. Several are asked in the order of their priority.
    #[schemars(with = "Vec<Upstream>")]
    pub(super) upstream: Vec<Spanned<Upstream>>,
    /// Where requests for some models go, instead of to every upstream that serves them. The first that fits is taken.
    #[schemars(with = "Vec<Route>")]
    pub(super) route: Vec<Spanned<Route>>,
    /// How often and how soon a failed attempt is made again.
    pub(super) retry: Retry,
    /// How many extra attempts all requests together may spend, so that an outage is not made worse.
    pub(super) budget: Budget,
    /// When to stop asking an upstream for a model, and how to come back.
    pub(super) breaker: Breaker,
    /// A second attempt beside one that is silent for too long. The first content wins.
    pub(super) hedge: Hedge,
    /// Waiting for an upstream that is down, in a queue that is let out slowly.
    pub(super) wait: Queue,
    /// How streams are passed on.
    pub(super) stream: Stream,
    /// An answer that is still being generated when its caller leaves.
    pub(super) adopt: Adopt,
    pub(super) diagnose: Diagnose,
    /// How long to wait for what.
    pub(super) timeout: Timeout,
    /// When failures are an incident.
    pub(super) incident: Incident,
    /// What providers say about themselves, to be set beside what is seen here. It never decides about a request.
    pub(super) status_page: StatusPage,
    /// Where incidents are told: each once when it begins, again while it lasts, once when it is over.
    #[schemars(with = "Vec<Alert>")]
    pub(super) alert: Vec<Spanned<Alert>>,
    /// The record of failures.
    pub(super) journal: Journal,
    /// Who may use the gateway. With none, everybody who can reach it.
    #[schemars(with = "Vec<Client>")]
    pub(super) client: Vec<Spanned<Client>>,
    /// Traces and metrics for an OpenTelemetry collector. With no address nothing is sent.
    pub(super) telemetry: Telemetry,
    /// What the program says on stderr.
    pub(super) log: Log,
}

/// The doors of the gateway, and how much it takes in.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Server {
    /// Where callers connect. Beyond loopback it needs `[[client]]` tokens or `behind_auth = true`.
    pub(super) listen: Item<Address>,
    /// Where metrics and health are. Beyond loopback it needs an `admin_token`.
    pub(super) admin: Item<Address>,
    /// A larger request body is refused with 413.
    pub(super) body_bytes_max: Item<Size<KIB, { 16 * GIB }>>,
    /// A larger request body is sent once and not kept for a retry.
    pub(super) replay_bytes_max: Item<Size<0, GIB>>,
    /// All kept bodies, held streams and held answers together.
    pub(super) memory_max: Item<Size<MIB, TIB>>,
    /// Requests at a time; more are refused with 503.
    pub(super) in_flight_max: Item<Count<1, OPEN_MAX>>,
    /// Connections from callers at a time; more wait to be accepted.
    pub(super) connections_max: Item<Count<1, OPEN_MAX>>,
    /// How long requests may go on after SIGTERM.
    pub(super) drain: Item<Wait<0, HOUR>>,
    /// Whether something in front of the gateway lets only the right callers through.
    pub(super) behind_auth: Item<Flag>,
    /// What the admin side asks for. At least 16 bytes.
    pub(super) admin_token: Item<Credential<TOKEN_BYTES_MIN>>,
}

/// One place that requests can be sent to.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Upstream {
    /// Its name in metrics, headers and the journal.
    pub(super) name: Item<Name>,
    /// What the path of a request is appended to. A query is kept.
    pub(super) base_url: Item<BaseUrl>,
    /// Its key. Left out, the caller's own is passed through.
    pub(super) api_key: Item<Credential<1>>,
    /// Several keys of the same account, instead of `api_key`: one that is refused or limited is rested.
    pub(super) api_keys: Item<Credentials>,
    /// How the key is sent: as `Authorization: Bearer`, or as `api-key` (Azure).
    pub(super) auth: Item<OneOf<UpstreamAuth>>,
    /// "env" follows HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; or "none", or "http://host:port".
    pub(super) proxy: Item<Proxied>,
    /// The models it may serve, * for any run of characters. Left out: every model.
    pub(super) models: Item<Patterns>,
    /// What a model is called here, where it has another name. A request whose model cannot be read is not sent here.
    pub(super) model_map: Item<ModelMap>,
    /// Lower is asked first.
    pub(super) priority: Item<Count<0, PRIORITY_MAX>>,
    /// Its share of the requests among upstreams of the same priority.
    pub(super) weight: Item<Weight<WEIGHT_MAX>>,
    /// Certificates (PEM) to trust instead of the system's.
    pub(super) ca_file: Item<File>,
    /// The provider's status page, or "off". Left out: the one that is known for its host, if there is one.
    pub(super) status_page: Item<StatusPageAt>,
}

/// Where requests for some models go.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Route {
    /// The models it is for, * for any run of characters: ["*"] is every model.
    pub(super) models: Item<Patterns>,
    /// The upstreams to ask, by name, the preferred first. Left out: all that serve the model, by priority.
    pub(super) upstreams: Item<UpstreamNames>,
    /// Models to ask for instead when these have failed, in this order. What they fall back to themselves is not followed.
    pub(super) fallback_models: Item<ModelNames>,
    /// Whether every request may be sent again, also where that could do something twice.
    pub(super) repeatable: Item<Flag>,
    /// Whether its requests are hedged. Left out: as in [hedge].
    pub(super) hedge: Item<Flag>,
    /// When the first byte of its streams goes to the caller. Left out: as in [stream].
    pub(super) commit: Item<OneOf<Commit>>,
    /// Which of its whole answers are asked for as streams. Left out: as in [stream].
    pub(super) stream_upgrade: Item<OneOf<Upgrade>>,
}

/// How often and how soon a failed attempt is made again.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Retry {
    /// Where the values below start from: "seawall", "openai-sdk" (two retries after 0.5 s · 2ⁿ) or "classic" (four after 2ⁿ s).
    pub(super) preset: Item<OneOf<Preset>>,
    /// Attempts per request, the first included: 1 is no retry.
    pub(super) max_attempts: Item<Count<1, ATTEMPTS_MAX>>,
    /// The longest wait that doubling leads to.
    pub(super) cap: Item<Wait<0, { 10 * MINUTE }>>,
    /// A longer Retry-After than this is not waited for.
    pub(super) retry_after_max: Item<Wait<0, HOUR>>,
    /// Retries of a request after failures that may have been carried out and billed.
    pub(super) ambiguous_max: Item<Count<0, ATTEMPTS_MAX>>,
    /// The longest wait before another upstream is asked.
    pub(super) failover_jitter: Item<Wait<0, { 10 * SECOND }>>,
    /// An attempt with less time than this before the deadline is not begun.
    pub(super) min_useful: Item<Wait<0, { 10 * MINUTE }>>,
    /// How a wait w varies: "full" 0 to w, "less_a_quarter" 3/4 w to w, "plus_a_second" w to w + 1 s.
    pub(super) jitter: Item<OneOf<Jitter>>,
    /// Other values for single kinds of failure.
    pub(super) class: Classes,
}

/// Other values for single kinds of failure.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Classes {
    /// No byte of the request reached the upstream.
    not_sent: ClassRetry,
    /// A kept connection was already closed by the other side.
    stale_connection: ClassRetry,
    /// 502, 520, 521, 523: a middleman could not reach the server.
    bad_gateway: ClassRetry,
    /// 500, 409 and other answered failures.
    server_error: ClassRetry,
    /// 503, 529: out of capacity.
    overloaded: ClassRetry,
    /// 504, 408, 522, 524, timeouts, late resets: nobody knows whether it was carried out.
    ambiguous: ClassRetry,
    /// 429 that waiting cures.
    rate_limited: ClassRetry,
}

impl Classes {
    /// What is written for `class`; `None` for a class that is never tried again.
    pub(super) fn of(&self, class: Class) -> Option<&ClassRetry> {
        match class {
            Class::NotSent => Some(&self.not_sent),
            Class::StaleConnection => Some(&self.stale_connection),
            Class::BadGateway => Some(&self.bad_gateway),
            Class::ServerError => Some(&self.server_error),
            Class::Overloaded => Some(&self.overloaded),
            Class::Ambiguous => Some(&self.ambiguous),
            Class::RateLimited => Some(&self.rate_limited),
            _ => None,
        }
    }
}

/// How one kind of failure is tried again. What is left out is as in `[retry]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ClassRetry {
    /// The first wait; it doubles with each failure.
    pub(super) base: Item<Wait<0, MINUTE>>,
    /// The longest wait that doubling leads to.
    pub(super) cap: Item<Wait<0, { 10 * MINUTE }>>,
    /// Attempts at a request whose latest failure is of this kind.
    pub(super) max_attempts: Item<Count<1, ATTEMPTS_MAX>>,
    /// A longer Retry-After than this is not waited for.
    pub(super) retry_after_max: Item<Wait<0, HOUR>>,
}

/// How many extra attempts all requests together may spend.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Budget {
    /// What part of a retry each success earns.
    pub(super) deposit: Item<Fraction<BUDGET_PARTS>>,
    /// Failed retries that are paid for before anything was earned.
    pub(super) start: Item<Count<0, BUDGET_START_MAX>>,
}

/// When to stop asking an upstream for a model, and how to come back.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Breaker {
    /// After so many failed requests in a row nothing is tried again there; first attempts still are.
    pub(super) guard: Item<Count<1, STREAK_MAX>>,
    /// After so many in a row nothing is sent there, while another upstream is well. Below `guard`, that step is skipped.
    pub(super) open_alt: Item<Count<1, STREAK_MAX>>,
    /// After so many in a row nothing is sent there, even if there is no other upstream.
    pub(super) open_solo: Item<Count<1, STREAK_MAX>>,
    /// Whether the last upstream may be refused at all. If not, first attempts always go there.
    pub(super) solo_refuse: Item<Flag>,
    /// The time in which the rate of failures is counted.
    pub(super) window: Item<Wait<SECOND, { 10 * MINUTE }>>,
    /// With fewer requests than this in the window no rate counts.
    pub(super) window_min: Item<Count<1, WINDOW_REQUESTS_MAX>>,
    /// Nothing is sent there when surely more than this part fails, while another upstream is well: 0.2 is 20 %.
    pub(super) rate_alt: Item<Fraction<RATE_PARTS>>,
    /// The same if there is no other upstream.
    pub(super) rate_solo: Item<Fraction<RATE_PARTS>>,
    /// How long nothing is sent, the first time; it doubles with each probe that fails.
    pub(super) open: Item<Wait<10, MINUTE>>,
    /// The longest that doubling leads to.
    pub(super) open_max: Item<Wait<10, { 10 * MINUTE }>>,
    /// While a probe has no answer, the next is sent after this.
    pub(super) probe_every: Item<Wait<10, MINUTE>>,
    /// Probes at a time.
    pub(super) probes_max: Item<Count<1, PROBES_MAX>>,
    /// After so many successes everything is let through again.
    pub(super) close_after: Item<Count<1, STREAK_MAX>>,
}

/// A second attempt beside one that is silent for too long.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Hedge {
    /// Whether it is done. Each hedge buys the prompt a second time.
    pub(super) enabled: Item<Flag>,
    /// Not before this, even where 95 of 100 answers come sooner.
    pub(super) after_min: Item<Wait<10, { 10 * MINUTE }>>,
    /// Not later than this, even where 95 of 100 answers take longer.
    pub(super) after_max: Item<Wait<10, { 10 * MINUTE }>>,
    /// What part of a hedge each request earns: 0.08 is 8 in 100 requests.
    pub(super) deposit: Item<Fraction<HEDGE_PARTS>>,
}

/// Waiting for an upstream that is down.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Queue {
    /// How long a request may wait: "0s" is not at all. The profile decides where this is left out.
    pub(super) max: Item<Wait<0, HOUR>>,
}

/// How streams are passed on.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Stream {
    /// When the first byte goes to the caller: "content" with the first content; "buffer" when all is here, so that a
    /// stream that breaks is made again. `x-seawall-stream` says it for one request.
    pub(super) commit: Item<OneOf<Commit>>,
    /// What becomes of a stream that breaks after its first content: "error" ends it in an event that SDKs raise;
    /// "resume" takes a Responses stream with `background: true` up again where it broke.
    pub(super) on_break: Item<OneOf<OnBreak>>,
    /// A caller that has heard nothing for this long gets a comment. "0s": only where it would give up otherwise.
    pub(super) comment_after: Item<Wait<0, HOUR>>,
    /// Of "buffer": a larger stream goes to the caller before its end is here.
    pub(super) buffer_bytes_max: Item<Size<KIB, GIB>>,
    /// Of "buffer": so does one that takes longer, from its first content on.
    pub(super) buffer_time_max: Item<Wait<10, HOUR>>,
    /// Which whole answers are asked for as streams and put together: "off" none, "cliff" those whose form always ends in a
    /// timeout on the way, "always" all of chat and responses.
    pub(super) upgrade: Item<OneOf<Upgrade>>,
}

/// An answer that is still being generated when its caller leaves.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Adopt {
    /// Whether it is kept for the caller's own retry, with the same key and the same body: one bill. Not for streams.
    pub(super) enabled: Item<Flag>,
    /// For how long.
    pub(super) keep: Item<Wait<1_000, HOUR>>,
}

/// Failures that may be the request's own.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Diagnose {
    /// Tool definitions that fail every time while all else is answered: "off" nothing; "watch" they are not tried again,
    /// and named; "probe" one stream in ten minutes is sent once more without streaming, at its cost: a 400 says why.
    pub(super) tools: Item<OneOf<ToolsPolicy>>,
}

/// How long to wait for what.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Timeout {
    /// Name resolution, TCP and TLS together.
    pub(super) connect: Item<Wait<10, { 2 * MINUTE }>>,
    /// Of a stream: from the end of the request to the first content. "adaptive" learns: four times what 99 of 100 need, 20 s to 5 m.
    pub(super) first_content: Item<FirstContentLimit<10, DAY>>,
    /// Of a stream: between two pieces, after the first content.
    pub(super) byte_idle: Item<Wait<10, DAY>>,
    /// Of a stream: between two events with content; comments and pings do not count. "0s": any time.
    pub(super) content_idle: Item<Wait<0, DAY>>,
    /// To the answer, all attempts together, where the caller announces no time of its own.
    pub(super) total: Item<Wait<10, DAY>>,
    /// The most that a caller may announce.
    pub(super) total_max: Item<Wait<10, DAY>>,
}

/// When failures are an incident.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Incident {
    /// Whether incidents are looked for at all. If not, none is told; those that were open are closed when the gateway starts.
    pub(super) enabled: Item<Flag>,
    /// So many first attempts that fail in a row open one, of two different bodies at least; of one body twice as many.
    pub(super) consecutive: Item<Count<CONSECUTIVE_MIN, CONSECUTIVE_MAX>>,
    /// More than this part of five minutes opens one, if chance would not have done that: 0.05 is 5 %.
    pub(super) rate: Item<Fraction<RATE_PARTS, RATE_LOWEST, RATE_HIGHEST>>,
    /// With fewer failures than this in the five minutes no rate counts; of one body, with fewer than twice as many.
    pub(super) failures_min: Item<Count<FAILURES_MIN_LEAST, FAILURES_MIN_MOST>>,
    /// How often it is told again while it lasts.
    pub(super) remind_every: Item<Wait<MINUTE, DAY>>,
    /// Whether failures that retries hide from callers are looked for.
    pub(super) masked: Item<Flag>,
    /// Whether first content that comes far later than usual is looked for.
    pub(super) latency: Item<Flag>,
}

/// What providers say about themselves.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StatusPage {
    /// When status pages are asked: "incident" while something is wrong at the upstream, "always", or "off".
    pub(super) poll: Item<OneOf<Poll>>,
    /// How often then. One that does not answer is asked less often.
    pub(super) every: Item<Wait<{ 10 * SECOND }, HOUR>>,
}

/// Where incidents are told.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Alert {
    /// What receives it: "slack" (an incoming webhook), "pagerduty" (Events API v2), "alertmanager", or "webhook" (Standard Webhooks).
    pub(super) kind: Item<OneOf<AlertKind>>,
    /// Its name in logs and metrics. Left out: its kind.
    pub(super) name: Item<Name>,
    /// Where it is posted. Of "slack" it is a credential, so a reference such as "${SLACK_URL}"; of "alertmanager" what stands
    /// before /api/v2/alerts; of "pagerduty" it may be left out.
    pub(super) url: Item<Plain>,
    /// A reference to what "webhook" signs with (whsec_…; several, with spaces between, while they change), to the integration
    /// key of "pagerduty", or to the token or user:password of "alertmanager". "slack" has none.
    pub(super) secret: Item<Plain>,
    /// "critical": only incidents in which callers get failures; "warning": also those that retries hide, and slow ones.
    pub(super) min_severity: Item<OneOf<Severity>>,
    /// "env" follows HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; or "none", or "http://host:port".
    pub(super) proxy: Item<Proxied>,
    /// Certificates (PEM) to trust instead of the system's.
    pub(super) ca_file: Item<File>,
}

/// The record of failures.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Journal {
    /// Older rows are removed.
    pub(super) keep: Item<Wait<HOUR, { 3_650 * DAY }>>,
    /// Beyond this the oldest rows are removed.
    pub(super) size_max: Item<Size<MIB, TIB>>,
    /// What a row survives: "normal" the death of the program, "full" the loss of power too.
    pub(super) sync: Item<OneOf<JournalSync>>,
    /// What part of the requests that succeeded at once is recorded too, 0.0 to 1.0.
    pub(super) success_sample: Item<Fraction<SAMPLE_PARTS>>,
}

/// One who may use the gateway.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Client {
    /// Its name in the journal.
    pub(super) name: Item<Name>,
    /// What it sends as its API key. At least 16 bytes, and its own.
    pub(super) token: Item<Credential<TOKEN_BYTES_MIN>>,
}

/// Traces and metrics for an OpenTelemetry collector.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Telemetry {
    /// Where OTLP over HTTP is taken in protobuf: /v1/traces and /v1/metrics are added. OTEL_EXPORTER_OTLP_ENDPOINT outranks it.
    pub(super) otlp_endpoint: Item<Collector>,
    /// Headers for the collector, with references to its credentials. OTEL_EXPORTER_OTLP_HEADERS outranks them.
    pub(super) otlp_headers: Item<Headers>,
    /// Whether traces are sent: a span for each request, and in it one for each attempt. Never what was said.
    pub(super) traces: Item<Flag>,
    /// Whether metrics are sent.
    pub(super) metrics: Item<Flag>,
    /// How often metrics are sent.
    pub(super) metrics_every: Item<Wait<SECOND, HOUR>>,
    /// What part of the traces that begin here is sent, 0.0 to 1.0. Those with a failed attempt are always, and a caller's
    /// own trace is as its caller decided.
    pub(super) sample: Item<Fraction<SAMPLE_PARTS>>,
    /// A caller's traceparent: "off" is not looked at; "accept" its trace goes on here; "forward" and on to the upstreams.
    pub(super) traceparent: Item<OneOf<Propagation>>,
    /// What this gateway is called there. OTEL_SERVICE_NAME outranks it, and OTEL_RESOURCE_ATTRIBUTES adds to it.
    pub(super) service_name: Item<Attribute>,
    /// "env" follows HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; or "none", or "http://host:port".
    pub(super) proxy: Item<Proxied>,
    /// Certificates (PEM) to trust instead of the system's.
    pub(super) ca_file: Item<File>,
}

/// What the program says on stderr.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    /// "auto" is text on a terminal and JSON otherwise.
    pub(super) format: Item<OneOf<LogFormat>>,
    /// The least important line that is written.
    pub(super) level: Item<OneOf<LogLevel>>,
}
