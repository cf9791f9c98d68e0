//! What Seawall promises of retries, in figures, each held over twenty seeds of virtual time.
//!
//! The bars are those of the design: success and attempts per request under independent noise,
//! and what an outage costs. The figures in the comments were measured here.

use std::time::Duration;

use seawall_core::plan::policy::Policy;
use seawall_core::time::Time;
use seawall_core::verdict::Class;
use seawall_sim::script::{Failure, Load, Phase, Script, Span};
use seawall_sim::world::{Line, What, play};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;

/// Requests that arrive before this are played but not counted: the purse fills up first.
const WARM_UP: Duration = Duration::from_secs(10);

/// What became of all requests of a rehearsal together.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    requests: u64,
    answered: u64,
    attempts: u64,
    failed_retries: u64,
    first_successes: u64,
    in_flight: u64,
    in_flight_peak: u64,
    until: Time,
}

impl Tally {
    /// Counts the requests that arrive from `from` on; retries, of all.
    fn of(script: &Script, policy: &Policy, seed: u64, from: Duration) -> Tally {
        let mut tally = Tally::default();
        let mut counts = Vec::new();
        play(script, policy, seed, |line| tally.see(line, from, &mut counts));
        tally
    }

    fn see(&mut self, line: &Line, from: Duration, counts: &mut Vec<bool>) {
        self.until = line.at;
        match line.what {
            What::Arrived { .. } => {
                counts.push(line.at.since(Time::ZERO) >= from);
                self.requests += u64::from(counts[line.request]);
            }
            What::Began { attempt, .. } => {
                self.attempts += u64::from(counts[line.request]);
                self.in_flight += u64::from(attempt == 1);
                self.in_flight_peak = self.in_flight_peak.max(self.in_flight);
            }
            What::Ended { attempt: 1, class, .. } => {
                self.in_flight -= 1;
                self.first_successes += u64::from(class == Class::Ok);
            }
            What::Ended { class, .. } => self.failed_retries += u64::from(class != Class::Ok),
            What::Answered { .. } => self.answered += u64::from(counts[line.request]),
            What::Dropped { attempt: 1 } => self.in_flight -= 1,
            _ => {}
        }
    }

    /// Answered, in parts of a million.
    fn success_ppm(&self) -> u64 {
        self.answered * 1_000_000 / self.requests
    }

    /// Attempts per thousand requests, rounded up.
    fn attempts_per_thousand(&self) -> u64 {
        (self.attempts * 1_000).div_ceil(self.requests)
    }
}

/// A quick upstream, as a stand-in on the same machine is.
const QUICK: Span = Span::millis(5, 50);

/// A model at work: from its question to its answer, and to its error.
const AT_WORK: Span = Span::millis(300, 6_000);
/// To the first content of a stream.
const FIRST_CONTENT: Span = Span::millis(300, 1_200);
const ERROR: Span = Span::millis(50, 400);

/// `parts` in a million attempts end in a 500, independently.
fn noise(parts: u32, (answers_in, fails_in): (Span, Span), rate: u32, seconds: u64) -> Script {
    let error = Failure::of(Class::ServerError, fails_in);
    let phase = Phase::noisy(Duration::ZERO, answers_in, parts, error);
    Script::of(vec![vec![phase]], Duration::from_secs(1) / rate, Duration::from_secs(seconds))
}

fn each_seed(script: &Script, from: Duration) -> impl Iterator<Item = Tally> {
    SEEDS.map(move |seed| Tally::of(script, &Policy::default(), seed, from))
}

/// Measured: 100 % of 400,000 at either rate, 1.010 attempts (to 1.012).
#[test]
fn one_percent_of_errors_goes_unnoticed() {
    for (rate, seconds) in [(100, 220), (10, 2_100)] {
        for tally in each_seed(&noise(10_000, (QUICK, QUICK), rate, seconds), WARM_UP) {
            assert!(tally.requests >= 20_000, "{tally:?}");
            assert!(tally.success_ppm() >= 999_900, "{tally:?}");
            assert!(tally.attempts_per_thousand() <= 1_020, "{tally:?}");
        }
    }
}

/// Measured: 99.83 % (99.80 to 99.89) with 1.248 attempts (to 1.256); theory 1 - 0.2⁴ = 99.84 %, 1.248.
#[test]
fn a_fifth_of_errors_is_retried_in_full() {
    for (rate, seconds) in [(100, 220), (10, 2_100)] {
        for tally in each_seed(&noise(200_000, (QUICK, QUICK), rate, seconds), WARM_UP) {
            assert!(tally.requests >= 20_000, "{tally:?}");
            assert!(tally.success_ppm() >= 997_000, "{tally:?}");
            assert!(tally.attempts_per_thousand() <= 1_270, "{tally:?}");
        }
    }
}

/// Measured: 60.1 % (58.7 to 61.6) with 1.20 attempts at 100/s; 60.9 % with 1.22 at 10/s and slow
/// answers; theory 60 %, 1.20. At 1/s the tenth of a token that a second earns is worth as much as
/// all successes together, and it is 70 % with 1.40: no bar of this test.
#[test]
fn of_half_errors_as_many_are_retried_as_successes_pay_for() {
    for script in [noise(500_000, (QUICK, QUICK), 100, 220), noise(500_000, (FIRST_CONTENT, ERROR), 10, 2_100)] {
        let (mut requests, mut answered) = (0, 0);
        for tally in each_seed(&script, WARM_UP) {
            assert!(tally.success_ppm() >= 550_000, "{tally:?}");
            assert!(tally.attempts_per_thousand() <= 1_250, "{tally:?}");
            (requests, answered) = (requests + tally.requests, answered + tally.answered);
        }
        assert!(answered * 1_000 >= requests * 570, "{answered} of {requests}");
    }
}

/// Measured: 69 to 71 failed retries in ten minutes at either rate; 1.012 attempts at 10/s, 1.117 at 1/s.
#[test]
fn a_dead_upstream_is_asked_about_once_per_request() {
    for (rate, bar) in [(10, 1_020), (1, 1_120)] {
        let (mut requests, mut attempts) = (0, 0);
        for tally in each_seed(&noise(1_000_000, (QUICK, ERROR), rate, 600), Duration::ZERO) {
            assert_eq!(tally.answered, 0);
            assert!(tally.failed_retries <= paid_for(&tally), "{tally:?}");
            requests += tally.requests;
            attempts += tally.attempts;
        }
        // Together, because the number of arrivals varies, and the retries are a fixed sum.
        assert!(attempts * 1_000 <= requests * bar, "{attempts} of {requests} at {rate}/s");
    }
}

/// 10 + 0.2·S + 0.1·T, in whole retries; and a fifth for each of the most first attempts that were
/// under way together: a retry that relied on their success is not taken back when they fail.
fn paid_for(tally: &Tally) -> u64 {
    let seconds = tally.until.since(Time::ZERO).as_secs();
    (10_000 + 200 * (tally.first_successes + tally.in_flight_peak) + 100 * seconds) / 1_000
}

/// Measured: at most 16. (At 1/s it can be 17, by the successes under way when the outage begins;
/// far above, the cap is a tenth of the last minute's requests instead.)
#[test]
fn a_minute_of_outage_costs_a_quiet_service_sixteen_retries() {
    let second = Duration::from_secs;
    for class in [Class::NotSent, Class::ServerError, Class::Overloaded, Class::Ambiguous] {
        let phases = vec![
            Phase::healthy(second(0), AT_WORK),
            Phase::down(second(300), Failure::of(class, ERROR)),
            Phase::healthy(second(360), AT_WORK),
        ];
        for gap in [20, 5, 2] {
            let script = Script::of(vec![phases.clone()], second(gap), second(600));
            for seed in SEEDS {
                let mut extra = 0;
                play(&script, &Policy::default(), seed, |line| {
                    let is_outage = (300..360).contains(&line.at.since(Time::ZERO).as_secs());
                    let is_extra = matches!(line.what, What::Began { attempt: 2.., .. });
                    extra += u32::from(is_outage && is_extra);
                });
                assert!(extra <= 16, "{extra} after {class} at one in {gap} s, seed {seed}");
            }
        }
    }
}

/// Measured: 96.8 % of two hundred that arrive within two milliseconds. Without the deposits of those
/// still under way, the start alone would pay: ten retries for forty failures.
#[test]
fn a_burst_from_idle_is_carried_by_what_is_still_under_way() {
    let burst = Script {
        loads: vec![Load { from: Duration::ZERO, gap: Duration::from_micros(10) }],
        length: Duration::from_millis(2),
        ..noise(200_000, (AT_WORK, ERROR), 1, 1)
    };
    let (mut requests, mut answered) = (0, 0);
    for tally in each_seed(&burst, Duration::ZERO) {
        requests += tally.requests;
        answered += tally.answered;
    }
    assert!(answered * 100 >= requests * 96, "{answered} of {requests}");
}
