//! Listening to `/api/v1/live` of a gateway: what happens there, as it happens.
//!
//! Silence has a deadline, as an answer has: a gateway sends its summary each second, so one that says nothing
//! for long is gone, whatever the connection looks like.

use std::collections::VecDeque;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use seawall_core::verdict::sse::Scanner;
use tokio::time::timeout;

use super::{ANSWER_WITHIN, Admin, Silence, late, trouble};
use crate::observe::status_page::fetch::{Line, broken};

/// Where it is.
const LIVE: &str = "/api/v1/live";

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct Said {
    /// `summary`, `failure`, `incident` or `lag`.
    pub(in crate::commands) name: String,
    /// JSON.
    pub(in crate::commands) data: Vec<u8>,
}

/// A stream that is listened to. Dropping it hangs up.
pub(in crate::commands) struct Listening {
    body: Incoming,
    line: Line,
    scanner: Scanner,
    /// Said, and not yet handed on: what one read brought.
    heard: VecDeque<Said>,
}

impl Admin {
    /// Begins to listen; the head is there within [`ANSWER_WITHIN`].
    pub(in crate::commands) async fn listen(&self) -> Result<Listening, Silence> {
        let token = self.token.clone().map(|token| (header::AUTHORIZATION, token));
        let path = PathAndQuery::from_static(LIVE);
        let sent = Line::send(&self.dialer, Method::GET, &path, "text/event-stream", token);
        let (response, line) = timeout(ANSWER_WITHIN, sent).await.map_err(|_| late(ANSWER_WITHIN))??;
        if response.status() != StatusCode::OK {
            return Err(Silence::Status(response.status().as_u16()));
        }
        let (body, scanner, heard) = (response.into_body(), Scanner::default(), VecDeque::new());
        Ok(Listening { body, line, scanner, heard })
    }
}

impl Listening {
    /// What is said next; `None` at the end of the stream. A silence of `within` is an error. Dropping the future
    /// loses nothing that was said.
    pub(in crate::commands) async fn next(&mut self, within: Duration) -> Result<Option<Said>, Silence> {
        loop {
            if let Some(said) = self.heard.pop_front() {
                return Ok(Some(said));
            }
            let Listening { body, line, scanner, heard } = self;
            let frame = timeout(within, line.during(body.frame())).await.map_err(|_| late(within))?;
            let Some(frame) = frame else { return Ok(None) };
            let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
            let pushed = scanner.push(&data, |event| {
                let name = String::from_utf8_lossy(event.name).into_owned();
                heard.push_back(Said { name, data: event.data.to_vec() });
            });
            pushed.map_err(|error| trouble(&error))?;
        }
    }
}
