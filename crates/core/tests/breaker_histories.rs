//! A million random events, against a second telling of the same rules.
//!
//! The second telling keeps every vote and every permit in a list and counts them anew each time:
//! slow, and too simple to be wrong in the way that counters and generations can be. What both
//! must agree on after every event is the state, and who would be let through and when. From
//! wherever a history has led, a healthy upstream must then close the breaker within the time
//! promised, though nothing that is under way is ever heard of again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::plan::breaker::{
    AGAIN_AFTER, Breaker, Config, Kind, Permit, SPREAD_MIN, SPREAD_SOLO_MIN, STREAK_MAX, State, Vote,
};
use seawall_core::time::{Time, micros};

const SECOND: u64 = 1_000_000;
const HISTORIES: u64 = 4_000;
const EVENTS: u64 = 250;

/// The rules, told naively.
struct Model {
    config: Config,
    state: State,
    now: u64,
    until: u64,
    open_for: u64,
    /// Since the last change of state (closed and guarded are one): what was let through, and when.
    permits: Vec<Given>,
    /// Since then: who voted and when, and of a failure its request, its body and when it was begun.
    votes: Vec<(u64, Option<Failure>)>,
    /// Changes of state.
    era: u64,
}

type Failure = (u64, u64, u64);

struct Given {
    at: u64,
    is_ended: bool,
    is_lost: bool,
}

impl Model {
    fn new(config: Config) -> Model {
        Model {
            config,
            state: State::Closed,
            now: 0,
            until: 0,
            open_for: 0,
            permits: Vec::new(),
            votes: Vec::new(),
            era: 0,
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.era += 1;
        self.permits.clear();
        self.votes.clear();
    }

    fn under_way(&self) -> usize {
        self.permits.iter().filter(|permit| !permit.is_ended && !permit.is_lost).count()
    }

    /// Requests at a time: doubled by each success, halved by each failure.
    fn cap(&self) -> u64 {
        self.votes.iter().fold(2, |cap: u64, (_, failure)| match failure {
            None => cap.saturating_mul(2).min(u32::MAX.into()),
            Some(_) => (cap / 2).max(1),
        })
    }

    /// Requests and bodies that failed since the last success, and how far apart they were begun. Of
    /// requests beyond the bound, only the bodies and the beginnings are known.
    fn streak(&self) -> (usize, usize, u64) {
        let since = self.votes.iter().rposition(|(_, failure)| failure.is_none()).map_or(0, |at| at + 1);
        let (mut requests, mut bodies, mut begun) = (HashSet::new(), HashSet::new(), Vec::new());
        for (request, body, began) in self.votes[since..].iter().filter_map(|(_, failure)| *failure) {
            if requests.contains(&request) {
                continue;
            }
            if requests.len() < STREAK_MAX as usize {
                requests.insert(request);
            }
            bodies.insert(body);
            begun.push(began);
        }
        begun.sort_unstable();
        let spread = begun.last().map_or(0, |last| last - begun[0]);
        (requests.len(), bodies.len(), spread)
    }

    /// Wilson's lower bound of the rate in the window, in parts of a thousand, and its votes. Of
    /// votes from one piece of the window, or failures of fewer than three bodies, it is nothing.
    fn rate(&self) -> (f64, u32) {
        let width = micros(self.config.window) / 10;
        let recent = self.votes.iter().filter(|(at, _)| at / width + 10 > self.now / width);
        let (mut k, mut votes) = (0_u32, 0_u32);
        let (mut pieces, mut bodies) = (HashSet::new(), HashSet::new());
        for (at, failure) in recent {
            votes += 1;
            k += u32::from(failure.is_some());
            pieces.insert(at / width);
            bodies.extend(failure.map(|(_, body, _)| body));
        }
        if pieces.len() < 2 || bodies.len() < 3 {
            return (0.0, 0);
        }
        let (k, n, z) = (f64::from(k), f64::from(votes), 1.645);
        let share = k / n;
        let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        let bound = (share + z * z / (2.0 * n) - spread) / (1.0 + z * z / n);
        (1_000.0 * bound, votes)
    }

    /// The moment at which somebody is let through: `now` if at once.
    fn decide(&self, now: u64, kind: Kind, alt: bool) -> u64 {
        let soon = now + micros(AGAIN_AFTER);
        let is_first = kind == Kind::First;
        let last = self.permits.last().map_or(self.until, |permit| permit.at);
        let lost = last + micros(self.config.open_max).max(micros(self.config.probe_every));
        let is_soft = !alt && !self.config.solo_refuse;
        match self.state {
            State::Closed => now,
            State::Guarded => {
                if is_first {
                    now
                } else {
                    soon
                }
            }
            _ if is_soft => {
                if is_first {
                    now
                } else {
                    soon
                }
            }
            State::Open if now < self.until => self.until,
            State::Open | State::Half if kind == Kind::Hedge => soon,
            State::Open => now,
            State::Half if self.under_way() == 0 => now,
            State::Half if self.under_way() < self.config.probes_max as usize => {
                now.max(last + micros(self.config.probe_every))
            }
            State::Half => now.max(lost),
            State::Ramp if !is_first => soon,
            State::Ramp if (self.under_way() as u64) < self.cap() => now,
            State::Ramp => {
                if now < lost {
                    soon.min(lost)
                } else {
                    now
                }
            }
        }
    }

    /// Who is let through has a number in an era.
    fn acquire(&mut self, now: u64, kind: Kind, alt: bool) -> Result<(u64, usize), u64> {
        self.now = self.now.max(now);
        let now = self.now;
        let at = self.decide(now, kind, alt);
        if at > now {
            return Err(at);
        }
        let is_soft = !alt && !self.config.solo_refuse;
        match self.state {
            State::Open | State::Half | State::Ramp if is_soft => self.enter(State::Guarded),
            State::Open => self.enter(State::Half),
            State::Half if self.under_way() >= (self.config.probes_max as usize) => self.give_up(),
            State::Ramp if self.under_way() as u64 >= self.cap() => self.give_up(),
            _ => {}
        }
        self.permits.push(Given { at: now, is_ended: false, is_lost: false });
        Ok((self.era, self.permits.len() - 1))
    }

    fn give_up(&mut self) {
        self.permits.iter_mut().for_each(|permit| permit.is_lost = true);
    }

    fn report(&mut self, now: u64, dice: &mut Dice, (era, number): (u64, usize), vote: Vote, alt: bool) {
        self.now = self.now.max(now);
        if era != self.era {
            return;
        }
        self.permits[number].is_ended = true;
        let began = self.permits[number].at;
        match vote {
            Vote::None => {}
            Vote::Ok => self.vote(dice, None, alt),
            Vote::Fail { request, body } => self.vote(dice, Some((request, body, began)), alt),
        }
    }

    fn mid_stream(&mut self, now: u64, dice: &mut Dice, request: u64, body: u64, alt: bool) {
        self.now = self.now.max(now);
        if !matches!(self.state, State::Open | State::Half) {
            self.vote(dice, Some((request, body, self.now)), alt);
        }
    }

    fn vote(&mut self, dice: &mut Dice, failure: Option<Failure>, alt: bool) {
        let config = self.config;
        self.votes.push((self.now, failure));
        let (requests, bodies, spread) = self.streak();
        let reaches = |limit: u32| requests >= limit.min(STREAK_MAX) as usize;
        match (self.state, failure) {
            (State::Closed | State::Guarded, None) => self.state = State::Closed,
            (State::Closed | State::Guarded, Some(_)) => {
                let (run, apart, most) = match alt {
                    true => (config.open_alt, SPREAD_MIN, config.rate_alt),
                    false => (config.open_solo, SPREAD_SOLO_MIN, config.rate_solo),
                };
                let (bound, n) = self.rate();
                let is_run = reaches(run) && bodies >= 3 && spread >= micros(apart);
                if is_run || n >= config.window_min && bound > f64::from(most) {
                    self.open(dice, alt);
                } else if (reaches(run) || reaches(config.guard)) && spread >= micros(SPREAD_MIN) {
                    self.state = State::Guarded;
                }
            }
            (State::Half, None) if config.close_after == 1 => self.enter(State::Closed),
            (State::Half, None) => {
                self.enter(State::Ramp);
                // What the ramp waits for is counted from here.
                self.until = self.now;
            }
            // One that was begun before the last decides nothing while others are under way.
            (State::Half, Some((_, _, began)))
                if self.under_way() > 0 && self.permits.iter().any(|permit| permit.at > began) => {}
            (State::Half, Some(_)) => self.open(dice, alt),
            (State::Ramp, None) => {
                let succeeded = 1 + self.votes.iter().filter(|(_, failure)| failure.is_none()).count();
                if succeeded >= config.close_after as usize {
                    self.enter(State::Closed);
                }
            }
            (State::Ramp, Some(_)) => {
                if alt || reaches(config.guard) && bodies >= 3 {
                    self.open(dice, alt);
                }
            }
            (State::Open, _) => unreachable!("nobody who may vote"),
        }
    }

    fn open(&mut self, dice: &mut Dice, alt: bool) {
        let is_new = matches!(self.state, State::Closed | State::Guarded);
        if !alt && !self.config.solo_refuse {
            if is_new {
                self.state = State::Guarded;
            } else {
                self.enter(State::Guarded);
            }
            return;
        }
        let first = micros(self.config.open);
        let longest = micros(self.config.open_max).max(first);
        self.open_for = (longest / 6 * 5).min(if is_new { first } else { 2 * self.open_for });
        let wait = dice.between(self.open_for - self.open_for / 5, self.open_for + self.open_for / 5);
        assert!(wait <= longest, "{wait} of {longest}");
        self.enter(State::Open);
        self.until = self.now + wait;
    }
}

/// How a stretch of a history goes: what fails, who hears nothing, how time passes.
struct Mood {
    fails_ppm: u32,
    silent_ppm: u32,
    alt_ppm: u32,
    none_ppm: u32,
    pause_max: u64,
    bodies: u64,
    requests: u64,
}

impl Mood {
    fn of(dice: &mut Dice) -> Mood {
        let mut one = |of: &[u64]| of[usize::try_from(dice.between(0, of.len() as u64 - 1)).unwrap()];
        Mood {
            fails_ppm: u32::try_from(one(&[0, 50_000, 200_000, 500_000, 900_000, 1_000_000])).unwrap(),
            silent_ppm: u32::try_from(one(&[0, 0, 300_000, 900_000, 1_000_000])).unwrap(),
            alt_ppm: u32::try_from(one(&[0, 0, 500_000, 1_000_000])).unwrap(),
            none_ppm: u32::try_from(one(&[0, 0, 100_000, 600_000])).unwrap(),
            pause_max: one(&[0, SECOND / 100, SECOND / 4, SECOND, 4 * SECOND]),
            bodies: one(&[1, 2, 3, 1_000_000]),
            requests: one(&[3, 30, 1_000_000]),
        }
    }
}

fn config(dice: &mut Dice) -> Config {
    if dice.chance_ppm(400_000) {
        return Config { solo_refuse: dice.chance_ppm(500_000), ..Config::default() };
    }
    let mut number = |low, high| u32::try_from(dice.between(low, high)).unwrap();
    Config {
        guard: number(1, 8),
        open_alt: number(1, 12),
        open_solo: number(1, 12),
        solo_refuse: number(0, 1) > 0,
        window: Duration::from_millis(number(10, 60_000).into()),
        window_min: number(1, 40),
        rate_alt: number(1, 1_000),
        rate_solo: number(1, 1_000),
        open: Duration::from_millis(number(0, 8_000).into()),
        open_max: Duration::from_millis(number(0, 8_000).into()),
        probe_every: Duration::from_millis(number(0, 8_000).into()),
        probes_max: number(1, 10),
        close_after: number(1, 12),
    }
}

/// A breaker and its second telling, and what is under way.
struct History {
    dice: Dice,
    breaker: Breaker,
    breaker_dice: Dice,
    model: Model,
    model_dice: Dice,
    now: u64,
    under_way: Vec<(Permit, (u64, usize))>,
    stale: Vec<(Permit, (u64, usize))>,
    request: u64,
}

impl History {
    fn new(seed: u64) -> History {
        let mut dice = Dice::new(seed);
        let config = config(&mut dice);
        History {
            dice,
            breaker: Breaker::new(),
            breaker_dice: Dice::new(seed),
            model: Model::new(config),
            model_dice: Dice::new(seed),
            now: 0,
            under_way: Vec::new(),
            stale: Vec::new(),
            request: 0,
        }
    }

    fn event(&mut self, mood: &Mood) {
        self.now += self.dice.between(0, mood.pause_max);
        // A clock that another thread read a little earlier.
        let now = if self.dice.chance_ppm(50_000) { self.now.saturating_sub(SECOND / 2) } else { self.now };
        let alt = self.dice.chance_ppm(mood.alt_ppm);
        match self.dice.between(0, 19) {
            0..=9 => self.ask(now, alt),
            10 => self.break_stream(now, alt, mood),
            11 if !self.stale.is_empty() => self.report_stale(now, alt),
            _ => self.end(now, alt, mood),
        }
        assert_eq!(self.breaker.state(), self.model.state);
        for kind in [Kind::First, Kind::Retry, Kind::Hedge] {
            let at = self.model.decide(self.now.max(self.model.now), kind, alt);
            let forecast = self.breaker.would_grant(Time::from_micros(self.now), &self.model.config, kind, alt);
            let expected = if at > self.now.max(self.model.now) { Err(Time::from_micros(at)) } else { Ok(()) };
            assert_eq!(forecast, expected, "{kind:?} in {:?}", self.breaker);
        }
    }

    fn ask(&mut self, now: u64, alt: bool) {
        let kind = [Kind::First, Kind::First, Kind::First, Kind::Retry, Kind::Hedge]
            [usize::try_from(self.dice.between(0, 4)).unwrap()];
        let at = Time::from_micros(now);
        let forecast = self.breaker.would_grant(at, &self.model.config, kind, alt);
        let state = self.breaker.state();
        let permit = self.breaker.acquire(at, &self.model.config, kind, alt);
        assert_eq!(forecast, permit.map(|_| ()), "would_grant and acquire");
        if permit.is_err() {
            assert_eq!(self.breaker.state(), state, "a refusal changes nothing");
        }
        match (permit, self.model.acquire(now, kind, alt)) {
            (Ok(permit), Ok(id)) => self.under_way.push((permit, id)),
            (Err(until), Err(expected)) => assert_eq!(until, Time::from_micros(expected)),
            (ours, theirs) => panic!("{ours:?} and {theirs:?}"),
        }
    }

    fn end(&mut self, now: u64, alt: bool, mood: &Mood) {
        if self.under_way.is_empty() || self.dice.chance_ppm(mood.silent_ppm) {
            return;
        }
        let at = usize::try_from(self.dice.between(0, self.under_way.len() as u64 - 1)).unwrap();
        let (permit, id) = self.under_way.swap_remove(at);
        let vote = if self.dice.chance_ppm(mood.none_ppm) {
            Vote::None
        } else if self.dice.chance_ppm(mood.fails_ppm) {
            let (request, body) = self.failure(mood);
            Vote::Fail { request, body }
        } else {
            Vote::Ok
        };
        let is_stale = id.0 != self.model.era;
        let before = is_stale.then(|| format!("{:?}", self.breaker));
        self.breaker.report(
            Time::from_micros(now.max(self.model.now)),
            &self.model.config,
            &mut self.breaker_dice,
            permit,
            vote,
            alt,
        );
        self.model.report(now.max(self.model.now), &mut self.model_dice, id, vote, alt);
        if let Some(before) = before {
            let after = format!("{:?}", self.breaker);
            assert_eq!(without_time(&before), without_time(&after), "a stale verdict");
        }
        // What is already ended is only reported again when it is stale: that must be inert, too.
        self.stale.push((permit, id));
    }

    fn report_stale(&mut self, now: u64, alt: bool) {
        let at = usize::try_from(self.dice.between(0, self.stale.len() as u64 - 1)).unwrap();
        let (permit, id) = self.stale[at];
        if id.0 == self.model.era {
            return;
        }
        let vote = [Vote::Ok, Vote::Fail { request: 1, body: 1 }, Vote::None]
            [usize::try_from(self.dice.between(0, 2)).unwrap()];
        self.breaker.report(Time::from_micros(now), &self.model.config, &mut self.breaker_dice, permit, vote, alt);
        self.model.now = self.model.now.max(now);
    }

    fn break_stream(&mut self, now: u64, alt: bool, mood: &Mood) {
        if !self.dice.chance_ppm(mood.fails_ppm) {
            return;
        }
        let (request, body) = self.failure(mood);
        self.breaker.mid_stream(Time::from_micros(now), &self.model.config, &mut self.breaker_dice, request, body, alt);
        self.model.mid_stream(now, &mut self.model_dice, request, body, alt);
    }

    fn failure(&mut self, mood: &Mood) -> (u64, u64) {
        self.request += 1;
        (self.request % mood.requests, self.dice.between(1, mood.bodies))
    }

    /// From here on the upstream is well: a request every 50 ms, each answered after 100 ms.
    /// Nothing that is under way is ever reported.
    fn recovers(mut self, alt: bool) {
        let config = self.model.config;
        let start = self.now.max(self.model.now);
        let open = micros(config.open).max(micros(config.open_max));
        let silence = open.max(micros(config.probe_every));
        // Each answer takes 100 ms, and up to 50 ms pass before the next request.
        let limit = start + silence + (u64::from(config.close_after) + 1) * 150_000;
        let (mut first, mut verdicts) = (None, 0);
        let mut answers: VecDeque<(u64, Permit)> = VecDeque::new();
        let mut now = start;
        while self.breaker.state() != State::Closed {
            assert!(now <= limit, "{} s: {:?} {config:?}", (now - start) as f64 / SECOND as f64, self.breaker);
            let at = Time::from_micros(now);
            while answers.front().is_some_and(|&(due, _)| due <= now) {
                let (_, permit) = answers.pop_front().unwrap();
                self.breaker.report(at, &config, &mut self.breaker_dice, permit, Vote::Ok, alt);
                verdicts += 1;
            }
            if let Ok(permit) = self.breaker.acquire(at, &config, Kind::First, alt) {
                first.get_or_insert(now);
                answers.push_back((now + 100_000, permit));
            }
            now += 50_000;
        }
        assert!(first.unwrap_or(start) <= start + silence + 50_000);
        assert!(verdicts <= config.close_after + 2, "{verdicts} of {config:?}");
    }
}

/// The state as printed, but for the latest time seen, which any call may move.
fn without_time(printed: &str) -> String {
    let (before, after) = printed.split_once("latest: ").unwrap();
    format!("{before}{}", after.split_once("open_for").unwrap().1)
}

#[test]
fn a_million_events_go_as_the_naive_telling_says_and_none_wedges() {
    let mut seen: HashMap<(State, State), u32> = HashMap::new();
    let mut given_up = 0;
    for seed in 0..HISTORIES {
        let mut history = History::new(seed);
        let mut mood = Mood::of(&mut history.dice);
        for event in 0..EVENTS {
            if event % 40 == 39 {
                mood = Mood::of(&mut history.dice);
            }
            let before = history.breaker.state();
            history.event(&mood);
            *seen.entry((before, history.breaker.state())).or_default() += 1;
        }
        given_up += history.model.permits.iter().filter(|permit| permit.is_lost).count();
        let alt = seed % 2 == 0;
        history.recovers(alt);
    }
    assert_eq!(seen.values().sum::<u32>(), 1_000_000);
    assert!(given_up > 100, "{given_up}");
    // Every change of state that there is has been gone through often, and no other.
    let changes = [
        (State::Closed, State::Guarded),
        (State::Closed, State::Open),
        (State::Guarded, State::Closed),
        (State::Guarded, State::Open),
        (State::Open, State::Half),
        (State::Open, State::Guarded),
        (State::Half, State::Open),
        (State::Half, State::Ramp),
        (State::Half, State::Closed),
        (State::Half, State::Guarded),
        (State::Ramp, State::Open),
        (State::Ramp, State::Closed),
        (State::Ramp, State::Guarded),
    ];
    for change in changes {
        assert!(seen.get(&change).is_some_and(|&n| n >= 20), "{change:?}: {:?}", seen.get(&change));
    }
    for (&(from, to), n) in &seen {
        assert!(from == to || changes.contains(&(from, to)), "{from} to {to}: {n} times");
    }
}

/// What independent noise does to the breaker of a last upstream.
#[derive(Default)]
struct Noise {
    requests: u64,
    /// How often it opened, not counting that a probe or the ramp failed.
    opened: u64,
    refused: u64,
    guarded: u64,
}

/// `requests` requests, at most `at_once` of them at a time and `attempts` attempts each; every
/// attempt fails with probability `parts` in a million, whatever came before. An attempt ends and
/// the next begins every `pace` microseconds.
fn noise(parts: u32, pace: u64, requests: u64, at_once: usize, attempts: u32) -> Noise {
    let config = Config::default();
    let (mut breaker, mut dice) = (Breaker::new(), Dice::new(20));
    let mut result = Noise::default();
    let mut under_way: Vec<(u64, u32)> = Vec::new();
    let mut now = 0;
    while result.requests < requests || !under_way.is_empty() {
        while under_way.len() < at_once && result.requests < requests {
            under_way.push((result.requests, 0));
            result.requests += 1;
        }
        now += pace;
        let at = Time::from_micros(now);
        let turn = usize::try_from(dice.between(0, under_way.len() as u64 - 1)).unwrap();
        let (request, made) = under_way.swap_remove(turn);
        let kind = if made == 0 { Kind::First } else { Kind::Retry };
        let before = breaker.state();
        let Ok(permit) = breaker.acquire(at, &config, kind, false) else {
            result.refused += u64::from(kind == Kind::First);
            continue;
        };
        let is_failure = dice.chance_ppm(parts);
        let vote = if is_failure { Vote::Fail { request, body: request } } else { Vote::Ok };
        breaker.report(at, &config, &mut dice, permit, vote, false);
        result.guarded += u64::from(breaker.state() == State::Guarded);
        let was_asked = matches!(before, State::Closed | State::Guarded);
        result.opened += u64::from(was_asked && breaker.state() == State::Open);
        if is_failure && made + 1 < attempts {
            under_way.push((request, made + 1));
        }
    }
    result
}

/// A hundred attempts a second, and so few that ten in a row are begun half a second apart.
const PACES: [u64; 2] = [10_000, 60_000];

#[test]
fn a_fifth_of_all_failing_does_not_open_the_last_upstream() {
    for pace in PACES {
        for (at_once, attempts) in [(1, 1), (1, 4), (50, 1), (50, 4)] {
            let result = noise(200_000, pace, 100_000, at_once, attempts);
            let case = format!("{pace}, {at_once}, {attempts}");
            assert_eq!((result.requests, result.opened, result.refused), (100_000, 0, 0), "{case}");
            // Where they come slowly and not singly, retries pause now and then.
            assert_eq!(result.guarded > 0, pace > 25_000 && (at_once, attempts) != (1, 4), "{case}");
        }
    }
}

#[test]
fn half_of_all_failing_opens_it_seldom_and_never_by_chance_where_there_are_many() {
    for pace in PACES {
        let result = noise(500_000, pace, 100_000, 1, 4);
        assert_eq!((result.opened, result.refused), (0, 0), "singly and retried");
    }
    for (at_once, attempts) in [(1, 1), (50, 1), (50, 4)] {
        let result = noise(500_000, PACES[0], 100_000, at_once, attempts);
        assert_eq!((result.opened, result.refused), (0, 0), "{at_once}, {attempts}");
        // Without retries, or with many at a time, ten in a row come about once in 2,046 attempts.
        let result = noise(500_000, PACES[1], 100_000, at_once, attempts);
        assert!((20..=120).contains(&result.opened), "{at_once}, {attempts}: {}", result.opened);
    }
}
