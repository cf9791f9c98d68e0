//! Answers that are a list under a key.

use serde::Deserialize;

use super::super::said::{Failure, Incident, Upstream};

/// `/api/v1/incidents`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Incidents {
    pub(super) incidents: Vec<Incident>,
}

/// `/api/v1/upstreams`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Upstreams {
    pub(super) upstreams: Vec<Upstream>,
}

/// `/api/v1/failures`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Failures {
    pub(super) failures: Vec<Failure>,
}
