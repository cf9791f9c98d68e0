use std::collections::VecDeque;
use std::io;

use seawall_core::incident::{Severity, What};
use tokio::task::JoinSet;
use tracing_subscriber::fmt::MakeWriter;

use super::super::desk::WAITING_MAX;
use super::super::samples::told;
use super::*;

use What::{Opened, Reminder, Resolved};

/// What a receiver does, one after another; the last for ever.
#[derive(Clone, Copy)]
enum Does {
    Takes,
    Answers(u16),
    AsksToWait(u64),
    Hangs,
    IsGone,
}

/// A receiver in virtual time: what it heard and when, and whether it took it.
#[derive(Clone)]
struct Stage {
    sink: Arc<Sink>,
    heard: Arc<Mutex<Vec<(What, Duration, bool)>>>,
    closing: watch::Sender<bool>,
    log: Log,
}

impl Stage {
    fn tell(&self, id: &str, what: What) {
        self.sink.tell(&told(id, what, Severity::Critical));
    }

    fn heard(&self) -> Vec<(What, Duration, bool)> {
        self.heard.lock().unwrap().clone()
    }

    fn taken(&self) -> Vec<What> {
        self.heard().into_iter().filter(|(.., taken)| *taken).map(|(what, ..)| what).collect()
    }

    fn counts(&self) -> [u64; 3] {
        let Counts { sent, failed, dropped } = &self.sink.counts;
        [sent, failed, dropped].map(Counter::get)
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// A task for a receiver that does what `script` says. The guard ends the capture of the log.
fn stage(script: &[Does]) -> (Stage, JoinSet<()>, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let guard = tracing::subscriber::set_default(
        tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .finish(),
    );
    let (closing, closed) = watch::channel(false);
    let sink = Arc::new(Sink::new("s".into(), &Form::Slack, Desk::new(Severity::Warning, false), Counts::default()));
    let stage = Stage { sink: Arc::clone(&sink), heard: Arc::default(), closing, log };
    let script: Arc<Mutex<VecDeque<Does>>> = Arc::new(Mutex::new(script.iter().copied().collect()));
    let (began, heard) = (Instant::now(), Arc::clone(&stage.heard));
    let post = move |item: Item| {
        let does = {
            let mut script = script.lock().unwrap();
            if script.len() > 1 { script.pop_front().unwrap() } else { script[0] }
        };
        heard.lock().unwrap().push((item.what, Instant::now() - began, matches!(does, Does::Takes)));
        async move {
            match does {
                Does::Takes => Ok(StatusCode::OK),
                Does::Answers(status) => Err(Why::Status(status, None).into()),
                Does::AsksToWait(seconds) => {
                    Err(Refused { why: Why::Status(429, None), retry_after: Some(Duration::from_secs(seconds)) })
                }
                Does::Hangs => std::future::pending().await,
                Does::IsGone => Err(Why::Connect("connection refused".into()).into()),
            }
        }
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(run(sink, closed, Dice::new(7), post));
    (stage, tasks, guard)
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_told_arrives_at_once_and_in_order() {
    let (stage, _tasks, _log) = stage(&[Does::Takes]);
    for what in [Opened, Reminder, Resolved] {
        stage.tell("a", what);
    }
    pass(Duration::from_millis(1)).await;
    assert_eq!(stage.taken(), [Opened, Reminder, Resolved]);
    assert_eq!((stage.counts(), stage.log.lines().len()), ([3, 0, 0], 0));
}

#[tokio::test(start_paused = true)]
async fn two_failures_delay_it_and_are_one_line_each_way() {
    let (stage, _tasks, _log) = stage(&[Does::Answers(500), Does::Answers(500), Does::Takes]);
    stage.tell("a", Opened);
    pass(Duration::from_millis(1)).await;
    let state = stage.sink.state();
    assert_eq!((state.queued, state.last_error.as_deref()), (1, Some("answers 500")));
    assert!(state.failing_since.is_some());
    pass(WAIT_BASE + 2 * WAIT_BASE).await;
    assert_eq!(stage.taken(), [Opened]);
    let state = stage.sink.state();
    assert_eq!((state.sent, state.failed, state.queued, state.failing_since), (1, 0, 0, None));
    let lines = stage.log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("alerts cannot be delivered") && lines[0].contains("answers 500"), "{lines:?}");
    assert!(lines[1].contains("alerts are delivered again"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_asked_for_is_kept_up_to_a_limit() {
    let longer = RETRY_AFTER_MAX.as_secs() + 1;
    let (stage, _tasks, _log) = stage(&[Does::AsksToWait(37), Does::AsksToWait(longer), Does::Takes]);
    stage.tell("a", Opened);
    pass(Duration::from_secs(37) + RETRY_AFTER_MAX + Duration::from_secs(1)).await;
    let times: Vec<u64> = stage.heard().iter().map(|(_, at, _)| at.as_secs()).collect();
    assert_eq!(times, [0, 37, 37 + RETRY_AFTER_MAX.as_secs()]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_what_it_is_is_not_sent_again_and_holds_up_nothing() {
    for status in [400, 401, 403, 404, 410, 413] {
        let (stage, _tasks, _log) = stage(&[Does::Answers(status), Does::Takes]);
        stage.tell("a", Opened);
        stage.tell("b", Opened);
        stage.tell("a", Resolved);
        pass(Duration::from_millis(1)).await;
        assert_eq!(stage.heard().len(), 2, "{status}: the end of what nobody heard of is not told");
        assert_eq!(stage.counts(), [1, 1, 1]);
    }
    for status in [408, 429, 500, 503, 599] {
        let (stage, _tasks, _log) = stage(&[Does::Answers(status), Does::Takes]);
        stage.tell("a", Opened);
        pass(WAIT_BASE).await;
        assert_eq!(stage.counts(), [1, 0, 0], "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_is_left_after_its_time() {
    let (stage, _tasks, _log) = stage(&[Does::Hangs, Does::Takes]);
    stage.tell("a", Opened);
    pass(POST_WITHIN - Duration::from_millis(1)).await;
    assert_eq!((stage.heard().len(), stage.sink.state().last_error), (1, None));
    pass(WAIT_BASE + Duration::from_millis(1)).await;
    assert_eq!(stage.taken(), [Opened]);
    assert_eq!(stage.sink.state().last_error.as_deref(), Some("has not answered within 10 s"));
}

#[tokio::test(start_paused = true)]
async fn what_began_and_ended_while_a_receiver_was_away_is_told_once_each() {
    let gone = vec![Does::IsGone; 20];
    let script: Vec<Does> = gone.into_iter().chain([Does::Takes]).collect();
    let (stage, _tasks, _log) = stage(&script);
    stage.tell("a", Opened);
    pass(Duration::from_secs(60)).await;
    stage.tell("a", Resolved);
    pass(GIVE_UP_AFTER / 2).await;
    assert_eq!(stage.taken(), [Opened, Resolved]);
    assert_eq!((stage.counts(), stage.log.lines().len()), ([2, 0, 0], 2));
}

#[tokio::test(start_paused = true)]
async fn waits_double_by_chance_up_to_a_limit() {
    let (stage, _tasks, _log) = stage(&[Does::IsGone]);
    stage.tell("a", Opened);
    pass(GIVE_UP_AFTER / 2).await;
    let times: Vec<Duration> = stage.heard().iter().map(|(_, at, _)| *at).collect();
    let waits: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (n, wait) in waits.iter().enumerate() {
        let most = WAIT_BASE.saturating_mul(2u32.saturating_pow(u32::try_from(n).unwrap())).min(WAIT_MAX);
        assert!(*wait <= most + Duration::from_millis(2), "{n}: {wait:?}");
    }
    // Half the limit each, on average: some sixty attempts in half an hour.
    assert!((40..120).contains(&waits.len()), "{}", waits.len());
    assert!(waits.iter().any(|wait| *wait > WAIT_MAX / 2));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_delivered_for_an_hour_is_given_up_and_the_next_reminder_begins() {
    let (stage, _tasks, _log) = stage(&[Does::IsGone]);
    stage.tell("a", Opened);
    pass(GIVE_UP_AFTER - Duration::from_secs(1)).await;
    assert_eq!(stage.counts(), [0, 0, 0]);
    pass(Duration::from_secs(2)).await;
    assert_eq!(stage.counts(), [0, 1, 0]);
    let last = stage.heard().last().unwrap().1;
    assert!(last >= GIVE_UP_AFTER && last < GIVE_UP_AFTER + Duration::from_secs(1), "tried once more: {last:?}");
    stage.tell("a", Reminder);
    pass(Duration::from_millis(1)).await;
    assert_eq!(stage.heard().last().unwrap().0, Opened);
    assert_eq!(stage.log.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_away_for_days_costs_a_bounded_queue() {
    let (stage, _tasks, _log) = stage(&[Does::IsGone]);
    for n in 0..500 {
        stage.tell(&format!("n{n}"), Opened);
        stage.tell(&format!("n{n}"), Resolved);
        pass(Duration::from_secs(1)).await;
        assert!(stage.sink.state().queued <= WAITING_MAX + 1);
    }
    pass(GIVE_UP_AFTER * 40).await;
    let [sent, failed, dropped] = stage.counts();
    assert_eq!((sent, failed + dropped, stage.sink.state().queued), (0, 1_000, 0));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_waits_is_sent_and_what_cannot_be_is_counted() {
    let (well, mut tasks, _log) = stage(&[Does::IsGone, Does::Takes]);
    well.tell("a", Opened);
    pass(Duration::from_micros(1)).await;
    well.tell("a", Resolved);
    well.closing.send_replace(true);
    tasks.join_next().await.unwrap().unwrap();
    well.sink.abandon();
    assert_eq!((well.taken(), well.counts()), (vec![Opened, Resolved], [2, 0, 0]));

    let (gone, mut tasks, _log) = stage(&[Does::IsGone]);
    gone.tell("a", Opened);
    gone.tell("a", Resolved);
    gone.closing.send_replace(true);
    tasks.join_next().await.unwrap().unwrap();
    gone.sink.abandon();
    assert_eq!((gone.heard().len(), gone.counts()), (1, [0, 0, 2]));
    gone.tell("b", Opened);
    assert_eq!((gone.sink.state().queued, gone.counts()), (0, [0, 0, 3]), "what comes too late is counted too");
    let lines = gone.log.lines();
    assert!(
        lines.iter().any(|line| line.contains("not delivered before the end") && line.contains("left=2")),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn telling_never_waits_for_a_receiver() {
    let (stage, _tasks, _log) = stage(&[Does::Hangs]);
    let before = Instant::now();
    (0..10_000).for_each(|n| stage.tell(&format!("n{n}"), Opened));
    assert_eq!((Instant::now(), stage.sink.state().queued), (before, WAITING_MAX));
}
