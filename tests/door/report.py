"""The escalation report of a real outage: what support asks for, checked, and a request that reproduces it.

The committed example (docs/example-report.md) is one such run, as it came. Ids, times and milliseconds differ from
run to run; everything else must not. UPDATE=1 writes it anew.
"""

import datetime
import hashlib
import json
import os
import re
import subprocess
import time

import canaries
from claims import claim, hold, same
from pages import Page, words
from programs import ROOT, ask, clean_environment, upstream, wait_for

EXAMPLE = ROOT / "docs" / "example-report.md"
CHAT = "/v1/chat/completions"
MODEL, OTHER = "gpt-4o", "gpt-4o-mini"
#: Requests before the outage, in it, and after it.
BEFORE, DURING, AFTER = 90, 60, 12
#: Between two requests of the outage: so it has a length.
PAUSE_S = 0.3
#: An incident is over when a minute has gone by without a failure, and is looked at in parts of ten seconds.
QUIET_S = 75
CONFIG = """[server]
[log]
level = "error"
[budget]
start = 100
[retry]
cap = "20ms"
[retry.class.overloaded]
base = "20ms"
[status_page]
poll = "always"
every = "10s"
"""
HTML = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudflare</center></body></html>"
ERRORS = {
    503: {"message": "The server is currently overloaded. Please try again later.", "type": "service_unavailable_error", "param": None, "code": "server_is_overloaded"},
    500: {"message": "The server had an error while processing your request. Sorry about that!", "type": "server_error", "param": None, "code": None},
}
SDKS = [("python", "2.8.0"), ("js", "6.9.1")]
TOOLS = [{"type": "function", "function": {"name": f"look_{at}", "parameters": {"type": "object", "properties": {}}}} for at in range(2)]


class Script:
    """What the upstream answers, attempt by attempt."""

    def __init__(self):
        self.steps = []

    def _headers(self, kind):
        number = len(self.steps)
        digest = hashlib.sha256(f"report {number}".encode()).hexdigest()
        place = "FRA" if number % 3 else "AMS"
        return {
            "content-type": kind,
            "x-request-id": f"req_{digest[:32]}",
            "openai-processing-ms": str(20 + number % 7),
            "openai-organization": "org-acme",
            "openai-project": "proj_checkout",
            "cf-ray": f"{digest[:16]}-{place}",
        }

    def fails(self, status):
        if status == 502:
            headers = {name: value for name, value in self._headers("text/html").items() if name in ("content-type", "cf-ray")}
            self.steps.append({"status": 502, "headers": headers, "body": HTML, "delay_ms": 20})
            return
        self.steps.append({"status": status, "headers": self._headers("application/json"), "body": {"error": ERRORS[status]}, "delay_ms": 20})

    def answers(self, is_stream):
        usage = {"prompt_tokens": 900, "completion_tokens": 2, "total_tokens": 902}
        if not is_stream:
            message = {"index": 0, "message": {"role": "assistant", "content": "It is."}, "finish_reason": "stop"}
            body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [message], "usage": usage}
            self.steps.append({"status": 200, "headers": self._headers("application/json"), "body": body})
            return
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
        events = [
            {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "It is."}, "finish_reason": None}]},
            {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        ]
        parts = [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]
        self.steps.append({"status": 200, "headers": self._headers("text/event-stream"), "parts": parts, "end": "chunked"})

    def request(self, number, failures=()):
        for status in failures:
            self.fails(status)
        # Four attempts at most.
        if len(failures) < 4:
            self.answers(is_stream(number))


def is_stream(number):
    return number % 3 != 0


def failures(number):
    """What fails of the `number`-th request of the outage: two of three at first, one of twelve for good."""
    if number % 12 == 7:
        return [503, 503, 503, 503]
    if number % 12 == 10:
        return [502]
    return [[503, 503], [], [500], [503], [], [503, 500]][number % 6]


def call(gateway, number, model=MODEL):
    lang, version = SDKS[number % 4 == 0]
    text = f"{canaries.PROMPT} {number} " + "and so on " * (10 + number % 40 * 8)
    body = {"model": model, "stream": is_stream(number), "max_tokens": 256, "messages": [{"role": "user", "content": text}]}
    if number % 5 < 3:
        body["tools"] = TOOLS
    headers = {
        "content-type": "application/json",
        "authorization": f"Bearer {canaries.KEY}",
        "user-agent": "OpenAI/Python 2.8.0" if lang == "python" else "OpenAI/JS 6.9.1",
        "x-stainless-lang": lang,
        "x-stainless-package-version": version,
    }
    return ask(gateway.port, "POST", CHAT, json.dumps(body), headers)[0]


def steady(report):
    """The report without what differs from run to run."""
    report = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?Z)?", "TIME", report)
    report = re.sub(r"sw_[0-9a-f]{32}", "sw_ID", report)
    report = re.sub(r"inc_[0-9a-f]{16}", "inc_ID", report)
    report = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", report)
    report = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", report)
    report = re.sub(r"\d[\d,]* to \d[\d,]* ms, half of them up to \d[\d,]*, 95 % up to \d[\d,]*", "SPREAD ms", report)
    report = re.sub(r"\d[\d,]* ms", "N ms", report)
    report = re.sub(r"\(\d+ s; ", "(SPAN; ", report)
    # Which failures stand for the time between the first and the last depends on when they came.
    report = re.sub(r"(?m)^\| +\d+ \| .*$", "| EXAMPLE |", report)
    report = re.sub(r"(?m)^- \d+(, \d+)*: `", "- EXAMPLES: `", report)
    # The widths of columns follow from what stands in them.
    return re.sub(r" +", " ", re.sub(r"-{2,}", "--", report))


def outage(door):
    """A minute as usual, an outage, a recovery, and a status page that is late; the gateway, when its incident is over."""
    with Page(words("none", "operational")) as page:
        chaos = door.chaos()
        script = Script()
        for number in range(BEFORE):
            script.request(number, [503] if number == 41 else ())
        for number in range(DURING):
            script.request(number, failures(number))
        for number in range(AFTER):
            script.request(number)
        chaos.script(script.steps, model=MODEL)
        gateway = door.gateway(CONFIG + upstream(chaos, f'status_page = "{page.url}"', name="openai"))
        for number in range(BEFORE):
            same(call(gateway, number), 200, f"request {number} before the outage")
        # The outage begins in a minute of its own.
        time.sleep(61 - time.time() % 60)
        began = datetime.datetime.now(datetime.timezone.utc)
        for number in range(DURING):
            time.sleep(PAUSE_S)
            expected = 503 if len(failures(number)) == 4 else 200
            same(call(gateway, number), expected, f"request {number} of the outage")
            if number % 2:
                same(call(gateway, number, OTHER), 200, f"request {number} to another model")
        posted = began + datetime.timedelta(seconds=70)
        incident = {"id": "01K", "name": "Elevated error rates", "status": "investigating", "impact": "minor", "created_at": posted.isoformat(timespec="seconds")}
        page.says = words("minor", "degraded_performance", [incident])
        time.sleep(QUIET_S)
        for number in range(AFTER):
            same(call(gateway, number), 200, f"request {number} after the outage")
        wait_for("the incident is over", 15, lambda: incidents(door, gateway)[0]["state"] == "resolved")
        return gateway


def incidents(door, gateway):
    code, out, err = door.run("incidents", "--json", "--data-dir", gateway.data)
    same(code, 0, err)
    return [one for one in map(json.loads, out.splitlines()) if not one["under"]] or [{"state": "none"}]


@claim
def a_report_of_nothing_is_an_error_and_a_file_is_never_overwritten_unasked(door):
    chaos = door.chaos()
    gateway = door.gateway(CONFIG + upstream(chaos, name="openai"))
    same(call(gateway, 1), 200, "a request")
    code, out, err = door.run("report", "--data-dir", gateway.data)
    same((code, out), (1, ""), "a report without a failure")
    hold("no incident and no failure" in err and "hint: " in err, err)
    chaos.script([{"status": 500, "body": {"error": {"message": "no"}}}])
    hold(call(gateway, 2) == 500, "a request that fails")
    file = door.folder / "report.md"
    file.write_text("mine")
    code, _, err = door.run("report", "-o", file, "--data-dir", gateway.data)
    same((code, file.read_text()), (2, "mine"), err)
    hold("--force" in err, err)
    same(door.run("report", "-o", file, "--force", "--data-dir", gateway.data)[0], 0, "with --force")
    hold(file.read_text().startswith("# Failures of all upstreams from "), file.read_text()[:200])


@claim(waits=True)
def the_report_of_a_real_outage_is_what_support_asks_for(door):
    """Markdown, JSON and the admin side say the same; the digests hold; no key and no prompt; the request reproduces."""
    gateway = outage(door)
    (incident,) = incidents(door, gateway)
    path = f"/api/v1/incidents/{incident['id']}/report"
    # What was counted goes to the record every ten seconds.
    time.sleep(11)
    served = {form: ask(gateway.admin, "GET", f"{path}?format={form}") for form in ("json", "md")}
    same({form: reply[0] for form, reply in served.items()}, {"json": 200, "md": 200}, path)
    same(ask(gateway.admin, "GET", f"{path}?format=pdf")[0], 400, "another form")
    same(ask(gateway.admin, "GET", "/api/v1/incidents/inc_none/report")[0], 404, "no incident")
    gateway.end()
    file = door.folder / "report.md"
    code, out, err = door.run("report", "-o", file, "--data-dir", gateway.data)
    same((code, out), (0, ""), err)
    markdown = file.read_text()
    code, out, err = door.run("report", incident["id"][:10], "--json", "--data-dir", gateway.data)
    same((code, err), (0, ""), "seawall report --json")
    report = json.loads(out)
    same(report["scope"]["incident"]["id"], incident["id"], "which incident")
    same(json.loads(served["json"][2])["digest"], report["digest"], "the admin side's facts")
    same(steady(served["md"][2].decode()), steady(markdown), "the admin side's Markdown")

    facts = {key: value for key, value in report.items() if key not in ("digest", "made")}
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    same(hashlib.sha256(canonical.encode()).hexdigest(), report["digest"]["value"], "the digest of the facts")
    before, _, after = markdown.partition("## Digest\n")
    hold(hashlib.sha256(before.encode()).hexdigest() in after and report["digest"]["value"] in after, f"the digest of the text: {after}")

    failing = [failures(number) for number in range(DURING)]
    same(report["totals"]["attempts_failed"], sum(map(len, failing)), "failed attempts")
    expected = {"requests": DURING + AFTER, "failed_first": sum(map(bool, failing)), "lost": failing.count([503] * 4), "cut": 0}
    counted = report["totals"]["counted"]
    same({key: counted[key] for key in expected}, expected, "whole requests")
    same(counted["saved"], expected["failed_first"] - expected["lost"], "saved")
    same([(one["requests"], one["failed_first"]) for one in report["baseline"]], [(BEFORE, 1)] * 2, "the baseline")
    verdicts = {one["cause"]: one["verdict"] for one in report["ruled_out"]}
    same(set(verdicts.values()), {"ruled_out"}, f"what it was not: {verdicts}")
    hold("begun 1 min after the first failure here" in report["status_page"]["first"], str(report["status_page"]))

    shown = [why for one in report["examples"] for why in one["shown_as"]]
    reasons = {"first", "last", "peak", "region AMS", "region FRA", *(f"first {kind}" for kind in ("502 bad_gateway", "503 overloaded", "500 server_error"))}
    same((len(report["examples"]), set(shown)), (12, reasons), "the examples")
    ids = [one["x_request_id"] for one in report["examples"]]
    same((ids.count(None), len(set(ids))), (1, 12), f"what the upstream called them, but for the 502: {ids}")

    texts = markdown + out + served["md"][2].decode() + served["json"][2].decode()
    same(canaries.hits(texts, canaries.needles()), [], "keys and prompts")
    reproduces(door, report)
    if os.environ.get("UPDATE"):
        EXAMPLE.write_text(markdown)
    kept = EXAMPLE.read_text() if EXAMPLE.exists() else ""
    for number, (found, wanted) in enumerate(zip(steady(markdown).splitlines(), steady(kept).splitlines()), 1):
        same(found, wanted, f"line {number} of docs/example-report.md (UPDATE=1 tests/door/run --only real_outage writes it anew)")
    same(len(markdown.splitlines()), len(kept.splitlines()), "lines of docs/example-report.md")


def reproduces(door, report):
    """A shell sends it, an upstream takes it, and lint finds nothing wrong with it."""
    chaos = door.chaos(name="chaos-well")
    made = report["reproduction"]
    environment = clean_environment({"OPENAI_BASE_URL": chaos.base_url, "OPENAI_API_KEY": "sk-none"})
    done = subprocess.run(["sh", "-c", made["command"]], env=environment, capture_output=True, text=True, timeout=30, cwd=door.folder, check=False)
    hold(done.returncode == 0 and done.stdout.startswith("HTTP/1.1 200"), f"{done.stdout[:500]} {done.stderr[:500]}")
    (seen,) = chaos.stats()["requests"]
    same((seen["body_bytes"], chaos.stats()["by_model"].keys()), (made["body_bytes"], {MODEL}), "what the upstream got")
    code, out, err = door.run("lint", "-", stdin=json.dumps(made["body"]).encode())
    same(code, 0, f"lint of the request: {out}{err}")
