//! All that an operator may decide about trying again; each part owns its own knobs.

use std::time::Duration;

use super::backoff::{Backoff, Jitter};
use super::upgrade::Upgrade;
use super::{breaker, budget, hedge, queue};

use crate::verdict::Class;
use crate::words::words;

words! {
    /// A named set of retry settings.
    pub enum Preset {
        /// Seawall's own: full jitter, a base wait for each class, four attempts.
        Seawall = "seawall",
        /// What the official SDKs do: 0.5·2ⁿ s up to 8 s, less up to a quarter, two retries.
        OpenaiSdk = "openai-sdk",
        /// What most hand-written loops do: 2ⁿ s and up to a second more, five attempts.
        Classic = "classic",
    }
}

words! {
    /// When a stream's first byte goes to the caller: until then a failure can be mended unseen.
    pub enum Commit {
        /// With its first content.
        Content = "content",
        /// When all of it is here, up to [`Streams::buffer_bytes_max`] and [`Streams::buffer_time_max`].
        Buffer = "buffer",
    }
}

words! {
    /// What becomes of a stream that breaks after its first content.
    pub enum OnBreak {
        /// It ends in an error event.
        Error = "error",
        /// A Responses stream in the background is taken up again where it broke.
        Resume = "resume",
    }
}

words! {
    /// What is done about tool definitions that may be why requests fail.
    pub enum ToolsPolicy {
        /// Nothing.
        Off = "off",
        /// They are watched, and likely ones are not tried again.
        Watch = "watch",
        /// And one request is sent once more without streaming: its 400 says what is wrong.
        Probe = "probe",
    }
}

/// Everything about trying again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How often, how soon, and what for.
    pub retry: Retry,
    /// How many extra attempts all requests together may spend.
    pub budget: budget::Config,
    /// How long to wait for what.
    pub timeout: Timeouts,
    /// When to stop asking an upstream.
    pub breaker: breaker::Config,
    /// When to begin a second attempt beside the first.
    pub hedge: hedge::Config,
    /// How long to wait for an upstream that is down.
    pub wait: queue::Config,
    /// How streams are passed on.
    pub streams: Streams,
    /// Which whole answers are asked for as streams, where their route does not say otherwise. [`Upgrade::Off`].
    pub upgrade: Upgrade,
    /// What becomes of an answer whose caller has left.
    pub adopt: Adopt,
    /// What is done about tool definitions that may be why requests fail. [`ToolsPolicy::Watch`].
    pub tools: ToolsPolicy,
}

/// What becomes of a whole answer that is still being generated when its caller has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adopt {
    /// Whether it is kept for the caller's own retry. Otherwise, and unless this is set, it is broken off.
    pub enabled: bool,
    /// For how long. 30 s.
    pub keep: Duration,
}

impl Default for Adopt {
    fn default() -> Self {
        Adopt { enabled: false, keep: Duration::from_secs(30) }
    }
}

/// How streams are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// When the first byte goes to the caller, where neither route nor request says. [`Commit::Content`].
    pub commit: Commit,
    /// What becomes of one that breaks. [`OnBreak::Error`].
    pub on_break: OnBreak,
    /// A caller that has heard nothing for this long gets a comment: `: seawall waiting`. `None`: only
    /// where its own clock would end the wait otherwise.
    pub comment_after: Option<Duration>,
    /// A stream that is larger goes to the caller before its end is here. 8 MiB.
    pub buffer_bytes_max: usize,
    /// One that takes longer, from its first content on, does too. 120 s.
    pub buffer_time_max: Duration,
}

impl Default for Streams {
    fn default() -> Self {
        Streams {
            commit: Commit::Content,
            on_break: OnBreak::Error,
            comment_after: None,
            buffer_bytes_max: 8 << 20,
            buffer_time_max: Duration::from_secs(120),
        }
    }
}

/// How often, how soon, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Attempts per request, the first included, 1 to 20. 4.
    pub max_attempts: u32,
    /// Retries after an ambiguous failure, per request. 1.
    pub ambiguous_max: u32,
    /// Longest wait before asking *another* upstream: there is nothing to wait for. 50 ms.
    pub failover_jitter: Duration,
    /// An attempt that would have less time than this is not begun. 1 s.
    pub min_useful: Duration,
    /// How waits vary. [`Jitter::Full`].
    pub jitter: Jitter,
    classes: [ClassRetry; RETRIED.len()],
}

/// How one class of failure is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassRetry {
    /// Attempts at a request whose latest failure is of this class, the first included. 4; more than [`Retry::max_attempts`] does
    /// nothing.
    pub max_attempts: u32,
    /// The waits: first 100 ms, 250 ms or 1 s, by the class, and none above 8 s.
    pub backoff: Backoff,
    /// A longer `Retry-After` than this is not waited for. 60 s.
    pub retry_after_max: Duration,
}

/// The classes that may be tried again: the keys of `[retry.class.*]`.
pub const RETRIED: [Class; 7] = [
    Class::NotSent,
    Class::StaleConnection,
    Class::BadGateway,
    Class::ServerError,
    Class::Overloaded,
    Class::Ambiguous,
    Class::RateLimited,
];

/// How long to wait for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP and TLS together. 5 s.
    pub connect: Duration,
    /// From the end of the request to the first content of a stream. [`FirstContent::Adaptive`].
    pub first_content: FirstContent,
    /// Between two pieces of a stream, after the first content. 300 s.
    pub byte_idle: Duration,
    /// Between two events with content of a stream: comments and pings do not count. `None`, the default: any time.
    pub content_idle: Option<Duration>,
    /// To the answer (of a stream: to its first content), where the caller says nothing. 600 s, as the official SDKs have it.
    pub total: Duration,
    /// The most that a caller may ask for. 3,600 s.
    pub total_max: Duration,
}

/// How long a stream may take to its first content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstContent {
    /// Four times what 99 of 100 answers of the same shape needed, 20 s to 300 s; longer where many are broken
    /// off, and 300 s until 50 are known: see [`Expectation`](super::shapes::Expectation).
    Adaptive,
    /// This long.
    Fixed(Duration),
}

impl FirstContent {
    /// The longest that is waited, whatever is learnt.
    pub const MAX: Duration = Duration::from_secs(300);

    /// The longest that this may come to.
    #[must_use]
    pub const fn most(self) -> Duration {
        match self {
            FirstContent::Adaptive => FirstContent::MAX,
            FirstContent::Fixed(limit) => limit,
        }
    }
}

impl Default for Timeouts {
    /// As each field says.
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(5),
            first_content: FirstContent::Adaptive,
            byte_idle: Duration::from_secs(300),
            content_idle: None,
            total: Duration::from_secs(600),
            total_max: Duration::from_secs(3600),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            retry: Retry::preset(Preset::Seawall),
            budget: budget::Config::default(),
            timeout: Timeouts::default(),
            breaker: breaker::Config::default(),
            hedge: hedge::Config::default(),
            wait: queue::Config::default(),
            streams: Streams::default(),
            adopt: Adopt::default(),
            upgrade: Upgrade::Off,
            tools: ToolsPolicy::Watch,
        }
    }
}

impl Retry {
    /// The settings of a preset.
    #[must_use]
    pub fn preset(preset: Preset) -> Retry {
        let (max_attempts, cap, jitter) = match preset {
            Preset::Seawall => (4, 8, Jitter::Full),
            Preset::OpenaiSdk => (3, 8, Jitter::LessAQuarter),
            Preset::Classic => (5, 60, Jitter::PlusASecond),
        };
        let class = |class: Class| ClassRetry {
            max_attempts,
            backoff: Backoff {
                base: match preset {
                    Preset::Seawall => base(class),
                    Preset::OpenaiSdk => Duration::from_millis(500),
                    Preset::Classic => Duration::from_secs(1),
                },
                cap: Duration::from_secs(cap),
            },
            retry_after_max: Duration::from_secs(60),
        };
        Retry {
            max_attempts,
            ambiguous_max: 1,
            failover_jitter: Duration::from_millis(50),
            min_useful: Duration::from_secs(1),
            jitter,
            classes: RETRIED.map(class),
        }
    }

    /// How `class` is tried again; `None` for a class that never is.
    #[must_use]
    pub fn class(&self, class: Class) -> Option<&ClassRetry> {
        RETRIED.iter().position(|&c| c == class).map(|at| &self.classes[at])
    }

    /// How `class` is tried again, to change it; `None` for a class that never is.
    pub fn class_mut(&mut self, class: Class) -> Option<&mut ClassRetry> {
        RETRIED.iter().position(|&c| c == class).map(|at| &mut self.classes[at])
    }
}

/// The first wait of each class: short where the failure was a moment's, long where load caused it.
fn base(class: Class) -> Duration {
    Duration::from_millis(match class {
        Class::NotSent | Class::StaleConnection | Class::BadGateway => 100,
        Class::Overloaded | Class::Ambiguous | Class::RateLimited => 1_000,
        _ => 250,
    })
}
