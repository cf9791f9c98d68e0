//! What it costs to look for incidents: every request passes through it, under one lock.
//!
//! A request is told twice, as the gateway does: how its first attempt ended, and how it ended for its caller. Time is
//! made up, 1,000 requests a second of it. The mix: half of the requests stream; sizes, tools, keys and regions vary; one
//! first attempt in a hundred fails and is saved by a retry, or in an outage three in ten, of which every other caller
//! gets a failure. What is counted is the thread's own time. All that is known is written as JSON, as the
//! journal keeps it.

use std::hint::black_box;
use std::io;
use std::time::Duration;

use seawall_core::dice::Dice;
use seawall_core::incident::{Ending, Facts, First, Incidents, Last, Limits, SCOPES_MAX, Vote};
use seawall_core::time::Time;

use super::cpu::measured;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long each of them runs in all
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Rounds, in which each of them takes its turn.
const ROUNDS: u32 = 10;
/// Requests before anything is measured: what is usual is learnt, and every place is met.
const WARM_UP: u32 = 50_000;
/// Between two requests.
const APART: Duration = Duration::from_millis(1);
/// The fingerprint of one body among so many.
const BODIES: u64 = 1 << 20;
/// One first attempt in a hundred, in millionths.
const QUIET: u32 = 10_000;
/// Three in ten.
const OUTAGE: u32 = 300_000;

/// Requests, and what is known of them.
struct World {
    name: &'static str,
    incidents: Incidents,
    dice: Dice,
    now: Time,
    models: Vec<String>,
    fails_ppm: u32,
    told: usize,
}

impl World {
    /// `places` of which one is a route, the others models at one upstream.
    fn new(name: &'static str, places: usize, fails_ppm: u32) -> World {
        let mut world = World {
            name,
            incidents: Incidents::new(Limits::default()),
            dice: Dice::new(7),
            now: Time::from_micros(1_700_000_000_000_000),
            models: (1..places).map(|n| format!("gpt-{n}")).collect(),
            fails_ppm,
            told: 0,
        };
        (0..WARM_UP).for_each(|_| world.request());
        world
    }

    fn request(&mut self) {
        self.now = self.now + APART;
        let dice = &mut self.dice;
        let mut one_of = |count: usize| {
            let last = u64::try_from(count).unwrap_or(1).saturating_sub(1);
            usize::try_from(dice.between(0, last)).unwrap_or(0)
        };
        let model = self.models.get(one_of(self.models.len())).map(String::as_str);
        let (is_stream, has_tools) = (one_of(2) == 0, one_of(4) == 0);
        let facts = Facts {
            model,
            endpoint: "chat",
            upstream: Some("openai"),
            key: ["one", "two"].get(one_of(2)).copied(),
            region: ["FRA", "AMS", "LHR"].get(one_of(3)).copied(),
            stream: is_stream,
            body_bytes: [500, 5_000, 50_000, 500_000].get(one_of(4)).copied().unwrap_or(0),
            tools: has_tools,
        };
        let is_lost = self.fails_ppm == OUTAGE && one_of(2) == 0;
        let failed = self.dice.chance_ppm(self.fails_ppm);
        let took = Duration::from_millis(self.dice.between(200, 900));
        let (request, route) = ("sw_01a21ff0bf6642e997c93b109c65336f", "default");
        let first = First {
            request,
            body: self.dice.between(1, BODIES),
            route,
            vote: if failed { Vote::Fail } else { Vote::Ok },
            was_sent: true,
            facts,
            form: u64::from(is_stream) + 2 * u64::from(has_tools),
            first_content: (is_stream && !failed).then_some(took),
        };
        let ending = match (failed, is_lost) {
            (false, _) => Ending::Passed,
            (true, false) => Ending::Saved,
            (true, true) => Ending::Lost,
        };
        let last = Last { request, route, upstream: Some("openai"), model, ending };
        self.told += self.incidents.first(self.now, black_box(&first)).len();
        self.told += self.incidents.last(self.now, black_box(&last)).len();
    }

    fn is_as_meant(&self) -> bool {
        let is_open = self.incidents.open().next().is_some();
        is_open == (self.fails_ppm == OUTAGE) && (self.told > 0) == is_open
    }
}

/// Prints requests a second of one core, and what is kept.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let mut worlds = [
        World::new("quiet, 2 places", 2, QUIET),
        World::new("quiet, 256 places", SCOPES_MAX, QUIET),
        World::new("outage, 2 places", 2, OUTAGE),
    ];
    let turn = Duration::from_secs(options.seconds) / ROUNDS;
    let mut rates = [0.0; 3];
    for _ in 0..ROUNDS {
        for (world, rate) in worlds.iter_mut().zip(&mut rates) {
            // The best round is the one that nothing else on the machine has disturbed.
            *rate = f64::max(*rate, measured(turn, || world.request()));
        }
    }
    if let Some(world) = worlds.iter().find(|world| !world.is_as_meant()) {
        return Err(io::Error::other(format!("{}: not the incidents that were meant", world.name)));
    }
    for (world, rate) in worlds.iter().zip(rates) {
        let saves = measured(turn, || {
            black_box(world.incidents.save());
        });
        let saved = world.incidents.save();
        let bytes = serde_json::to_vec(&saved)?.len();
        let writes = measured(turn, || {
            black_box(serde_json::to_vec(black_box(&saved)).is_ok());
        });
        let (name, nanos) = (world.name, 1e9 / rate);
        let [save, write] = [saves, writes].map(|rate| 1e6 / rate);
        if options.json {
            println!(
                "{}",
                serde_json::json!({"what": name, "requests_s": rate.round(), "ns_request": nanos.round(), "saved_bytes": bytes, "save_us": save.round(), "json_us": write.round()})
            );
        } else {
            println!(
                "{name:<18} {rate:>9.0} requests/s {nanos:>5.0} ns a request; saved {bytes:>8} bytes, {save:>6.0} µs to take and {write:>6.0} µs to write"
            );
        }
    }
    Ok(())
}
