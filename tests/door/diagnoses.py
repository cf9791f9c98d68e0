"""Failures that are the caller's: tools that the API never streams, and bodies that are too large.

The upstream judges tools late: a 500 or an error inside where it streams, a 400 where it does not. It
knows nothing of the linter that names them.
"""

import json
import threading

from claims import claim, hold, same
from programs import ask, upstream, wait_for
from sdks import NODE, NODE_6, PYTHON

CHAT = "/v1/chat/completions"
KEY = "sk-diagnosed"
QUIET = '[server]\n[log]\nlevel = "error"\n'
#: After so many calls it must be known: one is tried, and the next may be sent again too.
CALLS_MOST = 6
PATTERN = "^(?!.*secret-canary).*$"


def function(name, pattern=None):
    field = {"type": "string", **({"pattern": pattern} if pattern else {})}
    schema = {"type": "object", "properties": {"where": field}, "required": ["where"], "additionalProperties": False}
    return {"name": name, "description": f"{name}, for the test", "parameters": schema}


def chat(*functions):
    return [{"type": "function", "function": one} for one in functions]


def flat(*functions):
    return [{"type": "function", **one, "strict": False} for one in functions]


GOOD = (function("find_place"), function("open_door"))
BAD = (function("find_place"), function("get_weather", PATTERN), function("open_door"))


class Traffic:
    """Others, who are well: streams with good tools and without any, one after another."""

    def __init__(self, gateway, call="chat_stream"):
        self.gateway, self.ended, self.statuses = gateway, threading.Event(), []
        self.is_chat = call == "chat_stream"
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        number = 0
        while not self.ended.is_set() and number < 5000:
            number += 1
            tools = {"tools": (chat if self.is_chat else flat)(*GOOD)} if number % 2 else {}
            said = {"messages": [{"role": "user", "content": f"question {number}"}]} if self.is_chat else {"input": f"question {number}"}
            body = {"model": "gpt-4o", "stream": True, **said, **tools}
            path = CHAT if self.is_chat else "/v1/responses"
            status, _, _ = ask(self.gateway.port, "POST", path, json.dumps(body), {"content-type": "application/json"})
            self.statuses.append(status)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(30)


def until_diagnosed(door, build, case):
    """Calls until the answer is a diagnosis; the exceptions before, and this one."""
    before = []
    for number in range(CALLS_MOST):
        result = door.sdks.call(build, {**case, "prompt": f"question {number}"}, 60)
        hold(result["outcome"] == "error", f"{build}: {result}")
        error = result["error"]
        if error["seawall"].get("x-seawall-outcome") == "diagnosed":
            return before, error
        before.append(error)
    raise AssertionError(f"{build}: not diagnosed after {CALLS_MOST} calls: {before[-1]}")


def on_record(door, gateway, error):
    code, out, err = door.run("show", error["seawall"]["x-seawall-request-id"], "--json", "--data-dir", gateway.data)
    hold(code == 0, err)
    return json.loads(out.splitlines()[0])


def check_named(what, text, place):
    for part in ("likely the tool definitions", "requests within", place, "get_weather", "explain SW"):
        hold(part in text, f"{what} does not say {part!r}: {text}")
    hold("secret-canary" not in text, f"{what} has the pattern itself: {text}")


@claim
def tools_that_always_fail_are_named_while_all_else_is_well(door):
    """500 and errors inside, Chat and Responses, both SDKs: the tool, the place and the rule, in message, header and journal."""
    for how, build, call, tools, place in [
        ("500", PYTHON, "chat_stream", chat(*BAD), "/tools/1/function/parameters/properties/where/pattern"),
        ("in_stream", NODE, "chat_stream", chat(*BAD), "/tools/1/function/parameters/properties/where/pattern"),
        ("in_stream", PYTHON, "responses_stream", flat(*BAD), "/tools/1/parameters/properties/where/pattern"),
    ]:
        chaos = door.chaos("--latency", "3ms..8ms", "--chunks", "2", f"--lazy-tools={how}", name=f"chaos-{how}-{call}")
        gateway = door.gateway(QUIET + upstream(chaos), name=f"gateway-{how}-{call}")
        case = {"base_url": gateway.base_url, "api_key": KEY, "call": call, "model": "gpt-4o", "extra": {"tools": tools}}
        with Traffic(gateway, call) as traffic:
            before, error = until_diagnosed(door, build, case)
        hold(len(before) >= 1, "one request alone is never enough")
        seawall = error["seawall"]
        found = [seawall.get(f"x-seawall-{name}") for name in ("attempts", "outcome", "reason")]
        same(found[1:], ["diagnosed", "tools"], f"{how} {call}: outcome and reason")
        hold(int(found[0]) <= 4, f"{found}")
        same((error["class"], error["status_code"]), ("InternalServerError", 500), f"{how} {call}: exception")
        record = on_record(door, gateway, error)
        for what, text in [
            ("the header", seawall["x-seawall-diagnosis"]),
            ("the message", error["message"]),
            ("the journal", record["diagnosis"]),
        ]:
            check_named(f"{how} {call}: {what}", text, place)
        hold(set(traffic.statuses) == {200}, f"others: {set(traffic.statuses)}")
        # The next is sent once, and no more.
        again = door.sdks.call(build, {**case, "prompt": "once more"}, 60)["error"]
        same(again["seawall"]["x-seawall-attempts"], "1", f"{how} {call}: attempts of the next")
        same(gateway.total("seawall_diagnosed_total", cause="tools"), 2, "counted")
        code, out, _ = door.run("failures", "--json", "--data-dir", gateway.data)
        hold(code == 0 and "secret-canary" not in out, "the journal has the pattern itself")
        print(f"      {how}, {call}: named at call {len(before) + 1}, after {len(traffic.statuses)} streams of others", flush=True)


@claim
def a_probe_without_streaming_brings_the_400_that_says_what_is_wrong(door):
    """`diagnose.tools = "probe"`: the provider's own words, as the exception that a 400 is."""
    for how, build in [("500", PYTHON), ("in_stream", NODE), ("500", NODE_6)]:
        chaos = door.chaos("--latency", "3ms..8ms", "--chunks", "2", f"--lazy-tools={how}", name=f"chaos-{build}")
        config = QUIET + '[diagnose]\ntools = "probe"\n' + upstream(chaos)
        gateway = door.gateway(config, name=f"gateway-{build}")
        case = {"base_url": gateway.base_url, "api_key": KEY, "call": "chat_stream", "model": "gpt-4o", "extra": {"tools": chat(*BAD), "stream_options": {"include_usage": True}}}
        with Traffic(gateway):
            _, error = until_diagnosed(door, build, case)
            same((error["class"], error["status_code"]), ("BadRequestError", 400), f"{build}: exception")
            same(error["code"], "invalid_function_parameters", f"{build}: code")
            hold("get_weather" in error["message"] and "(seawall:" not in error["message"], f"{build}: {error['message']}")
            record = on_record(door, gateway, error)
            reasons = [attempt["reason"] for attempt in record["attempts"]]
            same(reasons[-2:], ["probe", "tools"], f"{build}: reasons on record")
            same(record["attempts"][-1]["status"], 400, f"{build}: status of the probe")
            hold("without streaming, to learn this: possibly billed" in error["seawall"]["x-seawall-diagnosis"], "its cost is not told")
            same(gateway.total("seawall_probes_total"), 1, f"{build}: probes")
            # One in ten minutes: the next is told by what is known.
            again = door.sdks.call(build, {**case, "prompt": "once more"}, 60)["error"]
        same((again["status_code"], again["seawall"]["x-seawall-attempts"]), (500, "1"), f"{build}: the next")


@claim
def a_probe_that_is_answered_is_the_callers_stream(door):
    """Where the same tools work without streaming, the caller gets its answer, as the stream it asked for."""
    chaos = door.chaos("--latency", "3ms..8ms", "--chunks", "2")
    gateway = door.gateway(QUIET + '[diagnose]\ntools = "probe"\n' + upstream(chaos))
    with Traffic(gateway) as traffic:
        wait_for("others are well", 20, lambda: len(traffic.statuses) >= 60)
        for fault in ("500*4", "500*1"):
            body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": fault}], "tools": chat(*BAD)}
            headers = {"content-type": "application/json", "x-chaos": fault, "x-chaos-key": fault}
            status, found, reply = ask(gateway.port, "POST", CHAT, json.dumps(body), headers, timeout=30)
    same((status, found["x-seawall-attempts"], found["x-seawall-outcome"]), (200, ["2"], ["retried"]), "the probe")
    hold(found["content-type"][0].startswith("text/event-stream") and reply.rstrip().endswith(b"data: [DONE]"), f"{found} {reply[-200:]}")
    identifier = found["x-seawall-request-id"][0]

    def attempts():
        code, out, _ = door.run("show", identifier, "--json", "--data-dir", gateway.data)
        return json.loads(out.splitlines()[0])["attempts"] if code == 0 else None

    same([attempt["reason"] for attempt in wait_for("on record", 5, attempts)], ["probe"], "why it was sent again")


@claim
def an_upstream_that_is_down_is_never_blamed_on_tools(door):
    """Every attempt fails, with tools and without: whatever is tried, nobody's definitions are named."""
    chaos = door.chaos("--latency", "1ms..3ms", "--fault", "500:1")
    gateway = door.gateway(QUIET + '[diagnose]\ntools = "probe"\n[budget]\nstart = 1000\n' + upstream(chaos))
    outcomes = set()
    for number in range(60):
        tools = [{"tools": chat(*BAD)}, {"tools": chat(*GOOD)}, {}][number % 3]
        body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": f"{number}"}], **tools}
        headers = {"content-type": "application/json", "x-seawall-max-retries": "1"}
        status, found, reply = ask(gateway.port, "POST", CHAT, json.dumps(body), headers)
        hold(status in (500, 503) and b"tool definitions" not in reply, f"{status}: {reply[:300]}")
        hold("x-seawall-diagnosis" not in found, str(found))
        outcomes |= set(found["x-seawall-outcome"])
    hold("diagnosed" not in outcomes, str(outcomes))
    same(gateway.total("seawall_diagnosed_total"), 0, "diagnoses")


@claim
def noise_among_tools_is_never_blamed_on_them(door):
    """A fifth of all attempts fail, whatever their tools: four tool sets, each asked for again and again."""
    chaos = door.chaos("--latency", "1ms..3ms", "--chunks", "2", "--fault", "500:0.2", "--seed", "3")
    gateway = door.gateway(QUIET + "[budget]\nstart = 1000\n" + upstream(chaos))
    sets = [chat(*BAD), chat(*GOOD), chat(GOOD[0]), chat(GOOD[1], BAD[1])]
    for number in range(300):
        body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": f"{number}"}], "tools": sets[number % 4]}
        headers = {"content-type": "application/json", "x-seawall-max-retries": "1"}
        _, found, _ = ask(gateway.port, "POST", CHAT, json.dumps(body), headers)
        hold("x-seawall-diagnosis" not in found, str(found))
    hold(gateway.total("seawall_attempts_total", **{"class": "server_error"}) > 30, "it was no noise")


@claim
def a_size_that_was_refused_is_named_when_a_larger_one_gets_no_answer(door):
    """413 once; the next that is as large and gets a 504 is not sent again, and told why."""
    chaos = door.chaos("--latency", "1ms..3ms")
    gateway = door.gateway(QUIET + upstream(chaos))

    def send(size, fault):
        body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "x" * size}]})
        return ask(gateway.port, "POST", CHAT, body, {"content-type": "application/json", "x-chaos": fault})

    status, found, _ = send(300_000, "status-413")
    same((status, found["x-seawall-attempts"]), (413, ["1"]), "refused for its size")
    status, found, reply = send(400_000, "504")
    same((status, found["x-seawall-attempts"], found["x-seawall-reason"]), (504, ["1"], ["oversize"]), "larger, without an answer")
    message = json.loads(reply)["error"]["message"]
    hold("refused as too large" in message and "send less at a time" in message, message)
    status, found, _ = send(200_000, "504")
    same((status, found["x-seawall-attempts"], found["x-seawall-reason"]), (504, ["2"], ["ambiguous_max"]), "a smaller one")
