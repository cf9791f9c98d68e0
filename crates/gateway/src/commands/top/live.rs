//! The live screen: its loop. What it knows is in `state`, how that looks in `draw`, both without a clock, a terminal or a
//! connection; who asks the gateway is in `link`, who reads keys in `screen`.
//!
//! The loop waits for an event, takes all that are there, and draws once: a flood of failures costs no more than the
//! eye can see. However it ends, the terminal is as it was.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Place, Stopped};
use crate::exit::{self, Exit};
use draw::Paint;
use screen::{Keys, Screen};
use state::{Ask, Event, State};

mod detail;
mod draw;
mod filter;
mod link;
mod lists;
mod rows;
mod screen;
mod series;
mod state;

/// Events that wait for the loop: whoever brings more waits too, and the gateway counts what it could not tell.
const EVENTS_MAX: usize = 256;
/// Questions that wait to be asked. More are forgotten: each is asked again with the next key or event.
const ASKS_MAX: usize = 16;
/// Two drawings are so far apart at least: what the eye can see, and what a slow line can carry.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// How often ages are told anew.
const TICK: Duration = Duration::from_secs(1);

/// Shows it until somebody ends it.
pub(super) async fn run(place: &Arc<Place>, every: Duration, colours: bool) -> Result<Exit, Stopped> {
    // Before the screen is taken: who mistypes an address reads why in the usual place.
    let (admin, summary) = link::first(place).await?;
    let mut state = State::new(seawall::proxy::unix_micros(), admin.address.clone());
    state.on(Event::Summary(Box::new(summary)));

    let signals = Signals {
        term: signal(SignalKind::terminate())?,
        hangup: signal(SignalKind::hangup())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let (to, mut events) = mpsc::channel(EVENTS_MAX);
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let mut tasks = JoinSet::new();
    tasks.spawn(link::listen(Arc::clone(place), to.clone(), every));
    tasks.spawn(link::tend(Arc::clone(place), to.clone(), every));
    tasks.spawn(link::answer(Arc::clone(place), to.clone(), asked));

    let mut screen = Screen::open()?;
    let keys = Keys::read(to)?;
    let mut show = Show { state, paint: Paint { colours }, asks, tasks, signals };
    // The terminal is given back by dropping it, however this ends.
    Ok(show.turn(&mut screen, &keys, &mut events).await)
}

/// What the loop needs.
struct Show {
    state: State,
    paint: Paint,
    asks: mpsc::Sender<Ask>,
    /// Whoever asks the gateway.
    tasks: JoinSet<()>,
    signals: Signals,
}

/// Whoever wants it to end.
struct Signals {
    term: Signal,
    hangup: Signal,
    interrupt: Signal,
}

impl Show {
    /// Draws, waits, and takes what comes, until the end.
    async fn turn(&mut self, screen: &mut Screen, keys: &Keys, events: &mut mpsc::Receiver<Event>) -> Exit {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if screen.draw(|frame| draw::draw(&self.state, self.paint, frame)).is_err() {
                // It is gone, as after a hangup, and with it whoever could be told.
                return exit::OK;
            }
            let first = tokio::select! {
                event = events.recv() => event,
                _ = ticks.tick() => Some(Event::Tick(seawall::proxy::unix_micros())),
                _ = self.signals.term.recv() => return exit::OK,
                _ = self.signals.hangup.recv() => return exit::OK,
                _ = self.signals.interrupt.recv() => return exit::OK,
                // They run for ever: one that ends has panicked.
                _ = self.tasks.join_next() => return exit::INTERNAL,
            };
            let Some(first) = first else { return exit::OK };
            let is_key = matches!(first, Event::Key(_) | Event::Resized);
            let mut is_over = self.take(first);
            if !is_key {
                sleep(DRAW_EVERY).await;
            }
            for _ in 0..EVENTS_MAX {
                let Ok(event) = events.try_recv() else { break };
                is_over |= self.take(event);
            }
            // Without a keyboard there is no terminal.
            if is_over || keys.are_gone() {
                return exit::OK;
            }
        }
    }

    /// Takes an event; whether it is the end.
    fn take(&mut self, event: Event) -> bool {
        match self.state.on(event) {
            Some(Ask::Quit) => true,
            Some(ask) => {
                if self.asks.try_send(ask).is_err() {
                    self.state.note = Some("the gateway is asked too much at once: try again".to_owned());
                }
                false
            }
            None => false,
        }
    }
}

/// Puts what went wrong with the terminal into words.
fn no_terminal(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the terminal cannot be used: {error}"))
}
