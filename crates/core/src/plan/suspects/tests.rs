use super::*;
use crate::request::Endpoint;

const ROAD: Road = Road { upstream: UpstreamId(0), model: 7, form: Form::plain(Endpoint::ChatCompletions, true) };
/// Tools of the one that is watched, and of somebody else.
const OWN: u64 = 1;
const OTHER: u64 = 2;

/// One second after another.
#[derive(Default)]
struct World {
    suspects: Suspects,
    secs: u64,
    requests: u64,
}

impl World {
    fn now(&self) -> Time {
        Time::ZERO + Duration::from_secs(self.secs)
    }

    fn came(&mut self, tools: u64, came: Came) {
        self.secs += 1;
        self.requests += 1;
        let tried = Tried { road: ROAD, tools, request: self.requests, body: self.requests };
        self.suspects.came(self.now(), tried, came);
    }

    /// The watched tools fail, and then others are answered `others` times.
    fn fails(&mut self, others: u64) {
        self.came(OWN, Came::ServerError);
        (0..others).for_each(|_| self.came(0, Came::Answered));
    }

    fn likely(&self) -> Option<Evidence> {
        self.suspects.likely(self.now(), ROAD, OWN)
    }

    /// How many failures it takes, each followed by as many answers to others.
    fn takes(others: u64) -> Option<u32> {
        let mut world = World::default();
        (1..=100).find(|_| {
            world.fails(others);
            world.likely().is_some()
        })
    }
}

#[test]
fn the_more_others_are_answered_the_fewer_failures_it_takes() {
    // (all answers to others + 2)^failures must reach 10^8: 10^8 itself after eight with one each.
    assert_eq!(
        [1, 2, 3, 7, 30, 1_000, 10_000].map(World::takes),
        [Some(8), Some(7), Some(7), Some(6), Some(4), Some(3), Some(2)]
    );
    assert_eq!(World::takes(0), None);
}

#[test]
fn the_evidence_is_what_was_counted() {
    let mut world = World::default();
    (0..5).for_each(|_| world.fails(8));
    let evidence = Evidence {
        attempts: 5,
        requests: 5,
        bodies: BODIES_MAX,
        within: Duration::from_secs(44),
        others_answered: 40,
        others_failed: 0,
        stream: true,
    };
    assert_eq!(world.likely(), Some(evidence));
}

#[test]
fn one_answer_acquits_for_an_hour() {
    let mut world = World::default();
    (0..5).for_each(|_| world.fails(8));
    world.came(OWN, Came::Answered);
    assert_eq!(world.likely(), None);
    for secs in [world.secs + 3_550, world.secs + 3_600] {
        (0..5).for_each(|_| world.fails(8));
        assert_eq!(world.likely(), None);
        world.secs = secs;
    }
    assert!(world.likely().is_some());
}

#[test]
fn one_request_is_not_enough_however_often_it_is_tried() {
    let mut world = World::default();
    for _ in 0..50 {
        let tried = Tried { road: ROAD, tools: OWN, request: 1, body: 1 };
        world.suspects.came(world.now(), tried, Came::ServerError);
        (0..50).for_each(|_| world.came(0, Came::Answered));
        world.requests = 1;
    }
    assert_eq!(world.likely(), None);
    world.requests = 1;
    world.came(OWN, Came::ServerError);
    assert_eq!(world.likely().map(|evidence| (evidence.requests, evidence.bodies)), Some((2, 2)));
}

#[test]
fn requests_beside_each_other_are_counted_once() {
    let mut world = World::default();
    for request in [5, 6, 5, 6, 5, 7, 4] {
        let tried = Tried { road: ROAD, tools: OWN, request, body: request };
        world.suspects.came(world.now(), tried, Came::ServerError);
        (0..20).for_each(|_| world.came(0, Came::Answered));
    }
    assert_eq!(world.likely().map(|evidence| (evidence.attempts, evidence.requests)), Some((7, 3)));
}

#[test]
fn an_outage_blames_nobody() {
    let mut world = World::default();
    (0..200).for_each(|_| world.came(0, Came::Answered));
    for _ in 0..200 {
        world.came(OWN, Came::ServerError);
        world.came(0, Came::Otherwise);
        assert_eq!(world.likely(), None);
    }
    // It ends, and others are answered before these tools are tried again.
    (0..500).for_each(|_| world.came(0, Came::Answered));
    assert_eq!(world.likely(), None);
}

#[test]
fn the_more_others_fail_the_longer_it_takes() {
    let takes = |answered: u64, failed: u64| {
        let mut world = World::default();
        (1..=500).find(|_| {
            world.came(OWN, Came::ServerError);
            (0..failed).for_each(|_| world.came(0, Came::Otherwise));
            (0..answered).for_each(|_| world.came(0, Came::Answered));
            world.likely().is_some()
        })
    };
    assert_eq!(
        [(50, 1), (8, 2), (1, 1), (1, 2)].map(|(answered, failed)| takes(answered, failed)),
        [Some(5), Some(14), Some(27), None]
    );
}

#[test]
fn where_all_tools_fail_it_is_nobodys_definitions() {
    let mut world = World::default();
    for _ in 0..20 {
        world.fails(20);
        world.came(OTHER, Came::ServerError);
    }
    assert_eq!(world.likely(), None);
    // As soon as more of the others are answered than fail, it is these.
    (0..20).for_each(|_| world.came(OTHER, Came::Answered));
    assert_eq!(world.likely(), None);
    world.came(OTHER, Came::Answered);
    assert!(world.likely().is_some());
}

#[test]
fn fewer_than_five_answers_to_others_are_no_company() {
    let mut world = World::default();
    for _ in 0..4 {
        world.fails(1);
    }
    (0..40).for_each(|_| world.came(OWN, Came::ServerError));
    assert_eq!(world.likely(), None);
}

#[test]
fn other_failures_than_a_plain_500_are_no_sign_of_tools() {
    let mut world = World::default();
    for _ in 0..20 {
        world.came(OWN, Came::Otherwise);
        (0..20).for_each(|_| world.came(0, Came::Answered));
    }
    assert_eq!(world.likely(), None);
}

#[test]
fn a_run_is_forgotten_a_day_after_its_last_failure() {
    let mut world = World::default();
    (0..5).for_each(|_| world.fails(8));
    let last = world.secs - 8;
    world.secs = last + 86_399;
    assert!(world.likely().is_some());
    world.secs = last + 86_400;
    assert_eq!(world.likely(), None);
    world.fails(7);
    assert_eq!(world.likely(), None);
}

#[test]
fn roads_are_apart() {
    let mut world = World::default();
    (0..5).for_each(|_| world.fails(8));
    let of = |endpoint, stream| Road { form: Form::plain(endpoint, stream), ..ROAD };
    let (whole, other) = (of(Endpoint::ChatCompletions, false), of(Endpoint::Responses, true));
    for road in [whole, other, Road { model: 8, ..ROAD }, Road { upstream: UpstreamId(1), ..ROAD }] {
        assert_eq!(world.suspects.likely(world.now(), road, OWN), None);
    }
    assert_eq!(world.suspects.likely(world.now(), ROAD, OTHER), None);
}

#[test]
fn probes_are_rare() {
    let mut world = World::default();
    assert!(!world.suspects.may_probe(world.now(), ROAD, OWN));
    world.came(OWN, Came::ServerError);
    world.came(OTHER, Came::ServerError);
    let mut at = |secs: u64, tools| world.suspects.may_probe(Time::ZERO + Duration::from_secs(secs), ROAD, tools);
    // Of one set of tools one in ten minutes, of all together one in ten seconds.
    assert!(at(100, OWN) && !at(100, OTHER) && !at(109, OTHER) && at(110, OTHER));
    assert!(!at(699, OWN) && at(700, OWN));
}

#[test]
fn no_more_sets_are_known_than_the_bound() {
    let mut world = World::default();
    for tools in 1..=SUSPECTS_MAX as u64 + 1 {
        world.came(tools, Came::ServerError);
    }
    assert_eq!(world.suspects.sets.len(), SUSPECTS_MAX);
    for model in 0..=u32::try_from(TRAFFIC_MAX).unwrap() {
        let tried = Tried { road: Road { model, ..ROAD }, tools: 0, request: 0, body: 0 };
        world.suspects.came(world.now(), tried, Came::Answered);
    }
    assert_eq!(world.suspects.traffic.len(), TRAFFIC_MAX);
}
