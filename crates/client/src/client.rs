//! A client: built once, shared by every request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use seawall_core::plan::breaker::State;
use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::{ROUTES_MAX, Route, Routes, UPSTREAMS_MAX};
use seawall_core::upstream as routes;

use serde::Serialize;

use crate::adopted;
use crate::attempt::{self, Call, Conclusion};
use crate::body::BodyError;
use crate::build_error::BuildError;
use crate::content::Body;
use crate::engine::Engine;
use crate::error::Error;
use crate::held;
use crate::memory::Memory;
use crate::observer::{Nobody, Observer};
use crate::orphans::Orphans;
use crate::peer::Peer;
use crate::response::Response;
use crate::send;
use crate::shared::{Shared, unix_micros};
use crate::upstream::Upstream;

/// Sends requests to the upstreams it was built with, and tries again where that helps.
///
/// Cheap to clone; clones share connections, retry budget, breakers and observer. Build one for a whole program.
///
/// ```
/// use seawall::{Client, Upstream};
///
/// # fn main() -> Result<(), seawall::BuildError> {
/// let client = Client::builder().upstream(Upstream::openai().key("sk-example")?).build()?;
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    engine: Arc<Engine>,
    orphans: Arc<Orphans<Conclusion>>,
}

/// The room for held bytes where nothing else is said.
const MEMORY_MAX: usize = 512 * 1024 * 1024;

/// What a [`Client`] is made of. Only an upstream must be named.
pub struct Builder {
    upstreams: Vec<Upstream>,
    routes: Vec<Route>,
    policy: Policy,
    observer: Arc<dyn Observer>,
    seed: Option<u64>,
    memory: Option<Arc<Memory>>,
}

impl Client {
    /// The beginning of a client, with no upstream yet.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            upstreams: Vec::new(),
            routes: Vec::new(),
            policy: Policy::default(),
            observer: Arc::new(Nobody),
            seed: None,
            memory: None,
        }
    }

    /// Sends `request` to one of the upstreams, as often as it helps and the policy allows, and gives its answer.
    ///
    /// Of its address, the path and the query count: `/v1/chat/completions`, or the same without `/v1`. Scheme and host are
    /// not looked at, because the upstreams say where it goes. Of its headers, those of a connection stay here
    /// (`connection`, `upgrade`, …). Its extensions may hold [`Overrides`](crate::Overrides).
    ///
    /// What is added: the upstream's key in place of the request's own, `host`, an `x-client-request-id` for each attempt where
    /// the request has none, `user-agent` and, for a [`Body::json`], `content-type` where they are missing; and where a reply must be
    /// looked into, `accept-encoding: identity`.
    ///
    /// The body may be a [`Body`], or whatever else is a body of bytes. Up to 32 MiB it is read before the first attempt, so
    /// that another one can send it; what is larger, up to 1 GiB, flows, and is sent once.
    ///
    /// Dropping the future stops the attempt under way, and the spending with it.
    ///
    /// # Errors
    /// Everything that is no answer: what the provider refused or failed at, whatever its status; an empty 200, or one with
    /// an error inside; what never arrived. [`Error`] tells whose fault it is.
    ///
    /// ```
    /// use seawall::{Body, Client};
    ///
    /// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let request = http::Request::post("/v1/embeddings")
    ///     .body(Body::json(&serde_json::json!({"model": "text-embedding-3-small", "input": "a wave"}))?)?;
    /// let answer: serde_json::Value = client.send(request).await?.json().await?;
    /// # let _ = answer;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send<B>(&self, request: http::Request<B>) -> Result<Response, Error>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        send::send(&self.engine, request, self.new_id(unix_micros())).await
    }

    /// Sends `value` as JSON to `path`: [`Client::send`] for most requests.
    ///
    /// # Errors
    /// As of [`Client::send`], and when `value` cannot be written as JSON or `path` is none.
    ///
    /// ```
    /// # async fn example(client: seawall::Client) -> Result<(), seawall::Error> {
    /// #[derive(serde::Serialize)]
    /// struct Question<'a> {
    ///     model: &'a str,
    ///     input: &'a str,
    /// }
    /// let answer = client.post("/v1/responses", &Question { model: "gpt-4o", input: "Say hello." }).await?;
    /// # let _ = answer;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn post<T: Serialize + ?Sized>(&self, path: &str, value: &T) -> Result<Response, Error> {
        let request = send::request(Method::POST, path, Body::json(value)?)?;
        self.send(request).await
    }

    /// Asks for `path`.
    ///
    /// # Errors
    /// As of [`Client::send`], and when `path` is none.
    ///
    /// ```
    /// # async fn example(client: seawall::Client) -> Result<(), seawall::Error> {
    /// let models: serde_json::Value = client.get("/v1/models").await?.json().await?;
    /// # let _ = models;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self, path: &str) -> Result<Response, Error> {
        let request = send::request(Method::GET, path, Body::empty())?;
        self.send(request).await
    }

    /// Sends `call`, as often as the policy allows: what a gateway does with the request of somebody else
    /// ([`proxy`](crate::proxy)). Dropping the future stops the attempt under way.
    pub async fn run(&self, call: Call) -> Conclusion {
        if let Some(key) = adopted::key(&self.engine, &self.orphans, &call) {
            return adopted::run(&self.engine, &self.orphans, call, key).await;
        }
        match held::silence(&self.engine.policy, &call.facts) {
            Some(silence) => held::run(&self.engine, call, silence).await,
            None => attempt::run(Arc::clone(&self.engine), call).await,
        }
    }

    #[cfg(feature = "tower")]
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A new id for a request: `sw_` and 32 hex digits, the first twelve its time in milliseconds.
    #[must_use]
    pub fn new_id(&self, unix_micros: i64) -> String {
        let (high, low) = self.engine.shared.decide(|_, _, dice| (dice.throw(), dice.throw()));
        let millis = u64::try_from(unix_micros / 1_000).unwrap_or_default();
        let mut id = String::with_capacity(35);
        id.push_str("sw_");
        for nibble in (0..12).rev().map(|at| millis >> (4 * at)) {
            id.push(hex(nibble));
        }
        for nibble in (0..4).rev().map(|at| high >> (4 * at)).chain((0..16).rev().map(|at| low >> (4 * at))) {
            id.push(hex(nibble));
        }
        id
    }

    /// Milli-tokens in the retry budget; of several, in the emptiest. A retry costs 1,000, one after an ambiguous failure 2,000;
    /// a little below zero at times.
    #[must_use]
    pub fn budget_tokens(&self) -> i64 {
        self.engine.shared.decide(|_, fleet, _| fleet.tokens_min())
    }

    /// Attempts under way, at all upstreams together.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.engine.shared.decide(|_, fleet, _| fleet.under_way())
    }

    /// Answers that are kept for callers who left.
    #[must_use]
    pub fn orphans(&self) -> usize {
        self.orphans.len()
    }

    /// Requests that wait for an upstream to come back.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.engine.shared.decide(|_, fleet, _| fleet.waiting())
    }

    /// The breakers that have seen a request: the upstream's name, the model, the state. A gauge of them tells an outage.
    #[must_use]
    pub fn breakers(&self) -> Vec<(String, String, State)> {
        let upstream = |id| self.engine.upstream(id).name.clone();
        self.engine.shared.decide(|_, fleet, _| {
            fleet.breakers().map(|(id, model, breaker)| (upstream(id), model.to_string(), breaker.state())).collect()
        })
    }

    /// The keys that rest now: the upstream's name, the key's place among its own, the model that it rests for alone,
    /// if it is not for all, and for how long.
    #[must_use]
    pub fn resting(&self) -> Vec<(String, usize, Option<String>, Duration)> {
        let upstream = |id| self.engine.upstream(id).name.clone();
        self.engine.shared.decide(|now, fleet, _| {
            let told = fleet
                .resting(now)
                .map(|(id, key, model, until)| (upstream(id), key, model.map(str::to_owned), until.since(now)));
            told.collect()
        })
    }

    /// Attempts under way at each upstream, in the order of [`Client::upstream_names`].
    #[must_use]
    pub fn in_flight(&self) -> Vec<u64> {
        let upstreams = 0..u16::try_from(self.engine.upstreams.len()).unwrap_or(u16::MAX);
        self.engine.shared.decide(|_, fleet, _| upstreams.map(|at| fleet.in_flight(routes::UpstreamId(at))).collect())
    }

    /// The names of the upstreams.
    #[must_use]
    pub fn upstream_names(&self) -> Vec<String> {
        self.engine.upstreams.iter().map(|u| u.name.clone()).collect()
    }
}

/// The last four bits, as a digit. `format!` would cost more than a whole scan of the request.
fn hex(nibble: u64) -> char {
    char::from(b"0123456789abcdef"[(nibble & 0xf) as usize])
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("upstreams", &self.upstream_names()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("upstreams", &self.upstreams).finish_non_exhaustive()
    }
}

impl Builder {
    /// Adds an upstream. Of several, the one of the lowest priority number is asked first; ties are broken by weight, and
    /// then by this order.
    #[must_use]
    pub fn upstream(mut self, upstream: Upstream) -> Builder {
        self.upstreams.push(upstream);
        self
    }

    /// Adds several, in this order.
    #[must_use]
    pub fn upstreams(mut self, upstreams: impl IntoIterator<Item = Upstream>) -> Builder {
        self.upstreams.extend(upstreams);
        self
    }

    /// Retries, retry budget, timeouts, breakers, hedges: [`policy`](crate::policy).
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Builder {
        self.policy = policy;
        self
    }

    /// Where requests for some models go; others go wherever their model is served. At most [`ROUTES_MAX`].
    ///
    /// ```
    /// use seawall::event::UpstreamId;
    /// use seawall::{Client, Route, Upstream};
    ///
    /// # fn main() -> Result<(), seawall::BuildError> {
    /// // An upstream is named by its place among those that are added.
    /// let route = Route { models: vec!["o3*".into()], upstreams: vec![UpstreamId(1)], ..Route::default() };
    /// let client = Client::builder()
    ///     .upstream(Upstream::openai().key("sk-example")?)
    ///     .upstream(Upstream::new("https://models.internal/v1")?)
    ///     .routes([route])
    ///     .build()?;
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn routes(mut self, routes: impl IntoIterator<Item = Route>) -> Builder {
        self.routes.extend(routes);
        self
    }

    /// Who is told what happens; nobody where nothing is said.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Builder {
        self.observer = observer;
        self
    }

    /// The seed of the jitter, for a run that can be repeated.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Builder {
        self.seed = Some(seed);
        self
    }

    /// The room for bytes that are held: requests that flow in, answers and streams until they may go out. 512 MiB of its own
    /// if unsaid; several clients may share one. A body that finds no room is sent once, and not again.
    #[must_use]
    pub fn memory(mut self, memory: Arc<Memory>) -> Builder {
        self.memory = Some(memory);
        self
    }

    /// The client.
    ///
    /// # Errors
    /// When there is no upstream or there are more than [`UPSTREAMS_MAX`], or one has no usable address or certificates; when
    /// there are more routes than [`ROUTES_MAX`], or one names an upstream that there is not.
    pub fn build(self) -> Result<Client, BuildError> {
        if self.upstreams.is_empty() || self.upstreams.len() > UPSTREAMS_MAX {
            return Err(BuildError::new(format!("{} upstreams, allowed 1 to {UPSTREAMS_MAX}", self.upstreams.len())));
        }
        if self.routes.len() > ROUTES_MAX {
            return Err(BuildError::new(format!("{} routes, allowed {ROUTES_MAX}", self.routes.len())));
        }
        let mut named = self.routes.iter().flat_map(|route| &route.upstreams);
        if let Some(missing) = named.find(|id| id.index() >= self.upstreams.len()) {
            let count = self.upstreams.len();
            return Err(BuildError::new(format!(
                "a route names upstream {}, counted from 0, of {count}",
                missing.index()
            )));
        }
        let placed = |u: &Upstream| routes::Upstream {
            name: u.name.clone(),
            priority: u.priority,
            models: u.models.clone(),
            weight: u.weight,
            model_map: u.model_map.clone(),
            keys: u.keys.len(),
        };
        let routes = Arc::new(Routes::new(self.upstreams.iter().map(placed).collect(), self.routes));
        let shared = Shared::new(Arc::clone(&routes), &self.policy, self.seed);
        let upstreams = self.upstreams.into_iter().map(Peer::build).collect::<Result<_, _>>()?;
        let memory = self.memory.unwrap_or_else(|| Memory::new(MEMORY_MAX));
        let engine = Engine { policy: self.policy, routes, shared, observer: self.observer, memory, upstreams };
        Ok(Client { engine: Arc::new(engine), orphans: Arc::default() })
    }
}
