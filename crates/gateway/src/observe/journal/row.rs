//! What is read back from the journal: the public shape of an attempt and of a request.
//!
//! The field names here are the keys of `--json`, in this order, and every key is always there.
//! Words are text and not enums, so that an older program can read what a newer one wrote.

use std::time::Duration;

use rusqlite::{Row, types::FromSql};
use schemars::JsonSchema;
use seawall_core::event::{Attempt, Connection, Phases, Reason, Request};
use seawall_core::incident::Id;
use seawall_core::verdict::usage::{Tokens, Usage};
use serde::{Serialize, Serializer};

use super::when::{Moment, rfc3339};

/// One attempt, with the facts of its request.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
pub(crate) struct AttemptRow {
    /// When it began, in microseconds since the Unix epoch; RFC 3339 in JSON.
    #[serde(serialize_with = "time")]
    #[schemars(with = "Moment")]
    pub(crate) time: i64,
    /// Seawall's id of the request.
    pub(crate) request_id: String,
    /// 1 for the first.
    pub(crate) attempt: u32,
    /// The upstream's name.
    pub(crate) upstream: String,
    /// What was asked.
    #[serde(flatten)]
    pub(crate) facts: Facts,
    /// The status received, if a head came.
    pub(crate) status: Option<u16>,
    /// What it ended in.
    pub(crate) class: String,
    /// Who has to change something.
    pub(crate) whose: String,
    /// What went wrong on the wire, if something did.
    pub(crate) fault: Option<String>,
    /// Whether it costs money.
    pub(crate) billed: String,
    /// Why it does, or does not. `None` in what an older gateway wrote, as are the tokens.
    pub(crate) billed_why: Option<String>,
    /// The tokens that it is charged for, if it is.
    #[serde(flatten)]
    pub(crate) tokens: TokensRow,
    /// `error.type` as sent.
    pub(crate) error_type: Option<String>,
    /// `error.code` as sent.
    pub(crate) error_code: Option<String>,
    /// `error.message`, redacted.
    pub(crate) message: Option<String>,
    /// The upstream's own request id: what its support asks for.
    pub(crate) upstream_request_id: Option<String>,
    /// The `X-Client-Request-Id` that the attempt carried.
    pub(crate) client_request_id: Option<String>,
    /// `openai-processing-ms`.
    pub(crate) processing_ms: Option<u64>,
    /// `openai-organization`.
    pub(crate) organization: Option<String>,
    /// `openai-project`.
    pub(crate) project: Option<String>,
    /// `cf-ray`.
    pub(crate) cf_ray: Option<String>,
    /// How far it came, and when.
    #[serde(flatten)]
    pub(crate) phases: PhasesRow,
    /// To its end, in milliseconds.
    pub(crate) elapsed_ms: f64,
    /// To its first content, in milliseconds.
    pub(crate) first_content_ms: Option<f64>,
    /// Bytes of body received.
    pub(crate) bytes_in: u64,
    /// Bytes of it that went to the caller.
    pub(crate) bytes_out: u64,
    /// What was done after it: `retry`, `failover`, `answer` or `stop`.
    pub(crate) decision: &'static str,
    /// Why.
    pub(crate) reason: String,
    /// The wait before the next attempt, in milliseconds.
    pub(crate) wait_ms: Option<f64>,
    /// The incident that claims it.
    pub(crate) incident: Option<String>,
    /// The row's place in its file: with the time, its place in the order of a list.
    #[serde(skip)]
    pub(crate) place: i64,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Facts {
    /// The operation's name.
    pub(crate) endpoint: String,
    /// The method.
    pub(crate) method: String,
    /// The model asked for.
    pub(crate) model: Option<String>,
    /// Whether a stream was asked for.
    pub(crate) stream: bool,
    /// The number of tool definitions.
    pub(crate) tools: u32,
    /// `max_tokens` or its newer names.
    pub(crate) max_tokens: Option<u64>,
    /// Bytes of the request's body.
    pub(crate) body_bytes: u64,
    /// Equal for requests of the same form.
    pub(crate) shape: String,
    /// The SDK and its version.
    pub(crate) sdk: Option<String>,
    /// Above zero it was the caller's own retry.
    pub(crate) client_retries: u32,
    /// `x-seawall-tag`.
    pub(crate) tag: Option<String>,
    /// The name of the client whose token it carried.
    pub(crate) client: Option<String>,
}

/// Tokens, and how sure they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub(crate) struct TokensRow {
    /// `known`, `estimated` or `unknown`.
    pub(crate) usage: Option<String>,
    /// Read, the cached part included.
    pub(crate) input_tokens: Option<u64>,
    /// Generated, reasoning included.
    pub(crate) output_tokens: Option<u64>,
    /// The part of the input that came from a cache.
    pub(crate) cached_tokens: Option<u64>,
    /// The part of the output that nobody was shown.
    pub(crate) reasoning_tokens: Option<u64>,
}

/// How far an attempt came: times since its beginning, in milliseconds. `None` is what it did not come to, and
/// all of it in what an older gateway wrote.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
pub(crate) struct PhasesRow {
    /// The connection that carried it: `new`, or `reused` after another request.
    pub(crate) connection: Option<String>,
    /// Until the way to the upstream stood, a proxy's tunnel included.
    pub(crate) connected_ms: Option<f64>,
    /// Until TLS was agreed on.
    pub(crate) secured_ms: Option<f64>,
    /// Until the last byte of the request was with the operating system: after `first_byte_ms`, or never, if the
    /// upstream answered before it had read the request.
    pub(crate) sent_ms: Option<f64>,
    /// Until the head of the reply was here.
    pub(crate) first_byte_ms: Option<f64>,
}

/// One request and what is known of its attempts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Request")]
pub(crate) struct RequestRow {
    /// Seawall's id.
    pub(crate) request_id: String,
    /// When it arrived or, if its end is not on record, when its first attempt began.
    #[serde(serialize_with = "time")]
    #[schemars(with = "Moment")]
    pub(crate) time: i64,
    /// What was asked.
    #[serde(flatten)]
    pub(crate) facts: Facts,
    /// How it ended, if that is on record.
    #[serde(flatten)]
    pub(crate) ended: EndedRow,
    /// The attempts on record, the first one first.
    pub(crate) attempts: Vec<AttemptRow>,
}

/// How a request ended; all empty if the gateway did not live to see it, or did not write it down.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
pub(crate) struct EndedRow {
    /// The outcome.
    pub(crate) outcome: Option<String>,
    /// The reason of the last decision.
    pub(crate) reason: Option<String>,
    /// The status that the caller got.
    pub(crate) status: Option<u16>,
    /// Attempts made; more than are on record if some were answered.
    pub(crate) attempts_made: Option<u32>,
    /// From arrival to the end of the answer, in milliseconds.
    pub(crate) elapsed_ms: Option<f64>,
    /// Why every request like it ends so, where that was found.
    pub(crate) diagnosis: Option<String>,
    /// The tokens of its answer.
    #[serde(flatten)]
    pub(crate) tokens: TokensRow,
}

impl AttemptRow {
    /// An attempt as it will be read back, but for its place.
    pub(crate) fn of(request: &Request, attempt: &Attempt, incident: Option<&Id>) -> AttemptRow {
        AttemptRow {
            time: attempt.began_unix_micros,
            request_id: request.id.clone(),
            attempt: attempt.number,
            upstream: attempt.upstream.clone(),
            facts: Facts::of(request),
            status: attempt.status,
            class: attempt.class.name().to_owned(),
            whose: attempt.whose.name().to_owned(),
            fault: attempt.fault.map(|fault| fault.name().to_owned()),
            billed: attempt.charge.billed().name().to_owned(),
            billed_why: Some(attempt.charge.name().to_owned()),
            tokens: TokensRow::of(&attempt.tokens),
            error_type: attempt.error_type.clone(),
            error_code: attempt.error_code.clone(),
            message: attempt.message.clone(),
            upstream_request_id: attempt.upstream_request_id.clone(),
            client_request_id: attempt.client_request_id.clone(),
            processing_ms: attempt.processing_ms,
            organization: attempt.organization.clone(),
            project: attempt.project.clone(),
            cf_ray: attempt.cf_ray.clone(),
            phases: PhasesRow::of(&attempt.phases),
            elapsed_ms: spent(attempt.elapsed),
            first_content_ms: attempt.first_content.map(spent),
            bytes_in: attempt.bytes_in,
            bytes_out: attempt.bytes_out,
            decision: decision(attempt.reason.name()),
            reason: attempt.reason.name().to_owned(),
            wait_ms: attempt.wait.map(spent),
            incident: incident.map(ToString::to_string),
            place: 0,
        }
    }

    /// Reads a row of `attempts`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
        let reason: String = row.get("reason")?;
        Ok(AttemptRow {
            time: row.get("began")?,
            request_id: row.get("request")?,
            attempt: row.get("number")?,
            upstream: row.get("upstream")?,
            facts: Facts::read(row)?,
            status: row.get("status")?,
            class: row.get("class")?,
            whose: row.get("whose")?,
            fault: row.get("fault")?,
            billed: row.get("billed")?,
            billed_why: later(row, "billed_why")?,
            tokens: TokensRow::read(row)?,
            error_type: row.get("error_type")?,
            error_code: row.get("error_code")?,
            message: row.get("message")?,
            upstream_request_id: row.get("upstream_request_id")?,
            client_request_id: row.get("client_request_id")?,
            processing_ms: row.get::<_, Option<i64>>("processing_ms")?.map(count),
            organization: row.get("organization")?,
            project: row.get("project")?,
            cf_ray: row.get("cf_ray")?,
            phases: PhasesRow::read(row)?,
            elapsed_ms: millis(row.get("elapsed")?),
            first_content_ms: row.get::<_, Option<i64>>("first_content")?.map(millis),
            bytes_in: count(row.get("bytes_in")?),
            bytes_out: count(row.get("bytes_out")?),
            decision: decision(&reason),
            reason,
            wait_ms: row.get::<_, Option<i64>>("wait")?.map(millis),
            incident: row.get("incident")?,
            place: row.get("id")?,
        })
    }
}

impl Facts {
    fn of(request: &Request) -> Facts {
        Facts {
            endpoint: request.endpoint.to_owned(),
            method: request.method.clone(),
            model: request.model.clone(),
            stream: request.stream,
            tools: request.tools,
            max_tokens: request.max_tokens,
            body_bytes: request.body_bytes,
            shape: request.shape.clone(),
            sdk: request.sdk.clone(),
            client_retries: request.client_retries,
            tag: request.tag.clone(),
            client: request.client.clone(),
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Facts> {
        Ok(Facts {
            endpoint: row.get("endpoint")?,
            method: row.get("method")?,
            model: row.get("model")?,
            stream: row.get("stream")?,
            tools: row.get("tools")?,
            max_tokens: row.get::<_, Option<i64>>("max_tokens")?.map(count),
            body_bytes: count(row.get("body_bytes")?),
            shape: row.get("shape")?,
            sdk: row.get("sdk")?,
            client_retries: row.get("client_retries")?,
            tag: row.get("tag")?,
            client: row.get("client")?,
        })
    }
}

impl TokensRow {
    fn of(tokens: &Tokens) -> TokensRow {
        let Usage { input, output, cached, reasoning } = tokens.usage;
        TokensRow {
            usage: Some(tokens.counted.name().to_owned()),
            input_tokens: input.map(u64::from),
            output_tokens: output.map(u64::from),
            cached_tokens: cached.map(u64::from),
            reasoning_tokens: reasoning.map(u64::from),
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<TokensRow> {
        let tokens = |column| later::<i64>(row, column).map(|n| n.map(count));
        Ok(TokensRow {
            usage: later(row, "usage")?,
            input_tokens: tokens("input_tokens")?,
            output_tokens: tokens("output_tokens")?,
            cached_tokens: tokens("cached_tokens")?,
            reasoning_tokens: tokens("reasoning_tokens")?,
        })
    }
}

impl PhasesRow {
    fn of(phases: &Phases) -> PhasesRow {
        PhasesRow {
            connection: phases.connection.map(Connection::name).map(str::to_owned),
            connected_ms: phases.connected.map(spent),
            secured_ms: phases.secured.map(spent),
            sent_ms: phases.sent.map(spent),
            first_byte_ms: phases.first_byte.map(spent),
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<PhasesRow> {
        let at = |column| later::<i64>(row, column).map(|at| at.map(millis));
        Ok(PhasesRow {
            connection: later(row, "connection")?,
            connected_ms: at("connected")?,
            secured_ms: at("secured")?,
            sent_ms: at("sent")?,
            first_byte_ms: at("first_byte")?,
        })
    }
}

impl RequestRow {
    /// Reads a row of `requests`; its attempts are read apart.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
        let ended = EndedRow {
            outcome: row.get("outcome")?,
            reason: row.get("reason")?,
            status: row.get("status")?,
            attempts_made: row.get("attempts")?,
            elapsed_ms: some(row, "elapsed")?.map(millis),
            diagnosis: later(row, "diagnosis")?,
            tokens: TokensRow::read(row)?,
        };
        Ok(RequestRow {
            request_id: row.get("request")?,
            time: row.get("began")?,
            facts: Facts::read(row)?,
            ended,
            attempts: Vec::new(),
        })
    }

    /// A request whose end is not on record, from its first attempt.
    pub(super) fn of_attempt(first: &AttemptRow) -> RequestRow {
        RequestRow {
            request_id: first.request_id.clone(),
            time: first.time,
            facts: first.facts.clone(),
            ended: EndedRow::default(),
            attempts: Vec::new(),
        }
    }
}

fn some<T: FromSql>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    row.get(column)
}

/// A column that a file which an older gateway still writes does not have.
fn later<T: FromSql>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    row.as_ref().column_index(column).ok().map_or(Ok(None), |at| row.get(at))
}

/// What was done, told from why: a reason that leads nowhere else is one to stop.
fn decision(reason: &str) -> &'static str {
    match Reason::from_name(reason) {
        Some(Reason::Retry | Reason::Probe) => "retry",
        Some(Reason::Failover) => "failover",
        Some(Reason::Answered) => "answer",
        _ => "stop",
    }
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn spent(time: Duration) -> f64 {
    millis(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

/// Microseconds as milliseconds with three places: exact up to 285 years.
#[expect(clippy::cast_precision_loss, reason = "a duration beyond 285 years may lose microseconds")]
fn millis(micros: i64) -> f64 {
    micros as f64 / 1_000.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn time<S: Serializer>(micros: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*micros))
}

#[cfg(test)]
mod tests {
    use super::super::read::{Filter, Place, Reader};
    use super::super::samples::{attempt, open, request, settled};
    use super::*;

    #[test]
    fn an_attempt_is_told_as_it_will_be_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = open(&path);
        let id: Id = serde_json::from_value(serde_json::json!("inc_0123456789abcdef")).unwrap();
        let (asked, tried) = (request(1), attempt(2));
        journal.attempt_of(&asked, tried.clone(), Some(&id));
        settled(&journal, &asked);
        let read = Reader::open(&path).unwrap().unwrap().attempts(&Filter::default(), Place::NEWEST, 2).unwrap();
        let told = AttemptRow { place: read[0].place, ..AttemptRow::of(&asked, &tried, Some(&id)) };
        assert_eq!(read, [told]);
    }
}
