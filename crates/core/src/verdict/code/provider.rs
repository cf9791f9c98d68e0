//! What the words mean that providers put into `error.type`, `error.code` and their messages.
//!
//! Words outrank the status, because middlemen re-wrap: a 500 that says `invalid_request_error` is
//! still the caller's, and a 429 that says `insufficient_quota` will not get better by waiting. But
//! some words are so general that a precise status knows more (`invalid_request_error` is on
//! OpenAI's 401 and 404 too), so each row has a weight.
//!
//! Sources: OpenAI's error-code guide of September 2026 and its specification, the sources of
//! vLLM, Ollama and llama.cpp, and replies recorded in public (2023 to 2026). Messages are matched
//! by their beginning only: an upstream may repeat the prompt further on, and a prompt must not
//! choose its own verdict.

use super::super::charge::Charge;
use super::super::class::Class;
use super::meaning::Meaning;
use super::status::{self, WAIT_IT_OUT};

/// How much a word knows, compared with the status; the weightiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It is precise: it has the last word, whatever the status.
    Certain,
    /// It says what went wrong on the server. A 4xx other than 429 stands against it.
    Likely,
    /// It says hardly more than "an error". It counts where the status says nothing (an error in
    /// a 200), and where it blames the caller for what the status calls the server's (a 5xx).
    General,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Values of `error.type` and `error.code`, compared without regard to case.
    pub words: &'static [&'static str],
    /// Beginnings of messages, in lower case.
    pub messages: &'static [&'static str],
    /// How much it knows.
    pub weight: Weight,
    /// The status it comes with, most often.
    pub status: u16,
    /// What it means.
    pub meaning: Meaning,
}

/// What an error said, as far as a verdict depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Words<'a> {
    /// `error.type`.
    pub kind: Option<&'a str>,
    /// `error.code`.
    pub code: Option<&'a str>,
    /// `error.message`.
    pub message: Option<&'a str>,
}

/// The row that knows `word` as a type or code.
#[must_use]
pub fn of_word(word: &str) -> Option<&'static Known> {
    TABLE.iter().find(|row| row.has_word(word))
}

/// The row that knows a message by how it begins.
#[must_use]
pub fn of_message(message: &str) -> Option<&'static Known> {
    TABLE.iter().find(|row| row.has_message(message))
}

/// The row that outranks `status`, if any does: the weightiest of those that know a word, and of
/// those the first. `status` is `None` for an error in a 200.
#[must_use]
pub fn of_words(words: Words<'_>, status: Option<u16>) -> Option<&'static Known> {
    // Gemini's per-minute limits are worded like OpenAI's empty purse; its own word tells them apart.
    let message = words.message.filter(|_| words.kind != Some("RESOURCE_EXHAUSTED"));
    let knows = |row: &&Known| {
        [words.kind, words.code].into_iter().flatten().any(|word| row.has_word(word))
            || message.is_some_and(|message| row.has_message(message))
    };
    TABLE.iter().filter(|row| row.outranks(status)).filter(knows).min_by_key(|row| row.weight)
}

impl Known {
    fn has_word(&self, word: &str) -> bool {
        self.words.iter().any(|known| known.eq_ignore_ascii_case(word))
    }

    fn has_message(&self, message: &str) -> bool {
        let message = message.trim_start().as_bytes();
        self.messages
            .iter()
            .any(|known| message.get(..known.len()).is_some_and(|head| head.eq_ignore_ascii_case(known.as_bytes())))
    }

    fn outranks(&self, status: Option<u16>) -> bool {
        match (self.weight, status) {
            (Weight::Certain, _) | (_, None) => true,
            (Weight::Likely, Some(status)) => !(300..=499).contains(&status) || status == 429,
            (Weight::General, Some(status)) => status >= 500 && !self.meaning.class.is_server_side(),
        }
    }
}

const fn row(weight: Weight, status: u16, words: &'static [&'static str], meaning: Meaning) -> Known {
    Known { words, messages: &[], weight, status, meaning }
}

const fn spoken(mut row: Known, messages: &'static [&'static str]) -> Known {
    row.messages = messages;
    row
}

use Weight::{Certain, General, Likely};

/// Every word and message that is known, in the order in which they count: an error that says both
/// `insufficient_quota` and `rate_limit_exceeded` is about money.
pub static TABLE: &[Known] = &[
    // Money.
    spoken(
        row(
            Certain,
            429,
            &[
                "insufficient_quota",
                "credit_balance_exhausted",
                "organization_spend_limit_exceeded",
                "project_spend_limit_exceeded",
                "organization_usage_limit_exceeded",
                "billing_hard_limit_reached",
                "billing_not_active",
                "billing_error",
                "insufficient_balance",
                "insufficient_credits",
                "payment_required",
            ],
            status::QUOTA,
        ),
        &["you exceeded your current quota", "insufficient balance", "insufficient credits"],
    ),
    // The key.
    spoken(
        row(
            Certain,
            401,
            &[
                "invalid_api_key",
                "incorrect_api_key",
                "invalid_authentication",
                "authentication_error",
                "UNAUTHENTICATED",
            ],
            status::UNAUTHORIZED,
        ),
        // Google says it under 400 INVALID_ARGUMENT.
        &["api key not valid", "incorrect api key provided"],
    ),
    row(
        Certain,
        401,
        &["account_deactivated", "organization_deactivated", "mismatched_organization", "mismatched_project"],
        Meaning::new(
            Class::Auth,
            "The key belongs to an account, organization or project that may not be used like this.",
            &["check the organization and project that the request names", "ask the account's owner"],
        ),
    ),
    row(
        Certain,
        403,
        &[
            "permission_error",
            "permission_denied",
            "PermissionDenied",
            "insufficient_permissions",
            "ip_not_authorized",
            "unsupported_country_region_territory",
        ],
        status::FORBIDDEN,
    ),
    // The request can never succeed, whatever else is said about it.
    spoken(row(Certain, 429, &[], TOO_MANY_TOKENS), &["request too large for "]),
    spoken(row(Certain, 500, &[], SPECIAL_TOKENS), &["failed to generate output due to special tokens"]),
    spoken(row(Certain, 400, &["not_supported_error", "unimplemented"], NOT_SUPPORTED), &["unsupported param"]),
    row(
        Certain,
        400,
        &["context_length_exceeded", "exceed_context_size_error", "string_above_max_length", "array_above_max_length"],
        TOO_LONG,
    ),
    row(Certain, 404, &["model_not_found", "DeploymentNotFound"], MODEL_NOT_FOUND),
    row(Certain, 400, &["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"], CONTENT_FILTER),
    row(
        Certain,
        400,
        &["invalid_prompt", "bio_policy", "cyber_policy", "data_residency_mismatch"],
        Meaning::new(Class::CallerFault, "The provider will not answer this prompt.", CONTENT_FILTER.next),
    ),
    row(
        Certain,
        400,
        &["invalid_function_parameters", "invalid_json_schema", "invalid_tool"],
        Meaning::new(
            Class::CallerFault,
            "A tool or schema in the request breaks the provider's rules for JSON Schema.",
            &[
                "read the error's message: it names the tool and the place in its schema",
                "common causes: look-around in `pattern`, an array without `items`, `strict` without all `required`",
            ],
        ),
    ),
    row(
        Certain,
        400,
        &[
            "unsupported_parameter",
            "unsupported_value",
            "unknown_parameter",
            "missing_required_parameter",
            "invalid_value",
            "invalid_type",
            "integer_above_max_value",
            "integer_below_min_value",
            "decimal_above_max_value",
            "invalid_image",
            "invalid_image_format",
            "invalid_image_url",
            "invalid_base64_image",
            "image_too_large",
            "previous_response_not_found",
            "INVALID_ARGUMENT",
            "FAILED_PRECONDITION",
            "OUT_OF_RANGE",
        ],
        status::BAD_REQUEST,
    ),
    row(Certain, 413, &["request_too_large"], status::TOO_LARGE),
    // Capacity that says so under a type of the pace.
    spoken(row(Certain, 429, &["resource_unavailable"], FLEX), &["resource unavailable"]),
    // The pace.
    spoken(row(Certain, 429, &["slow_down"], SLOW_DOWN), &["slow down"]),
    spoken(
        row(
            Certain,
            429,
            &[
                "rate_limit_exceeded",
                "rate_limit_error",
                "rate_limited",
                "too_many_requests",
                "RateLimitReached",
                "RESOURCE_EXHAUSTED",
            ],
            status::RATE_LIMITED,
        ),
        &["rate limit reached for", "rate limit is exceeded"],
    ),
    // OpenAI's older types of a 429: what ran out. Too plain to count under another status.
    row(General, 429, &["requests", "tokens"], status::RATE_LIMITED),
    // Capacity.
    spoken(
        row(
            Likely,
            503,
            &[
                "server_is_overloaded",
                "service_unavailable_error",
                "service_unavailable",
                "ServiceUnavailableError",
                "engine_overloaded",
                "engine_overloaded_error",
                "model_overloaded",
                "capacity_exceeded",
                "service_tier_capacity_exceeded",
                "NoCapacity",
                "no_capacity",
                "cf_service_unavailable",
                "unavailable_error",
                "UNAVAILABLE",
            ],
            status::OVERLOADED,
        ),
        &[
            "that model is currently overloaded",
            "the model is overloaded",
            "the server is currently overloaded",
            "the engine is currently overloaded",
            "selected model is at capacity",
            "no healthy upstream",
            "loading model",
        ],
    ),
    row(
        Likely,
        529,
        &["overloaded_error", "overloaded"],
        Meaning::new(Class::Overloaded, "The provider is overloaded.", status::OVERLOADED.next),
    ),
    // Middlemen.
    row(Likely, 502, &["cf_bad_gateway"], status::BAD_GATEWAY),
    spoken(row(Likely, 503, &[], ENVOY_RESET), &["upstream connect error or disconnect/reset before headers"]),
    spoken(
        row(Likely, 504, &["cf_gateway_timeout", "timeout_error", "DEADLINE_EXCEEDED"], status::GATEWAY_TIMEOUT),
        &["upstream request timeout"],
    ),
    // The server.
    spoken(row(Likely, 500, &["model_error"], INVALID_CONTENT), &["the model produced invalid content"]),
    row(Likely, 500, &["vector_store_timeout", "cf_error"], status::SERVER_ERROR),
    spoken(
        row(
            General,
            500,
            &[
                "server_error",
                "internal_error",
                "internal_server_error",
                "InternalServerError",
                "InternalError",
                "INTERNAL",
                "UNKNOWN",
                "api_error",
                "upstream_error",
                "one_api_error",
                "new_api_error",
            ],
            status::SERVER_ERROR,
        ),
        &[
            "the server had an error while processing your request",
            "the server had an error processing your request",
            "an error occurred while processing your request",
        ],
    ),
    // The request, in general.
    row(
        General,
        400,
        &[
            "invalid_request_error",
            "bad_request_error",
            "BadRequestError",
            "BadRequest",
            "validation_error",
            "invalid_request",
        ],
        status::BAD_REQUEST,
    ),
    row(General, 404, &["not_found_error", "NotFoundError", "not_found"], status::NOT_FOUND),
];

static TOO_MANY_TOKENS: Meaning = Meaning::new(
    Class::CallerFault,
    "This one request needs more tokens than a whole minute's limit allows, so waiting does not help.",
    &["send a shorter prompt or a lower `max_tokens`", "ask the provider for a higher limit"],
);
static SPECIAL_TOKENS: Meaning = Meaning::new(
    Class::CallerFault,
    "The input contains control tokens of the model as plain text, and fails every time, though the status blames the server.",
    &["remove texts such as <|endoftext|> from the messages and tool results"],
);
static NOT_SUPPORTED: Meaning = Meaning::new(
    Class::CallerFault,
    "This server cannot do what the request asks for, and never will as it is started, though the status may blame it.",
    &["leave out the parameter that the message names", "start the server or choose a model with that feature"],
);
static TOO_LONG: Meaning = Meaning::new(
    Class::CallerFault,
    "The input does not fit into the model's context or a field's limit.",
    &["shorten the history or the documents", "use a model with a larger context"],
);
static MODEL_NOT_FOUND: Meaning = Meaning::new(
    Class::CallerFault,
    "The upstream does not know this model, or the key may not use it.",
    &[
        "check the model's name (of Azure: the deployment's) and the project of the key",
        "if another upstream serves it, say so with its `models`",
    ],
);
static CONTENT_FILTER: Meaning = Meaning::new(
    Class::CallerFault,
    "The provider's content filter stopped the prompt or the answer.",
    &[
        "change the prompt",
        "on Azure, see the deployment's content filter settings; Azure charges for filtered requests",
    ],
)
.charge(Charge::Filtered);
static SLOW_DOWN: Meaning = Meaning::new(
    Class::RateLimited,
    "The traffic rose too fast, though it may be within its limits.",
    &[
        "go back to the rate of before, hold it for about 15 minutes, then raise it by at most half every 15 minutes",
        "nothing at once: Seawall waits, then sends it again",
    ],
);
static FLEX: Meaning = Meaning::new(
    Class::Overloaded,
    "There is no capacity left on the flex tier at this moment; OpenAI does not charge for it.",
    status::FLEX_CAPACITY.next,
);
static ENVOY_RESET: Meaning = Meaning::new(
    Class::BadGateway,
    "A proxy (Envoy) in front of the provider lost or never got its connection to the server behind it.",
    WAIT_IT_OUT,
);
static INVALID_CONTENT: Meaning = Meaning::new(
    Class::ServerError,
    "The model's own output could not be used; often the same input fails again.",
    &[
        "look at tool results in the history: wrapped objects and special tokens are the usual cause",
        "change the prompt a little if it persists",
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: Option<u16>, kind: &str, code: &str, message: &str) -> Option<Class> {
        let text = |text| Some(text).filter(|text: &&str| !text.is_empty());
        of_words(Words { kind: text(kind), code: text(code), message: text(message) }, status)
            .map(|row| row.meaning.class)
    }

    #[test]
    fn credit_codes_are_quota_whatever_the_status() {
        let codes = [
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "billing_hard_limit_reached",
        ];
        for code in codes {
            for status in [None, Some(400), Some(403), Some(429), Some(500), Some(503)] {
                assert_eq!(class(status, "", code, ""), Some(Class::Quota), "{status:?} {code}");
                assert_eq!(class(status, code, "rate_limit_exceeded", ""), Some(Class::Quota), "{status:?} {code}");
            }
        }
    }

    #[test]
    fn a_general_word_overrules_only_a_status_that_blames_the_server() {
        for status in [500, 502, 503, 504, 529] {
            assert_eq!(class(Some(status), "invalid_request_error", "", ""), Some(Class::CallerFault), "{status}");
            assert_eq!(class(Some(status), "server_error", "", ""), None, "{status}");
        }
        for status in [400, 401, 403, 404, 408, 409, 422, 429] {
            assert_eq!(class(Some(status), "invalid_request_error", "", ""), None, "{status}");
            assert_eq!(class(Some(status), "server_error", "", ""), None, "{status}");
        }
        assert_eq!(class(None, "server_error", "", ""), Some(Class::ServerError));
        assert_eq!(class(None, "invalid_request_error", "", ""), Some(Class::CallerFault));
    }

    #[test]
    fn overload_is_believed_under_any_status_but_a_refusal() {
        for status in [None, Some(429), Some(500), Some(502), Some(503)] {
            assert_eq!(class(status, "", "server_is_overloaded", ""), Some(Class::Overloaded), "{status:?}");
        }
        assert_eq!(class(Some(400), "", "server_is_overloaded", ""), None);
        assert_eq!(class(Some(403), "overloaded_error", "", ""), None);
    }

    #[test]
    fn googles_minute_limit_is_not_an_empty_purse() {
        let message = "You exceeded your current quota, please check your plan and billing details.";
        assert_eq!(class(Some(429), "RESOURCE_EXHAUSTED", "429", message), Some(Class::RateLimited));
        assert_eq!(class(Some(429), "", "", message), Some(Class::Quota));
    }

    #[test]
    fn a_message_counts_by_its_beginning_only() {
        assert_eq!(class(Some(500), "", "", "Could not parse: Failed to generate output due to special tokens"), None);
        assert_eq!(
            class(Some(500), "server_error", "", "FAILED to generate output due to special tokens in the input."),
            Some(Class::CallerFault)
        );
        assert_eq!(
            class(Some(429), "tokens", "rate_limit_exceeded", "Request too large for gpt-4"),
            Some(Class::CallerFault)
        );
        assert_eq!(class(Some(500), "", "", "Slo\u{175}"), None);
    }

    #[test]
    fn words_are_known_once() {
        let mut all: Vec<String> = TABLE
            .iter()
            .flat_map(|row| row.words.iter().chain(row.messages))
            .map(|word| word.to_ascii_lowercase())
            .collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        for message in TABLE.iter().flat_map(|row| row.messages) {
            assert_eq!(*message, message.to_ascii_lowercase());
        }
    }
}
