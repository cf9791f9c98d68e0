"""What passes through unharmed: answers, requests, and those under way when the gateway stops."""

import gzip
import json
import signal
import threading

from claims import claim, hold, same
from programs import ask, upstream, wait_for

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
QUICK = '[server]\n[retry]\ncap = "5ms"\n[budget]\nstart = 10000\n'

ODD_JSON = '  {"id":"c","object":"chat.completion", "n":1.0e+2,"big":123456789012345678901234567890,\n\t"u":"\\u00e9\\/é","a":1,"a":2,"choices":[ ]}\r\n'
CHUNK = 'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}'
LAST = 'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'


def hexed(data):
    return "@bytes:" + data.hex()


def stream(*parts):
    return {"status": 200, "headers": {"content-type": "text/event-stream"}, "parts": list(parts), "end": "chunked"}


#: Odd answers, all of them good: a step for chaos, whether a stream is asked for, and the bytes.
ANSWERS = {
    "json with odd spaces, numbers and a key twice": ({"status": 200, "headers": {"content-type": "application/json"}, "body": ODD_JSON}, False),
    "json in gzip although nobody asked": (
        {"status": 200, "headers": {"content-type": "application/json", "content-encoding": "gzip"}, "body": hexed(gzip.compress(ODD_JSON.encode(), mtime=0))},
        False,
    ),
    "json in chunks": ({"status": 200, "headers": {"content-type": "application/json"}, "parts": [ODD_JSON[:20], ODD_JSON[20:]]}, False),
    "events with CRLF and comments": (stream(": hello\r\n\r\n", CHUNK % "a" + "\r\n\r\n", ": ping\n\n", LAST + "\r\n\r\n", "data: [DONE]\r\n\r\n"), True),
    "events split inside a character": (
        stream(hexed((CHUNK % "é").encode()[:-50]), {"sleep_ms": 20}, hexed((CHUNK % "é").encode()[-50:] + b"\n\n"), LAST + "\n\ndata: [DONE]\n\n"),
        True,
    ),
    "events with ids, names and a lone retry": (stream("retry: 100\n\n", "id: 7\nevent: x\n" + CHUNK % "a" + "\n\n", LAST + "\n\n", "data: [DONE]\n\n"), True),
}


def bytes_of(step):
    """The body that a step spells."""
    spelled = step["parts"] if "parts" in step else [step["body"]]
    texts = [part for part in spelled if isinstance(part, str)]
    return b"".join(bytes.fromhex(t[7:]) if t.startswith("@bytes:") else t.encode() for t in texts)


@claim
def a_success_is_byte_for_byte_what_the_upstream_sent(door):
    """At once and after two failures."""
    chaos = door.chaos()
    gateway = door.gateway(QUICK + upstream(chaos))
    for name, (step, is_stream) in ANSWERS.items():
        for failures in (0, 2):
            chaos.script([{"status": 500, "body": {"error": {"message": "no"}}}] * failures + [step], "m")
            request = json.dumps({"model": "m", "stream": is_stream, "messages": []})
            status, headers, body = ask(gateway.port, "POST", CHAT, request, JSON)
            same(status, 200, f"{name}, after {failures} failures: status")
            same(body, bytes_of(step), f"{name}, after {failures} failures: body")
            same(headers["x-seawall-attempts"], [str(failures + 1)], f"{name}: attempts")
            for header, value in step["headers"].items():
                same(headers.get(header), [value], f"{name}: {header}")


@claim
def each_attempt_carries_the_caller_s_bytes_and_an_id_of_its_own(door):
    chaos = door.chaos()
    gateway = door.gateway(QUICK + upstream(chaos))
    request = '{ "model":"m" ,"messages":[{"role":"user","content":"\\u0041é"}],"temperature":1.0e0}'.encode()
    headers = {**JSON, "x-mine": "yes", "authorization": "Bearer k", "x-seawall-tag": "t", "connection": "x-hop", "x-hop": "1"}
    ask(gateway.port, "POST", CHAT, request, {**headers, "x-chaos": "500"})
    seen = chaos.stats()["requests"]
    same(len(seen), 4, "attempts")
    same({one["body_bytes"] for one in seen}, {len(request)}, "bytes")
    same(len({one["body_fnv"] for one in seen}), 1, "different bodies")
    same(len({one["client_request_id"] for one in seen}), 4, "ids")
    for one in seen:
        names = set(one["header_names"])
        hold("x-mine" in names and one["authorization"], f"the caller's headers are missing: {sorted(names)}")
        hold(not names & {"x-hop", "x-seawall-tag"}, f"what is not the upstream's was sent: {sorted(names)}")
        hold("seawall-" in (one["via"] or ""), "no Via")


@claim
def a_caller_may_lower_the_number_of_attempts_and_not_raise_it(door):
    chaos = door.chaos()
    gateway = door.gateway(QUICK + upstream(chaos))
    for asked, expected in (("0", 1), ("1", 2), ("2", 3), ("9", 4), ("-1", 4), ("many", 4)):
        before = chaos.stats()["attempts"]
        ask(gateway.port, "POST", CHAT, '{"model":"m"}', {**JSON, "x-chaos": "500", "x-seawall-max-retries": asked})
        same(chaos.stats()["attempts"] - before, expected, f"attempts with x-seawall-max-retries: {asked}")


@claim
def what_may_not_be_repeated_is_sent_once(door):
    chaos = door.chaos()
    gateway = door.gateway(QUICK + upstream(chaos))
    for method, path, body in (
        ("POST", "/v1/files", "{}"),
        ("POST", "/v1/batches", "{}"),
        ("POST", "/v1/responses", '{"model":"m","background":true}'),
        ("DELETE", "/v1/files/f", None),
        ("POST", "/v1/something/new", "{}"),
    ):
        before = chaos.stats()["attempts"]
        status, _, _ = ask(gateway.port, method, path, body, {**JSON, "x-chaos": "503"})
        same((status, chaos.stats()["attempts"] - before), (503, 1), f"{method} {path} {body}")


@claim
def one_line_is_logged_for_each_failed_attempt_and_none_for_a_success(door):
    chaos = door.chaos()
    gateway = door.gateway(QUICK + '[log]\nformat = "json"\n' + upstream(chaos))
    for _ in range(5):
        ask(gateway.port, "POST", CHAT, '{"model":"good"}', JSON)
    chaos.script([{"status": 503, "headers": {"x-request-id": "req_1"}, "body": {"error": {"message": "busy"}}}, good()], "bad")
    same(ask(gateway.port, "POST", CHAT, '{"model":"bad"}', JSON)[0], 200, "status")
    gateway.end()
    lines = [json.loads(line) for line in gateway.err.read_text().splitlines()]
    failed = [line for line in lines if line.get("model")]
    same(len(failed), 1, f"lines about requests: {failed}")
    found = {key: failed[0].get(key) for key in ("model", "attempt", "class", "decision", "upstream_request_id")}
    same(found, {"model": "bad", "attempt": 1, "class": "overloaded", "decision": "retry", "upstream_request_id": "req_1"}, "the line")
    hold("timestamp" in failed[0], f"no time: {failed[0]}")


def good():
    return {"status": 200, "body": {"id": "c", "object": "chat.completion", "choices": []}}


@claim
def requests_under_way_are_finished_when_the_gateway_is_told_to_stop(door):
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    answers = []

    def one(number):
        answers.append(ask(gateway.port, "POST", CHAT, json.dumps({"model": f"m{number}"}), {**JSON, "x-chaos": "slow=2s"})[0])

    callers = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for caller in callers:
        caller.start()
    wait_for("all have arrived", 5, lambda: chaos.stats()["in_flight"] == 8)
    gateway.signal(signal.SIGTERM)
    wait_for("it says that it is not ready", 5, lambda: not gateway.is_ready())
    for caller in callers:
        caller.join()
    same(answers, [200] * 8, "answers")
    same(gateway.exit_code(), 0, "exit code")
