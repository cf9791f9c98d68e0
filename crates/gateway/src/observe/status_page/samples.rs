//! What pages answer, composed for tests after the shapes that are known; every text is invented.

/// incident.io behind Statuspage's form: ids are ULIDs, `group` is null, incidents name no components,
/// no fractions of a second.
pub(crate) const SHIM: &str = r#"{"page":{"id":"01JMDK9XYNY6RXSED6SDWW50WY","name":"OpenAI","url":"https://status.openai.com/","updated_at":"2026-07-09T19:25:56Z"},
 "status":{"description":"Partial System Degradation","indicator":"minor"},
 "components":[
  {"id":"01JMXBRMFE6N2NNT7DG6XZQ6PW","name":"Chat Completions","status":"degraded_performance","position":1,"created_at":"2025-02-25T01:31:15Z","updated_at":"2026-07-09T19:25:56Z","group":null},
  {"id":"01JP8CD9JR3HR6Y7G4Q75N4DVW","name":"Responses","status":"operational","position":2,"created_at":"2025-03-13T18:31:32Z","updated_at":"2026-07-09T19:25:56Z","group":null},
  {"id":"01JP8CD9JR3HR6Y7G4Q75N4DVX","name":"Voice mode","status":"major_outage","position":3,"group":null}],
 "incidents":[{"id":"01JZ0000000000000000000000","name":"Elevated error rates","status":"investigating","impact":"minor","created_at":"2026-07-09T19:20:00Z","updated_at":"2026-07-09T19:25:56Z","resolved_at":null,"shortlink":"https://status.openai.com/incidents/01JZ0000000000000000000000","incident_updates":[{"id":"01JZ0000000000000000000001","status":"investigating","body":"","created_at":"2026-07-09T19:20:00Z"}]}],
 "scheduled_maintenances":[]}"#;

/// incident.io's own form.
pub(crate) const NATIVE: &str = r#"{"summary":{"name":"OpenAI","public_url":"https://status.openai.com",
 "components":[{"id":"01JMXBRMFE6N2NNT7DG6XZQ6PW","name":"Chat Completions"},{"id":"01JP8CD9JR3HR6Y7G4Q75N4DVW","name":"Responses"},{"id":"01JP8CD9JR3HR6Y7G4Q75N4DVX","name":"Voice mode"}],
 "affected_components":[{"component_id":"01JMXBRMFE6N2NNT7DG6XZQ6PW","status":"degraded_performance"}],
 "structure":{"items":[{"group":{"id":"01K5H8S53SY1KMS4GQMNMQM1K5","name":"APIs","hidden":false,"components":[
   {"component_id":"01JMXBRMFE6N2NNT7DG6XZQ6PW","name":"Chat Completions"},{"component_id":"01K9","name":"Sign-in"}]}},
   {"component":{"component_id":"01K8","name":"Playground"}}]},
 "ongoing_incidents":[{"id":"01JZ0000000000000000000000","name":"Elevated error rates","status":"investigating","published_at":"2026-07-09T19:20:00Z",
   "affected_components":[{"component_id":"01JMXBRMFE6N2NNT7DG6XZQ6PW","status":"degraded_performance"}],"component_impacts":[],
   "updates":[{"published_at":"2026-07-09T19:24:00.5Z","to_status":"investigating","message_string":"We are investigating"},{"published_at":"2026-07-09T19:20:00Z","to_status":"investigating","message":{"markdown":"x"}}]}],
 "in_progress_maintenances":[],"scheduled_maintenances":[]}}"#;

/// Atlassian's: groups are rows, incidents name components, links are short ones elsewhere, seconds have fractions.
pub(crate) const ATLASSIAN: &str = r#"{"page":{"id":"abcdefghijkl","name":"Acme","url":"https://status.acme.example","time_zone":"Etc/UTC","updated_at":"2026-07-09T19:25:56.123Z"},
 "components":[
  {"id":"g1","name":"APIs","status":"partial_outage","group":true,"group_id":null,"components":["c1"]},
  {"id":"c1","name":"Gateway","status":"partial_outage","group":false,"group_id":"g1"},
  {"id":"c2","name":"acme API (api.acme.example)","status":"operational","group":false,"group_id":null},
  {"id":"c3","name":"Website","status":"operational","group":false,"group_id":null}],
 "incidents":[
  {"id":"i1","name":"Website is slow","status":"monitoring","impact":"major","created_at":"2026-07-09T10:00:00.000Z","started_at":"2026-07-09T09:58:00.000Z","updated_at":"2026-07-09T11:00:00.000Z","shortlink":"https://stspg.example/i1","components":[{"id":"c3","name":"Website","status":"degraded_performance"}]},
  {"id":"i2","name":"Errors","status":"identified","impact":"critical","created_at":"2026-07-09T19:00:00.000Z","shortlink":"https://stspg.example/i2","components":[{"id":"c1","name":"Gateway","status":"partial_outage"}]},
  {"id":"i3","name":"Old","status":"postmortem","impact":"critical","created_at":"2026-07-01T19:00:00.000Z","resolved_at":"2026-07-01T20:00:00.000Z"}],
 "scheduled_maintenances":[
  {"id":"m1","name":"Database","status":"in_progress","impact":"maintenance","created_at":"2026-07-08T00:00:00Z","started_at":"2026-07-09T18:00:00Z"},
  {"id":"m2","name":"Later","status":"scheduled","impact":"maintenance","created_at":"2026-07-08T00:00:00Z"}],
 "status":{"indicator":"critical","description":"Major System Outage"}}"#;

/// A page on which all is well.
pub(crate) const WELL: &str = r#"{"page":{"name":"OpenAI"},"status":{"indicator":"none","description":"All Systems Operational"},
 "components":[{"id":"a","name":"Chat Completions","status":"operational","group":null}],"incidents":[]}"#;

/// Texts that a terminal, a browser, a chat or a spreadsheet would obey.
pub(crate) const HOSTILE: &str = r#"{"page":{"name":"a\r\nb\u001b[2J"},"status":{"indicator":"minor","description":"x\u202ey\u0000\u009b31m <script>alert(1)</script>"},
 "components":[{"id":"a","name":"API\n\u001b]0;title\u0007","status":"operational"}],
 "incidents":[{"id":"../../etc","name":"=cmd() `rm` @channel\u2028**bold**","status":"investigating","shortlink":"javascript:alert(1)","created_at":"2026-07-09T19:20:00Z"}]}"#;
