use std::sync::Mutex;

use seawall_core::plan::breaker::State;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance};

use super::super::board::Wanted;
use super::super::samples::SHIM;
use super::super::{Indicator, read};
use super::*;

const EVERY: Duration = Duration::from_secs(60);
/// `EVERY` and all that chance may add.
const EVERY_MAX: Duration = Duration::from_secs(66);
const URL: &str = "https://status.example/";

fn board(wanted: Wanted) -> Arc<Board> {
    let page = || Some(URL.to_owned());
    let upstreams = [("one".to_owned(), page()), ("two".to_owned(), page()), ("none".to_owned(), None)];
    Arc::new(Board::new(&upstreams, wanted, 180_000_000))
}

/// Polls in virtual time; `answer` says what comes of the n-th look. When looks were begun is noted.
fn polling(board: &Arc<Board>, answer: fn(usize) -> bool) -> (JoinSet<()>, Arc<Mutex<Vec<Instant>>>) {
    let looks: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let seen = Arc::clone(&looks);
    let look = move |memory: Memory| {
        let n = {
            let mut looks = seen.lock().unwrap();
            looks.push(Instant::now());
            looks.len()
        };
        async move {
            let page = || Arc::new(read(SHIM.as_bytes(), &URL.parse().unwrap()).unwrap().0);
            (memory, if answer(n) { Ok(page()) } else { Err(Trouble::Late) })
        }
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(poll(Arc::clone(board), 0, EVERY, Dice::new(7), look));
    (tasks, looks)
}

fn count(looks: &Mutex<Vec<Instant>>) -> usize {
    looks.lock().unwrap().len()
}

/// Lets virtual time go by in steps, so that every wait in between ends when it should.
async fn pass(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        advance(Duration::from_millis(500)).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_until_someone_wants_to_know_and_nothing_afterwards() {
    let board = board(Wanted::Watched);
    let (_tasks, looks) = polling(&board, |_| true);
    pass(Duration::from_secs(3_600)).await;
    assert_eq!(count(&looks), 0);
    board.watch(0, true);
    pass(FIRST_WITHIN + Duration::from_secs(1)).await;
    assert_eq!(count(&looks), 1, "soon");
    let posted = board.posted();
    assert_eq!(posted[1].snapshot.page.as_ref().and_then(|page| page.indicator), Some(Indicator::Minor), "shared");
    assert_eq!((posted[0].is_watched, posted[1].is_watched), (true, false));
    pass(10 * EVERY_MAX).await;
    assert!((10..=11).contains(&count(&looks)), "{}", count(&looks));
    board.watch(0, false);
    let before = count(&looks);
    pass(10 * EVERY_MAX).await;
    assert_eq!(count(&looks), before);
    assert!(board.posted()[0].snapshot.page.is_some(), "what it said last is kept");
    board.watch(1, true);
    let wanted = Instant::now();
    pass(FIRST_WITHIN + Duration::from_secs(1)).await;
    let again = looks.lock().unwrap()[before];
    assert!(again > wanted, "a fleet does not ask all at once, also not the next time");
}

#[tokio::test(start_paused = true)]
async fn a_page_is_asked_from_the_start_and_whoever_watches_if_it_is_always_wanted() {
    let board = board(Wanted::Always);
    let (_tasks, looks) = polling(&board, |_| true);
    board.watch(0, false);
    pass(5 * EVERY_MAX).await;
    assert!((5..=6).contains(&count(&looks)), "{}", count(&looks));
}

#[tokio::test(start_paused = true)]
async fn two_looks_are_never_closer_than_asked_for_however_incidents_come_and_go() {
    let board = board(Wanted::Watched);
    let (_tasks, looks) = polling(&board, |_| true);
    for n in 0..600 {
        board.watch(n % 2, n % 3 != 0);
        pass(Duration::from_secs(1)).await;
    }
    let looks = looks.lock().unwrap().clone();
    assert!(looks.len() > 5, "{}", looks.len());
    assert!(looks.windows(2).all(|pair| pair[1] - pair[0] >= EVERY));
}

#[tokio::test(start_paused = true)]
async fn a_page_stays_wanted_until_the_last_of_its_upstreams_is_well() {
    let board = board(Wanted::Watched);
    let (_tasks, looks) = polling(&board, |_| true);
    board.watch(0, true);
    board.watch(1, true);
    board.watch(1, true);
    board.watch(1, false);
    board.watch(2, true);
    board.watch(99, true);
    pass(3 * EVERY_MAX).await;
    assert!(count(&looks) >= 3, "one still wants it");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_does_not_answer_is_asked_less_and_less() {
    let board = board(Wanted::Always);
    let (_tasks, looks) = polling(&board, |n| n == 1 || n == 9);
    pass(Duration::from_secs(2 * 3_600)).await;
    let looks = looks.lock().unwrap().clone();
    let waits: Vec<u64> = looks.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    for (at, wait) in [60u64, 120, 240, 480, 600, 600, 600, 600, 60, 120].into_iter().enumerate() {
        assert!((wait..=wait + wait / 10 + 1).contains(&waits[at]), "wait {at} of {waits:?}");
    }
    assert!(waits.iter().any(|wait| wait % 60 != 0), "chance keeps replicas apart: {waits:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_page_said_is_kept_beside_why_it_says_nothing_now() {
    let board = board(Wanted::Always);
    let (_tasks, _looks) = polling(&board, |n| n == 1);
    pass(2 * EVERY_MAX).await;
    let posted = board.posted();
    assert_eq!(posted[0].snapshot.trouble, Some(Trouble::Late));
    let read = posted[0].snapshot.read.unwrap();
    let at = |after| board.indicators(read + after);
    assert_eq!(
        at(180_000_000),
        [("one".to_owned(), Some(Indicator::Minor)), ("two".to_owned(), Some(Indicator::Minor))]
    );
    assert_eq!(at(180_000_001)[0].1, None, "what was said long ago says nothing about now");
    let told = serde_json::to_value(board.told(&[("one".into(), "m".into(), State::Open)])).unwrap();
    assert_eq!(told["upstreams"][0]["page"]["trouble"], "has not answered within 10 s");
    assert_eq!(told["upstreams"][0]["page"]["components"][0]["status"], "degraded_performance");
    assert_eq!(told["upstreams"][0]["breakers"], serde_json::json!([{ "model": "m", "state": "open" }]));
    assert_eq!(
        told["upstreams"][2],
        serde_json::json!({ "upstream": "none", "breakers": [], "watched": false, "page": null })
    );
}

#[test]
fn a_wait_never_overflows_and_is_never_shorter_than_asked_for() {
    assert_eq!(wait(EVERY, u32::MAX), BACKOFF_MAX);
    assert_eq!(wait(Duration::from_secs(3_600), 5), Duration::from_secs(3_600));
}
