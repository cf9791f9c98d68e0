"""A second attempt beside one that is late: who waits for a stuck stream, and what it costs."""

import asyncio
import json

import load
from claims import claim, hold, same
from programs import upstream, wait_for
from sdks import NODE, PYTHON

CHAT = "/v1/chat/completions"
KEY = "sk-hedge"
#: Streams from which it is learnt when one is late: more than the 50 that are needed.
WARM = 80
#: A first attempt that hangs is late after 250 ms; what would have been waited is 20 s.
TOLD_S = 5
SDK_STREAMS = 4


@claim
def a_stream_that_hangs_is_answered_by_the_attempt_begun_beside_it(door):
    """With `[hedge] enabled = true` the official SDKs get every stream at once, and both attempts are on record."""
    chaos = door.chaos("--latency", "5ms..20ms", "--chunks", "5")
    gateway = door.gateway('[server]\n[hedge]\nenabled = true\n[log]\nlevel = "error"\n' + upstream(chaos))
    statuses = []

    def make(number):
        body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": f"question {number}"}]}
        return load.request(CHAT, body, [])

    _, lost = asyncio.run(load.open_loop(gateway.port, 40, WARM / 40, make, lambda n, at, reply: statuses.append(reply.status)))
    hold(not lost and set(statuses) == {200} and len(statuses) >= WARM, f"{statuses} {lost}")
    before = chaos.stats()["attempts"]
    case = {"base_url": gateway.base_url, "api_key": KEY, "call": "chat_stream", "model": "gpt-4o"}
    events, took = set(), []
    for build in (PYTHON, NODE):
        for number in range(SDK_STREAMS):
            # The purse holds five hedges when it is full, and each request earns a twelfth of one.
            hangs = number % 2 == 0
            headers = {"x-chaos": "first_content_timeout*1"} if hangs else {}
            call = {**case, "prompt": f"question {number} of {build}", "headers": headers}
            result = door.sdks.call(build, call, 60)
            hold(result["outcome"] == "stream_end", f"{build}: {result}")
            events.add(result["events"])
            if hangs:
                took.append(result["seconds"])
    hung = len(took)
    same(len(events), 1, "kinds of streams, by their events")
    hold(max(took) < TOLD_S, f"told after {max(took):.2f} s")
    wait_for("the losers are broken off", 5, lambda: chaos.stats()["cancelled"] == hung)
    same(chaos.stats()["attempts"] - before, 2 * SDK_STREAMS + hung, "attempts: one for each stream, one more where it hung")
    same(gateway.total("seawall_requests_total", outcome="hedged"), hung, "requests that a hedge answered")
    same(gateway.total("seawall_attempts_total", **{"class": "cancelled"}), hung, "attempts broken off")

    def rows():
        code, out, err = door.run("failures", "--json", "--data-dir", gateway.data)
        hold(code == 0, err)
        return [json.loads(line) for line in out.splitlines()]

    # What nobody is told of as a failure is written down within 100 ms.
    rows = wait_for("on record", 5, lambda: (found := rows()) and len(found) >= hung and found)
    found = {(row["attempt"], row["class"], row["reason"], row["billed"]) for row in rows}
    same((len(rows), found), (hung, {(1, "cancelled", "superseded", "possibly")}), "on record")
    print(f"      {hung} streams that hang: told within {max(took):.2f} s, {2 * SDK_STREAMS + hung} attempts for {2 * SDK_STREAMS}")


@claim
def nothing_is_hedged_unless_it_is_asked_for(door):
    """The default buys no prompt twice: a stream that is late is waited for."""
    chaos = door.chaos("--latency", "5ms..20ms")
    gateway = door.gateway('[server]\n[log]\nlevel = "error"\n' + upstream(chaos))

    def make(number):
        late = [("x-chaos", "slow=1500ms")] if number == WARM else []
        body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": f"question {number}"}]}
        return load.request(CHAT, body, late)

    replies = []
    asyncio.run(load.open_loop(gateway.port, 40, (WARM + 1) / 40, make, lambda n, at, reply: replies.append(reply)))
    hold({reply.status for reply in replies} == {200}, "every stream is answered")
    same(chaos.stats()["attempts"], len(replies), "attempts")
