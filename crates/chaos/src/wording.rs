//! What error replies say: one table of status, type, code and message.
//!
//! The wordings are those that OpenAI and its edge are known to send (2026), because clients
//! recognise errors by their words. `{id}` becomes the request id, so that no two messages are
//! equal, and `{model}` the model asked for.

use crate::error::Error;
use crate::peek::Endpoint;

/// What goes into `error.code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Null,
    Text(&'static str),
    /// A number: OpenAI's own edge and many gateways write the status there.
    Number(u16),
}

/// What one kind of error says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) status: u16,
    variant: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) code: Code,
    pub(crate) message: &'static str,
}

const fn said(status: u16, variant: &'static str, kind: &'static str, code: Code, message: &'static str) -> Said {
    Said { status, variant, kind, code, message }
}

use Code::{Null, Number, Text};

const INVALID: &str = "invalid_request_error";
const RATE: &str = "rate_limit_error";

/// The first of a status is the one without a variant.
const TABLE: &[Said] = &[
    said(400, "", INVALID, Null, "Invalid value for 'messages': please check the request. (request id {id})"),
    said(
        400,
        "context",
        INVALID,
        Text("context_length_exceeded"),
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 128412 tokens. Please reduce the length of the messages. (request id {id})",
    ),
    said(
        400,
        "filter",
        INVALID,
        Text("content_filter"),
        "The response was filtered due to the prompt triggering content management policy. (request id {id})",
    ),
    said(
        401,
        "",
        INVALID,
        Text("invalid_api_key"),
        "Incorrect API key provided. You can find your API key in your account settings. (request id {id})",
    ),
    said(402, "", "insufficient_quota", Text("insufficient_quota"), "Insufficient balance. (request id {id})"),
    said(
        403,
        "",
        "request_forbidden",
        Text("unsupported_country_region_territory"),
        "Country, region, or territory not supported (request id {id})",
    ),
    said(
        404,
        "",
        INVALID,
        Text("model_not_found"),
        "The model `{model}` does not exist or you do not have access to it. (request id {id})",
    ),
    said(408, "", "server_error", Text("timeout"), "Request timed out. (request id {id})"),
    said(
        409,
        "",
        "server_error",
        Text("conflict"),
        "The resource is being changed by another request. (request id {id})",
    ),
    said(413, "", INVALID, Text("request_too_large"), "Request is too large. (request id {id})"),
    said(
        422,
        "",
        INVALID,
        Text("unprocessable_entity"),
        "The request was well-formed but could not be followed. (request id {id})",
    ),
    said(
        429,
        "",
        RATE,
        Text("rate_limit_exceeded"),
        "Rate limit reached for {model} in organization org-chaos on tokens per min (TPM): Limit 10000, Used 8782, Requested 8172. Please try again in 1s. (request id {id})",
    ),
    said(
        429,
        "quota",
        "insufficient_quota",
        Text("insufficient_quota"),
        "You exceeded your current quota, please check your plan and billing details. (request id {id})",
    ),
    said(
        429,
        "credit",
        "insufficient_quota",
        Text("credit_balance_exhausted"),
        "Your credit balance is exhausted. (request id {id})",
    ),
    said(429, "slow_down", RATE, Text("slow_down"), "Slow down: traffic rose too fast. (request id {id})"),
    said(
        429,
        "requests",
        "requests",
        Text("rate_limit_exceeded"),
        "Rate limit reached for {model} on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms. (request id {id})",
    ),
    said(
        500,
        "",
        "server_error",
        Null,
        "The server had an error while processing your request. Sorry about that! (request id {id})",
    ),
    said(
        500,
        "retry",
        "server_error",
        Text("server_error"),
        "An error occurred while processing your request. You can retry your request, or contact us through our help center if the error persists. Please include the request ID {id} in your message.",
    ),
    said(
        500,
        "model",
        "server_error",
        Text("model_error"),
        "The model produced invalid content. Consider modifying your prompt if you are seeing this error persistently. (request id {id})",
    ),
    said(
        500,
        "invalid",
        INVALID,
        Null,
        "Invalid value for 'tools[0].function.name': string does not match pattern. (request id: {id})",
    ),
    said(502, "", "cf_bad_gateway", Number(502), "Bad gateway. (request id {id})"),
    said(
        503,
        "",
        "service_unavailable_error",
        Text("server_is_overloaded"),
        "The server is currently overloaded. Please try again later. (request id {id})",
    ),
    said(
        503,
        "old",
        "server_error",
        Null,
        "That model is currently overloaded with other requests. You can retry your request, or contact us through our help center if the error persists. (Please include the request ID {id} in your message.)",
    ),
    said(503, "slow_down", "server_error", Text("slow_down"), "Slow Down (request id {id})"),
    said(503, "edge", "cf_service_unavailable", Number(503), "Service unavailable. (request id {id})"),
    said(504, "", "cf_gateway_timeout", Number(504), "Gateway timeout. (request id {id})"),
    said(520, "", "cf_origin_error", Number(520), "Web server is returning an unknown error. (request id {id})"),
    said(521, "", "cf_origin_down", Number(521), "Web server is down. (request id {id})"),
    said(522, "", "cf_connect_timeout", Number(522), "Connection timed out. (request id {id})"),
    said(523, "", "cf_origin_unreachable", Number(523), "Origin is unreachable. (request id {id})"),
    said(524, "", "cf_gateway_timeout", Number(524), "Gateway timeout. (request id {id})"),
    said(529, "", "overloaded_error", Null, "Overloaded (request id {id})"),
];

/// What an error with this status says; every status says something.
pub(crate) fn find(status: u16, variant: Option<&str>) -> Said {
    let variant = variant.unwrap_or_default();
    let row = TABLE.iter().find(|said| said.status == status && said.variant == variant);
    row.copied().unwrap_or_else(|| {
        let kind = if status >= 500 { "server_error" } else { INVALID };
        said(status, "", kind, Null, "The request could not be completed. (request id {id})")
    })
}

/// Whether `status` comes in this variant.
pub(crate) fn check_variant(status: u16, variant: &str) -> Result<(), Error> {
    let known: Vec<&str> = TABLE
        .iter()
        .filter(|said| said.status == status && !said.variant.is_empty())
        .map(|said| said.variant)
        .collect();
    if known.contains(&variant) {
        return Ok(());
    }
    let hint = if known.is_empty() { "it has no variants".to_owned() } else { known.join(", ") };
    Err(Error::with_hint(format!("status {status} has no variant \"{variant}\""), hint))
}

/// The message with its blanks filled in.
pub(crate) fn message(said: &Said, id: u128, model: &str) -> String {
    said.message.replace("{id}", &format!("req_{id:032x}")).replace("{model}", model)
}

/// The JSON body of an error, in the form that the endpoint uses.
pub(crate) fn body(out: &mut Vec<u8>, endpoint: Endpoint, kind: &str, code: Code, message: &str, id: u128) {
    let value = if endpoint == Endpoint::Messages {
        serde_json::json!({
            "type": "error",
            "error": {"type": anthropic(kind), "message": message},
            "request_id": format!("req_{id:032x}"),
        })
    } else {
        serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": json(code)}})
    };
    out.extend_from_slice(value.to_string().as_bytes());
}

pub(crate) fn json(code: Code) -> serde_json::Value {
    match code {
        Code::Null => serde_json::Value::Null,
        Code::Text(text) => text.into(),
        Code::Number(number) => number.into(),
    }
}

pub(crate) fn anthropic(kind: &str) -> &str {
    match kind {
        "server_error" => "api_error",
        "service_unavailable_error" => "overloaded_error",
        other => other,
    }
}

/// The phrase after a status; an empty one for what RFC 9110 and the CDNs do not name.
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        520 => "Web Server Is Returning an Unknown Error",
        521 => "Web Server Is Down",
        522 => "Connection Timed Out",
        523 => "Origin Is Unreachable",
        524 => "A Timeout Occurred",
        529 => "Overloaded",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_request_and_its_model() {
        let said = find(429, None);
        let message = message(&said, 0xab, "gpt-x");
        assert!(message.starts_with("Rate limit reached for gpt-x in organization"));
        assert!(message.ends_with(&format!("(request id req_{:0>32})", "ab")));
        assert!(TABLE.iter().all(|said| said.message.contains("{id}")));
    }

    #[test]
    fn an_error_has_the_form_of_its_endpoint() {
        let render = |endpoint| {
            let mut out = Vec::new();
            body(&mut out, endpoint, "server_error", Code::Number(500), "boom", 1);
            String::from_utf8(out).unwrap()
        };
        let openai = r#"{"error":{"code":500,"message":"boom","param":null,"type":"server_error"}}"#;
        assert_eq!(render(Endpoint::Chat), openai);
        assert!(
            render(Endpoint::Messages)
                .starts_with(r#"{"error":{"message":"boom","type":"api_error"},"request_id":"req_"#)
        );
    }

    #[test]
    fn a_status_outside_the_table_still_says_something() {
        assert_eq!(find(418, None).kind, "invalid_request_error");
        assert_eq!(find(599, None).kind, "server_error");
        assert!(check_variant(418, "tea").unwrap_err().to_string().contains("no variants"));
    }
}
