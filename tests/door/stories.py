"""Stories of the rehearsal in real time: a minute's outage (c), streams that never begin (f), and a
wall at 60 s (s).

They do little but wait, so all three wait at the same time. What was rehearsed over many seeds is
told once here, on real sockets: the figures must agree.
"""

import asyncio
import collections
import json
import random
import select
import statistics
import time

import load
from claims import claim, hold, same
from leaving import Clock, begin
from programs import ask, upstream, wait_for
from sdks import NODE, NODE_6, PYTHON

CHAT = "/v1/chat/completions"
QUIET = '[server]\n[log]\nlevel = "error"\n'
LATENCY = ("--latency", "20ms..60ms")
KEY = "sk-story"


#: The SDK's own time, and that of a busy machine.
SDK_S = 0.4


def warm(door, case, builds):
    """A good answer each, so that no driver is still starting when time is taken."""
    for wait in [door.sdks.begin(build, {**case, **more}) for build, more in builds]:
        result = wait(60)
        hold(result["outcome"] == "ok", f"a good answer: {result}")


def is_refused(reply):
    return reply.status == 503 and reply.header("x-seawall-attempts") == "0"


def failures(door, gateway):
    """What is on record, as one dictionary for each failed attempt."""
    code, out, err = door.run("failures", "--json", "--data-dir", gateway.data)
    hold(code == 0, f"seawall failures ended with {code}: {err[-500:]}")
    return [json.loads(line) for line in out.splitlines()]


# c: the only upstream is down for a minute.

DOWN_AT_S, ERRORS_S, CLOSED_S, AFTER_S = 6, 40, 20, 10
DOWN_S = ERRORS_S + CLOSED_S
RATE = 40
#: Requests in a row that must succeed for a recovery, as in the rehearsal.
IN_A_ROW = 10
RECOVERY_MOST_S = 8.0


@claim(waits=True)
def an_outage_of_a_minute_is_hardly_felt_upstream_told_at_once_and_over_within_8_s(door):
    """Errors for 40 s, a closed port for 20 s: at most 0.10 attempts for each request meanwhile."""
    script = door.folder / "outage.toml"
    phase = '[[phase]]\nat = "{}s"\nfor = "{}s"\nfault = "{}"\n'
    errors, closed = phase.format(DOWN_AT_S, ERRORS_S, "500"), phase.format(DOWN_AT_S + ERRORS_S, CLOSED_S, "refused")
    script.write_text(errors + closed)
    chaos = door.chaos("--script", str(script), *LATENCY)
    clock = Clock(chaos)
    gateway = door.gateway(QUIET + upstream(chaos))
    down, up = clock.zero + DOWN_AT_S, clock.zero + DOWN_AT_S + DOWN_S
    replies = []

    def make(number):
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]}
        return load.request(CHAT, body)

    seconds = up + AFTER_S - time.monotonic()
    _, lost = asyncio.run(load.open_loop(gateway.port, RATE, seconds, make, lambda number, at, reply: replies.append(reply)))
    hold(not lost, f"requests without a reply: {lost}")
    replies.sort(key=lambda reply: reply.began)
    # Who asks just before the outage may arrive in it.
    before = [reply for reply in replies if reply.began < down - 0.1]
    during = [reply for reply in replies if down <= reply.began < up]
    after = [reply for reply in replies if reply.began >= up]
    # What failed was in the outage; the closed port counts no attempts of its own.
    attempts = int(gateway.total("seawall_attempts_total") - gateway.total("seawall_attempts_total", **{"class": "ok"}))
    opened = next((reply.began for reply in during if is_refused(reply)), up)
    told = sorted(reply.ended - reply.began for reply in during if reply.began >= opened and reply.status != 200)
    half = statistics.median(told) * 1000 if told else float("inf")
    recovery = recovered(after, up)
    said = (
        f"{len(during)} requests in {DOWN_S} s of outage, {attempts / len(during):.3f} attempts each; refused after "
        f"{opened - down:.1f} s, from then on half told within {half:.1f} ms; recovered within {recovery:.1f} s; {len(before)} before"
    )
    print(f"      {said}", flush=True)
    hold(len(before) >= RATE and all(reply.status == 200 for reply in before), f"before the outage: {statuses(before)}; {said}")
    hold(0 < attempts <= len(during) * 0.10, said)
    hold(not any(reply.status == 200 and reply.ended < up for reply in during), f"not a total outage: {statuses(during)}")
    hold(half <= 10, said)
    hold(recovery <= RECOVERY_MOST_S, said)
    late = [reply for reply in after if reply.began >= up + recovery]
    hold(late and all(reply.status == 200 for reply in late), f"after the recovery: {statuses(late)}; {said}")


def recovered(after, up):
    """How long after the outage the last of the first ten successes in a row was told."""
    row = []
    for reply in after:
        row = row + [reply] if reply.status == 200 else []
        if len(row) == IN_A_ROW:
            return max(one.ended for one in row) - up
    return float("inf")


def statuses(replies):
    return dict(collections.Counter(reply.status for reply in replies))


# f: one stream in a hundred never brings its first content.

STREAMS_PER_S, STREAMS_S = 100, 40
#: What is learnt first: more than the 50 of a form from which a limit is learnt.
WARM = 200
HANGING = 0.01
FIRST_CONTENT_S = 20.0
#: One wait of up to 1 s, and one answer.
AGAIN_S = 1.5
SDK_BUILDS, SDK_STREAMS, SDK_HANGING = (PYTHON, NODE), 20, 2
#: Of these throws, one request hangs twice.
SEED = 10


@claim(waits=True)
def streams_that_never_begin_are_given_up_after_20_s_and_told_by_another_attempt(door):
    """One attempt in a hundred hangs, all of one form: nothing is lost but what hangs twice."""
    chaos = door.chaos(*LATENCY, "--chunks", "5")
    gateway = door.gateway(QUIET + upstream(chaos))
    dice = random.Random(SEED)
    total = STREAMS_PER_S * STREAMS_S
    hangs = [0] * WARM + [attempts_that_hang(dice) for _ in range(total - WARM)]
    replies = [None] * total
    drivers = SdkStreams(door, gateway)

    def make(number):
        if number == WARM:
            drivers.begin()
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": words(f"{number:05}")}], "stream": True}
        return load.request(CHAT, body, hang(hangs[number]))

    def heard(number, at, reply):
        replies[number] = reply

    _, lost = asyncio.run(load.open_loop(gateway.port, STREAMS_PER_S, STREAMS_S, make, heard))
    hold(not lost, f"requests without a reply: {lost}")
    drivers.check()
    whole = [is_whole(reply) for reply in replies]
    once = [reply.ended - reply.began for reply, times in zip(replies, hangs) if times == 1]
    twice = sum(1 for times in hangs if times > 1)
    given_up = sum(min(times, 2) for times in hangs) + len(SDK_BUILDS) * SDK_HANGING
    # The record of a request that was answered well is not waited for.
    waits = wait_for("what was given up is on record", 5, lambda: all_of(given_up, failures(door, gateway)))
    success = sum(whole) / total
    said = (
        f"{total} streams of which {len(once)} hung once and {twice} twice, success {success:.3%}; given up after "
        f"{min(waits):.2f} to {max(waits):.2f} s, told by another attempt within {max(once):.2f} s; "
        f"{drivers.told()}"
    )
    print(f"      {said}", flush=True)
    hold(success >= 1 - 0.0005, said)
    for number, (reply, times) in enumerate(zip(replies, hangs)):
        hold(whole[number] or times > 1, f"stream {number} is lost: {reply.status} {reply.body[-300:]!r}; {said}")
        found = reply.status, reply.header("x-seawall-attempts"), reply.header("x-seawall-outcome")
        # Two attempts that may both have been carried out are all that is paid for one request.
        expected = [(200, "1", "passed"), (200, "2", "retried"), (504, "2", "ambiguous")][min(times, 2)]
        same(found, expected, f"stream {number}, of which {times} attempts hang")
    hold(FIRST_CONTENT_S <= min(once) and max(once) <= FIRST_CONTENT_S + AGAIN_S, said)
    hold(FIRST_CONTENT_S - 0.1 <= min(waits) and max(waits) <= FIRST_CONTENT_S + 0.3, said)
    same(chaos.stats()["attempts"], total + len(once) + twice + len(SDK_BUILDS) * (1 + SDK_STREAMS + SDK_HANGING), "attempts")
    forms = {seen["body_bytes"].bit_length() for seen in chaos.stats()["requests"]}
    same(len(forms), 1, "forms of request, by size")


def all_of(number, rows):
    """How long the attempts lasted that were given up, once so many are on record."""
    waits = [row["elapsed_ms"] / 1000 for row in rows if row["fault"] == "first_content_timeout"]
    hold(len(waits) <= number, f"{len(waits)} attempts were given up, of {number}")
    return waits if len(waits) == number else None


def attempts_that_hang(dice):
    """How many attempts of one request hang, one after the other."""
    hanging = 0
    while dice.random() < HANGING:
        hanging += 1
    return hanging


def hang(times):
    return [("x-chaos", f"first_content_timeout*{times}")] if times else []


def words(name):
    """A prompt so long that the SDKs' bodies and ours are of one size, to the power of two."""
    return f"{name} " + "tell me of the sea " * 32


def is_whole(reply):
    text = reply.body
    return reply.status == 200 and text.count(b'"content":') >= 5 and text.count(b"data: [DONE]") == 1 and b'"error"' not in text


class SdkStreams:
    """The same from the official SDKs: some of theirs hang once."""

    def __init__(self, door, gateway):
        self.door = door
        self.case = {"base_url": gateway.base_url, "api_key": KEY, "call": "chat_stream", "model": "gpt-4o"}
        self.waits = []
        self.hung = []
        warm(door, {**self.case, "call": "chat"}, [(build, {}) for build in SDK_BUILDS])

    def begin(self):
        for build in SDK_BUILDS:
            for number in range(SDK_STREAMS):
                is_hung = number % (SDK_STREAMS // SDK_HANGING) == 5
                case = {**self.case, "prompt": words(f"{build} {number}"), "headers": dict(hang(int(is_hung)))}
                self.waits.append((build, is_hung, self.door.sdks.begin(build, case)))

    def check(self):
        events = collections.Counter()
        for build, is_hung, wait in self.waits:
            result = wait(90)
            hold(result["outcome"] == "stream_end", f"{build}: {result}")
            events[result["events"]] += 1
            if is_hung:
                self.hung.append(result["seconds"])
        hold(len(events) == 1, f"events of equal streams: {dict(events)}")
        hold(min(self.hung) >= FIRST_CONTENT_S and max(self.hung) <= FIRST_CONTENT_S + AGAIN_S + SDK_S, self.told())

    def told(self):
        return f"with SDKs {len(self.hung)} of {len(self.waits)} hung, within {max(self.hung):.2f} s"


# s: requests of one form end in a 504 after 60 s, whenever they are made.

WALL_S = 60.0
LONG = "all that the sea has said, " * 800
#: What an nginx says, and an API.
PAGE, JSON = "html-504+delay=60s", "504+delay=60s"
#: What a short request meets once; chaos counts each spelling by itself.
OTHER = "status-504+delay=60s*1"
BAD = [
    (PYTHON, PAGE, False),
    (PYTHON, JSON, False),
    (PYTHON, PAGE, True),
    (NODE, PAGE, False),
    (NODE, JSON, False),
    (NODE_6, PAGE, False),
]


@claim(waits=True)
def a_wall_at_60_s_is_named_after_three_failures_and_each_request_at_it_billed_once(door):
    """The official SDKs with default settings raise once, at 60 s, and read what helps."""
    chaos = door.chaos()
    gateway = door.gateway(QUIET + upstream(chaos))
    case = {"base_url": gateway.base_url, "api_key": KEY, "call": "chat", "model": "gpt-4o"}
    warm(door, case, [(build, {"async": is_async}) for build, _, is_async in BAD])
    first = []
    for _ in range(3):
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": LONG}]}
        first.append(begin(gateway, body, [("x-chaos", "empty-504+delay=60s")]))
        # So that what becomes of one is decided before the next fails.
        time.sleep(0.2)
    calls = []
    for build, fault, is_async in BAD:
        bad = {**case, "prompt": LONG, "headers": {"x-chaos": fault}, "async": is_async}
        calls.append((build, fault, door.sdks.begin(build, bad)))
    # Each in words of its own: to chaos, equal requests are attempts of one.
    other = {**case, "headers": {"x-chaos": OTHER}}
    others = [(build, door.sdks.begin(build, {**other, "prompt": build})) for build in (PYTHON, NODE)]
    check_first(chaos, first)
    took = []
    for build, fault, wait in calls:
        result = wait(90)
        check_diagnosed(build, fault, result)
        took.append(result["seconds"])
    faults = chaos.stats()["by_fault"]
    billed = (faults["504"] + faults["html-504"]) / len(BAD)
    said = f"{len(BAD)} requests at a wall of {WALL_S:.0f} s, {billed:.2f} billed for each, told after {min(took):.2f} to {max(took):.2f} s"
    print(f"      {said}", flush=True)
    hold(billed == 1, said)
    hold(WALL_S <= min(took) and max(took) <= WALL_S + 0.1 + SDK_S, said)
    check_others(chaos, gateway, others)
    rows = failures(door, gateway)
    walls = [row for row in rows if row["reason"] == "cliff"]
    same(len(walls), len(BAD) + 1, "failures on record whose reason is the wall")
    hold(all(WALL_S * 1000 <= row["elapsed_ms"] <= WALL_S * 1000 + 100 for row in walls), f"{[row['elapsed_ms'] for row in walls]}")
    same({seen["retry_count"] for seen in chaos.stats()["requests"]}, {None, "0"}, "retries of the SDKs' own")
    same(int(gateway.total("seawall_requests_total", outcome="diagnosed")), len(BAD) + 1, "requests that were diagnosed")


def check_first(chaos, first):
    """The third of the first three knows; the others have been sent a second time, and leave."""
    ready, _, _ = select.select(first, [], [], WALL_S + 10)
    wait_for("two of the first three are sent again", 10, lambda: chaos.stats()["by_fault"]["empty-504"] == 5)
    ready, _, _ = select.select(first, [], [], 5)
    hold(ready == first[2:], f"{len(ready)} of the first three were told")
    reply = first[2].recv(65536).decode()
    hold("x-seawall-outcome: diagnosed\r\n" in reply and "x-seawall-attempts: 1\r\n" in reply, reply)
    for one in first:
        one.close()
    wait_for("both are called off", 5, lambda: chaos.stats()["cancelled"] == 2)


def check_diagnosed(build, fault, result):
    error = result.get("error")
    hold(result["outcome"] == "error", f"{build}: {result}")
    same((error["class"], error["status_code"]), ("InternalServerError", 504), f"{build}: exception")
    seawall = error["seawall"]
    found = [seawall.get(f"x-seawall-{name}") for name in ("attempts", "outcome", "reason")]
    same(found, ["1", "diagnosed", "cliff"], f"{build}: attempts, outcome and reason")
    # An API's own error keeps everything but its message, which grows.
    for text in (seawall.get("x-seawall-diagnosis", ""), error["message"]):
        hold("fail after 60." in text and "nginx" in text and "stream the answer" in text, f"{build}: {text or error}")


def check_others(chaos, gateway, others):
    """Requests of another form are sent again, and so are those of this one when they fail otherwise."""
    for build, wait in others:
        result = wait(30)
        hold(result["outcome"] == "ok" and result["seconds"] >= WALL_S, f"{build}, another form: {result}")
    same(chaos.stats()["by_fault"]["status-504"], len(others), "failures of another form")
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": LONG}]})
    status, found, _ = ask(gateway.port, "POST", CHAT, body, {"content-type": "application/json", "x-chaos": "500*1"})
    same((status, found["x-seawall-attempts"]), (200, ["2"]), "the same form after another failure: status and attempts")
    same(int(gateway.total("seawall_requests_total", outcome="retried")), len(others) + 1, "requests that were retried")
