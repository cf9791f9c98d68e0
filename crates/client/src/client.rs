//! A client: built once, shared by every request.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::plan::breaker::State;
use seawall_core::plan::policy::Policy;
use seawall_core::plan::route::{Route, Routes, UPSTREAMS_MAX};
use seawall_core::upstream as routes;

use crate::adopted;
use crate::attempt::{self, Call, Conclusion};
use crate::engine::Engine;
use crate::error::BuildError;
use crate::held;
use crate::memory::Memory;
use crate::observer::{Nobody, Observer};
use crate::orphans::Orphans;
use crate::shared::Shared;
use crate::upstream::{Settings, Upstream};

/// Sends requests to the upstreams it was built with, and tries again where that helps.
///
/// Cheap to clone; clones share connections, budget and observer.
#[derive(Clone)]
pub struct Client {
    engine: Arc<Engine>,
    orphans: Arc<Orphans<Conclusion>>,
}

/// The room for held bytes where nothing else is said.
const MEMORY_MAX: usize = 512 * 1024 * 1024;

/// What a [`Client`] is made of.
pub struct Builder {
    upstreams: Vec<Settings>,
    routes: Vec<Route>,
    policy: Policy,
    observer: Arc<dyn Observer>,
    seed: Option<u64>,
    memory: Option<Arc<Memory>>,
}

impl Client {
    /// A client of `upstreams`, in the order in which ties are broken.
    #[must_use]
    pub fn builder(upstreams: Vec<Settings>) -> Builder {
        Builder {
            upstreams,
            routes: Vec::new(),
            policy: Policy::default(),
            observer: Arc::new(Nobody),
            seed: None,
            memory: None,
        }
    }

    /// Sends `call`, as often as the policy allows. Dropping the future stops the attempt under way.
    pub async fn run(&self, call: Call) -> Conclusion {
        if let Some(key) = adopted::key(&self.engine, &self.orphans, &call) {
            return adopted::run(&self.engine, &self.orphans, call, key).await;
        }
        match held::silence(&self.engine.policy, &call.facts) {
            Some(silence) => held::run(&self.engine, call, silence).await,
            None => attempt::run(Arc::clone(&self.engine), call).await,
        }
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

    /// Milli-tokens in the retry budget; of several, in the emptiest.
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

    /// The breakers that have seen a request: the upstream's name, the model, the state.
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

impl Builder {
    /// Retries, budget, timeouts.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Builder {
        self.policy = policy;
        self
    }

    /// Where requests for some models go; others go wherever their model is served.
    #[must_use]
    pub fn routes(mut self, routes: Vec<Route>) -> Builder {
        self.routes = routes;
        self
    }

    /// Who is told what happens.
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

    /// The room for bytes that are held; 512 MiB of its own if unsaid.
    #[must_use]
    pub fn memory(mut self, memory: Arc<Memory>) -> Builder {
        self.memory = Some(memory);
        self
    }

    /// The client.
    ///
    /// # Errors
    /// When there is no upstream or there are more than [`UPSTREAMS_MAX`], or one has no usable
    /// address or certificates.
    pub fn build(self) -> Result<Client, BuildError> {
        if self.upstreams.is_empty() || self.upstreams.len() > UPSTREAMS_MAX {
            return Err(BuildError::new(format!("{} upstreams, allowed 1 to {UPSTREAMS_MAX}", self.upstreams.len())));
        }
        let placed = |u: &Settings| routes::Upstream {
            name: u.name.clone(),
            priority: u.priority,
            models: u.models.clone(),
            weight: u.weight,
            model_map: u.model_map.clone(),
            keys: u.keys.len(),
        };
        let routes = Arc::new(Routes::new(self.upstreams.iter().map(placed).collect(), self.routes));
        let shared = Shared::new(Arc::clone(&routes), &self.policy, self.seed);
        let upstreams = self.upstreams.into_iter().map(Upstream::build).collect::<Result<_, _>>()?;
        let memory = self.memory.unwrap_or_else(|| Memory::new(MEMORY_MAX));
        let engine = Engine { policy: self.policy, routes, shared, observer: self.observer, memory, upstreams };
        Ok(Client { engine: Arc::new(engine), orphans: Arc::default() })
    }
}
