//! The words of OpenTelemetry's conventions for what is known here under other names (GenAI, in development, 2026-11).

use std::borrow::Cow;

use http::{Method, Uri};
use seawall_core::event::Outcome;
use seawall_core::request::Endpoint;
use seawall_core::verdict::{Class, Fault};

/// Hosts of APIs, what is below each included, and `gen_ai.provider.name` there.
const PROVIDERS: [(&str, &str); 16] = [
    ("openai.azure.com", "azure.ai.openai"),
    ("cognitiveservices.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("models.ai.azure.com", "azure.ai.inference"),
    ("api.openai.com", "openai"),
    ("api.anthropic.com", "anthropic"),
    ("api.groq.com", "groq"),
    ("api.x.ai", "x_ai"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.deepseek.com", "deepseek"),
    ("api.perplexity.ai", "perplexity"),
    ("api.cohere.com", "cohere"),
    ("api.cohere.ai", "cohere"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("amazonaws.com", "aws.bedrock"),
];
/// Whoever speaks OpenAI's language at an address that is not known: what the conventions say for its clients.
const OPENAI: &str = "openai";

/// Where attempts go, in the words of the conventions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The upstream's name.
    pub(super) name: String,
    /// `gen_ai.provider.name`.
    pub(super) provider: &'static str,
    /// `server.address`.
    pub(super) host: String,
    /// `server.port`.
    pub(super) port: u16,
}

impl Place {
    /// The place of the upstream `name` at `base`.
    pub(crate) fn of(name: &str, base: &Uri) -> Place {
        let host = base.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        let is_at = |known: &str| host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let provider = PROVIDERS.iter().find(|(known, _)| is_at(known)).map_or(OPENAI, |(_, provider)| provider);
        let port = base.port_u16().unwrap_or(if base.scheme_str() == Some("http") { 80 } else { 443 });
        Place { name: name.to_owned(), provider, host, port }
    }
}

/// `gen_ai.operation.name`; `None` for what has no model make anything.
pub(super) fn operation(endpoint: Endpoint) -> Option<&'static str> {
    use Endpoint as E;
    match endpoint {
        E::ChatCompletions | E::Responses | E::Messages => Some("chat"),
        E::Completions => Some("text_completion"),
        E::Embeddings => Some("embeddings"),
        E::Images | E::Audio => Some("generate_content"),
        E::Moderations | E::Models | E::Assistants | E::Files | E::Batches => None,
        E::FineTuning | E::VectorStores | E::Realtime | E::Other => None,
    }
}

/// `http.request.method`: a method that is not known is told as the conventions want it, whatever it calls itself.
pub(super) fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.iter().find(|known| **known == method.as_str()).copied().unwrap_or("_OTHER")
}

/// Whether a request that ended so has an answer.
pub(super) fn is_answered(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Passed | Outcome::Retried | Outcome::FailedOver | Outcome::Hedged)
}

/// `error.type` of a request that ended so: the status that its caller got or, where that tells of no failure, the
/// outcome.
pub(super) fn failed_request(outcome: Outcome, status: u16) -> Option<Cow<'static, str>> {
    match status {
        _ if is_answered(outcome) => None,
        400.. => Some(status.to_string().into()),
        _ => Some(outcome.name().into()),
    }
}

/// `error.type` of an attempt that ended so: the status that came or, where none tells of a failure, what went wrong.
pub(super) fn failed_attempt(class: Class, fault: Option<Fault>, status: Option<u16>) -> Option<Cow<'static, str>> {
    match (class, status, fault) {
        // Nobody failed: it was not needed any more.
        (Class::Ok | Class::Cancelled, _, _) => None,
        (_, Some(status @ 400..), _) => Some(status.to_string().into()),
        (_, _, Some(fault)) => Some(fault.name().into()),
        _ => Some(class.name().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_known_by_its_host_and_what_is_below_it() {
        for (base, provider, host, port) in [
            ("https://api.openai.com/v1", "openai", "api.openai.com", 443),
            ("https://eu.api.openai.com/v1", "openai", "eu.api.openai.com", 443),
            ("https://mine.openai.azure.com/openai", "azure.ai.openai", "mine.openai.azure.com", 443),
            ("https://API.Groq.com/openai/v1", "groq", "api.groq.com", 443),
            (
                "https://bedrock-runtime.eu-west-1.amazonaws.com",
                "aws.bedrock",
                "bedrock-runtime.eu-west-1.amazonaws.com",
                443,
            ),
            ("https://evilapi.groq.com/v1", "openai", "evilapi.groq.com", 443),
            ("http://[::1]:8080/v1", "openai", "::1", 8080),
            ("http://vllm.local", "openai", "vllm.local", 80),
        ] {
            let place = Place::of("u", &base.parse().unwrap());
            assert_eq!((place.provider, place.host.as_str(), place.port), (provider, host, port), "{base}");
        }
    }

    #[test]
    fn a_method_is_one_of_a_closed_list() {
        assert_eq!(method(&Method::POST), "POST");
        assert_eq!(method(&Method::from_bytes(b"CANARY").unwrap()), "_OTHER");
    }

    #[test]
    fn an_error_is_a_status_or_a_word_of_a_closed_list() {
        assert_eq!(failed_request(Outcome::Passed, 200), None);
        assert_eq!(failed_request(Outcome::Exhausted, 503).as_deref(), Some("503"));
        assert_eq!(failed_request(Outcome::Interrupted, 200).as_deref(), Some("interrupted"));
        assert_eq!(failed_attempt(Class::Ok, None, Some(200)), None);
        assert_eq!(failed_attempt(Class::Cancelled, None, None), None);
        assert_eq!(failed_attempt(Class::ServerError, None, Some(500)).as_deref(), Some("500"));
        assert_eq!(
            failed_attempt(Class::MidStream, Some(Fault::Stall), Some(200)).as_deref(),
            Some(Fault::Stall.name())
        );
        assert_eq!(failed_attempt(Class::ServerError, None, Some(200)).as_deref(), Some("server_error"));
    }
}
