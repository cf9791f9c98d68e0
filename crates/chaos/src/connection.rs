//! One connection, from request to request: reads, has it decided, acts the reply out.
//!
//! While a reply waits, stalls or cannot be written, the connection watches whether its caller
//! is still there. A caller that leaves is noticed when its FIN or RST arrives, and counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::api::{Ask, Good, fill};
use crate::body::Bad;
use crate::control;
use crate::decide::Deed;
use crate::http_in::Request;
use crate::misbehave::{Manner, behave, misbehave};
use crate::peek::{Endpoint, Facts, facts};
use crate::reply::{Act, Framing, Head, Reply};
use crate::shared::{Decision, Door, Shared};
use crate::steps::Asked;
use crate::validator;
use crate::websocket::{self, Course, End};
use crate::wire::{Gone, Wire};
use crate::wording::{self, Code};

/// How long a connection may be idle between two requests.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// How long silence lasts where a fault or a step asks for it.
const STALL_MAX: Duration = Duration::from_secs(1800);

/// How a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// By its last byte.
    Done,
    /// With the connection closed.
    Closed,
    /// With the connection reset.
    Reset,
    /// The next request on this connection is to be reset.
    Doomed,
    /// The caller left before.
    CallerLeft,
}

/// Serves `stream` until either side ends it.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _open = Open::count(&shared);
    let mut connection = Connection {
        door: shared.door().subscribe(),
        request: Request::new(shared.bodies_kept()),
        reply: Reply::default(),
        good: Good::default(),
        shared,
    };
    let mut wire = Wire::new(stream);
    if connection.run(&mut wire).await == Ending::Reset {
        wire.reset();
    }
}

/// Counts a connection as open until it is dropped, by whatever end.
struct Open(Arc<Shared>);

impl Open {
    fn count(shared: &Arc<Shared>) -> Open {
        shared.count(|tally| tally.connections_open += 1);
        Open(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.count(|tally| tally.connections_open -= 1);
    }
}

struct Connection {
    shared: Arc<Shared>,
    door: watch::Receiver<Door>,
    request: Request,
    reply: Reply,
    good: Good,
}

impl Connection {
    async fn run(&mut self, wire: &mut Wire) -> Ending {
        let mut ending = Ending::Done;
        loop {
            if wire.input().is_empty() && !self.more(wire).await {
                return Ending::Closed;
            }
            if ending == Ending::Doomed {
                self.shared.count(|tally| tally.unread += 1);
                return Ending::Reset;
            }
            if let Err(bad) = self.request.read(wire, self.shared.hashes()).await {
                return self.refuse(wire, bad).await;
            }
            ending = if self.request.path().starts_with("/chaos/") {
                self.control(wire).await
            } else {
                self.attempt(wire).await
            };
            match ending {
                Ending::Done | Ending::Doomed if self.request.keep_alive => {}
                Ending::Doomed => return Ending::Closed,
                _ => return ending,
            }
        }
    }

    /// Waits for the first bytes of a request; false if there will be none.
    async fn more(&mut self, wire: &mut Wire) -> bool {
        tokio::select! {
            biased;
            read = wire.fill_some() => matches!(read, Ok(1..)),
            _ = self.door.wait_for(|door| *door != Door::Open) => false,
            () = sleep(IDLE_MAX) => false,
        }
    }

    async fn refuse(&mut self, wire: &mut Wire, bad: Bad) -> Ending {
        self.shared.count(|tally| tally.incomplete += 1);
        let Bad::Malformed(status, reason) = bad else { return Ending::Closed };
        let mut body = Vec::new();
        wording::body(&mut body, Endpoint::Unknown, "invalid_request_error", Code::Null, reason, 0);
        self.write_json(status, &body, false);
        let _ = wire.write(self.written()).await;
        Ending::Closed
    }

    async fn control(&mut self, wire: &mut Wire) -> Ending {
        let (status, json) = control::answer(&self.shared, &self.request);
        self.write_json(status, json.as_bytes(), self.request.keep_alive);
        match wire.write(self.written()).await {
            Ok(()) => Ending::Done,
            Err(Gone) => Ending::CallerLeft,
        }
    }

    fn write_json(&mut self, status: u16, body: &[u8], keep_alive: bool) {
        self.reply.clear();
        self.reply.send(|out| {
            let framing = Framing::Length(body.len());
            Head { status, content_type: "application/json", framing, id: None, extra: &[], keep_alive }.write(out);
            out.extend_from_slice(body);
        });
    }

    /// The bytes of a reply that is a single act.
    fn written(&self) -> &[u8] {
        match self.reply.acts().first() {
            Some(Act::Send(range)) => self.reply.bytes(range),
            _ => &[],
        }
    }

    async fn attempt(&mut self, wire: &mut Wire) -> Ending {
        let facts = facts(self.request.body.kept());
        let endpoint = Endpoint::of(self.request.method(), self.request.path());
        let wants_socket = websocket::is_asked(&self.request);
        let model = facts.model.as_deref().or_else(|| websocket::model(&self.request).filter(|_| wants_socket));
        let decision = self.shared.decide(&self.request, endpoint, model, facts.stream);
        if wants_socket && let Some(course) = Course::of(&decision.deed) {
            sleep(decision.wait).await;
            let end = websocket::converse(wire, &self.request, course, decision.id, &mut self.door).await;
            self.shared.ended(decision.ticket, model, end == End::CallerLeft);
            return match end {
                End::Closed => Ending::Closed,
                End::Reset => Ending::Reset,
                End::CallerLeft => Ending::CallerLeft,
            };
        }
        compose(&mut self.reply, &mut self.good, &self.request, &facts, endpoint, &decision);
        let ending = act_out(&self.reply, wire, decision.settings.split, &mut self.door).await;
        self.shared.ended(decision.ticket, model, ending == Ending::CallerLeft);
        ending
    }
}

/// The acts of the reply that was decided on.
fn compose(
    reply: &mut Reply,
    good: &mut Good,
    request: &Request,
    facts: &Facts<'_>,
    endpoint: Endpoint,
    decision: &Decision,
) {
    let settings = &decision.settings;
    let manner = Manner { keep_alive: request.keep_alive, chunk_delay: settings.chunk_delay };
    let ask = Ask {
        endpoint,
        method: request.method(),
        path: request.path(),
        facts,
        body: request.body.kept(),
        body_is_kept: request.body.is_kept(),
        id: decision.id,
        body_id: if settings.same_bodies { 0 } else { decision.id },
        chunks: settings.chunks,
    };
    reply.clear();
    reply.wait(decision.wait);
    match &decision.deed {
        Deed::Good => {
            fill(good, &ask);
            behave(reply, good, &ask, manner, &[]);
        }
        Deed::Fault(spec) => {
            fill(good, &ask);
            misbehave(reply, good, &ask, manner, spec);
        }
        Deed::Refusal(refusal) => {
            fill(good, &ask);
            validator::refuse(reply, good, &ask, manner, refusal);
        }
        Deed::Step(step, _) => step.act_out(
            reply,
            Asked {
                host: request.header("host").unwrap_or_default(),
                target: request.target(),
                keep_alive: manner.keep_alive,
            },
        ),
        Deed::BadHeader(message) => {
            let mut body = Vec::new();
            wording::body(&mut body, endpoint, "invalid_request_error", Code::Text("x_chaos"), message, ask.body_id);
            let (framing, id) = (Framing::Length(body.len()), Some(decision.id));
            let head = Head {
                status: 400,
                content_type: "application/json",
                framing,
                id,
                extra: &[],
                keep_alive: manner.keep_alive,
            };
            reply.send(|out| {
                head.write(out);
                out.extend_from_slice(&body);
            });
        }
    }
}

/// Does what the reply says, for as long as the caller is there.
async fn act_out(reply: &Reply, wire: &mut Wire, split: Option<usize>, door: &mut watch::Receiver<Door>) -> Ending {
    for act in reply.acts() {
        match act {
            Act::Send(range) => {
                if send(reply.bytes(range), wire, split).await.is_err() {
                    return Ending::CallerLeft;
                }
            }
            Act::Wait(wait) => {
                tokio::select! {
                    biased;
                    () = wire.gone() => return Ending::CallerLeft,
                    () = sleep(*wait) => {}
                }
            }
            Act::Stall => {
                return tokio::select! {
                    biased;
                    () = wire.gone() => Ending::CallerLeft,
                    _ = door.wait_for(|door| *door == Door::Closed) => Ending::Closed,
                    () = sleep(STALL_MAX) => Ending::Closed,
                };
            }
            Act::Reset => return Ending::Reset,
            Act::Close => return Ending::Closed,
            Act::Doom => return Ending::Doomed,
        }
    }
    Ending::Done
}

async fn send(bytes: &[u8], wire: &mut Wire, split: Option<usize>) -> Result<(), Gone> {
    // A long stream must not keep its worker from the other connections.
    tokio::task::coop::consume_budget().await;
    let Some(piece) = split else { return wire.write(bytes).await };
    for bytes in bytes.chunks(piece) {
        wire.write(bytes).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}
