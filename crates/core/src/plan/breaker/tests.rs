//! Each transition, and each number at its limit.

use super::*;

const SECOND: u64 = 1_000_000;

/// The pause before an attempt is begun: any run is long enough to count, and 20 votes are in two
/// pieces of the window at least.
const PAUSE: u64 = SECOND / 5;

/// A breaker, its clock in microseconds, and whether another upstream is well.
struct Bench {
    breaker: Breaker,
    config: Config,
    dice: Dice,
    now: u64,
    alt: bool,
    requests: u64,
    pause: u64,
}

impl Bench {
    fn new(config: Config, alt: bool) -> Bench {
        Bench { breaker: Breaker::new(), config, dice: Dice::new(7), now: 100 * SECOND, alt, requests: 0, pause: PAUSE }
    }

    fn solo() -> Bench {
        Bench::new(Config::default(), false)
    }

    fn alt() -> Bench {
        Bench::new(Config::default(), true)
    }

    /// One that is half open, with its first probe under way.
    fn half(config: Config, alt: bool) -> (Bench, Permit) {
        let mut bench = Bench::new(config, true);
        bench.fail(5);
        bench.alt = alt;
        let Phase::Open { until } = bench.breaker.phase else { panic!("five in a row open it") };
        bench.now = until.as_micros();
        let probe = bench.grant();
        assert_eq!(bench.breaker.state(), State::Half);
        (bench, probe)
    }

    /// One that has just begun to ramp: 2 at a time, one success.
    fn ramp(config: Config, alt: bool) -> Bench {
        let (mut bench, probe) = Bench::half(config, alt);
        bench.report(probe, Vote::Ok);
        assert_eq!(bench.breaker.state(), State::Ramp);
        bench
    }

    fn acquire(&mut self, kind: Kind) -> Result<Permit, Time> {
        let now = Time::from_micros(self.now);
        let forecast = self.breaker.would_grant(now, &self.config, kind, self.alt);
        let result = self.breaker.acquire(now, &self.config, kind, self.alt);
        assert_eq!(forecast, result.map(|_| ()));
        result
    }

    fn grant(&mut self) -> Permit {
        self.acquire(Kind::First).unwrap()
    }

    /// How long until a first attempt might be let through; `None` if it was.
    fn refused(&mut self, kind: Kind) -> Option<Duration> {
        self.acquire(kind).err().map(|until| until.since(Time::from_micros(self.now)))
    }

    fn report(&mut self, permit: Permit, vote: Vote) {
        self.breaker.report(Time::from_micros(self.now), &self.config, &mut self.dice, permit, vote, self.alt);
    }

    fn begin_and_fail(&mut self, request: u64, body: u64) -> State {
        self.now = self.now.saturating_add(self.pause);
        let permit = self.grant();
        self.report(permit, Vote::Fail { request, body });
        self.breaker.state()
    }

    /// `n` more requests fail, each with a body of its own.
    fn fail(&mut self, n: u64) -> State {
        for _ in 0..n {
            self.requests += 1;
            self.begin_and_fail(self.requests, self.requests);
        }
        self.breaker.state()
    }

    fn succeed(&mut self) -> State {
        self.now = self.now.saturating_add(self.pause);
        let permit = self.grant();
        self.report(permit, Vote::Ok);
        self.breaker.state()
    }

    fn break_stream(&mut self, request: u64) -> State {
        self.now = self.now.saturating_add(self.pause);
        let now = Time::from_micros(self.now);
        self.breaker.mid_stream(now, &self.config, &mut self.dice, request, request, self.alt);
        self.breaker.state()
    }

    fn pass(&mut self, time: Duration) {
        self.now += micros(time);
    }
}

fn fail(n: u64) -> Vote {
    Vote::Fail { request: n, body: n }
}

// Closed and guarded.

#[test]
fn five_in_a_row_guard_and_ten_open_the_last_upstream() {
    let mut bench = Bench::solo();
    assert_eq!(bench.fail(4), State::Closed);
    assert_eq!(bench.fail(1), State::Guarded);
    assert_eq!(bench.fail(4), State::Guarded);
    assert_eq!(bench.fail(1), State::Open);
}

#[test]
fn five_in_a_row_open_it_while_another_is_well() {
    let mut bench = Bench::alt();
    assert_eq!(bench.fail(4), State::Closed);
    assert_eq!(bench.fail(1), State::Open);
}

#[test]
fn a_success_begins_the_count_anew_and_ends_the_guard() {
    let mut bench = Bench::solo();
    bench.fail(4);
    bench.succeed();
    assert_eq!(bench.fail(4), State::Closed);
    assert_eq!(bench.fail(5), State::Guarded);
    assert_eq!(bench.succeed(), State::Closed);
    assert_eq!(bench.fail(4), State::Closed);
}

#[test]
fn guarded_lets_first_attempts_through_and_neither_retry_nor_hedge() {
    let mut bench = Bench::solo();
    assert!(bench.acquire(Kind::Retry).is_ok() && bench.acquire(Kind::Hedge).is_ok());
    bench.fail(5);
    assert!(bench.acquire(Kind::First).is_ok());
    assert_eq!(bench.refused(Kind::Retry), Some(AGAIN_AFTER));
    assert_eq!(bench.refused(Kind::Hedge), Some(AGAIN_AFTER));
}

#[test]
fn a_permit_from_before_the_guard_still_counts() {
    let mut bench = Bench::solo();
    let early = bench.grant();
    bench.fail(5);
    bench.report(early, Vote::Ok);
    assert_eq!(bench.breaker.state(), State::Closed);
    let early = bench.grant();
    bench.fail(9);
    bench.report(early, fail(1_000));
    assert_eq!(bench.breaker.state(), State::Open);
}

#[test]
fn a_request_that_fails_four_times_is_one_of_the_five() {
    let mut bench = Bench::solo();
    for request in 0..4 {
        for _attempt in 0..4 {
            assert_eq!(bench.begin_and_fail(request, request), State::Closed);
        }
    }
    assert_eq!(bench.begin_and_fail(4, 4), State::Guarded);
}

#[test]
fn two_bodies_guard_and_only_a_third_opens() {
    for (alt, run) in [(true, 5), (false, 10)] {
        let mut bench = Bench::new(Config { window_min: 1_000, ..Config::default() }, alt);
        for request in 1..300 {
            let state = bench.begin_and_fail(request, request % 2);
            assert_eq!(state, if request < 5 { State::Closed } else { State::Guarded }, "{run}: {request}");
        }
        assert_eq!(bench.begin_and_fail(300, 2), State::Open);
    }
}

#[test]
fn a_run_that_may_not_open_guards_even_below_the_guards_own_number() {
    let mut bench = Bench::new(Config { guard: 8, ..Config::default() }, true);
    for request in 0..4 {
        assert_eq!(bench.begin_and_fail(request, 0), State::Closed);
    }
    assert_eq!(bench.begin_and_fail(4, 0), State::Guarded);
}

#[test]
fn the_other_upstream_counts_as_it_is_when_the_verdict_comes() {
    let mut bench = Bench::solo();
    bench.fail(6);
    bench.alt = true;
    assert_eq!(bench.fail(1), State::Open);
}

#[test]
fn a_run_of_a_hundred_is_the_longest_that_can_be_asked_for() {
    for run in [100, 101, u32::MAX] {
        let config = Config { guard: run, open_solo: run, window_min: u32::MAX, ..Config::default() };
        let mut bench = Bench::new(config, false);
        assert_eq!(bench.fail(99), State::Closed);
        assert_eq!(bench.fail(1), State::Open);
    }
}

/// Fails and successes in turn so that no run is longer than three.
fn mixed(bench: &mut Bench, failed: u64, succeeded: u64) -> State {
    for n in 0..succeeded {
        bench.fail(failed * (n + 1) / succeeded - failed * n / succeeded);
        bench.succeed();
    }
    bench.breaker.state()
}

#[test]
fn a_rate_that_surely_exceeds_a_fifth_opens_it_while_another_is_well() {
    let mut bench = Bench::alt();
    assert_eq!(mixed(&mut bench, 6, 13), State::Closed);
    assert_eq!(bench.fail(1), State::Open, "7 of 20");
    let mut bench = Bench::alt();
    assert_eq!(mixed(&mut bench, 6, 14), State::Closed, "6 of 20");
    assert_eq!(bench.fail(1), State::Closed, "7 of 21");
    let mut bench = Bench::alt();
    assert_eq!(mixed(&mut bench, 8, 10), State::Closed);
    assert_eq!(bench.fail(1), State::Closed, "9 of 19: too few");
    let mut bench = Bench::solo();
    assert_eq!(mixed(&mut bench, 100, 50), State::Closed, "two in three are no reason to refuse");
}

#[test]
fn a_rate_that_surely_exceeds_nine_tenths_opens_the_last_upstream() {
    let mut bench = Bench::new(Config { open_solo: 100, ..Config::default() }, false);
    assert_eq!(bench.fail(24), State::Guarded);
    assert_eq!(bench.fail(1), State::Open);
}

#[test]
fn a_rate_of_two_bodies_does_not_open_it_and_a_third_one_does() {
    for alt in [false, true] {
        let mut bench = Bench::new(Config { open_solo: 100, open_alt: 100, ..Config::default() }, alt);
        for request in 0..60 {
            assert_ne!(bench.begin_and_fail(request, request % 2), State::Open, "{request}");
        }
        assert_eq!(bench.begin_and_fail(60, 2), State::Open);
    }
}

#[test]
fn a_rate_of_one_piece_of_the_window_opens_nothing() {
    // The window's pieces begin at 99 s and at 102 s.
    for alt in [false, true] {
        let mut bench = Bench::new(Config { open_solo: 100, open_alt: 100, guard: 100, ..Config::default() }, alt);
        bench.pause = 0;
        bench.now = 102 * SECOND - 1;
        assert_eq!(bench.fail(60), State::Closed);
        bench.now += 1;
        assert_eq!(bench.fail(1), State::Open);
    }
}

// A run from one moment.

#[test]
fn a_run_begun_within_less_than_a_tenth_of_a_second_neither_guards_nor_opens() {
    for alt in [false, true] {
        let mut bench = Bench::new(Config { window_min: u32::MAX, ..Config::default() }, alt);
        bench.pause = 0;
        assert_eq!(bench.fail(50), State::Closed);
        bench.pass(SPREAD_MIN - Duration::from_micros(1));
        assert_eq!(bench.fail(50), State::Closed);
        bench.pass(Duration::from_micros(1));
        assert_eq!(bench.fail(1), if alt { State::Open } else { State::Guarded });
    }
}

#[test]
fn the_last_upstream_is_not_refused_for_a_run_begun_within_less_than_half_a_second() {
    let mut bench = Bench::new(Config { window_min: u32::MAX, ..Config::default() }, false);
    bench.pause = 0;
    bench.fail(50);
    bench.pass(SPREAD_SOLO_MIN - Duration::from_micros(1));
    assert_eq!(bench.fail(50), State::Guarded);
    bench.pass(Duration::from_micros(1));
    assert_eq!(bench.fail(1), State::Open);
}

#[test]
fn what_counts_is_when_they_were_begun_and_not_when_they_failed() {
    let mut bench = Bench::alt();
    let burst: Vec<Permit> = (0..20).map(|_| bench.grant()).collect();
    for (request, permit) in (1_000..).zip(burst) {
        bench.pass(Duration::from_millis(300));
        bench.report(permit, fail(request));
        if request < 1_019 {
            assert_eq!(bench.breaker.state(), State::Closed, "a run of one moment");
        }
    }
    assert_eq!(bench.breaker.state(), State::Open, "the twentieth is a rate, of two pieces of the window");

    let mut bench = Bench::alt();
    bench.pause = 0;
    let early = bench.grant();
    bench.pass(SPREAD_MIN);
    assert_eq!(bench.fail(4), State::Closed);
    bench.report(early, fail(1_000));
    assert_eq!(bench.breaker.state(), State::Open, "the first begun was the last to fail");
}

#[test]
fn a_burst_whose_failures_are_heard_first_changes_nothing() {
    for alt in [false, true] {
        let mut bench = Bench::new(Config::default(), alt);
        let burst: Vec<Permit> = (0..200).map(|_| bench.grant()).collect();
        for (request, permit) in (1_000..).zip(burst) {
            let is_noise = request < 1_040;
            bench.report(permit, if is_noise { fail(request) } else { Vote::Ok });
            assert_eq!(bench.breaker.state(), State::Closed, "{request}");
            bench.pass(Duration::from_millis(if is_noise { 1 } else { 10 }));
        }
    }
}

#[test]
fn a_run_of_one_never_counts_whatever_is_asked_for() {
    let mut bench = Bench::new(Config { guard: 1, open_solo: 1, open_alt: 1, ..Config::default() }, true);
    assert_eq!(bench.fail(1), State::Closed);
    assert_eq!(bench.fail(1), State::Guarded);
    assert_eq!(bench.fail(1), State::Open, "with the third body");
}

#[test]
fn what_is_older_than_the_window_is_no_rate() {
    let mut bench = Bench::new(Config { open_solo: 100, ..Config::default() }, false);
    bench.fail(24);
    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.fail(24), State::Guarded);
    assert_eq!(bench.fail(1), State::Open);
}

#[test]
fn nothing_is_counted_for_a_caller_who_left() {
    let mut bench = Bench::solo();
    bench.fail(4);
    for _ in 0..100 {
        let permit = bench.grant();
        bench.report(permit, Vote::None);
    }
    assert_eq!(bench.fail(1), State::Guarded);
}

// Open.

#[test]
fn open_refuses_everything_for_a_second_give_or_take_a_fifth() {
    let (mut least, mut most) = (u64::MAX, 0);
    for seed in 0..500 {
        let mut bench = Bench::alt();
        bench.dice = Dice::new(seed);
        bench.fail(5);
        let wait = bench.refused(Kind::First).unwrap();
        assert_eq!(bench.refused(Kind::Retry), Some(wait));
        assert_eq!(bench.refused(Kind::Hedge), Some(wait));
        (least, most) = (least.min(micros(wait)), most.max(micros(wait)));
        bench.pass(wait - Duration::from_micros(1));
        assert!(bench.refused(Kind::First).is_some());
        bench.pass(Duration::from_micros(1));
        assert!(bench.refused(Kind::First).is_none());
    }
    assert!((800_000..810_000).contains(&least) && (1_190_000..=1_200_000).contains(&most), "{least} {most}");
}

#[test]
fn each_failed_probe_doubles_the_wait_up_to_five_seconds_and_closing_forgets_it() {
    let mut bench = Bench::alt();
    for _ in 0..2 {
        bench.fail(5);
        for (least, most) in [(800, 1_200), (1_600, 2_400), (3_200, 4_800), (3_333, 5_000), (3_333, 5_000)] {
            let wait = bench.refused(Kind::First).unwrap();
            assert!((least..=most).contains(&wait.as_millis()), "{least} to {most} ms: {wait:?}");
            bench.pass(wait);
            assert_eq!(bench.fail(1), State::Open);
        }
        let wait = bench.refused(Kind::First).unwrap();
        bench.pass(wait);
        let states: Vec<State> = (0..5).map(|_| bench.succeed()).collect();
        assert_eq!(states[3..], [State::Ramp, State::Closed]);
    }
}

/// How long it is open after so many failed probes in a row: the least and the most of 2,000 seeds.
fn waits(config: Config, failed: u32) -> (Duration, Duration) {
    let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
    for seed in 0..2_000 {
        let mut bench = Bench::new(config, true);
        bench.dice = Dice::new(seed);
        bench.fail(5);
        for _ in 0..failed {
            let wait = bench.refused(Kind::First).unwrap();
            bench.pass(wait);
            let probe = bench.grant();
            bench.report(probe, fail(99));
        }
        let wait = bench.refused(Kind::First).unwrap();
        (least, most) = (least.min(wait), most.max(wait));
    }
    (least, most)
}

#[test]
fn no_wait_is_longer_than_the_longest_and_none_shorter_than_two_thirds_of_it() {
    let seconds = Duration::from_secs;
    // An `open` that is longer than `open_max` is the longest.
    for (open, open_max, longest) in [(1, 5, 5), (5, 5, 5), (10, 5, 10)] {
        let config = Config { open: seconds(open), open_max: seconds(open_max), ..Config::default() };
        let (least, most) = waits(config, 4);
        let near = seconds(longest) / 1_000;
        assert!(most <= seconds(longest) && most + near >= seconds(longest), "{open} s: {most:?}");
        assert!(least * 3 + near >= seconds(longest) * 2, "{open} s: {least:?}");
        assert!(waits(config, 0).1 <= seconds(longest));
    }
}

#[test]
fn open_believes_no_verdict() {
    let mut bench = Bench::alt();
    let early: Vec<Permit> = (0..3).map(|_| bench.grant()).collect();
    bench.fail(5);
    for (permit, vote) in early.into_iter().zip([Vote::Ok, fail(99), Vote::None]) {
        bench.report(permit, vote);
        assert_eq!(bench.break_stream(7), State::Open);
    }
    let wait = bench.refused(Kind::First).unwrap();
    assert!(wait <= Duration::from_millis(1_200), "{wait:?}");
}

// The last upstream that may not be refused.

fn never_refused() -> Config {
    Config { solo_refuse: false, ..Config::default() }
}

#[test]
fn a_last_upstream_that_may_not_be_refused_is_guarded_in_place_of_open() {
    let mut bench = Bench::new(never_refused(), false);
    bench.fail(4);
    assert_eq!(bench.fail(100), State::Guarded);
    assert!(bench.refused(Kind::Retry).is_some());
    bench.alt = true;
    assert_eq!(bench.fail(1), State::Open);
}

#[test]
fn it_is_guarded_too_when_the_other_is_lost_after_it_opened() {
    let config = never_refused();
    let mut open = Bench::new(config, true);
    open.fail(5);
    let (half, _probe) = Bench::half(config, true);
    let mut full = Bench::ramp(config, true);
    let _two = [full.grant(), full.grant()];
    for mut bench in [open, half, full] {
        assert!(bench.refused(Kind::First).is_some());
        bench.alt = false;
        assert_eq!(bench.refused(Kind::Retry), Some(AGAIN_AFTER));
        assert_eq!(bench.refused(Kind::First), None);
        assert_eq!(bench.breaker.state(), State::Guarded);
        assert_eq!(bench.succeed(), State::Closed);
    }
}

#[test]
fn it_is_guarded_too_when_a_probe_or_the_ramp_fails() {
    let (mut bench, probe) = Bench::half(never_refused(), true);
    bench.alt = false;
    bench.report(probe, fail(99));
    assert_eq!(bench.breaker.state(), State::Guarded);
    let mut bench = Bench::ramp(never_refused(), true);
    let permits = [bench.grant(), bench.grant()];
    bench.alt = false;
    for permit in permits {
        bench.report(permit, fail(99));
    }
    bench.break_stream(101);
    bench.break_stream(102);
    bench.break_stream(103);
    assert_eq!(bench.breaker.state(), State::Ramp);
    assert_eq!(bench.break_stream(104), State::Guarded);
}

// Half open.

#[test]
fn half_open_lets_one_probe_through_and_another_when_it_is_slow() {
    let (mut bench, _first) = Bench::half(Config::default(), true);
    for _ in 1..8 {
        assert_eq!(bench.refused(Kind::First), Some(Duration::from_secs(2)));
        assert_eq!(bench.refused(Kind::Retry), Some(Duration::from_secs(2)));
        assert_eq!(bench.refused(Kind::Hedge), Some(AGAIN_AFTER));
        bench.pass(Duration::from_micros(1_999_999));
        assert_eq!(bench.refused(Kind::First), Some(Duration::from_micros(1)));
        bench.pass(Duration::from_micros(1));
        assert!(bench.acquire(Kind::Retry).is_ok(), "a retry may probe");
    }
    assert_eq!(bench.refused(Kind::First), Some(Duration::from_secs(5)), "eight are under way");
    assert_eq!(bench.breaker.in_flight(), 8);
}

#[test]
fn eight_silent_probes_are_given_up_after_five_seconds_and_a_late_one_is_still_believed() {
    let (mut bench, first) = Bench::half(Config::default(), true);
    for _ in 1..8 {
        bench.pass(Duration::from_secs(2));
        let _silent = bench.grant();
    }
    bench.pass(Duration::from_secs(5));
    let ninth = bench.grant();
    assert_eq!(bench.breaker.in_flight(), 1);
    assert_eq!(bench.refused(Kind::First), Some(Duration::from_secs(2)), "it is counted as the first");
    // The end of one that is not counted frees no place; that of one that is does.
    bench.report(first, Vote::None);
    assert!(bench.refused(Kind::First).is_some());
    bench.report(ninth, Vote::None);
    assert!(bench.refused(Kind::First).is_none());
    bench.report(first, Vote::Ok);
    assert_eq!(bench.breaker.state(), State::Ramp);
}

#[test]
fn of_two_probes_the_one_begun_later_decides() {
    let half_of_two = || {
        let (mut bench, first) = Bench::half(Config::default(), false);
        bench.pass(Duration::from_secs(2));
        let second = bench.grant();
        (bench, first, second)
    };
    let state_after = |(mut bench, permit): (Bench, Permit), vote| {
        bench.report(permit, vote);
        bench.breaker.state()
    };
    // The one begun last fails: that is news.
    let (bench, _first, second) = half_of_two();
    assert_eq!(state_after((bench, second), fail(99)), State::Open);
    // One begun earlier fails: the other is waited for, whatever it comes to.
    for (vote, state) in [(Vote::Ok, State::Ramp), (fail(98), State::Open), (Vote::None, State::Half)] {
        let (mut bench, first, second) = half_of_two();
        bench.report(first, fail(99));
        assert_eq!((bench.breaker.state(), bench.breaker.in_flight()), (State::Half, 1));
        assert!(bench.refused(Kind::First).is_some(), "the other is under way");
        assert_eq!(state_after((bench, second), vote), state);
    }
    // The other has left without a word: nobody is waited for.
    let (mut bench, first, second) = half_of_two();
    bench.report(second, Vote::None);
    assert_eq!(state_after((bench, first), fail(99)), State::Open);
}

#[test]
fn a_probe_is_released_when_the_caller_leaves() {
    let (mut bench, probe) = Bench::half(Config::default(), true);
    bench.report(probe, Vote::None);
    assert_eq!(bench.breaker.state(), State::Half);
    let next = bench.grant();
    bench.report(next, Vote::Ok);
    assert_eq!(bench.breaker.state(), State::Ramp);
}

#[test]
fn a_hedge_never_probes() {
    let mut bench = Bench::alt();
    bench.fail(5);
    let wait = bench.refused(Kind::Hedge).unwrap();
    bench.pass(wait);
    assert_eq!(bench.refused(Kind::Hedge), Some(AGAIN_AFTER));
    assert_eq!(bench.breaker.state(), State::Open);
    assert_eq!(bench.refused(Kind::First), None);
}

#[test]
fn half_open_believes_its_probes_alone() {
    let mut bench = Bench::alt();
    let early = [bench.grant(), bench.grant()];
    bench.fail(5);
    let wait = bench.refused(Kind::First).unwrap();
    bench.pass(wait);
    let probe = bench.grant();
    bench.report(early[0], Vote::Ok);
    bench.report(early[1], fail(99));
    assert_eq!(bench.break_stream(98), State::Half);
    assert!(bench.refused(Kind::First).is_some(), "the probe is still counted");
    bench.report(probe, fail(97));
    assert_eq!(bench.breaker.state(), State::Open);
}

#[test]
fn one_success_closes_where_one_is_asked_for() {
    let (mut bench, probe) = Bench::half(Config { close_after: 1, ..Config::default() }, true);
    bench.report(probe, Vote::Ok);
    assert_eq!(bench.breaker.state(), State::Closed);
    let (mut bench, probe) = Bench::half(Config { close_after: 2, ..Config::default() }, true);
    bench.report(probe, Vote::Ok);
    assert_eq!(bench.breaker.state(), State::Ramp);
    assert_eq!(bench.succeed(), State::Closed);
}

// Ramp.

#[test]
fn the_ramp_doubles_with_each_success_and_the_fifth_closes() {
    let mut bench = Bench::ramp(Config::default(), false);
    let mut under_way = Vec::new();
    for cap in [2, 4, 8, 16] {
        while let Ok(permit) = bench.acquire(Kind::First) {
            under_way.push(permit);
        }
        assert_eq!((under_way.len(), bench.breaker.in_flight() as usize), (cap, cap));
        assert_eq!(bench.refused(Kind::First), Some(AGAIN_AFTER));
        assert_eq!(bench.breaker.state(), State::Ramp);
        bench.report(under_way.pop().unwrap(), Vote::Ok);
    }
    assert_eq!(bench.breaker.state(), State::Closed);
    for permit in under_way {
        bench.report(permit, fail(permit.generation));
    }
    assert_eq!(bench.breaker.in_flight(), 0);
    assert_eq!(bench.fail(4), State::Closed, "they were begun before it closed");
}

#[test]
fn the_ramp_is_for_first_attempts() {
    let mut bench = Bench::ramp(Config::default(), false);
    assert_eq!(bench.refused(Kind::Retry), Some(AGAIN_AFTER));
    assert_eq!(bench.refused(Kind::Hedge), Some(AGAIN_AFTER));
    assert_eq!(bench.refused(Kind::First), None);
}

#[test]
fn a_failure_in_the_ramp_opens_it_while_another_is_well() {
    let mut bench = Bench::ramp(Config::default(), true);
    assert_eq!(bench.fail(1), State::Open);
    let wait = bench.refused(Kind::First).unwrap();
    assert!(wait >= Duration::from_millis(1_600), "twice as long: {wait:?}");
    let mut bench = Bench::ramp(Config::default(), true);
    assert_eq!(bench.break_stream(99), State::Open);
}

#[test]
fn failures_in_the_ramp_of_the_last_upstream_halve_it_and_five_in_a_row_open_it() {
    let mut bench = Bench::ramp(Config { close_after: 100, ..Config::default() }, false);
    let cap = |bench: &Bench| match bench.breaker.phase {
        Phase::Ramp { cap, under_way, .. } => (cap, under_way),
        _ => (0, 0),
    };
    assert_eq!((bench.succeed(), cap(&bench)), (State::Ramp, (4, 0)));
    for expected in [2, 1, 1, 1] {
        assert_eq!((bench.fail(1), cap(&bench)), (State::Ramp, (expected, 0)));
    }
    assert_eq!((bench.succeed(), cap(&bench)), (State::Ramp, (2, 0)));
    assert_eq!((bench.fail(4), cap(&bench)), (State::Ramp, (1, 0)));
    assert_eq!(bench.fail(1), State::Open);
    let wait = bench.refused(Kind::First).unwrap();
    assert!(wait >= Duration::from_millis(1_600), "twice as long: {wait:?}");
}

#[test]
fn one_body_holds_the_ramp_back_and_does_not_open_it() {
    let mut bench = Bench::ramp(Config::default(), false);
    for request in 0..50 {
        assert_eq!(bench.begin_and_fail(request, request % 2), State::Ramp);
    }
    assert_eq!(bench.begin_and_fail(50, 2), State::Open);
}

#[test]
fn a_ramp_that_only_doubles_stays_within_its_numbers() {
    let mut bench = Bench::ramp(Config { close_after: 100, ..Config::default() }, false);
    for _ in 2..100 {
        assert_eq!(bench.succeed(), State::Ramp);
    }
    assert!(matches!(bench.breaker.phase, Phase::Ramp { cap: u32::MAX, .. }));
    assert_eq!(bench.succeed(), State::Closed);
}

#[test]
fn a_silent_ramp_is_given_up_after_five_seconds_and_a_late_verdict_is_still_believed() {
    let mut bench = Bench::ramp(Config::default(), false);
    let silent = [bench.grant(), bench.grant()];
    bench.pass(Duration::from_millis(4_900));
    assert_eq!(bench.refused(Kind::First), Some(Duration::from_millis(100)));
    bench.pass(Duration::from_millis(100));
    let _two = [bench.grant(), bench.grant()];
    assert!(bench.refused(Kind::First).is_some());
    bench.report(silent[0], Vote::None);
    assert!(bench.refused(Kind::First).is_some(), "it had been given up, so its place is not free twice");
    bench.report(silent[1], Vote::Ok);
    assert!(bench.acquire(Kind::First).is_ok() && bench.acquire(Kind::First).is_ok(), "four at a time now");
    assert!(bench.refused(Kind::First).is_some());
}

#[test]
fn who_leaves_the_ramp_frees_the_place() {
    let mut bench = Bench::ramp(Config::default(), false);
    for _ in 0..100 {
        let two = [bench.grant(), bench.grant()];
        assert!(bench.refused(Kind::First).is_some());
        for permit in two {
            bench.report(permit, Vote::None);
        }
    }
    assert_eq!(bench.breaker.state(), State::Ramp);
}

// Streams that break.

#[test]
fn a_broken_stream_is_a_vote_of_its_request() {
    let mut bench = Bench::solo();
    for request in 0..4 {
        assert_eq!(bench.break_stream(request), State::Closed);
        assert_eq!(bench.break_stream(request), State::Closed);
    }
    assert_eq!(bench.break_stream(4), State::Guarded);
    let mut bench = Bench::alt();
    mixed(&mut bench, 0, 13);
    for request in 0..6 {
        assert_eq!(bench.break_stream(request / 2), State::Closed);
    }
    assert_eq!(bench.break_stream(3), State::Open, "7 of 20");
}

#[test]
fn a_broken_stream_in_the_ramp_counts_and_frees_no_place() {
    let mut bench = Bench::ramp(Config::default(), false);
    let _two = [bench.grant(), bench.grant()];
    bench.break_stream(99);
    assert!(matches!(bench.breaker.phase, Phase::Ramp { cap: 1, under_way: 2, .. }));
}

// Time, memory.

#[test]
fn time_that_runs_backwards_stands_still() {
    let (mut bench, _probe) = Bench::half(Config::default(), true);
    let granted = bench.now;
    bench.now = 0;
    let now = Time::from_micros(bench.now);
    assert_eq!(
        bench.breaker.acquire(now, &bench.config, Kind::First, true),
        Err(Time::from_micros(granted + 2 * SECOND))
    );
    bench.now = granted + 2 * SECOND;
    assert!(bench.acquire(Kind::First).is_ok());
}

#[test]
fn the_end_of_time_wedges_nothing() {
    let mut bench = Bench::alt();
    bench.now = u64::MAX - 5 * PAUSE - 1;
    assert_eq!(bench.fail(5), State::Open);
    assert!(bench.refused(Kind::First).is_some());
    bench.now = u64::MAX;
    assert_eq!(bench.refused(Kind::First), None);
    let mut bench = Bench::alt();
    bench.now = u64::MAX;
    assert_eq!(bench.fail(50), State::Closed, "there is no time between them");
}

#[test]
fn it_is_small() {
    assert!(size_of::<Breaker>() <= 288, "{}", size_of::<Breaker>());
    assert!(size_of::<Permit>() <= 24);
}
