//! A client outlives runtimes, and is used on several: what belongs to one of them ends with it.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::dropping::{Program, Use, WITHIN, calm, program, request, take};
use crate::leaving::within;

/// A request that is polled more often than this is at its end.
const POLLS_MAX: usize = 200;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Where the upstream lives, and the program under test with it.
fn home() -> (Runtime, Program) {
    let home = multi_thread();
    let program = home.block_on(program(calm()));
    (home, program)
}

/// Waits until `holds`, on a thread that is no runtime's.
fn until(what: &str, holds: impl Fn() -> bool) {
    let (tell, told) = mpsc::channel::<()>();
    for _ in 0..WITHIN.as_millis() / 2 {
        if holds() {
            return;
        }
        // Nobody tells: it is a wait with a bound.
        let _ = told.recv_timeout(Duration::from_millis(2));
    }
    drop(tell);
    panic!("{what}: not within {WITHIN:?}");
}

/// How a runtime ends.
type Way = (&'static str, fn(Runtime));

fn ways() -> [Way; 3] {
    [
        ("dropped", drop),
        ("shut down in the background", Runtime::shutdown_background),
        ("shut down in time", |runtime| runtime.shutdown_timeout(Duration::from_secs(5))),
    ]
}

#[test]
fn a_client_that_is_dropped_takes_its_idle_connections_with_it() {
    for make in [current_thread as fn() -> Runtime, multi_thread] {
        let (home, program) = home();
        let Program { chaos, client, memory } = program;
        let runtime = make();
        runtime.block_on(async {
            let asked = (0..5)
                .map(|at| tokio::spawn(take(client.clone(), request("ok", at % 2 == 0, &at.to_string()), Use::Bytes)));
            for asked in asked.collect::<Vec<_>>() {
                asked.await.unwrap().unwrap();
            }
            assert!(tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0, "nothing is kept");
            drop(client);
            let tasks_end = async {
                while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
                    tokio::task::yield_now().await;
                }
            };
            timeout(WITHIN, tasks_end).await.expect("a task outlives its client");
        });
        home.block_on(async { timeout(WITHIN, chaos.until(|stats| stats.connections_open == 0)).await }).expect("open");
        assert_eq!(memory.held(), 0);
    }
}

#[test]
fn a_client_that_is_dropped_while_requests_run_ends_with_the_last_of_them() {
    let (home, program) = home();
    let Program { chaos, client, .. } = program;
    let runtime = multi_thread();
    let asked = runtime.spawn(take(client.clone(), request("slow=100ms", true, "last"), Use::Events));
    home.block_on(async { timeout(WITHIN, chaos.until(|stats| stats.in_flight == 1)).await }).expect("not asked");
    drop(client);
    assert!(runtime.block_on(asked).unwrap().is_ok());
    until("its tasks end", || runtime.metrics().num_alive_tasks() == 0);
    home.block_on(async { timeout(WITHIN, chaos.until(|stats| stats.connections_open == 0)).await }).expect("open");
}

/// At each `.await` of a request, a runtime ends with it: the client knows, and goes on elsewhere at once.
#[test]
fn a_runtime_may_end_at_any_await_and_its_client_goes_on_elsewhere() {
    let (home, program) = home();
    // Over a connection that idles there, or over a new one.
    for (chaos, stream, is_warm, awaits) in [
        ("ok", false, true, 1),
        ("ok", false, false, 2),
        ("ok", true, true, 4),
        ("500*1", false, true, 3),
        ("500*1", true, false, 6),
    ] {
        let mut is_over = false;
        let mut polls = 0;
        while !is_over {
            polls += 1;
            assert!(polls < POLLS_MAX, "it never ends");
            let (way, end) = ways()[polls % 3];
            let runtime = if polls % 2 == 0 { current_thread() } else { multi_thread() };
            if is_warm {
                let ready = take(program.client.clone(), request("ok", false, "ready"), Use::Bytes);
                runtime.block_on(ready).unwrap();
            }
            let (tell, told) = tokio::sync::oneshot::channel();
            let asked =
                take(program.client.clone(), request(chaos, stream, &format!("{way}-{polls}")), Use::of(stream));
            runtime.spawn(async move {
                let mut asked = Box::pin(asked);
                let ended = within(polls, asked.as_mut()).await.is_some();
                let _ = tell.send(ended);
                // It stands where it is until the runtime takes it down.
                std::future::pending::<()>().await;
                drop(asked);
            });
            is_over = runtime.block_on(told).unwrap();
            end(runtime);
            until("it is at rest", || program.is_at_rest());
            let again = take(program.client.clone(), request("ok", stream, "again"), Use::of(stream));
            let again = home.block_on(async { timeout(WITHIN, again).await });
            assert!(again.expect("it hangs").is_ok(), "{chaos}, {way} after {polls} polls");
        }
        assert!(polls > awaits, "{chaos}: {polls} polls");
    }
    home.block_on(async { timeout(WITHIN, program.chaos.until(|stats| stats.in_flight == 0)).await }).expect("read");
}

/// A runtime that nobody drives reads nothing: what idles there is of no use to others.
#[test]
fn a_connection_of_a_runtime_that_sleeps_is_used_by_no_other() {
    let (home, program) = home();
    let sleeps = current_thread();
    let asked = |key: &str| take(program.client.clone(), request("ok", false, key), Use::Bytes);
    sleeps.block_on(asked("first")).unwrap();
    let connections = || program.chaos.stats().connections;
    assert_eq!(connections(), 1);
    for round in 0..3 {
        let elsewhere = home.block_on(async { timeout(WITHIN, asked(&format!("elsewhere-{round}"))).await });
        elsewhere.expect("it waits for a runtime that sleeps").unwrap();
        assert_eq!(connections(), 2, "round {round}");
        // Its own is still good where it was made.
        sleeps.block_on(asked(&format!("back-{round}"))).unwrap();
        assert_eq!(connections(), 2, "round {round}");
    }
    drop(sleeps);
    home.block_on(async { timeout(WITHIN, program.chaos.until(|stats| stats.connections_open == 1)).await })
        .expect("open");
}

/// What one runtime takes with it is not what another one has.
#[test]
fn requests_of_one_runtime_do_not_notice_the_end_of_another() {
    let (home, program) = home();
    let (ends, stays) = (multi_thread(), multi_thread());
    let asked = |chaos: &str, key: &str| take(program.client.clone(), request(chaos, true, key), Use::Events);
    let stays_on = stays.spawn(asked("slow=200ms", "stays"));
    let goes = ends.spawn(asked("first_content_timeout", "goes"));
    home.block_on(async { timeout(WITHIN, program.chaos.until(|stats| stats.in_flight == 2)).await }).expect("asked");
    ends.shutdown_background();
    assert!(stays.block_on(stays_on).unwrap().is_ok());
    assert!(home.block_on(goes).unwrap_err().is_cancelled());
    until("it is at rest", || program.is_at_rest());
}

/// Outside of any runtime nothing can be sent, but everything can be dropped.
#[test]
fn an_answer_may_be_dropped_where_no_runtime_is() {
    let (home, program) = home();
    let response = home.block_on(program.client.send(request("stall=2", true, "outside"))).unwrap();
    let mut events = home.block_on(program.client.send(request("stall=2", true, "outside"))).unwrap().events();
    home.block_on(events.next()).unwrap().unwrap();
    drop((response, events));
    home.block_on(async { timeout(WITHIN, program.chaos.until(|stats| stats.cancelled == 2)).await }).expect("read");
    let Program { chaos, client, memory } = program;
    drop(client);
    home.block_on(async { timeout(WITHIN, chaos.until(|stats| stats.connections_open == 0)).await }).expect("open");
    assert_eq!(memory.held(), 0);
}

/// One client for a whole program, as tests have it: each on a runtime of its own, one after the other and at once.
#[test]
fn one_client_serves_many_runtimes_at_once() {
    let (home, program) = home();
    let program = Arc::new(program);
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let program = Arc::clone(&program);
            std::thread::spawn(move || {
                for round in 0..10 {
                    let key = format!("{thread}-{round}");
                    let asked =
                        take(program.client.clone(), request("ok", round % 2 == 0, &key), Use::of(round % 2 == 0));
                    current_thread().block_on(async { timeout(WITHIN, asked).await }).expect("it hangs").unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(program.is_at_rest());
    drop(home);
}
