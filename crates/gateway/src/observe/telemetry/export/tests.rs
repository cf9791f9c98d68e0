use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use tokio::task::JoinSet;

use super::*;

/// The end of a test that waits for ever.
const MUCH_LATER: Duration = Duration::from_secs(24 * 3_600);

/// A collector that is asked, and what it is asked with: the number of traces in each post.
struct World {
    queue: Arc<Queue<u32>>,
    health: Arc<Health>,
    closing: watch::Sender<bool>,
    posts: Arc<Mutex<Vec<(Duration, u8)>>>,
    tasks: JoinSet<()>,
}

fn refused(why: Why) -> Result<(), Refused> {
    Err(Refused { why, retry_after: None })
}

impl World {
    /// `answer` is what the collector says to the post of that number, from 0; `None` for no answer at all.
    fn new(
        max: usize,
        batch: usize,
        answer: impl Fn(usize) -> Option<Result<(), Refused>> + Send + Sync + 'static,
    ) -> World {
        let queue = Arc::new(Queue::new(max, batch, Counter::default()));
        let health = Arc::new(Health::new("traces", "http://c".into(), Counter::default(), Counter::default()));
        let (closing, closed) = watch::channel(false);
        let (posts, began) = (Arc::<Mutex<Vec<(Duration, u8)>>>::default(), Instant::now());
        let mut tasks = JoinSet::new();
        let (of_queue, of_health, of_posts) = (Arc::clone(&queue), Arc::clone(&health), Arc::clone(&posts));
        tasks.spawn(async move {
            let number = AtomicUsize::new(0);
            let post = |body: Bytes| {
                of_posts.lock().unwrap().push((began.elapsed(), body[0]));
                let said = answer(number.fetch_add(1, Ordering::Relaxed));
                async move {
                    match said {
                        Some(said) => said,
                        None => std::future::pending().await,
                    }
                }
            };
            let written = |batch: &[u32]| Bytes::from(vec![u8::try_from(batch.len()).unwrap()]);
            traces(&of_queue, closed, Dice::new(1), &of_health, written, post).await;
        });
        World { queue, health, closing, posts, tasks }
    }

    fn put(&self, count: u32) {
        (0..count).for_each(|n| self.queue.push(n));
    }

    fn posts(&self) -> Vec<(Duration, u8)> {
        self.posts.lock().unwrap().clone()
    }

    fn sizes(&self) -> Vec<u8> {
        self.posts().into_iter().map(|(_, size)| size).collect()
    }

    async fn after(&self, wait: Duration) {
        // What is due at the same moment goes first.
        sleep(wait + Duration::from_millis(1)).await;
    }

    async fn close(&mut self) {
        self.closing.send_replace(true);
        timeout(MUCH_LATER, async { while self.tasks.join_next().await.is_some() {} })
            .await
            .expect("it ends by itself");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_within_a_second_goes_in_one_post() {
    let world = World::new(100, 10, |_| Some(Ok(())));
    world.put(3);
    world.after(TRACES_EVERY / 2).await;
    assert!(world.sizes().is_empty());
    world.put(2);
    world.after(TRACES_EVERY / 2).await;
    assert_eq!(world.sizes(), [5]);
    assert_eq!(world.health.sent.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_does_not_wait() {
    let world = World::new(100, 10, |_| Some(Ok(())));
    world.put(9);
    world.after(Duration::from_millis(100)).await;
    assert!(world.sizes().is_empty());
    world.put(16);
    world.after(Duration::from_millis(1)).await;
    assert_eq!(world.sizes(), [10, 10]);
    world.after(TRACES_EVERY).await;
    assert_eq!(world.sizes(), [10, 10, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_hangs_costs_the_oldest_and_nobody_waits() {
    let world = World::new(20, 10, |number| if number == 0 { None } else { Some(Ok(())) });
    world.put(10);
    world.after(Duration::from_millis(1)).await;
    let before = Instant::now();
    world.put(25);
    assert_eq!(before, Instant::now());
    assert_eq!((world.queue.len(), world.queue.dropped.get()), (20, 5));
    // The post is given up, and made again.
    world.after(POST_WITHIN + WAIT_BASE).await;
    let sizes = world.sizes();
    assert_eq!(sizes[..2], [10, 10], "{sizes:?}");
    assert_eq!(world.health.failed.get(), 1);
    world.after(TRACES_EVERY).await;
    assert_eq!((world.queue.len(), world.queue.dropped.get()), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_and_given_up_after_a_while() {
    let world = World::new(100, 10, |_| Some(refused(Why::Connect("refused".into()))));
    world.put(1);
    world.after(TRACES_EVERY + GIVE_UP_AFTER + WAIT_MAX).await;
    assert_eq!(world.queue.dropped.get(), 1);
    let posts = world.posts();
    assert!((4..40).contains(&posts.len()), "{posts:?}");
    let (last, _) = posts.last().unwrap();
    assert!(*last >= TRACES_EVERY + GIVE_UP_AFTER && *last <= TRACES_EVERY + GIVE_UP_AFTER + WAIT_MAX, "{last:?}");
    assert!(posts.windows(2).all(|two| two[1].0 - two[0].0 <= WAIT_MAX + Duration::from_millis(2)));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_what_it_is_is_not_tried_again() {
    for why in [Why::Status(400, None), Why::Status(401, None), Why::Status(500, None), Why::Moved(302)] {
        let said = why.clone();
        let world = World::new(100, 10, move |number| Some(if number == 0 { refused(said.clone()) } else { Ok(()) }));
        world.put(2);
        world.after(TRACES_EVERY).await;
        assert_eq!((world.sizes(), world.queue.dropped.get()), (vec![2], 2), "{why:?}");
        world.put(1);
        world.after(TRACES_EVERY).await;
        assert_eq!((world.sizes(), world.queue.dropped.get()), (vec![2, 1], 2), "{why:?}");
    }
    for status in [429, 502, 503, 504] {
        assert!(is_passing(&Refused { why: Why::Status(status, None), retry_after: None }), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_collector_is_left_alone_for_as_long_as_it_asks_within_bounds() {
    for (asked, waits) in [(Duration::from_secs(20), Duration::from_secs(20)), (MUCH_LATER, RETRY_AFTER_MAX)] {
        let busy = move || Err(Refused { why: Why::Status(429, None), retry_after: Some(asked) });
        let world = World::new(100, 10, move |number| Some(if number == 0 { busy() } else { Ok(()) }));
        world.put(1);
        world.after(TRACES_EVERY + MUCH_LATER).await;
        let posts = world.posts();
        assert_eq!((posts.len(), posts[1].0 - posts[0].0), (2, waits));
        assert_eq!(world.queue.dropped.get(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_end_all_is_delivered_at_once() {
    let mut world = World::new(100, 10, |_| Some(Ok(())));
    world.put(25);
    let began = Instant::now();
    world.close().await;
    assert_eq!(began, Instant::now());
    assert_eq!((world.sizes(), world.queue.dropped.get()), (vec![10, 10, 5], 0));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_the_first_failure_is_the_last() {
    let mut world = World::new(100, 10, |_| Some(refused(Why::Status(503, None))));
    world.put(25);
    world.close().await;
    // What is left in the queue is counted by whoever closes.
    assert_eq!((world.sizes(), world.queue.dropped.get(), world.queue.len()), (vec![10], 10, 15));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_under_way_when_the_task_is_ended_counts_as_lost() {
    let mut world = World::new(100, 10, |_| None);
    world.put(3);
    world.after(TRACES_EVERY).await;
    assert_eq!(world.queue.dropped.get(), 0);
    world.tasks.shutdown().await;
    assert_eq!(world.queue.dropped.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn metrics_go_at_their_times_and_once_more_at_the_end() {
    let health = Arc::new(Health::new("metrics", "http://c".into(), Counter::default(), Counter::default()));
    let (closing, closed) = watch::channel(false);
    let posts = Arc::<Mutex<Vec<Duration>>>::default();
    let began = Instant::now();
    let (of_posts, of_health) = (Arc::clone(&posts), Arc::clone(&health));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let post = |_| {
            of_posts.lock().unwrap().push(began.elapsed());
            async { refused(Why::Status(StatusCode::BAD_REQUEST.as_u16(), None)) }
        };
        metrics(Duration::from_secs(60), closed, &of_health, Bytes::new, post).await;
    });
    sleep(Duration::from_secs(150)).await;
    closing.send_replace(true);
    timeout(MUCH_LATER, tasks.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(*posts.lock().unwrap(), [60, 120, 150].map(Duration::from_secs));
    assert_eq!((health.sent.get(), health.failed.get()), (0, 3));
}
