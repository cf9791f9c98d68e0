//! What is configured: the same for both, once as a file and once as the library's own words.

use std::time::Duration;

use seawall_core::plan::policy::{FirstContent, OnBreak, Policy, RETRIED};
use seawall_core::plan::upgrade::Upgrade;

/// Where an upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It does what the request's own headers say, or a script.
    Obeys,
    /// It does what a script says, and answers well without one.
    Well,
    /// Nobody listens there.
    Refuses,
    /// Its name cannot be looked up.
    Unnamed,
    /// It speaks plain HTTP where TLS is expected.
    Plain,
    /// It takes no connection in.
    Full,
}

/// One upstream; the earlier is preferred.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) keys: &'static [&'static str],
    pub(crate) models: &'static [&'static str],
}

/// What is configured.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) upstreams: &'static [Up],
    /// What is added to [`QUICK`], unless this is not quick.
    pub(crate) toml: &'static str,
    /// The same.
    policy: fn(&mut Policy),
    is_quick: bool,
}

/// The room for what is held: by default, and where it is narrow.
const ROOM: usize = 512 << 20;
const NARROW: usize = 1 << 20;

const KEY: &[&str] = &["sk-parity-first-key"];

const fn up(name: &'static str, place: Place) -> Up {
    Up { name, place, keys: KEY, models: &[] }
}

const ALONE: &[Up] = &[up("a", Place::Obeys)];

const PAIR: &[Up] = &[up("a", Place::Obeys), up("b", Place::Well)];
const KEYS: &[Up] = &[Up { keys: &["sk-parity-first-key", "sk-parity-second-key"], ..up("a", Place::Obeys) }];

const fn quick(name: &'static str, upstreams: &'static [Up]) -> Setting {
    Setting { name, upstreams, toml: "", policy: |_| {}, is_quick: true }
}

const fn with(name: &'static str, upstreams: &'static [Up], toml: &'static str, policy: fn(&mut Policy)) -> Setting {
    Setting { name, upstreams, toml, policy, is_quick: true }
}

/// For every setting: all that ends well is written down too, and nobody is asked how it does.
const ALWAYS: &str = "journal.success_sample = 1.0\nstatus_page.poll = \"off\"\n";

/// Waits short enough for a test, and a budget that is never empty.
const QUICK: &str = r#"
timeout.first_content = "300ms"
timeout.byte_idle = "300ms"
timeout.connect = "200ms"
retry.class.not_sent.base = "1ms"
retry.class.stale_connection.base = "1ms"
retry.class.bad_gateway.base = "1ms"
retry.class.server_error.base = "1ms"
retry.class.overloaded.base = "1ms"
retry.class.ambiguous.base = "1ms"
retry.class.rate_limited.base = "1ms"
"#;
const AMPLE: &str = "budget.start = 10000\n";

fn be_quick(policy: &mut Policy) {
    for class in RETRIED {
        policy.retry.class_mut(class).unwrap().backoff.base = Duration::from_millis(1);
    }
    policy.timeout.first_content = FirstContent::Fixed(Duration::from_millis(300));
    policy.timeout.byte_idle = Duration::from_millis(300);
    policy.timeout.connect = Duration::from_millis(200);
}

/// Every setting.
pub(crate) static SETTINGS: [Setting; 22] = [
    quick("alone", ALONE),
    // What is said of a key outlives its request: each of these has keys that nothing was said of.
    quick("pair", PAIR),
    quick("quota_pair", PAIR),
    quick("auth_pair", PAIR),
    quick("resting_pair", PAIR),
    quick("keys", KEYS),
    quick("quota_keys", KEYS),
    quick("models", &[Up { models: &["gpt-*"], ..up("a", Place::Obeys) }]),
    quick("refused", &[up("a", Place::Refuses)]),
    quick("refused_pair", &[up("a", Place::Refuses), up("b", Place::Well)]),
    quick("unnamed", &[up("a", Place::Unnamed)]),
    quick("plain", &[up("a", Place::Plain)]),
    quick("full", &[up("a", Place::Full)]),
    Setting { name: "default", upstreams: ALONE, toml: "", policy: |_| {}, is_quick: false },
    with("no_budget", ALONE, "budget.start = 0\nbudget.deposit = 0.0\n", |policy| {
        (policy.budget.start, policy.budget.deposit) = (0, 0);
    }),
    with("breaker", ALONE, BREAKER, break_early),
    with("queue", ALONE, QUEUE, |policy| {
        break_early(policy);
        (policy.breaker.open, policy.breaker.open_max) = (Duration::from_secs(1), Duration::from_secs(1));
        policy.wait.max = Duration::from_millis(100);
    }),
    with("hedge", ALONE, "hedge.enabled = true\nhedge.after_min = \"20ms\"\n", |policy| {
        policy.hedge.enabled = true;
        policy.hedge.after_min = Duration::from_millis(20);
    }),
    with("upgrade", ALONE, "stream.upgrade = \"always\"\n", |policy| policy.upgrade = Upgrade::Always),
    with("resume", ALONE, "stream.on_break = \"resume\"\n", |policy| policy.streams.on_break = OnBreak::Resume),
    with("narrow", ALONE, "server.memory_max = 1048576\n", |_| {}),
    with("late", ALONE, "timeout.total = \"200ms\"\n", |policy| policy.timeout.total = Duration::from_millis(200)),
];

const BREAKER: &str = r#"
retry.max_attempts = 1
breaker.guard = 3
breaker.open_alt = 3
breaker.open_solo = 3
breaker.open = "30s"
breaker.open_max = "30s"
"#;

fn break_early(policy: &mut Policy) {
    policy.retry.max_attempts = 1;
    (policy.breaker.guard, policy.breaker.open_alt, policy.breaker.open_solo) = (3, 3, 3);
    (policy.breaker.open, policy.breaker.open_max) = (Duration::from_secs(30), Duration::from_secs(30));
}

const QUEUE: &str = r#"
retry.max_attempts = 1
breaker.guard = 3
breaker.open_alt = 3
breaker.open_solo = 3
breaker.open = "1s"
breaker.open_max = "1s"
wait.max = "100ms"
"#;

impl Setting {
    /// As a file, with these upstreams.
    pub(crate) fn file(&self, address: impl Fn(&Up) -> String) -> String {
        let mut file = ALWAYS.to_owned();
        if self.is_quick {
            file.push_str(QUICK);
            if self.name != "no_budget" {
                file.push_str(AMPLE);
            }
        }
        file.push_str(self.toml);
        for (at, up) in self.upstreams.iter().enumerate() {
            let (name, base) = (up.name, address(up));
            let (keys, models) = (list(up.keys), list(up.models));
            file.push_str(&format!("[[upstream]]\nname = \"{name}\"\nbase_url = \"{base}\"\npriority = {}\n", at + 1));
            file.push_str(&format!("proxy = \"none\"\napi_keys = [{keys}]\n"));
            if !up.models.is_empty() {
                file.push_str(&format!("models = [{models}]\n"));
            }
        }
        file
    }

    /// The bytes that may be held.
    pub(crate) fn memory(&self) -> usize {
        if self.name == "narrow" { NARROW } else { ROOM }
    }

    /// As the library says it.
    pub(crate) fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        if self.is_quick {
            be_quick(&mut policy);
            policy.budget.start = 10_000_000;
        }
        (self.policy)(&mut policy);
        policy
    }
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}
