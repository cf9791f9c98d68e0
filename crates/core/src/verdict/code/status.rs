//! What each HTTP status means when it comes from an API that serves models.
//!
//! The status has the word only where the body has none: see `code/provider.rs`. Only 408, 409,
//! 429 and 498 of the 4xx are ever asked again; every SDK and every provider agree on the first
//! three, and Groq documents the fourth.

use super::super::charge::Charge;
use super::super::class::{Again, Class, Whose};
use super::meaning::Meaning;

/// What `status` means. `is_slow` says that the attempt had used up most of its time when the
/// status came: a status nobody assigned is then taken for a timeout somewhere on the way.
#[must_use]
pub fn of_status(status: u16, is_slow: bool) -> &'static Meaning {
    if let Some((_, meaning)) = TABLE.iter().find(|(known, _)| *known == status) {
        return meaning;
    }
    match status {
        101 | 200..=299 => &OK,
        300..=399 => &REDIRECT,
        400..=499 => &OTHER_4XX,
        _ if is_slow => &OTHER_5XX_SLOW,
        _ => &OTHER_5XX,
    }
}

/// The statuses with a meaning of their own.
pub static TABLE: &[(u16, &Meaning)] = &[
    (304, &NOT_MODIFIED),
    (400, &BAD_REQUEST),
    (401, &UNAUTHORIZED),
    (402, &QUOTA),
    (403, &FORBIDDEN),
    (404, &NOT_FOUND),
    (405, &METHOD_NOT_ALLOWED),
    (407, &PROXY_AUTH),
    (408, &REQUEST_TIMEOUT),
    (409, &CONFLICT),
    (413, &TOO_LARGE),
    (414, &TOO_LARGE),
    (415, &MEDIA_TYPE),
    (421, &MISDIRECTED),
    (422, &UNPROCESSABLE),
    (424, &FAILED_DEPENDENCY),
    (425, &TOO_EARLY),
    (429, &RATE_LIMITED),
    (431, &HEADERS_TOO_LARGE),
    (451, &LEGAL),
    (498, &FLEX_CAPACITY),
    (499, &CLIENT_CLOSED),
    (500, &SERVER_ERROR),
    (501, &NOT_IMPLEMENTED),
    (502, &BAD_GATEWAY),
    (503, &OVERLOADED),
    (504, &GATEWAY_TIMEOUT),
    (508, &LOOP_DETECTED),
    (511, &NETWORK_AUTH),
    (520, &EDGE_UNKNOWN),
    (521, &EDGE_DOWN),
    (522, &EDGE_CONNECT_TIMEOUT),
    (523, &EDGE_UNREACHABLE),
    (524, &EDGE_TIMEOUT),
    (525, &EDGE_TLS),
    (526, &EDGE_TLS),
    (529, &OVERLOADED_529),
    (530, &EDGE_DNS),
];

pub(super) const FIX_REQUEST: &[&str] = &[
    "read the error's message and `param`: they name the field that was refused",
    "change the request; sending it unchanged fails every time",
];
pub(super) const WAIT_IT_OUT: &[&str] = &[
    "nothing at once: Seawall waits and asks again within its budget",
    "if it persists, see the provider's status page",
    "give the provider's support the request id, the model and the time, as `seawall show ID` prints them",
];
const CHECK_BASE: &str = "check the upstream's `base_url`: scheme, host and path (most end in /v1)";
const CHECK_PATH: &str = "check the path that the program calls";
const CHECK_KEY: &[&str] = &[
    "check the API key: mistyped, revoked, or of another provider, organization or project",
    "check which key is sent: the caller's own is passed through unless the upstream has an `api_key`",
];

pub(super) static OK: Meaning = Meaning::new(
    Class::Ok,
    "The upstream answered, with content.",
    &["nothing, unless the body hides an error: paste it here to find out"],
);
static NOT_MODIFIED: Meaning = Meaning::new(
    Class::CallerFault,
    "The caller asked for an answer only if it had changed, and it has not.",
    &["use the copy at hand, or ask without `If-None-Match` and `If-Modified-Since`"],
);
static REDIRECT: Meaning = Meaning::new(
    Class::CallerFault,
    "The upstream answered with a redirect; Seawall follows none, so that a key never goes to another host.",
    &["set the upstream's `base_url` to the address that the redirect names", CHECK_BASE],
)
.whose(Whose::Seawall);
pub(super) static BAD_REQUEST: Meaning = Meaning::new(
    Class::CallerFault,
    "The provider refused the request itself: it would be refused anywhere, every time.",
    FIX_REQUEST,
);
pub(super) static UNAUTHORIZED: Meaning =
    Meaning::new(Class::Auth, "The provider did not accept the API key.", CHECK_KEY);
pub(super) static QUOTA: Meaning = Meaning::new(
    Class::Quota,
    "The account has no credit left, or a spending or usage limit stops it; waiting changes nothing.",
    &[
        "look at the account's billing page: add credit, or raise the limit of the organization or project",
        "check which key and project the request ran under",
        "add a second upstream with an account of its own",
    ],
);
pub(super) static FORBIDDEN: Meaning = Meaning::new(
    Class::Auth,
    "The key is valid, but may not do this: wrong project, missing permission, blocked address or unsupported country.",
    &[
        "check the key's project and permissions, and whether it may use this model",
        "check IP allow-lists and the provider's list of supported countries",
    ],
);
pub(super) static NOT_FOUND: Meaning = Meaning::new(
    Class::CallerFault,
    "The upstream does not know this model, object or path.",
    &["check the model's name and that the key may use it", CHECK_BASE, CHECK_PATH],
);
static METHOD_NOT_ALLOWED: Meaning = Meaning::new(
    Class::CallerFault,
    "The upstream knows this path, but not with this method.",
    &[CHECK_BASE, CHECK_PATH],
);
static PROXY_AUTH: Meaning = Meaning::new(
    Class::Auth,
    "A proxy between Seawall and the provider wants credentials.",
    &["put user and password into the upstream's `proxy`, or set `proxy = \"none\"`"],
)
.whose(Whose::Seawall);
static REQUEST_TIMEOUT: Meaning = Meaning::new(
    Class::Ambiguous,
    "The provider gave up waiting, for the request or for its own result; it may have been carried out, and some providers charge for it.",
    &[
        "stream the answer, so that bytes flow early; Seawall repeats the request once at most",
        "on a flex tier, allow 15 minutes",
    ],
);
static CONFLICT: Meaning = Meaning::new(
    Class::ServerError,
    "The object was being changed by something else at that moment.",
    &["nothing: Seawall asks again", "if it persists, let only one program at a time change the object"],
);
pub(super) static TOO_LARGE: Meaning = Meaning::new(
    Class::CallerFault,
    "The request is larger than the provider accepts.",
    &["send less: a shorter history, smaller images, fewer tools", "upload large data as a file"],
);
static MEDIA_TYPE: Meaning = Meaning::new(
    Class::CallerFault,
    "The provider does not take a body of this type here.",
    &["send `content-type: application/json`, or multipart/form-data where files are uploaded"],
);
static MISDIRECTED: Meaning = Meaning::new(
    Class::CallerFault,
    "The request reached a server that does not answer for this host.",
    &["check the host in the upstream's `base_url` and any proxy on the way"],
)
.whose(Whose::Seawall);
static UNPROCESSABLE: Meaning =
    Meaning::new(Class::CallerFault, "The request was understood, but a value in it is not acceptable.", FIX_REQUEST);
static FAILED_DEPENDENCY: Meaning = Meaning::new(
    Class::CallerFault,
    "Something that the request relies on failed: a remote tool server or its credentials, most often.",
    &["check the tools, MCP servers and files that the request names"],
);
static TOO_EARLY: Meaning = Meaning::new(
    Class::CallerFault,
    "The server refuses data that came before the TLS handshake was complete; Seawall never sends such data.",
    &["look for a proxy between Seawall and the provider that does"],
)
.whose(Whose::Network);
pub(super) static RATE_LIMITED: Meaning = Meaning::new(
    Class::RateLimited,
    "Too many requests or tokens in too short a time.",
    &[
        "nothing at once: Seawall waits as long as the provider asks, then sends it again",
        "spread the load, or send fewer tokens: a lower `max_tokens` counts at once",
        "ask the provider for higher limits, or add a second upstream",
    ],
);
static HEADERS_TOO_LARGE: Meaning = Meaning::new(
    Class::CallerFault,
    "The request's headers are larger than the provider accepts.",
    &["look for cookies or tokens that pile up, and send fewer headers"],
);
static LEGAL: Meaning =
    Meaning::new(Class::CallerFault, "The provider may not answer this for legal reasons.", FORBIDDEN.next);
pub(super) static FLEX_CAPACITY: Meaning = Meaning::new(
    Class::Overloaded,
    "There is no capacity left on the flex tier at this moment.",
    &["nothing at once: Seawall asks again, which no SDK does for 498", "use another service tier if it persists"],
);
static CLIENT_CLOSED: Meaning = Meaning::new(
    Class::Ambiguous,
    "A server on the way believes that the caller had left.",
    &[
        "look for a proxy with a short timeout between Seawall and the provider",
        "stream the answer, so that bytes flow early",
    ],
)
.whose(Whose::Network)
.again(Again::No);
pub(super) static SERVER_ERROR: Meaning = Meaning::new(
    Class::ServerError,
    "The provider's server failed while it worked on the request; the request is most likely fine.",
    WAIT_IT_OUT,
);
static NOT_IMPLEMENTED: Meaning = Meaning::new(
    Class::ServerError,
    "The upstream says that it cannot do this.",
    &["check that this server supports the endpoint and the features that the request uses", CHECK_BASE],
)
.charge(Charge::Rejected);
pub(super) static BAD_GATEWAY: Meaning = Meaning::new(
    Class::BadGateway,
    "A server in front of the provider got no usable answer from the one behind it; it passes quickly, most often.",
    WAIT_IT_OUT,
);
pub(super) static OVERLOADED: Meaning = Meaning::new(
    Class::Overloaded,
    "The provider has no capacity for this model at the moment.",
    &[
        "nothing at once: Seawall waits longer than after a 500, then asks again",
        "use another model, or add a second upstream",
        "if it persists, see the provider's status page",
    ],
);
pub(super) static GATEWAY_TIMEOUT: Meaning = Meaning::new(
    Class::Ambiguous,
    "A server in front of the provider gave up waiting; the work may have been done all the same, so Seawall repeats it once at most.",
    &[
        "stream the answer: bytes that flow early keep servers on the way from giving up",
        "ask for less at a time: a lower `max_tokens`, a smaller prompt",
        "for long work use background mode where the provider has it",
    ],
);
static LOOP_DETECTED: Meaning = Meaning::new(
    Class::CallerFault,
    "The request went round in a circle: an upstream points back at a gateway that it came through.",
    &["check each `base_url` on the way: it must be the provider's"],
)
.whose(Whose::Seawall);
static NETWORK_AUTH: Meaning = Meaning::new(
    Class::ServerError,
    "The network wants a sign-in before it lets anything through.",
    &["sign in to the network of this machine, then try again"],
)
.whose(Whose::Network)
.charge(Charge::NotReached);
static EDGE_UNKNOWN: Meaning = Meaning::new(
    Class::BadGateway,
    "The provider's server gave its edge (Cloudflare) an empty or unintelligible answer.",
    WAIT_IT_OUT,
);
static EDGE_DOWN: Meaning = Meaning::new(
    Class::BadGateway,
    "The provider's server refused the connection from its edge (Cloudflare).",
    WAIT_IT_OUT,
)
.charge(Charge::NotReached);
static EDGE_CONNECT_TIMEOUT: Meaning = Meaning::new(
    Class::Ambiguous,
    "The provider's edge (Cloudflare) got no connection to its server, or lost it, in time.",
    WAIT_IT_OUT,
);
static EDGE_UNREACHABLE: Meaning =
    Meaning::new(Class::BadGateway, "The provider's edge (Cloudflare) found no route to its server.", WAIT_IT_OUT)
        .charge(Charge::NotReached);
static EDGE_TIMEOUT: Meaning = Meaning::new(
    Class::Ambiguous,
    "The provider's edge (Cloudflare) waited about 100 s for the first byte and gave up; the work may have been done all the same.",
    GATEWAY_TIMEOUT.next,
);
static EDGE_TLS: Meaning = Meaning::new(
    Class::ServerError,
    "The provider's edge (Cloudflare) could not agree on a secure connection with its server.",
    WAIT_IT_OUT,
)
.charge(Charge::NotReached);
static OVERLOADED_529: Meaning = Meaning::new(
    Class::Overloaded,
    "The provider is overloaded for everybody, not for this account alone.",
    OVERLOADED.next,
);
static EDGE_DNS: Meaning =
    Meaning::new(Class::ServerError, "The provider's edge (Cloudflare) could not find its server.", WAIT_IT_OUT)
        .charge(Charge::NotReached);
static OTHER_4XX: Meaning =
    Meaning::new(Class::CallerFault, "The upstream refused the request with an unusual status.", FIX_REQUEST);
static OTHER_5XX: Meaning =
    Meaning::new(Class::ServerError, "The upstream failed with an unusual status.", WAIT_IT_OUT);
static OTHER_5XX_SLOW: Meaning = Meaning::new(
    Class::Ambiguous,
    "The upstream failed with an unusual status after nearly all the time allowed: taken for a timeout on the way.",
    GATEWAY_TIMEOUT.next,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_4xx_only_408_409_429_and_498_are_asked_again() {
        let retried: Vec<u16> = (400..=499).filter(|status| of_status(*status, false).is_retried()).collect();
        assert_eq!(retried, [408, 409, 429, 498]);
    }

    #[test]
    fn of_the_5xx_only_a_loop_is_not_asked_again() {
        let final_ones: Vec<u16> = (500..=599).filter(|status| !of_status(*status, false).is_retried()).collect();
        assert_eq!(final_ones, [508]);
    }

    #[test]
    fn the_statuses_of_each_class_are_those_of_the_base_waits() {
        let of = |class: Class| -> Vec<u16> {
            (100..=599).filter(|status| of_status(*status, false).class == class).collect()
        };
        assert_eq!(of(Class::BadGateway), [502, 520, 521, 523]);
        assert_eq!(of(Class::Overloaded), [498, 503, 529]);
        assert_eq!(of(Class::Ambiguous), [408, 499, 504, 522, 524]);
        assert_eq!(of(Class::RateLimited), [429]);
        assert_eq!(of(Class::Quota), [402]);
        assert_eq!(of(Class::Auth), [401, 403, 407]);
    }

    #[test]
    fn an_unassigned_5xx_that_came_late_is_taken_for_a_timeout() {
        for status in [506, 527, 598, 599, 600, 999] {
            assert_eq!(of_status(status, false).class, Class::ServerError, "{status}");
            assert_eq!(of_status(status, true).class, Class::Ambiguous, "{status}");
        }
        assert_eq!(of_status(500, true).class, Class::ServerError);
    }
}
