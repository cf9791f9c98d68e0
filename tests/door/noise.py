"""Independent failures are hidden, and what hides them costs about what they are.

An upstream that fails at random needs few retries; one that is dead needs to be left alone. Both
are counted where they arrive, at the upstream.
"""

import asyncio
import collections
import threading
import time

import load
from claims import claim, hold
from programs import upstream
from settings import times

WARM_S = 10
RATE = 400
MEASURED = 20_000
CHAT = "/v1/chat/completions"


class Noise:
    """One gateway before one upstream that fails at random."""

    def __init__(self, door, share, rate, seconds):
        self.share = share
        self.rate = rate
        self.seconds = seconds
        name = f"{share:.0%}".replace("%", "-percent")
        self.chaos = door.chaos("--fault", f"500:{share}", "--latency", "5ms..45ms", "--seed", "7", name=f"chaos-{name}")
        self.gateway = door.gateway("[server]\n[log]\nlevel = \"error\"\n" + upstream(self.chaos), name=f"gateway-{name}")
        self.statuses = collections.Counter()
        self.measured = 0
        self.before = None
        self.took, self.lost = 0.0, {}
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        self.took, self.lost = asyncio.run(load.open_loop(self.gateway.port, self.rate, self.seconds, self._make, self._heard))

    def _make(self, number):
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]}
        return load.request(CHAT, body, [("authorization", "Bearer sk-noise")])

    def _heard(self, number, at, reply):
        if at < WARM_S:
            return
        self.measured += 1
        self.statuses[reply.status if reply else "none"] += 1

    def wait(self, least, attempts_most):
        """Holds the bars to what was measured."""
        deadline = time.monotonic() + WARM_S
        time.sleep(max(0.0, deadline - time.monotonic()))
        before, sent = self.chaos.stats()["attempts"], self.gateway.total("seawall_requests_total")
        self.thread.join()
        after, in_all = self.chaos.stats()["attempts"], self.gateway.total("seawall_requests_total")
        hold(self.took < self.seconds * 1.2, f"the machine is too slow: {self.seconds} s of load took {self.took:.0f} s")
        success = self.statuses[200] / self.measured
        attempts = (after - before) / (in_all - sent)
        said = (
            f"{self.share:.0%}: {self.measured} requests at {self.rate}/s, success {success:.4%}, "
            f"attempts per request {attempts:.4f}, {dict(self.statuses)} {self.lost or ''}"
        )
        print(f"      {said}", flush=True)
        hold(self.measured >= MEASURED, f"too few: {said}")
        hold(success >= least, f"success below {least:.2%}: {said}")
        hold(attempts <= attempts_most, f"more than {attempts_most} attempts per request: {said}")


@claim(alone=True)
def independent_failures_of_1_and_20_percent_are_hidden_for_1_02_and_1_27_attempts(door):
    seconds = WARM_S + (times(MEASURED, 60_000) / RATE) + 1
    few = Noise(door, 0.01, RATE, seconds)
    many = Noise(door, 0.20, RATE, seconds)
    problems = []

    def check(noise, *bars):
        try:
            noise.wait(*bars)
        except Exception as broken:  # noqa: BLE001
            problems.append(str(broken))

    checks = [
        threading.Thread(target=check, args=(few, 0.9999, 1.02)),
        threading.Thread(target=check, args=(many, 0.997, 1.27)),
    ]
    for one in checks:
        one.start()
    for one in checks:
        one.join()
    hold(not problems, "\n".join(problems))


@claim(alone=True)
def a_dead_upstream_gets_no_more_retries_than_the_budget_pays_for(door):
    """Failed retries <= 10 + 0.2 S + 0.1 T, and 0.2 for each first attempt in flight (rulings 9)."""
    rate, seconds, healthy = 100, 12, 300
    chaos = door.chaos()
    gateway = door.gateway("[server]\n" + upstream(chaos))
    in_flight = peak = 0
    ok = bad = 0

    def make(number):
        nonlocal in_flight, peak
        in_flight += 1
        peak = max(peak, in_flight)
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]}
        return load.request(CHAT, body, [("x-chaos", "500")] if number >= healthy else [])

    def heard(number, at, reply):
        nonlocal in_flight, ok, bad
        in_flight -= 1
        ok += reply is not None and reply.status == 200
        bad += reply is not None and reply.status == 500

    took, lost = asyncio.run(load.open_loop(gateway.port, rate, seconds, make, heard))
    retries = chaos.stats()["attempts"] - rate * seconds
    allowed = 10 + 0.2 * ok + 0.1 * took + 0.2 * peak
    said = f"{retries} retries for {bad} failures, {ok} successes, {took:.1f} s, {peak} in flight: {allowed:.1f} allowed {lost or ''}"
    print(f"      {said}", flush=True)
    hold(ok == healthy and bad == rate * seconds - healthy, said)
    hold(0 < retries <= allowed, said)
