"""Every recorded case of the official SDKs, through the real gateway.

Without Seawall, each case ends for each SDK build as the vectors say. With it, what a retry can
mend is a success, what it cannot is the same exception (or, where no SDK could read the reply, the
one in `better.json`), and each call of an SDK reaches the gateway exactly once. A stream that fails
after its first content raises, whatever it did without Seawall.
"""

import json
import time

import canaries
import expect
from claims import Broken, claim, hold, same
from programs import ROOT, upstream
from sdks import NODE, NODE_6, PYTHON, RUST

VECTORS = json.loads((ROOT / "tests" / "vectors" / "sdk_behaviour.json").read_text())["cases"]
TABLE = json.loads((ROOT / "tests" / "door" / "better.json").read_text())
BETTER, IMPATIENT, PECULIAR, MID_STREAM = (TABLE[key] for key in ("cases", "impatient", "peculiar", "mid_stream"))

BUILDS = [PYTHON, NODE, NODE_6, RUST]
#: Waits short, the budget ample: both have tests of their own. The log says all that it ever says.
CONFIG = """[server]
[retry]
cap = "50ms"
[budget]
start = 10000
[log]
format = "json"
level = "trace"
"""
#: What is asked of chaos at a time, so that its list of the last 256 requests holds all of it.
BATCH = 40
SECONDS = 90
#: Scripts for one model find it in the body; these requests have none.
WITHOUT_MODEL = {"models_get_500_200", "redirect_302_to_same_script"}
RUST_CALLS = {"chat", "chat_stream", "responses", "responses_stream", "embeddings", "models"}


def kind_of(build):
    return build.split("-")[0] if build != RUST else "rust"


class Case:
    """One vector with one SDK build."""

    def __init__(self, vector, build, is_async=False):
        self.vector = vector
        self.name = vector["name"]
        self.build = build
        self.is_async = is_async
        self.script = vector["script"]
        self.model = f"{self.name}.{build}{'.async' if is_async else ''}"
        self.options = vector.get("options", {})
        self.result = None
        self.seconds = None
        self.wait = None

    def label(self):
        return f"{self.build}{' async' if self.is_async else ''}: {self.name}"

    def request(self, base_url):
        request = {
            "base_url": base_url,
            "api_key": canaries.KEY,
            "prompt": canaries.PROMPT,
            "call": self.vector["call"],
            "model": self.model,
            "timeout_s": self.options.get("timeout_s"),
            "async": self.is_async,
        }
        # More retries than the default only make "exactly one request" harder to hold.
        if self.options.get("max_retries", 0) > 2 and self.build != RUST:
            request["max_retries"] = self.options["max_retries"]
        return request

    def begin(self, sdks, base_url):
        self.began = time.monotonic()
        self.wait = sdks.begin(self.build, self.request(base_url))

    def finish(self):
        try:
            self.result = self.wait(SECONDS)
        except Broken as late:
            self.result = {"outcome": "none", "error": None, "message": str(late)}
        self.seconds = time.monotonic() - self.began

    def impatient(self):
        """What an SDK whose own limit comes first sees: class, status, code, requests."""
        return IMPATIENT.get(self.name, {}).get("python" if kind_of(self.build) == "python" else "node")

    def played(self):
        is_repeatable = not self.vector["call"].startswith("assistants")
        return expect.play(self.script, is_repeatable)

    def requests(self):
        """How many requests of this call reach the gateway."""
        if self.impatient():
            return self.impatient()[3]
        return PECULIAR.get(self.name, {}).get(kind_of(self.build), 1)

    def attempts(self):
        """How many attempts reach the upstream: least and most."""
        if "attempts" in BETTER.get(self.name, {}):
            return tuple(BETTER[self.name]["attempts"])
        if self.impatient():
            return (1, 3)
        if self.name in WITHOUT_MODEL:
            return None
        if self.name in BETTER and "stream" in self.vector["group"]:
            return (expect.ATTEMPTS_MAX, expect.ATTEMPTS_MAX)
        attempts = self.played().attempts * self.requests()
        return (attempts, attempts)


def recorded(case):
    """What the vectors say of this build without Seawall; of one they do not know, of none."""
    return next((seen for seen in case.vector["observed"] if seen["client"] == case.build), None)


def cases_of(build):
    for vector in VECTORS:
        if build == RUST and (vector["call"] not in RUST_CALLS or vector["name"] in IMPATIENT):
            continue
        yield Case(vector, build)
        if build == PYTHON and vector["group"] in ("status", "recovery", "connection"):
            yield Case(vector, build, is_async=True)


@claim
def the_table_of_exceptions_is_what_the_sdks_were_recorded_doing(door):
    """`expect.sdk_error` against every recorded error whose reply was readable."""
    checked = 0
    for vector in VECTORS:
        for seen in vector["observed"]:
            if seen["outcome"] != "error" or seen["client"] not in (PYTHON, NODE) or "stream" in vector["group"]:
                continue
            step = vector["script"][min(seen.get("attempts") or 1, len(vector["script"])) - 1]
            if not expect.is_well_formed(step):
                continue
            ids = [value for name, value in expect.headers_of(step) if name == "x-request-id"]
            made = expect.sdk_error(seen["client"], step["status"], expect.json_of(step), ", ".join(ids) if ids else None)
            found = {key: seen["error"].get(key) for key in made}
            found["code"] = None if found["code"] is None else str(found["code"])
            same(made, found, f"{vector['name']} with {seen['client']}")
            checked += 1
    hold(checked > 100, f"only {checked} recorded errors were compared")


@claim
def every_vector_is_run(door):
    names = {vector["name"] for vector in VECTORS}
    for table in (BETTER, PECULIAR, MID_STREAM, IMPATIENT):
        hold(set(table) - {"about"} <= names, f"unknown cases: {sorted(set(table) - names)}")
    run = {case.name for build in (PYTHON, NODE, NODE_6) for case in cases_of(build)}
    same(run, names, "cases that are run")


@claim
def the_official_sdks_get_good_answers_from_every_endpoint(door):
    gateway = door.gateway(CONFIG + upstream(door.chaos("--chunks", "5")))
    waits = []
    for build in BUILDS:
        for call in sorted(RUST_CALLS):
            case = {"base_url": gateway.base_url, "api_key": canaries.KEY, "call": call, "model": "gpt-4o"}
            waits.append((f"{build} {call}", door.sdks.begin(build, case)))
    for name, wait in waits:
        result = wait(SECONDS)
        hold(result["outcome"] in ("ok", "stream_end"), f"{name}: {result}")
        hold(result["outcome"] == "ok" or result["events"] >= 5, f"{name}: only {result.get('events')} events")
    same(int(gateway.total("seawall_requests_total", outcome="passed")), len(waits), "requests that passed")


@claim
def the_official_sdks_see_what_they_should_and_ask_once(door):
    chaos = door.chaos()
    refused = canaries.closed_port()
    gateway = door.gateway(CONFIG + upstream(chaos))
    nobody = door.gateway(CONFIG + upstream(f"http://127.0.0.1:{refused.getsockname()[1]}/v1"), name="gateway-nobody")
    cases = [case for build in BUILDS for case in cases_of(build)]
    # The control: async-openai is not in the vectors, so it is asked without Seawall too.
    controls = [Case(case.vector, RUST) for case in cases if case.build == RUST and case.name not in WITHOUT_MODEL]
    seen = {}
    for control in controls:
        control.model = f"direct.{control.name}"
    run_all(door, chaos, gateway, nobody, cases, seen)
    first = gateway.total("seawall_requests_total"), nobody.total("seawall_requests_total")
    stale = gateway.total("seawall_attempts_total", **{"class": "stale_connection"})
    run_controls(door, chaos, controls)
    direct = {control.name: control.result for control in controls}
    models = chaos.stats()["by_model"]
    for case in cases:
        door.case(case.label(), problem_of(case, models, seen, direct, stale), case.seconds)
    door.case("each call of an SDK is one request", problem(lambda: count(cases, *first)))
    texts = {str(case.label()): json.dumps(case.result) for case in cases}
    door.case("no sink holds a key or a prompt", problem(lambda: canaries.look_everywhere(door, [gateway, nobody], texts)))
    refused.close()


def problem(check):
    try:
        check()
    except Exception as broken:  # noqa: BLE001
        return str(broken) or repr(broken)
    return None


def run_all(door, chaos, gateway, nobody, cases, seen):
    """Runs the cases in batches; notes in `seen` what chaos saw of each attempt."""

    def note():
        for request in chaos.stats()["requests"]:
            seen[request["number"]] = request

    def begin(case):
        is_refused = case.options.get("refused")
        if not is_refused and case.name not in WITHOUT_MODEL:
            chaos.script(case.script, case.model)
        case.begin(door.sdks, (nobody if is_refused else gateway).base_url)

    alone = [case for case in cases if case.name in WITHOUT_MODEL]
    together = [case for case in cases if case.name not in WITHOUT_MODEL]
    slow = [case for case in together if case.played().wait > 0.5]
    quick = [case for case in together if case not in slow]
    for case in slow:
        begin(case)
    for at in range(0, len(quick), BATCH):
        batch = quick[at : at + BATCH]
        for case in batch:
            begin(case)
        for case in batch:
            case.finish()
        note()
    for case in slow:
        case.finish()
    note()
    for case in alone:
        chaos.script(case.script)
        begin(case)
        case.finish()
        note()


def run_controls(door, chaos, controls):
    for at in range(0, len(controls), BATCH):
        batch = [control for control in controls[at : at + BATCH] if not control.options.get("refused")]
        for control in batch:
            # What the gateway gives in the end is what the caller would get from the last step.
            played = control.played()
            chaos.script([played.last], control.model)
            control.begin(door.sdks, chaos.base_url)
        for control in batch:
            control.finish()


def count(cases, requests, refused):
    calls = sum(case.requests() for case in cases if not case.options.get("refused"))
    same(int(requests), calls, "requests that the gateway counted")
    same(int(refused), sum(1 for case in cases if case.options.get("refused")), "requests before a closed port")


def problem_of(case, models, seen, direct, stale):
    def check():
        check_result(case, direct)
        check_attempts(case, models, stale)
        retries = {request["retry_count"] for request in seen.values() if request["model"] == case.model}
        allowed = {None} if case.build == RUST else {str(n) for n in range(case.requests())}
        hold(retries <= allowed, f"the SDK retried by itself: x-stainless-retry-count {sorted(map(str, retries))}")
        ids = [request["client_request_id"] for request in seen.values() if request["model"] == case.model]
        hold(all(ids) and len(set(ids)) == len(ids), f"attempts do not each have an x-client-request-id of their own: {ids}")

    found = problem(check)
    return None if found is None else f"{found}\nresult: {json.dumps(case.result)[:600]}"


def check_attempts(case, models, stale):
    bounds = case.attempts()
    if bounds is None:
        return
    least, most = bounds
    found = models.get(case.model, {}).get("attempts", 0)
    # A kept connection that chaos had closed costs an attempt that chaos never sees.
    hold(least - stale <= found <= most, f"{found} attempts reached the upstream, expected {least} to {most}")


def check_result(case, direct):
    result = case.result
    played_ok = {"outcome": "ok"}
    if case.impatient():
        return check_impatient(case)
    if case.name in BETTER:
        return check_error(case, *BETTER[case.name]["error"])
    if case.name == "redirect_302_to_same_script":
        # Seawall follows no redirect; an SDK that does gets its answer from there.
        hold(result["outcome"] == "ok" or case.build == RUST, "the redirect was not passed on")
        return
    if case.name in MID_STREAM:
        return check_mid_stream(case, MID_STREAM[case.name])
    if "stream" in case.vector["group"]:
        return check_stream(case, direct)
    played = case.played()
    if case.build == RUST and direct.get(case.name, played_ok)["outcome"] == "error":
        return check_same(case, direct[case.name])
    if played.is_ok:
        hold(result["outcome"] == "ok", "a retry could have mended this")
        least = played.wait - 1.0 if played.wait >= 1 else 0.0
        hold(case.seconds >= least, f"waited {case.seconds:.2f} s, asked for {played.wait} s")
        return
    expected = expect.sdk_error(case.build, played.last["status"], expect.json_of(played.last), None)
    request_id = expect.request_id_of(played.last)
    hold(result["outcome"] == "error", f"expected {expected['class']}")
    found = dict(result["error"])
    found["code"] = None if found["code"] is None else str(found["code"])
    for key in ("class", "status_code", "code", "type"):
        if case.build == NODE_6 and key in ("code", "type") and "error" not in (expect.json_of(played.last) or {}):
            continue  # This release reads no flat error.
        same(found[key] or None, expected[key], key)
    if request_id:
        same(found["request_id"], request_id, "request id")
    hold(found["request_id"], "no request id at all")
    check_recorded(case, played, found)


def check_recorded(case, played, found):
    """The same against the recording itself, where it ended with the same reply."""
    said = recorded(case)
    if said is None or said["outcome"] != "error" or said["error"].get("status_code") != played.last["status"]:
        return
    for key in ("class", "status_code", "code", "type"):
        recorded_value = said["error"].get(key)
        same(str(found[key] or None), str(recorded_value), f"recorded {key}")


def check_error(case, name, status, code):
    error = case.result.get("error")
    hold(case.result["outcome"] == "error", f"expected {name} {status}")
    if case.build == RUST:
        same((error["class"], error["status_code"]), ("ApiError", status), "error")
        hold(code is None or code in error["message"] or code == error["code"], f"code {code} is not in the error")
        return
    same((error["class"], error["status_code"]), (name, status), "exception")
    if code is not None:
        same(str(error["code"]), code, "code")
    hold(error["request_id"], "no request id")
    hold(case.result["events"] == 0 and not case.result["opened"], "the error came while iterating")


def check_impatient(case):
    error = case.result.get("error")
    name, status, code, _ = case.impatient()
    hold(case.result["outcome"] == "error", f"expected {name}")
    same((error["class"], error["status_code"], error["code"]), (name, status, code), "exception")


def check_mid_stream(case, row):
    """All events that were whole, and then an exception: the upstream's own, or ours."""
    hold(case.result["outcome"] == "error", "a broken stream ended like a whole one")
    if case.build == RUST:
        return
    same((case.result["opened"], case.result["events"]), (True, row["events"]), "opened, events")
    error = case.result["error"]
    if row.get("is_told"):
        same(error["class"], recorded(case)["error"]["class"], "exception")
        return
    same((error["class"], error["code"]), ("APIError", "seawall_stream_interrupted"), "exception")
    hold(error["body_request_id"] == "req_stream", "not the upstream's request id")


def check_stream(case, direct):
    """A stream that ends well is what it was, for good or ill of its reader."""
    said = direct[case.name] if case.build == RUST else recorded(case)
    hold(said is not None, "nothing is recorded of this build")
    same(case.result["outcome"], said["outcome"], "outcome")
    same(case.result.get("events"), said.get("events"), "events")
    if case.result["outcome"] == "error":
        same(case.result["error"]["class"], said["error"]["class"], "exception")


def check_same(case, control):
    same(case.result["outcome"], control["outcome"], "outcome, with and without Seawall")
    for key in ("class", "status_code", "code", "type", "message"):
        same(case.result["error"].get(key), control["error"].get(key), f"{key}, with and without Seawall")
