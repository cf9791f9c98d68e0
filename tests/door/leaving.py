"""A caller who leaves spends no more."""

import json
import signal
import socket
import struct
import threading
import time

from claims import claim, hold, same
from programs import ask, upstream, wait_for

#: From the caller's close to the upstream's notice.
NOTICED_S = 0.1
ROUNDS = 10


def begin(gateway, body, headers=()):
    """Sends a request and does not wait for its answer."""
    data = json.dumps(body).encode()
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: 127.0.0.1", "content-type: application/json"]
    lines += [f"content-length: {len(data)}", *(f"{name}: {value}" for name, value in headers)]
    one = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    one.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    return one


def reset(one):
    """Leaves with a reset instead of a polite end."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def chat(model, stream=False):
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": "wait for me"}]}


class Clock:
    """Chaos' clock, told in ours: the zero of its times, as late as it can have been."""

    def __init__(self, chaos):
        self.zero = min(self._once(chaos) for _ in range(5))

    @staticmethod
    def _once(chaos):
        stats = chaos.stats()
        return time.monotonic() - stats["uptime_ms"] / 1000


def check_rounds(door, fault, stream, ready, leave):
    """`fault` is a fault of chaos, or the steps of a script."""
    chaos = door.chaos()
    if not isinstance(fault, str):
        chaos.script(fault)
    gateway = door.gateway("[server]\n" + upstream(chaos))
    clock = Clock(chaos)
    worst = 0.0
    for number in range(ROUNDS):
        model = f"round-{number}"
        one = begin(gateway, chat(model, stream), [("x-chaos", fault)] if isinstance(fault, str) else [])
        ready(chaos, one, model)
        left = time.monotonic()
        leave(one)
        wait_for("the upstream notices", 5, lambda number=number: chaos.stats()["cancelled"] == number + 1)
        noticed = clock.zero + chaos.stats()["cancels_ms"][-1] / 1000
        worst = max(worst, noticed - left)
        hold(noticed - left <= NOTICED_S, f"round {number}: noticed after {(noticed - left) * 1000:.0f} ms")
    attempts = chaos.stats()["attempts"]
    same(attempts, ROUNDS, "attempts")
    print(f"      {ROUNDS} times, noticed after at most {worst * 1000:.0f} ms", flush=True)


def arrived(chaos, one, model):
    wait_for("the request arrives", 5, lambda: chaos.stats()["by_model"].get(model))


def streaming(chaos, one, model):
    one.settimeout(5)
    data = b""
    while b"content" not in data.partition(b"\r\n\r\n")[2]:
        more = one.recv(65536)
        hold(more, f"the stream ended: {data[-500:]!r}")
        data += more


@claim
def a_caller_who_leaves_before_the_answer_cancels_the_attempt_within_100_ms(door):
    check_rounds(door, "first_content_timeout", False, arrived, socket.socket.close)


@claim
def a_caller_who_leaves_with_a_reset_cancels_the_attempt_within_100_ms(door):
    check_rounds(door, "first_content_timeout", False, arrived, reset)


@claim
def a_caller_who_leaves_a_stream_before_its_head_cancels_the_attempt_within_100_ms(door):
    check_rounds(door, "first_content_timeout", True, arrived, socket.socket.close)


@claim
def a_caller_who_leaves_in_the_middle_of_a_stream_cancels_the_attempt_within_100_ms(door):
    check_rounds(door, "stall=3", True, streaming, socket.socket.close)


EVENT = 'data: {"choices":[{"index":0,"delta":{"content":"on and on"},"finish_reason":null}]}\n\n'
FLOWING = [{"headers": {"content-type": "text/event-stream"}, "parts": [EVENT, {"sleep_ms": 20}] * 1000}]


@claim
def a_caller_who_leaves_a_stream_that_flows_cancels_the_attempt_within_100_ms(door):
    check_rounds(door, FLOWING, True, streaming, socket.socket.close)


@claim
def a_caller_who_resets_a_stream_that_flows_cancels_the_attempt_within_100_ms(door):
    check_rounds(door, FLOWING, True, streaming, reset)


@claim
def nothing_is_sent_again_after_the_caller_left(door):
    """Callers leave while the gateway waits to try again."""
    chaos = door.chaos()
    config = '[server]\n[retry]\nmin_useful = "1ms"\n' + upstream(chaos)
    gateway = door.gateway(config)
    for number in range(ROUNDS):
        model = f"round-{number}"
        one = begin(gateway, chat(model), [("x-chaos", "503+retry-after=1")])
        wait_for("the first attempt is over", 5, lambda model=model: is_over(chaos, model))
        one.close()
    wait_for("nobody is served any more", 5, lambda: gateway.total("seawall_requests_in_flight") == 0)
    # A request that waits its own second out, after them: were theirs still to come, they would have come before it.
    last = begin(gateway, chat("last"), [("x-chaos", "503+retry-after=1")])
    wait_for("the last one's second attempt", 10, lambda: chaos.stats()["by_model"].get("last", {}).get("attempts", 0) >= 2)
    last.close()
    counts = {model: seen["attempts"] for model, seen in chaos.stats()["by_model"].items() if model != "last"}
    same(counts, {f"round-{number}": 1 for number in range(ROUNDS)}, "attempts")


def is_over(chaos, model):
    return any(request["model"] == model and request["done_ms"] for request in chaos.stats()["requests"])


@claim
def callers_who_stay_are_served_while_others_leave(door):
    chaos = door.chaos("--latency", "30ms")
    gateway = door.gateway("[server]\n" + upstream(chaos))
    statuses = []

    def stay():
        for _ in range(20):
            statuses.append(ask(gateway.port, "POST", "/v1/chat/completions", json.dumps(chat("stays")))[0])

    stayers = [threading.Thread(target=stay) for _ in range(4)]
    for one in stayers:
        one.start()
    for number in range(60):
        reset(begin(gateway, chat(f"leaves-{number % 5}"), []))
    for one in stayers:
        one.join()
    same(statuses, [200] * 80, "statuses of those who stayed")


@claim
def an_idle_connection_does_not_hold_up_a_shutdown(door):
    """SDKs keep connections open for later: a gateway that is told to end does not wait for them."""
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    one = begin(gateway, chat("idle"))
    hold(one.recv(65536).startswith(b"HTTP/1.1 200"), "an answer")
    asked = time.monotonic()
    gateway.signal(signal.SIGTERM)
    code = gateway.exit_code(10)
    took = time.monotonic() - asked
    same(code, 0, "exit code")
    hold(took < 5, f"it took {took:.1f} s to end")
    one.close()
