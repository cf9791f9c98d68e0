//! The library: a client in this process, and an observer that notes what it hears.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use seawall::event::{self, Attempt, Ended};
use seawall::explain::Code;
use seawall::{Answered, Body, Client, Error, Memory, Observer, Overrides, Upstream};
use seawall_core::request;

use crate::case::Case;
use crate::seen::{Seen, Try, ends};
use crate::setting::Setting;
use crate::world::World;

/// What was told, in its order.
enum Told {
    Failed(Box<Attempt>),
    Answered(u32),
    Ended(Box<Ended>),
    Left(u32),
}

/// Notes what it is told.
#[derive(Default)]
struct Notes {
    told: Mutex<Vec<Told>>,
}

impl Notes {
    fn note(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl Observer for Notes {
    fn failed(&self, _: &Arc<event::Request>, attempt: Attempt) {
        self.note(Told::Failed(Box::new(attempt)));
    }
    fn answered(&self, _: &request::Request, answered: &Answered<'_>) {
        self.note(Told::Answered(answered.number));
    }
    fn ended(&self, _: &request::Request, _: Option<&Arc<event::Request>>, ended: Ended) {
        self.note(Told::Ended(Box::new(ended)));
    }
    fn left(&self, _: &request::Request, attempts: u32) {
        self.note(Told::Left(attempts));
    }
}

struct Library {
    client: Client,
    notes: Arc<Notes>,
    world: World,
}

/// What the library does and tells in each of `cases`.
pub(crate) async fn play(setting: &Setting, cases: &[&Case]) -> Vec<Seen> {
    let world = World::of(setting).await;
    let upstreams = setting.upstreams.iter().zip(1..).map(|(up, priority)| {
        let upstream = Upstream::new(&world.address(up)).unwrap().name(up.name).priority(priority);
        let signed = up.keys.iter().fold(upstream, |upstream, key| upstream.key(key).unwrap());
        signed.models(up.models.iter().copied())
    });
    let notes = Arc::new(Notes::default());
    let client = Client::builder()
        .upstreams(upstreams)
        .policy(setting.policy())
        .memory(Memory::new(setting.memory()))
        .observer(Arc::clone(&notes) as Arc<dyn Observer>)
        .build()
        .unwrap();
    let library = Library { client, notes, world };
    let mut seen = Vec::new();
    for case in cases {
        seen.push(library.play(case).await);
    }
    seen
}

impl Library {
    async fn play(&self, case: &Case) -> Seen {
        self.world.prepare(case);
        let mut number = 0;
        for &(chaos, times, latency) in &case.before {
            for _ in 0..times {
                number += 1;
                // What comes of it is not looked at.
                let _ = self.ask(case, Some(chaos), latency, number).await;
            }
        }
        self.notes.take();
        let asked = self.ask(case, case.chaos, "0ms", 0).await;
        let notes = self.notes.take();
        let mut seen =
            Seen { tries: Vec::new(), ends: "-".into(), order: String::new(), told: String::new(), body: None };
        match &asked {
            Ok((status, body)) => (seen.told, seen.body) = (status.to_string(), Some(*body)),
            Err(error) => seen.told = told(error),
        }
        let mut last = None;
        let mut order = Vec::new();
        for note in notes {
            match note {
                Told::Failed(attempt) => {
                    order.push(format!("failed {}", attempt.number));
                    seen.tries.push(Try::of(&attempt));
                    last = Some(attempt);
                }
                Told::Answered(number) => order.push(format!("answered {number}")),
                Told::Ended(ended) => {
                    order.push("ended".into());
                    seen.ends = ends(&ended);
                    if let Err(error) = &asked {
                        check(case, error, &ended, last.as_deref());
                    }
                }
                Told::Left(attempts) => order.push(format!("left {attempts}")),
            }
        }
        seen.order = order.join(", ");
        seen
    }

    /// The status and the length of the answer.
    async fn ask(&self, case: &Case, chaos: Option<&str>, latency: &str, number: u32) -> Result<(u16, usize), Error> {
        let request = request(case, chaos, latency, number);
        let response = match case.flows {
            None => self.client.send(request.map(Body::from)).await?,
            Some(_) => self.client.send(request.map(Full::new)).await?,
        };
        let status = response.status().as_u16();
        let body = response.into_http().into_body().collect().await?.to_bytes();
        Ok((status, body.len()))
    }
}

/// What is asked for, in the library's words.
fn request(case: &Case, chaos: Option<&str>, latency: &str, number: u32) -> Request<Bytes> {
    let mut overrides = Overrides::new();
    if let Some(max) = case.max_retries {
        overrides = overrides.max_attempts(max + 1);
    }
    if let Some(within) = case.within {
        overrides = overrides.within(within);
    }
    if let Some(commit) = case.commit {
        overrides = overrides.commit(commit);
    }
    let builder = if case.what.is_get() { Request::get(case.what.path()) } else { Request::post(case.what.path()) };
    let mut request = builder.extension(overrides).body(Bytes::from(case.body(number))).unwrap();
    let key = format!("{}-{number}", case.name);
    let own = [("x-chaos", chaos), ("x-chaos-key", Some(&*key)), ("x-chaos-latency", Some(latency))];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in own.chain(case.headers.iter().copied()) {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    request
}

/// The status and the code: where no upstream gave one, the status that the code is told with.
fn told(error: &Error) -> String {
    if error.is_interrupted() {
        return format!("200 cut {}", error.code());
    }
    let own = || Code::from_name(error.code()).map(Code::status);
    let status = error.status().map(|status| status.as_u16()).or_else(own).expect("a code of Seawall's own");
    format!("{status} {}", error.code())
}

/// What the error says is what the observer heard.
fn check(case: &Case, error: &Error, ended: &Ended, last: Option<&Attempt>) {
    let said = (error.outcome(), error.reason(), error.attempts());
    assert_eq!(said, (ended.outcome, ended.reason, ended.attempts), "{}", case.name);
    if let Some(last) = last {
        let said = (error.class(), error.whose_fault(), error.fault());
        assert_eq!(said, (last.class, last.whose, last.fault), "{}", case.name);
        assert_eq!(error.upstream(), Some(&*last.upstream), "{}", case.name);
        assert_eq!(error.request_id().is_some(), error.request_ids().last().is_some(), "{}", case.name);
    }
}
