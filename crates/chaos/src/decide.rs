//! Which misdeed a request gets: its own header's, a script's, a phase's, the dice's, what its
//! tools deserve, or none.
//!
//! In that order, the first that has something to say decides. One die is thrown for every
//! request, also where it is not looked at, so that the share of faults stays the same whatever
//! else is going on.
//!
//! By header, if the settings allow it:
//!
//! | header | meaning |
//! |---|---|
//! | `x-chaos: 503` | this fault, every time |
//! | `x-chaos: 500*2` | this fault for the first two attempts with the same key, then good answers |
//! | `x-chaos: ok` | a good answer, whatever the dice and the tools say |
//! | `x-chaos-latency: 250ms` | the wait before the reply |
//! | `x-chaos-lazy-tools: in_stream` | tools are refused as the setting `lazy_tools` would; `off`: not at all |
//! | `x-chaos-key: k` | the key; without it, path and body make the key, which a retry repeats |
//!
//! A key counts for one spelling of a fault, the last [`KEYS_MAX`] keys are remembered, and a
//! reset forgets them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::verdict::Fault;

use crate::error::Error;
use crate::faults::{FaultSpec, ppm};
use crate::http_in::Request;
use crate::peek::Endpoint;
use crate::scripts::Scripts;
use crate::settings::Settings;
use crate::stats::Fnv;
use crate::steps::Step;
use crate::validator::{LazyTools, Refusal};
use crate::wait::Latency;

/// How many keys of `x-chaos: …*N` are remembered.
pub(crate) const KEYS_MAX: usize = 65_536;

/// What is done to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Good,
    Fault(FaultSpec),
    /// A step of a script, and its number.
    Step(Arc<Step>, u64),
    /// Its tools are refused.
    Refusal(Refusal),
    /// The request's header cannot be obeyed.
    BadHeader(String),
}

/// What a request's own headers ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Command {
    /// `None`: nothing; `Some(None)`: a good answer.
    fault: Option<Option<FaultSpec>>,
    times: Option<u32>,
    key: u64,
    latency: Option<Latency>,
    /// `None`: as the settings say; `Some(None)`: off.
    lazy_tools: Option<Option<LazyTools>>,
}

impl Command {
    /// What `request` asks for.
    pub(crate) fn of(request: &Request) -> Result<Command, Error> {
        let mut command = Command::default();
        if let Some(latency) = request.header("x-chaos-latency") {
            command.latency = Some(latency.parse()?);
        }
        match request.header("x-chaos-lazy-tools") {
            None => {}
            Some("off") => command.lazy_tools = Some(None),
            Some(spelling) => command.lazy_tools = Some(Some(spelling.parse()?)),
        }
        let Some(text) = request.header("x-chaos") else { return Ok(command) };
        if text == "ok" {
            command.fault = Some(None);
            return Ok(command);
        }
        let (spec, times) = match text.rsplit_once('*') {
            Some((spec, times)) => (spec, Some(times)),
            None => (text, None),
        };
        let spec = FaultSpec::parse(spec)?;
        if spec.fault() == Fault::Refused {
            return Err(Error::with_hint(
                "a request cannot ask to be refused: its connection is already accepted",
                "give `refused` a share in the settings, or a phase",
            ));
        }
        if let Some(times) = times {
            let times = times
                .trim()
                .parse()
                .map_err(|_| Error::with_hint(format!("\"*{times}\" is not a number of attempts"), "500*2"))?;
            command.times = Some(times);
            command.key = key(request, text);
        }
        command.fault = Some(Some(spec));
        Ok(command)
    }
}

impl Command {
    /// Whether a good answer is asked for, whatever else holds.
    fn is_ok(&self) -> bool {
        self.fault == Some(None)
    }

    /// What is held against the tools of `request`. Reads its whole body, so it is no business for a lock.
    pub(crate) fn refusal(&self, settings: &Settings, endpoint: Endpoint, request: &Request) -> Option<Refusal> {
        let own = self.lazy_tools.as_ref().filter(|_| settings.allow_headers);
        let lazy_tools = own.unwrap_or(&settings.lazy_tools).as_ref()?;
        lazy_tools.judge(endpoint, request.body.kept())
    }
}

fn key(request: &Request, spelling: &str) -> u64 {
    let mut fnv = Fnv::default();
    fnv.add(spelling.as_bytes());
    match request.header("x-chaos-key") {
        Some(key) => fnv.add(key.as_bytes()),
        None => {
            fnv.add(request.path().as_bytes());
            fnv.add(&request.body.fnv().unwrap_or_default().to_le_bytes());
        }
    }
    fnv.value()
}

/// How often each key was seen.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    seen: HashMap<u64, u32>,
    order: VecDeque<u64>,
}

impl Keys {
    /// Counts an attempt with `key`; the attempts so far, this one included.
    fn count(&mut self, key: u64) -> u32 {
        if let Some(count) = self.seen.get_mut(&key) {
            *count = count.saturating_add(1);
            return *count;
        }
        if self.order.len() == KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.order.push_back(key);
        self.seen.insert(key, 1);
        1
    }
}

/// The state that deciding needs and changes.
#[derive(Debug)]
pub(crate) struct Chooser {
    pub(crate) settings: Arc<Settings>,
    pub(crate) scripts: Scripts,
    keys: Keys,
    faults: Dice,
    others: Dice,
}

/// What sets the second dice apart from the first.
const OTHERS_SALT: u64 = 0x6368_616f_735f_6964;

impl Chooser {
    pub(crate) fn new(settings: Arc<Settings>) -> Chooser {
        let (faults, others) = (Dice::new(settings.seed), Dice::new(settings.seed ^ OTHERS_SALT));
        Chooser { settings, scripts: Scripts::default(), keys: Keys::default(), faults, others }
    }

    /// Begins again, with the same scripts and settings.
    pub(crate) fn restart(&mut self) {
        let scripts = std::mem::take(&mut self.scripts);
        *self = Chooser { scripts, ..Chooser::new(Arc::clone(&self.settings)) };
        self.scripts.rewind();
    }

    /// A request id.
    pub(crate) fn id(&mut self) -> u128 {
        u128::from(self.others.throw()) << 64 | u128::from(self.others.throw())
    }

    /// What is done to request `number` (from 1), and the wait before.
    pub(crate) fn choose(
        &mut self,
        uptime: Duration,
        number: u64,
        model: Option<&str>,
        command: Result<Command, Error>,
        refusal: Option<Refusal>,
    ) -> (Deed, Duration) {
        let thrown = self.faults.between(0, 999_999);
        let command = if self.settings.allow_headers { command } else { Ok(Command::default()) };
        let command = match command {
            Ok(command) => command,
            Err(error) => return (Deed::BadHeader(error.to_string()), Duration::ZERO),
        };
        let latency = command.latency.unwrap_or_else(|| latency(&self.settings, uptime, number));
        let wait =
            if latency.low == latency.high { latency.low } else { self.others.duration(latency.low, latency.high) };
        let deed = match self.deed(uptime, number, model, &command, thrown) {
            Deed::Good if !command.is_ok() => refusal.map_or(Deed::Good, Deed::Refusal),
            deed => deed,
        };
        (deed, wait)
    }

    fn deed(&mut self, uptime: Duration, number: u64, model: Option<&str>, command: &Command, thrown: u64) -> Deed {
        if let Some(fault) = &command.fault {
            let is_over = command.times.is_some_and(|times| self.keys.count(command.key) > times);
            return fault.clone().filter(|_| !is_over).map_or(Deed::Good, Deed::Fault);
        }
        if let Some((step, place)) = self.scripts.next(model) {
            return Deed::Step(step, place);
        }
        let mut bound = 0;
        for (fault, share) in shares(&self.settings, uptime, number) {
            bound += u64::from(ppm(share));
            if thrown < bound {
                return Deed::Fault(fault.clone());
            }
        }
        Deed::Good
    }

    /// Whether a connection that just arrived is refused.
    pub(crate) fn refuses(&mut self, uptime: Duration) -> bool {
        let share = refused_ppm(&self.settings, uptime);
        share > 0 && self.others.chance_ppm(share)
    }
}

fn latency(settings: &Settings, uptime: Duration, number: u64) -> Latency {
    let phases = settings.phases.iter().filter(|phase| phase.holds(uptime, number));
    phases.filter_map(|phase| phase.latency).next_back().unwrap_or(settings.latency)
}

/// The faults that the die decides about, phases first.
fn shares(settings: &Settings, uptime: Duration, number: u64) -> impl Iterator<Item = (&FaultSpec, f64)> {
    let phases = settings.phases.iter().filter(move |phase| phase.holds(uptime, number));
    let phases = phases.filter_map(|phase| phase.fault.as_ref().map(|fault| (fault, phase.share)));
    let always = settings.faults.iter().map(|share| (&share.fault, share.share));
    phases.chain(always).filter(|(fault, _)| fault.fault() != Fault::Refused)
}

/// Which share of the connections is refused, in a million; all: the port is closed.
pub(crate) fn refused_ppm(settings: &Settings, uptime: Duration) -> u32 {
    let phases = settings.phases.iter().filter(|phase| phase.holds_at(uptime));
    let phases = phases.filter_map(|phase| phase.fault.as_ref().map(|fault| (fault, phase.share)));
    let always = settings.faults.iter().map(|share| (&share.fault, share.share));
    let refused = phases.chain(always).filter(|(fault, _)| fault.fault() == Fault::Refused);
    refused.map(|(_, share)| ppm(share)).sum::<u32>().min(1_000_000)
}

/// When the share of refused connections may next change.
pub(crate) fn next_change(settings: &Settings, uptime: Duration) -> Option<Duration> {
    let refusing =
        settings.phases.iter().filter(|phase| phase.fault.as_ref().is_some_and(|f| f.fault() == Fault::Refused));
    refusing.flat_map(|phase| [Some(phase.at), phase.end()]).flatten().filter(|moment| *moment > uptime).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chooser(toml: &str) -> Chooser {
        Chooser::new(Arc::new(Settings::from_toml(toml).unwrap()))
    }

    fn labels(chooser: &mut Chooser, count: u64) -> Vec<String> {
        let label = |(deed, _): (Deed, Duration)| match deed {
            Deed::Fault(spec) => spec.label().to_string(),
            Deed::Good => "ok".to_owned(),
            other => format!("{other:?}"),
        };
        (1..=count).map(|n| label(chooser.choose(Duration::ZERO, n, None, Ok(Command::default()), None))).collect()
    }

    #[test]
    fn equal_seeds_choose_equal_faults_and_ids() {
        let toml = "seed = 5\nfaults = [\"500:0.2\", \"reset:0.1\"]";
        let (mut one, mut two) = (chooser(toml), chooser(toml));
        assert_eq!(labels(&mut one, 500), labels(&mut two, 500));
        assert_eq!(one.id(), two.id());
        assert_ne!(
            labels(&mut chooser("seed = 6\nfaults = [\"500:0.5\"]"), 99),
            labels(&mut chooser("seed = 7\nfaults = [\"500:0.5\"]"), 99)
        );
    }

    #[test]
    fn a_restart_repeats_itself() {
        let mut chooser = chooser("faults = [\"500:0.5\"]");
        let first = (labels(&mut chooser, 50), chooser.id());
        chooser.restart();
        assert_eq!((labels(&mut chooser, 50), chooser.id()), first);
    }

    #[test]
    fn shares_are_kept_to() {
        let labels = labels(&mut chooser("seed = 1\nfaults = [\"500:0.2\", \"reset:1%\"]"), 20_000);
        let count = |wanted: &str| labels.iter().filter(|label| *label == wanted).count();
        assert!((3_800..4_200).contains(&count("500")), "{}", count("500"));
        assert!((140..260).contains(&count("reset")), "{}", count("reset"));
        let all = super::tests::labels(&mut chooser("faults = [\"500:0.5\", \"503:0.5\"]"), 1_000);
        assert!(!all.contains(&"ok".to_owned()));
    }

    #[test]
    fn a_phase_comes_before_what_is_always() {
        let mut chooser = chooser(
            "faults = [\"503\"]\nlatency = \"1ms\"\n[[phase]]\nfrom = 2\ncount = 1\nfault = \"500\"\nlatency = \"9ms\"",
        );
        assert_eq!(labels(&mut chooser, 3), ["503", "500", "503"]);
        let wait = |chooser: &mut Chooser, number| {
            chooser.choose(Duration::ZERO, number, None, Ok(Command::default()), None).1
        };
        assert_eq!(
            (wait(&mut chooser, 1), wait(&mut chooser, 2)),
            (Duration::from_millis(1), Duration::from_millis(9))
        );
    }

    #[test]
    fn keys_end_at_their_limit_and_the_oldest_is_forgotten() {
        let mut keys = Keys::default();
        for key in 0..KEYS_MAX as u64 {
            assert_eq!(keys.count(key), 1);
        }
        assert_eq!(keys.count(0), 2);
        assert_eq!(keys.count(u64::MAX), 1);
        assert_eq!(keys.count(0), 1);
        assert_eq!(keys.seen.len(), KEYS_MAX);
    }

    #[test]
    fn the_door_knows_when_to_look_again() {
        let settings = Settings::from_toml(
            "[[phase]]\nat = \"2s\"\nfor = \"3s\"\nfault = \"refused\"\n[[phase]]\nat=\"1s\"\nfault=\"500\"",
        )
        .unwrap();
        let at = Duration::from_secs;
        assert_eq!(next_change(&settings, at(0)), Some(at(2)));
        assert_eq!((refused_ppm(&settings, at(1)), refused_ppm(&settings, at(2))), (0, 1_000_000));
        assert_eq!((next_change(&settings, at(2)), next_change(&settings, at(5))), (Some(at(5)), None));
    }
}
