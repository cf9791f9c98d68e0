"""What a caller must see, derived from a case's script and the gateway's published rules.

Nothing here is copied from a run of the gateway. The rules are those of the design: which failures
are asked again and how often, which wait is waited for, and that a final error is the upstream's
own where an SDK can read it. What an SDK makes of a status and a body is a table too, and
`vectors.py` holds that table to what the SDK was recorded doing.
"""

import json
import re

ATTEMPTS_MAX = 4
#: One retry after a failure that may have been carried out.
AMBIGUOUS_MAX = 2
RETRY_AFTER_MAX_S = 60

AMBIGUOUS = {408, 504, 522, 524}
CALLER = set(range(300, 500)) - {401, 402, 403, 408, 409, 429}

CLASS_NAMES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
}
#: Where a provider puts the id of a request; the SDKs read the first only.
ID_HEADERS = [
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-ms-request-id",
    "x-generation-id",
    "mistral-correlation-id",
    "x-kong-request-id",
    "x-amzn-requestid",
    "cf-ray",
]
QUOTA = {"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"}


def headers_of(step):
    """Pairs, names in lower case; a removed header (`null`) is left out."""
    said = step.get("headers") or {}
    pairs = said.items() if isinstance(said, dict) else said
    return [(name.lower(), value) for name, value in pairs if value is not None]


def header(step, name):
    """A header's only value; None if it is missing or there are two."""
    found = [value.strip() for n, value in headers_of(step) if n == name]
    return found[0] if len(found) == 1 else None


def json_of(step):
    """A reply's body as JSON; None where an SDK cannot read it as such."""
    if "parts" in step or step.get("length_extra") or step.get("nobody") or "action" in step:
        return None
    if header(step, "content-encoding"):
        return None
    body = step.get("body")
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return None


def error_of(body):
    """The error object inside a body, or the body itself where it is flat."""
    if not isinstance(body, dict):
        return {}
    error = body.get("error", body)
    return error if isinstance(error, dict) else {}


def request_id_of(step):
    """The id that the caller must be given; None where the provider gave none."""
    for name in ID_HEADERS:
        for found, value in headers_of(step):
            if found == name and value.strip():
                return value.strip()
    body = json_of(step)
    if isinstance(body, dict) and isinstance(body.get("request_id"), str):
        return body["request_id"]
    message = str(error_of(body).get("message") or "")
    found = re.search(r"req_[0-9a-f]{16,}", message) or re.search(r"request ID ([0-9a-f]{32})", message)
    return found.group(found.lastindex or 0) if found else None


def sdk_error(build, status, body, request_id):
    """The exception that an SDK build raises for a status and a JSON body."""
    other = "APIStatusError" if build.startswith("python") else "APIError"
    name = "InternalServerError" if status >= 500 else CLASS_NAMES.get(status, other)
    error = error_of(body)
    plain = lambda value: str(value) if isinstance(value, (str, int)) and value != "" else None  # noqa: E731
    return {
        "class": name,
        "status_code": status,
        "code": plain(error.get("code")),
        "type": plain(error.get("type")),
        "request_id": request_id,
    }


def wait_of(step):
    """The wait that a reply asks for, in seconds; None where it says nothing usable."""
    for name, per_second in (("retry-after-ms", 1000.0), ("x-ms-retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = header(step, name)
        if value is None:
            continue
        date = re.fullmatch(r"@(httpdate|rfc850)([+-]\d+)", value)
        if date:
            seconds = float(date.group(2))
        elif re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value):
            seconds = float(value) / per_second
        else:
            continue
        if 0 < seconds < float("inf"):
            return seconds
    return None


def kind_of(step):
    """What the gateway takes a whole reply for: `ok`, `again`, `ambiguous`, `auth` or `final`."""
    if "action" in step:
        return "ambiguous"
    status = step.get("status", 200)
    body = json_of(step)
    error = error_of(body)
    words = {str(error.get("type")), str(error.get("code"))}
    if status < 300:
        if step.get("nobody"):
            return "ok"
        if step.get("length_extra"):
            return "ambiguous"
        is_error = isinstance(body, dict) and body.get("error")
        return "ok" if "parts" in step or (isinstance(body, dict) and not is_error) else "again"
    if words & QUOTA:
        return "final"
    if "invalid_request_error" in words and status not in (401, 403):
        return "final"
    if status in CALLER:
        return "final"
    if status in (401, 403):
        return "auth"
    return "ambiguous" if status in AMBIGUOUS else "again"


def wish_of(step):
    """The upstream's own word on trying again, as every SDK reads it."""
    value = header(step, "x-should-retry")
    return value if value in ("true", "false") else None


class Expected:
    """The end of a case: `last` is the step whose reply the caller gets."""

    def __init__(self, is_ok, attempts, last, wait):
        self.is_ok = is_ok
        self.attempts = attempts
        self.last = last
        self.wait = wait


def play(script, is_repeatable=True):
    """Plays a script against the rules."""
    ambiguous, waited = 0, 0.0
    for attempt in range(1, ATTEMPTS_MAX + 1):
        step = script[min(attempt, len(script)) - 1]
        kind, wish = kind_of(step), wish_of(step)
        if kind == "ok":
            return Expected(True, attempt, step, waited)
        may = kind in ("again", "ambiguous") or (kind == "auth" and wish == "true")
        may = may and wish != "false" and is_repeatable
        if kind == "ambiguous":
            ambiguous += 1
            may = may and ambiguous < AMBIGUOUS_MAX
        wait = wait_of(step) or 0.0
        if not may or wait > RETRY_AFTER_MAX_S or attempt == ATTEMPTS_MAX:
            return Expected(False, attempt, step, waited)
        waited += wait
    raise AssertionError("unreachable")


def is_well_formed(step):
    """Whether a final reply is an error that an SDK can read as it is."""
    return step.get("status", 200) >= 300 and (json_of(step) is not None or step.get("nobody", False))
