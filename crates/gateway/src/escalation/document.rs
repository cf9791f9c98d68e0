//! The report as data: what `--format json` prints and docs/reference/report.schema.json describes.
//!
//! Every key is always there. All numbers are whole, so that the digest is the same in every language.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

use super::words::{Moment, Sentence, grouped, many};

pub(super) use super::words::Count;

/// The version of this form. A new key keeps it; a key that is gone or means something else changes it.
pub(super) const FORM: &str = "seawall-report/1";

/// What failed, for the provider's support.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Escalation report of seawall")]
pub(crate) struct Report {
    /// `seawall-report/1`.
    pub(super) form: &'static str,
    /// How it was made.
    pub(super) made: Made,
    /// What it is about.
    pub(super) scope: Scope,
    /// The whole in a few sentences.
    pub(super) summary: Vec<Sentence>,
    /// Whose requests these were, as the upstream's replies said.
    pub(super) account: Account,
    /// How much failed.
    pub(super) totals: Totals,
    /// How much failed before, of the same upstream and model.
    pub(super) baseline: Vec<Baseline>,
    /// What was told of the incident, and the first and the last failure, the earliest first.
    pub(super) timeline: Vec<Entry>,
    /// The same by time; every stretch is there, those without a failure too.
    pub(super) stretches: Vec<Stretch>,
    /// The kinds of failures, the most frequent first.
    pub(super) kinds: Vec<Kind>,
    /// Single failures, spread over time and kinds, the earliest first.
    pub(super) examples: Vec<Example>,
    /// What the failed requests were like.
    pub(super) requests: Requests,
    /// What separates failures from answers, as far as it is beyond chance.
    pub(super) differences: Vec<Sentence>,
    /// What else it could have been.
    pub(super) ruled_out: Vec<RuledOut>,
    /// What was asked at the same time, by upstream and model, the most requests first.
    pub(super) places: Vec<Place>,
    /// What the provider's status page said, if it was read.
    pub(super) status_page: Option<StatusPage>,
    /// What the failed attempts cost.
    pub(super) bill: Bill,
    /// A request of the same form, without a word of anybody's.
    pub(super) reproduction: Option<Reproduction>,
    /// What this leaves out, and why.
    pub(super) limits: Vec<Sentence>,
    /// What is never in it.
    pub(super) redaction: Vec<&'static str>,
    /// How to check that nobody changed it.
    pub(super) digest: Digest,
}

impl Report {
    /// What is in it, in a line.
    pub(crate) fn told(&self) -> String {
        let (failed, examples) = (self.totals.attempts_failed, self.examples.len() as u64);
        format!("{}, {} of them shown", many(failed, "failed attempt"), grouped(examples))
    }
}

/// How a report was made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Made {
    /// When.
    pub(super) at: Moment,
    /// By which version of seawall.
    pub(super) seawall: &'static str,
    /// The command that makes it again from the same record.
    pub(super) command: String,
}

/// What a report is about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Scope {
    /// The incident, if it is about one.
    pub(super) incident: Option<Incident>,
    /// The upstream; null where it is about all.
    pub(super) upstream: Option<String>,
    /// The model; `-` is requests without one, null is all.
    pub(super) model: Option<String>,
    /// Attempts that began at this moment or later: a whole minute.
    pub(super) since: Moment,
    /// Attempts that began before this moment: a whole minute.
    pub(super) until: Moment,
}

/// An incident, as Seawall found it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Incident {
    /// Which.
    pub(super) id: String,
    /// `open`, `unknown` or `resolved`.
    pub(super) state: String,
    /// `failures`, `masked` or `latency`.
    pub(super) kind: String,
    /// The route that it is said of, where it is said of one.
    pub(super) route: Option<String>,
    /// What found it.
    pub(super) rule: String,
    /// `warning` or `critical`.
    pub(super) severity: String,
    /// When the trouble began, as far as is known.
    pub(super) since: Moment,
    /// When it was found.
    pub(super) opened: Moment,
    /// When it was over.
    pub(super) closed: Option<Moment>,
    /// How often it opened again.
    pub(super) flaps: u32,
    /// Requests that failed at first since it was found.
    pub(super) failed: u64,
    /// Of how many.
    pub(super) of: u64,
}

/// Whose requests these were.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Account {
    /// `openai-organization` of replies, and on how many failed attempts.
    pub(super) organizations: Vec<Count>,
    /// `openai-project` of replies.
    pub(super) projects: Vec<Count>,
}

/// How much failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Totals {
    /// Failed attempts on record.
    pub(super) attempts_failed: u64,
    /// Requests that these belong to.
    pub(super) requests_failing: u64,
    /// When the first of these attempts began.
    pub(super) first: Option<Moment>,
    /// When the last of them began.
    pub(super) last: Option<Moment>,
    /// Whole requests, counted by the minute; null where none were counted.
    pub(super) counted: Option<Counted>,
}

/// Whole requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Counted {
    /// Requests that ended.
    pub(super) requests: u64,
    /// Requests whose first attempt failed.
    pub(super) failed_first: u64,
    /// Requests that another attempt saved.
    pub(super) saved: u64,
    /// Requests that got no answer.
    pub(super) lost: u64,
    /// Requests whose answer broke after it had begun.
    pub(super) cut: u64,
}

/// How much failed in a time before.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Baseline {
    /// Which time: `hour` or `day`.
    pub(super) before: &'static str,
    /// From then.
    pub(super) since: Moment,
    /// To then.
    pub(super) until: Moment,
    /// Requests that ended.
    pub(super) requests: u64,
    /// Requests whose first attempt failed.
    pub(super) failed_first: u64,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Entry {
    /// When.
    pub(super) at: Moment,
    /// What.
    pub(super) what: Sentence,
}

/// A stretch of time.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Stretch {
    /// Its beginning, at a whole minute.
    pub(super) since: Moment,
    /// How many minutes it has.
    pub(super) minutes: u64,
    /// Whole requests; null where none were counted.
    pub(super) counted: Option<Counted>,
    /// Failed attempts.
    pub(super) failed: u64,
    /// The same by class.
    pub(super) classes: BTreeMap<&'static str, u64>,
}

/// A kind of failure.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Kind {
    /// The status; null where no reply came.
    pub(super) status: Option<u16>,
    /// What it means, in a word of Seawall's.
    pub(super) class: &'static str,
    /// What happened on the wire.
    pub(super) fault: Option<String>,
    /// `error.type`.
    pub(super) error_type: Option<String>,
    /// `error.code`.
    pub(super) error_code: Option<String>,
    /// `error.message`, redacted, with `…` in place of what differs from one to the next.
    pub(super) message: Option<String>,
    /// How many failed attempts are of it.
    pub(super) count: u64,
    /// When the first of them began.
    pub(super) first: Moment,
    /// When the last of them began.
    pub(super) last: Moment,
}

/// One failed attempt.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Example {
    /// Why this one is shown.
    pub(super) shown_as: Vec<String>,
    /// When it began.
    pub(super) time: Moment,
    /// The upstream's `x-request-id`.
    pub(super) x_request_id: Option<String>,
    /// The `x-client-request-id` that it carried.
    pub(super) x_client_request_id: Option<String>,
    /// Seawall's id of the request.
    pub(super) seawall_request_id: String,
    /// 1 for the first attempt of its request.
    pub(super) attempt: u32,
    /// The upstream.
    pub(super) upstream: String,
    /// The operation.
    pub(super) endpoint: String,
    /// The model.
    pub(super) model: Option<String>,
    /// Whether a stream was asked for.
    pub(super) stream: bool,
    /// The status; null where no reply came.
    pub(super) status: Option<u16>,
    /// What it means.
    pub(super) class: &'static str,
    /// What happened on the wire.
    pub(super) fault: Option<String>,
    /// `error.type`.
    pub(super) error_type: Option<String>,
    /// `error.code`.
    pub(super) error_code: Option<String>,
    /// `error.message`, redacted.
    pub(super) message: Option<String>,
    /// To its end, in milliseconds.
    pub(super) elapsed_ms: u64,
    /// To its first content, in milliseconds.
    pub(super) first_content_ms: Option<u64>,
    /// `openai-processing-ms`.
    pub(super) openai_processing_ms: Option<u64>,
    /// `cf-ray`.
    pub(super) cf_ray: Option<String>,
    /// Bytes of the request's body.
    pub(super) body_bytes: u64,
    /// Tool definitions in it.
    pub(super) tools: u32,
}

/// What the failed requests were like. Counts are of failed attempts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Requests {
    /// By endpoint.
    pub(super) endpoints: Vec<Count>,
    /// By model.
    pub(super) models: Vec<Count>,
    /// That asked for a stream.
    pub(super) streamed: u64,
    /// That had tool definitions.
    pub(super) with_tools: u64,
    /// By SDK and version.
    pub(super) sdks: Vec<Count>,
    /// That were a caller's own retry.
    pub(super) caller_retries: u64,
    /// By the place that `cf-ray` names.
    pub(super) regions: Vec<Count>,
    /// Different forms (model, stream, size, tools) among them.
    pub(super) forms: u64,
    /// Bytes of the request's body.
    pub(super) body_bytes: Option<Spread>,
    /// Milliseconds until it failed.
    pub(super) elapsed_ms: Option<Spread>,
    /// Milliseconds that the upstream says it worked on it (`openai-processing-ms`).
    pub(super) openai_processing_ms: Option<Spread>,
}

/// How numbers are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Spread {
    /// The smallest.
    pub(super) min: u64,
    /// Half of them are not larger.
    pub(super) median: u64,
    /// 95 of 100 are not larger.
    pub(super) p95: u64,
    /// The largest.
    pub(super) max: u64,
    /// How many there are.
    pub(super) of: u64,
}

/// Something else that it could have been.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct RuledOut {
    /// What.
    pub(super) cause: &'static str,
    /// `ruled_out`, `not_ruled_out`, or `unknown` where the record cannot say.
    pub(super) verdict: Finding,
    /// By what evidence.
    pub(super) evidence: Sentence,
}

/// What the record says of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Finding {
    /// It was not that.
    RuledOut,
    /// It may have been, at least for a part.
    NotRuledOut,
    /// The record cannot say.
    Unknown,
}

/// An upstream and a model that were asked.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Place {
    /// The upstream.
    pub(super) upstream: String,
    /// The model.
    pub(super) model: String,
    /// Whether this report is about it.
    pub(super) in_scope: bool,
    /// Requests that ended.
    pub(super) requests: u64,
    /// Requests whose first attempt failed.
    pub(super) failed_first: u64,
}

/// What a status page said.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct StatusPage {
    /// Its address.
    pub(super) url: String,
    /// When it was read.
    pub(super) read: Option<String>,
    /// `none`, `minor`, `major`, `critical` or `maintenance`.
    pub(super) indicator: Option<String>,
    /// The same in its own words.
    pub(super) description: Option<String>,
    /// The components that matter to who calls a model, and how they do.
    pub(super) components: Vec<Component>,
    /// The incident on it that may be this one.
    pub(super) incident: Option<Posted>,
    /// Who knew first.
    pub(super) first: Sentence,
}

/// A component of a status page.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Component {
    /// What the page calls it.
    pub(super) name: String,
    /// How it does.
    pub(super) status: Option<String>,
}

/// An incident of a status page.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Posted {
    /// What the page calls it.
    pub(super) name: Option<String>,
    /// How far they are.
    pub(super) status: Option<String>,
    /// How bad they say it is.
    pub(super) impact: Option<String>,
    /// When they say it began.
    pub(super) started: Option<String>,
    /// Its page.
    pub(super) link: Option<String>,
}

/// What failed attempts cost.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Bill {
    /// Attempts that are not charged.
    pub(super) no: u64,
    /// Attempts that may be.
    pub(super) possibly: Charged,
    /// Attempts that are.
    pub(super) yes: Charged,
}

/// Attempts and their tokens.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Charged {
    /// How many there are.
    pub(super) attempts: u64,
    /// Of how many of these a part of the tokens is not known.
    pub(super) unknown: u64,
    /// Tokens read, as the upstream counted them.
    pub(super) input_tokens: u64,
    /// Tokens generated, as the upstream counted them.
    pub(super) output_tokens: u64,
    /// Tokens read, estimated.
    pub(super) input_estimated: u64,
    /// Tokens generated, estimated.
    pub(super) output_estimated: u64,
}

/// A request of the same form.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Reproduction {
    /// The path below the base URL.
    pub(super) path: &'static str,
    /// The body; where it is large, with a filler cut short.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub(super) body: Value,
    /// Bytes of the body that the command sends.
    pub(super) body_bytes: u64,
    /// A command for a POSIX shell that sends it.
    pub(super) command: String,
    /// How many failed attempts were of this form, size within a power of two.
    pub(super) like: u64,
    /// In what it differs from what was sent.
    pub(super) notes: Vec<Sentence>,
}

/// How to check that nobody changed a report.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Digest {
    /// `sha-256`.
    pub(super) algorithm: &'static str,
    /// What it is taken of.
    pub(super) of: &'static str,
    /// In hexadecimal.
    pub(super) value: String,
}

/// The JSON schema of a report.
pub(crate) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Report>().to_value()
}
