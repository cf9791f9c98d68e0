//! A request that is followed: every attempt is heard of, its headers can be amended, and the end is an end.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use seawall::proxy::{Call, Conclusion, FollowedReply, Follower, Sending};
use seawall_core::event::{Attempt, Ended};
use seawall_core::verdict::about::Finish;

use crate::bench::{Bench, bench, policy};

/// What was heard, in a line each.
#[derive(Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Follower for Notes {
    fn sends(&self, sending: Sending, headers: &mut HeaderMap) {
        headers.insert("x-followed", HeaderValue::from(sending.number));
        self.note(format!("sends {}", sending.number));
    }

    fn failed(&self, attempt: &Attempt) {
        self.note(format!("failed {} {}", attempt.number, attempt.class));
    }

    fn answers(&self, reply: &FollowedReply<'_>) {
        let says = (reply.about.id.is_some(), reply.about.model.as_deref(), reply.upstream_request_id.is_some());
        self.note(format!("answers {} {} {says:?}", reply.number, reply.status));
    }

    fn finished(&self, finishes: &[Finish]) {
        self.note(format!("finished {finishes:?}"));
    }

    fn resumes(&self, sending: Sending) {
        self.note(format!("resumes {}", sending.number));
    }

    fn ended(&self, ended: &Ended) {
        self.note(format!("ended {} {} of {}", ended.outcome, ended.status, ended.attempts));
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        self.note("over".into());
    }
}

/// A call that is followed, and what will be heard of it.
fn followed(bench: &Bench, chaos: &str, stream: bool) -> (Call, Arc<Mutex<Vec<String>>>) {
    let notes = Notes::default();
    let heard = Arc::clone(&notes.0);
    (Call { follower: Some(Arc::new(notes)), ..bench.call(chaos, stream) }, heard)
}

#[tokio::test]
async fn a_follower_hears_of_every_attempt_and_of_the_end() {
    for stream in [false, true] {
        let bench = bench(policy()).await;
        let (call, heard) = followed(&bench, "500*1", stream);
        let Conclusion::Answer(answer) = bench.client.run(call).await else { panic!("no answer") };
        answer.relay.collect().await.unwrap();
        let mut wanted = vec![
            "sends 1",
            "failed 1 server_error",
            "sends 2",
            "answers 2 200 (true, Some(\"m\"), true)",
            "ended retried 200 of 2",
            "over",
        ];
        if stream {
            wanted.insert(4, "finished [Stop]");
        }
        assert_eq!(*heard.lock().unwrap(), wanted, "stream {stream}");
        for seen in bench.chaos.stats().requests {
            assert!(seen.header_names.iter().any(|name| name == "x-followed"), "{:?}", seen.header_names);
        }
    }
}

#[tokio::test]
async fn a_failure_is_over_when_its_caller_has_been_told() {
    let bench = bench(policy()).await;
    let (call, heard) = followed(&bench, "400", false);
    let Conclusion::Failure(mut failure) = bench.client.run(call).await else { panic!("an answer") };
    assert_eq!(*heard.lock().unwrap(), ["sends 1", "failed 1 caller_fault"]);
    failure.answered_with(400);
    drop(failure);
    assert_eq!(heard.lock().unwrap()[2..], ["ended not_retryable 400 of 1", "over"]);
}

#[tokio::test]
async fn a_follower_is_dropped_with_a_request_whose_caller_leaves() {
    let bench = bench(policy()).await;
    let (call, heard) = followed(&bench, "hang", false);
    let client = bench.client.clone();
    let task = tokio::spawn(async move { drop(client.run(call).await) });
    while bench.chaos.stats().attempts == 0 {
        tokio::task::yield_now().await;
    }
    task.abort();
    assert!(task.await.is_err());
    assert_eq!(*heard.lock().unwrap(), ["sends 1", "over"]);
}
