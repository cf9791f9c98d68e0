//! One case: what is asked for, what the upstreams do, and what is expected.

use std::ops::RangeInclusive;
use std::time::Duration;

use seawall_core::plan::policy::Commit;
use serde_json::{Value, json};

use crate::seen::{Seen, Try};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A chat completion.
    Chat,
    /// The same as a stream.
    ChatStream,
    /// A stream of a chat completion with a tool.
    ToolStream,
    Completions,
    CompletionStream,
    Responses,
    ResponseStream,
    /// A response that goes on without its caller.
    BackgroundStream,
    /// A response with a tool that the provider runs.
    HostedTools,
    Messages,
    MessageStream,
    Embeddings,
    Moderations,
    Models,
    Images,
    /// The run of an assistant: it does something, and is not repeated.
    Run,
    Files,
}

impl What {
    pub(crate) fn is_get(self) -> bool {
        self == What::Models
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            What::Chat | What::ChatStream | What::ToolStream => "/v1/chat/completions",
            What::Completions | What::CompletionStream => "/v1/completions",
            What::Responses | What::ResponseStream | What::BackgroundStream | What::HostedTools => "/v1/responses",
            What::Messages | What::MessageStream => "/v1/messages",
            What::Embeddings => "/v1/embeddings",
            What::Moderations => "/v1/moderations",
            What::Models => "/v1/models",
            What::Images => "/v1/images/generations",
            What::Run => "/v1/threads/thread_1/runs",
            What::Files => "/v1/files",
        }
    }

    pub(crate) fn is_stream(self) -> bool {
        use What as W;
        matches!(
            self,
            W::ChatStream
                | W::ToolStream
                | W::CompletionStream
                | W::ResponseStream
                | W::BackgroundStream
                | W::MessageStream
        )
    }

    /// The body for `model`. `number` makes it another one each time.
    fn body(self, model: &str, number: u32, padding: usize) -> Vec<u8> {
        if self.is_get() {
            return Vec::new();
        }
        let said = "hello there, whoever you are";
        let mut body = match self {
            What::Chat | What::ChatStream | What::ToolStream | What::Messages | What::MessageStream => {
                json!({"messages": [{"role": "user", "content": said}]})
            }
            What::Completions | What::CompletionStream | What::Images => json!({ "prompt": said }),
            What::Run => json!({"assistant_id": "asst_1"}),
            _ => json!({ "input": said }),
        };
        body["model"] = model.into();
        body["n"] = number.into();
        if padding > 0 {
            body["padding"] = " ".repeat(padding).into();
        }
        if self.is_stream() {
            body["stream"] = true.into();
        }
        match self {
            What::ToolStream => {
                let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
                body["tools"] =
                    json!([{"type": "function", "function": {"name": "weather", "parameters": parameters}}]);
            }
            What::BackgroundStream => (body["background"], body["store"]) = (true.into(), true.into()),
            What::HostedTools => body["tools"] = json!([{"type": "web_search"}]),
            _ => {}
        }
        body.to_string().into_bytes()
    }
}

/// One case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// A claim; also the model that is asked for, so that no case meets the breaker of another.
    pub(crate) name: &'static str,
    pub(crate) setting: &'static str,
    pub(crate) what: What,
    /// The model asked for, if its name matters.
    pub(crate) model: Option<&'static str>,
    /// Headers of the caller, which mean the same to both.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    /// The caller's own limit for retries, its time, and when it wants the first byte of a stream.
    pub(crate) max_retries: Option<u32>,
    pub(crate) within: Option<Duration>,
    pub(crate) commit: Option<Commit>,
    /// So many bytes of the body say nothing. It is not in memory when it is sent, but flows.
    pub(crate) flows: Option<usize>,
    /// What the first upstream is told to do: `x-chaos`.
    pub(crate) chaos: Option<&'static str>,
    /// What upstreams do for this model: the name of each, and its steps.
    pub(crate) scripts: Vec<(&'static str, Value)>,
    /// What is asked for before, with which `x-chaos`, how often, and how long each takes. What comes of it is not looked at.
    pub(crate) before: Vec<(&'static str, u32, &'static str)>,
    /// The failed attempts, in the order in which they are told: upstream, status, class, whose, fault, charge,
    /// reason, and in which bounds, in milliseconds, the wait is that follows, if one does.
    pub(crate) tries: &'static [&'static str],
    /// Outcome, reason, status and attempts.
    pub(crate) ends: &'static str,
    /// What happens in which order, where it is not: all failures, the answer if there is one, the end.
    pub(crate) order: Option<&'static str>,
    /// What the caller is told: the status, and the code of an error.
    pub(crate) told: &'static str,
}

/// A case of the setting `setting` that asks for `what`.
pub(crate) fn case(setting: &'static str, name: &'static str, what: What) -> Case {
    Case {
        name,
        setting,
        what,
        model: None,
        headers: Vec::new(),
        max_retries: None,
        within: None,
        commit: None,
        flows: None,
        chaos: None,
        scripts: Vec::new(),
        before: Vec::new(),
        tries: &[],
        ends: "",
        order: None,
        told: "",
    }
}

impl Case {
    pub(crate) fn chaos(self, chaos: &'static str) -> Case {
        Case { chaos: Some(chaos), ..self }
    }

    pub(crate) fn script(mut self, upstream: &'static str, steps: Value) -> Case {
        self.scripts.push((upstream, steps));
        self
    }

    pub(crate) fn before(mut self, chaos: &'static str, times: u32, latency: &'static str) -> Case {
        self.before.push((chaos, times, latency));
        self
    }

    pub(crate) fn model(self, model: &'static str) -> Case {
        Case { model: Some(model), ..self }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Case {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn max_retries(self, max: u32) -> Case {
        Case { max_retries: Some(max), ..self }
    }

    pub(crate) fn within(self, within: Duration) -> Case {
        Case { within: Some(within), ..self }
    }

    pub(crate) fn commit(self, commit: Commit) -> Case {
        Case { commit: Some(commit), ..self }
    }

    pub(crate) fn flows(self, bytes: usize) -> Case {
        Case { flows: Some(bytes), ..self }
    }

    pub(crate) fn tries(self, tries: &'static [&'static str]) -> Case {
        Case { tries, ..self }
    }

    pub(crate) fn order(self, order: &'static str) -> Case {
        Case { order: Some(order), ..self }
    }

    pub(crate) fn ends(self, ends: &'static str, told: &'static str) -> Case {
        Case { ends, told, ..self }
    }

    /// The body of request `number`.
    pub(crate) fn body(&self, number: u32) -> Vec<u8> {
        self.what.body(&self.asked_model(), number, self.flows.unwrap_or_default())
    }

    /// The model that is asked for.
    pub(crate) fn asked_model(&self) -> String {
        self.model.map_or_else(|| self.name.replace(' ', "-"), str::to_owned)
    }

    /// The script of `upstream`, to be posted.
    pub(crate) fn script_of(&self, upstream: &str) -> Option<String> {
        let (_, steps) = self.scripts.iter().find(|(name, _)| *name == upstream)?;
        // A request without a body names no model.
        let is_for_all = self.what.is_get() || self.what == What::BackgroundStream;
        let script = if is_for_all {
            json!({ "steps": steps })
        } else {
            json!({"steps": steps, "for_model": self.asked_model()})
        };
        Some(script.to_string())
    }

    /// Where `seen` is not what is expected.
    pub(crate) fn differs(&self, driver: &str, seen: &Seen) -> Vec<String> {
        let mut found = Vec::new();
        let mut same = |what: &str, expected: &str, seen: &str| {
            if expected != seen {
                found.push(format!("{} ({driver}): {what}: expected {expected:?}, was {seen:?}", self.name));
            }
        };
        let (expected, waits): (Vec<&str>, Vec<_>) = self.tries.iter().map(|told| expected(told)).unzip();
        let said: Vec<&str> = seen.tries.iter().map(|one| one.said.as_str()).collect();
        same("attempts", &expected.join("\n  "), &said.join("\n  "));
        same("end", self.ends, &seen.ends);
        same("order", &self.expected_order(), &seen.order);
        same("told", self.told, &seen.told);
        if waits.len() == seen.tries.len() {
            for (wait, one) in waits.iter().zip(&seen.tries) {
                let holds = match (wait, one.wait_ms) {
                    (None, None) => true,
                    (Some(bounds), Some(wait)) => bounds.contains(&wait),
                    _ => false,
                };
                if !holds {
                    found.push(format!(
                        "{} ({driver}): {}: wait {:?}, expected {wait:?}",
                        self.name, one.said, one.wait_ms
                    ));
                }
            }
        }
        found
    }

    fn expected_order(&self) -> String {
        if let Some(order) = self.order {
            return order.to_owned();
        }
        let attempts: u32 = self.ends.split(' ').nth(3).and_then(|attempts| attempts.parse().ok()).expect("attempts");
        let mut order: Vec<String> = (1..=self.tries.len()).map(|number| format!("failed {number}")).collect();
        if self.ends.split(' ').nth(1) == Some("answered") {
            order.push(format!("answered {attempts}"));
        }
        order.push("ended".into());
        order.join(", ")
    }
}

/// What is expected of an attempt, and of the wait behind it.
fn expected(told: &'static str) -> (&'static str, Option<RangeInclusive<f64>>) {
    let Some((said, bounds)) = told.rsplit_once(' ').filter(|(_, last)| last.contains("..")) else {
        return (told, None);
    };
    let (least, most) = bounds.split_once("..").expect("two bounds");
    let number = |text: &str| text.parse::<f64>().expect("milliseconds");
    (said, Some(number(least)..=number(most)))
}

impl Seen {
    /// Where another driver saw something else. Waits are thrown by dice: only whether there is one must be the same.
    pub(crate) fn differs(&self, other: &Seen) -> Vec<String> {
        let tries = |tries: &[Try]| -> Vec<(String, bool)> {
            tries.iter().map(|one| (one.said.clone(), one.wait_ms.is_some())).collect()
        };
        let pairs = [
            (format!("{:?}", tries(&self.tries)), format!("{:?}", tries(&other.tries))),
            (self.ends.clone(), other.ends.clone()),
            (self.order.clone(), other.order.clone()),
            (self.told.clone(), other.told.clone()),
            (format!("{:?}", self.body), format!("{:?}", other.body)),
        ];
        pairs
            .into_iter()
            .filter(|(one, other)| one != other)
            .map(|(one, other)| format!("{one}\n    and {other}"))
            .collect()
    }
}
