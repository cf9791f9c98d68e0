//! A caller's retry gets the answer that is still being generated for its first try: one bill, not two.
//!
//! A client with a shorter timeout than its answers need asks again and again, and pays for each: the
//! provider goes on with what nobody reads. Where it is wanted, the call of a caller who left is kept for a
//! while, and given to who comes with the same key, the same path and the same body, and says that it is a
//! retry. Nobody else's: an answer is one sample, and two people who ask the same want two.
//!
//! A caller that announces its patience is told in time, and asked to come back; the attempt goes on.

use std::sync::Arc;

use seawall_core::plan::announced;
use seawall_core::request::{Patience, Repeatable, Request};
use tokio::time::timeout_at;

use crate::attempt::{self, Call, Conclusion};
use crate::body::Payload;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::orphans::{Course, Key, Orphan, Orphans};

/// What a call is known by, if it may be adopted; `None` if it may not.
pub(crate) fn key(engine: &Engine, orphans: &Orphans<Conclusion>, call: &Call) -> Option<Key> {
    let Payload::Kept(body) = &call.payload else { return None };
    let facts = &call.facts;
    let may_be = engine.policy.adopt.enabled && !facts.stream && facts.repeatable() != Repeatable::NotSent;
    let is_generated = may_be && facts.method == http::Method::POST && !body.is_empty();
    is_generated.then(|| orphans.key(call.target.as_str(), call.labels.client.as_deref(), &call.headers, body))
}

/// A call whose caller may leave: what is under way is kept then.
struct Parent {
    engine: Arc<Engine>,
    orphans: Arc<Orphans<Conclusion>>,
    key: Option<Key>,
    facts: Request,
    id: String,
    course: Option<Course<Conclusion>>,
}

impl Drop for Parent {
    fn drop(&mut self) {
        if let (Some(course), Some(key)) = (self.course.take(), self.key.take()) {
            let orphan = Orphan { course, facts: self.facts.clone(), id: std::mem::take(&mut self.id) };
            self.orphans.park(&self.engine.memory, key, orphan, self.engine.policy.adopt.keep);
        }
    }
}

/// Runs a call to its conclusion, or takes up the one that its caller began before.
pub(crate) async fn run(
    engine: &Arc<Engine>,
    orphans: &Arc<Orphans<Conclusion>>,
    mut call: Call,
    key: Key,
) -> Conclusion {
    let patience = announced(&call.facts.patience, &engine.policy.timeout);
    let (until, invites) = (patience.map(|patience| call.arrived + patience), call.facts.patience.from_sdk);
    let orphan = if call.facts.client_retries > 0 { orphans.take(&key) } else { None };
    let adopted = orphan.as_ref().map(|orphan| orphan.id.clone());
    let (course, facts, id) = match orphan {
        Some(Orphan { course, facts, id }) => {
            // The first caller is the one that left; what it asked for goes on, and is told of at its end.
            engine.observer.left(&facts, 0);
            engine.observer.adopted(&call.facts);
            (course, facts, id)
        }
        None => {
            let (facts, id) = (call.facts.clone(), call.labels.id.clone());
            // It has all the time there is: its caller's own ends the wait, and not the attempt.
            call.facts.patience = Patience::default();
            let course: Course<Conclusion> = Box::pin(attempt::run(Arc::clone(engine), call));
            (course, facts, id)
        }
    };
    let (engine, orphans) = (Arc::clone(engine), Arc::clone(orphans));
    let mut parent = Parent { engine, orphans, key: Some(key), facts, id, course: Some(course) };
    let course = parent.course.as_mut().expect("it was put there above");
    let conclusion = match until {
        Some(until) => timeout_at(until, course).await.ok(),
        None => Some(course.await),
    };
    match conclusion {
        Some(mut conclusion) => {
            parent.course = None;
            if let Conclusion::Answer(answer) = &mut conclusion
                && let Some(found) = &mut answer.found
            {
                found.adopted = adopted;
            }
            conclusion
        }
        None => Conclusion::Failure(Box::new(Failure::of_patience(patience.unwrap_or_default(), invites))),
    }
}
