"""What happens in an outage, and where requests go that one upstream does not answer.

The figures of the rehearsal are about virtual time; these are the same decisions on real sockets.
"""

import asyncio
import collections
import itertools
import json
import time

import load
from claims import claim, hold
from programs import upstream, wait_for

CHAT = "/v1/chat/completions"
QUIET = '[log]\nlevel = "error"\n'


def ask(gateway, body, headers=()):
    """One request, and how long it took."""
    replies = []
    request = load.request(CHAT, body, headers)
    asyncio.run(load.open_loop(gateway.port, 1, 1, lambda number: request, lambda number, at, reply: replies.append(reply)))
    (reply,) = replies
    hold(reply is not None, "no reply")
    return reply, reply.ended - reply.began


@claim(alone=True)
def a_batch_waits_for_its_upstream_to_come_back(door):
    """In an outage of 8 s a batch loses nothing, and what has come back is not overrun."""
    rate, seconds, down_at, down_for = 20, 14, 3, 8
    script = door.folder / "outage.toml"
    script.write_text(f'[[phase]]\nat = "{down_at}s"\nfor = "{down_for}s"\nfault = "500"\n')
    chaos = door.chaos("--script", str(script), "--latency", "20ms..60ms")
    gateway = door.gateway('profile = "batch"\n[server]\n' + QUIET + upstream(chaos))
    statuses = collections.Counter()
    waited = []

    def make(number):
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]}
        return load.request(CHAT, body, [])

    def heard(number, at, reply):
        statuses[reply.status if reply else None] += 1
        waited.append(reply.ended - reply.began if reply else 0)

    _, lost = asyncio.run(load.open_loop(gateway.port, rate, seconds, make, heard))
    total = rate * seconds
    stats = chaos.stats()
    launched = collections.Counter(int(r["t_ms"] / 1000) for r in stats["requests"])
    peak = max(launched.values())
    said = f"{stats['attempts'] / total:.3f} attempts per request, {dict(statuses)}, longest wait {max(waited):.1f} s, "
    said += f"at most {peak} in a second {lost or ''}"
    print(f"      {said}", flush=True)
    hold(statuses[200] >= total * 0.995, said)
    hold(stats["attempts"] <= total * 1.15, said)
    hold(peak <= 4 * rate, said)


@claim
def another_key_is_sent_where_the_first_is_limited(door):
    """With two keys a 429 is no reason to wait; and the resting key is left alone meanwhile."""
    chaos = door.chaos()
    place = upstream(chaos) + 'api_keys = ["sk-first", "sk-second"]\n'
    gateway = door.gateway(QUIET + place)
    body = {"model": "gpt-4o", "messages": []}
    reply, took = ask(gateway, body, [("x-chaos", "429+retry-after=9*1")])
    hold(reply.status == 200 and took < 2, f"{reply.status} after {took:.1f} s")
    hold(reply.header("x-seawall-attempts") == "2", reply.head.decode())


@claim
def a_smaller_model_answers_where_the_larger_cannot(door):
    """gpt-4o on one upstream, then another model on the other: the body's model is the one that is asked."""
    broken = door.chaos("--fault", "500:1", name="chaos-broken")
    well = door.chaos(name="chaos-well")
    places = upstream(broken, 'models = ["gpt-4o"]', name="large", key="sk-one")
    places += upstream(well, 'models = ["gpt-4o-mini"]', name="small", key="sk-two")
    places += '[[route]]\nmodels = ["gpt-4o"]\nupstreams = ["large"]\nfallback_models = ["gpt-4o-mini"]\n'
    gateway = door.gateway(QUIET + places)
    reply, _ = ask(gateway, {"model": "gpt-4o", "messages": []})
    hold(reply.status == 200, f"{reply.status} {reply.body.decode()}")
    hold(reply.header("x-seawall-upstream") == "small", reply.head.decode())
    hold(reply.header("x-seawall-outcome") == "failed_over", reply.head.decode())
    asked = well.stats()["by_model"]
    hold(list(asked) == ["gpt-4o-mini"], json.dumps(asked))


@claim
def the_state_of_a_breaker_is_a_metric(door):
    """Twenty different requests in a row fail: the breaker says so in a number, and the answer in words."""
    chaos = door.chaos("--fault", "500:1")
    gateway = door.gateway(QUIET + upstream(chaos))
    for number in range(20):
        reply, _ = ask(gateway, {"model": "gpt-4o", "messages": [{"role": "user", "content": f"{number}"}]})
        if reply.status == 503:
            break
    hold(reply.status == 503 and b"asked again in" in reply.body, f"{reply.status} {reply.body.decode()}")
    state = gateway.total("seawall_breaker_state", upstream="chaos", model="gpt-4o")
    hold(state == 2, f"state {state}")


@claim
def a_retry_of_the_callers_own_is_counted_and_gets_two_attempts_at_most(door):
    """Two layers of retries would multiply: who is asked again by its own SDK is asked for half as often."""
    chaos = door.chaos()
    gateway = door.gateway('[server]\n[retry]\ncap = "5ms"\n' + QUIET + upstream(chaos))
    ids = {}
    for retries, fault, status, attempts in (("0", "500", 500, 4), ("1", "500", 500, 2), ("2", "503", 503, 2), ("1", "500*1", 200, 2)):
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"{retries} {fault}"}]}
        reply, _ = ask(gateway, body, [("x-chaos", fault), ("x-stainless-retry-count", retries)])
        found = reply.status, reply.header("x-seawall-attempts")
        hold(found == (status, str(attempts)), f"retry {retries} of a caller, {fault}: {found}")
        reason = {"0": "attempts"}.get(retries, "client_retry") if status != 200 else None
        hold(reply.header("x-seawall-reason") == reason, f"retry {retries} of a caller, {fault}: {reply.head.decode()}")
        ids[reply.header("x-seawall-request-id")] = int(retries), attempts - (status == 200)
    hold(chaos.stats()["attempts"] == 10, f"{chaos.stats()['attempts']} attempts")
    counted = gateway.total("seawall_client_retries_total")
    hold(counted == 3, f"{counted} retries of callers counted, of 3")

    def rows(request):
        _, out, _ = door.run("failures", "--json", "--request-id", request, "--data-dir", gateway.data)
        return [json.loads(line) for line in out.splitlines()]

    for request, (retries, failed) in ids.items():
        # The record of a request that was answered well is not waited for.
        wait_for(f"{request} is on record", 5, lambda request=request, failed=failed: len(rows(request)) == failed)
        hold({row["client_retries"] for row in rows(request)} == {retries}, f"{request}: {rows(request)}")
        _, out, err = door.run("show", request, "--data-dir", gateway.data)
        told = [line.split()[-1] for line in out.splitlines() if "caller's own retry" in line]
        hold(told == ([str(retries)] if retries else []), f"{request}: {out}{err}")


@claim
def who_was_asked_to_come_back_is_no_retry_of_the_callers_own(door):
    """A 504 on the SDK's own deadline invites it once: its return gets all attempts, and is not counted."""
    chaos = door.chaos()
    gateway = door.gateway('[server]\n[retry]\ncap = "5ms"\n' + QUIET + upstream(chaos))
    body = {"model": "gpt-4o", "messages": []}
    reply, _ = ask(gateway, body, [("x-chaos", "first_content_timeout"), ("x-stainless-timeout", "1")])
    hold((reply.status, reply.header("x-should-retry")) == (504, "true"), reply.head.decode())
    reply, _ = ask(gateway, body, [("x-chaos", "500"), ("x-stainless-retry-count", "1")])
    hold((reply.status, reply.header("x-seawall-attempts")) == (500, "4"), reply.head.decode())
    counted = gateway.total("seawall_client_retries_total")
    hold(counted == 0, f"{counted} retries of callers counted")


#: Longer than the head of a request may take.
KEPT_S = 12


@claim(waits=True)
def a_connection_is_kept_while_its_requests_are_refused(door):
    """An upstream that is not asked: its callers are told on the connection that they have."""
    chaos = door.chaos("--fault", "500:1")
    gateway = door.gateway('[server]\n[breaker]\nopen = "60s"\nopen_max = "60s"\n' + QUIET + upstream(chaos))
    numbers = itertools.count()
    body = lambda: {"model": "gpt-4o", "messages": [{"role": "user", "content": f"{next(numbers)}"}]}  # noqa: E731
    wait_for("the breaker opens", 30, lambda: ask(gateway, body())[0].status == 503)
    statuses = collections.Counter()

    async def one_after_the_other():
        pool = load.Pool(gateway.port)
        until = time.monotonic() + KEPT_S
        while time.monotonic() < until:
            reply = await pool.ask(load.request(CHAT, body()))
            statuses[reply.status if reply else None] += 1
            # The pace of a caller: the connection is idle for a moment.
            await asyncio.sleep(0.05)
            if not pool.idle or pool.idle[0].is_over:
                break
        pool.close()
        return until - time.monotonic(), dict(pool.lost)

    early, lost = asyncio.run(one_after_the_other())
    hold(set(statuses) == {503} and early <= 0, f"closed {early:.1f} s before the end: {dict(statuses)} {lost}")
